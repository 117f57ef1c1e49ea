/* SPDX-License-Identifier: MIT */
/* certificate.c: the rules about certificates and chains. */
#include "output/rules/rule.h"

const struct rule rules_certificate[] = {
    {0},
};
