/* The operations of a batch, on the tables. Each may be done again in a larger map, so it takes all that it needs from
 * its sg_store_op and from the store. */
#include "store_impl.h"

#include <signet/mem.h>
#include <string.h>

bool sg_batch_put(sg_store *store, int table, const void *key, size_t nkey, void *value, size_t nvalue,
                  sg_error *err)
{
    MDB_val mkey = {nkey, (void *)key}, mvalue = {nvalue, value};
    int rc = mdb_put(store->batch, store->tables[table], &mkey, &mvalue, 0);
    return rc == 0 ? true : sg_store_fail(store, rc, "cannot write", err);
}

/* was (may be NULL, then it must be there): whether it was. */
static bool del(bool *was, sg_store *store, int table, const void *key, size_t nkey, sg_error *err)
{
    MDB_val mkey = {nkey, (void *)key};
    int rc = mdb_del(store->batch, store->tables[table], &mkey, NULL);
    if (was) *was = rc == 0;
    return rc == 0 || (was && rc == MDB_NOTFOUND) ? true : sg_store_fail(store, rc, "cannot remove", err);
}

/* --- records of items --- */

/* The record is made before anything is written: what item points to may lie in pages that are about to change. */
static uint8_t *make_record(size_t *nbytes, const sg_item *item, sg_error *err)
{
    *nbytes = sg_item_nbytes(item);
    uint8_t *record = sg_alloc(*nbytes, 1);
    if (record)
        sg_item_write(record, item);
    else
        sg_fail_memory(err, item->path);
    return record;
}

static bool put_record(sg_store *store, uint64_t id, uint8_t *record, size_t nbytes, sg_error *err)
{
    uint8_t key[SG_ID_NBYTES];
    sg_id_key(key, id);
    return sg_batch_put(store, SG_TABLE_ITEMS, key, sizeof key, record, nbytes, err);
}

static bool put_item(sg_store *store, const sg_item *item, sg_error *err)
{
    size_t nbytes;
    uint8_t *record = make_record(&nbytes, item, err);
    bool ok = record && put_record(store, item->id, record, nbytes, err);
    sg_free(record);
    return ok;
}

static bool put_outputs(sg_store *store, uint64_t id, const float *outputs, sg_error *err)
{
    uint8_t key[SG_ID_NBYTES];
    size_t nbits = store->head.nbits, nbytes = sg_outputs_nbytes(nbits);
    if (!outputs) return true;
    uint8_t *record = sg_alloc(nbytes, 1);
    if (!record) return sg_fail_memory(err, "outputs");
    sg_outputs_write(record, id, outputs, nbits);
    sg_id_key(key, id);
    bool ok = sg_batch_put(store, SG_TABLE_OUTPUTS, key, sizeof key, record, nbytes, err);
    sg_free(record);
    store->head.outputs += ok;
    return ok;
}

static bool drop_outputs(sg_store *store, uint64_t id, sg_error *err)
{
    uint8_t key[SG_ID_NBYTES];
    bool was = false;
    sg_id_key(key, id);
    bool ok = store->head.outputs == 0 || del(&was, store, SG_TABLE_OUTPUTS, key, sizeof key, err);
    store->head.outputs -= was;
    return ok;
}

/* --- pairs --- */

static bool drop_pair(sg_store *store, uint64_t id, uint64_t other, sg_error *err)
{
    uint8_t key[SG_PAIR_NBYTES], mirror[SG_PAIR_NBYTES];
    bool was;
    sg_pair_key(key, id, other);
    sg_pair_key(mirror, other, id);
    if (!del(&was, store, SG_TABLE_PAIRS, key, sizeof key, err)) return false;
    if (!was) return true;
    store->head.pairs--;
    return del(NULL, store, SG_TABLE_PAIRS, mirror, sizeof mirror, err);
}

