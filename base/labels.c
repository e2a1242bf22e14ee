#include <signet/labels.h>

#include <signet/mem.h>
#include <string.h>

bool sg_labels_init(sg_labels *labels, size_t n, size_t classes, bool multi, sg_error *err)
{
    *labels = (sg_labels){.n = n, .classes = classes};
    if (multi) {
        size_t cells;
        if (sg_mul_size(&cells, n, classes)) labels->rows = sg_calloc(cells, 1);
        return labels->rows ? true : sg_fail_memory(err, "labels");
    }
    labels->ids = sg_alloc(n, sizeof *labels->ids);
    if (!labels->ids) return sg_fail_memory(err, "labels");
    for (size_t i = 0; i < n; i++) labels->ids[i] = -1;
    return true;
}

void sg_labels_clear(sg_labels *labels)
{
    sg_free(labels->ids);
    sg_free(labels->rows);
    *labels = (sg_labels){0};
}

bool sg_labels_pick(sg_labels *out, const sg_labels *from, const uint32_t *items, size_t n, sg_error *err)
{
    if (!sg_labels_init(out, n, from->classes, from->rows != NULL, err)) return false;
    for (size_t i = 0; i < n; i++) {
        SG_ASSERT(items[i] < from->n);
        if (from->rows)
            memcpy(out->rows + i * from->classes, from->rows + items[i] * from->classes, from->classes);
        else
            out->ids[i] = from->ids[items[i]];
    }
    return true;
}

bool sg_labels_similar(const sg_labels *a, size_t i, const sg_labels *b, size_t j)
{
    if (a->ids) return a->ids[i] >= 0 && a->ids[i] == b->ids[j];
    const uint8_t *p = a->rows + i * a->classes, *q = b->rows + j * b->classes;
    for (size_t c = 0; c < a->classes; c++)
        if (p[c] & q[c]) return true;
    return false;
}

bool sg_labels_has(const sg_labels *labels, size_t i, size_t cls)
{
    if (labels->ids) return labels->ids[i] >= 0 && (size_t)labels->ids[i] == cls;
    return labels->rows[i * labels->classes + cls] != 0;
}

size_t sg_labels_count(const sg_labels *labels, size_t i)
{
    if (labels->ids) return labels->ids[i] >= 0;
    size_t count = 0;
    for (size_t c = 0; c < labels->classes; c++) count += labels->rows[i * labels->classes + c];
    return count;
}
