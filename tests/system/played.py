# SPDX-License-Identifier: MIT
"""Played servers for a test: a farm of them, on loopback addresses of its own.

STARTTLS_AUDIT_PEER names the program (tests/peer, whose peer.h explains the words of a script).
Each Farm has a /24 of 127.70.0.0/16 to itself, so that any number of tests may run at once. Every
server gets an address of its own there, unless it is told to share one.
"""

import errno
import json
import shutil
import signal
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import scan

WATCHDOG = 60
PORTS = {("ftp", "clear"): 10021, ("ftp", "implicit"): 10990,
         ("imap", "clear"): 10143, ("imap", "implicit"): 10993,
         ("pop3", "clear"): 10110, ("pop3", "implicit"): 10995,
         ("smtp", "clear"): 10025, ("smtp", "implicit"): 10465}


@dataclass(frozen=True)
class Server:
    """One listener, and the target that a scan names it by."""

    protocol: str
    mode: str
    address: str
    port: int
    script: tuple

    def line(self):
        words = " ".join(f'{key}="{value}"' for key, value in self.script)
        return f"{self.address} {self.port} {self.protocol} {self.mode} {words}\n"

    def target(self, mode=None):
        mode = mode or ("implicit" if self.mode == "implicit" else "insecure")
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{self.port}/{self.protocol}/{mode}"

    def at(self):
        return self.address, self.port

    def certificate_kind(self):
        return dict(self.script).get("cert", "good")


class Farm:
    """Servers are added first and started together; stop() gives their counters."""

    def __init__(self):
        self.directory = Path(tempfile.mkdtemp(prefix="played-"))
        self.certs = self.directory / "certs"
        self.ca_file = self.certs / "ca.pem"
        self.servers = []
        self.process = None
        self.places = {}
        self.lock, self.net = self._reserve()
        self.hosts = 0

    @staticmethod
    def _reserve():
        """A listening socket on x.x.x.255 says that the net is taken, and goes with the process."""
        for third in range(1, 255):
            lock = socket.socket()
            try:
                lock.bind((f"127.70.{third}.255", 10000))
                lock.listen()
                return lock, f"127.70.{third}"
            except OSError as error:
                lock.close()
                if error.errno != errno.EADDRINUSE:
                    raise
        raise RuntimeError("all nets of 127.70.0.0/16 are taken")

    def address(self):
        """The next free address."""
        self.hosts += 1
        assert self.hosts < 255, "one farm has 254 addresses"
        return f"{self.net}.{self.hosts}"

    def add(self, protocol, mode="clear", address=None, port=None, **script):
        """A server, whose script words are written with _ for -."""
        words = tuple((key.replace("_", "-"), value) for key, value in script.items())
        server = Server(protocol, mode, address or self.address(),
                        port or PORTS[protocol, mode], words)
        self.servers.append(server)
        return server

    def start(self):
        description = self.directory / "servers"
        description.write_text("".join(server.line() for server in self.servers))
        self.process = subprocess.Popen(
            [scan.named_file("STARTTLS_AUDIT_PEER"), description, "--certs", self.certs,
             "--stats", self.directory / "stats.json"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        if self.process.stdout.readline() != b"ready\n":
            self.close()
            raise RuntimeError("the played servers do not start")
        return self

    def stop(self):
        """Ends the servers; their counters by (address, port). .places has those by address."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(WATCHDOG)
        self.process.stdout.close()
        self.process = None
        assert code == 0, f"the played servers ended with {code}"
        stats = json.loads((self.directory / "stats.json").read_text())
        self.places = {place["address"]: place for place in stats["addresses"]}
        return {(row["address"], row["port"]): row for row in stats["listeners"]}

    def close(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
        self.lock.close()
        shutil.rmtree(self.directory)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def certificate_file(self, server):
        return self.certs / f"{server.certificate_kind()}-{server.address}.pem"

    def targets(self):
        return [server.target() for server in self.servers]
