#include "repairing.h"

static void test_many_bytes(void **state)
{
    (void)state;
    world w;
    make_world(&w, 50, 60);
    for (size_t first = 0; first < 2 * PAGE; first += PAGE) repair_flips(&w, first, 97);
    free_world(&w);
}

static void test_many_wrecks(void **state)
{
    (void)state;
    world w;
    make_world(&w, 50, 60);
    repair_wrecks(&w, 2000, 3);
    free_world(&w);
}

static void test_larger(void **state)
{
    (void)state;
    world w;
    make_world(&w, 9000, 9900);
    repair_flips(&w, 11, w.nbytes / 150);
    repair_wrecks(&w, 100, 4);
    free_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_many_bytes),
        scratch_test(test_many_wrecks),
        scratch_test(test_larger),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
