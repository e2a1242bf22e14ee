/* An index of each version of the format, as it was written then (golden/README.md), is opened, read and written to.
 * With an argument it makes the one of the present version: test_index_store_golden FOLDER. */
#include "reference.h"

#include <sys/stat.h>
#include <sys/wait.h>

#define NBITS 16

static void put(sg_store *store, reference *ref, const char *path, uint64_t content)
{
    sg_put_kind kind;
    uint64_t other;
    uint8_t code[NBITS / 8];
    sg_item item =
        make_item(path, content, content * 1000, 1700000000000000000 + (int64_t)content, code, NBITS);
    if (store)
        assert_put(store, ref, &item);
    else
        ref_put(ref, &kind, &other, &item);
}

static void take(sg_store *store, reference *ref, uint64_t id)
{
    sg_error err = {0};
    if (store) assert_true(sg_store_remove(store, id, &err));
    ref_remove(ref, ref_id(ref, id));
}

/* What version 1 knew: two batches, with a copy, an update, odd names and removals. store NULL: only what it gives. */
static void golden_1(sg_store *store, reference *ref)
{
    char path[32];
    if (store) begin(store);
    for (uint64_t i = 0; i < 12; i++) {
        snprintf(path, sizeof path, "/golden/%d.jpg", (int)i);
        put(store, ref, path, i);
    }
    put(store, ref, "/golden/copy of 3", 3);
    put(store, ref, "/golden/\xff\n", 20);
    if (store) commit(store);
    if (store) begin(store);
    put(store, ref, "/golden/5.jpg", 21);
    take(store, ref, 2);
    take(store, ref, 9);
    if (store) commit(store);
}

/* What version 2 added. */
static void golden_2(sg_store *store, reference *ref)
{
    static const char packed[] = "camera\0x\0label\0cat\0label\0dog\0";
    static const uint8_t codes[] = {0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc};
    sg_error err = {0};
    sg_put_kind kind;
    uint64_t first, other;
    float outputs[NBITS];
    uint8_t code[NBITS / 8];
    for (int i = 0; i < NBITS; i++) outputs[i] = (float)(i - 7) / 4;
    sg_item item = make_item("/golden/real", 30, 1, 2, code, NBITS);
    item.outputs = outputs;
    item.attributes = packed;
    item.attributes_nbytes = sizeof packed - 1;
    ref->probe = "8";
    ref_put(ref, &kind, &other, &item);
    for (size_t i = 0; i < 3; i++) ref_put_code(ref, codes + 2 * i);
    ref_set_attributes(ref_id(ref, 4), packed, sizeof packed - 1);
    ref_pair_set(ref, 13, 4, true);
    ref_pair_set(ref, 17, 1, true);
    ref_remove(ref, ref_id(ref, 18));
    if (!store) return;
    begin(store);
    assert_true(sg_store_put(&kind, &first, &other, store, &item, &err));
    assert_true(sg_store_put_codes(&first, store, codes, 3, &err));
    assert_true(sg_store_set_attributes(store, 4, packed, sizeof packed - 1, &err));
    assert_true(sg_store_pair_set(store, 13, 4, true, &err) && sg_store_pair_set(store, 17, 1, true, &err));
    commit(store);
    begin(store);
    assert_true(sg_store_remove(store, 18, &err));
    commit(store);
}

static reference golden(int version, sg_store *store)
{
    reference ref = ref_new(NBITS);
    golden_1(store, &ref);
    if (version < 2) return ref;
    ref.keeps_outputs = true;
    golden_2(store, &ref);
    return ref;
}

static void make(const char *folder)
{
    reference ref = {.nbits = NBITS, .keeps_outputs = true, .kind = "flat", .probe = "8"};
    create_store_of(folder, &ref);
    sg_store *store = open_store(folder, true);
    ref = golden(2, store);
    assert_equals(store, &ref);
    sg_store_close(store);
    ref_free(&ref);
}

static char source[4096]; /* the tests' folder */

static void copy_golden(int version)
{
    sg_error err = {0};
    char path[4200];
    snprintf(path, sizeof path, "%s/index/golden/%d/data.mdb", source, version);
    assert_int_equal(mkdir("idx", 0777), 0);
    if (!sg_file_copy(path, "idx/data.mdb", &err)) fail_msg("%s", err.message);
}

static void assert_version(sg_store *store, unsigned version)
{
    sg_error err = {0};
    sg_store_info info;
    assert_true(sg_store_info_get(&info, store, &err));
    assert_int_equal(info.version, version);
    assert_string_equal(info.fingerprint, FINGERPRINT);
    assert_string_equal(sg_kv_get(&info.recipe, "resize"), "32");
    sg_store_info_clear(&info);
}

