/* SPDX-License-Identifier: MIT */
/* Certificates made for the purpose: what is read out of them, and which chains are good for
   whom and when. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509-ext.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <unistd.h>

#include "scanner/chains.h"

GNUTLS_SKIP_GLOBAL_INIT

#define DAY ((time_t)24 * 60 * 60)
#define NOW ((time_t)1795392000) /* 2026-11-23 */

/* --- making them ------------------------------------------------------------------------------ */

enum key { KEY_ROOT, KEY_MIDDLE, KEY_LEAF, KEY_STRANGER, KEY_RSA, KEY_COUNT };

static gnutls_x509_privkey_t keys[KEY_COUNT];

/* What a certificate is to say; what is not given has a sensible value. */
struct plan {
    const char *subject, *issuer; /* common names              */
    enum key key, signer;
    const char *const *names; /* DNS, NULL at the end      */
    const char *address;      /* IP                        */
    time_t from, until;
    bool authority;
    gnutls_digest_algorithm_t digest;
    const char *purpose;
};

#define MUST(call) assert_true((call) >= 0)

static gnutls_x509_crt_t draft(const struct plan *p)
{
    gnutls_x509_crt_t crt;
    MUST(gnutls_x509_crt_init(&crt));
    MUST(gnutls_x509_crt_set_version(crt, 3));
    MUST(gnutls_x509_crt_set_serial(crt, "\x04\xa1\xf3\xc2", 4));
    if (*p->subject)
        MUST(gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, p->subject,
                                           (unsigned)strlen(p->subject)));
    MUST(gnutls_x509_crt_set_key(crt, keys[p->key]));
    MUST(gnutls_x509_crt_set_activation_time(crt, p->from ? p->from : NOW - 10 * DAY));
    MUST(gnutls_x509_crt_set_expiration_time(crt, p->until ? p->until : NOW + 10 * DAY));
    for (size_t i = 0; p->names && p->names[i]; i++)
        MUST(gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, p->names[i],
                                                  (unsigned)strlen(p->names[i]),
                                                  GNUTLS_FSAN_APPEND));
    if (p->address) {
        unsigned char octets[16];
        bool v6 = strchr(p->address, ':') != NULL;
        inet_pton(v6 ? AF_INET6 : AF_INET, p->address, octets);
        MUST(gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, octets, v6 ? 16 : 4,
                                                  GNUTLS_FSAN_APPEND));
    }
    if (p->authority) {
        MUST(gnutls_x509_crt_set_basic_constraints(crt, 1, -1));
        MUST(gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN));
    }
    if (p->purpose)
        MUST(gnutls_x509_crt_set_key_purpose_oid(crt, p->purpose, 0));
    return crt;
}

/* Signs it with the key of somebody of that name. The DER lives until the end. */
static struct span sign(gnutls_x509_crt_t crt, const struct plan *p)
{
    struct plan issuer = {
        .subject = p->issuer ? p->issuer : p->subject, .key = p->signer, .authority = true};
    gnutls_x509_crt_t by = draft(&issuer);
    gnutls_datum_t der;
    MUST(gnutls_x509_crt_sign2(crt, by, keys[p->signer], p->digest ? p->digest : GNUTLS_DIG_SHA256,
                               0));
    MUST(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_DER, &der));
    gnutls_x509_crt_deinit(by);
    gnutls_x509_crt_deinit(crt);
    return (struct span){(const char *)der.data, der.size};
}

static struct span make(struct plan p)
{
    return sign(draft(&p), &p);
}

static void forget(struct span der)
{
    union {
        const char *in;
        void *out;
    } pointer = {der.at};
    gnutls_free(pointer.out);
}

static const char *const mail_names[] = {"mail.example.test", "*.wild.example.test", NULL};

static struct span root, middle, leaf; /* leaf <- middle <- root */
static struct trust *trust;
static struct chains *store; /* all that the tests below verify goes through it as well */
static char root_file[] = "/tmp/test-certificate-XXXXXX";

static const struct plan root_plan = {
    .subject = "Root", .key = KEY_ROOT, .signer = KEY_ROOT, .authority = true};
static const struct plan middle_plan = {.subject = "Middle",
                                        .issuer = "Root",
                                        .key = KEY_MIDDLE,
                                        .signer = KEY_ROOT,
                                        .authority = true};
static const struct plan leaf_plan = {.subject = "Leaf",
                                      .issuer = "Middle",
                                      .key = KEY_LEAF,
                                      .signer = KEY_MIDDLE,
                                      .names = mail_names};

static void write_pem(int fd, struct span der)
{
    union {
        const char *in;
        unsigned char *out;
    } pointer = {der.at};
    gnutls_datum_t pem, data = {pointer.out, (unsigned)der.len};
    MUST(gnutls_pem_base64_encode2("CERTIFICATE", &data, &pem));
    assert_int_equal(write(fd, pem.data, pem.size), pem.size);
    gnutls_free(pem.data);
}

static int set_up(void **state)
{
    (void)state;
    for (int k = 0; k < KEY_COUNT; k++) {
        MUST(gnutls_x509_privkey_init(&keys[k]));
        MUST(k == KEY_RSA ? gnutls_x509_privkey_generate(keys[k], GNUTLS_PK_RSA, 2048, 0)
                          : gnutls_x509_privkey_generate(
                                keys[k], GNUTLS_PK_ECDSA,
                                GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0));
    }
    root = make(root_plan);
    middle = make(middle_plan);
    leaf = make(leaf_plan);
    int fd = mkstemp(root_file);
    assert_true(fd >= 0);
    write_pem(fd, root);
    close(fd);
    trust = trust_new(root_file, stderr);
    store = trust ? chains_new(trust) : NULL;
    return store ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    chains_free(store);
    trust_free(trust);
    unlink(root_file);
    forget(root);
    forget(middle);
    forget(leaf);
    for (int k = 0; k < KEY_COUNT; k++)
        gnutls_x509_privkey_deinit(keys[k]);
    return 0;
}

/* --- with and without the store --------------------------------------------------------------- */

static void assert_same_list(const struct list *a, const struct list *b)
{
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->octets, b->octets);
    assert_true(a->lossy == b->lossy && a->full == b->full);
    for (size_t i = 0; i < a->count; i++)
        assert_string_equal(a->items[i], b->items[i]);
}

static void assert_same_certificate(const struct certificate *a, const struct certificate *b)
{
    assert_memory_equal(a->sha256, b->sha256, 32);
    assert_memory_equal(a->spki_sha256, b->spki_sha256, 32);
    assert_string_equal(a->serial, b->serial);
    assert_string_equal(a->subject.data, b->subject.data);
    assert_string_equal(a->issuer.data, b->issuer.data);
    assert_true(a->subject.lossy == b->subject.lossy && a->issuer.lossy == b->issuer.lossy);
    assert_same_list(&a->names, &b->names);
    assert_same_list(&a->addresses, &b->addresses);
    assert_same_list(&a->key_usage, &b->key_usage);
    assert_same_list(&a->purposes, &b->purposes);
    assert_true(a->not_before == b->not_before && a->not_after == b->not_after);
    assert_string_equal(a->key_algorithm, b->key_algorithm);
    assert_int_equal(a->key_bits, b->key_bits);
    assert_string_equal(a->signature_algorithm, b->signature_algorithm);
    assert_int_equal(a->self_signed, b->self_signed);
    assert_int_equal(a->version, b->version);
    assert_true(a->ocsp == b->ocsp && a->issuer_url == b->issuer_url &&
                a->must_staple == b->must_staple && a->timestamped == b->timestamped);
}

