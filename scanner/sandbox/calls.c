/* SPDX-License-Identifier: MIT */
/* calls.c: the table of system calls and phases, and the filters that are made of it. */
#define _GNU_SOURCE
#include "scanner/sandbox/calls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#ifndef SECCOMP_FILTER_FLAG_SPEC_ALLOW
#define SECCOMP_FILTER_FLAG_SPEC_ALLOW (1UL << 2)
#endif

/* Phases, a letter each. */
static const char letters[] = {
    [SANDBOX_PRINT] = 'p', [SANDBOX_READ] = 'r',   [SANDBOX_STATE] = 's',  [SANDBOX_WAIT] = 'c',
    [SANDBOX_SCAN] = 'm',  [SANDBOX_WORKER] = 't', [SANDBOX_KEEPER] = 'k',
};

#define ALL "prscmtk"
#define NETWORK "mtk" /* connects           */
#define FILES "rsmk"  /* opens files        */
#define OUTPUT "rsm"  /* and puts them into their places */
#define CLOSED "pct"  /* opens nothing, and is not to die of a look at a file */

enum when {
    ALWAYS,
    REFUSED,        /* fails with EACCES, as if it were not allowed: libraries go on without */
    MISSING,        /* fails with ENOSYS: libraries have another way                         */
    READING,        /* refused, if it is for reading; otherwise not allowed: opening files   */
    OPEN_FILE,      /* refused, if it is not of an open descriptor                           */
    NOT_EXECUTABLE, /* memory that is no code */
    A_THREAD,       /* and no process         */
    INTERNET,       /* sockets for TCP and UDP */
    FROM_AN_ADDRESS,
    HARMLESS_IOCTL, /* none that types into a terminal */
    TO_OURSELVES,
    TO_THE_CHILD,
    A_LIMIT, /* is asked, and not set */
    A_NAME,  /* of a thread           */
    A_FILTER
};

struct row {
    const char *call;
    const char *phases;
    enum when when;
};

