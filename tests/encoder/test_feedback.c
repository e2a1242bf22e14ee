/* Rules: B against its definition written out here, the oracles of FORMULAS section 1, and plans that send B down. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "support.h"

#include <math.h>
#include <signet/cpu.h>
#include <signet/mem.h>
#include <signet/random.h>
#include <string.h>

/* ---- B itself ---- */

static void build_conv_linear(sg_builder *b, void *context)
{
    const int64_t *outputs = context;
    const sg_conv_attr attr = {24, {3, 1, 1}, 1, true};
    int x = sg_build_conv(b, sg_build_normalize(b), &attr, "conv");
    sg_build_linear(b, sg_build_relu(b, x), outputs[0], "fc");
}

/* One convolution (24, 3, 3, 3) and one linear layer (out, 24 h w). */
static test_net conv_linear(int64_t outputs, int64_t side)
{
    return test_net_built((sg_shape){3, side, side}, build_conv_linear, &outputs, 3);
}

static float *fill(const test_net *t, const sg_feedback *fb, const sg_tensor *w, uint64_t step)
{
    float *B = sg_alloc(w->size, sizeof *B);
    assert_non_null(B);
    sg_feedback_fill(B, fb, t->params, w, step);
    return B;
}

static sg_feedback feedback(const test_net *t, const char *rule, const char *scale, uint64_t seed)
{
    sg_feedback fb;
    sg_error err = {0};
    if (!sg_feedback_init(&fb, rule, scale, seed, t->params, &err)) fail_msg("%s", err.message);
    return fb;
}

static double sign(float w)
{
    return w > 0 ? 1 : w < 0 ? -1 : 0;
}

static void definitions(void **state)
{
    (void)state;
    test_net t = conv_linear(40, 4);
    const sg_tensor *w = sg_params_find(t.params, "fc.weight");
    float *W = t.params->block + w->offset;
    for (size_t i = 0; i < w->size; i += 5) W[i] = i % 2 ? 0.0f : -0.0f; /* sign(0) = 0 */
    double squares = 0, nonzero = 0;
    for (size_t i = 0; i < w->size; i++) {
        squares += (double)W[i] * (double)W[i];
        nonzero += W[i] != 0;
    }
    const double s = sqrt(squares / nonzero);
    size_t n;
    const char *const *rules = sg_rule_names(&n);
    assert_int_equal(n, 5);
    for (size_t r = 0; r < n; r++)
        for (uint64_t step = 0; step < 2; step++) {
            sg_feedback fb = feedback(&t, rules[r], NULL, 11);
            float *B = fill(&t, &fb, w, step);
            const bool redrawn = strcmp(rules[r], "brsf") == 0;
            sg_rng rng = sg_rng_at(11, SG_RNG_FEEDBACK, sg_name_hash("fc.weight"), redrawn ? step : 0);
            for (size_t i = 0; i < w->size; i++) {
                const double R = (2 * (double)sg_rng_uniform(&rng) - 1) * sqrt(3) * s;
                const double expected = strcmp(rules[r], "bp") == 0    ? (double)W[i]
                                        : strcmp(rules[r], "usf") == 0 ? s * sign(W[i])
                                        : strcmp(rules[r], "fa") == 0  ? R
                                                                       : fabs(R) * sign(W[i]);
                assert_true(fabs((double)B[i] - expected) <= 1e-6 * s);
            }
            sg_free(B);
            sg_feedback_clear(&fb);
        }
    test_net_free(&t);
}

static void scales(void **state)
{
    (void)state;
    test_net t = conv_linear(40, 4);
    const struct {
        const char *kind;
        double conv, linear;
    } cases[] = {
        {"xavier", sqrt(2.0 / (27 + 216)), sqrt(2.0 / (384 + 40))},
        {"fan-in", 1 / sqrt(3.0 * 27), 1 / sqrt(3.0 * 384)},
        {"he", sqrt(2.0 / 216), 1 / sqrt(384.0)},
    };
    for (size_t i = 0; i < 3; i++) {
        sg_feedback fb = feedback(&t, "usf", cases[i].kind, 0);
        assert_int_equal(fb.nscales, 2);
        assert_true(fabs((double)fb.scales[0] / cases[i].conv - 1) < 1e-6);
        assert_true(fabs((double)fb.scales[1] / cases[i].linear - 1) < 1e-6);
        sg_feedback_clear(&fb);
    }
    test_net_free(&t);
}

