/* Kinds of numbers in files of weights, and how they become floats. */
#ifndef SIGNET_DTYPE_IMPL_H
#define SIGNET_DTYPE_IMPL_H

#include <stddef.h>

typedef struct sg_dtype {
    const char *name;        /* for people: "f32" */
    const char *safetensors; /* "F32" */
    const char *storage;     /* PyTorch's class: "FloatStorage"; NULL: it has none */
    size_t nbytes;           /* of a number */
    /* n numbers at any address; NULL for whole numbers, which are no weights. */
    void (*floats)(float *dst, const unsigned char *src, size_t n);
} sg_dtype;

extern const sg_dtype sg_dtype_f32;

/* NULL: signet knows none of that name (of nbytes, where it is no whole string). */
const sg_dtype *sg_dtype_of_safetensors(const char *name);
const sg_dtype *sg_dtype_of_storage(const char *name, size_t nbytes);

#endif
