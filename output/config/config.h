/* SPDX-License-Identifier: MIT */
/*
 * config.h: the configuration of scans, as people write it: YAML, members in sections.
 *
 *   manners:
 *     per_host: 2          <──>   --per-host 2
 *
 * A member is an option of the command scan by another name. Which members there are, of which
 * option each speaks and in which form it is written is one table (members.c): a new option is one
 * row there. What is read are words as they would stand on a command line, each with its line in
 * the file; whether they make sense is for the option to say. What is printed is such a file again.
 *
 * libyaml is read as it comes, and no struct filled: its events know their lines, so that each
 * trouble is told where it stands, all of them at once. Files are bounded (yamlfile.h), and have no
 * aliases, no tags, and one document. A relative name of a file is meant from the directory in
 * which the configuration is.
 */
#ifndef OUTPUT_CONFIG_CONFIG_H
#define OUTPUT_CONFIG_CONFIG_H

#include "output/yamlfile.h"

enum config_form {
    CONFIG_TEXT,
    CONFIG_NUMBER,
    CONFIG_SWITCH, /* true or false; its option has no argument       */
    CONFIG_LIST,   /* of texts; each is the option once more          */
    CONFIG_WORDS,  /* of texts; the option has them with commas       */
    CONFIG_EXPORTS /* of {format, file}; the option has FORMAT=FILE   */
};

enum config_naming {
    NAMES_NOTHING,
    NAMES_FILE,
    NAMES_FILE_OR_WORD /* a file if it has a "/", or ends in .yaml */
};

/* Targets have no option: they are arguments. */
#define CONFIG_TARGET ""

struct config_member {
    const char *section; /* NULL: it stands outside of sections */
    const char *name;
    const char *option; /* its long name */
    enum config_form form;
    enum config_naming naming;
};

extern const struct config_member config_members[]; /* in the order in which they are printed */
extern const size_t config_member_count;

/* SECTION.NAME, or NAME. */
#define CONFIG_PATH_MAX 48
const char *config_path(const struct config_member *, char out[CONFIG_PATH_MAX]);

/* One word of what is read. */
struct config_setting {
    const struct config_member *member;
    char *text; /* NULL: the option has no argument; a switch that is false is no setting */
    uint64_t line;
};

struct config {
    struct config_setting *settings; /* in the order of the file: those that are sound */
    size_t count, capacity;
    bool sound; /* all of them are */
};

/* Each trouble is told to errors, as FILE:LINE: member: message. NULL: there is no memory. */
struct config *config_read(const struct yamlfile *, FILE *errors);
void config_free(struct config *);

/* Is this member, or its section, meant by the word? */
bool config_is_named(const struct config_member *, const char *word);

/* --- printing --------------------------------------------------------------------------------- */

/* One word of what is printed. */
struct config_word {
    const char *option, *text; /* as in a setting */
};

/* Prints the words whose options are members: of a list all, of others the last. Relative names of
   files are printed from the directory "from". NULL, or the text that cannot stand in such a file.
   What cannot be written is ferror()'s to tell. */
const char *config_print(FILE *, const struct config_word *, size_t count, const char *from);

/* Can this text stand in a file? */
bool config_is_text(struct span);

#endif
