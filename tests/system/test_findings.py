# SPDX-License-Identifier: MIT
"""What is found on played servers: each defect by its rule and with its severity, and nothing else.
On sound servers, however odd they are, nothing above low."""

import unittest

import scan
from case import main
from played import Farm
from test_played import MODES, PATIENCE, PROTOCOLS

SEVERITIES = ("info", "low", "medium", "high", "critical")
# The mere facts of such a server.
ALWAYS = {("imap", "clear"): {"IMAP-REV1-ONLY": "info"},
          ("imap", "implicit"): {"IMAP-REV1-ONLY": "info"},
          ("ftp", "implicit"): {"FTP-IMPLICIT-990": "info"}}


def used_in_clear(protocol):
    """A service that people can use without TLS. For mail from strangers there is no other way."""
    severity = {"imap": "low", "pop3": "low", "ftp": "info"}.get(protocol)
    return {"CLEARTEXT-SERVICE-OFFERED": severity} if severity else {}


def password_taken(protocol, severity="high", **more):
    return used_in_clear(protocol) | {"CLEARTEXT-LOGIN-ALLOWED": severity, **more}


def announced(protocol, severity):
    """Passwords are announced in clear."""
    rule = {"imap": "IMAP-LOGINDISABLED-MISSING", "pop3": "POP3-USER-CAPA-BEFORE-TLS",
            "smtp": "SMTP-AUTH-BEFORE-TLS"}.get(protocol)
    return {rule: "medium" if protocol == "pop3" else severity} if rule else {}


class FoundCase:
    """Mixed into a unittest.TestCase: build() adds the servers, each with what is found on it."""

    options = ()

    @classmethod
    def add(cls, protocol, mode="clear", found=None, target_mode=None, **script):
        server = cls.farm.add(protocol, mode, **script)
        always = {} if target_mode else ALWAYS.get((protocol, mode), {})
        cls.cases.append((server, always | (found or {}), server.target(target_mode)))
        return server

    @classmethod
    def setUpClass(cls):
        cls.farm, cls.cases = Farm(), []
        cls.addClassCleanup(cls.farm.close)
        cls.build()
        cls.farm.start()
        cls.run_ = scan.run("--ca-file", cls.farm.ca_file, *PATIENCE, *cls.options,
                            *(target for _, _, target in cls.cases))

    def on_each(self, check):
        """check(record, what is to be found) as a subtest of each case."""
        self.assertEqual(len(self.run_.records), len(self.cases))
        for server, found, target in self.cases:
            with self.subTest(server=server.line().strip(), target=target):
                check(self.run_.endpoints[server.at()], found)

    def test_findings(self):
        def check(record, found):
            seen = {finding["rule"]: finding["severity"] for finding in record["findings"]}
            self.assertEqual(seen, found)
            self.assertEqual(sorted(record["checks"]["fail"]), sorted(found))
        self.on_each(check)


