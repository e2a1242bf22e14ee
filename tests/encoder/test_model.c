/* Model files: what is written comes back, and nothing else is believed. Lies are told with right checksums, which
 * are computed here as docs/formats.md says. */
#include "base/scratch.h"

#include "encoder/safetensors_impl.h"
#include "encoder/sample.h"
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <signet/buf.h>
#include <signet/hash.h>
#include <signet/model.h>
#include <sys/resource.h>

static const sg_net_spec lenet = {.arch = "lenet",
                                  .channels = 1,
                                  .height = 32,
                                  .width = 32,
                                  .head = SG_HEAD_CLASSIFIER,
                                  .outputs = 3,
                                  .mean = {0.1f},
                                  .std = {0.3f}};
static const char *const classes[] = {"coat", "ankle \"boot\"", "\xc3\xa9t\xc3\xa9"};

static void fill(sg_params *params)
{
    for (uint32_t t = 0; t < params->ntensors; t++)
        for (uint32_t i = 0; i < params->tensors[t].size; i++)
            params->block[params->tensors[t].offset + i] = sample_number(t, i);
}

/* A lenet with everything set; `rule` for its feedback. */
static sg_model *model_make(const char *rule)
{
    sg_model *model;
    sg_error err = {0};
    if (!sg_model_new(&model, &lenet, classes, &err)) fail_msg("%s", err.message);
    fill(model->params);
    sg_feedback_clear(&model->feedback);
    assert_true(sg_feedback_init(&model->feedback, rule, "norm", UINT64_MAX - 4, model->params, &err));
    model->feedback.exact_head = true;
    model->preprocess.resize = 40;
    assert_true(sg_kv_set(&model->notes, "protocol", "made\nup", &err));
    return model;
}

static void save(sg_model *model, const char *path)
{
    sg_error err = {0};
    if (!sg_model_save(model, path, &err)) fail_msg("%s", err.message);
}

static sg_model *load(const char *path)
{
    sg_model *model;
    sg_error err = {0};
    if (!sg_model_load(&model, path, &err)) fail_msg("%s", err.message);
    return model;
}

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

/* ---- lies ---- */

typedef struct forgery {
    sg_kv meta;
    sg_st_tensor tensors[16];
    size_t n;
    unsigned char *data;
    size_t nbytes;
} forgery;

static void forge_start(forgery *f)
{
    sg_model *model = model_make("brsf");
    sg_safetensors st;
    save(model, "good");
    sg_model_free(model);
    assert_true(sg_safetensors_open(&st, "good", NULL));
    *f = (forgery){.n = st.ntensors, .nbytes = st.data_nbytes};
    assert_true(sg_kv_copy(&f->meta, &st.metadata, NULL));
    for (size_t i = 0; i < st.ntensors; i++) {
        f->tensors[i] = st.tensors[i];
        f->tensors[i].name = sg_strdup(st.tensors[i].name);
    }
    f->data = sg_memdup(st.data, st.data_nbytes);
    sg_safetensors_close(&st);
}

/* Writes it with right checksums. */
static void forge_write(forgery *f, const char *path)
{
    sg_buf lines = SG_BUF_INIT;
    if (sg_kv_get(&f->meta, "signet.xxh3"))
        assert_true(sg_kv_setf(&f->meta, NULL, "signet.xxh3", "%016" PRIx64, sg_xxh3_64(f->data, f->nbytes)));
    for (size_t i = 0; i < f->meta.n; i++)
        if (strcmp(f->meta.pairs[i].key, "signet.header_xxh3") != 0)
            sg_buf_printf(&lines, "%s=%s\n", f->meta.pairs[i].key, f->meta.pairs[i].value);
    if (sg_kv_get(&f->meta, "signet.header_xxh3"))
        assert_true(sg_kv_setf(&f->meta, NULL, "signet.header_xxh3", "%016" PRIx64,
                               sg_xxh3_64(lines.data, lines.size)));
    assert_true(sg_safetensors_write(path, &f->meta, f->tensors, f->n, f->data, NULL));
    sg_buf_clear(&lines);
}

