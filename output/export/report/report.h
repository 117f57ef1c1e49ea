/* SPDX-License-Identifier: MIT */
/* report.h: the files of this folder, as embed.cmake makes octets of them. */
#ifndef OUTPUT_EXPORT_REPORT_REPORT_H
#define OUTPUT_EXPORT_REPORT_REPORT_H

#include "protocols/span.h"

extern const struct span report_page, report_style, report_script;

#endif
