/* SPDX-License-Identifier: MIT */
/* hex.h: octets as lower-case hexadecimal digits. */
#ifndef OUTPUT_HEX_H
#define OUTPUT_HEX_H

#include <stddef.h>

/* Writes 2 * count digits and a NUL into out, as far as they fit; returns out. */
static inline const char *hex_encode(const unsigned char *octets, size_t count, char *out,
                                     size_t size)
{
    static const char digits[] = "0123456789abcdef";
    size_t at = 0;
    for (size_t i = 0; i < count && at + 2 < size; i++) {
        out[at++] = digits[octets[i] >> 4];
        out[at++] = digits[octets[i] & 15];
    }
    out[at] = 0;
    return out;
}

#endif
