/* SPDX-License-Identifier: MIT */
/* tls.c: the rules about versions, suites and extensions of TLS. */
#include "output/rules/rule.h"

const struct rule rules_tls[] = {
    {0},
};
