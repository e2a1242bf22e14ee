/* Hash centres: a code in {-1, +1}^K for each class, far from each other (Yuan et al., CVPR 2020). */
#ifndef SIGNET_CENTRES_IMPL_H
#define SIGNET_CENTRES_IMPL_H

#include <signet/error.h>
#include <stddef.h>
#include <stdint.h>

/* centres (classes, nbits), by seed. Rows of the Hadamard matrix and of its negative where nbits is a power of two
 * and classes <= 2 nbits: no column is constant (from two classes on) and as many columns as possible are distinct.
 * Else the best by least distance of 20 draws of random codes. */
bool sg_centres_draw(float *centres, size_t classes, size_t nbits, uint64_t seed, sg_error *err);
/* The fixed random code (nbits) that settles ties where centres are added. */
void sg_centres_ties(float *code, size_t nbits, uint64_t seed);

#endif
