# SPDX-License-Identifier: MIT
"""One configuration of real servers, and what a scan must say about it.

A test names the servers of one address and, for every open port, what the configuration promises.
That promise is first held against the running server by truth.py; only then is the scanner asked,
and its records held against both.
"""

import json
import re
import sys
import unittest
from dataclasses import dataclass
from datetime import datetime
from functools import wraps

import scan
import truth
from certificates import Authority
from servers import CURRENT, MODERN, rights_missing

SERVICES = {
    21: ("ftp", "insecure"), 990: ("ftp", "implicit"), 991: ("ftp", "explicit"),
    143: ("imap", "insecure"), 993: ("imap", "implicit"),
    110: ("pop3", "insecure"), 995: ("pop3", "implicit"),
    25: ("smtp", "insecure"), 465: ("smtp", "implicit"), 587: ("smtp", "explicit"),
}
ALL_VERSIONS = [("ssl", "2.0"), ("ssl", "3.0"),
                ("tls", "1.0"), ("tls", "1.1"), ("tls", "1.2"), ("tls", "1.3")]

# What becomes of TLS on an open port.
WORKS = "works"        # by upgrade or at once
REFUSED = "refused"    # the upgrade is refused
LATER = "later"        # the upgrade is put off: neither a yes nor a no
USELESS = "useless"    # there is a handshake, but nothing can be said inside
CLEAR = "clear"        # an implicit port greets in clear, and refuses the upgrade
DEAD = "dead"          # an implicit port hangs up


@dataclass
class Promise:
    """What a configuration says of one port; before and after TLS: (login disabled, mechanisms).

    `login` is what becomes of a login in clear; where nothing else is said, a server does as its
    capabilities say, and a sound one forgets or refuses an injected command. `required`: it takes
    hardly any command before TLS; `continues`: it goes on in clear after a handshake that failed.
    `defects` are rules of more than low severity that it breaks in ways that cannot be told from
    the rest.
    """

    tls: str = WORKS
    advertised: bool = None
    before: tuple = None
    after: tuple = None
    versions: tuple = CURRENT
    login: str = None
    injection: str = None
    required: bool = False
    continues: bool = False
    defects: tuple = ()

    def __post_init__(self):
        if self.before and self.before[0] is not None and self.login is None:
            self.login = "refused" if self.before[0] else "accepted"
        if self.before and self.tls == WORKS and self.injection is None:
            self.injection = "not_vulnerable"


# Where the same service has TLS from the first byte.
TWINS = {143: 993, 110: 995, 587: 465}
ANNOUNCED = {"imap": "IMAP-LOGINDISABLED-MISSING", "pop3": "POP3-USER-CAPA-BEFORE-TLS",
             "smtp": "SMTP-AUTH-BEFORE-TLS"}


def defects(port, promises):
    """The rules of more than low severity that a port breaks by what it promises."""
    promise = promises[port]
    protocol = SERVICES[port][0]
    disabled, mechanisms = promise.before or (None, [])
    broken = {
        "STARTTLS-NOT-OFFERED": promise.tls in (REFUSED, CLEAR) and not promise.advertised,
        "STARTTLS-ADVERTISED-BUT-FAILS": promise.tls == REFUSED and promise.advertised,
        "STARTTLS-INJECTION": promise.injection == "vulnerable",
        "IMPLICIT-PORT-SPEAKS-CLEARTEXT": promise.tls == CLEAR,
        "IMPLICIT-TLS-NOT-OFFERED": is_without_twin(port, promises),
        "CLEARTEXT-LOGIN-ALLOWED": promise.login == "accepted",
        ANNOUNCED.get(protocol): disabled is False,
        "IMAP-AUTH-PLAIN-BEFORE-TLS": protocol == "imap" and disabled and mechanisms,
        "TLS-1.0-SUPPORTED": "1.0" in promise.versions and port != 25,
        "TLS-1.1-SUPPORTED": "1.1" in promise.versions and port != 25,
        # Who brings mail to port 25 has no choice but the versions that are there.
        "TLS-1.2-NOT-SUPPORTED": promise.versions == MODERN and port == 25,
    }
    return {rule for rule, is_broken in broken.items() if is_broken} | set(promise.defects)


