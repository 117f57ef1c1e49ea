# SPDX-License-Identifier: MIT
"""The history of many runs: as a file that others read, and as what people and programs are told.

What changes are right is in test_nights.py.
"""

import json
import os
import random
import resource
import shutil
import signal
import sqlite3
import stat
import subprocess
import tempfile
import time
import unicodedata
import unittest
from contextlib import closing
from pathlib import Path

import scan
from case import main
from history import diff, run, state
from nights import Host, Scan, Service, World, night, some_scan
from oracle import Oracle
from played import Farm
from shards import SEVERITIES, line_of, records_of

SEED = int(os.environ.get("STATE_SEED", random.SystemRandom().randrange(2 ** 32)))

# Version 1, as it was. It is never changed: files of it are out there.
VERSION_1 = """
CREATE TABLE ruleset (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, version TEXT NOT NULL);
CREATE TABLE rule (id INTEGER PRIMARY KEY, rule TEXT NOT NULL UNIQUE);
CREATE TABLE verdicts (id INTEGER PRIMARY KEY, letters TEXT NOT NULL UNIQUE);
CREATE TABLE ruleset_rule (ruleset INTEGER NOT NULL REFERENCES ruleset,
 rule INTEGER NOT NULL REFERENCES rule, PRIMARY KEY (ruleset, rule)) WITHOUT ROWID;
CREATE TABLE run (id INTEGER PRIMARY KEY, run_id TEXT NOT NULL UNIQUE, started TEXT NOT NULL,
 ended TEXT, complete INTEGER NOT NULL DEFAULT 0, stopped_by TEXT, scanner TEXT NOT NULL,
 ruleset INTEGER NOT NULL REFERENCES ruleset, options_sha256 TEXT NOT NULL,
 silent_recorded INTEGER NOT NULL, recorded INTEGER NOT NULL DEFAULT 0,
 answered INTEGER NOT NULL DEFAULT 0, changes INTEGER NOT NULL DEFAULT 0,
 open_critical INTEGER NOT NULL DEFAULT 0, open_high INTEGER NOT NULL DEFAULT 0,
 open_medium INTEGER NOT NULL DEFAULT 0, open_low INTEGER NOT NULL DEFAULT 0,
 open_info INTEGER NOT NULL DEFAULT 0, waived INTEGER NOT NULL DEFAULT 0,
 not_observed INTEGER NOT NULL DEFAULT 0);
CREATE INDEX run_started ON run (started, run_id);
CREATE TABLE endpoint (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, protocol TEXT NOT NULL,
 mode TEXT NOT NULL, host TEXT NOT NULL, port INTEGER NOT NULL, labels TEXT NOT NULL DEFAULT '{}',
 first_run INTEGER REFERENCES run, first_seen TEXT, last_run INTEGER REFERENCES run,
 last_seen TEXT, last_changed TEXT);
CREATE TABLE place (id INTEGER PRIMARY KEY, endpoint INTEGER NOT NULL REFERENCES endpoint,
 ip TEXT NOT NULL, current INTEGER NOT NULL DEFAULT 1, missed INTEGER NOT NULL DEFAULT 0,
 status TEXT, status_run INTEGER REFERENCES run, status_time TEXT, labels TEXT,
 seen_run INTEGER REFERENCES run, seen TEXT, facts TEXT, trust TEXT, seen_labels TEXT, checks TEXT,
 observed_mode TEXT, starttls TEXT, cleartext_login TEXT, versions TEXT, certificate TEXT,
 subject TEXT, issuer TEXT, not_after TEXT, capabilities_before TEXT, capabilities_after TEXT,
 UNIQUE (endpoint, ip));
CREATE TABLE finding (id INTEGER PRIMARY KEY, endpoint INTEGER NOT NULL REFERENCES endpoint,
 fingerprint TEXT NOT NULL, rule TEXT NOT NULL, severity TEXT NOT NULL, title TEXT NOT NULL,
 state TEXT NOT NULL, waived INTEGER NOT NULL DEFAULT 0, unobserved TEXT,
 first_run INTEGER NOT NULL REFERENCES run, first_seen TEXT NOT NULL,
 last_run INTEGER NOT NULL REFERENCES run, last_seen TEXT NOT NULL,
 closed_run INTEGER REFERENCES run, closed TEXT, reopened INTEGER NOT NULL DEFAULT 0,
 UNIQUE (endpoint, fingerprint));
CREATE INDEX finding_state ON finding (state, severity);
CREATE TABLE finding_place (finding INTEGER NOT NULL REFERENCES finding,
 place INTEGER NOT NULL REFERENCES place, run INTEGER NOT NULL REFERENCES run,
 severity TEXT NOT NULL, waived INTEGER NOT NULL, answered INTEGER NOT NULL, facts TEXT, trust TEXT,
 labels TEXT, verdicts INTEGER REFERENCES verdicts, PRIMARY KEY (finding, place)) WITHOUT ROWID;
CREATE INDEX finding_place_place ON finding_place (place);
CREATE TABLE change (run INTEGER NOT NULL REFERENCES run, seq INTEGER NOT NULL,
 change TEXT NOT NULL, cause TEXT NOT NULL, time TEXT NOT NULL,
 endpoint INTEGER NOT NULL REFERENCES endpoint, ip TEXT, rule TEXT, fingerprint TEXT,
 severity TEXT, json TEXT NOT NULL, PRIMARY KEY (run, seq)) WITHOUT ROWID;
CREATE INDEX change_endpoint ON change (endpoint);
CREATE INDEX change_fingerprint ON change (fingerprint);
PRAGMA application_id = 1398030641;
PRAGMA user_version = 1;
"""

