/* SPDX-License-Identifier: MIT */
/*
 * Hellos made by hand: what they look like, what is read out of answers made by hand (at every size
 * of the pieces in which they may arrive), and what OpenSSL and GnuTLS servers make of them.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "scanner/versions.h"

static const uint8_t client_random[HELLO_RANDOM] = {'c', 'l', 'i', 'e', 'n', 't'};

/* A string of octets that grows; what is put into it twice is built once. */
struct octets {
    uint8_t at[300000];
    size_t len;
};

static void put(struct octets *o, const void *from, size_t n)
{
    assert_true(o->len + n <= sizeof o->at);
    if (n)
        memcpy(o->at + o->len, from, n);
    o->len += n;
}

static void put_number(struct octets *o, size_t value, int octets)
{
    while (octets--) {
        uint8_t octet = (uint8_t)(value >> (8 * octets));
        put(o, &octet, 1);
    }
}

/* --- what we send ----------------------------------------------------------------------------- */

/* Reads a ClientHello as a server would, and strictly. */
struct client_hello {
    unsigned record_version, version;
    const uint8_t *suites, *compressions, *extensions;
    size_t suites_len, compressions_len, extensions_len;
};

static unsigned number_at(const uint8_t *at, int octets)
{
    unsigned value = 0;
    while (octets--)
        value = value << 8 | *at++;
    return value;
}

static struct client_hello read_client_hello(const uint8_t *in, size_t len)
{
    struct client_hello h = {.record_version = number_at(in + 1, 2),
                             .version = number_at(in + 9, 2)};
    assert_int_equal(in[0], 22);
    assert_int_equal(number_at(in + 3, 2), len - 5);
    assert_int_equal(in[5], 1);
    assert_int_equal(number_at(in + 6, 3), len - 9);
    assert_memory_equal(in + 11, client_random, HELLO_RANDOM);
    const uint8_t *at = in + 11 + HELLO_RANDOM, *end = in + len;
    assert_int_equal(*at, 0); /* no session */
    h.suites_len = number_at(++at, 2);
    h.suites = at += 2;
    h.compressions_len = *(at += h.suites_len);
    h.compressions = ++at;
    at += h.compressions_len;
    assert_true(at <= end);
    if (at == end)
        return h;
    h.extensions_len = number_at(at, 2);
    h.extensions = at + 2;
    assert_ptr_equal(h.extensions + h.extensions_len, end);
    return h;
}

/* The body of an extension, NULL if there is none; each may be there once. */
static const uint8_t *find_extension(const struct client_hello *h, unsigned type, size_t *len)
{
    const uint8_t *found = NULL, *at = h->extensions, *end = at + h->extensions_len;
    while (at != end) {
        size_t n = number_at(at + 2, 2);
        assert_true(at + 4 + n <= end);
        if (number_at(at, 2) == type) {
            assert_null(found);
            found = at + 4;
            *len = n;
        }
        at += 4 + n;
    }
    return found;
}

static bool lists(const uint8_t *list, size_t len, unsigned value)
{
    unsigned times = 0;
    assert_int_equal(len % 2, 0);
    for (size_t i = 0; i < len; i += 2)
        times += number_at(list + i, 2) == value;
    assert_true(times <= 1);
    return times == 1;
}

static void check_name(const struct client_hello *c, const char *name)
{
    size_t len = 0;
    const uint8_t *sni = c->extensions_len ? find_extension(c, 0, &len) : NULL;
    if (!name || !c->extensions_len) {
        assert_null(sni);
        return;
    }
    size_t n = strlen(name);
    assert_non_null(sni);
    assert_int_equal(len, n + 5);
    assert_int_equal(number_at(sni, 2), n + 3);
    assert_int_equal(sni[2], 0);
    assert_int_equal(number_at(sni + 3, 2), n);
    assert_memory_equal(sni + 5, name, n);
}

/* RFC 8446 section 4.2.1: the highest first, and down to SSL 3.0 unless one is asked alone. */
static void check_versions(const struct client_hello *c, const struct hello *h)
{
    static const unsigned wires[] = {0x0002, 0x0300, 0x0301, 0x0302, 0x0303, 0x0304};
    size_t len = 0;
    const uint8_t *versions = find_extension(c, 43, &len);
    assert_non_null(versions);
    assert_int_equal(versions[0], len - 1);
    assert_int_equal((len - 1) / 2, h->alone ? 1 : h->highest - VERSION_SSL3 + 1);
    for (size_t i = 0; i < (len - 1) / 2; i++)
        assert_int_equal(number_at(versions + 1 + 2 * i, 2), wires[h->highest - i]);
}

/* RFC 8446 sections 4.1.2 and 4.2.8. */
static void check_tls13(const struct client_hello *c, const struct hello *h)
{
    size_t len = 0;
    const uint8_t *shares = find_extension(c, 51, &len);
    assert_int_equal(shares != NULL, h->highest == VERSION_TLS13);
    if (!shares)
        return;
    assert_int_equal(number_at(shares, 2), len - 2);
    assert_int_equal(len - 2, h->with_share ? 36 : 0);
    assert_int_equal(c->compressions_len, 1);
}

