# SPDX-License-Identifier: MIT
"""A call of a library does not return, or a write blocks: a signal and --max-duration end the run
all the same, it says so, and can be resumed.

STARTTLS_AUDIT_FAILING names the program whose gnutls_handshake() does so when it is told to
(tests/failing).
"""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

import scan
from case import main
from played import Farm

HOSTS = 12


class Watchdog(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.farm = Farm()
        cls.addClassCleanup(cls.farm.close)
        for _ in range(HOSTS):
            cls.farm.add("imap", "clear")
        cls.farm.start()

    def setUp(self):
        self.directory = Path(tempfile.mkdtemp(prefix="watchdog-"))
        self.addCleanup(shutil.rmtree, self.directory)
        self.records = self.directory / "run.ndjson"
        self.state = self.directory / "state.db"
        self.sign = self.directory / "sign"

    def begin(self, *options, handshake, **pipes):
        """A scan whose handshake of that number hangs."""
        line = scan.command("--json", "--quiet", *options, *self.farm.targets())
        line[0] = scan.named_file("STARTTLS_AUDIT_FAILING")
        hanging = {"FAILING_HANDSHAKE": str(handshake), "FAILING_SIGN": str(self.sign)}
        process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                   env={**os.environ, **hanging}, **pipes)
        self.addCleanup(lambda: process.poll() is None and process.kill())
        return process

    def until(self, process, happened):
        while not happened():
            if process.poll() is not None:
                self.fail(process.communicate()[1].decode())
            time.sleep(0.05)

    def ended(self, process):
        _, said = process.communicate(timeout=scan.WATCHDOG)
        self.assertEqual(process.returncode, 2, said)
        self.assertIn(b"does not end", said)

    def resumed(self):
        """A sound program goes on from what was written."""
        line = scan.command("--resume", self.records, "-o", self.records, "--state", self.state,
                            *self.farm.targets())
        done = subprocess.run(line, capture_output=True, timeout=scan.WATCHDOG)
        self.assertEqual(done.returncode, 0, done.stderr)
        records = [json.loads(record) for record in self.records.read_bytes().splitlines()]
        keys = [record["endpoint"]["key"] for record in records if record["type"] == "endpoint"]
        self.assertEqual(len(set(keys)), HOSTS)
        self.assertTrue(records[-1]["complete"])
        with sqlite3.connect(self.state) as state:
            self.assertEqual(state.execute("PRAGMA integrity_check").fetchall(), [("ok",)])

    def hangs(self):
        return self.sign.exists() and self.sign.stat().st_size > 0

    def hang(self, *options, handshake=1, number=signal.SIGTERM):
        process = self.begin("-o", self.records, "--state", self.state, *options,
                             handshake=handshake)
        self.until(process, self.hangs)
        if number:
            process.send_signal(number)
        self.ended(process)
        self.resumed()

    def test_signal(self):
        self.hang("--workers", "1")

    def test_signal_late(self):
        self.hang("--workers", "1", "--concurrency", "1", handshake=20, number=signal.SIGINT)

    def test_signal_with_workers(self):
        self.hang("--workers", "2")

    def test_deadline(self):
        self.hang("--workers", "1", "--max-duration", "1", number=None)

    def test_deadline_with_workers(self):
        self.hang("--workers", "2", "--max-duration", "1", number=None)

    def test_nobody_reads(self):
        """The pipe is full of earlier octets: the first record blocks the loop."""
        out, into = os.pipe()
        self.addCleanup(os.close, out)
        os.set_blocking(into, False)
        try:
            while True:
                os.write(into, b"\n" * 4096)
        except BlockingIOError:
            os.set_blocking(into, True)
        for options in (("--workers", "1"), ("--workers", "2")):
            process = self.begin(*options, handshake=0, stdout=into)
            # It has caught the signal once its other thread is there.
            self.until(process, lambda: len(os.listdir(f"/proc/{process.pid}/task")) > 1)
            process.send_signal(signal.SIGTERM)
            self.ended(process)
        os.close(into)


if __name__ == "__main__":
    main()
