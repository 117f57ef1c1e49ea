# SPDX-License-Identifier: MIT
"""Measures what the scanner costs, beside minimal clients that do nothing but the same work.

Everything runs on loopback: a serving side on one core, and in turn each minimal client and the
scanner on the other. What is compared is CPU time (user and system) for each endpoint; the ratio is
the median of the ratios within each run, so that it does not count if a machine is slower for a
while.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
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

    def wants(self, fact):
        return self.port != "closed" and (not self.options or fact in self.options[-1].split(","))


# bare: {piece: how many of it}; None: from what the serving side saw.
WORKS = [
    Work("e", "closed port", "closed", 65536, [], {"closed": 1}, ratio=1.4),
    Work("a", "greeting and capabilities", "imap", 32768, ["--facts", CAPABILITIES], {"grab": 1},
         ratio=1.5),
    Work("b", "STARTTLS, handshake, chain: ECDSA", "imap", 1024, ["--facts", HANDSHAKE],
         {"dialogue": 1, "full": 1}, ratio=1.15),
    Work("b-rsa", "STARTTLS, handshake, chain: RSA", "imap-rsa", 1024, ["--facts", HANDSHAKE],
         {"dialogue": 1, "full-rsa": 1}, ratio=1.15),
    Work("c", "six versions, implicit TLS", "imaps", 2048, ["--facts", VERSIONS], {"hello": 6},
         ratio=1.5, protocol="imap/implicit"),
    Work("c-clear", "six versions behind STARTTLS", "imap", 2048, ["--facts", VERSIONS],
         {"starttls-hello": 6}, ratio=1.5),
    Work("d", "everything on, cleartext port", "imap", 1024, [], None, ratio=1.25, most_us=2000,
         connections=6),
    Work("d-implicit", "everything on, implicit TLS", "imaps", 1024, [], None,
         connections=4, protocol="imap/implicit"),
    Work("q", "quick mode, cleartext port", "imap", 2048, ["--facts", QUICK], None, most_us=450),
    Work("q-implicit", "quick mode, implicit TLS", "imaps", 2048, ["--facts", QUICK], None,
         most_us=450, protocol="imap/implicit"),
    Work("f", "names, greeting and capabilities", "imap", 8192, ["--facts", CAPABILITIES],
         {"dns": 1, "grab": 1}, names=True),
]

# The minimal client's pieces: (port, how many), or the certificate for those in memory.
PIECES = {
    "closed": ("closed", 32768),
    "grab": ("imap", 16384),
    "dialogue": ("imap", 16384),
    "hello": ("imaps", 16384),
    "starttls-hello": ("imap", 16384),
    "dns": ("dns", 32768),
    "full": ("ecdsa", 512),
    "full-rsa": ("rsa", 512),
    "resumed": ("ecdsa", 1024),
}
IN_MEMORY = {"full", "full-rsa", "resumed"}

# What some of them take on the machine that targets in microseconds are meant for: such a target is
# scaled by what the same pieces take here.
REFERENCE_US = {"closed": 22, "grab": 46, "dialogue": 66, "hello": 62, "starttls-hello": 82,
                "full": 980, "full-rsa": 730}

# Peak memory for each connection in flight: all of them are held there until the scanner gives up.
# (title, port, protocol, options, KiB at most)
HELD = [
    ("before TLS", "mute", "imap", ["--facts", CAPABILITIES], 8),
    ("during a handshake", "stall", "imap/implicit", ["--facts", "handshake"], 40),
]
HELD_COUNTS = (512, 2048)
HELD_SECONDS = 5
TARGETS_MIB = 16  # whether there are a thousand targets or a million
TARGETS_COUNTS = (1024, 1 << 20)

# Other scanners at the same work, where they are installed: (work, port, how many, command, what
# its output has to have for each endpoint). NET and PORT are put in; FILE is a list of ADDRESS:PORT;
# EACH is the address of one endpoint after another.
PEERS = [
    ("e", "closed", 4096, "nmap -n -Pn -sT --max-retries 1 -p PORT NET", "closed"),
    ("e", "closed", 4096, "nmap -n -Pn -sS --max-retries 1 -p PORT NET", "closed"),
    ("a", "imap", 1024, "nmap -n -Pn -sT --script +imap-capabilities -p PORT NET",
     "imap-capabilities:"),
    ("b", "imaps", 256, "nmap -n -Pn -sT --script +ssl-cert -p PORT NET", "ssl-cert:"),
    ("c", "imaps", 16, "nmap -n -Pn -sT --script +ssl-enum-ciphers -p PORT NET", "TLSv1.3:"),
    ("c", "imaps", 64, "sslscan --no-colour --no-ciphersuites --no-groups --no-heartbleed"
     " --no-renegotiation --no-compression --no-fallback --no-check-certificate --targets=FILE",
     "TLSv1.3 +enabled"),
    ("d", "imaps", 16, "sslscan --no-colour --targets=FILE", "TLSv1.3 +enabled"),
    ("c", "imaps", 1, "testssl --quiet --warnings off --color 0 --nodns none -p EACH:PORT",
     "TLS 1.3 +offered"),
]

# What is seen of a connection by the serving side, and the pieces that this costs a minimal client.
SEEN = {
    False: {"plain": ["grab"], "hellos": ["starttls-hello"], "full": ["dialogue", "full"],
            "resumed": ["dialogue", "resumed"]},
    True: {"plain": [], "hellos": ["hello"], "full": ["hello", "full"],
           "resumed": ["hello", "resumed"]},
}


# --- certificates ---------------------------------------------------------------------------------

def openssl(*arguments, data=None):
    done = subprocess.run(["/usr/bin/openssl", *map(str, arguments)], input=data,
                          capture_output=True)
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
        by = ["-signkey", at.with_suffix(".key")]
        if issuer:
            by = ["-CA", issuer.with_suffix(".pem"), "-CAkey", issuer.with_suffix(".key")]
        openssl("x509", "-req", "-days", 60, "-extfile", at.with_suffix(".ext"), *by,
                "-out", at.with_suffix(".pem"), data=request)
        issuer = at
    parts = [directory / f"{kind}-{name}" for name in ("leaf.key", "leaf.pem", "intermediate.pem")]
    whole = directory / f"{kind}.pem"
    whole.write_text("".join(part.read_text() for part in parts))
    with (directory / "ca.pem").open("a") as file:
        file.write((directory / f"{kind}-root.pem").read_text())
    return whole


# --- running and measuring ------------------------------------------------------------------------

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
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Bench:
    def __init__(self, options, directory):
        self.options = options
        self.directory = directory
        build = Path(options.build)
        self.scanner = Path(options.scanner or build / "starttls-audit")
        self.minimal = build / "tests/bench/bench_minimal"
        self.measure_program = build / "tests/bench/bench_measure"
        cpus = sorted(os.sched_getaffinity(0))
        self.cpu, server_cpu = (cpus[0], cpus[1]) if len(cpus) > 1 else (-1, None)
        self.chains = {kind: make_chain(directory, kind) for kind in ("ecdsa", "rsa")}
        self.server = Server(build / "tests/bench/bench_server",
                             [self.chains["ecdsa"], self.chains["rsa"]], server_cpu)

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
                   "--concurrency", concurrency, *work.options, *more,
                   *self.options.options.split()]
        if work.names:
            names = self.directory / f"names-{count}"
            if not names.exists():
                names.write_text("".join(f"h{i:06}.bench.test{at}\n" for i in range(count)))
            return [*command, "--resolver", f"127.0.0.1:{self.server.ports['dns']}", "-f", names]
        return [*command, self.network(count) + at]

    @staticmethod
    def network(count):
        return "{}.{}.0.0/{}".format(*BASE, 33 - count.bit_length())

    def look(self, work):
        """One run whose records are read: whether the work was done, and by what means."""
        count = min(self.scaled(work.count), 1024)
        path = self.directory / "records.ndjson"
        with path.open("wb") as output:
            figures = self.measure(self.scan(work, count), output, period=5, accept=(0, 3))
        records = [json.loads(line) for line in path.read_text().splitlines()]
        endpoints = [record for record in records if record["type"] == "endpoint"]
        connections = sum(record["connections"] for record in endpoints) / count
        return {
            "connections": connections if work.port != "closed" else 1,
            "descriptors": figures["descriptors"],
            "served": {key: figures["served"][key] / count
                       for key in ("accepted", "plain", "hellos", "full", "resumed", "questions")},
            "complaint": complaint(work, count, endpoints, records[-1]),
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


    # --- memory

    def held(self, port, protocol, options):
        """KiB for each connection that is held, from two runs: all are open at once."""
        points = []
        for count in (max(self.scaled(count), count // 64) for count in HELD_COUNTS):
            work = Work("held", "", port, count, options, protocol=protocol)
            patience = [f"--{what}-timeout={HELD_SECONDS}" for what in ("reply", "tls", "endpoint")]
            figures = self.measure(self.scan(work, count, count, patience), accept=(0, 3))
            points.append((figures["served"]["most_open"], figures["peak_kib"]))
        (few, low), (many, high) = points
        return {"kib": (high - low) / (many - few), "connections": [few, many],
                "peak_kib": [low, high]}

    def targets(self, count):
        """Peak memory of a run over so many closed ports."""
        work = next(work for work in WORKS if work.port == "closed")
        return self.measure(self.scan(work, count), accept=(0, 3))["peak_kib"]

    def startup(self):
        """CPU of a run that has next to nothing to do."""
        work = next(work for work in WORKS if work.port == "closed")
        return self.measure(self.scan(work, 1), accept=(0, 3))["cpu_us"]

    # --- other scanners

    def peer(self, port, count, command, sign):
        """Its CPU for each endpoint, or None if it did not do the work."""
        addresses = ["{}.{}.{}.{}".format(*BASE, i >> 8, i & 255) for i in range(count)]
        listed = self.directory / "targets"
        listed.write_text("".join(f"{at}:{self.server.ports[port]}\n" for at in addresses))
        put = {"NET": self.network(count), "PORT": self.server.ports[port], "FILE": listed}
        for name, value in put.items():
            command = command.replace(name, str(value))
        each = addresses if "EACH" in command else [""]
        cpu, said = 0, b""
        for address in each:
            figures = self.measure(command.replace("EACH", address).split(), subprocess.PIPE,
                                   accept=range(256))
            cpu += figures["cpu_us"]
            said += figures["said"]
        found = len(re.findall(sign, said.decode(errors="replace")))
        return cpu / count if found >= count else None


# --- what comes of it -----------------------------------------------------------------------------

def complaint(work, count, endpoints, end):
    """What was not as it has to be for the figures to mean anything; None if all was."""
    by_status = {item["status"]: item["count"] for item in end["endpoints"]["by_status"]}
    if by_status != {"closed" if work.port == "closed" else "ok": count}:
        return f"of {count} endpoints: {by_status}"
    for record in endpoints:
        tls = record.get("tls") or {}
        if work.wants("handshake") and not tls["verify"].get("trusted"):
            return f"{record['endpoint']['key']}: the chain is not trusted"
        if work.wants("versions") and tls["versions_accepted"] != ["1.2", "1.3"]:
            return f"{record['endpoint']['key']}: versions {tls['versions_accepted']}"
    return None


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


def scaled_target(work, needs, pieces):
    known = {piece: times for piece, times in needs.items() if piece in REFERENCE_US}
    if work.most_us is None or not known:
        return None
    here = sum(median(pieces[piece]) * times for piece, times in known.items())
    return work.most_us * here / sum(REFERENCE_US[piece] * times for piece, times in known.items())


def summary(work, look, runs, pieces):
    needs = bare_of(work, look)
    bare = [sum(pieces[name][i] * times for name, times in needs.items()) for i in range(len(runs))]
    result = {key: median(run[key] for run in runs) for key in runs[0]}
    result.update({
        "work": work.key, "title": work.title, "minimal": needs, "bare_us": median(bare),
        "ratio": median(run["cpu_us"] / b for run, b in zip(runs, bare)),
        "ratio_target": work.ratio, "cpu_target_us": scaled_target(work, needs, pieces),
        "per_second": 1e6 / result["wall_us"], "connections": look["connections"],
        "connections_target": work.connections, "descriptors": look["descriptors"],
        "served": look["served"], "complaint": look["complaint"], "runs": runs,
    })
    return result


def against(value, target, form):
    if target is None:
        return form.format(value)
    return f"{form.format(value)} {'≤' if value <= target else '>'} {form.format(target)}"


def print_rows(heads, rows, left):
    """Columns, the first `left` of them to the left."""
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    for row in [heads, *rows]:
        print("  ".join(cell.ljust(widths[i]) if i < left else cell.rjust(widths[i])
                        for i, cell in enumerate(row)).rstrip())


def print_works(results):
    heads = ["work", "", "CPU µs", "minimal", "ratio", "user", "system", "a second", "conns",
             "peak KiB", "fds", "server µs"]
    print_rows(heads, [[
        r["work"], r["title"], against(r["cpu_us"], r["cpu_target_us"], "{:.0f}"),
        f"{r['bare_us']:.0f}", against(r["ratio"], r["ratio_target"], "{:.2f}"),
        f"{r['user_us']:.0f}", f"{r['system_us']:.0f}", f"{r['per_second']:.0f}",
        against(r["connections"], r["connections_target"], "{:.1f}"), f"{r['peak_kib']:.0f}",
        f"{r['descriptors']}", f"{r['server_us']:.0f}"] for r in results], 2)


def print_minimal(results, pieces):
    print("\nThe minimal client, µs of CPU each: "
          + ", ".join(f"{name} {value:.1f}" for name, value in pieces.items()))
    for r in results:
        print(f"  {r['work']:<10} = " + " + ".join(
            f"{times:g} × {name}" for name, times in r["minimal"].items()))


def print_memory(memory):
    print("\nPeak memory")
    for held in memory["held"]:
        print(f"  a connection {held['title']}: " + against(held["kib"], held["target"], "{:.1f}")
              + " KiB")
    for count, kib in memory["targets"].items():
        print(f"  {count} targets: " + against(kib / 1024, TARGETS_MIB, "{:.1f}") + " MiB")


def print_peers(peers, results):
    ours = {r["work"]: r["cpu_us"] for r in results}
    print("\nOther scanners, µs of CPU for each endpoint (the TLS works on the implicit port)")
    rows = []
    for peer in peers:
        cpu, own = peer["cpu_us"], ours.get(peer["work"])
        said = peer["why"] or f"{cpu:.0f}"
        rows.append([peer["work"], said, f"{cpu / own:.1f} times ours" if cpu and own else "",
                     peer["command"]])
    print_rows(["work", "CPU µs", "", "command"], rows, 1)


# --- the whole of it ------------------------------------------------------------------------------

def run_works(bench, works, runs):
    looks = {}
    for work in works:
        note(f"looking at {work.key}")
        looks[work.key] = bench.look(work)
    needs = {work.key: bare_of(work, looks[work.key]) for work in works}
    pieces, timed = {}, {work.key: [] for work in works}
    for i in range(runs):
        for work in works:
            for name in needs[work.key]:  # shortly before the work that is held against it
                if len(pieces.setdefault(name, [])) == i:
                    note(f"run {i + 1} of {runs}: minimal client, {name}")
                    pieces[name].append(bench.piece(name))
            note(f"run {i + 1} of {runs}: {work.key}, {work.title}")
            timed[work.key].append(bench.timed(work))
    return [summary(work, looks[work.key], timed[work.key], pieces) for work in works], {
        name: median(values) for name, values in pieces.items()}


def run_memory(bench):
    memory = {"held": [], "targets": {}}
    for title, port, protocol, options, target in HELD:
        note(f"memory of a connection {title}")
        memory["held"].append({"title": title, "target": target,
                               **bench.held(port, protocol, options)})
    for count in TARGETS_COUNTS:
        note(f"memory with {count} targets")
        count = count if count == TARGETS_COUNTS[0] else bench.scaled(count)
        memory["targets"][count] = bench.targets(count)
    return memory


def run_peers(bench, works):
    peers = []
    for work, port, count, command, sign in PEERS:
        if work not in [chosen.key for chosen in works]:
            continue
        note(f"{work}: {command}")
        count = min(bench.scaled(count), count)
        peer = {"work": work, "command": command, "endpoints": count, "cpu_us": None, "why": None}
        if not shutil.which(command.split()[0]):
            peer["why"] = "not installed"
        else:
            peer["cpu_us"] = bench.peer(port, count, command, sign)
            peer["why"] = None if peer["cpu_us"] else "did not work"
        peers.append(peer)
    return peers


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
    parser.add_argument("--only", metavar="WORKS",
                        help="some of " + ",".join(work.key for work in WORKS) + ",memory,peers")
    parser.add_argument("--quick", action="store_true",
                        help="two runs with a quarter of the endpoints, no other scanners")
    parser.add_argument("--scanner", metavar="PROGRAM", help="measure this starttls-audit")
    parser.add_argument("--options", default="", help="further options for it, as one word")
    parser.add_argument("--json", metavar="FILE", help="write all figures to FILE")
    options = parser.parse_args()
    known = [work.key for work in WORKS] + ["memory", "peers"]
    chosen = options.only.split(",") if options.only else known
    if set(chosen) - set(known):
        parser.error("no such work: " + ", ".join(sorted(set(chosen) - set(known))))
    if options.quick:
        options.runs, options.count = min(options.runs, 2), min(options.count, 25)
        chosen = [key for key in chosen if key != "peers"]
    return options, chosen


def measure_all(bench, chosen, runs):
    works = [work for work in WORKS if work.key in chosen]
    results, pieces = run_works(bench, works, runs)
    return {
        "machine": {"kernel": os.uname().release, "cores": len(os.sched_getaffinity(0))},
        "startup_us": bench.startup(), "works": results, "minimal": pieces,
        "memory": run_memory(bench) if "memory" in chosen else None,
        "peers": run_peers(bench, works) if "peers" in chosen else None,
    }


def print_all(figures):
    results = figures["works"]
    print_works(results)
    print(f"Start-up is included: {figures['startup_us'] / 1000:.0f} ms in each run. "
          "Targets in µs are scaled to this machine.")
    for r in results:
        if r["complaint"]:
            print(f"NOT AS IT SHOULD BE: {r['work']}: {r['complaint']}")
    print_minimal(results, figures["minimal"])
    if figures["memory"]:
        print_memory(figures["memory"])
    if figures["peers"]:
        print_peers(figures["peers"], results)


def main():
    options, chosen = read_options()
    directory = Path(tempfile.mkdtemp(prefix="bench-"))
    bench = None
    try:
        bench = Bench(options, directory)
        figures = measure_all(bench, chosen, options.runs)
        note("")
        print_all(figures)
        if options.json:
            Path(options.json).write_text(json.dumps(figures, indent=1) + "\n")
    finally:
        if bench:
            bench.server.close()
        shutil.rmtree(directory)


if __name__ == "__main__":
    main()
