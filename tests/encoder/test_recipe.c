#include "base/scratch.h"

#include <signet/cpu.h>
#include <signet/recipe.h>
#include <sys/wait.h>

static const sg_net_spec spec = {.arch = "resnet20",
                                 .channels = 3,
                                 .height = 28,
                                 .width = 30,
                                 .head = SG_HEAD_HASH,
                                 .outputs = 16,
                                 .std = {1, 1, 1}};

static void set(sg_kv *kv, const char *key, const char *value)
{
    assert_true(sg_kv_set(kv, key, value, NULL));
}

static void test_now(void **state)
{
    (void)state;
    sg_model *model;
    sg_kv recipe = SG_KV_INIT;
    assert_true(sg_model_new(&model, &spec, NULL, NULL));
    model->preprocess.resize = 32;
    model->preprocess.oriented = true;
    assert_true(sg_recipe_now(&recipe, model, NULL));
    static const char *const expected[][2] = {
        {"crop", "30x28"}, {"decode", "exact"},     {"filter", "bilinear"}, {"instructions", NULL},
        {"numerics", "1"}, {"orientation", "exif"}, {"precision", "f32"},   {"resize", "32"}};
    assert_int_equal(recipe.n, 8);
    for (size_t i = 0; i < 8; i++) {
        assert_string_equal(recipe.pairs[i].key, expected[i][0]);
        if (expected[i][1]) assert_string_equal(recipe.pairs[i].value, expected[i][1]);
    }
    assert_string_equal(sg_kv_get(&recipe, "instructions"), sg_instruction_class());
    model->precision = SG_BF16;
    assert_true(sg_recipe_now(&recipe, model, NULL));
    assert_string_equal(sg_kv_get(&recipe, "precision"), "bf16");
    sg_kv_clear(&recipe);
    assert_survives_allocation_failures((sg_kv_clear(&recipe), sg_recipe_now(&recipe, model, &err)));
    sg_kv_clear(&recipe);
    sg_model_free(model);
}

/* A recorded recipe is what is done, whatever the model's own ways. */
static void test_apply(void **state)
{
    (void)state;
    sg_model *model;
    sg_kv recorded = SG_KV_INIT, now = SG_KV_INIT;
    char differs[64];
    sg_error err = {0};
    assert_true(sg_model_new(&model, &spec, NULL, NULL));
    model->preprocess.scaled = true;
    model->preprocess.max_pixels = 99;
    set(&recorded, "decode", "exact");
    set(&recorded, "filter", "bicubic");
    set(&recorded, "orientation", "exif");
    set(&recorded, "resize", "32");
    set(&recorded, "crop", "30x28");
    set(&recorded, "precision", "f32");
    set(&recorded, "instructions", sg_instruction_class());
    set(&recorded, "numerics", "1");
    assert_true(sg_recipe_apply(model, &recorded, &err));
    const sg_preprocess *pp = &model->preprocess;
    assert_true(!pp->scaled && pp->filter == SG_BICUBIC && pp->oriented);
    assert_int_equal(pp->resize, 32);
    assert_int_equal(pp->max_pixels, 99);
    assert_true(sg_recipe_now(&now, model, &err));
    assert_int_equal(sg_recipe_compare(&recorded, &now, differs, sizeof differs), SG_RECIPE_SAME);

    static const char *const senseless[][2] = {
        {"decode", "full"},       {"filter", ""},        {"orientation", "up"},
        {"resize", "29"},         {"resize", "-1"},      {"resize", "many"},
        {"resize", "5000000000"}, {"precision", "auto"}, {"precision", ""}};
    for (size_t i = 0; i < sizeof senseless / sizeof *senseless; i++) {
        sg_kv bad = SG_KV_INIT;
        sg_preprocess before = model->preprocess;
        set(&bad, "filter", "bilinear");
        set(&bad, senseless[i][0], senseless[i][1]);
        assert_false(sg_recipe_apply(model, &bad, &err));
        assert_int_equal(err.code, SG_ERR_FORMAT);
        assert_non_null(strstr(err.message, senseless[i][0]));
        assert_memory_equal(&model->preprocess, &before, sizeof before);
        sg_kv_clear(&bad);
    }
    sg_kv_clear(&recorded);
    assert_true(sg_recipe_apply(model, &recorded, &err)); /* nothing recorded, nothing changed */
    assert_int_equal(model->preprocess.filter, SG_BICUBIC);
    sg_kv_clear(&now);
    sg_model_free(model);
}

