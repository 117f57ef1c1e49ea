/* SPDX-License-Identifier: MIT */
/*
 * Replays the conversations of tests/transcripts (its README says how they are written). Each is
 * replayed at every size of the pieces in which its bytes may arrive, and must lead to the same
 * commands and the same facts each time.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "protocols/dialogue.h"
#include "protocols/services.h"

#define EVERY_SIZE_UP_TO ((size_t)600) /* of the pieces; then in growing steps up to the whole */
#define RUN_MIN 24                     /* as many equal octets in a row are written as \{n*c}  */

/* --- a conversation as it is written ---------------------------------------------------------- */

enum item_kind { ITEM_SERVER, ITEM_CLIENT, ITEM_TLS, ITEM_CLOSE, ITEM_SILENCE };

struct item {
    enum item_kind kind;
    char *bytes;
    size_t len;
};

struct conversation {
    char *name;
    const struct protocol *protocol;
    bool inside;
    struct agenda agenda;
    struct item *items;
    size_t item_count;
    char *facts; /* as they must be printed */
};

/* A string that grows. */
struct buffer {
    char *data;
    size_t len, max;
};

static void put(struct buffer *b, const void *from, size_t n)
{
    if (b->len + n + 1 > b->max) {
        b->max = 2 * (b->len + n + 1);
        b->data = realloc(b->data, b->max);
        assert_non_null(b->data);
    }
    memcpy(b->data + b->len, from, n);
    b->len += n;
    b->data[b->len] = 0;
}

static void put_text(struct buffer *b, const char *text)
{
    put(b, text, strlen(text));
}

/* One octet, which may be written as \r \n \\ or \xHH. */
static char take_octet(const char **s)
{
    unsigned value;
    char c = *(*s)++;
    if (c != '\\')
        return c;
    if (sscanf(*s, "x%2x", &value) == 1) {
        *s += 3;
        return (char)value;
    }
    c = *(*s)++;
    return c == 'r' ? '\r' : c == 'n' ? '\n' : c;
}

/* Undoes the escapes of one line, among them \{n*c} for n times the octet c. A single \ at the
   end says that the line goes on with the next one. */
static void put_unescaped(struct buffer *b, const char *s, bool end_of_line)
{
    while (*s && strcmp(s, "\\") != 0) {
        unsigned long times = 1;
        bool repeated = strncmp(s, "\\{", 2) == 0;
        if (repeated) {
            char *end;
            times = strtoul(s + 2, &end, 10);
            s = end + 1; /* behind the asterisk */
        }
        char c = take_octet(&s);
        while (times--)
            put(b, &c, 1);
        s += repeated;
    }
    if (end_of_line && !*s)
        put(b, "\r\n", 2);
}

/* The same the other way. */
static void put_escaped(struct buffer *b, struct span s)
{
    char text[48];
    for (size_t i = 0, run; i < s.len; i += run) {
        unsigned char c = (unsigned char)s.at[i];
        for (run = 1; i + run < s.len && s.at[i + run] == s.at[i]; run++)
            ;
        if (run < RUN_MIN)
            run = 1;
        if (run > 1)
            snprintf(text, sizeof text, c < ' ' || c > 126 ? "\\{%zu*\\x%02x}" : "\\{%zu*%c}", run,
                     c);
        else if (c == '\r' || c == '\n')
            snprintf(text, sizeof text, "\\%c", c == '\r' ? 'r' : 'n');
        else if (c == '\\')
            snprintf(text, sizeof text, "\\\\");
        else if (c < ' ' || c > 126)
            snprintf(text, sizeof text, "\\x%02x", c);
        else
            snprintf(text, sizeof text, "%c", c);
        put_text(b, text);
    }
}

static void add_item(struct conversation *c, enum item_kind kind, const char *text, bool eol)
{
    struct buffer b = {0};
    c->items = realloc(c->items, (c->item_count + 1) * sizeof *c->items);
    assert_non_null(c->items);
    put_unescaped(&b, text, eol);
    c->items[c->item_count++] = (struct item){kind, b.data, b.len};
}

