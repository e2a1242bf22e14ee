/* Batches: what changes the store, inside one write transaction. When the map is full the transaction is given up, the
 * map made larger and the batch done again from its list of operations: the same ids come out. */
#include "store_impl.h"

#include <signet/mem.h>
#include <string.h>

#define MAP_MAX ((size_t)1 << 46)

/* The tables that an older version lacks. */
static bool add_tables(sg_store *store, sg_error *err)
{
    for (int i = sg_tables_of(store->head.version); i < SG_TABLES; i++) {
        int rc = mdb_dbi_open(store->batch, sg_table_names[i], MDB_CREATE, &store->tables[i]);
        if (rc != 0) return sg_store_fail(store, rc, "cannot make a table", err);
    }
    store->head.version = SG_STORE_VERSION;
    return true;
}

static bool start(sg_store *store, sg_error *err)
{
    sg_view view;
    if (!sg_gate_renew(store, err) || !sg_view_open(&view, store, err)) return false;
    store->head = view.head;
    sg_view_close(&view);
    int rc = mdb_txn_begin(store->env, NULL, 0, &store->batch);
    if (rc != 0) return sg_store_fail(store, rc, "cannot begin a batch", err);
    if (mdb_txn_id(store->batch) != store->head.txnid + 1)
        return sg_fail(err, SG_ERR_IO, "%s: another program has written to this index", store->dir);
    return add_tables(store, err);
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
    for (size_t i = 0; i < store->nops; i++) sg_free(store->ops[i].data);
    store->nops = 0;
}

void sg_store_abort(sg_store *store)
{
    give_up(store);
    forget_ops(store);
}

/* A larger map, and the batch so far once more; again until it fits. */
static bool redo(sg_store *store, sg_put_result *result, sg_error *err)
{
    bool ok = false;
    while (!ok && store->full) {
        MDB_envinfo info;
        give_up(store);
        mdb_env_info(store->env, &info);
        if (info.me_mapsize > MAP_MAX / 2)
            return sg_fail(err, SG_ERR_LIMIT, "%s: the index is larger than it can be", store->dir);
        if (!sg_store_remap(store, info.me_mapsize * 2, err)) return false;
        ok = start(store, err);
        for (size_t i = 0; ok && i < store->nops; i++)
            ok = store->ops[i].apply(store, &store->ops[i], result, err);
    }
    return ok;
}

bool sg_store_begin(sg_store *store, sg_error *err)
{
    sg_put_result unused;
    sg_error why = {SG_OK, ""};
    SG_ASSERT(!store->batch && store->readers == 0);
    if (!store->writable) return sg_fail(err, SG_ERR_USAGE, "%s: is open for reading only", store->dir);
    store->broken = false;
    if (start(store, &why) || (store->full && redo(store, &unused, &why))) return true;
    give_up(store);
    if (err) *err = why;
    return false;
}

/* --- operations: each is taken into the list, which owns its data, and done --- */

static bool perform(sg_store *store, const sg_store_op *op, sg_put_result *result, sg_error *err)
{
    sg_error why = {SG_OK, ""};
    SG_ASSERT(store->batch);
    if (store->broken || !sg_grow(&store->ops, &store->ops_cap, store->nops + 1, sizeof *store->ops)) {
        sg_free(op->data);
        return store->broken ? sg_fail(err, SG_ERR_USAGE, "%s: this batch has failed", store->dir)
                             : sg_fail_memory(err, "batch");
    }
    store->ops[store->nops++] = *op;
    if (op->apply(store, op, result, &why) || (store->full && redo(store, result, &why))) return true;
    if (why.code == SG_ERR_NOT_FOUND || why.code == SG_ERR_USAGE)
        sg_free(store->ops[--store->nops].data); /* nothing was done: the batch goes on */
    else
        store->broken = true;
    if (err) *err = why;
    return false;
}

