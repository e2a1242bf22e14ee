/* Losses against PyTorch's values and gradients (tests/fixtures/encoder/losses.py), and against references in
 * double here, whose finite differences are the gradients. */
#include "base/scratch.h"
#include "encoder/centres_impl.h"
#include "encoder/loss_impl.h"
#include <math.h>
#include <signet/codes.h>
#include <signet/cpu.h>
#include <signet/file.h>
#include <signet/json.h>
#include <signet/random.h>

/* ---- PyTorch ---- */

static double number(const sg_json *json)
{
    double value = NAN;
    assert_true(sg_json_number(&value, json));
    return value;
}

static void read_rows(float *out, const sg_json *rows, size_t n, size_t cols)
{
    assert_int_equal(sg_json_size(rows), n);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < cols; k++)
            out[i * cols + k] = (float)number(sg_json_at(sg_json_at(rows, i), k));
}

static void read_labels(sg_labels *labels, const sg_json *c, size_t n, size_t classes)
{
    const sg_json *ids = sg_json_get(c, "ids"), *rows = sg_json_get(c, "rows");
    assert_true(sg_labels_init(labels, n, classes, rows != NULL, NULL));
    for (size_t i = 0; i < n; i++) {
        if (ids) labels->ids[i] = (int32_t)number(sg_json_at(ids, i));
        for (size_t y = 0; rows && y < classes; y++)
            labels->rows[i * classes + y] = (uint8_t)number(sg_json_at(sg_json_at(rows, i), y));
    }
}

static void check_case(const sg_json *c, size_t n, size_t classes)
{
    const char *name = sg_json_string(sg_json_get(c, "loss"));
    size_t k = sg_json_size(sg_json_at(sg_json_get(c, "z"), 0));
    sg_labels labels;
    read_labels(&labels, c, n, classes);
    sg_kv values = SG_KV_INIT;
    const sg_json *a = sg_json_get(c, "a"), *centres = sg_json_get(c, "centres");
    if (a) assert_true(sg_kv_setf(&values, NULL, "a", "%g", number(a)));
    sg_loss_options options = {
        .outputs = k, .classes = classes, .batch = n, .multi = labels.rows != NULL, .values = &values};
    sg_loss *loss;
    sg_error err = {0};
    if (!sg_loss_new(&loss, name, &options, &err)) fail_msg("%s", err.message);
    if (centres)
        read_rows(loss->work, centres, sg_json_size(centres), k); /* the script's, not those drawn here */
    float z[64], dz[64], expected[64];
    read_rows(z, sg_json_get(c, "z"), n, k);
    read_rows(expected, sg_json_get(c, "dz"), n, k);
    double value = number(sg_json_get(c, "value"));
    assert_true(fabs(sg_loss_run(loss, dz, z, &labels, n) - value) < 1e-6 * (1.0 + fabs(value)));
    for (size_t i = 0; i < n * k; i++)
        assert_true(fabsf(dz[i] - expected[i]) < 1e-7f + 2e-6f * fabsf(expected[i]));
    sg_loss_free(loss);
    sg_kv_clear(&values);
    sg_labels_clear(&labels);
}

static void test_pytorch(void **state)
{
    (void)state;
    char *text;
    size_t nbytes;
    sg_json *json;
    sg_error err = {0};
    if (!sg_file_read(&text, &nbytes, "fixtures/encoder/losses.json", 1 << 20, &err))
        fail_msg("%s", err.message);
    assert_true(sg_json_parse(&json, text, nbytes, &err));
    size_t n = (size_t)number(sg_json_get(json, "n")), classes = (size_t)number(sg_json_get(json, "classes"));
    const sg_json *cases = sg_json_get(json, "cases");
    assert_int_equal(sg_json_size(cases), 5);
    for (size_t i = 0; i < sg_json_size(cases); i++) check_case(sg_json_at(cases, i), n, classes);
    sg_json_free(json);
    sg_free(text);
}

/* ---- references in double and their finite differences ---- */

typedef struct problem {
    const sg_loss *loss;
    const sg_labels *labels;
    size_t n, k;
    double a;
} problem;

static double softplus(double t)
{
    return fmax(t, 0) + log1p(exp(-fabs(t)));
}

