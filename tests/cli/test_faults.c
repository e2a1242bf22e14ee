/* Some of the calls of every command; the long tests try all of them. */
#include "faults.h"

#define POINTS 2 /* of each command and kind of fault */

static void test_some_calls(void **state)
{
    (void)state;
    sg_rng rng = sg_rng_at(11, SG_RNG_TEST, 0, 0);
    make_world();
    for (size_t i = 0; i < NTRIALS; i++) {
        course c = undisturbed(&trials[i]);
        unsigned long calls = count_calls(&c, "files"), memory = count_calls(&c, "memory");
        print_message("%s: %.3f s, %lu calls, %lu allocations\n", c.trial->name, c.seconds, calls, memory);
        int killed = 0; /* a run that took its time may have committed more often than the next one does */
        for (unsigned long n = calls; n > 0; n = n > calls / POINTS + 1 ? n - calls / POINTS - 1 : 0) {
            if (c.trial->way != READS) killed += disturb(&c, "files", "kill", 0, n);
            disturb(&c, "files", "once", n % 2 ? EIO : ENOSPC, n - n / 3);
        }
        assert_true(killed > 0 || c.trial->way == READS);
        assert_true(disturb(&c, "memory", "once", ENOMEM, 1 + memory * (i + 1) / (NTRIALS + 1)));
        if (c.trial->way != READS) kill_at_random(&c, 1, &rng);
        release_course(&c);
    }
}

int main(void)
{
    need_faults();
    const struct CMUnitTest tests[] = {scratch_test(test_some_calls)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
