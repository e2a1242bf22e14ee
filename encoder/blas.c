#include "blas_impl.h"

#include <cblas.h>

void sg_blas_nn(float *C, const float *A, const float *B, size_t m, size_t n, size_t k, float alpha)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)m, (int)n, (int)k, alpha, A, (int)k, B,
                (int)n, 0.0f, C, (int)n);
}

void sg_blas_nt(float *C, const float *A, const float *B, size_t m, size_t n, size_t k, float alpha)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)m, (int)n, (int)k, alpha, A, (int)k, B, (int)k,
                0.0f, C, (int)n);
}
