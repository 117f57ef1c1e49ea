/* SPDX-License-Identifier: MIT */
/* The demo CA and its leaves, made by GnuTLS as they are needed. */
#define _GNU_SOURCE
#include "inside.h"
#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { DAY = 86400, PATH_SIZE = 512 };

struct signer {
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t crt;
};

struct peer_certs {
    char directory[PATH_SIZE / 2];
    struct signer ca, inter;
    bool fresh; /* the CA is new: leaves that lie there are not its own */
    struct cert *made;
};

/* What a certificate is to be. */
struct wish {
    const char *name;
    bool ca;
    int from_day, to_day; /* from now */
    bool names;           /* mail.demo.test, localhost and the address; else other.demo.test */
    const uint8_t *address;
};

static bool complain(struct peer_error *error, const char *what, const char *why)
{
    error->line = 0;
    snprintf(error->text, sizeof error->text, "%.120s: %s", what, why);
    return false;
}

/* ---- files ---- */

static void path_make(const struct peer_certs *certs, const char *name, char path[PATH_SIZE])
{
    snprintf(path, PATH_SIZE, "%s/%s", certs->directory, name);
}

/* The whole file, to be freed by gnutls_free(). false: not there, or not to be read. */
static bool file_read(const struct peer_certs *certs, const char *name, gnutls_datum_t *data)
{
    char path[PATH_SIZE];
    path_make(certs, name, path);
    return gnutls_load_file(path, data) == GNUTLS_E_SUCCESS;
}

/* Whole or not at all, and for nobody else's eyes: there are keys in it. */
static bool file_write(const struct peer_certs *certs, const char *name,
                       const gnutls_datum_t *parts, size_t count, struct peer_error *error)
{
    char path[PATH_SIZE], draft[PATH_SIZE + 8];
    path_make(certs, name, path);
    snprintf(draft, sizeof draft, "%s.XXXXXX", path);
    int fd = mkstemp(draft);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    if (!file) {
        if (fd >= 0)
            close(fd);
        return complain(error, path, strerror(errno));
    }
    for (size_t i = 0; i < count; i++)
        fwrite(parts[i].data, 1, parts[i].size, file);
    bool bad = ferror(file);
    bad = fclose(file) != 0 || bad;
    if (!bad && rename(draft, path) == 0)
        return true;
    complain(error, path, strerror(errno));
    unlink(draft);
    return false;
}

/* ---- making ---- */

static int crt_name(gnutls_x509_crt_t crt, const struct wish *wish)
{
    static const char *const mine[] = {"mail.demo.test", "localhost"}, *const other[] = {
                                                                           "other.demo.test"};
    const char *const *names = wish->names ? mine : other;
    int code = 0;
    for (size_t i = 0; code >= 0 && i < (wish->names ? 2u : 1u); i++)
        code = gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, names[i],
                                                    (unsigned)strlen(names[i]), GNUTLS_FSAN_APPEND);
    if (code >= 0 && wish->names) {
        bool v4 = wish->address[10] == 0xff;
        code = gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS,
                                                    wish->address + (v4 ? 12 : 0), v4 ? 4 : 16,
                                                    GNUTLS_FSAN_APPEND);
    }
    return code;
}

static int crt_fill(gnutls_x509_crt_t crt, const struct wish *wish, bool rsa)
{
    uint8_t serial[16];
    time_t now = time(NULL);
    gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof serial);
    serial[0] = (serial[0] & 0x3f) | 0x40; /* positive, and always as long */
    gnutls_x509_crt_set_version(crt, 3);
    gnutls_x509_crt_set_serial(crt, serial, sizeof serial);
    gnutls_x509_crt_set_activation_time(crt, now + (time_t)wish->from_day * DAY);
    gnutls_x509_crt_set_expiration_time(crt, now + (time_t)wish->to_day * DAY);
    gnutls_x509_crt_set_basic_constraints(crt, wish->ca, wish->ca ? 1 : -1);
    int code = gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, wish->name,
                                             (unsigned)strlen(wish->name));
    if (code < 0)
        return code;
    if (wish->ca)
        return gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN);
    gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE |
                                           (rsa ? GNUTLS_KEY_KEY_ENCIPHERMENT : 0u));
    code = gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_SERVER, 0);
    return code < 0 ? code : crt_name(crt, wish);
}

