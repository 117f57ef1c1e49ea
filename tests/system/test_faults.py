# SPDX-License-Identifier: MIT
"""Servers that stop, stall, flood or babble, many of them at once: the records stay valid, and say
nothing that is not true."""

import random
import socket
import threading
import unittest

import facts
import scan
from case import main
from facts import Unknown, but, difference, falsehoods, sound
from played import Farm

PROTOCOLS = ("ftp", "imap", "pop3", "smtp")
MODES = ("clear", "implicit")
PATIENT = ("--greeting-timeout", "20", "--reply-timeout", "20", "--tls-timeout", "20")
# What an end in the middle changes in truth. All other facts are as they are, or not known.
OUTCOMES = ("/status", "/error", "/starttls/attempted", "/starttls/command", "/starttls/handshake",
            "/tls/established", "/tls/failure", "/tls/versions_accepted")


def without_proof(facts_):
    """Whether a version is accepted, not how that was seen."""
    return {path: value.split()[0] if path.startswith("/tls/versions/") else value
            for path, value in facts_.items()}


def falsehoods_of_cut(record, truth):
    seen = {path: value for path, value in facts.of(record).items() if path not in OUTCOMES}
    return falsehoods(without_proof(seen), without_proof(truth))


class Cuts(unittest.TestCase):
    """A close or a reset after so many bytes from the server; in clear after each one, and where
    TLS runs in steps that fall on every kind of byte."""

    HOSTS = 40
    LAST = 2600  # more than a whole session has

    def cut(self, protocol, mode, places):
        with Farm() as farm:
            addresses = [farm.address() for _ in range(self.HOSTS)]
            for way in ("close", "reset"):
                for after in (*places, self.LAST):
                    port = 11000 + len(farm.servers)
                    farm.add(protocol, mode, address=addresses[port % self.HOSTS], port=port,
                             cut=f"{way}:{after}")
            farm.start()
            run = scan.run("--ca-file", farm.ca_file, "--per-host", "100", *PATIENT,
                           *farm.targets())
            self.assertEqual(len(run.records), len(farm.servers))
            for server in farm.servers:
                self.check(server, run.endpoints[server.at()], sound(farm, server))
            self.assertEqual({row["credentials"] for row in farm.stop().values()}, {0})

    def check(self, server, record, truth):
        cut = dict(server.script)["cut"]
        way, after = cut.split(":")
        with self.subTest(server=server.line().strip()):
            self.assertEqual([], falsehoods_of_cut(record, truth))
            self.assertIn(record["status"], ("ok", "error", "tls_error"))
            if after == "0":
                self.assertIn(record["status"], ("error", "tls_error"))
                self.assertEqual(record["error"]["code"],
                                 {"close": "closed", "reset": "reset"}[way])
            if int(after) == self.LAST:
                self.assertEqual([], difference(facts.of(record), truth))

    def test_ftp(self):
        self.cut("ftp", "clear", [*range(0, 300, 3), *range(300, self.LAST, 13)])

    def test_ftp_implicit(self):
        self.cut("ftp", "implicit", range(0, self.LAST, 11))

    def test_imap(self):
        self.cut("imap", "clear", [*range(300), *range(300, self.LAST, 13)])

    def test_imap_implicit(self):
        self.cut("imap", "implicit", range(0, self.LAST, 9))

    def test_pop3(self):
        self.cut("pop3", "clear", [*range(0, 300, 3), *range(300, self.LAST, 13)])

    def test_pop3_implicit(self):
        self.cut("pop3", "implicit", range(0, self.LAST, 11))

    def test_smtp(self):
        self.cut("smtp", "clear", [*range(300), *range(300, self.LAST, 13)])

    def test_smtp_implicit(self):
        self.cut("smtp", "implicit", range(0, self.LAST, 11))


class CutVersions(unittest.TestCase):
    """The same, where all versions are accepted: an answer that breaks off is no refusal."""

    def cut(self, protocol, mode, first):
        with Farm() as farm:
            addresses = [farm.address() for _ in range(40)]
            for way in ("close", "reset"):
                for after in range(first, first + 250, 2):
                    port = 11000 + len(farm.servers)
                    farm.add(protocol, mode, address=addresses[port % 40], port=port,
                             cut=f"{way}:{after}", versions="ssl2,ssl3,1.0,1.1,1.2,1.3")
            farm.start()
            run = scan.run("--per-host", "100", *PATIENT, "--facts", "versions", *farm.targets())
            for server in farm.servers:
                seen = facts.of(run.endpoints[server.at()])
                with self.subTest(server=server.line().strip()):
                    self.assertEqual([], [path for path, value in seen.items() if "/tls/versions/"
                                          in path and value.startswith("rejected")])

    def test_implicit(self):
        self.cut("imap", "implicit", 0)

    def test_clear(self):
        self.cut("pop3", "clear", 50)


