# SPDX-License-Identifier: MIT
"""Night after night: `scan --state` and what belongs to it.

Servers come, go, are silent, are excluded and are taken out of scope, and every night's records, state
and changes say so; runs overlap, are interrupted and killed. The changes of a night are those that the
command of --on-change gets.
"""

import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest
from collections import Counter
from contextlib import closing
from pathlib import Path

import scan
from case import ServerCase, main
from certificates import Authority
from nameserver import NXDOMAIN, NameServer
from played import Farm
from servers import Dovecot, Postfix, rights_missing

NAME = re.compile(r"\d{4}-\d\d-\d\dT\d{6}Z-[0-9a-f-]{36}\.ndjson")


def program(*arguments, code=0, **options):
    done = subprocess.run([scan.named_file("STARTTLS_AUDIT"), *map(str, arguments)],
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=scan.WATCHDOG, **options)
    assert done.returncode == code, f"{arguments}: exit {done.returncode}, not {code}: {done.stderr.decode()}"
    return done.stdout


def opened(database):
    return closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True))


def dump(database):
    """All rows of a state, by table; a change of the schema needs no change here."""
    with opened(database) as connection:
        tables = [name for name, in connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")]
        return {name: sorted(map(repr, connection.execute(f'SELECT * FROM "{name}"')))
                for name in tables}


def lines_of(path):
    return [json.loads(line) for line in path.read_bytes().splitlines()]


class Night:
    """What one run left behind."""

    def __init__(self, run, changes, path, errors):
        self.run, self.changes, self.path, self.errors = run, changes, path, errors
        self.not_asked = {record["endpoint"]["key"]: record["reason"] for record in lines_of(path)
                          if record["type"] == "not_asked"}

    def status(self, key):
        return {record["endpoint"]["ip"]: record["status"] for record in self.run.records
                if record["endpoint"]["key"] == key}

    def of_endpoints(self):
        """The changes of endpoints alone, and not of their facts and findings."""
        return {(change["change"], change["endpoint"]["key"]) for change in self.changes
                if change["change"].startswith("endpoint_")}

    def of_findings(self, kind):
        return {(change["endpoint"]["key"], change["rule"]) for change in self.changes
                if change["change"] == f"finding_{kind}"}


class Case(unittest.TestCase):
    def setUp(self):
        self.directory = Path(tempfile.mkdtemp(prefix="nightly-"))
        self.addCleanup(shutil.rmtree, self.directory)
        self.state = self.directory / "state.db"
        self.shelf = self.directory / "records"
        self.shelf.mkdir()
        self.told = self.directory / "told"

    def farm(self):
        farm = Farm()
        self.addCleanup(farm.close)
        return farm

    def server(self, protocol="imap", mode="clear", **script):
        """A farm of one server that can be stopped and started by itself."""
        farm = self.farm()
        server = farm.add(protocol, mode, **script)
        farm.start()
        return farm, server

    def line(self, *options):
        return scan.command("--state", self.state, "--records-dir", self.shelf, *options)

    def files(self):
        return sorted(self.shelf.iterdir())

    def night(self, *options, code=0, stdin=None, before=()):
        known = set(self.files()) - set(before)
        self.told.unlink(missing_ok=True)
        source = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
        done = subprocess.run(self.line("--on-change", f'cp "$STARTTLS_AUDIT_CHANGES" {self.told}', *options),
                              capture_output=True, timeout=scan.WATCHDOG, **source)
        new = set(self.files()) - known
        self.assertEqual(len(new), 1, done.stderr.decode())
        path, = new
        self.assertRegex(path.name, NAME)
        run = scan.parsed(path.read_bytes(), done.stderr, done.returncode, code)
        changes = lines_of(self.told) if self.told.exists() else []
        return Night(run, changes, path, done.stderr.decode())

    def assert_rebuilt(self):
        """The files that are on the shelf make the same state."""
        again = self.directory / "again.db"
        program("state", "rebuild", again, *self.files())
        self.maxDiff = None
        self.assertEqual(dump(again), dump(self.state))


def key_of(server):
    return f"{server.protocol}://{server.address}:{server.port}"


class Nights(Case):
    """What becomes of endpoints."""

    def test_come_close_and_return(self):
        (_, stays), (farm, goes), (late, comes) = self.server(), self.server("smtp"), self.server("pop3")
        targets = [server.target() for server in (stays, goes, comes)]
        late.stop()
        first = self.night(*targets)
        self.assertEqual({record["endpoint"]["key"] for record in first.run.records},
                         {key_of(stays), key_of(goes)})
        farm.stop()
        late.start()
        second = self.night(*targets)
        self.assertEqual(second.status(key_of(goes)), {goes.address: "closed"})
        self.assertEqual(second.of_endpoints(), {("endpoint_closed", key_of(goes)),
                                                 ("endpoint_new", key_of(comes))})
        self.assertEqual(second.of_findings("resolved"), set())
        self.assertEqual({key for key, _ in second.of_findings("not_observed")}, {key_of(goes)})
        third = self.night(*targets)
        self.assertEqual(third.changes, [])
        farm.start()
        fourth = self.night(*targets)
        self.assertEqual(fourth.of_endpoints(), {("endpoint_returned", key_of(goes))})
        self.assertEqual(fourth.of_findings("new"), set())
        self.assertEqual(fourth.not_asked, {})
        self.assert_rebuilt()

    def test_excluded_and_out_of_scope(self):
        (_, stays), (_, barred), (_, left) = (self.server() for _ in range(3))
        targets = [server.target() for server in (stays, barred, left)]
        exclusions = self.directory / "exclusions"
        exclusions.write_text(f"{barred.address}\n")
        self.night(*targets)
        second = self.night("-x", exclusions, *targets[:2])
        self.assertEqual(second.not_asked, {key_of(barred): "excluded", key_of(left): "out_of_scope"})
        self.assertEqual(second.of_endpoints(), {("endpoint_excluded", key_of(barred)),
                                                 ("endpoint_removed", key_of(left))})
        self.assertEqual({change["cause"] for change in second.changes}, {"scope"})
        self.assertEqual(second.of_findings("resolved"), set())
        self.assertEqual(program("audit", "--json", second.path), second.path.read_bytes())
        merged = program("merge", second.path)
        self.assertEqual(merged.count(b'"type":"not_asked"'), 2)
        scan.parsed(merged, b"", 0, 0)
        third = self.night("-x", exclusions, *targets[:2])
        self.assertEqual(third.changes, [])
        fourth = self.night(*targets)
        self.assertEqual(fourth.not_asked, {})
        self.assertEqual({key for _, key in fourth.of_endpoints()}, {key_of(barred), key_of(left)})
        self.assertEqual(fourth.of_findings("resolved"), set())
        self.assert_rebuilt()

    def test_other_services(self):
        """The same hosts, and less is asked of them."""
        farm = self.farm()
        imap = farm.add("imap")
        smtp = farm.add("smtp", address=imap.address)
        farm.start()
        self.night(imap.target(), smtp.target())
        second = self.night(imap.target())
        self.assertEqual(second.not_asked, {key_of(smtp): "out_of_scope"})

    def test_nothing_is_known_of_a_run_that_was_stopped(self):
        """Whoever was not asked may only have had to wait."""
        farm = self.farm()
        servers = [farm.add("imap") for _ in range(12)]
        farm.start()
        self.night(*(server.target() for server in servers))
        part = self.night("--rate", "5", "--max-duration", "0.5", servers[0].target(),
                          *(server.target() for server in servers[:-1]), code=3)
        self.assertEqual(part.not_asked, {})
        self.assertEqual({change["change"] for change in part.changes} &
                         {"endpoint_removed", "endpoint_closed", "endpoint_unreachable"}, set())
        self.assert_rebuilt()

    def test_names(self):
        """A name that moves, is excluded at one of its addresses, and is no more."""
        farm = self.farm()
        one, other, third = (farm.add("imap") for _ in range(3))
        farm.start()
        names = {"mail.demo.test": [one.address]}
        server = NameServer(one.address, names)
        self.addCleanup(server.close)
        key = f"imap://mail.demo.test:{one.port}"
        target = f"mail.demo.test:{one.port}/imap"
        options = ["--resolver", server.at, target]
        exclusions = self.directory / "exclusions"
        self.assertEqual(self.night(*options).status(key), {one.address: "ok"})
        names["mail.demo.test"] = [other.address]
        moved = self.night(*options)
        self.assertEqual((moved.status(key), moved.not_asked), ({other.address: "ok"}, {}))
        names["mail.demo.test"] = [other.address, third.address]
        exclusions.write_text(f"{third.address}\n")
        self.night(*options)
        less = self.night("-x", exclusions, *options)
        self.assertEqual((less.status(key), less.not_asked), ({other.address: "ok"}, {key: "excluded"}))
        names["mail.demo.test"] = NXDOMAIN
        gone = self.night(*options, code=3)
        self.assertEqual(gone.status(key), {None: "dns_error"})
        self.assertIn(("endpoint_unreachable", key), gone.of_endpoints())
        self.assert_rebuilt()

    def test_all_addresses_of_a_name_are_recorded(self):
        """Which ones a name has is only known from its records."""
        farm = self.farm()
        live = farm.add("imap")
        farm.start()
        dead = farm.address()
        server = NameServer(live.address, {"half.demo.test": [live.address, dead]})
        self.addCleanup(server.close)
        for _ in range(2):
            night = self.night("--resolver", server.at, f"half.demo.test:{live.port}/imap")
            self.assertEqual(night.status(f"imap://half.demo.test:{live.port}"),
                             {live.address: "ok", dead: "closed"})

    def test_stream(self):
        """Targets from standard input are a scope like any other."""
        (_, stays), (_, left) = self.server(), self.server()
        self.night("-", stdin=f"{stays.target()}\n{left.target()}\n".encode())
        second = self.night("-", stdin=f"{stays.target()}\n".encode())
        self.assertEqual(second.not_asked, {key_of(left): "out_of_scope"})

    def test_a_stream_with_a_bad_line_proves_nothing(self):
        (_, stays), (_, left) = self.server(), self.server()
        self.night("-", stdin=f"{stays.target()}\n{left.target()}\n".encode())
        second = self.night("-", stdin=f"{stays.target()}\n{left.target()}bad\n".encode(), code=2)
        self.assertEqual(second.not_asked, {})

    def test_what_a_port_scanner_did_not_find_is_not_out_of_scope(self):
        (_, stays), (farm, goes) = self.server(), self.server()
        found = [f"open tcp {server.port} {server.address} 1795455841\n" for server in (stays, goes)]
        ports = ["--ports", f"imap/insecure:{stays.port}", "-"]
        self.night(*ports, stdin="".join(found).encode())
        farm.stop()
        second = self.night(*ports, stdin=found[0].encode())
        self.assertEqual(second.not_asked, {})
        self.assertNotIn(("endpoint_removed", key_of(goes)), second.of_endpoints())

    def test_a_table_for_people(self):
        """The state hears of everything, though there are no records."""
        _, server = self.server()
        line = scan.command("--state", self.state, "--table", server.target())
        done = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, timeout=scan.WATCHDOG)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertIn(server.address.encode(), done.stdout)
        self.assertEqual(self.night(server.target()).changes, [])


