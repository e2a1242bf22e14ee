/* Winograd's convolutions: taken in training where they should be, nowhere else, and as right as the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "encoder/conv_impl.h"
#include "support.h"

#include <signet/mem.h>
#include <string.h>

#define BOUND 1e-5

enum { BATCH = 4 };

/* All layers but the first and the head are such that Winograd wins; channels and sides do not fill blocks and tiles. */
static void build(sg_builder *b, void *context)
{
    (void)context;
    int x = sg_build_conv(b, sg_build_normalize(b), &(sg_conv_attr){70, {3, 1, 1}, 1, false}, "stem");
    x = sg_build_relu(b, sg_build_conv(b, x, &(sg_conv_attr){90, {3, 1, 1}, 1, true}, "conv1"));
    int y = sg_build_conv(b, x, &(sg_conv_attr){90, {3, 1, 0}, 1, false}, "conv2");
    y = sg_build_relu(b, sg_build_batchnorm(b, y, "bn2"));
    sg_build_head(b, sg_build_avgpool(b, y), "fc");
}

static test_net make(void)
{
    return test_net_built((sg_shape){3, 22, 19}, build, NULL, 3);
}

/* How many primitives of a plan are Winograd's. */
static size_t count(const test_net *t, const sg_plan_options *options)
{
    size_t n = 0;
    sg_plan *plan;
    assert_true(sg_plan_new(&plan, t->net, options, NULL));
    for (size_t p = 0; p < plan->nprims; p++)
        if (plan->prims[p]->phase != SG_LOAD) n += strstr(sg_prim_kernel(plan->prims[p]), "wino") != NULL;
    sg_plan_free(plan);
    return n;
}

/* Three passes of two layers; never where the weights are constants, nor for a few tiny images. */
static void where_it_is_taken(void **state)
{
    (void)state;
    test_net t = make();
    const size_t all = sg_dnnl_lanes() == 16 ? 6 : 0;
    assert_int_equal(count(&t, &(sg_plan_options){.purpose = SG_TRAIN, .batch = BATCH}), all);
    assert_int_equal(count(&t, &(sg_plan_options){.purpose = SG_TRAIN, .batch = BATCH, .frozen_bn = true}),
                     all);
    assert_int_equal(count(&t, &(sg_plan_options){.purpose = SG_TRAIN, .batch = BATCH, .head_only = true}),
                     0);
    assert_int_equal(count(&t, &(sg_plan_options){.purpose = SG_TRAIN, .batch = BATCH, .no_winograd = true}),
                     0);
    assert_int_equal(count(&t, &(sg_plan_options){.purpose = SG_ENCODE, .batch = 64}), 0);
    assert_int_equal(count(&t, &(sg_plan_options){.purpose = SG_ATTACK, .batch = 64}), 0);
    test_net_free(&t);
    t = test_net_of("resnet20", 1, 12, 8);
    assert_int_equal(count(&t, &(sg_plan_options){.purpose = SG_TRAIN, .batch = 1}), 0);
    test_net_free(&t);
}

static void against_reference(void **state)
{
    (void)state;
    test_net t = make();
    sg_feedback fb;
    sg_plan_options options = {.purpose = SG_TRAIN, .batch = BATCH, .input_gradient = true};
    assert_true(sg_feedback_init(&fb, "usf", NULL, 1, t.params, NULL));
    test_against_reference(&t, options, NULL, 0, BOUND);
    test_against_reference(&t, options, &fb, 1, BOUND);
    options.frozen_bn = true;
    test_against_reference(&t, options, NULL, 0, BOUND);
    sg_feedback_clear(&fb);
    test_net_free(&t);
}

/* The same step again gives the same bits. */
static void same_bits(void **state)
{
    (void)state;
    test_net t = make();
    const size_t in = BATCH * sg_net_input_size(t.net), out = BATCH * sg_net_output_size(t.net),
                 n = t.params->size;
    float *x = test_random(in, 0, 1, 2), *dz = test_random(out, -1, 1, 3), *z = sg_alloc(out, sizeof *z),
          *grads = sg_alloc(2 * n, sizeof *grads);
    assert_true(z && grads);
    for (size_t i = 0; i < 2; i++) {
        sg_plan *plan;
        assert_true(sg_plan_new(&plan, t.net, &(sg_plan_options){.purpose = SG_TRAIN, .batch = BATCH}, NULL));
        sg_plan_load(plan, t.params, NULL, 0);
        sg_plan_forward(plan, x, z);
        sg_plan_backward(plan, dz, grads + i * n, NULL);
        sg_plan_free(plan);
    }
    assert_memory_equal(grads, grads + n, n * sizeof *grads);
    void *all[] = {x, dz, z, grads};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) sg_free(all[i]);
    test_net_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_it_is_taken),
        cmocka_unit_test(against_reference),
        cmocka_unit_test(same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
