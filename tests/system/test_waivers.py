# SPDX-License-Identifier: MIT
"""Waivers and the baseline: what counts, until when, and what is said of it.

A farm with bad hosts is scanned with waivers, and the records are judged again by the same ones: both
must say the same. Waivers expire by the time of the records, not by that of the judge.
"""

import json
import subprocess
import tempfile
import unittest
from collections import Counter
from datetime import datetime, timedelta, timezone
from pathlib import Path

import scan
import validate
from case import main
from played import Farm
from shards import line_of, records_of, sealed

TODAY = datetime.now(timezone.utc).date()
NEW_IN_1_3 = {"run_start": ("ruleset", "waivers", "baseline"), "run_end": ("waived",),
              "checkpoint": ("waived",)}


def day(offset):
    return (TODAY + timedelta(days=offset)).isoformat()


def run(command, *arguments, code=0, **options):
    """What a command prints, and what it says."""
    line = [scan.named_file("STARTTLS_AUDIT"), command, *map(str, arguments)]
    if command == "scan":
        line = scan.command(*arguments)
    done = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=scan.WATCHDOG, **options)
    said = done.stderr.decode()
    assert done.returncode == code, f"exit {done.returncode}, not {code}: {said}"
    return done.stdout, said


def checked(output):
    """The records of a run that is sound."""
    problems = validate.check_run(output)
    assert not problems, "\n".join(problems)
    return records_of(output)


def findings_of(records):
    return [finding for record in records if record["type"] == "endpoint"
            for finding in record["findings"]]


def waiver(number, **members):
    """YAML knows JSON."""
    members = {"id": number, "match": {"endpoint": "*"}, "reason": "Because", "expires": day(100),
               **members}
    return "  - " + json.dumps({name: value for name, value in members.items() if value is not None})


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.farm = Farm()
        cls.addClassCleanup(cls.farm.close)
        cls.bad = cls.farm.add("imap", login="allowed", versions="1.0,1.1")
        cls.farm.add("imap", "implicit", address=cls.bad.address, cert="expired")
        cls.other = cls.farm.add("smtp", starttls="none")
        cls.farm.add("imap", address=cls.other.address, login="allowed")
        cls.farm.start()
        cls.options = ("--ca-file", cls.farm.ca_file, "--patience", "0")
        cls.saved = cls.scanned()
        cls.records = checked(cls.saved)
        cls.rules = sorted({finding["rule"] for finding in findings_of(cls.records)})
        cls.key = f"imap://{cls.bad.address}:{cls.bad.port}"
        assert {"CLEARTEXT-LOGIN-ALLOWED", "CERT-EXPIRED", "STARTTLS-NOT-OFFERED"} <= set(cls.rules)

    @classmethod
    def scanned(cls, *options, targets=None, **more):
        targets = targets or cls.farm.targets()
        return run("scan", *cls.options, *options, *targets, **more)[0]

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)
        self.written = 0

    def write(self, content, suffix=""):
        self.written += 1
        path = self.directory / f"{self.written}{suffix}"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def waivers(self, *entries, head=""):
        return self.write(f"{head}waivers:\n" + "".join(f"{entry}\n" for entry in entries), ".yaml")

    def states(self, records):
        return {entry["id"]: (entry["state"], entry["findings"])
                for entry in records[-1]["waivers"]}


