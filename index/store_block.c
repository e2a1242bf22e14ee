/* Blocks of codes, and those that a batch has changed. A block's place follows from its ids, so nothing is stored
 * twice: number = id / 4096, slot = id % 4096.
 * Record: sum u64, number u64, slots u32, live u32, bitmap of the live 512, bitmap of the bare 512 (where there are
 * any: the highest bit of slots says so), codes (slots, K / 8), dead ones zero. */
#include "store_impl.h"

#include "bytes_impl.h"
#include <signet/mem.h>

#define SUM_NBYTES  8
#define BITS_NBYTES (SG_BLOCK_CODES / 8)
#define HEAD_NBYTES SG_BLOCK_HEAD_NBYTES
#define HAS_BARE    0x80000000u

static unsigned count_bits(const uint8_t *bits)
{
    unsigned count = 0;
    for (size_t i = 0; i < BITS_NBYTES; i += 8) count += (unsigned)__builtin_popcountll(sg_get_u64(bits + i));
    return count;
}

static bool bit_of(const uint8_t *bits, unsigned slot)
{
    return bits[slot / 8] >> slot % 8 & 1;
}

static void set_bit(uint8_t *bits, unsigned slot, bool on)
{
    uint8_t mask = (uint8_t)(1u << slot % 8);
    bits[slot / 8] = (uint8_t)(on ? bits[slot / 8] | mask : bits[slot / 8] & ~mask);
}

/* Is the bitmap of the bare, where there is one, not empty and within that of the live? */
static bool bare_sound(const sg_block *block)
{
    for (size_t i = 0; i < BITS_NBYTES; i++)
        if (block->bare[i] & ~block->live[i]) return false;
    return count_bits(block->bare) > 0;
}

const char *sg_block_parse(sg_block *block, uint64_t number, size_t code_nbytes, const void *data,
                           size_t nbytes)
{
    const uint8_t *bytes = data;
    if (nbytes < HEAD_NBYTES + BITS_NBYTES) return "is too short";
    if (sg_get_u64(bytes) != sg_xxh3_64(bytes + SUM_NBYTES, nbytes - SUM_NBYTES))
        return "has a wrong checksum";
    uint32_t slots = sg_get_u32(bytes + 16);
    *block = (sg_block){.number = sg_get_u64(bytes + 8),
                        .slots = slots & ~HAS_BARE,
                        .live_count = sg_get_u32(bytes + 20),
                        .live = bytes + HEAD_NBYTES,
                        .bare = slots & HAS_BARE ? bytes + HEAD_NBYTES + BITS_NBYTES : NULL};
    size_t codes_at = HEAD_NBYTES + (block->bare ? 2 : 1) * BITS_NBYTES;
    block->codes = bytes + codes_at;
    if (block->number != number) return "stands under another number";
    if (number >= UINT64_MAX / SG_BLOCK_CODES || block->slots > SG_BLOCK_CODES ||
        nbytes != codes_at + block->slots * code_nbytes || block->live_count != count_bits(block->live) ||
        (block->bare && !bare_sound(block)))
        return "makes no sense";
    for (unsigned slot = block->slots; slot < SG_BLOCK_CODES; slot++)
        if (bit_of(block->live, slot)) return "makes no sense";
    return NULL;
}

size_t sg_block_claims(const uint8_t head[SG_BLOCK_HEAD_NBYTES], size_t code_nbytes)
{
    uint32_t slots = sg_get_u32(head + 16);
    size_t nbitmaps = slots & HAS_BARE ? 2 : 1;
    slots &= ~HAS_BARE;
    return slots <= SG_BLOCK_CODES ? HEAD_NBYTES + nbitmaps * BITS_NBYTES + slots * code_nbytes : 0;
}

bool sg_block_peek(unsigned *live_count, const void *bytes, size_t nbytes)
{
    if (nbytes < HEAD_NBYTES) return false;
    *live_count = sg_get_u32((const uint8_t *)bytes + 20);
    return *live_count <= SG_BLOCK_CODES;
}

