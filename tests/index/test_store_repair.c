#include "repairing.h"

#include "index/store_impl.h"
#include <sys/file.h>

static void test_flipped_bytes(void **state)
{
    (void)state;
    world w;
    make_world(&w, 50, 60);
    repair_flips(&w, 5, 1999);
    repair_flips(&w, 0, w.nbytes / 40);
    free_world(&w);
}

/* Several blocks, trees with branches. */
static void test_larger(void **state)
{
    (void)state;
    world w;
    make_world(&w, 5000, 5400);
    repair_flips(&w, 4097, w.nbytes / 5);
    repair_wrecks(&w, 3, 2);
    free_world(&w);
}

static void test_wrecks(void **state)
{
    (void)state;
    world w;
    make_world(&w, 50, 60);
    repair_wrecks(&w, 25, 1);
    free_world(&w);
}

static uint64_t generation_of(const char *dir)
{
    sg_error err = {0};
    sg_store_info info;
    sg_store *store = open_store(dir, false);
    if (!sg_store_info_get(&info, store, &err)) fail_msg("%s", err.message);
    uint64_t generation = info.generation;
    sg_store_info_clear(&info);
    sg_store_close(store);
    return generation;
}

/* Undamaged: everything is there, and the new index goes on where the old one was. */
static void test_sound(void **state)
{
    (void)state;
    world w;
    sg_error err = {0};
    sg_repair_counts counts;
    sg_store_info info;
    const sg_repair_options none = {.fill = NULL};
    uint64_t pairs = 0, npairs = 0;
    make_world(&w, 5000, 5400);
    damage d = begin_damage(&w);
    assert_int_equal(repair_and_judge(&w, &d, true), 0);
    end_damage(&d, &w);
    assert_true(sg_store_repair(&counts, "idx", "new", &none, &err));
    assert_int_equal(counts.saved, w.nlive);
    assert_int_equal(counts.lost + counts.partly + counts.older + counts.unknown, 0);
    sg_store *store = open_store("new", true);
    assert_true(sg_store_info_get(&info, store, &err));
    assert_int_equal(info.items, w.nlive);
    assert_int_equal(info.next_id, w.n + 1);
    assert_true(info.generation > generation_of("idx"));
    assert_string_equal(info.kind, "mih");
    assert_string_equal(info.fingerprint, FINGERPRINT);
    assert_string_equal(sg_kv_get(&info.recipe, "resize"), "32");
    assert_string_equal(sg_kv_get(&info.params, "resize"), "32");
    sg_store_info_clear(&info);
    assert_true(sg_store_pairs(store, count_pair, &pairs, &err));
    for (uint64_t id = 1; id <= w.n; id++) npairs += paired(&w, id);
    assert_true(npairs > 0);
    assert_int_equal(pairs, npairs);
    begin(store);
    put_id(store, &w, w.n + 1);
    commit(store);
    assert_sound(store);
    sg_store_close(store);
    free_world(&w);
}

/* Two items that live under one path, as when damage has brought back one that was removed: the later one stays, under its
 * own id. */
static void test_one_path(void **state)
{
    (void)state;
    for (uint64_t content = 1; content < 3; content++) {
        sg_error err = {0};
        sg_repair_counts counts;
        sg_item item, again;
        const sg_repair_options none = {.fill = NULL};
        uint8_t code[8], key[SG_ID_NBYTES], record[200];
        uint64_t id, other;
        sg_put_kind kind;
        char *path;
        create_store("idx", 64);
        sg_store *store = open_store("idx", true);
        begin(store);
        item = make_item("/a", 1, 5, 1, code, 64);
        assert_true(sg_store_put(&kind, &id, &other, store, &item, &err) && id == 1);
        again = make_item("/b", content, 6, 2, code, 64);
        assert_true(sg_store_put(&kind, &id, &other, store, &again, &err) && id == 2);
        item.id = 1;
        item.path = "/b";
        sg_item_write(record, &item);
        sg_id_key(key, 1);
        assert_true(
            sg_batch_put(store, SG_TABLE_ITEMS, key, sizeof key, record, sg_item_nbytes(&item), &err));
        commit(store);
        sg_store_close(store);
        if (!sg_store_repair(&counts, "idx", "new", &none, &err)) fail_msg("%s", err.message);
        assert_int_equal(counts.saved, 1);
        store = open_store("new", false);
        assert_sound(store);
        assert_true(sg_store_get(&item, &path, store, 2, &err));
        assert_string_equal(path, "/b");
        assert_memory_equal(item.content, again.content, SG_CONTENT_NBYTES);
        assert_int_equal(item.nbytes, 6);
        sg_free(path);
        assert_false(sg_store_get(&item, &path, store, 1, &err));
        sg_store_close(store);
        assert_int_equal(system("rm -r idx new"), 0);
    }
}

