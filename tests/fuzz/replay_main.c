/* SPDX-License-Identifier: MIT */
/*
 * Runs a fuzz target over files, without a fuzzer: each file that is named, and each file of a
 * directory that is named. The target gets a copy in memory of exactly the size, so that a
 * sanitizer sees the first octet that is read behind it.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static bool replay_file(const char *path, size_t size)
{
    uint8_t *exact = malloc(size ? size : 1);
    FILE *in = fopen(path, "rb");
    bool ok = exact && in && fread(exact, 1, size, in) == size;
    if (ok)
        LLVMFuzzerTestOneInput(exact, size);
    else
        perror(path);
    if (in)
        fclose(in);
    free(exact);
    return ok;
}

/* Gives the number of files that were run, and -1 if one could not be read. */
static int replay(const char *path)
{
    struct stat about;
    struct dirent **entries;
    int sum = 0, count;

    if (stat(path, &about) < 0) {
        perror(path);
        return -1;
    }
    if (!S_ISDIR(about.st_mode))
        return replay_file(path, (size_t)about.st_size) ? 1 : -1;
    count = scandir(path, &entries, is_visible, alphasort);
    for (int i = 0; i < count; i++) {
        char *file;
        if (asprintf(&file, "%s/%s", path, entries[i]->d_name) < 0)
            abort();
        int n = replay(file);
        sum = n < 0 || sum < 0 ? -1 : sum + n;
        free(file);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    return sum;
}

int main(int argc, char **argv)
{
    int sum = 0;
    for (int i = 1; i < argc; i++) {
        int n = replay(argv[i]);
        if (n < 0)
            return 1;
        sum += n;
    }
    printf("%d inputs\n", sum);
    return sum == 0; /* an empty corpus tests nothing */
}
