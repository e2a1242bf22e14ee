/* Copies of a store and stores made smaller, alone and among other processes. */
#include "killing.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

static void wait_for(pid_t child)
{
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static uint64_t size_of(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return (uint64_t)st.st_size;
}

static void remove_items(sg_store *store, reference *ref, size_t keep_every)
{
    sg_error err = {0};
    begin(store);
    for (size_t i = ref->n; i-- > 0;) {
        if (i % keep_every == 0) continue;
        if (!sg_store_remove(store, ref->items[i].id, &err)) fail_msg("%s", err.message);
        ref_remove(ref, &ref->items[i]);
    }
    commit(store);
}

static void assert_compacts(sg_store_sizes *sizes)
{
    sg_error err = {0};
    sg_store_sizes asked;
    uint64_t before = size_of("idx/data.mdb");
    if (!sg_store_compact(&asked, "idx", true, 0, &err)) fail_msg("%s", err.message);
    assert_int_equal(size_of("idx/data.mdb"), before);
    if (!sg_store_compact(sizes, "idx", false, 0, &err)) fail_msg("%s", err.message);
    assert_int_equal(sizes->before, before);
    assert_int_equal(sizes->after, asked.after); /* what was foretold is what came */
    assert_int_equal(size_of("idx/data.mdb"), sizes->after);
    assert_false(sg_path_exists("idx/compact.tmp"));
}

static void assert_holds(const char *dir, reference *ref)
{
    for (int writable = 0; writable < 2; writable++) {
        sg_store *store = open_store(dir, writable);
        assert_equals(store, ref);
        sg_store_close(store);
    }
}

/* After any number of transactions: the new file's meta pages stand where the parity of the last one asks. */
static void test_compact(void **state)
{
    (void)state;
    sg_store_sizes sizes;
    reference ref = ref_new(64);
    create_store("idx", 64);
    assert_compacts(&sizes); /* an empty one */
    for (int round = 0; round < 4; round++) {
        sg_store *store = open_store("idx", true);
        for (int batch = 0; batch <= round; batch++) add_items(store, &ref, ref.next_id, 700);
        remove_items(store, &ref, 9);
        sg_store_close(store);
        assert_int_equal(chmod("idx/data.mdb", 0640), 0);
        assert_compacts(&sizes);
        assert_true(sizes.after < sizes.before / 2);
        struct stat st;
        assert_int_equal(stat("idx/data.mdb", &st), 0);
        assert_int_equal(st.st_mode & 07777, 0640);
        assert_holds("idx", &ref);
        assert_compacts(&sizes); /* twice: nothing is left to gain */
        assert_int_equal(sizes.after, sizes.before);
    }
    assert_holds("idx", &ref);
    ref_free(&ref);
}

/* Runs in a process of its own: an index is open once in one process. */
#define in_child(statement)                                                                                  \
    do {                                                                                                     \
        pid_t child_ = fork();                                                                               \
        if (child_ == 0) {                                                                                   \
            statement;                                                                                       \
            _exit(0);                                                                                        \
        }                                                                                                    \
        wait_for(child_);                                                                                    \
    } while (0)

static void ref_add(reference *ref, size_t first, size_t n)
{
    uint8_t code[8];
    char path[64];
    for (size_t i = first; i < first + n; i++) {
        sg_put_kind kind;
        uint64_t other;
        snprintf(path, sizeof path, "/p/%zu", i);
        sg_item item = make_item(path, i, 1000 + i, (int64_t)i * 1000000007, code, ref->nbits);
        ref_put(ref, &kind, &other, &item);
    }
}

static void compact_quietly(void)
{
    sg_error err = {0};
    sg_store_sizes sizes;
    if (!sg_store_compact(&sizes, "idx", false, WAIT_MS, &err)) {
        print_message("%s\n", err.message);
        _exit(2);
    }
}

static void add_more(reference ref, size_t first, size_t n)
{
    sg_store *store = open_store("idx", true);
    add_items(store, &ref, first, n);
    sg_store_close(store);
}

/* A reader has the index open, over compactions and over what is written after them. */
static void test_reader_follows(void **state)
{
    (void)state;
    sg_error err = {0};
    reference ref = ref_new(64);
    create_store("idx", 64);
    sg_store *store = open_store("idx", true);
    add_items(store, &ref, 0, 500);
    remove_items(store, &ref, 5);
    sg_store_close(store);
    store = open_store("idx", false);
    assert_equals(store, &ref);
    for (size_t round = 0; round < 6; round++) {
        in_child(compact_quietly());
        if (round != 3) assert_equals(store, &ref);
        for (size_t batch = 0; batch <= round; batch++) {
            in_child(add_more(ref, 1000 + 10 * ref.next_id, 10));
            ref_add(&ref, 1000 + 10 * ref.next_id, 10);
        }
        assert_equals(store, &ref);
    }
    /* The index of another encoder in its place is not taken for it. */
    assert_int_equal(rename("idx", "old"), 0);
    sg_kv none = SG_KV_INIT;
    char other[] = FINGERPRINT;
    other[0] = 'f';
    assert_true(sg_store_create("idx", 64, other, &none, "flat", NULL, false, NULL, NULL, &err));
    sg_store_info info;
    for (int i = 0; i < 2; i++) {
        assert_false(sg_store_info_get(&info, store, &err));
        assert_int_equal(err.code, SG_ERR_MISMATCH);
    }
    bool replaced = false;
    assert_true(sg_store_is_replaced(&replaced, store, &err) && replaced);
    sg_store_close(store);
    ref_free(&ref);
}

typedef struct walk {
    sg_store *store;
    const reference *ref;
    bool compacts;
    size_t n;
} walk;

/* Longer than the first map. */
static sg_item make_long(uint8_t code[8])
{
    static char path[5 << 20];
    memset(path, 'x', sizeof path - 1);
    path[0] = '/';
    return make_item(path, 999, 1, 1, code, 64);
}

static void change_much(reference ref)
{
    uint8_t code[8];
    sg_item item = make_long(code);
    sg_store *store = open_store("idx", true);
    begin(store);
    assert_put(store, &ref, &item);
    assert_true(sg_store_remove(store, ref.items[9].id, NULL));
    commit(store);
    sg_store_close(store);
}

static bool change_meanwhile(void *context, const sg_item *item, sg_error *err)
{
    walk *w = context;
    const ref_item *want = &w->ref->items[w->n++];
    sg_item again;
    sg_store_info info;
    char *path;
    if (w->n == 3 && w->compacts) in_child(compact_quietly());
    if (w->n == 5) in_child(change_much(ref_copy(w->ref)));
    assert_int_equal(item->id, want->id);
    if (!sg_store_get(&again, &path, w->store, item->id, err)) return false;
    assert_string_equal(path, want->path);
    sg_free(path);
    if (!sg_store_info_get(&info, w->store, err)) return false;
    assert_int_equal(info.items, w->ref->n);
    sg_store_info_clear(&info);
    return true;
}

/* A walk, and what is asked from within it, see one state, whatever others do to the file and its map meanwhile. */
static void test_changes_under_a_walk(void **state)
{
    (void)state;
    for (int compacts = 0; compacts < 2; compacts++) {
        sg_error err = {0};
        reference ref = ref_new(64);
        uint8_t code[8];
        sg_item item = make_long(code);
        sg_put_kind kind;
        uint64_t other;
        create_store("idx", 64);
        sg_store *store = open_store("idx", true);
        add_items(store, &ref, 0, 50);
        sg_store_close(store);
        store = open_store("idx", false);
        walk w = {store, &ref, compacts, 0};
        if (!sg_store_each(store, change_meanwhile, &w, &err) || err.code) fail_msg("%s", err.message);
        assert_int_equal(w.n, 50);
        ref_put(&ref, &kind, &other, &item);
        ref_remove(&ref, &ref.items[9]);
        assert_equals(store, &ref);
        sg_store_close(store);
        ref_free(&ref);
        assert_int_equal(system("rm -r idx"), 0);
    }
}

/* --- many processes ----------------------------------------------------------------------------------------- */

/* Between two looks of a reader: a writer that opens the index must come upon a moment without readers apart. */
#define PAUSE_US 5000

static void compact_on(int rounds)
{
    for (int i = 0; i < rounds; i++) compact_quietly();
    _exit(0);
}

/* Adds batches under paths of its own, opening the index for each: it waits for the lock of files that go away. */
static void add_on(uint64_t writer, int batches)
{
    sg_error err = {0};
    uint8_t code[8];
    char path[64];
    for (int b = 0; b < batches; b++) {
        sg_store *store;
        sg_put_kind kind;
        uint64_t id, other;
        if (!sg_store_open(&store, "idx", true, WAIT_MS, &err) || !sg_store_begin(store, &err)) _exit(2);
        for (uint64_t i = 0; i < BATCH; i++) {
            uint64_t content = writer * 1000000 + (uint64_t)b * BATCH + i;
            snprintf(path, sizeof path, "/%llu", (unsigned long long)content);
            sg_item item = make_item(path, content, 1, 1, code, 64);
            if (!sg_store_put(&kind, &id, &other, store, &item, &err) || kind != SG_PUT_ADDED) _exit(3);
        }
        if (!sg_store_commit(store, &err)) _exit(4);
        sg_store_close(store);
    }
    _exit(0);
}

static void watch(uint64_t until)
{
    sg_error err = {0};
    sg_store *store = open_store("idx", false);
    for (uint64_t n = 0, before = 0; n < until; before = n) {
        uint8_t *codes;
        uint64_t *ids, generation;
        if (!sg_store_load(&codes, &ids, &n, &generation, store, &err)) {
            print_message("%s\n", err.message);
            _exit(2);
        }
        if (n < before || n % BATCH != 0 || generation != 1 + n / BATCH) _exit(3);
        sg_free(codes);
        sg_free(ids);
        usleep(PAUSE_US);
    }
    assert_sound(store);
    _exit(0);
}

/* Writers, compactions and readers at once: nothing that was acknowledged is lost, no state is seen that was none. */
static void test_many(void **state)
{
    (void)state;
    enum { WRITERS = 2, BATCHES = 12 };
    sg_error err = {0};
    sg_store_info info;
    pid_t children[WRITERS + 3];
    size_t n = 0;
    create_store("idx", 64);
    for (uint64_t i = 0; i < WRITERS; i++)
        if ((children[n++] = fork()) == 0) add_on(i + 1, BATCHES);
    for (int i = 0; i < 2; i++)
        if ((children[n++] = fork()) == 0) watch(WRITERS * BATCHES * BATCH);
    if ((children[n++] = fork()) == 0) compact_on(10);
    while (n > 0) wait_for(children[--n]);
    sg_store *store = open_store("idx", true);
    assert_sound(store);
    assert_true(sg_store_info_get(&info, store, &err));
    assert_int_equal(info.items, WRITERS * BATCHES * BATCH);
    assert_int_equal(info.generation, 1 + WRITERS * BATCHES);
    sg_store_info_clear(&info);
    sg_store_close(store);
}

/* The same beside readers who may not write lock.mdb. */
static void test_many_readers_apart(void **state)
{
    (void)state;
    enum { BATCHES = 12 };
    pid_t children[4];
    size_t n = 0;
    if (geteuid() != 0) {
        print_message("only root can be two users: not tried\n");
        return;
    }
    create_store("idx", 64);
    assert_int_equal(chmod(".", 0755) | chmod("idx", 0755), 0);
    assert_int_equal(chmod("idx/data.mdb", 0644) | chmod("idx/lock.mdb", 0644), 0);
    for (int i = 0; i < 2; i++)
        if ((children[n++] = fork()) == 0) {
            if (setuid(65534) != 0) _exit(9);
            watch(BATCHES * BATCH);
        }
    if ((children[n++] = fork()) == 0) add_on(1, BATCHES);
    if ((children[n++] = fork()) == 0) compact_on(10);
    while (n > 0) wait_for(children[--n]);
    sg_store *store = open_store("idx", true);
    assert_sound(store);
    sg_store_close(store);
}

static void test_killed(void **state)
{
    (void)state;
    sg_rng rng = sg_rng_at(8, SG_RNG_TEST, 0, 0);
    reference ref = ref_new(64);
    create_store("idx", 64);
    sg_store *store = open_store("idx", true);
    add_items(store, &ref, 0, 3000);
    remove_items(store, &ref, 3);
    sg_store_close(store);
    for (int i = 0; i < 20; i++) {
        pid_t child = fork();
        if (child == 0) compact_on(1000000);
        usleep((useconds_t)sg_rng_below(&rng, 40 * 1000));
        kill(child, SIGKILL);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        store = open_store("idx", i % 2);
        assert_equals(store, &ref);
        if (i % 2) {
            assert_false(sg_path_exists("idx/compact.tmp")); /* a writer clears up */
            add_items(store, &ref, 10000 + (size_t)i, 1);
        }
        sg_store_close(store);
    }
    ref_free(&ref);
}

/* --- copies --------------------------------------------------------------------------------------------------- */

static bool fill_one(void *context, const char *folder, sg_error *err)
{
    char *path;
    assert_true(sg_path_join(&path, folder, "extra", err));
    bool ok = !context && sg_file_write(path, "12345", 5, err);
    sg_free(path);
    return ok || sg_fail(err, SG_ERR_MISMATCH, "%s", (const char *)context);
}

static void assert_alone(const char *const *names, size_t n)
{
    char **there;
    size_t m;
    assert_true(sg_dir_list(&there, &m, ".", NULL));
    assert_int_equal(m, n);
    for (size_t i = 0; i < n; i++) assert_string_equal(there[i], names[i]);
    sg_names_free(there, m);
}

static void test_copy(void **state)
{
    (void)state;
    static const char *const both[] = {"a", "b", "idx"};
    sg_error err = {0};
    reference ref = ref_new(48);
    create_store("idx", 48);
    sg_store *store = open_store("idx", true);
    assert_true(sg_store_copy(store, "a", fill_one, NULL, &err));
    assert_holds("a", &ref);
    assert_true(sg_path_exists("a/extra"));
    add_items(store, &ref, 0, 300);
    remove_items(store, &ref, 2);
    assert_true(sg_store_copy(store, "b", NULL, NULL, &err));
    assert_holds("b", &ref);
    assert_false(sg_store_copy(store, "b", NULL, NULL, &err));
    assert_string_equal(err.message, "b: exists and is not empty");
    assert_false(sg_store_copy(store, "c", fill_one, "no", &err));
    assert_int_equal(err.code, SG_ERR_MISMATCH);
    assert_false(sg_store_copy(store, "missing/c", NULL, NULL, &err));
    assert_alone(both, 3);
    sg_store_close(store);
    /* It is an index like any other. */
    reference more = ref_copy(&ref);
    store = open_store("b", true);
    add_items(store, &more, 1000, 50);
    assert_equals(store, &more);
    sg_store_close(store);
    assert_holds("idx", &ref);
    ref_free(&more);
    ref_free(&ref);
}

/* Each copy is a state that was: whole batches of the writer, as its generation says. */
static void test_copy_while_written(void **state)
{
    (void)state;
    int fds[2];
    sg_error err = {0};
    uint64_t last = 0;
    create_store("idx", 64);
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    if (child == 0) write_on(fds[1]);
    assert_int_equal(read(fds[0], &last, sizeof last), sizeof last); /* the writer has begun */
    sg_store *store = open_store("idx", false);
    for (int i = 0; i < 7; i++) {
        char name[16];
        sg_store_info info;
        size_t n = 0;
        snprintf(name, sizeof name, "copy%d", i);
        if (!sg_store_copy(store, name, NULL, NULL, &err)) fail_msg("%s", err.message);
        sg_store *copy = open_store(name, i % 2);
        assert_sound(copy);
        assert_true(sg_store_info_get(&info, copy, &err));
        assert_true(info.next_id % BATCH == 1 && info.next_id >= last);
        assert_int_equal(info.generation, 1 + (info.next_id - 1) / BATCH);
        assert_true(sg_store_each(copy, check_killed, &n, &err));
        assert_int_equal(n, info.items);
        last = info.next_id;
        sg_store_info_clear(&info);
        sg_store_close(copy);
    }
    assert_true(last > 1);
    kill(child, SIGKILL);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    sg_store_close(store);
}

/* --- what goes wrong ------------------------------------------------------------------------------------------ */

static void test_damage_is_not_copied(void **state)
{
    (void)state;
    static const char *const alone[] = {"idx", "whole"};
    reference ref = ref_new(64);
    create_store("idx", 64);
    sg_store *store = open_store("idx", true);
    add_items(store, &ref, 0, 400);
    sg_store_close(store);
    uint64_t size = size_of("idx/data.mdb");
    assert_true(sg_file_copy("idx/data.mdb", "whole", NULL));
    size_t refused = 0;
    for (uint64_t at = 4096 * 2 + 1000; at < size; at += 4096) {
        sg_error err = {0};
        sg_store_sizes sizes;
        assert_true(sg_file_copy("whole", "idx/data.mdb", NULL));
        int fd = open("idx/data.mdb", O_RDWR);
        uint8_t byte;
        assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
        byte ^= 4;
        assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
        close(fd);
        if (!sg_store_open(&store, "idx", false, 0, &err)) continue;
        bool copied = sg_store_copy(store, "copy", NULL, NULL, &err);
        sg_store_close(store);
        if (copied) {
            assert_holds("copy", &ref); /* the byte is of no page in use */
            assert_int_equal(remove("copy/data.mdb") | remove("copy/lock.mdb") | remove("copy"), 0);
            continue;
        }
        refused++;
        assert_int_equal(err.code, SG_ERR_FORMAT);
        assert_alone(alone, 2);
        assert_false(sg_store_compact(&sizes, "idx", false, 0, &err));
        assert_int_equal(err.code, SG_ERR_FORMAT);
        assert_false(sg_path_exists("idx/compact.tmp"));
        assert_int_equal(size_of("idx/data.mdb"), size);
    }
    assert_true(refused > 10);
    ref_free(&ref);
}

static void test_failing_allocations(void **state)
{
    (void)state;
    reference ref = ref_new(64);
    create_store("idx", 64);
    sg_store *store = open_store("idx", true);
    add_items(store, &ref, 0, 40);
    remove_items(store, &ref, 2);
    sg_store_close(store);
    size_t failed = 0, row = 0;
    for (uint64_t nth = 1; row < 12; nth++) { /* what only clears up may fail in silence */
        sg_error err = {0};
        sg_store_sizes sizes;
        sg_mem_fail_at(nth);
        bool ok = sg_store_compact(&sizes, "idx", false, 0, &err);
        sg_mem_fail_at(0);
        row = ok ? row + 1 : 0;
        failed += !ok;
        if (!ok) assert_int_equal(err.code, SG_ERR_MEMORY);
        assert_holds("idx", &ref);
        assert_false(sg_path_exists("idx/compact.tmp"));
    }
    assert_true(failed > 20);
    store = open_store("idx", false);
    assert_survives_allocation_failures(sg_store_copy(store, "copy", NULL, NULL, &err));
    assert_holds("copy", &ref);
    sg_store_close(store);
    ref_free(&ref);
}

static void test_refused(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_store_sizes sizes;
    assert_false(sg_store_compact(&sizes, "absent", false, 0, &err));
    create_store("idx", 64);
    int fd = open("idx/data.mdb", O_RDONLY);
    assert_int_equal(flock(fd, LOCK_EX), 0); /* a writer is at work */
    assert_false(sg_store_compact(&sizes, "idx", false, 50, &err));
    assert_string_equal(err.message, "idx: another process is writing to this index (waited 0.1 s)");
    assert_true(sg_store_compact(&sizes, "idx", true, 0, &err)); /* asking needs no lock */
    close(fd);
    assert_int_equal(rename("idx/data.mdb", "elsewhere"), 0);
    assert_int_equal(symlink("../elsewhere", "idx/data.mdb"), 0);
    assert_false(sg_store_compact(&sizes, "idx", false, 0, &err));
    assert_string_equal(err.message, "idx/data.mdb: is a link: it cannot be replaced");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_compact),
        scratch_test(test_reader_follows),
        scratch_test(test_changes_under_a_walk),
        scratch_test(test_many),
        scratch_test(test_many_readers_apart),
        scratch_test(test_killed),
        scratch_test(test_copy),
        scratch_test(test_copy_while_written),
        scratch_test(test_damage_is_not_copied),
        scratch_test(test_failing_allocations),
        scratch_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
