/* Every op, forward and backward, in plans of all purposes, against its reference twin in double: random shapes whose
 * channels do not fill a block, odd sizes, strides, groups, batch 1; alone and absorbed by what stands before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "support.h"

#include <signet/random.h>

#define BOUND 1e-5

typedef struct op_case {
    int64_t channels; /* that the op under test gets; from a convolution, or 0: it gets the input itself */
    sg_conv_attr conv;
    sg_window window;
    void (*tail)(sg_builder *b, int x, const struct op_case *c);
} op_case;

static void build_case(sg_builder *b, void *context)
{
    const op_case *c = context;
    const sg_conv_attr stem = {c->channels, {3, 1, 1}, 1, false};
    int x = sg_build_normalize(b);
    if (c->channels) x = sg_build_conv(b, x, &stem, "stem");
    c->tail(b, x, c);
}

static void tail_conv(sg_builder *b, int x, const op_case *c)
{
    sg_build_conv(b, x, &c->conv, "conv");
}

static void tail_conv_relu(sg_builder *b, int x, const op_case *c)
{
    sg_build_relu(b, sg_build_conv(b, x, &c->conv, "conv"));
}

static void tail_linear(sg_builder *b, int x, const op_case *c)
{
    x = sg_build_relu(b, sg_build_linear(b, x, c->conv.channels, "fc1"));
    sg_build_head(b, x, "fc2");
}

static void tail_batchnorm(sg_builder *b, int x, const op_case *c)
{
    (void)c;
    sg_build_batchnorm(b, sg_build_relu(b, x), "bn"); /* not behind a convolution: not folded */
}

static void tail_relu(sg_builder *b, int x, const op_case *c)
{
    (void)c;
    x = sg_build_maxpool(b, x, &(sg_window){1, 1, 0});
    sg_build_relu(b, sg_build_relu(b, x));
}

static void tail_maxpool(sg_builder *b, int x, const op_case *c)
{
    sg_build_maxpool(b, x, &c->window);
}

static void tail_avgpool(sg_builder *b, int x, const op_case *c)
{
    (void)c;
    sg_build_avgpool(b, x);
}

static void tail_shortcut(sg_builder *b, int x, const op_case *c)
{
    sg_build_shortcut(b, x, c->conv.channels);
}

static void tail_flatten(sg_builder *b, int x, const op_case *c)
{
    (void)c;
    sg_build_head(b, x, "fc");
}

/* x has five readers, one of them twice; sums that nothing absorbs and such that something does. */
static void tail_add(sg_builder *b, int x, const op_case *c)
{
    const sg_conv_attr same = {c->channels, {3, 1, 1}, 1, true};
    int pooled = sg_build_maxpool(b, x, &(sg_window){3, 1, 1});
    int y = sg_build_add(b, pooled, sg_build_relu(b, x));
    int z = sg_build_add(b, x, x);
    int w = sg_build_add(b, sg_build_conv(b, x, &same, "conv"), y);
    sg_build_add(b, sg_build_relu(b, w), z);
}

/* A residual block whose shortcut has weights, as in ResNet-18: of two branches the later one absorbs the sum. */
static void tail_block(sg_builder *b, int x, const op_case *c)
{
    const sg_conv_attr side = {c->conv.channels, {1, c->conv.window.stride, 0}, 1, false};
    int y = sg_build_batchnorm(b, sg_build_conv(b, x, &c->conv, "conv"), "bn");
    int shortcut = sg_build_batchnorm(b, sg_build_conv(b, x, &side, "side"), "side_bn");
    sg_build_relu(b, sg_build_add(b, y, shortcut));
}

static void run(op_case c, sg_shape input, size_t batch, uint64_t seed)
{
    test_net t = test_net_built(input, build_case, &c, seed);
    test_against_reference(&t, (sg_plan_options){.purpose = SG_ENCODE, .batch = batch}, NULL, 0, BOUND);
    test_against_reference(&t, (sg_plan_options){.purpose = SG_ATTACK, .batch = batch}, NULL, 0, BOUND);
    test_against_reference(&t, (sg_plan_options){.purpose = SG_TRAIN, .batch = batch}, NULL, 0, BOUND);
    test_against_reference(
        &t, (sg_plan_options){.purpose = SG_TRAIN, .batch = batch, .frozen_bn = true, .input_gradient = true},
        NULL, 0, BOUND);
    test_net_free(&t);
}

static int64_t draw(sg_rng *rng, int64_t lo, int64_t hi)
{
    return lo + (int64_t)sg_rng_below(rng, (uint64_t)(hi - lo + 1));
}

static sg_shape draw_input(sg_rng *rng)
{
    return (sg_shape){draw(rng, 1, 3), draw(rng, 5, 12), draw(rng, 5, 12)};
}

static sg_conv_attr draw_conv(sg_rng *rng, int64_t groups)
{
    sg_window w = {draw(rng, 1, 5), draw(rng, 1, 3), 0};
    w.pad = draw(rng, 0, w.kernel / 2);
    return (sg_conv_attr){groups * draw(rng, 1, 40 / groups), w, groups, draw(rng, 0, 1)};
}

static void convolutions(void **state)
{
    (void)state;
    sg_rng rng = sg_rng_at(7, SG_RNG_TEST, 0, 0);
    for (uint64_t i = 0; i < 12; i++) {
        op_case c = {draw(&rng, 1, 40), draw_conv(&rng, 1), .tail = i % 2 ? tail_conv : tail_conv_relu};
        run(c, draw_input(&rng), (size_t)draw(&rng, 1, 3), i);
    }
}