static void add_fact(struct conversation *c, const char *line)
{
    struct buffer b = {0};
    put_text(&b, c->facts ? c->facts : "");
    put_text(&b, line);
    put_text(&b, "\n");
    free(c->facts);
    c->facts = b.data;
}

static void read_agenda(struct agenda *a, const char *line)
{
    *a = (struct agenda){.capabilities = strstr(line, "capabilities"),
                         .upgrade = strstr(line, "upgrade"),
                         .name = a->name,
                         .login = strstr(line, "login"),
                         .mechanism = strstr(line, "login-plain")   ? "PLAIN"
                                      : strstr(line, "login-login") ? "LOGIN"
                                                                    : NULL,
                         .second = strstr(line, "then-login") ? "LOGIN" : NULL,
                         .contradicted = strstr(line, "contradicted"),
                         .unlisted = strstr(line, "unlisted"),
                         .user = "nobody.invalid",
                         .password = strstr(line, "password") ? "secret" : NULL,
                         .anonymous = strstr(line, "anonymous"),
                         .injection = strstr(line, "injection"),
                         .nonce = 7,
                         .protection = strstr(line, "protection"),
                         .upgrade_again = strstr(line, "again"),
                         .clear_again = strstr(line, "clear")};
}

/* One line of a conversation; false if it is not understood. */
static bool read_line(struct conversation *c, const char *line, bool *in_facts)
{
    if (!*line || *line == '#')
        return true;
    if (*in_facts)
        add_fact(c, line);
    else if (strncmp(line, "protocol ", 9) == 0)
        c->protocol = protocol_find(span_of(line + 9));
    else if (strcmp(line, "inside TLS") == 0)
        c->inside = true;
    else if (strncmp(line, "agenda", 6) == 0)
        read_agenda(&c->agenda, line);
    else if (strncmp(line, "S: ", 3) == 0)
        add_item(c, ITEM_SERVER, line + 3, true);
    else if (strncmp(line, "C: ", 3) == 0)
        add_item(c, ITEM_CLIENT, line + 3, true);
    else if (strcmp(line, "TLS") == 0)
        add_item(c, ITEM_TLS, "", false);
    else if (strcmp(line, "CLOSED") == 0)
        add_item(c, ITEM_CLOSE, "", false);
    else if (strcmp(line, "SILENCE") == 0)
        add_item(c, ITEM_SILENCE, "", false);
    else if (strcmp(line, "FACTS") == 0)
        *in_facts = true;
    else
        return strcmp(line, "S:") == 0 ? (add_item(c, ITEM_SERVER, "", true), true) : false;
    return true;
}

struct library {
    struct conversation *conversations;
    size_t count;
};

static void read_file(struct library *l, const char *directory, const char *file)
{
    char path[512], line[4096];
    unsigned number = 0;
    bool in_facts = false;
    struct conversation *c = NULL;

    snprintf(path, sizeof path, "%s/%s", directory, file);
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    while (fgets(line, sizeof line, in)) {
        number++;
        line[strcspn(line, "\n")] = 0;
        if (strncmp(line, "== ", 3) == 0) {
            l->conversations = realloc(l->conversations, (l->count + 1) * sizeof *c);
            assert_non_null(l->conversations);
            c = &l->conversations[l->count++];
            *c = (struct conversation){
                .agenda = {.capabilities = true, .upgrade = true, .name = "client.example.test"}};
            if (asprintf(&c->name, "%.*s: %s", (int)strcspn(file, "."), file, line + 3) < 0)
                abort();
            in_facts = false;
        } else if (c ? !read_line(c, line, &in_facts) : *line && *line != '#') {
            fprintf(stderr, "%s:%u: not understood: %s\n", path, number, line);
            exit(2);
        }
    }
    fclose(in);
}

static int is_transcript(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);
    return len > 4 && strcmp(entry->d_name + len - 4, ".txt") == 0;
}

/* --- a replay --------------------------------------------------------------------------------- */

struct side {
    struct buffer capabilities, mechanisms;
};

