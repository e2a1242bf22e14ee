/* Whole attacks: what must not change an image (batch, order, threads, feedback's scale), bounds, errors. */
#include "attacks/attacking.h"

#include <signet/codes.h>
#include <signet/interrupt.h>

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
