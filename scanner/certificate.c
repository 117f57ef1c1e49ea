/* SPDX-License-Identifier: MIT */
#include "scanner/certificate.h"
#include "scanner/say.h"

#include <arpa/inet.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <stdlib.h>

#define SANS_MAX 512U            /* alternative names that are looked at                         */
#define LAST_SECOND 253402300799 /* 9999-12-31T23:59:59Z: "no end" (RFC 5280 section 4.1.2.5) */
#define ACCESS_MAX 16U /* places of authorityInfoAccess that are looked at                    */
#define TIMESTAMPS "1.3.6.1.4.1.11129.2.4.2"

struct trust {
    gnutls_x509_trust_list_t roots;
    bool own; /* of a file that was given */
};

struct trust *trust_new(const char *ca_file, FILE *errors)
{
    struct trust *t = calloc(1, sizeof *t);
    int count = -1;

    if (t && gnutls_x509_trust_list_init(&t->roots, 0) == 0)
        count = ca_file ? gnutls_x509_trust_list_add_trust_file(t->roots, ca_file, NULL,
                                                                GNUTLS_X509_FMT_PEM, 0, 0)
                        : gnutls_x509_trust_list_add_system_trust(t->roots, 0, 0);
    if (count > 0) {
        t->own = ca_file != NULL;
        return t;
    }
    say(errors, "%s: no certificates could be read: %s", ca_file ? ca_file : "system trust",
        count < 0 ? gnutls_strerror(count) : "there are none in it");
    trust_free(t);
    return NULL;
}

void trust_free(struct trust *t)
{
    if (!t)
        return;
    if (t->roots)
        gnutls_x509_trust_list_deinit(t->roots, 1);
    free(t);
}

static gnutls_datum_t datum_of(struct span s)
{
    union {
        const char *in;
        unsigned char *out;
    } pointer = {s.at}; /* GnuTLS only reads it, but does not say so */
    return (gnutls_datum_t){pointer.out, (unsigned)s.len};
}

static bool set_from_datum(struct text *t, int result, gnutls_datum_t *d)
{
    if (result < 0)
        return true;
    bool ok = text_set(t, (struct span){(const char *)d->data, d->size}, TEXT_REPLY_MAX);
    gnutls_free(d->data);
    return ok;
}

static bool add_address(struct list *l, const void *octets, size_t size)
{
    char text[INET6_ADDRSTRLEN];
    int family = size == 4 ? AF_INET : AF_INET6;
    if ((size != 4 && size != 16) || !inet_ntop(family, octets, text, sizeof text))
        return true;
    return list_add(l, span_of(text));
}

static bool read_names(gnutls_x509_crt_t crt, struct certificate *c)
{
    char name[TEXT_ITEM_MAX];
    for (unsigned i = 0; i < SANS_MAX; i++) {
        size_t size = sizeof name;
        int type = gnutls_x509_crt_get_subject_alt_name(crt, i, name, &size, NULL);
        if (type == GNUTLS_E_SHORT_MEMORY_BUFFER) {
            c->names.lossy = true; /* longer than any name can be */
            continue;
        }
        if (type < 0)
            break;
        bool ok = true;
        if (type == GNUTLS_SAN_DNSNAME)
            ok = list_add(&c->names, (struct span){name, size});
        else if (type == GNUTLS_SAN_IPADDRESS)
            ok = add_address(&c->addresses, name, size);
        if (!ok)
            return false;
    }
    return true;
}

