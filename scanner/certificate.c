/* SPDX-License-Identifier: MIT */
#include "scanner/certificate.h"

#include <arpa/inet.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>

#include "scanner/dn.h"

/* --- the parts -------------------------------------------------------------------------------- */

#define TAG_VERSION 0xa0
#define TAG_ISSUER_ID 0x81 /* primitive or constructed: nobody uses them */
#define TAG_SUBJECT_ID 0x82
#define TAG_EXTENSIONS 0xa3

static unsigned read_version(struct span *tbs)
{
    struct der part, number;
    if (!tbs->len || (unsigned char)tbs->at[0] != TAG_VERSION)
        return 1;
    if (!der_next(tbs, &part) || !der_take(&part.body, DER_INTEGER, &number) ||
        number.body.len != 1 || (number.body.at[0] & 0x80))
        return 0;
    return (unsigned)number.body.at[0] + 1;
}

/* What stands behind the key. */
static bool read_tail(struct span tbs, struct certificate_parts *p)
{
    struct der part;
    while (tbs.len) {
        if (!der_next(&tbs, &part))
            return false;
        unsigned tag = part.tag & ~0x20U;
        if (part.tag == TAG_EXTENSIONS && !p->extensions.whole.len)
            return der_take(&part.body, DER_SEQUENCE, &p->extensions) && !part.body.len && !tbs.len;
        if (tag != TAG_ISSUER_ID && tag != TAG_SUBJECT_ID)
            return false;
    }
    return true;
}

void certificate_parts(struct span der, struct certificate_parts *p)
{
    static const struct certificate_parts none;
    struct der certificate, tbs, ignored, validity = {0};

    *p = none;
    if (!der_take(&der, DER_SEQUENCE, &certificate) ||
        !der_take(&certificate.body, DER_SEQUENCE, &tbs))
        return;
    struct span in = tbs.body;
    p->version = read_version(&in);
    bool ok = p->version && der_take(&in, DER_INTEGER, &p->serial) &&
              der_take(&in, DER_SEQUENCE, &ignored) && der_take(&in, DER_SEQUENCE, &p->issuer) &&
              der_take(&in, DER_SEQUENCE, &validity);
    if (ok && der_next(&validity.body, &p->not_before))
        der_next(&validity.body, &p->not_after);
    ok = ok && der_take(&in, DER_SEQUENCE, &p->subject) && der_take(&in, DER_SEQUENCE, &p->spki);
    p->extended = ok && read_tail(in, p);
    p->whole = der_take(&certificate.body, DER_SEQUENCE, &p->algorithm) && p->extended &&
               der_take(&certificate.body, DER_BITS, &ignored) && !certificate.body.len && !der.len;
}

enum tri certificate_extension(const struct certificate_parts *p, const char *oid,
                               struct span *value)
{
    struct span in = p->extensions.body;
    struct der extension, id, critical, octets;
    enum tri found = TRI_NO;

    if (!p->extended)
        return TRI_UNKNOWN;
    while (in.len) {
        if (!der_take(&in, DER_SEQUENCE, &extension) || !der_take(&extension.body, DER_OID, &id))
            return TRI_UNKNOWN;
        if (!der_is(id, oid, strlen(oid)))
            continue;
        der_take(&extension.body, 0x01, &critical);
        if (found != TRI_NO || !der_take(&extension.body, DER_OCTETS, &octets) ||
            extension.body.len)
            return TRI_UNKNOWN;
        *value = octets.body;
        found = TRI_YES;
    }
    return found;
}

struct span certificate_key_id(const struct certificate_parts *p)
{
    struct span value;
    struct der id;
    return certificate_extension(p, EXTENSION_KEY_ID, &value) == TRI_YES &&
                   der_take(&value, DER_OCTETS, &id)
               ? id.body
               : (struct span){"", 0};
}

struct span certificate_issuer_key_id(const struct certificate_parts *p)
{
    struct span value;
    struct der list, id;
    return certificate_extension(p, EXTENSION_ISSUER_KEY_ID, &value) == TRI_YES &&
                   der_take(&value, DER_SEQUENCE, &list) && der_take(&list.body, 0x80, &id)
               ? id.body
               : (struct span){"", 0};
}

/* --- keys ------------------------------------------------------------------------------------- */

