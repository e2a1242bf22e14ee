/* Pictures through all threads and the network. Batches of files are looked at by all threads (read, hashed, decoded), then
 * encoded by all threads, then handed on, always in the order in which they came: nothing depends on timing. The two kinds
 * of work take turns: threads that decode beside OpenMP's were no faster (both have the same cores), and the disk is kept
 * busy by asking for the next files early. */
#ifndef SIGNET_INTAKE_IMPL_H
#define SIGNET_INTAKE_IMPL_H

#include "picture_impl.h"
#include <signet/encoder.h>

typedef struct sg_intake {
    sg_encoder *encoder; /* borrowed */
    int threads;         /* of decoding; 0: all cores */
    /* Takes each picture in its order, whatever its state. code (K / 8) and z (K) are of a good one, else NULL. */
    bool (*take)(void *context, const sg_picture *picture, const uint8_t *code, const float *z,
                 sg_error *err);
    void *context;

    const sg_preprocess *preprocess; /* from here on: its own */
    sg_picture *found; /* (2 * batch): files to look at; the second half is asked for meanwhile */
    size_t nfound, batch, image_nbytes, nbits;
    uint8_t *pixels, *codes; /* (batch, image_nbytes), (batch, nbits / 8) */
    float *z;                /* (batch, nbits) */
} sg_intake;

/* The first members are the caller's, the rest zero. end accepts what begin left on failure. */
bool sg_intake_begin(sg_intake *intake, sg_error *err);
/* Copies the picture; its path must stay until it is taken. */
bool sg_intake_push(sg_intake *intake, const sg_picture *picture, sg_error *err);
bool sg_intake_flush(sg_intake *intake, sg_error *err);
void sg_intake_end(sg_intake *intake);

#endif
