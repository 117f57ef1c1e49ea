# SPDX-License-Identifier: MIT
"""A month of nights in a network whose truth is known: what a scan would have recorded.

World is the truth: hosts that appear, break, get fixed, move, fall silent and come back, by chance
and a seed. Scan says what one night asks for, and how far it gets. night() gives what is recorded,
as Sight (for oracle.py) and as lines (for the program); nothing here knows what a change is.
"""

import copy
import hashlib
import json
import random
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

from shards import SEVERITIES, STATUSES, counted, line_of

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
START = datetime(2026, 3, 1, 2, 30, tzinfo=timezone.utc)
PORTS = {143: "insecure", 993: "implicit", 1143: "insecure"}
SILENT = ("closed", "timeout", "unreachable", "dns_error")
VERSIONS = ["ssl2.0", "ssl3.0", "1.0", "1.1", "1.2", "1.3"]


def golden(name):
    return json.loads((GOLDEN / f"{name}.json").read_text())


TEMPLATES = {(mode, quick): golden(f"imap-{mode}-{'quick' if quick else 'ok'}")
             for mode in ("insecure", "implicit") for quick in (False, True)}
QUIET = {"timeout": golden("pop3-insecure-timeout"), "closed": golden("imap-implicit-closed"),
         "dns_error": golden("imap-insecure-dns-error"),
         "unreachable": golden("imap-insecure-unreachable")}


def digest(*texts):
    return hashlib.sha256("\n".join(map(str, texts)).encode()).hexdigest()


# --- the truth ------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Service:
    """What stands behind a port: all of it shows in facts."""

    flaws: frozenset = frozenset()       # seen as SASL mechanisms X-…
    versions: tuple = ("1.2", "1.3")
    certificate: int = 1
    expires: datetime = START + timedelta(days=90)
    trusted: bool = True
    login: str = "refused"
    starttls: str = "works"
    capabilities: tuple = ("ID", "IMAP4REV1", "STARTTLS")
    status: str = "ok"                    # or refused, protocol_mismatch


@dataclass
class Host:
    """A name or an address; of a name there may be several addresses, or none."""

    name: str
    addresses: list
    labels: dict = field(default_factory=dict)
    silent: set = field(default_factory=set)      # addresses
    services: dict = field(default_factory=dict)  # (address, port) -> Service

    @property
    def is_name(self):
        return not self.name[0].isdigit()


@dataclass
class Scan:
    """What one night asks, and how."""

    kind: str = "state"                 # state, all, or plain
    scope: frozenset = frozenset()      # hosts
    ports: tuple = (143, 993, 1143)
    excluded: frozenset = frozenset()   # addresses
    quick: bool = False
    roots: str = "system"               # of trust: another file makes other verdicts
    ruleset: int = 1
    policy: int = 1
    waivers: tuple = None               # of Waiver; None: no file
    stop: str = None                    # signal: with a run_end; cut: without one
    part: float = 1.0                   # of the hosts, if it was stopped

    def options(self, world):
        asked = {host.name: host.labels for host in world.hosts if host.name in self.scope}
        return digest(sorted(map(str, asked.items())), self.ports, sorted(self.excluded),
                      self.quick, self.roots)


@dataclass(frozen=True)
class Waiver:
    id: str
    rule: str
    expires: str
    host: str = None       # None: all
    address: str = None


@dataclass
class Sight:
    """What was recorded of an endpoint at an address."""

    key: str
    host: str
    port: int
    ip: str                # None: the name was not found
    time: str
    status: str
    labels: dict
    facts: tuple           # all that rules look at, but whether the chain is trusted
    trusted: bool = None
    known: dict = field(default_factory=dict)     # facts that are told when they change
    verdicts: dict = field(default_factory=dict)  # rule -> (verdict, reason)
    findings: dict = field(default_factory=dict)  # fingerprint -> Finding
    clauses: dict = field(default_factory=dict)   # of the policy -> verdict

    @property
    def policy(self):
        """The policy's verdict: the worst of its clauses."""
        return max(self.clauses.values(), key=CLAUSE_VERDICTS.index)


