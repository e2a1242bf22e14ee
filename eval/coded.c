#include <signet/evaluate.h>

#include <signet/mem.h>
#include <signet/npy.h>
#include <string.h>

void sg_coded_part_clear(sg_coded_part *part)
{
    sg_free(part->codes);
    sg_labels_clear(&part->labels);
    *part = (sg_coded_part){0};
}

/* labels of npy's rows: 0 and 1 of a multi-hot row. */
static bool rows_from(sg_labels *labels, const sg_npy *npy, const char *path, sg_error *err)
{
    const uint8_t *values = npy->data;
    for (size_t i = 0; i < npy->rows * npy->cols; i++)
        if (values[i] > 1)
            return sg_fail(err, SG_ERR_FORMAT, "%s: row %zu of the labels holds %u, not 0 or 1", path,
                           i / npy->cols, values[i]);
    if (!sg_labels_init(labels, npy->rows, npy->cols, true, err)) return false;
    memcpy(labels->rows, values, npy->rows * npy->cols);
    return true;
}

/* Class numbers; any negative one is no label. */
static bool ids_from(sg_labels *labels, const sg_npy *npy, const char *path, sg_error *err)
{
    const uint8_t *small = npy->type == SG_NPY_U8 ? npy->data : NULL;
    const int64_t *wide = npy->type == SG_NPY_I64 ? npy->data : NULL;
    if (!sg_labels_init(labels, npy->rows, 0, false, err)) return false;
    for (size_t i = 0; i < npy->rows; i++) {
        int64_t id = small ? small[i] : wide[i];
        if (id >= INT32_MAX) {
            sg_labels_clear(labels);
            return sg_fail(err, SG_ERR_FORMAT, "%s: label %zu is %lld: too large for a class number", path, i,
                           (long long)id);
        }
        if (id < 0) continue;
        labels->ids[i] = (int32_t)id;
        if ((size_t)id >= labels->classes) labels->classes = (size_t)id + 1;
    }
    return true;
}

static bool labels_read(sg_labels *labels, const char *path, sg_error *err)
{
    sg_npy npy;
    bool ok;
    if (!sg_npy_read(&npy, path, err)) return false;
    if (npy.ndim == 1 && npy.type != SG_NPY_F32)
        ok = ids_from(labels, &npy, path, err);
    else if (npy.ndim == 2 && npy.type == SG_NPY_U8)
        ok = rows_from(labels, &npy, path, err);
    else
        ok = sg_fail(err, SG_ERR_FORMAT,
                     "%s: labels must be class numbers, int64 (n,), or multi-hot rows, uint8 (n, classes)",
                     path);
    sg_npy_clear(&npy);
    return ok;
}

bool sg_coded_part_read(sg_coded_part *part, const char *codes, const char *labels, sg_error *err)
{
    sg_npy npy;
    *part = (sg_coded_part){0};
    if (!sg_npy_read(&npy, codes, err)) return false;
    if (npy.type != SG_NPY_U8 || npy.ndim != 2) {
        sg_npy_clear(&npy);
        return sg_fail(err, SG_ERR_FORMAT, "%s: codes must be uint8 (n, bits / 8)", codes);
    }
    *part = (sg_coded_part){.codes = npy.data, .nbits = 8 * npy.cols, .n = npy.rows};
    bool ok = npy.cols <= SG_BITS_MAX / 8 && sg_bits_check((int64_t)part->nbits, NULL);
    if (!ok)
        sg_fail(err, SG_ERR_FORMAT, "%s: codes of %zu bytes: 1 to %d are possible", codes, npy.cols,
                SG_BITS_MAX / 8);
    if (ok && part->n == 0) ok = sg_fail(err, SG_ERR_FORMAT, "%s: holds no codes", codes);
    ok = ok && labels_read(&part->labels, labels, err);
    if (ok && part->labels.n != part->n)
        ok = sg_fail(err, SG_ERR_MISMATCH, "%s has %zu labels, %s %zu codes", labels, part->labels.n, codes,
                     part->n);
    if (!ok) sg_coded_part_clear(part);
    return ok;
}

/* What sg_retrieval_run needs of two sides, with the names of the files. */
static bool sides_check(const sg_coded_part *queries, const sg_coded_part *database,
                        const sg_coded_files *files, sg_error *err)
{
    if (queries->nbits != database->nbits)
        return sg_fail(err, SG_ERR_MISMATCH, "%s has codes of %zu bits, %s of %zu", files->query_codes,
                       queries->nbits, files->database_codes, database->nbits);
    if (!queries->labels.rows != !database->labels.rows)
        return sg_fail(err, SG_ERR_MISMATCH, "%s holds %s, %s %s", files->query_labels,
                       queries->labels.rows ? "multi-hot rows" : "class numbers", files->database_labels,
                       database->labels.rows ? "multi-hot rows" : "class numbers");
    if (queries->labels.rows && queries->labels.classes != database->labels.classes)
        return sg_fail(err, SG_ERR_MISMATCH, "%s has rows of %zu classes, %s of %zu", files->query_labels,
                       queries->labels.classes, files->database_labels, database->labels.classes);
    return true;
}

bool sg_coded_files_read(sg_coded_part *queries, sg_coded_part *database, const sg_coded_files *files,
                         sg_error *err)
{
    *database = (sg_coded_part){0};
    if (sg_coded_part_read(queries, files->query_codes, files->query_labels, err) &&
        sg_coded_part_read(database, files->database_codes, files->database_labels, err) &&
        sides_check(queries, database, files, err))
        return true;
    sg_coded_part_clear(database);
    sg_coded_part_clear(queries);
    return false;
}
