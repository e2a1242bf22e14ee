/* Groups of near duplicates among all codes of a store, beside a scan of every pair:
 *
 *   bench_dedupe [codes [bits]]      (1000000 and 64: about two minutes, the store in $TMPDIR)
 *
 * Two sets of codes: "uniform", of which every tenth is another one with up to two bits flipped, and "crowded", about centres
 * (one in a hundred codes) with each bit flipped at a chance of 2 %, as trained codes lie. The scan of every pair is told
 * from that of some codes against all, in the same process, on all cores as the groups are. */
#include <signet/cpu.h>
#include <signet/dedupe.h>
#include <signet/file.h>
#include <signet/histogram.h>
#include <signet/mem.h>
#include <signet/random.h>
#include <signet/search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define RADIUS_MAX 4
#define SCANNED    512

static void flip(uint8_t *code, size_t nbits, sg_rng *rng)
{
    uint64_t bit = sg_rng_below(rng, nbits);
    code[bit / 8] ^= (uint8_t)(1 << bit % 8);
}

static void draw(uint8_t *codes, size_t n, size_t nbits, bool crowded)
{
    const size_t nbytes = nbits / 8, centres = n / 100 + 1;
    sg_rng rng = sg_rng_at(1, SG_RNG_TEST, crowded, 0);
    for (size_t i = 0; i < n * nbytes; i++) codes[i] = (uint8_t)sg_rng_u32(&rng);
    for (size_t i = crowded ? centres : 1; i < n; i++) {
        uint8_t *code = codes + i * nbytes;
        if (!crowded && i % 10 != 0) continue;
        memcpy(code, codes + sg_rng_below(&rng, crowded ? centres : i) * nbytes, nbytes);
        if (crowded) {
            for (size_t k = 0; k < nbits; k++)
                if (sg_rng_below(&rng, 50) == 0) code[k / 8] ^= (uint8_t)(1 << k % 8);
        } else {
            for (uint64_t flips = sg_rng_below(&rng, 3); flips > 0; flips--) flip(code, nbits, &rng);
        }
    }
}

static bool fill(sg_store **store, const char *dir, const uint8_t *codes, size_t n, size_t nbits,
                 sg_error *err)
{
    const size_t batch = 1000000;
    char fingerprint[65];
    sg_kv recipe = SG_KV_INIT;
    uint64_t first;
    memset(fingerprint, 'a', 64);
    fingerprint[64] = 0;
    if (!sg_store_create(dir, nbits, fingerprint, &recipe, "flat", NULL, false, NULL, NULL, err) ||
        !sg_store_open(store, dir, true, 0, err))
        return false;
    for (size_t i = 0; i < n; i += batch)
        if (!sg_store_begin(*store, err) ||
            !sg_store_put_codes(&first, *store, codes + i * nbits / 8, n - i < batch ? n - i : batch, err) ||
            !sg_store_commit(*store, err))
            return false;
    return true;
}

/* Seconds for every pair once, from some codes against all. */
static bool scan_seconds(double *seconds, const uint8_t *codes, size_t n, size_t nbits, int radius,
                         sg_error *err)
{
    sg_search_result results[SCANNED];
    sg_search *search;
    uint64_t *ids = sg_alloc(n, sizeof *ids);
    const sg_search_ask within = {.radius = radius};
    const size_t some = n < SCANNED ? n : SCANNED;
    if (!ids) return sg_fail_memory(err, "ids");
    for (size_t i = 0; i < n; i++) ids[i] = i;
    bool ok = sg_search_new(&search, "flat", NULL, nbits, codes, ids, n, err);
    sg_free(ids);
    if (!ok) return false;
    double began = sg_now_seconds();
    ok = sg_search_run(results, search, codes, some, &within, err);
    *seconds = (sg_now_seconds() - began) * (double)n / (double)some / 2;
    for (size_t i = 0; ok && i < some; i++) sg_search_result_clear(&results[i]);
    sg_search_free(search);
    return ok;
}

static bool measure(sg_store *store, const uint8_t *codes, size_t n, size_t nbits, sg_error *err)
{
    sg_histogram h;
    double began = sg_now_seconds();
    int radius = 0;
    if (!sg_histogram_make(&h, store, SG_HISTOGRAM_PAIRS, 0, err)) return false;
    printf("  histogram of %.0e pairs: %.2f s", (double)h.npairs, sg_now_seconds() - began);
    if (!sg_histogram_radius(&radius, &h, 1e-6, err)) return false;
    printf(", radius for 1e-6: %d\n", radius);
    for (radius = 0; radius <= RADIUS_MAX; radius++) {
        sg_groups groups;
        double all = 0;
        began = sg_now_seconds();
        if (!sg_groups_find(&groups, store, radius, NULL, err)) return false;
        double seconds = sg_now_seconds() - began;
        printf("  radius %d: %zu groups of %zu, %.2f s", radius, groups.n,
               groups.n ? groups.starts[groups.n] : 0, seconds);
        sg_groups_clear(&groups);
        if (!scan_seconds(&all, codes, n, nbits, radius, err)) return false;
        printf("; a scan of every pair %.1f s, ratio %.1f\n", all, all / seconds);
    }
    return true;
}

static bool run(const char *folder, size_t n, size_t nbits, sg_error *err)
{
    uint8_t *codes = sg_alloc(n, nbits / 8);
    bool ok = codes ? true : sg_fail_memory(err, "codes");
    for (int crowded = 0; ok && crowded < 2; crowded++) {
        char *dir;
        sg_store *store = NULL;
        draw(codes, n, nbits, crowded);
        printf("%s, %zu codes of %zu bits, %d threads\n", crowded ? "crowded" : "uniform", n, nbits,
               sg_threads());
        if (!(ok = sg_path_join(&dir, folder, crowded ? "crowded" : "uniform", err))) break;
        ok = fill(&store, dir, codes, n, nbits, err) && measure(store, codes, n, nbits, err);
        sg_store_close(store);
        sg_free(dir);
    }
    sg_free(codes);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    if (ok) printf("peak memory %.0f MB\n", (double)usage.ru_maxrss / 1000);
    return ok;
}

int main(int argc, char **argv)
{
    sg_error err = {0};
    int64_t n = 1000000, nbits = 64;
    char folder[4096], command[4200];
    if (argc > 3 || (argc > 1 && !sg_parse_int(&n, argv[1])) ||
        (argc > 2 && !sg_parse_int(&nbits, argv[2])) || n < 2 || !sg_bits_check(nbits, &err)) {
        fprintf(stderr, "usage: bench_dedupe [codes [bits]]\n");
        return 2;
    }
    snprintf(folder, sizeof folder, "%s/bench-dedupe-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    if (!mkdtemp(folder)) {
        perror(folder);
        return 1;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    bool ok = run(folder, (size_t)n, (size_t)nbits, &err);
    if (!ok) fprintf(stderr, "bench_dedupe: %s\n", err.message);
    snprintf(command, sizeof command, "rm -rf -- '%s'", folder);
    return system(command) != 0 || !ok;
}
