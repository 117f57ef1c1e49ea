/* SPDX-License-Identifier: MIT */
/* The played peer: mail and FTP services on loopback, sound ones and odd ones, for the demo, the
 * tests and the benchmark.
 *
 * A listener is described by one line of text:
 *
 *     ADDRESS[/BITS] PORT imap|pop3|smtp|ftp clear|implicit [KEY=VALUE]...     # comment
 *
 *     127.0.0.2 10143 imap clear starttls=offer login=disabled versions=1.2,1.3 cert=good
 *     127.0.0.0/17 143 imap clear     one socket; answers in all of the net, resets elsewhere
 *     127.77.0.1 0 smtp implicit      port 0: the kernel picks one, see peer_port()
 *
 * VALUE may be in double quotes, and then knows \r \n \t \0 \\ \" and \xNN. The first value of
 * each list below is the default.
 *
 *   What it says
 *     greeting=     ok | preauth (imap) | multiline (smtp, ftp)
 *                   busy (421, BYE, -ERR) | refuse (554, 530, BYE, -ERR)     both close then
 *                   silent | ssh | http | flood (one endless line)
 *                   hostile (invalid UTF-8, NUL, ESC, HTML)
 *     greeting-text=    the whole greeting, raw; CRLF is added if it does not end in a newline
 *     greeting-delay=   MS in which it says nothing, and does nothing
 *     caps=         ok | refused | lower | mixed | endless | halfway (then silence)
 *                   greeting, tagged (imap: only in a response code there)
 *                   literal (imap: behind an untagged literal that looks like the end)
 *     caps-clear=   A,B,... the exact capability list before TLS, and
 *     caps-tls=     inside it; otherwise they follow from starttls= and login=
 *     login=        what is the matter with plaintext logins without TLS. Inside TLS they work, and
 *                   there are no accounts: every password is wrong, and counted.
 *                   Announced as disabled, and refused in these ways:
 *                     disabled (with the code or the words for it)
 *                     bare (NO, -ERR, 5xx and nothing else) | late (for the moment: 454, 421,
 *                     [UNAVAILABLE], [SYS/TEMP]) | silent (no answer)
 *                     evaluated (AUTH as disabled, but LOGIN and PASS are looked at: 530,
 *                     [AUTHENTICATIONFAILED], [AUTH])
 *                   announced (as disabled, but a password is asked for, and looked at)
 *                   allowed (not disabled: a password is asked for, and looked at)
 *                   unannounced (not as disabled, but refused)
 *                   in (not disabled: every password is right, FTP asks for none)
 *     login-reply=  raw text of every such refusal in clear, also that of a password; the IMAP tag
 *                   comes before its last line. A server that says 421 or * BYE so hangs up.
 *     anonymous=    no | yes (ftp: USER anonymous is asked for a password whatever login= says)
 *     required=     no | yes (smtp: until TLS 530 to all but EHLO, NOOP, QUIT and STARTTLS)
 *     prot=         ftp, inside TLS, PROT P: ok | refused (536) | unavailable (431)
 *                   login (503 and 530: not before a login) | unknown (500, and not a feature)
 *     ccc=          ftp, inside TLS: refused (534) | allowed (200, and nothing more)
 *     middlebox=    something on the way rewrites: none | caps (smtp: STARTTLS becomes XXXXXXXA,
 *                   and is unknown) | banner (smtp: 220 and asterisks)
 *
 *   The upgrade (clear ports only)
 *     starttls=     offer | hidden (works, not advertised) | none
 *                   refuse | temporary (454, 431, [SYS/TEMP], [UNAVAILABLE])  both advertised
 *                   silent (no reply) | die | reset (right after the positive reply)
 *                   trailing (plaintext behind the positive reply, in the same segment)
 *                   late (the same in a segment of its own)
 *                   334 (ftp: for 234) | ssl-only (ftp: AUTH SSL, not AUTH TLS)
 *     inject=       what becomes of commands that came in one segment with the upgrade command:
 *                   sound (they are dropped) | vulnerable (run inside TLS as soon as it is up)
 *                   delayed (run inside TLS, but not before something has come there)
 *                   refuse (error, close) | clear (run before TLS begins)
 *                   break (taken as the beginning of the handshake, which fails)
 *     after-failure=    of the handshake: close | clear (goes on in clear)
 *     greet-again=  no | yes (a greeting inside TLS, too)
 *     inside=       the upgrade inside TLS, on implicit ports too: sound (neither listed nor
 *                   accepted) | listed | accepted (a yes, and nothing more)
 *
 *   TLS
 *     versions=     1.2,1.3 or any of ssl2,ssl3,1.0,1.1,1.2,1.3; ssl2 and ssl3 are played: their
 *                   ServerHello and Certificate only. Without 1.2 and 1.3 the server is an old
 *                   one, that goes by client_version and does not see supported_versions
 *     refuse=       what a hello without a shared version gets:
 *                   alert:70 | alert:N | close | reset | silent
 *                   choose:V (an answer in version V, ssl3 to 1.3, whatever was offered)
 *     tls=          what every hello gets: ok (TLS) | close | reset | silent | plaintext | garbage
 *                   alerts (endless warnings) | break (closes after the Certificate)
 *     cert=         good | rsa | expired | selfsigned | wrongname | weakkey | chain
 *     send-cert=    the name of a file: what is sent as certificates, each behind its length in three
 *                   octets, whatever it may be; the key of cert= signs all the same
 *     client-cert=  none | request | require
 *     sni=          ignored | required (alert 112 without) | known (alert 112 for any name but
 *                   mail.demo.test and localhost)
 *     alpn=         ignored | enforced (alert 120 if the protocol is not among those offered)
 *     intolerant=   a ClientHello with this in it is refused as refuse= says: none
 *                   list (supported_versions) | extensions (any) | size (more than 255 octets)
 *                   version (client_version above TLS 1.0)
 *     lie=          what is the matter with every ServerHello, which is played and of TLS 1.2 at most:
 *                   none | suite, compression (not offered) | field (1.3 in the older field)
 *                   short (cut within, though its length says otherwise)
 *     hello-max=    N: closes when the ClientHello's record has more bytes
 *     tickets=      yes (sessions are resumed) | no | close (given, but whoever comes with one is
 *                   hung up on)
 *
 *   The connection
 *     drip=         MS between any two bytes that are sent
 *     cut=          close:N | reset:N    ends after N bytes were sent; 0: right after accept
 *     limit=        N/SECONDS: more connections to an address in that time get greeting=busy
 *     max-open=     N: more at once to an address get greeting=busy
 *     banned=       N: an address, all its ports together, that has heard N login commands resets
 *                   every new connection; clients are not told apart
 *
 * Everything runs on the caller's loop and nothing blocks. A connection costs about 1.5 KiB,
 * with GnuTLS some 15 KiB, and its buffers have caps: a client that goes beyond them is cut off.
 * The peer never checks a password, takes no mail and opens no data connection. Clients are
 * expected to end: there is no idle timeout. */
