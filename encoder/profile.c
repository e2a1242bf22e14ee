#include "profile_impl.h"

#include <signet/mem.h>
#include <signet/progress.h>
#include <signet/table.h>
#include <stdlib.h>
#include <string.h>

struct sg_profile {
    double started;
    double inner; /* seconds of the pairs that ended within the innermost open one */
    size_t images;
    sg_profile_row *rows;
    size_t nrows, cap;
    bool failed;
};

bool sg_profile_new(sg_profile **out, sg_error *err)
{
    sg_profile *p = *out = sg_calloc(1, sizeof *p);
    if (!p) return sg_fail_memory(err, "profile");
    p->started = sg_now_seconds();
    return true;
}

void sg_profile_free(sg_profile *p)
{
    if (!p) return;
    sg_free(p->rows);
    sg_free(p);
}

const char *sg_profile_kind_name(sg_profile_kind kind)
{
    static const char *const names[SG_PROFILE_KINDS] = {
        [SG_PROFILE_PREPARE] = "prepare",
        [SG_PROFILE_WAIT] = "wait for pictures",
        [SG_PROFILE_LOAD] = "load weights",
        [SG_PROFILE_FORWARD] = "forward",
        [SG_PROFILE_BACKWARD_DATA] = "backward data",
        [SG_PROFILE_BACKWARD_WEIGHTS] = "backward weights",
        [SG_PROFILE_BATCHNORM] = "batch-norm",
        [SG_PROFILE_GATHER] = "gather and mask",
        [SG_PROFILE_LAYOUT] = "layout",
        [SG_PROFILE_OTHER] = "other loops",
        [SG_PROFILE_LOSS] = "loss",
        [SG_PROFILE_OPTIMISER] = "optimiser",
        [SG_PROFILE_ATTACK] = "attack",
        [SG_PROFILE_ENCODE] = "encode",
        [SG_PROFILE_FILES] = "files",
    };
    return names[kind];
}

const sg_profile_row *sg_profile_rows(size_t *n, const sg_profile *p)
{
    *n = p->nrows;
    return p->rows;
}

double sg_profile_seconds(const sg_profile *p)
{
    return sg_now_seconds() - p->started;
}

void sg_profile_images(sg_profile *p, size_t n)
{
    if (p) p->images += n;
}

int sg_profile_row_of(sg_profile *p, sg_profile_kind kind, const char *node, const char *kernel, double flops)
{
    for (size_t i = 0; i < p->nrows; i++)
        if (p->rows[i].kind == kind && !strcmp(p->rows[i].node, node) && !strcmp(p->rows[i].kernel, kernel))
            return (int)i;
    if (!sg_grow(&p->rows, &p->cap, p->nrows + 1, sizeof *p->rows)) {
        p->failed = true;
        return -1;
    }
    sg_profile_row *row = &p->rows[p->nrows];
    *row = (sg_profile_row){.kind = kind, .flops = flops};
    snprintf(row->node, sizeof row->node, "%s", node);
    snprintf(row->kernel, sizeof row->kernel, "%s", kernel);
    return (int)p->nrows++;
}

sg_profile_mark sg_profile_begin(sg_profile *p)
{
    sg_profile_mark mark = {0};
    if (!p) return mark;
    mark.inner = p->inner;
    p->inner = 0;
    mark.start = sg_now_seconds();
    return mark;
}

void sg_profile_end_row(sg_profile *p, sg_profile_mark mark, int row)
{
    if (!p) return;
    const double took = sg_now_seconds() - mark.start;
    if (row >= 0) {
        p->rows[row].seconds += took - p->inner;
        p->rows[row].calls++;
    }
    p->inner = mark.inner + took;
}

void sg_profile_end(sg_profile *p, sg_profile_mark mark, sg_profile_kind kind, const char *name)
{
    if (p) sg_profile_end_row(p, mark, sg_profile_row_of(p, kind, name, "", 0));
}

static double gflops(const sg_profile_row *row)
{
    return row->seconds > 0 ? row->flops * (double)row->calls / row->seconds * 1e-9 : 0;
}

/* The whole, and what one image is divided by. */
typedef struct profile_scale {
    double whole, images;
} profile_scale;

static void cells(sg_table *table, const profile_scale *s, double seconds)
{
    sg_table_cell(table, "%.3f", 1e3 * seconds / s->images);
    sg_table_cell(table, "%.1f %%", 100 * seconds / s->whole);
}

