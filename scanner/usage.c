/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "scanner/usage.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scanner/say.h"

/* A message, and a line behind it on where there is help: no other line's end is the library's. */
static ssize_t write_lines(void *stream, const char *bytes, size_t size)
{
    static const char help[] = "\nTry `";
    char *text = strndup(bytes, size), *last = NULL;
    if (!text)
        return (ssize_t)size;
    for (char *at = text; (at = strstr(at, help)); at++)
        last = at;
    size_t len = strlen(text);
    if (len && text[len - 1] == '\n')
        text[len - 1] = '\0';
    if (last)
        *last++ = '\0';
    for (char *at = last; at && (at = strchr(at, '\n'));) /* it is folded where it is long */
        *at = ' ';
    say(stream, "%s", text);
    if (last)
        say(stream, "%s", last);
    free(text);
    return (ssize_t)size;
}

void parse_arguments(const struct argp *argp, int argc, char **argv, void *input)
{
    static const cookie_io_functions_t functions = {.write = write_lines};
    FILE *before = stderr, *lines = fopencookie(before, "w", functions);
    if (lines) {
        setvbuf(lines, NULL, _IOFBF, BUFSIZ); /* a message comes whole, when it is over */
        stderr = lines;
    }
    argp_parse(argp, argc, argv, 0, NULL, input);
    stderr = before;
    if (lines)
        fclose(lines);
}

void usage_error(const struct argp_state *state, const char *format, ...)
{
    char text[SAY_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    say_clean(text);
    argp_error(state, "%s", text);
}