#ifndef PEER_H
#define PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <uv.h>

enum peer_protocol { PEER_IMAP, PEER_POP3, PEER_SMTP, PEER_FTP };
enum peer_mode { PEER_CLEAR, PEER_IMPLICIT };

enum peer_greeting {
    GREETING_OK,
    GREETING_PREAUTH,
    GREETING_BUSY,
    GREETING_REFUSE,
    GREETING_MULTILINE,
    GREETING_HOSTILE,
    GREETING_SILENT,
    GREETING_SSH,
    GREETING_HTTP,
    GREETING_FLOOD
};
enum peer_caps {
    CAPS_OK,
    CAPS_REFUSED,
    CAPS_LOWER,
    CAPS_MIXED,
    CAPS_ENDLESS,
    CAPS_HALFWAY,
    CAPS_GREETING,
    CAPS_TAGGED,
    CAPS_LITERAL
};
enum peer_login {
    LOGIN_DISABLED,
    LOGIN_BARE,
    LOGIN_LATE,
    LOGIN_SILENT,
    LOGIN_EVALUATED,
    LOGIN_ANNOUNCED,
    LOGIN_CONTRADICTED, /* goes on where it announces nothing, and refuses what comes then */
    LOGIN_ALLOWED,
    LOGIN_UNANNOUNCED,
    LOGIN_IN
};
enum peer_prot { PROT_OK, PROT_REFUSED, PROT_UNAVAILABLE, PROT_LOGIN, PROT_UNKNOWN };
enum peer_ccc { CCC_REFUSED, CCC_ALLOWED };
enum peer_middlebox { MIDDLEBOX_NONE, MIDDLEBOX_CAPS, MIDDLEBOX_BANNER };
enum peer_starttls {
    STARTTLS_OFFER,
    STARTTLS_HIDDEN,
    STARTTLS_NONE,
    STARTTLS_REFUSE,
    STARTTLS_TEMPORARY,
    STARTTLS_SILENT,
    STARTTLS_DIE,
    STARTTLS_RESET,
    STARTTLS_TRAILING,
    STARTTLS_LATE,
    STARTTLS_334,
    STARTTLS_SSL_ONLY
};
enum peer_inject {
    INJECT_SOUND,
    INJECT_VULNERABLE,
    INJECT_DELAYED,
    INJECT_REFUSE,
    INJECT_CLEAR,
    INJECT_BREAK
};
enum peer_after_failure { AFTER_FAILURE_CLOSE, AFTER_FAILURE_CLEAR };
enum peer_inside { INSIDE_SOUND, INSIDE_LISTED, INSIDE_ACCEPTED };
enum peer_version { /* bits of a set, in order */
                    VERSION_SSL2 = 1,
                    VERSION_SSL3 = 2,
                    VERSION_TLS10 = 4,
                    VERSION_TLS11 = 8,
                    VERSION_TLS12 = 16,
                    VERSION_TLS13 = 32
};
enum peer_refuse { REFUSE_ALERT, REFUSE_CLOSE, REFUSE_RESET, REFUSE_SILENT, REFUSE_CHOOSE };
enum peer_tls {
    TLS_OK,
    TLS_CLOSE,
    TLS_RESET,
    TLS_SILENT,
    TLS_PLAINTEXT,
    TLS_GARBAGE,
    TLS_ALERTS,
    TLS_BREAK
};
enum peer_cert {
    CERT_GOOD,
    CERT_RSA,
    CERT_EXPIRED,
    CERT_SELFSIGNED,
    CERT_WRONGNAME,
    CERT_WEAKKEY,
    CERT_CHAIN
};
enum peer_client_cert { CLIENT_CERT_NONE, CLIENT_CERT_REQUEST, CLIENT_CERT_REQUIRE };
enum peer_sni { SNI_IGNORED, SNI_REQUIRED, SNI_KNOWN };
enum peer_alpn { ALPN_IGNORED, ALPN_ENFORCED };
enum peer_intolerant {
    INTOLERANT_NOT,
    INTOLERANT_LIST,
    INTOLERANT_EXTENSIONS,
    INTOLERANT_SIZE,
    INTOLERANT_VERSION
};
enum peer_lie { LIE_NONE, LIE_SUITE, LIE_COMPRESSION, LIE_FIELD, LIE_SHORT };
enum peer_tickets { TICKETS_YES, TICKETS_NO, TICKETS_CLOSE };
enum peer_cut { CUT_NEVER, CUT_CLOSE, CUT_RESET };

