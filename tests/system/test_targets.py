# SPDX-License-Identifier: MIT
"""Targets from end to end: arguments, files, standard input, exclusions, and what is left alone."""

import json
import subprocess
import tempfile
import unittest
from pathlib import Path

import scan
from case import main
from played import Farm

MIB = 1024 * 1024


class TargetsCase:
    """Four IMAP servers in the network .0/30 of a farm, on port 10143, and files for targets."""

    @classmethod
    def setUpClass(cls):
        cls.farm = Farm()
        cls.addClassCleanup(cls.farm.close)
        for last in range(4):
            cls.farm.add("imap", address=f"{cls.farm.net}.{last}")
        cls.farm.add("pop3", address=f"{cls.farm.net}.1", port=10110)
        cls.farm.start()

    def setUp(self):
        self.directory = Path(tempfile.mkdtemp(dir=self.farm.directory))

    def file(self, text, name="targets.txt"):
        path = self.directory / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def net(self, text):
        """NET stands for the first three octets of the farm's network."""
        return text.replace("NET", self.farm.net)

    def scan(self, *arguments, **options):
        words = [self.net(word) if isinstance(word, str) else word for word in arguments]
        return scan.run("--facts", "capabilities", *words, **options)

    def addresses(self, run):
        """(last octet, port, protocol) of each record."""
        return sorted((int(record["endpoint"]["ip"].rsplit(".")[-1]), record["endpoint"]["port"],
                       record["endpoint"]["protocol"]) for record in run.records)


IMAP = ("--services", "imap/insecure", "--ports", "imap:10143")
FOUR = [(last, 10143, "imap") for last in range(4)]


class Forms(TargetsCase, unittest.TestCase):
    def found(self, *arguments, **options):
        """Of the ports 143 and 10143: those with a server."""
        run = self.scan(*IMAP, *arguments, **options)
        by_status = {row["status"]: row["count"] for row in run.end["endpoints"]["by_status"]}
        self.assertEqual(set(by_status), {"ok", "closed"})
        self.assertEqual({r["endpoint"]["port"] for r in run.records if r["status"] == "closed"},
                         {143})
        return [row for row in self.addresses(run) if row[1] == 10143]

    def test_network(self):
        self.assertEqual(self.found("NET.0/30"), FOUR)

    def test_range(self):
        self.assertEqual(self.found("NET.1-2"), FOUR[1:3])
        self.assertEqual(self.found("NET.1-NET.3"), FOUR[1:])

    def test_address(self):
        self.assertEqual(self.found("NET.3"), FOUR[3:])

    def test_twice_is_once(self):
        self.assertEqual(self.found("NET.3", "NET.3", "NET.3/32"), FOUR[3:])

    def test_overlapping(self):
        self.assertEqual(self.found("NET.0/31", "NET.1-3", "NET.0/30", "NET.2"), FOUR)

    def test_file(self):
        file = self.file("# all of them\n\nNET.0/31   # two\r\n\tNET.2-3 owner=x\n".replace(
            "NET", self.farm.net))
        self.assertEqual(self.found("-f", file), FOUR)

    def test_file_without_a_last_newline(self):
        self.assertEqual(self.found("-f", self.file(self.net("NET.0\nNET.1"))), FOUR[:2])

    def test_exclusion(self):
        file = self.file(self.net("NET.1 # not this one\nNET.2/31\n"), "exclude.txt")
        self.assertEqual(self.found("-x", file, "NET.0/30"), FOUR[:1])

    def test_exclusions_add_up(self):
        one, two = self.file(self.net("NET.1-2\n"), "1"), self.file(self.net("NET.3\n"), "2")
        self.assertEqual(self.found("-x", one, "-x", two, "NET.0/30"), FOUR[:1])

    def test_excluded_even_if_named(self):
        file = self.file(self.net("NET.1\n"), "exclude.txt")
        self.assertEqual(self.found("-x", file, "NET.0", "NET.1:10143/imap"), FOUR[:1])

    def test_masscan(self):
        file = self.file(self.net(
            "#masscan\nopen tcp 10143 NET.1 1700000000\nopen tcp 10143 NET.2 1700000001\n"
            "open tcp 9 NET.3 1700000001\nopen udp 10143 NET.3 1700000001\n"
            "closed tcp 10143 NET.3 1700000001\n# end\n"))
        run = self.scan(*IMAP, "-f", file)
        self.assertEqual(self.addresses(run), FOUR[1:3])
        self.assertRegex(run.errors, "3")  # so many lines were passed over

    def test_ipv6(self):
        with Farm() as farm:
            port = 12000 + int(farm.net.rsplit(".", 1)[1])
            farm.add("imap", address="::1", port=port)
            farm.start()
            run = scan.run(f"[::1]:{port}/imap", f"[0:0::1]:{port}/imap")
            self.assertEqual([record["endpoint"]["key"] for record in run.records],
                             [f"imap://[::1]:{port}"])
            self.assertEqual(run.records[0]["endpoint"]["ip"], "::1")
            self.assertEqual(run.records[0]["status"], "ok")


