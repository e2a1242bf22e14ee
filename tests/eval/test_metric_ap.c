/* Average precision over ties, against the enumeration of every order of small rankings, and against plain sums over
 * every place and every number of hits for large ones. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signet/metrics.h>
#include <signet/random.h>
#include <string.h>

enum { N_MAX = 7, DIST_MAX = 2 * N_MAX + 1 };

static const sg_denominator denominators[] = {SG_DENOMINATOR_HITS, SG_DENOMINATOR_MIN, SG_DENOMINATOR_ALL};

/* By the definition: precision at each relevant place above the cut, over the denominator. */
static double ap_by_definition(const uint8_t *relevant, size_t n, size_t top, sg_denominator denominator)
{
    double sum = 0;
    size_t all = 0, above = 0;
    if (top == 0 || top > n) top = n;
    for (size_t i = 0; i < n; i++) {
        size_t hits = 0;
        all += relevant[i];
        if (i >= top || !relevant[i]) continue;
        for (size_t j = 0; j <= i; j++) hits += relevant[j];
        sum += (double)hits / (double)(i + 1);
        above++;
    }
    size_t divisor = denominator == SG_DENOMINATOR_HITS  ? above
                     : denominator == SG_DENOMINATOR_ALL ? all
                     : all < top                         ? all
                                                         : top;
    return divisor ? sum / (double)divisor : 0;
}

typedef struct tally {
    size_t orders;
    double sum, low, high;
} tally;

static tally
    tallies[1 << N_MAX]; /* by the relevant items of each block: the digits of the place, base size + 1 */

/* Blocks of a ranking of n: bit i of cuts ends a block behind place i. All 2^n patterns of relevance, sorted by how
 * many relevant items each block has: every order of one such content is in its tally once. */
static void enumerate(size_t n, unsigned cuts, size_t top, sg_denominator denominator)
{
    memset(tallies, 0, sizeof tallies);
    for (unsigned pattern = 0; pattern < 1u << n; pattern++) {
        uint8_t relevant[N_MAX];
        size_t key = 0, digit = 1, size = 0;
        for (size_t i = 0; i < n; i++) {
            relevant[i] = pattern >> i & 1;
            key += digit * relevant[i];
            size++;
            if (!(cuts >> i & 1)) continue;
            digit *= size + 1;
            size = 0;
        }
        tally *t = &tallies[key];
        double ap = ap_by_definition(relevant, n, top, denominator);
        assert_true(fabs(ap - sg_ap_from_ranking(relevant, n, top, denominator)) < 1e-14);
        if (!t->orders++) t->low = t->high = ap;
        t->sum += ap;
        t->low = fmin(t->low, ap);
        t->high = fmax(t->high, ap);
    }
}

static void check_tallies(size_t n, unsigned cuts, size_t top, sg_denominator denominator)
{
    uint32_t count[DIST_MAX] = {0}, relevant[DIST_MAX];
    size_t block = 0;
    for (size_t i = 0; i < n; i++) { /* a distance that nothing has lies between any two */
        count[2 * block + 1]++;
        block += cuts >> i & 1;
    }
    for (size_t key = 0; key < (size_t)1 << N_MAX; key++) {
        const tally *t = &tallies[key];
        size_t rest = key;
        sg_ap ap;
        if (!t->orders) continue;
        for (size_t d = 0; d < DIST_MAX; d++) {
            relevant[d] = (uint32_t)(rest % (count[d] + 1));
            rest /= count[d] + 1;
        }
        sg_ap_from_counts(&ap, count, relevant, DIST_MAX, top, denominator);
        assert_true(fabs(ap.expected - t->sum / (double)t->orders) < 1e-13);
        assert_true(fabs(ap.low - t->low) < 1e-13);
        assert_true(fabs(ap.high - t->high) < 1e-13);
        assert_true(isnan(ap.order));
    }
}

static void test_every_order(void **state)
{
    (void)state;
    for (size_t n = 1; n <= N_MAX; n++)
        for (unsigned cuts = 0; cuts < 1u << (n - 1); cuts++)
            for (size_t top = 0; top <= n + 1; top++)
                for (size_t d = 0; d < 3; d++) {
                    enumerate(n, cuts, top, denominators[d]);
                    check_tallies(n, cuts, top, denominators[d]);
                }
}

