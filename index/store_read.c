/* Reading: single items, all items, all codes. */
#include "store_impl.h"

#include <signet/mem.h>
#include <string.h>

bool sg_store_get(sg_item *item, char **path, sg_store *store, uint64_t id, sg_error *err)
{
    sg_view view;
    bool found;
    *path = NULL;
    if (!sg_view_open(&view, store, err)) return false;
    bool ok = sg_view_item(item, &found, &view, id, err);
    if (ok && !found)
        ok = sg_fail(err, SG_ERR_NOT_FOUND, "%s: has no item %llu", store->dir, (unsigned long long)id);
    if (ok) {
        *path = sg_strdup(item->path);
        ok = *path ? true : sg_fail_memory(err, item->path);
        item->path = *path;
    }
    sg_view_close(&view);
    return ok;
}

bool sg_store_find_path(uint64_t *id, bool *found, sg_store *store, const char *path, sg_error *err)
{
    sg_view view;
    sg_item item;
    if (!sg_view_open(&view, store, err)) return false;
    bool ok = sg_view_find_path(&item, found, &view, path, err);
    if (ok && *found) *id = item.id;
    sg_view_close(&view);
    return ok;
}

bool sg_store_is_current(bool *current, sg_store *store, const char *path, uint64_t nbytes, int64_t mtime_ns,
                         sg_error *err)
{
    sg_view view;
    sg_item item;
    bool found;
    if (!sg_view_open(&view, store, err)) return false;
    bool ok = sg_view_find_path(&item, &found, &view, path, err);
    *current = ok && found && item.nbytes == nbytes && item.mtime_ns == mtime_ns;
    sg_view_close(&view);
    return ok;
}

bool sg_store_find_content(uint64_t *ids, size_t *n, size_t max, sg_store *store,
                           const uint8_t content[SG_CONTENT_NBYTES], sg_error *err)
{
    sg_view view;
    if (!sg_view_open(&view, store, err)) return false;
    bool ok = sg_view_find_content(ids, n, max, &view, content, err);
    sg_view_close(&view);
    return ok;
}

/* --- all items --- */

typedef struct each_item {
    const sg_view *view;
    sg_block block; /* of the last item: ids ascend, so each is fetched once */
    bool (*visit)(void *context, const sg_item *item, sg_error *err);
    void *context;
    bool stopped;
} each_item;

static bool visit_item(void *context, const MDB_val *key, const MDB_val *value, sg_error *err)
{
    each_item *e = context;
    const sg_store *store = e->view->store;
    sg_item item;
    if (key->mv_size != SG_ID_NBYTES)
        return sg_store_damaged(store, "item", 0, "has a key of another size", err);
    uint64_t id = sg_key_id(key->mv_data);
    const char *fault = sg_item_parse(&item, id, value->mv_data, value->mv_size);
    if (fault) return sg_store_damaged(store, "item", id, fault, err);
    if (!sg_view_block(&e->block, &fault, e->view, id / SG_BLOCK_CODES, err)) return false;
    if (fault) return sg_store_damaged(store, "codes", id / SG_BLOCK_CODES, fault, err);
    if (!sg_block_has(&e->block, id)) return sg_store_damaged(store, "item", id, "has no code", err);
    item.code = e->block.codes + id % SG_BLOCK_CODES * store->code_nbytes;
    e->stopped = !e->visit(e->context, &item, err);
    return !e->stopped;
}

bool sg_store_each(sg_store *store, bool (*visit)(void *context, const sg_item *item, sg_error *err),
                   void *context, sg_error *err)
{
    sg_view view;
    sg_error why = {SG_OK, ""};
    each_item e = {.view = &view, .visit = visit, .context = context};
    SG_ASSERT(!store->batch);
    if (!sg_view_open(&view, store, err)) return false;
    bool ok = sg_view_check(&view, SG_TABLE_ITEMS, NULL, NULL, 0, &why) &&
              sg_view_each(&view, SG_TABLE_ITEMS, visit_item, &e, &why);
    sg_view_close(&view);
    if (ok || (e.stopped && why.code == SG_OK)) return true;
    if (err) *err = why;
    return false;
}

/* --- all codes --- */

typedef struct loading {
    const sg_view *view;
    uint8_t *codes;
    uint64_t *ids;
    size_t n;
} loading;

static bool load_block(void *context, const MDB_val *key, const MDB_val *value, sg_error *err)
{
    loading *l = context;
    const sg_store *store = l->view->store;
    size_t nbytes = store->code_nbytes;
    sg_block block;
    if (key->mv_size != SG_ID_NBYTES)
        return sg_store_damaged(store, "codes", 0, "have a key of another size", err);
    uint64_t number = sg_key_id(key->mv_data);
    const char *fault = sg_block_parse(&block, number, nbytes, value->mv_data, value->mv_size);
    if (!fault && block.live_count > l->view->head.items - l->n) fault = "hold more than there are items";
    if (fault) return sg_store_damaged(store, "codes", number, fault, err);
    if (block.live_count == block.slots) memcpy(l->codes + l->n * nbytes, block.codes, block.slots * nbytes);
    for (unsigned slot = 0; slot < block.slots; slot++) {
        if (!(block.live[slot / 8] >> slot % 8 & 1)) continue;
        if (block.live_count != block.slots)
            memcpy(l->codes + l->n * nbytes, block.codes + slot * nbytes, nbytes);
        l->ids[l->n++] = number * SG_BLOCK_CODES + slot;
    }
    return true;
}

/* Memory by what the head says, once the file is known to be large enough for it. */
static bool make_room(loading *l, sg_error *err)
{
    size_t n = l->view->head.items, nbytes = l->view->store->code_nbytes;
    if (n > l->view->pages.npages * l->view->pages.page_nbytes / nbytes)
        return sg_fail(err, SG_ERR_FORMAT, "%s: damaged: more items than the file can hold",
                       l->view->store->dir);
    l->codes = sg_alloc(n, nbytes);
    l->ids = sg_alloc(n, sizeof *l->ids);
    return l->codes && l->ids ? true : sg_fail_memory(err, "codes");
}

bool sg_store_load(uint8_t **codes, uint64_t **ids, size_t *n, uint64_t *generation, sg_store *store,
                   sg_error *err)
{
    sg_view view;
    loading l = {.view = &view};
    SG_ASSERT(!store->batch);
    if (!sg_view_open(&view, store, err)) return false;
    bool ok = sg_view_check(&view, SG_TABLE_CODES, NULL, NULL, 0, err) && make_room(&l, err) &&
              sg_view_each(&view, SG_TABLE_CODES, load_block, &l, err);
    if (ok && l.n != view.head.items)
        ok = sg_fail(err, SG_ERR_FORMAT, "%s: damaged: %zu codes for %llu items", store->dir, l.n,
                     (unsigned long long)view.head.items);
    *generation = view.head.generation;
    sg_view_close(&view);
    if (!ok) {
        sg_free(l.codes);
        sg_free(l.ids);
        l.codes = NULL, l.ids = NULL, l.n = 0;
    }
    *codes = l.codes;
    *ids = l.ids;
    *n = l.n;
    return ok;
}
