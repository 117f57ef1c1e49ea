# SPDX-License-Identifier: MIT
"""Real servers, each in a directory of its own.

A Server writes its configuration below a fresh temporary directory, runs as a foreground child in a
process group of its own, and is ready when all its ports accept. Ports are the standard ones, on an
address of 127.0.0.0/8 that the test chooses, so that the scanner's protocol table applies; that
needs root. Nothing outside the directory is written, and no installed configuration is read.
"""

import atexit
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

SBIN = "/usr/sbin:/sbin:/usr/bin:/bin"
READY_WATCHDOG = 60
STOP_WATCHDOG = 20

CURRENT = ("1.2", "1.3")
LEGACY = ("1.0", "1.1", "1.2", "1.3")
MODERN = ("1.3",)


def unpacked(package):
    """The files of a package that install-servers only unpacked."""
    return Path(os.environ.get("STARTTLS_AUDIT_SERVERS", "/nonexistent")) / package


def rights_missing():
    """Why no server can be run here, or None."""
    return None if os.geteuid() == 0 else "real servers on standard ports need root"


def openssl_name(version):
    """How OpenSSL, and most configuration files, write a TLS version."""
    return "TLSv1" if version == "1.0" else f"TLSv{version}"


class Server:
    """One running server: start() it, read its log(), stop() it."""

    program = None

    def __init__(self, host, ports, certificate=None, versions=CURRENT):
        self.host = host
        self.ports = ports
        self.certificate = certificate
        self.versions = versions
        self.directory = None
        self.process = None

    def missing(self):
        """Why this server cannot be run here, or None."""
        if os.access(self.program, os.X_OK):
            return None
        return f"{self.program} is not there: run tests/system/install-servers"

    def write_configuration(self):
        """Write all files below self.directory and return the command line."""
        raise NotImplementedError

    def environment(self):
        return {"PATH": SBIN, "LANG": "C"}

    def openssl_configuration(self):
        """The TLS versions, for a server on OpenSSL that has no setting for them."""
        return self.file("openssl.cnf", (
            "openssl_conf = all\n[all]\nssl_conf = tls\n[tls]\nsystem_default = default\n"
            "[default]\nCipherString = ALL:@SECLEVEL=0\n"
            f"MinProtocol = {openssl_name(self.versions[0])}\n"
            f"MaxProtocol = {openssl_name(self.versions[-1])}\n"))

    def start(self):
        for port in self.ports:
            if self.accepts(port):
                raise RuntimeError(f"another server answers on {self.host}:{port}")
        atexit.register(self.stop)  # also when a test run is interrupted
        self.directory = Path(tempfile.mkdtemp(prefix=f"{type(self).__name__.lower()}-"))
        self.directory.chmod(0o755)
        try:
            command = self.write_configuration()
            with self.file("output").open("wb") as output:
                self.process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                    cwd=self.directory, env=self.environment(), start_new_session=True)
            self.wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def accepts(self, port):
        try:
            socket.create_connection((self.host, port), timeout=5).close()
            return True
        except OSError:
            return False

    def wait_until_ready(self):
        self.wait_for(lambda: all(self.accepts(port) for port in self.ports))

    def wait_for(self, ready):
        deadline = time.monotonic() + READY_WATCHDOG
        while not ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(
                    f"{type(self).__name__} on {self.host} did not start:\n{self.log()}")
            time.sleep(0.05)

    def stop(self):
        """End the server, then what it left behind of its process group, and its directory."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(STOP_WATCHDOG)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.process = None
        if self.directory is not None:
            shutil.rmtree(self.directory, ignore_errors=True)
            self.directory = None

    def log(self):
        """All that the server has said, for the reader of a failed test."""
        texts = []
        for name in ("output", "log", "tls.log"):
            if self.file(name).exists():
                texts.append(self.file(name).read_text(errors="replace"))
        return "".join(texts)

    def file(self, name, text=None):
        path = self.directory / name
        if text is not None:
            path.write_text(text)
        return path

    def folder(self, name, owner=None):
        path = self.directory / name
        path.mkdir(mode=0o755)
        if owner:
            shutil.chown(path, owner)
        return path


class Dovecot(Server):
    """IMAP on 143 and 993, POP3 on 110 and 995.

    Without `implicit_tls` it greets in clear on 993 and 995. With `auth_socket` it is no mail
    server but the password checker of a Postfix.
    """

    program = "/usr/sbin/dovecot"

    def __init__(self, host, ssl="yes", plaintext=False, implicit_tls=True, auth_socket=None,
                 settings="", **common):
        super().__init__(host, [] if auth_socket else [143, 993, 110, 995], **common)
        self.ssl = ssl
        self.plaintext = plaintext
        self.implicit_tls = implicit_tls
        self.auth_socket = auth_socket
        self.settings = settings

    def write_configuration(self):
        lines = [
            f"base_dir = {self.folder('run')}",
            f"state_dir = {self.folder('state')}",
            f"log_path = {self.directory}/log",
            f"listen = {self.host}",
            "login_trusted_networks =",
            f"disable_plaintext_auth = {'no' if self.plaintext else 'yes'}",
            "auth_mechanisms = plain login" if self.auth_socket else "auth_mechanisms = plain",
            f"mail_location = maildir:{self.directory}/mail/%u",
            "passdb {\n  driver = static\n  args = password=unused\n}",
            "userdb {\n  driver = static\n  args = uid=nobody gid=nogroup\n}",
            self.settings,
        ]
        lines += self.auth_lines() if self.auth_socket else self.mail_lines()
        return [self.program, "-F", "-c", self.file("dovecot.conf", "\n".join(lines) + "\n")]

    def auth_lines(self):
        listener = f"unix_listener {self.auth_socket} {{\n    mode = 0666\n  }}"
        return ["protocols =", "ssl = no", f"service auth {{\n  {listener}\n}}"]

    def mail_lines(self):
        lines = ["protocols = imap pop3", f"ssl = {self.ssl}"]
        implicit = "yes" if self.implicit_tls else "no"
        for protocol, port in (("imap", 993), ("pop3", 995)):
            listener = (f"inet_listener {protocol}s {{\n    port = {port}\n"
                        f"    ssl = {implicit}\n  }}")
            lines.append(f"service {protocol}-login {{\n  {listener}\n}}")
        if self.ssl != "no":
            lines += [
                f"ssl_cert = <{self.certificate.chain_file}",
                f"ssl_key = <{self.certificate.key_file}",
                f"ssl_min_protocol = {openssl_name(self.versions[0])}",
                "ssl_cipher_list = ALL:@SECLEVEL=0",
            ]
        return lines

    def wait_until_ready(self):
        super().wait_until_ready()
        self.wait_for(lambda: not self.auth_socket or self.auth_socket.exists())


class Postfix(Server):
    """SMTP on 25, 465 and 587.

    `tls` is smtpd_tls_security_level, `auth` says where AUTH is offered: None, "tls" or "clear".
    465 is not opened where there is no TLS. Mail is never accepted: there is no queue manager.
    """

    program = "/usr/sbin/postfix"

    def __init__(self, host, tls="may", auth=None, **common):
        super().__init__(host, [25, 587] if tls == "none" else [25, 587, 465], **common)
        self.tls = tls
        self.auth = auth
        self.password_checker = None

    def write_configuration(self):
        settings = {
            "compatibility_level": "3.7",
            "queue_directory": self.folder("queue"),
            "data_directory": self.folder("data", "postfix"),
            "maillog_file": self.directory / "log",
            "maillog_file_prefixes": self.directory,
            "inet_interfaces": "127.0.0.1",  # an interface's own; master.cf says where to listen
            "inet_protocols": "ipv4",
            "myhostname": "mail.test",
            "mydestination": "mail.test",
            "mynetworks": "",
            "alias_maps": "",
            "smtpd_tls_security_level": self.tls,
            **self.tls_settings(),
            **self.auth_settings(),
        }
        self.file("main.cf", "".join(f"{name} = {value}\n" for name, value in settings.items()))
        self.file("master.cf", "".join(f"{self.host}:{port} inet n - n - - smtpd\n"
                                       + ("  -o smtpd_tls_wrappermode=yes\n" if port == 465 else "")
                                       for port in self.ports) + (
            "tlsmgr unix - - n 1000? 1 tlsmgr\n"
            "rewrite unix - - n - - trivial-rewrite\n"
            "proxymap unix - - n - - proxymap\n"
            "anvil unix - - n - 1 anvil\n"
            "postlog unix-dgram n - n - 1 postlogd\n"))
        subprocess.run([self.program, "-c", self.directory, "check"], timeout=READY_WATCHDOG,
                       env=self.environment(), check=True)  # makes the queue's directories
        return ["/usr/lib/postfix/sbin/master", "-c", self.directory, "-d"]

    def tls_settings(self):
        if self.tls == "none":
            return {}
        protocols = ">=" + openssl_name(self.versions[0])
        return {
            "smtpd_tls_chain_files": f"{self.certificate.key_file}, {self.certificate.chain_file}",
            "smtpd_tls_protocols": protocols,
            "smtpd_tls_mandatory_protocols": protocols,
            "tls_medium_cipherlist": "ALL:@SECLEVEL=0",
            "smtpd_tls_loglevel": "1",
        }

    def auth_settings(self):
        if not self.auth:
            return {}
        return {
            "smtpd_sasl_auth_enable": "yes",
            "smtpd_sasl_type": "dovecot",
            "smtpd_sasl_path": self.directory / "auth",
            "smtpd_tls_auth_only": "yes" if self.auth == "tls" else "no",
        }

    def start(self):
        super().start()
        if self.auth:
            checker = Dovecot(self.host, auth_socket=self.directory / "auth")
            try:
                self.password_checker = checker.start()
            except BaseException:
                self.stop()
                raise
        return self

    def stop(self):
        if self.password_checker:
            self.password_checker.stop()
            self.password_checker = None
        super().stop()


class Vsftpd(Server):
    """FTP on one port; 990 is implicit. OpenSSL's configuration decides the TLS versions.

    Debian lets it not be installed beside ProFTPD; it runs where it was unpacked.
    """

    program = unpacked("vsftpd") / "usr/sbin/vsftpd"

    def __init__(self, host, port=21, tls=True, required=False, settings="", **common):
        super().__init__(host, [port], **common)
        self.tls = tls
        self.required = required
        self.settings = settings

    def write_configuration(self):
        port = self.ports[0]
        settings = {
            "listen": "YES",
            "listen_ipv6": "NO",
            "listen_address": self.host,
            "listen_port": port,
            "background": "NO",
            "anonymous_enable": "NO",
            "local_enable": "YES",
            "nopriv_user": "nobody",
            "secure_chroot_dir": self.folder("empty"),
            "xferlog_enable": "NO",
            "vsftpd_log_file": self.directory / "log",
            "log_ftp_protocol": "YES",
            "dual_log_enable": "YES",
            "ssl_enable": "YES" if self.tls else "NO",
        }
        if self.tls:
            settings |= {
                "rsa_cert_file": self.certificate.chain_file,
                "rsa_private_key_file": self.certificate.key_file,
                "ssl_ciphers": "ALL:@SECLEVEL=0",
                "ssl_request_cert": "NO",
                "force_local_logins_ssl": "YES" if self.required else "NO",
                "force_local_data_ssl": "NO",
                "implicit_ssl": "YES" if port == 990 else "NO",
            }
            self.openssl_configuration()
        text = "".join(f"{name}={value}\n" for name, value in settings.items())
        return [self.program, self.file("vsftpd.conf", text + self.settings)]

    def environment(self):
        libraries = [str(path) for path in unpacked("vsftpd").glob("usr/lib/*-linux-gnu")]
        return super().environment() | {"LD_LIBRARY_PATH": ":".join(libraries),
                                        "OPENSSL_CONF": str(self.directory / "openssl.cnf")}


class Proftpd(Server):
    """FTP on 21 and 991, and implicit on 990 unless there is no TLS."""

    program = "/usr/sbin/proftpd"

    def __init__(self, host, tls=True, required=False, tls_settings="", **common):
        super().__init__(host, [21, 991, 990] if tls else [21, 991], **common)
        self.tls = tls
        self.required = required
        self.tls_settings = tls_settings

    def write_configuration(self):
        lines = [
            "ModulePath /usr/lib/proftpd",
            "LoadModule mod_tls.c" if self.tls else "",
            "ServerType standalone",
            "ServerName mail.test",
            f"DefaultAddress {self.host}",
            "SocketBindTight on",
            "UseIPv6 off",
            "UseReverseDNS off",
            "User proftpd",
            "Group nogroup",
            "AuthPAM off",
            "WtmpLog off",
            f"SystemLog {self.directory}/log",
            f"PidFile {self.directory}/pid",
            f"ScoreboardFile {self.directory}/scoreboard",
            f"DelayTable {self.directory}/delay",
            f"ControlsSocket {self.directory}/controls",
            "Port 21",
            *self.tls_lines(implicit=False),
            *self.virtual_host(991, implicit=False),
            *(self.virtual_host(990, implicit=True) if self.tls else []),
        ]
        return [self.program, "-n", "-c", self.file("proftpd.conf", "\n".join(lines) + "\n")]

    def virtual_host(self, port, implicit):
        return [f"<VirtualHost {self.host}>", f"Port {port}", "ServerName mail.test",
                *self.tls_lines(implicit), "</VirtualHost>"]

    def tls_lines(self, implicit):
        if not self.tls:
            return []
        return [
            "TLSEngine on",
            f"TLSLog {self.directory}/tls.log",
            f"TLSRSACertificateFile {self.certificate.chain_file}",
            f"TLSRSACertificateKeyFile {self.certificate.key_file}",
            "TLSProtocol " + " ".join(openssl_name(version) for version in self.versions),
            "TLSCipherSuite ALL:@SECLEVEL=0",
            f"TLSRequired {'on' if self.required else 'off'}",
            "TLSOptions UseImplicitSSL" if implicit else "",
            self.tls_settings,
        ]