#define OID_RSA "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"
#define OID_RSA_PSS "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a"
#define OID_DSA "\x2a\x86\x48\xce\x38\x04\x01"
#define OID_EC "\x2a\x86\x48\xce\x3d\x02\x01"
#define OID_ED25519 "\x2b\x65\x70"
#define OID_ED448 "\x2b\x65\x71"

enum key_kind { KEY_OTHER, KEY_RSA, KEY_RSA_PSS, KEY_DSA, KEY_EC, KEY_ED25519, KEY_ED448 };

static const struct {
    const char *name;
    struct span oid;
} kinds[] = {
    [KEY_RSA] = {"rsa", {OID_RSA, sizeof OID_RSA - 1}},
    [KEY_RSA_PSS] = {"rsa-pss", {OID_RSA_PSS, sizeof OID_RSA_PSS - 1}},
    [KEY_DSA] = {"dsa", {OID_DSA, sizeof OID_DSA - 1}},
    [KEY_EC] = {"ec", {OID_EC, sizeof OID_EC - 1}},
    [KEY_ED25519] = {"ed25519", {OID_ED25519, sizeof OID_ED25519 - 1}},
    [KEY_ED448] = {"ed448", {OID_ED448, sizeof OID_ED448 - 1}},
};

/* A key, taken apart: bits is 0 where it is not known. The rest is how large its numbers are. */
struct key {
    struct der oid;
    enum key_kind kind;
    unsigned bits;
    unsigned size, exponent, subgroup;
};

static enum key_kind kind_of(struct der oid)
{
    for (size_t k = KEY_RSA; k < sizeof kinds / sizeof *kinds; k++)
        if (der_is(oid, kinds[k].oid.at, kinds[k].oid.len))
            return (enum key_kind)k;
    return KEY_OTHER;
}

/* RFC 5480 section 2.1.1.1, SEC 2, RFC 5639. */
static unsigned bits_of_curve(struct der oid)
{
    static const short certicom[] = {
        [1] = 163,  [2] = 163,  [3] = 239,  [4] = 113,  [5] = 113,  [6] = 112,  [7] = 112,
        [8] = 160,  [9] = 160,  [10] = 256, [15] = 163, [16] = 283, [17] = 283, [22] = 131,
        [23] = 131, [24] = 193, [25] = 193, [26] = 233, [27] = 233, [28] = 128, [29] = 128,
        [30] = 160, [31] = 192, [32] = 224, [33] = 224, [34] = 384, [35] = 521, [36] = 409,
        [37] = 409, [38] = 571, [39] = 571};
    static const short brainpool[] = {160, 192, 224, 256, 320, 384, 512};
    struct span o = oid.body;
    unsigned last = o.len ? (unsigned char)o.at[o.len - 1] : 0;

    if (o.len == 8 && memcmp(o.at, "\x2a\x86\x48\xce\x3d\x03\x01", 7) == 0)
        return last >= 1 && last <= 3 ? 192 : last >= 4 && last <= 6 ? 239 : last == 7 ? 256 : 0;
    if (o.len == 5 && memcmp(o.at, "\x2b\x81\x04\x00", 4) == 0)
        return last < sizeof certicom / sizeof *certicom ? (unsigned)certicom[last] : 0;
    if (o.len == 9 && memcmp(o.at, "\x2b\x24\x03\x03\x02\x08\x01\x01", 8) == 0)
        return last >= 1 && last <= 14 ? (unsigned)brainpool[(last - 1) / 2] : 0;
    return 0;
}

/* RFC 3279 section 2.3.5: parameters that are written out; their field tells the size. */
static unsigned bits_of_field(struct der parameters)
{
    struct der version, field, kind, prime;
    unsigned bits = 0;
    if (!der_take(&parameters.body, DER_INTEGER, &version) ||
        !der_take(&parameters.body, DER_SEQUENCE, &field) ||
        !der_take(&field.body, DER_OID, &kind) || !der_take(&field.body, DER_INTEGER, &prime) ||
        !der_bits(prime, &bits))
        return 0;
    return bits;
}

/* The bits of a number; one that is negative is taken for none, though some read it as large. */
static unsigned size_of(struct der number, unsigned *bits)
{
    if (der_bits(number, bits))
        return *bits;
    *bits = 0;
    return (unsigned)(8 * number.body.len);
}

static void read_rsa(struct span octets, struct key *k)
{
    struct der numbers, modulus, exponent;
    unsigned bits;
    if (!der_take(&octets, DER_SEQUENCE, &numbers) ||
        !der_take(&numbers.body, DER_INTEGER, &modulus) ||
        !der_take(&numbers.body, DER_INTEGER, &exponent))
        return;
    k->size = size_of(modulus, &k->bits);
    k->exponent = size_of(exponent, &bits);
}

