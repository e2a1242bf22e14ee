/* Model files: what is written comes back. */
#include "encoder/model_files.h"

#include "encoder/safetensors_impl.h"
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <signet/buf.h>
#include <signet/hash.h>
#include <sys/resource.h>

static void test_round_trip(void **state)
{
    (void)state;
    sg_model *model = model_make("frsf");
    save(model, "a");
    assert_int_equal(strlen(model->fingerprint), 64);
    sg_model *back = load("a");
    const sg_net_spec *spec = sg_model_spec(back);
    assert_string_equal(spec->arch, "lenet");
    assert_int_equal(spec->head, SG_HEAD_CLASSIFIER);
    assert_true(spec->outputs == 3 && spec->channels == 1 && spec->height == 32 && spec->width == 32);
    assert_true(spec->mean[0] == 0.1f && spec->std[0] == 0.3f);
    assert_true(back->preprocess.resize == 40 && back->preprocess.width == 32 &&
                back->preprocess.channels == 1);
    assert_memory_equal(back->params->block, model->params->block, model->params->size * sizeof(float));
    assert_string_equal(sg_rule_name(back->feedback.rule), "frsf");
    assert_true(back->feedback.seed == UINT64_MAX - 4 && back->feedback.exact_head);
    assert_string_equal(back->feedback.scale_kind, "norm");
    assert_memory_equal(back->feedback.scales, model->feedback.scales,
                        model->feedback.nscales * sizeof(float));
    assert_int_equal(back->nclasses, 3);
    for (size_t i = 0; i < 3; i++) assert_string_equal(back->classes[i], classes[i]);
    assert_string_equal(sg_kv_get(&back->notes, "protocol"), "made\nup");
    assert_int_equal(back->notes.n, 1);
    assert_string_equal(back->fingerprint, model->fingerprint);
    assert_true(sg_model_check(back, NULL));
    save(back, "b");
    assert_true(scratch_same("a", "b"));
    sg_model_free(back);
    sg_model_free(model);
}

/* The scales are those that were stored, not those of the weights as they are now. */
static void test_scales(void **state)
{
    (void)state;
    sg_model *model = model_make("usf");
    for (size_t i = 0; i < model->feedback.nscales; i++) model->feedback.scales[i] = 0.1f + (float)i;
    save(model, "a");
    sg_model *back = load("a");
    for (size_t i = 0; i < model->feedback.nscales; i++)
        assert_true(back->feedback.scales[i] == 0.1f + (float)i);
    sg_model_free(back);
    sg_model_free(model);
}

static void test_hash(void **state)
{
    (void)state;
    sg_net_spec spec = lenet;
    sg_model *model;
    spec.head = SG_HEAD_HASH;
    spec.outputs = 16;
    assert_true(sg_model_new(&model, &spec, classes, NULL));
    assert_null(model->classes);
    save(model, "a");
    sg_model *back = load("a");
    assert_int_equal(sg_model_spec(back)->head, SG_HEAD_HASH);
    assert_true(back->classes == NULL && back->feedback.scales == NULL);
    sg_model_free(back);
    sg_model_free(model);
}

/* ---- the fingerprint ---- */

/* As docs/formats.md has it, from the file. */
static void fingerprint_of(char hex[65], const char *path)
{
    static const char *const keys[] = {
        "signet.arch",   "signet.channels", "signet.decode",      "signet.filter",  "signet.head",
        "signet.height", "signet.mean",     "signet.orientation", "signet.outputs", "signet.precision",
        "signet.resize", "signet.std",      "signet.width"};
    sg_safetensors st;
    sg_buf text = SG_BUF_INIT;
    uint8_t digest[32];
    assert_true(sg_safetensors_open(&st, path, NULL));
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (sg_kv_get(&st.metadata, keys[i]))
            sg_buf_printf(&text, "%s=%s\n", keys[i], sg_kv_get(&st.metadata, keys[i]));
    for (size_t i = 0; i < st.ntensors; i++) {
        const sg_st_tensor *t = &st.tensors[i];
        sg_buf_printf(&text, "%s F32 %" PRId64, t->name, t->dims[0]);
        for (int d = 1; d < t->ndim; d++) sg_buf_printf(&text, ",%" PRId64, t->dims[d]);
        sg_buf_puts(&text, "\n");
        sg_buf_put(&text, st.data + t->begin, t->nbytes);
    }
    sg_blake2b_of(digest, 32, text.data, text.size);
    sg_hex(hex, digest, 32);
    sg_buf_clear(&text);
    sg_safetensors_close(&st);
}

