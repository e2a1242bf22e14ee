#include "datasets/pictures.h"

#include <signet/split.h>

static sg_split make(const sg_dataset *ds, sg_split_options options)
{
    sg_split split;
    sg_error err = {0};
    if (!sg_split_make(&split, ds, &options, &err)) fail_msg("%s", err.message);
    return split;
}

static sg_dataset *open_set(const char *spec)
{
    sg_dataset *ds;
    sg_error err = {0};
    if (!sg_dataset_open(&ds, spec, NULL, &err)) fail_msg("%s", err.message);
    return ds;
}

/* A list of `counts[c]` items of class c (n classes), named prefix-c-i. Appends to the file. */
static void put_list(const char *path, const char *prefix, const int *counts, int n)
{
    FILE *file = fopen(path, "a");
    for (int c = 0; c < n; c++)
        for (int i = 0; i < counts[c]; i++) fprintf(file, "%s-%d-%d.png %d\n", prefix, c, i, c);
    fclose(file);
}

/* How many of the items are of a class (-2: any), whose name starts with the prefix. */
static size_t count(const sg_dataset *ds, const uint32_t *items, size_t n, int cls, const char *prefix)
{
    size_t found = 0;
    for (size_t i = 0; i < n; i++)
        found += (cls == -2 || sg_dataset_labels(ds)->ids[items[i]] == cls) &&
                 strncmp(sg_dataset_item_name(ds, items[i]), prefix, strlen(prefix)) == 0;
    return found;
}

static size_t common(const sg_dataset *ds, const uint32_t *a, size_t na, const uint32_t *b, size_t nb)
{
    uint8_t *seen = calloc(sg_dataset_size(ds), 1);
    size_t found = 0;
    for (size_t i = 0; i < na; i++) seen[a[i]] = 1;
    for (size_t i = 0; i < nb; i++) found += seen[b[i]];
    free(seen);
    return found;
}

static void assert_all_different(const sg_dataset *ds, const uint32_t *items, size_t n)
{
    assert_int_equal(common(ds, items, n, items, n), n);
    uint8_t *seen = calloc(sg_dataset_size(ds), 1);
    for (size_t i = 0; i < n; i++) {
        assert_true(items[i] < sg_dataset_size(ds));
        assert_int_equal(seen[items[i]]++, 0);
    }
    free(seen);
}

/* Neighbours of the same class: one in ten by chance for ten even classes, nearly all when stored class by class; and
 * ascending item numbers: one half by chance. */
static void assert_mixed(const sg_dataset *ds, const uint32_t *items, size_t n)
{
    size_t same = 0, ascending = 0;
    const int32_t *ids = sg_dataset_labels(ds)->ids;
    for (size_t i = 1; i < n; i++) {
        same += ids[items[i]] == ids[items[i - 1]];
        ascending += items[i] > items[i - 1];
    }
    assert_in_range(same, n / 20, n * 3 / 20);
    assert_in_range(ascending, n * 4 / 10, n * 6 / 10);
}

static void test_fashion_mnist(void **state)
{
    (void)state;
    sg_dataset *ds;
    if (!sg_dataset_open(&ds, "fashion-mnist", NULL, NULL)) {
        print_message("the package dataset-fashion-mnist is not installed\n");
        skip();
    }
    sg_split s = make(ds, (sg_split_options)SG_SPLIT_OPTIONS);
    assert_string_equal(s.protocol, "fashion-mnist");
    assert_int_equal(s.nquery, 1000);
    assert_int_equal(s.ntrain, 5000);
    assert_int_equal(s.nval, 1000);
    assert_int_equal(s.ndatabase, 54000);
    for (int c = 0; c < 10; c++) {
        assert_int_equal(count(ds, s.query, s.nquery, c, "test/"), 100);
        assert_int_equal(count(ds, s.train, s.ntrain, c, "train/"), 500);
        assert_int_equal(count(ds, s.val, s.nval, c, "train/"), 100);
        assert_int_equal(count(ds, s.database, s.ndatabase, c, "train/"), 5400);
    }
    assert_int_equal(common(ds, s.train, s.ntrain, s.database, s.ndatabase), 0);
    assert_int_equal(common(ds, s.val, s.nval, s.database, s.ndatabase), 0);
    assert_int_equal(common(ds, s.val, s.nval, s.train, s.ntrain), 0);
    assert_all_different(ds, s.query, s.nquery);
    assert_all_different(ds, s.train, s.ntrain);
    assert_all_different(ds, s.database, s.ndatabase);
    assert_mixed(ds, s.query, s.nquery);
    assert_mixed(ds, s.train, s.ntrain);
    assert_mixed(ds, s.database, s.ndatabase);
    assert_mixed(ds, s.val, s.nval);
    /* Drawn for ever: published figures name it. */
    assert_string_equal(s.checksum, "0ef0008574fe0cee7f8b58dd9157e5ff");
    sg_split_clear(&s);

    s = make(ds, (sg_split_options){"full", 3, -1, -1, -1, -1});
    assert_int_equal(s.nquery, 10000);
    assert_int_equal(s.ntrain, 54000);
    assert_int_equal(s.nval, 6000);
    assert_int_equal(s.ndatabase, 0);
    assert_int_equal(common(ds, s.val, s.nval, s.train, s.ntrain), 0);
    assert_mixed(ds, s.train, s.ntrain);
    sg_split_clear(&s);
    sg_dataset_close(ds);
}

