# SPDX-License-Identifier: MIT
"""What only played servers can show: every variant of one thing at a time, and every fact of the
record held against what the server was told to do."""

import re
import unittest
from itertools import combinations

import facts
import scan
from case import comparable, main
from certificates import Certificate
from facts import Unknown, but, capabilities, difference, rows, sound
from played import Farm

PATIENCE = ("--greeting-timeout", "2", "--reply-timeout", "2", "--tls-timeout", "2")
PROTOCOLS = ("ftp", "imap", "pop3", "smtp")
MODES = ("clear", "implicit")
TLS_MEMBERS = ("version", "cipher", "group", "extended_master_secret", "secure_renegotiation",
               "compression", "downgrade_sentinel", "dh_bits", "ocsp_staple",
               "client_certificate_requested", "large_hello_intolerant", "certificate", "chain",
               "verify")


def unknown(reason, *paths):
    return {path: Unknown(reason) for path in paths}


def after(protocol, value):
    """What is said inside TLS, where nothing is: None, or why it is not known."""
    names = ("capabilities",) if protocol == "ftp" else \
        ("capabilities", "login_disabled", "mechanisms")
    return {f"/auth/{name}/after_tls": value for name in names}


def before(protocol, value):
    return {path.replace("after", "before"): same for path, same in after(protocol, value).items()}


def no_upgrade(protocol):
    """The upgrade was refused: there is no TLS, and nothing inside it."""
    return {"/starttls/accepted": False, "/starttls/handshake": "not_tested",
            "/starttls/bytes_after_reply": None, "/tls": None, **after(protocol, None)}


def not_upgraded(protocol, reason):
    """It is not known whether the upgrade is accepted."""
    return {"/starttls/handshake": "not_tested", **after(protocol, Unknown(reason)),
            **unknown(reason, "/starttls/accepted", "/starttls/bytes_after_reply", "/tls")}


def broken_tls(server, failure, versions=None):
    """The handshake failed, and nothing of TLS was seen but how."""
    word = failure.split()[0]
    own = word in ("closed", "reset", "timeout", "limit")
    changes = {"/tls/": None, "/tls/established": False, "/tls/failure": failure,
               **unknown(word if own else "tls_error", *(f"/tls/{name}" for name in TLS_MEMBERS)),
               **(versions or inconclusive(failure))}
    if server.mode == "implicit":
        return changes | {"/status": "tls_error", "/error": f"handshake {word}",
                          **unknown("tls_error", "/observed_mode", "/auth", "/banner")}
    return changes | {"/starttls/handshake": "failed",
                      **after(server.protocol, Unknown("tls_error"))}


def inconclusive(reason):
    return {f"/tls/versions/{name}": f"inconclusive {reason}" for name in facts.VERSIONS} | \
        {"/tls/versions_accepted": []}


def turned_away(mode, status, code, reason=None, **known):
    """It ended with the greeting, which came inside TLS on an implicit port."""
    nowhere = ("/auth",) if mode == "implicit" else ("/starttls", "/auth", "/tls")
    return {"/status": status, "/error": f"banner {code}", **unknown(reason or status, *nowhere),
            **{f"/{name}": value for name, value in known.items()}}


def nothing_read(mode, status, code, reason):
    """It ended before the end of a greeting."""
    seen = {} if mode == "implicit" else {"observed_mode": Unknown(reason)}
    return turned_away(mode, status, code, reason, banner=Unknown(reason), **seen)


class PlayedCase:
    """Mixed into a unittest.TestCase: build() adds the servers, each with what changes by it."""

    options = ()
    at_once = 1

    @classmethod
    def add(cls, protocol, mode="clear", changes=None, target_mode=None, **script):
        """`changes` may be a function of the server."""
        server = cls.farm.add(protocol, mode, **script)
        cls.cases.append((server, changes or {}, server.target(target_mode)))
        return server

    @classmethod
    def setUpClass(cls):
        cls.farm, cls.cases = Farm(), []
        cls.addClassCleanup(cls.farm.close)
        cls.build()
        cls.farm.start()
        cls.run_ = scan.run("--ca-file", cls.farm.ca_file, *PATIENCE, *cls.options,
                            *(target for _, _, target in cls.cases))
        cls.scripts = {server.at(): dict(server.script) for server in cls.farm.servers}
        cls.stats = cls.farm.stop()

    def truth(self, server, changes):
        return but(sound(self.farm, server), changes(server) if callable(changes) else changes)

    def test_every_fact(self):
        self.assertEqual(len(self.run_.records), len(self.cases))
        for server, changes, target in self.cases:
            with self.subTest(server=server.line().strip(), target=target):
                wrong = difference(facts.of(self.run_.endpoints[server.at()]),
                                   self.truth(server, changes))
                if wrong:
                    self.fail("\n" + "\n".join(wrong))

    def test_manners(self):
        for at, row in self.stats.items():
            with self.subTest(server=at):
                self.assertEqual(row["credentials"], 0)
                # To a peer that only plays TLS our alert and the end of the connection are two
                # events, and the next connection may come between them.
                versions = self.scripts.get(at, {}).get("versions", "1.2")
                self.assertLessEqual(row["max_open"], self.at_once if "1." in versions else 2)


