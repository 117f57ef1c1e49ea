/* SPDX-License-Identifier: MIT */
/* imap.c: the rules about IMAP. */
#include "output/rules/rule.h"

const struct rule rules_imap[] = {
    {0},
};
