/* SPDX-License-Identifier: MIT */
/* policy.c: reads policies and what they extend, and says what is in them. */
#define _GNU_SOURCE
#include "output/policies/policy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "output/hex.h"
#include "output/policies/entry.h"
#include "scanner/say.h"

#define ALL_ROLES ((1U << (ROLE_FILES + 1)) - 1)
#define ALL_PROTOCOLS (DOCUMENT_FTP | DOCUMENT_IMAP | DOCUMENT_POP3 | DOCUMENT_SMTP)
#define ALL_CERTIFICATES (DOCUMENT_SERVER | DOCUMENT_ISSUER)
#define PATH_SIZE 4096

const char *policy_verdict_name(enum policy_verdict verdict)
{
    static const char *const names[POLICY_VERDICT_COUNT] = {"not_applicable", "pass", "not_tested",
                                                            "inconclusive",   "warn", "fail"};
    return names[verdict];
}

const struct policy_check *policy_check_of(enum policy_kind kind)
{
    static const struct policy_check checks[POLICY_KIND_COUNT] = {
        [POLICY_VERSION] = {"VERSION-NOT-IN-POLICY",
                            "a protocol version is accepted that the policy does not allow"},
        [POLICY_SUITE] = {"CIPHER-NOT-IN-POLICY",
                          "a cipher suite is chosen that the policy does not allow"},
        [POLICY_GROUP] = {"GROUP-NOT-IN-POLICY",
                          "keys are agreed on in a group that the policy does not allow"},
        [POLICY_KEY] = {"KEY-NOT-IN-POLICY",
                        "a certificate's key is of a kind or size that the policy does not allow"},
        [POLICY_SIGNATURE] = {"SIGNATURE-NOT-IN-POLICY",
                              "a certificate is signed in a way that the policy does not allow"}};
    return kind == POLICY_RULE ? NULL : &checks[kind];
}

/* --- entries ---------------------------------------------------------------------------------- */

/* What is being read. */
struct reading {
    struct policy *policy;
    const struct yamlfile *file;
    FILE *errors;
    unsigned level;
    bool ok;
};

static void complain(struct reading *r, const char *member, const char *value, const char *message)
{
    yamlfile_complain(r->file, r->errors, member, value, message);
    r->ok = false;
}

/* A day of the calendar as YYYY-MM-DD, which sorts as text. */
static bool is_day(const char *text)
{
    int64_t days;
    return date_parse(text, &days);
}

static void read_day(struct reading *r, const char *member, const char *text, char day[DATE_SIZE])
{
    if (!text)
        return;
    if (is_day(text))
        memcpy(day, text, DATE_SIZE);
    else
        complain(r, member, text, "a day is written YYYY-MM-DD");
}

/* A line of text that may be shown as it is. */
static void check_text(struct reading *r, const char *member, const char *text)
{
    for (const char *c = text; c && *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f) {
            complain(r, member, NULL, "is more than a line of text");
            return;
        }
}

static void read_names(struct reading *r, enum policy_kind kind, const struct document_names *from,
                       struct name_set *set)
{
    static const char *const unknown[POLICY_KIND_COUNT] = {
        [POLICY_RULE] = "there is no such rule",
        [POLICY_VERSION] = "there is no such version",
        [POLICY_SUITE] = "there is no such cipher suite",
        [POLICY_GROUP] = "there is no such group",
        [POLICY_KEY] = "there is no such key algorithm",
        [POLICY_SIGNATURE] = "there is no such signature algorithm"};
    char message[160];

    for (unsigned i = 0; i < from->names_count; i++)
        if (!name_set_add(set, kind, from->names[i])) {
            snprintf(message, sizeof message, "%.80s: %s", from->names[i], unknown[kind]);
            complain(r, document_section_name(kind), from->names[i], message);
        }
}