struct replay {
    struct dialogue dialogue;
    enum want want;
    struct buffer carry;    /* the incomplete last line, and after the end what came behind it */
    struct buffer commands; /* not yet found in the script                                    */
    struct buffer behind;   /* what the server said behind the last line that was taken        */
    struct buffer banner, upgrade, login, injected, protection;
    struct side sides[2];
    unsigned sent;
};

/* Adds to a fact that is a list. */
static void put_listed(struct buffer *b, const char *label, struct span s)
{
    put_text(b, b->len ? ", " : label);
    put_escaped(b, s);
}

static void put_fact(struct buffer *b, const char *label, struct span s)
{
    put_text(b, label);
    put_text(b, " ");
    put_escaped(b, s);
    put_text(b, "\n");
}

static void on_note(void *context, bool secure, enum note note, struct span s)
{
    struct replay *r = context;
    struct side *side = &r->sides[secure];
    switch (note) {
    case NOTE_BANNER:
        put_fact(&r->banner, "banner", s);
        break;
    case NOTE_CAPABILITIES_BEGIN:
        side->capabilities.len = side->mechanisms.len = 0;
        break;
    case NOTE_CAPABILITY:
        put_listed(&side->capabilities, secure ? "after capabilities " : "before capabilities ", s);
        break;
    case NOTE_MECHANISM:
        put_listed(&side->mechanisms, secure ? "after mechanisms " : "before mechanisms ", s);
        break;
    case NOTE_UPGRADE:
        r->upgrade.len = 0;
        put_fact(&r->upgrade, "upgrade-reply", s);
        break;
    case NOTE_LOGIN:
        r->login.len = 0;
        put_fact(&r->login, "login-reply", s);
        break;
    case NOTE_INJECTED:
        r->injected.len = 0;
        put_fact(&r->injected, "injected-reply", s);
        break;
    case NOTE_PROTECTION:
        put_fact(&r->protection, "protection-reply", s);
        break;
    case NOTE_HEARD:
        break;
    case NOTE_SAID: /* no password is ever noted */
        assert_false(span_mentions(s, "secret"));
        break;
    }
}

static void take_output(struct replay *r)
{
    struct span out = dialogue_output(&r->dialogue);
    if (!out.len)
        return;
    put(&r->commands, out.at, out.len);
    r->sent++;
}

/* A piece has arrived: what the caller of a dialogue does, in memory that is exactly as large as
   it needs to be. */
static void arrive(struct replay *r, const char *bytes, size_t len)
{
    if (r->want != WANT_MORE) {
        put(&r->behind, bytes, len);
        return;
    }
    put(&r->carry, bytes, len);
    char *exact = malloc(r->carry.len);
    assert_non_null(exact);
    memcpy(exact, r->carry.data, r->carry.len);
    struct span in = {exact, r->carry.len};
    do {
        r->want = dialogue_feed(&r->dialogue, &in);
        take_output(r);
    } while (r->want == WANT_MORE && dialogue_output(&r->dialogue).len);
    r->carry.len = 0;
    put(r->want == WANT_MORE ? &r->carry : &r->behind, in.at, in.len);
    free(exact);
}

/* Nothing comes for a while: what the caller of a dialogue does then, if it waits for that. */
static void fall_silent(struct replay *r)
{
    struct span in = {r->carry.data, r->carry.len};
    if (!dialogue_hesitates(&r->dialogue, in))
        fail_msg("silence is not waited for");
    r->want = dialogue_silence(&r->dialogue, &in);
    take_output(r);
    while (r->want == WANT_MORE && dialogue_output(&r->dialogue).len) {
        r->want = dialogue_feed(&r->dialogue, &in);
        take_output(r);
    }
    memmove(r->carry.data, in.at, in.len);
    r->carry.len = in.len;
}

