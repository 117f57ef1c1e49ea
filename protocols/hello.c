/* SPDX-License-Identifier: MIT */
#include "protocols/hello.h"

/* --- writing ---------------------------------------------------------------------------------- */

/* A cursor over the output. Everything written is of known, bounded size: HELLO_MAX holds the
 * largest hello. */
struct writer {
    uint8_t *out;
    size_t len;
};

static void put8(struct writer *w, unsigned value)
{
    w->out[w->len++] = (uint8_t)value;
}

static void put16(struct writer *w, unsigned value)
{
    put8(w, value >> 8);
    put8(w, value & 0xff);
}

static void put_octets(struct writer *w, const void *from, size_t n)
{
    memcpy(w->out + w->len, from, n);
    w->len += n;
}

static void put_list16(struct writer *w, const uint16_t *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        put16(w, list[i]);
}

/* Leaves room for a 16-bit length; close16() fills it in. */
static size_t open16(struct writer *w)
{
    put16(w, 0);
    return w->len;
}

static void close16(struct writer *w, size_t start)
{
    size_t n = w->len - start;
    w->out[start - 2] = (uint8_t)(n >> 8);
    w->out[start - 1] = (uint8_t)(n & 0xff);
}

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Up to TLS 1.2: whatever a server may still have, the strong first, few enough to stay under 256
   octets. The last one is the signal of RFC 5746. */
static const uint16_t legacy_suites[] = {
    0xc02c, 0xc02b, 0xcca9, 0xc024, 0xc023,
    0xc00a, 0xc009, 0xc008, 0xc007, /* ECDHE-ECDSA         */
    0xc030, 0xc02f, 0xcca8, 0xc028, 0xc027,
    0xc014, 0xc013, 0xc012, 0xc011, /* ECDHE-RSA           */
    0x009f, 0x009e, 0xccaa, 0x006b, 0x0067,
    0x0039, 0x0033, 0x0016, 0x0088, /* DHE-RSA             */
    0x009d, 0x009c, 0x003d, 0x003c, 0x0035,
    0x002f, 0x0084, 0x000a, 0x0005, 0x0004, /* RSA          */
    0x0038, 0x0032, 0x0013,                 /* DHE-DSS             */
    0xc019, 0x0034, 0x001b,                 /* anonymous           */
    0x0009, 0x0008, 0x0003,                 /* DES and export      */
    0x00ff,
};

/* With TLS 1.3 on offer the old ones are there only to see which version is chosen instead. */
static const uint16_t modern_suites[] = {
    0x1301, 0x1302, 0x1303, 0x1304, 0x1305, 0xc02c, 0xc02b, 0xcca9, 0xc00a,
    0xc009, 0xc030, 0xc02f, 0xcca8, 0xc014, 0xc013, 0x009f, 0x009e, 0x0039,
    0x0033, 0x009d, 0x009c, 0x0035, 0x002f, 0x000a, 0x00ff,
};

/* Below TLS 1.2 there are these, too: null, export, DES, IDEA, SEED, static Diffie-Hellman,
   Camellia, anonymous, GOST, PSK. At most 127 with the usual ones. */
static const uint16_t rare_suites[] = {
    0x0096, 0x009a, 0x0041, 0x0045, 0x0084, 0x0007, 0x0015, 0x0012, 0x0006, 0x0014, 0x0011, /* */
    0x0001, 0x0002, 0xc006, 0xc010, 0x0017, 0x0018, 0x0019, 0x001a, 0x003a, 0x0046, 0x0089, /* */
    0x009b, 0xc015, 0xc016, 0xc017, 0xc018, 0x0044, 0x0087, 0x0099, 0x0066, 0xc001, 0xc002, /* */
    0xc003, 0xc004, 0xc005, 0xc00b, 0xc00c, 0xc00d, 0xc00e, 0xc00f, 0x0081, 0x0083, 0xff85, /* */
    0x008c, 0x008d, 0x008b, 0x008a, 0x0090, 0x0091, 0x008f, 0x008e, 0x0094, 0x0095, 0x0093, /* */
    0x0092, 0xc035, 0xc036, 0xc034, 0xc033, 0x000c, 0x000d, 0x000f, 0x0010, 0x0030, 0x0031, /* */
    0x0036, 0x0037, 0x0042, 0x0043, 0x0085, 0x0086, 0x0097, 0x0098, 0x0062, 0x0063, 0x0064, /* */
    0x0065, 0x000b, 0x000e, 0x0060,                                                         /* */
};