@dataclass(frozen=True)
class Finding:
    rule: str
    severity: str
    waiver: Waiver = None
    expired: bool = False
    timed: bool = False

    @property
    def waived(self):
        return bool(self.waiver) and not self.expired


@dataclass
class Night:
    """A run: what was recorded, what was not asked, and what it says of itself."""

    number: int
    run_id: str
    scan: Scan
    options: str
    ended: str
    last_time: str
    sights: list
    aside: dict            # (key, ip) -> reason
    lines: bytes

    @property
    def complete(self):
        return self.scan.stop is None


def key_of(host, port):
    return f"imap://{host}:{port}"


# --- rules ----------------------------------------------------------------------------------------

RULES = {  # rule -> (severity, seen by a quick scan)
    "FLAW-A": ("medium", False), "FLAW-B": ("low", False), "FLAW-C": ("high", False),
    "FLAW-MANY": ("low", False), "FLAW-ROLE": ("low", False), "TLS-1.0-SUPPORTED": ("medium", True),
    "CERT-EXPIRED": ("high", True), "CERT-EXPIRES-SOON": ("medium", True),
    "CERT-UNTRUSTED": ("high", False), "CLEARTEXT-LOGIN-ALLOWED": ("critical", False),
    "STARTTLS-ADVERTISED-BUT-FAILS": ("high", False), "EXPECTED-SERVICE-SILENT": ("high", True),
}
MULTIPLE = {"FLAW-MANY": ("M1", "M2", "M3")}


def rules_of(ruleset):
    """The second set of rules knows one more, and one less; the third finds nothing in FLAW-A."""
    return [rule for rule in RULES
            if not (rule == "FLAW-C" and ruleset == 1) and not (rule == "FLAW-B" and ruleset >= 2)]


def severity_of(rule, ruleset, labels, login=None):
    """login: what became of one, if that is known."""
    if rule == "TLS-1.0-SUPPORTED" and login == "accepted":
        return "high"
    if rule == "FLAW-A" and ruleset >= 2:
        return "high"
    if rule == "FLAW-ROLE" and labels.get("role") == "submission":
        return "high"
    return RULES[rule][0]


def judge_service(rule, service, mode, ruleset, labels, now):
    """pass, fail or not_applicable of one that was seen whole."""
    left = service.expires - now
    if rule == "EXPECTED-SERVICE-SILENT":
        return "pass" if "expect" in labels else "not_applicable"
    if service.status == "protocol_mismatch":
        return "not_applicable"
    if rule in ("CLEARTEXT-LOGIN-ALLOWED", "STARTTLS-ADVERTISED-BUT-FAILS") and mode == "implicit":
        return "not_applicable"
    if rule == "FLAW-ROLE" and labels.get("role") == "mx":
        return "not_applicable"
    if rule == "CERT-EXPIRES-SOON" and left < timedelta(0):
        return "not_applicable"
    fails = {
        "FLAW-A": "A" in service.flaws and ruleset < 3, "FLAW-B": "B" in service.flaws,
        "FLAW-C": "C" in service.flaws, "FLAW-ROLE": "R" in service.flaws,
        "FLAW-MANY": bool(service.flaws & set(MULTIPLE["FLAW-MANY"])),
        "TLS-1.0-SUPPORTED": "1.0" in service.versions,
        "CERT-EXPIRED": left < timedelta(0), "CERT-EXPIRES-SOON": left < timedelta(days=20),
        "CERT-UNTRUSTED": not service.trusted,
        "CLEARTEXT-LOGIN-ALLOWED": service.login == "accepted",
        "STARTTLS-ADVERTISED-BUT-FAILS": service.starttls == "fails",
    }
    return "fail" if fails[rule] else "pass"


def fingerprint(rule, key, which=""):
    return "f1-" + digest("f1", rule, key, which)[:32]


