/* All commands, for the long tests. */
#ifndef SIGNET_TESTS_FAULTS_ALL_H
#define SIGNET_TESTS_FAULTS_ALL_H

#define SEVERAL_BATCHES
#include "faults.h"

static course courses[NTRIALS];
static size_t ncourses;

static int begin_all(void **state)
{
    int failed = scratch_enter(state);
    make_world();
    for (ncourses = 0; ncourses < NTRIALS; ncourses++) courses[ncourses] = undisturbed(&trials[ncourses]);
    return failed;
}

static int end_all(void **state)
{
    for (size_t i = 0; i < ncourses; i++) release_course(&courses[i]);
    return scratch_leave(state);
}

/* At every call of every command. */
static inline void every_call(const char *kind, const char *action, int errnum)
{
    bool kills = strcmp(action, "kill") == 0 || strcmp(action, "tear") == 0;
    for (size_t i = 0; i < ncourses; i++) {
        if (kills && courses[i].trial->way == READS) continue;
        unsigned long n = disturb_all(&courses[i], kind, action, errnum);
        print_message("%s, %s %s: %lu\n", courses[i].trial->name, kind, action, n);
    }
}

#endif
