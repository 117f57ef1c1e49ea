# SPDX-License-Identifier: MIT
"""Scans of real OpenSMTPD servers."""

import unittest

from case import REFUSED, USELESS, Promise, ServerCase, main
from servers import CURRENT, LEGACY, MODERN
from unpacked import Opensmtpd

NO_LOGIN = (True, [])
LOGIN = (False, ["LOGIN", "PLAIN"])


def promises(after=NO_LOGIN, versions=CURRENT):
    upgrade = Promise(advertised=True, before=NO_LOGIN, after=after, versions=versions)
    return {25: upgrade, 587: upgrade, 465: Promise(after=after, versions=versions)}


class AuthInsideTls(ServerCase, unittest.TestCase):
    host = "127.61.2.1"
    promises = promises(after=LOGIN)

    @classmethod
    def servers(cls, issue):
        return [Opensmtpd(cls.host, auth=True, certificate=issue())]


class TlsRequired(ServerCase, unittest.TestCase):
    """Mail is refused before TLS, but nothing else."""

    host = "127.61.2.2"
    promises = promises(after=LOGIN)

    @classmethod
    def servers(cls, issue):
        return [Opensmtpd(cls.host, required=True, auth=True, certificate=issue("ec"))]


class NoTls(ServerCase, unittest.TestCase):
    host = "127.61.2.3"
    promises = {25: Promise(REFUSED, False, NO_LOGIN, versions=()),
                587: Promise(REFUSED, False, NO_LOGIN, versions=())}

    @classmethod
    def servers(cls, issue):
        return [Opensmtpd(cls.host, tls=False)]


class ModernOnly(ServerCase, unittest.TestCase):
    host = "127.61.2.4"
    promises = promises(versions=MODERN)

    @classmethod
    def servers(cls, issue):
        return [Opensmtpd(cls.host, certificate=issue(), versions=MODERN)]


class HandshakeDies(ServerCase, unittest.TestCase):
    """OpenSMTPD 6.8 on OpenSSL 3 shows its certificate in all versions, and then finds no key."""

    host = "127.61.2.5"
    upgrade = Promise(USELESS, True, NO_LOGIN, versions=LEGACY,
                      defects=("STARTTLS-ADVERTISED-BUT-FAILS",))
    promises = {25: upgrade, 587: upgrade, 465: Promise(USELESS, versions=LEGACY)}

    @classmethod
    def servers(cls, issue):
        return [Opensmtpd(cls.host, package="opensmtpd", auth=True, certificate=issue(),
                          versions=LEGACY)]


if __name__ == "__main__":
    main()