def waiver_of(rule, host, address, waivers, day):
    """The one that matches, and whether it is over."""
    for waiver in waivers or ():
        if (waiver.rule == rule and waiver.host in (None, host) and
                waiver.address in (None, address)):
            return waiver, day > waiver.expires
    return None, False


CLAUSE_VERDICTS = ["not_applicable", "pass", "not_tested", "inconclusive", "warn", "fail"]


def clauses_of(sight, scan):
    """A clause for each rule, that fails or warns by how bad it is."""
    clauses = {}
    for rule, (verdict, _) in sight.verdicts.items():
        if verdict == "fail":
            severity = max((f.severity for f in sight.findings.values() if f.rule == rule),
                           key=SEVERITIES[::-1].index)
            strict = ("critical", "high") if scan.policy == 1 else ("critical", "high", "medium")
            verdict = "fail" if severity in strict else "warn" if severity == "medium" else "pass"
        clauses[rule] = verdict
    return clauses


# --- what is seen ---------------------------------------------------------------------------------

class Observer:
    """One night's scan of the world, endpoint by endpoint."""

    def __init__(self, world, scan, number, noise):
        self.world, self.scan, self.number = world, scan, number
        self.now = START + timedelta(days=number)
        self.noise = noise
        self.count = 0

    def tick(self):
        self.count += 1
        return stamp(self.now + timedelta(milliseconds=10 * self.count))

    def sight(self, host, address, port):
        """What the scan learns there."""
        key = key_of(host.name, port)
        base = {"key": key, "host": host.name, "port": port, "ip": address, "time": self.tick(),
                "labels": dict(host.labels)}
        service = host.services.get((address, port))
        if address is None:
            return self.silence(base, "dns_error")
        if address in host.silent:
            return self.silence(base, self.world.silence(address))
        if service is None:
            return self.silence(base, "closed")
        if service.status == "refused":
            sight = Sight(**base, status="refused", facts=("refused",))
            self.judge(sight, host, None, "refused")
            return sight
        return self.seen(base, host, service)

    def silence(self, base, status):
        sight = Sight(**base, status=status, facts=(status,))
        for rule in rules_of(self.scan.ruleset):
            if rule == "EXPECTED-SERVICE-SILENT":
                expected = "expect" in sight.labels
                self.conclude(sight, rule, "fail" if expected else "not_applicable", None)
            elif status == "closed":
                self.conclude(sight, rule, "not_applicable", None)
            else:
                self.conclude(sight, rule, "inconclusive", status)
        sight.clauses = clauses_of(sight, self.scan)
        return sight

    def seen(self, base, host, service):
        mode, scan = PORTS[base["port"]], self.scan
        noisy = (base["key"], base["ip"]) in self.noise
        trusted = service.trusted if scan.roots == "system" else service.certificate % 2 == 0
        service = replace(service, trusted=trusted)
        if service.status == "protocol_mismatch":
            sight = Sight(**base, status="protocol_mismatch", facts=("protocol_mismatch",))
            self.judge(sight, host, service, None)
            return sight
        known = {"versions": service.versions,
                 "certificate": (digest("certificate", service.certificate, service.expires),
                                 "CN=mail.test", stamp(service.expires)[:19] + "Z")}
        inside = not (noisy or scan.quick)
        if noisy:
            del known["versions"], known["certificate"]
        if mode == "insecure":
            known["before_tls"] = service.capabilities
            if inside:
                known.update(login=service.login, starttls=service.starttls)
        if inside and (mode == "implicit" or service.starttls == "works"):
            known["after_tls"] = ("IMAP4REV1",)
        facts = ("ok", mode, scan.quick, noisy, tuple(sorted(known.items())),
                 tuple(sorted(service.flaws)) if inside else None)
        sight = Sight(**base, status="ok", facts=facts, trusted=trusted if inside else None,
                      known=known)
        self.judge(sight, host, service, "rate_limited" if noisy else None)
        return sight

    def judge(self, sight, host, service, lost):
        """lost: the reason for which hardly anything is known."""
        for rule in rules_of(self.scan.ruleset):
            if rule == "EXPECTED-SERVICE-SILENT":
                verdict, reason = ("pass" if "expect" in sight.labels else "not_applicable"), None
            elif service and service.status == "protocol_mismatch":
                verdict, reason = "not_applicable", None
            elif lost:
                verdict, reason = "inconclusive", lost
            elif self.scan.quick and not RULES[rule][1]:
                verdict, reason = "not_tested", "not_asked"
            else:
                verdict, reason = judge_service(rule, service, PORTS[sight.port],
                                                self.scan.ruleset, sight.labels, self.now), None
            self.conclude(sight, rule, verdict, reason, service)
        sight.clauses = clauses_of(sight, self.scan)

    def conclude(self, sight, rule, verdict, reason, service=None):
        sight.verdicts[rule] = (verdict, reason)
        if verdict != "fail":
            return
        flaws = MULTIPLE.get(rule, ("",))
        waiver, expired = waiver_of(rule, sight.host, sight.ip, self.scan.waivers,
                                    sight.time[:10])
        for which in flaws:
            if not which or which in service.flaws:
                sight.findings[fingerprint(rule, sight.key, which)] = Finding(
                    rule, severity_of(rule, self.scan.ruleset, sight.labels,
                                      sight.known.get("login")), waiver, expired,
                    rule in ("CERT-EXPIRED", "CERT-EXPIRES-SOON"))