static void check_hello(const struct hello *h)
{
    static const unsigned wires[] = {2, 0x300, 0x301, 0x302, 0x303, 0x303};
    uint8_t out[HELLO_MAX];
    size_t size = hello_build(h, out), len = 0;

    if (size >= 256 && size != 512)
        fail_msg("%zu octets with a name of %zu", size, h->name ? strlen(h->name) : 0);
    if (h->highest == VERSION_SSL2) {
        assert_int_equal(number_at(out, 2), 0x8000 | (size - 2));
        assert_int_equal(number_at(out + 2, 3), 0x010002);
        assert_int_equal(number_at(out + 5, 2) + number_at(out + 7, 2) + number_at(out + 9, 2) + 9,
                         size - 2);
        return;
    }
    struct client_hello c = read_client_hello(out, size);
    assert_int_equal(c.record_version, h->highest == VERSION_SSL3 ? 0x300 : 0x301);
    assert_int_equal(c.version, wires[h->highest]);
    for (size_t i = 0; i < c.suites_len; i += 2) {
        unsigned suite = number_at(c.suites + i, 2);
        assert_true(lists(c.suites, c.suites_len, suite));
        assert_true(suite == 0x00ff || suite_name(suite) != NULL);
    }
    assert_true(lists(c.suites, c.suites_len, 0x00ff));  /* RFC 5746 */
    assert_false(lists(c.suites, c.suites_len, 0x5600)); /* never FALLBACK_SCSV */
    assert_int_equal(c.compressions[c.compressions_len - 1], 0);
    check_name(&c, h->name);
    if (h->highest == VERSION_SSL3) {
        assert_int_equal(c.extensions_len, 0);
        return;
    }
    check_versions(&c, h);
    check_tls13(&c, h);
    assert_non_null(find_extension(&c, 23, &len));
    assert_int_equal(find_extension(&c, 13, &len) != NULL, h->highest >= VERSION_TLS12);
    assert_null(find_extension(&c, 16, &len)); /* never ALPN */
    const uint8_t *groups = find_extension(&c, 10, &len);
    assert_non_null(groups);
    for (size_t i = 2; i < len; i += 2)
        assert_true(lists(groups + 2, len - 2, number_at(groups + i, 2)));
}

static void test_build(void **state)
{
    char name[254];
    (void)state;
    for (size_t length = 0; length < sizeof name; length++) {
        memset(name, 'n', length);
        name[length] = 0;
        for (int v = VERSION_SSL2; v < VERSION_COUNT; v++)
            for (int variant = 0; variant < 4; variant++) {
                struct hello h = {
                    .highest = (enum version)v, .alone = variant & 1, .with_share = variant & 2};
                h.name = length ? name : NULL;
                h.random = client_random;
                check_hello(&h);
            }
    }
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(version_number(VERSION_SSL2), "2.0");
    assert_string_equal(version_number(VERSION_TLS13), "1.3");
    assert_int_equal(version_of_wire(0x0002), VERSION_SSL2);
    assert_int_equal(version_of_wire(0x0300), VERSION_SSL3);
    assert_int_equal(version_of_wire(0x0303), VERSION_TLS12);
    assert_int_equal(version_of_wire(0x7f1c), VERSION_NONE);
    assert_int_equal(version_of_wire(0x0305), VERSION_NONE);
    assert_string_equal(suite_name(0x0001), "TLS_RSA_WITH_NULL_MD5");
    assert_string_equal(suite_name(0x1301), "TLS_AES_128_GCM_SHA256");
    assert_string_equal(suite_name(0xcca9), "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256");
    assert_string_equal(suite_name(0x0700c0), "SSL_CK_DES_192_EDE3_CBC_WITH_MD5");
    assert_null(suite_name(0));
    assert_null(suite_name(0x0a0a));
    assert_null(suite_name(0xffffffff));
}

/* --- answers made by hand --------------------------------------------------------------------- */

static const uint8_t retry_random[HELLO_RANDOM] = {
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};
static const uint8_t server_random[HELLO_RANDOM] = {'s', 'e', 'r', 'v', 'e', 'r'};
static const uint8_t der[] = {0x30, 0x03, 0x02, 0x01, 0x07};

/* How a server answers; the messages first, then the records they go out in. */
struct made {
    struct octets messages, wire;
};

static void put_extension(struct octets *o, unsigned type, size_t value, int octets)
{
    put_number(o, type, 2);
    put_number(o, (size_t)octets, 2);
    put_number(o, value, octets);
}

static void put_message(struct made *m, uint8_t type, const struct octets *body)
{
    put_number(&m->messages, type, 1);
    put_number(&m->messages, body->len, 3);
    put(&m->messages, body->at, body->len);
}

/* selected: what supported_versions says, 0 for none. */
static void put_server_hello(struct made *m, unsigned version, const uint8_t *random,
                             unsigned suite, unsigned selected, bool extended)
{
    static struct octets body, extensions;
    body.len = extensions.len = 0;
    put_number(&body, version, 2);
    put(&body, random, HELLO_RANDOM);
    put_number(&body, 4, 1);
    put_number(&body, 0x5e551047, 4);
    put_number(&body, suite, 2);
    put_number(&body, 0, 1);
    if (extended) {
        put_extension(&extensions, 0xff01, 0, 1);
        put_extension(&extensions, 23, 0, 0);
        put_extension(&extensions, 22, 0, 0);
    }
    if (selected)
        put_extension(&extensions, 43, selected, 2);
    if (extensions.len) {
        put_number(&body, extensions.len, 2);
        put(&body, extensions.at, extensions.len);
    }
    put_message(m, 2, &body);
}

static void put_certificate(struct made *m, unsigned count, size_t size)
{
    static struct octets body;
    body.len = 0;
    put_number(&body, count * (size + 3), 3);
    for (unsigned i = 0; i < count; i++) {
        put_number(&body, size, 3);
        for (size_t n = 0; n < size; n++)
            put(&body, &der[n % sizeof der], 1);
    }
    put_message(m, 11, &body);
}

static void put_record(struct made *m, unsigned type, const void *content, size_t len)
{
    put_number(&m->wire, type, 1);
    put_number(&m->wire, 0x0301, 2);
    put_number(&m->wire, len, 2);
    put(&m->wire, content, len);
}

/* Sends the messages made so far, in records of at most so many octets. */
static void flush(struct made *m, size_t record)
{
    for (size_t i = 0; i < m->messages.len; i += record)
        put_record(m, 22, m->messages.at + i,
                   m->messages.len - i < record ? m->messages.len - i : record);
    m->messages.len = 0;
}

static void put_alert(struct made *m, unsigned level, unsigned description)
{
    uint8_t alert[] = {(uint8_t)level, (uint8_t)description};
    put_record(m, 21, alert, 2);
}

