/* SPDX-License-Identifier: MIT */
#include "scanner/options/arguments.h"

#include <errno.h>
#include <stdlib.h>

#include "protocols/span.h"

bool argument_number(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (!ascii_digit(*text) || *end || errno || number < min || number > max)
        return false;
    *value = number;
    return true;
}

bool argument_real(const char *text, double min, double max, double *value)
{
    char *end;
    double number = strtod(text, &end);
    if (!ascii_digit(*text) || *end || !(number >= min && number <= max))
        return false;
    *value = number;
    return true;
}
