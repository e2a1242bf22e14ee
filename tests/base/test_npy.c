#include "scratch.h"

#include <math.h>
#include <signet/file.h>
#include <signet/npy.h>

#define FIXTURES "fixtures/base/"

static char fixtures[4200]; /* the folder's absolute path, with a slash */

static const char *fixture(const char *name)
{
    static char path[4300];
    snprintf(path, sizeof path, "%s%s.npy", fixtures, name);
    return path;
}

static sg_npy read_fixture(const char *name)
{
    sg_npy npy;
    sg_error err = {0};
    if (!sg_npy_read(&npy, fixture(name), &err)) fail_msg("%s", err.message);
    return npy;
}

/* Element k is 21 k, less 20 where signed (bool: k divides by 3). See fixtures/base.py. */
static void test_reads_what_numpy_wrote(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        sg_npy_type type;
        int ndim, shift;
    } cases[] = {
        {"u1", SG_NPY_U8, 2, 0},         {"u2", SG_NPY_I64, 2, 0},      {"u4", SG_NPY_I64, 2, 0},
        {"i2", SG_NPY_I64, 2, -20},      {"i4", SG_NPY_I64, 2, -20},    {"i8", SG_NPY_I64, 2, -20},
        {"f4", SG_NPY_F32, 2, -20},      {"f8", SG_NPY_F32, 2, -20},    {"u1_1d", SG_NPY_U8, 1, 0},
        {"f4_1d", SG_NPY_F32, 1, -20},   {"i8_1d", SG_NPY_I64, 1, -20}, {"version2", SG_NPY_F32, 2, -20},
        {"version3", SG_NPY_I64, 2, -20}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sg_npy npy = read_fixture(cases[i].name);
        assert_int_equal(npy.type, cases[i].type);
        assert_int_equal(npy.ndim, cases[i].ndim);
        assert_int_equal(npy.rows, npy.ndim == 2 ? 3 : 12);
        assert_int_equal(npy.cols, npy.ndim == 2 ? 4 : 1);
        for (int k = 0; k < 12; k++) {
            int expected = 21 * k + cases[i].shift;
            if (npy.type == SG_NPY_U8) assert_int_equal(((uint8_t *)npy.data)[k], expected);
            if (npy.type == SG_NPY_I64) assert_int_equal(((int64_t *)npy.data)[k], expected);
            if (npy.type == SG_NPY_F32) assert_true(((float *)npy.data)[k] == (float)expected);
        }
        sg_npy_clear(&npy);
        assert_null(npy.data);
    }
}

static void test_special_values(void **state)
{
    (void)state;
    sg_npy npy = read_fixture("b1");
    assert_int_equal(npy.type, SG_NPY_U8);
    for (int k = 0; k < 12; k++) assert_int_equal(((uint8_t *)npy.data)[k], k % 3 == 0);
    sg_npy_clear(&npy);
    npy = read_fixture("i8_limits");
    static const int64_t limits[] = {INT64_MIN, -1, ((int64_t)1 << 53) + 1, INT64_MAX};
    assert_memory_equal(npy.data, limits, sizeof limits);
    sg_npy_clear(&npy);
    npy = read_fixture("f4_special");
    const float *f = npy.data,
                special[] = {0.0f, -0.0f, INFINITY, -INFINITY, NAN, 0x1p-149f, 0x1.fffffep127f};
    for (int i = 0; i < 7; i++) assert_true(i == 4 ? isnan(f[i]) : memcmp(&f[i], &special[i], 4) == 0);
    sg_npy_clear(&npy);
    npy = read_fixture("f8_narrow");
    const float *g = npy.data;
    assert_true(g[0] == 0.1f && g[1] == INFINITY && g[2] == -INFINITY && g[3] == 0);
    sg_npy_clear(&npy);
    npy = read_fixture("empty");
    assert_true(npy.rows == 0 && npy.cols == 8 && npy.data);
    sg_npy_clear(&npy);
    npy = read_fixture("empty_1d");
    assert_true(npy.rows == 0 && npy.cols == 1 && npy.ndim == 1);
    sg_npy_clear(&npy);
}

static void test_refuses(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"no_fortran", "not in C order (numpy.ascontiguousarray helps)"},
        {"no_big_endian", "an element type that signet does not read"},
        {"no_complex", "an element type that signet does not read"},
        {"no_struct", "an element type that signet does not read"},
        {"no_text", "an element type that signet does not read"},
        {"no_3d", "not of one or two dimensions"},
        {"no_0d", "not of one or two dimensions"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sg_npy npy;
        char expected[4500];
        sg_error err = {0};
        assert_false(sg_npy_read(&npy, fixture(cases[i][0]), &err));
        assert_null(npy.data);
        assert_int_equal(err.code, SG_ERR_FORMAT);
        snprintf(expected, sizeof expected, "%s: %s", fixture(cases[i][0]), cases[i][1]);
        assert_string_equal(err.message, expected);
    }
}

