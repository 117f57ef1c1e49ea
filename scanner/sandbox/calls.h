/* SPDX-License-Identifier: MIT */
/* calls.h: filters of system calls, for each phase that a process can be in. */
#ifndef SCANNER_SANDBOX_CALLS_H
#define SCANNER_SANDBOX_CALLS_H

#include "scanner/sandbox.h"

/* Sanitizers need more; what that is, is said where this is asked for. */
#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||                               \
    __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif

/* Does the kernel have all that it takes? Otherwise errno says why not. */
bool calls_are_filtered(void);

/* The filter of this phase, malloc'd; NULL: errno says why. */
struct sock_filter *calls_of(const struct sandbox *, enum sandbox_phase, unsigned short *len);

/* From now on it holds for this thread, or for all of them. False: errno says why. */
bool calls_shut(struct sock_filter *, unsigned short len, bool all_threads);

#endif
