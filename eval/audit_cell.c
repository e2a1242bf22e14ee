#include "audit_impl.h"

#include <inttypes.h>
#include <math.h>
#include <signet/file.h>
#include <signet/hash.h>
#include <signet/json.h>
#include <signet/mem.h>
#include <signet/preprocess.h>
#include <signet/recipe.h>
#include <string.h>

#define FORMAT     1
#define MAX_NBYTES ((size_t)1 << 30)

void sg_cell_key(sg_cell *cell, const sg_audit *audit)
{
    const sg_attack_options *a = &cell->attack;
    char text[1024], eps[32], alpha[32];
    uint8_t digest[16];
    sg_double_text(eps, a->eps);
    sg_double_text(alpha, a->alpha);
    int n = snprintf(text, sizeof text,
                     "cell %d\nnumerics %d\nmodel %s\nfeedback %s\nattack %s\ngradient %s\neps "
                     "%s\niterations %d\nalpha %s\n"
                     "seed %" PRIu64 "\nqueries %zu\ntop %zu\nsplit %s\ndata %s\n",
                     FORMAT, SG_NUMERICS_VERSION, cell->model->encoder, cell->model->feedback,
                     cell->clean ? "" : a->name, cell->clean ? "" : sg_gradient_name(a->gradient), eps,
                     a->iterations, alpha, audit->options->seed, audit->nqueries, audit->options->top,
                     audit->split->checksum, sg_dataset_name(audit->ds));
    SG_ASSERT(n > 0 && (size_t)n < sizeof text);
    sg_blake2b_of(digest, sizeof digest, text, (size_t)n);
    sg_hex(cell->key, digest, sizeof digest);
}

static bool path_of(char **path, const sg_cell *cell, const sg_audit *audit, const char *end, sg_error *err)
{
    char name[64];
    snprintf(name, sizeof name, "%s%s", cell->key, end);
    return sg_path_join(path, audit->cells_dir, name, err);
}

bool sg_cell_picture(char **path, const sg_cell *cell, const sg_audit *audit, size_t shown, sg_error *err)
{
    char end[32];
    snprintf(end, sizeof end, "-%zu.png", shown);
    return path_of(path, cell, audit, end, err);
}

void sg_cell_means(sg_cell *cell, size_t nqueries)
{
    size_t changed = 0;
    cell->value = cell->hamming = cell->linf = cell->psnr = cell->zero_gradient = 0;
    for (size_t i = 0; i < nqueries; i++) {
        const sg_cell_query *q = &cell->queries[i];
        cell->value += q->score / (double)nqueries;
        cell->hamming += q->hamming / (double)nqueries;
        cell->linf += q->linf / (double)nqueries;
        cell->zero_gradient += q->zero_gradient / (double)nqueries;
        if (!isfinite(q->psnr)) continue;
        cell->psnr += q->psnr;
        changed++;
    }
    cell->psnr = changed ? cell->psnr / (double)changed : NAN;
}

/* ---- writing ---- */

static void add_queries(sg_json *root, const sg_cell *cell, size_t nqueries)
{
    sg_json *queries = sg_json_add_array(root, "queries");
    for (size_t i = 0; i < nqueries; i++) {
        const sg_cell_query *q = &cell->queries[i];
        sg_json *row = sg_json_add_array(queries, NULL);
        sg_json_add_number(row, NULL, q->score);
        sg_json_add_number(row, NULL, q->linf);
        sg_json_add_number(row, NULL, q->psnr); /* null: nothing changed */
        sg_json_add_int(row, NULL, q->hamming);
        sg_json_add_int(row, NULL, q->cls);
        sg_json_add_int(row, NULL, q->best_step);
        sg_json_add_bool(row, NULL, q->zero_gradient);
    }
}

static void add_nearest(sg_json *root, const sg_cell *cell, const sg_audit *audit)
{
    sg_json *nearest = sg_json_add_array(root, "nearest");
    for (size_t i = 0; cell->model->hash && i < audit->nshown; i++) {
        sg_json *list = sg_json_add_array(nearest, NULL);
        for (size_t j = 0; j < audit->nnearest; j++) {
            const sg_nearest *near = &cell->nearest[i][j];
            sg_json *row = sg_json_add_array(list, NULL);
            sg_json_add_int(row, NULL, near->item);
            sg_json_add_int(row, NULL, near->distance);
            sg_json_add_bool(row, NULL, near->relevant);
        }
    }
}

static bool write_json(const sg_cell *cell, const sg_audit *audit, const char *path, sg_error *err)
{
    sg_json *root = sg_json_object();
    char *text = NULL;
    sg_json_add_int(root, "format", FORMAT);
    sg_json_add_string(root, "key", cell->key);
    sg_json *map = sg_json_add_array(root, "map");
    sg_json_add_number(map, NULL, cell->map.expected);
    sg_json_add_number(map, NULL, cell->map.low);
    sg_json_add_number(map, NULL, cell->map.high);
    sg_json_add_number(map, NULL, cell->map.order);
    sg_json *measured = sg_json_add_array(root, "measured");
    sg_json_add_number(measured, NULL, cell->low);
    sg_json_add_number(measured, NULL, cell->high);
    sg_json_add_number(measured, NULL, cell->chance);
    sg_json_add_number(measured, NULL, cell->seconds);
    add_queries(root, cell, audit->nqueries);
    add_nearest(root, cell, audit);
    bool ok = sg_json_print(&text, root, false, err) && sg_file_write(path, text, strlen(text), err);
    sg_free(text);
    sg_json_free(root);
    return ok;
}

