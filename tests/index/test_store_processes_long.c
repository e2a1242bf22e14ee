#include "killing.h"

static void test_killed_a_thousand_times(void **state)
{
    (void)state;
    kill_writers(1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {scratch_test(test_killed_a_thousand_times)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
