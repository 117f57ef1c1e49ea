# SPDX-License-Identifier: MIT
"""Real servers whose packages are only unpacked, since they may not be installed side by side.

STARTTLS_AUDIT_SERVERS names the directory that install-servers filled. Each server runs in a mount
namespace of its own, its house: there /usr also has its package's files, as if it were installed,
and /etc, /run, /var/lib and /var/spool are below the server's own directory. Nobody else sees that.
"""

import os
import subprocess
from functools import cache

import mounts
from servers import Server, unpacked

SERVICE_USER = 65000  # the first account of a service in its house, and its group
HOUSE = """
for place in etc run var/lib var/spool; do
    mount --bind "$1/$place" "/$place" || exit
done
mount -t overlay house -o "lowerdir=$2/usr:/usr" /usr || exit
shift 2
exec "$@"
"""


@cache
def house_missing(package):
    """Why there can be no house for this package here, or None."""
    if reason := mounts.missing():
        return reason
    mount = ["mount", "-t", "overlay", "house", "-o", f"lowerdir={unpacked(package)}/usr:/usr",
             "/usr"]
    done = subprocess.run(["unshare", "--mount", *mount], capture_output=True, text=True)
    return f"no overlay on /usr: {done.stderr.strip()}" if done.returncode else None


def gnutls_versions(versions):
    """A priority string with these TLS versions, and all that GnuTLS normally has."""
    return "NORMAL:-VERS-ALL" + "".join(f":+VERS-TLS{version}" for version in versions)


class Unpacked(Server):
    """A server whose command() runs in its house; `users` are the accounts that it needs there."""

    package = None
    users = ()

    def command(self):
        """Write all files below self.directory; the command line inside the house."""
        raise NotImplementedError

    def missing(self):
        if not os.access(f"{unpacked(self.package)}{self.program}", os.X_OK):
            return f"{self.package} is not there: run tests/system/install-servers"
        return house_missing(self.package)

    def write_configuration(self):
        for name in ("etc", "etc/ssl", "etc/ssl/certs", "run", "var", "var/lib", "var/spool"):
            self.folder(name)
        numbers = {"root": 0, "nobody": 65534} | {
            user: SERVICE_USER + place for place, user in enumerate(self.users)}
        self.file("etc/passwd", "".join(f"{user}:x:{number}:{number}::/:/bin/false\n"
                                        for user, number in numbers.items()))
        self.file("etc/group", "".join(f"{user}:x:{number}:\n"
                                       for user, number in numbers.items()))
        self.file("etc/hosts", "127.0.0.1 localhost\n")
        self.file("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n")
        if self.certificate:
            self.file("etc/ssl/certs/ca-certificates.crt", self.certificate.ca_file.read_text())
        return ["unshare", "--mount", "sh", "-c", HOUSE, "house", self.directory,
                unpacked(self.package), *self.command()]

    def environment(self):
        return super().environment() | {"OPENSSL_CONF": str(self.directory / "openssl.cnf")}

    def owned(self, path):
        """The path, given to the service's first account."""
        os.chown(path, SERVICE_USER, SERVICE_USER)
        return path

    def key_file(self):
        """The private key, for the service's first account only."""
        key = self.owned(self.file("key.pem", self.certificate.key_file.read_text()))
        key.chmod(0o600)
        return key

    def key_and_chain_file(self):
        return self.file("both.pem", (self.certificate.key_file.read_text()
                                      + self.certificate.chain_file.read_text()))


