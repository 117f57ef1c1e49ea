# SPDX-License-Identifier: MIT
"""`export --format html`: the report, as a browser shows it.

The records are the golden ones, judged again, so that every kind of record is among them; each is
made a host of its own. What the page shows is held against counts that are made here.
"""

import copy
import functools
import json
import os
import random
import re
import subprocess
import tempfile
import unittest
import zlib
from collections import Counter
from datetime import datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import browser
import scan
from browser import Browser
from case import main

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
PAGE = ROOT / "output" / "export" / "report"
SEVERITIES = ["critical", "high", "medium", "low", "info"]
VERDICTS = ["fail", "warn", "inconclusive", "not_tested", "pass", "not_applicable"]
VERSIONS = ["ssl2.0", "ssl3.0", "1.0", "1.1", "1.2", "1.3"]
POLICIES = ("rfc-baseline", "pci-dss-4.0.1")
SEED = int(os.environ.get("REPORT_SEED", random.SystemRandom().randrange(2**32)))


def program(*arguments, data=None):
    """What it prints; 3: the run that it tells of is not complete."""
    done = subprocess.run(
        [scan.named_file("STARTTLS_AUDIT"), *map(str, arguments)],
        input=data,
        capture_output=True,
        timeout=10 * scan.WATCHDOG,
    )
    assert done.returncode in (0, 3), done.stderr.decode()
    return done.stdout


def lines(records):
    return b"".join(
        json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        for record in records
    )


def golden(name):
    return json.loads((GOLDEN / f"{name}.json").read_text())


def sample():
    """A run with an endpoint of every kind, judged: the records, which are the caller's."""
    return json.loads(judged())


@functools.cache
def judged():
    start = golden("run-start-policies")
    endpoints = [json.loads(path.read_text()) for path in sorted(GOLDEN.glob("*.json"))]
    endpoints = [record for record in endpoints if record["type"] == "endpoint"]
    run = [
        {**record, "run_id": start["run_id"]}
        for record in [start, *endpoints, golden("run-end-complete")]
    ]
    policies = [word for name in POLICIES for word in ("--policy", name)]
    run = [
        json.loads(line) for line in program("audit", *policies, "-", data=lines(run)).splitlines()
    ]
    for i, record in enumerate(endpoints_of(run)):
        settle(
            record, f"host{i}.example.test", f"198.51.100.{i}" if record["endpoint"]["ip"] else None
        )
        record["endpoint"]["labels"] = {"owner": ["mail-team", "files", "campus"][i % 3]}
    return json.dumps(run)


def settle(record, host, ip):
    endpoint = record["endpoint"]
    endpoint.update(host=host, ip=ip, key=f"{endpoint['protocol']}://{host}:{endpoint['port']}")


def endpoints_of(run):
    return [record for record in run if record["type"] == "endpoint"]


def count_again(run):
    """run_end's counts, as they would be."""
    records = endpoints_of(run)
    statuses = Counter(record["status"] for record in records)
    run[-1]["endpoints"] = {
        "recorded": len(records),
        "by_status": [{"status": status, "count": count} for status, count in statuses.items()],
    }
    hosts = {(record["endpoint"]["host"], record["endpoint"]["ip"]) for record in records}
    run[-1]["hosts"] = {"scanned": len(hosts) + 7, "answered": len(hosts)}


# --- the page as it is read here -------------------------------------------------------------------


def data_of(page):
    """The values of the blocks of data, in order."""
    blocks = re.findall(r'<script type="application/json" class="data">(.*?)</script>', page, re.S)
    assert blocks
    return [value for block in blocks for value in json.loads(block)[:-1]]


def records_in(page):
    """The records of a page, put together again as intern.h says."""
    values, shapes, records = [], [], []

    def expand(value):
        if isinstance(value, str):
            if not value.startswith("~"):
                return value
            return value[1:] if value.startswith("~~") else values[int(value[1:])]
        if not isinstance(value, list):
            return value
        kind, rest = value[0], value[1:]
        if kind == 0:
            return [expand(item) for item in rest]
        if kind > 0:
            return dict(zip(shapes[kind - 1], map(expand, rest), strict=True))
        return {rest[i]: expand(rest[i + 1]) for i in range(0, len(rest), 2)}

    for value in data_of(page):
        if isinstance(value, dict) and "shape" in value:
            shapes.append(value["shape"])
        elif isinstance(value, dict) and "record" in value:
            records.append(expand(value["record"]))
        elif isinstance(value, dict):
            records[-1]["transcript"] = expand(value["transcript"])
        else:
            values.append(expand(value))
    return records


