#include "reference.h"

#include <signet/file.h>
#include <sys/stat.h>

static void test_created_empty(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_store_info info;
    reference ref = ref_new(48);
    create_store("idx", 48);
    for (int writable = 0; writable < 2; writable++) {
        sg_store *store = open_store("idx", writable);
        assert_equals(store, &ref);
        assert_true(sg_store_info_get(&info, store, &err));
        assert_string_equal(info.fingerprint, FINGERPRINT);
        assert_string_equal(info.kind, "flat");
        assert_string_equal(sg_kv_get(&info.recipe, "resize"), "32");
        assert_string_equal(sg_kv_get(&info.recipe, "instructions"), "avx2");
        assert_int_equal(info.recipe.n, 2);
        sg_store_info_clear(&info);
        sg_store_close(store);
    }
}

static bool refuse(void *context, const char *folder, sg_error *err)
{
    assert_true(sg_is_dir(folder));
    return sg_fail(err, SG_ERR_MISMATCH, "%s", (const char *)context);
}

static bool fill_one(void *context, const char *folder, sg_error *err)
{
    char *path;
    assert_true(sg_path_join(&path, folder, "extra", err));
    bool ok = sg_file_write(path, context, 5, err);
    sg_free(path);
    return ok;
}

static void assert_create_fails(const char *dir, size_t nbits, const char *fingerprint, const char *kind,
                                sg_store_fill fill, sg_code code)
{
    sg_error err = {0};
    sg_kv none = SG_KV_INIT;
    assert_false(sg_store_create(dir, nbits, fingerprint, &none, kind, NULL, false, fill, "no", &err));
    assert_int_equal(err.code, code);
    assert_true(strlen(err.message) > 0);
}

static void test_create_whole_or_not(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_kv none = SG_KV_INIT;
    char **names;
    size_t n;
    assert_create_fails("idx", 12, FINGERPRINT, "flat", NULL, SG_ERR_USAGE);
    assert_create_fails("idx", 64, "12", "flat", NULL, SG_ERR_USAGE);
    assert_create_fails("idx", 64, FINGERPRINT, "a-kind-with-a-long-name", NULL, SG_ERR_USAGE);
    assert_create_fails("idx", 64, FINGERPRINT, "flat", refuse, SG_ERR_MISMATCH);
    assert_create_fails("absent/idx", 64, FINGERPRINT, "flat", NULL, SG_ERR_IO);
    assert_true(sg_dir_list(&names, &n, ".", &err));
    assert_int_equal(n, 0);
    sg_names_free(names, n);
    /* An empty folder may be there, also behind a link; what was left of a dead process goes. */
    assert_int_equal(mkdir("real", 0777), 0);
    assert_int_equal(mkdir(".real.signet-999999999.tmp", 0777), 0);
    scratch_put(".real.signet-999999999.tmp/data.mdb", "x", 1);
    assert_int_equal(symlink("real", "link"), 0);
    assert_true(
        sg_store_create("link", 64, FINGERPRINT, &none, "flat", NULL, false, fill_one, "12345", &err));
    sg_store_close(open_store("real", false));
    assert_true(sg_path_exists("real/extra"));
    assert_false(sg_path_exists(".real.signet-999999999.tmp"));
    assert_create_fails("real", 64, FINGERPRINT, "flat", NULL, SG_ERR_IO);
    scratch_put("file", "x", 1);
    assert_create_fails("file", 64, FINGERPRINT, "flat", NULL, SG_ERR_IO);
}

static void assert_open_fails(const char *dir, sg_code code, const char *word)
{
    for (int writable = 0; writable < 2; writable++) {
        sg_error err = {0};
        sg_store *store;
        assert_false(sg_store_open(&store, dir, writable, 0, &err));
        assert_null(store);
        assert_int_equal(err.code, code);
        if (!strstr(err.message, word)) fail_msg("'%s' lacks '%s'", err.message, word);
    }
}

