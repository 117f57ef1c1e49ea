# SPDX-License-Identifier: MIT
"""`check`: one host as monitoring sees it: a state, a line, numbers.

Against played servers and one real one; and over records, in which a month of trouble is quickly
written. What it prints is read as the guidelines of monitoring plugins have it.
"""

import copy
import json
import os
import re
import signal
import subprocess
import tempfile
import time
import unittest
from datetime import datetime, timedelta, timezone
from pathlib import Path

import scan
from case import main
from certificates import Authority
from played import Farm
from servers import Dovecot, rights_missing
from shards import line_of, records_of

OK, WARNING, CRITICAL, UNKNOWN = range(4)
WORDS = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
SEVERITIES = ("critical", "high", "medium", "low", "info")
NUMBER = r"-?\d+(?:\.\d+)?"
RANGE = rf"@?(?:(?:{NUMBER}|~)?:)?(?:{NUMBER})?"
SAMPLES = Path(__file__).resolve().parents[2] / "samples"


class Answer:
    """What a plugin said, by the guidelines: a line, numbers behind "|", and further lines."""

    def __init__(self, code, output):
        assert output.isascii() and output.endswith("\n"), ascii(output)
        first, *self.lines = output[:-1].split("\n")
        assert "|" not in "".join(self.lines), self.lines
        assert not re.search(r"[<>\x00-\x1f\x7f]", first + "".join(self.lines)), ascii(output)
        self.text, _, numbers = first.partition(" | ")
        assert "|" not in self.text + numbers
        match = re.match(r"STARTTLS (OK|WARNING|CRITICAL|UNKNOWN) - .", self.text)
        assert match and WORDS[code] == match[1], (code, self.text)
        self.code = code
        self.numbers = self.parsed(numbers)

    @staticmethod
    def parsed(text):
        """'label'=value[UOM];[warn];[crit];[min];[max], by label: value and the rest."""
        numbers = {}
        while text:
            match = re.match(rf"'((?:[^'=]|'')+)'=({NUMBER})(s|%|[KMGT]?B|c)?"
                             rf";({RANGE})?;({RANGE})?;({NUMBER})?;({NUMBER})?(?: |$)", text)
            assert match, text
            label, value, _, *limits = match.groups()
            assert label not in numbers, text
            numbers[label] = (float(value), *(limit or None for limit in limits))
            text = text[match.end():]
        return numbers

    def value(self, label):
        return self.numbers[label][0]

    def about(self, word):
        return [line for line in self.lines if line.startswith(f"[{word}]")]


def run(*arguments, **options):
    return subprocess.run([scan.named_file("STARTTLS_AUDIT"), "check", *map(str, arguments)],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=scan.WATCHDOG, **options)


def check(*arguments, code):
    done = run(*arguments)
    assert done.returncode == code, f"exit {done.returncode}: {done.stdout}{done.stderr}"
    assert done.stderr == "", done.stderr
    return Answer(done.returncode, done.stdout)


def later(days):
    return f"{datetime.now(timezone.utc) + timedelta(days=days):%FT%TZ}"


