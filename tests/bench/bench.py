# SPDX-License-Identifier: MIT
"""Measures what the scanner costs, beside minimal clients that do nothing but the same work.

Everything runs on loopback: a serving side on one core, and in turn each minimal client and the
scanner on the other. What is compared is CPU time (user and system) for each endpoint; the ratio is
the median of the ratios within each run, so that a machine that is slower for a while does not count.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BASE = (127, 64)  # the addresses: 127.64.0.0 and what follows
CONCURRENCY = 500
CAPABILITIES = "capabilities"
HANDSHAKE = "capabilities,handshake"
VERSIONS = "versions"
QUICK = "capabilities,versions"


class Work:
    """What the scanner is made to do, and the pieces that a minimal client needs for it."""

    def __init__(self, key, title, port, count, options=(), bare=None, ratio=None, most_us=None,
                 connections=None, protocol="imap", names=False):
        self.key, self.title, self.port, self.count = key, title, port, count
        self.options, self.bare = list(options), bare
        self.ratio, self.most_us, self.connections = ratio, most_us, connections
        self.protocol, self.names = protocol, names


# bare: {piece: how many of it}; None: from what the serving side saw.
WORKS = [
    Work("e", "closed port", "closed", 32768, [], {"closed": 1}, ratio=1.4),
    Work("a", "greeting and capabilities", "imap", 16384, ["--facts", CAPABILITIES], {"grab": 1},
         ratio=1.5),
    Work("b", "STARTTLS, handshake, chain: ECDSA", "imap", 1024, ["--facts", HANDSHAKE],
         {"dialogue": 1, "full": 1}, ratio=1.15),
    Work("b-rsa", "STARTTLS, handshake, chain: RSA", "imap-rsa", 1024, ["--facts", HANDSHAKE],
         {"dialogue": 1, "full-rsa": 1}, ratio=1.15),
    Work("c", "six versions, implicit TLS", "imaps", 4096, ["--facts", VERSIONS], {"hello": 6},
         ratio=1.5, protocol="imap/implicit"),
    Work("c-clear", "six versions behind STARTTLS", "imap", 4096, ["--facts", VERSIONS],
         {"starttls-hello": 6}, ratio=1.5),
    Work("d", "everything on, cleartext port", "imap", 1024, [], None, ratio=1.25, most_us=2000,
         connections=6),
    Work("d-implicit", "everything on, implicit TLS", "imaps", 1024, [], None,
         connections=4, protocol="imap/implicit"),
    Work("q", "quick mode, cleartext port", "imap", 4096, ["--facts", QUICK], None, most_us=450),
    Work("q-implicit", "quick mode, implicit TLS", "imaps", 4096, ["--facts", QUICK], None,
         most_us=450, protocol="imap/implicit"),
    Work("f", "names, greeting and capabilities", "imap", 8192, ["--facts", CAPABILITIES],
         {"dns": 1, "grab": 1}, names=True),
]

# The minimal client's pieces: (port, how many at full length), or the certificate for those in memory.
PIECES = {
    "closed": ("closed", 32768),
    "grab": ("imap", 16384),
    "dialogue": ("imap", 16384),
    "hello": ("imaps", 6144),
    "starttls-hello": ("imap", 6144),
    "dns": ("dns", 32768),
    "full": ("ecdsa", 512),
    "full-rsa": ("rsa", 512),
    "resumed": ("ecdsa", 1024),
}
IN_MEMORY = {"full", "full-rsa", "resumed"}

# What is seen of a connection by the serving side, and the pieces that this costs a minimal client.
SEEN = {
    False: {"plain": ["grab"], "hellos": ["starttls-hello"], "full": ["dialogue", "full"],
            "resumed": ["dialogue", "resumed"]},
    True: {"plain": [], "hellos": ["hello"], "full": ["hello", "full"],
           "resumed": ["hello", "resumed"]},
}


# --- certificates ------------------------------------------------------------------------------------

def openssl(*arguments, data=None):
    done = subprocess.run(["/usr/bin/openssl", *map(str, arguments)], input=data, capture_output=True)
    if done.returncode != 0:
        sys.exit(f"openssl {arguments[0]}: {done.stderr.decode()}")
    return done.stdout


def make_chain(directory, kind):
    """root, intermediate, leaf, all with keys of one kind. The PEM file for the serving side; the
    root is added to ca.pem."""
    new_key = ["-newkey", "rsa:2048"] if kind == "rsa" else [
        "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    authority = ("basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n"
                 "subjectKeyIdentifier=hash\n")
    leaf = ("basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"
            "extendedKeyUsage=serverAuth\nsubjectAltName=DNS:*.bench.test,IP:127.64.0.0\n"
            "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n")
    issuer = None
    for name, extensions in (("root", authority), ("intermediate", authority), ("leaf", leaf)):
        at = directory / f"{kind}-{name}"
        at.with_suffix(".ext").write_text(extensions)
        request = openssl("req", "-new", *new_key, "-noenc", "-keyout", at.with_suffix(".key"),
                          "-subj", f"/O=bench/CN={kind} {name}")
        by = ["-CA", issuer.with_suffix(".pem"), "-CAkey", issuer.with_suffix(".key")] if issuer else [
            "-signkey", at.with_suffix(".key")]
        openssl("x509", "-req", "-days", 60, "-extfile", at.with_suffix(".ext"), *by,
                "-out", at.with_suffix(".pem"), data=request)
        issuer = at
    parts = [directory / f"{kind}-{name}" for name in ("leaf.key", "leaf.pem", "intermediate.pem")]
    whole = directory / f"{kind}.pem"
    whole.write_text("".join(part.read_text() for part in parts))
    with (directory / "ca.pem").open("a") as file:
        file.write((directory / f"{kind}-root.pem").read_text())
    return whole


# --- running and measuring ---------------------------------------------------------------------------

class Server:
    def __init__(self, program, chains, cpu):
        self.process = subprocess.Popen([program, *chains], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.ports = json.loads(self.process.stdout.readline())
        if cpu is not None:
            os.sched_setaffinity(self.process.pid, {cpu})

    def counters(self):
        self.process.stdin.write("counters\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Bench:
    def __init__(self, options, directory):
        self.options = options
        self.directory = directory
        build = Path(options.build)
        self.scanner = build / "starttls-audit"
        self.minimal = build / "tests/bench/bench_minimal"
        self.measure_program = build / "tests/bench/bench_measure"
        cpus = sorted(os.sched_getaffinity(0))
        self.cpu, server_cpu = (cpus[0], cpus[1]) if len(cpus) > 1 else (-1, None)
        self.chains = {kind: make_chain(directory, kind) for kind in ("ecdsa", "rsa")}
        self.server = Server(build / "tests/bench/bench_server",
                             [self.chains["ecdsa"], self.chains["rsa"]], server_cpu)
        self.startup_us = 0.0

    def measure(self, command, output=subprocess.DEVNULL, period=0, accept=(0,)):
        """The figures of bench_measure, and what the serving side did meanwhile."""
        before = self.server.counters()
        read_end, write_end = os.pipe()
        process = subprocess.Popen(
            [self.measure_program, str(write_end), str(self.cpu), str(period), *map(str, command)],
            stdout=output, stderr=subprocess.PIPE, pass_fds=[write_end])
        os.close(write_end)
        said, errors = process.communicate()
        with os.fdopen(read_end) as report:
            text = report.read()
        figures = json.loads(text) if text else {"exit": process.returncode}
        if figures["exit"] not in accept:
            sys.exit(f"{' '.join(map(str, command))}: exit {figures['exit']}\n{errors.decode()}")
        after = self.server.counters()
        figures["said"] = said
        figures["cpu_us"] = figures["user_us"] + figures["system_us"]
        figures["served"] = {key: after[key] - before[key] for key in after}
        return figures

    # --- the minimal client

    def piece(self, name):
        """Microseconds of CPU of one piece."""
        port, count = PIECES[name]
        count = self.scaled(count)
        if name in IN_MEMORY:
            kind = name.removesuffix("-rsa")
            figures = self.measure([self.minimal, kind, self.chains[port], count], subprocess.PIPE)
            return json.loads(figures["said"])["cpu_us"]
        figures = self.measure([self.minimal, name, self.server.ports[port], count, CONCURRENCY])
        return figures["cpu_us"] / count

    # --- the scanner

    def scaled(self, count):
        """A power of two, as a network has it."""
        wanted = max(count * self.options.count / 100, 1)
        return 1 << max(int(wanted).bit_length() - 1, 0)

    def scan(self, work, count, concurrency=CONCURRENCY, more=()):
        port = self.server.ports[work.port]
        at = f":{port}/{work.protocol}"
        command = [self.scanner, "scan", "-q", "--ca-file", self.directory / "ca.pem",
                   "--concurrency", concurrency, *work.options, *more]
        if work.names:
            names = self.directory / f"names-{count}"
            if not names.exists():
                names.write_text("".join(f"h{i:06}.bench.test{at}\n" for i in range(count)))
            return [*command, "--resolver", f"127.0.0.1:{self.server.ports['dns']}", "-f", names]
        return [*command, "{}.{}.0.0/{}{}".format(*BASE, 33 - count.bit_length(), at)]

    def look(self, work):
        """One run whose records are read: whether the work was done, and by what means."""
        count = min(self.scaled(work.count), 1024)
        path = self.directory / "records.ndjson"
        with path.open("wb") as output:
            figures = self.measure(self.scan(work, count), output, period=5, accept=(0, 3))
        records = [json.loads(line) for line in path.read_text().splitlines()]
        endpoints = [record for record in records if record["type"] == "endpoint"]
        totals = records[-1]["counts"] if "counts" in records[-1] else {}
        statuses = {}
        for record in endpoints:
            statuses[record["status"]] = statuses.get(record["status"], 0) + 1
        complaint = None
        if work.port != "closed" and statuses != {"ok": count}:
            complaint = f"not all were ok: {statuses or totals}"
        elif "handshake" in " ".join(work.options) or not work.options and endpoints:
            bad = sum(1 for record in endpoints if not record["tls"]["verify"].get("trusted"))
            complaint = f"{bad} chains not trusted" if bad else None
        served = figures["served"]
        return {
            "connections": sum(record["connections"] for record in endpoints) / count if endpoints else 1,
            "descriptors": figures["descriptors"],
            "served": {key: served[key] / count
                       for key in ("accepted", "plain", "hellos", "full", "resumed", "questions")},
            "complaint": complaint,
        }

    def timed(self, work):
        count = self.scaled(work.count)
        figures = self.measure(self.scan(work, count), accept=(0, 3))
        return {
            "cpu_us": figures["cpu_us"] / count,
            "user_us": figures["user_us"] / count,
            "system_us": figures["system_us"] / count,
            "wall_us": figures["wall_us"] / count,
            "server_us": figures["served"]["cpu_us"] / count,
            "peak_kib": figures["peak_kib"],
        }


# --- what comes of it --------------------------------------------------------------------------------

def bare_of(work, look):
    """How often each piece is needed for one endpoint."""
    if work.bare is not None:
        return work.bare
    needs = {}
    for seen, pieces in SEEN[work.protocol.endswith("implicit")].items():
        for piece in pieces:
            needs[piece] = needs.get(piece, 0) + look["served"][seen]
    return {piece: round(times, 3) for piece, times in needs.items() if times > 0.001}


def median(values):
    return statistics.median(values)


def summary(work, look, runs, pieces):
    needs = bare_of(work, look)
    bare = [sum(pieces[name][i] * times for name, times in needs.items()) for i in range(len(runs))]
    result = {key: median(run[key] for run in runs) for key in runs[0]}
    result.update({
        "work": work.key, "title": work.title, "bare": needs, "bare_us": median(bare),
        "ratio": median(run["cpu_us"] / b for run, b in zip(runs, bare)),
        "ratio_target": work.ratio, "cpu_target_us": work.most_us,
        "per_second": 1e6 / result["wall_us"], "connections": look["connections"],
        "connections_target": work.connections, "descriptors": look["descriptors"],
        "served": look["served"], "complaint": look["complaint"],
    })
    return result


def against(value, target, form):
    if target is None:
        return form.format(value)
    return f"{form.format(value)} {'≤' if value <= target else '>'} {form.format(target)}"


def print_table(results):
    heads = ["work", "", "CPU µs", "minimal", "ratio", "user", "system", "a second", "conns", "peak KiB",
             "fds", "server µs"]
    rows = []
    for r in results:
        rows.append([
            r["work"], r["title"], against(r["cpu_us"], r["cpu_target_us"], "{:.0f}"),
            f"{r['bare_us']:.0f}", against(r["ratio"], r["ratio_target"], "{:.2f}"),
            f"{r['user_us']:.0f}", f"{r['system_us']:.0f}", f"{r['per_second']:.0f}",
            against(r["connections"], r["connections_target"], "{:.1f}"), f"{r['peak_kib']}",
            f"{r['descriptors']}", f"{r['server_us']:.0f}"])
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    for row in [heads, *rows]:
        print("  ".join(cell.ljust(widths[i]) if i < 2 else cell.rjust(widths[i])
                        for i, cell in enumerate(row)).rstrip())


def print_bare(results, pieces):
    print("\nThe minimal client, µs of CPU each: "
          + ", ".join(f"{name} {median(values):.1f}" for name, values in pieces.items()))
    for r in results:
        print(f"  {r['work']:<12} = " + " + ".join(
            f"{times:g} × {name}" for name, times in r["bare"].items()))
    for r in results:
        if r["complaint"]:
            print(f"  {r['work']}: {r['complaint']}")


def run_all(bench, works, runs):
    looks = {}
    for work in works:
        note(f"looking at {work.key}")
        looks[work.key] = bench.look(work)
    needed = [name for name in PIECES
              if any(name in bare_of(work, looks[work.key]) for work in works)]
    pieces, timed = {name: [] for name in needed}, {work.key: [] for work in works}
    for i in range(runs):
        for name in needed:
            note(f"run {i + 1} of {runs}: minimal client, {name}")
            pieces[name].append(bench.piece(name))
        for work in works:
            note(f"run {i + 1} of {runs}: {work.key}, {work.title}")
            timed[work.key].append(bench.timed(work))
    note("")
    return [summary(work, looks[work.key], timed[work.key], pieces) for work in works], pieces


def note(text):
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text}")
        sys.stderr.flush()


def read_options():
    parser = argparse.ArgumentParser(prog="tests/bench/run", description=__doc__)
    parser.add_argument("--build", default="build/bench", help=argparse.SUPPRESS)
    parser.add_argument("--runs", type=int, default=5, help="how often everything is measured (5)")
    parser.add_argument("--count", type=float, default=100, metavar="PERCENT",
                        help="of the endpoints of a full run (100)")
    parser.add_argument("--only", metavar="WORKS", help="some of: " + ",".join(w.key for w in WORKS))
    parser.add_argument("--quick", action="store_true", help="fewer runs of fewer endpoints")
    parser.add_argument("--json", metavar="FILE", help="write all figures to FILE")
    options = parser.parse_args()
    if options.quick:
        options.runs, options.count = min(options.runs, 2), min(options.count, 25)
    chosen = options.only.split(",") if options.only else [work.key for work in WORKS]
    unknown = set(chosen) - {work.key for work in WORKS}
    if unknown:
        parser.error("no such work: " + ", ".join(sorted(unknown)))
    return options, [work for work in WORKS if work.key in chosen]


def main():
    options, works = read_options()
    directory = Path(tempfile.mkdtemp(prefix="bench-"))
    bench = None
    try:
        bench = Bench(options, directory)
        results, pieces = run_all(bench, works, options.runs)
        print_table(results)
        print_bare(results, pieces)
        if options.json:
            Path(options.json).write_text(json.dumps({
                "works": results, "minimal": {name: median(values) for name, values in pieces.items()},
            }, indent=1) + "\n")
    finally:
        if bench:
            bench.server.close()
        shutil.rmtree(directory)


if __name__ == "__main__":
    main()
