/* A backbone against torchvision's (tests/fixtures/encoder/parity.py): outputs, and of the gradient of every
 * parameter the norm, the sum and sampled entries. The fixture was made in double precision on the same numbers, which
 * both sides draw by name: a tensor of another name or shape has other values. */
#ifndef SIGNET_TESTS_ENCODER_PARITY_H
#define SIGNET_TESTS_ENCODER_PARITY_H

#include "support.h"

#include <math.h>
#include <signet/mem.h>
#include <signet/npy.h>
#include <signet/random.h>

enum { PARITY_CLASSES = 16, PARITY_SAMPLES = 32, PARITY_SEED = 1 };
#define PARITY_OUTPUTS   1e-4
#define PARITY_GRADIENTS 1e-3
/* Winograd rounds ten times as coarsely as direct convolution, which turns over as many more of the ReLUs and maxima near a tie,
 * and a gradient jumps where one turns: in vgg16_bn, on direct kernels, a change of pixels by 3e-6 moves entries by 0.05. This
 * bound finds a layer that is wrong; that each is right to 1e-5 is test_winograd's. */
#define PARITY_WINOGRAD 1e-1

typedef struct parity {
    const char *arch, *run;
    test_net t;
    uint64_t seed;     /* of x */
    const float *next; /* the fixture's next figure */
    float *grads;
    double bound; /* of the gradients' errors */
    double floor; /* scale of the gradients of the layer's weights */
} parity;

/* sg_params_init "he", then biases and batch-norm's tensors. */
static void parity_draw(sg_params *p, float gamma)
{
    const float ranges[][2] = {[SG_TENSOR_BIAS] = {-0.1f, 0.1f},
                               [SG_TENSOR_BN_WEIGHT] = {gamma, 3 * gamma},
                               [SG_TENSOR_BN_BIAS] = {-0.5f, 0.5f},
                               [SG_TENSOR_BN_MEAN] = {-0.1f, 0.1f},
                               [SG_TENSOR_BN_VAR] = {0.5f, 1.5f}};
    assert_true(sg_params_init(p, "he", PARITY_SEED, NULL));
    for (size_t i = 0; i < p->ntensors; i++) {
        const sg_tensor *t = &p->tensors[i];
        const sg_rng stream = sg_rng_at(PARITY_SEED, SG_RNG_TEST, sg_name_hash(t->name), 1);
        if (t->role != SG_TENSOR_WEIGHT)
            sg_rng_fill_uniform(p->block + t->offset, 0, t->size, ranges[t->role][0], ranges[t->role][1],
                                &stream);
    }
}

static void parity_check(const parity *p, const char *name, const char *what, double value, double expected,
                         double scale)
{
    if (!(fabs(value - expected) <= p->bound * scale))
        fail_msg("%s, %s: %s of %s's gradient is %g, torchvision's %g (scale %g)", p->arch, p->run, what,
                 name, value, expected, scale);
}

/* Errors are relative: of the norm to itself, of the sum to the norm, of an entry to itself or to the root mean
 * square, whichever is larger. No scale is below `floor`: on batch statistics a bias that goes through
 * no more than a convolution to the next batch-norm has no gradient but what rounding leaves. */
static void parity_gradient(parity *p, const char *name, const float *g, size_t size)
{
    const double norm = (double)*p->next++, sum = (double)*p->next++;
    const double scale = fmax(norm, p->floor), rms = scale / sqrt((double)size);
    double squares = 0, total = 0;
    sg_rng at = sg_rng_at(PARITY_SEED, SG_RNG_TEST, sg_name_hash(name), 2);
    for (size_t i = 0; i < size; i++) {
        squares += (double)g[i] * (double)g[i];
        total += (double)g[i];
    }
    parity_check(p, name, "norm", sqrt(squares), norm, scale);
    parity_check(p, name, "sum", total, sum, fmax(fabs(sum), scale));
    for (int i = 0; i < PARITY_SAMPLES; i++) {
        const double expected = (double)*p->next++;
        parity_check(p, name, "an entry", (double)g[sg_rng_u32(&at) % size], expected,
                     fmax(fabs(expected), rms));
    }
}

