/* own: L = h'.sign(h), the distance to the image's own code made soft (PGD on the query's code). */
#include "attack_impl.h"

static bool gradient(void *state, double *dz, size_t slot, const float *z, double alpha)
{
    const sg_hash_state *hash = state;
    const double *c = hash->c + slot * hash->nbits;
    for (size_t k = 0; k < hash->nbits; k++) {
        double slope;
        sg_squash(&slope, z[k], alpha);
        dz[k] = c[k] * slope;
    }
    return true;
}

const sg_objective sg_objective_own = {"own",         sg_hash_init, sg_hash_free,
                                       sg_hash_begin, gradient,     sg_hash_score};
