/* SPDX-License-Identifier: MIT */
/* landlock.h: which files and ports are left. The kernel's own header may be older than the kernel. */
#ifndef SCANNER_SANDBOX_LANDLOCK_H
#define SCANNER_SANDBOX_LANDLOCK_H

#include <stdbool.h>
#include <stdint.h>

enum landlock_use { LANDLOCK_READ, LANDLOCK_WRITE, LANDLOCK_FILL };

/* Of the kernel; 0: it has none, and errno says why. */
int landlock_version(void);

/* A ruleset for files, or for TCP ports; -1: errno says why. signals: also to other processes. */
int landlock_files(int version, bool signals);
int landlock_ports(int version);

/* False: there is nothing of that name, or it is not a file system's. */
bool landlock_allow(int ruleset, int version, const char *path, enum landlock_use);
bool landlock_allow_port(int ruleset, uint16_t port);

/* False: errno says why. */
bool landlock_shut(int ruleset);

#endif
