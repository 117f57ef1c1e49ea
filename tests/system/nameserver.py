# SPDX-License-Identifier: MIT
"""A name server of a few records, for the tests, on an address and port of its own. What does not
fit into a datagram is answered over TCP."""

import ipaddress
import socket
import struct
import threading

A, AAAA = 1, 28
DATAGRAM, TRUNCATED = 512, 0x0200
NXDOMAIN, SERVFAIL = 3, 2
SILENT = "silent"


class NameServer:
    """names: {name: [addresses]}, where a name that is missing does not exist, and an error code or
    SILENT instead of the list is what happens to every question; {A: …, AAAA: …} tells the two
    apart. Counts the questions."""

    def __init__(self, address, names):
        self.names = names
        self.questions = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 0))
        self.at = "{}:{}".format(*self.socket.getsockname())
        self.listener = socket.create_server(self.socket.getsockname())
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        threading.Thread(target=self.serve_streams, daemon=True).start()

    def close(self):
        self.socket.sendto(b"", self.socket.getsockname())  # an empty datagram ends the thread
        self.thread.join()
        self.socket.close()
        self.listener.shutdown(socket.SHUT_RDWR)  # and so does this
        self.listener.close()

    def serve(self):
        while True:
            query, client = self.socket.recvfrom(4096)
            if not query:
                return
            reply = self.answer(query)
            if reply and len(reply) > DATAGRAM:
                end = self.question(query)[2]
                reply = query[:2] + struct.pack(">HHHHH", 0x8180 | TRUNCATED, 1, 0, 0, 0) + query[12:end]
            if reply:
                self.socket.sendto(reply, client)

    def serve_streams(self):
        """A question each."""
        while True:
            try:
                stream, _ = self.listener.accept()
            except OSError:
                return
            with stream, stream.makefile("rb") as file:
                size = struct.unpack(">H", file.read(2))[0]
                reply = self.answer(file.read(size))
                stream.sendall(struct.pack(">H", len(reply)) + reply)

    def answer(self, query):
        name, kind, end = self.question(query)
        self.questions.append((name, kind))
        known = self.names.get(name, NXDOMAIN)
        if isinstance(known, dict):
            known = known.get(kind, [])
        if known == SILENT:
            return None
        code, addresses = (0, known) if isinstance(known, list) else (known, [])
        wanted = [ipaddress.ip_address(text).packed for text in addresses]
        wanted = [packed for packed in wanted if len(packed) == {A: 4, AAAA: 16}.get(kind)]
        head = query[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, len(wanted), 0, 0)
        records = b"".join(struct.pack(">HHHIH", 0xc00c, kind, 1, 60, len(packed)) + packed
                           for packed in wanted)
        return head + query[12:end] + records

    @staticmethod
    def question(query):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        return ".".join(labels).lower(), struct.unpack(">H", query[at + 1:at + 3])[0], at + 5
