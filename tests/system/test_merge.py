# SPDX-License-Identifier: MIT
"""`merge`: shards are one run again, or it is said what is missing.

A run against played servers is shared out at random, and its shards are put together again: whole
and not, once and twice, in any order. What comes out is held against the run itself.
"""

import copy
import json
import os
import random
import resource
import stat
import subprocess
import tempfile
import unittest
from pathlib import Path

import scan
import validate
from case import main
from played import Farm
from shards import line_of, records_of, sealed, share_out, shifted

SEED = int(os.environ.get("MERGE_SEED", random.SystemRandom().randrange(2 ** 32)))


def run(command, *arguments, code=0, **options):
    """What a command prints, and what it says."""
    done = subprocess.run([scan.named_file("STARTTLS_AUDIT"), command, *map(str, arguments)],
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=scan.WATCHDOG,
                          **options)
    said = done.stderr.decode()
    assert done.returncode == code, f"exit {done.returncode}, not {code}: {said}"
    return done.stdout, said


def merge(*arguments, **options):
    """The same, of `merge`; whatever it prints is a run."""
    output, said = run("merge", *arguments, **options)
    assert not output or validate.check_run(output) == [], validate.check_run(output)[:5]
    return output, said


def same_for_all(record):
    """An endpoint's record without what says which run it is of."""
    return json.dumps({name: value for name, value in record.items() if name != "run_id"},
                      sort_keys=True)


def as_set(records):
    return sorted(same_for_all(record) for record in records if record["type"] == "endpoint")


class Case(unittest.TestCase):
    """A run with good hosts, bad ones, and some that are only counted."""

    @classmethod
    def setUpClass(cls):
        print(f"MERGE_SEED={SEED}", flush=True)
        cls.farm = Farm()
        cls.addClassCleanup(cls.farm.close)
        farm = cls.farm
        for i in range(6):
            host = farm.address()
            farm.add("imap", address=host, login="allowed" if i % 2 else "disabled")
            farm.add("smtp", address=host, starttls="none" if i % 3 else "offer")
            farm.add("ftp", "implicit", address=host, cert="expired" if i == 4 else "good")
        farm.add("imap", greeting="preauth")
        farm.add("imap", greeting="busy")
        farm.add("smtp", greeting="hostile")
        farm.start()
        nobody = [f"{farm.net}.{i}:10143/imap" for i in range(200, 206)]
        cls.arguments = ["--ca-file", farm.ca_file, "--greeting-timeout", "2", "--patience", "0",
                         "--seed", "42", *farm.targets(), *nobody]
        output, _ = run("scan", *cls.arguments)
        cls.records = records_of(output)
        assert validate.check_run(output) == []
        assert cls.records[-1]["hosts"] == {"scanned": 15, "answered": 9}, cls.records[-1]
        cls.single = output
        cls.single_file = cls.farm.directory / "single.ndjson"
        cls.single_file.write_bytes(output)

    def setUp(self):
        self.random = random.Random(f"{SEED} {self.id()}")
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)
        self.written = 0

    def write(self, content):
        """A file of what Shard.bytes() or a test says."""
        self.written += 1
        path = self.directory / f"{self.written}.ndjson"
        path.write_bytes(content if isinstance(content, bytes) else content.bytes())
        return path

    def files(self, shards):
        return [self.write(shard) for shard in shards]

    def shuffled(self, items):
        items = list(items)
        self.random.shuffle(items)
        return items

    def check_whole(self, output, shards):
        """The single run but for ids and times, in the order of the shards."""
        records = records_of(output)
        self.assertEqual(as_set(records), as_set(self.records))
        self.assertEqual([same_for_all(record) for record in records[1:-1]],
                         [same_for_all(record) for shard in sorted(shards, key=lambda s: s.index)
                          for record in shard.endpoints])
        start, end = records[0], records[-1]
        first = min(shards, key=lambda shard: shard.index).start
        began = min(shard.started for shard in shards)
        self.assertEqual(start, {**first, "shard": None, "started": began, "time": began})
        self.assertEqual({record["run_id"] for record in records}, {first["run_id"]})
        for name in ("complete", "stopped_by", "endpoints", "hosts", "findings", "exit_code"):
            self.assertEqual(end[name], self.records[-1][name], name)
        ended = max(shard.end["time"] for shard in shards)
        self.assertEqual(end["time"], ended)
        self.assertEqual(shifted(began, end["duration_ms"]), ended)


