/* Safetensors files: a bounded JSON header, then the tensors' bytes without gaps. Read with every claim checked;
 * written so that the same content gives the same bytes. Read with any dtype, written as F32 only; little-endian as
 * the format says. */
#ifndef SIGNET_SAFETENSORS_IMPL_H
#define SIGNET_SAFETENSORS_IMPL_H

#include "dtype_impl.h"

#include <signet/file.h>
#include <signet/kv.h>

#define SG_ST_HEADER_MAX  ((size_t)16 << 20)
#define SG_ST_TENSORS_MAX 10000
#define SG_ST_DIMS_MAX    8

typedef struct sg_st_tensor {
    char *name;            /* owned by the file when read, borrowed when writing */
    const sg_dtype *dtype; /* when read */
    int ndim;
    int64_t dims[SG_ST_DIMS_MAX];
    size_t begin, nbytes; /* place in the data */
} sg_st_tensor;

typedef struct sg_safetensors {
    sg_map map;
    sg_kv metadata;
    sg_st_tensor *tensors; /* sorted by name */
    size_t ntensors;
    const unsigned char *data; /* into map */
    size_t data_nbytes;
} sg_safetensors;

/* Messages begin with the path. SG_ERR_UNSUPPORTED for a dtype that is none of the format's usual ones. */
bool sg_safetensors_open(sg_safetensors *st, const char *path, sg_error *err);
void sg_safetensors_close(sg_safetensors *st);
const sg_st_tensor *sg_safetensors_find(const sg_safetensors *st, const char *name);
/* SG_ERR_FORMAT names the tensor and its first number that is not finite. */
bool sg_floats_finite(const char *name, const float *values, size_t n, sg_error *err);
/* The floats of an F32 tensor into dst, all of them finite (messages without the path; SG_ERR_UNSUPPORTED for any other
 * dtype). */
bool sg_safetensors_floats(float *dst, const sg_safetensors *st, const sg_st_tensor *tensor, sg_error *err);

/* Atomic. tensors must be sorted by name; data holds theirs one after the other in that order (begin is not read).
 * Names, keys and values must be UTF-8. */
bool sg_safetensors_write(const char *path, const sg_kv *metadata, const sg_st_tensor *tensors,
                          size_t ntensors, const void *data, sg_error *err);

#endif
