#include "datasets/pictures.h"

#include <signet/hash.h>
#include <signet/split.h>

enum { N = 200 };

static bool is_broken(size_t item)
{
    return item % 10 == 3 || item == 100 || item == 101;
}

/* N lines of two classes; files that are whole, cut, of another kind, too long and thin for the network, or missing. */
static sg_dataset *open_set(void)
{
    FILE *list = fopen("database.txt", "w");
    char name[32];
    for (size_t i = 0; i < N; i++) {
        snprintf(name, sizeof name, "%03zu.png", i);
        fprintf(list, "%s %zu\n", name, i % 2);
        if (!is_broken(i))
            assert_true(sg_file_copy(fixture("images/rgb8.png"), name, NULL));
        else if (i % 20 == 3)
            scratch_put(name, "\x89PNG\r\n\x1a\nno more", 15);
        else if (i % 20 == 13)
            scratch_put(name, "text", 4);
    }
    fclose(list);
    sg_image thin;
    assert_true(sg_image_init(&thin, 1, 20000, 1, NULL));
    assert_true(sg_image_write_png(&thin, "101.png", NULL));
    sg_image_clear(&thin);
    sg_dataset *ds;
    assert_true(sg_dataset_open(&ds, "list:.", NULL, NULL));
    return ds;
}

static const sg_preprocess network = {.channels = 3, .width = 101, .height = 101, .resize = 101};

typedef struct told {
    char messages[N][SG_ERROR_MAX];
    size_t n;
} told;

static void tell(void *context, const sg_error *why)
{
    told *t = context;
    assert_true(t->n < N);
    strcpy(t->messages[t->n++], why->message);
}

/* The checksum as docs/formats.md gives it. */
static void assert_checksum(const sg_split *s, const sg_dataset *ds)
{
    static const char *const parts[] = {"query", "train", "database", "val"};
    sg_blake2b *hash = sg_blake2b_new(16);
    for (int p = 0; p < 4; p++) {
        const uint32_t *items;
        size_t n;
        char head[32];
        assert_true(sg_split_part(&items, &n, s, parts[p], NULL));
        sg_blake2b_update(hash, head, (size_t)snprintf(head, sizeof head, "%s %zu", parts[p], n) + 1);
        for (size_t i = 0; i < n; i++) {
            const char *name = sg_dataset_item_name(ds, items[i]);
            sg_blake2b_update(hash, name, strlen(name) + 1);
        }
    }
    uint8_t digest[16];
    char hex[33];
    sg_blake2b_final(hash, digest);
    sg_hex(hex, digest, sizeof digest);
    assert_string_equal(hex, s->checksum);
}

static void assert_part(const sg_split *after, const sg_split *before, const char *part)
{
    const uint32_t *items, *all;
    size_t n, nall, kept = 0;
    assert_true(sg_split_part(&items, &n, after, part, NULL));
    assert_true(sg_split_part(&all, &nall, before, part, NULL));
    for (size_t i = 0; i < nall; i++)
        if (!is_broken(all[i])) assert_int_equal(items[kept++], all[i]);
    assert_int_equal(kept, n);
}

static void test_left_out(void **state)
{
    (void)state;
    sg_dataset *ds = open_set();
    const sg_split_options options = SG_SPLIT_OPTIONS;
    sg_split before, split;
    sg_error err = {0};
    assert_true(sg_split_make(&before, ds, &options, NULL));
    assert_checksum(&before, ds);
    told *first = calloc(1, sizeof *first), *t = calloc(1, sizeof *t);
    for (int threads = 1; threads <= 4; threads++) {
        assert_true(sg_split_make(&split, ds, &options, NULL));
        sg_progress progress = {.out = NULL};
        const sg_broken broken = {tell, t, &progress, threads};
        t->n = 0;
        if (!sg_split_drop_broken(&split, ds, &network, &broken, &err)) fail_msg("%s", err.message);
        assert_int_equal(progress.total, N);
        assert_int_equal(t->n, 22);
        assert_non_null(strstr(t->messages[0], "003.png: PNG ends early"));
        assert_non_null(strstr(t->messages[1], "013.png"));
        assert_non_null(strstr(t->messages[10], "100.png: cannot open"));
        assert_non_null(strstr(t->messages[11], "101.png: resized to"));
        assert_part(&split, &before, "query");
        assert_part(&split, &before, "train");
        assert_part(&split, &before, "database");
        assert_part(&split, &before, "val");
        assert_string_not_equal(split.checksum, before.checksum);
        assert_checksum(&split, ds);
        if (threads == 1) memcpy(first, t, sizeof *t);
        for (size_t i = 0; i < t->n; i++) assert_string_equal(t->messages[i], first->messages[i]);
        sg_split_clear(&split);
    }
    free(t);
    free(first);
    sg_split_clear(&before);
    sg_dataset_close(ds);
}

/* Only the images of the split are looked at; a sound one stays as it is. */
static void test_nothing_broken(void **state)
{
    (void)state;
    sg_dataset *ds = open_set();
    sg_split split;
    assert_true(sg_split_make(&split, ds, &(sg_split_options){NULL, 0, 0, 0, 5, 0}, NULL));
    for (size_t i = 0; i < split.ndatabase; i++) split.database[i] = 2 * (uint32_t)i;
    told *t = calloc(1, sizeof *t);
    const sg_broken broken = {tell, t, NULL, 2};
    assert_true(sg_split_drop_broken(&split, ds, &network, &broken, NULL));
    assert_int_equal(t->n, 0);
    assert_int_equal(split.ndatabase, 10);
    for (size_t i = 0; i < split.ndatabase; i++) assert_int_equal(split.database[i], 2 * i);
    free(t);
    sg_split_clear(&split);
    sg_dataset_close(ds);
}

static void test_memory_runs_out(void **state)
{
    (void)state;
    sg_dataset *ds = open_set();
    bool done = false;
    for (uint64_t nth = 1; !done; nth++) {
        sg_split split;
        sg_error err = {0};
        told *t = calloc(1, sizeof *t);
        const sg_broken broken = {tell, t, NULL, 1};
        assert_true(sg_split_make(&split, ds, &(sg_split_options){NULL, 0, 1, 1, 1, 0}, NULL));
        sg_mem_fail_at(nth);
        done = sg_split_drop_broken(&split, ds, &network, &broken, &err);
        sg_mem_fail_at(0);
        if (!done) assert_int_equal(err.code, SG_ERR_MEMORY);
        sg_split_clear(&split);
        free(t);
    }
    sg_dataset_close(ds);
}

int main(void)
{
    fixture("");
    const struct CMUnitTest tests[] = {
        scratch_test(test_left_out),
        scratch_test(test_nothing_broken),
        scratch_test(test_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
