/* What is asked beside a picture's nearest: items, conditions, many pictures at once; against every item of the store. */
#include "asking.h"

static void assert_path_of(const char *path, sg_index *index, uint64_t id)
{
    sg_error err = {0};
    sg_item item;
    char *want;
    assert_true(sg_store_get(&item, &want, sg_index_store(index), id, &err));
    assert_string_equal(path, want);
    sg_free(want);
}

static void test_items(void **state)
{
    (void)state;
    sg_error err = {0};
    static table t;
    sg_answer answer;
    uint8_t code[BITS / 8];
    sg_searcher *searcher = open_many();
    sg_index *index = sg_searcher_index(searcher);
    static const size_t ks[] = {1, 2, 3, 10, PICTURES - 1, PICTURES, 500};
    for (uint64_t id = 1; id <= PICTURES; id += 7)
        for (size_t i = 0; i < sizeof ks / sizeof *ks; i++) {
            const sg_ask ask = {.k = ks[i], .radius = -1};
            if (!sg_searcher_item(&answer, searcher, id, &ask, &err)) fail_msg("%s", err.message);
            code_of(code, index, id);
            left_out = id;
            fill(&t, index, code, all_but_one);
            assert_rows(&answer, &t, ks[i]);
            size_t n = answer.result.n;
            bool cut = n < t.n && t.rows[n].distance == t.rows[n - 1].distance;
            assert_int_equal(answer.result.complete, !cut);
            assert_int_equal(answer.query_id, id);
            assert_null(answer.query);
            assert_path_of(answer.query_path, index, id);
            assert_memory_equal(answer.code, code, sizeof code);
            sg_answer_clear(&answer);
        }
    const sg_ask within = {.k = 0, .radius = 0}; /* those that are like it, without itself */
    assert_true(sg_searcher_item(&answer, searcher, 1, &within, &err));
    code_of(code, index, 1);
    left_out = 1;
    fill(&t, index, code, all_but_one);
    size_t equal = 0;
    while (t.rows[equal].distance == 0) equal++;
    assert_true(equal >= ALIKE - 1);
    assert_int_equal(answer.result.n, equal);
    sg_answer_clear(&answer);
    assert_false(sg_searcher_item(&answer, searcher, PICTURES + 1, &within, &err));
    assert_int_equal(err.code, SG_ERR_NOT_FOUND);
    assert_true(!answer.code && !answer.paths);
    sg_searcher_free(searcher);
}

/* --- conditions --- */

static bool is_even(uint64_t id)
{
    return id % 2 == 0;
}

static bool is_odd_third(uint64_t id)
{
    return id % 2 == 1 && id % 3 == 0;
}

/* Of every item: its parity; of every third another label. */
static void set_attributes(const char *even)
{
    sg_error err = {0};
    sg_store *store;
    assert_true(sg_store_open(&store, "idx", true, 0, &err) && sg_store_begin(store, &err));
    for (uint64_t id = 1; id <= PICTURES; id++) {
        sg_attributes a = SG_ATTRIBUTES_INIT;
        assert_true(sg_attributes_add(&a, "label", id % 2 ? "odd" : even, &err));
        if (id % 3 == 0) assert_true(sg_attributes_add(&a, "label", "third", &err));
        if (!sg_store_set_attributes(store, id, a.data, a.nbytes, &err)) fail_msg("%s", err.message);
        sg_attributes_clear(&a);
    }
    assert_true(sg_store_commit(store, &err));
    sg_store_close(store);
}

