/* SPDX-License-Identifier: MIT */
/* ciphers.c: the rules about cipher suites. They see the suites that the server chose from our
 * hellos, which list the strong ones first. A weak one among them is proof; that there is none
 * proves nothing, since no hello offers the weak ones alone. */
#include "output/rules/rule.h"

/* A suite that was chosen. */
struct choice {
    const char *name;
    enum version version;
    enum tri encrypt_then_mac;
};

typedef bool weakness(const struct choice *);

static bool has(const struct choice *c, const char *part)
{
    return strstr(c->name, part) != NULL;
}

static bool begins(const struct choice *c, const char *part)
{
    return strncmp(c->name, part, strlen(part)) == 0;
}

static bool ends(const struct choice *c, const char *part)
{
    size_t length = strlen(c->name), n = strlen(part);
    return length >= n && strcmp(c->name + length - n, part) == 0;
}

/* What was chosen at this version: by a hello made for it, or else in the full handshake. */
static bool choice_at(const struct observation *o, int version, struct choice *c)
{
    const struct version_fact *fact = &o->tls.versions[version];
    uint32_t suite = 0;

    *c = (struct choice){.version = (enum version)version};
    if (fact->status == VERSION_ACCEPTED) {
        suite = fact->suite;
        c->encrypt_then_mac = fact->encrypt_then_mac;
    }
    if (!suite && observation_knows(o, FACT_CIPHER) && observation_knows(o, FACT_TLS_VERSION) &&
        (int)o->tls.version == version)
        suite = o->tls.suite;
    c->name = suite ? suite_name(suite) : NULL;
    return c->name != NULL;
}

/* Not found: what does that say of versions up to this one? */
static enum verdict judge_absence(const struct observation *o, int highest, struct evidence *e)
{
    const struct version_fact *open = NULL;
    for (int v = highest; v >= VERSION_SSL3; v--) {
        const struct version_fact *fact = &o->tls.versions[v];
        if (fact->status == VERSION_ACCEPTED)
            return verdict_without(VERDICT_NOT_TESTED, cause_name(CAUSE_NOT_ASKED), e);
        if (fact->status != VERSION_REJECTED && !open)
            open = fact;
    }
    return open ? verdict_open(open, e) : VERDICT_NOT_APPLICABLE;
}

/* SSL 2.0 is left out: all that it has is weak, and has a rule of its own. */
static enum verdict judge_choices(const struct subject *s, struct evidence *e, int highest,
                                  weakness *is_weak)
{
    enum verdict verdict;
    struct choice c;

    if (!subject_has_tls(s, e, &verdict))
        return verdict;
    for (int v = highest; v >= VERSION_SSL3; v--) {
        if (!choice_at(s->o, v, &c) || !is_weak(&c))
            continue;
        evidence_text(e, "cipher", c.name);
        evidence_text(e, "version", version_title(c.version));
        return VERDICT_FAIL;
    }
    return judge_absence(s->o, highest, e);
}

static bool is_null(const struct choice *c)
{
    return has(c, "_WITH_NULL_");
}

static bool is_anonymous(const struct choice *c)
{
    return has(c, "_anon_");
}

static bool is_export(const struct choice *c)
{
    return has(c, "_EXPORT_");
}

static bool is_rc4(const struct choice *c)
{
    return has(c, "_RC4_");
}

static bool is_des(const struct choice *c)
{
    return has(c, "_WITH_DES_CBC_");
}

static bool is_md5(const struct choice *c)
{
    return ends(c, "_MD5");
}

static bool is_64_bit_block(const struct choice *c)
{
    return has(c, "_3DES_") || has(c, "_IDEA_") || has(c, "_RC2_");
}

static bool is_static_rsa(const struct choice *c)
{
    return begins(c, "TLS_RSA_");
}

static bool is_static_dh(const struct choice *c)
{
    return begins(c, "TLS_DH_") && !is_anonymous(c);
}

static bool is_static_ecdh(const struct choice *c)
{
    return begins(c, "TLS_ECDH_") && !is_anonymous(c);
}

/* RFC 10015 is about TLS 1.2; what is older is another rule's. */
static bool is_dhe(const struct choice *c)
{
    return c->version == VERSION_TLS12 && begins(c, "TLS_DHE_");
}

static bool is_mac_then_encrypt(const struct choice *c)
{
    return has(c, "_CBC_") && c->encrypt_then_mac == TRI_NO;
}

static bool is_legacy(const struct choice *c)
{
    return has(c, "_SEED_") || has(c, "_CAMELLIA_") || has(c, "_ARIA_") || has(c, "_GOST") ||
           has(c, "_CCM_8");
}

static enum verdict judge_null(const struct subject *s, struct evidence *e)
{
    return judge_choices(s, e, VERSION_TLS12, is_null);
}

static enum verdict judge_anonymous(const struct subject *s, struct evidence *e)
{
    enum verdict verdict = judge_choices(s, e, VERSION_TLS12, is_anonymous);
    if (verdict == VERDICT_FAIL)
        evidence_on_mx(e, s, SEVERITY_INFO);
    return verdict;
}

