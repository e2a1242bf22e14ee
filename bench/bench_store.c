/* What the store takes to fill, to load and to remove from:
 *
 *   bench_store [--codes N] [--items N] [--bits K] [--code-batch N] [--item-batch N] [--dir FOLDER]      (--help)
 *
 * Codes without a path are imported by `batch`, items with path and content in batches of 1024 through sg_store_put, each
 * batch committed: on the disk when its call returns. Then 1 % of each, at random, is removed in one batch. Beside the
 * figures stand limits measured in the same run on the same disk: as many bytes as the data file has, written in one go
 * and synced, and a copy of the codes in memory. About a minute at the defaults (a million of each). */
#include <fcntl.h>
#include <getopt.h>
#include <signet/mem.h>
#include <signet/progress.h>
#include <signet/random.h>
#include <signet/store.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FINGERPRINT "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define LOADS       5

typedef struct settings {
    size_t codes, items, nbits, code_batch, item_batch;
    const char *dir;
} settings;

static void die(const sg_error *err)
{
    fprintf(stderr, "bench_store: %s\n", err->message);
    exit(1);
}

static void fill_random(uint8_t *bytes, size_t nbytes, uint64_t stream)
{
    sg_rng rng = sg_rng_at(1, SG_RNG_TEST, stream, 0);
    for (size_t i = 0; i < nbytes; i++) bytes[i] = (uint8_t)sg_rng_u32(&rng);
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
    double taken = 0;
    for (size_t done = 0; done < s->codes; done += s->code_batch) {
        size_t n = s->codes - done < s->code_batch ? s->codes - done : s->code_batch;
        fill_random(codes, n * nbytes, done);
        double start = sg_now_seconds();
        if (!sg_store_begin(store, &err) || !sg_store_put_codes(&first, store, codes, n, &err) ||
            !sg_store_commit(store, &err))
            die(&err);
        taken += sg_now_seconds() - start;
    }
    sg_free(codes);
    printf("import of codes    %8.2f s  %10.0f codes/s (batches of %zu)\n", taken, (double)s->codes / taken,
           s->code_batch);
}

static void put_items(const settings *s, sg_store *store)
{
    sg_error err = {0};
    uint8_t code[SG_BITS_MAX / 8];
    char path[128];
    sg_put_kind kind;
    uint64_t id, other;
    double start = sg_now_seconds(), tenth = start;
    for (size_t i = 0; i < s->items; i++) {
        sg_item item = {.path = path, .nbytes = i, .mtime_ns = (int64_t)i, .code = code};
        snprintf(path, sizeof path, "/home/someone/Pictures/%04zu/%02zu/IMG_%08zu.jpg", i / 30000,
                 i / 3000 % 12, i);
        memcpy(item.content, &i, sizeof i);
        sg_xxh3_128(item.content, &i, sizeof i);
        memcpy(code, item.content, sizeof item.content < s->nbits / 8 ? sizeof item.content : s->nbits / 8);
        if (i % s->item_batch == 0 && !sg_store_begin(store, &err)) die(&err);
        if (!sg_store_put(&kind, &id, &other, store, &item, &err)) die(&err);
        if ((i % s->item_batch == s->item_batch - 1 || i + 1 == s->items) && !sg_store_commit(store, &err))
            die(&err);
        if (i == s->items - s->items / 10) tenth = sg_now_seconds();
    }
    double end = sg_now_seconds();
    printf("put of items       %8.2f s  %10.0f items/s (batches of %zu; the last tenth: %.0f/s)\n",
           end - start, (double)s->items / (end - start), s->item_batch,
           (double)s->items / 10 / (end - tenth));
}

static bool keep_room(void *context, size_t n, uint8_t **codes, uint64_t **ids, sg_error *err)
{
    void **room = context;
    (void)n, (void)err;
    *codes = room[0];
    *ids = room[1];
    return true;
}