static void test_where(void **state)
{
    (void)state;
    sg_error err = {0};
    static table t;
    uint8_t code[BITS / 8];
    sg_searcher_free(open_many());
    set_attributes("even");
    static const struct {
        const char *terms[2];
        bool (*takes)(uint64_t);
    } cases[] = {{{"label=even"}, is_even},
                 {{"label=odd", "label=third"}, is_odd_third},
                 {{"label!=odd"}, is_even},
                 {{"label"}, NULL},
                 {{"label=even"}, is_even}};
    sg_searcher *searcher;
    assert_true(sg_searcher_open(&searcher, "idx", SG_INDEX_STORE, 0, &err));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int within = 0; within < 2; within++) {
            sg_where where = SG_WHERE_INIT;
            sg_answer answers[2];
            for (size_t j = 0; j < 2 && cases[i].terms[j]; j++)
                assert_true(sg_where_parse_add(&where, cases[i].terms[j], &err));
            const sg_ask ask = {.k = within ? 0 : 9, .radius = within ? 12 : -1, .where = &where};
            code_of(code, sg_searcher_index(searcher), 4);
            const sg_query queries[2] = {{.code = code}, {.id = 9}}; /* one that is left out of its answer */
            if (!sg_searcher_ask(answers, searcher, queries, 2, &ask, &err)) fail_msg("%s", err.message);
            fill(&t, sg_searcher_index(searcher), code, cases[i].takes);
            while (within && t.n > 0 && t.rows[t.n - 1].distance > 12) t.n--;
            assert_rows(&answers[0], &t, within ? t.n : 9);
            assert_true(answers[0].result.exact);
            for (size_t j = 0; j < answers[1].result.n; j++) {
                uint64_t id = answers[1].result.hits[j].id;
                assert_true(id != 9 && (!cases[i].takes || cases[i].takes(id)));
                assert_true(sg_attributes_has(answers[1].attributes[j].data, answers[1].attributes[j].nbytes,
                                              "label", id % 2 ? "odd" : "even"));
            }
            if (!within) assert_int_equal(answers[1].result.n, 9);
            sg_answer_clear(&answers[0]);
            sg_answer_clear(&answers[1]);
            sg_where_clear(&where);
        }
    sg_searcher_free(searcher);
}

