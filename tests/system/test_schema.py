#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Schema, golden records and validator agree; each broken record is refused for its own reason."""

import copy
import hashlib
import json
import unittest
from pathlib import Path

from jsonschema import Draft202012Validator

import validate

GOLDEN = Path(__file__).resolve().parents[1] / "golden"

# What is wrong with the records in golden/bad: a part of one of the problems.
BROKEN = {
    "advertised-left-out-without-a-reason": "/starttls/advertised: left out",
    "anonymous-of-imap": "/auth/anonymous: null for other protocols than FTP",
    "baseline-of-some-findings": "/findings: not all of them are known or new",
    "capabilities-not-sorted": "/auth/capabilities/before_tls: not sorted",
    "change-of-a-finding-without-rule": "/rule: null, and the change is finding_resolved",
    "change-with-half-a-finding": "/rule: it is about a finding, or about none",
    "checkpoint-findings-not-worst-first": "/findings: not the worst first",
    "checkpoint-pending-not-ascending": "/pending: not ascending",
    "checkpoint-pending-not-begun": "/pending: 128 was not begun",
    "checkpoint-without-cursor": "'cursor' is a required property",
    "clause-twice": "/policies/0/clauses: a clause is there twice",
    "control-character-in-banner": "/banner: '* OK \\x1b[2J ready.' does not match",
    "control-character-in-label": "/endpoint/labels: control character U+0085",
    "data-channel-of-imap": "/data_channel: null for other protocols than FTP",
    "encrypt-then-mac-of-a-rejected-version": "/tls/versions/3/status: 'accepted' was expected",
    "findings-not-worst-first": "/findings: not the worst first",
    "five-versions": "is too short",
    "handshake-ok-and-not-established": "/tls/established: False, and the handshake is ok",
    "inconclusive-without-reason": "/tls/versions/0: 'reason' is a required property",
    "injection-inconclusive-without-reason": "/starttls/injection_reason: None, and",
    "injection-reply-without-test": "/starttls/injection_reply: of a test that was not made",
    "injection-where-upgrade-refused": "/starttls/injection: tested where the upgrade",
    "key-of-another-port": "/endpoint/key: imap://mail.example.test:144",
    "link-without-issuer": "/tls/chain/1: in unknown if and only if something is left out",
    "login-accepted-without-confidence": "/auth/cleartext_login/confidence: None of accepted",
    "login-not-tested-with-credentials": "/auth/cleartext_login: not tested, and yet",
    "login-not-tested-with-reply": "/auth/cleartext_login: not tested, and yet",
    "login-with-reason": "/auth/cleartext_login/reason: timeout, and the verdict is refused",
    "lossy-of-no-member": "/lossy: /starttls/answer is not in the record",
    "member-twice": "a member is there twice: cursor",
    "not-asked-of-another-port": "/endpoint/key: imap://[2001:db8::25]:143 is not made of",
    "not-tested-without-reason": "/checks/reasons: one for each",
    "ok-with-error": "and the status is ok",
    "ok-without-source": "/endpoint/source_ip: null, and the status is ok",
    "policy-milder-than-its-clauses": "/policies/0/verdict: warn, and the clauses say fail",
    "policy-twice": "/policies: a policy is there twice",
    "protection-reply-alone": "/data_channel/protection_reply: there if and only if",
    "reason-of-a-passed-rule": "/checks/reasons: one for each",
    "refused-without-error": "/error: None, and the status is refused",
    "rejected-by-alert-without-number": "/tls/versions/3: 'alert' is a required property",
    "rejected-by-nothing": "/tls/versions/1: 'by' is a required property",
    "required-null-of-smtp": "/starttls/required: null for other protocols than SMTP",
    "run-end-complete-and-stopped": "/stopped_by: signal, and the run is complete",
    "run-end-findings-not-worst-first": "/findings: not the worst first",
    "run-end-interrupted-exit-0": "/exit_code: 0, and the run is not complete",
    "run-end-more-new-than-open": "/findings_new: more than there are of medium",
    "run-end-stale-waiver-of-a-finding": "/waivers/0/state: stale, and 1 findings have it",
    "run-end-used-waiver-past-its-day": "/waivers/1/state: used, and its last day is 2026-11-22",
    "run-end-waivers-not-by-id": "/waivers: not by id",
    "run-end-without-waived": "'waived' is a required property",
    "run-start-without-ruleset": "'ruleset' is a required property",
    "sign-of-another-verdict": "/starttls/injection_sign: forgotten, and",
    "sign-without-verdict": "/starttls/injection_sign: answered_inside, and",
    "starttls-inside-of-ftp": "/tls/starttls_accepted_inside: null for FTP",
    "starttls-on-implicit": "/starttls: not null on an implicit port",
    "tls-left-out-without-a-reason": "/tls: left out, and not in unknown",
    "tls-null-after-accepted-upgrade": "/tls: null if and only if the upgrade was refused",
    "tls-there-after-refused-upgrade": "/tls: null if and only if the upgrade was refused",
    "undocumented-member": "'grade' was unexpected",
    "unknown-below-unknown": "/unknown: /tls/version is no member that could be left out",
    "unknown-of-no-member": "/unknown: /starttls/accpeted is no member that could be left out",
    "unknown-type": "/type: 'end' is not one of",
    "unverified-of-no-clause": "/policies/1/unverified: PCI DSS 6.2 is none",
    "uuid-of-version-4": "/run_id: '01a2097e-4580-4c3e",
    "value-and-unknown": "/banner: has a value, and is in unknown",
    "versions-accepted-lacks-one": "/tls/versions_accepted: ['1.3'], and the versions say",
    "versions-out-of-order": "/tls/versions/2/version: '1.0' was expected",
    "waived-by-an-expired-waiver": "/findings/0/status: waived if and only if",
    "waiver-past-its-day": "/findings/0/waiver/expired: False, of 2026-11-23",
    "wrong-type": "/starttls/accepted: 'yes' is not of type 'boolean'",
}
SEVERAL_PROBLEMS = {"five-versions", "versions-out-of-order"}