/* Our files are numpy's, byte for byte. */
static void test_writes_as_numpy_does(void **state)
{
    (void)state;
    static const char *const names[] = {"u1",    "i8",    "f4",       "u1_1d",    "i8_1d",
                                        "f4_1d", "empty", "empty_1d", "i8_limits"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *theirs, *ours;
        size_t n, m;
        sg_error err = {0};
        sg_npy npy = read_fixture(names[i]);
        assert_true(sg_npy_write("ours.npy", npy.type, npy.ndim, npy.rows, npy.cols, npy.data, &err));
        assert_true(sg_file_read(&theirs, &n, fixture(names[i]), 1 << 20, &err));
        assert_true(sg_file_read(&ours, &m, "ours.npy", 1 << 20, &err));
        assert_int_equal(n, m);
        assert_memory_equal(ours, theirs, n);
        sg_free(ours);
        sg_free(theirs);
        sg_npy_clear(&npy);
    }
    sg_error err = {0};
    assert_false(sg_npy_write("none/x.npy", SG_NPY_U8, 1, 1, 1, "x", &err));
    assert_int_equal(err.code, SG_ERR_IO);
}

static void test_every_truncation_fails(void **state)
{
    (void)state;
    static const char *const names[] = {"f4", "version2"};
    for (size_t i = 0; i < 2; i++) {
        char *bytes;
        size_t n;
        assert_true(sg_file_read(&bytes, &n, fixture(names[i]), 1 << 20, NULL));
        for (size_t cut = 0; cut <= n + 1; cut++) {
            sg_npy npy;
            sg_error err = {0};
            scratch_put("cut.npy", bytes, cut);
            bool ok = sg_npy_read(&npy, "cut.npy", &err);
            assert_int_equal(ok, cut == n);
            if (!ok) assert_int_equal(err.code, SG_ERR_FORMAT);
            sg_npy_clear(&npy);
        }
        sg_free(bytes);
    }
}

/* Every bit of the header flipped, and every byte made a digit, a quote or a bracket: an error, or an array
 * whose size is that of the file. */
static void test_every_byte_of_the_header_changed(void **state)
{
    (void)state;
    static const char instead[] = "09',(){}:\n\0\xff";
    static const char *const names[] = {"u1", "version2", "f4_1d"};
    for (size_t f = 0; f < 3; f++) {
        char *bytes;
        size_t n;
        assert_true(sg_file_read(&bytes, &n, fixture(names[f]), 1 << 20, NULL));
        for (size_t i = 0; i < 128; i++)
            for (size_t change = 0; change < 8 + sizeof instead - 1; change++) {
                char before = bytes[i];
                sg_npy npy;
                sg_error err = {0};
                bytes[i] = change < 8 ? (char)(before ^ 1 << change) : instead[change - 8];
                scratch_put("changed.npy", bytes, n);
                if (sg_npy_read(&npy, "changed.npy", &err)) {
                    volatile unsigned sum = 0; /* all of it is there */
                    size_t nbytes = npy.rows * npy.cols *
                                    (npy.type == SG_NPY_U8    ? 1
                                     : npy.type == SG_NPY_I64 ? 8
                                                              : 4);
                    for (size_t k = 0; k < nbytes; k++) sum += ((uint8_t *)npy.data)[k];
                } else {
                    assert_int_equal(err.code, SG_ERR_FORMAT);
                }
                sg_npy_clear(&npy);
                bytes[i] = before;
            }
        sg_free(bytes);
    }
}

static void test_odd_headers(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        bool ok;
    } cases[] = {
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (2, 2)}", true},
        {"{\"shape\":(2,2,),\"descr\":\"|u1\",\"fortran_order\":False,}\n", true},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (4,), }  ", true},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (4), }", false},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (), }", false},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (2, -2), }", false},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }", false},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (9223372036854775808, 2), }", false},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", false},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (2305843009213693952,), }", false},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999999999999, 0), }", false},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (4,), } x", false},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (4,), 'more': 1}", false},
        {"{'descr': '|u1', 'descr': '|u1', 'fortran_order': False, 'shape': (4,)}", false},
        {"{'descr': '|u1', 'fortran_order': False}", false},
        {"{'descr': '|u1' 'fortran_order': False, 'shape': (4,)}", false},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (4,)", false},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (4,),", false},
        {"{'descr': '|u1', 'fortran_order': 0, 'shape': (4,)}", false},
        {"{'descr': '|u1\", 'fortran_order': False, 'shape': (4,)}", false},
        {"{'a long key that is not known': 1}", false},
        {"{}", false},
        {"", false},
        {"[]", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char bytes[300] = "\x93NUMPY\x01\x00";
        size_t length = strlen(cases[i].header);
        sg_npy npy;
        bytes[8] = (char)length;
        memcpy(bytes + 10, cases[i].header, length);
        memcpy(bytes + 10 + length, "data", 4);
        scratch_put("odd.npy", bytes, 10 + length + 4);
        if (sg_npy_read(&npy, "odd.npy", NULL) != cases[i].ok) fail_msg("%s", cases[i].header);
        sg_npy_clear(&npy);
    }
}

static bool write_and_read(sg_error *err)
{
    sg_npy npy;
    static const float data[6];
    if (!sg_npy_write("x.npy", SG_NPY_F32, 2, 2, 3, data, err) || !sg_npy_read(&npy, "x.npy", err))
        return false;
    sg_npy_clear(&npy);
    return true;
}

static void test_without_memory(void **state)
{
    (void)state;
    assert_survives_allocation_failures(write_and_read(&err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_what_numpy_wrote),
        cmocka_unit_test(test_special_values),
        cmocka_unit_test(test_refuses),
        scratch_test(test_writes_as_numpy_does),
        scratch_test(test_every_truncation_fails),
        scratch_test(test_every_byte_of_the_header_changed),
        scratch_test(test_odd_headers),
        scratch_test(test_without_memory),
    };
    if (!getcwd(fixtures, 4096)) return 1;
    strcat(fixtures, "/" FIXTURES);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
