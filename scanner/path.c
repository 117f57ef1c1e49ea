/* SPDX-License-Identifier: MIT */
#include "scanner/path.h"

#include <gnutls/x509.h>
#include <stdlib.h>

#include "scanner/certificate.h"
#include "scanner/say.h"
#include "scanner/servername.h"

/* Of all that one chain may cost: signatures in parts of about a microsecond, and certificates that
   are looked at on the way. */
#define COST_MAX 10000U
#define STEPS_MAX 256U

/* The dates are compared here, because the library has one clock for the whole process. */
#define NO_DATES (GNUTLS_VERIFY_DISABLE_TIME_CHECKS | GNUTLS_VERIFY_DISABLE_TRUSTED_TIME_CHECKS)

/* A certificate, and what paths are made by. */
struct link {
    gnutls_x509_crt_t crt; /* NULL: the library cannot read it, or it is absurd */
    bool absurd;
    struct span subject, issuer, key, key_id, issuer_key_id;
    bool dated, self_signed, unnamed; /* unnamed: its signature's algorithm */
    int64_t from, until;
    unsigned cost;
};

/* --- certificates ----------------------------------------------------------------------------- */

static bool is_same(struct span a, struct span b)
{
    return a.len == b.len && (!a.len || memcmp(a.at, b.at, a.len) == 0);
}

static bool agree(struct span id, struct span other)
{
    return !id.len || !other.len || is_same(id, other);
}

/* Without the library's object. */
static struct link look_at(struct span der)
{
    struct certificate_parts p;
    struct der algorithm, oid;
    char text[48];

    certificate_parts(der, &p);
    struct link l = {.subject = p.subject.whole,
                     .issuer = p.issuer.whole,
                     .key = p.spki.whole,
                     .key_id = certificate_key_id(&p),
                     .issuer_key_id = certificate_issuer_key_id(&p),
                     .absurd = certificate_is_absurd(der),
                     .cost = certificate_cost(der)};
    l.dated = der_time(p.not_before, &l.from) && der_time(p.not_after, &l.until);
    l.self_signed =
        l.subject.len && is_same(l.subject, l.issuer) && agree(l.key_id, l.issuer_key_id);
    algorithm = p.algorithm;
    l.unnamed = !der_take(&algorithm.body, DER_OID, &oid) ||
                !der_oid_text(oid, text, sizeof text) ||
                gnutls_oid_to_sign(text) == GNUTLS_SIGN_UNKNOWN;
    return l;
}

static gnutls_datum_t datum_of(struct span s)
{
    union {
        const char *in;
        unsigned char *out;
    } pointer = {s.at}; /* GnuTLS only reads it, but does not say so */
    return (gnutls_datum_t){pointer.out, (unsigned)s.len};
}

/* False: no memory. */
static bool import(struct link *l, struct span der)
{
    gnutls_datum_t datum = datum_of(der);
    if (l->absurd)
        return true;
    if (gnutls_x509_crt_init(&l->crt) < 0)
        return false;
    int result = gnutls_x509_crt_import(l->crt, &datum, GNUTLS_X509_FMT_DER);
    if (result < 0) {
        gnutls_x509_crt_deinit(l->crt);
        l->crt = NULL;
    }
    return result != GNUTLS_E_MEMORY_ERROR;
}

/* Can it be the issuer, as far as it and the certificate say? */
static bool may_issue(const struct link *issuer, const struct link *l)
{
    return issuer->subject.len && is_same(issuer->subject, l->issuer) &&
           agree(issuer->key_id, l->issuer_key_id);
}

/* The same name and the same key: it may have been renewed. */
static bool is_equal(const struct link *a, const struct link *b)
{
    return is_same(a->subject, b->subject) && is_same(a->key, b->key);
}

/* --- roots ------------------------------------------------------------------------------------ */

struct trust {
    struct anchor {
        struct link link;
        gnutls_datum_t der; /* what the link's spans are in */
    } * anchors;
    size_t count;
    bool own; /* of a file that was given */
};