/* What the process lacks is computed in f32, and that is no small difference. */
static void apply_bf16(void)
{
    sg_model *model;
    sg_kv recorded = SG_KV_INIT, now = SG_KV_INIT;
    char differs[64];
    assert_true(sg_model_new(&model, &spec, NULL, NULL));
    assert_true(sg_recipe_now(&recorded, model, NULL));
    set(&recorded, "precision", "bf16");
    assert_true(sg_recipe_apply(model, &recorded, NULL));
    assert_true(sg_recipe_now(&now, model, NULL));
    bool supported = sg_precision_supported(SG_BF16);
    assert_int_equal(model->precision, supported ? SG_BF16 : SG_F32);
    assert_int_equal(sg_recipe_compare(&recorded, &now, differs, sizeof differs),
                     supported ? SG_RECIPE_SAME : SG_RECIPE_OTHER);
    assert_string_equal(differs, supported ? "" : "precision: bf16 / f32");
    set(&recorded, "precision", "f32");
    assert_true(sg_recipe_apply(model, &recorded, NULL));
    assert_int_equal(model->precision, SG_F32);
    sg_kv_clear(&now);
    sg_kv_clear(&recorded);
    sg_model_free(model);
}

static void test_apply_precision(void **state)
{
    (void)state;
    apply_bf16();
}

/* No processor computes bf16 portably. */
static void test_portable_precision(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        if (!sg_portable_set(NULL) || sg_precision_supported(SG_BF16)) _exit(1);
        apply_bf16();
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void test_compare(void **state)
{
    (void)state;
    sg_kv a = SG_KV_INIT, b = SG_KV_INIT;
    char differs[64];
    set(&a, "crop", "28x28");
    set(&a, "instructions", "avx2");
    set(&a, "numerics", "1");
    assert_true(sg_kv_copy(&b, &a, NULL));
    assert_int_equal(sg_recipe_compare(&a, &b, differs, sizeof differs), SG_RECIPE_SAME);
    assert_string_equal(differs, "");
    set(&b, "instructions", "avx512");
    assert_int_equal(sg_recipe_compare(&a, &b, differs, sizeof differs), SG_RECIPE_NUMERICS);
    assert_string_equal(differs, "instructions: avx2 / avx512");
    set(&b, "numerics", "2");
    assert_int_equal(sg_recipe_compare(&a, &b, differs, sizeof differs), SG_RECIPE_NUMERICS);
    set(&b, "crop", "32x32");
    assert_int_equal(sg_recipe_compare(&a, &b, differs, sizeof differs), SG_RECIPE_OTHER);
    assert_string_equal(differs, "crop: 28x28 / 32x32, instructions: avx2 / avx512, numerics: 1 /");
    assert_true(sg_kv_copy(&b, &a, NULL));
    set(&b, "precision", "bf16");
    assert_int_equal(sg_recipe_compare(&a, &b, differs, sizeof differs), SG_RECIPE_OTHER);
    assert_string_equal(differs, "precision: none / bf16");
    assert_int_equal(sg_recipe_compare(&b, &a, differs, sizeof differs), SG_RECIPE_OTHER);
    assert_string_equal(differs, "precision: bf16 / none");
    sg_kv_clear(&a);
    sg_kv_clear(&b);
}

/* The first question decides for the process: a child each. */
static void test_portable(void **state)
{
    (void)state;
    for (int late = 0; late < 2; late++) {
        pid_t child = fork();
        if (child == 0) {
            sg_error err = {0};
            if (late) {
                bool wide = strcmp(sg_instruction_class(), "portable") != 0;
                _exit(wide && !sg_portable_set(&err) && err.code == SG_ERR_USAGE ? 0 : 1);
            }
            bool ok = sg_portable_set(&err) && sg_portable_set(&err);
            _exit(ok && strcmp(sg_instruction_class(), "portable") == 0 ? 0 : 1);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
    assert_string_equal(sg_instruction_class(), sg_cpu_features()->avx512 ? "avx512" : "avx2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_portable_precision), /* first, as the next: the others make up the process's mind */
        cmocka_unit_test(test_portable),
        cmocka_unit_test(test_now),
        cmocka_unit_test(test_apply),
        cmocka_unit_test(test_apply_precision),
        cmocka_unit_test(test_compare),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
