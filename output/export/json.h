/* SPDX-License-Identifier: MIT */
/*
 * json.h: JSON, a member or an item at a time. The commas come by themselves.
 *
 * A name is one of ours, and put as it is; NULL: an item of a list. "_if": only if there is something.
 */
#ifndef OUTPUT_EXPORT_JSON_H
#define OUTPUT_EXPORT_JSON_H

#include "output/export/export.h"

bool json_begin(struct exporting *, const char *name, char bracket); /* '{' or '[' */
bool json_end(struct exporting *, char bracket);
bool json_text(struct exporting *, const char *name, const char *text); /* false for NULL */
bool json_text_if(struct exporting *, const char *name, const char *text);
bool json_number(struct exporting *, const char *name, double);
bool json_truth(struct exporting *, const char *name, bool);

/* Of the record: a text, a number or a truth, if it is one; the texts of a list, if there are any. */
bool json_member_if(struct exporting *, const char *name, const cJSON *item);
bool json_list_if(struct exporting *, const char *name, const cJSON *list);

/* A line ends here, between two values or at the end of a list. */
bool json_line(struct exporting *);

/* The value above is the last of its document, and the line ends. */
bool json_finish(struct exporting *);

#endif
