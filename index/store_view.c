/* Views: one consistent state, whose pages are checked before LMDB follows them. */
#include "store_impl.h"

#include <string.h>

#define SNAPSHOT_ATTEMPTS 1000

/* A read transaction. A writer of another process may have made the map larger; readers that were killed may have filled
 * the table of readers. */
static bool begin_read(sg_view *view, sg_error *err)
{
    sg_store *store = view->store;
    int rc, dead = 0;
    while ((rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &view->txn)) != 0) {
        if (rc == MDB_MAP_RESIZED) {
            if (!sg_store_remap(store, 0, err)) return false;
        } else if (rc != MDB_READERS_FULL || mdb_reader_check(store->env, &dead) != 0 || dead == 0) {
            break; /* else there is room again: readers that died had left their entries */
        }
    }
    return rc == 0 ? true : sg_store_fail(store, rc, "cannot read", err);
}

/* A read transaction and the pages of its state. */
static bool begin_snapshot(sg_view *view, sg_error *err)
{
    sg_store *store = view->store;
    bool moved = true;
    for (int i = 0; moved; i++) {
        if (!sg_store_follow(store, err) || !sg_gate_enter(store, err) || !begin_read(view, err))
            return false;
        bool ok = sg_pages_snapshot(&view->pages, &moved, store->fd, store->file, mdb_txn_id(view->txn), err);
        if (ok && !moved) break;
        mdb_txn_abort(view->txn);
        if (!ok) return false;
        if (i == SNAPSHOT_ATTEMPTS)
            return sg_fail(err, SG_ERR_FORMAT, "%s: damaged: no meta page of the newest transaction",
                           store->file);
    }
    return true;
}

bool sg_view_open_bare(sg_view *view, sg_store *store, sg_error *err)
{
    if (store->batch) { /* its pages are in memory, not in the file */
        *view = (sg_view){.store = store, .txn = store->batch, .trusted = true, .head = store->head};
    } else if (store->outer) {
        *view = *store->outer;
        view->own = false;
        view->pages.seen = NULL;
    } else {
        *view = (sg_view){.store = store, .own = true};
        if (!begin_snapshot(view, err)) {
            sg_gate_leave(store);
            return false;
        }
        store->outer = view;
    }
    store->readers++;
    return true;
}

static bool read_head(sg_view *view, sg_error *err)
{
    MDB_val value;
    if (!sg_view_get(&value, view, SG_TABLE_META, "head", 4, err)) return false;
    const char *fault =
        value.mv_data ? sg_head_parse(&view->head, value.mv_data, value.mv_size) : "is missing";
    if (!fault && view->head.txnid != mdb_txn_id(view->txn)) fault = "is not of this transaction";
    return fault ? sg_fail(err, SG_ERR_FORMAT, "%s: damaged: the head %s", view->store->dir, fault) : true;
}

bool sg_view_open(sg_view *view, sg_store *store, sg_error *err)
{
    if (!sg_view_open_bare(view, store, err)) return false;
    if (!view->own) return true; /* the head has come along */
    bool ok = read_head(view, err);
    unsigned version = view->head.version;
    if (ok && version <= store->version) return true;
    sg_view_close(view);
    /* Another process may have made it a newer version since this one opened it. */
    return ok && sg_store_open_tables(store, version, err) && sg_view_open(view, store, err);
}

void sg_view_close(sg_view *view)
{
    SG_ASSERT(view->store->readers > 0);
    view->store->readers--;
    if (view->own) {
        SG_ASSERT(view->store->readers == 0);
        if (view->txn) mdb_txn_abort(view->txn);
        view->store->outer = NULL;
        sg_gate_leave(view->store);
    }
    view->txn = NULL;
}

/* An older version has fewer tables: those that it lacks are as good as empty. The first ones stand in all. */
static bool has_table(const sg_view *view, int table)
{
    return table < SG_TABLES_1 || table < sg_tables_of(view->head.version);
}

bool sg_view_check(const sg_view *view, int table, const void *lo, const void *hi, size_t nbytes,
                   sg_error *err)
{
    sg_tree tree;
    if (view->trusted || !has_table(view, table)) return true;
    return sg_pages_tree(&tree, &view->pages, sg_table_names[table], err) &&
           sg_pages_check(&view->pages, &tree, (sg_span){lo, nbytes}, (sg_span){hi, nbytes}, err);
}

bool sg_view_get(MDB_val *value, const sg_view *view, int table, const void *key, size_t nbytes,
                 sg_error *err)
{
    *value = (MDB_val){0, NULL};
    if (!has_table(view, table)) return true;
    if (!sg_view_check(view, table, key, key, nbytes, err)) return false;
    MDB_val mkey = {nbytes, (void *)key};
    int rc = mdb_get(view->txn, view->store->tables[table], &mkey, value);
    if (rc == MDB_NOTFOUND) *value = (MDB_val){0, NULL};
    return rc == 0 || rc == MDB_NOTFOUND ? true : sg_store_fail(view->store, rc, "cannot read", err);
}

static bool look_bare(bool *bare, const sg_view *view, uint64_t id, sg_error *err)
{
    uint8_t key[SG_ID_NBYTES];
    MDB_val value;
    sg_block block;
    bool live;
    uint64_t number = id / SG_BLOCK_CODES;
    *bare = false;
    if (!view->own && sg_blocks_look(&live, bare, view->store, id)) return true;
    sg_id_key(key, number);
    if (!sg_view_get(&value, view, SG_TABLE_CODES, key, sizeof key, err)) return false;
    if (!value.mv_data) return true;
    const char *fault =
        sg_block_parse(&block, number, view->store->code_nbytes, value.mv_data, value.mv_size);
    if (fault) return sg_store_damaged(view->store, "codes", number, fault, err);
    *bare = sg_block_is_bare(&block, id);
    return true;
}

