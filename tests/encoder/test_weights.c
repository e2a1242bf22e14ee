/* Files of PyTorch and foreign safetensors against what numpy says they hold (tests/fixtures/encoder/weights.py), and
 * hostile ones: cut at every length, every byte changed, pickles that no state_dict is, archives that lie. */
#include "base/scratch.h"
#include "encoder/pickle_impl.h"
#include "encoder/weight_files.h"
#include "encoder/weights_impl.h"

#include <fcntl.h>
#include <math.h>
#include <signet/buf.h>
#include <signet/file.h>
#include <signet/json.h>
#include <sys/resource.h>
#include <sys/stat.h>

static sg_weights *open_weights(const char *path)
{
    sg_weights *w;
    sg_error err = {0};
    if (!sg_weights_open(&w, path, &err)) fail_msg("%s", err.message);
    return w;
}

static void check_refused(const char *path, const char *word)
{
    sg_error err = {0};
    if (read_all(path, &err)) fail_msg("%s: taken, without '%s'", path, word);
    assert_null(strchr(err.message, '\n'));
    assert_int_equal(strncmp(err.message, path, strlen(path)), 0);
    if (!strstr(err.message, word)) fail_msg("'%s' is not in '%s'", word, err.message);
}

/* ---- against numpy ---- */

static void check_tensor(sg_weights *w, size_t i, const sg_json *expected)
{
    const sg_weight *t = sg_weights_at(w, i);
    const sg_json *shape = sg_json_get(expected, "shape"), *values = sg_json_get(expected, "values");
    assert_string_equal(t->dtype, sg_json_string(sg_json_get(expected, "dtype")));
    assert_int_equal(t->ndim, sg_json_size(shape));
    size_t size = 1;
    for (int d = 0; d < t->ndim; d++) {
        int64_t dim;
        assert_true(sg_json_int(&dim, sg_json_at(shape, (size_t)d)));
        assert_int_equal(t->dims[d], dim);
        size *= (size_t)dim;
    }
    assert_int_equal(t->size, size);
    float *read = malloc((size + 1) * sizeof *read);
    sg_error err = {0};
    if (!t->floats) {
        assert_false(sg_weights_read(read, w, i, &err));
        assert_int_equal(err.code, SG_ERR_UNSUPPORTED);
    } else {
        if (!sg_weights_read(read, w, i, &err)) fail_msg("%s", err.message);
        assert_int_equal(sg_json_size(values), size);
        for (size_t k = 0; k < size; k++) {
            double value;
            assert_true(sg_json_number(&value, sg_json_at(values, k)));
            if (read[k] != (float)value || !signbit(read[k]) != !signbit(value))
                fail_msg("%s[%zu] is %.9g, not %.9g", t->name, k, (double)read[k], value);
        }
    }
    free(read);
}

static void test_expected(void **state)
{
    (void)state;
    char *text;
    size_t nbytes;
    sg_json *json;
    assert_true(sg_file_read(&text, &nbytes, fixture("expected.json"), 1 << 20, NULL));
    assert_true(sg_json_parse(&json, text, nbytes, NULL));
    assert_int_equal(sg_json_size(json), 7);
    for (size_t f = 0; f < sg_json_size(json); f++) {
        const sg_json *file = sg_json_at(json, f);
        sg_weights *w = open_weights(fixture(sg_json_key(json, f)));
        assert_false(sg_weights_is_model(w));
        assert_string_equal(sg_weights_format(w), strstr(sg_json_key(json, f), "older")
                                                      ? "PyTorch (older format)"
                                                      : "PyTorch (zip)");
        assert_int_equal(sg_weights_count(w), sg_json_size(file));
        for (size_t i = 0; i < sg_weights_count(w); i++) {
            assert_string_equal(sg_weights_at(w, i)->name, sg_json_key(file, i));
            check_tensor(w, i, sg_json_at(file, i));
        }
        sg_weights_close(w);
    }
    sg_json_free(json);
    sg_free(text);
}

