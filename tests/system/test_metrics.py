# SPDX-License-Identifier: MIT
"""`export --format prometheus`, and what is made for it: alerts and a dashboard.

Records of a scan of played servers, and records made of them, are exported as textfiles; Debian's
node_exporter reads them, and Debian's Prometheus scrapes it. Every series that is there is then held
against what is counted here, in another language, over the same records; and each query of the
dashboard and each alert is put to that Prometheus.
"""

import copy
import errno
import json
import random
import re
import shutil
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime, timedelta, timezone
from functools import cache
from pathlib import Path

import yaml

import scan
from case import main
from formats import read_prometheus
from played import Farm
from servers import unpacked
from shards import line_of, records_of

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
RULES = SAMPLES / "prometheus/starttls-audit.rules.yml"
PREFIX = "starttls_audit_"
STATUSES = ("ok", "closed", "timeout", "unreachable", "dns_error", "refused", "protocol_mismatch",
            "tls_error", "error")
SEVERITIES = ("critical", "high", "medium", "low", "info")
VERDICTS = ("pass", "warn", "fail", "not_applicable", "not_tested", "inconclusive")
CHECKS = ("pass", "fail", "not_applicable", "not_tested", "inconclusive")
VERSIONS = ("ssl2.0", "ssl3.0", "1.0", "1.1", "1.2", "1.3")
EXPECTED = "EXPECTED-SERVICE-SILENT"
NASTY = 'a"b\\c\nd {x="1"} 9\t<script>alert(1)</script>\u202egpj.exe =1+1 $(id) `id`'


CUT = 3  # the exit code of what is exported of a run that is not complete


def export(records, *arguments, code=0, path=None):
    """The page (or what is at the path then), and what was said."""
    done = subprocess.run(
        [scan.named_file("STARTTLS_AUDIT"), "export", "--format", "prometheus",
         *(("-o", path) if path else ()), *map(str, arguments)],
        input=records if isinstance(records, bytes) else b"".join(map(line_of, records)),
        capture_output=True, timeout=scan.WATCHDOG)
    said = done.stderr.decode()
    assert done.returncode in (code if isinstance(code, tuple) else (code,)), \
        f"exit {done.returncode}, not {code}: {said}"
    return (Path(path).read_text() if path else done.stdout.decode()), said


