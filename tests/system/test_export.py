# SPDX-License-Identifier: MIT
"""`export`: the formats of saved records, each read by a real reader of it, and the frame around them.

UPDATE_GOLDEN=1 writes tests/golden-export/ anew; look at what has changed.
"""

import copy
import html
import json
import os
import re
import resource
import shutil
import stat
import subprocess
import tempfile
import unittest
from collections import Counter
from pathlib import Path

import scan
from case import main
from formats import READERS, check_uri, plain, steps_of
from played import Farm

GOLDEN = Path(__file__).parents[1] / "golden-export"
RECORDS = GOLDEN / "records.ndjson"
UPDATE = os.environ.get("UPDATE_GOLDEN") == "1"
SUFFIXES = {"csv": "csv", "csv-endpoints": "endpoints.csv", "defectdojo": "defectdojo.json",
            "ecs": "ecs.ndjson", "junit": "junit.xml", "prometheus": "prom",
            "sarif": "sarif"}


def line_of(record):
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def records_of(data):
    return [json.loads(line) for line in data.split(b"\n") if line]


def str_of(argument):
    return argument if isinstance(argument, bytes) else str(argument)


def export(*arguments, code=0, stdin=b"", **options):
    """What it prints, and what it says."""
    line = [scan.named_file("STARTTLS_AUDIT"), "export", *map(os.fsencode, map(str_of, arguments))]
    done = subprocess.run(line, input=stdin, capture_output=True, timeout=scan.WATCHDOG, **options)
    said = done.stderr.decode(errors="replace")
    assert done.returncode == code, f"exit {done.returncode}, not {code}: {said}"
    return done.stdout, said


def cell(text):
    """What a cell of a spreadsheet has room for."""
    return text.encode()[:32766].decode(errors="ignore")


def as_format(name, records, *arguments, **options):
    """What the reader of the format finds in the export of these records (or of these bytes)."""
    data = records if isinstance(records, bytes) else b"".join(map(line_of, records))
    output, said = export("--format", name, *arguments, stdin=data, **options)
    return READERS[name](output), said


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.saved = RECORDS.read_bytes()
        cls.records = records_of(cls.saved)

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)

    def endpoints(self):
        return [record for record in self.records if record["type"] == "endpoint"]


class Golden(Case):
    """A small set of records in every format, octet by octet."""

    def test_every_format_is_what_it_was(self):
        for name, suffix in SUFFIXES.items():
            with self.subTest(name):
                output, said = export("--format", name, "--label", "owner", "--scan-name",
                                      "golden", stdin=self.saved)
                self.assertEqual(said, "")
                READERS[name](output)
                file = GOLDEN / f"records.{suffix}"
                if UPDATE:
                    file.write_bytes(output)
                self.assertEqual(output, file.read_bytes())

    def test_a_file_and_standard_input_are_the_same(self):
        for name in READERS:
            self.assertEqual(export("--format", name, RECORDS), export("--format", name, "-",
                                                                      stdin=self.saved))

    def test_every_format_has_a_reader_here(self):
        listed = re.findall(r"(?m)^  ([a-z-]+) +\S", export("--help")[0].decode().split("Formats:")[1])
        self.assertLessEqual(set(READERS), set(listed))
        self.assertIn("'csw'", export("--format", "csw", code=2)[1])
        self.assertIn("--format is missing", export(code=2)[1])


class Csv(Case):
    def test_a_line_a_finding_and_one_for_an_endpoint_without(self):
        rows, _ = as_format("csv", self.saved)
        expected = Counter()
        for record in self.endpoints():
            expected[record["endpoint"]["key"], record["endpoint"]["ip"] or ""] += \
                max(1, len(record["findings"]))
        self.assertEqual(Counter((row["endpoint"], row["ip"]) for row in rows), expected)
        waived = [row for row in rows if row["finding_status"] == "waived"]
        self.assertEqual([row["waiver_id"] for row in waived], ["W-2026-014"])

    def test_a_line_an_endpoint(self):
        rows, _ = as_format("csv-endpoints", self.saved, "--label", "owner", "--label", "nobody")
        self.assertEqual(len(rows), len(self.endpoints()))
        for row, record in zip(rows, self.endpoints()):
            self.assertEqual(row["banner"], record.get("banner", ""))
            self.assertEqual(row["label_owner"], record["endpoint"]["labels"].get("owner", ""))
            self.assertEqual(row["label_nobody"], "")
            tls = record.get("tls") or {}
            for version in tls.get("versions", []):
                self.assertEqual(row[f"{version['protocol']}_{version['version']}"],
                                 version["status"])
            self.assertEqual(int(row["medium"]),
                             sum(finding["severity"] == "medium" and finding["status"] == "open"
                                 for finding in record["findings"]))
            self.check_truth(row["starttls_advertised"], record.get("starttls"), "advertised")
            if tls and "verify" not in tls:
                self.assertEqual((row["cert_trusted"], row["cert_name_match"]), ("unknown",) * 2)
            else:
                self.check_truth(row["cert_trusted"], tls.get("verify"), "trusted")

    def test_a_certificate_that_was_asked_for_and_not_seen(self):
        records = copy.deepcopy(self.records)
        record = next(r for r in records if (r.get("tls") or {}).get("verify"))
        del record["tls"]["verify"], record["auth"]["login_disabled"]
        rows, _ = as_format("csv-endpoints", records)
        row = next(row for row in rows if row["endpoint"] == record["endpoint"]["key"])
        self.assertEqual([row[name] for name in
                          ("cert_trusted", "cert_name_match", "login_disabled_before_tls")],
                         ["unknown"] * 3)

    def check_truth(self, field, parent, name):
        """Three values, and one more: it does not apply."""
        expected = ("" if parent is None else "unknown" if name not in parent else
                    {True: "true", False: "false", None: ""}[parent[name]])
        self.assertEqual(field, expected)


