/* An index folder with its encoder: the store, the model that stands in the folder, and whether this process makes the
 * codes that the index holds. */
#include "index_impl.h"

#include <signet/file.h>
#include <signet/mem.h>
#include <signet/search.h>
#include <string.h>

#define WRITER_WAIT_MS 10000
#define BATCH_ASKING   1 /* a pass costs as much as a full batch */

static bool put_encoder(void *context, const char *folder, sg_error *err)
{
    const sg_index_source *source = context;
    char *path;
    if (!sg_path_join(&path, folder, SG_INDEX_ENCODER, err)) return false;
    bool ok =
        source->copied ? sg_file_copy(source->path, path, err) : sg_model_save(source->model, path, err);
    sg_free(path);
    return ok;
}

/* A classifier becomes the hash of its last hidden layer's signs. */
static bool load_hash(sg_index_source *source, sg_error *err)
{
    if (!sg_model_load(&source->model, source->path, err)) return false;
    if (sg_model_spec(source->model)->head == SG_HEAD_HASH) return true;
    sg_model *classifier = source->model;
    source->copied = false;
    bool ok = sg_model_signs(&source->model, classifier, err) || sg_prefix(err, "%s", source->path);
    sg_model_free(classifier);
    return ok;
}

bool sg_index_source_load(sg_index_source *source, const char *path, const sg_index_ways *ways, sg_error *err)
{
    const sg_index_ways w = ways ? *ways : (sg_index_ways){0};
    *source = (sg_index_source){.path = path, .copied = true, .recipe = SG_KV_INIT};
    if (load_hash(source, err) &&
        (!w.decode || sg_preprocess_set(&source->model->preprocess, "decode", w.decode, err)) &&
        sg_model_set_precision(source->model, w.precision, err) &&
        sg_recipe_now(&source->recipe, source->model, err) &&
        (source->copied || sg_model_stamp(source->model, err)))
        return true;
    sg_index_source_clear(source);
    return false;
}

void sg_index_source_clear(sg_index_source *source)
{
    sg_kv_clear(&source->recipe);
    sg_model_free(source->model);
    source->model = NULL;
}

bool sg_index_make(const char *dir, const sg_index_source *source, const char *kind,
                   const sg_index_ways *ways, sg_error *err)
{
    const sg_index_ways w = ways ? *ways : (sg_index_ways){0};
    const size_t nbits = (size_t)sg_model_spec(source->model)->outputs;
    return sg_search_params_check(kind, w.params, nbits, err) &&
           sg_store_create(dir, nbits, source->model->fingerprint, &source->recipe, kind, w.params, w.outputs,
                           put_encoder, (void *)source, err);
}

bool sg_index_create(const char *dir, const char *model_path, const char *kind, const sg_index_ways *ways,
                     sg_error *err)
{
    sg_index_source source;
    if (!sg_search_kind_check(kind, err) || !sg_index_source_load(&source, model_path, ways, err))
        return false;
    bool ok = sg_index_make(dir, &source, kind, ways, err);
    sg_index_source_clear(&source);
    return ok;
}

static bool check_model(const sg_index *index, const char *path, sg_error *err)
{
    const sg_net_spec *spec = sg_model_spec(index->model);
    if (strcmp(index->model->fingerprint, index->info.fingerprint) != 0)
        return sg_fail(err, SG_ERR_MISMATCH,
                       "%s: is another model (%.8s) than the index was made with (%.8s)", path,
                       index->model->fingerprint, index->info.fingerprint);
    if (spec->head != SG_HEAD_HASH || (size_t)spec->outputs != index->info.nbits)
        return sg_fail(err, SG_ERR_MISMATCH, "%s: does not make the index's %zu-bit codes", path,
                       index->info.nbits);
    return true;
}

bool sg_index_open_encoder(sg_index *index, size_t batch, sg_error *err)
{
    char *path;
    sg_kv now = SG_KV_INIT;
    if (!sg_path_join(&path, index->dir, SG_INDEX_ENCODER, err)) return false;
    bool ok = sg_model_load(&index->model, path, err) && check_model(index, path, err) &&
              (sg_recipe_apply(index->model, &index->info.recipe, err) || sg_prefix(err, "%s", index->dir)) &&
              sg_recipe_now(&now, index->model, err);
    if (ok) {
        if (index->max_pixels) index->model->preprocess.max_pixels = index->max_pixels;
        index->verdict = sg_recipe_compare(&index->info.recipe, &now, index->differs, sizeof index->differs);
        index->batch = batch;
        ok = sg_encoder_new(&index->encoder, index->model, batch, err);
    }
    sg_kv_clear(&now);
    sg_free(path);
    return ok;
}

