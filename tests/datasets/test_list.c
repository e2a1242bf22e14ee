#include "datasets/pictures.h"

#include <signet/dataset.h>

static void put_text(const char *path, const char *text)
{
    scratch_put(path, text, strlen(text));
}

static sg_dataset *open_list(const char *data_dir)
{
    sg_dataset *ds;
    sg_error err = {0};
    if (!sg_dataset_open(&ds, "list:.", data_dir, &err)) fail_msg("%s", err.message);
    assert_string_equal(sg_dataset_name(ds), "list");
    return ds;
}

static void assert_refused(sg_code code, const char *text)
{
    sg_dataset *ds;
    sg_error err = {0};
    assert_false(sg_dataset_open(&ds, "list:.", NULL, &err));
    assert_null(ds);
    assert_message(err, code, text);
}

static void test_class_numbers(void **state)
{
    (void)state;
    put_text("train.txt", "a/1.png 0\n./b c/2 3.png 2\r\n\n  \t\n/abs/3.png\t1  \n");
    put_text("test.txt", "a/4.png 5");
    put_text("database.txt", "b c/2 3.png 2\na/1.png 0\n");
    put_text("val.txt", "a/1.png 0\n");
    sg_dataset *ds = open_list(NULL);
    static const struct {
        const char *name, *path;
        int cls;
        unsigned subsets;
    } items[] = {{"a/1.png", "./a/1.png", 0, SG_SUBSET_TRAIN | SG_SUBSET_DATABASE | SG_SUBSET_VAL},
                 {"b c/2 3.png", "./b c/2 3.png", 2, SG_SUBSET_TRAIN | SG_SUBSET_DATABASE},
                 {"/abs/3.png", "/abs/3.png", 1, SG_SUBSET_TRAIN},
                 {"a/4.png", "./a/4.png", 5, SG_SUBSET_QUERY}};
    assert_int_equal(sg_dataset_size(ds), 4);
    assert_int_equal(sg_dataset_labels(ds)->classes, 6);
    assert_string_equal(sg_dataset_classes(ds)[5], "5");
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(sg_dataset_item_name(ds, i), items[i].name);
        assert_string_equal(sg_dataset_item_path(ds, i), items[i].path);
        assert_int_equal(sg_dataset_labels(ds)->ids[i], items[i].cls);
        assert_int_equal(sg_dataset_subsets(ds, i), items[i].subsets);
    }
    sg_dataset_close(ds);
    ds = open_list("/data");
    assert_string_equal(sg_dataset_item_path(ds, 0), "/data/a/1.png");
    assert_string_equal(sg_dataset_item_path(ds, 2), "/abs/3.png");
    sg_dataset_close(ds);
}

static void test_rows(void **state)
{
    (void)state;
    put_text("train.txt", "a 1 0 1\nb 0 0 0\nc 7 0 1 0\n");
    put_text("query.txt", "d 1 1 1 1\n"); /* of three: the path is "d 1" */
    sg_dataset *ds = open_list(NULL);
    const sg_labels *labels = sg_dataset_labels(ds);
    assert_null(labels->ids);
    assert_int_equal(labels->classes, 3);
    assert_int_equal(labels->n, 4);
    assert_memory_equal(labels->rows, ((uint8_t[]){1, 0, 1, 0, 0, 0, 0, 1, 0, 1, 1, 1}), 12);
    assert_string_equal(sg_dataset_item_name(ds, 2), "c 7");
    assert_string_equal(sg_dataset_item_name(ds, 3), "d 1");
    sg_dataset_close(ds);
}

static void test_one_hot_rows_are_classes(void **state)
{
    (void)state;
    put_text("database.txt", "a 0 0 1\nb 1 0 0\n");
    sg_dataset *ds = open_list(NULL);
    const sg_labels *labels = sg_dataset_labels(ds);
    assert_null(labels->rows);
    assert_int_equal(labels->classes, 3);
    assert_int_equal(labels->ids[0], 2);
    assert_int_equal(labels->ids[1], 0);
    sg_dataset_close(ds);
}

static void test_unlabelled(void **state)
{
    (void)state;
    put_text("query.txt", "one.jpg\nno number.png\n17\n");
    sg_dataset *ds = open_list(NULL);
    assert_int_equal(sg_dataset_size(ds), 3);
    assert_int_equal(sg_dataset_labels(ds)->classes, 0);
    assert_int_equal(sg_dataset_labels(ds)->ids[1], -1);
    assert_string_equal(sg_dataset_item_name(ds, 2), "17");
    sg_dataset_close(ds);
}

/* A line without a label, before or after lines with a class number: an image without a class. */
static void test_partly_labelled(void **state)
{
    (void)state;
    put_text("train.txt", "a.png\nb.png 2\nc.png\nd 1 0\n");
    sg_dataset *ds = open_list(NULL);
    const sg_labels *labels = sg_dataset_labels(ds);
    assert_int_equal(labels->classes, 3);
    assert_memory_equal(labels->ids, ((int32_t[]){-1, 2, -1, 0}), 16);
    assert_string_equal(sg_dataset_item_name(ds, 3), "d 1");
    sg_dataset_close(ds);
}

