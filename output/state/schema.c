/* SPDX-License-Identifier: MIT */
#include "output/state/schema.h"

#include "output/state/schema/sql.h"

const char *schema_step(int version)
{
    static const char *const steps[SCHEMA_VERSION + 1] = {NULL, sql_version_1, sql_version_2};
    return version >= 1 && version <= SCHEMA_VERSION ? steps[version] : NULL;
}

const char *const schema_views[] = {sql_views, NULL};
const char *const schema_staging = sql_staging;
const char *const schema_staging_clear = sql_staging_clear;
