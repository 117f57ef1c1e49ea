# SPDX-License-Identifier: MIT
"""How a run goes over many hosts: order, workers, shards, limits, silence, and servers that have had enough.

Rates and delays are tried under a clock of the test's own (tests/unit/test_engine.c, test_pace.c). Here it is shown that
the program does the same with real sockets.
"""

import ipaddress
import json
import os
import signal
import subprocess
import sys
import unittest
from collections import Counter
from datetime import datetime, timedelta

import scan
from case import main
from facts import difference, sound
import facts
from played import Farm

# Whatever two runs over the same servers may differ in.
PASSING = {"run_id", "time", "duration_ms"}


def timeless(record):
    return json.dumps({name: value for name, value in record.items() if name not in PASSING},
                      sort_keys=True)


def everything(records):
    return Counter(map(timeless, records))


class Whole(unittest.TestCase):
    """One net of servers, scanned whole and in parts, by one thread and by many."""

    BITS = 23

    @classmethod
    def setUpClass(cls):
        cls.farm = Farm()
        cls.addClassCleanup(cls.farm.close)
        cls.net = ipaddress.ip_network(f"{cls.farm.net}.0/24")
        cls.farm.add("imap", address=f"{cls.net}", port=11143)
        cls.farm.add("imap", "implicit", address=f"{cls.net}", port=11993)
        cls.farm.start()
        cls.target = f"{cls.net}"
        cls.ports = ["--services", "imap/insecure", "--ports",
                     "imap/insecure:11143,imap/implicit:11993,smtp/insecure:11025"]
        cls.whole = cls.scan()

    @classmethod
    def scan(cls, *options, targets=None, exit_code=0):
        return scan.run("--ca-file", cls.farm.ca_file, *cls.ports, *options,
                        *(targets or [cls.target]), exit_code=exit_code)

    @staticmethod
    def hosts(run):
        order = []
        for record in run.records:
            if not order or order[-1] != record["endpoint"]["ip"]:
                order.append(record["endpoint"]["ip"])
        return order

    def test_every_host_once(self):
        hosts = self.hosts(self.whole)
        self.assertEqual(sorted(hosts, key=ipaddress.ip_address),
                         [str(address) for address in self.net])
        self.assertEqual(self.whole.end["hosts"], {"scanned": 256, "answered": 256})

    def test_workers_see_the_same(self):
        for workers in (1, 2, 5):
            run = self.scan("--workers", workers)
            self.assertEqual(everything(run.records), everything(self.whole.records))
            self.assertEqual(run.end["endpoints"], self.whole.end["endpoints"])
            self.assertEqual(run.end["findings"], self.whole.end["findings"])

    def test_networks_belong_to_one_worker(self):
        run = self.scan("--workers", "3", "--per-net", "4")
        self.assertEqual(everything(run.records), everything(self.whole.records))

    def test_the_order_is_the_seed_s(self):
        one = ["--concurrency", "1", "--workers", "1", "--facts", "capabilities"]
        first, again, other = (self.hosts(self.scan(*one, "--seed", seed)) for seed in (7, 7, 8))
        self.assertEqual(first, again)
        self.assertNotEqual(first, other)
        self.assertEqual(sorted(first), sorted(other))
        neighbours = sum(int(ipaddress.ip_address(b)) - int(ipaddress.ip_address(a)) == 1
                         for a, b in zip(first, first[1:]))
        self.assertLess(neighbours, 20)

    def test_ordered_is_ascending(self):
        run = self.scan("--ordered", "--concurrency", "1", "--workers", "1", "--facts", "capabilities")
        self.assertEqual(self.hosts(run), [str(address) for address in self.net])
        self.assertIsNone(run.start["seed"])

    def test_shards_are_the_whole(self):
        for count in (1, 3, 7):
            runs = [self.scan("--shard", f"{i}/{count}") for i in range(count)]
            together = [record for run in runs for record in run.records]
            self.assertEqual(everything(together), everything(self.whole.records))
            for i, run in enumerate(runs):
                self.assertEqual(run.start["shard"], {"index": i, "count": count})
                self.assertEqual(run.start["options_sha256"], runs[0].start["options_sha256"])
                self.assertEqual(len({record["endpoint"]["ip"] for record in run.records}) * 4,
                                 len(run.records), "all ports of a host are in one shard")

    def test_shards_of_a_stream_are_the_whole(self):
        lines = "".join(f"{address}\n" for address in self.net).encode()
        runs = [scan.run("--ca-file", self.farm.ca_file, *self.ports, "--shard", f"{i}/4", "-",
                         stdin=lines) for i in range(4)]
        hosts = [host for run in runs for host in self.hosts(run)]
        self.assertEqual(sorted(hosts), sorted(map(str, self.net)))
        self.assertEqual([run.end["hosts"]["scanned"] for run in runs], [64] * 4)

    def test_a_dry_run_says_how_much_is_ours(self):
        done = subprocess.run(scan.command("--dry-run", "--shard", "1/3", "--services", "imap",
                                           self.target), capture_output=True, text=True)
        self.assertEqual(done.stdout.splitlines()[-2:],
                         ["256 hosts, 512 endpoints", "shard 1/3: 85 hosts"])

    def test_a_shard_that_is_none(self):
        for text in ("3/3", "1", "a/b", "-1/3", "1/0", "1/3x"):
            self.assertIn("--shard", scan.refused("--shard", text, self.target))

    def test_an_end_in_good_order(self):
        run = self.scan("--max-duration", "0.3", "--rate", "60", exit_code=3)
        self.assertFalse(run.end["complete"])
        self.assertEqual(run.end["stopped_by"], "deadline")
        self.assertEqual(len(run.records), run.end["endpoints"]["recorded"])
        self.assertLess(run.end["hosts"]["scanned"], 256)

    def test_a_low_rate_is_not_shared_out(self):
        """Many workers with a share each would all begin at once."""
        run = scan.run("--workers", "4", "--rate", "4", "--facts", "capabilities",
                       *(f"{address}:11143/imap" for address in list(self.net)[:8]))
        begun = sorted(datetime.fromisoformat(record["time"]) for record in run.records)
        self.assertEqual(len(begun), 8)
        self.assertGreater(begun[3] - begun[0], timedelta(seconds=0.3), "it is due after 0.65")

    def test_a_signal_ends_all_workers(self):
        line = scan.command("--workers", "4", "--rate", "400", *self.ports, self.target)
        process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        first = process.stdout.readline()  # run_start
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=scan.WATCHDOG)
        run = scan.parsed(first + output, errors, process.returncode, 3)
        self.assertEqual(run.end["stopped_by"], "signal")
        self.assertLess(run.end["hosts"]["scanned"], 256)


