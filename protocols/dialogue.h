/* SPDX-License-Identifier: MIT */
/*
 * dialogue.h: one conversation with one server, bytes in and meaning out.
 *
 *   service bytes --> dialogue_feed() --> a line --> protocol->line()  where does a reply end?
 *                                              \-> protocol->turn()  what do we say to it?
 *
 * A dialogue knows no socket, no clock and no memory but its own: the caller owns the bytes it
 * feeds, keeps the incomplete last line, sends dialogue_output(), and lays TLS under it when it
 * says WANT_TLS. What the server says is handed to the caller's note() as raw bytes; what it means
 * is in the fields of the struct. Nothing is ever sent before the greeting, and only one command is
 * ever on its way (RFC 3207 section 4, RFC 4642 section 2.2.1: an upgrade must not be pipelined).
 *
 * A protocol is two functions and a goodbye: see imap.c, pop3.c, smtp.c, ftp.c. To add one, write
 * such a file and add its rows to the table in services.c.
 */
#ifndef PROTOCOLS_DIALOGUE_H
#define PROTOCOLS_DIALOGUE_H

#include <stdint.h>

#include "protocols/span.h"

#define DIALOGUE_LINE_MAX ((size_t)8 * 1024)   /* octets in a line, its end not counted    */
#define DIALOGUE_REPLY_MAX ((size_t)64 * 1024) /* octets in a reply, all its lines together */
#define DIALOGUE_NAME_MAX ((size_t)255)        /* octets of the name given in EHLO          */
#define DIALOGUE_ODD_LINES_MAX 32U             /* lines before a greeting that are none     */
#define DIALOGUE_LAST_MAX ((size_t)512)        /* octets that are kept of a last line       */

struct dialogue;

/* What the dialogue wants of its caller now. Send dialogue_output() first, whatever it wants. */
enum want {
    WANT_MORE,  /* read on                                                              */
    WANT_TLS,   /* the upgrade was accepted: TLS begins with the very next byte         */
    WANT_CLOSE, /* all is said                                                          */
    WANT_ABORT  /* going on is of no use: dialogue.ending says why                      */
};

/* What the newest line of a reply is. */
enum line {
    LINE_MORE, /* the reply goes on              */
    LINE_LAST, /* the reply is complete          */
    LINE_ALIEN /* not a line of this protocol    */
};

enum reply_kind {
    REPLY_POSITIVE,  /* 2yz, OK, +OK                          */
    REPLY_CONTINUE,  /* 3yz, a continuation request           */
    REPLY_TRANSIENT, /* 4yz, or a response code that says so  */
    REPLY_NEGATIVE,  /* 5yz, NO, BAD, -ERR                    */
    REPLY_FAREWELL   /* 421, BYE: the server is leaving       */
};

struct reply {
    enum reply_kind kind;
    int code;         /* the three digits of SMTP and FTP, else 0               */
    struct span line; /* the last line, without its end                         */
};

/* Raw text for the caller to keep; the span is valid during the call only. */
enum note {
    NOTE_BANNER,             /* a line of the greeting, the next one if it has several        */
    NOTE_CAPABILITIES_BEGIN, /* a list begins: it replaces the one noted on this side of TLS  */
    NOTE_CAPABILITY,         /* one capability with its parameters                            */
    NOTE_MECHANISM,          /* one SASL mechanism of the list                                */
    NOTE_UPGRADE,            /* the (last) line of the reply to the upgrade command           */
    NOTE_LOGIN,              /* the last line of the reply to the most telling login command  */
    NOTE_INJECTED,           /* inside TLS: the answer to the command that was injected       */
    NOTE_PROTECTION,         /* FTP: the last line of the reply to PROT P                     */
    NOTE_HEARD,              /* every line, as it came                                        */
    NOTE_SAID                /* every command; credentials are withheld                       */
};

/* secure: it was said inside TLS. */
typedef void (*note_fn)(void *context, bool secure, enum note, struct span);

/* What this conversation is for. Texts outlive it. */
struct agenda {
    bool capabilities; /* ask for the capability list, outside and inside TLS         */
    bool upgrade;      /* ask for TLS on a connection that starts in clear            */
    bool unlisted;     /* but not in cleartext: it was never answered; SMTP says HELO then */
    const char *name;  /* our name for EHLO; at most DIALOGUE_NAME_MAX octets         */

