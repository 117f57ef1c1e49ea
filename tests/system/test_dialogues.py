# SPDX-License-Identifier: MIT
"""What servers of the field say that is not by the book: what is a "no", what is only a refusal of us,
what was not reached, and first lines that do not look like their protocol.
"""

import json
import subprocess
import unittest

import facts
import scan
from case import main
from certificates import Authority
from facts import Unknown
from played import Farm
from talkers import Talker

PORTS = {"smtp": 10025, "ftp": 10021, "imap": 10143, "pop3": 10110}
FEAT = "211-Features\n AUTH TLS\n PBSZ\n PROT\n211 End"

SMTP = {"EHLO": "250-mail.example.test\n250 STARTTLS", "HELO": "250 mail.example.test",
        "STARTTLS": "220 go<tls>", "RSET": "250 ok", "AUTH": "503 no", "QUIT": "221 bye<end>",
        "NOOP": "250 ok", None: "502 what"}
FTP = {"FEAT": FEAT, "AUTH TLS": "234 go<tls>", "USER": "534 TLS first", "PBSZ": "200 ok",
       "PROT": "200 ok", "QUIT": "221 bye<end>", None: "500 what"}
IMAP = {"CAPABILITY": "* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\n{tag} OK",
        "STARTTLS": "{tag} OK go<tls>", "AUTHENTICATE": "{tag} NO [PRIVACYREQUIRED] no",
        "LOGOUT": "* BYE\n{tag} OK<end>", None: "{tag} BAD what"}
POP3 = {"CAPA": "+OK\nSTLS\nSASL\n.", "STLS": "+OK go<tls>", "USER": "-ERR [AUTH] TLS first",
        "AUTH": "-ERR [AUTH] TLS first", "QUIT": "+OK<end>", None: "-ERR what"}
SOUND = {"smtp": ("220 mail.example.test ESMTP", SMTP), "ftp": ("220 FTP server ready", FTP),
         "imap": ("* OK IMAP ready", IMAP), "pop3": ("+OK POP3 ready", POP3)}

WORKS = {"/status": "ok", "/starttls/accepted": True, "/starttls/handshake": "ok",
         "/tls/established": True, "/tls/versions_accepted": ["1.2", "1.3"]}


def not_reached(reason):
    return {"/starttls/accepted": Unknown(reason), "/tls": Unknown(reason)}


def login(verdict, **more):
    return {"/auth/cleartext_login/verdict": verdict,
            **{f"/auth/cleartext_login/{name}": value for name, value in more.items()}}


class DialogueCase:
    """Each case is a server, what of its record must be so, and rules that must not have failed."""

    options = ("--reply-timeout", "4", "--greeting-timeout", "20", "--tls-timeout", "5")

    @classmethod
    def setUpClass(cls):
        cls.farm, cls.cases = Farm(), []
        cls.addClassCleanup(cls.farm.close)
        authority = Authority()
        cls.addClassCleanup(authority.close)
        cls.certificate = authority.issue("127.0.0.1", "ec")
        cls.build()
        cls.run_ = scan.run("--ca-file", authority.file, "--all", *cls.options,
                            *(f"{talker.at[0]}:{talker.at[1]}/{protocol}"
                              for _, protocol, talker, _, _ in cls.cases))

    @classmethod
    def add(cls, name, protocol, truth, greeting=None, without=(), inside=None, eol="\r\n", **changes):
        """The changes are to the table of a sound server; a space is written as _, an empty line as __."""
        said, table = SOUND[protocol]
        table = table | {key.replace("_", " ").strip(): value for key, value in changes.items()}
        talker = Talker(cls.farm.address(), PORTS[protocol], said if greeting is None else greeting,
                        table, None if inside is None else SOUND[protocol][1] | inside,
                        cls.certificate, eol)
        cls.addClassCleanup(talker.close)
        cls.cases.append((name, protocol, talker, truth, without))

    def test_facts(self):
        for name, _, talker, truth, without in self.cases:
            record = self.run_.endpoints[talker.at]
            seen = facts.all_of(record)
            with self.subTest(case=name):
                wrong = {path: seen.get(path, "(left out)") for path, value in truth.items()
                         if not facts.same(seen.get(path, "(left out)"), value)}
                self.assertEqual({}, wrong)
                failed = {finding["rule"] for finding in record["findings"]}
                self.assertEqual(set(), failed & set(without))