/* Names that an architecture does not have are no harm: each has one of several. */
static const struct row rows[] = {
    /* descriptors */
    {"read", ALL, ALWAYS},
    {"readv", ALL, ALWAYS},
    {"write", ALL, ALWAYS},
    {"writev", ALL, ALWAYS},
    {"close", ALL, ALWAYS},
    {"lseek", ALL, ALWAYS},
    {"_llseek", ALL, ALWAYS},
    {"fcntl", ALL, ALWAYS},
    {"fcntl64", ALL, ALWAYS},
    {"fstat", ALL, ALWAYS},
    {"fstat64", ALL, ALWAYS},
    {"ioctl", ALL, HARMLESS_IOCTL},
    {"poll", ALL, ALWAYS},
    {"ppoll", ALL, ALWAYS},
    {"ppoll_time64", ALL, ALWAYS},
    {"pread64", "rscmtk", ALWAYS},
    {"pwrite64", "rsmtk", ALWAYS},
    {"ftruncate", "rsmtk", ALWAYS},
    {"ftruncate64", "rsmtk", ALWAYS},
    {"fsync", "rsmtk", ALWAYS},
    {"fdatasync", "rsmtk", ALWAYS},

    /* memory */
    {"mmap", ALL, NOT_EXECUTABLE},
    {"mmap2", ALL, NOT_EXECUTABLE},
    {"mprotect", ALL, NOT_EXECUTABLE},
    {"munmap", ALL, ALWAYS},
    {"mremap", ALL, ALWAYS},
    {"brk", ALL, ALWAYS},
    {"madvise", ALL, ALWAYS},
    {"sysinfo", ALL, ALWAYS}, /* qsort() */

    /* threads, signals, the end */
    {"futex", ALL, ALWAYS},
    {"futex_time64", ALL, ALWAYS},
    {"sched_yield", ALL, ALWAYS},
    {"sched_getaffinity", ALL, ALWAYS}, /* malloc() */
    {"set_robust_list", NETWORK, ALWAYS},
    {"rseq", NETWORK, ALWAYS},
    {"clone", "m", A_THREAD},
    {"clone3", "m", MISSING}, /* nobody can see what it is for */
    {"getpid", ALL, ALWAYS},
    {"gettid", ALL, ALWAYS},
    {"tgkill", ALL, TO_OURSELVES}, /* abort() */
    {"rt_sigaction", ALL, ALWAYS},
    {"rt_sigprocmask", ALL, ALWAYS},
    {"rt_sigreturn", ALL, ALWAYS},
    {"sigreturn", ALL, ALWAYS},
    {"rt_sigtimedwait", "cm", ALWAYS},
    {"rt_sigtimedwait_time64", "cm", ALWAYS},
    {"restart_syscall", ALL, ALWAYS}, /* after SIGSTOP and SIGCONT */
    {"exit", ALL, ALWAYS},
    {"exit_group", ALL, ALWAYS},
    {"wait4", "c", ALWAYS},
    {"waitid", "c", ALWAYS},
    {"kill", "c", TO_THE_CHILD},
    {"prctl", NETWORK, A_NAME},
    {"seccomp", "m", A_FILTER}, /* threads give up more */

    /* time, chance, and what kind of system this is */
    {"clock_gettime", ALL, ALWAYS},
    {"clock_gettime64", ALL, ALWAYS},
    {"clock_getres", ALL, ALWAYS},
    {"clock_getres_time64", ALL, ALWAYS},
    {"clock_nanosleep", ALL, ALWAYS},
    {"clock_nanosleep_time64", ALL, ALWAYS},
    {"nanosleep", ALL, ALWAYS},
    {"gettimeofday", ALL, ALWAYS},
    {"time", ALL, ALWAYS},
    {"getrandom", ALL, ALWAYS},
    {"getrusage", ALL, ALWAYS},
    {"uname", ALL, ALWAYS},
    {"getuid", ALL, ALWAYS},
    {"getuid32", ALL, ALWAYS},
    {"geteuid", ALL, ALWAYS},
    {"geteuid32", ALL, ALWAYS},
    {"getgid", ALL, ALWAYS},
    {"getgid32", ALL, ALWAYS},
    {"getegid", ALL, ALWAYS},
    {"getegid32", ALL, ALWAYS},
    {"prlimit64", ALL, A_LIMIT},
    {"getrlimit", ALL, ALWAYS},
    {"ugetrlimit", ALL, ALWAYS},

    /* files; which ones is for Landlock to say */
    {"open", FILES, ALWAYS},
    {"openat", FILES, ALWAYS},
    {"open", CLOSED, READING},
    {"openat", CLOSED, READING},
    {"stat", FILES, ALWAYS},
    {"stat64", FILES, ALWAYS},
    {"lstat", FILES, ALWAYS},
    {"lstat64", FILES, ALWAYS},
    {"newfstatat", FILES, ALWAYS},
    {"fstatat64", FILES, ALWAYS},
    {"statx", FILES, ALWAYS},
    {"stat", CLOSED, REFUSED},
    {"stat64", CLOSED, REFUSED},
    {"lstat", CLOSED, REFUSED},
    {"lstat64", CLOSED, REFUSED},
    {"newfstatat", CLOSED, OPEN_FILE},
    {"fstatat64", CLOSED, OPEN_FILE},
    {"statx", CLOSED, OPEN_FILE},
    {"access", FILES, ALWAYS},
    {"faccessat", FILES, ALWAYS},
    {"faccessat2", FILES, ALWAYS},
    {"readlink", FILES, ALWAYS},
    {"readlinkat", FILES, ALWAYS},
    {"access", CLOSED, REFUSED},
    {"faccessat", CLOSED, REFUSED},
    {"faccessat2", CLOSED, REFUSED},
    {"readlink", CLOSED, REFUSED},
    {"readlinkat", CLOSED, REFUSED},
    {"getcwd", FILES, ALWAYS},
    {"getdents64", FILES, ALWAYS}, /* what killed runs have left */
    {"unlink", FILES, ALWAYS},
    {"unlinkat", FILES, ALWAYS},
    {"fchmod", FILES, ALWAYS},
    {"fchown", FILES, ALWAYS}, /* SQLite gives what it makes to the owner of the database */
    {"fchown32", FILES, ALWAYS},
    {"fallocate", FILES, ALWAYS},
    {"rename", OUTPUT, ALWAYS},
    {"renameat", OUTPUT, ALWAYS},
    {"renameat2", OUTPUT, ALWAYS},
    {"link", OUTPUT, ALWAYS},
    {"linkat", OUTPUT, ALWAYS},
    {"flock", OUTPUT, ALWAYS},
    {"umask", OUTPUT, ALWAYS},

    /* connections */
    {"socket", NETWORK, INTERNET},
    {"connect", NETWORK, ALWAYS},
    {"bind", NETWORK, FROM_AN_ADDRESS},
    {"shutdown", NETWORK, ALWAYS},
    {"getsockname", NETWORK, ALWAYS},
    {"getpeername", NETWORK, ALWAYS},
    {"getsockopt", NETWORK, ALWAYS},
    {"setsockopt", NETWORK, ALWAYS},
    {"send", NETWORK, ALWAYS},
    {"sendto", NETWORK, ALWAYS},
    {"sendmsg", NETWORK, ALWAYS},
    {"sendmmsg", NETWORK, ALWAYS},
    {"recv", NETWORK, ALWAYS},
    {"recvfrom", NETWORK, ALWAYS},
    {"recvmsg", NETWORK, ALWAYS},
    {"recvmmsg", NETWORK, ALWAYS},
    {"recvmmsg_time64", NETWORK, ALWAYS},
    {"epoll_ctl", NETWORK, ALWAYS},
    {"epoll_wait", NETWORK, ALWAYS},
    {"epoll_pwait", NETWORK, ALWAYS},
    {"epoll_pwait2", NETWORK, ALWAYS},
    {NULL, NULL, ALWAYS},
};

