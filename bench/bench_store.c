/* What the store takes to fill, to load and to remove from:
 *
 *   bench_store [--codes N] [--items N] [--bits K] [--code-batch N] [--item-batch N] [--dir FOLDER]
 *
 * Codes without a path and items with path and content are put in batches as an import puts them, and some more items in
 * batches as index add makes them; each batch is on the disk when its commit returns. Then all codes are loaded, and 1 % of
 * the ids, at random, are removed in one batch. Beside the figures stand limits measured in the same run on the same
 * disk: as many bytes as the data file has, written in one go and synced, and a copy of the codes in memory. Half a minute
 * at the defaults (a million of each). */
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <signet/mem.h>
#include <signet/progress.h>
#include <signet/random.h>
#include <signet/store.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FINGERPRINT "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define SMALL_BATCH 1024 /* of index add */
#define LOADS       5

typedef struct settings {
    size_t codes, items, nbits, code_batch, item_batch;
    const char *dir;
} settings;

static char folder[4096]; /* of all that is made here */

static void take_away(const char *dir)
{
    char command[4300];
    snprintf(command, sizeof command, "rm -rf -- '%s'", dir);
    if (system(command) != 0) fprintf(stderr, "bench_store: %s is left\n", dir);
}

static void die(const sg_error *err)
{
    fprintf(stderr, "bench_store: %s\n", err->message);
    take_away(folder);
    exit(1);
}

static void fill_random(uint8_t *bytes, size_t nbytes, uint64_t stream)
{
    sg_rng rng = sg_rng_at(1, SG_RNG_TEST, stream, 0);
    for (size_t i = 0; i < nbytes; i++) bytes[i] = (uint8_t)sg_rng_u32(&rng);
}

typedef struct moment {
    double wall, cpu; /* seconds; cpu of all threads */
} moment;

static moment now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (moment){sg_now_seconds(), (double)t.tv_sec + 1e-9 * (double)t.tv_nsec};
}

static moment since(moment start)
{
    moment end = now();
    return (moment){end.wall - start.wall, end.cpu - start.cpu};
}

/* --- limits --- */

/* Seconds to write and sync n bytes. */
static double write_limit(const settings *s, size_t n)
{
    char path[4096];
    static uint8_t chunk[1 << 20];
    fill_random(chunk, sizeof chunk, 7);
    snprintf(path, sizeof path, "%s/limit", s->dir);
    double start = sg_now_seconds();
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    bool ok = fd >= 0;
    for (size_t done = 0; ok && done < n; done += sizeof chunk)
        ok = write(fd, chunk, sizeof chunk) == (ssize_t)sizeof chunk;
    ok = ok && fdatasync(fd) == 0;
    double seconds = sg_now_seconds() - start;
    if (fd >= 0) close(fd);
    unlink(path);
    if (!ok) fprintf(stderr, "bench_store: %s: cannot write\n", path);
    return ok ? seconds : 0;
}

/* MiB of memory that no file backs. */
static double anonymous_mib(void)
{
    char line[256];
    long kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file)) sscanf(line, "RssAnon: %ld", &kib);
    if (file) fclose(file);
    return (double)kib / 1024;
}

static double file_mib(const char *dir)
{
    char path[4200];
    struct stat st = {0};
    snprintf(path, sizeof path, "%s/data.mdb", dir);
    return stat(path, &st) == 0 ? (double)st.st_size / (1 << 20) : 0;
}

/* --- what is measured --- */

static sg_store *make_store(const settings *s, const char *dir)
{
    sg_error err = {0};
    sg_kv none = SG_KV_INIT;
    sg_store *store;
    if (!sg_store_create(dir, s->nbits, FINGERPRINT, &none, "flat", NULL, false, NULL, NULL, &err) ||
        !sg_store_open(&store, dir, true, 0, &err))
        die(&err);
    return store;
}