    /* How far would a login get in clear? No credentials are sent unless a password is given. */
    bool login;
    const char *mechanism; /* a plaintext mechanism that the server offers, or NULL       */
    const char *second;    /* one more, for where the first is not known, or NULL         */
    bool contradicted;     /* by its list the server takes no password: to be asked for one
                              contradicts that, and what follows an empty response decides */
    const char *user;      /* a name that nobody has                                      */
    const char *password;  /* for one login with that name, or NULL                       */
    bool anonymous;        /* FTP: then ask for "anonymous" too                           */
    bool unreset;          /* SMTP: not RSET, which was never answered                   */

    /* Send a command behind the upgrade command, in one piece with it, and see whether it is
       carried out inside TLS. Its tag in IMAP is X and this number. */
    bool injection;
    unsigned nonce;

    /* Inside TLS, in this order, where the protocol has it. */
    bool protection;    /* FTP: PBSZ and PROT P                                        */
    bool upgrade_again; /* ask for TLS once more                                       */
    bool clear_again;   /* FTP: CCC                                                    */
};

enum step {
    STEP_GREETING,
    STEP_CAPABILITIES,
    STEP_HELO,      /* SMTP: EHLO was refused                                  */
    STEP_RESET,     /* SMTP: is anything allowed before TLS?                   */
    STEP_LOGIN,     /* the first way to log in                                 */
    STEP_CANCEL,    /* a continuation came: "*"                                */
    STEP_RESOLVE,   /* one came that contradicts the list: an empty response   */
    STEP_OTHER,     /* POP3: another way                                       */
    STEP_PASSWORD,  /* the one step that has credentials                       */
    STEP_ANONYMOUS, /* FTP                                                     */
    STEP_UPGRADE,
    STEP_UPGRADE_AGAIN, /* FTP: AUTH TLS was refused, AUTH SSL is tried            */
    STEP_SECURING,      /* waiting for dialogue_secured()                          */
    STEP_BUFFER,        /* FTP: PBSZ                                               */
    STEP_PROTECTION,    /* FTP: PROT                                               */
    STEP_INSIDE,        /* the upgrade command inside TLS                          */
    STEP_CLEAR,         /* FTP: CCC                                                */
    STEP_GOODBYE,
    STEP_DONE
};

enum greeting { GREETING_NONE, GREETING_OK, GREETING_PREAUTH, GREETING_REFUSED };

/* How a question went. */
enum answer {
    ANSWER_NOT_ASKED,
    ANSWER_MISSING, /* asked, no complete reply (yet)               */
    ANSWER_YES,     /* complete and positive                        */
    ANSWER_NO,      /* refused                                      */
    ANSWER_LATER,   /* refused for the moment: 4yz, [UNAVAILABLE] … */
    ANSWER_ODD,     /* a reply that fits no grammar of this command */
    ANSWER_BARRED   /* refused, but perhaps for our name, or for what was refused before */
};

enum ending {
    ENDING_NONE,
    ENDING_REFUSED, /* the greeting turned us away                       */
    ENDING_LEFT,    /* 421 or BYE in the middle                          */
    ENDING_ALIEN,   /* the greeting is of another protocol               */
    ENDING_GARBLED, /* it was this protocol until now                    */
    ENDING_LIMIT    /* a line or a reply was longer than we take         */
};

/* Mechanisms that send a password, or its equal, in clear; the plainest first, NULL at the end. */
extern const char *const plaintext_mechanisms[];

/* What the reply to a login command says, the more telling ones later. */
enum login_reply {
    LOGIN_REPLY_NONE,      /* nothing was asked, or not answered (yet)                    */
    LOGIN_REPLY_ABSENT,    /* the server does not have this way to log in                 */
    LOGIN_REPLY_REFUSED,   /* refused, without a word why                                 */
    LOGIN_REPLY_ODD,       /* a reply that fits no grammar, or that proves nothing        */
    LOGIN_REPLY_TLS_WORDS, /* refused, and the words of it say that TLS is the reason     */
    LOGIN_REPLY_TLS_FIRST, /* refused, and a code says so, or codes and words together    */
    LOGIN_REPLY_DENIED,    /* a password was refused, without a word why                  */
    LOGIN_REPLY_LATER,     /* refused for the moment                                      */
    LOGIN_REPLY_LEFT,      /* 421 or BYE                                                  */
    LOGIN_REPLY_TAKEN,     /* go on, the password: it would be taken in clear             */
    LOGIN_REPLY_EVALUATED, /* the password was looked at                                  */
    LOGIN_REPLY_IN         /* logged in                                                   */
};

