# SPDX-License-Identifier: MIT
"""scanner/completion: what bash proposes, asked as bash asks it, and once by a bash with a terminal."""

import os
import pty
import re
import select
import shutil
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

import scan
from case import main

COMPLETION = Path(__file__).parents[2] / "scanner" / "completion" / "starttls-audit.bash"
LIBRARY = Path("/usr/share/bash-completion/bash_completion")
PROGRAM = "starttls-audit"
WATCHDOG = 60

# Words as readline cuts them: "=" and ":" are words of their own (COMP_WORDBREAKS). compopt works
# only where readline called.
ASK = r"""
set -u +u
. "$1" && . "$2" || exit
compopt() { echo "compopt $*"; }
COMP_LINE=$3 COMP_POINT=${#3} COMP_WORDS=("${@:4}") COMP_CWORD=$(($# - 4)) COMPREPLY=()
_starttls_audit starttls-audit "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf 'reply %s\n' "${COMPREPLY[@]}"
"""


def said(*arguments):
    return subprocess.run([scan.named_file("STARTTLS_AUDIT"), *arguments], text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=WATCHDOG)


def commands():
    return re.findall(r"^  ([a-z]+) +\S", said("--help").stdout, re.M)


class Completion(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not LIBRARY.is_file():
            raise unittest.SkipTest("the package bash-completion is not there")
        cls.directory = Path(tempfile.mkdtemp(prefix="completion-"))
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        (cls.directory / "bin").mkdir()
        (cls.directory / "bin" / PROGRAM).symlink_to(
            Path(scan.named_file("STARTTLS_AUDIT")).resolve())
        for name in ("run.ndjson", "ours.yaml", "ca.pem"):
            (cls.directory / name).touch()
        (cls.directory / "records").mkdir()
        cls.environment = {"PATH": f"{cls.directory}/bin:/usr/bin:/bin", "HOME": str(cls.directory),
                           "LANG": "C.UTF-8", "TERM": "dumb"}

    def propose(self, line):
        """What is proposed at the end of this line."""
        words = re.findall(r"[=:]+|[^\s=:]+", line) + ([""] if re.search(r"[\s]$", line) else [])
        if line.endswith("="):
            words.append("")
        done = subprocess.run(["bash", "--norc", "-c", ASK, "bash", LIBRARY, COMPLETION, line, *words],
                              cwd=self.directory, env=self.environment, text=True,
                              capture_output=True, stdin=subprocess.DEVNULL, timeout=WATCHDOG)
        self.assertEqual(done.stderr, "", line)
        replies = re.findall(r"^reply (.+)$", done.stdout, re.M)
        self.assertEqual(len(replies), len(set(replies)), replies)
        return set(replies)

    def test_commands(self):
        self.assertEqual(self.propose("starttls-audit "), {*commands(), "--help", "--version"})
        self.assertEqual(self.propose("starttls-audit me"), {"merge"})

    def test_options_are_those_of_the_command(self):
        for command in commands():
            with self.subTest(command=command):
                listed = set(re.findall(r"^ {2,6}(?:-., )?(--[a-z0-9-]+)",
                                        said(command, "--help").stdout, re.M))
                self.assertEqual(self.propose(f"starttls-audit {command} -"), listed)
        self.assertEqual(self.propose("starttls-audit scan --per"), {"--per-host", "--per-net"})

    def test_severities(self):
        every = {"info", "low", "medium", "high", "critical"}
        for line in ("scan --fail-on ", "scan --fail-on=", "audit --fail-on ", "merge --fail-on ",
                     "check --warning ", "check -c "):
            self.assertEqual(self.propose(f"starttls-audit {line}"), every, line)
        self.assertEqual(self.propose("starttls-audit scan --fail-on=cr"), {"critical"})

    def test_sandbox(self):
        for line in "scan --sandbox ", "export --sandbox=", "check --sandbox=":
            self.assertEqual(self.propose(f"starttls-audit {line}"), {"auto", "off", "require"}, line)

    def test_lists_grow_word_by_word(self):
        self.assertEqual(self.propose("starttls-audit scan --facts "), {
            "capabilities", "versions", "handshake", "login", "injection"})
        self.assertEqual(self.propose("starttls-audit scan --facts versions,h"),
                         {"versions,handshake"})
        self.assertEqual(self.propose("starttls-audit scan --services ftp"),
                         {"ftp", "ftp/insecure", "ftp/implicit", "ftp/explicit"})
        self.assertEqual(self.propose("starttls-audit scan --services=imap,pop3/i"),
                         {"imap,pop3/insecure", "imap,pop3/implicit"})

        self.assertEqual(self.propose("starttls-audit check --expect smtp/e"), {"smtp/explicit"})

    def test_policies_and_files_of_ones_own(self):
        policies = set(re.findall(r"^  (\S+)", said("rules").stdout.split("Policies:")[1], re.M))
        self.assertGreater(len(policies), 3)
        self.assertEqual(self.propose("starttls-audit scan --policy "),
                         policies | {"ours.yaml", "records", "bin"})
        self.assertEqual(self.propose("starttls-audit audit --policy=n"),
                         {policy for policy in policies if policy.startswith("n")})

    def test_rules(self):
        replies = self.propose("starttls-audit rules STARTTLS-")
        self.assertIn("STARTTLS-INJECTION", replies)
        self.assertLess({"rfc-baseline", "IMAP-PREAUTH-CLEARTEXT"}, self.propose("starttls-audit rules "))

    def test_formats(self):
        listed = set(re.findall(r"^  ([a-z-]+) ", said("export", "--format", "?").stderr, re.M))
        self.assertIn("csv", listed)
        self.assertEqual(self.propose("starttls-audit export --format "), listed)
        self.assertEqual(self.propose("starttls-audit export --format=c"),
                         {name for name in listed if name.startswith("c")})

    def test_exports_of_a_scan(self):
        self.assertEqual(self.propose("starttls-audit scan --export juni"), {"junit="})
        self.assertEqual(self.propose("starttls-audit scan --export junit=ru"), {"run.ndjson"})

    def test_files(self):
        for line in ("audit ru", "merge ru", "export ru", "scan -o ru", "scan -x ru", "scan -f ru",
                     "scan --output=ru", "scan --resume ru", "export -o ru"):
            self.assertEqual(self.propose(f"starttls-audit {line}"), {"run.ndjson"}, line)
        self.assertEqual(self.propose("starttls-audit scan --ca-file c"), {"ca.pem"})

    def test_files_of_schedules(self):
        for line in ("scan --baseline ru", "scan --waivers ru", "scan --state ru", "scan -c ru",
                     "check --from ru", "diff ru", "diff --state ru", "state rebuild ru"):
            self.assertEqual(self.propose(f"starttls-audit {line}"), {"run.ndjson"}, line)
        self.assertEqual(self.propose("starttls-audit scan --records-dir r"), {"records"})
        self.assertIn("true", self.propose("starttls-audit scan --on-change tru"))
        self.assertEqual(self.propose("starttls-audit state "), {"add", "check", "rebuild", "runs"})
        said_of_state = said("state", "--help").stdout
        for word in ("add", "check", "rebuild", "runs"):
            self.assertIn(word, said_of_state)

    def test_nothing_is_proposed_for_a_number_or_a_target(self):
        for line in ("scan --rate ", "scan --shard ", "scan --ehlo-name ", "scan ", "services "):
            self.assertEqual(self.propose(f"starttls-audit {line}"), set(), line)

    def test_with_a_terminal(self):
        """As it is installed: loaded when it is first wanted, and a key pressed."""
        place = self.directory / ".local/share/bash-completion/completions"
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(COMPLETION, place / PROGRAM)
        child, terminal = pty.fork()
        if child == 0:
            os.chdir(self.directory)
            os.execve("/bin/bash", ["bash", "--norc", "--noprofile", "-i"], self.environment)
        try:
            for text, expected in ((f". {LIBRARY}; PS1='rea''dy'\n", "ready"),
                                   ("starttls-audit mer\t", "merge "),
                                   ("--fail-on=cri\t", "critical "),
                                   ("-o ru\t", "run.ndjson ")):
                os.write(terminal, text.encode())
                self.await_text(terminal, expected)
        finally:
            os.close(terminal)
            os.waitpid(child, 0)

    def await_text(self, terminal, expected):
        seen, deadline = "", time.monotonic() + WATCHDOG
        while expected not in seen:
            ready, _, _ = select.select([terminal], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                self.fail(f"no {expected!r} in {seen!r}")
            seen += os.read(terminal, 4096).decode(errors="replace")


if __name__ == "__main__":
    main()
