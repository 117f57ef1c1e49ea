# SPDX-License-Identifier: MIT
"""Real TLS stacks in settings that are seldom met: what a scan says of their versions is what they
were told to accept.

openssl s_server and gnutls-serv know nothing of mail: they are scanned as implicit ports, of which
nobody expects a greeting. In front of some stands a Gate, which looks at each ClientHello first, as
devices on the way and old servers do.
"""

import hashlib
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import unittest
from contextlib import closing
from pathlib import Path

import scan
from case import main
from certificates import openssl

HOST = "127.71.0.1"
PATIENCE = ("--greeting-timeout", "1", "--reply-timeout", "1", "--tls-timeout", "2",
            "--per-host", "16")
CURRENT = ["1.2", "1.3"]
OLD = "-cipher ALL:@SECLEVEL=0"

KEYS = {
    "rsa": ["-newkey", "rsa:2048"],
    "ec": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "p521": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-521"],
    "brainpool": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:brainpoolP384r1"],
    "ed448": ["-newkey", "ed448"],
    "ed25519": ["-newkey", "ed25519"],
    "pss": ["-newkey", "rsa-pss", "-pkeyopt", "rsa_keygen_bits:2048"],
}

# The options of s_server, the kind of key, and the versions that it accepts then.
OPENSSL = (
    ("", "rsa", CURRENT),
    ("-serverpref", "ec", CURRENT),
    ("-tls1_2 -cipher AES128-CCM", "rsa", ["1.2"]),
    ("-tls1_2 -cipher AES256-CCM8", "rsa", ["1.2"]),
    ("-cipher ECDHE-ECDSA-AES128-CCM8", "ec", CURRENT),
    ("-cipher ECDHE-ECDSA-AES256-CCM -ciphersuites TLS_AES_128_CCM_8_SHA256", "ec", CURRENT),
    ("-tls1_2 -cipher ARIA128-GCM-SHA256", "rsa", ["1.2"]),
    ("-tls1_2 -cipher ECDHE-ECDSA-ARIA256-GCM-SHA384", "ec", ["1.2"]),
    ("-cipher CAMELLIA128-SHA256", "rsa", CURRENT),
    ("-tls1_2 -cipher ECDHE-RSA-CAMELLIA256-SHA384", "rsa", ["1.2"]),
    ("-tls1_2 -cipher NULL-SHA256:@SECLEVEL=0", "rsa", ["1.2"]),
    ("-min_protocol TLSv1 -max_protocol TLSv1.2 -cipher NULL-SHA:@SECLEVEL=0", "rsa",
     ["1.0", "1.1", "1.2"]),
    ("-min_protocol TLSv1 -cipher NULL-MD5:@SECLEVEL=0", "rsa", ["1.0", "1.1", "1.2", "1.3"]),
    ("-tls1 -cipher CAMELLIA256-SHA:@SECLEVEL=0", "rsa", ["1.0"]),
    ("-tls1_1 -cipher CAMELLIA128-SHA:@SECLEVEL=0", "rsa", ["1.1"]),
    ("-tls1_2 -nocert -psk 0102030405 -cipher PSK-AES128-CCM8", None, ["1.2"]),
    ("-tls1_2 -nocert -psk 0102030405 -cipher ECDHE-PSK-CHACHA20-POLY1305", None, ["1.2"]),
    ("-tls1_2 -nocert -psk 0102030405 -cipher DHE-PSK-ARIA128-GCM-SHA256", None, ["1.2"]),
    ("-tls1_2 -nocert -cipher ADH-AES128-GCM-SHA256:@SECLEVEL=0", None, ["1.2"]),
    ("-tls1_2 -nocert -cipher AECDH-NULL-SHA:@SECLEVEL=0", None, ["1.2"]),
    ("-tls1_3 -groups X448", "ec", ["1.3"]),
    ("-tls1_3 -groups P-521", "rsa", ["1.3"]),
    ("-tls1_3 -groups ffdhe4096", "rsa", ["1.3"]),
    ("-groups ffdhe2048 -cipher ECDHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES128-GCM-SHA256", "rsa",
     CURRENT),
    ("-tls1_3 -ciphersuites TLS_AES_128_CCM_SHA256", "rsa", ["1.3"]),
    ("-tls1_3 -ciphersuites TLS_CHACHA20_POLY1305_SHA256 -groups P-384", "rsa", ["1.3"]),
    ("-tls1_3", "ed448", ["1.3"]),
    ("", "ed25519", CURRENT),
    ("", "p521", CURRENT),
    ("-tls1_3", "pss", ["1.3"]),
    ("-tls1_2 -curves brainpoolP384r1", "brainpool", ["1.2"]),
    (f"-min_protocol TLSv1 -no_tls1_2 {OLD}", "rsa", ["1.0", "1.1", "1.3"]),
    (f"-min_protocol TLSv1 -no_tls1_1 {OLD}", "rsa", ["1.0", "1.2", "1.3"]),
    (f"-min_protocol TLSv1 -no_tls1_1 -no_tls1_3 {OLD}", "ec", ["1.0", "1.2"]),
    (f"-tls1_1 {OLD}", "ec", ["1.1"]),
    (f"-min_protocol TLSv1 {OLD} -legacy_renegotiation -bugs", "rsa", ["1.0", "1.1", "1.2", "1.3"]),
)