def moment(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


# --- what is counted here -------------------------------------------------------------------------

class Count:
    """Series by name and labels; those of words are 0 at first."""

    def __init__(self, name):
        self.name = name
        self.series = {}

    def key(self, metric, labels):
        both = {"__name__": PREFIX + metric, "scan": self.name, **labels}
        return frozenset((k, v) for k, v in both.items() if v)

    def set(self, metric, value, **labels):
        self.series[self.key(metric, labels)] = value

    def add(self, metric, **labels):
        key = self.key(metric, labels)
        self.series[key] = self.series.get(key, 0) + 1

    def words(self, metric, label, words, **more):
        for word in words:
            self.set(metric, 0, **{label: word}, **more)


def upgrade(record):
    starttls, tls = record["starttls"], record.get("tls") or {}
    accepted = starttls.get("accepted")
    if accepted:
        if starttls["handshake"] == "failed":
            return "fails"
        return ("works" if starttls["handshake"] == "ok" or tls.get("versions_accepted")
                else "not_known")
    if starttls.get("advertised") is False and (accepted is False or not starttls["attempted"]):
        return "not_offered"
    return "refused" if accepted is False else "not_known"


def state_of(certificate, now):
    if not certificate or certificate.get("version") == 0:
        return "not_known"
    days = (moment(certificate["not_after"]) - now) / 86400
    for state, limit in (("expired", 0), ("expires_7d", 7), ("expires_14d", 14),
                         ("expires_30d", 30)):
        if days < limit:
            return state
    return "valid"


def count(records, name, labels=(), per_endpoint=False):
    """All series of a run, as they are described in the README."""
    c = Count(name)
    start, end = records[0], records[-1]
    endpoints = [record for record in records if record["type"] == "endpoint"]
    c.set("build_info", 1, version=start["scanner"]["version"])
    if "ruleset" in start:
        c.set("ruleset_info", 1, **start["ruleset"])
    c.set("scan_start_timestamp_seconds", moment(start["started"]))
    ended = end["type"] == "run_end"
    c.set("scan_complete", int(ended and end["complete"]))
    if ended:
        count_end(c, end)
    if start["options"].get("state"):
        c.words("endpoints_not_asked", "reason", ("excluded", "out_of_scope"))
        for record in records:
            if record["type"] == "not_asked":
                c.add("endpoints_not_asked", reason=record["reason"])
    for version in VERSIONS:
        c.words("endpoints_tls_version", "status", ("accepted", "rejected", "unknown"),
                version=version)
    c.words("endpoints_cleartext_login", "verdict",
            ("accepted", "refused", "inconclusive", "not_tested"))
    c.words("endpoints_injection", "verdict",
            ("vulnerable", "not_vulnerable", "inconclusive", "not_tested"))
    c.words("endpoints_starttls", "result",
            ("works", "fails", "refused", "not_offered", "not_known"))
    c.words("certificates", "state", ("valid", "expires_30d", "expires_14d", "expires_7d",
                                      "expired", "not_known"))
    c.words("certificates_trust", "result", ("trusted", "not_trusted", "not_known"))
    c.words("checks", "result", CHECKS)
    for policy in start["policies"]:
        c.words("endpoints_policy", "verdict", VERDICTS, policy=policy["name"])
    if any(EXPECTED in rules for record in endpoints for rules in record["checks"].values()
           if isinstance(rules, list)):
        c.words("endpoints_expected", "result", ("answered", "silent", "not_known"))
    for record in endpoints:
        count_endpoint(c, record, labels)
        if per_endpoint:
            count_place(c, record)
    return c.series


def count_end(c, end):
    if end["complete"]:
        c.set("scan_last_completion_timestamp_seconds", moment(end["time"]))
    c.set("scan_duration_seconds", end["duration_ms"] / 1000)
    for state, number in end["hosts"].items():
        c.set("scan_hosts", number, state=state)
    c.words("scan_endpoints", "status", STATUSES)
    for row in end["endpoints"]["by_status"]:
        c.set("scan_endpoints", row["count"], status=row["status"])
    if "waivers" in end:
        c.words("waivers", "state", ("used", "expired", "stale"))
        for waiver in end["waivers"]:
            c.add("waivers", state=waiver["state"])


def count_endpoint(c, record, labels):
    own = {label: record["endpoint"]["labels"].get(label, "") for label in labels}
    for severity in SEVERITIES:
        for status in ("open", "waived"):
            key = c.key("findings_by_severity", {"severity": severity, "status": status, **own})
            c.series.setdefault(key, 0)
    for finding in record["findings"]:
        facts = {"severity": finding["severity"], "status": finding["status"], **own}
        c.add("findings", rule=finding["rule"], **facts)
        c.add("findings_by_severity", **facts)
    if "auth" in record:
        c.add("endpoints_cleartext_login", verdict=record["auth"]["cleartext_login"]["verdict"])
    if record.get("starttls"):
        c.add("endpoints_starttls", result=upgrade(record))
        c.add("endpoints_injection", verdict=record["starttls"]["injection"])
    for policy in record["policies"]:
        c.add("endpoints_policy", policy=policy["name"], verdict=policy["verdict"])
    for result in CHECKS:
        for rule in record["checks"][result]:
            c.add("checks", result=result)
            if rule == EXPECTED and result != "not_applicable":
                c.add("endpoints_expected",
                      result={"pass": "answered", "fail": "silent"}.get(result, "not_known"))
    if record.get("tls"):
        count_tls(c, record)


def count_tls(c, record):
    tls = record["tls"]
    for row in tls["versions"]:
        version = ("ssl" if row["protocol"] == "ssl" else "") + row["version"]
        status = row["status"] if row["status"] in ("accepted", "rejected") else "unknown"
        c.add("endpoints_tls_version", version=version, status=status)
    if tls.get("certificate", {}) is None:
        return
    state = state_of(tls.get("certificate"), moment(record["time"]))
    c.add("certificates", state=state)
    trusted = tls.get("verify", {}).get("trusted")
    c.add("certificates_trust", result={True: "trusted", False: "not_trusted"}.get(
        trusted, "not_known"))
    if state not in ("expired", "not_known"):
        end = moment(tls["certificate"]["not_after"])
        key = c.key("certificate_earliest_not_after_timestamp_seconds", {})
        c.series[key] = min(c.series.get(key, end), end)


def count_place(c, record):
    own = {"endpoint": record["endpoint"]["key"], "ip": record["endpoint"]["ip"] or ""}
    c.set("endpoint_up", int(record["status"] == "ok"), **own, status=record["status"])
    advertised = (record.get("starttls") or {}).get("advertised")
    if advertised is not None:
        c.set("endpoint_starttls_advertised", int(advertised), **own)
    tls = record.get("tls") or {}
    for row in tls.get("versions", []):
        if row["status"] in ("accepted", "rejected"):
            version = ("ssl" if row["protocol"] == "ssl" else "") + row["version"]
            c.set("endpoint_tls_version_accepted", int(row["status"] == "accepted"), **own,
                  version=version)
    if tls.get("certificate") and tls["certificate"].get("version") != 0:
        c.set("certificate_not_after_timestamp_seconds", moment(tls["certificate"]["not_after"]),
              **own)


def parsed(page):
    return read_prometheus(page.encode())


# --- records --------------------------------------------------------------------------------------

@cache
def scanned():
    """Records of a scan of played servers, of which some are labelled, and some silent."""
    with Farm() as farm:
        good, old, bad = farm.address(), farm.address(), farm.address()
        for protocol, mode in (("imap", "clear"), ("imap", "implicit"), ("smtp", "clear"),
                               ("ftp", "clear")):
            farm.add(protocol, mode, address=good)
        farm.add("imap", address=old, login="allowed", versions="ssl3,1.0", cert="weakkey")
        farm.add("pop3", address=old, login="allowed", versions="1.0,1.1,1.2", cert="expired")
        farm.add("smtp", "implicit", address=old, cert="selfsigned")
        farm.add("imap", address=bad, greeting="preauth")
        farm.add("smtp", address=bad, starttls="die", inject="vulnerable")
        farm.add("pop3", address=bad, starttls="none", login="allowed")
        farm.add("ftp", address=bad, starttls="refuse")
        farm.add("smtp", greeting="hostile")
        farm.add("imap", greeting="busy")
        farm.start()
        owners = {good: "mail-team site=ams", old: 'l"e\\gacy'}
        lines = [f"{server.target()} " + (f"owner={owners[server.address]}"
                                          if server.address in owners else "")
                 for server in farm.servers]
        lines += [f"{farm.net}.{i}:10143/imap" for i in range(200, 204)]
        listed = farm.directory / "targets"
        listed.write_text("\n".join(lines) + "\n")
        done = subprocess.run(scan.command(
            "--ca-file", farm.ca_file, "--greeting-timeout", "2", "--policy", "rfc-baseline",
            "--policy", "pci-dss-4.0.1", "-f", listed), capture_output=True, timeout=scan.WATCHDOG)
        assert done.returncode == 0, done.stderr
        return records_of(done.stdout)


def made(records):
    """The same run as a richer one: state, waivers, expectations, ends of certificates, and names
    that nobody would choose."""
    records = copy.deepcopy(records)
    records[0]["options"]["state"] = True
    records[0]["ruleset"] = {"version": "0.1.0", "sha256": "ab" * 32}
    run_id = "01a2097e-4580-7c3e-9b1f-2f6a51c0d9e4"
    some = next(record["findings"][0] for record in records if record.get("findings"))
    days = iter((1, 6.99, 7.01, 13, 15, 29, 31, 400) * 9)
    results = iter(("pass", "fail", "inconclusive", "not_tested", "not_applicable") * 9)
    for i, record in enumerate(records):
        record["run_id"] = run_id
        if record["type"] != "endpoint":
            continue
        record["endpoint"]["labels"] = [{"owner": NASTY}, {"owner": "ünïcode", "job": "x"},
                                        {"own-er": "other", "owner": "other", "job": "other"},
                                        {}][i % 4]
        for finding in record["findings"][::2]:
            finding["status"] = "waived"
            finding["waiver"] = {"id": "W-1", "reason": NASTY, "expires": "2027-01-31",
                                 "expired": False}
        certificate = (record.get("tls") or {}).get("certificate")
        if certificate:
            end = moment(record["time"]) + next(days) * 86400
            certificate["not_after"] = f"{datetime.fromtimestamp(end, timezone.utc):%FT%TZ}"
        result = next(results)
        record["checks"][result].append(EXPECTED)
        if result == "fail":
            record["findings"].append({**some, "rule": EXPECTED,
                                       "severity": "high", "status": "open", "waiver": None})
        elif "CERT-EXPIRES-SOON" not in str(record["findings"]) and certificate:
            record["findings"].append({**some, "rule": "CERT-EXPIRES-SOON",
                                       "severity": "medium", "status": "open", "waiver": None})
    records[-1]["waived"] = 3
    records[-1]["waivers"] = [{"id": f"W-{i}", "state": state, "findings": 0,
                               "expires": "2027-01-31"}
                              for i, state in enumerate(("used", "used", "expired", "stale"))]
    records[-1:-1] = [{"schema": "1.3", "type": "not_asked", "run_id": run_id,
                       "time": records[0]["time"], "reason": reason,
                       "endpoint": {"key": "imap://gone.example.test:143"}}
                      for reason in ("excluded", "out_of_scope", "out_of_scope")]
    return records


def aged(records, days):
    """The run as of so many days ago."""
    def back(text):
        return f"{datetime.fromisoformat(text[:-1]) - timedelta(days=days):%FT%T}.000Z"

    records = copy.deepcopy(records)
    for record in records:
        record["time"] = back(record["time"])
        record["run_id"] = "01a2097e-4580-7c3e-9b1f-00000000000a"
    records[0]["started"] = back(records[0]["started"])
    return records


def quiet(records):
    """A run that found nothing."""
    records = copy.deepcopy(records)
    for record in records:
        if record["type"] == "endpoint":
            record["findings"] = []
    return records


class Records(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.real = scanned()
        cls.rich = made(cls.real)

    def same(self, seen, expected):
        for key in seen.keys() | expected.keys():
            wanted = expected.get(key)
            if wanted is None or abs(seen.get(key, 1e99) - wanted) > 1e-3:
                self.fail(f"{dict(key)} is {seen.get(key)}, not {wanted}")


# --- the page -------------------------------------------------------------------------------------

class Page(Records):
    def test_what_is_counted(self):
        for records in (self.real, self.rich):
            page, said = export(records, "--scan-name", NASTY[:5], "--label", "owner")
            self.assertEqual(said, "")
            self.same(parsed(page), count(records, NASTY[:5], ("owner",)))

    def test_names_that_nobody_would_choose(self):
        page, _ = export(self.rich, "--scan-name", NASTY.translate({10: 32, 9: 32}),
                         "--label", "owner", "--label", "job", "--metrics-per-endpoint")
        name = NASTY.translate({10: 32, 9: 32})
        expected = count(self.rich, name, ("owner", "job"), True)
        renamed = {frozenset(("label_job" if k == "job" else k, v) for k, v in key): value
                   for key, value in expected.items()}
        self.same(parsed(page), renamed)

    def test_the_order_of_records_does_not_matter(self):
        shuffled = self.rich[1:-4]
        random.Random(7).shuffle(shuffled)
        arguments = ("--label", "owner", "--metrics-per-endpoint")
        self.assertEqual(export(self.rich, *arguments),
                         export([self.rich[0], *shuffled, *self.rich[-4:]], *arguments))

    def test_names_of_labels(self):
        for key, name in (("owner", "owner"), ("cost-center", "cost_center"), ("9to5", "label_9to5"),
                          ("job", "label_job"), ("rule", "label_rule"), ("__x", "label___x"),
                          ("--x", "label___x"), ("ü", "label___"), ("instance", "label_instance")):
            records = copy.deepcopy(self.real)
            records[1]["endpoint"]["labels"] = {key: "here"}
            page, _ = export(records, "--label", key)
            self.assertIn(f',{name}="here"}} ', page, key)
        for keys in (("owner", "owner"), ("a-b", "a_b"), ("",), ("x" * 65,)):
            output, said = export(self.real, *(f"--label={key}" for key in keys), code=2)
            self.assertEqual(output, "")
            self.assertRegex(said, "label")

    def test_names_of_scans(self):
        for name in ("x", "Nachtlauf Süd", "a" * 100, "{}", '"'):
            export(self.real, "--scan-name", name)
        for name in ("", "a" * 101, "a\nb", "a\tb", "a\x1bb", b"a\xffb", "a\x7f", "a\u0085"):
            argument = name if isinstance(name, bytes) else name.encode()
            done = subprocess.run([scan.named_file("STARTTLS_AUDIT").encode(), b"export",
                                   b"--format", b"prometheus", b"--scan-name", argument],
                                  input=b"".join(map(line_of, self.real)), capture_output=True,
                                  timeout=scan.WATCHDOG)
            self.assertEqual((done.returncode, done.stdout), (2, b""), name)
            self.assertRegex(done.stderr, b"(--scan-name|name).*clean|--scan-name")

    def test_many_combinations_of_labels(self):
        """200 are told apart, the same ones in any order; all others are one, and nothing is lost."""
        template = next(record for record in self.real if record.get("findings"))
        endpoints = []
        for i in range(500):
            record = copy.deepcopy(template)
            record["endpoint"]["labels"] = {"owner": f"{i:03}"} if i else {"owner": "other"}
            endpoints.append(record)
        start, end = self.real[0], self.real[-1]
        page, _ = export([start, *endpoints, end], "--label", "owner")
        owners = set(re.findall(r'owner="(\w+)"', page))
        self.assertEqual(owners, {"other", *(f"{i:03}" for i in range(1, 201))})
        findings = {key: value for key, value in parsed(page).items()
                    if ("__name__", PREFIX + "findings") in key}
        self.assertEqual(sum(findings.values()), 500 * len(template["findings"]))
        of_others = sum(value for key, value in findings.items() if ("owner", "other") in key)
        self.assertEqual(of_others, 300 * len(template["findings"]))
        for seed in range(3):
            random.Random(seed).shuffle(endpoints)
            self.assertEqual(export([start, *endpoints, end], "--label", "owner")[0], page)

    def test_long_and_strange_names(self):
        records = copy.deepcopy(self.real)
        endpoints = [record for record in records if record["type"] == "endpoint"]
        some = next(record["findings"][0] for record in endpoints if record["findings"])
        for i, record in enumerate(endpoints):
            record["endpoint"]["labels"] = {"owner": ("ü" * 70 if i % 2 else "x" * (1 << 16)) + str(i)}
            record["findings"] += [{**some, "rule": f"R-{i}-{n}"}
                                   for n in range(200)]
            record["policies"] += [{"name": f"p{i}-{n}", "verdict": "odd"} for n in range(20)]
        page, _ = export(records, "--label", "owner")
        series = parsed(page)
        self.assertEqual({dict(key)["owner"] for key in series if "owner" in dict(key)},
                         {"x" * 128, "ü" * 64})
        rules = {dict(key)["rule"] for key in series if "rule" in dict(key)}
        self.assertEqual(len(rules), 1024)
        self.assertIn("other", rules)
        self.assertEqual(sum(value for key, value in series.items() if "rule" in dict(key)),
                         sum(len(record["findings"]) for record in endpoints))

    def test_members_of_other_kinds(self):
        """Whatever stands where something else should: a page that can be read, or none."""
        chance = random.Random(11)
        values = [None, True, 7, -1.5, 1e300, "x", "", [], {}, [[]], [{"status": 3}], {"a": {"b": 1}}]
        for _ in range(60):
            records = copy.deepcopy(self.rich)
            for _ in range(8):
                target = chance.choice(records)
                for _ in range(chance.randrange(1, 4)):
                    name = chance.choice([*target] or [""])
                    if isinstance(target.get(name), dict) and chance.random() < 0.7:
                        target = target[name]
                        continue
                    if name not in ("type", "schema"):
                        target[name] = chance.choice(values)
            page, _ = export(records, "--label", "owner", "--metrics-per-endpoint", code=(0, CUT))
            parsed(page)

    def test_each_endpoint_up_to_a_number(self):
        endpoints = sum(record["type"] == "endpoint" for record in self.real)
        page, _ = export(self.real, f"--metrics-per-endpoint={endpoints}")
        self.same(parsed(page), count(self.real, "default", (), True))
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory, "x.prom")
            path.write_text("old")
            page, said = export(self.real, f"--metrics-per-endpoint={endpoints - 1}", path=path,
                                code=2)
            self.assertEqual(page, "old")
            self.assertIn("more endpoints than --metrics-per-endpoint allows", said)
            self.assertEqual([*Path(directory).iterdir()], [path])

    def test_an_endpoint_that_is_there_twice(self):
        """Two series of the same labels would take the whole file from Prometheus."""
        again = {**self.real[1], "status": "error"}
        page, _ = export([*self.real[:-1], again, self.real[-1]], "--metrics-per-endpoint")
        labels = {"endpoint": again["endpoint"]["key"], "ip": again["endpoint"]["ip"]}
        own = {dict(key)["status"]: value for key, value in parsed(page).items()
               if ("__name__", PREFIX + "endpoint_up") in key and labels.items() <= dict(key).items()}
        self.assertEqual(own, {"error": 0})


class Runs(Records):
    def test_the_last_run_counts(self):
        expected = export(self.rich)
        self.assertEqual(export([*self.real, *self.rich]), expected)
        self.assertEqual(export([*self.real[:4], *self.rich], code=CUT)[0], expected[0])
        self.assertEqual(export([*self.rich, *self.rich]), expected)
        # Without a run_start the run is told by its name.
        headless, _ = export([*self.real, *self.rich[1:]])
        self.assertEqual([line for line in expected[0].splitlines()
                          if not re.search("build_info|ruleset|start_time|not_asked|policy", line)],
                         [line for line in headless.splitlines()
                          if not re.search("not_asked|policy", line)])

    def test_a_run_that_was_cut_off(self):
        """What only its end knows is not known."""
        for records in (self.real[:-1], self.rich[:-1]):
            page, said = export(records, code=CUT)
            self.assertIn("no end", said)
            series = parsed(page)
            self.same(series, count(records, "default"))
            names = {dict(key)["__name__"] for key in series}
            for name in ("scan_hosts", "scan_endpoints", "scan_duration_seconds", "waivers",
                         "scan_last_completion_timestamp_seconds"):
                self.assertNotIn(PREFIX + name, names)
        stopped = [*self.real[:-1], {**self.real[-1], "complete": False, "stopped_by": "deadline"}]
        self.same(parsed(export(stopped, code=CUT)[0]), count(stopped, "default"))

    def test_shards_are_no_run(self):
        def shard(index):
            start = {**self.real[0], "shard": {"index": index, "count": 2}}
            return [{**record, "run_id": f"01a2097e-4580-7c3e-9b1f-00000000000{index}"}
                    for record in (start, *self.real[1:])]

        output, said = export([*shard(0), *shard(1)], code=2)
        self.assertEqual(output, "")
        self.assertIn('"merge" makes one', said)
        export([*shard(1), *shard(1)])

    def test_no_run_takes_no_place(self):
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory, "x.prom")
            path.write_text("old")
            for content in (b"", b"\n", b'{"schema":"1.9","type":"change"}\n', b"rubbish\n"):
                page, said = export(content, path=path, code=2)
                self.assertEqual(page, "old")
                self.assertRegex(said, "there is no (run|record)")

    def test_bad_lines_are_told_and_the_rest_is_exported(self):
        content = b"".join(map(line_of, self.real[:-1])) + b'{"type":"\xff"}\n' + \
            line_of(self.real[-1])
        page, said = export(content, code=2)
        self.assertEqual(page, export(self.real)[0])
        self.assertIn(f"standard input:{len(self.real)}: ", said)

    def test_another_program_counts_the_same(self):
        """jq, which knows nothing of this program."""
        if not shutil.which("jq"):
            self.skipTest("jq is not installed")
        query = ('[.[] | select(.type=="endpoint") | .findings[] | select(.status=="open")]'
                 ' | group_by(.rule, .severity)[] | "\\(.[0].rule) \\(.[0].severity) \\(length)"')
        done = subprocess.run(["jq", "-rs", query], input=b"".join(map(line_of, self.rich)),
                              capture_output=True, timeout=scan.WATCHDOG, check=True)
        page = parsed(export(self.rich)[0])
        own = {f"{k['rule']} {k['severity']} {value:.0f}" for k, value in
               ((dict(key), value) for key, value in page.items())
               if k["__name__"] == PREFIX + "findings" and k["status"] == "open"}
        self.assertEqual(own, {*done.stdout.decode().split("\n")} - {""})


