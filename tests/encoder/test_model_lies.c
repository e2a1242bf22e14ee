/* Model files that lie or are damaged are not believed. Lies are told with right checksums, which are computed here as
 * docs/formats.md says. */
#include "encoder/model_files.h"

#include "encoder/safetensors_impl.h"
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <signet/buf.h>
#include <signet/hash.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_metadata_lies), scratch_test(test_tensor_lies), scratch_test(test_not_a_model),
        scratch_test(test_truncated),     scratch_test(test_flipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
