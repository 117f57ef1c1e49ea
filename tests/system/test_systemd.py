# SPDX-License-Identifier: MIT
"""samples/systemd: the units are sound, fence the scan in, and work as systemd runs them.

The units are started by a real systemd, booted for this test in namespaces (booted.py), where this
file runs a second time and has the classes that want systemctl. The configuration that they read is
made of options, by --print-config.
"""

import os
import re
import shutil
import subprocess
import time
import unittest
from pathlib import Path

import booted
from case import main
from played import Farm

SAMPLES = Path(__file__).parents[2] / "samples" / "systemd"
POLICIES = Path(__file__).parents[2] / "output" / "policies"
SERVICE = "starttls-audit.service"
TEMPLATE = "starttls-audit@.service"
EXPOSURE = 20  # tenths
WATCHDOG = 120
NIGHTS = 2
PROMETHEUS = 950  # the user of node_exporter, whatever its number is

TEXTFILES = Path("/var/lib/prometheus/node-exporter")
UNITS = Path("/etc/systemd/system")
ETC = Path("/etc/starttls-audit")
STATE = Path("/var/lib/private/starttls-audit")


def sh(*line, code=0):
    """What a command prints, on both outputs; it has to exit with this code."""
    done = subprocess.run([str(word) for word in line], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=WATCHDOG)
    if code is not None and done.returncode != code:
        raise AssertionError(f"exit {done.returncode}, not {code}: {line}\n{done.stdout}")
    return done.stdout


def settings(name):
    """The lines of a unit that are no comment."""
    return [line for line in (SAMPLES / name).read_text().splitlines()
            if line and not line.startswith("#")]


class Files(unittest.TestCase):
    """What can be said of them without running them."""

    def setUp(self):
        if not shutil.which("systemd-analyze"):
            self.skipTest("systemd-analyze is not there")

    def test_the_sandbox_is_tight(self):
        for name, threshold in ((SERVICE, EXPOSURE), (TEMPLATE, EXPOSURE),
                                ("starttls-audit-failed@.service", EXPOSURE)):
            with self.subTest(unit=name):
                said = sh("systemd-analyze", "security", "--offline=true",
                          f"--threshold={threshold}", "--no-pager", SAMPLES / name)
                level = float(re.search(r"exposure level for .*: ([0-9.]+)", said).group(1))
                self.assertLess(level, threshold / 10, said)

    def test_the_template_is_the_same_for_other_files(self):
        expected = [line.replace("config.yaml", "%i.yaml")
                    .replace("StateDirectory=starttls-audit starttls-audit/",
                             "StateDirectory=starttls-audit-%i starttls-audit-%i/")
                    .replace("%S/starttls-audit", "%S/starttls-audit-%i")
                    .replace("FTP services", "FTP services (%i)") for line in settings(SERVICE)]
        self.assertEqual(settings(TEMPLATE), expected)
        timer = [line.replace("FTP services", "FTP services (%i)")
                 for line in settings("starttls-audit.timer")]
        self.assertEqual(settings("starttls-audit@.timer"), timer)

    def test_the_timer_is_every_night(self):
        calendar = next(line.split("=", 1)[1] for line in settings("starttls-audit.timer")
                        if line.startswith("OnCalendar="))
        said = sh("systemd-analyze", "calendar", f"--iterations={NIGHTS}", calendar)
        nights = re.findall(r"(?:Next elapse|Iter\. #\d+): \w+ ([0-9-]+) 01:30:00", said)
        self.assertEqual(len(set(nights)), NIGHTS, said)


class Booted(unittest.TestCase):
    """The classes below, under a systemd."""

    def test_inside(self):
        reason = booted.missing()
        if reason:
            self.skipTest(reason)
        code, printed = booted.run_this_test("Inside", "InsideTextfile")
        self.assertEqual(code, 0, printed)
        self.assertRegex(printed, r"\nRan (1[0-9]|[2-9][0-9]) tests", printed)


