# SPDX-License-Identifier: MIT
"""Every command with hardly a descriptor to spare: it does what it should, or ends with 2 and says
why."""

import os
import resource
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import scan
from case import main
from played import Farm

LIMITS = range(4, 21)
FORMATS = ("html", "prometheus", "csv", "csv-endpoints", "defectdojo", "junit", "sarif", "ecs")


class Descriptors(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.program = scan.named_file("STARTTLS_AUDIT")
        cls.directory = Path(tempfile.mkdtemp(prefix="descriptors-"))
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        cls.records = cls.directory / "records.ndjson"
        cls.farm = Farm()
        cls.addClassCleanup(cls.farm.close)
        cls.server = cls.farm.add("imap", "clear")
        cls.farm.start()
        line = scan.command("-o", cls.records, cls.server.target())
        subprocess.run(line, check=True, capture_output=True, timeout=scan.WATCHDOG)

    def run_with(self, limit, arguments):
        def few():
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))

        return subprocess.run([self.program, *map(str, arguments)], stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=scan.WATCHDOG,
                              env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"},  # needs some
                              preexec_fn=few if limit else None)

    def sparing(self, arguments, codes=(0, 1, 3), trouble=2, same=True):
        """codes: with which it did something; same: and said what it says with any number."""
        good = self.run_with(0, arguments)
        self.assertIn(good.returncode, codes, good.stderr)
        for limit in LIMITS:
            with self.subTest(command=arguments[:3], descriptors=limit):
                done = self.run_with(limit, arguments)
                if done.returncode == trouble:
                    self.assertNotEqual((done.stderr + done.stdout).strip(), b"", "without a word")
                    continue
                self.assertIn(done.returncode, codes, done.stderr)
                if same:
                    self.assertEqual((done.returncode, done.stdout), (good.returncode, good.stdout))

    def test_readers(self):
        state = self.directory / "readers.db"
        subprocess.run([self.program, "state", "rebuild", state, self.records], check=True,
                       capture_output=True, timeout=scan.WATCHDOG)
        for arguments in (["audit", self.records], ["diff", self.records, self.records],
                          ["diff", "--state", state], ["merge", self.records],
                          ["state", "runs", state], ["state", "check", state], ["rules"],
                          ["services"], ["--version"],
                          *(["export", "--format", form, self.records] for form in FORMATS)):
            self.sparing(arguments)

    def test_state(self):
        for limit in LIMITS:
            with self.subTest(descriptors=limit):
                state = self.directory / f"{limit}.db"
                done = self.run_with(limit, ["state", "add", state, self.records])
                self.assertIn(done.returncode, (0, 2), done.stderr)
                if done.returncode == 2:
                    self.assertNotEqual(done.stderr.strip(), b"", "without a word")
                else:
                    runs = self.run_with(0, ["state", "runs", state])
                    self.assertEqual(len(runs.stdout.splitlines()), 2, runs.stdout)

    def test_check(self):
        """A plugin: what it cannot find out is UNKNOWN, and never CRITICAL."""
        address = self.server.address
        for arguments in (["check", "--from", self.records, "--max-age", "9999d", address],
                          ["check", "--services", "imap:10143", address]):
            good = self.run_with(0, arguments).returncode
            for limit in LIMITS:
                with self.subTest(command=arguments[1], descriptors=limit):
                    done = self.run_with(limit, arguments)
                    self.assertIn(done.returncode, (good, 3), done.stdout + done.stderr)
                    self.assertNotEqual((done.stdout + done.stderr).strip(), b"")

    def test_scan(self):
        for options in ((), ("--workers", "2"), ("--state", self.directory / "scan.db")):
            self.sparing(["scan", "--json", "--patience", "0", *options, self.server.target()],
                         same=False)
        self.sparing(["scan", "--dry-run", "192.0.2.1", "a.test"])


if __name__ == "__main__":
    main()
