/* The way through the buckets, whatever the scan would take: every answer is compared with sorting everything. */
#include "index/mih_impl.h"

#include "base/scratch.h"
#include "crowd.h"
#include <math.h>

#define SEEDS 3

typedef struct shape {
    size_t nbits, n;
    unsigned ntables;
    size_t ncentres;
    unsigned radius; /* at most, where unbounded would go through too many buckets */
} shape;

static sg_mih *make(const sg_search_rows *rows, unsigned ntables)
{
    sg_error err = {0};
    sg_mih *mih;
    if (!sg_mih_new(&mih, rows, ntables, &err)) fail_msg("%s", err.message);
    return mih;
}

static void assert_sought(const sg_mih *mih, const sg_search_rows *rows, const uint8_t *query, size_t k,
                          unsigned radius)
{
    sg_near *want = calloc(rows->n, sizeof *want);
    sg_near_list got = {0};
    const size_t n =
        naive_nearest(want, query, rows->codes, rows->n, rows->nbits / 8, k == SIZE_MAX ? 0 : k, radius);
    assert_int_equal(sg_mih_seek(&got, mih, rows, query, k, radius, INFINITY), SG_MIH_FOUND);
    if (k == SIZE_MAX && got.n > 0) qsort(got.items, got.n, sizeof *got.items, naive_order);
    assert_int_equal(got.n, n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(got.items[i].position, want[i].position);
        assert_int_equal(got.items[i].distance, want[i].distance);
    }
    sg_free(got.items);
    free(want);
}

static void check_shape(const shape *s, uint64_t seed)
{
    const size_t nbytes = s->nbits / 8, ks[] = {1, 2, 10, 100, SIZE_MAX};
    uint8_t *codes = calloc(s->n, nbytes), query[SG_BITS_MAX / 8];
    sg_rng rng = sg_rng_at(seed, SG_RNG_TEST, 0, 0);
    crowd_codes(codes, 0, s->n, s->nbits, s->ncentres, seed);
    const sg_search_rows rows = {s->nbits, s->n, codes};
    sg_mih *mih = make(&rows, s->ntables);
    for (int q = 0; q < 6; q++) {
        memcpy(query, codes + sg_rng_below(&rng, s->n) * nbytes, nbytes);
        for (int flips = 0; flips < q; flips++)
            query[sg_rng_below(&rng, nbytes)] ^= (uint8_t)(1 << sg_rng_below(&rng, 8));
        for (size_t k = 0; k < sizeof ks / sizeof *ks; k++)
            for (unsigned radius = 0; radius <= s->radius; radius = 2 * radius + 1)
                if (ks[k] <= s->n || ks[k] == SIZE_MAX) assert_sought(mih, &rows, query, ks[k], radius);
    }
    sg_mih_free(mih);
    free(codes);
}

