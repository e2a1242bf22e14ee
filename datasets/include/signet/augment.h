/* Random changes of training images: crops and flips, as torchvision's transforms of the same names. */
#ifndef SIGNET_AUGMENT_H
#define SIGNET_AUGMENT_H

#include <signet/preprocess.h>
#include <signet/random.h>

typedef enum {
    SG_CROP_CENTRE, /* the preprocessing's own: nothing random */
    SG_CROP_RANDOM, /* anywhere in the resized image with black around it (RandomCrop) */
    SG_CROP_RESIZED /* a random part of the image as it is, brought to the network's size (RandomResizedCrop) */
} sg_crop;

/* Zeroed: nothing is changed. */
typedef struct sg_augment {
    sg_crop crop;
    int padding;  /* SG_CROP_RANDOM: black pixels on each side */
    double scale; /* SG_CROP_RESIZED: the least share of the area, in (0, 1] */
    bool flip;    /* left and right exchanged, one time in two */
} sg_augment;

#define SG_AUGMENT_PADDING 4    /* as usual on CIFAR */
#define SG_AUGMENT_SCALE   0.08 /* torchvision's default */

/* Adds what the names say ("none", or "flip" and one of "crop" and "resized-crop") with the usual padding and scale;
 * SG_ERR_USAGE. */
bool sg_augment_parse(sg_augment *augment, const char *const *names, size_t n, sg_error *err);
/* Their names again, "none", "crop,flip" ... */
const char *sg_augment_name(const sg_augment *augment);

/* How a picture is decoded for this: a resized crop needs it at full size. */
sg_decode_options sg_augment_decode(const sg_augment *augment, const sg_preprocess *pp);
/* sg_preprocess_planar with random numbers from rng: planar (channels, height, width). */
bool sg_augment_planar(uint8_t *planar, const sg_image *in, const sg_preprocess *pp,
                       const sg_augment *augment, sg_rng *rng, sg_error *err);

/* The part that a resized crop takes of a picture: torchvision's RandomResizedCrop.get_params with ratios from 3/4 to
 * 4/3. Ten tries, then the largest part in the middle whose ratio lies between these. */
typedef struct sg_box {
    int left, top, width, height;
} sg_box;
sg_box sg_augment_box(sg_rng *rng, int width, int height, double scale);

#endif
