/* Whole attacks on small nets with random weights: against loops written here once more, one image at a time; what
 * must not change an image (batch, order, threads, feedback's scale), bounds, errors. */
#include "attacks/attack_impl.h"

#include <math.h>
#include <setjmp.h>
#include <signet/cpu.h>
#include <signet/interrupt.h>
#include <signet/mem.h>
#include <signet/plan.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { SIDE = 16, PIXELS = SIDE * SIDE, BITS = 16, NBYTES = BITS / 8, CLASSES = 10, IMAGES = 7, KNOWN = 60 };

/* What all tests share; made once. */
static struct {
    sg_model *hash, *classifier;
    uint8_t pixels[IMAGES * PIXELS];
    uint64_t keys[IMAGES];
    sg_labels labels, known_labels;
    uint8_t known_codes[KNOWN * NBYTES];
    sg_attack_knowledge knowledge;
    sg_attack_input input; /* with labels */
} shared;

/* He weights, usf feedback; each output of the n pictures of `pixels` brought to mean 0, all to a root mean square of
 * 1, so that codes differ from picture to picture. */
static sg_model *make_model(const sg_net_spec *spec, const uint8_t *pixels, size_t n)
{
    sg_model *model;
    sg_encoder *encoder;
    size_t outputs = (size_t)spec->outputs;
    assert_true(sg_model_new(&model, spec, NULL, NULL));
    assert_true(sg_params_init(model->params, "he", 11, NULL));
    float *z = sg_alloc(n * outputs, sizeof *z), *mean = sg_calloc(outputs, sizeof *mean), square = 0;
    assert_true(sg_encoder_new(&encoder, model, n, NULL));
    assert_true(sg_encoder_outputs(encoder, z, pixels, n, NULL));
    sg_encoder_free(encoder);
    for (size_t i = 0; i < n * outputs; i++) mean[i % outputs] += z[i] / (float)n;
    for (size_t i = 0; i < n * outputs; i++)
        square += powf(z[i] - mean[i % outputs], 2) / (float)(n * outputs);
    for (size_t i = 0; i < model->params->ntensors; i++) {
        const sg_tensor *t = &model->params->tensors[i];
        float *values = model->params->block + t->offset;
        for (size_t k = 0; t->head && k < t->size; k++)
            values[k] = (t->role == SG_TENSOR_WEIGHT ? values[k] : -mean[k]) / sqrtf(square);
    }
    sg_free(z);
    sg_free(mean);
    sg_feedback_clear(&model->feedback);
    assert_true(sg_feedback_init(&model->feedback, "usf", NULL, 3, model->params, NULL));
    return model;
}

static sg_model *make_resnet(sg_head head, int64_t outputs)
{
    sg_net_spec spec = {.arch = "resnet20",
                        .channels = 1,
                        .height = SIDE,
                        .width = SIDE,
                        .head = head,
                        .outputs = outputs,
                        .mean = {.5f},
                        .std = {.25f}};
    return make_model(&spec, shared.pixels, IMAGES);
}

/* Blobs and stripes, with black and white. */
static void draw_images(void)
{
    sg_rng rng = sg_rng_at(6, SG_RNG_TEST, 0, 0);
    for (size_t i = 0; i < IMAGES; i++) {
        double cx = SIDE * sg_rng_uniform(&rng), cy = SIDE * sg_rng_uniform(&rng),
               f = 2 * sg_rng_uniform(&rng);
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++) {
                double v = 300 * exp(-(pow(x - cx, 2) + pow(y - cy, 2)) / 30) + 60 * sin(f * x) - 20;
                shared.pixels[i * PIXELS + (size_t)(y * SIDE + x)] = (uint8_t)fmin(fmax(v, 0), 255);
            }
        shared.keys[i] = 1000 + 17 * i;
    }
}