class Sound(PlayedCase, unittest.TestCase):
    @classmethod
    def build(cls):
        for protocol in PROTOCOLS:
            for mode in MODES:
                cls.add(protocol, mode)

    def test_a_whole_dialogue_ends_politely(self):
        for at, row in self.stats.items():
            upgrade = at[1] in (10021, 10025, 10110, 10143)  # then a login and an injection follow
            self.assertEqual((row["handshakes"], row["polite"]), (2, 3) if upgrade else (1, 1), at)

    def test_what_is_tried_in_the_end(self):
        for server, _, target in self.cases:
            with self.subTest(server=server.line().strip(), target=target):
                seen = facts.tried(self.run_.endpoints[server.at()])
                self.assertEqual([], difference(seen, facts.sound_tried(server)))

    def test_the_suite_of_each_version(self):
        for record in self.run_.records:
            self.assertEqual([row.get("cipher") for row in record["tls"]["versions"][4:]],
                             [facts.SUITE_12, facts.SUITE_13])


class Greetings(PlayedCase, unittest.TestCase):
    HOSTILE = ("\ufffd\ufffd\ufffd( \ufffd \ufffd[31m\ufffd]0;title\ufffd "
               "<script>alert(1)</script> \"';-- {\"a\":1} \ufffd")
    REFUSALS = {
        "ftp": {"busy": ("421", "421 Too many connections from your address."),
                "refuse": ("530", "530 No service for you.")},
        "imap": {"busy": ("BYE", "* BYE [UNAVAILABLE] Too many connections from your address"),
                 "refuse": ("BYE", "* BYE No service for you")},
        "pop3": {"busy": ("-ERR", "-ERR [SYS/TEMP] Too many connections from your address"),
                 "refuse": ("-ERR", "-ERR No service for you")},
        "smtp": {"busy": ("421", "421 4.7.0 mail.demo.test Too many connections"),
                 "refuse": ("554", "554 5.7.1 No service for you")},
    }

    @classmethod
    def build(cls):
        cls.preauth()
        for protocol in PROTOCOLS:
            for mode in MODES:
                cls.each(protocol, mode)
        for mode in MODES:
            cls.add("smtp", mode, {"/banner": "220-mail.demo.test ESMTP\n220-No advertising\n"
                                              "220 ready"}, greeting="multiline")
            cls.add("ftp", mode, {"/banner": "220-ftp.demo.test\nWelcome, stranger.\n"
                                             "  220 is the number of our bus.\n220-\n220 ready."},
                    greeting="multiline")

    @classmethod
    def each(cls, protocol, mode):
        def add(changes, **script):
            cls.add(protocol, mode, changes, **script)

        for greeting, (code, text) in cls.REFUSALS[protocol].items():
            add(turned_away(mode, "refused", code, banner=text), greeting=greeting)
        for greeting, text in (("ssh", "SSH-2.0-Demo_1.0"), ("http", "HTTP/1.1 400 Bad Request")):
            add(turned_away(mode, "protocol_mismatch", "protocol_mismatch", banner=text),
                greeting=greeting)
        add(nothing_read(mode, "error", "limit", "limit"), greeting="flood")
        add(nothing_read(mode, "timeout", "timeout", "timeout"), greeting="silent")
        word = {"imap": "* OK ", "pop3": "+OK "}.get(protocol, "220 ")
        hostile = cls.HOSTILE[3:] if protocol == "ftp" else cls.HOSTILE  # Telnet's IAC is taken out
        add({"/banner": word + hostile, "/lossy": ["/banner"]}, greeting="hostile")
        add({}, greeting_delay="700")

    @classmethod
    def preauth(cls):
        banner = {"/banner": "* PREAUTH mail.demo.test you are known here", "/auth/preauth": True}
        lists = {"/auth/capabilities/before_tls": capabilities("imap", upgrade=False)}
        cls.add("imap", changes=banner | lists | no_upgrade("imap") | {
            "/starttls/advertised": False, "/starttls/reply": "BAD TLS is not to be had now"},
                greeting="preauth")
        cls.add("imap", "implicit", banner, greeting="preauth")

    def test_texts_are_clean(self):
        for record in self.run_.records:
            if record["lossy"]:
                self.assertNotRegex(record["banner"], "[\x00-\x1f\x7f-\x9f]")


class Strangers(PlayedCase, unittest.TestCase):
    """Each protocol where another one was expected."""

    @classmethod
    def build(cls):
        for protocol in PROTOCOLS:
            for other in PROTOCOLS:
                if other == protocol:
                    continue
                server = cls.farm.add(protocol)
                cls.cases.append((server, turned_away(
                    "clear", "protocol_mismatch", "protocol_mismatch",
                    banner=facts.BANNERS[protocol]),
                                  f"{server.address}:{server.port}/{other}"))


