/* sdha (Lu et al., ICMR 2021; the form of SAAT's code, less the distance to x, which the ball bounds): R the codes of
 * training images that share a label with the image (its own code when there are none), q = h', g logistic,
 *   L = -(25/K) mean_r w_r D(q, r),  w_r = max(d_H(sign q, r), 1)^(-1/2), no gradient through w,
 *   D(q, r) = 1/2 sum_k |q_k - r_k| g(5 q_k r_k) + sum_k (1 - g(5 q_k r_k)).
 *
 * Codes of trained models collide, so equal codes are kept once with their number. As r_k is -1 or 1, D is a sum of
 * f(q_k r_k), f(v) = (1 - v)/2 g(5 v) + 1 - g(5 v), and
 *   dL/dq_k = -25 / (K |R|) ( f'(q_k) sum_{r_k = 1} w_r - f'(-q_k) sum_{r_k = -1} w_r ):
 * a step costs one scan of R and one weighted count of its bits. */
#include "attack_impl.h"

#include <math.h>
#include <signet/mem.h>
#include <stdlib.h>
#include <string.h>

typedef struct sdha_slot {
    uint8_t *codes;  /* (n, nbytes) R without repetition */
    double *counts;  /* (n) how many images have each */
    uint16_t *dist;  /* (n) from sign q, of the present step */
    double *weights; /* (n) counts times w_r, of the present step */
    size_t n;
    double total; /* |R| */
} sdha_slot;

typedef struct sdha_state {
    sg_hash_state hash;
    const sg_attack_knowledge *knowledge;
    size_t batch, nbytes;
    uint8_t *codes;   /* (ngroups, nbytes) the distinct training codes, ascending */
    uint32_t *groups; /* (knowledge->n) each training image's code */
    size_t ngroups;
    double weights[SG_BITS_MAX + 1]; /* w by d_H */
    sdha_slot *slots;                /* (batch) */
} sdha_state;

static void sdha_free(void *state)
{
    sdha_state *sdha = state;
    if (sdha == NULL) return;
    for (size_t i = 0; sdha->slots != NULL && i < sdha->batch; i++) {
        sg_free(sdha->slots[i].codes);
        sg_free(sdha->slots[i].counts);
        sg_free(sdha->slots[i].dist);
        sg_free(sdha->slots[i].weights);
    }
    sg_free(sdha->slots);
    sg_free(sdha->groups);
    sg_free(sdha->codes);
    sg_hash_state_clear(&sdha->hash);
    sg_free(sdha);
}

static int compare_codes(const void *a, const void *b, void *context)
{
    const sdha_state *sdha = context;
    const uint8_t *codes = sdha->knowledge->codes;
    return memcmp(codes + *(const uint32_t *)a * sdha->nbytes, codes + *(const uint32_t *)b * sdha->nbytes,
                  sdha->nbytes);
}

/* Finds the distinct codes: sorts the images by code, then numbers the runs. */
static bool group_codes(sdha_state *sdha)
{
    size_t n = sdha->knowledge->n, nbytes = sdha->nbytes;
    const uint8_t *codes = sdha->knowledge->codes;
    uint32_t *order = sg_alloc(n, sizeof *order);
    sdha->groups = sg_alloc(n, sizeof *sdha->groups);
    sdha->codes = sg_alloc(n, nbytes);
    bool ok = order != NULL && sdha->groups != NULL && sdha->codes != NULL;
    if (ok) {
        for (size_t i = 0; i < n; i++) order[i] = (uint32_t)i;
        qsort_r(order, n, sizeof *order, compare_codes, sdha);
        for (size_t i = 0; i < n; i++) {
            const uint8_t *code = codes + order[i] * nbytes;
            if (i == 0 || memcmp(code, codes + order[i - 1] * nbytes, nbytes) != 0)
                memcpy(sdha->codes + sdha->ngroups++ * nbytes, code, nbytes);
            sdha->groups[order[i]] = (uint32_t)(sdha->ngroups - 1);
        }
    }
    sg_free(order);
    return ok;
}

/* Every slot may have to hold all distinct codes, and one when there are none: the image's own. */
static bool make_slots(sdha_state *sdha)
{
    size_t most = sdha->ngroups > 0 ? sdha->ngroups : 1;
    sdha->slots = sg_calloc(sdha->batch, sizeof *sdha->slots);
    for (size_t i = 0; sdha->slots != NULL && i < sdha->batch; i++) {
        sdha_slot *slot = &sdha->slots[i];
        slot->codes = sg_alloc(most, sdha->nbytes);
        slot->counts = sg_alloc(most, sizeof *slot->counts);
        slot->dist = sg_alloc(most, sizeof *slot->dist);
        slot->weights = sg_alloc(most, sizeof *slot->weights);
        if (!slot->codes || !slot->counts || !slot->dist || !slot->weights) return false;
    }
    return sdha->slots != NULL;
}