class Reader(HTMLParser):
    """The elements of a page, and the text of its noscript."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.tags, self.plain, self.inside = [], "", False
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.inside |= tag == "noscript"

    def handle_endtag(self, tag):
        self.inside &= tag != "noscript"

    def handle_data(self, data):
        self.plain += data if self.inside else ""


class Case(unittest.TestCase):
    """With one browser for all tests of a class."""

    size, scheme = (1440, 900), "light"

    @classmethod
    def setUpClass(cls):
        if reason := browser.missing():
            raise unittest.SkipTest(reason)
        cls.directory = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.browser = cls.enterClassContext(Browser(cls.size, cls.scheme))

    def export(self, run, *options):
        """The path of the report of these records."""
        data = run if isinstance(run, bytes) else lines(run)
        path = self.directory / f"{zlib.crc32(data + repr(options).encode())}.html"
        if not path.exists():
            path.write_bytes(program("export", "--format", "html", *options, "-", data=data))
        return path

    def open(self, run, fragment="", *options):
        self.path = self.export(run, *options)
        self.browser.logs("performance")
        self.browser.logs("browser")
        self.browser.open(self.path, fragment)

    def tearDown(self):
        if hasattr(self, "path"):
            self.assertEqual(self.browser.complaints(), [], "on the console")
            self.assertEqual(self.browser.requests(), [], "asked of a network")

    def value(self, expression):
        return self.browser.value(expression)

    def text(self, selector):
        return self.value(f"document.querySelector({json.dumps(selector)}).innerText")

    def card(self, heading):
        """The rows of the card with that heading: their texts, without white space at the ends."""
        return self.browser.run(
            """
            const card = [...document.querySelectorAll(".card")].find((c) => c.querySelector("h3").textContent.startsWith(arguments[0]));
            return card ? [...card.querySelectorAll(".bars > *, .columns > *, tbody tr, .key")].map((e) => e.innerText.replace(/\\s+/g, " ").trim()) : null;
        """,
            heading,
        )

    def counted(self):
        """The number of endpoints that the table has found."""
        return int(self.text("#count").split()[0].replace(",", ""))

    def rows(self):
        """Host and port of the rows that are in the page."""
        return self.value(
            """[...document.querySelectorAll("#grid tbody tr.row")].map((r) =>
            r.querySelector(".host").textContent)"""
        )


def findings(run):
    return [finding for record in endpoints_of(run) for finding in record["findings"]]


def number(count):
    return f"{count:,}"


def takes_login(record):
    auth = record.get("auth") or {}
    verdict = (auth.get("cleartext_login") or {}).get("verdict")
    offered = (auth.get("login_disabled") or {}).get("before_tls") is False
    return verdict == "accepted" or (offered and verdict != "refused")


def in_clear(record):
    return record["status"] == "ok" and record["endpoint"].get("observed_mode") in (
        "insecure",
        "explicit",
    )


class Numbers(Case):
    """What is shown is what the records say."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.run_records = sample()
        count_again(cls.run_records)

    def setUp(self):
        self.open(self.run_records, "", "--title", "A <test> & more")

    def test_a_picture_shows_all_of_it(self):
        page = browser.loaded(self.path)
        self.assertIn('data-ready="yes"', page)
        self.assertIn("Findings by severity</", page)

    def test_severities(self):
        open_ = [f for f in findings(self.run_records) if f["status"] == "open"]
        by_severity = Counter(f["severity"] for f in open_)
        on = Counter(
            severity
            for record in endpoints_of(self.run_records)
            for severity in {f["severity"] for f in record["findings"] if f["status"] == "open"}
        )
        self.assertEqual(
            self.card("Findings by severity"),
            [f"{s} {by_severity[s]} on {on[s]}" for s in SEVERITIES],
        )
        self.assertIn(f"{len(open_)} findings are open", self.text(".short"))

    def test_title_and_header(self):
        self.assertEqual(self.text("h1"), "A <test> & more")
        self.assertEqual(self.value("document.title"), "A <test> & more")
        self.assertIn(self.run_records[0]["run_id"], self.text("#meta"))
        self.assertIn("complete", self.text("#meta"))
        self.assertEqual(self.text("#notices"), "")

    def test_versions(self):
        accepted = Counter(
            version
            for record in endpoints_of(self.run_records)
            for version in (record.get("tls") or {}).get("versions_accepted", [])
        )
        rows = self.card("Versions accepted")[:6]
        for version, row in zip(reversed(VERSIONS), rows, strict=True):
            name = "SSL " + version[3:] if version.startswith("ssl") else "TLS " + version
            self.assertRegex(row, rf"^{re.escape(name)} {accepted[version]}\b")

    def test_exposed(self):
        records = [r for r in endpoints_of(self.run_records) if in_clear(r)]
        rows = self.card("Exposed in clear")
        self.assertEqual(len(rows), len({r["endpoint"]["protocol"] for r in records}))
        for row in rows:
            protocol = row.split()[0].lower()
            mine = [r for r in records if r["endpoint"]["protocol"] == protocol]
            dark = [
                r
                for r in mine
                if r["starttls"].get("accepted") is False or r["starttls"]["handshake"] == "failed"
            ]
            self.assertEqual(
                row,
                f"{protocol.upper()} {sum(map(takes_login, mine))} of {len(mine)} "
                f"{len(dark)} of {len(mine)}",
            )

    def test_certificates(self):
        started = datetime.fromisoformat(self.run_records[0]["started"])
        ends = {}
        for record in endpoints_of(self.run_records):
            if certificate := (record.get("tls") or {}).get("certificate"):
                ends[certificate["sha256"]] = certificate["not_after"]
        counts = Counter()
        for end in ends.values():
            days = (datetime.fromisoformat(end) - started).total_seconds() / 86400
            limits = [
                ("expired", 0),
                ("≤ 7 days", 7),
                ("≤ 14 days", 14),
                ("≤ 30 days", 30),
                ("≤ 90 days", 90),
                ("≤ 180 days", 180),
                ("≤ 1 year", 366),
                ("later", 1e9),
            ]
            counts[next(name for name, limit in limits if days <= limit)] += 1
        shown = self.card("Certificates by expiry")[:8]
        self.assertEqual(sum(int(row.split()[0]) for row in shown), len(ends))
        for row in shown:
            count, name = row.split(" ", 1)
            self.assertEqual(int(count), counts[name], name)

    def test_statuses(self):
        statuses = Counter(r["status"] for r in endpoints_of(self.run_records))
        says = {
            "ok": "spoke their protocol",
            "closed": "closed",
            "refused": "refused to talk",
            "protocol_mismatch": "spoke something else",
            "tls_error": "no TLS came about",
            "timeout": "timed out",
            "unreachable": "unreachable",
            "error": "broke off",
            "dns_error": "name not resolved",
        }
        self.assertEqual(
            sorted(self.card("Coverage")),
            sorted(f"{count} {says[status]}" for status, count in statuses.items()),
        )

    def test_policies(self):
        self.browser.go("#v=policies")
        for name in POLICIES:
            policies = [
                p
                for r in endpoints_of(self.run_records)
                for p in r["policies"]
                if p["name"] == name
            ]
            counts = Counter(
                (clause, verdict)
                for p in policies
                for verdict in VERDICTS
                for clause in p["clauses"][verdict]
            )
            shown = self.browser.run(
                """
                return [...document.querySelectorAll(".policy")].filter((p) => p.dataset.policy === arguments[0])
                    .flatMap((p) => [...p.querySelectorAll("tbody tr")].map((tr) => [...tr.children].map((td) => td.textContent)))""",
                name,
            )
            self.assertEqual(len(shown), len({clause for clause, _ in counts}))
            for clause, *numbers in shown:
                clause = clause.removesuffix(" unverified")
                for verdict, count in zip(VERDICTS, numbers, strict=True):
                    self.assertEqual(int(count), counts[clause, verdict], (name, clause, verdict))

    def test_a_clause_leads_to_its_endpoints(self):
        self.browser.go("#v=policies")
        link, count = self.value(
            """(() => { const a = document.querySelector(".policy td a.v-fail"); return [a.getAttribute("href"), +a.textContent]; })()"""
        )
        self.browser.go(link)
        self.assertEqual(self.counted(), count)

    def test_findings_by_rule(self):
        self.browser.go("#v=findings")
        open_ = Counter(f["rule"] for f in findings(self.run_records) if f["status"] == "open")
        shown = dict(
            self.value(
                """[...document.querySelectorAll(".panel[data-rule]")].map((p) =>
            [p.dataset.rule, +p.querySelector("summary b").textContent])"""
            )
        )
        self.assertEqual(shown, dict(open_))
        self.browser.go("#v=findings&rule=" + next(iter(open_)))
        self.assertEqual(self.value("document.querySelectorAll('.panel[open]').length"), 1)

    def test_labels(self):
        owners = Counter(r["endpoint"]["labels"]["owner"] for r in endpoints_of(self.run_records))
        shown = {row.split()[0]: int(row.split()[2]) for row in self.card("By label")}
        self.assertEqual(shown, dict(owners))
        self.browser.go("#v=endpoints&label.owner=files")
        self.assertEqual(self.counted(), owners["files"])

    def test_every_filter_of_the_summary_finds_what_it_counts(self):
        links = self.value(
            """[...document.querySelectorAll("#view-summary .bars > a[href*='v=endpoints'], #view-summary .columns > a, #view-summary td a")]
            .map((a) => [a.getAttribute("href"), a.innerText])"""
        )
        self.assertGreater(len(links), 20)
        for link, text in links:
            self.browser.go(link)
            expected = re.search(
                r"(?:on )?([\d,]+)(?: \d+ %.*|<1 %.*| of .*)?$", text.replace("\n", " ").strip()
            )
            if "severity=" in link and "label" in link or "expiry" in link:
                self.assertGreater(self.counted(), 0, link)
            elif expected:
                self.assertEqual(self.counted(), int(expected[1].replace(",", "")), (link, text))

    def test_without_scripts(self):
        page = self.path.read_text()
        plain = " ".join(Reader(page).plain.split())
        open_ = Counter(f["severity"] for f in findings(self.run_records) if f["status"] == "open")
        records = endpoints_of(self.run_records)
        self.assertIn(f"recorded{len(records)}", plain.replace(" ", ""))
        for severity in SEVERITIES:
            self.assertIn(f"{severity}{open_[severity]}", plain.replace(" ", ""))
        for rule in {f["rule"] for f in findings(self.run_records)}:
            self.assertIn(rule, plain)