static bool read_usage(gnutls_x509_crt_t crt, struct certificate *c)
{
    static const struct {
        unsigned bit;
        const char *name;
    } usages[] = {
        {GNUTLS_KEY_DIGITAL_SIGNATURE, "digitalSignature"},
        {GNUTLS_KEY_NON_REPUDIATION, "nonRepudiation"},
        {GNUTLS_KEY_KEY_ENCIPHERMENT, "keyEncipherment"},
        {GNUTLS_KEY_DATA_ENCIPHERMENT, "dataEncipherment"},
        {GNUTLS_KEY_KEY_AGREEMENT, "keyAgreement"},
        {GNUTLS_KEY_KEY_CERT_SIGN, "keyCertSign"},
        {GNUTLS_KEY_CRL_SIGN, "cRLSign"},
        {GNUTLS_KEY_ENCIPHER_ONLY, "encipherOnly"},
        {GNUTLS_KEY_DECIPHER_ONLY, "decipherOnly"},
    };
    static const struct {
        const char *oid, *name;
    } purposes[] = {
        {GNUTLS_KP_TLS_WWW_SERVER, "serverAuth"},  {GNUTLS_KP_TLS_WWW_CLIENT, "clientAuth"},
        {GNUTLS_KP_CODE_SIGNING, "codeSigning"},   {GNUTLS_KP_EMAIL_PROTECTION, "emailProtection"},
        {GNUTLS_KP_TIME_STAMPING, "timeStamping"}, {GNUTLS_KP_OCSP_SIGNING, "OCSPSigning"},
        {GNUTLS_KP_ANY, "anyExtendedKeyUsage"},
    };
    unsigned usage = 0;
    char oid[128];

    if (gnutls_x509_crt_get_key_usage(crt, &usage, NULL) >= 0)
        for (size_t i = 0; i < sizeof usages / sizeof *usages; i++)
            if ((usage & usages[i].bit) && !list_add(&c->key_usage, span_of(usages[i].name)))
                return false;
    for (unsigned n = 0; n < LIST_ITEMS_MAX; n++) {
        size_t size = sizeof oid;
        if (gnutls_x509_crt_get_key_purpose_oid(crt, n, oid, &size, NULL) < 0)
            break;
        const char *name = oid;
        for (size_t i = 0; i < sizeof purposes / sizeof *purposes; i++)
            if (strcmp(oid, purposes[i].oid) == 0)
                name = purposes[i].name;
        if (!list_add(&c->purposes, span_of(name)))
            return false;
    }
    return true;
}

static void read_serial(gnutls_x509_crt_t crt, struct certificate *c)
{
    unsigned char octets[256];
    size_t size = sizeof octets;
    if (gnutls_x509_crt_get_serial(crt, octets, &size) < 0)
        return;
    for (size_t i = 0; i < size && 2 * i + 2 < sizeof c->serial; i++)
        snprintf(c->serial + 2 * i, 3, "%02x", octets[i]);
}

static void read_key(gnutls_x509_crt_t crt, struct certificate *c)
{
    unsigned bits = 0;
    int algorithm = gnutls_x509_crt_get_pk_algorithm(crt, &bits);
    const char *name = "unknown";

    switch (algorithm) {
    case GNUTLS_PK_RSA:
        name = "rsa";
        break;
    case GNUTLS_PK_RSA_PSS:
        name = "rsa-pss";
        break;
    case GNUTLS_PK_DSA:
        name = "dsa";
        break;
    case GNUTLS_PK_ECDSA:
        name = "ec";
        break;
    case GNUTLS_PK_EDDSA_ED25519:
        name = "ed25519";
        break;
    case GNUTLS_PK_EDDSA_ED448:
        name = "ed448";
        break;
    default:
        break;
    }
    snprintf(c->key_algorithm, sizeof c->key_algorithm, "%s", name);
    c->key_bits = algorithm < 0 ? 0 : bits;
}