class DefectDojo(Case):
    def test_one_finding_of_each_fingerprint_and_the_open_one_has_the_word(self):
        document, said = as_format("defectdojo", self.saved)
        self.assertEqual(said, "")
        found = {finding["unique_id_from_tool"]: finding for finding in document["findings"]}
        self.assertEqual(set(found), {finding["fingerprint"] for record in self.endpoints()
                                      for finding in record["findings"]})
        # Waived at one address, and not any more at the other.
        tls10 = found["f1-" + 32 * "c"]
        self.assertTrue(tls10["active"])
        self.assertEqual(steps_of(tls10)["seen at"], "2001:db8::25")
        self.assertEqual(steps_of(found["f1-" + 32 * "8"])["evidence"], "days_left: 10")

    def test_in_whatever_order_they_come(self):
        start, *middle, end = self.records
        reverse, _ = as_format("defectdojo", [start, *reversed(middle), end])
        forward, _ = as_format("defectdojo", self.saved)
        lasting = [{finding["unique_id_from_tool"]: {**finding, "steps_to_reproduce": None}
                    for finding in document["findings"]} for document in (forward, reverse)]
        self.assertEqual(*lasting)

    def test_a_waived_finding_is_an_accepted_risk(self):
        record = copy.deepcopy(self.records[1])
        document, _ = as_format("defectdojo", [self.records[0], record, self.records[-1]])
        waived = [finding for finding in document["findings"] if finding["risk_accepted"]]
        self.assertEqual(len(waived), 1)
        self.assertFalse(waived[0]["active"])
        self.assertEqual(steps_of(waived[0])["waived"],
                         "W-2026-014 until 2027-01-31, approved by security@example.test, "
                         "SEC-1234: A printer, replaced in January")

    def test_what_it_is_told_apart_by_is_the_same_in_every_run(self):
        later = copy.deepcopy(self.records)
        for record in later:
            record["run_id"] = "01a2097e-4580-7c3e-9b1f-ffffffffffff"
            record["time"] = "2026-11-24T17:44:02.279Z"
            if record["type"] == "endpoint":
                record["endpoint"]["ip"] = "192.0.2.99"
                for finding in record["findings"]:
                    finding["evidence"] = {"days_left": 3}
        first, second = (as_format("defectdojo", records)[0]["findings"]
                         for records in (self.records, later))
        for name in ("title", "cwe", "description", "unique_id_from_tool", "endpoints"):
            self.assertEqual([finding.get(name) for finding in first],
                             [finding.get(name) for finding in second], name)
        self.assertTrue(all("://" in finding["title"] and "://" in finding["description"]
                            for finding in first))

    def test_an_incomplete_run_must_close_nothing(self):
        document, said = as_format("defectdojo", self.records[:-1], code=3)
        self.assertIn("close_old_findings=false", said)
        self.assertIn("incomplete", document["description"])
        self.assertEqual(len(document["findings"]), 7)

    def test_nor_must_a_shard(self):
        start = {**self.records[0], "shard": {"index": 0, "count": 2}}
        _, said = as_format("defectdojo", [start, *self.records[1:]])
        self.assertIn("close_old_findings=false", said)


