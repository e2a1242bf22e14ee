/* Several processes, and processes that end at any moment. */
#include "killing.h"

#include <fcntl.h>
#include <signet/interrupt.h>
#include <signet/progress.h>
#include <sys/resource.h>
#include <sys/stat.h>

static void wait_for(pid_t child)
{
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void test_second_writer(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_store *store;
    int ready[2], go[2];
    char byte = 0;
    create_store("idx", 64);
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(go), 0);
    pid_t child = fork();
    if (child == 0) {
        sg_store *first = open_store("idx", true);
        if (write(ready[1], &byte, 1) != 1 || read(go[0], &byte, 1) != 1) _exit(1);
        usleep(100 * 1000);
        sg_store_close(first);
        _exit(0);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    double start = sg_now_seconds();
    assert_false(sg_store_open(&store, "idx", true, 150, &err));
    assert_true(sg_now_seconds() - start >= 0.15);
    assert_int_equal(err.code, SG_ERR_IO);
    assert_string_equal(err.message, "idx: another process is writing to this index (waited 0.1 s)");
    sg_interrupt_set(true); /* waiting can be given up */
    assert_false(sg_store_open(&store, "idx", true, 100000, &err));
    assert_int_equal(err.code, SG_ERR_INTERRUPTED);
    sg_interrupt_set(false);
    sg_store_close(open_store("idx", false)); /* a reader does not wait */
    assert_int_equal(write(go[1], &byte, 1), 1);
    assert_true(sg_store_open(&store, "idx", true, WAIT_MS, &err)); /* waits, and gets the place */
    sg_store_close(store);
    wait_for(child);
}

/* Reads until the writer has made `last` items: each state that is seen must be whole batches of what it wrote. */
static void read_on(uint64_t last)
{
    reference none = ref_new(64);
    sg_error err = {0};
    uint8_t code[8];
    sg_store *store = open_store("idx", false);
    for (size_t n = 0, before = 0; n < last; before = n) {
        uint8_t *codes;
        uint64_t *ids, generation;
        if (!sg_store_load(&codes, &ids, &n, &generation, store, &err)) fail_msg("%s", err.message);
        if (n % BATCH != 0 || n < before || generation != 1 + n / BATCH) _exit(2);
        for (size_t i = 0; i < n; i++) {
            make_item("/", i, 0, 0, code, 64);
            if (ids[i] != i + 1 || memcmp(codes + i * 8, code, 8) != 0) _exit(3);
        }
        sg_free(codes);
        sg_free(ids);
    }
    assert_sound(store);
    sg_store_close(store);
    ref_free(&none);
    _exit(0);
}

/* The map grows several times while others read. */
static void test_readers_and_writer(void **state)
{
    (void)state;
    const size_t batches = 150;
    pid_t readers[3];
    reference ref = ref_new(64);
    create_store("idx", 64);
    for (int i = 0; i < 3; i++)
        if ((readers[i] = fork()) == 0) read_on(batches * BATCH);
    sg_store *store = open_store("idx", true);
    for (size_t i = 0; i < batches; i++) {
        add_items(store, &ref, i * BATCH, BATCH);
    }
    assert_equals(store, &ref);
    sg_store_close(store);
    for (int i = 0; i < 3; i++) wait_for(readers[i]);
    ref_free(&ref);
}

static void test_killed(void **state)
{
    (void)state;
    kill_writers(40);
}

/* A full disk, as the kernel plays it: no file may grow beyond a bound. */
static void test_full_disk(void **state)
{
    (void)state;
    struct stat st;
    reference ref = ref_new(64);
    create_store("idx", 64);
    sg_store *store = open_store("idx", true);
    add_items(store, &ref, 0, 100);
    sg_store_close(store);
    assert_int_equal(stat("idx/data.mdb", &st), 0);
    pid_t child = fork();
    if (child == 0) {
        sg_error err = {0};
        uint8_t code[8];
        char path[32];
        bool ok = true;
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){(rlim_t)st.st_size + 100000, RLIM_INFINITY});
        store = open_store("idx", true);
        for (uint64_t i = 1000; ok && i < 100000; i++) {
            sg_put_kind kind;
            uint64_t id, other;
            snprintf(path, sizeof path, "/full/%llu", (unsigned long long)i);
            sg_item item = make_item(path, i, i, 1, code, 64);
            if (i % 50 == 0) ok = sg_store_begin(store, &err);
            ok = ok && sg_store_put(&kind, &id, &other, store, &item, &err);
            if (ok && i % 50 == 49) ok = sg_store_commit(store, &err);
        }
        if (ok || err.code != SG_ERR_IO || !strstr(err.message, "idx: ") || !strstr(err.message, "full"))
            _exit(2);
        sg_store_abort(store);
        assert_sound(store);
        sg_store_close(store);
        _exit(0);
    }
    wait_for(child);
    store = open_store("idx", true);
    assert_sound(store);
    sg_error err = {0};
    sg_store_info info;
    assert_true(sg_store_info_get(&info, store, &err));
    assert_true(info.items > 100 && info.items % 50 == 0);
    sg_store_info_clear(&info);
    sg_store_close(store);
    ref_free(&ref);
}

