/* Readers without a place in LMDB's table of readers, and verification in a process of its own. */
#include "reference.h"

#include <dlfcn.h>
#include <lmdb.h>
#include <signal.h>
#include <signet/buf.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* --- LMDB that trips: in this program its cursors go through here --- */

static int trip_at, trip_signal; /* the cursor's step that raises the signal; 0: none */

int mdb_cursor_get(MDB_cursor *cursor, MDB_val *key, MDB_val *data, MDB_cursor_op op)
{
    static int (*real)(MDB_cursor *, MDB_val *, MDB_val *, MDB_cursor_op);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "mdb_cursor_get");
    if (trip_at > 0 && --trip_at == 0) raise(trip_signal);
    return real(cursor, key, data, op);
}

static void gather(void *context, const char *fault)
{
    sg_buf_printf(context, "%s\n", fault);
}

static void test_verified_apart(void **state)
{
    (void)state;
    static const int signals[] = {SIGBUS, SIGSEGV, SIGABRT};
    sg_error err = {0};
    sg_buf report = SG_BUF_INIT;
    size_t faults;
    reference ref = ref_new(64);
    create_store("idx", 64);
    sg_store *store = open_store("idx", true);
    add_items(store, &ref, 0, 50);
    sg_store_close(store);
    assert_true(sg_store_verify_apart(&faults, "idx", gather, &report, &err));
    assert_int_equal(faults, 0);
    assert_null(report.data);
    for (size_t i = 0; i < 3; i++) {
        trip_at = 20;
        trip_signal = signals[i];
        signal(trip_signal, SIG_DFL); /* the test's own handler is not the child's */
        assert_true(sg_store_verify_apart(&faults, "idx", gather, &report, &err));
        trip_at = 0;
        assert_int_equal(faults, 1);
        assert_non_null(strstr(sg_buf_text(&report), "idx: damaged: looking at it ended in a signal"));
        sg_buf_clear(&report);
    }
    trip_at = 20;
    trip_signal = SIGKILL; /* somebody's wish, no damage */
    assert_false(sg_store_verify_apart(&faults, "idx", gather, &report, &err));
    assert_string_equal(err.message, "idx: the check was ended from outside");
    trip_at = 0;
    assert_false(sg_store_verify_apart(&faults, "nosuch", gather, &report, &err));
    assert_string_equal(err.message, "nosuch: cannot open the index: No such file or directory");
    assert_int_equal(truncate("idx/data.mdb", 20480), 0);
    bool checked = sg_store_verify_apart(&faults, "idx", gather, &report, &err);
    assert_true(!checked || faults > 0);
    sg_buf_clear(&report);
    ref_free(&ref);
}

/* --- readers apart --- */

/* Becomes someone who may not write lock.mdb. Root may do everything; anybody else is kept out by the mode. */
static bool become_reader(void)
{
    return geteuid() != 0 || setuid(65534) == 0;
}

static bool need_root(void)
{
    if (geteuid() == 0) return true;
    print_message("only root can be two users: not tried\n");
    return false;
}

static void open_to_read(void)
{
    assert_int_equal(chmod(".", 0755), 0);
    assert_int_equal(chmod("idx", 0755), 0);
    assert_int_equal(chmod("idx/data.mdb", 0644), 0);
    assert_int_equal(chmod("idx/lock.mdb", 0644), 0);
}

typedef struct pause_reading {
    int ready, go;
    const reference *ref;
    size_t n;
} pause_reading;

/* After the first item waits for what the writer does. */
static bool read_and_wait(void *context, const sg_item *item, sg_error *err)
{
    (void)err;
    pause_reading *p = context;
    const ref_item *want = &p->ref->items[p->n++];
    char byte = 0;
    if (item->id != want->id || strcmp(item->path, want->path) != 0 ||
        memcmp(item->code, want->code, p->ref->nbits / 8) != 0)
        _exit(3);
    if (p->n == 1 && (write(p->ready, &byte, 1) != 1 || read(p->go, &byte, 1) != 1)) _exit(4);
    return true;
}

static void read_slowly(int ready, int go, const reference *ref)
{
    sg_error err = {0};
    sg_store *store;
    char byte;
    pause_reading p = {ready, go, ref, 0};
    if (read(go, &byte, 1) != 1 || !become_reader() || !sg_store_open(&store, "idx", false, 0, &err))
        _exit(1);
    if (!sg_store_each(store, read_and_wait, &p, &err) || p.n != ref->n) _exit(2);
    sg_store_close(store);
    _exit(0);
}

