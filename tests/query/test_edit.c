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
        const sg_select select = {.paths = &cases[i].path, .npaths = 1, .ids = &cases[i].id, .nids = 1};
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
    size_t removed;
    const uint64_t ids[] = {2, 5, 7, 9};
    make_items(tree, 7);
    sg_store *store = open_store();
    assert_false(sg_remove_items(&removed, store, ids, 4, &err));
    assert_int_equal(err.code, SG_ERR_NOT_FOUND);
    sg_store_close(store);
    assert_listing(false, "1 1\n2 2\n3 3\n4 4\n5 5\n6 6\n7 7\n");
    store = open_store();
    assert_true(sg_remove_items(&removed, store, ids, 0, &err));
    assert_true(sg_remove_items(&removed, store, ids, 3, &err));
    sg_store_close(store);
    assert_listing(false, "1 1\n3 3\n4 4\n6 6\n");
}

static bool list_tags(void *context, const sg_item *item, sg_error *err)
{
    (void)err;
    const char *key, *value;
    size_t at = 0;
    fprintf(context, "%d", (int)item->id);
    while (sg_attributes_next(&key, &value, item->attributes, item->attributes_nbytes, &at))
        fprintf(context, " %s=%s", key, value);
    fputc('\n', context);
    return true;
}

static void assert_tags(sg_store *store, const char *want)
{
    sg_error err = {0};
    size_t size;
    char *text = NULL;
    FILE *out = open_memstream(&text, &size);
    assert_true(sg_store_each(store, list_tags, out, &err));
    fclose(out);
    assert_string_equal(text, want);
    free(text);
}

/* The attributes a, b, ... (NULL ends them) given to ids, what is in `remove` taken away before. */
static uint64_t retag(sg_store *store, const char *ids, const char *const *remove, const char *const *add,
                      bool dry_run)
{
    sg_error err = {0};
    uint64_t list[16], changed;
    size_t n = 0;
    sg_attributes a = SG_ATTRIBUTES_INIT;
    sg_retag how = {.remove = remove, .add = &a, .dry_run = dry_run};
    for (; *ids; ids++) list[n++] = (uint64_t)(*ids - '0');
    while (remove[how.nremove]) how.nremove++;
    for (; *add; add++) assert_true(sg_attributes_parse_add(&a, *add, &err));
    if (!sg_retag_items(&changed, store, list, n, &how, &err)) fail_msg("%s", err.message);
    sg_attributes_clear(&a);
    return changed;
}

static const char *const none[] = {NULL};

/* More than are removed at once: batches, of which the second meets an id that is not there. */
static void test_remove_many(void **state)
{
    (void)state;
    enum { MANY = SG_REMOVE_AT_ONCE + 100 };
    sg_error err = {0};
    sg_store_info before, after;
    uint64_t first, *ids = sg_alloc(MANY, sizeof *ids);
    uint8_t *codes = sg_calloc(MANY, BITS / 8);
    size_t removed;
    make_items(tree, 7);
    sg_store *store = open_store();
    assert_true(sg_store_begin(store, &err) && sg_store_put_codes(&first, store, codes, MANY, &err) &&
                sg_store_commit(store, &err) && sg_store_info_get(&before, store, &err));
    for (size_t i = 0; i < MANY; i++) ids[i] = first + i;
    ids[MANY - 1] = first + MANY;
    assert_false(sg_remove_items(&removed, store, ids, MANY, &err));
    assert_int_equal(err.code, SG_ERR_NOT_FOUND);
    assert_int_equal(removed, SG_REMOVE_AT_ONCE);
    assert_true(sg_store_info_get(&after, store, &err));
    assert_int_equal(after.items, before.items - SG_REMOVE_AT_ONCE);
    assert_int_equal(after.generation, before.generation + 1);
    sg_store_info_clear(&after);
    ids[MANY - 1] = first + MANY - 1;
    assert_true(sg_remove_items(&removed, store, ids + SG_REMOVE_AT_ONCE, 100, &err));
    assert_int_equal(removed, 100);
    assert_true(sg_store_info_get(&after, store, &err));
    assert_int_equal(after.items, 7);
    sg_store_info_clear(&before);
    sg_store_info_clear(&after);
    sg_store_close(store);
    sg_free(codes);
    sg_free(ids);
}

