/* Import and export: which format, and what is the same for all. */
#include "exchange_impl.h"
#include "join_impl.h"

#include <signet/interrupt.h>
#include <signet/mem.h>
#include <string.h>

static const sg_format *const formats[] = {&sg_format_faiss, &sg_format_npy, &sg_format_jsonl,
                                           &sg_format_csv};

#define NFORMATS (sizeof formats / sizeof *formats)

static bool has_ending(const char *path, const char *ending)
{
    size_t n = strlen(path), m = strlen(ending);
    return n > m && strcmp(path + n - m, ending) == 0;
}

bool sg_format_find(const sg_format **format, const char *name, const char *path, sg_error *err)
{
    sg_buf known = SG_BUF_INIT;
    *format = NULL;
    for (size_t i = 0; i < NFORMATS; i++)
        if (name ? strcmp(name, formats[i]->name) == 0 : has_ending(path, formats[i]->ending))
            *format = formats[i];
    if (*format) return true;
    for (size_t i = 0; i < NFORMATS; i++) sg_buf_printf(&known, "%s%s", i ? ", " : "", formats[i]->name);
    if (name)
        sg_fail(err, SG_ERR_USAGE, "no format '%s' (%s)", name, sg_buf_text(&known));
    else
        sg_fail(err, SG_ERR_USAGE, "%s: its name tells no format: give --format (%s)", path,
                sg_buf_text(&known));
    sg_buf_clear(&known);
    return false;
}

static bool check_second(const sg_format *format, const char *ids_path, sg_error *err)
{
    if (!ids_path || format->second) return true;
    return sg_fail(err, SG_ERR_USAGE, "%s files hold their ids themselves", format->name);
}

bool sg_store_export(uint64_t *n, sg_store *store, const char *path, const sg_format *format,
                     const char *ids_path, sg_error *err)
{
    return check_second(format, ids_path, err) && format->save(n, store, path, ids_path, err);
}

bool sg_rows_check_bits(const sg_rows *rows, size_t nbits, const char *path, sg_error *err)
{
    if (nbits == rows->nbits) return true;
    return sg_fail(err, SG_ERR_MISMATCH, "%s: holds codes of %zu bits, the index of %zu", path, nbits,
                   rows->nbits);
}

/* --- import --- */

#define ID_MAX INT64_MAX /* FAISS and NumPy have signed ones */

typedef struct importing {
    sg_join join; /* store NULL: the rows are only looked at */
    const sg_document *doc;
    bool keep_ids;
    uint64_t next_id; /* the lowest that may be kept */
    uint64_t row;     /* from 1 */
} importing;

/* Ids that are to be kept: said, ascending, beyond all that were given. */
static bool check_id(importing *in, uint64_t id, sg_error *err)
{
    in->row++;
    if (!in->keep_ids) return true;
    if (id >= in->next_id && id <= ID_MAX) {
        in->next_id = id + 1;
        return true;
    }
    if (id == 0)
        return sg_fail(err, SG_ERR_FORMAT, "%s: row %llu: has no id that could be kept", in->doc->path,
                       (unsigned long long)in->row);
    return sg_fail(err, SG_ERR_MISMATCH, "%s: row %llu: id %llu cannot be kept: the next free one is %llu",
                   in->doc->path, (unsigned long long)in->row, (unsigned long long)id,
                   (unsigned long long)in->next_id);
}

static bool take_row(void *context, const sg_item *item, sg_error *err)
{
    importing *in = context;
    uint64_t id;
    if (!check_id(in, item->id, err)) return false;
    if (!in->join.store) return true;
    return (!in->keep_ids || sg_join_skip(&in->join, item->id, err)) &&
           sg_join_item(&id, &in->join, item, err);
}

static bool put_codes(importing *in, const uint8_t *codes, uint64_t first, size_t n, sg_error *err)
{
    if (!in->join.store) return true;
    return (!in->keep_ids || sg_join_skip(&in->join, first, err)) && sg_join_codes(&in->join, codes, n, err);
}

/* Codes in a row whose ids follow each other go in together. */
static bool take_codes(void *context, const uint8_t *codes, const uint64_t *ids, size_t n, sg_error *err)
{
    importing *in = context;
    if (!in->keep_ids) {
        in->row += n;
        return put_codes(in, codes, 0, n, err);
    }
    for (size_t i = 0, run; i < n; i += run) {
        for (run = 0; i + run < n && (run == 0 || ids[i + run] == ids[i] + run); run++)
            if (!check_id(in, ids ? ids[i + run] : 0, err)) return false;
        if (!put_codes(in, codes + i * in->join.code_nbytes, ids[i], run, err)) return false;
    }
    return true;
}

/* The whole file into the join, which is ended; without a store: looked at. */
static bool pass(importing *in, const sg_format *format, const sg_store_info *info, sg_error *err)
{
    sg_rows rows = {info->nbits, take_row, take_codes, in};
    sg_error why = {SG_OK, ""};
    uint64_t rows_before = in->row; /* the first pass has counted them */
    in->next_id = info->next_id;
    in->row = 0;
    if (in->join.progress) in->join.progress->total = rows_before;
    bool ok = format->load(&rows, in->doc, &why);
    if (in->join.store) ok = sg_join_end(&in->join, ok, &why);
    if (!ok && err) *err = why;
    return ok;
}

bool sg_store_import(sg_join_counts *counts, sg_store *store, const char *path, const sg_format *format,
                     const sg_import_options *options, sg_error *err)
{
    sg_store_info info;
    sg_document doc = {.path = path, .ids_path = options->ids_path};
    char *bytes;
    *counts = (sg_join_counts){0};
    if (!check_second(format, options->ids_path, err) || !sg_store_info_get(&info, store, err)) return false;
    bool ok = sg_file_read(&bytes, &doc.nbytes, path, PTRDIFF_MAX, err);
    if (ok) {
        doc.bytes = bytes;
        importing in = {.doc = &doc, .keep_ids = options->keep_ids || options->ids_path};
        in.join.code_nbytes = info.nbits / 8;
        ok = pass(&in, format, &info, err) &&
             sg_join_begin(&in.join, store, options->only_check, options->progress, counts, err) &&
             pass(&in, format, &info, err);
        sg_free(bytes);
    }
    sg_store_info_clear(&info);
    return ok;
}