static struct made *fresh(void)
{
    static struct made m;
    m.messages.len = m.wire.len = 0;
    return &m;
}

static uint8_t certificates[64 * 1024];

static uint8_t *room(void *context, size_t len)
{
    (void)context;
    return len > sizeof certificates ? NULL : certificates;
}

/* Feeds it in pieces of the given size, each in memory of its own. */
static enum response_state feed(struct response *r, const struct made *m, enum version asked,
                                bool wants, size_t piece)
{
    struct hello h = {.highest = asked};
    enum response_state state = RESPONSE_MORE;

    response_init(r, &h, wants ? room : NULL, NULL);
    for (size_t i = 0; i < m->wire.len && state == RESPONSE_MORE; i += piece) {
        size_t n = m->wire.len - i < piece ? m->wire.len - i : piece;
        char *exact = malloc(n);
        assert_non_null(exact);
        memcpy(exact, m->wire.at + i, n);
        state = response_feed(r, (struct span){exact, n});
        free(exact);
    }
    return state;
}

/* The same at every size: state and facts must not depend on it. */
static struct response *answered(const struct made *m, enum version asked, bool wants,
                                 enum response_state expected)
{
    static struct response whole, r;
    enum response_state state = feed(&whole, m, asked, wants, m->wire.len);
    if (state != expected)
        fail_msg("state %d, not %d", state, expected);
    for (size_t piece = 1; piece < m->wire.len; piece += piece < 700 ? 1 : piece / 2) {
        assert_int_equal(feed(&r, m, asked, wants, piece), expected);
        assert_int_equal(r.greeted, whole.greeted);
        assert_int_equal(r.alert, whole.alert);
        assert_int_equal(r.warning, whole.warning);
        assert_int_equal(r.certified, whole.certified);
        assert_int_equal(r.certificates_len, whole.certificates_len);
        if (r.greeted)
            assert_memory_equal(&r.hello, &whole.hello, sizeof r.hello);
    }
    return &whole;
}

static void assert_hello(const struct response *r, enum version version, unsigned suite)
{
    assert_true(r->greeted);
    assert_int_equal(r->hello.version, version);
    assert_int_equal(r->hello.suite, suite);
}

static void test_versions_chosen(void **state)
{
    (void)state;
    for (int v = VERSION_SSL3; v <= VERSION_TLS12; v++) {
        struct made *m = fresh();
        put_server_hello(m, 0x300U + (unsigned)v - VERSION_SSL3, server_random, 0x002f, 0,
                         v > VERSION_SSL3);
        put_certificate(m, 2, sizeof der);
        flush(m, 16384);
        struct response *r = answered(m, VERSION_TLS12, true, RESPONSE_DONE);
        size_t at = 0;
        struct span found;
        assert_hello(r, (enum version)v, 0x002f);
        assert_int_equal(r->hello.master_secret, v > VERSION_SSL3);
        assert_int_equal(r->hello.renegotiation, v > VERSION_SSL3);
        assert_int_equal(r->hello.encrypt_then_mac, v > VERSION_SSL3);
        assert_false(r->hello.retry || r->hello.compressed || r->hello.sentinel);
        for (int n = 0; n < 2; n++) {
            assert_true(response_certificate(r, &at, &found));
            assert_int_equal(found.len, sizeof der);
            assert_memory_equal(found.at, der, sizeof der);
        }
        assert_false(response_certificate(r, &at, &found));
        r = answered(m, VERSION_TLS12, false, RESPONSE_DONE);
        assert_hello(r, (enum version)v, 0x002f);
        assert_false(r->certified);
    }
}

static void test_tls13(void **state)
{
    (void)state;
    struct made *m = fresh();
    put_server_hello(m, 0x0303, server_random, 0x1301, 0x0304, false);
    flush(m, 16384);
    struct response *r = answered(m, VERSION_TLS13, true, RESPONSE_DONE);
    assert_hello(r, VERSION_TLS13, 0x1301);
    assert_false(r->hello.retry || r->certified);

    m = fresh();
    put_server_hello(m, 0x0303, retry_random, 0x1302, 0x0304, false);
    flush(m, 16384);
    r = answered(m, VERSION_TLS13, true, RESPONSE_DONE);
    assert_hello(r, VERSION_TLS13, 0x1302);
    assert_true(r->hello.retry);
}

/* TLS 1.3 is believed from supported_versions only, and nothing else is believed from there. */
static void test_tls13_not_believed(void **state)
{
    static const struct {
        unsigned version, selected;
        enum version is;
    } cases[] = {
        {0x0304, 0, VERSION_NONE},      {0x0303, 0x0303, VERSION_NONE},
        {0x0303, 0x7f1c, VERSION_NONE}, {0x0303, 0x0300, VERSION_NONE},
        {0x0303, 0x0305, VERSION_NONE}, {0x0002, 0, VERSION_NONE},
        {0x0305, 0, VERSION_NONE},      {0xfefd, 0, VERSION_NONE},
        {0x0303, 0, VERSION_TLS12},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct made *m = fresh();
        put_server_hello(m, cases[i].version, server_random, 0x1301, cases[i].selected, false);
        flush(m, 16384);
        struct response *r = answered(m, VERSION_TLS13, false, RESPONSE_DONE);
        assert_hello(r, cases[i].is, 0x1301);
        assert_int_equal(r->hello.wire, cases[i].selected ? cases[i].selected : cases[i].version);
    }
}

static void test_retry_without_version(void **state)
{
    (void)state;
    struct made *m = fresh();
    put_server_hello(m, 0x0303, retry_random, 0x1301, 0, false);
    flush(m, 16384);
    assert_false(answered(m, VERSION_TLS13, false, RESPONSE_MALFORMED)->greeted);
}

