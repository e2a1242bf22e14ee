/* A store made beside another from what that holds, and put in its place. */
#include "reference.h"

#include <sys/stat.h>

static sg_item item_of(uint64_t id, const char *path, const uint8_t *code)
{
    sg_item item = {.id = id, .path = path, .code = code, .attributes = ""};
    memcpy(item.content, &id, sizeof id);
    return item;
}

static sg_store *make_store(const char *dir)
{
    sg_error err = {0};
    sg_store *store;
    const sg_kv recipe = SG_KV_INIT;
    if (!sg_store_create(dir, 64, FINGERPRINT, &recipe, "flat", NULL, false, NULL, NULL, &err) ||
        !sg_store_open(&store, dir, true, 0, &err))
        fail_msg("%s", err.message);
    return store;
}

static bool list_id(void *context, const sg_item *item, sg_error *err)
{
    (void)err;
    fprintf(context, "%llu%s:%d ", (unsigned long long)item->id, item->path ? item->path : "", item->code[0]);
    return true;
}

static void assert_store(sg_store *store, const char *want)
{
    sg_error err = {0};
    size_t size, faults;
    char *text = NULL;
    sg_store_info info;
    FILE *out = open_memstream(&text, &size);
    if (!sg_store_each(store, list_id, out, &err)) fail_msg("%s", err.message);
    assert_true(sg_store_info_get(&info, store, &err));
    fprintf(out, "next %llu", (unsigned long long)info.next_id);
    sg_store_info_clear(&info);
    fclose(out);
    assert_string_equal(text, want);
    free(text);
    assert_true(sg_store_verify(&faults, store, NULL, NULL, &err));
    assert_int_equal(faults, 0);
}

static void assert_refused(sg_store *store, uint64_t id, const char *path)
{
    sg_error err = {0};
    const uint8_t code[8] = {9};
    const sg_item item = item_of(id, path, code);
    assert_false(sg_store_put_as(store, &item, &err));
    assert_int_equal(err.code, SG_ERR_USAGE);
}

/* Ids in any order, in holes and in other blocks; taken ones are refused, and the batch goes on. */
static void test_put_as(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_put_kind kind;
    uint64_t id, other;
    static const struct {
        uint64_t id;
        const char *path;
    } items[] = {{5, "/e"}, {2, "/b"}, {9000, "/z"}, {3, NULL}, {8999, NULL}, {4, "/d"}};
    sg_store *store = make_store("idx");
    assert_true(sg_store_begin(store, &err));
    for (size_t i = 0; i < 6; i++) {
        const uint8_t code[8] = {(uint8_t)(i + 1)};
        const sg_item item = item_of(items[i].id, items[i].path, code);
        if (!sg_store_put_as(store, &item, &err)) fail_msg("%s", err.message);
    }
    assert_refused(store, 5, "/new");
    assert_refused(store, 3, "/new");
    assert_refused(store, 3, NULL);
    assert_refused(store, 6, "/e");
    assert_refused(store, 0, "/new");
    assert_refused(store, UINT64_MAX, "/new");
    assert_refused(store, 6, "new");
    assert_true(sg_store_commit(store, &err));
    assert_store(store, "2/b:2 3:4 4/d:6 5/e:1 8999:5 9000/z:3 next 9001");
    assert_true(sg_store_begin(store, &err));
    assert_refused(store, 9000, "/new"); /* what was committed before, too */
    assert_refused(store, 6, "/z");
    const uint8_t code[8] = {7};
    const sg_item item = item_of(1, "/a", code);
    assert_true(sg_store_put_as(store, &item, &err) && sg_store_remove(store, 5, &err));
    assert_true(sg_store_put(&kind, &id, &other, store, &item, &err)); /* the same again, by the other way */
    assert_int_equal(kind, SG_PUT_UNCHANGED);
    const sg_item next = item_of(77, "/f", code);
    assert_true(sg_store_put(&kind, &id, &other, store, &next, &err));
    assert_int_equal(id, 9001);
    assert_true(sg_store_commit(store, &err));
    assert_store(store, "1/a:7 2/b:2 3:4 4/d:6 8999:5 9000/z:3 9001/f:7 next 9002");
    sg_store_close(store);
}

