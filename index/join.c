#include "join_impl.h"

#include <signet/interrupt.h>
#include <signet/mem.h>
#include <signet/progress.h>
#include <string.h>

/* A batch of the store: about one second of work, and no more of these. Paths and contents are keyed by hashes: a batch
 * of 1024 writes as many scattered pages as it has keys, one of many writes each page for several. */
#define BATCH_ITEMS   ((size_t)1 << 15)
#define BATCH_SECONDS 1.0
#define BATCH_CODES   ((size_t)1 << 18) /* bare ones: 2 to 32 MB, written in a fraction of a second */

bool sg_join_begin(sg_join *join, sg_store *store, bool only_check, sg_progress *progress,
                   sg_join_counts *counts, sg_error *err)
{
    sg_store_info info;
    *counts = (sg_join_counts){0};
    *join = (sg_join){.store = store, .counts = counts, .only_check = only_check, .progress = progress};
    if (!sg_store_info_get(&info, store, err)) return false;
    join->code_nbytes = info.nbits / 8;
    join->next_id = info.next_id;
    sg_store_info_clear(&info);
    return true;
}

static bool batch(sg_join *join, sg_error *err)
{
    if (join->open || join->only_check) return true;
    join->nput = 0;
    join->began = sg_now_seconds();
    join->changed = false;
    join->open = sg_store_begin(join->store, err);
    return join->open;
}

static bool commit(sg_join *join, sg_error *err)
{
    sg_join_counts *all = join->counts, *more = &join->pending;
    bool open = join->open;
    join->open = false;
    if (open && !join->changed) /* no state of its own for nothing */
        sg_store_abort(join->store);
    else if (open && !sg_store_commit(join->store, err))
        return false;
    all->added += more->added;
    all->updated += more->updated;
    all->older += more->older;
    all->unchanged += more->unchanged;
    all->codes += more->codes;
    all->pairs += more->pairs;
    if (all->first_id == 0) all->first_id = more->first_id;
    *more = (sg_join_counts){0};
    return true;
}

/* After each change: is the batch full? */
static bool step(sg_join *join, sg_error *err)
{
    join->nput++;
    join->changed = true;
    bool full = join->nput >= BATCH_ITEMS || sg_now_seconds() - join->began >= BATCH_SECONDS;
    return sg_interrupt_check(err) && (!full || commit(join, err));
}

static void note_ids(sg_join *join, uint64_t first, size_t n)
{
    if (join->pending.first_id == 0) join->pending.first_id = first;
    join->next_id = first + n;
}

static void tell(const sg_join *join, size_t n)
{
    if (join->progress) sg_progress_update(join->progress, join->progress->done + n, NULL);
}

/* --- bare codes --- */

static bool put_codes(sg_join *join, const uint8_t *codes, size_t n, sg_error *err)
{
    uint64_t first = 0;
    join->pending.codes += n;
    tell(join, n);
    if (join->only_check || n == 0) return true;
    if (!batch(join, err) || !sg_store_put_codes(&first, join->store, codes, n, err)) return false;
    note_ids(join, first, n);
    join->changed = true;
    return true;
}

static bool put_waiting(sg_join *join, sg_error *err)
{
    size_t n = join->ncodes;
    join->ncodes = 0;
    return put_codes(join, join->codes, n, err);
}

static bool commit_codes(sg_join *join, sg_error *err)
{
    return sg_interrupt_check(err) && (join->pending.codes < BATCH_CODES || commit(join, err));
}

bool sg_join_codes(sg_join *join, const uint8_t *codes, size_t n, sg_error *err)
{
    if (!put_waiting(join, err)) return false;
    for (size_t done = 0, part; done < n; done += part) {
        part = n - done < BATCH_CODES ? n - done : BATCH_CODES;
        if (!put_codes(join, codes + done * join->code_nbytes, part, err) || !commit_codes(join, err))
            return false;
    }
    return true;
}

static bool wait_code(sg_join *join, const uint8_t *code, sg_error *err)
{
    if (!join->codes && !(join->codes = sg_alloc(BATCH_CODES, join->code_nbytes)))
        return sg_fail_memory(err, "codes");
    memcpy(join->codes + join->ncodes++ * join->code_nbytes, code, join->code_nbytes);
    return join->ncodes < BATCH_CODES || (put_waiting(join, err) && commit_codes(join, err));
}

