# SPDX-License-Identifier: MIT
"""What is said of records: by a scan, by `audit` of saved ones, and by `rules`."""

import hashlib
import json
import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

import scan
import validate
from case import main
from played import Farm

SEVERITIES = ["info", "low", "medium", "high", "critical"]
GOLDEN = Path(__file__).parents[1] / "golden"
VERDICTS = ("checks", "policies", "findings", "severity_max")
SUMS = ("endpoints", "hosts", "findings", "records_sha256")


def run(command, *arguments, code=0, stdin=b"", **options):
    """What a command prints, and what it says."""
    line = [scan.named_file("STARTTLS_AUDIT"), command, *map(str, arguments)]
    if command == "scan":
        line = scan.command(*arguments)
    done = subprocess.run(line, input=stdin, capture_output=True, timeout=scan.WATCHDOG, **options)
    said = done.stderr.decode()
    assert done.returncode == code, f"exit {done.returncode}, not {code}: {said}"
    return done.stdout, said


def audit(*arguments, **options):
    return run("audit", *arguments, **options)


def records_of(output):
    return [json.loads(line) for line in output.splitlines()]


def endpoints_of(records):
    """A run that takes its time has checkpoints between them."""
    return [record for record in records if record["type"] == "endpoint"]


def lines_of(records):
    return b"".join(json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
                    for record in records)


def without(record, *names):
    return {name: value for name, value in record.items() if name not in names}


class Played:
    """A farm with good and bad hosts, scanned once into a file."""

    options = ()

    @classmethod
    def setUpClass(cls):
        cls.farm = Farm()
        cls.addClassCleanup(cls.farm.close)
        cls.populate(cls.farm)
        cls.farm.start()
        cls.file = cls.farm.directory / "records.ndjson"
        run("scan", "-o", cls.file, *cls.arguments())
        cls.saved = cls.file.read_bytes()
        assert validate.check_run(cls.saved) == []
        cls.records = records_of(cls.saved)
        cls.lines = cls.saved.splitlines(keepends=True)

    @classmethod
    def arguments(cls):
        return ("--ca-file", cls.farm.ca_file, "--greeting-timeout", "2", *cls.options,
                *cls.farm.targets())

    @staticmethod
    def populate(farm):
        good, bad = farm.address(), farm.address()
        for protocol in ("imap", "pop3", "smtp", "ftp"):
            for mode in ("clear", "implicit"):
                farm.add(protocol, mode, address=good)
        farm.add("imap", address=bad, login="allowed", versions="ssl3,1.0")
        farm.add("imap", "implicit", address=bad, cert="expired")
        farm.add("pop3", address=bad, starttls="none", login="allowed")
        farm.add("smtp", address=bad, starttls="temporary")
        farm.add("ftp", address=bad, starttls="die")
        farm.add("imap", greeting="preauth")
        farm.add("imap", greeting="busy")
        farm.add("imap", greeting="silent")
        farm.add("smtp", greeting="hostile")
        farm.add("ftp", "implicit", cert="selfsigned")

    def write(self, *pieces):
        handle, name = tempfile.mkstemp(dir=self.farm.directory)
        with os.fdopen(handle, "wb") as file:
            file.writelines(pieces)
        return Path(name)

    @classmethod
    def scan(cls, *options, **more):
        """The records of a scan of a host with findings up to high."""
        bad = next(server.target() for server in cls.farm.servers
                   if ("cert", "selfsigned") in server.script)
        return records_of(run("scan", *options, bad, **more)[0])


class Again(Played, unittest.TestCase):
    """A saved run, judged once more by the same rules and policies, is the same run."""

    policies = ()

    def test_the_same_bytes(self):
        self.assertEqual(audit(*self.policies, self.file)[0], self.saved)

    def test_a_run_with_a_checkpoint(self):
        """What it says of the lines above is said anew, as in run_end."""
        end = self.records[-1]
        checkpoint = json.loads((GOLDEN / "checkpoint.json").read_text())
        checkpoint = {**checkpoint, "run_id": end["run_id"], "seed": self.records[0]["seed"],
                      **{name: end[name] for name in SUMS}}
        above = b"".join(self.lines[:-1]) + lines_of([checkpoint])
        digest = hashlib.sha256(above).hexdigest()
        whole = above + lines_of([{**end, "records_sha256": digest}])
        self.assertEqual(validate.check_run(whole), [])
        self.assertEqual(audit(*self.policies, self.write(whole)), (whole, ""))

        forged = lines_of([{**checkpoint, "findings": [], "records_sha256": "0" * 64}])
        forged = self.write(whole.replace(lines_of([checkpoint]), forged))
        output, said = audit(*self.policies, forged)
        self.assertEqual(output, whole)
        self.assertIn(f":{len(self.lines)}: the lines above are not those", said)

    def test_from_standard_input_and_into_a_file(self):
        to = self.farm.directory / "again.ndjson"
        self.assertEqual(audit("-", "-o", to, stdin=self.saved)[0], b"")
        self.assertEqual(to.read_bytes(), self.saved)

    def test_something_was_found(self):
        """Else the tests above would prove little."""
        findings = {finding["severity"] for record in self.records
                    for finding in record.get("findings", []) if record["type"] == "endpoint"}
        self.assertLessEqual({"info", "medium", "high", "critical"}, findings)
        verdicts = {verdict for record in self.records if record["type"] == "endpoint"
                    for verdict, rules in record["checks"].items() if rules}
        self.assertEqual(verdicts, {"pass", "fail", "not_applicable", "not_tested", "inconclusive",
                                    "reasons"})


