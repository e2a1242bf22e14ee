/* Syncing a folder in which nothing has changed, beside a bare walk that asks the system for each file's size and time.
 *     bench_sync [--files N] [--rounds N]
 * Files are hard links in folders of a thousand, below a new folder in the working folder that is removed at the end.
 * Prints, a round a line: seconds of the walk, of the sync, and their ratio. */
#include <ftw.h>
#include <signet/file.h>
#include <signet/hash.h>
#include <signet/ingest.h>
#include <signet/mem.h>
#include <signet/params.h>
#include <signet/progress.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static sg_error err;
static size_t nfound;

static void check(bool ok)
{
    if (ok) return;
    fprintf(stderr, "bench_sync: %s\n", err.message);
    exit(1);
}

static size_t number(int argc, char **argv, const char *name, size_t usual)
{
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], name) == 0) return strtoul(argv[i + 1], NULL, 10);
    return usual;
}

static void make_model(void)
{
    sg_model *model;
    const sg_net_spec spec = {.arch = "resnet20",
                              .channels = 1,
                              .height = 16,
                              .width = 16,
                              .head = SG_HEAD_HASH,
                              .outputs = 64,
                              .mean = {0.5f},
                              .std = {0.25f}};
    check(sg_model_new(&model, &spec, NULL, &err) && sg_params_init(model->params, "he", 1, &err) &&
          sg_model_save(model, "model.safetensors", &err));
    sg_model_free(model);
}

/* An index that has the files with codes of no meaning: what is measured never looks at them. */
static void make_index(size_t n)
{
    sg_index *index;
    char path[64], *absolute;
    check(sg_index_create("idx", "model.safetensors", "flat", NULL, &err) &&
          sg_index_open(&index, "idx", SG_INDEX_STORE, true, &err));
    sg_store *store = sg_index_store(index);
    for (size_t i = 0; i < n; i++) {
        struct stat st;
        sg_put_kind kind;
        uint64_t id, other, code = i * 0x9E3779B97F4A7C15u;
        snprintf(path, sizeof path, "photos/%04zu/IMG_%08zu.jpg", i / 1000, i);
        if (i % 1000 == 0) {
            snprintf(path, sizeof path, "photos/%04zu", i / 1000);
            check(mkdir(path, 0777) == 0);
            snprintf(path, sizeof path, "photos/%04zu/IMG_%08zu.jpg", i / 1000, i);
            check(sg_file_write(path, "", 0, &err));
        } else {
            char first[64];
            snprintf(first, sizeof first, "photos/%04zu/IMG_%08zu.jpg", i / 1000, i / 1000 * 1000);
            check(link(first, path) == 0);
        }
        check(stat(path, &st) == 0 && sg_path_absolute(&absolute, path, &err));
        sg_item item = {.path = absolute,
                        .nbytes = (uint64_t)st.st_size,
                        .mtime_ns = sg_mtime_ns(&st),
                        .code = (const uint8_t *)&code};
        memcpy(item.content, &i, sizeof i);
        if (i % 10000 == 0) check(sg_store_begin(store, &err));
        check(sg_store_put(&kind, &id, &other, store, &item, &err));
        if (i % 10000 == 9999 || i + 1 == n) check(sg_store_commit(store, &err));
        sg_free(absolute);
    }
    sg_index_close(index);
}

static int see(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)path, (void)st, (void)ftw;
    nfound += type == FTW_F;
    return 0;
}

static int take_away(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static void measure(size_t n)
{
    const char *folder = "photos";
    sg_index *index;
    sg_ingest_counts counts;
    nfound = 0;
    double begin = sg_now_seconds();
    check(nftw("photos", see, 16, FTW_PHYS) == 0);
    double walked = sg_now_seconds();
    check(sg_index_open(&index, "idx", SG_INDEX_STORE, true, &err) &&
          sg_ingest_sync(&counts, index, &folder, 1, true, &(sg_ingest_options){0}, &err));
    sg_index_close(index);
    double synced = sg_now_seconds();
    if (nfound != n || counts.unchanged != n) {
        fprintf(stderr, "bench_sync: %zu files, %llu unchanged\n", nfound,
                (unsigned long long)counts.unchanged);
        exit(1);
    }
    printf("walk %.3f s, sync %.3f s (%.2f us a file), ratio %.2f\n", walked - begin, synced - walked,
           (synced - walked) / (double)n * 1e6, (synced - walked) / (walked - begin));
}

int main(int argc, char **argv)
{
    size_t n = number(argc, argv, "--files", 200000), rounds = number(argc, argv, "--rounds", 5);
    char folder[] = "bench-sync-XXXXXX";
    check(mkdtemp(folder) && chdir(folder) == 0 && mkdir("photos", 0777) == 0);
    make_model();
    make_index(n);
    for (size_t i = 0; i < rounds; i++) measure(n);
    check(chdir("..") == 0 && nftw(folder, take_away, 16, FTW_DEPTH | FTW_PHYS) == 0);
    return 0;
}