/* What the store says of these, the first time and the second, is what is said without it. */
static void assert_same(const struct span *ders, size_t count, const char *name,
                        const struct address *address, time_t now, const struct verification *v)
{
    for (int times = 0; times < 2; times++) {
        struct chain plain = {0}, chain = {0};
        struct verification w = {0};
        assert_true(chain_read(&plain, ders, count));
        assert_true(chains_read(store, &chain, ders, count));
        assert_int_equal(chain.count, plain.count);
        for (size_t i = 0; i < chain.count; i++)
            assert_same_certificate(&chain.certificates[i], &plain.certificates[i]);
        assert_int_equal(chains_verify(store, &chain, ders, name, address, now, &w), count > 0);
        if (count) {
            if (w.name_match != v->name_match)
                fail_msg("%s: %d, not %d", name ? name : "address", w.name_match, v->name_match);
            assert_true(w.trusted == v->trusted && w.own_roots == v->own_roots);
            assert_int_equal(w.unknown, v->unknown);
            assert_same_list(&w.errors, &v->errors);
        }
        verification_free(&w);
        chain_free(&chain);
        chain_free(&plain);
    }
}

static void verify(const struct span *ders, size_t count, const char *name,
                   const struct address *address, time_t now, struct verification *v)
{
    assert_true(chain_verify(trust, ders, count, name, address, now, v));
    assert_same(ders, count, name, address, now, v);
}

/* --- what a certificate says ------------------------------------------------------------------ */

static struct certificate *read_one(struct chain *chain, struct span der)
{
    assert_true(chain_read(chain, &der, 1));
    assert_int_equal(chain->count, 1);
    return &chain->certificates[0];
}

static void test_facts(void **state)
{
    struct plan p = leaf_plan;
    struct chain chain;
    unsigned char sha256[32];
    (void)state;
    p.address = "192.0.2.25";
    p.purpose = GNUTLS_KP_TLS_WWW_SERVER;
    gnutls_x509_crt_t crt = draft(&p);
    MUST(gnutls_x509_crt_set_key_usage(crt,
                                       GNUTLS_KEY_DIGITAL_SIGNATURE | GNUTLS_KEY_KEY_ENCIPHERMENT));
    MUST(gnutls_x509_crt_set_key_purpose_oid(crt, "1.2.3.4", 0));
    unsigned char v6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
    MUST(gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, v6, 16,
                                              GNUTLS_FSAN_APPEND));
    struct span der = sign(crt, &p);

    struct certificate *c = read_one(&chain, der);
    assert_int_equal(c->version, 3);
    gnutls_hash_fast(GNUTLS_DIG_SHA256, der.at, der.len, sha256);
    assert_memory_equal(c->sha256, sha256, 32);
    assert_string_equal(c->serial, "04a1f3c2");
    assert_string_equal(c->subject.data, "CN=Leaf");
    assert_string_equal(c->issuer.data, "CN=Middle");
    assert_false(c->self_signed);
    assert_int_equal(c->names.count, 2);
    assert_true(list_has(&c->names, "mail.example.test"));
    assert_true(list_has(&c->names, "*.wild.example.test"));
    assert_int_equal(c->addresses.count, 2);
    assert_true(list_has(&c->addresses, "192.0.2.25"));
    assert_true(list_has(&c->addresses, "2001:db8::1"));
    assert_int_equal(c->not_before, NOW - 10 * DAY);
    assert_int_equal(c->not_after, NOW + 10 * DAY);
    assert_string_equal(c->key_algorithm, "ec");
    assert_int_equal(c->key_bits, 256);
    assert_string_equal(c->signature_algorithm, "ECDSA-SHA256");
    assert_true(list_has(&c->key_usage, "digitalSignature"));
    assert_true(list_has(&c->key_usage, "keyEncipherment"));
    assert_int_equal(c->key_usage.count, 2);
    assert_true(list_has(&c->purposes, "serverAuth"));
    assert_true(list_has(&c->purposes, "1.2.3.4"));
    chain_free(&chain);
    forget(der);
}

static void test_bare(void **state)
{
    struct chain chain;
    struct span der = make((struct plan){.subject = "", .key = KEY_RSA, .signer = KEY_RSA});
    (void)state;
    struct certificate *c = read_one(&chain, der);
    assert_true(c->version == 3 && c->self_signed);
    assert_string_equal(c->subject.data, "");
    assert_string_equal(c->issuer.data, "");
    assert_int_equal(c->names.count + c->addresses.count + c->key_usage.count + c->purposes.count,
                     0);
    assert_string_equal(c->key_algorithm, "rsa");
    assert_int_equal(c->key_bits, 2048);
    assert_string_equal(c->signature_algorithm, "RSA-SHA256");
    chain_free(&chain);
    forget(der);
}

static void add_access(gnutls_x509_crt_t crt, int what)
{
    unsigned char url[] = "http://pki.example.test/";
    gnutls_datum_t data = {url, sizeof url - 1};
    MUST(gnutls_x509_crt_set_authority_info_access(crt, what, &data));
}

/* RFC 7633: a list of numbers of TLS extensions. */
static void add_feature(gnutls_x509_crt_t crt, char feature)
{
    const char list[] = {0x30, 0x03, 0x02, 0x01, feature};
    MUST(gnutls_x509_crt_set_extension_by_oid(crt, "1.3.6.1.5.5.7.1.24", list, sizeof list, 0));
}

static void add_timestamps(gnutls_x509_crt_t crt, const char *octets, size_t size)
{
    MUST(gnutls_x509_crt_set_extension_by_oid(crt, "1.3.6.1.4.1.11129.2.4.2", octets, size, 0));
}

enum extra {
    EXTRA_OCSP = 1,
    EXTRA_ISSUER = 2,
    EXTRA_STAPLE = 4,
    EXTRA_OTHER_FEATURE = 8,
    EXTRA_TIMESTAMPS = 16,
    EXTRA_NO_TIMESTAMPS = 32
};

/* Each extension by itself, then all of them: none is taken for another. */
static void test_extras(void **state)
{
    static const unsigned cases[] = {0,
                                     EXTRA_OCSP,
                                     EXTRA_ISSUER,
                                     EXTRA_STAPLE,
                                     EXTRA_OTHER_FEATURE,
                                     EXTRA_TIMESTAMPS,
                                     EXTRA_NO_TIMESTAMPS,
                                     EXTRA_OCSP | EXTRA_ISSUER | EXTRA_STAPLE | EXTRA_TIMESTAMPS};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct chain chain;
        gnutls_x509_crt_t crt = draft(&leaf_plan);
        if (cases[i] & EXTRA_OCSP)
            add_access(crt, GNUTLS_IA_OCSP_URI);
        if (cases[i] & EXTRA_ISSUER)
            add_access(crt, GNUTLS_IA_CAISSUERS_URI);
        if (cases[i] & EXTRA_STAPLE)
            add_feature(crt, 5);
        if (cases[i] & EXTRA_OTHER_FEATURE)
            add_feature(crt, 23);
        if (cases[i] & EXTRA_TIMESTAMPS)
            add_timestamps(crt, "\x04\x05\x00\x03\x00\x01x", 7);
        if (cases[i] & EXTRA_NO_TIMESTAMPS)
            add_timestamps(crt, "\x04\x02\x00\x00", 4);
        struct span der = sign(crt, &leaf_plan);
        struct certificate *c = read_one(&chain, der);
        assert_int_equal(c->version, 3);
        assert_int_equal(c->ocsp, (cases[i] & EXTRA_OCSP) != 0);
        assert_int_equal(c->issuer_url, (cases[i] & EXTRA_ISSUER) != 0);
        assert_int_equal(c->must_staple, (cases[i] & EXTRA_STAPLE) != 0);
        assert_int_equal(c->timestamped, (cases[i] & EXTRA_TIMESTAMPS) != 0);
        chain_free(&chain);
        forget(der);
    }
}

