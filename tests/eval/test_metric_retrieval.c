/* Retrieval metrics against numpy's exact fractions (tests/fixtures/metrics.py), and against sorting on random data. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signet/cpu.h>
#include <signet/file.h>
#include <signet/interrupt.h>
#include <signet/json.h>
#include <signet/mem.h>
#include <signet/metrics.h>
#include <signet/npy.h>
#include <signet/random.h>
#include <string.h>

#define FIXTURES "fixtures/metrics/"

static sg_npy load(const char *name)
{
    char path[128];
    sg_npy npy;
    snprintf(path, sizeof path, FIXTURES "%s.npy", name);
    assert_true(sg_npy_read(&npy, path, NULL));
    return npy;
}

static sg_labels load_labels(const char *name)
{
    sg_npy npy = load(name);
    sg_labels labels;
    bool multi = npy.type == SG_NPY_U8;
    assert_true(sg_labels_init(&labels, npy.rows, multi ? npy.cols : 5, multi, NULL));
    if (multi)
        memcpy(labels.rows, npy.data, npy.rows * npy.cols);
    else
        for (size_t i = 0; i < npy.rows; i++) labels.ids[i] = (int32_t)((int64_t *)npy.data)[i];
    sg_npy_clear(&npy);
    return labels;
}

static void assert_number(const sg_json *object, const char *key, double value)
{
    double expected;
    assert_true(sg_json_number(&expected, sg_json_get(object, key)));
    assert_true(fabs(value - expected) < 1e-13);
}

static void check_case(const sg_json *c, const sg_json *others, const sg_coded *queries,
                       const sg_coded *database)
{
    static const char *const names[] = {"hits", "min", "all"};
    size_t places[SG_PRECISION_AT_MAX];
    const sg_json *at = sg_json_get(others, "places");
    sg_retrieval_options options = {.nbits = 16, .precision_at = places, .nprecision_at = sg_json_size(at)};
    int64_t top;
    sg_retrieval r;
    assert_true(sg_json_int(&top, sg_json_get(c, "top")));
    options.top = (size_t)top;
    while (strcmp(names[options.denominator], sg_json_string(sg_json_get(c, "denominator"))))
        options.denominator++;
    for (size_t i = 0; i < options.nprecision_at; i++) {
        double n;
        assert_true(sg_json_number(&n, sg_json_at(at, i)));
        places[i] = (size_t)n;
    }
    assert_true(sg_retrieval_run(&r, queries, database, &options, NULL));
    assert_number(c, "expected", r.map.expected);
    assert_number(c, "low", r.map.low);
    assert_number(c, "high", r.map.high);
    assert_number(c, "order", r.map.order);
    assert_number(c, "chance", r.chance);
    assert_number(others, "radius2", r.radius2);
    assert_number(others, "without_relevant", (double)r.without_relevant);
    for (size_t i = 0; i < options.nprecision_at; i++) {
        double p, recall;
        assert_true(sg_json_number(&p, sg_json_at(sg_json_get(others, "precision_at"), i)));
        assert_true(sg_json_number(&recall, sg_json_at(sg_json_get(others, "recall_at"), i)));
        assert_true(fabs(p - r.precision_at[i]) < 1e-13);
        assert_true(fabs(recall - r.recall_at[i]) < 1e-13);
    }
    for (size_t q = 0; q < queries->n; q++) {
        double ap;
        assert_true(sg_json_number(&ap, sg_json_at(sg_json_get(c, "ap"), q)));
        assert_true(fabs(ap - r.ap[q]) < 1e-13);
    }
    sg_retrieval_clear(&r);
}

static void check_fixture(const char *kind, const char *query_labels, const char *database_labels)
{
    char *text;
    size_t nbytes;
    sg_json *json;
    assert_true(sg_file_read(&text, &nbytes, FIXTURES "expected.json", 1 << 20, NULL));
    assert_true(sg_json_parse(&json, text, nbytes, NULL));
    const sg_json *expected = sg_json_get(json, kind), *cases = sg_json_get(expected, "cases");
    sg_npy qc = load("query_codes"), dc = load("database_codes");
    sg_labels ql = load_labels(query_labels), dl = load_labels(database_labels);
    sg_coded queries = {qc.data, &ql, qc.rows}, database = {dc.data, &dl, dc.rows};
    assert_int_equal(sg_json_size(cases), 21);
    for (size_t i = 0; i < sg_json_size(cases); i++)
        check_case(sg_json_at(cases, i), expected, &queries, &database);
    sg_labels_clear(&ql);
    sg_labels_clear(&dl);
    sg_npy_clear(&qc);
    sg_npy_clear(&dc);
    sg_json_free(json);
    sg_free(text);
}

static void test_fixture_classes(void **state)
{
    (void)state;
    check_fixture("ids", "query_ids", "database_ids");
}

static void test_fixture_rows(void **state)
{
    (void)state;
    check_fixture("rows", "query_rows", "database_rows");
}

/* Random codes near a few centres, and labels, of either kind. */
typedef struct side {
    uint8_t *codes;
    sg_labels labels;
    sg_coded coded;
} side;

