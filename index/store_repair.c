/* Repair: what is sound in a damaged index becomes a new one; ids stay.
 *
 * What decides (an id is never given again, and its code never changes, so any sound version of a block has the right
 * codes):
 *   - does an id live? A block of the newest state's tree knows. Where the block is lost, an item in the tree lives; where
 *     that is lost too, strays are asked: an id lives if some version of its block has it alive and none has it dead
 *     (once dead, always dead). So are they about an id that the state has not given yet: where the newest state cannot be
 *     told, an older one is taken, and what came after it stands in strays alone.
 *   - its code: the tree's block, else any version that has it alive;
 *   - its record: the tree's, else the stray that tells the latest time of its file.
 * One that lives and lacks its code or its record is lost, and is named. */
#include "salvage_impl.h"

#include "bytes_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <signet/file.h>
#include <signet/interrupt.h>
#include <signet/mem.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define BITS_NBYTES (SG_BLOCK_CODES / 8)

typedef struct list {
    const sg_found *at, *end;
} list;

typedef struct repair {
    sg_salvage salvage;
    sg_store *to;
    size_t code_nbytes;
    list blocks, items, outputs; /* what is not yet done of them */
    /* The block at work: of its slots. */
    uint64_t number;
    bool in_tree; /* the tree has the block */
    uint8_t live[BITS_NBYTES], bare[BITS_NBYTES], known[BITS_NBYTES], dead[BITS_NBYTES];
    uint8_t *codes;            /* of the known */
    uint8_t *record, *version; /* an item's best record so far, and the one looked at */
    size_t record_cap, version_cap;
    float *reals;
    const sg_repair_options *options;
    sg_repair_counts *counts;
} repair;

static bool bit_of(const uint8_t *bits, unsigned slot)
{
    return bits[slot / 8] >> slot % 8 & 1;
}

static void set_bit(uint8_t *bits, unsigned slot)
{
    bits[slot / 8] |= (uint8_t)(1u << slot % 8);
}

static list list_of(const sg_salvage *s, int table)
{
    size_t n;
    const sg_found *found = sg_salvage_table(&n, s, table);
    return (list){found, n > 0 ? found + n : found};
}

/* Reads what was found into *bytes, which grows. */
static bool fetch(bool *there, uint8_t **bytes, size_t *cap, const repair *r, const sg_found *found,
                  sg_error *err)
{
    if (!sg_grow(bytes, cap, found->nbytes, 1)) return sg_fail_memory(err, r->salvage.path);
    *there = sg_salvage_read(*bytes, &r->salvage, found);
    return true;
}

/* --- codes --- */

/* One version of the block: whom it has alive, and their codes; whom it has dead. */
static void take_block(repair *r, const sg_block *block, bool in_tree)
{
    for (unsigned slot = 0; slot < block->slots; slot++) {
        if (!bit_of(block->live, slot)) {
            set_bit(r->dead, slot);
            continue;
        }
        if (in_tree) set_bit(r->live, slot);
        if (bit_of(r->known, slot)) continue;
        set_bit(r->known, slot);
        if (block->bare && bit_of(block->bare, slot)) set_bit(r->bare, slot);
        memcpy(r->codes + slot * r->code_nbytes, block->codes + slot * r->code_nbytes, r->code_nbytes);
    }
}

static bool gather_codes(repair *r, uint64_t number, sg_error *err)
{
    r->number = number;
    r->in_tree = false;
    memset(r->live, 0, sizeof r->live);
    memset(r->bare, 0, sizeof r->bare);
    memset(r->known, 0, sizeof r->known);
    memset(r->dead, 0, sizeof r->dead);
    for (; r->blocks.at < r->blocks.end && r->blocks.at->key == number; r->blocks.at++) {
        sg_block block;
        bool there;
        if (!fetch(&there, &r->version, &r->version_cap, r, r->blocks.at, err)) return false;
        if (!there || sg_block_parse(&block, number, r->code_nbytes, r->version, r->blocks.at->nbytes))
            continue;
        take_block(r, &block, r->blocks.at->in_tree);
        r->in_tree = r->in_tree || r->blocks.at->in_tree;
    }
    return true;
}

/* --- items --- */

/* The best record of `id`, read into r->record; *found is NULL when there is none. Goes past all of its versions. */
static bool gather_item(const sg_found **found, sg_item *item, repair *r, uint64_t id, sg_error *err)
{
    *found = NULL;
    for (; r->items.at < r->items.end && r->items.at->key == id; r->items.at++) {
        sg_item version;
        bool there;
        if (*found && (*found)->in_tree) continue;
        if (!fetch(&there, &r->version, &r->version_cap, r, r->items.at, err)) return false;
        if (!there || sg_item_parse(&version, id, r->version, r->items.at->nbytes)) continue;
        if (*found && version.mtime_ns <= item->mtime_ns) continue;
        uint8_t *bytes = r->record;
        size_t cap = r->record_cap;
        r->record = r->version, r->record_cap = r->version_cap;
        r->version = bytes, r->version_cap = cap;
        *item = version; /* borrows what is r->record now */
        *found = r->items.at;
    }
    return true;
}

