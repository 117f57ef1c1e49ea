# SPDX-License-Identifier: MIT
"""The formats of `export`, read as their consumers read them: a reader each, which trusts nothing.

Each gives what stands in the output, or fails with what is wrong with it. FINDINGS and ENDPOINTS
take that apart again, so that a test can ask every format the same.
"""

import csv
import io
import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path
from urllib.parse import unquote, urlsplit

JUNIT_SCHEMA = Path(__file__).with_name("junit.xsd")
DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def text_of(output):
    """UTF-8 without a byte order mark, and without control characters that act on a terminal."""
    text = output.decode("utf-8")
    assert not text.startswith("\ufeff"), "a byte order mark"
    odd = {c for c in text if (ord(c) < 32 and c not in "\t\n\r") or 127 <= ord(c) < 160}
    assert not odd, f"control characters: {odd}"
    return text


def no_twins(pairs):
    """For json: a name twice in an object is an error."""
    names = Counter(name for name, _ in pairs)
    assert not [name for name in names if names[name] > 1], f"names that come twice: {names}"
    return dict(pairs)


def json_of(text):
    assert "<" not in text and ">" not in text, "markup could be in it"
    return json.loads(text, object_pairs_hook=no_twins,
                      parse_constant=lambda name: (_ for _ in ()).throw(AssertionError(name)))


# --- CSV ----------------------------------------------------------------------------------------

def read_csv(output):
    """The lines as dicts, with what was put in front of formulas taken away again."""
    text = text_of(output)
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    # As it stands in RFC 4180: every line ends with CRLF, no field has a bare CR.
    assert text.endswith("\r\n") and "\r" not in text.replace("\r\n", "")
    head, rows = rows[0], rows[1:]
    assert len(set(head)) == len(head), "columns of the same name"
    for row in rows:
        assert len(row) == len(head), f"{len(row)} fields, not {len(head)}: {row}"
        for field in row:
            assert not field.lstrip(" ").startswith(DANGEROUS), f"a formula: {field!r}"
    return [dict(zip(head, (field[1:] if field.startswith("'") else field for field in row)))
            for row in rows]


# --- DefectDojo: Generic Findings Import ----------------------------------------------------------

DOJO_TOP = {"name": str, "type": str, "version": str, "description": str, "static_tool": bool,
            "dynamic_tool": bool, "findings": list}
DOJO_NEEDED = {"title": str, "severity": str, "description": str}
DOJO_ALLOWED = {**DOJO_NEEDED, "date": str, "cwe": int, "mitigation": str, "impact": str,
                "steps_to_reproduce": str, "references": str, "active": bool, "verified": bool,
                "risk_accepted": bool, "static_finding": bool, "dynamic_finding": bool,
                "unique_id_from_tool": str, "vuln_id_from_tool": str, "endpoints": list,
                "tags": list}


def read_defectdojo(output):
    document = json_of(text_of(output))
    assert set(document) <= set(DOJO_TOP), set(document) - set(DOJO_TOP)
    assert set(DOJO_TOP) - set(document) <= {"version"}, set(DOJO_TOP) - set(document)
    for name, value in document.items():
        assert isinstance(value, DOJO_TOP[name]), f"{name}: {value!r}"
    for finding in document["findings"]:
        check_dojo(finding)
    unique = Counter(finding["unique_id_from_tool"] for finding in document["findings"])
    assert all(count == 1 for count in unique.values()), f"an id twice: {unique.most_common(1)}"
    return document


def check_dojo(finding):
    assert set(DOJO_NEEDED) <= set(finding) <= set(DOJO_ALLOWED), set(finding) - set(DOJO_ALLOWED)
    for name, value in finding.items():
        assert isinstance(value, DOJO_ALLOWED[name]), f"{name}: {value!r}"
    assert finding["severity"] in ("Critical", "High", "Medium", "Low", "Info")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", finding.get("date", "2026-01-01"))
    assert finding["active"] != finding["risk_accepted"]
    assert all(re.fullmatch(r"[\w.:-]+", tag, re.ASCII) for tag in finding["tags"]), finding["tags"]
    # What is a stranger's must not be read as markup: all of it is indented.
    assert all(line.startswith("    ") for line in finding["steps_to_reproduce"].split("\n")[:-1])
    for endpoint in finding.get("endpoints", []):
        assert set(endpoint) == {"protocol", "host", "port"}, endpoint
        assert re.fullmatch(r"[A-Za-z0-9_.:-]+", endpoint["host"]), endpoint
        assert isinstance(endpoint["port"], int) and 0 < endpoint["port"] < 65536


