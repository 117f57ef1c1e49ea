/* SPDX-License-Identifier: MIT */
/*
 * Any octets as a file of waivers. What is taken has ids that are told apart, and a waiver that is
 * found for an endpoint is one of those that could be. What begins with "{" is a baseline instead.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "output/opinion.h"
#include "output/yamlfile.h"
#include "scanner/targets.h"

#define NOW INT64_C(1795455842279) /* 2026-11-23 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
    if (!ok)
        abort();
}

static void check_texts(const struct waivers *w)
{
    for (size_t i = 0; i < waivers_count(w); i++) {
        const struct waiver *waiver = waivers_at(w, i);
        require(waiver->number == i && text_is_clean(span_of(waiver->id)));
        require(text_is_clean(span_of(waiver->reason)) && strlen(waiver->expires) == 10);
        require(!i || strcmp(waivers_at(w, i - 1)->id, waiver->id) < 0);
    }
}

static void find(const struct waivers *w, const char *key, const char *address)
{
    static const struct target_label labels[] = {{"owner", "x"}, {"site", "ams"}};
    static const struct target_host target = {.labels = labels, .label_count = 2};
    static const char fingerprint[] = "f1-0123456789abcdef0123456789abcdef";
    struct host_view host = {.target = &target};
    struct waiver_subject subject = {
        .key = key, .host = &host, .protocol = protocol_find(span_of("imap")), .time = NOW};

    if (address)
        require(address_parse(span_of(address), &host.address));
    for (size_t rule = 0; rule < rules_count(); rule++) {
        const struct waiver *found = waivers_find(w, &subject, rule, fingerprint);
        require(!found || waivers_at(w, found->number) == found);
    }
}

static void use_waivers(const struct waivers *w)
{
    struct exceptions exceptions = {.waivers = w};
    struct tally tally;
    check_texts(w);
    find(w, "imap://a.test:143", "192.0.2.25");
    find(w, "imap://[2001:db8::25]:143", "2001:db8::25");
    find(w, "imap://none.test:143", NULL);
    require(tally_begin(&tally, &exceptions) && tally.usage->count == waivers_count(w));
    tally_end(&tally);
}

static void load_baseline(const uint8_t *data, size_t size, FILE *errors)
{
    char path[64];
    int fd = memfd_create("baseline", MFD_CLOEXEC);
    require(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct baseline *b = baseline_load(path, errors, errors);
    if (b) {
        require(strlen(baseline_sha256(b)) == 64);
        baseline_knows(b, "f1-0123456789abcdef0123456789abcdef", SEVERITY_INFO);
    }
    baseline_free(b);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static FILE *errors;
    const struct yamlfile file = {"input", {(const char *)data, size}, NULL};

    if (!errors)
        errors = fopen("/dev/null", "w");
    require(errors != NULL);
    if (size && *data == '{') {
        load_baseline(data, size, errors);
        return 0;
    }
    struct waivers *w = waivers_read(&file, NOW, errors);
    if (w)
        use_waivers(w);
    waivers_free(w);
    return 0;
}