class Places(Case):
    """Search, filters, sorting, keys, links, the page of a host."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.run_records = sample()
        count_again(cls.run_records)
        cls.records = endpoints_of(cls.run_records)

    def setUp(self):
        self.open(self.run_records)

    def hosts(self, wanted):
        return {record["endpoint"]["host"] for record in self.records if wanted(record)}

    def test_search(self):
        self.browser.press("/")
        self.assertEqual(self.value("document.activeElement.id"), "find")
        self.browser.type("smtp files")
        self.browser.wait("location.hash.includes('smtp+files')")
        expected = self.hosts(
            lambda r: r["endpoint"]["protocol"] == "smtp"
            and r["endpoint"]["labels"]["owner"] == "files"
        )
        self.assertEqual(set(self.rows()), expected)
        self.assertEqual(self.text("#live"), f"{len(expected)} endpoints of {len(self.records)}")
        self.browser.press("Enter")
        self.assertEqual(self.value("document.activeElement.id"), "grid")

    def test_search_finds_all_columns(self):
        for word, wanted in (
            ("host3.example.test", lambda r: r["endpoint"]["host"] == "host3.example.test"),
            (
                "starttls-injection",
                lambda r: any(f["rule"] == "STARTTLS-INJECTION" for f in r["findings"]),
            ),
            ("dns_error", lambda r: r["status"] == "dns_error"),
        ):
            self.browser.go("#v=endpoints&q=" + word)
            self.assertEqual(set(self.rows()), self.hosts(wanted), word)

    def test_filters(self):
        self.browser.go("#v=endpoints&severity=high&severity=critical&protocol=imap")
        self.assertEqual(
            set(self.rows()),
            self.hosts(
                lambda r: r["endpoint"]["protocol"] == "imap"
                and any(f["severity"] in ("high", "critical") for f in r["findings"])
            ),
        )
        self.browser.click(".chip[aria-label*='protocol' i]")
        self.assertNotIn("protocol", self.value("location.hash"))
        self.browser.click(".pop summary")
        self.browser.click(".pop[open] label:nth-of-type(3) input")
        self.assertIn("severity=medium", self.value("location.hash"))
        self.browser.press("Escape")
        self.assertEqual(self.value("document.querySelectorAll('.pop[open]').length"), 0)
        self.browser.click(".chip.all")
        self.assertEqual(self.counted(), len(self.records))

    def test_nothing_found(self):
        self.browser.go("#v=endpoints&q=there-is-no-such-thing")
        self.assertEqual((self.counted(), self.rows()), (0, []))
        self.assertIn("No endpoint", self.text(".nothing"))

    def test_sort(self):
        self.browser.go("#v=endpoints")
        self.browser.click("th.h-host button")
        ordered = sorted(self.hosts(lambda r: True), key=lambda host: int(re.sub(r"\D", "", host)))
        self.assertEqual(self.rows()[:5], ordered[:5])
        self.assertEqual(
            self.value("document.querySelector('th.h-host').getAttribute('aria-sort')"), "ascending"
        )
        self.browser.press("Space")  # the button has the focus
        self.assertEqual(self.rows()[:5], ordered[::-1][:5])
        self.assertEqual(
            self.value("document.querySelector('th.h-host').getAttribute('aria-sort')"),
            "descending",
        )
        self.assertIn("sort=-host", self.value("location.hash"))

    def test_the_worst_come_first(self):
        self.browser.go("#v=endpoints")
        worst = {
            r["endpoint"]["host"]: SEVERITIES.index(r["severity_max"]) if r["severity_max"] else 5
            for r in self.records
        }
        shown = [worst[host] for host in self.rows()]
        self.assertEqual(shown, sorted(shown))
        self.assertEqual(shown[0], min(worst.values()))

    def test_keys(self):
        self.browser.go("#v=endpoints")
        self.browser.run("document.getElementById('grid').focus()")
        self.browser.press("ArrowDown", "ArrowDown", "ArrowUp")
        active = self.value("document.querySelector('tr.active .host').textContent")
        self.assertEqual(active, self.rows()[1])
        self.assertEqual(
            self.value("document.getElementById('grid').getAttribute('aria-activedescendant')"),
            self.value("document.querySelector('tr.active').id"),
        )
        self.browser.press("Enter")
        self.assertEqual(self.text("#h-host"), active)
        self.assertEqual(self.value("document.activeElement.id"), "h-host")
        self.browser.press("Escape")
        self.assertEqual(self.value("document.activeElement.id"), "grid")
        self.assertEqual(
            self.value("document.querySelector('tr.active .host').textContent"), active
        )
        self.browser.press("End")
        self.assertEqual(
            int(self.value("document.querySelector('tr.active').getAttribute('aria-rowindex')")),
            len(self.records) + 1,
        )

    def test_a_link_can_be_sent(self):
        self.browser.open(self.path, "#v=endpoints&severity=high&sort=host&q=imap")
        first = self.rows()
        self.assertEqual(self.value("document.getElementById('find').value"), "imap")
        self.browser.go("#v=summary")
        self.browser.run("history.back()")
        self.browser.wait("!document.getElementById('view-endpoints').hidden")
        self.browser.settle()
        self.assertEqual(self.rows(), first)

    def test_skip_link(self):
        self.browser.press("Tab")
        self.assertEqual(self.value("document.activeElement.id"), "skip")
        self.browser.press("Enter")
        self.assertEqual(self.value("document.activeElement.id"), "main")

    def test_groups(self):
        self.browser.go("#v=endpoints&group=label.owner")
        self.assertEqual(
            self.value("document.getElementById('grid').getAttribute('aria-rowcount')"),
            str(len(self.records) + 3 + 1),
        )
        self.assertEqual(self.counted(), len(self.records))

    def test_the_page_of_a_host_has_every_fact(self):
        """Each text, number and reason of a record stands on the page of its host."""
        for record in self.records:
            endpoint = record["endpoint"]
            host = endpoint["host"] + ("|" + endpoint["ip"] if endpoint["ip"] else "")
            self.browser.run("location.hash = new URLSearchParams({h: arguments[0]})", host)
            self.browser.settle()
            self.browser.run(
                "for (const fold of document.querySelectorAll('#view-host .fold')) fold.open = true;"
            )
            self.browser.settle()
            seen = self.browser.run(
                """
                for (const raw of document.querySelectorAll("#view-host .raw")) raw.closest(".fold").remove();
                return document.getElementById("view-host").textContent;"""
            )
            seen = re.sub(r"[\s_]+", " ", seen)
            for path, value in leaves(record):
                if isinstance(value, str) and value and path[0] not in ("schema", "type", "run_id"):
                    if (
                        path[0] == "findings"
                        and path[2] == "references"
                        or "clauses" in path
                        or "unverified" in path
                    ):
                        value = re.sub(r" ?\(unverified\)$", "", value)
                    if path[-1] in ("version", "by", "protocol", "from"):
                        continue
                    if path[:2] == ("tls", "versions_accepted") or path[-1] == "status":
                        continue
                    value = value.replace("\t", "U+0009")
                    self.assertIn(
                        re.sub(r"[\s_]+", " ", value)[:300].strip(),
                        seen,
                        (record["endpoint"]["key"], path),
                    )

    def test_what_is_not_known_is_said_with_its_reason(self):
        record = next(r for r in self.records if len(r["unknown"]) > 2 and r.get("starttls"))
        self.browser.run(
            "location.hash = new URLSearchParams({h: arguments[0]})",
            f"{record['endpoint']['host']}|{record['endpoint']['ip']}",
        )
        self.browser.settle()
        text = self.text("#view-host")
        for unknown in record["unknown"]:
            self.assertRegex(
                text, re.escape(unknown["path"]) + r"\s+" + unknown["reason"].replace("_", " ")
            )

    def test_the_record_itself(self):
        record = self.records[0]
        self.browser.run(
            "location.hash = new URLSearchParams({h: arguments[0]})",
            f"{record['endpoint']['host']}|{record['endpoint']['ip']}",
        )
        self.browser.settle()
        self.browser.run("[...document.querySelectorAll('#view-host .fold')].at(-1).open = true")
        self.browser.settle()
        shown = self.value("document.querySelector('#view-host .raw .net').firstChild.data")
        self.assertEqual(json.loads(shown), record)

    def test_theme(self):
        background = "getComputedStyle(document.body).backgroundColor"
        light = self.value(background)
        self.browser.click("#theme")
        self.assertEqual(self.value(background), light)
        self.browser.click("#theme")
        self.assertNotEqual(self.value(background), light)
        self.browser.open(self.path)
        self.assertIn("Dark", self.text("#theme"))
        self.browser.click("#theme")
        self.assertEqual(self.value(background), light)


def leaves(value, path=()):
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from leaves(item, (*path, str(i)))
    else:
        yield path, value


class Runs(Case):
    """What the run says of itself: whole, cut short, a part, one of several."""

    def test_no_end(self):
        self.open(sample()[:-1])
        self.assertIn("Not complete.", self.text("#notices"))
        self.assertIn("not complete", self.text("#meta"))
        self.assertIn("did not come to its end", Reader(self.path.read_text()).plain)

    def test_stopped(self):
        run = sample()
        run[-1].update(complete=False, stopped_by="deadline")
        self.open(run)
        self.assertIn("its time was over", self.text("#notices"))

    def test_a_shard(self):
        run = sample()
        run[0]["shard"] = {"index": 1, "count": 4}
        self.open(run)
        self.assertIn("shard 2 of 4", self.text("#notices"))
        self.assertNotRegex(self.text("#meta"), r"(?<!not )complete")

    def test_records_that_are_missing(self):
        run = sample()
        count_again(run)
        self.open(run[:2] + run[-1:])
        self.assertIn("Records are missing", self.text("#notices"))

    def test_several_runs(self):
        first, second = sample(), sample()[:5] + sample()[-1:]
        count_again(first)
        count_again(second)
        self.open(first + second)
        self.assertIn("2 runs.", self.text("#notices"))
        self.browser.go("#v=endpoints")
        self.assertEqual(self.counted(), len(endpoints_of(second)))
        self.browser.run(
            """const choice = document.querySelector(".notice select");
            choice.value = "0"; choice.dispatchEvent(new Event("change"));"""
        )
        self.browser.wait(
            f"document.getElementById('count').textContent.startsWith('{len(endpoints_of(first))} ')"
        )

    def test_no_endpoints(self):
        self.open(sample()[:1])
        self.assertIn("No endpoints.", self.text("#notices"))

    def tile(self, label):
        """Its number, its note, and its colour's name."""
        return self.browser.run(
            """
            const tile = [...document.querySelectorAll(".tile")].find((t) => t.querySelector(".label").textContent === arguments[0]);
            return [tile.querySelector(".big").textContent, tile.querySelector(".note").textContent,
                    tile.className.replace("tile", "").trim()];""",
            label,
        )

    def test_days_are_whole_on_either_side(self):
        """As the evidence of the rule has them."""
        run = sample()
        record = next(r for r in endpoints_of(run) if (r.get("tls") or {}).get("certificate"))
        run[1:-1] = [record]
        count_again(run)
        now = datetime.fromisoformat(record["time"])
        for hours, words in ((60, "2 days"), (30, "1 day"), (-6, "expired today"),
                             (-30, "expired 1 d"), (-60, "expired 2 d")):
            end = now + timedelta(hours=hours)
            record["tls"]["certificate"]["not_after"] = f"{end:%FT%TZ}"
            self.open(run, "#v=endpoints")
            self.assertEqual(self.text("#grid td.h-cert"), words)

    def test_silence_is_no_good_news(self):
        run = sample()
        del run[1:-1]
        run[-1]["hosts"] = {"scanned": 254, "answered": 0}
        run[-1]["endpoints"] = {"recorded": 0, "by_status": [{"status": "timeout", "count": 2540}]}
        count_again(run)
        run[-1]["endpoints"]["by_status"] = [{"status": "timeout", "count": 2540}]
        self.open(run)
        self.assertIn("Nothing could be judged", self.text(".short"))
        self.assertNotIn("Nothing is open", self.text("#view-summary"))
        self.assertIn("0 answered, 0 closed, 2,540 not known", self.text("#view-summary"))
        for label in ("Open findings", "Logins in clear", "No working TLS", "Certificates to renew"):
            number_, _, colour = self.tile(label)
            self.assertEqual((number_.split()[0], colour), ("0", ""), label)
        self.browser.go("#v=findings")
        self.assertIn("Nothing could be judged", self.text("#view-findings"))

    def test_what_is_not_known_is_told_where_there_is_a_zero(self):
        run = sample()
        sound = [r for r in endpoints_of(run) if in_clear(r) and not takes_login(r)
                 and r["starttls"].get("accepted") and r["starttls"]["handshake"] == "ok"]
        run[1:-1] = sound
        count_again(run)
        self.open(run)
        for label in ("Logins in clear", "No working TLS"):
            self.assertEqual(self.tile(label)[::2], [f"0 of {len(sound)}", "fine"], label)
        del sound[0]["starttls"]["accepted"]
        sound[0]["auth"]["cleartext_login"]["verdict"] = "inconclusive"
        self.open(run)
        for label in ("Logins in clear", "No working TLS"):
            number_, note, colour = self.tile(label)
            self.assertEqual((number_, colour), (f"0 of {len(sound)}", ""), label)
            self.assertIn("1 not known", note, label)

    def test_who_hung_up_did_answer(self):
        run = sample()
        for record, status in zip(endpoints_of(run), ("error", "timeout", "closed")):
            record["status"] = status
        count_again(run)
        statuses = Counter(r["status"] for r in endpoints_of(run))
        silent = sum(statuses[s] for s in ("timeout", "unreachable", "dns_error"))
        self.open(run)
        self.assertIn(
            f"{statuses.total() - silent - statuses['closed']} answered, {statuses['closed']} closed,"
            f" {silent} not known (silent or out of reach)",
            self.text("#view-summary"),
        )

    def test_waivers_baseline_and_what_was_not_asked(self):
        run = sample()
        waiver = {"id": "W-2026-014", "reason": "Replaced in Q1", "expires": "2027-01-31"}
        records = [r for r in endpoints_of(run) if len(r["findings"]) > 1]
        for record in records:
            record["findings"][0].update(status="waived", waiver={**waiver, "expired": False})
            record["findings"][1].update(waiver={**waiver, "id": "W-OLD", "expired": True})
            record["findings"][1]["baseline"] = "new"
        silent, there = records[0], records[1]
        for record, verdict in ((silent, "fail"), (there, "pass")):
            record["checks"][verdict] = [*record["checks"][verdict], "EXPECTED-SERVICE-SILENT"]
        run[-1]["waivers"] = [
            {**waiver, "state": "used", "findings": len(records)},
            {"id": "W-STALE", "state": "stale", "findings": 0, "expires": "2027-01-01"},
        ]
        run.insert(
            -1,
            {
                "schema": "1.3",
                "type": "not_asked",
                "run_id": run[0]["run_id"],
                "time": run[0]["time"],
                "endpoint": {
                    "key": "imap://old.example.test:143",
                    "protocol": "imap",
                    "mode": "insecure",
                    "host": "old.example.test",
                    "ip": "192.0.2.9",
                    "port": 143,
                },
                "reason": "excluded",
            },
        )
        count_again(run)
        self.open(run)
        self.assertIn(f"{len(records)} waived", self.text("#view-summary"))
        self.assertEqual(
            self.card("Waivers"),
            [f"W-2026-014 used 2027-01-31 {len(records)}", "W-STALE stale 2027-01-01 0"],
        )
        open_ = sum(1 for f in findings(run) if f["status"] == "open")
        self.browser.go("#v=findings")
        of = len({f["rule"] for f in findings(run) if f["status"] == "open"})
        self.assertIn(f"{open_} open findings of {of} rules, {len(records)} waived",
                      self.text("#view-findings"))
        self.browser.go("#v=summary")
        self.assertIn(f"{open_} findings are open", self.text(".short"))
        self.assertIn("1 answered, 1 silent, 0 not known", self.text("#view-summary"))
        self.assertIn(f"{silent['endpoint']['key']} silent: {silent['status']}",
                      self.text("#view-summary"))
        self.browser.go("#v=endpoints&expected=silent")
        self.assertEqual(self.rows(), [silent["endpoint"]["host"]])
        self.browser.go("#v=endpoints&finding=waived")
        self.assertEqual(self.counted(), len(records))
        self.browser.go("#v=endpoints&finding=waiver+expired")
        self.assertEqual(self.counted(), len(records))
        self.browser.go("#v=run")
        self.assertIn("imap://old.example.test:143", self.text("#view-run"))


