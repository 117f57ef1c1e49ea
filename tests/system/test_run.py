# SPDX-License-Identifier: MIT
"""A run as a process: signals, full disks, closed pipes, terminals, limits, many hosts."""

import array
import fcntl
import json
import os
import pty
import re
import resource
import signal
import socket
import subprocess
import tempfile
import termios
import threading
import time
import unittest
from pathlib import Path

import facts
import scan
import validate
from case import main
from facts import difference, sound
from played import Farm

MIB = 1024 * 1024
ENOUGH = 30  # seconds: a watchdog
BRIEF = ("--greeting-timeout", "2", "--tls-timeout", "0.5")


class RunCase:
    """One farm for all tests of a class: ten sound IMAP servers, and ten that never greet."""

    @classmethod
    def setUpClass(cls):
        cls.farm = Farm()
        cls.addClassCleanup(cls.farm.close)
        cls.sound = [cls.farm.add("imap") for _ in range(10)]
        cls.silent = [cls.farm.add("imap", greeting="silent") for _ in range(10)]
        cls.farm.start()
        cls.targets = [server.target() for server in cls.sound]
        cls.hanging = [server.target() for server in cls.silent]

    def setUp(self):
        self.directory = Path(tempfile.mkdtemp(dir=self.farm.directory))

    def begin(self, *arguments, **options):
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE,
                   "stderr": subprocess.PIPE, **options}
        process = subprocess.Popen(scan.command(*arguments), **options)
        self.addCleanup(self.end_of, process)
        return process

    @staticmethod
    def end_of(process):
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                pipe.close()

    def done(self, *arguments, **options):
        process = self.begin(*arguments, **options)
        output, errors = process.communicate(timeout=scan.WATCHDOG)
        return process.returncode, output, errors.decode() if errors else ""


class Signals(RunCase, unittest.TestCase):
    def interrupted(self, number, *more):
        """A run that is stopped when all hosts but the silent ones are done."""
        process = self.begin("--greeting-timeout", "600", *self.targets, *self.hanging, *more)
        lines = [process.stdout.readline() for _ in range(1 + len(self.targets))]
        process.send_signal(number)
        output, errors = process.communicate(timeout=ENOUGH)
        return scan.parsed(b"".join(lines) + output, errors, process.returncode, 3)

    def test_a_stop_in_the_middle(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(signal=number):
                run = self.interrupted(number)
                self.assertEqual(set(run.endpoints), {server.at() for server in self.sound})
                self.assertEqual((run.end["complete"], run.end["stopped_by"]), (False, "signal"))
                self.assertEqual(run.end["hosts"]["answered"], 10)
                self.assertEqual(run.end["endpoints"]["by_status"], [{"status": "ok", "count": 10}])

    def test_the_second_signal_quits_at_once(self):
        """Whether or not the first one had time to end the run."""
        process = self.begin("--greeting-timeout", "600", *self.hanging)
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=ENOUGH)
        self.assertEqual(process.returncode, 3)

    def test_a_stop_while_output_is_blocked(self):
        """Nobody reads: the second signal ends it nevertheless."""
        with Farm() as farm:
            servers = [farm.add("imap", address=farm.address(), cert="chain") for _ in range(200)]
            farm.start()
            process = self.begin("--all", *(s.target() for s in servers), stderr=subprocess.DEVNULL)
            deadline = time.monotonic() + ENOUGH  # until the pipe is full
            while not self.pipe_is_full(process.stdout) and time.monotonic() < deadline:
                time.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            time.sleep(0.2)
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(ENOUGH)
            except subprocess.TimeoutExpired:
                self.fail("two signals do not end a run whose output is blocked")
            self.assertEqual(process.returncode, 3)

    @staticmethod
    def pipe_is_full(pipe):
        waiting = array.array("i", [0])
        fcntl.ioctl(pipe, termios.FIONREAD, waiting)
        return waiting[0] >= fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ) - 4096

    def test_a_stop_before_anything_is_done(self):
        process = self.begin("--greeting-timeout", "600", *self.hanging)
        first = process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=ENOUGH)
        run = scan.parsed(first + output, errors, process.returncode, 3)
        self.assertEqual((run.records, run.end["complete"]), ([], False))

    def test_a_stop_while_names_are_resolved(self):
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # never answers
        self.addCleanup(server.close)
        server.bind((self.farm.address(), 0))
        at = "{}:{}".format(*server.getsockname())
        process = self.begin("--resolver", at, "a.example.test", "b.example.test")
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=ENOUGH)
        scan.parsed(first + output, errors, process.returncode, 3)

    def test_a_stop_while_standard_input_is_open(self):
        process = self.begin("-f", "-", stdin=subprocess.PIPE)
        process.stdin.write(f"{self.targets[0]}\n".encode())
        process.stdin.flush()
        lines = [process.stdout.readline(), process.stdout.readline()]
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(ENOUGH), 3)
        run = scan.parsed(b"".join(lines) + process.stdout.read(), process.stderr.read(), 3, 3)
        self.assertEqual((len(run.records), run.end["stopped_by"]), (1, "signal"))


