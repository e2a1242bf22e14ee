/* The block of parameters: how it lies, and how it is drawn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "support.h"

#include <math.h>
#include <string.h>

static void layout(void **state)
{
    (void)state;
    test_net t = test_net_of("lenet", 1, 32, 24);
    size_t end = 0;
    assert_int_equal((uintptr_t)t.params->block % 64, 0);
    for (size_t i = 0; i < t.params->ntensors; i++) {
        const sg_tensor *w = &t.params->tensors[i];
        assert_true(w->offset >= end && w->offset % 16 == 0);
        for (; end < w->offset; end++) assert_true(t.params->block[end] == 0);
        end = w->offset + w->size;
    }
    for (; end < t.params->size; end++) assert_true(t.params->block[end] == 0);
    sg_params *copy;
    assert_true(sg_params_copy(&copy, t.params, NULL));
    assert_memory_equal(copy->block, t.params->block, copy->size * sizeof(float));
    assert_memory_equal(copy->tensors, t.params->tensors, copy->ntensors * sizeof(sg_tensor));
    sg_params_free(copy);
    test_net_free(&t);
}

static void new_ones_are_neutral(void **state)
{
    (void)state;
    test_net t = test_net_of("resnet20", 1, 8, 8);
    sg_params *p;
    assert_true(sg_params_new(&p, t.net, NULL));
    for (size_t i = 0; i < p->ntensors; i++) {
        const sg_tensor *w = &p->tensors[i];
        const float value = w->role == SG_TENSOR_BN_WEIGHT || w->role == SG_TENSOR_BN_VAR ? 1 : 0;
        for (size_t j = 0; j < w->size; j++) assert_true(p->block[w->offset + j] == value);
    }
    sg_params_free(p);
    test_net_free(&t);
}

typedef struct moments {
    double mean, deviation, largest;
} moments;

static moments moments_of(const sg_params *p, const char *name)
{
    const sg_tensor *w = sg_params_find(p, name);
    moments m = {0};
    assert_non_null(w);
    for (size_t i = 0; i < w->size; i++) {
        const double v = (double)p->block[w->offset + i];
        m.mean += v / (double)w->size;
        m.deviation += v * v / (double)w->size;
        m.largest = fmax(m.largest, fabs(v));
    }
    m.deviation = sqrt(m.deviation);
    return m;
}

static void check_uniform(const sg_params *p, const char *name, double bound)
{
    const moments m = moments_of(p, name);
    assert_true(m.largest <= bound * 1.000001 && m.largest > bound * 0.9);
    assert_true(fabs(m.mean) < 0.1 * bound);
    assert_true(fabs(m.deviation * sqrt(3) / bound - 1) < 0.1);
}

static void draws(void **state)
{
    (void)state;
    test_net t = test_net_of("resnet20", 3, 8, 128); /* its random batch-norm starts anew at each draw */
    assert_true(sg_params_init(t.params, "he", 3, NULL));
    const moments m = moments_of(t.params, "layer3.1.conv1.weight");
    assert_true(fabs(m.deviation / sqrt(2.0 / 576) - 1) < 0.02 && fabs(m.mean) < 0.05 * m.deviation);
    assert_true(m.largest > 3 * m.deviation); /* normal */
    check_uniform(t.params, "head.weight", 1 / sqrt(64.0));
    assert_true(moments_of(t.params, "head.bias").largest == 0);
    assert_true(moments_of(t.params, "bn1.running_mean").largest == 0);
    assert_true(moments_of(t.params, "bn1.running_var").mean == 1 &&
                moments_of(t.params, "bn1.weight").mean == 1);
    assert_true(sg_params_init(t.params, "xavier", 3, NULL));
    check_uniform(t.params, "layer3.1.conv1.weight", sqrt(6.0 / (576 + 576)));
    check_uniform(t.params, "head.weight", sqrt(6.0 / (64 + 128)));
    assert_true(moments_of(t.params, "head.bias").largest == 0);
    assert_true(sg_params_init(t.params, "torch", 3, NULL));
    check_uniform(t.params, "layer3.1.conv1.weight", 1 / sqrt(576.0));
    check_uniform(t.params, "head.weight", 1 / sqrt(64.0));
    check_uniform(t.params, "head.bias", 1 / sqrt(64.0));
    test_net_free(&t);
}

static void seeds_and_the_head(void **state)
{
    (void)state;
    test_net a = test_net_of("lenet", 1, 32, 16), b = test_net_of("lenet", 1, 32, 16);
    const size_t nbytes = a.params->size * sizeof(float);
    const size_t body = sg_params_find(a.params, "head.weight")->offset * sizeof(float);
    assert_true(sg_params_init(a.params, "he", 5, NULL) && sg_params_init(b.params, "he", 5, NULL));
    assert_memory_equal(a.params->block, b.params->block, nbytes);
    assert_true(sg_params_init_head(b.params, "he", 6, NULL));
    assert_memory_equal(a.params->block, b.params->block, body);
    assert_memory_not_equal(a.params->block, b.params->block, nbytes);
    assert_true(sg_params_init(b.params, "he", 6, NULL));
    assert_memory_not_equal(a.params->block, b.params->block, body);
    sg_error err = {0};
    assert_false(sg_params_init(a.params, "zero", 5, &err));
    assert_int_equal(err.code, SG_ERR_USAGE);
    assert_string_equal(err.message, "unknown initialisation 'zero' (there are he, xavier, torch)");
    assert_false(sg_params_init_head(a.params, "zero", 5, &err));
    test_net_free(&a);
    test_net_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layout),
        cmocka_unit_test(new_ones_are_neutral),
        cmocka_unit_test(draws),
        cmocka_unit_test(seeds_and_the_head),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
