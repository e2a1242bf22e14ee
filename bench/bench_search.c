/* The scan of kind flat beside FAISS's own flat search, which runs over the same memory in the same process, in turn:
 *
 *   bench_search [--check] [--large] [--packaged SCRIPT]
 *
 * One query over uniform codes and a batch of 1000, by each kernel; other sizes of code; --large: ten million codes too,
 * beside one million. A query is set beside mere reading of the same codes, which is the limit of any scan. SCRIPT
 * (bench/search_packaged.py) times another FAISS, Debian's package. Times are medians of rounds, ratios medians of the rounds' ratios: one core's are processor
 * time, all cores' the clock's, which means little while others work. --check compares the answers and times nothing. */
#include "index/search_impl.h"

#include <faiss/c_api/IndexBinary_c.h>
#include <limits.h>
#include <signet/cpu.h>
#include <signet/mem.h>
#include <signet/random.h>
#include <string.h>
#include <time.h>

#define ROUNDS   5
#define ROUND_S  0.03 /* least work in a round */
#define QUERIES  1000
#define K_MAX    100
#define MILLION  1000000
#define IN_CACHE 100000 /* codes of 64 bits that stay in the second cache */

typedef struct data {
    sg_search *search;
    size_t nbits, n;
    uint8_t *queries; /* (QUERIES, nbits / 8) */
} data;

/* Of a few queries: room for (QUERIES, K_MAX). */
typedef struct answers {
    int32_t *distances;
    idx_t *positions;
} answers;

typedef struct timing {
    double faiss, scan, read, ratio; /* nanoseconds a code and query; read: its bytes, for one query */
} timing;