/* The outputs of `id`, if they are left. */
static bool gather_outputs(bool *has, repair *r, uint64_t id, sg_error *err)
{
    *has = false;
    while (r->outputs.at < r->outputs.end && r->outputs.at->key < id) r->outputs.at++;
    for (; r->outputs.at < r->outputs.end && r->outputs.at->key == id; r->outputs.at++) {
        bool there;
        if (*has) continue;
        if (!fetch(&there, &r->version, &r->version_cap, r, r->outputs.at, err)) return false;
        *has = there &&
               !sg_outputs_parse(r->reals, id, r->salvage.head.nbits, r->version, r->outputs.at->nbytes);
    }
    return true;
}

static bool lives(const repair *r, unsigned slot, const sg_found *item)
{
    const bool *whole = r->salvage.whole;
    bool alive = bit_of(r->known, slot) && !bit_of(r->dead, slot);
    if (r->number * SG_BLOCK_CODES + slot >= r->salvage.next_id) return alive;
    if (r->in_tree) return bit_of(r->live, slot);
    if (item && item->in_tree) return true;
    if (whole[SG_TABLE_CODES]) return false;
    return alive && (bit_of(r->bare, slot) || !whole[SG_TABLE_ITEMS]);
}

static void name_lost(const repair *r, uint64_t id, const char *path, const char *what)
{
    if (r->options->lost) r->options->lost(r->options->context, id, path, what);
}

/* Of two items with one path the later one stays: the other was removed, and heavy damage has brought it back. */
static bool put(repair *r, const sg_item *item, sg_error *err)
{
    uint64_t earlier;
    bool found = false;
    if (item->path && !sg_store_find_path(&earlier, &found, r->to, item->path, err)) return false;
    if (found && !sg_store_remove(r->to, earlier, err)) return false;
    r->counts->saved += !found;
    return sg_store_put_as(r->to, item, err);
}

/* Puts what is left of a slot's item into the new store, or names it as lost. */
static bool save(repair *r, unsigned slot, sg_error *err)
{
    const sg_found *found;
    sg_item item = {.id = r->number * SG_BLOCK_CODES + slot};
    uint64_t id = item.id;
    bool outputs;
    if (!gather_item(&found, &item, r, id, err) || !gather_outputs(&outputs, r, id, err)) return false;
    bool bare = bit_of(r->bare, slot), known = bit_of(r->known, slot);
    if (id == 0 || !lives(r, slot, found)) return true;
    if (!known || (!found && !bare)) {
        r->counts->lost++;
        name_lost(r, id, found ? item.path : NULL, known ? "its record" : "its code");
        return true;
    }
    bool all_outputs = r->salvage.whole[SG_TABLE_OUTPUTS] && id < r->salvage.next_id;
    if (r->salvage.head.keeps_outputs && !outputs && !all_outputs) {
        r->counts->partly++;
        name_lost(r, id, item.path, "its outputs");
    }
    if (!bare && !found->in_tree) {
        r->counts->older++;
        name_lost(r, id, item.path, "perhaps its newest record");
    }
    if (bare) item = (sg_item){.id = id};
    item.code = r->codes + slot * r->code_nbytes;
    item.outputs = outputs ? r->reals : NULL;
    return put(r, &item, err);
}

static bool save_block(repair *r, uint64_t number, sg_error *err)
{
    if (!sg_interrupt_check(err) || !gather_codes(r, number, err) || !sg_store_begin(r->to, err))
        return false;
    for (unsigned slot = 0; slot < SG_BLOCK_CODES; slot++)
        if (!save(r, slot, err)) {
            sg_store_abort(r->to);
            return false;
        }
    return sg_store_commit(r->to, err);
}

/* Every block of which there is a code or an item. */
static bool save_blocks(repair *r, sg_error *err)
{
    while (r->blocks.at < r->blocks.end || r->items.at < r->items.end) {
        uint64_t number = UINT64_MAX;
        if (r->blocks.at < r->blocks.end) number = r->blocks.at->key;
        if (r->items.at < r->items.end && r->items.at->key / SG_BLOCK_CODES < number)
            number = r->items.at->key / SG_BLOCK_CODES;
        if (!save_block(r, number, err)) return false;
    }
    return true;
}

