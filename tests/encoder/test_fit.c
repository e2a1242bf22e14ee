/* Fitting a head without labels on a few made-up pictures: what it comes to, and what it leaves in the run's folder. */
#include "pictures.h"

#include <math.h>
#include <signet/cpu.h>
#include <signet/encoder.h>
#include <signet/fit.h>
#include <signet/json.h>

enum { EACH = 14, N = 3 * EACH, BITS = 16, DIM = 64 };

typedef struct bench {
    sg_dataset *ds;
    sg_split split;
    sg_fit_options options;
} bench;

/* All pictures in one folder: no class folders, no labels. */
static void bench_init(bench *b, const char *kind)
{
    char from[64], to[64];
    sg_error err = {0};
    sg_dataset_close(pictures_make("classes", 32, EACH));
    assert_true(sg_mkdirs("data", NULL));
    for (unsigned cls = 0; cls < 3; cls++)
        for (unsigned i = 0; i < EACH; i++) {
            snprintf(from, sizeof from, "classes/class %u/%02u.png", cls, i);
            snprintf(to, sizeof to, "data/%u-%02u.png", cls, i);
            assert_int_equal(rename(from, to), 0);
        }
    if (!sg_dataset_open(&b->ds, "folder:data", NULL, &err)) fail_msg("%s", err.message);
    assert_int_equal(sg_dataset_labels(b->ds)->classes, 0);
    assert_true(sg_split_make(&b->split, b->ds, &(sg_split_options)SG_SPLIT_OPTIONS, &err));
    assert_int_equal(b->split.ntrain, N);
    b->options = (sg_fit_options){.kind = kind, .batch = 10, .seed = 1};
    sg_threads_set(1);
}

static void bench_clear(bench *b)
{
    sg_split_clear(&b->split);
    sg_dataset_close(b->ds);
}

static sg_model *model_make(sg_head head)
{
    const sg_net_spec spec = {.arch = "resnet20",
                              .channels = 1,
                              .height = 28,
                              .width = 28,
                              .head = head,
                              .outputs = BITS,
                              .mean = {0.3f},
                              .std = {0.3f}};
    sg_model *model;
    sg_error err = {0};
    if (!sg_model_new(&model, &spec, NULL, &err) || !sg_params_init(model->params, "he", 3, &err))
        fail_msg("%s", err.message);
    model->preprocess.resize = 30;
    return model;
}

static sg_fit_result fit(const bench *b, sg_model *model, const char *run)
{
    sg_fit_result result;
    sg_error err = {0};
    if (!sg_fit_run(&result, model, b->ds, &b->split, &b->options, run, &err)) fail_msg("%s", err.message);
    return result;
}

/* Outputs (N, outputs) of the training images. */
static float *outputs_of(const sg_model *model, const bench *b)
{
    sg_encoder *encoder;
    float *z = malloc(N * sg_net_output_size(model->net) * sizeof *z);
    assert_true(sg_encoder_new(&encoder, model, 8, NULL));
    assert_true(sg_encoder_items(encoder, z, b->ds, b->split.train, N, NULL, NULL));
    sg_encoder_free(encoder);
    return z;
}

/* Variance of each output over the images, and the largest covariance of two, of their mean 0. */
static void spread_of(double variance[BITS], double *largest, const float *z)
{
    *largest = 0;
    for (size_t j = 0; j < BITS; j++)
        for (size_t k = 0; k <= j; k++) {
            double sum = 0, mean = 0;
            for (size_t i = 0; i < N; i++) {
                sum += (double)z[i * BITS + j] * (double)z[i * BITS + k] / N;
                mean += (double)z[i * BITS + j] / N;
            }
            assert_true(fabs(mean) < 1e-3 * sqrt(fabs(sum) + 1e-6));
            if (j == k)
                variance[j] = sum;
            else if (fabs(sum) > *largest)
                *largest = fabs(sum);
        }
}

/* pca's outputs have mean 0, are uncorrelated, their variances fall, and sum to the share that is said of the features'. */
static void test_outputs(void **state)
{
    (void)state;
    bench b;
    bench_init(&b, "pca");
    sg_model *model = model_make(SG_HEAD_HASH), *body = model_make(SG_HEAD_FEATURES);
    float before = model->params->block[0];
    sg_fit_result r = fit(&b, model, "run");
    assert_true(r.images == N && r.features == DIM && isnan(r.error) && model->params->block[0] == before);
    float *z = outputs_of(model, &b), *f = outputs_of(body, &b);
    double variance[BITS], largest, kept = 0, total = 0;
    spread_of(variance, &largest, z);
    assert_true(largest < 1e-4 * variance[0]);
    for (size_t k = 0; k < BITS; k++) {
        kept += variance[k];
        assert_true(k == 0 || variance[k] <= variance[k - 1] * 1.0001);
    }
    for (size_t d = 0; d < DIM; d++) {
        double sum = 0, squares = 0;
        for (size_t i = 0; i < N; i++) {
            sum += (double)f[i * DIM + d] / N;
            squares += (double)f[i * DIM + d] * (double)f[i * DIM + d] / N;
        }
        total += squares - sum * sum;
    }
    assert_true(fabs(kept / total - r.explained) < 1e-4);
    free(f);
    free(z);
    sg_model_free(body);
    sg_model_free(model);
    bench_clear(&b);
}

