/* SPDX-License-Identifier: MIT */
#include "protocols/services.h"

#include "protocols/dialogue.h"

/* clang-format off */
const struct service services_table[] = {
    {&protocol_ftp,   21, MODE_INSECURE},
    {&protocol_ftp,  990, MODE_IMPLICIT},
    {&protocol_ftp,  991, MODE_EXPLICIT},
    {&protocol_imap, 143, MODE_INSECURE},
    {&protocol_imap, 993, MODE_IMPLICIT},
    {&protocol_pop3, 110, MODE_INSECURE},
    {&protocol_pop3, 995, MODE_IMPLICIT},
    {&protocol_smtp,  25, MODE_INSECURE},
    {&protocol_smtp, 465, MODE_IMPLICIT},
    {&protocol_smtp, 587, MODE_EXPLICIT},
};
/* clang-format on */

const size_t services_table_count = sizeof services_table / sizeof services_table[0];

static const char *const mode_names[] = {
    [MODE_INSECURE] = "insecure",
    [MODE_IMPLICIT] = "implicit",
    [MODE_EXPLICIT] = "explicit",
};

const char *mode_name(enum mode mode)
{
    return mode_names[mode];
}

bool mode_parse(struct span text, enum mode *mode)
{
    for (size_t i = 0; i < sizeof mode_names / sizeof mode_names[0]; i++)
        if (span_is(text, mode_names[i])) {
            *mode = (enum mode)i;
            return true;
        }
    return false;
}

const struct protocol *protocol_find(struct span name)
{
    for (size_t i = 0; i < services_table_count; i++)
        if (span_is(name, services_table[i].protocol->name))
            return services_table[i].protocol;
    return NULL;
}

bool port_parse(struct span text, uint16_t *port)
{
    unsigned value = 0;
    if (!text.len || text.len > 5 || text.at[0] == '0')
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (!ascii_digit(text.at[i]))
            return false;
        value = value * 10 + (unsigned)(text.at[i] - '0');
    }
    if (value > UINT16_MAX)
        return false;
    *port = (uint16_t)value;
    return true;
}
