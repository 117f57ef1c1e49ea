/* SPDX-License-Identifier: MIT */
#include "output/date.h"

#include <string.h>

#define FIRST_DAY (-719528) /* 0000-01-01 */
#define LAST_DAY 2932896    /* 9999-12-31 */

#define CYCLE 146097 /* days in 400 years, after which the calendar repeats itself */
#define CENTURY 36524
#define OLYMPIAD 1461

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

char *digits_format(unsigned number, unsigned count, char *out)
{
    for (unsigned i = count; i-- > 0; number /= 10)
        out[i] = (char)('0' + number % 10);
    return out + count;
}

/* Years are counted from 1 March on here, so that a leap day is the last of its year, its four
   years, and its cycle: the part with one day more is then the last of its kind. */
bool date_format(int64_t days, char out[DATE_SIZE])
{
    static const unsigned before[] = {0,   31,  61,  92,  122, 153, 184,
                                      214, 245, 275, 306, 337, 367}; /* March, April … */
    unsigned n, cycle, century, olympiad, year, month = 0;

    if (days < FIRST_DAY || days > LAST_DAY)
        return false;
    n = (unsigned)(days - FIRST_DAY + CYCLE - 60); /* since 1 March of 400 years before 0000 */
    cycle = n / CYCLE;
    n %= CYCLE;
    century = least(n / CENTURY, 3);
    n -= century * CENTURY;
    olympiad = n / OLYMPIAD;
    n %= OLYMPIAD;
    year = least(n / 365, 3);
    n -= year * 365;
    while (n >= before[month + 1])
        month++;
    year += 400 * cycle + 100 * century + 4 * olympiad + (month >= 10) - 400;
    out = digits_format(year, 4, out);
    *out++ = '-';
    out = digits_format(month >= 10 ? month - 9 : month + 3, 2, out);
    *out++ = '-';
    *digits_format(n - before[month] + 1, 2, out) = '\0';
    return true;
}

static unsigned number_at(const char *text, size_t count)
{
    unsigned number = 0;
    for (size_t i = 0; i < count; i++)
        number = 10 * number + (unsigned)(text[i] - '0');
    return number;
}

/* Years begin on 1 March here too; a day that there is not comes out as another one. */
bool date_parse(const char *text, int64_t *days)
{
    static const unsigned before[] = {306, 337, 0,   31,  61,  92,
                                      122, 153, 184, 214, 245, 275}; /* January, February … */
    static const char pattern[] = "0000-00-00";
    char again[DATE_SIZE];

    if (strlen(text) != sizeof pattern - 1)
        return false;
    for (size_t i = 0; pattern[i]; i++)
        if (pattern[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != pattern[i])
            return false;
    unsigned month = number_at(text + 5, 2), day = number_at(text + 8, 2);
    if (month < 1 || month > 12 || day < 1)
        return false;
    int64_t year = (int64_t)number_at(text, 4) + 400 - (month < 3);
    *days = 365 * year + year / 4 - year / 100 + year / 400 + before[month - 1] + day - 1 +
            FIRST_DAY - CYCLE + 60;
    return date_format(*days, again) && strcmp(again, text) == 0;
}