# A run with a finding, in version 1: by tables that are the same in both.
VERSION_1_TABLES = ("ruleset", "rule", "verdicts", "ruleset_rule", "run", "endpoint", "place",
                    "finding", "finding_place", "change")


def reader(path):
    """As a dashboard opens it."""
    return closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True))


def rows(path, sql, *values):
    with reader(path) as db:
        return db.execute(sql, values).fetchall()


def dump(path):
    """All that is in it."""
    with reader(path) as db:
        return list(db.iterdump())


class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)
        self.db = self.directory / "state.db"
        self.number = 0

    def write(self, lines, name=None):
        self.number += 1
        path = self.directory / (name or f"{self.number}.ndjson")
        path.write_bytes(lines)
        return path

    @staticmethod
    def month(nights=12, calm=False, hosts=6, names=4):
        world, oracle, chance = World(SEED, hosts, names), Oracle(), random.Random(SEED)
        for number in range(nights):
            world.live()
            tonight = night(world, some_scan(world, number, chance, calm), number, oracle.known(),
                            chance=chance)
            oracle.expect(tonight)
            yield tonight

    def files(self, *arguments, **options):
        return [self.write(tonight.lines) for tonight in self.month(*arguments, **options)]

    @staticmethod
    def small(flaws=frozenset("B"), number=0, **options):
        """A run of one host with one service."""
        world = World(0, 0, 0)
        host = Host("192.0.2.1", ["192.0.2.1"], {"owner": "mail-team", "site": "ams"})
        host.services["192.0.2.1", 143] = Service(frozenset(flaws))
        world.hosts.append(host)
        return night(world, Scan(scope=frozenset({host.name}), ports=(143,), **options), number)