class HadEnough(unittest.TestCase):
    """Servers that let us in a few times, and then do not."""

    def test_two_connections_a_minute(self):
        """All is known in the end, and nothing is a "no" that was not one."""
        with Farm() as farm:
            servers = [farm.add("imap", limit="2/60"),
                       farm.add("imap", "implicit", limit="2/60", address=farm.address()),
                       farm.add("smtp", limit="2/60", address=farm.address())]
            farm.start()
            run = scan.run("--ca-file", farm.ca_file, "--patience", "300", *farm.targets(),
                           watchdog=900)
            stats = farm.stop()
            for server in servers:
                self.assertEqual([], difference(facts.of(run.endpoints[server.at()]),
                                                sound(farm, server)), server)
                self.assertLessEqual(stats[server.at()]["busy"], 4, "asked ever more slowly")

    def test_without_patience_it_is_not_known(self):
        with Farm() as farm:
            server = farm.add("imap", limit="2/60")
            farm.start()
            run = scan.run("--ca-file", farm.ca_file, *farm.targets())
            record = run.endpoints[server.at()]
            self.assertEqual(record["status"], "ok")
            open_versions = [row for row in record["tls"]["versions"]
                             if row["status"] not in ("accepted", "rejected")]
            self.assertTrue(open_versions)
            self.assertEqual({row["reason"] for row in open_versions}, {"rate_limited"})


class Silence(unittest.TestCase):
    """Hosts from which nothing ever comes back, in a network of their own."""

    INSIDE = "STARTTLS_AUDIT_SILENCE"

    def test_a_wave_of_timeouts_is_all_it_costs(self):
        """64 hosts with ten ports each: all of them are tried at once."""
        if not os.environ.get(self.INSIDE):
            self.enter()
            return
        for words in ("link set lo up", "link add out type veth peer name in", "link set out arp off",
                      "link set in up", "address add 10.77.0.1/24 dev out", "link set out up"):
            subprocess.run(["ip", *words.split()], check=True)
        run = scan.run("--all", "--connect-timeout", "2", "--concurrency", "640", "--workers", "1",
                       "10.77.0.128/26", exit_code=3)
        self.assertEqual(len(run.records), 640)
        self.assertEqual({record["status"] for record in run.records}, {"timeout"})
        self.assertEqual({record["connections"] for record in run.records}, {1})
        begun = sorted(record["time"] for record in run.records)
        self.assertEqual(run.end["hosts"], {"scanned": 64, "answered": 0})
        first, last = (sum(float(part) * unit for part, unit in
                           zip(time[11:-1].split(":"), (3600, 60, 1))) for time in (begun[0], begun[-1]))
        self.assertLess((last - first) % 86400, 2, "all were begun before any was given up")

    def enter(self):
        line = ["unshare", "--net", sys.executable, __file__, "Silence"]
        if subprocess.run(["unshare", "--net", "true"], capture_output=True).returncode != 0:
            self.skipTest("network namespaces do not work here")
        if subprocess.run(["ip", "-V"], capture_output=True).returncode != 0:
            self.skipTest("ip (iproute2) is not installed")
        done = subprocess.run(line, env={**os.environ, self.INSIDE: "yes"}, capture_output=True,
                              text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    main()