static bool die(void *context, const sg_item *item, sg_error *err)
{
    (void)context, (void)item, (void)err;
    return kill(getpid(), SIGKILL) == 0;
}

/* Readers that are killed while they look leave their entries in the table of readers, until it is full. */
static void test_dead_readers(void **state)
{
    (void)state;
    reference ref = ref_new(64);
    create_store("idx", 64);
    sg_store *store = open_store("idx", true);
    add_items(store, &ref, 0, 10);
    sg_store_close(store);
    sg_store *open_all_along =
        open_store("idx", false); /* who comes to an index that nobody has open clears the table */
    for (int i = 0; i < 520; i++) {
        sg_error err = {0};
        int status;
        pid_t child = fork();
        if (child == 0) {
            if (!sg_store_open(&store, "idx", false, 0, &err)) _exit(1);
            sg_store_each(store, die, NULL, &err);
            _exit(2);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        if (!WIFSIGNALED(status)) fail_msg("reader %d: status %d", i, WEXITSTATUS(status));
    }
    assert_equals(open_all_along, &ref);
    sg_store_close(open_all_along);
    ref_free(&ref);
}

/* The same content again and again, in batches. */
static off_t size_after(sg_store *store, int batches)
{
    struct stat st;
    for (int i = 0; i < batches; i++) {
        sg_error err = {0};
        uint8_t code[8];
        char path[32];
        begin(store);
        for (uint64_t k = 0; k < 200; k++) {
            sg_put_kind kind;
            uint64_t id, other;
            snprintf(path, sizeof path, "/p/%llu", (unsigned long long)k);
            sg_item item = make_item(path, 1000 * (uint64_t)i + k, k, 1, code, 64);
            if (!sg_store_put(&kind, &id, &other, store, &item, &err)) fail_msg("%s", err.message);
        }
        commit(store);
    }
    assert_int_equal(stat("idx/data.mdb", &st), 0);
    return st.st_size;
}

/* A reader that is killed while it looks does not keep pages from a writer who has had the index open all along. */
static void test_dead_reader_and_writer(void **state)
{
    (void)state;
    int status;
    create_store("idx", 64);
    sg_store *store = open_store("idx", true);
    off_t before = size_after(store, 10);
    pid_t child = fork();
    if (child == 0) {
        sg_error err = {0};
        sg_store_each(open_store("idx", false), die, NULL, &err);
        _exit(1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_true(size_after(store, 40) < 2 * before);
    sg_store_close(store);
}

/* A folder that may only be read: readers read, a writer and a maker are told. Root may do everything, so a child
 * becomes someone else. */
static void test_read_only(void **state)
{
    (void)state;
    reference ref = ref_new(64);
    create_store("idx", 64);
    sg_store *store = open_store("idx", true);
    add_items(store, &ref, 0, 10);
    sg_store_close(store);
    assert_int_equal(chmod(".", 0755), 0);
    assert_int_equal(chmod("idx", 0755), 0);
    assert_int_equal(chmod("idx/data.mdb", 0444), 0);
    assert_int_equal(chmod("idx/lock.mdb", 0666), 0);
    const bool root = geteuid() == 0;
    pid_t child = fork();
    if (child == 0) {
        sg_error err = {0};
        sg_kv none = SG_KV_INIT;
        if (root && setuid(65534) != 0) _exit(0);
        if (sg_store_open(&store, "idx", true, 0, &err)) _exit(2);
        if (err.code != SG_ERR_IO || !strstr(err.message, "idx/data.mdb: cannot write: Permission denied"))
            _exit(3);
        if (root && sg_store_create("new", 64, FINGERPRINT, &none, "flat", NULL, false, NULL, NULL, &err))
            _exit(4);
        store = open_store("idx", false);
        assert_equals(store, &ref);
        sg_store_close(store);
        _exit(0);
    }
    wait_for(child);
    ref_free(&ref);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_second_writer), scratch_test(test_readers_and_writer),
        scratch_test(test_killed),        scratch_test(test_full_disk),
        scratch_test(test_dead_readers),  scratch_test(test_dead_reader_and_writer),
        scratch_test(test_read_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