class Services(TargetsCase, unittest.TestCase):
    def test_explicit_port_is_all_that_is_asked(self):
        run = self.scan("NET.1:10143/imap", "NET.1:10110/pop3/insecure",
                        "NET.2:10143/imap/implicit")
        self.assertEqual([(r["endpoint"]["port"], r["endpoint"]["mode"], r["status"])
                          for r in sorted(run.records, key=lambda r: (r["endpoint"]["ip"],
                                                                      r["endpoint"]["port"]))],
                         [(10110, "insecure", "ok"), (10143, "insecure", "ok"),
                          (10143, "implicit", "ok")])
        self.assertEqual(run.endpoints[f"{self.farm.net}.2", 10143]["endpoint"]["observed_mode"],
                         "insecure")

    def test_table(self):
        """Of a host that answers, every endpoint of the table is recorded."""
        run = self.scan("NET.1", "NET.1:10143/imap")
        self.assertEqual(self.addresses(run), sorted((1, port, protocol) for port, protocol in (
            (21, "ftp"), (990, "ftp"), (991, "ftp"), (143, "imap"), (993, "imap"), (10143, "imap"),
            (110, "pop3"), (995, "pop3"), (25, "smtp"), (465, "smtp"), (587, "smtp"))))
        self.assertEqual(run.end["hosts"], {"scanned": 1, "answered": 1})

    def test_services(self):
        for choice, ports in (("imap", [143, 993, 10143]), ("imap/implicit", [993, 10143]),
                              ("imap,ftp/explicit", [143, 991, 993, 10143])):
            run = self.scan("--services", choice, "--ports", "imap:10143", "NET.1")
            self.assertEqual(sorted(row[1] for row in self.addresses(run)), ports)

    def test_bad_services(self):
        for option, value in (("--services", "gopher"), ("--services", "imap/explicit"),
                              ("--services", "imap,,"), ("--ports", "imap:0"),
                              ("--ports", "imap:65536"), ("--ports", "imap"),
                              ("--ports", "gopher:70"), ("--ports", "imap/tls:1")):
            with self.subTest(option=option, value=value):
                self.assertIn(option, scan.refused(option, value, "127.0.0.1"))

    def test_run_start_names_them(self):
        run = self.scan(*IMAP, "NET.0/30")
        self.assertEqual(run.start["options"]["services"], ["imap/insecure:143",
                                                            "imap/insecure:10143"])
        self.assertEqual((run.start["scope"]["hosts"], run.start["scope"]["endpoints"],
                          run.start["scope"]["targets_total"]), (4, 8, 1))


class Labels(TargetsCase, unittest.TestCase):
    def test_labels_and_source(self):
        file = self.file(self.net("# first\nNET.1:10143/imap owner=mail-team site=ams\n"
                                  "NET.2:10143/imap\nNET.3:10143/imap team=große\n"))
        run = self.scan("-f", file, "NET.0:10143/imap")
        seen = {int(record["endpoint"]["ip"][-1]): record["endpoint"] for record in run.records}
        self.assertEqual(seen[1]["labels"], {"owner": "mail-team", "site": "ams"})
        self.assertEqual(seen[2]["labels"], {})
        self.assertEqual(seen[3]["labels"], {"team": "große"})
        self.assertEqual(seen[1]["source"], {"file": str(file), "line": 2})
        self.assertEqual(seen[3]["source"], {"file": str(file), "line": 4})
        self.assertEqual(seen[0]["source"], {"file": None, "line": 1})

    def test_who_came_first(self):
        """Of a target that is given twice the labels and the source of the first."""
        first = self.file(self.net("NET.1:10143/imap a=1\n"), "first")
        second = self.file(self.net("NET.0/30 a=2 b=3\n"), "second")
        run = self.scan("--services", "imap", "-f", first, "-f", second)
        endpoint = run.endpoints[f"{self.farm.net}.1", 10143]["endpoint"]
        self.assertEqual(endpoint["labels"], {"a": "1"})
        self.assertEqual(endpoint["source"]["file"], str(first))