static int setup(void **unused)
{
    (void)unused;
    sg_rng rng = sg_rng_at(7, SG_RNG_TEST, 0, 0);
    sg_threads_set(1);
    draw_images();
    shared.hash = make_resnet(SG_HEAD_HASH, BITS);
    shared.classifier = make_resnet(SG_HEAD_CLASSIFIER, CLASSES);
    assert_true(sg_labels_init(&shared.labels, IMAGES, CLASSES, false, NULL));
    assert_true(sg_labels_init(&shared.known_labels, KNOWN, CLASSES, false, NULL));
    for (size_t i = 0; i < IMAGES; i++) shared.labels.ids[i] = i == 2 ? -1 : (int32_t)(i % 3);
    for (size_t i = 0; i < KNOWN; i++) {
        shared.known_labels.ids[i] = (int32_t)(i % 2); /* nobody has class 2 */
        for (size_t b = 0; b < NBYTES; b++)
            shared.known_codes[i * NBYTES + b] = (uint8_t)sg_rng_below(&rng, 4);
    }
    shared.knowledge = (sg_attack_knowledge){shared.known_codes, &shared.known_labels, KNOWN};
    shared.input = (sg_attack_input){shared.pixels, shared.keys, &shared.labels, IMAGES};
    return 0;
}

static int teardown(void **unused)
{
    (void)unused;
    sg_model_free(shared.hash);
    sg_model_free(shared.classifier);
    sg_labels_clear(&shared.labels);
    sg_labels_clear(&shared.known_labels);
    return 0;
}

static sg_attack_options options_of(const char *name, double eps, int iterations)
{
    sg_attack_options options;
    assert_true(sg_attack_defaults(&options, name, NULL));
    options.eps = eps;
    options.iterations = iterations;
    options.seed = 5;
    return options;
}

static void run(uint8_t *images, sg_attack_result *results, const sg_model *model,
                const sg_attack_options *options, size_t batch, const sg_attack_input *input)
{
    sg_attacker *attacker;
    sg_error err = {0};
    bool ok = sg_attacker_new(&attacker, model, options, &shared.knowledge, batch, &err) &&
              sg_attacker_run(attacker, images, results, input, NULL, &err);
    if (!ok) fail_msg("%s", err.message);
    sg_attacker_free(attacker);
}

static bool same_result(const sg_attack_result *a, const sg_attack_result *b)
{
    return a->linf == b->linf && a->l2 == b->l2 && a->psnr == b->psnr && a->hamming == b->hamming &&
           a->clean_class == b->clean_class && a->adversarial_class == b->adversarial_class &&
           a->best_step == b->best_step && a->zero_gradient == b->zero_gradient;
}

/* ---- Against loops written once more ---- */

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

/* ---- What must not change an image ---- */

static const struct {
    const char *name;
    bool classifier;
} cases[] = {{"hag", false},   {"sdha", false}, {"fgsm", false}, {"pgd", false},
             {"noise", false}, {"fgsm", true},  {"pgd", true},   {"noise", true}};
#define NCASES (sizeof cases / sizeof *cases)

static const sg_model *model_of(size_t c)
{
    return cases[c].classifier ? shared.classifier : shared.hash;
}

static void batch_order_and_threads_change_nothing(void **unused)
{
    (void)unused;
    static const size_t order[IMAGES] = {4, 0, 6, 2, 5, 1, 3}, batches[] = {1, 3, IMAGES, 16};
    uint8_t images[IMAGES * PIXELS], other[IMAGES * PIXELS], pixels[IMAGES * PIXELS];
    sg_attack_result results[IMAGES], other_results[IMAGES];
    uint64_t keys[IMAGES];
    sg_labels labels;
    uint32_t items[IMAGES];
    for (size_t i = 0; i < IMAGES; i++) {
        memcpy(pixels + i * PIXELS, shared.pixels + order[i] * PIXELS, PIXELS);
        keys[i] = shared.keys[order[i]];
        items[i] = (uint32_t)order[i];
    }
    assert_true(sg_labels_pick(&labels, &shared.labels, items, IMAGES, NULL));
    sg_attack_input permuted = {pixels, keys, &labels, IMAGES};
    for (size_t c = 0; c < NCASES; c++) {
        sg_attack_options o = options_of(cases[c].name, 8 / 255.0, 4);
        o.gradient = c % 2 ? SG_GRADIENT_RULE : SG_GRADIENT_EXACT;
        run(images, results, model_of(c), &o, 4, &shared.input);
        for (size_t b = 0; b < 4; b++) {
            sg_threads_set(batches[b] == IMAGES ? 2 : 1);
            run(other, other_results, model_of(c), &o, batches[b], &permuted);
            for (size_t i = 0; i < IMAGES; i++) {
                assert_memory_equal(other + i * PIXELS, images + order[i] * PIXELS, PIXELS);
                assert_true(same_result(&other_results[i], &results[order[i]]));
            }
        }
        sg_threads_set(1);
    }
    sg_labels_clear(&labels);
}

