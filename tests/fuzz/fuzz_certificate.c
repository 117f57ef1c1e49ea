/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as the certificates of a server: what is read out of them is bounded and clean, and
 * none of it is trusted. The input is a row of certificates, each behind two octets of length.
 */
#include <stdlib.h>
#include <sys/socket.h>

#include "scanner/chains.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check_text(const char *text)
{
    char again[TEXT_BANNER_MAX];
    bool lossy = false;
    require(text != NULL && strlen(text) < TEXT_BANNER_MAX);
    text_clean(span_of(text), again, sizeof again, &lossy);
    require(!lossy);
}

static void check_list(const struct list *l)
{
    require(l->count <= LIST_ITEMS_MAX && l->octets <= LIST_OCTETS_MAX);
    for (size_t i = 0; i < l->count; i++) {
        check_text(l->items[i]);
        require(i == 0 || strcmp(l->items[i - 1], l->items[i]) < 0);
    }
}

static void check_certificate(const struct certificate *c)
{
    check_text(c->subject.data);
    check_text(c->issuer.data);
    check_text(c->key_algorithm);
    check_text(c->signature_algorithm);
    require(strspn(c->serial, "0123456789abcdef") == strlen(c->serial) &&
            strlen(c->serial) % 2 == 0);
    check_list(&c->names);
    check_list(&c->addresses);
    check_list(&c->key_usage);
    check_list(&c->purposes);
}

/* The roots of the system have signed none of what a fuzzer makes. */
static struct trust *roots(void)
{
    static struct trust *trust;
    if (!trust)
        trust = trust_new(NULL, stderr);
    return trust;
}

/* The store, which has met much before this, says the same. */
static void check_known(const struct span *ders, size_t count, const char *name,
                        const struct address *address, const struct verification *v)
{
    static struct chains *store;
    struct chain chain;
    struct verification w = {0};

    if (!store)
        store = chains_new(roots());
    require(store && chains_read(store, &chain, ders, count));
    require(chains_verify(store, &chain, ders, name, address, 1795392000, &w) == (count > 0));
    require(!count || (w.trusted == v->trusted && w.unknown == v->unknown &&
                       w.name_match == v->name_match && w.errors.count == v->errors.count));
    for (size_t i = 0; i < w.errors.count; i++)
        require(strcmp(w.errors.items[i], v->errors.items[i]) == 0);
    for (size_t i = 0; i < chain.count; i++)
        check_certificate(&chain.certificates[i]);
    verification_free(&w);
    chain_free(&chain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span ders[CHAIN_MAX + 2];
    struct span in = {(const char *)data, size};
    struct address address = {.family = AF_INET, .bytes = {192, 0, 2, 25}};
    struct chain chain;
    size_t count = 0;

    while (in.len > 2 && count < CHAIN_MAX + 2) {
        size_t len = (size_t)((unsigned char)in.at[0] << 8 | (unsigned char)in.at[1]);
        ders[count] = span_until(span_from(in, 2), len);
        in = span_from(in, 2 + ders[count++].len);
    }
    require(chain_read(&chain, ders, count));
    require(chain.count == (count < CHAIN_MAX ? count : CHAIN_MAX));
    for (size_t i = 0; i < chain.count; i++)
        check_certificate(&chain.certificates[i]);
    chain_free(&chain);
    for (int by_name = 0; roots() && by_name < 2; by_name++) {
        struct verification v = {0};
        require(chain_verify(roots(), ders, count, by_name ? "mail.example.test" : NULL, &address,
                             1795392000, &v));
        require(!v.trusted && (v.errors.count == 0) == (v.unknown != CAUSE_NONE));
        check_list(&v.errors);
        check_known(ders, count, by_name ? "mail.example.test" : NULL, &address, &v);
        verification_free(&v);
    }
    return 0;
}