class Junit(Case):
    @unittest.skipUnless(shutil.which("xmllint"), "xmllint (libxml2-utils) is not installed")
    def test_the_schema_refuses_what_is_none(self):
        good = export("--format", "junit", stdin=self.saved)[0]
        READERS["junit"](good)
        for old, new in ((b' tests="7"', b""), (b"<testcase ", b"<test "), (b' errors="1"', b' errors="x"'),
                         (b"</skipped>", b"</skipped><error/>"), (b' name="scan"', b"")):
            with self.assertRaises(AssertionError, msg=new):
                READERS["junit"](good.replace(old, new, 1))

    def outcomes(self, suite):
        return {case.get("name"): ([child.tag for child in case] or ["passed"])[0]
                for case in suite.findall("testcase")}

    def test_a_suite_an_endpoint_and_a_test_a_rule(self):
        root, _ = as_format("junit", self.saved)
        self.assertEqual(len(root), len(self.endpoints()))
        first, second = root[0], root[1]
        self.assertEqual(first.get("name"), "imap://mail.example.test:143 (192.0.2.25)")
        self.assertEqual(self.outcomes(first), {
            "CERT-EXPIRES-SOON": "failure", "TLS-1.0-SUPPORTED": "skipped",
            "AUTH-MECH-WEAK": "failure", "IMAP-REV1-ONLY": "system-out",
            "CLEARTEXT-LOGIN-ALLOWED": "error", "TLS-COMPRESSION": "skipped",
            "STARTTLS-INJECTION": "passed"})
        self.assertEqual(self.outcomes(second)["TLS-1.0-SUPPORTED"], "failure")
        skipped = {case.get("name"): case.find("skipped").get("message")
                   for case in first.findall("testcase") if case.find("skipped") is not None}
        self.assertEqual(skipped["TLS-COMPRESSION"], "not tested: not_asked")
        self.assertIn("waived: W-2026-014 until 2027-01-31", skipped["TLS-1.0-SUPPORTED"])

    def test_a_rule_that_failed_never_passes(self):
        record = {**self.records[1], "findings": []}
        root, _ = as_format("junit", [self.records[0], record, self.records[-1]])
        outcomes = self.outcomes(root[0])
        self.assertEqual({outcomes[rule] for rule in record["checks"]["fail"]}, {"failure"})

    def test_all_findings_of_a_rule_are_in_its_test(self):
        root, _ = as_format("junit", self.saved)
        failure = root[0].find("testcase[@name='AUTH-MECH-WEAK']/failure")
        self.assertEqual((failure.get("type"), failure.get("message")),
                         ("low", "A weak mechanism is offered"))
        self.assertIn("CRAM-MD5", failure.text)
        self.assertIn("DIGEST-MD5", failure.text)


class Sarif(Case):
    def test_a_result_a_finding_at_the_line_of_its_target(self):
        log, _ = as_format("sarif", self.saved)
        results = log["runs"][0]["results"]
        findings = [(record, finding) for record in self.endpoints()
                    for finding in record["findings"]]
        self.assertEqual(len(log["runs"]), 1)
        self.assertEqual(len(results), len(findings))
        for result, (record, finding) in zip(results, findings):
            place = result["locations"][0]["physicalLocation"]
            source = record["endpoint"]["source"]
            self.assertEqual(result["ruleId"], finding["rule"])
            self.assertEqual(check_uri(place["artifactLocation"]), source["file"] or "targets")
            self.assertEqual(place["region"]["startLine"], source["line"])
            self.assertEqual(bool(result["suppressions"]), finding["status"] == "waived")
            self.assertEqual(result.get("baselineState"),
                             {"new": "new", "known": "unchanged"}.get(finding.get("baseline")))
            self.assertEqual(set(result["partialFingerprints"].values()),
                             {finding["fingerprint"]})

    def test_places(self):
        for file, path in ((None, "targets"), ("-", "targets"), ("./a b.txt", "a b.txt"),
                           ("c:d#é%.txt", "c:d#é%.txt"), ("/etc/t.txt", "/etc/t.txt"),
                           ("//host/t", "//host/t"), ("../x", "../x")):
            record = copy.deepcopy(self.records[1])
            record["endpoint"]["source"] = {"file": file, "line": 3}
            log, _ = as_format("sarif", [record], code=3)
            location = log["runs"][0]["results"][0]["locations"][0]
            self.assertEqual(check_uri(location["physicalLocation"]["artifactLocation"]), path)

    def test_a_run_each_with_its_own_rules(self):
        cut = self.records[:2]
        log, _ = as_format("sarif", cut + self.records, code=3)
        self.assertEqual([run["invocations"][0]["executionSuccessful"] for run in log["runs"]],
                         [False, True])
        self.assertEqual([len(run["results"]) for run in log["runs"]], [5, 9])

    def test_it_says_when_there_are_too_many(self):
        small = {name: self.records[1][name]
                 for name in ("schema", "type", "run_id", "endpoint", "findings")}
        _, said = as_format("sarif", self.records[:1] + 5001 * [small] + self.records[-1:])
        self.assertEqual(said.count("more than 25000"), 1)