static void test_fingerprint(void **state)
{
    (void)state;
    char first[65], expected[65];
    sg_model *model = model_make("usf");
    save(model, "a");
    fingerprint_of(expected, "a");
    assert_string_equal(model->fingerprint, expected);
    strcpy(first, model->fingerprint);
    /* What does not change codes does not change it. */
    assert_true(sg_kv_set(&model->notes, "loss", "ce", NULL));
    model->feedback.seed = 3;
    save(model, "a");
    assert_string_equal(model->fingerprint, first);
    /* What does, does. */
    model->preprocess.resize = 41;
    sg_error err = {0};
    assert_false(sg_model_check(model, &err));
    assert_int_equal(err.code, SG_ERR_FORMAT);
    assert_non_null(strstr(err.message, first));
    save(model, "a");
    assert_string_not_equal(model->fingerprint, first);
    model->preprocess.resize = 40;
    model->params->block[model->params->tensors[2].offset] += 1.0f;
    save(model, "a");
    assert_string_not_equal(model->fingerprint, first);
    sg_model_free(model);
}

/* A file that says nothing of decoding, orientation and filter means the plain ways, and says nothing again. */
static void test_ways(void **state)
{
    (void)state;
    sg_model *model = model_make("bp");
    save(model, "plain");
    sg_model *back = load("plain");
    assert_true(!back->preprocess.scaled && !back->preprocess.oriented &&
                back->preprocess.filter == SG_BILINEAR);
    sg_model_free(back);
    char plain[65];
    strcpy(plain, model->fingerprint);
    size_t n;
    const char *const *keys = sg_preprocess_keys(&n);
    static const char *const others[] = {"scaled", "bicubic", "exif"};
    sg_preprocess before = model->preprocess;
    for (size_t i = 0; i < n; i++) {
        char key[32], expected[65];
        sg_safetensors st;
        model->preprocess = before;
        assert_true(sg_preprocess_set(&model->preprocess, keys[i], others[i], NULL));
        save(model, "a");
        fingerprint_of(expected, "a");
        assert_string_equal(model->fingerprint, expected);
        assert_string_not_equal(model->fingerprint, plain);
        snprintf(key, sizeof key, "signet.%s", keys[i]);
        assert_true(sg_safetensors_open(&st, "plain", NULL));
        assert_null(sg_kv_get(&st.metadata, key));
        sg_safetensors_close(&st);
        assert_true(sg_safetensors_open(&st, "a", NULL));
        assert_string_equal(sg_kv_get(&st.metadata, key), others[i]);
        sg_safetensors_close(&st);
        back = load("a");
        assert_memory_equal(&back->preprocess, &model->preprocess, sizeof back->preprocess);
        assert_true(sg_model_check(back, NULL));
        sg_model_free(back);
    }
    sg_model_free(model);
}