static void read_entry(struct reading *r, enum policy_kind kind, const struct document_entry *from)
{
    struct policy_entry *entries = r->policy->entries, *e;

    entries = realloc(entries, (r->policy->entry_count + 1) * sizeof *entries);
    if (!entries) {
        complain(r, NULL, NULL, "no memory");
        return;
    }
    r->policy->entries = entries;
    e = &entries[r->policy->entry_count++];
    *e = (struct policy_entry){.kind = kind,
                               .level = r->level,
                               .bits = from->bits,
                               .verdict = from->verdict,
                               .known = from->known,
                               .roles = from->roles ? from->roles : ALL_ROLES,
                               .protocols = from->protocols ? from->protocols : ALL_PROTOCOLS,
                               .certificate =
                                   from->certificate ? from->certificate : ALL_CERTIFICATES,
                               .text = from->clause};
    read_names(r, kind, &from->of, &e->names);
    read_day(r, "from", from->from, e->from);
    read_day(r, "until", from->until, e->until);
    check_text(r, "clause", from->clause);
    if (e->from[0] && e->until[0] && strcmp(e->from, e->until) > 0)
        complain(r, "until", from->until, "is before from");
    if (e->bits && kind != POLICY_KEY && kind != POLICY_GROUP)
        complain(r, document_section_name(kind), NULL, "only keys and groups have bits");
    if (from->certificate && kind != POLICY_KEY && kind != POLICY_SIGNATURE)
        complain(r, document_section_name(kind), NULL,
                 "only keys and signatures are of a certificate");
}

static void read_sections(struct reading *r, const struct document *d)
{
    for (int kind = 0; kind < POLICY_KIND_COUNT; kind++)
        for (unsigned i = 0; i < d->sections[kind].entries_count; i++)
            read_entry(r, (enum policy_kind)kind, &d->sections[kind].entries[i]);
}

/* --- one file --------------------------------------------------------------------------------- */

static bool is_name(const char *text)
{
    for (const char *c = text; *c; c++)
        if (!(*c >= 'a' && *c <= 'z') && !ascii_digit(*c) &&
            (c == text || (*c != '-' && *c != '.')))
            return false;
    return *text && strlen(text) < POLICY_NAME_SIZE;
}

/* What a policy must say of itself, unless what it extends does. */
static void read_heading(struct reading *r, const struct document *d)
{
    const struct {
        const char *member, *text;
    } members[] = {{"title", d->title},
                   {"source", d->source},
                   {"version", d->version},
                   {"as_of", d->as_of},
                   {"verified", d->verified}};

    if (!is_name(d->name))
        complain(r, "name", d->name, "is made of a-z, 0-9, - and ., and not longer than 64");
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        if (!members[i].text && !d->extends)
            complain(r, members[i].member, NULL, "is missing");
        check_text(r, members[i].member, members[i].text);
    }
    if (d->as_of && !is_day(d->as_of))
        complain(r, "as_of", d->as_of, "a day is written YYYY-MM-DD");
}

static void read_document(struct reading *r, struct document *d)
{
    r->policy->documents[r->policy->document_count++] = d;
    read_heading(r, d);
    read_sections(r, d);
}

/* --- together --------------------------------------------------------------------------------- */

/* Takes names from the entries of higher levels; were there any? */
static bool take_away(struct policy *p, enum policy_kind kind, unsigned level,
                      const struct name_set *names)
{
    bool any = false;
    for (size_t i = 0; i < p->entry_count; i++)
        if (p->entries[i].kind == kind && p->entries[i].level > level)
            any |= name_set_subtract(&p->entries[i].names, names);
    return any;
}

/* From the innermost out: what is gone already cannot be removed once more. */
static void remove_names(struct reading *r, unsigned level)
{
    const struct document *d = r->policy->documents[level];
    for (int kind = 0; kind < POLICY_KIND_COUNT; kind++) {
        const struct document_names *all = &d->remove.kinds[kind];
        for (unsigned i = 0; i < all->names_count; i++) {
            struct name_set set = {{0}};
            const struct document_names one = {&all->names[i], 1};
            read_names(r, (enum policy_kind)kind, &one, &set);
            if (!name_set_is_empty(&set) &&
                !take_away(r->policy, (enum policy_kind)kind, level, &set))
                complain(r, "remove", all->names[i], "nothing of that name is inherited");
        }
    }
}

/* An entry that holds everywhere and always leaves nothing to those it inherits of its rules. */
static void override(struct policy *p)
{
    for (size_t i = 0; i < p->entry_count; i++) {
        const struct policy_entry *e = &p->entries[i];
        struct name_set names = e->names;
        if (e->kind == POLICY_RULE && e->roles == ALL_ROLES && e->protocols == ALL_PROTOCOLS &&
            !e->from[0] && !e->until[0])
            take_away(p, POLICY_RULE, e->level, &names);
    }
}

static size_t clause_of(struct policy *p, const char *text)
{
    size_t at = 0;
    while (at < p->clause_count && strcmp(p->clauses[at].text, text) != 0)
        at++;
    if (at == p->clause_count && at < POLICY_CLAUSES_MAX)
        p->clauses[p->clause_count++] = (struct policy_clause){.text = text};
    return at;
}