static void test_seed(void **state)
{
    (void)state;
    put_list("train.txt", "t", (int[]){300, 200}, 2);
    sg_dataset *ds = open_set("list:.");
    sg_split a = make(ds, (sg_split_options){NULL, 1, 10, 20, -1, 5});
    sg_split b = make(ds, (sg_split_options){NULL, 1, 10, 20, -1, 5});
    sg_split c = make(ds, (sg_split_options){NULL, 2, 10, 20, -1, 5});
    assert_string_equal(a.checksum, b.checksum);
    assert_string_not_equal(a.checksum, c.checksum);
    assert_int_equal(strlen(a.checksum), 32);
    assert_memory_equal(a.query, b.query, a.nquery * sizeof *a.query);
    assert_memory_equal(a.database, b.database, a.ndatabase * sizeof *a.query);
    assert_true(memcmp(a.query, c.query, a.nquery * sizeof *a.query) != 0);
    sg_split_clear(&c);
    sg_split_clear(&b);
    /* Another number of training images draws the same queries, and the former training images again. */
    b = make(ds, (sg_split_options){NULL, 1, 10, 40, -1, 5});
    assert_memory_equal(a.query, b.query, a.nquery * sizeof *a.query);
    assert_int_equal(common(ds, b.train, b.ntrain, a.train, a.ntrain), a.ntrain);
    sg_split_clear(&b);
    sg_split_clear(&a);
    sg_dataset_close(ds);
}

/* No subsets named: queries are a tenth of each class, the rest is the database; validation a tenth of the rest, left
 * out of training only. */
static void test_drawn_from_one_pool(void **state)
{
    (void)state;
    put_list("database.txt", "x", (int[]){100, 20, 1, 2, 3, 14}, 6);
    sg_dataset *ds = open_set("list:.");
    static const size_t query[] = {10, 2, 0, 1, 1, 1}, val[] = {9, 2, 0, 0, 1, 1},
                        all[] = {100, 20, 1, 2, 3, 14};
    static const char *const protocols[] = {"folder", "list", "full"};
    for (int p = 0; p < 3; p++) {
        sg_split s = make(ds, (sg_split_options){protocols[p], 5, -1, -1, -1, -1});
        assert_string_equal(s.protocol, protocols[p]);
        for (int c = 0; c < 6; c++) {
            assert_int_equal(count(ds, s.query, s.nquery, c, ""), query[c]);
            assert_int_equal(count(ds, s.val, s.nval, c, ""), val[c]);
            assert_int_equal(count(ds, s.train, s.ntrain, c, ""), all[c] - query[c] - val[c]);
            assert_int_equal(count(ds, s.database, s.ndatabase, c, ""), p == 2 ? 0 : all[c] - query[c]);
        }
        assert_int_equal(common(ds, s.query, s.nquery, s.train, s.ntrain), 0);
        assert_int_equal(common(ds, s.query, s.nquery, s.val, s.nval), 0);
        assert_int_equal(common(ds, s.query, s.nquery, s.database, s.ndatabase), 0);
        assert_int_equal(common(ds, s.val, s.nval, s.train, s.ntrain), 0);
        sg_split_clear(&s);
    }
    sg_dataset_close(ds);
}

