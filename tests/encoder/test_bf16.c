/* Plans in bf16 beside those in f32: rounding as written down, gradients, and a net that learns. (Every op in bf16 is
 * compared with its twin in test_op.c.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "encoder/number_impl.h"
#include "support.h"

#include <math.h>
#include <signet/cpu.h>
#include <signet/mem.h>

/* The nearest, ties to even, by doubles; both zeros, infinities, and what overflows. */
static void numbers_are_rounded(void **state)
{
    (void)state;
    static const struct {
        float value, rounded;
    } cases[] = {{1, 1},
                 {0x1.01p0f, 0x1.00p0f}, /* ties */
                 {0x1.03p0f, 0x1.04p0f},
                 {-0x1.03p0f, -0x1.04p0f},
                 {0x1.010002p0f, 0x1.02p0f},
                 {0x1.fffffep5f, 0x1p6f},
                 {0x1.fffffep127f, INFINITY},
                 {-INFINITY, -INFINITY},
                 {0, 0}};
    uint16_t bits;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sg_number_set(SG_BF16, &bits, 0, cases[i].value);
        assert_true(sg_number_get(SG_BF16, &bits, 0) == cases[i].rounded);
    }
    sg_number_set(SG_BF16, &bits, 0, NAN);
    assert_true(isnan(sg_number_get(SG_BF16, &bits, 0)));
    sg_number_set(SG_BF16, &bits, 0, -0.0f);
    assert_int_equal(bits, 0x8000);
    float *x = test_random(1000, -3, 3, 1);
    for (size_t i = 0; i < 1000; i++) {
        sg_number_set(SG_BF16, &bits, 0, x[i]);
        assert_true((double)sg_number_get(SG_BF16, &bits, 0) == sg_bf16_rounded((double)x[i]));
    }
    sg_free(x);
}

static double cosine(const float *a, const float *b, size_t n)
{
    double ab = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < n; i++) {
        ab += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return ab / sqrt(aa * bb);
}

/* z, dx and all gradients of a training step on 16 images. */
static void step(const test_net *t, sg_precision precision, float *z, float *dx, float *grads)
{
    enum { N = 16 };
    const sg_plan_options options = {
        .purpose = SG_TRAIN, .batch = N, .precision = precision, .input_gradient = true};
    float *x = test_random(N * sg_net_input_size(t->net), 0, 1, 2),
          *dz = test_random(N * sg_net_output_size(t->net), -1, 1, 3);
    sg_plan *plan;
    assert_true(sg_plan_new(&plan, t->net, &options, NULL));
    sg_plan_load(plan, t->params, NULL, 0);
    sg_plan_forward(plan, x, z);
    sg_plan_backward(plan, dz, grads, dx);
    sg_plan_free(plan);
    sg_free(x);
    sg_free(dz);
}

/* (In each of the 20 layers rounding turns one ReLU in 500 or so, hence no closer bound.) */
static void check_gradients(const char *arch, int64_t channels, int64_t side)
{
    enum { K = 32, N = 16 };
    test_net t = test_net_of(arch, channels, side, K);
    const size_t sizes[] = {N * K, N * sg_net_input_size(t.net), t.params->size};
    float *v[2][3];
    for (int p = 0; p < 2; p++) {
        for (int i = 0; i < 3; i++) assert_non_null(v[p][i] = sg_calloc(sizes[i], sizeof(float)));
        step(&t, p ? SG_BF16 : SG_F32, v[p][0], v[p][1], v[p][2]);
    }
    for (int i = 0; i < 3; i++) {
        const double similarity = cosine(v[0][i], v[1][i], sizes[i]);
        if (!(similarity > 0.95)) fail_msg("%s: cosine %g of %s", arch, similarity, i ? "a gradient" : "z");
        assert_true(similarity < 1); /* it is not f32 */
        sg_free(v[0][i]);
        sg_free(v[1][i]);
    }
    test_net_free(&t);
}

static void gradients(void **state)
{
    (void)state;
    if (!sg_precision_supported(SG_BF16)) skip();
    check_gradients("lenet", 1, 32);
    check_gradients("lenet-cifar", 3, 32);
    check_gradients("resnet20", 1, 28);
}

/* 60 steps of gradient descent towards fixed outputs. The first and the last sum of squares. */
static void descend(sg_precision precision, double *first, double *last)
{
    enum { N = 16, K = 8, STEPS = 60 };
    test_net t = test_net_of("resnet20", 1, 16, K);
    float *x = test_random(N * 256, 0, 1, 2), *target = test_random(N * K, -1, 1, 3), z[N * K], dz[N * K];
    float *grads = sg_alloc(t.params->size, sizeof *grads);
    sg_plan *plan;
    assert_non_null(grads);
    const sg_plan_options options = {.purpose = SG_TRAIN, .batch = N, .precision = precision};
    assert_true(sg_plan_new(&plan, t.net, &options, NULL));
    for (uint64_t s = 0; s <= STEPS; s++) {
        sg_plan_load(plan, t.params, NULL, s);
        sg_plan_train_forward(plan, t.params, x, z);
        *last = 0;
        for (size_t i = 0; i < N * K; i++) {
            dz[i] = (z[i] - target[i]) / N;
            *last += (double)(z[i] - target[i]) * (double)(z[i] - target[i]);
        }
        if (s == 0) *first = *last;
        sg_plan_backward(plan, dz, grads, NULL);
        for (size_t i = 0; i < t.params->size; i++) t.params->block[i] -= 0.02f * grads[i];
    }
    sg_plan_free(plan);
    sg_free(x);
    sg_free(target);
    sg_free(grads);
    test_net_free(&t);
}

static void learning(void **state)
{
    (void)state;
    double first[2], last[2];
    if (!sg_precision_supported(SG_BF16)) skip();
    descend(SG_F32, &first[0], &last[0]);
    descend(SG_BF16, &first[1], &last[1]);
    assert_true(fabs(first[1] - first[0]) < 0.02 * first[0]);
    assert_true(last[0] < 0.1 * first[0]);
    if (!(fabs(last[1] - last[0]) < 0.02 * first[0]))
        fail_msg("from %g to %g, in f32 to %g", first[1], last[1], last[0]);
}

/* oneDNN's backward by weights spins at a barrier: slow on a busy machine. */
static int one_thread(void **state)
{
    (void)state;
    sg_threads_set(1);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_rounded),
        cmocka_unit_test(gradients),
        cmocka_unit_test(learning),
    };
    return cmocka_run_group_tests(tests, one_thread, NULL);
}