static void test_what_is_no_index(void **state)
{
    (void)state;
    assert_open_fails("absent", SG_ERR_IO, "absent");
    scratch_put("file", "x", 1);
    assert_open_fails("file", SG_ERR_IO, "no folder");
    assert_int_equal(mkdir("idx", 0777), 0);
    assert_open_fails("idx", SG_ERR_NOT_FOUND, "holds no index");
    scratch_put("idx/data.mdb", "", 0);
    assert_open_fails("idx", SG_ERR_FORMAT, "is empty");
    scratch_put("idx/data.mdb", "text", 4);
    assert_open_fails("idx", SG_ERR_FORMAT, "idx/data.mdb");
    static const char zeros[20000];
    scratch_put("idx/data.mdb", zeros, sizeof zeros);
    assert_open_fails("idx", SG_ERR_FORMAT, "no LMDB meta page");
    assert_int_equal(remove("idx/data.mdb"), 0);
    assert_int_equal(mkdir("idx/data.mdb", 0777), 0);
    assert_open_fails("idx", SG_ERR_FORMAT, "not a regular file");
}

static void test_put_tells(void **state)
{
    (void)state;
    uint8_t code[8], other[8];
    reference ref = ref_new(64);
    create_store("idx", 64);
    sg_store *store = open_store("idx", true);
    begin(store);
    sg_item a = make_item("/a", 1, 10, 100, code, 64);
    assert_put(store, &ref, &a);
    assert_put(store, &ref, &a); /* unchanged, within the batch that added it */
    sg_item b = make_item("/b", 1, 10, 100, other, 64);
    assert_put(store, &ref, &b); /* duplicate */
    commit(store);
    assert_equals(store, &ref);
    begin(store);
    sg_item later = make_item("/a", 1, 11, 200, code, 64);
    assert_put(store, &ref, &later); /* unchanged, renewed */
    sg_item changed = make_item("/b", 2, 12, 300, other, 64);
    assert_put(store, &ref, &changed); /* updated */
    sg_item back = make_item("/b", 1, 10, 400, other, 64);
    assert_put(store, &ref, &back); /* updated, and the same as /a */
    commit(store);
    assert_equals(store, &ref);
    assert_int_equal(ref.next_id, 5);
    sg_store_close(store);
    ref_free(&ref);
}

static void test_finds(void **state)
{
    (void)state;
    sg_error err = {0};
    reference ref = ref_new(64);
    uint8_t code[8];
    uint64_t id, ids[2];
    size_t n;
    bool found, current;
    sg_item item;
    char *path;
    create_store("idx", 64);
    sg_store *store = open_store("idx", true);
    add_items(store, &ref, 0, 5);
    begin(store);
    sg_item a = make_item("/twin/1", 3, 1003, 77, code, 64), b = make_item("/twin/2", 3, 1003, 78, code, 64);
    assert_put(store, &ref, &a);
    assert_put(store, &ref, &b);
    /* A batch sees itself. */
    assert_true(sg_store_find_path(&id, &found, store, "/twin/2", &err) && found && id == 7);
    commit(store);
    assert_true(sg_store_find_path(&id, &found, store, "/p/2", &err) && found && id == 3);
    assert_true(sg_store_find_path(&id, &found, store, "/p/22", &err) && !found);
    assert_true(sg_store_is_current(&current, store, "/twin/1", 1003, 77, &err) && current);
    assert_true(sg_store_is_current(&current, store, "/twin/1", 1003, 78, &err) && !current);
    assert_true(sg_store_is_current(&current, store, "/twin/1", 1004, 77, &err) && !current);
    assert_true(sg_store_is_current(&current, store, "/none", 1004, 77, &err) && !current);
    assert_true(sg_store_find_content(ids, &n, 2, store, a.content, &err));
    assert_true(n == 3 && ids[0] == 4 && ids[1] == 6);
    assert_true(sg_store_get(&item, &path, store, 6, &err));
    assert_string_equal(path, "/twin/1");
    assert_ptr_equal(item.path, path);
    assert_true(item.id == 6 && item.nbytes == 1003 && item.mtime_ns == 77 && !item.code);
    assert_memory_equal(item.content, a.content, SG_CONTENT_NBYTES);
    sg_free(path);
    static const uint64_t absent[] = {0, 8, 1000000, UINT64_MAX};
    for (size_t i = 0; i < 4; i++) {
        assert_false(sg_store_get(&item, &path, store, absent[i], &err));
        assert_int_equal(err.code, SG_ERR_NOT_FOUND);
        assert_null(path);
    }
    sg_store_close(store);
    ref_free(&ref);
}