# --- hostile records ------------------------------------------------------------------------------------

PAYLOADS = [
    "<script>window.__pwned=1</script>",
    "</script><script>window.__pwned=2</script>",
    "<!--<script>",
    "-->",
    "]]></script><img src=x onerror=window.__pwned=3>",
    "\"'><svg onload=window.__pwned=4>",
    "&lt;script&gt;&#60;b&#62;",
    "javascript:window.__pwned=5",
    "\u202etxt.exe\u202c \u2066hidden\u2069 \u200b\ufeff\u00ad",
    "\u05d0\u05d1\u05d2 \u0627\u0644\u0639",
    "~0",
    "~~",
    "~1x",
    "__proto__",
    "constructor",
    "toString",
    "hasOwnProperty",
    "=cmd|' /C calc'!A0",
    '\u2028 \u2029 \\ " / \n\t',
    "Z\u0351\u0352\u0353\u0354\u0355\u0356\u0357\u0358\u0359algo",
    "\U0001f469\u200d\U0001f4bb",
    "{{7*7}} ${7*7} @@data@@ @@script@@",
    "</noscript></table><style>*{display:none}</style>",
    "x" * 65536,
    "<b>" * 20000,
]
BIDI = re.compile(
    "[\u061c\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\x00-\x08\x0b-\x1f\x7f-\x9f]"
)


