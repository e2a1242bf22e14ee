/* Files into an index: found, looked at and encoded (intake.c), then stored, always in the order of the files: ids do
 * not depend on timing. */
#include "disk_impl.h"
#include "ingest_impl.h"

#include <inttypes.h>
#include <signet/buf.h>
#include <signet/interrupt.h>
#include <signet/mem.h>
#include <string.h>

/* --- telling --- */

/* Events of single files that went well are told to those who want each. */
static bool is_routine(sg_ingest_event event)
{
    return event == SG_INGEST_ADDED || event == SG_INGEST_RENEWED || event == SG_INGEST_GONE ||
           event == SG_INGEST_REMOVED;
}

void sg_ingest_say(const sg_ingest *in, sg_ingest_event event, const char *path, const char *what)
{
    const sg_ingest_options *o = in->options;
    if (o->note && (o->each || !is_routine(event))) o->note(o->context, event, path, what);
}

static void step(sg_ingest *in)
{
    in->nfinished++;
    if (in->options->progress) sg_progress_update(in->options->progress, in->nfinished, NULL);
}

bool sg_ingest_broken(sg_ingest *in, const char *path, const sg_error *why, sg_error *err)
{
    if (in->options->strict || why->code == SG_ERR_MEMORY) {
        if (err) *err = *why;
        return false;
    }
    in->counts->broken++;
    sg_ingest_say(in, SG_INGEST_SKIPPED, path, why->message);
    return true;
}

static bool say_duplicate(const sg_ingest *in, const char *path, uint64_t other, sg_error *err)
{
    sg_item item;
    char *other_path;
    sg_buf what = SG_BUF_INIT;
    if (!in->options->note) return true;
    if (!sg_store_get(&item, &other_path, in->index->store, other, err)) return false;
    sg_buf_printf(&what, "same content as %s (id %" PRIu64 ")", other_path, other);
    bool ok = sg_buf_ok(&what) ? true : sg_fail_memory(err, path);
    if (ok) sg_ingest_say(in, SG_INGEST_DUPLICATE, path, sg_buf_text(&what));
    sg_buf_clear(&what);
    sg_free(other_path);
    return ok;
}

/* --- storing --- */

bool sg_ingest_commit(sg_ingest *in, sg_error *err)
{
    if (!sg_batch_commit(&in->batch, err)) return false;
    in->counts->added += in->pending.added;
    in->counts->updated += in->pending.updated;
    in->counts->unchanged += in->pending.unchanged;
    in->counts->duplicates += in->pending.duplicates;
    in->counts->moved += in->pending.moved;
    in->counts->removed += in->pending.removed;
    in->pending = (sg_ingest_counts){0};
    return true;
}

static sg_item item_of(const sg_ingest *in, const sg_picture *p, const uint8_t *code, const float *z)
{
    sg_item item = {.path = p->path,
                    .nbytes = p->nbytes,
                    .mtime_ns = p->mtime_ns,
                    .foreign = in->index->verdict != SG_RECIPE_SAME,
                    .disk_depth = sg_disk_depth(p->path),
                    .code = code,
                    .outputs = z};
    memcpy(item.content, p->content, SG_CONTENT_NBYTES);
    return item;
}

/* Adds packed ones to a. */
static bool add_attributes(sg_attributes *a, const char *data, size_t nbytes, sg_error *err)
{
    const char *key, *value;
    size_t at = 0;
    while (sg_attributes_next(&key, &value, data, nbytes, &at))
        if (!sg_attributes_add(a, key, value, err)) return false;
    return true;
}

static bool add_attributes_of(sg_attributes *a, sg_store *store, uint64_t id, sg_error *err)
{
    sg_item item;
    char *path;
    if (!sg_store_get(&item, &path, store, id, err)) return false;
    bool ok = add_attributes(a, item.attributes, item.attributes_nbytes, err);
    sg_free(path);
    return ok;
}

/* The name of the folder right below the one that was asked for. */
static bool add_folder_label(sg_attributes *a, const sg_file *file, sg_error *err)
{
    const char *below = file->path + file->below, *slash = strchr(below, '/');
    if (file->below == 0 || !slash) return true;
    char *label = sg_alloc((size_t)(slash - below) + 1, 1);
    if (!label) return sg_fail_memory(err, file->path);
    memcpy(label, below, (size_t)(slash - below));
    label[slash - below] = '\0';
    bool ok = sg_attributes_add(a, SG_ATTRIBUTE_LABEL, label, err) || sg_prefix(err, "%s", file->path);
    sg_free(label);
    return ok;
}

/* What the item had, or the one that it was before it was moved, and what this call gives to all. Empty: as it was. */
static bool gather_attributes(sg_attributes *a, const sg_ingest *in, const sg_picture *p, const sg_lost *from,
                              sg_error *err)
{
    const sg_ingest_options *o = in->options;
    uint64_t before = from ? from->id : p->id;
    if (o->attributes_nbytes == 0 && !o->folder_labels && !from) return true;
    return (!before || add_attributes_of(a, in->index->store, before, err)) &&
           add_attributes(a, o->attributes, o->attributes_nbytes, err) &&
           (!o->folder_labels || add_folder_label(a, &in->files.v[p->place], err));
}