static void test_retag(void **state)
{
    (void)state;
    static const char *const animals[] = {"label=cat", "label=dog", "year=2019", NULL},
                             *const one[] = {"label=cat", NULL}, *const key[] = {"label", NULL},
                             *const other[] = {"label=cow", "other=x=y", NULL},
                             *const strange[] = {"none", "label=none", NULL};
    make_items(tree, 7);
    sg_store *store = open_store();
    assert_int_equal(retag(store, "123", none, animals, true), 3); /* dry */
    assert_tags(store, "1\n2\n3\n4\n5\n6\n7\n");
    assert_int_equal(retag(store, "123", none, animals, false), 3);
    assert_int_equal(retag(store, "34", none, one, false), 1); /* 3 has it */
    assert_int_equal(retag(store, "1267", one, other, false), 4);
    assert_int_equal(retag(store, "34567", key, none, false), 4);
    assert_int_equal(retag(store, "1234567", strange, none, false), 0);
    assert_tags(store,
                "1 label=cow label=dog other=x=y year=2019\n2 label=cow label=dog other=x=y year=2019\n"
                "3 year=2019\n4\n5\n6 other=x=y\n7 other=x=y\n");
    sg_where where = SG_WHERE_INIT;
    sg_error err = {0};
    assert_true(sg_where_parse_add(&where, "other", &err) && sg_where_parse_add(&where, "label!=dog", &err));
    sg_store_close(store);
    assert_selects(&(sg_select){.where = &where}, "6 7");
    static const char *const folders[] = {"a", "6"};
    assert_selects(&(sg_select){.where = &where, .paths = folders, .npaths = 2}, "6 7");
    assert_selects(&(sg_select){.where = &where, .paths = folders, .npaths = 1}, "7");
    assert_selects(&(sg_select){.where = &where, .ids = (const uint64_t[]){1, 6}, .nids = 2}, "6");
    assert_selects(&(sg_select){.where = &where, .ids = (const uint64_t[]){1}, .nids = 1}, "");
    sg_where_clear(&where);
}

static bool retag_lines(uint64_t *changed, sg_store *store, const char *text, bool dry_run, sg_error *err)
{
    char *copy = strdup(text);
    sg_attributes a = SG_ATTRIBUTES_INIT;
    assert_true(sg_attributes_add(&a, "all", "1", NULL));
    const char *const remove[] = {"old"};
    const sg_retag how = {.remove = remove, .nremove = 1, .add = &a, .dry_run = dry_run};
    bool ok = sg_retag_lines(changed, store, "list.tsv", copy, strlen(text), &how, err);
    sg_attributes_clear(&a);
    free(copy);
    return ok;
}

static void test_lines(void **state)
{
    (void)state;
    sg_error err = {0};
    uint64_t changed;
    static const char *const old[] = {"old=1", "old=2", NULL};
    make_items(tree, 7);
    sg_store *store = open_store();
    retag(store, "24", none, old, false);
    assert_true(
        retag_lines(&changed, store, "a/1\tlabel=cat\tx=\n\n./a/b/c/4\ta=b c\nab/5\na/1\tx=2", true, &err));
    assert_int_equal(changed, 4);
    assert_true(
        retag_lines(&changed, store, "a/1\tlabel=cat\tx=\n\n./a/b/c/4\ta=b c\nab/5\na/1\tx=2", false, &err));
    assert_int_equal(changed, 4);
    assert_tags(store, "1 all=1 label=cat x= x=2\n2 old=1 old=2\n3\n4 a=b c all=1\n5 all=1\n6\n7\n");
    /* One wrong line, and nothing is done. */
    static const struct {
        const char *text, *word;
    } cases[] = {{"6\tlabel=cat\nnone\tlabel=cat\n", "list.tsv: line 2: /"},
                 {"6\tlabel=cat\n\na\tlabel=cat", "list.tsv: line 3: /"},
                 {"6\tlabel=cat\n6\tlabel", "list.tsv: line 2: "},
                 {"6\tlabel=cat\n6\t=cat", "list.tsv: line 2: "},
                 {"6\tlabel=cat\n6\t\n", "list.tsv: line 2: "}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_false(retag_lines(&changed, store, cases[i].text, false, &err));
        if (!strstr(err.message, cases[i].word)) fail_msg("'%s' lacks '%s'", err.message, cases[i].word);
        assert_int_equal(changed, 0);
    }
    char zero[] = "6\tlabel=cat\n6\0\n";
    assert_false(sg_retag_lines(&changed, store, "list.tsv", zero, sizeof zero - 1, &(sg_retag){0}, &err));
    assert_non_null(strstr(err.message, "list.tsv: line 2: "));
    assert_tags(store, "1 all=1 label=cat x= x=2\n2 old=1 old=2\n3\n4 a=b c all=1\n5 all=1\n6\n7\n");
    sg_store_close(store);
}

