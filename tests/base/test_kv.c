#include "scratch.h"

#include <signet/kv.h>

static void test_sets_gets_removes(void **state)
{
    (void)state;
    sg_kv kv = SG_KV_INIT;
    sg_error err = {0};
    static const char *const keys[] = {"m", "a", "z", "b", "", "\xff", "aa"};
    for (size_t i = 0; i < 7; i++) assert_true(sg_kv_setf(&kv, &err, keys[i], "%zu %s", i, "%s"));
    assert_true(sg_kv_set(&kv, "b", "again", &err));
    assert_int_equal(kv.n, 7);
    static const char *const sorted[] = {"", "a", "aa", "b", "m", "z", "\xff"};
    for (size_t i = 0; i < 7; i++) assert_string_equal(kv.pairs[i].key, sorted[i]);
    assert_string_equal(sg_kv_get(&kv, "b"), "again");
    assert_string_equal(sg_kv_get(&kv, "m"), "0 %s");
    assert_null(sg_kv_get(&kv, "none"));
    sg_kv_remove(&kv, "none");
    sg_kv_remove(&kv, "");
    sg_kv_remove(&kv, "\xff");
    sg_kv_remove(&kv, "m");
    assert_int_equal(kv.n, 4);
    assert_null(sg_kv_get(&kv, "m"));
    assert_string_equal(sg_kv_get(&kv, "z"), "2 %s");
    assert_true(sg_kv_setf(&kv, &err, "empty", "%s", ""));
    assert_string_equal(sg_kv_get(&kv, "empty"), "");
    sg_kv_clear(&kv);
    assert_int_equal(kv.n, 0);
    assert_null(sg_kv_get(&kv, "a"));
}

static void test_value_of_itself(void **state)
{
    (void)state;
    sg_kv kv = SG_KV_INIT;
    assert_true(sg_kv_set(&kv, "a", "value", NULL));
    assert_true(sg_kv_set(&kv, "a", sg_kv_get(&kv, "a"), NULL));
    assert_true(sg_kv_set(&kv, kv.pairs[0].key, "other", NULL));
    assert_string_equal(sg_kv_get(&kv, "a"), "other");
    sg_kv_remove(&kv, kv.pairs[0].key);
    assert_int_equal(kv.n, 0);
    sg_kv_clear(&kv);
}

static void test_copy(void **state)
{
    (void)state;
    sg_kv from = SG_KV_INIT, to = SG_KV_INIT, empty = SG_KV_INIT;
    sg_error err = {0};
    for (int i = 0; i < 20; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        assert_true(sg_kv_setf(&from, &err, key, "%d", i * i));
    }
    assert_true(sg_kv_set(&to, "old", "gone", &err));
    assert_true(sg_kv_copy(&to, &from, &err));
    sg_kv_clear(&from);
    assert_int_equal(to.n, 20);
    assert_null(sg_kv_get(&to, "old"));
    assert_string_equal(sg_kv_get(&to, "k13"), "169");
    assert_true(sg_kv_copy(&to, &empty, &err));
    assert_int_equal(to.n, 0);
    sg_kv_clear(&to);
}

static void test_numbers(void **state)
{
    (void)state;
    sg_kv kv = SG_KV_INIT;
    sg_error err = {0};
    int64_t whole = 0;
    float number = 0;
    assert_true(sg_kv_set(&kv, "bits", "64", &err) && sg_kv_set(&kv, "scale", "-1.5e-3", &err));
    assert_true(sg_kv_set(&kv, "bad", "64 ", &err) && sg_kv_set(&kv, "large", "1e39", &err));
    assert_true(sg_kv_get_int(&whole, &kv, "bits", &err) && whole == 64);
    assert_true(sg_kv_get_float(&number, &kv, "scale", &err) && number == -1.5e-3f);
    assert_true(sg_kv_get_float(&number, &kv, "bits", &err) && number == 64);
    assert_false(sg_kv_get_int(&whole, &kv, "scale", &err));
    assert_int_equal(err.code, SG_ERR_FORMAT);
    assert_string_equal(err.message, "scale: '-1.5e-3' is no whole number");
    assert_false(sg_kv_get_float(&number, &kv, "bad", &err));
    assert_string_equal(err.message, "bad: '64 ' is no number");
    assert_false(sg_kv_get_float(&number, &kv, "large", &err)); /* infinite as a float */
    assert_int_equal(err.code, SG_ERR_FORMAT);
    assert_false(sg_kv_get_int(&whole, &kv, "none", &err));
    assert_int_equal(err.code, SG_ERR_NOT_FOUND);
    assert_false(sg_kv_get_float(&number, &kv, "none", &err));
    assert_int_equal(err.code, SG_ERR_NOT_FOUND);
    assert_string_equal(err.message, "none: is missing");
    assert_true(whole == 64 && number == 64);
    sg_kv_clear(&kv);
}

static bool build(sg_error *err)
{
    sg_kv kv = SG_KV_INIT, copy = SG_KV_INIT;
    bool ok = true;
    for (int i = 0; ok && i < 20; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i % 10);
        size_t before = kv.n;
        ok = i % 2 ? sg_kv_set(&kv, key, "value", err) : sg_kv_setf(&kv, err, key, "%d", i);
        if (!ok) assert_int_equal(kv.n, before);
    }
    ok = ok && sg_kv_copy(&copy, &kv, err);
    assert_int_equal(copy.n, ok ? 10 : 0);
    sg_kv_clear(&kv);
    sg_kv_clear(&copy);
    return ok;
}

static void test_without_memory(void **state)
{
    (void)state;
    assert_survives_allocation_failures(build(&err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sets_gets_removes),
        cmocka_unit_test(test_value_of_itself),
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
