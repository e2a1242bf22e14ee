/* What the tests of the encoder share: a net with its parameters, its double reference, and comparisons. */
#ifndef SIGNET_TESTS_ENCODER_SUPPORT_H
#define SIGNET_TESTS_ENCODER_SUPPORT_H

#include "encoder/plan_impl.h"
#include "encoder/reference_impl.h"

typedef void test_build(sg_builder *b, void *context);

typedef struct test_net {
    sg_net *net;
    sg_params *params; /* random: biases and batch-norm too */
} test_net;

test_net test_net_of(const char *arch, int64_t channels, int64_t side, int64_t outputs);
/* A net of the test's own; build makes all nodes behind normalisation. */
test_net test_net_built(sg_shape input, test_build *build, void *context, uint64_t seed);
void test_net_free(test_net *t);

/* (n) uniform in [lo, hi), by seed. */
float *test_random(size_t n, float lo, float hi, uint64_t seed);

/* sqrt(sum (a - b)^2 / sum b^2). */
double test_error(const float *a, const double *b, size_t n);

/* Runs a plan of these options and the reference on random x and dz; fails when z, dx or a tensor's gradient differ by
 * more than `bound`, relative; the reference's values and weights are rounded as a bf16 plan's. feedback NULL: exact. */
void test_against_reference(const test_net *t, sg_plan_options options, const sg_feedback *feedback,
                            uint64_t step, double bound);

/* Fails unless outputs and input gradients of `images` images are the same bits in batches of 1, 3 and all of them, at
 * one and two threads, and in encode and attack plans. Does nothing where the precision is not supported. */
void test_bits(const char *arch, int64_t channels, int64_t side, int64_t outputs, const char *rule,
               size_t images, sg_precision precision);

#endif
