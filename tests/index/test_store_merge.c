/* Merge and relocate against the rule applied to plain arrays. */
#include "things.h"

#include <signet/interrupt.h>
#include <signet/join.h>

static sg_join_counts merge(const char *into, const char *from, bool foreign, bool only_check)
{
    sg_error err = {0};
    sg_join_counts counts;
    sg_store *store = open_store(into, !only_check), *other = open_store(from, false);
    if (!sg_store_merge(&counts, store, other,
                        &(sg_merge_options){.foreign = foreign, .only_check = only_check}, &err))
        fail_msg("%s", err.message);
    sg_store_close(store);
    sg_store_close(other);
    return counts;
}

static void assert_counts(const sg_join_counts *a, const sg_join_counts *b)
{
    assert_int_equal(a->added, b->added);
    assert_int_equal(a->updated, b->updated);
    assert_int_equal(a->older, b->older);
    assert_int_equal(a->unchanged, b->unchanged);
    assert_int_equal(a->codes, b->codes);
    assert_int_equal(a->pairs, b->pairs);
}

static void test_merge(void **state)
{
    (void)state;
    static const size_t bits[] = {32, 64, 256};
    for (uint64_t round = 0; round < 3; round++) {
        char a[16], b[16];
        size_t nbits = bits[round];
        snprintf(a, sizeof a, "a%d", (int)round);
        snprintf(b, sizeof b, "b%d", (int)round);
        make_things(a, nbits, 2 * round, 300, 120);
        make_things(b, nbits, 2 * round + 1, 2500, 1500);
        things want = things_read(a, nbits), from = things_read(b, nbits);
        sg_join_counts expected = merge_plain(&want, &from, round == 2);
        assert_true(expected.added && expected.updated && expected.older && expected.unchanged &&
                    expected.codes);
        sg_join_counts asked = merge(a, b, round == 2, true);
        sg_join_counts counts = merge(a, b, round == 2, false);
        assert_counts(&asked, &expected);
        assert_counts(&counts, &expected);
        things got = things_read(a, nbits), still = things_read(b, nbits);
        assert_things(&got, &want, false);
        assert_things(&still, &from, true);
        things_free(&got);
        /* Once more: nothing but the bare codes is new. */
        counts = merge(a, b, round == 2, false);
        assert_int_equal(counts.added + counts.updated + counts.pairs, 0);
        assert_int_equal(counts.codes, expected.codes);
        got = things_read(a, nbits);
        assert_int_equal(got.n, want.n + expected.codes);
        for (size_t i = 0; i < want.n; i++) assert_thing(&got.items[i], &want.items[i], nbits);
        things_free(&got);
        things_free(&still);
        things_free(&want);
        things_free(&from);
    }
}

/* --- pairs ---------------------------------------------------------------------------------------------------- */

static void put_path(uint64_t *id, sg_store *store, const char *path, uint64_t content, int64_t mtime)
{
    uint8_t code[8];
    sg_put_kind kind;
    uint64_t other;
    sg_error err = {0};
    sg_item item = make_item(path, content, 1, mtime, code, 64);
    if (!sg_store_put(&kind, id, &other, store, &item, &err)) fail_msg("%s", err.message);
}

typedef struct pair_list {
    uint64_t ids[16][2];
    size_t n;
} pair_list;

static bool take_pair(void *context, uint64_t a, uint64_t b, sg_error *err)
{
    (void)err;
    pair_list *list = context;
    list->ids[list->n][0] = a;
    list->ids[list->n++][1] = b;
    return true;
}

static void test_pairs_come_along(void **state)
{
    (void)state;
    sg_error err = {0};
    uint64_t ids[5], id;
    create_store("a", 64);
    create_store("b", 64);
    sg_store *store = open_store("a", true);
    begin(store);
    put_path(&id, store, "/same", 1, 5);  /* 1 */
    put_path(&id, store, "/newer", 2, 9); /* 2: b's is older */
    commit(store);
    sg_store_close(store);
    store = open_store("b", true);
    begin(store);
    put_path(&ids[0], store, "/x", 10, 1); /* becomes 3 */
    put_path(&ids[1], store, "/newer", 3, 1);
    put_path(&ids[2], store, "/y", 11, 1);   /* becomes 4 */
    put_path(&ids[3], store, "/same", 1, 1); /* is 1 */
    assert_true(sg_store_pair_set(store, ids[0], ids[2], true, &err));
    assert_true(sg_store_pair_set(store, ids[2], ids[3], true, &err));
    assert_true(sg_store_pair_set(store, ids[1], ids[2], true, &err)); /* of a content that does not come */
    commit(store);
    sg_store_close(store);
    sg_join_counts counts = merge("a", "b", false, false);
    assert_int_equal(counts.pairs, 2);
    assert_int_equal(counts.first_id, 3);
    pair_list list = {.n = 0};
    store = open_store("a", false);
    assert_true(sg_store_pairs(store, take_pair, &list, &err));
    assert_int_equal(list.n, 2);
    assert_true(list.ids[0][0] == 1 && list.ids[0][1] == 4);
    assert_true(list.ids[1][0] == 3 && list.ids[1][1] == 4);
    assert_sound(store);
    sg_store_close(store);
}

