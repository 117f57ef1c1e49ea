/* SPDX-License-Identifier: MIT */
/*
 * date.h: days of the calendar, in UTC.
 *
 * Reckoned here and not by the C library, which takes a lock for it that all threads share.
 */
#ifndef OUTPUT_DATE_H
#define OUTPUT_DATE_H

#include <stdbool.h>
#include <stdint.h>

#define DATE_SIZE 11 /* "2026-11-23" and a NUL */
#define DAY_SECONDS 86400

/* The day so many days after 1970-01-01. False: its year has not four digits. */
bool date_format(int64_t days, char out[DATE_SIZE]);

/* The other way: exactly "2026-11-23", and a day that there is. */
bool date_parse(const char *text, int64_t *days);

/* Decimal digits, with zeros in front; returns where they end. No NUL. */
char *digits_format(unsigned number, unsigned count, char *out);

#endif