static void import_codes(const settings *s, sg_store *store)
{
    sg_error err = {0};
    size_t nbytes = s->nbits / 8;
    uint64_t first;
    uint8_t *codes = sg_alloc(s->code_batch, nbytes);
    if (!codes) exit(1);
    moment taken = {0, 0};
    for (size_t done = 0; done < s->codes; done += s->code_batch) {
        size_t n = s->codes - done < s->code_batch ? s->codes - done : s->code_batch;
        fill_random(codes, n * nbytes, done);
        moment start = now();
        if (!sg_store_begin(store, &err) || !sg_store_put_codes(&first, store, codes, n, &err) ||
            !sg_store_commit(store, &err))
            die(&err);
        taken.wall += since(start).wall;
        taken.cpu += since(start).cpu;
    }
    sg_free(codes);
    printf("import of codes    %8.2f s  %10.0f codes/s (batches of %zu; %.2f s of processor time)\n",
           taken.wall, (double)s->codes / taken.wall, s->code_batch, taken.cpu);
}

/* Items [first, last), as an album would name them. */
static void put_some(const settings *s, sg_store *store, size_t first, size_t last, size_t batch)
{
    sg_error err = {0};
    uint8_t code[SG_BITS_MAX / 8] = {0};
    char path[128];
    sg_put_kind kind;
    uint64_t id, other;
    moment start = now();
    double tenth = start.wall;
    for (size_t i = first; i < last; i++) {
        sg_item item = {.path = path, .nbytes = i, .mtime_ns = (int64_t)i, .code = code};
        snprintf(path, sizeof path, "/home/someone/Pictures/%04zu/%02zu/IMG_%08zu.jpg", i / 30000,
                 i / 3000 % 12, i);
        sg_xxh3_128(item.content, &i, sizeof i);
        memcpy(code, item.content, sizeof item.content < s->nbits / 8 ? sizeof item.content : s->nbits / 8);
        if ((i - first) % batch == 0 && !sg_store_begin(store, &err)) die(&err);
        if (!sg_store_put(&kind, &id, &other, store, &item, &err)) die(&err);
        if (((i - first) % batch == batch - 1 || i + 1 == last) && !sg_store_commit(store, &err)) die(&err);
        if (i + 1 == last - (last - first) / 10) tenth = sg_now_seconds();
    }
    moment taken = since(start);
    printf("put of items       %8.2f s  %10.0f items/s (batches of %zu; the last tenth %.0f; %.2f s of "
           "processor time)\n",
           taken.wall, (double)(last - first) / taken.wall, batch,
           (double)((last - first) / 10) / (start.wall + taken.wall - tenth), taken.cpu);
}

static void put_items(const settings *s, sg_store *store)
{
    put_some(s, store, 0, s->items, s->item_batch);
    put_some(s, store, s->items, s->items + 16 * SMALL_BATCH, SMALL_BATCH);
}

typedef struct room {
    uint8_t *codes;
    uint64_t *ids;
    size_t n, code_nbytes;
} room;

/* Made once and used again. */
static bool make_room(void *context, size_t n, uint8_t **codes, uint64_t **ids, sg_error *err)
{
    room *r = context;
    if (!r->codes) {
        r->codes = sg_alloc(n, r->code_nbytes);
        r->ids = sg_alloc(n, sizeof *r->ids);
        r->n = n;
    }
    *codes = r->codes;
    *ids = r->ids;
    return r->codes && r->ids ? true : sg_fail_memory(err, "codes");
}

