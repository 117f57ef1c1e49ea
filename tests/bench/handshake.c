/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "minimal.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PIPE_SIZE = 32768, TURNS = 16 };

struct pipe {
    gnutls_session_t reader;
    size_t start, end;
    char bytes[PIPE_SIZE];
};

/* What one side reads from and writes to. */
struct ends {
    struct pipe *in, *out;
};

static struct pipe to_server, to_client;
static struct ends client_ends = {&to_client, &to_server}, server_ends = {&to_server, &to_client};
static gnutls_certificate_credentials_t client_credentials, server_credentials;
static gnutls_priority_t client_priority, server_priority;
static gnutls_datum_t ticket_key, ticket;

static void need(int result, const char *what)
{
    if (result >= 0)
        return;
    fprintf(stderr, "bench_minimal: %s: %s\n", what, gnutls_strerror(result));
    exit(2);
}

static ssize_t on_pull(gnutls_transport_ptr_t pointer, void *to, size_t max)
{
    struct pipe *in = ((struct ends *)pointer)->in;
    size_t len = in->end - in->start < max ? in->end - in->start : max;
    if (len == 0) {
        gnutls_transport_set_errno(in->reader, EAGAIN);
        return -1;
    }
    memcpy(to, in->bytes + in->start, len);
    in->start += len;
    if (in->start == in->end)
        in->start = in->end = 0;
    return (ssize_t)len;
}

static ssize_t on_push(gnutls_transport_ptr_t pointer, const giovec_t *pieces, int count)
{
    struct pipe *out = ((struct ends *)pointer)->out;
    size_t sum = 0;
    for (int i = 0; i < count; i++) {
        if (out->end + pieces[i].iov_len > sizeof out->bytes)
            abort();
        memcpy(out->bytes + out->end, pieces[i].iov_base, pieces[i].iov_len);
        out->end += pieces[i].iov_len;
        sum += pieces[i].iov_len;
    }
    return (ssize_t)sum;
}

static gnutls_session_t session_make(struct ends *ends, bool server)
{
    gnutls_session_t session;
    need(gnutls_init(&session,
                     (server ? GNUTLS_SERVER : GNUTLS_CLIENT) | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL),
         "session");
    need(gnutls_priority_set(session, server ? server_priority : client_priority), "priority");
    need(gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE,
                                server ? server_credentials : client_credentials),
         "credentials");
    gnutls_transport_set_ptr(session, ends);
    gnutls_transport_set_pull_function(session, on_pull);
    gnutls_transport_set_vec_push_function(session, on_push);
    ends->in->reader = session;
    ends->in->start = ends->in->end = 0;
    return session;
}

static double thread_us(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static gnutls_session_t client_make(void)
{
    static const char name[] = "h000000.bench.test";
    gnutls_session_t client = session_make(&client_ends, false);
    need(gnutls_server_name_set(client, GNUTLS_NAME_DNS, name, sizeof name - 1), "name");
    if (ticket.data)
        need(gnutls_session_set_data(client, ticket.data, ticket.size), "ticket");
    return client;
}

/* The ticket of TLS 1.3 comes behind the handshake. */
static void ticket_keep(gnutls_session_t client)
{
    char waste[16];
    gnutls_record_recv(client, waste, sizeof waste);
    need(gnutls_session_get_data2(client, &ticket), "ticket");
}

/* The CPU time of the client's side. */
static double handshake_make(bool resumed, bool keep)
{
    int ours = GNUTLS_E_AGAIN, theirs = GNUTLS_E_AGAIN;
    gnutls_session_t server = session_make(&server_ends, true);
    need(gnutls_session_ticket_enable_server(server, &ticket_key), "tickets");
    double cost = -thread_us();
    gnutls_session_t client = client_make();
    for (int turn = 0; turn < TURNS && (ours < 0 || theirs < 0); turn++) {
        if (ours < 0)
            ours = gnutls_handshake(client);
        cost += thread_us();
        if (theirs < 0)
            theirs = gnutls_handshake(server);
        cost -= thread_us();
    }
    need(ours, "handshake of the client");
    need(theirs, "handshake of the server");
    if (resumed != (gnutls_session_is_resumed(client) != 0))
        need(GNUTLS_E_INTERNAL_ERROR, "resumption");
    if (keep)
        ticket_keep(client);
    gnutls_deinit(client);
    cost += thread_us();
    gnutls_deinit(server);
    return cost;
}

double handshake_cost(const char *file, const char *priority, bool resumed, unsigned count)
{
    double cost = 0;
    need(gnutls_priority_init(&client_priority, priority, NULL), priority);
    need(gnutls_priority_init(&server_priority, "NORMAL", NULL), "NORMAL");
    need(gnutls_session_ticket_key_generate(&ticket_key), "ticket key");
    need(gnutls_certificate_allocate_credentials(&client_credentials), "credentials");
    need(gnutls_certificate_allocate_credentials(&server_credentials), "credentials");
    need(gnutls_certificate_set_x509_key_file(server_credentials, file, file, GNUTLS_X509_FMT_PEM),
         file);
    handshake_make(false, resumed);
    for (unsigned i = 0; i < count; i++)
        cost += handshake_make(resumed, false);
    gnutls_free(ticket.data);
    gnutls_free(ticket_key.data);
    gnutls_certificate_free_credentials(client_credentials);
    gnutls_certificate_free_credentials(server_credentials);
    gnutls_priority_deinit(client_priority);
    gnutls_priority_deinit(server_priority);
    return cost / count;
}
