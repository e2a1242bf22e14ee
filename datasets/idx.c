#include "idx_impl.h"

#include "gzip_impl.h"
#include <signet/mem.h>

#define IDX_MAX_NBYTES ((size_t)1 << 30)
#define IDX_TYPE_U8    0x08

static uint32_t big_endian(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool parse(sg_idx *idx, size_t nbytes, const char *path, int ndims, sg_error *err)
{
    const uint8_t *file = idx->file;
    size_t header = 4 + 4 * (size_t)ndims;
    if (nbytes < 4) return sg_fail(err, SG_ERR_FORMAT, "%s: no IDX file: %zu bytes", path, nbytes);
    if (file[0] || file[1])
        return sg_fail(err, SG_ERR_FORMAT, "%s: no IDX file: magic number %08x", path, big_endian(file));
    if (file[2] != IDX_TYPE_U8)
        return sg_fail(err, SG_ERR_FORMAT, "%s: IDX type 0x%02x, not 0x08 (unsigned bytes)", path, file[2]);
    if (file[3] != ndims)
        return sg_fail(err, SG_ERR_FORMAT, "%s: IDX file with %u dimensions, not %d", path, file[3], ndims);
    if (nbytes < header) return sg_fail(err, SG_ERR_FORMAT, "%s: IDX header ends early", path);
    size_t total = 1;
    bool fits = true;
    for (int i = 0; i < ndims; i++) {
        idx->dims[i] = big_endian(file + 4 + 4 * i);
        fits = fits && sg_mul_size(&total, total, idx->dims[i]);
    }
    if (!fits || total != nbytes - header)
        return sg_fail(err, SG_ERR_FORMAT, "%s: IDX header and size of the data differ (%zu bytes of data)",
                       path, nbytes - header);
    idx->data = file + header;
    return true;
}

bool sg_idx_read(sg_idx *idx, const char *path, int ndims, sg_error *err)
{
    SG_ASSERT(ndims >= 1 && ndims <= SG_IDX_DIMS_MAX);
    *idx = (sg_idx){0};
    size_t nbytes;
    if (!sg_gzip_read(&idx->file, &nbytes, path, IDX_MAX_NBYTES, err)) return false;
    if (parse(idx, nbytes, path, ndims, err)) return true;
    sg_idx_clear(idx);
    return false;
}

void sg_idx_clear(sg_idx *idx)
{
    sg_free(idx->file);
    *idx = (sg_idx){0};
}