def steps_of(finding):
    """What is in steps_to_reproduce, by name."""
    text = "\n" + re.sub(r"(?m)^    ", "", finding["steps_to_reproduce"])
    parts = re.split(r"\n(seen at|time|run|confidence|evidence|waived): ", text)
    return {name: value.removesuffix("\n") for name, value in zip(parts[1::2], parts[2::2])}


# --- JUnit ----------------------------------------------------------------------------------------

def read_junit(output):
    """The root, after xmllint found it valid, and the counts of every suite right."""
    text_of(output)
    if shutil.which("xmllint"):
        done = subprocess.run(["xmllint", "--noout", "--nonet", "--schema", JUNIT_SCHEMA, "-"],
                              input=output, capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr.decode()[:2000]
    root = ElementTree.fromstring(output)
    for suite in root:
        cases = suite.findall("testcase")
        counts = {"tests": len(cases), "failures": len(suite.findall("testcase/failure")),
                  "errors": len(suite.findall("testcase/error")),
                  "skipped": len(suite.findall("testcase/skipped"))}
        assert counts == {name: int(suite.get(name)) for name in counts}, (counts, suite.attrib)
    return root


# --- SARIF 2.1.0 ----------------------------------------------------------------------------------

LEVELS = ("none", "note", "warning", "error")
KINDS = ("notApplicable", "pass", "fail", "review", "open", "informational")


def members(value, needed, allowed=()):
    assert isinstance(value, dict), value
    assert set(needed) <= set(value) <= set(needed) | set(allowed), \
        f"{set(value) ^ set(needed)} in {value}"


def check_message(message):
    """Sections 3.11.5 and 3.11.6: no placeholder, no link."""
    members(message, ["text"])
    assert not re.search(r"(?<!\{)(\{\{)*\{(?!\{)", message["text"]), message
    assert not re.search(r"(?<!\\)\]\(", message["text"]), message


def plain(message):
    """The text of a message as it is to be read."""
    return message["text"].replace("{{", "{").replace("}}", "}").replace("\\](", "](")


def read_sarif(output):
    log = json_of(text_of(output))
    members(log, ["$schema", "version", "runs"])
    assert log["version"] == "2.1.0"
    for run in log["runs"]:
        members(run, ["tool", "results"], ["invocations", "automationDetails", "columnKind"])
        members(run["tool"], ["driver"])
        driver = run["tool"]["driver"]
        members(driver, ["name", "rules"], ["version"])
        rules = [rule["id"] for rule in driver["rules"]]
        assert len(set(rules)) == len(rules), "a rule twice"
        for rule in driver["rules"]:
            check_sarif_rule(rule)
        for result in run["results"]:
            check_sarif_result(result, rules)
        for invocation in run["invocations"]:
            members(invocation, ["executionSuccessful"], ["startTimeUtc", "endTimeUtc"])
        assert run["columnKind"] in ("utf16CodeUnits", "unicodeCodePoints")
    return log


def check_sarif_rule(rule):
    members(rule, ["id", "shortDescription", "fullDescription", "help", "defaultConfiguration",
                   "properties"])
    for name in ("shortDescription", "fullDescription", "help"):
        check_message(rule[name])
    assert rule["defaultConfiguration"]["level"] in LEVELS
    tags = rule["properties"]["tags"]
    assert len(set(tags)) == len(tags) <= 20
    for tag in tags:
        assert tag == "security" or re.fullmatch(r"external/cwe/cwe-\d{2,4}", tag), tag
    score = rule["properties"].get("security-severity", "0.1")
    assert isinstance(score, str) and 0 < float(score) <= 10, score


def check_sarif_result(result, rules):
    members(result, ["ruleId", "kind", "level", "message", "locations", "suppressions",
                     "properties"], ["partialFingerprints", "baselineState"])
    assert result["ruleId"] in rules or len(rules) == 256
    assert result["kind"] in KINDS and result["level"] in LEVELS
    assert result["kind"] == "fail" or result["level"] == "none"
    check_message(result["message"])
    assert len(result["locations"]) == 1
    members(result["locations"][0], ["physicalLocation", "logicalLocations"])
    place = result["locations"][0]["physicalLocation"]
    members(place, ["artifactLocation", "region"])
    check_uri(place["artifactLocation"])
    assert isinstance(place["region"]["startLine"], int) and place["region"]["startLine"] >= 1
    assert result.get("baselineState", "new") in ("new", "unchanged", "updated", "absent")
    for suppression in result["suppressions"]:
        members(suppression, ["kind", "status", "justification"], ["properties"])
        assert suppression["kind"] in ("inSource", "external")
        assert suppression["status"] in ("accepted", "underReview", "rejected")
    for name, value in result.get("partialFingerprints", {}).items():
        assert isinstance(name, str) and isinstance(value, str)


def check_uri(location):
    """Relative to the root of the sources, or a file: nothing else is taken in."""
    uri = location["uri"]
    assert re.fullmatch(r"([A-Za-z0-9._~/-]|%[0-9A-F]{2})+", uri.removeprefix("file://")), uri
    parts = urlsplit(uri)
    assert (parts.scheme, parts.netloc) in (("", ""), ("file", "")), uri
    assert (location.get("uriBaseId") == "%SRCROOT%") == (parts.scheme == ""), location
    return unquote(parts.path)


# --- ECS ------------------------------------------------------------------------------------------

def date(value):
    return isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", value)


def keyword(value):
    return isinstance(value, str) and value != "" and len(value.encode()) <= 32766


def keywords(value):
    return isinstance(value, list) and all(map(keyword, value))


def flag(value):
    return isinstance(value, bool)


def number(value):
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2 ** 63


def upper_hex(value):
    return keyword(value) and re.fullmatch(r"[0-9A-F]+", value)


def ip(value):
    return keyword(value) and re.fullmatch(r"[0-9a-f:.]+", value)


def ips(value):
    return isinstance(value, list) and all(map(ip, value))


def one_of(*words):
    return lambda value: value in words


# The fields of the Elastic Common Schema that are used, with the type that they have there.
ECS_FIELDS = {
    "@timestamp": date, "message": keyword, "ecs.version": keyword,
    "event.kind": one_of("state"), "event.category": one_of(["network"], ["vulnerability"]),
    "event.type": one_of(["info"]), "event.module": keyword, "event.dataset": keyword,
    "event.duration": number, "event.severity": number,
    "observer.vendor": keyword, "observer.product": keyword, "observer.type": keyword,
    "observer.version": keyword,
    "server.address": keyword, "server.domain": keyword, "server.ip": ip, "server.port": number,
    "network.protocol": keyword, "network.transport": one_of("tcp"),
    "related.ip": ips, "related.hosts": keywords,
    "rule.id": keyword, "rule.name": keyword, "rule.ruleset": keyword,
    "vulnerability.id": keyword, "vulnerability.description": keyword,
    "vulnerability.severity": one_of("Critical", "High", "Medium", "Low", "Info"),
    "vulnerability.category": keywords, "vulnerability.reference": keyword,
    "vulnerability.report_id": keyword, "vulnerability.scanner.vendor": keyword,
    "vulnerability.status": one_of("open"),
    "tls.established": flag, "tls.version": one_of("1.0", "1.1", "1.2", "1.3"),
    "tls.version_protocol": one_of("tls"), "tls.cipher": keyword, "tls.curve": keyword,
    "tls.client.server_name": keyword,
    "tls.server.subject": keyword, "tls.server.issuer": keyword, "tls.server.not_before": date,
    "tls.server.not_after": date, "tls.server.hash.sha256": upper_hex,
    "tls.server.x509.serial_number": upper_hex, "tls.server.x509.alternative_names": keywords,
    "tls.server.x509.subject.distinguished_name": keyword,
    "tls.server.x509.issuer.distinguished_name": keyword,
    "tls.server.x509.not_before": date, "tls.server.x509.not_after": date,
    "tls.server.x509.public_key_algorithm": keyword, "tls.server.x509.public_key_size": number,
    "tls.server.x509.signature_algorithm": keyword,
}
# Ours.
OWN_FIELDS = {
    "run_id": keyword, "scan": keyword, "key": keyword, "mode": keyword, "status": keyword,
    "observed_mode": keyword, "banner": keyword, "severity_max": keyword,
    "error.stage": keyword, "error.code": keyword, "error.message": keyword,
    "starttls.advertised": flag, "starttls.attempted": flag, "starttls.accepted": flag,
    "starttls.reply": keyword, "starttls.handshake": keyword, "starttls.injection": keyword,
    "starttls.bytes_after_reply": number,
    "auth.preauth": flag, "auth.login_disabled_before_tls": flag, "auth.cleartext_login": keyword,
    "auth.mechanisms_before_tls": keywords, "auth.mechanisms_after_tls": keywords,
    "auth.capabilities_before_tls": keywords, "auth.capabilities_after_tls": keywords,
    "tls.versions_accepted": keywords, "tls.versions_rejected": keywords,
    "tls.versions_unknown": keywords, "tls.trusted": flag, "tls.name_match": flag,
    "tls.verify_errors": keywords,
    "checks.pass": keywords, "checks.fail": keywords, "checks.not_tested": keywords,
    "checks.inconclusive": keywords,
    "policies.pass": keywords, "policies.warn": keywords, "policies.fail": keywords,
    "policies.not_tested": keywords, "policies.inconclusive": keywords,
    "evidence": keyword, "fingerprint": keyword, "finding_status": one_of("open", "waived"),
    "confidence": keyword, "baseline": one_of("new", "known"), "remediation": keyword,
    "waiver.id": keyword, "waiver.reason": keyword, "waiver.expires": keyword,
    "waiver.approved_by": keyword, "waiver.ticket": keyword, "waiver.expired": flag,
}
FIELDS = {**ECS_FIELDS, **{f"starttls_audit.{name}": kind for name, kind in OWN_FIELDS.items()}}


def flattened(value, path=""):
    """The fields as an index has them: no dots in names, objects only as a way to their members."""
    for name, member in value.items():
        assert "." not in name and name, f"{path}{name!r}"
        if isinstance(member, dict):
            yield from flattened(member, f"{path}{name}.")
        else:
            yield path + name, member


def read_ecs(output):
    """The documents by id."""
    text = text_of(output)
    assert text.endswith("\n") or not text
    lines = text.splitlines() if not re.search("[\u2028\u2029\x85]", text) else None
    assert lines is not None and lines == text.split("\n")[:-1], "line ends that are none"
    assert len(lines) % 2 == 0
    documents = {}
    for action, document in zip(map(json_of, lines[::2]), map(json_of, lines[1::2])):
        assert list(action) == ["create"] and list(action["create"]) == ["_id"], action
        identity = action["create"]["_id"]
        assert len(identity.encode()) <= 512 and identity not in documents, identity
        documents[identity] = document
        for name, value in flattened(document):
            if name.startswith("labels."):
                assert keyword(value) and re.fullmatch(r"labels\.[\w-]+", name, re.ASCII), name
            else:
                assert name in FIELDS and FIELDS[name](value), f"{name}: {value!r}"
        for name in ("@timestamp", "event", "server", "starttls_audit"):
            assert name in document, f"{name} is missing in {document}"
    return documents


SERIES = re.compile(r'(\w+)\{(.*)\} (\S+)')
LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\[\\"n])*)"', re.ASCII)


def read_prometheus(output):
    """The series of a page by name and labels: each metric is a gauge in one group, no series is
    there twice, and there are no timestamps."""
    series, groups = {}, []
    for line in text_of(output).split("\n")[:-1]:
        if line.startswith("# TYPE "):
            groups.append(line.split()[2])
            assert line.endswith(" gauge") and groups.count(groups[-1]) == 1, line
        elif not line.startswith("# HELP "):
            name, labels, value = SERIES.fullmatch(line).groups()
            assert name == groups[-1], line
            pairs = LABEL.findall(labels)
            assert ",".join(f'{k}="{v}"' for k, v in pairs) == labels, line
            plain = {k: re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], v)
                     for k, v in pairs}
            assert len(plain) == len(pairs), f"a label twice: {line}"
            key = frozenset((k, v) for k, v in {"__name__": name, **plain}.items() if v)
            assert key not in series, f"a series twice: {line}"
            series[key] = float(value)
    return series


READERS = {"csv": read_csv, "csv-endpoints": read_csv, "defectdojo": read_defectdojo,
           "ecs": read_ecs, "junit": read_junit, "prometheus": read_prometheus,
           "sarif": read_sarif}