/* A condition is looked up again when the attributes have changed, though no code has. */
static void test_where_follows_changes(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_searcher *searcher;
    sg_answer answer;
    sg_where where = SG_WHERE_INIT;
    sg_searcher_free(open_many());
    set_attributes("even");
    assert_true(sg_where_add(&where, "label", "even", &err));
    const sg_ask ask = {.k = PICTURES, .radius = -1, .where = &where};
    assert_true(sg_searcher_open(&searcher, "idx", SG_INDEX_STORE, 0, &err));
    assert_true(sg_searcher_item(&answer, searcher, 1, &ask, &err));
    assert_int_equal(answer.result.n, PICTURES / 2);
    sg_answer_clear(&answer);
    int status;
    pid_t child = fork(); /* the store is open here: another process writes */
    if (child == 0) {
        set_attributes("changed");
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_true(sg_searcher_item(&answer, searcher, 1, &ask, &err));
    assert_int_equal(answer.result.n, 0);
    assert_true(answer.result.complete);
    sg_answer_clear(&answer);
    sg_where_clear(&where);
    sg_searcher_free(searcher);
}

/* --- many pictures --- */

typedef struct told {
    sg_answer *answers;
    size_t n, broken, stop_after;
    char names[4096];
} told;

static bool keep_answer(void *context, sg_answer *answer, sg_error *err)
{
    told *t = context;
    if (t->n == t->stop_after) return sg_fail(err, SG_ERR_LIMIT, "enough");
    t->answers[t->n++] = *answer;
    *answer = (sg_answer){0};
    return true;
}

static bool keep_broken(void *context, const sg_error *why, sg_error *err)
{
    (void)err;
    told *t = context;
    size_t n = strlen(t->names);
    snprintf(t->names + n, sizeof t->names - n, "%s\n", why->message);
    t->broken++;
    return true;
}

static void test_many_pictures(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_searcher *searcher = open_many();
    sg_searcher_free(searcher);
    scratch_put("text", "no image", 8);
    scratch_put("broken.png", "\x89PNG\r\n\x1a\n....", 12);
    enum { N = 45 };
    sg_query_file files[N];
    char paths[N][64];
    for (int i = 0; i < N; i++) {
        snprintf(paths[i], sizeof paths[i], "many/%03d.png", i * 2 % PICTURES);
        files[i] = (sg_query_file){paths[i], i % 2 == 0};
    }
    files[0].path = files[30].path = "broken.png";
    files[1].path = files[44].path = "text"; /* 1 is not named: passed over */
    files[2].path = "absent.png";
    const sg_ask ask = {.k = 7, .radius = -1};
    static const size_t batches[] = {1, 4, 16, 64};
    char *first = NULL;
    for (size_t b = 0; b < 4; b++) {
        sg_answer answers[N] = {0};
        told t = {.answers = answers, .stop_after = N};
        const sg_query_visit visit = {keep_answer, keep_broken, &t};
        if (!sg_searcher_open(&searcher, "idx", SG_INDEX_ENCODE, batches[b], &err))
            fail_msg("%s", err.message);
        if (!sg_searcher_files(searcher, files, N, &ask, &visit, &err)) fail_msg("%s", err.message);
        assert_int_equal(t.broken, 4);
        assert_int_equal(t.n, N - 5);
        char *text;
        size_t size;
        FILE *out = open_memstream(&text, &size);
        for (size_t i = 0; i < t.n; i++) {
            sg_answer alone;
            assert_string_equal(answers[i].query, files[i < 27 ? i + 3 : i + 4].path);
            assert_true(sg_searcher_image(&alone, searcher, answers[i].query, &ask, &err));
            assert_memory_equal(alone.code, answers[i].code, BITS / 8);
            sg_answer_clear(&alone);
            sg_answer_json(out, &answers[i], NULL);
            sg_answer_clear(&answers[i]);
        }
        fputs(t.names, out);
        fclose(out);
        if (first) assert_string_equal(text, first); /* the batch changes nothing */
        free(first);
        first = text;
        sg_searcher_free(searcher);
    }
    assert_memory_equal(strstr(first, "broken.png"), "broken.png: ", 12);
    free(first);
    /* Who is told can end it. */
    sg_answer answers[N] = {0};
    told t = {.answers = answers, .stop_after = 10};
    const sg_query_visit visit = {keep_answer, keep_broken, &t};
    assert_true(sg_searcher_open(&searcher, "idx", SG_INDEX_ENCODE, 16, &err));
    assert_false(sg_searcher_files(searcher, files, N, &ask, &visit, &err));
    assert_int_equal(err.code, SG_ERR_LIMIT);
    for (size_t i = 0; i < t.n; i++) sg_answer_clear(&answers[i]);
    sg_searcher_free(searcher);
}

static void test_bytes(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_answer a, b;
    char *bytes;
    size_t n;
    sg_searcher *searcher = open_many();
    const sg_ask ask = {.k = 5, .radius = -1};
    assert_true(sg_file_read(&bytes, &n, "many/011.png", SIZE_MAX, &err));
    assert_true(sg_searcher_bytes(&a, searcher, bytes, n, &ask, &err));
    assert_true(sg_searcher_image(&b, searcher, "many/011.png", &ask, &err));
    assert_null(a.query);
    assert_memory_equal(a.code, b.code, BITS / 8);
    for (size_t i = 0; i < 5; i++) assert_int_equal(a.result.hits[i].id, b.result.hits[i].id);
    sg_answer_clear(&a);
    sg_answer_clear(&b);
    assert_false(sg_searcher_bytes(&a, searcher, bytes, n / 2, &ask, &err));
    assert_int_equal(err.code, SG_ERR_FORMAT);
    assert_null(a.code);
    sg_free(bytes);
    sg_searcher_free(searcher);
}

/* --- another index in its place --- */

static void test_replaced(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_answer answer;
    sg_searcher *searcher = open_many();
    const sg_ask ask = {.k = 1, .radius = -1};
    assert_true(sg_searcher_image(&answer, searcher, "many/003.png", &ask, &err));
    assert_int_equal(answer.items, PICTURES);
    sg_answer_clear(&answer);
    assert_int_equal(sg_searcher_replaced(searcher), 0);
    /* The same network and another collection: made elsewhere, and put there. */
    assert_int_equal(rename("idx", "old"), 0);
    assert_true(sg_index_create("idx", "model.safetensors", "flat", NULL, &err));
    put_picture("new.png", 4711);
    assert_int_equal(add_path("new.png", NULL).added, 1);
    assert_true(sg_searcher_image(&answer, searcher, "new.png", &ask, &err));
    assert_int_equal(sg_searcher_replaced(searcher), 1);
    assert_int_equal(answer.items, 1);
    assert_int_equal(answer.result.hits[0].distance, 0);
    sg_answer_clear(&answer);
    /* Another network: its codes are longer. What was made for the old one is not searched for in the new one. */
    assert_int_equal(rename("idx", "older"), 0);
    make_model("other.safetensors", SG_HEAD_HASH, 2 * BITS, 2);
    assert_true(sg_index_create("idx", "other.safetensors", "flat", NULL, &err));
    assert_int_equal(add_path("new.png", NULL).added, 1);
    const sg_query_file file = {"new.png", true};
    sg_answer answers[1] = {0};
    told t = {.answers = answers, .stop_after = 1};
    const sg_query_visit visit = {keep_answer, keep_broken, &t};
    if (!sg_searcher_files(searcher, &file, 1, &ask, &visit, &err)) fail_msg("%s", err.message);
    assert_int_equal(sg_searcher_replaced(searcher), 2);
    assert_int_equal(answers[0].nbits, 2 * BITS);
    assert_int_equal(answers[0].result.hits[0].distance, 0);
    sg_answer_clear(&answers[0]);
    /* Gone: an error, and again an answer when it is back. */
    assert_int_equal(rename("idx", "away"), 0);
    assert_false(sg_searcher_image(&answer, searcher, "new.png", &ask, &err));
    assert_int_equal(err.code, SG_ERR_IO);
    assert_int_equal(rename("away", "idx"), 0);
    assert_true(sg_searcher_image(&answer, searcher, "new.png", &ask, &err));
    sg_answer_clear(&answer);
    sg_searcher_free(searcher);
}

/* Replaced behind a look at that, as it may be while a picture's code is made: whatever the call came to, the next look sees
 * the other index, its recipe and its codes. */
static void test_replaced_meanwhile(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_answer answer;
    sg_searcher *searcher;
    const uint8_t code[BITS / 8] = {0};
    const sg_ask ask = {.k = 1, .radius = -1};
    const sg_index_ways scaled = {.decode = "scaled"};
    make_index();
    put_picture("a.png", 1);
    put_picture("b.png", 2);
    assert_int_equal(add_path("a.png", NULL).added, 1);
    assert_true(sg_searcher_open(&searcher, "idx", SG_INDEX_ENCODE, 1, &err));
    /* The same network in another way, and as many writes: the call goes over to it. */
    assert_int_equal(rename("idx", "old"), 0);
    assert_true(sg_index_create("idx", "model.safetensors", "flat", &scaled, &err));
    assert_int_equal(add_path("b.png", NULL).added, 1);
    assert_true(sg_searcher_code(&answer, searcher, code, &ask, &err));
    sg_answer_clear(&answer);
    assert_true(sg_searcher_image(&answer, searcher, "b.png", &ask, &err));
    assert_int_equal(answer.result.hits[0].distance, 0);
    sg_answer_clear(&answer);
    assert_int_equal(sg_searcher_replaced(searcher), 1);
    assert_string_equal(sg_kv_get(&sg_index_info(sg_searcher_index(searcher))->recipe, "decode"), "scaled");
    /* Another network: it cannot. */
    assert_int_equal(rename("idx", "older"), 0);
    make_model("other.safetensors", SG_HEAD_HASH, 2 * BITS, 2);
    assert_true(sg_index_create("idx", "other.safetensors", "flat", NULL, &err));
    assert_int_equal(add_path("a.png", NULL).added, 1);
    assert_false(sg_searcher_code(&answer, searcher, code, &ask, &err));
    assert_int_equal(err.code, SG_ERR_MISMATCH);
    if (!sg_searcher_image(&answer, searcher, "a.png", &ask, &err)) fail_msg("%s", err.message);
    assert_int_equal(answer.nbits, 2 * BITS);
    assert_int_equal(answer.result.hits[0].distance, 0);
    sg_answer_clear(&answer);
    assert_int_equal(sg_searcher_replaced(searcher), 2);
    sg_searcher_free(searcher);
}

static bool whole_life(sg_error *err)
{
    sg_searcher *searcher = NULL;
    sg_answer a = {0}, b = {0};
    sg_where where = SG_WHERE_INIT;
    const sg_ask ask = {.k = 3, .radius = -1, .rerank = true, .rerank_from = 5, .where = &where};
    bool ok = sg_where_parse_add(&where, "label!=odd", err) &&
              sg_searcher_open(&searcher, "idx", SG_INDEX_STORE, 0, err) &&
              sg_searcher_item(&a, searcher, 1, &ask, err);
    if (!ok) assert_true(!a.code && !a.paths);
    sg_answer_clear(&a);
    sg_answer_clear(&b);
    sg_where_clear(&where);
    sg_searcher_free(searcher);
    return ok;
}

static void test_without_memory(void **state)
{
    (void)state;
    sg_searcher_free(open_many());
    set_attributes("even");
    assert_survives_allocation_failures(whole_life(&err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_items),
        scratch_test(test_where),
        scratch_test(test_where_follows_changes),
        scratch_test(test_many_pictures),
        scratch_test(test_bytes),
        scratch_test(test_replaced),
        scratch_test(test_replaced_meanwhile),
        scratch_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
