/* Encoding anew goes by what is missing in the new index, so that it can be cut short at any moment and gone on with:
 * items that are there with the same id, path and content are done; all else in it is thrown out; what the old index has
 * beside is looked at. First what still has its recorded content, under its old id; then, when nothing else is left, what
 * has changed, as an update would be. What has no file any more is left out; where it may only be out of sight, nothing
 * takes the old index's place. */
#include "disk_impl.h"
#include "reencode_impl.h"

#include "batch_impl.h"
#include "intake_impl.h"

#include <inttypes.h>
#include <signet/buf.h>
#include <signet/file.h>
#include <signet/interrupt.h>
#include <signet/mem.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define CHUNK_ITEMS 1024

/* What is carried over of an item: owned copies. */
typedef struct piece {
    uint64_t id;
    char *path, *attributes;
    size_t attributes_nbytes;
    uint16_t disk_depth;
    uint8_t content[SG_CONTENT_NBYTES];
} piece;

/* What the new index has of an earlier call, to be compared with the old one. */
typedef struct had {
    uint64_t id, path_hash, attributes_hash;
    uint8_t content[SG_CONTENT_NBYTES];
    bool sound;
} had;

typedef struct reencode {
    sg_index *old, *fresh;
    const sg_reencode_options *options;
    sg_reencode_counts *counts, pending;
    had *had; /* ascending by id */
    size_t nhad, had_cap, at;
    piece *chunk;
    size_t nchunk;
    bool changed_too; /* the second round: contents need not be the recorded ones */
    uint64_t *rest;   /* ids for the second round */
    size_t nrest, rest_cap;
    sg_missing missing;
    sg_intake intake;
    sg_batch batch;
    uint64_t nfinished;
} reencode;

static bool commit(reencode *r, sg_error *err)
{
    if (!sg_batch_commit(&r->batch, err)) return false;
    r->counts->encoded += r->pending.encoded;
    r->counts->changed += r->pending.changed;
    r->pending = (sg_reencode_counts){0};
    return true;
}

static void step(reencode *r)
{
    r->nfinished++;
    if (r->options->progress) sg_progress_update(r->options->progress, r->nfinished, NULL);
}

static void say(const reencode *r, sg_reencode_event event, const char *path, const char *what)
{
    if (r->options->note) r->options->note(r->options->context, event, path, what);
}

/* --- what is there of an earlier call --- */

static bool take_had(void *context, const sg_item *item, sg_error *err)
{
    reencode *r = context;
    if (!sg_interrupt_check(err)) return false;
    if (!sg_grow(&r->had, &r->had_cap, r->nhad + 1, sizeof *r->had)) return sg_fail_memory(err, "items");
    had *h = &r->had[r->nhad++];
    *h = (had){.id = item->id, .attributes_hash = sg_xxh3_64(item->attributes, item->attributes_nbytes)};
    if (item->path && !item->foreign) h->path_hash = sg_xxh3_64(item->path, strlen(item->path));
    memcpy(h->content, item->content, SG_CONTENT_NBYTES);
    return true;
}

static had *find_had(reencode *r, uint64_t id)
{
    while (r->at < r->nhad && r->had[r->at].id < id) r->at++;
    return r->at < r->nhad && r->had[r->at].id == id ? &r->had[r->at] : NULL;
}

static bool compare_had(void *context, const sg_item *item, sg_error *err)
{
    reencode *r = context;
    had *h = find_had(r, item->id);
    if (!sg_interrupt_check(err)) return false;
    if (!h || !item->path || h->path_hash != sg_xxh3_64(item->path, strlen(item->path)) ||
        memcmp(h->content, item->content, SG_CONTENT_NBYTES) != 0)
        return true;
    h->sound = true;
    if (h->attributes_hash == sg_xxh3_64(item->attributes, item->attributes_nbytes)) return true;
    return sg_batch_change(&r->batch, err) &&
           sg_store_set_attributes(r->fresh->store, h->id, item->attributes, item->attributes_nbytes, err) &&
           (!sg_batch_due(&r->batch) || commit(r, err));
}

typedef struct pairs {
    uint64_t (*v)[2];
    size_t n, cap;
} pairs;

static bool take_pair(void *context, uint64_t a, uint64_t b, sg_error *err)
{
    pairs *p = context;
    if (!sg_grow(&p->v, &p->cap, p->n + 1, sizeof *p->v)) return sg_fail_memory(err, "pairs");
    p->v[p->n][0] = a;
    p->v[p->n++][1] = b;
    return true;
}

/* The old index's pairs come at the end: it may have lost some since they came before. */
static bool drop_pairs(reencode *r, sg_error *err)
{
    pairs p = {0};
    sg_store *fresh = r->fresh->store;
    bool ok = sg_store_pairs(fresh, take_pair, &p, err);
    for (size_t i = 0; ok && i < p.n; i++)
        ok = sg_batch_change(&r->batch, err) && sg_store_pair_set(fresh, p.v[i][0], p.v[i][1], false, err) &&
             (!sg_batch_due(&r->batch) || commit(r, err));
    sg_free(p.v);
    return ok && commit(r, err);
}