class Whole(Case):
    def test_any_number_of_shards_in_any_order(self):
        for count in [1, 2, 3, 16, 40, *(self.random.randrange(1, 30) for _ in range(10))]:
            with self.subTest(count=count):
                shards = share_out(self.records, count, self.random)
                files = self.files(shards)
                output, said = merge(*self.shuffled(files))
                self.check_whole(output, shards)
                self.assertEqual(merge(*self.shuffled(files)), (output, said))

    def test_a_run_without_shards_is_all_of_itself(self):
        self.assertEqual(merge(self.single_file)[0], self.single)

    def test_what_was_merged_can_be_merged(self):
        output, _ = merge(*self.files(share_out(self.records, 5, self.random)))
        self.assertEqual(merge(self.write(output))[0], output)

    def test_judged_again_it_is_the_same(self):
        output, _ = merge(*self.files(share_out(self.records, 5, self.random)))
        self.assertEqual(run("audit", self.write(output))[0], output)

    def test_attempts(self):
        """Of several whole ones the latest counts; of others none."""
        for _ in range(10):
            count = self.random.randrange(1, 9)
            first = share_out(self.records, count, self.random)
            last, files = list(first), self.files(first)
            for i in range(count):
                for late in self.random.sample(range(1, 2000), self.random.randrange(3)):
                    again = first[i].again(late)
                    files.append(self.write(again))
                    last[i] = max(last[i], again, key=lambda shard: shard.started)
                files.append(self.write(b"".join(map(line_of, first[i].records()))))
            output, said = merge(*self.shuffled(files))
            self.check_whole(output, last)
            self.assertEqual(said.count("is taken from"), len(files) - 2 * count)
            self.assertEqual(said.count("there is no run_end"), count)
            self.assertEqual(merge(*self.shuffled(files))[0], output)

    def test_the_same_file_twice(self):
        files = self.files(share_out(self.records, 3, self.random))
        output, _ = merge(*files)
        again, said = merge(*files, files[1])
        self.assertEqual(again, output)
        self.assertIn("shard 1 is taken from", said)

    def test_checkpoints_are_passed_over(self):
        shards = share_out(self.records, 4, self.random)
        output, _ = merge(*self.files(shards))
        checkpoint = json.loads((Path(__file__).parents[1] / "golden/checkpoint.json").read_text())
        for shard in shards:
            for _ in range(2):
                shard.endpoints.insert(self.random.randrange(len(shard.endpoints) + 1),
                                       {**checkpoint, "run_id": shard.start["run_id"]})
        self.assertEqual(merge(*self.files(shards))[0], output)

    def test_members_of_a_newer_version_stay(self):
        shards = share_out(self.records, 2, self.random)
        for shard in shards:
            for record in shard.endpoints:
                record["new"] = {"list": [1, None, "é"]}
        output, _ = run("merge", *self.files(shards))
        self.assertEqual({json.dumps(record["new"]) for record in records_of(output)[1:-1]},
                         {json.dumps({"list": [1, None, "é"]})})

    def test_addresses_that_were_scanned_from(self):
        shards = share_out(self.records, 3, self.random)
        for shard, address in zip(shards, ("192.0.2.9", "192.0.2.1", "192.0.2.9")):
            shard.start["vantage"] = {"source_addresses": [address]}
        output, _ = merge(*self.files(shards))
        self.assertEqual(records_of(output)[0]["vantage"],
                         {"source_addresses": ["192.0.2.1", "192.0.2.9"]})

    def test_exit_codes(self):
        shards = share_out(self.records, 3, self.random)
        files = self.files(shards)
        severities = {row["severity"] for row in self.records[-1]["findings"]}
        self.assertLessEqual({"critical", "high"}, severities)
        for severity in ("critical", "high", "info"):
            output, _ = merge("--fail-on", severity, *files, code=1)
            self.assertEqual(records_of(output)[-1]["exit_code"], 1)
        merge("--fail-on", "high", *files[1:], code=3)
        for code in (1, 3):  # of findings, or of a shard in which nobody answered
            shards[1].end["exit_code"] = code
            merge(*self.files(shards))
        shards[2].end["exit_code"] = 2
        output, _ = merge("--fail-on", "high", *self.files(shards), code=2)
        self.assertTrue(records_of(output)[-1]["complete"])
        output, _ = merge(*self.files(shards[1:]), code=2)
        self.assertEqual(records_of(output)[-1]["stopped_by"], "shards_missing")

    def test_nobody_answered(self):
        shards = share_out(self.records, 2, self.random)
        for shard in shards:
            shard.endpoints, shard.hosts, shard.uncounted = [], (7, 0), ["timeout"] * 63
            shard.count()
            shard.end["exit_code"] = 3
        output, _ = merge(*self.files(shards), code=3)
        self.assertEqual(records_of(output)[-1]["hosts"], {"scanned": 14, "answered": 0})


