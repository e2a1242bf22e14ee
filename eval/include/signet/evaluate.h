/* A model on a data set: encodes the split, ranks, counts. */
#ifndef SIGNET_EVALUATE_H
#define SIGNET_EVALUATE_H

#include <signet/encoder.h>
#include <signet/metrics.h>
#include <signet/split.h>

/* A part of a split as codes (n, nbits / 8) with labels (n), owned. On failure the functions below leave it zeroed. */
typedef struct sg_coded_part {
    uint8_t *codes;
    sg_labels labels;
    size_t nbits, n;
} sg_coded_part;
/* A classifier: SG_ERR_MISMATCH. progress counts images, its total becomes n; may be NULL. */
bool sg_coded_part_make(sg_coded_part *part, sg_encoder *encoder, const sg_dataset *ds, const uint32_t *items,
                        size_t n, sg_progress *progress, sg_error *err);
void sg_coded_part_clear(sg_coded_part *part);
static inline sg_coded sg_coded_of(const sg_coded_part *part)
{
    return (sg_coded){part->codes, &part->labels, part->n};
}

/* Codes made by anything: .npy files, codes uint8 (n, bits / 8) in signet's bit order, labels class numbers, int64
 * (n,), negative for none, or multi-hot rows, uint8 (n, classes). Messages name the file. */
bool sg_coded_part_read(sg_coded_part *part, const char *codes, const char *labels, sg_error *err);
typedef struct sg_coded_files {
    const char *query_codes, *query_labels, *database_codes, *database_labels;
} sg_coded_files;
/* Both sides of a retrieval, which must have the same number of bits and the same kind of labels: SG_ERR_MISMATCH. */
bool sg_coded_files_read(sg_coded_part *queries, sg_coded_part *database, const sg_coded_files *files,
                         sg_error *err);

/* Queries against the database of a split. options->nbits is the model's, whatever it says. progress counts the
 * images of each part; may be NULL. */
bool sg_evaluate_retrieval(sg_retrieval *out, const sg_model *model, const sg_dataset *ds,
                           const sg_split *split, const sg_retrieval_options *options, sg_progress *progress,
                           sg_error *err);
/* Accuracy on items. A hash, or data with another number of classes: SG_ERR_MISMATCH. */
bool sg_evaluate_accuracy(double *top1, double *top5, const sg_model *model, const sg_dataset *ds,
                          const uint32_t *items, size_t n, sg_progress *progress, sg_error *err);

#endif