class ManyNights(Case):
    """Chance decides what becomes of each server in each night; NIGHTS_SEED repeats it."""

    NIGHTS, SERVERS = 16, 8
    FATES = ["up", "up", "down", "excluded", "left"]
    TOLD = {"up": "endpoint_returned", "down": "endpoint_closed", "excluded": "endpoint_excluded",
            "left": "endpoint_removed"}

    def test_nights(self):
        seed = int(os.environ.get("NIGHTS_SEED", random.SystemRandom().randrange(2 ** 32)))
        print(f"NIGHTS_SEED={seed}", flush=True)
        chance = random.Random(seed)
        played = [self.server(chance.choice(["imap", "smtp", "pop3"])) for _ in range(self.SERVERS)]
        exclusions = self.directory / "exclusions"
        before = {}  # what was last known of each that was ever seen
        for number in range(self.NIGHTS):
            fates = {server: chance.choice(self.FATES) for _, server in played}
            for farm, server in played:
                if (farm.process is not None) != (fates[server] == "up"):
                    farm.stop() if farm.process else farm.start()
            exclusions.write_text("".join(f"{server.address}\n" for server, fate in fates.items()
                                          if fate == "excluded"))
            night = self.night("--facts", "capabilities", "-x", exclusions, "127.67.2.1:143/imap",
                               *(server.target() for server, fate in fates.items() if fate != "left"),
                               code=0 if "up" in fates.values() else 3)
            self.check(number, night, before, fates)
            before.update({server: fate for server, fate in fates.items()
                           if server in before or fate == "up"})
        self.assert_rebuilt()

    def check(self, number, night, before, fates):
        told = {key: change for change, key in night.of_endpoints()}
        self.assertEqual(len(told), len(night.of_endpoints()), f"night {number}: {night.of_endpoints()}")
        for server, fate in fates.items():
            key, was = key_of(server), before.get(server)
            with self.subTest(night=number, key=key, was=was, fate=fate):
                seen = {"up": {server.address: "ok"}, "down": {server.address: "closed"}}.get(fate, {})
                reason = {"excluded": "excluded", "left": "out_of_scope"}.get(fate)
                change = self.TOLD[fate] if was and was != fate else None
                if not was and fate == "up" and number:
                    change = "endpoint_new"
                self.assertEqual(night.status(key), seen if was or fate == "up" else {})
                self.assertEqual(night.not_asked.get(key), reason if was else None)
                self.assertEqual(told.get(key), change)
        kinds = {change["change"] for change in night.changes}
        self.assertLessEqual(kinds, {"endpoint_new", *self.TOLD.values(), "finding_new", "finding_not_observed"})
        self.assertLessEqual({key for key, _ in night.of_findings("new")},
                             {key for key, change in told.items() if change == "endpoint_new"})
        self.assertLessEqual({key for key, _ in night.of_findings("not_observed")},
                             {key for key, change in told.items() if change != "endpoint_returned"})


