/* A classifier trained here, in a second, to tell four directions of faint stripes: noise leaves its accuracy, FGSM
 * takes some of it, PGD nearly all. */
#include <math.h>
#include <setjmp.h>
#include <signet/attack.h>
#include <signet/cpu.h>
#include <signet/loss.h>
#include <signet/mem.h>
#include <signet/optim.h>
#include <signet/plan.h>
#include <signet/random.h>
#include <stdarg.h>

#include <cmocka.h>

enum { SIDE = 16, PIXELS = SIDE * SIDE, CLASSES = 4, BATCH = 16, STEPS = 40, IMAGES = 32 };

static void draw(uint8_t *pixels, int32_t *ids, size_t n, uint64_t seed)
{
    sg_rng rng = sg_rng_at(seed, SG_RNG_TEST, 0, 0);
    for (size_t i = 0; i < n; i++) {
        ids[i] = (int32_t)sg_rng_below(&rng, CLASSES);
        double angle = M_PI * ids[i] / CLASSES, phase = 2 * M_PI * sg_rng_uniform(&rng);
        for (int p = 0; p < PIXELS; p++) {
            double along = p % SIDE * cos(angle) + p / SIDE * sin(angle);
            double v = 128 + 16 * sin(1.3 * along + phase) + 8 * sg_rng_normal(&rng);
            pixels[i * PIXELS + (size_t)p] = (uint8_t)fmin(fmax(v, 0), 255);
        }
    }
}

static sg_model *train(void)
{
    sg_model *model;
    sg_plan *plan;
    sg_loss *loss;
    sg_optim *optim;
    sg_optim_options rates;
    sg_labels labels;
    static uint8_t pixels[BATCH * PIXELS];
    static float x[BATCH * PIXELS];
    float z[BATCH * CLASSES], dz[BATCH * CLASSES];
    sg_net_spec spec = {.arch = "resnet20",
                        .channels = 1,
                        .height = SIDE,
                        .width = SIDE,
                        .head = SG_HEAD_CLASSIFIER,
                        .outputs = CLASSES,
                        .mean = {.5f},
                        .std = {.1f}};
    sg_plan_options options = {.purpose = SG_TRAIN, .batch = BATCH};
    sg_loss_options loss_options = {.outputs = CLASSES, .classes = CLASSES, .batch = BATCH};
    assert_true(sg_model_new(&model, &spec, NULL, NULL));
    assert_true(sg_params_init(model->params, "he", 1, NULL));
    assert_true(sg_plan_new(&plan, model->net, &options, NULL));
    assert_true(sg_loss_new(&loss, "ce", &loss_options, NULL));
    assert_true(sg_optim_defaults(&rates, "adam", NULL));
    rates.lr = 0.003f;
    assert_true(sg_optim_new(&optim, &rates, model->params, NULL));
    assert_true(sg_labels_init(&labels, BATCH, CLASSES, false, NULL));
    float *grads = sg_alloc_aligned(model->params->size, sizeof *grads);
    for (uint64_t step = 0; step < STEPS; step++) {
        draw(pixels, labels.ids, BATCH, 100 + step);
        sg_pixels_to_float(x, pixels, BATCH * PIXELS);
        sg_plan_load(plan, model->params, NULL, step);
        sg_plan_train_forward(plan, model->params, x, z);
        sg_loss_run(loss, dz, z, &labels, BATCH);
        sg_plan_backward(plan, dz, grads, NULL);
        sg_optim_step(optim, model->params, grads, 1);
    }
    sg_free_aligned(grads);
    sg_labels_clear(&labels);
    sg_optim_free(optim);
    sg_loss_free(loss);
    sg_plan_free(plan);
    return model;
}

/* Share of images that keep their true class. */
static double accuracy_after(const sg_model *model, const char *name, const sg_attack_input *input)
{
    static uint8_t images[IMAGES * PIXELS];
    sg_attack_result results[IMAGES];
    sg_attack_options options;
    sg_attacker *attacker;
    double right = 0;
    assert_true(sg_attack_defaults(&options, name ? name : "fgsm", NULL));
    options.iterations = 10;
    if (name == NULL) options.eps = 0;
    assert_true(sg_attacker_new(&attacker, model, &options, NULL, BATCH, NULL));
    assert_true(sg_attacker_run(attacker, images, results, input, NULL, NULL));
    sg_attacker_free(attacker);
    for (size_t i = 0; i < IMAGES; i++) right += results[i].adversarial_class == input->labels->ids[i];
    return right / IMAGES;
}

static void attacks_take_the_accuracy(void **unused)
{
    (void)unused;
    static uint8_t pixels[IMAGES * PIXELS];
    uint64_t keys[IMAGES];
    sg_labels labels;
    sg_threads_set(1);
    sg_model *model = train();
    assert_true(sg_labels_init(&labels, IMAGES, CLASSES, false, NULL));
    draw(pixels, labels.ids, IMAGES, 1);
    for (size_t i = 0; i < IMAGES; i++) keys[i] = i;
    sg_attack_input input = {pixels, keys, &labels, IMAGES};
    double clean = accuracy_after(model, NULL, &input), noise = accuracy_after(model, "noise", &input);
    double fgsm = accuracy_after(model, "fgsm", &input), pgd = accuracy_after(model, "pgd", &input);
    print_message("accuracy: clean %.3f, noise %.3f, fgsm %.3f, pgd %.3f\n", clean, noise, fgsm, pgd);
    assert_true(clean >= 0.9 && noise >= clean - 0.2);
    assert_true(fgsm <= noise - 0.2 && pgd <= fgsm && pgd <= 0.2);
    sg_labels_clear(&labels);
    sg_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(attacks_take_the_accuracy)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
