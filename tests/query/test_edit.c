#include "album.h"

#include <signet/edit.h>

/* Items without files: what is tested here is the index alone. */
static sg_store *open_store(void)
{
    sg_error err = {0};
    sg_store *store;
    if (!sg_store_open(&store, "idx", true, 0, &err)) fail_msg("%s", err.message);
    return store;
}

static void make_items(const char *const *paths, size_t n)
{
    sg_error err = {0};
    char *absolute;
    make_index();
    sg_store *store = open_store();
    assert_true(sg_store_begin(store, &err));
    for (size_t i = 0; i < n; i++) {
        sg_put_kind kind;
        uint64_t id, other;
        const uint8_t code[BITS / 8] = {(uint8_t)i};
        assert_true(sg_path_absolute(&absolute, paths[i], &err));
        sg_item item = {.path = absolute, .code = code};
        memcpy(item.content, &i, sizeof i);
        assert_true(sg_store_put(&kind, &id, &other, store, &item, &err));
        assert_int_equal(id, i + 1);
        sg_free(absolute);
    }
    assert_true(sg_store_commit(store, &err));
    sg_store_close(store);
}

static const char *const tree[] = {"a/1", "a/2", "a/b/3", "a/b/c/4", "ab/5", "6", "a/b/c/7"};

static void assert_selects(const sg_select *select, const char *want)
{
    sg_error err = {0};
    sg_store *store = open_store();
    uint64_t *ids;
    size_t n;
    char text[256] = "";
    if (!sg_select_items(&ids, &n, store, select, &err)) fail_msg("%s", err.message);
    for (size_t i = 0; i < n; i++) sprintf(text + strlen(text), "%s%d", i ? " " : "", (int)ids[i]);
    assert_string_equal(text, want);
    sg_free(ids);
    sg_store_close(store);
}

static void test_select(void **state)
{
    (void)state;
    make_items(tree, 7);
    static const struct {
        const char *paths[4];
        uint64_t ids[4];
        const char *want;
    } cases[] = {{{"a/1"}, {0}, "1"},
                 {{"a/2", "./a//2", "a/1"}, {0}, "1 2"},
                 {{"a"}, {0}, "1 2 3 4 7"},
                 {{"a/b/"}, {0}, "3 4 7"},
                 {{"a/b", "a/b/c", "6"}, {2, 4, 4}, "2 3 4 6 7"},
                 {{"/"}, {0}, "1 2 3 4 5 6 7"},
                 {{"ab"}, {0}, "5"},
                 {{NULL}, {7, 1}, "1 7"},
                 {{NULL}, {0}, ""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sg_select select = {.paths = cases[i].paths, .ids = cases[i].ids};
        while (select.npaths < 4 && cases[i].paths[select.npaths]) select.npaths++;
        while (select.nids < 4 && cases[i].ids[select.nids]) select.nids++;
        assert_selects(&select, cases[i].want);
    }
}

static void test_select_fails(void **state)
{
    (void)state;
    make_items(tree, 7);
    sg_store *store = open_store();
    static const struct {
        const char *path;
        uint64_t id;
        const char *word;
    } cases[] = {{"a/b/c/d", 1, "/a/b/c/d: is not in the index"},
                 {"a/", 8, "has no item 8"},
                 {"a/bc", 1, "/a/bc: is not in the index"},
                 {"a", 0, "has no item 0"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sg_error err = {0};
        uint64_t *ids;
        size_t n;
        const sg_select select = {&cases[i].path, 1, &cases[i].id, 1};
        assert_false(sg_select_items(&ids, &n, store, &select, &err));
        assert_int_equal(err.code, SG_ERR_NOT_FOUND);
        if (!strstr(err.message, cases[i].word)) fail_msg("'%s' lacks '%s'", err.message, cases[i].word);
    }
    sg_store_close(store);
}

/* All or none. */
static void test_remove(void **state)
{
    (void)state;
    sg_error err = {0};
    const uint64_t ids[] = {2, 5, 7, 9};
    make_items(tree, 7);
    sg_store *store = open_store();
    assert_false(sg_remove_items(store, ids, 4, &err));
    assert_int_equal(err.code, SG_ERR_NOT_FOUND);
    sg_store_close(store);
    assert_listing(false, "1 1\n2 2\n3 3\n4 4\n5 5\n6 6\n7 7\n");
    store = open_store();
    assert_true(sg_remove_items(store, ids, 0, &err));
    assert_true(sg_remove_items(store, ids, 3, &err));
    sg_store_close(store);
    assert_listing(false, "1 1\n3 3\n4 4\n6 6\n");
}

static bool select_and_free(sg_store *store, sg_error *err)
{
    uint64_t *ids;
    size_t n;
    const char *const paths[] = {"a", "6"};
    const sg_select select = {.paths = paths, .npaths = 2};
    if (!sg_select_items(&ids, &n, store, &select, err)) return false;
    bool ok = sg_remove_items(store, ids, n, err);
    sg_free(ids);
    return ok;
}

static void test_without_memory(void **state)
{
    (void)state;
    make_items(tree, 7);
    sg_store *store = open_store();
    assert_survives_allocation_failures(select_and_free(store, &err));
    sg_store_close(store);
    assert_listing(false, "5 5\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_select),
        scratch_test(test_select_fails),
        scratch_test(test_remove),
        scratch_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