/* --- the rest --- */

/* Pairs of which both are there; unless the table was whole, some may have been taken back. */
static bool save_pairs(repair *r, sg_error *err)
{
    list pairs = list_of(&r->salvage, SG_TABLE_PAIRS);
    uint8_t key[SG_PAIR_NBYTES];
    sg_error why = {SG_OK, ""};
    for (; pairs.at < pairs.end; pairs.at++) {
        if (!sg_salvage_read(key, &r->salvage, pairs.at)) continue;
        uint64_t id = sg_key_id(key), other = sg_key_id(key + SG_ID_NBYTES);
        bool newer = id >= r->salvage.next_id || other >= r->salvage.next_id;
        if (!pairs.at->in_tree && r->salvage.whole[SG_TABLE_PAIRS] && !newer) continue;
        if (sg_store_pair_set(r->to, id, other, true, &why) || why.code == SG_ERR_NOT_FOUND) continue;
        if (err) *err = why;
        return false;
    }
    return true;
}

/* Ids that were given and are lost are not given again, nor are the numbers of generations: the new index takes the place of
 * the old one. */
static bool finish(repair *r, sg_error *err)
{
    uint64_t next = r->salvage.head.next_id;
    if (!sg_store_begin(r->to, err)) return false;
    if ((r->to->head.next_id >= next || sg_store_skip_ids(r->to, next, err)) &&
        sg_store_skip_generations(r->to, r->salvage.head.generation, err) && save_pairs(r, err))
        return sg_store_commit(r->to, err);
    sg_store_abort(r->to);
    return false;
}

static bool make_room(repair *r, sg_error *err)
{
    const sg_salvage *s = &r->salvage;
    r->code_nbytes = s->head.nbits / 8;
    r->blocks = list_of(s, SG_TABLE_CODES);
    r->items = list_of(s, SG_TABLE_ITEMS);
    r->outputs = list_of(s, SG_TABLE_OUTPUTS);
    r->codes = sg_alloc(SG_BLOCK_CODES, r->code_nbytes);
    r->reals = sg_alloc(s->head.nbits, sizeof *r->reals);
    return r->codes && r->reals ? true : sg_fail_memory(err, s->path);
}

/* Fills the new folder: the caller's files, then the store. */
static bool fill(void *context, const char *folder, sg_error *err)
{
    repair *r = context;
    const sg_repair_options *o = r->options;
    if (o->fill && !o->fill(o->fill_context, folder, err)) return false;
    if (!make_room(r, err) || !sg_store_open(&r->to, folder, true, 0, err)) return false;
    bool ok = save_blocks(r, err) && finish(r, err);
    sg_store_close(r->to);
    return ok;
}

/* What the newest head counts, and nothing is left of. */
static void count_unknown(repair *r)
{
    sg_repair_counts *c = r->counts;
    uint64_t recorded = r->salvage.current ? r->salvage.head.items : 0;
    c->unknown = recorded > c->saved + c->lost ? recorded - c->saved - c->lost : 0;
}

static bool open_damaged(int *fd, const char *dir, const char *file, sg_error *err)
{
    if (!sg_is_dir(dir)) return sg_fail(err, SG_ERR_NOT_FOUND, "%s: is no index folder", dir);
    *fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0) return sg_fail_errno(err, errno, "%s: cannot open", file);
    if (flock(*fd, LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK) return true;
    return sg_fail(err, SG_ERR_IO, "%s: another process is writing to this index", dir);
}

bool sg_store_repair(sg_repair_counts *counts, const char *dir, const char *new_dir,
                     const sg_repair_options *options, sg_error *err)
{
    repair r = {.options = options, .counts = counts};
    char *file, fingerprint[2 * SG_FINGERPRINT_NBYTES + 1];
    int fd = -1;
    *counts = (sg_repair_counts){0};
    if (!sg_path_join(&file, dir, SG_STORE_DATA, err)) return false;
    bool ok = open_damaged(&fd, dir, file, err) && sg_salvage_open(&r.salvage, fd, file, err);
    if (ok) {
        const sg_store_head *head = &r.salvage.head;
        sg_hex(fingerprint, head->fingerprint, SG_FINGERPRINT_NBYTES);
        ok = sg_store_create(new_dir, head->nbits, fingerprint, &r.salvage.recipe, head->kind,
                             &r.salvage.search, head->keeps_outputs, fill, &r, err);
        if (ok) count_unknown(&r);
        sg_salvage_clear(&r.salvage);
    }
    sg_free(r.codes);
    sg_free(r.reals);
    sg_free(r.record);
    sg_free(r.version);
    if (fd >= 0) close(fd);
    sg_free(file);
    return ok;
}