static bool sdha_init(void **state, const sg_objective_setup *setup, sg_error *err)
{
    sdha_state *sdha = sg_calloc(1, sizeof *sdha);
    if (sdha == NULL) return sg_fail_memory(err, "attack's objective");
    sdha->knowledge = setup->knowledge;
    sdha->batch = setup->batch;
    sdha->nbytes = setup->outputs / 8;
    for (size_t d = 0; d <= setup->outputs; d++) sdha->weights[d] = 1 / sqrt(d > 1 ? (double)d : 1);
    if (!sg_hash_state_init(&sdha->hash, setup, err)) goto fail;
    if (!group_codes(sdha) || !make_slots(sdha)) {
        sg_fail_memory(err, "codes of training images");
        goto fail;
    }
    *state = sdha;
    return true;
fail:
    sdha_free(sdha);
    return false;
}

/* R of an image by its labels; the number of images in it. */
static double collect(sdha_state *sdha, sdha_slot *slot, const sg_subject *subject)
{
    const sg_attack_knowledge *known = sdha->knowledge;
    double total = 0;
    slot->n = 0;
    memset(slot->counts, 0, sdha->ngroups * sizeof *slot->counts);
    for (size_t i = 0; i < known->n; i++)
        if (sg_labels_similar(subject->labels, subject->item, known->labels, i)) {
            slot->counts[sdha->groups[i]]++;
            total++;
        }
    for (size_t g = 0; g < sdha->ngroups; g++)
        if (slot->counts[g] > 0) {
            slot->counts[slot->n] = slot->counts[g];
            memcpy(slot->codes + slot->n++ * sdha->nbytes, sdha->codes + g * sdha->nbytes, sdha->nbytes);
        }
    return total;
}

/* plus[k] = sum of the weights of R's codes whose bit k is set: weights are counted by the value of each byte, then
 * the upper half of the table is folded on the lower, a bit a fold. */
static void count_bits(double *plus, const sdha_slot *slot, const double *weights, size_t nbytes)
{
    for (size_t b = 0; b < nbytes; b++) {
        double table[256] = {0};
        for (size_t j = 0; j < slot->n; j++) table[slot->codes[j * nbytes + b]] += weights[j];
        for (int bit = 7; bit >= 0; bit--) {
            double sum = 0;
            for (size_t v = 0; v < (size_t)1 << bit; v++) {
                sum += table[v + ((size_t)1 << bit)];
                table[v] += table[v + ((size_t)1 << bit)];
            }
            plus[8 * b + (size_t)bit] = sum;
        }
    }
}

static bool sdha_begin(void *state, size_t i, const sg_subject *subject, sg_error *err)
{
    sdha_state *sdha = state;
    sdha_slot *slot = &sdha->slots[i];
    size_t nbits = sdha->hash.nbits;
    const sg_labels *labels = subject->labels, *known = sdha->knowledge->labels;
    bool labelled = labels != NULL && sg_labels_count(labels, subject->item) > 0 && sdha->knowledge->n > 0;
    if (labelled && (labels->ids == NULL) != (known->ids == NULL))
        return sg_fail(err, SG_ERR_MISMATCH,
                       "images and training images: one has classes, the other rows of labels");
    if (labelled && labels->ids == NULL && labels->classes != known->classes)
        return sg_fail(err, SG_ERR_MISMATCH, "labels are of %zu classes, those of training images of %zu",
                       labels->classes, known->classes);
    sg_hash_state_begin(&sdha->hash, i, subject->z);
    slot->total = labelled ? collect(sdha, slot, subject) : 0;
    if (slot->total == 0) {
        slot->total = slot->counts[0] = 1;
        slot->n = 1;
        sg_codes_pack(slot->codes, subject->z, 1, nbits);
    }
    /* c = mean of R: the plain mean of h'.r */
    double *c = sdha->hash.c + i * nbits;
    count_bits(c, slot, slot->counts, sdha->nbytes);
    for (size_t k = 0; k < nbits; k++) c[k] = 2 * c[k] / slot->total - 1;
    return true;
}

static double slope_of_f(double v)
{
    double g = 1 / (1 + exp(-5 * v)); /* |v| <= 1 */
    return -0.5 * g - 2.5 * (1 + v) * g * (1 - g);
}

static bool sdha_gradient(void *state, double *dz, size_t i, const float *z, double alpha)
{
    sdha_state *sdha = state;
    sdha_slot *slot = &sdha->slots[i];
    size_t nbits = sdha->hash.nbits, nbytes = sdha->nbytes;
    uint8_t code[SG_BITS_MAX / 8];
    double plus[SG_BITS_MAX], sum = 0;
    sg_codes_pack(code, z, 1, nbits);
    sg_hamming_scan(slot->dist, code, slot->codes, slot->n, nbytes);
    for (size_t j = 0; j < slot->n; j++)
        sum += slot->weights[j] = slot->counts[j] * sdha->weights[slot->dist[j]];
    count_bits(plus, slot, slot->weights, nbytes);
    for (size_t k = 0; k < nbits; k++) {
        double slope, q = sg_squash(&slope, z[k], alpha);
        double down = slope_of_f(q) * plus[k] - slope_of_f(-q) * (sum - plus[k]);
        dz[k] = -25 / ((double)nbits * slot->total) * down * slope;
    }
    return true;
}

static sg_score sdha_score(const void *state, size_t slot, const float *z)
{
    const sdha_state *sdha = state;
    return sg_hash_state_score(&sdha->hash, slot, z);
}

const sg_objective sg_objective_sdha = {"sdha", sdha_init, sdha_free, sdha_begin, sdha_gradient, sdha_score};