static bool add_anchor(struct trust *t, gnutls_x509_crt_t crt)
{
    gnutls_datum_t der;
    bool full = (t->count & (t->count - 1)) == 0; /* grows at 0, 1, 2, 4, 8 … */
    struct anchor *more =
        full ? realloc(t->anchors, (t->count ? 2 * t->count : 1) * sizeof *more) : t->anchors;
    if (more)
        t->anchors = more;
    if (!more || gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_DER, &der) < 0)
        return false;
    struct link l = look_at((struct span){(const char *)der.data, der.size});
    l.crt = crt;
    t->anchors[t->count++] = (struct anchor){l, der};
    return true;
}

/* Each root on its own, so that it is known which one a path leads to. The library's error. */
static int take_roots(struct trust *t, gnutls_x509_trust_list_t roots)
{
    gnutls_x509_trust_list_iter_t at = NULL;
    gnutls_x509_crt_t crt;
    int result;

    while ((result = gnutls_x509_trust_list_iter_get_ca(roots, &at, &crt)) >= 0)
        if (!add_anchor(t, crt)) {
            gnutls_x509_crt_deinit(crt);
            gnutls_x509_trust_list_iter_deinit(at);
            return GNUTLS_E_MEMORY_ERROR;
        }
    return result == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE ? 0 : result;
}

struct trust *trust_new(const char *ca_file, FILE *errors)
{
    struct trust *t = calloc(1, sizeof *t);
    gnutls_x509_trust_list_t roots = NULL;
    int count = t ? gnutls_x509_trust_list_init(&roots, 0) : GNUTLS_E_MEMORY_ERROR;

    if (count >= 0)
        count = ca_file ? gnutls_x509_trust_list_add_trust_file(roots, ca_file, NULL,
                                                                GNUTLS_X509_FMT_PEM, 0, 0)
                        : gnutls_x509_trust_list_add_system_trust(roots, 0, 0);
    if (count > 0) {
        int result = take_roots(t, roots);
        count = result < 0 ? result : count;
    }
    if (roots)
        gnutls_x509_trust_list_deinit(roots, 1);
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
    for (size_t i = 0; i < t->count; i++) {
        gnutls_x509_crt_deinit(t->anchors[i].link.crt);
        gnutls_free(t->anchors[i].der.data);
    }
    free(t->anchors);
    free(t);
}

/* --- the search ------------------------------------------------------------------------------- */

struct search {
    const struct trust *trust;
    struct trust_path *path;
    struct link links[CHAIN_MAX];
    size_t count;
    bool on_way[CHAIN_MAX];
    size_t way[CHAIN_MAX], longest[CHAIN_MAX], longest_count;
    unsigned cost, steps;
    size_t good;
    bool failed;     /* no memory                                         */
    bool limited;    /* more would have had to be looked at               */
    bool unreadable; /* an issuer, or a signature on the way, is not read */
};

/* The time in which all of these are valid. */
static struct trust_way dates_of(const struct search *s, const size_t *way, size_t count)
{
    struct trust_way w = {0, INT64_MIN, INT64_MAX};
    for (size_t i = 0; i < count; i++) {
        const struct link *l = &s->links[way[i]];
        if (!l->dated)
            continue;
        w.from = l->from > w.from ? l->from : w.from;
        w.until = l->until < w.until ? l->until : w.until;
    }
    return w;
}

/* Good ones first; of the others the first that is kept tells best why there is none. */
static void keep(struct search *s, struct trust_way w)
{
    struct trust_path *p = s->path;
    if (w.status == 0 && p->count && s->good < WAYS_MAX) {
        size_t last = p->count < WAYS_MAX ? p->count++ : WAYS_MAX - 1;
        p->ways[last] = p->ways[s->good];
        p->ways[s->good] = w;
    } else if (p->count < WAYS_MAX && (w.status == 0 || !p->count)) {
        p->ways[p->count++] = w;
    }
    s->good += w.status == 0;
}