/* By `by`, or by itself. */
static int crt_sign(struct signer *made, const struct signer *by)
{
    uint8_t id[32];
    size_t len = sizeof id;
    if (!by)
        by = made;
    if (gnutls_x509_crt_get_key_id(made->crt, 0, id, &len) >= 0)
        gnutls_x509_crt_set_subject_key_id(made->crt, id, len);
    len = sizeof id;
    if (gnutls_x509_crt_get_key_id(by->crt, 0, id, &len) >= 0)
        gnutls_x509_crt_set_authority_key_id(made->crt, id, len);
    return gnutls_x509_crt_sign2(made->crt, by->crt, by->key, GNUTLS_DIG_SHA256, 0);
}

static void signer_free(struct signer *signer)
{
    gnutls_x509_privkey_deinit(signer->key);
    gnutls_x509_crt_deinit(signer->crt);
    *signer = (struct signer){0};
}

/* rsa_bits 0: ECDSA P-256 */
static bool signer_make(struct signer *made, const struct wish *wish, unsigned rsa_bits,
                        const struct signer *by, struct peer_error *error)
{
    gnutls_pk_algorithm_t algorithm = rsa_bits ? GNUTLS_PK_RSA : GNUTLS_PK_ECDSA;
    unsigned bits = rsa_bits ? rsa_bits : GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1);
    *made = (struct signer){0};
    int code = gnutls_x509_privkey_init(&made->key);
    if (code >= 0)
        code = gnutls_x509_crt_init(&made->crt);
    if (code >= 0)
        code = gnutls_x509_privkey_generate(made->key, algorithm, bits, 0);
    if (code >= 0)
        code = gnutls_x509_crt_set_key(made->crt, made->key);
    if (code >= 0)
        code = crt_fill(made->crt, wish, rsa_bits > 0);
    if (code >= 0)
        code = crt_sign(made, by);
    if (code >= 0)
        return true;
    signer_free(made);
    return complain(error, wish->name, gnutls_strerror(code));
}

static bool signer_read(struct signer *signer, const gnutls_datum_t *key, const gnutls_datum_t *crt)
{
    *signer = (struct signer){0};
    if (gnutls_x509_privkey_init(&signer->key) >= 0 && gnutls_x509_crt_init(&signer->crt) >= 0 &&
        gnutls_x509_privkey_import(signer->key, key, GNUTLS_X509_FMT_PEM) >= 0 &&
        gnutls_x509_crt_import(signer->crt, crt, GNUTLS_X509_FMT_PEM) >= 0)
        return true;
    signer_free(signer);
    return false;
}

/* Writes key, certificate and (not NULL) the certificate of `above` into one file. */
static bool signer_write(const struct peer_certs *certs, const struct signer *signer,
                         const struct signer *above, const char *name, struct peer_error *error)
{
    gnutls_datum_t parts[3] = {0};
    bool done =
        gnutls_x509_privkey_export2(signer->key, GNUTLS_X509_FMT_PEM, &parts[0]) >= 0 &&
        gnutls_x509_crt_export2(signer->crt, GNUTLS_X509_FMT_PEM, &parts[1]) >= 0 &&
        (!above || gnutls_x509_crt_export2(above->crt, GNUTLS_X509_FMT_PEM, &parts[2]) >= 0);
    done = done ? file_write(certs, name, parts, above ? 3 : 2, error)
                : complain(error, name, "cannot be exported");
    for (size_t i = 0; i < 3; i++)
        gnutls_free(parts[i].data);
    return done;
}

/* ---- the CA ---- */

/* The key has a file of its own, so that ca.pem can be handed around. */
static bool ca_write(const struct peer_certs *certs, struct peer_error *error)
{
    gnutls_datum_t key = {0}, crt = {0};
    bool done = gnutls_x509_privkey_export2(certs->ca.key, GNUTLS_X509_FMT_PEM, &key) >= 0 &&
                gnutls_x509_crt_export2(certs->ca.crt, GNUTLS_X509_FMT_PEM, &crt) >= 0 &&
                file_write(certs, "ca.key", &key, 1, error) &&
                file_write(certs, "ca.pem", &crt, 1, error);
    gnutls_free(key.data);
    gnutls_free(crt.data);
    return done;
}

