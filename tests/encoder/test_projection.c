/* Projections against numpy (tests/fixtures/encoder/projection.py), and what must hold of them whatever the data. */
#include "base/scratch.h"

#include "encoder/projection_impl.h"
#include "encoder/sample.h"
#include <math.h>
#include <signet/file.h>
#include <signet/json.h>

/* As the script makes them. */
static float *make_features(uint32_t stream, size_t n, size_t dim)
{
    float *f = malloc(n * dim * sizeof *f);
    for (uint32_t i = 0; i < n * dim; i++) {
        uint32_t d = i % (uint32_t)dim;
        f[i] = sample_number(stream, i) * (float)(1 + d % 7) + (float)d;
    }
    return f;
}

static sg_projection project(const char *kind, const float *features, size_t n, size_t dim, size_t nbits,
                             uint64_t seed)
{
    sg_projection p;
    sg_error err = {0};
    if (!sg_projection_init(&p, kind, features, n, dim, nbits, seed, &err)) fail_msg("%s", err.message);
    return p;
}

static double number(const sg_json *json)
{
    double value = NAN;
    assert_true(sg_json_number(&value, json));
    return value;
}

static size_t count(const sg_json *json)
{
    return (size_t)number(json);
}

/* The matrix's (row, column). */
static double entry(const sg_json *rows, size_t row, size_t column)
{
    return number(sg_json_at(sg_json_at(rows, row), column));
}

static void assert_orthonormal(const double *rows, size_t n, size_t dim)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++) {
            double sum = 0;
            for (size_t d = 0; d < dim; d++) sum += rows[i * dim + d] * rows[j * dim + d];
            assert_true(fabs(sum - (i == j)) < 1e-10);
        }
}

/* V (n, k) of features along p's directions, plainly. */
static double *along(const sg_projection *p)
{
    double *V = calloc(p->n * p->nbits, sizeof *V);
    for (size_t i = 0; i < p->n; i++)
        for (size_t k = 0; k < p->nbits; k++)
            for (size_t d = 0; d < p->dim; d++)
                V[i * p->nbits + k] +=
                    ((double)p->features[i * p->dim + d] - p->mean[d]) * p->weight[k * p->dim + d];
    return V;
}

static void check_case(const sg_json *c, size_t dim, size_t nbits, size_t rounds)
{
    size_t n = count(sg_json_get(c, "n"));
    float *f = make_features((uint32_t)count(sg_json_get(c, "stream")), n, dim);
    sg_projection p = project("pca", f, n, dim, nbits, 0);
    const sg_json *directions = sg_json_get(c, "directions"), *start = sg_json_get(c, "start"),
                  *end = sg_json_get(c, "end"), *errors = sg_json_get(c, "errors");
    for (size_t k = 0; k < nbits; k++)
        for (size_t d = 0; d < dim; d++)
            assert_true(fabs(p.weight[k * dim + d] - entry(directions, k, d)) < 1e-9);
    assert_true(fabs(p.explained - number(sg_json_get(c, "explained"))) < 1e-12);

    double *V = along(&p), *R = malloc(nbits * nbits * sizeof *R), *e = malloc((rounds + 1) * sizeof *e);
    for (size_t i = 0; i < nbits * nbits; i++) R[i] = entry(start, i / nbits, i % nbits);
    assert_true(sg_projection_itq_rounds(R, e, V, n, nbits, rounds, NULL));
    for (size_t i = 0; i < nbits * nbits; i++)
        assert_true(fabs(R[i] - entry(end, i / nbits, i % nbits)) < 1e-8);
    for (size_t i = 0; i <= rounds; i++) {
        assert_true(fabs(e[i] - number(sg_json_at(errors, i))) < 1e-9);
        assert_true(i == 0 || e[i] <= e[i - 1] + 1e-12);
    }
    assert_orthonormal(R, nbits, nbits);
    free(e);
    free(R);
    free(V);
    sg_projection_clear(&p);
    free(f);
}