static void test_named_subsets(void **state)
{
    (void)state;
    put_list("train.txt", "t", (int[]){50, 30}, 2);
    put_list("query.txt", "q", (int[]){7, 0, 2}, 3);
    sg_dataset *ds = open_set("list:.");
    sg_split s = make(ds, (sg_split_options)SG_SPLIT_OPTIONS);
    assert_string_equal(s.protocol, "list");
    assert_int_equal(s.nquery, 9);
    assert_int_equal(count(ds, s.query, s.nquery, -2, "q"), 9);
    assert_int_equal(s.nval, 8);
    assert_int_equal(s.ntrain, 72);
    assert_int_equal(s.ndatabase, 80);
    assert_int_equal(count(ds, s.database, s.ndatabase, -2, "t"), 80);
    sg_split_clear(&s);
    sg_dataset_close(ds);

    put_list("database.txt", "d", (int[]){5, 6}, 2);
    put_list("database.txt", "q", (int[]){1}, 1); /* a query of the lists that is in the database: it stays */
    put_list("val.txt", "v", (int[]){3, 4}, 2);
    ds = open_set("list:.");
    s = make(ds, (sg_split_options)SG_SPLIT_OPTIONS);
    assert_int_equal(s.nquery, 9);
    assert_int_equal(s.ntrain, 80);
    assert_int_equal(s.nval, 7);
    assert_int_equal(count(ds, s.val, s.nval, -2, "v"), 7);
    assert_int_equal(s.ndatabase, 12);
    assert_int_equal(count(ds, s.database, s.ndatabase, -2, "q"), 1);
    sg_split_clear(&s);
    sg_error err = {0}; /* sizes are of every class, and class 1 has no queries */
    assert_false(sg_split_make(&s, ds, &(sg_split_options){NULL, 0, 2, 10, 3, 0}, &err));
    assert_message(err, SG_ERR_USAGE, "class '1' has 0 images left to draw query from");
    sg_dataset_close(ds);
}