static bool print_kinds(const sg_profile *p, const profile_scale *s, FILE *out, sg_error *err)
{
    sg_table *table = sg_table_new(3, (const char *const[]){"ms/image", "share", "kind"});
    double rest = s->whole;
    if (!table) return sg_fail_memory(err, "profile");
    for (int kind = 0; kind < SG_PROFILE_KINDS; kind++) {
        double seconds = 0;
        uint64_t calls = 0;
        for (size_t i = 0; i < p->nrows; i++)
            if (p->rows[i].kind == (sg_profile_kind)kind) {
                seconds += p->rows[i].seconds;
                calls += p->rows[i].calls;
            }
        if (!calls) continue;
        cells(table, s, seconds);
        sg_table_cell(table, "%s", sg_profile_kind_name((sg_profile_kind)kind));
        rest -= seconds;
    }
    cells(table, s, rest);
    sg_table_cell(table, "the rest");
    bool ok = sg_table_print(table, out, err);
    sg_table_free(table);
    return ok;
}

static int by_time(const void *a, const void *b)
{
    const sg_profile_row *p = *(sg_profile_row *const *)a, *q = *(sg_profile_row *const *)b;
    return (p->seconds < q->seconds) - (p->seconds > q->seconds);
}

/* Rows of less than a thousandth of the whole are left out. */
static bool print_nodes(const sg_profile *p, const profile_scale *s, FILE *out, sg_error *err)
{
    static const char *const heads[] = {"ms/image", "share", "calls", "GFLOP/s", "node", "kind", "kernel"};
    const sg_profile_row **sorted = sg_alloc(p->nrows, sizeof *sorted);
    sg_table *table = sg_table_new(sizeof heads / sizeof *heads, heads);
    bool ok = sorted && table ? true : sg_fail_memory(err, "profile");
    for (size_t i = 0; ok && i < p->nrows; i++) sorted[i] = &p->rows[i];
    if (ok) qsort(sorted, p->nrows, sizeof *sorted, by_time);
    for (size_t i = 0; ok && i < p->nrows && sorted[i]->seconds >= 1e-3 * s->whole; i++) {
        const sg_profile_row *row = sorted[i];
        cells(table, s, row->seconds);
        sg_table_cell(table, "%llu", (unsigned long long)row->calls);
        sg_table_cell(table, row->flops > 0 ? "%.0f" : "", gflops(row));
        sg_table_cell(table, "%s", row->node);
        sg_table_cell(table, "%s", sg_profile_kind_name(row->kind));
        sg_table_cell(table, "%s", row->kernel);
    }
    ok = ok && sg_table_print(table, out, err);
    sg_table_free(table);
    sg_free(sorted);
    return ok;
}

bool sg_profile_print(const sg_profile *p, FILE *out, sg_error *err)
{
    if (p->failed) return sg_fail_memory(err, "profile");
    const profile_scale scale = {.whole = sg_profile_seconds(p), .images = p->images ? (double)p->images : 1};
    fprintf(out, "profile: %zu images in %.3f s, %.3f ms an image\n\n", p->images, scale.whole,
            1e3 * scale.whole / scale.images);
    if (!print_kinds(p, &scale, out, err)) return false;
    fputc('\n', out);
    return print_nodes(p, &scale, out, err);
}

bool sg_profile_json(sg_json **json, const sg_profile *p, sg_error *err)
{
    *json = NULL;
    if (p->failed) return sg_fail_memory(err, "profile");
    sg_json *root = *json = sg_json_object();
    if (!root) return sg_fail_memory(err, "profile");
    sg_json_add_number(root, "seconds", sg_profile_seconds(p));
    sg_json_add_int(root, "images", (int64_t)p->images);
    sg_json *rows = sg_json_add_array(root, "rows");
    for (size_t i = 0; i < p->nrows; i++) {
        const sg_profile_row *row = &p->rows[i];
        sg_json *object = sg_json_object();
        sg_json_add_string(object, "node", row->node);
        sg_json_add_string(object, "kind", sg_profile_kind_name(row->kind));
        if (*row->kernel) sg_json_add_string(object, "kernel", row->kernel);
        sg_json_add_int(object, "calls", (int64_t)row->calls);
        sg_json_add_number(object, "seconds", row->seconds);
        if (row->flops > 0) sg_json_add_number(object, "gflops", gflops(row));
        sg_json_add(rows, NULL, object);
    }
    return true;
}
