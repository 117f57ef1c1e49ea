# SPDX-License-Identifier: MIT
"""What is expected of a target and silent is a finding, and its hosts are in the records whatever they do.

Played servers, addresses on which there is none, and names: each with a label expect=. The records are
judged again, resumed from wherever they were cut off, and merged from shards: always the same.
"""

import json
import subprocess
import unittest
from collections import Counter

import scan
from case import main
from nameserver import SERVFAIL, NameServer
from played import Farm

RULE = "EXPECTED-SERVICE-SILENT"
PROGRAM = scan.named_file("STARTTLS_AUDIT")
PASSING = ("run_id", "time", "duration_ms", "connections")


def verdict(record):
    return next(name for name, rules in record["checks"].items()
                if name != "reasons" and RULE in rules)


def finding(record):
    return next(f for f in record["findings"] if f["rule"] == RULE)


def lasting(record):
    return json.dumps({name: value for name, value in record.items() if name not in PASSING})


class Expect(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.farm = Farm()
        cls.addClassCleanup(cls.farm.close)
        cls.directory = cls.farm.directory
        net = cls.farm.net
        dead = net.replace("127.70.", "127.62.")
        cls.up, cls.half, cls.busy, cls.other, cls.named = (f"{net}.{i}" for i in range(1, 6))
        cls.farm.add("imap", address=cls.up)
        cls.farm.add("imap", "implicit", address=cls.up)
        cls.farm.add("imap", address=cls.half)
        cls.farm.add("imap", address=cls.busy, greeting="busy")
        cls.farm.add("smtp", address=cls.other, port=10143)
        cls.farm.add("imap", address=cls.named)
        cls.farm.start()
        cls.down, cls.plain, cls.unasked = (f"{dead}.{i}" for i in range(1, 4))
        cls.server = NameServer(f"{net}.1", {
            "up.demo.test": [cls.named], "down.demo.test": [f"{dead}.7", f"{dead}.8"],
            "half.demo.test": [cls.named, f"{dead}.9"], "broken.demo.test": SERVFAIL,
            "empty.demo.test": []})
        cls.addClassCleanup(cls.server.close)
        cls.targets = {
            cls.up: "imap,imap/implicit,imap:10143",
            cls.half: "imap/insecure,imap/implicit",
            cls.busy: "imap/insecure", cls.other: "imap:10143",
            cls.down: "imap", cls.plain: None, cls.unasked: "pop3",
            "up.demo.test": "imap", "down.demo.test": "imap", "half.demo.test": "imap/insecure",
            "gone.demo.test": "imap/implicit", "broken.demo.test": "imap",
            "empty.demo.test": "imap"}
        cls.list = cls.directory / "targets.txt"
        cls.list.write_text("".join(f"{host} owner=o{i % 3}" + (f" expect={what}" if what else "") + "\n"
                                    for i, (host, what) in enumerate(cls.targets.items())))
        cls.options = ["--ca-file", cls.farm.ca_file, "--services", "ftp/explicit", "--ports",
                       "imap:10143,imap/implicit:10993", "--facts", "capabilities,versions",
                       "--resolver", cls.server.at, "-f", cls.list]
        cls.run_ = scan.run(*cls.options)
        cls.of = {}
        for record in cls.run_.records:
            e = record["endpoint"]
            cls.of.setdefault((e["host"], e["ip"]), {})[e["port"]] = record

    def records(self, host, ip=None):
        return self.of[host, ip or host]

    def verdicts(self, host, ip=None):
        return {port: verdict(record) for port, record in self.records(host, ip).items()}

    def silent(self, host, port, confidence, status, ip=None):
        """The one finding of this host, which has all its endpoints in the records."""
        records = self.of[host, ip]
        self.assertEqual(set(records), {991, 10143, 10993})
        found = {p: finding(r) for p, r in records.items() if RULE in r["checks"]["fail"]}
        self.assertEqual(list(found), [port])
        seen = found[port]
        self.assertEqual((seen["severity"], seen["confidence"], seen["evidence"]["status"]),
                         ("medium", confidence, status))
        return seen["evidence"]

    def test_what_answers(self):
        self.assertEqual(self.verdicts(self.up), {991: "not_applicable", 10143: "pass", 10993: "pass"})
        self.assertEqual(self.verdicts("up.demo.test", self.named)[10143], "pass")

    def test_one_mode_of_two(self):
        seen = self.silent(self.half, 10993, "confirmed", "closed", self.half)
        self.assertEqual(seen["expected"], "imap/implicit")
        self.assertEqual(self.verdicts(self.half)[10143], "pass")

    def test_who_turns_us_away_is_not_silent(self):
        self.assertEqual(self.verdicts(self.busy)[10143], "inconclusive")

    def test_another_service_in_its_place(self):
        self.silent(self.other, 10143, "probable", "protocol_mismatch", self.other)

    def test_a_host_that_is_down_is_recorded_and_told_once(self):
        seen = self.silent(self.down, 10143, "confirmed", "closed", self.down)
        self.assertEqual(seen, {"expected": "imap", "status": "closed", "silent_ports": 2})
        self.assertEqual(self.verdicts(self.down)[10993], "not_applicable")

    def test_each_address_of_a_name(self):
        for ip in self.server_addresses("down.demo.test"):
            self.silent("down.demo.test", 10143, "confirmed", "closed", ip)
        self.assertEqual(self.verdicts("half.demo.test", self.named)[10143], "pass")
        (ip,) = self.server_addresses("half.demo.test") - {self.named}
        self.silent("half.demo.test", 10143, "confirmed", "closed", ip)

    def server_addresses(self, name):
        return {ip for host, ip in self.of if host == name}

    def test_a_name_without_an_address(self):
        self.silent("gone.demo.test", 10993, "probable", "dns_error")
        self.silent("empty.demo.test", 10143, "probable", "dns_error")

    def test_a_lookup_that_failed_says_nothing_of_the_name(self):
        records = self.of["broken.demo.test", None]
        self.assertEqual(verdict(records[10143]), "inconclusive")
        self.assertFalse([port for port, r in records.items() if RULE in r["checks"]["fail"]])

    def test_where_nothing_is_expected_nothing_changes(self):
        self.assertNotIn((self.plain, self.plain), self.of)
        for record in self.run_.records:
            if "expect" not in record["endpoint"]["labels"]:
                self.assertEqual(verdict(record), "not_applicable")

    def test_what_is_not_asked_is_not_tested(self):
        self.assertEqual(self.verdicts(self.unasked),
                         {991: "not_tested", 10143: "not_applicable", 10993: "not_applicable"})
        reasons = {r["rule"]: r["reason"] for r in self.records(self.unasked)[991]["checks"]["reasons"]}
        self.assertEqual(reasons[RULE], "not_asked")

    def test_the_counts_are_of_all(self):
        end = self.run_.end
        self.assertEqual(end["endpoints"]["recorded"], len(self.run_.records))
        unrecorded = 3  # the endpoints of the plain host
        self.assertEqual(sum(row["count"] for row in end["endpoints"]["by_status"]),
                         len(self.run_.records) + unrecorded)

    def command(self, *arguments, code=0):
        done = subprocess.run([PROGRAM, *map(str, arguments)], stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=scan.WATCHDOG)
        self.assertEqual(done.returncode, code, done.stderr.decode())
        return done.stdout

    def saved(self, name, *options):
        path = self.directory / name
        self.command(*scan.command(*self.options, *options, "-o", path)[1:])
        return path

    def test_the_table_says_it(self):
        said = self.command(*scan.command(*self.options, "--table")[1:]).decode()
        counts = Counter(verdict(record) for record in self.run_.records)
        open_ = counts["inconclusive"] + counts["not_tested"]
        self.assertIn(f"expected services: {counts['pass']} answer, {counts['fail']} silent, "
                      f"{open_} not known\n", said)
        self.assertRegex(said, rf"medium +{RULE} +{counts['fail']} ")

    def test_judged_again_it_is_the_same_to_the_octet(self):
        path = self.saved("audited.ndjson")
        self.assertEqual(self.command("audit", "--json", path), path.read_bytes())

    def same(self, path):
        run = scan.parsed(path.read_bytes(), b"", 0, 0)
        self.assertEqual(Counter(map(lasting, run.records)), Counter(map(lasting, self.run_.records)))
        for name in ("endpoints", "hosts", "findings"):
            self.assertEqual(run.end[name], self.run_.end[name])

    def test_cut_off_anywhere_it_goes_on(self):
        whole = self.saved("whole.ndjson", "--seed", "1").read_bytes()
        lines = whole.splitlines(keepends=True)
        for kept in range(1, len(lines), 4):
            with self.subTest(lines=kept):
                path = self.directory / "cut.ndjson"
                path.write_bytes(b"".join(lines[:kept]) + lines[kept][:20])
                self.command(*scan.command(*self.options, "--resume", path)[1:])
                self.same(path)

    def test_shards_are_one_run(self):
        paths = [self.saved(f"shard{i}.ndjson", "--shard", f"{i}/3") for i in range(3)]
        merged = self.directory / "merged.ndjson"
        self.command("merge", "-o", merged, *paths)
        self.same(merged)

    def test_expectations_that_cannot_be(self):
        path = self.directory / "bad.txt"
        path.write_text("192.0.2.1 expect=imap\n192.0.2.2 expect=imap,xmpp\n192.0.2.3 expect=\n")
        said = scan.refused("-f", path)
        self.assertEqual(said, f"{path}:2: 'xmpp' expects a protocol that is not known here\n"
                               f"{path}:3: '' expects nothing: PROTOCOL[/MODE][:PORT] is wanted\n")


class Stream(unittest.TestCase):
    def test_a_bad_one_in_a_stream_is_passed_over(self):
        net = "127.62.9"
        run = scan.run("--services", "imap", "-", exit_code=2,
                       stdin=f"{net}.1 expect=imap\n{net}.2 expect=what\n".encode())
        self.assertIn("-:2: 'what' expects a protocol that is not known here", run.errors)
        self.assertEqual([verdict(record) for record in run.records], ["fail", "not_applicable"])


if __name__ == "__main__":
    main()
