/* FAISS's file of a flat binary index, with ids (IndexBinaryIDMap over IndexBinaryFlat): written and read here, without
 * FAISS, whose own reader trusts what it reads.
 * "IBMp" head, "IBxF" head, codes (u64 count of bytes, bytes), ids (u64 count, i64 each). Head: bits i32, bytes a code i32,
 * codes i64, trained u8, metric i32. */
#include "bytes_impl.h"
#include "exchange_impl.h"

#include <signet/mem.h>

#define HEAD_NBYTES 21
#define METRIC      1 /* what FAISS writes; a binary index does not look at it */

static void put_head(sg_buf *buf, const char *kind, size_t nbits, size_t n)
{
    uint8_t bytes[4 + HEAD_NBYTES];
    memcpy(bytes, kind, 4);
    sg_put_u32(bytes + 4, (uint32_t)nbits);
    sg_put_u32(bytes + 8, (uint32_t)nbits / 8);
    sg_put_u64(bytes + 12, n);
    bytes[20] = 1;
    sg_put_u32(bytes + 21, METRIC);
    sg_buf_put(buf, bytes, sizeof bytes);
}

static void put_count(sg_buf *buf, uint64_t n)
{
    uint8_t bytes[8];
    sg_put_u64(bytes, n);
    sg_buf_put(buf, bytes, sizeof bytes);
}

static bool write_all(sg_out *out, size_t nbits, const uint8_t *codes, const uint64_t *ids, size_t n,
                      const char *path, sg_error *err)
{
    sg_buf heads = SG_BUF_INIT, count = SG_BUF_INIT;
    put_head(&heads, "IBMp", nbits, n);
    put_head(&heads, "IBxF", nbits, n);
    put_count(&heads, n * (nbits / 8));
    put_count(&count, n);
    bool ok = sg_buf_ok(&heads) && sg_buf_ok(&count) ? true : sg_fail_memory(err, path);
    ok = ok && sg_out_write(out, heads.data, heads.size, err) &&
         sg_out_write(out, codes, n * (nbits / 8), err) && sg_out_write(out, count.data, count.size, err) &&
         sg_out_write(out, ids, n * sizeof *ids, err);
    sg_buf_clear(&heads);
    sg_buf_clear(&count);
    return ok;
}

static bool save(uint64_t *n, sg_store *store, const char *path, const char *ids_path, sg_error *err)
{
    (void)ids_path;
    sg_store_info info;
    sg_out *out;
    uint8_t *codes = NULL;
    uint64_t *ids = NULL, generation;
    size_t ncodes, nbits;
    if (!sg_store_info_get(&info, store, err)) return false;
    nbits = info.nbits;
    sg_store_info_clear(&info);
    if (!sg_out_open(&out, path, err)) return false;
    bool ok = sg_store_load(&codes, &ids, &ncodes, &generation, store, err) &&
              write_all(out, nbits, codes, ids, ncodes, path, err);
    *n = ncodes;
    if (ok)
        ok = sg_out_commit(out, err);
    else
        sg_out_abort(out);
    sg_free(codes);
    sg_free(ids);
    return ok;
}

/* --- reading --- */

typedef struct reader {
    const sg_document *doc;
    const uint8_t *at, *end;
} reader;

static bool fault(const reader *r, const char *what, sg_error *err)
{
    return sg_fail(err, SG_ERR_FORMAT, "%s: byte %zu: %s", r->doc->path,
                   (size_t)((const char *)r->at - r->doc->bytes), what);
}

static bool is_kind(const reader *r, const char *kind)
{
    return r->end - r->at >= 4 && memcmp(r->at, kind, 4) == 0;
}

/* outer: of what maps ids, where FAISS leaves the bytes a code at 0. */
static bool take_head(size_t *nbits, uint64_t *n, reader *r, bool outer, sg_error *err)
{
    if (r->end - r->at < 4 + HEAD_NBYTES) return fault(r, "the file ends in a head", err);
    uint32_t bits = sg_get_u32(r->at + 4), nbytes = sg_get_u32(r->at + 8);
    if (bits == 0 || bits % 8 != 0 || (bits / 8 != nbytes && !(outer && nbytes == 0)))
        return fault(r, "a size of codes that cannot be", err);
    *nbits = bits;
    *n = sg_get_u64(r->at + 12);
    r->at += 4 + HEAD_NBYTES;
    return true;
}

/* n elements behind their own count, which must be `n` too. */
static bool take_array(const uint8_t **array, uint64_t n, size_t size, reader *r, sg_error *err)
{
    if (r->end - r->at < 8) return fault(r, "the file ends before an array", err);
    if (sg_get_u64(r->at) != n) return fault(r, "an array of another length than the head says", err);
    if (n > (uint64_t)(r->end - r->at - 8) / size) return fault(r, "the file ends in an array", err);
    *array = r->at + 8;
    r->at += 8 + n * size;
    return true;
}

static bool give(const sg_rows *rows, const reader *r, const uint8_t *codes, const uint8_t *ids, size_t n,
                 sg_error *err)
{
    uint64_t *native = NULL;
    if (ids) {
        if (!(native = sg_alloc(n, sizeof *native))) return sg_fail_memory(err, r->doc->path);
        for (size_t i = 0; i < n; i++) native[i] = sg_get_u64(ids + 8 * i);
    }
    bool ok = rows->codes(rows->context, codes, native, n, err);
    sg_free(native);
    return ok;
}

static bool load(const sg_rows *rows, const sg_document *doc, sg_error *err)
{
    reader r = {doc, (const uint8_t *)doc->bytes, (const uint8_t *)doc->bytes + doc->nbytes};
    size_t nbits, inner_nbits;
    uint64_t n, inner_n;
    const uint8_t *codes, *ids = NULL;
    bool mapped = is_kind(&r, "IBMp") || is_kind(&r, "IBM2");
    if (mapped && !take_head(&nbits, &n, &r, true, err)) return false;
    if (!is_kind(&r, "IBxF"))
        return fault(&r, "no flat binary index of FAISS (IBxF, or within IBMp or IBM2)", err);
    if (!take_head(&inner_nbits, &inner_n, &r, false, err)) return false;
    if (mapped && (inner_nbits != nbits || inner_n != n)) return fault(&r, "two heads that differ", err);
    if (!sg_rows_check_bits(rows, inner_nbits, doc->path, err)) return false;
    if (inner_n > doc->nbytes) return fault(&r, "more codes than the file can hold", err);
    if (!take_array(&codes, inner_n * (inner_nbits / 8), 1, &r, err)) return false;
    if (mapped && !take_array(&ids, inner_n, 8, &r, err)) return false;
    if (r.at != r.end) return fault(&r, "the file goes on after its end", err);
    return give(rows, &r, codes, ids, inner_n, err);
}

const sg_format sg_format_faiss = {"faiss", ".faiss", false, save, load};
