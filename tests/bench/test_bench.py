# SPDX-License-Identifier: MIT
"""The benchmark itself, with a handful of endpoints: whether all works are done by those means that
its figures stand for. How long anything takes is not looked at."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

BENCH = Path(__file__).with_name("bench.py")
BUILD = os.environ["STARTTLS_AUDIT_BUILD"]


def measured():
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "figures.json"
        done = subprocess.run(
            [sys.executable, BENCH, "--build", BUILD, "--runs", "1", "--count", "0.4",
             "--json", path],
            capture_output=True, text=True, env=dict(os.environ, PATH="/nonexistent"))
        if done.returncode != 0:
            raise AssertionError(done.stdout + done.stderr)
        return json.loads(path.read_text()), done.stdout


class BenchTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.figures, cls.table = measured()
        cls.works = {work["work"]: work for work in cls.figures["works"]}

    def served(self, work, **expected):
        for seen, times in expected.items():
            self.assertEqual(self.works[work]["served"][seen], times, f"{work}: {seen}")

    def test_all_works_are_there_and_done(self):
        self.assertEqual(list(self.works), ["e", "a", "b", "b-rsa", "c", "c-clear",
                                            "d", "d-implicit", "q", "q-implicit", "f"])
        for key, work in self.works.items():
            self.assertIsNone(work["complaint"], key)
            self.assertNotIn("NOT AS IT SHOULD BE", self.table)
            for figure in ("cpu_us", "bare_us", "ratio", "per_second", "peak_kib", "descriptors"):
                self.assertGreater(work[figure], 0, f"{key}: {figure}")
            self.assertIn(work["title"], self.table)

    def test_each_work_is_what_it_says(self):
        self.served("e", accepted=0)
        self.served("a", accepted=1, plain=1, questions=0)
        self.served("b", accepted=1, full=1)
        self.served("b-rsa", accepted=1, full=1)
        self.served("f", accepted=1, plain=1, questions=2)
        for work in ("c", "c-clear", "q", "q-implicit"):
            self.served(work, plain=0, full=0, resumed=0,
                        hellos=self.works[work]["served"]["accepted"])
            self.assertGreaterEqual(self.works[work]["served"]["hellos"], 3, work)
        for work in ("d", "d-implicit"):
            self.assertGreaterEqual(self.works[work]["served"]["full"], 1, work)

    def test_records_and_the_serving_side_count_the_same_connections(self):
        for key, work in self.works.items():
            if key != "e":
                self.assertEqual(work["connections"], work["served"]["accepted"], key)

    def test_the_minimal_client_is_made_of_what_was_measured(self):
        minimal = self.figures["minimal"]
        for key, work in self.works.items():
            bare = sum(minimal[piece] * times for piece, times in work["minimal"].items())
            self.assertAlmostEqual(bare, work["bare_us"], msg=key)

    def test_memory_is_that_of_connections_that_were_open_at_once(self):
        for held in self.figures["memory"]["held"]:
            few, many = held["connections"]
            self.assertTrue(0 < few <= 8 and few < many <= 32, held)
            self.assertGreater(held["peak_kib"][0], 0, held)

    def test_what_is_not_installed_is_said_to_be(self):
        self.assertEqual({peer["why"] for peer in self.figures["peers"]}, {"not installed"})


if __name__ == "__main__":
    unittest.main()