static int verify(const struct search *s, const size_t *way, size_t count,
                  const struct link *anchor, unsigned *status)
{
    gnutls_x509_crt_t crts[CHAIN_MAX];
    for (size_t i = 0; i < count; i++)
        crts[i] = s->links[way[i]].crt;
    return gnutls_x509_crt_list_verify(crts, (unsigned)count, anchor ? &anchor->crt : NULL,
                                       anchor ? 1 : 0, NULL, 0, NO_DATES, status);
}

/* A way that ends at this root; replaced: with it in the place of the last certificate. */
static void try_way(struct search *s, size_t count, const struct link *anchor, bool replaced)
{
    struct trust_way w = dates_of(s, s->way, replaced ? count - 1 : count);
    unsigned cost = anchor->cost;

    for (size_t i = 1; i < count; i++)
        cost += s->links[s->way[i]].cost;
    if (s->cost + cost > COST_MAX && s->cost) {
        s->limited = true;
        return;
    }
    s->cost += cost;
    if (anchor->dated) {
        w.from = anchor->from > w.from ? anchor->from : w.from;
        w.until = anchor->until < w.until ? anchor->until : w.until;
    }
    int result = verify(s, s->way, count, anchor, &w.status);
    s->failed |= result == GNUTLS_E_MEMORY_ERROR;
    if (result < 0)
        w.status = GNUTLS_CERT_INVALID;
    for (size_t i = 0; i < count; i++)
        s->unreadable |= w.status && s->links[s->way[i]].unnamed;
    keep(s, w);
}

static bool is_done(const struct search *s)
{
    return s->failed || s->limited || s->good == WAYS_MAX;
}

static void try_roots(struct search *s, size_t count)
{
    const struct link *last = &s->links[s->way[count - 1]];
    for (size_t i = 0; i < s->trust->count && !is_done(s); i++) {
        const struct link *anchor = &s->trust->anchors[i].link;
        if (is_equal(anchor, last))
            try_way(s, count, anchor, true);
        else if (may_issue(anchor, last))
            try_way(s, count, anchor, false);
    }
}

/* From the last of the way on to all that may have issued it. Its depth is bounded by CHAIN_MAX. */
static void go_on(struct search *s, size_t count) /* NOLINT(misc-no-recursion) */
{
    const struct link *last = &s->links[s->way[count - 1]];

    if (count > s->longest_count) {
        memcpy(s->longest, s->way, count * sizeof *s->way);
        s->longest_count = count;
    }
    s->limited |= ++s->steps > STEPS_MAX;
    try_roots(s, count);
    for (size_t i = 0; i < s->count && !is_done(s); i++) {
        const struct link *l = &s->links[i];
        if (s->on_way[i] || !may_issue(l, last) || is_equal(l, last))
            continue;
        if (!l->crt) {
            s->unreadable = true;
            continue;
        }
        s->on_way[i] = true;
        s->way[count] = i;
        go_on(s, count + 1);
        s->on_way[i] = false;
    }
}

/* Nothing leads to a root: why, and when what there is was valid. */
static void go_astray(struct search *s)
{
    struct trust_way w = dates_of(s, s->longest, s->longest_count);
    unsigned cost = 0;
    for (size_t i = 1; i < s->longest_count; i++)
        cost += s->links[s->longest[i]].cost;
    w.status = GNUTLS_CERT_INVALID | GNUTLS_CERT_SIGNER_NOT_FOUND;
    if (s->cost + cost <= COST_MAX) {
        int result = verify(s, s->longest, s->longest_count, NULL, &w.status);
        s->failed |= result == GNUTLS_E_MEMORY_ERROR;
        if (result < 0)
            w.status = GNUTLS_CERT_INVALID;
    }
    keep(s, w);
}

/* --- chains ----------------------------------------------------------------------------------- */

/* False: no memory. */
static bool take_links(struct search *s, const struct span *ders, size_t count)
{
    for (; s->count < count; s->count++) {
        struct link *l = &s->links[s->count];
        *l = look_at(ders[s->count]);
        if (!import(l, ders[s->count]))
            return false;
    }
    return true;
}

