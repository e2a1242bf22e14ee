#include "reference.h"

static ref_item *random_item(reference *ref, sg_rng *rng)
{
    return &ref->items[sg_rng_below(rng, ref->n)];
}

/* Of few paths and few contents, so that all cases of put meet. */
static void random_put(sg_store *store, reference *ref, sg_rng *rng)
{
    static const struct {
        const char *data;
        size_t nbytes;
    } attributes[] = {{NULL, 0}, {NULL, 0}, {"", 0}, {"a\0b\0", 4}, {"label\0cat\0label\0dog\0", 20}};
    uint8_t code[SG_BITS_MAX / 8];
    float outputs[SG_BITS_MAX];
    char path[32];
    snprintf(path, sizeof path, "/r/%d", (int)sg_rng_below(rng, 60));
    sg_item item = make_item(path, sg_rng_below(rng, 40), sg_rng_below(rng, 3), 5, code, ref->nbits);
    size_t pick = sg_rng_below(rng, sizeof attributes / sizeof *attributes);
    if (sg_rng_below(rng, 8) == 0) {
        item.path = NULL;
    } else {
        item.attributes = attributes[pick].data;
        item.attributes_nbytes = attributes[pick].nbytes;
    }
    for (size_t i = 0; i < ref->nbits; i++) outputs[i] = (float)sg_rng_below(rng, 1000) - 500;
    if (sg_rng_below(rng, 3)) item.outputs = outputs;
    assert_put(store, ref, &item);
}

static void random_codes(sg_store *store, reference *ref, sg_rng *rng)
{
    sg_error err = {0};
    uint64_t first;
    size_t n = sg_rng_below(rng, 4), nbytes = ref->nbits / 8;
    uint8_t codes[3 * SG_BITS_MAX / 8];
    for (size_t i = 0; i < n * nbytes; i++) codes[i] = (uint8_t)sg_rng_u32(rng);
    assert_true(sg_store_put_codes(&first, store, codes, n, &err));
    assert_int_equal(first, ref->next_id);
    for (size_t i = 0; i < n; i++) ref_put_code(ref, codes + i * nbytes);
}

static void random_change(sg_store *store, reference *ref, sg_rng *rng)
{
    static const char packed[] = "label\0cow\0x\0\0";
    sg_error err = {0};
    char path[32];
    ref_item *item = random_item(ref, rng), *other;
    bool is_new = sg_rng_below(rng, 2);
    if (is_new) {
        size_t nbytes = sg_rng_below(rng, 2) ? sizeof packed - 1 : 0;
        bool ok = sg_store_set_attributes(store, item->id, packed, nbytes, &err);
        assert_int_equal(ok, item->path != NULL);
        if (ok) ref_set_attributes(item, packed, nbytes);
    } else {
        snprintf(path, sizeof path, "/r/%d", (int)sg_rng_below(rng, 60));
        other = ref_path(ref, path);
        bool ok = sg_store_set_path(store, item->id, path, &err);
        assert_int_equal(ok, item->path && (!other || other == item));
        if (ok) {
            free(item->path);
            item->path = strdup(path);
        }
    }
    if (err.code) assert_int_equal(err.code, SG_ERR_USAGE); /* and the batch goes on */
}

static void random_pair(sg_store *store, reference *ref, sg_rng *rng)
{
    sg_error err = {0};
    uint64_t a = random_item(ref, rng)->id, b = random_item(ref, rng)->id;
    bool marked = sg_rng_below(rng, 3) > 0, ok = sg_store_pair_set(store, a, b, marked, &err);
    assert_int_equal(ok, a != b);
    if (ok) ref_pair_set(ref, a, b, marked);
}

static void random_search(sg_store *store, reference *ref, sg_rng *rng)
{
    sg_error err = {0};
    sg_kv params = SG_KV_INIT;
    ref->kind = sg_rng_below(rng, 2) ? "flat" : "fifteen-letters";
    ref->probe = sg_rng_below(rng, 2) ? "8" : NULL;
    if (ref->probe) assert_true(sg_kv_set(&params, "probe", ref->probe, &err));
    assert_true(sg_store_set_search(store, ref->kind, ref->probe ? &params : NULL, &err));
    sg_kv_clear(&params);
}

static void random_remove(sg_store *store, reference *ref, sg_rng *rng)
{
    sg_error err = {0};
    ref_item *item = random_item(ref, rng);
    if (!sg_store_remove(store, item->id, &err)) fail_msg("%s", err.message);
    ref_remove(ref, item);
}

static void random_step(sg_store *store, reference *ref, sg_rng *rng)
{
    int pick = (int)sg_rng_below(rng, 20);
    if (pick < 9 || ref->n == 0)
        random_put(store, ref, rng);
    else if (pick < 13)
        random_remove(store, ref, rng);
    else if (pick < 14)
        random_codes(store, ref, rng);
    else if (pick < 17)
        random_change(store, ref, rng);
    else if (pick < 19)
        random_pair(store, ref, rng);
    else
        random_search(store, ref, rng);
}