def golden(name):
    return json.loads((GOLDEN / f"{name}.json").read_text())


def run_of(*records):
    """The bytes of an output file."""
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


class Schema(unittest.TestCase):
    def test_is_a_schema(self):
        Draft202012Validator.check_schema(validate.SCHEMA)

    def test_is_open_to_members_of_a_later_minor_version(self):
        record = golden("bad/undocumented-member")
        self.assertEqual(list(Draft202012Validator(validate.SCHEMA).iter_errors(record)), [])

    def test_closing_changes_only_the_copy(self):
        self.assertNotIn('"additionalProperties": false', json.dumps(validate.SCHEMA))


class Golden(unittest.TestCase):
    def test_all_are_valid(self):
        files = sorted(GOLDEN.glob("*.json"))
        self.assertTrue(files)
        for file in files:
            with self.subTest(file.stem):
                self.assertEqual(validate.check_file(file), [])

    def test_each_broken_one_is_refused_for_its_reason(self):
        self.assertEqual({file.stem for file in (GOLDEN / "bad").glob("*.json")}, set(BROKEN))
        for name, reason in BROKEN.items():
            with self.subTest(name):
                problems = validate.check_file(GOLDEN / "bad" / f"{name}.json")
                self.assertIn(reason, "\n".join(problems))
                if name not in SEVERAL_PROBLEMS:
                    self.assertEqual(len(problems), 1, problems)

    def test_every_status_and_type_is_there(self):
        records = [json.loads(file.read_text()) for file in GOLDEN.glob("*.json")]
        definitions = validate.SCHEMA["$defs"]
        self.assertEqual({r["status"] for r in records if r["type"] == "endpoint"},
                         set(definitions["status"]["enum"]))
        self.assertEqual({r["type"] for r in records},
                         set(validate.SCHEMA["properties"]["type"]["enum"]))

    def test_no_member_can_be_taken_away_unnoticed(self):
        record = golden("imap-insecure-ok")
        for path in sorted(paths_of(record)):
            if path in validate.ADDITIONS:
                continue
            with self.subTest(path):
                parent, _, name = path.rpartition("/")
                broken = copy.deepcopy(record)
                del validate.look_up(broken, parent)[0][name]
                self.assertNotEqual(validate.check_record(broken), [])


def paths_of(value, path=""):
    """The paths of all members of objects, but for those whose names are data."""
    for name, below in value.items():
        yield f"{path}/{name}"
        if isinstance(below, dict) and name != "labels":
            yield from paths_of(below, f"{path}/{name}")