/* Written here by hand: every dtype, and an empty tensor whose other dimension is absurd. */
static void test_safetensors(void **state)
{
    (void)state;
    static const char header[] = "{\"a\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,4]},"
                                 "\"b\":{\"dtype\":\"BF16\",\"shape\":[1,2],\"data_offsets\":[4,8]},"
                                 "\"c\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[8,16]},"
                                 "\"d\":{\"dtype\":\"F32\",\"shape\":[0,9007199254740992,9007199254740992],"
                                 "\"data_offsets\":[16,16]},"
                                 "\"e\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[16,24]}}  ";
    const unsigned char data[24] = {0x00, 0x3c, 0x01, 0x80, 0x80, 0x3f, 0xc0, 0xc0, 1, 0, 0,    0,
                                    0,    0,    0,    0,    0,    0,    0,    0,    0, 0, 0xf8, 0x3f};
    const uint64_t length = strlen(header);
    FILE *out = fopen("f", "wb");
    fwrite(&length, 8, 1, out);
    fwrite(header, length, 1, out);
    fwrite(data, sizeof data, 1, out);
    fclose(out);
    sg_weights *w = open_weights("f");
    float values[2];
    assert_string_equal(sg_weights_format(w), "safetensors");
    assert_int_equal(sg_weights_count(w), 5);
    assert_true(sg_weights_read(values, w, 0, NULL) && values[0] == 1.0f && values[1] == -0x1p-24f);
    assert_true(sg_weights_read(values, w, 1, NULL) && values[0] == 1.0f && values[1] == -6.0f);
    assert_false(sg_weights_at(w, 2)->floats);
    assert_int_equal(sg_weights_at(w, 3)->size, 0);
    assert_true(sg_weights_read(values, w, 4, NULL) && values[0] == 1.5f);
    sg_weights_close(w);
}

/* ---- hostile bytes ---- */

static void test_cut(void **state)
{
    (void)state;
    for (size_t f = 0; f < 4; f++) {
        size_t nbytes;
        sg_free(copy_fixture(&nbytes, victims[f]));
        while (nbytes-- > 0) {
            assert_int_equal(truncate("f", (off_t)nbytes), 0);
            check_refused("f", "");
        }
    }
    size_t nbytes;
    char *bytes = copy_fixture(&nbytes, "older.pth");
    bytes[nbytes] = 'x'; /* where sg_file_read has its NUL */
    scratch_put("f", bytes, nbytes + 1);
    check_refused("f", "1 bytes behind the last storage");
    sg_free(bytes);
}

/* Each byte in turn becomes `way` of itself; whether that is seen depends on the byte. */
static void flip_all(const char *name, unsigned char way)
{
    size_t nbytes;
    char *bytes = copy_fixture(&nbytes, name);
    int file = open("f", O_WRONLY);
    for (size_t i = 0; i < nbytes; i++) {
        put_byte(file, i, (char)(bytes[i] ^ way));
        check_survived();
        put_byte(file, i, bytes[i]);
    }
    close(file);
    sg_free(bytes);
}

static void test_flipped(void **state)
{
    (void)state;
    for (size_t f = 0; f < 4; f++) {
        flip_all(victims[f], 0xff);
        flip_all(victims[f], 0x01);
        flip_all(victims[f], 0x80);
    }
}

/* ---- hostile pickles, in the older format ---- */

#define FRONT                                                                                                \
    "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."                                              \
    "\x80\x02M\xe9\x03."                                                                                     \
    "\x80\x02}X\x0d\0\0\0little_endian\x88s."

static void put_pickle(const char *pickle, size_t nbytes)
{
    FILE *out = fopen("f", "wb");
    assert_non_null(out);
    fwrite(FRONT, 1, sizeof FRONT - 1, out);
    fwrite(pickle, 1, nbytes, out);
    fclose(out);
}

/* A string literal with zeros in it. */
#define check_pickle(pickle, word)                                                                           \
    do {                                                                                                     \
        put_pickle(pickle, sizeof pickle - 1);                                                               \
        check_refused("f", word);                                                                            \
    } while (0)

