/* Where disks are mounted, as far as a test finds some: /proc. */
#include "base/scratch.h"

#include "query/disk_impl.h"
#include <signet/file.h>
#include <sys/stat.h>

static void test_folder(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        uint16_t depth;
        size_t n;
    } cases[] = {{"/a/bc/d.png", 0, 0}, {"/a/bc/d.png", 1, 2}, {"/a/bc/d.png", 2, 5},
                 {"/a/bc/d.png", 3, 0}, {"/d.png", 1, 0},      {"/a/bc/d.png", 0xffff, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(sg_disk_folder(cases[i].path, cases[i].depth), cases[i].n);
}

static void test_mounted(void **state)
{
    (void)state;
    struct stat root, proc;
    if (stat("/", &root) != 0 || stat("/proc/self", &proc) != 0 || root.st_dev == proc.st_dev) skip();
    assert_int_equal(sg_disk_depth("/proc/version"), 1);
    assert_int_equal(sg_disk_depth("/proc/self/status"), 1);
    assert_int_equal(sg_disk_depth("/proc/no-such-folder/status"), 0);
    assert_int_equal(sg_disk_depth("/version"), 0);
    assert_true(sg_disk_mounted("/proc"));
    assert_false(sg_disk_mounted("/proc/sys/kernel"));
    assert_false(sg_disk_mounted("/proc/version"));
    assert_false(sg_disk_mounted("/no-such-folder"));
    assert_false(sg_disk_mounted("/"));
    /* A symlink to a folder of another disk is no place where that is mounted. */
    char *link, *file;
    assert_int_equal(symlink("/proc", "link"), 0);
    assert_true(sg_path_absolute(&link, "link", NULL) && sg_path_join(&file, link, "version", NULL));
    assert_int_equal(sg_disk_depth(file), 0);
    assert_false(sg_disk_mounted(link));
    sg_free(file);
    sg_free(link);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_folder), scratch_test(test_mounted)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