# The priority of gnutls-serv.
GNUTLS = (
    ("NORMAL", "rsa", ["1.0", "1.1", "1.2", "1.3"]),
    ("NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2", "rsa", CURRENT),
    ("NONE:+VERS-TLS1.2:+AES-128-CCM:+AEAD:+RSA:+SIGN-ALL:+GROUP-ALL:+CTYPE-X509", "rsa", ["1.2"]),
    ("NONE:+VERS-TLS1.2:+CAMELLIA-256-GCM:+AEAD:+ECDHE-RSA:+SIGN-ALL:+GROUP-ALL:+CTYPE-X509", "rsa",
     ["1.2"]),
    ("NONE:+VERS-TLS1.3:+AES-128-CCM-8:+AEAD:+SIGN-ALL:+GROUP-FFDHE4096:+CTYPE-X509", "rsa",
     ["1.3"]),
    ("NONE:+VERS-TLS1.2:+NULL:+SHA1:+RSA:+SIGN-ALL:+CTYPE-X509", "rsa", ["1.2"]),
    ("NORMAL:-VERS-ALL:+VERS-TLS1.2:+VERS-TLS1.0:%SERVER_PRECEDENCE", "ec", ["1.0", "1.2"]),
    ("NORMAL:-VERS-ALL:+VERS-TLS1.1", "rsa", ["1.1"]),
    ("NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.0:+VERS-TLS1.2", "rsa", ["1.0", "1.2", "1.3"]),
    ("NORMAL:-GROUP-ALL:+GROUP-X448:-VERS-ALL:+VERS-TLS1.3", "ec", ["1.3"]),
)


class Stack:
    """One server process; its port is the kernel's choice of a moment ago."""

    def __init__(self, program, options, key, directory):
        self.versions = None
        with closing(socket.socket()) as taken:
            taken.bind((HOST, 0))
            self.port = taken.getsockname()[1]
        files = self.files(directory, key)
        if program == "openssl":
            command = ["/usr/bin/openssl", "s_server", "-accept", f"{HOST}:{self.port}", "-quiet",
                       *(["-cert", files[0], "-key", files[1]] if key else []), *options.split()]
        else:
            command = ["/usr/bin/gnutls-serv", "--echo", "--quiet", "--port", str(self.port),
                       "--x509certfile", files[0], "--x509keyfile", files[1],
                       "--priority", options]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={"PATH": "/usr/bin", "GNUTLS_SYSTEM_PRIORITY_FILE": "/dev/null"})
        self.what = f"{program} {options} ({key})"
        self.wait()

    @staticmethod
    def files(directory, key):
        """The certificate and the key of this kind, made once."""
        certificate, private = directory / f"{key}.pem", directory / f"{key}-key.pem"
        if key and not certificate.exists():
            openssl("req", "-x509", *KEYS[key], "-noenc", "-days", 30, "-keyout", private,
                    "-out", certificate, "-subj", "/CN=mail.test")
        return certificate, private

    def wait(self):
        """Until it listens: as the system's table says, for a connection would be one of few."""
        wanted = f":{self.port:04X} "
        for _ in range(400):
            if any(wanted in line and " 0A " in line for table in ("tcp", "tcp6")
                   for line in Path(f"/proc/net/{table}").read_text().splitlines()):
                return
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.what} ended with {self.process.returncode}")
            time.sleep(0.05)
        raise RuntimeError(f"{self.what} does not listen")

    def stop(self):
        self.process.kill()
        self.process.stdin.close()
        self.process.wait()


