#include "json_check_impl.h"

#include <signet/buf.h>
#include <string.h>

#define DEPTH_MAX  128 /* of nested arrays and objects */
#define NUMBER_MAX 63  /* bytes of a number: what cJSON takes */

typedef struct checker {
    const char *text;
    size_t at, end;
    int depth;
    const char *wrong; /* what was wrong at `at` */
} checker;

static bool check_value(checker *c);

static bool wrong(checker *c, const char *what)
{
    c->wrong = what;
    return false;
}

static char peek(const checker *c)
{
    return c->at < c->end ? c->text[c->at] : '\0';
}

static void skip_blanks(checker *c)
{
    while (c->at < c->end && strchr(" \t\r\n", c->text[c->at]) && c->text[c->at]) c->at++;
}

static bool take(checker *c, char wanted)
{
    if (c->at >= c->end || c->text[c->at] != wanted) return false;
    c->at++;
    return true;
}

static size_t take_digits(checker *c)
{
    size_t first = c->at;
    while (peek(c) >= '0' && peek(c) <= '9') c->at++;
    return c->at - first;
}

static bool check_number(checker *c)
{
    size_t first = c->at;
    take(c, '-');
    if (!take(c, '0') && take_digits(c) == 0) return wrong(c, "no value");
    if (take(c, '.') && take_digits(c) == 0) return wrong(c, "a number without digits after its point");
    if (take(c, 'e') || take(c, 'E')) {
        if (!take(c, '+')) take(c, '-');
        if (take_digits(c) == 0) return wrong(c, "a number without digits in its exponent");
    }
    return c->at - first <= NUMBER_MAX ? true : wrong(c, "a number of too many digits");
}

/* The four digits of \uXXXX; *unit is their value. */
static bool take_unit(checker *c, unsigned *unit)
{
    *unit = 0;
    for (int i = 0; i < 4; i++, c->at++) {
        static const char digits[] = "0123456789abcdef";
        char lower = peek(c) >= 'A' && peek(c) <= 'F' ? (char)(peek(c) + 32) : peek(c);
        const char *digit = lower ? strchr(digits, lower) : NULL;
        if (!digit) return false;
        *unit = *unit << 4 | (unsigned)(digit - digits);
    }
    return true;
}

/* What follows a backslash. */
static bool check_escape(checker *c)
{
    unsigned unit;
    if (peek(c) && strchr("\"\\/bfnrt", peek(c))) {
        c->at++;
        return true;
    }
    if (!take(c, 'u') || !take_unit(c, &unit)) return wrong(c, "an unknown escape");
    if (unit == 0) return wrong(c, "a zero character");
    if (unit >= 0xd800 && unit < 0xdc00) {
        if (!take(c, '\\') || !take(c, 'u') || !take_unit(c, &unit)) return wrong(c, "half a surrogate pair");
        return unit >= 0xdc00 && unit < 0xe000 ? true : wrong(c, "half a surrogate pair");
    }
    return unit >= 0xdc00 && unit < 0xe000 ? wrong(c, "half a surrogate pair") : true;
}

static bool check_string(checker *c)
{
    if (!take(c, '"')) return wrong(c, "no string");
    size_t first = c->at;
    while (c->at < c->end) {
        unsigned char byte = (unsigned char)c->text[c->at];
        if (byte < 0x20) return wrong(c, "a control character in a string");
        c->at++;
        if (byte == '\\' && !check_escape(c)) return false;
        if (byte != '"') continue;
        return sg_utf8_valid(c->text + first, c->at - first) ? true : wrong(c, "a string that is not UTF-8");
    }
    return wrong(c, "a string without end");
}

/* Members of an object, or of an array: [value, ...]. The opening bracket is taken. */
static bool check_members(checker *c, bool object)
{
    char closing = object ? '}' : ']';
    if (++c->depth > DEPTH_MAX) return wrong(c, "nested too deep");
    skip_blanks(c);
    bool more = !take(c, closing);
    while (more) {
        skip_blanks(c);
        if (object) {
            if (!check_string(c)) return false;
            skip_blanks(c);
            if (!take(c, ':')) return wrong(c, "no ':'");
        }
        if (!check_value(c)) return false;
        skip_blanks(c);
        more = take(c, ',');
        if (!more && !take(c, closing)) return wrong(c, "no ',' and no closing bracket");
    }
    c->depth--;
    return true;
}

static bool check_word(checker *c, const char *word)
{
    size_t length = strlen(word);
    if (c->end - c->at < length || memcmp(c->text + c->at, word, length) != 0) return wrong(c, "no value");
    c->at += length;
    return true;
}

static bool check_value(checker *c)
{
    skip_blanks(c);
    switch (peek(c)) {
    case '{':
        c->at++;
        return check_members(c, true);
    case '[':
        c->at++;
        return check_members(c, false);
    case '"':
        return check_string(c);
    case 't':
        return check_word(c, "true");
    case 'f':
        return check_word(c, "false");
    case 'n':
        return check_word(c, "null");
    default:
        return check_number(c);
    }
}

bool sg_json_check(const char *text, size_t nbytes, sg_error *err)
{
    checker c = {.text = text, .end = nbytes};
    bool ok = check_value(&c);
    if (ok) skip_blanks(&c);
    if (ok && c.at < c.end) ok = wrong(&c, "more after the value");
    return ok ? true : sg_fail(err, SG_ERR_FORMAT, "broken JSON at byte %zu: %s", c.at, c.wrong);
}