static void test_removes(void **state)
{
    (void)state;
    sg_error err = {0};
    reference ref = ref_new(128);
    create_store("idx", 128);
    sg_store *store = open_store("idx", true);
    add_items(store, &ref, 0, 20);
    begin(store);
    static const uint64_t absent[] = {0, 21, UINT64_MAX};
    for (size_t i = 0; i < 3; i++) {
        assert_false(sg_store_remove(store, absent[i], &err));
        assert_int_equal(err.code, SG_ERR_NOT_FOUND);
    }
    static const uint64_t ids[] = {1, 20, 7};
    for (size_t i = 0; i < 3; i++) {
        assert_true(sg_store_remove(store, ids[i], &err));
        ref_remove(&ref, ref_id(&ref, ids[i]));
        assert_false(sg_store_remove(store, ids[i], &err));
    }
    commit(store); /* what was not found did not break the batch */
    assert_equals(store, &ref);
    begin(store);
    while (ref.n > 0) {
        assert_true(sg_store_remove(store, ref.items[0].id, &err));
        ref_remove(&ref, &ref.items[0]);
    }
    commit(store);
    assert_equals(store, &ref);
    add_items(store, &ref, 0, 3); /* ids go on where they were */
    assert_int_equal(ref.items[0].id, 21);
    assert_equals(store, &ref);
    sg_store_close(store);
    ref_free(&ref);
}

static void test_odd_paths(void **state)
{
    (void)state;
    sg_error err = {0};
    reference ref = ref_new(64);
    uint8_t code[8];
    uint64_t id;
    bool found;
    static char endless[200000];
    memset(endless, 'x', sizeof endless - 1);
    endless[0] = '/';
    const char *paths[] = {"/", "/ ", "/\n\t\x01", "/\xff\xfe", "/caf\xc3\xa9", "/a=b,\"c\"<d>&", endless};
    const size_t npaths = sizeof paths / sizeof *paths;
    create_store("idx", 64);
    sg_store *store = open_store("idx", true);
    begin(store);
    for (size_t i = 0; i < npaths; i++) {
        sg_item item = make_item(paths[i], i, i, 1, code, 64);
        assert_put(store, &ref, &item);
    }
    sg_item relative = make_item("a", 100, 1, 1, code, 64);
    sg_put_kind kind;
    uint64_t other;
    assert_false(sg_store_put(&kind, &id, &other, store, &relative, &err));
    assert_int_equal(err.code, SG_ERR_USAGE);
    commit(store);
    assert_equals(store, &ref);
    for (size_t i = 0; i < npaths; i++) {
        assert_true(sg_store_find_path(&id, &found, store, paths[i], &err));
        assert_true(found && id == i + 1);
    }
    sg_store_close(store);
    ref_free(&ref);
}

/* Several blocks of codes, several levels of tables, several times the first map. */
static sg_item item_one(sg_store *store)
{
    sg_error err = {0};
    sg_item item;
    char *path;
    if (!sg_store_get(&item, &path, store, 1, &err)) fail_msg("%s", err.message);
    sg_free(path);
    return item;
}

/* Where a file's disk was mounted: renewed with what else is told of the file, kept by what is about other things. */
static void test_disk_depth(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_put_kind kind;
    uint64_t id, other;
    uint8_t code[8];
    create_store("idx", 64);
    sg_store *store = open_store("idx", true);
    sg_item item = make_item("/mnt/disk/a", 1, 5, 1, code, 64);
    const uint16_t depths[] = {2, 0xffff, 0, 2};
    for (size_t i = 0; i < 4; i++) {
        item.disk_depth = depths[i];
        item.foreign = i == 0;
        begin(store);
        assert_true(sg_store_put(&kind, &id, &other, store, &item, &err));
        assert_int_equal(kind, i == 0 ? SG_PUT_ADDED : SG_PUT_UNCHANGED);
        commit(store);
        assert_int_equal(item_one(store).disk_depth, depths[i]);
        assert_true(item_one(store).foreign);
    }
    begin(store);
    assert_true(sg_store_set_attributes(store, 1, "k\0v", 4, &err));
    commit(store);
    assert_int_equal(item_one(store).disk_depth, 2);
    begin(store);
    assert_true(sg_store_set_path(store, 1, "/mnt/other/a", &err));
    commit(store);
    assert_int_equal(item_one(store).disk_depth, 0);
    assert_sound(store);
    sg_store_close(store);
}

