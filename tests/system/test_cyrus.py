# SPDX-License-Identifier: MIT
"""Scans of real Cyrus servers."""

import unittest

from case import REFUSED, Promise, ServerCase, main
from servers import CURRENT, LEGACY, MODERN
from unpacked import Cyrus

REFUSES = (True, [])
ALLOWS = (False, ["LOGIN", "PLAIN"])


def promises(before=REFUSES, versions=CURRENT):
    upgrade = Promise(advertised=True, before=before, after=ALLOWS, versions=versions,
                      continues=True)
    implicit = Promise(after=ALLOWS, versions=versions)
    return {143: upgrade, 110: upgrade, 993: implicit, 995: implicit}


class CyrusCase(ServerCase):
    ticking = True


class PlaintextRefused(CyrusCase, unittest.TestCase):
    host = "127.61.4.1"
    promises = promises()

    @classmethod
    def servers(cls, issue):
        return [Cyrus(cls.host, certificate=issue())]


class PlaintextAllowed(CyrusCase, unittest.TestCase):
    host = "127.61.4.2"
    promises = promises(ALLOWS)

    @classmethod
    def servers(cls, issue):
        return [Cyrus(cls.host, plaintext=True, certificate=issue("ec"))]


class NoTls(CyrusCase, unittest.TestCase):
    host = "127.61.4.3"
    promises = {143: Promise(REFUSED, False, REFUSES, versions=()),
                110: Promise(REFUSED, False, REFUSES, versions=())}

    @classmethod
    def servers(cls, issue):
        return [Cyrus(cls.host, tls=False)]


class NoTlsPlaintextAllowed(CyrusCase, unittest.TestCase):
    host = "127.61.4.4"
    promises = {143: Promise(REFUSED, False, ALLOWS, versions=()),
                110: Promise(REFUSED, False, ALLOWS, versions=())}

    @classmethod
    def servers(cls, issue):
        return [Cyrus(cls.host, tls=False, plaintext=True)]


class ModernOnly(CyrusCase, unittest.TestCase):
    host = "127.61.4.5"
    promises = promises(versions=MODERN)

    @classmethod
    def servers(cls, issue):
        return [Cyrus(cls.host, certificate=issue(), versions=MODERN)]


class Legacy(CyrusCase, unittest.TestCase):
    host = "127.61.4.6"
    promises = promises(versions=LEGACY)

    @classmethod
    def servers(cls, issue):
        return [Cyrus(cls.host, certificate=issue(), versions=LEGACY)]


if __name__ == "__main__":
    main()