class Installed(unittest.TestCase):
    """Units and program in their places; one farm, of which tests take what they need."""

    @classmethod
    def setUpClass(cls):
        for unit in [*SAMPLES.glob("*.service"), *SAMPLES.glob("*.timer")]:
            shutil.copy(unit, UNITS)
        program = Path("/usr/bin/starttls-audit")
        if not program.exists():
            program.touch()
        if not program.is_mount():
            sh("mount", "--bind", os.environ["STARTTLS_AUDIT"], program)
        shutil.copytree(POLICIES, "/usr/share/starttls-audit/policies", dirs_exist_ok=True)
        # Sanitizers look for leaks with ptrace(), which no service may; policies are not installed.
        for name in (SERVICE, TEMPLATE):
            cls.drop_in(name, "test", "[Service]", "Environment=ASAN_OPTIONS=detect_leaks=0",
                        "Environment=STARTTLS_AUDIT_POLICIES=/usr/share/starttls-audit/policies")
        # Wanted by what runs, a unit is remembered after its end. This starts nothing.
        cls.drop_in("house.service", "wanted", "[Unit]",
                    f"Wants={SERVICE} starttls-audit@ams.service")
        ETC.mkdir(exist_ok=True)
        cls.farm = Farm()
        cls.addClassCleanup(cls.farm.close)
        cls.sound = cls.farm.add("imap", "implicit")
        cls.unsound = cls.farm.add("imap", starttls="none")
        cls.farm.start()
        shutil.copy(cls.farm.ca_file, ETC / "ca.pem")
        (ETC / "ca.pem").chmod(0o644)

    def setUp(self):
        shutil.rmtree(STATE, ignore_errors=True)

    @staticmethod
    def drop_in(unit, name, *lines):
        directory = UNITS / f"{unit}.d"
        directory.mkdir(exist_ok=True)
        (directory / f"{name}.conf").write_text("\n".join(lines) + "\n")
        sh("systemctl", "daemon-reload")
        return directory / f"{name}.conf"

    def configure(self, *options, name="config", state="/var/lib/starttls-audit"):
        """A configuration with these options, and with what every test wants."""
        text = sh("/usr/bin/starttls-audit", "scan", "--ca-file", ETC / "ca.pem", "--patience", "0",
                  "--policy", "rfc-baseline", "--state", f"{state}/state.db",
                  "--records-dir", f"{state}/runs", *options, "--print-config")
        (ETC / f"{name}.yaml").write_text(text)

    def start(self, unit=SERVICE):
        """Starts it, which waits for its end: its result, exit status and what the journal has."""
        sh("systemctl", "reset-failed")
        said = sh("systemctl", "start", unit, code=None)
        values = dict(line.split("=", 1) for line in sh(
            "systemctl", "show", unit, "-p", "Result,ExecMainStatus,ActiveState,InvocationID"
        ).splitlines())
        sh("journalctl", "--sync")
        log = sh("journalctl", "--no-pager", "-o", "cat",
                 f"_SYSTEMD_INVOCATION_ID={values['InvocationID']}", code=None)
        return values, f"{said}\n{values}\n{log}\n{sh('journalctl', '--no-pager', '-n', '50')}"