static void say_moved(const sg_ingest *in, const char *path, const sg_lost *from)
{
    sg_buf what = SG_BUF_INIT;
    sg_buf_printf(&what, "was %s", from->path);
    sg_ingest_say(in, SG_INGEST_MOVED, path, sg_buf_text(&what));
    sg_buf_clear(&what);
}

static bool put(sg_ingest *in, const sg_picture *p, const uint8_t *code, const float *z, sg_error *err)
{
    sg_put_kind kind;
    uint64_t id, other;
    sg_error why;
    sg_attributes attributes = SG_ATTRIBUTES_INIT;
    sg_lost *from = in->lost && !p->id ? sg_lost_find(in->lost, p->content, p->path) : NULL;
    sg_item item = item_of(in, p, code, z);
    if (!gather_attributes(&attributes, in, p, from, &why)) {
        sg_attributes_clear(&attributes);
        if (why.code == SG_ERR_USAGE) return sg_ingest_broken(in, p->path, &why, err); /* a folder's name */
        if (err) *err = why;
        return false;
    }
    item.attributes = attributes.data;
    item.attributes_nbytes = attributes.nbytes;
    bool ok =
        sg_batch_change(&in->batch, err) && sg_store_put(&kind, &id, &other, in->index->store, &item, err);
    sg_attributes_clear(&attributes);
    if (!ok) return false;
    in->pending.added += kind == SG_PUT_ADDED || kind == SG_PUT_DUPLICATE;
    in->pending.updated += kind == SG_PUT_UPDATED;
    in->pending.unchanged += kind == SG_PUT_UNCHANGED;
    if (from) {
        in->pending.moved++;
        if (!from->heir) from->heir = id;
        say_moved(in, p->path, from);
        return true;
    }
    in->pending.duplicates += other != 0;
    if (kind == SG_PUT_UPDATED)
        sg_ingest_say(in, SG_INGEST_UPDATED, p->path, "updated");
    else
        sg_ingest_say(in, SG_INGEST_ADDED, p->path, "added");
    return other == 0 || say_duplicate(in, p->path, other, err);
}

/* The content is what the index has: what the file system says of it is new, the code stays. */
static bool renew(sg_ingest *in, const sg_picture *p, sg_error *err)
{
    static const uint8_t any[SG_BITS_MAX / 8]; /* a code is not looked at */
    sg_put_kind kind;
    uint64_t id, other;
    const sg_item item = item_of(in, p, any, NULL);
    if (!sg_batch_change(&in->batch, err) || !sg_store_put(&kind, &id, &other, in->index->store, &item, err))
        return false;
    SG_ASSERT(kind == SG_PUT_UNCHANGED);
    in->pending.unchanged++;
    sg_ingest_say(in, SG_INGEST_RENEWED, p->path, "unchanged, with another time");
    return true;
}

/* A file without a signature. One that the index knows as an image has become something else. */
static bool no_image(sg_ingest *in, const sg_picture *p, sg_error *err)
{
    sg_error why;
    if (p->id) {
        sg_fail(&why, SG_ERR_FORMAT, "%s: was an image when it was added, and is none now", p->path);
        return sg_ingest_broken(in, p->path, &why, err);
    }
    in->counts->ignored++;
    return true;
}

static bool take(void *context, const sg_picture *p, const uint8_t *code, const float *z, sg_error *err)
{
    sg_ingest *in = context;
    bool ok = p->state == SG_PICTURE_GOOD      ? put(in, p, code, z, err)
              : p->state == SG_PICTURE_SKIPPED ? renew(in, p, err)
              : p->state == SG_PICTURE_BROKEN  ? sg_ingest_broken(in, p->path, &p->why, err)
                                               : no_image(in, p, err);
    step(in);
    return ok && (!sg_batch_due(&in->batch) || sg_ingest_commit(in, err));
}

/* What would be done with it. */
static bool foresee(sg_ingest *in, sg_picture *p, sg_error *err)
{
    bool ok = true;
    sg_picture_glance(p);
    if (p->state == SG_PICTURE_GOOD) {
        in->counts->added += !p->id;
        in->counts->updated += p->id != 0;
        sg_ingest_say(in, p->id ? SG_INGEST_UPDATED : SG_INGEST_ADDED, p->path, p->id ? "updated" : "added");
    } else if (p->state == SG_PICTURE_SKIPPED) {
        in->counts->unchanged++;
        sg_ingest_say(in, SG_INGEST_RENEWED, p->path, "unchanged, with another time");
    } else {
        ok = p->state == SG_PICTURE_BROKEN ? sg_ingest_broken(in, p->path, &p->why, err)
                                           : no_image(in, p, err);
    }
    step(in);
    return ok;
}

/* --- one file after the other --- */

