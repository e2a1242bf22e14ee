/* Attacks: an image changed within an L-infinity budget so that its code, or its class, changes (or, targeted,
 * becomes another's). All in pixel space, on the 8-bit grid; each image has its own objective and its own state, so
 * that an image's result is the same alone, permuted or padded. */
#ifndef SIGNET_ATTACK_H
#define SIGNET_ATTACK_H

#include <signet/encoder.h>

typedef enum { SG_GRADIENT_EXACT, SG_GRADIENT_RULE } sg_gradient;

typedef struct sg_attack_options {
    const char *name; /* hag, sdha, fgsm, pgd, noise */
    sg_gradient gradient;
    double eps;     /* 0 to 1; in whole 1/255 toward the image; 0 gives the image back */
    int iterations; /* T, at least 1; fgsm: always one step; noise: images tried */
    double alpha;   /* of tanh(alpha z); 0: the published schedule over the run */
    uint64_t seed;
} sg_attack_options;

/* hag 100 iterations, eps 8/255 ...: the defaults of the named attack. Unknown: SG_ERR_USAGE that lists them. */
bool sg_attack_defaults(sg_attack_options *options, const char *name, sg_error *err);
const char *const *sg_attack_names(size_t *n);
bool sg_attack_needs_labels(const char *name);
bool sg_attack_uses_gradient(const char *name); /* false: --gradient means nothing to it (noise) */
/* SG_ERR_USAGE for an attack that is unknown or not for this head. */
bool sg_attack_check(const char *name, sg_head head, sg_error *err);

/* What is known beside the model: codes and labels of training images, for attacks that use them (sdha). Borrowed.
 * n may be 0. An image without a label, or whose label no training image has, is attacked by its own code. */
typedef struct sg_attack_knowledge {
    const uint8_t *codes;    /* (n, K / 8) */
    const sg_labels *labels; /* (n) */
    size_t n;
} sg_attack_knowledge;

/* The images: pixels (n, C, H, W) u8 as the network reads them. keys (n) name each image for its random numbers (an
 * image's key, not its place, decides them). labels (n): true labels, NULL when unknown. */
typedef struct sg_attack_input {
    const uint8_t *pixels;
    const uint64_t *keys;
    const sg_labels *labels;
    size_t n;
} sg_attack_input;

/* Of each image, measured on the 8-bit result encoded again by the one path for any image. */
typedef struct sg_attack_result {
    double linf, l2, psnr; /* linf and l2 in pixel space [0, 1]; psnr in dB, INFINITY when nothing changed */
    unsigned hamming;      /* hash: distance between the clean code and the result's */
    int clean_class, adversarial_class; /* classifier: top-1; -1 for a hash */
    int best_step;                      /* whose image is returned, 0: the start */
    bool zero_gradient;                 /* the first gradient was zero or not finite */
} sg_attack_result;

typedef struct sg_attacker sg_attacker;

/* Borrows model and knowledge (NULL when the attack needs none) until free; takes the weights and the feedback as they
 * are now. Unknown attack, one that is not for the model's head, options out of range, knowledge missing:
 * SG_ERR_USAGE. */
bool sg_attacker_new(sg_attacker **attacker, const sg_model *model, const sg_attack_options *options,
                     const sg_attack_knowledge *knowledge, size_t batch, sg_error *err);
void sg_attacker_free(sg_attacker *attacker);
/* Times the runs from now on: an image counts once a forward. NULL: no more. */
void sg_attacker_profile(sg_attacker *attacker, sg_profile *profile);
/* adversarial (n, C, H, W) u8; results (n). The image returned is the best of the run: by bits changed (a classifier's:
 * label lost), then by the plain mean of the outputs against the code (its cross-entropy). Takes no memory. Progress
 * (NULL allowed) counts n times iterations on top of what is done, whatever ended early. Labels that do not fit the
 * model or the knowledge: SG_ERR_MISMATCH. An interrupt ends it between steps; on failure the finished batches stand,
 * the rest is undefined. */
bool sg_attacker_run(sg_attacker *attacker, uint8_t *adversarial, sg_attack_result *results,
                     const sg_attack_input *input, sg_progress *progress, sg_error *err);

#endif
