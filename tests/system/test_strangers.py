# SPDX-License-Identifier: MIT
"""Files of strangers: what they are called, and what was typed, comes out as one clean line; what they say
does not decide what is done."""

import os
import re
import resource
import subprocess
import tempfile
import unicodedata
import unittest
from pathlib import Path

import scan
from case import main
from played import Farm

# A terminal would obey it, a reader would see two lines, and a word that is turned around.
NASTY = "a\x1b[31m\nfake: 0 findings\x9bx\u202egnp\r\t\u200b"
BROKEN = NASTY.encode() + b"\xff\xc2\x80"
UMASK = os.umask(0)
os.umask(UMASK)
COMMANDS = ("scan", "audit", "export", "check", "merge", "diff", "state", "rules", "services")


def said_by(*arguments, cwd=None, stdin=b""):
    """Exit code and standard error, looked at octet by octet."""
    done = subprocess.run([scan.named_file("STARTTLS_AUDIT"), *arguments], input=stdin, cwd=cwd,
                          capture_output=True, timeout=scan.WATCHDOG)
    return done.returncode, done.stderr, done.stdout


def flaws(octets):
    """What no message may have in it."""
    try:
        text = octets.decode()
    except UnicodeDecodeError as error:
        return [str(error)]
    return [f"U+{ord(c):04X}" for c in text
            if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp")] + \
        [line for line in text.splitlines() if line.startswith("fake")]


class Names(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.folder = os.fsencode(directory.name)
        self.nasty = BROKEN
        Path(directory.name, "plain").write_bytes(b"no record\n")

    def make(self, content):
        with open(os.path.join(self.folder, self.nasty), "wb") as file:
            file.write(content)

    def clean(self, *arguments, silent=False, **options):
        code, said, out = said_by(*arguments, cwd=self.folder, **options)
        self.assertEqual(flaws(said), [], (arguments, said))
        if not silent:
            self.assertTrue(said or b"UNKNOWN" in out, arguments)
        self.assertNotEqual(code, 0, (arguments, said))
        self.assertLess(code, 4, (arguments, said))
        return said

    def uses(self):
        """Every way to name a file: one for what is read, one for what is written."""
        name = self.nasty
        for option in (b"-x", b"-f", b"-c", b"--waivers", b"--baseline", b"--policy", b"--ca-file",
                       b"--state"):
            yield b"scan", option, name, b"127.0.0.1"
        yield b"scan", b"--resume", b"-o", name, b"127.0.0.1"
        for option in (b"--waivers", b"--baseline", b"--policy"):
            yield b"audit", option, name, b"plain"
        yield b"audit", name
        for format_ in (b"html", b"csv", b"junit", b"sarif", b"prometheus"):
            yield b"export", b"--format", format_, name
        yield b"merge", name
        yield b"diff", name, b"plain"
        yield b"diff", b"plain", name
        yield b"diff", b"--state", name
        for verb in (b"runs", b"check"):
            yield b"state", verb, name
        for verb in (b"add", b"rebuild"):
            yield b"state", verb, name, b"plain"
            yield b"state", verb, b"new.db", name
        yield b"check", b"--from", name, b"127.0.0.1"
        yield b"check", b"--policy", name, b"127.0.0.1"
        yield b"rules", b"--policy", name

    def test_names_of_files(self):
        contents = (None, b"", b"no record\n", b"{\n  - \x1b[31m: [\n", b"policy: x\nrules: [[1]]\n",
                    b"SQLite format 3\0" + bytes(200))
        for content in contents:
            for use in self.uses():
                with self.subTest(content=content, use=use):
                    if content is None:
                        Path(os.fsdecode(os.path.join(self.folder, self.nasty))).unlink(missing_ok=True)
                    else:
                        self.make(content)
                    code, said, _ = said_by(*use, cwd=self.folder)
                    self.assertEqual(flaws(said), [], said)
                    if content is None:
                        self.assertNotEqual(code, 0, (use, said))

    def test_folders(self):
        """Where a file should be."""
        os.mkdir(os.path.join(self.folder, self.nasty))
        for use in self.uses():
            with self.subTest(use=use):
                self.clean(*use)

    def test_what_is_written(self):
        nowhere = self.nasty + b"/nowhere"
        for use in ((b"scan", b"-o", nowhere, b"127.0.0.1"),
                    (b"scan", b"--records-dir", nowhere, b"127.0.0.1"),
                    (b"scan", b"--export", b"html=" + nowhere, b"127.0.0.1"),
                    (b"scan", b"--state", nowhere, b"127.0.0.1"),
                    (b"audit", b"-o", nowhere, b"plain"), (b"merge", b"-o", nowhere, b"plain"),
                    (b"export", b"--format", b"html", b"-o", nowhere, b"plain"),
                    (b"state", b"add", nowhere, b"plain")):
            with self.subTest(use=use):
                self.clean(*use)

    def test_in_is_out(self):
        self.make(b"no record\n")
        for use in ((b"audit", b"-o", self.nasty, self.nasty), (b"merge", b"-o", self.nasty, self.nasty),
                    (b"export", b"--format", b"csv", b"-o", self.nasty, self.nasty)):
            with self.subTest(use=use):
                self.clean(*use)


class Arguments(unittest.TestCase):
    """What was typed."""

    def options(self, command):
        _, _, out = said_by(command, "--help")
        return sorted(set(re.findall(rb"--[a-z][a-z-]+", out)) - {b"--help", b"--usage"})

    def check(self, *arguments):
        code, said, _ = said_by(*arguments)
        self.assertEqual(flaws(said), [], (arguments, said))
        return code

    def test_options(self):
        for command in COMMANDS:
            for option in self.options(command):
                if option in (b"--on-change", b"--output", b"--records-dir", b"--state"):
                    continue
                with self.subTest(command=command, option=option):
                    self.check(command.encode(), option + b"=" + BROKEN, b"--dry-run")
                    self.check(command.encode(), option, BROKEN, b"x" + BROKEN)

    def test_no_options(self):
        for command in COMMANDS:
            for word in (b"--" + BROKEN, b"--no" + BROKEN + b"=" + BROKEN, b"-\n", b"-\x9b",
                         b"-Z" + BROKEN, b"--s=" + BROKEN, b"--help=" + BROKEN,
                         b"--no\nTry `fake: this"):
                with self.subTest(command=command, word=word):
                    self.assertNotEqual(self.check(command.encode(), word), 0)

    def test_words(self):
        for command in (*COMMANDS, None):
            words = [command.encode()] if command else []
            with self.subTest(command=command):
                self.check(*words, BROKEN)
                self.check(*words, BROKEN, BROKEN)
                self.check(*words, BROKEN, BROKEN, BROKEN)


class Whole(unittest.TestCase):
    """A file is replaced when the new one is whole, and not before."""

    def test_audit_on_a_full_disk(self):
        with tempfile.TemporaryDirectory() as folder:
            records, out = Path(folder, "records"), Path(folder, "out")
            subprocess.run(scan.command("--all", "-o", records, "127.0.0.0/27"), check=False,
                           stderr=subprocess.DEVNULL)
            self.assertEqual(records.stat().st_mode & 0o777, 0o640 & ~UMASK)
            subprocess.run([scan.named_file("STARTTLS_AUDIT"), "audit", "-q", "-o", out, records],
                           stderr=subprocess.DEVNULL, check=False)
            whole = out.read_bytes()
            self.assertGreater(len(whole), 20000)
            out.chmod(0o604)
            done = subprocess.run(
                [scan.named_file("STARTTLS_AUDIT"), "audit", "-q", "-o", out, records],
                stderr=subprocess.PIPE, check=False,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10000, 10000)))
            self.assertEqual(done.returncode, 2)
            self.assertIn(b"File too large", done.stderr)
            self.assertEqual(out.read_bytes(), whole)
            self.assertEqual(sorted(os.listdir(folder)), ["out", "records"])
            subprocess.run([scan.named_file("STARTTLS_AUDIT"), "audit", "-q", "-o", out, records],
                           stderr=subprocess.DEVNULL, check=False)
            self.assertEqual(out.stat().st_mode & 0o777, 0o604)