/* The second place of authorityInfoAccess counts too. */
static void test_access_of_both_kinds(void **state)
{
    struct chain chain;
    gnutls_x509_crt_t crt = draft(&leaf_plan);
    (void)state;
    for (int i = 0; i < 3; i++)
        add_access(crt, GNUTLS_IA_CAISSUERS_URI);
    add_access(crt, GNUTLS_IA_OCSP_URI);
    struct span der = sign(crt, &leaf_plan);
    struct certificate *c = read_one(&chain, der);
    assert_true(c->ocsp && c->issuer_url);
    chain_free(&chain);
    forget(der);
}

static void test_version(void **state)
{
    struct plan p = {.subject = "Old", .key = KEY_LEAF, .signer = KEY_LEAF}; /* no extensions */
    struct chain chain;
    gnutls_x509_crt_t crt = draft(&p);
    (void)state;
    MUST(gnutls_x509_crt_set_version(crt, 1));
    struct span der = sign(crt, &p);
    assert_int_equal(read_one(&chain, der)->version, 1);
    chain_free(&chain);
    forget(der);
}

/* An authority and a server of the same name: the identifiers of their keys tell them apart. */
static void test_name_of_the_issuer(void **state)
{
    struct plan p = {.subject = "Same", .key = KEY_LEAF, .signer = KEY_ROOT};
    struct chain chain;
    (void)state;
    for (int other = 0; other < 2; other++) {
        gnutls_x509_crt_t crt = draft(&p);
        MUST(gnutls_x509_crt_set_subject_key_id(crt, "leaf", 4));
        MUST(gnutls_x509_crt_set_authority_key_id(crt, other ? "root" : "leaf", 4));
        struct span der = sign(crt, &p);
        assert_int_equal(read_one(&chain, der)->self_signed, !other);
        chain_free(&chain);
        forget(der);
    }
}

/* The hash is known of whatever was sent. */
static void test_garbage(void **state)
{
    struct span ders[] = {
        span_of(""), span_of("garbage"), {leaf.at, leaf.len / 2}, {leaf.at, leaf.len - 1}};
    struct chain chain;
    (void)state;
    assert_true(chain_read(&chain, ders, 4));
    for (size_t i = 0; i < 4; i++) {
        unsigned char sha256[32];
        gnutls_hash_fast(GNUTLS_DIG_SHA256, ders[i].at, ders[i].len, sha256);
        assert_int_equal(chain.certificates[i].unreadable, CERTIFICATE_NOTHING);
        assert_int_equal(chain.certificates[i].version, 0);
        assert_string_equal(chain.certificates[i].key_algorithm, "");
        assert_string_equal(chain.certificates[i].signature_algorithm, "");
        assert_memory_equal(chain.certificates[i].sha256, sha256, 32);
        assert_string_equal(chain.certificates[i].subject.data, "");
    }
    chain_free(&chain);
    assert_true(chain_read(&chain, NULL, 0));
    assert_int_equal(chain.count, 0);
    chain_free(&chain);
}

/* Any octet of a certificate may be wrong. */
static void test_every_octet(void **state)
{
    static const unsigned char masks[] = {0x01, 0x80, 0xff};
    (void)state;
    for (size_t i = 0; i < leaf.len; i++)
        for (size_t m = 0; m < sizeof masks; m++) {
            const char *name = "mail.example.test";
            struct verification v = {0};
            struct address address = {.family = AF_INET};
            char *copy = malloc(leaf.len);
            assert_non_null(copy);
            memcpy(copy, leaf.at, leaf.len);
            copy[i] = (char)(copy[i] ^ masks[m]);
            struct span ders[] = {{copy, leaf.len}, middle};
            assert_true(chain_verify(trust, ders, 2, name, &address, NOW, &v));
            if (m == i % sizeof masks) /* a third is enough */
                assert_same(ders, 2, name, &address, NOW, &v);
            assert_false(v.trusted); /* the signature is over every octet but its own */
            assert_true(v.errors.count > 0 || v.unknown != CAUSE_NONE);
            verification_free(&v);
            free(copy);
        }
}

static void test_chain_of_twenty(void **state)
{
    struct span ders[20];
    struct chain chain;
    (void)state;
    for (size_t i = 0; i < 20; i++)
        ders[i] = leaf;
    assert_true(chain_read(&chain, ders, 20));
    assert_int_equal(chain.count, CHAIN_MAX);
    chain_free(&chain);
}

/* --- hostile ones ----------------------------------------------------------------------------- */

/* A copy in which every octet that is the mark has been changed; the signature is wrong then. */
static struct span with_mark(struct span der, char mark, char octet)
{
    char *copy = gnutls_malloc(der.len);
    assert_non_null(copy);
    for (size_t i = 0; i < der.len; i++)
        copy[i] = der.at[i] == mark && i > 1 && der.at[i - 1] == 't' && der.at[i + 1] == '.'
                      ? octet
                      : der.at[i];
    return (struct span){copy, der.len};
}

/* "mail.example.test" and a NUL, in the name that was certified for another. */
static void test_nul_in_name(void **state)
{
    static const char *const names[] = {"mail.example.test#.evil.test", NULL};
    struct plan p = leaf_plan;
    struct address address = {.family = AF_INET};
    struct chain chain;
    struct verification v = {0};
    (void)state;
    p.names = names;
    p.subject = "mail.example.test#.evil.test";
    struct span honest = make(p), ders[] = {with_mark(honest, '#', '\0'), middle};
    assert_memory_not_equal(honest.at, ders[0].at, honest.len);
    struct certificate *c = read_one(&chain, ders[0]);
    assert_int_equal(c->version, 3);
    assert_int_equal(c->names.count, 1);
    assert_string_equal(c->names.items[0], "mail.example.test\xef\xbf\xbd.evil.test");
    assert_true(c->names.lossy);
    verify(ders, 2, "mail.example.test", &address, NOW, &v);
    assert_int_equal(v.name_match, TRI_NO);
    assert_false(v.trusted);
    verification_free(&v);
    chain_free(&chain);
    forget(honest);
    forget(ders[0]);
}

static void test_invalid_utf8(void **state)
{
    static const char *const names[] = {"t#.test", NULL};
    struct plan p = {
        .subject = "M\xfcller \x1b[31m", .key = KEY_LEAF, .signer = KEY_LEAF, .names = names};
    struct chain chain;
    (void)state;
    struct span honest = make(p), der = with_mark(honest, '#', '\xfc');
    struct certificate *c = read_one(&chain, der);
    for (const char *s = c->subject.data; *s; s++)
        assert_true((unsigned char)*s >= ' ' && (unsigned char)*s != 0xfc);
    assert_int_equal(c->names.count, 1);
    assert_string_equal(c->names.items[0], "t\xef\xbf\xbd.test");
    assert_true(c->names.lossy);
    chain_free(&chain);
    forget(honest);
    forget(der);
}

static void add_names(gnutls_x509_crt_t crt, unsigned count)
{
    char name[64];
    for (unsigned i = 0; i < count; i++) {
        snprintf(name, sizeof name, "host-%u.example.test", i);
        MUST(gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, name,
                                                  (unsigned)strlen(name), GNUTLS_FSAN_APPEND));
    }
}

