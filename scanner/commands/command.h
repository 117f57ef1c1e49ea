/* SPDX-License-Identifier: MIT */
/*
 * command.h: the commands. They and main.c are the only files that see both the engine and the
 * output; nothing else includes them.
 */
#ifndef SCANNER_COMMANDS_COMMAND_H
#define SCANNER_COMMANDS_COMMAND_H

#include <stdint.h>

#define PROGRAM "starttls-audit"

/* The worse beats the better: trouble, incomplete, done. */
enum exit_code { EXIT_DONE = 0, EXIT_TROUBLE = 2, EXIT_INCOMPLETE = 3 };

/* argv[0] is the command's name. Each gives the exit code. */
int command_scan(int argc, char **argv);
int command_services(int argc, char **argv);

/* What is left of standard output is written: exit code 0, or 2 and a message. */
int finish_stdout(void);

/* Unix time, ms. */
int64_t now_ms(void);

#endif