static void random_life(size_t nbits, uint64_t seed)
{
    sg_rng rng = sg_rng_at(seed, SG_RNG_TEST, nbits, 0);
    reference ref = ref_new(nbits), before;
    ref.keeps_outputs = seed % 2;
    create_store_of("idx", &ref);
    sg_store *store = open_store("idx", true);
    for (int batch = 0; batch < 60; batch++) {
        before = ref_copy(&ref);
        begin(store);
        for (uint64_t step = sg_rng_below(&rng, 30); step > 0; step--) random_step(store, &ref, &rng);
        if (sg_rng_below(&rng, 5) == 0) {
            sg_store_abort(store);
            ref_free(&ref);
            ref = before;
        } else {
            commit(store);
            ref_free(&before);
        }
        if (sg_rng_below(&rng, 6) == 0) {
            sg_store_close(store);
            store = open_store("idx", true);
        }
        assert_equals(store, &ref);
    }
    sg_store_close(store);
    ref_free(&ref);
}

static void test_random_lives(void **state)
{
    (void)state;
    static const size_t bits[] = {8, 64, 1024};
    for (size_t i = 0; i < 3; i++) {
        random_life(bits[i], i);
        assert_int_equal(rename("idx", i == 0 ? "idx0" : i == 1 ? "idx1" : "idx2"), 0);
    }
}

/* A batch far larger than the first map (4 MiB): it is done again until it fits, with the same ids and answers. */
static void test_large_batch(void **state)
{
    (void)state;
    sg_error err = {0};
    const size_t n = 6000;
    reference ref = ref_new(64);
    uint8_t code[8];
    static char path[4000];
    sg_rng rng = sg_rng_at(3, SG_RNG_TEST, 0, 0);
    ref.keeps_outputs = true;
    create_store_of("idx", &ref);
    sg_store *store = open_store("idx", true);
    add_items(store, &ref, 0, 100);
    begin(store);
    for (size_t i = 0; i < n; i++) {
        memset(path, 'a' + (int)(i % 26), sizeof path - 1);
        snprintf(path, 16, "/%zu", i);
        path[strlen(path)] = '-';
        sg_item item = make_item(path, 1000 + i, i, 1, code, 64);
        assert_put(store, &ref, &item);
        if (i < 1000 && i % 5 == 0) random_step(store, &ref, &rng); /* each kind of operation is done again */
        if (i % 1000 == 999) {
            assert_true(sg_store_remove(store, ref.items[3].id, &err));
            ref_remove(&ref, &ref.items[3]);
            assert_false(sg_store_remove(store, 1000000, &err));
            assert_int_equal(err.code, SG_ERR_NOT_FOUND);
        }
    }
    commit(store);
    assert_equals(store, &ref);
    sg_store_close(store);
    store = open_store("idx", false);
    assert_equals(store, &ref);
    sg_store_close(store);
    ref_free(&ref);
}

static void test_generations(void **state)
{
    (void)state;
    sg_error err = {0};
    reference ref = ref_new(64);
    sg_store_info info;
    create_store("idx", 64);
    sg_store *store = open_store("idx", true);
    for (uint64_t generation = 1; generation < 5; generation++) {
        assert_true(sg_store_info_get(&info, store, &err));
        assert_int_equal(info.generation, generation);
        sg_store_info_clear(&info);
        begin(store);
        sg_store_abort(store); /* leaves no mark */
        add_items(store, &ref, generation, 1);
    }
    sg_store_close(store);
    ref_free(&ref);
}

/* A batch in which an operation fails half way cannot be committed; the store stays as it was. */
static void test_failed_batch(void **state)
{
    (void)state;
    reference ref = ref_new(64);
    uint8_t code[8];
    create_store("idx", 64);
    sg_store *store = open_store("idx", true);
    add_items(store, &ref, 0, 10);
    sg_item item = make_item("/new", 50, 1, 1, code, 64);
    bool ok = false;
    for (uint64_t nth = 1; !ok; nth++) {
        sg_error err = {0};
        sg_put_kind kind;
        uint64_t id, other;
        begin(store);
        sg_mem_fail_at(nth);
        ok = sg_store_put(&kind, &id, &other, store, &item, &err);
        sg_mem_fail_at(0);
        if (ok) break;
        assert_int_equal(err.code, SG_ERR_MEMORY);
        if (sg_store_put(&kind, &id, &other, store, &item,
                         &err)) { /* failed before it began: the batch goes on */
            sg_store_abort(store);
            continue;
        }
        assert_int_equal(err.code, SG_ERR_USAGE);
        assert_false(sg_store_commit(store, &err));
        assert_equals(store, &ref);
    }
    assert_true(ok);
    sg_store_abort(store);
    assert_equals(store, &ref);
    sg_store_close(store);
    ref_free(&ref);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_random_lives),
        scratch_test(test_large_batch),
        scratch_test(test_generations),
        scratch_test(test_failed_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