/* --- outputs -------------------------------------------------------------------------------------------------- */

static void make_outputs(const char *dir, bool outputs, const char *path, uint64_t content, bool given)
{
    sg_error err = {0};
    sg_kv none = SG_KV_INIT;
    sg_put_kind kind;
    uint8_t code[8];
    uint64_t id, other;
    float reals[64];
    assert_true(sg_store_create(dir, 64, FINGERPRINT, &none, "flat", NULL, outputs, NULL, NULL, &err));
    sg_store *store = open_store(dir, true);
    sg_item item = make_item(path, content, 1, 1, code, 64);
    for (size_t i = 0; i < 64; i++) reals[i] = (float)(content * 100 + i);
    item.outputs = given ? reals : NULL;
    begin(store);
    assert_true(sg_store_put(&kind, &id, &other, store, &item, &err));
    commit(store);
    sg_store_close(store);
}

/* Where both stores keep them. */
static void test_outputs_come_along(void **state)
{
    (void)state;
    for (int from = 0; from < 2; from++)
        for (int into = 0; into < 2; into++) {
            sg_error err = {0};
            char a[] = "a00", b[] = "b00";
            float reals[64];
            bool found;
            a[1] = b[1] = (char)('0' + from);
            a[2] = b[2] = (char)('0' + into);
            make_outputs(a, into, "/a", 1, into);
            make_outputs(b, from, "/b", 2, from);
            merge(a, b, false, false);
            sg_store *store = open_store(a, false);
            assert_true(sg_store_outputs(reals, &found, store, 2, &err));
            assert_int_equal(found, from && into);
            for (size_t i = 0; found && i < 64; i++) assert_true(reals[i] == (float)(200 + i));
            assert_true(sg_store_outputs(reals, &found, store, 1, &err));
            assert_int_equal(found, into);
            assert_sound(store);
            sg_store_close(store);
        }
}

static void test_merge_refused(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_join_counts counts;
    make_things("a", 64, 1, 20, 20);
    make_things("b", 32, 1, 20, 20);
    sg_store *store = open_store("a", true), *other = open_store("b", false);
    assert_false(sg_store_merge(&counts, store, other, &(sg_merge_options){.foreign = false}, &err));
    assert_int_equal(err.code, SG_ERR_MISMATCH);
    assert_string_equal(err.message, "codes of 64 and of 32 bits cannot be joined");
    sg_store_close(other);
    make_things("c", 64, 2, 3000, 3000);
    other = open_store("c", false);
    sg_interrupt_set(true);
    assert_false(sg_store_merge(&counts, store, other, &(sg_merge_options){.foreign = false}, &err));
    sg_interrupt_set(false);
    assert_int_equal(err.code, SG_ERR_INTERRUPTED);
    assert_sound(store);
    sg_store_close(store);
    sg_store_close(other);
}

static void test_merge_failing_allocations(void **state)
{
    (void)state;
    make_things("a", 64, 3, 15, 10);
    make_things("b", 64, 4, 15, 10);
    things from = things_read("b", 64), want = things_read("a", 64);
    sg_store *store = open_store("a", true), *other = open_store("b", false);
    sg_join_counts counts;
    assert_survives_allocation_failures(
        sg_store_merge(&counts, store, other, &(sg_merge_options){.foreign = false}, &err));
    sg_store_close(store);
    sg_store_close(other);
    merge_plain(&want, &from, false);
    things got = things_read("a", 64);
    assert_things(&got, &want, false);
    things_free(&from);
    things_free(&want);
    things_free(&got);
}

/* --- relocate ------------------------------------------------------------------------------------------------- */

static const char *const tree[] = {"/a/b/1",   "/a/b/2", "/a/bc/1",  "/a/b",
                                   "/a/x/b/1", "/z/1",   "/a/b/b/1", "/c/9"};
enum { TREE = sizeof tree / sizeof *tree };

static void make_tree(const char *dir)
{
    uint64_t id;
    create_store(dir, 64);
    sg_store *store = open_store(dir, true);
    begin(store);
    for (uint64_t i = 0; i < TREE; i++) put_path(&id, store, tree[i], i, 1);
    commit(store);
    sg_store_close(store);
}