class Gate:
    """Stands before servers, looks at each ClientHello and lets it through, or not.

    `choose` is called with the number of the connection and the ClientHello, and gives the port of a
    server, or what to do instead: "close", "reset", "silent" or an alert's number.
    """

    def __init__(self, choose):
        self.choose = choose
        self.count = 0
        self.listener = socket.socket()
        self.listener.bind((HOST, 0))
        self.listener.listen(50)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.count += 1
            threading.Thread(target=self.meet, args=(client, self.count), daemon=True).start()

    def meet(self, client, number):
        with client:
            client.settimeout(10)
            try:
                hello = client.recv(65536)
                verdict = self.choose(number, hello) if hello else "close"
                self.act(client, hello, verdict)
            except OSError:
                return

    def act(self, client, hello, verdict):
        if verdict == "reset":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        elif verdict == "silent":
            client.recv(1)
        elif isinstance(verdict, str) and verdict.isdigit():
            client.sendall(bytes([21, 3, 1, 0, 2, 2, int(verdict)]))
        elif verdict != "close":
            self.relay(client, hello, verdict)

    @staticmethod
    def relay(client, hello, port):
        def pump(source, sink):
            try:
                while piece := source.recv(65536):
                    sink.sendall(piece)
                sink.shutdown(socket.SHUT_WR)
            except OSError:
                return

        with socket.create_connection((HOST, port)) as server:
            server.sendall(hello)
            back = threading.Thread(target=pump, args=(server, client), daemon=True)
            back.start()
            pump(client, server)
            back.join(10)

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def is_tls(hello):
    return hello[:1] == b"\x16"


def has_extensions(hello):
    """Anything behind the compression methods?"""
    at = 43
    at += 1 + hello[at]
    at += 2 + int.from_bytes(hello[at:at + 2], "big")
    at += 1 + hello[at]
    return at < len(hello)


def has_list(hello):
    """supported_versions: its list ends in SSL 3.0 or is of the library's making."""
    return re.search(rb"\x00\x2b\x00.[\x02-\x0a]\x03", hello, re.S) is not None


CHOKES = {
    "list": lambda hello: has_list(hello),
    "extensions": has_extensions,
    "size": lambda hello: len(hello) > 255,
    "version": lambda hello: hello[9:11] > b"\x03\x01",
}


class StackCase:
    """Mixed into a unittest.TestCase: build() fills cls.cases with (what, port, key, versions)."""

    options = ()

    @classmethod
    def setUpClass(cls):
        cls.directory = Path(tempfile.mkdtemp(prefix="stacks-"))
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        cls.cases, cls.running = [], []
        for program in ("openssl", "gnutls-serv"):
            if not shutil.which(program):
                raise unittest.SkipTest(f"{program} is not installed")
        try:
            cls.build()
            cls.run_ = scan.run(*PATIENCE, *cls.options,
                                *(f"{HOST}:{case[1]}/imap/implicit" for case in cls.cases))
        finally:
            for server in cls.running:
                server.stop()

    @classmethod
    def start(cls, program, options, key):
        stack = Stack(program, options, key, cls.directory)
        cls.running.append(stack)
        return stack

    @classmethod
    def gate(cls, choose):
        gate = Gate(choose)
        cls.running.append(gate)
        return gate

    def each(self):
        for what, port, key, versions in self.cases:
            yield what, self.run_.endpoints[HOST, port], key, versions

    def test_versions(self):
        for what, record, _, versions in self.each():
            with self.subTest(what):
                self.assertEqual(record["tls"]["versions_accepted"], versions, scan.pretty(record))

    def test_no_version_is_open(self):
        for what, record, _, versions in self.each():
            with self.subTest(what):
                for row in record["tls"]["versions"]:
                    if row["protocol"] == "tls" and row["version"] not in versions:
                        self.assertEqual(row["status"], "rejected", scan.pretty(record))

    def test_certificates(self):
        for what, record, key, versions in self.each():
            with self.subTest(what):
                if not key or (not self.with_handshake() and versions == ["1.3"]):
                    continue
                der = openssl("x509", "-in", self.directory / f"{key}.pem", "-outform", "DER")
                self.assertEqual(record["tls"]["certificate"]["sha256"],
                                 hashlib.sha256(der).hexdigest(), scan.pretty(record))

    def with_handshake(self):
        return "--facts" not in self.options


class Settings(StackCase, unittest.TestCase):
    @classmethod
    def build(cls):
        for program, cases in (("openssl", OPENSSL), ("gnutls-serv", GNUTLS)):
            for options, key, versions in cases:
                stack = cls.start(program, options, key)
                cls.cases.append((stack.what, stack.port, key, versions))

    def test_no_finding_of_a_sound_server(self):
        for what, record, _, _ in self.each():
            with self.subTest(what):
                found = {entry["rule"] for entry in record["findings"]}
                self.assertFalse(found & {"TLS-VERSION-INTOLERANT", "TLS-INCONSISTENT-ANSWERS"},
                                 scan.pretty(record))

    def test_connections(self):
        """One for the handshake, one for each version below the first and for SSL 2.0, and the lists
        of suites where none of the usual ones is taken."""
        for what, record, _, versions in self.each():
            with self.subTest(what):
                self.assertLessEqual(record["connections"], 15)
        self.assertLessEqual(self.run_.endpoints[HOST, self.cases[0][1]]["connections"], 5)


