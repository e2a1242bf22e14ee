#include "damage.h"

#include "index/store_impl.h"
#include <signal.h>
#include <signet/buf.h>
#include <signet/file.h>

static void test_flipped_bytes(void **state)
{
    (void)state;
    flip_bytes(149);
}

static void test_some_of_many(void **state)
{
    (void)state;
    flip_some_of_many(30);
}

static void test_cut(void **state)
{
    (void)state;
    cut_off(1500, false);
    cut_off(2900, true);
}

/* A batch of all kinds of changes; what fails is an error. */
static void change_all(const world *w)
{
    sg_error err = {0};
    sg_store *store;
    if (!sg_store_open(&store, "idx", true, 0, &err)) _exit(err.code != SG_ERR_FORMAT);
    bool ok = sg_store_begin(store, &err);
    for (uint64_t id = 1; ok && id <= w->n; id += 2) {
        sg_put_kind kind;
        uint64_t given, other;
        uint8_t code[NBITS / 8];
        char path[32];
        path_of(path, w, id);
        sg_item item = make_item(path, 1000000 + id, id, 5, code, NBITS);
        ok = sg_store_put(&kind, &given, &other, store, &item, &err);
        if (ok && w->live[id + 1]) ok = sg_store_remove(store, id + 1, &err) || err.code == SG_ERR_NOT_FOUND;
    }
    if (ok) ok = sg_store_commit(store, &err);
    _exit(!ok && err.code != SG_ERR_FORMAT);
}

/* LMDB would write where a damaged page leads it: bounds of pages, and offsets of nodes, that are not what they were. */
static void test_damage_is_not_written_to(void **state)
{
    (void)state;
    static const off_t places[] = {13, 40};
    world w;
    make_world(&w, 400, 460);
    for (off_t page = 2; page < (off_t)w.nbytes / PAGE; page++)
        for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
            int status, fd = open("idx/data.mdb", O_RDWR);
            assert_int_equal(ftruncate(fd, (off_t)w.nbytes), 0);
            assert_int_equal(pwrite(fd, w.sound, w.nbytes, 0), w.nbytes);
            flip(fd, (change){page * PAGE + places[i], 0x35});
            close(fd);
            pid_t child = fork();
            if (child == 0) {
                signal(SIGSEGV, SIG_DFL); /* the test's own handler is not the child's */
                signal(SIGBUS, SIG_DFL);
                change_all(&w);
            }
            assert_int_equal(waitpid(child, &status, 0), child);
            if (status != 0) fail_msg("page %ld, byte %ld: status %x", (long)page, (long)places[i], status);
        }
    free_world(&w);
}

static off_t make_small(reference *ref)
{
    struct stat st;
    sg_error err = {0};
    create_store("idx", ref->nbits);
    sg_store *store = open_store("idx", true);
    add_items(store, ref, 0, 30);
    begin(store);
    assert_true(sg_store_remove(store, 4, &err)); /* free pages, a dead code */
    ref_remove(ref, ref_id(ref, 4));
    commit(store);
    add_items(store, ref, 30, 10);
    assert_equals(store, ref);
    sg_store_close(store);
    assert_int_equal(stat("idx/data.mdb", &st), 0);
    return st.st_size;
}

/* A meta page whose writing the system refused: LMDB puts back its old number, but leaves its new roots. It is that of
 * the older transaction, so nothing depends on it. */
static void test_meta_page_half_written(void **state)
{
    (void)state;
    reference ref = ref_new(64);
    sg_error err = {0};
    uint64_t txnid[2], root = 1000000;
    make_small(&ref);
    int fd = open("idx/data.mdb", O_RDWR);
    for (int i = 0; i < 2; i++) assert_int_equal(pread(fd, &txnid[i], 8, i * 4096 + 144), 8);
    int older = txnid[1] < txnid[0];
    assert_int_equal(pwrite(fd, &root, 8, older * 4096 + 128), 8); /* of the list of tables */
    sg_store *store = open_store("idx", true);
    assert_equals(store, &ref);
    add_items(store, &ref, 100, 10);
    assert_equals(store, &ref);
    sg_store_close(store);
    assert_int_equal(pwrite(fd, &root, 8, older * 4096 + 128), 8); /* now it is the newer one */
    assert_false(sg_store_open(&store, "idx", false, 0, &err));
    assert_non_null(strstr(err.message, "a root that cannot be"));
    close(fd);
    ref_free(&ref);
}

