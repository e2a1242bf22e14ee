/* Foreign weights into models: which of a file's tensors is which of a network's. */
#ifndef SIGNET_IMPORT_H
#define SIGNET_IMPORT_H

#include <signet/model.h>
#include <signet/weights.h>

/* How the names of a file and of a network fit. */
typedef struct sg_import {
    bool head_taken;
    size_t missing, unexpected, misshapen; /* tensors; of the head only where it was wanted */
    char **lines;                          /* each of them in words, for people; owned */
    size_t nlines;
} sg_import;

void sg_import_clear(sg_import *import);

/* Takes into `model` the tensors of `weights`: all of the body, and the head when its shape and kind are the file's.
 * Prefixes that wrappers leave ("module.") do not count, nor does "linear." for "fc."; whole numbers (num_batches_tracked)
 * and a head of another kind or size are passed over. Messages begin
 * with the path. Anything missing, unexpected or of another shape is
 * SG_ERR_MISMATCH that counts them and names the first ones; `import` then lists all (free it, also after a failure)
 * and the model is untouched. Numbers that are not finite, or variances below 0, are SG_ERR_FORMAT; the model is then to
 * be freed. */
bool sg_import_weights(sg_import *import, sg_model *model, sg_weights *weights, sg_error *err);

/* A model of these weights, head and all: spec says arch, height, width, mean and std (channels 0: as the first layer
 * has them); head and outputs come from the file: a classifier, a hash where the last layer is called "head", features
 * where there is none. classes as in sg_model_new, nclasses of them: SG_ERR_USAGE when their number is another. */
bool sg_import_model(sg_model **model, sg_import *import, sg_weights *weights, const sg_net_spec *spec,
                     const char *const *classes, size_t nclasses, sg_error *err);

/* Sets spec's channels where they are 0, by the first layer of the file (1 or 3; 3 when it has no such layer). */
bool sg_import_channels(sg_net_spec *spec, const sg_weights *weights, sg_error *err);

#endif
