/* The encoder gives an image the same outputs whatever the batch and the way that it comes. */
#include "pictures.h"

#include <math.h>
#include <signet/codes.h>
#include <signet/cpu.h>
#include <signet/encoder.h>
#include <signet/mem.h>
#include <signet/plan.h>
#include <signet/random.h>

enum { BITS = 16, SIDE = 28, EACH = 5, N = 3 * EACH };

static sg_model *model_make(sg_head head)
{
    const sg_net_spec spec = {.arch = "resnet20",
                              .channels = 1,
                              .height = SIDE,
                              .width = SIDE,
                              .head = head,
                              .outputs = BITS,
                              .mean = {0.3f},
                              .std = {0.4f}};
    sg_model *model;
    sg_error err = {0};
    if (!sg_model_new(&model, &spec, NULL, &err) || !sg_params_init(model->params, "he", 5, &err))
        fail_msg("%s", err.message);
    return model;
}

static void get_pixels(uint8_t *pixels, const sg_dataset *ds, const sg_model *model)
{
    for (size_t i = 0; i < N; i++) {
        sg_image image;
        assert_true(sg_dataset_load(&image, ds, i, NULL, NULL));
        assert_true(sg_preprocess_planar(pixels + i * SIDE * SIDE, &image, &model->preprocess, NULL));
        sg_image_clear(&image);
    }
}

static void test_ways(void **state)
{
    (void)state;
    static const size_t batches[] = {1, 4, 64};
    sg_dataset *ds = pictures_make("data", 40, EACH);
    sg_model *model = model_make(SG_HEAD_HASH);
    sg_error err = {0};
    uint8_t pixels[N * SIDE * SIDE], codes[N * BITS / 8], packed[N * BITS / 8];
    float expected[N * BITS], z[N * BITS];
    uint32_t items[N];
    get_pixels(pixels, ds, model);
    for (size_t b = 0; b < 3; b++) {
        sg_encoder *encoder;
        if (!sg_encoder_new(&encoder, model, batches[b], &err)) fail_msg("%s", err.message);
        assert_true(sg_encoder_model(encoder) == model && sg_encoder_batch(encoder) == batches[b]);
        assert_true(sg_encoder_outputs(encoder, b == 0 ? expected : z, pixels, N, NULL));
        if (b > 0) assert_memory_equal(z, expected, sizeof z);
        assert_true(sg_encoder_codes(encoder, codes, pixels, N, &err));
        sg_codes_pack(packed, expected, N, BITS);
        assert_memory_equal(codes, packed, sizeof codes);
        for (uint32_t i = 0; i < N; i++) items[i] = N - 1 - i;
        sg_progress progress;
        sg_progress_init(&progress, NULL, "encode", "images", N);
        if (!sg_encoder_items(encoder, z, ds, items, N, &progress, &err)) fail_msg("%s", err.message);
        assert_int_equal(progress.done, N);
        for (size_t i = 0; i < N; i++)
            assert_memory_equal(z + i * BITS, expected + (N - 1 - i) * BITS, BITS * sizeof *z);
        sg_image image;
        assert_true(sg_dataset_load(&image, ds, 7, NULL, NULL));
        assert_true(sg_encoder_image(encoder, z, &image, &err));
        assert_memory_equal(z, expected + 7 * BITS, BITS * sizeof *z);
        sg_image_clear(&image);
        sg_encoder_free(encoder);
    }
    /* The outputs say something about the image. */
    assert_memory_not_equal(expected, expected + BITS, BITS * sizeof *z);
    for (size_t i = 0; i < N * BITS; i++) assert_true(isfinite(expected[i]));
    sg_model_free(model);
    sg_dataset_close(ds);
}

