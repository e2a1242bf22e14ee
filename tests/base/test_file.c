#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <signet/file.h>
#include <sys/stat.h>

static void test_reads_whole(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 7, 8, 4095, 65534, 65535, 65536, 65537, 300000};
    static char bytes[300000];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (char)(i * 31 + i / 256);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t n = sizes[i], got;
        char *read;
        sg_error err = {0};
        scratch_put("f", bytes, n);
        assert_true(sg_file_read(&read, &got, "f", n, &err));
        assert_int_equal(got, n);
        assert_memory_equal(read, bytes, n);
        assert_int_equal(read[n], 0);
        sg_free(read);
        if (n > 0) {
            assert_false(sg_file_read(&read, &got, "f", n - 1, &err));
            assert_int_equal(err.code, SG_ERR_LIMIT);
        }
        sg_map map;
        assert_true(sg_map_open(&map, "f", &err));
        assert_int_equal(map.size, n);
        assert_int_equal(map.data == NULL, n == 0);
        assert_memory_equal(map.data ? (const char *)map.data : "", bytes, n);
        sg_map_close(&map);
        sg_map_close(&map);
    }
}

/* /proc files have no size before they are read. */
static void test_reads_what_is_there(void **state)
{
    (void)state;
    char *read;
    size_t got;
    sg_error err = {0};
    assert_true(sg_file_read(&read, &got, "/proc/self/status", 100000, &err));
    assert_true(got > 100);
    assert_int_equal(strlen(read), got);
    sg_free(read);
    assert_false(sg_file_read(&read, &got, "/proc/self/status", 50, &err));
    assert_int_equal(err.code, SG_ERR_LIMIT);
}

static void test_standard_input(void **state)
{
    (void)state;
    static char bytes[150000];
    memset(bytes, 'i', sizeof bytes);
    scratch_put("f", bytes, sizeof bytes);
    int before = dup(STDIN_FILENO);
    for (int over = 0; over < 2; over++) {
        char *read;
        size_t got;
        sg_error err = {0};
        int fd = open("f", O_RDONLY);
        dup2(fd, STDIN_FILENO);
        close(fd);
        bool ok = sg_file_read(&read, &got, "-", sizeof bytes - (size_t)over, &err);
        assert_int_equal(ok, !over);
        if (ok) {
            assert_int_equal(got, sizeof bytes);
            assert_memory_equal(read, bytes, sizeof bytes);
            sg_free(read);
        } else {
            assert_int_equal(err.code, SG_ERR_LIMIT);
            assert_string_equal(err.message, "standard input: larger than 149999 bytes");
        }
    }
    close(STDIN_FILENO);
    char *read;
    size_t got;
    sg_error err = {0};
    assert_false(sg_file_read(&read, &got, "-", 10, &err));
    assert_string_equal(err.message, "standard input: cannot read: Bad file descriptor");
    dup2(before, STDIN_FILENO);
    close(before);
}

static void test_what_is_no_file(void **state)
{
    (void)state;
    assert_int_equal(mkdir("folder", 0700) | mkfifo("fifo", 0600) | symlink("loop", "loop"), 0);
    scratch_put("f", "x", 1);
    static const struct {
        const char *path, *message;
    } cases[] = {
        {"missing", "missing: cannot open: No such file or directory"},
        {"", "an empty path"},
        {"folder", "folder: is a folder"},
        {"fifo", "fifo: is not a regular file"},
        {"/dev/zero", "/dev/zero: is not a regular file"},
        {"f/below", "f/below: cannot open: Not a directory"},
        {"loop", "loop: cannot open: Too many levels of symbolic links"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *read = (char *)&read;
        size_t got;
        sg_map map;
        sg_error err = {0};
        assert_false(sg_file_read(&read, &got, cases[i].path, 100, &err));
        assert_int_equal(err.code, SG_ERR_IO);
        assert_string_equal(err.message, cases[i].message);
        assert_false(sg_map_open(&map, cases[i].path, &err));
        assert_string_equal(err.message, cases[i].message);
        assert_false(sg_file_copy(cases[i].path, "copy", &err));
        assert_string_equal(err.message, cases[i].message);
        assert_false(sg_path_exists("copy"));
    }
}

static bool read_and_free(const char *path, sg_error *err)
{
    char *bytes;
    size_t nbytes;
    if (!sg_file_read(&bytes, &nbytes, path, 1 << 20, err)) return false;
    sg_free(bytes);
    return true;
}

static void test_without_memory(void **state)
{
    (void)state;
    scratch_put("f", "some text", 9);
    assert_survives_allocation_failures(read_and_free("f", &err));
    assert_survives_allocation_failures(read_and_free("/proc/self/maps", &err));
    assert_survives_allocation_failures(sg_file_copy("f", "g", &err));
    assert_survives_allocation_failures(sg_file_write("h", "text", 4, &err));
}

static void test_copies(void **state)
{
    (void)state;
    static char bytes[200001];
    memset(bytes, 'c', sizeof bytes);
    for (size_t n = 0; n <= sizeof bytes; n += 66667) {
        char *read;
        size_t got;
        sg_error err = {0};
        scratch_put("from", bytes, n);
        assert_true(sg_file_copy("from", "to", &err));
        assert_true(sg_file_read(&read, &got, "to", sizeof bytes, &err));
        assert_int_equal(got, n);
        assert_memory_equal(read, bytes, n);
        sg_free(read);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_reads_whole),    scratch_test(test_reads_what_is_there),
        scratch_test(test_standard_input), scratch_test(test_what_is_no_file),
        scratch_test(test_without_memory), scratch_test(test_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
