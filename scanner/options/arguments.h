/* SPDX-License-Identifier: MIT */
/*
 * arguments.h: numbers as the arguments of options. Nothing is said here: whoever asks says what is
 * wrong. False: it is no such number, and the value is as before.
 */
#ifndef SCANNER_OPTIONS_ARGUMENTS_H
#define SCANNER_OPTIONS_ARGUMENTS_H

#include <stdbool.h>
#include <stdint.h>

/* Decimal digits alone. */
bool argument_number(const char *text, uint64_t min, uint64_t max, uint64_t *value);

/* The same, with a fraction if need be. */
bool argument_real(const char *text, double min, double max, double *value);

#endif
