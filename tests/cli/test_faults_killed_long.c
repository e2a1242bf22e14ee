#include "faults_all.h"

static void test_killed(void **state)
{
    (void)state;
    every_call("files", "kill", 0);
}

static void test_torn(void **state)
{
    (void)state;
    every_call("files", "tear", 0);
}

int main(void)
{
    need_faults();
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_killed), cmocka_unit_test(test_torn)};
    return cmocka_run_group_tests(tests, begin_all, end_all);
}
