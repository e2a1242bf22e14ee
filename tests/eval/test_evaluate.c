/* A model on a data set, against encoding image by image and ranking as the metrics' own tests prove it. */
#include "models.h"

#include <math.h>
#include <signet/cpu.h>
#include <signet/evaluate.h>

/* z of one item, through the file alone. */
static void encode(float *z, const sg_model *model, const sg_dataset *ds, uint32_t item)
{
    sg_encoder *encoder;
    sg_image image;
    assert_true(sg_encoder_new(&encoder, model, 1, NULL));
    assert_true(sg_dataset_load(&image, ds, item, NULL, NULL));
    assert_true(sg_encoder_image(encoder, z, &image, NULL));
    sg_image_clear(&image);
    sg_encoder_free(encoder);
}

static sg_coded_part encode_part(const sg_model *model, const sg_dataset *ds, const uint32_t *items, size_t n)
{
    sg_coded_part part = {.codes = sg_alloc(n, BITS / 8), .nbits = BITS, .n = n};
    float z[BITS];
    assert_true(sg_labels_pick(&part.labels, sg_dataset_labels(ds), items, n, NULL));
    for (size_t i = 0; i < n; i++) {
        encode(z, model, ds, items[i]);
        sg_codes_pack(part.codes + i * BITS / 8, z, 1, BITS);
    }
    return part;
}

static void test_retrieval(void **state)
{
    (void)state;
    sg_dataset *ds = data_make();
    sg_split split = split_make(ds, 1);
    sg_model *model;
    size_t at[] = {5};
    sg_retrieval_options options = {.nbits = 0, .top = 10, .precision_at = at, .nprecision_at = 1};
    sg_retrieval expected, r;
    sg_error err = {0};
    model_write("hash.safetensors", "usf", true, 3);
    assert_true(sg_model_load(&model, "hash.safetensors", NULL));
    sg_coded_part q = encode_part(model, ds, split.query, split.nquery);
    sg_coded_part d = encode_part(model, ds, split.database, split.ndatabase);
    sg_coded queries = sg_coded_of(&q), database = sg_coded_of(&d);
    if (!sg_evaluate_retrieval(&r, model, ds, &split, &options, NULL, &err)) fail_msg("%s", err.message);
    options.nbits = BITS;
    assert_true(sg_retrieval_run(&expected, &queries, &database, &options, NULL));
    assert_memory_equal(r.ap, expected.ap, split.nquery * sizeof *r.ap);
    assert_true(r.map.order == expected.map.order && r.precision_at[0] == expected.precision_at[0]);
    assert_int_equal(r.queries, 2 * CLASSES);
    assert_int_equal(r.database, split.ndatabase);
    sg_retrieval_clear(&expected);
    sg_retrieval_clear(&r);
    sg_coded_part_clear(&d);
    sg_coded_part_clear(&q);
    double top1, top5;
    assert_false(sg_evaluate_accuracy(&top1, &top5, model, ds, split.query, split.nquery, NULL, &err));
    assert_int_equal(err.code, SG_ERR_MISMATCH);
    sg_model_free(model);
    sg_split_clear(&split);
    sg_dataset_close(ds);
}

static void test_accuracy(void **state)
{
    (void)state;
    sg_dataset *ds = data_make();
    sg_split split = split_make(ds, 1);
    sg_model *model;
    sg_error err = {0};
    double top1, top5, right = 0;
    model_write("classifier.safetensors", "bp", false, 4);
    assert_true(sg_model_load(&model, "classifier.safetensors", NULL));
    for (size_t i = 0; i < split.ndatabase; i++) {
        float z[CLASSES];
        int best = 0;
        encode(z, model, ds, split.database[i]);
        for (int c = 1; c < CLASSES; c++)
            if (z[c] > z[best]) best = c;
        right += sg_labels_has(sg_dataset_labels(ds), split.database[i], (size_t)best);
    }
    if (!sg_evaluate_accuracy(&top1, &top5, model, ds, split.database, split.ndatabase, NULL, &err))
        fail_msg("%s", err.message);
    assert_true(fabs(top1 - right / (double)split.ndatabase) < 1e-12);
    assert_true(top5 == 1);
    assert_false(sg_evaluate_accuracy(&top1, &top5, model, ds, split.query, 0, NULL, &err));
    assert_int_equal(err.code, SG_ERR_USAGE);
    sg_retrieval r;
    sg_retrieval_options options = {.nbits = BITS};
    assert_false(sg_evaluate_retrieval(&r, model, ds, &split, &options, NULL, &err));
    assert_int_equal(err.code, SG_ERR_MISMATCH);
    sg_model_free(model);
    sg_split_clear(&split);
    sg_dataset_close(ds);
}

int main(void)
{
    sg_threads_set(1); /* passes this small only wait for each other */
    const struct CMUnitTest tests[] = {scratch_test(test_retrieval), scratch_test(test_accuracy)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