class Refusals(DialogueCase, unittest.TestCase):
    NO_TLS = ("STARTTLS-NOT-OFFERED", "STARTTLS-ADVERTISED-BUT-FAILS")
    ALL = (*NO_TLS, "CLEARTEXT-LOGIN-ALLOWED")

    @classmethod
    def build(cls):
        cls.names()
        cls.farewells()
        cls.codes()
        cls.logins()
        cls.contradictions()

    @classmethod
    def names(cls):
        for code in ("501 5.5.4 a domain name is required", "550 5.7.1 no", "554 5.7.1 no",
                     "504 5.5.2 need a fully-qualified name"):
            cls.add(f"our name is refused: {code}", "smtp", not_reached("refused"), without=cls.ALL,
                    EHLO=code, HELO=code, STARTTLS="503 5.5.1 say HELO first",
                    RSET="503 5.5.1 say HELO first")
        cls.add("EHLO is refused, HELO taken, STARTTLS wants EHLO", "smtp", not_reached("refused"),
                without=cls.ALL, EHLO="550 no", STARTTLS="503 EHLO first")
        cls.add("there is no EHLO and no STARTTLS", "smtp", {"/starttls/accepted": False},
                EHLO="500 what", STARTTLS="500 what")
        cls.add("refused, but for the moment by its words", "smtp", not_reached("temporary"),
                without=cls.ALL, STARTTLS="554 5.7.0 too many connections, try again later")
        cls.add("POP3 has no TLS for the moment", "pop3", not_reached("temporary"),
                without=cls.ALL, STLS="-ERR [SYS/TEMP] no")

    @classmethod
    def farewells(cls):
        left = not_reached("rate_limited")
        cls.add("421 to EHLO", "smtp", left, without=cls.ALL, EHLO="421 4.7.0 not now<end>")
        cls.add("421 to FEAT", "ftp", left, without=cls.ALL, FEAT="421 not now<end>")
        cls.add("421 to AUTH TLS", "ftp", left, without=cls.ALL, AUTH_TLS="421 not now<end>")
        cls.add("BYE to CAPABILITY", "imap", left, without=cls.ALL, CAPABILITY="* BYE not now<end>")
        cls.add("the end for an answer", "smtp", not_reached("closed"), without=cls.ALL,
                EHLO="<end>", HELO="<end>")
        cls.add("a cut for an answer", "pop3", not_reached("reset"), without=cls.ALL,
                CAPA="<reset>", STLS="<reset>")
        cls.add("silence", "imap", not_reached("timeout"), without=cls.ALL, CAPABILITY="<wait>",
                STARTTLS="<wait>")

    @classmethod
    def codes(cls):
        odd = not_reached("odd_reply")
        told = login("inconclusive", reason="odd_reply")
        trailing = (*cls.ALL, "STARTTLS-RESPONSE-TRAILING-DATA")
        for code in ("250", "200", "334"):
            cls.add(f"SMTP: {code} to all", "smtp", odd, without=trailing, EHLO="250 ok",
                    STARTTLS=f"{code} ok", AUTH="250 ok", RSET=f"{code} ok")
        cls.add("SMTP: 250 to AUTH", "smtp", told, AUTH="250 ok", without=cls.ALL)
        cls.add("SMTP: 235 to AUTH", "smtp", login("accepted", confidence="confirmed"),
                AUTH="235 ok")
        cls.add("FTP: 200 to all", "ftp", odd | told, without=trailing, FEAT="200 ok",
                AUTH_TLS="200 ok", USER="200 ok")
        cls.add("FTP: 334 to AUTH TLS", "ftp", WORKS, AUTH_TLS="334 go<tls>")
        cls.add("FTP: 331", "ftp", login("accepted", confidence="probable"), USER="331 and?")
        cls.add("FTP: PROT P by another code", "ftp",
                WORKS | {"/data_channel/protection": Unknown("odd_reply")}, PROT="250 ok")
        cls.add("IMAP: OK to AUTHENTICATE", "imap", told, AUTHENTICATE="{tag} OK", without=cls.ALL)

    @classmethod
    def logins(cls):
        cls.add("POP3: +OK where + is meant", "pop3", login("accepted", confidence="probable"),
                CAPA="+OK\nSTLS\nSASL PLAIN\n.", AUTH="+OK",
                **{"*": "-ERR nobody of that name"})
        cls.add("POP3: +OK to all", "pop3", login("inconclusive", reason="odd_reply"),
                without=cls.ALL, CAPA="+OK\nSTLS\nSASL PLAIN\n.", AUTH="+OK", **{"*": "+OK"})
        cls.add("SMTP: X-EXPS", "smtp", login("accepted", confidence="probable", probe="AUTH LOGIN"),
                EHLO="250-mail\n250-STARTTLS\n250 X-EXPS GSSAPI NTLM LOGIN",
                AUTH_LOGIN="334 VXNlcm5hbWU6", AUTH="504 5.7.4 no such type",
                **{"*": "501 cancelled"})
        cls.add("SMTP: no list, and only LOGIN", "smtp",
                login("accepted", confidence="probable", probe="AUTH LOGIN"),
                AUTH_LOGIN="334 VXNlcm5hbWU6", AUTH="504 5.7.4 no such type",
                inside={}, __="334 UGFzc3dvcmQ6", **{"*": "501 cancelled"})
        cls.add("SMTP: no mechanism is known", "smtp", login("refused", confidence="probable"),
                AUTH="504 5.7.4 no such type")
        cls.add("IMAP: the first mechanism is not known", "imap",
                login("accepted", confidence="probable", probe="AUTHENTICATE LOGIN"),
                CAPABILITY="* CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN AUTH=LOGIN\n{tag} OK",
                AUTHENTICATE_PLAIN="{tag} NO unsupported mechanism", AUTHENTICATE="+ ",
                **{"*": "{tag} BAD cancelled"})

    @classmethod
    def contradictions(cls):
        """LOGINDISABLED, and no mechanism, and yet "go on": an empty response tells."""
        empty = {
            "NO [PRIVACYREQUIRED] TLS first": login("refused", confidence="confirmed"),
            "NO only with TLS": login("refused", confidence="probable"),
            "NO [AUTHENTICATIONFAILED] no": login("accepted", confidence="probable"),
            "BAD invalid response": login("inconclusive", reason="odd_reply"),
            "NO": login("inconclusive", reason="odd_reply")}
        for answer, truth in empty.items():
            cls.add(f"IMAP: + and then {answer}", "imap", truth, AUTHENTICATE="+ ",
                    __=f"{{tag}} {answer}")
        for answer, truth in {
                "538 5.7.11 encryption required": login("refused", confidence="confirmed"),
                "535 5.7.8 no": login("accepted", confidence="probable"),
                "501 5.5.2 malformed": login("inconclusive", reason="odd_reply")}.items():
            cls.add(f"SMTP: 334 and then {answer}", "smtp", truth, AUTH="334 ", __=answer)
        cls.add("IMAP: + and then the end", "imap", login("inconclusive"), AUTHENTICATE="+ ",
                __="<end>")