/* All that the server says until it is the client's turn, in pieces of the given size. */
static size_t play_flight(struct replay *r, const struct conversation *c, size_t at, size_t piece)
{
    struct buffer flight = {0};
    for (; at < c->item_count && c->items[at].kind == ITEM_SERVER; at++)
        put(&flight, c->items[at].bytes, c->items[at].len);
    for (size_t i = 0; i < flight.len; i += piece)
        arrive(r, flight.data + i, flight.len - i < piece ? flight.len - i : piece);
    free(flight.data);
    return at;
}

/* The commands that the script has next must be those that were sent, and no other. */
static size_t expect_commands(struct replay *r, const struct conversation *c, size_t at)
{
    struct buffer expected = {0};
    put_text(&expected, "");
    for (; at < c->item_count && c->items[at].kind == ITEM_CLIENT; at++)
        put(&expected, c->items[at].bytes, c->items[at].len);
    put_text(&r->commands, "");
    if (r->commands.len != expected.len ||
        memcmp(r->commands.data, expected.data, expected.len) != 0)
        fail_msg("sent \"%s\", not \"%s\"", r->commands.data, expected.data);
    r->commands.len = 0;
    free(expected.data);
    return at;
}

/* --- facts ------------------------------------------------------------------------------------ */

static const char *const answers[] = {
    [ANSWER_NOT_ASKED] = NULL,  [ANSWER_MISSING] = "missing", [ANSWER_YES] = "yes",
    [ANSWER_NO] = "no",         [ANSWER_LATER] = "later",     [ANSWER_ODD] = "odd",
    [ANSWER_BARRED] = "barred",
};

static void put_word(struct buffer *b, const char *label, const char *value)
{
    if (!value)
        return;
    put_text(b, label);
    put_text(b, value);
    put_text(b, "\n");
}

static void put_buffer(struct buffer *b, const struct buffer *from, const char *end)
{
    if (!from->len)
        return;
    put(b, from->data, from->len);
    put_text(b, end);
}

static void put_side(struct buffer *b, const struct replay *r, bool secure)
{
    const struct capabilities *c = &r->dialogue.capabilities[secure];
    enum tri disabled = dialogue_login_disabled(&r->dialogue, secure);
    const char *where = secure ? "after" : "before";
    char line[64];

    snprintf(line, sizeof line, "%s answer ", where);
    put_word(b, line, answers[c->answer]);
    put_buffer(b, &r->sides[secure].capabilities, "\n");
    put_buffer(b, &r->sides[secure].mechanisms, "\n");
    snprintf(line, sizeof line, "%s ", where);
    put_word(b, line, c->starttls ? "offers the upgrade" : NULL);
    put_word(b, line, c->plaintext ? "has a plaintext mechanism" : NULL);
    snprintf(line, sizeof line, "%s login disabled ", where);
    put_word(b, line, disabled == TRI_UNKNOWN ? NULL : disabled == TRI_YES ? "yes" : "no");
}

/* Everything that is known, and not what has its initial value. */
static char *print_facts(const struct replay *r)
{
    static const char *const wants[] = {"more", "TLS", "close", "abort"};
    static const char *const greetings[] = {NULL, "ok", "preauth", "refused"};
    static const char *const endings[] = {NULL, "refused", "left", "alien", "garbled", "limit"};
    static const char *const logins[] = {NULL,           "absent",    "refused",   "odd",
                                         "TLS in words", "TLS first", "denied",    "later",
                                         "left",         "taken",     "evaluated", "in"};
    const struct dialogue *d = &r->dialogue;
    struct buffer b = {0};
    char code[16];

    put_word(&b, "wants ", wants[r->want]);
    put_word(&b, "ending ", endings[d->ending]);
    put_word(&b, "greeting ", greetings[d->greeting]);
    snprintf(code, sizeof code, "%d", d->refusal);
    put_word(&b, "refusal ", d->refusal ? code : NULL);
    put_buffer(&b, &r->banner, "");
    put_side(&b, r, false);
    put_word(&b, "reset ", answers[d->reset]);
    put_word(&b, "login ", logins[d->login]);
    put_word(&b, "login-probe ", *d->login_probe ? d->login_probe : NULL);
    put_buffer(&b, &r->login, "");
    put_word(&b, "", d->credentials_sent ? "credentials sent" : NULL);
    put_word(&b, "anonymous ", answers[d->anonymous]);
    put_word(&b, "upgrade ", answers[d->upgrade]);
    put_word(&b, "upgrade-command ", d->upgrade_command);
    put_buffer(&b, &r->upgrade, "");
    put_side(&b, r, true);
    put_word(&b, "protection ", answers[d->protection]);
    put_buffer(&b, &r->protection, "");
    put_word(&b, "inside ", answers[d->inside]);
    put_word(&b, "clear ", answers[d->clear]);
    put_word(&b, "", d->wants_login ? "wants a login" : NULL);
    put_word(&b, "", d->injected ? "injected" : NULL);
    put_buffer(&b, &r->injected, "");
    put_word(&b, "", d->settled ? "settled" : NULL);
    put_word(&b, "", d->doubtful ? "doubtful" : NULL);
    put_word(&b, "", d->bare_lf ? "bare LF" : NULL);
    put_word(&b, "", d->bare_cr ? "bare CR" : NULL);
    put_word(&b, "", d->greeted_again ? "greeted again" : NULL);
    if (r->behind.len && d->ending != ENDING_LIMIT) /* then it depends on what had come already */
        put_fact(&b, "behind", (struct span){r->behind.data, r->behind.len});
    return b.data;
}