static void test_sentinel(void **state)
{
    uint8_t random[HELLO_RANDOM] = {0};
    (void)state;
    for (unsigned last = 0; last < 3; last++) {
        memcpy(random + 24, "DOWNGRD", 7);
        random[31] = (uint8_t)last;
        struct made *m = fresh();
        put_server_hello(m, 0x0303, random, 0x002f, 0, false);
        flush(m, 16384);
        assert_int_equal(answered(m, VERSION_TLS12, false, RESPONSE_DONE)->hello.sentinel,
                         last < 2);
    }
}

/* Messages over several records, and several in one. */
static void test_fragments(void **state)
{
    static const size_t sizes[] = {1, 2, 3, 4, 5, 7, 41, 42, 43, 100, 101, 16384};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct made *m = fresh();
        put_server_hello(m, 0x0303, server_random, 0xc02f, 0, true);
        put_certificate(m, 1, 500);
        flush(m, sizes[i]);
        struct response *r = answered(m, VERSION_TLS12, true, RESPONSE_DONE);
        assert_hello(r, VERSION_TLS12, 0xc02f);
        assert_true(r->certified);
        assert_int_equal(r->certificates_len, 506);
    }
}

static void test_no_certificate(void **state)
{
    static const struct octets key_exchange = {.at = {1, 2, 3}, .len = 3};
    struct span found;
    size_t at = 0;
    (void)state;
    struct made *m = fresh();
    put_server_hello(m, 0x0301, server_random, 0x0034, 0, false);
    put_message(m, 12, &key_exchange);
    flush(m, 16384);
    struct response *r = answered(m, VERSION_TLS12, true, RESPONSE_DONE);
    assert_hello(r, VERSION_TLS10, 0x0034);
    assert_false(r->certified);
    assert_false(response_certificate(r, &at, &found));

    m = fresh();
    put_server_hello(m, 0x0301, server_random, 0x002f, 0, false);
    put_certificate(m, 0, 0);
    flush(m, 16384);
    r = answered(m, VERSION_TLS12, true, RESPONSE_DONE);
    assert_true(r->certified);
    assert_false(response_certificate(r, &at, &found));
}

/* A Certificate message whose inner lengths are wrong. */
static void test_broken_certificates(void **state)
{
    static const struct octets bodies[] = {
        {{0}, 0},
        {{0, 0}, 2},
        {{0, 0, 9, 0, 0, 5, 1, 2}, 8},
        {{0, 0, 3, 0, 0, 0}, 6},
        {{0, 0, 4, 0, 0}, 5},
        {{0, 0, 3, 0xff, 0xff, 0xff}, 6},
    };
    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        size_t at = 0;
        struct span found;
        struct made *m = fresh();
        put_server_hello(m, 0x0303, server_random, 0x002f, 0, false);
        put_message(m, 11, &bodies[i]);
        flush(m, 16384);
        struct response *r = answered(m, VERSION_TLS12, true, RESPONSE_DONE);
        assert_false(response_certificate(r, &at, &found));
    }
}

/* More than we take: what the hello said stays known. */
static void test_too_large(void **state)
{
    static struct octets body;
    (void)state;
    struct made *m = fresh();
    put_server_hello(m, 0x0303, server_random, 0x002f, 0, false);
    put_certificate(m, 10, 10240);
    flush(m, 16384);
    struct response *r = answered(m, VERSION_TLS12, true, RESPONSE_LIMIT);
    assert_hello(r, VERSION_TLS12, 0x002f);
    assert_false(r->certified);
    assert_hello(answered(m, VERSION_TLS12, false, RESPONSE_DONE), VERSION_TLS12, 0x002f);

    body.len = RESPONSE_HELLO_MAX + 1;
    m = fresh();
    put_message(m, 2, &body);
    flush(m, 16384);
    assert_false(answered(m, VERSION_TLS12, false, RESPONSE_LIMIT)->greeted);
}

/* A Certificate message of the largest size that is taken. */
static void test_large_certificate(void **state)
{
    (void)state;
    struct made *m = fresh();
    put_server_hello(m, 0x0303, server_random, 0x002f, 0, false);
    put_certificate(m, 1, sizeof certificates - 6);
    flush(m, 16384);
    struct response *r = answered(m, VERSION_TLS12, true, RESPONSE_DONE);
    assert_true(r->certified);
    assert_int_equal(r->certificates_len, sizeof certificates);
}

static void test_alerts(void **state)
{
    (void)state;
    struct made *m = fresh();
    put_alert(m, 2, 70);
    assert_int_equal(answered(m, VERSION_TLS12, true, RESPONSE_ALERT)->alert, 70);

    m = fresh();
    put_alert(m, 1, 0); /* close_notify */
    assert_int_equal(answered(m, VERSION_TLS12, true, RESPONSE_ALERT)->alert, 0);

    m = fresh();
    put_alert(m, 2, 40); /* to a hello of SSL 2.0, too */
    assert_int_equal(answered(m, VERSION_SSL2, true, RESPONSE_ALERT)->alert, 40);

    m = fresh();
    put_record(m, 21, "\x01\x70\x02\x28", 4); /* two in a record */
    struct response *r = answered(m, VERSION_TLS12, true, RESPONSE_ALERT);
    assert_int_equal(r->warning, 112);
    assert_int_equal(r->alert, 40);

    m = fresh();
    put_alert(m, 3, 40); /* no such level */
    assert_int_equal(answered(m, VERSION_TLS12, true, RESPONSE_MALFORMED)->alert, -1);
}

/* RFC 5246 section 6.2.1: an alert may be in two records. */
static void test_alert_in_two_records(void **state)
{
    (void)state;
    struct made *m = fresh();
    put_record(m, 21, "\x02", 1);
    put_record(m, 21, "\x46", 1);
    assert_int_equal(answered(m, VERSION_TLS12, true, RESPONSE_ALERT)->alert, 70);
}