class Output(RunCase, unittest.TestCase):
    def test_file(self):
        path = self.directory / "records.ndjson"
        code, output, errors = self.done("-o", path, *self.targets)
        self.assertEqual((code, output), (0, b""))
        run = scan.parsed(path.read_bytes(), errors.encode(), code, 0)
        self.assertEqual(len(run.records), 10)

    def test_file_that_cannot_be_made(self):
        for path in (self.directory, self.directory / "no" / "file"):
            said = scan.refused("-o", path, self.targets[0])
            self.assertIn(str(path), said)

    def test_full_disk(self):
        """/dev/full takes nothing: exit 2, and it is said."""
        with open("/dev/full", "wb") as full:
            code, _, errors = self.done(*self.targets, stdout=full)
        self.assertEqual(code, 2)
        self.assertIn("No space left", errors)
        code, output, errors = self.done("-o", "/dev/full", *self.targets)
        self.assertEqual((code, output), (2, b""))
        self.assertIn("/dev/full", errors)
        self.assertIn("No space left", errors)

    def test_a_disk_that_fills_up(self):
        """What is left is whole lines, without a run_end."""
        if os.geteuid() != 0:
            self.skipTest("a small file system needs root")
        place = self.directory / "small"
        place.mkdir()
        mounted = subprocess.run(["/bin/mount", "-t", "tmpfs", "-o", "size=32k", "none", place],
                                 capture_output=True)
        if mounted.returncode != 0:
            self.skipTest(f"no tmpfs: {mounted.stderr.decode()}")
        self.addCleanup(subprocess.run, ["/bin/umount", place], check=True)
        for way in ("-o", "stdout"):
            with self.subTest(way=way):
                self.fill(place / f"records{way}", way)
                (place / f"records{way}").unlink()

    def fill(self, path, way):
        with Farm() as farm:
            for _ in range(40):
                farm.add("imap")
            farm.start()
            if way == "-o":
                code, _, errors = self.done("-o", path, *farm.targets())
            else:
                with open(path, "wb") as file:
                    code, _, errors = self.done(*farm.targets(), stdout=file)
        self.assertEqual(code, 2, errors)
        self.assertIn("No space left", errors)
        left = path.read_bytes()
        self.assertTrue(left.endswith(b"\n"), left[-200:])
        self.assertEqual(validate.check_run(left), [])
        self.assertEqual([line for line in left.splitlines() if b'"type":"run_end"' in line], [])

    def test_a_file_size_limit(self):
        """The same by setrlimit(2): EFBIG, and SIGXFSZ does not kill."""
        path = self.directory / "records"
        small = (20000, 20000)
        code, _, errors = self.done("-o", path, *self.targets, preexec_fn=lambda: (
            resource.setrlimit(resource.RLIMIT_FSIZE, small)))
        self.assertEqual(code, 2, errors)
        self.assertIn(str(path), errors)
        left = path.read_bytes()
        self.assertTrue(left.endswith(b"\n"), left[-200:])
        self.assertEqual(validate.check_run(left), [])

    def test_closed_stdout(self):
        code, _, errors = self.done(self.targets[0], stdout=None,
                                    preexec_fn=lambda: os.close(1))
        self.assertEqual(code, 2)
        self.assertIn("standard output", errors)

    def test_closed_stdin_and_stderr(self):
        for descriptor in (0, 2):
            code, output, _ = self.done(self.targets[0], stderr=None,
                                        preexec_fn=lambda: os.close(descriptor))
            self.assertEqual(code, 0)
            self.assertEqual(validate.check_run(output), [])

    def test_stdin_that_cannot_be_read(self):
        directory = os.open("/", os.O_RDONLY)
        self.addCleanup(os.close, directory)
        code, _, errors = self.done("-f", "-", stdin=directory)
        self.assertEqual(code, 2)
        self.assertIn("cannot be read", errors)

    def test_a_reader_that_leaves(self):
        process = self.begin(*self.targets, *self.hanging, "--greeting-timeout", "600")
        process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read().decode()
        self.assertEqual(process.wait(ENOUGH), 2)
        self.assertIn("Broken pipe", errors)

    def test_a_slow_reader(self):
        """The pipe is full most of the time, and nothing is lost."""
        with Farm() as farm:
            for _ in range(100):
                farm.add("imap")
            farm.start()
            process = self.begin(*farm.targets(), stderr=subprocess.DEVNULL)
            output = b""
            while piece := os.read(process.stdout.fileno(), 4096):
                output += piece
                time.sleep(0.002)
            self.assertEqual(process.wait(ENOUGH), 0)
        self.assertEqual(validate.check_run(output), [])
        self.assertEqual(output.count(b'"type":"endpoint"'), 100)

    def test_a_pipe_that_does_not_block(self):
        """A reader may leave O_NONBLOCK on the pipe."""
        read, write = os.pipe()
        os.set_blocking(write, False)
        with Farm() as farm:
            for _ in range(100):
                farm.add("imap")
            farm.start()
            process = self.begin(*farm.targets(), stdout=write, stderr=subprocess.DEVNULL)
            os.close(write)
            output = b""
            time.sleep(1)  # meanwhile it is full
            while piece := os.read(read, 4096):
                output += piece
            os.close(read)
            self.assertEqual(process.wait(ENOUGH), 0)
        self.assertEqual(validate.check_run(output), [])
        self.assertEqual(output.count(b'"type":"endpoint"'), 100)


