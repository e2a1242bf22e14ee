/* Verification: first the pages as bytes, so that LMDB meets no damage; then every record, and every table against
 * the others. */
#include "store_impl.h"

#include <inttypes.h>
#include <signet/interrupt.h>
#include <signet/mem.h>
#include <string.h>

typedef struct check {
    sg_view *view;
    sg_block block;                                       /* of the last item */
    uint64_t codes, bare, items, foreign, outputs, pairs; /* met so far */
    size_t faults;
    void (*report)(void *context, const char *fault);
    void *context;
} check;

/* Damage is reported and the work goes on; anything else ends it. */
static bool note(check *c, const sg_error *why, sg_error *err)
{
    if (why->code != SG_ERR_FORMAT) {
        if (err) *err = *why;
        return false;
    }
    c->faults++;
    if (c->report) c->report(c->context, why->message);
    return true;
}

/* --- pages --- */

static bool check_tree(check *c, const sg_tree *tree, sg_error *err)
{
    const sg_span none = {NULL, 0};
    sg_error why;
    return sg_pages_check(&c->view->pages, tree, none, none, &why) || note(c, &why, err);
}

static bool check_table(check *c, const char *name, sg_error *err)
{
    sg_tree tree;
    sg_error why;
    if (!sg_pages_tree(&tree, &c->view->pages, name, &why)) return note(c, &why, err);
    return check_tree(c, &tree, err);
}

/* A record of the free list: how many, then their numbers, all native 64-bit. None may be in use. */
static bool check_free(check *c, const MDB_val *value, sg_error *err)
{
    const sg_pages *pages = &c->view->pages;
    sg_error why;
    uint64_t count = 0, number;
    if (value->mv_size >= 8) memcpy(&count, value->mv_data, 8);
    if (value->mv_size < 8 || count > value->mv_size / 8 - 1) {
        sg_fail(&why, SG_ERR_FORMAT, "%s: damaged: a record of the free list", pages->path);
        return note(c, &why, err);
    }
    for (uint64_t i = 0; i < count; i++) {
        memcpy(&number, (const uint8_t *)value->mv_data + 8 * (i + 1), 8);
        bool sound = number >= 2 && number < pages->npages && !(pages->seen[number / 8] >> (number & 7) & 1);
        if (sound) {
            pages->seen[number / 8] |= (uint8_t)(1u << (number & 7));
            continue;
        }
        sg_fail(&why, SG_ERR_FORMAT, "%s: damaged: the free list holds page %" PRIu64 ", which is in use",
                pages->path, number);
        if (!note(c, &why, err)) return false;
    }
    return true;
}

static bool check_free_list(check *c, sg_error *err)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    int rc = mdb_cursor_open(c->view->txn, 0, &cursor); /* table 0 is LMDB's own */
    if (rc != 0) return sg_store_fail(c->view->store, rc, "cannot read the free list", err);
    bool ok = true;
    while (ok && (rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) ok = check_free(c, &value, err);
    mdb_cursor_close(cursor);
    if (ok && rc != MDB_NOTFOUND) return sg_store_fail(c->view->store, rc, "cannot read the free list", err);
    return ok;
}

/* Every page that is in use, each once. */
static bool check_pages(check *c, sg_error *err)
{
    sg_pages *pages = &c->view->pages;
    pages->seen = sg_calloc(pages->npages / 8 + 1, 1);
    if (!pages->seen) return sg_fail_memory(err, "verify");
    bool ok = check_tree(c, &pages->free, err) && check_tree(c, &pages->main, err);
    for (int i = 0; ok && i < sg_tables_of(c->view->head.version); i++)
        ok = check_table(c, sg_table_names[i], err);
    if (ok && c->faults == 0) ok = check_free_list(c, err);
    sg_free(pages->seen);
    pages->seen = NULL;
    return ok;
}

static void keep_first(void *context, const char *fault)
{
    sg_error *first = context;
    if (first->code == SG_OK) sg_fail(first, SG_ERR_FORMAT, "%s", fault);
}

bool sg_view_check_pages(sg_view *view, sg_error *err)
{
    sg_error first = {SG_OK, ""};
    check c = {.view = view, .report = keep_first, .context = &first};
    if (!check_pages(&c, err)) return false;
    if (c.faults > 0 && err) *err = first;
    return c.faults == 0;
}

/* --- records --- */