static void test_many_names(void **state)
{
    struct plan p = {.subject = "Leaf", .issuer = "Middle", .key = KEY_LEAF, .signer = KEY_MIDDLE};
    struct address address = {.family = AF_INET};
    struct chain chain;
    struct verification v = {0};
    (void)state;
    gnutls_x509_crt_t crt = draft(&p);
    add_names(crt, 300);
    struct span ders[] = {sign(crt, &p), middle};
    struct certificate *c = read_one(&chain, ders[0]);
    assert_int_equal(c->names.count, LIST_ITEMS_MAX);
    assert_true(c->names.full);
    verify(ders, 2, "host-299.example.test", &address, NOW, &v);
    assert_int_equal(v.name_match, TRI_YES);
    assert_true(v.trusted);
    verification_free(&v);
    chain_free(&chain);
    forget(ders[0]);
}

/* The address of a server stands behind many names. */
static void test_address_behind_names(void **state)
{
    struct plan p = {.subject = "Leaf", .issuer = "Middle", .key = KEY_LEAF, .signer = KEY_MIDDLE};
    struct address address = {.family = AF_INET, .bytes = {192, 0, 2, 25}};
    struct chain chain;
    struct verification v = {0};
    (void)state;
    gnutls_x509_crt_t crt = draft(&p);
    add_names(crt, 300);
    MUST(gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, address.bytes, 4,
                                              GNUTLS_FSAN_APPEND));
    struct span ders[] = {sign(crt, &p), middle};
    struct certificate *c = read_one(&chain, ders[0]);
    assert_true(list_has(&c->addresses, "192.0.2.25"));
    verify(ders, 2, NULL, &address, NOW, &v);
    assert_int_equal(v.name_match, TRI_YES);
    verification_free(&v);
    chain_free(&chain);
    forget(ders[0]);
}

/* More addresses than are listed: the last one counts as well. */
static void test_many_addresses(void **state)
{
    static const unsigned counts[] = {254, 255, 256, 257, 520};
    (void)state;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct address address = {.family = AF_INET, .bytes = {192, 0, 2, 25}};
        struct plan p = leaf_plan;
        struct verification v = {0};
        gnutls_subject_alt_names_t sans;
        gnutls_datum_t ext;
        p.names = NULL;
        MUST(gnutls_subject_alt_names_init(&sans));
        for (unsigned n = 0; n < counts[i]; n++) {
            unsigned char octets[4] = {10, 0, (unsigned char)(n >> 8), (unsigned char)n};
            gnutls_datum_t one = {n + 1 < counts[i] ? octets : address.bytes, 4};
            MUST(gnutls_subject_alt_names_set(sans, GNUTLS_SAN_IPADDRESS, &one, NULL));
        }
        MUST(gnutls_x509_ext_export_subject_alt_names(sans, &ext));
        gnutls_x509_crt_t crt = draft(&p);
        MUST(gnutls_x509_crt_set_extension_by_oid(crt, GNUTLS_X509EXT_OID_SAN, ext.data, ext.size,
                                                  0));
        struct span ders[] = {sign(crt, &p), middle};
        verify(ders, 2, NULL, &address, NOW, &v);
        assert_int_equal(v.name_match, TRI_YES);
        verification_free(&v);
        gnutls_subject_alt_names_deinit(sans);
        gnutls_free(ext.data);
        forget(ders[0]);
    }
}

static void test_long_name(void **state)
{
    struct plan p = {.subject = "Leaf", .key = KEY_LEAF, .signer = KEY_LEAF};
    struct chain chain;
    char name[2000];
    (void)state;
    memset(name, 'n', sizeof name);
    gnutls_x509_crt_t crt = draft(&p);
    MUST(gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, name, sizeof name,
                                              GNUTLS_FSAN_APPEND));
    MUST(gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, "short.test", 10,
                                              GNUTLS_FSAN_APPEND));
    struct span der = sign(crt, &p);
    struct certificate *c = read_one(&chain, der);
    assert_true(list_has(&c->names, "short.test"));
    assert_true(c->names.lossy);
    chain_free(&chain);
    forget(der);
}

static void test_long_serial(void **state)
{
    struct plan p = {.subject = "Leaf", .key = KEY_LEAF, .signer = KEY_LEAF};
    unsigned char serial[40];
    struct chain chain;
    (void)state;
    for (unsigned i = 0; i < sizeof serial; i++)
        serial[i] = (unsigned char)(i + 1);
    for (size_t size = 1; size <= sizeof serial; size++) {
        gnutls_x509_crt_t crt = draft(&p);
        MUST(gnutls_x509_crt_set_serial(crt, serial, size));
        struct span der = sign(crt, &p);
        struct certificate *c = read_one(&chain, der);
        assert_int_equal(strlen(c->serial), size > 32 ? 64 : 2 * size);
        assert_memory_equal(c->serial, "01", 2);
        chain_free(&chain);
        forget(der);
    }
}

/* --- verification ----------------------------------------------------------------------------- */

/* Verifies and compares the errors, which are sorted and separated by blanks. */
static void assert_verdict(const struct span *ders, size_t count, const char *name, time_t now,
                           enum tri match, const char *errors)
{
    struct address address = {.family = AF_INET, .bytes = {192, 0, 2, 25}};
    struct verification v = {0};
    char found[256] = "";
    verify(ders, count, name, &address, now, &v);
    for (size_t i = 0; i < v.errors.count; i++)
        snprintf(found + strlen(found), sizeof found - strlen(found), "%s%s", i ? " " : "",
                 v.errors.items[i]);
    assert_string_equal(v.unknown == CAUSE_NONE ? found : cause_name(v.unknown), errors);
    assert_int_equal(v.trusted, !*errors);
    assert_true(v.own_roots);
    assert_int_equal(v.name_match, match);
    verification_free(&v);
}

static void assert_plan(struct plan p, const char *errors)
{
    struct span ders[] = {make(p), middle};
    assert_verdict(ders, 2, "mail.example.test", NOW, TRI_YES, errors);
    forget(ders[0]);
}

static void test_trusted(void **state)
{
    struct span whole[] = {leaf, middle, root}, turned[] = {leaf, root, middle},
                twice[] = {leaf, middle, middle};
    (void)state;
    assert_verdict(whole, 2, "mail.example.test", NOW, TRI_YES, "");
    assert_verdict(whole, 3, "mail.example.test", NOW, TRI_YES, "");
    assert_verdict(turned, 3, "mail.example.test", NOW, TRI_YES, "");
    assert_verdict(twice, 3, "mail.example.test", NOW, TRI_YES, "");
}

static void test_names_match(void **state)
{
    static const struct {
        const char *name;
        enum tri match;
    } cases[] = {
        {"mail.example.test", TRI_YES},    {"MAIL.Example.TEST", TRI_YES},
        {"a.wild.example.test", TRI_YES},  {"wild.example.test", TRI_NO},
        {"a.b.wild.example.test", TRI_NO}, {"example.test", TRI_NO},
        {"mail.example.test.x", TRI_NO},   {"Leaf", TRI_NO},
        {"xmail.example.test", TRI_NO},
    };
    struct span ders[] = {leaf, middle};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_verdict(ders, 2, cases[i].name, NOW, cases[i].match, "");
}

/* The lists of the store and the library agree, whatever is in the certificate or asked for. */
static void test_odd_names(void **state)
{
    const char words[] =
        "*.example.test *.test *.example.test. m*.example.test *.*.test * *. *.a..test "
        "MAIL.example.test mail.example.test. a..test x.a..test ..test .example.test mail.test "
        "xn--mgba.example.test 192.0.2.25 2001:db8::1 fe80::1 0x7f.1 b.mail.example.test "
        "_x.example.test test .";
    char odd[24][24];
    size_t count = 0;
    struct address address = {.family = AF_INET, .bytes = {192, 0, 2, 25}};
    unsigned matches = 0;
    (void)state;
    for (const char *at = words; *at; at += strspn(at, " ")) {
        size_t len = strcspn(at, " ");
        assert_true(count < sizeof odd / sizeof *odd);
        snprintf(odd[count++], sizeof *odd, "%.*s", (int)len, at);
        at += len;
    }
    for (size_t i = 0; i < count; i++) {
        const char *const names[] = {odd[i], NULL};
        struct plan p = leaf_plan;
        p.names = names;
        struct span ders[] = {make(p), middle};
        for (size_t j = 0; j < count; j++) {
            struct verification v = {0};
            verify(ders, 2, odd[j], &address, NOW, &v);
            matches += v.name_match == TRI_YES;
            verification_free(&v);
        }
        forget(ders[0]);
    }
    assert_in_range(matches, count / 2, 2 * count);
}