class Exim(Unpacked):
    """SMTP on 25, 587 and, where there is TLS, 465; `auth` says where AUTH is offered: None, "tls"
    or "clear". It is linked with GnuTLS."""

    package = "exim"
    program = "/usr/sbin/exim4"
    users = ("Debian-exim",)

    def __init__(self, host, tls=True, auth=None, **common):
        super().__init__(host, [25, 587, 465] if tls else [25, 587], **common)
        self.tls = tls
        self.auth = auth

    def command(self):
        self.owned(self.folder("var/spool/exim"))
        self.owned(self.directory)
        lines = [
            "primary_hostname = mail.test",
            "spool_directory = /var/spool/exim",
            f"log_file_path = {self.directory}/%slog",
            "pid_file_path = /run/exim.pid",
            f"local_interfaces = {self.host}",
            "daemon_smtp_ports = " + " : ".join(map(str, self.ports)),
            "tls_on_connect_ports = 465",
            f"tls_advertise_hosts = {'*' if self.tls else ''}",
            "smtp_accept_max = 0",  # a refused handshake lives on for half a second
            "smtp_banner = $smtp_active_hostname ESMTP Exim $version_number",  # without the time
            "host_lookup =",
            "rfc1413_hosts =",
            *self.tls_lines(),
            "begin authenticators",
            *self.authenticator("PLAIN", ":"),
            *self.authenticator("LOGIN", "Username:: : Password::"),
        ]
        return [self.program, "-bdf", "-C", self.file("exim.conf", "\n".join(lines) + "\n")]

    def tls_lines(self):
        if not self.tls:
            return []
        return [f"tls_certificate = {self.certificate.chain_file}",
                f"tls_privatekey = {self.key_file()}",
                f"tls_require_ciphers = {gnutls_versions(self.versions)}"]

    def authenticator(self, name, prompts):
        offered = {None: "no", "tls": "${if def:tls_in_cipher}", "clear": "yes"}[self.auth]
        return [f"{name}:", "driver = plaintext", f"public_name = {name}",
                f"server_prompts = {prompts}", "server_condition = false",
                f"server_advertise_condition = {offered}"]


class Opensmtpd(Unpacked):
    """SMTP on 25, 587 and, where there is TLS, 465. AUTH is offered inside TLS only.

    Debian 12's own package finishes no handshake; so it is that of the backports unless said.
    """

    package = "opensmtpd-backports"
    program = "/usr/sbin/smtpd"
    users = ("opensmtpd", "opensmtpq")

    def __init__(self, host, tls=True, required=False, auth=False, package=None, **common):
        super().__init__(host, [25, 587, 465] if tls else [25, 587], **common)
        self.tls = tls
        self.required = required
        self.auth = auth
        self.package = package or self.package

    def command(self):
        self.folder("var/lib/opensmtpd")
        self.folder("var/lib/opensmtpd/empty")
        self.folder("var/spool/smtpd").chmod(0o711)
        self.openssl_configuration()
        lines = self.tls_lines() if self.tls else [f"listen on {self.host} port {port}"
                                                   for port in self.ports]
        lines += ['action "drop" maildir "/var/spool/drop"',
                  'match from any for local action "drop"']
        self.file("etc/mailname", "mail.test\n")
        return [self.program, "-d", "-f", self.file("smtpd.conf", "\n".join(lines) + "\n")]

    def tls_lines(self):
        auth = "auth-optional" if self.auth else ""
        upgrade = "tls-require" if self.required else "tls"
        key = self.file("key.pem", self.certificate.key_file.read_text())
        key.chmod(0o600)
        return [f'pki mail.test cert "{self.certificate.chain_file}"',
                f'pki mail.test key "{key}"',
                *(f"listen on {self.host} port {port} {'smtps' if port == 465 else upgrade} "
                  f"pki mail.test {auth}" for port in self.ports)]


class Pureftpd(Unpacked):
    """FTP on one port; `tls` is "none", "optional" or "required". There is no implicit TLS."""

    package = "pureftpd"
    program = "/usr/sbin/pure-ftpd"
    users = ("_pure-ftpd",)

    def __init__(self, host, port=21, tls="optional", **common):
        super().__init__(host, [port], **common)
        self.tls = tls

    def command(self):
        self.openssl_configuration()
        level = {"none": "0", "optional": "1", "required": "2"}[self.tls]
        command = [self.program, "-S", f"{self.host},{self.ports[0]}", "-4", "-E", "-H",
                   "-l", "unix", "-g", "/run/pure-ftpd.pid", "-Y", level]
        if self.tls != "none":
            command += ["-2", self.key_and_chain_file(), "-J", "ALL:@SECLEVEL=0"]
        return command


