#include <signet/metrics.h>

#include <math.h>

/* Some items at one distance. m of their n places stand above the cut (all of them, but for the block across it). */
typedef struct ap_block {
    size_t N, P; /* items, and relevant ones, at smaller distances */
    size_t n, p, m;
} ap_block;

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* H(x) - ln x - gamma, to 1e-16 for x >= 64 (Euler and Maclaurin). */
static double harmonic_tail(double x)
{
    double y = 1 / (x * x);
    return 1 / (2 * x) - y * (1.0 / 12 - y * (1.0 / 120 - y / 252));
}

/* Sum of 1 / i over N < i <= N + n. From logarithms, not as a difference of two large harmonic numbers: then it is
 * accurate relative to itself, and the closed forms below do not cancel to noise far down a ranking. */
static double harmonic_between(size_t N, size_t n)
{
    double sum = 0;
    size_t end = N + n;
    while (N < end && (N < 64 || end - N < 4)) sum += 1.0 / (double)++N;
    if (N == end) return sum;
    return sum + log1p((double)(end - N) / (double)N) + harmonic_tail((double)end) - harmonic_tail((double)N);
}

/* Relevant items at the h places behind N, P hits before: the sum of (P + j) / (N + j) over j = 1..h. */
static double run_sum(size_t N, size_t P, size_t h)
{
    return (double)h - (double)(N - P) * harmonic_between(N, h);
}

/* p relevant among n in random order: the expected sum of precision at the hits of the first m places, over p / n.
 * harmonic is that of (N, m). McSherry and Najork 2008, in closed form. */
static double random_sum(size_t N, size_t P, size_t n, size_t p, size_t m, double harmonic)
{
    double c = n > 1 ? ((double)p - 1) / ((double)n - 1) : 0;
    return c * (double)m + ((double)P + 1 - c * ((double)N + 1)) * harmonic;
}

/* Adds a block to the sums of precision. The number of hits above the cut is as good, or as bad, as it can be: right
 * for whole blocks, and for any where the denominator does not depend on it. */
static void add_block(sg_ap *sum, const ap_block *b)
{
    if (!b->p) return;
    size_t most = min_size(b->m, b->p);
    size_t least = b->m + b->p > b->n ? b->m + b->p - b->n : 0;
    sum->high += run_sum(b->N, b->P, most);
    sum->low += run_sum(b->N + b->m - least, b->P, least);
    sum->expected +=
        (double)b->p / (double)b->n * random_sum(b->N, b->P, b->n, b->p, b->m, harmonic_between(b->N, b->m));
}

/* The expected AP given h hits in the block across the cut. */
static double expected_given(double before, const ap_block *b, size_t h, double harmonic)
{
    if (b->P + h == 0) return 0;
    double inside = (double)h / (double)b->m * random_sum(b->N, b->P, b->m, h, b->m, harmonic);
    return (before + inside) / (double)(b->P + h);
}

/* The denominator is the hits above the cut, whose number h is hypergeometric: its probabilities go out from the
 * mode, by their ratios, as far as they count. */
static double expected_across(double before, const ap_block *b)
{
    size_t last = min_size(b->m, b->p), first = b->m + b->p > b->n ? b->m + b->p - b->n : 0;
    size_t mode = (size_t)(((double)b->m + 1) * ((double)b->p + 1) / ((double)b->n + 2));
    if (mode < first) mode = first;
    if (mode > last) mode = last;
    double harmonic = harmonic_between(b->N, b->m);
    double total = 1, sum = expected_given(before, b, mode, harmonic);
    double n = (double)b->n, p = (double)b->p, m = (double)b->m, w = 1;
    for (size_t i = mode; i < last && w > 1e-20; i++) {
        double h = (double)i;
        w *= (p - h) * (m - h) / ((h + 1) * (n - p - m + h + 1));
        total += w;
        sum += w * expected_given(before, b, i + 1, harmonic);
    }
    w = 1;
    for (size_t i = mode; i > first && w > 1e-20; i--) {
        double h = (double)i;
        w *= h * (n - p - m + h) / ((p - h + 1) * (m - h + 1));
        total += w;
        sum += w * expected_given(before, b, i - 1, harmonic);
    }
    return sum / total;
}

/* The least and the greatest AP over the number of hits h in the block across the cut: more hits raise the
 * denominator too, so that neither end need be at an end of the range ([+--] gives 1, [+-+] 5/6). */
static void search_across(sg_ap *ap, const sg_ap *before, const ap_block *b)
{
    size_t last = min_size(b->m, b->p), first = b->m + b->p > b->n ? b->m + b->p - b->n : 0;
    double front = 0, back = 0; /* sums of precision with the h hits at the first places, at the last */
    double reciprocals = 0;     /* of the last h places */
    ap->low = INFINITY;
    ap->high = -INFINITY;
    for (size_t h = 0;; h++) {
        if (h >= first) {
            double hits = (double)(b->P + h);
            ap->low = fmin(ap->low, hits > 0 ? (before->low + back) / hits : 0);
            ap->high = fmax(ap->high, hits > 0 ? (before->high + front) / hits : 0);
        }
        if (h == last) break;
        front += (double)(b->P + h + 1) / (double)(b->N + h + 1);
        /* a new first hit at place m - h: the later ones have one more before them */
        back += reciprocals + (double)(b->P + 1) / (double)(b->N + b->m - h);
        reciprocals += 1 / (double)(b->N + b->m - h);
    }
}

static size_t denominator_of(sg_denominator kind, size_t hits, size_t relevant, size_t top)
{
    if (kind == SG_DENOMINATOR_HITS) return hits;
    return kind == SG_DENOMINATOR_MIN ? min_size(relevant, top) : relevant;
}

void sg_ap_from_counts(sg_ap *ap, const uint32_t *n, const uint32_t *p, size_t ndist, size_t top,
                       sg_denominator denominator)
{
    size_t items = 0, relevant = 0;
    for (size_t d = 0; d < ndist; d++) {
        SG_ASSERT(p[d] <= n[d]);
        items += n[d];
        relevant += p[d];
    }
    if (!top || top > items) top = items;
    *ap = (sg_ap){0, 0, 0, NAN};
    ap_block b = {0};
    for (size_t d = 0; d < ndist && b.N < top; d++) {
        b.n = n[d];
        b.p = p[d];
        b.m = min_size(b.n, top - b.N);
        if (b.m < b.n && denominator == SG_DENOMINATOR_HITS) {
            sg_ap before = *ap;
            search_across(ap, &before, &b);
            ap->expected = expected_across(before.expected, &b);
            return;
        }
        add_block(ap, &b);
        b.N += b.n;
        b.P += b.p;
    }
    /* With hits as the denominator no block lies across the cut here, and P is their number. */
    size_t divisor = denominator_of(denominator, b.P, relevant, top);
    if (!divisor) return;
    ap->expected /= (double)divisor;
    ap->low /= (double)divisor;
    ap->high /= (double)divisor;
}

double sg_ap_from_ranking(const uint8_t *relevant, size_t n, size_t top, sg_denominator denominator)
{
    if (!top || top > n) top = n;
    size_t hits = 0, all = 0;
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        if (!relevant[i]) continue;
        all++;
        if (i < top) sum += (double)++hits / (double)(i + 1);
    }
    size_t divisor = denominator_of(denominator, hits, all, top);
    return divisor ? sum / (double)divisor : 0;
}
