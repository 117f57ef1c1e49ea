# SPDX-License-Identifier: MIT
"""A month of nights: every change right, and none invented.

The nights are made by nights.py, and what they should bring is reckoned by oracle.py, without the
program. NIGHTS_SEED plays one month again.
"""

import json
import os
import random
import tempfile
import unittest
from pathlib import Path

import validate
from case import main
from history import diff, state
from nights import World, night, some_scan
from oracle import Change, Oracle, plain

NIGHTS = 30
SEEDS = [int(os.environ["NIGHTS_SEED"])] if "NIGHTS_SEED" in os.environ else \
    [1, 2, random.SystemRandom().randrange(2 ** 32)]


def change_of(record):
    """A change record in the oracle's words."""
    detail = next((record[name] for name in ("policy", "stage", "waiver") if name in record), None)
    return Change(record["change"], record["cause"], record["endpoint"]["key"],
                  record["endpoint"]["ip"], record["rule"], record["fingerprint"],
                  record["severity"], record["before"], record["after"], record["reason"], detail)


def month(seed, calm):
    """The nights, and what each should bring."""
    world, oracle, chance = World(seed), Oracle(), random.Random(f"{seed} scans")
    for number in range(NIGHTS):
        world.live()
        scan = some_scan(world, number, chance, calm)
        noise = frozenset() if calm else frozenset(
            (f"imap://{host.name}:{port}", address) for host in world.hosts
            for address, port in sorted(host.services) if chance.random() < 0.05)
        tonight = night(world, scan, number, oracle.known(), noise, chance)
        yield tonight, [change._replace(before=plain(change.before), after=plain(change.after))
                        for change in oracle.expect(tonight)]


class Months(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)
        self.state = self.directory / "state.db"

    def play(self, seed, calm):
        print(f"NIGHTS_SEED={seed}", flush=True)
        nights, files = [], []
        for tonight, expected in month(seed, calm):
            problems = validate.check_run(tonight.lines)
            self.assertEqual(problems, [], f"night {tonight.number}")
            file = self.directory / f"{tonight.number}.ndjson"
            file.write_bytes(tonight.lines)
            files.append(file)
            nights.append((tonight, expected))
        state("add", self.state, *files)
        told = 0
        for tonight, expected in nights:
            told += self.check(tonight, expected, seed)
        return told

    def check(self, tonight, expected, seed):
        output, _ = diff("--json", "--state", self.state, "--run", tonight.run_id,
                         code=1 if expected else 0)
        records = [json.loads(line) for line in output.splitlines()]
        for record in records:
            self.assertEqual(validate.check_record(record), [], record)
        seen = [change_of(record) for record in records]
        where = f"night {tonight.number} of NIGHTS_SEED={seed}, {tonight.scan}"
        missing = [change for change in expected if change not in seen]
        invented = [change for change in seen if change not in expected]
        self.assertEqual((missing, invented), ([], []), f"{where}\nmissing, and invented")
        self.assertEqual(len(seen), len(expected), where)
        self.assertEqual([c.key for c in seen], sorted(c.key for c in seen), "the order")
        return len(seen)

    def test_calm_months(self):
        """Every night asks all, and comes to its end."""
        for seed in SEEDS:
            with self.subTest(seed=seed):
                self.assertGreater(self.play(seed, calm=True), 100)
                self.state.unlink()

    def test_rough_months(self):
        """Nights that ask less or otherwise, are stopped, or know little."""
        for seed in SEEDS:
            with self.subTest(seed=seed):
                self.assertGreater(self.play(seed, calm=False), 100)
                self.state.unlink()


if __name__ == "__main__":
    main()