static void test_addresses_match(void **state)
{
    static const struct {
        const char *in_certificate;
        enum tri match;
    } cases[] = {{"192.0.2.25", TRI_YES},
                 {"192.0.2.26", TRI_NO},
                 {"2001:db8::1", TRI_NO},
                 {"::ffff:192.0.2.25", TRI_NO},
                 {NULL, TRI_UNKNOWN}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct plan p = leaf_plan;
        p.address = cases[i].in_certificate;
        struct span ders[] = {make(p), middle};
        assert_verdict(ders, 2, NULL, NOW, cases[i].match, "");
        forget(ders[0]);
    }
}

static void test_dates(void **state)
{
    struct span ders[] = {leaf, middle};
    (void)state;
    assert_verdict(ders, 2, "mail.example.test", NOW - 10 * DAY, TRI_YES, "");
    assert_verdict(ders, 2, "mail.example.test", NOW + 10 * DAY, TRI_YES, "");
    assert_verdict(ders, 2, "mail.example.test", NOW - 10 * DAY - 1, TRI_YES, "not_yet_valid");
    assert_verdict(ders, 2, "mail.example.test", NOW + 10 * DAY + 1, TRI_YES, "expired");
    struct plan p = leaf_plan;
    p.until = NOW - DAY;
    assert_plan(p, "expired");
    p.from = NOW + DAY;
    p.until = NOW + 2 * DAY;
    assert_plan(p, "not_yet_valid");
}

/* Servers go on sending certificates that nobody needs any more, like an old cross-signature of
   a root that everybody trusts by now. Only those on the way to the root count. */
static void test_expired_but_not_needed(void **state)
{
    struct plan old = {.subject = "Root",
                       .issuer = "Old Root",
                       .key = KEY_ROOT,
                       .signer = KEY_STRANGER,
                       .authority = true,
                       .until = NOW - DAY};
    struct span ders[] = {leaf, middle, make(old)};
    (void)state;
    assert_verdict(ders, 3, "mail.example.test", NOW, TRI_YES, "");
    forget(ders[2]);
    old = middle_plan;
    old.until = NOW - DAY;
    struct span way[] = {leaf, make(old)};
    assert_verdict(way, 2, "mail.example.test", NOW, TRI_YES, "expired");
    forget(way[1]);
}

/* RFC 5280 section 4.1.2.5: a certificate without a well-defined end has this one. */
static void test_no_end(void **state)
{
    struct plan p = leaf_plan;
    struct chain chain;
    (void)state;
    for (time_t before = 0; before < 600 * DAY; before += 500 * DAY) { /* and a date before it */
        const time_t end = 253402300799;                               /* 9999-12-31 23:59:59 */
        p.until = end - before;
        assert_plan(p, "");
        struct span der = make(p);
        assert_int_equal(read_one(&chain, der)->not_after, end - before);
        chain_free(&chain);
        forget(der);
    }
}

static void test_untrusted(void **state)
{
    struct plan stranger = {
        .subject = "Root", .key = KEY_STRANGER, .signer = KEY_STRANGER, .authority = true};
    struct plan p = leaf_plan;
    struct span alone[] = {leaf};
    (void)state;
    assert_verdict(alone, 1, "mail.example.test", NOW, TRI_YES, "unknown_issuer"); /* incomplete */

    struct span own = make(
        (struct plan){.subject = "Leaf", .key = KEY_LEAF, .signer = KEY_LEAF, .names = mail_names});
    assert_verdict(&own, 1, "mail.example.test", NOW, TRI_YES, "self_signed");
    assert_verdict(&own, 1, "other.test", NOW, TRI_NO, "self_signed");
    forget(own);

    p.issuer = "Root";
    p.signer = KEY_STRANGER; /* somebody who only has the name of the root */
    struct span ders[] = {make(p), make(stranger)};
    struct address address = {.family = AF_INET};
    struct verification v = {0};
    verify(ders, 2, "mail.example.test", &address, NOW, &v);
    assert_false(v.trusted);
    assert_true(v.errors.count > 0);
    verification_free(&v);
    forget(ders[0]);
    forget(ders[1]);
}

/* A certificate that is no authority has signed. */
static void test_signer_is_no_authority(void **state)
{
    struct plan p = leaf_plan;
    struct address address = {.family = AF_INET};
    struct verification v = {0};
    (void)state;
    p.issuer = "Leaf";
    p.signer = KEY_LEAF;
    p.key = KEY_STRANGER;
    struct span ders[] = {make(p), leaf, middle};
    verify(ders, 3, "mail.example.test", &address, NOW, &v);
    assert_false(v.trusted);
    assert_true(list_has(&v.errors, "issuer_not_a_ca"));
    verification_free(&v);
    forget(ders[0]);
}

static void test_weak_signature(void **state)
{
    struct plan p = leaf_plan;
    (void)state;
    p.digest = GNUTLS_DIG_SHA1;
    assert_plan(p, "insecure_algorithm");
}

static void test_unreadable(void **state)
{
    struct span ders[] = {span_of("garbage"), middle},
                behind[] = {leaf, middle, span_of("garbage")};
    (void)state;
    assert_verdict(ders, 2, "mail.example.test", NOW, TRI_UNKNOWN, "unreadable");
    assert_verdict(NULL, 0, "mail.example.test", NOW, TRI_UNKNOWN, "unreadable");
    assert_verdict(behind, 3, "mail.example.test", NOW, TRI_YES, "");
}

/* --- paths ------------------------------------------------------------------------------------ */

/* Roots of a file of their own. */
static struct trust *trust_in(const struct span *ders, size_t count)
{
    char file[] = "/tmp/test-certificate-XXXXXX";
    int fd = mkstemp(file);
    assert_true(fd >= 0);
    for (size_t i = 0; i < count; i++)
        write_pem(fd, ders[i]);
    close(fd);
    struct trust *t = trust_new(file, stderr);
    unlink(file);
    assert_non_null(t);
    return t;
}

static const char *verdict_in(const struct trust *t, const struct span *ders, size_t count)
{
    static char found[256];
    struct address address = {.family = AF_INET};
    struct verification v = {0};
    assert_true(chain_verify(t, ders, count, "mail.example.test", &address, NOW, &v));
    snprintf(found, sizeof found, "%s",
             v.trusted                 ? "trusted"
             : v.unknown != CAUSE_NONE ? cause_name(v.unknown)
             : v.errors.count          ? v.errors.items[0]
                                       : "?");
    verification_free(&v);
    return found;
}

