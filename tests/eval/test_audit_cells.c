/* Cells of an audit: found again, made anew where they are harmed or others are asked for. */
#include "auditing.h"

#include <signet/interrupt.h>
#include <sys/stat.h>

typedef struct stamp {
    struct timespec time;
    ino_t inode;
} stamp;

/* Of every cell's file, in the order of their names; the number of them. */
static size_t stamps(stamp *out, char names[][64])
{
    char **found, path[128];
    size_t n, cells = 0;
    struct stat st;
    assert_true(sg_dir_list(&found, &n, "out/cells", NULL));
    for (size_t i = 0; i < n; i++) {
        if (strlen(found[i]) != 37) continue; /* 32 digits and .json */
        snprintf(path, sizeof path, "out/cells/%s", found[i]);
        assert_int_equal(stat(path, &st), 0);
        out[cells] = (stamp){st.st_mtim, st.st_ino};
        strcpy(names[cells++], found[i]);
    }
    sg_names_free(found, n);
    return cells;
}

/* Harms cell `which` by `harm`; a second run does that cell again and no other, and says the same. */
static void harmed(const bench *b, size_t which, void (*harm)(const char *path))
{
    stamp before[32], after[32];
    char names[32][64], path[128];
    char *csv = text_of("out/results.csv");
    size_t n = stamps(before, names);
    assert_int_equal(n, 14);
    snprintf(path, sizeof path, "out/cells/%s", names[which]);
    harm(path);
    run(b);
    assert_int_equal(stamps(after, names), n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(i != which, before[i].inode == after[i].inode &&
                                         before[i].time.tv_sec == after[i].time.tv_sec &&
                                         before[i].time.tv_nsec == after[i].time.tv_nsec);
    char *again = text_of("out/results.csv");
    assert_string_equal(csv, again);
    sg_free(again);
    sg_free(csv);
}

static void harm_remove(const char *path)
{
    assert_int_equal(unlink(path), 0);
}

static void harm_truncate(const char *path)
{
    assert_int_equal(truncate(path, 100), 0);
}

static void harm_numbers(const char *path)
{
    char *text = text_of(path);
    char *at = strstr(text, "\"map\":[");
    memcpy(at + 7, "{},", 3);
    scratch_put(path, text, strlen(text));
    sg_free(text);
}

static void harm_picture(const char *path)
{
    char picture[160];
    snprintf(picture, sizeof picture, "%.*s-0.png", (int)(strlen(path) - 5), path);
    assert_int_equal(unlink(picture), 0);
}

static void test_resume(void **state)
{
    (void)state;
    bench b;
    bench_open(&b);
    run(&b);
    harmed(&b, 0, harm_remove);
    harmed(&b, 4, harm_truncate);
    harmed(&b, 7, harm_numbers);
    harmed(&b, 13, harm_picture);
    bench_close(&b);
}

/* Whole runs say the same, whatever the batch; other options get cells of their own. */
static void test_keys(void **state)
{
    (void)state;
    bench b;
    stamp found[64];
    char names[64][64];
    bench_open(&b);
    run(&b);
    char *csv = text_of("out/results.csv"), *html = text_of("out/report.html");
    assert_int_equal(rename("out", "out-4"), 0);
    b.options.batch = 3;
    run(&b);
    char *again = text_of("out/results.csv"), *page = text_of("out/report.html");
    assert_string_equal(csv, again);
    assert_string_equal(html, page);
    b.options.iterations = 2;
    run(&b);
    assert_int_equal(stamps(found, names), 14 + 12); /* the clean cells stay */
    b.options.seed = 10;
    run(&b);
    assert_int_equal(stamps(found, names), 14 + 12 + 14);
    model_write("usf.safetensors", "brsf", true, 3); /* the same weights and fingerprint, another B */
    run(&b);
    assert_int_equal(stamps(found, names), 14 + 12 + 14 + 9);
    sg_free(page);
    sg_free(again);
    sg_free(html);
    sg_free(csv);
    bench_close(&b);
}

/* A log that asks to stop after its third line. */
static ssize_t stop_after_three(void *cookie, const char *text, size_t nbytes)
{
    int *left = cookie;
    for (size_t i = 0; i < nbytes; i++)
        if (text[i] == '\n' && --*left == 0) sg_interrupt_set(true);
    return (ssize_t)nbytes;
}

static void test_interrupt(void **state)
{
    (void)state;
    bench b;
    stamp before[32], after[32];
    char names[32][64];
    sg_error err = {0};
    int left = 3;
    bench_open(&b);
    b.options.log = fopencookie(&left, "w", (cookie_io_functions_t){.write = stop_after_three});
    setvbuf(b.options.log, NULL, _IONBF, 0);
    assert_false(sg_audit_run("out", b.ds, &b.split, &b.options, &err));
    sg_interrupt_set(false);
    fclose(b.options.log);
    b.options.log = NULL;
    assert_int_equal(err.code, SG_ERR_INTERRUPTED);
    assert_int_equal(stamps(before, names), 3);
    assert_false(sg_path_exists("out/results.csv"));
    run(&b);
    size_t n = stamps(after, names), kept = 0;
    assert_int_equal(n, 14);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < 3; j++) kept += after[i].inode == before[j].inode;
    assert_int_equal(kept, 3);
    bench_close(&b);
}

int main(void)
{
    sg_threads_set(1); /* passes this small only wait for each other */
    const struct CMUnitTest tests[] = {
        scratch_test(test_resume),
        scratch_test(test_keys),
        scratch_test(test_interrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