static void parity_outputs(const parity *p, sg_plan *plan, const float *x, float *z)
{
    const size_t n = sg_plan_batch(plan) * PARITY_CLASSES;
    double expected[3 * PARITY_CLASSES];
    sg_plan_load(plan, p->t.params, NULL, 0);
    sg_plan_forward(plan, x, z);
    for (size_t i = 0; i < n; i++) expected[i] = (double)p->next[i];
    const double error = test_error(z, expected, n);
    if (!(error <= PARITY_OUTPUTS)) fail_msg("%s, %s: outputs differ by %g", p->arch, p->run, error);
}

static void parity_train(parity *p, const sg_plan_options *options)
{
    const size_t in = options->batch * sg_net_input_size(p->t.net), out = options->batch * PARITY_CLASSES;
    float *x = test_random(in, 0, 1, p->seed), *dz = test_random(out, -1, 1, 3);
    float z[3 * PARITY_CLASSES];
    sg_plan *plan;
    if (options->batch == 1) { /* evaluation: with all folded and fused too */
        assert_true(sg_plan_new(&plan, p->t.net, &(sg_plan_options){SG_ENCODE, .batch = 1}, NULL));
        parity_outputs(p, plan, x, z);
        sg_plan_free(plan);
    }
    assert_true(sg_plan_new(&plan, p->t.net, options, NULL));
    parity_outputs(p, plan, x, z);
    p->next += out;
    sg_plan_backward(plan, dz, p->grads, NULL);
    sg_plan_free(plan);
    p->floor = 0;
    for (size_t i = 0; i < p->t.params->ntensors; i++) {
        const sg_tensor *t = &p->t.params->tensors[i];
        if (!sg_tensor_learned(t)) continue;
        p->floor = t->role == SG_TENSOR_BIAS || t->role == SG_TENSOR_BN_BIAS ? 1e-2 * p->floor : 0;
        const double norm = (double)*p->next;
        parity_gradient(p, t->name, p->grads + t->offset, t->size);
        p->floor = norm;
    }
    sg_free(x);
    sg_free(dz);
}

/* Its state is the name of a backbone. */
#define parity_unit_test(arch)                                                                               \
    {                                                                                                        \
        arch, test_parity, NULL, NULL, (void *)arch                                                          \
    }

static void test_parity(void **state)
{
    const char *arch = *state;
    sg_net_spec spec = {.arch = arch,
                        .channels = 3,
                        .head = SG_HEAD_CLASSIFIER,
                        .outputs = PARITY_CLASSES,
                        .mean = {0.485f, 0.456f, 0.406f},
                        .std = {0.229f, 0.224f, 0.225f}};
    parity p = {.arch = arch, .run = "batch 1 in evaluation", .bound = PARITY_GRADIENTS};
    sg_npy figures;
    sg_error err = {0};
    char path[96];
    snprintf(path, sizeof path, "fixtures/encoder/parity_%s.npy", arch);
    if (!sg_npy_read(&figures, path, &err)) fail_msg("%s", err.message);
    assert_int_equal(figures.type, SG_NPY_F32);
    p.next = figures.data;
    spec.height = (int64_t)*p.next++;
    spec.width = (int64_t)*p.next++;
    p.seed = (uint64_t)*p.next++;
    if (!sg_net_new(&p.t.net, &spec, &err) || !sg_params_new(&p.t.params, p.t.net, &err))
        fail_msg("%s", err.message);
    parity_draw(p.t.params, *p.next++);
    p.grads = sg_alloc_aligned(p.t.params->size, sizeof *p.grads);
    assert_non_null(p.grads);
    parity_train(&p, &(sg_plan_options){SG_TRAIN, .batch = 1, .frozen_bn = true, .no_dropout = true,
                                        .no_winograd = true});
    p.run = "batch 3 on batch statistics";
    const float *figures_of_3 = p.next;
    parity_train(&p, &(sg_plan_options){SG_TRAIN, .batch = 3, .no_dropout = true, .no_winograd = true});
    p.run = "batch 3 on batch statistics by Winograd";
    p.next = figures_of_3;
    p.bound = PARITY_WINOGRAD;
    parity_train(&p, &(sg_plan_options){SG_TRAIN, .batch = 3, .no_dropout = true});
    assert_ptr_equal(p.next, (const float *)figures.data + figures.rows);
    sg_free_aligned(p.grads);
    sg_npy_clear(&figures);
    test_net_free(&p.t);
}

#endif
