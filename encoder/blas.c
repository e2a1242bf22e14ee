#include "blas_impl.h"

#include <cblas.h>
#include <signet/mem.h>

/* LAPACK's own, which OpenBLAS holds without a header: Fortran's calling convention, column-major. */
void dsyevd_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w,
             double *work, const int *lwork, int *iwork, const int *liwork, int *info);
void dgesdd_(const char *jobz, const int *m, const int *n, double *a, const int *lda, double *s, double *u,
             const int *ldu, double *vt, const int *ldvt, double *work, const int *lwork, int *iwork,
             int *info);

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

void sg_blas_double(double *C, const double *A, bool a_turned, const double *B, bool b_turned, size_t m,
                    size_t n, size_t k, double beta)
{
    cblas_dgemm(CblasRowMajor, a_turned ? CblasTrans : CblasNoTrans, b_turned ? CblasTrans : CblasNoTrans,
                (int)m, (int)n, (int)k, 1.0, A, (int)(a_turned ? m : k), B, (int)(b_turned ? k : n), beta, C,
                (int)n);
}

/* Eigenvectors come as columns of a column-major matrix: as rows of ours. */
bool sg_blas_eigen(double *A, double *values, size_t n, sg_error *err)
{
    int order = (int)n, nwork = -1, nints = -1, info = 0, ints;
    double numbers;
    dsyevd_("V", "L", &order, A, &order, values, &numbers, &nwork, &ints, &nints, &info);
    nwork = (int)numbers, nints = ints;
    double *work = sg_alloc((size_t)nwork, sizeof *work);
    int *iwork = sg_alloc((size_t)nints, sizeof *iwork);
    bool ok = work && iwork ? true : sg_fail_memory(err, "eigenvectors");
    if (ok) dsyevd_("V", "L", &order, A, &order, values, work, &nwork, iwork, &nints, &info);
    if (ok && info != 0) ok = sg_fail(err, SG_ERR_LIMIT, "eigenvectors of %zu x %zu did not converge", n, n);
    sg_free(iwork);
    sg_free(work);
    return ok;
}

/* LAPACK sees the transpose of A = u diag(s) vt, so that A = vt' diag(s) u', and column-major u and vt are our u' and
 * vt'. */
bool sg_blas_svd(double *left, double *values, double *right, double *A, size_t n, sg_error *err)
{
    int order = (int)n, nwork = -1, info = 0;
    double numbers;
    int *iwork = sg_alloc(8 * n, sizeof *iwork);
    if (!iwork) return sg_fail_memory(err, "singular values");
    dgesdd_("A", &order, &order, A, &order, values, right, &order, left, &order, &numbers, &nwork, iwork,
            &info);
    nwork = (int)numbers;
    double *work = sg_alloc((size_t)nwork, sizeof *work);
    bool ok = work ? true : sg_fail_memory(err, "singular values");
    if (ok)
        dgesdd_("A", &order, &order, A, &order, values, right, &order, left, &order, work, &nwork, iwork,
                &info);
    if (ok && info != 0)
        ok = sg_fail(err, SG_ERR_LIMIT, "singular values of %zu x %zu did not converge", n, n);
    sg_free(work);
    sg_free(iwork);
    return ok;
}
