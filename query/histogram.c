#include <signet/histogram.h>

#include <math.h>
#include <omp.h>
#include <signet/cpu.h>
#include <signet/interrupt.h>
#include <signet/mem.h>
#include <signet/random.h>
#include <stdlib.h>
#include <string.h>

#define ROW_CODES 4096 /* distances at a time: they stay in the cache */

/* Two counters of each distance, so that equal neighbours do not wait for each other. */
typedef struct tally {
    uint64_t counts[2][SG_BITS_MAX + 1];
    uint16_t distances[ROW_CODES];
} tally;

static void count_row(tally *t, const uint8_t *codes, size_t i, size_t n, size_t nbytes)
{
    for (size_t first = i + 1; first < n; first += ROW_CODES) {
        size_t some = n - first < ROW_CODES ? n - first : ROW_CODES, k = 0;
        sg_hamming_scan(t->distances, codes + i * nbytes, codes + first * nbytes, some, nbytes);
        for (; k + 2 <= some; k += 2) {
            t->counts[0][t->distances[k]]++;
            t->counts[1][t->distances[k + 1]]++;
        }
        if (k < some) t->counts[0][t->distances[k]]++;
    }
}

bool sg_histogram_count(sg_histogram *h, const uint8_t *codes, size_t n, size_t nbits, sg_error *err)
{
    const int threads = sg_threads();
    *h = (sg_histogram){.nbits = nbits, .nitems = n, .nsampled = n};
    tally *tallies = sg_calloc((size_t)threads, sizeof *tallies);
    if (!tallies) return sg_fail_memory(err, "histogram");
#pragma omp parallel num_threads(threads)
    {
        tally *mine = &tallies[omp_get_thread_num()];
#pragma omp for schedule(dynamic, 64)
        for (size_t i = 0; i < n; i++)
            if (!sg_interrupted()) count_row(mine, codes, i, n, nbits / 8);
    }
    for (int t = 0; t < threads; t++)
        for (size_t d = 0; d <= nbits; d++) h->counts[d] += tallies[t].counts[0][d] + tallies[t].counts[1][d];
    for (size_t d = 0; d <= nbits; d++) h->npairs += h->counts[d];
    sg_free(tallies);
    return sg_interrupt_check(err);
}

/* --- which pictures --- */

/* How many pictures have about so many pairs. */
static size_t pictures_for(uint64_t npairs)
{
    return (size_t)ceil((1 + sqrt(1 + 8 * (double)npairs)) / 2);
}

/* The first `some` of codes and ids become a random choice of so many of the n, in their order (Knuth, The Art of Computer
 * Programming, 3.4.2, algorithm S). */
static void choose(uint8_t *codes, uint64_t *ids, size_t n, size_t some, size_t nbytes, uint64_t seed)
{
    sg_rng rng = sg_rng_at(seed, SG_RNG_SAMPLE, 0, 0);
    for (size_t i = 0, taken = 0; taken < some; i++) {
        if (sg_rng_below(&rng, n - i) >= some - taken) continue;
        ids[taken] = ids[i];
        memmove(codes + taken * nbytes, codes + i * nbytes, nbytes);
        taken++;
    }
}

typedef struct content_of {
    uint8_t content[SG_CONTENT_NBYTES];
    size_t position;
} content_of;

static int compare_contents(const void *a, const void *b)
{
    const content_of *x = a, *y = b;
    int order = memcmp(x->content, y->content, sizeof x->content);
    if (order != 0) return order;
    return (x->position > y->position) - (x->position < y->position);
}

/* Contents of those that have one; what was removed since has none. */
static bool read_contents(content_of *contents, size_t *count, sg_store *store, const uint64_t *ids, size_t n,
                          sg_error *err)
{
    *count = 0;
    for (size_t i = 0; i < n; i++) {
        sg_item item;
        char *path;
        sg_error why;
        if (!sg_interrupt_check(err)) return false;
        if (!sg_store_get(&item, &path, store, ids[i], &why)) {
            if (why.code == SG_ERR_NOT_FOUND) continue;
            if (err) *err = why;
            return false;
        }
        if (path) {
            memcpy(contents[*count].content, item.content, sizeof item.content);
            contents[(*count)++].position = i;
        }
        sg_free(path);
    }
    return true;
}

/* Leaves one code of each content, in no special order: counting does not care. */
static bool drop_copies(uint8_t *codes, size_t *n, const uint64_t *ids, size_t nbytes, sg_store *store,
                        sg_error *err)
{
    size_t count = 0, kept = 0;
    content_of *contents = sg_alloc(*n, sizeof *contents);
    bool *dropped = sg_calloc(*n, sizeof *dropped);
    bool ok = contents && dropped ? read_contents(contents, &count, store, ids, *n, err)
                                  : sg_fail_memory(err, "histogram");
    if (ok) {
        qsort(contents, count, sizeof *contents, compare_contents);
        for (size_t i = 1; i < count; i++)
            dropped[contents[i].position] =
                memcmp(contents[i].content, contents[i - 1].content, SG_CONTENT_NBYTES) == 0;
        for (size_t i = 0; i < *n; i++)
            if (!dropped[i]) memmove(codes + kept++ * nbytes, codes + i * nbytes, nbytes);
        *n = kept;
    }
    sg_free(dropped);
    sg_free(contents);
    return ok;
}

