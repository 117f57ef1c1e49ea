# SPDX-License-Identifier: MIT
"""The scanner is stopped for a while, again and again, and servers that wait for nobody hang up on
it: it asks again, and its records are those of a run that nothing disturbed."""

import os
import signal
import socket
import subprocess
import threading
import time
import unittest

import facts
import scan
from case import main
from played import Farm

PATIENCE = 1.0  # of a server that waits for a client to say something
STOPPED = 3.0   # longer than that, and than what counts as a stall
STOPS = 3
PROTOCOLS = ("imap", "pop3", "smtp", "ftp")


class Impatient:
    """In front of a played server: hangs up on a client that says nothing for so long."""

    def __init__(self, address, server):
        self.open = 0
        self.hung_up = 0
        self.server = server
        self.listener = socket.create_server((address, server.port), backlog=64)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        self.open += 1
        with client, socket.create_connection(self.server.at()) as server:
            answers = threading.Thread(target=self.copy, args=(server, client), daemon=True)
            answers.start()
            client.settimeout(PATIENCE)
            try:
                while octets := client.recv(65536):
                    server.sendall(octets)
                server.shutdown(socket.SHUT_WR)
                answers.join()
            except TimeoutError:
                self.hung_up += 1
                client.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.open -= 1

    @staticmethod
    def copy(server, client):
        try:
            while octets := server.recv(65536):
                client.sendall(octets)
            client.shutdown(socket.SHUT_WR)
        except OSError:
            pass


class Stalls(unittest.TestCase):
    def setUp(self):
        self.farm = Farm()
        self.addCleanup(self.farm.close)
        self.fronts = []
        self.targets = []
        for protocol in PROTOCOLS:
            for mode in ("clear", "implicit"):
                server = self.farm.add(protocol, mode, greeting_delay="150")
                self.fronts.append((self.farm.address(), server))
        self.farm.start()
        self.impatient = []
        for address, server in self.fronts:
            front = Impatient(address, server)
            self.addCleanup(front.listener.close)
            self.impatient.append(front)
            self.targets.append(server.target().replace(server.address, address))

    def run_of(self, disturb):
        line = scan.command("--json", "--workers", "1", "--ca-file", self.farm.ca_file,
                            *self.targets)
        process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        disturb(process)
        out, errors = process.communicate(timeout=scan.WATCHDOG)
        run = scan.parsed(out, errors, process.returncode, 0, line)
        return {at: facts.of(record) for at, record in run.endpoints.items()}

    def stop_and_go(self, process):
        """Always when a server waits for it."""
        for _ in range(STOPS):
            while process.poll() is None and not any(front.open for front in self.impatient):
                time.sleep(0.002)
            process.send_signal(signal.SIGSTOP)
            time.sleep(STOPPED)
            process.send_signal(signal.SIGCONT)
            time.sleep(0.05)

    def test_stopped(self):
        undisturbed = self.run_of(lambda process: None)
        self.assertEqual(sum(front.hung_up for front in self.impatient), 0)
        stopped = self.run_of(self.stop_and_go)
        self.assertGreater(sum(front.hung_up for front in self.impatient), 0)
        for at, seen in undisturbed.items():
            with self.subTest(at=at):
                self.assertEqual([], facts.difference(stopped[at], seen))


if __name__ == "__main__":
    main()
