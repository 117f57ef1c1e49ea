# SPDX-License-Identifier: MIT
"""`scan --config`: a file says what options say, options hold instead, and --print-config says it again.

Which options there are is asked of --help, so that a new one without a member in the configuration
is found here, and so is one that does not come back from what is printed.
"""

import json
import os
import re
import socket
import subprocess
import tempfile
import unittest
from pathlib import Path

import yaml

import scan
from case import main
from played import Farm

HERE = Path(__file__).parent
BAD = HERE.parent / "config" / "bad"
SAMPLE = HERE.parent.parent / "samples" / "config.yaml"

# What is about one run, or about the configuration itself.
NO_MEMBERS = {"config", "without", "print-config", "dry-run", "resume", "help", "usage", "version"}
# For each option with an argument one that it takes; the others need none.
ARGUMENTS = {
    "file": "/lists/mail.txt", "exclude-file": "/lists/not.txt", "services": "imap,ftp/explicit",
    "ports": "imap/insecure:1143", "facts": "capabilities,versions", "ca-file": "/etc/ca.pem",
    "policy": "/etc/own.yaml", "waivers": "/etc/waivers.yaml", "baseline": "/var/lib/old.ndjson",
    "fail-on": "high", "output": "/var/lib/new.ndjson", "records-dir": "/var/lib/runs",
    "scan-name": "nightly", "title": "Mail: #1", "label": "owner", "metrics-per-endpoint": "500",
    "export": "csv=/var/lib/a=b.csv", "state": "/var/lib/state.db",
    "on-change": "mail -s 'it''s \"new\"' a@example.test # not a comment",
    "on-change-timeout": "20", "concurrency": "100", "per-host": "2", "per-net": "20",
    "rate": "0.5", "patience": "0", "seed": "18446744073709551615", "ehlo-name": "no",
    "source-address": "192.0.2.250", "resolver": "[2001:db8::53]:53", "workers": "007",
    "shard": "0/4", "max-duration": "14400", "sandbox": "require", "connect-timeout": "2.5", "greeting-timeout": "30",
    "reply-timeout": "15", "tls-timeout": "15", "endpoint-timeout": "300",
}
NEEDS = {"on-change": ["--state", "/s.db"], "on-change-timeout": ["--state", "/s.db"]}
# Of these a scan takes one only.
RIVALS = {"records", "table", "shard"}


PROGRAM = os.path.abspath(scan.named_file("STARTTLS_AUDIT"))


def command(*arguments, code=0, cwd=None, name="scan"):
    done = subprocess.run([PROGRAM, name, *map(str, arguments)], cwd=cwd,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=scan.WATCHDOG)
    said = done.stderr.decode(errors="replace")
    assert done.returncode == code, f"exit {done.returncode}, not {code}: {said}"
    return done.stdout.decode(), said


def members_of(text):
    """(section, member): value"""
    found = {}
    for name, value in (yaml.safe_load(text) or {}).items():
        if isinstance(value, dict):
            found.update({(name, member): inner for member, inner in value.items()})
        else:
            found[None, name] = value
    return found


class ConfigCase(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="config-")
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)

    def file(self, text, name="config.yaml"):
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def printed(self, *arguments, **options):
        """What is printed; read again, it says the same, from wherever."""
        text, said = command(*arguments, "--print-config", **options)
        self.assertEqual(said, "")
        again, _ = command("-c", self.file(text, "elsewhere/printed.yaml"), "--print-config", cwd="/")
        self.assertEqual(text, again)
        return text

    def held(self, *arguments, **options):
        return members_of(self.printed(*arguments, **options))