static void test_sizes(void **state)
{
    (void)state;
    put_list("train.txt", "t", (int[]){50, 60}, 2);
    put_list("test.txt", "q", (int[]){7, 9}, 2);
    sg_dataset *ds = open_set("list:.");
    sg_split s = make(ds, (sg_split_options){"fashion-mnist", 0, 5, 10, -1, 3});
    assert_int_equal(s.nquery, 10);
    assert_int_equal(s.ntrain, 20);
    assert_int_equal(s.nval, 6);
    assert_int_equal(s.ndatabase, 110 - 26);
    assert_int_equal(common(ds, s.train, s.ntrain, s.database, s.ndatabase), 0);
    assert_int_equal(common(ds, s.val, s.nval, s.database, s.ndatabase), 0);
    sg_split_clear(&s);

    s = make(ds, (sg_split_options){"fashion-mnist", 0, SG_SPLIT_ALL, 10, 20, 0});
    assert_int_equal(s.nquery, 16);
    assert_int_equal(s.nval, 0);
    assert_int_equal(s.ndatabase, 40);
    sg_split_clear(&s);

    s = make(ds,
             (sg_split_options){"folder", 0, -1, 20, -1, -1}); /* validation: a tenth of what is trained on */
    assert_int_equal(s.ntrain, 40);
    assert_int_equal(s.nval, 4);
    assert_int_equal(s.ndatabase, 110);
    sg_split_clear(&s);

    s = make(ds, (sg_split_options){"folder", 0, 0, SG_SPLIT_ALL, 0, 0});
    assert_int_equal(s.nquery, 0);
    assert_int_equal(s.ntrain, 110);
    assert_int_equal(s.nval, 0);
    assert_int_equal(s.ndatabase, 0);
    sg_split_clear(&s);

    static const struct {
        sg_split_options options;
        const char *text;
    } cases[] = {
        {{"fashion-mnist", 0, -1, -1, -1, -1},
         "class '0' has 7 images left to draw query from, 100 are asked for"},
        {{"fashion-mnist", 0, 1, 51, -1, -1}, "class '0' has 50 images left to draw train from, 51 are"},
        {{"fashion-mnist", 0, 1, 45, -1, 6}, "class '0' has 5 images left to draw val from, 6 are"},
        {{"fashion-mnist", 0, 1, 30, 21, 0}, "class '0' has 20 images left to draw database from, 21 are"},
        {{"folder", 0, 8, -1, -1, -1}, "protocol folder: class '0' has 7 images"},
        {{"folder", 0, -7, -1, -1, -1}, "-7 is no number of query images"},
        {{"cifar", 0, -1, -1, -1, -1},
         "no protocol 'cifar' (cifar10-5000, cifar10-5000-in, cifar10-all, coco, fashion-mnist, "
         "flickr25k, folder, full, imagenet100, list, nuswide21)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sg_error err = {0};
        assert_false(sg_split_make(&s, ds, &cases[i].options, &err));
        assert_message(err, SG_ERR_USAGE, cases[i].text);
        assert_null(s.query);
    }
    sg_dataset_close(ds);
}

static void assert_sizes(const sg_split *s, size_t query, size_t train, size_t val, size_t database,
                         size_t top)
{
    assert_int_equal(s->nquery, query);
    assert_int_equal(s->ntrain, train);
    assert_int_equal(s->nval, val);
    assert_int_equal(s->ndatabase, database);
    assert_int_equal(s->top, top);
}

/* FORMULAS' table on sets of the published sizes; train and val among themselves and beside the queries in any case. */
static void assert_protocol(const sg_dataset *ds, const char *name, const size_t sizes[5],
                            bool train_in_database)
{
    for (int64_t val = -1; val <= 0; val++) {
        sg_split s = make(ds, (sg_split_options){name, 3, -1, -1, -1, val});
        assert_string_equal(s.protocol, name);
        bool apart_val = strcmp(name, "cifar10-5000") == 0;
        if (val == 0 && apart_val)
            assert_sizes(&s, sizes[0], sizes[1], 0, sizes[3] + sizes[2], sizes[4]);
        else if (val == 0)
            assert_sizes(&s, sizes[0], sizes[1] + sizes[2], 0, sizes[3], sizes[4]);
        else
            assert_sizes(&s, sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]);
        assert_all_different(ds, s.query, s.nquery);
        assert_all_different(ds, s.train, s.ntrain);
        assert_all_different(ds, s.database, s.ndatabase);
        assert_int_equal(common(ds, s.query, s.nquery, s.train, s.ntrain), 0);
        assert_int_equal(common(ds, s.query, s.nquery, s.val, s.nval), 0);
        assert_int_equal(common(ds, s.query, s.nquery, s.database, s.ndatabase), 0);
        assert_int_equal(common(ds, s.train, s.ntrain, s.val, s.nval), 0);
        assert_int_equal(common(ds, s.train, s.ntrain, s.database, s.ndatabase),
                         train_in_database ? s.ntrain : 0);
        assert_int_equal(common(ds, s.val, s.nval, s.database, s.ndatabase), train_in_database ? s.nval : 0);
        sg_split_clear(&s);
    }
}

static void test_cifar10_protocols(void **state)
{
    (void)state;
    static const int train[10] = {5000, 5000, 5000, 5000, 5000, 5000, 5000, 5000, 5000, 5000},
                     test[10] = {1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000};
    put_list("train.txt", "t", train, 10);
    put_list("test.txt", "q", test, 10);
    sg_dataset *ds = open_set("list:.");
    assert_protocol(ds, "cifar10-5000", (size_t[]){1000, 5000, 1000, 53000, 5000}, false);
    assert_protocol(ds, "cifar10-5000-in", (size_t[]){1000, 4500, 500, 59000, 0}, true);
    assert_protocol(ds, "cifar10-all", (size_t[]){10000, 45000, 5000, 50000, 0}, true);
    /* Of each class alike, drawn from both files. */
    sg_split s = make(ds, (sg_split_options){"cifar10-5000", 0, -1, -1, -1, -1});
    for (int c = 0; c < 10; c++) {
        assert_int_equal(count(ds, s.query, s.nquery, c, ""), 100);
        assert_int_equal(count(ds, s.train, s.ntrain, c, ""), 500);
        assert_int_equal(count(ds, s.val, s.nval, c, ""), 100);
    }
    assert_in_range(count(ds, s.query, s.nquery, -2, "q"), 120, 215); /* 167 by chance */
    assert_in_range(count(ds, s.train, s.ntrain, -2, "q"), 725, 940); /* 833 */
    sg_split_clear(&s);
    s = make(ds, (sg_split_options){"cifar10-all", 0, -1, -1, -1, -1});
    assert_int_equal(count(ds, s.query, s.nquery, -2, "q"), 10000);
    sg_split_clear(&s);
    /* A protocol that is drawn of the whole, on a set of classes. */
    assert_protocol(ds, "nuswide21", (size_t[]){2100, 9450, 1050, 50000, 5000}, true);
    sg_dataset_close(ds);
}