class Sound(FoundCase, unittest.TestCase):
    """Nothing is the matter with them, and little with how they say it."""

    @classmethod
    def build(cls):
        for protocol in PROTOCOLS:
            for mode in MODES:
                cls.add(protocol, mode)
                cls.add(protocol, mode, cert="rsa")
                cls.add(protocol, mode, cert="chain")
                cls.add(protocol, mode, caps="lower")
                cls.add(protocol, mode, caps="mixed")
                cls.add(protocol, mode, greeting_delay="300")
                cls.add(protocol, mode, cls.asked(protocol, mode), client_cert="request")
            for inject in ("refuse", "clear", "break"):
                exim = protocol == "smtp" and inject == "refuse"
                cls.add(protocol, inject=inject,
                        found={"SMTP-PIPELINING-SYNC": "info"} if exim else {})
            cls.add(protocol, login="bare")
            cls.add(protocol, login="late")
            cls.add(protocol, login="silent")
            cls.add(protocol, greet_again="yes", found={"GREETING-AFTER-TLS": "info"})
        for mode in MODES:
            cls.add("smtp", mode, greeting="multiline")
            cls.add("ftp", mode, greeting="multiline")
            cls.add("ftp", mode, prot="login")
            cls.add("imap", mode, caps="tagged")
            cls.add("imap", mode, caps="literal")
        cls.add("smtp", required="yes", found={"SMTP-25-REQUIRES-TLS": "info"})
        cls.add("imap", login="evaluated")
        cls.add("imap", login_reply="* BAD [ALERT] Cleartext\\r\\nNO [PRIVACYREQUIRED] Cleartext")

    @staticmethod
    def asked(protocol, mode):
        """For a certificate: RFC 8314 speaks of mail on implicit ports."""
        mail = protocol != "ftp" and mode == "implicit"
        return {"CLIENT-CERT-REQUESTED": "info"} if mail else {}

    def test_nothing_above_low(self):
        def check(record, _):
            self.assertIn(record["severity_max"], (None, "info", "low"), scan.pretty(record))
        self.on_each(check)

    def test_what_was_asked_is_known(self):
        """But where a login was not answered, or is wanted first."""
        def check(record, _):
            open_ = record["auth"]["cleartext_login"]["verdict"] == "inconclusive" or \
                any(entry["reason"] == "not_logged_in" for entry in record["unknown"])
            self.assertEqual(bool(record["checks"]["inconclusive"]), open_)
        self.on_each(check)


class Logins(FoundCase, unittest.TestCase):
    @classmethod
    def build(cls):
        for protocol in PROTOCOLS:
            taken = password_taken(protocol)
            cls.add(protocol, found=taken | announced(protocol, "high"), login="allowed")
            cls.add(protocol, found=announced(protocol, "medium"), login="unannounced")
            in_ = taken | ({"CLEARTEXT-LOGIN-ALLOWED": "critical"} if protocol == "ftp" else {})
            cls.add(protocol, found=in_ | announced(protocol, "high"), login="in")
            cls.add(protocol, found=cls.unannounced(protocol), login="announced")
            without = password_taken(protocol, "critical") | announced(protocol, "high") | \
                {"STARTTLS-NOT-OFFERED": "critical"}
            cls.add(protocol, found=without, login="allowed", starttls="none")
        for protocol in ("pop3", "ftp"):
            cls.add(protocol, found=cls.unannounced(protocol), login="evaluated")
        cls.add("imap", found=password_taken("imap") | {
            "AUTH-BEARER-BEFORE-TLS": "high", "IMAP-AUTH-PLAIN-BEFORE-TLS": "medium",
            "IMAP-LOGINDISABLED-NOT-ENFORCED": "medium", "CAPABILITIES-DIFFER": "medium"},
            login="allowed", caps_clear="IMAP4rev1,SASL-IR,ID,ENABLE,IDLE,STARTTLS,AUTH=XOAUTH2,"
                                        "LOGINDISABLED")
        cls.add("imap", found={"IMAP-AUTH-PLAIN-BEFORE-TLS": "medium"},
                caps_clear="IMAP4rev1,SASL-IR,ID,ENABLE,IDLE,STARTTLS,AUTH=PLAIN,LOGINDISABLED")
        cls.add("imap", found={"IMAP-LOGINDISABLED-AFTER-TLS": "low"},
                caps_tls="IMAP4rev1,SASL-IR,ID,ENABLE,IDLE,LOGINDISABLED")
        cls.add("imap", found=used_in_clear("imap") | {"IMAP-PREAUTH-CLEARTEXT": "critical"},
                greeting="preauth")
        cls.add("imap", "implicit", {"IMAP-PREAUTH-CLEARTEXT": "info"}, greeting="preauth")

    @staticmethod
    def unannounced(protocol):
        """It is taken, but not announced: in POP3 USER alone is weak evidence."""
        more = {"IMAP-LOGINDISABLED-NOT-ENFORCED": "medium"} if protocol == "imap" else {}
        return password_taken(protocol, "medium" if protocol == "pop3" else "high", **more)


