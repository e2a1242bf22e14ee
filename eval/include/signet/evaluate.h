/* A model on a data set: encodes the split, ranks, counts. */
#ifndef SIGNET_EVALUATE_H
#define SIGNET_EVALUATE_H

#include <signet/encoder.h>
#include <signet/metrics.h>
#include <signet/split.h>

/* A part of a split as codes with labels (hash), owned. */
typedef struct sg_coded_part {
    uint8_t *codes;
    sg_labels labels;
    size_t n;
} sg_coded_part;
bool sg_coded_part_make(sg_coded_part *part, sg_encoder *encoder, const sg_dataset *ds, const uint32_t *items,
                        size_t n, sg_progress *progress, sg_error *err);
void sg_coded_part_clear(sg_coded_part *part);
static inline sg_coded sg_coded_of(const sg_coded_part *part)
{
    return (sg_coded){part->codes, &part->labels, part->n};
}

/* Queries against the database of a split. */
bool sg_evaluate_retrieval(sg_retrieval *out, const sg_model *model, const sg_dataset *ds,
                           const sg_split *split, const sg_retrieval_options *options, sg_progress *progress,
                           sg_error *err);
/* Accuracy on items. */
bool sg_evaluate_accuracy(double *top1, double *top5, const sg_model *model, const sg_dataset *ds,
                          const uint32_t *items, size_t n, sg_progress *progress, sg_error *err);

#endif