/* And these in TLS 1.2, what is likely first. */
static const uint16_t new_suites[] = {
    0xc0ac, 0xc0ad, 0xc0ae, 0xc0af, 0xc09c, 0xc09d, 0xc09e, 0xc09f, 0xc0a0, 0xc0a1, /* CCM      */
    0xc0a2, 0xc0a3, 0xc0a4, 0xc0a5, 0xc0a6, 0xc0a7, 0xc0a8, 0xc0a9, 0xc0aa, 0xc0ab, /* of PSK   */
    0xc05c, 0xc05d, 0xc060, 0xc061, 0xc052, 0xc053, 0xc050, 0xc051, 0xc048, 0xc049, /* ARIA     */
    0xc04c, 0xc04d, 0xc044, 0xc045, 0xc03c, 0xc03d, 0xc086, 0xc087, 0xc08a, 0xc08b, /* Camellia */
    0xc07c, 0xc07d, 0xc07a, 0xc07b, 0xc072, 0xc073, 0xc076, 0xc077, 0x00be, 0x00c4, /* */
    0x00ba, 0x00c0, 0x00a2, 0x00a3, 0x006a, 0x0040, 0x003b, 0x00a6, 0x00a7, 0x006c, /* DSS, anon */
    0x006d, 0xc02d, 0xc02e, 0xc031, 0xc032, 0xc025, 0xc026, 0xc029, 0xc02a, 0xccac, /* ECDH, PSK */
    0xccad, 0xccae, 0xccab, 0xd001, 0xd002, 0xd003, 0xd005, 0xc037, 0xc038, 0x00aa, /* */
    0x00ab, 0x00a8, 0x00a9, 0x00ac, 0x00ad, 0x00ae, 0x00af, 0x00b2, 0x00b3, 0x00b6, /* */
    0x00b7, 0xc100, 0xc101, 0xc102, 0xcc13, 0xcc14, 0xcc15, 0x00a0, 0x00a1, 0x00a4, /* GOST, DH */
    0x00a5, 0x003e, 0x003f, 0x0068, 0x0069, 0xc039, 0xc03a, 0xc03b, 0x00b0, 0x00b1, /* */
    0x00b4, 0x00b5, 0x00b8, 0x00b9, 0x00bb, 0x00bc, 0x00bd, 0x00bf, 0x00c1, 0x00c2, /* */
    0x00c3, 0x00c5, 0xc03e, 0xc03f, 0xc040, 0xc041, 0xc042, 0xc043, 0xc046, 0xc047, /* */
    0xc04a, 0xc04b, 0xc04e, 0xc04f, 0xc054, 0xc055, 0xc056, 0xc057, 0xc058, 0xc059, /* */
    0xc05a, 0xc05b, 0xc05e, 0xc05f, 0xc062, 0xc063, 0xc064, 0xc065, 0xc066, 0xc067, /* */
    0xc068, 0xc069, 0xc06a, 0xc06b, 0xc06c, 0xc06d, 0xc06e, 0xc06f, 0xc070, 0xc071, /* */
    0xc074, 0xc075, 0xc078, 0xc079, 0xc07e, 0xc07f, 0xc080, 0xc081, 0xc082, 0xc083, /* */
    0xc084, 0xc085, 0xc088, 0xc089, 0xc08c, 0xc08d, 0xc08e, 0xc08f, 0xc090, 0xc091, /* */
    0xc092, 0xc093, 0xc094, 0xc095, 0xc096, 0xc097, 0xc098, 0xc099, 0xc09a, 0xc09b, /* */
    0xc0b0, 0xc0b1, 0xc0b2, 0xc0b3, 0x16b7, 0x16b8, 0xe011, 0xe013, 0xe051, 0xe053, /* */
    0xe001, 0xe003, 0xe019, 0xe01a, 0x002c, 0x002d, 0x002e, 0xc01a, 0xc01b, 0xc01c, /* SRP */
    0xc01d, 0xc01e, 0xc01f, 0xc020, 0xc021, 0xc022, 0x0080, 0x0082,                 /* */
};

/* TLS 1.3: what the modern list has not. AEGIS, ShangMi, integrity alone, GOST. */
static const uint16_t rare_modern_suites[] = {0x1306, 0x1307, 0x00c6, 0x00c7, 0xc0b4,
                                              0xc0b5, 0xc103, 0xc104, 0xc105, 0xc106};

