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

float *test_random(size_t n, float lo, float hi, uint64_t seed)
{
    float *v = sg_alloc(n, sizeof *v);
    assert_non_null(v);
    sg_rng rng = sg_rng_at(seed, SG_RNG_TEST, 0, 0);
    sg_rng_fill_uniform(v, 0, n, lo, hi, &rng);
    return v;
}

static sg_params *random_params(const sg_net *net, uint64_t seed)
{
    sg_params *p;
    assert_true(sg_params_new(&p, net, NULL));
    assert_true(sg_params_init(p, "torch", seed, NULL));
    for (size_t i = 0; i < p->ntensors; i++) {
        const sg_tensor *t = &p->tensors[i];
        sg_rng rng = sg_rng_at(seed, SG_RNG_TEST, sg_name_hash(t->name), 1);
        float *v = p->block + t->offset;
        if (t->role == SG_TENSOR_BN_WEIGHT || t->role == SG_TENSOR_BN_VAR)
            sg_rng_fill_uniform(v, 0, t->size, 0.5f, 1.5f, &rng);
        if (t->role == SG_TENSOR_BN_BIAS || t->role == SG_TENSOR_BN_MEAN)
            sg_rng_fill_uniform(v, 0, t->size, -0.5f, 0.5f, &rng);
    }
    return p;
}

test_net test_net_of(const char *arch, int64_t channels, int64_t side, int64_t outputs)
{
    const sg_net_spec spec = {.arch = arch,
                              .channels = channels,
                              .height = side,
                              .width = side,
                              .head = SG_HEAD_HASH,
                              .outputs = outputs,
                              .mean = {0.4f, 0.5f, 0.6f},
                              .std = {0.25f, 0.3f, 0.2f}};
    test_net t;
    sg_error err = {0};
    if (!sg_net_new(&t.net, &spec, &err)) fail_msg("%s", err.message);
    t.params = random_params(t.net, 1);
    return t;
}

test_net test_net_built(sg_shape input, test_build *build, void *context, uint64_t seed)
{
    const sg_net_spec spec = {.arch = "test",
                              .channels = input.c,
                              .height = input.h,
                              .width = input.w,
                              .outputs = 8,
                              .mean = {0.4f, 0.5f, 0.6f},
                              .std = {0.25f, 0.3f, 0.2f}};
    test_net t;
    sg_builder b;
    sg_error err = {0};
    assert_true(sg_net_start(&b, &spec, &err));
    build(&b, context);
    if (!sg_net_finish(&t.net, &b)) fail_msg("%s", err.message);
    t.params = random_params(t.net, seed);
    return t;
}

void test_net_free(test_net *t)
{
    sg_params_free(t->params);
    sg_net_free(t->net);
}

double test_error(const float *a, const double *b, size_t n)
{
    double difference = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        difference += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        size += b[i] * b[i];
    }
    return size > 0 ? sqrt(difference / size) : sqrt(difference);
}

static void fill_feedback(sg_reference *ref, const sg_params *params, const sg_feedback *feedback,
                          uint64_t step)
{
    for (size_t i = 0; i < params->ntensors; i++) {
        const sg_tensor *w = &params->tensors[i];
        if (w->role != SG_TENSOR_WEIGHT) continue;
        float *B = sg_alloc(w->size, sizeof *B);
        assert_non_null(B);
        sg_feedback_fill(B, feedback, params, w, step);
        for (size_t j = 0; j < w->size; j++) ref->feedback[w->offset + j] = (double)B[j];
        sg_free(B);
    }
}

/* Of a batch-norm that is folded into a convolution: by what it multiplies the weights of channel o. */
static double folded_scale(const sg_reference *ref, const sg_step *step, size_t o)
{
    if (!step->batchnorm) return 1;
    const double gamma = ref->params[sg_step_tensor(step, step->batchnorm, 0)->offset + o];
    return gamma /
           sqrt(ref->params[sg_step_tensor(step, step->batchnorm, 3)->offset + o] + (double)SG_BN_EPS);
}

/* What a bf16 plan computes with: its values and its weights, so that rounding them turns no ReLU and no maximum. */
static void round_reference(sg_reference *ref, const sg_plan *plan, bool *rounds)
{
    for (size_t i = 0; i < plan->net->nnodes; i++)
        rounds[i] = plan->values[i].data && plan->values[i].view.kind == SG_BF16;
    ref->rounds = rounds;
    for (size_t i = 0; i < plan->nsteps; i++) {
        const sg_step *step = &plan->steps[i];
        const sg_tensor *w = sg_step_tensor(step, step->node, 0);
        if (!step->node->ntensors || w->role != SG_TENSOR_WEIGHT) continue;
        for (size_t j = 0; j < w->size; j++) {
            const double scale = folded_scale(ref, step, j / (w->size / (size_t)w->dims[0]));
            double *weights[] = {ref->params + w->offset, ref->feedback + w->offset};
            for (int k = 0; k < 2; k++) weights[k][j] = sg_bf16_rounded(weights[k][j] * scale) / scale;
        }
    }
}

static void compare(const char *what, const float *a, const double *b, size_t n, double bound)
{
    double error = test_error(a, b, n);
    if (!(error <= bound)) fail_msg("%s: relative error %g, at most %g is right", what, error, bound);
}