class Waivers(Case):
    def test_scan_and_audit_say_the_same(self):
        file = self.waivers(
            waiver("used", rule="CLEARTEXT-LOGIN-ALLOWED", approved_by="me", ticket="T-1"),
            waiver("soon", rule="CERT-EXPIRED", match={"cidr": f"{self.bad.address}/32"},
                   expires=day(7)),
            waiver("stale", rule="IMAP-PREAUTH-CLEARTEXT"),
            waiver("over", rule="STARTTLS-NOT-OFFERED", expires=day(-3)),
            waiver("idle", rule="IMAP-PREAUTH-CLEARTEXT", expires=day(-3)))
        to = self.directory / "records"
        _, said = run("scan", *self.options, "--waivers", file, "-o", to, *self.farm.targets())
        records = checked(to.read_bytes())
        counts = Counter(finding["rule"] for finding in findings_of(records))
        self.assertEqual(self.states(records),
                         {"used": ("used", counts["CLEARTEXT-LOGIN-ALLOWED"]),
                          "soon": ("used", counts["CERT-EXPIRED"]), "stale": ("stale", 0),
                          "over": ("expired", counts["STARTTLS-NOT-OFFERED"]),
                          "idle": ("expired", 0)})
        self.assertEqual(counts["CLEARTEXT-LOGIN-ALLOWED"], 2)
        for words in ("'over' expired after", "'idle' expired", "'stale' is stale: no finding",
                      f"'soon' expires after {day(7)} (days left: 7)"):
            self.assertEqual(said.count(words), 1, said)
        self.assertNotIn("'used'", said)
        self.assertEqual(records[-1]["waived"],
                         counts["CLEARTEXT-LOGIN-ALLOWED"] + counts["CERT-EXPIRED"])
        for finding in findings_of(records):
            rule = finding["rule"]
            if rule == "CLEARTEXT-LOGIN-ALLOWED":
                self.assertEqual((finding["status"], finding["waiver"]),
                                 ("waived", {"id": "used", "reason": "Because",
                                             "expires": day(100), "approved_by": "me",
                                             "ticket": "T-1", "expired": False}))
            elif rule == "STARTTLS-NOT-OFFERED":
                self.assertEqual((finding["status"], finding["waiver"]),
                                 ("open", {"id": "over", "reason": "Because",
                                           "expires": day(-3), "expired": True}))
            elif rule != "CERT-EXPIRED":
                self.assertEqual((finding["status"], finding["waiver"]), ("open", None))
        output, said = run("audit", "--waivers", file, to)
        self.assertEqual(output, to.read_bytes())
        self.assertIn("'stale' is stale", said)
        self.assertEqual(run("audit", "-q", "--waivers", file, to), (output, ""))

    def test_judged_with_waivers_and_without(self):
        """Only what is said of the waivers differs, and not what policies say."""
        file = self.waivers(waiver("all", rules=self.rules))
        before = self.write(self.saved)
        output, _ = run("audit", "--waivers", file, "--fail-on", "info", before)
        again = checked(output)
        self.assertEqual(again[-1]["findings"], [])
        self.assertEqual(again[-1]["waived"], len(findings_of(self.records)))
        for old, new in zip(self.records, again):
            if old["type"] == "endpoint":
                self.assertEqual(old["policies"], new["policies"])
                self.assertEqual(old["checks"], new["checks"])
                self.assertIsNone(new["severity_max"])
        output, _ = run("audit", self.write(output))
        self.assertEqual(output, self.saved)

    def test_fail_on(self):
        file = self.waivers(waiver("all", rules=self.rules))
        over = self.waivers(waiver("all", rules=self.rules, expires=day(-1)))
        last = self.waivers(waiver("all", rules=self.rules, expires=day(1)))
        for waivers, code in ((file, 0), (over, 1), (last, 0)):
            with self.subTest(waivers):
                records = checked(self.scanned("--waivers", waivers, "--fail-on", "low", code=code))
                self.assertEqual(records[-1]["exit_code"], code)
        self.scanned("--fail-on", "low", code=1)

    def test_the_time_of_the_records_counts(self):
        """A year ago the waiver held; two years ago it did too, and in a year it will not."""
        file = self.waivers(waiver("W", rules=self.rules, expires=day(-100)))
        for days, status in ((-365, "waived"), (-730, "waived"), (-100, "waived"), (-99, "open")):
            with self.subTest(days):
                shift = timedelta(days=days)
                records = [{**record, "time": (datetime.fromisoformat(record["time"]) + shift)
                            .isoformat(timespec="milliseconds").replace("+00:00", "Z")}
                           for record in self.records]
                output, _ = run("audit", "--waivers", file,
                                self.write(sealed(records[:-1], records[-1])))
                # Then certificates have yet to come, which no waiver is for.
                found = {finding["status"] for finding in findings_of(checked(output))
                         if finding["rule"] in self.rules}
                self.assertEqual(found, {status})
                state = "used" if status == "waived" else "expired"
                self.assertEqual(records_of(output)[-1]["waivers"][0]["state"], state)

    def test_what_fits(self):
        ports = self.other.address
        for match, expected in (
                ({"endpoint": self.key}, {self.key}),
                ({"endpoint": "imap://*"}, {key for key in self.keys() if key.startswith("imap")}),
                ({"cidr": f"{ports}"}, {key for key in self.keys() if f"/{ports}:" in key}),
                ({"endpoint": "*", "protocol": "smtp"},
                 {key for key in self.keys() if key.startswith("smtp")}),
                ({"endpoint": "*", "labels": {"owner": "me"}}, set())):
            with self.subTest(match):
                output, _ = run("audit", "--waivers",
                                self.waivers(waiver("W", rules=self.rules, match=match)),
                                self.write(self.saved))
                waived = {record["endpoint"]["key"] for record in checked(output)
                          if record["type"] == "endpoint"
                          for finding in record["findings"] if finding["status"] == "waived"}
                self.assertEqual(waived, expected)

    def keys(self):
        return {record["endpoint"]["key"] for record in self.records
                if record["type"] == "endpoint" and record["findings"]}

    def test_by_fingerprint(self):
        one = findings_of(self.records)[0]
        file = self.waivers(waiver("W", fingerprint=one["fingerprint"], match=None))
        records = checked(run("audit", "--waivers", file, self.write(self.saved))[0])
        self.assertEqual([finding["fingerprint"] for finding in findings_of(records)
                          if finding["status"] == "waived"], [one["fingerprint"]])

    def test_by_label(self):
        targets = self.write("".join(f"{server.target()} owner={'me' if server == self.bad else 'you'}\n"
                                     for server in self.farm.servers))
        file = self.waivers(waiver("W", rules=self.rules,
                                   match={"endpoint": "*", "labels": {"owner": "me"}}))
        records = checked(self.scanned("--waivers", file, targets=("-f", targets)))
        for record in records:
            statuses = {finding["status"] for finding in record["findings"]} \
                if record["type"] == "endpoint" else set()
            mine = record["type"] == "endpoint" and record["endpoint"]["labels"]["owner"] == "me"
            self.assertLessEqual(statuses, {"waived" if mine else "open"})

    def test_hostile_texts(self):
        reason = "<script>alert(1)</script> \"'\\ =1+1 \u202egnp.exe \u00e9\n@x\t|"
        file = self.waivers(waiver("<b>\"W\"", rules=self.rules, reason=reason, ticket="=1+1"))
        output, _ = run("audit", "--waivers", file, self.write(self.saved))
        found = findings_of(checked(output))[0]["waiver"]
        self.assertEqual((found["id"], found["reason"], found["ticket"]),
                         ("<b>\"W\"", reason, "=1+1"))

    def test_table(self):
        file = self.waivers(waiver("W", rule="CLEARTEXT-LOGIN-ALLOWED"))
        output, _ = run("audit", "--table", "--waivers", file, self.write(self.saved))
        text = output.decode()
        self.assertIn("\n2 waived\n", text)
        self.assertNotIn("CLEARTEXT-LOGIN-ALLOWED", text)
        self.assertNotIn("waived", run("audit", "--table", self.write(self.saved))[0].decode())