static const uint16_t groups[] = {0x001d, 0x0017, 0x0018, 0x0019, 0x001e, 0x001a, 0x001b, 0x001c};
static const uint16_t modern_groups[] = {0x001d, 0x0017, 0x0018, 0x0019, 0x001e, 0x11ec,
                                         0x11eb, 0x11ed, 0x0100, 0x0101, 0x0102, 0x0103,
                                         0x0104, 0x001f, 0x0020, 0x0021};
/* All others that are known, of TLS 1.2 and TLS 1.3. */
static const uint16_t rare_groups[] = {
    0x0200, 0x0201, 0x0202, 0x11ee, 0x6399, 0x639a, 0x0029, 0x0022, 0x0023, 0x0024,
    0x0025, 0x0026, 0x0027, 0x0028, 0x001a, 0x001b, 0x001c, 0x0015, 0x0016, 0x0013,
    0x0001, 0x0002, 0x0003, 0x0004, 0x0005, 0x0006, 0x0007, 0x0008, 0x0009, 0x000a,
    0x000b, 0x000c, 0x000d, 0x000e, 0x000f, 0x0010, 0x0011, 0x0012, 0x0014};
static const uint16_t old_groups[] = {0x001d, 0x0017, 0x0018, 0x0019};
static const uint16_t old_signatures[] = {0x0403, 0x0503, 0x0603, 0x0804,
                                          0x0401, 0x0601, 0x0203, 0x0201};
static const uint16_t rare_signatures[] = {0x080a, 0x080b, 0x081a, 0x081b, 0x081c, 0x0904,
                                           0x0905, 0x0906, 0x0708, 0x0709, 0x070a, 0x070b,
                                           0x070c, 0x0402, 0x0301, 0x0101};
static const uint16_t signatures[] = {0x0403, 0x0503, 0x0603, 0x0804, 0x0805,
                                      0x0806, 0x0807, 0x0808, 0x0809, 0x0401,
                                      0x0501, 0x0601, 0x0203, 0x0201, 0x0202};

enum extension {
    EXTENSION_SERVER_NAME = 0,
    EXTENSION_GROUPS = 10,
    EXTENSION_POINT_FORMATS = 11,
    EXTENSION_SIGNATURES = 13,
    EXTENSION_ALPN = 16,
    EXTENSION_PADDING = 21,
    EXTENSION_ENCRYPT_THEN_MAC = 22,
    EXTENSION_MASTER_SECRET = 23,
    EXTENSION_SUPPORTED_VERSIONS = 43,
    EXTENSION_KEY_SHARE = 51,
    EXTENSION_RENEGOTIATION = 0xff01
};

/* Two lists of numbers, one behind the other. */
static void put_extension16(struct writer *w, enum extension type, const uint16_t *list,
                            size_t count, const uint16_t *more, size_t more_count)
{
    put16(w, type);
    size_t extension = open16(w), inner = open16(w);
    put_list16(w, list, count);
    put_list16(w, more, more_count);
    close16(w, inner);
    close16(w, extension);
}

static void put_groups(struct writer *w, const struct hello *h)
{
    size_t rare = h->part ? COUNT(rare_groups) : 0;
    if (h->highest == VERSION_TLS13)
        put_extension16(w, EXTENSION_GROUPS, modern_groups, COUNT(modern_groups), rare_groups,
                        rare);
    else if (h->form == HELLO_OLD && !h->part)
        put_extension16(w, EXTENSION_GROUPS, old_groups, COUNT(old_groups), NULL, 0);
    else
        put_extension16(w, EXTENSION_GROUPS, groups, COUNT(groups), rare_groups, rare);
}

static void put_signatures(struct writer *w, const struct hello *h)
{
    if (h->form == HELLO_OLD && !h->part)
        put_extension16(w, EXTENSION_SIGNATURES, old_signatures, COUNT(old_signatures), NULL, 0);
    else
        put_extension16(w, EXTENSION_SIGNATURES, signatures, COUNT(signatures), rare_signatures,
                        h->part ? COUNT(rare_signatures) : 0);
}

/* RFC 6066 section 3. */
static void put_server_name(struct writer *w, const char *name)
{
    put16(w, EXTENSION_SERVER_NAME);
    size_t extension = open16(w), list = open16(w);
    put8(w, 0);
    size_t host = open16(w);
    put_octets(w, name, strlen(name));
    close16(w, host);
    close16(w, list);
    close16(w, extension);
}