class Options(ConfigCase):
    """Every option is a member."""

    @classmethod
    def setUpClass(cls):
        text, _ = command("--help")
        rows = re.findall(r"^ +(?:-\w, )?--([a-z][a-z-]+)(\[?=\S+)?", text, re.MULTILINE)
        cls.options = dict(rows)
        assert len(cls.options) > 30, text

    def test_each_comes_back(self):
        seen = set()
        for name, argument in self.options.items():
            if name in NO_MEMBERS:
                continue
            with self.subTest(option=name):
                self.assertEqual(bool(argument), name in ARGUMENTS,
                                 "a new option wants a row in output/config/members.c, in "
                                 "samples/config.yaml, and an argument here")
                self.assertFalse(argument.startswith("["), "an argument may be there or not")
                words = [f"--{name}"] + ([ARGUMENTS[name]] if argument else [])
                needed = NEEDS.get(name, [])
                held = self.held(*words, *needed)
                for member in self.held(*needed) if needed else ():
                    held.pop(member)
                self.assertEqual(len(held), 1, held)
                (member, value), = held.items()
                self.assertNotIn(member, seen, "two options have one member")
                seen.add(member)
                self.check_value(name, argument, value)
        text = SAMPLE.read_text()
        for section, member in seen:
            self.assertRegex(text, rf"(?m)^ *#?{member}:", f"{section}.{member} is not in {SAMPLE}")

    def check_value(self, name, argument, value):
        if not argument:
            self.assertIs(value, True)
        elif name == "export":
            self.assertEqual(value, [{"format": "csv", "file": "/var/lib/a=b.csv"}])
        elif name == "facts":
            self.assertEqual(value, ARGUMENTS[name].split(","))
        elif isinstance(value, list):
            self.assertEqual(value, [ARGUMENTS[name]])
        elif isinstance(value, str):
            self.assertEqual(value, ARGUMENTS[name])
        else:
            self.assertEqual(value, type(value)(ARGUMENTS[name]))

    def test_short_ones_and_targets(self):
        held = self.held("-aq", "-fa.txt", "-", "192.0.2.0/24 owner=x", "mail.example.test",
                         "2001:db8::1", cwd="/tmp")
        self.assertEqual(held, {(None, "targets"): ["192.0.2.0/24 owner=x", "mail.example.test",
                                                    "2001:db8::1"],
                                (None, "target_files"): ["/tmp/a.txt", "-"],
                                ("output", "all"): True, ("output", "quiet"): True})

    def test_the_last_of_one_and_all_of_many(self):
        held = self.held("--per-host=3", "--per-host=4", "--services=imap", "--services=ftp,pop3",
                         "--policy=rfc-baseline", "--policy=own.yaml", cwd="/tmp")
        self.assertEqual(held, {("manners", "per_host"): 4, (None, "services"): ["imap", "ftp,pop3"],
                                ("judged", "policies"): ["rfc-baseline", "/tmp/own.yaml"]})

    def test_texts_that_look_like_something_else(self):
        for text in ("no", "~", "null", "True", "12", "1e3", "0x1F", "12:30:45", "2026-11-23", "1.5",
                     "- a", "? a", ": a", "a: b", "a #b", "#a", "&a", "*a", "!a", "|", ">", "%a", "@a",
                     "`a", "[a", "{a", "a]", ",a", "'a", '"a', "a'b''c", 'a"b', " a", "a ", "a\\nb", "---",
                     "...", "<<", "=", "*", "été", "日本", "\u202eab", "\U0001f4ec", "a" * 5000):
            with self.subTest(text=text):
                held = self.held("-o", f"/{text}", "--policy", text)
                self.assertEqual(held["output", "records"], f"/{text}")
                if "/" not in text:
                    self.assertEqual(held["judged", "policies"], [text])

    def test_texts_that_cannot_stand_in_a_file(self):
        for text in ("a\nb", "a\tb", "a\x1bb", "a\u2028b", "\ufeffa", b"caf\xe9", "\x85"):
            text = os.fsdecode(text)
            with self.subTest(text=text):
                _, said = command("-o", f"/{text}", "--print-config", code=2)
                self.assertIn("cannot stand in a configuration", said)