class Slow(unittest.TestCase):
    def test_a_byte_at_a_time_is_a_whole_dialogue(self):
        """Everything comes in pieces of one byte, and nothing is different."""
        with Farm() as farm:
            for protocol in PROTOCOLS:
                for mode in MODES:
                    farm.add(protocol, mode, drip="1")
            farm.start()
            run = scan.run("--ca-file", farm.ca_file, "--tls-timeout", "60", *farm.targets())
            for server in farm.servers:
                with self.subTest(server=server.line().strip()):
                    self.assertEqual([], difference(facts.of(run.endpoints[server.at()]),
                                                    sound(farm, server)))

    def test_a_byte_a_second(self):
        """A deadline is for all of a greeting, not for its next byte."""
        with Farm() as farm:
            for protocol in PROTOCOLS:
                for mode in MODES:
                    farm.add(protocol, mode, drip="1000")
            farm.start()
            run = scan.run("--greeting-timeout", "2", "--tls-timeout", "1.5", *farm.targets())
            for server in farm.servers:
                seen = facts.of(run.endpoints[server.at()])
                with self.subTest(server=server.line().strip()):
                    if server.mode == "clear":
                        self.assertEqual((seen["/status"], seen["/error"]),
                                         ("timeout", "banner timeout"))
                        self.assertEqual(seen["/tls"], Unknown("timeout"))
                    else:
                        self.assertEqual((seen["/status"], seen["/error"]),
                                         ("tls_error", "handshake timeout"))
                        self.assertEqual(seen["/tls/versions_accepted"], [])
                    self.assertEqual([], falsehoods_of_cut(run.endpoints[server.at()],
                                                           sound(farm, server)))

    def test_the_deadline_of_the_endpoint(self):
        """Every stage is in time, all of them together are not."""
        with Farm() as farm:
            for protocol in PROTOCOLS:
                for mode in MODES:
                    farm.add(protocol, mode, drip="10")
            farm.start()
            run = scan.run("--ca-file", farm.ca_file, "--endpoint-timeout", "6", *farm.targets())
            for server in farm.servers:
                record = run.endpoints[server.at()]
                with self.subTest(server=server.line().strip()):
                    self.assertEqual([], falsehoods_of_cut(record, sound(farm, server)))
                    reasons = {row.get("reason") for row in record["tls"]["versions"]} | \
                        {entry["reason"] for entry in record["unknown"]}
                    self.assertIn("deadline", reasons)


