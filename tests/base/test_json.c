#include "scratch.h"

#include <math.h>
#include <signet/json.h>

/* Every kind of value, odd strings, and numbers at the limits. */
static sg_json *build(void)
{
    sg_json *root = sg_json_object();
    sg_json_add_string(root, "text", "a\"b\\c\n\x01 \xc3\xa9 \xff");
    sg_json_add_string(root, "nothing", NULL);
    sg_json_add_number(root, "tenth", 0.1);
    sg_json_add_number(root, "nan", NAN);
    sg_json_add_number(root, "infinite", -INFINITY);
    sg_json_add_int(root, "least", INT64_MIN);
    sg_json_add_int(root, "most", INT64_MAX);
    sg_json_add_bool(root, "yes", true);
    sg_json_add_path(root, "path", "plain/\xc3\xa9");
    sg_json_add_path(root, "odd", "a/\xff\n");
    sg_json *list = sg_json_add_array(root, "list");
    for (int i = 0; i < 3; i++) sg_json_add_int(list, NULL, i);
    sg_json_add_bool(list, NULL, false);
    sg_json *inner = sg_json_object();
    sg_json_add_object(inner, "empty");
    sg_json_add(list, NULL, inner);
    return root;
}

static const char built[] =
    "{\"text\":\"a\\\"b\\\\c\\n\\u0001 \xc3\xa9 \xef\xbf\xbd\",\"nothing\":null,\"tenth\":0.1,\"nan\":null,"
    "\"infinite\":null,\"least\":-9223372036854775808,\"most\":9223372036854775807,\"yes\":true,"
    "\"path\":\"plain/\xc3\xa9\",\"odd\":\"a/\xef\xbf\xbd\\n\",\"odd_hex\":\"612fff0a\","
    "\"list\":[0,1,2,false,{\"empty\":{}}]}";

static bool build_and_print(char **text, sg_error *err)
{
    sg_json *root = build();
    bool ok = sg_json_print(text, root, false, err);
    sg_json_free(root);
    return ok;
}

static void test_builds_and_prints(void **state)
{
    (void)state;
    char *text;
    sg_error err = {0};
    assert_true(build_and_print(&text, &err));
    assert_string_equal(text, built);
    sg_free(text);
    sg_json *array = sg_json_array();
    sg_json_add_number(array, NULL, 1.5);
    assert_true(sg_json_print(&text, array, true, &err));
    assert_string_equal(text, "[1.5]");
    sg_free(text);
    sg_json_free(array);
    sg_json_free(NULL);
}

static void test_doubles_come_back(void **state)
{
    (void)state;
    static const double values[] = {0,
                                    1,
                                    -1,
                                    1.0 / 3,
                                    0.1,
                                    1e-300,
                                    1.7976931348623157e308,
                                    5e-324,
                                    123456789.125,
                                    2147483648.0,
                                    9007199254740993.0};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char *text;
        double back;
        sg_json *array = sg_json_array(), *parsed;
        sg_json_add_number(array, NULL, values[i]);
        assert_true(sg_json_print(&text, array, false, NULL));
        assert_true(sg_json_parse(&parsed, text, strlen(text), NULL));
        assert_true(sg_json_number(&back, sg_json_at(parsed, 0)));
        assert_true(back == values[i]);
        sg_json_free(parsed);
        sg_json_free(array);
        sg_free(text);
    }
}

static void test_reads(void **state)
{
    (void)state;
    static const char text[] =
        " {\"a\": [1, -2.5e1, true, null, \"\\u00e9\\ud83d\\ude00\"], \"A\": 7, \"\": {}, \"a\": 0}\r\n";
    sg_json *root;
    sg_error err = {0};
    int64_t whole = -1;
    double number = -1;
    bool flag = false;
    if (!sg_json_parse(&root, text, sizeof text - 1, &err)) fail_msg("%s", err.message);
    assert_int_equal(sg_json_size(root), 4);
    assert_string_equal(sg_json_key(root, 0), "a");
    assert_string_equal(sg_json_key(root, 2), "");
    assert_null(sg_json_key(root, 4));
    const sg_json *list = sg_json_get(root, "a"); /* the first of that name */
    assert_int_equal(sg_json_size(list), 5);
    assert_null(sg_json_key(list, 0));
    assert_true(sg_json_int(&whole, sg_json_at(list, 0)) && whole == 1);
    assert_true(sg_json_number(&number, sg_json_at(list, 1)) && number == -25);
    assert_true(sg_json_bool(&flag, sg_json_at(list, 2)) && flag);
    assert_string_equal(sg_json_string(sg_json_at(list, 4)), "\xc3\xa9\xf0\x9f\x98\x80");
    assert_null(sg_json_at(list, 5));
    assert_true(sg_json_int(&whole, sg_json_get(root, "A")) && whole == 7);
    /* Absent, or of another kind: nothing, and the out parameter stays. */
    whole = -1, number = -1;
    const sg_json *others[] = {
        sg_json_get(root, "b"), sg_json_at(list, 3), list, root, sg_json_at(list, 4), NULL};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_false(sg_json_int(&whole, others[i]) || sg_json_number(&number, others[i]) ||
                     sg_json_bool(&flag, others[i]));
        assert_int_equal(sg_json_string(others[i]) != NULL, i == 4);
        assert_null(sg_json_get(others[i], "c"));
    }
    assert_true(whole == -1 && number == -1 && flag);
    assert_null(sg_json_get(list, "a"));
    assert_int_equal(sg_json_size(NULL), 0);
    sg_json_free(root);
}