class AgainExhaustive(Again):
    policies = ("--policy", "bsi-tr-02102-2", "--policy", "pci-dss-4.0.1")
    options = ("--exhaustive", "--transcript", "--all", "--dummy-login", *policies)

    def test_from_standard_input_and_into_a_file(self):
        """By default it is judged by the default policy, which is another one."""
        output, _ = audit("-", stdin=self.saved)
        self.assertEqual(validate.check_run(output), [])
        self.assertEqual([policy["name"] for policy in records_of(output)[0]["policies"]],
                         ["rfc-baseline"])


class AgainQuick(Again):
    options = ("--facts", "capabilities,versions")

    def test_something_was_found(self):
        self.assertTrue(self.records[-1]["findings"])


class Judged(Played, unittest.TestCase):
    """By another standard: only what is said of the endpoints changes."""

    def test_other_policies(self):
        names = ["mozilla-modern", "ncsc-nl-2025-05"]
        options = [word for name in names for word in ("--policy", name)]
        output, _ = audit(*options, self.file)
        self.assertEqual(validate.check_run(output), [])
        again = records_of(output)
        self.assertEqual(len(again), len(self.records))
        self.assertEqual([policy["name"] for policy in again[0]["policies"]], names)
        for old, new in zip(self.records[:-1], again):
            self.assertEqual(list(old), list(new))
            for name in ("policies", "records_sha256"):  # of run_start, of a checkpoint
                old, new = without(old, name), without(new, name)
            self.assertEqual(old, new)
        for record in endpoints_of(again):
            self.assertEqual([policy["name"] for policy in record["policies"]], names)
        self.assertNotEqual(again[-1]["records_sha256"], self.records[-1]["records_sha256"])
        self.assertEqual(without(again[-1], "records_sha256"),
                         without(self.records[-1], "records_sha256"))

    def test_a_policy_of_ones_own(self):
        policy = self.write(b"""name: ours
title: Ours
extends: rfc-baseline
rules:
  - names: [IMAP-PREAUTH-CLEARTEXT]
    verdict: pass
    clause: We want it so
""")
        ours = policy.with_suffix(".yaml")
        policy.rename(ours)
        output, _ = audit("--policy", ours, self.file)
        self.assertEqual(records_of(output)[0]["policies"][0]["name"], "ours")
        clauses = [record["policies"][0]["clauses"]["pass"] for record in records_of(output)
                   if "IMAP-PREAUTH-CLEARTEXT" in record.get("checks", {}).get("fail", [])]
        self.assertIn("We want it so", clauses[0])

    def test_bad_policies(self):
        broken = self.write(b"name: [").with_suffix(".yaml")
        broken.write_bytes(b"name: [")
        for options in (["--policy", "no-such"], ["--policy", "./no-such.yaml"],
                        ["--policy", broken], ["--policy", "mozilla-modern"] * 2,
                        ["--fail-on", "bad"]):
            for command in ("audit", "scan"):
                with self.subTest(options, command=command):
                    what = self.file if command == "audit" else self.farm.servers[0].target()
                    output, said = run(command, *options, what, code=2)
                    self.assertEqual(output, b"")
                    self.assertTrue(said.strip())

    def test_fail_on(self):
        """Both commands, and what they write of it."""
        records = self.scan()
        worst = max(SEVERITIES.index(finding["severity"]) for finding in records[-1]["findings"])
        saved = self.write(lines_of(records))
        self.assertEqual(SEVERITIES[worst], "high")
        for i, severity in enumerate(SEVERITIES):
            code = 1 if i <= worst else 0
            with self.subTest(severity):
                output, _ = audit("--fail-on", severity, saved, code=code)
                self.assertEqual(records_of(output)[-1]["exit_code"], code)
                self.assertEqual(validate.check_run(output), [])
                records = self.scan("--fail-on", severity, code=code)
                self.assertEqual(records[-1]["exit_code"], code)

    def test_what_is_worse_than_findings(self):
        """2 beats 3 beats 1, and judging again heals no run."""
        end = {**self.records[-1], "complete": False, "stopped_by": "signal", "exit_code": 3}
        for code, end in ((3, end), (2, {**self.records[-1], "exit_code": 2})):
            stopped = self.write(*self.lines[:-1], lines_of([end]))
            output, _ = audit("--fail-on", "info", stopped, code=code)
            self.assertEqual(records_of(output)[-1]["exit_code"], code)
        output, _ = audit("--fail-on", "info", stopped, self.file, code=2)
        self.assertEqual([record["exit_code"] for record in records_of(output)
                          if record["type"] == "run_end"], [2, 1])

    def test_old_findings_are_forgotten(self):
        """Whatever the file says of them: rules say it once more."""
        forged = []
        for record in self.records:
            if record["type"] == "endpoint":
                record = {**record, "checks": {}, "findings": [{"rule": "FORGED"}],
                          "policies": "none", "severity_max": None}
            forged.append(record)
        output, said = audit(self.write(lines_of(forged)))
        self.assertEqual(output, self.saved)
        self.assertIn("records_sha256 differs", said)

    def test_members_of_a_newer_version_stay(self):
        newer = [{**record, "schema": "1.77", "new": {"list": [1, None, "\u00e9"]}}
                 for record in self.records]
        output, _ = audit(self.write(lines_of(newer)))
        self.assertEqual([without(record, "records_sha256") for record in records_of(output)],
                         [without(record, "records_sha256") for record in newer])

    def test_a_member_that_is_there_twice(self):
        """Some readers take the last one: none may be left that is not ours."""
        line = self.lines[1].rstrip(b"}\n") + b',"findings":["forged"],"severity_max":"info"}\n'
        output, _ = audit(self.write(self.lines[0], line, *self.lines[2:]))
        self.assertEqual(output, self.saved)


