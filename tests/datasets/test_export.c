#include "datasets/pictures.h"

#include <signal.h>
#include <signet/dataset.h>
#include <signet/export.h>
#include <signet/interrupt.h>
#include <sys/resource.h>

static sg_dataset *open_set(const char *spec, const char *data_dir)
{
    sg_dataset *ds;
    sg_error err = {0};
    if (!sg_dataset_open(&ds, spec, data_dir, &err)) fail_msg("%s", err.message);
    return ds;
}

static void export_part(const sg_dataset *ds, const uint32_t *items, size_t n, const char *part,
                        const char *format)
{
    sg_error err = {0};
    if (!sg_export(ds, items, n, part, "out", format, 0, NULL, NULL, &err)) fail_msg("%s", err.message);
}

static void assert_text(const char *path, const char *text)
{
    size_t nbytes;
    char *bytes = get_file(path, &nbytes);
    assert_string_equal(bytes, text);
    sg_free(bytes);
}

static void count_progress(void *data, size_t done)
{
    size_t *last = data;
    assert_int_equal(done, *last + 1);
    *last = done;
}

/* Two parts into one folder are a set for list: with the same images, labels and order. */
static void test_round_trip(void **state)
{
    (void)state;
    static const uint32_t train[] = {13, 2, 7, 39}, query[] = {59, 40};
    sg_dataset *ds = open_set("fashion-mnist", fixture("idx"));
    size_t done = 0;
    assert_true(sg_export(ds, train, 4, "train", "out", "png", 0, count_progress, &done, NULL));
    assert_int_equal(done, 4);
    export_part(ds, query, 2, "query", "png");
    assert_text("out/train.txt", "Dress/train-13.png 3\nPullover/train-2.png 2\nSneaker/train-7.png 7\n"
                                 "Ankle boot/train-39.png 9\n");
    assert_text("out/query.txt", "Ankle boot/test-19.png 9\nT-shirt-top/test-0.png 0\n");

    sg_dataset *back = open_set("list:out", NULL);
    assert_int_equal(sg_dataset_size(back), 6);
    assert_int_equal(sg_dataset_labels(back)->classes, 10);
    assert_string_equal(sg_dataset_classes(back)[0], "T-shirt/top");
    for (size_t i = 0; i < 6; i++) {
        uint32_t item = i < 4 ? train[i] : query[i - 4];
        sg_image a, b;
        assert_true(sg_dataset_load(&a, ds, item, NULL, NULL));
        assert_true(sg_dataset_load(&b, back, i, NULL, NULL));
        assert_same_image(&b, &a, sg_dataset_item_name(back, i));
        assert_int_equal(sg_dataset_labels(back)->ids[i], sg_dataset_labels(ds)->ids[item]);
        assert_int_equal(sg_dataset_subsets(back, i), i < 4 ? SG_SUBSET_TRAIN : SG_SUBSET_QUERY);
        sg_image_clear(&a);
        sg_image_clear(&b);
    }
    sg_dataset_close(back);

    back = open_set("folder:out", NULL); /* and the folders are classes */
    assert_int_equal(sg_dataset_labels(back)->classes, 5);
    assert_int_equal(sg_dataset_size(back), 6);
    sg_dataset_close(back);
    sg_dataset_close(ds);
}

static void test_jpeg(void **state)
{
    (void)state;
    static const uint32_t items[] = {5};
    sg_dataset *ds = open_set("fashion-mnist", fixture("idx"));
    export_part(ds, items, 1, "query", "jpeg");
    assert_text("out/query.txt", "Sandal/train-5.jpg 5\n");
    sg_image image;
    assert_true(sg_image_load(&image, "out/Sandal/train-5.jpg", NULL, NULL));
    assert_int_equal(image.channels, 1);
    assert_int_equal(image.width, 28);
    assert_true(abs(image.pixels[400] - 5) <= 2);
    sg_image_clear(&image);
    sg_dataset_close(ds);
}

/* Names that meet when made safe stay apart. */
static void test_names(void **state)
{
    (void)state;
    static const char *const paths[] = {"d/.x~",
                                        "d/a b/1.png",
                                        "d/a b/1.jpg",
                                        "d/a b/deep/2.png",
                                        "d/a b/deep-2.png",
                                        "d/c\x01/\xff.png",
                                        "d/c\x02/\xfe.png",
                                        "d/c\x02/\xc3\xa9.png"};
    assert_true(sg_mkdirs("d/a b/deep", NULL));
    assert_true(sg_mkdirs("d/c\x01", NULL));
    assert_true(sg_mkdirs("d/c\x02", NULL));
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        assert_true(sg_file_copy(fixture("images/rgb8.png"), paths[i], NULL));
    sg_dataset *ds = open_set("folder:d", NULL);
    assert_int_equal(sg_dataset_size(ds), 7);
    uint32_t items[7] = {0, 1, 2, 3, 4, 5, 6};
    export_part(ds, items, 7, "database", "png");
    assert_text("out/database.txt", "a b/a b-1~0.png 0\na b/a b-1~1.png 0\na b/a b-deep-2~2.png 0\n"
                                    "a b/a b-deep-2~3.png 0\nc_~1/c_-_~4.png 1\nc_~2/c_-\xc3\xa9.png 2\n"
                                    "c_~2/c_-_~6.png 2\n");
    sg_dataset *back = open_set("list:out", NULL);
    assert_int_equal(sg_dataset_size(back), 7);
    for (size_t i = 0; i < 7; i++) {
        sg_image image;
        assert_true(sg_dataset_load(&image, back, i, NULL, NULL));
        sg_image_clear(&image);
    }
    sg_dataset_close(back);
    sg_dataset_close(ds);
}

