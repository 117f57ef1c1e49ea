# SPDX-License-Identifier: MIT
"""Scans of real Courier servers, one process a port.

Before release 1.1.5 its POP3 server carries out in TLS what was sent behind STLS (CVE-2021-38084):
the one real server here that does.
"""

import unittest

from case import REFUSED, Promise, ServerCase, main
from servers import CURRENT, LEGACY, MODERN
from unpacked import Courier

PLAIN = (False, ["PLAIN"])
BOTH = (False, ["LOGIN", "PLAIN"])
UNNAMED = (False, [])  # a login is possible, but no mechanism is listed
NO_LOGIN = (True, [])


def promises(imap=UNNAMED, pop3=UNNAMED, smtp=NO_LOGIN, versions=CURRENT,
             ports=tuple(Courier.services), **login):
    def upgrade(before, after, **more):
        return Promise(advertised=True, before=before, after=after, versions=versions,
                       **login, **more)

    every = {
        143: upgrade(imap, PLAIN, continues=True), 993: Promise(after=PLAIN, versions=versions),
        110: upgrade(pop3, BOTH, injection="vulnerable", continues=True),
        995: Promise(after=BOTH, versions=versions),
        25: upgrade(smtp, BOTH), 587: upgrade(smtp, BOTH),
        465: Promise(after=BOTH, versions=versions),
    }
    return {port: every[port] for port in ports}


class CourierCase(ServerCase):
    """IMAP lets whoever gives up a login wait for five seconds: it is not tried once more."""

    exhaustive = ("--exhaustive", "--facts", "capabilities,versions,handshake,injection")
    options = {}
    key_type = "rsa"

    @classmethod
    def servers(cls, issue):
        certificate = issue(cls.key_type) if cls.options.get("tls", True) else None
        return [Courier(cls.host, port, certificate=certificate, **cls.options)
                for port in cls.promises]


class AsInstalled(CourierCase, unittest.TestCase):
    """No mechanism is listed before TLS, but IMAP and POP3 take a login all the same."""

    host = "127.61.5.1"
    promises = promises()


class AuthInClear(CourierCase, unittest.TestCase):
    host = "127.61.5.2"
    promises = promises(PLAIN, BOTH, BOTH, ports=(110, 995, 25, 587, 465))
    options = {"auth": "clear"}
    key_type = "ec"


class TlsRequired(CourierCase, unittest.TestCase):
    """POP3 lists USER all the same."""

    host = "127.61.5.3"
    promises = promises(imap=NO_LOGIN, login="refused")
    options = {"required": True}


class TlsRequiredAuthListed(CourierCase, unittest.TestCase):
    host = "127.61.5.4"
    promises = promises((True, ["PLAIN"]), BOTH, BOTH, login="refused", ports=(143, 110, 25))
    options = {"required": True, "auth": "clear"}


class NoTls(CourierCase, unittest.TestCase):
    host = "127.61.5.5"
    promises = {110: Promise(REFUSED, False, BOTH, versions=()),
                25: Promise(REFUSED, False, BOTH, versions=())}
    options = {"tls": False, "auth": "clear"}


class ModernOnly(CourierCase, unittest.TestCase):
    host = "127.61.5.6"
    promises = promises(imap=NO_LOGIN, versions=MODERN, login="refused", ports=(143, 995, 25))
    options = {"versions": MODERN, "required": True}


class Legacy(CourierCase, unittest.TestCase):
    host = "127.61.5.7"
    promises = promises(imap=NO_LOGIN, versions=LEGACY, login="refused", ports=(993, 110, 465))
    options = {"versions": LEGACY, "required": True}


if __name__ == "__main__":
    main()