def stamp(time):
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


# --- records --------------------------------------------------------------------------------------

def record_of(sight, run_id, scan, service):
    """The record of what was seen, as valid as the program's."""
    mode = PORTS[sight.port]
    if sight.status in SILENT:
        record = copy.deepcopy(QUIET[sight.status])
        unknown = [{"path": path, "reason": sight.status}
                   for path in ("/endpoint/observed_mode", "/banner", "/auth", "/tls")]
        record.pop("starttls", None)
        if mode == "implicit":
            record["starttls"] = None
        else:
            unknown.append({"path": "/starttls", "reason": sight.status})
        record["unknown"] = unknown
        record["error"] = {"stage": "connect", "code": sight.status, "message": "silence"}
    elif sight.status != "ok":
        record = turned_away(sight, mode)
    else:
        record = whole(sight, mode, scan, service)
    set_head(record, sight, run_id, mode)
    set_verdicts(record, sight, scan)
    return record


def turned_away(sight, mode):
    record = copy.deepcopy(QUIET["timeout"])
    record["banner"] = "* BYE busy" if sight.status == "refused" else "SSH-2.0-x"
    unknown = ["/auth", "/tls"] + ([] if mode == "implicit" else ["/starttls"])
    if mode == "implicit":
        record["starttls"] = None
    record["unknown"] = [{"path": path, "reason": sight.status} for path in unknown]
    record["error"] = {"stage": "banner", "code": "BYE", "message": "turned away"}
    record["endpoint"]["observed_mode"] = mode
    return record


def whole(sight, mode, scan, service):
    quick, noisy = scan.quick, "versions" not in sight.known
    record = copy.deepcopy(TEMPLATES[mode, quick or noisy])
    reason = "rate_limited" if noisy else "not_asked"
    for entry in record["unknown"]:
        entry["reason"] = reason
    tls = record["tls"]
    if mode == "insecure":
        record["auth"]["capabilities"]["before_tls"] = sorted(service.capabilities)
        if noisy:
            record["auth"]["cleartext_login"]["reason"] = reason
            record["starttls"]["injection_reason"] = reason
    set_versions(tls, service, noisy, reason)
    if noisy:
        for name in ("certificate", "chain"):
            del tls[name]
            record["unknown"].append({"path": f"/tls/{name}", "reason": reason})
        return record
    tls["certificate"].update(sha256=sight.known["certificate"][0], subject_dn="CN=mail.test",
                              not_after=sight.known["certificate"][2])
    tls["chain"][0]["sha256"] = sight.known["certificate"][0]
    if quick:
        return record
    record["auth"]["capabilities"]["after_tls"] = ["IMAP4REV1"]
    record["auth"]["mechanisms"]["after_tls"] = ["X-" + flaw for flaw in sorted(service.flaws)]
    tls["verify"].update(trusted=sight.trusted, errors=[] if sight.trusted else ["unknown_issuer"],
                         roots="system" if scan.roots == "system" else "file")
    tls["version"] = service.versions[-1]
    if mode == "insecure":
        record["auth"]["cleartext_login"].update(
            verdict=service.login, confidence="confirmed", reason=None,
            probe="AUTHENTICATE PLAIN", reply=f"a3 {service.login}")
        if service.starttls == "fails":
            fail_upgrade(record)
    return record