/* What a capability list said, as far as the dialogue itself and the login rules need it. */
struct capabilities {
    enum answer answer;
    bool listed;         /* a list has come, asked for or not                           */
    bool starttls;       /* the upgrade is offered                                      */
    bool user;           /* POP3: USER                                                  */
    bool plaintext;      /* a mechanism of PLAIN LOGIN XOAUTH2 OAUTHBEARER              */
    bool login_disabled; /* no password login now: LOGINDISABLED, or no way in is named */
};

struct protocol {
    const char *name;
    const char *greetings[6]; /* how a greeting can begin, NULL at the end */
    bool hello_first;     /* the capability command must come before the upgrade (RFC 3207)       */
    bool announces_login; /* the capability list says whether a password login is allowed         */
    bool tagged;          /* an answer names the command that it belongs to (IMAP)                */
    bool resets;          /* has a command that is refused only where TLS is required (SMTP)      */
    bool data_channel;    /* has a second channel with a protection of its own (FTP)              */
    enum line (*line)(struct dialogue *, struct span,
                      struct reply *);                          /* does the reply end here?     */
    enum want (*ask)(struct dialogue *, enum step);             /* say the command of that step */
    enum want (*turn)(struct dialogue *, const struct reply *); /* what a reply leads to        */
};

struct dialogue {
    const struct protocol *protocol;
    struct agenda agenda;
    note_fn note;
    void *context;

    /* Facts. Index 0 of the lists is before TLS, 1 inside TLS. */
    enum greeting greeting;
    struct capabilities capabilities[2];
    enum answer upgrade;
    const char *upgrade_command; /* NULL until asked                                       */
    bool secure;                 /* TLS is up                                              */
    bool named;                  /* the greeting names the protocol                        */
    bool doubtful;               /* the greeting may be another protocol's: nothing of ours
                                    was answered as ours yet                               */
    bool bare_lf;                /* a line ended without CR                                */
    enum answer helo;            /* SMTP: HELO, where EHLO was not taken                   */
    bool greeted_again;          /* a greeting inside TLS after an upgrade                 */
    enum answer reset;           /* STEP_RESET; no: refused for want of TLS    */
    enum login_reply login;      /* the most telling reply to a login command  */
    char login_probe[32];        /* and that command, without its arguments    */
    bool credentials_sent;
    enum answer anonymous;
    bool injected;          /* the injected command was carried out inside TLS            */
    bool settled;           /* our own commands inside TLS were answered in their order   */
    enum answer protection; /* PROT P; missing also where a login is wanted first         */
    bool wants_login;       /* PROT P or CCC: a login is wanted first                     */
    enum answer inside;     /* the upgrade command inside TLS                             */
    enum answer clear;      /* CCC                                                        */
    enum answer fallen;     /* yes: answered in clear after TLS was broken off            */
    int refusal;            /* the code of a refusing greeting, 0 if the protocol has none */
    enum ending ending;

    /* Machinery. */
    enum step step;
    size_t reply_octets; /* of the reply being read                                   */
    size_t literal;      /* IMAP: octets of a literal still to be passed over         */
    int code;            /* SMTP, FTP: the code of the multi-line reply being read    */
    unsigned tag;        /* IMAP: the tag of the command on its way                   */
    bool preauth;        /* IMAP: the greeting's word                                 */
    bool continued;      /* IMAP: the next line belongs to the one with the literal   */
    bool listing;        /* this reply has begun a capability list                    */
    bool worded;         /* a line of this reply speaks of TLS                        */
    unsigned odd_lines;  /* before the greeting                                       */
    bool bare_cr;        /* lines end with CR alone                                   */
    int refused_hello;   /* SMTP: the code that refused EHLO                          */
    bool second;         /* the second mechanism is the one on its way                */
    bool second_asked;   /* it was                                                    */
    bool affirmed;       /* POP3: +OK came where a continuation should have           */
    int last_code;       /* FTP: of a line that may be the last of its reply, though the code is
                            another than the first line's; 0: there is none           */
    size_t last_len;
    char last[DIALOGUE_LAST_MAX]; /* that line */
    uint32_t asked[2];            /* 1 << step, before and inside TLS                          */
    unsigned answers;             /* replies inside TLS                                        */
    char first[64];               /* POP3: the beginning of the first of them                  */
    bool parted;                  /* our goodbye was answered, by all that can be told         */
    size_t out_len;
    char out[DIALOGUE_NAME_MAX + 64];
};

/* Begins a conversation; secure says that it starts inside TLS (an implicit port). */
void dialogue_init(struct dialogue *, const struct protocol *, struct agenda, bool secure, note_fn,
                   void *context);