class Capabilities(PlayedCase, unittest.TestCase):
    @classmethod
    def build(cls):
        for protocol in PROTOCOLS:
            cls.refused(protocol)
            cls.letters(protocol)
            cls.endless(protocol)
        for mode in MODES:
            cls.add("imap", mode, caps="tagged")
            cls.add("imap", mode, caps="literal")
        told = capabilities("imap")
        cls.add("imap", changes={
            "/banner": "* OK [CAPABILITY IMAP4rev1 SASL-IR ID ENABLE IDLE STARTTLS LOGINDISABLED] "
                       "mail.demo.test ready",
            "/auth/capabilities/before_tls": told, **after("imap", Unknown("odd_reply"))},
            caps="greeting")
        cls.add("imap", "implicit", {
            "/banner": "* OK [CAPABILITY IMAP4rev1 SASL-IR ID ENABLE IDLE AUTH=PLAIN] "
                       "mail.demo.test ready"}, caps="greeting")
        cls.lists()

    @classmethod
    def refused(cls, protocol):
        changes = after(protocol, Unknown("refused"))
        cls.add(protocol, "implicit", changes, caps="refused")
        cls.add(protocol, changes=changes | before(protocol, Unknown("refused")) |
                unknown("refused", "/starttls/advertised"), caps="refused")

    @classmethod
    def letters(cls, protocol):
        """Keywords are the same in any letters; parameters are as sent."""
        def seen(word, change):
            sent = "".join(change(i, c) for i, c in enumerate(word))
            end = re.search("[ =]|$", sent).start()
            return sent[:end].upper() + sent[end:]

        for caps, change in (("lower", lambda i, c: c.lower()),
                             ("mixed", lambda i, c: c.lower() if i % 2 else c)):
            cls.add(protocol, changes={
                f"/auth/capabilities/{side}": sorted(seen(word, change) for word in
                                                     capabilities(protocol, secure=secure))
                for side, secure in (("before_tls", False), ("after_tls", True))}, caps=caps)

    @classmethod
    def endless(cls, protocol):
        """No end of the list, by a flood or by silence. What stands before that was seen: the first
        feature of FTP is AUTH TLS, and IMAP sends a whole list before the flood."""
        cls.add(protocol, changes={"/status": "error", "/error": "capability limit",
                                   "/starttls/attempted": False, "/starttls/command": None,
                                   "/starttls/reply": Unknown("limit"),
                                   **not_upgraded(protocol, "limit"),
                                   "/starttls/advertised": protocol == "imap" or Unknown("limit"),
                                   **before(protocol, Unknown("limit"))}, caps="endless")
        cls.add(protocol, "implicit", {"/status": "error", "/error": "inside_tls limit",
                                       **after(protocol, Unknown("limit"))}, caps="endless")
        # TLS is asked for without the list, on a connection of its own
        cls.add(protocol, changes={"/starttls/advertised": protocol == "ftp" or Unknown("timeout"),
                                   **before(protocol, Unknown("timeout")),
                                   **after(protocol, Unknown("timeout"))}, caps="halfway")
        cls.add(protocol, "implicit", after(protocol, Unknown("timeout")), caps="halfway")

    @classmethod
    def lists(cls):
        def told(protocol, words, advertised, disabled, mechanisms):
            changes = {"/auth/capabilities/before_tls": sorted(words.split(",")) if words else [],
                       "/starttls/advertised": advertised}
            if protocol != "ftp":
                changes |= {"/auth/login_disabled/before_tls": disabled,
                            "/auth/mechanisms/before_tls": mechanisms}
            cls.add(protocol, changes=changes, caps_clear=words)

        told("ftp", "AUTH", True, None, None)
        told("ftp", "AUTH SSL", True, None, None)
        told("ftp", "AUTH TLS;TLS-C;SSL;TLS-P;", True, None, None)
        told("ftp", "AUTH GSSAPI", False, None, None)
        told("ftp", "AUTHTLS,XAUTH TLS", False, None, None)
        told("ftp", "", False, None, None)
        told("imap", "IMAP4REV1,STARTTLS,AUTH=GSSAPI", True, False, ["GSSAPI"])
        told("imap", "IMAP4REV1,XSTARTTLS,LOGINDISABLED2", False, False, [])
        told("imap", "IMAP4REV1,AUTH=PLAIN,LOGINDISABLED", False, True, ["PLAIN"])
        told("pop3", "STLS,SASL CRAM-MD5 GSSAPI", True, True, ["CRAM-MD5", "GSSAPI"])
        told("pop3", "STLS,USER,SASL", True, False, [])
        told("pop3", "SASL XOAUTH2,STLSX", False, False, ["XOAUTH2"])
        told("pop3", "", False, True, [])
        told("smtp", "STARTTLS,AUTH CRAM-MD5", True, True, ["CRAM-MD5"])
        told("smtp", "AUTH=LOGIN,STARTTLS", True, False, ["LOGIN"])
        told("smtp", "AUTH OAUTHBEARER,XSTARTTLS", False, False, ["OAUTHBEARER"])
        told("smtp", "", False, True, [])
        for protocol in PROTOCOLS:  # passwords are taken in clear
            changes = {"/auth/capabilities/before_tls": capabilities(protocol, login=True)}
            if protocol != "ftp":
                changes |= {"/auth/login_disabled/before_tls": False,
                            "/auth/mechanisms/before_tls": facts.MECHANISMS[protocol]}
            cls.add(protocol, changes=changes, login="allowed")
            cls.add(protocol, changes=changes, login="unannounced")
            cls.add(protocol, login="announced")


