/* Whole nets: plans against the double reference, whose own gradients are checked by finite differences. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "encoder/onednn_impl.h"
#include "support.h"

#include <math.h>
#include <pthread.h>
#include <signet/cpu.h>
#include <signet/mem.h>
#include <string.h>

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
    test_net t = test_net_of("resnet20", 1, 15, 32);
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

/* A net without its last layer gives what the hash head reads and takes what it sends down: the head by hand, behind
 * it, gives the hash's outputs and dx. */
static void check_features(const char *arch, int64_t channels, int64_t side, size_t expected)
{
    enum { N = 3, K = 16 };
    test_net hash = test_net_of(arch, channels, side, K), body;
    sg_net_spec spec = *sg_net_spec_of(hash.net);
    const float *W = hash.params->block + sg_params_find(hash.params, "head.weight")->offset;
    const float *bias = hash.params->block + sg_params_find(hash.params, "head.bias")->offset;
    const size_t in = N * sg_net_input_size(hash.net);
    float *x = test_random(in, 0, 1, 2), *dz = test_random(N * K, -1, 1, 3),
          *dx = sg_alloc(2 * in, sizeof *dx);
    float z[N * K], *f, *df;
    double by_hand[N * K], *dx_double = sg_alloc(in, sizeof *dx_double);
    sg_plan *whole, *plan;
    spec.head = SG_HEAD_FEATURES;
    spec.outputs = 0;
    assert_true(sg_net_new(&body.net, &spec, NULL) && sg_params_new(&body.params, body.net, NULL));
    const size_t size = sg_net_output_size(body.net);
    assert_int_equal(size, expected);
    assert_int_equal(sg_net_spec_of(body.net)->outputs, expected);
    assert_null(sg_params_find(body.params, "head.weight"));
    assert_int_equal(body.params->ntensors + 2, hash.params->ntensors);
    memcpy(body.params->block, hash.params->block, body.params->size * sizeof(float)); /* the head is last */
    f = sg_alloc(N * size, sizeof *f);
    df = sg_calloc(N * size, sizeof *df);
    assert_true(dx && dx_double && f && df);

    const sg_plan_options options = {.purpose = SG_ATTACK, .batch = N};
    assert_true(sg_plan_new(&whole, hash.net, &options, NULL) &&
                sg_plan_new(&plan, body.net, &options, NULL));
    sg_plan_load(whole, hash.params, NULL, 0);
    sg_plan_load(plan, body.params, NULL, 0);
    sg_plan_forward(whole, x, z);
    sg_plan_forward(plan, x, f);
    for (size_t i = 0; i < N * K; i++) {
        by_hand[i] = (double)bias[i % K];
        for (size_t j = 0; j < size; j++) {
            by_hand[i] += (double)W[i % K * size + j] * (double)f[i / K * size + j];
            df[i / K * size + j] += W[i % K * size + j] * dz[i];
        }
    }
    assert_true(test_error(z, by_hand, N * K) < 1e-5);
    sg_plan_backward(whole, dz, NULL, dx);
    sg_plan_backward(plan, df, NULL, dx + in);
    for (size_t i = 0; i < in; i++) dx_double[i] = (double)dx[i];
    assert_true(test_error(dx + in, dx_double, in) < 1e-4);

    sg_plan_free(whole);
    sg_plan_free(plan);
    test_net_free(&hash);
    test_net_free(&body);
    void *all[] = {x, dz, dx, dx_double, f, df};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) sg_free(all[i]);
}

static void features(void **state)
{
    (void)state;
    check_features("resnet20", 1, 15, 64);
    check_features("lenet", 1, 32, 84);
    check_features("lenet-cifar", 3, 32, 256);
}

/* No layer of a backbone falls back to oneDNN's reference kernels, nor to its gemm, whose bits depend on the batch.
 * (The larger nets' layers differ from theirs in nothing but size.) */
