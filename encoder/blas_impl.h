/* Matrix algebra for losses and projections: the door to OpenBLAS and its LAPACK. Row-major, no padding between rows. The
 * same numbers for the same number of threads; another number may round otherwise. */
#ifndef SIGNET_BLAS_IMPL_H
#define SIGNET_BLAS_IMPL_H

#include <signet/error.h>
#include <stddef.h>

/* C (m, n) = alpha A (m, k) B, with B (k, n). */
void sg_blas_nn(float *C, const float *A, const float *B, size_t m, size_t n, size_t k, float alpha);
/* C (m, n) = alpha A (m, k) B^T, with B (n, k). */
void sg_blas_nt(float *C, const float *A, const float *B, size_t m, size_t n, size_t k, float alpha);

/* C (m, n) = beta C + A B, in double; A (m, k), or (k, m) and taken transposed where a_turned says so; B (k, n) or (n, k)
 * likewise. */
void sg_blas_double(double *C, const double *A, bool a_turned, const double *B, bool b_turned, size_t m,
                    size_t n, size_t k, double beta);
/* Eigenvectors of a symmetric A (n, n), which replace it row by row, with their values (n), the least first. */
bool sg_blas_eigen(double *A, double *values, size_t n, sg_error *err);
/* A (n, n) = left diag(values) right, the largest value first; left and right (n, n) orthogonal. A is overwritten. */
bool sg_blas_svd(double *left, double *values, double *right, double *A, size_t n, sg_error *err);

#endif