static bool has_access(gnutls_x509_crt_t crt, int what)
{
    for (unsigned i = 0; i < ACCESS_MAX; i++) {
        gnutls_datum_t url = {NULL, 0};
        int result = gnutls_x509_crt_get_authority_info_access(crt, i, what, &url, NULL);
        bool has = result >= 0 && url.size > 0;
        gnutls_free(url.data);
        if (has || result == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
            return has;
    }
    return false;
}

/* RFC 7633: does it promise that a proof of its status comes with it? */
static bool must_staple(gnutls_x509_crt_t crt)
{
    gnutls_x509_tlsfeatures_t features;
    unsigned feature;
    bool must = false;
    if (gnutls_x509_tlsfeatures_init(&features) < 0)
        return false;
    if (gnutls_x509_crt_get_tlsfeatures(crt, features, 0, NULL) >= 0)
        for (unsigned i = 0; gnutls_x509_tlsfeatures_get(features, i, &feature) >= 0; i++)
            must |= feature == 5; /* status_request */
    gnutls_x509_tlsfeatures_deinit(features);
    return must;
}

/* RFC 6962 section 3.3. An empty list would be of four octets. */
static bool has_timestamps(gnutls_x509_crt_t crt)
{
    size_t size = 0;
    return gnutls_x509_crt_get_extension_by_oid(crt, TIMESTAMPS, 0, NULL, &size, NULL) ==
               GNUTLS_E_SHORT_MEMORY_BUFFER &&
           size > 4;
}

static void read_extras(gnutls_x509_crt_t crt, struct certificate *c)
{
    int version = gnutls_x509_crt_get_version(crt);
    c->version = version > 0 ? (unsigned)version : 0;
    c->self_signed = gnutls_x509_crt_check_issuer(crt, crt) != 0;
    c->ocsp = has_access(crt, GNUTLS_IA_OCSP_URI);
    c->issuer_url = has_access(crt, GNUTLS_IA_CAISSUERS_URI);
    c->must_staple = must_staple(crt);
    c->timestamped = has_timestamps(crt);
}

/* The date as Unix time; GnuTLS says (time_t)-1 for one it cannot read. */
static bool read_crt(gnutls_x509_crt_t crt, struct certificate *c)
{
    gnutls_datum_t text = {NULL, 0};
    size_t size = sizeof c->spki_sha256;

    gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA256, c->spki_sha256, &size);
    c->not_before = gnutls_x509_crt_get_activation_time(crt);
    c->not_after = gnutls_x509_crt_get_expiration_time(crt);
    if (c->not_after == (int64_t)GNUTLS_X509_NO_WELL_DEFINED_EXPIRATION)
        c->not_after = LAST_SECOND;
    const char *signature =
        gnutls_sign_get_name((gnutls_sign_algorithm_t)gnutls_x509_crt_get_signature_algorithm(crt));
    snprintf(c->signature_algorithm, sizeof c->signature_algorithm, "%s",
             signature ? signature : "unknown");
    read_serial(crt, c);
    read_key(crt, c);
    read_extras(crt, c);
    return set_from_datum(&c->subject, gnutls_x509_crt_get_dn3(crt, &text, 0), &text) &&
           set_from_datum(&c->issuer, gnutls_x509_crt_get_issuer_dn3(crt, &text, 0), &text) &&
           read_names(crt, c) && read_usage(crt, c);
}

bool certificate_read(struct certificate *c, struct span der)
{
    gnutls_x509_crt_t crt;
    gnutls_datum_t datum = datum_of(der);
    bool ok = true;

    *c = (struct certificate){.key_algorithm = "unknown", .signature_algorithm = "unknown"};
    gnutls_hash_fast(GNUTLS_DIG_SHA256, der.at, der.len, c->sha256);
    if (gnutls_x509_crt_init(&crt) < 0)
        return false;
    if (gnutls_x509_crt_import(crt, &datum, GNUTLS_X509_FMT_DER) >= 0)
        ok = read_crt(crt, c);
    gnutls_x509_crt_deinit(crt);
    return ok && (c->subject.data || text_set(&c->subject, span_of(""), TEXT_REPLY_MAX)) &&
           (c->issuer.data || text_set(&c->issuer, span_of(""), TEXT_REPLY_MAX));
}

bool certificate_copy(struct certificate *to, const struct certificate *from)
{
    static const struct text no_text;
    static const struct list no_list;

    *to = *from;
    to->subject = to->issuer = no_text;
    to->names = to->addresses = to->key_usage = to->purposes = no_list;
    return text_copy(&to->subject, &from->subject) && text_copy(&to->issuer, &from->issuer) &&
           list_copy(&to->names, &from->names) && list_copy(&to->addresses, &from->addresses) &&
           list_copy(&to->key_usage, &from->key_usage) && list_copy(&to->purposes, &from->purposes);
}

void certificate_free(struct certificate *c)
{
    text_free(&c->subject);
    text_free(&c->issuer);
    list_clear(&c->names);
    list_clear(&c->addresses);
    list_clear(&c->key_usage);
    list_clear(&c->purposes);
}

bool chain_read(struct chain *chain, const struct span *ders, size_t count)
{
    if (count > CHAIN_MAX)
        count = CHAIN_MAX;
    chain->certificates = calloc(count ? count : 1, sizeof *chain->certificates);
    if (!chain->certificates)
        return false;
    chain->count = count;
    for (size_t i = 0; i < count; i++)
        if (!certificate_read(&chain->certificates[i], ders[i]))
            return false;
    return true;
}

void chain_free(struct chain *chain)
{
    for (size_t i = 0; i < chain->count; i++)
        certificate_free(&chain->certificates[i]);
    free(chain->certificates);
    *chain = (struct chain){0};
}

