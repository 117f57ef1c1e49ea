# SPDX-License-Identifier: MIT
"""Which changes are right, night by night: reckoned from what nights.py says was seen.

Nothing of the program is used, and no record is read. What is expected is a set of Change, in the
words of the record, but for title and time.
"""

from collections import namedtuple
from dataclasses import replace

from nights import SILENT, SEVERITIES, is_answer

Change = namedtuple("Change", "change cause key ip rule fingerprint severity before after reason "
                              "detail", defaults=(None,) * 8)

UNKNOWN, PASS, FAIL, NOT_APPLICABLE, NO_RULE, LOST = range(6)


class Spot:
    """An endpoint at an address, as it was last known."""

    def __init__(self):
        self.word = None          # its last status
        self.word_night = None
        self.word_labels = None
        self.sight = None         # of when it last answered
        self.sight_night = None
        self.known = {}
        self.policy = None        # verdict, night, sight
        self.missed = False       # the last night did not find it

    def copy(self):
        other = Spot()
        other.__dict__.update(self.__dict__, known=dict(self.known))
        return other


class Endpoint:
    def __init__(self, key):
        self.key = key
        self.spots = {}           # ip -> Spot: its addresses now
        self.former = {}          # ip -> Spot
        self.answered = False     # ever


class Problem:
    """A finding of an endpoint."""

    def __init__(self, rule):
        self.rule = rule
        self.state = None
        self.severity = None
        self.waived = False
        self.waiver = None
        self.observed = True
        self.places = {}          # ip -> (Finding, sight, night): where it is open
        self.over = set()         # those where its waiver came to an end unseen


def kind(word):
    if word in ("closed", "excluded", "out_of_scope", None):
        return word
    return "unreachable" if word in SILENT else "answers"