class Broken(Played, unittest.TestCase):
    """Files that are not as a scan leaves them."""

    def audited(self, *pieces, code, said=None):
        output, errors = audit(self.write(*pieces), code=code)
        if said:
            self.assertRegex(errors, said)
        self.assertEqual([line for line in output.splitlines() if not line.startswith(b"{")], [])
        return output

    def test_no_end(self):
        output = self.audited(*self.lines[:-1], code=3, said="interrupted")
        self.assertEqual(output, b"".join(self.lines[:-1]))

    def test_torn(self):
        """A half line at the end is what a power cut leaves."""
        whole = b"".join(self.lines[:-2])
        for size in (1, 2, 100, len(self.lines[-2]) - 2):
            with self.subTest(size=size):
                torn = self.lines[-2][:size]
                self.assertEqual(self.audited(whole, torn, code=3, said="torn"), whole)

    def test_the_last_line_lacks_only_its_end(self):
        self.assertEqual(self.audited(self.saved[:-1], code=0), self.saved)

    def test_empty(self):
        self.assertEqual(self.audited(code=3, said="no record"), b"")

    def test_bad_lines(self):
        first = json.loads(self.lines[1])
        bad = {
            b"nonsense": "not JSON", b"[1]": "type", b"{}": "type", b'{"type":1}': "type", b"": "JSON",
            b'{"type":"endpoint"}': "schema", b'{"type":"endpoint","schema":"2.0"}': "schema",
            b'{"type":"endpoint","schema":"1.1"}': "endpoint",
            lines_of([{**first, "status": "splendid"}])[:-1]: "/status",
            lines_of([{**first, "endpoint": {**first["endpoint"], "port": 0}}])[:-1]: "/endpoint",
            self.lines[1][:-1].replace(b'"status"', b'"sta\xfftus"', 1): "clean",
            self.lines[1][:-1].replace(b'"status"', b'"sta\x1b[2Jtus"', 1): "clean",
            b"[" * 100000: "JSON",
            b'{"type":"endpoint","schema":"1.1","x":"' + b"x" * (5 << 20) + b'"}': "longer"}
        for line, said in bad.items():
            with self.subTest(line[:60]):
                output, errors = audit(self.write(self.lines[0], line, b"\n", *self.lines[1:]), code=2)
                self.assertEqual(output, self.saved)
                self.assertRegex(errors, f":2: .*{said}")
                self.assertNotRegex(errors, "[\x00-\x08\x0b-\x1f\x7f]")

    def test_without_a_beginning(self):
        """What a filter left of a run can be judged, and is no whole run."""
        endpoints = [line for line in self.lines if json.loads(line)["type"] == "endpoint"]
        self.assertEqual(self.audited(*endpoints, code=3), b"".join(endpoints))
        self.audited(*endpoints, self.lines[-1], code=0, said="records_sha256 differs")

    def test_two_runs_in_a_file(self):
        self.assertEqual(self.audited(self.saved, self.saved, code=0), 2 * self.saved)
        self.assertEqual(self.audited(*self.lines[:-1], self.saved, code=3),
                         b"".join(self.lines[:-1]) + self.saved)

    def test_several_files(self):
        missing = self.farm.directory / "missing"
        output, said = audit(missing, self.file, self.farm.directory, self.file, code=2)
        self.assertEqual(output, 2 * self.saved)
        self.assertIn(str(missing), said)
        self.assertIn(str(self.farm.directory) + ":", said)

    def test_what_is_not_known(self):
        """It passes, and ends a host's records."""
        lines = lines_of([{"schema": "1.9", "type": "change", "what": ["ever"]}])
        output = self.audited(*self.lines[:-1], lines, self.lines[-1], code=0)
        self.assertEqual(output.splitlines(keepends=True)[-2:-1], lines.splitlines(keepends=True))

    def test_the_output_is_no_input(self):
        copy = self.write(self.saved)
        _, said = audit("-o", copy, self.file, copy, code=2)
        self.assertIn(str(copy), said)
        self.assertEqual(copy.read_bytes(), self.saved)

    def test_output_that_cannot_be_written(self):
        for options in (["-o", "/dev/full"], ["-o", self.farm.directory / "no" / "file"]):
            _, said = audit(*options, self.file, code=2)
            self.assertIn(str(options[1]), said)

    def test_usage(self):
        for arguments in ([], ["--json", "--table", self.file], ["--no-such", self.file]):
            with self.subTest(arguments):
                output, said = audit(*arguments, code=2)
                self.assertEqual(output, b"")
                self.assertTrue(said)

    def test_very_many_records_of_one_host(self):
        """What is kept of a host is bounded."""
        line, many = json.loads(self.lines[1]), []
        for port in range(1, 4200):
            endpoint = {**line["endpoint"], "port": port}
            endpoint["key"] = re.sub(r"\d+$", str(port), endpoint["key"])
            many.append({**line, "endpoint": endpoint})
        output, said = audit(self.write(lines_of(many)), code=3)
        self.assertEqual(len(output.splitlines()), 4199)
        self.assertIn(":4097: so many records of one host", said)

    def test_golden_records(self):
        """Records of every kind, each by itself, and all in a row."""
        lines = [lines_of([json.loads(file.read_text())]) for file in sorted(GOLDEN.glob("*.json"))]
        for line in [*lines, b"".join(lines)]:
            output, _ = audit("-", stdin=line, code=self.code_of(line))
            self.assertEqual(len(output.splitlines()), len(line.splitlines()))
            for record in records_of(output):
                if record["type"] == "endpoint":
                    self.assertTrue(any(record["checks"].values()))

    @staticmethod
    def code_of(line):
        """A run_end alone is a whole run, though an odd one."""
        record = json.loads(line.splitlines()[0])
        return record["exit_code"] if record["type"] == "run_end" else 3


