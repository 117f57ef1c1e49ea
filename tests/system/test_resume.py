# SPDX-License-Identifier: MIT
"""`scan --resume`: whatever ends a run, and however often, it becomes the run that nothing ended.

A net of played servers, closed addresses, and names that have several of both are scanned once without
interruption. Then the same is begun, and ended at random moments in all ways there are: each time the
file is what a run left behind, and the next run goes on with it. RESUME_SEED repeats the chances of a
run of this test, but not the moments.
"""

import json
import os
import random
import re
import signal
import subprocess
import tempfile
import time
import unittest
from collections import Counter
from pathlib import Path

import scan
import validate
from case import main
from nameserver import SERVFAIL, NameServer
from played import Farm

SEED = int(os.environ.get("RESUME_SEED", random.SystemRandom().randrange(2 ** 32)))
PASSING = {"run_id", "time", "duration_ms"}
COUNTS = ("complete", "stopped_by", "endpoints", "hosts", "findings", "exit_code")


def timeless(record):
    return json.dumps({name: value for name, value in record.items() if name not in PASSING},
                      sort_keys=True)


def records_of(data):
    return [json.loads(line) for line in data.splitlines()]


def endpoints_of(records):
    return Counter(timeless(record) for record in records if record["type"] == "endpoint")


def problems_of(data):
    """What is wrong with a file of ours, but for the form of each record."""
    records = records_of(data)
    return [*validate.check_order(records),
            *validate.check_course(records, data.splitlines(keepends=True))]


def command(name, *arguments, code=0):
    done = subprocess.run([scan.named_file("STARTTLS_AUDIT"), name, *map(str, arguments)],
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=scan.WATCHDOG)
    assert done.returncode == code, f"{name}: exit {done.returncode}, not {code}: {done.stderr.decode()}"
    return done.stdout