/* norm stays with the weights as loaded, norm-live follows them. */
static void norm_and_norm_live(void **state)
{
    (void)state;
    test_net t = conv_linear(40, 4);
    const sg_tensor *w = sg_params_find(t.params, "conv.weight");
    sg_feedback norm = feedback(&t, "usf", "norm", 0), live = feedback(&t, "usf", "norm-live", 0);
    float before, *B;
    B = fill(&t, &live, w, 0);
    before = fabsf(B[0]);
    sg_free(B);
    for (size_t i = 0; i < w->size; i++) t.params->block[w->offset + i] *= 2;
    B = fill(&t, &norm, w, 0);
    assert_true(fabsf(B[0]) == before);
    sg_free(B);
    B = fill(&t, &live, w, 0);
    assert_true(fabsf(B[0]) == 2 * before);
    sg_free(B);
    memset(t.params->block + w->offset, 0, w->size * sizeof(float)); /* nothing to take a norm of */
    B = fill(&t, &live, w, 0);
    assert_true(B[0] == 0 && B[w->size - 1] == 0);
    sg_free(B);
    sg_feedback_clear(&norm);
    sg_feedback_clear(&live);
    test_net_free(&t);
}

static void angles_and_norms(void **state)
{
    (void)state;
    const struct {
        const char *rule;
        double uniform, gaussian, within;
    } cases[] = {{"bp", 0, 0, 0.1},
                 {"usf", 30.0, 37.1, 0.2},
                 {"frsf", 41.4, 46.3, 0.2},
                 {"brsf", 41.4, 46.3, 0.2},
                 {"fa", 90, 90, 0.4}};
    test_net t = conv_linear(260, 8); /* fc.weight: 4e5 */
    const sg_tensor *w = sg_params_find(t.params, "fc.weight");
    assert_true(w->size >= 399000);
    for (int gaussian = 0; gaussian < 2; gaussian++) {
        sg_rng rng = sg_rng_at(1, SG_RNG_TEST, 0, 0);
        for (size_t i = 0; i < w->size; i++)
            t.params->block[w->offset + i] =
                gaussian ? (float)sg_rng_normal(&rng) : 2 * sg_rng_uniform(&rng) - 1;
        for (size_t c = 0; c < 5; c++) {
            float angle[2], ratio[2];
            sg_feedback fb = feedback(&t, cases[c].rule, "norm", 7);
            assert_true(sg_feedback_angles(angle, ratio, &fb, t.params, 0, NULL));
            assert_true(fabs((double)angle[1] - (gaussian ? cases[c].gaussian : cases[c].uniform)) <=
                        cases[c].within);
            assert_true(fabs((double)ratio[1] - 1) <= (c < 2 ? 1e-5 : 0.01));
            sg_feedback_clear(&fb);
        }
    }
    test_net_free(&t);
}

static void same_for_any_threads(void **state)
{
    (void)state;
    test_net t = conv_linear(40, 5);
    const sg_tensor *w = sg_params_find(t.params, "fc.weight");
    const int threads = sg_threads();
    sg_feedback fb = feedback(&t, "brsf", NULL, 3);
    float *B[3];
    for (int n = 0; n < 3; n++) {
        sg_threads_set(n + 1);
        B[n] = fill(&t, &fb, w, 9);
        assert_memory_equal(B[n], B[0], w->size * sizeof(float));
    }
    sg_threads_set(threads);
    for (int n = 0; n < 3; n++) sg_free(B[n]);
    sg_feedback_clear(&fb);
    test_net_free(&t);
}

static void exact_head(void **state)
{
    (void)state;
    test_net t = test_net_of("lenet", 1, 32, 16);
    const sg_tensor *head = sg_params_find(t.params, "head.weight"),
                    *fc1 = sg_params_find(t.params, "fc1.weight");
    sg_feedback fb = feedback(&t, "usf", NULL, 3);
    fb.exact_head = true;
    float *B = fill(&t, &fb, head, 0);
    assert_memory_equal(B, t.params->block + head->offset, head->size * sizeof *B);
    sg_free(B);
    B = fill(&t, &fb, fc1, 0);
    assert_true(B[0] != t.params->block[fc1->offset]);
    sg_free(B);
    sg_feedback_clear(&fb);
    test_net_free(&t);
}