static double reference_dpsh(const problem *p, const double *z)
{
    double sum = 0, squares = 0, pairs = 0;
    for (size_t i = 0; i < p->n; i++) {
        for (size_t j = 0; j < p->n; j++) {
            double t = 0;
            for (size_t k = 0; k < p->k; k++) t += z[i * p->k + k] * z[j * p->k + k] / 2;
            if (i == j) continue;
            pairs++;
            sum += softplus(t) - (sg_labels_similar(p->labels, i, p->labels, j) ? t : 0);
        }
        for (size_t k = 0; k < p->k; k++) squares += pow(fabs(z[i * p->k + k]) - 1, 2);
    }
    return (pairs > 0 ? sum / pairs : 0) + p->a * squares / (double)(p->n * p->k);
}

/* Bit k of an image's centre: the sign of the sum over its classes; the code after the classes settles ties. */
static double centre_bit(const problem *p, size_t i, size_t k)
{
    const float *centres = p->loss->work;
    double sum = 0;
    for (size_t c = 0; c < p->labels->classes; c++)
        if (sg_labels_has(p->labels, i, c)) sum += (double)centres[c * p->k + k];
    return sum > 0 ? 1 : sum < 0 ? -1 : (double)centres[p->labels->classes * p->k + k];
}

static double reference_csq(const problem *p, const double *z)
{
    double sum = 0, rows = 0;
    for (size_t i = 0; i < p->n; i++) {
        if (sg_labels_count(p->labels, i) == 0) continue;
        rows++;
        for (size_t k = 0; k < p->k; k++) {
            double c = centre_bit(p, i, k), x = z[i * p->k + k];
            double q = (tanh(x) + 1) / 2;
            sum += c > 0 ? -log(q) : -log(1 - q);
            sum += p->a * pow(fabs(tanh(x)) - 1, 2);
        }
    }
    return rows > 0 ? sum / (rows * (double)p->k) : 0;
}

static double reference_ce(const problem *p, const double *z)
{
    double sum = 0, rows = 0;
    for (size_t i = 0; i < p->n; i++) {
        double total = 0;
        if (p->labels->ids[i] < 0) continue;
        rows++;
        for (size_t c = 0; c < p->k; c++) total += exp(z[i * p->k + c]);
        sum += log(total) - z[i * p->k + (size_t)p->labels->ids[i]];
    }
    return rows > 0 ? sum / rows : 0;
}

/* A class each, or a row of labels each with two in five set; the second image has none. */
static void draw_labels(sg_labels *labels, size_t n, size_t classes, bool multi, sg_rng *rng)
{
    assert_true(sg_labels_init(labels, n, classes, multi, NULL));
    for (size_t i = 0; i < n; i++) {
        if (n > 2 && i == 1) continue;
        if (!multi) labels->ids[i] = (int32_t)sg_rng_below(rng, classes);
        for (size_t c = 0; multi && c < classes; c++)
            labels->rows[i * classes + c] = sg_rng_below(rng, 5) < 2;
    }
}

static void check_reference(const char *name, size_t n, size_t k, size_t classes, bool multi,
                            double (*reference)(const problem *, const double *))
{
    sg_loss_options options = {.outputs = k, .classes = classes, .batch = n + 3, .multi = multi, .seed = 11};
    sg_loss *loss;
    assert_true(sg_loss_new(&loss, name, &options, NULL));
    sg_labels labels;
    sg_rng rng = sg_rng_at(n, SG_RNG_TEST, k, multi);
    draw_labels(&labels, n, classes, multi, &rng);
    float *z = sg_alloc(n * k, sizeof *z), *dz = sg_alloc(n * k, sizeof *dz);
    double *x = sg_alloc(n * k, sizeof *x);
    for (size_t i = 0; i < n * k; i++) x[i] = z[i] = (float)(2.0 * sg_rng_normal(&rng));
    problem p = {loss, &labels, n, k, (double)loss->values[0]};
    double value = sg_loss_run(loss, dz, z, &labels, n), expected = reference(&p, x);
    assert_true(fabs(value - expected) < 1e-6 * (1.0 + fabs(expected)));
    for (size_t i = 0; i < n * k; i++) {
        const double h = 1e-5;
        double at = x[i];
        if (fabs(at) < 2 * h) continue; /* abs and sign have a corner at 0 */
        x[i] = at + h;
        double up = reference(&p, x);
        x[i] = at - h;
        double down = reference(&p, x);
        x[i] = at;
        double slope = (up - down) / (2 * h);
        assert_true(fabs((double)dz[i] - slope) < 1e-6 + 1e-4 * fabs(slope));
    }
    sg_free(x);
    sg_free(dz);
    sg_free(z);
    sg_labels_clear(&labels);
    sg_loss_free(loss);
}

