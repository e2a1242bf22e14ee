/* Gradients of the objectives against central differences of their formulas, written here once more, literally and in
 * double; scores against counting. */
#include "attacks/attack_impl.h"

#include <math.h>
#include <setjmp.h>
#include <signet/mem.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define assert_near(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))

#define MAX_OUTPUTS 64
#define NKNOWN      300

/* What one image is attacked with: all that a formula may need. */
typedef struct {
    size_t n;                  /* outputs */
    double clean[MAX_OUTPUTS]; /* clean outputs */
    double
        at[MAX_OUTPUTS]; /* where the weights w_r and masks m_k are taken: no gradient flows through them */
    double alpha;
    size_t nr;
    const uint8_t *r[NKNOWN]; /* R, an image each */
    double q[MAX_OUTPUTS];    /* classifier: target distribution */
} problem;

typedef double (*formula)(const problem *p, const double *z);

static double sign(double v)
{
    return v > 0 ? 1 : -1;
}

static double own_formula(const problem *p, const double *z)
{
    double sum = 0;
    for (size_t k = 0; k < p->n; k++) sum += tanh(p->alpha * z[k]) * sign(tanh(p->clean[k]));
    return sum;
}

static double hag_formula(const problem *p, const double *z)
{
    double m[MAX_OUTPUTS], count = 0, first = 0, second = 0;
    for (size_t k = 0; k < p->n; k++) {
        m[k] = tanh(p->alpha * p->at[k]) * sign(tanh(p->clean[k])) >= -0.5 ? 1 : 0;
        count += m[k];
    }
    for (size_t k = 0; k < p->n; k++) {
        first += m[k] * tanh(p->alpha * z[k]) * tanh(p->clean[k]);
        second += m[k] * tanh(p->alpha * z[k]);
    }
    return pow(first / count + 1, 2) + pow(second / (double)p->n, 2);
}

static double logistic(double v)
{
    return 1 / (1 + exp(-v));
}

static double sdha_formula(const problem *p, const double *z)
{
    double sum = 0;
    for (size_t i = 0; i < p->nr; i++) {
        double d = 0, differ = 0;
        for (size_t k = 0; k < p->n; k++) {
            double r = p->r[i][k / 8] >> (k % 8) & 1 ? 1 : -1, q = tanh(p->alpha * z[k]);
            differ += sign(p->at[k]) != r;
            d += 0.5 * fabs(q - r) * logistic(5 * q * r) + 1 - logistic(5 * q * r);
        }
        sum += pow(fmax(differ, 1), -0.5) * d;
    }
    return -25.0 / (double)p->n * sum / (double)p->nr;
}

static double ce_formula(const problem *p, const double *z)
{
    double total = 0, sum = 0;
    for (size_t k = 0; k < p->n; k++) total += exp(z[k]);
    for (size_t k = 0; k < p->n; k++) sum += p->q[k] * log(exp(z[k]) / total);
    return sum;
}

/* Compares dz with differences of the formula; relative to the largest entry. */
static void check_gradient(const problem *p, formula f, const double *dz)
{
    double expected[MAX_OUTPUTS], largest = 0, step = 1e-5;
    for (size_t k = 0; k < p->n; k++) {
        double z[MAX_OUTPUTS];
        memcpy(z, p->at, sizeof z);
        z[k] = p->at[k] + step;
        expected[k] = f(p, z);
        z[k] = p->at[k] - step;
        expected[k] = (expected[k] - f(p, z)) / (2 * step);
        largest = fmax(largest, fabs(expected[k]));
    }
    assert_true(largest > 0);
    for (size_t k = 0; k < p->n; k++) assert_near(dz[k] / largest, expected[k] / largest, 1e-6);
}

static void draw(double *to, float *z, size_t n, double spread, sg_rng *rng)
{
    for (size_t k = 0; k < n; k++) to[k] = z[k] = (float)(spread * sg_rng_normal(rng));
}

