# SPDX-License-Identifier: MIT
"""Scans of real Postfix servers."""

import unittest

from case import DEAD, LATER, REFUSED, Promise, ServerCase, main
from servers import CURRENT, LEGACY, MODERN, Postfix

NO_LOGIN = (True, [])
LOGIN = (False, ["LOGIN", "PLAIN"])


def promises(before=NO_LOGIN, after=NO_LOGIN, versions=CURRENT, required=False):
    upgrade = Promise(advertised=True, before=before, after=after, versions=versions,
                      required=required)
    return {25: upgrade, 587: upgrade, 465: Promise(after=after, versions=versions)}


class AuthOnlyInsideTls(ServerCase, unittest.TestCase):
    host = "127.60.2.1"
    promises = promises(after=LOGIN)

    @classmethod
    def servers(cls, issue):
        return [Postfix(cls.host, auth="tls", certificate=issue())]


class AuthInClear(ServerCase, unittest.TestCase):
    host = "127.60.2.2"
    promises = promises(before=LOGIN, after=LOGIN)

    @classmethod
    def servers(cls, issue):
        return [Postfix(cls.host, auth="clear", certificate=issue("ec"))]


class TlsRequired(ServerCase, unittest.TestCase):
    host = "127.60.2.3"
    promises = promises(after=LOGIN, required=True)

    @classmethod
    def servers(cls, issue):
        return [Postfix(cls.host, tls="encrypt", auth="tls", certificate=issue())]


class NoTls(ServerCase, unittest.TestCase):
    host = "127.60.2.4"
    promises = {25: Promise(REFUSED, False, NO_LOGIN, versions=()),
                587: Promise(REFUSED, False, NO_LOGIN, versions=())}

    @classmethod
    def servers(cls, issue):
        return [Postfix(cls.host, tls="none")]


class ModernOnly(ServerCase, unittest.TestCase):
    host = "127.60.2.5"
    promises = promises(versions=MODERN)

    @classmethod
    def servers(cls, issue):
        return [Postfix(cls.host, certificate=issue(), versions=MODERN)]


class Legacy(ServerCase, unittest.TestCase):
    host = "127.60.2.6"
    promises = promises(versions=LEGACY)

    @classmethod
    def servers(cls, issue):
        return [Postfix(cls.host, certificate=issue(), versions=LEGACY)]


class BrokenKey(ServerCase, unittest.TestCase):
    """STARTTLS is advertised and then refused with 454; 465 accepts connections and hangs up."""

    host = "127.60.2.7"
    promises = {25: Promise(LATER, True, NO_LOGIN, versions=()),
                587: Promise(LATER, True, NO_LOGIN, versions=()),
                465: Promise(DEAD, versions=())}

    @classmethod
    def servers(cls, issue):
        certificate = issue()
        certificate.key_file.write_text("no key\n")
        return [Postfix(cls.host, certificate=certificate)]


if __name__ == "__main__":
    main()
