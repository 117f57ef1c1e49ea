# SPDX-License-Identifier: MIT
"""What servers do with logins in clear, with injected commands, and with other things that no
client asks for: played servers with one defect each, and sound ones beside them."""

import unittest

import facts
import scan
from case import main
from facts import Unknown, but, difference, sound_tried
from nameserver import NameServer
from played import Farm
from test_played import MODES, PATIENCE, PROTOCOLS, PlayedCase

WITH_AUTH = ("imap", "pop3", "smtp")
AUTH = {"imap": "AUTHENTICATE PLAIN", "pop3": "AUTH PLAIN", "smtp": "AUTH PLAIN", "ftp": "USER"}
ASKED_FOR = {"imap": "+ ", "pop3": "+ ", "smtp": "334 ", "ftp": "331 Please specify the password."}
NEED_TLS = facts.LOGIN_REPLIES
FAILED = {"imap": "NO [AUTHENTICATIONFAILED] No such user or password",
          "pop3": "-ERR [AUTH] No such user or password", "ftp": "530 Login incorrect.",
          "smtp": "535 5.7.8 No such user or password"}
PASSWORD = {"imap": "LOGIN", "pop3": "PASS", "ftp": "PASS"}
ANSWER = {"imap": "OK Nothing done", "pop3": "+OK Capabilities", "smtp": "250 2.0.0 Ok",
          "ftp": "200 Nothing done."}


def login(verdict, confidence=None, probe=None, reply=None, reason=None):
    """The facts of a login in clear."""
    return {f"/auth/cleartext_login/{name}": value for name, value in
            (("verdict", verdict), ("confidence", confidence), ("reason", reason),
             ("probe", probe), ("reply", reply))}


def injection(verdict, sign=None, reply=None, reason=None):
    return {"/starttls/injection": verdict, "/starttls/injection_sign": sign,
            "/starttls/injection_reason": reason, "/starttls/injection_reply": reply}


def no_tls(server, reason):
    """Nothing can be injected where the upgrade leads nowhere, and nothing is asked inside."""
    gone = {"/data_channel/": None} if server.protocol == "ftp" else {}
    return gone | injection("not_tested", reason=reason)


def no_upgrade(server):
    return no_tls(server, "refused") | {"/tls/": None}


def broken_upgrade(server):
    inside = {} if server.protocol == "ftp" else \
        {"/tls/starttls_accepted_inside": Unknown("closed")}
    return no_tls(server, "tls_error") | inside


class BehaviourCase(PlayedCase):
    """The changes of a case are to what is tried in the end (facts.sound_tried)."""

    def test_every_fact(self):
        self.assertEqual(len(self.run_.records), len(self.cases))
        for server, changes, target in self.cases:
            with self.subTest(server=server.line().strip(), target=target):
                record = self.run_.endpoints[server.at()]
                wrong = difference(facts.tried(record), self.truth(server, changes))
                if wrong:
                    self.fail("\n".join(["", *wrong]))

    def truth(self, server, changes):
        return but(self.sound(server), changes(server) if callable(changes) else changes)

    def sound(self, server):
        return sound_tried(server)

    def test_manners(self):
        for server in self.farm.servers:
            row = self.stats[server.at()]
            with self.subTest(server=server.line().strip()):
                self.assertEqual(row["credentials"], 0)
                self.assertLessEqual(row["injections"], 1)
                self.assertLessEqual(row["logins"], {"pop3": 3, "smtp": 2}.get(server.protocol, 1))
                if server.mode == "implicit":
                    self.assertEqual((row["logins"], row["injections"]), (0, 0))


