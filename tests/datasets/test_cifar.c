#include "datasets/pictures.h"

#include <signet/dataset.h>

enum { IMAGE_NBYTES = 3072 };

/* What the test writes as byte `at` of the planes of image `number`. */
static uint8_t plane_byte(int number, int at)
{
    return (uint8_t)(number * 37 + at / 1024 * 85 + at % 1024 * 7 + at % 1024 / 32);
}

/* n records from number `first` on: the labels' bytes of label(s) first + i modulo their classes, then the planes. */
static void put_records(const char *path, int nlabels, int first, int n)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    for (int i = first; i < first + n; i++) {
        if (nlabels == 2) fputc(i % 20, file);
        fputc(i % (nlabels == 2 ? 100 : 10), file);
        for (int at = 0; at < IMAGE_NBYTES; at++) fputc(plane_byte(i, at), file);
    }
    assert_int_equal(fclose(file), 0);
}

static void put_text(const char *path, const char *text)
{
    scratch_put(path, text, strlen(text));
}

/* CIFAR-10 with 4, 1, 1, 2, 3 and 5 records, of numbers from 0 on. */
static void put_cifar10(const char *dir)
{
    static const int counts[] = {4, 1, 1, 2, 3, 5};
    char path[64];
    assert_true(sg_mkdirs(dir, NULL));
    for (int i = 0, first = 0; i < 6; first += counts[i++]) {
        if (i < 5)
            snprintf(path, sizeof path, "%s/data_batch_%d.bin", dir, i + 1);
        else
            snprintf(path, sizeof path, "%s/test_batch.bin", dir);
        put_records(path, 1, first, counts[i]);
    }
    snprintf(path, sizeof path, "%s/batches.meta.txt", dir);
    put_text(path, "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n");
}

static void put_cifar100(const char *dir)
{
    char path[64];
    assert_true(sg_mkdirs(dir, NULL));
    snprintf(path, sizeof path, "%s/train.bin", dir);
    put_records(path, 2, 95, 7);
    snprintf(path, sizeof path, "%s/test.bin", dir);
    put_records(path, 2, 3, 2);
    snprintf(path, sizeof path, "%s/fine_label_names.txt", dir);
    FILE *file = fopen(path, "w");
    for (int i = 0; i < 100; i++) fprintf(file, "fine%d\n", i);
    fclose(file);
}

static sg_dataset *open_set(const char *spec, const char *dir)
{
    sg_dataset *ds;
    sg_error err = {0};
    if (!sg_dataset_open(&ds, spec, dir, &err)) fail_msg("%s", err.message);
    assert_string_equal(sg_dataset_name(ds), spec);
    return ds;
}

static void check_item(const sg_dataset *ds, size_t item, const char *name, unsigned subset, int cls,
                       int number)
{
    sg_image image;
    assert_string_equal(sg_dataset_item_name(ds, item), name);
    assert_null(sg_dataset_item_path(ds, item));
    assert_int_equal(sg_dataset_subsets(ds, item), subset);
    assert_int_equal(sg_dataset_labels(ds)->ids[item], cls);
    assert_true(sg_dataset_load(&image, ds, item, NULL, NULL));
    assert_int_equal(image.width, 32);
    assert_int_equal(image.height, 32);
    assert_int_equal(image.channels, 3);
    for (int y = 0; y < 32; y++)
        for (int x = 0; x < 32; x++)
            for (int c = 0; c < 3; c++)
                assert_int_equal(image.pixels[(y * 32 + x) * 3 + c],
                                 plane_byte(number, c * 1024 + y * 32 + x));
    sg_image_clear(&image);
}

static void test_cifar10(void **state)
{
    (void)state;
    put_cifar10("d/cifar-10-batches-bin");
    static const char *const dirs[] = {"d", "d/cifar-10-batches-bin"};
    for (int k = 0; k < 2; k++) {
        sg_dataset *ds = open_set("cifar10", dirs[k]);
        assert_int_equal(sg_dataset_size(ds), 16);
        assert_int_equal(sg_dataset_labels(ds)->n, 16);
        assert_int_equal(sg_dataset_labels(ds)->classes, 10);
        assert_string_equal(sg_dataset_classes(ds)[0], "airplane");
        assert_string_equal(sg_dataset_classes(ds)[9], "truck");
        for (int i = 0; i < 16; i++) {
            char name[32];
            snprintf(name, sizeof name, i < 11 ? "train/%d" : "test/%d", i < 11 ? i : i - 11);
            check_item(ds, (size_t)i, name, i < 11 ? SG_SUBSET_TRAIN : SG_SUBSET_QUERY, i % 10, i);
        }
        sg_dataset_close(ds);
    }
}