static void forge_end(forgery *f)
{
    for (size_t i = 0; i < f->n; i++) sg_free(f->tensors[i].name);
    sg_kv_clear(&f->meta);
    sg_free(f->data);
}

static void check_refused(const char *path, const char *word)
{
    sg_model *model = (sg_model *)1;
    sg_error err = {0};
    assert_false(sg_model_load(&model, path, &err));
    assert_null(model);
    assert_null(strchr(err.message, '\n'));
    assert_int_equal(strncmp(err.message, path, strlen(path)), 0);
    if (!strstr(err.message, word)) fail_msg("'%s' is not in '%s'", word, err.message);
}

static void test_metadata_lies(void **state)
{
    (void)state;
    static const char *const lies[][3] = {
        {"signet.format", NULL, "no model of signet"},
        {"signet.format", "2", "format '2'"},
        {"signet.arch", NULL, "signet.arch is missing"},
        {"signet.arch", "lenett", "unknown architecture 'lenett'"},
        {"signet.arch", "resnet20", "tensor '"},
        {"signet.head", "hush", "signet.head"},
        {"signet.head", "hash", "8"},
        {"signet.outputs", "0", "signet.outputs"},
        {"signet.outputs", "4", "fc2.weight"},
        {"signet.outputs", "99999999999999999999", "signet.outputs"},
        {"signet.outputs", "3.5", "signet.outputs"},
        {"signet.channels", "2", "signet.mean"},
        {"signet.channels", "-1", "signet.channels"},
        {"signet.height", "0", "signet.height"},
        {"signet.height", "2147483647", "lenet"},
        {"signet.width", NULL, "signet.width is missing"},
        {"signet.resize", "-1", "signet.resize"},
        {"signet.decode", "full", "signet.decode: 'full'"},
        {"signet.filter", "", "signet.filter: ''"},
        {"signet.orientation", "up", "signet.orientation: 'up'"},
        {"signet.precision", "auto", "signet.precision: 'auto'"},
        {"signet.precision", "", "signet.precision: ''"},
        {"signet.mean", "0.1,0.1", "signet.mean"},
        {"signet.mean", "", "signet.mean"},
        {"signet.mean", "nan", "signet.mean"},
        {"signet.mean", "1e39", "signet.mean"},
        {"signet.mean", "0.1111111111111111111111111111111111111111", "signet.mean"},
        {"signet.std", "0", "signet.std"},
        {"signet.std", "-1", "signet.std"},
        {"signet.std", NULL, "signet.std is missing"},
        {"signet.rule", "asf", "asf"},
        {"signet.rule", NULL, "signet.rule is missing"},
        {"signet.scale_kind", "big", "big"},
        {"signet.scale_kind", NULL, "signet.scale_kind is missing"},
        {"signet.feedback_seed", "x", "signet.feedback_seed"},
        {"signet.exact_head", "2", "signet.exact_head"},
        {"signet.scale.conv1.weight", NULL, "signet.scale.conv1.weight is missing"},
        {"signet.scale.fc2.weight", "-1", "signet.scale.fc2.weight"},
        {"signet.scale.fc2.weight", "1,1", "signet.scale.fc2.weight"},
        {"signet.classes", "[\"a\"]", "signet.classes"},
        {"signet.classes", "[\"a\",\"b\",3]", "name 2 is no text"},
        {"signet.classes", "{\"a\":1,", "JSON"},
        {"signet.fingerprint", NULL, "signet.fingerprint is missing"},
        {"signet.fingerprint", "abc", "signet.fingerprint"},
        {"signet.xxh3", NULL, "damaged: the tensors"},
        {"signet.header_xxh3", NULL, "damaged: the metadata"},
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        forgery f;
        forge_start(&f);
        if (lies[i][1])
            assert_true(sg_kv_set(&f.meta, lies[i][0], lies[i][1], NULL));
        else
            sg_kv_remove(&f.meta, lies[i][0]);
        forge_write(&f, "lie");
        check_refused("lie", lies[i][2]);
        forge_end(&f);
    }
}

