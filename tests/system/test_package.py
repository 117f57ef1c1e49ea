# SPDX-License-Identifier: MIT
"""The Debian package: it builds, lintian has nothing to say, and it comes and goes without a trace.

It is installed by dpkg, used, and purged under a systemd that is booted for this test (booted.py):
there this file runs a second time.
"""

import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest
from functools import cache
from pathlib import Path

import booted
import scan
from case import main
from played import Farm

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "package"
NAME = "starttls-audit"
PROGRAM = f"/usr/bin/{NAME}"
DOC = f"usr/share/doc/{NAME}"
TIMER = f"{NAME}.timer"
WATCHDOG = 900
PRESET = ("--preset", "package")

# What changes whenever anything is installed.
OTHERS = ("/var/lib/dpkg/", "/var/cache/", "/var/log/", "/etc/ld.so.cache", "/var/lib/systemd/")


def sh(*line, code=0, **options):
    """What a command prints, on both outputs; it has to exit with this code."""
    done = subprocess.run([str(word) for word in line], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=WATCHDOG,
                          **options)
    if done.returncode != code:
        raise AssertionError(f"exit {done.returncode}, not {code}: {line}\n{done.stdout}")
    return done.stdout


def missing():
    """Why no package can be built here, or None."""
    for program in ("cmake", "cpack", "ninja", "scdoc", "dpkg-deb", "dpkg-shlibdeps", "file"):
        if not shutil.which(program):
            return f"{program} is not there"
    return None


def pack():
    """Packs what is built. The mask of whoever does it must not matter."""
    sh("sh", "-c", f"umask 077 && cpack {' '.join(PRESET)}", cwd=ROOT)
    packages = list(BUILD.glob("*.deb"))
    assert len(packages) == 1, packages
    return packages[0]


@cache
def package():
    for old in BUILD.glob("*.deb"):
        old.unlink()
    sh("cmake", *PRESET, cwd=ROOT)
    sh("cmake", "--build", *PRESET, cwd=ROOT)
    return pack()


def fields(deb):
    return dict(re.findall(r"^([A-Z][\w-]*): (.*)$", sh("dpkg-deb", "-f", deb), re.M))