static void side_draw(side *s, size_t n, size_t nbits, size_t classes, bool multi, uint64_t seed)
{
    sg_rng rng = sg_rng_at(seed, SG_RNG_TEST, 0, 0);
    size_t nbytes = nbits / 8;
    s->codes = sg_alloc(n, nbytes);
    assert_true(sg_labels_init(&s->labels, n, classes, multi, NULL));
    for (size_t i = 0; i < n; i++) {
        uint64_t cls = sg_rng_below(&rng, classes);
        sg_rng center = sg_rng_at(cls, SG_RNG_TEST, 1, 0);
        for (size_t b = 0; b < nbytes; b++)
            s->codes[i * nbytes + b] =
                (uint8_t)(sg_rng_u32(&center) ^ (sg_rng_u32(&rng) & sg_rng_u32(&rng) & sg_rng_u32(&rng)));
        if (!multi) s->labels.ids[i] = sg_rng_below(&rng, 20) ? (int32_t)cls : -1;
        for (size_t c = 0; multi && c < classes; c++)
            s->labels.rows[i * classes + c] = c == cls || sg_rng_below(&rng, classes) == 0;
    }
    s->coded = (sg_coded){s->codes, &s->labels, n};
}

static void side_clear(side *s)
{
    sg_free(s->codes);
    sg_labels_clear(&s->labels);
}

typedef struct place {
    unsigned distance;
    size_t id;
} place;

static int compare_places(const void *a, const void *b)
{
    const place *x = a, *y = b;
    if (x->distance != y->distance) return x->distance < y->distance ? -1 : 1;
    return x->id < y->id ? -1 : 1;
}

/* The ranking by (distance, id) of one query, sorted. */
static void rank_by_sorting(place *places, uint8_t *relevant, const side *q, size_t query, const side *db,
                            size_t nbytes)
{
    size_t n = db->coded.n;
    for (size_t i = 0; i < n; i++) {
        unsigned distance = 0;
        for (size_t bit = 0; bit < 8 * nbytes; bit++)
            distance +=
                (q->codes[query * nbytes + bit / 8] ^ db->codes[i * nbytes + bit / 8]) >> (bit % 8) & 1;
        places[i] = (place){distance, i};
    }
    qsort(places, n, sizeof *places, compare_places);
    for (size_t i = 0; i < n; i++)
        relevant[i] = sg_labels_similar(&q->labels, query, &db->labels, places[i].id);
}

static void check_by_sorting(size_t nbits, size_t classes, bool multi, size_t top, sg_denominator denominator)
{
    enum { QUERIES = 13, DATABASE = 401 };
    side q, db;
    place places[DATABASE];
    uint8_t relevant[DATABASE];
    size_t at[] = {50}, nbytes = nbits / 8;
    sg_retrieval_options options = {nbits, top, denominator, at, 1};
    sg_retrieval r;
    double order = 0;
    side_draw(&q, QUERIES, nbits, classes, multi, 1);
    side_draw(&db, DATABASE, nbits, classes, multi, 2);
    assert_true(sg_retrieval_run(&r, &q.coded, &db.coded, &options, NULL));
    for (size_t i = 0; i < QUERIES; i++) {
        uint32_t n[SG_BITS_MAX + 1] = {0}, p[SG_BITS_MAX + 1] = {0};
        sg_ap ap;
        rank_by_sorting(places, relevant, &q, i, &db, nbytes);
        for (size_t j = 0; j < DATABASE; j++) {
            n[places[j].distance]++;
            p[places[j].distance] += relevant[j];
        }
        order += sg_ap_from_ranking(relevant, DATABASE, top, denominator) / QUERIES;
        sg_ap_from_counts(&ap, n, p, nbits + 1, top, denominator);
        assert_true(ap.expected == r.ap[i]);
    }
    assert_true(fabs(order - r.map.order) < 1e-13);
    assert_true(r.map.low <= r.map.order && r.map.order <= r.map.high);
    sg_retrieval_clear(&r);
    side_clear(&q);
    side_clear(&db);
}

static void test_against_sorting(void **state)
{
    (void)state;
    for (int d = 0; d < 3; d++)
        for (size_t top = 0; top < 500; top += 83) {
            check_by_sorting(8, 4, false, top, (sg_denominator)d);
            check_by_sorting(32, 10, true, top, (sg_denominator)d);
            check_by_sorting(64, 80, true, top, (sg_denominator)d); /* rows of two words */
            check_by_sorting(1024, 3, false, top, (sg_denominator)d);
        }
}

