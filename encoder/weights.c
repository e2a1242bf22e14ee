#include "weights_impl.h"

#include <signet/buf.h>
#include <signet/mem.h>
#include <stdlib.h>
#include <string.h>

#define NAME_NBYTES_MAX 255

/* ---- building ---- */

bool sg_weights_add_store(sg_weights *w, size_t *store, sg_weight_store value, sg_error *err)
{
    if (!sg_grow(&w->stores, &w->stores_cap, w->nstores + 1, sizeof *w->stores))
        return sg_fail_memory(err, w->path);
    *store = w->nstores;
    w->stores[w->nstores++] = value;
    return true;
}

/* Sets weight->size. The last number of a view must lie in its store: offset + sum (dim - 1) * stride. */
static bool view_check(sg_weight_entry *e, const sg_weight_store *store)
{
    uint64_t size = 1, last = (uint64_t)e->offset, here = store->nbytes / e->dtype->nbytes;
    bool empty = false;
    if (e->offset < 0) return false;
    for (int d = 0; d < e->weight.ndim; d++) {
        int64_t dim = e->weight.dims[d], stride = e->strides[d];
        uint64_t reach;
        if (dim < 0 || stride < 0) return false;
        empty |= dim == 0;
        if (__builtin_mul_overflow(size, (uint64_t)dim, &size)) return false;
        if (dim > 0 && (__builtin_mul_overflow((uint64_t)dim - 1, (uint64_t)stride, &reach) ||
                        __builtin_add_overflow(last, reach, &last)))
            return false;
    }
    e->weight.size = size;
    return size <= SIZE_MAX / sizeof(double) && (empty || last < here);
}

bool sg_weights_add(sg_weights *w, const char *name, size_t nbytes, sg_weight_entry entry, sg_error *err)
{
    if (nbytes > NAME_NBYTES_MAX || memchr(name, '\0', nbytes) || !sg_utf8_valid(name, nbytes))
        return sg_fail(err, SG_ERR_FORMAT, "%s: tensor %zu has a name that is too long or no text", w->path,
                       w->n);
    if (w->n == SG_WEIGHTS_MAX)
        return sg_fail(err, SG_ERR_LIMIT, "%s: more than %d tensors", w->path, SG_WEIGHTS_MAX);
    if (!view_check(&entry, &w->stores[entry.store]))
        return sg_fail(err, SG_ERR_FORMAT, "%s: tensor '%.*s' reaches out of its storage", w->path,
                       (int)nbytes, name);
    if (!sg_grow(&w->entries, &w->cap, w->n + 1, sizeof *w->entries)) return sg_fail_memory(err, w->path);
    entry.weight.dtype = entry.dtype->name;
    entry.weight.floats = entry.dtype->floats != NULL;
    entry.weight.name = sg_alloc(nbytes + 1, 1);
    if (!entry.weight.name) return sg_fail_memory(err, w->path);
    memcpy(entry.weight.name, name, nbytes);
    entry.weight.name[nbytes] = '\0';
    w->entries[w->n++] = entry;
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const sg_weight_entry *const *)a)->weight.name,
                  (*(const sg_weight_entry *const *)b)->weight.name);
}

static bool names_check(const sg_weights *w, sg_error *err)
{
    const sg_weight_entry **sorted = sg_alloc(w->n, sizeof *sorted);
    if (!sorted) return sg_fail_memory(err, w->path);
    for (size_t i = 0; i < w->n; i++) sorted[i] = &w->entries[i];
    qsort(sorted, w->n, sizeof *sorted, by_name);
    bool ok = true;
    for (size_t i = 1; ok && i < w->n; i++)
        if (strcmp(sorted[i - 1]->weight.name, sorted[i]->weight.name) == 0)
            ok = sg_fail(err, SG_ERR_FORMAT, "%s: tensor '%s' is there twice", w->path,
                         sorted[i]->weight.name);
    sg_free(sorted);
    return ok;
}

/* ---- opening ---- */

/* Each tensor is a store of its own, in C order. */
static bool safetensors_read(sg_weights *w, sg_error *err)
{
    for (size_t i = 0; i < w->st.ntensors; i++) {
        const sg_st_tensor *t = &w->st.tensors[i];
        sg_weight_entry entry = {.weight = {.ndim = t->ndim}, .dtype = t->dtype};
        if (!sg_weights_add_store(w, &entry.store,
                                  (sg_weight_store){w->st.data + t->begin, NULL, t->nbytes, 0}, err))
            return false;
        int64_t stride = 1;
        for (int d = t->ndim; d-- > 0;) {
            entry.weight.dims[d] = t->dims[d];
            entry.strides[d] = stride;
            if (t->nbytes > 0) stride *= t->dims[d]; /* an empty tensor's other dimensions may be anything */
        }
        if (!sg_weights_add(w, t->name, strlen(t->name), entry, err)) return false;
    }
    return true;
}

static bool read_any(sg_weights *w, sg_error *err)
{
    if (!sg_map_open(&w->map, w->path, err)) return false;
    if (sg_pth_pickle_begins(w->map.data, w->map.size)) {
        w->format = "PyTorch (older format)";
        return sg_pth_pickle_read(w, err);
    }
    bool zip = sg_pth_zip_begins(w->map.data, w->map.size);
    sg_map_close(&w->map);
    if (zip) {
        w->format = "PyTorch (zip)";
        return sg_zip_open(&w->zip, w->path, err) && sg_pth_zip_read(w, err);
    }
    w->format = "safetensors";
    return sg_safetensors_open(&w->st, w->path, err) && safetensors_read(w, err);
}