static void *make(const sg_objective *objective, size_t batch, size_t outputs,
                  const sg_attack_knowledge *knowledge)
{
    void *state = NULL;
    sg_objective_setup setup = {batch, outputs, knowledge};
    assert_true(objective->init(&state, &setup, NULL));
    return state;
}

static void check_hash(const sg_objective *objective, formula f)
{
    static const size_t sizes[] = {8, 16, 64};
    static const double alphas[] = {.1, .3, 1, 3};
    sg_rng rng = sg_rng_at(1, SG_RNG_TEST, 0, 0);
    for (size_t s = 0; s < 3; s++) {
        problem p = {.n = sizes[s]};
        float clean[MAX_OUTPUTS], z[MAX_OUTPUTS];
        double dz[MAX_OUTPUTS];
        void *state = make(objective, 3, p.n, NULL);
        for (size_t i = 0; i < 20; i++) {
            draw(p.clean, clean, p.n, 1, &rng);
            draw(p.at, z, p.n, 1, &rng);
            p.alpha = alphas[i % 4];
            assert_true(objective->begin(state, i % 3, &(sg_subject){clean, NULL, 0}, NULL));
            assert_true(objective->gradient(state, dz, i % 3, z, p.alpha));
            check_gradient(&p, f, dz);
        }
        objective->free(state);
    }
}

static void own_gradient(void **unused)
{
    (void)unused;
    check_hash(&sg_objective_own, own_formula);
}

static void hag_gradient(void **unused)
{
    (void)unused;
    check_hash(&sg_objective_hag, hag_formula);
}

static void hag_is_done_when_all_bits_are_over(void **unused)
{
    (void)unused;
    float clean[8] = {1, -1, 1, -1, 1, -1, 1, -1}, z[8];
    double dz[8];
    for (size_t k = 0; k < 8; k++) z[k] = -0.6f * clean[k]; /* tanh .6 = .537 */
    void *state = make(&sg_objective_hag, 1, 8, NULL);
    assert_true(sg_objective_hag.begin(state, 0, &(sg_subject){clean, NULL, 0}, NULL));
    assert_false(sg_objective_hag.gradient(state, dz, 0, z, 1));
    assert_true(sg_objective_hag.gradient(state, dz, 0, z, .5));
    sg_objective_hag.free(state);
}

/* Codes around a few centres, many of them equal, with labels. */
typedef struct {
    uint8_t *codes;
    sg_labels labels;
    sg_attack_knowledge knowledge;
} known;

static known make_known(size_t nbytes, bool multi, size_t n)
{
    known k = {.codes = sg_calloc(n, nbytes)};
    sg_rng rng = sg_rng_at(2, SG_RNG_TEST, nbytes, multi);
    assert_true(sg_labels_init(&k.labels, n, 5, multi, NULL));
    for (size_t i = 0; i < n; i++) {
        uint64_t cls = sg_rng_below(&rng, 6); /* 5: none */
        for (size_t b = 0; b < nbytes; b++) k.codes[i * nbytes + b] = (uint8_t)(37 * (cls + 1) * (b + 3));
        if (sg_rng_below(&rng, 2))
            k.codes[i * nbytes + sg_rng_below(&rng, nbytes)] ^= (uint8_t)sg_rng_u32(&rng);
        if (multi)
            for (size_t c = 0; c < 5; c++) k.labels.rows[i * 5 + c] = sg_rng_below(&rng, 4) == 0;
        else if (cls < 5)
            k.labels.ids[i] = (int32_t)cls;
    }
    k.knowledge = (sg_attack_knowledge){k.codes, NULL, n};
    return k;
}

static void known_clear(known *k)
{
    sg_free(k->codes);
    sg_labels_clear(&k->labels);
}

static void collect(problem *p, const known *k, const sg_labels *labels, size_t item)
{
    p->nr = 0;
    for (size_t i = 0; i < k->knowledge.n; i++)
        if (sg_labels_similar(labels, item, &k->labels, i)) p->r[p->nr++] = k->codes + i * p->n / 8;
}