class Texts(unittest.TestCase):
    """Greetings that are odd, and whether they are still greetings."""

    FINE = [("imap", "* OK ready\n", "* OK ready"), ("imap", "* ok ready\r\n", "* ok ready"),
            ("imap", "* OK\r\n", "* OK"), ("pop3", "+OK\r\n", "+OK"), ("pop3", "+OK\n", "+OK"),
            ("smtp", "220\r\n", "220"), ("smtp", "220 \r\n", "220 "), ("ftp", "220\n", "220"),
            ("smtp", "220-\n220 x\n", "220-\n220 x"),
            ("ftp", "120 soon\r\n220 now\r\n", "120 soon\n220 now"),
            ("ftp", "220-a\r\n 220 b\r\n221 c\r\n220 d\r\n", "220-a\n 220 b\n221 c\n220 d")]
    ALIEN = [("imap", "\x16\x03\x01\x02\x00"), ("pop3", "* OK this is IMAP"), ("smtp", "+OK POP3"),
             ("ftp", "SSH-2.0-x"), ("imap", "{\"jsonrpc\": 1}"), ("smtp", "RFB 003.008"),
             ("pop3", "220 smtp"), ("imap", ""), ("ftp", "2 2 0"), ("smtp", "22x no")]

    def test_fine(self):
        with Farm() as farm:
            truths = {}
            for protocol, text, banner in self.FINE:
                for mode in MODES:
                    text_ = text.replace("\r", "\\r").replace("\n", "\\n")
                    anomalies = ["bare_lf"] if "\n" in text.replace("\r\n", "") else []
                    truths[farm.add(protocol, mode, greeting_text=text_)] = {
                        "/banner": banner, "/anomalies": anomalies}
            farm.start()
            run = scan.run("--ca-file", farm.ca_file, *PATIENT, *farm.targets())
            for server, changes in truths.items():
                with self.subTest(server=server.line().strip()):
                    truth = but(sound(farm, server), changes)
                    self.assertEqual([], difference(facts.of(run.endpoints[server.at()]), truth))

    def test_alien(self):
        with Farm() as farm:
            for protocol, text in self.ALIEN:
                text_ = "".join(c if " " <= c < "\x7f" and c not in "\"\\" else f"\\x{ord(c):02x}"
                                for c in text)
                for mode in MODES:
                    farm.add(protocol, mode, greeting_text=text_)
            farm.start()
            run = scan.run(*PATIENT, *farm.targets())
            for server in farm.servers:
                record = run.endpoints[server.at()]
                with self.subTest(server=server.line().strip()):
                    self.assertEqual(record["status"], "protocol_mismatch")
                    self.assertEqual([], [p for p in facts.of(record) if p.startswith("/auth/")])

    def test_noise(self):
        """Random bytes for greetings: whatever they are taken for, the records are valid."""
        noise = random.Random(20261123)
        with Farm() as farm:
            for i in range(200):
                start = noise.choice(["", "", "* OK ", "+OK ", "220 ", "220-", "* ", "* BYE "])
                text = "".join(f"\\x{noise.randrange(256):02x}" for _ in range(noise.randrange(60)))
                farm.add(PROTOCOLS[i % 4], MODES[i // 4 % 2], address=farm.address(),
                         greeting_text=start + text)
            farm.start()
            run = scan.run("--greeting-timeout", "2", "--reply-timeout", "2", *farm.targets())
            self.assertEqual(len(run.records), 200)


class Crowd(unittest.TestCase):
    """All kinds of trouble at once; the sound servers among them do not suffer."""

    TROUBLE = [{"greeting": "flood"}, {"greeting": "silent"}, {"greeting": "hostile"},
               {"greeting": "ssh"}, {"caps": "endless"}, {"caps": "halfway"}, {"tls": "alerts"},
               {"tls": "garbage"}, {"tls": "silent"}, {"tls": "break"}, {"tls": "reset"},
               {"tls": "plaintext"}, {"drip": "500"}, {"refuse": "silent", "versions": "1.2"},
               {"cut": "reset:100"}, {"cut": "close:600"}, {"cut": "close:0"},
               {"client_cert": "require"}, {"hello_max": "200"}, {"sni": "required"}, {}]
    UPGRADES = [{"starttls": "trailing"}, {"starttls": "late"}, {"starttls": "die"},
                {"starttls": "reset"}, {"starttls": "silent"}, {"starttls": "temporary"}]
    TIMES = 3

    def test_all_at_once(self):
        with Farm() as farm:
            sound_ones = []
            kinds = [(protocol, mode, words) for words in self.TROUBLE + self.UPGRADES
                     for protocol in PROTOCOLS for mode in MODES
                     if mode == "clear" or words not in self.UPGRADES]
            for i in range(self.TIMES):
                address = None
                for j, (protocol, mode, words) in enumerate(kinds):
                    address = farm.address() if j % 6 == 0 else address
                    server = farm.add(protocol, mode, address=address, port=11000 + j, **words)
                    sound_ones += [] if words else [server]
            farm.start()
            run = scan.run("--ca-file", farm.ca_file, "--concurrency", "400", "--per-host", "3",
                           "--greeting-timeout", "4", "--reply-timeout", "4", "--tls-timeout", "4",
                           "--endpoint-timeout", "8", *farm.targets())
            self.assertEqual(len(run.records), len(farm.servers))
            for server in sound_ones:
                self.assertEqual([], difference(facts.of(run.endpoints[server.at()]),
                                                sound(farm, server)))
            stats = farm.stop()
            self.assertEqual({row["credentials"] for row in stats.values()}, {0})
            for server in sound_ones:  # the others may notice late that we have left
                self.assertEqual(stats[server.at()]["max_open"], 1)


class Gate:
    """Stands before a played server, and hangs without a word on a ClientHello that is too long."""

    def __init__(self, server, address, longest):
        self.server, self.longest = server, longest
        self.listener = socket.create_server((address, server.port))
        self.target = server.target().replace(server.address, address)
        self.at = address, server.port
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with client, socket.create_connection(self.server.at()) as upstream:
            threading.Thread(target=self.copy, args=(upstream, client), daemon=True).start()
            self.copy(client, upstream, self.longest)

    @staticmethod
    def copy(source, sink, longest=None):
        try:
            while data := source.recv(65536):
                if longest and data[:2] == b"\x16\x03" and len(data) > longest:
                    while source.recv(65536):
                        pass
                    return
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        self.listener.close()


class LongHellos(unittest.TestCase):
    def test_a_server_that_hangs_on_a_long_hello(self):
        with Farm() as farm:
            gates = []
            for protocol in ("imap", "smtp"):
                for mode in MODES:
                    gates.append(Gate(farm.add(protocol, mode), farm.address(), 300))
                    self.addCleanup(gates[-1].close)
            farm.start()
            run = scan.run("--tls-timeout", "2", "--greeting-timeout", "5",
                           *(gate.target for gate in gates))
            for gate in gates:
                seen = facts.of(run.endpoints[gate.at])
                with self.subTest(server=gate.server.line().strip()):
                    self.assertEqual(seen["/status"], "ok")
                    self.assertEqual(seen["/tls/established"], True)
                    self.assertEqual(seen["/tls/large_hello_intolerant"], True)
                    self.assertEqual(seen["/tls/versions_accepted"], ["1.2", "1.3"])
                    self.assertEqual(seen["/banner"], facts.BANNERS[gate.server.protocol])


if __name__ == "__main__":
    main()
