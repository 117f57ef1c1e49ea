# SPDX-License-Identifier: MIT
"""The facts of a record, flat, and what they must be for a sound played server.

of() makes {path: value} of a record; a fact that is not known is an Unknown with its reason.
sound() is the truth about a played server that nothing is the matter with, and but() that truth
with some facts changed: what is below a changed path is gone. What is tried when all else is known
(TRIED) is apart: tried() makes those facts of a record, sound_tried() is the truth about them.
"""

import hashlib
import ssl

FACTS = ("status", "error", "banner", "anomalies", "starttls", "auth", "data_channel", "tls",
         "lossy")
TRIED = ("/starttls/required", "/starttls/continues_in_clear", "/starttls/injection",
         "/starttls/injection_sign", "/starttls/injection_reason", "/starttls/injection_reply",
         "/auth/cleartext_login", "/auth/anonymous", "/auth/credentials_sent", "/data_channel",
         "/tls/starttls_accepted_inside", "/tls/foreign_alpn_accepted",
         "/tls/unknown_name_accepted", "/tls/client_renegotiation")
VERSIONS = ("ssl2.0", "ssl3.0", "1.0", "1.1", "1.2", "1.3")
REPLIES_OF_IMAP = ("/starttls/reply", "/starttls/injection_reply", "/auth/cleartext_login/reply")
WORDS = {"ssl2": "ssl2.0", "ssl3": "ssl3.0"}  # of a script


class Unknown(str):
    """The reason why a fact is not known."""

    def __repr__(self):
        return f"?{self}"


def of(record):
    return {here: value for here, value in all_of(record).items() if not is_tried(here)}


def tried(record):
    return {here: value for here, value in all_of(record).items() if is_tried(here)}


def is_tried(here):
    return here in TRIED or here.startswith(("/auth/cleartext_login/", "/data_channel/"))


def all_of(record):
    facts = {path(entry): Unknown(entry["reason"]) for entry in record["unknown"]}
    if "observed_mode" in record["endpoint"]:
        facts["/observed_mode"] = record["endpoint"]["observed_mode"]
    for name in FACTS:
        if name in record:
            add(facts, f"/{name}", record[name])
    return facts


def path(entry):
    return entry["path"].replace("/endpoint/observed_mode", "/observed_mode")


def add(facts, here, value):
    if here == "/error":
        facts[here] = value and f"{value['stage']} {value['code']}"
    elif here == "/tls/versions":
        for row in value:
            name = ("ssl" if row["protocol"] == "ssl" else "") + row["version"]
            facts[f"{here}/{name}"] = version_text(row)
    elif here == "/tls/certificate":
        facts[here] = value and value["sha256"]
    elif here == "/tls/chain":
        facts[here] = [link["sha256"] for link in value]
    elif here == "/tls/failure" and value:
        alert = f" {value['alert']}" if value.get("alert") is not None else ""
        facts[here] = f"{value['cause']}{alert}"
    elif here in REPLIES_OF_IMAP and value and value[:1] in "aX":
        facts[here] = value.split(" ", 1)[1]  # without the tag
    elif isinstance(value, dict):
        for name, below in value.items():
            add(facts, f"{here}/{name}", below)
    else:
        facts[here] = value


def version_text(row):
    """accepted | rejected by X [ALERT] | inconclusive REASON [ALERT] | not_tested REASON"""
    words = [row["status"]]
    if "by" in row:
        words += ["by", row["by"]]
    words += [str(row[name]) for name in ("reason", "alert") if name in row]
    return " ".join(words)


def but(truth, changes):
    """The truth with changes. A path that ends in / only takes away what is below it."""
    facts = dict(truth)
    for here, value in changes.items():
        base = here.rstrip("/")
        for other in list(facts):
            if other == base or other.startswith(base + "/"):
                del facts[other]
        if not here.endswith("/"):
            facts[here] = value
    return facts


def difference(seen, truth):
    """One line for each fact that is not as it must be."""
    missing = "(left out)"
    return [f"{here}: {seen.get(here, missing)!r}, and must be {truth.get(here, missing)!r}"
            for here in sorted({*seen, *truth})
            if not same(seen.get(here, missing), truth.get(here, missing))]


def same(one, other):
    return type(one) is type(other) and one == other


