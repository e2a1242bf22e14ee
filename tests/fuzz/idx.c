/* The input is what a gzip file holds. */
#include "datasets/idx_impl.h"
#include "fuzz.h"

#include <signet/mem.h>
#include <zlib.h>

void fuzz_idx(const uint8_t *bytes, size_t nbytes)
{
    char *path = fuzz_file("input.gz", "", 0);
    gzFile file = gzopen(path, "wb0"); /* stored as it is */
    SG_ASSERT(file && gzwrite(file, bytes, (unsigned)nbytes) == (int)nbytes);
    SG_ASSERT(gzclose(file) == Z_OK);
    for (int ndims = 1; ndims <= SG_IDX_DIMS_MAX; ndims++) {
        sg_idx idx;
        if (!sg_idx_read(&idx, path, ndims, NULL)) continue;
        size_t n = 1;
        for (int i = 0; i < ndims; i++) n *= idx.dims[i];
        SG_ASSERT(n < nbytes);
        volatile uint8_t last = n > 0 ? idx.data[n - 1] : 0;
        (void)last;
        sg_idx_clear(&idx);
    }
    sg_free(path);
}
