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

#define BOUND      1e-5
#define BOUND_BF16 (8 * 0x1p-9) /* a gradient is rounded a few times on its way, by up to 2^-9 */

typedef struct op_case {
    int64_t channels; /* that the op under test gets; from a convolution, or 0: it gets the input itself */
    sg_conv_attr conv;
    sg_window window;
    bool ceil;
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
    if (c->ceil)
        sg_build_maxpool_ceil(b, x, &c->window);
    else
        sg_build_maxpool(b, x, &c->window);
}

/* Values here are small: they are cut off at less than 6. */
static int relu6(sg_builder *b, int x)
{
    x = sg_build_relu6(b, x);
    b->net->nodes[x].attr.top = 0.25f;
    return x;
}

static void tail_relu6(sg_builder *b, int x, const op_case *c)
{
    (void)c;
    relu6(b, sg_build_maxpool(b, x, &(sg_window){1, 1, 0}));
}

/* As in MobileNet: folded, absorbed; in training batch-norm absorbs ReLU6. */
static void tail_depthwise(sg_builder *b, int x, const op_case *c)
{
    relu6(b, sg_build_batchnorm(b, sg_build_conv(b, x, &c->conv, "conv"), "bn"));
}

static void tail_adaptive(sg_builder *b, int x, const op_case *c)
{
    sg_build_adaptive(b, x, c->window.kernel, c->window.stride);
}

/* The sources' channels seldom fill a block; x is read twice. */
static void tail_concat(sg_builder *b, int x, const op_case *c)
{
    const sg_conv_attr same = {c->conv.channels, {3, 1, 1}, 1, true};
    int y = sg_build_relu(b, sg_build_conv(b, x, &same, "conv"));
    sg_build_concat(b, sg_build_concat(b, x, y), x);
}

/* Between two ops that would absorb it, on one pixel and on many, and where its source has another reader. */
static void tail_dropout(sg_builder *b, int x, const op_case *c)
{
    const sg_conv_attr same = {c->channels, {3, 1, 1}, 1, true};
    int y = sg_build_dropout(b, sg_build_conv(b, x, &same, "conv"), 0.3f);
    y = sg_build_maxpool(b, sg_build_relu(b, y), &(sg_window){2, 2, 0});
    y = sg_build_avgpool(b, sg_build_dropout(b, y, 0.6f));
    x = sg_build_avgpool(b, x);
    sg_build_add(b, sg_build_add(b, sg_build_dropout(b, x, 0.5f), x), y);
}

static void tail_pad(sg_builder *b, int x, const op_case *c)
{
    tail_conv(b, sg_build_pad(b, x, c->window.pad), c);
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
    for (sg_precision p = SG_F32; p <= SG_BF16 && sg_precision_supported(p); p++) {
        const sg_plan_options all[] = {
            {.purpose = SG_ENCODE},
            {.purpose = SG_ATTACK},
            {.purpose = SG_TRAIN},
            {.purpose = SG_TRAIN, .frozen_bn = true, .input_gradient = true},
        };
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
            sg_plan_options options = all[i];
            options.batch = batch;
            options.precision = p;
            test_against_reference(&t, options, NULL, 0, p == SG_BF16 ? BOUND_BF16 : BOUND);
        }
    }
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
}

static void depthwise_convolutions(void **state)
{
    (void)state;
    sg_rng rng = sg_rng_at(15, SG_RNG_TEST, 0, 0);
    for (uint64_t i = 0; i < 6; i++) {
        int64_t channels = i == 0 ? 32 : draw(&rng, 2, 60);
        op_case c = {channels, {channels, {3, draw(&rng, 1, 2), 1}, channels, false}, .tail = tail_depthwise};
        run(c, draw_input(&rng), (size_t)draw(&rng, 2, 4), i);
    }
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
    void (*const tails[])(sg_builder *, int, const op_case *) = {tail_batchnorm, tail_relu, tail_relu6,
                                                                 tail_avgpool, tail_add};
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
    for (uint64_t i = 0; i < 16; i++) {
        sg_window w = {draw(&rng, 1, 4), draw(&rng, 1, 3), 0};
        w.pad = draw(&rng, 0, w.kernel / 2);
        op_case c = {draw(&rng, 1, 40), .window = w, .ceil = i >= 6, .tail = tail_maxpool};
        run(c, draw_input(&rng), (size_t)draw(&rng, 1, 3), i);
    }
}