class Logins(BehaviourCase, unittest.TestCase):
    """Each answer to a login command in clear, without credentials."""

    @classmethod
    def build(cls):
        for protocol in PROTOCOLS:
            cls.each(protocol)
        cls.announcements()
        cls.replies()

    @classmethod
    def each(cls, protocol):
        def add(changes, **script):
            cls.add(protocol, changes=changes, **script)

        probe, ask = AUTH[protocol], ASKED_FOR[protocol]
        add({}, login="disabled")
        add(login("accepted", "probable", probe, ask), login="allowed")
        add(login("refused", "confirmed", probe, NEED_TLS[protocol]), login="unannounced")
        if protocol != "ftp":
            add(login("accepted", "probable", probe, ask), login="in")
        named = login("accepted", "probable", "USER", "+OK Send PASS")
        # it is asked for though the list says that it is not taken: what follows tells
        looked = FAILED.get(protocol, ask) if protocol != "ftp" else ask
        add(named if protocol == "pop3" else login("accepted", "probable", probe, looked),
            login="announced")
        if protocol != "ftp":
            add(login("refused", "confirmed", "USER" if protocol == "pop3" else probe,
                      NEED_TLS[protocol]), login="contradicted")
        if protocol in ("imap", "smtp"):
            add({}, login="evaluated")
        else:
            add(named if protocol == "pop3" else login("accepted", "probable", "USER", ask),
                login="evaluated")
        bare = {"imap": "NO", "pop3": "-ERR", "smtp": "554"}
        if protocol == "ftp":  # there is no announcement
            add(login("inconclusive", None, "USER", "530", "refused"), login="bare")
            add(login("accepted", "confirmed", "USER", "230 Logged in."), login="in")
        else:
            # only in IMAP a list that names no way in does not speak of all ways
            add(login("refused", "possible" if protocol == "imap" else "probable", probe,
                      bare[protocol]), login="bare")
        cls.unanswered(protocol)

    @classmethod
    def unanswered(cls, protocol):
        later = {"imap": "NO [UNAVAILABLE] The user database is not there for the moment",
                 "pop3": "-ERR [SYS/TEMP] The user database is not there for the moment",
                 "smtp": "454 4.7.0 Temporary authentication failure",
                 "ftp": "421 Too busy for the moment."}[protocol]
        first = "USER" if protocol == "pop3" else AUTH[protocol]
        cls.add(protocol, changes=login(
            "inconclusive", None, first, later,
            "rate_limited" if protocol == "ftp" else "temporary"), login="late")
        cls.add(protocol, changes=login("inconclusive", reason="timeout"), login="silent")

    @classmethod
    def announcements(cls):
        """The mechanism that is asked for is one that is offered; and without the announcement a
        bare refusal of it proves nothing about the others."""
        cls.add("imap", changes=login("accepted", "probable", "AUTHENTICATE XOAUTH2", "+ "),
                login="allowed", caps_clear="IMAP4rev1,STARTTLS,AUTH=XOAUTH2,LOGINDISABLED")
        cls.add("smtp", changes=login("accepted", "probable", "AUTH LOGIN", "334 VXNlcm5hbWU6"),
                login="allowed", caps_clear="STARTTLS,AUTH LOGIN")
        cls.add("imap", changes=login("inconclusive", None, AUTH["imap"], "NO", "refused"),
                login="bare", caps_clear="IMAP4rev1,STARTTLS,AUTH=PLAIN")
        cls.add("pop3", changes=login("inconclusive", None, "USER", "-ERR", "refused"),
                login="bare", caps_clear="STLS,USER,SASL PLAIN")
        cls.add("smtp", changes=login("inconclusive", None, "AUTH PLAIN", "554", "refused"),
                login="bare", caps_clear="STARTTLS,AUTH PLAIN")

    REPLIES = {  # by code, then by words; what is neither leaves it open
        "imap": {"NO [PRIVACYREQUIRED] x": "confirmed", "NO Use TLS first": "probable",
                 "NO LOGIN is disabled": "probable", "BAD Unknown command": "possible",
                 "* BAD [ALERT] Plaintext\r\nNO [PRIVACYREQUIRED] x": "confirmed",
                 "NO [UNAVAILABLE] x": "temporary", "NO Go away": "possible",
                 "* BYE Enough": "rate_limited"},
        "pop3": {"-ERR [AUTH] Cleartext authentication disallowed": "confirmed",
                 "-ERR Encryption required": "probable", "-ERR [SYS/TEMP] x": "temporary",
                 "-ERR Unknown command": "confirmed", "-ERR Go away": "probable"},
        "smtp": {"530 5.7.0 x": "confirmed", "538 5.7.11 x": "confirmed",
                 "504 5.5.4 Encryption required for requested authentication mechanism":
                     "confirmed",
                 "503 5.5.1 x": "confirmed", "502 5.5.1 x": "confirmed",
                 "550 5.7.1 Only over TLS": "probable", "550 5.7.1 x": "probable",
                 "454 4.7.0 x": "temporary", "421 4.7.0 x": "rate_limited"},
        "ftp": {"530 Non-anonymous sessions must use encryption.": "confirmed",
                "550 SSL/TLS required on the control channel": "confirmed",
                "534 Policy requires SSL.": "confirmed", "530 Go away.": "refused",
                "421 Sorry, cleartext sessions are not accepted on this server.": "confirmed"},
    }
    CONFIDENCES = ("possible", "probable", "confirmed")

    @classmethod
    def replies(cls):
        for protocol, meanings in cls.REPLIES.items():
            for text, meaning in meanings.items():
                reply = text.split("\r\n")[-1]
                verdict = "refused" if meaning in cls.CONFIDENCES else "inconclusive"
                cls.add(protocol, changes=cls.but_the_probe(protocol, reply, login(
                    verdict, meaning if verdict == "refused" else None, AUTH[protocol], reply,
                    None if verdict == "refused" else meaning)),
                    login_reply=text.replace("\r\n", "\\r\\n"))

    @staticmethod
    def but_the_probe(protocol, reply, changes):
        """POP3 without a mechanism is asked by USER; by AUTH too, if that said nothing, and by another
        mechanism, if the first is not known."""
        if protocol == "pop3" and reply == "-ERR Unknown command":
            changes["/auth/cleartext_login/probe"] = "AUTH LOGIN"
        elif protocol == "pop3" and reply != "-ERR Go away":
            changes["/auth/cleartext_login/probe"] = "USER"
        return changes


