/* SPDX-License-Identifier: MIT */
/* test_sandbox.c: what a process can still do in each phase, and what ends it. */
#define _GNU_SOURCE
#include "scanner/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "scanner/sandbox/calls.h"

#define DIED 1000   /* by SIGSYS */
#define STRANGE 999 /* by something else */
#define UNSHUT 200  /* exit status: the sandbox could not be had */

static const char *const phase_names[] = {
    [SANDBOX_PRINT] = "print",   [SANDBOX_READ] = "read", [SANDBOX_STATE] = "state",
    [SANDBOX_WAIT] = "wait",     [SANDBOX_SCAN] = "scan", [SANDBOX_WORKER] = "worker",
    [SANDBOX_KEEPER] = "keeper",
};

#define PHASES (sizeof phase_names / sizeof *phase_names)

static char folder[] = "/tmp/test-sandbox.XXXXXX";
static char inside[64], outside[64];

/* --- what is tried: each gives 0, or errno ------------------------------------------------------------ */

static int result(long value)
{
    return value < 0 ? errno : 0;
}

static int try_exec(void)
{
    char *const words[] = {(char *)(uintptr_t) "true", NULL};
    return result(execve("/bin/true", words, NULL));
}

#ifndef SANITIZED
/* By the call itself: libraries have handlers for it. */
static int try_fork(void)
{
    long pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (pid == 0)
        syscall(SYS_exit_group, 0);
    return result(pid);
}
#endif

static int try_clone3(void)
{
    uint64_t arguments[11] = {[4] = SIGCHLD};
    long pid = syscall(435, arguments, sizeof arguments);
    if (pid == 0)
        syscall(SYS_exit_group, 0);
    return result(pid);
}

static int try_unix_socket(void)
{
    return result(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int try_netlink(void)
{
    return result(socket(AF_NETLINK, SOCK_RAW, 0));
}

static int try_raw(void)
{
    return result(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
}

static int try_ping(void)
{
    return result(socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP));
}

static int try_socketpair(void)
{
    int ends[2];
    return result(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
}

static int try_code(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                0) == MAP_FAILED
               ? errno
               : 0;
}

static int try_protect(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return result(mprotect(page, 4096, PROT_READ | PROT_EXEC));
}

#ifndef SANITIZED
static int try_ptrace(void)
{
    return result(syscall(SYS_ptrace, 0, 0, 0, 0));
}
#endif

static int try_bpf(void)
{
    return result(syscall(SYS_bpf, 0, NULL, 0));
}

static int try_ring(void)
{
    return result(syscall(425, 1, NULL));
}

static int try_keys(void)
{
    return result(syscall(SYS_keyctl, 0, 0, 0, 0, 0));
}

static int try_namespace(void)
{
    return result(syscall(SYS_unshare, 0x10000000));
}

static int try_mount(void)
{
    return result(syscall(SYS_mount, "none", "/mnt", "tmpfs", 0, NULL));
}

#ifndef SANITIZED
static int try_kill(void)
{
    return result(kill(getppid(), 0));
}
#endif

static int try_limit(void)
{
    struct rlimit limit = {0, 0};
    return result(setrlimit(RLIMIT_CORE, &limit));
}

static int try_listen(void)
{
    return result(listen(3, 1));
}

/* Types into the terminal of who has begun us. */
static int try_typing(void)
{
    return result(ioctl(STDIN_FILENO, TIOCSTI, "x"));
}

static int try_uid(void)
{
    return result(syscall(SYS_setuid, 0));
}

static int try_creation(void)
{
    return result(open(outside, O_WRONLY | O_CREAT, 0600));
}

static const struct attempt {
    const char *name;
    int (*run)(void);
} forbidden[] = {
    {"execve", try_exec},       {"unix socket", try_unix_socket},
    {"netlink", try_netlink},   {"raw socket", try_raw},
    {"ping socket", try_ping},  {"socketpair", try_socketpair},
    {"mmap of code", try_code}, {"mprotect to code", try_protect},
    {"bpf", try_bpf},           {"io_uring", try_ring},
    {"keyctl", try_keys},       {"unshare", try_namespace},
    {"mount", try_mount},       {"setrlimit", try_limit},
    {"listen", try_listen},     {"ioctl TIOCSTI", try_typing},
    {"setuid", try_uid},
#ifndef SANITIZED
    {"ptrace", try_ptrace},     {"fork", try_fork},
    {"kill", try_kill},
#endif
};

/* --- the process in which it is tried --------------------------------------------------------------- */

struct trial {
    enum sandbox_phase phase;
    int (*run)(void);
    void (*allow)(struct sandbox *);
    struct sandbox sandbox;
};

static void *in_thread(void *context)
{
    struct trial *t = context;
    if (!sandbox_thread(&t->sandbox))
        _exit(UNSHUT);
    _exit(t->run());
}

static _Noreturn void be_tried(struct trial *t)
{
    bool thread = t->phase == SANDBOX_WORKER || t->phase == SANDBOX_KEEPER;
    enum sandbox_phase phase = thread ? SANDBOX_SCAN : t->phase;
    pthread_t id;
    if (!sandbox_begin(&t->sandbox, SANDBOX_REQUIRE))
        _exit(UNSHUT);
    if (t->allow)
        t->allow(&t->sandbox);
    if (!sandbox_shut(&t->sandbox, phase, t->phase))
        _exit(UNSHUT);
    if (!thread)
        _exit(t->run());
    if (pthread_create(&id, NULL, in_thread, t) == 0)
        pthread_join(id, NULL);
    _exit(UNSHUT);
}

/* errno of it, or DIED. */
static int tried(enum sandbox_phase phase, int (*run)(void), void (*allow)(struct sandbox *))
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0)
        be_tried(&(struct trial){.phase = phase, .run = run, .allow = allow});
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status))
        return WTERMSIG(status) == SIGSYS ? DIED : STRANGE;
    return WEXITSTATUS(status);
}

