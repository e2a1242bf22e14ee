#include "scratch.h"

#include <fcntl.h>
#include <signet/file.h>
#include <sys/stat.h>

static void assert_names(char **names, size_t n, const char *const *expected)
{
    for (size_t i = 0; i < n; i++) {
        assert_non_null(expected[i]);
        assert_string_equal(names[i], expected[i]);
    }
    assert_null(expected[n]);
    sg_names_free(names, n);
}

static void assert_walk_by(const char *root, const sg_dir_options *options, const char *const *expected)
{
    sg_dir_file *files;
    size_t n;
    sg_error err = {0};
    if (!sg_dir_walk(&files, &n, root, options, &err)) fail_msg("%s", err.message);
    for (size_t i = 0; i < n; i++) {
        assert_non_null(expected[i]);
        assert_string_equal(files[i].path, expected[i]);
    }
    assert_null(expected[n]);
    sg_dir_files_free(files, n);
}

static void assert_walk(const char *root, bool hidden, const char *const *expected)
{
    const sg_dir_options options = {.hidden = hidden};
    assert_walk_by(root, &options, expected);
    if (!hidden) assert_walk_by(root, NULL, expected);
}

static void test_list(void **state)
{
    (void)state;
    char **names;
    size_t n;
    sg_error err = {0};
    assert_true(sg_dir_list(&names, &n, ".", &err));
    assert_int_equal(n, 0);
    sg_names_free(names, n);
    static const char *const sorted[] = {".h",  "\x01", "A",    "a",        "a b",  "a\nb",
                                         "a%s", "b",    "\x80", "\xc3\xa9", "\xff", NULL};
    static const char *const by_bytes[] = {"\x01", ".h", "A",    "a",        "a\nb", "a b",
                                           "a%s",  "b",  "\x80", "\xc3\xa9", "\xff", NULL};
    for (size_t i = 0; sorted[i]; i++) scratch_put(sorted[i], "", 0);
    assert_true(sg_dir_list(&names, &n, ".", &err));
    assert_names(names, n, by_bytes);
    assert_false(sg_dir_list(&names, &n, "none", &err));
    assert_string_equal(err.message, "none: cannot list the folder: No such file or directory");
    assert_false(sg_dir_list(&names, &n, "a", &err));
    assert_string_equal(err.message, "a: cannot list the folder: Not a directory");
}

static void test_walk_finds_files(void **state)
{
    (void)state;
    assert_int_equal(mkdir("d", 0700) | mkdir("d/e", 0700) | mkdir("d/empty", 0700) | mkdir("d/.git", 0700),
                     0);
    assert_int_equal(mkdir("d/\xff\n", 0700) | mkfifo("d/fifo", 0600) | mkdir("out", 0700), 0);
    static const char *const files[] = {"d/b",           "d/a",  "d/e/c", "d/.hidden", "d/.git/x",
                                        "d/\xff\n/\xfe", "d/e-", "out/o", NULL};
    for (size_t i = 0; files[i]; i++) scratch_put(files[i], "", 0);
    assert_int_equal(symlink("../out/o", "d/to-file") | symlink("nowhere", "d/dangling") |
                         symlink("b/below", "d/through-file"),
                     0);
    /* "e-" sorts before "e/c": by bytes of the whole path. */
    static const char *const seen[] = {"a", "b", "e-", "e/c", "to-file", "\xff\n/\xfe", NULL};
    static const char *const all[] = {".git/x", ".hidden", "a",           "b", "e-",
                                      "e/c",    "to-file", "\xff\n/\xfe", NULL};
    assert_walk("d", false, seen);
    assert_walk("d/", false, seen);
    assert_walk("d", true, all);
    static const char *const none[] = {NULL};
    assert_walk("d/empty", true, none);
    static const char *const in_hidden[] = {"x", NULL}; /* the root itself was asked for */
    assert_walk("d/.git", false, in_hidden);
}

/* Links that lead in circles or to the same place twice: every folder once, by its true name where it has
 * one. */