static void load(const settings *s, const char *dir, size_t n)
{
    sg_error err = {0};
    sg_store *store;
    uint64_t generation;
    size_t nbytes = s->nbits / 8;
    double before = anonymous_mib(), best = 1e9, first = 0;
    void *room[2] = {sg_alloc(n, nbytes), sg_alloc(n, sizeof(uint64_t))};
    if (!room[0] || !room[1]) exit(1);
    for (int i = 0; i < LOADS; i++) {
        double start = sg_now_seconds();
        if (!sg_store_open(&store, dir, false, 0, &err) ||
            !sg_store_load_into(keep_room, room, &generation, store, &err))
            die(&err);
        sg_store_close(store);
        double taken = sg_now_seconds() - start;
        if (i == 0) first = taken;
        if (taken < best) best = taken;
    }
    double memory = anonymous_mib() - before, start = sg_now_seconds();
    uint8_t *copy = sg_alloc(n, nbytes);
    if (!copy) exit(1);
    memcpy(copy, room[0], n * nbytes);
    double limit = sg_now_seconds() - start;
    printf("open and load      %8.3f s  first, %.3f best of %d; a copy in memory: %.3f; %.1f MiB more, %.2f "
           "of the "
           "codes'\n",
           first, best, LOADS, limit, memory, memory * (1 << 20) / (double)(n * nbytes));
    sg_free(copy);
    sg_free(room[0]);
    sg_free(room[1]);
}

static void remove_some(sg_store *store, size_t n)
{
    sg_error err = {0};
    sg_rng rng = sg_rng_at(2, SG_RNG_TEST, 0, 0);
    size_t removed = 0;
    double start = sg_now_seconds();
    if (!sg_store_begin(store, &err)) die(&err);
    while (removed < n / 100) {
        if (sg_store_remove(store, 1 + sg_rng_below(&rng, (uint32_t)n), &err))
            removed++;
        else if (err.code != SG_ERR_NOT_FOUND)
            die(&err);
    }
    double middle = sg_now_seconds();
    if (!sg_store_commit(store, &err)) die(&err);
    double end = sg_now_seconds();
    printf("removal of 1 %%     %8.2f s  of %zu at random, one batch; of it the commit %.2f\n", end - start,
           removed, end - middle);
}

static void measure(const settings *s, const char *what, size_t n,
                    void (*fill)(const settings *s, sg_store *store))
{
    char dir[4096], path[4200];
    if (n == 0) return;
    snprintf(dir, sizeof dir, "%s/%s", s->dir, what);
    sg_store *store = make_store(s, dir);
    printf("%zu %s of %zu bits\n", n, what, s->nbits);
    fill(s, store);
    sg_store_close(store);
    size_t nbytes = (size_t)(file_mib(dir) * (1 << 20));
    printf("the data file      %8.1f MiB; written and synced in one go: %.2f s\n", file_mib(dir),
           write_limit(s, nbytes));
    load(s, dir, n);
    sg_error err = {0};
    if (!sg_store_open(&store, dir, true, 0, &err)) die(&err);
    remove_some(store, n);
    sg_store_close(store);
    static const char *const names[] = {"data.mdb", "lock.mdb"};
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        unlink(path);
    }
    rmdir(dir);
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
                  .item_batch = 1024,
                  .dir = "/tmp"};
    char folder[4096];
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'c') s.codes = strtoull(optarg, NULL, 10);
        if (c == 'i') s.items = strtoull(optarg, NULL, 10);
        if (c == 'b') s.nbits = strtoull(optarg, NULL, 10);
        if (c == 'n') s.code_batch = strtoull(optarg, NULL, 10);
        if (c == 'm') s.item_batch = strtoull(optarg, NULL, 10);
        if (c == 'd') s.dir = optarg;
        if (c == '?') {
            fprintf(stderr, "bench_store [--codes N] [--items N] [--bits K] [--code-batch N] [--item-batch "
                            "N] [--dir FOLDER]\n");
            return 2;
        }
    }
    snprintf(folder, sizeof folder, "%s/bench-store-XXXXXX", s.dir);
    if (s.code_batch == 0 || !mkdtemp(folder)) return 1;
    s.dir = folder;
    measure(&s, "codes", s.codes, import_codes);
    measure(&s, "items", s.items, put_items);
    rmdir(folder);
    return 0;
}