def is_without_twin(port, promises):
    twin = TWINS.get(port)
    return bool(twin) and (twin not in promises or promises[twin].tls == CLEAR)


def main():
    """unittest.main() that exits with 77 when something was skipped, so that ctest shows it."""
    result = unittest.main(module="__main__", verbosity=2, exit=False).result
    for _, reason in result.skipped:
        print(f"SKIPPED: {reason}", file=sys.stderr)
    sys.exit(1 if not result.wasSuccessful() else 77 if result.skipped else 0)


def on_every_port(check):
    """The test with check(self, mode, promise, facts, record) as a subtest of each open port."""
    @wraps(check)
    def test(self):
        for port, promise in self.promises.items():
            with self.subTest(port=port, tls=promise.tls):
                self.record = self.records[port]
                try:
                    check(self, SERVICES[port][1], promise, self.facts[port], self.record)
                except (LookupError, TypeError, ValueError) as error:
                    self.fail(f"{error!r} in\n{scan.pretty(self.record)}")
    return test


class ServerCase:
    """Mixed into a unittest.TestCase that defines host, promises and servers()."""

    host = None
    promises = {}
    ticking = False  # the greeting has the time in it, or a random number
    exhaustive = ("--exhaustive",)

    @classmethod
    def servers(cls, issue):
        """The servers to run; issue(key_type) makes a certificate."""
        raise NotImplementedError

    @classmethod
    def setUpClass(cls):
        cls.skip_for(rights_missing())
        authority = Authority()
        cls.addClassCleanup(authority.close)
        cls.running = cls.servers(lambda key_type="rsa": authority.issue(cls.host, key_type))
        for server in cls.running:
            cls.skip_for(server.missing())
        for server in cls.running:
            server.start()
            cls.addClassCleanup(server.stop)
        cls.ca_file = authority.file
        cls.facts = {port: cls.truth_of(port) for port in cls.promises}
        cls.records = cls.scan()

    @staticmethod
    def skip_for(reason):
        if reason:
            raise unittest.SkipTest(reason)

    @classmethod
    def truth_of(cls, port):
        """The facts of a port, found to be what the configuration promises."""
        promise = cls.promises[port]
        protocol, mode = SERVICES[port]
        implicit = mode == "implicit" and promise.tls != CLEAR
        facts = truth.observe(cls.host, port, protocol, implicit)
        real = Promise(promise.tls, facts.advertised, cls.login(protocol, facts.before_tls),
                       cls.login(protocol, facts.after_tls), tuple(facts.versions),
                       facts.login, facts.injection, bool(facts.required),
                       bool(facts.continues), promise.defects)
        assert real == promise, f"{cls.host}:{port} is not as configured: {facts}\n{cls.logs()}"
        assert facts.usable == (promise.tls == WORKS), f"{promise} {facts}\n{cls.logs()}"
        return facts

    @staticmethod
    def login(protocol, capabilities):
        if capabilities is None:
            return None
        return (truth.login_disabled(protocol, capabilities),
                truth.mechanisms(protocol, capabilities))

    @classmethod
    def scan(cls, *options):
        """The endpoint records of a scan of this host, by port."""
        try:
            run = scan.run("--ca-file", cls.ca_file, *options, cls.host)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{cls.logs()}") from error
        return {port: record for (_, port), record in run.endpoints.items()}

    @classmethod
    def logs(cls):
        return "\n".join(f"--- {type(server).__name__} {server.ports}\n{server.log()[-8000:]}"
                         for server in cls.running)

    def same(self, seen, expected, what):
        if seen != expected:
            self.fail(f"{what} is {seen!r}, not {expected!r}, in\n{scan.pretty(self.record)}\n"
                      f"{self.logs()}")

    def timeless(self, banner):
        return re.sub(r"\d+", "0", banner) if self.ticking else banner

    def lasting(self, record):
        """A record without what may differ from run to run: times, and how a refusal happened to
        arrive (a server that closes with the hello unread is seen to close or to reset)."""
        copy = json.loads(json.dumps(record).replace('"closed"', '"reset"'))
        for name in ("run_id", "time", "duration_ms", "connections"):
            del copy[name]
        if copy.get("banner"):
            copy["banner"] = self.timeless(copy["banner"])
        tls = copy.get("tls") or {}
        for trouble in (copy["error"], tls.get("failure")):
            (trouble or {}).pop("message", None)
        for row in tls.get("versions", []):
            row.pop("by", None)
            row.pop("alert", None)
        return copy

    def test_every_port_of_the_table_is_recorded(self):
        self.assertEqual(set(self.records), set(SERVICES))
        for port, (protocol, mode) in SERVICES.items():
            with self.subTest(port=port):
                self.record = self.records[port]
                endpoint = self.record["endpoint"]
                self.same(endpoint["key"], f"{protocol}://{self.host}:{port}", "the key")
                self.same((endpoint["protocol"], endpoint["mode"]), (protocol, mode), "the service")
                self.same(endpoint["ip"], self.host, "the address")
                if port not in self.promises:
                    self.same(self.record["status"], "closed", "the status")
                    self.same("tls" in self.record, False, "whether there is a tls member")

    @on_every_port
    def test_status(self, mode, promise, facts, record):
        if promise.tls == DEAD:
            self.assertIn(record["status"], ("tls_error", "error"), scan.pretty(record))
        else:
            lost = promise.tls == USELESS and mode == "implicit"
            self.same(record["status"], "tls_error" if lost else "ok", "the status")
        self.same(record["error"] is None, record["status"] == "ok", "whether error is null")
        if promise.tls not in (DEAD, USELESS):
            observed = "insecure" if promise.tls == CLEAR else mode
            self.same(record["endpoint"]["observed_mode"], observed, "the observed mode")

    @on_every_port
    def test_banner(self, mode, promise, facts, record):
        if promise.tls == CLEAR:  # Dovecot may say it is busy first, to a hello sent at once
            self.same(record["banner"][:4], facts.banner[:4], "the beginning of the banner")
        elif facts.banner is None:
            self.same(record.get("banner"), None, "the banner")
        else:
            self.same(*map(self.timeless, (record["banner"], facts.banner)), "the banner")

    @on_every_port
    def test_upgrade(self, mode, promise, facts, record):
        seen = record["starttls"]
        if mode == "implicit" and promise.tls != CLEAR:
            self.same(seen, None, "starttls on an implicit port")
            return
        self.same(seen["advertised"], promise.advertised, "advertised")
        self.same(seen["attempted"], True, "attempted")
        refused = promise.tls in (REFUSED, CLEAR, LATER)
        if promise.tls == LATER:
            self.same("accepted" in seen, False, "that an upgrade put off is neither accepted nor refused")
            self.same(reasons(record)["/starttls/accepted"], "temporary", "the reason")
        else:
            self.same(seen["accepted"], not refused, "accepted")
        self.same(untagged(record, seen["reply"]), untagged(record, facts.reply), "the reply")
        handshake = "not_tested" if refused else "ok" if promise.tls == WORKS else "failed"
        self.same(seen["handshake"], handshake, "the handshake")
        if not refused:
            self.same(seen["bytes_after_reply"], 0, "bytes after the reply")

    @on_every_port
    def test_capabilities_and_login(self, mode, promise, facts, record):
        if not (promise.before or promise.after):
            return
        auth = record["auth"]
        disabled = auth["login_disabled"] or {}
        for phase, promised, capabilities in (("before_tls", promise.before, facts.before_tls),
                                              ("after_tls", promise.after, facts.after_tls)):
            login, mechanisms = promised or (None, [])
            self.same(auth["capabilities"].get(phase) or [], capabilities or [],
                      f"capabilities {phase}")
            self.same(sorted((auth["mechanisms"] or {}).get(phase) or []), sorted(mechanisms),
                      f"mechanisms {phase}")
            self.same(disabled.get(phase), login, f"login disabled {phase}")
        if record["endpoint"]["protocol"] == "ftp":
            self.same(auth["login_disabled"], None, "login_disabled on FTP")
        self.same(auth["preauth"], False, "preauth")
        self.same(auth["credentials_sent"], False, "credentials_sent")

    @on_every_port
    def test_login_in_clear(self, mode, promise, facts, record):
        if "auth" not in record:
            return
        seen = record["auth"]["cleartext_login"]
        self.same(seen["verdict"], promise.login or "not_tested", "the verdict on logins in clear")
        self.same(seen["reply"] is None, promise.login is None, "that there is no reply")

    @on_every_port
    def test_injection(self, mode, promise, facts, record):
        if record["starttls"] is not None:
            self.same(record["starttls"]["injection"], promise.injection or "not_tested",
                      "the verdict on injected commands")

    @on_every_port
    def test_other_behaviour(self, mode, promise, facts, record):
        self.same(record["anomalies"], [], "the anomalies")
        if record["starttls"] is not None:
            self.same(record["starttls"]["required"], facts.required, "that TLS is required")
        if promise.tls == WORKS:
            ftp = record["endpoint"]["protocol"] == "ftp"
            self.same(record["tls"]["starttls_accepted_inside"], None if ftp else facts.again,
                      "that the upgrade is accepted once more")
            self.same((record["data_channel"] or {}).get("protection"), facts.protected,
                      "that data can be protected")

    @on_every_port
    def test_findings(self, mode, promise, facts, record):
        grave = {finding["rule"] for finding in record["findings"]
                 if finding["severity"] in ("critical", "high", "medium")}
        self.same(grave, defects(record["endpoint"]["port"], self.promises), "what is found")

    @on_every_port
    def check_clear_text_after_failure(self, mode, promise, facts, record):
        if mode != "implicit" and promise.tls == WORKS:
            self.same(record["starttls"]["continues_in_clear"], promise.continues,
                      "that commands are answered in clear after a handshake that failed")

    @on_every_port
    def test_versions(self, mode, promise, facts, record):
        tls = record.get("tls", "left out")
        if promise.tls == LATER:
            self.same(tls, "left out", "tls after an upgrade put off")
            return
        if promise.tls in (REFUSED, CLEAR):
            self.same(tls, None, "tls after a refused upgrade")
            return
        self.same(tls["versions_accepted"], list(promise.versions), "versions_accepted")
        self.same(tls["established"], promise.tls == WORKS, "established")
        if promise.versions:
            self.same(statuses(record), [
                (*version, "accepted" if version[1] in promise.versions else "rejected")
                for version in ALL_VERSIONS], "the versions")
            self.same(tls["version"], promise.versions[-1], "the version of the handshake")
        else:  # no hello was ever accepted: a hang-up proves nothing about any version
            self.same({status for _, _, status in statuses(record)} <=
                      {"inconclusive", "not_tested"}, True, "that no version is judged")

    @on_every_port
    def test_certificate(self, mode, promise, facts, record):
        if not promise.versions:
            self.same((record.get("tls") or {}).get("certificate"), None, "the certificate")
            return
        port = record["endpoint"]["port"]
        certificate = next(server.certificate for server in self.running if port in server.ports)
        seen = record["tls"]["certificate"]
        for name, value in certificate.facts().items():
            self.same(comparable(name, seen[name]), value, name)
        self.same(seen["san_dns"], ["mail.test"], "the DNS names")
        self.same(seen["san_ip"], [self.host], "the addresses")
        self.same(seen["key_algorithm"] == "rsa", certificate.key_type == "rsa", "RSA")
        self.same(seen["extended_key_usage"], ["serverAuth"], "the extended key usage")
        self.same(seen["self_signed"], False, "self_signed")
        self.same(record["tls"]["verify"],
                  {"trusted": True, "roots": "file", "name_match": True, "errors": []},
                  "verify")

    def test_a_second_scan_says_the_same(self):
        again = self.scan()
        self.assertEqual({port: self.lasting(record) for port, record in self.records.items()},
                         {port: self.lasting(record) for port, record in again.items()})

    def test_an_exhaustive_scan_finds_the_same_versions_and_more(self):
        self.records = self.scan(*self.exhaustive)
        self.test_versions()
        self.check_clear_text_after_failure()
        if self.exhaustive == ServerCase.exhaustive:
            self.test_findings()


def reasons(record):
    return {item["path"]: item["reason"] for item in record["unknown"]}


def statuses(record):
    rows = (record.get("tls") or {}).get("versions", [])
    return [(row["protocol"], row["version"], row["status"]) for row in rows]


def untagged(record, reply):
    """A reply without its IMAP tag, which every client chooses for itself."""
    return reply.split(" ", 1)[1] if record["endpoint"]["protocol"] == "imap" else reply


def comparable(name, value):
    if name == "serial":
        return int(value, 16)
    if name in ("not_before", "not_after"):
        return datetime.fromisoformat(value)
    return value
