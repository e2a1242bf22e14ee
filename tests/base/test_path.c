#include "scratch.h"

#include <signet/file.h>
#include <sys/stat.h>

static void test_join(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"a", "b", "a/b"},       {"a/", "b", "a/b"},  {"a", "/b", "/b"}, {"", "b", "b"},
        {"/", "b", "/b"},        {"a", "", "a/"},     {"", "", ""},      {"a//", "b", "a//b"},
        {".", "\xff", "./\xff"}, {"a", "%s", "a/%s"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *path;
        assert_true(sg_path_join(&path, cases[i][0], cases[i][1], NULL));
        assert_string_equal(path, cases[i][2]);
        sg_free(path);
    }
}

static void test_base(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"a", "a"}, {"a/b", "b"}, {"/a", "a"},
                                           {"a/", ""}, {"", ""},     {"/", ""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(sg_path_base(cases[i][0]), cases[i][1]);
}

static void test_absolute(void **state)
{
    (void)state;
    static const char *const rooted[][2] = {
        {"/", "/"},
        {"//", "/"},
        {"/..", "/"},
        {"/../..//.", "/"},
        {"/a//b/", "/a/b"},
        {"/a/./b", "/a/b"},
        {"/a/../b", "/b"},
        {"/a/b/../..", "/"},
        {"/...", "/..."},
        {"/a/..b/c", "/a/..b/c"},
        {"/.a/b.", "/.a/b."},
        {"/a/b/../../../c", "/c"},
        {"/\xff/\n", "/\xff/\n"},
    };
    static const char *const relative[][2] = {
        {"f", "/f"}, {"./f", "/f"}, {".", ""}, {"d/../f/", "/f"}, {"d//e", "/d/e"}};
    char folder[4096], expected[5000], *path;
    for (size_t i = 0; i < sizeof rooted / sizeof *rooted; i++) {
        assert_true(sg_path_absolute(&path, rooted[i][0], NULL));
        assert_string_equal(path, rooted[i][1]);
        sg_free(path);
    }
    assert_non_null(getcwd(folder, sizeof folder));
    for (size_t i = 0; i < sizeof relative / sizeof *relative; i++) {
        snprintf(expected, sizeof expected, "%s%s", folder, relative[i][1]);
        assert_true(sg_path_absolute(&path, relative[i][0], NULL));
        assert_string_equal(path, expected);
        sg_free(path);
    }
    sg_error err = {0};
    assert_false(sg_path_absolute(&path, "", &err));
    assert_int_equal(err.code, SG_ERR_USAGE);
}

/* A working folder deep enough to need a larger buffer, then one that is gone. */
static void test_working_folders(void **state)
{
    (void)state;
    char folder[8192], *path, name[101];
    sg_error err = {0};
    memset(name, 'd', 100);
    name[100] = '\0';
    for (int depth = 0; depth < 12; depth++) assert_int_equal(mkdir(name, 0700) | chdir(name), 0);
    assert_true(sg_path_absolute(&path, "f", &err));
    assert_non_null(getcwd(folder, sizeof folder - 2));
    strcat(folder, "/f");
    assert_string_equal(path, folder);
    sg_free(path);
    assert_int_equal(mkdir("gone", 0700) | chdir("gone") | rmdir("../gone"), 0);
    assert_false(sg_path_absolute(&path, "f", &err));
    assert_int_equal(err.code, SG_ERR_IO);
    assert_string_equal(err.message, "the working folder: No such file or directory");
}

static void test_mkdirs(void **state)
{
    (void)state;
    sg_error err = {0};
    assert_true(sg_mkdirs("a/b//c/", &err));
    assert_true(sg_is_dir("a/b/c"));
    assert_true(sg_mkdirs("a/b/c", &err));
    assert_true(sg_mkdirs("/", &err));
    assert_true(sg_mkdirs("/tmp", &err));
    assert_false(sg_mkdirs("", &err));
    assert_int_equal(err.code, SG_ERR_USAGE);
    scratch_put("f", "", 0);
    assert_false(sg_mkdirs("f", &err));
    assert_string_equal(err.message, "f: cannot make the folder: Not a directory");
    assert_false(sg_mkdirs("f/x/y", &err));
    assert_string_equal(err.message, "f: cannot make the folder: Not a directory");
    assert_false(sg_mkdirs("/proc/signet-test/x", &err));
    assert_string_equal(err.message, "/proc/signet-test: cannot make the folder: No such file or directory");
    assert_int_equal(err.code, SG_ERR_IO);
}

static void test_what_is_there(void **state)
{
    (void)state;
    assert_int_equal(mkdir("d", 0700) | symlink("nowhere", "dangling") | symlink("d", "to-d"), 0);
    scratch_put("f", "", 0);
    assert_true(sg_path_exists("d") && sg_path_exists("f") && sg_path_exists("to-d"));
    assert_false(sg_path_exists("dangling") || sg_path_exists("f/x") || sg_path_exists("none") ||
                 sg_path_exists(""));
    assert_true(sg_is_dir("d") && sg_is_dir("to-d"));
    assert_false(sg_is_dir("f") || sg_is_dir("dangling"));
    assert_true(sg_path_same("d", "./to-d") && sg_path_same("f", "d/../f"));
    assert_false(sg_path_same("d", "f") || sg_path_same("none", "none"));
}

static bool use_paths(sg_error *err)
{
    char *path = NULL;
    if (!sg_path_join(&path, "a", "b", err)) return false;
    sg_free(path);
    if (!sg_path_join(&path, "", "", err)) return false;
    sg_free(path);
    if (!sg_path_absolute(&path, "../a/b", err)) return false;
    sg_free(path);
    return sg_mkdirs("x/y", err);
}

static void test_without_memory(void **state)
{
    (void)state;
    assert_survives_allocation_failures(use_paths(&err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_join),           scratch_test(test_base),
        scratch_test(test_absolute),       scratch_test(test_working_folders),
        scratch_test(test_mkdirs),         scratch_test(test_what_is_there),
        scratch_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