class Tables(Played, unittest.TestCase):
    def test_findings_in_the_table(self):
        """Of a scan and of its records: the same, but for ports that a scan shows only with --all."""
        scanned = run("scan", "--table", *self.arguments())[0].decode()
        audited = audit("--table", self.file)[0].decode()
        for text in (scanned, audited):
            counts = self.counts(text)
            for record in endpoints_of(self.records):
                for finding in record["findings"]:
                    if finding["severity"] != "info":
                        counts[finding["severity"], finding["rule"]] -= 1
            self.assertEqual(set(counts.values()), {0})
            severities = [SEVERITIES.index(severity) for severity, _ in counts]
            self.assertEqual(severities, sorted(severities, reverse=True))
            self.assertIn("policy rfc-baseline:", text)
        self.assertEqual(sorted(self.rows(scanned)), sorted(self.rows(audited)))

    @staticmethod
    def counts(text):
        return {(found[0], found[1]): int(found[2]) for found in re.findall(
            r"^(critical|high|medium|low) +([A-Z0-9.-]+) +(\d+)  \S", text, re.MULTILINE)}

    @staticmethod
    def rows(text):
        return re.findall(r"^127\..*", text, re.MULTILINE)

    def test_columns(self):
        """The worst severity, and what a login in clear led to."""
        rows = self.rows(audit("--table", self.file)[0].decode())
        shown = {tuple(row.split()[:2]): row for row in rows}
        for record in endpoints_of(self.records):
            endpoint = record["endpoint"]
            row = shown[endpoint["ip"], f"{endpoint['port']}/{endpoint['protocol']}"]
            self.assertIn(f" {record['severity_max'] or '-'} ", row + " ")
            verdict = record.get("auth", {}).get("cleartext_login", {}).get("verdict")
            if verdict in ("accepted", "refused") and not record["auth"]["preauth"]:
                self.assertIn(f" {verdict} ", row)

    def test_a_status_is_a_whole_word(self):
        for name, word in (("protocol-mismatch", "mismatch"), ("unreachable", "unreached")):
            record = json.loads((GOLDEN / f"imap-insecure-{name}.json").read_text())
            text = audit("--table", "-", stdin=lines_of([record]), code=3)[0].decode()
            self.assertRegex(text, rf"(?m)^\S.* 143/imap +{word} ")

    def test_logins_in_clear(self):
        """Those that were seen count, and those that were only announced."""
        count = 0
        for record in endpoints_of(self.records):
            auth, clear = record.get("auth") or {}, record["endpoint"].get("observed_mode") != "implicit"
            verdict = auth.get("cleartext_login", {}).get("verdict")
            offered = (auth.get("login_disabled") or {}).get("before_tls") is False
            count += clear and (verdict == "accepted" or (offered and verdict != "refused"))
        text = audit("--table", self.file)[0].decode()
        self.assertIn(f"in clear: {count} take or offer password logins", text)

    def test_of_an_interrupted_run(self):
        text = audit("--table", self.write(*self.lines[:-1]), code=3)[0].decode()
        self.assertIn("not complete", text)
        self.assertEqual(len(self.rows(text)), len(endpoints_of(self.records)))

    def test_only_good_hosts(self):
        """Where nothing is wrong, even what is merely of interest is told."""
        good = [record for record in endpoints_of(self.records) if record["severity_max"] in (None, "info")]
        text = audit("--table", self.write(lines_of(good)), code=3)[0].decode()
        self.assertRegex(text, "(?m)^info ")


