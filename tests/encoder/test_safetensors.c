/* The safetensors reader against headers written here by hand, sound ones and lies; the writer against the format's
 * own definition. */
#include "base/scratch.h"
#include "encoder/safetensors_impl.h"
#include <inttypes.h>
#include <math.h>
#include <signet/buf.h>
#include <signet/json.h>

#define path "f.safetensors"

static void put_file(uint64_t length, const char *header, size_t header_nbytes, size_t data_nbytes)
{
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    fwrite(&length, sizeof length, 1, out);
    fwrite(header, 1, header_nbytes, out);
    for (size_t i = 0; i < data_nbytes; i++) fputc(0, out);
    assert_int_equal(fclose(out), 0);
}

static void check_refused(sg_code code, const char *word)
{
    sg_safetensors st;
    sg_error err = {0};
    assert_false(sg_safetensors_open(&st, path, &err));
    assert_int_equal(err.code, code);
    assert_null(strchr(err.message, '\n'));
    assert_non_null(strstr(err.message, path));
    if (!strstr(err.message, word)) fail_msg("'%s' is not in '%s'", word, err.message);
}

static void check_lie(const char *header, size_t data_nbytes, const char *word)
{
    put_file(strlen(header), header, strlen(header), data_nbytes);
    check_refused(SG_ERR_FORMAT, word);
}

#define AB                                                                                                   \
    "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[0,8]},"                                     \
    "\"b\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[8,20]}"

static void test_sound(void **state)
{
    (void)state;
    static const char *const headers[] = {
        AB "}", AB "}     ", AB ",\"__metadata__\":{\"k\":\"v\",\"signet.x\":\"\"}}",
        "{\"b\":{\"data_offsets\":[8,20],\"shape\":[3],\"dtype\":\"F32\"},"
        "\"a\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[0,8]}}"};
    for (size_t i = 0; i < 4; i++) {
        sg_safetensors st;
        sg_error err = {0};
        put_file(strlen(headers[i]), headers[i], strlen(headers[i]), 20);
        if (!sg_safetensors_open(&st, path, &err)) fail_msg("%s", err.message);
        assert_int_equal(st.ntensors, 2);
        const sg_st_tensor *a = sg_safetensors_find(&st, "a"), *b = sg_safetensors_find(&st, "b");
        assert_true(a && b && a->ndim == 2 && a->dims[0] == 2 && b->ndim == 1 && b->begin == 8 &&
                    b->nbytes == 12);
        assert_null(sg_safetensors_find(&st, "c"));
        if (i == 2) assert_string_equal(sg_kv_get(&st.metadata, "k"), "v");
        float values[3] = {1, 1, 1};
        assert_true(sg_safetensors_floats(values, &st, b, &err));
        assert_true(values[0] == 0.0f && values[2] == 0.0f);
        sg_safetensors_close(&st);
    }
}