/* Powers of two are exact and only signs of the gradient count, so in a net without branches the scale of one layer's
 * B must not. */
static void feedback_scale_changes_nothing(void **unused)
{
    (void)unused;
    enum { COLOUR = 3 * 32 * 32, N = 2 };
    static const char *const names[] = {"hag", "pgd"};
    static uint8_t pixels[N * COLOUR], images[N * COLOUR], other[N * COLOUR];
    sg_attack_result results[N];
    sg_attack_input input = {pixels, shared.keys, &shared.labels, N};
    for (size_t i = 0; i < N * COLOUR; i++) pixels[i] = shared.pixels[i % (IMAGES * PIXELS)];
    sg_net_spec spec = {.arch = "lenet-cifar",
                        .channels = 3,
                        .height = 32,
                        .width = 32,
                        .head = SG_HEAD_HASH,
                        .outputs = BITS,
                        .mean = {.5f, .5f, .5f},
                        .std = {.25f, .25f, .25f}};
    sg_model *model = make_model(&spec, pixels, N);
    for (size_t a = 0; a < 2; a++) {
        sg_attack_options o = options_of(names[a], 8 / 255.0, 4);
        o.gradient = SG_GRADIENT_RULE;
        run(images, results, model, &o, N, &input);
        for (size_t i = 0; i < 2 * model->feedback.nscales; i++) {
            float *s = &model->feedback.scales[i / 2], kept = *s;
            *s = ldexpf(kept, i % 2 ? -7 : 7);
            run(other, results, model, &o, N, &input);
            *s = kept;
            assert_memory_equal(images, other, sizeof images);
        }
        o.gradient = SG_GRADIENT_EXACT;
        run(other, results, model, &o, N, &input);
        assert_memory_not_equal(images, other, sizeof images);
    }
    sg_model_free(model);
}

/* ---- Bounds ---- */

static void images_stay_in_the_ball(void **unused)
{
    (void)unused;
    static const struct {
        double eps;
        int radius;
    } balls[] = {{1 / 255.0, 1}, {0.032, 8}, {64 / 255.0, 64}, {1, 255}};
    uint8_t images[IMAGES * PIXELS];
    sg_attack_result results[IMAGES];
    for (size_t c = 0; c < NCASES; c++)
        for (size_t b = 0; b < 4; b++) {
            sg_attack_options o = options_of(cases[c].name, balls[b].eps, 3);
            int most = 0;
            run(images, results, model_of(c), &o, IMAGES, &shared.input);
            for (size_t i = 0; i < IMAGES; i++) {
                int largest = 0;
                for (size_t j = i * PIXELS; j < (i + 1) * PIXELS; j++)
                    largest = (int)fmax(largest, abs(images[j] - shared.pixels[j]));
                assert_true(largest <= balls[b].radius);
                assert_true(results[i].linf == largest / 255.0);
                most = largest > most ? largest : most;
            }
            assert_true(most > balls[b].radius / 2);
        }
}