def set_versions(tls, service, noisy, reason):
    for row in tls["versions"]:
        name = ("ssl" if row["protocol"] == "ssl" else "") + row["version"]
        kept = {member: row[member] for member in ("protocol", "version")}
        row.clear()
        row.update(kept)
        if noisy:
            row.update(status="inconclusive", reason=reason)
        elif name in service.versions:
            row.update(status="accepted", cipher="TLS_AES_256_GCM_SHA384")
        else:
            row.update(status="rejected", by="close")
    tls["versions_accepted"] = [] if noisy else list(service.versions)


def fail_upgrade(record):
    """The handshake of the upgrade does not come about."""
    starttls, tls = record["starttls"], record["tls"]
    starttls.update(handshake="failed", injection="not_tested", injection_sign=None,
                    injection_reason="tls_error", injection_reply=None)
    tls.update(established=False, failure={"cause": "closed", "alert": None, "message": "closed"})
    for name in ("version", "cipher", "group"):
        del tls[name]
        record["unknown"].append({"path": f"/tls/{name}", "reason": "tls_error"})
    for name in ("login_disabled", "capabilities"):
        del record["auth"][name]["after_tls"]
        record["unknown"].append({"path": f"/auth/{name}/after_tls", "reason": "tls_error"})


def set_head(record, sight, run_id, mode):
    name = None if sight.host[0].isdigit() else sight.host
    record.update(schema="1.3", run_id=run_id, time=sight.time, status=sight.status)
    if sight.status == "ok":
        record["error"] = None
    identity = record["endpoint"]
    identity.update(key=sight.key, protocol="imap", mode=mode, host=sight.host, ip=sight.ip,
                    port=sight.port, sni=name, labels=sight.labels,
                    source_ip=None if sight.status in SILENT else "192.0.2.254")


def set_verdicts(record, sight, scan):
    checks = {name: [] for name in ("pass", "fail", "not_applicable", "not_tested", "inconclusive")}
    checks["reasons"] = []
    for rule, (verdict, reason) in sight.verdicts.items():
        checks[verdict].append(rule)
        if reason:
            checks["reasons"].append({"rule": rule, "reason": reason})
    findings = [finding_record(mark, finding) for mark, finding in sight.findings.items()]
    findings.sort(key=lambda finding: SEVERITIES.index(finding["severity"]))
    open_ones = [f["severity"] for f in findings if f["status"] == "open"]
    clauses = {name: [] for name in ("pass", "warn", "fail", "not_applicable", "not_tested",
                                     "inconclusive")}
    for clause, verdict in sight.clauses.items():
        clauses[verdict].append(f"clause {clause}")
    record.update(checks=checks, findings=findings, transcript=None,
                  severity_max=min(open_ones, key=SEVERITIES.index, default=None),
                  policies=[{"name": "base", "version": str(scan.policy), "as_of": "2026-01-01",
                             "verdict": sight.policy, "fail": [], "warn": [], "clauses": clauses,
                             "unverified": []}])