static void check_sdha(bool multi, size_t nbits)
{
    known k = make_known(nbits / 8, multi, NKNOWN);
    k.knowledge.labels = &k.labels;
    sg_rng rng = sg_rng_at(3, SG_RNG_TEST, 0, 0);
    problem p = {.n = nbits};
    float clean[MAX_OUTPUTS], z[MAX_OUTPUTS];
    double dz[MAX_OUTPUTS];
    void *state = make(&sg_objective_sdha, 2, p.n, &k.knowledge);
    for (size_t i = 0; i < 30; i++) {
        draw(p.clean, clean, p.n, 1, &rng);
        draw(p.at, z, p.n, 1, &rng);
        p.alpha = 0.3 * (double)(i % 4 + 1);
        collect(&p, &k, &k.labels, i);
        uint8_t own[MAX_OUTPUTS / 8];
        sg_codes_pack(own, clean, 1, p.n);
        if (p.nr == 0) p.r[p.nr++] = own;
        assert_true(sg_objective_sdha.begin(state, i % 2, &(sg_subject){clean, &k.labels, i}, NULL));
        assert_true(sg_objective_sdha.gradient(state, dz, i % 2, z, p.alpha));
        check_gradient(&p, sdha_formula, dz);

        double mean = 0;
        for (size_t j = 0; j < p.nr; j++)
            for (size_t b = 0; b < p.n; b++) mean += tanh(z[b]) * (p.r[j][b / 8] >> (b % 8) & 1 ? 1 : -1);
        sg_score score = sg_objective_sdha.score(state, i % 2, z);
        assert_near(score.mean, mean / (double)p.nr, 1e-9);
    }
    sg_objective_sdha.free(state);
    known_clear(&k);
}

static void sdha_gradient(void **unused)
{
    (void)unused;
    check_sdha(false, 8);
    check_sdha(false, 64);
    check_sdha(true, 16);
}

static void sdha_without_labels_uses_the_own_code(void **unused)
{
    (void)unused;
    known k = make_known(2, false, 40);
    k.knowledge.labels = &k.labels;
    sg_rng rng = sg_rng_at(4, SG_RNG_TEST, 0, 0);
    sg_attack_knowledge nothing = {NULL, &k.labels, 0};
    const sg_attack_knowledge *all[] = {&k.knowledge, &nothing};
    sg_labels labels; /* item 0 has none, item 1 one that nobody has */
    assert_true(sg_labels_init(&labels, 2, 99, false, NULL));
    labels.ids[1] = 98;
    for (size_t i = 0; i < 6; i++) {
        problem p = {.n = 16, .alpha = 1};
        float clean[16], z[16];
        double dz[16];
        uint8_t own[2];
        draw(p.clean, clean, 16, 1, &rng);
        draw(p.at, z, 16, 1, &rng);
        sg_codes_pack(own, clean, 1, 16);
        p.r[p.nr++] = own;
        void *state = make(&sg_objective_sdha, 1, 16, all[i % 2]);
        sg_subject subject = {clean, i < 2 ? NULL : &labels, i >= 4};
        assert_true(sg_objective_sdha.begin(state, 0, &subject, NULL));
        assert_true(sg_objective_sdha.gradient(state, dz, 0, z, 1));
        check_gradient(&p, sdha_formula, dz);
        sg_objective_sdha.free(state);
    }
    sg_labels_clear(&labels);
    known_clear(&k);
}

