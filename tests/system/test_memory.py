# SPDX-License-Identifier: MIT
"""One allocation finds no memory, each time another one: what comes out is what comes out of a good
run, or the run says that it failed, and its records say what is not known.

STARTTLS_AUDIT_FAILING names the program in which memory ends where it is told to (tests/failing);
STARTTLS_AUDIT_PRELOAD, without sanitizers, the library that does that to the libraries' memory as
well. FAILING_SAMPLES is how many allocations of a command are tried: there is no end to them.
"""

import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import unittest
from pathlib import Path

import scan
from case import main
from played import Farm

SAMPLES = int(os.environ.get("FAILING_SAMPLES", "12"))
# libseccomp does not look at all of its memory either: a filter may lack rules, or a list never end.
LIBRARIES = {"STARTTLS_AUDIT_SANDBOX": "off"}
CRASHES = (-signal.SIGSEGV, -signal.SIGABRT)  # inside a library that does not look
PASSING = {"time", "duration_ms", "run_id", "connections", "records_sha256", "at_ms", "started",
           "first_seen", "last_seen", "opened", "at"}
FORMATS = ("html", "prometheus", "csv", "csv-endpoints", "defectdojo", "junit", "sarif", "ecs")


def lasting(value):
    """Without what differs from run to run."""
    if isinstance(value, dict):
        return {name: lasting(member) for name, member in value.items() if name not in PASSING}
    if isinstance(value, list):
        return [lasting(item) for item in value]
    return value


def endpoints(path):
    """The endpoint records of a file by key; a line that broke off is none."""
    seen = {}
    for line in path.read_bytes().split(b"\n")[:-1] if path.exists() else ():
        record = json.loads(re.sub(rb"\bX\d{6,}", b"X", line))
        if record["type"] == "endpoint":
            seen[record["endpoint"]["key"]] = lasting(record)
    return seen


def is_marked(record):
    """It says itself that something on our side is why it is not whole."""
    return ((record["error"] or {}).get("code") == "local" or
            any(item["reason"] == "local" for item in record.get("unknown", ())))