/* The lowest id that is paired with `id`. */
static bool first_partner(uint64_t *other, bool *found, sg_store *store, uint64_t id, sg_error *err)
{
    uint8_t from[SG_PAIR_NBYTES];
    MDB_cursor *cursor;
    MDB_val key = {sizeof from, from}, value;
    sg_pair_key(from, id, 0);
    int rc = mdb_cursor_open(store->batch, store->tables[SG_TABLE_PAIRS], &cursor);
    if (rc != 0) return sg_store_fail(store, rc, "cannot read", err);
    rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    *found = rc == 0 && key.mv_size == SG_PAIR_NBYTES && memcmp(key.mv_data, from, SG_ID_NBYTES) == 0;
    if (*found) *other = sg_key_id((const uint8_t *)key.mv_data + SG_ID_NBYTES);
    mdb_cursor_close(cursor);
    return rc == 0 || rc == MDB_NOTFOUND ? true : sg_store_fail(store, rc, "cannot read", err);
}

static bool drop_pairs_of(sg_store *store, uint64_t id, sg_error *err)
{
    for (uint64_t other;;) {
        bool found = false;
        if (store->head.pairs > 0 && !first_partner(&other, &found, store, id, err)) return false;
        if (!found) return true;
        if (!drop_pair(store, id, other, err)) return false;
    }
}

/* --- adding and removing --- */

/* What every new item has, bare or not. */
static bool insert_code(sg_store *store, const sg_item *item, sg_error *err)
{
    if (!sg_blocks_set(store, item->id, item->code, 1, !item->path, err) ||
        !put_outputs(store, item->id, item->outputs, err))
        return false;
    store->head.items++;
    store->head.bare += !item->path;
    store->head.foreign += item->path && item->foreign;
    return true;
}

static bool insert(sg_store *store, const sg_item *item, uint8_t *record, size_t nbytes, sg_error *err)
{
    uint8_t path_ref[SG_REF_NBYTES], content_ref[SG_REF_NBYTES];
    sg_path_ref(path_ref, item->path, item->id);
    sg_content_ref(content_ref, item->content, item->id);
    return put_record(store, item->id, record, nbytes, err) &&
           sg_batch_put(store, SG_TABLE_PATHS, path_ref, sizeof path_ref, NULL, 0, err) &&
           sg_batch_put(store, SG_TABLE_CONTENTS, content_ref, sizeof content_ref, NULL, 0, err) &&
           insert_code(store, item, err);
}

/* item is what the store has of it, borrowed from the map: its last use comes before the record goes. */
static bool erase(sg_store *store, const sg_item *item, sg_error *err)
{
    uint8_t key[SG_ID_NBYTES], path_ref[SG_REF_NBYTES], content_ref[SG_REF_NBYTES];
    bool foreign = item->foreign, bare = !item->path;
    sg_id_key(key, item->id);
    if (!bare) {
        sg_path_ref(path_ref, item->path, item->id);
        sg_content_ref(content_ref, item->content, item->id);
    }
    uint64_t id = item->id;
    if (!sg_blocks_drop(store, id, err) || !drop_outputs(store, id, err) || !drop_pairs_of(store, id, err))
        return false;
    if (!bare && (!del(NULL, store, SG_TABLE_PATHS, path_ref, sizeof path_ref, err) ||
                  !del(NULL, store, SG_TABLE_CONTENTS, content_ref, sizeof content_ref, err) ||
                  !del(NULL, store, SG_TABLE_ITEMS, key, sizeof key, err)))
        return false;
    store->head.items--;
    store->head.bare -= bare;
    store->head.foreign -= foreign;
    return true;
}

/* The item, which must be there; borrowed until the batch changes something. */
static bool need_item(sg_item *item, sg_store *store, uint64_t id, sg_error *err)
{
    sg_view view;
    bool found = false;
    if (!sg_view_open(&view, store, err)) return false;
    bool ok = id == 0 || sg_view_item(item, &found, &view, id, err);
    sg_view_close(&view);
    if (ok && !found)
        return sg_fail(err, SG_ERR_NOT_FOUND, "%s: has no item %llu", store->dir, (unsigned long long)id);
    return ok;
}