/* All items again with new contents: every page of the tables is written anew. */
static void update_all(sg_store *store, reference *ref, size_t n, uint64_t round)
{
    uint8_t code[8];
    char path[32];
    begin(store);
    for (size_t i = 0; i < n; i++) {
        snprintf(path, sizeof path, "/p/%zu", i);
        sg_item item = make_item(path, round * 100000 + i, i, 5, code, 64);
        assert_put(store, ref, &item);
    }
    commit(store);
}

static void wait_for(pid_t child)
{
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* A reader apart stands still in the middle of its state while a writer replaces everything, many times. */
static void test_state_is_kept(void **state)
{
    (void)state;
    int ready[2], go[2];
    char byte = 0;
    sg_error err = {0};
    sg_store *other;
    const size_t n = 300;
    if (!need_root()) return;
    reference ref = ref_new(64);
    create_store("idx", 64);
    sg_store *store = open_store("idx", true);
    add_items(store, &ref, 0, n);
    update_all(store, &ref, n, 1);
    sg_store_close(store);
    open_to_read();
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(go), 0);
    pid_t child = fork();
    if (child == 0) read_slowly(ready[1], go[0], &ref);
    store = open_store("idx", true);
    assert_int_equal(write(go[1], &byte, 1), 1);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    for (uint64_t round = 2; round < 8; round++) update_all(store, &ref, n, round);
    sg_store_close(store);
    /* A writer that comes now knows nothing of older states: it waits, and says for whom. */
    assert_false(sg_store_open(&other, "idx", true, 50, &err));
    assert_string_equal(err.message,
                        "idx: a process that may not write lock.mdb is reading this index (waited 0.1 s)");
    assert_int_equal(write(go[1], &byte, 1), 1);
    assert_true(sg_store_open(&store, "idx", true, WAIT_MS, &err));
    wait_for(child);
    update_all(store, &ref, n, 8);
    assert_equals(store, &ref);
    sg_store_close(store);
    ref_free(&ref);
}

/* Reads whole states while they are replaced: all items of one are of one round. */
static void read_rounds(size_t n, uint64_t last)
{
    sg_error err = {0};
    sg_store *store;
    uint8_t code[8];
    if (!become_reader() || !sg_store_open(&store, "idx", false, 0, &err)) _exit(1);
    for (uint64_t round = 0; round < last;) {
        uint8_t *codes;
        uint64_t *ids, generation;
        size_t count;
        if (!sg_store_load(&codes, &ids, &count, &generation, store, &err)) _exit(2);
        round = generation - 2; /* made by 1, added by 2, the rounds then */
        for (size_t i = 0; i < count; i++) {
            make_item("/", round * 100000 + i, 0, 0, code, 64);
            if (count != n || ids[i] != round * n + i + 1 || memcmp(codes + i * 8, code, 8) != 0) _exit(3);
        }
        sg_free(codes);
        sg_free(ids);
    }
    sg_store_close(store);
    _exit(0);
}

static void test_readers_apart_and_writer(void **state)
{
    (void)state;
    const size_t n = 100;
    const uint64_t rounds = 60;
    pid_t readers[2];
    if (!need_root()) return;
    reference ref = ref_new(64);
    create_store("idx", 64);
    sg_store *store = open_store("idx", true);
    update_all(store, &ref, n, 0);
    open_to_read();
    for (int i = 0; i < 2; i++)
        if ((readers[i] = fork()) == 0) read_rounds(n, rounds);
    for (uint64_t round = 1; round <= rounds; round++) update_all(store, &ref, n, round);
    assert_equals(store, &ref);
    sg_store_close(store);
    for (int i = 0; i < 2; i++) wait_for(readers[i]);
    ref_free(&ref);
}

/* No lock.mdb at all, in a folder where none can be made; and one that cannot even be read. */
static void test_without_lock_file(void **state)
{
    (void)state;
    if (!need_root()) return;
    reference ref = ref_new(64);
    create_store("idx", 64);
    sg_store *store = open_store("idx", true);
    add_items(store, &ref, 0, 10);
    sg_store_close(store);
    open_to_read();
    for (int i = 0; i < 2; i++) {
        assert_int_equal(i == 0 ? chmod("idx/lock.mdb", 0) : unlink("idx/lock.mdb"), 0);
        pid_t child = fork();
        if (child == 0) {
            if (!become_reader()) _exit(1);
            store = open_store("idx", false);
            assert_equals(store, &ref);
            sg_store_close(store);
            _exit(sg_path_exists("idx/lock.mdb") != (i == 0));
        }
        wait_for(child);
    }
    ref_free(&ref);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_verified_apart),
        scratch_test(test_state_is_kept),
        scratch_test(test_readers_apart_and_writer),
        scratch_test(test_without_lock_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
