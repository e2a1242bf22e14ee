/* A whole index copied, and one put into another. */
#include "index_impl.h"

#include <signet/file.h>
#include <signet/mem.h>
#include <string.h>

#define ATTEMPTS 3 /* against an index that is replaced meanwhile */

/* The copy's encoder is the one that the copy's codes were made by: it may have been exchanged between the two. */
static bool copy_encoder(void *context, const char *folder, sg_error *err)
{
    const sg_index *index = context;
    sg_model *model = NULL;
    char *from = NULL, *to = NULL;
    bool ok = sg_path_join(&from, index->dir, SG_INDEX_ENCODER, err) &&
              sg_path_join(&to, folder, SG_INDEX_ENCODER, err) && sg_file_copy(from, to, err) &&
              sg_model_load(&model, to, err);
    if (ok && strcmp(model->fingerprint, index->info.fingerprint) != 0)
        ok = sg_fail(err, SG_ERR_MISMATCH, "%s: is not the encoder that the index was made with", from);
    sg_model_free(model);
    sg_free(from);
    sg_free(to);
    return ok;
}

static bool copy_once(sg_store_info *info, sg_index *index, const char *dir, sg_error *err)
{
    sg_store *copy;
    if (!sg_store_copy(index->store, dir, copy_encoder, index, err) ||
        !sg_store_open(&copy, dir, false, 0, err))
        return false;
    bool ok = sg_store_info_get(info, copy, err);
    sg_store_close(copy);
    return ok;
}

bool sg_index_copy(sg_store_info *info, sg_index *index, const char *dir, sg_error *err)
{
    bool replaced, ok = copy_once(info, index, dir, err);
    for (int i = 1; !ok && i < ATTEMPTS && sg_index_is_outdated(index->store); i++)
        ok = sg_index_follow(&replaced, index, err) && copy_once(info, index, dir, err);
    return ok;
}

bool sg_index_merge(sg_join_counts *counts, sg_index *index, const char *dir, const sg_merge_options *options,
                    sg_error *err)
{
    sg_index *other;
    char differs[256];
    *counts = (sg_join_counts){0};
    if (sg_path_same(index->dir, dir))
        return sg_fail(err, SG_ERR_USAGE, "%s: cannot be put into itself", dir);
    if (!sg_index_open(&other, dir, SG_INDEX_STORE, false, err)) return false;
    sg_recipe_verdict verdict =
        sg_recipe_compare(&index->info.recipe, &other->info.recipe, differs, sizeof differs);
    sg_merge_options all = *options;
    all.foreign |= verdict != SG_RECIPE_SAME;
    if (all.progress) all.progress->total = other->info.items;
    bool ok = verdict != SG_RECIPE_OTHER ||
              sg_fail(err, SG_ERR_MISMATCH, "%s: has codes that were made in another way (%s)", dir, differs);
    if (ok && !sg_store_merge(counts, index->store, other->store, &all, err)) {
        ok = false;
        if (err && err->code == SG_ERR_MISMATCH) sg_prefix(err, "%s", dir);
    }
    sg_index_close(other);
    return ok;
}