static void read_addressed(gnutls_x509_crt_t leaf, struct trust_path *path)
{
    unsigned i = 0;
    int type = 0;
    for (; i < SANS_MAX && type != GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE; i++) {
        char octets[16];
        size_t size = sizeof octets;
        type = gnutls_x509_crt_get_subject_alt_name(leaf, i, octets, &size, NULL);
        path->addressed |= type == GNUTLS_SAN_IPADDRESS;
    }
    path->all_listed = i <= LIST_ITEMS_MAX;
}

static enum tri match_crt(const struct trust_path *path, struct span der, const char *name,
                          const struct address *address)
{
    gnutls_x509_crt_t crt;
    gnutls_datum_t datum = datum_of(der);
    enum tri match = TRI_UNKNOWN;

    if (gnutls_x509_crt_init(&crt) < 0)
        return TRI_UNKNOWN;
    if (gnutls_x509_crt_import(crt, &datum, GNUTLS_X509_FMT_DER) < 0)
        match = TRI_UNKNOWN;
    else if (name)
        match = tri_of(gnutls_x509_crt_check_hostname2(crt, name, 0) != 0);
    else if (path->addressed)
        match = tri_of(gnutls_x509_crt_check_ip(crt, address->bytes,
                                                address->family == AF_INET ? 4 : 16, 0) != 0);
    gnutls_x509_crt_deinit(crt);
    return match;
}

/* Labels of which the last begins with a letter: no address, no pattern, no dot at the end. */
static bool is_plain_name(const char *name)
{
    const char *dot = strrchr(name, '.');
    char first = ascii_upper(dot ? dot[1] : *name);
    return first >= 'A' && first <= 'Z' && !strchr(name, ':') && *name != '.' && *name != '*';
}

/* Is the very name in the list, or one with a "*" for its first label and two more behind it (RFC
   6125 section 6.4)? In the same letters: a no proves nothing. */
static bool is_named(const struct certificate *leaf, const char *name)
{
    char wildcard[TEXT_ITEM_MAX];
    const char *rest = strchr(name, '.');
    if (!is_plain_name(name))
        return false;
    if (list_has(&leaf->names, name))
        return true;
    if (!rest || !strchr(rest + 1, '.'))
        return false;
    snprintf(wildcard, sizeof wildcard, "*%s", rest);
    return list_has(&leaf->names, wildcard);
}

/* Without a name there is only the address, and without an address in the certificate nothing to
   compare it with. What the lists cannot tell for sure is left to the library. */
static enum tri match_name(const struct trust_path *path, struct span der,
                           const struct certificate *leaf, const char *name,
                           const struct address *address)
{
    char text[ADDRESS_TEXT_MAX];
    if (!name && !path->addressed)
        return TRI_UNKNOWN;
    if (leaf && name && is_named(leaf, name))
        return TRI_YES;
    if (leaf && !name && path->all_listed)
        return tri_of(list_has(&leaf->addresses, address_format(address, text)));
    return match_crt(path, der, name, address);
}

static bool read_errors(struct verification *v, unsigned status, bool self_signed)
{
    static const struct {
        unsigned bit;
        const char *name;
    } errors[] = {
        {GNUTLS_CERT_SIGNER_NOT_FOUND, "unknown_issuer"},
        {GNUTLS_CERT_SIGNER_NOT_CA, "issuer_not_a_ca"},
        {GNUTLS_CERT_SIGNATURE_FAILURE, "bad_signature"},
        {GNUTLS_CERT_INSECURE_ALGORITHM, "insecure_algorithm"},
        {GNUTLS_CERT_SIGNER_CONSTRAINTS_FAILURE, "constraints_violated"},
        {GNUTLS_CERT_PURPOSE_MISMATCH, "wrong_purpose"},
        {GNUTLS_CERT_UNKNOWN_CRIT_EXTENSIONS, "unknown_critical_extension"},
        {GNUTLS_CERT_REVOKED, "revoked"},
    };
    if (self_signed && (status & GNUTLS_CERT_SIGNER_NOT_FOUND)) {
        status &= ~(unsigned)GNUTLS_CERT_SIGNER_NOT_FOUND;
        if (!list_add(&v->errors, span_of("self_signed")))
            return false;
    }
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if ((status & errors[i].bit) && !list_add(&v->errors, span_of(errors[i].name)))
            return false;
    return true;
}

/* The one of those sent that issued this one, unless a trusted one did: where the path leaves what
 * was sent. */
