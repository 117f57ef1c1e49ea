# SPDX-License-Identifier: MIT
"""The manual: each command has its page, each page the options that its command has, and no others.

What --help prints is held against the sources of the pages, both ways: names, short names, and what
an argument is called. Then the pages are rendered, without a warning.
"""

import re
import shutil
import subprocess
import tempfile
import unittest
from functools import cache
from pathlib import Path

import scan
from case import main

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "scanner" / "man"
PROGRAM = "starttls-audit"
WATCHDOG = 60
FOREIGN = {"--array", "--now"}  # of Slurm, as merge prints it, and of systemctl
FORMATS = {"config", "waivers", "policy"}  # pages of section 5


def said(*arguments):
    done = subprocess.run([scan.named_file("STARTTLS_AUDIT"), *arguments], text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=WATCHDOG, env={"LANG": "C.UTF-8"})
    return done.stdout


@cache
def commands():
    return re.findall(r"^  ([a-z]+) +\S", said("--help"), re.M)


@cache
def options_of(command):
    """What its --help lists: long names, each with its short one and its argument, or None."""
    text = said(command, "--help")
    rows = re.findall(r"^ {2,6}(?:-(.), )?--([a-z0-9-]+)(\[?=\S+)?(?: |$)", text, re.M)
    return {long: (short or None, argument or None) for short, long, argument in rows}


def page_of(command):
    return SOURCES / f"{PROGRAM}-{command}.1.scd"


def defined_in(page):
    """The options that a page explains, in the same shape."""
    pattern = re.compile(r"^(?:\*-(.)\*, )?\*--([a-z0-9-]+)\*(\S+)?$", re.M)
    return {long: (short or None, re.sub("[_\\\\]", "", argument) or None)
            for short, long, argument in pattern.findall(page.read_text())}


def mentioned_in(text):
    """All options that are named anywhere, as they are shown."""
    return set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", text.replace("\\", "")))


def pages():
    return sorted(SOURCES.glob("*.scd"))


class Manual(unittest.TestCase):
    def test_each_command_has_a_page_and_each_page_a_command(self):
        self.assertGreater(len(commands()), 5)
        self.assertEqual({path.name for path in SOURCES.glob(f"{PROGRAM}-*.1.scd")},
                         {page_of(command).name for command in commands()})
        self.assertEqual({path.name for path in SOURCES.glob("*.5.scd")},
                         {f"{PROGRAM}-{name}.5.scd" for name in FORMATS})

    def test_the_first_page_leads_to_all_others(self):
        text = (SOURCES / f"{PROGRAM}.1.scd").read_text()
        for page in pages():
            name, section = page.stem.rsplit(".", 1)
            if name != PROGRAM:
                self.assertIn(f"*{name}*({section})", text)

    def test_each_page_has_the_options_of_its_command_and_no_other(self):
        for command in commands():
            with self.subTest(command=command):
                page, program = defined_in(page_of(command)), options_of(command)
                self.assertEqual(sorted(page), sorted(program))
                for name, row in program.items():
                    self.assertEqual(page[name], row, f"--{name}")

    def test_no_page_speaks_of_an_option_that_does_not_exist(self):
        exist = {f"--{name}" for command in commands() for name in options_of(command)}
        for page in pages():
            with self.subTest(page=page.name):
                self.assertEqual(
                    mentioned_in(page.read_text()) - exist - FOREIGN - {"--version"}, set())

    def test_the_formats_of_export_are_in_its_page_and_no_others(self):
        listed = set(re.findall(r"^  ([a-z-]+) ", said("export", "--format", "?"), re.M))
        section = re.search(r"^# FORMATS\n(.*?)^# ", page_of("export").read_text(), re.M | re.S)
        self.assertEqual(set(re.findall(r"^\*([a-z-]+)\*$", section.group(1), re.M)), listed)

    def test_references_lead_somewhere(self):
        for page in pages():
            for name, section in re.findall(rf"\*({PROGRAM}[a-z-]*)\*\((\d)\)", page.read_text()):
                with self.subTest(page=page.name, name=name):
                    self.assertTrue((SOURCES / f"{name}.{section}.scd").is_file())

    def test_every_option_is_explained_and_not_only_named(self):
        for page in SOURCES.glob(f"{PROGRAM}-*.1.scd"):
            rows = re.split(r"^(?:\*-.\*, )?\*--([a-z0-9-]+)\*\S*\n", page.read_text(), flags=re.M)
            for name, rest in zip(rows[1::2], rows[2::2]):
                with self.subTest(page=page.name, option=name):
                    self.assertRegex(rest, r"\A\t\S.*\S")

    def test_examples_only_have_options_that_their_commands_take(self):
        for page in pages():
            for block in re.findall(r"^```\n(.*?)^```", page.read_text(), re.M | re.S):
                text = re.sub("'[^']*'", "TEXT", block.replace("\\\\\n", " "))
                for command, line in re.findall(rf"{PROGRAM} ([a-z]+)([^|\n]*)", text):
                    with self.subTest(page=page.name, line=line):
                        known = options_of(command)
                        self.assertLessEqual(
                            mentioned_in(line), {f"--{name}" for name in known})
                        self.assertLessEqual(
                            set(re.findall(r"(?<!\S)-([a-zA-Z])\b", line)),
                            {short for short, _ in known.values()})


