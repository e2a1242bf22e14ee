/* Codes and labels from .npy files. */
#include "base/scratch.h"

#include <signet/evaluate.h>
#include <signet/npy.h>

static void put(const char *path, sg_npy_type type, int ndim, size_t rows, size_t cols, const void *data)
{
    assert_true(sg_npy_write(path, type, ndim, rows, cols, data, NULL));
}

static const uint8_t codes[] = {1, 2, 3, 4, 5, 6}, rows[] = {1, 0, 0, 1, 1, 1};
static const int64_t ids[] = {4, -1, 0};
static const uint8_t small_ids[] = {4, 0, 2};

static void put_all(void)
{
    put("codes.npy", SG_NPY_U8, 2, 3, 2, codes);
    put("narrow.npy", SG_NPY_U8, 2, 6, 1, codes);
    put("flat.npy", SG_NPY_U8, 1, 6, 1, codes);
    put("ids.npy", SG_NPY_I64, 1, 3, 1, ids);
    put("small.npy", SG_NPY_U8, 1, 3, 1, small_ids);
    put("rows.npy", SG_NPY_U8, 2, 3, 2, rows);
    put("wide.npy", SG_NPY_U8, 2, 2, 3, rows);
}

static void test_class_numbers(void **state)
{
    (void)state;
    sg_coded_part part;
    put_all();
    assert_true(sg_coded_part_read(&part, "codes.npy", "ids.npy", NULL));
    assert_int_equal(part.n, 3);
    assert_int_equal(part.nbits, 16);
    assert_memory_equal(part.codes, codes, 6);
    assert_int_equal(part.labels.classes, 5);
    assert_int_equal(part.labels.ids[0], 4);
    assert_int_equal(part.labels.ids[1], -1);
    assert_int_equal(part.labels.ids[2], 0);
    sg_coded_part_clear(&part);
    assert_true(sg_coded_part_read(&part, "codes.npy", "small.npy", NULL));
    assert_null(part.labels.rows);
    assert_int_equal(part.labels.ids[2], 2);
    sg_coded_part_clear(&part);
}

static void test_rows(void **state)
{
    (void)state;
    sg_coded_part part;
    put_all();
    assert_true(sg_coded_part_read(&part, "codes.npy", "rows.npy", NULL));
    assert_null(part.labels.ids);
    assert_int_equal(part.labels.classes, 2);
    assert_memory_equal(part.labels.rows, rows, 6);
    sg_coded_part_clear(&part);
}

static void refused(const char *code_file, const char *label_file, sg_code code, const char *words)
{
    sg_coded_part part;
    sg_error err = {0};
    assert_false(sg_coded_part_read(&part, code_file, label_file, &err));
    assert_int_equal(err.code, code);
    if (!strstr(err.message, words)) fail_msg("'%s' lacks '%s'", err.message, words);
    assert_null(part.codes);
    assert_null(part.labels.ids);
}

static void test_broken(void **state)
{
    (void)state;
    const int64_t large[] = {1, INT64_C(1) << 40, 2};
    const uint8_t twos[] = {0, 1, 0, 2, 0, 1};
    const float real[] = {1, 2, 3};
    put_all();
    put("large.npy", SG_NPY_I64, 1, 3, 1, large);
    put("twos.npy", SG_NPY_U8, 2, 3, 2, twos);
    put("real.npy", SG_NPY_F32, 1, 3, 1, real);
    put("table.npy", SG_NPY_I64, 2, 3, 1, ids);
    refused("absent.npy", "ids.npy", SG_ERR_IO, "absent.npy");
    refused("codes.npy", "absent.npy", SG_ERR_IO, "absent.npy");
    refused("flat.npy", "ids.npy", SG_ERR_FORMAT, "flat.npy: codes must be uint8");
    refused("ids.npy", "ids.npy", SG_ERR_FORMAT, "ids.npy: codes must be uint8");
    refused("codes.npy", "real.npy", SG_ERR_FORMAT, "real.npy: labels must be");
    refused("codes.npy", "table.npy", SG_ERR_FORMAT, "table.npy: labels must be");
    refused("codes.npy", "large.npy", SG_ERR_FORMAT, "large.npy: label 1 is 1099511627776");
    refused("codes.npy", "twos.npy", SG_ERR_FORMAT, "twos.npy: row 1 of the labels holds 2");
    refused("narrow.npy", "ids.npy", SG_ERR_MISMATCH, "ids.npy has 3 labels, narrow.npy 6 codes");
    uint8_t *long_codes = calloc(1, 129);
    put("long.npy", SG_NPY_U8, 2, 1, 129, long_codes);
    free(long_codes);
    refused("long.npy", "ids.npy", SG_ERR_FORMAT, "long.npy: codes of 129 bytes");
}

static void sides_refused(sg_coded_files files, const char *words)
{
    sg_coded_part q, d;
    sg_error err = {0};
    assert_false(sg_coded_files_read(&q, &d, &files, &err));
    if (!strstr(err.message, words)) fail_msg("'%s' lacks '%s'", err.message, words);
    assert_null(q.codes);
    assert_null(d.codes);
}

static void test_sides(void **state)
{
    (void)state;
    sg_coded_part q, d;
    const int64_t six[] = {0, 1, 2, 3, 4, 5};
    put_all();
    put("six.npy", SG_NPY_I64, 1, 6, 1, six);
    put("two.npy", SG_NPY_U8, 2, 2, 2, codes);
    sg_coded_files files = {"codes.npy", "ids.npy", "codes.npy", "small.npy"};
    assert_true(sg_coded_files_read(&q, &d, &files, NULL));
    sg_coded_part_clear(&q);
    sg_coded_part_clear(&d);
    sides_refused((sg_coded_files){"codes.npy", "ids.npy", "narrow.npy", "six.npy"},
                  "codes.npy has codes of 16 bits, narrow.npy of 8");
    sides_refused((sg_coded_files){"codes.npy", "ids.npy", "codes.npy", "rows.npy"},
                  "ids.npy holds class numbers, rows.npy multi-hot rows");
    sides_refused((sg_coded_files){"codes.npy", "rows.npy", "two.npy", "wide.npy"},
                  "rows.npy has rows of 2 classes, wide.npy of 3");
    sides_refused((sg_coded_files){"codes.npy", "ids.npy", "absent.npy", "ids.npy"}, "absent.npy");
    sides_refused((sg_coded_files){"absent.npy", "ids.npy", "codes.npy", "ids.npy"}, "absent.npy");
}

static void test_out_of_memory(void **state)
{
    (void)state;
    sg_coded_part q, d;
    sg_coded_files files = {"codes.npy", "rows.npy", "codes.npy", "rows.npy"};
    put_all();
    assert_survives_allocation_failures(sg_coded_files_read(&q, &d, &files, &err));
    sg_coded_part_clear(&q);
    sg_coded_part_clear(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_class_numbers), scratch_test(test_rows),          scratch_test(test_broken),
        scratch_test(test_sides),         scratch_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