static void test_as_numpy(void **state)
{
    (void)state;
    char *text;
    size_t nbytes;
    sg_json *root;
    assert_true(sg_file_read(&text, &nbytes, "fixtures/encoder/projection.json", 1 << 20, NULL));
    assert_true(sg_json_parse(&root, text, nbytes, NULL));
    const sg_json *cases = sg_json_get(root, "cases");
    for (size_t i = 0; i < sg_json_size(cases); i++)
        check_case(sg_json_at(cases, i), count(sg_json_get(root, "dim")), count(sg_json_get(root, "bits")),
                   count(sg_json_get(root, "rounds")));
    sg_json_free(root);
    sg_free(text);
}

/* Rows of a Gaussian matrix G = L Q, with L lower triangular and its diagonal positive. */
static void test_rotation(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 8, 64};
    for (size_t s = 0; s < 4; s++) {
        size_t k = sizes[s];
        double *Q = malloc(k * k * sizeof *Q), *G = malloc(k * k * sizeof *G);
        sg_projection_rotation(Q, k, 5);
        assert_orthonormal(Q, k, k);
        sg_projection_normal(G, k * k, 5, 0);
        for (size_t i = 0; i < k; i++)
            for (size_t j = i; j < k; j++) {
                double sum = 0;
                for (size_t d = 0; d < k; d++) sum += G[i * k + d] * Q[j * k + d];
                assert_true(i == j ? sum > 0 : fabs(sum) < 1e-10);
            }
        free(G);
        free(Q);
    }
}

/* Turned or not, the same directions' span: what one leaves of the other's rows is nothing. */
static void assert_same_span(const sg_projection *a, const sg_projection *b)
{
    for (size_t i = 0; i < a->nbits; i++) {
        double inside = 0;
        for (size_t j = 0; j < b->nbits; j++) {
            double sum = 0;
            for (size_t d = 0; d < a->dim; d++) sum += a->weight[i * a->dim + d] * b->weight[j * b->dim + d];
            inside += sum * sum;
        }
        assert_true(fabs(inside - 1) < 1e-9);
    }
}

static void test_turned(void **state)
{
    (void)state;
    enum { N = 700, DIM = 40, BITS = 16 }; /* more images than are brought to double at a time */
    float *f = make_features(7, N, DIM);
    sg_projection pca = project("pca", f, N, DIM, BITS, 0), rr = project("pca-rr", f, N, DIM, BITS, 3),
                  itq = project("itq", f, N, DIM, BITS, 3), other = project("itq", f, N, DIM, BITS, 4);
    assert_orthonormal(pca.weight, BITS, DIM);
    assert_orthonormal(rr.weight, BITS, DIM);
    assert_orthonormal(itq.weight, BITS, DIM);
    assert_same_span(&rr, &pca);
    assert_same_span(&itq, &pca);
    assert_true(pca.explained > 0.4 && pca.explained < 1 && rr.explained == pca.explained);
    assert_memory_not_equal(itq.weight, other.weight, BITS * DIM * sizeof *itq.weight);
    assert_null(rr.errors);
    assert_int_equal(itq.nerrors, SG_ITQ_ROUNDS + 1);
    assert_true(itq.errors[SG_ITQ_ROUNDS] < itq.errors[0]);

    /* The error of the codes that the weights give: what the rounds said at last, and less than that of the start. */
    double *V = along(&itq), sum = 0;
    for (size_t i = 0; i < N * BITS; i++) sum += pow(V[i] - (V[i] > 0 ? 1 : -1), 2);
    assert_true(fabs(sum / (N * BITS) - itq.errors[SG_ITQ_ROUNDS]) < 1e-9);
    free(V);
    V = along(&rr), sum = 0;
    for (size_t i = 0; i < N * BITS; i++) sum += pow(V[i] - (V[i] > 0 ? 1 : -1), 2);
    assert_true(fabs(sum / (N * BITS) - itq.errors[0]) < 1e-9);
    free(V);

    sg_projection again = project("itq", f, N, DIM, BITS, 3);
    assert_memory_equal(again.weight, itq.weight, BITS * DIM * sizeof *itq.weight);
    sg_projection_clear(&again);
    sg_projection_clear(&other);
    sg_projection_clear(&itq);
    sg_projection_clear(&rr);
    sg_projection_clear(&pca);
    free(f);
}

