/* Writers that are killed at random moments. */
#ifndef SIGNET_TESTS_KILLING_H
#define SIGNET_TESTS_KILLING_H

#include "reference.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#define BATCH 20 /* items a batch of the tests' writers */

/* Adds batches for ever and acknowledges each through the pipe. In every fifth one, the batch's first item is removed
 * again. */
static inline void write_on(int acknowledge)
{
    sg_error err = {0};
    uint8_t code[8];
    char path[32];
    sg_store *store = open_store("idx", true);
    sg_store_info info;
    if (!sg_store_info_get(&info, store, &err)) _exit(2);
    for (uint64_t first = info.next_id;; first += BATCH) {
        sg_put_kind kind;
        uint64_t id, other;
        if (!sg_store_begin(store, &err)) _exit(3);
        for (uint64_t i = first; i < first + BATCH; i++) {
            snprintf(path, sizeof path, "/k/%llu", (unsigned long long)i);
            sg_item item = make_item(path, i, i, 1, code, 64);
            if (!sg_store_put(&kind, &id, &other, store, &item, &err) || id != i) _exit(4);
        }
        if (first / BATCH % 5 == 0 && !sg_store_remove(store, first, &err)) _exit(5);
        if (!sg_store_commit(store, &err)) _exit(6);
        if (write(acknowledge, &first, sizeof first) != sizeof first) _exit(7);
    }
}

static inline bool check_killed(void *context, const sg_item *item, sg_error *err)
{
    (void)err;
    uint8_t code[8];
    char path[32];
    ++*(size_t *)context;
    snprintf(path, sizeof path, "/k/%llu", (unsigned long long)item->id);
    make_item(path, item->id, 0, 0, code, 64);
    assert_string_equal(item->path, path);
    assert_memory_equal(item->code, code, 8);
    return true;
}

/* Kills a writer at random moments: the index opens, verifies, and holds every acknowledged batch, whole. */
static inline void kill_writers(int kills)
{
    sg_rng rng = sg_rng_at(7, SG_RNG_TEST, 0, 0);
    uint64_t acknowledged = 0, batch;
    create_store("idx", 64);
    for (int i = 0; i < kills; i++) {
        int fds[2];
        assert_int_equal(pipe(fds), 0);
        pid_t child = fork();
        if (child == 0) write_on(fds[1]);
        close(fds[1]);
        if (i == 0 && read(fds[0], &batch, sizeof batch) == sizeof batch) acknowledged = batch + BATCH;
        nanosleep(&(struct timespec){.tv_nsec = (long)sg_rng_below(&rng, 60 * 1000 * 1000)}, NULL);
        kill(child, SIGKILL);
        while (read(fds[0], &batch, sizeof batch) == sizeof batch) acknowledged = batch + BATCH;
        close(fds[0]);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        sg_error err = {0};
        sg_store_info info;
        size_t n = 0;
        sg_store *store = open_store("idx", i % 2);
        assert_sound(store);
        assert_true(sg_store_info_get(&info, store, &err));
        assert_true(info.next_id >= acknowledged && info.next_id % BATCH == 1);
        assert_true(sg_store_each(store, check_killed, &n, &err));
        assert_int_equal(n, info.items);
        sg_store_info_clear(&info);
        sg_store_close(store);
    }
    assert_true(acknowledged > 0);
}

#endif
