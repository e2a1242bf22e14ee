#include "damage.h"

static void test_every_byte_flipped(void **state)
{
    (void)state;
    flip_bytes(1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {scratch_test(test_every_byte_flipped)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
