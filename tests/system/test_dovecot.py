# SPDX-License-Identifier: MIT
"""Scans of real Dovecot servers."""

import unittest

import scan
from case import CLEAR, REFUSED, Promise, ServerCase, main
from servers import CURRENT, LEGACY, MODERN, Dovecot

REFUSES = (True, [])
ALLOWS = (False, ["PLAIN"])


def promises(before, versions=CURRENT):
    upgrade = Promise(advertised=True, before=before, after=ALLOWS, versions=versions)
    implicit = Promise(after=ALLOWS, versions=versions)
    return {143: upgrade, 110: upgrade, 993: implicit, 995: implicit}


class PlaintextRefused(ServerCase, unittest.TestCase):
    host = "127.60.1.1"
    promises = promises(REFUSES)

    @classmethod
    def servers(cls, issue):
        return [Dovecot(cls.host, certificate=issue())]

    def test_an_unknown_ca_is_not_trusted(self):
        run = scan.run("--services", "imap", self.host)
        self.assertEqual({address[1] for address in run.endpoints}, {143, 993})
        for self.record in run.endpoints.values():
            self.same(self.record["tls"]["verify"]["trusted"], False, "trusted")
            self.same(self.record["tls"]["verify"]["name_match"], True, "name_match")


class PlaintextAllowed(ServerCase, unittest.TestCase):
    host = "127.60.1.2"
    promises = promises(ALLOWS)

    @classmethod
    def servers(cls, issue):
        return [Dovecot(cls.host, plaintext=True, certificate=issue("ec"))]


class NoTls(ServerCase, unittest.TestCase):
    """Passwords refused, with no safe way to send them; 993 and 995 greet in clear."""

    host = "127.60.1.3"
    promises = {143: Promise(REFUSED, False, REFUSES, versions=()),
                110: Promise(REFUSED, False, REFUSES, versions=()),
                993: Promise(CLEAR, False, REFUSES, versions=()),
                995: Promise(CLEAR, False, REFUSES, versions=())}

    @classmethod
    def servers(cls, issue):
        return [Dovecot(cls.host, ssl="no", implicit_tls=False)]


class NoTlsPlaintextAllowed(ServerCase, unittest.TestCase):
    host = "127.60.1.4"
    promises = {143: Promise(REFUSED, False, ALLOWS, versions=()),
                110: Promise(REFUSED, False, ALLOWS, versions=()),
                993: Promise(CLEAR, False, ALLOWS, versions=()),
                995: Promise(CLEAR, False, ALLOWS, versions=())}

    @classmethod
    def servers(cls, issue):
        return [Dovecot(cls.host, ssl="no", plaintext=True, implicit_tls=False)]


class ModernOnly(ServerCase, unittest.TestCase):
    host = "127.60.1.5"
    promises = promises(REFUSES, MODERN)

    @classmethod
    def servers(cls, issue):
        return [Dovecot(cls.host, ssl="required", certificate=issue(), versions=MODERN)]


class Legacy(ServerCase, unittest.TestCase):
    host = "127.60.1.6"
    promises = promises(REFUSES, LEGACY)

    @classmethod
    def servers(cls, issue):
        return [Dovecot(cls.host, certificate=issue(), versions=LEGACY)]


class ClientCertificateWanted(ServerCase, unittest.TestCase):
    """Dovecot asks for a certificate, but only a login without one would fail."""

    host = "127.60.1.7"
    promises = promises(REFUSES)

    @classmethod
    def servers(cls, issue):
        certificate = issue()
        return [Dovecot(cls.host, certificate=certificate, settings=(
            f"ssl_ca = <{certificate.ca_file}\nssl_verify_client_cert = yes\n"
            "ssl_require_crl = no\nauth_ssl_require_client_cert = yes\n"))]


if __name__ == "__main__":
    main()