static void test_without_a_class(void **state)
{
    (void)state;
    assert_true(sg_mkdirs("d", NULL));
    assert_true(sg_file_copy(fixture("images/rgb8.png"), "d/a.png", NULL));
    scratch_put("train.txt", "d/a.png 1 0 1\n", 14);
    sg_dataset *ds = open_set("list:.", NULL);
    uint32_t items[] = {0};
    export_part(ds, items, 1, "train", "png");
    assert_text("out/train.txt", "d-a.png 1 0 1\n");
    sg_dataset_close(ds);
    ds = open_set("folder:d", NULL);
    export_part(ds, items, 1, "query", "png");
    assert_text("out/query.txt", "a.png\n");
    assert_true(sg_path_exists("out/a.png"));
    sg_dataset_close(ds);
}

/* A set of classes with an image outside them. */
static void test_stray(void **state)
{
    (void)state;
    assert_true(sg_mkdirs("d/c", NULL));
    assert_true(sg_file_copy(fixture("images/rgb8.png"), "d/c/a.png", NULL));
    assert_true(sg_file_copy(fixture("images/rgb8.png"), "d/b.png", NULL));
    sg_dataset *ds = open_set("folder:d", NULL);
    export_part(ds, (uint32_t[]){0, 1}, 2, "database", "png");
    assert_text("out/database.txt", "b.png\nc/c-a.png 0\n");
    sg_dataset *back = open_set("list:out", NULL);
    assert_memory_equal(sg_dataset_labels(back)->ids, ((int32_t[]){-1, 0}), 8);
    sg_dataset_close(back);
    sg_dataset_close(ds);
}

static void test_long_name(void **state)
{
    (void)state;
    char line[700];
    memset(line, 'x', sizeof line);
    memcpy(line, "/abs/", 5);
    strcpy(line + 690, ".png 0");
    scratch_put("train.txt", line, strlen(line));
    sg_dataset *ds = open_set("list:.", NULL);
    sg_error err = {0};
    uint32_t items[] = {0};
    assert_false(
        sg_export(ds, items, 1, "train", "out", "png", 0, NULL, NULL, &err)); /* the source is not there */
    assert_int_equal(err.code, SG_ERR_IO);
    sg_dataset_close(ds);
}

static void test_errors(void **state)
{
    (void)state;
    sg_dataset *ds = open_set("fashion-mnist", fixture("idx"));
    sg_error err = {0};
    uint32_t items[] = {0, 1};
    assert_false(sg_export(ds, items, 1, "query", "out", "gif", 0, NULL, NULL, &err));
    assert_message(err, SG_ERR_USAGE, "no format 'gif' to export (png, jpeg)");
    scratch_put("file", "", 0);
    assert_false(sg_export(ds, items, 1, "query", "file", "png", 0, NULL, NULL, &err));
    assert_message(err, SG_ERR_IO, "file");
    sg_interrupt_set(true);
    bool ok = sg_export(ds, items, 2, "query", "out", "png", 0, NULL, NULL, &err);
    sg_interrupt_set(false);
    assert_false(ok);
    assert_int_equal(err.code, SG_ERR_INTERRUPTED);
    assert_false(sg_path_exists("out/query.txt"));
    sg_dataset_close(ds);
}

/* A file that cannot be written, or not whole: it is named, nothing half-written stays, and there is no list. */
static void test_unwritable(void **state)
{
    (void)state;
    sg_dataset *ds = open_set("fashion-mnist", fixture("idx"));
    sg_error err = {0};
    uint32_t items[] = {5};
    assert_true(sg_mkdirs("out/Sandal/train-5.png", NULL));
    assert_false(sg_export(ds, items, 1, "query", "out", "png", 0, NULL, NULL, &err));
    assert_message(err, SG_ERR_IO, "out/Sandal/train-5.png: is there already");

    struct rlimit before, tiny; /* a file size limit fails writes as a full disk does */
    getrlimit(RLIMIT_FSIZE, &before);
    tiny = before;
    tiny.rlim_cur = 40;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &tiny);
    bool ok = sg_export(ds, items, 1, "query", "out", "jpeg", 0, NULL, NULL, &err);
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, SIG_DFL);
    assert_false(ok);
    assert_message(err, SG_ERR_IO, "out/Sandal/train-5.jpg: cannot write");
    assert_false(sg_path_exists("out/Sandal/train-5.jpg"));
    assert_false(sg_path_exists("out/query.txt"));
    sg_dataset_close(ds);
}

static bool export_once(const sg_dataset *ds, sg_error *err)
{
    uint32_t items[] = {0};
    return sg_export(ds, items, 1, "query", "out", "jpeg", 0, NULL, NULL, err);
}

static void test_memory_runs_out(void **state)
{
    (void)state;
    sg_dataset *ds = open_set("fashion-mnist", fixture("idx"));
    assert_survives_allocation_failures(export_once(ds, &err));
    sg_dataset_close(ds);
}

int main(void)
{
    fixture("");
    const struct CMUnitTest tests[] = {
        scratch_test(test_round_trip),      scratch_test(test_jpeg),       scratch_test(test_names),
        scratch_test(test_without_a_class), scratch_test(test_long_name),  scratch_test(test_stray),
        scratch_test(test_errors),          scratch_test(test_unwritable), scratch_test(test_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
