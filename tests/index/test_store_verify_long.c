#include "damage.h"

static void test_every_byte_flipped(void **state)
{
    (void)state;
    flip_bytes(1);
}

static void test_thousands_of_many(void **state)
{
    (void)state;
    flip_some_of_many(4000);
}

static void test_cut_everywhere(void **state)
{
    (void)state;
    cut_off(1, false);
    cut_off(7, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_every_byte_flipped),
        scratch_test(test_thousands_of_many),
        scratch_test(test_cut_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
