/* SPDX-License-Identifier: MIT */
#include "scanner/say.h"

#include <stdarg.h>

#include "scanner/quote.h"

void say_clean(char *text)
{
    struct span rest = span_of(text);
    char *out = text;
    while (rest.len) {
        bool shown;
        size_t n = quote_step(rest, &shown);
        if (shown)
            memmove(out, rest.at, n);
        else
            *out = '?';
        out += shown ? n : 1;
        rest = span_from(rest, n);
    }
    *out = '\0';
}

void say(FILE *f, const char *format, ...)
{
    char text[SAY_MAX];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    say_clean(text);
    fprintf(f, "%s\n", text);
    fflush(f);
}
