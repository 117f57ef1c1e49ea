# SPDX-License-Identifier: MIT
"""Scans of real Exim servers."""

import unittest

from case import REFUSED, Promise, ServerCase, main
from servers import CURRENT, LEGACY, MODERN
from unpacked import Exim

NO_LOGIN = (True, [])
LOGIN = (False, ["LOGIN", "PLAIN"])


def promises(before=NO_LOGIN, after=NO_LOGIN, versions=CURRENT):
    upgrade = Promise(advertised=True, before=before, after=after, versions=versions)
    return {25: upgrade, 587: upgrade, 465: Promise(after=after, versions=versions)}


class AuthOnlyInsideTls(ServerCase, unittest.TestCase):
    host = "127.61.1.1"
    promises = promises(after=LOGIN)

    @classmethod
    def servers(cls, issue):
        return [Exim(cls.host, auth="tls", certificate=issue())]


class AuthInClear(ServerCase, unittest.TestCase):
    host = "127.61.1.2"
    promises = promises(before=LOGIN, after=LOGIN)

    @classmethod
    def servers(cls, issue):
        return [Exim(cls.host, auth="clear", certificate=issue("ec"))]


class NoTls(ServerCase, unittest.TestCase):
    host = "127.61.1.3"
    promises = {25: Promise(REFUSED, False, NO_LOGIN, versions=()),
                587: Promise(REFUSED, False, NO_LOGIN, versions=())}

    @classmethod
    def servers(cls, issue):
        return [Exim(cls.host, tls=False)]


class NoTlsAuthInClear(ServerCase, unittest.TestCase):
    host = "127.61.1.4"
    promises = {25: Promise(REFUSED, False, LOGIN, versions=()),
                587: Promise(REFUSED, False, LOGIN, versions=())}

    @classmethod
    def servers(cls, issue):
        return [Exim(cls.host, tls=False, auth="clear")]


class ModernOnly(ServerCase, unittest.TestCase):
    host = "127.61.1.5"
    promises = promises(versions=MODERN)

    @classmethod
    def servers(cls, issue):
        return [Exim(cls.host, certificate=issue(), versions=MODERN)]


class Legacy(ServerCase, unittest.TestCase):
    host = "127.61.1.6"
    promises = promises(versions=LEGACY)

    @classmethod
    def servers(cls, issue):
        return [Exim(cls.host, certificate=issue(), versions=LEGACY)]


if __name__ == "__main__":
    main()