class Case(unittest.TestCase):
    """In 127.70.N.0/24 all addresses up to LIVE are servers; in 127.71.N.0/25 none is."""

    LIVE = 200
    NAMES = 48

    @classmethod
    def setUpClass(cls):
        print(f"RESUME_SEED={SEED}", flush=True)
        cls.farm = Farm()
        cls.addClassCleanup(cls.farm.close)
        net = cls.farm.net
        cls.dead = net.replace("127.70.", "127.71.")
        port = 12000 + int(net.split(".")[2])
        for i in range(1, cls.LIVE + 1):
            cls.farm.add("imap", address=f"{net}.{i}", port=port)
        slow = [f"{net}.{cls.LIVE + i}" for i in range(1, 4)]
        for address in slow:
            cls.farm.add("imap", address=address, port=port, greeting_delay="2000")
        cls.farm.start()
        names = {f"h{i}.demo.test": cls.addresses(i) for i in range(cls.NAMES)}
        cls.half = {f"half{i}.demo.test": [f"{cls.dead}.{i + 1}", address, f"{cls.dead}.{i + 9}"]
                    for i, address in enumerate(slow)}
        cls.server = NameServer(f"{net}.1", {**names, **cls.half})
        cls.addClassCleanup(cls.server.close)
        cls.directory = Path(tempfile.mkdtemp(prefix="resume-"))
        cls.addClassCleanup(lambda: subprocess.run(["rm", "-r", cls.directory], check=True))
        cls.options = ["--ca-file", cls.farm.ca_file, "--services", "ftp/explicit", "--ports",
                       f"imap/insecure:{port},smtp/insecure:{port + 300}", "--facts",
                       "capabilities", "--resolver", cls.server.at, "--rate", "1500"]
        cls.targets = [f"{net}.1-{cls.LIVE}", f"{cls.dead}.0/25", *names]
        cls.wholes = {}

    @classmethod
    def addresses(cls, number):
        """Of a name: some that answer, some that do not, none, or nothing that is known."""
        live = [f"{cls.farm.net}.{2 * number + k + 1}" for k in range(2)]
        dead = [f"{cls.dead}.{2 * number + k}" for k in range(2)]
        return [live + dead, dead, dead[:1] + live[:1], live[:1], SERVFAIL, []][number % 6]

    def setUp(self):
        self.chance = random.Random(f"{SEED} {self.id()}")
        self.path = self.directory / self.id().rsplit(".", 1)[1]

    # --- runs ---

    def whole(self, *options, targets=None, stdin=None):
        """The same without an interruption: all its bytes, checked."""
        key = options, tuple(targets or self.targets)
        if key not in self.wholes:
            path = self.directory / "whole"
            done = self.finish(*options, "-o", path, targets=targets, stdin=stdin)
            scan.parsed(path.read_bytes(), done.stderr, done.returncode, 0)
            self.wholes[key] = path.read_bytes()
        return self.wholes[key]

    def line(self, *options, targets=None):
        return scan.command(*self.options, *options, *(targets or self.targets))

    def finish(self, *options, targets=None, stdin=None, code=0):
        source = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
        done = subprocess.run(self.line(*options, targets=targets), capture_output=True,
                              timeout=scan.WATCHDOG, **source)
        self.assertEqual(done.returncode, code, done.stderr.decode())
        return done

    def begin(self, *options, targets=None, stdin=None):
        """A run that is under way: its run_start is written."""
        feed = subprocess.DEVNULL
        if stdin is not None:
            source = self.directory / "stdin"
            source.write_bytes(stdin)
            feed = source.open("rb")
            self.addCleanup(feed.close)
        process = subprocess.Popen(self.line(*options, targets=targets), stdin=feed,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process, number=signal.SIGKILL):
        """Its exit code, and what it said."""
        if process.returncode is None:
            process.send_signal(number)
            _, errors = process.communicate(timeout=scan.WATCHDOG)
            return process.returncode, errors.decode()
        return process.returncode, ""

    def await_octets(self, process, octets):
        """Waits until the file has so many, or the run is over."""
        while process.poll() is None:
            if self.path.exists() and self.path.stat().st_size >= octets:
                return
            time.sleep(0.002)

    # --- ways to end ---

    def kill(self, process):
        self.end(process)

    def cut_power(self, process):
        """The file has any length down to what was vouched for last, and zeros where nothing was written."""
        self.end(process)
        data = self.path.read_bytes()
        claims = [m.end() for m in re.finditer(rb'^\{"schema":"[^"]*","type":"(run_start|checkpoint)".*\n',
                                               data, re.MULTILINE)]
        at = self.chance.randint(claims[-1], len(data))
        self.path.write_bytes(data[:at] + bytes(self.chance.choice([0, 0, len(data) - at])))

    def truncate(self, process):
        """Not even what was vouched for is there: an older copy of the file."""
        self.end(process)
        data = self.path.read_bytes()
        self.path.write_bytes(data[:self.chance.randint(data.index(b"\n") + 1, len(data))])

    def interrupt(self, process):
        code, said = self.end(process, self.chance.choice([signal.SIGINT, signal.SIGTERM]))
        self.assertIn(code, (0, 3, -signal.SIGINT, -signal.SIGTERM), said)
        if code < 0:
            return  # it came before the run had begun, and nothing is changed
        data = self.path.read_bytes()
        self.assertEqual(problems_of(data), [])
        records = records_of(data)
        self.assertEqual(records[-1]["type"], "run_end")
        if code == 3:
            self.assertEqual(records[-1]["stopped_by"], "signal")
            last = [record for record in records if record["type"] in ("endpoint", "checkpoint")][-1:]
            self.assertIn([record["type"] for record in last], (["checkpoint"], []))

    # --- what comes of it ---

    def check(self, whole, path=None, errors=b""):
        """The file is the uninterrupted run, and all commands that read it agree."""
        path = path or self.path
        data = path.read_bytes()
        self.assertEqual(problems_of(data), [])
        records, expected = records_of(data), records_of(whole)
        seen, wanted = endpoints_of(records), endpoints_of(expected)
        for text in sorted((seen - wanted) + (wanted - seen))[:1]:
            endpoint = json.loads(text)["endpoint"]
            self.fail(f"{seen[text]} times {endpoint}, and not {wanted[text]}:\n{text}")
        for name in COUNTS:
            self.assertEqual(records[-1][name], expected[-1][name], name)
        audited = records_of(command("audit", "--json", path))
        self.assertEqual(endpoints_of(audited), wanted)
        self.assertTrue(audited[-1]["complete"])
        return records

    def go_through(self, ends, *options, whole=None, targets=None, stdin=None, workers=(1, 3)):
        """Begins, is ended in each of these ways, and goes on to the end."""
        octets = len(whole)
        options = [*options, "--workers", self.chance.choice(workers)]
        where = ["-o", self.path]
        start = None
        for end in ends:
            process = self.begin(*options, *where, targets=targets, stdin=stdin)
            size = self.path.stat().st_size if start else 0
            self.await_octets(process, self.chance.randint(size, max(size, octets)) if start else
                              self.chance.randint(4000, octets // 2))
            end(process)
            first = self.path.read_bytes().split(b"\n", 1)[0]
            self.assertEqual(start or first, first)
            start, where = first, ["--resume", self.path]
        self.finish(*options, *where, targets=targets, stdin=stdin)
        self.assertTrue(self.path.read_bytes().startswith(start + b"\n"))
        return self.check(whole)


class Interrupted(Case):
    def test_killed(self):
        self.go_through([self.kill] * 4, whole=self.whole(), workers=[1])

    def test_killed_with_workers(self):
        self.go_through([self.kill] * 4, whole=self.whole(), workers=[3])

    def test_killed_with_all_recorded(self):
        self.go_through([self.kill, self.interrupt, self.kill], "--all", whole=self.whole("--all"))

    def test_interrupted(self):
        self.go_through([self.interrupt] * 4, whole=self.whole())

    def test_interrupted_and_killed(self):
        self.go_through([self.interrupt, self.kill, self.interrupt, self.kill], whole=self.whole())

    def test_power_cuts(self):
        ways = [self.interrupt, self.cut_power, self.truncate]
        self.go_through([self.cut_power, *(self.chance.choice(ways) for _ in range(4))],
                        whole=self.whole())

    def test_in_order(self):
        records = self.go_through([self.kill, self.interrupt], "--ordered",
                                  whole=self.whole("--ordered"))
        self.assertIsNone(records[0]["seed"])

    def test_the_end_alone_is_missing(self):
        """Nothing is left to do, but to say so."""
        whole = self.whole()
        self.path.write_bytes(whole[:whole.rindex(b'{"schema"')])
        self.finish("--resume", self.path)
        self.check(whole)

    def test_stream(self):
        """Standard input comes again, and what was done of it is passed over."""
        lines = "".join(f"{target}\n" for target in self.targets[2:]).encode()
        targets = [*self.targets[:2], "-"]
        whole = self.whole(targets=targets, stdin=lines)
        for ends in ([self.kill, self.kill], [self.interrupt, self.kill]):
            self.path.unlink(missing_ok=True)
            self.go_through(ends, whole=whole, targets=targets, stdin=lines)

    def test_shards(self):
        paths = []
        for index in range(3):
            shard = ["--shard", f"{index}/3"]
            self.path = self.directory / f"shard-{index}"
            paths.append(self.path)
            self.go_through([self.chance.choice([self.kill, self.interrupt])], *shard,
                            whole=self.whole(*shard))
        merged = self.directory / "merged"
        merged.write_bytes(command("merge", *paths))
        self.check(self.whole(), merged)


class Course(Case):
    """What a run tells of how far it is, on its way."""

    def checkpoints(self):
        return self.path.read_bytes().count(b'"type":"checkpoint"') if self.path.exists() else 0

    def await_checkpoint(self, process):
        while self.checkpoints() == 0:
            self.assertIsNone(process.poll(), "no checkpoint, and the run is over")
            time.sleep(0.01)

    def test_after_a_time(self):
        options = ["--rate", "20"]  # the last one counts
        targets = [f"{self.farm.net}.1-90"]
        process = self.begin(*options, "-o", self.path, targets=targets)
        self.await_checkpoint(process)
        self.kill(process)
        whole_lines = self.path.read_bytes().rpartition(b"\n")[0]
        last = [record for record in records_of(whole_lines) if record["type"] == "checkpoint"][-1]
        self.assertGreater(last["cursor"], len(last["pending"]))
        self.finish("--resume", self.path, targets=targets)  # the pace may be another
        self.assertEqual(problems_of(self.path.read_bytes()), [])
        hosts = Counter(record["endpoint"]["ip"] for record in records_of(self.path.read_bytes())
                        if record["type"] == "endpoint")
        self.assertEqual(set(hosts.values()), {3})
        self.assertEqual(len(hosts), 90)

    def test_after_so_many_hosts(self):
        """Addresses that are only counted leave nothing but checkpoints, and are not asked twice."""
        options = ["--rate", "10000000"]
        targets = [f"127.{70 + 2 * self.chance.randint(5, 50)}.0.0/18"]
        process = self.begin(*options, "-o", self.path, targets=targets)
        self.await_checkpoint(process)
        self.end(process)
        before = records_of(self.path.read_bytes().rpartition(b"\n")[0])[-1]
        self.assertGreaterEqual(before["hosts"]["scanned"], 4096)
        self.finish(*options, "--resume", self.path, targets=targets, code=3)  # nothing answered
        data = self.path.read_bytes()
        self.assertEqual(problems_of(data), [])
        self.assertEqual(records_of(data)[-1]["hosts"], {"scanned": 16384, "answered": 0})
        self.assertEqual(records_of(data)[-1]["complete"], True)

    def test_half_a_name(self):
        """Addresses of a name that leave no record do not count before the name is complete."""
        targets = [*self.half, "h3.demo.test"]
        whole = self.whole(targets=targets)
        process = self.begin("-o", self.path, targets=targets)
        while not self.path.exists() or b'"sni":"h3.demo.test"' not in self.path.read_bytes():
            self.assertIsNone(process.poll(), "the run is over")
            time.sleep(0.01)
        self.interrupt(process)
        records = records_of(self.path.read_bytes())
        ended = [record for record in records if record["type"] in ("checkpoint", "run_end")]
        self.assertEqual([record["type"] for record in ended], ["checkpoint", "run_end"])
        self.assertEqual(len(ended[0]["pending"]), 3)
        for record in ended:
            self.assertEqual(record["hosts"], {"scanned": 1, "answered": 1})
        self.finish("--resume", self.path, targets=targets)
        self.check(whole)

    def test_a_window(self):
        """An end in good order, again and again."""
        rounds = 0
        where = ["-o", self.path]
        while True:
            done = subprocess.run(self.line(*where, "--max-duration", "0.3"), capture_output=True,
                                  stdin=subprocess.DEVNULL, timeout=scan.WATCHDOG)
            self.assertIn(done.returncode, (0, 3), done.stderr.decode())
            last = records_of(self.path.read_bytes())[-1]
            self.assertEqual(last["stopped_by"], "deadline" if done.returncode else None)
            if done.returncode == 0:
                break
            rounds += 1
            where = ["--resume", self.path]
        self.assertGreater(rounds, 0)
        scan.parsed(self.path.read_bytes(), done.stderr, done.returncode, 0)
        self.check(self.whole())


class Elsewhere(Case):
    """The run goes on in a copy."""

    def setUp(self):
        super().setUp()
        process = self.begin("-o", self.path)
        self.await_octets(process, 40000)
        self.kill(process)
        self.before = self.path.read_bytes()
        self.assertNotIn(b'"type":"run_end"', self.before)

    def test_in_another_file(self):
        other = self.directory / "other"
        other.write_bytes(b"what was there before" * 100000)
        self.finish("--resume", self.path, "-o", other)
        self.assertEqual(self.path.read_bytes(), self.before)
        self.check(self.whole(), other)

    def test_on_standard_output(self):
        done = self.finish("--resume", self.path, "-o", "-")
        self.assertEqual(self.path.read_bytes(), self.before)
        other = self.directory / "output"
        other.write_bytes(done.stdout)
        self.check(self.whole(), other)

    def test_in_the_same_file_by_another_name(self):
        other = self.directory / "link"
        other.unlink(missing_ok=True)
        other.symlink_to(self.path)
        self.finish("--resume", self.path, "-o", other)
        self.assertTrue(other.is_symlink())
        self.check(self.whole())

    def test_table(self):
        done = self.finish("--resume", self.path, "--table")
        self.assertIn(b"hosts answered", done.stdout)
        self.check(self.whole())


class Refused(Case):
    """It has to be the same run; and if it is not, nothing is touched."""

    def setUp(self):
        super().setUp()
        process = self.begin("--seed", "7", "-o", self.path)
        self.await_octets(process, 20000)
        self.kill(process)
        self.before = self.path.read_bytes()

    def refuse(self, *options, targets=None, path=None):
        said = scan.refused(*self.options, "--resume", path or self.path, *options,
                            *(targets or self.targets))
        self.assertEqual(self.path.read_bytes(), self.before)
        return said

    def test_another_run(self):
        for options, said in ((["--all"], "other targets or options"),
                              (["--exhaustive"], "other targets or options"),
                              (["-"], "other targets or options"),
                              (["--seed", "8"], "another order"),
                              (["--ordered"], "another order"),
                              (["--shard", "0/2"], "another shard"),
                              (["--policy", "mozilla-modern"], "other policies")):
            with self.subTest(options):
                self.assertRegex(self.refuse(*options), f"{self.path}: the run .*{said}")
        self.assertIn("other targets", self.refuse(targets=self.targets[1:]))

    def test_another_version(self):
        for text, other, said in ((b'"version":"', b'"version":"9.', "another version"),
                                  (b'{"schema":"1.', b'{"schema":"1.9', "another version")):
            changed = self.directory / "changed"
            changed.write_bytes(self.before.replace(text, other, 1))
            self.assertIn(said, self.refuse(path=changed))

    def test_a_refusal_leaves_the_other_file_alone(self):
        other = self.directory / "precious"
        other.write_bytes(b"precious")
        self.refuse("--all", "-o", other)
        self.assertEqual(other.read_bytes(), b"precious")

    def test_what_is_no_run(self):
        none = self.directory / "none"
        self.assertIn("No such file", self.refuse(path=none))
        self.assertFalse(none.exists())
        none.write_bytes(b"")
        self.assertIn("there is no record", self.refuse(path=none))
        none.write_bytes(b"targets\n")
        self.assertIn("not the beginning of a run", self.refuse(path=none))
        self.assertIn("not a regular file", self.refuse(path="/dev/null"))
        self.assertIn("--dry-run", self.refuse("--dry-run"))

    def test_lines_that_were_changed(self):
        self.finish("--seed", "7", "--resume", self.path, "--max-duration", "0.2", code=3)
        data = self.path.read_bytes()
        at = data.index(b"\n") + 200
        self.before = data[:at] + b"x" + data[at + 1:]
        self.path.write_bytes(self.before)
        self.assertIn("not those that were written", self.refuse())

    def test_a_run_that_is_under_way(self):
        process = self.begin("--seed", "7", "--rate", "5", "-o", self.path)
        self.await_octets(process, 1)
        while len(self.path.read_bytes()) > 20000:  # not emptied yet
            time.sleep(0.01)
        said = "another run is writing to it"
        for options in (["--resume", self.path], ["-o", self.path],
                        ["--resume", self.path, "-o", self.directory / "elsewhere"]):
            self.assertIn(said, scan.refused(*self.options, *options, *self.targets))
        self.assertIsNone(process.poll())
        code, _ = self.end(process, signal.SIGINT)
        self.assertEqual(code, 3)
        self.assertEqual(problems_of(self.path.read_bytes()), [])

    def test_a_run_that_is_complete(self):
        whole, other = self.whole(), self.directory / "copy"
        self.path.write_bytes(whole)
        os.utime(self.path, (1, 1))
        done = self.finish("--resume", self.path)
        self.assertIn("the run is complete", done.stderr.decode())
        self.assertEqual(self.finish("--resume", self.path, "--quiet").stderr, b"")
        self.finish("--resume", self.path, "-o", other)
        self.assertEqual((self.path.read_bytes(), self.path.stat().st_mtime), (whole, 1))
        self.assertEqual(other.read_bytes(), whole)

    def test_the_exit_code_of_a_run_that_is_complete(self):
        targets = [f"{self.dead}.1"]
        self.finish("-o", self.path, targets=targets, code=3)  # nothing answered
        self.finish("--resume", self.path, targets=targets, code=3)


if __name__ == "__main__":
    main()