/* --- sound pages and records that contradict each other --- */

static void drop_entry(sg_store *store, int table, const void *key, size_t nbytes)
{
    MDB_val mkey = {nbytes, (void *)key};
    assert_int_equal(mdb_del(store->batch, store->tables[table], &mkey, NULL), 0);
}

static void lose_path(sg_store *store, const reference *ref)
{
    uint8_t key[SG_REF_NBYTES];
    sg_path_ref(key, ref->items[5].path, ref->items[5].id);
    drop_entry(store, SG_TABLE_PATHS, key, sizeof key);
}

static void lose_content(sg_store *store, const reference *ref)
{
    uint8_t key[SG_REF_NBYTES];
    sg_content_ref(key, ref->items[5].content, ref->items[5].id);
    drop_entry(store, SG_TABLE_CONTENTS, key, sizeof key);
}

static void lose_item(sg_store *store, const reference *ref)
{
    uint8_t key[SG_ID_NBYTES];
    sg_id_key(key, ref->items[5].id);
    drop_entry(store, SG_TABLE_ITEMS, key, sizeof key);
}

static void lose_code(sg_store *store, const reference *ref)
{
    sg_error err = {0};
    assert_true(sg_blocks_drop(store, ref->items[5].id, &err));
}

static void lose_block(sg_store *store, const reference *ref)
{
    (void)ref;
    uint8_t key[SG_ID_NBYTES];
    sg_id_key(key, 0);
    drop_entry(store, SG_TABLE_CODES, key, sizeof key);
}

static void lose_recipe(sg_store *store, const reference *ref)
{
    (void)ref;
    drop_entry(store, SG_TABLE_META, "recipe", 6);
}

static void miscount(sg_store *store, const reference *ref)
{
    (void)ref;
    store->head.items++;
}

static void add_code(sg_store *store, const reference *ref)
{
    sg_error err = {0};
    assert_true(sg_blocks_set(store, ref->next_id + 100, ref->items[0].code, 1, false, &err));
}

/* Puts a record under a key of its table. */
static void put_entry(sg_store *store, int table, const void *key, size_t nkey, void *value, size_t nvalue)
{
    MDB_val mkey = {nkey, (void *)key}, mvalue = {nvalue, value};
    assert_int_equal(mdb_put(store->batch, store->tables[table], &mkey, &mvalue, 0), 0);
}

static void misplace_item(sg_store *store, const reference *ref)
{
    uint8_t key[SG_ID_NBYTES], record[200];
    const ref_item *from = &ref->items[6];
    sg_item item = {.id = from->id, .path = from->path, .nbytes = from->nbytes, .mtime_ns = from->mtime_ns};
    memcpy(item.content, from->content, SG_CONTENT_NBYTES);
    sg_item_write(record, &item);
    sg_id_key(key, ref->items[5].id);
    put_entry(store, SG_TABLE_ITEMS, key, sizeof key, record, sg_item_nbytes(&item));
}

/* Two items of one path, each found by it. */
static void repeat_path(sg_store *store, const reference *ref)
{
    uint8_t key[SG_ID_NBYTES], ref_key[SG_REF_NBYTES], record[200];
    sg_item item = {.id = ref->items[5].id, .path = ref->items[6].path};
    memcpy(item.content, ref->items[5].content, SG_CONTENT_NBYTES);
    lose_path(store, ref);
    sg_item_write(record, &item);
    sg_id_key(key, item.id);
    put_entry(store, SG_TABLE_ITEMS, key, sizeof key, record, sg_item_nbytes(&item));
    sg_path_ref(ref_key, item.path, item.id);
    put_entry(store, SG_TABLE_PATHS, ref_key, sizeof ref_key, NULL, 0);
}