static void no_eps_gives_the_images_back(void **unused)
{
    (void)unused;
    uint8_t images[IMAGES * PIXELS];
    sg_attack_result results[IMAGES];
    for (size_t c = 0; c < NCASES; c++)
        for (int small = 0; small < 2; small++) {
            sg_attack_options o = options_of(cases[c].name, small ? 0.9 / 255 : 0, 5);
            run(images, results, model_of(c), &o, 3, &shared.input);
            assert_memory_equal(images, shared.pixels, sizeof images);
            for (size_t i = 0; i < IMAGES; i++) {
                assert_true(results[i].hamming == 0 && results[i].linf == 0 && results[i].l2 == 0);
                assert_true(isinf(results[i].psnr) && results[i].best_step == 0 && !results[i].zero_gradient);
                assert_int_equal(results[i].clean_class, results[i].adversarial_class);
            }
        }
}

/* With alpha fixed and a step of 1 either way, the longer run begins with the shorter one. */
static void a_longer_run_is_no_worse(void **unused)
{
    (void)unused;
    uint8_t images[IMAGES * PIXELS];
    sg_attack_result shorter[IMAGES], longer[IMAGES];
    sg_attack_options o = options_of("hag", 8 / 255.0, 20);
    o.alpha = 1;
    run(images, shorter, shared.hash, &o, IMAGES, &shared.input);
    o.iterations = 50;
    run(images, longer, shared.hash, &o, IMAGES, &shared.input);
    for (size_t i = 0; i < IMAGES; i++) {
        assert_true(longer[i].hamming >= shorter[i].hamming);
        assert_true(longer[i].best_step == shorter[i].best_step || longer[i].best_step > 20);
    }
}

/* ---- What is reported ---- */

static void results_are_of_the_image_encoded_again(void **unused)
{
    (void)unused;
    uint8_t images[IMAGES * PIXELS], clean[IMAGES * NBYTES], codes[IMAGES * NBYTES];
    float z[2 * IMAGES * CLASSES];
    sg_attack_result results[IMAGES];
    sg_encoder *encoder;
    sg_attack_options o = options_of("hag", 8 / 255.0, 10);
    run(images, results, shared.hash, &o, 4, &shared.input);
    assert_true(sg_encoder_new(&encoder, shared.hash, 2, NULL));
    assert_true(sg_encoder_codes(encoder, clean, shared.pixels, IMAGES, NULL));
    assert_true(sg_encoder_codes(encoder, codes, images, IMAGES, NULL));
    sg_encoder_free(encoder);
    unsigned sum = 0;
    for (size_t i = 0; i < IMAGES; i++) {
        assert_int_equal(results[i].hamming, sg_hamming(clean + i * NBYTES, codes + i * NBYTES, NBYTES));
        assert_true(results[i].clean_class == -1 && results[i].adversarial_class == -1);
        sum += results[i].hamming;
    }
    assert_true(sum >= 3 * IMAGES); /* the attack works */

    o = options_of("pgd", 8 / 255.0, 10);
    run(images, results, shared.classifier, &o, 4, &shared.input);
    assert_true(sg_encoder_new(&encoder, shared.classifier, 2, NULL));
    assert_true(sg_encoder_outputs(encoder, z, shared.pixels, IMAGES, NULL));
    assert_true(sg_encoder_outputs(encoder, z + IMAGES * CLASSES, images, IMAGES, NULL));
    sg_encoder_free(encoder);
    for (size_t i = 0; i < 2 * IMAGES; i++) {
        int top = 0, said = i < IMAGES ? results[i].clean_class : results[i - IMAGES].adversarial_class;
        for (int k = 1; k < CLASSES; k++)
            top = z[i * CLASSES + (size_t)k] > z[i * CLASSES + (size_t)top] ? k : top;
        assert_int_equal(said, top);
    }
}

static void unlabelled_images_lose_their_own_class(void **unused)
{
    (void)unused;
    uint8_t images[IMAGES * PIXELS], labelled[IMAGES * PIXELS];
    sg_attack_result results[IMAGES];
    sg_attack_options o = options_of("pgd", 8 / 255.0, 20);
    sg_attack_input input = shared.input;
    sg_labels own;
    input.labels = NULL;
    run(images, results, shared.classifier, &o, IMAGES, &input);
    assert_true(sg_labels_init(&own, IMAGES, CLASSES, false, NULL));
    for (size_t i = 0; i < IMAGES; i++) {
        assert_int_not_equal(results[i].clean_class, results[i].adversarial_class);
        own.ids[i] = results[i].clean_class;
    }
    input.labels = &own;
    run(labelled, results, shared.classifier, &o, IMAGES, &input);
    assert_memory_equal(images, labelled, sizeof images);
    sg_labels_clear(&own);
}