static void test_lsh(void **state)
{
    (void)state;
    enum { N = 5, DIM = 300, BITS = 64 };
    float *f = make_features(9, N, DIM);
    sg_projection p = project("lsh", f, N, DIM, BITS, 0), other = project("lsh", f, N, DIM, BITS, 1);
    double sum = 0, squares = 0;
    for (size_t i = 0; i < BITS * DIM; i++) sum += p.weight[i], squares += p.weight[i] * p.weight[i];
    assert_true(fabs(sum / (BITS * DIM)) < 0.03 && fabs(squares / (BITS * DIM) - 1) < 0.05);
    assert_true(isnan(p.explained) && !p.errors);
    assert_memory_not_equal(p.weight, other.weight, BITS * DIM * sizeof *p.weight);
    for (size_t d = 0; d < DIM; d++) {
        double mean = 0;
        for (size_t i = 0; i < N; i++) mean += (double)f[i * DIM + d] / N;
        assert_true(fabs(mean - p.mean[d]) < 1e-9);
    }
    sg_projection_clear(&other);
    sg_projection_clear(&p);
    free(f);
}

static void assert_refused(const char *kind, const float *f, size_t n, size_t dim, size_t nbits,
                           const char *word)
{
    sg_projection p;
    sg_error err = {0};
    assert_false(sg_projection_init(&p, kind, f, n, dim, nbits, 0, &err));
    assert_int_equal(err.code, SG_ERR_USAGE);
    if (!strstr(err.message, word)) fail_msg("'%s' lacks '%s'", err.message, word);
    assert_null(p.weight);
}

static void test_too_little(void **state)
{
    (void)state;
    enum { DIM = 20 };
    float *f = make_features(11, 100, DIM);
    for (size_t i = 0; i < 100; i++) memcpy(f + i * DIM, f + i % 7 * DIM, DIM * sizeof *f);
    static const char *const kinds[] = {"itq", "pca", "pca-rr"};
    for (size_t i = 0; i < 3; i++) {
        assert_refused(kinds[i], f, 100, DIM, 32, "32 bits are more than the 20 features");
        assert_refused(kinds[i], f, 10, DIM, 16, "16 bits are more than the 10 images");
        assert_refused(kinds[i], f, 100, DIM, 8,
                       "8 bits are more than the 6 directions that 100 images span");
        assert_refused(kinds[i], f, 10, DIM, 8, "8 bits are more than the 6 directions that 10 images span");
    }
    for (size_t i = 0; i < 100 * DIM; i++) f[i] = 1;
    assert_refused("pca", f, 100, DIM, 8, "the 0 directions");
    sg_projection p = project("lsh", f, 1, DIM, 64, 0); /* needs neither */
    sg_projection_clear(&p);
    free(f);
}

static bool project_once(const char *kind, const float *f, size_t n, sg_error *err)
{
    sg_projection p;
    if (!sg_projection_init(&p, kind, f, n, 24, 8, 0, err)) return false;
    sg_projection_clear(&p);
    return true;
}

static void test_memory_runs_out(void **state)
{
    (void)state;
    float *f = make_features(1, 60, 24);
    size_t n;
    const char *const *names = sg_projection_names(&n);
    for (size_t i = 0; i < n; i++) {
        assert_survives_allocation_failures(project_once(names[i], f, 60, &err));
        assert_survives_allocation_failures(project_once(names[i], f, 20, &err));
    }
    free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_numpy),   cmocka_unit_test(test_rotation),
        cmocka_unit_test(test_turned),     cmocka_unit_test(test_lsh),
        cmocka_unit_test(test_too_little), cmocka_unit_test(test_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