static void read_dsa(struct span parameters, struct key *k)
{
    struct der numbers, p, q;
    unsigned bits;
    if (!der_take(&parameters, DER_SEQUENCE, &numbers) ||
        !der_take(&numbers.body, DER_INTEGER, &p) || !der_take(&numbers.body, DER_INTEGER, &q))
        return;
    k->size = size_of(p, &k->bits);
    k->subgroup = size_of(q, &bits);
}

/* False: it is no key. */
static bool read_key(struct der spki, struct key *k)
{
    static const struct key none;
    struct der algorithm, octets, parameters = {0};
    struct span in = spki.body;

    *k = none;
    if (!spki.whole.len || !der_take(&in, DER_SEQUENCE, &algorithm) ||
        !der_take(&in, DER_BITS, &octets) || in.len || !der_take(&algorithm.body, DER_OID, &k->oid))
        return false;
    struct span rest = algorithm.body;
    der_next(&rest, &parameters);
    k->kind = kind_of(k->oid);
    if (k->kind == KEY_RSA || k->kind == KEY_RSA_PSS)
        read_rsa(span_from(octets.body, 1), k);
    else if (k->kind == KEY_DSA)
        read_dsa(algorithm.body, k);
    else if (k->kind == KEY_EC)
        k->size = k->bits = parameters.tag == DER_OID        ? bits_of_curve(parameters)
                            : parameters.tag == DER_SEQUENCE ? bits_of_field(parameters)
                                                             : 0;
    else if (k->kind != KEY_OTHER)
        k->bits = k->kind == KEY_ED25519 ? 256 : 448;
    return true;
}

/* As OpenSSL has it for keys; no real one comes near. */
#define RSA_BITS_MAX 16384U
#define RSA_BITS_WITH_LARGE_EXPONENT 3072U
#define EXPONENT_BITS_MAX 64U
#define PRIME_BITS_MAX 10000U
#define SUBGROUP_BITS_MAX 512U
#define FIELD_BITS_MAX 1024U

bool is_absurd_prime(unsigned bits)
{
    return bits > PRIME_BITS_MAX;
}

bool certificate_is_absurd(struct span der)
{
    struct certificate_parts parts;
    struct key k;

    certificate_parts(der, &parts);
    if (!read_key(parts.spki, &k))
        return false;
    switch (k.kind) {
    case KEY_RSA:
    case KEY_RSA_PSS:
        return k.size > RSA_BITS_MAX || k.exponent > k.size ||
               (k.size > RSA_BITS_WITH_LARGE_EXPONENT && k.exponent > EXPONENT_BITS_MAX);
    case KEY_DSA:
        return is_absurd_prime(k.size) || k.subgroup > SUBGROUP_BITS_MAX;
    case KEY_EC:
        return k.size > FIELD_BITS_MAX;
    default:
        return false;
    }
}

unsigned certificate_cost(struct span der)
{
    struct certificate_parts parts;
    struct key k;

    certificate_parts(der, &parts);
    if (!read_key(parts.spki, &k))
        return 0;
    if (k.kind == KEY_RSA || k.kind == KEY_RSA_PSS)
        return (k.size / 512) * (k.size / 512) * (k.exponent > 17 ? k.exponent / 17 : 1);
    if (k.kind == KEY_DSA)
        return (k.size / 512) * (k.size / 512) * (k.subgroup / 16 + 1);
    return k.kind == KEY_OTHER ? 0 : 4 * (k.size / 16) * (k.size / 16) / 16 + 1;
}

/* --- what is read of each --------------------------------------------------------------------- */

static void fail(struct certificate *c, enum certificate_field field)
{
    c->unreadable |= 1U << field;
}

static void read_numbers(const struct certificate_parts *p, struct certificate *c)
{
    struct span serial = p->serial.body;
    c->version = p->version;
    if (!c->version)
        fail(c, CERTIFICATE_VERSION);
    if (!serial.len)
        fail(c, CERTIFICATE_SERIAL);
    for (size_t i = 0; i < serial.len && 2 * i + 2 < sizeof c->serial; i++)
        snprintf(c->serial + 2 * i, 3, "%02x", (unsigned)(unsigned char)serial.at[i]);
    c->serial_cut = 2 * serial.len >= sizeof c->serial;
    if (!der_time(p->not_before, &c->not_before))
        fail(c, CERTIFICATE_NOT_BEFORE);
    if (!der_time(p->not_after, &c->not_after))
        fail(c, CERTIFICATE_NOT_AFTER);
}

