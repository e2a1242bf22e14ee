/* Batches: put and remove inside one write transaction. When the map is full the transaction is given up, the map
 * made larger and the batch done again from its list of operations: the same ids come out. */
#include "store_impl.h"

#include <signet/mem.h>
#include <string.h>

#define MAP_MAX ((size_t)1 << 46)

typedef struct put_result {
    sg_put_kind kind;
    uint64_t id, other;
} put_result;

static bool start(sg_store *store, sg_error *err)
{
    sg_view view;
    if (!sg_gate_renew(store, err) || !sg_view_open(&view, store, err)) return false;
    store->head = view.head;
    sg_view_close(&view);
    int rc = mdb_txn_begin(store->env, NULL, 0, &store->batch);
    return rc == 0 ? true : sg_store_fail(store, rc, "cannot begin a batch", err);
}

/* Ends the transaction; the list of operations stays. */
static void give_up(sg_store *store)
{
    sg_blocks_clear(store);
    if (store->batch) mdb_txn_abort(store->batch);
    store->batch = NULL;
    store->full = false;
}

static void forget_ops(sg_store *store)
{
    for (size_t i = 0; i < store->nops; i++) sg_free(store->ops[i].copy);
    store->nops = 0;
}

bool sg_store_begin(sg_store *store, sg_error *err)
{
    SG_ASSERT(!store->batch && store->readers == 0);
    if (!store->writable) return sg_fail(err, SG_ERR_USAGE, "%s: is open for reading only", store->dir);
    store->broken = false;
    return start(store, err);
}

void sg_store_abort(sg_store *store)
{
    give_up(store);
    forget_ops(store);
}

/* --- one operation --- */

static bool put(sg_store *store, int table, const void *key, size_t nkey, void *value, size_t nvalue,
                sg_error *err)
{
    MDB_val mkey = {nkey, (void *)key}, mvalue = {nvalue, value};
    int rc = mdb_put(store->batch, store->tables[table], &mkey, &mvalue, 0);
    return rc == 0 ? true : sg_store_fail(store, rc, "cannot write", err);
}

static bool del(sg_store *store, int table, const void *key, size_t nkey, sg_error *err)
{
    MDB_val mkey = {nkey, (void *)key};
    int rc = mdb_del(store->batch, store->tables[table], &mkey, NULL);
    return rc == 0 ? true : sg_store_fail(store, rc, "cannot remove", err);
}

static bool put_item(sg_store *store, const sg_item *item, sg_error *err)
{
    uint8_t key[SG_ID_NBYTES];
    size_t nbytes = sg_item_nbytes(item);
    uint8_t *record = sg_alloc(nbytes, 1);
    if (!record) return sg_fail_memory(err, item->path);
    sg_item_write(record, item);
    sg_id_key(key, item->id);
    bool ok = put(store, SG_TABLE_ITEMS, key, sizeof key, record, nbytes, err);
    sg_free(record);
    return ok;
}

static bool insert(sg_store *store, const sg_item *item, sg_error *err)
{
    uint8_t path_ref[SG_REF_NBYTES], content_ref[SG_REF_NBYTES];
    sg_path_ref(path_ref, item->path, item->id);
    sg_content_ref(content_ref, item->content, item->id);
    if (!put_item(store, item, err) || !put(store, SG_TABLE_PATHS, path_ref, sizeof path_ref, NULL, 0, err) ||
        !put(store, SG_TABLE_CONTENTS, content_ref, sizeof content_ref, NULL, 0, err) ||
        !sg_blocks_set(store, item->id, item->code, err))
        return false;
    store->head.items++;
    store->head.foreign += item->foreign;
    return true;
}

/* item is what the store has of it, borrowed from the map: its last use comes before the record goes. */
static bool erase(sg_store *store, const sg_item *item, sg_error *err)
{
    uint8_t key[SG_ID_NBYTES], path_ref[SG_REF_NBYTES], content_ref[SG_REF_NBYTES];
    bool foreign = item->foreign;
    sg_id_key(key, item->id);
    sg_path_ref(path_ref, item->path, item->id);
    sg_content_ref(content_ref, item->content, item->id);
    if (!sg_blocks_drop(store, item->id, err) ||
        !del(store, SG_TABLE_PATHS, path_ref, sizeof path_ref, err) ||
        !del(store, SG_TABLE_CONTENTS, content_ref, sizeof content_ref, err) ||
        !del(store, SG_TABLE_ITEMS, key, sizeof key, err))
        return false;
    store->head.items--;
    store->head.foreign -= foreign;
    return true;
}

static bool apply_remove(sg_store *store, uint64_t id, sg_error *err)
{
    sg_view view;
    sg_item item;
    bool found;
    if (!sg_view_open(&view, store, err)) return false;
    bool ok = sg_view_item(&item, &found, &view, id, err);
    sg_view_close(&view);
    if (!ok) return false;
    if (!found)
        return sg_fail(err, SG_ERR_NOT_FOUND, "%s: has no item %llu", store->dir, (unsigned long long)id);
    return erase(store, &item, err);
}

/* The same content under the same path: only what the file system says of it may be new. */
static bool renew(sg_store *store, const sg_item *old, const sg_item *item, sg_error *err)
{
    sg_item now = *item;
    now.id = old->id;
    now.foreign = old->foreign; /* the code stays too */
    if (old->nbytes == item->nbytes && old->mtime_ns == item->mtime_ns) return true;
    return put_item(store, &now, err);
}