class Silence(Case):
    """Hosts from which nothing ever comes back, in a network of their own."""

    INSIDE = "STARTTLS_AUDIT_SILENT_NIGHT"
    KNOWN, NEVER = "10.67.0.2", "10.67.0.3"

    def test_silent_hosts_are_recorded_once_they_are_known(self):
        if not os.environ.get(self.INSIDE):
            self.enter()
            return
        for words in ("link set lo up", "link add out type veth peer name in", "link set out arp off",
                      "link set in up", "address add 10.67.0.1/24 dev out", "link set out up",
                      f"address add {self.KNOWN}/32 dev lo"):
            subprocess.run(["ip", *words.split()], check=True)
        farm = self.farm()
        server = farm.add("imap", address=self.KNOWN)
        farm.start()
        options = ["--connect-timeout", "2", "--services", "imap/insecure", "--ports",
                   f"imap/insecure:{server.port}", self.KNOWN, self.NEVER]
        first = self.night(*options)
        self.assertEqual(Counter(record["endpoint"]["host"] for record in first.run.records),
                         {self.KNOWN: 2})
        farm.stop()
        subprocess.run(["ip", "address", "del", f"{self.KNOWN}/32", "dev", "lo"], check=True)
        second = self.night(*options, code=3)
        self.assertEqual({record["endpoint"]["key"]: record["status"] for record in second.run.records},
                         {f"imap://{self.KNOWN}:143": "timeout", key_of(server): "timeout"})
        self.assertIn(("endpoint_unreachable", key_of(server)), second.of_endpoints())
        self.assertEqual(second.of_findings("resolved"), set())
        self.assertEqual({key for key, _ in second.of_findings("not_observed")}, {key_of(server)})
        self.assert_rebuilt()

    def enter(self):
        line = ["unshare", "--net", sys.executable, __file__, "Silence"]
        if subprocess.run(["unshare", "--net", "true"], capture_output=True).returncode != 0:
            self.skipTest("network namespaces do not work here")
        if subprocess.run(["ip", "-V"], capture_output=True).returncode != 0:
            self.skipTest("ip (iproute2) is not installed")
        done = subprocess.run(line, env={**os.environ, self.INSIDE: "yes"}, capture_output=True,
                              text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


class Interrupted(Case):
    """However a run ends, its records and the state are one and the same.

    Only changes of a second run are changes, so most begin with a night that has fewer targets.
    """

    def setUp(self):
        super().setUp()
        self.played = self.farm()
        self.servers = [self.played.add("imap") for _ in range(30)]
        self.played.start()
        self.targets = ["--facts", "capabilities", "--seed", "7",
                        *(server.target() for server in self.servers)]
        self.fewer = self.targets[:-25]
        self.new = {("endpoint_new", key_of(server)) for server in self.servers[-25:]}

    def begin(self, *options):
        process = subprocess.Popen(self.line(*options, *self.targets), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(self.end, process, signal.SIGKILL)
        return process

    @staticmethod
    def end(process, number):
        if process.returncode is None:
            process.send_signal(number)
            process.errors = process.communicate(timeout=scan.WATCHDOG)[1].decode()
        return process.returncode

    def part(self):
        """The file of the run that is under way."""
        parts = list(self.shelf.glob("*.part"))
        self.assertLessEqual(len(parts), 1)
        return parts[0] if parts else None

    def await_records(self, process, count=3):
        while not (self.part() and self.part().read_bytes().count(b'"type":"endpoint"') >= count):
            self.assertIsNone(process.poll(), "the run is over before it could be interrupted")
            time.sleep(0.01)

    def runs(self):
        return len(dump(self.state)["run"])

    def test_two_at_once(self):
        process = self.begin("--rate", "20")
        self.await_records(process, 1)
        began = time.monotonic()
        other = self.directory / "other"
        said = scan.refused("--state", self.state, "-o", other, *self.targets)
        self.assertLess(time.monotonic() - began, 30)
        self.assertIn(f"{self.state}: another run is writing to it", said)
        self.assertFalse(other.exists(), "nothing was begun")
        process.wait(scan.WATCHDOG)
        self.assertEqual(process.returncode, 0, process.stderr.read().decode())
        process.stdout.close()
        process.stderr.close()
        path, = self.files()
        self.assertEqual(len([1 for record in lines_of(path) if record["type"] == "endpoint"]), 30)
        self.assert_rebuilt()

    def test_what_was_seen_counts(self):
        process = self.begin("--rate", "20")
        self.await_records(process)
        self.assertEqual(self.end(process, signal.SIGINT), 3, process.errors)
        path, = self.files()
        self.assertRegex(path.name, NAME)
        seen = {record["endpoint"]["key"] for record in lines_of(path) if record["type"] == "endpoint"}
        self.assertEqual(lines_of(path)[-1]["stopped_by"], "signal")
        self.assertEqual(self.runs(), 1)
        self.assert_rebuilt()
        with opened(self.state) as connection:
            known = {key for key, in connection.execute("SELECT key FROM endpoint")}
        self.assertEqual(known, seen)

    def test_killed(self):
        """Nothing of it is in the state, until it was gone on with."""
        first = self.night(*self.fewer)
        process = self.begin("--rate", "20")
        self.await_records(process)
        self.end(process, signal.SIGKILL)
        part = self.part()
        self.assertEqual(self.files(), [first.path, part])
        self.assertEqual(self.runs(), 1)
        night = self.night("--resume", part, *self.targets, before=[part])
        self.assertEqual(self.files(), [first.path, night.path], "it has its name now")
        self.assertEqual(night.path.name + ".part", part.name)
        self.assertEqual(len(night.run.records), 30)
        self.assertEqual(night.of_endpoints(), self.new)
        self.assert_rebuilt()
        alone = self.directory / "alone.db"
        scan.run("--state", alone, *self.fewer)
        scan.run("--state", alone, *self.targets)
        self.assertEqual(self.facts(alone), self.facts(self.state))

    @staticmethod
    def facts(database):
        """What is known, without when and by which run."""
        with opened(database) as connection:
            return [sorted(map(repr, connection.execute(query))) for query in (
                "SELECT key, protocol, mode, host, port, labels FROM endpoint",
                "SELECT key, ip, status, starttls, cleartext_login FROM place JOIN endpoint"
                " ON endpoint = endpoint.id",
                "SELECT key, fingerprint, rule, severity, state FROM finding JOIN endpoint"
                " ON endpoint = endpoint.id")]

    def test_killed_before_it_was_committed(self):
        """The records are whole, and the state has nothing: the rest is made up for."""
        self.night(*self.fewer)
        before = self.directory / "before.db"
        shutil.copy(self.state, before)
        first = self.night(*self.targets)
        part = first.path.with_name(first.path.name + ".part")
        first.path.rename(part)
        shutil.copy(before, self.state)
        table = self.directory / "table.csv"
        again = self.night("--resume", part, "--export", f"csv={table}", *self.targets, before=[part])
        self.assertEqual(again.path, first.path)
        self.assertEqual((again.of_endpoints(), again.changes), (self.new, first.changes))
        self.assertIn(b"imap://", table.read_bytes())
        self.assert_rebuilt()
        once_more = self.night("--resume", again.path, *self.targets, before=[again.path])
        self.assertEqual((once_more.changes, once_more.run.records), ([], again.run.records))
        self.assertEqual(self.runs(), 2)

    def test_killed_at_the_very_end(self):
        """While it was told what was not asked: that is told again, once."""
        self.night(*self.targets)
        before = self.directory / "before.db"
        shutil.copy(self.state, before)
        fewer = self.targets[:-9]
        second = self.night(*fewer)
        self.assertEqual(len(second.not_asked), 9)
        data = second.path.read_bytes()
        at = [match.start() for match in re.finditer(rb'^\{"schema":"[^"]*","type":"not_asked"', data,
                                                     re.MULTILINE)]
        part = second.path.with_name(second.path.name + ".part")
        for cut in (at[0], at[0] + 100, at[4], at[8] + 5, data.rindex(b'{"schema"')):
            with self.subTest(cut=cut):
                shutil.copy(before, self.state)
                second.path.unlink(missing_ok=True)
                part.write_bytes(data[:cut])
                again = self.night("--resume", part, *fewer, before=[part])
                self.assertEqual(again.not_asked, second.not_asked)
                self.assertEqual(len(again.changes), len(second.changes))
                self.assert_rebuilt()

    def test_interrupted_in_order_and_gone_on_with(self):
        """The state keeps what it has of the run; the records are whole, and make all of it."""
        process = self.begin("--rate", "20")
        self.await_records(process)
        self.end(process, signal.SIGINT)
        path, = self.files()
        done = subprocess.run(self.line("--resume", path, *self.targets), stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=scan.WATCHDOG)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        self.assertEqual(self.files(), [path])
        self.assertEqual(len(scan.parsed(path.read_bytes(), done.stderr, 0, 0).records), 30)
        self.assertIn("state rebuild", done.stderr.decode())
        self.assertEqual(self.runs(), 1)
        self.assertLess(len(dump(self.state)["place"]), 30)
        program("state", "rebuild", self.state, path)
        self.assertEqual(len(dump(self.state)["place"]), 30)

    def test_gone_on_with_after_another_night(self):
        """The state cannot take a run that was begun before its last one; the records are whole."""
        process = self.begin("--rate", "20")
        self.await_records(process)
        self.end(process, signal.SIGKILL)
        part = self.part()
        night = self.night(*self.fewer)
        done = subprocess.run(self.line("--resume", part, *self.targets), stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=scan.WATCHDOG)
        self.assertEqual(done.returncode, 2, done.stderr.decode())
        self.assertIn("nothing of this run will be in it", done.stderr.decode())
        path = part.with_suffix("")
        self.assertEqual(self.files(), [path, night.path])
        self.assertEqual(len([1 for record in lines_of(path) if record["type"] == "endpoint"]), 30)
        self.assertEqual(self.runs(), 1)
        program("state", "rebuild", self.state, *self.files())
        self.assertEqual(self.runs(), 2)

    def small(self):
        """A file system of its own, on which there is not much room."""
        folder = self.directory / "small"
        folder.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "none", folder],
                          capture_output=True).returncode != 0:
            self.skipTest("no small file system can be made here")
        self.addCleanup(subprocess.run, ["umount", folder], check=True)
        return folder

    @staticmethod
    def fill(folder, left):
        room = os.statvfs(folder)
        (folder / "filler").write_bytes(bytes(room.f_bavail * room.f_bsize - left))

    def scan(self, *options):
        done = subprocess.run(scan.command(*options, *self.targets), stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=scan.WATCHDOG)
        return done.returncode, done.stderr.decode()

    def test_the_records_do_not_fit(self):
        """What is in the file is in the state, and the other way round."""
        folder, table = self.small(), self.directory / "table.csv"
        records = folder / "records.ndjson"
        self.fill(folder, 65536)
        code, said = self.scan("--state", self.state, "-o", records, "--export", f"csv={table}")
        self.assertEqual(code, 2, said)
        self.assertIn("No space left on device", said)
        self.assertIn("nothing is exported", said)
        self.assertFalse(table.exists())
        again = self.directory / "again.db"
        program("state", "rebuild", again, records)
        self.assertEqual(dump(again), dump(self.state))
        seen = dump(self.state)["place"]
        self.assertTrue(0 < len(seen) < 30, seen)

    def test_the_state_does_not_fit(self):
        """The night is not lost: its records are whole, and can be added."""
        folder, table = self.small(), self.directory / "table.csv"
        state, records = folder / "state.db", self.directory / "records.ndjson"
        scan.run("--state", state, *self.fewer)
        self.fill(folder, 110000)
        code, said = self.scan("--state", state, "-o", records, "--export", f"csv={table}", "--on-change",
                               "echo changed >&2")
        self.assertEqual(code, 2, said)
        self.assertEqual(said.count("nothing of this run will be in it"), 1, said)
        self.assertNotIn("changed", said)
        self.assertEqual(len([1 for record in lines_of(records) if record["type"] == "endpoint"]), 30)
        self.assertTrue(table.exists())
        (folder / "filler").unlink()
        self.assertEqual(len(dump(state)["run"]), 1)
        program("state", "add", state, records)
        self.assertEqual(len(dump(state)["run"]), 2)