static void test_against_sorting(void **state)
{
    (void)state;
    static const shape shapes[] = {
        {8, 1, 1, 0, 8},       {8, 600, 1, 0, 8},       {16, 300, 2, 0, 16},    {24, 500, 3, 2, 24},
        {24, 500, 1, 0, 7},    {32, 900, 4, 3, 31},     {32, 900, 1, 3, 3},     {64, 900, 3, 4, 7},
        {64, 900, 8, 4, 31},   {64, 3000, 3, 0, 7},     {64, 900, 2, 5, 3},     {104, 700, 5, 4, 7},
        {256, 700, 16, 4, 31}, {1024, 300, 128, 4, 63}, {1024, 300, 19, 4, 31}, {40, 800, 0, 4, 15},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (uint64_t seed = 1; seed <= SEEDS; seed++) check_shape(&shapes[i], seed);
}

/* Every bucket of every table holds the codes of one substring, or of those with one hash, in ascending order. */
static void test_buckets(void **state)
{
    (void)state;
    enum { N = 5000 };
    static const unsigned tables[] = {2, 3, 8};
    uint8_t *codes = calloc(N, 8);
    crowd_codes(codes, 0, N, 64, 50, 1);
    const sg_search_rows rows = {64, N, codes};
    for (size_t i = 0; i < 3; i++) {
        sg_mih *mih = make(&rows, tables[i]);
        unsigned bits = 0;
        for (unsigned t = 0; t < mih->ntables; t++) {
            const sg_mih_table *table = &mih->tables[t];
            size_t met = 0;
            for (size_t b = 0; b < (size_t)1 << table->bits; b++)
                for (size_t p = table->starts[b]; p < table->starts[b + 1]; p++, met++) {
                    const uint64_t own = sg_mih_substring(table, codes + 8 * table->positions[p], 8);
                    assert_int_equal(sg_mih_bucket(table, own), b);
                    assert_true(p == table->starts[b] || table->positions[p - 1] < table->positions[p]);
                    for (unsigned bit = 0; bit < table->width; bit++) {
                        const unsigned at = bits + bit;
                        assert_int_equal(own >> bit & 1,
                                         codes[8 * table->positions[p] + at / 8] >> at % 8 & 1);
                    }
                }
            assert_int_equal(met, N);
            bits += table->width;
        }
        assert_int_equal(bits, 64);
        sg_mih_free(mih);
    }
    free(codes);
}

/* What the scan would do sooner is left to it. */
static void test_dearer(void **state)
{
    (void)state;
    enum { N = 20000 };
    uint8_t *codes = calloc(N, 8);
    sg_near_list list = {0};
    crowd_codes(codes, 0, N, 64, 3, 1); /* a third of all codes in a bucket */
    const sg_search_rows rows = {64, N, codes};
    sg_mih *mih = make(&rows, 3);
    assert_int_equal(sg_mih_seek(&list, mih, &rows, codes, 10, 64, 10.0), SG_MIH_DEARER);
    assert_int_equal(sg_mih_seek(&list, mih, &rows, codes, SIZE_MAX, 12, 10000.0), SG_MIH_DEARER);
    assert_int_equal(sg_mih_seek(&list, mih, &rows, codes, N, 64, 10000.0), SG_MIH_DEARER);
    assert_null(list.items);
    sg_mih_free(mih);
    free(codes);
}

/* Far less work than looking at all codes, where codes do not crowd. */
static void test_quick(void **state)
{
    (void)state;
    enum { N = 100000 };
    uint8_t *codes = calloc(N, 8);
    sg_near_list list = {0};
    crowd_codes(codes, 0, N, 64, 0, 1);
    const sg_search_rows rows = {64, N, codes};
    sg_mih *mih = make(&rows, 0);
    for (unsigned radius = 0; radius <= 7; radius++) {
        assert_int_equal(sg_mih_seek(&list, mih, &rows, codes, SIZE_MAX, radius, 1.0 * N), SG_MIH_FOUND);
        assert_true(list.n >= 1);
        sg_free(list.items);
    }
    sg_mih_free(mih);
    free(codes);
}

static bool whole_search(sg_error *err)
{
    uint8_t codes[64 * 8];
    sg_near_list list = {0};
    sg_mih *mih = NULL;
    crowd_codes(codes, 0, 64, 64, 2, 1);
    const sg_search_rows rows = {64, 64, codes};
    if (!sg_mih_new(&mih, &rows, 3, err)) return false;
    const sg_mih_outcome what = sg_mih_seek(&list, mih, &rows, codes, 7, 64, INFINITY);
    if (what == SG_MIH_FAILED) assert_null(list.items);
    sg_free(list.items);
    sg_mih_free(mih);
    return what == SG_MIH_FOUND || sg_fail_memory(err, "answers");
}

static void test_without_memory(void **state)
{
    (void)state;
    assert_survives_allocation_failures(whole_search(&err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_sorting), cmocka_unit_test(test_buckets),
        cmocka_unit_test(test_dearer),          cmocka_unit_test(test_quick),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