/* Half an alert is not the beginning of a message, and half a message not that of an alert. */
static void test_interrupted(void **state)
{
    (void)state;
    struct made *m = fresh();
    put_record(m, 21, "\x02", 1);
    put_record(m, 22, "\x00\x00\x26\x03\x03", 5);
    put_record(m, 22, server_random, HELLO_RANDOM);
    put_record(m, 22, "\x00\x00\x2f\x00", 4);
    assert_false(answered(m, VERSION_TLS12, true, RESPONSE_MALFORMED)->greeted);

    m = fresh();
    put_record(m, 22, "\x02\x00", 2);
    put_alert(m, 1, 112);
    assert_false(answered(m, VERSION_TLS12, true, RESPONSE_MALFORMED)->greeted);

    m = fresh();
    put_record(m, 22, "\x02\x00\x00\x26\x03", 5);
    put_alert(m, 1, 112);
    assert_false(answered(m, VERSION_TLS12, true, RESPONSE_MALFORMED)->greeted);
}

static void test_warnings(void **state)
{
    (void)state;
    struct made *m = fresh();
    put_alert(m, 1, 112);
    put_server_hello(m, 0x0303, server_random, 0x002f, 0, false);
    flush(m, 16384);
    struct response *r = answered(m, VERSION_TLS12, false, RESPONSE_DONE);
    assert_hello(r, VERSION_TLS12, 0x002f);
    assert_int_equal(r->warning, 112);
    assert_int_equal(r->alert, -1);

    m = fresh();
    for (unsigned n = 0; n < RESPONSE_WARNINGS_MAX; n++)
        put_alert(m, 1, 112);
    answered(m, VERSION_TLS12, false, RESPONSE_MORE);
    put_alert(m, 1, 112);
    answered(m, VERSION_TLS12, false, RESPONSE_LIMIT);
}

/* A fatal alert behind the hello: the version was chosen all the same. */
static void test_alert_behind_hello(void **state)
{
    (void)state;
    struct made *m = fresh();
    put_server_hello(m, 0x0302, server_random, 0x002f, 0, false);
    flush(m, 16384);
    put_alert(m, 2, 80);
    struct response *r = answered(m, VERSION_TLS12, true, RESPONSE_ALERT);
    assert_hello(r, VERSION_TLS11, 0x002f);
    assert_int_equal(r->alert, 80);
}

static void test_not_tls(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        enum response_state state;
    } cases[] = {
#define CASE(bytes, state) {bytes, sizeof(bytes) - 1, state}
        CASE("500 OOPS: no certificate\r\n", RESPONSE_PLAINTEXT),
        CASE("* BYE\r\n", RESPONSE_PLAINTEXT),
        CASE("\r\n", RESPONSE_PLAINTEXT),
        CASE("~", RESPONSE_PLAINTEXT),
        CASE("\x7f", RESPONSE_MALFORMED),
        CASE("\x00\x00\x00", RESPONSE_MALFORMED),
        CASE("\xff\xfb\x01", RESPONSE_MALFORMED),
        CASE("\x18\x03\x03\x00\x01\x01", RESPONSE_MALFORMED), /* a heartbeat */
        CASE("\x14\x03\x03\x00\x01\x01", RESPONSE_MALFORMED),
        CASE("\x17\x03\x03\x00\x01\x01", RESPONSE_MALFORMED),
        CASE("\x16\x02\x00\x00\x01\x01", RESPONSE_MALFORMED),
        CASE("\x16\x04\x00\x00\x01\x01", RESPONSE_MALFORMED),
        CASE("\x16\x03\x01\x00\x00", RESPONSE_MALFORMED),
        CASE("\x15\x03\x01\x00\x00", RESPONSE_MALFORMED),
        CASE("\x16\x03\x01\xff\xff\x02", RESPONSE_MALFORMED),
        CASE("\x16\x03\x01\x00\x04\x0b\x00\x00\x00", RESPONSE_MALFORMED), /* no hello first */
        CASE("\x16\x03\x01\x00\x04\x02\x00\x00\x00", RESPONSE_MALFORMED), /* an empty one   */
        CASE("\x16\x03\x01\x00\x04\x01\x00\x00", RESPONSE_MORE),
        CASE("\x80\x21\x04\x00\x01\x00\x02", RESPONSE_MALFORMED), /* SSL 2.0 to another hello */
#undef CASE
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct made *m = fresh();
        put(&m->wire, cases[i].bytes, cases[i].len);
        assert_false(answered(m, VERSION_TLS13, true, cases[i].state)->greeted);
    }
}

/* Every beginning of a ServerHello, given a length of its own, is malformed or whole: never read
   beyond its end. */
static void test_cut_hello(void **state)
{
    (void)state;
    struct made *m = fresh();
    put_server_hello(m, 0x0303, server_random, 0x1301, 0x0304, true);
    for (size_t len = 0; len <= m->messages.len - 4; len++) {
        struct server_hello h;
        char *exact = malloc(len ? len : 1);
        assert_non_null(exact);
        memcpy(exact, m->messages.at + 4, len);
        bool whole = server_hello_parse((struct span){exact, len}, &h);
        free(exact);
        /* 42 octets are a hello without extensions. */
        assert_int_equal(whole, len == 42 || len == m->messages.len - 4);
    }
}

static void put_ssl2(struct made *m, unsigned wire, size_t certificate, unsigned kinds)
{
    static const uint8_t kind[] = {0x07, 0x00, 0xc0, 0x01, 0x00, 0x80};
    put_number(&m->wire, 0x8000 + 11 + certificate + 3 * kinds + 16, 2);
    put_number(&m->wire, 0x040001, 3);
    put_number(&m->wire, wire, 2);
    put_number(&m->wire, certificate, 2);
    put_number(&m->wire, (size_t)3 * kinds, 2);
    put_number(&m->wire, 16, 2);
    for (size_t n = 0; n < certificate; n++)
        put(&m->wire, &der[n % sizeof der], 1);
    put(&m->wire, kind, (size_t)3 * kinds);
    put(&m->wire, "connection-ident", 16);
}