class Scanned(Case):
    """Shards that were scanned as such."""

    @staticmethod
    def lasting(records):
        return sorted(same_for_all({name: value for name, value in record.items()
                                    if name not in ("time", "duration_ms")})
                      for record in records if record["type"] == "endpoint")

    def test_shards_of_a_scan(self):
        for count in (1, 2, 3, 20):
            files = [self.directory / f"{count}.{i}" for i in range(count)]
            for i, file in enumerate(files):
                done = subprocess.run(scan.command("--shard", f"{i}/{count}", "-o", file,
                                                   *self.arguments), capture_output=True,
                                      timeout=scan.WATCHDOG)
                self.assertIn(done.returncode, (0, 3), done.stderr)  # 3: nobody answered there
            output, said = merge(*self.shuffled(files))
            self.assertEqual(said, "")
            records = records_of(output)
            self.assertEqual(self.lasting(records), self.lasting(self.records))
            for name in ("complete", "stopped_by", "endpoints", "hosts", "findings", "exit_code"):
                self.assertEqual(records[-1][name], self.records[-1][name], name)
            self.assertEqual({**records[0], **{name: self.records[0][name]
                                               for name in ("run_id", "time", "started")}},
                             self.records[0])
            if count > 1:
                merge(*files[1:], code=3)

    def test_shards_of_another_order(self):
        files = [self.directory / f"{seed}" for seed in (1, 2)]
        for i, file in enumerate(files):
            run("scan", *self.arguments, "--shard", f"{i}/2", "--seed", i, "-o", file)
        output, said = merge(*files, code=2)
        self.assertIn("another seed", said)


class Missing(Case):
    @staticmethod
    def ranges(indexes, between):
        """As a person would write them."""
        parts = []
        for i in sorted(indexes):
            if parts and parts[-1][1] == i - 1:
                parts[-1][1] = i
            else:
                parts.append([i, i])
        return between.join(f"{a}" if a == b else f"{a}-{b}" for a, b in parts)

    def test_any_that_are_missing(self):
        for _ in range(12):
            count = self.random.randrange(2, 30)
            shards = share_out(self.records, count, self.random)
            there = self.random.sample(shards, self.random.randrange(1, count))
            missing = set(range(count)) - {shard.index for shard in there}
            output, said = merge(*self.shuffled(self.files(there)), code=3)
            self.assertIn(f"missing: {self.ranges(missing, ', ')} of {count}"
                          f" (--array={self.ranges(missing, ',')})\n", said)
            end = records_of(output)[-1]
            self.assertEqual((end["complete"], end["stopped_by"]), (False, "shards_missing"))
            self.assertEqual(as_set(records_of(output)),
                             as_set(r for shard in there for r in shard.endpoints))

    def test_a_result_that_is_not_whole_is_no_shard(self):
        output, _ = merge(*self.files(share_out(self.records, 3, self.random))[:2], code=3)
        again, said = merge(self.write(output), code=3)
        self.assertEqual(again, b"")
        self.assertRegex(said, r"\.ndjson:\d+: complete: the scan was stopped")

    def test_all(self):
        output, said = merge(self.write(b""), code=3)
        self.assertEqual(output, b"")
        self.assertIn("no whole shard", said)

    def test_a_number_beyond_all_numbers(self):
        shard = share_out(self.records, 1, self.random)[0]
        shard.start["shard"] = {"index": 5, "count": 2 ** 53}
        _, said = merge(self.write(shard), code=3)
        self.assertIn(f"missing: 0-4, 6-{2 ** 53 - 1} of {2 ** 53}", said)


