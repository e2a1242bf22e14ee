/* Address space that runs out when the map is to grow: an error, and the store is as usable as it can be. */
#include "reference.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static int maps_before, maps_that_fail; /* so many maps of files succeed, then so many fail (-1: all) */

void *mmap(void *at, size_t nbytes, int protection, int flags, int fd, off_t offset)
{
    if (fd >= 0 && maps_before > 0) {
        maps_before--;
    } else if (fd >= 0 && maps_that_fail != 0) {
        if (maps_that_fail > 0) maps_that_fail--;
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return (void *)syscall(SYS_mmap, at, nbytes, protection, flags, fd, offset);
}

/* Puts until it fails; names are long, so that the map is soon full. */
static void put_until_full(sg_store *store, sg_error *err)
{
    char path[600];
    uint8_t code[8];
    sg_put_kind kind;
    uint64_t id, other;
    memset(path, 'x', sizeof path);
    path[0] = '/';
    for (uint64_t i = 0;; i++) {
        assert_true(i < 100000);
        snprintf(path + 500, 50, "%llu", (unsigned long long)i);
        sg_item item = make_item(path, 1000000 + i, i, 1, code, 64);
        if (!sg_store_put(&kind, &id, &other, store, &item, err)) return;
    }
}

static void try_growing(int before, int failures, bool usable)
{
    sg_error err = {0};
    sg_store_info info;
    reference ref = ref_new(64);
    assert_int_equal(system("rm -rf idx"), 0);
    create_store("idx", 64);
    sg_store *store = open_store("idx", true);
    add_items(store, &ref, 0, 50);
    begin(store);
    maps_before = before;
    maps_that_fail = failures;
    put_until_full(store, &err);
    assert_int_equal(err.code, SG_ERR_IO);
    assert_non_null(strstr(err.message, "idx: cannot map"));
    sg_store_abort(store);
    bool ok = sg_store_info_get(&info, store, &err);
    assert_int_equal(ok, usable);
    if (ok) {
        sg_store_info_clear(&info);
        assert_equals(store, &ref);
    }
    maps_that_fail = 0;
    assert_int_equal(sg_store_begin(store, &err), usable);
    sg_store_abort(store);
    sg_store_close(store);
    store = open_store("idx", true);
    assert_equals(store, &ref);
    add_items(store, &ref, 50, 10);
    assert_equals(store, &ref);
    sg_store_close(store);
    ref_free(&ref);
}

/* No room for the larger map: the old one stays. There seems to be room, but LMDB does not get it: it has given up the
 * old one. */
static void test_growing(void **state)
{
    (void)state;
    try_growing(0, -1, true);
    try_growing(1, 1, false);
}

/* A reader meets a file that a writer has made larger. */
static void test_following(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_store_info info;
    create_store("idx", 64);
    sg_store *reader = open_store("idx", false);
    pid_t child = fork();
    if (child == 0) {
        char path[600];
        uint8_t code[8];
        sg_put_kind kind;
        uint64_t id, other;
        memset(path, 'x', sizeof path);
        path[0] = '/';
        sg_store *writer = open_store("idx", true);
        begin(writer);
        for (uint64_t i = 0; i < 12000; i++) {
            snprintf(path + 500, 50, "%llu", (unsigned long long)i);
            sg_item item = make_item(path, i, i, 1, code, 64);
            if (!sg_store_put(&kind, &id, &other, writer, &item, &err)) _exit(1);
        }
        commit(writer);
        sg_store_close(writer);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    maps_that_fail = -1;
    assert_false(sg_store_info_get(&info, reader, &err));
    assert_non_null(strstr(err.message, "idx"));
    assert_false(sg_store_info_get(&info, reader, &err));
    maps_that_fail = 0;
    if (!sg_store_info_get(&info, reader, &err)) fail_msg("%s", err.message);
    assert_int_equal(info.items, 12000);
    sg_store_info_clear(&info);
    assert_sound(reader);
    sg_store_close(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {scratch_test(test_growing), scratch_test(test_following)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
