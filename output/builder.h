/* SPDX-License-Identifier: MIT */
/*
 * builder.h: a record under construction; for the files that write parts of one.
 *
 * A record is written as it is built, behind what is on the page; nothing of it is kept elsewhere.
 * So there is an order: what is put into a part (an object or an array) closes all that was opened
 * inside it before, and nothing can be put there any more.
 *
 * Every failure is remembered, and makes it no record, so that nobody has to look at what these
 * functions return. The name is NULL where the parent is an array.
 */
#ifndef OUTPUT_BUILDER_H
#define OUTPUT_BUILDER_H

#include "output/page.h"
#include "scanner/observation.h"

#define BUILDER_DEPTH_MAX 8
/* More cannot be unknown, or lossy: facts, and what is in one, parts of a certificate and links of
   a chain. */
#define BUILDER_PATHS_MAX (FACT_COUNT + 8 + CERTIFICATE_FIELD_COUNT + 2 + CHAIN_MAX)

/* An object or an array; only as long as its builder. */
struct part {
    unsigned depth, number; /* the number tells it from another one in the same place */
};

struct builder {
    struct page *page;
    size_t start; /* where the record begins */
    struct part root;
    struct {
        unsigned number;
        bool any; /* something is in it */
        char end;
    } open[BUILDER_DEPTH_MAX];
    unsigned depth, count; /* of open parts, of all parts */
    bool failed;

    /* Of an observation's record: what is said at its end. All of these texts are constants. */
    const struct observation *o;
    struct {
        const char *path, *reason;
    } unknown[BUILDER_PATHS_MAX];
    const char *lossy[BUILDER_PATHS_MAX];
    size_t unknown_count, lossy_count;
};

/* Begins a record; root is its object. */
void builder_begin(struct builder *, struct page *);

/* Ends its line. False: it is no record, and the page is as before. */
bool builder_end(struct builder *);

/* What the functions below are made of. Ends are the two octets around a part; a word stands there
   as it is. */
struct part builder_part(struct builder *, struct part parent, struct span name, const char *ends);
void builder_word(struct builder *, struct part parent, struct span name, struct span word);
void builder_text(struct builder *, struct part parent, struct span name, struct span text);
void builder_digits(struct builder *, struct part parent, struct span name, bool negative,
                    uint64_t);
void builder_pair(struct builder *, struct part array, const struct span texts[4]);

/* Inline, so that the compiler counts the octets of a name that is written where it is put. */
static inline struct span name_of(const char *name)
{
    return name ? span_of(name) : (struct span){NULL, 0};
}

static inline struct part put_object(struct builder *b, struct part parent, const char *name)
{
    return builder_part(b, parent, name_of(name), "{}");
}

static inline struct part put_array(struct builder *b, struct part parent, const char *name)
{
    return builder_part(b, parent, name_of(name), "[]");
}

static inline void put_null(struct builder *b, struct part parent, const char *name)
{
    builder_word(b, parent, name_of(name), span_of("null"));
}

static inline void put_truth(struct builder *b, struct part parent, const char *name, bool value)
{
    builder_word(b, parent, name_of(name), value ? span_of("true") : span_of("false"));
}

/* NULL is null. */
static inline void put_text(struct builder *b, struct part parent, const char *name,
                            const char *text)
{
    if (text)
        builder_text(b, parent, name_of(name), span_of(text));
    else
        put_null(b, parent, name);
}

/* From 10^15 on as cJSON rounds it, so that a record that was read and is printed again is the
   same. */
static inline void put_number(struct builder *b, struct part parent, const char *name,
                              uint64_t value)
{
    builder_digits(b, parent, name_of(name), false, value);
}

static inline void put_integer(struct builder *b, struct part parent, const char *name,
                               int64_t value)
{
    builder_digits(b, parent, name_of(name), value < 0,
                   value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

/* An object of two texts, in an array. */
static inline void put_pair(struct builder *b, struct part array, const char *name,
                            const char *text, const char *other_name, const char *other_text)
{
    const struct span texts[] = {span_of(name), span_of(text), span_of(other_name),
                                 span_of(other_text)};
    builder_pair(b, array, texts);
}

void put_hex(struct builder *, struct part parent, const char *name, const unsigned char *octets,
             size_t count);
void put_list(struct builder *, struct part parent, const char *name, const struct list *);

#endif