class Upgrades(PlayedCase, unittest.TestCase):
    TRAILING = len(b"* OK 250 +OK plaintext behind the reply\r\n")
    NO = {"ftp": "534 TLS is refused by policy.", "imap": "NO TLS is not configured",
          "pop3": "-ERR [SYS/PERM] TLS is not configured",
          "smtp": "554 5.7.0 TLS is not configured"}
    UNHEARD = {"ftp": "502 Command not implemented.", "imap": "BAD Unknown command",
               "pop3": "-ERR Unknown command", "smtp": "502 5.5.1 Command not implemented"}
    LATER = {"ftp": "431 TLS is not available for the moment.",
             "imap": "NO [UNAVAILABLE] TLS is not available for the moment",
             "pop3": "-ERR [SYS/TEMP] TLS is not available for the moment",
             "smtp": "454 4.7.0 TLS is not available for the moment"}

    @classmethod
    def build(cls):
        for protocol in PROTOCOLS:
            plain = capabilities(protocol, upgrade=False)
            cls.add(protocol, changes={"/starttls/advertised": False,
                                       "/auth/capabilities/before_tls": plain}, starttls="hidden")
            cls.add(protocol, changes={"/starttls/advertised": False,
                                       "/starttls/reply": cls.UNHEARD[protocol],
                                       **no_upgrade(protocol),
                                       "/auth/capabilities/before_tls": plain}, starttls="none")
            cls.add(protocol, changes={"/starttls/reply": cls.NO[protocol],
                                       **no_upgrade(protocol)}, starttls="refuse")
            cls.add(protocol, changes={"/starttls/reply": cls.LATER[protocol],
                                       **not_upgraded(protocol, "temporary")},
                    starttls="temporary")
            cls.add(protocol, changes={"/starttls/reply": Unknown("timeout"),
                                       **not_upgraded(protocol, "timeout")}, starttls="silent")
            cls.add(protocol, changes=lambda server: broken_tls(server, "closed"), starttls="die")
            cls.add(protocol, changes=lambda server: broken_tls(server, "reset"), starttls="reset")
            for word in ("trailing", "late"):
                cls.add(protocol, changes={"/starttls/bytes_after_reply": cls.TRAILING,
                                           "/tls/versions/ssl2.0": "inconclusive plaintext"},
                        starttls=word)
        cls.add("ftp", changes={"/starttls/reply": "334 Using authentication type TLS."},
                starttls="334")
        words = [word.replace("TLS", "SSL") for word in capabilities("ftp")]
        cls.add("ftp", changes={"/starttls/command": "AUTH SSL",
                                "/auth/capabilities/before_tls": words}, starttls="ssl-only")

    def test_explicit_ports_are_recorded_as_such(self):
        with Farm() as farm:
            servers = [farm.add(protocol) for protocol in ("ftp", "smtp")]
            farm.start()
            run = scan.run("--ca-file", farm.ca_file,
                           *(server.target("explicit") for server in servers))
            for server in servers:
                self.assertEqual([], difference(
                    facts.of(run.endpoints[server.at()]),
                    but(sound(farm, server), {"/observed_mode": "explicit"})))


class WrongMode(PlayedCase, unittest.TestCase):
    """TLS where clear text was expected, and the other way round."""

    at_once = 2  # likewise: we leave at the first text, and come back at once

    @classmethod
    def build(cls):
        for protocol in PROTOCOLS:
            cls.add(protocol, "implicit", target_mode="insecure")
            cls.add(protocol, "clear", target_mode="implicit")
            code, text = Greetings.REFUSALS[protocol]["busy"]
            cls.add(protocol, "implicit", turned_away("implicit", "refused", code, banner=text),
                    target_mode="insecure", greeting="busy")
            cls.add(protocol, "clear", turned_away("clear", "refused", code, banner=text,
                                                   observed_mode="insecure"),
                    target_mode="implicit", greeting="busy")


class HelloTrouble(PlayedCase, unittest.TestCase):
    """What the server does instead of TLS."""

    TEXT = "500 Oh no: the private key cannot be read."

    @classmethod
    def build(cls):
        for protocol in PROTOCOLS:
            for mode in MODES:
                cls.add(protocol, mode, lambda server: broken_tls(server, "closed"), tls="close")
                cls.add(protocol, mode, lambda server: broken_tls(server, "reset"), tls="reset")
                cls.add(protocol, mode, cls.silent, tls="silent")
                cls.add(protocol, mode, cls.garbage, tls="garbage")
                cls.add(protocol, mode, lambda server: broken_tls(server, "limit"), tls="alerts")
            cls.add(protocol, changes=cls.plaintext, tls="plaintext")
        for protocol in ("imap", "pop3"):  # it is no greeting there
            cls.add(protocol, "implicit", cls.plaintext, tls="plaintext")

    @staticmethod
    def silent(server):
        changes = broken_tls(server, "timeout")
        if server.mode == "implicit":
            changes |= {"/status": "timeout", **unknown("timeout", "/observed_mode", "/auth",
                                                        "/banner")}
        return changes

    @staticmethod
    def garbage(server):
        """Read as SSLv2 it is the beginning of a very long record."""
        return broken_tls(server, "protocol") | {"/tls/versions/ssl2.0": "inconclusive limit"}

    @classmethod
    def plaintext(cls, server):
        changes = broken_tls(server, "plaintext")
        if server.mode == "clear":
            return changes
        untried = {f"/tls/versions/{name}": "not_tested not_asked" for name in facts.VERSIONS}
        return changes | untried | {
            "/status": "protocol_mismatch", "/banner": cls.TEXT,
            "/observed_mode": Unknown("plaintext"), "/auth": Unknown("protocol_mismatch"),
            **unknown("not_asked", *(f"/tls/{name}" for name in (
                "extended_master_secret", "secure_renegotiation", "compression",
                "downgrade_sentinel")))}

    def test_text_in_the_form_of_a_greeting_for_a_hello(self):
        """SMTP and FTP: 500 could begin a greeting, but is not said to who connects in clear."""
        with Farm() as farm:
            servers = [farm.add(protocol, "implicit", tls="plaintext") for protocol in
                       ("ftp", "smtp")]
            farm.start()
            run = scan.run(*PATIENCE, *farm.targets())
            for server in servers:
                record = run.endpoints[server.at()]
                seen = facts.of(record)
                self.assertEqual(seen.get("/tls/failure"), "plaintext", scan.pretty(record))
                self.assertNotEqual(seen["/status"], "ok")


