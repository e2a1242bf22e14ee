/* Whole attacks against loops written here once more, one image at a time. */
#include "attacks/attacking.h"

#include "attacks/attack_impl.h"
#include <signet/plan.h>

static void reference_own(double *dz, const double *clean, const double *z, double alpha, size_t item)
{
    (void)item;
    for (size_t k = 0; k < BITS; k++) dz[k] = (clean[k] > 0 ? 1 : -1) * alpha / pow(cosh(alpha * z[k]), 2);
}

static void reference_hag(double *dz, const double *clean, const double *z, double alpha, size_t item)
{
    (void)item;
    double m[BITS], M = 0, a = 0, b = 0;
    for (size_t k = 0; k < BITS; k++) {
        double s = clean[k] > 0 ? 1 : -1, u = tanh(alpha * z[k]);
        m[k] = u * s >= -.5;
        M += m[k];
        a += m[k] * u * tanh(clean[k]);
        b += m[k] * u / BITS;
    }
    for (size_t k = 0; k < BITS; k++)
        dz[k] =
            m[k] * (2 * (a / M + 1) * tanh(clean[k]) / M + 2 * b / BITS) * alpha / pow(cosh(alpha * z[k]), 2);
}

static void reference_sdha(double *dz, const double *clean, const double *z, double alpha, size_t item)
{
    uint8_t own[NBYTES] = {0};
    size_t n = 0;
    const uint8_t *r[KNOWN] = {own};
    for (size_t k = 0; k < BITS; k++) own[k / 8] |= (uint8_t)((clean[k] > 0) << (k % 8));
    for (size_t i = 0; i < KNOWN; i++)
        if (shared.labels.ids[item] == shared.known_labels.ids[i]) r[n++] = shared.known_codes + i * NBYTES;
    n = n == 0 ? 1 : n;
    memset(dz, 0, BITS * sizeof *dz);
    for (size_t i = 0; i < n; i++) {
        double differ = 0, part[BITS];
        for (size_t k = 0; k < BITS; k++) {
            double rk = r[i][k / 8] >> (k % 8) & 1 ? 1 : -1, q = tanh(alpha * z[k]);
            double g = 1 / (1 + exp(-5 * q * rk)), dg = 5 * rk * g * (1 - g);
            differ += (z[k] > 0 ? 1 : -1) != rk;
            part[k] = .5 * ((q > rk ? 1 : -1) * g + fabs(q - rk) * dg) - dg;
        }
        for (size_t k = 0; k < BITS; k++)
            dz[k] -= 25.0 / BITS / (double)n / sqrt(fmax(differ, 1)) * part[k] * alpha /
                     pow(cosh(alpha * z[k]), 2);
    }
}

typedef void (*reference)(double *dz, const double *clean, const double *z, double alpha, size_t item);

/* One image, one at a time: sign steps on the grid; best by distance, then by mean, with c of the plain mean. */
static int reference_run(uint8_t *best, size_t item, reference descend, const double *c, bool random,
                         const sg_attack_options *o)
{
    sg_plan *plan;
    sg_encoder *encoder;
    sg_plan_options plan_options = {.purpose = SG_ATTACK, .batch = 1};
    assert_true(sg_plan_new(&plan, shared.hash->net, &plan_options, NULL));
    sg_plan_load(plan, shared.hash->params, o->gradient == SG_GRADIENT_RULE ? &shared.hash->feedback : NULL,
                 0);
    const uint8_t *x0 = shared.pixels + item * PIXELS;
    int e = (int)lround(o->eps * 255), eta = (5 * e + 2 * o->iterations - 1) / (2 * o->iterations),
        best_step = 0;
    float zf[BITS], dzf[BITS], x[PIXELS], dx[PIXELS];
    double clean[BITS], z[BITS], dz[BITS], best_mean = 0;
    int now[PIXELS], best_distance = -1;
    assert_true(sg_encoder_new(&encoder, shared.hash, 1, NULL));
    assert_true(sg_encoder_outputs(encoder, zf, x0, 1, NULL));
    sg_encoder_free(encoder);
    for (size_t k = 0; k < BITS; k++) clean[k] = zf[k];
    sg_rng rng = sg_rng_at(o->seed, SG_RNG_ATTACK, shared.keys[item], 0);
    for (size_t i = 0; i < PIXELS; i++) {
        int offset = random ? (int)sg_rng_below(&rng, 2 * (uint64_t)e + 1) - e : 0;
        now[i] = (int)fmin(fmax(x0[i] + offset, 0), 255);
    }
    for (int t = 0; t <= o->iterations; t++) {
        static const double schedule[] = {.1, .1, .1, .1, .1, .2, .3, .5, .7, 1};
        for (size_t i = 0; i < PIXELS; i++) x[i] = (float)now[i] / 255;
        sg_plan_forward(plan, x, zf);
        int distance = 0;
        double mean = 0;
        for (size_t k = 0; k < BITS; k++) {
            z[k] = zf[k];
            distance += (z[k] > 0) != (clean[k] > 0);
            mean += tanh(z[k]) * (c ? c[k] : clean[k] > 0 ? 1 : -1);
        }
        if (distance > best_distance || (distance == best_distance && mean < best_mean)) {
            best_distance = distance;
            best_mean = mean;
            best_step = t;
            for (size_t i = 0; i < PIXELS; i++) best[i] = (uint8_t)now[i];
        }
        if (t == o->iterations) break;
        descend(dz, clean, z, schedule[10 * t / o->iterations], item);
        for (size_t k = 0; k < BITS; k++) dzf[k] = (float)dz[k];
        sg_plan_backward(plan, dzf, NULL, dx);
        for (size_t i = 0; i < PIXELS; i++) {
            int v = dx[i] > 0 ? now[i] - eta : dx[i] < 0 ? now[i] + eta : now[i];
            now[i] = (int)fmin(fmax(v, fmax(x0[i] - e, 0)), fmin(x0[i] + e, 255));
        }
    }
    sg_plan_free(plan);
    return best_step;
}

