/* Re-ranking, against every item of the store. */
#include "asking.h"

#include <math.h>

static int compare_scores(const void *a, const void *b)
{
    const row *x = a, *y = b;
    if (fabs(x->score - y->score) > 1e-12) return x->score < y->score ? -1 : 1;
    return compare_rows(a, b);
}

static void fill_scores(table *t, const float *z)
{
    for (size_t i = 0; i < t->n; i++) {
        double zb = 0, zz = 0;
        for (int k = 0; k < BITS; k++) {
            zb += (t->rows[i].code[k / 8] >> k % 8 & 1 ? 1 : -1) * (double)z[k];
            zz += (double)z[k] * (double)z[k];
        }
        t->rows[i].score = 1 - zb / sqrt(zz * BITS);
    }
}

static void test_rerank(void **state)
{
    (void)state;
    sg_error err = {0};
    static table t;
    sg_answer answer;
    sg_image image;
    uint8_t code[BITS / 8];
    float z[BITS];
    sg_searcher *searcher = open_many();
    sg_index *index = sg_searcher_index(searcher);
    put_picture("query.jpg", 1000);
    const sg_decode_options grey = {.channels = 1};
    assert_true(sg_image_load(&image, "query.jpg", &grey, &err));
    assert_true(sg_encoder_image(sg_index_encoder(index), z, &image, &err));
    sg_image_clear(&image);
    sg_codes_pack(code, z, 1, BITS);
    static const struct {
        size_t k, from;
        int radius;
    } cases[] = {{5, 0, -1}, {5, 20, -1}, {5, PICTURES, -1}, {0, 0, 12}, {10, 1000, 14}, {3, 0, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const sg_ask ask = {
            .k = cases[i].k, .radius = cases[i].radius, .rerank = true, .rerank_from = cases[i].from};
        if (!sg_searcher_image(&answer, searcher, "query.jpg", &ask, &err)) fail_msg("%s", err.message);
        fill(&t, index, code, NULL);
        if (cases[i].radius >= 0)
            while (t.n > 0 && t.rows[t.n - 1].distance > (unsigned)cases[i].radius) t.n--;
        size_t from = cases[i].from ? cases[i].from : cases[i].k ? cases[i].k : t.n;
        if (from < t.n) t.n = from;
        fill_scores(&t, z);
        qsort(t.rows, t.n, sizeof *t.rows, compare_scores);
        assert_int_equal(answer.reranked, t.n);
        assert_rows(&answer, &t, cases[i].k ? cases[i].k : t.n);
        for (size_t j = 0; j < answer.result.n; j++)
            assert_true(fabs(answer.scores[j] - t.rows[j].score) < 1e-6);
        sg_answer_clear(&answer);
    }
    /* Fewer than are wanted cannot be re-ranked. */
    const sg_ask few = {.k = 5, .radius = -1, .rerank = true, .rerank_from = 4};
    assert_false(sg_searcher_code(&answer, searcher, code, &few, &err));
    assert_int_equal(err.code, SG_ERR_USAGE);
    /* A code has no real outputs: its signs take their place, and the order stays that of the distance. */
    const sg_ask ten = {.k = 10, .radius = -1, .rerank = true};
    assert_true(sg_searcher_code(&answer, searcher, code, &ten, &err));
    fill(&t, index, code, NULL);
    assert_rows(&answer, &t, 10);
    for (size_t j = 0; j < answer.result.n; j++)
        assert_true(fabs(answer.scores[j] - 2.0 * t.rows[j].distance / BITS) < 1e-9);
    sg_answer_clear(&answer);
    sg_searcher_free(searcher);
}

/* Against stored outputs, by a store of items that are codes and outputs only in part. */
static void test_rerank_by_outputs(void **state)
{
    (void)state;
    enum { N = 60 };
    sg_error err = {0};
    sg_store *store;
    sg_searcher *searcher;
    sg_answer answer;
    const sg_kv recipe = SG_KV_INIT;
    static float y[N + 1][BITS];
    float z[BITS];
    uint8_t code[BITS / 8];
    sg_rng rng = sg_rng_at(3, SG_RNG_TEST, 1, 0);
    char fingerprint[65] = "";
    memset(fingerprint, 'a', 64);
    if (!sg_store_create("idx", BITS, fingerprint, &recipe, "flat", NULL, true, NULL, NULL, &err))
        fail_msg("%s", err.message);
    assert_true(sg_store_open(&store, "idx", true, 0, &err) && sg_store_begin(store, &err));
    for (int i = 0; i < N; i++) {
        char path[32];
        sg_put_kind kind;
        uint64_t id, other;
        snprintf(path, sizeof path, "/%d", i);
        for (int k = 0; k < BITS; k++) y[i][k] = (float)sg_rng_below(&rng, 2001) / 1000 - 1;
        sg_codes_pack(code, y[i], 1, BITS);
        const sg_item item = {.path = path, .code = code, .outputs = i % 4 ? y[i] : NULL, .nbytes = 1};
        if (!sg_store_put(&kind, &id, &other, store, &item, &err)) fail_msg("%s", err.message);
        assert_int_equal(id, i + 1);
        if (i % 4 == 0) sg_codes_unpack(y[i], code, 1, BITS); /* without: by the code's signs */
    }
    assert_true(sg_store_commit(store, &err));
    sg_store_close(store);
    if (!sg_searcher_open(&searcher, "idx", SG_INDEX_STORE, 0, &err)) fail_msg("%s", err.message);
    const sg_ask ask = {.k = 12, .radius = -1, .rerank = true, .rerank_from = 30};
    for (int round = 0; round < 2; round++) { /* outputs of its own; those of an item */
        uint64_t id = round == 0 ? 0 : 6;
        for (int k = 0; k < BITS; k++) z[k] = (float)sg_rng_below(&rng, 2001) / 1000 - 1;
        if (id) memcpy(z, y[id - 1], sizeof z);
        sg_codes_pack(code, z, 1, BITS);
        static table t;
        left_out = id;
        fill(&t, sg_searcher_index(searcher), code, all_but_one);
        t.n = 30;
        for (size_t i = 0; i < t.n; i++) {
            double zy = 0, zz = 0, yy = 0;
            const float *of = y[t.rows[i].id - 1];
            for (int k = 0; k < BITS; k++) {
                zy += (double)z[k] * (double)of[k];
                zz += (double)z[k] * (double)z[k];
                yy += (double)of[k] * (double)of[k];
            }
            t.rows[i].score = 1 - zy / sqrt(zz) / sqrt(yy);
        }
        qsort(t.rows, t.n, sizeof *t.rows, compare_scores);
        const sg_query query = {.code = id ? NULL : code, .outputs = id ? NULL : z, .id = id};
        if (!sg_searcher_ask(&answer, searcher, &query, 1, &ask, &err)) fail_msg("%s", err.message);
        assert_rows(&answer, &t, 12);
        assert_int_equal(answer.reranked, 30);
        for (size_t i = 0; i < 12; i++) assert_true(fabs(answer.scores[i] - t.rows[i].score) < 1e-9);
        sg_answer_clear(&answer);
    }
    sg_searcher_free(searcher);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_rerank),
        scratch_test(test_rerank_by_outputs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