class Inside(Installed):
    def test_systemd_finds_nothing_wrong(self):
        for unit in (SERVICE, "starttls-audit@ams.service", "starttls-audit.timer",
                     "starttls-audit@ams.timer", f"starttls-audit-failed@{SERVICE}.service"):
            with self.subTest(unit=unit):
                path = UNITS / re.sub("@[^.]*([.])", r"@\1", unit, count=1) \
                    if unit.count(".") == 1 else UNITS / "starttls-audit-failed@.service"
                said = sh("systemd-analyze", "verify", "--man=no", path)
                self.assertNotIn("starttls-audit", said)

    def test_a_scan_leaves_its_state_to_itself(self):
        self.configure(self.sound.target())
        values, said = self.start()
        self.assertEqual((values["Result"], values["ExecMainStatus"]), ("success", "0"), said)
        self.assertTrue(Path("/var/lib/starttls-audit").is_symlink())
        self.assertEqual(STATE.parent.stat().st_mode & 0o777, 0o700)
        self.assertEqual(STATE.stat().st_mode & 0o777, 0o750)
        self.assertNotEqual(STATE.stat().st_uid, 0)
        self.assertEqual((STATE / "state.db").stat().st_mode & 0o7, 0)
        records = list((STATE / "runs").iterdir())
        self.assertEqual(len(records), 1, records)
        self.assertIn('"type":"run_end"', records[0].read_text())

    def test_a_second_night_goes_on_with_the_state_of_the_first(self):
        """Also if root has looked at it in between, and so left files beside the database."""
        self.configure(self.sound.target())
        for _ in range(NIGHTS):
            values, said = self.start()
            self.assertEqual(values["Result"], "success", said)
            sh("/usr/bin/starttls-audit", "state", "runs", STATE / "state.db")
            sh("/usr/bin/starttls-audit", "diff", "--state", STATE / "state.db")
        self.assertEqual({path.stat().st_uid for path in STATE.rglob("*")}, {STATE.stat().st_uid})
        self.assertEqual(len(list((STATE / "runs").iterdir())), NIGHTS)

    def test_the_journal_is_for_people(self):
        self.configure(self.sound.target())
        values, said = self.start()
        log = sh("journalctl", "--no-pager", "-o", "cat", "_COMM=starttls-audit", "-t",
                 "starttls-audit", f"_SYSTEMD_INVOCATION_ID={values['InvocationID']}", code=None)
        self.assertNotIn('{"schema"', log)
        self.assertNotIn("\x1b", log)

    def test_findings_are_no_failure(self):
        self.configure("--fail-on", "low", self.unsound.target())
        values, said = self.start()
        self.assertEqual((values["Result"], values["ExecMainStatus"]), ("success", "1"), said)
        self.assertEqual(values["ActiveState"], "inactive", said)

    @staticmethod
    def errors():
        """Whose unit a line is, the journal may not know any more: logger has ended by then."""
        return sh("journalctl", "--no-pager", "-o", "cat", "-p", "err", "-t", "starttls-audit",
                  code=None)

    def failed(self, status):
        pattern = f"{SERVICE} failed: exit-code exited {status} "
        before = self.errors().count(pattern)
        values, said = self.start()
        self.assertEqual((values["Result"], values["ExecMainStatus"]), ("exit-code", status), said)
        deadline = time.monotonic() + WATCHDOG
        while time.monotonic() < deadline:
            log = self.errors()
            if log.count(pattern) > before:
                return said
            time.sleep(0.05)
        self.fail(f"no '{pattern}' in the journal:\n{log}\n{said}")

    def test_a_scan_that_nobody_answered_is_a_failure_that_is_told(self):
        self.configure("--connect-timeout", "1", f"{self.sound.address}:1/imap")
        self.failed("3")

    def test_a_mistake_in_the_configuration_is_a_failure_that_is_told(self):
        (ETC / "config.yaml").write_text("no such member: 1\n")
        self.assertIn("/etc/starttls-audit/config.yaml:1", self.failed("2"))

    def test_a_failure_can_be_mailed_as_it_is_described(self):
        """The drop-in of README.md, with a mail program that says which rights it was given."""
        readme = (SAMPLES / "README.md").read_text()
        lines = next(block for block in re.findall(r"```ini\n(.*?)```", readme, re.S)
                     if "| mail " in block).splitlines()
        mail = Path("/usr/local/bin/mail")
        mail.write_text("#!/bin/sh\n{ echo \"$@\"; cat; grep NoNewPrivs /proc/self/status; id -u; }"
                        " >/run/mail.part && mv /run/mail.part /run/mail\n")
        mail.chmod(0o755)
        (ETC / "config.yaml").write_text("no such member: 1\n")
        drop_in = self.drop_in("starttls-audit-failed@.service", "mail", *lines)
        try:
            self.start()
            deadline = time.monotonic() + WATCHDOG
            while not Path("/run/mail").exists() and time.monotonic() < deadline:
                time.sleep(0.05)
        finally:
            drop_in.unlink()
            sh("systemctl", "daemon-reload")
        text = Path("/run/mail").read_text()
        self.assertTrue(text.startswith(f"-s {SERVICE} failed on "), text)
        self.assertIn("config.yaml:1", text)
        self.assertTrue(text.endswith("NoNewPrivs:\t0\n0\n"), text)

    def test_each_instance_has_its_own_configuration_and_state(self):
        self.configure(self.sound.target(), name="ams", state="/var/lib/starttls-audit-ams")
        values, said = self.start("starttls-audit@ams.service")
        self.assertEqual(values["Result"], "success", said)
        self.assertTrue(Path("/var/lib/private/starttls-audit-ams/state.db").is_file(), said)
        self.assertFalse(STATE.exists())

    def test_names_are_resolved_in_the_sandbox(self):
        """There is no server: that this is told shows that the sockets for asking are allowed."""
        self.configure("--resolver", "127.66.1.1", self.sound.target(), "mail.example.test")
        values, said = self.start()
        record = next((STATE / "runs").iterdir()).read_text()
        self.assertIn('"status":"dns_error"', record, said)
        self.assertNotIn("not permitted", record)

    def test_who_is_told_of_changes_is_in_the_sandbox_too(self):
        told = 'cp "$STARTTLS_AUDIT_CHANGES" changes && id -u >user'
        self.configure("--on-change", told, self.sound.target())
        self.start()
        self.configure("--on-change", told, self.sound.target(), self.unsound.target())
        values, said = self.start()
        self.assertEqual(values["Result"], "success", said)
        self.assertIn('"type":"change"', (STATE / "changes").read_text())
        self.assertEqual(int((STATE / "user").read_text()), (STATE / "state.db").stat().st_uid)

    def test_many_connections_find_their_descriptors(self):
        self.configure("--concurrency", "5000", self.sound.target())
        values, said = self.start()
        self.assertEqual(values["Result"], "success", said)
        self.assertNotIn("the limit of open files", said)

    def test_the_sandbox_holds(self):
        """What the scan's own command is refused; that the shell works shows that it is that."""
        allowed = ("echo x >$PWD/mine", "cat /etc/ssl/certs/ca-certificates.crt >$PWD/mine",
                   "test $(id -u) -ne 0", "test $PWD = /var/lib/private/starttls-audit")
        refused = ("echo x >/etc/x", "echo x >/usr/x", "ls /root/", "ls /home/",
                   "echo x >/var/lib/x", "test -e /dev/kmsg", "test -d /proc/1", "unshare -U true",
                   "chown 0:0 $PWD/mine", "mount -t tmpfs x /mnt", "renice -n -5 $$",
                   "chmod u+s $PWD/mine", "test -e /proc/meminfo",
                   "python3 -c 'import os; os.sched_setaffinity(0, [0])'",
                   "python3 -c 'import socket; socket.socket(socket.AF_UNIX)'",
                   "python3 -c 'import socket; socket.socket(socket.AF_INET, socket.SOCK_RAW)'",
                   "python3 -c 'import mmap; mmap.mmap(-1, 4096, prot=7)'")
        script = ETC / "probe"
        script.write_text("".join(
            f"if ({line}) >/dev/null 2>&1; then echo '{kind} {number} yes'; "
            f"else echo '{kind} {number} no'; fi\n"
            for kind, lines in (("allowed", allowed), ("refused", refused))
            for number, line in enumerate(lines)))
        probe = self.drop_in(SERVICE, "probe", "[Service]", "ExecStart=",
                             f"ExecStart=/bin/sh {script}", "StandardOutput=file:/run/probe")
        try:
            values, said = self.start()
        finally:
            probe.unlink()
            sh("systemctl", "daemon-reload")
        self.assertEqual(values["Result"], "success", said)
        seen = set(Path("/run/probe").read_text().splitlines())
        for number, line in enumerate(allowed):
            self.assertIn(f"allowed {number} yes", seen, line)
        for number, line in enumerate(refused):
            self.assertIn(f"refused {number} no", seen, line)

    def test_the_timer_starts_the_service_at_night(self):
        self.configure(self.sound.target())
        sh("systemctl", "enable", "--now", "starttls-audit.timer")
        try:
            said = sh("systemctl", "show", "starttls-audit.timer", "-p",
                      "NextElapseUSecRealtime,Persistent,RandomizedDelayUSec,Unit,ActiveState")
            self.assertRegex(said, r"NextElapseUSecRealtime=\w+ [0-9-]+ (01:[345]|02:[012])\d")
            self.assertIn("Persistent=yes", said)
            self.assertIn("ActiveState=active", said)
            self.assertFalse(STATE.exists(), "it waits for the night")
            # The night that was missed: the stamp of the last one is old.
            sh("systemctl", "stop", "starttls-audit.timer")
            os.utime("/var/lib/systemd/timers/stamp-starttls-audit.timer", (1e9, 1e9))
            missed = self.drop_in("starttls-audit.timer", "missed", "[Timer]",
                                  "RandomizedDelaySec=0", "AccuracySec=1ms")
            sh("systemctl", "start", "starttls-audit.timer")
            missed.unlink()
            deadline = time.monotonic() + WATCHDOG
            while not list(STATE.glob("runs/*")) and time.monotonic() < deadline:
                time.sleep(0.05)
            self.assertTrue(list(STATE.glob("runs/*")), sh("journalctl", "-n", "50"))
            sh("systemctl", "start", SERVICE)  # waits for what runs
        finally:
            sh("systemctl", "disable", "--now", "starttls-audit.timer")