static void grouped_convolutions(void **state)
{
    (void)state;
    sg_rng rng = sg_rng_at(8, SG_RNG_TEST, 0, 0);
    for (uint64_t i = 0; i < 6; i++) {
        int64_t groups = draw(&rng, 2, 5);
        op_case c = {groups * draw(&rng, 1, 6), draw_conv(&rng, groups), .tail = tail_conv};
        run(c, draw_input(&rng), (size_t)draw(&rng, 1, 3), i);
    }
    op_case depthwise = {32, {32, {3, 1, 1}, 32, false}, .tail = tail_conv_relu};
    run(depthwise, (sg_shape){3, 9, 7}, 2, 0);
}

static void first_convolutions(void **state)
{
    (void)state;
    sg_rng rng = sg_rng_at(9, SG_RNG_TEST, 0, 0);
    for (uint64_t i = 0; i < 8; i++) {
        op_case c = {0, draw_conv(&rng, 1), .tail = i % 2 ? tail_conv : tail_conv_relu};
        run(c, draw_input(&rng), (size_t)draw(&rng, 1, 3), i);
    }
}

static void linear_layers(void **state)
{
    (void)state;
    sg_rng rng = sg_rng_at(10, SG_RNG_TEST, 0, 0);
    for (uint64_t i = 0; i < 6; i++) {
        op_case c = {
            draw(&rng, 1, 40), {.channels = draw(&rng, 1, 70)}, .tail = i % 2 ? tail_linear : tail_flatten};
        run(c, draw_input(&rng), (size_t)draw(&rng, 1, 3), i);
    }
    op_case plain = {0, {.channels = 20}, .tail = tail_linear}; /* flattens the input itself */
    run(plain, (sg_shape){3, 5, 4}, 2, 0);
}

static void others(void **state)
{
    (void)state;
    void (*const tails[])(sg_builder *, int, const op_case *) = {tail_batchnorm, tail_relu, tail_avgpool,
                                                                 tail_add};
    sg_rng rng = sg_rng_at(11, SG_RNG_TEST, 0, 0);
    for (size_t t = 0; t < sizeof tails / sizeof *tails; t++)
        for (uint64_t i = 0; i < 3; i++) {
            op_case c = {t == 0 && i == 0 ? 0 : draw(&rng, 1, 40), .tail = tails[t]};
            run(c, draw_input(&rng), (size_t)draw(&rng, 1, 4), i);
        }
}

static void max_pools(void **state)
{
    (void)state;
    sg_rng rng = sg_rng_at(12, SG_RNG_TEST, 0, 0);
    for (uint64_t i = 0; i < 6; i++) {
        sg_window w = {draw(&rng, 1, 4), draw(&rng, 1, 3), 0};
        w.pad = draw(&rng, 0, w.kernel / 2);
        op_case c = {draw(&rng, 1, 40), .window = w, .tail = tail_maxpool};
        run(c, draw_input(&rng), (size_t)draw(&rng, 1, 3), i);
    }
}

static void shortcuts(void **state)
{
    (void)state;
    sg_rng rng = sg_rng_at(13, SG_RNG_TEST, 0, 0);
    for (uint64_t i = 0; i < 5; i++) {
        int64_t channels = draw(&rng, 1, 40);
        op_case c = {channels, {.channels = channels + draw(&rng, 0, 50)}, .tail = tail_shortcut};
        run(c, draw_input(&rng), (size_t)draw(&rng, 1, 3), i);
    }
}

/* (With few channels in, side.weight's gradient before batch-norm is what cancellation leaves, and no bound holds.) */
static void residual_blocks(void **state)
{
    (void)state;
    sg_rng rng = sg_rng_at(14, SG_RNG_TEST, 0, 0);
    for (uint64_t i = 0; i < 4; i++) {
        op_case c = {
            draw(&rng, 8, 40), {draw(&rng, 1, 40), {3, 1 + (int64_t)i % 2, 1}, 1, false}, .tail = tail_block};
        run(c, draw_input(&rng), (size_t)draw(&rng, 2, 4), i);
    }
}

/* A bias before batch-norm: folded with it in evaluation; on batch statistics its gradient is 0. */
static void bias_before_batchnorm(void **state)
{
    (void)state;
    op_case c = {12, {20, {3, 1, 1}, 1, true}, .tail = tail_block};
    test_net t = test_net_built((sg_shape){3, 8, 9}, build_case, &c, 1);
    test_against_reference(&t, (sg_plan_options){.purpose = SG_ENCODE, .batch = 3}, NULL, 0, BOUND);
    test_against_reference(&t, (sg_plan_options){.purpose = SG_ATTACK, .batch = 3}, NULL, 0, BOUND);
    test_against_reference(&t, (sg_plan_options){.purpose = SG_TRAIN, .batch = 3, .frozen_bn = true}, NULL, 0,
                           BOUND);
    test_net_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolutions),
        cmocka_unit_test(grouped_convolutions),
        cmocka_unit_test(first_convolutions),
        cmocka_unit_test(linear_layers),
        cmocka_unit_test(others),
        cmocka_unit_test(max_pools),
        cmocka_unit_test(shortcuts),
        cmocka_unit_test(residual_blocks),
        cmocka_unit_test(bias_before_batchnorm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
