/* Blocks of codes, and those that a batch has changed. A block's place follows from its ids, so nothing is stored
 * twice: number = id / 4096, slot = id % 4096.
 * Record: sum u64, number u64, slots u32, live u32, bitmap 512, codes (slots, K / 8), dead ones zero. */
#include "store_impl.h"

#include "bytes_impl.h"
#include <signet/mem.h>

#define SUM_NBYTES  8
#define LIVE_NBYTES (SG_BLOCK_CODES / 8)
#define LIVE_AT     24
#define CODES_AT    (LIVE_AT + LIVE_NBYTES)

static unsigned count_bits(const uint8_t *bits, size_t nbytes)
{
    unsigned count = 0;
    for (size_t i = 0; i < nbytes; i++) count += (unsigned)__builtin_popcount(bits[i]);
    return count;
}

const char *sg_block_parse(sg_block *block, uint64_t number, size_t code_nbytes, const void *data,
                           size_t nbytes)
{
    const uint8_t *bytes = data;
    if (nbytes < CODES_AT) return "is too short";
    if (sg_get_u64(bytes) != sg_xxh3_64(bytes + SUM_NBYTES, nbytes - SUM_NBYTES))
        return "has a wrong checksum";
    *block = (sg_block){.number = sg_get_u64(bytes + 8),
                        .slots = sg_get_u32(bytes + 16),
                        .live_count = sg_get_u32(bytes + 20),
                        .live = bytes + LIVE_AT,
                        .codes = bytes + CODES_AT};
    if (block->number != number) return "stands under another number";
    if (block->slots > SG_BLOCK_CODES || nbytes != CODES_AT + block->slots * code_nbytes ||
        block->live_count != count_bits(block->live, LIVE_NBYTES))
        return "makes no sense";
    for (unsigned slot = block->slots; slot < SG_BLOCK_CODES; slot++)
        if (block->live[slot / 8] >> slot % 8 & 1) return "makes no sense";
    return NULL;
}

bool sg_block_has(const sg_block *block, uint64_t id)
{
    unsigned slot = id % SG_BLOCK_CODES;
    return id / SG_BLOCK_CODES == block->number && block->live[slot / 8] >> slot % 8 & 1;
}

/* --- changed blocks of a batch --- */

static uint8_t *slot_of(const sg_store *store, uint8_t *bytes, unsigned slot)
{
    return bytes + CODES_AT + slot * store->code_nbytes;
}

/* Fills a fresh image of block `number` with what the store has of it. */
static bool load(sg_store *store, uint8_t *bytes, uint64_t number, sg_error *err)
{
    sg_view view;
    MDB_val value;
    sg_block block;
    uint8_t key[SG_ID_NBYTES];
    sg_id_key(key, number);
    if (!sg_view_open(&view, store, err)) return false;
    bool ok = sg_view_get(&value, &view, SG_TABLE_CODES, key, sizeof key, err);
    if (ok && value.mv_data) {
        const char *fault = sg_block_parse(&block, number, store->code_nbytes, value.mv_data, value.mv_size);
        if (fault)
            ok = sg_store_damaged(store, sg_table_names[SG_TABLE_CODES], number, fault, err);
        else
            memcpy(bytes, value.mv_data, value.mv_size);
    }
    sg_put_u64(bytes + 8, number);
    sg_view_close(&view);
    return ok;
}

/* The image of the block that holds id. */
static uint8_t *changing(sg_store *store, uint64_t id, sg_error *err)
{
    uint64_t number = id / SG_BLOCK_CODES;
    for (size_t i = store->nblocks; i-- > 0;) /* the newest first: a batch works in order */
        if (store->blocks[i].number == number) return store->blocks[i].bytes;
    uint8_t *bytes = sg_calloc(CODES_AT + SG_BLOCK_CODES * store->code_nbytes, 1);
    if (!bytes || !sg_grow(&store->blocks, &store->blocks_cap, store->nblocks + 1, sizeof *store->blocks)) {
        sg_fail_memory(err, "a block of codes");
        sg_free(bytes);
        return NULL;
    }
    if (!load(store, bytes, number, err)) {
        sg_free(bytes);
        return NULL;
    }
    store->blocks[store->nblocks++] = (sg_dirty_block){number, bytes};
    return bytes;
}

bool sg_blocks_set(sg_store *store, uint64_t id, const uint8_t *code, sg_error *err)
{
    unsigned slot = id % SG_BLOCK_CODES;
    uint8_t *bytes = changing(store, id, err);
    if (!bytes) return false;
    if (sg_get_u32(bytes + 16) < slot + 1) sg_put_u32(bytes + 16, slot + 1);
    sg_put_u32(bytes + 20, sg_get_u32(bytes + 20) + 1);
    bytes[LIVE_AT + slot / 8] |= (uint8_t)(1u << slot % 8);
    memcpy(slot_of(store, bytes, slot), code, store->code_nbytes);
    return true;
}

bool sg_blocks_drop(sg_store *store, uint64_t id, sg_error *err)
{
    unsigned slot = id % SG_BLOCK_CODES;
    uint8_t *bytes = changing(store, id, err);
    if (!bytes) return false;
    if (!(bytes[LIVE_AT + slot / 8] >> slot % 8 & 1))
        return sg_store_damaged(store, sg_table_names[SG_TABLE_CODES], id / SG_BLOCK_CODES,
                                "lacks the code of an item", err);
    sg_put_u32(bytes + 20, sg_get_u32(bytes + 20) - 1);
    bytes[LIVE_AT + slot / 8] &= (uint8_t) ~(1u << slot % 8);
    memset(slot_of(store, bytes, slot), 0, store->code_nbytes);
    return true;
}

/* Writes one block, or removes it when nothing in it lives. */
static bool write_block(sg_store *store, const sg_dirty_block *block, sg_error *err)
{
    uint8_t key[SG_ID_NBYTES];
    sg_id_key(key, block->number);
    MDB_val mkey = {sizeof key, key};
    MDB_val value = {CODES_AT + sg_get_u32(block->bytes + 16) * store->code_nbytes, block->bytes};
    int rc;
    if (sg_get_u32(block->bytes + 20) == 0) {
        rc = mdb_del(store->batch, store->tables[SG_TABLE_CODES], &mkey, NULL);
        if (rc == MDB_NOTFOUND) rc = 0; /* made and emptied in one batch */
    } else {
        sg_put_u64(block->bytes, sg_xxh3_64(block->bytes + SUM_NBYTES, value.mv_size - SUM_NBYTES));
        rc = mdb_put(store->batch, store->tables[SG_TABLE_CODES], &mkey, &value, 0);
    }
    return rc == 0 ? true : sg_store_fail(store, rc, "cannot write codes", err);
}

bool sg_blocks_flush(sg_store *store, sg_error *err)
{
    for (size_t i = 0; i < store->nblocks; i++)
        if (!write_block(store, &store->blocks[i], err)) return false;
    return true;
}

void sg_blocks_clear(sg_store *store)
{
    for (size_t i = 0; i < store->nblocks; i++) sg_free(store->blocks[i].bytes);
    store->nblocks = 0;
}