class Delivered(Case):
    """Records on the shelf, other formats, and the command."""

    def setUp(self):
        super().setUp()
        self.played, self.server_ = self.server(
            "imap", greeting_text="* OK $(touch /tmp/nightly-owned) `id`; touch x; echo")
        self.target = self.server_.target()
        self.other = self.server()[1].target()

    def scan(self, *options, code=0, targets=None):
        done = subprocess.run(scan.command(*options, *(targets or [self.target])),
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=scan.WATCHDOG)
        self.assertEqual(done.returncode, code, done.stderr.decode())
        return done.stderr.decode()

    def test_names_of_files(self):
        self.scan("--records-dir", self.shelf)
        self.scan("--records-dir", self.shelf)
        files = self.files()
        self.assertEqual(len(files), 2)
        for path in files:
            start = lines_of(path)[0]
            time_ = start["started"][:19].replace(":", "")
            self.assertEqual(path.name, f"{time_}Z-{start['run_id']}.ndjson")

    def test_without_a_state_nothing_is_said_of_it(self):
        self.scan("--records-dir", self.shelf)
        self.assertIs(lines_of(self.files()[0])[0]["options"]["state"], False)

    def test_formats(self):
        """They are those that export makes of the file, and replace what was there at once."""
        table, other = self.directory / "table.csv", self.directory / "other.csv"
        table.write_text("of last night")
        watched = table.open()
        self.addCleanup(watched.close)
        self.scan("--records-dir", self.shelf, "--export", f"csv={table}", "--export", f"csv={other}",
                  "--scan-name", "dmz.night-1")
        path, = self.files()
        self.assertEqual(lines_of(path)[0]["options"]["scan_name"], "dmz.night-1")
        made = program("export", "--format", "csv", "--scan-name", "dmz.night-1", path)
        self.assertEqual((table.read_bytes(), other.read_bytes()), (made, made))
        self.assertEqual(watched.read(), "of last night")
        self.assertEqual(sorted(self.directory.iterdir()), sorted([table, other, self.shelf]))

    def test_what_formats_are_told(self):
        """Labels, and metrics of each endpoint, as the command export would be told."""
        metrics, options = self.directory / "a.prom", ["--label", "owner", "--metrics-per-endpoint=500"]
        targets = self.directory / "targets"
        targets.write_text(f"{self.target} owner=mail-team\n")
        self.scan("--records-dir", self.shelf, "--export", f"prometheus={metrics}", *options,
                  targets=["-f", targets])
        path, = self.files()
        text = metrics.read_text()
        self.assertEqual(text, program("export", "--format", "prometheus", *options, path).decode())
        self.assertIn('owner="mail-team"', text)
        self.assertIn("starttls_audit_endpoint_up{", text)

    def test_a_dry_run_writes_nowhere(self):
        said = self.scan("--dry-run", "--records-dir", self.directory / "none", "--export",
                         f"csv={self.directory}/none/table")
        self.assertEqual(said, "")

    def test_all_formats_are_tried(self):
        folder, table = self.directory / "folder", self.directory / "table.csv"
        folder.mkdir()
        said = self.scan("-o", self.directory / "run", "--export", f"csv={folder}", "--export",
                         f"csv={table}", code=2)
        self.assertIn("it was not made", said)
        self.assertTrue(table.read_bytes())

    def test_what_cannot_be(self):
        run, table = self.directory / "run", self.directory / "table.csv"
        fifo, listed = self.directory / "fifo", self.directory / "targets.txt"
        os.mkfifo(fifo)
        listed.write_text("# nobody\n")
        for options, said in (
                (["--export", f"csv={table}"], "have to be in a file"),
                (["--export", f"csv={table}", "-o", "-"], "have to be in a file"),
                (["--export", f"csv={table}", "-o", fifo], "not a regular file"),
                (["--export", f"tables={table}", "-o", run], "not FORMAT=FILE"),
                (["--export", "csv", "-o", run], "not FORMAT=FILE"),
                (["--export", "csv=", "-o", run], "not FORMAT=FILE"),
                (["--export", "csv=-", "-o", run], "not for this"),
                (["--export", f"csv={run}", "-o", run], "the records are to be written there"),
                (["--state", run, "-o", run], "that is the state"),
                (["--state", table, "-o", run, "--export", f"csv={table}"], "that is the state"),
                (["--file", listed, "-o", listed], "is read, and cannot be written"),
                (["--exclude-file", listed, "-o", listed], "is read, and cannot be written"),
                (["--file", listed, "--export", f"csv={listed}", "-o", run], "is read, and cannot"),
                (["--export", f"csv={self.directory}/none/table", "-o", run], "No such file"),
                (["--records-dir", self.directory / "none"], "No such file"),
                (["--records-dir", self.shelf, "-o", run], "exclude each other"),
                (["--state", self.state, "--shard", "0/2"], "state add"),
                (["--on-change", "true"], "needs --state"),
                (["--label", "a", "--label", "a", "-o", run], "given twice"),
                (["--title", "a\x1bb", "-o", run], "not clean"),
                (["--metrics-per-endpoint", "0", "-o", run], "not a number"),
                (["--scan-name", "a b"], "--scan-name"),
                (["--scan-name", ""], "--scan-name"),
                (["--state", self.directory / "none" / "state.db"], "none/state.db"),
        ):
            with self.subTest(options):
                run.touch()
                self.assertIn(said, scan.refused(*options, self.target))
        self.assertFalse(self.state.exists())
        self.assertEqual(listed.read_text(), "# nobody\n")

    def changes(self, command, *options, code=0):
        """A night in which something has changed, if it is the first of its kind."""
        if not self.state.exists():
            self.scan("--state", self.state, self.other)
        return self.scan("--state", self.state, "--on-change", command, *options, code=code)

    def test_what_the_command_gets(self):
        out = self.directory / "out"
        script = (f'exec >{out}; env | grep ^STARTTLS_AUDIT_; echo; stat -c %a "$STARTTLS_AUDIT_CHANGES"; '
                  'cat; ls /proc/self/fd | tr "\\n" " "; echo; cat "$STARTTLS_AUDIT_CHANGES"')
        self.changes(script, "--records-dir", self.shelf)
        path, = self.files()
        environment, rest = out.read_text().split("\n\n", 1)
        mode, descriptors, *changes = rest.splitlines()
        values = dict(line.split("=", 1) for line in environment.splitlines())
        values = {name: value for name, value in values.items() if "STARTTLS_AUDIT_" + name not in os.environ}
        self.assertEqual(values["STARTTLS_AUDIT_RUN_ID"], lines_of(path)[0]["run_id"])
        self.assertEqual(values["STARTTLS_AUDIT_RECORDS"], str(path))
        self.assertEqual(values["STARTTLS_AUDIT_STATE"], str(self.state))
        self.assertEqual(values["STARTTLS_AUDIT_CHANGE_COUNT"], str(len(changes)))
        self.assertRegex(values["STARTTLS_AUDIT_SUMMARY"],
                         rf"^{len(changes)} changes?: (\d+ [a-z_]+(, )?)+$")
        self.assertEqual(mode, "600")
        self.assertEqual(descriptors.split(), ["0", "1", "2", "3"], "3 is that of ls")
        self.assertTrue(all(json.loads(line)["type"] == "change" for line in changes))
        self.assertFalse(Path(values["STARTTLS_AUDIT_CHANGES"]).exists(), "it is removed")
        self.assertFalse(Path("/tmp/nightly-owned").exists())

    def test_no_change_no_command(self):
        self.assertIn("once", self.changes("echo once"))
        self.assertEqual(self.changes("echo once"), "")

    def test_a_command_that_fails(self):
        said = self.changes("echo out; echo err >&2; exit 7", code=2)
        self.assertIn("out\nerr\n", said)
        self.assertIn("exit status 7", said)
        self.assertEqual(self.changes("exit 7"), "", "the changes are in the state nevertheless")

    def test_a_command_that_is_killed(self):
        self.assertIn("signal 9", self.changes("kill -9 $$", code=2))

    def test_a_command_that_does_not_end(self):
        """It is ended, and what it began as well."""
        trace = self.directory / "trace"
        said = self.changes(f"sleep 300 & echo $! >{trace}; wait", "--on-change-timeout", "0.5", code=2)
        self.assertIn("longer than 0.5 seconds", said)
        child = Path("/proc") / trace.read_text().strip()
        deadline = time.monotonic() + 30
        while child.exists() and "Z" not in (child / "stat").read_text().split()[2]:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)

    def test_a_signal_ends_the_command(self):
        trace = self.directory / "trace"
        self.scan("--state", self.state, self.other)
        process = subprocess.Popen(
            scan.command("--state", self.state, "--on-change", f"echo >{trace}; exec sleep 300", self.target),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        while not trace.exists():
            self.assertIsNone(process.poll())
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=scan.WATCHDOG)
        self.assertEqual(process.returncode, 2)
        self.assertIn(b"ended by a signal", said)

    def under_way(self, command):
        """A night whose command has begun, and the processes that it and its helper are."""
        trace = self.directory / "trace"
        self.scan("--state", self.state, self.other)
        process = subprocess.Popen(
            scan.command("--state", self.state, "--on-change", f"echo $$ $PPID >{trace}; {command}", self.target),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.addCleanup(process.kill)
        while not trace.exists() or not trace.read_text().endswith("\n"):
            self.assertIsNone(process.poll())
            time.sleep(0.01)
        shell, helper = map(int, trace.read_text().split())
        self.assertNotEqual(helper, process.pid, "the scan itself begins no program")
        return process, shell, helper

    def test_the_helper_has_nothing_of_the_scan(self):
        process, _, helper = self.under_way("exec sleep 300")
        files = {int(path.name): os.readlink(path) for path in Path(f"/proc/{helper}/fd").iterdir()}
        self.assertEqual((files[0], files[1]), ("/dev/null", "/dev/null"))
        self.assertEqual(set(files), {0, 1, 2, 3})
        self.assertTrue(files[3].startswith("socket:"), files)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=scan.WATCHDOG)

    def test_when_the_scan_is_killed_the_command_ends(self):
        process, shell, helper = self.under_way("exec sleep 300")
        process.kill()
        process.communicate(timeout=scan.WATCHDOG)  # to the end of standard error, which both have
        for pid in (shell, helper):
            self.assertFalse(Path(f"/proc/{pid}/exe").exists())

    def test_a_helper_that_is_killed_is_told(self):
        process, shell, helper = self.under_way("exec sleep 300")
        os.kill(helper, signal.SIGKILL)
        os.kill(shell, signal.SIGKILL)
        _, said = process.communicate(timeout=scan.WATCHDOG)
        self.assertEqual(process.returncode, 2)
        self.assertIn(b"--on-change: ", said)