class Parts(Case):
    """What a shard, or a run that was stopped, did not need, somebody else may."""

    def test_shards(self):
        file = self.waivers(waiver("used", rule="CLEARTEXT-LOGIN-ALLOWED"),
                            waiver("stale", rule="IMAP-PREAUTH-CLEARTEXT"),
                            waiver("over", rule="CERT-EXPIRED", expires=day(-1)))
        shards = [self.write(self.scanned("--waivers", file, "--shard", f"{i}/3"))
                  for i in range(3)]
        used = 0
        for shard in shards:
            states = self.states(checked(shard.read_bytes()))
            self.assertEqual(states["stale"], ("unmatched", 0))
            self.assertIn(states["used"][0], ("used", "unmatched"))
            used += states["used"][1]
            again, said = run("audit", "--waivers", file, shard)
            self.assertEqual(again, shard.read_bytes())
            self.assertNotIn("stale", said)
        output, said = run("merge", *shards)
        merged = checked(output)
        self.assertEqual(self.states(merged), {"used": ("used", used), "stale": ("stale", 0),
                                               "over": ("expired", 1)})
        self.assertEqual(used, 2)
        self.assertIn("'stale' is stale", said)
        self.assertEqual(merged[-1]["waived"], 2)
        output, said = run("merge", *shards[1:], code=3)
        self.assertEqual(self.states(checked(output))["stale"], ("unmatched", 0))
        self.assertNotIn("stale", said)
        other = self.write(self.scanned("--shard", "0/3"))
        _, said = run("merge", other, *shards[1:], code=2)
        self.assertIn("another file of waivers", said)

    def test_merged_findings_fail_as_those_of_a_scan(self):
        base = self.write(self.saved)
        shards = [self.write(self.scanned("--baseline", base, "--shard", f"{i}/2"))
                  for i in range(2)]
        output, _ = run("merge", "--fail-on", "info", *shards)
        self.assertEqual(checked(output)[-1]["findings_new"], [])
        self.assertEqual(checked(output)[-1]["findings"], self.records[-1]["findings"])

    def test_an_end_that_does_not_name_all(self):
        """A stranger's shard."""
        file = self.waivers(waiver("used", rule="CLEARTEXT-LOGIN-ALLOWED"))
        records = records_of(self.scanned("--waivers", file))
        end = {**records[-1], "waivers": []}
        _, said = run("merge", self.write(sealed(records[:-1], end)), code=2)
        self.assertIn("a waiver that the end of the run does not have", said)
        for waivers in (None, 1, [1], [{"id": 1}], [{"id": "a", "expires": "x"}]):
            bad = self.write(sealed(records[:-1], {**end, "waivers": waivers}))
            run("merge", bad, code=3)

    def test_interrupted(self):
        file = self.waivers(waiver("stale", rule="IMAP-PREAUTH-CLEARTEXT"))
        lines = self.scanned("--waivers", file).splitlines(keepends=True)
        end = {**json.loads(lines[-1]), "complete": False, "stopped_by": "signal", "exit_code": 3}
        whole = b"".join(lines[:-1])
        stopped = self.write(whole + line_of(end))
        records = checked(run("audit", "--waivers", file, stopped, code=3)[0])
        self.assertEqual(self.states(records), {"stale": ("unmatched", 0)})
        filtered = self.write(b"".join(lines[2:]))  # the hash is not of these lines
        output, said = run("audit", "--waivers", file, filtered)
        self.assertEqual(self.states(records_of(output)), {"stale": ("unmatched", 0)})
        self.assertNotIn("stale", said)

    def test_resumed(self):
        """Cut at each line, the run becomes the same again; and with other waivers it does not go on."""
        file = self.waivers(waiver("used", rule="CLEARTEXT-LOGIN-ALLOWED"),
                            waiver("stale", rule="IMAP-PREAUTH-CLEARTEXT"))
        other = self.waivers(waiver("used", rule="CLEARTEXT-LOGIN-ALLOWED"))
        base = self.write(self.saved)
        held = ("--waivers", file, "--baseline", base, "--ordered")
        whole = self.scanned(*held)
        expected = checked(whole)
        lines = whole.splitlines(keepends=True)
        for kept in range(1, len(lines)):
            path = self.write(b"".join(lines[:kept]))
            for refused, why in ((("--waivers", other, "--baseline", base), "other waivers"),
                                 (("--baseline", base), "other waivers"),
                                 (("--waivers", file), "another baseline")):
                before = path.read_bytes()
                _, said = run("scan", *self.options, *refused, "--ordered", "--resume", path,
                              *self.farm.targets(), code=2)
                self.assertIn(f"the run had {why}", said)
                self.assertEqual(path.read_bytes(), before)
            run("scan", *self.options, *held, "--resume", path, *self.farm.targets())
            again = checked(path.read_bytes())
            for name in ("findings", "findings_new", "waived", "waivers", "exit_code"):
                self.assertEqual(again[-1][name], expected[-1][name], name)


