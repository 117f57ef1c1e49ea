# SPDX-License-Identifier: MIT
"""Scans of real ProFTPD servers."""

import unittest

from case import REFUSED, USELESS, Promise, ServerCase, main
from servers import CURRENT, LEGACY, MODERN, Proftpd

SILENT = (None, [])


def promises(versions=CURRENT, login="accepted"):
    upgrade = Promise(advertised=True, before=SILENT, after=SILENT, versions=versions, login=login)
    return {21: upgrade, 991: upgrade, 990: Promise(after=SILENT, versions=versions)}


class TlsRequired(ServerCase, unittest.TestCase):
    host = "127.60.4.1"
    promises = promises(login="refused")

    @classmethod
    def servers(cls, issue):
        return [Proftpd(cls.host, required=True, certificate=issue())]


class TlsOptional(ServerCase, unittest.TestCase):
    host = "127.60.4.2"
    promises = promises()

    @classmethod
    def servers(cls, issue):
        return [Proftpd(cls.host, certificate=issue())]


class NoTls(ServerCase, unittest.TestCase):
    host = "127.60.4.3"
    promises = {port: Promise(REFUSED, False, SILENT, versions=(), login="accepted")
                for port in (21, 991)}

    @classmethod
    def servers(cls, issue):
        return [Proftpd(cls.host, tls=False)]


class ModernOnly(ServerCase, unittest.TestCase):
    host = "127.60.4.4"
    promises = promises(MODERN)

    @classmethod
    def servers(cls, issue):
        return [Proftpd(cls.host, certificate=issue("ec"), versions=MODERN)]


class Legacy(ServerCase, unittest.TestCase):
    host = "127.60.4.5"
    promises = promises(LEGACY)

    @classmethod
    def servers(cls, issue):
        return [Proftpd(cls.host, certificate=issue(), versions=LEGACY)]


class ClientCertificateRequired(ServerCase, unittest.TestCase):
    """The handshake of TLS 1.3 looks finished to a client before the server's alert arrives."""

    host = "127.60.4.6"
    promises = {21: Promise(USELESS, True, SILENT, login="accepted"),
                991: Promise(USELESS, True, SILENT, login="accepted"), 990: Promise(USELESS)}

    @classmethod
    def servers(cls, issue):
        certificate = issue()
        settings = f"TLSVerifyClient on\nTLSCACertificateFile {certificate.ca_file}"
        return [Proftpd(cls.host, certificate=certificate, tls_settings=settings)]


if __name__ == "__main__":
    main()