class Journal(Case):
    """What is said where standard error is the journal's."""

    def said(self, *options, journal=True, stdout=subprocess.DEVNULL):
        path = self.directory / "journal"
        with path.open("w") as out:
            status = os.fstat(out.fileno())
            stream = f"{status.st_dev}:{status.st_ino + (not journal)}"
            subprocess.run(scan.command(*options), stdin=subprocess.DEVNULL, stdout=stdout, stderr=out,
                           timeout=scan.WATCHDOG, env={**os.environ, "JOURNAL_STREAM": stream})
        lines = path.read_text().splitlines()
        self.sandbox = [line for line in lines if "sandbox: " in line]
        return [line for line in lines if line not in self.sandbox]

    def test_what_is_given_up(self):
        _, server = self.server()
        self.said(server.target())
        self.assertRegex(self.sandbox[0], r"^<[56]>starttls-audit: sandbox: ")
        self.assertEqual(self.said("--sandbox=off", server.target()) and self.sandbox, [])
        self.said(server.target(), journal=False)
        if os.environ.get("STARTTLS_AUDIT_SANDBOX") == "require":
            self.assertEqual(self.sandbox, [], "it is no news to people that all is well")

    def test_errors(self):
        bad = self.directory / "bad\x1b[31mtargets"
        bad.write_text("1.2.3\n300.1.1.1\n")
        lines = self.said("-f", bad)
        self.assertEqual(len(lines), 2)
        for line in lines:
            self.assertRegex(line, "^<3>/.*: ")
        self.assertRegex(self.said("--none")[0], "^<3>starttls-audit scan: ")
        self.assertRegex(self.said("-o", self.directory, "127.67.0.1")[0], "^<3>starttls-audit: ")

    def test_a_night(self):
        (_, server), (_, other) = self.server(), self.server()
        told = r"^<6>starttls-audit: {} of {} hosts answered; findings of medium severity or more: \d+; "
        lines = self.said("--state", self.state, server.target(), other.target())
        self.assertRegex(lines[0], told.format(2, 2) + "0 changes$")
        lines = self.said("--state", self.state, "--on-change", "echo hello", "--table", server.target())
        self.assertEqual(lines[1:], ["hello"])
        self.assertRegex(lines[0], told.format(1, 1) + "[1-9]\\d* changes?: 1 endpoint_removed")
        self.assertEqual(self.said("--quiet", server.target()), [])

    def test_notes(self):
        found = self.directory / "found"
        found.write_text("open tcp 22 127.67.0.1 1\nopen tcp 143 127.67.0.1 1\n")
        self.assertEqual(self.said("-f", found)[0], "<5>starttls-audit: 1 list entries for ports that are "
                                                    "not asked were passed over")

    def test_what_is_not_the_journal(self):
        found = self.directory / "found"
        found.write_text("open tcp 22 127.67.0.1 1\nopen tcp 143 127.67.0.1 1\n")
        self.assertEqual(self.said("-f", found, journal=False),
                         ["starttls-audit: 1 list entries for ports that are not asked were passed over"])