static void test_ssl2(void **state)
{
    struct span found;
    size_t at = 0;
    (void)state;
    struct made *m = fresh();
    put_ssl2(m, 2, sizeof der, 2);
    struct response *r = answered(m, VERSION_SSL2, true, RESPONSE_DONE);
    assert_hello(r, VERSION_SSL2, 0x0700c0);
    assert_true(response_certificate(r, &at, &found));
    assert_int_equal(found.len, sizeof der);
    assert_memory_equal(found.at, der, sizeof der);
    assert_false(response_certificate(r, &at, &found));

    m = fresh();
    put_ssl2(m, 2, 0, 0); /* it speaks SSL 2.0, without any cipher (CVE-2015-3197) */
    r = answered(m, VERSION_SSL2, true, RESPONSE_DONE);
    assert_hello(r, VERSION_SSL2, 0);
    assert_false(r->certified);

    m = fresh();
    put_ssl2(m, 2, 1500, 1);
    assert_int_equal(answered(m, VERSION_SSL2, true, RESPONSE_DONE)->certificates_len, 1500);

    m = fresh();
    put_ssl2(m, 0x0301, 0, 1);
    assert_hello(answered(m, VERSION_SSL2, true, RESPONSE_DONE), VERSION_TLS10, 0x0700c0);
}

static void test_ssl2_broken(void **state)
{
    (void)state;
    struct made *m = fresh();
    put_ssl2(m, 2, sizeof der, 2);
    m->wire.at[1] = 20; /* the record ends within the certificate */
    assert_false(answered(m, VERSION_SSL2, true, RESPONSE_MALFORMED)->greeted);

    m = fresh();
    put(&m->wire, "\x80\x00", 2);
    assert_false(answered(m, VERSION_SSL2, true, RESPONSE_MALFORMED)->greeted);

    m = fresh();
    put(&m->wire, "\x80\x03\x00\x00\x01", 5); /* ERROR: no cipher in common */
    assert_false(answered(m, VERSION_SSL2, true, RESPONSE_MALFORMED)->greeted);

    m = fresh();
    put(&m->wire, "\xff\xff\x04", 3);
    answered(m, VERSION_SSL2, true, RESPONSE_LIMIT);
}

/* --- real servers ----------------------------------------------------------------------------- */

static char directory[] = "/tmp/test-hello-XXXXXX";
static char address[32];
static unsigned next_port;

struct real_server {
    pid_t pid;
    int input; /* a server that reads the end of its input closes connections */
    uint16_t port;
};

static bool has_program(const char *name)
{
    char command[128];
    snprintf(command, sizeof command, "command -v %s >/dev/null 2>&1", name);
    return system(command) == 0;
}

/* A key and a certificate for it, in PEM and DER. */
static void make_certificate(const char *name, const char *key)
{
    char command[1024];
    snprintf(command, sizeof command,
             "cd %s && openssl req -x509 -nodes -days 30 -subj /CN=%s.example.test -newkey %s "
             "-keyout %s.key -out %s.pem 2>/dev/null && openssl x509 -in %s.pem -outform DER -out "
             "%s.der",
             directory, name, key, name, name, name, name);
    assert_int_equal(system(command), 0);
}

static int make_certificates(void **state)
{
    (void)state;
    if (!has_program("openssl"))
        return 0;
    if (!mkdtemp(directory))
        return -1;
    make_certificate("rsa", "rsa:2048");
    make_certificate("ec", "ec -pkeyopt ec_paramgen_curve:P-256");
    unsigned pid = (unsigned)getpid();
    snprintf(address, sizeof address, "127.90.%u.%u", pid >> 8 & 255, pid % 254 + 1);
    /* Below those that connections take; gnutls-serv listens on all addresses, so that neighbours
       must keep apart. */
    next_port = 10000 + pid * 128 % 20480;
    return 0;
}

static int remove_certificates(void **state)
{
    char command[64];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", directory);
    return strstr(directory, "XXXXXX") ? 0 : system(command);
}

static int connect_to(uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, address, &to.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    close(fd);
    return -1;
}

static void stop(struct real_server *s)
{
    kill(s->pid, SIGKILL);
    waitpid(s->pid, NULL, 0);
    close(s->input);
}

