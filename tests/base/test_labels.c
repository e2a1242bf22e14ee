#include "scratch.h"

#include <signet/labels.h>
#include <signet/random.h>

/* Sets of both kinds with n items, some without a label; has[i][c] is the truth. */
enum { N = 40, CLASSES = 5 };

static sg_labels make(bool multi, bool has[N][CLASSES], uint64_t seed)
{
    sg_labels labels;
    sg_rng rng = sg_rng_at(seed, SG_RNG_TEST, 0, 0);
    assert_true(sg_labels_init(&labels, N, CLASSES, multi, NULL));
    for (size_t i = 0; i < N; i++) {
        uint64_t only = sg_rng_below(&rng, CLASSES + 1); /* CLASSES: none */
        for (size_t c = 0; c < CLASSES; c++) {
            has[i][c] = multi ? sg_rng_below(&rng, 4) == 0 : c == only;
            if (has[i][c] && multi) labels.rows[i * CLASSES + c] = 1;
            if (has[i][c] && !multi) labels.ids[i] = (int32_t)c;
        }
    }
    return labels;
}

static bool share(const bool *a, const bool *b)
{
    for (size_t c = 0; c < CLASSES; c++)
        if (a[c] && b[c]) return true;
    return false;
}

static void test_against_the_truth(void **state)
{
    (void)state;
    for (int multi = 0; multi < 2; multi++) {
        bool has_a[N][CLASSES], has_b[N][CLASSES];
        sg_labels a = make(multi, has_a, 1), b = make(multi, has_b, 2);
        assert_int_equal(a.rows != NULL, multi);
        assert_int_equal(a.ids != NULL, !multi);
        for (size_t i = 0; i < N; i++) {
            size_t count = 0;
            for (size_t c = 0; c < CLASSES; c++) {
                assert_int_equal(sg_labels_has(&a, i, c), has_a[i][c]);
                count += has_a[i][c];
            }
            assert_int_equal(sg_labels_count(&a, i), count);
            for (size_t j = 0; j < N; j++)
                assert_int_equal(sg_labels_similar(&a, i, &b, j), share(has_a[i], has_b[j]));
        }
        sg_labels_clear(&a);
        sg_labels_clear(&b);
        sg_labels_clear(&b);
    }
}

static void test_pick(void **state)
{
    (void)state;
    static const uint32_t items[] = {39, 0, 7, 7, 12};
    for (int multi = 0; multi < 2; multi++) {
        bool has[N][CLASSES];
        sg_labels from = make(multi, has, 3), picked;
        assert_true(sg_labels_pick(&picked, &from, items, 5, NULL));
        sg_labels_clear(&from); /* a set of its own */
        assert_int_equal(picked.n, 5);
        assert_int_equal(picked.classes, CLASSES);
        for (size_t i = 0; i < 5; i++)
            for (size_t c = 0; c < CLASSES; c++)
                assert_int_equal(sg_labels_has(&picked, i, c), has[items[i]][c]);
        sg_labels_clear(&picked);
    }
}

static void test_new_sets_have_no_labels(void **state)
{
    (void)state;
    for (int multi = 0; multi < 2; multi++) {
        sg_labels labels, none;
        assert_true(sg_labels_init(&labels, 3, 4, multi, NULL));
        assert_true(sg_labels_init(&none, 0, 0, multi, NULL));
        for (size_t i = 0; i < 3; i++) {
            assert_int_equal(sg_labels_count(&labels, i), 0);
            assert_false(sg_labels_similar(&labels, i, &labels, i));
        }
        sg_labels_clear(&labels);
        sg_labels_clear(&none);
    }
}

static bool init_and_pick(bool multi, sg_error *err)
{
    static const uint32_t items[] = {1, 0};
    sg_labels labels, picked = {0};
    bool ok = sg_labels_init(&labels, 2, 3, multi, err) && sg_labels_pick(&picked, &labels, items, 2, err);
    sg_labels_clear(&labels);
    sg_labels_clear(&picked);
    return ok;
}

static void test_without_memory(void **state)
{
    (void)state;
    assert_survives_allocation_failures(init_and_pick(false, &err));
    assert_survives_allocation_failures(init_and_pick(true, &err));
    sg_labels labels;
    sg_error err = {0};
    assert_false(sg_labels_init(&labels, SIZE_MAX / 2, 3, true, &err));
    assert_int_equal(err.code, SG_ERR_MEMORY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_the_truth),
        cmocka_unit_test(test_pick),
        cmocka_unit_test(test_new_sets_have_no_labels),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