#ifdef SANITIZED /* they look for leaks with a tracer, and read maps of memory */
static const struct row added[] = {
    {"clone", "prscm", ALWAYS},
    {"ptrace", "prscm", ALWAYS},
    {"wait4", "prscm", ALWAYS},
    {"waitid", "prscm", ALWAYS},
    {"process_vm_readv", ALL, ALWAYS},
    {"prctl", ALL, ALWAYS},
    {"sigaltstack", ALL, ALWAYS},
    {"getdents", ALL, ALWAYS},
    {"getdents64", "pct", ALWAYS},
    {"pipe", ALL, ALWAYS},
    {"pipe2", ALL, ALWAYS},
    {"kill", "prscm", ALWAYS},
    {"tgkill", ALL, ALWAYS},
    {"open", "pc", ALWAYS},
    {"openat", "pc", ALWAYS},
    {"readlink", "pc", ALWAYS},
    {"readlinkat", "pc", ALWAYS},
    {"getppid", ALL, ALWAYS},
    {"set_robust_list", ALL, ALWAYS},
    {"rseq", ALL, ALWAYS},
    {NULL, NULL, ALWAYS},
};
#else
static const struct row added[] = {{NULL, NULL, ALWAYS}};
#endif

/* --- rules ---------------------------------------------------------------------------------------- */

#define ALLOW SCMP_ACT_ALLOW
#define REFUSE SCMP_ACT_ERRNO(EACCES)

/* Which argument has the flags of a call that opens, or looks at, a file. */
static unsigned flags_of(const char *call)
{
    return strcmp(call, "open") == 0     ? 1
           : strcmp(call, "statx") == 0  ? 2
           : strcmp(call, "openat") == 0 ? 2
                                         : 3;
}