bool sg_weights_of_pytorch(const char *path)
{
    sg_map map;
    if (!sg_map_open(&map, path, NULL)) return false;
    bool is = sg_pth_zip_begins(map.data, map.size) || sg_pth_pickle_begins(map.data, map.size);
    sg_map_close(&map);
    return is;
}

bool sg_weights_open(sg_weights **out, const char *path, sg_error *err)
{
    *out = NULL;
    sg_weights *w = sg_calloc(1, sizeof *w);
    bool ok = w && (w->path = sg_strdup(path)) ? true : sg_fail_memory(err, path);
    ok = ok && read_any(w, err) && names_check(w, err);
    if (ok)
        *out = w;
    else
        sg_weights_close(w);
    return ok;
}

void sg_weights_close(sg_weights *w)
{
    if (!w) return;
    for (size_t i = 0; i < w->n; i++) sg_free(w->entries[i].weight.name);
    for (size_t i = 0; i < w->nstores; i++) sg_free(w->stores[i].owned);
    sg_free(w->entries);
    sg_free(w->stores);
    sg_safetensors_close(&w->st);
    sg_zip_close(w->zip);
    sg_map_close(&w->map);
    sg_free(w->path);
    sg_free(w);
}

const char *sg_weights_path(const sg_weights *w)
{
    return w->path;
}

const char *sg_weights_format(const sg_weights *w)
{
    return w->format;
}

bool sg_weights_is_model(const sg_weights *w)
{
    return sg_kv_get(&w->st.metadata, "signet.format") != NULL;
}

size_t sg_weights_count(const sg_weights *w)
{
    return w->n;
}

const sg_weight *sg_weights_at(const sg_weights *w, size_t i)
{
    return &w->entries[i].weight;
}

/* ---- reading ---- */

static bool is_contiguous(const sg_weight_entry *e)
{
    int64_t stride = 1;
    for (int d = e->weight.ndim; d-- > 0;) {
        if (e->weight.dims[d] != 1 && e->strides[d] != stride) return false;
        stride *= e->weight.dims[d];
    }
    return true;
}

/* A member is read once and kept: several tensors may look at it. Together they are not larger than the archive
 * unless members overlap, which only a hostile one's do. */
static bool store_load(sg_weights *w, sg_weight_store *store, sg_error *err)
{
    if (store->data) return true;
    if (store->nbytes > sg_zip_nbytes(w->zip) - w->loaded)
        return sg_fail(err, SG_ERR_FORMAT, "%s: its members are larger than it is itself", w->path);
    unsigned char *bytes = sg_alloc(store->nbytes, 1);
    if (!bytes) return sg_fail_memory(err, w->path);
    if (!sg_zip_read(bytes, w->zip, store->member, store->nbytes, err)) {
        sg_free(bytes);
        return false;
    }
    store->data = store->owned = bytes;
    w->loaded += store->nbytes;
    return true;
}

/* Row by row, a row being the last dimension. */
static void copy_strided(float *dst, const sg_weight_entry *e, const unsigned char *data)
{
    int64_t index[SG_WEIGHT_DIMS_MAX] = {0};
    int last = e->weight.ndim - 1;
    size_t row = (size_t)e->weight.dims[last], nbytes = e->dtype->nbytes, step = (size_t)e->strides[last];
    for (size_t at = 0; at < e->weight.size; at += row) {
        size_t begin = (size_t)e->offset;
        for (int d = 0; d < last; d++) begin += (size_t)(index[d] * e->strides[d]);
        for (size_t i = 0; i < row; i++)
            e->dtype->floats(dst + at + i, data + (begin + i * step) * nbytes, 1);
        for (int d = last; d-- > 0;) {
            if (++index[d] < e->weight.dims[d]) break;
            index[d] = 0;
        }
    }
}

bool sg_weights_read(float *dst, sg_weights *w, size_t i, sg_error *err)
{
    const sg_weight_entry *e = &w->entries[i];
    sg_weight_store *store = &w->stores[e->store];
    if (!e->dtype->floats)
        return sg_fail(err, SG_ERR_UNSUPPORTED, "%s: tensor '%s' has whole numbers (%s)", w->path,
                       e->weight.name, e->dtype->name);
    if (e->weight.size == 0) return true;
    bool contiguous = is_contiguous(e);
    if (!store->data && contiguous && e->dtype == &sg_dtype_f32 &&
        e->weight.size * sizeof *dst == store->nbytes) {
        if (!sg_zip_read(dst, w->zip, store->member, store->nbytes, err)) return false; /* the usual case */
    } else {
        if (!store_load(w, store, err)) return false;
        if (contiguous)
            e->dtype->floats(dst, store->data + (size_t)e->offset * e->dtype->nbytes, e->weight.size);
        else
            copy_strided(dst, e, store->data);
    }
    return sg_floats_finite(e->weight.name, dst, e->weight.size, err) || sg_prefix(err, "%s", w->path);
}