void test_against_reference(const test_net *t, sg_plan_options options, const sg_feedback *feedback,
                            uint64_t step, double bound)
{
    const size_t in = options.batch * sg_net_input_size(t->net),
                 out = options.batch * sg_net_output_size(t->net);
    const bool batch_stats = options.purpose == SG_TRAIN && !options.frozen_bn && !options.head_only;
    float *x = test_random(in, 0, 1, 2), *dz = test_random(out, -1, 1, 3);
    float *z = sg_alloc(out, sizeof *z), *dx = sg_calloc(in, sizeof *dx);
    float *grads = sg_calloc(t->params->size, sizeof *grads);
    sg_plan *plan;
    sg_reference *ref;
    sg_error err = {0};
    if (!sg_plan_new(&plan, t->net, &options, &err)) fail_msg("%s", err.message);
    assert_true(sg_reference_new(&ref, t->net, t->params, options.batch, batch_stats, NULL));
    ref->dropout = options.purpose == SG_TRAIN && !options.head_only && !options.no_dropout;
    ref->seed = options.seed;
    ref->step = step;
    if (feedback) fill_feedback(ref, t->params, feedback, step);
    bool *rounds = sg_calloc(t->net->nnodes, sizeof *rounds);
    assert_non_null(rounds);
    if (options.precision == SG_BF16) round_reference(ref, plan, rounds);
    for (size_t i = 0; i < in; i++) ref->x[i] = (double)x[i];
    sg_plan_load(plan, t->params, feedback, step);
    sg_plan_forward(plan, x, z);
    compare("z", z, sg_reference_forward(ref), out, bound);
    if (options.purpose != SG_ENCODE) {
        double *dz_double = sg_alloc(out, sizeof *dz_double);
        assert_non_null(dz_double);
        for (size_t i = 0; i < out; i++) dz_double[i] = (double)dz[i];
        sg_reference_backward(ref, dz_double);
        sg_free(dz_double);
        sg_plan_backward(plan, dz, grads, options.purpose == SG_ATTACK || options.input_gradient ? dx : NULL);
        if (options.purpose == SG_ATTACK || options.input_gradient) compare("dx", dx, ref->dx, in, bound);
        for (size_t i = 0; options.purpose == SG_TRAIN && i < t->params->ntensors; i++) {
            const sg_tensor *w = &t->params->tensors[i];
            if (!sg_tensor_learned(w) || (options.head_only && !w->head)) {
                for (size_t j = 0; j < w->size; j++) assert_true(grads[w->offset + j] == 0);
                continue;
            }
            compare(w->name, grads + w->offset, ref->grads + w->offset, w->size, bound);
        }
    }
    sg_plan_free(plan);
    sg_reference_free(ref);
    sg_free(rounds);
    sg_free(x);
    sg_free(dz);
    sg_free(z);
    sg_free(dx);
    sg_free(grads);
}

/* z (and dx, of dz) of the first `n` images, `batch` at a time. */
static void run_bits(const test_net *t, const sg_feedback *feedback, sg_plan_options options, size_t n,
                     const float *x, const float *dz, float *z, float *dx)
{
    const size_t in = sg_net_input_size(t->net), out = sg_net_output_size(t->net);
    sg_plan *plan;
    const size_t batch = options.batch;
    assert_true(sg_plan_new(&plan, t->net, &options, NULL));
    sg_plan_load(plan, t->params, feedback, 0);
    for (size_t i = 0; i + batch <= n; i += batch) {
        sg_plan_forward(plan, x + i * in, z + i * out);
        if (options.purpose == SG_ATTACK) sg_plan_backward(plan, dz + i * out, NULL, dx + i * in);
    }
    sg_plan_free(plan);
}

void test_bits(const char *arch, int64_t channels, int64_t side, int64_t outputs, const char *rule,
               size_t images, sg_precision precision)
{
    if (!sg_precision_supported(precision)) return;
    const size_t batches[] = {1, 3, images};
    test_net t = test_net_of(arch, channels, side, outputs);
    const size_t in = sg_net_input_size(t.net), out = sg_net_output_size(t.net);
    float *x = test_random(images * in, 0, 1, 2), *dz = test_random(images * out, -1, 1, 3);
    float *z = sg_alloc(2 * images * out, sizeof *z), *dx = sg_alloc(2 * images * in, sizeof *dx);
    float *z0 = z + images * out, *dx0 = dx + images * in;
    const int threads = sg_threads();
    sg_feedback fb;
    assert_true(sg_feedback_init(&fb, rule, NULL, 5, t.params, NULL));
    sg_threads_set(2);
    sg_plan_options options = {.purpose = SG_ATTACK, .batch = images, .precision = precision};
    run_bits(&t, &fb, options, images, x, dz, z0, dx0);
    for (size_t b = 0; b < 3; b++)
        for (int n = 1; n <= 2; n++) {
            const size_t some = b == 2 ? images : 6;
            sg_threads_set(n);
            options.batch = batches[b];
            options.purpose = SG_ATTACK;
            run_bits(&t, &fb, options, some, x, dz, z, dx);
            assert_memory_equal(z, z0, some * out * sizeof *z);
            assert_memory_equal(dx, dx0, some * in * sizeof *dx);
            options.purpose = SG_ENCODE;
            run_bits(&t, &fb, options, some, x, dz, z, dx);
            assert_memory_equal(z, z0, some * out * sizeof *z);
        }
    sg_threads_set(threads);
    sg_feedback_clear(&fb);
    sg_free(x);
    sg_free(dz);
    sg_free(z);
    sg_free(dx);
    test_net_free(&t);
}
