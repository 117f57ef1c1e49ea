/* SPDX-License-Identifier: MIT */
/*
 * fuzz_config.c: any octets as a configuration. What is taken goes into the options, and what those
 * then hold is printed, read again, and printed again: the same.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>

#include "output/config/config.h"
#include "scanner/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static FILE *errors;

static void require(bool ok)
{
    if (!ok)
        abort();
}

/* False: not all of it was sound. */
static bool take(struct scan_options *o, struct span bytes)
{
    char problem[OPTIONS_PROBLEM_SIZE];
    const struct yamlfile file = {"/etc/input.yaml", bytes, NULL};
    struct config *config = config_read(&file, errors);
    require(config != NULL);
    bool ok = config->sound;
    for (size_t i = 0; i < config->count; i++) {
        const struct config_setting *s = &config->settings[i];
        require(s->line > 0 && (s->member->form == CONFIG_SWITCH) == (s->text == NULL));
        ok = options_take(o, s->member->option, s->text, s->line, problem) && ok;
        require(strlen(problem) < sizeof problem);
    }
    config_free(config);
    return ok;
}

static char *print(const struct scan_options *o)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    struct config_word *words = calloc(o->word_count + 1, sizeof *words);
    require(f && words);
    for (size_t i = 0; i < o->word_count; i++)
        words[i] = (struct config_word){o->words[i].option, o->words[i].text};
    require(config_print(f, words, o->word_count, "/") == NULL);
    require(fclose(f) == 0);
    free(words);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct scan_options first = {.config = NULL}, second = {.config = NULL};

    if (!errors)
        errors = fopen("/dev/null", "w");
    require(errors != NULL);
    if (take(&first, (struct span){(const char *)data, size})) {
        char *once = print(&first);
        bool nothing = !first.word_count; /* what has no member is no configuration */
        require(take(&second, span_of(once)) || nothing);
        char *twice = print(&second);
        require(strcmp(once, twice) == 0);
        free(once);
        free(twice);
    }
    options_free(&first);
    options_free(&second);
    return 0;
}
