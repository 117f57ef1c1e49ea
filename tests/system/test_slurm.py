# SPDX-License-Identifier: MIT
"""samples/slurm: a job array on three nodes, one of which dies, finds what a single run finds.

Slurm runs as Debian has it, a controller and three nodes on this machine. Without munge anybody who
reaches it may run anything as root: so all of it, this test and the played servers included, is in
namespaces of its own, with a network that has no way out, and ends with them.
"""

import fcntl
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import mounts
import scan
import validate
from case import main
from played import Farm
from servers import rights_missing, unpacked
from shards import records_of
from unpacked import HOUSE, house_missing

SAMPLES = Path(__file__).parents[2] / "samples" / "slurm"
INSIDE = "STARTTLS_AUDIT_SLURM"  # the directory of the house that this runs in
NODES = 3
SHARDS = 8
HOSTS = 24
WATCHDOG = 300  # nothing waits that long unless something is broken

CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/none
CredType=cred/none
AuthInfo=cred_expire=5
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SlurmctldPort=16817
SlurmdTimeout=5
SlurmctldTimeout=5
BatchStartTimeout=5
KillWait=1
MinJobAge=3600
SchedulerParameters=sched_min_interval=100000,bf_interval=1
SchedulerType=sched/builtin
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
StateSaveLocation={directory}/state
SlurmdSpoolDir={directory}/spool-%n
SlurmctldPidFile={directory}/slurmctld.pid
SlurmdPidFile={directory}/%n.pid
SlurmctldLogFile={directory}/slurmctld.log
SlurmdLogFile={directory}/%n.log
NodeName=n[1-{nodes}] NodeHostname={host} NodeAddr=127.0.0.1 Port=[16821-{port}] CPUs=2
PartitionName=all Nodes=ALL Default=YES State=UP
"""


def wait_for(what, until):
    """What until() gives when it is something; a test that waits for ever says for what."""
    end = time.monotonic() + WATCHDOG
    while time.monotonic() < end:
        result = until()
        if result:
            return result
        time.sleep(0.1)
    raise AssertionError(f"waited in vain for {what}")


def processes():
    """The environment of every process here, by its id."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                yield int(entry.name), (entry / "environ").read_bytes().split(b"\0")
            except OSError:
                continue


class Cluster:
    """A controller and its nodes."""

    def __init__(self, directory):
        self.directory = directory
        self.daemons = {}
        host = socket.gethostname().split(".")[0]
        (directory / "state").mkdir()
        file = directory / "slurm.conf"
        file.write_text(CONFIGURATION.format(host=host, directory=directory, nodes=NODES,
                                             port=16820 + NODES))
        os.environ["SLURM_CONF"] = str(file)

    def start(self):
        self.run_daemon("slurmctld", "/usr/sbin/slurmctld-wlm", "-D", "-i")
        for i in range(1, NODES + 1):
            (self.directory / f"spool-n{i}").mkdir()
            self.run_daemon(f"n{i}", "/usr/sbin/slurmd-wlm", "-D", "-N", f"n{i}",
                            "-d", "/usr/sbin/slurmstepd-wlm")
        wait_for("all nodes to be idle", self.is_idle)

    def is_idle(self):
        ended = [name for name, daemon in self.daemons.items() if daemon.poll() is not None]
        assert not ended, f"{ended} ended at once"
        return self.ask("sinfo", "-h", "-t", "idle", "-o", "%D").strip() == str(NODES)

    def run_daemon(self, name, *command):
        """With its name in its environment, and so in that of all that it starts."""
        with (self.directory / f"{name}.out").open("wb") as out:
            self.daemons[name] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                env=os.environ | {"DAEMON": name})

    @staticmethod
    def ask(*command):
        done = subprocess.run(command, capture_output=True, text=True)
        return done.stdout if done.returncode == 0 else ""

    def log(self):
        return "\n".join(f"--- {file.name}\n{file.read_text(errors='replace')[-4000:]}"
                         for file in sorted(self.directory.glob("*.log"))
                         + sorted(self.directory.glob("*.out")))

    @staticmethod
    def signal_node(name, number):
        """To the daemon, the steps, and all that runs in them; how many they are."""
        there = [pid for pid, environment in processes()
                 if f"DAEMON={name}".encode() in environment
                 or f"SLURMD_NODENAME={name}".encode() in environment]
        for pid in there:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass
        return len(there)

    def stop(self):
        for daemon in self.daemons.values():
            daemon.kill()
            daemon.wait()

    def tasks(self):
        """The state and the node of each task of every array that is not done."""
        rows = self.ask("squeue", "-h", "-r", "-o", "%i %T %N").split("\n")
        return {row.split()[0]: row.split()[1:] for row in rows if row}

    def job(self, number):
        text = self.ask("scontrol", "-o", "show", "job", str(number))
        return dict(word.split("=", 1) for word in text.split() if "=" in word)


