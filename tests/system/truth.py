# SPDX-License-Identifier: MIT
"""What a server really says, found out without the scanner.

Conversation is a plain blocking client for the four protocols, observe() the facts of an endpoint
as it sees them, and accepted_versions() asks the openssl program. Capabilities are normalised as
the records have them: keyword in upper case, parameters as sent, sorted.
"""

import re
import socket
import ssl
import subprocess
from contextlib import closing
from dataclasses import dataclass, field

WATCHDOG = 60
PLAINTEXT_MECHANISMS = {"PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"}
UPGRADES = {"imap": "a STARTTLS", "pop3": "STLS", "smtp": "STARTTLS", "ftp": "AUTH TLS"}
QUESTIONS = {"imap": "a CAPABILITY", "pop3": "CAPA", "smtp": "EHLO client.test", "ftp": "FEAT"}
ANNOUNCEMENTS = {"imap": "STARTTLS", "pop3": "STLS", "smtp": "STARTTLS", "ftp": "AUTH TLS"}
ACCEPTANCES = {"imap": "a OK", "pop3": "+OK", "smtp": "220", "ftp": "234"}
# How far a login gets without any credentials, and the reply that asks for them.
LOGINS = {"imap": ["a AUTHENTICATE PLAIN"], "pop3": ["AUTH PLAIN", "USER nobody.invalid"],
          "smtp": ["AUTH PLAIN"], "ftp": ["USER nobody.invalid"]}
INVITATIONS = {"imap": "+ ", "pop3": ("+ ", "+OK"), "smtp": "334 ", "ftp": "331 "}
INJECTIONS = {"imap": "x NOOP", "pop3": "CAPA", "smtp": "NOOP", "ftp": "NOOP"}
FAREWELLS = {"imap": "a LOGOUT", "pop3": "QUIT", "smtp": "QUIT", "ftp": "QUIT"}
GOODBYES = {"imap": b"* BYE", "pop3": b"+OK", "smtp": b"221", "ftp": b"221"}
HANDSHAKE_FAILURE = bytes((21, 3, 1, 0, 2, 2, 40))  # an alert of TLS
VERSION_OPTIONS = {"1.0": "-tls1", "1.1": "-tls1_1", "1.2": "-tls1_2", "1.3": "-tls1_3"}