class Overriding(ConfigCase):
    TEXT = """
        targets: [192.0.2.1 owner=a, mail.example.test]
        target_files: [in.txt]
        exclude_files: [out.txt]
        services: [imap, pop3]
        ports: ['imap:1143']
        asked:
          facts: [capabilities]
          exhaustive: true
          dummy_login: false
        judged:
          policies: [rfc-baseline, ./own.yaml]
          fail_on: low
        manners: {per_host: 2, rate: 1.5, ordered: true}
        timeouts:
        """

    def setUp(self):
        super().setUp()
        self.path = self.file(self.TEXT)

    def held(self, *arguments, **options):
        return super().held("-c", self.path, *arguments, **options)

    def differing(self, *arguments):
        """What is not as in the file alone."""
        before, now = self.held(), self.held(*arguments)
        return {member: now.get(member) for member in {**before, **now}
                if now.get(member) != before.get(member)}

    def test_a_file_alone(self):
        here = self.directory
        self.assertEqual(self.held(), {
            (None, "targets"): ["192.0.2.1 owner=a", "mail.example.test"],
            (None, "target_files"): [f"{here}/in.txt"], (None, "exclude_files"): [f"{here}/out.txt"],
            (None, "services"): ["imap", "pop3"], (None, "ports"): ["imap:1143"],
            ("asked", "facts"): ["capabilities"], ("asked", "exhaustive"): True,
            ("judged", "policies"): ["rfc-baseline", f"{here}/./own.yaml"], ("judged", "fail_on"): "low",
            ("manners", "per_host"): 2, ("manners", "rate"): 1.5, ("manners", "ordered"): True})

    def test_scalars(self):
        self.assertEqual(self.differing("--per-host", "3", "--fail-on=high"),
                         {("manners", "per_host"): 3, ("judged", "fail_on"): "high"})
        # also where it is what it would be by default
        self.assertEqual(self.differing("--per-host", "2"), {})

    def test_lists(self):
        self.assertEqual(self.differing("--services", "smtp", "--policy", "pci-dss-4.0.1",
                                        "--facts", "versions", "--ports", "smtp:2525"),
                         {(None, "services"): ["smtp"], (None, "ports"): ["smtp:2525"],
                          ("judged", "policies"): ["pci-dss-4.0.1"], ("asked", "facts"): ["versions"]})

    def test_any_target_is_there_instead_of_all(self):
        nothing = {(None, "targets"): None, (None, "target_files"): None}
        self.assertEqual(self.differing("192.0.2.9"), {**nothing, (None, "targets"): ["192.0.2.9"]})
        self.assertEqual(self.differing("-f", "/x"), {**nothing, (None, "target_files"): ["/x"]})
        self.assertEqual(self.differing("-"), {**nothing, (None, "target_files"): ["-"]})

    def test_exclusions_add_up(self):
        found = self.differing("-x", "/more.txt")[None, "exclude_files"]
        self.assertEqual(sorted(found), sorted(["/more.txt", f"{self.directory}/out.txt"]))

    def test_without(self):
        self.assertEqual(self.differing("--without", "exhaustive", "--without", "manners.rate"),
                         {("asked", "exhaustive"): None, ("manners", "rate"): None})
        self.assertEqual(self.differing("--without", "manners"), {("manners", "per_host"): None,
                         ("manners", "rate"): None, ("manners", "ordered"): None})
        self.assertEqual(self.differing("--without", "exclude_files", "-x", "/x"),
                         {(None, "exclude_files"): ["/x"]})

    def test_without_what_there_is_not(self):
        _, said = command("-c", self.path, "--without", "per-host", "--print-config", code=2)
        self.assertIn("--without: there is no member or section 'per-host'", said)
        _, said = command("--without", "per_host", "--print-config", code=2)
        self.assertIn("--without goes with --config", said)

    def test_what_does_not_count_must_be_sound_nevertheless(self):
        path = self.file("targets: [192.0.2.1]\nmanners:\n  per_host: 0\n")
        _, said = command("-c", path, "--per-host", "3", "--print-config", code=2)
        self.assertEqual(said, f"{path}:3: manners.per_host: '0' is not a number from 1 to 1000\n")

    def test_one_file(self):
        _, said = command("-c", self.path, "-c", self.path, code=2)
        self.assertIn("one --config only", said)

    def test_no_target_anywhere(self):
        _, said = command("-c", self.file("manners:\n  # rate: 3\n"), code=2)
        self.assertIn("no target is given", said)

    def test_names_from_the_directory_of_the_file(self):
        self.file("targets: [192.0.2.1]\njudged: {policies: [b/own.yaml, ../up.yaml, nist-800-52r2]}\n"
                  "output: {records: '-'}\nasked: {ca_file: /etc/ca.pem}\n", "etc/c.yaml")
        here = str(self.directory)
        for cwd, name in ((here, "etc/c.yaml"), (f"{here}/etc", "c.yaml"), ("/", f"{here}/etc/c.yaml")):
            text, _ = command("-c", name, "--print-config", cwd=cwd)
            held = members_of(text)
            self.assertEqual([os.path.normpath(p) for p in held["judged", "policies"]],
                             [f"{here}/etc/b/own.yaml", f"{here}/up.yaml", "nist-800-52r2"])
            self.assertEqual(held["output", "records"], "-")
            self.assertEqual(held["asked", "ca_file"], "/etc/ca.pem")