static void replay_free(struct replay *r)
{
    free(r->carry.data);
    free(r->commands.data);
    free(r->behind.data);
    free(r->banner.data);
    free(r->upgrade.data);
    free(r->login.data);
    free(r->injected.data);
    free(r->protection.data);
    for (int side = 0; side < 2; side++) {
        free(r->sides[side].capabilities.data);
        free(r->sides[side].mechanisms.data);
    }
}

static void play(const struct conversation *c, size_t piece)
{
    struct replay r = {.want = WANT_MORE};
    size_t at = 0;

    dialogue_init(&r.dialogue, c->protocol, c->agenda, c->inside, on_note, &r);
    assert_int_equal(dialogue_output(&r.dialogue).len, 0); /* the server speaks first */
    while (at < c->item_count) {
        if (c->items[at].kind == ITEM_TLS) {
            if (r.want != WANT_TLS)
                fail_msg("TLS was not asked for");
            r.want = dialogue_secured(&r.dialogue);
            take_output(&r);
            at++;
        } else if (c->items[at].kind == ITEM_CLOSE) {
            dialogue_closed(&r.dialogue);
            at++;
        } else if (c->items[at].kind == ITEM_SILENCE) {
            fall_silent(&r);
            at++;
        } else {
            at = play_flight(&r, c, at, piece);
        }
        at = expect_commands(&r, c, at);
    }
    char *facts = print_facts(&r);
    if (strcmp(facts, c->facts ? c->facts : "") != 0) {
        if (getenv("SHOW_FACTS"))
            fprintf(stderr, "%s\nFACTS\n%s\n", c->name, facts);
        fail_msg("in pieces of %zu:\n%s-- expected:\n%s", piece, facts, c->facts ? c->facts : "");
    }
    free(facts);
    replay_free(&r);
}

static void test_conversation(void **state)
{
    const struct conversation *c = *state;
    size_t whole = 1;

    assert_non_null(c->protocol);
    for (size_t i = 0; i < c->item_count; i++)
        whole += c->items[i].len;
    for (size_t piece = 1; piece <= whole; piece += piece < EVERY_SIZE_UP_TO ? 1 : piece / 3)
        play(c, piece);
    play(c, whole);
}

/* --- what no transcript can say --------------------------------------------------------------- */

static void test_longest_name(void **state)
{
    char name[DIALOGUE_NAME_MAX + 1], expected[DIALOGUE_NAME_MAX + 16];
    struct dialogue d;
    struct span greeting = span_of("220 here\r\n");

    (void)state;
    memset(name, 'n', DIALOGUE_NAME_MAX);
    name[DIALOGUE_NAME_MAX] = 0;
    dialogue_init(&d, &protocol_smtp,
                  (struct agenda){.capabilities = true, .upgrade = true, .name = name}, false, NULL,
                  NULL);
    assert_int_equal(dialogue_feed(&d, &greeting), WANT_MORE);
    snprintf(expected, sizeof expected, "EHLO %s\r\n", name);
    struct span out = dialogue_output(&d);
    assert_int_equal(out.len, strlen(expected));
    assert_memory_equal(out.at, expected, out.len);
}

