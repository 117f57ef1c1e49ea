/* SPDX-License-Identifier: MIT */
/* csv.c: a line an endpoint, for a spreadsheet (RFC 4180). */
#include "output/export/export.h"

#include <string.h>

/* Behind these a spreadsheet looks for a formula. */
static bool is_formula(char c)
{
    return c && strchr("=+-@\t\r", c) != NULL;
}

static bool put_field(struct exporting *e, const char *text, bool last)
{
    bool ok = put(e, is_formula(*text) ? "\"'" : "\"");
    for (const char *at = text; *at && ok; at++)
        ok = put_span(e, (struct span){at, 1}) && (*at != '"' || put(e, "\""));
    return ok && put(e, last ? "\"\r\n" : "\",");
}

static bool begin(struct exporting *e)
{
    return put(e, "key,ip,status,severity_max\r\n");
}

static bool record(struct exporting *e, const char *type, const cJSON *record)
{
    if (strcmp(type, "endpoint") != 0)
        return true;
    return put_field(e, export_text(record, "endpoint/key"), false) &&
           put_field(e, export_text(record, "endpoint/ip"), false) &&
           put_field(e, export_text(record, "status"), false) &&
           put_field(e, export_text(record, "severity_max"), true);
}

static bool end(struct exporting *e)
{
    (void)e;
    return true;
}

const struct exporter export_csv = {
    "csv", "a line an endpoint, for spreadsheets", begin, record, end, NULL};