class Baseline(Case):
    def test_known_and_new(self):
        """What one host had before is known; what the other has is new."""
        base = self.write(self.scanned(targets=[self.bad.target()]))
        output = self.scanned("--baseline", base, "--fail-on", "info", code=1)
        records = checked(output)
        self.assertEqual(records[0]["baseline"]["run_id"], records_of(base.read_bytes())[0]["run_id"])
        known = {finding["fingerprint"] for finding in findings_of(records_of(base.read_bytes()))}
        self.assertEqual(records[0]["baseline"]["findings"], len(known))
        for finding in findings_of(records):
            self.assertEqual(finding["baseline"],
                             "known" if finding["fingerprint"] in known else "new")
        self.assertEqual({finding["baseline"] for finding in findings_of(records)}, {"known", "new"})
        again, _ = run("audit", "--baseline", base, "--fail-on", "info", self.write(output), code=1)
        self.assertEqual(again, output)

    def test_all_known(self):
        base = self.write(self.saved)
        records = checked(self.scanned("--baseline", base, "--fail-on", "info"))
        self.assertEqual((records[-1]["findings_new"], records[-1]["exit_code"]), ([], 0))
        self.assertEqual(records[-1]["findings"], self.records[-1]["findings"])
        self.assertEqual({finding["status"] for finding in findings_of(records)}, {"open"})
        text = run("audit", "--table", "--baseline", base, base)[0].decode()
        self.assertIn(f"held against the baseline: 0 new, {len(findings_of(records))} known", text)

    def test_a_finding_that_became_worse_is_new(self):
        records = [json.loads(json.dumps(record)) for record in self.records]
        worst = max(findings_of(records),
                    key=lambda finding: validate.SEVERITIES.index(finding["severity"]))
        name, worst["severity"] = worst["severity"], "info"
        base = self.write(sealed(records[:-1], records[-1]))
        records = checked(run("audit", "--baseline", base, "--fail-on", name,
                              self.write(self.saved), code=1)[0])
        self.assertEqual(records[-1]["findings_new"], [{"severity": name, "count": 1}])

    def test_a_waiver_that_expired_is_not_hidden(self):
        """What the baseline had waived was not open there."""
        file = self.waivers(waiver("W", rule="CERT-EXPIRED"))
        base = self.write(self.scanned("--waivers", file))
        records = checked(run("audit", "--baseline", base, self.write(self.saved))[0])
        self.assertEqual({finding["rule"] for finding in findings_of(records)
                          if finding["baseline"] == "new"}, {"CERT-EXPIRED"})

    def test_notes(self):
        lines = self.saved.splitlines(keepends=True)
        torn = b"".join(lines[:-1]) + lines[-1][:40]
        changed = self.saved.replace(b'"lossy":[]', b'"lossy": []', 1)
        for content, words in ((b"".join(lines[:-1]), "not a complete run"),
                               (torn, "not a complete run"),
                               (b"".join(lines[1:]), "not a complete run"),
                               (changed, "not as the scan wrote it"), (self.saved, None)):
            base = self.write(content)
            _, said = run("audit", "--baseline", base, self.write(self.saved))
            self.assertEqual(said.count("\n"), 1 if words else 0, said)
            self.assertIn(words or "", said)
            self.assertEqual(run("audit", "-q", "--baseline", base, self.write(self.saved))[1], "")

    def test_help_says_what_it_is_not(self):
        for command in ("scan", "audit"):
            said = run(command, "--help")[0].decode()
            self.assertIn("no waiver", " ".join(said.split()))