static bool ca_open(struct peer_certs *certs, struct peer_error *error)
{
    const struct wish ca = {.name = "Demo CA", .ca = true, .from_day = -1, .to_day = 3650};
    const struct wish inter = {
        .name = "Demo Intermediate CA", .ca = true, .from_day = -1, .to_day = 3649};
    gnutls_datum_t key = {0}, crt = {0}, both = {0};
    bool found = file_read(certs, "ca.key", &key) && file_read(certs, "ca.pem", &crt) &&
                 file_read(certs, "inter.pem", &both) && signer_read(&certs->ca, &key, &crt);
    if (found && !signer_read(&certs->inter, &both, &both)) {
        signer_free(&certs->ca);
        found = false;
    }
    gnutls_free(key.data);
    gnutls_free(crt.data);
    gnutls_free(both.data);
    if (found)
        return true;
    certs->fresh = true;
    return signer_make(&certs->ca, &ca, 0, NULL, error) &&
           signer_make(&certs->inter, &inter, 0, &certs->ca, error) && ca_write(certs, error) &&
           signer_write(certs, &certs->inter, NULL, "inter.pem", error);
}

struct peer_certs *peer_certs_open(const char *directory, struct peer_error *error)
{
    struct peer_certs *certs = calloc(1, sizeof *certs);
    bool opened = false;
    if (!certs)
        complain(error, directory, "out of memory");
    else if (strlen(directory) >= sizeof certs->directory)
        complain(error, directory, "path too long");
    else if (mkdir(directory, 0700) != 0 && errno != EEXIST)
        complain(error, directory, strerror(errno));
    else {
        memcpy(certs->directory, directory, strlen(directory) + 1);
        opened = ca_open(certs, error);
    }
    if (opened)
        return certs;
    if (certs)
        peer_certs_close(certs);
    return NULL;
}

static void cert_free(struct cert *cert)
{
    if (cert->credentials)
        gnutls_certificate_free_credentials(cert->credentials);
    for (unsigned i = 0; i < cert->chain_len; i++)
        gnutls_free(cert->chain[i].data);
    gnutls_privkey_deinit(cert->key);
    for (unsigned i = 0; i < cert->sent_len; i++) {
        cert->sent[i].cert.data = NULL; /* a part of octets */
        gnutls_pcert_deinit(&cert->sent[i]);
    }
    gnutls_free(cert->octets.data);
    free(cert->sent);
    free(cert);
}

void peer_certs_close(struct peer_certs *certs)
{
    while (certs->made) {
        struct cert *cert = certs->made;
        certs->made = cert->next;
        cert_free(cert);
    }
    signer_free(&certs->ca);
    signer_free(&certs->inter);
    free(certs);
}

/* ---- the leaves ---- */

static bool leaf_make(const struct peer_certs *certs, int kind, const uint8_t address[16],
                      const char *name, struct peer_error *error)
{
    const struct wish wish = {
        .name = kind == CERT_WRONGNAME ? "other.demo.test" : "mail.demo.test",
        .from_day = kind == CERT_EXPIRED ? -400 : -1,
        .to_day = kind == CERT_EXPIRED ? -35 : 364,
        .names = kind != CERT_WRONGNAME,
        .address = address,
    };
    unsigned rsa_bits = kind == CERT_RSA ? 2048 : kind == CERT_WEAKKEY ? 1024 : 0;
    const struct signer *by = kind == CERT_SELFSIGNED ? NULL
                              : kind == CERT_CHAIN    ? &certs->inter
                                                      : &certs->ca;
    struct signer leaf;
    if (!signer_make(&leaf, &wish, rsa_bits, by, error))
        return false;
    bool done = signer_write(certs, &leaf, kind == CERT_CHAIN ? &certs->inter : NULL, name, error);
    signer_free(&leaf);
    return done;
}

/* The chain as DER. false too if the leaf has expired and should not have. */
static bool leaf_chain(struct cert *cert, const gnutls_datum_t *pem)
{
    gnutls_x509_crt_t *crts = NULL;
    unsigned count = 0;
    if (gnutls_x509_crt_list_import2(&crts, &count, pem, GNUTLS_X509_FMT_PEM, 0) < 0)
        return false;
    bool good = count > 0 && count <= CHAIN_MAX &&
                (cert->kind == CERT_EXPIRED ||
                 gnutls_x509_crt_get_expiration_time(crts[0]) > time(NULL) + DAY);
    for (unsigned i = 0; good && i < count; i++) {
        good = gnutls_x509_crt_export2(crts[i], GNUTLS_X509_FMT_DER, &cert->chain[i]) >= 0;
        cert->chain_len += good;
    }
    for (unsigned i = 0; i < count; i++)
        gnutls_x509_crt_deinit(crts[i]);
    gnutls_free(crts);
    return good;
}