/* Entries that have lost all names go; the clauses of the others are put together. */
static bool settle(struct policy *p)
{
    size_t kept = 0;
    for (size_t i = 0; i < p->entry_count; i++) {
        struct policy_entry *e = &p->entries[i];
        if (name_set_is_empty(&e->names))
            continue;
        e->clause = clause_of(p, e->text);
        if (e->clause == POLICY_CLAUSES_MAX)
            return false;
        p->clauses[e->clause].unverified |= e->known != SOURCE_PRIMARY;
        p->entries[kept++] = *e;
    }
    p->entry_count = kept;
    return true;
}

/* Puts the entries of a kind together; their order among themselves stays. */
static bool sort_by_kind(struct policy *p)
{
    struct policy_entry *sorted = malloc((p->entry_count + 1) * sizeof *sorted);
    size_t count = 0;
    if (!sorted)
        return false;
    for (int kind = 0; kind < POLICY_KIND_COUNT; kind++) {
        for (size_t i = 0; i < p->entry_count; i++)
            if ((int)p->entries[i].kind == kind)
                sorted[count++] = p->entries[i];
        p->ends[kind] = count;
    }
    free(p->entries);
    p->entries = sorted;
    return true;
}

static void sort_suites(struct policy *p)
{
    uint32_t suite;
    for (size_t at = 0; suite_at(at, &suite); at++)
        name_set_put(&p->suites[suite > 0xffff       ? ERA_SSL2
                                : suite >> 8 == 0x13 ? ERA_TLS13
                                                     : ERA_SSL3_TO_TLS12],
                     at);
}

/* --- files ------------------------------------------------------------------------------------ */

/* A file that is open, or that cannot be opened. */
struct opened {
    char path[PATH_SIZE];
    const char *problem;
    dev_t device;
    ino_t inode;
    struct yamlfile file;
};

static bool open_file(struct opened *o)
{
    struct stat status;
    o->problem = yamlfile_open(&o->file, o->path, &status);
    if (o->problem)
        return false;
    o->device = status.st_dev;
    o->inode = status.st_ino;
    return true;
}

static void close_file(struct opened *o)
{
    yamlfile_close(&o->file);
}

static bool is_path(const char *text)
{
    size_t length = strlen(text);
    return strchr(text, '/') || (length > 5 && strcmp(text + length - 5, ".yaml") == 0);
}

/* Where shipped policies are: a place of the user's, the installed one, and that of the build.
 * "" if there is none. */
#define PLACES 3

static const char *place_at(size_t at)
{
    const char *users = getenv("STARTTLS_AUDIT_POLICIES");
    return at == 0 ? users ? users : "" : at == 1 ? POLICIES_INSTALLED : POLICIES_SOURCE;
}

static bool find_by_name(const char *name, struct opened *o)
{
    for (size_t i = 0; is_name(name) && i < PLACES; i++) {
        if (!*place_at(i))
            continue;
        snprintf(o->path, sizeof o->path, "%s/%s.yaml", place_at(i), name);
        if (open_file(o) || access(o->path, F_OK) == 0)
            return !o->problem;
    }
    snprintf(o->path, sizeof o->path, "%.64s", name);
    o->problem = "there is no such policy in " POLICIES_INSTALLED;
    return false;
}

/* The name that a file's policy is found by; false: by none. */
static bool name_of_file(const char *file, char name[POLICY_NAME_SIZE])
{
    size_t length = strlen(file), ending = strlen(".yaml");
    if (length <= ending || length - ending >= POLICY_NAME_SIZE ||
        strcmp(file + length - ending, ".yaml") != 0)
        return false;
    snprintf(name, POLICY_NAME_SIZE, "%.*s", (int)(length - ending), file);
    return is_name(name);
}

/* Puts the name in its place, unless it is there already. */
static size_t add_name(char names[POLICY_NAMES_MAX][POLICY_NAME_SIZE], size_t count,
                       const char name[POLICY_NAME_SIZE])
{
    size_t at = 0;
    while (at < count && strcmp(names[at], name) < 0)
        at++;
    if (count == POLICY_NAMES_MAX || (at < count && strcmp(names[at], name) == 0))
        return count;
    memmove(names[at + 1], names[at], (count - at) * sizeof *names);
    memcpy(names[at], name, POLICY_NAME_SIZE);
    return count + 1;
}

