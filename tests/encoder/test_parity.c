/* Backbones against torchvision's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "parity.h"

int main(void)
{
    const struct CMUnitTest tests[] = {
        parity_unit_test("resnet18"),
        parity_unit_test("squeezenet1_0"),
        parity_unit_test("mobilenet_v2"),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