static void check_kernels(const sg_net *net, const sg_plan_options *options)
{
    sg_plan *plan;
    sg_error err = {0};
    if (!sg_plan_new(&plan, net, options, &err)) fail_msg("%s", err.message);
    for (size_t p = 0; p < plan->nprims; p++) {
        const char *kernel = sg_prim_kernel(plan->prims[p]);
        if (plan->prims[p]->phase != SG_LOAD && (strstr(kernel, "ref") || strstr(kernel, "gemm")))
            fail_msg("%s in %s: %s runs on %s", sg_net_spec_of(net)->arch,
                     sg_precision_name(options->precision), plan->prims[p]->step->node->name, kernel);
    }
    sg_plan_free(plan);
}

static void kernels_are_fast(void **state)
{
    (void)state;
    const char *arch;
    if (!sg_cpu_features()->avx2) skip();
    for (size_t i = 0; (arch = sg_backbone_name(i / 2)); i++) {
        sg_net_spec spec = {.arch = arch, .outputs = i % 2 ? 8 : 48, .std = {1, 1, 1}};
        sg_net *net;
        sg_error err = {0};
        assert_true(sg_backbone_input(arch, &spec.channels, &spec.height, &spec.width, NULL));
        if (!spec.channels) spec.channels = 3;
        assert_true(sg_net_new(&net, &spec, &err));
        for (sg_purpose purpose = SG_ENCODE; net->block_size < 30e6 && purpose <= SG_TRAIN; purpose++)
            for (sg_precision p = SG_F32; p <= SG_BF16 && sg_precision_supported(p); p++)
                check_kernels(net, &(sg_plan_options){.purpose = purpose,
                                                      .batch = spec.height > 32 ? 2 : 16,
                                                      .precision = p});
        sg_net_free(net);
    }
}

/* ---- running statistics ---- */

static void build_one_batchnorm(sg_builder *b, void *context)
{
    (void)context;
    sg_build_batchnorm(b, sg_build_normalize(b), "bn");
}

/* PyTorch: running = 0.9 running + 0.1 (batch mean, unbiased batch variance). */
static void running_statistics(void **state)
{
    (void)state;
    test_net t = test_net_built((sg_shape){3, 7, 5}, build_one_batchnorm, NULL, 1);
    enum { N = 4, PIXELS = 35, SIZE = N * 3 * PIXELS };
    float *x = test_random(SIZE, 0, 1, 8), z[SIZE];
    sg_plan *plan, *frozen;
    assert_true(sg_plan_new(&plan, t.net, &(sg_plan_options){.purpose = SG_TRAIN, .batch = N}, NULL));
    assert_true(sg_plan_new(&frozen, t.net,
                            &(sg_plan_options){.purpose = SG_TRAIN, .batch = N, .frozen_bn = true}, NULL));
    const float *mean = t.params->block + sg_params_find(t.params, "bn.running_mean")->offset;
    const float *var = t.params->block + sg_params_find(t.params, "bn.running_var")->offset;
    for (int step = 0; step < 3; step++) {
        double expected_mean[3], expected_var[3];
        for (int c = 0; c < 3; c++) {
            double sum = 0, squares = 0, m = N * PIXELS;
            for (int i = 0; i < N * PIXELS; i++) {
                const double v = ((double)x[(i / PIXELS * 3 + c) * PIXELS + i % PIXELS] - 0.4 - 0.1 * c) /
                                 (c == 0   ? 0.25
                                  : c == 1 ? 0.3
                                           : 0.2);
                sum += v;
                squares += v * v;
            }
            expected_mean[c] = 0.9 * (double)mean[c] + 0.1 * sum / m;
            expected_var[c] = 0.9 * (double)var[c] + 0.1 * (squares - sum * sum / m) / (m - 1);
        }
        sg_plan_load(plan, t.params, NULL, 0);
        sg_plan_load(frozen, t.params, NULL, 0);
        sg_plan_train_forward(plan, t.params, x, z);
        for (int pass = 0; pass < 2; pass++) { /* neither a plain forward nor a frozen one moves them */
            for (int c = 0; c < 3; c++) {
                assert_true(fabs((double)mean[c] - expected_mean[c]) < 1e-6);
                assert_true(fabs((double)var[c] - expected_var[c]) < 1e-6);
            }
            sg_plan_forward(plan, x, z);
            sg_plan_train_forward(frozen, t.params, x, z);
        }
    }
    sg_plan_free(plan);
    sg_plan_free(frozen);
    sg_free(x);
    test_net_free(&t);
}

