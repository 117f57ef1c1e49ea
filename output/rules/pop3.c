/* SPDX-License-Identifier: MIT */
/* pop3.c: the rules about POP3. */
#include "output/rules/rule.h"

const struct rule rules_pop3[] = {
    {0},
};
