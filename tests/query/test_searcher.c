#include "album.h"

/* n pictures in "many", indexed. Several are alike: ties. */
static void make_many(int n)
{
    char path[64];
    make_index();
    make_folder("many");
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "many/%03d.png", i);
        put_picture(path, (uint64_t)(i % 30));
    }
    assert_int_equal(add_path("many", NULL).added, n);
}

/* The answer, by looking at every item of the store. */
typedef struct row {
    uint64_t id;
    unsigned distance;
    char path[256];
} row;

typedef struct table {
    const uint8_t *query;
    row rows[500];
    size_t n;
} table;

static bool take_row(void *context, const sg_item *item, sg_error *err)
{
    (void)err;
    table *t = context;
    row *r = &t->rows[t->n++];
    r->id = item->id;
    snprintf(r->path, sizeof r->path, "%s", item->path);
    for (int i = 0; i < BITS; i++) r->distance += (item->code[i / 8] ^ t->query[i / 8]) >> i % 8 & 1;
    return true;
}

static int compare_rows(const void *a, const void *b)
{
    const row *x = a, *y = b;
    if (x->distance != y->distance) return x->distance < y->distance ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static void assert_answer(const sg_answer *answer, sg_index *index, const uint8_t *code, size_t k, int radius)
{
    sg_error err = {0};
    static table t;
    memset(&t, 0, sizeof t);
    t.query = code;
    assert_true(sg_store_each(sg_index_store(index), take_row, &t, &err));
    qsort(t.rows, t.n, sizeof *t.rows, compare_rows);
    size_t within = 0, want;
    while (within < t.n && (radius < 0 || t.rows[within].distance <= (unsigned)radius)) within++;
    want = k > 0 && k < within ? k : within;
    assert_int_equal(answer->result.n, want);
    assert_int_equal(answer->nbits, BITS);
    assert_memory_equal(answer->code, code, BITS / 8);
    for (size_t i = 0; i < want; i++) {
        assert_int_equal(answer->result.hits[i].id, t.rows[i].id);
        assert_int_equal(answer->result.hits[i].distance, t.rows[i].distance);
        assert_string_equal(answer->paths[i], t.rows[i].path);
    }
    bool cut = want < within && want > 0 && t.rows[want].distance == t.rows[want - 1].distance;
    assert_int_equal(answer->result.complete, !cut);
    assert_true(answer->result.exact);
}

static void test_by_image(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_searcher *searcher;
    uint8_t code[BITS / 8];
    make_many(100);
    put_picture("query.jpg", 1000);
    judge j = judge_new();
    sg_index *index = open_index(false);
    assert_true(sg_searcher_new(&searcher, index, &err));
    static const struct {
        size_t k;
        int radius;
    } cases[] = {{1, -1}, {10, -1}, {100, -1}, {500, -1}, {0, 4}, {5, 4}, {0, 0}, {0, 32}, {3, 0}};
    static const char *const paths[] = {"query.jpg", "many/007.png"};
    for (size_t p = 0; p < 2; p++)
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            sg_answer answer;
            if (!sg_searcher_image(&answer, searcher, paths[p],
                                   &(sg_ask){.k = cases[i].k, .radius = cases[i].radius}, &err))
                fail_msg("%s", err.message);
            judge_code(code, &j, paths[p]);
            assert_answer(&answer, index, code, cases[i].k, cases[i].radius);
            assert_string_equal(answer.query, paths[p]);
            assert_int_equal(answer.generation, sg_index_info(index)->generation);
            if (p == 1) assert_int_equal(answer.result.hits[0].distance, 0); /* an image finds itself */
            sg_answer_clear(&answer);
        }
    sg_searcher_free(searcher);
    sg_index_close(index);
    judge_free(&j);
}

static void test_refusals(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_searcher *searcher;
    sg_answer answer;
    make_index();
    scratch_put("text", "no image", 8);
    put_picture("a.png", 1);
    sg_index *index = open_index(false);
    assert_true(sg_searcher_new(&searcher, index, &err));
    assert_false(sg_searcher_image(&answer, searcher, "absent", &(sg_ask){.k = 3, .radius = -1}, &err));
    assert_int_equal(err.code, SG_ERR_IO);
    assert_null(answer.query);
    assert_false(sg_searcher_image(&answer, searcher, "text", &(sg_ask){.k = 3, .radius = -1}, &err));
    assert_int_equal(err.code, SG_ERR_FORMAT);
    assert_false(sg_searcher_image(&answer, searcher, "a.png", &(sg_ask){.k = 0, .radius = -1}, &err));
    assert_int_equal(err.code, SG_ERR_USAGE);
    /* An empty index answers with nothing. */
    assert_true(sg_searcher_image(&answer, searcher, "a.png", &(sg_ask){.k = 3, .radius = -1}, &err));
    assert_true(answer.result.n == 0 && answer.result.complete && answer.result.exact);
    sg_answer_clear(&answer);
    sg_searcher_free(searcher);
    sg_index_close(index);
}

/* An index that changes under the searcher, by another process: the next answer is of the new state. */
static void test_follows_changes(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_searcher *searcher;
    sg_answer answer;
    const uint8_t code[BITS / 8] = {0};
    const sg_ask seven = {.k = 7, .radius = -1};
    make_many(40);
    sg_index *index = open_index(false);
    assert_true(sg_searcher_new(&searcher, index, &err));
    assert_true(sg_searcher_code(&answer, searcher, code, &seven, &err));
    assert_null(answer.query);
    assert_answer(&answer, index, code, 7, -1);
    uint64_t nearest = answer.result.hits[0].id, generation = answer.generation;
    sg_answer_clear(&answer);
    pid_t child = fork();
    if (child == 0) {
        sg_store *store;
        bool ok = sg_store_open(&store, "idx", true, 0, &err) && sg_store_begin(store, &err) &&
                  sg_store_remove(store, nearest, &err) && sg_store_commit(store, &err);
        sg_store_close(store);
        _exit(ok ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_true(sg_searcher_code(&answer, searcher, code, &seven, &err));
    assert_answer(&answer, index, code, 7, -1);
    assert_true(answer.result.hits[0].id != nearest);
    assert_int_equal(answer.generation, generation + 1);
    sg_answer_clear(&answer);
    sg_searcher_free(searcher);
    sg_index_close(index);
}

static bool whole_life(sg_index *index, sg_error *err)
{
    sg_searcher *searcher = NULL;
    sg_answer answer = {0};
    bool ok = sg_searcher_new(&searcher, index, err) &&
              sg_searcher_image(&answer, searcher, "query.jpg", &(sg_ask){.k = 3, .radius = -1}, err);
    if (!ok) assert_true(!answer.query && !answer.code && !answer.paths);
    sg_answer_clear(&answer);
    sg_searcher_free(searcher);
    return ok;
}

static void test_without_memory(void **state)
{
    (void)state;
    make_many(5);
    put_picture("query.jpg", 7);
    sg_index *index = open_index(false);
    assert_survives_allocation_failures(whole_life(index, &err));
    sg_index_close(index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_by_image),
        scratch_test(test_refusals),
        scratch_test(test_follows_changes),
        scratch_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