static bool check_block(void *context, const MDB_val *key, const MDB_val *value, sg_error *err)
{
    check *c = context;
    const sg_store *store = c->view->store;
    sg_block block;
    sg_error why;
    const char *fault = "has a key of another size";
    uint64_t number = 0;
    if (!sg_interrupt_check(err)) return false;
    if (key->mv_size == SG_ID_NBYTES) {
        number = sg_key_id(key->mv_data);
        fault = sg_block_parse(&block, number, store->code_nbytes, value->mv_data, value->mv_size);
    }
    if (!fault && number * SG_BLOCK_CODES + block.slots > c->view->head.next_id)
        fault = "hold ids that were never given";
    if (fault) {
        sg_store_damaged(store, "codes", number, fault, &why);
        return note(c, &why, err);
    }
    c->codes += block.live_count;
    c->bare += sg_block_bare_count(&block);
    return true;
}

static bool has_ref(bool *has, const check *c, int table, const uint8_t ref[SG_REF_NBYTES], sg_error *err)
{
    MDB_val value;
    if (!sg_view_get(&value, c->view, table, ref, SG_REF_NBYTES, err)) return false;
    *has = value.mv_data != NULL;
    return true;
}

/* What the other tables say of a sound item: the first disagreement, or NULL. */
static bool compare_tables(const char **fault, check *c, const sg_item *item, sg_error *err)
{
    uint8_t ref[SG_REF_NBYTES];
    bool has_path, has_content, found;
    sg_item first;
    sg_path_ref(ref, item->path, item->id);
    if (!has_ref(&has_path, c, SG_TABLE_PATHS, ref, err)) return false;
    sg_content_ref(ref, item->content, item->id);
    if (!has_ref(&has_content, c, SG_TABLE_CONTENTS, ref, err)) return false;
    if (!sg_view_block(&c->block, fault, c->view, item->id / SG_BLOCK_CODES, err)) return false;
    bool sound = !*fault; /* a damaged block has been reported as such */
    *fault = sound && !sg_block_has(&c->block, item->id) ? "has no code" : NULL;
    if (sound && sg_block_is_bare(&c->block, item->id))
        *fault = "has a code that is marked as without a path";
    if (!has_path) *fault = "is not found by its path";
    if (!has_content) *fault = "is not found by its content";
    if (item->id == 0 || item->id >= c->view->head.next_id) *fault = "has an id that was never given";
    if (*fault) return true;
    if (!sg_view_find_path(&first, &found, c->view, item->path, err)) return false;
    if (first.id != item->id) *fault = "has a path that another item has too";
    return true;
}

static bool check_item(void *context, const MDB_val *key, const MDB_val *value, sg_error *err)
{
    check *c = context;
    sg_item item;
    sg_error why = {SG_OK, ""};
    const char *fault = "has a key of another size";
    uint64_t id = 0;
    if (!sg_interrupt_check(err)) return false;
    c->items++;
    if (key->mv_size == SG_ID_NBYTES) {
        id = sg_key_id(key->mv_data);
        fault = sg_item_parse(&item, id, value->mv_data, value->mv_size);
    }
    if (!fault) c->foreign += item.foreign;
    if (!fault && !compare_tables(&fault, c, &item, &why)) return note(c, &why, err);
    if (!fault) return true;
    sg_store_damaged(c->view->store, "item", id, fault, &why);
    return note(c, &why, err);
}

/* Does a sound code with this id live? */
static bool lives(bool *is, check *c, uint64_t id, sg_error *err)
{
    const char *fault;
    if (!sg_view_block(&c->block, &fault, c->view, id / SG_BLOCK_CODES, err)) return false;
    *is = !fault && sg_block_has(&c->block, id);
    return true;
}

static bool note_fault(check *c, const char *table, uint64_t id, const char *fault, sg_error *err)
{
    sg_error why;
    sg_store_damaged(c->view->store, table, id, fault, &why);
    return note(c, &why, err);
}

static bool check_outputs(void *context, const MDB_val *key, const MDB_val *value, sg_error *err)
{
    check *c = context;
    const char *fault = "have a key of another size";
    uint64_t id = 0;
    bool alive = true;
    if (!sg_interrupt_check(err)) return false;
    c->outputs++;
    if (key->mv_size == SG_ID_NBYTES) {
        id = sg_key_id(key->mv_data);
        fault = sg_outputs_parse(NULL, id, c->view->head.nbits, value->mv_data, value->mv_size);
    }
    if (!fault && !lives(&alive, c, id, err)) return false;
    if (!alive) fault = "are of no item";
    return fault ? note_fault(c, "outputs", id, fault, err) : true;
}

