# SPDX-License-Identifier: MIT
"""A systemd of a test's own: this machine's files, as if it had just been booted from them.

Everything is in namespaces: processes, mounts, and a network with nothing but loopback. Files are an
overlay of those of the machine, so that units, users and packages can be installed, and all of it is
gone with the last process. In there run() runs a command as root, with systemctl at hand, and says
what it printed. /tmp and /run are new; the checkout and `shared` are where they are outside.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import mounts

CHECKOUT = Path(__file__).parents[2]
SYSTEMD = "/lib/systemd/systemd"
WATCHDOG = 300
NAMESPACES = ("--mount", "--pid", "--fork", "--ipc", "--uts", "--net", "--cgroup", "--kill-child")

# $1: the shared directory, $2: the checkout, $3: a directory to mount on.
HOUSE = r"""
set -e
root=$3/root
mount --make-rprivate /
mount -t tmpfs tmpfs "$3"
mkdir "$3/upper" "$3/work" "$root"
mount -t overlay house -o "lowerdir=/,upperdir=$3/upper,workdir=$3/work" "$root"
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
for place in run tmp dev; do
    mount -t tmpfs tmpfs "$root/$place"
done
for device in null zero full random urandom tty; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for place in "$1" "$2"; do
    mkdir -p "$root$place"
    mount --bind "$place" "$root$place"
done
mount -o remount,bind,ro "$root$2"
# No unit of the machine is wanted: one target, with the command and the journal.
rm -rf "$root/etc/systemd/system" "$root/var/log/journal"
cp -r "$1/units" "$root/etc/systemd/system"
mkdir "$root/run/upper"
mount --bind "$3/upper" "$root/run/upper"
ip link set lo up
cd "$root"
pivot_root . mnt
umount -l /mnt
exec env -i container=house LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    setpriv --bounding-set=-sys_module,-sys_rawio,-sys_time \
    /lib/systemd/systemd --unit=house.target --show-status=no --log-target=journal
"""

TARGET = """[Unit]
Requires=house.service
"""
SERVICE = """[Unit]
SuccessAction=exit
FailureAction=exit
[Service]
Type=oneshot
WorkingDirectory={checkout}
EnvironmentFile={shared}/environment
ExecStart=/bin/sh {shared}/command
StandardOutput=file:{shared}/output
StandardError=file:{shared}/output
"""


def run(command, environment=()):
    """Runs a line of the shell in there; its exit status and what it printed."""
    shared = Path(tempfile.mkdtemp(prefix="booted-", dir="/var/tmp"))
    try:
        return _run(command, dict(environment), shared)
    finally:
        shutil.rmtree(shared)


def _run(command, environment, shared):
    (shared / "units").mkdir()
    (shared / "mount").mkdir()
    (shared / "units" / "house.target").write_text(TARGET)
    (shared / "units" / "house.service").write_text(
        SERVICE.format(checkout=CHECKOUT, shared=shared))
    (shared / "command").write_text(f"({command}\n)\necho $? >{shared}/status\n")
    (shared / "environment").write_text("".join(
        f"{name}={value}\n" for name, value in environment.items()))
    done = subprocess.run(
        ["unshare", *NAMESPACES, "sh", "-c", HOUSE, "sh", shared, CHECKOUT, shared / "mount"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=WATCHDOG)
    output, status = shared / "output", shared / "status"
    printed = output.read_text(errors="replace") if output.exists() else ""
    if not status.exists():
        raise RuntimeError(f"systemd did not boot: exit {done.returncode} {done.stderr} {printed}")
    return int(status.read_text()), printed


@cache
def missing():
    """Why systemd cannot be booted here, or None."""
    if os.geteuid() != 0:
        return "booting a systemd needs root"
    if not os.access(SYSTEMD, os.X_OK):
        return "systemd is not there"
    if reason := mounts.missing():
        return reason
    try:
        status, printed = run("systemctl --version")
    except (OSError, RuntimeError, subprocess.TimeoutExpired) as error:
        return f"no systemd can be booted here: {error}"
    return None if status == 0 else f"systemctl does not work: {printed}"


def run_this_test(*arguments):
    """This test file once more, in there."""
    environment = {name: Path(value).resolve() for name, value in os.environ.items()
                   if name.startswith("STARTTLS_AUDIT")}
    line = " ".join([sys.executable, str(Path(sys.argv[0]).resolve()), "-v", *arguments])
    return run(line, {**environment, "PYTHONDONTWRITEBYTECODE": "1"})
