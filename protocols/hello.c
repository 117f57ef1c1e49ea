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

static const uint16_t groups[] = {0x001d, 0x0017, 0x0018, 0x0019, 0x001e, 0x001a, 0x001b, 0x001c};
static const uint16_t modern_groups[] = {0x001d, 0x0017, 0x0018, 0x0019, 0x001e, 0x11ec,
                                         0x11eb, 0x11ed, 0x0100, 0x0101, 0x0102, 0x0103,
                                         0x0104, 0x001f, 0x0020, 0x0021};
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

static void put_extension16(struct writer *w, enum extension type, const uint16_t *list,
                            size_t count)
{
    put16(w, type);
    size_t extension = open16(w), inner = open16(w);
    put_list16(w, list, count);
    close16(w, inner);
    close16(w, extension);
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

static void put_extensions(struct writer *w, const struct hello *h)
{
    static const uint8_t uncompressed_points[] = {0, EXTENSION_POINT_FORMATS, 0, 2, 1, 0};
    static const uint8_t http[] = {
        0, EXTENSION_ALPN, 0, 11, 0, 9, 8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
    bool modern = h->highest == VERSION_TLS13;
    size_t all = open16(w);

    if (h->name)
        put_server_name(w, h->name);
    put16(w, EXTENSION_MASTER_SECRET);
    put16(w, 0);
    put16(w, EXTENSION_ENCRYPT_THEN_MAC);
    put16(w, 0);
    if (modern)
        put_extension16(w, EXTENSION_GROUPS, modern_groups, COUNT(modern_groups));
    else
        put_extension16(w, EXTENSION_GROUPS, groups, COUNT(groups));
    put_octets(w, uncompressed_points, sizeof uncompressed_points);
    if (h->highest >= VERSION_TLS12)
        put_extension16(w, EXTENSION_SIGNATURES, signatures, COUNT(signatures));
    put_supported_versions(w, h);
    if (modern)
        put_key_share(w, h);
    if (h->foreign_alpn)
        put_octets(w, http, sizeof http);
    if (w->len > 255) { /* some servers choke on 256 to 511 octets (RFC 7685): pad to 512 */
        put16(w, EXTENSION_PADDING);
        size_t padding = open16(w);
        while (w->len < 512)
            put8(w, 0);
        close16(w, padding);
    }
    close16(w, all);
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

size_t hello_build(const struct hello *h, uint8_t out[HELLO_MAX])
{
    struct writer w = {out, 0};
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
    if (modern)
        put_list16(&w, modern_suites, COUNT(modern_suites));
    else
        put_list16(&w, legacy_suites, COUNT(legacy_suites));
    close16(&w, suites);
    if (modern) { /* TLS 1.3 forbids to offer compression */
        put16(&w, 0x0100);
    } else {
        put16(&w, 0x0201); /* DEFLATE (RFC 3749), to see whether it is taken … */
        put8(&w, 0);       /* … or null */
    }
    if (!ancient)
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
    h->compressed = get8(&r) != 0;
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