#define ID(key, size) "(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0" key "X\x03\0\0\0cpu" size "NtQ"
#define TENSOR(id, offset, dims, strides)                                                                    \
    "ctorch._utils\n_rebuild_tensor_v2\n(" id offset dims strides "\x89}tR"
#define KEYS(key) "\x80\x02]X\x01\0\0\0" key "a."
#define NO_KEYS   "\x80\x02]."
#define NUMBER    "\x01\0\0\0\0\0\0\0\0\0\x80?" /* a storage of the one number 1 */

static void test_no_code(void **state)
{
    (void)state;
    check_pickle("\x80\x02"
                 "cos\nsystem\nX\x04\0\0\0true\x85R.",
                 "byte 47: opcode GLOBAL: os.system is nothing that weights need");
    check_pickle("cbuiltins\neval\nX\x01\0\0\0\x31\x85R.", "builtins.eval is nothing");
    check_pickle("c__builtin__\neval\n.", "__builtin__.eval is nothing");
    check_pickle("ctorch\nload\n.", "torch.load is nothing");
    check_pickle("ctorch.hub\nFloatStorage\n.", "torch.hub.FloatStorage is nothing");
    check_pickle("c\n\n.", "opcode GLOBAL: . is nothing");
    check_pickle("cos\x1b[2J\nsystem\n.", "is nothing that weights need");
    check_pickle("(ios\nsystem\n.", "byte 46: opcode INST is nothing that weights need");
    check_pickle("X\x02\0\0\0osX\x06\0\0\0system\x93.", "opcode STACK_GLOBAL is nothing");
    check_pickle(")\x81.", "opcode NEWOBJ is nothing");
    check_pickle("\x82\x01.", "opcode EXT1 is nothing");
    check_pickle("\x80\x04\x95.", "pickle protocol 4; signet reads 2");
    check_pickle("\xff.", "byte 45: 0xff is no opcode");
    check_pickle("ccollections\nOrderedDict\n." NO_KEYS, "no state_dict");
    check_pickle("K\x01)R.", "a call of what cannot be called");
    check_pickle("ctorch\nFloatStorage\n)R.", "a call of what cannot be called");
    check_pickle("ccollections\nOrderedDict\nK\x01\x85R.", "OrderedDict of no list of pairs");
    check_pickle("ctorch._utils\n_rebuild_tensor_v2\n)R.", "a tensor of no storage");
    check_pickle("ctorch._utils\n_rebuild_parameter\nK\x01K\x01K\x01\x87R.", "a parameter of no tensor");
    check_pickle("X\x03\0\0\0abcQ.", "a persistent object that is no storage");
    check_pickle("(X\x06\0\0\0modulectorch\nFloatStorage\nX\x01\0\0\0kX\x03\0\0\0cpuK\x01tQ.", "no storage");
    check_pickle(ID("k", "J\xff\xff\xff\xff") ".", "a storage of a size below 0");
}

static void test_stack(void **state)
{
    (void)state;
    check_pickle(".", "opcode STOP: too little on the stack");
    check_pickle("NN.", "more than one value");
    check_pickle("(.", "too little on the stack");
    check_pickle("t.", "no mark");
    check_pickle("(N\x86.", "too little on the stack");
    check_pickle("q\x01.", "too little on the stack");
    check_pickle("(q\x01.", "too little on the stack");
    check_pickle("h\x01.", "memo 1 was never set");
    check_pickle("Nr\xff\xff\xff\xff.", "memo 4294967295 is too large");
    check_pickle("NNa.", "no list to add to");
    check_pickle("NNNs.", "no dict to add to");
    check_pickle("}(Nu.", "a key without a value");
    check_pickle("NNb.", "attributes of what has none");
    check_pickle("X\xff\xff\xff\xffxx.", "cut off");
    check_pickle("\x8b\xff\xff\xff\xff.", "cut off");
    check_pickle("cos", "cut off");
    check_pickle("", "cut off");
    check_pickle("N." NO_KEYS, "no state_dict");
    check_pickle("}q\0X\x05\0\0\0modelh\0s." NO_KEYS, "no state_dict"); /* holds itself */
}

