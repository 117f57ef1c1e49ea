/* SPDX-License-Identifier: MIT */
/*
 * lines.h: the lines of a text that comes in pieces.
 *
 * The pieces stay the caller's, and must not change until lines_next() has said that it needs more;
 * only the beginning of a line whose end has not come yet is kept here. A line comes without its LF
 * or CR LF, and the first one without a byte order mark. Of a longer line than LINES_MAX octets
 * comes a part that is longer than LINES_MAX: the reader refuses it by its length.
 */
#ifndef SCANNER_TARGETS_LINES_H
#define SCANNER_TARGETS_LINES_H

#include <stdint.h>

#include "protocols/span.h"

#define LINES_MAX ((size_t)4096)

struct lines {
    struct span piece; /* what is not read yet                           */
    uint64_t number;   /* of the line that lines_next() gave, from 1     */
    bool ended;        /* no piece will follow: the last line is whole   */
    bool given;        /* what is kept was given, and can be forgotten   */
    size_t kept_len;
    char kept[3 + LINES_MAX + 2]; /* a mark, a line, and enough to see that it is too long */
};

/* True with a line, which is valid until the next call; false: more is needed, or this was all. */
bool lines_next(struct lines *, struct span *line);

#endif