static bool find_recorded(sg_picture *p, sg_store *store, sg_error *err)
{
    sg_item item;
    char *path;
    bool found;
    if (!sg_store_find_path(&p->id, &found, store, p->path, err)) return false;
    if (!found) {
        p->id = 0;
        return true;
    }
    if (!sg_store_get(&item, &path, store, p->id, err)) return false;
    sg_free(path);
    memcpy(p->recorded, item.content, SG_CONTENT_NBYTES);
    p->need = SG_PICTURE_IF_OTHER;
    return true;
}

/* The network, when there is something for it. */
static bool need_network(sg_ingest *in, sg_error *err)
{
    sg_index *index = in->index;
    if (in->ready) return true;
    if (!index->encoder && !sg_index_open_encoder(index, SG_INDEX_BATCH, err)) return false;
    if (index->verdict == SG_RECIPE_OTHER && !in->options->any_recipe)
        return sg_fail(err, SG_ERR_MISMATCH, "codes made here would not be those of the index: %s",
                       index->differs);
    in->intake =
        (sg_intake){.encoder = index->encoder, .threads = in->options->threads, .take = take, .context = in};
    in->ready = true;
    return sg_intake_begin(&in->intake, err);
}

/* A file that is recorded with its size and time is not read. */
static bool take_file(sg_ingest *in, const sg_file *f, sg_error *err)
{
    sg_error why;
    if (!sg_interrupt_check(err)) return false;
    if (f->errnum) {
        sg_fail_errno(&why, f->errnum, "%s: cannot open", f->path);
        step(in);
        return sg_ingest_broken(in, f->path, &why, err);
    }
    if (f->current) {
        in->counts->unchanged++;
        step(in);
        return true;
    }
    sg_picture p = {.path = f->path,
                    .named = f->named,
                    .nbytes = f->nbytes,
                    .mtime_ns = f->mtime_ns,
                    .place = (size_t)(f - in->files.v)};
    if (!find_recorded(&p, in->index->store, err)) return false;
    if (in->options->dry_run) return foresee(in, &p, err);
    if (!in->ready) { /* is there something for a network? */
        sg_picture_glance(&p);
        if (p.state == SG_PICTURE_NO_IMAGE || p.state == SG_PICTURE_SKIPPED)
            return take(in, &p, NULL, NULL, err);
    }
    return need_network(in, err) && sg_intake_push(&in->intake, &p, err);
}

bool sg_ingest_take_all(sg_ingest *in, sg_error *err)
{
    for (size_t i = 0; i < in->files.n; i++) {
        if (!take_file(in, &in->files.v[i], err)) return false;
        if (sg_batch_due(&in->batch) && !sg_ingest_commit(in, err)) return false;
    }
    return in->options->dry_run || (sg_intake_flush(&in->intake, err) && sg_ingest_commit(in, err));
}

/* --- the whole --- */

static bool take_refused(void *context, const char *path, const sg_error *why, sg_error *err)
{
    return sg_ingest_broken(context, path, why, err);
}

bool sg_ingest_find(sg_ingest *in, const char *path, sg_error *err)
{
    const sg_dir_refused refused = {take_refused, in};
    const sg_dir_options options = {.hidden = in->options->hidden,
                                    .exclude = in->options->exclude,
                                    .nexclude = in->options->nexclude,
                                    .refused = &refused};
    if (!sg_files_add(&in->files, path, &options, err)) return false;
    if (in->options->progress) in->options->progress->total = in->files.n;
    return true;
}

void sg_ingest_begin(sg_ingest *in, sg_index *index, const sg_ingest_options *options,
                     sg_ingest_counts *counts)
{
    *counts = (sg_ingest_counts){0};
    *in = (sg_ingest){.index = index, .options = options, .counts = counts, .batch = {.store = index->store}};
}

bool sg_ingest_end(sg_ingest *in, bool ok, const sg_error *why, sg_error *err)
{
    sg_error last = *why;
    if (!ok && why->code == SG_ERR_INTERRUPTED) { /* what is in the open batch is sound: it is kept */
        sg_error failed;
        if (!sg_ingest_commit(in, &failed)) last = failed;
    }
    sg_batch_abort(&in->batch);
    sg_intake_end(&in->intake);
    sg_files_clear(&in->files);
    if (!ok && err) *err = last;
    return ok;
}

bool sg_ingest_paths(sg_ingest_counts *counts, sg_index *index, const char *const *paths, size_t npaths,
                     const sg_ingest_options *options, sg_error *err)
{
    sg_ingest in;
    sg_error why = {SG_OK, ""};
    bool ok = true;
    sg_ingest_begin(&in, index, options, counts);
    for (size_t i = 0; ok && i < npaths; i++) ok = sg_ingest_find(&in, paths[i], &why);
    ok = ok && sg_files_check(&in.files, index->store, NULL, NULL, &why) && sg_ingest_take_all(&in, &why);
    return sg_ingest_end(&in, ok, &why, err);
}
