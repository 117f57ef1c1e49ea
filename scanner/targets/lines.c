/* SPDX-License-Identifier: MIT */
#include "scanner/targets/lines.h"

static void keep(struct lines *l, struct span s)
{
    size_t room = sizeof l->kept - l->kept_len;
    s = span_until(s, room);
    if (s.len)
        memcpy(l->kept + l->kept_len, s.at, s.len);
    l->kept_len += s.len;
}

/* Takes off what is not part of the line. */
static struct span bare(struct lines *l, struct span line)
{
    if (++l->number == 1 && span_starts(line, "\xef\xbb\xbf"))
        line = span_from(line, 3);
    if (line.len && line.at[line.len - 1] == '\r')
        line.len--;
    return line;
}

bool lines_next(struct lines *l, struct span *line)
{
    if (l->given)
        l->kept_len = 0;
    l->given = false;

    const char *end = l->piece.len ? memchr(l->piece.at, '\n', l->piece.len) : NULL;
    size_t n = end ? (size_t)(end - l->piece.at) : l->piece.len;
    struct span part = span_until(l->piece, n);
    l->piece = span_from(l->piece, end ? n + 1 : n);
    if (end && !l->kept_len) {
        *line = bare(l, part);
        return true;
    }
    keep(l, part);
    if (!end && !(l->ended && l->kept_len))
        return false;
    l->given = true;
    *line = bare(l, (struct span){l->kept, l->kept_len});
    return true;
}