def poisoned(record, payloads, keep=()):
    """Each text of a record replaced by the next payload, but those at the paths to keep."""

    def walk(value, path):
        if isinstance(value, dict):
            result = {key: walk(item, (*path, key)) for key, item in value.items()}
            if path and path[-1] in ("labels", "evidence", "options"):
                result.update(
                    {next(payloads)[:2000]: next(payloads), "__proto__": "x", "constructor": "y"}
                )
            return result
        if isinstance(value, list):
            return [walk(item, (*path, str(i))) for i, item in enumerate(value)]
        return (
            next(payloads)
            if isinstance(value, str) and path[-1] not in keep and path not in keep
            else value
        )

    return walk(record, ())


def round_and_round():
    while True:
        yield from PAYLOADS


KEEP = (
    "schema",
    "type",
    "run_id",
    "started",
    "time",
    "status",
    "observed_mode",
    "severity",
    "protocol",
    "verdict",
    "not_after",
    ("endpoint", "mode"),
)


class Hostile(Case):
    """Text of a stranger's stays text, whatever it is and wherever it stands."""

    VIEWS = (
        "#v=summary",
        "#v=endpoints",
        "#v=endpoints&group=label.owner",
        "#v=findings",
        "#v=policies",
        "#v=run",
    )
    SCRIPTS = 1  # the page's own; those with data are taken out

    def look_everywhere(self):
        """Through all views and some hosts, with everything unfolded."""
        yield from self.VIEWS
        self.browser.go("#v=endpoints")
        links = self.value(
            "[...document.querySelectorAll('#grid a.host')].map((a) => a.getAttribute('href'))"
        )
        yield from links[:4]

    def check(self):
        self.browser.run(
            "for (const fold of document.querySelectorAll('details')) fold.open = true;"
        )
        self.browser.settle()
        state = self.value(
            """({
            pwned: window.__pwned, scripts: document.scripts.length,
            odd: document.querySelectorAll("img, iframe, object, embed, base, form, link:not([rel=icon]), [onerror], [onload], [onclick], [style*=expression]").length,
            styles: document.querySelectorAll("style").length, hrefs: [...document.querySelectorAll("a, [src]")].map((e) => e.getAttribute("href") || "").filter((u) => !u.startsWith("#")),
            texts: (() => { const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), all = [];
                while (walker.nextNode()) if (walker.currentNode.parentNode.localName !== "script") all.push(walker.currentNode.data);
                for (const e of document.body.querySelectorAll("[title], [aria-label], option")) all.push(e.title, e.getAttribute("aria-label") || "", e.localName === "option" ? e.text : "");
                all.push(document.title); return all.join("\\n"); })()})"""
        )
        self.assertIsNone(state["pwned"])
        self.assertEqual(
            (state["scripts"], state["styles"], state["odd"], state["hrefs"]),
            (self.SCRIPTS, 1, 0, []),
        )
        if odd := BIDI.search(state["texts"]):
            self.fail(f"{odd[0]!r} in {state['texts'][max(0, odd.start() - 100):odd.end() + 20]!r}")
        for word in ("undefined", "[object Object]", "NaN"):
            at = state["texts"].find(word)
            self.assertEqual(at, -1, state["texts"][max(0, at - 200) : at + 40])
        return state["texts"]

    def test_every_text_of_every_record(self):
        payloads = round_and_round()
        run = [poisoned(record, payloads, KEEP) for record in sample()]
        self.open(
            run,
            "",
            "--title",
            "</title><script>window.__pwned=6</script>\u202e",
            "--scan-name",
            "<b>",
        )
        texts = ""
        for place in self.look_everywhere():
            self.browser.go(place)
            texts += self.check()
        for payload in (
            "<script>window.__pwned=1</script>",
            "</script><img",
            "<!--<script>",
            "U+202E",
            "{{7*7}}",
            "&lt;script&gt;",
            "~0",
        ):
            self.assertIn(payload, texts)

    def test_what_is_long_can_be_had_whole(self):
        run = sample()
        record = next(r for r in endpoints_of(run) if r.get("banner") and r["endpoint"]["ip"])
        record["banner"] = "* OK " + "y" * 65536
        self.open(run)
        self.browser.run(
            "location.hash = new URLSearchParams({h: arguments[0]})",
            f"{record['endpoint']['host']}|{record['endpoint']['ip']}",
        )
        self.browser.settle()
        self.assertIn("all 65,541 characters", self.text("#view-host"))
        self.browser.run(
            "[...document.querySelectorAll('button.more')].find((b) => b.textContent.includes('65,541')).click()"
        )
        self.assertIn("y" * 65536, self.value("document.getElementById('view-host').textContent"))
        self.assertLessEqual(self.value("document.documentElement.scrollWidth"), 1440)

    def test_the_page_does_not_grow_wider_than_the_window(self):
        payloads = round_and_round()
        self.open([poisoned(record, payloads, KEEP) for record in sample()])
        for place in self.look_everywhere():
            self.browser.go(place)
            self.assertLessEqual(self.value("document.documentElement.scrollWidth"), 1440, place)

    def test_records_of_any_shape(self):
        print(f"REPORT_SEED={SEED}", flush=True)
        draw = random.Random(SEED)
        values = [
            None,
            True,
            0,
            -1,
            1e300,
            "",
            "x",
            [],
            {},
            [[]],
            [None],
            [{}],
            {"a": None},
            "~5",
            {"__proto__": {"x": 1}},
        ]
        run = sample()

        def bend(value, depth):
            if draw.random() < 0.06 and depth:
                return draw.choice(values)
            if isinstance(value, dict):
                return {
                    key: bend(item, depth + 1)
                    for key, item in value.items()
                    if draw.random() > 0.03 or key in ("type", "schema")
                }
            if isinstance(value, list):
                return [bend(item, depth + 1) for item in value]
            return value

        bent = []
        for _ in range(6):
            for record in run:
                copy_ = bend(copy.deepcopy(record), 0)
                copy_["type"], copy_["schema"] = record["type"], record["schema"]
                if record["type"] == "endpoint":
                    bent.append(copy_)
        first, last = bend(run[0], 0), bend(run[-1], 0)
        for record, kind in ((first, run[0]), (last, run[-1])):
            record["type"], record["schema"] = kind["type"], kind["schema"]
        self.open([first, *bent, last])
        for place in self.look_everywhere():
            self.browser.go(place)
            self.check()

    def test_the_policy_of_the_page_holds(self):
        self.open(sample())
        self.browser.run(
            """
            const script = document.createElement("script");
            try { script.textContent = "window.__pwned = 1"; } catch (error) { window.refused = true; }
            document.body.append(script);
            const style = document.createElement("style");
            style.textContent = "body { color: rgb(1, 2, 3) }";
            document.body.append(style);
            const image = document.createElement("img");
            image.src = "http://127.0.0.1:9/x.png";
            document.body.append(image);
            try { document.body.insertAdjacentHTML("beforeend", "<p id=inserted>"); } catch (error) { window.blocked = true; }
            fetch("http://127.0.0.1:9/").catch(() => { window.unfetched = true; });"""
        )
        self.browser.wait("window.unfetched")
        self.browser.settle()
        self.assertEqual(
            self.value(
                "[window.__pwned ?? null, window.blocked, document.getElementById('inserted')]"
            ),
            [None, True, None],
        )
        self.assertNotEqual(self.value("getComputedStyle(document.body).color"), "rgb(1, 2, 3)")
        complaints = self.browser.complaints()
        self.assertTrue(any("Content Security Policy" in text for text in complaints), complaints)
        self.assertEqual([url for url in self.browser.requests() if "127.0.0.1:9" not in url], [])