static void test_class_names(void **state)
{
    (void)state;
    put_text("classes.txt", "ant eater\r\nbee\ncow\n");
    put_text("train.txt", "a 1\nb 0\n");
    sg_dataset *ds = open_list(NULL);
    assert_int_equal(sg_dataset_labels(ds)->classes, 3);
    assert_string_equal(sg_dataset_classes(ds)[0], "ant eater");
    assert_string_equal(sg_dataset_classes(ds)[2], "cow");
    sg_dataset_close(ds);
    put_text("train.txt", "a 3\nb 0\n");
    assert_refused(SG_ERR_FORMAT, "./classes.txt has 3 names for the 4 classes");
    put_text("train.txt", "a 1 1\nb 0 1\n");
    assert_refused(SG_ERR_FORMAT, "./classes.txt has 3 names for the 2 classes");
    put_text("train.txt", "a 1 1 0\nb 0 1 0\n");
    ds = open_list(NULL);
    assert_string_equal(sg_dataset_classes(ds)[1], "bee");
    sg_dataset_close(ds);
    put_text("train.txt", "a\nb\n"); /* nothing to name */
    ds = open_list(NULL);
    assert_int_equal(sg_dataset_labels(ds)->classes, 0);
    sg_dataset_close(ds);
}

static void test_many_items(void **state)
{
    (void)state;
    enum { N = 5000 };
    FILE *file = fopen("train.txt", "w");
    for (int i = 0; i < N; i++) fprintf(file, "folder/%d.jpg %d\n", i * 7919 % N, i * 7919 % N % 10);
    fclose(file);
    file = fopen("database.txt", "w");
    for (int i = 0; i < N; i++) fprintf(file, "folder/%d.jpg %d\n", i, i % 10);
    fclose(file);
    sg_dataset *ds = open_list(NULL);
    assert_int_equal(sg_dataset_size(ds), N);
    for (size_t i = 0; i < N; i++) {
        char name[32];
        snprintf(name, sizeof name, "folder/%zu.jpg", i * 7919 % N);
        assert_string_equal(sg_dataset_item_name(ds, i), name);
        assert_int_equal(sg_dataset_subsets(ds, i), SG_SUBSET_TRAIN | SG_SUBSET_DATABASE);
    }
    sg_dataset_close(ds);
}

static void test_errors(void **state)
{
    (void)state;
    assert_refused(SG_ERR_NOT_FOUND, "none of train.txt");
    put_text("train.txt", "\n\n");
    assert_refused(SG_ERR_FORMAT, "the lists are empty");
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"a 1 0\nb\n", "./train.txt:2: fewer labels than the first line"},
        {"a 1 0\nb 1\n", "./train.txt:2: fewer labels"},
        {"a\nb 1 0\n", "./train.txt:2: a row of labels, where the lines before have none"},
        {"a 1 0\nb 1 2\n", "./train.txt:2: a label of a row is neither 0 nor 1"},
        {"a 1\na 2\n", "./train.txt:2: 'a' has other labels than before"},
        {"a 1048576\n", "./train.txt:1: class number is larger"},
        {"a 1\n./ 1\n", "./train.txt:2: no path"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_text("train.txt", cases[i].text);
        assert_refused(SG_ERR_FORMAT, cases[i].message);
    }
    scratch_put("train.txt", "a\0b 1\n", 6);
    assert_refused(SG_ERR_FORMAT, "./train.txt:1: a byte of value 0");
    put_text("train.txt", "a 1\n");
    put_text("query.txt", "b 1\n");
    put_text("test.txt", "c 1\n");
    assert_refused(SG_ERR_USAGE, "both query.txt and test.txt");
}

static void test_missing_image(void **state)
{
    (void)state;
    put_text("train.txt", "absent.jpg 1\ntext.jpg 1\n");
    put_text("text.jpg", "text");
    sg_dataset *ds = open_list(NULL);
    sg_image image;
    sg_error err = {0};
    assert_false(sg_dataset_load(&image, ds, 0, NULL, &err));
    assert_message(err, SG_ERR_IO, "./absent.jpg");
    assert_false(sg_dataset_load(&image, ds, 1, NULL, &err));
    assert_message(err, SG_ERR_FORMAT, "./text.jpg: is no image");
    sg_dataset_close(ds);
}

static bool open_once(sg_error *err)
{
    sg_dataset *ds;
    if (!sg_dataset_open(&ds, "list:.", NULL, err)) return false;
    sg_dataset_close(ds);
    return true;
}

static void test_memory_runs_out(void **state)
{
    (void)state;
    put_text("train.txt", "a 1 0 1\nb 0 0 0\nc 0 1 0\n");
    put_text("classes.txt", "a\nb\nc\n");
    assert_survives_allocation_failures(open_once(&err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_class_numbers),
        scratch_test(test_rows),
        scratch_test(test_one_hot_rows_are_classes),
        scratch_test(test_unlabelled),
        scratch_test(test_class_names),
        scratch_test(test_partly_labelled),
        scratch_test(test_many_items),
        scratch_test(test_errors),
        scratch_test(test_missing_image),
        scratch_test(test_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
