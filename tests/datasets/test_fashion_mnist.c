#include "datasets/pictures.h"

#include <signet/dataset.h>

/* The four files of the miniature, in the working folder. */
static void put_miniature(void)
{
    static const char *const names[] = {"train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz",
                                        "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"};
    for (int i = 0; i < 4; i++) {
        char path[64];
        snprintf(path, sizeof path, "idx/%s", names[i]);
        assert_true(sg_file_copy(fixture(path), names[i], NULL));
    }
}

static void test_contents(void **state)
{
    (void)state;
    sg_dataset *ds;
    sg_error err = {0};
    put_miniature();
    if (!sg_dataset_open(&ds, "fashion-mnist", ".", &err)) fail_msg("%s", err.message);
    assert_string_equal(sg_dataset_name(ds), "fashion-mnist");
    assert_int_equal(sg_dataset_size(ds), 60);
    assert_int_equal(sg_dataset_ignored(ds), 0);
    const sg_labels *labels = sg_dataset_labels(ds);
    assert_int_equal(labels->n, 60);
    assert_int_equal(labels->classes, 10);
    assert_string_equal(sg_dataset_classes(ds)[0], "T-shirt/top");
    assert_string_equal(sg_dataset_classes(ds)[9], "Ankle boot");
    for (size_t i = 0; i < 60; i++) {
        bool train = i < 40;
        char name[32];
        snprintf(name, sizeof name, "%s/%zu", train ? "train" : "test", train ? i : i - 40);
        assert_string_equal(sg_dataset_item_name(ds, i), name);
        assert_null(sg_dataset_item_path(ds, i));
        assert_int_equal(sg_dataset_subsets(ds, i), train ? SG_SUBSET_TRAIN : SG_SUBSET_QUERY);
        assert_int_equal(labels->ids[i], (train ? i : i - 40) % 10);
        for (int channels = 0; channels <= 3; channels += channels ? 2 : 1) {
            sg_image image;
            assert_true(sg_dataset_load(&image, ds, i, &(sg_decode_options){.channels = channels}, &err));
            assert_int_equal(image.width, 28);
            assert_int_equal(image.height, 28);
            assert_int_equal(image.channels, channels ? channels : 1);
            for (size_t k = 0; k < image_nbytes(&image); k++)
                assert_int_equal(image.pixels[k], k / (size_t)image.channels == 0 ? 255
                                                  : train                         ? i
                                                                                  : 200 + i - 40);
            sg_image_clear(&image);
        }
    }
    sg_dataset_close(ds);
}

static void assert_refused(sg_code code, const char *text)
{
    sg_dataset *ds;
    sg_error err = {0};
    assert_false(sg_dataset_open(&ds, "fashion-mnist", ".", &err));
    assert_null(ds);
    assert_message(err, code, text);
}

static void test_broken_files(void **state)
{
    (void)state;
    static const struct {
        const char *file, *text;
    } cases[] = {
        {"labels_magic", "./train-labels-idx1-ubyte.gz: no IDX file: magic number 01000801"},
        {"labels_type", "IDX type 0x09, not 0x08"},
        {"labels_dims", "2 dimensions, not 1"},
        {"labels_short", "header and size of the data differ (39 bytes of data)"},
        {"labels_long", "header and size of the data differ (41 bytes of data)"},
        {"labels_header", "IDX header ends early"},
        {"labels_ten", "train label 39 is 10, not 0 to 9"},
        {"labels_count", "40 train images but 39 labels"},
        {"labels_empty", "no IDX file: 0 bytes"},
        {"images_sides", "train images of 56 x 14 pixels, not 28 x 28"},
        {"images_overflow", "header and size of the data differ"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[64];
        put_miniature();
        snprintf(path, sizeof path, "idx/bad/%s.gz", cases[i].file);
        bool images = strncmp(cases[i].file, "images", 6) == 0;
        assert_true(sg_file_copy(fixture(path),
                                 images ? "train-images-idx3-ubyte.gz" : "train-labels-idx1-ubyte.gz", NULL));
        assert_refused(SG_ERR_FORMAT, cases[i].text);
    }
}

static void test_missing_file(void **state)
{
    (void)state;
    put_miniature();
    remove("t10k-labels-idx1-ubyte.gz");
    assert_refused(SG_ERR_NOT_FOUND, "./t10k-labels-idx1-ubyte.gz is not there: install");
}

/* Cut anywhere, any byte changed, bytes added: the file is named. A change may only be harmless in the gzip header's
 * time, system and flags of speed. */
static void test_broken_gzip(void **state)
{
    (void)state;
    const char *name = "train-labels-idx1-ubyte.gz";
    put_miniature();
    size_t nbytes;
    char *bytes = get_file(name, &nbytes);
    for (size_t n = 0; n < nbytes; n++) {
        scratch_put(name, bytes, n);
        assert_refused(SG_ERR_FORMAT, "./train-labels-idx1-ubyte.gz: gzip data end early");
    }
    for (size_t i = 0; i < nbytes; i++) {
        bytes[i] ^= 0x55;
        scratch_put(name, bytes, nbytes);
        sg_dataset *ds;
        sg_error err = {0};
        if (sg_dataset_open(&ds, "fashion-mnist", ".", &err)) {
            assert_in_range(i, 4, 9);
            sg_dataset_close(ds);
        } else {
            assert_message(err, SG_ERR_FORMAT, "./train-labels-idx1-ubyte.gz: ");
        }
        bytes[i] ^= 0x55;
    }
    char *longer = malloc(nbytes + 1);
    memcpy(longer, bytes, nbytes);
    longer[nbytes] = 0;
    scratch_put(name, longer, nbytes + 1);
    assert_refused(SG_ERR_FORMAT, "1 bytes after the end of the gzip data");
    free(longer);
    sg_free(bytes);
    scratch_put(name, "plain text", 10);
    assert_refused(SG_ERR_FORMAT, "gzip data are broken");
}

static bool open_once(sg_error *err)
{
    sg_dataset *ds;
    if (!sg_dataset_open(&ds, "fashion-mnist", ".", err)) return false;
    sg_dataset_close(ds);
    return true;
}

static void test_memory_runs_out(void **state)
{
    (void)state;
    put_miniature();
    assert_survives_allocation_failures(open_once(&err));
}

static void test_specs(void **state)
{
    (void)state;
    sg_dataset *ds;
    static const char *const specs[] = {"fashion", "fashion-mnist:x", "folder", "folder:", "list",
                                        "",        "Folder:."};
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
        sg_error err = {0};
        assert_false(sg_dataset_open(&ds, specs[i], NULL, &err));
        assert_message(err, SG_ERR_USAGE, "(cifar10, cifar100, fashion-mnist, folder:DIR, list:DIR)");
    }
    sg_error err = {0};
    assert_false(sg_dataset_open(&ds, "/tmp", NULL, &err));
    assert_message(err, SG_ERR_USAGE, "folder:DIR");
    size_t n;
    const char *const *kinds = sg_dataset_kinds(&n);
    assert_int_equal(n, 5);
    assert_string_equal(kinds[2], "fashion-mnist");
}

int main(void)
{
    fixture("");
    const struct CMUnitTest tests[] = {
        scratch_test(test_contents),    scratch_test(test_broken_files),    scratch_test(test_missing_file),
        scratch_test(test_broken_gzip), scratch_test(test_memory_runs_out), cmocka_unit_test(test_specs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