/* Passes of the network, full and padded, against one image at a time. */
static void test_tails(void **state)
{
    (void)state;
    enum { MOST = 130, PIXELS = SIDE * SIDE };
    static const size_t counts[] = {1, 63, 64, 65, MOST};
    sg_model *model = model_make(SG_HEAD_HASH);
    sg_encoder *single, *encoder;
    uint8_t *pixels = sg_alloc(MOST, PIXELS);
    float *expected = sg_alloc(MOST * BITS, sizeof *expected), *z = sg_alloc(MOST * BITS, sizeof *z);
    assert_true(pixels && expected && z);
    sg_rng rng = sg_rng_at(3, SG_RNG_TEST, 0, 0);
    for (size_t i = 0; i < MOST * PIXELS; i++) pixels[i] = (uint8_t)sg_rng_below(&rng, 256);
    assert_true(sg_encoder_new(&single, model, 1, NULL) && sg_encoder_new(&encoder, model, 64, NULL));
    for (size_t i = 0; i < MOST; i++)
        assert_true(sg_encoder_outputs(single, expected + i * BITS, pixels + i * PIXELS, 1, NULL));
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        memset(z, 0, MOST * BITS * sizeof *z);
        assert_true(sg_encoder_outputs(encoder, z, pixels, counts[c], NULL));
        assert_memory_equal(z, expected, counts[c] * BITS * sizeof *z);
    }
    sg_encoder_free(encoder);
    sg_encoder_free(single);
    sg_free(z);
    sg_free(expected);
    sg_free(pixels);
    sg_model_free(model);
}

static void test_refusals(void **state)
{
    (void)state;
    sg_dataset *ds = pictures_make("data", 40, EACH);
    sg_model *model = model_make(SG_HEAD_CLASSIFIER);
    sg_encoder *encoder;
    sg_error err = {0};
    uint8_t pixels[SIDE * SIDE] = {0}, codes[BITS / 8];
    float z[2 * BITS];
    const uint32_t items[] = {0, 1};
    assert_true(sg_encoder_new(&encoder, model, 2, &err));
    assert_false(sg_encoder_codes(encoder, codes, pixels, 1, &err));
    assert_int_equal(err.code, SG_ERR_MISMATCH);
    scratch_put("data/class 0/01.png", "broken", 6);
    assert_false(sg_encoder_items(encoder, z, ds, items, 2, NULL, &err));
    assert_non_null(strstr(err.message, "01.png"));
    sg_encoder_free(encoder);
    sg_model_free(model);
    sg_dataset_close(ds);
}

/* Finite weights whose outputs are not: no code comes of them, whatever way is taken. */
static void test_outputs_beyond_range(void **state)
{
    (void)state;
    sg_dataset *ds = pictures_make("data", 40, EACH);
    sg_model *model = model_make(SG_HEAD_HASH);
    sg_encoder *encoder;
    uint8_t pixels[N * SIDE * SIDE], codes[2 * BITS / 8];
    float z[2 * BITS];
    const uint32_t items[] = {0, 1};
    for (size_t i = 0; i < model->params->ntensors; i++) {
        const sg_tensor *t = &model->params->tensors[i];
        for (size_t k = 0; k < t->size && t->role == SG_TENSOR_WEIGHT; k++)
            model->params->block[t->offset + k] = 1e30f;
    }
    get_pixels(pixels, ds, model);
    assert_true(sg_encoder_new(&encoder, model, 2, NULL));
    sg_error err = {0};
    assert_false(sg_encoder_outputs(encoder, z, pixels, 2, &err));
    assert_int_equal(err.code, SG_ERR_LIMIT);
    assert_false(sg_encoder_codes(encoder, codes, pixels, 2, NULL));
    assert_false(sg_encoder_items(encoder, z, ds, items, 2, NULL, NULL));
    sg_encoder_free(encoder);
    sg_model_free(model);
    sg_dataset_close(ds);
}

static void test_memory(void **state)
{
    (void)state;
    sg_model *model = model_make(SG_HEAD_HASH);
    sg_encoder *encoder;
    assert_survives_allocation_failures(sg_encoder_new(&encoder, model, 2, &err));
    sg_encoder_free(encoder);
    sg_model_free(model);
}

int main(void)
{
    sg_threads_set(1);
    const struct CMUnitTest tests[] = {scratch_test(test_ways), cmocka_unit_test(test_tails),
                                       scratch_test(test_refusals), scratch_test(test_outputs_beyond_range),
                                       cmocka_unit_test(test_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
