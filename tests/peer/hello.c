/* SPDX-License-Identifier: MIT */
/* ClientHello in the forms of SSLv2 and of SSLv3 to TLS 1.3 (RFC 8446 4.1.2), and answers to it
 * without any key. */
#define _GNU_SOURCE
#include "inside.h"
#include <gnutls/crypto.h>
#include <string.h>

enum { RECORD_MAX = 16384 + 256, HELLO2_MAX = 4096 };

/* ---- reading ---- */

struct reader {
    const uint8_t *at;
    size_t left;
};

static const uint8_t *read_bytes(struct reader *reader, size_t len)
{
    const uint8_t *at = reader->at;
    if (reader->left < len) {
        reader->left = 0;
        return NULL;
    }
    reader->at += len;
    reader->left -= len;
    return at;
}

static unsigned read_8(struct reader *reader)
{
    const uint8_t *at = read_bytes(reader, 1);
    return at ? at[0] : 0;
}

static unsigned read_16(struct reader *reader)
{
    const uint8_t *at = read_bytes(reader, 2);
    return at ? (unsigned)at[0] << 8 | at[1] : 0;
}

static unsigned version_bit(unsigned number)
{
    switch (number) {
    case 0x0300:
        return VERSION_SSL3;
    case 0x0301:
        return VERSION_TLS10;
    case 0x0302:
        return VERSION_TLS11;
    case 0x0303:
        return VERSION_TLS12;
    case 0x0304:
        return VERSION_TLS13;
    default:
        return 0;
    }
}

/* What client_version alone means: it is the highest, and all below are taken too. */
static unsigned versions_up_to(unsigned number)
{
    if (number < 0x0300)
        return 0;
    unsigned highest = version_bit(number > 0x0303 ? 0x0303 : number);
    return (highest * 2 - 1) & ~(unsigned)VERSION_SSL2;
}

/* RFC 6066 section 3: a list of names, of which the first one counts. */
static void read_name(struct reader *body, struct hello *hello)
{
    hello->sni = body->left > 0;
    if (!read_bytes(body, 3)) /* length of the list, type */
        return;
    hello->name_len = read_16(body);
    hello->name = read_bytes(body, hello->name_len);
}

static void read_extensions(struct reader *reader, struct hello *hello)
{
    read_16(reader);
    hello->extended = reader->left > 0;
    while (reader->left >= 4) {
        unsigned type = read_16(reader);
        size_t len = read_16(reader);
        struct reader body = {.left = len};
        if (!(body.at = read_bytes(reader, len)))
            return;
        if (type == 0) {
            read_name(&body, hello);
        } else if (type == 41 || (type == 35 && len > 0)) { /* pre_shared_key, session_ticket */
            hello->resumes = true;
        } else if (type == 43) {
            hello->listed = 0;
            hello->has_list = true;
            for (size_t left = read_8(&body); left >= 2 && body.left >= 2; left -= 2)
                hello->listed |= version_bit(read_16(&body));
        }
    }
}

/* reader: behind the record header */
static bool read_hello(struct reader *reader, struct hello *hello)
{
    if (read_8(reader) != 1 || !read_bytes(reader, 3) || reader->left < 34)
        return false;
    hello->versions = hello->listed = versions_up_to(read_16(reader));
    read_bytes(reader, 32);
    hello->session_id_len = read_8(reader);
    hello->session_id = read_bytes(reader, hello->session_id_len);
    hello->ciphers_len = read_16(reader);
    hello->ciphers = read_bytes(reader, hello->ciphers_len);
    read_bytes(reader, read_8(reader));
    if (!hello->session_id || hello->session_id_len > 32 || !hello->ciphers)
        return false;
    read_extensions(reader, hello);
    return true;
}

static bool read_hello2(struct reader *reader, struct hello *hello)
{
    hello->v2 = true;
    read_8(reader);
    unsigned version = read_16(reader);
    hello->ciphers_len = read_16(reader);
    size_t rest = read_16(reader); /* session id */
    rest += read_16(reader);       /* and challenge */
    hello->ciphers = read_bytes(reader, hello->ciphers_len);
    hello->session_id = reader->at; /* an SSLv3 answer echoes none */
    hello->versions = version == 0x0002 ? (unsigned)VERSION_SSL2 : versions_up_to(version);
    hello->listed = hello->versions;
    return hello->ciphers && reader->left == rest;
}

