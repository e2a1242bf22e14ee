#include "faults_all.h"

static void test_without_memory(void **state)
{
    (void)state;
    every_call("memory", "once", ENOMEM);
}

int main(void)
{
    need_faults();
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_without_memory)};
    return cmocka_run_group_tests(tests, begin_all, end_all);
}
