/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "scanner/targets/target.h"

#include <gnutls/gnutls.h>

#include <stdarg.h>

#include "scanner/expectation.h"
#include "scanner/quote.h"
#include "scanner/targets/lines.h"

/* 'TEXT' REASON; always false. */
static bool complain(struct complaint *c, struct span text, const char *reason)
{
    snprintf(c->text, sizeof c->text, "%s %s", quote(text).text, reason);
    return false;
}

static bool among(struct span text, const char *allowed)
{
    for (size_t i = 0; i < text.len; i++)
        if (!text.at[i] || !strchr(allowed, text.at[i]))
            return false;
    return true;
}

static const char digits[] = "0123456789";

/* A number of at most three digits, without leading zeros. */
static bool parse_number(struct span text, unsigned max, unsigned *value)
{
    if (!text.len || text.len > 3 || !among(text, digits) || (text.len > 1 && text.at[0] == '0'))
        return false;
    *value = 0;
    for (size_t i = 0; i < text.len; i++)
        *value = *value * 10 + (unsigned)(text.at[i] - '0');
    return *value <= max;
}

/* --- hosts --- */

/* The parts of the first word of a line; what is not there has no at. */
struct parts {
    struct span first, prefix, end, service;
};

/* address, address/prefix, address-end */
static void split_addresses(struct span text, struct parts *p)
{
    p->first = text;
    p->prefix = span_cut(&p->first, '/');
    if (!p->prefix.at)
        p->end = span_cut(&p->first, '-');
}

/* [address], [address/prefix], [address-address], [address]/prefix, [address]-[address] and a
   service */
static bool split_brackets(struct span word, struct parts *p, struct complaint *c)
{
    struct span inside = span_from(word, 1);
    struct span after = span_cut(&inside, ']');
    if (!after.at)
        return complain(c, word, "has no closing bracket");
    split_addresses(inside, p);
    bool bare = !p->prefix.at && !p->end.at;
    if (bare && span_starts(after, "-[")) {
        p->end = span_from(after, 2);
        after = span_cut(&p->end, ']');
        if (!after.at)
            return complain(c, word, "has no closing bracket");
    }
    struct span extra = after;
    p->service = span_cut(&extra, ':');
    if (bare && !p->end.at && span_starts(extra, "/"))
        p->prefix = (struct span){extra.at + 1, extra.len - 1};
    else if (extra.len)
        return complain(c, extra, "should not stand after the bracket");
    if (!memchr(inside.at, ':', inside.len))
        return complain(c, inside, "is not an IPv6 address: only those stand in brackets");
    return true;
}

static bool split_word(struct span word, struct parts *p, struct complaint *c)
{
    *p = (struct parts){0};
    if (span_starts(word, "["))
        return split_brackets(word, p, c);
    struct span head = word;
    struct span tail = span_cut(&head, ':');
    if (tail.at && memchr(tail.at, ':', tail.len)) {
        split_addresses(word, p); /* IPv6 as it is: there is no telling where a port would begin */
        return true;
    }
    p->service = tail;
    if (among(head, "0123456789.-/"))
        split_addresses(head, p);
    else
        p->first = head;
    return true;
}

static const char with_zone[] =
    "has a zone (%): link-local addresses with a zone are not supported";

static bool has_zone(struct span text)
{
    return text.len && memchr(text.at, ':', text.len) && memchr(text.at, '%', text.len);
}

static const char *not_an_address(struct span text)
{
    if (has_zone(text))
        return with_zone;
    if (text.len && memchr(text.at, ':', text.len))
        return "is not an IPv6 address (with a port: [ADDRESS]:PORT/PROTOCOL)";
    return "is not an IPv4 address (four numbers from 0 to 255, without leading zeros)";
}

/* The second address of a range, or the last octet of it. */
static bool parse_end(struct span text, const struct address *first, struct address *end)
{
    unsigned octet;
    if (first->family != AF_INET || !among(text, digits))
        return address_parse(text, end);
    *end = *first;
    if (!parse_number(text, 255, &octet))
        return false;
    end->bytes[3] = (unsigned char)octet;
    return true;
}

/* The kernel speaks IPv4 to ::ffff:0:0/96; a range around it would be a way past what is
   excluded. */
static bool holds_mapped(const struct target *t)
{
    const struct wide first = {0, 0xffff00000000}, last = {0, 0xffffffffffff};
    return t->family == AF_INET6 && wide_compare(t->first, last) <= 0 &&
           wide_compare(t->last, first) >= 0;
}