static void set_variable(const char *name, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void set_variable(const char *name, const char *format, ...)
{
    char value[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(value, sizeof value, format, arguments);
    va_end(arguments);
    setenv(name, value, 1);
}

/* Runs the shell command, which finds what it needs in its environment. */
static struct real_server launch(const char *command, const char *options, const char *key)
{
    int ends[2];
    struct real_server s = {.port = (uint16_t)next_port++};

    set_variable("ADDRESS", "%s", address);
    set_variable("PORT", "%u", s.port);
    set_variable("CERT", "%s/%s.pem", directory, key);
    set_variable("KEY", "%s/%s.key", directory, key);
    set_variable("OPTIONS", "%s", options);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    s.input = ends[1];
    s.pid = fork();
    assert_true(s.pid >= 0);
    if (s.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* also when a test has failed before it could stop it */
        dup2(ends[0], STDIN_FILENO);
        if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr))
            _exit(126);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    close(ends[0]);
    return s;
}

/* Waits until it takes connections; false if it has ended instead. */
static bool listens(const struct real_server *s)
{
    for (int tries = 0; tries < 1000; tries++) {
        int fd = connect_to(s->port);
        if (fd >= 0) {
            close(fd);
            return waitpid(s->pid, NULL, WNOHANG) == 0;
        }
        if (waitpid(s->pid, NULL, WNOHANG) != 0)
            return false;
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    return false;
}

/* A server that listens; a port may be taken, then on another. */
static struct real_server start(const char *command, const char *options, const char *key)
{
    for (int attempt = 0; attempt < 5; attempt++) {
        struct real_server s = launch(command, options, key);
        if (listens(&s))
            return s;
        close(s.input);
    }
    fail_msg("does not listen: %s", options);
    return (struct real_server){0};
}

/* Sends the hello and reads until there is an answer or an end. */
static struct hello_result ask(const struct real_server *s, struct hello *h, struct response *r)
{
    uint8_t out[HELLO_MAX];
    char in[700];
    enum response_state state = RESPONSE_MORE;
    struct hello_result result = {.cause = CAUSE_CLOSED, .reached = true, .alert = -1};
    int fd = connect_to(s->port);
    struct timeval patience = {.tv_sec = 20};
    ssize_t n;

    assert_true(fd >= 0);
    h->random = client_random;
    h->name = "name.example.test";
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    response_init(r, h, room, NULL);
    size_t len = hello_build(h, out);
    assert_int_equal(write(fd, out, len), (ssize_t)len);
    while (state == RESPONSE_MORE && (n = read(fd, in, sizeof in)) > 0)
        state = response_feed(r, (struct span){in, (size_t)n});
    if (state == RESPONSE_MORE && n < 0)
        result.cause = errno == ECONNRESET ? CAUSE_RESET : CAUSE_TIMEOUT;
    close(fd);
    if (r->greeted) {
        result.cause = CAUSE_NONE;
        result.hello = r->hello;
    } else if (state == RESPONSE_ALERT) {
        result.cause = CAUSE_ALERT;
        result.alert = r->alert;
    } else if (state != RESPONSE_MORE) {
        result.cause = CAUSE_PROTOCOL;
    }
    return result;
}

static void assert_certificate(const struct response *r, const char *key)
{
    char path[64];
    static uint8_t expected[8192];
    struct span found;
    size_t at = 0;

    snprintf(path, sizeof path, "%s/%s.der", directory, key);
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    size_t len = fread(expected, 1, sizeof expected, in);
    fclose(in);
    assert_true(response_certificate(r, &at, &found));
    assert_int_equal(found.len, len);
    assert_memory_equal(found.at, expected, len);
    assert_false(response_certificate(r, &at, &found));
}

/* What a server of one kind must turn out to be. */
struct expectation {
    const char *options, *key;
    unsigned versions;
    unsigned suite; /* of every version up to TLS 1.2, 0: any */
};

#define BIT(v) (1U << (v))
#define T10 BIT(VERSION_TLS10)
#define T11 BIT(VERSION_TLS11)
#define T12 BIT(VERSION_TLS12)
#define T13 BIT(VERSION_TLS13)

static void find_versions(const struct real_server *s, const struct expectation *e, bool exhaustive)
{
    static struct response r;
    struct version_fact facts[VERSION_COUNT] = {{.status = VERSION_NOT_TESTED}};
    struct ladder l;
    struct hello h = {.highest = VERSION_TLS13};

    ladder_init(&l, facts, exhaustive);
    while (ladder_next(&l, &h)) {
        struct hello_result result = ask(s, &h, &r);
        ladder_absorb(&l, &h, &result);
        if (result.cause == CAUSE_NONE && result.hello.version <= VERSION_TLS12) {
            if (e->key)
                assert_certificate(&r, e->key);
            assert_int_equal(r.certified, e->key != NULL);
            if (e->suite)
                assert_int_equal(result.hello.suite, e->suite);
        }
    }
    ladder_finish(&l, CAUSE_NOT_ASKED);
    for (int v = VERSION_SSL2; v < VERSION_COUNT; v++) {
        enum version_status expected = e->versions & BIT(v) ? VERSION_ACCEPTED : VERSION_REJECTED;
        if (facts[v].status != expected)
            fail_msg("%s: number %d has status %d, not %d (reason %s)", e->options, v,
                     facts[v].status, expected, cause_name(facts[v].reason));
        if (expected == VERSION_ACCEPTED)
            assert_non_null(suite_name(facts[v].suite));
    }
}

/* OpenSSL refuses by alert 70: hellos below the lowest version, and TLS 1.3 alone where it is
   not there. (GnuTLS has other alerts for it, and without TLS 1.3 it does not read
   supported_versions.) */
static void check_alerts(const struct real_server *s, const struct expectation *e)
{
    static struct response r;
    int lowest = VERSION_SSL3;
    while (!(e->versions & BIT(lowest)))
        lowest++;
    for (int v = VERSION_TLS10; v < lowest; v++) {
        struct hello h = {.highest = (enum version)v};
        struct hello_result result = ask(s, &h, &r);
        assert_int_equal(result.cause, CAUSE_ALERT);
        assert_int_equal(result.alert, 70);
    }
    if (e->versions & T13)
        return;
    struct hello alone = {.highest = VERSION_TLS13, .alone = true, .with_share = true};
    struct hello_result result = ask(s, &alone, &r);
    assert_int_equal(result.cause, CAUSE_ALERT);
    assert_int_equal(result.alert, 70);
}

static void check_servers(const char *command, const struct expectation *cases, size_t count,
                          bool openssl)
{
    for (size_t i = 0; i < count; i++) {
        struct real_server s =
            start(command, cases[i].options, cases[i].key ? cases[i].key : "rsa");
        find_versions(&s, &cases[i], false);
        find_versions(&s, &cases[i], true);
        if (openssl)
            check_alerts(&s, &cases[i]);
        stop(&s);
    }
}

static void test_openssl(void **state)
{
    static const struct expectation cases[] = {
        {"-tls1 -cipher ALL:@SECLEVEL=0", "rsa", T10, 0},
        {"-tls1 -cipher AES128-SHA:@SECLEVEL=0", "rsa", T10, 0x002f},
        {"-tls1_1 -cipher ALL:@SECLEVEL=0", "rsa", T11, 0},
        {"-tls1_1 -cipher DHE-RSA-AES256-SHA:@SECLEVEL=0", "rsa", T11, 0x0039},
        {"-tls1_2 -cipher ALL:@SECLEVEL=0", "rsa", T12, 0},
        {"-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256", "rsa", T12, 0xc02f},
        {"-tls1_2 -cipher ECDHE-ECDSA-CHACHA20-POLY1305", "ec", T12, 0xcca9},
        {"-tls1_2 -cipher AES256-GCM-SHA384", "rsa", T12, 0x009d},
        {"-tls1_2 -nocert -cipher aNULL:@SECLEVEL=0", NULL, T12, 0},
        {"-tls1_3", "rsa", T13, 0},
        {"-tls1_3 -groups P-521", "ec", T13, 0},
        {"-tls1_3 -groups ffdhe4096", "rsa", T13, 0},
        {"-tls1_3 -ciphersuites TLS_AES_128_CCM_8_SHA256", "rsa", T13, 0},
        {"-min_protocol TLSv1 -cipher ALL:@SECLEVEL=0", "rsa", T10 | T11 | T12 | T13, 0},
        {"-min_protocol TLSv1 -cipher ALL:@SECLEVEL=0", "ec", T10 | T11 | T12 | T13, 0},
        {"-min_protocol TLSv1 -max_protocol TLSv1.1 -cipher ALL:@SECLEVEL=0", "ec", T10 | T11, 0},
        {"-min_protocol TLSv1.1 -max_protocol TLSv1.2 -cipher ALL:@SECLEVEL=0", "rsa", T11 | T12,
         0},
        {"-min_protocol TLSv1.2 -no_ticket", "rsa", T12 | T13, 0},
        {"-min_protocol TLSv1 -no_tls1_2 -cipher ALL:@SECLEVEL=0", "rsa", T10 | T11 | T13, 0},
        {"-tls1_2 -Verify 1", "rsa", T12, 0}, /* it wants a certificate of ours */
    };
    (void)state;
    if (!has_program("openssl"))
        skip();
    check_servers(
        "exec openssl s_server -accept $ADDRESS:$PORT -quiet -cert $CERT -key $KEY $OPTIONS", cases,
        sizeof cases / sizeof *cases, true);
}

static void test_gnutls(void **state)
{
    static const struct expectation cases[] = {
        {"NORMAL:-VERS-ALL:+VERS-TLS1.0", "rsa", T10, 0},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.1", "rsa", T11, 0},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.2", "ec", T12, 0},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.3", "rsa", T13, 0},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.3:-GROUP-ALL:+GROUP-X448", "ec", T13, 0},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2", "rsa", T12 | T13, 0},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.2:+VERS-TLS1.0", "ec", T10 | T12, 0},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:+VERS-TLS1.1:+VERS-TLS1.0", "rsa",
         T10 | T11 | T12 | T13, 0},
    };
    (void)state;
    if (!has_program("gnutls-serv") || !has_program("openssl"))
        skip();
    /* It has no option for the address, and listens on all. */
    check_servers("GNUTLS_SYSTEM_PRIORITY_FILE=/dev/null exec gnutls-serv --echo --port $PORT "
                  "--x509certfile $CERT --x509keyfile $KEY --priority $OPTIONS",
                  cases, sizeof cases / sizeof *cases, false);
}