class DummyLogins(BehaviourCase, unittest.TestCase):
    """One login with a name that nobody has."""

    options = ("--dummy-login",)

    @classmethod
    def build(cls):
        for protocol in PROTOCOLS:
            for mode in MODES:
                refused = login("refused", "confirmed", "LOGIN", NEED_TLS["imap"])
                cls.add(protocol, mode, refused if (protocol, mode) == ("imap", "clear") else {})
        for protocol, probe in PASSWORD.items():
            evaluated = login("accepted", "confirmed", probe, FAILED[protocol])
            for word in ("allowed", "announced", "evaluated"):
                cls.add(protocol, changes=evaluated, login=word)
        cls.add("imap", changes=login("accepted", "confirmed", "LOGIN", "OK Logged in"), login="in")

    def sound(self, server):
        truth = sound_tried(server)
        return truth | {"/auth/credentials_sent": self.sent(server)}

    @staticmethod
    def sent(server):
        """LOGIN is always sent, a password only if it is asked for."""
        asked = dict(server.script).get("login") in ("allowed", "announced", "evaluated", "in")
        return server.mode == "clear" and (server.protocol == "imap" or
                                           (server.protocol in PASSWORD and asked))

    def test_manners(self):
        users = set()
        for server in self.farm.servers:
            row = self.stats[server.at()]
            with self.subTest(server=server.line().strip()):
                self.assertEqual(row["credentials"], int(self.sent(server)))
                if row["user"]:
                    self.assertRegex(row["user"], r"^[a-z0-9]{8,}.*\.invalid$")
                    users.add(row["user"])
        self.assertEqual(len(users), 1)