bool sg_histogram_make(sg_histogram *h, sg_store *store, uint64_t npairs, uint64_t seed, sg_error *err)
{
    sg_store_info info;
    uint8_t *codes;
    uint64_t *ids, generation;
    size_t nitems, n;
    if (!sg_store_info_get(&info, store, err)) return false;
    const size_t nbits = info.nbits;
    sg_store_info_clear(&info);
    if (!sg_store_load(&codes, &ids, &nitems, &generation, store, err)) return false;
    const size_t most = pictures_for(npairs);
    n = nitems;
    if (most < n) choose(codes, ids, nitems, n = most, nbits / 8, seed);
    const size_t sampled = n;
    bool ok =
        drop_copies(codes, &n, ids, nbits / 8, store, err) && sg_histogram_count(h, codes, n, nbits, err);
    if (ok) {
        h->nitems = nitems;
        h->nsampled = sampled;
        h->nleft_out = sampled - n;
        h->generation = generation;
    }
    sg_free(codes);
    sg_free(ids);
    return ok;
}

/* --- what it says --- */

void sg_histogram_moments(double *mean, double *deviation, const sg_histogram *h)
{
    double sum = 0, squares = 0, n = h->npairs > 0 ? (double)h->npairs : 1;
    for (size_t d = 0; d <= h->nbits; d++) sum += (double)d * (double)h->counts[d];
    for (size_t d = 0; d <= h->nbits; d++) {
        double off = (double)d - sum / n;
        squares += off * off * (double)h->counts[d];
    }
    *mean = sum / n;
    *deviation = sqrt(squares / n);
}

/* The fullest distance that is not below the median. */
static size_t fullest(const sg_histogram *h)
{
    uint64_t below = 0;
    size_t median = 0, best;
    while (median < h->nbits && 2 * (below += h->counts[median]) < h->npairs) median++;
    best = median;
    for (size_t d = median; d <= h->nbits; d++)
        if (h->counts[d] > h->counts[best]) best = d;
    return best;
}

/* The first distance within which there are at least `seen`; nbits + 1: none. */
static size_t first_with(const double *within, size_t nbits, double seen)
{
    size_t d = 0;
    while (d <= nbits && within[d] < seen) d++;
    return d;
}

/* The unrelated pairs at each distance. */
static void count_unrelated(double *counts, const sg_histogram *h, size_t top)
{
    const double most =
        SG_HISTOGRAM_RELATED * (double)h->npairs / (h->nitems > 1 ? (double)h->nitems - 1 : 1);
    uint64_t least = h->counts[top], related = 0;
    for (size_t d = 0; d <= h->nbits; d++) counts[d] = (double)h->counts[d];
    for (size_t d = top; d-- > 0;) {
        if (h->counts[d] < least) least = h->counts[d];
        counts[d] = (double)least;
        related += h->counts[d] - least;
    }
    for (size_t d = 0; d < top && (double)related > most; d++) counts[d] = (double)h->counts[d];
}

bool sg_histogram_rates(double *rates, size_t *first, const sg_histogram *h, sg_error *err)
{
    const size_t top = fullest(h), nbits = h->nbits;
    count_unrelated(rates, h, top);
    for (size_t d = 1; d <= nbits; d++) rates[d] += rates[d - 1];
    *first = first_with(rates, nbits, SG_HISTOGRAM_SEEN);
    if (*first > 0) { /* downwards from there */
        size_t more = first_with(rates, nbits, 10 * SG_HISTOGRAM_SEEN);
        if (more == *first) more++;
        if (more > top)
            return sg_fail(err, SG_ERR_LIMIT,
                           "%llu pairs of pictures are too few to tell a rate of false matches",
                           (unsigned long long)h->npairs);
        double ratio = pow(rates[*first] / rates[more], 1 / (double)(more - *first));
        for (size_t d = *first; d-- > 0;) rates[d] = rates[d + 1] * ratio;
    }
    for (size_t d = 0; d <= nbits; d++) rates[d] /= (double)h->npairs;
    return true;
}

bool sg_histogram_radius(int *radius, const sg_histogram *h, double rate, sg_error *err)
{
    double rates[SG_BITS_MAX + 1];
    size_t first;
    if (!sg_histogram_rates(rates, &first, h, err)) return false;
    *radius = -1;
    while (*radius < (int)h->nbits && rates[*radius + 1] <= rate) ++*radius;
    return true;
}

double sg_histogram_smallest(const sg_histogram *h)
{
    return h->npairs > SG_HISTOGRAM_SEEN ? SG_HISTOGRAM_SEEN / (double)h->npairs : 1;
}

bool sg_radius_for_rate(int *radius, bool *measured, sg_store *store, double rate, sg_error *err)
{
    sg_histogram h;
    if (!sg_histogram_make(&h, store, SG_HISTOGRAM_PAIRS, 0, err) ||
        !sg_histogram_radius(radius, &h, rate, err))
        return false;
    *measured = rate >= sg_histogram_smallest(&h);
    return true;
}