class Cleartext(DialogueCase, unittest.TestCase):
    """What answers our ClientHello in cleartext is the reason of the failure."""

    @classmethod
    def build(cls):
        trailing = ("STARTTLS-RESPONSE-TRAILING-DATA",)
        for words, end in (("427 TLS is not available", "<end>"), ("454 TLS not available", "<reset>"),
                           ("500 command unrecognized", "<end>"), ("HTTP/1.0 400 Bad Request", "<end>"),
                           ("500 what", "<wait>")):
            for protocol, command, go in (("ftp", "AUTH_TLS", "234 go"), ("smtp", "STARTTLS", "220 go"),
                                          ("imap", "STARTTLS", "{tag} OK go"), ("pop3", "STLS", "+OK")):
                cls.add(f"{protocol}: {words} {end}", protocol, {
                    "/starttls/accepted": True, "/starttls/handshake": "failed",
                    "/starttls/bytes_after_reply": 0, "/tls/failure": "plaintext"},
                    without=trailing, **{command: f"{go}<deaf>{words}{end}"})

    def test_words(self):
        for name, protocol, talker, _, _ in self.cases:
            failure = self.run_.endpoints[talker.at]["tls"]["failure"]
            words = name.partition(": ")[2].rpartition(" ")[0]
            self.assertEqual((failure["cause"], failure["message"]), ("plaintext", words), name)


