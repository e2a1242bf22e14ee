/* NumPy's files: codes as signet encode writes them, and their ids in a second file. */
#include "exchange_impl.h"

#include <signet/mem.h>
#include <signet/npy.h>

static bool save(uint64_t *n, sg_store *store, const char *path, const char *ids_path, sg_error *err)
{
    sg_store_info info;
    uint8_t *codes = NULL;
    uint64_t *ids = NULL, generation;
    size_t ncodes, nbytes;
    if (!sg_store_info_get(&info, store, err)) return false;
    nbytes = info.nbits / 8;
    sg_store_info_clear(&info);
    bool ok = sg_store_load(&codes, &ids, &ncodes, &generation, store, err) &&
              (!ids_path || sg_npy_write(ids_path, SG_NPY_I64, 1, ncodes, 1, ids, err)) &&
              sg_npy_write(path, SG_NPY_U8, 2, ncodes, nbytes, codes, err);
    *n = ncodes;
    sg_free(codes);
    sg_free(ids);
    return ok;
}

static bool read_ids(sg_npy *ids, const char *path, size_t n, sg_error *err)
{
    if (!sg_npy_read(ids, path, err)) return false;
    if (ids->type == SG_NPY_I64 && ids->ndim == 1 && ids->rows == n) return true;
    return sg_fail(err, SG_ERR_FORMAT, "%s: is no list of %zu ids", path, n);
}

static bool load(const sg_rows *rows, const sg_document *doc, sg_error *err)
{
    sg_npy codes, ids = {0};
    if (!sg_npy_parse(&codes, doc->bytes, doc->nbytes, doc->path, err)) return false;
    bool ok = codes.type == SG_NPY_U8 && codes.ndim == 2;
    if (!ok) sg_fail(err, SG_ERR_FORMAT, "%s: is no array of codes (uint8, a code a row)", doc->path);
    ok = ok && sg_rows_check_bits(rows, 8 * codes.cols, doc->path, err) &&
         (!doc->ids_path || read_ids(&ids, doc->ids_path, codes.rows, err)) &&
         rows->codes(rows->context, codes.data, ids.data, codes.rows, err);
    sg_npy_clear(&codes);
    sg_npy_clear(&ids);
    return ok;
}

const sg_format sg_format_npy = {"npy", ".npy", true, save, load};
