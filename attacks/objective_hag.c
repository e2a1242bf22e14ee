/* hag (Yang et al. 2020; the form of SAAT's code): with h the clean image's soft output and h' the present one,
 * m_k = 1 while h'_k sign(h_k) >= -t, M = sum m,
 *   L = ( (sum_k m_k h'_k h_k) / M + 1 )^2 + ( (1/K) sum_k m_k h'_k )^2.
 * Bits that are over by more than t are left alone; when all are, the image is done. */
#include "attack_impl.h"

#define HAG_MARGIN 0.5 /* t */

static bool gradient(void *state, double *dz, size_t slot, const float *z, double alpha)
{
    const sg_hash_state *hash = state;
    const double *h = hash->h + slot * hash->nbits, *c = hash->c + slot * hash->nbits;
    double nbits = (double)hash->nbits, active = 0, product = 0, sum = 0;
    for (size_t k = 0; k < hash->nbits; k++) {
        double slope, u = sg_squash(&slope, z[k], alpha);
        bool on = u * c[k] >= -HAG_MARGIN;
        active += on;
        product += on ? u * h[k] : 0;
        sum += on ? u : 0;
        dz[k] = on ? slope : 0;
    }
    if (active == 0) return false;
    for (size_t k = 0; k < hash->nbits; k++)
        dz[k] *= 2 * (product / active + 1) * h[k] / active + 2 * (sum / nbits) / nbits;
    return true;
}

const sg_objective sg_objective_hag = {"hag",         sg_hash_init, sg_hash_free,
                                       sg_hash_begin, gradient,     sg_hash_score};
