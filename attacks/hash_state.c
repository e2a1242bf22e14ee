/* What objectives of hash models share: squashed outputs, the clean image's, and how images are compared. */
#include "attack_impl.h"

#include <math.h>
#include <signet/mem.h>

double sg_squash(double *slope, double z, double alpha)
{
    double e = exp(-2 * fabs(alpha * z));
    *slope = 4 * alpha * e / ((1 + e) * (1 + e)); /* alpha / cosh^2(alpha z) */
    return tanh(alpha * z);
}

bool sg_hash_state_init(sg_hash_state *hash, const sg_objective_setup *setup, sg_error *err)
{
    size_t n;
    *hash = (sg_hash_state){.nbits = setup->outputs};
    if (sg_mul_size(&n, setup->batch, setup->outputs)) {
        hash->h = sg_alloc(n, sizeof *hash->h);
        hash->c = sg_alloc(n, sizeof *hash->c);
    }
    if (hash->h != NULL && hash->c != NULL) return true;
    sg_hash_state_clear(hash);
    return sg_fail_memory(err, "attack's objective");
}

void sg_hash_state_clear(sg_hash_state *hash)
{
    sg_free(hash->h);
    sg_free(hash->c);
    *hash = (sg_hash_state){0};
}

void sg_hash_state_begin(sg_hash_state *hash, size_t slot, const float *z)
{
    double *h = hash->h + slot * hash->nbits, *c = hash->c + slot * hash->nbits;
    for (size_t k = 0; k < hash->nbits; k++) {
        h[k] = tanh(z[k]);
        c[k] = z[k] > 0 ? 1 : -1;
    }
}

sg_score sg_hash_state_score(const sg_hash_state *hash, size_t slot, const float *z)
{
    const double *h = hash->h + slot * hash->nbits, *c = hash->c + slot * hash->nbits;
    sg_score score = {0};
    for (size_t k = 0; k < hash->nbits; k++) {
        score.distance += (z[k] > 0) != (h[k] > 0);
        score.mean += tanh(z[k]) * c[k];
    }
    return score;
}

bool sg_hash_init(void **state, const sg_objective_setup *setup, sg_error *err)
{
    sg_hash_state *hash = sg_alloc(1, sizeof *hash);
    if (hash == NULL) return sg_fail_memory(err, "attack's objective");
    if (!sg_hash_state_init(hash, setup, err)) {
        sg_free(hash);
        return false;
    }
    *state = hash;
    return true;
}

void sg_hash_free(void *state)
{
    if (state == NULL) return;
    sg_hash_state_clear(state);
    sg_free(state);
}

bool sg_hash_begin(void *state, size_t slot, const sg_subject *subject, sg_error *err)
{
    (void)err;
    sg_hash_state_begin(state, slot, subject->z);
    return true;
}

sg_score sg_hash_score(const void *state, size_t slot, const float *z)
{
    return sg_hash_state_score(state, slot, z);
}