static void test_walk_enters_folders_once(void **state)
{
    (void)state;
    assert_int_equal(mkdir("d", 0700) | mkdir("d/z", 0700) | mkdir("d/z/deep", 0700) | mkdir("out", 0700), 0);
    scratch_put("d/z/deep/f", "", 0);
    scratch_put("out/o", "", 0);
    assert_int_equal(symlink(".", "d/self") | symlink("..", "d/z/up") | symlink("z", "d/a") |
                         symlink("loop", "d/loop") | symlink("../out", "d/out2") |
                         symlink("../out", "d/out1") | symlink("../d", "out/back"),
                     0);
    static const char *const seen[] = {"out1/o", "z/deep/f", NULL};
    assert_walk("d", false, seen);
    static const char *const from_link[] = {"deep/f", "up/out1/o", NULL};
    assert_walk("d/a", false, from_link);
}

static void test_walk_of_many_folders(void **state)
{
    (void)state;
    char path[64];
    sg_dir_file *files;
    size_t n;
    for (int i = 0; i < 300; i++) {
        snprintf(path, sizeof path, "%03d/sub", i);
        assert_true(sg_mkdirs(path, NULL));
        strcat(path, "/f");
        scratch_put(path, "", 0);
        snprintf(path, sizeof path, "l%03d", i);
        char target[8];
        snprintf(target, sizeof target, "%03d", 299 - i);
        assert_int_equal(symlink(target, path), 0);
    }
    assert_true(sg_dir_walk(&files, &n, ".", NULL, NULL));
    assert_int_equal(n, 300);
    for (int i = 0; i < 300; i++) {
        snprintf(path, sizeof path, "%03d/sub/f", i);
        assert_string_equal(files[i].path, path);
    }
    sg_dir_files_free(files, n);
}

/* Size and time are those of what is read, not of a symlink to it. */
static void test_walk_tells_size_and_time(void **state)
{
    (void)state;
    sg_dir_file *files;
    size_t n;
    const struct timespec times[2] = {{1, 2}, {1234567890, 123456789}}, before[2] = {{0, 0}, {-1, 999999999}};
    assert_int_equal(mkdir("d", 0700), 0);
    scratch_put("d/a", "12345", 5);
    scratch_put("out", "1", 1);
    assert_int_equal(symlink("../out", "d/b"), 0);
    assert_int_equal(utimensat(AT_FDCWD, "d/a", times, 0) | utimensat(AT_FDCWD, "out", before, 0), 0);
    assert_true(sg_dir_walk(&files, &n, "d", NULL, NULL));
    assert_int_equal(n, 2);
    assert_int_equal(files[0].nbytes, 5);
    assert_true(files[0].mtime_ns == 1234567890123456789);
    assert_int_equal(files[1].nbytes, 1);
    assert_true(files[1].mtime_ns == -1);
    sg_dir_files_free(files, n);
    /* 64 bits of nanoseconds end in 2262, times of files do not. */
    static const struct {
        time_t seconds;
        long ns;
        int64_t want;
    } times_of[] = {{9223372036, 854775807, INT64_MAX},
                    {9223372036, 854775808, INT64_MAX},
                    {9300000000, 0, INT64_MAX},
                    {INT64_MAX, 999999999, INT64_MAX},
                    {-9223372036, 0, -9223372036000000000},
                    {-9300000000, 1, INT64_MIN},
                    {INT64_MIN, 0, INT64_MIN}};
    for (size_t i = 0; i < sizeof times_of / sizeof *times_of; i++) {
        const struct stat st = {.st_mtim = {times_of[i].seconds, times_of[i].ns}};
        assert_true(sg_mtime_ns(&st) == times_of[i].want);
    }
}