static void close_encoder(sg_index *index)
{
    sg_encoder_free(index->encoder);
    sg_model_free(index->model);
    index->encoder = NULL;
    index->model = NULL;
    index->verdict = SG_RECIPE_SAME;
    index->differs[0] = '\0';
}

bool sg_index_is_outdated(sg_store *store)
{
    bool replaced;
    return store && sg_store_is_replaced(&replaced, store, NULL) && replaced;
}

static bool open_store(sg_store **store, sg_store_info *info, const sg_index *index, sg_error *err)
{
    bool again = true;
    while (again) {
        if (!sg_store_open(store, index->dir, index->writable, WRITER_WAIT_MS, err)) return false;
        if (sg_store_info_get(info, *store, err)) return true;
        again = sg_index_is_outdated(*store);
        sg_store_close(*store);
        *store = NULL;
    }
    return false;
}

bool sg_index_open_store(sg_index **result, const char *dir, bool writable, sg_error *err)
{
    *result = NULL;
    sg_index *index = sg_calloc(1, sizeof *index);
    if (!index) return sg_fail_memory(err, "index");
    index->writable = writable;
    index->dir = sg_strdup(dir);
    if (index->dir ? open_store(&index->store, &index->info, index, err) : sg_fail_memory(err, "index")) {
        *result = index;
        return true;
    }
    sg_index_close(index);
    return false;
}

bool sg_index_open(sg_index **result, const char *dir, sg_index_need need, bool writable, sg_error *err)
{
    bool again = true;
    while (again) {
        if (!sg_index_open_store(result, dir, writable, err)) return false;
        if (need == SG_INDEX_STORE ||
            sg_index_open_encoder(*result, writable ? SG_INDEX_BATCH : BATCH_ASKING, err))
            return true;
        again = sg_index_is_outdated((*result)->store);
        sg_index_close(*result);
        *result = NULL;
    }
    return false;
}

static bool same_recipe(const sg_kv *a, const sg_kv *b)
{
    if (a->n != b->n) return false;
    for (size_t i = 0; i < a->n; i++)
        if (strcmp(a->pairs[i].key, b->pairs[i].key) != 0 ||
            strcmp(a->pairs[i].value, b->pairs[i].value) != 0)
            return false;
    return true;
}

bool sg_index_follow(bool *replaced, sg_index *index, sg_error *err)
{
    bool gone = true;
    sg_store *store;
    sg_store_info info;
    *replaced = false;
    if (index->store && !sg_store_is_replaced(&gone, index->store, err)) return false;
    if (!gone) return true;
    sg_store_close(index->store); /* before the new one: in one process a folder is opened once at a time */
    index->store = NULL;
    if (!open_store(&store, &info, index, err)) return false;
    bool same = strcmp(info.fingerprint, index->info.fingerprint) == 0 &&
                same_recipe(&info.recipe, &index->info.recipe);
    sg_store_info_clear(&index->info);
    index->info = info;
    if (index->batch > 0 && !(same && index->encoder)) {
        close_encoder(index);
        if (!sg_index_open_encoder(index, index->batch, err)) {
            close_encoder(index);
            sg_store_close(store);
            return false;
        }
    }
    index->store = store;
    *replaced = true;
    return true;
}

void sg_index_set_max_pixels(sg_index *index, uint64_t max_pixels)
{
    index->max_pixels = max_pixels;
    if (index->model) index->model->preprocess.max_pixels = max_pixels;
}

void sg_index_close(sg_index *index)
{
    if (!index) return;
    close_encoder(index);
    sg_store_info_clear(&index->info);
    sg_store_close(index->store);
    sg_free(index->dir);
    sg_free(index);
}

sg_store *sg_index_store(sg_index *index)
{
    return index->store;
}

const sg_store_info *sg_index_info(const sg_index *index)
{
    return &index->info;
}

sg_encoder *sg_index_encoder(sg_index *index)
{
    return index->encoder;
}

const char *sg_index_recipe_difference(const sg_index *index)
{
    return index->differs;
}