static void errors_and_copies(void **state)
{
    (void)state;
    test_net t = conv_linear(8, 4);
    sg_feedback fb, copy;
    sg_error err = {0};
    assert_false(sg_feedback_init(&fb, "dfa", NULL, 0, t.params, &err));
    assert_int_equal(err.code, SG_ERR_USAGE);
    assert_string_equal(err.message, "unknown rule 'dfa' (there are bp, usf, frsf, brsf, fa)");
    assert_false(sg_feedback_init(&fb, "usf", "huge", 0, t.params, &err));
    assert_int_equal(err.code, SG_ERR_USAGE);
    sg_mem_fail_at(1);
    assert_false(sg_feedback_init(&fb, "usf", NULL, 0, t.params, &err));
    sg_mem_fail_at(0);
    assert_int_equal(err.code, SG_ERR_MEMORY);
    assert_null(fb.scales);
    fb = feedback(&t, "usf", NULL, 4);
    sg_mem_fail_at(1);
    assert_false(sg_feedback_copy(&copy, &fb, &err));
    assert_null(copy.scales);
    sg_mem_fail_at(1);
    assert_false(sg_feedback_angles((float[2]){0}, (float[2]){0}, &fb, t.params, 0, &err));
    sg_mem_fail_at(0);
    assert_true(sg_feedback_copy(&copy, &fb, &err));
    assert_memory_equal(copy.scales, fb.scales, 2 * sizeof(float));
    assert_string_equal(sg_rule_name(copy.rule), "usf");
    sg_feedback_clear(&copy);
    sg_feedback_clear(&fb);
    fb = feedback(&t, "bp", NULL, 4);
    assert_null(fb.scales);
    assert_true(sg_feedback_copy(&copy, &fb, &err));
    sg_feedback_clear(&copy);
    size_t n;
    const char *const *names = sg_rule_names(&n);
    for (size_t i = 0; i < n; i++) assert_string_equal(sg_rule_name(sg_rule_find(names[i], NULL)), names[i]);
    test_net_free(&t);
}

/* ---- B in plans ---- */

/* The input gradient of a convolution and of a linear layer, and all gradients of nets, by the reference with B. */
static void plans_send_B(void **state)
{
    (void)state;
    size_t n;
    const char *const *rules = sg_rule_names(&n);
    test_net small = conv_linear(13, 5), lenet = test_net_of("lenet", 1, 32, 16);
    test_net resnet = test_net_of("resnet20", 3, 9, 16);
    for (size_t r = 0; r < n; r++) {
        sg_plan_options attack = {.purpose = SG_ATTACK, .batch = 2};
        sg_plan_options train = {.purpose = SG_TRAIN, .batch = 3, .input_gradient = true};
        sg_feedback fb = feedback(&small, rules[r], NULL, 5);
        test_against_reference(&small, attack, &fb, 0, 1e-5);
        test_against_reference(&small, train, &fb, 3, 1e-5);
        sg_feedback_clear(&fb);
        fb = feedback(&lenet, rules[r], "he", 5);
        test_against_reference(&lenet, attack, &fb, 0, 1e-5);
        test_against_reference(&lenet, train, &fb, 3, 1e-5);
        sg_feedback_clear(&fb);
        fb = feedback(&resnet, rules[r], NULL, 5);
        test_against_reference(&resnet, attack, &fb, 0, 1e-5);
        test_against_reference(&resnet, train, &fb, 3, 1e-4);
        sg_feedback_clear(&fb);
    }
    test_net_free(&small);
    test_net_free(&lenet);
    test_net_free(&resnet);
}

typedef struct gradients {
    float *grads, *dx;
} gradients;

static gradients backward(const test_net *t, sg_purpose purpose, const sg_feedback *fb)
{
    const sg_plan_options options = {.purpose = purpose, .batch = 4, .input_gradient = true};
    const size_t in = 4 * sg_net_input_size(t->net), out = 4 * sg_net_output_size(t->net);
    float *x = test_random(in, 0, 1, 2), *dz = test_random(out, -1, 1, 3), *z = sg_alloc(out, sizeof *z);
    gradients g = {sg_calloc(t->params->size, sizeof *g.grads), sg_alloc(in, sizeof *g.dx)};
    sg_plan *plan;
    assert_true(sg_plan_new(&plan, t->net, &options, NULL));
    sg_plan_load(plan, t->params, fb, 0);
    sg_plan_forward(plan, x, z);
    sg_plan_backward(plan, dz, g.grads, g.dx);
    sg_plan_free(plan);
    sg_free(x);
    sg_free(dz);
    sg_free(z);
    return g;
}

static void gradients_free(gradients *g)
{
    sg_free(g->grads);
    sg_free(g->dx);
}

/* B := W is bp, bit for bit; so is the exact gradient (no feedback), whatever the model's rule. */
static void exact_is_bp(void **state)
{
    (void)state;
    test_net t = test_net_of("resnet20", 1, 12, 16);
    sg_feedback bp = feedback(&t, "bp", NULL, 0);
    for (sg_purpose purpose = SG_ATTACK; purpose <= SG_TRAIN; purpose++) {
        gradients exact = backward(&t, purpose, NULL), by_bp = backward(&t, purpose, &bp);
        assert_memory_equal(exact.dx, by_bp.dx, 4 * sg_net_input_size(t.net) * sizeof(float));
        assert_memory_equal(exact.grads, by_bp.grads, t.params->size * sizeof(float));
        gradients_free(&exact);
        gradients_free(&by_bp);
    }
    test_net_free(&t);
}