/* n lines of three labels, all combinations in turn (none at all too), in one list. */
static sg_dataset *open_rows(const char *path, int n)
{
    FILE *file = fopen(path, "w");
    for (int i = 0; i < n; i++) fprintf(file, "%d %d %d %d\n", i, i & 1, i >> 1 & 1, i >> 2 & 1);
    fclose(file);
    return open_set("list:.");
}

static void test_multi_label_protocols(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int n;
        size_t sizes[5];
        bool train_in_database;
    } cases[] = {{"nuswide21", 195834, {2100, 9450, 1050, 193734, 5000}, true},
                 {"coco", 122218, {5000, 9000, 1000, 117218, 5000}, true},
                 {"flickr25k", 25000, {1000, 3600, 400, 20000, 0}, false}};
    for (size_t i = 0; i < 3; i++) {
        sg_dataset *ds = open_rows("database.txt", cases[i].n);
        assert_protocol(ds, cases[i].name, cases[i].sizes, cases[i].train_in_database);
        sg_dataset_close(ds);
    }
    sg_dataset *ds = open_rows("database.txt", 4999);
    sg_split s = make(ds, (sg_split_options){"flickr25k", 0, 10, 3000, -1, 700});
    assert_sizes(&s, 10, 2300, 700, 1989, 0);
    sg_split_clear(&s);
    sg_error err = {0};
    assert_false(sg_split_make(&s, ds, &(sg_split_options){"flickr25k", 0, 10, 3000, -1, 3001}, &err));
    assert_message(err, SG_ERR_USAGE, "there are 3000 images left to draw val from, 3001 are asked for");
    assert_false(sg_split_make(&s, ds, &(sg_split_options){"coco", 0, -1, -1, -1, -1}, &err));
    assert_message(err, SG_ERR_USAGE,
                   "protocol coco: there are 4999 images left to draw query from, 5000 are asked for");
    sg_dataset_close(ds);
}

static void test_imagenet100(void **state)
{
    (void)state;
    int train[100], test[100];
    for (int c = 0; c < 100; c++) {
        train[c] = c < 3 ? 1286 : 1285; /* 128,503 in all */
        test[c] = 50;
    }
    put_list("train.txt", "t", train, 100);
    put_list("test.txt", "q", test, 100);
    sg_dataset *ds = open_set("list:.");
    assert_protocol(ds, "imagenet100", (size_t[]){5000, 11700, 1300, 128503, 1000}, true);
    sg_dataset_close(ds);
}

/* No classes: the sizes are of the whole set. */
static void test_unlabelled_and_multi_label(void **state)
{
    (void)state;
    for (int multi = 0; multi < 2; multi++) {
        FILE *file = fopen("database.txt", "w");
        for (int i = 0; i < 200; i++)
            fprintf(file, multi ? "%d.png %d %d 1\n" : "%d.png\n", i, i % 2, i % 3 == 0);
        fclose(file);
        sg_dataset *ds = open_set("list:.");
        sg_split s = make(ds, (sg_split_options)SG_SPLIT_OPTIONS);
        /* Without labels there is nothing to measure by: nothing is kept for it. */
        assert_int_equal(s.nquery, multi ? 20 : 0);
        assert_int_equal(s.nval, multi ? 18 : 0);
        assert_int_equal(s.ntrain, multi ? 162 : 200);
        assert_int_equal(s.ndatabase, multi ? 180 : 200);
        sg_split_clear(&s);
        s = make(ds, (sg_split_options){"list", 0, 30, -1, -1, 10});
        assert_int_equal(s.nquery, 30);
        assert_int_equal(s.nval, 10);
        assert_int_equal(s.ntrain, 160);
        sg_split_clear(&s);
        s = make(ds, (sg_split_options){"fashion-mnist", 0, 30, 50, -1, 10});
        assert_int_equal(s.nquery, 30);
        assert_int_equal(s.ntrain, 50);
        assert_int_equal(s.nval, 10);
        assert_int_equal(s.ndatabase, 110);
        sg_split_clear(&s);
        sg_error err = {0};
        assert_false(sg_split_make(&s, ds, &(sg_split_options){"fashion-mnist", 0, -1, -1, -1, -1}, &err));
        assert_message(err, SG_ERR_USAGE, "there are 100 images left to draw train from, 500 are asked for");
        sg_dataset_close(ds);
    }
}