static void load(const settings *s, const char *dir)
{
    sg_error err = {0};
    sg_store *store;
    uint64_t generation;
    room r = {.code_nbytes = s->nbits / 8};
    malloc_trim(0);
    double before = anonymous_mib(), best = 1e9, first = 0;
    for (int i = 0; i < LOADS; i++) {
        double start = sg_now_seconds();
        if (!sg_store_open(&store, dir, false, 0, &err) ||
            !sg_store_load_into(make_room, &r, &generation, store, &err))
            die(&err);
        sg_store_close(store);
        double taken = sg_now_seconds() - start;
        if (i == 0) first = taken;
        if (taken < best) best = taken;
    }
    double memory = anonymous_mib() - before, start = sg_now_seconds();
    uint8_t *copy = sg_memdup(r.codes, r.n * r.code_nbytes);
    double limit = sg_now_seconds() - start, codes = (double)(r.n * r.code_nbytes) / (1 << 20);
    printf("open and load      %8.3f s  the first time, %.3f the best of %d (a copy in memory: %.3f)\n",
           first, best, LOADS, limit);
    printf("memory             %8.1f MiB more, %.2f times the codes'\n", memory, memory / codes);
    sg_free(copy);
    sg_free(r.codes);
    sg_free(r.ids);
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* 1 % of the ids 1 to n at random, ascending, as the commands remove; those that are gone already are passed over. */
static void remove_some(sg_store *store, size_t n, size_t at_once)
{
    sg_error err = {0};
    sg_rng rng = sg_rng_at(2, SG_RNG_TEST, at_once, 0);
    size_t count = n / 100, removed = 0;
    uint64_t *ids = sg_alloc(count, sizeof *ids);
    if (!ids) {
        sg_fail_memory(&err, "ids");
        die(&err);
    }
    for (size_t i = 0; i < count; i++) ids[i] = 1 + sg_rng_below(&rng, (uint32_t)n);
    qsort(ids, count, sizeof *ids, compare_ids);
    moment start = now();
    double commits = 0;
    for (size_t from = 0; from < count; from += at_once) {
        if (!sg_store_begin(store, &err)) die(&err);
        for (size_t i = from; i < count && i < from + at_once; i++) {
            if (sg_store_remove(store, ids[i], &err))
                removed++;
            else if (err.code != SG_ERR_NOT_FOUND)
                die(&err);
        }
        moment commit = now();
        if (!sg_store_commit(store, &err)) die(&err);
        commits += since(commit).wall;
    }
    moment taken = since(start);
    sg_free(ids);
    printf("removal of 1 %%     %8.2f s  of %zu at random, batches of %zu (commits %.2f s; %.2f s of "
           "processor time)\n",
           taken.wall, removed, at_once, commits, taken.cpu);
}

static void measure(const settings *s, const char *what, size_t n,
                    void (*fill)(const settings *s, sg_store *store))
{
    char dir[4200];
    if (n == 0) return;
    snprintf(dir, sizeof dir, "%s/%s", s->dir, what);
    sg_store *store = make_store(s, dir);
    printf("%zu %s of %zu bits\n", n, what, s->nbits);
    fill(s, store);
    sg_store_close(store);
    size_t nbytes = (size_t)(file_mib(dir) * (1 << 20));
    printf("the data file      %8.1f MiB; written and synced in one go: %.2f s\n", file_mib(dir),
           write_limit(s, nbytes));
    load(s, dir);
    sg_error err = {0};
    if (!sg_store_open(&store, dir, true, 0, &err)) die(&err);
    remove_some(store, n, n);
    remove_some(store, n, 16384); /* as index remove does */
    sg_store_close(store);
    take_away(dir);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"codes", required_argument, NULL, 'c'},
                                            {"items", required_argument, NULL, 'i'},
                                            {"bits", required_argument, NULL, 'b'},
                                            {"code-batch", required_argument, NULL, 'n'},
                                            {"item-batch", required_argument, NULL, 'm'},
                                            {"dir", required_argument, NULL, 'd'},
                                            {0}};
    settings s = {.codes = 1000000,
                  .items = 1000000,
                  .nbits = 64,
                  .code_batch = 1 << 18,
                  .item_batch = 1 << 15,
                  .dir = "/tmp"};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'c') s.codes = strtoull(optarg, NULL, 10);
        if (c == 'i') s.items = strtoull(optarg, NULL, 10);
        if (c == 'b') s.nbits = strtoull(optarg, NULL, 10);
        if (c == 'n') s.code_batch = strtoull(optarg, NULL, 10);
        if (c == 'm') s.item_batch = strtoull(optarg, NULL, 10);
        if (c == 'd') s.dir = optarg;
        if (c == '?' || s.code_batch == 0 || s.item_batch == 0) {
            fprintf(stderr, "bench_store [--codes N] [--items N] [--bits K] [--code-batch N] [--item-batch "
                            "N] [--dir FOLDER]\n");
            return 2;
        }
    }
    snprintf(folder, sizeof folder, "%s/bench-store-XXXXXX", s.dir);
    if (!mkdtemp(folder)) {
        perror(folder);
        return 1;
    }
    s.dir = folder;
    measure(&s, "codes", s.codes, import_codes);
    measure(&s, "items", s.items, put_items);
    take_away(folder);
    return 0;
}
