/* SPDX-License-Identifier: MIT */
/*
 * command.h: the commands. They and main.c are the only files that see both the engine and the
 * output; nothing else includes them.
 */
#ifndef SCANNER_COMMANDS_COMMAND_H
#define SCANNER_COMMANDS_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#define PROGRAM "starttls-audit"

enum exit_code { EXIT_DONE = 0, EXIT_FINDINGS = 1, EXIT_TROUBLE = 2, EXIT_INCOMPLETE = 3 };

/* Where both would do: trouble beats incomplete, and that beats findings. */
int worse_code(int, int);

/* argv[0] is the program's and the command's name, as one. Each gives the exit code. */
int command_scan(int argc, char **argv);
int command_audit(int argc, char **argv);
int command_merge(int argc, char **argv);
int command_diff(int argc, char **argv);
int command_state(int argc, char **argv);
int command_export(int argc, char **argv);
int command_check(int argc, char **argv); /* those of plugins: 0 to 3 */
int command_rules(int argc, char **argv);
int command_services(int argc, char **argv);

/* What is left of standard output is written: exit code 0, or 2 and a message. */
int finish_stdout(void);

/* Where a command's output goes. */
struct outlets {
    bool records; /* to -o FILE, or to standard output */
    bool table;   /* to standard output                */
};

/* output: of -o, or NULL; json, table: what was asked for. */
struct outlets outlets_of(const char *output, bool json, bool table);

/* May standard output be coloured? */
bool use_color(void);

/* Unix time, ms. */
int64_t now_ms(void);

#endif