static void test_threads_do_not_matter(void **state)
{
    (void)state;
    side q, db;
    size_t at[] = {1, 100};
    sg_retrieval_options options = {32, 1000, SG_DENOMINATOR_HITS, at, 2};
    sg_retrieval one, many;
    int before = sg_threads();
    side_draw(&q, 101, 32, 10, false, 3);
    side_draw(&db, 5003, 32, 10, false, 4);
    sg_threads_set(1);
    assert_true(sg_retrieval_run(&one, &q.coded, &db.coded, &options, NULL));
    sg_threads_set(5);
    assert_true(sg_retrieval_run(&many, &q.coded, &db.coded, &options, NULL));
    sg_threads_set(before);
    assert_memory_equal(one.ap, many.ap, 101 * sizeof *one.ap);
    sg_retrieval_clear(&one);
    sg_retrieval_clear(&many);
    assert_memory_equal(&one, &many, sizeof one);
    side_clear(&q);
    side_clear(&db);
}

static void expect_failure(const sg_coded *q, const sg_coded *db, sg_retrieval_options options, sg_code code,
                           const char *words)
{
    sg_retrieval r;
    sg_error err = {0};
    assert_false(sg_retrieval_run(&r, q, db, &options, &err));
    assert_int_equal(err.code, code);
    assert_non_null(strstr(err.message, words));
    assert_null(r.ap);
}

static void test_errors(void **state)
{
    (void)state;
    side q, db, rows, wide;
    size_t at[SG_PRECISION_AT_MAX + 1] = {0};
    sg_retrieval_options good = {32, 0, SG_DENOMINATOR_HITS, NULL, 0}, options;
    side_draw(&q, 3, 32, 4, false, 5);
    side_draw(&db, 20, 32, 4, false, 6);
    side_draw(&rows, 20, 32, 4, true, 7);
    side_draw(&wide, 20, 32, 5, true, 8);
    expect_failure(&q.coded, &rows.coded, good, SG_ERR_MISMATCH, "multi-hot rows");
    expect_failure(&wide.coded, &rows.coded, good, SG_ERR_MISMATCH, "5 classes");
    sg_coded none = db.coded, more = db.coded;
    none.n = 0;
    more.n = 21;
    expect_failure(&none, &db.coded, good, SG_ERR_USAGE, "no queries");
    expect_failure(&q.coded, &none, good, SG_ERR_USAGE, "empty");
    expect_failure(&q.coded, &more, good, SG_ERR_MISMATCH, "21 items of the database have 20 labels");
    expect_failure(&more, &db.coded, good, SG_ERR_MISMATCH, "21 queries have 20 labels");
    more.n = (size_t)UINT32_MAX + 1;
    expect_failure(&q.coded, &more, good, SG_ERR_LIMIT, "4294967296");
    options = good;
    options.nbits = 12;
    expect_failure(&q.coded, &db.coded, options, SG_ERR_USAGE, "12");
    options = good;
    options.precision_at = at;
    options.nprecision_at = 1;
    expect_failure(&q.coded, &db.coded, options, SG_ERR_USAGE, "precision at 0");
    options.nprecision_at = SG_PRECISION_AT_MAX + 1;
    expect_failure(&q.coded, &db.coded, options, SG_ERR_USAGE, "16");
    sg_interrupt_set(true);
    expect_failure(&q.coded, &db.coded, good, SG_ERR_INTERRUPTED, "interrupted");
    sg_interrupt_set(false);
    side_clear(&q);
    side_clear(&db);
    side_clear(&rows);
    side_clear(&wide);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    side q, db;
    sg_retrieval_options options = {16, 10, SG_DENOMINATOR_HITS, NULL, 0};
    sg_retrieval r;
    sg_error err;
    uint64_t nth = 0;
    bool ok = false;
    side_draw(&q, 5, 16, 4, true, 9);
    side_draw(&db, 50, 16, 4, true, 10);
    while (!ok) {
        sg_mem_fail_at(++nth);
        ok = sg_retrieval_run(&r, &q.coded, &db.coded, &options, &err);
        sg_mem_fail_at(0);
        if (!ok) assert_int_equal(err.code, SG_ERR_MEMORY);
    }
    assert_true(nth > 8);
    sg_retrieval_clear(&r);
    side_clear(&q);
    side_clear(&db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fixture_classes), cmocka_unit_test(test_fixture_rows),
        cmocka_unit_test(test_against_sorting), cmocka_unit_test(test_threads_do_not_matter),
        cmocka_unit_test(test_errors),          cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