class Oracle:
    def __init__(self):
        self.endpoints, self.problems = {}, {}
        self.before = []          # nights
        self.rules = {}           # ruleset -> rules

    # --- what a state knows, for scans with one

    def known(self):
        pairs = set()
        for endpoint in self.endpoints.values():
            for ip, spot in endpoint.spots.items():
                if endpoint.answered or any(ip in p.places for (key, _), p in self.problems.items()
                                     if key == endpoint.key and p.state == "open"):
                    pairs.add((endpoint.key, ip))
        return frozenset(pairs)

    # --- a night

    def expect(self, night):
        self.night, self.out = night, []
        if night.sights:
            rules = {rule for sight in night.sights for rule in sight.verdicts}
            self.rules.setdefault(night.scan.ruleset, set()).update(rules)
        self.comparable = any(n.complete and n.options == night.options for n in self.before)
        by_key = {}
        for sight in night.sights:
            by_key.setdefault(sight.key, {})[sight.ip or ""] = sight
        for key in by_key:
            self.endpoints.setdefault(key, Endpoint(key))
        for key in sorted(self.endpoints):
            self.work(self.endpoints[key], by_key.get(key, {}))
        self.before.append(night)
        return self.out if len(self.before) > 1 else []

    def tell(self, change, cause, key, ip=None, **rest):
        self.out.append(Change(change, cause, key, ip or None, **rest))

    def work(self, endpoint, sights):
        """Everything about one endpoint."""
        found = {ip: sight for ip, sight in sights.items() if ip}
        if sights and not found:
            homes = [ip for ip in endpoint.spots if ip] or [""]
            found = {ip: sights[""] for ip in homes}
        old = dict(endpoint.spots)
        asked_before = any(spot.word for spot in {**old, **{
            ip: spot for ip, spot in endpoint.former.items() if ip in found}}.values())
        fresh_cause = "observed" if asked_before or self.comparable else "scope"
        words = {ip: self.word_of(endpoint, ip, found, bool(sights)) for ip in {**old, **found}}
        lost = self.lost(old, found, words)
        gained = [ip for ip in found if ip not in old]
        origin = self.origin(old, lost)
        for ip in gained:
            own = endpoint.former.pop(ip, None)
            endpoint.spots[ip] = old[origin].copy() if origin is not None else own or Spot()
        self.tell_addresses(endpoint, old, lost, gained)
        first = not endpoint.answered
        if first:
            self.tell_new(endpoint, found, fresh_cause)
        for ip in sorted(endpoint.spots):
            if ip not in lost:
                self.look(endpoint, ip, found.get(ip), words[ip], first)
        for fingerprint in self.fingerprints(endpoint.key, found):
            self.judge(endpoint, fingerprint, found, words, lost, fresh_cause)
        for ip in sorted(endpoint.spots):
            if ip not in lost:
                self.remember(endpoint.spots[ip], found.get(ip), words[ip])
        for ip in lost:
            endpoint.former[ip] = endpoint.spots.pop(ip)
        endpoint.answered |= any(map(is_answer, found.values()))

    # --- where it is

    def word_of(self, endpoint, ip, found, recorded):
        """Its status, or why there is none; and whether that is something that was seen."""
        night = self.night
        if ip in found:
            return found[ip].status, True
        reason = night.aside.get((endpoint.key, ip))
        if reason == "excluded" or (reason and not recorded):
            return reason, True
        if night.complete and not recorded:
            if night.scan.kind == "all":
                return "out_of_scope", True
            host = endpoint.key.removeprefix("imap://").rsplit(":", 1)[0]
            if night.scan.kind == "plain" and any(s.host == host and (s.ip or "") == ip
                                                  for s in night.sights):
                return "out_of_scope", True
        return ("not_recorded" if night.complete else "stopped"), False

    def lost(self, old, found, words):
        if not any(found) or not any(s.ip for s in found.values()):
            return set()
        whole = self.night.complete and self.night.scan.kind in ("all", "state")
        families, lost = {":" in ip for ip in found if ip}, set()
        for ip, spot in old.items():
            if words[ip][1]:
                continue
            if not ip or (whole and ((":" in ip) in families or spot.missed)):
                lost.add(ip)
            spot.missed |= whole  # it may have been the name server's answer
        return lost

    @staticmethod
    def origin(old, lost):
        if not old or set(old) - lost:
            return None
        return max(sorted(old),
                   key=lambda ip: old[ip].sight.time if old[ip].sight else "")

    def tell_addresses(self, endpoint, old, lost, gained):
        before = sorted(ip for ip in old if ip)
        after = sorted(ip for ip in {*old, *gained} if ip and ip not in lost)
        if endpoint.answered and before and before != after:
            self.tell("address_changed", "observed", endpoint.key, before=before, after=after)

    def tell_new(self, endpoint, found, cause):
        answers = sorted(ip for ip, sight in found.items() if is_answer(sight))
        if answers:
            self.tell("endpoint_new", cause, endpoint.key,
                      answers[0] if len(answers) == 1 else None, after=found[answers[0]].status)

    # --- what it is like

    def look(self, endpoint, ip, sight, word, first):
        spot, (status, seen) = endpoint.spots[ip], word
        if seen and not first and spot.word:
            self.tell_status(endpoint.key, ip, spot, status)
        if sight is None or not is_answer(sight):
            return
        if not first:
            self.tell_facts(endpoint.key, ip, spot.known, sight.known)
        if self.is_verdict_known(spot, sight) and spot.policy:
            verdict, then, seen = spot.policy
            if verdict != sight.policy:
                cause = "policy" if then.scan.policy != self.night.scan.policy else self.cause(
                    then, seen, sight, more=self.knows_less(sight, seen))
                self.tell("policy_changed", cause, endpoint.key, ip, before=verdict,
                          after=sight.policy, detail="base")

    @staticmethod
    def is_verdict_known(spot, sight):
        """Not if what failed before was not looked at."""
        if sight.policy in ("inconclusive", "not_tested"):
            return False
        if not spot.policy or spot.policy[0] != "fail" or sight.policy == "fail":
            return True
        return not any(verdict == "fail" and
                       sight.clauses.get(clause) in ("not_tested", "inconclusive")
                       for clause, verdict in spot.policy[2].clauses.items())

    def tell_status(self, key, ip, spot, status):
        before, after = kind(spot.word), kind(status)
        if after != "answers" and not spot.sight:
            return
        aside = {before, after} & {"excluded", "out_of_scope"}
        names = {"answers": "returned", "unreachable": "unreachable", "closed": "closed",
                 "excluded": "excluded", "out_of_scope": "removed"}
        if before != after:
            name = names[after]
        elif after == "answers" and spot.word != status:
            name = "status_changed"
        else:
            return
        self.tell("endpoint_" + name, "scope" if aside else "observed", key, ip,
                  before=spot.word, after=status)

    def tell_facts(self, key, ip, before, after):
        names = {"certificate": "certificate_changed", "versions": "tls_versions_changed",
                 "starttls": "starttls_changed", "login": "cleartext_login_changed",
                 "before_tls": "capabilities_changed", "after_tls": "capabilities_changed"}
        for fact, name in names.items():
            if fact in before and fact in after and before[fact] != after[fact]:
                stage = fact if fact.endswith("_tls") else None
                self.tell(name, "observed", key, ip, before=plain(before[fact]),
                          after=plain(after[fact]), detail=stage)

    def remember(self, spot, sight, word):
        status, seen = word
        if not seen:
            return
        spot.word, spot.word_night, spot.missed = status, self.night, False
        if sight:
            spot.word_labels = sight.labels
        if sight and is_answer(sight):
            spot.sight, spot.sight_night = sight, self.night
            spot.known.update(sight.known)
            if self.is_verdict_known(spot, sight):
                spot.policy = sight.policy, self.night, sight

    # --- causes

    def cause(self, then, old, new, rule=None, timed=False, more=False):
        """Why a verdict is another one than on that night; old and new are what was seen.

        more: things are known now that were not known then."""
        core = old.facts == new.facts
        same = core and old.trusted == new.trusted
        if then.scan.ruleset != self.night.scan.ruleset:
            if rule and rule not in self.rules.get(then.scan.ruleset, ()):
                return "ruleset"
            if same and not timed:
                return "ruleset"
        if then.options != self.night.options:
            unasked = rule and old.verdicts.get(rule, ("", ""))[1] == "not_asked"
            if unasked or more or (core and not same):
                return "scope"
        if same and not timed and old.labels != new.labels:
            return "scope"
        return "observed"

    def cause_of_opening(self, spot, sight, finding, rule, fresh_cause, answered):
        if is_answer(sight):
            if spot.sight is None:
                return "observed" if answered else fresh_cause
            return self.cause(spot.sight_night, spot.sight, sight, rule, finding.timed)
        if spot.word is None:
            return "observed" if answered else fresh_cause
        then, same = spot.word_night, spot.word == sight.status
        if then.scan.ruleset != self.night.scan.ruleset and (
                same or rule not in self.rules.get(then.scan.ruleset, ())):
            return "ruleset"
        return "scope" if same and spot.word_labels != sight.labels else "observed"

    # --- findings

    def fingerprints(self, key, found):
        names = {(p.rule, mark) for (k, mark), p in self.problems.items()
                 if k == key and p.state == "open"}
        names |= {(f.rule, mark) for s in found.values() for mark, f in s.findings.items()}
        return [mark for _, mark in sorted(names)]

    def outcome(self, problem, mark, ip, found, lost):
        if ip in lost:
            return LOST
        sight = found.get(ip)
        if sight is None:
            return UNKNOWN
        if mark in sight.findings:
            return FAIL
        verdict = sight.verdicts.get(problem.rule, (None,))[0]
        place = problem.places.get(ip)
        says = is_answer(sight) or (place and not is_answer(place[1]))
        if verdict in ("pass", "fail"):
            return PASS
        if verdict == "not_applicable" and says:
            return NOT_APPLICABLE
        if verdict is None and says and place and \
                place[2].scan.ruleset != self.night.scan.ruleset:
            return NO_RULE
        return UNKNOWN

    def judge(self, endpoint, mark, found, words, lost, fresh_cause):
        seen = {ip: s.findings[mark] for ip, s in found.items() if mark in s.findings}
        rule = next(iter(seen.values())).rule if seen else None
        problem = self.problems.setdefault((endpoint.key, mark), Problem(rule))
        ips = sorted({*endpoint.spots, *found})
        outcomes = {ip: self.outcome(problem, mark, ip, found, lost) for ip in ips}
        if seen:
            self.open(endpoint, mark, problem, seen, found, outcomes, fresh_cause)
        else:
            self.miss(endpoint, mark, problem, found, words, outcomes)

    @staticmethod
    def knows_less(before, now):
        known = ("pass", "fail", "not_applicable")
        return any(verdict in known and now.verdicts.get(rule, ("pass",))[0] not in known
                   for rule, (verdict, _) in before.verdicts.items())

    def open(self, endpoint, mark, problem, seen, found, outcomes, fresh_cause):
        places = {ip: place for ip, place in problem.places.items() if outcomes[ip] == UNKNOWN}
        before = problem.places
        for ip, finding in seen.items():
            places[ip] = finding, found[ip], self.night
            if ip in before:
                was, sight, then = before[ip]
                if (SEVERITIES.index(was.severity) < SEVERITIES.index(finding.severity) and
                        self.knows_less(sight, found[ip])):
                    finding = seen[ip] = replace(finding, severity=was.severity)
                    places[ip] = finding, sight, then
        findings = [finding for finding, _, _ in places.values()]
        severity = min((f.severity for f in findings), key=SEVERITIES.index)
        waived = all(finding.waived and not (ip in problem.over and ip not in seen)
                     for ip, (finding, _, _) in places.items())
        worst = min(sorted(seen), key=lambda ip: SEVERITIES.index(seen[ip].severity))
        waiver = next((seen[ip] for ip in sorted(seen) if seen[ip].waiver), None)
        about = {"ip": worst if len(seen) == 1 else None, "rule": problem.rule,
                 "fingerprint": mark, "severity": severity}
        word = "waived" if waived else "open"
        if problem.state != "open":
            cause = self.cause_of_opening(endpoint.spots[worst], found[worst], seen[worst],
                                          problem.rule, fresh_cause, endpoint.answered)
            name = "finding_reopened" if problem.state else "finding_new"
            self.tell(name, cause, endpoint.key, before=problem.state, after=word,
                      detail=waiver.waiver.id if waived and waiver else None, **about)
        else:
            if severity != problem.severity:
                then = before.get(worst)
                spot = endpoint.spots[worst]
                if then or spot.sight:
                    night, sight = (then[2], then[1]) if then else (spot.sight_night, spot.sight)
                    cause = self.cause(night, sight, found[worst], problem.rule,
                                       seen[worst].timed, self.knows_less(found[worst], sight))
                else:
                    cause = "observed"
                self.tell("severity_changed", cause, endpoint.key, before=problem.severity,
                          after=severity, **about)
            if waived != problem.waived:
                name = "finding_waived" if waived else \
                    "waiver_expired" if waiver and not waiver.waived else "waiver_removed"
                self.tell(name, "policy", endpoint.key,
                          before="waived" if problem.waived else "open", after=word,
                          detail=waiver.waiver.id if waiver else problem.waiver, **about)
        problem.state, problem.severity, problem.waived = "open", severity, waived
        problem.waiver = waiver.waiver.id if waiver else None
        problem.observed, problem.places = True, places
        problem.over &= set(places) - set(seen)

    def miss(self, endpoint, mark, problem, found, words, outcomes):
        places = problem.places
        unknown = [ip for ip in sorted(places) if outcomes[ip] == UNKNOWN]
        closed = [ip for ip in sorted(places)
                  if outcomes[ip] in (PASS, NOT_APPLICABLE, NO_RULE)]
        if not unknown and not closed:
            closed = [ip for ip in sorted(outcomes) if ip not in places and outcomes[ip] == PASS]
            closed = closed or [ip for ip in sorted(outcomes) if ip not in places and
                                outcomes[ip] in (NOT_APPLICABLE, NO_RULE)]
            if not closed:
                lost = sorted(places)[0]
                unknown = [ip for ip in sorted(outcomes)
                           if ip not in places and outcomes[ip] == UNKNOWN]
                problem.places = {**places, **{ip: places[lost] for ip in unknown}}
                if lost in problem.over:
                    problem.over.update(unknown)
        if unknown:
            self.leave(endpoint, mark, problem, found, words, unknown)
        elif closed:
            self.close(endpoint, mark, problem, found, closed, outcomes)

    def leave(self, endpoint, mark, problem, found, words, unknown):
        first = unknown[0]
        sight, word = found.get(first), "waived" if problem.waived else "open"
        about = {"ip": first if len(unknown) == 1 else None, "rule": problem.rule,
                 "fingerprint": mark, "severity": problem.severity}
        reason = words[first][0]
        if sight and is_answer(sight):
            verdict, why = sight.verdicts.get(problem.rule, ("not_tested", None))
            reason = why or verdict
        if problem.observed:
            cause = "observed"
            if words[first][0] in ("excluded", "out_of_scope"):
                cause = "scope"
            elif reason in ("not_asked", "not_recorded") and \
                    problem.places[first][2].options != self.night.options:
                cause = "scope"
            self.tell("finding_not_observed", cause, endpoint.key, before=word, after=word,
                      reason=reason, **about)
        problem.observed = False
        self.end_waiver(endpoint, problem, about)
        problem.places = {ip: problem.places[ip] for ip in unknown}

    def end_waiver(self, endpoint, problem, about):
        """Of what nobody could look at: the run says which waivers there are."""
        scan, day = self.night.scan, (self.night.ended or "")[:10]
        if not problem.waived or scan.waivers is None or not day:
            return
        waiver = next((w for w in scan.waivers if w.id == problem.waiver), None)
        if waiver and day <= waiver.expires:
            return
        self.tell("waiver_expired" if waiver else "waiver_removed", "policy", endpoint.key,
                  before="waived", after="open", detail=problem.waiver, **about)
        problem.waived = False
        problem.over = set(problem.places)

    def close(self, endpoint, mark, problem, found, closed, outcomes):
        first = closed[0]
        resolved = all(outcomes[ip] == PASS for ip in closed)
        gone = any(outcomes[ip] == NO_RULE for ip in closed)
        then = problem.places.get(first)
        spot = endpoint.spots[first]
        if gone:
            cause = "ruleset"
        elif then:
            cause = self.cause(then[2], then[1], found[first], problem.rule)
        elif spot.sight:
            cause = self.cause(spot.sight_night, spot.sight, found[first], problem.rule)
        else:
            cause = "observed"
        word = "resolved" if resolved else "not_applicable"
        self.tell("finding_" + word, cause, endpoint.key, first if len(closed) == 1 else None,
                  rule=problem.rule, fingerprint=mark, severity=problem.severity,
                  before="waived" if problem.waived else "open", after=word,
                  reason="no_such_rule" if gone else None)
        problem.state, problem.places, problem.observed = word, {}, True
        problem.over = set()


def plain(value):
    return list(value) if isinstance(value, tuple) else value