static void sdha_refuses_labels_of_another_kind(void **unused)
{
    (void)unused;
    sg_error err;
    float clean[16] = {1};
    known k = make_known(2, false, 40);
    k.knowledge.labels = &k.labels;
    sg_labels rows;
    assert_true(sg_labels_init(&rows, 1, 5, true, NULL));
    rows.rows[2] = 1;
    void *state = make(&sg_objective_sdha, 1, 16, &k.knowledge);
    assert_false(sg_objective_sdha.begin(state, 0, &(sg_subject){clean, &rows, 0}, &err));
    assert_int_equal(err.code, SG_ERR_MISMATCH);
    sg_objective_sdha.free(state);
    sg_labels_clear(&k.labels);
    assert_true(sg_labels_init(&k.labels, 40, 7, true, NULL));
    state = make(&sg_objective_sdha, 1, 16, &k.knowledge);
    assert_false(sg_objective_sdha.begin(state, 0, &(sg_subject){clean, &rows, 0}, &err));
    assert_int_equal(err.code, SG_ERR_MISMATCH);
    sg_objective_sdha.free(state);
    sg_labels_clear(&rows);
    known_clear(&k);
}

static void ce_gradient(void **unused)
{
    (void)unused;
    sg_rng rng = sg_rng_at(5, SG_RNG_TEST, 0, 0);
    sg_labels ids, rows;
    assert_true(sg_labels_init(&ids, 20, 10, false, NULL));
    assert_true(sg_labels_init(&rows, 20, 9, true, NULL)); /* fewer than the model's: fine */
    void *state = make(&sg_objective_ce, 2, 10, NULL);
    for (size_t i = 0; i < 20; i++) {
        problem p = {.n = 10};
        float clean[10], z[10];
        double dz[10];
        draw(p.clean, clean, 10, 2, &rng);
        draw(p.at, z, 10, 2, &rng);
        const sg_labels *labels = i % 3 == 0 ? NULL : i % 3 == 1 ? &ids : &rows;
        size_t top = 0;
        for (size_t k = 1; k < 10; k++) top = clean[k] > clean[top] ? k : top;
        if (labels == &ids) ids.ids[i] = (int32_t)(top = i / 2);
        if (labels == &rows) {
            rows.rows[9 * i + 1] = rows.rows[9 * i + 4] = 1;
            p.q[1] = p.q[4] = 0.5;
        } else
            p.q[top] = 1;
        assert_true(sg_objective_ce.begin(state, i % 2, &(sg_subject){clean, labels, i}, NULL));
        assert_true(sg_objective_ce.gradient(state, dz, i % 2, z, 1));
        check_gradient(&p, ce_formula, dz);
        sg_score score = sg_objective_ce.score(state, i % 2, z);
        assert_near(score.mean, ce_formula(&p, p.at), 1e-12);
        size_t first = 0;
        for (size_t k = 1; k < 10; k++) first = z[k] > z[first] ? k : first;
        assert_int_equal(score.distance, p.q[first] == 0);
    }
    sg_objective_ce.free(state);
    sg_labels_clear(&ids);
    sg_labels_clear(&rows);
}

/* Where f32 would find probability 1 and tanh 1, the gradient is there. */
static void saturated_outputs_still_tell(void **unused)
{
    (void)unused;
    float clean[8] = {90, 1, 2, 3, 4, 5, 6, 7};
    double dz[8];
    void *state = make(&sg_objective_ce, 1, 8, NULL);
    assert_true(sg_objective_ce.begin(state, 0, &(sg_subject){clean, NULL, 0}, NULL));
    assert_true(sg_objective_ce.gradient(state, dz, 0, clean, 1));
    assert_near(dz[7] / -exp(-83), 1, 1e-9);
    double rest = 0;
    for (size_t k = 1; k < 8; k++) rest += dz[k];
    assert_near(dz[0] / -rest, 1, 1e-12);
    assert_true(sg_objective_ce.score(state, 0, clean).mean < 0);
    sg_objective_ce.free(state);

    double slope, u = sg_squash(&slope, -50, 2);
    assert_true(u == -1);
    assert_near(slope / (8 * exp(-200)), 1, 1e-12);
    u = sg_squash(&slope, 0.25, 3);
    assert_near(u, tanh(.75), 1e-15);
    assert_near(slope, 3 * (1 - tanh(.75) * tanh(.75)), 1e-14);
}