class Ecs(Case):
    def test_a_document_each_and_the_same_ids_again(self):
        documents, _ = as_format("ecs", self.saved)
        kinds = Counter(document["event"]["dataset"] for document in documents.values())
        findings = [finding for record in self.endpoints() for finding in record["findings"]]
        self.assertEqual(kinds["starttls_audit.finding"], len(findings))
        self.assertEqual(kinds["starttls_audit.endpoint"], len(self.endpoints()))
        self.assertEqual(list(documents), list(as_format("ecs", self.saved)[0]))
        by_severity = Counter(document["vulnerability"]["severity"].lower()
                              for document in documents.values() if "vulnerability" in document)
        self.assertEqual(by_severity, Counter(finding["severity"] for finding in findings))

    def test_facts(self):
        documents, _ = as_format("ecs", self.saved)
        document = next(iter(documents.values()))
        certificate = self.records[1]["tls"]["certificate"]
        self.assertEqual(document["tls"]["server"]["hash"]["sha256"],
                         certificate["sha256"].upper())
        self.assertEqual(document["tls"]["server"]["x509"]["serial_number"], "04A1F3C2")
        self.assertEqual(document["server"], {"address": "mail.example.test", "ip": "192.0.2.25",
                                              "domain": "mail.example.test", "port": 143})
        self.assertEqual(document["starttls_audit"]["tls"]["versions_accepted"], ["1.2", "1.3"])

    def test_names_of_labels_and_long_texts(self):
        record = copy.deepcopy(self.records[1])
        labels = {"a.b": "1", "a_b": "2", "": "3", "owner": "é" * 5000, "x\"<y": "4"}
        record["endpoint"]["labels"] = labels
        record["run_id"] = "r" * 9000
        documents, _ = as_format("ecs", [record], code=3)
        document = next(iter(documents.values()))
        self.assertEqual(document["labels"], {"a_b": "1", "owner": "é" * 4096, "x__y": "4"})


def flat(text):
    """As a paragraph has it."""
    return re.sub("[\n\t]", " ", text.lstrip(" \n\t"))


def shown(markdown):
    """What is read where Markdown is rendered, if nothing in it is markup."""
    return re.sub(r"\\([!-/:-@\[-`{-~])|(&[a-z0-9#]+;)",
                  lambda found: found[1] or html.unescape(found[2]), markdown)