static enum verdict judge_export(const struct subject *s, struct evidence *e)
{
    return judge_choices(s, e, VERSION_TLS12, is_export);
}

static enum verdict judge_rc4(const struct subject *s, struct evidence *e)
{
    return judge_choices(s, e, VERSION_TLS12, is_rc4);
}

static enum verdict judge_des(const struct subject *s, struct evidence *e)
{
    return judge_choices(s, e, VERSION_TLS12, is_des);
}

static enum verdict judge_md5(const struct subject *s, struct evidence *e)
{
    return judge_choices(s, e, VERSION_TLS12, is_md5);
}

static enum verdict judge_64_bit_block(const struct subject *s, struct evidence *e)
{
    return judge_choices(s, e, VERSION_TLS12, is_64_bit_block);
}

static enum verdict judge_static_rsa(const struct subject *s, struct evidence *e)
{
    return judge_choices(s, e, VERSION_TLS12, is_static_rsa);
}

static enum verdict judge_static_dh(const struct subject *s, struct evidence *e)
{
    return judge_choices(s, e, VERSION_TLS12, is_static_dh);
}

static enum verdict judge_static_ecdh(const struct subject *s, struct evidence *e)
{
    return judge_choices(s, e, VERSION_TLS12, is_static_ecdh);
}

static enum verdict judge_dhe(const struct subject *s, struct evidence *e)
{
    return judge_choices(s, e, VERSION_TLS12, is_dhe);
}

static enum verdict judge_mac_then_encrypt(const struct subject *s, struct evidence *e)
{
    return judge_choices(s, e, VERSION_TLS12, is_mac_then_encrypt);
}

static enum verdict judge_legacy(const struct subject *s, struct evidence *e)
{
    return judge_choices(s, e, VERSION_TLS13, is_legacy);
}

#define HOW_SEEN                                                                                   \
    " Judged by the suites that the server chose from what was offered, strong ones first; "       \
    "weaker "                                                                                      \
    "ones that it would also take are not looked for, so this is never a pass. It does not apply " \
    "where TLS 1.3 is the only version."
#define LISTS                                                                                      \
    " Postfix: tls_medium_cipherlist, smtpd_tls_exclude_ciphers; Dovecot: ssl_cipher_list; Exim: " \
    "tls_require_ciphers; ProFTPD: TLSCipherSuite; vsftpd: ssl_ciphers; Pure-FTPd: "               \
    "TLSCipherSuite; Cyrus: tls_ciphers; Courier: TLS_CIPHER_LIST."