static void expect(enum sandbox_phase phase, const char *name, int (*run)(void), int wanted)
{
    int got = tried(phase, run, NULL);
    if (got != wanted)
        fail_msg("%s in the phase %s: %d, not %d", name, phase_names[phase], got, wanted);
}

/* --- tests ---------------------------------------------------------------------------------------- */

static void test_what_no_phase_allows(void **state)
{
    (void)state;
    for (size_t p = 0; p < PHASES; p++)
        for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden; i++)
            expect((enum sandbox_phase)p, forbidden[i].name, forbidden[i].run, DIED);
}

/* There is another way, which can be looked at. */
static void test_clone3_is_missing(void **state)
{
    (void)state;
    for (size_t p = 0; p < PHASES; p++)
        expect((enum sandbox_phase)p, "clone3", try_clone3, p == SANDBOX_SCAN ? ENOSYS : DIED);
}

static int try_socket(void)
{
    return result(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

static void test_only_a_scan_connects(void **state)
{
    (void)state;
    for (size_t p = 0; p < PHASES; p++)
        expect((enum sandbox_phase)p, "socket", try_socket, p >= SANDBOX_SCAN ? 0 : DIED);
}

static int try_reading(void)
{
    return result(open("/etc/passwd", O_RDONLY));
}

/* Where nothing is to be opened, libraries that try go on without. */
static void test_files_that_were_not_named(void **state)
{
    (void)state;
    for (size_t p = 0; p < PHASES; p++) {
        bool opens = p != SANDBOX_PRINT && p != SANDBOX_WAIT && p != SANDBOX_WORKER;
        expect((enum sandbox_phase)p, "reading", try_reading, EACCES);
#ifndef SANITIZED
        expect((enum sandbox_phase)p, "creating", try_creation, opens ? EACCES : DIED);
#else
        (void)opens;
#endif
    }
}

static void allow_folder(struct sandbox *s)
{
    sandbox_may_replace(s, inside);
}

static void allow_file(struct sandbox *s)
{
    sandbox_may_read(s, inside);
}

static int try_replacing(void)
{
    char other[96];
    snprintf(other, sizeof other, "%s.part", inside);
    int fd = open(other, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd < 0 || write(fd, "x", 1) != 1 || ftruncate(fd, 0) < 0 || rename(other, inside) < 0)
        return errno;
    fd = open(inside, O_RDWR | O_TRUNC);
    return fd < 0 ? errno : result(unlink(inside));
}

static int try_reading_inside(void)
{
    return result(open(inside, O_RDONLY));
}

static int try_writing_inside(void)
{
    return result(open(inside, O_WRONLY));
}

static int try_removing(void)
{
    return result(unlink(inside));
}

static void make_inside(void)
{
    int fd = open(inside, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    close(fd);
}

static void test_files_that_were_named(void **state)
{
    static const enum sandbox_phase phases[] = {SANDBOX_READ, SANDBOX_STATE, SANDBOX_SCAN};
    (void)state;
    for (size_t i = 0; i < sizeof phases / sizeof *phases; i++) {
        make_inside();
        assert_int_equal(tried(phases[i], try_reading_inside, allow_file), 0);
        assert_int_equal(tried(phases[i], try_writing_inside, allow_file), EACCES);
        assert_int_equal(tried(phases[i], try_removing, allow_file), EACCES);
        assert_int_equal(tried(phases[i], try_replacing, allow_folder), 0);
        assert_int_equal(tried(phases[i], try_creation, allow_folder), EACCES);
    }
}

static int try_port(uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return result(connect(fd, (struct sockaddr *)&to, sizeof to));
}

static int try_port_1(void)
{
    return try_port(1);
}

static int try_port_2(void)
{
    return try_port(2);
}

static void allow_port_1(struct sandbox *s)
{
    static const uint16_t port = 1;
    sandbox_only_ports(s, &port, 1);
}

static void test_ports(void **state)
{
    struct sandbox s;
    (void)state;
    sandbox_begin(&s, SANDBOX_AUTO);
    if (s.landlock < 4)
        skip();
    assert_int_equal(tried(SANDBOX_SCAN, try_port_1, allow_port_1), ECONNREFUSED);
    assert_int_equal(tried(SANDBOX_SCAN, try_port_2, allow_port_1), EACCES);
    assert_int_equal(tried(SANDBOX_WORKER, try_port_2, allow_port_1), EACCES);
    assert_int_equal(tried(SANDBOX_SCAN, try_port_2, NULL), ECONNREFUSED);
}

static bool says(pid_t pid, const char *line)
{
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f)
        fclose(f);
    text[n] = '\0';
    return strstr(text, line) != NULL;
}

static void test_privileges(void **state)
{
    struct sandbox s;
    int status = 0;
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        bool ok =
            sandbox_begin(&s, SANDBOX_REQUIRE) && sandbox_shut(&s, SANDBOX_PRINT, SANDBOX_PRINT);
        raise(ok ? SIGSTOP : SIGKILL);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
    assert_true(says(pid, "\nNoNewPrivs:\t1\n"));
    assert_true(says(pid, "\nSeccomp:\t2\n"));
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
}

static int try_abort(void)
{
    abort();
}

static void test_an_abort_is_one(void **state)
{
    (void)state;
    for (size_t p = 0; p < PHASES; p++)
        assert_int_equal(tried((enum sandbox_phase)p, try_abort, NULL), STRANGE);
}

static void test_modes(void **state)
{
    enum sandbox_mode mode = SANDBOX_AUTO;
    (void)state;
    assert_true(sandbox_mode_parse("require", &mode) && mode == SANDBOX_REQUIRE);
    assert_true(sandbox_mode_parse("off", &mode) && mode == SANDBOX_OFF);
    assert_true(sandbox_mode_parse("auto", &mode) && mode == SANDBOX_AUTO);
    assert_false(sandbox_mode_parse("", &mode) || sandbox_mode_parse("on", &mode));
    setenv("STARTTLS_AUDIT_SANDBOX", "off", 1);
    assert_int_equal(sandbox_mode_default(), SANDBOX_OFF);
    setenv("STARTTLS_AUDIT_SANDBOX", "of", 1);
    assert_int_equal(sandbox_mode_default(), SANDBOX_REQUIRE);
    setenv("STARTTLS_AUDIT_SANDBOX", "", 1);
    assert_int_equal(sandbox_mode_default(), SANDBOX_AUTO);
    unsetenv("STARTTLS_AUDIT_SANDBOX");
    assert_int_equal(sandbox_mode_default(), SANDBOX_AUTO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_modes),
        cmocka_unit_test(test_what_no_phase_allows),
        cmocka_unit_test(test_clone3_is_missing),
        cmocka_unit_test(test_only_a_scan_connects),
        cmocka_unit_test(test_files_that_were_not_named),
        cmocka_unit_test(test_files_that_were_named),
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_privileges),
        cmocka_unit_test(test_an_abort_is_one),
    };
    struct sandbox s;
    bool all = sandbox_begin(&s, SANDBOX_REQUIRE);
    sandbox_end(&s);
    if (!all) {
        printf("skipped: %s\n", s.problem);
        return 77;
    }
    if (!mkdtemp(folder))
        return 1;
    snprintf(inside, sizeof inside, "%s/inside", folder);
    snprintf(outside, sizeof outside, "/tmp/test-sandbox-outside.%d", (int)getpid());
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(inside);
    rmdir(folder);
    return failed;
}
