/* An index rebuilt by another model: what is refused, where the new one grows and whether there is a beginning of it
 * already, and that it takes the old one's place. The encoding itself: reencode.c. */
#include "reencode_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <signet/file.h>
#include <signet/interrupt.h>
#include <signet/mem.h>
#include <string.h>
#include <sys/stat.h>

/* Are the index's codes those that the model makes here? */
static bool is_made_by(const sg_store_info *info, const sg_index_source *source)
{
    char differs[256];
    return strcmp(info->fingerprint, source->model->fingerprint) == 0 &&
           sg_recipe_compare(&info->recipe, &source->recipe, differs, sizeof differs) == SG_RECIPE_SAME;
}

/* Is there a beginning of the same work beside? What else lies there is thrown away: an index of another model, or the old
 * one after the exchange. */
static bool find_beginning(bool *found, const char *beside, const sg_index *old,
                           const sg_index_source *source, sg_error *err)
{
    sg_index *index;
    sg_error why = {SG_OK, ""};
    *found = false;
    if (!sg_is_dir(beside)) return true;
    if (sg_index_open(&index, beside, SG_INDEX_STORE, false, &why)) {
        *found = is_made_by(&index->info, source) && index->info.outputs == old->info.outputs;
        sg_index_close(index);
    } else if (why.code != SG_ERR_FORMAT && why.code != SG_ERR_NOT_FOUND) {
        if (err) *err = why;
        return false;
    }
    if (!*found) sg_store_discard(beside);
    return true;
}

static bool open_fresh(sg_index **fresh, const char *beside, const sg_index *old,
                       const sg_index_source *source, const sg_reencode_options *options, sg_error *err)
{
    bool found;
    sg_index_ways ways = options->ways;
    *fresh = NULL;
    ways.params = &old->info.params;
    ways.outputs = old->info.outputs;
    if (!find_beginning(&found, beside, old, source, err) ||
        (!found && !sg_index_make(beside, source, old->info.kind, &ways, err)) ||
        !sg_index_open(fresh, beside, SG_INDEX_ENCODE, true, err))
        return false;
    if (options->max_pixels) sg_index_set_max_pixels(*fresh, options->max_pixels);
    return true;
}

/* --- pictures that cannot be had --- */

static void keep_why(sg_missing *m, const char *why)
{
    if (!*m->why) snprintf(m->why, sizeof m->why, "%s", why);
}

void sg_missing_unreadable(sg_missing *m, const char *why)
{
    m->unreadable++;
    keep_why(m, why);
}

static void take_place(void *context, const char *place, const char *why)
{
    sg_error said;
    sg_fail(&said, SG_ERR_NOT_FOUND, "%s: %s", place, why);
    keep_why(context, said.message);
}

static void tell_gone(const char *path, const sg_reencode_options *options)
{
    struct stat st;
    sg_error why;
    if (stat(path, &st) == 0)
        sg_fail(&why, SG_ERR_IO, "%s: is not a regular file", path);
    else
        sg_fail_errno(&why, errno, "%s: cannot open", path);
    if (options->note) options->note(options->context, SG_REENCODE_GONE, path, why.message);
}

/* All that can be encoded is: the index as it would be, without the pictures that are lost. One that would hold none is not
 * what anybody means: their folder has moved. */
static bool refuse_lost(const sg_reencode_counts *counts, const sg_missing *m,
                        const sg_reencode_options *options, sg_error *err)
{
    const bool none = counts->encoded + counts->resumed + counts->changed == 0;
    if (counts->gone + counts->broken == 0 || (!none && (options->prune || options->dry_run))) return true;
    return sg_fail(err, SG_ERR_NOT_FOUND,
                   "%" PRIu64 " pictures are gone and %" PRIu64 " broken, so the index stays as it is%s%s%s",
                   counts->gone, counts->broken, none ? ": none would be left" : " unless they are pruned",
                   m->lost.n > 0 ? ": " : "", m->lost.n > 0 ? m->lost.v[0].path : "");
}