/* The library's macros for these do not compile without warnings everywhere. */
static struct scmp_arg_cmp equals(unsigned argument, uint32_t value)
{
    return (struct scmp_arg_cmp){argument, SCMP_CMP_EQ, value, 0};
}

static struct scmp_arg_cmp has_bits(unsigned argument, uint32_t mask, uint32_t value)
{
    return (struct scmp_arg_cmp){argument, SCMP_CMP_MASKED_EQ, mask, value};
}

static int add(scmp_filter_ctx c, uint32_t action, int call, struct scmp_arg_cmp condition)
{
    return seccomp_rule_add_array(c, action, call, 1, &condition);
}

static int add_sockets(scmp_filter_ctx c, int call)
{
    static const unsigned families[] = {AF_INET, AF_INET6};
    static const struct {
        unsigned type, protocol;
    } kinds[] = {
        {SOCK_STREAM, 0}, {SOCK_STREAM, IPPROTO_TCP}, {SOCK_DGRAM, 0}, {SOCK_DGRAM, IPPROTO_UDP}};
    int error = 0;
    for (size_t f = 0; f < sizeof families / sizeof *families; f++)
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds && !error; k++) {
            struct scmp_arg_cmp conditions[] = {equals(0, families[f]),
                                                has_bits(1, 0xf, kinds[k].type),
                                                equals(2, kinds[k].protocol)};
            error = seccomp_rule_add_array(c, ALLOW, call, 3, conditions);
        }
    return error;
}

static int add_ioctls(scmp_filter_ctx c, int call)
{
    static const unsigned long requests[] = {FIONBIO, FIOCLEX, FIONREAD, TCGETS, TIOCGWINSZ};
    int error = 0;
    for (size_t i = 0; i < sizeof requests / sizeof *requests && !error; i++)
        error = add(c, ALLOW, call, equals(1, (unsigned)requests[i]));
    return error;
}

/* 0, or a negative errno. */
static int add_row(scmp_filter_ctx c, const struct row *r, int call, const struct sandbox *s)
{
    unsigned flags = flags_of(r->call);
    int error;
    switch (r->when) {
    case ALWAYS:
        return seccomp_rule_add(c, ALLOW, call, 0);
    case REFUSED:
        return seccomp_rule_add(c, REFUSE, call, 0);
    case MISSING:
        return seccomp_rule_add(c, SCMP_ACT_ERRNO(ENOSYS), call, 0);
    case READING:
        return add(c, REFUSE, call, has_bits(flags, O_ACCMODE | O_CREAT, O_RDONLY));
    case OPEN_FILE:
        error = add(c, ALLOW, call, has_bits(flags, AT_EMPTY_PATH, AT_EMPTY_PATH));
        return error ? error : add(c, REFUSE, call, has_bits(flags, AT_EMPTY_PATH, 0));
    case NOT_EXECUTABLE:
        return add(c, ALLOW, call, has_bits(2, PROT_EXEC, 0));
    case A_THREAD:
#ifdef __s390__
        return add(c, ALLOW, call, has_bits(1, CLONE_THREAD, CLONE_THREAD));
#else
        return add(c, ALLOW, call, has_bits(0, CLONE_THREAD, CLONE_THREAD));
#endif
    case INTERNET:
        return add_sockets(c, call);
    case FROM_AN_ADDRESS:
        return s->binds ? seccomp_rule_add(c, ALLOW, call, 0) : 0;
    case HARMLESS_IOCTL:
        return add_ioctls(c, call);
    case TO_OURSELVES:
        return add(c, ALLOW, call, equals(0, (unsigned)getpid()));
    case TO_THE_CHILD:
        return s->child > 0 ? add(c, ALLOW, call, equals(0, (unsigned)s->child)) : 0;
    case A_LIMIT:
        return add(c, ALLOW, call, equals(2, 0));
    case A_NAME:
        return add(c, ALLOW, call, equals(0, PR_SET_NAME));
    case A_FILTER:
        return add(c, ALLOW, call, equals(0, SECCOMP_SET_MODE_FILTER));
    }
    return -EINVAL;
}