static bool write_picture(const sg_cell *cell, const sg_audit *audit, const uint8_t *pixels, size_t shown,
                          sg_error *err)
{
    const sg_audit_model *m = cell->model;
    sg_image image = {0};
    char *path = NULL;
    bool ok = sg_image_from_planar(&image, pixels, (int)m->channels, (int)m->height, (int)m->width, err) &&
              sg_cell_picture(&path, cell, audit, shown, err) && sg_image_write_png(&image, path, err);
    sg_free(path);
    sg_image_clear(&image);
    return ok;
}

bool sg_cell_write(const sg_cell *cell, const sg_audit *audit, const uint8_t *pixels, sg_error *err)
{
    size_t size = (size_t)(cell->model->channels * cell->model->height * cell->model->width);
    char *path = NULL;
    bool ok = true;
    for (size_t i = 0; i < audit->nshown && ok; i++)
        ok = write_picture(cell, audit, pixels + i * size, i, err);
    ok = ok && path_of(&path, cell, audit, ".json", err) && write_json(cell, audit, path, err);
    sg_free(path);
    return ok;
}

/* ---- reading: whatever is not as it was written makes the cell unfinished ---- */

static bool numbers_from(double *values, size_t n, const sg_json *list)
{
    if (sg_json_size(list) != n) return false;
    for (size_t i = 0; i < n; i++)
        if (!sg_json_number(&values[i], sg_json_at(list, i))) return false;
    return true;
}

static bool query_from(sg_cell_query *q, const sg_json *row)
{
    int64_t hamming, cls, step;
    if (sg_json_size(row) != 7 || !sg_json_number(&q->score, sg_json_at(row, 0)) ||
        !sg_json_number(&q->linf, sg_json_at(row, 1)) || !sg_json_int(&hamming, sg_json_at(row, 3)) ||
        !sg_json_int(&cls, sg_json_at(row, 4)) || !sg_json_int(&step, sg_json_at(row, 5)) ||
        !sg_json_bool(&q->zero_gradient, sg_json_at(row, 6)))
        return false;
    if (!sg_json_number(&q->psnr, sg_json_at(row, 2))) q->psnr = INFINITY;
    q->hamming = (unsigned)hamming;
    q->cls = (int)cls;
    q->best_step = (int)step;
    return true;
}

static bool nearest_from(sg_nearest *near, const sg_json *row, size_t items)
{
    int64_t item, distance;
    if (sg_json_size(row) != 3 || !sg_json_int(&item, sg_json_at(row, 0)) ||
        !sg_json_int(&distance, sg_json_at(row, 1)) || !sg_json_bool(&near->relevant, sg_json_at(row, 2)) ||
        item < 0 || (uint64_t)item >= items)
        return false;
    near->item = (uint32_t)item;
    near->distance = (unsigned)distance;
    return true;
}

static bool all_nearest_from(sg_cell *cell, const sg_audit *audit, const sg_json *lists)
{
    if (sg_json_size(lists) != (cell->model->hash ? audit->nshown : 0)) return false;
    for (size_t i = 0; i < sg_json_size(lists); i++) {
        const sg_json *list = sg_json_at(lists, i);
        if (sg_json_size(list) != audit->nnearest) return false;
        for (size_t j = 0; j < audit->nnearest; j++)
            if (!nearest_from(&cell->nearest[i][j], sg_json_at(list, j), sg_dataset_size(audit->ds)))
                return false;
    }
    return true;
}

static bool cell_from(sg_cell *cell, const sg_audit *audit, const sg_json *root)
{
    const char *key = sg_json_string(sg_json_get(root, "key"));
    const sg_json *queries = sg_json_get(root, "queries");
    double map[4], measured[4];
    if (!key || strcmp(key, cell->key) || !numbers_from(map, 4, sg_json_get(root, "map")) ||
        !numbers_from(measured, 4, sg_json_get(root, "measured")) ||
        sg_json_size(queries) != audit->nqueries ||
        !all_nearest_from(cell, audit, sg_json_get(root, "nearest")))
        return false;
    for (size_t i = 0; i < audit->nqueries; i++) {
        sg_cell_query *q = &cell->queries[i];
        if (!query_from(q, sg_json_at(queries, i))) return false;
        if (!cell->model->hash && (q->cls < 0 || q->cls >= cell->model->outputs)) return false;
    }
    cell->map = (sg_ap){map[0], map[1], map[2], map[3]};
    cell->low = measured[0];
    cell->high = measured[1];
    cell->chance = measured[2];
    cell->seconds = measured[3];
    sg_cell_means(cell, audit->nqueries);
    return true;
}

static bool pictures_exist(bool *there, const sg_cell *cell, const sg_audit *audit, sg_error *err)
{
    *there = true;
    for (size_t i = 0; i < audit->nshown && *there; i++) {
        char *path;
        if (!sg_cell_picture(&path, cell, audit, i, err)) return false;
        *there = sg_path_exists(path);
        sg_free(path);
    }
    return true;
}

bool sg_cell_read(sg_cell *cell, const sg_audit *audit, sg_error *err)
{
    char *path, *text = NULL;
    size_t nbytes;
    sg_json *root = NULL;
    bool there = false;
    cell->done = false;
    if (!path_of(&path, cell, audit, ".json", err)) return false;
    bool ok = !sg_path_exists(path) || (sg_file_read(&text, &nbytes, path, MAX_NBYTES, err) &&
                                        pictures_exist(&there, cell, audit, err));
    if (ok && there && sg_json_parse(&root, text, nbytes, NULL)) cell->done = cell_from(cell, audit, root);
    sg_json_free(root);
    sg_free(text);
    sg_free(path);
    return ok;
}
