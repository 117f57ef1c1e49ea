#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Is a record what its schema says, and what no schema can say?

    validate.py FILE.ndjson|FILE.json|DIRECTORY …     exit 1, with the problems, if there are any

check_record() judges one record: by a closed copy of the published schema (a member that is not
documented is a problem), and then by the rules that tie members together, first of all the one of
the three values: every member of the contract is there, or 'unknown' says why not, never both.
check_run() judges the lines of one output file together.
"""

import copy
import hashlib
import io
import ipaddress
import json
import re
import sys
import unicodedata
from collections import Counter
from pathlib import Path

from jsonschema import Draft202012Validator

SCHEMA_FILE = Path(__file__).resolve().parents[2] / "output" / "schema" / "record.schema.json"

# Members that this program adds to the contract: they may be left out without a word.
ADDITIONS = {"/starttls/command", "/tls/failure", "/tls/client_certificate_requested",
             "/tls/large_hello_intolerant", "/findings/waiver/approved_by",
             "/findings/waiver/ticket", "/findings/baseline", "/endpoint/left_out"}

# What most runs do not ask for: left out without a word then, and a boolean or in unknown else.
OPTIONAL = {"/starttls/required", "/starttls/continues_in_clear", "/auth/anonymous",
            "/data_channel/protection", "/data_channel/ccc", "/tls/foreign_alpn_accepted",
            "/tls/unknown_name_accepted", "/tls/client_renegotiation",
            "/tls/new_hello_intolerant", "/tls/inconsistent_answers"}
FOLLOWERS = {"/data_channel/protection_reply": "/data_channel/protection"}  # there if that is

VERDICTS = ["not_applicable", "pass", "not_tested", "inconclusive", "warn", "fail"]

SEVERITIES = ["info", "low", "medium", "high", "critical"]


def close_schema(schema):
    """A copy that refuses what it does not document, but where it says that anything goes."""
    def close(part):
        if isinstance(part, dict):
            if "properties" in part and "object" in part.get("type", ()):
                part.setdefault("additionalProperties", False)
            for below in part.values():
                close(below)
        elif isinstance(part, list):
            for below in part:
                close(below)

    closed = copy.deepcopy(schema)
    close(closed["$defs"])
    return closed


SCHEMA = json.loads(SCHEMA_FILE.read_text())
VALIDATOR = Draft202012Validator(close_schema(SCHEMA))


def definition_of(part):
    """What a subschema refers to, or itself."""
    return SCHEMA["$defs"][part["$ref"].rsplit("/", 1)[1]] if "$ref" in part else part


def look_up(record, path):
    """The values (none or one) that a JSON pointer leads to."""
    at = record
    for name in path.split("/")[1:]:
        if isinstance(at, dict) and name in at:
            at = at[name]
        elif isinstance(at, list) and name.isdecimal() and int(name) < len(at):
            at = at[int(name)]
        else:
            return []
    return [at]


# --- every record ---------------------------------------------------------------------------------

def check_schema(record):
    for error in VALIDATOR.iter_errors(record):
        where = "/".join(["", *map(str, error.absolute_path)])
        yield f"{where or '/'}: {error.message}"


def check_text(value, path=""):
    """No control characters, in any string of the record, names of members included."""
    if isinstance(value, str):
        for c in value:
            if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t":
                yield f"{path}: control character U+{ord(c):04X}"
                return
    elif isinstance(value, list):
        for i, below in enumerate(value):
            yield from check_text(below, f"{path}/{i}")
    elif isinstance(value, dict):
        for name, below in value.items():
            yield from check_text(name, path)
            yield from check_text(below, f"{path}/{name}")


# --- endpoint records -----------------------------------------------------------------------------

def check_three_values(record):
    """Walks what is there: a path below a member that is null or left out is never reached."""
    unknown = [entry["path"] for entry in record["unknown"]]
    for path, times in Counter(unknown).items():
        if times > 1:
            yield f"/unknown: {path} is there {times} times"
    reached = set()

    def walk(part, value, path):
        for name, below in definition_of(part)["properties"].items():
            here = f"{path}/{name}"
            reached.add(here)
            below = definition_of(below)
            if name not in value:
                if here not in unknown and here not in ADDITIONS | OPTIONAL | set(FOLLOWERS):
                    yield f"{here}: left out, and not in unknown"
                continue
            if here in unknown:
                yield f"{here}: has a value, and is in unknown"
            items = definition_of(below.get("items", {}))
            if "properties" in below and isinstance(value[name], dict):
                yield from walk(below, value[name], here)
            elif here == "/tls/chain":
                yield from check_chain(items, value[name] or [], unknown, reached)
            elif "properties" in items:
                for item in value[name] or []:
                    yield from walk(items, item, here)

    for path, leader in FOLLOWERS.items():
        if bool(look_up(record, path)) != bool(look_up(record, leader)):
            yield f"{path}: there if and only if {leader} is"
    yield from walk(SCHEMA["$defs"]["endpoint"], record, "")
    for path in unknown:
        if path not in reached:
            yield f"/unknown: {path} is no member that could be left out"


def check_chain(part, chain, unknown, reached):
    """A link is in unknown if and only if something of it is left out; so is the first beyond."""
    for i, link in enumerate(chain):
        whole = set(part["properties"]) == set(link)
        if whole == (f"/tls/chain/{i}" in unknown):
            yield f"/tls/chain/{i}: in unknown if and only if something is left out"
    reached.update(f"/tls/chain/{i}" for i in range(len(chain) + 1))


def check_lossy(record):
    for path in record["lossy"]:
        if not look_up(record, path):
            yield f"/lossy: {path} is not in the record"


def check_identity(record):
    identity, status = record["endpoint"], record["status"]
    host, port = identity["host"], identity["port"]
    bracketed = f"[{host}]" if ":" in host else host
    if identity["key"] != f"{identity['protocol']}://{bracketed}:{port}":
        yield f"/endpoint/key: {identity['key']} is not made of protocol, host and port"
    if host != host.lower() or host.endswith("."):
        yield f"/endpoint/host: {host} is not in its normal form"
    if (identity["ip"] is None) != (status == "dns_error"):
        yield f"/endpoint/ip: {identity['ip']}, and the status is {status}"
    if identity["source_ip"] and not identity["ip"]:
        yield f"/endpoint/source_ip: {identity['source_ip']}, and there was nothing to connect to"
    if not identity["source_ip"] and status in ("ok", "refused", "protocol_mismatch", "tls_error"):
        yield f"/endpoint/source_ip: null, and the status is {status}"
    try:
        if identity["ip"] and str(ipaddress.ip_address(identity["ip"])) != identity["ip"]:
            yield f"/endpoint/ip: {identity['ip']} is not in its normal form"
    except ValueError:
        yield f"/endpoint/ip: {identity['ip']} is no address"
    try:
        ipaddress.ip_address(host)
        if identity["sni"] is not None:
            yield "/endpoint/sni: not null for an address"
        if identity["ip"] != host:
            yield f"/endpoint/host: {host} is not the address"
    except ValueError:
        pass


def check_status(record):
    if (record["status"] == "ok") != (record["error"] is None):
        yield f"/error: {record['error']}, and the status is {record['status']}"


def is_implicit(record):
    """What the server did counts; where it did nothing, the protocol table does."""
    identity = record["endpoint"]
    return identity.get("observed_mode", identity["mode"]) == "implicit"


def check_reason(path, verdict, reason):
    if (verdict in ("not_tested", "inconclusive")) != (reason is not None):
        yield f"{path}: {reason}, and the verdict is {verdict}"


def check_injection(record):
    starttls = record.get("starttls")
    if not starttls:
        return
    verdict, sign = starttls["injection"], starttls["injection_sign"]
    told = {None: None, "answered_inside": "vulnerable"}.get(sign, "not_vulnerable")
    if told != (verdict if verdict.endswith("vulnerable") else None):
        yield f"/starttls/injection_sign: {sign}, and the verdict is {verdict}"
    yield from check_reason("/starttls/injection_reason", verdict, starttls["injection_reason"])
    if verdict != "not_tested" and starttls.get("accepted") is not True:
        yield "/starttls/injection: tested where the upgrade is not known to work"
    if verdict == "not_tested" and starttls["injection_reply"] is not None:
        yield "/starttls/injection_reply: of a test that was not made"


def check_protocol(record):
    """Members that belong to one protocol."""
    protocol = record["endpoint"]["protocol"]
    for path, owner in (("/starttls/required", "smtp"), ("/auth/anonymous", "ftp"),
                        ("/data_channel", "ftp")):
        there = look_up(record, path.rpartition("/")[0]) not in ([], [None])
        if there and (look_up(record, path) == [None]) != (protocol != owner):
            yield f"{path}: null for other protocols than {owner.upper()}, and only for them"
    for value in look_up(record, "/tls/starttls_accepted_inside"):
        if (value is None) != (protocol == "ftp"):
            yield "/tls/starttls_accepted_inside: null for FTP, and for FTP only"


def check_starttls(record):
    starttls = record.get("starttls", {})
    if is_implicit(record) and ("starttls" not in record or starttls is not None):
        yield "/starttls: not null on an implicit port"
    if not is_implicit(record) and starttls is None:
        yield "/starttls: null, and the port is not implicit"
    if not starttls:
        if record.get("tls", {}) is None:
            yield "/tls: null, and no upgrade was refused"
        return
    accepted = starttls.get("accepted")
    if not starttls["attempted"] and ("accepted" in starttls or "reply" in starttls):
        yield "/starttls: not attempted, and yet it had an answer"
    if "command" in starttls and starttls["attempted"] != (starttls["command"] is not None):
        yield f"/starttls/command: {starttls['command']}, and attempted is {starttls['attempted']}"
    if accepted is not True and starttls["handshake"] != "not_tested":
        yield f"/starttls/handshake: {starttls['handshake']} without an accepted upgrade"
    if (starttls.get("bytes_after_reply") is not None) != (accepted is True):
        yield "/starttls/bytes_after_reply: a number if and only if the upgrade was accepted"
    if (record.get("tls", {}) is None) != (accepted is False):
        yield "/tls: null if and only if the upgrade was refused"
    established = (record.get("tls") or {}).get("established")
    if {"ok": True, "failed": False}.get(starttls["handshake"]) != established:
        yield f"/tls/established: {established}, and the handshake is {starttls['handshake']}"


def check_auth(record):
    if "auth" not in record:
        return
    auth = record["auth"]
    for member in ("login_disabled", "mechanisms"):
        if member in auth and (auth[member] is None) != (record["endpoint"]["protocol"] == "ftp"):
            yield f"/auth/{member}: null for FTP, and for FTP only"
    for member in ("login_disabled", "capabilities", "mechanisms"):
        lists = auth.get(member) or {}
        if "before_tls" in lists and (lists["before_tls"] is None) != is_implicit(record):
            yield f"/auth/{member}/before_tls: null on implicit ports, and only there"
        if "after_tls" in lists and (lists["after_tls"] is None) != (record.get("tls", {}) is None):
            yield f"/auth/{member}/after_tls: null where the upgrade was refused, and only there"
    for member in ("capabilities", "mechanisms"):
        for stage, words in (auth.get(member) or {}).items():
            words = words or []
            keywords = [re.split("[ =]", word)[0] for word in words]
            if words != sorted(words):
                yield f"/auth/{member}/{stage}: not sorted"
            if any(re.search("[a-z]", keyword) for keyword in keywords):
                yield f"/auth/{member}/{stage}: a keyword in lower case"
    login = auth["cleartext_login"]
    if is_implicit(record) and login["verdict"] != "not_tested":
        yield "/auth/cleartext_login/verdict: tested on an implicit port"
    yield from check_reason("/auth/cleartext_login/reason", login["verdict"], login["reason"])
    facts = {login["confidence"], login["probe"], login["reply"]}
    if login["verdict"] == "not_tested" and (facts != {None} or auth["credentials_sent"]):
        yield "/auth/cleartext_login: not tested, and yet it has facts"
    if (login["verdict"] in ("accepted", "refused")) != (login["confidence"] is not None):
        yield f"/auth/cleartext_login/confidence: {login['confidence']} of {login['verdict']}"


def check_tls(record):
    tls = record.get("tls")
    if tls is None:
        return
    accepted = [("ssl" if v["protocol"] == "ssl" else "") + v["version"]
                for v in tls["versions"] if v["status"] == "accepted"]
    if tls["versions_accepted"] != accepted:
        yield f"/tls/versions_accepted: {tls['versions_accepted']}, and the versions say {accepted}"
    for i, version in enumerate(tls["versions"]):
        seen = version["status"] == "inconclusive" or version.get("by") == "alert"
        if "alert" in version and not seen:
            yield f"/tls/versions/{i}/alert: nothing was seen by it"
    if tls.get("established"):
        for member in ("version", "cipher"):
            if member not in tls:
                yield f"/tls/{member}: unknown after a full handshake"
        if "version" in tls and tls["version"] not in accepted:
            yield f"/tls/version: {tls['version']} was spoken, and the versions do not have it"
    if (tls.get("failure") is not None) and tls.get("established") is not False:
        yield "/tls/failure: of a handshake that did not fail"
    if tls.get("established") is False and tls.get("failure", {}) is None:
        yield "/tls/failure: null, and the handshake failed"
    certificate, chain = tls.get("certificate"), tls.get("chain")
    if certificate and chain and chain[0]["sha256"] != certificate["sha256"]:
        yield "/tls/chain: does not begin with the certificate"
    verify = tls.get("verify", {})
    if "trusted" in verify and "errors" in verify and verify["trusted"] != (verify["errors"] == []):
        yield "/tls/verify/errors: empty if and only if trusted"


def check_findings(record):
    for i, finding in enumerate(record["findings"]):
        waiver = finding["waiver"]
        if (finding["status"] == "waived") != bool(waiver and not waiver["expired"]):
            yield f"/findings/{i}/status: waived if and only if it has a waiver that is not expired"
        if waiver and waiver["expired"] != (record["time"][:10] > waiver["expires"]):
            yield f"/findings/{i}/waiver/expired: {waiver['expired']}, of {record['time']}"
    if len({"baseline" in finding for finding in record["findings"]}) > 1:
        yield "/findings: not all of them are known or new"
    open_ones = [f["severity"] for f in record["findings"] if f["status"] == "open"]
    worst = max(open_ones, key=SEVERITIES.index, default=None)
    if record["severity_max"] != worst:
        yield f"/severity_max: {record['severity_max']}, and the findings say {worst}"
    for finding in record["findings"]:
        if finding["rule"] not in record["checks"]["fail"]:
            yield f"/checks/fail: {finding['rule']} is missing"
    if findings_order(record) != sorted(findings_order(record), reverse=True):
        yield "/findings: not the worst first"


def findings_order(record):
    return [SEVERITIES.index(finding["severity"]) for finding in record["findings"]]


def check_checks(record):
    checks = record["checks"]
    judged = Counter(rule for verdict in checks if verdict != "reasons" for rule in checks[verdict])
    for rule, times in judged.items():
        if times > 1:
            yield f"/checks: {rule} is there {times} times"
    reasons = [entry["rule"] for entry in checks["reasons"]]
    if sorted(reasons) != sorted(checks["not_tested"] + checks["inconclusive"]):
        yield "/checks/reasons: one for each that is not tested or inconclusive, and for no other"


def check_policies(record):
    names = [policy["name"] for policy in record["policies"]]
    if len(names) != len(set(names)):
        yield "/policies: a policy is there twice"
    for i, policy in enumerate(record["policies"]):
        clauses = [clause for below in policy["clauses"].values() for clause in below]
        if len(clauses) != len(set(clauses)):
            yield f"/policies/{i}/clauses: a clause is there twice"
        worst = max((verdict for verdict, below in policy["clauses"].items() if below),
                    key=VERDICTS.index, default=None)
        if policy["verdict"] != worst:
            yield f"/policies/{i}/verdict: {policy['verdict']}, and the clauses say {worst}"
        for clause in set(policy["unverified"]) - set(clauses):
            yield f"/policies/{i}/unverified: {clause} is none of its clauses"


ENDPOINT_CHECKS = [check_lossy, check_identity, check_status, check_starttls, check_injection,
                   check_protocol, check_auth, check_tls, check_findings, check_checks,
                   check_policies]


# --- the other records ----------------------------------------------------------------------------

def check_run_start(record):
    shard = record["shard"]
    if shard and shard["index"] >= shard["count"]:
        yield f"/shard/index: {shard['index']} of {shard['count']}"
    if record["scope"]["targets_total"] is not None:
        if len(record["scope"]["targets"]) > record["scope"]["targets_total"]:
            yield "/scope/targets: more than targets_total"


def check_totals(record):
    """What a checkpoint and run_end have in common."""
    for member, counts in (("status", record["endpoints"]["by_status"]),
                           ("severity", record["findings"]),
                           ("severity", record.get("findings_new", []))):
        names = [count[member] for count in counts]
        if len(names) != len(set(names)):
            yield f"/{member}: counted twice"
        if any(count["count"] == 0 for count in counts):
            yield f"/{member}: a count of nothing"
    for member in ("findings", "findings_new"):
        worst_first = [SEVERITIES.index(count["severity"]) for count in record.get(member, [])]
        if worst_first != sorted(worst_first, reverse=True):
            yield f"/{member}: not the worst first"
    counted = {count["severity"]: count["count"] for count in record["findings"]}
    for count in record.get("findings_new", []):
        if count["count"] > counted.get(count["severity"], 0):
            yield f"/findings_new: more than there are of {count['severity']}"
    ids = [waiver["id"] for waiver in record.get("waivers", [])]
    if ids != sorted(set(ids), key=str.encode):
        yield "/waivers: not by id, or one is there twice"
    if sum(c["count"] for c in record["endpoints"]["by_status"]) < record["endpoints"]["recorded"]:
        yield "/endpoints/by_status: fewer than were recorded"
    if record["hosts"]["answered"] > record["hosts"]["scanned"]:
        yield "/hosts/answered: more than were scanned"


def check_checkpoint(record):
    pending = record["pending"]
    if pending != sorted(pending):
        yield "/pending: not ascending"
    if pending and max(pending) >= record["cursor"]:
        yield f"/pending: {max(pending)} was not begun"


def check_waivers(record):
    for i, waiver in enumerate(record.get("waivers", [])):
        over = record["time"][:10] > waiver["expires"]
        if (waiver["state"] == "expired") != over:
            yield f"/waivers/{i}/state: {waiver['state']}, and its last day is {waiver['expires']}"
        elif not over and (waiver["state"] == "used") != (waiver["findings"] > 0):
            yield f"/waivers/{i}/state: {waiver['state']}, and {waiver['findings']} findings have it"


def check_not_asked(record):
    identity = record["endpoint"]
    host = f"[{identity['host']}]" if ":" in identity["host"] else identity["host"]
    if identity["key"] != f"{identity['protocol']}://{host}:{identity['port']}":
        yield f"/endpoint/key: {identity['key']} is not made of protocol, host and port"


def check_change(record):
    """What is said of a finding has all that a finding has."""
    names = ("rule", "fingerprint", "severity", "title")
    if len({record[name] is None for name in names}) > 1:
        yield "/rule: it is about a finding, or about none"
    if ("finding_" in record["change"] or "waiver_" in record["change"]) and record["rule"] is None:
        yield f"/rule: null, and the change is {record['change']}"


def check_run_end(record):
    if record["complete"] and record["stopped_by"] is not None:
        yield f"/stopped_by: {record['stopped_by']}, and the run is complete"
    if not record["complete"] and record["exit_code"] not in (2, 3):
        yield f"/exit_code: {record['exit_code']}, and the run is not complete"


CHECKS = {"run_start": [check_run_start], "endpoint": ENDPOINT_CHECKS,
          "checkpoint": [check_checkpoint, check_totals],
          "run_end": [check_run_end, check_totals, check_waivers],
          "not_asked": [check_not_asked], "change": [check_change]}


def check_record(record):
    """All problems of one record, as a list of strings that begin with the path."""
    problems = list(check_schema(record)) or list(check_text(record))
    if not problems and record["type"] == "endpoint":
        problems = list(check_three_values(record))
    return problems or [problem for check in CHECKS[record["type"]] for problem in check(record)]


# --- a whole run ----------------------------------------------------------------------------------

def parse_record(text):
    """As json.loads(), but a member given twice and NaN are errors too."""
    def members(pairs):
        names = [name for name, _ in pairs]
        if len(names) != len(set(names)):
            raise ValueError(f"a member is there twice: {max(names, key=names.count)}")
        return dict(pairs)

    def constant(name):
        raise ValueError(f"{name} is not JSON")

    return json.loads(text, object_pairs_hook=members, parse_constant=constant)


def check_order(records):
    """What the lines of one file owe each other."""
    types = [record["type"] for record in records]
    if types[0] != "run_start" or types.count("run_start") > 1:
        yield "the run does not begin with its only run_start"
    if "run_end" in types[:-1]:
        yield "the run goes on after run_end"
    if "change" in types:
        yield "a change is none of the records of a run"
    last = max((i for i, name in enumerate(types) if name == "endpoint"), default=0)
    if "not_asked" in types[:last]:
        yield "not_asked stands before an endpoint"
    if len({record["run_id"] for record in records}) > 1:
        yield "more than one run_id"
    endpoints = Counter((r["endpoint"]["key"], r["endpoint"]["ip"])
                        for r in records if r["type"] == "endpoint")
    for endpoint, times in endpoints.items():
        if times > 1:
            yield f"{endpoint} is there {times} times"


class Course:
    """What stands above a line."""

    def __init__(self):
        self.recorded, self.digest = Counter(), hashlib.sha256()
        self.open, self.new, self.waivers, self.waived = Counter(), Counter(), Counter(), 0

    def add(self, record):
        self.recorded[record["status"]] += 1
        for finding in record["findings"]:
            is_open = finding["status"] == "open"
            self.open[finding["severity"]] += is_open
            self.new[finding["severity"]] += is_open and finding.get("baseline") == "new"
            self.waived += not is_open
            if finding["waiver"]:
                self.waivers[finding["waiver"]["id"]] += 1


def by_severity(counts):
    return {count["severity"]: count["count"] for count in counts}


def check_sums(record, above, start):
    """Does run_end or a checkpoint count and hash what stands above it?"""
    name = record["type"]
    if record["endpoints"]["recorded"] != sum(above.recorded.values()):
        yield (f"{name}: recorded {record['endpoints']['recorded']}, "
               f"and there are {sum(above.recorded.values())}")
    counted = {c["status"]: c["count"] for c in record["endpoints"]["by_status"]}
    for status, times in above.recorded.items():
        if counted.get(status, 0) < times:
            yield f"{name}: {counted.get(status, 0)} endpoints {status}, and there are {times}"
    if by_severity(record["findings"]) != dict(+above.open):
        yield f"{name}: findings {record['findings']}, and there are {dict(+above.open)}"
    if record.get("waived", 0) != above.waived:
        yield f"{name}: {record.get('waived', 0)} waived, and there are {above.waived}"
    for member, owner in (("findings_new", "baseline"), ("waivers", "waivers")):
        if (member in record) != (start.get(owner) is not None):
            yield f"{name}: {member} is there if and only if the run has {owner}"
    if by_severity(record.get("findings_new", [])) != dict(+above.new):
        yield f"{name}: findings_new {record['findings_new']}, and there are {dict(+above.new)}"
    used = {w["id"]: w["findings"] for w in record.get("waivers", []) if w["findings"]}
    if used != dict(above.waivers):
        yield f"{name}: waivers of {used}, and findings have {dict(above.waivers)}"
    if record["records_sha256"] != above.digest.hexdigest():
        yield f"{name}: records_sha256 is not of the bytes above"


def check_stale(end, start):
    """Only a whole run proves that nothing needs a waiver."""
    whole = end["complete"] and start["shard"] is None
    for waiver in end.get("waivers", []):
        if waiver["state"] == ("unmatched" if whole else "stale"):
            yield f"run_end: {waiver['id']} is {waiver['state']}, and the run is " + (
                "whole" if whole else "not whole")
    if "waivers" in end and len(end["waivers"]) != start["waivers"]["count"]:
        yield f"run_end: {len(end['waivers'])} waivers, and the run has {start['waivers']['count']}"


def check_course(records, lines):
    """Walks down the lines: what is claimed of those above, and that the run only went on."""
    above, cursor, start = Course(), 0, records[0]
    for record, line in zip(records, lines):
        if record["type"] == "endpoint":
            above.add(record)
        elif record["type"] in ("checkpoint", "run_end"):
            yield from check_sums(record, above, start)
        if record["type"] == "checkpoint":
            if record["cursor"] < cursor:
                yield f"checkpoint: the cursor goes back from {cursor} to {record['cursor']}"
            cursor = record["cursor"]
            if record["seed"] != start["seed"]:
                yield f"checkpoint: seed {record['seed']}, and the run has {start['seed']}"
        if record["type"] == "run_end":
            yield from check_stale(record, start)
        above.digest.update(line)


def check_run(data):
    """All problems of an output file, given as bytes; one without run_end is fine."""
    lines = io.BytesIO(data).readlines()
    if not lines:
        return ["the file is empty"]
    problems, records = [], []
    for number, line in enumerate(lines, 1):
        if not line.endswith(b"\n"):
            problems.append(f"line {number}: has no end")
        try:
            records.append(parse_record(line.decode()))
        except ValueError as error:
            problems.append(f"line {number}: {error}")
            continue
        problems += [f"line {number}: {problem}" for problem in check_record(records[-1])]
    if not problems:
        problems += check_order(records)
    if not problems:
        problems += check_course(records, lines)
    return problems


def check_file(path):
    """An .ndjson file is a run; a .json file is one record."""
    data = Path(path).read_bytes()
    if Path(path).suffix != ".json":
        return check_run(data)
    try:
        return check_record(parse_record(data.decode()))
    except ValueError as error:
        return [str(error)]


def main(arguments):
    if not arguments:
        sys.exit(__doc__)
    files = [file for name in map(Path, arguments)
             for file in (sorted(name.glob("*.json")) if name.is_dir() else [name])]
    if not files:
        sys.exit("nothing to validate")
    problems = [f"{file}: {problem}" for file in files for problem in check_file(file)]
    print(*problems, sep="\n", end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