static void test_cifar100(void **state)
{
    (void)state;
    put_cifar100("d/cifar-100-binary");
    sg_dataset *ds = open_set("cifar100", "d");
    assert_int_equal(sg_dataset_size(ds), 9);
    assert_int_equal(sg_dataset_labels(ds)->classes, 100);
    assert_string_equal(sg_dataset_classes(ds)[42], "fine42");
    check_item(ds, 0, "train/0", SG_SUBSET_TRAIN, 95, 95);
    check_item(ds, 6, "train/6", SG_SUBSET_TRAIN, 1, 101);
    check_item(ds, 8, "test/1", SG_SUBSET_QUERY, 4, 4);
    sg_dataset_close(ds);
}

static void assert_refused(const char *spec, const char *dir, sg_code code, const char *text)
{
    sg_dataset *ds;
    sg_error err = {0};
    assert_false(sg_dataset_open(&ds, spec, dir, &err));
    assert_null(ds);
    assert_message(err, code, text);
}

static void test_refused(void **state)
{
    (void)state;
    assert_refused("cifar10", NULL, SG_ERR_USAGE, "cifar10: say where its files lie with --data-dir");
    assert_refused("cifar100", "nosuch", SG_ERR_NOT_FOUND, "nosuch/fine_label_names.txt is not there");
    put_cifar10("d");
    remove("d/data_batch_4.bin");
    assert_refused("cifar10", "d", SG_ERR_NOT_FOUND, "d/data_batch_4.bin is not there");
    put_text("d/data_batch_4.bin", "");
    assert_refused("cifar10", "d", SG_ERR_FORMAT,
                   "data_batch_4.bin: 0 bytes are no whole number of records of 3073");
    put_records("d/data_batch_4.bin", 2, 0, 2);
    assert_refused("cifar10", "d", SG_ERR_FORMAT, "6148 bytes are no whole number of records of 3073 bytes");
    put_cifar10("d");
    FILE *file = fopen("d/test_batch.bin", "r+b");
    fseek(file, 2 * 3073, SEEK_SET);
    fputc(10, file);
    fclose(file);
    assert_refused("cifar10", "d", SG_ERR_FORMAT,
                   "d/test_batch.bin: the label of record 2 is 10, not 0 to 9");
    put_cifar10("d");
    put_text("d/batches.meta.txt", "one\ntwo\n");
    assert_refused("cifar10", "d", SG_ERR_FORMAT, "d/batches.meta.txt: 2 names of classes, not 10");
    put_text("d/batches.meta.txt", "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n");
    assert_refused("cifar10", "d", SG_ERR_FORMAT, "11 names of classes, not 10");

    put_cifar100("e");
    static const struct {
        long at;
        int value;
        const char *text;
    } cases[] = {{3074, 20, "e/test.bin: the coarse label of record 1 is 20, not 0 to 19"},
                 {1, 100, "e/test.bin: the fine label of record 0 is 100, not 0 to 99"}};
    for (int i = 0; i < 2; i++) {
        put_cifar100("e");
        file = fopen("e/test.bin", "r+b");
        fseek(file, cases[i].at, SEEK_SET);
        fputc(cases[i].value, file);
        fclose(file);
        assert_refused("cifar100", "e", SG_ERR_FORMAT, cases[i].text);
    }
}

static bool open_once(const char *spec, const char *dir, sg_error *err)
{
    sg_dataset *ds;
    if (!sg_dataset_open(&ds, spec, dir, err)) return false;
    sg_dataset_close(ds);
    return true;
}

static void test_memory_runs_out(void **state)
{
    (void)state;
    put_cifar10("d");
    put_cifar100("e");
    assert_survives_allocation_failures(open_once("cifar10", "d", &err));
    assert_survives_allocation_failures(open_once("cifar100", "e", &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_cifar10),
        scratch_test(test_cifar100),
        scratch_test(test_refused),
        scratch_test(test_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
