/* Kinds of search beside each other: signet's flat, mih and ivf, FAISS's ivf and hnsw.
 *
 *   bench_kinds [--n 1000000] [--bits 64] [--centres 100] [--queries 100] [--hnsw 50000] [--only kinds|snapshots|asks]
 *               [--codes FILE.npy]
 *
 * Over uniform codes and crowded ones (tests/index/crowd.h), or those of a file: time to build, memory beside the codes
 * that were handed over, processor time of a query alone on one core and of one among all of them on all cores,
 * recall of the 10 nearest by distance. hnsw takes long to build: it is compared over the first codes only, unless --hnsw
 * asks for all. Then flat + mih by radius and by k beside the scan: ratios of processor time, the two in turn. Queries are
 * codes of the set with up to 4 bits flipped. */
#include "bench/faiss_hnsw.h"
#include "index/faiss_compat_impl.h"
#include "index/ivf_impl.h"
#include "tests/index/crowd.h"

#include <faiss/c_api/IndexBinary_c.h>
#include <malloc.h>
#include <signet/cpu.h>
#include <signet/mem.h>
#include <signet/npy.h>
#include <signet/search.h>
#include <signet/snapshot.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { K = 10, ALONE_MAX = 50 };

typedef struct options {
    size_t n, nbits, ncentres, nq, hnsw;
    const char *only, *file;
} options;

typedef struct data {
    const char *name;
    size_t nbits, n, nq;
    uint8_t *codes, *queries;
    uint64_t *ids;
    uint32_t *last; /* (nq) the true distance of the K-th */
} data;

typedef struct contender {
    const char *name;
    bool (*build)(struct contender *c, const data *d);
    void (*ask)(const struct contender *c, const data *d, size_t first, size_t nq, uint32_t *distances);
    void (*destroy)(struct contender *c);
    void *state;
    double build_s, mb, alone_us, batch_us, recall;
} contender;