class FirstLines(DialogueCase, unittest.TestCase):
    @classmethod
    def build(cls):
        notice = "For staff only; sessions are logged"
        for protocol, (greeting, _) in SOUND.items():
            cls.add(f"{protocol}: a notice", protocol, WORKS | {"/banner": f"{notice}\n{greeting}"},
                    greeting=f"{notice}\n{greeting}")
            cls.add(f"{protocol}: an empty line", protocol, WORKS, greeting=f"\n{greeting}")
            cls.add(f"{protocol}: NUL", protocol, WORKS, greeting=f"\x00\x00{greeting}")
            cls.add(f"{protocol}: a byte order mark", protocol, WORKS,
                    greeting=f"\xef\xbb\xbf{greeting}")
            cls.add(f"{protocol}: blanks", protocol, WORKS, greeting=f"  {greeting}")
            cls.add(f"{protocol}: Telnet", protocol, WORKS, greeting=f"\xff\xfb\x01{greeting}")
            cls.add(f"{protocol}: small letters", protocol, WORKS, greeting=greeting.lower())
            cls.add(f"{protocol}: CR alone", protocol, WORKS | {"/status": "ok"}, eol="\r")
            cls.add(f"{protocol}: a notice, and no more", protocol,
                    {"/status": "protocol_mismatch"}, greeting=f"{notice}<wait>")
            cls.add(f"{protocol}: a notice, and the end", protocol,
                    {"/status": "protocol_mismatch"}, greeting=f"{notice}<end>")
        for word in ("NO", "BAD", "BYE"):
            cls.add(f"IMAP: {word}", "imap", {"/status": "refused"}, greeting=f"* {word} no<end>")
        cls.add("FTP: 200", "ftp", WORKS, greeting="200 FTP server ready")
        cls.add("FTP: 120", "ftp", WORKS, greeting="120 ready in 1 minutes\n220 now")
        cls.add("FTP: another code at the end", "ftp", WORKS, greeting="220-Welcome\n230 to all")
        cls.add("FTP: 421 at the end", "ftp", {"/status": "refused"},
                greeting="220-Welcome\n421 too many users")
        cls.add("FTP: 421 at the end, and the end", "ftp", {"/status": "refused"},
                greeting="220-Welcome\n421 too many users<end>")
        cls.add("SMTP: 554 at the end", "smtp", {"/status": "refused"}, greeting="220-a\n554 b")
        cls.add("SMTP: bare", "smtp", WORKS, greeting="220")
        cls.add("POP3: bare", "pop3", WORKS, greeting="+OK")
        cls.add("SMTP: empty lines", "smtp", WORKS | {"/starttls/advertised": True},
                greeting="220 mail.example.test ESMTP\n",
                EHLO="250-mail.example.test\n250-STARTTLS\n\n250 SIZE\n", RSET="250 ok\n")
        cls.add("SMTP: LF alone", "smtp", WORKS, eol="\n")


class Silent(DialogueCase, unittest.TestCase):
    """A command that is never answered keeps nothing back that matters more."""

    @classmethod
    def build(cls):
        for end, reason in (("<wait>", "timeout"), ("<end>", "closed"), ("<reset>", "reset")):
            for protocol, command in (("ftp", "FEAT"), ("pop3", "CAPA"), ("smtp", "EHLO"),
                                      ("imap", "CAPABILITY")):
                cls.add(f"{protocol}: {command} {end}", protocol,
                        WORKS | {"/starttls/advertised": Unknown(reason),
                                 "/auth/capabilities/before_tls": Unknown(reason)},
                        inside={}, **{command: end})


class Unreset(DialogueCase, unittest.TestCase):
    @classmethod
    def build(cls):
        for end, reason in (("<wait>", "timeout"), ("<end>", "closed")):
            cls.add(f"RSET {end}", "smtp", login("refused", confidence="confirmed") |
                    {"/starttls/required": Unknown(reason)}, RSET=end, AUTH="530 TLS first")