/* Another record, such as an alert, or something else altogether. */
static size_t alien_len(const uint8_t *at, size_t len)
{
    if (len < 5 || at[0] < 20 || at[0] > 23 || at[1] != 3)
        return len;
    size_t record = 5 + ((size_t)at[3] << 8 | at[4]);
    return record < len ? record : len;
}

enum hello_state hello_read(const uint8_t *at, size_t len, struct hello *hello)
{
    *hello = (struct hello){.len = alien_len(at, len)};
    if (len == 0)
        return HELLO_MORE;
    if (at[0] != 0x16 && !(at[0] & 0x80))
        return HELLO_ALIEN;
    if (len < 5)
        return HELLO_MORE;
    bool v2 = at[0] != 0x16;
    size_t header = v2 ? 2 : 5;
    size_t body = v2 ? (at[0] & 0x7fu) << 8 | at[1] : (size_t)at[3] << 8 | at[4];
    if (v2 ? at[2] != 1 || body > HELLO2_MAX : at[1] != 3 || body > RECORD_MAX)
        return HELLO_ALIEN;
    if (len < header + body)
        return HELLO_MORE;
    hello->len = header + body;
    struct reader reader = {at + header, body};
    bool read = v2 ? read_hello2(&reader, hello) : read_hello(&reader, hello);
    return read ? HELLO_READ : HELLO_ALIEN;
}

/* ---- answering ---- */

struct writer {
    uint8_t *at;
    size_t len; /* ANSWER_MAX + 1: it did not fit */
};

static void write_bytes(struct writer *writer, const void *data, size_t len)
{
    if (writer->len > ANSWER_MAX || len > ANSWER_MAX - writer->len) {
        writer->len = ANSWER_MAX + 1;
        return;
    }
    if (len > 0)
        memcpy(writer->at + writer->len, data, len);
    writer->len += len;
}

/* Big-endian, `width` bytes. */
static void write_number(struct writer *writer, size_t number, unsigned width)
{
    while (width-- > 0) {
        uint8_t byte = (uint8_t)(number >> 8 * width);
        write_bytes(writer, &byte, 1);
    }
}

/* Leaves room for a length, which write_close() fills in. */
static size_t write_open(struct writer *writer, unsigned width)
{
    write_number(writer, 0, width);
    return writer->len;
}

static void write_close(struct writer *writer, size_t opened, unsigned width)
{
    if (writer->len > ANSWER_MAX)
        return;
    struct writer back = {writer->at, opened - width};
    write_number(&back, writer->len - opened, width);
}

static void write_random(struct writer *writer, size_t len)
{
    uint8_t random[32];
    gnutls_rnd(GNUTLS_RND_NONCE, random, len);
    write_bytes(writer, random, len);
}

/* One that the client offered, best a plain RSA one: the answer has no ServerKeyExchange. */
static unsigned cipher_choose(const struct hello *hello)
{
    static const unsigned wanted[] = {0x002f, 0x0035, 0x000a, 0x0005, 0x0004, 0x0009, 0x0003};
    size_t width = hello->v2 ? 3 : 2, best = sizeof wanted / sizeof *wanted;
    unsigned first = 0;
    for (size_t i = 0; i + width <= hello->ciphers_len; i += width) {
        const uint8_t *at = hello->ciphers + i + width - 2;
        unsigned cipher = (unsigned)at[0] << 8 | at[1];
        if (hello->v2 && at[-1] != 0)
            continue;
        for (size_t w = 0; w < best; w++)
            if (wanted[w] == cipher)
                best = w;
        bool real = cipher != 0x00ff && cipher != 0x5600 && (cipher & 0x0f0f) != 0x0a0a;
        if (first == 0 && real)
            first = cipher;
    }
    return best < sizeof wanted / sizeof *wanted ? wanted[best] : first;
}

