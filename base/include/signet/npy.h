/* NumPy .npy files, C order, little-endian, one or two dimensions. */
#ifndef SIGNET_NPY_H
#define SIGNET_NPY_H

#include <signet/error.h>
#include <stddef.h>
#include <stdint.h>

typedef enum { SG_NPY_U8, SG_NPY_I64, SG_NPY_F32 } sg_npy_type;

typedef struct sg_npy {
    sg_npy_type type;
    size_t rows, cols; /* cols 1 for a one-dimensional array, whose ndim is 1 */
    int ndim;
    void *data; /* owned, rows * cols elements */
} sg_npy;

/* uint8, bool (as u8), int64, float32 (also int32, int16, uint16, uint32 widened to i64; float64 narrowed to
 * f32). Fortran order, other types, sizes that do not match the file: SG_ERR_FORMAT. */
bool sg_npy_read(sg_npy *npy, const char *path, sg_error *err);
/* The same from memory; path is for messages. */
bool sg_npy_parse(sg_npy *npy, const char *bytes, size_t nbytes, const char *path, sg_error *err);
void sg_npy_clear(sg_npy *npy);
/* ndim 1 writes shape (rows,), ndim 2 (rows, cols). Atomic. */
bool sg_npy_write(const char *path, sg_npy_type type, int ndim, size_t rows, size_t cols, const void *data,
                  sg_error *err);

#endif