static void check_against_reference(const char *name, reference descend, bool random, double eps,
                                    int iterations)
{
    uint8_t images[IMAGES * PIXELS], expected[PIXELS];
    sg_attack_result results[IMAGES];
    for (int gradient = 0; gradient < 2; gradient++) {
        sg_attack_options o = options_of(name, eps, iterations);
        o.gradient = gradient ? SG_GRADIENT_RULE : SG_GRADIENT_EXACT;
        run(images, results, shared.hash, &o, 4, &shared.input);
        for (size_t i = 0; i < IMAGES; i++) {
            double c[BITS];
            size_t n = 0;
            memset(c, 0, sizeof c);
            for (size_t j = 0; j < KNOWN; j++)
                if (shared.known_labels.ids[j] == shared.labels.ids[i]) {
                    n++;
                    for (size_t k = 0; k < BITS; k++)
                        c[k] += shared.known_codes[j * NBYTES + k / 8] >> (k % 8) & 1 ? 1 : -1;
                }
            bool sums = descend == reference_sdha && n > 0;
            assert_int_equal(reference_run(expected, i, descend, sums ? c : NULL, random, &o),
                             results[i].best_step);
            assert_memory_equal(images + i * PIXELS, expected, PIXELS);
            assert_false(results[i].zero_gradient);
        }
    }
}

static void hag_is_its_formula(void **unused)
{
    (void)unused;
    check_against_reference("hag", reference_hag, false, 8 / 255.0, 20);
    check_against_reference("hag", reference_hag, false, 30 / 255.0, 10); /* bits go over */
}

/* brsf draws anew each training step; an attack holds one draw. */
static void one_draw_of_brsf_serves_the_attack(void **unused)
{
    (void)unused;
    sg_feedback usf = shared.hash->feedback;
    assert_true(sg_feedback_init(&shared.hash->feedback, "brsf", NULL, 9, shared.hash->params, NULL));
    check_against_reference("hag", reference_hag, false, 8 / 255.0, 10);
    sg_feedback_clear(&shared.hash->feedback);
    shared.hash->feedback = usf;
}

static void sdha_is_its_formula(void **unused)
{
    (void)unused;
    check_against_reference("sdha", reference_sdha, false, 8 / 255.0, 20);
}

static void fgsm_and_pgd_are_theirs(void **unused)
{
    (void)unused;
    check_against_reference("fgsm", reference_own, false, 4 / 255.0, 1);
    check_against_reference("pgd", reference_own, true, 8 / 255.0, 12);
}

static void noise_is_the_best_of_its_images(void **unused)
{
    (void)unused;
    uint8_t images[IMAGES * PIXELS], drawn[PIXELS];
    sg_attack_result results[IMAGES];
    sg_attack_options o = options_of("noise", 16 / 255.0, 9);
    sg_encoder *encoder;
    assert_true(sg_encoder_new(&encoder, shared.hash, 1, NULL));
    run(images, results, shared.hash, &o, 4, &shared.input);
    for (size_t i = 0; i < IMAGES; i++) {
        float clean[BITS], z[BITS];
        const uint8_t *x0 = shared.pixels + i * PIXELS;
        unsigned most = 0;
        assert_true(sg_encoder_outputs(encoder, clean, x0, 1, NULL));
        for (int t = 1; t <= o.iterations; t++) {
            unsigned distance = 0;
            sg_ball ball = {.center = x0, .size = PIXELS, .eps = 16, .seed = o.seed, .key = shared.keys[i]};
            sg_attack_noise.move(drawn, NULL, &ball, t);
            assert_true(sg_encoder_outputs(encoder, z, drawn, 1, NULL));
            for (size_t k = 0; k < BITS; k++) distance += (z[k] > 0) != (clean[k] > 0);
            most = distance > most ? distance : most;
            if (t == results[i].best_step) assert_memory_equal(drawn, images + i * PIXELS, PIXELS);
        }
        assert_int_equal(results[i].hamming, most);
    }
    sg_encoder_free(encoder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hag_is_its_formula),
        cmocka_unit_test(one_draw_of_brsf_serves_the_attack),
        cmocka_unit_test(sdha_is_its_formula),
        cmocka_unit_test(fgsm_and_pgd_are_theirs),
        cmocka_unit_test(noise_is_the_best_of_its_images),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