enum { PEER_TEXT_MAX = 512 };

/* One listener. The int members hold a value of the enum that is named like them. */
struct peer_config {
    uint8_t address[16]; /* IPv4 as ::ffff:a.b.c.d */
    unsigned bits;       /* of 128; 128: a single address */
    uint16_t port;
    int protocol, mode;
    int greeting, caps, login, prot, ccc, middlebox, starttls, inject, after_failure, inside,
        refuse, tls, cert, client_cert, sni, alpn, tickets, intolerant, lie, cut;
    int anonymous, required, greet_again; /* 0 or 1 */
    unsigned versions;                    /* set of enum peer_version */
    unsigned refuse_alert;                /* for REFUSE_ALERT */
    unsigned refuse_version;              /* for REFUSE_CHOOSE */
    unsigned greeting_delay, drip;        /* ms, 0: none */
    unsigned hello_max;                   /* 0: any */
    uint64_t cut_after;
    unsigned limit, limit_seconds, max_open, banned; /* 0: none */
    bool has_greeting_text, has_login_reply, has_caps_clear, has_caps_tls;
    size_t greeting_text_len;
    char greeting_text[PEER_TEXT_MAX];
    char login_reply[PEER_TEXT_MAX]; /* without its last CRLF */
    char caps_clear[PEER_TEXT_MAX], caps_tls[PEER_TEXT_MAX];
    bool has_send_cert;
    char send_cert[PEER_TEXT_MAX];
};