class Faithful(unittest.TestCase):
    """The page as a file: what it holds, and what it does not."""

    def page(self, run):
        data = run if isinstance(run, bytes) else lines(run)
        return program("export", "--format", "html", "-", data=data).decode()

    def test_nothing_of_a_record_is_lost(self):
        run = sample()
        self.assertEqual(records_in(self.page(run)), run)

    def test_nothing_of_a_hostile_record_is_lost(self):
        source = round_and_round()
        run = [poisoned(record, source, KEEP) for record in sample()]
        page = self.page(run)
        self.assertEqual(records_in(page), run)
        elements = Counter(tag for tag, _ in Reader(page).tags)
        self.assertEqual(
            elements["script"], page.count("\n]\n") + len(re.findall('class="data">', page)) + 1
        )
        self.assertEqual(
            (elements["img"], elements["iframe"], elements["b"], elements["style"]), (0, 0, 0, 1)
        )

    def test_many_shapes_and_values(self):
        """When the tables are full, what is new is written where it is."""
        run = sample()
        record = endpoints_of(run)[0]
        many = []
        for i in range(3000):
            record = copy.deepcopy(record)
            record["endpoint"]["labels"] = {
                f"key{i}": f"a value of its own {i}",
                "other": "the same for all",
            }
            many.append(record)
        whole = [run[0], *many, run[-1]]
        self.assertEqual(records_in(self.page(whole)), whole)

    def test_an_endpoint_takes_little(self):
        """What endpoints have in common is not written again for each."""
        run = sample()
        endpoints = [r for r in endpoints_of(run)]
        for record in endpoints:
            record["transcript"] = None
        many = []
        for i in range(2000):
            record = copy.deepcopy(endpoints[i % len(endpoints)])
            settle(record, f"mail{i}.example.test", f"10.0.{i // 250}.{i % 250}")
            for n, finding in enumerate(record["findings"]):
                finding["fingerprint"] = f"f1-{i:024x}{n:08x}"
            many.append(record)
        small, large = self.page(run), self.page([run[0], *many, run[-1]])
        self.assertLess((len(large) - len(small)) / 2000, 2000)

    def test_nothing_is_asked_for_and_nothing_runs_in_the_markup(self):
        page = self.page(sample())
        self.assertNotRegex(
            re.sub(r"xmlns='http://www.w3.org/2000/svg'", "", (PAGE / "page.html").read_text()),
            r"https?://",
        )
        for tag, attributes in Reader(page).tags:
            self.assertFalse(
                [name for name in attributes if name.startswith("on") or name == "style"], tag
            )
            self.assertNotIn("src", attributes)

    def test_the_script_makes_no_markup(self):
        scripts = "".join(path.read_text() for path in PAGE.rglob("*.js"))
        self.assertNotRegex(
            scripts,
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|srcdoc|\beval\b|new Function|createContextualFragment",
        )
        self.assertNotRegex(
            scripts,
            r"\bfetch\(|XMLHttpRequest|WebSocket|import\(|https?://(?!www\.w3\.org/2000/svg)",
        )

    def test_the_same_records_make_the_same_page(self):
        run = sample()
        self.assertEqual(self.page(run), self.page(run))

    def test_a_torn_line_is_left_out(self):
        run = sample()
        self.assertEqual(records_in(self.page(lines(run) + b'{"schema":"1.2","type":"endpo')), run)


