#include "faults_all.h"

#define MOMENTS 1000

static void test_random_moments(void **state)
{
    (void)state;
    sg_rng rng = sg_rng_at(12, SG_RNG_TEST, 0, 0);
    int writers = 0;
    for (size_t i = 0; i < ncourses; i++) writers += courses[i].trial->way != READS;
    for (size_t i = 0; i < ncourses; i++)
        if (courses[i].trial->way != READS) kill_at_random(&courses[i], MOMENTS / writers + 1, &rng);
}

int main(void)
{
    need_faults();
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_moments)};
    return cmocka_run_group_tests(tests, begin_all, end_all);
}