/* Where all weights of a layer have one magnitude, usf's B of norm scale is W: its gradient is bp's. */
static void usf_of_equal_magnitudes_is_bp(void **state)
{
    (void)state;
    test_net t = test_net_of("lenet", 1, 32, 16);
    for (size_t i = 0; i < t.params->ntensors; i++) {
        const sg_tensor *w = &t.params->tensors[i];
        float *v = t.params->block + w->offset;
        for (size_t j = 0; w->role == SG_TENSOR_WEIGHT && j < w->size; j++)
            v[j] = v[j] > 0 ? 0.125f : -0.125f;
    }
    sg_feedback usf = feedback(&t, "usf", NULL, 0);
    gradients exact = backward(&t, SG_ATTACK, NULL), by_usf = backward(&t, SG_ATTACK, &usf);
    assert_memory_equal(exact.dx, by_usf.dx, 4 * sg_net_input_size(t.net) * sizeof(float));
    gradients_free(&exact);
    gradients_free(&by_usf);
    sg_feedback_clear(&usf);
    test_net_free(&t);
}

/* The last layer's gradients are bp's bits under every rule, and the first layer's are not. */
static void last_layer_is_exact(void **state)
{
    (void)state;
    test_net t = test_net_of("resnet20", 1, 12, 16);
    const sg_tensor *last = sg_params_find(t.params, "head.weight"),
                    *bias = sg_params_find(t.params, "head.bias");
    const sg_tensor *first = sg_params_find(t.params, "conv1.weight");
    gradients exact = backward(&t, SG_TRAIN, NULL);
    size_t n;
    const char *const *rules = sg_rule_names(&n);
    for (size_t r = 1; r < n; r++) {
        sg_feedback fb = feedback(&t, rules[r], NULL, 3);
        gradients g = backward(&t, SG_TRAIN, &fb);
        assert_memory_equal(g.grads + last->offset, exact.grads + last->offset, last->size * sizeof(float));
        assert_memory_equal(g.grads + bias->offset, exact.grads + bias->offset, bias->size * sizeof(float));
        assert_memory_not_equal(g.grads + first->offset, exact.grads + first->offset,
                                first->size * sizeof(float));
        gradients_free(&g);
        sg_feedback_clear(&fb);
    }
    gradients_free(&exact);
    test_net_free(&t);
}

/* A convolution before batch-norm on batch statistics has <W_c, dW_c> = 0 for each output channel, under every rule, up
 * to eps / (var + eps): its result does not change with W_c's length. */
static void orthogonal_before_batchnorm(void **state)
{
    (void)state;
    test_net t = test_net_of("resnet20", 1, 20, 16);
    size_t n;
    const char *const *rules = sg_rule_names(&n);
    for (size_t r = 0; r < n; r++) {
        sg_feedback fb = feedback(&t, rules[r], NULL, 3);
        gradients g = backward(&t, SG_TRAIN, &fb);
        for (size_t i = 0; i < t.params->ntensors; i++) {
            const sg_tensor *w = &t.params->tensors[i];
            if (w->role != SG_TENSOR_WEIGHT || w->head) continue;
            const size_t rows = (size_t)w->dims[0], row = w->size / rows;
            for (size_t c = 0; c < rows; c++) {
                const float *W = t.params->block + w->offset + c * row, *dW = g.grads + w->offset + c * row;
                double product = 0, ww = 0, dd = 0;
                for (size_t j = 0; j < row; j++) {
                    product += (double)W[j] * (double)dW[j];
                    ww += (double)W[j] * (double)W[j];
                    dd += (double)dW[j] * (double)dW[j];
                }
                assert_true(fabs(product) <= 1e-3 * sqrt(ww * dd));
            }
        }
        gradients_free(&g);
        sg_feedback_clear(&fb);
    }
    test_net_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(definitions),          cmocka_unit_test(scales),
        cmocka_unit_test(norm_and_norm_live),   cmocka_unit_test(angles_and_norms),
        cmocka_unit_test(same_for_any_threads), cmocka_unit_test(exact_head),
        cmocka_unit_test(errors_and_copies),    cmocka_unit_test(plans_send_B),
        cmocka_unit_test(exact_is_bp),          cmocka_unit_test(usf_of_equal_magnitudes_is_bp),
        cmocka_unit_test(last_layer_is_exact),  cmocka_unit_test(orthogonal_before_batchnorm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
