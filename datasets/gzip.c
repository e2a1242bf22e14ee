/* The door to zlib. */
#include "gzip_impl.h"

#include <signet/file.h>
#include <signet/mem.h>
#include <string.h>
#include <zlib.h>

#define GZIP_WINDOW  (16 + MAX_WBITS) /* zlib's way to ask for a gzip header and its check sum */
#define PIECE_NBYTES ((size_t)1 << 20)

static void *alloc(void *opaque, unsigned count, unsigned size)
{
    (void)opaque;
    return sg_alloc(count, size);
}

static void release(void *opaque, void *block)
{
    (void)opaque;
    sg_free(block);
}

/* Inflates piece by piece, so that memory follows what is there. */
static bool inflate_all(z_stream *z, uint8_t **bytes, size_t *nbytes, size_t max_nbytes, const char *path,
                        sg_error *err)
{
    size_t cap = 0;
    for (;;) {
        if (*nbytes > max_nbytes)
            return sg_fail(err, SG_ERR_LIMIT, "%s: unpacks to more than %zu bytes", path, max_nbytes);
        if (!sg_grow(bytes, &cap, *nbytes + PIECE_NBYTES, 1)) return sg_fail_memory(err, "gzip");
        z->next_out = *bytes + *nbytes;
        z->avail_out = PIECE_NBYTES;
        int code = inflate(z, Z_NO_FLUSH);
        *nbytes += PIECE_NBYTES - z->avail_out;
        if (code == Z_STREAM_END) break;
        if (code == Z_MEM_ERROR) return sg_fail_memory(err, "gzip");
        if (code == Z_BUF_ERROR || (code == Z_OK && z->avail_in == 0 && z->avail_out > 0))
            return sg_fail(err, SG_ERR_FORMAT, "%s: gzip data end early", path);
        if (code != Z_OK)
            return sg_fail(err, SG_ERR_FORMAT, "%s: gzip data are broken: %s", path,
                           z->msg ? z->msg : "unknown");
    }
    if (*nbytes > max_nbytes)
        return sg_fail(err, SG_ERR_LIMIT, "%s: unpacks to more than %zu bytes", path, max_nbytes);
    if (z->avail_in > 0)
        return sg_fail(err, SG_ERR_FORMAT, "%s: %u bytes after the end of the gzip data", path, z->avail_in);
    return true;
}

bool sg_gzip_read(uint8_t **bytes, size_t *nbytes, const char *path, size_t max_nbytes, sg_error *err)
{
    *bytes = NULL;
    *nbytes = 0;
    char *packed;
    size_t packed_nbytes;
    if (!sg_file_read(&packed, &packed_nbytes, path, (size_t)1 << 30, err)) return false;
    z_stream z = {
        .zalloc = alloc, .zfree = release, .next_in = (Bytef *)packed, .avail_in = (uInt)packed_nbytes};
    bool ok = inflateInit2(&z, GZIP_WINDOW) == Z_OK;
    if (!ok) sg_fail_memory(err, "gzip");
    ok = ok && inflate_all(&z, bytes, nbytes, max_nbytes, path, err);
    inflateEnd(&z);
    sg_free(packed);
    if (!ok) {
        sg_free(*bytes);
        *bytes = NULL;
    }
    return ok;
}
