#include "base/scratch.h"

#include <signet/mem.h>
#include <signet/where.h>

static sg_where parse(const char *const *terms, size_t n)
{
    sg_error err = {0};
    sg_where where = SG_WHERE_INIT;
    for (size_t i = 0; i < n; i++)
        if (!sg_where_parse_add(&where, terms[i], &err)) fail_msg("%s", err.message);
    return where;
}

static void test_holds(void **state)
{
    (void)state;
    static const char packed[] = "label\0cat\0label\0grey = #1\0year\0" /* and the last value's end */;
    const size_t nbytes = sizeof packed; /* year has an empty value */
    static const struct {
        const char *terms[3];
        bool holds, of_none;
    } cases[] = {
        {{NULL}, true, true},
        {{"label"}, true, false},
        {{"label=cat"}, true, false},
        {{"label=ca"}, false, false},
        {{"label=dog"}, false, false},
        {{"label=grey = #1"}, true, false},
        {{"label!=cat"}, false, true},
        {{"label!=dog"}, true, true},
        {{"lab"}, false, false},
        {{"Label"}, false, false},
        {{"year"}, true, false},
        {{"year="}, true, false},
        {{"year!="}, false, true},
        {{"year=1999"}, false, false},
        {{"label=cat", "label=grey = #1"}, true, false},
        {{"label=cat", "label=dog"}, false, false},
        {{"label=cat", "label!=dog", "year"}, true, false},
        {{"label=cat", "label!=dog", "size"}, false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n = 0;
        while (n < 3 && cases[i].terms[n]) n++;
        sg_where where = parse(cases[i].terms, n);
        if (sg_where_holds(&where, packed, nbytes) != cases[i].holds) fail_msg("case %zu", i);
        if (sg_where_holds(&where, NULL, 0) != cases[i].of_none) fail_msg("case %zu, no attributes", i);
        sg_where_clear(&where);
    }
}

static void test_without_key(void **state)
{
    (void)state;
    static const char *const faults[] = {"", "=", "=cat", "!=cat"};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        sg_error err = {0};
        sg_where where = SG_WHERE_INIT;
        assert_false(sg_where_parse_add(&where, faults[i], &err));
        assert_int_equal(err.code, SG_ERR_USAGE);
        assert_int_equal(where.n, 0);
        sg_where_clear(&where);
    }
}

static void test_copies(void **state)
{
    (void)state;
    sg_error err = {0};
    static const char *const all[] = {"a=1", "b!=2", "c", "c="};
    for (size_t n = 0; n <= 4; n++)
        for (size_t m = 0; m <= 4; m++) {
            sg_where a = parse(all, n), b = parse(all + 4 - m, m), copy;
            assert_int_equal(sg_where_same(&a, &b), n == m && (n == 0 || n == 4));
            assert_true(sg_where_copy(&copy, &a, &err));
            assert_true(sg_where_same(&a, &copy));
            sg_where_clear(&copy);
            sg_where_clear(&a);
            sg_where_clear(&b);
        }
}

static bool make(sg_error *err)
{
    sg_where where = SG_WHERE_INIT, copy = SG_WHERE_INIT;
    bool ok = sg_where_parse_add(&where, "a=1", err) && sg_where_add(&where, "label", "x", err) &&
              sg_where_copy(&copy, &where, err);
    sg_where_clear(&where);
    sg_where_clear(&copy);
    return ok;
}

static void test_without_memory(void **state)
{
    (void)state;
    assert_survives_allocation_failures(make(&err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_holds),
        cmocka_unit_test(test_without_key),
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
