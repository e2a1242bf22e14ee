#include <signet/metrics.h>

#include <math.h>
#include <signet/mem.h>
#include <string.h>

/* Words of one bit's column: bit i of it is that bit of item i. */
static size_t column_words(size_t n)
{
    return (n + 63) / 64;
}

static void columns_fill(uint64_t *columns, const uint8_t *codes, size_t n, size_t nbits)
{
    size_t words = column_words(n), nbytes = nbits / 8;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < nbits; k++) {
            uint64_t bit = codes[i * nbytes + k / 8] >> (k % 8) & 1;
            columns[k * words + i / 64] |= bit << (i % 64);
        }
}

static size_t ones_in_both(const uint64_t *a, const uint64_t *b, size_t words)
{
    size_t ones = 0;
    for (size_t w = 0; w < words; w++) ones += (size_t)__builtin_popcountll(a[w] & b[w]);
    return ones;
}

/* Sum of |correlation| of bit k with the bits after it. A constant bit has none: such pairs are left out. */
static double correlation_row(size_t *pairs, const uint64_t *columns, const size_t *ones, size_t k, size_t n,
                              size_t nbits)
{
    size_t words = column_words(n);
    double sum = 0, total = (double)n, a = (double)ones[k];
    *pairs = 0;
    if (!ones[k] || ones[k] == n) return 0;
    for (size_t j = k + 1; j < nbits; j++) {
        if (!ones[j] || ones[j] == n) continue;
        double b = (double)ones[j];
        double both = (double)ones_in_both(columns + k * words, columns + j * words, words);
        sum += fabs(total * both - a * b) / sqrt(a * (total - a) * b * (total - b));
        ++*pairs;
    }
    return sum;
}

static bool correlation_of(double *mean, const uint64_t *columns, const size_t *ones, size_t n, size_t nbits,
                           sg_error *err)
{
    double *sums = sg_alloc(nbits, sizeof *sums);
    size_t *pairs = sg_alloc(nbits, sizeof *pairs);
    bool ok = sums && pairs;
    if (!ok) sg_fail_memory(err, "code statistics");
    if (ok) {
#pragma omp parallel for schedule(dynamic, 4)
        for (size_t k = 0; k < nbits; k++) sums[k] = correlation_row(&pairs[k], columns, ones, k, n, nbits);
        double sum = 0;
        size_t count = 0;
        for (size_t k = 0; k < nbits; k++) {
            sum += sums[k];
            count += pairs[k];
        }
        *mean = count ? sum / (double)count : 0;
    }
    sg_free(pairs);
    sg_free(sums);
    return ok;
}

static int compare_codes(const void *a, const void *b, void *nbytes)
{
    return memcmp(a, b, *(size_t *)nbytes);
}

/* Items whose code another has too, and the number of different codes, from a sorted copy. */
static bool collisions_of(sg_code_stats *stats, const uint8_t *codes, size_t n, size_t nbytes, sg_error *err)
{
    uint8_t *sorted = sg_memdup(codes, n * nbytes);
    if (!sorted) return sg_fail_memory(err, "code statistics");
    qsort_r(sorted, n, nbytes, compare_codes, &nbytes);
    size_t shared = 0;
    stats->distinct = 0;
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && !memcmp(sorted + i * nbytes, sorted + end * nbytes, nbytes);) end++;
        stats->distinct++;
        if (end - i > 1) shared += end - i;
    }
    stats->collisions = (double)shared / (double)n;
    sg_free(sorted);
    return true;
}

bool sg_code_stats_of(sg_code_stats *stats, const uint8_t *codes, size_t n, size_t nbits, sg_error *err)
{
    if (!sg_bits_check((int64_t)nbits, err)) return false;
    if (!n) return sg_fail(err, SG_ERR_USAGE, "statistics of no codes at all");
    *stats = (sg_code_stats){.ones_min = 1};
    size_t words = column_words(n);
    uint64_t *columns = sg_calloc(nbits, words * sizeof *columns);
    size_t *ones = sg_alloc(nbits, sizeof *ones);
    bool ok = columns && ones;
    if (!ok) sg_fail_memory(err, "code statistics");
    if (ok) {
        columns_fill(columns, codes, n, nbits);
        for (size_t k = 0; k < nbits; k++) {
            ones[k] = ones_in_both(columns + k * words, columns + k * words, words);
            double share = (double)ones[k] / (double)n;
            stats->ones_min = fmin(stats->ones_min, share);
            stats->ones_max = fmax(stats->ones_max, share);
            stats->balance_mean += fabs(2 * share - 1) / (double)nbits;
        }
        ok = correlation_of(&stats->correlation, columns, ones, n, nbits, err) &&
             collisions_of(stats, codes, n, nbits / 8, err);
    }
    sg_free(ones);
    sg_free(columns);
    return ok;
}
