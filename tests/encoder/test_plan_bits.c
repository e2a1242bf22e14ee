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

static void resnet20(void **state)
{
    (void)state;
    test_bits("resnet20", 1, 28, 32, "frsf", 64, SG_F32);
    test_bits("resnet20", 3, 15, 64, "bp", 64, SG_F32);
}

static void lenets(void **state)
{
    (void)state;
    test_bits("lenet", 1, 32, 48, "usf", 64, SG_F32);
    test_bits("lenet-cifar", 3, 32, 128, "bp", 64, SG_F32);
}

static void photographs(void **state)
{
    (void)state;
    test_bits("resnet18", 3, 65, 32, "usf", 16, SG_F32);
    test_bits("mobilenet_v2", 3, 65, 32, "bp", 16, SG_F32);
    test_bits("squeezenet1_0", 3, 65, 32, "frsf", 16, SG_F32);
}

static void in_bf16(void **state)
{
    (void)state;
    if (!sg_precision_supported(SG_BF16)) skip();
    test_bits("resnet20", 1, 28, 32, "frsf", 64, SG_BF16);
    test_bits("lenet-cifar", 3, 32, 128, "bp", 64, SG_BF16);
    test_bits("resnet18", 3, 65, 32, "usf", 16, SG_BF16);
    test_bits("mobilenet_v2", 3, 65, 32, "bp", 16, SG_BF16);
    test_bits("squeezenet1_0", 3, 65, 32, "frsf", 16, SG_BF16);
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
        cmocka_unit_test(resnet20),          cmocka_unit_test(lenets),
        cmocka_unit_test(photographs),       cmocka_unit_test(in_bf16),
        cmocka_unit_test(threads_of_a_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
