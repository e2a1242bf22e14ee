#include "index_impl.h"

#include <signet/index_search.h>
#include <signet/snapshot.h>
#include <string.h>

typedef struct loading {
    const char *kind;
    const sg_kv *params;
    size_t nbits;
    sg_search *search;
} loading;

static bool make_room(void *context, size_t n, uint8_t **codes, uint64_t **ids, sg_error *err)
{
    loading *l = context;
    return sg_search_begin(&l->search, l->kind, l->params, l->nbits, n, codes, ids, err);
}

/* The codes go from the store straight to where they are searched. */
static bool load(sg_search **search, uint64_t *generation, sg_index *index, const sg_store_info *info,
                 const char *kind, const sg_kv *params, sg_error *err)
{
    loading l = {.kind = kind, .params = params, .nbits = info->nbits};
    if (sg_store_load_into(make_room, &l, generation, index->store, err) &&
        sg_snapshot_build(NULL, l.search, index->dir, info->fingerprint, *generation, err)) {
        *search = l.search;
        return true;
    }
    sg_search_free(l.search);
    return false;
}

bool sg_index_search(sg_search **search, uint64_t *generation, sg_index *index, sg_error *err)
{
    sg_store_info now;
    *search = NULL;
    if (!sg_store_info_get(&now, index->store, err)) return false;
    bool ok = load(search, generation, index, &now, now.kind, &now.params, err);
    sg_store_info_clear(&now);
    return ok;
}

/* The snapshots of all other kinds. */
static bool remove_others(const char *folder, const char *kind, sg_error *err)
{
    size_t n;
    const char *const *kinds = sg_search_kinds(&n);
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++)
        if (strcmp(kinds[i], kind) != 0) ok = sg_snapshot_remove(folder, kinds[i], err);
    return ok;
}

bool sg_index_set_kind(sg_index *index, const char *kind, const sg_kv *params, sg_error *err)
{
    sg_search *search;
    uint64_t generation;
    if (!sg_search_params_check(kind, params, index->info.nbits, err) ||
        !sg_snapshot_remove(index->dir, kind, err) ||
        !load(&search, &generation, index, &index->info, kind, params, err))
        return false;
    sg_search_free(search);
    if (!sg_store_begin(index->store, err)) return false;
    if (!sg_store_set_search(index->store, kind, params, err)) {
        sg_store_abort(index->store);
        return false;
    }
    return sg_store_commit(index->store, err) && remove_others(index->dir, kind, err);
}
