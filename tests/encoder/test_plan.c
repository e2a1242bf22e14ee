/* Whole nets: plans against the double reference, whose own gradients are checked by finite differences. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "support.h"

#include <math.h>
#include <signet/mem.h>

/* <z, dz> of the reference. */
static double inner(sg_reference *ref, const double *dz)
{
    const double *z = sg_reference_forward(ref);
    double sum = 0;
    for (size_t i = 0; i < ref->batch * sg_net_output_size(ref->net); i++) sum += z[i] * dz[i];
    return sum;
}

/* The derivative of <z, dz> along a random direction of `n` values at `at`, against grad . direction. */
static void check_direction(sg_reference *ref, const double *dz, double *at, const double *grad, size_t n,
                            uint64_t seed)
{
    const double h = 1e-6;
    float *direction = test_random(n, -1, 1, seed);
    double expected = 0, up, down;
    for (size_t i = 0; i < n; i++) expected += grad[i] * (double)direction[i];
    for (size_t i = 0; i < n; i++) at[i] += h * (double)direction[i];
    up = inner(ref, dz);
    for (size_t i = 0; i < n; i++) at[i] -= 2 * h * (double)direction[i];
    down = inner(ref, dz);
    for (size_t i = 0; i < n; i++) at[i] += h * (double)direction[i];
    assert_true(fabs((up - down) / (2 * h) - expected) <= 1e-4 * fabs(expected) + 1e-7);
    sg_free(direction);
}

/* The reference's gradients of x and of every `every`-th learned tensor. */
static void check_differences(const test_net *t, size_t batch, bool batch_stats, size_t every)
{
    sg_reference *ref;
    const size_t in = batch * sg_net_input_size(t->net), out = batch * sg_net_output_size(t->net);
    float *random = test_random(in + out, 0, 1, 5);
    double *dz = sg_alloc(out, sizeof *dz);
    assert_non_null(dz);
    assert_true(sg_reference_new(&ref, t->net, t->params, batch, batch_stats, NULL));
    for (size_t i = 0; i < in; i++) ref->x[i] = (double)random[i];
    for (size_t i = 0; i < out; i++) dz[i] = (double)random[in + i] - 0.5;
    sg_reference_forward(ref);
    sg_reference_backward(ref, dz);
    check_direction(ref, dz, ref->x, ref->dx, in, 0);
    for (size_t i = 0; i < t->params->ntensors; i += every) {
        const sg_tensor *w = &t->params->tensors[i];
        if (sg_tensor_learned(w))
            check_direction(ref, dz, ref->params + w->offset, ref->grads + w->offset, w->size, i);
    }
    sg_reference_free(ref);
    sg_free(random);
    sg_free(dz);
}

static void reference_by_differences(void **state)
{
    (void)state;
    test_net t = test_net_of("lenet", 1, 32, 8);
    check_differences(&t, 2, false, 1);
    test_net_free(&t);
    t = test_net_of("lenet-cifar", 3, 18, 8);
    check_differences(&t, 2, false, 1);
    test_net_free(&t);
    t = test_net_of("resnet20", 3, 9, 8);
    check_differences(&t, 3, true, 7);
    check_differences(&t, 2, false, 11);
    test_net_free(&t);
}

static void resnet20(void **state)
{
    (void)state;
    test_net t = test_net_of("resnet20", 1, 28, 32);
    test_against_reference(&t, (sg_plan_options){.purpose = SG_ENCODE, .batch = 3}, NULL, 0, 1e-5);
    test_against_reference(&t, (sg_plan_options){.purpose = SG_ATTACK, .batch = 3}, NULL, 0, 1e-4);
    test_against_reference(&t, (sg_plan_options){.purpose = SG_TRAIN, .batch = 3}, NULL, 0, 1e-4);
    test_against_reference(
        &t, (sg_plan_options){.purpose = SG_TRAIN, .batch = 3, .frozen_bn = true, .input_gradient = true},
        NULL, 0, 1e-4);
    test_against_reference(&t, (sg_plan_options){.purpose = SG_TRAIN, .batch = 3, .head_only = true}, NULL, 0,
                           1e-4);
    test_net_free(&t);
}

static void lenets(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        test_net t = test_net_of(i ? "lenet-cifar" : "lenet", i ? 3 : 1, 32, 16);
        test_against_reference(&t, (sg_plan_options){.purpose = SG_ENCODE, .batch = 3}, NULL, 0, 1e-5);
        test_against_reference(&t, (sg_plan_options){.purpose = SG_ATTACK, .batch = 3}, NULL, 0, 1e-4);
        test_against_reference(&t, (sg_plan_options){.purpose = SG_TRAIN, .batch = 3}, NULL, 0, 1e-4);
        test_net_free(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference_by_differences),
        cmocka_unit_test(lenets),
        cmocka_unit_test(resnet20),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