size_t policy_names(char names[POLICY_NAMES_MAX][POLICY_NAME_SIZE])
{
    char name[POLICY_NAME_SIZE];
    size_t count = 0;
    for (size_t i = 0; i < PLACES; i++) {
        DIR *directory = *place_at(i) ? opendir(place_at(i)) : NULL;
        const struct dirent *file;
        while (directory && (file = readdir(directory)))
            if (name_of_file(file->d_name, name))
                count = add_name(names, count, name);
        if (directory)
            closedir(directory);
    }
    return count;
}

/* A path in a file starts from the place of that file. */
static bool find(const char *name, const char *extended_by, struct opened *o)
{
    const char *slash = extended_by && *name != '/' ? strrchr(extended_by, '/') : NULL;
    if (!is_path(name))
        return find_by_name(name, o);
    int n = slash ? snprintf(o->path, sizeof o->path, "%.*s/%s", (int)(slash - extended_by),
                             extended_by, name)
                  : snprintf(o->path, sizeof o->path, "%s", name);
    if (n < 0 || (size_t)n >= sizeof o->path) {
        o->problem = strerror(ENAMETOOLONG);
        return false;
    }
    return open_file(o);
}

/* --- the chain -------------------------------------------------------------------------------- */

struct chain_file {
    struct opened opened;
    struct yamlfile file;
};

static bool is_cycle(const struct chain_file *files, size_t count)
{
    const struct opened *last = &files[count - 1].opened;
    for (size_t i = 0; i + 1 < count; i++)
        if (files[i].opened.device == last->device && files[i].opened.inode == last->inode)
            return true;
    return false;
}

/* Opens what the last file extends; false if that cannot be. */
static bool open_next(struct reading *r, struct chain_file *files, size_t count,
                      const char *extends)
{
    struct chain_file *next = &files[count];
    char message[PATH_SIZE + 100];

    if (count == POLICY_CHAIN_MAX) {
        complain(r, "extends", extends, "one policy extends another more than 8 deep");
        return false;
    }
    if (!find(extends, r->file->path, &next->opened)) {
        snprintf(message, sizeof message, "%s: %s", next->opened.path, next->opened.problem);
        complain(r, "extends", extends, message);
        return false;
    }
    if (is_cycle(files, count + 1)) {
        complain(r, "extends", extends, "the policy would extend itself");
        return false;
    }
    next->file = next->opened.file;
    return true;
}

/* The first file is open. Reads on until a file extends nothing. */
static size_t read_chain(struct reading *r, struct chain_file *files)
{
    for (size_t count = 1;; count++) {
        r->file = &files[count - 1].file;
        r->level = (unsigned)count - 1;
        struct document *d = document_read(r->file, r->errors);
        if (!d) {
            r->ok = false;
            return count;
        }
        read_document(r, d);
        if (!r->ok || !d->extends)
            return count;
        if (!open_next(r, files, count, d->extends))
            return count + (count < POLICY_CHAIN_MAX);
    }
}

static void finish(struct reading *r, const struct chain_file *files)
{
    struct policy *p = r->policy;
    gnutls_hash_hd_t hash;
    unsigned char digest[32];

    for (size_t level = p->document_count; level-- > 0;) {
        r->file = &files[level].file;
        remove_names(r, (unsigned)level);
    }
    override(p);
    if (!settle(p))
        complain(r, NULL, NULL, "has too many clauses");
    if (!sort_by_kind(p))
        complain(r, NULL, NULL, "no memory");
    sort_suites(p);
    if (gnutls_hash_init(&hash, GNUTLS_DIG_SHA256) < 0) {
        complain(r, NULL, NULL, "cannot be hashed");
        return;
    }
    for (size_t level = 0; level < p->document_count; level++)
        gnutls_hash(hash, files[level].file.bytes.at, files[level].file.bytes.len);
    gnutls_hash_deinit(hash, digest);
    hex_encode(digest, sizeof digest, p->sha256, sizeof p->sha256);
}

/* The first file may be one that is not on disk: then it has no octets of its own. */
static struct policy *read_policy(struct chain_file *files, FILE *errors)
{
    struct reading r = {.policy = calloc(1, sizeof *r.policy), .errors = errors, .ok = true};
    size_t opened = 1;

    if (r.policy)
        opened = read_chain(&r, files);
    if (r.policy && r.ok)
        finish(&r, files);
    for (size_t i = 0; i < opened; i++)
        close_file(&files[i].opened);
    if (r.policy && r.ok)
        return r.policy;
    policy_free(r.policy);
    return NULL;
}

struct policy *policy_read(const struct yamlfile *file, FILE *errors)
{
    struct chain_file files[POLICY_CHAIN_MAX] = {{.file = *file}};
    return read_policy(files, errors);
}