/* supported_versions says 1.3, key_share brings 32 bytes for X25519. */
static void write_extensions13(struct writer *writer)
{
    size_t all = write_open(writer, 2);
    write_number(writer, 43, 2);
    write_number(writer, 2, 2);
    write_number(writer, 0x0304, 2);
    write_number(writer, 51, 2);
    write_number(writer, 36, 2);
    write_number(writer, 29, 2);
    write_number(writer, 32, 2);
    write_random(writer, 32);
    write_close(writer, all, 2);
}

static void write_server_hello(struct writer *writer, const struct hello *hello, unsigned number)
{
    bool tls13 = number == 0x0304;
    write_number(writer, 2, 1);
    size_t message = write_open(writer, 3);
    write_number(writer, tls13 ? 0x0303 : number, 2);
    write_random(writer, 32);
    size_t id_len = tls13 ? hello->session_id_len : 0;
    write_number(writer, id_len, 1);
    write_bytes(writer, hello->session_id, id_len);
    write_number(writer, tls13 ? 0x1301 : cipher_choose(hello), 2);
    write_number(writer, 0, 1);
    if (tls13)
        write_extensions13(writer);
    write_close(writer, message, 3);
}

static void write_certificate(struct writer *writer, const struct cert *cert)
{
    write_number(writer, 11, 1);
    size_t message = write_open(writer, 3);
    size_t list = write_open(writer, 3);
    for (unsigned i = 0; i < cert->chain_len; i++) {
        write_number(writer, cert->chain[i].size, 3);
        write_bytes(writer, cert->chain[i].data, cert->chain[i].size);
    }
    write_close(writer, list, 3);
    write_close(writer, message, 3);
}

static size_t write_record_head(struct writer *writer, unsigned number)
{
    write_number(writer, 0x16, 1);
    write_number(writer, number == 0x0304 ? 0x0303 : number, 2);
    return write_open(writer, 2);
}

static void answer_tls(struct writer *writer, const struct hello *hello, unsigned number,
                       const struct cert *cert)
{
    size_t record = write_record_head(writer, number);
    write_server_hello(writer, hello, number);
    write_close(writer, record, 2);
    if (number == 0x0304)
        return;
    record = write_record_head(writer, number);
    write_certificate(writer, cert);
    write_close(writer, record, 2);
    record = write_record_head(writer, number);
    write_number(writer, 0x0e000000, 4); /* ServerHelloDone */
    write_close(writer, record, 2);
}

/* The SSLv2 SERVER-HELLO: the client's own cipher kinds, as far as SSLv2 has them. */
static void answer_ssl2(struct writer *writer, const struct hello *hello, const struct cert *cert)
{
    size_t record = write_open(writer, 2);
    write_number(writer, 4, 1);
    write_number(writer, 0, 1); /* no session id hit */
    write_number(writer, 1, 1); /* X.509 */
    write_number(writer, 0x0002, 2);
    write_number(writer, cert->chain[0].size, 2);
    size_t ciphers_len = writer->len;
    write_number(writer, 0, 2);
    write_number(writer, 16, 2);
    write_bytes(writer, cert->chain[0].data, cert->chain[0].size);
    size_t ciphers = writer->len;
    for (size_t i = 0; i + 3 <= hello->ciphers_len; i += 3)
        if (hello->ciphers[i] >= 1 && hello->ciphers[i] <= 8)
            write_bytes(writer, hello->ciphers + i, 3);
    struct writer back = {writer->at, ciphers_len};
    if (writer->len <= ANSWER_MAX)
        write_number(&back, writer->len - ciphers, 2);
    write_random(writer, 16); /* connection id */
    write_close(writer, record, 2);
    writer->at[0] |= 0x80;
}

size_t hello_answer(const struct hello *hello, unsigned version, const struct cert *cert,
                    uint8_t out[ANSWER_MAX])
{
    static const unsigned numbers[] = {0x0002, 0x0300, 0x0301, 0x0302, 0x0303, 0x0304};
    struct writer writer = {out, 0};
    size_t index = 0;
    while (version >> index != 1)
        index++;
    if (version == VERSION_SSL2)
        answer_ssl2(&writer, hello, cert);
    else
        answer_tls(&writer, hello, numbers[index], cert);
    return writer.len <= ANSWER_MAX ? writer.len : 0;
}
