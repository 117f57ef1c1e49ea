/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "scanner/sandbox/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The same on every architecture. */
#define CREATE_RULESET 444
#define ADD_RULE 445
#define RESTRICT_SELF 446

#define ASK_VERSION 1U
#define RULE_PATH 1
#define RULE_PORT 2

/* Rights to files, and the version that first knew them if that is not 1. */
#define FS_EXECUTE (UINT64_C(1) << 0)
#define FS_WRITE_FILE (UINT64_C(1) << 1)
#define FS_READ_FILE (UINT64_C(1) << 2)
#define FS_READ_DIR (UINT64_C(1) << 3)
#define FS_REMOVE_FILE (UINT64_C(1) << 5)
#define FS_MAKE_REG (UINT64_C(1) << 8)
#define FS_FIRST ((UINT64_C(1) << 13) - 1) /* all of version 1 */
#define FS_REFER (UINT64_C(1) << 13)       /* 2 */
#define FS_TRUNCATE (UINT64_C(1) << 14)    /* 3 */
#define FS_IOCTL_DEV (UINT64_C(1) << 15)   /* 5 */
#define FS_OF_FILES (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)

#define NET_CONNECT_TCP (UINT64_C(1) << 1)
#define NET_VERSION 4

#define SCOPE_ABSTRACT_UNIX_SOCKET (UINT64_C(1) << 0)
#define SCOPE_SIGNAL (UINT64_C(1) << 1)
#define SCOPE_VERSION 6

struct ruleset {
    uint64_t files, net, scoped;
};

struct path_rule {
    uint64_t rights;
    int32_t parent;
} __attribute__((packed));

struct port_rule {
    uint64_t rights, port;
};

int landlock_version(void)
{
    long version = syscall(CREATE_RULESET, NULL, (size_t)0, ASK_VERSION);
    return version > 0 ? (int)version : 0;
}

/* Of these, what this version knows. */
static uint64_t known(uint64_t rights, int version)
{
    if (version < 2)
        rights &= ~FS_REFER;
    if (version < 3)
        rights &= ~FS_TRUNCATE;
    if (version < 5)
        rights &= ~FS_IOCTL_DEV;
    return rights;
}

/* Longer than an older kernel knows: it takes that, if what it does not know is zero. */
static int create(const struct ruleset *attributes)
{
    return (int)syscall(CREATE_RULESET, attributes, sizeof *attributes, 0U);
}

int landlock_files(int version, bool signals)
{
    struct ruleset r = {.files = known(FS_FIRST | FS_REFER | FS_TRUNCATE | FS_IOCTL_DEV, version)};
    if (version >= SCOPE_VERSION)
        r.scoped = SCOPE_ABSTRACT_UNIX_SOCKET | (signals ? 0 : SCOPE_SIGNAL);
    return create(&r);
}

int landlock_ports(int version)
{
    if (version >= NET_VERSION)
        return create(&(struct ruleset){.net = NET_CONNECT_TCP});
    errno = EOPNOTSUPP;
    return -1;
}

bool landlock_allow(int ruleset, int version, const char *path, enum landlock_use use)
{
    static const uint64_t rights[] = {
        [LANDLOCK_READ] = FS_READ_FILE | FS_READ_DIR,
        [LANDLOCK_WRITE] = FS_READ_FILE | FS_WRITE_FILE | FS_TRUNCATE,
        [LANDLOCK_FILL] =
            FS_READ_FILE | FS_READ_DIR | FS_WRITE_FILE | FS_TRUNCATE | FS_REMOVE_FILE | FS_MAKE_REG,
    };
    struct path_rule rule = {known(rights[use], version), open(path, O_PATH | O_CLOEXEC)};
    struct stat status;
    bool ok = rule.parent >= 0 && fstat(rule.parent, &status) == 0;
    if (ok && !S_ISDIR(status.st_mode))
        rule.rights &= FS_OF_FILES;
    ok = ok && syscall(ADD_RULE, ruleset, RULE_PATH, &rule, 0U) == 0;
    if (rule.parent >= 0)
        close(rule.parent);
    return ok;
}

bool landlock_allow_port(int ruleset, uint16_t port)
{
    struct port_rule rule = {NET_CONNECT_TCP, port};
    return syscall(ADD_RULE, ruleset, RULE_PORT, &rule, 0U) == 0;
}

bool landlock_shut(int ruleset)
{
    return syscall(RESTRICT_SELF, ruleset, 0U) == 0;
}