class Hostile(Case):
    """Whatever stands in a record comes back as it was, from every format, and does nothing."""

    TEXTS = {
        "script": "</script><script>alert('1')</script><!--",
        "entities": "&lt;&amp;&#x0;&bogus;",
        "quotes": "\"'`\\\" \\ \\u0041 \"\"\"",
        "lines": "one\ntwo\n\nthree\n",
        "tabs": "\ta\tb",
        "csv": "a,b;c|d\t\"e\"\nf,\"",
        "cdata": "]]> <![CDATA[ -- --> ?>",
        "json": '","x":{"y":[1,2]},"z":"',
        "braces": "{0} {{1}} }{ ](http://x.test) [a](b) \\](",
        "markdown": "![x](http://x.test/y.png)\n\n# h\n```\n",
        "prometheus": "x{y=\"z\"} 1\n# TYPE a gauge",
        "directions": "\u202e\u2066abc\u2069 \u200f\u200b\ufeff",
        "separators": "a\u2028b\u2029c",
        "others": "\ufffe \uffff \U0010ffff \ue000 é 漢 👩‍👩‍👧",
        "long": "x" * 65536,
        "longer": "é<" * 20000 + "]]>",
        **{f"formula {c!r}": c + "1+cmd|' /C calc'!A0" for c in "=+-@'\t\n＝＋－＠"},
        "formula behind blanks": "  =1+1",
    }
    # As JSON can write them: what a scan would have cleaned is cleaned here.
    ESCAPED = {r"\u001b[31mred\u0007": "\ufffd[31mred\ufffd", r"\u009b0m": "\ufffd0m",
               r"\b\f\r": "\ufffd" * 3, r"a\u007fb": "a\ufffdb"}

    def record(self, text):
        """A record with the text wherever a record has one."""
        record = copy.deepcopy(self.records[1])
        endpoint, tls = record["endpoint"], record["tls"]
        endpoint.update(host=text, sni=text, labels={"owner": text}, key=f"imap://{text}:143")
        endpoint["source"]["file"] = text
        record["banner"] = record["starttls"]["reply"] = text
        record["auth"]["capabilities"]["before_tls"] = [text, "B"]
        record["auth"]["mechanisms"]["before_tls"] = [text]
        tls["certificate"].update(subject_dn=text, issuer_dn=text, san_dns=[text, "b.test"])
        record["error"] = {"stage": "banner", "code": text, "message": text}
        record["policies"][0]["name"] = text
        record["checks"]["reasons"][0]["reason"] = text
        record["findings"] = record["findings"][:2]
        for finding in record["findings"]:
            finding.update(title=text, description=text, remediation=text, references=[text, "R"],
                           evidence={"it": text, "list": [text, 1, True, None]})
        record["findings"][1]["waiver"].update(id=text, reason=text, approved_by=text, ticket=text)
        return record

    def check(self, data, expected):
        for name, check in (("csv", self.check_csv), ("csv-endpoints", self.check_csv_endpoints),
                            ("defectdojo", self.check_defectdojo), ("junit", self.check_junit),
                            ("sarif", self.check_sarif), ("ecs", self.check_ecs)):
            with self.subTest(name, text=expected[:20]):
                check(as_format(name, data, "--label", "owner", code=3)[0], expected)

    def evidence(self, text):
        return f"it: {text}; list: {text}, 1, true, none"

    def check_csv(self, rows, text):
        self.assertEqual(len(rows), 2)
        for row in rows:
            self.assertEqual([row["host"], row["label_owner"], row["title"], row["remediation"]],
                             4 * [cell(text)])
            self.assertEqual(row["endpoint"], cell(f"imap://{text}:143"))
            self.assertEqual(row["evidence"], cell(self.evidence(text)))
            self.assertEqual(row["references"], cell(f"{text}; R"))
        self.assertEqual([rows[1]["waiver_id"], rows[1]["waiver_reason"]], 2 * [cell(text)])

    def check_csv_endpoints(self, rows, text):
        self.assertEqual(len(rows), 1)
        for name in ("banner", "error_code", "error_message", "cert_subject", "cert_issuer",
                     "mechanisms_before_tls"):
            self.assertEqual(rows[0][name], cell(text), name)
        self.assertEqual(rows[0]["capabilities_before_tls"], cell(f"{text}; B"))
        self.assertEqual(rows[0]["policies"],
                         cell(f"{text}: fail; pci-dss-4.0.1: not_tested"))

    def check_defectdojo(self, document, text):
        self.assertEqual(len(document["findings"]), 2)
        for finding in document["findings"]:
            for name in ("title", "description", "references", "mitigation"):
                self.assertNotRegex(finding.get(name, ""), r"(?<!\\)(\\\\)*([<`*|]|\]\(|\]\[)", name)
            self.assertEqual(shown(finding["title"]), f"{flat(text)}: {flat(f'imap://{text}:143')}")
            self.assertEqual(shown(finding["description"]),
                             f"{flat(f'imap://{text}:143')}\n\n{flat(text)}")
            self.assertEqual(shown(finding["references"]), f"{flat(text)}\nR")
            self.assertEqual(shown(finding.get("mitigation", "")), flat(text))
            self.assertEqual(steps_of(finding)["evidence"], self.evidence(text))
        waived = steps_of(document["findings"][1])["waived"]
        if text:
            self.assertEqual(waived, f"{text} until 2027-01-31, approved by {text}, {text}: {text}")

    def check_junit(self, root, text):
        text = text.replace("\ufffe", "\ufffd").replace("\uffff", "\ufffd")
        suite = root[0]
        self.assertEqual(len(root), 1)
        self.assertEqual(suite.get("hostname"), text)
        self.assertEqual(suite.find("properties/property[@name='label_owner']").get("value"), text)
        case = suite.find("testcase[@name='CERT-EXPIRES-SOON']")
        self.assertEqual(case.get("classname"), f"imap://{text}:143")
        self.assertEqual(case.find("failure").get("message"), text)
        self.assertIn(f"seen: {self.evidence(text)}\n", case.find("failure").text)
        skipped = suite.find("testcase[@name='TLS-COMPRESSION']/skipped")
        self.assertEqual(skipped.get("message"), f"not tested: {text}")

    def check_sarif(self, log, text):
        results = log["runs"][0]["results"]
        self.assertEqual(len(results), 2)
        for result in results:
            location = result["locations"][0]
            self.assertEqual(location["logicalLocations"][0]["fullyQualifiedName"],
                             f"imap://{text}:143")
            self.assertEqual(result["properties"]["evidence"], self.evidence(text))
            self.assertIn(self.evidence(text), plain(result["message"]))
            self.assertIn(check_uri(location["physicalLocation"]["artifactLocation"]),
                          (text, "targets"))
        self.assertEqual(results[1]["suppressions"][0]["justification"], text)
        self.assertEqual(plain(log["runs"][0]["tool"]["driver"]["rules"][0]["fullDescription"]),
                         text)

    def check_ecs(self, documents, text):
        cut = text.encode()[:8192].decode(errors="ignore")
        endpoint, finding = list(documents.values())[:2]
        self.assertEqual(len(documents), 3)
        self.assertEqual(endpoint["starttls_audit"].get("banner", ""), cut)
        self.assertEqual(endpoint.get("labels", {}).get("owner", ""), cut)
        self.assertEqual(endpoint["tls"]["server"].get("subject", ""), cut)
        self.assertEqual(endpoint["server"].get("address", ""), cut)
        self.assertEqual(finding["vulnerability"].get("description", ""), cut)
        self.assertEqual(finding["starttls_audit"]["evidence"],
                         self.evidence(text).encode()[:8192].decode(errors="ignore"))

    def test_texts(self):
        for text in self.TEXTS.values():
            self.check(line_of(self.record(text)), text)

    def test_what_json_can_write_and_a_scan_would_not(self):
        mark = "0MARK0"
        for escaped, cleaned in self.ESCAPED.items():
            line = line_of(self.record(mark)).replace(mark.encode(), escaped.encode())
            self.check(line, cleaned)

    def test_a_text_ends_at_nul(self):
        line = line_of(self.record("0MARK0")).replace(b"0MARK0", rb"left\u0000lost")
        for name in READERS:
            output, _ = export("--format", name, stdin=line, code=3)
            READERS[name](output)
            self.assertIn(b"left", output)
            self.assertNotIn(b"lost", output)

    def test_raw_control_characters_and_bad_utf_8_are_no_records(self):
        good, mark = line_of(self.records[1]), "0MARK0"
        for raw in (b"\x1b[31m", b"\x00", b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", b"\xc2\x85"):
            bad = line_of(self.record(mark)).replace(mark.encode(), raw)
            for name in READERS:
                _, said = as_format(name, good + bad, code=2)
                self.assertIn("standard input:2: not JSON, or not clean text", said)

    def test_members_of_other_types_are_passed_over(self):
        def twist(value, depth=0):
            if isinstance(value, dict):
                return {name: twist(member, depth + 1) for name, member in value.items()}
            return {"x": value} if depth % 2 else [value, None, 1e308, -5, True, "y", [["z"]]]
        record = {**twist(self.records[1]), "type": "endpoint", "schema": "1.9"}
        for odd in (record, {"schema": "1.0", "type": "endpoint"},
                    {"schema": "1.0", "type": "endpoint", "findings": [1, None, {}], "checks": []},
                    {**self.records[1], "duration_ms": 1e999, "endpoint": []}):
            for name in set(READERS) - {"ecs"}:
                as_format(name, line_of(odd).replace(b"Infinity", b"1e999"), code=3)
            export("--format", "ecs", stdin=line_of(odd).replace(b"Infinity", b"1e999"), code=3)

    def test_names_of_options_must_be_clean(self):
        for option in ("--scan-name", "--title", "--label"):
            for text in ("\x1b[31m", b"\xff"):
                _, said = export("--format", "csv", option, text, stdin=self.saved, code=2)
                self.assertIn("not clean text", said)
        _, said = export("--format", "csv", "--label", "a", "--label", "a", stdin=self.saved, code=2)
        self.assertIn("a label is given twice", said)
        rows, _ = as_format("csv", self.saved, "--scan-name", "=1+\"<x>\"", "--label", "\"=,")
        self.assertEqual(rows[0]["scan"], "=1+\"<x>\"")
        self.assertIn('label_"=,', rows[0])
        for name in READERS:
            as_format(name, self.saved, "--scan-name", "=\"<&]]>\u2028", "--label", "<\"&\n")


class Frame(Case):
    """Files, runs, lines that are none, and what cannot be written."""

    def target(self):
        path = self.directory / "out.csv"
        path.write_bytes(b"yesterday")
        return path

    def alone(self, path):
        self.assertEqual([entry.name for entry in self.directory.iterdir()], [path.name])

    def test_without_a_record_nothing_is_written(self):
        for data in (b"", b"\n", b"garbage\n", b'{"type":"endpoint"}\n', b'{"schema":"2.0","type":"x"}\n',
                     self.saved[:500]):
            for name in READERS:
                path = self.target()
                output, said = export("--format", name, "-o", path, stdin=data, code=2)
                self.assertIn("there is no record, so nothing is written", said)
                self.assertEqual(path.read_bytes(), b"yesterday")
                self.assertEqual(export("--format", name, stdin=data, code=2)[0], b"")
        self.alone(path)

    def test_lines_that_are_none_are_told_and_left_out(self):
        lines = self.saved.splitlines(keepends=True)
        spoilt = b"".join([lines[0], b"nonsense\n", *lines[1:], b"{}\n"])
        for name in READERS:
            output, said = export("--format", name, stdin=spoilt, code=2)
            self.assertEqual(output, export("--format", name, stdin=self.saved)[0])
            self.assertIn("standard input:2: not JSON", said)
            self.assertIn(f"standard input:{len(lines) + 2}: no record", said)

    def test_a_line_that_is_too_long(self):
        long = b'{"schema":"1.0","type":"endpoint","banner":"' + b"x" * (5 << 20) + b'"}\n'
        _, said = export("--format", "csv", stdin=self.saved + long, code=2)
        self.assertIn("longer than a record can be", said)

    def test_a_torn_line_is_passed_over(self):
        for name in READERS:
            _, said = as_format(name, self.saved[:-20], code=3)
            self.assertIn("the last line is torn, and passed over", said)
            self.assertIn("the run above has no end", said)
        # Whole, but for its end.
        as_format("csv", self.saved[:-1])

    def test_runs_that_are_not_complete(self):
        start, first, end = self.records[0], self.records[1], self.records[-1]
        for records, code, what in (
                ([start, first, end], 0, None),
                ([start, first], 3, "has no end"),
                ([start, first, {**end, "complete": False, "stopped_by": "signal"}], 3,
                 "is not complete"),
                ([start, {**end, "exit_code": 3}], 3, "nothing answered"),
                ([start, first, {**end, "exit_code": 1}], 0, None),
                ([start, first, start, first, end], 3, "has no end"),
                ([start, first, end, start, first, end], 0, None)):
            rows, said = as_format("csv", records, code=code)
            self.assertEqual(len(rows), 5 * records.count(first))
            self.assertEqual(said == "", code == 0, said)
            self.assertIn(what or "", said)

    def test_several_files(self):
        names = []
        for i in range(3):
            names.append(self.directory / f"{i}.ndjson")
            names[i].write_bytes(self.saved)
        rows = [READERS["csv"](export("--format", "csv", *files)[0])
                for files in (names[:1], names, [names[0], "-", names[1]])]
        self.assertEqual([len(found) for found in rows], [16, 48, 32])
        document = READERS["defectdojo"](export("--format", "defectdojo", *names)[0])
        self.assertEqual(len(document["findings"]), 7)
        _, said = export("--format", "csv", names[0], self.directory / "none", code=2)
        self.assertIn("none: No such file", said)
        _, said = export("--format", "csv", self.directory, code=2)
        self.assertIn("Is a directory", said)
        self.assertEqual(said.count("\n"), 1, said)

    def test_a_file_is_replaced_at_once_and_keeps_its_rights(self):
        path = self.target()
        path.chmod(0o604)
        before = os.stat(path).st_ino
        export("--format", "csv", "-o", path, RECORDS, umask=0o027)
        self.assertNotEqual(os.stat(path).st_ino, before)
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o604)
        export("--format", "csv", "-o", self.directory / "new", RECORDS, umask=0)
        self.assertEqual(stat.S_IMODE(os.stat(self.directory / "new").st_mode), 0o640)
        (self.directory / "new").unlink()
        self.assertEqual(path.read_bytes(), export("--format", "csv", RECORDS)[0])
        self.alone(path)
        self.assertEqual(export("--format", "csv", "-o", "-", RECORDS)[0], path.read_bytes())

    def test_a_file_is_as_it_was_if_it_cannot_be_written(self):
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        for name in READERS:
            path = self.target()
            _, said = export("--format", name, "-o", path, RECORDS, code=2, preexec_fn=limit)
            self.assertIn("File too large", said)
            self.assertEqual(path.read_bytes(), b"yesterday")
            self.alone(path)
        _, said = export("--format", "csv", "-o", self.directory / "none" / "x", RECORDS, code=2)
        self.assertIn("No such file", said)

    def test_a_full_disk_and_a_reader_that_left(self):
        with open("/dev/full", "wb") as full:
            line = [scan.named_file("STARTTLS_AUDIT"), "export", "--format", "csv", RECORDS]
            done = subprocess.run(line, stdout=full, stderr=subprocess.PIPE, timeout=60)
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"standard output: No space left", done.stderr)
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(line, stdout=writer, stderr=subprocess.PIPE, timeout=60)
        os.close(writer)
        self.assertEqual((done.returncode, done.stderr), (2, b"standard output: Broken pipe\n"))

    def test_a_file_is_not_read_and_written(self):
        path = self.directory / "r.ndjson"
        path.write_bytes(self.saved)
        _, said = export("--format", "csv", "-o", path, path, code=2)
        self.assertIn("is read, and cannot be written", said)
        with open(path, "rb") as records:
            done = subprocess.run([scan.named_file("STARTTLS_AUDIT"), "export", "--format", "csv",
                                   "-o", path], stdin=records, capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 2)
        self.assertEqual(path.read_bytes(), self.saved)

    def test_records_are_not_kept(self):
        """What it takes does not grow with the records: these are 20 MB."""
        block = b"".join(map(line_of, self.endpoints()[:1])) * 100
        for name in ("csv-endpoints", "ecs", "junit", "sarif"):
            peaks = [self.peak(name, block, count) for count in (2, 30)]
            self.assertLess(peaks[1] - peaks[0], 8 << 10, f"{name}: {peaks} KiB")

    def peak(self, name, block, count):
        """KiB of memory at the most."""
        environment = {**os.environ, "ASAN_OPTIONS": "quarantine_size_mb=1:" +
                       "thread_local_quarantine_size_kb=64:detect_leaks=0"}
        process = subprocess.Popen([scan.named_file("STARTTLS_AUDIT"), "export", "--format", name],
                                   stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, env=environment)
        for _ in range(count):
            process.stdin.write(block)
        process.stdin.flush()
        status = Path(f"/proc/{process.pid}/status").read_text()
        process.stdin.close()
        self.assertEqual(process.wait(60), 3)
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1])