/* The code of an item with a path, marked as one without; and nothing the matter with it else. */
static void mark_bare(sg_store *store, const reference *ref)
{
    sg_error err = {0};
    assert_true(sg_blocks_drop(store, ref->items[5].id, &err));
    assert_true(sg_blocks_set(store, ref->items[5].id, ref->items[5].code, 1, true, &err));
}

static void miscount_bare(sg_store *store, const reference *ref)
{
    (void)ref;
    store->head.bare++;
}

static void gather(void *context, const char *fault)
{
    sg_buf_printf(context, "%s\n", fault);
}

static void test_contradictions(void **state)
{
    (void)state;
    static const struct {
        void (*tamper)(sg_store *store, const reference *ref);
        const char *word; /* in the report */
    } cases[] = {{lose_path,
                  "item 7 is not found by its path\nidx: damaged: 39 items are recorded; there are "
                  "39 items, 39 codes, 38 paths, 39 contents, 6 of 6 foreign, 0 of 0 without a path"},
                 {lose_content, "item 7 is not found by its content"},
                 {lose_item, "there are 38 items"},
                 {lose_code, "item 7 has no code"},
                 {lose_block, "there are 39 items, 0 codes"},
                 {lose_recipe, "the recipe is missing"},
                 {miscount, "40 items are recorded; there are 39 items"},
                 {add_code, "codes 0 hold ids that were never given"},
                 {misplace_item, "item 7 stands under another id"},
                 {repeat_path, "has a path that another item has too"},
                 {mark_bare, "item 7 has a code that is marked as without a path"},
                 {miscount_bare, "0 of 1 without a path"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sg_error err = {0};
        reference ref = ref_new(64);
        sg_buf report = SG_BUF_INIT;
        char name[16];
        size_t faults;
        make_small(&ref);
        sg_store *store = open_store("idx", true);
        begin(store);
        cases[i].tamper(store, &ref);
        commit(store);
        assert_true(sg_store_verify(&faults, store, gather, &report, &err));
        if (faults == 0) fail_msg("case %zu was not found", i);
        if (!strstr(sg_buf_text(&report), cases[i].word))
            fail_msg("case %zu: %zu faults: %s", i, faults, sg_buf_text(&report));
        sg_buf_clear(&report);
        sg_store_close(store);
        snprintf(name, sizeof name, "idx%zu", i);
        assert_int_equal(rename("idx", name), 0);
        ref_free(&ref);
    }
}

/* --- the same of what version 2 added --- */

static void put_outputs(sg_store *store, uint64_t key_id, uint64_t id)
{
    uint8_t key[SG_ID_NBYTES], record[16 + 4 * NBITS];
    float outputs[NBITS];
    outputs_of(outputs, id);
    sg_outputs_write(record, id, outputs, NBITS);
    sg_id_key(key, key_id);
    put_entry(store, SG_TABLE_OUTPUTS, key, sizeof key, record, sizeof record);
}

static void put_half(sg_store *store, uint64_t a, uint64_t b)
{
    uint8_t key[SG_PAIR_NBYTES], sum[SG_PAIR_SUM_NBYTES];
    sg_pair_key(key, a, b);
    sg_pair_sum(sum, key);
    put_entry(store, SG_TABLE_PAIRS, key, sizeof key, sum, sizeof sum);
}

static void lose_outputs(sg_store *store)
{
    uint8_t key[SG_ID_NBYTES];
    sg_id_key(key, 1);
    drop_entry(store, SG_TABLE_OUTPUTS, key, sizeof key);
}

static void misplace_outputs(sg_store *store)
{
    put_outputs(store, 1, 2);
}

static void add_outputs(sg_store *store)
{
    put_outputs(store, 7, 7); /* which was removed */
}

static void lose_half(sg_store *store)
{
    uint8_t key[SG_PAIR_NBYTES];
    sg_pair_key(key, 2, 1);
    drop_entry(store, SG_TABLE_PAIRS, key, sizeof key);
}

static void pair_with_nothing(sg_store *store)
{
    put_half(store, 7, 8);
    put_half(store, 8, 7);
}

static void damage_half(sg_store *store)
{
    uint8_t key[SG_PAIR_NBYTES], sum[SG_PAIR_SUM_NBYTES] = {1};
    sg_pair_key(key, 1, 2);
    put_entry(store, SG_TABLE_PAIRS, key, sizeof key, sum, sizeof sum);
}

/* attributes: packed, of item `id`. */
static void put_record(sg_store *store, uint64_t id, const char *attributes, size_t nbytes)
{
    uint8_t key[SG_ID_NBYTES], code[NBITS / 8], record[200];
    char path[32];
    snprintf(path, sizeof path, "/p/%llu", (unsigned long long)id);
    sg_item item = make_item(path, id, id, (int64_t)id, code, NBITS);
    item.id = id;
    item.attributes = attributes;
    item.attributes_nbytes = nbytes;
    sg_item_write(record, &item);
    sg_id_key(key, id);
    put_entry(store, SG_TABLE_ITEMS, key, sizeof key, record, sg_item_nbytes(&item));
}

static void give_bare_a_record(sg_store *store)
{
    uint8_t code[NBITS / 8], ref[SG_REF_NBYTES];
    sg_item item = make_item("/p/5", 5, 0, 0, code, NBITS);
    put_record(store, 5, "", 0);
    sg_path_ref(ref, "/p/5", 5);
    put_entry(store, SG_TABLE_PATHS, ref, sizeof ref, NULL, 0);
    sg_content_ref(ref, item.content, 5);
    put_entry(store, SG_TABLE_CONTENTS, ref, sizeof ref, NULL, 0);
}

static void unsort_attributes(sg_store *store)
{
    put_record(store, 1, "label\0b\0label\0a", 16);
}

static void add_record(sg_store *store)
{
    put_entry(store, SG_TABLE_META, "searcg", 6, "", 0);
}

static void miscount_pairs(sg_store *store)
{
    store->head.pairs++;
}

static void test_contradictions_of_version_2(void **state)
{
    (void)state;
    static const struct {
        void (*tamper)(sg_store *store);
        const char *word;
    } cases[] = {{lose_outputs, "there are outputs of "},
                 {misplace_outputs, "outputs 1 stand under another id"},
                 {add_outputs, "outputs 7 are of no item"},
                 {lose_half, "pair of item 1 stands in one order only"},
                 {pair_with_nothing, "pair of item 7 is with what is no item"},
                 {damage_half, "pair of item 1 has a wrong checksum"},
                 {give_bare_a_record, "item 5 has a code that is marked as without a path"},
                 {unsort_attributes, "item 1 has attributes that make no sense"},
                 {add_record, "4 records of the index where 3 belong"},
                 {miscount_pairs, "halves of pairs"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        world w;
        sg_error err = {0};
        sg_buf report = SG_BUF_INIT;
        size_t faults;
        make_world(&w, 50, 60);
        sg_store *store = open_store("idx", true);
        begin(store);
        cases[i].tamper(store);
        commit(store);
        assert_true(sg_store_verify(&faults, store, gather, &report, &err));
        if (faults == 0 || !strstr(sg_buf_text(&report), cases[i].word))
            fail_msg("case %zu: %zu faults: %s", i, faults, sg_buf_text(&report));
        sg_buf_clear(&report);
        sg_store_close(store);
        free_world(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_flipped_bytes),
        scratch_test(test_some_of_many),
        scratch_test(test_cut),
        scratch_test(test_damage_is_not_written_to),
        scratch_test(test_meta_page_half_written),
        scratch_test(test_contradictions),
        scratch_test(test_contradictions_of_version_2),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
