# SPDX-License-Identifier: MIT
"""Scans of real Pure-FTPd servers, one process a port. They have no implicit TLS."""

import unittest

from case import REFUSED, Promise, ServerCase, main
from servers import CURRENT, MODERN
from unpacked import Pureftpd

SILENT = (None, [])


def promises(login, versions=CURRENT):
    upgrade = Promise(advertised=True, before=SILENT, after=SILENT, versions=versions, login=login)
    return {21: upgrade, 991: upgrade}


class PureftpdCase(ServerCase):
    ticking = True
    tls = "optional"
    key_type = "rsa"
    versions = CURRENT

    @classmethod
    def servers(cls, issue):
        certificate = issue(cls.key_type) if cls.tls != "none" else None
        return [Pureftpd(cls.host, port, tls=cls.tls, certificate=certificate,
                         versions=cls.versions) for port in cls.promises]


class TlsOptional(PureftpdCase, unittest.TestCase):
    host = "127.61.3.1"
    promises = promises("accepted")


class TlsRequired(PureftpdCase, unittest.TestCase):
    host = "127.61.3.2"
    promises = promises("refused")
    tls = "required"
    key_type = "ec"


class NoTls(PureftpdCase, unittest.TestCase):
    """AUTH TLS is still among the features, and then refused."""

    host = "127.61.3.3"
    promises = {port: Promise(REFUSED, True, SILENT, versions=(), login="accepted")
                for port in (21, 991)}
    tls = "none"


class ModernOnly(PureftpdCase, unittest.TestCase):
    host = "127.61.3.4"
    promises = promises("accepted", MODERN)
    versions = MODERN


if __name__ == "__main__":
    main()