/* Each name that is empty because it cannot be read is empty text. */
static bool read_dn(struct der name, struct certificate *c, enum certificate_field field,
                    struct text *out)
{
    enum dn_result result = name.whole.len ? dn_format(name, out) : DN_UNREADABLE;
    if (result == DN_UNREADABLE) {
        fail(c, field);
        return text_set(out, span_of(""), TEXT_REPLY_MAX);
    }
    return result == DN_OK;
}

static bool read_spki(const struct certificate_parts *p, struct certificate *c)
{
    struct key k;
    if (!read_key(p->spki, &k)) {
        fail(c, CERTIFICATE_SPKI);
        fail(c, CERTIFICATE_KEY);
        fail(c, CERTIFICATE_KEY_BITS);
        return true;
    }
    if (k.kind != KEY_OTHER)
        snprintf(c->key_algorithm, sizeof c->key_algorithm, "%s", kinds[k.kind].name);
    else if (!der_oid_text(k.oid, c->key_algorithm, sizeof c->key_algorithm))
        fail(c, CERTIFICATE_KEY);
    c->key_bits = k.bits;
    if (!k.bits)
        fail(c, CERTIFICATE_KEY_BITS);
    return gnutls_hash_fast(GNUTLS_DIG_SHA256, p->spki.whole.at, p->spki.whole.len,
                            c->spki_sha256) >= 0;
}

#define OID_SHA1 "\x2b\x0e\x03\x02\x1a"
#define OID_SHA2 "\x60\x86\x48\x01\x65\x03\x04\x02" /* and one more octet */

/* RFC 4055 section 3.1: the hash is a parameter, and SHA-1 if it is left out. */
static const char *name_of_pss(struct der algorithm)
{
    static const char *const names[] = {[1] = "RSA-PSS-SHA256",
                                        [2] = "RSA-PSS-SHA384",
                                        [3] = "RSA-PSS-SHA512",
                                        [4] = "RSA-PSS-SHA224",
                                        [8] = "RSA-PSS-SHA3-256"};
    struct der parameters, tagged, hash, oid;

    if (!der_take(&algorithm.body, DER_SEQUENCE, &parameters))
        return NULL;
    if (!der_take(&parameters.body, 0xa0, &tagged))
        return "RSA-PSS-SHA1";
    if (!der_take(&tagged.body, DER_SEQUENCE, &hash) || !der_take(&hash.body, DER_OID, &oid))
        return NULL;
    if (DER_IS(oid, OID_SHA1))
        return "RSA-PSS-SHA1";
    if (oid.body.len != sizeof OID_SHA2 || memcmp(oid.body.at, OID_SHA2, oid.body.len - 1) != 0)
        return NULL;
    size_t last = (unsigned char)oid.body.at[oid.body.len - 1];
    return last < sizeof names / sizeof *names ? names[last] : NULL;
}

static void read_signature(const struct certificate_parts *p, struct certificate *c)
{
    struct der algorithm = p->algorithm, oid;
    const char *name = NULL;
    char text[sizeof c->signature_algorithm];

    if (!der_take(&algorithm.body, DER_OID, &oid) || !der_oid_text(oid, text, sizeof text)) {
        fail(c, CERTIFICATE_SIGNATURE);
        return;
    }
    if (DER_IS(oid, OID_RSA_PSS))
        name = name_of_pss(algorithm);
    else
        name = gnutls_sign_get_name(gnutls_oid_to_sign(text));
    snprintf(c->signature_algorithm, sizeof c->signature_algorithm, "%s", name ? name : text);
}

/* The same name, and the same key as far as it says which: they may be two of one name. */
static void read_self_signed(const struct certificate_parts *p, struct certificate *c)
{
    struct span subject = p->subject.whole, issuer = p->issuer.whole;
    if (!subject.len || !issuer.len || !p->extended) {
        fail(c, CERTIFICATE_SELF_SIGNED);
        return;
    }
    struct span own = certificate_key_id(p), signer = certificate_issuer_key_id(p);
    bool same = subject.len == issuer.len && memcmp(subject.at, issuer.at, subject.len) == 0;
    c->self_signed = same && (!own.len || !signer.len ||
                              (own.len == signer.len && memcmp(own.at, signer.at, own.len) == 0));
}

