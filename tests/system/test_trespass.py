# SPDX-License-Identifier: MIT
"""A library is taken over while it reads what a stranger wrote: what it then does beyond a scan ends
the process, or is refused, in every command.

STARTTLS_AUDIT_FAILING names the program whose libraries do so when the test says it (tests/failing).
"""

import os
import shutil
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path

import scan
from case import main
from played import Farm

WENT_WELL, REFUSED, ENDED = 99, 98, -signal.SIGSYS
ACTS = {"exec": ENDED, "fork": ENDED, "unix": ENDED, "code": ENDED, "file": REFUSED}
SANITIZED = "STARTTLS_AUDIT_PRELOAD" not in os.environ


class Trespass(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if os.environ.get("STARTTLS_AUDIT_SANDBOX") != "require":
            raise unittest.SkipTest("the system does not offer all of the sandbox: Landlock and seccomp")
        cls.program = scan.named_file("STARTTLS_AUDIT_FAILING")
        cls.directory = Path(tempfile.mkdtemp(prefix="trespass-"))
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        cls.farm = Farm()
        cls.addClassCleanup(cls.farm.close)
        cls.server = cls.farm.add("imap", "clear")
        cls.farm.start()
        cls.records = cls.directory / "run.ndjson"
        cls.state = cls.directory / "state.db"
        line = scan.command("-o", cls.records, "--state", cls.state, cls.server.target())
        subprocess.run(line, check=True, stdin=subprocess.DEVNULL, capture_output=True)

    def exits(self, arguments, act, **environment):
        done = subprocess.run([self.program, *map(str, arguments)], stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=scan.WATCHDOG,
                              env={**os.environ, **environment, "FAILING_TRESPASS": act})
        return done.returncode

    def held(self, *arguments):
        for act, end in ACTS.items():
            with self.subTest(act=act):
                self.assertEqual(self.exits(arguments, act, STARTTLS_AUDIT_SANDBOX="off"), WENT_WELL,
                                 "without a sandbox it is possible")
                if act == "fork" and SANITIZED:
                    continue  # they look for leaks from a process of their own
                self.assertEqual(self.exits(arguments, act), end)

    def test_scan(self):
        out = self.directory / "scanned.ndjson"
        for workers in "1", "4":
            self.held("scan", "--workers", workers, "-o", out, self.server.target())

    def test_check(self):
        """Of the child, that scans, and of the parent, that reads what it wrote: this exits."""
        self.held("check", self.server.target())

    def test_check_of_records(self):
        self.held("check", "--from", self.records, self.server.address)

    def test_audit(self):
        self.held("audit", "-o", self.directory / "audited.ndjson", self.records)

    def test_export(self):
        self.held("export", "--format=csv", "-o", self.directory / "run.csv", self.records)

    def test_diff(self):
        self.held("diff", self.records, self.records)

    def test_merge(self):
        self.held("merge", "-o", self.directory / "merged.ndjson", self.records)

    def test_state(self):
        self.held("state", "add", self.directory / "other.db", self.records)


if __name__ == "__main__":
    main()