class Refused(unittest.TestCase):
    """Before anything is asked, or written."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)

    def test_no_connection(self):
        bad = self.directory / "bad.yaml"
        bad.write_text("waivers:\n" + waiver("W", rule="NO-SUCH") + "\n")
        records = self.directory / "bad.ndjson"
        records.write_text("nonsense\n")
        missing = self.directory / "missing"
        with Farm() as farm:
            server = farm.add("imap")
            farm.start()
            for options, words in ((("--waivers", bad), "bad.yaml:2: rule: 'NO-SUCH' is no rule"),
                                   (("--waivers", missing), "No such file"),
                                   (("--baseline", records), "bad.ndjson:1: "),
                                   (("--baseline", missing), "No such file"),
                                   (("--baseline", "/dev/null"), "no record")):
                to = self.directory / "to"
                said = scan.refused(*options, "-o", to, server.target())
                self.assertIn(words, said)
                self.assertFalse(to.exists())
            stats = farm.stop()
        self.assertEqual([row["accepted"] for row in stats.values()], [0])

    def test_what_is_read_is_not_written(self):
        file = self.directory / "waivers.yaml"
        file.write_text("waivers: []\n")
        said = scan.refused("--waivers", file, "-o", file, "127.70.255.1:10143/imap")
        self.assertIn("is read, and cannot be written", said)
        self.assertEqual(file.read_text(), "waivers: []\n")


class Older(Case):
    """Records of older versions: they are judged now, and say so where they can."""

    def older(self, schema):
        return [{name: value for name, value in record.items()
                 if name not in NEW_IN_1_3.get(record["type"], ())} | {"schema": schema}
                for record in self.records]

    def test_of_1_2(self):
        """All that a record of this version has is in there."""
        old = self.older("1.2")
        output, _ = run("audit", self.write(sealed(old[:-1], old[-1])))
        again = checked(output)
        for ours, theirs in zip(self.records, again):
            theirs["records_sha256"] = ours["records_sha256"] = None
            self.assertEqual(ours, theirs)
        self.assertEqual(run("audit", self.write(output))[0], output)

    def test_of_1_1(self):
        """They lack what was seen later, and stay what they are."""
        old = self.older("1.1")
        output, _ = run("audit", self.write(sealed(old[:-1], old[-1])))
        self.assertEqual({record["schema"] for record in records_of(output)}, {"1.1"})
        self.assertIn("ruleset", records_of(output)[0])

    def test_as_a_baseline(self):
        old = self.older("1.1")
        base = self.write(sealed(old[:-1], old[-1]))
        output, said = run("audit", "--fail-on", "info", "--baseline", base, self.write(self.saved))
        self.assertEqual((checked(output)[-1]["findings_new"], said), ([], ""))


class Rules(Case):
    def test_the_ruleset(self):
        """The same for all runs of this program."""
        first = self.records[0]["ruleset"]
        self.assertEqual(records_of(self.scanned(targets=[self.other.target()]))[0]["ruleset"], first)
        forged = [{**self.records[0], "ruleset": {"version": "0", "sha256": "0" * 64}},
                  *self.records[1:]]
        output, _ = run("audit", self.write(sealed(forged[:-1], forged[-1])))
        self.assertEqual(records_of(output)[0]["ruleset"], first)


if __name__ == "__main__":
    main()
