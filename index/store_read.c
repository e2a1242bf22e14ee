/* Reading: single items, all items, all pairs, all codes. */
#include "store_impl.h"

#include <signet/mem.h>
#include <string.h>

/* Path and attributes of a borrowed item, copied in one piece. */
static bool own_texts(sg_item *item, char **path, sg_error *err)
{
    size_t npath = strlen(item->path) + 1;
    *path = sg_alloc(npath + item->attributes_nbytes, 1);
    if (!*path) return sg_fail_memory(err, item->path);
    memcpy(*path, item->path, npath);
    if (item->attributes_nbytes > 0) memcpy(*path + npath, item->attributes, item->attributes_nbytes);
    item->path = *path;
    item->attributes = *path + npath;
    return true;
}

bool sg_store_get(sg_item *item, char **path, sg_store *store, uint64_t id, sg_error *err)
{
    sg_view view;
    bool found;
    *path = NULL;
    if (!sg_view_open(&view, store, err)) return false;
    bool ok = sg_view_item(item, &found, &view, id, err);
    if (ok && !found)
        ok = sg_fail(err, SG_ERR_NOT_FOUND, "%s: has no item %llu", store->dir, (unsigned long long)id);
    if (ok && item->path) ok = own_texts(item, path, err);
    sg_view_close(&view);
    return ok;
}

bool sg_store_outputs(float *outputs, bool *found, sg_store *store, uint64_t id, sg_error *err)
{
    sg_view view;
    MDB_val value;
    uint8_t key[SG_ID_NBYTES];
    *found = false;
    sg_id_key(key, id);
    if (!sg_view_open(&view, store, err)) return false;
    bool ok = sg_view_get(&value, &view, SG_TABLE_OUTPUTS, key, sizeof key, err);
    if (ok && value.mv_data) {
        const char *fault = sg_outputs_parse(outputs, id, view.head.nbits, value.mv_data, value.mv_size);
        ok = *found = !fault;
        if (fault) sg_store_damaged(store, "outputs", id, fault, err);
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

/* --- all items: the codes lead, and the records of items are met in the same order --- */

typedef struct each_item {
    const sg_view *view;
    MDB_cursor *items;
    MDB_val value; /* of the item that comes next */
    uint64_t next; /* its id; UINT64_MAX: there are no more */
    bool (*visit)(void *context, const sg_item *item, sg_error *err);
    void *context;
    bool stopped;
} each_item;

static bool step(each_item *e, sg_error *err)
{
    MDB_val key;
    sg_store *store = e->view->store;
    int rc = mdb_cursor_get(e->items, &key, &e->value, MDB_NEXT);
    e->next = UINT64_MAX;
    if (rc == MDB_NOTFOUND) return true;
    if (rc != 0) return sg_store_fail(store, rc, "cannot read", err);
    if (key.mv_size != SG_ID_NBYTES)
        return sg_store_damaged(store, "item", 0, "has a key of another size", err);
    e->next = sg_key_id(key.mv_data);
    return true;
}

/* The item of a live code: bare, or the one that comes next. */
static bool take_item(each_item *e, const sg_block *block, uint64_t id, sg_error *err)
{
    sg_store *store = e->view->store;
    sg_item item = {.id = id};
    bool bare = sg_block_is_bare(block, id);
    if (e->next < id || (bare && e->next == id))
        return sg_store_damaged(store, "item", e->next, "has no code of its own", err);
    if (!bare) {
        if (e->next != id)
            return sg_store_damaged(store, "item", id, "is missing, though it has a code", err);
        const char *fault = sg_item_parse(&item, id, e->value.mv_data, e->value.mv_size);
        if (fault) return sg_store_damaged(store, "item", id, fault, err);
    }
    item.code = block->codes + id % SG_BLOCK_CODES * store->code_nbytes;
    e->stopped = !e->visit(e->context, &item, err);
    return !e->stopped && (bare || step(e, err));
}

static bool take_block(void *context, const MDB_val *key, const MDB_val *value, sg_error *err)
{
    each_item *e = context;
    const sg_store *store = e->view->store;
    sg_block block;
    if (key->mv_size != SG_ID_NBYTES)
        return sg_store_damaged(store, "codes", 0, "have a key of another size", err);
    uint64_t number = sg_key_id(key->mv_data), first = number * SG_BLOCK_CODES;
    const char *fault = sg_block_parse(&block, number, store->code_nbytes, value->mv_data, value->mv_size);
    if (fault) return sg_store_damaged(store, "codes", number, fault, err);
    for (uint64_t id = first; id < first + block.slots; id++)
        if (sg_block_has(&block, id) && !take_item(e, &block, id, err)) return false;
    return true;
}

static bool each_item_of(each_item *e, sg_error *err)
{
    sg_store *store = e->view->store;
    if (!sg_view_check(e->view, SG_TABLE_ITEMS, NULL, NULL, 0, err) ||
        !sg_view_check(e->view, SG_TABLE_CODES, NULL, NULL, 0, err))
        return false;
    int rc = mdb_cursor_open(e->view->txn, store->tables[SG_TABLE_ITEMS], &e->items);
    if (rc != 0) return sg_store_fail(store, rc, "cannot read", err);
    bool ok = step(e, err) && sg_view_each(e->view, SG_TABLE_CODES, take_block, e, err);
    if (ok && e->next != UINT64_MAX) ok = sg_store_damaged(store, "item", e->next, "has no code", err);
    mdb_cursor_close(e->items);
    return ok;
}

bool sg_store_each(sg_store *store, bool (*visit)(void *context, const sg_item *item, sg_error *err),
                   void *context, sg_error *err)
{
    sg_view view;
    sg_error why = {SG_OK, ""};
    each_item e = {.view = &view, .visit = visit, .context = context};
    SG_ASSERT(!store->batch);
    if (!sg_view_open(&view, store, err)) return false;
    bool ok = each_item_of(&e, &why);
    sg_view_close(&view);
    if (ok || (e.stopped && why.code == SG_OK)) return true;
    if (err) *err = why;
    return false;
}

/* --- all pairs --- */

typedef struct each_pair {
    const sg_view *view;
    bool (*visit)(void *context, uint64_t a, uint64_t b, sg_error *err);
    void *context;
    bool stopped;
} each_pair;

static bool take_pair(void *context, const MDB_val *key, const MDB_val *value, sg_error *err)
{
    each_pair *e = context;
    uint64_t a = 0, b = 0;
    const char *fault = sg_pair_parse(&a, &b, key, value);
    if (fault) return sg_store_damaged(e->view->store, "pair of item", a, fault, err);
    if (a > b) return true; /* its mirror */
    e->stopped = !e->visit(e->context, a, b, err);
    return !e->stopped;
}

bool sg_store_pairs(sg_store *store, bool (*visit)(void *context, uint64_t a, uint64_t b, sg_error *err),
                    void *context, sg_error *err)
{
    sg_view view;
    sg_error why = {SG_OK, ""};
    each_pair e = {.view = &view, .visit = visit, .context = context};
    SG_ASSERT(!store->batch);
    if (!sg_view_open(&view, store, err)) return false;
    bool ok = sg_view_check(&view, SG_TABLE_PAIRS, NULL, NULL, 0, &why) &&
              sg_view_each(&view, SG_TABLE_PAIRS, take_pair, &e, &why);
    sg_view_close(&view);
    if (ok || (e.stopped && why.code == SG_OK)) return true;
    if (err) *err = why;
    return false;
}
