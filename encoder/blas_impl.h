/* Matrix algebra for losses: the door to OpenBLAS. Row-major, no padding between rows. */
#ifndef SIGNET_BLAS_IMPL_H
#define SIGNET_BLAS_IMPL_H

#include <stddef.h>

/* C (m, n) = alpha A (m, k) B, with B (k, n). */
void sg_blas_nn(float *C, const float *A, const float *B, size_t m, size_t n, size_t k, float alpha);
/* C (m, n) = alpha A (m, k) B^T, with B (n, k). */
void sg_blas_nt(float *C, const float *A, const float *B, size_t m, size_t n, size_t k, float alpha);

#endif
