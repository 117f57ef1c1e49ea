# SPDX-License-Identifier: MIT
"""A month of nights: every change right, and none invented.

The nights are made by nights.py, and what they should bring is reckoned by oracle.py, without the
program. NIGHTS_SEED plays one month again.
"""

import json
import os
import random
import sqlite3
import tempfile
import unittest
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import validate
from case import main
from history import diff, state
from nights import (SILENT, START, Host, Scan, Service, Waiver, World, digest, fingerprint, night,
                    some_scan)
from oracle import Change, Oracle, plain

NIGHTS = 30
SEEDS = [int(os.environ["NIGHTS_SEED"])] if "NIGHTS_SEED" in os.environ else \
    [1, random.SystemRandom().randrange(2 ** 32)]


def change_of(record):
    """A change record in the oracle's words."""
    detail = next((record[name] for name in ("policy", "stage", "waiver") if name in record), None)
    return Change(record["change"], record["cause"], record["endpoint"]["key"],
                  record["endpoint"]["ip"], record["rule"], record["fingerprint"],
                  record["severity"], record["before"], record["after"], record["reason"], detail)


def month(seed, calm):
    """The nights, and what each should bring."""
    world, oracle, chance = World(seed), Oracle(), random.Random(f"{seed} scans")
    for number in range(NIGHTS):
        world.live()
        scan = some_scan(world, number, chance, calm)
        noise = frozenset() if calm else frozenset(
            (f"imap://{host.name}:{port}", address) for host in world.hosts
            for address, port in sorted(host.services) if chance.random() < 0.05)
        tonight = night(world, scan, number, oracle.known(), noise, chance)
        yield tonight, [change._replace(before=plain(change.before), after=plain(change.after))
                        for change in oracle.expect(tonight)]


class Months(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)
        self.state = self.directory / "state.db"

    def play(self, seed, calm):
        print(f"NIGHTS_SEED={seed}", flush=True)
        nights, files = list(month(seed, calm)), []
        self.state = self.directory / f"{seed}.db"
        for tonight, _ in nights:
            if tonight.number % 10 == 3:  # it takes longer than all the rest
                self.assertEqual(validate.check_run(tonight.lines), [], tonight.number)
            file = self.directory / f"{tonight.number}.ndjson"
            file.write_bytes(tonight.lines)
            files.append(file)
        state("add", self.state, *files)
        return sum(self.check(tonight, expected, seed) for tonight, expected in nights)

    def changes(self, run_id):
        """As they are kept."""
        with closing(sqlite3.connect(f"file:{self.state}?mode=ro", uri=True)) as db:
            rows = db.execute("SELECT json FROM change JOIN run ON run.id = change.run"
                              " WHERE run_id = ? ORDER BY seq", (run_id,))
            return [json for json, in rows]

    def check(self, tonight, expected, seed):
        lines = self.changes(tonight.run_id)
        records = [json.loads(line) for line in lines]
        if tonight.number % 10 == 3:
            output, _ = diff("--json", "--state", self.state, "--run", tonight.run_id,
                             code=1 if expected else 0)
            self.assertEqual(output.decode().splitlines(), lines)
            for record in records:
                self.assertEqual(validate.check_record(record), [], record)
        seen = [change_of(record) for record in records]
        where = f"night {tonight.number} of NIGHTS_SEED={seed}, {tonight.scan}"
        missing = [change for change in expected if change not in seen]
        invented = [change for change in seen if change not in expected]
        self.assertEqual((missing, invented), ([], []), f"{where}\nmissing, and invented")
        self.assertEqual(len(seen), len(expected), where)
        self.assertEqual([c.key for c in seen], sorted(c.key for c in seen), "the order")
        return len(seen)

    def test_calm_months(self):
        """Every night asks all, and comes to its end."""
        for seed in SEEDS:
            with self.subTest(seed=seed):
                self.assertGreater(self.play(seed, calm=True), 100)

    def test_rough_months(self):
        """Nights that ask less or otherwise, are stopped, or know little."""
        for seed in SEEDS:
            with self.subTest(seed=seed):
                self.assertGreater(self.play(seed, calm=False), 100)


