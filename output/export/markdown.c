/* SPDX-License-Identifier: MIT */
#include "output/export/markdown.h"

#include <ctype.h>
#include <string.h>

/* Letters and digits of any script. */
static bool is_part_of_word(char c)
{
    return isalnum((unsigned char)c) || (unsigned char)c >= 0x80;
}

/* A number that would begin a list; its length, or 0. */
static size_t list_number(const char *text)
{
    size_t n = strspn(text, "0123456789");
    return n && (text[n] == '.' || text[n] == ')') ? n : 0;
}

static const char *escape_of(const char *at, char before)
{
    switch (*at) {
    case '\\':
        return "\\\\";
    case '`':
        return "\\`";
    case '*':
        return "\\*";
    case '_': /* starttls_policy has no emphasis */
        return is_part_of_word(before) && is_part_of_word(at[1]) ? NULL : "\\_";
    case ']': /* [2001:db8::1]:143 leads nowhere */
        return at[1] == '(' || at[1] == '[' ? "\\]" : NULL;
    case '<':
        return "&lt;";
    case '&':
        return "&amp;";
    case '~':
        return at[1] == '~' || before == '~' ? "&#126;" : NULL;
    case '|':
        return "&#124;";
    case '\n':
    case '\t':
        return " ";
    default:
        return NULL;
    }
}

/* What would begin a heading, a list, a quotation, a table, a definition or code. */
static bool begin(struct page *page, const char **text)
{
    *text += strspn(*text, " \t\n");
    size_t number = list_number(*text);
    if (number) {
        bool ok = page_add(page, *text, number) && page_add(page, "\\", 1) &&
                  page_add(page, *text + number, 1);
        *text += number + 1;
        return ok;
    }
    return !**text || !strchr("#+->[=:!", **text) || page_add(page, "\\", 1);
}

bool markdown_add(struct page *page, const char *text)
{
    bool ok = begin(page, &text);
    char before = ' ';
    for (; ok && *text; before = *text++) {
        const char *escape = escape_of(text, before);
        ok = escape ? page_add(page, escape, strlen(escape)) : page_add(page, text, 1);
    }
    return ok;
}
