/* SPDX-License-Identifier: MIT */
/* smtp.c: the rules about SMTP: submission and relay. */
#include "output/rules/rule.h"

const struct rule rules_smtp[] = {
    {0},
};
