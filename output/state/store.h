/* SPDX-License-Identifier: MIT */
/*
 * store.h: the database file: who may read it, which version it is of, and statements.
 *
 * All that goes wrong is kept in the store's problem, and nothing is done after that. Values are
 * bound, never put into a statement's text.
 */
#ifndef OUTPUT_STATE_STORE_H
#define OUTPUT_STATE_STORE_H

#include <sqlite3.h>
#include <stdint.h>

#include "output/state/state.h"

#define STORE_STATEMENTS_MAX ((size_t)128)

struct store {
    sqlite3 *db;
    bool failed;
    char problem[STATE_PROBLEM_SIZE];
    struct {
        const char *sql; /* the very text, which is a constant */
        sqlite3_stmt *statement;
    } statements[STORE_STATEMENTS_MAX];
    size_t count;
    uint64_t steps, steps_allowed; /* of the database's machine: guard.h */
};

bool store_open(struct store *, const char *path, enum state_mode);
void store_close(struct store *);

/* The problem, if it is the first; false. */
bool store_fail(struct store *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Carries a statement out. types: a letter for each value: t a text (NULL: no value), i an
   int64_t. */
bool store_do(struct store *, const char *sql, const char *types, ...);

/* Begins one that has rows; NULL if that failed. It is begun once at a time. */
sqlite3_stmt *store_ask(struct store *, const char *sql, const char *types, ...);

/* Is there another row? Where there is none, or something fails, the statement is over. */
bool store_row(struct store *, sqlite3_stmt *);

/* No more of its rows are wanted. */
void store_enough(sqlite3_stmt *);

/* The first value of the first row, or 0. */
int64_t store_number(struct store *, const char *sql, const char *types, ...);

/* A column's text, which is clean; NULL where there is no value, and where the store fails because it
   is none of this program's. It is valid until the next row. */
const char *store_text(struct store *, sqlite3_stmt *, int column);

/* Of a column that always has one; "" where the store fails because there is none. */
const char *store_word(struct store *, sqlite3_stmt *, int column);

/* The same, of one line. */
const char *store_line(struct store *, sqlite3_stmt *, int column);

/* Statements without values, from a constant. */
bool store_run(struct store *, const char *sql);

#endif