/* A copy of it, and it compacted, are of its version too. */
static void move_golden(int version, reference *ref)
{
    static const char *const dirs[] = {"copy", "idx"};
    sg_error err = {0};
    sg_store_sizes sizes;
    sg_store *store = open_store("idx", false);
    if (!sg_store_copy(store, "copy", NULL, NULL, &err)) fail_msg("%s", err.message);
    sg_store_close(store);
    if (!sg_store_compact(&sizes, "idx", false, 0, &err)) fail_msg("%s", err.message);
    for (int i = 0; i < 2; i++) {
        store = open_store(dirs[i], true);
        assert_version(store, (unsigned)version);
        assert_equals(store, ref);
        sg_store_close(store);
    }
}

/* Repaired it is the same, in the present version. */
static void repair_golden(reference *ref)
{
    sg_error err = {0};
    sg_repair_counts counts;
    const sg_repair_options none = {.fill = NULL};
    if (!sg_store_repair(&counts, "idx", "repaired", &none, &err)) fail_msg("%s", err.message);
    assert_int_equal(counts.saved, ref->n);
    assert_int_equal(counts.lost + counts.partly + counts.unknown, 0);
    sg_store *store = open_store("repaired", false);
    assert_version(store, 2);
    assert_equals(store, ref);
    sg_store_close(store);
}

static void read_golden(int version)
{
    reference ref = golden(version, NULL);
    copy_golden(version);
    for (int writable = 0; writable < 2; writable++) {
        sg_store *store = open_store("idx", writable);
        assert_version(store, (unsigned)version);
        assert_equals(store, &ref);
        sg_store_close(store);
    }
    repair_golden(&ref);
    move_golden(version, &ref);
    ref_free(&ref);
}

static void test_version_1(void **state)
{
    (void)state;
    read_golden(1);
}

static void test_version_2(void **state)
{
    (void)state;
    read_golden(2);
}

/* Something of what only version 2 holds, and of what both do. store NULL: as above. */
static void change(sg_store *store, reference *ref)
{
    static const uint8_t code[] = {1, 2};
    sg_error err = {0};
    uint64_t first = ref->next_id;
    ref_put_code(ref, code);
    ref_pair_set(ref, 3, first, true);
    ref_set_attributes(ref_id(ref, 1), "k\0v\0", 4);
    if (store) {
        begin(store);
        assert_true(sg_store_put_codes(&first, store, code, 1, &err));
        assert_true(sg_store_pair_set(store, 3, first, true, &err));
        assert_true(sg_store_set_attributes(store, 1, "k\0v\0", 4, &err));
    }
    put(store, ref, "/new", 40);
    if (store) commit(store);
}

/* The first batch that is committed makes it version 2; one that is not changes nothing. */
static void test_written_to(void **state)
{
    (void)state;
    sg_error err = {0};
    reference ref = golden(1, NULL);
    copy_golden(1);
    sg_store *store = open_store("idx", true);
    begin(store);
    assert_true(sg_store_pair_set(store, 1, 3, true, &err));
    sg_store_abort(store);
    assert_version(store, 1);
    assert_equals(store, &ref);
    change(store, &ref);
    assert_version(store, 2);
    assert_equals(store, &ref);
    sg_store_close(store);
    store = open_store("idx", false);
    assert_equals(store, &ref);
    sg_store_close(store);
    ref_free(&ref);
}

/* A reader that has version 1 open goes on when another process writes version 2. */
static void test_reader_goes_along(void **state)
{
    (void)state;
    reference ref = golden(1, NULL);
    int fds[2], status;
    char byte;
    copy_golden(1);
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    if (child == 0) {
        sg_store *reader = open_store("idx", false);
        assert_version(reader, 1);
        if (write(fds[1], "", 1) != 1) _exit(1);
        for (sg_store_info info = {0}; info.version < 2;) {
            sg_error err = {0};
            sg_store_info_clear(&info);
            if (!sg_store_info_get(&info, reader, &err)) _exit(2);
        }
        change(NULL, &ref);
        assert_equals(reader, &ref);
        sg_store_close(reader);
        _exit(0);
    }
    assert_int_equal(read(fds[0], &byte, 1), 1);
    sg_store *store = open_store("idx", true);
    change(store, &ref);
    sg_store_close(store);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    ref_free(&ref);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_version_1),
        scratch_test(test_version_2),
        scratch_test(test_written_to),
        scratch_test(test_reader_goes_along),
    };
    if (argc == 2) {
        make(argv[1]);
        return 0;
    }
    if (!getcwd(source, sizeof source)) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