class Histories(Case):
    def setUp(self):
        super().setUp()
        print(f"STATE_SEED={SEED}", flush=True)

    def test_rebuilt_from_its_records_it_is_the_same(self):
        files = self.files()
        for file in files:
            state("add", self.db, file)
        other = self.directory / "other.db"
        random.Random(SEED).shuffle(files)
        state("rebuild", other, *files)
        self.assertEqual(dump(other), dump(self.db))
        state("rebuild", self.db, *files, files[0])
        self.assertEqual(dump(self.db), dump(other))
        joined = self.write(b"".join(file.read_bytes() for file in files), "joined.ndjson")
        state("rebuild", other, joined)
        self.assertEqual(dump(other), dump(self.db))

    def test_a_run_that_is_there_is_passed_over(self):
        files = self.files(4)
        state("add", self.db, *files)
        before = dump(self.db)
        _, said = state("add", self.db, *files)
        self.assertEqual(said.count("is there already"), 4)
        self.assertEqual(state("add", "-q", self.db, files[2]), (b"", ""))
        self.assertEqual(dump(self.db), before)

    def test_an_older_run_is_refused(self):
        first, second, third = self.files(3)
        state("add", self.db, first, third)
        before = dump(self.db)
        _, said = state("add", self.db, second, code=2)
        self.assertIn("state rebuild", said)
        self.assertEqual(dump(self.db), before)
        state("rebuild", self.db, third, first, second)
        self.assertEqual(rows(self.db, "SELECT count(*) FROM run"), [(3,)])

    def test_diff_is_a_history_of_two_runs(self):
        old, new = (self.write(self.small(flaws, number).lines)
                    for number, flaws in enumerate(("B", "A")))
        state("add", self.db, old, new)
        for options in ([], ["--json"], ["--all"]):
            with self.subTest(options=options):
                self.assertEqual(diff(*options, old, new, code=1)[0],
                                 diff(*options, "--state", self.db, code=1)[0])
        self.assertEqual(diff(old, old), (b"nothing changed\n", ""))
        self.assertEqual(diff("--json", new, new), (b"", ""))
        _, said = diff(new, old, code=2)
        self.assertIn("OLD comes first", said)
        start, _, rest = new.read_bytes().partition(b"\n")
        odd = self.write(start.replace(b'"run_start"', b'"run_start","odd":"\\u001b[31m"') + b"\n" + rest)
        _, said = diff(old, odd, code=2)
        self.assertIn("control characters", said)
        self.assertNotIn("comes first", said)

    def test_a_rebuild_that_fails_leaves_all_as_it_was(self):
        good, bad = self.write(self.small().lines), self.write(b"nothing\n")
        state("add", self.db, good)
        before = dump(self.db)
        state("rebuild", self.db, good, bad, code=2)
        torn = self.write(self.small(number=1).lines.replace(b'"status":"ok"', b'"status":"?"', 1))
        state("rebuild", self.db, good, torn, code=2)
        self.assertEqual(dump(self.db), before)
        other = self.directory / "other.db"
        state("rebuild", other, good, torn, code=2)
        self.assertFalse(other.exists())

    def test_a_run_that_was_cut_off_and_one_that_went_on(self):
        whole = self.small().lines
        cut = b"".join(whole.splitlines(keepends=True)[:1])
        state("rebuild", self.db, self.write(cut), self.write(whole))
        self.assertEqual(rows(self.db, "SELECT complete, recorded FROM run"), [(1, 1)])
        half = self.write(cut, "half.ndjson")
        state("add", self.directory / "half.db", half)
        _, said = state("add", self.directory / "half.db", self.write(whole))
        self.assertIn("state rebuild", said)
        half = self.write(whole[:-20])
        other = self.directory / "other.db"
        _, said = state("add", other, half)
        self.assertIn("torn", said)
        self.assertEqual(rows(other, "SELECT complete, recorded FROM run"), [(0, 1)])


