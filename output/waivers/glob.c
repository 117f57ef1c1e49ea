/* SPDX-License-Identifier: MIT */
#include "output/waivers/glob.h"

#include <stddef.h>
#include <string.h>

bool glob_matches(const char *pattern, const char *text)
{
    const char *star = NULL, *from = NULL; /* the last star, and where it ends in the text */
    while (*text) {
        if (*pattern == '*') {
            star = pattern++;
            from = text;
        } else if (*pattern == '?' || *pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star + 1;
            text = ++from;
        } else {
            return false;
        }
    }
    return pattern[strspn(pattern, "*")] == '\0';
}

bool glob_is_literal(const char *pattern)
{
    return !strpbrk(pattern, "*?");
}