static bool need_path(sg_item *item, sg_store *store, uint64_t id, sg_error *err)
{
    if (!need_item(item, store, id, err)) return false;
    return item->path ? true
                      : sg_fail(err, SG_ERR_USAGE, "%s: item %llu is a code without a path", store->dir,
                                (unsigned long long)id);
}

bool sg_apply_skip(sg_store *store, const sg_store_op *op, sg_put_result *result, sg_error *err)
{
    (void)result;
    if (op->id < store->head.next_id)
        return sg_fail(err, SG_ERR_USAGE, "%s: id %llu has been given", store->dir,
                       (unsigned long long)op->id);
    store->head.next_id = op->id;
    return true;
}

bool sg_apply_remove(sg_store *store, const sg_store_op *op, sg_put_result *result, sg_error *err)
{
    (void)result;
    sg_item item;
    return need_item(&item, store, op->id, err) && erase(store, &item, err);
}

bool sg_apply_codes(sg_store *store, const sg_store_op *op, sg_put_result *result, sg_error *err)
{
    *result = (sg_put_result){SG_PUT_ADDED, store->head.next_id, 0};
    if (!sg_blocks_set(store, result->id, op->data, op->n, true, err)) return false;
    store->head.next_id += op->n;
    store->head.items += op->n;
    store->head.bare += op->n;
    return true;
}

/* The same content under the same path: only what the file system says of it, and attributes, may be new. */
static bool renew(sg_store *store, const sg_item *old, sg_item *now, sg_error *err)
{
    now->id = old->id;
    now->foreign = old->foreign; /* the code stays too */
    if (old->nbytes == now->nbytes && old->mtime_ns == now->mtime_ns && old->disk_depth == now->disk_depth &&
        old->attributes_nbytes == now->attributes_nbytes &&
        (now->attributes_nbytes == 0 ||
         memcmp(old->attributes, now->attributes, now->attributes_nbytes) == 0))
        return true;
    return put_item(store, now, err);
}

/* Another content under the path of old, or (NULL) a new path. */
static bool replace(sg_store *store, const sg_item *old, sg_item *fresh, sg_put_result *result, sg_error *err)
{
    size_t nbytes;
    fresh->id = result->id = store->head.next_id;
    uint8_t *record = make_record(&nbytes, fresh, err);
    if (!record) return false;
    store->head.next_id++;
    bool ok = (!old || erase(store, old, err)) && insert(store, fresh, record, nbytes, err);
    sg_free(record);
    return ok;
}

bool sg_apply_put(sg_store *store, const sg_store_op *op, sg_put_result *result, sg_error *err)
{
    sg_view view;
    sg_item old, fresh = *(const sg_item *)op->data;
    bool found;
    *result = (sg_put_result){SG_PUT_ADDED, 0, 0};
    if (!fresh.path) {
        fresh.id = result->id = store->head.next_id++;
        return insert_code(store, &fresh, err);
    }
    if (!sg_view_open(&view, store, err)) return false;
    bool ok = sg_view_find_path(&old, &found, &view, fresh.path, err);
    if (ok && found && !fresh.attributes) {
        fresh.attributes = old.attributes;
        fresh.attributes_nbytes = old.attributes_nbytes;
    }
    if (ok && found && memcmp(old.content, fresh.content, SG_CONTENT_NBYTES) == 0) {
        *result = (sg_put_result){SG_PUT_UNCHANGED, old.id, 0};
        ok = renew(store, &old, &fresh, err);
    } else if (ok) {
        ok = sg_view_first_content(&result->other, &view, fresh.content, err);
        result->kind = found ? SG_PUT_UPDATED : result->other ? SG_PUT_DUPLICATE : SG_PUT_ADDED;
        ok = ok && replace(store, found ? &old : NULL, &fresh, result, err);
    }
    sg_view_close(&view);
    return ok;
}

