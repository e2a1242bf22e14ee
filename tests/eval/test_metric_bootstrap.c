#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signet/cpu.h>
#include <signet/mem.h>
#include <signet/metrics.h>
#include <signet/random.h>

/* The interval of a mean is near mean +- 1.96 sigma / sqrt(n), by the central limit theorem. */
static void test_normal_theory(void **state)
{
    (void)state;
    enum { N = 1000 };
    double values[N], mean = 0, var = 0, low, high;
    sg_rng rng = sg_rng_at(1, SG_RNG_TEST, 0, 0);
    for (size_t i = 0; i < N; i++) mean += (values[i] = sg_rng_uniform(&rng)) / N;
    for (size_t i = 0; i < N; i++) var += (values[i] - mean) * (values[i] - mean) / N;
    assert_true(sg_bootstrap(&low, &high, values, N, SG_RESAMPLES, 7, NULL));
    double half = 1.959964 * sqrt(var / N);
    assert_true(fabs((mean - low) / half - 1) < 0.05);
    assert_true(fabs((high - mean) / half - 1) < 0.05);
}

/* Of two values 0 and 1 the resampled mean is 0, 1/2, 1 with probabilities 1/4, 1/2, 1/4. */
static void test_two_values(void **state)
{
    (void)state;
    double values[] = {0, 1}, same[] = {3, 3, 3}, low, high;
    assert_true(sg_bootstrap(&low, &high, values, 2, SG_RESAMPLES, 0, NULL));
    assert_true(low == 0 && high == 1);
    assert_true(sg_bootstrap(&low, &high, same, 3, 100, 0, NULL));
    assert_true(low == 3 && high == 3);
    assert_true(sg_bootstrap(&low, &high, values + 1, 1, 1, 0, NULL));
    assert_true(low == 1 && high == 1);
}

static void test_seed_and_threads(void **state)
{
    (void)state;
    double values[57], a[2], b[2], c[2];
    sg_rng rng = sg_rng_at(2, SG_RNG_TEST, 0, 0);
    int before = sg_threads();
    for (size_t i = 0; i < 57; i++) values[i] = sg_rng_normal(&rng);
    sg_threads_set(1);
    assert_true(sg_bootstrap(&a[0], &a[1], values, 57, 1000, 5, NULL));
    sg_threads_set(3);
    assert_true(sg_bootstrap(&b[0], &b[1], values, 57, 1000, 5, NULL));
    assert_true(sg_bootstrap(&c[0], &c[1], values, 57, 1000, 6, NULL));
    sg_threads_set(before);
    assert_memory_equal(a, b, sizeof a);
    assert_true(a[0] != c[0]);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    double value = 1, low, high;
    sg_error err;
    sg_mem_fail_at(1);
    assert_false(sg_bootstrap(&low, &high, &value, 1, 10, 0, &err));
    sg_mem_fail_at(0);
    assert_int_equal(err.code, SG_ERR_MEMORY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_normal_theory),
        cmocka_unit_test(test_two_values),
        cmocka_unit_test(test_seed_and_threads),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
