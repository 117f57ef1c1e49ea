/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "scanner/input.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct input {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_pipe_t pipe;
        uv_tty_t tty;
        uv_tcp_t tcp;
        uv_idle_t idle; /* a file: read from the loop's next turn */
    } as;
    bool is_stream;
    int fd;
    input_fn call;
    void *context;
    char buffer[64 * 1024];
};

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct input *in = handle->data;
    (void)suggested;
    *buffer = uv_buf_init(in->buffer, sizeof in->buffer);
}

static void on_stream(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
    struct input *in = stream->data;
    (void)buffer;
    if (n == 0)
        return;
    uv_read_stop(stream);
    in->call(in->context, (struct span){in->buffer, n > 0 ? (size_t)n : 0},
             n < 0 && n != UV_EOF ? (int)n : 0);
}

static void on_idle(uv_idle_t *idle)
{
    struct input *in = idle->data;
    ssize_t n;
    uv_idle_stop(idle);
    do
        n = read(in->fd, in->buffer, sizeof in->buffer);
    while (n < 0 && errno == EINTR);
    in->call(in->context, (struct span){in->buffer, n > 0 ? (size_t)n : 0},
             n < 0 ? uv_translate_sys_error(errno) : 0);
}

struct input *input_new(uv_loop_t *loop, int fd, input_fn call, void *context)
{
    struct input *in = malloc(sizeof *in);
    int result = 0;

    if (!in)
        return NULL;
    in->fd = fd;
    in->call = call;
    in->context = context;
    in->is_stream = true;
    switch (uv_guess_handle(fd)) {
    case UV_NAMED_PIPE:
        result = uv_pipe_init(loop, &in->as.pipe, 0);
        if (result == 0)
            result = uv_pipe_open(&in->as.pipe, fd);
        break;
    case UV_TTY:
        result = uv_tty_init(loop, &in->as.tty, fd, 0);
        break;
    case UV_TCP:
        result = uv_tcp_init(loop, &in->as.tcp);
        if (result == 0)
            result = uv_tcp_open(&in->as.tcp, fd);
        break;
    default:
        in->is_stream = false;
        result = uv_idle_init(loop, &in->as.idle);
        break;
    }
    in->as.handle.data = in;
    if (result == 0)
        return in;
    free(in); /* none of these leaves a handle behind when it fails at once on a valid descriptor */
    return NULL;
}

void input_want(struct input *in)
{
    int result = in->is_stream ? uv_read_start(&in->as.stream, on_alloc, on_stream)
                               : uv_idle_start(&in->as.idle, on_idle);
    if (result < 0)
        in->call(in->context, (struct span){"", 0}, result);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void input_close(struct input *in)
{
    uv_close(&in->as.handle, on_closed);
}