/* Leaves in the new index, and in the list, what the old one has too. */
static bool settle_had(reencode *r, sg_error *err)
{
    size_t kept = 0;
    if (!sg_store_each(r->fresh->store, take_had, r, err)) return false;
    if (r->nhad == 0) return true;
    if (!drop_pairs(r, err)) return false;
    if (!sg_store_each(r->old->store, compare_had, r, err)) return false;
    for (size_t i = 0; i < r->nhad; i++) {
        if (r->had[i].sound)
            r->had[kept++] = r->had[i];
        else if (!sg_batch_change(&r->batch, err) || !sg_store_remove(r->fresh->store, r->had[i].id, err) ||
                 (sg_batch_due(&r->batch) && !commit(r, err)))
            return false;
    }
    r->counts->resumed = r->nhad = kept;
    r->at = 0;
    return commit(r, err);
}

/* --- a chunk of pieces through the network --- */

static void clear_chunk(reencode *r)
{
    for (size_t i = 0; i < r->nchunk; i++) {
        sg_free(r->chunk[i].path);
        sg_free(r->chunk[i].attributes);
    }
    r->nchunk = 0;
}

static bool add_rest(reencode *r, uint64_t id, sg_error *err)
{
    if (!sg_grow(&r->rest, &r->rest_cap, r->nrest + 1, sizeof *r->rest)) return sg_fail_memory(err, "ids");
    r->rest[r->nrest++] = id;
    return true;
}

static void tell_changed(const reencode *r, const piece *it, uint64_t id)
{
    sg_buf what = SG_BUF_INIT;
    sg_buf_printf(&what, "%s: has changed since it was added: its id is %" PRIu64 " now, not %" PRIu64,
                  it->path, id, it->id);
    say(r, SG_REENCODE_CHANGED, it->path, sg_buf_text(&what));
    sg_buf_clear(&what);
}

static bool put(reencode *r, const sg_picture *p, const uint8_t *code, const float *z, sg_error *err)
{
    const piece *it = &r->chunk[p->place];
    sg_item item = {.id = it->id,
                    .path = it->path,
                    .nbytes = p->nbytes,
                    .mtime_ns = p->mtime_ns,
                    .foreign = r->fresh->verdict != SG_RECIPE_SAME,
                    .disk_depth = sg_disk_depth(it->path),
                    .code = code,
                    .attributes = it->attributes,
                    .attributes_nbytes = it->attributes_nbytes,
                    .outputs = z};
    memcpy(item.content, p->content, SG_CONTENT_NBYTES);
    if (!sg_batch_change(&r->batch, err)) return false;
    if (memcmp(p->content, it->content, SG_CONTENT_NBYTES) == 0) { /* perhaps only in the second round */
        r->pending.encoded++;
        return sg_store_put_as(r->fresh->store, &item, err);
    }
    sg_put_kind kind;
    uint64_t id, other;
    if (!sg_store_put(&kind, &id, &other, r->fresh->store, &item, err)) return false;
    r->pending.changed++;
    tell_changed(r, it, id);
    return true;
}

static bool take(void *context, const sg_picture *p, const uint8_t *code, const float *z, sg_error *err)
{
    reencode *r = context;
    if (p->state == SG_PICTURE_GOOD) {
        if (!put(r, p, code, z, err)) return false;
    } else if (p->why.code == SG_ERR_MEMORY) {
        return sg_fail(err, SG_ERR_MEMORY, "%s", p->why.message);
    } else if (!r->changed_too) {
        return add_rest(r, p->id, err);
    } else if (p->why.code == SG_ERR_IO) {
        sg_missing_unreadable(&r->missing, p->why.message);
    } else {
        r->counts->broken++;
        say(r, SG_REENCODE_BROKEN, p->path, p->why.message);
    }
    step(r);
    return !sg_batch_due(&r->batch) || commit(r, err);
}

static bool push(reencode *r, size_t place, sg_error *err)
{
    const piece *it = &r->chunk[place];
    struct stat st;
    if (stat(it->path, &st) != 0 || !S_ISREG(st.st_mode)) {
        if (!r->changed_too) return add_rest(r, it->id, err);
        step(r);
        return sg_lost_add(&r->missing.lost,
                           &(sg_item){.id = it->id, .path = it->path, .disk_depth = it->disk_depth}, err);
    }
    sg_picture p = {.path = it->path,
                    .named = true,
                    .nbytes = (uint64_t)st.st_size,
                    .mtime_ns = sg_mtime_ns(&st),
                    .need = r->changed_too ? SG_PICTURE_ALWAYS : SG_PICTURE_IF_SAME,
                    .id = it->id,
                    .place = place};
    memcpy(p.recorded, it->content, SG_CONTENT_NBYTES);
    return sg_intake_push(&r->intake, &p, err);
}