bool sg_view_item(sg_item *item, bool *found, const sg_view *view, uint64_t id, sg_error *err)
{
    uint8_t key[SG_ID_NBYTES];
    MDB_val value;
    *found = false;
    sg_id_key(key, id);
    if (!sg_view_get(&value, view, SG_TABLE_ITEMS, key, sizeof key, err)) return false;
    if (!value.mv_data) {
        *item = (sg_item){.id = id};
        return view->head.bare == 0 || look_bare(found, view, id, err);
    }
    const char *fault = sg_item_parse(item, id, value.mv_data, value.mv_size);
    if (fault) return sg_store_damaged(view->store, "item", id, fault, err);
    *found = true;
    return true;
}

bool sg_view_block(sg_block *block, const char **fault, const sg_view *view, uint64_t number, sg_error *err)
{
    uint8_t key[SG_ID_NBYTES];
    MDB_val value;
    *fault = NULL;
    if (block->codes && block->number == number) return true;
    *block = (sg_block){0};
    *fault = "are missing";
    sg_id_key(key, number);
    if (!sg_view_get(&value, view, SG_TABLE_CODES, key, sizeof key, err)) return false;
    if (value.mv_data)
        *fault = sg_block_parse(block, number, view->store->code_nbytes, value.mv_data, value.mv_size);
    if (*fault) *block = (sg_block){0};
    return true;
}

/* Visits the ids that stand behind a hash in paths or contents, in ascending order, until visit returns false. */
typedef bool (*id_visit)(void *context, uint64_t id, sg_error *err);

static bool each_ref(const sg_view *view, int table, const uint8_t hash[16], id_visit visit, void *context,
                     sg_error *err)
{
    uint8_t lo[SG_REF_NBYTES], hi[SG_REF_NBYTES];
    MDB_cursor *cursor;
    memcpy(lo, hash, 16);
    memcpy(hi, hash, 16);
    sg_id_key(lo + 16, 0);
    sg_id_key(hi + 16, UINT64_MAX);
    if (!sg_view_check(view, table, lo, hi, SG_REF_NBYTES, err)) return false;
    int rc = mdb_cursor_open(view->txn, view->store->tables[table], &cursor);
    if (rc != 0) return sg_store_fail(view->store, rc, "cannot read", err);
    MDB_val key = {sizeof lo, lo}, value;
    bool more = true;
    for (MDB_cursor_op op = MDB_SET_RANGE; more; op = MDB_NEXT) {
        rc = mdb_cursor_get(cursor, &key, &value, op);
        if (rc != 0 || key.mv_size != SG_REF_NBYTES || memcmp(key.mv_data, hash, 16) != 0) break;
        more = visit(context, sg_key_id((const uint8_t *)key.mv_data + 16), err);
    }
    mdb_cursor_close(cursor);
    return rc == 0 || rc == MDB_NOTFOUND ? true : sg_store_fail(view->store, rc, "cannot read", err);
}

typedef struct path_search {
    const sg_view *view;
    const char *path;
    sg_item *item;
    bool found, failed;
} path_search;

static bool compare_path(void *context, uint64_t id, sg_error *err)
{
    path_search *s = context;
    bool there;
    if (!sg_view_item(s->item, &there, s->view, id, err) ||
        ((!there || !s->item->path) &&
         !sg_store_damaged(s->view->store, "item", id, "is missing, though a path leads to it", err))) {
        s->failed = true;
        return false;
    }
    s->found = strcmp(s->item->path, s->path) == 0; /* hashes may be equal by chance or by intent */
    return !s->found;
}

bool sg_view_find_path(sg_item *item, bool *found, const sg_view *view, const char *path, sg_error *err)
{
    path_search s = {.view = view, .path = path, .item = item};
    uint8_t hash[16];
    sg_xxh3_128(hash, path, strlen(path));
    bool ok = each_ref(view, SG_TABLE_PATHS, hash, compare_path, &s, err) && !s.failed;
    *found = ok && s.found;
    return ok;
}

typedef struct id_list {
    uint64_t *ids;
    size_t n, max;
} id_list;

static bool append_id(void *context, uint64_t id, sg_error *err)
{
    (void)err;
    id_list *list = context;
    if (list->n < list->max) list->ids[list->n] = id;
    list->n++;
    return true;
}

static bool take_id(void *context, uint64_t id, sg_error *err)
{
    (void)err;
    *(uint64_t *)context = id;
    return false;
}

bool sg_view_first_content(uint64_t *id, const sg_view *view, const uint8_t content[SG_CONTENT_NBYTES],
                           sg_error *err)
{
    *id = 0;
    return each_ref(view, SG_TABLE_CONTENTS, content, take_id, id, err);
}

bool sg_view_find_content(uint64_t *ids, size_t *n, size_t max, const sg_view *view,
                          const uint8_t content[SG_CONTENT_NBYTES], sg_error *err)
{
    id_list list = {ids, 0, max};
    bool ok = each_ref(view, SG_TABLE_CONTENTS, content, append_id, &list, err);
    *n = list.n;
    return ok;
}

bool sg_view_each(const sg_view *view, int table, sg_view_visit visit, void *context, sg_error *err)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    if (!has_table(view, table)) return true;
    int rc = mdb_cursor_open(view->txn, view->store->tables[table], &cursor);
    if (rc != 0) return sg_store_fail(view->store, rc, "cannot read", err);
    bool go_on = true;
    while (go_on && (rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0)
        go_on = visit(context, &key, &value, err);
    mdb_cursor_close(cursor);
    if (!go_on) return false;
    return rc == MDB_NOTFOUND ? true : sg_store_fail(view->store, rc, "cannot read", err);
}
