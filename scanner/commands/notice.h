/* SPDX-License-Identifier: MIT */
/*
 * notice.h: what a command says to people on standard error, a line each.
 *
 * Where standard error goes to the journal (systemd.exec(5), JOURNAL_STREAM), each line begins with
 * its priority (sd-daemon(3)), so that errors can be told from notes there.
 */
#ifndef SCANNER_COMMANDS_NOTICE_H
#define SCANNER_COMMANDS_NOTICE_H

#include <stdbool.h>

enum priority { PRIORITY_ERROR = 3, PRIORITY_NOTE = 5, PRIORITY_INFO = 6 };

/* Once, before anything is said: from here on all that is written to stderr by itself has the
   priority of an error in the journal. */
void notice_begin(void);

/* Was there an error that was told? A command that fails without is out of what most failures of
   that kind are about, memory and descriptors: main() says so. */
bool notice_told(void);

/* Does standard error go to the journal? */
bool notice_is_journal(void);

/* Lines that are whole and clean, as they are. */
void notice_lines(enum priority, const char *text);

/* The program's name, and the text; control characters in it are shown as question marks. */
void notice(enum priority, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
