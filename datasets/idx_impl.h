#ifndef SIGNET_IDX_IMPL_H
#define SIGNET_IDX_IMPL_H

#include <signet/error.h>
#include <stddef.h>
#include <stdint.h>

#define SG_IDX_DIMS_MAX 3

/* An IDX file of unsigned bytes (Y. LeCun's MNIST page): two zero bytes, type 0x08, number of dims, each dim as
 * 32 bits big-endian, the elements. */
typedef struct sg_idx {
    uint8_t *file; /* owned */
    const uint8_t *data;
    size_t dims[SG_IDX_DIMS_MAX];
} sg_idx;

/* A gzipped IDX file with exactly ndims dims and exactly the bytes that they ask for. */
bool sg_idx_read(sg_idx *idx, const char *path, int ndims, sg_error *err);
void sg_idx_clear(sg_idx *idx);

#endif