static bool apply_put(sg_store *store, const sg_item *item, put_result *result, sg_error *err)
{
    sg_view view;
    sg_item old, fresh = *item;
    bool found, ok;
    size_t n = 0;
    if (!sg_view_open(&view, store, err)) return false;
    ok = sg_view_find_path(&old, &found, &view, item->path, err);
    *result = (put_result){found ? SG_PUT_UPDATED : SG_PUT_ADDED, 0, 0};
    if (ok && found && memcmp(old.content, item->content, SG_CONTENT_NBYTES) == 0) {
        *result = (put_result){SG_PUT_UNCHANGED, old.id, 0};
        ok = renew(store, &old, item, err);
        goto done;
    }
    if (ok) ok = sg_view_find_content(&result->other, &n, 1, &view, item->content, err);
    if (ok && found) ok = erase(store, &old, err);
    if (!ok) goto done;
    if (n == 0) result->other = 0;
    if (n > 0 && !found) result->kind = SG_PUT_DUPLICATE;
    fresh.id = result->id = store->head.next_id++;
    ok = insert(store, &fresh, err);
done:
    sg_view_close(&view);
    return ok;
}

/* --- the list of operations --- */

static bool apply(sg_store *store, const sg_store_op *op, put_result *result, sg_error *err)
{
    return op->remove ? apply_remove(store, op->remove, err) : apply_put(store, &op->item, result, err);
}

/* A larger map, and the batch so far once more; again until it fits. */
static bool redo(sg_store *store, put_result *result, sg_error *err)
{
    bool ok = false;
    while (!ok && store->full) {
        MDB_envinfo info;
        give_up(store);
        mdb_env_info(store->env, &info);
        if (info.me_mapsize > MAP_MAX / 2)
            return sg_fail(err, SG_ERR_LIMIT, "%s: the index is larger than it can be", store->dir);
        int rc = mdb_env_set_mapsize(store->env, info.me_mapsize * 2);
        if (rc != 0) return sg_store_fail(store, rc, "cannot map more of the index", err);
        ok = start(store, err);
        for (size_t i = 0; ok && i < store->nops; i++) ok = apply(store, &store->ops[i], result, err);
    }
    return ok;
}

/* Takes a copy of the operation into the list and does it. */
static bool perform(sg_store *store, uint64_t remove, const sg_item *item, put_result *result, sg_error *err)
{
    sg_error why = {SG_OK, ""};
    sg_store_op op = {.remove = remove};
    SG_ASSERT(store->batch);
    if (store->broken) return sg_fail(err, SG_ERR_USAGE, "%s: this batch has failed", store->dir);
    if (item) {
        size_t npath = strlen(item->path) + 1;
        op.item = *item;
        op.copy = sg_alloc(store->code_nbytes + npath, 1);
        if (!op.copy) return sg_fail_memory(err, item->path);
        memcpy(op.copy, item->code, store->code_nbytes);
        memcpy(op.copy + store->code_nbytes, item->path, npath);
        op.item.code = op.copy;
        op.item.path = (const char *)op.copy + store->code_nbytes;
    }
    if (!sg_grow(&store->ops, &store->ops_cap, store->nops + 1, sizeof *store->ops)) {
        sg_free(op.copy);
        return sg_fail_memory(err, "batch");
    }
    store->ops[store->nops++] = op;
    bool ok = apply(store, &op, result, &why) || (store->full && redo(store, result, &why));
    if (ok) return true;
    if (why.code == SG_ERR_NOT_FOUND)
        store->nops--; /* nothing was done: the batch goes on */
    else
        store->broken = true;
    if (err) *err = why;
    return false;
}

bool sg_store_put(sg_put_kind *kind, uint64_t *id, uint64_t *other, sg_store *store, const sg_item *item,
                  sg_error *err)
{
    put_result result = {0};
    if (item->path[0] != '/')
        return sg_fail(err, SG_ERR_USAGE, "%s: a path in an index must be absolute", item->path);
    if (!perform(store, 0, item, &result, err)) return false;
    *kind = result.kind;
    *id = result.id;
    *other = result.other;
    return true;
}

bool sg_store_remove(sg_store *store, uint64_t id, sg_error *err)
{
    put_result unused;
    if (id == 0) return sg_fail(err, SG_ERR_NOT_FOUND, "%s: has no item 0", store->dir);
    return perform(store, id, NULL, &unused, err);
}

/* --- the end --- */

static bool finish(sg_store *store, sg_error *err)
{
    uint8_t record[SG_HEAD_NBYTES];
    sg_store_head head = store->head;
    head.generation++;
    head.txnid = mdb_txn_id(store->batch);
    sg_head_write(record, &head);
    if (!sg_blocks_flush(store, err) || !put(store, SG_TABLE_META, "head", 4, record, sizeof record, err))
        return false;
    MDB_txn *batch = store->batch;
    store->batch = NULL; /* the commit ends it, whatever comes of it */
    int rc = mdb_txn_commit(batch);
    return rc == 0 ? true : sg_store_fail(store, rc, "cannot commit", err);
}

bool sg_store_commit(sg_store *store, sg_error *err)
{
    put_result unused;
    SG_ASSERT(store->batch);
    bool ok = !store->broken || sg_fail(err, SG_ERR_USAGE, "%s: this batch has failed", store->dir);
    if (ok) ok = finish(store, err);
    while (!ok && store->full) ok = redo(store, &unused, err) && finish(store, err);
    sg_store_abort(store); /* what is left of it */
    return ok;
}