# --- the samples ----------------------------------------------------------------------------------

@cache
def program(name):
    """Where it is installed, or only unpacked; None: nowhere."""
    beside = unpacked("prometheus") / "usr/bin" / name
    return shutil.which(name) or (str(beside) if beside.is_file() else None)


def promtool(*arguments, **options):
    return subprocess.run([program("promtool"), *map(str, arguments)], capture_output=True, text=True,
                          timeout=scan.WATCHDOG, **options)


def alerts():
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"]
            for rule in group["rules"]]


def dashboard():
    return json.loads((SAMPLES / "grafana/starttls-audit.json").read_text())


def panels(board):
    """The panels, those of folded rows too."""
    for panel in board["panels"]:
        yield panel
        yield from panel.get("panels", [])


def queries(board):
    for panel in panels(board):
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


@unittest.skipUnless(program("promtool"), "promtool is not there: run tests/system/install-servers")
class Promtool(Records):
    def test_pages(self):
        for records in (self.real, self.rich, self.real[:-1]):
            page, _ = export(records, "--label", "owner", "--metrics-per-endpoint", code=(0, CUT))
            done = promtool("check", "metrics", input=page)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def test_alerts(self):
        for arguments in (["check", "rules", RULES],
                          ["check", "config", SAMPLES / "prometheus/prometheus.yml"],
                          ["test", "rules", SAMPLES / "prometheus/starttls-audit.test.yml"]):
            done = promtool(*arguments)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_each_alert_has_a_test(self):
        tested = (SAMPLES / "prometheus/starttls-audit.test.yml").read_text()
        for alert in alerts():
            self.assertRegex(tested, rf"alertname: {alert['alert']}\n *exp_alerts:", alert["alert"])