struct peer_error {
    unsigned line; /* from 1; 0: not about a line */
    char text[200];
};

struct peer_stats {
    uint64_t accepted;
    uint64_t open;        /* now */
    uint64_t max_open;    /* at once */
    uint64_t busy;        /* turned away by limit= or max-open= */
    uint64_t handshakes;  /* finished, by GnuTLS */
    uint64_t resumed;     /* of these */
    uint64_t polite;      /* ended by LOGOUT or QUIT */
    uint64_t logins;      /* login commands without a password, but for USER anonymous */
    uint64_t injections;  /* connections with something in one segment with the upgrade command */
    uint64_t credentials; /* passwords that were sent, right away or when asked */
    char user[80];        /* the last name given by LOGIN or USER; what is odd in it as ? */
};

/* Reads one line. 1: a listener, 0: nothing in it, -1: error. */
int peer_parse(const char *line, struct peer_config *config, struct peer_error *error);

/* Reads a file of them into *configs (free() it). 0 or -1. */
int peer_parse_file(FILE *file, struct peer_config **configs, size_t *count,
                    struct peer_error *error);

/* The certificates live in a directory: ca.pem and ca.key, inter.pem (key and certificate), and for
 * each kind and listener address a file KIND-ADDRESS.pem (key, certificate and, for chain, the
 * intermediate). What is there is used again, unless it has expired; what is missing is made when a
 * listener needs it. All but rsa (2048 bits) and weakkey (RSA, 1024 bits) have ECDSA P-256 keys.
 * Names are mail.demo.test, localhost and the listener's address (a net's first one); wrongname has
 * other.demo.test alone. Call gnutls_global_init() first. */
struct peer_certs;
struct peer_certs *peer_certs_open(const char *directory, struct peer_error *error);
void peer_certs_close(struct peer_certs *certs); /* after the loop has run out */

/* Listens on all, or returns NULL. error->line is the number of the config, from 1. After an error
 * too the loop must run once more to close what was begun. The certs must outlive the peer; the
 * configs are copied. */
struct peer;
struct peer *peer_start(uv_loop_t *loop, const struct peer_config *configs, size_t count,
                        struct peer_certs *certs, struct peer_error *error);

/* Closes every handle. The peer is gone once the loop has run: read the counters before. */
void peer_stop(struct peer *peer);

uint16_t peer_port(const struct peer *peer, size_t listener);
const struct peer_stats *peer_stats(const struct peer *peer, size_t listener);

/* Of one address, over all listeners; NULL if nobody ever connected. Talking are the open ones on
 * which the client has said something. */
struct peer_place {
    uint64_t accepted, open, max_open;
    uint64_t talking, max_talking;
};
const struct peer_place *peer_address(const struct peer *peer, const char *address);

/* All counters as one JSON object. 0 or -1 (errno). */
int peer_report(const struct peer *peer, FILE *file);

#endif