static uint16_t wire_of_version(enum version version)
{
    static const uint16_t wires[VERSION_COUNT] = {0x0002, 0x0300, 0x0301, 0x0302, 0x0303, 0x0304};
    return wires[version];
}

/* RFC 8446 section 4.2.1: who reads it goes by this list, and not by the older field. */
static void put_supported_versions(struct writer *w, const struct hello *h)
{
    unsigned highest = wire_of_version(h->highest), lowest = h->alone ? highest : 0x0300;
    put16(w, EXTENSION_SUPPORTED_VERSIONS);
    size_t extension = open16(w);
    put8(w, 2 * (highest - lowest + 1));
    for (unsigned wire = highest; wire >= lowest; wire--)
        put16(w, wire);
    close16(w, extension);
}

/* RFC 8446 section 4.2.8. Without a share the server picks a group in a HelloRetryRequest. */
static void put_key_share(struct writer *w, const struct hello *h)
{
    put16(w, EXTENSION_KEY_SHARE);
    size_t extension = open16(w), shares = open16(w);
    if (h->with_share) {
        put16(w, 0x001d);
        size_t share = open16(w);
        put_octets(w, h->random, HELLO_RANDOM);
        close16(w, share);
    }
    close16(w, shares);
    close16(w, extension);
}

/* Some servers choke on 256 to 511 octets (RFC 7685), some on more of which so many are left over 256:
 * then it is made longer. */
static void put_padding(struct writer *w)
{
    size_t length = w->len < 512 ? 512 : w->len;
    if (w->len < HELLO_LARGE)
        return;
    while (length < w->len + 4 || (length > 512 && (length % 256 <= 20)))
        length++;
    put16(w, EXTENSION_PADDING);
    size_t padding = open16(w);
    while (w->len < length)
        put8(w, 0);
    close16(w, padding);
}