class Files(Case):
    def test_who_may_read_it(self):
        state("add", self.db, self.write(self.small().lines), umask=0)
        for name in ("state.db", "state.db-wal", "state.db-shm"):
            mode = stat.S_IMODE((self.directory / name).stat().st_mode)
            self.assertEqual(oct(mode), oct(0o640), name)
        os.chmod(self.db, 0o666)
        state("add", self.db, self.write(self.small(number=1).lines))
        self.assertEqual(stat.S_IMODE(self.db.stat().st_mode), 0o660)

    def test_two_that_overlap(self):
        files = self.files(2)
        state("add", self.db, files[0])
        with closing(sqlite3.connect(self.db, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            _, said = state("add", self.db, files[1], code=2)
            self.assertIn("another run is writing to it", said)
            _, said = state("rebuild", self.db, files[1], code=2)
            self.assertIn("another run is writing to it", said)
            diff("--state", self.db)
            state("runs", self.db)
            other.execute("ROLLBACK")
        state("add", self.db, files[1])

    def test_killed_at_any_time(self):
        files = self.files(3, hosts=40)
        state("add", self.db, files[0])
        before, whole, chance = dump(self.db), self.db.read_bytes(), random.Random(SEED)
        began = time.monotonic()
        state("add", self.directory / "other.db", *files[1:])
        takes, killed = time.monotonic() - began, 0
        for i in range(60):
            db = self.directory / f"killed-{i}.db"
            db.write_bytes(whole)
            process = subprocess.Popen([scan.named_file("STARTTLS_AUDIT"), "state", "add",
                                        db, files[1]], stderr=subprocess.DEVNULL)
            time.sleep(chance.random() * takes / 2)
            process.send_signal(signal.SIGKILL)
            killed += process.wait() != 0
            if len(rows(db, "SELECT id FROM run")) == 1:
                self.assertEqual(dump(db), before)
            state("check", db)
            if killed == 8:
                break
        self.assertGreater(killed, 0)
        state("add", db, *files)
        self.assertEqual(rows(db, "SELECT count(*) FROM run"), [(3,)])

    def test_no_room(self):
        """A file that may not grow: an error, and not a damaged state."""
        files = self.files(2, hosts=20)
        state("add", self.db, files[0])
        before = dump(self.db)
        size = self.db.stat().st_size
        limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size // 8, size // 8))
        _, said = state("add", self.db, files[1], code=2, preexec_fn=limit)
        self.assertIn("state.db", said)
        self.assertEqual(dump(self.db), before)
        state("check", self.db)
        state("add", self.db, files[1])

    def test_who_may_only_read(self):
        if os.geteuid() != 0 or not shutil.which("setpriv"):
            self.skipTest("needs root, to become somebody else")
        state("add", self.db, self.write(self.small().lines))
        os.chmod(self.directory, 0o755)
        for name in self.directory.glob("state.db*"):
            os.chown(name, 0, 65534)
        as_group = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        program = ("import sqlite3, sys;"
                   "db = sqlite3.connect(f'file:{sys.argv[1]}?mode=ro', uri=True);"
                   "print(db.execute('SELECT count(*) FROM v_open_findings').fetchone())")
        done = subprocess.run([*as_group, "/usr/bin/python3", "-c", program, str(self.db)],
                              capture_output=True, timeout=scan.WATCHDOG)
        self.assertEqual(done.stdout, b"(1,)\n", done.stderr)
        os.chmod(self.directory, 0o777)
        stranger = ["setpriv", "--reuid=65533", "--regid=65533", "--clear-groups"]
        done = subprocess.run([*stranger, "/usr/bin/python3", "-c", program, str(self.db)],
                              capture_output=True, timeout=scan.WATCHDOG)
        self.assertNotEqual(done.returncode, 0, done.stdout)

    def test_no_state(self):
        record = self.write(self.small().lines)
        text = self.write(b"x" * 5000, "text.db")
        for path, said in ((self.directory, "directory"), (text, "no database"),
                           ("/dev/null", "regular"), (self.directory / "a" / "b", "No such")):
            with self.subTest(path=path):
                self.assertIn(said, state("add", path, record, code=2)[1])
        self.assertEqual(text.read_bytes(), b"x" * 5000)
        for command in (("runs", self.db), ("check", self.db)):
            self.assertIn("No such file", state(*command, code=2)[1])
        self.assertFalse(self.db.exists())
        self.assertIn("No such file", diff("--state", self.db, code=2)[1])

    def test_a_damaged_one(self):
        state("add", self.db, *self.files(2))
        data = bytearray(self.db.read_bytes())
        for page in range(2, len(data) // 4096):
            data[page * 4096:page * 4096 + 64] = os.urandom(64)
        self.db.write_bytes(data)
        _, said = state("check", self.db, code=2)
        self.assertIn("state.db", said)

    def test_numbers_of_rules_that_cannot_be(self):
        """They are places in memory."""
        first, second = self.files(2)
        state("add", self.db, first)
        whole = self.db.read_bytes()
        for change in ("UPDATE rule SET id = 1000000 WHERE id = 1", "DELETE FROM rule WHERE id = 1",
                       "UPDATE rule SET id = -1 WHERE id = 1"):
            with self.subTest(change), closing(sqlite3.connect(self.db)) as db:
                db.execute(change)
                db.commit()
                self.assertIn("damaged", state("add", self.db, second, code=2)[1])
            self.db.write_bytes(whole)
        state("add", self.db, second)


class Versions(Case):
    def test_of_an_older_release(self):
        """It is migrated by the next run that writes to it, and what it knew stays known."""
        first, second = (self.small("BA", number, policy=1 + number) for number in range(2))
        new = self.directory / "new.db"
        state("add", new, self.write(first.lines))
        with closing(sqlite3.connect(self.db)) as db:
            db.executescript(VERSION_1)
            db.execute("ATTACH ? AS new", (str(new),))
            for table in VERSION_1_TABLES:
                names = [row[1] for row in db.execute(f"PRAGMA main.table_info({table})")]
                columns = ", ".join(names)
                db.execute(f"INSERT INTO main.{table} ({columns})"
                           f" SELECT {columns} FROM new.{table}")
            db.commit()
        _, said = state("runs", self.db, code=2)
        self.assertIn("older release", said)
        again = self.write(second.lines)
        state("add", self.db, again)
        state("add", new, again)
        self.assertIn(b"version 2, 2 runs", state("check", self.db)[0])
        for table in (*VERSION_1_TABLES, "label"):
            if table != "change":
                self.assertEqual(self.content(self.db, table), self.content(new, table), table)
        # Of policies it knew nothing: so nothing has changed.
        self.assertEqual(rows(self.db, "SELECT change FROM v_changes"), [])
        self.assertEqual(rows(new, "SELECT change FROM v_changes"), [("policy_changed",)])
        self.assertEqual(self.shape(self.db), self.shape(new))

    @staticmethod
    def content(path, table):
        """But for what tells of changes."""
        with reader(path) as db:
            names = [row[1] for row in db.execute(f"PRAGMA table_info({table})")
                     if row[1] not in ("changes", "last_changed")]
            return db.execute(f"SELECT {', '.join(names)} FROM {table}").fetchall()

    @staticmethod
    def shape(path):
        with reader(path) as db:
            names = db.execute("SELECT type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite%'"
                               " ORDER BY name").fetchall()
            return [(name, sorted(row[1:] for row in db.execute(f"PRAGMA table_info({name[1]})")))
                    for name in names]

    def test_of_a_newer_release(self):
        record = self.write(self.small().lines)
        state("add", self.db, record)
        with closing(sqlite3.connect(self.db)) as db:
            db.execute("PRAGMA user_version = 3")
        with closing(sqlite3.connect(self.db)) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        before = self.db.read_bytes()
        for command in (("add", self.db, record), ("rebuild", self.db, record), ("runs", self.db),
                        ("check", self.db)):
            self.assertIn("newer release", state(*command, code=2)[1])
        self.assertEqual(self.db.read_bytes(), before)

    def test_the_version_of_the_library_is_told(self):
        self.assertIn(f"SQLite {sqlite3.sqlite_version}", run("--version")[0].decode())


class Views(Case):
    """What dashboards ask, held against the records."""

    VIEWS = ("v_runs", "v_endpoints", "v_open_findings", "v_findings_by_rule", "v_history",
             "v_certificates", "v_changes", "v_policies")

    def setUp(self):
        super().setUp()
        self.nights = [n for n in self.month(8, calm=True)]
        state("add", self.db, *(self.write(n.lines) for n in self.nights))

    def ask(self, sql, *values):
        with reader(self.db) as db:
            db.row_factory = sqlite3.Row
            return [dict(row) for row in db.execute(sql, values)]

    def test_all_can_be_read(self):
        for view in self.VIEWS:
            with self.subTest(view=view):
                self.assertTrue(self.ask(f"SELECT * FROM {view}"))

    def test_runs(self):
        runs = self.ask("SELECT * FROM v_runs ORDER BY started")
        for night, row in zip(self.nights, runs):
            self.assertEqual((row["run_id"], row["recorded"], row["complete"]),
                             (night.run_id, len(night.sights), 1))
        self.assertEqual(len(runs), len(self.nights))

    def test_open_findings_are_those_of_the_last_records(self):
        seen = {(r["endpoint"]["key"], f["fingerprint"]): f
                for r in records_of(self.nights[-1].lines) if r["type"] == "endpoint"
                for f in r["findings"]}
        rows = self.ask("SELECT * FROM v_open_findings WHERE not_observed_because IS NULL")
        self.assertEqual({(r["endpoint"], r["fingerprint"]) for r in rows}, set(seen))
        for row in rows:
            finding = seen[row["endpoint"], row["fingerprint"]]
            self.assertEqual((row["rule"], row["title"]), (finding["rule"], finding["title"]))
            self.assertLessEqual(row["first_seen"], row["last_seen"])

    def test_the_history_counts_what_is_open(self):
        last = self.ask("SELECT * FROM v_history ORDER BY started")[-1]
        by_severity = {severity: 0 for severity in SEVERITIES}
        for row in self.ask("SELECT * FROM v_open_findings WHERE status = 'open'"):
            by_severity[row["severity"]] += 1
        self.assertEqual({s: last[f"open_{s}"] for s in SEVERITIES}, by_severity)
        waived = self.ask("SELECT count(*) AS n FROM v_open_findings WHERE status = 'waived'")
        self.assertEqual(last["waived"], waived[0]["n"])
        changes = self.ask("SELECT count(*) AS n FROM v_changes WHERE run_id = ?", last["run_id"])
        self.assertEqual(last["changes"], changes[0]["n"])
        self.assertIn(f"({sum(by_severity.values())} open, {waived[0]['n']} waived)",
                      state("check", self.db)[0].decode())

    def test_by_rule(self):
        rows = self.ask("SELECT rule, sum(open) AS open FROM v_findings_by_rule GROUP BY rule")
        for row in rows:
            count = self.ask("SELECT count(*) AS n FROM v_open_findings WHERE rule = ?"
                             " AND status = 'open'", row["rule"])
            self.assertEqual(row["open"], count[0]["n"], row["rule"])

    def test_endpoints_and_certificates(self):
        known = {(s.key, s.ip): s for s in self.nights[-1].sights if "certificate" in s.known}
        rows = {(r["endpoint"], r["ip"]): r for r in self.ask("SELECT * FROM v_endpoints")}
        certificates = {(r["endpoint"], r["ip"]): r
                        for r in self.ask("SELECT * FROM v_certificates")}
        for place, sight in known.items():
            self.assertEqual(rows[place]["versions_accepted"].split(),
                             [v.upper() if "ssl" in v else v for v in sight.known["versions"]])
            self.assertEqual(rows[place]["status"], sight.status)
            self.assertEqual(rows[place]["owner"], sight.labels.get("owner"))
            self.assertEqual(certificates[place]["sha256"], sight.known["certificate"][0])
        for place, sight in known.items():
            verdict = self.ask("SELECT verdict FROM v_policies WHERE endpoint = ? AND ip = ?",
                               *place)
            self.assertEqual(verdict, [{"verdict": sight.policy}])

    def test_the_commands_say_the_same(self):
        told = [json.loads(line) for line in state("runs", "--json", self.db)[0].splitlines()]
        for row, seen in zip(self.ask("SELECT * FROM v_history ORDER BY started"), told):
            self.assertEqual(seen["open"], {s: row[f"open_{s}"] for s in SEVERITIES})
            self.assertEqual((seen["run_id"], seen["changes"]), (row["run_id"], row["changes"]))
        table = state("runs", self.db)[0].decode().splitlines()
        self.assertEqual(len(table), 1 + len(self.nights))


HOSTILE = {
    "script": "<script>alert(1)</script>", "escape": "a\x1b[31mred\x1b]0;x\x07",
    "quotes": "'\"`;--",
    "line": "one\ntwo\rthree", "formula": "=HYPERLINK(0)", "right": "abc\u202edef\u2066ghi\u200f",
    "c1": "x\u009b31m", "long": "y" * 65536, "separator": "a\u2028b\u2029c", "format": "%s%n%x",
}


class Hostile(Case):
    def changed(self, text):
        """Two runs; in the second, a stranger's words are wherever words can be."""
        old, new = self.small("", 0), records_of(self.small("A", 1).lines)
        endpoint = new[1]
        endpoint["findings"][0]["title"] = text
        endpoint["endpoint"]["labels"] = {"owner": text, text[:100]: "x"}
        endpoint["tls"]["certificate"].update(sha256="c" * 64, subject_dn=text)
        endpoint["auth"]["capabilities"]["before_tls"] = [text]
        endpoint["policies"][0]["name"] = text[:300]
        return self.write(old.lines), self.write(b"".join(map(line_of, new)))

    def test_words_on_a_terminal(self):
        for name, text in HOSTILE.items():
            with self.subTest(name=name):
                old, new = self.changed(text)
                for options in (["--all"], ["--json"]):
                    done = subprocess.run([scan.named_file("STARTTLS_AUDIT"), "diff", *options,
                                           str(old), str(new)], capture_output=True,
                                          timeout=scan.WATCHDOG)
                    self.assertIn(done.returncode, (1, 2), done.stderr)
                    output = (done.stdout + done.stderr).decode()
                    self.check(output, terminal="--all" in options)
                    if name in ("script", "quotes", "formula", "right"):
                        self.assertEqual(done.returncode, 1)
                        self.assertIn("FLAW-A", output)

    def check(self, output, terminal):
        for c in output:
            category = unicodedata.category(c)
            self.assertFalse(category == "Cc" and c != "\n", repr(c))
            if terminal:
                self.assertNotIn(unicodedata.bidirectional(c),
                                 ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"))
        if terminal:
            self.assertLess(max(map(len, output.split("\n"))), 2000)

    def test_words_are_kept_as_they_are(self):
        for name in ("script", "quotes", "formula", "right", "format"):
            old, new = self.changed(HOSTILE[name])
            db = self.directory / f"{name}.db"
            state("add", db, old, new)
            self.assertIn((HOSTILE[name],), rows(db, "SELECT title FROM v_changes"
                                                     " WHERE change = 'finding_new'"))
            self.assertIn((HOSTILE[name],), rows(db, "SELECT owner FROM v_endpoints"))
            self.assertEqual(rows(db, "SELECT count(*) FROM run"), [(2,)])

    def test_words_without_end(self):
        """Every change would say the labels again."""
        old, new = self.changed(HOSTILE["long"])
        self.assertIn("labels", state("add", self.db, old, new, code=2)[1])
        self.assertEqual(rows(self.db, "SELECT recorded FROM run"), [(1,), (0,)])

    def test_checks_without_end(self):
        """A rule is there once, however often a record names it."""
        lines = self.small().lines.splitlines(keepends=True)
        record = json.loads(lines[1])
        rule = record["checks"]["pass"].pop()
        record["checks"]["not_tested"] = [rule] * 40000
        record["checks"]["reasons"] = [{"rule": rule, "reason": "timeout"}] * 30000
        lines[1] = json.dumps(record).encode() + b"\n"
        self.assertLess(len(lines[1]), 4 << 20)
        state("add", self.db, self.write(b"".join(lines)))
        self.assertEqual(rows(self.db, "SELECT recorded FROM run"), [(1,)])

    def test_lines_that_are_no_records(self):
        whole = self.small().lines
        lines = whole.splitlines(keepends=True)
        junk = [b"\n", b"{}\n", b"[]\n", b"nothing\n", b"\xff\xfe\n", b"{\"type\":\"endpoint\"\n",
                b'{"schema":"2.0","type":"endpoint"}\n', b"x" * (5 << 20) + b"\n",
                b'{"schema":"1.3","type":"endpoint","run_id":null}\n', b"[" * 5000 + b"\n"]
        file = self.write(lines[0] + b"".join(junk) + b"".join(lines[1:]))
        _, said = state("add", self.db, file, code=2)
        self.assertEqual(said.count(f"{file}:"), len(junk))
        self.assertEqual(rows(self.db, "SELECT complete, recorded FROM run"), [(1, 1)])
        for content in (b"", b"nothing\n", lines[1]):
            self.assertIn("no run", state("add", self.db, self.write(content), code=2)[1])

    def test_any_member_may_be_anything(self):
        """Whatever stands in a record: it is taken or refused, and the state stays sound."""
        chance = random.Random(SEED)
        print(f"STATE_SEED={SEED}", flush=True)
        values = [None, True, 0, -1, 1e300, "", "x", "a\u0000b", "y" * 70000, [], {}, [None], [[]],
                  ["x"] * 2000, {"a": {}}, "2026-03-01T02:30:00.000Z", "192.0.2.9", "FAIL"]
        old = self.write(self.small("", 0).lines)
        spoilt = []
        for number in range(1, 150):
            records = records_of(self.small("ABM", number).lines)
            self.spoil(chance.choice(records), chance, values)
            spoilt.append(self.write(b"".join(json.dumps(r).encode() + b"\n" for r in records)))
        done = subprocess.run([scan.named_file("STARTTLS_AUDIT"), "state", "add", str(self.db),
                               str(old), *map(str, spoilt)], capture_output=True,
                              timeout=scan.WATCHDOG)
        self.assertIn(done.returncode, (0, 2), done.stderr[-3000:])
        state("check", self.db)
        for view in Views.VIEWS:
            rows(self.db, f"SELECT * FROM {view}")
        for run_id, in rows(self.db, "SELECT run_id FROM run"):
            for line, in rows(self.db, "SELECT json FROM change JOIN run ON run.id = change.run"
                                       " WHERE run_id = ?", run_id):
                json.loads(line)

    def spoil(self, record, chance, values):
        """Some member, at any depth, is another one, or none."""
        at = record
        while True:
            names = list(at) if isinstance(at, dict) else list(range(len(at)))
            if not names:
                return
            name = chance.choice(names)
            if isinstance(at[name], (dict, list)) and at[name] and chance.random() < 0.8:
                at = at[name]
                continue
            if isinstance(at, dict) and chance.random() < 0.2:
                del at[name]
            else:
                at[name] = chance.choice(values)
            return


class Scanned(Case):
    """Real scans of played servers."""

    def setUp(self):
        super().setUp()
        self.farm = Farm()
        self.addCleanup(self.farm.close)
        farm = self.farm
        self.mended = farm.add("imap", login="allowed")
        self.closed = farm.add("smtp")
        self.broken = farm.add("smtp")
        farm.add("imap", "implicit", cert="expired")
        farm.add("ftp")
        farm.add("pop3", starttls="none", login="allowed")
        farm.add("imap", greeting="preauth")
        farm.add("imap", greeting="busy")
        farm.add("smtp", greeting="hostile")
        farm.start()
        self.targets = farm.targets()
        self.options = ["--ca-file", farm.ca_file, "--greeting-timeout", "2", "--patience", "0"]

    def scan(self, *options):
        self.number += 1
        file = self.directory / f"{self.number}.ndjson"
        run("scan", "-q", "-o", file, *self.options, *options, *self.targets)
        return file

    def again(self, server, **script):
        """Another one takes its place; without a script none does."""
        self.farm.servers.remove(server)
        if script:
            self.farm.add(server.protocol, server.mode, server.address, server.port, **script)

    def test_the_same_again_and_then_something_else(self):
        first, second = self.scan("--all"), self.scan("--all")
        self.assertEqual(diff("--all", first, second)[0].splitlines()[1:], [b"nothing changed"])
        quick = self.scan("--all", "--facts", "capabilities,versions")
        told = {(c["change"], c["cause"]) for c in self.changes(second, quick)}
        self.assertEqual(told, {("finding_not_observed", "scope")})
        self.assertEqual(self.changes(first, second, third := self.scan("--all")), [])
        self.farm.stop()
        self.again(self.mended, login="disabled")
        self.again(self.closed)
        self.again(self.broken, starttls="none")
        self.farm.start()
        told = {(c["change"], c["rule"] or c["endpoint"]["ip"])
                for c in self.changes(third, self.scan("--all"))}
        self.assertIn(("finding_resolved", "CLEARTEXT-LOGIN-ALLOWED"), told)
        self.assertIn(("cleartext_login_changed", self.mended.address), told)
        self.assertIn(("endpoint_closed", self.closed.address), told)
        self.assertIn(("finding_new", "STARTTLS-NOT-OFFERED"), told)
        self.assertIn(("starttls_changed", self.broken.address), told)
        self.assertNotIn("endpoint_new", {change for change, _ in told})

    def changes(self, *files):
        """Between the last two."""
        db = self.directory / f"{self.number}.db"
        self.number += 1
        state("add", db, *files)
        return [json.loads(line) for line, in rows(db, "SELECT json FROM change WHERE run ="
                                                       " (SELECT max(id) FROM run) ORDER BY seq")]


class Usage(Case):
    def test_what_is_refused(self):
        record = self.write(self.small().lines)
        for command, *arguments in (("state",), ("state", "add"), ("state", "add", self.db),
                                    ("state", "burn", self.db), ("state", "runs"),
                                    ("state", "runs", self.db, record), ("diff",),
                                    ("diff", record), ("diff", record, record, record),
                                    ("diff", "--state", self.db, record, record),
                                    ("diff", "--run", "x", record, record),
                                    ("diff", record, "-"), ("diff", record, self.directory),
                                    ("diff", record, "/nonexistent")):
            with self.subTest(command=command, arguments=arguments):
                output, said = run(command, *arguments, code=2)
                self.assertEqual(output, b"")
                self.assertTrue(said)
        self.assertFalse(self.db.exists())

    def test_a_run_that_is_not_there(self):
        state("add", self.db, self.write(self.small().lines))
        self.assertIn("no such run", diff("--state", self.db, "--run", "x", code=2)[1])
        self.assertIn(b"the first run", diff("--state", self.db)[0])

    def test_a_shard_by_itself(self):
        records = records_of(self.small().lines)
        records[0]["shard"] = {"index": 3, "count": 16}
        shard = self.write(b"".join(map(line_of, records)))
        self.assertIn("merge", state("add", self.db, shard, code=2)[1])
        self.assertEqual(rows(self.db, "SELECT count(*) FROM run"), [(0,)])

    def test_what_people_read(self):
        old, new = (self.write(self.small(flaws, number, quick=False).lines)
                    for number, flaws in enumerate(("B", "AR")))
        output = diff(old, new, code=1)[0].decode()
        self.assertEqual(output.splitlines(), [
            "2026-03-02T02:30:00Z, after 2026-03-01T02:30:00Z",
            "",
            "WORSE",
            "  new            medium   imap://192.0.2.1:143  FLAW-A: FLAW-A is wrong",
            "  new            low      imap://192.0.2.1:143  FLAW-ROLE: FLAW-ROLE is wrong",
            "",
            "BETTER",
            "  resolved       low      imap://192.0.2.1:143  FLAW-B: FLAW-B is wrong",
            "",
            "left out: 1 of capabilities and policies (--all shows them)"])
        output = diff("--all", old, new, code=1)[0].decode()
        self.assertIn("  policy         imap://192.0.2.1:143: pass -> warn  (base)", output)

    def test_a_waiver_makes_nothing_better(self):
        old = self.write(self.small("AB", 0).lines)
        records = records_of(self.small("AB", 1).lines)
        for record in records:
            for finding in record.get("findings", []) if record["type"] == "endpoint" else []:
                if finding["rule"] == "FLAW-A":
                    finding.update(status="waived", waiver={
                        "id": "W-1", "reason": "old", "expires": "2027-01-31", "expired": False})
        new = self.write(b"".join(map(line_of, records)))
        lines = diff(old, new, code=1)[0].decode().splitlines()
        self.assertNotIn("BETTER", lines)
        at = lines.index("NOT FIXED, BUT NO LONGER COUNTED")
        self.assertRegex(lines[at + 1], r"^  waived +medium +imap://192\.0\.2\.1:143  FLAW-A: .*\(W-1\)")


if __name__ == "__main__":
    main()