/* A full map in the middle: the batch is done again. */
static void test_put_many_as(void **state)
{
    (void)state;
    enum { N = 30000 };
    sg_error err = {0};
    char path[400];
    memset(path, 'x', sizeof path);
    path[0] = '/';
    sg_store *store = make_store("idx");
    assert_true(sg_store_begin(store, &err) && sg_store_skip_generations(store, 500, &err));
    for (uint64_t id = N; id > 0; id--) {
        const uint8_t code[8] = {(uint8_t)id};
        snprintf(path + 300, sizeof path - 300, "%d", (int)id);
        const sg_item item = item_of(id, path, code);
        if (!sg_store_put_as(store, &item, &err)) fail_msg("%s", err.message);
    }
    assert_true(sg_store_commit(store, &err));
    sg_store_info info;
    size_t faults;
    assert_true(sg_store_info_get(&info, store, &err));
    assert_int_equal(info.items, N);
    assert_int_equal(info.next_id, N + 1);
    assert_int_equal(info.generation, 501);
    sg_store_info_clear(&info);
    assert_true(sg_store_verify(&faults, store, NULL, NULL, &err));
    assert_int_equal(faults, 0);
    assert_true(sg_store_begin(store, &err) && sg_store_skip_generations(store, 7, &err) &&
                sg_store_commit(store, &err)); /* they never go back */
    assert_true(sg_store_info_get(&info, store, &err));
    assert_int_equal(info.generation, 502);
    sg_store_info_clear(&info);
    sg_store_close(store);
}

static void test_replace(void **state)
{
    (void)state;
    sg_error err = {0};
    char *resolved, *beside, *absolute;
    const uint8_t code[8] = {1};
    sg_store *old = make_store("idx");
    sg_store_close(old);
    assert_int_equal(symlink("idx", "link"), 0);
    assert_true(sg_store_beside(&resolved, &beside, "link", &err) &&
                sg_path_absolute(&absolute, "idx", &err));
    assert_true(sg_path_same(resolved, absolute));
    assert_string_equal(sg_path_base(beside), ".idx.signet-rebuild");
    assert_false(sg_path_exists(beside));
    sg_free(absolute);
    sg_store_discard(beside); /* there is none */
    assert_true(sg_store_open(&old, resolved, true, 0, &err));
    sg_store *fresh = make_store(beside);
    const sg_item item = item_of(3, "/c", code);
    assert_true(sg_store_begin(fresh, &err) && sg_store_put_as(fresh, &item, &err) &&
                sg_store_commit(fresh, &err));
    scratch_put("idx/mine", "x", 1);
    scratch_put("idx/search.mih", "x", 1);
    if (!sg_store_replace(old, fresh, &err)) fail_msg("%s", err.message);
    sg_store_close(old);
    sg_store_close(fresh);
    assert_false(sg_path_exists(beside) || sg_path_exists("idx/search.mih"));
    assert_true(sg_path_exists("idx/mine"));
    assert_true(sg_store_open(&old, "idx", true, 0, &err));
    assert_store(old, "3/c:1 next 4");
    sg_store_close(old);
    fresh = make_store(beside);
    sg_store_close(fresh);
    sg_store_discard(beside);
    assert_false(sg_path_exists(beside));
    sg_free(resolved);
    sg_free(beside);
}

static void test_no_place(void **state)
{
    (void)state;
    sg_error err = {0};
    char *resolved, *beside;
    assert_false(sg_store_beside(&resolved, &beside, "none", &err));
    assert_non_null(strstr(err.message, "none: cannot open the index: No such file"));
    assert_true(!resolved && !beside);
    assert_false(sg_store_beside(&resolved, &beside, "/proc", &err)); /* where another disk begins */
    assert_int_equal(err.code, SG_ERR_UNSUPPORTED);
    assert_false(sg_store_beside(&resolved, &beside, "/proc/self", &err)); /* where nothing can be made */
    assert_int_equal(err.code, SG_ERR_IO);
    assert_true(!resolved && !beside);
}

static bool find_beside(sg_error *err)
{
    char *resolved, *beside;
    if (!sg_store_beside(&resolved, &beside, "idx", err)) return false;
    sg_free(resolved);
    sg_free(beside);
    return true;
}

static void test_without_memory(void **state)
{
    (void)state;
    sg_store *store = make_store("idx");
    sg_store_close(store);
    assert_survives_allocation_failures(find_beside(&err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_put_as),   scratch_test(test_put_many_as),    scratch_test(test_replace),
        scratch_test(test_no_place), scratch_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
