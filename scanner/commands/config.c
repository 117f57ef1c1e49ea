/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "scanner/commands/config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "output/config/config.h"
#include "output/rules/rule.h"
#include "scanner/commands/command.h"
#include "scanner/say.h"

/* --- reading ---------------------------------------------------------------------------------- */

static bool is_without(const struct scan_options *o, const struct config_member *m)
{
    for (size_t i = 0; i < o->without_count; i++)
        if (config_is_named(m, o->without[i]))
            return true;
    return false;
}

static bool is_member(const char *word)
{
    for (size_t i = 0; i < config_member_count; i++)
        if (config_is_named(&config_members[i], word))
            return true;
    return false;
}

static bool check_without(const struct scan_options *o)
{
    bool ok = true;
    if (o->without_count && !o->config) {
        say(stderr, PROGRAM " scan: --without goes with --config");
        return false;
    }
    for (size_t i = 0; i < o->without_count; i++)
        if (!is_member(o->without[i])) {
            say(stderr, PROGRAM " scan: --without: there is no member or section '%s'",
                o->without[i]);
            ok = false;
        }
    return ok;
}

/* The scanner knows no severities. */
static bool check_severity(const struct config_setting *s, char problem[OPTIONS_PROBLEM_SIZE])
{
    enum severity severity;
    if (strcmp(s->member->option, "fail-on") != 0 || severity_parse(s->text, &severity))
        return true;
    snprintf(problem, OPTIONS_PROBLEM_SIZE, "'%s' is none of info, low, medium, high, critical",
             s->text);
    return false;
}

static bool take(struct scan_options *o, const struct config_setting *s)
{
    char problem[OPTIONS_PROBLEM_SIZE], path[CONFIG_PATH_MAX];
    if (is_without(o, s->member))
        return true;
    if (options_take(o, s->member->option, s->text, s->line, problem) && check_severity(s, problem))
        return true;
    say(stderr, "%s:%" PRIu64 ": %s: %s", o->config, s->line, config_path(s->member, path),
        problem);
    return false;
}

static bool read_file(struct scan_options *o, const struct yamlfile *file)
{
    struct config *config = config_read(file, stderr);
    bool ok = config && config->sound;
    for (size_t i = 0; config && i < config->count; i++)
        ok = take(o, &config->settings[i]) && ok;
    config_free(config);
    return ok;
}

bool configure(struct scan_options *o)
{
    struct yamlfile file;
    struct stat status;

    if (!check_without(o))
        return false;
    if (!o->config)
        return true;
    const char *problem = yamlfile_open(&file, o->config, &status);
    if (problem)
        say(stderr, "%s: %s", o->config, problem);
    bool ok = !problem && read_file(o, &file);
    yamlfile_close(&file);
    return ok;
}

/* --- printing --------------------------------------------------------------------------------- */

int print_configuration(const struct scan_options *o)
{
    struct config_word *words = calloc(o->word_count + 1, sizeof *words);
    char *from = getcwd(NULL, 0);
    const char *unfit = NULL;

    for (size_t i = 0; words && i < o->word_count; i++)
        words[i] = (struct config_word){o->words[i].option, o->words[i].text};
    if (!words || !from)
        say(stderr, PROGRAM " scan: %s", strerror(errno));
    else if ((unfit = config_print(stdout, words, o->word_count, from)))
        say(stderr, PROGRAM " scan: there is a text that cannot stand in a configuration");
    bool ok = words && from && !unfit;
    free(words);
    free(from);
    return ok ? finish_stdout() : EXIT_TROUBLE;
}