class Run(unittest.TestCase):
    def setUp(self):
        self.records = [golden("run-start-stream-sharded"), golden("imap-insecure-ok"),
                        golden("checkpoint"), golden("imap-insecure-judged")]
        self.records[3]["endpoint"]["ip"] = "192.0.2.26"
        self.records[0]["waivers"] = {"sha256": "e4" * 32, "count": 2}
        self.records[2]["waivers"] = []
        self.vouch()

    def vouch(self, at=2):
        """A checkpoint is of the lines above it."""
        above = run_of(*self.records[:at])
        self.records[at]["records_sha256"] = hashlib.sha256(above).hexdigest()

    def ended(self, **changes):
        end = golden("run-end-complete")
        end["endpoints"] = {"recorded": 2, "by_status": [{"status": "ok", "count": 2},
                                                         {"status": "timeout", "count": 7}]}
        end["findings"] = [{"severity": "medium", "count": 1}]
        end["waived"] = 1
        end["waivers"] = self.waivers("unmatched")
        end["records_sha256"] = hashlib.sha256(run_of(*self.records)).hexdigest()
        return run_of(*self.records, {**end, **changes})

    @staticmethod
    def waivers(state):
        return [{"id": "W-2026-003", "state": state, "findings": 0, "expires": "2027-03-31"},
                {"id": "W-2026-014", "state": "used", "findings": 1, "expires": "2027-01-31"}]

    def counted(self, recorded, **by_status):
        counts = [{"status": status, "count": count} for status, count in by_status.items()]
        return self.ended(endpoints={"recorded": recorded, "by_status": counts})

    def refused(self, data, reason):
        self.assertIn(reason, "\n".join(validate.check_run(data)))

    def test_complete(self):
        self.assertEqual(validate.check_run(self.ended()), [])

    def test_interrupted(self):
        self.assertEqual(validate.check_run(run_of(*self.records)), [])

    def test_empty(self):
        self.refused(b"", "the file is empty")

    def test_half_a_line(self):
        self.refused(run_of(*self.records)[:-9], "line 4: has no end")

    def test_invalid_utf8(self):
        self.refused(self.ended().replace(b"mail-team", b"mail\xff"), "line 2: 'utf-8' codec")

    def test_not_a_number(self):
        self.refused(self.ended().replace(b'"port": 143', b'"port": NaN'), "NaN is not JSON")

    def test_wrong_hash(self):
        self.refused(self.ended(records_sha256="0" * 64), "is not of the bytes above")

    def test_miscounted(self):
        self.refused(self.counted(3, ok=3), "recorded 3, and there are 2")
        self.refused(self.counted(2, timeout=2), "0 endpoints ok, and there are 2")
        self.refused(self.ended(findings=[]), "run_end: findings []")
        self.refused(self.ended(waived=0), "run_end: 0 waived, and there are 1")
        unused = [{**waiver, "state": "unmatched", "findings": 0}
                  for waiver in self.waivers("unmatched")]
        self.refused(self.ended(waivers=unused), "run_end: waivers of {}, and findings have")
        self.refused(self.ended(findings_new=[]), "if and only if the run has baseline")

    def test_a_part_calls_no_waiver_stale(self):
        self.refused(self.ended(waivers=self.waivers("stale")), "W-2026-003 is stale")
        self.records[0]["shard"] = None
        self.vouch()
        self.refused(self.ended(), "W-2026-003 is unmatched, and the run is whole")
        self.assertEqual(validate.check_run(self.ended(waivers=self.waivers("stale"))), [])
        self.refused(self.ended(waivers=self.waivers("stale")[1:]), "1 waivers, and the run has 2")

    def test_new_ones_are_counted(self):
        self.records[0]["baseline"] = {"run_id": None, "findings": 0, "sha256": "f5" * 32}
        self.records[2]["findings_new"] = []
        for finding in self.records[3]["findings"]:
            finding["baseline"] = "new"
        self.vouch()
        new = [{"severity": "medium", "count": 1}]
        self.assertEqual(validate.check_run(self.ended(findings_new=new)), [])
        self.refused(self.ended(findings_new=[]), "findings_new [], and there are {'medium': 1}")

    def test_not_asked_stands_behind_the_endpoints(self):
        self.records.append(golden("not-asked-excluded"))
        self.assertEqual(validate.check_run(self.ended()), [])
        self.records.append(self.records.pop(3))
        self.refused(self.ended(), "not_asked stands before an endpoint")

    def test_a_change_is_none_of_a_run(self):
        self.records.append(golden("change-tls-versions"))
        self.refused(self.ended(), "a change is none of the records of a run")

    def test_miscounting_checkpoint(self):
        for endpoints, reason in (
                ({"recorded": 0, "by_status": []}, "recorded 0, and there are 1"),
                ({"recorded": 1, "by_status": [{"status": "timeout", "count": 3}]},
                 "0 endpoints ok, and there are 1")):
            self.records[2]["endpoints"] = endpoints
            self.refused(run_of(*self.records), f"checkpoint: {reason}")

    def test_checkpoint_of_other_lines(self):
        self.records[1]["banner"] = "* OK another one."
        self.refused(self.ended(), "checkpoint: records_sha256 is not of the bytes above")

    def test_checkpoint_that_goes_back(self):
        self.records.append({**self.records[2], "cursor": 127, "pending": []})
        self.records[4]["endpoints"] = {"recorded": 2,
                                        "by_status": [{"status": "ok", "count": 2}]}
        self.records[4]["findings"] = [{"severity": "medium", "count": 1}]
        self.records[4]["waived"] = 1
        self.records[4]["waivers"] = [{"id": "W-2026-014", "findings": 1}]
        self.vouch(4)
        self.refused(run_of(*self.records), "the cursor goes back from 128 to 127")

    def test_checkpoint_of_another_seed(self):
        self.records[2]["seed"] = "43"
        self.refused(run_of(*self.records), "seed 43, and the run has 18446744073709551615")

    def test_out_of_order(self):
        self.refused(run_of(*self.records[1:]), "does not begin with its only run_start")
        self.refused(self.ended() + run_of(self.records[1]), "goes on after run_end")

    def test_endpoint_twice(self):
        self.records[3]["endpoint"]["ip"] = self.records[1]["endpoint"]["ip"]
        self.refused(self.ended(), "is there 2 times")

    def test_two_runs(self):
        self.records[1]["run_id"] = "01a2097e-4580-7c3e-9b1f-000000000000"
        self.refused(self.ended(), "more than one run_id")


if __name__ == "__main__":
    unittest.main()
