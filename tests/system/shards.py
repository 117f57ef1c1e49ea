# SPDX-License-Identifier: MIT
"""Files of shards for tests, made of the records of a run: sound ones, to be spoilt by the test."""

import copy
import hashlib
import json
from collections import Counter
from datetime import datetime, timedelta

SEVERITIES = ["critical", "high", "medium", "low", "info"]
STATUSES = ["ok", "closed", "timeout", "unreachable", "dns_error", "refused", "protocol_mismatch",
            "tls_error", "error"]


def records_of(data):
    return [json.loads(line) for line in data.splitlines()]


def line_of(record):
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def shifted(time, milliseconds):
    moved = datetime.fromisoformat(time) + timedelta(milliseconds=milliseconds)
    return moved.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def counted(counts, order, name):
    return [{name: value, "count": counts[value]} for value in order if counts[value]]


def host_of(record):
    return record["endpoint"]["host"], record["endpoint"]["ip"]


def sealed(records, end):
    """The bytes of a file of these records, and of a run_end that vouches for them."""
    above = b"".join(map(line_of, records))
    return above + line_of({**end, "records_sha256": hashlib.sha256(above).hexdigest()})


class Shard:
    """A part of a run, as a scan would have written it; its members may be changed before bytes()."""

    def __init__(self, run, index, count, endpoints, hosts, uncounted=()):
        first, last = run[0], run[-1]
        self.index = index
        self.start = {**first, "shard": {"index": index, "count": count}}
        self.endpoints = list(endpoints)
        self.hosts = hosts  # scanned, answered
        self.uncounted = uncounted  # the statuses of endpoints that are not recorded
        self.end = last
        self.count()
        self.name_run(0)

    def count(self):
        statuses = Counter(record["status"] for record in self.endpoints) + Counter(self.uncounted)
        findings = Counter(finding["severity"] for record in self.endpoints
                           for finding in record["findings"] if finding["status"] == "open")
        self.end = {**self.end,
                    "endpoints": {"recorded": len(self.endpoints),
                                  "by_status": counted(statuses, STATUSES, "status")},
                    "hosts": {"scanned": self.hosts[0], "answered": self.hosts[1]},
                    "findings": counted(findings, SEVERITIES, "severity")}

    def name_run(self, number):
        run_id = f"01a2097e-4580-7c3e-9b1f-{number:04x}{self.index:08x}"
        self.start = {**self.start, "run_id": run_id}
        self.endpoints = [{**record, "run_id": run_id} for record in self.endpoints]
        self.end = {**self.end, "run_id": run_id}

    def again(self, late):
        """Another attempt, which began so many milliseconds later, and took twice as long."""
        other = copy.deepcopy(self)
        other.name_run(late)
        started = shifted(self.started, late)
        other.start.update(started=started, time=started)
        other.end["time"] = shifted(self.end["time"], 2 * late)
        return other

    @property
    def started(self):
        return self.start["started"]

    def records(self):
        return [self.start, *self.endpoints]

    def bytes(self):
        return sealed(self.records(), self.end)


def share_out(run, count, random):
    """The run as `count` shards: each host in one of them, at random; some may be empty. Hosts and
    endpoints that are only counted go where chance leads them, too."""
    start, end = run[0], run[-1]
    endpoints = [record for record in run if record["type"] == "endpoint"]
    hosts = list(dict.fromkeys(host_of(record) for record in endpoints))
    places = {host: random.randrange(count) for host in hosts}
    recorded = Counter(record["status"] for record in endpoints)
    uncounted = [[] for _ in range(count)]
    for row in end["endpoints"]["by_status"]:
        for _ in range(row["count"] - recorded[row["status"]]):
            uncounted[random.randrange(count)].append(row["status"])
    scanned, answered = ([0] * count for _ in range(2))
    silent = end["hosts"]["scanned"] - len(hosts)
    for place in [*places.values(), *(random.randrange(count) for _ in range(silent))]:
        scanned[place] += 1
    for host in hosts[:end["hosts"]["answered"]]:
        answered[places[host]] += 1
    return [Shard([start, end], index, count,
                  [r for r in endpoints if places[host_of(r)] == index],
                  (scanned[index], answered[index]),
                  uncounted[index]).again(random.randrange(1, 5000))
            for index in range(count)]