/* As OpenSSL and GnuTLS have it: a root that is trusted may have expired all the same. */
static void test_dates_of_roots(void **state)
{
    struct plan old = root_plan, late = root_plan;
    (void)state;
    old.from = NOW - 900 * DAY;
    old.until = NOW - DAY;
    late.from = NOW + DAY;
    struct span ders[] = {leaf, middle}, roots[] = {make(old), make(late), root};
    struct trust *t = trust_in(roots, 1);
    assert_string_equal(verdict_in(t, ders, 2), "expired");
    trust_free(t);
    t = trust_in(roots + 1, 1);
    assert_string_equal(verdict_in(t, ders, 2), "not_yet_valid");
    trust_free(t);
    t = trust_in(roots, 3); /* one of the three is good */
    assert_string_equal(verdict_in(t, ders, 2), "trusted");
    struct span sent[] = {leaf, middle, roots[0]}; /* the old one is sent, the new one is known */
    assert_string_equal(verdict_in(t, sent, 3), "trusted");
    trust_free(t);
    forget(roots[0]);
    forget(roots[1]);
}

/* Several issuers of one name: one that expired, one with another key, one that cannot be read. */
static void test_many_issuers(void **state)
{
    struct plan old = middle_plan, other = middle_plan;
    (void)state;
    old.until = NOW - DAY;
    other.key = KEY_STRANGER;
    struct span a = make(old), b = make(other), c = {middle.at, middle.len - 1};
    struct span all[] = {leaf, a, b, c, span_of("garbage"), middle},
                turned[] = {leaf, middle, c, b, a}, none[] = {leaf, a, b}, cut[] = {leaf, b, c};
    assert_verdict(all, 6, "mail.example.test", NOW, TRI_YES, "");
    assert_verdict(turned, 5, "mail.example.test", NOW, TRI_YES, "");
    assert_verdict(none, 3, "mail.example.test", NOW, TRI_YES, "expired");
    assert_verdict(cut, 3, "mail.example.test", NOW, TRI_YES, "unreadable");
    forget(a);
    forget(b);
}

/* The first that are looked at lead nowhere: others behind them are not known. */
static void test_limits_of_paths(void **state)
{
    struct span ders[CHAIN_MAX + 2];
    struct plan p = middle_plan;
    (void)state;
    p.key = KEY_STRANGER;
    p.issuer = "Nobody";
    struct span stranger = make(p);
    ders[0] = leaf;
    for (size_t i = 1; i < CHAIN_MAX + 2; i++)
        ders[i] = stranger;
    assert_verdict(ders, CHAIN_MAX, "mail.example.test", NOW, TRI_YES, "unknown_issuer");
    assert_verdict(ders, CHAIN_MAX + 1, "mail.example.test", NOW, TRI_YES, "limit");
    assert_verdict(ders, CHAIN_MAX + 2, "mail.example.test", NOW + 11 * DAY, TRI_YES, "expired");
    ders[1] = middle;
    assert_verdict(ders, CHAIN_MAX + 2, "mail.example.test", NOW, TRI_YES, "");
    forget(stranger);
}

/* A row of authorities, as long as is looked at, in any order. */
static void test_long_chain(void **state)
{
    struct span ders[12], turned[12];
    char names[13][24];
    (void)state;
    for (int i = 0; i < 13; i++)
        snprintf(names[i], sizeof *names, "authority %d", i);
    for (int i = 0; i < 12; i++) {
        struct plan p = {.subject = names[i],
                         .issuer = i < 11 ? names[i + 1] : "Root",
                         .key = KEY_LEAF,
                         .signer = i < 11 ? KEY_LEAF : KEY_ROOT,
                         .names = i ? NULL : mail_names,
                         .authority = i > 0};
        ders[i] = make(p);
        turned[i ? 12 - i : 0] = ders[i];
    }
    assert_verdict(ders, 12, "mail.example.test", NOW, TRI_YES, "");
    assert_verdict(turned, 12, "mail.example.test", NOW, TRI_YES, "");
    for (int i = 0; i < 12; i++)
        forget(ders[i]);
}

/* --- what libraries would refuse to make ------------------------------------------------------ */

struct octets {
    char at[4096];
    size_t len;
};

/* An element of this tag around what stands behind the mark. */
static void wrap(struct octets *o, size_t mark, int tag)
{
    size_t len = o->len - mark;
    assert_true(o->len + 4 <= sizeof o->at);
    memmove(o->at + mark + 4, o->at + mark, len);
    memcpy(o->at + mark, (char[]){(char)tag, (char)0x82, (char)(len >> 8), (char)len}, 4);
    o->len += 4;
}

static void add(struct octets *o, const char *octets, size_t len)
{
    assert_true(o->len + len <= sizeof o->at);
    memcpy(o->at + o->len, octets, len);
    o->len += len;
}
#define ADD(o, octets) add(o, octets, sizeof(octets) - 1)

static void add_common_name(struct octets *o, int tag, const char *octets, size_t len)
{
    size_t name = o->len;
    ADD(o, "\x06\x03\x55\x04\x03");
    size_t value = o->len;
    add(o, octets, len);
    wrap(o, value, tag);
    wrap(o, name, 0x30);
    wrap(o, name, 0x31);
    wrap(o, name, 0x30);
}

static const char rsa_key[] = "\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00"
                              "\x03\x0b\x00\x30\x08\x02\x01\x7f\x02\x03\x01\x00\x01";

struct odd {
    int tag; /* of the subject's common name */
    const char *subject;
    size_t subject_len;
    int dates; /* their tag */
    const char *from, *until;
    const char *key;
    size_t key_len;
    const char *extensions;
    size_t extensions_len;
};

static void make_odd(struct octets *o, const struct odd *odd)
{
    o->len = 0;
    ADD(o, "\xa0\x03\x02\x01\x02\x02\x02\xff\x7f\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02");
    add_common_name(o, 0x0c, "Issuer", 6);
    size_t dates = o->len;
    add(o, odd->from, strlen(odd->from));
    wrap(o, dates, odd->dates);
    size_t until = o->len;
    add(o, odd->until, strlen(odd->until));
    wrap(o, until, odd->dates);
    wrap(o, dates, 0x30);
    add_common_name(o, odd->tag, odd->subject, odd->subject_len);
    size_t key = o->len;
    add(o, odd->key ? odd->key : rsa_key, odd->key ? odd->key_len : sizeof rsa_key - 1);
    wrap(o, key, 0x30);
    size_t extensions = o->len;
    if (odd->extensions) {
        add(o, odd->extensions, odd->extensions_len);
        wrap(o, extensions, 0x30);
        wrap(o, extensions, 0xa3);
    }
    wrap(o, 0, 0x30);
    ADD(o, "\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02\x03\x03\x00\x30\x00");
    wrap(o, 0, 0x30);
}

static struct certificate *read_odd(struct chain *chain, struct odd odd)
{
    static struct octets o;
    if (!odd.subject) {
        odd.tag = 0x0c;
        odd.subject = "Subject";
        odd.subject_len = 7;
    }
    if (!odd.from) {
        odd.dates = 0x17;
        odd.from = "250101000000Z";
        odd.until = "300101000000Z";
    }
    make_odd(&o, &odd);
    return read_one(chain, (struct span){o.at, o.len});
}

static void test_odd_dates(void **state)
{
    static const struct {
        int tag;
        const char *text;
        int64_t seconds; /* -1: none */
    } cases[] = {{0x17, "500101000000Z", -631152000},
                 {0x17, "491231235959Z", 2524607999},
                 {0x17, "700101000000Z", 0},
                 {0x18, "19000101000000Z", -2208988800},
                 {0x18, "99991231235959Z", 253402300799},
                 {0x18, "00010101000000Z", -62135596800},
                 {0x17, "240229120000Z", 1709208000},
                 {0x17, "250229120000Z", -1},
                 {0x17, "250101000000+0000", -1},
                 {0x17, "2501010000Z", -1},
                 {0x18, "20250101000000.5Z", -1},
                 {0x18, "20250101000000", -1},
                 {0x17, "251301000000Z", -1},
                 {0x17, "250101240000Z", -1},
                 {0x17, "xx0101000000Z", -1},
                 {0x04, "250101000000Z", -1}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct chain chain;
        struct certificate *c = read_odd(
            &chain,
            (struct odd){.dates = cases[i].tag, .from = cases[i].text, .until = cases[i].text});
        bool known = cases[i].seconds != -1;
        assert_int_equal(certificate_knows(c, CERTIFICATE_NOT_BEFORE), known);
        assert_int_equal(certificate_knows(c, CERTIFICATE_NOT_AFTER), known);
        if (known)
            assert_int_equal(c->not_after, cases[i].seconds);
        assert_true(certificate_knows(c, CERTIFICATE_SUBJECT)); /* the rest is as it was */
        assert_string_equal(c->serial, "ff7f");
        chain_free(&chain);
    }
}