class Dashboard(Records):
    def test_layout(self):
        board = dashboard()
        self.assertEqual(len({panel["id"] for panel in panels(board)}), len([*panels(board)]))
        taken = {}
        for panel in panels(board):
            place = panel["gridPos"]
            self.assertLessEqual(place["x"] + place["w"], 24, panel["title"])
            for x in range(place["x"], place["x"] + place["w"]):
                for y in range(place["y"], place["y"] + place["h"]):
                    self.assertNotIn((x, y), taken, f"{panel['title']}: {taken.get((x, y))}")
                    taken[x, y] = panel["title"]
        lines = {y for _, y in taken}
        self.assertEqual(lines, set(range(max(lines) + 1)))
        for y in lines:  # nothing is left free
            self.assertEqual(sum((x, y) in taken for x in range(24)), 24, y)

    def test_panels_say_what_they_are(self):
        for panel in panels(dashboard()):
            if panel["type"] == "row":
                continue
            with self.subTest(panel["title"]):
                self.assertGreater(len(panel["description"]), 20)
                defaults = panel["fieldConfig"]["defaults"]
                self.assertTrue(defaults["unit"])
                self.assertTrue(defaults["thresholds"]["steps"])
                self.assertTrue(panel["targets"])
                for item in (panel, *panel["targets"]):
                    self.assertEqual(item["datasource"],
                                     {"type": "prometheus", "uid": "${datasource}"})
        names = [variable["name"] for variable in dashboard()["templating"]["list"]]
        self.assertEqual(names, ["datasource", "scan", "endpoint"])

    def test_queries_are_of_metrics_that_there_are(self):
        page, _ = export(self.rich, "--metrics-per-endpoint")
        there = set(re.findall("(?m)^# TYPE (\\w+)", page)) | {"node_textfile_scrape_error"}
        for title, query in [*queries(dashboard()), *((a["alert"], a["expr"]) for a in alerts())]:
            used = set(re.findall(r"(?:starttls_audit|node)_\w+", query))
            self.assertTrue(used and used <= there, f"{title}: {used - there}")

    def test_lines_and_bars_have_names_for_people(self):
        """No word of the records with an underscore, and no bare number of a version."""
        page, _ = export(self.rich)
        for panel in panels(dashboard()):
            if panel["type"] not in ("bargauge", "timeseries"):
                continue
            named = {override["matcher"]["options"] for override in panel["fieldConfig"]["overrides"]
                     if any(p["id"] == "displayName" for p in override["properties"])}
            for target in panel["targets"]:
                label = re.fullmatch(r"\{\{(\w+)\}\}", target["legendFormat"])[1]
                metric = re.search(r"starttls_audit_\w+", target["expr"])[0]
                words = set(re.findall(rf'(?m)^{metric}\{{.*\b{label}="([^"]*)"', page))
                for kind, wanted in re.findall(rf'\b{label}(=~|!=)"([^"]*)"', target["expr"]):
                    words = {w for w in words
                             if bool(re.fullmatch(wanted, w)) == (kind == "=~")}
                self.assertEqual({w for w in words if "_" in w or label == "version"} - named, set(),
                                 panel["title"])

    def test_rules_that_are_named(self):
        listed = subprocess.run([scan.named_file("STARTTLS_AUDIT"), "rules"], capture_output=True,
                                text=True, timeout=scan.WATCHDOG, check=True).stdout.split()
        for alert in alerts():
            for rule in re.findall(r'rule="([^"]+)"', alert["expr"]):
                self.assertIn(rule, [*listed, EXPECTED])

    def test_provisioning(self):
        for path, member in (("datasources/prometheus.yaml", "datasources"),
                             ("dashboards/starttls-audit.yaml", "providers")):
            content = yaml.safe_load((SAMPLES / "grafana/provisioning" / path).read_text())
            self.assertEqual(content["apiVersion"], 1)
            self.assertEqual(len(content[member]), 1)