static bool check_path(const char *path, sg_error *err)
{
    return path[0] == '/' ? true
                          : sg_fail(err, SG_ERR_USAGE, "%s: a path in an index must be absolute", path);
}

static bool check_attributes(const char *data, size_t nbytes, sg_error *err)
{
    const char *fault = data ? sg_attributes_fault(data, nbytes) : NULL;
    return fault ? sg_fail(err, SG_ERR_USAGE, "%s", fault) : true;
}

/* Puts bytes behind each other; NULL stays NULL. */
static const void *keep(uint8_t **at, const void *bytes, size_t nbytes)
{
    uint8_t *to = *at;
    if (!bytes) return NULL;
    memcpy(to, bytes, nbytes);
    *at += nbytes;
    return to;
}

/* An item with all that it points to, in one piece. */
static sg_item *copy_item(const sg_store *store, const sg_item *item)
{
    const size_t nbits = store->head.nbits, npath = item->path ? strlen(item->path) + 1 : 0;
    const float *outputs = store->head.keeps_outputs ? item->outputs : NULL;
    const size_t noutputs = outputs ? nbits * sizeof *outputs : 0;
    const size_t nattributes = item->attributes ? item->attributes_nbytes : 0;
    sg_item *copy = sg_alloc(sizeof *copy + noutputs + nbits / 8 + npath + nattributes, 1);
    if (!copy) return NULL;
    uint8_t *at = (uint8_t *)(copy + 1);
    *copy = *item;
    copy->outputs = keep(&at, outputs, noutputs);
    copy->code = keep(&at, item->code, nbits / 8);
    copy->path = keep(&at, item->path, npath);
    copy->attributes = keep(&at, item->attributes, nattributes);
    copy->attributes_nbytes = nattributes;
    return copy;
}

static bool check_item(const sg_store *store, const sg_item *item, sg_error *err)
{
    if (item->path && !check_path(item->path, err)) return false;
    if (!check_attributes(item->attributes, item->attributes_nbytes, err)) return false;
    if (!item->path && item->attributes && item->attributes_nbytes > 0)
        return sg_fail(err, SG_ERR_USAGE, "%s: a code without a path has no attributes", store->dir);
    return true;
}

bool sg_store_put(sg_put_kind *kind, uint64_t *id, uint64_t *other, sg_store *store, const sg_item *item,
                  sg_error *err)
{
    sg_put_result result = {0};
    if (!check_item(store, item, err)) return false;
    sg_item *copy = copy_item(store, item);
    if (!copy) return sg_fail_memory(err, item->path ? item->path : "code");
    if (!perform(store, &(sg_store_op){.apply = sg_apply_put, .data = copy}, &result, err)) return false;
    *kind = result.kind;
    *id = result.id;
    *other = result.other;
    return true;
}

bool sg_store_put_as(sg_store *store, const sg_item *item, sg_error *err)
{
    sg_put_result unused;
    if (!check_item(store, item, err)) return false;
    if (item->id == 0 || item->id == UINT64_MAX)
        return sg_fail(err, SG_ERR_USAGE, "%s: %llu is no id", store->dir, (unsigned long long)item->id);
    sg_item *copy = copy_item(store, item);
    if (!copy) return sg_fail_memory(err, item->path ? item->path : "code");
    return perform(store, &(sg_store_op){.apply = sg_apply_put_as, .data = copy}, &unused, err);
}

/* Performs op with its own copy of nbytes (which may be none). */
static bool perform_with(sg_store *store, sg_store_op op, const void *bytes, size_t nbytes, sg_error *err)
{
    sg_put_result unused;
    if (nbytes > 0 && !(op.data = sg_memdup(bytes, nbytes))) return sg_fail_memory(err, "batch");
    return perform(store, &op, &unused, err);
}