class Scanned(unittest.TestCase):
    """A scan of played servers, good, bad and hostile, through every format."""

    @classmethod
    def setUpClass(cls):
        cls.farm = Farm()
        cls.addClassCleanup(cls.farm.close)
        for protocol in ("imap", "smtp", "pop3", "ftp"):
            cls.farm.add(protocol, greeting="hostile")
        cls.farm.add("imap", login="allowed", versions="ssl3,1.0", cert="weakkey")
        cls.farm.add("imap", greeting="preauth")
        cls.farm.add("imap", "implicit", cert="expired")
        cls.farm.add("smtp", greeting="busy")
        cls.farm.add("smtp", starttls="die")
        cls.farm.start()
        targets = cls.farm.directory / "mail targets.txt"
        targets.write_text("".join(f"{target} owner==team,{i}\n"
                                   for i, target in enumerate(cls.farm.targets())))
        done = subprocess.run(scan.command("--ca-file", cls.farm.ca_file, "--greeting-timeout",
                                           "2", "-f", targets), stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=scan.WATCHDOG)
        assert done.returncode == 0, done.stderr
        cls.output = done.stdout
        cls.endpoints = [record for record in records_of(done.stdout)
                         if record["type"] == "endpoint"]
        assert len(cls.endpoints) == 9

    def test_every_format(self):
        found = {name: as_format(name, self.output, "--label", "owner")[0] for name in READERS}
        findings = [finding for record in self.endpoints for finding in record["findings"]]
        self.assertGreater(len(findings), 15)
        by_rule = Counter(finding["rule"] for finding in findings)
        self.assertEqual(Counter(row["rule"] for row in found["csv"] if row["rule"]), by_rule)
        self.assertEqual(Counter(finding["vuln_id_from_tool"]
                                 for finding in found["defectdojo"]["findings"]), by_rule)
        self.assertEqual(Counter(result["ruleId"]
                                 for result in found["sarif"]["runs"][0]["results"]), by_rule)
        self.assertEqual(Counter(document["rule"]["id"] for document in found["ecs"].values()
                                 if "rule" in document), by_rule)
        failed = Counter(case.get("name") for case in found["junit"].iter("testcase")
                         if case.find("failure") is not None)
        self.assertEqual(failed, Counter(rule for record in self.endpoints for rule in
                                         {finding["rule"] for finding in record["findings"]
                                          if finding["severity"] != "info"}))
        for row, record in zip(found["csv-endpoints"], self.endpoints):
            self.assertEqual(row["banner"], record.get("banner", ""))
            self.assertTrue(row["label_owner"].startswith("=team,"))

    def test_straight_from_a_scan(self):
        """No file between them."""
        scanning = subprocess.Popen(scan.command("--ca-file", self.farm.ca_file,
                                                 *self.farm.targets()[:2]),
                                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        line = [scan.named_file("STARTTLS_AUDIT"), "export", "--format", "csv-endpoints"]
        done = subprocess.run(line, stdin=scanning.stdout, capture_output=True, timeout=60)
        scanning.stdout.close()
        self.assertEqual((done.returncode, scanning.wait(60)), (0, 0), done.stderr)
        self.assertEqual(len(READERS["csv-endpoints"](done.stdout)), 2)


if __name__ == "__main__":
    main()