class Injections(BehaviourCase, unittest.TestCase):
    @classmethod
    def build(cls):
        for protocol in PROTOCOLS:
            cls.each(protocol)

    @staticmethod
    def meanings(protocol):
        refusal = {"imap": "BAD Nothing may follow STARTTLS",
                   "pop3": "-ERR Nothing may follow STLS",
                   "smtp": "554 5.5.0 SMTP synchronization error",
                   "ftp": "503 Nothing may follow AUTH."}[protocol]
        return {
            "sound": {},
            "vulnerable": injection("vulnerable", "answered_inside", ANSWER[protocol]),
            "delayed": injection("vulnerable", "answered_inside", ANSWER[protocol]),
            "refuse": injection("not_vulnerable", "refused", refusal),
            "clear": injection("not_vulnerable", "answered_in_clear", ANSWER[protocol]),
            "break": injection("not_vulnerable", "handshake_broken"),
        }

    @classmethod
    def each(cls, protocol):
        meanings = cls.meanings(protocol)
        for word, changes in meanings.items():
            cls.add(protocol, changes=changes, inject=word)
        for word in ("sound", "vulnerable", "delayed"):  # it is not taken for an answer
            cls.add(protocol, changes=meanings[word], inject=word, greet_again="yes")
        for word in ("trailing", "late"):
            cls.add(protocol, starttls=word)
            cls.add(protocol, changes=meanings["vulnerable"], inject="vulnerable", starttls=word)
        cls.add(protocol, changes=meanings["vulnerable"], inject="vulnerable", versions="1.2")
        for word in ("sound", "vulnerable", "delayed"):
            cls.add(protocol, changes=cls.unlisted(protocol, meanings[word]), inject=word,
                    caps="refused")
        for word in ("none", "refuse"):
            cls.add(protocol, changes=no_upgrade, inject="vulnerable", starttls=word)
        cls.add(protocol, changes=broken_upgrade, starttls="die")

    @staticmethod
    def unlisted(protocol, changes):
        """The command that is injected in POP3 is the one that is refused."""
        answered = protocol == "pop3" and changes
        return changes | ({"/starttls/injection_reply": "-ERR Unknown command"} if answered else {})

    def test_a_greeting_inside_tls_is_noticed(self):
        for server in self.farm.servers:
            again = "greet-again" in dict(server.script)
            self.assertEqual(self.run_.endpoints[server.at()]["anomalies"],
                             ["greeting_after_tls"] if again else [], server.line())


class ResumedSessions(BehaviourCase, unittest.TestCase):
    """The injection resumes the session of the first handshake, where it is given: nothing that is
    found out depends on it."""

    @classmethod
    def build(cls):
        for protocol in PROTOCOLS:
            for word, changes in Injections.meanings(protocol).items():
                for versions in ("1.2", "1.3"):
                    cls.add(protocol, changes=changes, inject=word, versions=versions)
                    cls.add(protocol, changes=changes, inject=word, versions=versions, tickets="no")

    def test_what_is_resumed(self):
        for server in self.farm.servers:
            script, row = dict(server.script), self.stats[server.at()]
            through = script["inject"] in ("sound", "vulnerable", "delayed")
            # What is answered in clear comes before our hello: then nothing is resumed.
            with self.subTest(server=server.line().strip()):
                self.assertEqual(row["resumed"], int(through and "tickets" not in script))
                self.assertEqual(row["handshakes"],
                                 1 + int(through or script["inject"] == "clear"))


class BrokenResumption(BehaviourCase, unittest.TestCase):
    """A handshake that breaks because a session was to be resumed says nothing about injections."""

    @classmethod
    def build(cls):
        for protocol in PROTOCOLS:
            for word, changes in Injections.meanings(protocol).items():
                for versions in ("1.2", "1.3"):
                    cls.add(protocol, changes=changes, inject=word, versions=versions,
                            tickets="close")

    def test_manners(self):
        for server in self.farm.servers:
            row = self.stats[server.at()]
            again = dict(server.script)["inject"] in ("sound", "vulnerable", "delayed")
            with self.subTest(server=server.line().strip()):
                self.assertEqual((row["credentials"], row["resumed"]), (0, 0))
                self.assertEqual(row["injections"], 2 if again else 1)


class SlowInjections(BehaviourCase, unittest.TestCase):
    """Byte by byte. Nothing is concluded from the time it takes."""

    options = ("--reply-timeout", "60", "--tls-timeout", "60")

    @classmethod
    def build(cls):
        for protocol in PROTOCOLS:
            meanings = Injections.meanings(protocol)
            for word in ("sound", "vulnerable", "delayed", "refuse", "break"):
                cls.add(protocol, changes=meanings[word], inject=word, drip="1")


class Inside(BehaviourCase, unittest.TestCase):
    """What is asked inside TLS, and what is allowed before it."""

    @classmethod
    def build(cls):
        for protocol in WITH_AUTH:
            for mode in MODES:
                cls.add(protocol, mode, inside="listed")
                cls.add(protocol, mode, {"/tls/starttls_accepted_inside": True}, inside="accepted")
        cls.add("smtp", changes={"/starttls/required": True}, required="yes")
        for mode in MODES:
            cls.protection(mode)

    @classmethod
    def protection(cls, mode):
        def told(reply):
            return {"/data_channel/protection": False, "/data_channel/protection_reply": reply}

        cls.add("ftp", mode, told("536 Protection level not supported."), prot="refused")
        cls.add("ftp", mode, told("431 No protection for the moment."), prot="unavailable")
        cls.add("ftp", mode, told("500 Unknown command."), prot="unknown")
        cls.add("ftp", mode, {"/data_channel/": None,
                              "/data_channel/protection": Unknown("not_logged_in")}, prot="login")


