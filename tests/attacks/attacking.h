/* For tests of whole attacks: small nets with random weights, images, what an attacker knows. */
#ifndef SIGNET_TESTS_ATTACKING_H
#define SIGNET_TESTS_ATTACKING_H

#include <math.h>
#include <setjmp.h>
#include <signet/attack.h>
#include <signet/cpu.h>
#include <signet/mem.h>
#include <signet/random.h>
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
static inline sg_model *make_model(const sg_net_spec *spec, const uint8_t *pixels, size_t n)
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

static inline sg_model *make_resnet(sg_head head, int64_t outputs)
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
static inline void draw_images(void)
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

static inline int setup(void **unused)
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

static inline int teardown(void **unused)
{
    (void)unused;
    sg_model_free(shared.hash);
    sg_model_free(shared.classifier);
    sg_labels_clear(&shared.labels);
    sg_labels_clear(&shared.known_labels);
    return 0;
}

static inline sg_attack_options options_of(const char *name, double eps, int iterations)
{
    sg_attack_options options;
    assert_true(sg_attack_defaults(&options, name, NULL));
    options.eps = eps;
    options.iterations = iterations;
    options.seed = 5;
    return options;
}

static inline void run(uint8_t *images, sg_attack_result *results, const sg_model *model,
                       const sg_attack_options *options, size_t batch, const sg_attack_input *input)
{
    sg_attacker *attacker;
    sg_error err = {0};
    bool ok = sg_attacker_new(&attacker, model, options, &shared.knowledge, batch, &err) &&
              sg_attacker_run(attacker, images, results, input, NULL, &err);
    if (!ok) fail_msg("%s", err.message);
    sg_attacker_free(attacker);
}

static inline bool same_result(const sg_attack_result *a, const sg_attack_result *b)
{
    return a->linf == b->linf && a->l2 == b->l2 && a->psnr == b->psnr && a->hamming == b->hamming &&
           a->clean_class == b->clean_class && a->adversarial_class == b->adversarial_class &&
           a->best_step == b->best_step && a->zero_gradient == b->zero_gradient;
}

#endif