/* Large blocks: sums place by place, hypergeometric probabilities by gamma functions. */
typedef struct ranking {
    uint32_t n[40], p[40];
    size_t ndist, items, relevant;
} ranking;

static double log_choose(double n, double k)
{
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1);
}

/* Sum of expected precision at the hits of m places, of a block of n with p relevant. */
static double slow_sum(double N, double P, double n, double p, double m)
{
    double sum = 0;
    for (double j = 1; j <= m; j++)
        sum += p / n * (P + 1 + (n > 1 ? (j - 1) * (p - 1) / (n - 1) : 0)) / (N + j);
    return sum;
}

static double slow_expected(const ranking *r, size_t top, sg_denominator denominator)
{
    double sum = 0, N = 0, P = 0;
    if (!top || top > r->items) top = r->items;
    for (size_t d = 0; d < r->ndist && N < (double)top; d++) {
        double n = r->n[d], p = r->p[d], m = fmin(n, (double)top - N);
        if (n == 0) continue;
        if (m < n && denominator == SG_DENOMINATOR_HITS) {
            double total = 0;
            for (double h = fmax(0, m + p - n); h <= fmin(m, p); h++) {
                double chance = exp(log_choose(p, h) + log_choose(n - p, m - h) - log_choose(n, m));
                if (P + h > 0) total += chance * (sum + slow_sum(N, P, m, h, m)) / (P + h);
            }
            return total;
        }
        sum += slow_sum(N, P, n, p, m);
        N += n;
        P += p;
    }
    double divisor = denominator == SG_DENOMINATOR_HITS ? P : (double)r->relevant;
    if (denominator == SG_DENOMINATOR_MIN) divisor = fmin(divisor, (double)top);
    return divisor > 0 ? sum / divisor : 0;
}

/* The least or greatest over rankings that are written out, place by place, for each number of hits across the cut. */
static double slow_extreme(const ranking *r, size_t top, sg_denominator denominator, bool first)
{
    static uint8_t relevant[1 << 16];
    double best = first ? -1 : 2;
    size_t N = 0, d;
    if (!top || top > r->items) top = r->items;
    for (d = 0; d < r->ndist && N + r->n[d] <= top; N += r->n[d++]) {
        memset(relevant + N, !first, r->n[d]);
        if (first) memset(relevant + N, 1, r->p[d]);
        if (!first) memset(relevant + N, 0, r->n[d] - r->p[d]);
    }
    size_t m = top - N, n = m ? r->n[d] : 0, p = m ? r->p[d] : 0, behind = r->relevant;
    for (size_t i = 0; i < N; i++) behind -= relevant[i];
    for (size_t h = m + p > n ? m + p - n : 0; h <= (m < p ? m : p); h++) {
        for (size_t i = 0; i < m; i++) relevant[N + i] = first ? i < h : i >= m - h;
        for (size_t i = 0; i < behind - h; i++) relevant[top + i] = 1; /* counted by the other denominators */
        double ap = sg_ap_from_ranking(relevant, top + behind - h, top, denominator);
        best = first ? fmax(best, ap) : fmin(best, ap);
    }
    return best;
}

static void draw(ranking *r, uint64_t seed)
{
    sg_rng rng = sg_rng_at(seed, SG_RNG_TEST, 0, 0);
    *r = (ranking){.ndist = 1 + sg_rng_below(&rng, 40)};
    size_t largest = (size_t)1 << sg_rng_below(&rng, 11);
    for (size_t d = 0; d < r->ndist; d++) {
        r->n[d] = (uint32_t)sg_rng_below(&rng, largest + 1);
        r->p[d] = (uint32_t)sg_rng_below(&rng, r->n[d] + 1);
        if (sg_rng_below(&rng, 3) == 0) r->p[d] = (uint32_t)sg_rng_below(&rng, r->p[d] / 16 + 1);
        r->items += r->n[d];
        r->relevant += r->p[d];
    }
}