class Cyrus(Unpacked):
    """IMAP on 143 and 993, POP3 on 110 and 995; the implicit ports only where there is TLS."""

    package = "cyrus"
    program = "/usr/lib/cyrus/bin/master"
    users = ("cyrus", "mail")
    services = {143: ("imap", "imapd"), 993: ("imaps", "imapd -s"),
                110: ("pop3", "pop3d"), 995: ("pop3s", "pop3d -s")}

    def __init__(self, host, tls=True, plaintext=False, **common):
        super().__init__(host, [143, 993, 110, 995] if tls else [143, 110], **common)
        self.tls = tls
        self.plaintext = plaintext

    def command(self):
        for name in ("var/lib/cyrus", "var/spool/cyrus", "run/cyrus", "run/cyrus/socket"):
            self.owned(self.folder(name))
        lines = [
            "configdirectory: /var/lib/cyrus",
            "partition-default: /var/spool/cyrus",
            "proc_path: /run/cyrus/proc",
            "mboxname_lockpath: /run/cyrus/lock",
            "idlesocket: /run/cyrus/socket/idle",
            "servername: mail.test",
            f"allowplaintext: {'yes' if self.plaintext else 'no'}",
            "sasl_pwcheck_method: auxprop",
            "sasl_auxprop_plugin: sasldb",
            "sasl_mech_list: PLAIN LOGIN",
            "failedloginpause: 0",
            *self.tls_lines(),
        ]
        settings = self.file("imapd.conf", "\n".join(lines) + "\n")
        return [self.program, "-D", "-C", settings, "-M", self.services_file(settings),
                "-p", "/run/cyrus.pid"]

    def tls_lines(self):
        if not self.tls:
            return []
        versions = " ".join(f"tls{version.replace('.', '_')}" for version in self.versions)
        return [f"tls_server_cert: {self.certificate.chain_file}",
                f"tls_server_key: {self.key_file()}",
                f"tls_versions: {versions}",
                "tls_ciphers: ALL:@SECLEVEL=0"]

    def services_file(self, settings):
        lines = ["START {", f'recover cmd="ctl_cyrusdb -C {settings} -r"', "}", "SERVICES {"]
        for port in self.ports:
            name, command = self.services[port]
            lines.append(f'{name} cmd="{command} -C {settings}" listen="{self.host}:{port}"')
        return self.file("cyrus.conf", "\n".join([*lines, "}", "EVENTS {", "}"]) + "\n")


class Courier(Unpacked):
    """One port of Courier: IMAP, POP3 or SMTP. It is linked with GnuTLS.

    `auth` is where mechanisms are listed: None, "tls" or "clear"; IMAP and POP3 take a login in any
    case, unless TLS is `required` first.
    """

    package = "courier"
    program = "/usr/sbin/couriertcpd"
    users = ("courier",)
    logins = {
        "IMAP": ["/usr/lib/courier/courier/imaplogin", "/usr/bin/imapd", "Maildir"],
        "POP3": ["/usr/lib/courier/courier/courierpop3login",
                 "/usr/lib/courier/courier/courierpop3d", "Maildir"],
        "ESMTP": ["/usr/sbin/courieresmtpd"],
    }
    services = {143: "IMAP", 993: "IMAP", 110: "POP3", 995: "POP3",
                25: "ESMTP", 587: "ESMTP", 465: "ESMTP"}

    def __init__(self, host, port, tls=True, auth="tls", required=False, **common):
        super().__init__(host, [port], **common)
        self.service = self.services[port]
        self.implicit = port in (993, 995, 465)
        self.tls = tls
        self.auth = auth
        self.required = required

    def command(self):
        self.folder("etc/courier")
        self.file("etc/courier/me", "mail.test\n")
        if self.tls:
            self.owned(self.key_and_chain_file()).chmod(0o600)
        inside = ["/usr/bin/couriertls", "-server", "-tcpd", "-user=courier"]
        return [self.program, f"-address={self.host}", "-nodnslookup", "-noidentlookup",
                str(self.ports[0]), *(inside if self.implicit else []), *self.logins[self.service]]

    def environment(self):
        settings = super().environment() | {
            f"{self.service}_TLS_REQUIRED": "1" if self.required else "0",
            "BOFHCHECKDNS": "0",
        }
        if self.tls:
            settings |= {
                f"{self.service}_STARTTLS": "NO" if self.implicit else "YES",
                "COURIERTLS": "/usr/bin/couriertls",
                "TLS_CERTFILE": str(self.directory / "both.pem"),
                "TLS_PRIORITY": gnutls_versions(self.versions),
            }
        if self.implicit:
            settings[f"{self.service}_TLS"] = "1"
        return settings | self.mechanisms()

    def mechanisms(self):
        before, after = self.auth == "clear", self.auth is not None
        if self.service == "IMAP":
            return {"IMAP_CAPABILITY": "IMAP4rev1 IDLE" + " AUTH=PLAIN" * before,
                    "IMAP_CAPABILITY_TLS": "IMAP4rev1 IDLE" + " AUTH=PLAIN" * after}
        name = {"POP3": "POP3AUTH", "ESMTP": "ESMTPAUTH"}[self.service]
        return {name: "PLAIN LOGIN" * before, f"{name}_TLS": "PLAIN LOGIN" * after}