static void put_extensions(struct writer *w, const struct hello *h)
{
    static const uint8_t uncompressed_points[] = {0, EXTENSION_POINT_FORMATS, 0, 2, 1, 0};
    static const uint8_t http[] = {
        0, EXTENSION_ALPN, 0, 11, 0, 9, 8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
    bool new = h->form == HELLO_NEW;
    size_t all = open16(w);

    if (h->name)
        put_server_name(w, h->name);
    if (new) {
        put16(w, EXTENSION_MASTER_SECRET);
        put16(w, 0);
        put16(w, EXTENSION_ENCRYPT_THEN_MAC);
        put16(w, 0);
    }
    put_groups(w, h);
    put_octets(w, uncompressed_points, sizeof uncompressed_points);
    if (h->highest >= VERSION_TLS12)
        put_signatures(w, h);
    if (new)
        put_supported_versions(w, h);
    if (h->highest == VERSION_TLS13)
        put_key_share(w, h);
    if (h->foreign_alpn)
        put_octets(w, http, sizeof http);
    put_padding(w);
    close16(w, all);
}

/* --- suites ----------------------------------------------------------------------------------- */

#define SIGNAL 0x00ff                   /* of RFC 5746; not counted below */
#define PART_MAX (HELLO_SUITES_MAX - 1) /* suites of one hello */
#define BARE_MAX ((size_t)100)          /* the same where it is to stay under 256 octets */
#define USUAL (COUNT(legacy_suites) - 1)
#define RARE COUNT(rare_suites)
#define NEW COUNT(new_suites)
#define PARTS_OF(count, max) ((unsigned)(((count) + (max)-1) / (max)))

_Static_assert(USUAL + RARE <= PART_MAX, "all below TLS 1.2 fit one hello");

/* Is it worth anything below TLS 1.2? Suites of GCM, CCM, ChaCha20, SHA-256 and SHA-384 are not. */
static bool is_old_suite(uint16_t suite)
{
    return suite < 0x003b || (suite >= 0x0041 && suite < 0x0067) ||
           (suite >= 0x0080 && suite < 0x009c) || (suite >= 0xc001 && suite <= 0xc022);
}

/* A list of suites that is looked at through a window: those from skip on, at most max. */
struct suites {
    uint16_t *out;
    size_t count, skip, max;
};

static void add_suites(struct suites *s, const uint16_t *list, size_t count, bool old_alone)
{
    for (size_t i = 0; i < count && s->count < s->max; i++) {
        if (old_alone && !is_old_suite(list[i]))
            continue;
        if (s->skip)
            s->skip--;
        else
            s->out[s->count++] = list[i];
    }
}

unsigned hello_parts(enum version highest, enum hello_form form)
{
    if (highest == VERSION_SSL2 || (form == HELLO_BARE && highest < VERSION_TLS12))
        return 1;
    if (highest != VERSION_TLS12)
        return 2;
    return form == HELLO_BARE ? PARTS_OF(USUAL + NEW + RARE, BARE_MAX)
                              : 1 + PARTS_OF(NEW + RARE, PART_MAX);
}

/* The suites of TLS that it offers, and the signal behind them. */
static size_t list_suites(const struct hello *h, uint16_t out[HELLO_SUITES_MAX])
{
    struct suites s = {.out = out, .max = h->form == HELLO_BARE ? BARE_MAX : PART_MAX};
    bool old = h->highest < VERSION_TLS12 && !(h->by_list && !h->part);

    if (h->highest == VERSION_TLS13) {
        add_suites(&s, modern_suites, h->part ? 5 : COUNT(modern_suites) - 1, false);
        if (h->part) {
            add_suites(&s, rare_modern_suites, COUNT(rare_modern_suites), false);
            add_suites(&s, legacy_suites, USUAL, false);
            add_suites(&s, new_suites, NEW, false);
        }
    } else if (h->form == HELLO_BARE) {
        s.skip = h->part * BARE_MAX;
        add_suites(&s, legacy_suites, USUAL, old);
        if (!old)
            add_suites(&s, new_suites, NEW, false);
        add_suites(&s, rare_suites, RARE, false);
    } else if (!h->part) {
        add_suites(&s, legacy_suites, USUAL, false);
    } else if (h->highest == VERSION_TLS12) {
        s.skip = (h->part - 1) * PART_MAX;
        add_suites(&s, new_suites, NEW, false);
        add_suites(&s, rare_suites, RARE, false);
    } else {
        add_suites(&s, legacy_suites, USUAL, false);
        add_suites(&s, rare_suites, RARE, false);
    }
    out[s.count++] = SIGNAL;
    return s.count;
}

static const uint32_t ssl2_kinds[] = {0x010080, 0x020080, 0x030080, 0x040080,
                                      0x050080, 0x060040, 0x0700c0};

static size_t build_ssl2(const struct hello *h, uint8_t *out)
{
    struct writer w = {out, 0};
    put16(&w, (unsigned)(0x8000 + 9 + 3 * COUNT(ssl2_kinds) + 16));
    put8(&w, 1); /* CLIENT-HELLO */
    put16(&w, 0x0002);
    put16(&w, (unsigned)(3 * COUNT(ssl2_kinds)));
    put16(&w, 0);  /* no session */
    put16(&w, 16); /* challenge */
    for (size_t i = 0; i < COUNT(ssl2_kinds); i++) {
        put8(&w, ssl2_kinds[i] >> 16);
        put16(&w, ssl2_kinds[i] & 0xffff);
    }
    put_octets(&w, h->random, 16);
    return w.len;
}

bool hello_has_suite(const struct hello *h, uint32_t suite)
{
    uint16_t list[HELLO_SUITES_MAX];
    size_t count = list_suites(h, list);
    for (size_t i = 0; i + 1 < count; i++) /* the signal is none */
        if (list[i] == suite)
            return true;
    return false;
}

static bool is_modern_suite(uint32_t suite)
{
    for (size_t i = 0; i < COUNT(rare_modern_suites); i++)
        if (rare_modern_suites[i] == suite)
            return true;
    return suite >> 8 == 0x13;
}

/* Ciphers that are a MAC as well need TLS 1.2: an older version with one of them is none that a
   client can speak (RFC 5288 section 4, RFC 6655 section 4, RFC 7905 section 2). */
static bool is_aead(uint32_t suite)
{
    const char *name = suite_name(suite);
    return name && (span_mentions(span_of(name), "_GCM_") || span_mentions(span_of(name), "_CCM") ||
                    span_mentions(span_of(name), "_CHACHA20_"));
}

bool hello_offers(const struct hello *h, const struct server_hello *answer)
{
    bool deflates = h->highest != VERSION_TLS13 && answer->compression == 1;
    if (h->highest == VERSION_SSL2)
        return true;
    if (answer->version < VERSION_TLS12 && is_aead(answer->suite))
        return false;
    return hello_has_suite(h, answer->suite) && (deflates || !answer->compressed) &&
           is_modern_suite(answer->suite) == (answer->version == VERSION_TLS13);
}

size_t hello_build(const struct hello *h, uint8_t out[HELLO_MAX])
{
    struct writer w = {out, 0};
    uint16_t suites_of[HELLO_SUITES_MAX];
    bool modern = h->highest == VERSION_TLS13;
    bool ancient = h->highest == VERSION_SSL3 && !h->by_list; /* it has no extensions */

    if (h->highest == VERSION_SSL2)
        return build_ssl2(h, out);
    put8(&w, 22); /* handshake */
    put16(&w, ancient ? 0x0300 : 0x0301);
    size_t record = open16(&w);
    put8(&w, 1); /* client_hello */
    put8(&w, 0);
    size_t message = open16(&w);
    put16(&w, wire_of_version(modern || h->by_list ? VERSION_TLS12 : h->highest));
    put_octets(&w, h->random, HELLO_RANDOM);
    put8(&w, 0); /* no session */
    size_t suites = open16(&w);
    put_list16(&w, suites_of, list_suites(h, suites_of));
    close16(&w, suites);
    if (modern) { /* TLS 1.3 forbids to offer compression */
        put16(&w, 0x0100);
    } else {
        put16(&w, 0x0201); /* DEFLATE (RFC 3749), to see whether it is taken … */
        put8(&w, 0);       /* … or null */
    }
    if (!ancient && h->form != HELLO_BARE)
        put_extensions(&w, h);
    close16(&w, message);
    close16(&w, record);
    return w.len;
}

/* --- reading ---------------------------------------------------------------------------------- */

const char *version_number(enum version version)
{
    static const char *const numbers[] = {"2.0", "3.0", "1.0", "1.1", "1.2", "1.3"};
    return version < VERSION_COUNT ? numbers[version] : NULL;
}

enum version version_of_wire(uint16_t wire)
{
    for (int v = VERSION_SSL2; v < VERSION_COUNT; v++)
        if (wire_of_version((enum version)v) == wire)
            return (enum version)v;
    return VERSION_NONE;
}

/* A cursor over the input that cannot leave it: after a short read, bad is set and everything reads
 * as zero. */
struct reader {
    struct span rest;
    bool bad;
};

static unsigned get8(struct reader *r)
{
    if (!r->rest.len) {
        r->bad = true;
        return 0;
    }
    unsigned value = (unsigned char)r->rest.at[0];
    r->rest = span_from(r->rest, 1);
    return value;
}

static unsigned get16(struct reader *r)
{
    unsigned high = get8(r);
    return high << 8 | get8(r);
}

static struct span get_octets(struct reader *r, size_t n)
{
    if (n > r->rest.len) {
        r->bad = true;
        n = 0;
    }
    struct span s = span_until(r->rest, n);
    r->rest = span_from(r->rest, n);
    return s;
}

static void read_extension(struct server_hello *h, unsigned type, struct span data, bool *bad)
{
    struct reader r = {data, false};
    switch (type) {
    case EXTENSION_MASTER_SECRET:
        h->master_secret = true;
        break;
    case EXTENSION_ENCRYPT_THEN_MAC:
        h->encrypt_then_mac = true;
        break;
    case EXTENSION_RENEGOTIATION:
        h->renegotiation = true;
        break;
    case EXTENSION_SUPPORTED_VERSIONS:
        h->wire = (uint16_t)get16(&r);
        h->version = h->wire == 0x0304 ? VERSION_TLS13 : VERSION_NONE;
        *bad |= r.bad;
        break;
    default:
        break;
    }
}

/* RFC 8446 section 4.1.3: the random of a HelloRetryRequest, and the end of one that was talked
 * down. */
static const uint8_t retry_random[HELLO_RANDOM] = {
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};

bool server_hello_parse(struct span body, struct server_hello *h)
{
    struct reader r = {body, false};

    *h = (struct server_hello){.wire = (uint16_t)get16(&r)};
    h->version = version_of_wire(h->wire);
    if (h->version == VERSION_SSL2 || h->version == VERSION_TLS13)
        h->version = VERSION_NONE; /* neither is ever chosen in this field */
    struct span random = get_octets(&r, HELLO_RANDOM);
    get_octets(&r, get8(&r));
    h->suite = get16(&r);
    h->compression = (uint8_t)get8(&r);
    h->compressed = h->compression != 0;
    if (r.bad)
        return false;
    h->retry = memcmp(random.at, retry_random, HELLO_RANDOM) == 0;
    h->sentinel = memcmp(random.at + 24, "DOWNGRD", 7) == 0 && (random.at[31] & ~1) == 0;
    if (!r.rest.len) /* before RFC 3546 there were no extensions */
        return !h->retry;
    struct reader extensions = {get_octets(&r, get16(&r)), false};
    while (extensions.rest.len && !extensions.bad) {
        unsigned type = get16(&extensions);
        struct span data = get_octets(&extensions, get16(&extensions));
        if (!extensions.bad)
            read_extension(h, type, data, &extensions.bad);
    }
    return !r.bad && !extensions.bad && !(h->retry && h->version != VERSION_TLS13);
}

void response_init(struct response *r, const struct hello *hello, response_room_fn room,
                   void *context)
{
    memset(r, 0, offsetof(struct response, body));
    r->alert = r->warning = -1;
    r->highest = hello->highest;
    r->room = room;
    r->context = context;
}

static enum response_state read_alert(struct response *r)
{
    bool fatal = r->piece[0] == 2;
    unsigned description = r->piece[1];
    if (!fatal && r->piece[0] != 1)
        return RESPONSE_MALFORMED;
    if (fatal || description == 0) { /* close_notify ends it as well */
        r->alert = (int)description;
        return RESPONSE_ALERT;
    }
    r->warning = (int)description;
    return ++r->warnings > RESPONSE_WARNINGS_MAX ? RESPONSE_LIMIT : RESPONSE_MORE;
}

/* RFC 8446 appendix D.2, RFC 5246 E.2: the whole of an SSLv2 SERVER-HELLO, its record header taken
 * off. */
static enum response_state read_ssl2(struct response *r, struct span body)
{
    struct reader in = {body, false};
    unsigned type = get8(&in);

    if (type != 4)
        return RESPONSE_MALFORMED;
    get8(&in); /* session-id-hit */
    get8(&in); /* certificate type */
    r->hello = (struct server_hello){.wire = (uint16_t)get16(&in)};
    size_t certificate = get16(&in), kinds = get16(&in);
    get16(&in); /* length of the connection id */
    struct span der = get_octets(&in, certificate);
    struct reader kind = {get_octets(&in, kinds), false};
    if (in.bad)
        return RESPONSE_MALFORMED;
    r->hello.version = version_of_wire(r->hello.wire);
    if (kinds >= 3)
        r->hello.suite = get8(&kind) << 16;
    r->hello.suite |= kinds >= 3 ? get16(&kind) : 0;
    r->greeted = true;
    if (r->room && der.len && (r->certificates = r->room(r->context, der.len))) {
        memcpy(r->certificates, der.at, der.len);
        r->certificates_len = der.len;
        r->certified = true;
    }
    return RESPONSE_DONE;
}

/* Types of handshake messages. */
enum { SERVER_HELLO = 2, CERTIFICATE = 11 };

/* A handshake message is complete. */
static enum response_state end_message(struct response *r)
{
    if (!r->greeted) {
        struct span body = {(const char *)r->body, r->message_len};
        if (r->message_type != SERVER_HELLO || !server_hello_parse(body, &r->hello))
            return RESPONSE_MALFORMED;
        r->greeted = true;
        bool visible = r->hello.version != VERSION_TLS13; /* from 1.3 on, it comes encrypted */
        return r->room && visible ? RESPONSE_MORE : RESPONSE_DONE;
    }
    r->certificates_len = r->message_len;
    r->certified = true;
    return RESPONSE_DONE;
}

static enum response_state begin_message(struct response *r)
{
    r->message_type = r->piece[0];
    r->message_len = (size_t)r->piece[1] << 16 | (size_t)r->piece[2] << 8 | r->piece[3];
    r->message_left = r->message_len;
    if (r->greeted && r->message_type != CERTIFICATE)
        return RESPONSE_DONE; /* its place has gone by: an anonymous server */
    if (r->greeted && r->message_len)
        r->certificates = r->room(r->context, r->message_len);
    if (r->greeted ? r->message_len && !r->certificates : r->message_len > sizeof r->body)
        return RESPONSE_LIMIT;
    return r->message_left ? RESPONSE_MORE : end_message(r);
}

/* Takes up to want octets into the small piece; true when it is whole. */
static bool gather(uint8_t *piece, size_t *have, size_t want, struct span *in)
{
    while (*have < want && in->len) {
        piece[(*have)++] = (uint8_t)in->at[0];
        *in = span_from(*in, 1);
    }
    return *have == want;
}

/* The content of one record, or a piece of it. */
static enum response_state read_content(struct response *r, struct span in)
{
    enum response_state state = RESPONSE_MORE;
    while (in.len && state == RESPONSE_MORE) {
        if (r->record_type == 21) {
            r->piece_type = r->record_type;
            if (!gather(r->piece, &r->piece_len, 2, &in))
                break;
            r->piece_len = 0;
            state = read_alert(r);
        } else if (r->message_left) {
            size_t n = in.len < r->message_left ? in.len : r->message_left;
            uint8_t *to = r->greeted ? r->certificates : r->body;
            memcpy(to + (r->message_len - r->message_left), in.at, n);
            r->message_left -= n;
            in = span_from(in, n);
            if (!r->message_left)
                state = end_message(r);
        } else {
            r->piece_type = r->record_type;
            if (!gather(r->piece, &r->piece_len, 4, &in))
                break;
            r->piece_len = 0;
            state = begin_message(r);
        }
    }
    return state;
}

/* The five octets of a record header are there. */
static enum response_state begin_record(struct response *r)
{
    r->record_type = r->head[0];
    r->record_left = (size_t)r->head[3] << 8 | r->head[4];
    r->head_len = 0;
    bool known = r->record_type == 21 || r->record_type == 22;
    /* GnuTLS may write any version into an alert before one is agreed on, and does. */
    bool versioned = r->head[1] == 3 || (r->record_type == 21 && r->record_left == 2);
    bool interrupted = (r->piece_len && r->record_type != r->piece_type) ||
                       (r->message_left && r->record_type != 22);
    if (!known || !versioned || r->record_left == 0 || interrupted ||
        r->record_left > (size_t)16384 + 256)
        return RESPONSE_MALFORMED;
    return RESPONSE_MORE;
}

/* SSLv2: two octets of length with the high bit set, then the message (kept whole in body). */
static enum response_state feed_ssl2(struct response *r, struct span bytes)
{
    if (!gather(r->head, &r->head_len, 2, &bytes))
        return RESPONSE_MORE;
    size_t want = (size_t)(r->head[0] & 0x7f) << 8 | r->head[1];
    if (want > sizeof r->body)
        return RESPONSE_LIMIT;
    if (!gather(r->body, &r->message_len, want, &bytes))
        return RESPONSE_MORE;
    return read_ssl2(r, (struct span){(const char *)r->body, r->message_len});
}

/* By its first octet an answer is TLS, SSLv2, text, or nothing that we know. */
static enum response_state start(struct response *r, unsigned char first)
{
    r->started = true;
    r->ssl2 = r->highest == VERSION_SSL2 && (first & 0x80) != 0;
    if (r->ssl2 || (first >= 20 && first <= 23))
        return RESPONSE_MORE;
    bool text = first == '\r' || first == '\n' || first == '\t' || (first >= ' ' && first < 127);
    return text ? RESPONSE_PLAINTEXT : RESPONSE_MALFORMED;
}

enum response_state response_feed(struct response *r, struct span bytes)
{
    enum response_state state = RESPONSE_MORE;

    if (!bytes.len)
        return state;
    if (!r->started && (state = start(r, (unsigned char)bytes.at[0])) != RESPONSE_MORE)
        return state;
    if (r->ssl2)
        return feed_ssl2(r, bytes);
    while (bytes.len && state == RESPONSE_MORE) {
        if (!r->record_left) {
            if (gather(r->head, &r->head_len, sizeof r->head, &bytes))
                state = begin_record(r);
            continue;
        }
        size_t n = bytes.len < r->record_left ? bytes.len : r->record_left;
        r->record_left -= n;
        state = read_content(r, span_until(bytes, n));
        bytes = span_from(bytes, n);
    }
    return state;
}

bool response_certificate(const struct response *r, size_t *at, struct span *der)
{
    struct reader in = {{(const char *)r->certificates, r->certificates_len}, false};

    if (!r->certified)
        return false;
    if (r->ssl2) {
        *der = in.rest;
        return (*at)++ == 0;
    }
    get_octets(&in, *at ? *at : 3); /* the length of the whole list comes first */
    if (!in.rest.len)
        return false;
    size_t n = get8(&in) << 16;
    n |= get16(&in);
    *der = get_octets(&in, n);
    *at = r->certificates_len - in.rest.len;
    return !in.bad && der->len;
}
