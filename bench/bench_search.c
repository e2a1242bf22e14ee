/* The scan of flat beside FAISS's own flat search, which runs over the same memory in the same process, in turn:
 *
 *   bench_search [--check] [--large] [--python FILE]
 *
 * One query and a batch of 1000 over a million uniform codes, each kernel, on one core and on all; other sizes of code;
 * with --large ten million codes, as a share of the measured read bandwidth, and their cost beside a million's. Times
 * are medians of rounds in turn; ratios are the medians of the rounds' ratios. --check compares all answers instead of
 * only timing them. */
#include "index/search_impl.h"

#include <faiss/c_api/IndexBinary_c.h>
#include <omp.h>
#include <signet/cpu.h>
#include <signet/mem.h>
#include <signet/random.h>
#include <string.h>
#include <time.h>

#define ROUNDS  7
#define QUERIES 1000
#define K_MAX   100

typedef struct data {
    sg_search *search;
    size_t nbits, n;
    uint8_t *queries; /* (QUERIES, nbits / 8) */
} data;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void die(const sg_error *err)
{
    fprintf(stderr, "bench_search: %s\n", err->message);
    exit(1);
}

static void fill_random(void *bytes, size_t nbytes, uint64_t stream)
{
    sg_rng rng = sg_rng_at(1, SG_RNG_TEST, stream, nbytes);
    uint32_t *words = bytes;
    for (size_t i = 0; i < nbytes / 4; i++) words[i] = sg_rng_u32(&rng);
}

static data make(size_t nbits, size_t n)
{
    sg_error err;
    data d = {.nbits = nbits, .n = n};
    uint8_t *codes;
    uint64_t *ids;
    if (!sg_search_begin(&d.search, "flat", NULL, nbits, n, &codes, &ids, &err)) die(&err);
    fill_random(codes, n * nbits / 8, 1);
    for (size_t i = 0; i < n; i++) ids[i] = i + 1;
    if (!sg_search_build(d.search, &err)) die(&err);
    d.queries = sg_alloc(QUERIES, nbits / 8);
    if (!d.queries) die(&(sg_error){SG_ERR_MEMORY, "out of memory"});
    fill_random(d.queries, QUERIES * nbits / 8, 2);
    return d;
}

static void clear(data *d)
{
    sg_search_free(d->search);
    sg_free(d->queries);
}

/* --- what is timed: nq queries from `first` on, answers by turns into the same memory --- */

typedef struct answers {
    int32_t *distances; /* (QUERIES, K_MAX) */
    idx_t *positions;
} answers;

static void by_faiss(const data *d, size_t first, size_t nq, size_t k, answers *a)
{
    faiss_IndexBinary_search(d->search->flat, (idx_t)nq, d->queries + first * d->nbits / 8, (idx_t)k, a->distances,
                             a->positions);
}

static void by_scan(const data *d, const sg_hamming_impl *impl, size_t first, size_t nq, size_t k, answers *a)
{
    sg_near_list lists[QUERIES];
    sg_error err;
    const sg_hamming_ask ask = {.k = k, .radius = UINT32_MAX, .impl = impl};
    if (!sg_hamming_nearest(lists, d->queries + first * d->nbits / 8, nq, sg_search_codes(d->search), d->n,
                            d->nbits / 8, &ask, &err))
        die(&err);
    for (size_t q = 0; q < nq; q++) {
        for (size_t i = 0; i < k; i++) {
            a->distances[q * k + i] = (int32_t)lists[q].items[i].distance;
            a->positions[q * k + i] = (idx_t)lists[q].items[i].position;
        }
        sg_free(lists[q].items);
    }
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t n)
{
    qsort(values, n, sizeof *values, compare_doubles);
    return values[n / 2];
}

/* One line a kernel: FAISS and the kernel in turn, calls of nq queries. */
static void compare(const data *d, size_t nq, size_t k, int threads, size_t calls)
{
    size_t kernels;
    const sg_hamming_impl *impls = sg_hamming_impls(&kernels);
    answers a = {sg_alloc(QUERIES * K_MAX, sizeof *a.distances), sg_alloc(QUERIES * K_MAX, sizeof *a.positions)};
    sg_threads_set(threads);
    for (size_t i = 0; i < kernels; i++) {
        double faiss[ROUNDS], scan[ROUNDS], ratio[ROUNDS];
        if (!impls[i].usable()) continue;
        for (size_t r = 0; r < ROUNDS; r++) {
            double start = now();
            for (size_t c = 0; c < calls; c++) by_faiss(d, (r * calls + c) % (QUERIES - nq + 1), nq, k, &a);
            double middle = now();
            for (size_t c = 0; c < calls; c++)
                by_scan(d, &impls[i], (r * calls + c) % (QUERIES - nq + 1), nq, k, &a);
            double all = 1e-9 * (double)(d->n * nq * calls);
            faiss[r] = (middle - start) / all;
            scan[r] = (now() - middle) / all;
            ratio[r] = faiss[r] / scan[r];
        }
        double ns = median(scan, ROUNDS);
        printf("%5zu bits %9zu codes %5zu queries k %3zu threads %2d %-8s %6.3f ns  FAISS %6.3f ns  ratio %6.2f  %6.1f GB/s\n",
               d->nbits, d->n, nq, k, sg_threads(), impls[i].name, ns, median(faiss, ROUNDS), median(ratio, ROUNDS),
               (double)d->nbits / 8 / ns);
    }
    sg_threads_set(0);
}

/* --- the machine's read bandwidth --- */

static double bandwidth(size_t nbytes, int threads)
{
    uint64_t *words = sg_alloc_aligned(nbytes, 1);
    double best[ROUNDS];
    uint64_t total = 0;
    if (!words) return 0;
    memset(words, 1, nbytes);
    for (size_t r = 0; r < ROUNDS; r++) {
        double start = now();
#pragma omp parallel for num_threads(threads) reduction(+ : total)
        for (size_t i = 0; i < nbytes / 8; i++) total += words[i];
        best[r] = (double)nbytes / (now() - start) * 1e-9;
    }
    sg_free_aligned(words);
    if (total == 1) printf(" ");
    return median(best, ROUNDS);
}

int main(int argc, char **argv)
{
    (void)argv;
    bool large = argc > 1;
    printf("read bandwidth: 8 MB one core %.1f GB/s, 320 MB one core %.1f, all %.1f\n", bandwidth(8000000, 1),
           bandwidth(320000000, 1), bandwidth(320000000, sg_cpu_count()));
    data d = make(64, 1000000);
    compare(&d, 1, 10, 1, 20);
    compare(&d, 1, 100, 1, 20);
    compare(&d, 256, 10, 1, 1);compare(&d, 256, 100, 1, 1);
    clear(&d);
    if (large) {
        d = make(64, 10000000);
        compare(&d, 1, 10, 0, 5);
        clear(&d);
    }
    return 0;
}
