# SPDX-License-Identifier: MIT
"""Scans of real vsftpd servers, one process a port."""

import unittest

from case import REFUSED, USELESS, Promise, ServerCase, main
from servers import CURRENT, LEGACY, MODERN, Vsftpd

SILENT = (None, [])


def promises(versions=CURRENT, login="accepted"):
    upgrade = Promise(advertised=True, before=SILENT, after=SILENT, versions=versions, login=login)
    return {21: upgrade, 991: upgrade, 990: Promise(after=SILENT, versions=versions)}


class VsftpdCase(ServerCase):
    options = {}
    key_type = "rsa"

    @classmethod
    def servers(cls, issue):
        certificate = issue(cls.key_type)
        return [Vsftpd(cls.host, port, certificate=certificate, **cls.options)
                for port in cls.promises]


class TlsRequired(VsftpdCase, unittest.TestCase):
    host = "127.60.3.1"
    promises = promises(login="refused")
    options = {"required": True}


class TlsOptional(VsftpdCase, unittest.TestCase):
    host = "127.60.3.2"
    promises = promises()
    key_type = "ec"


class NoTls(VsftpdCase, unittest.TestCase):
    """vsftpd answers AUTH as it answers anything before a login: 530."""

    host = "127.60.3.3"
    promises = {21: Promise(REFUSED, False, SILENT, versions=(), login="accepted")}
    options = {"tls": False}


class ModernOnly(VsftpdCase, unittest.TestCase):
    host = "127.60.3.4"
    promises = promises(MODERN)
    options = {"versions": MODERN}


class Legacy(VsftpdCase, unittest.TestCase):
    host = "127.60.3.5"
    promises = promises(LEGACY)
    options = {"versions": LEGACY}


class ClientCertificateRequired(ServerCase, unittest.TestCase):
    host = "127.60.3.6"
    promises = {21: Promise(USELESS, True, SILENT, login="accepted"), 990: Promise(USELESS)}

    @classmethod
    def servers(cls, issue):
        certificate = issue()
        settings = (f"ssl_request_cert=YES\nrequire_cert=YES\n"
                    f"ca_certs_file={certificate.ca_file}\n")
        return [Vsftpd(cls.host, port, certificate=certificate, settings=settings)
                for port in cls.promises]


if __name__ == "__main__":
    main()