const struct rule rules_ciphers[] = {
    {"CIPHER-NULL",
     SEVERITY_CRITICAL,
     "A cipher suite without encryption is used",
     "The server chose a suite of the NULL family: the connection looks like TLS, and everything "
     "in it, passwords included, can be read on the wire." HOW_SEEN,
     "Remove the NULL suites (eNULL) from the list of ciphers." LISTS,
     {{"RFC 9325 section 4.1", SOURCE_PRIMARY}},
     judge_null},
    {"CIPHER-ANON",
     SEVERITY_HIGH,
     "A cipher suite without authentication is used",
     "The server chose an anonymous suite, in which it shows no certificate, so anybody on the way "
     "can answer in its place. On port 25 (mx) this is info: a client that would else send in "
     "clear loses nothing by it, and some mail servers offer it there on purpose." HOW_SEEN,
     "Remove the anonymous suites (aNULL, ADH, AECDH) from the list of ciphers." LISTS,
     {{"RFC 10015 section 2", SOURCE_PRIMARY}},
     judge_anonymous},
    {"CIPHER-EXPORT",
     SEVERITY_CRITICAL,
     "An export cipher suite is used",
     "The server chose a suite with keys of 40 bits, which are found in minutes; export key "
     "exchanges also allow attacks on stronger connections (FREAK, Logjam)." HOW_SEEN,
     "Remove the export suites (EXP) from the list of ciphers." LISTS,
     {{"RFC 9325 section 4.1", SOURCE_PRIMARY},
      {"RFC 9846 appendix E.5 (was RFC 8446 appendix D.5)", SOURCE_PRIMARY}},
     judge_export},
    {"CIPHER-RC4",
     SEVERITY_HIGH,
     "An RC4 cipher suite is used",
     "The server chose a suite with RC4, whose biases give away repeated secrets such as passwords "
     "that are sent with every connection." HOW_SEEN,
     "Remove RC4 from the list of ciphers." LISTS,
     {{"RFC 9325 section 4.1", SOURCE_PRIMARY},
      {"RFC 7465 section 2", SOURCE_MEMORY},
      {"RFC 9846 appendix E.5 (was RFC 8446 appendix D.5)", SOURCE_PRIMARY}},
     judge_rc4},
    {"CIPHER-DES",
     SEVERITY_HIGH,
     "A single DES cipher suite is used",
     "The server chose a suite with DES, whose keys of 56 bits can be searched "
     "through." HOW_SEEN,
     "Remove DES from the list of ciphers." LISTS,
     {{"RFC 9325 section 4.1", SOURCE_PRIMARY}},
     judge_des},
    {"CIPHER-MD5-MAC",
     SEVERITY_HIGH,
     "A cipher suite with an MD5 checksum is used",
     "The server chose a suite that protects its records with HMAC-MD5; such suites go with "
     "ciphers that are broken anyway." HOW_SEEN,
     "Remove MD5 from the list of ciphers." LISTS,
     {{"RFC 9325 section 4.1", SOURCE_PRIMARY}},
     judge_md5},
    {"CIPHER-64BIT-BLOCK",
     SEVERITY_MEDIUM,
     "A cipher suite with blocks of 64 bits is used",
     "The server chose a suite with 3DES, IDEA or RC2. Blocks of 64 bits repeat after some "
     "gigabytes under one key, which gives away plaintext in long connections (SWEET32); 3DES is "
     "also below 128 bits of strength." HOW_SEEN,
     "Remove 3DES, IDEA and RC2 from the list of ciphers." LISTS,
     {{"RFC 9325 section 4.1", SOURCE_PRIMARY}, {"CVE-2016-2183", SOURCE_MEMORY}},
     judge_64_bit_block},
    {"CIPHER-NO-FS",
     SEVERITY_MEDIUM,
     "A cipher suite without forward secrecy is used",
     "The server chose a suite with RSA key transport: who gets hold of its private key later can "
     "decrypt all that was recorded before. Forbidden in TLS 1.2 since July 2026, and a thing to "
     "avoid before." HOW_SEEN,
     "Allow only key exchanges with ECDHE (remove kRSA)." LISTS,
     {{"RFC 10015 section 4", SOURCE_PRIMARY}, {"RFC 9325 section 4.1", SOURCE_PRIMARY}},
     judge_static_rsa},
    {"CIPHER-STATIC-DH",
     SEVERITY_MEDIUM,
     "A cipher suite with static Diffie-Hellman is used",
     "The server chose a suite whose Diffie-Hellman key is the one in its certificate: there is no "
     "forward secrecy, and the key can be probed (Raccoon)." HOW_SEEN,
     "Allow only key exchanges with ECDHE (remove kDHr, kDHd)." LISTS,
     {{"RFC 10015 section 2", SOURCE_PRIMARY}},
     judge_static_dh},
    {"CIPHER-STATIC-ECDH",
     SEVERITY_LOW,
     "A cipher suite with static elliptic-curve Diffie-Hellman is used",
     "The server chose a suite whose key exchange uses the key in its certificate: there is no "
     "forward secrecy." HOW_SEEN,
     "Allow only key exchanges with ECDHE (remove kECDHr, kECDHe)." LISTS,
     {{"RFC 10015 section 2", SOURCE_PRIMARY}, {"RFC 9325 section 4.1", SOURCE_PRIMARY}},
     judge_static_ecdh},
    {"CIPHER-DHE",
     SEVERITY_LOW,
     "Finite-field Diffie-Hellman is used with TLS 1.2",
     "The server chose a DHE suite in TLS 1.2, where the client can neither choose nor check the "
     "group. The IETF forbids these suites since July 2026; other standards still allow them for a "
     "while (see the policies), and RFC 9051 still recommends two of them. The finite-field groups "
     "of TLS 1.3 are another matter and are fine." HOW_SEEN,
     "Prefer ECDHE and remove the DHE suites (kDHE) from the list for TLS 1.2." LISTS,
     {{"RFC 10015 section 3", SOURCE_PRIMARY}},
     judge_dhe},
    {"CIPHER-CBC-NO-ETM",
     SEVERITY_LOW,
     "A CBC cipher suite is used without encrypt-then-MAC",
     "The server chose a CBC suite and left the offered extension encrypt_then_mac unanswered. "
     "Checksums below the padding are what padding oracles live on (Lucky Thirteen)." HOW_SEEN,
     "Prefer suites with GCM or ChaCha20-Poly1305, and remove the CBC suites if no old client "
     "needs them." LISTS,
     {{"RFC 9325 section 4.2", SOURCE_PRIMARY}, {"RFC 7366", SOURCE_MEMORY}},
     judge_mac_then_encrypt},
    {"CIPHER-LEGACY",
     SEVERITY_INFO,
     "A seldom cipher suite is used",
     "The server chose a suite with SEED, Camellia, ARIA, GOST, or a CCM tag of 8 octets. None of "
     "them is broken; most lists of recommended suites leave them out. Judged by the suites that "
     "the server chose; others are not looked for, so this is never a pass.",
     "Prefer AES-GCM and ChaCha20-Poly1305." LISTS,
     {{"RFC 9325 section 4.2", SOURCE_PRIMARY}},
     judge_legacy},
    {0},
};