class DummyLogins(FoundCase, unittest.TestCase):
    options = ("--dummy-login",)

    @classmethod
    def build(cls):
        for protocol in PROTOCOLS:
            cls.add(protocol)
        enforced = {"IMAP-LOGINDISABLED-NOT-ENFORCED": "high"}
        for word in ("announced", "evaluated"):
            cls.add("imap", found=password_taken("imap") | enforced, login=word)
            cls.add("pop3", found=password_taken("pop3"), login=word)
            cls.add("ftp", found=password_taken("ftp"), login=word)
        cls.add("imap", found=password_taken("imap", "critical") | announced("imap", "high"),
                login="in")


class Upgrades(FoundCase, unittest.TestCase):
    @classmethod
    def build(cls):
        for protocol in PROTOCOLS:
            cls.each_of(protocol)
        cls.add("ftp", found={"FTP-AUTH-REPLY-334": "low"}, starttls="334")
        cls.add("ftp", found={"FTP-AUTH-SSL-ONLY": "low"}, starttls="ssl-only")
        for word in ("caps", "banner"):
            cls.add("smtp", found={"STARTTLS-STRIPPED-BY-MIDDLEBOX": "high"}, middlebox=word)
        cls.add("imap", found={"LINE-BARE-LF": "info"}, greeting_text="* OK ready\\n")

    @classmethod
    def each_of(cls, protocol):
        injected = {"STARTTLS-INJECTION": "high"}
        for word in ("vulnerable", "delayed"):
            cls.add(protocol, found=injected, inject=word)
            cls.add(protocol, found=injected | {"GREETING-AFTER-TLS": "info"}, inject=word,
                    greet_again="yes")
        cls.add(protocol, found=injected | {"TLS-1.3-NOT-SUPPORTED": "low"}, inject="vulnerable",
                versions="1.2")
        hidden = {"STARTTLS-NOT-ADVERTISED-BUT-WORKS": "low"}
        if protocol == "ftp":
            hidden["FTP-FEAT-INCOMPLETE"] = "low"
        cls.add(protocol, found=hidden, starttls="hidden")
        cls.add(protocol, found={"STARTTLS-NOT-OFFERED": "high"}, starttls="none")
        fails = {"STARTTLS-ADVERTISED-BUT-FAILS": "high"}
        for script in ({"starttls": "refuse"}, {"starttls": "die"}, {"starttls": "reset"},
                       {"tls": "close"}, {"tls": "garbage"}, {"tls": "break"}):
            cls.add(protocol, found=fails, **script)
        trailing = {"STARTTLS-RESPONSE-TRAILING-DATA": "medium"}
        cls.add(protocol, found=fails, tls="plaintext")  # the answer to the ClientHello
        cls.add(protocol, found=trailing, starttls="trailing")
        cls.add(protocol, found=trailing, starttls="late")
        cls.add(protocol, starttls="temporary")  # perhaps it works in an hour
        cls.add(protocol, starttls="silent")


class Inside(FoundCase, unittest.TestCase):
    LISTED = {"imap": "low", "pop3": "info", "smtp": "medium"}

    @classmethod
    def build(cls):
        for mode in MODES:
            for protocol, severity in cls.LISTED.items():
                found = {"STARTTLS-STILL-OFFERED-AFTER-TLS": severity}
                if mode == "implicit":
                    found["BACKEND-UNAWARE-OF-TLS"] = "info"
                cls.add(protocol, mode, found, inside="listed")
                severity = "info" if protocol == "pop3" else "medium"
                cls.add(protocol, mode, {"STARTTLS-ACCEPTED-INSIDE-TLS": severity},
                        inside="accepted")
            cls.add("ftp", mode, inside="listed")  # FEAT may
            for word in ("refused", "unavailable"):
                cls.add("ftp", mode, {"FTP-PROT-P-REFUSED": "high"}, prot=word)
        cls.add("ftp", found={"FTP-PROT-P-REFUSED": "high", "FTP-FEAT-INCOMPLETE": "low"},
                prot="unknown")


