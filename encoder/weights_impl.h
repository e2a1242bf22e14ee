/* A file of weights: named views into storages, whatever the format. Private to the readers of formats. */
#ifndef SIGNET_WEIGHTS_IMPL_H
#define SIGNET_WEIGHTS_IMPL_H

#include "dtype_impl.h"
#include "safetensors_impl.h"
#include "zip_impl.h"

#include <signet/weights.h>

/* Bytes that one or more tensors look at. */
typedef struct sg_weight_store {
    const unsigned char *data; /* NULL: a member of the zip that was not read yet */
    unsigned char *owned;
    size_t nbytes, member;
} sg_weight_store;

typedef struct sg_weight_entry {
    sg_weight weight;
    const sg_dtype *dtype;
    size_t store;
    int64_t offset, strides[SG_WEIGHT_DIMS_MAX]; /* numbers */
} sg_weight_entry;

struct sg_weights {
    const char *format;
    char *path;
    sg_map map; /* PyTorch's older format */
    sg_zip *zip;
    sg_safetensors st;
    sg_weight_store *stores;
    size_t nstores, stores_cap;
    sg_weight_entry *entries;
    size_t n, cap;
    size_t loaded; /* bytes of members that were read and kept */
};

/* What a PyTorch file begins with. */
bool sg_pth_zip_begins(const unsigned char *bytes, size_t nbytes);
bool sg_pth_pickle_begins(const unsigned char *bytes, size_t nbytes);
/* Does this file begin so? (false for one that cannot be read) */
bool sg_weights_of_pytorch(const char *path);
/* Fill in stores and entries; w->zip or w->map is open. Messages begin with the path. */
bool sg_pth_zip_read(sg_weights *w, sg_error *err);
bool sg_pth_pickle_read(sg_weights *w, sg_error *err);

bool sg_weights_add_store(sg_weights *w, size_t *store, sg_weight_store value, sg_error *err);
/* Takes entry with all but name, dtype's text and size filled in; copies the name; checks that the view stays within
 * its store. */
bool sg_weights_add(sg_weights *w, const char *name, size_t name_nbytes, sg_weight_entry entry,
                    sg_error *err);

#endif
