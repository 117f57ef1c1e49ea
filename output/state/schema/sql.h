/* SPDX-License-Identifier: MIT */
/*
 * sql.h: the files of SQL here, as texts that are part of the program (embed.cmake).
 */
#ifndef OUTPUT_STATE_SCHEMA_SQL_H
#define OUTPUT_STATE_SCHEMA_SQL_H

extern const char sql_version_1[], sql_version_2[]; /* from the version before to this one */
extern const char sql_views[];                      /* drops what views there are first    */
extern const char sql_staging[], sql_staging_clear[];

#endif
