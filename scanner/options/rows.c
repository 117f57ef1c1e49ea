/* SPDX-License-Identifier: MIT */
#include "scanner/options/rows.h"

#define SANDBOX_ROW                                                                                \
    {                                                                                              \
        "sandbox", KEY_SANDBOX, "MODE", 0,                                                         \
            "Give up files and system calls that are no longer needed before anything of "         \
            "strangers is "                                                                        \
            "read: auto (what the system offers of that; the default), require (all of it, or "    \
            "nothing "                                                                             \
            "is done), off",                                                                       \
            0                                                                                      \
    }

const struct argp_option scan_rows[] = {
    {NULL, 0, NULL, 0, "What is scanned:", 1},
    {"file", KEY_FILE, "FILE", 0,
     "Targets from FILE, one a line; - is standard input, scanned as it comes", 0},
    {"exclude-file", KEY_EXCLUDE, "FILE", 0,
     "Never connect to what FILE lists, nor to names that resolve to it", 0},
    {"services", KEY_SERVICES, "LIST", 0, "Of the protocol table only these: imap,ftp/explicit", 0},
    {"ports", KEY_PORTS, "LIST", 0, "These besides: imap/insecure:1143,smtp:2525", 0},
    {"dry-run", KEY_DRY_RUN, NULL, 0,
     "Say what would be scanned, and how many endpoints that is; no DNS, no connection", 0},
    {"config", KEY_CONFIG, "FILE", 0,
     "Targets and options from FILE (YAML); what is given here as well holds instead", 0},
    {"without", KEY_WITHOUT, "MEMBER", 0,
     "Pass over what the configuration says of this member or section (more than once: of each)",
     0},
    {"print-config", KEY_PRINT_CONFIG, NULL, 0,
     "Print all this as a configuration, and do nothing else", 0},
    {NULL, 0, NULL, 0, "What is asked:", 2},
    {"facts", KEY_FACTS, "LIST", 0,
     "Only these of capabilities,versions,handshake,login,injection (default: all). "
     "capabilities,versions is the quick mode: no key exchange",
     0},
    {"exhaustive", KEY_EXHAUSTIVE, NULL, 0,
     "Ask each TLS version by itself and infer none, and make the checks that need a connection of "
     "their own",
     0},
    {"dummy-login", KEY_DUMMY_LOGIN, NULL, 0,
     "Where a login in clear is tried, send a password too: one LOGIN or PASS a service, with a "
     "random name that ends in .invalid. It proves what the default can only make probable, but is "
     "logged as a failed login, and may get this machine banned",
     0},
    {"ca-file", KEY_CA_FILE, "FILE", 0, "Trust these certificates (PEM) instead of the system's",
     0},
    {NULL, 0, NULL, 0, "What comes out:", 3},
    {"output", KEY_OUTPUT, "FILE", 0, "Write the records to FILE", 0},
    {"records-dir", KEY_RECORDS_DIR, "DIR", 0,
     "Write the records to a file of their own in DIR, named by the time and the run's id; while "
     "the scan is under way its name ends in .part",
     0},
    {"export", KEY_EXPORT, "FORMAT=FILE", 0,
     "When it is over, write FORMAT (as export does) of the records to FILE (more than once: each)",
     0},
    {"scan-name", KEY_SCAN_NAME, "NAME", 0, "What the scan is called in exports (default: default)",
     0},
    {"title", KEY_TITLE, "TEXT", 0, "The heading of a report that --export makes", 0},
    {"label", KEY_LABEL, "KEY", 0,
     "In exports, targets' label KEY becomes a column, or a label of metrics (more than once: "
     "each)",
     0},
    {"metrics-per-endpoint", KEY_PER_ENDPOINT, "N", 0,
     "In exports, metrics of each endpoint too, for N endpoints at the most", 0},
    {"all", KEY_ALL, NULL, 0, "Record the endpoints of hosts that did not answer too", 0},
    {"transcript", KEY_TRANSCRIPT, NULL, 0,
     "Put what was said, both ways and without credentials, into the records", 0},
    {"json", KEY_JSON, NULL, 0, "Records on standard output, also on a terminal", 0},
    {"table", KEY_TABLE, NULL, 0, "A table on standard output, also where it is not a terminal", 0},
    {"quiet", KEY_QUIET, NULL, 0, "No progress line, no notes", 0},
    {NULL, 0, NULL, 0, "Manners:", 5},
    {"concurrency", KEY_CONCURRENCY, "N", 0, "Connections at once (default 500)", 0},
    {"per-host", KEY_PER_HOST, "N", 0,
     "Dialogues with one address at once, never two on a port (default 3)", 0},
    {"per-net", KEY_PER_NET, "N", 0,
     "Connections at once to one /24 (IPv6: /64) (default: no limit)", 0},
    {"rate", KEY_RATE, "N", 0, "Connections begun in a second, over all (default: no limit)", 0},
    {"patience", KEY_PATIENCE, "S", 0,
     "How long a host that turns us away (421, BYE, 454, resets) is waited for in all, to be asked "
     "again later and more slowly (default 300; 0: not at all)",
     0},
    {"seed", KEY_SEED, "N", 0,
     "Scan in the order that belongs to this number (default: chance, and 0 for shards)", 0},
    {"ordered", KEY_ORDERED, NULL, 0, "Scan in the order of the addresses, neighbours together", 0},
    {"ehlo-name", KEY_EHLO_NAME, "NAME", 0,
     "Our name for EHLO (default: the address that is connected from)", 0},
    {"source-address", KEY_SOURCE, "ADDRESS", 0, "Connect from this address", 0},
    {"resolver", KEY_RESOLVER, "ADDRESS[:PORT]", 0, "Ask this DNS server (default: the system's)",
     0},
    {NULL, 0, NULL, 0, "Large runs:", 6},
    {"workers", KEY_WORKERS, "N", 0, "Threads (default: the cores there are)", 0},
    {"shard", KEY_SHARD, "I/N", 0,
     "Only every Nth target, beginning with the Ith (from 0): N such runs are one", 0},
    {"max-duration", KEY_MAX_DURATION, "S", 0, "End in good order after this time (exit 3)", 0},
    {"resume", KEY_RESUME, "FILE", 0,
     "Go on with the interrupted run whose records are in FILE, given the same targets and "
     "options: "
     "in FILE, or with -o OTHER in a copy of it",
     0},
    SANDBOX_ROW,
    {NULL, 0, NULL, 0, "Night after night:", 7},
    {"state", KEY_STATE, "DB", 0,
     "Keep the history of runs, endpoints and findings in DB, and always record what was once seen",
     0},
    {"on-change", KEY_ON_CHANGE, "COMMAND", 0,
     "If the run has changed something in the state, give COMMAND to /bin/sh, with the changes in "
     "the file $STARTTLS_AUDIT_CHANGES",
     0},
    {"on-change-timeout", KEY_ON_CHANGE_TIMEOUT, "S", 0,
     "End the command after this time (default 300)", 0},
    {NULL, 0, NULL, 0, "Timeouts, in seconds:", 8},
    {"connect-timeout", KEY_CONNECT_TIMEOUT, "S", 0,
     "For the connection at the most; less, but never under 1.5, where it shows that hosts are "
     "near "
     "(default 5)",
     0},
    {"greeting-timeout", KEY_GREETING_TIMEOUT, "S", 0,
     "For the greeting; some servers wait on purpose (default 30)", 0},
    {"reply-timeout", KEY_REPLY_TIMEOUT, "S", 0, "For the reply to a command (default 15)", 0},
    {"tls-timeout", KEY_TLS_TIMEOUT, "S", 0,
     "For a handshake, or the answer to a hello (default 15)", 0},
    {"endpoint-timeout", KEY_ENDPOINT_TIMEOUT, "S", 0,
     "For all that one endpoint is asked (default 300)", 0},
    {NULL, 0, NULL, 0, NULL, 0},
};

const struct argp_option standard_rows[] = {
    {"policy", KEY_POLICY, "NAME|FILE", 0,
     "Hold endpoints to this policy (more than once: to each; default: rfc-baseline)", 0},
    {"waivers", KEY_WAIVERS, "FILE", 0,
     "Findings that somebody answers for until a day (YAML): they are recorded, and do not count",
     0},
    {"baseline", KEY_BASELINE, "RECORDS", 0,
     "Findings that were open in these records are known, and only new ones count for --fail-on. "
     "This is no waiver: it has no reason, no end, and nobody's approval",
     0},
    {"fail-on", KEY_FAIL_ON, "SEVERITY", 0,
     "Exit with 1 if there is an open finding of this severity (info, low, medium, high, critical) "
     "or a worse one (default: never)",
     0},
    {NULL, 0, NULL, 0, NULL, 0},
};

const struct argp_option sandbox_rows[] = {SANDBOX_ROW, {NULL, 0, NULL, 0, NULL, 0}};
