#include "metric_relevance_impl.h"

#include <signet/mem.h>
#include <string.h>

static uint64_t *masks_of(const sg_labels *labels, size_t words)
{
    uint64_t *masks = sg_calloc(labels->n, words * sizeof *masks);
    if (!masks) return NULL;
    for (size_t i = 0; i < labels->n; i++)
        for (size_t c = 0; c < labels->classes; c++)
            if (labels->rows[i * labels->classes + c]) masks[i * words + c / 64] |= UINT64_C(1) << (c % 64);
    return masks;
}

bool sg_relevance_init(sg_relevance *relevance, const sg_labels *queries, const sg_labels *database,
                       sg_error *err)
{
    *relevance = (sg_relevance){.queries = queries, .database = database};
    if (!queries->rows != !database->rows)
        return sg_fail(err, SG_ERR_MISMATCH, "labels of queries are %s, those of the database %s",
                       queries->rows ? "multi-hot rows" : "class numbers",
                       database->rows ? "multi-hot rows" : "class numbers");
    if (!queries->rows) return true;
    if (queries->classes != database->classes)
        return sg_fail(err, SG_ERR_MISMATCH,
                       "label rows of queries have %zu classes, those of the database %zu", queries->classes,
                       database->classes);
    relevance->words = (queries->classes + 63) / 64;
    relevance->query_masks = masks_of(queries, relevance->words);
    relevance->masks = masks_of(database, relevance->words);
    if (relevance->query_masks && relevance->masks) return true;
    sg_relevance_clear(relevance);
    return sg_fail_memory(err, "label rows");
}

void sg_relevance_clear(sg_relevance *relevance)
{
    sg_free(relevance->query_masks);
    sg_free(relevance->masks);
    *relevance = (sg_relevance){0};
}

void sg_relevance_fill(uint8_t *out, const sg_relevance *relevance, size_t query)
{
    size_t n = relevance->database->n, words = relevance->words;
    if (relevance->database->ids) {
        const int32_t *ids = relevance->database->ids, id = relevance->queries->ids[query];
        for (size_t i = 0; i < n; i++) out[i] = ids[i] == id;
        if (id < 0) memset(out, 0, n);
        return;
    }
    const uint64_t *mask = relevance->query_masks + query * words, *row = relevance->masks;
    if (words == 1) { /* up to 64 classes: the compiler makes it vectors */
        for (size_t i = 0; i < n; i++) out[i] = (row[i] & mask[0]) != 0;
        return;
    }
    for (size_t i = 0; i < n; i++, row += words) {
        uint64_t shared = 0;
        for (size_t w = 0; w < words; w++) shared |= row[w] & mask[w];
        out[i] = shared != 0;
    }
}