static void test_lies(void **state)
{
    (void)state;
    check_lie(AB "}", 19, "20 bytes of tensors are announced and 19 are there");
    check_lie(AB "}", 21, "20 bytes of tensors are announced and 21 are there");
    check_lie("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}", 12, "a hole");
    check_lie("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
              "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}",
              12, "overlap");
    check_lie("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
              "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,16]}}",
              16, "twice");
    check_lie("{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", 8, "differ in size");
    check_lie("{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296,4],\"data_offsets\":[0,0]}}", 0,
              "overflows");
    check_lie("{\"a\":{\"dtype\":\"F32\",\"shape\":[9007199254740992,2048],\"data_offsets\":[0,0]}}", 0,
              "overflows");
    check_lie("{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", 8, "list of sizes");
    check_lie("{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,6]}}", 6, "list of sizes");
    check_lie("{\"a\":{\"dtype\":\"F32\",\"shape\":[\"2\"],\"data_offsets\":[0,8]}}", 8, "list of sizes");
    check_lie("{\"a\":{\"dtype\":\"F32\",\"shape\":{\"x\":2},\"data_offsets\":[0,8]}}", 8, "list of sizes");
    check_lie("{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,2],\"data_offsets\":[0,8]}}", 8,
              "list of sizes");
    check_lie("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", 8, "no range");
    check_lie("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[-8,0]}}", 8, "no range");
    check_lie("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,1e300]}}", 8, "no range");
    check_lie("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}}", 8, "'a'");
    check_lie("{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, "'a'");
    check_lie("{\"a\":{\"dtype\":3,\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "'a'");
    check_lie("{\"a\":[]}", 8, "'a'");
    check_lie("{\"a\":null}", 8, "'a'");
    check_lie("{\"__metadata__\":{\"k\":3}}", 0, "not texts");
    check_lie("{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0, "twice");
    check_lie("{\"__metadata__\":[\"k\"]}", 0, "not texts");
    check_lie("[]", 0, "no header");
    check_lie(" {}", 0, "no header");
    check_lie("{}\t", 0, "no header");
    check_lie("      ", 0, "no header");
    check_lie("{]}", 0, "header");
    check_lie("{} {}", 0, "header");
}

/* Other numbers are told and sized, but only F32 are a model's. */
static void test_dtype(void **state)
{
    (void)state;
    static const char half[] = "{\"fc.w\":{\"dtype\":\"BF16\",\"shape\":[4],\"data_offsets\":[0,8]}}";
    static const char other[] = "{\"fc.w\":{\"dtype\":\"F8_E5M2\",\"shape\":[8],\"data_offsets\":[0,8]}}";
    sg_safetensors st;
    sg_error err = {0};
    float values[4];
    put_file(strlen(half), half, strlen(half), 8);
    assert_true(sg_safetensors_open(&st, path, &err));
    assert_string_equal(st.tensors[0].dtype->name, "bf16");
    assert_false(sg_safetensors_floats(values, &st, &st.tensors[0], &err));
    assert_int_equal(err.code, SG_ERR_UNSUPPORTED);
    assert_string_equal(err.message, "tensor 'fc.w' is BF16; a model's are F32");
    sg_safetensors_close(&st);
    check_lie("{\"a\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "differ in size");
    put_file(strlen(other), other, strlen(other), 8);
    check_refused(SG_ERR_UNSUPPORTED, "tensor 'fc.w' is F8_E5M2");
}

static void test_length(void **state)
{
    (void)state;
    static const uint64_t lengths[] = {3,          (uint64_t)16 << 20, ((uint64_t)16 << 20) + 1,
                                       UINT64_MAX, UINT64_MAX - 7,     (uint64_t)1 << 63};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        put_file(lengths[i], "{}", 2, 0);
        check_refused(SG_ERR_FORMAT, lengths[i] <= (uint64_t)16 << 20 ? "cut off" : "too long");
    }
    static const char header[] = AB "}";
    for (size_t n = 0; n < strlen(header); n++) {
        put_file(strlen(header), header, n, 0);
        check_refused(SG_ERR_FORMAT, "");
    }
    for (off_t n = 0; n < 8; n++) {
        put_file(2, "{}", 2, 0);
        assert_int_equal(truncate(path, n), 0);
        check_refused(SG_ERR_FORMAT, "too short");
    }
}

/* Ten thousand tensors open at once; more are refused before anything is made of them. */
static void test_many(void **state)
{
    (void)state;
    for (size_t n = 9999; n <= 10001; n += 2) {
        sg_buf header = SG_BUF_INIT;
        sg_safetensors st;
        for (size_t i = 0; i < n; i++)
            sg_buf_printf(&header, "%c\"t%zu\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[%zu,%zu]}",
                          i ? ',' : '{', i, 4 * i, 4 * i + 4);
        sg_buf_puts(&header, "}");
        put_file(header.size, header.data, header.size, 4 * n);
        if (n < 10000) {
            assert_true(sg_safetensors_open(&st, path, NULL));
            assert_int_equal(st.ntensors, n);
            sg_safetensors_close(&st);
        } else {
            check_refused(SG_ERR_FORMAT, "more tensors");
        }
        sg_buf_clear(&header);
    }
}

static void test_not_finite(void **state)
{
    (void)state;
    float data[5] = {1, 2, 3, 4, 5};
    sg_st_tensor tensors[2] = {{.name = "a", .ndim = 2, .dims = {2, 1}, .nbytes = 8},
                               {.name = "b", .ndim = 1, .dims = {3}, .nbytes = 12}};
    const sg_kv none = SG_KV_INIT;
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 3; i++) {
        sg_safetensors st;
        sg_error err = {0};
        float values[3];
        data[4] = bad[i];
        assert_true(sg_safetensors_write(path, &none, tensors, 2, data, &err));
        assert_true(sg_safetensors_open(&st, path, &err));
        assert_true(sg_safetensors_floats(values, &st, sg_safetensors_find(&st, "a"), &err));
        assert_false(sg_safetensors_floats(values, &st, sg_safetensors_find(&st, "b"), &err));
        assert_non_null(strstr(err.message, "tensor 'b': number 2 is not finite"));
        sg_safetensors_close(&st);
    }
}

/* As https://github.com/huggingface/safetensors defines it: N (u64), N bytes of JSON beginning with '{' and padded
 * with spaces, then the data; offsets from their start. */
static void test_written(void **state)
{
    (void)state;
    const float data[5] = {1, 2, 3, 4, 5};
    sg_st_tensor tensors[2] = {{.name = "a", .ndim = 2, .dims = {2, 1}, .nbytes = 8},
                               {.name = "b\"\xc3\xa9", .ndim = 1, .dims = {3}, .nbytes = 12}};
    sg_kv meta = SG_KV_INIT;
    assert_true(sg_kv_set(&meta, "note", "two\nlines", NULL) && sg_kv_set(&meta, "arch", "x", NULL));
    sg_error err = {0};
    assert_true(sg_safetensors_write(path, &meta, tensors, 2, data, &err));
    char *bytes;
    size_t nbytes;
    uint64_t length;
    assert_true(sg_file_read(&bytes, &nbytes, path, 1 << 20, &err));
    memcpy(&length, bytes, 8);
    assert_int_equal(length % 8, 0);
    assert_int_equal(8 + length + sizeof data, nbytes);
    assert_memory_equal(bytes + 8 + length, data, sizeof data);
    sg_json *json;
    assert_int_equal(bytes[8], '{');
    assert_true(sg_json_parse(&json, bytes + 8, length, &err));
    assert_string_equal(sg_json_string(sg_json_get(sg_json_get(json, "__metadata__"), "note")), "two\nlines");
    const sg_json *b = sg_json_get(json, tensors[1].name);
    int64_t end;
    assert_string_equal(sg_json_string(sg_json_get(b, "dtype")), "F32");
    assert_true(sg_json_int(&end, sg_json_at(sg_json_get(b, "data_offsets"), 1)) && end == 20);
    sg_json_free(json);
    sg_free(bytes);
    sg_safetensors st;
    assert_true(sg_safetensors_open(&st, path, &err));
    assert_non_null(sg_safetensors_find(&st, tensors[1].name));
    sg_safetensors_close(&st);
    sg_kv_clear(&meta);
    assert_false(sg_safetensors_open(&st, "/nonexistent/f", &err));
    assert_int_equal(err.code, SG_ERR_IO);
    assert_false(sg_safetensors_write("/nonexistent/f", &meta, tensors, 2, data, &err));
    assert_int_equal(err.code, SG_ERR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_sound),   scratch_test(test_lies), scratch_test(test_dtype),
        scratch_test(test_length),  scratch_test(test_many), scratch_test(test_not_finite),
        scratch_test(test_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
