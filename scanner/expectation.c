/* SPDX-License-Identifier: MIT */
#include "scanner/expectation.h"

#include <string.h>

#include "protocols/dialogue.h"
#include "scanner/targets.h"

const char *expectation_of(const struct target_host *target)
{
    for (size_t i = 0; i < target->label_count; i++)
        if (strcmp(target->labels[i].key, EXPECTATION_LABEL) == 0)
            return target->labels[i].value;
    return NULL;
}

/* PROTOCOL[/MODE][:PORT]. NULL, or what is wrong. */
static const char *parse(struct expectation *x)
{
    struct span protocol = x->text, port = span_cut(&protocol, ':'),
                mode = span_cut(&protocol, '/');
    x->protocol = protocol_find(protocol);
    x->any_mode = !mode.at;
    x->mode = MODE_INSECURE;
    x->port = 0;
    if (!x->text.len)
        return "expects nothing: PROTOCOL[/MODE][:PORT] is wanted";
    if (!x->protocol)
        return "expects a protocol that is not known here";
    if (mode.at && !mode_parse(mode, &x->mode))
        return "expects a mode that there is not (insecure, implicit, explicit)";
    if (port.at && !port_parse(port, &x->port))
        return "expects a port that is not from 1 to 65535";
    return NULL;
}

bool expectation_next(struct span *list, struct expectation *x, const char **wrong)
{
    if (!list->at)
        return false;
    x->text = *list;
    *list = span_cut(&x->text, ',');
    *wrong = parse(x);
    return true;
}

bool expectation_meets(const struct expectation *x, const struct service *s)
{
    return s->protocol == x->protocol && (x->any_mode || s->mode == x->mode) &&
           (!x->port || s->port == x->port);
}