class Failing(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.program = scan.named_file("STARTTLS_AUDIT_FAILING")
        cls.directory = Path(tempfile.mkdtemp(prefix="failing-"))
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        cls.out = cls.directory / "out"
        cls.count = cls.directory / "count"

    def run_failing(self, arguments, number, **environment):
        failing = {"FAILING_COUNT": str(self.count), "TMPDIR": str(self.directory), "TZ": "UTC"}
        if number:
            failing["FAILING_AT"] = str(number)
        return subprocess.run([self.program, *map(str, arguments)], capture_output=True,
                              stdin=subprocess.DEVNULL, timeout=scan.WATCHDOG,
                              env={**os.environ, **failing, **environment})

    def every(self, arguments, check, allowed=(), samples=SAMPLES, trouble=2, **environment):
        """check(what, run) after each failure that is tried; trouble: the exit that says so."""
        good = self.run_failing(arguments, 0, **environment)
        self.assertIn(good.returncode, (0, 1), good.stderr.decode())
        total = int(self.count.read_text())
        check("nothing fails", good)
        chosen = random.Random(total).sample(range(1, total + 1), min(samples, total))
        for number in sorted(chosen):
            with self.subTest(command=arguments[0], allocation=number, of=total):
                run = self.run_failing(arguments, number, **environment)
                if run.returncode in allowed:
                    continue
                said = run.stderr.decode(errors="replace")
                self.assertIn(run.returncode, (good.returncode, trouble), said)
                if run.returncode == trouble == 2:
                    self.assertNotEqual(said.strip(), "", "exit 2 without a word")
                check(f"allocation {number} fails", run)


class Scans(Failing):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.farm = Farm()
        cls.addClassCleanup(cls.farm.close)
        for protocol in ("imap", "smtp", "pop3", "ftp"):
            cls.farm.add(protocol, "clear")
        cls.farm.add("imap", "implicit")
        cls.farm.start()
        cls.good = None

    def check(self, what, run):
        seen = endpoints(self.out)
        type(self).good = self.good or seen
        if run.returncode != 2:
            self.assertEqual(seen, self.good, what)
        for key, record in seen.items():
            if record != self.good[key]:
                self.assertTrue(is_marked(record), f"{what}: {scan.pretty(record)}")

    def scan(self, **options):
        options = {"check": self.check, **options}
        self.every(["scan", "--quiet", "--patience", "0", "--workers", "1", "--seed", "1",
                    "--ca-file", self.farm.ca_file, "--reply-timeout", "2", "-o", self.out,
                    *self.farm.targets()], **options)

    def test_own(self):
        self.scan(samples=3 * SAMPLES)

    def test_all(self):
        preload = os.environ.get("STARTTLS_AUDIT_PRELOAD")
        if preload:  # a sanitizer has its own memory
            self.scan(allowed=CRASHES, LD_PRELOAD=preload, **LIBRARIES)


class Commands(Failing):
    """Those that read records."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.old, cls.new = cls.directory / "old.ndjson", cls.directory / "new.ndjson"
        with Farm() as farm:
            farm.add("imap", "clear")
            farm.add("smtp", "clear")
            farm.start()
            cls.host = farm.servers[0].address
            cls.record(farm, cls.old)
            with farm.process as process:
                process.terminate()
            first, second = farm.servers
            farm.servers = []
            farm.add("imap", "clear", first.address, cert="expired", versions="1.0,1.2")
            farm.add("smtp", "clear", second.address, starttls="none")
            farm.start()
            cls.record(farm, cls.new)
        cls.state = cls.directory / "state.db"

    @classmethod
    def record(cls, farm, path):
        line = scan.command("--ca-file", farm.ca_file, "-o", path, *farm.targets())
        subprocess.run(line, check=True, capture_output=True, timeout=scan.WATCHDOG)

    def rows(self):
        """All that the state knows."""
        with sqlite3.connect(f"file:{self.state}?mode=ro", uri=True) as state:
            return [line for line in state.iterdump()]

    def fresh(self):
        for path in (self.out, self.state, *self.directory.glob("state.db-*")):
            path.unlink(missing_ok=True)

    def same(self, arguments, result=None, **options):
        """With the exit of a good run its output, to the octet."""
        good = []

        def check(what, run):
            fine = run.returncode in (0, 1)
            stdout = re.sub(rb"'age'=\d+|\d+ seconds?", b"", run.stdout)
            seen = stdout, result() if result and fine else None
            good.append(seen) if not good else None
            if fine:
                self.assertEqual(seen, good[0], what)
            self.fresh()
            self.assertEqual([], [path.name for path in self.directory.glob("out.*")], what)

        self.fresh()
        self.every(arguments, check, **options)
        preload = os.environ.get("STARTTLS_AUDIT_PRELOAD")
        if preload:
            self.every(arguments, check, allowed=CRASHES, LD_PRELOAD=preload, **LIBRARIES,
                       **options)

    def written(self):
        return self.out.read_bytes()

    def test_audit(self):
        self.same(["audit", self.old])
        self.same(["audit", "--baseline", self.old, self.new])

    def test_check(self):
        self.same(["check", "--from", self.old, "--max-age", "9999d", "--critical", "critical",
                   "--warning", "critical", self.host], trouble=3)

    def test_diff(self):
        self.same(["diff", self.old, self.new], samples=3 * SAMPLES)
        self.same(["diff", "--json", "--all", self.old, self.new], samples=3 * SAMPLES)

    def test_export(self):
        for form in FORMATS:
            if form != "html":  # a larger table of what is the same may be refused: nothing is lost
                self.same(["export", "--format", form, "-o", self.out, self.old], self.written)
        self.every(["export", "--format", "html", "-o", self.out, self.old], lambda *_: None)

    def test_merge(self):
        self.same(["merge", "-o", self.out, self.old], self.written)

    def test_state(self):
        self.same(["state", "rebuild", self.state, self.old, self.new], self.rows,
                  samples=3 * SAMPLES)
        self.same(["state", "add", self.state, self.old, self.new], self.rows)

    def test_dry_run(self):
        self.same(["scan", "--dry-run", "10.0.0.0/16", "a.test", "b.test"])


if __name__ == "__main__":
    main()
