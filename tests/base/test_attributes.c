#include "scratch.h"

#include <signet/attributes.h>
#include <signet/random.h>

static void assert_packed(const sg_attributes *a, const char *want, size_t nbytes)
{
    assert_int_equal(a->nbytes, nbytes);
    assert_memory_equal(a->data, want, nbytes);
    assert_null(sg_attributes_fault(a->data, a->nbytes));
}
#define assert_is(a, want) assert_packed(a, want, sizeof want - 1)

static void test_sorted_without_repeats(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_attributes a = SG_ATTRIBUTES_INIT;
    assert_true(sg_attributes_parse_add(&a, "label=dog", &err));
    assert_true(sg_attributes_parse_add(&a, "camera=x=y", &err));
    assert_true(sg_attributes_add(&a, "label", "cat", &err));
    assert_true(sg_attributes_add(&a, "label", "dog", &err));
    assert_true(sg_attributes_parse_add(&a, "empty=", &err));
    assert_true(sg_attributes_add(&a, "lab", "z", &err));
    assert_is(&a, "camera\0x=y\0empty\0\0lab\0z\0label\0cat\0label\0dog\0");
    assert_true(sg_attributes_has(a.data, a.nbytes, "label", NULL));
    assert_true(sg_attributes_has(a.data, a.nbytes, "label", "dog"));
    assert_true(sg_attributes_has(a.data, a.nbytes, "empty", ""));
    assert_false(sg_attributes_has(a.data, a.nbytes, "label", "do"));
    assert_false(sg_attributes_has(a.data, a.nbytes, "dog", NULL));
    assert_false(sg_attributes_has(NULL, 0, "dog", NULL));
    sg_attributes_drop(&a, "label", "cat");
    sg_attributes_drop(&a, "label", "cow");
    sg_attributes_drop(&a, "lab", NULL);
    assert_is(&a, "camera\0x=y\0empty\0\0label\0dog\0");
    assert_true(sg_attributes_set(&a, "k\0b\0k\0c\0", 8, &err));
    sg_attributes_drop(&a, "k", NULL);
    assert_int_equal(a.nbytes, 0);
    assert_true(sg_attributes_set(&a, NULL, 0, &err));
    assert_null(a.data);
    sg_attributes_clear(&a);
}

static void assert_refused(const char *key_value, const char *word)
{
    sg_error err = {0};
    sg_attributes a = SG_ATTRIBUTES_INIT;
    assert_false(sg_attributes_parse_add(&a, key_value, &err));
    assert_int_equal(err.code, SG_ERR_USAGE);
    if (!strstr(err.message, word)) fail_msg("'%s' lacks '%s'", err.message, word);
    assert_int_equal(a.nbytes, 0);
}

static void test_refused(void **state)
{
    (void)state;
    char name[258];
    memset(name, 'k', sizeof name);
    memcpy(name + 256, "=", 2);
    assert_refused("label", "given as key=value");
    assert_refused("", "given as key=value");
    assert_refused("=value", "1 to 255 bytes");
    assert_refused(name, "1 to 255 bytes");
    assert_refused("a\nb=c", "line feed");
    assert_refused("a=b\nc", "no line feed");
    sg_error err = {0};
    sg_attributes a = SG_ATTRIBUTES_INIT;
    assert_true(sg_attributes_parse_add(&a, name + 1, &err)); /* 255 */
    assert_false(sg_attributes_add(&a, "a=b", "c", &err));
    sg_attributes_clear(&a);
}

static void test_faults(void **state)
{
    (void)state;
#define fault(bytes) sg_attributes_fault(bytes, sizeof bytes - 1)
    assert_null(fault(""));
    assert_null(fault("k\0\0"));
    assert_null(fault("k\0v\0k\0w\0l\0a\0"));
    assert_non_null(fault("k"));
    assert_non_null(fault("k\0"));
    assert_non_null(fault("k\0v"));
    assert_non_null(fault("k\0v\0k\0"));
    assert_non_null(fault("\0v\0"));
    assert_non_null(fault("k=\0v\0"));
    assert_non_null(fault("k\0v\n\0"));
    assert_non_null(fault("k\0v\0k\0v\0"));
    assert_non_null(fault("k\0w\0k\0v\0"));
    assert_non_null(fault("l\0v\0k\0w\0"));
#undef fault
}