static void sdha_without_labels_or_codes_is_of_the_own_code(void **unused)
{
    (void)unused;
    uint8_t images[IMAGES * PIXELS], other[IMAGES * PIXELS];
    sg_attack_result results[IMAGES];
    sg_attack_options o = options_of("sdha", 8 / 255.0, 6);
    sg_attack_input input = shared.input;
    input.labels = NULL;
    run(images, results, shared.hash, &o, IMAGES, &input);
    sg_attack_knowledge kept = shared.knowledge;
    shared.knowledge = (sg_attack_knowledge){NULL, &shared.known_labels, 0};
    run(other, results, shared.hash, &o, IMAGES, &shared.input);
    shared.knowledge = kept;
    assert_memory_equal(images, other, sizeof images);
    run(other, results, shared.hash, &o, IMAGES, &shared.input);
    assert_memory_not_equal(images, other, sizeof images);
}

static void dead_gradients_are_reported(void **unused)
{
    (void)unused;
    uint8_t images[IMAGES * PIXELS];
    sg_attack_result results[IMAGES];
    sg_attack_options o = options_of("hag", 8 / 255.0, 3);
    sg_model *model = make_resnet(SG_HEAD_HASH, BITS);
    const sg_tensor *t = &model->params->tensors[0];
    memset(model->params->block + t->offset, 0, t->size * sizeof(float));
    run(images, results, model, &o, 4, &shared.input);
    for (size_t i = 0; i < IMAGES; i++) assert_true(results[i].zero_gradient && results[i].hamming == 0);
    assert_memory_equal(images, shared.pixels, sizeof images);
    sg_model_free(model);
}

static void progress_counts_image_steps(void **unused)
{
    (void)unused;
    uint8_t images[IMAGES * PIXELS];
    sg_attack_result results[IMAGES];
    for (size_t c = 0; c < NCASES; c++)
        for (int e = 0; e < 2; e++) {
            sg_attacker *attacker;
            sg_progress progress;
            sg_attack_options o = options_of(cases[c].name, 4 * e / 255.0, 5);
            sg_progress_init(&progress, NULL, "attack", "steps", 5 * IMAGES);
            assert_true(sg_attacker_new(&attacker, model_of(c), &o, &shared.knowledge, 4, NULL));
            uint64_t allocations = sg_mem_count();
            assert_true(sg_attacker_run(attacker, images, results, &shared.input, &progress, NULL));
            assert_true(sg_mem_count() == allocations); /* a run takes no memory */
            assert_int_equal(progress.done, 5 * IMAGES);
            sg_attacker_free(attacker);
        }
}

/* ---- Errors ---- */

static void refuse(const sg_model *model, const sg_attack_options *o, const sg_attack_knowledge *knowledge,
                   const char *word)
{
    sg_attacker *attacker;
    sg_error err = {0};
    assert_false(sg_attacker_new(&attacker, model, o, knowledge, 2, &err));
    assert_null(attacker);
    assert_int_equal(err.code, SG_ERR_USAGE);
    if (strstr(err.message, word) == NULL) fail_msg("\"%s\" does not say \"%s\"", err.message, word);
}

static void bad_options_are_refused(void **unused)
{
    (void)unused;
    sg_attack_options o = options_of("hag", 8 / 255.0, 5);
    refuse(shared.classifier, &o, NULL, "attack hag is for hash models");
    o.name = "nothing";
    refuse(shared.hash, &o, NULL, "unknown attack 'nothing'");
    static const double bad_eps[] = {-0.1, 1.5, NAN};
    for (size_t i = 0; i < 3; i++) {
        o = options_of("hag", bad_eps[i], 5);
        refuse(shared.hash, &o, NULL, "eps");
    }
    o = options_of("hag", 0.1, 0);
    refuse(shared.hash, &o, NULL, "iterations");
    o = options_of("hag", 0.1, 5);
    o.alpha = -1;
    refuse(shared.hash, &o, NULL, "alpha");
    o.alpha = INFINITY;
    refuse(shared.hash, &o, NULL, "alpha");
    o = options_of("sdha", 0.1, 5);
    refuse(shared.hash, &o, NULL, "attack sdha needs codes and labels");
}