class SettingsQuick(Settings):
    options = ("--facts", "versions")

    def test_connections(self):
        self.assertLessEqual(self.run_.endpoints[HOST, self.cases[0][1]]["connections"], 5)


class SettingsExhaustive(Settings):
    options = ("--exhaustive",)

    def test_connections(self):
        for what, record, _, _ in self.each():
            with self.subTest(what):
                self.assertLessEqual(record["connections"], 20)


class Gates(StackCase, unittest.TestCase):
    """Each way to choke on a ClientHello, and each way to refuse it."""

    SERVERS = ((f"-tls1_2 {OLD}", ["1.2"]),
               (f"-min_protocol TLSv1 -max_protocol TLSv1.2 {OLD}", ["1.0", "1.1", "1.2"]),
               (f"-tls1 {OLD}", ["1.0"]))

    @classmethod
    def build(cls):
        for options, versions in cls.SERVERS:
            stack = cls.start("openssl", options, "rsa")
            for name, chokes in CHOKES.items():
                for way in ("close", "reset", "40", "70", "80", "silent"):
                    if name == "version" and versions != ["1.0"]:
                        continue  # all but 1.0 are out of reach
                    if name == "extensions" and way == "silent" and "1.0" not in versions:
                        continue  # three ClientHellos without an answer are enough
                    gate = cls.gate(cls.guard(stack.port, chokes, way))
                    cls.cases.append((f"{name} {way} {options}", gate.port, "rsa", versions))

    @staticmethod
    def guard(port, chokes, way):
        return lambda number, hello: \
            "close" if not is_tls(hello) else way if chokes(hello) else port

    def test_no_version_is_open(self):
        """Silence is never a refusal."""
        for what, record, _, versions in self.each():
            with self.subTest(what):
                for row in record["tls"]["versions"]:
                    if row["protocol"] == "tls" and row["version"] not in versions:
                        self.assertIn((row["status"], row.get("reason")),
                                      (("rejected", None), ("inconclusive", "timeout")),
                                      scan.pretty(record))

    def test_what_is_said_of_it(self):
        for what, port, _, _ in self.cases:
            tls = self.run_.endpoints[HOST, port]["tls"]
            with self.subTest(what):
                self.assertIs(tls["established"], True, scan.pretty(tls))
                self.assertEqual(tls.get("new_hello_intolerant"),
                                 None if what.startswith("size") else True)
                self.assertNotIn("inconsistent_answers", tls)


class TwoServers(StackCase, unittest.TestCase):
    """Two servers behind one address, in turn."""

    @classmethod
    def build(cls):
        old = cls.start("openssl", f"-min_protocol TLSv1 -max_protocol TLSv1.1 {OLD}", "rsa").port
        new = cls.start("openssl", "", "rsa").port
        modern = cls.start("openssl", "-tls1_3", "rsa").port
        for what, ports in (("old and new", (old, new)), ("new and old", (new, old)),
                            ("modern and old", (modern, old)), ("old, old, new", (old, old, new)),
                            ("new, new, old", (new, new, old))):
            gate = cls.gate(lambda number, hello, ports=ports: ports[number % len(ports)])
            cls.cases.append((what, gate.port, "rsa", ports == (old, new)))

    def test_versions(self):
        """Whatever was seen, no version of either is denied once that shows."""
        for what, record, _, _ in self.each():
            with self.subTest(what):
                tls = record["tls"]
                has = {"1.0", "1.1", "1.2", "1.3"}
                for row in tls["versions"]:
                    if tls.get("inconsistent_answers") and row["version"] in has and \
                            row["protocol"] == "tls":
                        self.assertNotEqual(row["status"], "rejected", scan.pretty(record))

    def test_no_version_is_open(self):
        """A contradiction that was seen is a finding."""
        seen = 0
        for what, record, _, _ in self.each():
            with self.subTest(what):
                found = {entry["rule"] for entry in record["findings"]}
                odd = record["tls"].get("inconsistent_answers", False)
                self.assertEqual("TLS-INCONSISTENT-ANSWERS" in found, odd)
                seen += odd
        self.assertGreaterEqual(seen, 1)


if __name__ == "__main__":
    main()