/* Old curves are offered behind the usual ones, wherever all suites are: secp256k1, sect283k1. */
static void test_rare_groups(void **state)
{
    static const enum version versions[] = {VERSION_TLS10, VERSION_TLS11, VERSION_TLS12,
                                            VERSION_TLS13};
    static const uint8_t random[HELLO_RANDOM];
    (void)state;
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        uint8_t out[HELLO_MAX];
        struct hello h = {.highest = versions[i],
                          .part = 1,
                          .random = random,
                          .with_share = versions[i] == VERSION_TLS13};
        size_t len = hello_build(&h, out);
        assert_non_null(memmem(out, len, "\x00\x15\x00\x16\x00\x13", 6));
        assert_non_null(memmem(out, len, "\x00\x08\x00\x09\x00\x0a", 6));
    }
}

/* What was not offered proves nothing; nor does a suite that its version does not have. */
static void test_offers(void **state)
{
    static const struct {
        enum version highest, version;
        uint32_t suite;
        bool offered;
    } cases[] = {
        {VERSION_TLS12, VERSION_TLS12, 0xc02f, true},
        {VERSION_TLS10, VERSION_TLS10, 0x002f, true},
        {VERSION_TLS12, VERSION_TLS11, 0xc013, true},
        {VERSION_TLS10, VERSION_TLS10, 0xc02f, false},
        {VERSION_TLS12, VERSION_TLS10, 0x009c, false},
        {VERSION_TLS12, VERSION_TLS11, 0xcca8, false},
        {VERSION_TLS12, VERSION_TLS12, 0x1301, false},
        {VERSION_TLS13, VERSION_TLS13, 0x1301, true},
        {VERSION_TLS13, VERSION_TLS13, 0xc02f, false},
        {VERSION_TLS12, VERSION_TLS12, 0xfefe, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hello h = {.highest = cases[i].highest};
        struct server_hello answer = {.version = cases[i].version, .suite = cases[i].suite};
        assert_int_equal(hello_offers(&h, &answer), cases[i].offered);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_build),
        cmocka_unit_test(test_offers),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_rare_groups),
        cmocka_unit_test(test_versions_chosen),
        cmocka_unit_test(test_tls13),
        cmocka_unit_test(test_tls13_not_believed),
        cmocka_unit_test(test_retry_without_version),
        cmocka_unit_test(test_sentinel),
        cmocka_unit_test(test_fragments),
        cmocka_unit_test(test_no_certificate),
        cmocka_unit_test(test_broken_certificates),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_large_certificate),
        cmocka_unit_test(test_alerts),
        cmocka_unit_test(test_alert_in_two_records),
        cmocka_unit_test(test_interrupted),
        cmocka_unit_test(test_warnings),
        cmocka_unit_test(test_alert_behind_hello),
        cmocka_unit_test(test_not_tls),
        cmocka_unit_test(test_cut_hello),
        cmocka_unit_test(test_ssl2),
        cmocka_unit_test(test_ssl2_broken),
        cmocka_unit_test(test_openssl),
        cmocka_unit_test(test_gnutls),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("hello", tests, make_certificates, remove_certificates);
}
