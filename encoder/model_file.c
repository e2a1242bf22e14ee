#include "model_impl.h"
#include "weights_impl.h"

#include <inttypes.h>
#include <signet/buf.h>
#include <signet/hash.h>
#include <signet/mem.h>
#include <stdlib.h>
#include <string.h>

/* ---- saving ---- */

/* The tensors as a file has them: sorted by name, their bytes one after the other. */
typedef struct packed {
    sg_st_tensor *tensors;
    size_t ntensors, nbytes;
    unsigned char *data;
} packed;

static int by_name(const void *a, const void *b)
{
    return strcmp(((const sg_st_tensor *)a)->name, ((const sg_st_tensor *)b)->name);
}

static void packed_clear(packed *p)
{
    sg_free(p->tensors);
    sg_free(p->data);
    *p = (packed){0};
}

static bool packed_init(packed *p, const sg_params *params, sg_error *err)
{
    *p = (packed){.tensors = sg_calloc(params->ntensors, sizeof *p->tensors), .ntensors = params->ntensors};
    if (!p->tensors) return sg_fail_memory(err, "model");
    for (size_t i = 0; i < p->ntensors; i++) {
        sg_tensor *t = &params->tensors[i];
        p->tensors[i] = (sg_st_tensor){.name = t->name, .ndim = t->ndim, .nbytes = t->size * sizeof(float)};
        memcpy(p->tensors[i].dims, t->dims, sizeof t->dims);
        p->nbytes += p->tensors[i].nbytes;
    }
    qsort(p->tensors, p->ntensors, sizeof *p->tensors, by_name);
    p->data = sg_alloc(p->nbytes, 1);
    bool ok = p->data ? true : sg_fail_memory(err, "model");
    unsigned char *at = p->data;
    for (size_t i = 0; ok && i < p->ntensors; i++) {
        const sg_tensor *t = sg_params_find(params, p->tensors[i].name);
        ok = sg_floats_finite(t->name, params->block + t->offset, t->size, err);
        memcpy(at, params->block + t->offset, p->tensors[i].nbytes);
        at += p->tensors[i].nbytes;
    }
    if (!ok) packed_clear(p);
    return ok;
}

/* XXH3-64 of the metadata's own lines, "key=value\n" sorted, without that of the checksum itself. */
static bool header_checksum(char hex[17], const sg_kv *meta, sg_error *err)
{
    sg_buf lines = SG_BUF_INIT;
    for (size_t i = 0; i < meta->n; i++) {
        const sg_kv_pair *pair = &meta->pairs[i];
        if (strncmp(pair->key, "signet.", 7) == 0 && strcmp(pair->key, "signet.header_xxh3") != 0)
            sg_buf_printf(&lines, "%s=%s\n", pair->key, pair->value);
    }
    bool ok = sg_buf_ok(&lines);
    if (ok) snprintf(hex, 17, "%016" PRIx64, sg_xxh3_64(sg_buf_text(&lines), lines.size));
    sg_buf_clear(&lines);
    return ok ? true : sg_fail_memory(err, "model");
}

bool sg_model_save(sg_model *model, const char *path, sg_error *err)
{
    packed p;
    sg_kv meta = SG_KV_INIT;
    char fingerprint[65], checksum[17];
    if (!packed_init(&p, model->params, err)) return sg_prefix(err, "%s", path);
    bool ok = sg_model_meta_write(&meta, model, err) &&
              sg_model_fingerprint(fingerprint, &meta, p.tensors, p.ntensors, p.data, err) &&
              sg_kv_set(&meta, "signet.fingerprint", fingerprint, err) &&
              sg_kv_setf(&meta, err, "signet.xxh3", "%016" PRIx64, sg_xxh3_64(p.data, p.nbytes)) &&
              header_checksum(checksum, &meta, err) &&
              sg_kv_set(&meta, "signet.header_xxh3", checksum, err) &&
              sg_safetensors_write(path, &meta, p.tensors, p.ntensors, p.data, err);
    if (ok) memcpy(model->fingerprint, fingerprint, sizeof fingerprint);
    sg_kv_clear(&meta);
    packed_clear(&p);
    return ok;
}

static bool digest(char fingerprint[65], const sg_model *model, sg_error *err)
{
    packed p;
    sg_kv meta = SG_KV_INIT;
    if (!packed_init(&p, model->params, err)) return false;
    bool ok = sg_model_meta_write(&meta, model, err) &&
              sg_model_fingerprint(fingerprint, &meta, p.tensors, p.ntensors, p.data, err);
    sg_kv_clear(&meta);
    packed_clear(&p);
    return ok;
}

bool sg_model_stamp(sg_model *model, sg_error *err)
{
    char fingerprint[65];
    if (!digest(fingerprint, model, err)) return false;
    memcpy(model->fingerprint, fingerprint, sizeof fingerprint);
    return true;
}

bool sg_model_check(const sg_model *model, sg_error *err)
{
    char fingerprint[65];
    if (!digest(fingerprint, model, err)) return false;
    if (strcmp(fingerprint, model->fingerprint) == 0) return true;
    return sg_fail(err, SG_ERR_FORMAT, "the model's fingerprint is %s, its content has %s",
                   model->fingerprint, fingerprint);
}

