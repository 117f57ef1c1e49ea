/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "output/rules/common.h"

#include <stdio.h>
#include <sys/socket.h>

bool is_protocol(const struct subject *s, const struct protocol *protocol)
{
    return s->o->service->protocol == protocol;
}

bool is_served(const struct subject *s, struct evidence *e, enum verdict *verdict)
{
    switch (s->o->status) {
    case STATUS_CLOSED:
    case STATUS_MISMATCH:
        *verdict = VERDICT_NOT_APPLICABLE;
        return false;
    case STATUS_DNS_ERROR:
        *verdict = verdict_without(VERDICT_INCONCLUSIVE, cause_name(CAUSE_DNS), e);
        return false;
    default: /* what was not seen for another reason says so itself */
        return true;
    }
}

bool is_served_in_clear(const struct subject *s, struct evidence *e, enum verdict *verdict)
{
    *verdict = VERDICT_NOT_APPLICABLE;
    return is_in_clear(s->o) && is_served(s, e, verdict);
}

bool is_preauth(const struct observation *o)
{
    return observation_knows(o, FACT_PREAUTH) && o->preauth;
}

bool is_upgrade_refused(const struct observation *o)
{
    return observation_knows(o, FACT_ACCEPTED) && o->accepted == TRI_NO;
}

enum verdict verdict_of_fact(const struct subject *s, enum fact fact, enum tri value,
                             struct evidence *e)
{
    if (!observation_knows(s->o, fact))
        return verdict_unknown(s->o, fact, e);
    return value == TRI_UNKNOWN ? VERDICT_NOT_APPLICABLE : verdict_of(value == TRI_YES);
}

/* --- lists ------------------------------------------------------------------------------------ */

bool list_names(const struct list *list, const char *keyword)
{
    size_t n = strlen(keyword);
    for (size_t i = 0; i < list->count; i++)
        if (strncmp(list->items[i], keyword, n) == 0 &&
            (list->items[i][n] == '\0' || list->items[i][n] == ' ' || list->items[i][n] == '='))
            return true;
    return false;
}

const char *words_of(const struct list *list, const char *const *words, char out[WORDS_MAX])
{
    size_t used = 0;
    *out = '\0';
    for (; *words && used < WORDS_MAX; words++)
        if (list_has(list, *words))
            used += (size_t)snprintf(out + used, WORDS_MAX - used, "%s%s", used ? " " : "", *words);
    return out;
}

const char *plaintext_of(const struct list *mechanisms, char out[WORDS_MAX])
{
    return words_of(mechanisms, plaintext_mechanisms, out);
}

/* Six X or more, and perhaps one other letter: XXXXXXXA is how a firewall writes STARTTLS. */
static bool is_mangled(const char *keyword)
{
    size_t n = strspn(keyword, "X"), letter = keyword[n] >= 'A' && keyword[n] <= 'Z';
    char end = keyword[n + letter];
    return n >= 6 && (end == '\0' || end == ' ');
}

const char *mangled_keyword(const struct observation *o)
{
    if (!observation_knows(o, FACT_CAPABILITIES_BEFORE))
        return NULL;
    for (size_t i = 0; i < o->capabilities[0].count; i++)
        if (is_mangled(o->capabilities[0].items[i]))
            return o->capabilities[0].items[i];
    return NULL;
}

/* --- from where it was seen ------------------------------------------------------------------- */

bool is_same_address(const struct subject *s)
{
    struct address here = address_reaches(&s->o->source);
    struct address there = address_reaches(&s->host->address);
    return s->o->login.reason == CAUSE_SAME_ADDRESS ||
           (here.family && address_compare(&here, &there) == 0);
}

bool is_too_near(const struct subject *s, struct evidence *e, enum verdict *verdict)
{
    if (!is_same_address(s))
        return false;
    *verdict = verdict_without(VERDICT_NOT_TESTED, cause_name(CAUSE_SAME_ADDRESS), e);
    return true;
}

/* RFC 1918, RFC 4193. */
static bool is_private(const struct address *a)
{
    const unsigned char *b = a->bytes;
    if (a->family == AF_INET6)
        return (b[0] & 0xfe) == 0xfc;
    return a->family == AF_INET &&
           (b[0] == 10 || (b[0] == 172 && (b[1] & 0xf0) == 16) || (b[0] == 192 && b[1] == 168));
}

static bool is_neighbour(const struct address *a, const struct address *b)
{
    return a->family == b->family && is_private(a) && is_private(b) &&
           memcmp(a->bytes, b->bytes, a->family == AF_INET6 ? 8 : 3) == 0;
}

void consider_neighbours(const struct subject *s, struct evidence *e)
{
    if (!is_neighbour(&s->o->source, &s->host->address))
        return;
    if (e->confidence > CONFIDENCE_PROBABLE)
        e->confidence = CONFIDENCE_PROBABLE;
    evidence_truth(e, "same_private_network", true);
}

/* --- logins ----------------------------------------------------------------------------------- */

void add_text_evidence(struct evidence *e, const char *name, const char *text)
{
    if (text && *text)
        evidence_text(e, name, text);
}

void add_login_evidence(const struct observation *o, struct evidence *e)
{
    evidence_text(e, "login", login_verdict_name(o->login.verdict));
    add_text_evidence(e, "probe", o->login.probe);
    add_text_evidence(e, "reply", o->login.reply.data);
}

void add_role_evidence(const struct subject *s, struct evidence *e)
{
    evidence_text(e, "role", role_name(s->role));
}

/* --- the host's other ports ------------------------------------------------------------------- */

const struct observation *implicit_twin(const struct subject *s)
{
    for (size_t i = 0; i < s->host->count; i++) {
        const struct observation *o = &s->host->endpoints[i];
        if (o != s->o && o->service->protocol == s->o->service->protocol &&
            o->service->mode == MODE_IMPLICIT && subject_of(s->host, o).role == s->role)
            return o;
    }
    return NULL;
}