/* Eats whole lines off the front of *bytes until there is something to say or to do. If there is
   neither (WANT_MORE and no output), what is left is an incomplete line, which the caller keeps and
   feeds again with what follows. After WANT_TLS, WANT_CLOSE and WANT_ABORT it is what the server
   said behind the end. */
enum want dialogue_feed(struct dialogue *, struct span *bytes);

/* Is what has come perhaps all that will come, though it does not end as it should? rest is the
   incomplete line. Then the caller waits only for a moment before it calls dialogue_silence(). */
bool dialogue_hesitates(const struct dialogue *, struct span rest);

/* Nothing more has come: makes the most of what has. For the rest like dialogue_feed(). */
enum want dialogue_silence(struct dialogue *, struct span *bytes);

/* TLS is up on a connection that was upgraded: carry on inside it. */
enum want dialogue_secured(struct dialogue *);

/* TLS was broken off after the upgrade was accepted: says goodbye in clear, behind an empty line,
   and waits for an answer that fits. */
enum want dialogue_fall_back(struct dialogue *);

/* The server has closed the connection. */
void dialogue_closed(struct dialogue *);

/* What is to be sent now; empty when nothing is. Forgotten at the next feed. */
struct span dialogue_output(const struct dialogue *);

/* Could these bytes be the beginning of a greeting of this protocol, behind padding? For what a
 * silent peer left unfinished. */
bool dialogue_greets(const struct protocol *, struct span bytes);

/* Does the server say that a password login is not allowed now? Unknown where it makes no such
 * announcement. */
enum tri dialogue_login_disabled(const struct dialogue *, bool inside_tls);

/* --- for the protocol files ------------------------------------------------------------------- */

/* Says a command (CRLF is added) and moves to the step that its reply belongs to. */
enum want dialogue_say(struct dialogue *, enum step, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The greeting is read, and what it was. */
enum want dialogue_greeted(struct dialogue *, enum greeting);

/* A command with credentials: it is noted as it is shown. */
enum want dialogue_say_secret(struct dialogue *, enum step, const char *shown, const char *format,
                              ...) __attribute__((format(printf, 4, 5)));

/* A login command (probe, such as "AUTH PLAIN") is answered; what tells most is kept. */
void dialogue_login(struct dialogue *, const char *probe, enum login_reply, struct span reply_line);

/* The first answer inside TLS: where a goodbye is answered alike, it may be an answer to the same
   command, and a connection that ends there proves nothing. */
void dialogue_remember(struct dialogue *, struct span line);

/* The mechanism to ask for. */
const char *dialogue_mechanism(const struct dialogue *);

/* Do the words of this line say that clear text is the trouble, and TLS the way out? */
bool speaks_of_tls(struct span line);

/* Do they speak of this moment, or of us? Then they say nothing about anybody else. */
bool speaks_of_now(struct span line);

/* Do they say that the mechanism is not known? */
bool speaks_of_mechanism(struct span line);

/* Do they say that a name and a password were looked at? */
bool speaks_of_credentials(struct span line);

/* Asks for the second mechanism, if there is one and it was not asked for: true. */
bool dialogue_has_second(struct dialogue *);

/* The empty response to a continuation that contradicts the list was answered: what that means,
   given what it would mean as the refusal of a login. */
enum login_reply dialogue_resolve(const struct dialogue *, const struct reply *,
                                  enum login_reply refusal);

/* The upgrade command is answered; a refusal that speaks of "now" or of us is no "no". */
enum want dialogue_upgraded(struct dialogue *, enum answer, struct span reply_line);

/* The upgrade command inside TLS is answered. */
enum want dialogue_upgraded_inside(struct dialogue *, enum answer, const struct reply *);

/* The question of this step is settled: asks the next one of the agenda, or says goodbye. The order
   is that of enum step. */
enum want dialogue_proceed(struct dialogue *);
enum want dialogue_end(struct dialogue *, enum ending);

/* The capability list of this side of TLS. */
struct capabilities *dialogue_capabilities(struct dialogue *);

/* Opens a list, once a reply: what was noted before it is replaced. */
struct capabilities *dialogue_list(struct dialogue *);
void dialogue_note(struct dialogue *, enum note, struct span);
void dialogue_note_mechanism(struct dialogue *, struct span name);

/* SMTP and FTP: the three digits and what follows. False if the line has none. */
bool reply_parse_code(struct span line, int *code, char *separator);
enum reply_kind reply_kind_of_code(int code);

/* Does digit.digits.digits follow the code (RFC 3463)? */
bool has_enhanced_code(struct span line);
enum answer answer_of(enum reply_kind);

extern const struct protocol protocol_ftp, protocol_imap, protocol_pop3, protocol_smtp;

#endif