/* --- extensions ------------------------------------------------------------------------------- */

enum reading { READ_OK, READ_BAD, READ_NO_MEMORY };

static bool add_address(struct list *l, struct span octets)
{
    char text[INET6_ADDRSTRLEN];
    int family = octets.len == 4 ? AF_INET : AF_INET6;
    if ((octets.len != 4 && octets.len != 16) || !inet_ntop(family, octets.at, text, sizeof text)) {
        l->lossy = true;
        return true;
    }
    return list_add(l, span_of(text));
}

static bool add_name(struct certificate *c, struct der name)
{
    if (name.tag == 0x82 && name.body.len > TEXT_ITEM_MAX)
        c->names.lossy = true; /* longer than any name can be */
    else if (name.tag == 0x82 && !c->names.full)
        return list_add(&c->names, name.body);
    else if (name.tag == 0x87 && !c->addresses.full)
        return add_address(&c->addresses, name.body);
    return true;
}

static enum reading read_names(struct span in, struct certificate *c)
{
    struct der list, name;
    if (!der_take(&in, DER_SEQUENCE, &list) || in.len)
        return READ_BAD;
    while (list.body.len) {
        if (!der_next(&list.body, &name))
            return READ_BAD;
        if (!add_name(c, name))
            return READ_NO_MEMORY;
    }
    return READ_OK;
}

static enum reading read_usage(struct span in, struct certificate *c)
{
    static const char *const names[] = {"digitalSignature", "nonRepudiation", "keyEncipherment",
                                        "dataEncipherment", "keyAgreement",   "keyCertSign",
                                        "cRLSign",          "encipherOnly",   "decipherOnly"};
    struct der bits;
    if (!der_take(&in, DER_BITS, &bits) || in.len || !bits.body.len)
        return READ_BAD;
    struct span octets = span_from(bits.body, 1);
    for (size_t i = 0; i < sizeof names / sizeof *names && i / 8 < octets.len; i++)
        if (((unsigned char)octets.at[i / 8] & 0x80U >> i % 8) &&
            !list_add(&c->key_usage, span_of(names[i])))
            return READ_NO_MEMORY;
    return READ_OK;
}

static enum reading read_purposes(struct span in, struct certificate *c)
{
    static const struct {
        const char *oid, *name;
    } purposes[] = {
        {GNUTLS_KP_TLS_WWW_SERVER, "serverAuth"},  {GNUTLS_KP_TLS_WWW_CLIENT, "clientAuth"},
        {GNUTLS_KP_CODE_SIGNING, "codeSigning"},   {GNUTLS_KP_EMAIL_PROTECTION, "emailProtection"},
        {GNUTLS_KP_TIME_STAMPING, "timeStamping"}, {GNUTLS_KP_OCSP_SIGNING, "OCSPSigning"},
        {GNUTLS_KP_ANY, "anyExtendedKeyUsage"},
    };
    struct der list, purpose;
    char oid[128];

    if (!der_take(&in, DER_SEQUENCE, &list) || in.len)
        return READ_BAD;
    while (list.body.len && !c->purposes.full) {
        if (!der_next(&list.body, &purpose) || !der_oid_text(purpose, oid, sizeof oid))
            return READ_BAD;
        const char *name = oid;
        for (size_t i = 0; i < sizeof purposes / sizeof *purposes; i++)
            if (strcmp(oid, purposes[i].oid) == 0)
                name = purposes[i].name;
        if (!list_add(&c->purposes, span_of(name)))
            return READ_NO_MEMORY;
    }
    return READ_OK;
}

/* RFC 5280 section 4.2.2.1: only addresses of the web count. */
static enum reading read_access(struct span in, struct certificate *c)
{
    struct der list, place, method, where;
    if (!der_take(&in, DER_SEQUENCE, &list) || in.len)
        return READ_BAD;
    while (list.body.len) {
        if (!der_take(&list.body, DER_SEQUENCE, &place) ||
            !der_take(&place.body, DER_OID, &method) || !der_next(&place.body, &where))
            return READ_BAD;
        bool url = where.tag == 0x86 && where.body.len;
        c->ocsp |= url && DER_IS(method, "\x2b\x06\x01\x05\x05\x07\x30\x01");
        c->issuer_url |= url && DER_IS(method, "\x2b\x06\x01\x05\x05\x07\x30\x02");
    }
    return READ_OK;
}

