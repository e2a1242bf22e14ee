/* Batches of preprocessed pixels, made ahead of the network by a few threads; the order and the pixels depend on
 * the seed and the epoch alone, not on threads. */
#ifndef SIGNET_LOADER_H
#define SIGNET_LOADER_H

#include <signet/augment.h>
#include <signet/dataset.h>

typedef struct sg_loader sg_loader;

typedef struct sg_loader_options {
    const uint32_t *items; /* borrows until close */
    size_t nitems;
    sg_preprocess preprocess;
    sg_augment augment; /* each image's by (seed, SG_RNG_AUGMENT, epoch, item) */
    size_t batch;
    bool shuffle;   /* by (seed, SG_RNG_SHUFFLE, epoch) */
    bool drop_last; /* leave out the last incomplete batch (training) */
    uint64_t seed;
    int threads;   /* 0: as many as there are cores */
    bool tolerant; /* a broken image does not end the pass: its row is black, and errors says why */
} sg_loader_options;

typedef struct sg_batch {
    const uint8_t *pixels;  /* (batch, C, H, W), the rows from n on are zero; borrowed until the next call */
    const uint32_t *items;  /* (n) item numbers */
    const uint32_t *places; /* (n) position of each in options.items */
    const sg_error *errors; /* (n) of a tolerant loader, SG_OK where all is well; else NULL */
    size_t n;               /* 0: the epoch is over */
} sg_batch;

bool sg_loader_open(sg_loader **loader, const sg_dataset *ds, const sg_loader_options *options,
                    sg_error *err);
/* Starts a pass; a pass under way is given up. */
bool sg_loader_start(sg_loader *loader, uint64_t epoch, sg_error *err);
/* A broken image ends the pass with its name in the message, unless the loader is tolerant. */
bool sg_loader_next(sg_batch *batch, sg_loader *loader, sg_error *err);
size_t sg_loader_batches(const sg_loader *loader); /* in one pass */
void sg_loader_close(sg_loader *loader);

#endif