static void assert_relocates(const char *from, const char *to, size_t n, const char *const want[TREE])
{
    sg_error err = {0};
    uint64_t moved;
    static int number;
    char dir[16];
    snprintf(dir, sizeof dir, "t%d", number++);
    make_tree(dir);
    things before = things_read(dir, 64);
    sg_store *store = open_store(dir, false);
    if (!sg_store_relocate(&moved, store, from, to, true, &err)) fail_msg("%s", err.message);
    assert_int_equal(moved, n);
    sg_store_close(store);
    things still = things_read(dir, 64);
    assert_things(&before, &still, true);
    store = open_store(dir, true);
    if (!sg_store_relocate(&moved, store, from, to, false, &err)) fail_msg("%s", err.message);
    assert_int_equal(moved, n);
    for (uint64_t i = 0; i < TREE; i++) {
        bool found;
        uint64_t id;
        assert_true(sg_store_find_path(&id, &found, store, want[i], &err) && found);
        assert_int_equal(id, i + 1);
    }
    sg_store_close(store);
    things after = things_read(dir, 64);
    for (size_t i = 0; i < TREE; i++) {
        free(before.items[i].path);
        before.items[i].path = strdup(want[i]);
    }
    assert_things(&before, &after, true);
    things_free(&before);
    things_free(&still);
    things_free(&after);
}

static void test_relocate(void **state)
{
    (void)state;
    assert_relocates("/a/b", "/new/place", 4,
                     (const char *[]){"/new/place/1", "/new/place/2", "/a/bc/1", "/new/place", "/a/x/b/1",
                                      "/z/1", "/new/place/b/1", "/c/9"});
    /* Into itself and out of itself: paths that others give up meanwhile. */
    assert_relocates("/a/b", "/a/b/b", 4,
                     (const char *[]){"/a/b/b/1", "/a/b/b/2", "/a/bc/1", "/a/b/b", "/a/x/b/1", "/z/1",
                                      "/a/b/b/b/1", "/c/9"});
    assert_relocates("/", "/m", TREE,
                     (const char *[]){"/m/a/b/1", "/m/a/b/2", "/m/a/bc/1", "/m/a/b", "/m/a/x/b/1", "/m/z/1",
                                      "/m/a/b/b/1", "/m/c/9"});
    assert_relocates(
        "/a/x", "/", 1,
        (const char *[]){"/a/b/1", "/a/b/2", "/a/bc/1", "/a/b", "/b/1", "/z/1", "/a/b/b/1", "/c/9"});
    assert_relocates(
        "/z/1", "/a/b/3", 1,
        (const char *[]){"/a/b/1", "/a/b/2", "/a/bc/1", "/a/b", "/a/x/b/1", "/a/b/3", "/a/b/b/1", "/c/9"});
}

static void test_relocate_refused(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
        sg_code code;
        const char *message;
    } cases[] = {
        {"/a/bc", "/z", SG_ERR_USAGE, "/z/1: is in the index already (id 6)"},
        {"/a/b", "/z", SG_ERR_USAGE, "/z/1: is in the index already (id 6)"},
        {"/a/b/b", "/a/b", SG_ERR_USAGE, "/a/b/1: is in the index already (id 1)"},
        {"/a/b", "/", SG_ERR_USAGE, "/a/b: would lose its name"},
        {"/nosuch", "/z", SG_ERR_NOT_FOUND, "/nosuch: no path in the index begins with it"},
        {"/z", "/z", SG_ERR_USAGE, "/z: is where it is"},
    };
    make_tree("idx");
    things before = things_read("idx", 64);
    sg_store *store = open_store("idx", true);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int only_check = 0; only_check < 2; only_check++) {
            sg_error err = {0};
            uint64_t n;
            assert_false(sg_store_relocate(&n, store, cases[i].from, cases[i].to, only_check, &err));
            assert_int_equal(err.code, cases[i].code);
            assert_string_equal(err.message, cases[i].message);
        }
    sg_store_close(store);
    things after = things_read("idx", 64);
    assert_things(&before, &after, true);
    things_free(&after);
    uint64_t n;
    store = open_store("idx", true);
    assert_survives_allocation_failures(sg_store_relocate(&n, store, "/a", "/b", false, &err));
    sg_store_close(store);
    things_free(&before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_merge),
        scratch_test(test_pairs_come_along),
        scratch_test(test_outputs_come_along),
        scratch_test(test_merge_refused),
        scratch_test(test_merge_failing_allocations),
        scratch_test(test_relocate),
        scratch_test(test_relocate_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