def finding_record(mark, finding):
    waiver = finding.waiver and {"id": finding.waiver.id, "reason": "known",
                                 "expires": finding.waiver.expires, "expired": finding.expired}
    return {"rule": finding.rule, "severity": finding.severity, "confidence": "confirmed",
            "title": f"{finding.rule} is wrong", "description": "It is.",
            "evidence": {"days_left": 3} if finding.timed else {}, "remediation": "Mend it.",
            "references": [], "fingerprint": mark,
            "status": "waived" if finding.waived else "open", "waiver": waiver}


def run_start(night_number, run_id, scan, world, options):
    start = golden("run-start-policies")
    time = stamp(START + timedelta(days=night_number))
    start.update(schema="1.3", run_id=run_id, time=time, started=time, options_sha256=options,
                 ruleset={"version": f"0.{scan.ruleset}", "sha256": digest("rules", scan.ruleset)},
                 waivers=None if scan.waivers is None else
                 {"sha256": digest(scan.waivers), "count": len(scan.waivers)}, baseline=None,
                 policies=[{"name": "base", "version": str(scan.policy), "as_of": "2026-01-01",
                            "sha256": digest("policy", scan.policy)}])
    start["options"].update(all=scan.kind == "all", state=scan.kind == "state")
    return start


def run_end(start, scan, sights, time):
    findings = [finding for sight in sights for finding in sight.findings.values()]
    end = golden("run-end-complete")
    hosts = {(sight.host, sight.ip) for sight in sights}
    end.update(schema="1.3", run_id=start["run_id"], time=time, complete=scan.stop is None,
               stopped_by=scan.stop, exit_code=0 if scan.stop is None else 3,
               endpoints={"recorded": len(sights),
                          "by_status": counted(Counter(s.status for s in sights), STATUSES,
                                               "status")},
               hosts={"scanned": len(hosts), "answered": 0},
               findings=counted(Counter(f.severity for f in findings if not f.waived), SEVERITIES,
                                "severity"),
               waived=sum(f.waived for f in findings))
    end.pop("waivers", None)
    if scan.waivers is not None:
        used = Counter(f.waiver.id for f in findings if f.waiver)
        end["waivers"] = [{"id": w.id, "expires": w.expires, "findings": used[w.id],
                           "state": "expired" if time[:10] > w.expires else "used" if used[w.id]
                           else "stale" if scan.stop is None else "unmatched"}
                          for w in scan.waivers]
    return end


# --- a night --------------------------------------------------------------------------------------

def is_answer(sight):
    return sight.status not in SILENT


def plan(world, scan):
    """Every host and address that is asked."""
    for host in world.hosts:
        if host.name not in scan.scope:
            continue
        addresses = [a for a in host.addresses if a not in scan.excluded]
        if host.addresses:
            yield from ((host, address) for address in addresses)
        else:
            yield host, None


def absent(world, scan, known):
    """With a state: the endpoints that it knows and that are not asked."""
    for key, ip in sorted(known):
        name, port = key.removeprefix("imap://").rsplit(":", 1)
        host = next((h for h in world.hosts if h.name == name), None)
        if ip and ip in scan.excluded:
            yield key, ip, "excluded"
        elif name not in scan.scope or host is None or int(port) not in scan.ports:
            yield key, ip, "out_of_scope"


def not_asked(key, ip, reason, run_id, time):
    name, port = key.removeprefix("imap://").rsplit(":", 1)
    return {"schema": "1.3", "type": "not_asked", "run_id": run_id, "time": time,
            "endpoint": {"key": key, "protocol": "imap", "mode": PORTS[int(port)], "host": name,
                         "ip": ip or None, "port": int(port)}, "reason": reason}