static void test_whole_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool whole;
        int64_t value;
    } cases[] = {{"9007199254740992", true, (int64_t)1 << 53},
                 {"-9007199254740992", true, -((int64_t)1 << 53)},
                 {"9007199254740994", false, 0},
                 {"18446744073709551616", false, 0},
                 {"1e3", true, 1000},
                 {"0.5", false, 0},
                 {"-0", true, 0},
                 {"1e400", false, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sg_json *json;
        int64_t value = 0;
        double number;
        assert_true(sg_json_parse(&json, cases[i].text, strlen(cases[i].text), NULL));
        assert_int_equal(sg_json_int(&value, json), cases[i].whole);
        assert_true(value == cases[i].value);
        assert_int_equal(sg_json_number(&number, json), strcmp(cases[i].text, "1e400") != 0);
        sg_json_free(json);
    }
}

/* What RFC 8259 forbids, and where it is found. */
static void test_broken_texts(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t nbytes, at;
    } cases[] = {
#define CASE(text, at) {text, sizeof text - 1, at}
        CASE("", 0),
        CASE("  ", 2),
        CASE("{", 1),
        CASE("[1,]", 3),
        CASE("[1 2]", 3),
        CASE("[1}", 2),
        CASE("{\"a\" 1}", 5),
        CASE("{a:1}", 1),
        CASE("{\"a\":1,}", 7),
        CASE("1 2", 2),
        CASE("{}x", 2),
        CASE("[] \0", 3),
        CASE("01", 1),
        CASE("+1", 0),
        CASE("-", 1),
        CASE(".5", 0),
        CASE("1.", 2),
        CASE("1.e5", 2),
        CASE("1e", 2),
        CASE("1e+", 3),
        CASE("0x10", 1),
        CASE("NaN", 0),
        CASE("Infinity", 0),
        CASE("tru", 0),
        CASE("nul1", 0),
        CASE("True", 0),
        CASE("'a'", 0),
        CASE("\"a", 2),
        CASE("\"a\nb\"", 2),
        CASE("\"a\0b\"", 2),
        CASE("\"\\x\"", 2),
        CASE("\"\\", 2),
        CASE("\"\\u12g4\"", 5),
        CASE("\"\\u0000\"", 7),
        CASE("\"\\ud800\"", 7),
        CASE("\"\\ud800\\n\"", 8),
        CASE("\"\\ud800\\u0041\"", 13),
        CASE("\"\\udc00\"", 7),
        CASE("\"\xff\"", 3),
        CASE("\"\xed\xa0\x80\"", 5),
        CASE("\xef\xbb\xbf{}", 0),
        CASE("/**/1", 0),
        CASE("1234567890123456789012345678901234567890123456789012345678901234", 64),
#undef CASE
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sg_json *json;
        char expected[64];
        sg_error err = {0};
        /* A copy of exactly that length, so that the sanitizer sees a step too far. */
        char *copy = sg_memdup(cases[i].text, cases[i].nbytes);
        if (sg_json_parse(&json, copy, cases[i].nbytes, &err)) fail_msg("taken: %s", cases[i].text);
        sg_free(copy);
        assert_int_equal(err.code, SG_ERR_FORMAT);
        snprintf(expected, sizeof expected, "broken JSON at byte %zu: ", cases[i].at);
        if (strncmp(err.message, expected, strlen(expected)) != 0)
            fail_msg("%s: %s", cases[i].text, err.message);
    }
}

static void test_sound_texts(void **state)
{
    (void)state;
    static const char *const texts[] = {"0",
                                        "-0.0",
                                        "1E+2",
                                        "1e-2",
                                        "\"\"",
                                        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
                                        "null",
                                        "false",
                                        "[]",
                                        "{}",
                                        "\t[\r\n[ ] , { } ]",
                                        "\"\x7f\"",
                                        "\"\xf4\x8f\xbf\xbf\"",
                                        "123456789012345678901234567890123456789012345678901234567890123"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        sg_json *json;
        sg_error err = {0};
        if (!sg_json_parse(&json, texts[i], strlen(texts[i]), &err))
            fail_msg("%s: %s", texts[i], err.message);
        sg_json_free(json);
    }
}

