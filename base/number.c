/* Numbers as text and back, whatever the locale. */
#include <signet/kv.h>

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Makes '.' the decimal point for the calling thread; give the answer to locale_leave. */
static locale_t locale_enter(locale_t *plain)
{
    *plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    return *plain ? uselocale(*plain) : (locale_t)0;
}

static void locale_leave(locale_t plain, locale_t before)
{
    if (!plain) return;
    uselocale(before);
    freelocale(plain);
}

/* As few digits (1 to most) as read back as `value`: as a float when `narrow`, else as a double. */
static void shortest_text(char out[32], double value, int most, bool narrow)
{
    if (isnan(value)) {
        strcpy(out, "nan");
        return;
    }
    locale_t plain, before = locale_enter(&plain);
    for (int digits = 1; digits <= most; digits++) {
        snprintf(out, 32, "%.*g", digits, value);
        if ((narrow ? (double)strtof(out, NULL) : strtod(out, NULL)) == value) break;
    }
    locale_leave(plain, before);
}

void sg_float_text(char out[32], float value)
{
    shortest_text(out, value, 9, true);
}

void sg_double_text(char out[32], double value)
{
    /* Whole numbers as people write them: 5000, not 5e+03. */
    if (fabs(value) < 1e15 && value == trunc(value) && !(value == 0 && signbit(value)))
        snprintf(out, 32, "%.0f", value);
    else
        shortest_text(out, value, 17, false);
}

bool sg_parse_int(int64_t *value, const char *text)
{
    char *end;
    if (*text == '\0' || strspn(text, "+-0123456789") != strlen(text)) return false;
    errno = 0;
    long long parsed = strtoll(text, &end, 10);
    if (errno || *end) return false;
    *value = parsed;
    return true;
}

bool sg_parse_float(double *value, const char *text)
{
    char *end;
    /* No blanks, no hexadecimal, no "inf" and "nan". */
    if (*text == '\0' || strspn(text, "+-.0123456789eE") != strlen(text)) return false;
    locale_t plain, before = locale_enter(&plain);
    double parsed = strtod(text, &end);
    locale_leave(plain, before);
    if (end == text || *end || !isfinite(parsed)) return false;
    *value = parsed;
    return true;
}

bool sg_parse_fraction(double *value, const char *text)
{
    const char *slash = strchr(text, '/');
    char above[64];
    double a, b;
    if (!slash) return sg_parse_float(value, text);
    size_t length = (size_t)(slash - text);
    if (length >= sizeof above) return false;
    memcpy(above, text, length);
    above[length] = '\0';
    if (!sg_parse_float(&a, above) || !sg_parse_float(&b, slash + 1) || b == 0 || !isfinite(a / b))
        return false;
    *value = a / b;
    return true;
}