class InsideTextfile(Installed):
    """The directory of node_exporter, as its package makes it, and textfile/ of the samples."""

    def setUp(self):
        super().setUp()
        shutil.rmtree(TEXTFILES.parent, ignore_errors=True)
        TEXTFILES.mkdir(parents=True)
        for directory in (TEXTFILES.parent, TEXTFILES):
            directory.chmod(0o755)
            os.chown(directory, PROMETHEUS, PROMETHEUS)
        self.configure("--export", f"prometheus={TEXTFILES}/starttls-audit.prom",
                       self.sound.target())

    def let_in(self):
        for name, place in (("sysusers", "/etc/sysusers.d"), ("tmpfiles", "/etc/tmpfiles.d"),
                            ("dropin", UNITS / f"{SERVICE}.d")):
            Path(place).mkdir(exist_ok=True)
            shutil.copy(SAMPLES / "textfile" / f"{name}.conf", Path(place) / "textfile.conf")
        Path("/etc/sysusers.d/node-exporter.conf").write_text(f"u prometheus {PROMETHEUS}\n")
        sh("systemd-sysusers", "textfile.conf", "node-exporter.conf")
        sh("systemd-tmpfiles", "--create", "textfile.conf")
        sh("systemctl", "daemon-reload")

    def test_only_who_was_let_in_may_leave_metrics(self):
        values, said = self.start()
        self.assertEqual((values["Result"], values["ExecMainStatus"]), ("exit-code", "2"), said)
        self.assertFalse(list(TEXTFILES.iterdir()))

        self.let_in()
        owner = (TEXTFILES.stat().st_uid, TEXTFILES.stat().st_gid)
        values, said = self.start()
        self.assertEqual(values["Result"], "success", said)
        self.assertEqual((TEXTFILES.stat().st_uid, TEXTFILES.stat().st_gid), owner)
        self.assertEqual([path.name for path in TEXTFILES.iterdir()], ["starttls-audit.prom"])
        metrics = TEXTFILES / "starttls-audit.prom"
        self.assertEqual(metrics.stat().st_mode & 0o777, 0o640)
        sh("setpriv", f"--reuid={PROMETHEUS}", f"--regid={PROMETHEUS}", "--clear-groups", "cat", metrics)

        os.chown(metrics, 61999, 61999)  # another night, another user
        values, said = self.start()
        self.assertEqual(values["Result"], "success", said)
        self.assertNotEqual(metrics.stat().st_uid, 61999)


def load_tests(loader, _tests, _pattern):
    return unittest.TestSuite(map(loader.loadTestsFromTestCase, (Files, Booted)))


if __name__ == "__main__":
    main()