static sg_json *first_line(const char *path)
{
    char *text;
    size_t nbytes;
    sg_json *json;
    assert_true(sg_file_read(&text, &nbytes, path, 1 << 20, NULL));
    assert_true(sg_json_parse(&json, text, strcspn(text, "\n"), NULL));
    assert_non_null(strstr(text, "\n{\"finished\":true,\"epochs\":1,\"best_epoch\":1}\n"));
    sg_free(text);
    return json;
}

static void test_folder(void **state)
{
    (void)state;
    bench b;
    sg_error err = {0};
    bench_init(&b, "itq");
    sg_model *model = model_make(SG_HEAD_HASH);
    sg_fit_result r = fit(&b, model, "runs/itq");
    assert_true(r.explained > 0.3 && r.explained <= 1 && r.error < r.first_error);
    assert_true(scratch_same("runs/itq/best.safetensors", "runs/itq/last.safetensors"));
    assert_true(sg_path_exists("runs/itq/config") && sg_path_exists("runs/itq/split.txt"));
    sg_json *line = first_line("runs/itq/train.jsonl");
    const sg_json *errors = sg_json_get(line, "errors");
    double images = 0, last = 0;
    assert_string_equal(sg_json_string(sg_json_get(line, "fit")), "itq");
    assert_true(sg_json_number(&images, sg_json_get(line, "images")) && images == N);
    assert_int_equal(sg_json_size(errors), 51);
    assert_true(sg_json_number(&last, sg_json_at(errors, 50)) && fabs(last - r.error) < 1e-12);
    sg_json_free(line);

    sg_model *back;
    if (!sg_model_load(&back, "runs/itq/best.safetensors", &err)) fail_msg("%s", err.message);
    assert_string_equal(sg_kv_get(&back->notes, "loss"), "itq");
    assert_string_equal(sg_kv_get(&back->notes, "seed"), "1");
    assert_string_equal(sg_kv_get(&back->notes, "data"), "folder");
    assert_string_equal(sg_kv_get(&back->notes, "split_checksum"), b.split.checksum);
    assert_string_equal(sg_kv_get(&back->notes, "fit_images"), "42");
    assert_string_equal(sg_rule_name(back->feedback.rule), "bp");
    sg_model_free(back);

    /* Not again in a finished run's place; elsewhere, in other batches, the same bytes; by another seed, others. */
    sg_fit_result again;
    assert_false(sg_fit_run(&again, model, b.ds, &b.split, &b.options, "runs/itq", &err));
    assert_int_equal(err.code, SG_ERR_USAGE);
    sg_model *other = model_make(SG_HEAD_HASH);
    b.options.batch = 17;
    fit(&b, other, "runs/again");
    assert_true(scratch_same("runs/itq/best.safetensors", "runs/again/best.safetensors"));
    b.options.seed = 2;
    fit(&b, other, "runs/other");
    assert_string_not_equal(other->fingerprint, model->fingerprint);
    sg_model_free(other);
    sg_model_free(model);
    bench_clear(&b);
}

static void assert_refused(const bench *b, sg_code code, const char *word)
{
    sg_fit_result r;
    sg_error err = {0};
    sg_model *model = model_make(SG_HEAD_HASH);
    assert_false(sg_fit_run(&r, model, b->ds, &b->split, &b->options, "run", &err));
    assert_int_equal(err.code, code);
    if (!strstr(err.message, word)) fail_msg("'%s' lacks '%s'", err.message, word);
    assert_false(sg_path_exists("run/best.safetensors") || sg_path_exists("run/last.safetensors"));
    sg_model_free(model);
}

static void test_refused(void **state)
{
    (void)state;
    bench b;
    bench_init(&b, "pca-rr");
    b.split.ntrain = 12;
    assert_refused(&b, SG_ERR_USAGE, "16 bits are more than the 12 images");
    b.split.ntrain = 0;
    assert_refused(&b, SG_ERR_USAGE, "no training images");
    b.split.ntrain = N;
    const char *broken = sg_dataset_item_path(b.ds, b.split.train[20]);
    scratch_put(broken, "\x89PNG\r\n\x1a\n", 8);
    assert_refused(&b, SG_ERR_FORMAT, sg_dataset_item_name(b.ds, b.split.train[20]));
    bench_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_outputs),
        scratch_test(test_folder),
        scratch_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