static double now(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double heap_mb(void)
{
    const struct mallinfo2 m = mallinfo2();
    return 1e-6 * (double)(m.uordblks + m.hblkhd);
}

/* --- contenders --------------------------------------------------------------------------------------------- */

static bool build_signet(contender *c, const data *d)
{
    sg_error err = {0};
    sg_search *search;
    if (!sg_search_new(&search, c->name, NULL, d->nbits, d->codes, d->ids, d->n, &err)) {
        fprintf(stderr, "bench_kinds: %s\n", err.message);
        return false;
    }
    c->state = search;
    return true;
}

static void ask_signet(const contender *c, const data *d, size_t first, size_t nq, uint32_t *distances)
{
    const sg_search_ask ask = {.k = K, .radius = -1};
    sg_search_result *results = sg_calloc(nq, sizeof *results);
    SG_ASSERT(results && sg_search_run(results, c->state, d->queries + first * d->nbits / 8, nq, &ask, NULL));
    for (size_t q = 0; q < nq; q++) {
        for (size_t i = 0; i < K; i++)
            distances[q * K + i] = i < results[q].n ? results[q].hits[i].distance : UINT32_MAX;
        sg_search_result_clear(&results[q]);
    }
    sg_free(results);
}

static void destroy_signet(contender *c)
{
    sg_search_free(c->state);
}

/* The same lists and probes as signet's has. */
static bool build_faiss_ivf(contender *c, const data *d)
{
    char why[256];
    const size_t lists = sg_ivf_usual_lists(d->n);
    c->state = sg_faiss_ivf_new(d->nbits, lists, sg_ivf_usual_probes(lists), NULL, why, sizeof why);
    const size_t sample = d->n < 64 * lists ? d->n : 64 * lists;
    return c->state && faiss_IndexBinary_train(c->state, (idx_t)sample, d->codes) == 0 &&
           faiss_IndexBinary_add(c->state, (idx_t)d->n, d->codes) == 0;
}

static bool build_faiss_hnsw(contender *c, const data *d)
{
    char why[256];
    c->state = sg_faiss_binary_new(d->nbits, "BHNSW32", why, sizeof why);
    return c->state && faiss_IndexBinary_add(c->state, (idx_t)d->n, d->codes) == 0;
}

static void ask_faiss(const contender *c, const data *d, size_t first, size_t nq, uint32_t *distances)
{
    idx_t *positions = sg_alloc(nq * K, sizeof *positions);
    SG_ASSERT(positions && faiss_IndexBinary_search(c->state, (idx_t)nq, d->queries + first * d->nbits / 8, K,
                                                    (int32_t *)distances, positions) == 0);
    for (size_t i = 0; i < nq * K; i++)
        if (positions[i] < 0) distances[i] = UINT32_MAX;
    sg_free(positions);
}

static void destroy_faiss(contender *c)
{
    sg_faiss_binary_free(c->state);
}

static void measure(contender *c, const data *d)
{
    const size_t alone = d->nq < ALONE_MAX ? d->nq : ALONE_MAX;
    uint32_t *distances = sg_alloc(d->nq * K, sizeof *distances);
    SG_ASSERT(distances);
    const int threads = sg_threads();
    sg_threads_set(1);
    c->ask(c, d, 0, 1, distances);
    double start = now(CLOCK_PROCESS_CPUTIME_ID);
    for (size_t q = 0; q < alone; q++) c->ask(c, d, q, 1, distances);
    c->alone_us = 1e6 * (now(CLOCK_PROCESS_CPUTIME_ID) - start) / (double)alone;
    sg_threads_set(threads);
    start = now(CLOCK_PROCESS_CPUTIME_ID);
    c->ask(c, d, 0, d->nq, distances);
    c->batch_us = 1e6 * (now(CLOCK_PROCESS_CPUTIME_ID) - start) / (double)d->nq;
    size_t hits = 0;
    for (size_t i = 0; i < d->nq * K; i++) hits += distances[i] <= d->last[i / K];
    c->recall = (double)hits / (double)(d->nq * K);
    sg_free(distances);
}

static void print_row(contender *c, const char *name, const data *d)
{
    measure(c, d);
    printf("%-12s %9.2f %9.1f %11.1f %11.1f %8.3f\n", name, c->build_s, c->mb, c->alone_us, c->batch_us,
           c->recall);
    fflush(stdout);
}

/* FAISS's own efSearch, and larger ones, which find more and take longer. */
static void print_hnsw(contender *c, const data *d)
{
    static const int efs[] = {16, 64, 256};
    for (size_t i = 0; i < sizeof efs / sizeof *efs; i++) {
        char name[32];
        snprintf(name, sizeof name, "hnsw ef %d", efs[i]);
        faiss_hnsw_search_with(c->state, efs[i]);
        print_row(c, name, d);
    }
}

static void compare(data *d, bool hnsw)
{
    static const contender all[] = {
        {.name = "flat", .build = build_signet, .ask = ask_signet, .destroy = destroy_signet},
        {.name = "mih", .build = build_signet, .ask = ask_signet, .destroy = destroy_signet},
        {.name = "ivf", .build = build_signet, .ask = ask_signet, .destroy = destroy_signet},
        {.name = "FAISS ivf", .build = build_faiss_ivf, .ask = ask_faiss, .destroy = destroy_faiss},
        {.name = "FAISS hnsw", .build = build_faiss_hnsw, .ask = ask_faiss, .destroy = destroy_faiss},
    };
    printf("%s codes: %zu of %zu bits\n%-12s %9s %9s %11s %11s %8s\n", d->name, d->n, d->nbits, "kind",
           "build s", "MB", "alone us", "batch us", "recall");
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        contender c = all[i];
        if (c.build == build_faiss_hnsw && !hnsw) continue;
        const double before = heap_mb(), start = now(CLOCK_MONOTONIC);
        if (c.build(&c, d)) {
            c.build_s = now(CLOCK_MONOTONIC) - start;
            c.mb = heap_mb() - before;
            if (c.build == build_faiss_hnsw)
                print_hnsw(&c, d);
            else
                print_row(&c, c.name, d);
        }
        c.destroy(&c);
    }
}

/* --- snapshots ---------------------------------------------------------------------------------------------- */