class Thousands(Case):
    """Ten thousand endpoints: only what can be seen is in the page."""

    COUNT = 10000

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        run = sample()
        endpoints = endpoints_of(run)
        cls.run_records = [run[0]]
        for i in range(cls.COUNT):
            record = dict(endpoints[i % len(endpoints)])
            record["endpoint"] = dict(record["endpoint"])
            settle(
                record,
                f"mail{i // 8}.example.test",
                f"10.{i // 8 // 65536}.{i // 8 // 256 % 256}.{i // 8 % 256}",
            )
            record["endpoint"]["labels"] = {"owner": f"team{i % 7}", "site": f"site{i % 40}"}
            record["policies"] = record["policies"][:1]
            record["transcript"] = None
            cls.run_records.append(record)
        cls.run_records.append(run[-1])
        count_again(cls.run_records)
        path = cls.directory / "thousands.html"
        path.write_bytes(program("export", "--format", "html", "-", data=lines(cls.run_records)))
        cls.file = path
        cls.browser.open(path)

    def elements(self):
        return self.value("document.querySelectorAll('*').length")

    def test_all_are_there(self):
        self.browser.go("#v=endpoints")
        self.assertEqual(self.counted(), self.COUNT)
        self.assertEqual(
            self.value("+document.getElementById('grid').getAttribute('aria-rowcount')"),
            self.COUNT + 1,
        )

    def test_scrolling_keeps_the_page_small(self):
        self.browser.go("#v=endpoints&sort=host")
        made = self.browser.run(
            """
            window.made = 0;
            new MutationObserver((changes) => { for (const c of changes) window.made += [...c.addedNodes].filter((n) => n.localName === "tr").length; })
                .observe(document.querySelector("#grid tbody"), {childList: true});
            return window.made;"""
        )
        self.assertEqual(made, 0)
        height = self.value("document.documentElement.scrollHeight")
        self.assertGreater(height, self.COUNT * 40)
        for step in range(40):
            self.browser.run("scrollTo(0, arguments[0])", height * step // 40)
            self.browser.settle()
            rows = self.rows()
            self.assertTrue(5 < len(rows) < 60, len(rows))
        self.assertLess(self.value("window.made"), 40 * 60)
        self.assertLess(self.elements(), 12000)
        self.browser.run("scrollTo(0, 1e9)")
        self.browser.settle()
        self.assertEqual(self.rows()[-1], f"mail{(self.COUNT - 1) // 8}.example.test")
        self.browser.run("scrollTo(0, 400)")
        self.browser.settle()
        before = self.value("window.made")
        self.browser.run("scrollTo(0, 442)")  # a row further, a row more
        self.browser.settle()
        self.assertLessEqual(self.value("window.made") - before, 2)

    def test_a_search_draws_only_what_can_be_seen(self):
        self.browser.go("#v=endpoints&q=mail12")
        expected = sum("mail12" in r["endpoint"]["host"] for r in endpoints_of(self.run_records))
        self.assertEqual(self.counted(), expected)
        self.assertLess(len(self.rows()), 60)

    def test_a_host(self):
        self.browser.go("#v=endpoints&sort=host")
        self.browser.click("#grid a.host")
        self.assertEqual(self.value("document.querySelectorAll('#view-host .endpoint').length"), 8)
        self.browser.press("Escape")
        self.assertEqual(self.value("document.getElementById('view-host').childNodes.length"), 0)

    def test_numbers(self):
        open_ = Counter(f["severity"] for f in findings(self.run_records) if f["status"] == "open")
        self.browser.go("#v=summary")
        shown = [row.split(" on ")[0] for row in self.card("Findings by severity")]
        self.assertEqual(shown, [f"{s} {number(open_[s])}" for s in SEVERITIES])


# --- for everyone ----------------------------------------------------------------------------------------

CONTRAST = """
    const parse = (text) => { const m = text.match(/[\\d.]+/g).map(Number); return {rgb: m.slice(0, 3), alpha: m.length > 3 ? m[3] : 1}; };
    const light = (rgb) => { const [r, g, b] = rgb.map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
    const behind = (element) => { for (let e = element; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c.alpha === 1) return c.rgb; } return [255, 255, 255]; };
    const bad = [];
    let seen = 0;
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || ["SCRIPT", "STYLE", "NOSCRIPT", "OPTION"].includes(element.tagName) || element.closest(".quiet") || !element.checkVisibility())
            continue;
        const style = getComputedStyle(element), a = light(parse(style.color).rgb), b = light(behind(element));
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), size = parseFloat(style.fontSize);
        seen++;
        if (ratio < (size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5) || style.opacity !== "1")
            bad.push([walker.currentNode.data.trim().slice(0, 40), element.className, ratio.toFixed(2), style.color]);
    }
    return [seen, bad.slice(0, 10)];
"""


class Everyone(Case):
    """Names, contrast, headings, paper, narrow windows."""

    VIEWS = Hostile.VIEWS

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.run_records = sample()
        for record in endpoints_of(cls.run_records)[:9]:
            if record["findings"]:
                record["findings"][0].update(
                    status="waived",
                    waiver={"id": "W-1", "reason": "r", "expires": "2027-01-01", "expired": False},
                )
        cls.run_records[-1]["complete"] = False
        cls.run_records[-1]["stopped_by"] = "signal"

    def places(self):
        endpoint = endpoints_of(self.run_records)[0]["endpoint"]
        yield from self.VIEWS
        yield f"#h={endpoint['host']}%7C{endpoint['ip']}"

    def unfold(self):
        self.browser.run(
            "for (const fold of document.querySelectorAll('details:not(.pop)')) fold.open = true;"
        )
        self.browser.settle()

    def test_contrast(self):
        self.open(self.run_records)
        for scheme in ("light", "dark"):
            self.browser.set_scheme(scheme)
            for place in self.places():
                self.browser.go(place)
                self.unfold()
                seen, bad = self.browser.run(CONTRAST)
                self.assertGreater(seen, 40)
                self.assertEqual(bad, [], (scheme, place))
        self.browser.set_scheme("light")

    def test_colours_of_charts_stand_out(self):
        """3 to 1 against what is behind them (WCAG 1.4.11), and no colour stands without a word."""
        style = (PAGE / "style.css").read_text()
        blocks = {
            "light": re.search(r":root \{(.*?)\}", style, re.S)[1],
            "dark": re.search(r':root\[data-theme="dark"\] \{(.*?)\}', style, re.S)[1],
        }
        other = re.search(r':root:not\(\[data-theme="light"\]\) \{(.*?)\}', style, re.S)[1]
        self.assertEqual(blocks["dark"].split(), other.split(), "the two dark palettes differ")
        for scheme, block in blocks.items():
            colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{3,6})", block))
            for name in (*SEVERITIES, "good", "open", "focus", "accent"):
                self.assertGreaterEqual(
                    contrast(colours[name], colours["surface"]), 3, (scheme, name)
                )

    def test_names(self):
        self.open(self.run_records)
        for place in self.places():
            self.browser.go(place)
            self.unfold()
            for role, name in self.browser.names():
                if role in (
                    "button",
                    "link",
                    "searchbox",
                    "textbox",
                    "checkbox",
                    "combobox",
                    "image",
                    "grid",
                    "navigation",
                    "region",
                    "heading",
                ):
                    self.assertTrue(name.strip(), (place, role))

    def test_headings_do_not_skip_levels(self):
        self.open(self.run_records)
        for place in self.places():
            self.browser.go(place)
            self.unfold()
            levels = self.value(
                "[...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].filter((e) => e.checkVisibility()).map((e) => +e.localName[1])"
            )
            self.assertEqual(levels[0], 1)
            self.assertEqual(levels.count(1), 1)
            for above, below in zip(levels, levels[1:]):
                self.assertLessEqual(below, above + 1, (place, levels))

    def test_landmarks_and_language(self):
        self.open(self.run_records)
        self.assertEqual(self.value("document.documentElement.lang"), "en")
        self.assertEqual(
            self.value(
                "[document.querySelectorAll('main').length, document.querySelectorAll('nav').length, document.querySelectorAll('footer').length]"
            ),
            [1, 1, 1],
        )

    def test_rows_are_counted_for_those_who_listen(self):
        self.open(self.run_records, "#v=endpoints")
        self.assertEqual(
            self.value(
                "[...document.querySelectorAll('#grid tbody tr.row')].map((r) => +r.getAttribute('aria-rowindex'))"
            ),
            list(range(2, 2 + len(self.rows()))),
        )

    def test_paper(self):
        self.open(self.run_records)
        whole = self.browser.pdf()
        self.assertTrue(whole.startswith(b"%PDF-"))
        pages = len(re.findall(rb"/Type\s*/Page\b(?!s)", whole))
        self.assertGreater(pages, 3)
        self.assertGreater(len(whole), 30000)
        self.browser.cdp("Emulation.setEmulatedMedia", media="print", features=[])
        for view, shown in (
            ("summary", True),
            ("findings", True),
            ("policies", True),
            ("endpoints", False),
            ("run", False),
        ):
            self.assertEqual(
                self.value(f"document.getElementById('view-{view}').checkVisibility()"), shown, view
            )
        self.assertFalse(self.value("document.getElementById('bar').checkVisibility()"))
        self.browser.go(list(self.places())[-1])
        self.assertFalse(self.value("document.getElementById('view-summary').checkVisibility()"))
        self.assertTrue(self.value("document.getElementById('view-host').checkVisibility()"))
        self.browser.cdp(
            "Emulation.setEmulatedMedia",
            media="",
            features=[{"name": "prefers-color-scheme", "value": "light"}],
        )

    def test_a_narrow_window(self):
        self.browser.cdp(
            "Emulation.setDeviceMetricsOverride",
            width=390,
            height=844,
            deviceScaleFactor=1,
            mobile=False,
        )
        try:
            self.open(self.run_records, "", "--title", "https://records.example.org/" + "x" * 60)
            for place in self.places():
                self.browser.go(place)
                self.assertLessEqual(self.value("document.documentElement.scrollWidth"), 390, place)
                if place == "#v=endpoints":
                    self.assertLess(len(self.rows()), 40)
                    heights = self.value(
                        "[...new Set([...document.querySelectorAll('#grid tr.row')].map((r) => r.offsetHeight))]"
                    )
                    self.assertEqual(heights, [92])
        finally:
            self.browser.cdp(
                "Emulation.setDeviceMetricsOverride",
                width=1440,
                height=900,
                deviceScaleFactor=1,
                mobile=False,
            )