class Bad(ConfigCase):
    def test_each_bad_file_is_told(self):
        files = sorted(BAD.glob("*.yaml"))
        self.assertGreater(len(files), 20)
        for path in files:
            with self.subTest(file=path.name):
                lines = path.read_bytes().decode(errors="replace").splitlines()
                expected = [line.split(": ", 1)[1] for line in lines if line.startswith("# expect: ")]
                out, said = command("-c", path.name, "--dry-run", code=2, cwd=BAD)
                self.assertEqual(out, "")
                self.assertEqual([line.split(":", 1)[1].strip() for line in said.splitlines()], expected)

    def test_files_that_are_none(self):
        cases = {self.directory: "is not a plain file", self.directory / "gone": "No such file",
                 self.file(b"# " + b"x" * (1 << 20), "large"): "File too large"}
        for path, why in cases.items():
            out, said = command("-c", path, "--print-config", code=2)
            self.assertEqual(out, "")
            self.assertRegex(said, f"^{re.escape(str(path))}: {why}")

    def test_a_target_is_told_with_its_line(self):
        path = self.file("# one\ntargets:\n  - 192.0.2.1\n  - 192.0.2.2 expect=gopher\n\n  - a..b\n")
        said = scan.refused("-c", path)
        self.assertEqual(said, f"{path}:4: 'gopher' expects a protocol that is not known here\n"
                               f"{path}:6: 'a..b' has an empty label\n")

    def test_a_great_many_troubles(self):
        path = self.file("targets:\n" + "  - ''\n" * 20000)
        _, said = command("-c", path, code=2)
        self.assertEqual(said.count("\n"), 20000)


class Sample(ConfigCase):
    def test_as_it_is(self):
        held = self.held("-c", SAMPLE)
        self.assertIn((None, "targets"), held)
        self.assertTrue(all("192.0.2." in t or "example.test" in t for t in held[None, "targets"]))
        out, said = command("-c", SAMPLE, "--dry-run")
        self.assertEqual(said, "")
        self.assertIn("257 hosts, ", out.splitlines()[-1])
        self.assertNotIn(" 0 of ", out, "a target of the sample has nothing left to add")

    def test_with_all_that_is_not_in_force(self):
        """But for options that this build does not have."""
        lines = SAMPLE.read_text().splitlines()
        for i, line in enumerate(lines):
            found = re.match(r"( *)#([a-z_]+:.*)$", line)
            if found and found[2].split(":")[0] not in RIVALS:
                lines[i] = found[1] + found[2]
        path = self.file("\n".join(lines) + "\n")
        done = subprocess.run([PROGRAM, "scan", "-c", path, "--print-config"],
                              capture_output=True, text=True, timeout=scan.WATCHDOG)
        for said in done.stderr.splitlines():
            self.assertRegex(said, r": there is no option --[a-z-]+$")
            number = int(said.split(":")[1])
            lines[number - 1] = ""
        held = self.held("-c", self.file("\n".join(lines) + "\n"))
        self.assertGreater(len(held), 25)

    def test_rivals(self):
        for name in RIVALS:
            text = re.sub(rf"(?m)^( *)#({name}: .*)$", r"\1\2", SAMPLE.read_text())
            self.assertNotEqual(text, SAMPLE.read_text())
            self.held("-c", self.file(text))