class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        reason = missing()
        if reason:
            raise unittest.SkipTest(reason)
        cls.deb = package()
        cls.root = Path(tempfile.mkdtemp(prefix="package-"))
        cls.addClassCleanup(shutil.rmtree, cls.root)
        sh("dpkg-deb", "-x", cls.deb, cls.root)
        cls.files = {str(path.relative_to(cls.root)) for path in cls.root.rglob("*")
                     if not path.is_dir()}

    def test_lintian_has_nothing_to_say(self):
        if not shutil.which("lintian"):
            self.skipTest("lintian is not there")
        sh("lintian", "--allow-root", "--fail-on", "error,warning", self.deb)

    def test_what_it_depends_on(self):
        known = fields(self.deb)
        for library in ("libc6", "libgnutls30", "libuv1", "libc-ares2", "libcjson1", "libcyaml1", "libseccomp2"):
            self.assertRegex(known["Depends"], rf"(^|, ){library} \(>= ")
        self.assertEqual(known["Recommends"], "ca-certificates")
        self.assertEqual((known["Section"], known["Priority"]), ("net", "optional"))
        version = re.search(r"project\(\S+ VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text())
        self.assertEqual(known["Version"], f"{version.group(1)}-1")
        changelog = gzip.decompress((self.root / DOC / "changelog.Debian.gz").read_bytes()).decode()
        self.assertTrue(changelog.startswith(f"{NAME} ({known['Version']}) "), changelog)

    def test_everything_is_in_its_place(self):
        expected = {PROGRAM[1:], f"usr/share/{NAME}/record.schema.json", f"{DOC}/copyright",
                    f"{DOC}/README.md", f"usr/share/bash-completion/completions/{NAME}"}
        expected |= {f"usr/share/{NAME}/policies/{path.name}"
                     for path in (ROOT / "output" / "policies").glob("*.yaml")}
        expected |= {f"lib/systemd/system/{path.name}" for path in
                     (ROOT / "samples" / "systemd").iterdir()
                     if path.suffix in (".service", ".timer")}
        expected |= {f"usr/share/man/man{path.stem[-1]}/{path.stem}.gz"
                     for path in (ROOT / "scanner" / "man").glob("*.scd")}
        expected |= {f"{DOC}/examples/{path.relative_to(ROOT / 'samples')}"
                     for path in (ROOT / "samples").rglob("*.yaml")}
        self.assertLessEqual(expected, self.files)
        self.assertFalse([name for name in self.files if name.startswith("etc/")])

    def test_units_are_those_of_the_samples(self):
        for unit in (self.root / "lib/systemd/system").iterdir():
            self.assertEqual(unit.read_text(), (ROOT / "samples/systemd" / unit.name).read_text())

    def test_rights_do_not_depend_on_who_built_it(self):
        for line in sh("dpkg-deb", "-c", self.deb).splitlines():
            mode, owner = line.split()[:2]
            self.assertEqual(owner, "root/root", line)
            self.assertIn(mode, ("drwxr-xr-x", "-rw-r--r--", "-rwxr-xr-x"), line)
            if mode[0] != "d":
                runs = f".{PROGRAM}" in line or "/slurm/" in line and "README" not in line
                self.assertEqual(mode == "-rwxr-xr-x", runs, line)

    def test_the_program_is_hardened_and_knows_no_source_tree(self):
        program = self.root / PROGRAM[1:]
        said = sh("readelf", "-Wldh", program)
        self.assertRegex(said, r"Type: +DYN")
        self.assertIn("GNU_RELRO", said)
        self.assertIn("BIND_NOW", said)
        self.assertRegex(said, r"GNU_STACK .* RW ")
        self.assertIn("__stack_chk_fail", sh("readelf", "-W", "--dyn-syms", program))
        self.assertNotIn(str(ROOT).encode(), program.read_bytes())
        self.assertNotIn(".symtab", sh("readelf", "-WS", program))

    def test_it_is_the_same_when_it_is_packed_again(self):
        before = self.deb.read_bytes()
        self.assertEqual(hashlib.sha256(pack().read_bytes()).hexdigest(),
                         hashlib.sha256(before).hexdigest())


class Booted(unittest.TestCase):
    def test_it_comes_and_goes(self):
        reason = missing() or booted.missing()
        if reason:
            self.skipTest(reason)
        os.environ["STARTTLS_AUDIT_PACKAGE"] = str(package())
        code, printed = booted.run_this_test("Inside")
        self.assertEqual(code, 0, printed)
        self.assertRegex(printed, r"\nRan 1 test")


class Inside(unittest.TestCase):
    """As root of a machine whose disk is thrown away."""

    @staticmethod
    def disk():
        lines = sh("find", "/etc", "/usr", "/var", "/srv", "/opt", "-xdev", "-printf", "%p %y %m %l\n").splitlines()
        return {line for line in lines if not line.startswith(OTHERS)}

    def test_it_comes_and_goes(self):
        # Where it is there, it keeps packages from starting and stopping services: not wanted here.
        Path("/usr/sbin/policy-rc.d").unlink(missing_ok=True)
        Path("/etc/systemd/system/timers.target.wants").mkdir()  # every machine has it
        before = self.disk()
        sh("dpkg", "--install", os.environ["STARTTLS_AUDIT_PACKAGE"])
        self.use()
        sh("systemctl", "enable", "--now", TIMER, f"{NAME}@ams.timer")
        sh("dpkg", "--remove", NAME)
        self.assertEqual(sh("systemctl", "is-active", TIMER, code=3).strip(), "inactive")
        sh("dpkg", "--purge", NAME)
        self.assertNotIn(NAME, sh("dpkg-query", "-W"))
        after = self.disk()
        self.assertEqual((after - before, before - after), (set(), set()))

    def use(self):
        self.assertRegex(sh(PROGRAM, "--version"), rf"^{NAME} [0-9.]+ ")
        self.assertIn("imap      implicit  993", sh(PROGRAM, "services"))
        self.assertIn("nist-800-52r2", sh(PROGRAM, "rules"))
        with Farm() as farm:
            server = farm.add("imap")
            farm.start()
            said = sh(PROGRAM, "scan", "--ca-file", farm.ca_file, server.target())
        records = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
        self.assertEqual([record["type"] for record in records],
                         ["run_start", "endpoint", "run_end"])
        self.assertEqual(records[1]["status"], "ok", scan.pretty(records[1]))
        for page in Path("/usr/share/man").glob(f"man?/{NAME}*"):
            name, section, _ = page.name.split(".")
            self.assertEqual(sh("man", "-w", section, name).strip(), str(page))
        # Not before an administrator says so.
        for unit in (TIMER, f"{NAME}@ams.timer"):
            self.assertEqual(sh("systemctl", "is-enabled", unit, code=1).strip(), "disabled")
            self.assertEqual(sh("systemctl", "is-active", unit, code=3).strip(), "inactive")
        for unit in (f"{NAME}.service", TIMER):
            said = sh("systemd-analyze", "verify", f"/lib/systemd/system/{unit}")
            self.assertNotIn(NAME, said)


def load_tests(loader, _tests, _pattern):
    return unittest.TestSuite(map(loader.loadTestsFromTestCase, (Package, Booted)))


if __name__ == "__main__":
    main()
