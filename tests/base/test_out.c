#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <signet/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* These stand before libc's, so that the n-th of the calls by which a file comes to be can fail, or be the
 * last thing its process does. */
static unsigned calls_left; /* 1: the next; 0: none */
static bool dies;

static bool struck(void)
{
    if (calls_left == 0 || --calls_left > 0) return false;
    if (dies) kill(getpid(), SIGKILL);
    errno = EIO;
    return true;
}

ssize_t write(int fd, const void *bytes, size_t nbytes)
{
    return struck() ? -1 : syscall(SYS_write, fd, bytes, nbytes);
}

int fsync(int fd)
{
    return struck() ? -1 : (int)syscall(SYS_fsync, fd);
}

int rename(const char *from, const char *to)
{
    return struck() ? -1 : (int)syscall(SYS_rename, from, to);
}

int fchmod(int fd, mode_t mode)
{
    return struck() ? -1 : (int)syscall(SYS_fchmod, fd, mode);
}

static void assert_holds(const char *path, const char *text)
{
    char *bytes;
    size_t nbytes;
    sg_error err = {0};
    if (!sg_file_read(&bytes, &nbytes, path, 1 << 24, &err)) fail_msg("%s", err.message);
    assert_string_equal(bytes, text);
    sg_free(bytes);
}

static size_t files_in(const char *folder)
{
    char **names;
    size_t n;
    assert_true(sg_dir_list(&names, &n, folder, NULL));
    sg_names_free(names, n);
    return n;
}

static void test_appears_on_commit(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_out *out;
    scratch_put("f", "old", 3);
    assert_true(sg_out_open(&out, "f", &err));
    assert_true(sg_out_write(out, "new ", 4, &err));
    assert_true(sg_out_printf(out, &err, "%d %s", 42, "text"));
    assert_holds("f", "old");
    assert_true(sg_out_commit(out, &err));
    assert_holds("f", "new 42 text");
    assert_int_equal(files_in("."), 1);
    assert_true(sg_out_open(&out, "g", &err));
    assert_false(sg_path_exists("g"));
    sg_out_abort(out);
    sg_out_abort(NULL);
    assert_int_equal(files_in("."), 1);
}

/* Small and large writes in turn keep their order. */
static void test_pieces_keep_their_order(void **state)
{
    (void)state;
    enum { N = 400000 };
    char *expected = malloc(N + 1);
    sg_error err = {0};
    sg_out *out;
    size_t at = 0, piece = 1;
    for (size_t i = 0; i < N; i++) expected[i] = (char)('a' + i * i % 26);
    expected[N] = '\0';
    assert_true(sg_out_open(&out, "f", &err));
    for (; at < N; piece = piece * 3 % 100003) {
        size_t n = N - at < piece ? N - at : piece;
        if (n % 2)
            assert_true(sg_out_write(out, expected + at, n, &err));
        else
            assert_true(sg_out_printf(out, &err, "%.*s", (int)n, expected + at));
        at += n;
    }
    assert_true(sg_out_commit(out, &err));
    assert_holds("f", expected);
    free(expected);
}

