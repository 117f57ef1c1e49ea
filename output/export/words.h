/* SPDX-License-Identifier: MIT */
/*
 * words.h: what of a record more than one format puts into words.
 *
 * The texts are put together in the words of what is exported: each is valid until the next one is
 * asked for. NULL: out of memory. They are as clean as the record, and not escaped.
 */
#ifndef OUTPUT_EXPORT_WORDS_H
#define OUTPUT_EXPORT_WORDS_H

#include "output/export/export.h"

/* So much of a text, between characters. */
struct span words_cut(const char *text, size_t max);

/* The texts of a list, with what stands between them. What is no list of texts is empty. */
const char *words_list(struct exporting *, const cJSON *list, const char *between);

/* "cipher: TLS_…; days_left: 10" */
const char *words_evidence(struct exporting *, const cJSON *finding);

/* The target's label of that key, or "". */
const char *words_label(const cJSON *record, const char *key);

/* "W-14 until 2027-01-31, approved by …, SEC-1: the reason"; "" without a waiver. */
const char *words_waiver(struct exporting *, const cJSON *finding);

/* "Critical", "High", "Medium", "Low", "Info"; "" for what is none of them. */
const char *words_severity(const cJSON *finding);

bool words_is_waived(const cJSON *finding);

/* A member that is a time in UTC, as RFC 3339 writes it; "" if it is none. */
const char *words_time(const cJSON *record, const char *path);

/* Is the host of the endpoint given by a name? */
bool words_has_name(const cJSON *record);

/* A port that can be one, or 0. */
unsigned words_port(const cJSON *record);

/* The number of the weakness in the CWE list that a rule is about; 0: none fits. */
unsigned words_cwe(const char *rule);

/* The rules that have one; NULL behind the last. */
const char *words_cwe_rule(size_t);

#endif