/* An address that no host has, or addresses of one such kind. Networks that have others, too, are
   taken without them (targets_build()). */
static const struct hostless *hostless_of(const struct target *t)
{
    struct address one = address_of_number(t->family, t->first);
    return wide_compare(t->first, t->last) == 0 ? address_without_host(&one)
                                                : hostless_find(t->family, t->first, t->last);
}

static bool check_hosts(struct span text, const struct target *t, struct complaint *c)
{
    const struct hostless *hostless = t->family == AF_UNSPEC ? NULL : hostless_of(t);
    return !hostless || complain(c, text, hostless->text);
}

static bool parse_addresses(const struct parts *p, struct target *t, struct complaint *c)
{
    struct address first, end;
    if (!address_parse(p->first, &first))
        return complain(c, p->first, not_an_address(p->first));
    t->family = first.family;
    t->first = t->last = address_number(&first);
    if (p->prefix.at) {
        bool mapped = t->family == AF_INET && memchr(p->first.at, ':', p->first.len);
        unsigned bits, width = t->family == AF_INET ? 32 : 128, before = mapped ? 96 : 0;
        if (!parse_number(p->prefix, before + width, &bits) || bits < before)
            return complain(c, p->prefix,
                            mapped        ? "is not a prefix length from 96 to 128 (IPv4-mapped)"
                            : width == 32 ? "is not a prefix length from 0 to 32"
                                          : "is not a prefix length from 0 to 128 "
                                            "(with a port: [ADDRESS]:PORT/PROTOCOL)");
        bits -= before;
        struct wide mask = wide_mask(width - bits);
        t->first = (struct wide){t->first.high & ~mask.high, t->first.low & ~mask.low};
        t->last = (struct wide){t->last.high | mask.high, t->last.low | mask.low};
    }
    if (p->end.at) {
        if (!parse_end(p->end, &first, &end))
            return complain(c, p->end, has_zone(p->end) ? with_zone : "is not the end of a range");
        t->last = address_number(&end);
        if (end.family != first.family || wide_compare(t->last, t->first) < 0)
            return complain(c, p->end, "ends the range before it begins");
    }
    return true;
}

/* The name as A-labels: letters, digits, - and _ in labels of 1 to 63 octets. */
static const char *name_fault(const char *name)
{
    size_t label = 0;
    const char *last = name;
    if (strlen(name) > TARGET_NAME_MAX)
        return "is longer than 253 octets";
    for (const char *at = name;; at++) {
        if (*at && *at != '.') {
            if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789-_", *at))
                return "has a character that no host name has";
            label++;
            continue;
        }
        if (!label)
            return "has an empty label";
        if (label > 63)
            return "has a label longer than 63 octets";
        if (at[-1] == '-' || *(at - label) == '-')
            return "has a label that begins or ends with a hyphen";
        last = at - label;
        label = 0;
        if (!*at)
            break;
    }
    /* What inet_aton() would take for an address must not reach a resolver as a name. */
    bool hex = !strncmp(last, "0x", 2) && strspn(last + 2, "0123456789abcdef") == strlen(last + 2);
    return hex || strspn(last, digits) == strlen(last) ? "is neither an address nor a name" : NULL;
}

/* Lower case, and without the dot at the end. What is too long to be a name is cut, but still
   too long. */
static void name_fold(struct span text, char out[TARGET_NAME_MAX + 2])
{
    if (text.len && text.at[text.len - 1] == '.')
        text.len--;
    text = span_until(text, TARGET_NAME_MAX + 1);
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        out[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    out[text.len] = '\0';
}

static bool is_ascii(struct span text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.at[i] >= 0x80)
            return false;
    return true;
}

static bool parse_name(struct span text, struct target *t, struct complaint *c)
{
    char folded[TARGET_NAME_MAX + 2];
    gnutls_datum_t mapped = {0};
    t->family = AF_UNSPEC;
    if (is_ascii(text)) {
        name_fold(text, folded);
    } else {
        if (text.len > LINES_MAX || gnutls_idna_map(text.at, (unsigned)text.len, &mapped, 0) < 0)
            return complain(c, text, "is not an internationalised name");
        name_fold((struct span){(const char *)mapped.data, mapped.size}, folded);
        gnutls_free(mapped.data);
    }
    const char *fault = name_fault(folded);
    if (fault)
        return complain(c, text, fault);
    memcpy(t->name, folded, strlen(folded) + 1);
    return true;
}