class Scripted(unittest.TestCase):
    """Small stories, and what each night of them brings, word by word."""

    maxDiff = None
    HOST = "192.0.2.1"

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)
        self.state = self.directory / "state.db"
        self.world = World(0, hosts=0, names=0)
        self.number, self.nights = 0, []
        self.known, self.answered, self.places = set(), set(), set()
        self.waivers = None

    def host(self, name=HOST, *addresses, ports=(143,), **members):
        host = Host(name, list(addresses) or [name])
        self.world.hosts.append(host)
        for address in host.addresses:
            for port in ports:
                host.services[address, port] = Service(**members)
        return host

    def set(self, host, port=143, address=None, **members):
        for place in list(host.services):
            if place[1] == port and address in (None, place[0]):
                host.services[place] = replace(host.services[place], **members)

    def night(self, *expected, noise=(), aside=None, **options):
        """A night, and what it brings: tuples of change, cause, what it is about, and the rest."""
        options.setdefault("scope", frozenset(host.name for host in self.world.hosts))
        options.setdefault("ports", (143,))
        options.setdefault("waivers", self.waivers)
        tonight = night(self.world, Scan(**options), self.number, frozenset(self.known),
                        frozenset(noise), aside=aside)
        self.number += 1
        self.answered |= {s.key for s in tonight.sights if s.status not in SILENT}
        self.places |= {(s.key, s.ip or "") for s in tonight.sights}
        self.known = {place for place in self.places if place[0] in self.answered}
        self.assertEqual(validate.check_run(tonight.lines), [])
        self.nights.append((tonight, expected))

    def tearDown(self):
        """All nights are there: what did each bring?"""
        files = [self.directory / f"{tonight.number}.ndjson" for tonight, _ in self.nights]
        for file, (tonight, _) in zip(files, self.nights):
            file.write_bytes(tonight.lines)
        state("add", self.state, *files)
        for tonight, expected in self.nights:
            with closing(sqlite3.connect(self.state)) as db:
                rows = db.execute("SELECT json FROM change JOIN run ON run.id = change.run"
                                  " WHERE run_id = ? ORDER BY seq", (tonight.run_id,))
                seen = [self.story(json.loads(line)) for line, in rows]
            self.assertEqual(seen, [tuple(line) for line in expected], f"night {tonight.number}")

    @staticmethod
    def story(change):
        """What it is, why, about what, from what to what, and the reason."""
        about = change["rule"] or change["endpoint"]["key"].removeprefix("imap://")
        return (change["change"], change["cause"], about, change["before"], change["after"],
                *filter(None, [change["reason"]]))

    # --- findings

    def test_the_first_night_is_what_others_are_compared_with(self):
        self.host(flaws={"B"})
        self.night()

    def test_broken_and_mended(self):
        host = self.host()
        self.night()
        self.set(host, flaws=frozenset("B"))
        self.night(("finding_new", "observed", "FLAW-B", None, "open"))
        self.night()
        self.set(host, flaws=frozenset())
        self.night(("finding_resolved", "observed", "FLAW-B", "open", "resolved"))
        self.night()
        self.set(host, flaws=frozenset("B"))
        self.night(("finding_reopened", "observed", "FLAW-B", "resolved", "open"))

    def test_one_of_several_findings_of_a_rule(self):
        host = self.host(flaws=frozenset({"M1", "M2"}))
        self.night()
        self.set(host, flaws=frozenset({"M2", "M3"}))
        output = [("finding_resolved", "observed", "FLAW-MANY", "open", "resolved"),
                  ("finding_new", "observed", "FLAW-MANY", None, "open")]
        key = f"imap://{self.HOST}:143"
        marks = [fingerprint("FLAW-MANY", key, which) for which in ("M1", "M3")]
        self.night(*(output if marks[0] < marks[1] else reversed(output)))

    def test_silence_is_no_cure(self):
        host = self.host(flaws=frozenset("B"))
        self.night()
        host.silent.add(self.HOST)
        self.night(("endpoint_unreachable", "observed", f"{self.HOST}:143", "ok", "timeout"),
                   ("finding_not_observed", "observed", "FLAW-B", "open", "open", "timeout"))
        self.night()
        self.night(kind="plain")
        host.silent.clear()
        self.night(("endpoint_returned", "observed", f"{self.HOST}:143", "timeout", "ok"))
        host.silent.add(self.HOST)
        self.night(("endpoint_unreachable", "observed", f"{self.HOST}:143", "ok", "timeout"),
                   ("finding_not_observed", "observed", "FLAW-B", "open", "open", "timeout"))
        host.silent.clear()
        self.set(host, flaws=frozenset())
        self.night(("endpoint_returned", "observed", f"{self.HOST}:143", "timeout", "ok"),
                   ("finding_resolved", "observed", "FLAW-B", "open", "resolved"))

    def test_a_closed_port_is_told_from_silence_and_proves_nothing(self):
        host = self.host(flaws=frozenset("B"))
        self.night()
        service = host.services.pop((self.HOST, 143))
        self.night(("endpoint_closed", "observed", f"{self.HOST}:143", "ok", "closed"),
                   ("finding_not_observed", "observed", "FLAW-B", "open", "open", "closed"))
        host.silent.add(self.HOST)
        self.night(("endpoint_unreachable", "observed", f"{self.HOST}:143", "closed", "timeout"))
        host.silent.clear()
        host.services[self.HOST, 143] = service
        self.night(("endpoint_returned", "observed", f"{self.HOST}:143", "timeout", "ok"))

    def test_a_rule_that_knows_too_little(self):
        self.host(flaws=frozenset("B"))
        self.night()
        place = (f"imap://{self.HOST}:143", self.HOST)
        self.night(("finding_not_observed", "observed", "FLAW-B", "open", "open", "rate_limited"),
                   noise=[place])
        self.night(noise=[place])
        self.night()

    def test_another_service_there_is_no_cure_either(self):
        host = self.host(flaws=frozenset("B"))
        self.night()
        self.set(host, status="protocol_mismatch")
        self.night(("endpoint_status_changed", "observed", f"{self.HOST}:143", "ok",
                    "protocol_mismatch"),
                   ("policy_changed", "observed", f"{self.HOST}:143", "pass", "not_applicable"),
                   ("finding_not_applicable", "observed", "FLAW-B", "open", "not_applicable"))
        self.set(host, status="ok")
        self.night(("endpoint_status_changed", "observed", f"{self.HOST}:143",
                    "protocol_mismatch", "ok"),
                   ("policy_changed", "observed", f"{self.HOST}:143", "not_applicable", "pass"),
                   ("finding_reopened", "observed", "FLAW-B", "not_applicable", "open"))

    def test_a_service_that_is_expected(self):
        host = self.host()
        host.labels["expect"] = "imap"
        self.night()
        del host.services[self.HOST, 143]
        self.night(("endpoint_closed", "observed", f"{self.HOST}:143", "ok", "closed"),
                   ("finding_new", "observed", "EXPECTED-SERVICE-SILENT", None, "open"))
        host.labels.clear()
        self.night(("finding_not_applicable", "scope", "EXPECTED-SERVICE-SILENT", "open",
                    "not_applicable"))

    # --- names

    def test_a_name_that_moves_takes_its_history_along(self):
        host = self.host("mail.test", "198.51.100.1", flaws=frozenset("B"))
        self.night()
        host.services["198.51.100.2", 143] = host.services.pop(("198.51.100.1", 143))
        host.addresses = ["198.51.100.2"]
        self.night(("address_changed", "observed", "mail.test:143", ["198.51.100.1"],
                    ["198.51.100.2"]))
        self.set(host, flaws=frozenset())
        self.night(("finding_resolved", "observed", "FLAW-B", "open", "resolved"))

    def test_a_name_that_moves_and_is_mended(self):
        host = self.host("mail.test", "198.51.100.1", flaws=frozenset("B"))
        self.night()
        host.services["198.51.100.2", 143] = Service()
        host.addresses = ["198.51.100.2"]
        self.night(("address_changed", "observed", "mail.test:143", ["198.51.100.1"],
                    ["198.51.100.2"]),
                   ("finding_resolved", "observed", "FLAW-B", "open", "resolved"))

    def test_a_name_that_moves_to_where_nobody_answers(self):
        host = self.host("mail.test", "198.51.100.1", flaws=frozenset("B"))
        self.night()
        host.addresses = ["198.51.100.2"]
        host.silent.add("198.51.100.2")
        self.night(("address_changed", "observed", "mail.test:143", ["198.51.100.1"],
                    ["198.51.100.2"]),
                   ("endpoint_unreachable", "observed", "mail.test:143", "ok", "timeout"),
                   ("finding_not_observed", "observed", "FLAW-B", "open", "open", "timeout"))
        host.silent.clear()
        host.services["198.51.100.2", 143] = Service()
        self.night(("endpoint_returned", "observed", "mail.test:143", "timeout", "ok"),
                   ("finding_resolved", "observed", "FLAW-B", "open", "resolved"))

    def test_mended_at_every_address_one_night_after_the_other(self):
        host = self.host("mail.test", "198.51.100.1", "198.51.100.2", flaws=frozenset("B"))
        self.night()
        self.set(host, address="198.51.100.1", flaws=frozenset())
        self.night()
        self.set(host, address="198.51.100.2", flaws=frozenset())
        self.night(("finding_resolved", "observed", "FLAW-B", "open", "resolved"))

    def test_mended_where_somebody_answers(self):
        host = self.host("mail.test", "198.51.100.1", "198.51.100.2", flaws=frozenset("B"))
        self.night()
        self.set(host, flaws=frozenset())
        host.silent.add("198.51.100.2")
        self.night(("endpoint_unreachable", "observed", "mail.test:143", "ok", "timeout"),
                   ("finding_not_observed", "observed", "FLAW-B", "open", "open", "timeout"))
        host.addresses = ["198.51.100.1"]
        self.night(("address_changed", "observed", "mail.test:143",
                    ["198.51.100.1", "198.51.100.2"], ["198.51.100.1"]),
                   ("finding_resolved", "observed", "FLAW-B", "open", "resolved"))

    def test_mended_at_one_address_and_something_else_at_the_other(self):
        host = self.host("mail.test", "198.51.100.1", "198.51.100.2", flaws=frozenset("B"))
        self.night()
        self.set(host, address="198.51.100.1", flaws=frozenset())
        self.set(host, address="198.51.100.2", status="protocol_mismatch")
        self.night(("endpoint_status_changed", "observed", "mail.test:143", "ok",
                    "protocol_mismatch"),
                   ("policy_changed", "observed", "mail.test:143", "pass", "not_applicable"),
                   ("finding_not_applicable", "observed", "FLAW-B", "open", "not_applicable"))

    def test_an_address_that_a_name_has_lost_is_not_out_of_scope(self):
        host = self.host("mail.test", "198.51.100.1", "198.51.100.2", flaws=frozenset("B"))
        self.night()
        host.addresses = ["198.51.100.1"]
        self.night(("address_changed", "observed", "mail.test:143",
                    ["198.51.100.1", "198.51.100.2"], ["198.51.100.1"]),
                   aside={("imap://mail.test:143", "198.51.100.2"): "out_of_scope"})
        host.addresses = []
        self.night(("endpoint_unreachable", "observed", "mail.test:143", "ok", "dns_error"),
                   ("finding_not_observed", "observed", "FLAW-B", "open", "open", "dns_error"),
                   aside={("imap://mail.test:143", "198.51.100.1"): "out_of_scope"})

    def test_an_address_that_is_excluded_is_still_one(self):
        host = self.host("mail.test", "198.51.100.1", flaws=frozenset("B"))
        host.addresses.append("198.51.100.2")  # where the port is closed
        self.night()
        self.night(excluded=frozenset({"198.51.100.2"}))
        self.night()
        self.night(("endpoint_excluded", "scope", "mail.test:143", "ok", "excluded"),
                   ("finding_not_observed", "scope", "FLAW-B", "open", "open", "excluded"),
                   excluded=frozenset({"198.51.100.1"}))

    def test_a_family_of_addresses_that_is_missing_for_a_night(self):
        """It may be the name server's answer that is missing."""
        both = ["198.51.100.1", "2001:db8::1"]
        host = self.host("mail.test", *both, flaws=frozenset("B"))
        self.night()
        host.addresses = both[:1]
        self.set(host, flaws=frozenset())
        self.night(("finding_not_observed", "observed", "FLAW-B", "open", "open", "not_recorded"))
        host.addresses = both
        self.night(("finding_resolved", "observed", "FLAW-B", "open", "resolved"))
        host.addresses = both[1:]
        self.night()
        self.night(("address_changed", "observed", "mail.test:143", both, both[1:]))

    def test_one_more_address(self):
        host = self.host("mail.test", "198.51.100.1", flaws=frozenset("B"))
        self.night()
        host.addresses.append("198.51.100.2")
        host.services["198.51.100.2", 143] = Service(certificate=7, flaws=frozenset({"M1"}))
        self.night(("address_changed", "observed", "mail.test:143", ["198.51.100.1"],
                    ["198.51.100.1", "198.51.100.2"]),
                   ("finding_new", "observed", "FLAW-MANY", None, "open"))

    def test_a_name_that_is_not_found(self):
        host = self.host("mail.test", "198.51.100.1", flaws=frozenset("B"))
        self.night()
        host.addresses = []
        self.night(("endpoint_unreachable", "observed", "mail.test:143", "ok", "dns_error"),
                   ("finding_not_observed", "observed", "FLAW-B", "open", "open", "dns_error"))
        self.night()
        host.addresses = ["198.51.100.1"]
        self.night(("endpoint_returned", "observed", "mail.test:143", "dns_error", "ok"))

    # --- scope

    def test_a_run_that_was_stopped(self):
        self.host(flaws=frozenset("B"))
        self.night()
        self.night(("finding_not_observed", "observed", "FLAW-B", "open", "open", "stopped"),
                   stop="signal", part=0, scope=frozenset())
        self.night()
        self.night(("finding_not_observed", "observed", "FLAW-B", "open", "open", "stopped"),
                   stop="cut", part=0, scope=frozenset())

    def test_a_run_that_asks_for_less(self):
        self.host(flaws=frozenset("B"))
        self.night()
        self.night(("finding_not_observed", "scope", "FLAW-B", "open", "open", "not_asked"),
                   quick=True)
        self.night()

    def test_a_run_that_asks_fewer_ports(self):
        self.host(ports=(143, 993), flaws=frozenset("B"))
        self.night(ports=(143, 993), kind="plain")
        left_out = (("endpoint_removed", "scope", f"{self.HOST}:993", "ok", "out_of_scope"),
                    ("finding_not_observed", "scope", "FLAW-B", "open", "open", "out_of_scope"))
        self.night(*left_out, kind="plain")
        self.night(("endpoint_returned", "scope", f"{self.HOST}:993", "out_of_scope", "ok"),
                   ports=(143, 993), kind="plain")
        self.night(*left_out, kind="all")
        self.night(kind="state")

    def test_who_is_not_recorded_is_not_gone(self):
        host = self.host(flaws=frozenset("B"))
        self.host("192.0.2.2")
        self.night(kind="plain")
        host.silent.add(self.HOST)
        self.night(("finding_not_observed", "observed", "FLAW-B", "open", "open", "not_recorded"),
                   kind="plain")
        host.silent.clear()
        self.night(kind="plain")
        self.night(("finding_not_observed", "scope", "FLAW-B", "open", "open", "not_recorded"),
                   kind="plain", scope=frozenset({"192.0.2.2"}))

    def test_out_of_scope_and_excluded(self):
        self.host(flaws=frozenset("B"))
        self.host("192.0.2.2")
        self.night()
        self.night(("endpoint_removed", "scope", f"{self.HOST}:143", "ok", "out_of_scope"),
                   ("finding_not_observed", "scope", "FLAW-B", "open", "open", "out_of_scope"),
                   scope=frozenset({"192.0.2.2"}))
        self.night(("endpoint_excluded", "scope", f"{self.HOST}:143", "out_of_scope", "excluded"),
                   excluded=frozenset({self.HOST}))
        self.night(("endpoint_returned", "scope", f"{self.HOST}:143", "excluded", "ok"))

    def test_who_is_new_and_who_was_not_asked_before(self):
        self.host()
        self.night()
        self.host("192.0.2.2")
        self.night(("endpoint_new", "scope", "192.0.2.2:143", None, "ok"))
        self.host("192.0.2.3")
        both = frozenset({self.HOST, "192.0.2.2"})
        self.night(("endpoint_removed", "scope", "192.0.2.2:143", "ok", "out_of_scope"),
                   scope=frozenset({self.HOST}))
        self.night(("endpoint_returned", "scope", "192.0.2.2:143", "out_of_scope", "ok"),
                   scope=both)

    def test_a_port_that_is_opened(self):
        host = self.host(ports=(143,))
        self.night(ports=(143, 993))
        host.services[self.HOST, 993] = Service(flaws=frozenset("B"))
        self.night(("endpoint_new", "observed", f"{self.HOST}:993", None, "ok"),
                   ("finding_new", "observed", "FLAW-B", None, "open"), ports=(143, 993))

    def test_a_label_that_makes_a_rule_stricter(self):
        host = self.host(flaws=frozenset("R"))
        self.night()
        host.labels["role"] = "submission"
        self.night(("policy_changed", "scope", f"{self.HOST}:143", "pass", "fail"),
                   ("severity_changed", "scope", "FLAW-ROLE", "low", "high"))
        host.labels["role"] = "mx"
        self.night(("policy_changed", "scope", f"{self.HOST}:143", "fail", "pass"),
                   ("finding_not_applicable", "scope", "FLAW-ROLE", "open", "not_applicable"))

    def test_other_roots_of_trust(self):
        self.host(trusted=True, certificate=1)
        self.night()
        self.night(("policy_changed", "scope", f"{self.HOST}:143", "pass", "fail"),
                   ("finding_new", "scope", "CERT-UNTRUSTED", None, "open"), roots="ours.pem")

    def test_a_look_that_knows_less_makes_nothing_better(self):
        """How bad TLS 1.0 is depends on logins, which a quick scan does not try."""
        host = self.host(versions=("1.0", "1.2"), login="accepted")
        self.night()
        self.night(("finding_not_observed", "scope", "CLEARTEXT-LOGIN-ALLOWED", "open", "open",
                    "not_asked"), quick=True)
        self.night(quick=True)
        self.set(host, login="refused")
        key = f"{self.HOST}:143"
        self.night(("cleartext_login_changed", "observed", key, "accepted", "refused"),
                   ("policy_changed", "observed", key, "fail", "warn"),
                   ("finding_resolved", "observed", "CLEARTEXT-LOGIN-ALLOWED", "open", "resolved"),
                   ("severity_changed", "observed", "TLS-1.0-SUPPORTED", "high", "medium"))

    def test_a_look_that_knows_more(self):
        self.host(versions=("1.0", "1.2"), login="accepted")
        self.night(quick=True)
        key = f"{self.HOST}:143"
        self.night(("policy_changed", "scope", key, "warn", "fail"),
                   ("finding_new", "scope", "CLEARTEXT-LOGIN-ALLOWED", None, "open"),
                   ("severity_changed", "scope", "TLS-1.0-SUPPORTED", "medium", "high"))

    # --- rules, policies, waivers

    def test_other_rules(self):
        self.host(flaws=frozenset("ABC"))
        self.night()
        self.night(("policy_changed", "ruleset", f"{self.HOST}:143", "warn", "fail"),
                   ("severity_changed", "ruleset", "FLAW-A", "medium", "high"),
                   ("finding_not_applicable", "ruleset", "FLAW-B", "open", "not_applicable",
                    "no_such_rule"),
                   ("finding_new", "ruleset", "FLAW-C", None, "open"), ruleset=2)
        self.night(("finding_resolved", "ruleset", "FLAW-A", "open", "resolved"), ruleset=3)

    def test_other_rules_are_no_excuse_for_what_was_broken_that_day(self):
        host = self.host()
        self.night()
        self.set(host, flaws=frozenset("A"))
        self.night(("policy_changed", "observed", f"{self.HOST}:143", "pass", "fail"),
                   ("finding_new", "observed", "FLAW-A", None, "open"), ruleset=2)

    def test_nor_for_the_calendar(self):
        self.host(expires=START + timedelta(days=20, hours=12))
        self.night()
        self.night(("policy_changed", "ruleset", f"{self.HOST}:143", "pass", "warn"),
                   ("finding_new", "observed", "CERT-EXPIRES-SOON", None, "open"), ruleset=2)

    def test_another_policy(self):
        self.host(flaws=frozenset("A"))
        self.night()
        self.night(("policy_changed", "policy", f"{self.HOST}:143", "warn", "fail"), policy=2)

    def test_waivers_come_expire_and_go(self):
        self.host(flaws=frozenset("AB"))
        self.night()
        last_day = (START + timedelta(days=2)).date().isoformat()
        self.waivers = (Waiver("W-1", "FLAW-A", last_day), Waiver("W-2", "FLAW-B", "2027-01-01"))
        self.night(("finding_waived", "policy", "FLAW-A", "open", "waived"),
                   ("finding_waived", "policy", "FLAW-B", "open", "waived"))
        self.night()
        self.night(("waiver_expired", "policy", "FLAW-A", "waived", "open"))
        self.waivers = self.waivers[:1]
        self.night(("waiver_removed", "policy", "FLAW-B", "waived", "open"))
        self.waivers = ()
        self.night()

    def test_a_waiver_of_who_is_silent(self):
        host = self.host(flaws=frozenset("A"))
        last_day = (START + timedelta(days=1)).date().isoformat()
        self.waivers = (Waiver("W-1", "FLAW-A", last_day),)
        self.night()
        host.silent.add(self.HOST)
        self.night(("endpoint_unreachable", "observed", f"{self.HOST}:143", "ok", "timeout"),
                   ("finding_not_observed", "observed", "FLAW-A", "waived", "waived", "timeout"))
        self.night(("waiver_expired", "policy", "FLAW-A", "waived", "open"))
        self.night()

    # --- facts

    def test_what_it_is_like(self):
        host = self.host(versions=("1.0", "1.2"), login="accepted")
        self.night()
        self.set(host, versions=("1.2", "1.3"), login="refused", starttls="fails",
                 capabilities=("IDLE", "IMAP4REV1", "STARTTLS"))
        key = f"{self.HOST}:143"
        self.night(("tls_versions_changed", "observed", key, ["1.0", "1.2"], ["1.2", "1.3"]),
                   ("capabilities_changed", "observed", key, ["ID", "IMAP4REV1", "STARTTLS"],
                    ["IDLE", "IMAP4REV1", "STARTTLS"]),
                   ("starttls_changed", "observed", key, "works", "fails"),
                   ("cleartext_login_changed", "observed", key, "accepted", "refused"),
                   ("finding_resolved", "observed", "CLEARTEXT-LOGIN-ALLOWED", "open", "resolved"),
                   ("finding_new", "observed", "STARTTLS-ADVERTISED-BUT-FAILS", None, "open"),
                   ("finding_resolved", "observed", "TLS-1.0-SUPPORTED", "open", "resolved"))

    def test_what_is_not_known_is_no_change(self):
        host = self.host(versions=("1.2", "1.3"))
        place = (f"imap://{self.HOST}:143", self.HOST)
        self.night()
        self.set(host, versions=("1.2",), certificate=9)
        self.night(noise=[place])
        key = f"{self.HOST}:143"
        old, new = (digest("certificate", n, host.services[self.HOST, 143].expires) for n in (1, 9))
        end = host.services[self.HOST, 143].expires.strftime("%Y-%m-%dT%H:%M:%SZ")
        self.night(("certificate_changed", "observed", key, [old, "CN=mail.test", end],
                    [new, "CN=mail.test", end]),
                   ("tls_versions_changed", "observed", key, ["1.2", "1.3"], ["1.2"]))


if __name__ == "__main__":
    main()
