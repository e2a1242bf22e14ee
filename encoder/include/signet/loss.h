/* Losses: from a batch's outputs and labels to a number and its gradient. */
#ifndef SIGNET_LOSS_H
#define SIGNET_LOSS_H

#include <signet/kv.h>
#include <signet/labels.h>
#include <signet/net.h>

typedef struct sg_loss sg_loss;

typedef struct sg_loss_options {
    size_t outputs; /* K bits, or classes */
    size_t classes;
    size_t batch;        /* rows of a call, at most */
    bool multi;          /* labels are multi-hot rows */
    uint64_t seed;       /* centres */
    const sg_kv *values; /* numeric options by name ("a" ...); NULL: FORMULAS' defaults */
} sg_loss_options;

/* Unknown name or option, a loss that does not fit the head or the labels: SG_ERR_USAGE. */
bool sg_loss_new(sg_loss **loss, const char *name, const sg_loss_options *options, sg_error *err);
void sg_loss_free(sg_loss *loss);
sg_head sg_loss_head(const char *name); /* the head it trains; name must be registered */
const char *const *sg_loss_names(size_t *n);

/* Value for z (n, outputs) with labels of the n rows; dz (n, outputs) is its gradient. n is at most the batch. Rows
 * without a label share none with any other (dpsh), and are left out of the means of csq and ce. Allocates nothing;
 * the same bits for the same number of threads. */
double sg_loss_run(sg_loss *loss, float *dz, const float *z, const sg_labels *labels, size_t n);

#endif