static double seconds(bool clock)
{
    struct timespec t;
    clock_gettime(clock ? CLOCK_MONOTONIC : CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void must(bool ok, const sg_error *err)
{
    if (ok) return;
    fprintf(stderr, "bench_search: %s\n", err->message);
    exit(1);
}

static void *room(size_t count, size_t size)
{
    void *block = sg_alloc(count, size);
    must(block, &(sg_error){SG_ERR_MEMORY, "out of memory"});
    return block;
}

static void fill(void *bytes, size_t nbytes, uint64_t stream)
{
    sg_rng rng = sg_rng_at(1, SG_RNG_TEST, stream, nbytes);
    uint32_t *words = bytes;
    for (size_t i = 0; i < nbytes / 4; i++) words[i] = sg_rng_u32(&rng);
}

static data make(size_t nbits, size_t n)
{
    sg_error err;
    data d = {.nbits = nbits, .n = n, .queries = room(QUERIES, nbits / 8)};
    uint8_t *codes;
    uint64_t *ids;
    must(sg_search_begin(&d.search, "flat", NULL, nbits, n, &codes, &ids, &err), &err);
    fill(codes, n * nbits / 8, 1);
    fill(d.queries, QUERIES * nbits / 8, 2);
    for (size_t i = 0; i < n; i++) ids[i] = i + 1;
    must(sg_search_build(d.search, &err), &err);
    return d;
}

static void clear(data *d)
{
    sg_search_free(d->search);
    sg_free(d->queries);
}

static answers answers_new(void)
{
    return (answers){room(QUERIES * K_MAX, sizeof(int32_t)), room(QUERIES * K_MAX, sizeof(idx_t))};
}

static void answers_clear(answers *a)
{
    sg_free(a->distances);
    sg_free(a->positions);
}

static void by_faiss(answers *a, const data *d, size_t first, size_t nq, size_t k)
{
    int failed = faiss_IndexBinary_search(d->search->flat, (idx_t)nq, d->queries + first * d->nbits / 8,
                                          (idx_t)k, a->distances, a->positions);
    must(!failed, &(sg_error){SG_ERR_MEMORY, "FAISS cannot search"});
}

static void by_scan(answers *a, const data *d, const sg_hamming_impl *impl, size_t first, size_t nq, size_t k)
{
    sg_near_list lists[QUERIES];
    sg_error err;
    const sg_hamming_ask ask = {.k = k, .radius = UINT_MAX, .impl = impl};
    must(sg_hamming_nearest(lists, d->queries + first * d->nbits / 8, nq, sg_search_codes(d->search), d->n,
                            d->nbits / 8, &ask, &err),
         &err);
    for (size_t q = 0; q < nq; q++) {
        for (size_t i = 0; i < k; i++) {
            a->distances[q * k + i] = (int32_t)lists[q].items[i].distance;
            a->positions[q * k + i] = (idx_t)lists[q].items[i].position;
        }
        sg_free(lists[q].items);
    }
}

/* --- times --- */

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

/* All that a search must read, by the threads that it would have. */
SG_CLONES static uint64_t sum(const uint64_t *words, size_t n)
{
    uint64_t total = 0;
#pragma GCC unroll 8
    for (size_t i = 0; i < n; i++) total += words[i];
    return total;
}

static uint64_t read_codes(const data *d)
{
    enum { BLOCK = 1 << 16 };
    const uint64_t *words = (const uint64_t *)sg_search_codes(d->search);
    size_t n = d->n * d->nbits / 64;
    uint64_t total = 0;
#pragma omp parallel for reduction(+ : total)
    for (size_t at = 0; at < n; at += BLOCK) total += sum(words + at, n - at < BLOCK ? n - at : BLOCK);
    return total;
}

/* Calls of nq queries each: FAISS's, the kernel's and mere reading in turn, or (no peer) the kernel's alone. */
static timing time_kernel(const data *d, const sg_hamming_impl *impl, size_t nq, size_t k, bool all_cores,
                          bool peer)
{
    double faiss[ROUNDS], scan[ROUNDS], mere[ROUNDS], ratio[ROUNDS];
    size_t calls = (size_t)(ROUND_S / (0.5e-9 * (double)(d->n * nq * d->nbits) / 64)) + 1;
    uint64_t total = 0;
    answers a = answers_new();
    sg_threads_set(all_cores ? 0 : 1);
    for (size_t r = 0; r < ROUNDS; r++) {
        double start = seconds(all_cores);
        for (size_t c = 0; peer && c < calls; c++)
            by_faiss(&a, d, (r * calls + c) % (QUERIES - nq + 1), nq, k);
        double middle = seconds(all_cores);
        for (size_t c = 0; c < calls; c++) by_scan(&a, d, impl, (r * calls + c) % (QUERIES - nq + 1), nq, k);
        double end = seconds(all_cores), work = 1e-9 * (double)(d->n * nq * calls);
        for (size_t c = 0; peer && nq == 1 && c < calls; c++) total += read_codes(d);
        faiss[r] = (middle - start) / work;
        scan[r] = (end - middle) / work;
        mere[r] = (seconds(all_cores) - end) / work;
        ratio[r] = faiss[r] / scan[r];
    }
    answers_clear(&a);
    if (peer && nq == 1 && total == 0) puts(""); /* the sums are wanted */
    return (timing){median(faiss, ROUNDS), median(scan, ROUNDS), median(mere, ROUNDS), median(ratio, ROUNDS)};
}

static const sg_hamming_impl *usable_kernels(size_t *n)
{
    const sg_hamming_impl *impls = sg_hamming_impls(n);
    while (!impls[*n - 1].usable()) --*n;
    return impls;
}

/* A line a kernel. */
static void print_kernels(const data *d, size_t nq, size_t k, bool all_cores)
{
    size_t kernels;
    const sg_hamming_impl *impls = usable_kernels(&kernels);
    printf("\n%zu codes of %zu bits, %zu quer%s, k = %zu, %s\n", d->n, d->nbits, nq, nq == 1 ? "y" : "ies", k,
           all_cores ? "all cores" : "one core");
    for (size_t i = 0; i < kernels; i++) {
        timing t = time_kernel(d, &impls[i], nq, k, all_cores, true);
        double bytes = (double)d->nbits / 8;
        printf("  %-9s%8.4f ns a code   FAISS%8.4f   ratio%6.2f", impls[i].name, t.scan, t.faiss, t.ratio);
        if (nq == 1)
            printf("   %6.1f GB/s, %3.0f %% of mere reading (whose ratio is%6.2f)", bytes / t.scan,
                   100 * t.read / t.scan, t.faiss / t.read);
        printf("\n");
    }
}

/* Other sizes, by the best kernel: one query, and a batch. */
static void print_sizes(void)
{
    static const size_t sizes[] = {32, 64, 128, 256, 512, 1024};
    printf("\none core, k = 10, kernel %s: a query over %d codes, and 1000 over %d\n", sg_hamming_kernel(),
           MILLION / 4, MILLION / 50);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        data d = make(sizes[i], MILLION / 4), few = make(sizes[i], MILLION / 50);
        timing t = time_kernel(&d, sg_hamming_best(), 1, 10, false, true);
        timing many = time_kernel(&few, sg_hamming_best(), QUERIES, 10, false, true);
        printf(
            "  %4zu bits%8.3f ns a code (sg_hamming_scan_cost%7.3f)   FAISS%8.3f   ratio%6.2f   batch%8.3f   "
            "FAISS%8.3f   ratio%6.2f\n",
            sizes[i], t.scan, sg_hamming_scan_cost(d.n, sizes[i] / 8) / (double)d.n, t.faiss, t.ratio,
            many.scan, many.faiss, many.ratio);
        clear(&d);
        clear(&few);
    }
}

static void print_large(void)
{
    static const size_t many = 10, nq = 256;
    const sg_hamming_impl *best = sg_hamming_best();
    data one = make(64, MILLION), ten = make(64, many * MILLION);
    print_kernels(&ten, 1, 10, false);
    print_kernels(&ten, 1, 10, true);
    for (int all = 0; all < 2; all++) {
        double ratio[ROUNDS], batch[ROUNDS];
        for (size_t r = 0; r < ROUNDS; r++) {
            ratio[r] = (double)many * time_kernel(&ten, best, 1, 10, all, false).scan /
                       time_kernel(&one, best, 1, 10, all, false).scan;
            batch[r] = (double)many * time_kernel(&ten, best, nq, 10, all, false).scan /
                       time_kernel(&one, best, nq, 10, all, false).scan;
        }
        printf("  times the cost of a tenth as many codes, %s: %.1f; %zu queries: %.1f\n",
               all ? "all cores" : "one core", median(ratio, ROUNDS), nq, median(batch, ROUNDS));
    }
    clear(&one);
    clear(&ten);
}

/* Debian's package, one core: the script prints nanoseconds a code for k = 10 and 100. */
static void print_packaged(const data *d, const char *script)
{
    char command[4096];
    double ns[2];
    snprintf(command, sizeof command, "/usr/bin/python3 '%s'", script);
    printf("\nDebian's packaged FAISS, %zu codes of %zu bits, one query, one core\n", d->n, d->nbits);
    FILE *out = popen(command, "r");
    int fields = out ? fscanf(out, "%lf %lf", &ns[0], &ns[1]) : 0;
    if (out) pclose(out);
    if (fields != 2) printf("  not there: skipped\n");
    for (int i = 0; fields == 2 && i < 2; i++) {
        timing t = time_kernel(d, sg_hamming_best(), 1, i ? 100 : 10, false, true);
        printf("  k = %-4d %8.4f ns a code, %.1f times the scan's\n", i ? 100 : 10, ns[i], ns[i] / t.scan);
    }
}

/* --- answers --- */

/* Equal distances; equal positions but for equals of the last distance. */
static size_t differences(const answers *a, const answers *b, size_t nq, size_t k)
{
    size_t wrong = 0;
    for (size_t q = 0; q < nq; q++)
        for (size_t i = q * k; i < (q + 1) * k; i++)
            wrong += a->distances[i] != b->distances[i] ||
                     (a->distances[i] < a->distances[(q + 1) * k - 1] && a->positions[i] != b->positions[i]);
    return wrong;
}

static size_t check(size_t nbits, size_t n)
{
    static const size_t batches[] = {1, 7, QUERIES};
    size_t kernels, wrong = 0;
    const sg_hamming_impl *impls = usable_kernels(&kernels);
    data d = make(nbits, n);
    answers faiss = answers_new(), scan = answers_new();
    sg_threads_set(0);
    for (size_t b = 0; b < 3; b++)
        for (size_t k = 1; k <= K_MAX; k *= 10) {
            by_faiss(&faiss, &d, 0, batches[b], k);
            for (size_t i = 0; i < kernels; i++) {
                by_scan(&scan, &d, &impls[i], 0, batches[b], k);
                wrong += differences(&faiss, &scan, batches[b], k);
            }
        }
    printf("%zu codes of %zu bits: %zu answers differ from FAISS's\n", n, nbits, wrong);
    answers_clear(&faiss);
    answers_clear(&scan);
    clear(&d);
    return wrong;
}

static int check_all(void)
{
    static const size_t sizes[] = {32, 64, 128, 256, 512, 1024};
    size_t wrong = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) wrong += check(sizes[i], 50021);
    return wrong > 0;
}

int main(int argc, char **argv)
{
    bool large = false;
    const char *packaged = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--check") == 0) return check_all();
        large |= strcmp(argv[i], "--large") == 0;
        if (strcmp(argv[i], "--packaged") == 0 && i + 1 < argc) packaged = argv[++i];
    }
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    data d = make(64, IN_CACHE);
    printf("%d cores, %s\n", sg_cpu_count(), sg_cpu_text());
    print_kernels(&d, 1, 10, false);
    clear(&d);
    d = make(64, MILLION);
    print_kernels(&d, 1, 10, false);
    print_kernels(&d, 1, 100, false);
    print_kernels(&d, QUERIES, 10, true);
    if (packaged) print_packaged(&d, packaged);
    clear(&d);
    print_sizes();
    if (large) print_large();
    return 0;
}