class Layout(unittest.TestCase):
    """Where a word belongs, there is a list or a map."""

    def test_keys(self):
        for text, line in (("waivers:\n  - [a]: b\n", 2), ("? [x]\n: y\n", 1), ("? {x: y}\n: z\n", 1),
                           ("waivers:\n- match:\n    labels:\n      ? [x]\n      : y\n", 4),
                           ("waivers: []\n? - a\n: b\n", 2)):
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder, "file.yaml")
                file.write_text(text)
                for option in ("--waivers", "--policy"):
                    with self.subTest(text=text, option=option):
                        code, said, _ = said_by("audit", option, str(file), "/dev/null")
                        self.assertEqual(code, 2)
                        self.assertEqual(said.decode(),
                                         f"{file}:{line}: a key is a word, not a list or a map\n")
                code, said, _ = said_by("scan", "-c", str(file), "--dry-run", "127.0.0.1")
                self.assertEqual(code, 2)
                self.assertNotIn(b"nternal", said)
                self.assertRegex(said.decode(), f"^{file}:[0-9]+: ")


class Environment(unittest.TestCase):
    """Libraries of ours obey variables that are not for this program."""

    def test_no_keys_are_written(self):
        with tempfile.TemporaryDirectory() as folder, Farm() as farm:
            server = farm.add("imap", "implicit")
            farm.start()
            log = Path(folder, "keys")
            run = scan.run("--ca-file", farm.ca_file, *farm.targets(),
                           env={**os.environ, "SSLKEYLOGFILE": str(log), "GNUTLS_DEBUG_LEVEL": "9"})
            self.assertTrue(run.endpoints[server.at()]["tls"]["established"])
            self.assertFalse(log.exists())
            self.assertNotIn("gnutls", run.errors)


if __name__ == "__main__":
    main()
