/* The insides of the room: what an attack and an objective are made of.
 *
 * An attack says where an image starts and how it moves; an objective says which way is down and which of two images
 * is the better one. The attacker (attacker.c) runs the network between them. Neither of them sees the network. */
#ifndef SIGNET_ATTACK_IMPL_H
#define SIGNET_ATTACK_IMPL_H

#include <signet/attack.h>
#include <signet/codes.h>
#include <signet/random.h>

/* How good an image is to the attacker: the larger distance, then the smaller mean (FORMULAS, Attacks: steps are
 * compared by d_H first, then by the plain mean, whatever L is). */
typedef struct sg_score {
    unsigned distance; /* hash: bits changed; classifier: 1 when the label is lost */
    double mean;
} sg_score;

/* Strictly better; false when b's mean is not a number. */
static inline bool sg_score_better(sg_score b, sg_score a)
{
    return b.distance != a.distance ? b.distance > a.distance : b.mean < a.mean;
}

/* What an objective is told of one image. */
typedef struct sg_subject {
    const float *z;          /* (outputs) of the clean image */
    const sg_labels *labels; /* NULL: unknown */
    size_t item;             /* its row of labels */
} sg_subject;

typedef struct sg_objective_setup {
    size_t batch, outputs;
    const sg_attack_knowledge *knowledge; /* NULL for objectives that use none */
} sg_objective_setup;

/* An objective L, minimised. Its state holds one slot an image of a batch; gradient and score of different slots run
 * in threads at once, allocate nothing and add in a fixed order. */
typedef struct sg_objective {
    const char *name;
    bool (*init)(void **state, const sg_objective_setup *setup, sg_error *err);
    void (*free)(void *state); /* NULL accepted */
    /* Puts an image into a slot. */
    bool (*begin)(void *state, size_t slot, const sg_subject *subject, sg_error *err);
    /* dz (outputs) = dL/dz at z (outputs). False: nothing is left to gain, the image is done. */
    bool (*gradient)(void *state, double *dz, size_t slot, const float *z, double alpha);
    sg_score (*score)(const void *state, size_t slot, const float *z);
} sg_objective;

extern const sg_objective sg_objective_own, sg_objective_hag, sg_objective_sdha, sg_objective_ce;

/* State that hash objectives share: own and hag have no other, sdha's begins with it. */
typedef struct sg_hash_state {
    size_t nbits;
    double *h; /* (batch, nbits) u of the clean image at alpha 1 */
    double *
        c; /* (batch, nbits) what the plain mean h'.c is taken with: sign h unless the objective changes it */
} sg_hash_state;

bool sg_hash_state_init(sg_hash_state *hash, const sg_objective_setup *setup, sg_error *err);
void sg_hash_state_clear(sg_hash_state *hash);
void sg_hash_state_begin(sg_hash_state *hash, size_t slot, const float *z);
/* Bits that z has otherwise than the clean image, and sum_k tanh(z_k) c_k. */
sg_score sg_hash_state_score(const sg_hash_state *hash, size_t slot, const float *z);

/* init, free, begin and score of an objective whose whole state is sg_hash_state. */
bool sg_hash_init(void **state, const sg_objective_setup *setup, sg_error *err);
void sg_hash_free(void *state);
bool sg_hash_begin(void *state, size_t slot, const sg_subject *subject, sg_error *err);
sg_score sg_hash_score(const void *state, size_t slot, const float *z);

/* u = tanh(alpha z); *slope = du/dz, not 0 before alpha |z| is about 370 (1 - u u is 0 from 19 on). */
double sg_squash(double *slope, double z, double alpha);

/* The L-infinity ball around an image on the 8-bit grid; all in units of 1/255. */
typedef struct sg_ball {
    const uint8_t *center; /* (size) the clean pixels */
    size_t size;
    int eps, eta;       /* radius, step */
    uint64_t seed, key; /* of random numbers: stream (seed, SG_RNG_ATTACK, key, restart) */
} sg_ball;

int sg_ball_radius(double eps);           /* floor(255 eps): within eps exactly */
int sg_ball_step(double eps, int nsteps); /* 2.5 eps / nsteps rounded up to the grid */
double sg_alpha_at(int step, int nsteps); /* the published schedule, ten equal parts of the run */
sg_rng sg_ball_rng(const sg_ball *ball, uint64_t restart);

/* Starts. */
void sg_ball_start_center(uint8_t *x, const sg_ball *ball);
void sg_ball_start_random(uint8_t *x, const sg_ball *ball);
/* Moves: x becomes the image after `step` (1 for the first). gradient is NULL for attacks without one. */
void sg_ball_move_sign(uint8_t *x, const float *gradient, const sg_ball *ball, int step);
/* x = center + offset in [-eps, eps], clipped to [0, 255]; each offset drawn by below(rng, eps). */
void sg_ball_fill(uint8_t *x, const sg_ball *ball, sg_rng *rng, int (*draw)(sg_rng *rng, int eps));
int sg_ball_draw_uniform(sg_rng *rng, int eps);

/* A kind of attack. */
typedef struct sg_attack {
    const char *name;
    const sg_objective *hash, *classifier; /* by the model's head; NULL: not for such a model */
    bool needs_labels;                     /* uses labels and codes of training images */
    bool uses_gradient;                    /* else it only sees scores */
    bool single_step;                      /* iterations is always 1 */
    int iterations;                        /* default */
    void (*start)(uint8_t *x, const sg_ball *ball);
    void (*move)(uint8_t *x, const float *gradient, const sg_ball *ball, int step);
} sg_attack;

extern const sg_attack sg_attack_hag, sg_attack_sdha, sg_attack_fgsm, sg_attack_pgd, sg_attack_noise;

const sg_attack *sg_attack_find(const char *name, sg_error *err); /* unknown: SG_ERR_USAGE */

/* linf, l2 and psnr of two images of n pixels. */
void sg_attack_measure(sg_attack_result *result, const uint8_t *clean, const uint8_t *changed, size_t n);

#endif
