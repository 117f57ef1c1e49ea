/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as the answer to a hello, once whole and once in pieces: the state and all that was
 * read must be the same. The first octet says what was asked and whether certificates are wanted;
 * the second is the size of the pieces.
 */
#include <stdlib.h>

#include "protocols/hello.h"

#define ROOM ((size_t)20000) /* for certificates: small, so that the limit is met */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* Exactly so much: it is asked for once. */
static uint8_t *make_room(void *context, size_t len)
{
    uint8_t **room = context;
    require(len > 0 && *room == NULL);
    return len > ROOM ? NULL : (*room = malloc(len));
}

static enum response_state run(struct response *r, unsigned kind, struct span in, size_t piece,
                               uint8_t **room)
{
    enum response_state state = RESPONSE_MORE;
    struct hello asked = {.highest = (enum version)(kind % VERSION_COUNT)};

    response_init(r, &asked, kind & 128 ? make_room : NULL, room);
    while (in.len && state == RESPONSE_MORE) {
        struct span next = span_until(in, piece);
        in = span_from(in, next.len);
        char *exact = malloc(next.len); /* so that a sanitizer sees every octet too many */
        require(exact != NULL);
        memcpy(exact, next.at, next.len);
        state = response_feed(r, (struct span){exact, next.len});
        free(exact);
    }
    return state;
}

/* Facts agree with each other. */
static void check(const struct response *r, enum response_state state)
{
    require(state != RESPONSE_DONE || r->greeted);
    require((state == RESPONSE_ALERT) == (r->alert >= 0));
    require(!r->certified || r->greeted);
    require(!r->greeted || !r->hello.retry || r->hello.version == VERSION_TLS13);
    struct span der;
    size_t at = 0, sum = 0;
    while (response_certificate(r, &at, &der)) {
        require(der.len > 0 && (const uint8_t *)der.at >= r->certificates &&
                (const uint8_t *)der.at + der.len <= r->certificates + r->certificates_len);
        sum += der.len;
    }
    require(sum <= ROOM);
    if (r->greeted)
        suite_name(r->hello.suite);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct response whole, pieces;
    uint8_t *room[2] = {NULL, NULL};
    if (size < 2)
        return 0;
    struct span in = {(const char *)data + 2, size - 2};
    enum response_state state = run(&whole, data[0], in, in.len + 1, &room[0]);
    require(run(&pieces, data[0], in, data[1] + (size_t)1, &room[1]) == state);
    require(whole.greeted == pieces.greeted && whole.alert == pieces.alert &&
            whole.warning == pieces.warning);
    require(whole.certified == pieces.certified &&
            whole.certificates_len == pieces.certificates_len);
    require(memcmp(&whole.hello, &pieces.hello, sizeof whole.hello) == 0);
    if (whole.certified && whole.certificates_len)
        require(memcmp(room[0], room[1], whole.certificates_len) == 0);
    check(&whole, state);
    free(room[0]);
    free(room[1]);
    struct server_hello hello;
    server_hello_parse(in, &hello);
    return 0;
}