class RealServers(Case):
    """A server stops, another one gets a new certificate, and a third is set right."""

    MAIL, RELAY = "127.67.1.1", "127.67.1.2"

    def test_nights(self):
        ServerCase.skip_for(rights_missing())
        authority = Authority()
        self.addCleanup(authority.close)
        servers = {"mail": Dovecot(self.MAIL, plaintext=True, certificate=authority.issue(self.MAIL, "ec")),
                   "relay": Postfix(self.RELAY, certificate=authority.issue(self.RELAY, "ec"))}
        for server in servers.values():
            ServerCase.skip_for(server.missing())
        for server in servers.values():
            server.start()
            self.addCleanup(server.stop)
        options = ["--ca-file", authority.file, "--services", "imap,smtp", self.MAIL, self.RELAY]
        imap, smtp = f"imap://{self.MAIL}:143", f"smtp://{self.RELAY}:25"
        self.night(*options)
        self.assertEqual(self.night(*options).changes, [], "nothing has changed")

        servers["mail"].stop()
        fixed = Dovecot(self.MAIL, certificate=servers["mail"].certificate)
        self.addCleanup(fixed.start().stop)
        night = self.night(*options)
        self.assertIn((imap, "CLEARTEXT-LOGIN-ALLOWED"), night.of_findings("resolved"))
        self.assertIn((imap, "IMAP-LOGINDISABLED-MISSING"), night.of_findings("resolved"))
        self.assertEqual(night.of_endpoints(), set())
        self.assertEqual({change["endpoint"]["host"] for change in night.changes}, {self.MAIL})

        servers["relay"].stop()
        renewed = Postfix(self.RELAY, certificate=authority.issue(self.RELAY, "ec"))
        self.addCleanup(renewed.stop)
        renewed.start()
        night = self.night(*options)
        self.assertIn(("certificate_changed", smtp), {(change["change"], change["endpoint"]["key"])
                                                      for change in night.changes})
        self.assertEqual({change["change"] for change in night.changes}, {"certificate_changed"})

        renewed.stop()
        night = self.night(*options)
        self.assertEqual(night.of_endpoints(), {("endpoint_closed", f"smtp://{self.RELAY}:{port}")
                                                for port in (25, 465, 587)})
        self.assertEqual(night.of_findings("resolved"), set())
        self.assert_rebuilt()


if __name__ == "__main__":
    main()