/* Against a plain table of what is there. */
static void test_random_lives(void **state)
{
    (void)state;
    sg_rng rng = sg_rng_at(1, SG_RNG_TEST, 0, 0);
    sg_error err = {0};
    sg_attributes a = SG_ATTRIBUTES_INIT;
    static const char *const names[4] = {"a", "ab", "b", "\xff"};
    bool there[4][4] = {{false}};
    for (int step = 0; step < 2000; step++) {
        size_t k = sg_rng_below(&rng, 4), v = sg_rng_below(&rng, 4);
        if (sg_rng_below(&rng, 2)) {
            assert_true(sg_attributes_add(&a, names[k], names[v], &err));
            there[k][v] = true;
        } else if (sg_rng_below(&rng, 3)) {
            sg_attributes_drop(&a, names[k], names[v]);
            there[k][v] = false;
        } else {
            sg_attributes_drop(&a, names[k], NULL);
            memset(there[k], 0, sizeof there[k]);
        }
        const char *key, *value;
        size_t at = 0;
        for (size_t i = 0; i < 16; i++) {
            if (!there[i / 4][i % 4]) continue;
            assert_true(sg_attributes_next(&key, &value, a.data, a.nbytes, &at));
            assert_string_equal(key, names[i / 4]);
            assert_string_equal(value, names[i % 4]);
        }
        assert_false(sg_attributes_next(&key, &value, a.data, a.nbytes, &at));
        assert_null(sg_attributes_fault(a.data, a.nbytes));
    }
    sg_attributes_clear(&a);
}

static bool print(char **text, const char *data, size_t nbytes, sg_error *err)
{
    sg_json *root = sg_json_object();
    sg_json_add_attributes(root, data, nbytes);
    bool ok = sg_json_print(text, root, false, err);
    sg_json_free(root);
    return ok;
}

static bool print_once(sg_error *err)
{
    char *text = NULL;
    bool ok = print(&text, "k\xff\0v\0", 5, err);
    if (ok)
        assert_string_equal(text,
                            "{\"attributes\":{\"k\xef\xbf\xbd\":[\"v\"]},\"attributes_hex\":\"6bff007600\"}");
    sg_free(text);
    return ok;
}

static void test_json(void **state)
{
    (void)state;
    sg_error err = {0};
    char *text;
    static const char some[] = "a\0\"\0label\0cat\0label\0dog\0";
    assert_true(print(&text, some, sizeof some - 1, &err));
    assert_string_equal(text, "{\"attributes\":{\"a\":[\"\\\"\"],\"label\":[\"cat\",\"dog\"]}}");
    sg_free(text);
    static const char bytes[] = "k\xfe\0a\0k\xff\0b\0"; /* keys that are one where bytes cannot be told */
    assert_true(print(&text, bytes, sizeof bytes - 1, &err));
    assert_string_equal(text, "{\"attributes\":{\"k\xef\xbf\xbd\":[\"a\",\"b\"]},"
                              "\"attributes_hex\":\"6bfe0061006bff006200\"}");
    sg_free(text);
    assert_true(print(&text, NULL, 0, &err));
    assert_string_equal(text, "{\"attributes\":{}}");
    sg_free(text);
}

static void test_json_without_memory(void **state)
{
    (void)state;
    assert_survives_allocation_failures(print_once(&err));
}

static bool build(sg_error *err)
{
    sg_attributes a = SG_ATTRIBUTES_INIT;
    bool ok = sg_attributes_set(&a, "k\0v\0", 4, err) && sg_attributes_parse_add(&a, "k=w", err) &&
              sg_attributes_add(&a, "a", "b", err);
    sg_attributes_clear(&a);
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
        cmocka_unit_test(test_sorted_without_repeats),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_random_lives),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_json_without_memory),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