def night(world, scan, number, known=frozenset(), noise=frozenset(), chance=None, aside=None):
    """The run of that night. known: what a state knows of earlier ones, as (key, ip); aside: what
    is said not to have been asked, if it is not what follows from that."""
    observer = Observer(world, scan, number, noise)
    run_id = f"019ca5c0-0000-7000-8000-{number:012x}"
    planned = list(plan(world, scan))
    if scan.stop and chance:
        chance.shuffle(planned)
        planned = planned[:int(len(planned) * scan.part)]
    sights, services = [], {}
    for host, address in planned:
        group = [observer.sight(host, address, port) for port in scan.ports]
        wanted = (scan.kind == "all" or any(map(is_answer, group)) or
                  (scan.kind == "state" and (host.is_name or
                                             any((s.key, s.ip) in known for s in group))))
        if wanted:
            sights += group
            services.update({(s.key, s.ip): host.services.get((address, s.port)) for s in group})
    if aside is None:
        aside = {}
    if scan.kind == "state" and not scan.stop and not aside:
        aside = {(key, ip): reason for key, ip, reason in absent(world, scan, known)}
    options = scan.options(world)
    start = run_start(number, run_id, scan, world, options)
    records = [start] + [record_of(s, run_id, scan, services[s.key, s.ip]) for s in sights]
    records += [not_asked(key, ip, reason, run_id, observer.tick())
                for (key, ip), reason in aside.items()]
    time = observer.tick()
    lines = b"".join(map(line_of, records))
    if scan.stop != "cut":
        end = run_end(start, scan, sights, time)
        end["records_sha256"] = hashlib.sha256(lines).hexdigest()
        lines += line_of(end)
    return Night(number, run_id, scan, options, time if scan.stop != "cut" else None,
                 time, sights, aside, lines)


# --- a month --------------------------------------------------------------------------------------

class World:
    """The network, and what becomes of it from day to day."""

    def __init__(self, seed, hosts=9, names=5):
        self.random = random.Random(seed)
        self.addresses = 0
        self.hosts = []
        for i in range(hosts):
            address = f"192.0.2.{i + 1}"
            self.add(Host(address, [address]))
        for i in range(names):
            self.add(Host(f"mail{i}.test", [self.fresh() for _ in range(1 + i % 3)]))

    def fresh(self):
        self.addresses += 1
        if self.addresses % 3 == 0:
            return f"2001:db8::{self.addresses:x}"
        return f"198.51.100.{self.addresses}"

    def add(self, host):
        self.hosts.append(host)
        host.labels.update(self.random.choice(({}, {"role": "mx"}, {"owner": "a"},
                                               {"expect": "imap"})))
        for address in host.addresses:
            self.furnish(host, address)

    def furnish(self, host, address):
        for port in PORTS:
            if self.random.random() < 0.6:
                host.services[address, port] = self.service()

    def service(self):
        chance = self.random
        flaws = frozenset(f for f in ("A", "B", "C", "R", "M1", "M2", "M3")
                          if chance.random() < 0.3)
        return Service(flaws, chance.choice((("1.2", "1.3"), ("1.0", "1.2"), ("1.2",))),
                       chance.randrange(1, 9), START + timedelta(days=chance.randrange(5, 60)),
                       chance.random() < 0.7, chance.choice(("accepted", "refused")),
                       chance.choice(("works", "works", "fails")))

    def silence(self, address):
        return "unreachable" if address.endswith("3") else "timeout"

    def live(self):
        """A day goes by."""
        for host in self.hosts:
            for _ in range(2):
                if self.random.random() < 0.25:
                    self.random.choice(self.EVENTS)(self, host)

    def change(self, host, **members):
        if host.services:
            place = self.random.choice(sorted(host.services))
            host.services[place] = replace(host.services[place], **members)

    def break_it(self, host):
        if host.services:
            place = self.random.choice(sorted(host.services))
            service = host.services[place]
            flaw = self.random.choice(("A", "B", "C", "R", "M1", "M2", "M3"))
            host.services[place] = replace(service, flaws=service.flaws ^ {flaw})

    def mend(self, host):
        self.change(host, flaws=frozenset(), login="refused", starttls="works")

    def renew(self, host):
        self.change(host, certificate=self.random.randrange(1, 50),
                    expires=START + timedelta(days=self.random.randrange(1, 120)))

    def set_versions(self, host):
        self.change(host, versions=self.random.choice((("1.2", "1.3"), ("1.0", "1.2"), ("1.3",))))

    def set_login(self, host):
        self.change(host, login=self.random.choice(("accepted", "refused")))

    def set_starttls(self, host):
        self.change(host, starttls=self.random.choice(("works", "fails")))

    def set_capabilities(self, host):
        self.change(host, capabilities=self.random.choice((("IMAP4REV1", "STARTTLS"),
                                                           ("IDLE", "IMAP4REV1", "STARTTLS"))))

    def set_status(self, host):
        self.change(host, status=self.random.choice(("ok", "ok", "refused", "protocol_mismatch")))

    def distrust(self, host):
        self.change(host, trusted=self.random.random() < 0.5)

    def open_port(self, host):
        if host.addresses:
            place = self.random.choice(host.addresses), self.random.choice(list(PORTS))
            host.services[place] = self.service()

    def close_port(self, host):
        if host.services:
            del host.services[self.random.choice(sorted(host.services))]

    def fall_silent(self, host):
        if host.addresses:
            host.silent.add(self.random.choice(host.addresses))

    def wake(self, host):
        host.silent.clear()

    def relabel(self, host):
        host.labels.clear()
        host.labels.update(self.random.choice(({"role": "mx"}, {"role": "submission"},
                                               {"expect": "imap"}, {"owner": "b"}, {})))

    def move(self, host):
        """All that it has is somewhere else, or some of it is new."""
        if not host.is_name:
            return
        old = host.addresses
        host.addresses = [self.fresh() for _ in range(self.random.choice((1, 1, 2)))]
        if old and self.random.random() < 0.3:
            host.addresses.append(old[0])
        for address in host.addresses:
            for port in PORTS:
                if old and (old[0], port) in host.services and address not in old:
                    host.services[address, port] = host.services[old[0], port]
        if not old:
            self.furnish(host, host.addresses[0])

    def lose_name(self, host):
        if host.is_name:
            host.addresses = []

    EVENTS = (break_it, break_it, mend, mend, renew, set_versions, set_login, set_starttls,
              set_capabilities, set_status, distrust, open_port, close_port, fall_silent, wake,
              wake, relabel, move, lose_name)