static bool parse_hosts(const struct parts *p, struct target *t, struct complaint *c)
{
    bool address = p->prefix.at || p->end.at || among(p->first, "0123456789.") ||
                   memchr(p->first.at, ':', p->first.len);
    return address ? parse_addresses(p, t, c) : parse_name(p->first, t, c);
}

/* --- services and labels --- */

static bool take_services(const struct service_set *set, struct choice *choice, struct span text,
                          struct target *t, struct complaint *c)
{
    t->services = set;
    return set ? true : complain(c, text, choice_error(choice));
}

/* PORT, PORT/PROTOCOL, PORT/PROTOCOL/MODE */
static bool parse_service(struct span text, struct choice *choice, struct target *t,
                          struct complaint *c)
{
    struct span port = text;
    struct span protocol = span_cut(&port, '/');
    struct service row = {.mode = MODE_INSECURE};
    if (!port_parse(port, &row.port))
        return complain(c, port, "is not a port from 1 to 65535");
    if (!protocol.at) {
        if (!take_services(choice_on_port(choice, row.port), choice, text, t, c))
            return false;
        return t->services->count ||
               complain(c, port, "is no port of the chosen services: say PORT/PROTOCOL");
    }
    struct span mode = span_cut(&protocol, '/');
    row.protocol = protocol_find(protocol);
    if (!row.protocol)
        return complain(c, protocol, "is not a protocol that is known here");
    if (mode.at && !mode_parse(mode, &row.mode))
        return complain(c, mode, "is not a mode (insecure, implicit, explicit)");
    return take_services(choice_single(choice, row), choice, text, t, c);
}

static bool key_valid(struct span key)
{
    return key.len && key.len <= TARGET_KEY_MAX && key.at[0] >= 'a' && key.at[0] <= 'z' &&
           among(key, "abcdefghijklmnopqrstuvwxyz0123456789_-");
}

static bool value_valid(struct span value)
{
    if (value.len > TARGET_VALUE_MAX)
        return false;
    while (value.len) {
        size_t n = quote_character(value);
        if (!n)
            return false;
        value = span_from(value, n);
    }
    return true;
}

