#include <signet/metrics.h>

/* How many classes stand before class c in a row of logits: larger ones, and equal ones of lower number. A logit
 * that is not a number counts against the label, wherever it stands. */
static size_t rank_of(const float *row, size_t classes, size_t c)
{
    size_t rank = 0;
    for (size_t j = 0; j < c; j++) rank += !(row[j] < row[c]);
    for (size_t j = c + 1; j < classes; j++) rank += !(row[j] <= row[c]);
    return rank;
}

void sg_accuracy(double *top1, double *top5, const float *logits, const sg_labels *labels, size_t n,
                 size_t classes)
{
    size_t first = 0, fifth = 0;
    SG_ASSERT(labels->n >= n);
    for (size_t i = 0; i < n; i++) {
        size_t best = classes;
        for (size_t c = 0; c < classes && c < labels->classes; c++) {
            if (!sg_labels_has(labels, i, c)) continue;
            size_t rank = rank_of(logits + i * classes, classes, c);
            if (rank < best) best = rank;
        }
        first += best < 1;
        fifth += best < classes && best < 5;
    }
    *top1 = n ? (double)first / (double)n : 0;
    *top5 = n ? (double)fifth / (double)n : 0;
}