/* From the codes, and from what is left in a folder: what a snapshot saves. */
static void compare_snapshots(const data *d)
{
    static const char fingerprint[] = "0";
    char folder[] = "bench_kinds-XXXXXX";
    SG_ASSERT(mkdtemp(folder));
    printf("snapshots: %-4s %9s %9s %9s\n", "kind", "MB", "build s", "load s");
    static const char *const kinds[] = {"mih", "ivf"};
    for (size_t i = 0; i < 2; i++) {
        enum { BUILT, LEFT, LOADED, RUNS };
        double took[RUNS];
        struct stat st;
        sg_snapshot_use use = SG_SNAPSHOT_NONE;
        for (int r = 0; r < RUNS; r++) {
            sg_search *search;
            uint8_t *codes;
            uint64_t *ids;
            SG_ASSERT(sg_search_begin(&search, kinds[i], NULL, d->nbits, d->n, &codes, &ids, NULL));
            memcpy(codes, d->codes, d->n * d->nbits / 8);
            memcpy(ids, d->ids, d->n * sizeof *ids);
            const double start = now(CLOCK_MONOTONIC);
            SG_ASSERT(r == BUILT ? sg_search_build(search, NULL)
                                 : sg_snapshot_build(&use, search, folder, fingerprint, 1, NULL));
            took[r] = now(CLOCK_MONOTONIC) - start;
            sg_search_free(search);
        }
        char path[64];
        snprintf(path, sizeof path, "%s/search.%s", folder, kinds[i]);
        SG_ASSERT(stat(path, &st) == 0 && use == SG_SNAPSHOT_CURRENT);
        printf("           %-4s %9.1f %9.3f %9.3f\n", kinds[i], 1e-6 * (double)st.st_size, took[BUILT],
               took[LOADED]);
        remove(path);
    }
    rmdir(folder);
}

/* --- flat + mih beside the scan ----------------------------------------------------------------------------- */

static double ask_once(const sg_search *search, const uint8_t *query, const sg_search_ask *ask, size_t *found)
{
    sg_search_result result;
    const double start = now(CLOCK_PROCESS_CPUTIME_ID);
    SG_ASSERT(sg_search_run(&result, search, query, 1, ask, NULL));
    const double took = now(CLOCK_PROCESS_CPUTIME_ID) - start;
    *found += result.n;
    sg_search_result_clear(&result);
    return took;
}

static int compare_times(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *times, size_t n)
{
    qsort(times, n, sizeof *times, compare_times);
    return times[n / 2];
}

static void compare_asks(const data *d)
{
    static const sg_search_ask asks[] = {
        {.k = 0, .radius = 0},   {.k = 0, .radius = 2},    {.k = 0, .radius = 4},     {.k = 0, .radius = 7},
        {.k = 0, .radius = 9},   {.k = 0, .radius = 12},   {.k = 0, .radius = 16},    {.k = 1, .radius = -1},
        {.k = 10, .radius = -1}, {.k = 100, .radius = -1}, {.k = 1000, .radius = -1}, {.k = 10, .radius = 7},
    };
    sg_search *flat, *mih;
    const int threads = sg_threads();
    SG_ASSERT(sg_search_new(&flat, "flat", NULL, d->nbits, d->codes, d->ids, d->n, NULL));
    SG_ASSERT(sg_search_new(&mih, "mih", NULL, d->nbits, d->codes, d->ids, d->n, NULL));
    sg_threads_set(1);
    printf("one core: %-8s %11s %11s %11s %11s\n", "asked", "found", "scan us", "mih us", "scan / mih");
    for (size_t a = 0; a < sizeof asks / sizeof *asks; a++) {
        double scan[ALONE_MAX], own[ALONE_MAX];
        size_t found = 0, unused = 0;
        const size_t nq = d->nq < ALONE_MAX ? d->nq : ALONE_MAX;
        for (size_t q = 0; q < nq; q++) {
            const uint8_t *query = d->queries + q * d->nbits / 8;
            if (q % 2)
                scan[q] = ask_once(flat, query, &asks[a], &found); /* who is first finds a colder cache */
            own[q] = ask_once(mih, query, &asks[a], q % 2 ? &unused : &found);
            if (q % 2 == 0) scan[q] = ask_once(flat, query, &asks[a], &unused);
        }
        char text[32];
        if (asks[a].radius < 0)
            snprintf(text, sizeof text, "k %zu", asks[a].k);
        else
            snprintf(text, sizeof text, asks[a].k ? "r %d, k %zu" : "r %d", asks[a].radius, asks[a].k);
        printf("          %-8s %11.1f %11.1f %11.1f %11.2f\n", text, (double)found / (double)nq,
               1e6 * median(scan, nq), 1e6 * median(own, nq), median(scan, nq) / median(own, nq));
        fflush(stdout);
    }
    sg_threads_set(threads);
    sg_search_free(flat);
    sg_search_free(mih);
}