class Conversation:
    """One connection; replies are lists of lines without their ends."""

    def __init__(self, host, port, protocol, implicit):
        self.protocol = protocol
        self.socket = socket.create_connection((host, port), timeout=WATCHDOG)
        self.stream = self.socket.makefile("rb")
        try:
            if implicit:
                self.secure()
            self.greeting = self.reply()
        except BaseException:
            self.close()
            raise

    def secure(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.set_ciphers("ALL:@SECLEVEL=0")
        self.stream.close()
        self.socket = context.wrap_socket(self.socket)
        self.stream = self.socket.makefile("rb")
        return self

    def line(self):
        return self.stream.readline().decode().rstrip("\r\n")

    def ask(self, command):
        self.socket.sendall(command.encode() + b"\r\n")
        return self.reply(command)

    def reply(self, command=None):
        """The lines of a reply; without a command, of the greeting."""
        lines = [self.line()]
        while not self.is_last(lines, command):
            lines.append(self.line())
        return lines

    def is_last(self, lines, command):
        last = lines[-1]
        if not last:
            raise EOFError(f"{command}: {lines}")
        if self.protocol == "imap":
            return command is None or last.startswith(("a ", "+ "))
        if self.protocol == "pop3":
            return command != "CAPA" or lines[0].startswith("-ERR") or last == "."
        return last.startswith(lines[0][:3] + " ")

    def capabilities(self):
        """The capability list as a record has it."""
        lines = self.ask(QUESTIONS[self.protocol])
        if self.protocol == "imap":
            words = [line.split()[2:] for line in lines if line.startswith("* CAPABILITY ")]
            return sorted(normal(word) for line in words for word in line)
        if self.protocol == "smtp":
            return sorted(normal(line[4:]) for line in lines[1:])
        return sorted(normal(line.strip()) for line in lines[1:-1])

    def close(self):
        self.stream.close()
        self.socket.close()


def normal(capability):
    """With its keyword in upper case, and its parameters as they came."""
    keyword = re.match("[^ =]*", capability).group()
    return keyword.upper() + capability[len(keyword):]


def mechanisms(protocol, capabilities):
    if protocol == "imap":
        return sorted(word[5:] for word in capabilities if word.startswith("AUTH="))
    keyword = {"pop3": "SASL", "smtp": "AUTH", "ftp": None}[protocol]
    return sorted(word for line in capabilities if line.split()[0] == keyword
                  for word in line.split()[1:])


def login_disabled(protocol, capabilities):
    """Whether the server says that a password login is not allowed now; None: it cannot say so."""
    if protocol == "ftp":
        return None
    if protocol == "imap":
        return "LOGINDISABLED" in capabilities
    return "USER" not in capabilities and not PLAINTEXT_MECHANISMS & set(
        mechanisms(protocol, capabilities))


@dataclass
class Facts:
    """An endpoint as an independent client saw it; None where there was nothing to see."""

    banner: str = None
    advertised: bool = None
    accepted: bool = None
    reply: str = None
    usable: bool = False
    before_tls: list = None
    after_tls: list = None
    versions: list = field(default_factory=list)
    login: str = None  # without TLS: "accepted" or "refused"
    required: bool = None  # SMTP: RSET is refused before TLS
    again: bool = None  # the upgrade is accepted once more inside TLS
    protected: bool = None  # FTP: PROT P is accepted inside TLS
    injection: str = None  # "vulnerable" or "not_vulnerable"
    continues: bool = None  # commands are answered in clear after a handshake that failed


def observe(host, port, protocol, implicit):
    """Greeting, capabilities, upgrade, capabilities again, TLS versions, login, injection.

    Only what happens once TLS has begun may fail: then `usable` stays False.
    """
    facts = Facts()
    if implicit:
        observe_inside(facts, lambda: Conversation(host, port, protocol, implicit=True))
    else:
        with closing(Conversation(host, port, protocol, implicit=False)) as talk:
            facts.banner = "\n".join(talk.greeting)
            facts.before_tls = talk.capabilities()
            facts.advertised = ANNOUNCEMENTS[protocol] in facts.before_tls
            facts.reply = talk.ask(UPGRADES[protocol])[-1]
            facts.accepted = facts.reply.startswith(ACCEPTANCES[protocol])
            if facts.accepted:
                observe_inside(facts, talk.secure)
        facts.login = verdict_on_login(host, port, protocol)
        if protocol == "smtp":
            facts.required = requires_tls(host, port)
    if implicit or facts.accepted:
        facts.versions = accepted_versions(host, port, protocol, implicit)
    if facts.accepted and facts.usable:
        facts.injection = verdict_on_injection(host, port, protocol)
        facts.continues = continues_in_clear(host, port, protocol)
    return facts


def observe_inside(facts, secured):
    """The facts inside TLS; secured() makes the conversation that is."""
    try:
        with closing(secured()) as talk:
            facts.banner = facts.banner or "\n".join(talk.greeting)
            facts.after_tls = talk.capabilities()
            facts.usable = True
            if talk.protocol == "ftp":
                talk.ask("PBSZ 0")
                facts.protected = talk.ask("PROT P")[-1].startswith("200 ")
            facts.again = talk.ask(UPGRADES[talk.protocol])[-1].startswith(
                ACCEPTANCES[talk.protocol])
    except (ssl.SSLError, EOFError, ConnectionError):
        pass


def verdict_on_login(host, port, protocol):
    """Is there a way to log in without TLS on which the password is asked for?"""
    for command in LOGINS[protocol]:
        with closing(Conversation(host, port, protocol, implicit=False)) as talk:
            if protocol == "smtp":
                talk.ask(QUESTIONS[protocol])
            if talk.ask(command)[-1].startswith(INVITATIONS[protocol]):
                return "accepted"
    return "refused"


def verdict_on_injection(host, port, protocol):
    """Is a command that was sent in clear, behind the upgrade command, answered inside TLS?"""
    with closing(Conversation(host, port, protocol, implicit=False)) as talk:
        if protocol == "smtp":
            talk.ask(QUESTIONS[protocol])
        reply = talk.ask(f"{UPGRADES[protocol]}\r\n{INJECTIONS[protocol]}")[-1]
        if not reply.startswith(ACCEPTANCES[protocol]):
            return "not_vulnerable"
        try:
            talk.secure()
            talk.socket.sendall(FAREWELLS[protocol].encode() + b"\r\n")
            lines = talk.stream.read().decode().splitlines()
        except (ssl.SSLError, ConnectionError):
            return "not_vulnerable"
    return "vulnerable" if len(lines) > len(goodbye(protocol, lines)) else "not_vulnerable"


def requires_tls(host, port):
    with closing(Conversation(host, port, "smtp", implicit=False)) as talk:
        talk.ask(QUESTIONS["smtp"])
        return talk.ask("RSET")[-1].startswith("530 ")


def continues_in_clear(host, port, protocol):
    """Is a farewell answered after the server was told, by an alert, that TLS comes to nothing?"""
    with closing(Conversation(host, port, protocol, implicit=False)) as talk:
        if protocol == "smtp":
            talk.ask(QUESTIONS[protocol])
        talk.ask(UPGRADES[protocol])
        try:
            talk.socket.sendall(HANDSHAKE_FAILURE + b"\r\n" + FAREWELLS[protocol].encode() + b"\r\n")
            lines = talk.stream.read().split(b"\r\n")
        except ConnectionError:
            return False
    return any(line.startswith(GOODBYES[protocol]) for line in lines)


def goodbye(protocol, lines):
    """Of these lines the answer to our farewell."""
    if protocol == "imap":
        return [line for line in lines if line.startswith(("* BYE", "a OK"))]
    return lines[-1:] if protocol == "pop3" else [line for line in lines if line.startswith("221")]


def accepted_versions(host, port, protocol, implicit):
    """The TLS versions in which the openssl program is shown a certificate."""
    upgrade = [] if implicit else ["-starttls", protocol]
    accepted = []
    for version, option in VERSION_OPTIONS.items():
        seen = subprocess.run(
            ["/usr/bin/openssl", "s_client", "-connect", f"{host}:{port}", *upgrade, option,
             "-cipher", "ALL:@SECLEVEL=0", "-msg"],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=WATCHDOG)
        if re.search(rb"^<<< .*Handshake .*, Certificate$", seen.stdout, re.MULTILINE):
            accepted.append(version)
    return accepted