/* ---- memory ---- */

/* 0 under the address sanitizer, which holds back what oneDNN frees. */
static size_t resident_pages(void)
{
#ifdef __SANITIZE_ADDRESS__
    return 0;
#endif
    long size = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%ld %ld", &size, &resident), 2);
    fclose(f);
    return (size_t)resident;
}

static void build_small(sg_builder *b, void *context)
{
    (void)context;
    const sg_conv_attr attr = {16, {3, 1, 1}, 1, false};
    int x = sg_build_relu(
        b, sg_build_batchnorm(b, sg_build_conv(b, sg_build_normalize(b), &attr, "conv1"), "bn1"));
    int y = sg_build_batchnorm(b, sg_build_conv(b, x, &attr, "conv2"), "bn2");
    x = sg_build_shortcut(b, sg_build_relu(b, sg_build_add(b, y, x)), 32);
    x = sg_build_avgpool(b, sg_build_maxpool(b, x, &(sg_window){2, 2, 0}));
    sg_build_head(b, x, "fc");
}

static void running_allocates_nothing(void **state)
{
    (void)state;
    test_net t = test_net_built((sg_shape){1, 8, 8}, build_small, NULL, 1);
    float *x = test_random(2 * 64, 0, 1, 2), *dz = test_random(16, -1, 1, 3), z[16], dx[128];
    float *grads = sg_alloc(t.params->size, sizeof *grads);
    const int threads = sg_threads();
    sg_threads_set(1); /* oneDNN's backward spins at a barrier: slow on a busy machine */
    for (sg_purpose purpose = SG_ENCODE; purpose <= SG_TRAIN; purpose++) {
        sg_plan *plan;
        sg_feedback fb;
        assert_true(sg_feedback_init(&fb, "brsf", NULL, 1, t.params, NULL));
        assert_true(sg_plan_new(&plan, t.net, &(sg_plan_options){.purpose = purpose, .batch = 2}, NULL));
        assert_true(sg_plan_nbytes(plan) > 0 && sg_plan_batch(plan) == 2);
        const uint64_t count = sg_mem_count();
        size_t pages = 0;
        for (int step = 0; step < 1000; step++) {
            sg_plan_load(plan, t.params, &fb, (uint64_t)step);
            sg_plan_train_forward(plan, t.params, x, z);
            if (purpose != SG_ENCODE) sg_plan_backward(plan, dz, grads, purpose == SG_ATTACK ? dx : NULL);
            if (step == 100) pages = resident_pages();
        }
        assert_int_equal(sg_mem_count(), count);
        assert_true(resident_pages() <= pages + 64);
        sg_plan_free(plan);
        sg_feedback_clear(&fb);
    }
    sg_threads_set(threads);
    sg_free(x);
    sg_free(dz);
    sg_free(grads);
    test_net_free(&t);
}

