# SPDX-License-Identifier: MIT
"""Run the scanner and trust nothing that it prints.

STARTTLS_AUDIT names the program, STARTTLS_AUDIT_SCHEMA the JSON Schema of its records; a test run
without them is an error, not a skip. run() returns the records only after the output as a whole was
found sound: strict UTF-8 and JSON, every record valid, one run_start, one run_end at the very end
whose digest and counts fit, no endpoint twice, members always in the same order.
"""

import hashlib
import json
import os
import subprocess
from collections import Counter
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from pathlib import Path

from jsonschema import Draft202012Validator

WATCHDOG = 180


@dataclass
class Run:
    """The records of one run; endpoints by (ip, port)."""

    start: dict
    endpoints: dict
    end: dict


def named_file(variable):
    path = os.environ.get(variable)
    if not path or not Path(path).is_file():
        raise RuntimeError(f"{variable} must name a file, it is {path!r}")
    return path


@cache
def validator():
    schema = json.loads(Path(named_file("STARTTLS_AUDIT_SCHEMA")).read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def run(*arguments, exit_code=0):
    """`starttls-audit scan` with these arguments; the Run, after all checks."""
    command = [named_file("STARTTLS_AUDIT"), "scan", *map(str, arguments)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=WATCHDOG)
    said = f"{command}\n{done.stderr.decode(errors='replace')}"
    assert done.returncode == exit_code, f"exit {done.returncode}, not {exit_code}: {said}"
    assert done.stdout.endswith(b"\n"), f"the last line has no end: {said}"
    lines = done.stdout.splitlines(keepends=True)
    records = [parsed(line) for line in lines]
    check_order(records)
    check_run(lines, records)
    return Run(records[0], by_address(records), records[-1])


def parsed(line):
    record = json.loads(line.decode("utf-8"), object_pairs_hook=unique, parse_constant=refused)
    errors = [f"{error.json_path}: {error.message}" for error in validator().iter_errors(record)]
    assert not errors, "\n".join(errors) + "\n" + pretty(record)
    return record


def unique(pairs):
    members = dict(pairs)
    assert len(members) == len(pairs), f"a member twice: {[name for name, _ in pairs]}"
    return members


def refused(constant):
    raise AssertionError(f"{constant} is not JSON")


def pretty(record):
    return json.dumps(record, indent=1, ensure_ascii=False)


def check_run(lines, records):
    types = [record["type"] for record in records]
    assert types[0] == "run_start" and types.count("run_start") == 1, types
    assert types[-1] == "run_end" and types.count("run_end") == 1, types
    end = records[-1]
    digest = hashlib.sha256(b"".join(lines[:-1])).hexdigest()
    assert end["records_sha256"] == digest, f"the records' SHA-256 is {digest}: {pretty(end)}"
    seen = Counter(record["status"] for record in records if record["type"] == "endpoint")
    counted = {row["status"]: row["count"] for row in end["endpoints"]["by_status"]}
    assert counted == seen, f"counted by status: {seen}, not {pretty(end)}"
    assert end["endpoints"]["recorded"] == seen.total(), f"{seen.total()} records: {pretty(end)}"


def by_address(records):
    endpoints = {}
    for record in records:
        if record["type"] == "endpoint":
            address = record["endpoint"]["ip"], record["endpoint"]["port"]
            assert address not in endpoints, f"{address} is recorded twice"
            endpoints[address] = record
    return endpoints


def check_order(records):
    """No two members may come in one order here and in the other there."""
    orders = {}
    for record in records:
        note_order(record, record["type"], orders)


def note_order(value, path, orders):
    if isinstance(value, list):
        for item in value:
            note_order(item, path + "[]", orders)
    elif isinstance(value, dict):
        known = orders.setdefault(path, set())
        for first, second in combinations(value, 2):
            assert (second, first) not in known, f"{path}: {first} and {second} change places"
            known.add((first, second))
        for name, member in value.items():
            note_order(member, f"{path}/{name}", orders)