/* Under an id that is given: neither it nor the path may be there. */
bool sg_apply_put_as(sg_store *store, const sg_store_op *op, sg_put_result *result, sg_error *err)
{
    (void)result;
    sg_view view;
    sg_item other;
    size_t nbytes = 0;
    uint8_t *record = NULL;
    const sg_item *item = op->data;
    bool taken = false;
    if (!sg_view_open(&view, store, err)) return false;
    bool ok = sg_view_item(&other, &taken, &view, item->id, err) &&
              (taken || !item->path || sg_view_find_path(&other, &taken, &view, item->path, err));
    sg_view_close(&view);
    if (!ok) return false;
    if (taken)
        return sg_fail(err, SG_ERR_USAGE, "%s: item %llu stands where item %llu is to go", store->dir,
                       (unsigned long long)other.id, (unsigned long long)item->id);
    if (item->path && !(record = make_record(&nbytes, item, err))) return false;
    if (store->head.next_id <= item->id) store->head.next_id = item->id + 1;
    ok = record ? insert(store, item, record, nbytes, err) : insert_code(store, item, err);
    sg_free(record);
    return ok;
}

bool sg_apply_generation(sg_store *store, const sg_store_op *op, sg_put_result *result, sg_error *err)
{
    (void)result, (void)err;
    if (store->head.generation < op->id) store->head.generation = op->id;
    return true;
}

/* --- changing what is there --- */

bool sg_apply_attributes(sg_store *store, const sg_store_op *op, sg_put_result *result, sg_error *err)
{
    (void)result;
    sg_item item;
    if (!need_path(&item, store, op->id, err)) return false;
    item.attributes = op->data;
    item.attributes_nbytes = op->n;
    return put_item(store, &item, err);
}

bool sg_apply_path(sg_store *store, const sg_store_op *op, sg_put_result *result, sg_error *err)
{
    (void)result;
    sg_view view;
    sg_item item, other;
    bool taken;
    uint8_t old_ref[SG_REF_NBYTES], new_ref[SG_REF_NBYTES];
    if (!need_path(&item, store, op->id, err) || !sg_view_open(&view, store, err)) return false;
    bool ok = sg_view_find_path(&other, &taken, &view, op->data, err);
    sg_view_close(&view);
    if (!ok) return false;
    if (taken && other.id == item.id) return true;
    if (taken)
        return sg_fail(err, SG_ERR_USAGE, "%s: item %llu has the path too", (const char *)op->data,
                       (unsigned long long)other.id);
    sg_path_ref(old_ref, item.path, item.id);
    sg_path_ref(new_ref, op->data, item.id);
    item.path = op->data;
    item.disk_depth = 0;
    return put_item(store, &item, err) && del(NULL, store, SG_TABLE_PATHS, old_ref, sizeof old_ref, err) &&
           sg_batch_put(store, SG_TABLE_PATHS, new_ref, sizeof new_ref, NULL, 0, err);
}

bool sg_apply_search(sg_store *store, const sg_store_op *op, sg_put_result *result, sg_error *err)
{
    (void)result;
    bool was;
    uint8_t *data = op->data;
    memcpy(store->head.kind, data, sizeof store->head.kind);
    if (op->n == 0) return del(&was, store, SG_TABLE_META, "search", 6, err);
    return sg_batch_put(store, SG_TABLE_META, "search", 6, data + sizeof store->head.kind, op->n, err);
}

bool sg_apply_pair(sg_store *store, const sg_store_op *op, sg_put_result *result, sg_error *err)
{
    (void)result;
    sg_item item;
    uint8_t key[SG_PAIR_NBYTES], mirror[SG_PAIR_NBYTES], sum[SG_PAIR_SUM_NBYTES];
    if (!need_item(&item, store, op->id, err) || !need_item(&item, store, op->other, err) ||
        !drop_pair(store, op->id, op->other, err))
        return false;
    if (!op->n) return true;
    sg_pair_key(key, op->id, op->other);
    sg_pair_key(mirror, op->other, op->id);
    sg_pair_sum(sum, key);
    if (!sg_batch_put(store, SG_TABLE_PAIRS, key, sizeof key, sum, sizeof sum, err)) return false;
    sg_pair_sum(sum, mirror);
    if (!sg_batch_put(store, SG_TABLE_PAIRS, mirror, sizeof mirror, sum, sizeof sum, err)) return false;
    store->head.pairs++;
    return true;
}
