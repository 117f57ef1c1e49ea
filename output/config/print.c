/* SPDX-License-Identifier: MIT */
/* print.c: words of a command line as a configuration. */
#include <stdio.h>

#include "output/config/config.h"

struct printer {
    FILE *out;
    const char *from;    /* the directory of relative names */
    const char *section; /* the one that was begun          */
    const char *unfit;   /* a text that cannot be said      */
};

/* --- scalars ---------------------------------------------------------------------------------- */

static bool among(const char *text, const char *allowed)
{
    return strspn(text, allowed) == strlen(text);
}

#define DIGITS "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* Is it read back as a text by whoever reads YAML, without quotes? */
static bool is_plain(const char *text)
{
    static const char *const words[] = {"true", "false", "yes", "no",  "on", "off",
                                        "null", "y",     "n",   "inf", "nan"};
    struct span s = span_of(text);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (span_is(s, words[i]))
            return false;
    if (!strchr(LETTERS DIGITS "/", *text) || text[s.len - 1] == ' ' || strstr(text, " #"))
        return false;
    if (among(text, DIGITS
              "_.:+-abcdefABCDEFxXoO")) /* an IPv4 address has too many points for a number */
        return among(text, DIGITS ".") && strchr(text, '.') != strrchr(text, '.');
    return among(text, LETTERS DIGITS "/._-=,@+ ");
}

static void print_text(struct printer *p, const char *text)
{
    if (!*text || !config_is_text(span_of(text)))
        p->unfit = text;
    else if (is_plain(text))
        fputs(text, p->out);
    else {
        fputc('\'', p->out);
        for (; *text; text++)
            fprintf(p->out, *text == '\'' ? "''" : "%c", *text);
        fputc('\'', p->out);
    }
}

static bool is_file(const struct config_member *m, const char *text)
{
    size_t n = strlen(text);
    if (strcmp(text, "-") == 0 || !*text)
        return false;
    if (m->naming == NAMES_FILE_OR_WORD)
        return strchr(text, '/') || (n > 5 && strcmp(text + n - 5, ".yaml") == 0);
    return m->naming == NAMES_FILE;
}

/* Wherever what is printed comes to be, it names the same file. */
static void print_value(struct printer *p, const struct config_member *m, const char *text)
{
    char name[8192];
    bool moves = is_file(m, text) && *text != '/' && *p->from;
    int n = moves ? snprintf(name, sizeof name, "%s/%s", p->from, text) : 0;
    if (n < 0 || (size_t)n >= sizeof name)
        p->unfit = text;
    else
        print_text(p, moves ? name : text);
}

/* Zeros in front would make it octal for others. */
static void print_number(struct printer *p, const char *text)
{
    while (text[0] == '0' && ascii_digit(text[1]))
        text++;
    fputs(text, p->out);
}

/* --- members ---------------------------------------------------------------------------------- */

static void print_export(struct printer *p, const struct config_member *m, const char *text)
{
    char format[64];
    size_t n = strcspn(text, "=");
    if (!text[n] || n >= sizeof format) {
        p->unfit = text;
        return;
    }
    snprintf(format, sizeof format, "%.*s", (int)n, text);
    fputs("format: ", p->out);
    print_text(p, format);
    fputs(m->section ? "\n      file: " : "\n    file: ", p->out);
    print_value(p, m, text + n + 1);
}

static void begin_item(struct printer *p, const struct config_member *m)
{
    fputs(m->section ? "    - " : "  - ", p->out);
}

static void print_words(struct printer *p, const struct config_member *m, const char *text)
{
    char word[64];
    while (*text) {
        size_t n = strcspn(text, ",");
        snprintf(word, sizeof word, "%.*s", (int)n, text);
        begin_item(p, m);
        print_text(p, n < sizeof word ? word : "");
        fputc('\n', p->out);
        text += n + (text[n] == ',');
    }
}

static void print_item(struct printer *p, const struct config_member *m, const char *text)
{
    begin_item(p, m);
    if (m->form == CONFIG_EXPORTS)
        print_export(p, m, text);
    else
        print_value(p, m, text);
    fputc('\n', p->out);
}

static bool is_list(const struct config_member *m)
{
    return m->form == CONFIG_LIST || m->form == CONFIG_EXPORTS;
}

static void print_scalar(struct printer *p, const struct config_member *m, const char *text)
{
    fputc(' ', p->out);
    if (m->form == CONFIG_SWITCH)
        fputs("true", p->out);
    else if (m->form == CONFIG_NUMBER)
        print_number(p, text);
    else
        print_value(p, m, text);
    fputc('\n', p->out);
}

static void begin_member(struct printer *p, const struct config_member *m)
{
    if (m->section && (!p->section || strcmp(m->section, p->section) != 0))
        fprintf(p->out, "%s:\n", m->section);
    p->section = m->section;
    fprintf(p->out, "%s%s:", m->section ? "  " : "", m->name);
    if (is_list(m) || m->form == CONFIG_WORDS)
        fputc('\n', p->out);
}

/* The last of its words; count: there is none. */
static size_t last_of(const struct config_member *m, const struct config_word *words, size_t count)
{
    size_t last = count;
    for (size_t i = 0; i < count; i++)
        if (strcmp(words[i].option, m->option) == 0)
            last = i;
    return last;
}

static void print_member(struct printer *p, const struct config_member *m,
                         const struct config_word *words, size_t count)
{
    size_t last = last_of(m, words, count);
    if (last == count)
        return;
    begin_member(p, m);
    if (m->form == CONFIG_WORDS)
        print_words(p, m, words[last].text);
    else if (!is_list(m))
        print_scalar(p, m, words[last].text);
    for (size_t i = 0; is_list(m) && i <= last; i++)
        if (strcmp(words[i].option, m->option) == 0)
            print_item(p, m, words[i].text);
}

const char *config_print(FILE *out, const struct config_word *words, size_t count, const char *from)
{
    struct printer p = {.out = out, .from = from};
    fputs("# What is not said here is as it is by default.\n", out);
    for (size_t i = 0; i < config_member_count && !p.unfit; i++)
        print_member(&p, &config_members[i], words, count);
    return p.unfit;
}
