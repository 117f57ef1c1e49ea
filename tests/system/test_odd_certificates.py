# SPDX-License-Identifier: MIT
"""Certificates that no library makes, on implicit ports and behind STARTTLS: what can be read of them is
known, what cannot is not, and no consumer of the records takes that for a no, a zero or a date."""

import hashlib
import json
import unittest

import scan
from case import main
from formats import READERS
from played import Farm
from test_export import export

VERSIONS = ("1.0", "1.1", "1.2", "1.3")


# ---- DER ---------------------------------------------------------------------------------------

def der(tag, *parts):
    body = b"".join(parts)
    size = len(body)
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big") or b"\0"
    return bytes([tag]) + (octets if size < 128 else bytes([128 | len(octets)]) + octets) + body


def number(value):
    return der(2, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def oid(octets):
    return der(6, bytes.fromhex(octets))


def name(text):
    return der(48, der(49, der(48, oid("550403"), der(12, text))))


RSA = der(48, oid("2a864886f70d010101"), der(5))
SIGNATURE = der(48, oid("2a864886f70d01010b"), der(5))


def rsa_key(bits, exponent=65537):
    return der(48, RSA, der(3, b"\0", der(48, number((1 << bits) - 1), number(exponent))))


def dates(begin=b"260101000000Z", end=b"360101000000Z"):
    return der(48, der(23, begin), der(23, end))


def extension(octets, value):
    return der(48, oid(octets), der(4, value))


NAMES = extension("551d11", der(48, der(0x82, b"mail.demo.test")))


def certificate(subject=name(b"Odd"), issuer=name(b"Issuer"), validity=dates(), key=rsa_key(2048),
                extensions=NAMES, algorithm=SIGNATURE):
    inside = der(48, der(0xa0, number(2)), number(4711), algorithm, issuer, validity, subject, key,
                 der(0xa3, der(48, extensions)))
    return der(48, inside, algorithm, der(3, b"\0" + 64 * b"x"))


HUGE = certificate(key=rsa_key(131072))

EXTENSIONS = {"san_dns", "san_ip", "key_usage", "extended_key_usage", "ocsp_url", "issuer_url",
              "must_staple", "timestamps"}
ALL = EXTENSIONS | {"spki_sha256", "serial", "subject_dn", "issuer_dn", "not_before", "not_after",
                    "key_algorithm", "key_bits", "signature_algorithm", "self_signed", "version"}
ODD = {  # and which members of its record are not known
    "no certificate": (b"This is no certificate.", ALL),
    "nothing": (b"", ALL),
    "cut": (certificate()[:-70], ALL),
    "dates": (certificate(validity=dates(b"26010100000xZ", b"990229000000Z")),
              {"not_before", "not_after"}),
    "end": (certificate(validity=dates(end=b"tomorrow")), {"not_after"}),
    "issuer": (certificate(issuer=der(48, b"\x31\x05x")), {"issuer_dn"}),
    "key": (certificate(key=der(48, b"x")), {"spki_sha256", "key_algorithm", "key_bits"}),
    "signature": (certificate(algorithm=der(48, b"\x06\x02x")), {"signature_algorithm"}),
    "names": (certificate(extensions=extension("551d11", b"\x30\x80\0\0")),
              {"san_dns", "san_ip"}),
    "usage": (certificate(extensions=NAMES + extension("551d0f", b"x")), {"key_usage"}),
    "extensions": (certificate(extensions=b"x"), EXTENSIONS),
}


class Odd(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.farm = Farm()
        cls.addClassCleanup(cls.farm.close)
        cls.huge, cls.odd = [], []
        for version in VERSIONS:
            for mode in ("implicit", "clear"):
                cls.huge.append(cls.add(mode, version, "huge", HUGE))
        for kind, (octets, unknown) in ODD.items():
            for mode, version in (("implicit", "1.3"), ("clear", "1.2")):
                server = cls.add(mode, version, kind.replace(" ", "-"), octets)
                cls.odd.append((server, octets, unknown))
        cls.sound = [cls.farm.add("imap", mode) for mode in ("implicit", "clear")]
        cls.farm.start()
        cls.run_ = scan.run("--ca-file", cls.farm.ca_file, *cls.farm.targets())
        cls.saved = b"".join(json.dumps(record).encode() + b"\n" for record in
                             (cls.run_.start, *cls.run_.records, cls.run_.end))

    @classmethod
    def add(cls, mode, version, name, octets):
        file = cls.farm.directory / name
        file.write_bytes(len(octets).to_bytes(3, "big") + octets)
        return cls.farm.add("imap", mode, versions=version, cert="rsa", send_cert=str(file))

    def tls_of(self, server):
        return self.run_.endpoints[server.at()]["tls"]

    def test_a_huge_key_is_a_limit_and_the_certificate_known(self):
        for server in self.huge:
            tls = self.tls_of(server)
            with self.subTest(server=server.line().strip()):
                self.assertEqual(tls["failure"]["cause"], "limit")
                self.assertIs(tls["established"], False)
                self.assertEqual(tls["certificate"]["sha256"], hashlib.sha256(HUGE).hexdigest())
                self.assertEqual(tls["certificate"]["key_bits"], 131072)
                self.assertNotIn("trusted", tls["verify"])
                if server.mode == "implicit":
                    self.assertEqual(self.run_.endpoints[server.at()]["error"]["code"], "limit")

    def test_neighbours_keep_their_facts(self):
        for server in self.sound:
            self.assertIs(self.tls_of(server)["established"], True)
            self.assertIs(self.tls_of(server)["verify"]["trusted"], True)

    def test_what_cannot_be_read_is_unknown_and_all_else_is_there(self):
        for server, octets, unknown in self.odd:
            record = self.run_.endpoints[server.at()]
            with self.subTest(server=server.line().strip()):
                seen = record["tls"]["certificate"]
                self.assertEqual(seen["sha256"], hashlib.sha256(octets).hexdigest())
                self.assertEqual(ALL - seen.keys(), unknown)
                reasons = {entry["path"].rsplit("/", 1)[1]: entry["reason"]
                           for entry in record["unknown"]
                           if entry["path"].startswith("/tls/certificate/")}
                self.assertEqual(reasons, dict.fromkeys(unknown, "unreadable"))

    def test_no_format_makes_a_value_of_it(self):
        for name in READERS:
            output, _ = export("--format", name, stdin=self.saved)
            with self.subTest(format=name):
                READERS[name](output)
                for word in (b"1970-01-01", b"0001-01-01", b"-62135596800"):
                    self.assertNotIn(word, output)


if __name__ == "__main__":
    main()