static void test_strings(void **state)
{
    static const struct {
        int tag;
        const char *octets;
        size_t len;
        const char *text;
    } cases[] = {
        {0x0c, "M\xc3\xbcller", 7, "CN=M\xc3\xbcller"},
        {0x14, "M\xfcller", 6, "CN=M\xc3\xbcller"},
        {0x14, "M\xc3\xbcller", 7, "CN=M\xc3\xbcller"},
        {0x1e, "\0M\0\xfc\x20\xac\xd8\x3d\xde\x00", 10, "CN=M\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80"},
        {0x1c, "\0\0\0M\0\x01\xf6\0", 8, "CN=M\xf0\x9f\x98\x80"},
        {0x13, " a,b#", 5, "CN=\\ a\\,b#"},
        {0x0c, "a\0b", 3, "CN=a\\00b"},
        {0x1e, "abc", 3, "CN=#1e820003616263"}, /* half a character */
        {0x01, "\xff", 1, "CN=#01820001ff"},    /* no text at all */
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct chain chain;
        struct certificate *c = read_odd(&chain, (struct odd){.tag = cases[i].tag,
                                                              .subject = cases[i].octets,
                                                              .subject_len = cases[i].len});
        assert_string_equal(c->subject.data, cases[i].text);
        assert_false(c->subject.lossy);
        chain_free(&chain);
    }
}