class Played(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.farm = farm = Farm()
        cls.addClassCleanup(farm.close)
        cls.good, cls.bad, cls.busy, cls.slow = (farm.address() for _ in range(4))
        cls.nobody = f"{farm.net}.200"
        farm.add("imap", address=cls.good)
        farm.add("imap", "implicit", address=cls.good)
        farm.add("smtp", "implicit", address=cls.good)
        farm.add("imap", address=cls.bad, login="allowed", versions="1.0")
        farm.add("pop3", address=cls.bad)
        farm.add("smtp", address=cls.busy, greeting="busy")
        farm.add("imap", "implicit", address=cls.busy)
        farm.add("imap", address=cls.slow, greeting="silent")
        farm.start()

    def check(self, *arguments, code):
        ports = "imap:10143,imap/implicit:10993,smtp:10025,smtp/implicit:10465,pop3:10110"
        # Nothing of the table is there, and its ports are asked all the same.
        return check("--ca-file", self.farm.ca_file, "--ports", ports, *arguments, code=code)

    def test_ok(self):
        answer = self.check("-w", "high", "-c", "critical", self.good, code=OK)
        self.assertIn("15 endpoints, 3 answer", answer.text)
        self.assertEqual((answer.value("endpoints"), answer.value("answered")), (15, 3))
        self.assertEqual(answer.value("unjudged"), 0)
        self.assertEqual(answer.numbers["critical"][1:], ("0", "0", "0", None))
        self.assertEqual(answer.numbers["high"][1:], ("0", None, "0", None))
        self.assertEqual(answer.numbers["medium"][1:], (None, None, "0", None))
        self.assertGreater(answer.value("certificate_days"), 300)
        self.assertGreater(answer.value("time"), 0)

    def test_the_scan_says_the_same(self):
        done = subprocess.run(scan.command("--ca-file", self.farm.ca_file, "--all", "--ports",
                                           "imap:10143,pop3:10110", self.bad),
                              capture_output=True, timeout=scan.WATCHDOG, check=True)
        endpoints = [r for r in records_of(done.stdout) if r["type"] == "endpoint"]
        answer = check("--ca-file", self.farm.ca_file, "--ports", "imap:10143,pop3:10110", self.bad,
                       code=CRITICAL)
        self.assertEqual(answer.value("endpoints"), len(endpoints))
        for severity in SEVERITIES:
            count = sum(finding["severity"] == severity for record in endpoints
                        for finding in record["findings"])
            self.assertEqual(answer.value(severity), count, severity)
            if count:
                self.assertIn(f"{count} {severity}", answer.text)
        told = {line.split()[2] for line in answer.about("CRITICAL") + answer.about("WARNING")}
        self.assertEqual(told, {finding["rule"] for record in endpoints
                                for finding in record["findings"]
                                if finding["severity"] in SEVERITIES[:3]})

    def test_thresholds(self):
        for options, code in (((), CRITICAL), (("-w", "critical", "-c", "critical"), CRITICAL),
                              (("-c", "critical"), CRITICAL)):
            self.check(*options, self.bad, code=code)
        # What is worst at the good one is of medium severity.
        for options, code in (((), WARNING), (("-w", "high"), OK), (("-c", "medium"), CRITICAL),
                              (("-w", "info", "-c", "info"), CRITICAL)):
            self.check(*options, self.good, code=code)

    def test_certificates(self):
        days = self.check(self.good, code=WARNING).value("certificate_days")
        for options, code in ((("--certificate-warning", days + 1), WARNING),
                              (("--certificate-warning", days), OK),
                              (("--certificate-warning", days + 2, "--certificate-critical",
                                days + 1), CRITICAL)):
            answer = self.check("-w", "high", *options, self.good, code=code)
            self.assertEqual("a certificate ends in" in answer.text, code != OK)
            self.assertEqual(answer.numbers["certificate_days"][1], f"{options[1]:.0f}:")

    def test_policies(self):
        """Rules that a policy fails count, whatever their severity."""
        quiet = ("-w", "critical", "-c", "critical")
        self.check(*quiet, self.good, code=OK)
        answer = self.check(*quiet, "--policy", "rfc-baseline", "--policy", "pci-dss-4.0.1", self.bad,
                            code=CRITICAL)
        self.assertTrue([line for line in answer.about("CRITICAL") if "(medium)" in line
                         or "(low)" in line or "(high)" in line], answer.lines)

    def test_what_is_expected(self):
        for wanted, code in (("imap", WARNING), ("imap,smtp", WARNING),
                             ("imap/implicit:10993", WARNING), ("imap:10143", WARNING),
                             ("pop3", CRITICAL), ("imap,smtp/explicit", CRITICAL),
                             ("imap/implicit", CRITICAL),  # 993 too
                             ("ftp:10143", UNKNOWN)):
            answer = self.check("--expect", wanted, self.good, code=code)
            if code == CRITICAL:
                self.assertIn("no answer of " + wanted.split(",")[-1], answer.text)
                self.assertIn("is expected, and does not answer", answer.about("CRITICAL")[0])
        answer = self.check("--expect", "imap", self.nobody, code=CRITICAL)
        self.assertIn("no answer of imap", answer.text)

    def test_nothing_answers(self):
        answer = self.check(self.nobody, code=UNKNOWN)
        self.assertIn("nothing answers", answer.text)
        self.assertNotIn("critical", answer.numbers)
        answer = check("--resolver", f"{self.farm.net}.250:53", "-t", "5", "no.such.name.invalid",
                       code=UNKNOWN)

    def test_who_turns_us_away_is_not_ok(self):
        answer = self.check("-t", "5", "-w", "critical", "-c", "critical", self.busy, code=UNKNOWN)
        self.assertIn(f"smtp://{self.busy}:10025 could not be judged: refused", answer.text)
        self.assertEqual(answer.value("unjudged"), 1)
        self.assertEqual(len(answer.about("UNKNOWN")), 1)
        self.check("-t", "5", "--expect", "smtp:10025", "-w", "critical", "-c", "critical",
                   self.busy, code=UNKNOWN)

    def test_time(self):
        """There is an answer in time, also where nothing comes from the other side."""
        for limit in (1, 4):
            answer = self.check("-t", limit, "--greeting-timeout", "150", self.slow, code=UNKNOWN)
            self.assertLess(answer.value("time"), 150)
            self.assertRegex(answer.text, "could not be judged|not everything was asked")

    def test_begun_by_who_does_not_want_to_hear_of_children(self):
        done = run("--ca-file", self.farm.ca_file, "--ports", "imap:10143", "--services", "imap",
                   "-w", "high", "-t", "30", self.good,
                   preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
        self.assertEqual(done.returncode, OK, done.stdout)

    def test_a_network_is_no_host(self):
        answer = self.check(f"{self.good}-{self.bad.split('.')[-1]}", code=CRITICAL)
        self.assertIn("more than one host", answer.text)
        answer = check("--ports", "imap:10143", "--services", "imap", f"{self.nobody}/31",
                       code=UNKNOWN)
        self.assertIn("more than one host", answer.text)

    def test_the_scan_ends_with_the_check(self):
        process = subprocess.Popen([scan.named_file("STARTTLS_AUDIT"), "check", "--ports",
                                    "imap:10143", "--greeting-timeout", "100", "-t", "100", self.slow],
                                   stdout=subprocess.DEVNULL)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        for _ in range(600):
            if children.read_text().split():
                break
            time.sleep(0.05)
        child = int(children.read_text().split()[0])
        process.send_signal(signal.SIGKILL)
        process.wait()
        for _ in range(600):
            try:
                state = Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()[0]
            except (FileNotFoundError, ProcessLookupError):
                return
            if state == "Z":
                return
            time.sleep(0.05)
        os.kill(child, signal.SIGKILL)
        self.fail("the scan goes on without its check")

    def test_what_the_scan_refuses(self):
        for arguments, said in ((("--ports", "x", self.good), "no known protocol"),
                                (("192.0.2.300",), "not an IPv4 address"),
                                (("--", "--all"), ""),
                                (("--ca-file", "/nonexistent", self.good), "/nonexistent")):
            answer = check(*arguments, code=UNKNOWN)
            self.assertIn("the scan failed: ", answer.text)
            self.assertIn(said, answer.text)

    def test_usage(self):
        for arguments in ((), (self.good, self.good), ("--no-such", self.good),
                          ("-w", "grave", self.good), ("-w", "critical", "-c", "low", self.good),
                          ("-t", "0", self.good), ("-t", "x", self.good),
                          ("--expect", "imap,", self.good), ("--expect", "gopher", self.good),
                          ("--expect", "imap/odd", self.good), ("--expect", "imap:0", self.good),
                          ("--max-age", "5y", "--from", "-", self.good),
                          ("--max-age", "0", "--from", "-", self.good),
                          ("--certificate-warning", "-1", self.good),
                          ("--from", "-", "--services", "imap", self.good)):
            done = run(*arguments)
            self.assertEqual((done.returncode, done.stdout), (UNKNOWN, ""), arguments)
            self.assertTrue(done.stderr)
        self.assertEqual(run("--help").returncode, 0)


class Saved(unittest.TestCase):
    """Over the records of a scan, and records made of them."""

    @classmethod
    def setUpClass(cls):
        with Farm() as farm:
            cls.host, cls.other = farm.address(), farm.address()
            farm.add("imap", address=cls.host)
            farm.add("smtp", address=cls.host)
            farm.add("imap", address=cls.other, login="allowed")
            farm.start()
            done = subprocess.run(
                scan.command("--ca-file", farm.ca_file, "--policy", "rfc-baseline",
                             *farm.targets()), capture_output=True, timeout=scan.WATCHDOG, check=True)
        cls.records = records_of(done.stdout)

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.file = Path(directory.name, "records")

    def check(self, records, *arguments, code):
        lines = [record if isinstance(record, bytes) else line_of(record) for record in records]
        self.file.write_bytes(b"".join(lines))
        return check("--from", self.file, *arguments, code=code)

    def altered(self, change, host=None):
        """The records, after change(record) of the host's."""
        records = copy.deepcopy(self.records)
        for record in records:
            if record["type"] == "endpoint" and record["endpoint"]["ip"] == (host or self.host):
                change(record)
        return records

    @staticmethod
    def clean(record):
        record["findings"] = []

    def finding(self, record, **members):
        some = next(r["findings"][0] for r in self.records if r.get("findings"))
        record["findings"].append({**some, **members})

    def test_one_host_of_many(self):
        self.check(self.records, self.other, code=CRITICAL)
        records = self.altered(self.clean)
        answer = self.check(records, self.host, code=OK)
        self.assertEqual(answer.value("endpoints"), 2)
        self.assertIn("2 endpoints, 2 answer, no findings", answer.text)
        self.assertLess(answer.value("age"), 600)
        answer = self.check(records, f"imap://{self.host}:10143", code=OK)
        self.assertEqual(answer.value("endpoints"), 1)

    def test_words_for_one(self):
        """And whole days, on either side of now."""
        for days, words in ((3.5, "ends in 3 days"), (1.5, "ends in 1 day"), (-0.5, "ended today"),
                            (-1.5, "ended 1 day ago"), (-36.5, "ended 36 days ago")):
            def end(record, days=days):
                self.clean(record)
                if (record.get("tls") or {}).get("certificate"):
                    record["tls"]["certificate"]["not_after"] = later(days)

            answer = self.check(self.altered(end), f"imap://{self.host}:10143",
                                "--certificate-critical", 14, code=CRITICAL)
            self.assertIn(f"1 endpoint, 1 answers, no findings, a certificate {words}", answer.text)
            self.assertEqual(answer.about("CRITICAL"),
                             [f"[CRITICAL] imap://{self.host}:10143: the certificate {words}"])

    def test_names_and_addresses(self):
        def name(record):
            self.clean(record)
            record["endpoint"]["host"] = "mail.example.test"

        records = self.altered(name)
        for host in ("mail.example.test", "Mail.Example.TEST", "mail.example.test.", self.host):
            self.assertEqual(self.check(records, host, code=OK).value("endpoints"), 2)

        def address(record):
            self.clean(record)
            record["endpoint"].update(host="2001:db8::1", ip="2001:db8::1")

        records = self.altered(address)
        for host in ("2001:db8::1", "2001:DB8:0::1"):
            self.assertEqual(self.check(records, host, code=OK).value("endpoints"), 2)

    def test_addresses_of_a_name_are_told_apart(self):
        def name(record, ip):
            record["endpoint"].update(host="mail.example.test", ip=ip,
                                      key=f"imap://mail.example.test:{record['endpoint']['port']}")

        def two(ip):
            def change(record):
                self.clean(record)
                self.finding(record, severity="high", rule="X-1", status="open", waiver=None)
                name(record, ip)
            return self.altered(change, self.other)

        first, second = two("192.0.2.5"), two("192.0.2.6")
        extra = [r for r in second if r.get("endpoint", {}).get("ip") == "192.0.2.6"]
        answer = self.check([*first[:-1], *extra, first[-1]], "mail.example.test", code=CRITICAL)
        self.assertEqual([line.split()[2] for line in answer.about("CRITICAL")],
                         ["(192.0.2.5)", "(192.0.2.6)"])

    def test_who_is_not_there(self):
        answer = self.check(self.records, "192.0.2.1", code=UNKNOWN)
        self.assertIn("does not have 192.0.2.1", answer.text)
        self.assertEqual(answer.numbers, {})
        answer = self.check(self.records[:-1], "192.0.2.1", code=UNKNOWN)
        self.assertIn("that run is not complete", answer.text)
        answer = check("--from", "/nonexistent", self.host, code=UNKNOWN)
        self.assertIn("No such file", answer.text)
        self.check([], self.host, code=UNKNOWN)

    def test_the_last_run_counts(self):
        def named(records, number):
            return [{**record, "run_id": f"01a2097e-4580-7c3e-9b1f-00000000000{number}"}
                    for record in records]

        first, second = named(self.records, 1), named(self.altered(self.clean, self.other), 2)
        self.check([*first, *second], self.other, code=OK)
        self.check([*second, *first], self.other, code=CRITICAL)
        # It is not in the last one: what was before is no answer.
        without = [record for record in second
                   if record.get("endpoint", {}).get("ip") != self.other]
        self.check([*first, *without], self.other, code=UNKNOWN)

    def test_age(self):
        def old(days):
            def change(record):
                self.clean(record)
                then = datetime.now(timezone.utc) - timedelta(days=days)
                record["time"] = f"{then:%FT%T}.000Z"
            return self.altered(change)

        self.check(old(1.9), self.host, code=OK)
        answer = self.check(old(2.1), self.host, code=UNKNOWN)
        self.assertIn("the records are 2.1 days old", answer.text)
        for age, code in (("3d", OK), ("50h", UNKNOWN), ("51h", OK), ("3060m", OK),
                          ("180000", UNKNOWN), ("190000s", OK)):
            self.check(old(2.1), "--max-age", age, self.host, code=code)
        # What was critical then is told as such.
        def bad(record):
            record["time"] = "2020-01-01T00:00:00.000Z"
        self.check(self.altered(bad, self.other), self.other, code=CRITICAL)

    def test_waivers(self):
        def waive(record):
            self.clean(record)
            self.finding(record, severity="critical", rule="X-1", status="waived", waiver={
                "id": "W-7", "reason": "replaced | in <b>January</b>\n", "expires": "2027-01-31"})

        answer = self.check(self.altered(waive), self.host, code=OK)
        self.assertIn("no findings, 2 waived", answer.text)
        self.assertEqual(answer.value("waived"), 2)
        self.assertEqual(answer.value("critical"), 0)
        self.assertIn("until 2027-01-31: replaced / in (b)January(/b)", answer.about("WAIVED")[0])

        def expired(record):
            self.clean(record)
            self.finding(record, severity="critical", rule="X-1", status="open", waiver={
                "id": "W-7", "reason": "x", "expires": "2020-01-31", "expired": True})

        self.check(self.altered(expired), self.host, code=CRITICAL)

    def test_certificates(self):
        def ends(days, **finding):
            def change(record):
                self.clean(record)
                record["tls"]["certificate"]["not_after"] = later(days)
                if finding:
                    self.finding(record, **finding)
            return self.altered(change)

        options = ("--certificate-warning", "14", "--certificate-critical", "7")
        for days, code in ((15.5, OK), (13.5, WARNING), (6.5, CRITICAL), (-3.5, CRITICAL)):
            answer = self.check(ends(days), *options, self.host, code=code)
            self.assertEqual(answer.numbers["certificate_days"],
                             (float(int(days // 1)), "14:", "7:", None, None))
            self.check(ends(days), self.host, code=OK)  # the findings say, and there are none
        self.assertIn("the certificate ended 3 days ago", answer.about("CRITICAL")[0])
        waived = ends(-3.5, rule="CERT-EXPIRED", severity="high", status="waived",
                      waiver={"id": "W", "reason": "x", "expires": "2099-01-01"})
        self.check(waived, *options, self.host, code=OK)

    def test_policies_by_name(self):
        def fail(record):
            self.clean(record)
            self.finding(record, severity="info", rule="X-1")
            record["policies"] = [{"name": "mine", "verdict": "fail", "fail": ["X-1"], "warn": []},
                                  {"name": "theirs", "verdict": "warn", "fail": [], "warn": ["X-1"]}]

        records = self.altered(fail)
        for options, code in (((), OK), (("--policy", "mine"), CRITICAL),
                              (("--policy", "theirs"), WARNING), (("--policy", "other"), OK),
                              (("--policy", "theirs", "--policy", "mine"), CRITICAL)):
            self.check(records, *options, self.host, code=code)

    def test_what_is_not_known_is_told(self):
        def inconclusive(record):
            self.clean(record)
            record["checks"]["inconclusive"] = ["A", "B"]

        answer = self.check(self.altered(inconclusive), self.host, code=OK)
        self.assertIn("4 checks inconclusive", answer.text)
        self.assertEqual(len(answer.about("NOTE")), 2)

    def test_lines_that_are_no_records(self):
        for rubbish in (b"rubbish\n", b'{"type":"\xff"}\n', b"[]\n", b"x" * (5 << 20) + b"\n"):
            records = self.altered(self.clean)
            answer = self.check([*records[:2], rubbish, *records[2:]], self.host, code=UNKNOWN)
            self.assertIn("not all of it is records", answer.text)
        torn = line_of(self.records[-1])[:-9]
        self.check([*self.altered(self.clean)[:-1], torn], self.host, code=OK)

    def test_texts_of_strangers(self):
        nasty = 'a|b=1;2;3\n<script>x</script>\x1b[31m\u202e\u0000"\' ' + "x" * 5000

        def hostile(record):
            self.clean(record)
            for _ in range(150):
                self.finding(record, severity="critical", rule=nasty, title=nasty)
            record["status"] = "error"
            record["error"] = {"stage": "banner", "code": nasty, "message": nasty}
            record["endpoint"]["key"] = nasty

        answer = self.check(self.altered(hostile), self.host, code=CRITICAL)
        self.assertLess(max(map(len, answer.lines)), 500)
        self.assertEqual(len(answer.lines), 201)
        self.assertEqual(answer.lines[-1], "and 102 lines more")

    def test_members_of_other_kinds(self):
        for name in ("status", "error", "checks", "findings", "policies", "tls", "time", "run_id"):
            for value in (None, 7, "x", [], {}, [[1]], [{"rule": 7, "severity": []}]):
                def change(record):
                    record[name] = value
                self.file.write_bytes(b"".join(map(line_of, self.altered(change))))
                done = run("--from", self.file, "-w", "low", self.host)
                Answer(done.returncode, done.stdout)


class Real(unittest.TestCase):
    def test_dovecot(self):
        if rights_missing():
            self.skipTest(rights_missing())
        host = "127.64.0.1"
        authority = Authority()
        self.addCleanup(authority.close)
        server = Dovecot(host, certificate=authority.issue(host, "rsa"))
        if server.missing():
            self.skipTest(server.missing())
        server.start()
        self.addCleanup(server.stop)
        options = ("--ca-file", authority.file, "--certificate-warning", "1")
        answer = check(*options, "--expect", "imap,pop3,imap/implicit", host, code=OK)
        self.assertEqual((answer.value("endpoints"), answer.value("answered")), (10, 4))
        self.assertEqual([answer.value(severity) for severity in SEVERITIES[:3]], [0, 0, 0])
        answer = check(*options, "--expect", "smtp", host, code=CRITICAL)
        self.assertIn("no answer of smtp", answer.text)
        # Nobody knows this authority.
        answer = check("--services", "imap", host, code=CRITICAL)
        self.assertIn("CERT-UNTRUSTED", "".join(answer.about("CRITICAL")))


class Sample(unittest.TestCase):
    def test_options_of_the_icinga_command(self):
        help_text = run("--help").stdout
        known = set(re.findall(r"--[a-z-]+", help_text))
        sample = (SAMPLES / "icinga/starttls-audit.conf").read_text()
        used = set(re.findall(r'"(--[a-z-]+)"', sample))
        self.assertTrue(used and used <= known, used - known)
        self.assertEqual(sample.count("{"), sample.count("}"))


if __name__ == "__main__":
    main()
