#include "scratch.h"

#include <inttypes.h>
#include <math.h>
#include <signet/random.h>

/* kat_vectors of the Random123 distribution: philox4x32-10. */
static void test_known_answers(void **state)
{
    (void)state;
    static const struct {
        uint32_t ctr[4], key[2], out[4];
    } known[] = {
        {{0}, {0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        uint32_t out[4];
        sg_philox(out, known[i].ctr, known[i].key);
        assert_memory_equal(out, known[i].out, sizeof out);
    }
}

/* fixtures/base/streams.txt, made by a second implementation: names of streams mean the same for ever. */
static void test_streams_are_stable(void **state)
{
    (void)state;
    FILE *file = fopen("fixtures/base/streams.txt", "r");
    assert_non_null(file);
    uint64_t seed, a, b;
    unsigned purpose;
    int lines = 0;
    for (; fscanf(file, "%" SCNu64 " %u %" SCNu64 " %" SCNu64, &seed, &purpose, &a, &b) == 4; lines++) {
        sg_rng rng = sg_rng_at(seed, (sg_rng_purpose)purpose, a, b), again = rng;
        uint32_t words[8];
        for (int i = 0; i < 8; i++) {
            assert_int_equal(fscanf(file, "%" SCNu32, &words[i]), 1);
            assert_int_equal(sg_rng_u32(&rng), words[i]);
        }
        for (int i = 0; i < 4; i++)
            assert_true(sg_rng_u64(&again) == (words[2 * i] | (uint64_t)words[2 * i + 1] << 32));
    }
    assert_int_equal(lines, 10);
    fclose(file);
}

/* Chi-square of counts over equal cells. */
static double chi_square(const unsigned *counts, size_t cells, double total)
{
    double sum = 0, expected = total / (double)cells;
    for (size_t i = 0; i < cells; i++) sum += (counts[i] - expected) * (counts[i] - expected) / expected;
    return sum;
}

/* For many cells chi-square is nearly N(cells - 1, 2 (cells - 1)); the streams are fixed, so that this
 * never flickers. */
static void assert_even(const unsigned *counts, size_t cells, double total)
{
    double degrees = (double)cells - 1;
    assert_true(fabs(chi_square(counts, cells, total) - degrees) < 4.5 * sqrt(2 * degrees));
}

static void test_uniform(void **state)
{
    (void)state;
    enum { N = 400000, CELLS = 256 };
    unsigned high[CELLS] = {0}, low[CELLS] = {0}, pair[CELLS] = {0};
    sg_rng rng = sg_rng_at(1, SG_RNG_TEST, 0, 0);
    float before = 0;
    for (int i = 0; i < N; i++) {
        float u = sg_rng_uniform(&rng);
        assert_true(u >= 0 && u < 1);
        uint32_t word = (uint32_t)(u * 0x1p24f);
        assert_true((float)word * 0x1p-24f == u);
        high[word >> 16]++;
        low[word & 255]++;
        pair[(unsigned)(before * 16) * 16 + (unsigned)(u * 16)]++;
        before = u;
    }
    assert_even(high, CELLS, N);
    assert_even(low, CELLS, N);
    assert_even(pair, CELLS, N);
}

static void test_normal(void **state)
{
    (void)state;
    enum { N = 200000, CELLS = 100 };
    unsigned counts[CELLS] = {0};
    double sum[5] = {0};
    sg_rng rng = sg_rng_at(2, SG_RNG_TEST, 0, 0);
    for (int i = 0; i < N; i++) {
        double x = sg_rng_normal(&rng), power = x;
        for (int k = 1; k <= 4; k++, power *= x) sum[k] += power;
        unsigned cell = (unsigned)(0.5 * erfc(-x / sqrt(2)) * CELLS);
        counts[cell < CELLS ? cell : CELLS - 1]++;
    }
    assert_even(counts, CELLS, N);
    assert_true(fabs(sum[1] / N) < 0.01);
    assert_true(fabs(sum[2] / N - 1) < 0.015);
    assert_true(fabs(sum[3] / N) < 0.03);
    assert_true(fabs(sum[4] / N - 3) < 0.12);
}

static void test_below(void **state)
{
    (void)state;
    static const uint64_t bounds[] = {1, 2, 3, 7, 10, 1000, (uint64_t)3 << 62, UINT64_MAX};
    sg_rng rng = sg_rng_at(3, SG_RNG_TEST, 0, 0);
    for (size_t b = 0; b < sizeof bounds / sizeof *bounds; b++) {
        uint64_t n = bounds[b];
        size_t cells = n < 12 ? (size_t)n : 12;
        unsigned counts[12] = {0}, total = 0;
        for (int i = 0; i < 60000; i++) {
            uint64_t x = sg_rng_below(&rng, n);
            assert_true(x < n);
            size_t cell = (size_t)(n < 12 ? x : x / (n / 12));
            if (cell < cells) counts[cell]++, total++; /* n / 12 leaves a small rest */
        }
        assert_true(total > 59000);
        if (cells > 1)
            assert_true(chi_square(counts, cells, total) < (double)cells - 1 + 5 * sqrt(2.0 * (double)cells));
    }
}

static void test_shuffle(void **state)
{
    (void)state;
    enum { N = 24000 };
    unsigned counts[4 * 4 * 4 * 4] = {0}, seen = 0;
    sg_rng rng = sg_rng_at(4, SG_RNG_SHUFFLE, 0, 0);
    for (int i = 0; i < N; i++) {
        uint32_t v[4] = {0, 1, 2, 3};
        sg_rng_shuffle(&rng, v, 4);
        assert_int_equal(1u << v[0] | 1u << v[1] | 1u << v[2] | 1u << v[3], 15);
        counts[v[0] * 64 + v[1] * 16 + v[2] * 4 + v[3]]++;
    }
    double sum = 0;
    for (size_t i = 0; i < 256; i++) {
        seen += counts[i] > 0;
        if (counts[i] > 0) sum += (counts[i] - N / 24.0) * (counts[i] - N / 24.0) / (N / 24.0);
    }
    assert_int_equal(seen, 24);
    assert_true(sum < 23 + 4.5 * sqrt(46));
    uint32_t one = 7;
    sg_rng_shuffle(&rng, &one, 1);
    sg_rng_shuffle(&rng, NULL, 0);
    assert_int_equal(one, 7);
}

/* Every range alone gives the numbers of the whole, and the whole is the stream read one by one. */
static void test_fill_in_parts(void **state)
{
    (void)state;
    enum { N = 203 };
    float whole[N], part[N];
    sg_rng stream = sg_rng_at(5, SG_RNG_TEST, 8, 9), reader = stream;
    sg_rng_fill_uniform(whole, 0, N, -2, 3, &stream);
    for (int i = 0; i < N; i++) {
        assert_true(whole[i] == -2 + 5 * sg_rng_uniform(&reader));
        assert_true(whole[i] >= -2 && whole[i] <= 3);
    }
    for (size_t first = 0; first < 30; first++)
        for (size_t n = 0; first + n <= N; n += n < 12 ? 1 : 29) {
            memset(part, 0, sizeof part);
            sg_rng_fill_uniform(part, first, n, -2, 3, &stream);
            assert_memory_equal(part, whole + first, n * sizeof *part);
        }
    sg_rng_fill_uniform(part, 0, N, -2, 3, &reader); /* a stream that was read from is the same stream */
    assert_memory_equal(part, whole, sizeof whole);
    /* Beyond 2^32 blocks the counter's second word counts. */
    sg_rng_fill_uniform(part, (size_t)1 << 34, 4, -2, 3, &stream);
    assert_memory_not_equal(part, whole, 4 * sizeof *part);
    sg_rng far = stream;
    far.ctr[1] = 1;
    for (int i = 0; i < 4; i++) assert_true(part[i] == -2 + 5 * sg_rng_uniform(&far));
}

static void test_counter_carries(void **state)
{
    (void)state;
    sg_rng rng = sg_rng_at(6, SG_RNG_TEST, 0, 0);
    rng.ctr[0] = UINT32_MAX;
    for (int i = 0; i < 5; i++) sg_rng_u32(&rng);
    assert_int_equal(rng.ctr[0], 1);
    assert_int_equal(rng.ctr[1], 1);
}

/* The published test vectors of FNV-1a, 64 bits. */
static void test_name_hash(void **state)
{
    (void)state;
    assert_true(sg_name_hash("") == 0xcbf29ce484222325u);
    assert_true(sg_name_hash("a") == 0xaf63dc4c8601ec8cu);
    assert_true(sg_name_hash("foobar") == 0x85944171f73967e8u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answers), cmocka_unit_test(test_streams_are_stable),
        cmocka_unit_test(test_uniform),       cmocka_unit_test(test_normal),
        cmocka_unit_test(test_below),         cmocka_unit_test(test_shuffle),
        cmocka_unit_test(test_fill_in_parts), cmocka_unit_test(test_counter_carries),
        cmocka_unit_test(test_name_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