/* Is there one that cannot be read, and may be what is missing? */
static enum cause find_missing(const struct search *s)
{
    enum cause cause = s->unreadable ? CAUSE_UNREADABLE : CAUSE_NONE;
    for (size_t i = 0; i < s->count; i++) {
        const struct link *l = &s->links[i];
        bool missing = !l->crt && !l->subject.len;
        for (size_t j = 0; j < s->count && !l->crt; j++)
            missing |= i != j && may_issue(l, &s->links[j]);
        if (missing && l->absurd)
            return CAUSE_LIMIT;
        if (missing)
            cause = CAUSE_UNREADABLE;
    }
    return cause;
}

static enum cause find_doubt(const struct search *s, bool cut)
{
    const struct link *leaf = s->links;
    if (s->good)
        return CAUSE_NONE;
    if (!leaf->crt)
        return leaf->absurd ? CAUSE_LIMIT : CAUSE_UNREADABLE;
    if (leaf->self_signed && !s->limited && !s->unreadable)
        return CAUSE_NONE; /* nothing that was sent could change it */
    return s->limited || cut ? CAUSE_LIMIT : find_missing(s);
}

bool chain_trace(const struct trust *trust, const struct span *ders, size_t count,
                 struct trust_path *path)
{
    struct search s = {.trust = trust, .path = path};
    bool cut = count > CHAIN_MAX;

    *path = (struct trust_path){.own_roots = trust->own};
    s.failed = !take_links(&s, ders, cut ? CHAIN_MAX : count);
    if (!s.failed && s.count && s.links[0].crt && s.links[0].dated) {
        path->readable = true;
        path->self_signed = s.links[0].self_signed;
        path->from = s.links[0].from;
        path->until = s.links[0].until;
        s.on_way[0] = true;
        go_on(&s, 1);
        if (!path->count)
            go_astray(&s);
    }
    path->unknown = s.count ? find_doubt(&s, cut) : CAUSE_UNREADABLE;
    if (!path->readable && path->unknown == CAUSE_NONE)
        path->unknown = CAUSE_UNREADABLE;
    for (size_t i = 0; i < s.count + (s.failed && s.count < CHAIN_MAX); i++)
        if (s.links[i].crt)
            gnutls_x509_crt_deinit(s.links[i].crt);
    return !s.failed;
}

/* --- what comes of it ------------------------------------------------------------------------- */

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

static bool check_dates(struct verification *v, int64_t from, int64_t until, time_t now)
{
    return (now >= from || list_add(&v->errors, span_of("not_yet_valid"))) &&
           (now <= until || list_add(&v->errors, span_of("expired")));
}

/* The first that is good now, or else the first. */
static const struct trust_way *best_way(const struct trust_path *path, time_t now)
{
    for (size_t i = 0; i < path->count && path->ways[i].status == 0; i++)
        if (now >= path->ways[i].from && now <= path->ways[i].until)
            return &path->ways[i];
    return path->ways;
}

bool chain_conclude(const struct trust_path *path, struct span der, const char *name,
                    const struct address *address, time_t now, struct verification *v)
{
    v->own_roots = path->own_roots;
    v->name_match = servername_match(der, name, address);
    if (path->unknown != CAUSE_NONE) { /* its own dates are known all the same */
        bool ok = !path->readable || check_dates(v, path->from, path->until, now);
        if (!v->errors.count)
            v->unknown = path->unknown;
        return ok;
    }
    const struct trust_way *way = best_way(path, now);
    if (!check_dates(v, way->from, way->until, now) ||
        !read_errors(v, way->status, path->self_signed))
        return false;
    v->trusted = way->status == 0 && v->errors.count == 0;
    return way->status == 0 || v->errors.count || list_add(&v->errors, span_of("invalid"));
}

bool chain_verify(const struct trust *trust, const struct span *ders, size_t count,
                  const char *name, const struct address *address, time_t now,
                  struct verification *v)
{
    struct trust_path path;
    struct span leaf = count ? ders[0] : span_of("");
    return chain_trace(trust, ders, count, &path) &&
           chain_conclude(&path, leaf, name, address, now, v);
}

void verification_free(struct verification *v)
{
    list_clear(&v->errors);
}
