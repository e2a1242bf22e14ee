/* Where the time goes: rows of clock time by node and kind, filled by whatever is given the profile (a plan, an encoder, a
 * training run, an attacker) and calls it. A timing inside another is taken from the outer one: rows add up to no more than
 * the whole. For one thread of control; whoever was given a profile must not run after it is freed. Where a profile is
 * NULL, nothing is timed. */
#ifndef SIGNET_PROFILE_H
#define SIGNET_PROFILE_H

#include <signet/json.h>
#include <signet/plan.h>
#include <stdio.h>

typedef enum {
    SG_PROFILE_PREPARE, /* models read, plans made */
    SG_PROFILE_WAIT,    /* for pictures: read, decoded, resized */
    SG_PROFILE_LOAD,    /* weights and B into the kernels' layout */
    SG_PROFILE_FORWARD, /* of convolutions and linear layers, and what is fused into them */
    SG_PROFILE_BACKWARD_DATA,
    SG_PROFILE_BACKWARD_WEIGHTS,
    SG_PROFILE_BATCHNORM, /* forward and backward, where it is not folded */
    SG_PROFILE_GATHER,    /* parts of a gradient added up, ReLU's mask */
    SG_PROFILE_LAYOUT,    /* copies from one layout into another */
    SG_PROFILE_OTHER,     /* pooling, normalisation of pixels and all else in the network */
    SG_PROFILE_LOSS,
    SG_PROFILE_OPTIMISER,
    SG_PROFILE_ATTACK, /* objective, score and the move of the pixels */
    SG_PROFILE_ENCODE, /* whole encodings within an attack or a validation */
    SG_PROFILE_FILES,  /* results written */
    SG_PROFILE_KINDS
} sg_profile_kind;

typedef struct sg_profile_row {
    char node[96];   /* as in the net; "(...)" for what is not a node */
    char kernel[64]; /* oneDNN's name, "thin" for our own of a first layer; "": our own loops */
    sg_profile_kind kind;
    uint64_t calls;
    double seconds;
    double flops; /* of a call, 2 a multiply-add; 0: not counted */
} sg_profile_row;

typedef struct sg_profile sg_profile;

/* The whole begins now. */
bool sg_profile_new(sg_profile **profile, sg_error *err);
void sg_profile_free(sg_profile *profile);

const char *sg_profile_kind_name(sg_profile_kind kind);
const sg_profile_row *sg_profile_rows(size_t *n, const sg_profile *profile);
double sg_profile_seconds(const sg_profile *profile);  /* since it was made */
void sg_profile_images(sg_profile *profile, size_t n); /* n more went through; NULL: nothing */

/* Times what lies between the two into the row of that kind and name, which appears with its first time. Pairs nest. Lack
 * of memory for a row is kept and told when the profile is printed. */
typedef struct sg_profile_mark {
    double start, inner;
} sg_profile_mark;
sg_profile_mark sg_profile_begin(sg_profile *profile);
void sg_profile_end(sg_profile *profile, sg_profile_mark mark, sg_profile_kind kind, const char *name);

/* The plan's steps and primitives are timed from now on, each into a row of its own; NULL: no more. */
void sg_plan_profile(sg_plan *plan, sg_profile *profile);

/* Tables of kinds and nodes, by time: milliseconds an image, share of the whole, rate of a convolution, its kernel. */
bool sg_profile_print(const sg_profile *profile, FILE *out, sg_error *err);
/* All rows as an object: seconds, images, rows. The caller frees it. */
bool sg_profile_json(sg_json **json, const sg_profile *profile, sg_error *err);

#endif