static void test_tensors(void **state)
{
    (void)state;
#define ONE(offset, dims, strides)                                                                           \
    "}X\x01\0\0\0a" TENSOR(ID("k", "K\x01"), offset, dims, strides) "s." KEYS("k") NUMBER
    put_pickle(ONE("K\0", ")", ")"), sizeof ONE("K\0", ")", ")") - 1);
    sg_weights *w = open_weights("f");
    float value;
    assert_true(sg_weights_read(&value, w, 0, NULL) && value == 1.0f);
    sg_weights_close(w);
    check_pickle(ONE("K\x01", ")", ")"), "tensor 'a' reaches out of its storage");
    check_pickle(ONE("J\xff\xff\xff\xff", ")", ")"), "tensor 'a' reaches out of its storage");
    check_pickle(ONE("K\0", "K\x02\x85", "K\x01\x85"), "tensor 'a' reaches out");
    check_pickle(ONE("K\0", "K\x01\x85", ")"), "tensor 'a' has no shape");
    check_pickle(ONE("K\0", "N\x85", "K\x01\x85"), "tensor 'a' has no shape");
    check_pickle(ONE("K\0", "J\xff\xff\xff\xff\x85", "K\x01\x85"), "tensor 'a' reaches out");
    check_pickle(ONE("K\0", "K\x02\x85", "J\xff\xff\xff\xff\x85"), "tensor 'a' reaches out");
    /* 2^62 numbers, of stride 0 and of stride 4. */
#define HUGE_DIM "\x8a\x08\0\0\0\0\0\0\0\x40\x85"
    check_pickle(ONE("K\0", HUGE_DIM, "K\0\x85"), "tensor 'a' reaches out");
    check_pickle(ONE("K\0", HUGE_DIM, "K\x04\x85"), "tensor 'a' reaches out");
    check_pickle(ONE("K\0", "(K\0K\0K\0K\0K\0K\0K\0K\0K\0t", "(K\0K\0K\0K\0K\0K\0K\0K\0K\0t"),
                 "has no shape");
    check_pickle("}K\x01" TENSOR(ID("k", "K\x01"), "K\0", ")", ")") "s." KEYS("k") NUMBER, "name is no text");
    check_pickle("}X\x01\0\0\0\xff" TENSOR(ID("k", "K\x01"), "K\0", ")", ")") "s." KEYS("k") NUMBER,
                 "no text");
    check_pickle("}(X\x01\0\0\0a" TENSOR(ID("k", "K\x01"), "K\0", ")",
                                         ")") "q\x01X\x01\0\0\0ah\x01u." KEYS("k") NUMBER,
                 "tensor 'a' is there twice");
    /* Storages. */
    check_pickle("}X\x01\0\0\0a" TENSOR(ID("k", "\x8a\x08\0\0\0\0\0\0\0\x10"), "K\0", ")", ")") "s." KEYS("k")
                     NUMBER,
                 "cut off in storage 'k'");
    check_pickle("}X\x01\0\0\0a" TENSOR(ID("k", "\x8a\x08\0\0\0\0\0\0\0\x70"), "K\0", ")", ")") "s." KEYS("k")
                     NUMBER,
                 "storage 'k' claims 8070450532247928832 numbers");
    check_pickle("}X\x01\0\0\0a" TENSOR(ID("k", "K\x01"), "K\0", ")", ")") "s." KEYS("j") NUMBER,
                 "belongs to no");
    check_pickle("}X\x01\0\0\0a" TENSOR(ID("k", "K\x01"), "K\0", ")", ")") "s.\x80\x02]N"
                                                                           "a." NUMBER,
                 "belongs to");
    check_pickle("}X\x01\0\0\0a" TENSOR(ID("k", "K\x01"), "K\0", ")", ")") "s.\x80\x02].",
                 "storage 'k' is missing");
    check_pickle("}X\x01\0\0\0a" TENSOR(ID("k", "K\x01"), "K\0", ")", ")") "s.\x80\x02N.",
                 "no list of storages");
    check_pickle("}X\x01\0\0\0a" TENSOR(ID("k", "K\x01"), "K\0", ")",
                                        ")") "s." KEYS("k") "\x02\0\0\0\0\0\0\0\0\0\x80?",
                 "has 2 numbers, its tensors speak of 1");
    check_pickle("}X\x01\0\0\0a" TENSOR(ID("k", "K\x01"), "K\0", ")",
                                        ")") "s." KEYS("k") "\x01\0\0\0\0\0\0\0\0\0\x80\x7f",
                 "tensor 'a': number 0 is not finite");
    check_pickle("}(X\x01\0\0\0a" TENSOR(ID("k", "K\x01"), "K\0", ")", ")") "X\x01\0\0\0b" TENSOR(
                     ID("k", "K\x02"), "K\0", ")", ")") "u." KEYS("k") NUMBER,
                 "storage 'k' is said to be of several kinds or sizes");
}

