#include "scratch.h"

#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <signet/kv.h>

/* Digits that count: no sign, no point, no exponent, no zeros in front or behind. */
static void significant(char out[32], const char *text)
{
    size_t n = 0;
    for (; *text && *text != 'e'; text++)
        if (*text >= '0' && *text <= '9' && (n > 0 || *text != '0')) out[n++] = *text;
    while (n > 0 && out[n - 1] == '0') n--;
    out[n] = '\0';
}

/* fixtures/base/floats.txt: the shortest texts as numpy finds them. */
static void test_shortest_texts_against_numpy(void **state)
{
    (void)state;
    FILE *file = fopen("fixtures/base/floats.txt", "r");
    assert_non_null(file);
    uint32_t bits;
    char numpy[64], text[32], ours[32], theirs[32];
    int lines = 0;
    for (; fscanf(file, "%" SCNx32 " %63s", &bits, numpy) == 2; lines++) {
        float value;
        double back;
        memcpy(&value, &bits, sizeof value);
        for (int sign = 0; sign < 2; sign++, value = -value) {
            sg_float_text(text, value);
            significant(ours, text);
            significant(theirs, numpy);
            assert_string_equal(ours, theirs);
            assert_true(sg_parse_float(&back, text));
            assert_memory_equal(&(float){(float)back}, &value, sizeof value);
        }
    }
    assert_true(lines > 400);
    fclose(file);
    static const struct {
        float value;
        const char *text;
    } cases[] = {{0, "0"},         {-0.0f, "-0"}, {1, "1"},      {0.1f, "0.1"},     {-0.5f, "-0.5"},
                 {1e10f, "1e+10"}, {NAN, "nan"},  {-NAN, "nan"}, {INFINITY, "inf"}, {-INFINITY, "-inf"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sg_float_text(text, cases[i].value);
        assert_string_equal(text, cases[i].text);
    }
}

static void test_doubles_come_back(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0.1, "0.1"},
                 {1.0 / 3, "0.3333333333333333"},
                 {5e-324, "5e-324"},
                 {0x1.fffffffffffffp1023, "1.7976931348623157e+308"},
                 {-0.0, "-0"},
                 {9007199254740993.0, "9007199254740992"},
                 {0.1f, "0.10000000149011612"},
                 {5000, "5000"},
                 {-20, "-20"},
                 {0, "0"},
                 {999999999999999, "999999999999999"},
                 {1e15, "1e+15"},
                 {INFINITY, "inf"},
                 {NAN, "nan"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[32];
        sg_double_text(text, cases[i].value);
        assert_string_equal(text, cases[i].text);
    }
}

static void test_whole_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {{"0", 0},
                {"-0", 0},
                {"+7", 7},
                {"007", 7},
                {"9223372036854775807", INT64_MAX},
                {"-9223372036854775808", INT64_MIN}};
    static const char *const bad[] = {"",
                                      " 1",
                                      "1 ",
                                      "1.0",
                                      "1e3",
                                      "0x10",
                                      "--1",
                                      "+-1",
                                      "+",
                                      "-",
                                      "1-",
                                      "9223372036854775808",
                                      "-9223372036854775809",
                                      "ten",
                                      "1\n",
                                      "1,000",
                                      "1_000"};
    int64_t value;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(sg_parse_int(&value, good[i].text));
        assert_true(value == good[i].value);
    }
    value = 5;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (sg_parse_int(&value, bad[i])) fail_msg("'%s'", bad[i]);
    assert_int_equal(value, 5);
}

static void test_numbers_and_fractions(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double value;
    } good[] = {{"0", 0},      {".5", 0.5},  {"5.", 5},    {"-1e-3", -1e-3},
                {"+2E2", 200}, {"0.1", 0.1}, {"1e-400", 0}};
    static const struct {
        const char *text;
        double value;
    } fractions[] = {{"8/255", 8.0 / 255.0}, {"-1/4", -0.25}, {"1/-4", -0.25}, {"0/5", 0},
                     {"1.5/0.5", 3},         {"0.25", 0.25}};
    static const char *const bad[] = {"",      " ",   " 1", "1 ", "nan",  "inf",  "-inf",         "0x1p3",
                                      "1e400", "1,5", "e5", ".",  "-",    "1e",   "1..2",         "--1",
                                      "1/2/3", "1/0", "/2", "1/", "1 /2", "1/ 2", "1e300/1e-300", "8:255",
                                      "50%"};
    double value;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(sg_parse_float(&value, good[i].text) && value == good[i].value);
        assert_true(sg_parse_fraction(&value, good[i].text) && value == good[i].value);
    }
    for (size_t i = 0; i < sizeof fractions / sizeof *fractions; i++)
        assert_true(sg_parse_fraction(&value, fractions[i].text) && value == fractions[i].value);
    assert_true(sg_parse_fraction(&value, "8/255") && (float)value == 8.0f / 255.0f);
    assert_false(sg_parse_float(&value, "8/255"));
    value = 5;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (sg_parse_float(&value, bad[i])) fail_msg("'%s'", bad[i]);
        if (sg_parse_fraction(&value, bad[i])) fail_msg("'%s'", bad[i]);
    }
    char longest[200];
    memset(longest, '1', sizeof longest);
    strcpy(longest + 100, "/2");
    assert_false(sg_parse_fraction(&value, longest));
    assert_true(value == 5);
}

/* Where the decimal point is a comma. */
static void test_another_locale(void **state)
{
    (void)state;
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8",
                                        "fr_FR.utf8",  "de_DE",      "nl_NL.UTF-8"};
    bool set = false;
    for (size_t i = 0; !set && i < sizeof names / sizeof *names; i++)
        set = setlocale(LC_ALL, names[i]) != NULL;
    if (!set) {
        print_message("no locale with a comma is installed\n");
        skip();
    }
    char text[32];
    double value;
    snprintf(text, sizeof text, "%.1f", 0.5);
    assert_string_equal(text, "0,5");
    sg_float_text(text, 0.1f);
    assert_string_equal(text, "0.1");
    assert_true(sg_parse_float(&value, "2.5") && value == 2.5);
    assert_false(sg_parse_float(&value, "2,5"));
    snprintf(text, sizeof text, "%.1f", 0.5); /* the caller's locale is as before */
    assert_string_equal(text, "0,5");
    setlocale(LC_ALL, "C");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shortest_texts_against_numpy),
        cmocka_unit_test(test_doubles_come_back),
        cmocka_unit_test(test_whole_numbers),
        cmocka_unit_test(test_numbers_and_fractions),
        cmocka_unit_test(test_another_locale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