class Broken(Case):
    """A shard that is not sound is not there, and it is said why, where."""

    def setUp(self):
        super().setUp()
        self.shards = share_out(self.records, 2, random.Random(1))
        assert all(len(shard.endpoints) > 4 for shard in self.shards)
        self.good = self.write(self.shards[0])
        self.bytes = self.shards[1].bytes()
        self.lines = self.bytes.splitlines(keepends=True)

    def not_whole(self, content, said, code=3):
        path = self.write(content)
        output, errors = merge(self.good, path, code=code)
        self.assertRegex(errors, f"(?m)^{path}{said}")
        self.assertIn("missing: 1 of 2", errors)
        self.assertNotRegex(errors, "[\x00-\x08\x0b-\x1f\x7f]")
        self.assertEqual(as_set(records_of(output)), as_set(self.shards[0].endpoints))
        self.assertEqual(run("merge", path, code=2 if code == 2 else 3)[0], b"")

    def of(self, place, change):
        """The shard with one record changed, and a run_end that vouches for it."""
        records = [copy.deepcopy(record) for record in self.shards[1].records()]
        change(records[place])
        return sealed(records, self.shards[1].end)

    def test_torn_anywhere(self):
        """At every end of a line, next to it, and in the middle of some."""
        ends, at = [], 0
        for line in self.lines:
            at += len(line)
            ends.append(at)
        for cut in {at + step for at in ends for step in (-1, 0, 1, -40)} | {1, 17}:
            if 0 < cut < len(self.bytes):
                whole = cut in ends
                self.not_whole(self.bytes[:cut],
                               ": there is no run_end" if whole else r":\d+: the last line is torn")

    def test_tampered(self):
        for _ in range(30):
            at = self.random.randrange(len(self.bytes) - len(self.lines[-1]))
            if self.bytes[at:at + 1] != b"\n":
                other = bytes([self.bytes[at] ^ 1])
                path = self.write(self.bytes[:at] + other + self.bytes[at + 1:])
                output, said = run("merge", self.good, path, code=self.code_of(at))
                self.assertIn("missing: 1 of 2", said)
                self.assertEqual(as_set(records_of(output)), as_set(self.shards[0].endpoints))
        self.not_whole(self.bytes.replace(b"10143", b"10144"),
                       f":{len(self.lines)}: records_sha256: the lines above are not")
        self.not_whole(self.lines[0] + b"".join(self.lines[2:]), f":{len(self.lines) - 1}: ")

    def code_of(self, at):
        """A first line that is none of ours makes it no file of records."""
        line = self.bytes[:at].count(b"\n")
        return 2 if line == 0 and self.is_head(at) else 3

    def is_head(self, at):
        other = self.bytes[:at] + bytes([self.bytes[at] ^ 1]) + self.bytes[at + 1:]
        try:
            record = json.loads(other.splitlines()[0].decode())
        except ValueError:
            return True
        return record.get("type") != "run_start" or not record.get("schema", "").startswith("1.")

    def test_stopped(self):
        end = {**self.shards[1].end, "complete": False, "stopped_by": "signal", "exit_code": 3}
        self.not_whole(sealed(self.shards[1].records(), end), r":\d+: complete: the scan was stopped")

    def test_more_than_one_run(self):
        self.not_whole(self.lines[0] + self.bytes, ":2: more than one run")
        self.not_whole(2 * self.bytes, f":{len(self.lines) + 1}: more than one run")
        self.not_whole(self.bytes + self.lines[1], f":{len(self.lines) + 1}: more than one run")

    def test_lines_that_are_no_records(self):
        bad = {b"nonsense": "not JSON", b"[1]": "no type", b"{}": "no type", b'{"type":1}': "no type",
               b"": "not JSON", b'{"type":"endpoint"}': "schema",
               b'{"type":"endpoint","schema":"2.0"}': "schema", self.lines[1][:-1] + b" {}": "JSON",
               self.lines[1][:-1].replace(b'"status"', b'"sta\0tus"', 1): "clean",
               self.lines[1][:-1].replace(b'"status"', b'"sta\xfftus"', 1): "clean",
               b"[" * 100000: "JSON", b"x" * (5 << 20): "longer", b"\0" * (100 << 20): "longer"}
        for line, said in bad.items():
            with self.subTest(line[:60]):
                self.not_whole(self.lines[0] + line + b"\n" + b"".join(self.lines[1:]),
                               f":2: .*{said}")
                self.not_whole(line + b"\n" + self.bytes, f":1: .*{said}", code=2)

    def test_members_of_the_wrong_kind(self):
        def put(name, value, *path):
            def change(record):
                for step in path:
                    record = record[step]
                record[name] = value
            return change

        findings = next(i for i, record in enumerate(self.shards[1].records())
                        if record.get("findings"))
        for place, change in [
                (0, put("run_id", "x")), (0, put("run_id", 7)), (0, put("started", "yesterday")),
                (0, put("started", "9999-12-31T23:59:59.999Z")), (0, put("shard", "1/2")),
                (0, put("shard", {"index": 2, "count": 2})), (0, put("shard", {"index": 1})),
                (0, put("shard", {"index": -1, "count": 2})),
                (0, put("shard", {"index": 0.5, "count": 2})),
                (0, put("vantage", {"source_addresses": [[]]})),
                (1, put("run_id", "01a2097e-4580-7c3e-9b1f-000000000000")), (1, put("run_id", None)),
                (1, put("status", "splendid")), (1, put("status", 1)), (1, put("endpoint", [])),
                (1, put("key", None, "endpoint")), (1, put("ip", 7, "endpoint")),
                (findings, put("severity", "fatal", "findings", 0)),
                (findings, put("status", 0, "findings", 0))]:
            self.not_whole(self.of(place, change), r":\d+: ")

    def test_counts_that_are_wrong(self):
        end = self.shards[1].end
        rows = end["endpoints"]["by_status"]
        for name, value in {
                "endpoints": {**end["endpoints"], "recorded": end["endpoints"]["recorded"] + 1},
                "hosts": {"scanned": "many", "answered": 1}, "exit_code": 9, "complete": 1,
                "run_id": self.records[0]["run_id"], "time": "2000-01-01T00:00:00.000Z"}.items():
            with self.subTest(name):
                self.not_whole(sealed(self.shards[1].records(), {**end, name: value}), r":\d+: ")
        for by_status in ([], rows[1:], [{"status": "ok", "count": 2.5}], [{"status": "no"}], [7]):
            with self.subTest(by_status):
                endpoints = {**end["endpoints"], "by_status": by_status}
                self.not_whole(sealed(self.shards[1].records(), {**end, "endpoints": endpoints}),
                               r":\d+: ")

    def test_what_cannot_be_read(self):
        pipe = self.directory / "pipe"
        os.mkfifo(pipe)
        writer = os.open(pipe, os.O_RDWR)
        for path, said in ((self.directory, "regular file"), (self.directory / "none", "No such"),
                           ("/dev/null", "regular file"), (pipe, "regular file")):
            _, errors = merge(self.good, path, self.write(self.bytes), code=2)
            self.assertRegex(errors, f"(?m)^{path}: .*{said}")
        os.close(writer)
        _, errors = merge("-", code=2)
        self.assertIn("standard input: ", errors)

    def test_a_good_attempt_beside_it(self):
        """What is not whole does no harm if another attempt is."""
        whole = self.write(self.bytes)
        output, _ = merge(self.good, whole)
        for content in (b"", self.bytes[:-1], self.lines[0], self.bytes.replace(b"10143", b"10144")):
            self.assertEqual(merge(self.good, self.write(content), whole)[0], output)

    def test_endpoints_that_are_there_already(self):
        """In another shard, or in the same one: they are told, and left out."""
        double = self.shards[0].endpoints[2]
        for shard in self.shards:
            again = copy.deepcopy(shard)
            again.endpoints.append({**double, "run_id": again.start["run_id"]})
            again.count()
            other = self.shards[1 - shard.index]
            output, said = merge(self.write(again), self.write(other), code=2)
            self.assertIn(f":{len(again.endpoints) + 1}: '{double['endpoint']['key']}' is there"
                          " already", said)
            self.assertEqual(as_set(records_of(output)), as_set(self.records))
            self.assertEqual(records_of(output)[-1]["endpoints"], self.records[-1]["endpoints"])
            self.assertEqual(records_of(output)[-1]["findings"], self.records[-1]["findings"])


