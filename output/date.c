/* SPDX-License-Identifier: MIT */
#include "output/date.h"

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