static void test_modes_and_links(void **state)
{
    (void)state;
    struct stat st;
    sg_error err = {0};
    mode_t mask = umask(022);
    assert_true(sg_file_write("new", "1", 1, &err));
    assert_int_equal(stat("new", &st), 0);
    assert_int_equal(st.st_mode & 07777, 0644);
    assert_int_equal(chmod("new", 0600), 0);
    assert_true(sg_file_write("new", "2", 1, &err));
    assert_int_equal(stat("new", &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    umask(mask);
    /* A symlink stays one, and what it names is replaced. */
    assert_int_equal(mkdir("d", 0700) | symlink("../new", "d/link") | symlink("nowhere", "d/dangling"), 0);
    assert_true(sg_file_write("d/link", "3", 1, &err));
    assert_int_equal(lstat("d/link", &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_holds("new", "3");
    assert_int_equal(files_in("d"), 2);
    assert_false(sg_file_write("d/dangling", "4", 1, &err));
    assert_string_equal(err.message, "d/dangling: cannot write: No such file or directory");
}

static void test_names_of_any_length_and_bytes(void **state)
{
    (void)state;
    char name[256];
    sg_error err = {0};
    memset(name, 'n', 255);
    name[255] = '\0';
    memcpy(name, "\xff\n%s -", 6);
    assert_true(sg_file_write(name, "long", 4, &err));
    assert_holds(name, "long");
    assert_int_equal(files_in("."), 1);
}

static void test_places_where_nothing_can_be(void **state)
{
    (void)state;
    assert_int_equal(mkdir("folder", 0700) | mkfifo("fifo", 0600), 0);
    scratch_put("f", "x", 1);
    static const struct {
        const char *path, *message;
    } cases[] = {
        {"f/below", "f/below: cannot write: Not a directory"},
        {"missing/f", "missing/f: cannot write: No such file or directory"},
        {"folder", "folder: is a folder"},
        {"folder/", "folder/: is a folder"},
        {"new/", "new/: is no name of a file"},
        {"", "an empty path"},
        {"fifo", "fifo: is not a regular file"},
        {"/dev/null", "/dev/null: is not a regular file"},
        {"/dev/full", "/dev/full: is not a regular file"},
        {"/proc/signet-test", "/proc/signet-test: cannot write: No such file or directory"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sg_out *out = (sg_out *)"not NULL";
        sg_error err = {0};
        assert_false(sg_out_open(&out, cases[i].path, &err));
        assert_null(out);
        assert_int_equal(err.code, SG_ERR_IO);
        assert_string_equal(err.message, cases[i].message);
    }
    assert_int_equal(files_in("."), 3);
    assert_int_equal(files_in("folder"), 0);
}

/* Root may write anywhere: another user tries. */
static void test_a_folder_that_is_read_only(void **state)
{
    (void)state;
    sg_error err = {0};
    bool root = geteuid() == 0;
    assert_int_equal(chmod(".", 0755) | mkdir("folder", 0755) | mkdir("open", 0777) | chmod("open", 0777), 0);
    scratch_put("folder/f", "old", 3);
    scratch_put("open/f", "old", 3);
    assert_int_equal(chmod("open/f", 0444) | chmod("folder", 0555), 0);
    if (root) assert_int_equal(seteuid(65534), 0);
    bool wrote_old = sg_file_write("folder/f", "new", 3, &err);
    if (!wrote_old) assert_string_equal(err.message, "folder/f: cannot write: Permission denied");
    bool wrote_new = sg_file_write("folder/g", "new", 3, &err);
    if (!wrote_new) assert_string_equal(err.message, "folder/g: cannot write: Permission denied");
    bool wrote_protected = sg_file_write("open/f", "new", 3, &err); /* the folder would let it */
    bool wrote_open = sg_file_write("open/g", "new", 3, NULL);
    if (root) assert_int_equal(seteuid(0), 0);
    assert_false(wrote_old || wrote_new || wrote_protected);
    assert_string_equal(err.message, "open/f: cannot write: Permission denied");
    assert_true(wrote_open);
    assert_holds("folder/f", "old");
    assert_holds("open/f", "old");
    assert_int_equal(chmod("folder", 0755), 0);
    assert_int_equal(files_in("folder"), 1);
    assert_int_equal(files_in("open"), 2);
}

/* A limit on the size of files stands for a full disk. */
static void test_a_full_disk(void **state)
{
    (void)state;
    static char bytes[200000];
    struct rlimit before, limit;
    sg_error err = {0};
    sg_out *out;
    signal(SIGXFSZ, SIG_IGN);
    scratch_put("f", "old", 3);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    limit.rlim_cur = 10000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    bool whole = sg_file_write("f", bytes, sizeof bytes, &err);
    sg_error late = {0}, sticky = {0}, again = {0};
    bool opened = sg_out_open(&out, "f", NULL);
    bool gathered = sg_out_write(out, bytes, 50000, NULL); /* waits in memory */
    bool wrote = sg_out_write(out, bytes, 50000, &late);
    bool wrote_more = sg_out_write(out, bytes, 100000, &again);
    bool committed = sg_out_commit(out, &sticky);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_false(whole);
    assert_string_equal(err.message, "f: cannot write: File too large");
    assert_true(opened && gathered);
    assert_false(wrote || wrote_more || committed);
    assert_string_equal(late.message, err.message);
    assert_string_equal(again.message, err.message);
    assert_string_equal(sticky.message, err.message);
    assert_holds("f", "old");
    assert_int_equal(files_in("."), 1);
}

/* A child that opens f, writes some of it, and waits to be killed. */
static pid_t start_writer(bool with_heir)
{
    int ready[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        static char bytes[100000];
        sg_out *out;
        if (!sg_out_open(&out, "f", NULL) || !sg_out_write(out, bytes, sizeof bytes, NULL)) _exit(1);
        if (with_heir && fork() == 0) {
            /* Holds the lock (and the pipe) until the folder has a file named "go". */
            for (int i = 0; i < 60000 && !sg_path_exists("go"); i++) usleep(2000);
            _exit(0);
        }
        if (write(ready[1], "r", 1) != 1) _exit(1);
        for (;;) pause();
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return child;
}

static void kill_and_wait(pid_t child)
{
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

static void test_a_killed_writer(void **state)
{
    (void)state;
    scratch_put("f", "old", 3);
    pid_t child = start_writer(false);
    assert_int_equal(files_in("."), 2);
    sg_out_sweep("."); /* alive: its temporary stays */
    assert_int_equal(files_in("."), 2);
    kill_and_wait(child);
    assert_holds("f", "old");
    assert_int_equal(files_in("."), 2);
    sg_out_sweep(".");
    assert_int_equal(files_in("."), 1);
    sg_out_sweep("missing");
}

/* A process whose number says nothing (that of another container) still holds the lock. */
static void test_a_lock_keeps_the_temporary(void **state)
{
    (void)state;
    kill_and_wait(start_writer(true));
    sg_out_sweep(".");
    assert_int_equal(files_in("."), 1);
    scratch_put("go", "", 0);
    for (int i = 0; i < 12000 && files_in(".") == 2; i++) {
        usleep(10000);
        sg_out_sweep(".");
    }
    assert_int_equal(files_in("."), 1); /* "go" */
}

static void test_the_sweep_knows_its_own(void **state)
{
    (void)state;
    char gone[64], alive[64];
    pid_t child = fork();
    if (child == 0) _exit(0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    const char *kept[] = {"f",
                          ".f.tmp",
                          ".f.signet-12.tmp",
                          ".f.signet-x-1.tmp",
                          "f.signet-999999999-0.tmp",
                          ".f.signet-999999999-0.tmp.jpg",
                          ".signet-",
                          ".f.signet-0-0.tmp",
                          ".f.signet-999999999-0"};
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) scratch_put(kept[i], "", 0);
    snprintf(alive, sizeof alive, ".f.signet-%ld-3.tmp", (long)getppid());
    snprintf(gone, sizeof gone, ".a.signet-b.signet-%ld-3.tmp", (long)child);
    scratch_put(alive, "", 0);
    scratch_put(gone, "", 0);
    assert_int_equal(mkdir(".d.signet-999999999-0.tmp", 0700), 0);
    assert_int_equal(symlink("f", ".l.signet-999999999-0.tmp"), 0);
    sg_out_sweep(".");
    assert_false(sg_path_exists(gone));
    assert_int_equal(files_in("."), sizeof kept / sizeof *kept + 3);
}

/* Two versions, each of several writes; the second is to replace the first. */
enum { VERSION_NBYTES = 150000 };

static bool write_version(char letter, sg_error *err)
{
    static char bytes[VERSION_NBYTES];
    sg_out *out;
    memset(bytes, letter, sizeof bytes);
    if (!sg_out_open(&out, "f", err)) return false;
    for (size_t at = 0; at < sizeof bytes; at += 30000)
        if (!sg_out_write(out, bytes + at, 30000, err)) {
            sg_out_abort(out);
            return false;
        }
    return sg_out_commit(out, err);
}

/* The letter of the version that f holds whole. */
static char version_there(void)
{
    char *bytes;
    size_t nbytes;
    assert_true(sg_file_read(&bytes, &nbytes, "f", VERSION_NBYTES, NULL));
    assert_int_equal(nbytes, VERSION_NBYTES);
    for (size_t i = 0; i < nbytes; i++) assert_int_equal(bytes[i], bytes[0]);
    char letter = bytes[0];
    sg_free(bytes);
    return letter;
}

static void test_every_call_fails_in_turn(void **state)
{
    (void)state;
    bool ok = false;
    unsigned failures = 0, late = 0;
    for (unsigned nth = 1; !ok; nth++) {
        sg_error err = {0};
        assert_true(write_version('a', &err));
        calls_left = nth;
        ok = write_version('b', &err);
        calls_left = 0;
        assert_int_equal(files_in("."), 1);
        if (ok) break;
        failures++;
        assert_int_equal(err.code, SG_ERR_IO);
        if (version_there() == 'a') {
            assert_string_equal(err.message, "f: cannot write: Input/output error");
        } else {
            late++; /* it stands, but may not outlive a power cut */
            assert_string_equal(err.message, "f: cannot sync the folder: Input/output error");
        }
    }
    assert_int_equal(version_there(), 'b');
    assert_true(failures >= 6); /* fchmod, writes, fsync, rename, fsync of the folder */
    assert_int_equal(late, 1);
}

static void test_killed_at_every_call(void **state)
{
    (void)state;
    int status = 1, deaths = 0;
    for (unsigned nth = 1; status != 0; nth++) {
        assert_true(write_version('a', NULL));
        pid_t child = fork();
        if (child == 0) {
            dies = true;
            calls_left = nth;
            _exit(!write_version('b', NULL));
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(status == 0 || WIFSIGNALED(status));
        deaths += status != 0;
        version_there();
        sg_out_sweep(".");
        assert_int_equal(files_in("."), 1);
    }
    assert_int_equal(version_there(), 'b');
    assert_true(deaths >= 6);
}

/* A folder comes to stand where the file was to be. */
static void test_rename_onto_a_folder(void **state)
{
    (void)state;
    sg_out *out;
    sg_error err = {0};
    assert_true(sg_out_open(&out, "f", &err));
    assert_true(sg_out_write(out, "x", 1, &err));
    assert_int_equal(mkdir("f", 0700), 0);
    assert_false(sg_out_commit(out, &err));
    assert_string_equal(err.message, "f: cannot write: Is a directory");
    assert_int_equal(files_in("."), 1);
}

/* Killed at any moment, a writer leaves one of its versions whole. */
static void test_killed_at_any_moment(void **state)
{
    (void)state;
    assert_true(write_version('a', NULL));
    for (int round = 0; round < 40; round++) {
        pid_t child = fork();
        if (child == 0)
            for (int i = 0;; i++)
                if (!write_version(i % 2 ? 'a' : 'b', NULL)) _exit(1);
        usleep((useconds_t)(300 + round * 211));
        kill_and_wait(child);
        version_there();
        sg_out_sweep(".");
        assert_int_equal(files_in("."), 1);
    }
}

static bool write_in_pieces(sg_error *err)
{
    sg_out *out;
    if (!sg_out_open(&out, "f", err)) return false;
    for (int i = 0; i < 200; i++)
        if (!sg_out_printf(out, err, "%0999d\n", i)) {
            sg_out_abort(out);
            return false;
        }
    return sg_out_commit(out, err);
}

static void test_without_memory(void **state)
{
    (void)state;
    scratch_put("f", "old", 3);
    assert_survives_allocation_failures(write_in_pieces(&err));
    assert_int_equal(files_in("."), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_appears_on_commit),
        scratch_test(test_pieces_keep_their_order),
        scratch_test(test_modes_and_links),
        scratch_test(test_names_of_any_length_and_bytes),
        scratch_test(test_places_where_nothing_can_be),
        scratch_test(test_a_folder_that_is_read_only),
        scratch_test(test_a_full_disk),
        scratch_test(test_a_killed_writer),
        scratch_test(test_a_lock_keeps_the_temporary),
        scratch_test(test_the_sweep_knows_its_own),
        scratch_test(test_every_call_fails_in_turn),
        scratch_test(test_killed_at_every_call),
        scratch_test(test_rename_onto_a_folder),
        scratch_test(test_killed_at_any_moment),
        scratch_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