static void test_tensor_lies(void **state)
{
    (void)state;
    forgery f;
    forge_start(&f);
    forge_write(&f, "lie"); /* no lie yet */
    sg_model_free(load("lie"));
    sg_st_tensor last = f.tensors[f.n - 1];
    f.nbytes -= last.nbytes; /* fc2.weight */
    f.n--;
    forge_write(&f, "lie");
    check_refused("lie", "tensor 'fc2.weight' is missing");
    f.n++;
    f.nbytes += last.nbytes;
    f.tensors[f.n] = last;
    f.tensors[f.n].name = sg_strdup("zzz");
    f.n++;
    f.nbytes += last.nbytes;
    f.data = sg_realloc(f.data, f.nbytes, 1);
    memset(f.data + f.nbytes - last.nbytes, 0, last.nbytes);
    forge_write(&f, "lie");
    check_refused("lie", "tensor 'zzz' belongs to no layer");
    sg_free(f.tensors[--f.n].name);
    f.nbytes -= last.nbytes;
    int64_t *dims = f.tensors[f.n - 1].dims, swap = dims[0];
    dims[0] = dims[1];
    dims[1] = swap;
    forge_write(&f, "lie");
    check_refused("lie", "tensor 'fc2.weight' has a shape");
    forge_end(&f);
    forge_start(&f);
    static const float nan_value = NAN;
    memcpy(f.data + 4, &nan_value, 4);
    forge_write(&f, "lie");
    check_refused("lie", "number 1 is not finite");
    forge_end(&f);
}

static void test_not_a_model(void **state)
{
    (void)state;
    check_refused("nowhere", "cannot open");
    scratch_put("empty", "", 0);
    check_refused("empty", "too short");
    scratch_put("text", "a model, honestly", 17);
    check_refused("text", "too long");
    check_refused(".", "is a folder");
}

/* ---- damage ---- */

static uint64_t header_nbytes(const char *path)
{
    uint64_t length = 0;
    FILE *file = fopen(path, "rb");
    assert_true(file && fread(&length, sizeof length, 1, file) == 1);
    fclose(file);
    return 8 + length;
}

static void test_truncated(void **state)
{
    (void)state;
    sg_model *model = model_make("frsf");
    save(model, "a");
    sg_model_free(model);
    struct stat st;
    assert_int_equal(stat("a", &st), 0);
    off_t header = (off_t)header_nbytes("a");
    for (off_t size = st.st_size - 1; size >= 0; size -= size > header + 5000 ? 4999 : 1) {
        assert_int_equal(truncate("a", size), 0);
        check_refused("a", "");
    }
}

static void test_flipped(void **state)
{
    (void)state;
    static const unsigned char masks[] = {0x01, 0x20, 0xff};
    sg_model *model = model_make("frsf");
    save(model, "a");
    sg_model_free(model);
    off_t header = (off_t)header_nbytes("a");
    int fd = open("a", O_RDWR);
    struct stat st;
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    for (off_t at = 0; at < st.st_size; at += at < header ? 1 : 997)
        for (size_t m = 0; m < 3; m++) {
            unsigned char byte, flipped;
            assert_int_equal(pread(fd, &byte, 1, at), 1);
            flipped = byte ^ masks[m];
            assert_int_equal(pwrite(fd, &flipped, 1, at), 1);
            check_refused("a", "");
            assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        }
    close(fd);
    sg_model_free(load("a"));
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
        scratch_test(test_metadata_lies),
        scratch_test(test_tensor_lies),
        scratch_test(test_not_a_model),
        scratch_test(test_truncated),
        scratch_test(test_flipped),
        scratch_test(test_refuses_to_save),
        scratch_test(test_full_disk),
        scratch_test(test_memory),
        scratch_test(test_take),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