static void test_front(void **state)
{
    (void)state;
    static const char wrong_version[] =
        "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe8\x03.";
    static const char big_endian[] =
        "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03."
        "\x80\x02}X\x0d\0\0\0little_endian\x89s.";
    scratch_put("f", wrong_version, sizeof wrong_version - 1);
    check_refused("f", "not version 1001");
    scratch_put("f", big_endian, sizeof big_endian - 1);
    check_refused("f", "not little-endian");
    scratch_put("f", "\x80\x04\x95\x0b\0\0\0\0\0\0\0\x8c\x07", 13);
    check_refused("f", "not a sound safetensors file");
    scratch_put("f", "\x80\x02}q\0X\x01\0\0\0", 10);
    check_refused("f", "a pickle, but not of torch.save");
    check_refused("/nonexistent/f", "cannot open");
    assert_int_equal(mkdir("folder", 0700), 0);
    check_refused("folder", "is a folder");
}

/* ---- bombs: small files that would grow ---- */

static double peak_mib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024;
}

static void put_repeated(sg_buf *buf, const char *bytes, size_t nbytes, size_t times)
{
    for (size_t i = 0; i < times; i++) sg_buf_put(buf, bytes, nbytes);
}

static void check_bomb(sg_buf *pickle, const char *word)
{
    double before = peak_mib();
    assert_true(sg_buf_ok(pickle));
    put_pickle(pickle->data, pickle->size);
    sg_buf_clear(pickle);
    check_refused("f", word);
    if (peak_mib() - before > 400) fail_msg("%s: %.0f MiB", word, peak_mib() - before);
}

static void test_bombs(void **state)
{
    (void)state;
    sg_buf b = SG_BUF_INIT;
    put_repeated(&b, "(", 1, 2000000); /* marks */
    check_bomb(&b, "more values than any weights need");
    put_repeated(&b, "N", 1, 2000000);
    check_bomb(&b, "more values than any weights need");
    put_repeated(&b, "]", 1, 1000); /* a list in a list in a list */
    put_repeated(&b, "a", 1, 999);
    put_repeated(&b, "." NO_KEYS, sizeof "." NO_KEYS - 1, 1);
    check_bomb(&b, "no state_dict");
    put_repeated(&b, "\x85", 1, 10); /* nothing to make a tuple of */
    check_bomb(&b, "too little on the stack");
    sg_buf_puts(&b, "N");
    put_repeated(&b, "\x85", 1, 500000); /* tuples in tuples */
    put_repeated(&b, "." NO_KEYS, sizeof "." NO_KEYS - 1, 1);
    check_bomb(&b, "no state_dict");
    /* One list of many, appended to itself again and again by way of the memo. */
    sg_buf_puts(&b, "]q\1(");
    put_repeated(&b, "h\1", 2, 500000);
    put_repeated(&b, "e." NO_KEYS, sizeof "e." NO_KEYS - 1, 1);
    check_bomb(&b, "no state_dict");
    /* A long list of pairs, made into a dict many times. */
    sg_buf_puts(&b, "NN\x86q\2]q\1(");
    put_repeated(&b, "h\2", 2, 300000);
    sg_buf_puts(&b, "e\x85q\3ccollections\nOrderedDict\nq\4");
    put_repeated(&b, "h\4h\3R", 5, 300000);
    check_bomb(&b, "more values than any weights need");
    put_repeated(&b, "X\xff\xff\xff\0", 5, 1);
    put_repeated(&b, "x", 1, 17000000);
    check_bomb(&b, "cut off");
}