/* RFC 7633: does it promise that a proof of its status comes with it? */
static enum reading read_features(struct span in, struct certificate *c)
{
    struct der list, feature;
    if (!der_take(&in, DER_SEQUENCE, &list) || in.len)
        return READ_BAD;
    while (list.body.len) {
        if (!der_take(&list.body, DER_INTEGER, &feature))
            return READ_BAD;
        c->must_staple |= feature.body.len == 1 && feature.body.at[0] == 5; /* status_request */
    }
    return READ_OK;
}

/* RFC 6962 section 3.3. An empty list would be of four octets. */
static enum reading read_timestamps(struct span in, struct certificate *c)
{
    struct der octets;
    c->timestamped = in.len > 4;
    return der_take(&in, DER_OCTETS, &octets) && !in.len ? READ_OK : READ_BAD;
}

static const struct {
    const char *oid;
    enum certificate_field field;
    enum reading (*read)(struct span, struct certificate *);
} extensions[] = {
    {EXTENSION_NAMES, CERTIFICATE_NAMES, read_names},
    {"\x55\x1d\x0f", CERTIFICATE_KEY_USAGE, read_usage},
    {EXTENSION_PURPOSES, CERTIFICATE_PURPOSES, read_purposes},
    {"\x2b\x06\x01\x05\x05\x07\x01\x01", CERTIFICATE_ACCESS, read_access},
    {"\x2b\x06\x01\x05\x05\x07\x01\x18", CERTIFICATE_MUST_STAPLE, read_features},
    {"\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x02", CERTIFICATE_TIMESTAMPS, read_timestamps},
};

/* What was read of an extension before it turned out to be none is forgotten. */
static void forget_field(struct certificate *c, enum certificate_field field)
{
    fail(c, field);
    if (field == CERTIFICATE_NAMES) {
        list_clear(&c->names);
        list_clear(&c->addresses);
    } else if (field == CERTIFICATE_KEY_USAGE) {
        list_clear(&c->key_usage);
    } else if (field == CERTIFICATE_PURPOSES) {
        list_clear(&c->purposes);
    } else if (field == CERTIFICATE_ACCESS) {
        c->ocsp = c->issuer_url = false;
    } else if (field == CERTIFICATE_MUST_STAPLE) {
        c->must_staple = false;
    } else if (field == CERTIFICATE_TIMESTAMPS) {
        c->timestamped = false;
    }
}

static bool read_extensions(const struct certificate_parts *p, struct certificate *c)
{
    for (size_t i = 0; i < sizeof extensions / sizeof *extensions; i++) {
        struct span value;
        enum tri there = certificate_extension(p, extensions[i].oid, &value);
        enum reading reading = there == TRI_YES  ? extensions[i].read(value, c)
                               : there == TRI_NO ? READ_OK
                                                 : READ_BAD;
        if (reading == READ_NO_MEMORY)
            return false;
        if (reading == READ_BAD)
            forget_field(c, extensions[i].field);
    }
    return true;
}

/* --- certificates ----------------------------------------------------------------------------- */

bool certificate_read(struct certificate *c, struct span der)
{
    static const struct certificate none;
    struct certificate_parts parts;

    *c = none;
    certificate_parts(der, &parts);
    read_numbers(&parts, c);
    read_signature(&parts, c);
    read_self_signed(&parts, c);
    return gnutls_hash_fast(GNUTLS_DIG_SHA256, der.at, der.len, c->sha256) >= 0 &&
           read_dn(parts.subject, c, CERTIFICATE_SUBJECT, &c->subject) &&
           read_dn(parts.issuer, c, CERTIFICATE_ISSUER, &c->issuer) && read_spki(&parts, c) &&
           read_extensions(&parts, c);
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
    chain->cut = count > CHAIN_MAX;
    if (chain->cut)
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

const char *chain_link_path(size_t link)
{
    static const char *const paths[CHAIN_MAX + 1] = {
        "/tls/chain/0",  "/tls/chain/1",  "/tls/chain/2",  "/tls/chain/3",  "/tls/chain/4",
        "/tls/chain/5",  "/tls/chain/6",  "/tls/chain/7",  "/tls/chain/8",  "/tls/chain/9",
        "/tls/chain/10", "/tls/chain/11", "/tls/chain/12", "/tls/chain/13", "/tls/chain/14",
        "/tls/chain/15", "/tls/chain/16"};
    return paths[link];
}