struct policy *policy_load(const char *name_or_path, FILE *errors)
{
    struct chain_file files[POLICY_CHAIN_MAX] = {{.file = {.path = NULL}}};
    struct opened *first = &files[0].opened;

    if (!find(name_or_path, NULL, first)) {
        say(errors, "%s: %s", first->path, first->problem);
        close_file(first);
        return NULL;
    }
    files[0].file = first->file;
    return read_policy(files, errors);
}

void policy_free(struct policy *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->document_count; i++)
        document_free(p->documents[i]);
    free(p->entries);
    free(p);
}

/* --- what is in it ---------------------------------------------------------------------------- */

/* What the own file does not say is as in that which it extends. */
#define SAID(policy, member)                                                                       \
    for (size_t i = 0; i < (policy)->document_count; i++)                                          \
        if ((policy)->documents[i]->member)                                                        \
            return (policy)->documents[i]->member;                                                 \
    return ""

const char *policy_name(const struct policy *p)
{
    return p->documents[0]->name;
}

const char *policy_title(const struct policy *p)
{
    return p->documents[0]->title;
}

const char *policy_source(const struct policy *p)
{
    SAID(p, source);
}

const char *policy_version(const struct policy *p)
{
    SAID(p, version);
}

const char *policy_as_of(const struct policy *p)
{
    SAID(p, as_of);
}

const char *policy_verified(const struct policy *p)
{
    SAID(p, verified);
}

const char *policy_sha256(const struct policy *p)
{
    return p->sha256;
}

bool policy_demand_at(const struct policy *p, size_t at, struct policy_demand *out)
{
    size_t rules = rules_count();
    for (size_t i = 0; i < p->entry_count; i++) {
        const struct policy_entry *e = &p->entries[i];
        for (size_t rule = 0; e->kind == POLICY_RULE && rule < rules; rule++)
            if (name_set_has(&e->names, rule) && at-- == 0) {
                *out = (struct policy_demand){rules_at(rule)->id, e->verdict,   e->text, e->known,
                                              e->roles,           e->protocols, e->from, e->until};
                return true;
            }
    }
    return false;
}

static const struct policy_entry *item_at(const struct policy *p, size_t at)
{
    for (size_t i = 0; i < p->entry_count; i++)
        if (p->entries[i].kind != POLICY_RULE && at-- == 0)
            return &p->entries[i];
    return NULL;
}

bool policy_item_at(const struct policy *p, size_t at, struct policy_item *out)
{
    const struct policy_entry *e = item_at(p, at);
    if (e)
        *out = (struct policy_item){
            e->kind,
            e->bits,
            {NULL, e->verdict, e->text, e->known, e->roles, e->protocols, e->from, e->until}};
    return e != NULL;
}

const char *policy_item_name(const struct policy *p, size_t at, size_t name)
{
    const struct policy_entry *e = item_at(p, at);
    for (size_t i = 0; e && i < NAMES_MAX; i++)
        if (name_set_has(&e->names, i) && name-- == 0)
            return i == NAME_OTHER ? "*" : name_at(e->kind, i);
    return NULL;
}

static size_t append(char *out, size_t size, size_t used, const char *before, const char *text)
{
    if (used < size)
        snprintf(out + used, size - used, "%s%s", used ? before : "", text);
    return strlen(out);
}

void policy_demand_scope(const struct policy_demand *d, char *out, size_t size)
{
    static const char *const names[] = {"ftp", "imap", "pop3", "smtp"};
    size_t used = 0;

    *out = '\0';
    for (int i = 0; d->protocols != ALL_PROTOCOLS && i < 4; i++)
        if (d->protocols >> i & 1)
            used = append(out, size, used, ", ", names[i]);
    const char *separator = "; ";
    for (int role = 0; d->roles != ALL_ROLES && role <= ROLE_FILES; role++)
        if (d->roles >> role & 1) {
            used = append(out, size, used, separator, role_name((enum role)role));
            separator = ", ";
        }
    if (*d->from) {
        used = append(out, size, used, "; ", "from ");
        used = append(out, size, used, "", d->from);
    }
    if (*d->until) {
        used = append(out, size, used, *d->from ? " " : "; ", "until ");
        append(out, size, used, "", d->until);
    }
}

const char *policy_clause_at(const struct policy *p, size_t at)
{
    return at < p->clause_count ? p->clauses[at].text : NULL;
}

bool policy_clause_unverified(const struct policy *p, size_t at)
{
    return p->clauses[at].unverified;
}