def some_scan(world, number, chance, calm):
    """What a night asks: mostly the same; less or more of it where things go another way."""
    names = frozenset(host.name for host in world.hosts)
    scan = Scan(scope=names, ruleset=1 + (number >= 8) + (number >= 19),
                policy=1 + (number >= 14))
    day = stamp(START + timedelta(days=number))[:10]
    if number >= 4:
        later = stamp(START + timedelta(days=12))[:10]
        scan.waivers = tuple(w for w in (
            Waiver("W-1", "FLAW-A", later), Waiver("W-2", "CERT-UNTRUSTED", "2027-01-01"),
            Waiver("W-3", "TLS-1.0-SUPPORTED", "2027-01-01", address="198.51.100.1"),
            Waiver("W-4", "CLEARTEXT-LOGIN-ALLOWED", "2027-01-01", host="mail1.test"))
            if not (w.id == "W-2" and number >= 17) and not (w.id == "W-4" and day[-1] == "5"))
    if calm:
        return scan
    scan.kind = chance.choice(("state", "state", "state", "all", "plain"))
    if chance.random() < 0.15:
        scan.stop = chance.choice(("signal", "cut"))
        scan.part = chance.random()
    if chance.random() < 0.1:
        scan.quick = True
    if chance.random() < 0.1:
        scan.ports = chance.choice(((143,), (143, 993)))
    if chance.random() < 0.1:
        scan.scope = frozenset(n for n in sorted(names) if chance.random() < 0.7)
    if chance.random() < 0.1:
        scan.excluded = frozenset(a for h in world.hosts for a in h.addresses
                                  if chance.random() < 0.2)
    if chance.random() < 0.1:
        scan.roots = "ours.pem"
    if chance.random() < 0.05:
        scan.waivers = None
    return scan
