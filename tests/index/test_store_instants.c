/* A writer that is killed within a call of the system, which is done but of which it never hears, while another process
 * has the index open: what all share in lock.mdb is then as it was before the call. */
#include "reference.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

/* LMDB's calls in a commit, in their order: its pages, their sync, the meta page by a descriptor of its own. */
typedef enum { NEVER, IN_PAGES, IN_SYNC, IN_META_PAGE } instant;

static instant last; /* the call that the process does not outlive */

static ssize_t done(instant now, ssize_t result)
{
    if (now == last) kill(getpid(), SIGKILL);
    return result;
}

ssize_t pwrite(int fd, const void *bytes, size_t nbytes, off_t at)
{
    instant now = fcntl(fd, F_GETFL) & O_DSYNC ? IN_META_PAGE : IN_PAGES;
    return done(now, syscall(SYS_pwrite64, fd, bytes, nbytes, at));
}

ssize_t writev(int fd, const struct iovec *pieces, int n)
{
    return done(IN_PAGES, syscall(SYS_writev, fd, pieces, n));
}

int fdatasync(int fd)
{
    return (int)done(IN_SYNC, syscall(SYS_fdatasync, fd));
}

#define BATCH 25

/* Adds a batch under paths of its own, and takes the ids that come next. */
static void put_batch(sg_store *store, const char *folder, uint64_t first)
{
    sg_error err = {0};
    begin(store);
    for (uint64_t i = first; i < first + BATCH; i++) {
        uint8_t code[8];
        char path[64];
        sg_put_kind kind;
        uint64_t id, other;
        snprintf(path, sizeof path, "/%s/%llu", folder, (unsigned long long)i);
        sg_item item = make_item(path, i, i, 1, code, 64);
        if (!sg_store_put(&kind, &id, &other, store, &item, &err)) fail_msg("%s", err.message);
        assert_int_equal(id, i);
    }
    commit(store);
}

static uint64_t next_id(sg_store *store)
{
    sg_error err = {0};
    sg_store_info info;
    if (!sg_store_info_get(&info, store, &err)) fail_msg("%s", err.message);
    uint64_t next = info.next_id;
    assert_int_equal(info.items, next - 1);
    assert_int_equal(info.generation, 1 + info.items / BATCH);
    sg_store_info_clear(&info);
    return next;
}

/* A process that adds n batches, if it lives so long. */
static void write_until(instant end, const char *folder, int n)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        sg_store *store = open_store("idx", true);
        assert_sound(store);
        last = end;
        for (int i = 0; i < n; i++) put_batch(store, folder, next_id(store));
        sg_store_close(store);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, end == NEVER ? 0 : SIGKILL);
}

static void test_killed_beside_a_reader(void **state)
{
    (void)state;
    create_store("idx", 64);
    sg_store *reader = open_store("idx", false);
    for (instant end = IN_PAGES; end <= IN_META_PAGE; end++) {
        write_until(NEVER, "before", 2);
        uint64_t before = next_id(reader);
        write_until(end, "killed", 1);
        assert_int_equal(next_id(reader), before);
        assert_sound(reader);
        write_until(NEVER, "after", 3);
        /* What was on the disk whole counts, though nobody acknowledged it. */
        assert_int_equal(next_id(reader), before + (end == IN_META_PAGE ? 4 : 3) * BATCH);
        assert_sound(reader);
    }
    sg_store_close(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {scratch_test(test_killed_beside_a_reader)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