bool sg_block_has(const sg_block *block, uint64_t id)
{
    return id / SG_BLOCK_CODES == block->number && bit_of(block->live, id % SG_BLOCK_CODES);
}

bool sg_block_is_bare(const sg_block *block, uint64_t id)
{
    return id / SG_BLOCK_CODES == block->number && block->bare && bit_of(block->bare, id % SG_BLOCK_CODES);
}

unsigned sg_block_bare_count(const sg_block *block)
{
    return block->bare ? count_bits(block->bare) : 0;
}

/* --- changed blocks of a batch --- */

/* Where the block `number` stands in the list, or (false) belongs. */
static bool find(size_t *at, const sg_store *store, uint64_t number)
{
    size_t lo = 0, hi = store->nblocks;
    if (hi > 0 && store->blocks[hi - 1]->number < number) lo = hi; /* a batch that adds goes upwards */
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (store->blocks[mid]->number < number)
            lo = mid + 1;
        else
            hi = mid;
    }
    *at = lo;
    return lo < store->nblocks && store->blocks[lo]->number == number;
}

static sg_dirty_block *changed(sg_store *store, uint64_t number)
{
    size_t at;
    if (store->last_block && store->last_block->number == number) return store->last_block;
    if (!find(&at, store, number)) return NULL;
    return store->last_block = store->blocks[at];
}

/* The block as it is stored, or empty when it is not there. */
static bool load(sg_store *store, sg_dirty_block *dirty, sg_error *err)
{
    sg_view view;
    sg_block block = {0};
    MDB_val value;
    uint8_t key[SG_ID_NBYTES];
    sg_id_key(key, dirty->number);
    if (!sg_view_open(&view, store, err)) return false;
    bool ok = sg_view_get(&value, &view, SG_TABLE_CODES, key, sizeof key, err);
    if (ok && value.mv_data) {
        const char *fault =
            sg_block_parse(&block, dirty->number, store->code_nbytes, value.mv_data, value.mv_size);
        if (fault) ok = sg_store_damaged(store, sg_table_names[SG_TABLE_CODES], dirty->number, fault, err);
    }
    if (ok && value.mv_data) {
        dirty->slots = block.slots;
        dirty->live_count = block.live_count;
        dirty->bare_count = sg_block_bare_count(&block);
        memcpy(dirty->live, block.live, BITS_NBYTES);
        if (block.bare) memcpy(dirty->bare, block.bare, BITS_NBYTES);
        memcpy(dirty->codes, block.codes, block.slots * store->code_nbytes);
    }
    sg_view_close(&view);
    return ok;
}

/* The image of the block `number`, taken into the list of changed ones. */
static sg_dirty_block *changing(sg_store *store, uint64_t number, sg_error *err)
{
    size_t at;
    sg_dirty_block *block = changed(store, number);
    if (block) return block;
    block = sg_calloc(sizeof *block + SG_BLOCK_CODES * store->code_nbytes, 1);
    if (!block || !sg_grow(&store->blocks, &store->blocks_cap, store->nblocks + 1, sizeof *store->blocks)) {
        sg_fail_memory(err, "a block of codes");
        sg_free(block);
        return NULL;
    }
    block->number = number;
    if (!load(store, block, err)) {
        sg_free(block);
        return NULL;
    }
    find(&at, store, number);
    memmove(store->blocks + at + 1, store->blocks + at, (store->nblocks - at) * sizeof *store->blocks);
    store->nblocks++;
    return store->last_block = store->blocks[at] = block;
}

bool sg_blocks_set(sg_store *store, uint64_t id, const uint8_t *codes, size_t n, bool bare, sg_error *err)
{
    const size_t nbytes = store->code_nbytes;
    while (n > 0) {
        unsigned slot = id % SG_BLOCK_CODES, some = SG_BLOCK_CODES - slot;
        if (some > n) some = (unsigned)n;
        sg_dirty_block *block = changing(store, id / SG_BLOCK_CODES, err);
        if (!block) return false;
        memcpy(block->codes + slot * nbytes, codes, some * nbytes);
        for (unsigned i = slot; i < slot + some; i++) {
            set_bit(block->live, i, true);
            set_bit(block->bare, i, bare);
        }
        if (block->slots < slot + some) block->slots = slot + some;
        block->live_count += some;
        if (bare) block->bare_count += some;
        id += some;
        codes += some * nbytes;
        n -= some;
    }
    return true;
}

