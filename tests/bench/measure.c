/* SPDX-License-Identifier: MIT */
/* Runs a program and says what it cost, its descendants included.
 *
 *     bench_measure REPORT CPU PERIOD PROGRAM [ARGUMENT]...
 *
 * REPORT is the descriptor that the figures go to, as JSON. CPU is the one it may run on, -1 for
 * any. Every PERIOD milliseconds its descriptors are counted, 0: never (counting costs time). A
 * program of its own, because peak memory counts from the process that another was started in. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what)
{
    fprintf(stderr, "bench_measure: %s: %s\n", what, strerror(errno));
    exit(2);
}

static long now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static long time_us(struct timeval time)
{
    return time.tv_sec * 1000000 + time.tv_usec;
}

/* Also raises what it may open, as far as that goes. */
static void become(int report, int cpu, char **argv)
{
    struct rlimit files;
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    if (cpu >= 0)
        CPU_SET((unsigned)cpu, &cpus);
    if (cpu >= 0 && sched_setaffinity(0, sizeof cpus, &cpus) < 0)
        die("sched_setaffinity");
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    close(report);
    execvp(*argv, argv);
    die(*argv);
}

static long count_descriptors(pid_t pid)
{
    char path[64];
    long count = -2; /* . and .. */
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *directory = opendir(path);
    if (!directory)
        return 0;
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

int main(int argc, char **argv)
{
    if (argc < 5) {
        fputs("usage: bench_measure REPORT CPU PERIOD PROGRAM [ARGUMENT]...\n", stderr);
        return 2;
    }
    int report = atoi(argv[1]), cpu = atoi(argv[2]), status = 0;
    long period = atol(argv[3]), descriptors = 0, start = now_us();
    struct rusage used;
    pid_t pid = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0)
        become(report, cpu, argv + 4);
    while (wait4(pid, &status, period ? WNOHANG : 0, &used) == 0) {
        long count = count_descriptors(pid);
        descriptors = count > descriptors ? count : descriptors;
        nanosleep(&(struct timespec){.tv_nsec = period * 1000000}, NULL);
    }
    dprintf(report,
            "{\"user_us\": %ld, \"system_us\": %ld, \"wall_us\": %ld, \"peak_kib\": %ld, "
            "\"descriptors\": %ld, \"exit\": %d}\n",
            time_us(used.ru_utime), time_us(used.ru_stime), now_us() - start, used.ru_maxrss,
            descriptors, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    return 0;
}