# What is cut, or stands out of its box; names of hosts and of rules may be, since they are links to the whole of it.
CUT = """
    const bad = [];
    for (const e of document.querySelectorAll("body *")) {
        if (!e.checkVisibility() || !e.clientWidth || e.closest(".quiet, .skip, svg, select, .bars") ||
            e.matches("input, .h-host, .tabs, main")) continue;
        const style = getComputedStyle(e);
        if (style.display === "inline" || style.visibility === "hidden" || ["auto", "scroll"].includes(style.overflowX)) continue;
        const low = e.matches("#grid td") && e.scrollHeight > e.clientHeight;
        if (e.innerText && (low || e.scrollWidth > e.clientWidth))
            bad.push(`${e.localName}.${e.className}: ${e.innerText.slice(0, 40)}`);
    }
    return bad.slice(0, 10);
"""
FONTS = {
    "DejaVu Sans": ("DejaVuSans", "DejaVuSans-Bold"),
    "DejaVu Serif": ("DejaVuSerif", "DejaVuSerif-Bold"),
    "Liberation Sans": ("LiberationSans-Regular", "LiberationSans-Bold"),
    "Liberation Serif": ("LiberationSerif-Regular", "LiberationSerif-Bold"),
    "Noto Sans": ("NotoSans-Regular", "NotoSans-Bold"),
}


class Fonts(unittest.TestCase):
    """Nothing is cut in any window, whichever font is all that is there."""

    TALL = 3000  # all rows of the table are drawn
    TABLE = "#v=endpoints"
    WIDTHS = (1440, 1024, 768, 390, 360)
    TURNS = (1330, 1241, 1240, 1181, 1180, 1101, 1100, 1061, 1060, 941, 940, 861, 860)

    def fits(self, name):
        if reason := browser.missing():
            self.skipTest(reason)
        files = browser.fonts_named(FONTS[name])
        if len(files) < len(FONTS[name]):
            self.skipTest(f"{name} is not installed")
        run = sample()
        for record in endpoints_of(run)[:9]:
            if record["findings"]:
                record["findings"][0].update(status="waived")
        host = endpoints_of(run)[0]["endpoint"]
        with (tempfile.TemporaryDirectory() as directory,
              Browser((1440, self.TALL), fonts=files) as page):
            path = Path(directory) / "report.html"
            path.write_bytes(program("export", "--format", "html", "-", data=lines(run)))
            page.open(path)
            for place in (*Hostile.VIEWS, f"#h={host['host']}%7C{host['ip']}"):
                page.go(place)
                for width in self.WIDTHS + (self.TURNS if place == self.TABLE else ()):
                    page.resize(width, self.TALL)
                    with self.subTest(font=name, place=place, width=width):
                        self.assertEqual(page.run(CUT), [])
                        self.assertLessEqual(
                            page.value("document.documentElement.scrollWidth"), width)
                        if place == self.TABLE and width > 860:
                            self.assertGreater(page.value(
                                "document.querySelector('#grid thead .h-host').offsetWidth"), 100)

    def test_dejavu_sans(self):
        self.fits("DejaVu Sans")

    def test_dejavu_serif(self):
        self.fits("DejaVu Serif")

    def test_liberation_sans(self):
        self.fits("Liberation Sans")

    def test_liberation_serif(self):
        self.fits("Liberation Serif")

    def test_noto_sans(self):
        self.fits("Noto Sans")


def contrast(one, other):
    def luminance(colour):
        digits = colour[1:] if len(colour) == 7 else "".join(2 * c for c in colour[1:])
        parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        parts = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    a, b = sorted((luminance(one), luminance(other)))
    return (b + 0.05) / (a + 0.05)


if __name__ == "__main__":
    main()
