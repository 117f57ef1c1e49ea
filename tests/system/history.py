# SPDX-License-Identifier: MIT
"""The commands of the history, for tests: what they print, and what they say."""

import subprocess

import scan


def run(*arguments, code=0, **options):
    done = subprocess.run([scan.named_file("STARTTLS_AUDIT"), *map(str, arguments)],
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=scan.WATCHDOG,
                          **options)
    said = done.stderr.decode(errors="replace")
    assert done.returncode == code, f"exit {done.returncode}, not {code}: {arguments} {said}"
    return done.stdout, said


def state(*arguments, **options):
    return run("state", *arguments, **options)


def diff(*arguments, **options):
    return run("diff", *arguments, **options)
