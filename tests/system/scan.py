# SPDX-License-Identifier: MIT
"""Run the scanner and trust nothing that it prints.

STARTTLS_AUDIT names the program; a test run without it is an error, not a skip. Where the system
offers all that its sandbox takes, every run of it in every test requires that. run() returns the
records only after the output as a whole was found sound by validate.py, whole by its run_end, and
with the members of all records in the same order.
"""

import json
import os
import subprocess
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import validate

WATCHDOG = 180


@dataclass
class Run:
    """The records of one run; endpoints by (ip, port), or all in order in `records`."""

    start: dict
    endpoints: dict
    end: dict
    records: list
    errors: str
    code: int


def named_file(variable):
    path = os.environ.get(variable)
    if not path or not Path(path).is_file():
        raise RuntimeError(f"{variable} must name a file, it is {path!r}")
    return path


def require_sandbox():
    offer = subprocess.run([named_file("STARTTLS_AUDIT"), "--version"], capture_output=True, text=True).stdout
    if "Landlock" in offer and "seccomp" in offer:
        os.environ.setdefault("STARTTLS_AUDIT_SANDBOX", "require")


require_sandbox()


def command(*arguments):
    """Servers of the tests turn scanners away on purpose: they are waited for only where that is the point."""
    patience = () if "--patience" in arguments else ("--patience", "0")
    return [named_file("STARTTLS_AUDIT"), "scan", *patience, *map(str, arguments)]


def run(*arguments, exit_code=0, stdin=None, watchdog=WATCHDOG, **options):
    """`starttls-audit scan` with these arguments; the Run, after all checks."""
    line = command(*arguments)
    source = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
    done = subprocess.run(line, capture_output=True, timeout=watchdog, **source, **options)
    return parsed(done.stdout, done.stderr, done.returncode, exit_code, line)


def refused(*arguments, **options):
    """A scan that must not begin: exit 2 and nothing on stdout; what it said."""
    done = subprocess.run(command(*arguments), capture_output=True, timeout=WATCHDOG,
                          **{"stdin": subprocess.DEVNULL, **options})
    said = done.stderr.decode(errors="replace")
    assert done.returncode == 2, f"exit {done.returncode}, not 2: {said}"
    assert done.stdout == b"", f"records: {done.stdout[:1000]}"
    return said


def parsed(output, errors, code, exit_code, line="the scan"):
    """The Run that these bytes are, after all checks."""
    errors = errors.decode(errors="replace")
    said = f"{line}\n{errors}"
    assert code == exit_code, f"exit {code}, not {exit_code}: {said}"
    problems = validate.check_run(output)
    assert not problems, "\n".join(problems) + f"\n{said}"
    records = [json.loads(text) for text in output.splitlines()]
    check_order(records)
    end = records[-1]
    assert end["type"] == "run_end", f"the run has no end: {said}"
    assert end["exit_code"] == code, f"run_end says exit {end['exit_code']}: {said}"
    seen = [record for record in records if record["type"] == "endpoint"]
    return Run(records[0], by_address(seen), end, seen, errors, code)


def pretty(record):
    return json.dumps(record, indent=1, ensure_ascii=False)


def by_address(records):
    """Of several records with one address and port (a name and its address) the last."""
    return {(record["endpoint"]["ip"], record["endpoint"]["port"]): record for record in records}


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
            kind = f"({value['rule']})" if name == "evidence" else ""  # each rule has its own
            note_order(member, f"{path}/{name}{kind}", orders)
