# SPDX-License-Identifier: MIT
"""Servers that answer by a table: what the script says to a command, odd as it may be.

A Talker has an address of its own in the net of a Farm. Its table has commands in upper case (whole, or
their first word), or None for all others; an answer is a line or several, in which {tag} stands for the
tag of the command. In the words of an answer, at its end:

    <tls>      then TLS begins; the commands inside it have the table `inside`
    <break>    a record follows that nobody can decrypt
    <wait>     nothing more comes: the connection stays open
    <end>      the connection ends; <reset>: it is cut
    <deaf>     the ClientHello is read, and what follows in the answer is said to it, in cleartext
"""

import os
import re
import socket
import ssl
import struct
import threading

MARKS = re.compile(r"(<tls>|<break>|<wait>|<end>|<reset>|<deaf>)")


class Gone(Exception):
    pass


class Talker:
    def __init__(self, address, port, greeting, table, inside=None, certificate=None, eol="\r\n"):
        self.at = address, port
        self.greeting, self.table, self.eol = greeting, table, eol
        self.inside = table if inside is None else inside
        self.said = []  # what we were told, in all connections
        self.context = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(certificate.chain_file, certificate.key_file)
        self.listener = socket.create_server((address, port), backlog=64)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        client.settimeout(60)
        try:
            Conversation(self, client).run()
        except (Gone, OSError):
            pass

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        except OSError:
            pass
        self.listener.close()


class Conversation:
    def __init__(self, talker, client):
        self.talker, self.client, self.buffer = talker, client, b""
        self.table, self.tag = talker.table, ""  # the tag of the last command that had one

    def run(self):
        try:
            self.answer(self.talker.greeting)
            while True:
                self.hear(self.line())
        finally:
            self.client.close()

    def line(self):
        while b"\n" not in self.buffer:
            more = self.client.recv(4096)
            if not more:
                raise Gone
            self.buffer += more
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.rstrip(b"\r").decode("latin-1")

    def hear(self, line):
        self.talker.said.append(line)
        tag, _, rest = line.partition(" ")
        tagged = re.fullmatch(r"[aX]\d+", tag)
        self.tag = tag if tagged else self.tag
        command = (rest if tagged else line).upper()
        for key in (command, command.split(" ")[0], None):
            if key in self.table:
                self.answer(self.table[key])
                return

    def answer(self, text):
        for part in MARKS.split(text.replace("{tag}", self.tag)):
            if part == "<tls>":
                self.buffer = b""
                self.client = self.talker.context.wrap_socket(self.client, server_side=True)
                self.table = self.talker.inside
            elif part == "<break>":
                os.write(self.client.fileno(), b"\x17\x03\x03\x00\x20" + 32 * b"x")
            elif part == "<deaf>":
                self.client.recv(65536)
            elif part == "<wait>":
                while True:
                    self.line()
            elif part == "<end>":
                raise Gone
            elif part == "<reset>":
                self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                raise Gone
            elif part:
                lines = part.split("\n")
                self.client.sendall("".join(one + self.talker.eol for one in lines).encode("latin-1"))