class Foreign(Case):
    """Shards of different runs are not mixed, whatever differs."""

    def test_each_difference(self):
        other = "1" * 64
        changes = {
            "options": {"options_sha256": other},
            "scope": {"scope": {**self.records[0]["scope"], "targets_total": 77}},
            "seed": {"seed": "7"},
            "policies": {"policies": [{**self.records[0]["policies"][0], "sha256": other}]},
            "policies.": {"policies": self.records[0]["policies"] * 2},
            "version": {"scanner": {**self.records[0]["scanner"], "version": "0.0.1"}},
            "number of shards": {"shard": {"index": 1, "count": 3}},
            "number of shards.": {"shard": None}}
        for word, change in changes.items():
            with self.subTest(word):
                shards = share_out(self.records, 2, self.random)
                shards[1].start.update(change)
                files = self.files(shards)
                output, said = merge(*files, code=2)
                self.assertEqual(output, b"")
                self.assertRegex(said, f"(?m)^{files[1]}: of another run than {files[0]}: "
                                       f"another .*{word.rstrip('.')}")
                self.assertEqual(said.count("of another run than"), 1)

    def test_libraries_may_differ(self):
        shards = share_out(self.records, 2, self.random)
        shards[1].start["scanner"] = copy.deepcopy(shards[1].start["scanner"])
        shards[1].start["scanner"]["libraries"]["gnutls"] = "3.8.4"
        merge(*self.files(shards))

    def test_nothing_takes_the_place_of_an_older_result(self):
        shards = share_out(self.records, 2, self.random)
        shards[1].start["seed"] = "7"
        result = self.write(b"old")
        merge("-o", result, *self.files(shards), code=2)
        self.assertEqual(result.read_bytes(), b"old")

    def test_trees_that_take_long_to_compare(self):
        shards = share_out(self.records, 2, self.random)
        deep = {}
        for _ in range(400):
            deep = {"a": deep}
        for shard in shards:
            shard.start["scope"] = {**shard.start["scope"], "deep": deep}
        run("merge", *self.files(shards))


