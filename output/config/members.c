/* SPDX-License-Identifier: MIT */
/* members.c: the table of all members. */
#define _GNU_SOURCE
#include <stdio.h>

#include "output/config/config.h"
#include "scanner/quote.h"

#define FILES NAMES_FILE
#define FILE_OR_WORD NAMES_FILE_OR_WORD

const struct config_member config_members[] = {
    {NULL, "targets", CONFIG_TARGET, CONFIG_LIST, 0},
    {NULL, "target_files", "file", CONFIG_LIST, FILES},
    {NULL, "exclude_files", "exclude-file", CONFIG_LIST, FILES},
    {NULL, "services", "services", CONFIG_LIST, 0},
    {NULL, "ports", "ports", CONFIG_LIST, 0},

    {"asked", "facts", "facts", CONFIG_WORDS, 0},
    {"asked", "exhaustive", "exhaustive", CONFIG_SWITCH, 0},
    {"asked", "dummy_login", "dummy-login", CONFIG_SWITCH, 0},
    {"asked", "ca_file", "ca-file", CONFIG_TEXT, FILES},

    {"judged", "policies", "policy", CONFIG_LIST, FILE_OR_WORD},
    {"judged", "waivers", "waivers", CONFIG_TEXT, FILES},
    {"judged", "baseline", "baseline", CONFIG_TEXT, FILES},
    {"judged", "fail_on", "fail-on", CONFIG_TEXT, 0},

    {"output", "records", "output", CONFIG_TEXT, FILES},
    {"output", "records_dir", "records-dir", CONFIG_TEXT, FILES},
    {"output", "all", "all", CONFIG_SWITCH, 0},
    {"output", "transcript", "transcript", CONFIG_SWITCH, 0},
    {"output", "json", "json", CONFIG_SWITCH, 0},
    {"output", "table", "table", CONFIG_SWITCH, 0},
    {"output", "quiet", "quiet", CONFIG_SWITCH, 0},
    {"output", "scan_name", "scan-name", CONFIG_TEXT, 0},
    {"output", "exports", "export", CONFIG_EXPORTS, FILES},
    {"output", "title", "title", CONFIG_TEXT, 0},
    {"output", "labels", "label", CONFIG_LIST, 0},
    {"output", "metrics_per_endpoint", "metrics-per-endpoint", CONFIG_NUMBER, 0},
    {"output", "state", "state", CONFIG_TEXT, FILES},
    {"output", "on_change", "on-change", CONFIG_TEXT, 0},

    {"manners", "concurrency", "concurrency", CONFIG_NUMBER, 0},
    {"manners", "per_host", "per-host", CONFIG_NUMBER, 0},
    {"manners", "per_net", "per-net", CONFIG_NUMBER, 0},
    {"manners", "rate", "rate", CONFIG_NUMBER, 0},
    {"manners", "patience", "patience", CONFIG_NUMBER, 0},
    {"manners", "seed", "seed", CONFIG_NUMBER, 0},
    {"manners", "ordered", "ordered", CONFIG_SWITCH, 0},
    {"manners", "ehlo_name", "ehlo-name", CONFIG_TEXT, 0},
    {"manners", "source_address", "source-address", CONFIG_TEXT, 0},
    {"manners", "resolver", "resolver", CONFIG_TEXT, 0},

    {"run", "workers", "workers", CONFIG_NUMBER, 0},
    {"run", "shard", "shard", CONFIG_TEXT, 0},
    {"run", "max_duration", "max-duration", CONFIG_NUMBER, 0},
    {"run", "sandbox", "sandbox", CONFIG_TEXT, 0},

    {"timeouts", "connect", "connect-timeout", CONFIG_NUMBER, 0},
    {"timeouts", "greeting", "greeting-timeout", CONFIG_NUMBER, 0},
    {"timeouts", "reply", "reply-timeout", CONFIG_NUMBER, 0},
    {"timeouts", "tls", "tls-timeout", CONFIG_NUMBER, 0},
    {"timeouts", "endpoint", "endpoint-timeout", CONFIG_NUMBER, 0},
    {"timeouts", "on_change", "on-change-timeout", CONFIG_NUMBER, 0},
};

const size_t config_member_count = sizeof config_members / sizeof *config_members;

const char *config_path(const struct config_member *m, char out[CONFIG_PATH_MAX])
{
    snprintf(out, CONFIG_PATH_MAX, "%s%s%s", m->section ? m->section : "", m->section ? "." : "",
             m->name);
    return out;
}

bool config_is_named(const struct config_member *m, const char *word)
{
    char path[CONFIG_PATH_MAX];
    return strcmp(word, m->name) == 0 || strcmp(word, config_path(m, path)) == 0 ||
           (m->section && strcmp(word, m->section) == 0);
}

/* YAML takes some characters for ends of lines, and some for none at all. */
static bool is_odd(struct span character)
{
    static const char *const odd[] = {"\xe2\x80\xa8", "\xe2\x80\xa9", "\xef\xbb\xbf",
                                      "\xef\xbf\xbe", "\xef\xbf\xbf"};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        if (character.len == 3 && memcmp(character.at, odd[i], 3) == 0)
            return true;
    return false;
}

bool config_is_text(struct span text)
{
    while (text.len) {
        size_t n = quote_character(text);
        if (!n || is_odd(span_until(text, n)))
            return false;
        text = span_from(text, n);
    }
    return true;
}