class Scans(ConfigCase):
    @classmethod
    def setUpClass(cls):
        cls.farm = Farm()
        cls.addClassCleanup(cls.farm.close)
        cls.servers = [cls.farm.add("imap") for _ in range(3)]
        cls.farm.add("smtp", address=cls.servers[0].address)
        cls.farm.start()

    def text(self):
        a, b, c = (server.address for server in self.servers)
        return (f"# where it stands is where a target comes from\n\ntargets:\n  - {a} owner=mail-team\n"
                f"  - {b} site=ams\n\n  - '{c}:10143/imap'\nservices: [imap/insecure]\n"
                f"ports: ['imap:10143', 'smtp:10025']\nasked: {{facts: [capabilities], "
                f"ca_file: {self.farm.ca_file}}}\n"
                "output:\n  records: out.ndjson\n  all: true\nmanners: {patience: 0, per_host: 1}\n"
                "timeouts: {connect: 3}\n")

    def test_it_is_the_scan_that_options_make(self):
        path = self.file(self.text())
        command("-c", path, cwd="/")
        data = (self.directory / "out.ndjson").read_bytes()
        run = scan.parsed(data, b"", 0, 0)
        a, b, c = (server.address for server in self.servers)
        by_options = scan.run("--services", "imap/insecure", "--ports", "imap:10143,smtp:10025", "--facts",
                              "capabilities", "--ca-file", self.farm.ca_file, "--all", "--per-host",
                              "1", "--connect-timeout", "3", f"{a} owner=mail-team",
                              f"{b} site=ams", f"{c}:10143/imap")
        for name in ("scope", "options", "options_sha256"):
            self.assertEqual(run.start[name], by_options.start[name])
        facts = [{(r["endpoint"]["key"], r["status"], r.get("banner")) for r in each.records}
                 for each in (run, by_options)]
        self.assertEqual(*facts)
        sources = {r["endpoint"]["ip"]: (r["endpoint"]["source"], r["endpoint"]["labels"])
                   for r in run.records}
        file = str(path)
        self.assertEqual(sources, {a: ({"file": file, "line": 4}, {"owner": "mail-team"}),
                                   b: ({"file": file, "line": 5}, {"site": "ams"}),
                                   c: ({"file": file, "line": 7}, {})})

    def test_what_is_printed_scans_the_same(self):
        path = self.file(self.text())
        printed = self.file(self.printed("-c", path), "b/printed.yaml")
        runs = [scan.run("-c", each, "-o", "-") for each in (path, printed)]
        self.assertEqual(*(run.start["scope"] for run in runs))
        self.assertEqual(*({(r["endpoint"]["key"], r["status"]) for r in run.records} for run in runs))

    def test_it_goes_on_with_its_own_records(self):
        path = self.file(self.text())
        out = self.directory / "out.ndjson"
        command("-c", path)
        whole = out.read_bytes()
        lines = whole.splitlines(keepends=True)
        out.write_bytes(b"".join(lines[:-2]))
        command("-c", path, "--resume", out)
        records = [json.loads(line) for line in out.read_bytes().splitlines()]
        self.assertEqual(sorted(r["endpoint"]["key"] for r in records if r["type"] == "endpoint"),
                         sorted(json.loads(line)["endpoint"]["key"] for line in lines
                                if b'"type":"endpoint"' in line))
        self.assertTrue(records[-1]["complete"])

    def test_printing_connects_to_nobody(self):
        with socket.create_server(("127.62.1.1", 0)) as server:
            server.setblocking(False)
            port = server.getsockname()[1]
            path = self.file(f"targets: ['127.62.1.1:{port}/imap']\n")
            self.printed("-c", path)
            with self.assertRaises(BlockingIOError):
                server.accept()


if __name__ == "__main__":
    main()
