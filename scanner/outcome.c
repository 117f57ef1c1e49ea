/* SPDX-License-Identifier: MIT */
#include "scanner/outcome.h"

#include <string.h>

const char *phase_name(enum phase phase)
{
    static const char *const names[] = {
        [PHASE_RESOLVE] = "resolve", [PHASE_CONNECT] = "connect",
        [PHASE_GREETING] = "banner", [PHASE_CAPABILITIES] = "capability",
        [PHASE_LOGIN] = "login",     [PHASE_STARTTLS] = "starttls",
        [PHASE_TLS] = "handshake",   [PHASE_INSIDE] = "inside_tls",
        [PHASE_GOODBYE] = "goodbye",
    };
    return names[phase];
}

static const struct {
    const char *name, *text;
} causes[] = {
    [CAUSE_NONE] = {"none", "nothing went wrong"},
    [CAUSE_NOT_ASKED] = {"not_asked", "not asked"},
    [CAUSE_TIMEOUT] = {"timeout", "no answer in time"},
    [CAUSE_DEADLINE] = {"deadline", "the time for this endpoint was used up"},
    [CAUSE_RESET] = {"reset", "the connection was reset"},
    [CAUSE_CLOSED] = {"closed", "the connection was closed"},
    [CAUSE_UNREACHABLE] = {"unreachable", "the address cannot be reached"},
    [CAUSE_LIMIT] = {"limit", "more was sent than is taken"},
    [CAUSE_RATE_LIMITED] = {"rate_limited", "the server said that it is busy and left"},
    [CAUSE_TEMPORARY] = {"temporary", "refused for the moment"},
    [CAUSE_REFUSED] = {"refused", "refused by the server"},
    [CAUSE_ODD_REPLY] = {"odd_reply", "the reply fits no grammar of the command"},
    [CAUSE_MISMATCH] = {"protocol_mismatch", "another protocol is spoken there"},
    [CAUSE_PLAINTEXT] = {"plaintext", "text came where TLS should begin"},
    [CAUSE_ALERT] = {"alert", "the server sent a TLS alert"},
    [CAUSE_PROTOCOL] = {"protocol", "the answer breaks the rules of TLS"},
    [CAUSE_VERSION] = {"version_not_offered", "a version was chosen that was not offered"},
    [CAUSE_CERTIFICATE_REQUIRED] = {"certificate_required",
                                    "the server requires a client certificate"},
    [CAUSE_TLS] = {"tls_error", "no TLS came about"},
    [CAUSE_DNS] = {"dns_error", "the name has no address"},
    [CAUSE_LOCAL] = {"local", "a limit of the scanning machine"},
    [CAUSE_SAME_ADDRESS] = {"same_address", "we connect from the server's own address"},
    [CAUSE_PREAUTH] = {"preauth", "the greeting has logged us in"},
    [CAUSE_NOT_LOGGED_IN] = {"not_logged_in", "the server wants a login first"},
    [CAUSE_NOT_OFFERED] = {"suite_not_offered", "a suite was chosen that was not offered"},
    [CAUSE_INCONSISTENT] = {"inconsistent_answers", "the server answers now so, now otherwise"},
    [CAUSE_IMPLICIT] = {"implicit", "everything is inside TLS"},
    [CAUSE_UNREADABLE] = {"unreadable", "it cannot be read"},
};

const char *cause_name(enum cause cause)
{
    return causes[cause].name;
}

enum cause cause_parse(const char *word)
{
    for (int c = CAUSE_NONE + 1; c < CAUSE_COUNT; c++)
        if (strcmp(causes[c].name, word) == 0)
            return (enum cause)c;
    return CAUSE_ODD_REPLY;
}

bool phase_parse(const char *word, enum phase *phase)
{
    for (int p = PHASE_RESOLVE; p <= PHASE_GOODBYE; p++)
        if (strcmp(phase_name((enum phase)p), word) == 0) {
            *phase = (enum phase)p;
            return true;
        }
    return false;
}

const char *outcome_text(struct outcome o)
{
    if (o.phase == PHASE_CONNECT && o.cause == CAUSE_CLOSED)
        return "the port is closed";
    if (o.phase == PHASE_GREETING && o.cause == CAUSE_REFUSED)
        return "the greeting turns us away";
    return causes[o.cause].text;
}