static void test_precision(void **state)
{
    (void)state;
    sg_model *model = model_make("bp");
    char plain[65], expected[65];
    sg_safetensors st;
    assert_int_equal(model->precision, SG_F32);
    save(model, "plain");
    strcpy(plain, model->fingerprint);
    assert_true(sg_safetensors_open(&st, "plain", NULL));
    assert_null(sg_kv_get(&st.metadata, "signet.precision"));
    sg_safetensors_close(&st);
    model->precision = SG_BF16; /* what a file says does not depend on the processor */
    save(model, "a");
    fingerprint_of(expected, "a");
    assert_string_equal(model->fingerprint, expected);
    assert_string_not_equal(model->fingerprint, plain);
    assert_true(sg_safetensors_open(&st, "a", NULL));
    assert_string_equal(sg_kv_get(&st.metadata, "signet.precision"), "bf16");
    sg_safetensors_close(&st);
    sg_model *back = load("a");
    assert_int_equal(back->precision, SG_BF16);
    assert_true(sg_model_check(back, NULL));
    sg_model_free(back);
    back = load("plain");
    assert_int_equal(back->precision, SG_F32);
    sg_model_free(back);
    sg_model_free(model);
}

static void test_set_precision(void **state)
{
    (void)state;
    sg_model *model = model_make("bp");
    sg_error err = {0};
    assert_true(sg_model_set_precision(model, NULL, &err));
    assert_int_equal(model->precision, SG_F32);
    assert_false(sg_model_set_precision(model, "f16", &err));
    assert_int_equal(err.code, SG_ERR_USAGE);
    assert_non_null(strstr(err.message, "'f16'"));
    assert_int_equal(model->precision, SG_F32);
    bool supported = sg_precision_supported(SG_BF16);
    assert_int_equal(sg_model_set_precision(model, "bf16", &err), supported);
    assert_int_equal(model->precision, supported ? SG_BF16 : SG_F32);
    assert_true(sg_model_set_precision(model, "f32", &err) && model->precision == SG_F32);
    assert_true(sg_model_set_precision(model, "auto", &err));
    assert_int_equal(model->precision, sg_precision_pays() ? SG_BF16 : SG_F32);
    assert_true(supported || !sg_precision_pays());
    model->precision = SG_BF16; /* its own is checked too */
    assert_int_equal(sg_model_set_precision(model, NULL, &err), supported);
    if (!supported) assert_int_equal(err.code, SG_ERR_UNSUPPORTED);
    assert_int_equal(model->precision, SG_BF16);
    sg_model_free(model);
}

/* ---- saving ---- */

static void test_refuses_to_save(void **state)
{
    (void)state;
    sg_model *model = model_make("bp");
    sg_error err = {0};
    save(model, "a");
    float *w = model->params->block + model->params->tensors[0].offset;
    *w = NAN;
    assert_false(sg_model_save(model, "a", &err));
    assert_non_null(strstr(err.message, "tensor 'conv1.weight': number 0 is not finite"));
    *w = 0.0f;
    assert_true(sg_kv_set(&model->notes, "where", "\xff", NULL));
    assert_false(sg_model_save(model, "a", &err));
    assert_int_equal(err.code, SG_ERR_USAGE);
    sg_kv_remove(&model->notes, "where");
    assert_false(sg_model_save(model, "nowhere/a", &err));
    assert_int_equal(err.code, SG_ERR_IO);
    sg_model_free(load("a")); /* still there */
    sg_model_free(model);
    static const char *const latin[] = {"a", "b", "\xe9t\xe9"};
    assert_false(sg_model_new(&model, &lenet, latin, &err));
    assert_non_null(strstr(err.message, "class 2 is not UTF-8"));
    assert_null(model);
}

static void test_full_disk(void **state)
{
    (void)state;
    sg_model *model = model_make("bp");
    save(model, "a");
    model->params->block[0] = 5.0f;
    struct rlimit before, small = {20000, 20000};
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    sg_error err = {0};
    bool ok = sg_model_save(model, "a", &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, handler);
    assert_false(ok);
    assert_int_equal(err.code, SG_ERR_IO);
    assert_non_null(strstr(err.message, "a: "));
    sg_model *back = load("a");
    assert_true(back->params->block[0] != 5.0f);
    char **names;
    size_t n;
    assert_true(sg_dir_list(&names, &n, ".", NULL));
    assert_int_equal(n, 1); /* no temporary is left */
    sg_names_free(names, n);
    sg_model_free(back);
    sg_model_free(model);
}