class BadLines(TargetsCase, unittest.TestCase):
    BAD = ["192.0.2.300", "192.0.2.0/33", "192.0.2.9-3", "NET.0:0/imap", "NET.0:70000/imap",
           "NET.0:10143/gopher", "NET.0:10143/imap/tls", "NET.0 label", "NET.0 =value",
           "-bad.example", "two..dots.example", "[::1", "a b c", "open tcp x NET.0 1",
           "ex\x00ample.test", "2001:db8::/129", "1.2.3.4.5"]

    def test_all_are_told_and_nothing_is_asked(self):
        with Farm() as farm:
            server = farm.add("imap")
            farm.start()
            good = f"{server.address}:{server.port}/imap\n"
            one = self.file(good + "".join(f"{self.net(bad)}\n" for bad in self.BAD) + good, "one")
            two = self.file("# fine\n" + good + "bad/line\n", "two")
            said = scan.refused("-f", one, good.strip(), "999.1.1.1", "-f", two,
                                "--facts", "capabilities")
            for number, bad in enumerate(self.BAD, 2):
                with self.subTest(bad=bad):
                    self.assertRegex(said, f"(?m)^{one}:{number}: .")
            self.assertRegex(said, f"(?m)^{two}:3: .")
            self.assertRegex(said, "(?m)^argument 2: .")
            self.assertEqual(said.count(f"{one}:"), len(self.BAD))
            self.assertNotIn(f"{two}:2:", said)
            self.assertEqual(farm.stop()[server.at()]["accepted"], 0)

    def test_bad_exclusions_too(self):
        exclude = self.file("NET.1\n10.0.0.0/99\n".replace("NET", self.farm.net), "exclude")
        said = scan.refused("-x", exclude, "127.0.0.1")
        self.assertRegex(said, f"(?m)^{exclude}:2: .")

    def test_a_file_that_cannot_be_read(self):
        for option in ("-f", "-x"):
            missing = self.directory / "missing"
            self.assertIn(str(missing), scan.refused(option, missing, "127.0.0.1"))
            self.assertIn(str(self.directory), scan.refused(option, self.directory, "127.0.0.1"))

    def test_messages_are_clean(self):
        """What stands in a file does not reach the terminal as it is."""
        file = self.file(b"\x1b[31mred\xff\n" + b"x" * 100000 + b"\n")
        said = scan.refused("-f", file)
        self.assertNotIn("\x1b", said)
        self.assertRegex(said, f"(?m)^{file}:1: .")
        self.assertRegex(said, f"(?m)^{file}:2: .")
        self.assertLess(len(said), 4096)

    def test_no_target(self):
        scan.refused()
        run = scan.run("-f", self.file("# nothing\n"), exit_code=0)
        self.assertEqual((run.records, run.end["hosts"]["scanned"]), ([], 0))


class DryRun(TargetsCase, unittest.TestCase):
    def dry(self, *arguments, stdin=b""):
        done = subprocess.run(scan.command("--dry-run", *arguments), input=stdin,
                              capture_output=True, timeout=scan.WATCHDOG)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.decode().splitlines()

    def test_a_line_a_target_and_the_total(self):
        lines = self.dry("--services", "imap", "192.0.2.0/24", "192.0.2.7", "mail.example.test",
                         "192.0.2.7:2525/smtp", "2001:db8::1-2001:db8::ff")
        self.assertEqual(len(lines), 6)
        for start, line in zip(("192.0.2.0/24", "192.0.2.7", "mail.example.test", "192.0.2.7",
                                "2001:db8::1"), lines):
            self.assertTrue(line.startswith(start), line)
        # 256 + 255 addresses and a name, two services each, and one more port
        self.assertRegex(lines[-1], r"\b1025\b")

    def test_exclusions_count(self):
        file = self.file("192.0.2.128/25\n", "exclude")
        self.assertRegex(self.dry("--services", "imap/implicit", "-x", file, "192.0.2.0/24")[-1],
                         r"\b128\b")

    def test_no_connection_is_made(self):
        with Farm() as farm:
            server = farm.add("imap")
            farm.start()
            self.dry(server.target())
            self.assertEqual(farm.stop()[server.at()]["accepted"], 0)

    def test_a_whole_slash_eight(self):
        """33554432 endpoints; the memory is that of the child with the largest of all so far."""
        program = scan.command("--dry-run", "--services", "imap", "127.0.0.0/8")
        done = subprocess.run(["/usr/bin/python3", "-c", MEASURE, *program],
                              capture_output=True, timeout=scan.WATCHDOG)
        self.assertEqual(done.returncode, 0, done.stderr)
        report, _, peak = done.stdout.decode().rpartition("\n")
        self.assertIn("33554432", report.splitlines()[-1])
        sanitized = b"__asan_init" in Path(program[0]).read_bytes()
        self.assertLess(int(peak) * 1024, (192 if sanitized else 64) * MIB)

    def test_bad_lines_are_an_error_here_too(self):
        scan.refused("--dry-run", "192.0.2.0/64")


