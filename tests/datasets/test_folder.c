#include "datasets/pictures.h"

#include <signet/dataset.h>
#include <signet/interrupt.h>
#include <sys/stat.h>

/* Copies of fixtures under names in the working folder; "-" as the source: a text. */
typedef struct entry {
    const char *path, *source;
} entry;

static void put_tree(const entry *entries, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char folder[256], source[128];
        snprintf(folder, sizeof folder, "%s", entries[i].path);
        char *slash = strrchr(folder, '/');
        if (slash) {
            *slash = 0;
            assert_true(sg_mkdirs(folder, NULL));
        }
        if (strcmp(entries[i].source, "-") == 0) {
            scratch_put(entries[i].path, "a text", 6);
            continue;
        }
        snprintf(source, sizeof source, "images/%s", entries[i].source);
        assert_true(sg_file_copy(fixture(source), entries[i].path, NULL));
    }
}

typedef struct expected {
    const char *name;
    int cls;
    unsigned subsets;
} expected;

static void check(const char *spec, const expected *items, size_t n, const char *const *classes,
                  size_t nclasses, size_t ignored)
{
    sg_dataset *ds;
    sg_error err = {0};
    if (!sg_dataset_open(&ds, spec, NULL, &err)) fail_msg("%s", err.message);
    assert_string_equal(sg_dataset_name(ds), "folder");
    assert_int_equal(sg_dataset_size(ds), n);
    assert_int_equal(sg_dataset_ignored(ds), ignored);
    assert_int_equal(sg_dataset_labels(ds)->classes, nclasses);
    for (size_t i = 0; i < nclasses; i++) assert_string_equal(sg_dataset_classes(ds)[i], classes[i]);
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(sg_dataset_item_name(ds, i), items[i].name);
        assert_int_equal(sg_dataset_labels(ds)->ids[i], items[i].cls);
        assert_int_equal(sg_dataset_subsets(ds, i), items[i].subsets);
        char path[512];
        snprintf(path, sizeof path, "%s/%s", spec + 7, items[i].name);
        assert_string_equal(sg_dataset_item_path(ds, i), path);
    }
    sg_dataset_close(ds);
}

#define COUNT(a) (sizeof(a) / sizeof *(a))

static void test_classes(void **state)
{
    (void)state;
    static const entry tree[] = {
        {"d/dog/b.png", "rgb8.png"}, {"d/dog/deep/er/a.jpg", "grey.jpg"},      {"d/cat/1", "ycc420.jpg"},
        {"d/cat/notes.jpg", "-"},    {"d/.hidden/x.png", "rgb8.png"},          {"d/cat/.x.png", "rgb8.png"},
        {"d/readme.txt", "-"},       {"d/emu \xff\x01/\xfe .png", "rgb8.png"}, {"d/stray.png", "grey8.png"},
        {"d/nothing/else.txt", "-"}, {"d/train/express.png", "rgb8.png"}};
    put_tree(tree, COUNT(tree));
    static const expected items[] = {{"cat/1", 0, 0},
                                     {"dog/b.png", 1, 0},
                                     {"dog/deep/er/a.jpg", 1, 0},
                                     {"emu \xff\x01/\xfe .png", 2, 0},
                                     {"stray.png", -1, 0},
                                     {"train/express.png", 3, 0}};
    static const char *const classes[] = {"cat", "dog", "emu \xff\x01", "train"};
    check("folder:d", items, COUNT(items), classes, COUNT(classes), 3);
}

static void test_subsets(void **state)
{
    (void)state;
    static const entry tree[] = {{"d/train/dog/1.png", "rgb8.png"}, {"d/train/cat/1.png", "rgb8.png"},
                                 {"d/test/dog/2.png", "rgb8.png"},  {"d/test/cat/2.png", "rgb8.png"},
                                 {"d/test/ant/3.png", "rgb8.png"},  {"d/extra/pig/4.png", "rgb8.png"},
                                 {"d/train/loose.png", "rgb8.png"}, {"d/over.png", "rgb8.png"}};
    put_tree(tree, COUNT(tree));
    static const expected items[] = {{"extra/pig/4.png", -1, 0},
                                     {"over.png", -1, 0},
                                     {"test/ant/3.png", 0, SG_SUBSET_QUERY},
                                     {"test/cat/2.png", 1, SG_SUBSET_QUERY},
                                     {"test/dog/2.png", 2, SG_SUBSET_QUERY},
                                     {"train/cat/1.png", 1, SG_SUBSET_TRAIN},
                                     {"train/dog/1.png", 2, SG_SUBSET_TRAIN},
                                     {"train/loose.png", -1, SG_SUBSET_TRAIN}};
    static const char *const classes[] = {"ant", "cat", "dog"};
    check("folder:d", items, COUNT(items), classes, COUNT(classes), 0);
}