bool sg_blocks_drop(sg_store *store, uint64_t id, sg_error *err)
{
    unsigned slot = id % SG_BLOCK_CODES;
    sg_dirty_block *block = changing(store, id / SG_BLOCK_CODES, err);
    if (!block) return false;
    if (!bit_of(block->live, slot))
        return sg_store_damaged(store, sg_table_names[SG_TABLE_CODES], id / SG_BLOCK_CODES,
                                "lacks the code of an item", err);
    block->live_count--;
    block->bare_count -= bit_of(block->bare, slot);
    set_bit(block->live, slot, false);
    set_bit(block->bare, slot, false);
    memset(block->codes + slot * store->code_nbytes, 0, store->code_nbytes);
    return true;
}

bool sg_blocks_look(bool *live, bool *bare, sg_store *store, uint64_t id)
{
    const sg_dirty_block *block = changed(store, id / SG_BLOCK_CODES);
    if (!block) return false;
    *live = bit_of(block->live, id % SG_BLOCK_CODES);
    *bare = bit_of(block->bare, id % SG_BLOCK_CODES);
    return true;
}

/* The record, straight into LMDB's page. */
static void write_record(uint8_t *bytes, size_t nbytes, const sg_dirty_block *block, size_t code_nbytes)
{
    uint8_t *at = bytes + HEAD_NBYTES + BITS_NBYTES;
    sg_put_u64(bytes + 8, block->number);
    sg_put_u32(bytes + 16, block->slots | (block->bare_count > 0 ? HAS_BARE : 0));
    sg_put_u32(bytes + 20, block->live_count);
    memcpy(bytes + HEAD_NBYTES, block->live, BITS_NBYTES);
    if (block->bare_count > 0) {
        memcpy(at, block->bare, BITS_NBYTES);
        at += BITS_NBYTES;
    }
    memcpy(at, block->codes, block->slots * code_nbytes);
    sg_put_u64(bytes, sg_xxh3_64(bytes + SUM_NBYTES, nbytes - SUM_NBYTES));
}

/* Writes one block, or removes it when nothing in it lives. */
static bool write_block(sg_store *store, const sg_dirty_block *block, sg_error *err)
{
    uint8_t key[SG_ID_NBYTES];
    sg_id_key(key, block->number);
    MDB_val mkey = {sizeof key, key};
    size_t head = HEAD_NBYTES + (block->bare_count > 0 ? 2 : 1) * BITS_NBYTES;
    MDB_val value = {head + block->slots * store->code_nbytes, NULL};
    int rc;
    if (block->live_count == 0) {
        rc = mdb_del(store->batch, store->tables[SG_TABLE_CODES], &mkey, NULL);
        if (rc == MDB_NOTFOUND) rc = 0; /* made and emptied in one batch */
    } else {
        rc = mdb_put(store->batch, store->tables[SG_TABLE_CODES], &mkey, &value, MDB_RESERVE);
        if (rc == 0) write_record(value.mv_data, value.mv_size, block, store->code_nbytes);
    }
    return rc == 0 ? true : sg_store_fail(store, rc, "cannot write codes", err);
}

bool sg_blocks_flush(sg_store *store, sg_error *err)
{
    for (size_t i = 0; i < store->nblocks; i++)
        if (!write_block(store, store->blocks[i], err)) return false;
    return true;
}

void sg_blocks_clear(sg_store *store)
{
    for (size_t i = 0; i < store->nblocks; i++) sg_free(store->blocks[i]);
    store->nblocks = 0;
    store->last_block = NULL;
}