class Output(Case):
    def setUp(self):
        super().setUp()
        self.inputs = self.files(share_out(self.records, 3, self.random))
        self.expected, _ = merge(*self.inputs)

    def leftovers(self, place):
        return [path.name for path in place.parent.iterdir() if place.name in path.name
                and path != place]

    def test_into_a_file(self):
        place = self.directory / "result"
        for _ in range(2):
            self.assertEqual(merge("-o", place, *self.inputs)[0], b"")
            self.assertEqual(place.read_bytes(), self.expected)
            self.assertEqual(self.leftovers(place), [])
        mask = os.umask(0)
        os.umask(mask)
        self.assertEqual(stat.S_IMODE(place.stat().st_mode), 0o640 & ~mask)
        self.assertEqual(merge("-o", "-", *self.inputs)[0], self.expected)

    def test_a_file_with_no_directory(self):
        merge("-o", "result", *self.inputs, cwd=self.directory)
        self.assertEqual((self.directory / "result").read_bytes(), self.expected)

    def test_a_link_stays_one(self):
        place, link = self.directory / "result", self.directory / "link"
        place.write_bytes(b"old")
        link.symlink_to("result")
        merge("-o", link, *self.inputs)
        self.assertTrue(link.is_symlink())
        self.assertEqual(place.read_bytes(), self.expected)

    def test_a_reader_never_sees_a_part(self):
        """Who had the old file open still has it; the new one came whole."""
        place = self.directory / "result"
        place.write_bytes(b"old")
        with place.open("rb") as reader:
            merge("-o", place, *self.inputs)
            self.assertEqual(reader.read(), b"old")
        self.assertEqual(place.read_bytes(), self.expected)

    def test_where_it_cannot_be_written(self):
        place = self.directory / "result"
        place.write_bytes(b"old")

        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 14, 1 << 14))

        _, said = merge("-o", place, *self.inputs, code=2, preexec_fn=limit)
        self.assertIn(str(place), said)
        self.assertEqual(place.read_bytes(), b"old")
        self.assertEqual(self.leftovers(place), [])
        for where in ("/dev/full", self.directory / "no" / "file", self.directory):
            _, said = merge("-o", where, *self.inputs, code=2)
            self.assertIn(str(where), said)
        self.assertTrue(stat.S_ISCHR(os.stat("/dev/full").st_mode))

    def test_the_result_is_none_of_the_shards(self):
        before = self.inputs[1].read_bytes()
        _, said = merge("-o", self.inputs[1], *self.inputs, code=2)
        self.assertIn("is read, and cannot be written", said)
        self.assertEqual(self.inputs[1].read_bytes(), before)

    def test_usage(self):
        for arguments in ([], ["--no-such", *self.inputs], ["--policy", "x", *self.inputs],
                          ["--fail-on", "bad", *self.inputs]):
            output, said = run("merge", *arguments, code=2)
            self.assertEqual(output, b"")
            self.assertTrue(said)
        self.assertIn(b"--fail-on", run("merge", "--help")[0])


if __name__ == "__main__":
    main()