class Later(DialogueCase, unittest.TestCase):
    """A session that worked inside TLS was established, whatever became of it."""

    @classmethod
    def build(cls):
        cls.add("the end in the middle", "smtp",
                {"/starttls/handshake": "ok", "/tls/established": True, "/tls/failure": None,
                 "/auth/capabilities/after_tls": ["STARTTLS"]}, QUIT="<reset>")
        cls.add("a record that cannot be decrypted", "smtp",
                {"/starttls/handshake": "ok", "/tls/established": True, "/tls/failure": None,
                 "/auth/capabilities/after_tls": ["AUTH PLAIN"],
                 "/tls/starttls_accepted_inside": Unknown("protocol")},
                inside={"EHLO": "250-mail\n250 AUTH PLAIN<break><wait>"})


class Quick(DialogueCase, unittest.TestCase):
    """Accepted, and every ClientHello is cut: not known, or failed, and nowhere "works"."""

    options = ("--facts", "capabilities,versions")

    @classmethod
    def build(cls):
        cls.add("220 go, and a cut", "smtp", {"/starttls/accepted": True,
                                              "/starttls/handshake": "not_tested",
                                              "/tls/versions_accepted": []},
                without=("STARTTLS-NOT-ADVERTISED-BUT-WORKS",), STARTTLS="220 go<deaf><reset>")

        cls.add("421 to EHLO", "smtp", not_reached("rate_limited"), EHLO="421 not now<end>")

    def test_at_a_terminal(self):
        for name, protocol, talker, _, _ in self.cases:
            done = subprocess.run(scan.command("--table", "--facts", "versions",
                                               f"{talker.at[0]}:{talker.at[1]}/{protocol}"),
                                  capture_output=True, text=True, timeout=scan.WATCHDOG, check=True)
            self.assertNotIn("works", done.stdout, name)
            self.assertIn("unknown", done.stdout, name)


class Checked(unittest.TestCase):
    """`check` is not OK where what it watches is not known."""

    BLIND = {"smtp": {"EHLO": "421 4.7.0 not now<end>"},
             "imap": {"CAPABILITY": "* BYE not now<end>"},
             "ftp": {"AUTH TLS": "421 not now<end>"},
             "pop3": {"STLS": "-ERR [SYS/TEMP] not now"}}

    def test_what_was_not_reached(self):
        with Farm() as farm:
            for protocol, changes in self.BLIND.items():
                greeting, table = SOUND[protocol]
                talker = Talker(farm.address(), PORTS[protocol], greeting, table | changes)
                self.addCleanup(talker.close)
                with self.subTest(protocol=protocol):
                    done = subprocess.run(
                        [scan.named_file("STARTTLS_AUDIT"), "check", "--ports",
                         f"{protocol}:{PORTS[protocol]}", talker.at[0]],
                        capture_output=True, text=True, timeout=scan.WATCHDOG, check=False)
                    self.assertEqual(done.returncode, 3, done.stdout)
                    self.assertIn("STARTTLS UNKNOWN - ", done.stdout)
                    self.assertIn("is not known", done.stdout)


class Hint(unittest.TestCase):
    def test_our_name(self):
        """With a name that the server likes all is known; without it, that name is what to try."""
        with Farm() as farm:
            authority = Authority()
            self.addCleanup(authority.close)
            refusal = "501 5.5.4 a domain name is required"
            table = SMTP | {"EHLO": refusal, "HELO": refusal, "STARTTLS": "503 HELO first",
                            "EHLO SCAN.EXAMPLE.TEST": SMTP["EHLO"]}
            talker = Talker(farm.address(), PORTS["smtp"], SOUND["smtp"][0], table,
                            certificate=authority.issue("127.0.0.1", "ec"))
            self.addCleanup(talker.close)
            target = f"{talker.at[0]}:{talker.at[1]}/smtp"
            record = scan.run(target).endpoints[talker.at]
            hint = next(f for f in record["findings"] if f["rule"] == "SMTP-EHLO-REFUSED")
            self.assertIn("--ehlo-name", json.dumps(hint["evidence"]))
            self.assertEqual(hint["severity"], "info")


if __name__ == "__main__":
    main()
