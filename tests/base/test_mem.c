#include "scratch.h"

static void test_products_that_overflow(void **state)
{
    (void)state;
    char *block = sg_alloc(4, 1);
    assert_null(sg_alloc(SIZE_MAX / 2, 3));
    assert_null(sg_calloc((size_t)1 << 33, (size_t)1 << 33));
    assert_null(sg_alloc_aligned(SIZE_MAX, 2));
    assert_null(sg_alloc(SIZE_MAX, 1));
    assert_null(sg_alloc_aligned(SIZE_MAX - 8, 1));
    memcpy(block, "abc", 4);
    assert_null(sg_realloc(block, SIZE_MAX / 2, 4));
    assert_string_equal(block, "abc"); /* the old block stays */
    sg_free(block);
    size_t out = 5;
    assert_true(sg_mul_size(&out, 6, 7));
    assert_int_equal(out, 42);
    assert_false(sg_mul_size(&out, SIZE_MAX, 2));
    assert_true(sg_add_size(&out, SIZE_MAX - 1, 1));
    assert_false(sg_add_size(&out, SIZE_MAX, 1));
}

static void test_nothing_is_something(void **state)
{
    (void)state;
    void *blocks[] = {sg_alloc(0, 8), sg_calloc(5, 0), sg_realloc(NULL, 0, 0), sg_memdup("", 0)};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        assert_non_null(blocks[i]);
        sg_free(blocks[i]);
    }
    void *aligned = sg_alloc_aligned(0, 4);
    assert_non_null(aligned);
    sg_free_aligned(aligned);
    sg_free(NULL);
    sg_free_aligned(NULL);
}

static void test_aligned_is_aligned_and_zero(void **state)
{
    (void)state;
    for (size_t n = 1; n < 2000; n += 7) {
        unsigned char *block = sg_alloc_aligned(n, 3);
        assert_int_equal((uintptr_t)block % 64, 0);
        for (size_t i = 0; i < 3 * n; i++) assert_int_equal(block[i], 0);
        memset(block, 1, 3 * n);
        sg_free_aligned(block);
    }
}

static void test_grow(void **state)
{
    (void)state;
    int32_t *items = NULL;
    size_t cap = 0;
    for (size_t n = 0; n < 1000; n++) {
        assert_true(sg_grow(&items, &cap, n + 1, sizeof *items));
        assert_true(cap > n);
        items[n] = (int32_t)n;
    }
    assert_true(cap <= 2048);
    for (int i = 0; i < 1000; i++) assert_int_equal(items[i], i);
    int32_t *before = items;
    size_t cap_before = cap;
    assert_false(sg_grow(&items, &cap, SIZE_MAX, sizeof *items));
    assert_false(sg_grow(&items, &cap, SIZE_MAX / 4, sizeof *items));
    sg_mem_fail_at(1);
    assert_false(sg_grow(&items, &cap, cap + 1, sizeof *items));
    assert_ptr_equal(items, before);
    assert_int_equal(cap, cap_before);
    sg_free(items);
}

static void test_copies(void **state)
{
    (void)state;
    char *text = sg_strdup("signet"), *bytes = sg_memdup("a\0b", 3);
    assert_string_equal(text, "signet");
    assert_memory_equal(bytes, "a\0b", 3);
    sg_free(text);
    sg_free(bytes);
}

static void test_the_nth_fails(void **state)
{
    (void)state;
    uint64_t before = sg_mem_count();
    sg_mem_fail_at(3);
    void *a = sg_alloc(1, 1), *b = sg_calloc(1, 1), *c = sg_alloc_aligned(1, 1), *d = sg_alloc(1, 1);
    assert_true(a && b && !c && d);
    assert_int_equal(sg_mem_count() - before, 4);
    sg_mem_fail_at(1);
    sg_mem_fail_at(0);
    void *e = sg_strdup("on again");
    assert_non_null(e);
    sg_mem_fail_at(1);
    assert_null(sg_strdup("no"));
    void *blocks[] = {a, b, d, e};
    for (size_t i = 0; i < 4; i++) sg_free(blocks[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products_that_overflow),
        cmocka_unit_test(test_nothing_is_something),
        cmocka_unit_test(test_aligned_is_aligned_and_zero),
        cmocka_unit_test(test_grow),
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_the_nth_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