MEASURE = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL)
print(end=str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(done.returncode)
"""


class Stream(TargetsCase, unittest.TestCase):
    def begin(self, *arguments):
        process = subprocess.Popen(scan.command("--facts", "capabilities", "-f", "-", *arguments),
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        self.addCleanup(self.end_of, process)
        return process

    @staticmethod
    def end_of(process):
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            pipe.close()

    def feed(self, process, text):
        process.stdin.write(self.net(text).encode())
        process.stdin.flush()

    def test_records_come_before_the_end(self):
        process = self.begin()
        lines = [process.stdout.readline()]
        for last in range(4):
            self.feed(process, f"NET.{last}:10143/imap n={last}\n")
            lines.append(process.stdout.readline())  # comes although the input goes on
            endpoint = json.loads(lines[-1])["endpoint"]
            self.assertEqual(endpoint["ip"], f"{self.farm.net}.{last}")
            self.assertEqual(endpoint["labels"], {"n": str(last)})
            self.assertEqual(endpoint["source"], {"file": "-", "line": last + 1})
        output, errors = process.communicate(timeout=scan.WATCHDOG)
        run = scan.parsed(b"".join(lines) + output, errors, process.returncode, 0)
        self.assertEqual(len(run.records), 4)
        self.assertEqual([run.start["scope"][name] for name in ("targets_total", "hosts",
                                                                "endpoints")], [None] * 3)

    def test_a_line_in_pieces(self):
        process = self.begin()
        for piece in ("NET.", "1:101", "43/im", "ap\nNET.2:10143/imap"):
            self.feed(process, piece)
        output, errors = process.communicate(timeout=scan.WATCHDOG)
        run = scan.parsed(output, errors, process.returncode, 0)
        self.assertEqual(self.addresses(run), FOUR[1:3])

    def test_a_bad_line_is_passed_over(self):
        text = self.net("NET.1:10143/imap\nnot a target\n\nNET.2:10143/imap\n300.1.1.1\n")
        run = self.scan("-f", "-", stdin=text.encode(), exit_code=2)
        self.assertEqual(self.addresses(run), FOUR[1:3])
        self.assertRegex(run.errors, "(?m)^-:2: .")
        self.assertRegex(run.errors, "(?m)^-:5: .")

    def test_what_was_given_before_is_not_given_again(self):
        text = self.net("NET.0:10143/imap\nNET.1:10143/imap\nNET.1:10143/imap\nNET.0/30\nNET.2\n")
        exclude = self.file(self.net("NET.3\n"), "exclude")
        run = self.scan("--services", "imap/implicit", "--ports", "imap:10143", "-x", exclude,
                        "-f", "-", "NET.0:10143/imap", stdin=text.encode())
        seen = self.addresses(run)
        self.assertEqual([row for row in seen if row[1] == 10143], FOUR[:3])
        self.assertEqual(run.end["endpoints"]["recorded"], len(set(seen)))

    def test_nothing_comes(self):
        run = self.scan("-f", "-", stdin=b"")
        self.assertEqual(run.records, [])


class Answering(TargetsCase, unittest.TestCase):
    """Hosts that do not answer are counted, and recorded with --all only."""

    def test_only_counted(self):
        run = self.scan(*IMAP, "NET.0/29")
        self.assertEqual({record["endpoint"]["ip"] for record in run.records},
                         {f"{self.farm.net}.{last}" for last in range(4)})
        self.assertEqual(run.end["hosts"], {"scanned": 8, "answered": 4})
        self.assertEqual(run.end["endpoints"], {"recorded": 8, "by_status": [
            {"status": "ok", "count": 4}, {"status": "closed", "count": 12}]})

    def test_all(self):
        run = self.scan(*IMAP, "--all", "NET.0/29")
        self.assertEqual(run.end["endpoints"]["recorded"], 16)
        self.assertEqual(len(run.records), 16)

    def test_nothing_answers(self):
        run = self.scan(*IMAP, "NET.8/30", exit_code=3)
        self.assertEqual((run.records, run.end["complete"]), ([], True))
        self.assertEqual(run.end["hosts"], {"scanned": 4, "answered": 0})
        run = self.scan(*IMAP, "--all", "NET.8/30", exit_code=3)
        self.assertEqual({record["status"] for record in run.records}, {"closed"})


if __name__ == "__main__":
    main()
