/* The larger backbones: against torchvision's, and the same bits in any batch and at any number of threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "parity.h"

static void bits(void **state)
{
    (void)state;
    static const char *const archs[] = {"resnet18", "resnet34",      "resnet50",     "alexnet",
                                        "vgg11_bn", "squeezenet1_0", "mobilenet_v2", "vgg16"};
    for (sg_precision p = SG_F32; p <= SG_BF16; p++) {
        for (size_t i = 0; i < sizeof archs / sizeof *archs; i++)
            test_bits(archs[i], 3, 65, 32, "usf", 64, p);
        test_bits("alexnet", 3, 224, 32, "bp", 64, p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        parity_unit_test("resnet34"), parity_unit_test("alexnet"), parity_unit_test("vgg11"),
        parity_unit_test("vgg11_bn"), parity_unit_test("vgg16"),   parity_unit_test("vgg16_bn"),
        parity_unit_test("resnet50"), cmocka_unit_test(bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