/* Keys, as far as they are known: a size of a curve that nobody knows is none. */
static void test_odd_keys(void **state)
{
#define EC_KEY(curve)                                                                              \
    "\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05" curve "\x03\x02\x00\x04"
    static const struct {
        const char *octets;
        size_t len;
        const char *algorithm;
        unsigned bits;
    } cases[] = {
        {EC_KEY("\x2b\x81\x04\x00\x23"), 22, "ec", 521},
        {EC_KEY("\x2b\x81\x04\x00\x0a"), 22, "ec", 256},
        {EC_KEY("\x2b\x81\x04\x00\x63"), 22, "ec", 0},
        {"\x30\x05\x06\x03\x2b\x65\x70\x03\x02\x00\x01", 11, "ed25519", 256},
        {"\x30\x05\x06\x03\x2b\x65\x71\x03\x02\x00\x01", 11, "ed448", 448},
        {"\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x03\x11\x03\x02\x00\x01", 17,
         "2.16.840.1.101.3.4.3.17", 0}, /* ML-DSA-44 */
        {"\x30\x00\x03\x01\x00", 5, NULL, 0},
        {"garbage", 7, NULL, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct chain chain;
        struct certificate *c =
            read_odd(&chain, (struct odd){.key = cases[i].octets, .key_len = cases[i].len});
        assert_int_equal(certificate_knows(c, CERTIFICATE_SPKI), cases[i].algorithm != NULL);
        assert_int_equal(certificate_knows(c, CERTIFICATE_KEY), cases[i].algorithm != NULL);
        assert_int_equal(certificate_knows(c, CERTIFICATE_KEY_BITS), cases[i].bits > 0);
        assert_int_equal(c->key_bits, cases[i].bits);
        assert_string_equal(c->key_algorithm, cases[i].algorithm ? cases[i].algorithm : "");
        static const unsigned char zeros[32];
        assert_int_equal(memcmp(c->spki_sha256, zeros, 32) != 0, cases[i].algorithm != NULL);
        chain_free(&chain);
    }
}

/* An extension that is none, or is there twice, is not known, and takes nothing else with it. */
static void test_odd_extensions(void **state)
{
#define NAMES_OF(octets) "\x30\x0d\x06\x03\x55\x1d\x11\x04\x06\x30\x04" octets
#define USAGE "\x30\x0b\x06\x03\x55\x1d\x0f\x04\x04\x03\x02\x07\x80"
    static const struct {
        const char *octets;
        size_t len;
        unsigned unreadable;
    } cases[] = {
        {NAMES_OF("\x82\x02xy") USAGE, 28, 0},
        {NAMES_OF("\x82\x03xy") USAGE, 28, 1U << CERTIFICATE_NAMES},
        {NAMES_OF("\x82\x02xy") NAMES_OF("\x82\x02zz") USAGE, 43, 1U << CERTIFICATE_NAMES},
        {NAMES_OF("\x82\x02xy") "\x30\x0b\x06\x03\x55\x1d\x0f\x04\x04\x05\x02\x07\x80", 28,
         1U << CERTIFICATE_KEY_USAGE},
        {"\x31\x00", 2,
         1U << CERTIFICATE_NAMES | 1U << CERTIFICATE_KEY_USAGE | 1U << CERTIFICATE_PURPOSES |
             1U << CERTIFICATE_ACCESS | 1U << CERTIFICATE_MUST_STAPLE |
             1U << CERTIFICATE_TIMESTAMPS},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct chain chain;
        struct certificate *c = read_odd(
            &chain, (struct odd){.extensions = cases[i].octets, .extensions_len = cases[i].len});
        unsigned expected = cases[i].unreadable | 1U << CERTIFICATE_KEY_BITS;
        c->unreadable |= 1U << CERTIFICATE_KEY_BITS;
        assert_int_equal(c->unreadable, expected);
        assert_int_equal(c->names.count, certificate_knows(c, CERTIFICATE_NAMES));
        assert_int_equal(c->key_usage.count, certificate_knows(c, CERTIFICATE_KEY_USAGE));
        chain_free(&chain);
    }
}

/* What stands behind a certificate is none of its business, and no library takes it. */
static void test_trailing_octets(void **state)
{
    char octets[4096];
    struct chain chain;
    (void)state;
    assert_true(leaf.len + 1 < sizeof octets);
    memcpy(octets, leaf.at, leaf.len);
    octets[leaf.len] = 'x';
    struct span ders[] = {{octets, leaf.len + 1}, middle};
    assert_int_equal(read_one(&chain, ders[0])->unreadable, 0);
    assert_string_equal(chain.certificates[0].subject.data, "CN=Leaf");
    assert_verdict(ders, 2, "mail.example.test", NOW, TRI_YES, "unreadable");
    chain_free(&chain);
}

/* --- roots ------------------------------------------------------------------------------------ */

static void test_trust(void **state)
{
    char empty[] = "/tmp/test-certificate-empty-XXXXXX", *messages = NULL;
    size_t size = 0;
    FILE *errors = open_memstream(&messages, &size);
    (void)state;
    assert_non_null(errors);
    assert_null(trust_new("/nonexistent/roots.pem", errors));
    int fd = mkstemp(empty);
    assert_true(fd >= 0);
    close(fd);
    assert_null(trust_new(empty, errors));
    fclose(errors);
    assert_non_null(strstr(messages, "/nonexistent/roots.pem"));
    assert_non_null(strstr(messages, empty));
    free(messages);
    unlink(empty);
    trust_free(NULL);
    struct trust *system_trust = trust_new(NULL, stderr);
    if (system_trust) { /* a small machine may have none */
        struct span ders[] = {leaf, middle, root};
        struct address address = {.family = AF_INET};
        struct verification v = {0};
        assert_true(chain_verify(system_trust, ders, 3, "mail.example.test", &address, NOW, &v));
        assert_false(v.trusted);
        assert_false(v.own_roots);
        verification_free(&v);
        trust_free(system_trust);
    }
}

/* --- the store -------------------------------------------------------------------------------- */

/* A chain from the store, verified for mail.example.test, or for a name. */
static bool is_trusted(struct chains *c, const struct span *ders, size_t count, const char *name,
                       time_t now, enum tri *match)
{
    struct address address = {.family = AF_INET, .bytes = {192, 0, 2, 25}};
    struct verification v = {0};
    struct chain chain = {0};
    assert_true(chains_read(c, &chain, ders, count));
    assert_true(chains_verify(c, &chain, ders, name, &address, now, &v));
    bool trusted = v.trusted;
    *match = v.name_match;
    verification_free(&v);
    chain_free(&chain);
    return trusted;
}

/* Each certificate is read once and each chain verified once, for whatever name and at whatever
   time; and the answers are those to the name and the time. */
static void test_nothing_is_done_twice(void **state)
{
    struct span ders[] = {leaf, middle}, alone[] = {leaf}, whole[] = {leaf, middle, root};
    struct chains *c = chains_new(trust);
    enum tri match;
    (void)state;
    assert_non_null(c);
    for (int times = 0; times < 3; times++) {
        assert_true(is_trusted(c, ders, 2, "mail.example.test", NOW, &match));
        assert_int_equal(match, TRI_YES);
        assert_true(is_trusted(c, ders, 2, "a.wild.example.test", NOW, &match));
        assert_int_equal(match, TRI_YES);
        assert_true(is_trusted(c, ders, 2, "other.test", NOW, &match));
        assert_int_equal(match, TRI_NO);
        assert_true(is_trusted(c, ders, 2, NULL, NOW, &match));
        assert_int_equal(match, TRI_UNKNOWN);
        assert_false(is_trusted(c, ders, 2, NULL, NOW + 10 * DAY + 1, &match));
        assert_false(is_trusted(c, ders, 2, NULL, NOW - 10 * DAY - 1, &match));
    }
    assert_int_equal(chains_work(c).read, 2);
    assert_int_equal(chains_work(c).traced, 1);
    assert_false(is_trusted(c, alone, 1, NULL, NOW, &match)); /* another chain of the same leaf */
    assert_true(is_trusted(c, whole, 3, NULL, NOW, &match));
    assert_true(is_trusted(c, ders, 2, NULL, NOW, &match));
    assert_int_equal(chains_work(c).read, 3);
    assert_int_equal(chains_work(c).traced, 4);
    chains_free(c);
}

/* Whoever sends new certificates all the time does not fill the memory, nor does he drive out what
   others send all the time. */
static void test_the_store_is_bounded(void **state)
{
    enum { MANY = 6000 };
    struct span ders[] = {leaf, middle};
    struct chains *c = chains_new(trust);
    size_t most = 0;
    enum tri match;
    (void)state;
    assert_non_null(c);
    for (unsigned i = 0; i < MANY; i++) {
        char text[20];
        struct chain chain;
        int len = snprintf(text, sizeof text, "number %u", i);
        struct span der = {text, (size_t)len};
        assert_true(chains_read(c, &chain, &der, 1));
        chain_free(&chain);
        if (i % 100 == 0)
            assert_true(is_trusted(c, ders, 2, "mail.example.test", NOW, &match));
        if (most < chains_work(c).octets)
            most = chains_work(c).octets;
    }
    assert_in_range(most, 1024 * 1024, 2 * 1024 * 1024);
    assert_true(chains_work(c).octets < most); /* something was forgotten */
    assert_int_equal(chains_work(c).read, MANY + 2);
    assert_int_equal(chains_work(c).traced, 1);
    chains_free(c);
    chains_free(NULL);
}

/* What a certificate costs is counted with all that it says. */
static void test_large_ones_count_more(void **state)
{
    struct plan p = {.subject = "Leaf", .key = KEY_LEAF, .signer = KEY_LEAF};
    struct chains *c = chains_new(trust);
    struct chain chain;
    (void)state;
    assert_non_null(c);
    assert_true(chains_read(c, &chain, &leaf, 1));
    size_t small = chains_work(c).octets;
    chain_free(&chain);
    gnutls_x509_crt_t crt = draft(&p);
    add_names(crt, 100);
    struct span der = sign(crt, &p);
    assert_true(chains_read(c, &chain, &der, 1));
    assert_true(chains_work(c).octets > 2 * small + 100 * strlen("host-0.example.test"));
    chain_free(&chain);
    forget(der);
    chains_free(c);
}

/* Without roots nothing is verified; and there is nothing to verify without a certificate. */
static void test_nothing_to_verify(void **state)
{
    struct address address = {.family = AF_INET};
    struct chains *c = chains_new(NULL);
    struct chain chain = {0}, empty = {0};
    struct verification v = {0};
    (void)state;
    assert_non_null(c);
    assert_true(chains_read(c, &chain, &leaf, 1));
    assert_false(chains_verify(c, &chain, &leaf, NULL, &address, NOW, &v));
    assert_true(chains_read(store, &empty, NULL, 0));
    assert_int_equal(empty.count, 0);
    assert_false(chains_verify(store, &empty, NULL, NULL, &address, NOW, &v));
    chain_free(&chain);
    chain_free(&empty);
    chains_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_facts),
        cmocka_unit_test(test_bare),
        cmocka_unit_test(test_extras),
        cmocka_unit_test(test_access_of_both_kinds),
        cmocka_unit_test(test_version),
        cmocka_unit_test(test_name_of_the_issuer),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_every_octet),
        cmocka_unit_test(test_chain_of_twenty),
        cmocka_unit_test(test_nul_in_name),
        cmocka_unit_test(test_invalid_utf8),
        cmocka_unit_test(test_many_names),
        cmocka_unit_test(test_address_behind_names),
        cmocka_unit_test(test_many_addresses),
        cmocka_unit_test(test_long_name),
        cmocka_unit_test(test_long_serial),
        cmocka_unit_test(test_trusted),
        cmocka_unit_test(test_names_match),
        cmocka_unit_test(test_odd_names),
        cmocka_unit_test(test_addresses_match),
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_expired_but_not_needed),
        cmocka_unit_test(test_no_end),
        cmocka_unit_test(test_untrusted),
        cmocka_unit_test(test_signer_is_no_authority),
        cmocka_unit_test(test_weak_signature),
        cmocka_unit_test(test_unreadable),
        cmocka_unit_test(test_dates_of_roots),
        cmocka_unit_test(test_many_issuers),
        cmocka_unit_test(test_limits_of_paths),
        cmocka_unit_test(test_long_chain),
        cmocka_unit_test(test_odd_dates),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_odd_keys),
        cmocka_unit_test(test_odd_extensions),
        cmocka_unit_test(test_trailing_octets),
        cmocka_unit_test(test_trust),
        cmocka_unit_test(test_nothing_is_done_twice),
        cmocka_unit_test(test_the_store_is_bounded),
        cmocka_unit_test(test_large_ones_count_more),
        cmocka_unit_test(test_nothing_to_verify),
    };
    setenv("GNUTLS_SYSTEM_PRIORITY_FILE", "/dev/null", 1);
    if (gnutls_global_init() < 0)
        return 2;
    int failed = cmocka_run_group_tests_name("certificate", tests, set_up, tear_down);
    gnutls_global_deinit();
    return failed;
}
