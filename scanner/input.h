/* SPDX-License-Identifier: MIT */
/*
 * input.h: bytes from a descriptor, a piece at a time and only when asked for, without ever
 * blocking the loop on a pipe or a terminal. A regular file is read directly.
 */
#ifndef SCANNER_INPUT_H
#define SCANNER_INPUT_H

#include <uv.h>

#include "protocols/span.h"

struct input;

/* The next piece; empty at the end. error: 0, or libuv's code, and then it is the end as well. */
typedef void (*input_fn)(void *context, struct span, int error);

struct input *input_new(uv_loop_t *, int fd, input_fn, void *context);

/* One call back for each call of this; the bytes are valid until the next one. */
void input_want(struct input *);

/* Frees itself once its handles are closed. */
void input_close(struct input *);

#endif