/* Each allocation fails in turn: an error each time, and nothing leaks (the address sanitizer sees to that). */
static void every_allocation_fails(void **state)
{
    (void)state;
    const sg_net_spec spec = {.arch = "lenet",
                              .channels = 1,
                              .height = 32,
                              .width = 32,
                              .head = SG_HEAD_HASH,
                              .outputs = 16,
                              .std = {1, 1, 1}};
    test_net small = test_net_built((sg_shape){1, 8, 8}, build_small, NULL, 1);
    bool done = false;
    for (uint64_t n = 1; !done; n++) {
        sg_net *net = NULL;
        sg_params *params = NULL, *copy = NULL;
        sg_plan *plan = NULL;
        sg_reference *ref = NULL;
        sg_error err = {0};
        sg_mem_fail_at(n);
        done = sg_net_new(&net, &spec, &err) && sg_params_new(&params, net, &err) &&
               sg_params_copy(&copy, params, &err) && sg_reference_new(&ref, net, params, 2, false, &err) &&
               sg_plan_new(&plan, small.net, &(sg_plan_options){.purpose = SG_TRAIN, .batch = 2}, &err);
        sg_mem_fail_at(0);
        if (!done) assert_int_equal(err.code, SG_ERR_MEMORY);
        assert_true(done || !plan);
        sg_plan_free(plan);
        sg_reference_free(ref);
        sg_params_free(copy);
        sg_params_free(params);
        sg_net_free(net);
        assert_true(n < 1000);
    }
    test_net_free(&small);
}

/* ---- denormals ---- */

typedef struct run_args {
    sg_plan *plan;
    const float *x;
    float z[2];
} run_args;

static void *run_forward(void *context)
{
    run_args *args = context;
    sg_plan_forward(args->plan, args->x, args->z);
    return NULL;
}

static void build_linear(sg_builder *b, void *context)
{
    (void)context;
    sg_build_linear(b, sg_build_normalize(b), 2, "fc");
}

/* Products below the least normal number are 0, in whichever thread a plan runs. */
static void denormals_are_flushed(void **state)
{
    (void)state;
    test_net t = test_net_built((sg_shape){1, 1, 1}, build_linear, NULL, 1);
    float *W = t.params->block + sg_params_find(t.params, "fc.weight")->offset;
    float *bias = t.params->block + sg_params_find(t.params, "fc.bias")->offset;
    const float x = 0.5f;
    run_args args = {.x = &x};
    pthread_t thread;
    W[0] = W[1] = 1e-38f; /* normal; times (0.5 - 0.4) / 0.25 it is not */
    bias[0] = bias[1] = 0;
    assert_true(sg_plan_new(&args.plan, t.net, &(sg_plan_options){.purpose = SG_ENCODE, .batch = 1}, NULL));
    sg_plan_load(args.plan, t.params, NULL, 0);
    for (int i = 0; i < 2; i++) {
        args.z[0] = args.z[1] = 1;
        if (i == 0)
            run_forward(&args);
        else {
            assert_int_equal(pthread_create(&thread, NULL, run_forward, &args), 0);
            pthread_join(thread, NULL);
        }
        uint32_t bits[2];
        memcpy(bits, args.z, sizeof bits);
        assert_true(bits[0] == 0 && bits[1] == 0);
    }
    sg_plan_free(args.plan);
    test_net_free(&t);
}

static void batches_have_bounds(void **state)
{
    (void)state;
    static const size_t batches[] = {0, SG_BATCH_MAX + 1, SIZE_MAX};
    test_net t = test_net_of("lenet", 1, 32, 8);
    for (size_t i = 0; i < 3; i++) {
        sg_plan *plan = (sg_plan *)&t;
        sg_error err = {0};
        assert_false(sg_plan_new(&plan, t.net, &(sg_plan_options){.batch = batches[i]}, &err));
        assert_int_equal(err.code, SG_ERR_USAGE);
        assert_null(plan);
    }
    test_net_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference_by_differences),
        cmocka_unit_test(lenets),
        cmocka_unit_test(resnet20),
        cmocka_unit_test(features),
        cmocka_unit_test(kernels_are_fast),
        cmocka_unit_test(running_statistics),
        cmocka_unit_test(running_allocates_nothing),
        cmocka_unit_test(every_allocation_fails),
        cmocka_unit_test(denormals_are_flushed),
        cmocka_unit_test(batches_have_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