static void test_memory(void **state)
{
    (void)state;
    sg_model *model = model_make("frsf"), *back;
    assert_survives_allocation_failures(sg_model_save(model, "a", &err));
    assert_survives_allocation_failures(sg_model_check(model, &err));
    sg_model_free(model);
    assert_survives_allocation_failures(sg_model_new(&model, &lenet, classes, &err));
    sg_model_free(model);
    assert_survives_allocation_failures(sg_model_load(&back, "a", &err));
    sg_model_free(back);
}

/* ---- taking weights ---- */

static sg_model *plain(const char *arch, int64_t channels, int64_t size, sg_head head, int64_t outputs)
{
    sg_net_spec spec = {.arch = arch,
                        .channels = channels,
                        .height = size,
                        .width = size,
                        .head = head,
                        .outputs = outputs,
                        .std = {1, 1, 1}};
    sg_model *model;
    sg_error err = {0};
    if (!sg_model_new(&model, &spec, NULL, &err)) fail_msg("%s", err.message);
    return model;
}

static void check_taken(const sg_model *to, const sg_model *from, bool head)
{
    for (size_t i = 0; i < to->params->ntensors; i++) {
        const sg_tensor *t = &to->params->tensors[i], *f = sg_params_find(from->params, t->name);
        const float *values = to->params->block + t->offset;
        if (!t->head || head)
            assert_memory_equal(values, from->params->block + f->offset, t->size * sizeof(float));
        else
            for (size_t k = 0; k < t->size; k++) assert_true(values[k] == 0.0f);
    }
}

static void test_take(void **state)
{
    (void)state;
    sg_error err = {0};
    bool head;
    sg_model *from = plain("resnet20", 1, 28, SG_HEAD_CLASSIFIER, 10);
    fill(from->params);
    sg_model *hash = plain("resnet20", 1, 28, SG_HEAD_HASH, 32),
             *more = plain("resnet20", 1, 28, SG_HEAD_CLASSIFIER, 12);
    sg_model *same = plain("resnet20", 1, 32, SG_HEAD_CLASSIFIER, 10),
             *colour = plain("resnet20", 3, 28, SG_HEAD_HASH, 32);
    sg_model *other = plain("lenet", 1, 32, SG_HEAD_CLASSIFIER, 10),
             *body = plain("resnet20", 1, 28, SG_HEAD_FEATURES, 0);
    assert_true(sg_model_take(body, from, &head, &err) && !head);
    check_taken(body, from, false);
    assert_true(sg_model_take(hash, from, &head, &err) && !head);
    check_taken(hash, from, false);
    assert_true(sg_model_take(more, from, &head, &err) && !head);
    check_taken(more, from, false);
    assert_true(sg_model_take(same, from, &head, &err) && head);
    check_taken(same, from, true);
    assert_false(sg_model_take(colour, from, &head, &err));
    assert_int_equal(err.code, SG_ERR_MISMATCH);
    assert_non_null(strstr(err.message, "conv1.weight"));
    assert_false(sg_model_take(other, from, &head, &err));
    assert_int_equal(err.code, SG_ERR_MISMATCH);
    assert_non_null(strstr(err.message, "resnet20"));
    sg_model *all[] = {from, hash, more, same, colour, other, body};
    for (size_t i = 0; i < 7; i++) sg_model_free(all[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_round_trip),
        scratch_test(test_scales),
        scratch_test(test_hash),
        scratch_test(test_fingerprint),
        scratch_test(test_ways),
        scratch_test(test_precision),
        cmocka_unit_test(test_set_precision),
        scratch_test(test_refuses_to_save),
        scratch_test(test_full_disk),
        scratch_test(test_memory),
        scratch_test(test_take),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