def falsehoods(seen, truth):
    """As difference(), but honest gaps are no falsehoods."""
    wrong = []
    for here, value in seen.items():
        if isinstance(value, Unknown) or here not in truth:
            continue
        honest = here.startswith("/tls/versions/") and not value.startswith(("acc", "rej"))
        if not honest and not same(value, truth[here]):
            wrong.append(f"{here}: {value!r}, and the truth is {truth[here]!r}")
    return wrong


# --- the truth about sound servers ----------------------------------------------------------------

BANNERS = {"imap": "* OK mail.demo.test IMAP ready", "pop3": "+OK mail.demo.test POP3 ready",
           "smtp": "220 mail.demo.test ESMTP ready", "ftp": "220 ftp.demo.test ready."}
COMMANDS = {"imap": "STARTTLS", "pop3": "STLS", "smtp": "STARTTLS", "ftp": "AUTH TLS"}
REPLIES = {"imap": "OK Begin TLS negotiation now", "pop3": "+OK Begin TLS negotiation now",
           "smtp": "220 2.0.0 Ready to start TLS", "ftp": "234 Proceed with negotiation."}
CAPABILITIES = {
    "imap": ["ENABLE", "ID", "IDLE", "IMAP4REV1", "SASL-IR"],
    "pop3": ["AUTH-RESP-CODE", "RESP-CODES", "TOP", "UIDL"],
    "smtp": ["8BITMIME", "ENHANCEDSTATUSCODES", "PIPELINING", "SIZE 10240000"],
    "ftp": ["EPRT", "EPSV", "MDTM", "REST STREAM", "SIZE", "UTF8"],
}
UPGRADE = {"imap": ["STARTTLS"], "pop3": ["STLS"], "smtp": ["STARTTLS"],
           "ftp": ["AUTH TLS", "PBSZ", "PROT"]}
LOGIN = {"imap": ["AUTH=PLAIN"], "pop3": ["USER", "SASL PLAIN LOGIN"],
         "smtp": ["AUTH PLAIN LOGIN"], "ftp": []}
NO_LOGIN = {"imap": ["LOGINDISABLED"], "pop3": ["SASL"], "smtp": [], "ftp": []}
MECHANISMS = {"imap": ["PLAIN"], "pop3": ["LOGIN", "PLAIN"], "smtp": ["LOGIN", "PLAIN"]}
SUITE_13, SUITE_12 = "TLS_AES_256_GCM_SHA384", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"


def capabilities(protocol, secure=False, upgrade=True, login=False):
    if secure:
        more = LOGIN[protocol] + (["PBSZ", "PROT"] if protocol == "ftp" else [])
    else:
        more = (UPGRADE[protocol] if upgrade else []) + \
            (LOGIN if login else NO_LOGIN)[protocol]
    return sorted(CAPABILITIES[protocol] + more)


def rows(accepted, refusal="by alert 70", exhaustive=False):
    """The six versions of a server that takes the highest that it shares and refuses in one way.

    By descent: what lies above an accepted version is seen to be refused by the choice of that one.
    An alert 70 is the last word on all below it where all of it was offered: by the list of what is
    older than TLS 1.2 that a server of TLS 1.3 goes by. Any other refusal, and that of an older
    server, has to be got for each version.
    Each asked by itself (exhaustive): a server of TLS 1.2 or 1.3 knows what alone is offered, an
    older one takes it for the highest, and chooses a lower one that it has."""
    choosing = not exhaustive or not {"1.2", "1.3"} & set(accepted)
    proven = "rejected" if accepted or refusal == "by alert 70" else "inconclusive"
    text, last_word = {}, False
    for at in range(5, 0, -1):
        name = VERSIONS[at]
        if name in accepted:
            text[name] = "accepted"
        elif choosing and any(below in accepted for below in VERSIONS[1:at]):
            text[name] = "rejected by chose_lower"
        elif last_word:
            text[name] = "rejected by inferred"
        else:
            text[name] = outcome(proven, refusal)
            listed = "1.3" in accepted and name != "1.2"
            last_word = refusal == "by alert 70" and not exhaustive and listed
    if "ssl2.0" in accepted:
        text["ssl2.0"] = "accepted"
    else:  # SSLv2 has no alert: such a server closes
        text["ssl2.0"] = outcome("rejected" if accepted else "inconclusive",
                                 "by close" if "alert" in refusal else refusal)
    facts = {f"/tls/versions/{name}": value for name, value in text.items()}
    facts["/tls/versions_accepted"] = [name for name in VERSIONS if name in accepted]
    return facts