static void test_nesting_is_bounded(void **state)
{
    (void)state;
    static char text[200000];
    for (size_t depth = 1; depth <= 100000; depth *= 2) {
        sg_json *json;
        sg_error err = {0};
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        bool ok = sg_json_parse(&json, text, 2 * depth, &err);
        assert_int_equal(ok, depth <= 128);
        if (ok)
            sg_json_free(json);
        else
            assert_non_null(strstr(err.message, "nested too deep"));
    }
    /* The bound is on depth, not on the number of lists. */
    for (size_t i = 0; i < 1000; i++) memcpy(text + 1 + 3 * i, "[],", 3);
    text[0] = '[', text[3000] = ']';
    sg_json *json;
    assert_true(sg_json_parse(&json, text, 3001, NULL));
    assert_int_equal(sg_json_size(json), 1000);
    sg_json_free(json);
}

static void test_every_truncation_fails(void **state)
{
    (void)state;
    sg_json *json;
    assert_true(sg_json_parse(&json, built, sizeof built - 1, NULL));
    sg_json_free(json);
    for (size_t n = 0; n < sizeof built - 1; n++) {
        sg_error err = {0};
        char *copy = sg_memdup(built, n);
        assert_false(sg_json_parse(&json, copy, n, &err));
        assert_int_equal(err.code, SG_ERR_FORMAT);
        sg_free(copy);
    }
}

/* Every byte changed in turn: taken or refused, never a crash, and what is taken can be printed. */
static void test_every_byte_changed(void **state)
{
    (void)state;
    size_t n = sizeof built - 1, taken = 0;
    char *copy = sg_memdup(built, n);
    for (size_t i = 0; i < n; i++)
        for (int change = 1; change < 256; change += 2) {
            sg_json *json;
            char *text;
            copy[i] = (char)(built[i] ^ change);
            if (sg_json_parse(&json, copy, n, NULL)) {
                assert_true(sg_json_print(&text, json, false, NULL));
                sg_free(text);
                sg_json_free(json);
                taken++;
            }
            copy[i] = built[i];
        }
    assert_true(taken > 0);
    sg_free(copy);
}

static bool print_and_free(sg_error *err)
{
    char *text;
    if (!build_and_print(&text, err)) return false;
    assert_string_equal(text, built); /* never a tree with a hole */
    sg_free(text);
    return true;
}

static bool parse_and_free(sg_error *err)
{
    sg_json *json;
    if (!sg_json_parse(&json, built, sizeof built - 1, err)) return false;
    sg_json_free(json);
    return true;
}

static void test_without_memory(void **state)
{
    (void)state;
    assert_survives_allocation_failures(print_and_free(&err));
    assert_survives_allocation_failures(parse_and_free(&err));
}

/* What was put comes back, whatever bytes it has. */
static void test_paths_come_back(void **state)
{
    (void)state;
    static const char *const paths[] = {"", "/a b", "caf\xc3\xa9\n", "\xff\xfe/\x01", "\"\\"};
    sg_error err = {0};
    sg_json *json;
    char *text, *path;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        json = sg_json_object();
        sg_json_add_path(json, "p", paths[i]);
        assert_true(sg_json_print(&text, json, false, &err));
        sg_json_free(json);
        assert_true(sg_json_parse(&json, text, strlen(text), &err));
        assert_true(sg_json_path(&path, json, "p", &err));
        assert_string_equal(path, paths[i]);
        sg_free(path);
        assert_true(sg_json_path(&path, json, "q", &err));
        assert_null(path);
        sg_json_free(json);
        sg_free(text);
    }
    assert_true(sg_json_parse(&json, "[7,8]", 5, &err));
    assert_ptr_equal(sg_json_next(sg_json_at(json, 0)), sg_json_at(json, 1));
    assert_null(sg_json_next(sg_json_at(json, 1)));
    assert_null(sg_json_next(NULL));
    assert_null(sg_json_name(sg_json_at(json, 0)));
    assert_true(sg_json_is_array(json));
    sg_json_free(json);
    assert_true(sg_json_parse(&json, "{\"b\":1}", 7, &err));
    assert_string_equal(sg_json_name(sg_json_at(json, 0)), "b");
    assert_false(sg_json_is_array(json));
    sg_json_free(json);
    static const char *const faults[] = {"{\"p\":1}",          "{\"p_hex\":\"6\"}", "{\"p_hex\":\"00\"}",
                                         "{\"p_hex\":\"6g\"}", "{\"p_hex\":null}",  "{\"p\":[]}"};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        assert_true(sg_json_parse(&json, faults[i], strlen(faults[i]), &err));
        assert_false(sg_json_path(&path, json, "p", &err));
        assert_int_equal(err.code, SG_ERR_FORMAT);
        assert_null(path);
        sg_json_free(json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_builds_and_prints),
        cmocka_unit_test(test_doubles_come_back),
        cmocka_unit_test(test_reads),
        cmocka_unit_test(test_whole_numbers),
        cmocka_unit_test(test_broken_texts),
        cmocka_unit_test(test_sound_texts),
        cmocka_unit_test(test_nesting_is_bounded),
        cmocka_unit_test(test_every_truncation_fails),
        cmocka_unit_test(test_every_byte_changed),
        cmocka_unit_test(test_paths_come_back),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