/* Behind the end nothing is heard and nothing said. */
static void test_after_the_end(void **state)
{
    struct dialogue d;
    struct span refusal = span_of("554 go away\r\n"), more = span_of("220 come back\r\n");

    (void)state;
    dialogue_init(&d, &protocol_smtp,
                  (struct agenda){.capabilities = true, .upgrade = true, .name = "me"}, false, NULL,
                  NULL);
    assert_int_equal(dialogue_feed(&d, &refusal), WANT_ABORT);
    assert_int_equal(dialogue_feed(&d, &more), WANT_ABORT);
    assert_int_equal(more.len, strlen("220 come back\r\n"));
    assert_int_equal(dialogue_output(&d).len, 0);
    assert_int_equal(d.greeting, GREETING_REFUSED);
}

static void test_greets(void **state)
{
    static const struct {
        const struct protocol *protocol;
        const char *bytes;
        bool greets;
    } cases[] = {
        {&protocol_imap, "*", true},
        {&protocol_imap, "* O", true},
        {&protocol_imap, "* o", true},
        {&protocol_imap, "* BYE x", true},
        {&protocol_imap, "* preauth", true},
        {&protocol_imap, "* N", true},
        {&protocol_imap, "* A", false},
        {&protocol_imap, "* BAD x", true},
        {&protocol_smtp, "\xef\xbb\xbf 220", true},
        {&protocol_imap, "+OK", false},
        {&protocol_pop3, "+", true},
        {&protocol_pop3, "-E", true},
        {&protocol_pop3, "+ok", true},
        {&protocol_pop3, "+o", true},
        {&protocol_pop3, "220", false},
        {&protocol_smtp, "2", true},
        {&protocol_smtp, "554-", true},
        {&protocol_smtp, "SSH-2.0", false},
        {&protocol_ftp, "120 x", true},
        {&protocol_ftp, "HTTP/1.1", false},
        {&protocol_ftp, "\x15\x03", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (dialogue_greets(cases[i].protocol, span_of(cases[i].bytes)) != cases[i].greets)
            fail_msg("%s: \"%s\"", cases[i].protocol->name, cases[i].bytes);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

int main(int argc, char **argv)
{
    const char *directory = argc > 1 ? argv[1] : "tests/transcripts";
    struct library library = {0};
    struct dirent **files;
    int count = scandir(directory, &files, is_transcript, by_name);

    for (int i = 0; i < count; i++) {
        read_file(&library, directory, files[i]->d_name);
        free(files[i]);
    }
    if (!library.count) {
        fprintf(stderr, "%s: no transcripts\n", directory);
        return 2;
    }
    free(files);
    const struct CMUnitTest own[] = {
        cmocka_unit_test(test_longest_name),
        cmocka_unit_test(test_after_the_end),
        cmocka_unit_test(test_greets),
    };
    struct CMUnitTest *tests = calloc(library.count, sizeof *tests);
    if (!tests)
        return 2;
    for (size_t i = 0; i < library.count; i++)
        tests[i] = (struct CMUnitTest){library.conversations[i].name, test_conversation, NULL, NULL,
                                       &library.conversations[i]};
    int failed = cmocka_run_group_tests_name("dialogue", own, NULL, NULL);
    failed += _cmocka_run_group_tests("transcripts", tests, library.count, NULL, NULL);
    for (size_t i = 0; i < library.count; i++) {
        struct conversation *c = &library.conversations[i];
        for (size_t k = 0; k < c->item_count; k++)
            free(c->items[k].bytes);
        free(c->items);
        free(c->name);
        free(c->facts);
    }
    free(library.conversations);
    free(tests);
    return failed != 0;
}