def outcome(proven, refusal):
    """A version that is refused in this way: rejected by it, or inconclusive because of it."""
    if proven == "rejected" and refusal != "timeout":
        return f"rejected {refusal}"
    return "inconclusive " + refusal.removeprefix("by ").replace("close", "closed")


def fingerprints(pem_file):
    """The SHA-256 of each certificate of a file, the leaf first."""
    begin = "-----BEGIN CERTIFICATE-----"
    parts = pem_file.read_text().split(begin)[1:]
    return [hashlib.sha256(ssl.PEM_cert_to_DER_cert(begin + part)).hexdigest() for part in parts]


def sound(farm, server):
    """Every fact of a server without a script, scanned in its own mode."""
    protocol, implicit = server.protocol, server.mode == "implicit"
    ftp = protocol == "ftp"
    file = farm.certificate_file(server)
    chain = fingerprints(file) if file.exists() else [None]  # a server that never shakes hands
    facts = {
        "/status": "ok", "/error": None, "/lossy": [], "/banner": BANNERS[protocol],
        "/anomalies": [],
        "/observed_mode": "implicit" if implicit else "insecure",
        "/auth/preauth": False,
        "/auth/capabilities/before_tls": None if implicit else capabilities(protocol),
        "/auth/capabilities/after_tls": capabilities(protocol, secure=True),
        "/tls/established": True, "/tls/version": "1.3", "/tls/cipher": SUITE_13,
        "/tls/group": "X25519", "/tls/failure": None, "/tls/extended_master_secret": True,
        "/tls/secure_renegotiation": True, "/tls/compression": False,
        "/tls/downgrade_sentinel": True, "/tls/dh_bits": None, "/tls/ocsp_staple": False,
        "/tls/client_certificate_requested": False, "/tls/large_hello_intolerant": False,
        "/tls/certificate": chain[0], "/tls/chain": chain, "/tls/verify/trusted": True,
        "/tls/verify/roots": "file",
        "/tls/verify/name_match": True, "/tls/verify/errors": [],
        **rows(("1.2", "1.3")),
    }
    if implicit:
        facts["/starttls"] = None
    else:
        facts |= {
            "/starttls/advertised": True, "/starttls/attempted": True, "/starttls/accepted": True,
            "/starttls/command": COMMANDS[protocol], "/starttls/reply": REPLIES[protocol],
            "/starttls/handshake": "ok", "/starttls/bytes_after_reply": 0}
    if ftp:
        facts |= {"/auth/login_disabled": None, "/auth/mechanisms": None}
    else:
        facts |= {"/auth/login_disabled/before_tls": None if implicit else True,
                  "/auth/login_disabled/after_tls": False,
                  "/auth/mechanisms/before_tls": None if implicit else [],
                  "/auth/mechanisms/after_tls": MECHANISMS[protocol]}
    return facts


PROBES = {"imap": "AUTHENTICATE PLAIN", "pop3": "USER", "smtp": "AUTH PLAIN", "ftp": "USER"}
LOGIN_REPLIES = {"imap": "NO [PRIVACYREQUIRED] No plaintext login without TLS",
                 "pop3": "-ERR [AUTH] No plaintext login without TLS",
                 "smtp": "530 5.7.0 Must issue a STARTTLS command first",
                 "ftp": "530 Not without TLS: use AUTH TLS."}


def sound_tried(server):
    """The truth about sound() servers, by what is tried in the end."""
    protocol, implicit = server.protocol, server.mode == "implicit"
    facts = {"/auth/credentials_sent": False,
             "/tls/starttls_accepted_inside": None if protocol == "ftp" else False}
    login = ["not_tested", None, "implicit", None, None] if implicit else \
        ["refused", "confirmed", None, PROBES[protocol], LOGIN_REPLIES[protocol]]
    facts |= {f"/auth/cleartext_login/{name}": value for name, value in
              zip(("verdict", "confidence", "reason", "probe", "reply"), login)}
    if protocol == "ftp":
        facts |= {"/data_channel/protection": True,
                  "/data_channel/protection_reply": "200 Protection level set."}
    else:
        facts |= {"/auth/anonymous": None, "/data_channel": None}
    if not implicit:
        facts |= {"/starttls/required": False if protocol == "smtp" else None,
                  "/starttls/injection": "not_vulnerable",
                  "/starttls/injection_sign": "forgotten",
                  "/starttls/injection_reason": None, "/starttls/injection_reply": None}
    return facts
