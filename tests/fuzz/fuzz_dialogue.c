/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a server's side of a conversation, once whole and once in pieces: commands, notes
 * and facts must be the same, and nothing may be said that is not due. The first octet says which
 * protocol, whether it begins inside TLS and what is asked for; the second is the size of the
 * pieces.
 */
#include <stdio.h>
#include <stdlib.h>

#include "protocols/dialogue.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* All that happened, as one number. */
struct run {
    struct dialogue dialogue;
    uint64_t digest;
    unsigned commands;
};

static void digest(struct run *r, const void *bytes, size_t n)
{
    const unsigned char *at = bytes;
    r->digest = (r->digest ^ n) * 0x100000001b3U;
    for (size_t i = 0; i < n; i++)
        r->digest = (r->digest ^ at[i]) * 0x100000001b3U;
}

static void on_note(void *context, bool secure, enum note note, struct span s)
{
    struct run *r = context;
    unsigned char kind[] = {secure, (unsigned char)note};
    require(secure == r->dialogue.secure);
    digest(r, kind, sizeof kind);
    digest(r, s.at, s.len);
}

/* A command is one whole line, or two where one is injected, and there are few. */
static void on_output(struct run *r)
{
    struct span out = dialogue_output(&r->dialogue);
    if (!out.len)
        return;
    require(out.len >= 2 && out.len <= sizeof r->dialogue.out);
    const char *end = memchr(out.at, '\n', out.len);
    require(end == out.at + out.len - 1 || r->dialogue.agenda.injection);
    require(out.at[out.len - 1] == '\n' && out.at[out.len - 2] == '\r');
    require(++r->commands <= 16);
    digest(r, out.at, out.len);
}

/* Feeds all that has come; gives what the dialogue left. */
static struct span feed(struct run *r, struct span in, enum want *want)
{
    for (;;) {
        size_t before = in.len;
        *want = dialogue_feed(&r->dialogue, &in);
        bool spoke = dialogue_output(&r->dialogue).len > 0;
        on_output(r);
        require(in.len <= before);
        if (*want == WANT_TLS) {
            *want = dialogue_secured(&r->dialogue);
            require(dialogue_output(&r->dialogue).len > 0);
            on_output(r);
        } else if (*want != WANT_MORE) {
            return in;
        } else if (!spoke) { /* an incomplete line is left, and it is not too long */
            require(in.len <= DIALOGUE_LINE_MAX + 1);
            require(!in.len || r->dialogue.literal || !memchr(in.at, '\n', in.len));
            return in;
        }
    }
}

static void digest_facts(struct run *r)
{
    const struct dialogue *d = &r->dialogue;
    bool cut = d->ending ==
               ENDING_LIMIT; /* then it depends on the pieces how much of the last line was seen */
    unsigned facts[] = {
        d->greeting,      d->upgrade,           d->secure,  d->doubtful,   cut ? 0 : d->bare_lf,
        d->greeted_again, (unsigned)d->refusal, d->ending,  d->step,       d->reset,
        d->login,         d->injected,          d->settled, d->protection, d->inside,
        d->clear,         d->anonymous};
    digest(r, facts, sizeof facts);
    for (int side = 0; side < 2; side++) {
        const struct capabilities *c = &d->capabilities[side];
        unsigned list[] = {c->answer,
                           c->listed,
                           c->starttls,
                           c->user,
                           c->plaintext,
                           c->login_disabled,
                           dialogue_login_disabled(d, side)};
        digest(r, list, sizeof list);
    }
    if (d->upgrade_command)
        digest(r, d->upgrade_command, strlen(d->upgrade_command));
}

static uint64_t run(unsigned kind, struct span in, size_t piece)
{
    static const struct protocol *const protocols[] = {&protocol_ftp, &protocol_imap,
                                                       &protocol_pop3, &protocol_smtp};
    bool inside = (kind & 128) != 0;
    struct agenda agenda = {.capabilities = (kind & 8) != 0,
                            .upgrade = (kind & 16) != 0,
                            .name = "client.example.test",
                            .login = (kind & 32) != 0,
                            .mechanism = kind & 8 ? "LOGIN" : NULL,
                            .second = kind & 4 ? "XOAUTH2" : NULL,
                            .contradicted = (kind & 16) != 0,
                            .unlisted = (kind & 64) != 0,
                            .user = "nobody.invalid",
                            .password = kind & 4 ? "secret" : NULL,
                            .anonymous = inside,
                            .injection = (kind & 64) != 0,
                            .nonce = 7,
                            .protection = inside,
                            .upgrade_again = inside,
                            .clear_again = inside};
    struct run r = {.digest = 0xcbf29ce484222325U};
    char *carry = malloc(in.len + 1);
    size_t len = 0;
    enum want want = WANT_MORE;

    require(carry != NULL);
    dialogue_init(&r.dialogue, protocols[kind & 3], agenda, (kind & 4) != 0, on_note, &r);
    require(dialogue_output(&r.dialogue).len == 0);
    while (in.len && want == WANT_MORE) {
        struct span next = span_until(in, piece);
        in = span_from(in, next.len);
        memcpy(carry + len, next.at, next.len);
        len += next.len;
        char *exact = malloc(len); /* so that a sanitizer sees every octet too many */
        require(exact != NULL);
        memcpy(exact, carry, len);
        struct span left = feed(&r, (struct span){exact, len}, &want);
        memcpy(carry, left.at, left.len);
        len = left.len;
        free(exact);
    }
    struct span rest = {carry, len};
    if (want == WANT_MORE && dialogue_hesitates(&r.dialogue, rest)) {
        want = dialogue_silence(&r.dialogue, &rest);
        on_output(&r);
        if (want == WANT_TLS)
            want = dialogue_secured(&r.dialogue);
    }
    if (want != WANT_MORE) {
        struct span more = span_of("250 more\r\n");
        require(dialogue_feed(&r.dialogue, &more) == want && dialogue_output(&r.dialogue).len == 0);
    }
    require((want == WANT_ABORT) == (r.dialogue.ending != ENDING_NONE));
    digest_facts(&r);
    free(carry);
    return r.digest;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct span in = {(const char *)data + 2, size - 2};
    dialogue_greets(&protocol_imap, in);
    dialogue_greets(&protocol_smtp, in);
    require(run(data[0], in, in.len + 1) == run(data[0], in, data[1] + (size_t)1));
    return 0;
}