static void test_many(void **state)
{
    (void)state;
    sg_error err = {0};
    reference ref = ref_new(256);
    create_store("idx", 256);
    sg_store *store = open_store("idx", true);
    for (size_t i = 0; i < 10; i++) add_items(store, &ref, 1000 * i, 1000);
    sg_store_close(store);
    store = open_store("idx", true);
    assert_equals(store, &ref);
    begin(store);
    for (size_t i = ref.n; i-- > 0;) { /* the middle block whole, every third of the others */
        uint64_t id = ref.items[i].id;
        if (id / 4096 != 1 && id % 3 != 0) continue;
        assert_true(sg_store_remove(store, id, &err));
        ref_remove(&ref, &ref.items[i]);
    }
    commit(store);
    assert_equals(store, &ref);
    sg_store_close(store);
    ref_free(&ref);
}

static void test_stops_early(void **state)
{
    (void)state;
    sg_error err = {0};
    reference ref = ref_new(64), wrong;
    create_store("idx", 64);
    sg_store *store = open_store("idx", true);
    add_items(store, &ref, 0, 10);
    wrong = ref_copy(&ref);
    wrong.items[4].nbytes++;
    comparison c = {&wrong, 0, true};
    assert_true(sg_store_each(store, compare_next, &c, &err));
    assert_int_equal(c.n, 5);
    sg_store_close(store);
    ref_free(&ref);
    ref_free(&wrong);
}

static void test_reading_only(void **state)
{
    (void)state;
    sg_error err = {0};
    create_store("idx", 64);
    sg_store *store = open_store("idx", false);
    assert_false(sg_store_begin(store, &err));
    assert_int_equal(err.code, SG_ERR_USAGE);
    sg_store_close(store);
}

static bool whole_life(sg_error *err)
{
    sg_store *store = NULL;
    uint8_t code[8], *codes = NULL;
    uint64_t id, other, *ids = NULL, generation;
    size_t n, faults;
    sg_put_kind kind;
    sg_item item = make_item("/a", 1, 1, 1, code, 64);
    bool ok = sg_store_open(&store, "idx", true, 0, err) && sg_store_begin(store, err) &&
              sg_store_put(&kind, &id, &other, store, &item, err) && sg_store_commit(store, err) &&
              sg_store_load(&codes, &ids, &n, &generation, store, err) &&
              sg_store_verify(&faults, store, NULL, NULL, err);
    sg_free(codes);
    sg_free(ids);
    sg_store_close(store);
    return ok;
}

static void test_without_memory(void **state)
{
    (void)state;
    reference ref = ref_new(64);
    create_store("idx", 64);
    assert_survives_allocation_failures(whole_life(&err));
    sg_store *store = open_store("idx", false);
    assert_sound(store);
    sg_store_close(store);
    sg_kv none = SG_KV_INIT;
    assert_survives_allocation_failures(
        sg_store_create("new", 64, FINGERPRINT, &none, "flat", NULL, false, NULL, NULL, &err));
    ref_free(&ref);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_created_empty),
        scratch_test(test_create_whole_or_not),
        scratch_test(test_what_is_no_index),
        scratch_test(test_put_tells),
        scratch_test(test_finds),
        scratch_test(test_removes),
        scratch_test(test_odd_paths),
        scratch_test(test_disk_depth),
        scratch_test(test_many),
        scratch_test(test_stops_early),
        scratch_test(test_reading_only),
        scratch_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
