/* SPDX-License-Identifier: MIT */
/*
 * sandbox.h: what a process gives up before it reads what strangers wrote.
 *
 *   sandbox_begin() ──> [ what it will still need: files, ports ] ──> sandbox_shut() ──> strangers
 *                                                                 └──> sandbox_thread(), in threads
 *
 * After that there is no way back, for the process and all that it begins: no new privileges, no
 * other process may look into this one, files only where it was said (Landlock, as far as the kernel
 * has it), and system calls only of the phase (seccomp); any other ends the process by SIGSYS, so
 * that nothing can be tried twice. Descriptors that are open stay as they are.
 */
#ifndef SCANNER_SANDBOX_H
#define SCANNER_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum sandbox_mode {
    SANDBOX_AUTO,    /* as far as the system goes along  */
    SANDBOX_REQUIRE, /* all of it, or nothing is done    */
    SANDBOX_OFF
};

/* What is done from then on. Which calls each needs is in sandbox/calls.c. */
enum sandbox_phase {
    SANDBOX_PRINT,  /* what is known goes to standard output                       */
    SANDBOX_READ,   /* records in, something else out                              */
    SANDBOX_STATE,  /* the same with a database                                    */
    SANDBOX_WAIT,   /* for a child, and then for what it wrote to open descriptors */
    SANDBOX_SCAN,   /* connections, and all that is written of them                */
    SANDBOX_WORKER, /* a thread of a scan: connections, and descriptors that are open */
    SANDBOX_KEEPER  /* the same, where it adds to a database                       */
};

#define SANDBOX_PROBLEM_SIZE 160

struct sock_filter;

struct sandbox {
    enum sandbox_mode mode;
    int landlock;               /* the version that the kernel has; 0: none */
    int files, ports;           /* rulesets, or -1                          */
    bool binds;                 /* connections from an address              */
    pid_t child;                /* which may be ended; 0: none              */
    struct sock_filter *worker; /* what threads shut themselves in with, or NULL */
    unsigned short worker_len;
    bool has_files, has_calls;          /* after sandbox_shut(): is that in force? */
    char problem[SANDBOX_PROBLEM_SIZE]; /* why not, in words; or "" */
};

/* auto, require or off. */
bool sandbox_mode_parse(const char *text, enum sandbox_mode *);
const char *sandbox_mode_name(enum sandbox_mode);

/* What $STARTTLS_AUDIT_SANDBOX says, and auto if there is none; what is no mode is a require. */
enum sandbox_mode sandbox_mode_default(void);

/* What the system offers, for people: "Landlock 7, seccomp". */
const char *sandbox_offer(char *out, size_t size);

/* Nothing is shut yet. False: the mode requires what the system does not offer; the problem says
   what. Either way it is to be given to sandbox_end(). */
bool sandbox_begin(struct sandbox *, enum sandbox_mode);

/* What is needed later, by names that lead somewhere now; a name that does not is passed over, and
   so is NULL, and "-". */
void sandbox_may_read(struct sandbox *, const char *file);
void sandbox_may_write(struct sandbox *, const char *file);
/* Make, read, replace and remove files there. */
void sandbox_may_fill(struct sandbox *, const char *folder);
/* The same in the folder of the file that this name leads to, which may have files beside it. */
void sandbox_may_replace(struct sandbox *, const char *file);
/* Temporary files, ours and SQLite's. */
void sandbox_may_use_scratch(struct sandbox *);
/* What is read to look up names and addresses. */
void sandbox_may_resolve(struct sandbox *);

/* TCP connections only to these ports; without this, to all. */
void sandbox_only_ports(struct sandbox *, const uint16_t *ports, size_t count);

/* Shuts this process; threads shall not be there yet. worker: for sandbox_thread() later, or the
   same phase. False: the mode requires more than could be had. */
bool sandbox_shut(struct sandbox *, enum sandbox_phase, enum sandbox_phase worker);

/* What is in force after that, in the same words. */
const char *sandbox_force(const struct sandbox *, char *out, size_t size);

/* Shuts the calling thread further. False: it cannot be, and the mode requires it. */
bool sandbox_thread(const struct sandbox *);

void sandbox_end(struct sandbox *);

#endif
