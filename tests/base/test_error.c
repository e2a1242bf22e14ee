#include "scratch.h"

#include <errno.h>

static void test_fail_fills_and_is_false(void **state)
{
    (void)state;
    sg_error err = {0};
    assert_false(sg_fail(&err, SG_ERR_FORMAT, "%s: %d", "a.npy", 7));
    assert_int_equal(err.code, SG_ERR_FORMAT);
    assert_string_equal(err.message, "a.npy: 7");
    assert_false(sg_fail(NULL, SG_ERR_FORMAT, "nobody listens"));
    assert_false(sg_fail_errno(NULL, EIO, "nobody listens"));
    assert_false(sg_prefix(NULL, "nobody listens"));
}

static void test_errno_and_memory(void **state)
{
    (void)state;
    sg_error err = {0};
    assert_false(sg_fail_errno(&err, ENOSPC, "%s: cannot write", "x"));
    assert_int_equal(err.code, SG_ERR_IO);
    assert_string_equal(err.message, "x: cannot write: No space left on device");
    assert_false(sg_fail_memory(&err, "plan"));
    assert_int_equal(err.code, SG_ERR_MEMORY);
    assert_string_equal(err.message, "out of memory (plan)");
}

static void test_prefix_keeps_code(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_fail(&err, SG_ERR_LIMIT, "too long");
    assert_false(sg_prefix(&err, "line %d", 3));
    assert_int_equal(err.code, SG_ERR_LIMIT);
    assert_string_equal(err.message, "line 3: too long");
    sg_fail(&err, SG_ERR_USAGE, "again (%s)", err.message); /* its own text as an argument */
    assert_string_equal(err.message, "again (line 3: too long)");
}

static void test_one_line(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_fail(&err, SG_ERR_IO, "%s", "a\nb\tc\033[31m\x7f\xff\xc3\xa9");
    assert_string_equal(err.message, "a?b?c?[31m?\xff\xc3\xa9");
    sg_prefix(&err, "x\r");
    assert_string_equal(err.message, "x?: a?b?c?[31m?\xff\xc3\xa9");
}

/* Of a message that is too long, both ends stay: the place and the reason. */
static void test_long_text_loses_its_middle(void **state)
{
    (void)state;
    sg_error err = {0};
    char path[5000];
    for (size_t n = SG_ERROR_MAX - 60; n < sizeof path; n += n < 600 ? 1 : 487) {
        memset(path, 'p', n);
        memcpy(path, "/start", 6);
        path[n] = '\0';
        sg_fail_errno(&err, ENOENT, "%s: cannot open", path);
        size_t whole = n + strlen(": cannot open: No such file or directory");
        assert_int_equal(strlen(err.message), whole < SG_ERROR_MAX ? whole : SG_ERROR_MAX - 1);
        assert_memory_equal(err.message, "/start", 6);
        assert_non_null(strstr(err.message, "p: cannot open: No such file or directory"));
        assert_int_equal(strstr(err.message, "...") != NULL, whole >= SG_ERROR_MAX);
    }
    memset(path, 'q', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    sg_fail(&err, SG_ERR_IO, "reason");
    sg_prefix(&err, "%s%s", path, path);
    assert_int_equal(strlen(err.message), SG_ERROR_MAX - 1);
    assert_non_null(strstr(err.message, "q: reason"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fail_fills_and_is_false),    cmocka_unit_test(test_errno_and_memory),
        cmocka_unit_test(test_prefix_keeps_code),          cmocka_unit_test(test_one_line),
        cmocka_unit_test(test_long_text_loses_its_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