class Handshakes(PlayedCase, unittest.TestCase):
    @classmethod
    def build(cls):
        for mode in MODES:
            cls.add("imap", mode, {"/tls/large_hello_intolerant": True, "/tls/group": "X25519"},
                    hello_max="300")
            cls.add("smtp", mode, {"/tls/client_certificate_requested": True},
                    client_cert="request")
            cls.add("imap", mode, cls.certificate_wanted, client_cert="require")
            cls.add("pop3", mode, cls.certificate_wanted, client_cert="require", versions="1.2")
            cls.add("imap", mode, cls.broken_off, tls="break")
            cls.add("ftp", mode, cls.broken_off, tls="break", versions="1.0,1.1,1.2")
            cls.add("smtp", mode, cls.name_wanted, sni="required")

    @staticmethod
    def half(server, failure, *unseen):
        """The handshake failed after the Certificate."""
        changes = {"/tls/established": False, "/tls/failure": failure,
                   **unknown("closed" if failure == "closed" else "tls_error", *unseen)}
        versions = dict(server.script).get("versions")
        if versions:
            changes |= rows(versions.split(",")) | {
                "/tls/version": "1.2", "/tls/cipher": facts.SUITE_12,
                "/tls/downgrade_sentinel": None}
            if versions == "1.2":  # no hello that offers compression was accepted
                changes["/tls/compression"] = Unknown("not_asked")
        if server.mode == "implicit":
            return changes | {"/status": "tls_error", "/error": f"handshake {failure.split()[0]}",
                              **unknown("tls_error", "/auth", "/banner")}
        return changes | {"/starttls/handshake": "failed",
                          **after(server.protocol, Unknown("tls_error"))}

    @classmethod
    def certificate_wanted(cls, server):
        """In TLS 1.3 the refusal comes when the handshake is done on our side. GnuTLS servers of
        TLS 1.2 have an alert of their own for it."""
        modern = "versions" not in dict(server.script)
        alert, unseen = (116, ()) if modern else \
            (50, ("/tls/group", "/tls/dh_bits", "/tls/ocsp_staple"))
        changes = cls.half(server, f"certificate_required {alert}", *unseen)
        if server.mode == "clear":
            changes |= after(server.protocol, Unknown("certificate_required" if modern
                                                      else "tls_error"))
        return changes | {"/tls/client_certificate_requested": True}

    @classmethod
    def broken_off(cls, server):
        return cls.half(server, "closed", "/tls/group", "/tls/dh_bits", "/tls/ocsp_staple",
                        "/tls/client_certificate_requested")

    @staticmethod
    def name_wanted(server):
        """SSLv2 has no server_name and is simply refused."""
        return broken_tls(server, "alert 112") | {"/tls/versions/ssl2.0": "inconclusive closed"}


