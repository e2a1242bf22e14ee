/* An index's data.mdb: opened, looked at in every way, repaired. */
#include "fuzz.h"

#include <ftw.h>
#include <signet/buf.h>
#include <signet/file.h>
#include <signet/mem.h>
#include <signet/store.h>
#include <unistd.h>

static bool use_item(void *context, const sg_item *item, sg_error *err)
{
    (void)err;
    *(uint64_t *)context = item->id;
    return true;
}

static bool use_pair(void *context, uint64_t a, uint64_t b, sg_error *err)
{
    (void)context, (void)err;
    SG_ASSERT(a < b);
    return true;
}

static void look_at(sg_store *store)
{
    sg_store_info info;
    sg_item item;
    char *path;
    uint8_t *codes;
    uint64_t *ids, generation, last = 0;
    size_t n, faults;
    bool found;
    if (sg_store_info_get(&info, store, NULL)) sg_store_info_clear(&info);
    sg_store_verify(&faults, store, NULL, NULL, NULL);
    if (sg_store_load(&codes, &ids, &n, &generation, store, NULL)) {
        sg_free(codes);
        sg_free(ids);
    }
    sg_store_each(store, use_item, &last, NULL);
    sg_store_pairs(store, use_pair, NULL, NULL);
    sg_store_find_path(&last, &found, store, "/p/1", NULL);
    sg_store_get(&item, &path, store, 1, NULL);
    sg_free(path);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

void fuzz_index(const uint8_t *bytes, size_t nbytes)
{
    sg_store *store;
    sg_repair_counts counts;
    const sg_repair_options none = {.fill = NULL};
    char *dir, *file, *repaired;
    SG_ASSERT(sg_path_join(&dir, fuzz_folder(), "idx", NULL) && sg_mkdirs(dir, NULL));
    SG_ASSERT(sg_path_join(&repaired, fuzz_folder(), "repaired", NULL));
    file = fuzz_file("idx/data.mdb", bytes, nbytes);
    if (sg_store_open(&store, dir, false, 0, NULL)) {
        look_at(store);
        sg_store_close(store);
    }
    if (sg_store_repair(&counts, dir, repaired, &none, NULL)) {
        SG_ASSERT(sg_store_open(&store, repaired, false, 0, NULL));
        SG_ASSERT(sg_store_verify(&counts.saved, store, NULL, NULL, NULL) && counts.saved == 0);
        sg_store_close(store);
        nftw(repaired, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    }
    sg_free(file);
    sg_free(repaired);
    sg_free(dir);
}