bool sg_missing_settle(sg_reencode_counts *counts, sg_missing *m, const sg_reencode_options *options,
                       sg_error *err)
{
    uint64_t unseen = m->unreadable;
    if (!sg_lost_judge(&m->lost, "/", NULL, take_place, m, err)) return false;
    for (size_t i = 0; i < m->lost.n; i++) {
        if (m->lost.v[i].fate == SG_LOST_GONE) continue;
        unseen++;
        if (m->lost.v[i].fate == SG_LOST_THERE) take_place(m, m->lost.v[i].path, "is there again");
    }
    if (unseen > 0)
        return sg_fail(err, SG_ERR_NOT_FOUND,
                       "%" PRIu64 " pictures cannot be read now, so the index stays as it is (those that are "
                       "gone for good can be removed from it): %s",
                       unseen, m->why);
    counts->gone += m->lost.n;
    if (!refuse_lost(counts, m, options, err)) return false;
    for (size_t i = 0; i < m->lost.n; i++) tell_gone(m->lost.v[i].path, options);
    return true;
}

/* --- what would be done --- */

typedef struct foresight {
    sg_reencode_counts *counts;
    sg_missing missing;
} foresight;

static bool foresee_item(void *context, const sg_item *item, sg_error *err)
{
    foresight *f = context;
    struct stat st;
    if (!sg_interrupt_check(err)) return false;
    if (!item->path) {
        f->counts->bare++;
    } else if (stat(item->path, &st) != 0 || !S_ISREG(st.st_mode)) {
        return sg_lost_add(&f->missing.lost, item, err);
    } else {
        bool same = item->nbytes == (uint64_t)st.st_size && item->mtime_ns == sg_mtime_ns(&st);
        f->counts->encoded += same;
        f->counts->changed += !same;
    }
    return true;
}

static bool foresee(sg_reencode_counts *counts, const sg_index *old, const sg_reencode_options *options,
                    sg_error *err)
{
    foresight f = {.counts = counts};
    bool ok = sg_store_each(old->store, foresee_item, &f, err) &&
              sg_missing_settle(counts, &f.missing, options, err);
    sg_lost_clear(&f.missing.lost);
    return ok;
}

/* --- the whole --- */

static bool rebuild(sg_reencode_counts *counts, sg_index *old, const char *beside,
                    const sg_index_source *source, const sg_reencode_options *options, sg_error *err)
{
    sg_index *fresh;
    counts->current = is_made_by(&old->info, source) && old->info.foreign == 0;
    if (counts
            ->current) { /* perhaps since a moment ago, when a call was cut short before it had cleared up */
        if (!options->dry_run) sg_store_discard(beside);
        return true;
    }
    if (old->info.bare > 0 && !options->drop_bare)
        return sg_fail(err, SG_ERR_MISMATCH,
                       "%s: %" PRIu64 " of its codes have no picture that could be encoded anew", old->dir,
                       old->info.bare);
    if (options->dry_run) return foresee(counts, old, options, err);
    bool ok = open_fresh(&fresh, beside, old, source, options, err) &&
              sg_reencode_items(counts, old, fresh, options, err) &&
              sg_store_replace(old->store, fresh->store, err);
    sg_index_close(fresh);
    return ok;
}

bool sg_index_reencode(sg_reencode_counts *counts, const char *dir, const char *model_path,
                       const sg_reencode_options *options, sg_error *err)
{
    sg_index_source source = {.path = NULL};
    sg_index *old = NULL;
    char *resolved, *beside;
    *counts = (sg_reencode_counts){0};
    bool ok = sg_store_beside(&resolved, &beside, dir, err) &&
              sg_index_source_load(&source, model_path, &options->ways, err) &&
              sg_index_open(&old, resolved, SG_INDEX_STORE, !options->dry_run, err) &&
              rebuild(counts, old, beside, &source, options, err);
    sg_index_close(old);
    sg_index_source_clear(&source);
    sg_free(resolved);
    sg_free(beside);
    return ok;
}
