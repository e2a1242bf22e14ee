/* The lists of published protocols that lie packed beside the repository: all are read, and hold what their description
 * says. Their pictures are not there, and none is needed. */
#include "datasets/pictures.h"

#include <signet/split.h>

#define UNPACK "../../shared/data/unpack"

enum { TRAIN, QUERY, DATABASE, NPARTS };
static const unsigned subsets[NPARTS] = {SG_SUBSET_TRAIN, SG_SUBSET_QUERY, SG_SUBSET_DATABASE};

static const struct known {
    const char *dir, *columns; /* names of the labels, NULL: not known */
    size_t lines[NPARTS], unlabelled[NPARTS];
    size_t width, photographs; /* 0: no labels */
    const char *protocol;      /* to draw from it, at its published sizes, and what then comes out */
    size_t sizes[NPARTS];
} lists[] = {
    {"swuxyj-DeepHash-pytorch/imagenet",
     "imagenet",
     {13000, 5000, 128503},
     {0},
     100,
     133503,
     "imagenet100",
     {13000, 5000, 128503}},
    {"swuxyj-DeepHash-pytorch/mirflickr",
     "mirflickr",
     {4000, 1000, 20000},
     {72, 19, 328},
     38,
     25000,
     "flickr25k",
     {4000, 1000, 20000}},
    {"swuxyj-DeepHash-pytorch/nuswide_21",
     NULL,
     {10500, 2100, 0},
     {0},
     21,
     12600,
     "nuswide21",
     {10500, 2100, 10500}},
    {"swuxyj-DeepHash-pytorch/nuswide_21_m",
     NULL,
     {10500, 2100, 0},
     {0},
     21,
     12600,
     "nuswide21",
     {10500, 2100, 10500}},
    {"swuxyj-DeepHash-pytorch/voc2012",
     "voc2012",
     {4000, 1000, 6540},
     {0},
     20,
     11540,
     "list",
     {4000, 1000, 6540}},
    {"thuml-HashNet/coco", "coco", {10000, 5000, 112218}, {0}, 80, 122218, "coco", {10000, 5000, 112218}},
    {"thuml-HashNet/nuswide_81",
     NULL,
     {10000, 5000, 0},
     {2185, 1131, 0},
     81,
     15000,
     "list",
     {10000, 5000, 10000}},
    {"thulab-DeepHash/coco", "coco", {10000, 5000, 0}, {0}, 80, 15000, "coco", {10000, 5000, 10000}},
    {"thulab-DeepHash/nuswide_81", NULL, {10000, 5000, 0}, {0}, 81, 15000, "list", {10000, 5000, 10000}},
    {"thulab-DeepHash/cifar10", NULL, {5000, 1000, 54000}, {0}, 0, 60000, "list", {5000, 1000, 54000}},
};
#define NLISTS (sizeof lists / sizeof *lists)

/* Fields of a list's text that are 1: all its labels, as no path of these lists is or ends in such a field. */
static size_t count_ones(const char *dir, const char *name)
{
    char path[256];
    size_t nbytes, ones = 0;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    if (!sg_path_exists(path)) return 0;
    char *text = get_file(path, &nbytes);
    for (size_t i = 1; i < nbytes; i++)
        ones += text[i] == '1' && text[i - 1] == ' ' && (text[i + 1] == ' ' || text[i + 1] == '\n');
    sg_free(text);
    return ones;
}

static void check_labels(const sg_dataset *ds, const struct known *k, const char *dir)
{
    static const char *const names[NPARTS] = {"train.txt", "test.txt", "database.txt"};
    const sg_labels *labels = sg_dataset_labels(ds);
    assert_int_equal(labels->classes, k->width);
    for (int p = 0; p < NPARTS; p++) {
        size_t lines = 0, unlabelled = 0, ones = 0;
        for (size_t i = 0; i < sg_dataset_size(ds); i++) {
            if (!(sg_dataset_subsets(ds, i) & subsets[p])) continue;
            size_t count = k->width ? sg_labels_count(labels, i) : 1;
            lines++;
            unlabelled += count == 0;
            ones += k->width ? count : 0;
        }
        assert_int_equal(lines, k->lines[p]);
        assert_int_equal(unlabelled, k->unlabelled[p]);
        assert_int_equal(ones, count_ones(dir, names[p]));
    }
}