/* Where PyTorch's ceil_mode gives one more, one that would start behind the edge does not count. */
static void sizes_of_ceil_mode(void **state)
{
    (void)state;
    static const struct {
        sg_window window;
        int64_t size, result;
    } cases[] = {{{3, 2, 0}, 7, 3}, {{3, 2, 0}, 8, 4}, {{3, 2, 0}, 2, 1},
                 {{3, 2, 1}, 4, 3}, {{2, 3, 0}, 6, 2}, {{1, 3, 0}, 5, 2},
                 {{2, 4, 1}, 7, 2}, {{3, 1, 1}, 5, 5}, {{2, 2, 1}, 54, 28}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        op_case c = {4, .window = cases[i].window, .ceil = true, .tail = tail_maxpool};
        test_net t = test_net_built((sg_shape){1, cases[i].size, cases[i].size}, build_case, &c, 0);
        assert_int_equal(t.net->nodes[t.net->nnodes - 1].out.w, cases[i].result);
        test_net_free(&t);
    }
}

static void adaptive_pools(void **state)
{
    (void)state;
    sg_rng rng = sg_rng_at(16, SG_RNG_TEST, 0, 0);
    for (uint64_t i = 0; i < 8; i++) {
        op_case c = {draw(&rng, 1, 40), .window = {draw(&rng, 1, 9), draw(&rng, 1, 9), 0},
                     .tail = tail_adaptive};
        run(c, draw_input(&rng), (size_t)draw(&rng, 1, 3), i);
    }
}

/* Behind the input itself too, whose layout is another. */
static void pads(void **state)
{
    (void)state;
    sg_rng rng = sg_rng_at(19, SG_RNG_TEST, 0, 0);
    for (uint64_t i = 0; i < 6; i++) {
        op_case c = {i < 3 ? 0 : draw(&rng, 1, 40), draw_conv(&rng, 1), .tail = tail_pad};
        c.window.pad = draw(&rng, 1, 3);
        run(c, draw_input(&rng), (size_t)draw(&rng, 1, 3), i);
    }
}

static void concatenations(void **state)
{
    (void)state;
    sg_rng rng = sg_rng_at(17, SG_RNG_TEST, 0, 0);
    for (uint64_t i = 0; i < 6; i++) {
        op_case c = {i == 0 ? 16 : draw(&rng, 1, 40),
                     {.channels = i == 0 ? 32 : draw(&rng, 1, 40)},
                     .tail = tail_concat};
        run(c, draw_input(&rng), (size_t)draw(&rng, 1, 3), i);
    }
}

static void dropouts(void **state)
{
    (void)state;
    sg_rng rng = sg_rng_at(18, SG_RNG_TEST, 0, 0);
    for (uint64_t i = 0; i < 3; i++) {
        const size_t batch = (size_t)draw(&rng, 1, 4);
        op_case c = {draw(&rng, 1, 40), .tail = tail_dropout};
        run(c, draw_input(&rng), batch, i);
        test_net t = test_net_built(draw_input(&rng), build_case, &c, i);
        sg_plan_options o = {.purpose = SG_TRAIN, .batch = batch, .input_gradient = true, .seed = 7 + i};
        test_against_reference(&t, o, NULL, 5, BOUND);
        o.no_dropout = true;
        test_against_reference(&t, o, NULL, 5, BOUND);
        test_net_free(&t);
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
        cmocka_unit_test(depthwise_convolutions),
        cmocka_unit_test(first_convolutions),
        cmocka_unit_test(linear_layers),
        cmocka_unit_test(others),
        cmocka_unit_test(max_pools),
        cmocka_unit_test(sizes_of_ceil_mode),
        cmocka_unit_test(adaptive_pools),
        cmocka_unit_test(pads),
        cmocka_unit_test(concatenations),
        cmocka_unit_test(dropouts),
        cmocka_unit_test(shortcuts),
        cmocka_unit_test(residual_blocks),
        cmocka_unit_test(bias_before_batchnorm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
