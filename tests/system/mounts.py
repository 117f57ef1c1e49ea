# SPDX-License-Identifier: MIT
"""Whether tests may mount something for themselves."""

import subprocess
from functools import cache
from pathlib import Path


def root_is_mounted():
    """Is the root directory a mount point? In a chroot it mostly is not."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return any(line.split()[4] == "/" for line in lines)


@cache
def missing():
    """Why there can be no mounts of a test's own, or None."""
    done = subprocess.run(["unshare", "--mount", "true"], capture_output=True, text=True)
    if done.returncode == 0:
        return None
    if not root_is_mounted():
        return ("no mounts of its own in a chroot whose root is no mount point"
                " (before chroot: mount --bind DIRECTORY DIRECTORY)")
    return f"no mounts of its own: {done.stderr.strip()}"
