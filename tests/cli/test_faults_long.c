/* Every call of every command: killed before it, torn in it, failing once, failing from then on; allocations; and a
 * thousand random moments. */
#include "faults.h"

#define MOMENTS 1000

static course courses[NTRIALS];
static size_t ncourses;

static int begin_all(void **state)
{
    int failed = scratch_enter(state);
    make_world();
    for (size_t i = 0; i < NTRIALS; i++)
        if (exists(&trials[i]))
            courses[ncourses++] = undisturbed(&trials[i]);
        else
            print_message("there is no %s\n", trials[i].name);
    return failed;
}

static void every_call(const char *kind, const char *action, int errnum)
{
    bool kills = strcmp(action, "kill") == 0 || strcmp(action, "tear") == 0;
    for (size_t i = 0; i < ncourses; i++) {
        if (kills && courses[i].trial->way == READS) continue;
        unsigned long n = disturb_all(&courses[i], kind, action, errnum);
        print_message("%s, %s %s: %lu\n", courses[i].trial->name, kind, action, n);
    }
}

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

static void test_failing_once(void **state)
{
    (void)state;
    every_call("files", "once", EIO);
}

static void test_full_from_then_on(void **state)
{
    (void)state;
    every_call("files", "on", ENOSPC);
}

static void test_without_memory(void **state)
{
    (void)state;
    every_call("memory", "once", ENOMEM);
}

static void test_random_moments(void **state)
{
    (void)state;
    sg_rng rng = sg_rng_at(12, SG_RNG_TEST, 0, 0);
    for (size_t i = 0; i < ncourses; i++)
        if (courses[i].trial->way != READS)
            kill_at_random(&courses[i], (int)((MOMENTS + ncourses - 1) / ncourses), &rng);
}

static int end_all(void **state)
{
    for (size_t i = 0; i < ncourses; i++) release_course(&courses[i]);
    return scratch_leave(state);
}

int main(void)
{
    need_faults();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed),         cmocka_unit_test(test_torn),
        cmocka_unit_test(test_failing_once),   cmocka_unit_test(test_full_from_then_on),
        cmocka_unit_test(test_without_memory), cmocka_unit_test(test_random_moments),
    };
    return cmocka_run_group_tests(tests, begin_all, end_all);
}