/* More than a batch, so that others see some of it before its end. */
static void test_many(void **state)
{
    (void)state;
    enum { N = 2500 };
    static char names[N][8];
    static const char *paths[N];
    sg_error err = {0};
    uint64_t changed, ids[N];
    for (size_t i = 0; i < N; i++) {
        snprintf(names[i], sizeof names[i], "%d", (int)i);
        paths[i] = names[i];
        ids[i] = i + 1;
    }
    make_items(paths, N);
    sg_store *store = open_store();
    sg_store_info before, after;
    sg_attributes a = SG_ATTRIBUTES_INIT;
    assert_true(sg_attributes_add(&a, "k", "v", &err) && sg_store_info_get(&before, store, &err));
    assert_true(sg_retag_items(&changed, store, ids, N, &(sg_retag){.add = &a}, &err));
    assert_int_equal(changed, N);
    assert_true(sg_store_info_get(&after, store, &err));
    assert_true(after.generation - before.generation >= 3);
    ids[1] = N + 5;
    changed = 7;
    assert_false(sg_retag_items(&changed, store, ids, N, &(sg_retag){0}, &err));
    assert_int_equal(err.code, SG_ERR_NOT_FOUND);
    sg_attributes_clear(&a);
    sg_store_info_clear(&before);
    sg_store_info_clear(&after);
    sg_store_close(store);
}

static void test_bare(void **state)
{
    (void)state;
    sg_error err = {0};
    size_t removed;
    uint64_t first, changed;
    const uint8_t code[BITS / 8] = {0};
    make_items(tree, 7);
    sg_store *store = open_store();
    assert_true(sg_store_begin(store, &err) && sg_store_put_codes(&first, store, code, 1, &err) &&
                sg_store_commit(store, &err));
    assert_false(sg_retag_items(&changed, store, &first, 1, &(sg_retag){0}, &err));
    assert_int_equal(err.code, SG_ERR_USAGE);
    assert_true(sg_remove_items(&removed, store, &first, 1, &err));
    sg_store_close(store);
}

static bool select_and_free(sg_store *store, sg_error *err)
{
    uint64_t *ids;
    size_t n, removed;
    const char *const paths[] = {"a", "6"};
    const sg_select select = {.paths = paths, .npaths = 2};
    if (!sg_select_items(&ids, &n, store, &select, err)) return false;
    bool ok = sg_remove_items(&removed, store, ids, n, err);
    sg_free(ids);
    return ok;
}

static void test_without_memory(void **state)
{
    (void)state;
    uint64_t changed;
    make_items(tree, 7);
    sg_store *store = open_store();
    char line[64];
    const char *const remove[] = {"old=x"};
    const sg_retag how = {.remove = remove, .nremove = 1};
    assert_survives_allocation_failures(
        (strcpy(line, "ab/5\tlabel=cat\tall=1\n"),
         sg_retag_lines(&changed, store, "list", line, strlen(line), &how, &err)));
    assert_int_equal(changed, 1);
    assert_survives_allocation_failures(select_and_free(store, &err));
    assert_tags(store, "5 all=1 label=cat\n");
    sg_store_close(store);
    assert_listing(false, "5 5\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_select),      scratch_test(test_select_fails), scratch_test(test_remove),
        scratch_test(test_remove_many), scratch_test(test_retag),        scratch_test(test_lines),
        scratch_test(test_many),        scratch_test(test_bare),         scratch_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