static void ce_refuses_classes_that_the_model_lacks(void **unused)
{
    (void)unused;
    sg_error err;
    float clean[4] = {0};
    sg_labels labels;
    assert_true(sg_labels_init(&labels, 1, 5, false, NULL));
    void *state = make(&sg_objective_ce, 1, 4, NULL);
    assert_false(sg_objective_ce.begin(state, 0, &(sg_subject){clean, &labels, 0}, &err));
    assert_int_equal(err.code, SG_ERR_MISMATCH);
    assert_non_null(strstr(err.message, "5 classes"));
    sg_objective_ce.free(state);
    sg_labels_clear(&labels);
}

static void hash_scores_count_bits(void **unused)
{
    (void)unused;
    float clean[8] = {1, -1, 0, 2, -3, 1e-30f, -0.0f, 4}, z[8] = {-1, -2, 1e-30f, 0, 3, -1, 0, 5};
    const sg_objective *all[] = {&sg_objective_own, &sg_objective_hag};
    double mean = 0;
    for (size_t k = 0; k < 8; k++) mean += tanh(z[k]) * (clean[k] > 0 ? 1 : -1);
    for (size_t i = 0; i < 2; i++) {
        void *state = make(all[i], 1, 8, NULL);
        assert_true(all[i]->begin(state, 0, &(sg_subject){clean, NULL, 0}, NULL));
        sg_score score = all[i]->score(state, 0, z);
        assert_int_equal(score.distance, 5); /* bits 0, 2, 3, 4, 5 */
        assert_near(score.mean, mean, 1e-12);
        all[i]->free(state);
    }
}

static void better_is_by_distance_then_mean(void **unused)
{
    (void)unused;
    assert_true(sg_score_better((sg_score){3, 9}, (sg_score){2, -9}));
    assert_false(sg_score_better((sg_score){2, -9}, (sg_score){3, 9}));
    assert_true(sg_score_better((sg_score){2, 1}, (sg_score){2, 2}));
    assert_false(sg_score_better((sg_score){2, 2}, (sg_score){2, 2}));
    assert_false(sg_score_better((sg_score){2, NAN}, (sg_score){2, 2}));
}

/* Each allocation of an objective fails in turn: an error, nothing leaked (asan sees). */
static void out_of_memory(void **unused)
{
    (void)unused;
    const sg_objective *all[] = {&sg_objective_own, &sg_objective_hag, &sg_objective_sdha, &sg_objective_ce};
    known k = make_known(2, false, 40);
    k.knowledge.labels = &k.labels;
    sg_objective_setup setup = {3, 16, &k.knowledge};
    for (size_t i = 0; i < 4; i++)
        for (uint64_t n = 1;; n++) {
            sg_error err = {0};
            void *state = NULL;
            sg_mem_fail_at(n);
            bool ok = all[i]->init(&state, &setup, &err);
            sg_mem_fail_at(0);
            assert_true(n < 100);
            if (ok) {
                assert_true(n > 1);
                all[i]->free(state);
                break;
            }
            assert_int_equal(err.code, SG_ERR_MEMORY);
            assert_null(state);
        }
    known_clear(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_gradient),
        cmocka_unit_test(hag_gradient),
        cmocka_unit_test(hag_is_done_when_all_bits_are_over),
        cmocka_unit_test(sdha_gradient),
        cmocka_unit_test(sdha_without_labels_uses_the_own_code),
        cmocka_unit_test(sdha_refuses_labels_of_another_kind),
        cmocka_unit_test(ce_gradient),
        cmocka_unit_test(saturated_outputs_still_tell),
        cmocka_unit_test(ce_refuses_classes_that_the_model_lacks),
        cmocka_unit_test(hash_scores_count_bits),
        cmocka_unit_test(better_is_by_distance_then_mean),
        cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