# --- the real thing -------------------------------------------------------------------------------

class Monitoring:
    """A node_exporter and a Prometheus on addresses of their own, which end with this."""

    def __init__(self, directory):
        self.directory = Path(directory)
        self.textfiles = self.directory / "textfiles"
        self.data = self.directory / "data"
        self.textfiles.mkdir()
        self.processes = []
        self.lock, self.net = self._reserve()
        self.exporter = f"{self.net}.1:19100"
        self.prometheus = f"{self.net}.1:19090"

    @staticmethod
    def _reserve():
        for third in range(1, 255):
            lock = socket.socket()
            try:
                lock.bind((f"127.64.{third}.255", 10000))
                lock.listen()
                return lock, f"127.64.{third}"
            except OSError as error:
                lock.close()
                if error.errno != errno.EADDRINUSE:
                    raise
        raise RuntimeError("all nets of 127.64.0.0/16 are taken")

    def start(self, history):
        (self.directory / "history").write_text(history)
        done = promtool("tsdb", "create-blocks-from", "openmetrics", self.directory / "history",
                        self.data)
        assert done.returncode == 0, done.stdout + done.stderr
        self._run("prometheus-node-exporter", "--collector.disable-defaults",
                  "--collector.textfile", f"--collector.textfile.directory={self.textfiles}",
                  f"--web.listen-address={self.exporter}", "--web.disable-exporter-metrics")
        config = {"global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                  "rule_files": [str(RULES)],
                  "scrape_configs": [{"job_name": "node",
                                      "static_configs": [{"targets": [self.exporter]}]}]}
        path = self.directory / "prometheus.yml"
        path.write_text(json.dumps(config))
        self._run("prometheus", f"--config.file={path}", f"--storage.tsdb.path={self.data}",
                  f"--web.listen-address={self.prometheus}", "--log.level=warn")
        self.until(lambda: self.query(f'up{{instance="{self.exporter}"}} == 1'))
        self.until(lambda: self.query("node_textfile_scrape_error"))

    def _run(self, *line):
        with (self.directory / f"{line[0]}.log").open("wb") as log:
            self.processes.append(subprocess.Popen([program(line[0]), *line[1:]], stdin=subprocess.DEVNULL, stdout=log,
                                                   stderr=log, cwd=self.directory))

    def logs(self):
        return "\n".join(f"--- {path.name}\n{path.read_text()[-3000:]}"
                         for path in self.directory.glob("*.log"))

    def until(self, condition):
        for _ in range(1800):
            try:
                if condition():
                    return
            except (urllib.error.URLError, ConnectionError):
                pass
            for process in self.processes:
                assert process.poll() is None, f"{process.args[0]} ended\n{self.logs()}"
            time.sleep(0.1)
        raise AssertionError(f"it does not become true\n{self.logs()}")

    def get(self, path, **arguments):
        url = f"http://{self.prometheus}/api/v1/{path}"
        data = urllib.parse.urlencode(arguments).encode() if arguments else None
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(url, data, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            if error.code == 503:  # it has only begun
                raise
            raise AssertionError(f"{arguments}: {error.read().decode()}") from error

    def query(self, text):
        """The series that answer, by their labels."""
        result = self.get("query", query=text)["result"]
        return {frozenset(row["metric"].items()): float(row["value"][1]) for row in result}

    def stop(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(60)
        self.lock.close()


def missing():
    programs = ("promtool", "prometheus", "prometheus-node-exporter")
    return [name for name in programs if not program(name)]


def history(name, now):
    """A scan as it was 30 hours ago: nothing found, and many hosts."""
    when = int(now - 30 * 3600)
    return (f"# TYPE {PREFIX}scan_complete gauge\n"
            f'{PREFIX}scan_complete{{scan="{name}"}} 1 {when}\n'
            f"# TYPE {PREFIX}scan_hosts gauge\n"
            f'{PREFIX}scan_hosts{{scan="{name}",state="answered"}} 1000 {when}\n'
            "# EOF\n")


@unittest.skipIf(missing(), f"not there: {', '.join(missing())}: run tests/system/install-servers")
class Scraped(Records):
    """What a Prometheus has, once it scraped all of it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        cls.monitoring = Monitoring(directory.name)
        cls.addClassCleanup(cls.monitoring.stop)
        cls.nasty = NASTY.translate({10: 32, 9: 32})
        cls.runs = {"real": cls.real, "rich": cls.rich, cls.nasty: cls.rich,
                    "cut": cls.real[:-1], "old": quiet(aged(cls.real, 4)),
                    "quiet": quiet(cls.real)}
        for i, (name, records) in enumerate(cls.runs.items()):
            export(records, "--scan-name", name, "--label", "owner",
                   *(["--metrics-per-endpoint"] if name in ("rich", cls.nasty) else []),
                   code=CUT if name == "cut" else 0, path=cls.monitoring.textfiles / f"{i}.prom")
        cls.monitoring.start(history("real", time.time()))

    def own(self, name):
        """The series of a scan, without what the scrape adds."""
        seen = self.monitoring.query(f"{{scan={json.dumps(name, ensure_ascii=False)}}}")
        return {frozenset(item for item in key if item[0] not in ("instance", "job")): value
                for key, value in seen.items() if not dict(key)["__name__"].startswith("ALERTS")}

    def test_node_exporter_reads_it_all(self):
        self.assertEqual([*self.monitoring.query("node_textfile_scrape_error").values()], [0])
        files = self.monitoring.query("node_textfile_mtime_seconds")
        self.assertEqual(len(files), len(self.runs))

    def test_every_series(self):
        for name, records in self.runs.items():
            with self.subTest(name):
                each = name in ("rich", self.nasty)
                self.same(self.own(name), count(records, name, ("owner",), each))

    def on_board(self, query, name="rich"):
        pattern = json.dumps(re.escape(name))[1:-1]
        return self.monitoring.query(query.replace("$scan", pattern).replace("$endpoint", ".*"))

    def test_every_query_of_the_dashboard(self):
        for title, query in queries(dashboard()):
            with self.subTest(title):
                self.assertTrue(self.on_board(query), query)
                self.assertNotIn("$", re.sub(r"\$(scan|endpoint)\b", "", query))
                if "endpoint=~" not in query and not re.search("waivers|not_asked|expected", query):
                    self.assertTrue(self.on_board(query, "real"), query)
        for annotation in dashboard()["annotations"]["list"]:
            if "expr" in annotation:
                self.assertEqual(self.on_board(annotation["expr"]), {})

    def test_every_variable_of_the_dashboard(self):
        for variable in dashboard()["templating"]["list"][1:]:
            metric, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["definition"]).groups()
            values = {dict(key).get(label) for key in self.on_board(metric, "rich")}
            self.assertTrue(values and None not in values, metric)

    def test_figures_of_the_dashboard(self):
        """Those of the first row, and some others, over the records."""
        end = self.rich[-1]
        endpoints = [record for record in self.rich if record["type"] == "endpoint"]
        grave = sum(finding["status"] == "open" and finding["severity"] in ("critical", "high")
                    for record in endpoints for finding in record["findings"])
        login = sum(record.get("auth", {}).get("cleartext_login", {}).get("verdict") == "accepted"
                    for record in endpoints)
        self.assertTrue(grave and login and end["hosts"]["answered"])
        board = {}
        for title, query in queries(dashboard()):
            board.setdefault(title, []).append(query)

        def single(title, at=0):
            return [*self.on_board(board[title][at]).values()][0]

        self.assertEqual(single("Critical and high"), grave)
        self.assertEqual(single("Passwords taken in clear"), login)
        self.assertEqual(single("Hosts that answer"), end["hosts"]["answered"])
        self.assertEqual(single("Hosts that answer", 1), end["hosts"]["scanned"])
        self.assertEqual(single("Complete"), 1)
        self.assertAlmostEqual(single("Last complete scan"), time.time() - moment(end["time"]),
                               delta=120)
        versions = {dict(key)["version"]: value
                    for key, value in self.on_board(board["Versions accepted"][0]).items()}
        self.assertEqual(versions, {version: sum(
            version in (record.get("tls") or {}).get("versions_accepted", [])
            for record in endpoints) for version in VERSIONS})
        rules = {tuple(sorted(dict(key).items())): value
                 for key, value in self.on_board(board["Findings by rule"][0]).items()}
        self.assertEqual(sum(rules.values()), sum(len(r["findings"]) for r in endpoints))

    def active(self, name):
        return {alert["labels"]["alertname"] for alert in self.monitoring.get("alerts")["alerts"]
                if alert["labels"].get("scan") == name}

    def test_alerts(self):
        """Each goes off where the records have the reason, and nowhere else."""
        open_rules = {finding["rule"] for record in self.rich if record["type"] == "endpoint"
                      for finding in record["findings"] if finding["status"] == "open"}
        self.assertIn("CERT-EXPIRES-SOON", open_rules)
        grave = {"StarttlsAuditCriticalFindings", "StarttlsAuditCleartextLogin",
                 "StarttlsAuditCertificateExpired"}
        expected = {
            "real": grave | {"StarttlsAuditFindingsAppeared", "StarttlsAuditFewerHosts"},
            "cut": grave | {"StarttlsAuditScanIncomplete"},
            "old": {"StarttlsAuditScanMissing"},
            "quiet": set(),
        }
        # Of the rules, which are evaluated one after the other, it is the last.
        self.monitoring.until(lambda: "StarttlsAuditWaiverExpired" in self.active("rich"))
        for name, alerted in expected.items():
            with self.subTest(name):
                self.assertEqual(self.active(name), alerted)
        for alert, rule in {"StarttlsAuditExpectedServiceSilent": EXPECTED,
                            "StarttlsAuditCertificateExpiring": "CERT-EXPIRES-SOON",
                            "StarttlsAuditCleartextLogin": "CLEARTEXT-LOGIN-ALLOWED",
                            "StarttlsAuditCertificateExpired": "CERT-EXPIRED"}.items():
            with self.subTest(alert):
                self.assertEqual(alert in self.active("rich"), rule in open_rules)
        self.assertIn("StarttlsAuditWaiverExpired", self.active("rich"))
        self.assertNotIn("StarttlsAuditFindingsAppeared", self.active("rich"))
        covered = set().union(*map(self.active, self.runs)) | {"StarttlsAuditMetricsUnreadable"}
        self.assertEqual(covered, {alert["alert"] for alert in alerts()})

    def test_what_cannot_be_read_alerts(self):
        """A timestamp, which is allowed in the format and not in a textfile."""
        broken = self.monitoring.textfiles / "broken.prom"
        broken.write_text(export(self.real, "--scan-name", "broken")[0].rstrip() + " 1700000000\n")
        try:
            self.monitoring.until(
                lambda: [*self.monitoring.query("node_textfile_scrape_error").values()] == [1])
            self.monitoring.until(lambda: any(
                alert["labels"]["alertname"] == "StarttlsAuditMetricsUnreadable"
                for alert in self.monitoring.get("alerts")["alerts"]))
        finally:
            broken.unlink()
            self.monitoring.until(
                lambda: [*self.monitoring.query("node_textfile_scrape_error").values()] == [0])


if __name__ == "__main__":
    main()