static bool run_chunk(reencode *r, sg_error *err)
{
    bool ok = true;
    for (size_t i = 0; ok && i < r->nchunk; i++) ok = sg_interrupt_check(err) && push(r, i, err);
    ok = ok && sg_intake_flush(&r->intake, err);
    clear_chunk(r);
    return ok;
}

static bool add_piece(reencode *r, const sg_item *item, sg_error *err)
{
    if (r->nchunk == CHUNK_ITEMS && !run_chunk(r, err)) return false;
    piece *p = &r->chunk[r->nchunk];
    *p = (piece){.id = item->id,
                 .path = sg_strdup(item->path),
                 .attributes = sg_alloc(item->attributes_nbytes, 1),
                 .attributes_nbytes = item->attributes_nbytes,
                 .disk_depth = item->disk_depth};
    r->nchunk++;
    if (!p->path || !p->attributes) return sg_fail_memory(err, item->path);
    if (p->attributes_nbytes > 0) memcpy(p->attributes, item->attributes, p->attributes_nbytes);
    memcpy(p->content, item->content, SG_CONTENT_NBYTES);
    return true;
}

/* --- the rounds --- */

static bool visit_old(void *context, const sg_item *item, sg_error *err)
{
    reencode *r = context;
    if (!sg_interrupt_check(err)) return false;
    if (find_had(r, item->id)) {
        step(r);
        return true;
    }
    if (item->path) return add_piece(r, item, err);
    r->counts->bare++;
    step(r);
    return true;
}

/* What has changed gets ids above all that the old index gave; a call before this one may have given such. */
static bool count_on(reencode *r, sg_error *err)
{
    const sg_store_info *info = &r->old->info;
    sg_error why = {SG_OK, ""};
    if (!sg_batch_change(&r->batch, err)) return false;
    if (!sg_store_skip_ids(r->fresh->store, info->next_id, &why) && why.code != SG_ERR_USAGE) {
        if (err) *err = why;
        return false;
    }
    return sg_store_skip_generations(r->fresh->store, info->generation, err);
}

static bool visit_rest(reencode *r, sg_error *err)
{
    r->changed_too = true;
    for (size_t i = 0; i < r->nrest; i++) {
        sg_item item;
        char *path;
        if (!sg_store_get(&item, &path, r->old->store, r->rest[i], err)) return false;
        bool ok = add_piece(r, &item, err);
        sg_free(path);
        if (!ok) return false;
    }
    return run_chunk(r, err);
}

static bool carry_pair(void *context, uint64_t a, uint64_t b, sg_error *err)
{
    reencode *r = context;
    sg_error why = {SG_OK, ""};
    if (!sg_interrupt_check(err) || !sg_batch_change(&r->batch, err)) return false;
    if (sg_store_pair_set(r->fresh->store, a, b, true, &why) || why.code == SG_ERR_NOT_FOUND)
        return !sg_batch_due(&r->batch) || commit(r, err);
    if (err) *err = why;
    return false;
}

static bool encode_all(reencode *r, sg_error *err)
{
    const sg_store_info *info = &r->old->info;
    r->intake =
        (sg_intake){.encoder = r->fresh->encoder, .threads = r->options->threads, .take = take, .context = r};
    r->batch = (sg_batch){.store = r->fresh->store};
    r->chunk = sg_calloc(CHUNK_ITEMS, sizeof *r->chunk);
    if (!r->chunk) return sg_fail_memory(err, "items");
    return sg_intake_begin(&r->intake, err) && settle_had(r, err) &&
           sg_store_each(r->old->store, visit_old, r, err) && run_chunk(r, err) && count_on(r, err) &&
           visit_rest(r, err) && commit(r, err) &&
           sg_missing_settle(r->counts, &r->missing, r->options, err) &&
           sg_store_pairs(r->old->store, carry_pair, r, err) && sg_batch_change(&r->batch, err) &&
           sg_store_set_search(r->fresh->store, info->kind, &info->params, err) && commit(r, err);
}

bool sg_reencode_items(sg_reencode_counts *counts, sg_index *old, sg_index *fresh,
                       const sg_reencode_options *options, sg_error *err)
{
    sg_error why = {SG_OK, ""};
    reencode r = {.old = old, .fresh = fresh, .options = options, .counts = counts};
    if (options->progress) options->progress->total = old->info.items;
    bool ok = encode_all(&r, &why);
    if (!ok && why.code == SG_ERR_INTERRUPTED) { /* what is in the open batch is sound: it is kept */
        sg_error failed;
        if (!commit(&r, &failed)) why = failed;
    }
    sg_batch_abort(&r.batch);
    clear_chunk(&r);
    sg_intake_end(&r.intake);
    sg_lost_clear(&r.missing.lost);
    sg_free(r.chunk);
    sg_free(r.rest);
    sg_free(r.had);
    if (!ok && err) *err = why;
    return ok;
}