class Rules(unittest.TestCase):
    def listed(self):
        return re.findall(r"^  (\w+) +([A-Z0-9.-]+) +(\S.*)", run("rules")[0].decode(), re.MULTILINE)

    def test_the_list(self):
        """All that a record can name is there, and nothing twice."""
        with Farm() as farm:
            farm.add("imap")
            farm.start()
            records = records_of(run("scan", *farm.targets())[0])
        checks = without(records[1]["checks"], "reasons")
        ids = [name for severity, name, _ in self.listed() if severity in SEVERITIES]
        self.assertEqual(sorted(ids), sorted(rule for rules in checks.values() for rule in rules))
        policies = run("rules")[0].decode().split("Policies:\n")[1]
        for file in (Path(__file__).parents[2] / "output" / "policies").glob("*.yaml"):
            self.assertRegex(policies, f"(?m)^  {re.escape(file.stem)} .*as of \\d{{4}}-")

    def test_a_rule(self):
        for _, name, title in self.listed():
            with self.subTest(name):
                text = run("rules", name)[0].decode()
                self.assertTrue(text.startswith(name))
                self.assertIn(title, text)
        text = run("rules", "starttls-injection")[0].decode()
        for word in ("STARTTLS-INJECTION (high)", "What to do:", "References:", "RFC 3207",
                     "rfc-baseline"):
            self.assertIn(word, text)
        self.assertIn("(unverified)", run("rules", "CERT-EXPIRED")[0].decode())

    def test_a_policy(self):
        text = run("rules", "mozilla-modern")[0].decode()
        for word in ("mozilla-modern: ", "as of", "fail  TLS-1.0-SUPPORTED", "TLS 1.3", "Clauses:"):
            self.assertIn(word, text)

    def test_a_name_that_is_not_known(self):
        for wrong, right in (("TLS-1.0-SUPORTED", "TLS-1.0-SUPPORTED"), ("rfc-basline", "rfc-baseline"),
                             ("x", None), ("Y" * 5000, None), ("\x1b[2J", None)):
            output, said = run("rules", wrong, code=2)
            self.assertEqual(output, b"")
            self.assertIn(right or "no rule", said)
            self.assertNotRegex(said, "[\x00-\x08\x0b-\x1f\x7f]")

    def test_usage(self):
        self.assertIn(b"RULE", run("rules", "--help")[0])
        run("rules", "CERT-EXPIRED", "CERT-NO-SAN", code=2)


if __name__ == "__main__":
    main()