static void test_differences(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 9; n += 4) {
        for (int multi = 0; multi < 2; multi++) {
            check_reference("dpsh", n, 16, 3, multi, reference_dpsh);
            check_reference("csq", n, 16, 3, multi, reference_csq);
            check_reference("csq", n, 24, 4, multi, reference_csq);
        }
        check_reference("ce", n, 7, 7, false, reference_ce);
    }
}

/* Large outputs must not overflow, unlabelled batches give 0 where the mean is empty. */
static void test_extremes(void **state)
{
    (void)state;
    for (size_t l = 0; l < 3; l++) {
        static const char *const names[] = {"dpsh", "csq", "ce"};
        sg_loss_options options = {.outputs = 8, .classes = 8, .batch = 4};
        sg_loss *loss;
        sg_labels labels;
        assert_true(sg_loss_new(&loss, names[l], &options, NULL));
        assert_true(sg_labels_init(&labels, 4, 8, false, NULL));
        float z[32], dz[32];
        for (size_t i = 0; i < 32; i++) z[i] = i % 3 ? 1e4f : -1e4f;
        double value = sg_loss_run(loss, dz, z, &labels, 4);
        assert_true(l == 0 ? isfinite(value) : value == 0.0);
        for (size_t i = 0; i < 4; i++) labels.ids[i] = (int32_t)i;
        assert_true(isfinite(sg_loss_run(loss, dz, z, &labels, 4)));
        for (size_t i = 0; i < 32; i++) assert_true(isfinite(dz[i]));
        sg_loss_free(loss);
        sg_labels_clear(&labels);
    }
}

static void test_threads(void **state)
{
    (void)state;
    enum { N = 33, K = 32 };
    sg_loss_options options = {.outputs = K, .classes = 4, .batch = N};
    sg_loss *loss;
    sg_labels labels;
    assert_true(sg_loss_new(&loss, "dpsh", &options, NULL));
    assert_true(sg_labels_init(&labels, N, 4, false, NULL));
    static float z[N * K], first[N * K], again[N * K];
    sg_rng rng = sg_rng_at(1, SG_RNG_TEST, 0, 0);
    for (size_t i = 0; i < N; i++) labels.ids[i] = (int32_t)(i % 4);
    for (size_t i = 0; i < N * K; i++) z[i] = (float)sg_rng_normal(&rng);
    uint64_t made = sg_mem_count();
    double value = sg_loss_run(loss, first, z, &labels, N);
    for (int round = 0; round < 5; round++) {
        assert_true(sg_loss_run(loss, again, z, &labels, N) == value);
        assert_memory_equal(first, again, sizeof first);
    }
    assert_int_equal(sg_mem_count(), made);
    sg_loss_free(loss);
    sg_labels_clear(&labels);
}

/* ---- errors ---- */

static void check_refused(const char *name, const sg_loss_options *options, const char *word)
{
    sg_loss *loss = (sg_loss *)1;
    sg_error err = {0};
    assert_false(sg_loss_new(&loss, name, options, &err));
    assert_null(loss);
    assert_int_equal(err.code, SG_ERR_USAGE);
    if (!strstr(err.message, word)) fail_msg("'%s' is not in '%s'", word, err.message);
}

static void test_refusals(void **state)
{
    (void)state;
    sg_loss_options hash = {.outputs = 16, .classes = 5, .batch = 4},
                    head = {.outputs = 10, .classes = 5, .batch = 4};
    check_refused("dhsp", &hash, "there are dpsh, csq, ce");
    check_refused("ce", &head, "10 outputs for the 5 classes");
    check_refused("dpsh", &head, "8");
    sg_loss_options multi = {.outputs = 5, .classes = 5, .batch = 4, .multi = true};
    check_refused("ce", &multi, "one label an image");
    sg_loss_options unlabelled = {.outputs = 16, .batch = 4};
    check_refused("csq", &unlabelled, "needs labels");
    static const char *const wrong[][3] = {
        {"b", "1", "no option 'b'"}, {"a", "-1", "must lie in"}, {"a", "x", "a"}, {"a", "nan", "a"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        sg_kv values = SG_KV_INIT;
        assert_true(sg_kv_set(&values, wrong[i][0], wrong[i][1], NULL));
        hash.values = &values;
        check_refused("csq", &hash, wrong[i][2]);
        sg_kv_clear(&values);
    }
    size_t n;
    const char *const *names = sg_loss_names(&n);
    assert_int_equal(n, 3);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(sg_loss_head(names[i]), strcmp(names[i], "ce") ? SG_HEAD_HASH : SG_HEAD_CLASSIFIER);
}

static void test_memory(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t outputs, classes;
    } cases[] = {{"dpsh", 16, 5}, {"csq", 16, 5}, {"csq", 24, 5}, {"ce", 5, 5}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sg_loss_options options = {.outputs = cases[i].outputs, .classes = cases[i].classes, .batch = 4};
        sg_loss *loss;
        assert_survives_allocation_failures(sg_loss_new(&loss, cases[i].name, &options, &err));
        sg_loss_free(loss);
    }
}

