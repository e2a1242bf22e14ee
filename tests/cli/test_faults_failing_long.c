#include "faults_all.h"

static void test_once(void **state)
{
    (void)state;
    every_call("files", "once", EIO);
}

static void test_full_from_then_on(void **state)
{
    (void)state;
    every_call("files", "on", ENOSPC);
}

int main(void)
{
    need_faults();
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_once), cmocka_unit_test(test_full_from_then_on)};
    return cmocka_run_group_tests(tests, begin_all, end_all);
}