class Exhaustive(BehaviourCase, unittest.TestCase):
    """What has a connection of its own, or goes far: by --exhaustive only."""

    options = ("--exhaustive",)

    @classmethod
    def build(cls):
        for protocol in PROTOCOLS:
            for mode in MODES:
                cls.add(protocol, mode)
                cls.add(protocol, mode, {"/tls/foreign_alpn_accepted": False}, alpn="enforced")
                cls.add(protocol, mode, {"/tls/unknown_name_accepted": False}, sni="known")
            cls.add(protocol, changes={"/starttls/continues_in_clear": True}, after_failure="clear")
        cls.add("ftp", changes={"/auth/anonymous": True}, anonymous="yes")
        cls.add("ftp", changes={"/auth/anonymous": Unknown("odd_reply")} | login(
            "accepted", "probable", "USER", ASKED_FOR["ftp"]), login="allowed")
        cls.add("ftp", changes={"/auth/anonymous": True} | login(
            "accepted", "confirmed", "USER", "230 Logged in."), login="in")
        for mode in MODES:
            cls.add("ftp", mode, {"/data_channel/ccc": True}, ccc="allowed")

    def sound(self, server):
        truth = sound_tried(server) | {"/tls/foreign_alpn_accepted": True,
                                       "/tls/unknown_name_accepted": True,
                                       "/tls/client_renegotiation": False}
        if server.mode == "clear":
            truth["/starttls/continues_in_clear"] = False
        if server.protocol == "ftp":
            truth["/data_channel/ccc"] = False
            if server.mode == "clear":
                truth["/auth/anonymous"] = False
        return truth


