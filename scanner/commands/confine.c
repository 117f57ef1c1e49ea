/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "scanner/commands/confine.h"

#include <string.h>

#include "scanner/commands/command.h"
#include "scanner/commands/notice.h"

static bool judge(const struct sandbox *s, bool ok)
{
    if (!ok)
        notice(PRIORITY_ERROR, "--sandbox=require: %s", s->problem);
    return ok;
}

bool confine_begin(struct sandbox *s, enum sandbox_mode mode)
{
    return judge(s, sandbox_begin(s, mode));
}

bool confine_shut(struct sandbox *s, enum sandbox_phase phase, enum sandbox_phase worker)
{
    return judge(s, sandbox_shut(s, phase, worker));
}

void confine_tell(const struct sandbox *s, bool quiet)
{
    char text[64];
    if (quiet || s->mode == SANDBOX_OFF)
        return;
    if (*s->problem)
        notice(PRIORITY_NOTE, "sandbox: not all of it is in force: %s", s->problem);
    else if (notice_is_journal())
        notice(PRIORITY_INFO, "sandbox: %s", sandbox_force(s, text, sizeof text));
}

bool confine_reader(enum sandbox_mode mode, char *const *files, size_t count, const char *state,
                    const char *output)
{
    enum sandbox_phase phase = state ? SANDBOX_STATE : SANDBOX_READ;
    struct sandbox s;
    bool ok = confine_begin(&s, mode);
    for (size_t i = 0; i < count; i++)
        sandbox_may_read(&s, files[i]);
    if (state)
        sandbox_may_replace(&s, state);
    sandbox_may_replace(&s, output);
    sandbox_may_use_scratch(&s);
    ok = ok && confine_shut(&s, phase, phase);
    sandbox_end(&s);
    return ok;
}

bool confine_printer(enum sandbox_mode mode)
{
    struct sandbox s;
    bool ok = confine_begin(&s, mode) && confine_shut(&s, SANDBOX_PRINT, SANDBOX_PRINT);
    sandbox_end(&s);
    return ok;
}

void confine_scan(struct sandbox *s, const struct scan_options *o)
{
    s->binds = o->crew.engine.source != NULL;
    sandbox_may_resolve(s);
    if (o->records_dir)
        sandbox_may_fill(s, o->records_dir);
    else
        sandbox_may_write(s, o->output); /* exports read it again */
    for (size_t i = 0; i < o->export_count; i++) {
        const char *file = strchr(o->exports[i], '=');
        sandbox_may_replace(s, file ? file + 1 : NULL);
    }
    if (o->state)
        sandbox_may_replace(s, o->state);
    if (o->state || o->export_count)
        sandbox_may_use_scratch(s);
}
