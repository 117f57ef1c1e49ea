# SPDX-License-Identifier: MIT
"""A test CA and the certificates of the real servers, made and read by the openssl program.

Nothing here knows how the scanner reads a certificate: facts() is the other opinion.
"""

import hashlib
import re
import shutil
import ssl
import subprocess
import tempfile
from datetime import datetime, timezone
from functools import cache
from pathlib import Path

KEY_OPTIONS = {
    "rsa": ["-newkey", "rsa:2048"],
    "ec": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
}
ORGANISATION = "/O=starttls-audit tests"


def openssl(*arguments, data=None):
    done = subprocess.run(["/usr/bin/openssl", *map(str, arguments)], input=data,
                          capture_output=True, timeout=60)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {arguments}: {done.stderr.decode()}")
    return done.stdout


class Certificate:
    """The files of one leaf, and what openssl reads in it."""

    def __init__(self, directory, key_type, ca_file):
        self.key_type = key_type
        self.ca_file = ca_file
        self.key_file = directory / "key.pem"
        self.leaf_file = directory / "leaf.pem"
        self.chain_file = directory / "chain.pem"

    @cache
    def facts(self):
        """The members of a record's tls.certificate, each as openssl tells it."""
        der = ssl.PEM_cert_to_DER_cert(self.leaf_file.read_text())
        public_key = openssl("x509", "-in", self.leaf_file, "-noout", "-pubkey")
        return {
            "sha256": hashlib.sha256(der).hexdigest(),
            "spki_sha256": hashlib.sha256(
                openssl("pkey", "-pubin", "-outform", "DER", data=public_key)).hexdigest(),
            "serial": int(self.field("-serial"), 16),
            "subject_dn": self.field("-subject"),
            "issuer_dn": self.field("-issuer"),
            "not_before": self.date("-startdate"),
            "not_after": self.date("-enddate"),
            "key_bits": int(re.search(rb"\((\d+) bit\)", openssl(
                "pkey", "-pubin", "-noout", "-text", data=public_key)).group(1)),
        }

    def field(self, option):
        line = openssl("x509", "-in", self.leaf_file, "-noout", "-nameopt", "RFC2253", option)
        return line.decode().split("=", 1)[1].strip()

    def date(self, option):
        text = self.field(option)
        return datetime.strptime(text, "%b %d %H:%M:%S %Y GMT").replace(tzinfo=timezone.utc)


class Authority:
    """A CA that lives as long as its temporary directory."""

    def __init__(self):
        self.directory = Path(tempfile.mkdtemp(prefix="authority-"))
        self.directory.chmod(0o755)
        self.key_file = self.directory / "ca-key.pem"
        self.file = self.directory / "ca.pem"
        openssl("req", "-x509", *KEY_OPTIONS["rsa"], "-noenc", "-days", 30,
                "-keyout", self.key_file, "-out", self.file, "-subj", f"{ORGANISATION}/CN=Test CA",
                "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def issue(self, host, key_type="rsa"):
        """A leaf for mail.test and the address `host`."""
        directory = Path(tempfile.mkdtemp(prefix=f"{host}-", dir=self.directory))
        directory.chmod(0o755)
        leaf = Certificate(directory, key_type, self.file)
        request = openssl("req", "-new", *KEY_OPTIONS[key_type], "-noenc", "-keyout", leaf.key_file,
                          "-subj", f"{ORGANISATION}/CN=mail.test")
        extensions = directory / "extensions"
        extensions.write_text(f"subjectAltName=DNS:mail.test,IP:{host}\n"
                              "basicConstraints=critical,CA:FALSE\n"
                              "keyUsage=critical,digitalSignature,keyEncipherment\n"
                              "extendedKeyUsage=serverAuth\n")
        openssl("x509", "-req", "-days", 20, "-CA", self.file, "-CAkey", self.key_file,
                "-extfile", extensions, "-out", leaf.leaf_file, data=request)
        leaf.chain_file.write_text(leaf.leaf_file.read_text() + self.file.read_text())
        return leaf

    def close(self):
        shutil.rmtree(self.directory)
