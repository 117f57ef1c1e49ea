/* SPDX-License-Identifier: MIT */
/* ftp.c: the rules about FTP. */
#include "output/rules/rule.h"

const struct rule rules_ftp[] = {
    {0},
};