static struct cert *leaf_read(const struct peer_certs *certs, int kind, const char *name)
{
    gnutls_datum_t pem = {0};
    struct cert *cert = calloc(1, sizeof *cert);
    if (!cert || !file_read(certs, name, &pem)) {
        free(cert);
        return NULL;
    }
    cert->kind = kind;
    bool good =
        gnutls_certificate_allocate_credentials(&cert->credentials) >= 0 &&
        gnutls_certificate_set_x509_key_mem2(cert->credentials, &pem, &pem, GNUTLS_X509_FMT_PEM,
                                             NULL, 0) >= 0 &&
        gnutls_certificate_set_known_dh_params(cert->credentials, GNUTLS_SEC_PARAM_MEDIUM) >= 0 &&
        leaf_chain(cert, &pem);
    gnutls_free(pem.data);
    if (good)
        return cert;
    cert_free(cert);
    return NULL;
}

/* ---- what is sent in the place of a leaf ---- */

static int on_retrieve(gnutls_session_t session, const gnutls_datum_t *issuers, int issuers_count,
                       const gnutls_pk_algorithm_t *algorithms, int algorithms_count,
                       gnutls_pcert_st **sent, unsigned *count, gnutls_privkey_t *key)
{
    struct conn *conn = gnutls_transport_get_ptr(session);
    const struct cert *cert = conn->listener->cert;
    (void)issuers;
    (void)issuers_count;
    (void)algorithms;
    (void)algorithms_count;
    *sent = cert->sent;
    *count = cert->sent_len;
    *key = cert->key;
    return 0;
}

/* Takes the file apart. The library looks at the public key of the first, which is the leaf's. */
static bool sent_read(struct cert *cert, const gnutls_datum_t *leaf)
{
    const uint8_t *at = cert->octets.data;
    size_t left = cert->octets.size;
    cert->sent = calloc(SENT_MAX, sizeof *cert->sent);
    while (cert->sent && left >= 3 && cert->sent_len < SENT_MAX) {
        size_t len = (size_t)at[0] << 16 | (size_t)at[1] << 8 | at[2];
        gnutls_pcert_st *pcert = &cert->sent[cert->sent_len];
        if (len > left - 3 || gnutls_pcert_import_x509_raw(pcert, leaf, GNUTLS_X509_FMT_DER, 0) < 0)
            return false;
        gnutls_free(pcert->cert.data);
        pcert->cert.data = cert->octets.data + (at - cert->octets.data) + 3;
        pcert->cert.size = (unsigned)len;
        cert->sent_len++;
        at += 3 + len;
        left -= 3 + len;
    }
    return left == 0 && cert->sent_len > 0;
}

static bool sent_arm(struct cert *cert, const char *file)
{
    gnutls_x509_privkey_t key = NULL;
    memcpy(cert->file, file, strlen(file) + 1);
    bool done = gnutls_load_file(file, &cert->octets) >= 0 && sent_read(cert, &cert->chain[0]) &&
                gnutls_certificate_get_x509_key(cert->credentials, 0, &key) >= 0 &&
                gnutls_privkey_init(&cert->key) >= 0 &&
                gnutls_privkey_import_x509(cert->key, key, GNUTLS_PRIVKEY_IMPORT_COPY) >= 0;
    if (key)
        gnutls_x509_privkey_deinit(key);
    gnutls_certificate_set_retrieve_function2(cert->credentials, on_retrieve);
    return done;
}

const struct cert *certs_get(struct peer_certs *certs, int kind, const uint8_t address[16],
                             const char *file, struct peer_error *error)
{
    char text[INET6_ADDRSTRLEN], name[INET6_ADDRSTRLEN + 32];
    for (struct cert *cert = certs->made; cert; cert = cert->next)
        if (cert->kind == kind && memcmp(cert->address, address, 16) == 0 &&
            strcmp(cert->file, file) == 0)
            return cert;
    script_address(address, text, sizeof text);
    snprintf(name, sizeof name, "%s-%s.pem", script_cert(kind), text);
    struct cert *cert = certs->fresh ? NULL : leaf_read(certs, kind, name);
    if (!cert && leaf_make(certs, kind, address, name, error)) {
        cert = leaf_read(certs, kind, name);
        if (!cert)
            complain(error, name, "cannot be read back");
    }
    if (cert && *file && !sent_arm(cert, file)) {
        complain(error, file, "no certificates behind their lengths");
        cert_free(cert);
        return NULL;
    }
    if (!cert)
        return NULL;
    memcpy(cert->address, address, 16);
    cert->next = certs->made;
    certs->made = cert;
    return cert;
}