/* Images outside the class folders: no query, no training image, but part of the database. */
static void test_strays(void **state)
{
    (void)state;
    char path[64];
    for (int i = 0; i < 24; i++) {
        snprintf(path, sizeof path, i < 4 ? "d/%d.png" : i < 14 ? "d/a/%d.png" : "d/b/%d.png", i);
        assert_true(sg_mkdirs(i < 4 ? "d" : i < 14 ? "d/a" : "d/b", NULL));
        assert_true(sg_file_copy(fixture("images/grey1.png"), path, NULL));
    }
    sg_dataset *ds = open_set("folder:d");
    sg_split s = make(ds, (sg_split_options)SG_SPLIT_OPTIONS);
    assert_string_equal(s.protocol, "folder");
    assert_int_equal(s.nquery, 2);
    assert_int_equal(s.nval, 2);
    assert_int_equal(s.ntrain, 16);
    assert_int_equal(s.ndatabase, 22);
    assert_int_equal(count(ds, s.database, s.ndatabase, -1, ""), 4);
    sg_split_clear(&s);
    s = make(ds, (sg_split_options){NULL, 0, -1, -1, 5, -1});
    assert_int_equal(count(ds, s.database, s.ndatabase, -1, ""), 0);
    sg_split_clear(&s);
    sg_dataset_close(ds);
}

static void test_part_and_write(void **state)
{
    (void)state;
    FILE *file = fopen("train.txt", "w");
    for (int i = 0; i < 40; i++) fprintf(file, "a \\ %d.png %d\n", i, i % 2);
    fclose(file);
    sg_dataset *ds = open_set("list:.");
    sg_split s = make(ds, (sg_split_options){"folder", 77, -1, -1, -1, -1});
    sg_error err = {0};
    const uint32_t *items;
    size_t n, nbytes;
    assert_true(sg_split_part(&items, &n, &s, "val", &err));
    assert_ptr_equal(items, s.val);
    assert_int_equal(n, s.nval);
    assert_false(sg_split_part(&items, &n, &s, "test", &err));
    assert_message(err, SG_ERR_USAGE, "no part 'test'");

    assert_true(sg_split_write(&s, ds, "split.txt", &err));
    char *text = get_file("split.txt", &nbytes), *rest = NULL, line[128];
    snprintf(line, sizeof line, "# protocol folder seed 77 checksum %s", s.checksum);
    assert_string_equal(strtok_r(text, "\n", &rest), line);
    static const char *const parts[] = {"query", "train", "database", "val"};
    for (int p = 0; p < 4; p++) {
        assert_true(sg_split_part(&items, &n, &s, parts[p], &err));
        for (size_t i = 0; i < n; i++) {
            snprintf(line, sizeof line, "%s a \\\\ %u.png", parts[p], items[i]);
            assert_string_equal(strtok_r(NULL, "\n", &rest), line);
        }
    }
    assert_null(strtok_r(NULL, "\n", &rest));
    sg_free(text);
    assert_false(sg_split_write(&s, ds, "absent/split.txt", &err));
    assert_int_equal(err.code, SG_ERR_IO);
    sg_split_clear(&s);
    sg_dataset_close(ds);
}

static bool make_once(const sg_dataset *ds, sg_error *err)
{
    sg_split s;
    if (!sg_split_make(&s, ds, &(sg_split_options)SG_SPLIT_OPTIONS, err)) return false;
    sg_split_clear(&s);
    return true;
}

static void test_memory_runs_out(void **state)
{
    (void)state;
    put_list("train.txt", "t", (int[]){5, 6}, 2);
    sg_dataset *ds = open_set("list:.");
    assert_survives_allocation_failures(make_once(ds, &err));
    sg_dataset_close(ds);
}

int main(void)
{
    fixture("");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fashion_mnist),
        scratch_test(test_seed),
        scratch_test(test_drawn_from_one_pool),
        scratch_test(test_named_subsets),
        scratch_test(test_sizes),
        scratch_test(test_cifar10_protocols),
        scratch_test(test_multi_label_protocols),
        scratch_test(test_imagenet100),
        scratch_test(test_unlabelled_and_multi_label),
        scratch_test(test_strays),
        scratch_test(test_part_and_write),
        scratch_test(test_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