class Manners(unittest.TestCase):
    """Who is asked what, how often, and in which order."""

    @staticmethod
    def host(farm, modes=MODES, **script):
        """The four protocols at one address."""
        address = farm.address()
        return [farm.add(protocol, mode, address=address, **script)
                for protocol in PROTOCOLS for mode in modes]

    def scan(self, farm, *options):
        farm.start()
        run = scan.run("--ca-file", farm.ca_file, *PATIENCE, *options, *farm.targets())
        return run, farm.stop()

    def sums(self, stats):
        return tuple(sum(row[name] for row in stats.values())
                     for name in ("logins", "injections", "credentials"))

    def test_what_is_not_asked_is_not_sent(self):
        for words, sums in (("capabilities,versions,handshake,login,injection", (4, 4, 0)),
                            ("capabilities,versions,handshake,login", (4, 0, 0)),
                            ("capabilities,versions,handshake,injection", (0, 4, 0)),
                            ("capabilities,versions,handshake", (0, 0, 0)),
                            ("capabilities,versions", (0, 0, 0))):
            with self.subTest(facts=words), Farm() as farm:
                servers = self.host(farm)
                run, stats = self.scan(farm, "--facts", words)
                self.assertEqual(self.sums(stats), sums)
                for server in servers:
                    if server.mode == "clear":
                        self.verdicts(words, run.endpoints[server.at()])

    def verdicts(self, words, record):
        seen = facts.tried(record)
        reasons = (seen["/auth/cleartext_login/reason"], seen["/starttls/injection_reason"])
        self.assertEqual(reasons, (None if "login" in words else "not_asked",
                                   None if "injection" in words else "not_asked"))

    def test_a_ban_spoils_no_passive_fact(self):
        """Whoever asks for a login is locked out of all ports."""
        for per_host in ("1", "8"):
            with self.subTest(per_host=per_host), Farm() as farm:
                servers = self.host(farm, banned="1")
                run, stats = self.scan(farm, "--per-host", per_host)
                for server in servers:
                    seen = facts.of(run.endpoints[server.at()])
                    self.assertEqual([], difference(seen, facts.sound(farm, server)))
                self.assertGreaterEqual(self.sums(stats)[0], 1)
                self.honest(servers, run)

    def honest(self, servers, run):
        """After the ban there is no verdict, but why there is none."""
        for server in servers:
            seen = facts.tried(run.endpoints[server.at()])
            if server.mode == "clear" and seen["/auth/cleartext_login/verdict"] != "refused":
                self.assertEqual(seen["/auth/cleartext_login/verdict"], "inconclusive")
                self.assertIn(seen["/auth/cleartext_login/reason"],  # cut off in the middle, or not let in
                              ("reset", "closed", "rate_limited"))
            if server.mode == "clear":
                self.assertIn(seen["/starttls/injection"], ("inconclusive", "not_tested"))
                self.assertIsNotNone(seen["/starttls/injection_reason"])

    def test_logins_come_before_injections(self):
        """The four services may each be asked for a login before the ban, and none after it."""
        with Farm() as farm:
            servers = self.host(farm, ("clear",), banned="4")
            run, stats = self.scan(farm, "--per-host", "8")
            self.assertEqual(self.sums(stats), (4, 0, 0))
            for server in servers:
                seen = facts.tried(run.endpoints[server.at()])
                self.assertEqual(seen["/auth/cleartext_login/verdict"], "refused")

    def test_a_service_of_many_names_is_tried_once(self):
        names = ["a.demo.test", "b.demo.test", "c.demo.test"]
        for options in ((), ("--dummy-login",)):
            with self.subTest(options=options), Farm() as farm:
                server = farm.add("imap")
                resolver = NameServer(farm.address(), {name: [server.address] for name in names})
                farm.start()
                run = scan.run("--resolver", resolver.at, *options,
                               *(f"{name}:{server.port}/imap" for name in names), server.target())
                resolver.close()
                sums = self.sums(farm.stop())
                self.assertEqual(sums, (1, 1, int("--dummy-login" in options)))
                told = [facts.tried(record) for record in run.records]
                self.assertEqual(told, [told[0]] * 4)
                self.assertEqual(told[0]["/auth/cleartext_login/verdict"], "refused")

    def test_the_same_address_at_both_ends(self):
        """Servers may take such a connection for a safe one."""
        with Farm() as farm:
            servers = [farm.add(protocol, address=farm.net + ".1") for protocol in PROTOCOLS]
            run, stats = self.scan(farm, "--source-address", farm.net + ".1")
            self.assertEqual(self.sums(stats), (0, 4, 0))
            for server in servers:
                record = run.endpoints[server.at()]
                self.assertEqual(record["endpoint"]["source_ip"], server.address)
                seen = facts.tried(record)
                wanted = login("not_tested", reason="same_address")
                self.assertEqual({path: seen[path] for path in wanted}, wanted)

    def test_transcript(self):
        with Farm() as farm:
            servers = self.host(farm, login="announced")
            run, stats = self.scan(farm, "--transcript", "--dummy-login")
            self.assertEqual(self.sums(stats)[2], 3)
            for server in servers:
                with self.subTest(server=server.line().strip()):
                    self.told(server, run.endpoints[server.at()], stats[server.at()]["user"])

    def told(self, server, record, user):
        lines = record["transcript"]
        said = [line["text"] for line in lines if line["from"] == "client"]
        heard = [line["text"] for line in lines if line["from"] == "server"]
        self.assertIn(facts.BANNERS[server.protocol], heard)
        goodbye = "LOGOUT" if server.protocol == "imap" else "QUIT"
        self.assertTrue(any(goodbye in text for text in said), said)
        self.assertTrue(any(line["inside_tls"] for line in lines))
        self.assertEqual(any(not line["inside_tls"] for line in lines), server.mode == "clear")
        for text in said:
            self.assertNotRegex(text, r"^PASS (?!\(a random)|LOGIN (?!\(a random)", text)
        if server.mode == "clear" and server.protocol in PASSWORD:
            self.assertTrue(any("(a random password)" in text for text in said), said)
        if server.protocol == "imap" and user:
            self.assertFalse(any(user in text for text in said), said)

    def test_no_transcript_unless_it_is_wanted(self):
        with Farm() as farm:
            self.host(farm, ("clear",))
            run, _ = self.scan(farm)
            self.assertEqual([record["transcript"] for record in run.records], [None] * 4)


if __name__ == "__main__":
    main()
