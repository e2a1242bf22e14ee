/* Hash heads without labels, from the features of a trained network in one pass: itq (Gong and Lazebnik 2011), pca,
 * pca-rr (with a random rotation), lsh. */
#ifndef SIGNET_FIT_H
#define SIGNET_FIT_H

#include <signet/dataset.h>
#include <signet/model.h>
#include <signet/split.h>

/* Images that a fit reads, at most, and bytes of their features: the first ones of the drawn order. */
#define SG_FIT_IMAGES_MAX ((size_t)50000)
#define SG_FIT_NBYTES_MAX ((size_t)1 << 30)

const char *const *sg_projection_names(size_t *n);
bool sg_projection_known(const char *name);

typedef struct sg_fit_options {
    const char *kind; /* a projection's name */
    size_t batch;     /* images a pass of the network; no result depends on it */
    uint64_t seed;    /* of rotations and directions */
    FILE *log;        /* progress line; NULL: silent */
} sg_fit_options;

typedef struct sg_fit_result {
    size_t images, features;
    double explained; /* share of the features' variance; NAN for lsh */
    double first_error,
        error; /* itq: quantisation error a bit before the first round, and at last; else NAN */
} sg_fit_result;

/* Fits the head of a hash model on the training images of split: outputs z = W (f - mean) of the features f that the head
 * reads, with everything folded into head.weight and head.bias; the body stays. Labels are not looked at. Writes the
 * folder of a run as sg_train_run does, best.safetensors and last.safetensors being the same (docs/formats.md); the
 * model's notes name kind, seed, data and split. The same data, seed, threads and kind of processor give the same bytes;
 * with another number of threads OpenBLAS may round otherwise.
 * SG_ERR_USAGE: no training images; but for lsh, more bits than features, images, or directions that these span. An interrupt:
 * SG_ERR_INTERRUPTED. */
bool sg_fit_run(sg_fit_result *result, sg_model *model, const sg_dataset *ds, const sg_split *split,
                const sg_fit_options *options, const char *run, sg_error *err);

#endif
