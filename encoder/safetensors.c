#include "safetensors_impl.h"

#include <math.h>
#include <signet/json.h>
#include <signet/mem.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the format's numbers are little-endian");

static bool lie(const char *path, sg_error *err, const char *what)
{
    return sg_fail(err, SG_ERR_FORMAT, "%s: not a sound safetensors file: %s", path, what);
}

static bool tensor_lie(const char *path, const sg_st_tensor *t, sg_error *err, const char *what)
{
    return sg_fail(err, SG_ERR_FORMAT, "%s: tensor '%s': %s", path, t->name, what);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const sg_st_tensor *)a)->name, ((const sg_st_tensor *)b)->name);
}

static int by_place(const void *a, const void *b)
{
    const sg_st_tensor *p = a, *q = b;
    if (p->begin != q->begin) return p->begin < q->begin ? -1 : 1;
    return (p->nbytes > q->nbytes) - (p->nbytes < q->nbytes);
}

static bool metadata_read(sg_kv *metadata, const sg_json *object, const char *path, sg_error *err)
{
    size_t n = sg_json_size(object);
    if (n > SG_ST_TENSORS_MAX) return lie(path, err, "more metadata than any model has");
    for (size_t i = 0; i < n; i++) {
        const char *key = sg_json_key(object, i), *value = sg_json_string(sg_json_at(object, i));
        if (!key || !value) return lie(path, err, "metadata that are not texts");
        if (sg_kv_get(metadata, key)) return lie(path, err, "metadata with a key twice");
        if (!sg_kv_set(metadata, key, value, err)) return false;
    }
    return true;
}

/* A whole number from 0 up that fits size_t. */
static bool size_read(size_t *size, const sg_json *json)
{
    int64_t value;
    if (!sg_json_int(&value, json) || value < 0) return false;
    *size = (size_t)value;
    return true;
}

static bool tensor_read(sg_st_tensor *t, const sg_json *entry, const char *path, sg_error *err)
{
    const char *dtype = sg_json_string(sg_json_get(entry, "dtype"));
    const sg_json *shape = sg_json_get(entry, "shape"), *offsets = sg_json_get(entry, "data_offsets");
    size_t end, ndim = sg_json_size(shape);
    if (!dtype || !shape || sg_json_size(entry) != 3 || sg_json_size(offsets) != 2)
        return tensor_lie(path, t, err, "its entry is not dtype, shape and data_offsets");
    t->dtype = sg_dtype_of_safetensors(dtype);
    if (!t->dtype)
        return sg_fail(err, SG_ERR_UNSUPPORTED, "%s: tensor '%s' is %s, which signet does not read", path,
                       t->name, dtype);
    size_t nbytes = t->dtype->nbytes;
    if (ndim > SG_ST_DIMS_MAX || sg_json_key(shape, 0))
        return tensor_lie(path, t, err, "its shape is no list of sizes");
    t->ndim = (int)ndim;
    for (size_t d = 0; d < ndim; d++) {
        size_t dim;
        if (!size_read(&dim, sg_json_at(shape, d)))
            return tensor_lie(path, t, err, "its shape is no list of sizes");
        if (!sg_mul_size(&nbytes, nbytes, dim)) return tensor_lie(path, t, err, "its shape overflows");
        t->dims[d] = (int64_t)dim;
    }
    if (!size_read(&t->begin, sg_json_at(offsets, 0)) || !size_read(&end, sg_json_at(offsets, 1)) ||
        end < t->begin)
        return tensor_lie(path, t, err, "its data_offsets are no range");
    if (end - t->begin != nbytes)
        return tensor_lie(path, t, err, "its data_offsets and its shape differ in size");
    t->nbytes = nbytes;
    return true;
}

static bool entries_read(sg_safetensors *st, const sg_json *header, const char *path, sg_error *err)
{
    size_t n = sg_json_size(header);
    if (n > SG_ST_TENSORS_MAX) return lie(path, err, "more tensors than any model has");
    st->tensors = sg_calloc(n, sizeof *st->tensors);
    if (!st->tensors) return sg_fail_memory(err, path);
    for (size_t i = 0; i < n; i++) {
        const char *key = sg_json_key(header, i);
        const sg_json *entry = sg_json_at(header, i);
        if (strcmp(key, "__metadata__") == 0) {
            if (!metadata_read(&st->metadata, entry, path, err)) return false;
            continue;
        }
        sg_st_tensor *t = &st->tensors[st->ntensors];
        t->name = sg_strdup(key);
        if (!t->name) return sg_fail_memory(err, path);
        st->ntensors++;
        if (!tensor_read(t, entry, path, err)) return false;
    }
    return true;
}

/* Each tensor begins where the one before ends, the last ends with the file; no name twice. */
static bool layout_check(sg_safetensors *st, const char *path, sg_error *err)
{
    size_t at = 0;
    qsort(st->tensors, st->ntensors, sizeof *st->tensors, by_place);
    for (size_t i = 0; i < st->ntensors; i++) {
        if (st->tensors[i].begin != at)
            return tensor_lie(path, &st->tensors[i], err,
                              st->tensors[i].begin < at ? "its data overlap another's"
                                                        : "a hole before its data");
        at += st->tensors[i].nbytes;
    }
    if (at != st->data_nbytes)
        return sg_fail(err, SG_ERR_FORMAT, "%s: %zu bytes of tensors are announced and %zu are there", path,
                       at, st->data_nbytes);
    qsort(st->tensors, st->ntensors, sizeof *st->tensors, by_name);
    for (size_t i = 1; i < st->ntensors; i++)
        if (strcmp(st->tensors[i - 1].name, st->tensors[i].name) == 0)
            return tensor_lie(path, &st->tensors[i], err, "is there twice");
    return true;
}