bool sg_model_export(const sg_model *model, const char *path, sg_error *err)
{
    packed p;
    sg_kv meta = SG_KV_INIT;
    if (!packed_init(&p, model->params, err)) return sg_prefix(err, "%s", path);
    bool ok = sg_kv_set(&meta, "format", "pt", err) && /* "of PyTorch": loaders ask for it */
              sg_safetensors_write(path, &meta, p.tensors, p.ntensors, p.data, err);
    sg_kv_clear(&meta);
    packed_clear(&p);
    return ok;
}

/* ---- loading ---- */

#define IMPORT "signet model import FILE --arch ARCH -o MODEL takes them in"

static bool checksums_check(const sg_safetensors *st, sg_error *err)
{
    char header[17], data[17];
    const char *format = sg_kv_get(&st->metadata, "signet.format");
    const char *header_said = sg_kv_get(&st->metadata, "signet.header_xxh3");
    const char *data_said = sg_kv_get(&st->metadata, "signet.xxh3");
    if (!format)
        return sg_fail(err, SG_ERR_FORMAT, "no model of signet, but %zu tensors of other weights: " IMPORT,
                       st->ntensors);
    if (strcmp(format, SG_MODEL_FORMAT) != 0)
        return sg_fail(err, SG_ERR_UNSUPPORTED, "a model of format '%s'; this signet reads " SG_MODEL_FORMAT,
                       format);
    if (!header_checksum(header, &st->metadata, err)) return false;
    if (!header_said || strcmp(header_said, header) != 0)
        return sg_fail(err, SG_ERR_FORMAT, "damaged: the metadata do not match signet.header_xxh3");
    snprintf(data, sizeof data, "%016" PRIx64, sg_xxh3_64(st->data, st->data_nbytes));
    if (!data_said || strcmp(data_said, data) != 0)
        return sg_fail(err, SG_ERR_FORMAT, "damaged: the tensors do not match signet.xxh3");
    return true;
}

static bool same_shape(const sg_tensor *t, const sg_st_tensor *stored)
{
    return t->ndim == stored->ndim && memcmp(t->dims, stored->dims, (size_t)t->ndim * sizeof *t->dims) == 0;
}

bool sg_variances_check(const sg_tensor *t, const float *values, sg_error *err)
{
    for (size_t i = 0; i < t->size; i++)
        if (values[i] < 0.0f)
            return sg_fail(err, SG_ERR_FORMAT, "tensor '%s': number %zu is a variance below 0", t->name, i);
    return true;
}

static bool tensors_read(sg_params *params, const sg_safetensors *st, sg_error *err)
{
    for (size_t i = 0; i < params->ntensors; i++) {
        const sg_tensor *t = &params->tensors[i];
        const sg_st_tensor *stored = sg_safetensors_find(st, t->name);
        if (!stored) return sg_fail(err, SG_ERR_FORMAT, "tensor '%s' is missing", t->name);
        if (!same_shape(t, stored))
            return sg_fail(err, SG_ERR_FORMAT, "tensor '%s' has a shape that its network does not have",
                           t->name);
        if (!sg_safetensors_floats(params->block + t->offset, st, stored, err)) return false;
        if (t->role == SG_TENSOR_BN_VAR && !sg_variances_check(t, params->block + t->offset, err))
            return false;
    }
    for (size_t i = 0; i < st->ntensors; i++)
        if (!sg_params_find(params, st->tensors[i].name))
            return sg_fail(err, SG_ERR_FORMAT, "tensor '%s' belongs to no layer of its network",
                           st->tensors[i].name);
    return true;
}

static bool model_read(sg_model *model, const sg_safetensors *st, sg_error *err)
{
    sg_net_spec spec;
    bool ok = checksums_check(st, err) && sg_model_meta_spec(&spec, &st->metadata, err) &&
              sg_net_new(&model->net, &spec, err) && sg_params_new(&model->params, model->net, err) &&
              tensors_read(model->params, st, err) && sg_model_meta_read(model, &st->metadata, err);
    if (!ok && err && err->code == SG_ERR_USAGE)
        err->code = SG_ERR_FORMAT; /* the file's fault, not the user's */
    return ok;
}

bool sg_model_load(sg_model **out, const char *path, sg_error *err)
{
    sg_safetensors st;
    *out = NULL;
    if (sg_weights_of_pytorch(path))
        return sg_fail(err, SG_ERR_FORMAT, "%s: no model of signet, but weights of PyTorch: " IMPORT, path);
    if (!sg_safetensors_open(&st, path, err)) return false;
    sg_model *model = sg_calloc(1, sizeof *model);
    bool ok = model ? model_read(model, &st, err) : sg_fail_memory(err, "model");
    if (ok) {
        *out = model;
    } else {
        sg_prefix(err, "%s", path);
        sg_model_free(model);
    }
    sg_safetensors_close(&st);
    return ok;
}