static void check_split(const sg_dataset *ds, const struct known *k)
{
    sg_split s;
    sg_error err = {0};
    const sg_split_options options = {k->protocol, 0, -1, -1, -1, 0};
    if (!sg_split_make(&s, ds, &options, &err)) fail_msg("%s: %s", k->dir, err.message);
    assert_int_equal(s.ntrain, k->sizes[TRAIN]);
    assert_int_equal(s.nquery, k->sizes[QUERY]);
    assert_int_equal(s.ndatabase, k->sizes[DATABASE]);
    sg_split_clear(&s);
}

/* As classes.txt the names stand for the columns. */
static void check_columns(const struct known *k, const char *dir)
{
    char from[256], to[256], spec[300];
    size_t nbytes, n = 0;
    snprintf(from, sizeof from, "lists/columns/%s.txt", k->columns);
    snprintf(to, sizeof to, "%s/classes.txt", dir);
    snprintf(spec, sizeof spec, "list:%s", dir);
    assert_true(sg_file_copy(from, to, NULL));
    sg_dataset *ds;
    sg_error err = {0};
    if (!sg_dataset_open(&ds, spec, NULL, &err)) fail_msg("%s", err.message);
    char *text = get_file(from, &nbytes), *rest = NULL;
    for (char *name = strtok_r(text, "\n", &rest); name; name = strtok_r(NULL, "\n", &rest))
        assert_string_equal(sg_dataset_classes(ds)[n++], name);
    assert_int_equal(n, k->width);
    sg_free(text);
    sg_dataset_close(ds);
}

static void check_list(const struct known *k)
{
    char dir[128], spec[160];
    sg_dataset *ds;
    sg_error err = {0};
    snprintf(dir, sizeof dir, "lists/%s", k->dir);
    snprintf(spec, sizeof spec, "list:%s", dir);
    if (!sg_dataset_open(&ds, spec, NULL, &err)) fail_msg("%s", err.message);
    assert_int_equal(sg_dataset_size(ds), k->photographs);
    check_labels(ds, k, dir);
    check_split(ds, k);
    sg_image image; /* a name that the list gives, and no file */
    assert_false(sg_dataset_load(&image, ds, 0, NULL, &err));
    assert_message(err, SG_ERR_IO, dir);
    sg_dataset_close(ds);
    if (k->columns) check_columns(k, dir);
}

static char unpack[4096];

static void test_lists(void **state)
{
    (void)state;
    char command[8192];
    snprintf(command, sizeof command, "'%s' . lists >/dev/null", unpack);
    assert_int_equal(system(command), 0);
    for (size_t i = 0; i < NLISTS; i++) check_list(&lists[i]);
}

/* ImageNet's label columns are the WordNet ids of the file names, sorted. */
static void test_columns_of_imagenet(void **state)
{
    (void)state;
    char command[8192];
    snprintf(command, sizeof command, "'%s' . lists >/dev/null", unpack);
    assert_int_equal(system(command), 0);
    assert_true(sg_file_copy("lists/columns/imagenet.txt",
                             "lists/swuxyj-DeepHash-pytorch/imagenet/classes.txt", NULL));
    sg_dataset *ds;
    assert_true(sg_dataset_open(&ds, "list:lists/swuxyj-DeepHash-pytorch/imagenet", NULL, NULL));
    const sg_labels *labels = sg_dataset_labels(ds);
    assert_non_null(labels->ids); /* rows of a single 1 each */
    size_t checked = 0;
    for (size_t i = 0; i < sg_dataset_size(ds); i++) {
        const char *name = sg_dataset_item_name(ds, i);
        if (strncmp(name, "image/n", 7) != 0) continue;
        assert_memory_equal(name + 6, sg_dataset_classes(ds)[labels->ids[i]], 9);
        checked++;
    }
    assert_int_equal(checked, 128503);
    sg_dataset_close(ds);
}

int main(void)
{
    if (access(UNPACK, X_OK) != 0) {
        print_message("skipped: no lists at %s\n", UNPACK);
        return 77;
    }
    assert_non_null(realpath(UNPACK, unpack));
    const struct CMUnitTest tests[] = {
        scratch_test(test_lists),
        scratch_test(test_columns_of_imagenet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