bool sg_join_skip(sg_join *join, uint64_t id, sg_error *err)
{
    if (join->only_check || id == join->next_id + join->ncodes) return true;
    if (!put_waiting(join, err) || !batch(join, err) || !sg_store_skip_ids(join->store, id, err))
        return false;
    join->next_id = id;
    join->changed = true;
    return true;
}

/* --- items --- */

/* Takes the pairs of `data` into a; *grown: were there some that it lacked? */
static bool join_attributes(sg_attributes *a, bool *grown, const char *data, size_t nbytes, sg_error *err)
{
    const char *key, *value;
    for (size_t at = 0; sg_attributes_next(&key, &value, data, nbytes, &at);) {
        if (sg_attributes_has(a->data, a->nbytes, key, value)) continue;
        *grown = true;
        if (!sg_attributes_add(a, key, value, err)) return false;
    }
    return true;
}

/* The path is there, as `old`: whose content stays, and with which attributes. */
static bool meet(uint64_t *id, sg_join *join, const sg_item *old, const sg_item *item, sg_error *err)
{
    sg_attributes both = SG_ATTRIBUTES_INIT;
    sg_put_kind kind;
    uint64_t other;
    bool grown = false, same = memcmp(old->content, item->content, SG_CONTENT_NBYTES) == 0;
    bool newer = !same && item->mtime_ns > old->mtime_ns;
    bool ok = join_attributes(&both, &grown, old->attributes, old->attributes_nbytes, err);
    grown = false;
    ok = ok && join_attributes(&both, &grown, item->attributes, item->attributes_nbytes, err);
    *id = same ? old->id : 0;
    join->pending.unchanged += same;
    join->pending.updated += newer;
    join->pending.older += !same && !newer;
    if (ok && !join->only_check && newer) {
        sg_item fresh = *item;
        fresh.attributes = both.data ? both.data : "";
        fresh.attributes_nbytes = both.nbytes;
        ok = batch(join, err) && sg_store_put(&kind, id, &other, join->store, &fresh, err) && step(join, err);
        if (ok) note_ids(join, *id, 1);
    } else if (ok && !join->only_check && grown) {
        ok = batch(join, err) && sg_store_set_attributes(join->store, old->id, both.data, both.nbytes, err) &&
             step(join, err);
    }
    sg_attributes_clear(&both);
    return ok;
}

static bool add(uint64_t *id, sg_join *join, const sg_item *item, sg_error *err)
{
    sg_put_kind kind;
    uint64_t other;
    join->pending.added++;
    if (join->only_check) return true;
    if (!batch(join, err) || !sg_store_put(&kind, id, &other, join->store, item, err)) return false;
    note_ids(join, *id, 1);
    return step(join, err);
}

bool sg_join_item(uint64_t *id, sg_join *join, const sg_item *item, sg_error *err)
{
    bool found;
    sg_item old;
    char *path;
    *id = 0;
    if (!item->path) return wait_code(join, item->code, err);
    tell(join, 1);
    /* The order of ids is that of the source. Looking is quicker within a batch than beside it. */
    if (!put_waiting(join, err) || !batch(join, err)) return false;
    if (!sg_store_find_path(id, &found, join->store, item->path, err)) return false;
    if (!found) return add(id, join, item, err);
    if (!sg_store_get(&old, &path, join->store, *id, err)) return false;
    bool ok = meet(id, join, &old, item, err);
    sg_free(path);
    return ok;
}

bool sg_join_pair(sg_join *join, uint64_t a, uint64_t b, sg_error *err)
{
    join->pending.pairs++;
    if (join->only_check) return true;
    return batch(join, err) && sg_store_pair_set(join->store, a, b, true, err) && step(join, err);
}

bool sg_join_end(sg_join *join, bool ok, sg_error *err)
{
    sg_error why;
    if (ok) ok = put_waiting(join, err) && commit(join, err);
    if (!ok && err && err->code == SG_ERR_INTERRUPTED && !commit(join, &why)) *err = why;
    if (join->open) sg_store_abort(join->store);
    sg_free(join->codes);
    return ok;
}
