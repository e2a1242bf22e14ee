#include "reference.h"

/* One random step: mostly puts of few paths and few contents, so that all cases of put meet; some removals. */
static void random_step(sg_store *store, reference *ref, sg_rng *rng)
{
    sg_error err = {0};
    uint8_t code[SG_BITS_MAX / 8];
    char path[32];
    if (ref->n > 0 && sg_rng_below(rng, 4) == 0) {
        ref_item *item = &ref->items[sg_rng_below(rng, ref->n)];
        if (!sg_store_remove(store, item->id, &err)) fail_msg("%s", err.message);
        ref_remove(ref, item);
        return;
    }
    snprintf(path, sizeof path, "/r/%d", (int)sg_rng_below(rng, 60));
    sg_item item = make_item(path, sg_rng_below(rng, 40), sg_rng_below(rng, 3), 5, code, ref->nbits);
    assert_put(store, ref, &item);
}

static void random_life(size_t nbits, uint64_t seed)
{
    sg_rng rng = sg_rng_at(seed, SG_RNG_TEST, nbits, 0);
    reference ref = ref_new(nbits), before;
    create_store("idx", nbits);
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
    create_store("idx", 64);
    sg_store *store = open_store("idx", true);
    add_items(store, &ref, 0, 100);
    begin(store);
    for (size_t i = 0; i < n; i++) {
        memset(path, 'a' + (int)(i % 26), sizeof path - 1);
        snprintf(path, 16, "/%zu", i);
        path[strlen(path)] = '-';
        sg_item item = make_item(path, 1000 + i, i, 1, code, 64);
        assert_put(store, &ref, &item);
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
