/* SPDX-License-Identifier: MIT */
/*
 * common.h: what the rules about mail and FTP share: is there something to judge, and from where
 * was it seen?
 *
 * A rule asks in this order: does it concern this protocol and this side of TLS, was there a
 * service at all, and are the facts known. The first "no" is its verdict.
 */
#ifndef OUTPUT_RULES_COMMON_H
#define OUTPUT_RULES_COMMON_H

#include "output/rules/rule.h"

bool is_protocol(const struct subject *, const struct protocol *);

/* Was there a service of its own protocol, so that its facts can be asked? If not, *verdict is what
   follows: nothing listens there, or something else does. */
bool is_served(const struct subject *, struct evidence *, enum verdict *);

/* The same, and it greets in clear. */
bool is_served_in_clear(const struct subject *, struct evidence *, enum verdict *);

/* Has the greeting logged us in? Then no login and no upgrade can follow. */
bool is_preauth(const struct observation *);

/* Was the upgrade refused, for good? */
bool is_upgrade_refused(const struct observation *);

/* Bad if it is yes; a fact that has no value does not apply. */
enum verdict verdict_of_fact(const struct subject *, enum fact, enum tri, struct evidence *);

/* --- lists ------------------------------------------------------------------------------------ */

/* Is there an item with this keyword: alone, or with parameters behind " " or "="? */
bool list_names(const struct list *, const char *keyword);

/* The plaintext mechanisms of the list (RFC 4616, RFC 7628), as a text; "" if there are none. */
#define WORDS_MAX 64
const char *plaintext_of(const struct list *mechanisms, char out[WORDS_MAX]);

/* Those of these words (ended by NULL) that the list has, as a text. */
const char *words_of(const struct list *, const char *const *words, char out[WORDS_MAX]);

/* Has something on the way made a keyword unreadable, as firewalls do to STARTTLS? The keyword, or
   NULL. */
const char *mangled_keyword(const struct observation *);

/* --- from where it was seen ------------------------------------------------------------------- */

/* Did we connect from the server's own address? Many servers take such a channel for a secure one,
   and offer there what they offer to nobody else. */
bool is_same_address(const struct subject *);

/* Gives up because of that; true if it did. */
bool is_too_near(const struct subject *, struct evidence *, enum verdict *);

/* Servers trust neighbours too: lowers the confidence where source and server share a private
   network, and says so. */
void consider_neighbours(const struct subject *, struct evidence *);

/* --- logins ----------------------------------------------------------------------------------- */

/* Would a password be taken in clear? */
static inline bool is_login_accepted(const struct observation *o)
{
    return o->login.verdict == LOGIN_ACCEPTED;
}

/* What was asked, and the reply. */
void add_login_evidence(const struct observation *, struct evidence *);

/* The severity depends on the role. */
void add_role_evidence(const struct subject *, struct evidence *);

/* Adds a text that may not be there. */
void add_text_evidence(struct evidence *, const char *name, const char *text);

/* --- the host's other ports ------------------------------------------------------------------- */

/* The endpoint of the same protocol and role that is TLS from the first octet, or NULL if none was
   asked. */
const struct observation *implicit_twin(const struct subject *);

#endif
