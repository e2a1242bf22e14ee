/* A classifier as a hash, against its features and their mean, taken apart here. */
#include "base/scratch.h"

#include <math.h>
#include <signet/codes.h>
#include <signet/cpu.h>
#include <signet/encoder.h>
#include <signet/random.h>

static sg_model *make_classifier(const char *arch, int64_t channels, int64_t side)
{
    const sg_net_spec spec = {.arch = arch,
                              .channels = channels,
                              .height = side,
                              .width = side,
                              .head = SG_HEAD_CLASSIFIER,
                              .outputs = 10,
                              .mean = {0.4f, 0.4f, 0.4f},
                              .std = {0.3f, 0.3f, 0.3f}};
    sg_model *model;
    sg_error err = {0};
    sg_threads_set(1);
    if (!sg_model_new(&model, &spec, NULL, &err) || !sg_params_init(model->params, "he", 5, &err))
        fail_msg("%s", err.message);
    model->preprocess.resize = (int)side + 4;
    model->preprocess.oriented = true;
    return model;
}

static float *outputs_of(const sg_model *model, const uint8_t *pixels, size_t n)
{
    sg_error err = {0};
    sg_encoder *encoder;
    float *z = malloc(n * sg_net_output_size(model->net) * sizeof *z);
    assert_true(sg_encoder_new(&encoder, model, n, &err));
    if (!sg_encoder_outputs(encoder, z, pixels, n, &err)) fail_msg("%s", err.message);
    sg_encoder_free(encoder);
    return z;
}

static sg_model *make_body(const sg_model *classifier)
{
    sg_error err = {0};
    sg_model *body;
    bool head_taken;
    sg_net_spec spec = *sg_model_spec(classifier);
    spec.head = SG_HEAD_FEATURES;
    assert_true(sg_model_new(&body, &spec, NULL, &err) && sg_model_take(body, classifier, &head_taken, &err));
    return body;
}

/* Bits that hang on rounding are not looked at; how many were. */
static size_t compare_bits(const float *z, const float *f, size_t features, size_t outputs)
{
    double mean = 0, scale = 0;
    size_t looked = 0;
    for (size_t d = 0; d < features; d++) {
        mean += (double)f[d] / (double)features;
        scale = fmax(scale, fabs((double)f[d]));
    }
    for (size_t d = 0; d < features; d++) {
        double over = (double)f[d] - mean;
        if (fabs(over) < 1e-4 * scale) continue;
        assert_int_equal(z[d] > 0, over > 0);
        looked++;
    }
    for (size_t k = features; k < outputs; k++) assert_false(z[k] > 0);
    return looked;
}

static void check(const char *arch, int64_t channels, int64_t side, size_t features, size_t outputs)
{
    enum { N = 5 };
    sg_error err = {0};
    sg_model *classifier = make_classifier(arch, channels, side), *hash, *body = make_body(classifier);
    size_t size = sg_net_input_size(classifier->net), looked = 0, ones = 0;
    uint8_t *pixels = malloc(N * size);
    sg_rng rng = sg_rng_at(3, SG_RNG_TEST, 0, 0);
    for (size_t i = 0; i < N * size; i++) pixels[i] = (uint8_t)sg_rng_below(&rng, 256);
    if (!sg_model_signs(&hash, classifier, &err)) fail_msg("%s", err.message);
    assert_int_equal(sg_model_spec(hash)->head, SG_HEAD_HASH);
    assert_int_equal(sg_net_output_size(body->net), features);
    assert_int_equal(sg_net_output_size(hash->net), outputs);
    assert_int_equal(hash->preprocess.resize, side + 4);
    assert_true(hash->preprocess.oriented);
    float *z = outputs_of(hash, pixels, N), *f = outputs_of(body, pixels, N);
    for (size_t i = 0; i < N; i++) {
        looked += compare_bits(z + i * outputs, f + i * features, features, outputs);
        for (size_t k = 0; k < outputs; k++) ones += z[i * outputs + k] > 0;
    }
    assert_true(looked > N * features * 9 / 10);
    assert_true(ones > looked / 10 && ones < looked * 9 / 10);
    free(z);
    free(f);
    free(pixels);
    sg_model_free(body);
    sg_model_free(hash);
    sg_model_free(classifier);
}

static void test_bits(void **state)
{
    (void)state;
    check("lenet", 1, 32, 84, 88);
    check("lenet-cifar", 3, 32, 256, 256);
    check("resnet20", 1, 16, 64, 64);
    check("squeezenet1_0", 3, 64, 512, 512);
}

static void test_the_same_each_time(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_model *classifier = make_classifier("resnet20", 1, 16), *a, *b, *c;
    assert_true(sg_kv_set(&classifier->notes, "data", "some", &err));
    assert_true(sg_model_save(classifier, "classifier.safetensors", &err));
    assert_true(sg_model_signs(&a, classifier, &err) && sg_model_signs(&b, classifier, &err));
    assert_string_equal(a->fingerprint, b->fingerprint);
    assert_string_not_equal(a->fingerprint, classifier->fingerprint);
    assert_string_equal(sg_kv_get(&a->notes, "parent"), classifier->fingerprint);
    assert_string_equal(sg_kv_get(&a->notes, "data"), "some");
    assert_true(sg_model_check(a, &err));
    assert_true(sg_model_save(b, "hash.safetensors", &err)); /* which computes it anew */
    assert_string_equal(a->fingerprint, b->fingerprint);
    assert_true(sg_model_load(&c, "hash.safetensors", &err));
    assert_string_equal(a->fingerprint, c->fingerprint);
    sg_model_free(a);
    sg_model_free(b);
    sg_model_free(c);
    sg_model_free(classifier);
}

static void test_refusals(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_model *classifier = make_classifier("resnet20", 1, 16), *hash, *again;
    assert_true(sg_model_signs(&hash, classifier, &err));
    assert_false(sg_model_signs(&again, hash, &err));
    assert_null(again);
    assert_int_equal(err.code, SG_ERR_MISMATCH);
    sg_model_free(hash);
    sg_model_free(classifier);
    classifier = make_classifier("mobilenet_v2", 3, 32);
    assert_false(sg_model_signs(&hash, classifier, &err));
    assert_null(hash);
    assert_int_equal(err.code, SG_ERR_LIMIT);
    assert_string_equal(err.message,
                        "the last hidden layer of mobilenet_v2 has 1280 numbers, a code at most 1024 bits");
    sg_model_free(classifier);
}

static bool make_and_free(const sg_model *classifier, sg_error *err)
{
    sg_model *hash;
    if (!sg_model_signs(&hash, classifier, err)) return false;
    sg_model_free(hash);
    return true;
}

static void test_without_memory(void **state)
{
    (void)state;
    sg_model *classifier = make_classifier("lenet", 1, 32);
    assert_survives_allocation_failures(make_and_free(classifier, &err));
    sg_model_free(classifier);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bits),
        scratch_test(test_the_same_each_time),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