class Terminal(RunCase, unittest.TestCase):
    """People see a table and a progress line; files and pipes see neither, and no escape codes."""

    def at_terminal(self, *arguments, stdout=True, stderr=True, **environment):
        """What a terminal shows that is stdout, stderr or both; and the other one."""
        try:
            leader, follower = pty.openpty()
        except OSError as error:
            self.skipTest(f"there is no terminal to be had: {error}")
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", **environment}
        process = self.begin(*arguments, env=environment,
                             stdout=follower if stdout else subprocess.PIPE,
                             stderr=follower if stderr else subprocess.PIPE)
        os.close(follower)
        other = process.stdout or process.stderr
        rest = []  # read meanwhile: the pipe may be full before the terminal is silent
        reader = threading.Thread(target=lambda: rest.append(other.read() if other else b""))
        reader.start()
        shown = b""
        try:
            while piece := os.read(leader, 65536):
                shown += piece
        except OSError:  # EIO: the other side is closed
            pass
        os.close(leader)
        reader.join()
        self.assertIn(process.wait(ENOUGH), (0, 3))
        return shown.decode(), rest[0].decode()

    def test_table_and_progress(self):
        shown, _ = self.at_terminal(*BRIEF, *self.targets, *self.hanging)
        for server in self.sound:
            self.assertIn(server.address, shown)
        self.assertNotIn('"type":', shown)
        self.assertIn("\r", shown.replace("\r\n", "\n"))  # the progress line is drawn over

    def test_only_the_table(self):
        shown, errors = self.at_terminal(*self.targets, stderr=False)
        self.assertIn(self.sound[0].address, shown)
        self.assertNotRegex(errors, "[\x1b\r]")

    def test_only_the_progress(self):
        shown, output = self.at_terminal(*BRIEF, *self.targets, *self.hanging,
                                         stdout=False)
        self.assertEqual(validate.check_run(output.encode()), [])
        self.assertNotIn(self.sound[0].address, shown)
        self.assertIn("\r", shown)

    def test_records_on_a_terminal(self):
        shown, _ = self.at_terminal("--json", *self.targets, stderr=False)
        self.assertEqual(validate.check_run(shown.replace("\r\n", "\n").encode()), [])

    def test_a_table_in_a_pipe(self):
        code, output, errors = self.done("--table", *self.targets, env={**os.environ,
                                                                        "TERM": "xterm"})
        self.assertEqual(code, 0)
        self.assertIn(self.sound[0].address.encode(), output)
        self.assertNotIn(b"\x1b", output)
        self.assertNotRegex(errors, "[\x1b\r]")

    def test_both(self):
        path = self.directory / "records"
        shown, _ = self.at_terminal("-o", path, *self.targets)
        self.assertIn(self.sound[0].address, shown)
        self.assertEqual(validate.check_run(path.read_bytes()), [])

    def test_colour(self):
        color = re.compile("\x1b\\[[0-9;]*m")
        self.assertRegex(self.at_terminal(*self.targets, NO_COLOR="")[0], color)
        for environment in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
            with self.subTest(environment):
                self.assertNotRegex(self.at_terminal(*self.targets, **environment)[0], color)

    def test_quiet(self):
        shown, output = self.at_terminal("--quiet", *BRIEF, *self.targets,
                                         *self.hanging, stdout=False)
        self.assertEqual(shown, "")
        self.assertEqual(validate.check_run(output.encode()), [])

    def test_hostile_text_in_the_table(self):
        """The banner of a server cannot move the cursor."""
        with Farm() as farm:
            farm.add("imap", greeting="hostile")
            farm.add("smtp", greeting="hostile", starttls="none")
            farm.start()
            shown, _ = self.at_terminal(*farm.targets(), NO_COLOR="1", stderr=False)
        self.assertNotRegex(shown, "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class Exits(RunCase, unittest.TestCase):
    def closed(self):
        return f"{self.farm.net}.254:10143/imap"

    def test_exits(self):
        self.assertEqual(scan.run(self.targets[0], self.closed()).end["exit_code"], 0)
        self.assertEqual(scan.run(self.closed(), exit_code=3).end["complete"], True)
        run = scan.run(*BRIEF, self.hanging[0])
        self.assertEqual(run.records[0]["status"], "timeout")  # it answered: the port was open
        self.assertEqual(run.end["hosts"]["answered"], 1)

    def test_usage(self):
        for arguments in (["--no-such-option", "127.0.0.1"], ["--concurrency", "0", "127.0.0.1"],
                          ["--per-host", "-1", "127.0.0.1"], ["--tls-timeout", "x", "127.0.0.1"],
                          ["--facts", "", "127.0.0.1"], ["--resolver", "nowhere", "127.0.0.1"],
                          ["--json", "--table", "127.0.0.1"],
                          ["--ca-file", "/no/file", "127.0.0.1"],
                          ["--source-address", "x", "127.0.0.1"],
                          ["--ehlo-name", "a\r\nQUIT", "127.0.0.1"]):
            with self.subTest(arguments):
                self.assertTrue(scan.refused(*arguments).strip())

    def test_addresses_that_no_host_has(self):
        """Refused wherever an address is given, and it is said why."""
        for address, why in (("0.0.0.0", "unspecified"), ("::", "unspecified"),
                             ("::ffff:0.0.0.0", "unspecified"), ("224.0.0.1", "multicast"),
                             ("ff02::1", "multicast"), ("255.255.255.255", "broadcast"),
                             ("fe80::1", "link-local"), ("fe80::1%lo", "zone")):
            for arguments in ([address], ["--dry-run", address],
                              ["--source-address", address, "127.0.0.1"],
                              ["--resolver", address, "mail.demo.test"]):
                with self.subTest(arguments):
                    self.assertRegex(scan.refused(*arguments), f"'{address}' .*{why}")
        self.assertRegex(scan.refused("[fe80::1%lo]:143/imap"), "'fe80::1%lo' has a zone")
        self.assertRegex(scan.refused("--resolver", "[fe80::1%lo]:53", "a.test"), "has a zone")

    def test_the_commands(self):
        program = scan.named_file("STARTTLS_AUDIT")

        def run(*arguments):
            done = subprocess.run([program, *arguments], capture_output=True, timeout=ENOUGH)
            return done.returncode, done.stdout.decode()

        code, version = run("--version")
        self.assertEqual(code, 0)
        for word in ("starttls-audit", "schema 1.3", "GnuTLS", "libuv", "c-ares", "cJSON"):
            self.assertIn(word, version)
        code, services = run("services")
        self.assertEqual(code, 0)
        self.assertEqual(sorted(re.findall(r"(\w+)\s+(\w+)\s+(\d+)", services)), sorted([
            ("ftp", "insecure", "21"), ("ftp", "implicit", "990"), ("ftp", "explicit", "991"),
            ("imap", "insecure", "143"), ("imap", "implicit", "993"), ("pop3", "insecure", "110"),
            ("pop3", "implicit", "995"), ("smtp", "insecure", "25"), ("smtp", "implicit", "465"),
            ("smtp", "explicit", "587")]))
        self.assertEqual(run("--help")[0], 0)
        for name in ("audit", "check", "diff", "export", "merge", "rules", "scan", "services", "state"):
            self.assertEqual(run(name, "--help")[0], 0, name)
        self.assertEqual(run("services", "imap")[0], 2)
        self.assertEqual(run()[0], 2)
        self.assertEqual(run("scna")[0], 2)

    def test_a_source_address(self):
        source = self.farm.address()
        run = scan.run("--source-address", source, *self.targets)
        self.assertEqual(run.start["vantage"], {"source_addresses": [source]})
        self.assertEqual({record["status"] for record in run.records}, {"ok"})

    def test_a_source_address_that_is_not_ours(self):
        """It is our own trouble: no port is closed, and nothing is a fact."""
        run = scan.run("--all", "--source-address", "192.0.2.1", self.targets[0], exit_code=3)
        self.assertEqual(run.records[0]["status"], "error", scan.pretty(run.records[0]))


class Limits(unittest.TestCase):
    def test_few_descriptors(self):
        """Fewer than connections are wanted: it is told, and everything is done nevertheless."""
        with Farm() as farm:
            servers = [farm.add("imap") for _ in range(150)]
            farm.start()
            for limit in (80, 32, 20):
                run = scan.run("--ca-file", farm.ca_file, *farm.targets(),
                               preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE,
                                                                     (limit, limit)))
                self.assertEqual(len(run.records), 150)
                for server in servers:
                    self.assertEqual([], difference(facts.of(run.endpoints[server.at()]),
                                                    sound(farm, server)))
                self.assertIn("open files", run.errors)

    def test_the_soft_limit_is_raised(self):
        with Farm() as farm:
            for _ in range(60):
                farm.add("imap", greeting_delay="300")
            farm.start()
            run = scan.run(*farm.targets(), preexec_fn=lambda: resource.setrlimit(
                resource.RLIMIT_NOFILE, (40, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
            self.assertEqual(len(run.records), 60)
            self.assertEqual(run.errors, "")

    MEASURE = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[2:], stdin=subprocess.DEVNULL, stdout=open(sys.argv[1], "wb"))
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(done.returncode)
"""

    def test_three_thousand_hosts(self):
        """One server on every address of a net; all are recorded, in bounded memory."""
        net = "127.71.16.0/20"
        with Farm() as farm:
            port = 20000 + int(farm.net.rsplit(".", 1)[1])
            farm.add("imap", address=net, port=port)
            farm.start()
            path = farm.directory / "records"
            line = scan.command("--concurrency", "500", "--facts", "capabilities,versions",
                                f"127.71.16.0-127.71.27.183:{port}/imap")
            done = subprocess.run(["/usr/bin/python3", "-c", self.MEASURE, path, *line],
                                  capture_output=True, timeout=scan.WATCHDOG)
            self.assertEqual(done.returncode, 0, done.stderr)
            stats = farm.stop()
            self.assertEqual(len(farm.places), 3000)
            self.assertEqual(next(iter(stats.values()))["credentials"], 0)
            self.check_hosts(path.read_bytes())
        peak = int(done.stdout) * 1024
        sanitized = b"__asan_init" in Path(line[0]).read_bytes()
        self.assertLess(peak, (1024 if sanitized else 64) * MIB)

    def check_hosts(self, output):
        lines = [line for line in output.splitlines() if b'"type":"checkpoint"' not in line[:60]]
        self.assertEqual(len(lines), 3002)
        self.assertEqual(json.loads(lines[-1])["hosts"], {"scanned": 3000, "answered": 3000})
        records = [json.loads(line) for line in lines[1:-1]]
        self.assertEqual(len({record["endpoint"]["ip"] for record in records}), 3000)
        for record in records:
            self.assertEqual((record["status"], record["tls"]["versions_accepted"]),
                             ("ok", ["1.2", "1.3"]))
        few = b"\n".join([lines[0], *lines[1:-1:50]]) + b"\n"  # the validator is slow
        self.assertEqual(validate.check_run(few), [])


if __name__ == "__main__":
    main()