static gnutls_x509_crt_t issuer_sent(const struct trust *trust, const gnutls_x509_crt_t *crts,
                                     unsigned count, gnutls_x509_crt_t crt)
{
    gnutls_x509_crt_t root;
    if (gnutls_x509_crt_check_issuer(crt, crt) ||
        gnutls_x509_trust_list_get_issuer(trust->roots, crt, &root, 0) >= 0)
        return NULL;
    for (unsigned i = 0; i < count; i++)
        if (crts[i] != crt && gnutls_x509_crt_check_issuer(crt, crts[i]))
            return crts[i];
    return NULL;
}

/* The dates of the path count: what a server sends besides may be as old as it likes. */
static void read_dates(struct trust_path *path, const struct trust *trust,
                       const gnutls_x509_crt_t *crts, unsigned count)
{
    gnutls_x509_crt_t crt = crts[0];
    for (; path->links < count && crt; path->links++) {
        path->from[path->links] = gnutls_x509_crt_get_activation_time(crt);
        path->until[path->links] = gnutls_x509_crt_get_expiration_time(crt);
        crt = issuer_sent(trust, crts, count, crt);
    }
}

/* Reads as many as can be read; the library's error if there is no memory. */
static int import_chain(gnutls_x509_crt_t *crts, unsigned *read, const struct span *ders,
                        size_t count)
{
    for (*read = 0; *read < count && *read < CHAIN_MAX; (*read)++) {
        gnutls_datum_t datum = datum_of(ders[*read]);
        int result = gnutls_x509_crt_init(&crts[*read]);
        if (result < 0)
            return result;
        result = gnutls_x509_crt_import(crts[*read], &datum, GNUTLS_X509_FMT_DER);
        if (result < 0) {
            gnutls_x509_crt_deinit(crts[*read]);
            return result == GNUTLS_E_MEMORY_ERROR ? result : 0;
        }
    }
    return 0;
}

bool chain_trace(const struct trust *trust, const struct span *ders, size_t count,
                 struct trust_path *path)
{
    gnutls_x509_crt_t crts[CHAIN_MAX];
    unsigned read = 0;
    int result = import_chain(crts, &read, ders, count);

    *path = (struct trust_path){.readable = read > 0, .own_roots = trust->own};
    if (read && result >= 0) {
        path->self_signed = gnutls_x509_crt_check_issuer(crts[0], crts[0]) != 0;
        read_addressed(crts[0], path);
        read_dates(path, trust, crts, read);
        result = gnutls_x509_trust_list_verify_crt2(trust->roots, crts, read, NULL, 0,
                                                    GNUTLS_VERIFY_DISABLE_TIME_CHECKS,
                                                    &path->status, NULL);
        if (result < 0)
            path->status = GNUTLS_CERT_INVALID;
    }
    while (read)
        gnutls_x509_crt_deinit(crts[--read]);
    return result != GNUTLS_E_MEMORY_ERROR;
}

/* The dates are compared here, because the library has one clock for the whole process. */
static bool check_dates(struct verification *v, const struct trust_path *path, time_t now)
{
    bool ok = true;
    for (size_t i = 0; i < path->links && ok; i++) {
        if (path->from[i] == -1 || now < path->from[i])
            ok = list_add(&v->errors, span_of("not_yet_valid"));
        if (ok && (path->until[i] == -1 || now > path->until[i]))
            ok = list_add(&v->errors, span_of("expired"));
    }
    return ok;
}

bool chain_conclude(const struct trust_path *path, struct span der, const struct certificate *leaf,
                    const char *name, const struct address *address, time_t now,
                    struct verification *v)
{
    v->own_roots = path->own_roots;
    if (!path->readable)
        return list_add(&v->errors, span_of("unreadable"));
    v->name_match = match_name(path, der, leaf, name, address);
    if (!check_dates(v, path, now) || !read_errors(v, path->status, path->self_signed))
        return false;
    v->trusted = path->status == 0 && v->errors.count == 0;
    return path->status == 0 || v->errors.count || list_add(&v->errors, span_of("invalid"));
}

bool chain_verify(const struct trust *trust, const struct span *ders, size_t count,
                  const char *name, const struct address *address, time_t now,
                  struct verification *v)
{
    struct trust_path path;
    struct span leaf = count ? ders[0] : span_of("");
    return chain_trace(trust, ders, count, &path) &&
           chain_conclude(&path, leaf, NULL, name, address, now, v);
}

void verification_free(struct verification *v)
{
    list_clear(&v->errors);
}