class Formats(unittest.TestCase):
    """What the pages of section 5 show is taken by the program."""

    @classmethod
    def setUpClass(cls):
        cls.directory = Path(tempfile.mkdtemp(prefix="manual-"))
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        for name in FORMATS:
            text = (SOURCES / f"{PROGRAM}-{name}.5.scd").read_text()
            example = re.search(r"^# EXAMPLE\n+```\n(.*?)^```", text, re.M | re.S)
            (cls.directory / f"{name}.yaml").write_text(re.sub(
                "/var/lib/(starttls-audit|prometheus/node-exporter)", str(cls.directory),
                example.group(1)))
        (cls.directory / "runs").mkdir()
        (cls.directory / "exclude.txt").write_text("192.0.2.1\n")

    def dry_run(self, *arguments):
        done = subprocess.run([scan.named_file("STARTTLS_AUDIT"), "scan", "--dry-run", *arguments],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=WATCHDOG)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def test_a_configuration(self):
        said = self.dry_run("-c", self.directory / "config.yaml")
        self.assertIn("mail.example.org", said)

    def test_waivers(self):
        self.dry_run("--waivers", self.directory / "waivers.yaml", "192.0.2.1")

    def test_a_policy(self):
        self.dry_run("--policy", self.directory / "policy.yaml", "192.0.2.1")

    def test_every_member_of_a_configuration_is_in_its_page(self):
        """The sample has them all, those that are not in force behind a #."""
        page = (SOURCES / f"{PROGRAM}-config.5.scd").read_text()
        sample = (ROOT / "samples" / "config.yaml").read_text()
        members = set(re.findall(r"^ *#?([a-z_]+):(?: |$)", sample, re.M))
        self.assertGreater(len(members), 30)
        for member in members:
            self.assertIn(f"*{member}*", page)


class Rendered(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        for program in ("scdoc", "groff", "man"):
            if not shutil.which(program):
                raise unittest.SkipTest(f"{program} is not there")

    @staticmethod
    def run_on(data, *line):
        done = subprocess.run(line, input=data, capture_output=True, timeout=WATCHDOG,
                              env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "MANWIDTH": "80"})
        return done.returncode, done.stdout, done.stderr.decode()

    def test_without_a_warning(self):
        for page in pages():
            with self.subTest(page=page.name):
                code, roff, errors = self.run_on(page.read_bytes(), "scdoc")
                self.assertEqual((code, errors), (0, ""))
                code, _, errors = self.run_on(roff, "groff", "-man", "-Tutf8", "-Kutf8", "-ww", "-z")
                self.assertEqual((code, errors), (0, ""))
                code, text, errors = self.run_on(roff, "man", "--warnings", "-l", "-")
                self.assertEqual((code, errors), (0, ""))
                shown = re.sub(".\b", "", text.decode())
                self.assertRegex(shown, r"(?m)^NAME\n +starttls-audit[a-z-]* - \w")
                self.assertNotIn("\\", shown.replace("\\\n", ""))  # but at ends of lines
                if shutil.which("mandoc"):
                    code, _, errors = self.run_on(roff, "mandoc", "-T", "lint", "-W", "warning")
                    self.assertEqual(code, 0, errors)


if __name__ == "__main__":
    main()