static bool check_pair(void *context, const MDB_val *key, const MDB_val *value, sg_error *err)
{
    check *c = context;
    uint64_t id = 0, other = 0;
    uint8_t mirror[SG_PAIR_NBYTES];
    MDB_val there;
    bool first = true, second = true;
    if (!sg_interrupt_check(err)) return false;
    c->pairs++;
    const char *fault = sg_pair_parse(&id, &other, key, value);
    if (fault) return note_fault(c, "pair of item", id, fault, err);
    sg_pair_key(mirror, other, id);
    if (!sg_view_get(&there, c->view, SG_TABLE_PAIRS, mirror, sizeof mirror, err) ||
        !lives(&first, c, id, err) || !lives(&second, c, other, err))
        return false;
    if (!there.mv_data) fault = "stands in one order only";
    if (!first || !second) fault = "is with what is no item";
    return fault ? note_fault(c, "pair of item", id, fault, err) : true;
}

static bool count_entry(void *context, const MDB_val *key, const MDB_val *value, sg_error *err)
{
    (void)key, (void)value, (void)err;
    ++*(uint64_t *)context;
    return true;
}

/* Each item was found in every other table, so equal numbers mean that nothing there leads nowhere. */
static bool compare_counts(check *c, uint64_t paths, uint64_t contents, sg_error *err)
{
    sg_error why;
    const sg_store_head *head = &c->view->head;
    uint64_t items = head->items - head->bare; /* with a path */
    if (c->items != items || c->codes != head->items || c->bare != head->bare || paths != items ||
        contents != items || c->foreign != head->foreign) {
        sg_fail(&why, SG_ERR_FORMAT,
                "%s: damaged: %" PRIu64 " items are recorded; there are %" PRIu64 " items, %" PRIu64
                " codes, %" PRIu64 " paths, %" PRIu64 " contents, %" PRIu64 " of %" PRIu64
                " foreign, %" PRIu64 " of %" PRIu64 " without a path",
                c->view->store->dir, head->items, c->items + c->bare, c->codes, paths, contents, c->foreign,
                head->foreign, c->bare, head->bare);
        if (!note(c, &why, err)) return false;
    }
    if (c->outputs == head->outputs && c->pairs == 2 * head->pairs) return true;
    sg_fail(&why, SG_ERR_FORMAT,
            "%s: damaged: there are outputs of %" PRIu64 " of %" PRIu64 " items, and %" PRIu64 " of %" PRIu64
            " halves of pairs",
            c->view->store->dir, c->outputs, head->outputs, c->pairs, 2 * head->pairs);
    return note(c, &why, err);
}

static bool check_records(check *c, sg_error *err)
{
    sg_store_info info;
    sg_error why;
    uint64_t paths = 0, contents = 0;
    if (sg_store_info_get(&info, c->view->store, &why))
        sg_store_info_clear(&info);
    else if (!note(c, &why, err))
        return false;
    return sg_view_each(c->view, SG_TABLE_CODES, check_block, c, err) &&
           sg_view_each(c->view, SG_TABLE_ITEMS, check_item, c, err) &&
           sg_view_each(c->view, SG_TABLE_PATHS, count_entry, &paths, err) &&
           sg_view_each(c->view, SG_TABLE_CONTENTS, count_entry, &contents, err) &&
           sg_view_each(c->view, SG_TABLE_OUTPUTS, check_outputs, c, err) &&
           sg_view_each(c->view, SG_TABLE_PAIRS, check_pair, c, err) &&
           compare_counts(c, paths, contents, err);
}

bool sg_store_verify(size_t *faults, sg_store *store, void (*report)(void *context, const char *fault),
                     void *context, sg_error *err)
{
    sg_view view;
    sg_error why;
    check c = {.view = &view, .report = report, .context = context};
    SG_ASSERT(!store->batch);
    *faults = 0;
    bool ok = sg_view_open(&view, store, &why);
    if (!ok) {
        ok = note(&c, &why, err);
        *faults = c.faults;
        return ok;
    }
    ok = check_pages(&c, err);
    /* LMDB does not survive damaged pages: records are read only where there are none. */
    view.trusted = true;
    if (ok && c.faults == 0) ok = check_records(&c, err);
    sg_view_close(&view);
    *faults = c.faults;
    return ok;
}
