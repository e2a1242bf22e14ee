/* All codes and ids into the caller's memory. Where each block goes is known from its count before it is checked, so
 * that blocks are checked and copied by all threads, each read once. */
#include "store_impl.h"

#include "bytes_impl.h"
#include <signet/mem.h>
#include <string.h>

#define BLOCKS_FOR_THREADS 16 /* fewer are copied sooner than threads wake */

typedef struct record {
    uint64_t number;
    MDB_val value; /* borrowed from the map */
    size_t at;     /* the first of its codes among all */
} record;

typedef struct loading {
    const sg_view *view;
    record *records;
    size_t nrecords, cap;
    size_t n; /* codes in them, as they say */
    uint8_t *codes;
    uint64_t *ids;
} loading;

static bool gather(void *context, const MDB_val *key, const MDB_val *value, sg_error *err)
{
    loading *l = context;
    const sg_store *store = l->view->store;
    unsigned live;
    if (key->mv_size != SG_ID_NBYTES)
        return sg_store_damaged(store, "codes", 0, "have a key of another size", err);
    uint64_t number = sg_key_id(key->mv_data);
    if (!sg_block_peek(&live, value->mv_data, value->mv_size))
        return sg_store_damaged(store, "codes", number, "make no sense", err);
    if (!sg_grow(&l->records, &l->cap, l->nrecords + 1, sizeof *l->records))
        return sg_fail_memory(err, "blocks of codes");
    l->records[l->nrecords++] = (record){number, *value, l->n};
    l->n += live;
    return true;
}

/* Codes of the slots [from, to), all live. */
static void copy_run(const loading *l, const sg_block *block, size_t at, unsigned from, unsigned to)
{
    size_t nbytes = l->view->store->code_nbytes;
    memcpy(l->codes + at * nbytes, block->codes + from * nbytes, (to - from) * nbytes);
    for (unsigned slot = from; slot < to; slot++)
        l->ids[at + slot - from] = block->number * SG_BLOCK_CODES + slot;
}

/* The first slot from `from` on whose bit is `on`; SG_BLOCK_CODES when there is none. */
static unsigned find_slot(const uint8_t *bits, unsigned from, bool on)
{
    for (unsigned at = from; at < SG_BLOCK_CODES; at = (at / 64 + 1) * 64) {
        uint64_t word = sg_get_u64(bits + at / 64 * 8);
        word = (on ? word : ~word) >> at % 64;
        if (word) return at + (unsigned)__builtin_ctzll(word);
    }
    return SG_BLOCK_CODES;
}

/* What is wrong with a record, or NULL: then its codes and ids are where they belong. */
static const char *copy_block(const loading *l, const record *r)
{
    sg_block block;
    size_t at = r->at;
    const char *fault =
        sg_block_parse(&block, r->number, l->view->store->code_nbytes, r->value.mv_data, r->value.mv_size);
    if (fault) return fault;
    for (unsigned from = find_slot(block.live, 0, true), to; from < block.slots;
         from = find_slot(block.live, to, true)) {
        to = find_slot(block.live, from, false);
        copy_run(l, &block, at, from, to);
        at += to - from;
    }
    return NULL;
}

static bool copy_all(const loading *l, sg_error *err)
{
    size_t bad = l->nrecords;
#pragma omp parallel for schedule(dynamic, 8) reduction(min : bad) if (l->nrecords >= BLOCKS_FOR_THREADS)
    for (size_t i = 0; i < l->nrecords; i++)
        if (copy_block(l, &l->records[i]) && i < bad) bad = i;
    if (bad == l->nrecords) return true;
    return sg_store_damaged(l->view->store, "codes", l->records[bad].number, copy_block(l, &l->records[bad]),
                            err);
}

static bool load(loading *l, sg_store_room room, void *context, sg_error *err)
{
    const sg_store *store = l->view->store;
    uint64_t items = l->view->head.items;
    if (!sg_view_check(l->view, SG_TABLE_CODES, NULL, NULL, 0, err) ||
        !sg_view_each(l->view, SG_TABLE_CODES, gather, l, err))
        return false;
    /* Memory is taken by what the head says, once the file holds that much. */
    if (l->n != items)
        return sg_fail(err, SG_ERR_FORMAT, "%s: damaged: %zu codes for %llu items", store->dir, l->n,
                       (unsigned long long)items);
    return room(context, l->n, &l->codes, &l->ids, err) && copy_all(l, err);
}

bool sg_store_load_into(sg_store_room room, void *context, uint64_t *generation, sg_store *store,
                        sg_error *err)
{
    sg_view view;
    loading l = {.view = &view};
    SG_ASSERT(!store->batch);
    if (!sg_view_open(&view, store, err)) return false;
    bool ok = load(&l, room, context, err);
    *generation = view.head.generation;
    sg_view_close(&view);
    sg_free(l.records);
    return ok;
}

typedef struct arrays {
    uint8_t *codes;
    uint64_t *ids;
    size_t n, code_nbytes;
} arrays;

static bool make_arrays(void *context, size_t n, uint8_t **codes, uint64_t **ids, sg_error *err)
{
    arrays *a = context;
    a->n = n;
    *codes = a->codes = sg_alloc(n, a->code_nbytes);
    *ids = a->ids = sg_alloc(n, sizeof *a->ids);
    return a->codes && a->ids ? true : sg_fail_memory(err, "codes");
}

bool sg_store_load(uint8_t **codes, uint64_t **ids, size_t *n, uint64_t *generation, sg_store *store,
                   sg_error *err)
{
    arrays a = {.code_nbytes = store->code_nbytes};
    bool ok = sg_store_load_into(make_arrays, &a, generation, store, err);
    if (!ok) {
        sg_free(a.codes);
        sg_free(a.ids);
        a = (arrays){0};
    }
    *codes = a.codes;
    *ids = a.ids;
    *n = a.n;
    return ok;
}