static void test_all_subsets(void **state)
{
    (void)state;
    static const entry tree[] = {
        {"train/1.png", "rgb8.png"}, {"database/2.png", "rgb8.png"}, {"val/3.png", "rgb8.png"}};
    put_tree(tree, COUNT(tree));
    static const expected items[] = {{"database/2.png", -1, SG_SUBSET_DATABASE},
                                     {"train/1.png", -1, SG_SUBSET_TRAIN},
                                     {"val/3.png", -1, SG_SUBSET_VAL}};
    check("folder:.", items, COUNT(items), NULL, 0, 0);
}

static void test_unlabelled(void **state)
{
    (void)state;
    static const entry tree[] = {{"b.png", "rgb8.png"}, {"a.jpg", "cmyk.jpg"}};
    put_tree(tree, COUNT(tree));
    static const expected items[] = {{"a.jpg", -1, 0}, {"b.png", -1, 0}};
    check("folder:.", items, COUNT(items), NULL, 0, 0);
}

/* A known signature makes an image: that it is broken is said when it is read. */
static void test_broken_image(void **state)
{
    (void)state;
    sg_dataset *ds;
    sg_error err = {0};
    sg_image image;
    assert_true(sg_mkdirs("a", NULL));
    scratch_put("a/x.txt", "\xff\xd8\xff\xe0 and no more", 16);
    assert_true(sg_dataset_open(&ds, "folder:.", NULL, &err));
    assert_int_equal(sg_dataset_size(ds), 1);
    assert_false(sg_dataset_load(&image, ds, 0, NULL, &err));
    assert_message(err, SG_ERR_FORMAT, "./a/x.txt: JPEG ");
    sg_dataset_close(ds);
}

static void test_errors(void **state)
{
    (void)state;
    sg_dataset *ds;
    sg_error err = {0};
    assert_false(sg_dataset_open(&ds, "folder:absent", NULL, &err));
    assert_message(err, SG_ERR_IO, "absent");
    scratch_put("x", "text", 4);
    assert_false(sg_dataset_open(&ds, "folder:.", NULL, &err));
    assert_message(err, SG_ERR_NOT_FOUND, ".: no images (JPEG, PNG, WebP, HEIF) among its 1 files");
    assert_false(sg_dataset_open(&ds, "folder:x", NULL, &err));
    assert_int_equal(err.code, SG_ERR_IO);
    sg_interrupt_set(true);
    bool opened = sg_dataset_open(&ds, "folder:.", NULL, &err);
    sg_interrupt_set(false);
    assert_false(opened);
    assert_int_equal(err.code, SG_ERR_INTERRUPTED);
    if (geteuid() == 0) return; /* root reads everything */
    assert_int_equal(chmod("x", 0), 0);
    assert_false(sg_dataset_open(&ds, "folder:.", NULL, &err));
    assert_message(err, SG_ERR_IO, "./x");
}

static bool open_once(sg_error *err)
{
    sg_dataset *ds;
    if (!sg_dataset_open(&ds, "folder:.", NULL, err)) return false;
    sg_dataset_close(ds);
    return true;
}

static void test_memory_runs_out(void **state)
{
    (void)state;
    static const entry tree[] = {{"train/dog/1.png", "rgb8.png"}, {"test/cat/1.png", "rgb8.png"}};
    put_tree(tree, COUNT(tree));
    assert_survives_allocation_failures(open_once(&err));
}

int main(void)
{
    fixture("");
    const struct CMUnitTest tests[] = {
        scratch_test(test_classes),         scratch_test(test_subsets),      scratch_test(test_all_subsets),
        scratch_test(test_unlabelled),      scratch_test(test_broken_image), scratch_test(test_errors),
        scratch_test(test_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