class Versions(PlayedCase, unittest.TestCase):
    """Every set of versions, and each way to refuse the others."""

    WORDS = ("ssl2", "ssl3", "1.0", "1.1", "1.2", "1.3")
    NAMES = dict(zip(WORDS, facts.VERSIONS))
    REFUSALS = {"alert:70": "by alert 70", "alert:40": "by alert 40", "close": "by close",
                "reset": "by reset", "silent": "timeout"}
    exhaustive = False

    @classmethod
    def build(cls):
        at = 0
        for size in range(1, 7):
            for words in combinations(cls.WORDS, size):
                protocol, mode = PROTOCOLS[at % 4], MODES[at // 4 % 2]
                at += 1
                for refuse in ("alert:70", ("alert:40", "close", "reset")[at % 3]):
                    cls.add(protocol, mode, versions=",".join(words), refuse=refuse)
        for protocol in PROTOCOLS:
            cls.add(protocol, versions="1.2,1.3", refuse="silent")

    def test_every_fact(self):
        for server, _, target in self.cases:
            words = dict(server.script)["versions"].split(",")
            seen = facts.of(self.run_.endpoints[server.at()])
            with self.subTest(server=server.line().strip(), target=target):
                truth = self.truth_of(server, words)
                wrong = difference({path: seen.get(path) for path in truth}, truth)
                if wrong:
                    self.fail("\n" + "\n".join(wrong))

    def truth_of(self, server, words):
        modern = [word for word in words if not word.startswith("ssl")]
        if "1.3" in modern and "1.2" not in modern and len(modern) > 1:
            words = [word for word in words if word != "1.3"]  # GnuTLS never speaks it then
            return {"/tls/versions_accepted": [self.NAMES[word] for word in words]}
        accepted = [self.NAMES[word] for word in words]
        if modern == ["1.0", "1.2"]:  # offered up to 1.1 GnuTLS does not go down, but says alert 70
            return {"/tls/versions_accepted": accepted}
        refusal = self.REFUSALS[dict(server.script)["refuse"]]
        return rows(accepted, refusal, self.exhaustive) | self.handshake(server, accepted)

    def handshake(self, server, accepted):
        spoken = [name for name in accepted if not name.startswith("ssl")]
        if not spoken:
            return {"/tls/established": False,
                    "/status": "tls_error" if server.mode == "implicit" else "ok"}
        ok = {"/tls/established": True, "/tls/version": spoken[-1], "/tls/failure": None,
              "/status": "ok", "/error": None, "/tls/verify/trusted": True,
              "/tls/certificate": facts.fingerprints(self.farm.certificate_file(server))[0]}
        if spoken != ["1.3"]:  # GnuTLS has all of these
            ok |= {"/tls/extended_master_secret": True, "/tls/secure_renegotiation": True}
        return ok


class VersionsExhaustive(Versions):
    options = ("--exhaustive",)
    exhaustive = True


class Choices(PlayedCase, unittest.TestCase):
    """A server that answers a hello without a version of its own in another version."""

    @classmethod
    def build(cls):
        odd = "inconclusive version_not_offered"
        cls.chosen("1.3", "1.3", {"1.3": "accepted", "1.2": odd, "1.1": odd, "1.0": odd,
                                  "ssl3.0": odd})
        cls.chosen("1.2", "1.2", {"1.3": "rejected by chose_lower", "1.2": "accepted", "1.1": odd,
                                  "1.0": odd, "ssl3.0": odd})
        cls.chosen("1.2,1.3", "ssl3", {"1.3": "accepted", "1.2": "accepted",
                                       "1.1": "rejected by chose_lower",
                                       "1.0": "rejected by chose_lower", "ssl3.0": "accepted"})
        # TLS 1.2 comes with the mark of a server that has TLS 1.3, and 1.0 without: as of two servers.
        cls.chosen("1.2,1.3", "1.0", {"1.3": "accepted", "1.2": "accepted",
                                      "1.1": "inconclusive inconsistent_answers", "1.0": "accepted",
                                      "ssl3.0": odd})

    @classmethod
    def chosen(cls, versions, chosen, expected):
        for mode in MODES:
            cls.add("imap", mode, expected, versions=versions, refuse=f"choose:{chosen}")

    def test_every_fact(self):
        for server, expected, _ in self.cases:
            seen = facts.of(self.run_.endpoints[server.at()])
            with self.subTest(server=server.line().strip()):
                self.assertEqual({name: seen[f"/tls/versions/{name}"] for name in expected},
                                 expected)


class Intolerant(PlayedCase, unittest.TestCase):
    """Servers that refuse what they do not know: their versions, their certificate and what they say
    inside TLS are found all the same."""

    WAYS = {"close": "by close", "reset": "by reset", "alert:40": "by alert 40",
            "alert:70": "by alert 70", "alert:50": "by alert 50", "silent": "timeout"}

    @classmethod
    def build(cls):
        at = 0
        for intolerant, versions in (("list", "1.2"), ("list", "1.0,1.1,1.2"), ("list", "1.1"),
                                     ("extensions", "1.0,1.1,1.2"), ("extensions", "1.0"),
                                     ("version", "1.0"), ("size", "1.0,1.1,1.2"),
                                     ("size", "1.2,1.3")):
            for refuse in cls.WAYS:
                for mode in MODES:
                    protocol = PROTOCOLS[at % 4]
                    at += 1
                    # GnuTLS needs the curves that a ClientHello without extensions does not name.
                    cls.add(protocol, mode, versions=versions, refuse=refuse,
                            intolerant=intolerant, cert="rsa")

    def test_every_fact(self):
        for server, _, target in self.cases:
            script = dict(server.script)
            accepted = script["versions"].split(",")
            record = self.run_.endpoints[server.at()]
            seen = facts.of(record)
            with self.subTest(server=server.line().strip(), target=target):
                self.assertEqual(seen["/tls/versions_accepted"], accepted)
                self.assertEqual(seen["/tls/certificate"], facts.fingerprints(
                    self.farm.certificate_file(server))[0])
                self.assertIs(seen["/tls/established"], True, scan.pretty(record))
                self.assertEqual((seen["/status"], seen["/tls/version"]), ("ok", accepted[-1]))
                self.assertEqual(seen["/banner"], facts.BANNERS[server.protocol])
                new = script["intolerant"] != "size" or None
                self.assertIs(seen.get("/tls/new_hello_intolerant"), new)
                self.assertNotIn("/tls/inconsistent_answers", seen)
                found = {entry["rule"] for entry in record["findings"]}
                self.assertEqual("TLS-VERSION-INTOLERANT" in found, bool(new))
                self.assertLessEqual(record["connections"], 18)
                if script["refuse"] == "silent":
                    self.assertNotIn("rejected by timeout", seen.values())
                    continue
                for name in facts.VERSIONS[2:]:
                    if name not in accepted:
                        self.assertIn("rejected", seen[f"/tls/versions/{name}"])


class Lies(PlayedCase, unittest.TestCase):
    """What was not offered is chosen, or the answer is no ServerHello: nothing is proven by it."""

    REASONS = {"suite": "suite_not_offered", "compression": "suite_not_offered",
               "field": "version_not_offered", "short": "protocol"}

    @classmethod
    def build(cls):
        for lie in cls.REASONS:
            for mode in MODES:
                for versions in ("1.2", "1.0,1.1,1.2"):
                    cls.add("imap", mode, lie=lie, versions=versions)

    def test_every_fact(self):
        for server, _, target in self.cases:
            reason = "inconclusive " + self.REASONS[dict(server.script)["lie"]]
            record = self.run_.endpoints[server.at()]
            seen = facts.of(record)
            with self.subTest(server=server.line().strip(), target=target):
                self.assertEqual(seen["/tls/versions_accepted"], [])
                for name in ("1.2", "1.3"):
                    self.assertEqual(seen[f"/tls/versions/{name}"], reason, scan.pretty(record))
                self.assertNotIn("accepted", str(seen.get("/tls/compression")))
                self.assertLessEqual(record["connections"], 18)


class Certificates(PlayedCase, unittest.TestCase):
    KINDS = {"good": [], "rsa": [], "expired": ["expired"], "selfsigned": ["self_signed"],
             "wrongname": [], "weakkey": [], "chain": []}

    @classmethod
    def build(cls):
        for mode in MODES:
            for kind, errors in cls.KINDS.items():
                changes = {"/tls/verify/trusted": not errors, "/tls/verify/errors": errors}
                if kind == "wrongname":  # it has no addresses to compare with
                    changes["/tls/verify/name_match"] = Unknown("no_ip_san")
                cls.add("imap", mode, changes, cert=kind)

    def test_what_openssl_says(self):
        for server in self.farm.servers:
            seen = self.run_.endpoints[server.at()]["tls"]["certificate"]
            kind = server.certificate_kind()
            told = self.openssl(server)
            with self.subTest(server=server.line().strip()):
                self.assertEqual({name: comparable(name, seen[name]) for name in told}, told)
                self.assertEqual(seen["key_algorithm"], "rsa" if kind in ("rsa", "weakkey")
                                 else "ec")
                self.assertEqual(seen["self_signed"], kind == "selfsigned")
                self.assertEqual(seen["san_dns"], ["other.demo.test"] if kind == "wrongname" else
                                 ["localhost", "mail.demo.test"])
                self.assertEqual(seen["san_ip"], [] if kind == "wrongname" else [server.address])

    def openssl(self, server):
        """The same certificate, read by openssl; the file has the key first."""
        file = self.farm.certificate_file(server)
        leaf = file.with_suffix(".leaf")
        begin = "-----BEGIN CERTIFICATE-----"
        leaf.write_text(begin + file.read_text().split(begin)[1])
        certificate = Certificate(file.parent, None, None)
        certificate.leaf_file = leaf
        return certificate.facts()


class Questions(unittest.TestCase):
    """Less is asked with --facts, and less is known, each gap with its reason."""

    @classmethod
    def setUpClass(cls):
        cls.farm = Farm()
        cls.addClassCleanup(cls.farm.close)
        for protocol in PROTOCOLS:
            for mode in MODES:
                cls.farm.add(protocol, mode)
        cls.farm.start()

    def ask(self, what, changes):
        run = scan.run("--ca-file", self.farm.ca_file, "--facts", what, *self.farm.targets())
        for server in self.farm.servers:
            with self.subTest(facts=what, server=server.line().strip()):
                truth = but(sound(self.farm, server), changes(server))
                self.assertEqual([], difference(facts.of(run.endpoints[server.at()]), truth))
        return run

    @staticmethod
    def no_handshake(server):
        if server.mode == "implicit":
            changes = unknown("not_asked", "/banner", "/auth")
        else:
            changes = {"/starttls/handshake": "not_tested",
                       **after(server.protocol, Unknown("not_asked"))}
        return changes | unknown("not_asked", *(f"/tls/{name}" for name in (
            "established", "version", "cipher", "group", "dh_bits", "ocsp_staple",
            "client_certificate_requested", "large_hello_intolerant", "verify")))

    @staticmethod
    def no_versions(server):
        rows_ = {f"/tls/versions/{name}": "not_tested not_asked" for name in facts.VERSIONS[:-1]}
        return rows_ | {"/tls/versions_accepted": ["1.3"],
                        **unknown("not_asked", "/tls/extended_master_secret",
                                  "/tls/secure_renegotiation", "/tls/compression",
                                  "/tls/downgrade_sentinel")}

    @staticmethod
    def no_capabilities(server):
        changes = after(server.protocol, Unknown("not_asked"))
        if server.mode == "clear" and server.protocol != "smtp":  # EHLO must come first (RFC 3207)
            changes |= before(server.protocol, Unknown("not_asked")) | \
                unknown("not_asked", "/starttls/advertised")
        return changes

    def test_quick_mode(self):
        run = self.ask("capabilities,versions", self.no_handshake)
        self.assertEqual(run.start["options"]["facts"], ["capabilities", "versions"])

    def test_quick_mode_makes_no_key_exchange(self):
        with Farm() as farm:
            for protocol in PROTOCOLS:
                for mode in MODES:
                    farm.add(protocol, mode)
            farm.start()
            scan.run("--facts", "capabilities,versions", *farm.targets())
            for at, row in farm.stop().items():
                self.assertEqual((row["handshakes"], row["credentials"]), (0, 0), at)

    def test_capabilities_and_handshake(self):
        self.ask("capabilities,handshake", self.no_versions)

    def test_handshake(self):
        def changes(server):
            return self.no_versions(server) | self.no_capabilities(server)
        self.ask("handshake", changes)

    def test_handshake_and_versions(self):
        self.ask("handshake,versions", self.no_capabilities)

    def test_versions(self):
        def changes(server):
            return self.no_handshake(server) | \
                (self.no_capabilities(server) if server.mode == "clear" else {})
        self.ask("versions", changes)

    def test_capabilities(self):
        """On an implicit port they are inside TLS, and so need a handshake."""
        def changes(server):
            if server.mode == "implicit":
                return self.no_versions(server) | unknown("not_asked", "/tls/verify")
            return {"/starttls/attempted": False, "/starttls/command": None,
                    "/starttls/reply": Unknown("not_asked"),
                    **not_upgraded(server.protocol, "not_asked")}
        self.ask("capabilities", changes)

    def test_everything(self):
        self.ask("capabilities,versions,handshake,login,injection", lambda server: {})

    def test_an_unknown_word_is_refused(self):
        scan_error = scan.refused("--facts", "capabilities,colour", "127.0.0.1")
        self.assertIn("colour", scan_error)


class Manners(unittest.TestCase):
    """One connection at a time to a port, few to an address."""

    def scan(self, *options, servers=8, targets=None):
        with Farm() as farm:
            address = farm.address()
            for i in range(servers):
                farm.add(PROTOCOLS[i % 4], MODES[i // 4 % 2], address=address, port=11000 + i,
                         greeting_delay="50")
            farm.start()
            run = scan.run(*options, *(targets(farm) if targets else farm.targets()))
            stats = farm.stop()
            return run, stats, farm.places[address]

    def test_per_host(self):
        """All ports are connected to at once, but that many are talked to."""
        for limit in (1, 2, 5):
            run, _, place = self.scan("--per-host", str(limit))
            self.assertEqual(place["max_talking"], limit)
            self.assertEqual(place["max_open"], 8)
            self.assertEqual({record["status"] for record in run.records}, {"ok"})

    def test_one_at_a_time_to_a_port(self):
        _, stats, place = self.scan("--per-host", "100")
        self.assertEqual({row["max_open"] for row in stats.values()}, {1})
        self.assertEqual(place["max_open"], 8)

    def test_one_at_a_time_to_a_port_with_more_services(self):
        """The same port, asked as three protocols."""
        def targets(farm):
            server = farm.servers[0]
            return [f"{server.address}:{server.port}/{kind}" for kind in
                    ("ftp", "smtp", "imap/implicit")]
        _, stats, _ = self.scan("--per-host", "100", *PATIENCE, servers=1, targets=targets)
        self.assertEqual([row["max_open"] for row in stats.values()], [1])

    def test_concurrency(self):
        with Farm() as farm:
            for i in range(12):
                farm.add("imap", greeting_delay="50")
            farm.start()
            run = scan.run("--concurrency", "3", *farm.targets())
            self.assertEqual(len(run.records), 12)
            self.assertEqual({record["status"] for record in run.records}, {"ok"})

    def test_a_server_of_one_connection(self):
        """It is full if we come twice."""
        with Farm() as farm:
            servers = [farm.add(protocol, mode, max_open="1") for protocol in PROTOCOLS
                       for mode in MODES]
            farm.start()
            run = scan.run("--ca-file", farm.ca_file, *farm.targets())
            for server in servers:
                self.assertEqual([], difference(facts.of(run.endpoints[server.at()]),
                                                sound(farm, server)))
            self.assertEqual({row["busy"] for row in farm.stop().values()}, {0})

    def test_a_server_that_soon_has_enough(self):
        """Two connections in a minute: what was seen stays, the rest is honestly open."""
        with Farm() as farm:
            servers = [farm.add(protocol, limit="2/60") for protocol in PROTOCOLS]
            farm.start()
            run = scan.run("--ca-file", farm.ca_file, *farm.targets())
            for server in servers:
                seen = facts.of(run.endpoints[server.at()])
                del seen["/tls/versions_accepted"]  # has gaps where its rows do
                self.assertEqual([], facts.falsehoods(seen, sound(farm, server)))
                self.assertEqual(seen["/status"], "ok")
                self.assertEqual(seen["/tls/established"], True)
                open_ = [value for path, value in seen.items() if path.startswith("/tls/versions/")
                         and value.startswith("inconclusive")]
                self.assertTrue(open_)
            for at, row in farm.stop().items():
                self.assertLessEqual(row["accepted"], 5, at)  # it is not asked harder


if __name__ == "__main__":
    main()