static bool has(const struct row *r, enum sandbox_phase phase)
{
    return strchr(r->phases, letters[phase]) != NULL;
}

/* Is the call allowed anyway, whatever its row says? */
static bool is_added(const char *call, enum sandbox_phase phase)
{
    for (const struct row *r = added; r->call; r++)
        if (strcmp(r->call, call) == 0 && has(r, phase))
            return true;
    return false;
}

/* What the library does not know, and what the architecture has not, is passed over. */
static int add_rows(scmp_filter_ctx c, const struct row *list, const struct sandbox *s,
                    enum sandbox_phase phase)
{
    int error = 0;
    for (const struct row *r = list; r->call && !error; r++) {
        int call = seccomp_syscall_resolve_name(r->call);
        if (call >= 0 && has(r, phase) && (list == added || !is_added(r->call, phase)))
            error = add_row(c, r, call, s);
    }
    return error;
}

/* --- filters -------------------------------------------------------------------------------------- */

bool calls_are_filtered(void)
{
    uint32_t action = SECCOMP_RET_KILL_PROCESS;
    return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0U, &action) == 0;
}

/* The octets that are waiting there, malloc'd. */
static struct sock_filter *receive(int fd, size_t size, unsigned short *len)
{
    struct sock_filter *filter =
        size && size / sizeof *filter <= BPF_MAXINSNS ? malloc(size) : NULL;
    if (filter && read(fd, filter, size) == (ssize_t)size) {
        *len = (unsigned short)(size / sizeof *filter);
        return filter;
    }
    free(filter);
    return NULL;
}

/* As the kernel takes it. Older libraries know no other way than a descriptor, and do not look
   whether all of it was written: a pipe says so, and no limit of file sizes holds for it. */
static struct sock_filter *export_filter(scmp_filter_ctx c, unsigned short *len)
{
    struct sock_filter *filter = NULL;
    int ends[2], size = 0;
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return NULL;
    int room = fcntl(ends[1], F_SETPIPE_SZ, (int)(BPF_MAXINSNS * sizeof *filter) * 2);
    if (room < 0)
        room = fcntl(ends[1], F_GETPIPE_SZ);
    if (seccomp_export_bpf(c, ends[1]) == 0 && ioctl(ends[0], FIONREAD, &size) == 0 && size < room)
        filter = receive(ends[0], (size_t)size, len);
    close(ends[0]);
    close(ends[1]);
    if (!filter)
        errno = ENOMEM;
    return filter;
}

struct sock_filter *calls_of(const struct sandbox *s, enum sandbox_phase phase, unsigned short *len)
{
    struct sock_filter *filter = NULL;
    scmp_filter_ctx c = seccomp_init(SCMP_ACT_KILL_PROCESS);
    if (!c) {
        errno = EINVAL;
        return NULL;
    }
    int error = seccomp_attr_set(c, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (!error)
        seccomp_attr_set(c, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a search, and no list */
    if (!error)
        error = add_rows(c, rows, s, phase);
    if (!error)
        error = add_rows(c, added, s, phase);
    if (!error)
        filter = export_filter(c, len);
    else
        errno = -error;
    int saved = errno;
    seccomp_release(c);
    errno = saved;
    return filter;
}

/* What is not allowed is no code of others: nothing is gained by slowing the processor down. */
bool calls_shut(struct sock_filter *filter, unsigned short len, bool all_threads)
{
    struct sock_fprog program = {len, filter};
    unsigned long flags = SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    if (all_threads)
        flags |= SECCOMP_FILTER_FLAG_TSYNC;
    long result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
    if (result > 0) /* a thread that has a filter of its own */
        errno = EBUSY;
    return result == 0;
}