static int compare_keys(struct span a, struct span b)
{
    int order = memcmp(a.at, b.at, a.len < b.len ? a.len : b.len);
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static bool check_expectations(struct span list, struct complaint *c)
{
    struct expectation x;
    const char *wrong;
    while (expectation_next(&list, &x, &wrong))
        if (wrong)
            return complain(c, x.text, wrong);
    return true;
}

/* Puts a label where its key belongs. */
static bool add_label(struct span word, struct target *t, struct complaint *c)
{
    struct span key = word;
    struct span value = span_cut(&key, '=');
    if (!value.at || !key_valid(key))
        return complain(c, word, "is not a label (KEY=VALUE; keys are of a-z 0-9 _ -)");
    if (!value_valid(value))
        return complain(c, word, "is a label whose value is too long or no clean UTF-8");
    if (span_is(key, EXPECTATION_LABEL) && !check_expectations(value, c))
        return false;
    if (t->label_count == TARGET_LABELS_MAX)
        return complain(c, word, "is one label too many (32 are allowed)");
    size_t i = t->label_count;
    for (; i && compare_keys(key, t->labels[i - 1].key) <= 0; i--) {
        if (compare_keys(key, t->labels[i - 1].key) == 0)
            return complain(c, key, "is given twice");
        t->labels[i] = t->labels[i - 1];
    }
    t->labels[i].key = key;
    t->labels[i].value = value;
    t->label_count++;
    return true;
}

/* --- lines --- */

/* The line without its comment and the white space around it. */
static struct span without_comment(struct span line)
{
    for (size_t i = 0; i < line.len; i++)
        if (line.at[i] == '#' && (!i || line.at[i - 1] == ' ' || line.at[i - 1] == '\t'))
            line.len = i;
    return span_trim(line);
}

static bool check_line(struct span line, struct complaint *c)
{
    if (line.len > LINES_MAX)
        return complain(c, line, "is longer than 4096 octets");
    if (memchr(line.at, '\0', line.len))
        return complain(c, line, "has a NUL octet");
    return true;
}

static bool is_one_of(struct span word, const char *const *words)
{
    for (; *words; words++)
        if (span_is(word, *words))
            return true;
    return false;
}

/* A line of masscan's list begins with what it saw, and where; a target is followed by labels at
   the most. */
static bool is_masscan(struct span line)
{
    static const char *const states[] = {"open", "closed", "banner", NULL};
    static const char *const layers[] = {"tcp", "udp", "sctp", "icmp", "arp", NULL};
    struct span state = span_word(&line);
    return is_one_of(state, states) && is_one_of(span_word(&line), layers);
}

static enum target_kind parse_masscan(struct span line, struct choice *choice, struct target *t,
                                      struct complaint *c)
{
    struct span rest = line, state = span_word(&rest), layer = span_word(&rest);
    t->found = true;
    if (!span_is(state, "open") || !span_is(layer, "tcp"))
        return TARGET_IGNORED;

    struct span port = span_word(&rest), address = span_word(&rest), when = span_word(&rest);
    struct parts parts = {.first = address};
    uint16_t number;
    if (!port_parse(port, &number)) {
        complain(c, port, "is not a port from 1 to 65535");
        return TARGET_BAD;
    }
    if (!parse_addresses(&parts, t, c) || !check_hosts(address, t, c))
        return TARGET_BAD;
    if (!among(when, digits) || span_trim(rest).len) {
        complain(c, line, "is not a line of masscan's list (open tcp PORT ADDRESS TIME)");
        return TARGET_BAD;
    }
    if (!take_services(choice_on_port(choice, number), choice, port, t, c))
        return TARGET_BAD;
    return t->services->count ? TARGET_HOSTS : TARGET_IGNORED;
}

static bool parse_target(struct span rest, struct choice *choice, struct target *t,
                         struct complaint *c)
{
    struct parts p;
    struct span word = span_word(&rest);
    if (!split_word(word, &p, c) || !parse_hosts(&p, t, c))
        return false;
    if (t->family != AF_UNSPEC && wide_count(t->first, t->last) > TARGET_HOSTS_MAX)
        return complain(c, word, "is more than 2^48 hosts");
    if (holds_mapped(t))
        return complain(c, word, "has IPv4-mapped addresses in it: write them as IPv4");
    if (!check_hosts(word, t, c))
        return false;
    t->services = choice_chosen(choice);
    if (p.service.at && !parse_service(p.service, choice, t, c))
        return false;
    for (word = span_word(&rest); word.len; word = span_word(&rest))
        if (!add_label(word, t, c))
            return false;
    return true;
}

enum target_kind target_parse(struct span line, struct choice *choice, struct target *t,
                              struct complaint *c)
{
    t->label_count = 0;
    t->found = false;
    if (!check_line(line, c))
        return TARGET_BAD;
    line = without_comment(line);
    if (!line.len)
        return TARGET_NOTHING;
    if (is_masscan(line))
        return parse_masscan(line, choice, t, c);
    return parse_target(line, choice, t, c) ? TARGET_HOSTS : TARGET_BAD;
}

enum target_kind target_parse_exclusion(struct span line, struct target *t, struct complaint *c)
{
    struct parts p;
    if (!check_line(line, c))
        return TARGET_BAD;
    line = without_comment(line);
    if (!line.len)
        return TARGET_NOTHING;
    struct span rest = line, word = span_word(&rest);
    if (!split_word(word, &p, c))
        return TARGET_BAD;
    if (p.service.at || span_trim(rest).len) {
        complain(c, line, "is not just one address, network, range or name to exclude");
        return TARGET_BAD;
    }
    return parse_hosts(&p, t, c) ? TARGET_HOSTS : TARGET_BAD;
}

/* The prefix length of the network that first..last is; false if it is none. */
static bool network_bits(int family, struct wide first, struct wide last, unsigned *prefix)
{
    unsigned width = family == AF_INET ? 32 : 128;
    for (unsigned bits = 0; bits <= width; bits++) {
        struct wide mask = wide_mask(bits);
        if (first.high & mask.high || first.low & mask.low)
            return false;
        if (last.high == (first.high | mask.high) && last.low == (first.low | mask.low)) {
            *prefix = width - bits;
            return true;
        }
    }
    return false;
}

const char *target_format(int family, struct wide first, struct wide last,
                          char out[TARGET_TEXT_MAX])
{
    char from[ADDRESS_TEXT_MAX], to[ADDRESS_TEXT_MAX];
    unsigned prefix;
    struct address a = address_of_number(family, first), b = address_of_number(family, last);
    address_format(&a, from);
    if (!wide_compare(first, last))
        snprintf(out, TARGET_TEXT_MAX, "%s", from);
    else if (network_bits(family, first, last, &prefix))
        snprintf(out, TARGET_TEXT_MAX, "%s/%u", from, prefix);
    else
        snprintf(out, TARGET_TEXT_MAX, "%s-%s", from, address_format(&b, to));
    return out;
}
