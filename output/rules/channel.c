/* SPDX-License-Identifier: MIT */
/* channel.c: the rules about what all protocols share: clear text, the upgrade to TLS, and logins before it. */
#include "output/rules/rule.h"

const struct rule rules_channel[] = {
    {0},
};