/* --- data --------------------------------------------------------------------------------------------------- */

static void find_truth(data *d)
{
    contender flat = {.name = "flat"};
    uint32_t *distances = sg_alloc(d->nq * K, sizeof *distances);
    SG_ASSERT(distances && build_signet(&flat, d));
    ask_signet(&flat, d, 0, d->nq, distances);
    for (size_t q = 0; q < d->nq; q++) d->last[q] = distances[q * K + K - 1];
    sg_free(distances);
    destroy_signet(&flat);
}

/* whole: not only the first codes, for hnsw's sake. */
static void run(data *d, const options *o, bool hnsw, bool whole)
{
    const size_t nbytes = d->nbits / 8;
    sg_rng rng = sg_rng_at(7, SG_RNG_TEST, 0, 0);
    d->nq = o->nq;
    d->ids = sg_alloc(d->n, sizeof *d->ids);
    d->queries = sg_alloc(d->nq, nbytes);
    d->last = sg_alloc(d->nq, sizeof *d->last);
    SG_ASSERT(d->ids && d->queries && d->last && d->n >= K);
    for (size_t i = 0; i < d->n; i++) d->ids[i] = i + 1;
    for (size_t q = 0; q < d->nq; q++) {
        memcpy(d->queries + q * nbytes, d->codes + sg_rng_below(&rng, d->n) * nbytes, nbytes);
        for (size_t i = 0; i < q % 5; i++)
            d->queries[q * nbytes + sg_rng_below(&rng, nbytes)] ^= (uint8_t)(1 << sg_rng_below(&rng, 8));
    }
    find_truth(d);
    if (!o->only || strcmp(o->only, "kinds") == 0) compare(d, hnsw);
    if ((!o->only || strcmp(o->only, "snapshots") == 0) && whole) compare_snapshots(d);
    if ((!o->only || strcmp(o->only, "asks") == 0) && whole) compare_asks(d);
    printf("\n");
    sg_free(d->ids);
    sg_free(d->queries);
    sg_free(d->last);
}

static void run_both(data *d, const options *o)
{
    const bool all = o->hnsw >= d->n;
    data first = *d;
    first.n = o->hnsw;
    if (!all && first.n >= K) run(&first, o, true, false);
    run(d, o, all, true);
}

static void run_made(const char *name, size_t ncentres, const options *o)
{
    const size_t piece = 10000;
    data d = {.name = name, .nbits = o->nbits, .n = o->n, .codes = sg_alloc(o->n, o->nbits / 8)};
    SG_ASSERT(d.codes);
#pragma omp parallel for
    for (size_t i = 0; i < d.n; i += piece)
        crowd_codes(d.codes + i * d.nbits / 8, i, d.n - i < piece ? d.n - i : piece, d.nbits, ncentres, 1);
    run_both(&d, o);
    sg_free(d.codes);
}

static int run_file(const options *o)
{
    sg_npy npy;
    sg_error err = {0};
    if (!sg_npy_read(&npy, o->file, &err)) {
        fprintf(stderr, "bench_kinds: %s\n", err.message);
        return 1;
    }
    SG_ASSERT(npy.type == SG_NPY_U8);
    data d = {.name = o->file, .nbits = 8 * npy.cols, .n = npy.rows, .codes = npy.data};
    run_both(&d, o);
    sg_npy_clear(&npy);
    return 0;
}

int main(int argc, char **argv)
{
    options o = {.n = 1000000, .nbits = 64, .ncentres = 100, .nq = 100, .hnsw = 50000};
    for (int i = 1; i + 1 < argc; i += 2) {
        const size_t value = strtoul(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--n") == 0) o.n = value;
        if (strcmp(argv[i], "--bits") == 0) o.nbits = value;
        if (strcmp(argv[i], "--centres") == 0) o.ncentres = value;
        if (strcmp(argv[i], "--queries") == 0) o.nq = value;
        if (strcmp(argv[i], "--hnsw") == 0) o.hnsw = value;
        if (strcmp(argv[i], "--only") == 0) o.only = argv[i + 1];
        if (strcmp(argv[i], "--codes") == 0) o.file = argv[i + 1];
    }
    if (o.file) return run_file(&o);
    run_made("uniform", 0, &o);
    run_made("crowded", o.ncentres, &o);
    return 0;
}
