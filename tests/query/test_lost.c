/* Places that a test cannot make: where other disks are mounted. The rest: test_sync.c. */
#include "album.h"

#include "query/lost_impl.h"

static void note_place(void *context, const char *place, const char *why)
{
    fprintf(context, "%s %s\n", place, why);
}

static void assert_fate(const char *path, const char *folder, sg_lost_fate want, const char *told)
{
    sg_error err = {0};
    sg_lost_list list = {0};
    const sg_item item = {.id = 1, .path = path};
    size_t size;
    char *text = NULL;
    FILE *out = open_memstream(&text, &size);
    assert_true(sg_lost_add(&list, &item, &err));
    assert_true(sg_lost_judge(&list, folder, NULL, note_place, out, &err));
    fclose(out);
    assert_int_equal(list.v[0].fate, want);
    assert_string_equal(text, told);
    free(text);
    sg_lost_clear(&list);
}

static void test_among_disks(void **state)
{
    (void)state;
    struct stat root, proc;
    if (stat("/", &root) != 0 || stat("/proc", &proc) != 0 || root.st_dev == proc.st_dev) skip();
    /* A folder may have been a disk's; a file was none. */
    assert_fate("/no-such-folder/more/a.png", "/", SG_LOST_KEPT,
                "/ holds other disks: one that is not mounted?\n");
    assert_fate("/no-such-file.png", "/", SG_LOST_GONE, "");
    assert_fate("/proc/self/status", "/", SG_LOST_THERE, "");
    assert_fate("/proc/self/status/a.png", "/proc", SG_LOST_GONE, ""); /* a file in the place of its folder */
}

/* By custom: whatever is in them now, unless they are disks themselves. */
static void test_where_disks_come_and_go(void **state)
{
    (void)state;
    static const char *const places[] = {"/media", "/mnt", "/run/media"};
    char path[64], told[128];
    struct stat st, above;
    for (size_t i = 0; i < 3; i++) {
        if (stat(places[i], &st) != 0 || stat(i == 2 ? "/run" : "/", &above) != 0 ||
            st.st_dev != above.st_dev)
            continue;
        snprintf(path, sizeof path, "%s/no-such-disk/more/a.png", places[i]);
        snprintf(told, sizeof told, "%s is where disks are mounted: one that is not?\n", places[i]);
        assert_fate(path, places[i], SG_LOST_KEPT, told);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_among_disks),
        scratch_test(test_where_disks_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