static void test_walk_leaves_out(void **state)
{
    (void)state;
    assert_int_equal(mkdir("d", 0700) | mkdir("d/raw", 0700) | mkdir("d/raw/deep", 0700) |
                         mkdir("d/x", 0700) | mkdir("d/x/raw", 0700) | symlink("x", "d/raw2"),
                     0);
    static const char *const files[] = {"d/a.png",   "d/a.tif",       "d/raw/b.png", "d/raw/deep/c.png",
                                        "d/x/a.tif", "d/x/raw/d.png", "d/x/raw.png", NULL};
    for (size_t i = 0; files[i]; i++) scratch_put(files[i], "", 0);
    static const struct {
        const char *patterns[3];
        const char *seen[8];
    } cases[] = {
        {{"*.tif"}, {"a.png", "raw/b.png", "raw/deep/c.png", "x/raw.png", "x/raw/d.png"}},
        {{"raw"}, {"a.png", "a.tif", "x/a.tif", "x/raw.png"}}, /* whole folders, wherever they lie */
        {{"raw/"}, {"a.png", "a.tif", "x/a.tif", "x/raw.png"}},
        {{"a.tif/"},
         {"a.png", "a.tif", "raw/b.png", "raw/deep/c.png", "x/a.tif", "x/raw.png", "x/raw/d.png"}},
        {{"x/raw"}, {"a.png", "a.tif", "raw/b.png", "raw/deep/c.png", "x/a.tif", "x/raw.png"}},
        {{"raw*", "a.[pq]ng"}, {"a.tif", "x/a.tif"}},
        {{"x/*.png"}, {"a.png", "a.tif", "raw/b.png", "raw/deep/c.png", "x/a.tif"}},
        {{"d"}, {"a.png", "a.tif", "raw/b.png", "raw/deep/c.png", "x/a.tif", "x/raw.png", "x/raw/d.png"}},
        {{"*"}, {NULL}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n = 0;
        while (n < 3 && cases[i].patterns[n]) n++;
        const sg_dir_options options = {.exclude = cases[i].patterns, .nexclude = n};
        assert_walk_by("d", &options, cases[i].seen);
    }
}

static bool take_refused(void *context, const char *path, const sg_error *why, sg_error *err)
{
    (void)err;
    assert_string_equal(path, "d/closed");
    assert_string_equal(why->message, "d/closed: cannot list the folder: Permission denied");
    ++*(int *)context;
    return true;
}

static void test_walk_fails(void **state)
{
    (void)state;
    sg_dir_file *files;
    size_t n;
    sg_error err = {0};
    assert_false(sg_dir_walk(&files, &n, "none", NULL, &err));
    assert_int_equal(err.code, SG_ERR_IO);
    assert_string_equal(err.message, "none/: cannot list the folder: No such file or directory");
    scratch_put("f", "", 0);
    assert_false(sg_dir_walk(&files, &n, "f", NULL, &err));
    /* A folder below that may not be read. */
    assert_int_equal(chmod(".", 0755) | mkdir("d", 0755) | mkdir("d/closed", 0700) | chmod("d/closed", 0), 0);
    scratch_put("d/f", "", 0);
    bool root = geteuid() == 0;
    if (root) assert_int_equal(seteuid(65534), 0);
    bool walked = sg_dir_walk(&files, &n, "d", NULL, &err);
    /* Or the walk goes on without it. */
    int taken = 0;
    const sg_dir_refused refused = {take_refused, &taken};
    assert_true(sg_dir_walk(&files, &n, "d", &(sg_dir_options){.refused = &refused}, NULL));
    assert_int_equal(taken, 1);
    assert_int_equal(n, 1);
    assert_string_equal(files[0].path, "f");
    sg_dir_files_free(files, n);
    if (root) assert_int_equal(seteuid(0), 0);
    assert_int_equal(chmod("d/closed", 0700), 0);
    assert_false(walked);
    assert_string_equal(err.message, "d/closed: cannot list the folder: Permission denied");
}

static bool walk_and_free(sg_error *err)
{
    sg_dir_file *files;
    size_t n;
    const char *const exclude[] = {"nothing"};
    const sg_dir_options options = {.hidden = true, .exclude = exclude, .nexclude = 1};
    if (!sg_dir_walk(&files, &n, "d", &options, err)) return false;
    sg_dir_files_free(files, n);
    return true;
}

static void test_without_memory(void **state)
{
    (void)state;
    assert_int_equal(mkdir("d", 0700) | mkdir("d/e", 0700) | symlink("e", "d/l"), 0);
    scratch_put("d/e/f", "", 0);
    scratch_put("d/g", "", 0);
    assert_survives_allocation_failures(walk_and_free(&err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_list),
        scratch_test(test_walk_finds_files),
        scratch_test(test_walk_enters_folders_once),
        scratch_test(test_walk_of_many_folders),
        scratch_test(test_walk_tells_size_and_time),
        scratch_test(test_walk_leaves_out),
        scratch_test(test_walk_fails),
        scratch_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
