/* An image's outputs and input gradient are the same bits in any batch, at any number of threads, in encode and attack
 * plans; encode and attack give the same outputs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "support.h"

#include <signet/cpu.h>
#include <signet/mem.h>
#include <string.h>

#define IMAGES 64

/* z (and dx, of dz) of the first `n` images, `batch` at a time. */
static void run(const test_net *t, const sg_feedback *feedback, sg_purpose purpose, size_t batch, size_t n,
                const float *x, const float *dz, float *z, float *dx)
{
    const size_t in = sg_net_input_size(t->net), out = sg_net_output_size(t->net);
    sg_plan *plan;
    assert_true(sg_plan_new(&plan, t->net, &(sg_plan_options){.purpose = purpose, .batch = batch}, NULL));
    sg_plan_load(plan, t->params, feedback, 0);
    for (size_t i = 0; i + batch <= n; i += batch) {
        sg_plan_forward(plan, x + i * in, z + i * out);
        if (purpose == SG_ATTACK) sg_plan_backward(plan, dz + i * out, NULL, dx + i * in);
    }
    sg_plan_free(plan);
}

static void check_bits(const char *arch, int64_t channels, int64_t side, int64_t outputs, const char *rule)
{
    static const size_t batches[] = {1, 3, 64};
    test_net t = test_net_of(arch, channels, side, outputs);
    const size_t in = sg_net_input_size(t.net), out = sg_net_output_size(t.net);
    float *x = test_random(IMAGES * in, 0, 1, 2), *dz = test_random(IMAGES * out, -1, 1, 3);
    float *z = sg_alloc(2 * IMAGES * out, sizeof *z), *dx = sg_alloc(2 * IMAGES * in, sizeof *dx);
    float *z0 = z + IMAGES * out, *dx0 = dx + IMAGES * in;
    const int threads = sg_threads();
    sg_feedback fb;
    assert_true(sg_feedback_init(&fb, rule, NULL, 5, t.params, NULL));
    sg_threads_set(2);
    run(&t, &fb, SG_ATTACK, 64, IMAGES, x, dz, z0, dx0);
    for (size_t b = 0; b < 3; b++)
        for (int n = 1; n <= 2; n++) {
            const size_t images = batches[b] == 64 ? 64 : 6;
            sg_threads_set(n);
            run(&t, &fb, SG_ATTACK, batches[b], images, x, dz, z, dx);
            assert_memory_equal(z, z0, images * out * sizeof *z);
            assert_memory_equal(dx, dx0, images * in * sizeof *dx);
            run(&t, &fb, SG_ENCODE, batches[b], images, x, dz, z, dx);
            assert_memory_equal(z, z0, images * out * sizeof *z);
        }
    sg_threads_set(threads);
    sg_feedback_clear(&fb);
    sg_free(x);
    sg_free(dz);
    sg_free(z);
    sg_free(dx);
    test_net_free(&t);
}

static void resnet20(void **state)
{
    (void)state;
    check_bits("resnet20", 1, 28, 32, "frsf");
    check_bits("resnet20", 3, 15, 64, "bp");
}

static void lenets(void **state)
{
    (void)state;
    check_bits("lenet", 1, 32, 48, "usf");
    check_bits("lenet-cifar", 3, 32, 128, "bp");
}

/* A plan keeps to the threads it was made for, and gives back those that were set. */
static void threads_of_a_plan(void **state)
{
    (void)state;
    test_net t = test_net_of("lenet", 1, 32, 8);
    const int threads = sg_threads();
    float *x = test_random(3 * 1024, 0, 1, 2), z[2][24];
    sg_plan *plan;
    sg_threads_set(2);
    assert_true(sg_plan_new(&plan, t.net, &(sg_plan_options){.purpose = SG_ENCODE, .batch = 3}, NULL));
    sg_plan_load(plan, t.params, NULL, 0);
    sg_plan_forward(plan, x, z[0]);
    sg_threads_set(3);
    sg_plan_forward(plan, x, z[1]);
    assert_int_equal(sg_threads(), 3);
    assert_memory_equal(z[0], z[1], sizeof z[0]);
    sg_threads_set(threads);
    sg_plan_free(plan);
    sg_free(x);
    test_net_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resnet20),
        cmocka_unit_test(lenets),
        cmocka_unit_test(threads_of_a_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