def lasting(record):
    """What must be the same in every run."""
    return json.dumps({name: value for name, value in record.items()
                       if name not in ("run_id", "time", "duration_ms")}, sort_keys=True)


class Array(unittest.TestCase):
    def setUp(self):
        self.directory = Path(os.environ[INSIDE])
        self.cluster = Cluster(self.directory)
        self.addCleanup(self.cluster.stop)
        self.farm = Farm()
        self.addCleanup(self.farm.close)
        for i in range(HOSTS):
            protocol = ("imap", "pop3", "smtp", "ftp")[i % 4]
            self.farm.add(protocol, address=self.farm.address(), greeting_delay="600",
                          starttls="none" if i % 5 == 4 else "offer",
                          login="allowed" if i % 3 == 2 else "disabled")
        self.farm.start()
        self.targets = self.directory / "targets"
        self.targets.write_text("".join(f"{target}\n" for target in self.farm.targets()))
        self.arguments = ["--seed", "42", "--patience", "0", "--ca-file", self.farm.ca_file, "-f", self.targets]
        self.place = self.directory / "run"
        self.single = None

    def submit(self, *arguments):
        """The numbers of the array and of the job that merges it."""
        done = subprocess.run([SAMPLES / "submit", self.place, *map(str, arguments)], text=True,
                              stdin=subprocess.DEVNULL, capture_output=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn(str(self.place / "result.ndjson"), done.stdout)
        return re.match(r"job (\d+) scans \(.*\), job (\d+) merges", done.stdout).groups()

    def half_written(self, shard):
        files = list(self.place.glob(f"shards/.shard-{shard}.a0.*"))
        return any(file.stat().st_size for file in files)

    def busy_node(self):
        """A shard that is being written, and where."""
        for task, (state, *node) in self.cluster.tasks().items():
            shard = task.partition("_")[2]
            if state == "RUNNING" and node and shard and self.half_written(shard):
                return shard, node[0]
        return None

    def kill_a_node_at_work(self):
        """Its shard, of which a part is there: the machine is frozen first, to be sure of that."""
        while True:
            shard, node = wait_for("a shard that is being written", self.busy_node)
            self.cluster.signal_node(node, signal.SIGSTOP)
            if self.half_written(shard):
                break
            self.cluster.signal_node(node, signal.SIGCONT)
        count = self.cluster.signal_node(node, signal.SIGKILL)
        self.assertGreater(count, 2)  # slurmd, slurmstepd, and what the task runs
        return shard

    def merged(self, job):
        """The result, when the job has made it of whole shards."""
        wait_for("the merge", lambda: self.cluster.job(job).get("JobState") in
                 ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL"))
        said = (self.place / f"log/merge-{job}.out").read_text()
        self.assertEqual(self.cluster.job(job)["ExitCode"], "0:0", said)
        # A task of the node that died may have published, and was done again all the same.
        for line in said.splitlines():
            self.assertRegex(line, r"a0\.ndjson: shard \d is taken from .*a1\.ndjson")
        output = (self.place / "result.ndjson").read_bytes()
        self.assertEqual(validate.check_run(output), [])
        return output

    def check_result(self, output):
        self.single = single = self.single or scan.run(*self.arguments)
        records = records_of(output)
        self.assertEqual(sorted(map(lasting, records[1:-1])), sorted(map(lasting, single.records)))
        for name in ("complete", "stopped_by", "endpoints", "hosts", "findings", "exit_code"):
            self.assertEqual(records[-1][name], single.end[name], name)
        for name in ("scope", "options", "options_sha256", "seed", "shard", "policies"):
            self.assertEqual(records[0][name], single.start[name], name)

    def play(self):
        self.cluster.start()
        array, job = self.submit(SHARDS, *self.arguments)
        shard = self.kill_a_node_at_work()
        output = self.merged(job)
        self.check_result(output)
        files = sorted(file.name for file in (self.place / "shards").glob("*.ndjson"))
        self.assertEqual(sorted({name.partition(".")[0] for name in files}),
                         sorted(f"shard-{i}" for i in range(SHARDS)))
        self.assertNotIn(f"shard-{shard}.a0.ndjson", files)
        self.assertIn(f"shard-{shard}.a1.ndjson", files)
        self.assertTrue(list(self.place.glob(f"shards/.shard-{shard}.a0.*")))

        # What is missing is told, and done again.
        for lost in (1, 6):
            for file in self.place.glob(f"shards/shard-{lost}.a*.ndjson"):
                file.unlink()
        done = subprocess.run([SAMPLES / "merge.sbatch", self.place, str(SHARDS)], text=True,
                              capture_output=True)
        self.assertEqual(done.returncode, 3)
        option = re.search(r"--array=\S+(?=\))", done.stderr).group()
        self.assertEqual(option, "--array=1,6")
        _, job = self.submit(option)
        self.check_result(self.merged(job))

    def test_a_node_dies(self):
        try:
            self.play()
        except BaseException:
            print(self.cluster.log(), file=sys.stderr)
            raise


class Usage(unittest.TestCase):
    def test_usage(self):
        here = Path(os.environ[INSIDE])
        for arguments in ([], ["x"], ["x", "0", "t"], ["x", "4"], ["x", "--array=1"]):
            done = subprocess.run([SAMPLES / "submit", *arguments], capture_output=True, text=True,
                                  cwd=here)
            self.assertEqual(done.returncode, 2)
            self.assertIn("submit DIRECTORY", done.stderr)
        self.assertFalse((here / "x").exists())


# --- the house ------------------------------------------------------------------------------------

NAMESPACES = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]


def missing():
    if rights_missing():
        return "Slurm needs root"
    if not os.access(unpacked("slurm") / "usr/sbin/slurmctld-wlm", os.X_OK):
        return "Slurm is not there: run tests/system/install-servers"
    if reason := mounts.missing():
        return reason
    done = subprocess.run([*NAMESPACES, "true"], capture_output=True, text=True)
    if done.returncode:
        return f"no namespaces: {done.stderr.strip()}"
    return house_missing("slurm")


def make_network():
    """Loopback, with one address more: where 127.0.0.1 is the only one, libc says that there is no
    IPv4, and Slurm believes it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        flags = struct.pack("16sH14x", b"lo", 0x1 | 0x40)  # IFF_UP, IFF_RUNNING
        fcntl.ioctl(any_socket, 0x8914, flags)  # SIOCSIFFLAGS
        address = struct.pack("16sHH4s8x", b"lo:1", socket.AF_INET, 0,
                              socket.inet_aton("127.71.0.1"))
        fcntl.ioctl(any_socket, 0x8916, address)  # SIOCSIFADDR


def run_inside():
    """This test once more, in a house whose /usr has Slurm; its exit code."""
    directory = Path(tempfile.mkdtemp(prefix="slurm-"))
    for name in ("etc", "run", "var/lib", "var/spool"):
        (directory / name).mkdir(parents=True)
    (directory / "etc/passwd").write_text("root:x:0:0::/root:/bin/bash\n")
    (directory / "etc/group").write_text("root:x:0:\n")
    (directory / "etc/hosts").write_text(f"127.0.0.1 localhost {socket.gethostname()}\n")
    (directory / "etc/nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files\n")
    command = [*NAMESPACES, "sh", "-c", HOUSE, "house", directory, unpacked("slurm"),
               sys.executable, Path(__file__).resolve(), *sys.argv[1:]]
    try:
        return subprocess.run(command, env=os.environ | {INSIDE: str(directory)}).returncode
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    if INSIDE in os.environ:
        make_network()
        main()
    reason = missing()
    if reason:
        print(f"SKIPPED: {reason}", file=sys.stderr)
        sys.exit(77)
    sys.exit(run_inside())