bool sg_store_put_codes(uint64_t *first, sg_store *store, const uint8_t *codes, size_t n, sg_error *err)
{
    *first = store->head.next_id;
    if (n == 0) return true;
    return perform_with(store, (sg_store_op){.apply = sg_apply_codes, .n = n}, codes, n * store->code_nbytes,
                        err);
}

bool sg_store_skip_ids(sg_store *store, uint64_t next, sg_error *err)
{
    return perform_with(store, (sg_store_op){.apply = sg_apply_skip, .id = next}, NULL, 0, err);
}

bool sg_store_skip_generations(sg_store *store, uint64_t generation, sg_error *err)
{
    const sg_store_op op = {.apply = sg_apply_generation, .id = generation};
    return perform_with(store, op, NULL, 0, err);
}

bool sg_store_remove(sg_store *store, uint64_t id, sg_error *err)
{
    return perform_with(store, (sg_store_op){.apply = sg_apply_remove, .id = id}, NULL, 0, err);
}

bool sg_store_set_attributes(sg_store *store, uint64_t id, const char *data, size_t nbytes, sg_error *err)
{
    if (!check_attributes(data, nbytes, err)) return false;
    return perform_with(store, (sg_store_op){.apply = sg_apply_attributes, .id = id, .n = nbytes}, data,
                        nbytes, err);
}

bool sg_store_set_path(sg_store *store, uint64_t id, const char *path, sg_error *err)
{
    if (!check_path(path, err)) return false;
    return perform_with(store, (sg_store_op){.apply = sg_apply_path, .id = id}, path, strlen(path) + 1, err);
}

bool sg_store_set_search(sg_store *store, const char *kind, const sg_kv *params, sg_error *err)
{
    sg_store_head named;
    sg_put_result unused;
    uint8_t *record = NULL, *data;
    size_t nbytes = 0;
    if (!sg_head_set_kind(&named, kind, err)) return false;
    if (params && params->n > 0 && !sg_texts_write(&record, &nbytes, params, err)) return false;
    data = sg_alloc(sizeof named.kind + nbytes, 1);
    if (data) {
        memcpy(data, named.kind, sizeof named.kind);
        if (record) memcpy(data + sizeof named.kind, record, nbytes);
    }
    sg_free(record);
    if (!data) return sg_fail_memory(err, "batch");
    return perform(store, &(sg_store_op){.apply = sg_apply_search, .data = data, .n = nbytes}, &unused, err);
}

bool sg_store_pair_set(sg_store *store, uint64_t a, uint64_t b, bool marked, sg_error *err)
{
    if (a == b) return sg_fail(err, SG_ERR_USAGE, "%s: a pair is of two items", store->dir);
    return perform_with(store, (sg_store_op){.apply = sg_apply_pair, .id = a, .other = b, .n = marked}, NULL,
                        0, err);
}

/* --- the end --- */

static bool finish(sg_store *store, sg_error *err)
{
    uint8_t record[SG_HEAD_NBYTES];
    sg_store_head head = store->head;
    head.generation++;
    head.txnid = mdb_txn_id(store->batch);
    sg_head_write(record, &head);
    if (!sg_blocks_flush(store, err) ||
        !sg_batch_put(store, SG_TABLE_META, "head", 4, record, sizeof record, err))
        return false;
    MDB_txn *batch = store->batch;
    store->batch = NULL; /* the commit ends it, whatever comes of it */
    int rc = mdb_txn_commit(batch);
    if (rc != 0) return sg_store_fail(store, rc, "cannot commit", err);
    store->version = SG_STORE_VERSION;
    return true;
}

bool sg_store_commit(sg_store *store, sg_error *err)
{
    sg_put_result unused;
    SG_ASSERT(store->batch);
    bool ok = !store->broken || sg_fail(err, SG_ERR_USAGE, "%s: this batch has failed", store->dir);
    if (ok) ok = finish(store, err);
    while (!ok && store->full) ok = redo(store, &unused, err) && finish(store, err);
    sg_store_abort(store); /* what is left of it */
    return ok;
}