/* ---- hash centres ---- */

static size_t distinct_columns(const float *c, size_t classes, size_t nbits, bool up_to_sign)
{
    size_t distinct = 0;
    for (size_t j = 0; j < nbits; j++) {
        bool seen = false;
        for (size_t i = 0; i < j && !seen; i++) {
            size_t equal = 0;
            for (size_t y = 0; y < classes; y++) equal += c[y * nbits + i] == c[y * nbits + j];
            seen = equal == classes || (up_to_sign && equal == 0);
        }
        distinct += !seen;
    }
    return distinct;
}

static size_t constant_columns(const float *c, size_t classes, size_t nbits)
{
    size_t constant = 0;
    for (size_t j = 0; j < nbits; j++) {
        size_t equal = 0;
        for (size_t y = 0; y < classes; y++) equal += c[y * nbits + j] == c[j];
        constant += equal == classes;
    }
    return constant;
}

static unsigned least_distance(const float *c, size_t classes, size_t nbits)
{
    unsigned least = (unsigned)nbits;
    for (size_t x = 0; x < classes; x++)
        for (size_t y = 0; y < x; y++) {
            unsigned d = 0;
            for (size_t k = 0; k < nbits; k++) d += c[x * nbits + k] != c[y * nbits + k];
            least = d < least ? d : least;
        }
    return least;
}

static void test_hadamard(void **state)
{
    (void)state;
    float *c = sg_alloc(128 * 64, sizeof *c), *again = sg_alloc(128 * 64, sizeof *c);
    for (size_t nbits = 8; nbits <= 64; nbits *= 2)
        for (size_t classes = 2; classes <= 2 * nbits; classes += classes < 20 ? 1 : 13)
            for (uint64_t seed = 0; seed < 5; seed++) {
                assert_true(sg_centres_draw(c, classes, nbits, seed, NULL));
                /* m rows show at most 2^m - 2 columns that are not constant; the rank of m rows with one pair of
                 * opposites among them allows 2^(m - 1). */
                size_t most = classes - 1 < 10 && (size_t)1 << (classes - 1) < nbits
                                  ? (size_t)1 << (classes - 1)
                                  : nbits;
                assert_int_equal(constant_columns(c, classes, nbits), 0);
                assert_int_equal(distinct_columns(c, classes, nbits, false), most);
                assert_true(least_distance(c, classes, nbits) >= nbits / 2);
                if ((size_t)1 << (classes - 2 < 10 ? classes - 2 : 10) > nbits)
                    assert_int_equal(distinct_columns(c, classes, nbits, true), nbits);
                assert_true(sg_centres_draw(again, classes, nbits, seed, NULL));
                assert_memory_equal(c, again, classes * nbits * sizeof *c);
            }
    assert_true(sg_centres_draw(again, 10, 64, 99, NULL));
    assert_true(sg_centres_draw(c, 10, 64, 98, NULL));
    assert_memory_not_equal(c, again, 10 * 64 * sizeof *c);
    sg_free(again);
    sg_free(c);
}

static void test_random_centres(void **state)
{
    (void)state;
    static const size_t sizes[][2] = {{10, 48}, {80, 24}, {100, 32}, {1, 24}, {300, 56}};
    float *c = sg_alloc(300 * 56, sizeof *c);
    for (size_t i = 0; i < 5; i++) {
        size_t classes = sizes[i][0], nbits = sizes[i][1];
        assert_true(sg_centres_draw(c, classes, nbits, 3, NULL));
        for (size_t k = 0; k < classes * nbits; k++) assert_true(fabsf(c[k]) == 1.0f);
    }
    assert_true(sg_centres_draw(c, 10, 48, 3, NULL));
    assert_true(least_distance(c, 10, 48) >=
                15); /* one draw of 45 pairs of B(48, 1/2): about 14; 20 draws: 16 */
    sg_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pytorch),  cmocka_unit_test(test_differences),
        cmocka_unit_test(test_extremes), cmocka_unit_test(test_threads),
        cmocka_unit_test(test_refusals), cmocka_unit_test(test_memory),
        cmocka_unit_test(test_hadamard), cmocka_unit_test(test_random_centres),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