/* ---- archives that lie ---- */

typedef struct bytes {
    char *data;
    size_t size;
} bytes;

static bytes load(const char *name)
{
    bytes b;
    assert_true(sg_file_read(&b.data, &b.size, fixture(name), 1 << 20, NULL));
    return b;
}

/* The n-th central record of a zip. */
static unsigned char *record(const bytes *b, size_t n)
{
    for (size_t i = 0; i + 4 <= b->size; i++)
        if (memcmp(b->data + i, "PK\1\2", 4) == 0 && n-- == 0) return (unsigned char *)b->data + i;
    return NULL;
}

static void put_archive(bytes *b)
{
    scratch_put("f", b->data, b->size);
    sg_free(b->data);
}

static void test_archives(void **state)
{
    (void)state;
    check_refused(fixture("deflated.pth"), "is compressed");
    bytes b = load("zip.pth"); /* record 1 is data/0: 32 bytes */
    memset(record(&b, 1) + 20, 0xff, 3);
    memset(record(&b, 1) + 24, 0xff, 3);
    put_archive(&b);
    check_refused("f", "its size is a lie");
    b = load("zip.pth"); /* compressed and uncompressed sizes differ */
    record(&b, 1)[24] = 31;
    put_archive(&b);
    check_refused("f", "its size is a lie");
    b = load("zip.pth"); /* smaller than its tensor */
    record(&b, 1)[20] = record(&b, 1)[24] = 31;
    put_archive(&b);
    check_refused("f", "storage '0' has 31 bytes, its tensors speak of 32");
    b = load("zip.pth"); /* its place is beyond the end */
    memset(record(&b, 1) + 42, 0x7f, 3);
    put_archive(&b);
    check_refused("f", "");
    b = load("zip.pth"); /* a number changed: the checksum tells */
    for (size_t i = 0; i + 4 <= b.size; i++)
        if (memcmp(b.data + i, "\0\0\xe8\x40", 4) == 0) b.data[i] = 1;
    put_archive(&b);
    check_refused("f", "CRC error");
    b = load("zip.pth"); /* another name for data.pkl */
    for (size_t i = 0; i + 8 <= b.size; i++)
        if (memcmp(b.data + i, "data.pkl", 8) == 0) memcpy(b.data + i, "date.pkl", 8);
    put_archive(&b);
    check_refused("f", "no data.pkl");
    b = load("zip.pth"); /* and another for data/0 */
    for (size_t i = 0; i + 6 <= b.size; i++)
        if (memcmp(b.data + i, "data/0", 6) == 0) memcpy(b.data + i, "data/x", 6);
    put_archive(&b);
    check_refused("f", "storage '0' is missing");
}

static void test_memory(void **state)
{
    (void)state;
    for (size_t f = 1; f < 4; f += 2) { /* libzip's own allocations are not counted */
        char path[4200];
        strcpy(path, fixture(victims[f]));
        assert_survives_allocation_failures(read_all(path, &err));
    }
    char path[4200];
    strcpy(path, fixture("zip.pth"));
    assert_survives_allocation_failures(read_all(path, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expected), scratch_test(test_safetensors), scratch_test(test_cut),
        scratch_test(test_flipped),      scratch_test(test_no_code),     scratch_test(test_stack),
        scratch_test(test_tensors),      scratch_test(test_front),       scratch_test(test_bombs),
        scratch_test(test_archives),     cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, find_fixtures, NULL);
}