static void test_large_blocks(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 120; seed++) {
        ranking r;
        draw(&r, seed);
        sg_rng rng = sg_rng_at(seed, SG_RNG_TEST, 1, 0);
        size_t tops[] = {0, 1, 1 + sg_rng_below(&rng, r.items + 1), r.items / 2 + 1};
        for (size_t t = 0; t < 4; t++)
            for (size_t d = 0; d < 3; d++) {
                sg_ap ap;
                sg_ap_from_counts(&ap, r.n, r.p, r.ndist, tops[t], denominators[d]);
                assert_true(fabs(ap.expected - slow_expected(&r, tops[t], denominators[d])) < 1e-10);
                if (!r.items) continue;
                assert_true(fabs(ap.low - slow_extreme(&r, tops[t], denominators[d], false)) < 1e-11);
                assert_true(fabs(ap.high - slow_extreme(&r, tops[t], denominators[d], true)) < 1e-11);
            }
    }
}

/* Far down a long ranking a small block's share must not drown in the rounding of large harmonic numbers. */
static void test_far_down(void **state)
{
    (void)state;
    uint32_t n[] = {4000000000u, 3}, p[] = {0, 2};
    sg_ap ap;
    sg_ap_from_counts(&ap, n, p, 2, 0, SG_DENOMINATOR_HITS);
    double expected = slow_sum(4e9, 0, 3, 2, 3) / 2;
    assert_true(fabs(ap.expected / expected - 1) < 1e-6);
    assert_true(fabs(ap.low / ((1 / 4000000002.0 + 2 / 4000000003.0) / 2) - 1) < 1e-6);
}

/* The denominator rises with the hits: [+--] is better than [+-+]. */
static void test_first_is_not_always_highest(void **state)
{
    (void)state;
    uint32_t n[] = {1, 1, 2}, p[] = {1, 0, 1};
    sg_ap ap;
    sg_ap_from_counts(&ap, n, p, 3, 3, SG_DENOMINATOR_HITS);
    assert_true(fabs(ap.high - 1) < 1e-15);
    assert_true(fabs(ap.low - 5.0 / 6) < 1e-15);
    assert_true(fabs(ap.expected - (1 + 5.0 / 6) / 2) < 1e-15);
}

/* Faults of public code: a hit at rank 1 is lost (TALR), the last item is dropped (topK = -1). */
static void test_known_faults(void **state)
{
    (void)state;
    uint8_t first[] = {1, 0, 0}, last[] = {0, 0, 1};
    assert_true(sg_ap_from_ranking(first, 3, 0, SG_DENOMINATOR_HITS) == 1);
    assert_true(fabs(sg_ap_from_ranking(last, 3, 0, SG_DENOMINATOR_HITS) - 1.0 / 3) < 1e-15);
    uint32_t n[] = {1, 1, 1}, p_first[] = {1, 0, 0}, p_last[] = {0, 0, 1}, none[] = {0, 0, 0};
    sg_ap ap;
    sg_ap_from_counts(&ap, n, p_first, 3, 1, SG_DENOMINATOR_HITS);
    assert_true(ap.expected == 1 && ap.low == 1 && ap.high == 1);
    sg_ap_from_counts(&ap, n, p_last, 3, 0, SG_DENOMINATOR_ALL);
    assert_true(fabs(ap.expected - 1.0 / 3) < 1e-15);
    sg_ap_from_counts(&ap, n, none, 3, 2, SG_DENOMINATOR_HITS);
    assert_true(ap.expected == 0 && ap.low == 0 && ap.high == 0);
    sg_ap_from_counts(&ap, none, none, 3, 0, SG_DENOMINATOR_HITS);
    assert_true(ap.expected == 0);
}

/* The worst ranking of a large database, all relevant items last, has AP 1 + ((1-r)/r) ln(1-r); a random one, r. */
static void test_floor_and_chance(void **state)
{
    (void)state;
    for (double r = 0.1; r < 0.95; r += 0.2) {
        uint32_t n = 1000000, p = (uint32_t)(r * n);
        sg_ap ap;
        sg_ap_from_counts(&ap, &n, &p, 1, 0, SG_DENOMINATOR_HITS);
        assert_true(fabs(ap.low - (1 + (1 - r) / r * log1p(-r))) < 1e-4);
        assert_true(fabs(ap.expected - r) < 1e-4);
        assert_true(ap.high == 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_order),  cmocka_unit_test(test_large_blocks),
        cmocka_unit_test(test_far_down),     cmocka_unit_test(test_first_is_not_always_highest),
        cmocka_unit_test(test_known_faults), cmocka_unit_test(test_floor_and_chance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