static void name_one(void *context, uint64_t id, const char *path, const char *what)
{
    char *text = context;
    snprintf(text + strlen(text), 100, "%d %s %s\n", (int)id, path, what);
}

/* The newest record of an item is damaged, one from before a change of its attributes is left: it is saved, and named. */
static void test_older_record(void **state)
{
    (void)state;
    world w;
    sg_error err = {0};
    sg_repair_counts counts;
    char text[1000] = "", *path;
    const sg_repair_options options = {.lost = name_one, .context = text};
    sg_item item;
    make_world(&w, 20, 25);
    sg_store *store = open_store("idx", true);
    sg_attributes attributes = SG_ATTRIBUTES_INIT;
    assert_true(sg_attributes_add(&attributes, "note", "the newest", &err));
    begin(store);
    assert_true(sg_store_set_attributes(store, 2, attributes.data, attributes.nbytes, &err));
    commit(store);
    sg_store_close(store);
    sg_attributes_clear(&attributes);
    char *bytes;
    size_t nbytes;
    assert_true(sg_file_read(&bytes, &nbytes, "idx/data.mdb", SIZE_MAX, &err));
    size_t at = (size_t)((char *)memmem(bytes, nbytes, "the newest", 10) - bytes);
    sg_free(bytes);
    int fd = open("idx/data.mdb", O_WRONLY);
    assert_int_equal(pwrite(fd, "X", 1, (off_t)at), 1);
    close(fd);
    if (!sg_store_repair(&counts, "idx", "new", &options, &err)) fail_msg("%s", err.message);
    assert_string_equal(text, "2 /p/2 perhaps its newest record\n");
    assert_true(counts.saved == w.nlive && counts.older == 1);
    assert_true(counts.lost + counts.partly + counts.unknown == 0);
    store = open_store("new", false);
    assert_true(sg_store_get(&item, &path, store, 2, &err));
    assert_true(is_right(&w, &item));
    sg_free(path);
    sg_store_close(store);
    free_world(&w);
}

static void without_memory(void)
{
    sg_repair_counts counts;
    const sg_repair_options none = {.fill = NULL};
    assert_survives_allocation_failures(sg_store_repair(&counts, "idx", "new", &none, &err));
}

/* What cannot be done is said, and nothing is left of the new index. */
static void test_refusals(void **state)
{
    (void)state;
    world w;
    sg_error err = {0};
    sg_repair_counts counts;
    const sg_repair_options none = {.fill = NULL};
    assert_false(sg_store_repair(&counts, "nosuch", "new", &none, &err));
    assert_string_equal(err.message, "nosuch: is no index folder");
    make_world(&w, 20, 25);
    assert_int_equal(rename("idx/data.mdb", "idx/data"), 0);
    assert_false(sg_store_repair(&counts, "idx", "new", &none, &err));
    assert_string_equal(err.message, "idx/data.mdb: cannot open: No such file or directory");
    scratch_put("idx/data.mdb", "", 0);
    assert_false(sg_store_repair(&counts, "idx", "new", &none, &err));
    assert_string_equal(err.message, "idx/data.mdb: nothing can be saved: no sound head and recipe are left");
    assert_int_equal(rename("idx/data", "idx/data.mdb"), 0);
    int fd = open("idx/data.mdb", O_RDONLY);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_false(sg_store_repair(&counts, "idx", "new", &none, &err));
    assert_string_equal(err.message, "idx: another process is writing to this index");
    close(fd);
    assert_int_equal(mkdir("new", 0777), 0);
    scratch_put("new/file", "", 0);
    assert_false(sg_store_repair(&counts, "idx", "new", &none, &err));
    assert_string_equal(err.message, "new: exists and is not empty");
    assert_int_equal(system("rm -r new"), 0);
    without_memory();
    assert_int_equal(system("test -z \"$(find . -name '*.tmp')\""), 0);
    free_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_sound),        scratch_test(test_flipped_bytes), scratch_test(test_wrecks),
        scratch_test(test_larger),       scratch_test(test_one_path),      scratch_test(test_refusals),
        scratch_test(test_older_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