class Exhaustive(FoundCase, unittest.TestCase):
    """Lax is how nearly all servers are."""

    options = ("--exhaustive",)

    @classmethod
    def build(cls):
        alpn, name = {"ALPN-NOT-ENFORCED": "info"}, {"SNI-UNKNOWN-ACCEPTED": "info"}
        strict = {"alpn": "enforced", "sni": "known"}
        for protocol in PROTOCOLS:
            for mode in MODES:
                mx = (protocol, mode) == ("smtp", "clear")  # there RFC 8461 asks for it
                cls.add(protocol, mode, alpn | ({} if mx else name))
                cls.add(protocol, mode, {} if mx else name, alpn="enforced")
                cls.add(protocol, mode, alpn, sni="known")
                cls.add(protocol, mode, **strict)
            cls.add(protocol, found={"TLS-FAILURE-CONTINUES-PLAINTEXT": "low"},
                    after_failure="clear", **strict)
        for mode in MODES:
            cls.add("ftp", mode, {"FTP-CCC-ALLOWED": "medium"}, ccc="allowed", **strict)
        cls.add("ftp", found={"FTP-ANONYMOUS-CLEARTEXT": "info"}, anonymous="yes", **strict)


class Hosts(FoundCase, unittest.TestCase):
    """What is found by comparing two ports of a host."""

    LIST = "IMAP4rev1,SASL-IR,ID,ENABLE,IDLE"
    PAIR = {"OPOSSUM-PRECONDITION": "info"}

    @classmethod
    def build(cls):
        cls.pair(cls.PAIR, {}, {})
        cls.pair(cls.PAIR | {"CAPABILITIES-DIFFER": "low"}, {},
                 {"caps_tls": f"{cls.LIST},AUTH=PLAIN,AUTH=SCRAM-SHA-256"})
        cls.pair(cls.PAIR | {"CAPABILITIES-DIFFER": "info"}, {},
                 {"caps_tls": f"{cls.LIST},AUTH=PLAIN,NAMESPACE"})
        cls.pair({"TLS-CONFIG-DIFFERS": "low"}, {"cert": "rsa"}, {})
        cls.pair(cls.PAIR | {"TLS-CONFIG-DIFFERS": "low", "TLS-1.3-NOT-SUPPORTED": "low"},
                 {"versions": "1.2"}, {})

    @classmethod
    def pair(cls, found, clear, implicit):
        address = cls.farm.address()
        cls.add("imap", found=found, address=address, **clear)
        cls.add("imap", "implicit", address=address, **implicit)


class WrongMode(FoundCase, unittest.TestCase):
    @classmethod
    def build(cls):
        for protocol in ("imap", "pop3"):
            cls.add(protocol, "clear", {"IMPLICIT-PORT-SPEAKS-CLEARTEXT": "high",
                                        **cls.rev1(protocol)}, target_mode="implicit")
            cls.add(protocol, "implicit", {"CLEARTEXT-PORT-SPEAKS-TLS": "info",
                                           **cls.rev1(protocol)}, target_mode="insecure")

    @staticmethod
    def rev1(protocol):
        return {"IMAP-REV1-ONLY": "info"} if protocol == "imap" else {}


class Certificates(FoundCase, unittest.TestCase):
    @classmethod
    def build(cls):
        for protocol in ("imap", "pop3"):
            for mode in MODES:
                cls.add(protocol, mode, {"CERT-EXPIRED": "critical"}, cert="expired")
                cls.add(protocol, mode, {"CERT-SELF-SIGNED": "high"}, cert="selfsigned")
                cls.add(protocol, mode, {"CERT-WEAK-KEY": "high"}, cert="weakkey")
        cls.add("smtp", found={"CERT-EXPIRED": "medium"}, cert="expired")
        cls.add("smtp", found={"CERT-SELF-SIGNED": "low"}, cert="selfsigned")


if __name__ == "__main__":
    main()