static bool header_read(sg_safetensors *st, const char *path, sg_error *err)
{
    uint64_t length;
    if (st->map.size < sizeof length) return lie(path, err, "too short for a header");
    memcpy(&length, st->map.data, sizeof length);
    if (length > SG_ST_HEADER_MAX) return lie(path, err, "its header would be too long");
    if (length > st->map.size - sizeof length) return lie(path, err, "its header is cut off");
    const char *text = (const char *)st->map.data + sizeof length;
    st->data = st->map.data + sizeof length + length;
    st->data_nbytes = st->map.size - sizeof length - length;
    size_t used = length;
    while (used > 0 && text[used - 1] == ' ') used--; /* the padding that the format allows */
    if (used == 0 || text[0] != '{' || text[used - 1] != '}') return lie(path, err, "no header");
    sg_json *header;
    if (!sg_json_parse(&header, text, used, err)) return sg_prefix(err, "%s: header", path);
    bool ok = entries_read(st, header, path, err) && layout_check(st, path, err);
    sg_json_free(header);
    return ok;
}

bool sg_safetensors_open(sg_safetensors *st, const char *path, sg_error *err)
{
    *st = (sg_safetensors){.metadata = SG_KV_INIT};
    if (!sg_map_open(&st->map, path, err)) return false;
    if (header_read(st, path, err)) return true;
    sg_safetensors_close(st);
    return false;
}

void sg_safetensors_close(sg_safetensors *st)
{
    for (size_t i = 0; i < st->ntensors; i++) sg_free(st->tensors[i].name);
    sg_free(st->tensors);
    sg_kv_clear(&st->metadata);
    sg_map_close(&st->map);
    *st = (sg_safetensors){.metadata = SG_KV_INIT};
}

const sg_st_tensor *sg_safetensors_find(const sg_safetensors *st, const char *name)
{
    const sg_st_tensor key = {.name = (char *)name};
    return bsearch(&key, st->tensors, st->ntensors, sizeof key, by_name);
}

bool sg_floats_finite(const char *name, const float *values, size_t n, sg_error *err)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(values[i]))
            return sg_fail(err, SG_ERR_FORMAT, "tensor '%s': number %zu is not finite", name, i);
    return true;
}

bool sg_safetensors_floats(float *dst, const sg_safetensors *st, const sg_st_tensor *tensor, sg_error *err)
{
    if (tensor->dtype != &sg_dtype_f32)
        return sg_fail(err, SG_ERR_UNSUPPORTED, "tensor '%s' is %s; a model's are F32", tensor->name,
                       tensor->dtype->safetensors);
    if (tensor->nbytes > 0) memcpy(dst, st->data + tensor->begin, tensor->nbytes); /* at any address */
    return sg_floats_finite(tensor->name, dst, tensor->nbytes / sizeof *dst, err);
}

/* Sets *nbytes to that of all data. */
static sg_json *header_make(size_t *nbytes, const sg_kv *metadata, const sg_st_tensor *tensors,
                            size_t ntensors)
{
    sg_json *header = sg_json_object(), *texts = sg_json_add_object(header, "__metadata__");
    for (size_t i = 0; i < metadata->n; i++)
        sg_json_add_string(texts, metadata->pairs[i].key, metadata->pairs[i].value);
    *nbytes = 0;
    for (size_t i = 0; i < ntensors; i++) {
        const sg_st_tensor *t = &tensors[i];
        SG_ASSERT(i == 0 || strcmp(tensors[i - 1].name, t->name) < 0);
        sg_json *entry = sg_json_add_object(header, t->name);
        sg_json_add_string(entry, "dtype", "F32");
        sg_json *shape = sg_json_add_array(entry, "shape");
        for (int d = 0; d < t->ndim; d++) sg_json_add_int(shape, NULL, t->dims[d]);
        sg_json *offsets = sg_json_add_array(entry, "data_offsets");
        sg_json_add_int(offsets, NULL, (int64_t)*nbytes);
        *nbytes += t->nbytes;
        sg_json_add_int(offsets, NULL, (int64_t)*nbytes);
    }
    return header;
}

bool sg_safetensors_write(const char *path, const sg_kv *metadata, const sg_st_tensor *tensors,
                          size_t ntensors, const void *data, sg_error *err)
{
    char *text = NULL;
    sg_out *out = NULL;
    size_t nbytes;
    sg_json *header = header_make(&nbytes, metadata, tensors, ntensors);
    bool ok = sg_json_print(&text, header, false, err) && sg_out_open(&out, path, err);
    if (ok) {
        uint64_t used = strlen(text), length = (used + 7) / 8 * 8; /* so that the data lie aligned to 8 */
        ok = sg_out_write(out, &length, sizeof length, err) && sg_out_write(out, text, used, err) &&
             sg_out_write(out, "       ", length - used, err) && sg_out_write(out, data, nbytes, err);
        if (ok)
            ok = sg_out_commit(out, err);
        else
            sg_out_abort(out);
    }
    sg_free(text);
    sg_json_free(header);
    return ok;
}