static void labels_that_do_not_fit_are_refused(void **unused)
{
    (void)unused;
    uint8_t images[IMAGES * PIXELS];
    sg_attack_result results[IMAGES];
    sg_attacker *attacker;
    sg_error err;
    sg_labels few, many;
    sg_attack_options o = options_of("pgd", 0.1, 2);
    sg_attack_input input = shared.input;
    assert_true(sg_labels_init(&few, IMAGES - 1, CLASSES, false, NULL));
    assert_true(sg_labels_init(&many, IMAGES, CLASSES + 1, false, NULL));
    assert_true(sg_attacker_new(&attacker, shared.classifier, &o, NULL, 2, NULL));
    input.labels = &few;
    assert_false(sg_attacker_run(attacker, images, results, &input, NULL, &err));
    assert_int_equal(err.code, SG_ERR_MISMATCH);
    input.labels = &many;
    assert_false(sg_attacker_run(attacker, images, results, &input, NULL, &err));
    assert_int_equal(err.code, SG_ERR_MISMATCH);
    sg_attacker_free(attacker);
    sg_labels_clear(&few);
    sg_labels_clear(&many);
}

static void an_interrupt_ends_the_run(void **unused)
{
    (void)unused;
    uint8_t images[IMAGES * PIXELS];
    sg_attack_result results[IMAGES];
    sg_attacker *attacker;
    sg_error err;
    sg_attack_options o = options_of("hag", 0.1, 1000000);
    assert_true(sg_attacker_new(&attacker, shared.hash, &o, NULL, 4, NULL));
    sg_interrupt_set(true);
    bool ok = sg_attacker_run(attacker, images, results, &shared.input, NULL, &err);
    sg_interrupt_set(false);
    assert_false(ok);
    assert_int_equal(err.code, SG_ERR_INTERRUPTED);
    sg_attacker_free(attacker);
}

static void out_of_memory(void **unused)
{
    (void)unused;
    sg_attack_options o = options_of("sdha", 0.1, 5);
    for (uint64_t n = 1;; n++) {
        sg_attacker *attacker;
        sg_error err = {0};
        sg_mem_fail_at(n);
        bool ok = sg_attacker_new(&attacker, shared.hash, &o, &shared.knowledge, 3, &err);
        sg_mem_fail_at(0);
        sg_attacker_free(attacker);
        if (ok) break;
        assert_null(attacker);
        assert_int_equal(err.code, SG_ERR_MEMORY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hag_is_its_formula),
        cmocka_unit_test(one_draw_of_brsf_serves_the_attack),
        cmocka_unit_test(sdha_is_its_formula),
        cmocka_unit_test(fgsm_and_pgd_are_theirs),
        cmocka_unit_test(noise_is_the_best_of_its_images),
        cmocka_unit_test(batch_order_and_threads_change_nothing),
        cmocka_unit_test(feedback_scale_changes_nothing),
        cmocka_unit_test(images_stay_in_the_ball),
        cmocka_unit_test(no_eps_gives_the_images_back),
        cmocka_unit_test(a_longer_run_is_no_worse),
        cmocka_unit_test(results_are_of_the_image_encoded_again),
        cmocka_unit_test(unlabelled_images_lose_their_own_class),
        cmocka_unit_test(sdha_without_labels_or_codes_is_of_the_own_code),
        cmocka_unit_test(dead_gradients_are_reported),
        cmocka_unit_test(progress_counts_image_steps),
        cmocka_unit_test(bad_options_are_refused),
        cmocka_unit_test(labels_that_do_not_fit_are_refused),
        cmocka_unit_test(an_interrupt_ends_the_run),
        cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
