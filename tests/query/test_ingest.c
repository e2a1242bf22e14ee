#include "album.h"

#include <fcntl.h>
#include <signal.h>
#include <signet/interrupt.h>
#include <signet/progress.h>
#include <sys/resource.h>

static void put_text(const char *path, const char *text)
{
    scratch_put(path, text, strlen(text));
}

static void assert_notes(char *notes, const char *want)
{
    assert_string_equal(notes, want);
    free(notes);
}

/* A folder as people have them: images of two formats and any name, and much else. */
static void make_album(void)
{
    make_folder("album");
    make_folder("album/sub");
    make_folder("album/.hidden");
    put_picture("album/b.png", 1);
    put_picture("album/a.jpg", 2);
    put_picture("album/without-ending", 3);
    put_picture("album/sub/c.png", 4);
    put_picture("album/sub/wrong-ending.txt", 5);
    put_picture("album/.hidden/d.png", 6);
    put_picture("album/.e.png", 7);
    put_text("album/notes.txt", "no image");
    put_text("album/empty.jpg", "");
    make_folder("album/sub/empty");
}

static void test_folder(void **state)
{
    (void)state;
    char *notes;
    make_index();
    make_album();
    assert_counts(add_path("album", &notes), 5, 0, 0, 0, 0, 2);
    assert_notes(notes, "");
    assert_listing(true, "1 a.jpg\n2 b.png\n3 c.png\n4 wrong-ending.txt\n5 without-ending\n");
    assert_counts(add_path("album", &notes), 0, 0, 5, 0, 0, 2);
    assert_notes(notes, "");
    assert_counts(add_path("./album/../album//sub", NULL), 0, 0, 2, 0, 0, 0); /* one file, one path */
    assert_listing(false, "1 a.jpg\n2 b.png\n3 c.png\n4 wrong-ending.txt\n5 without-ending\n");
}

static void test_hidden(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_ingest_counts counts;
    const char *path = "album";
    const sg_ingest_options options = {.hidden = true};
    make_index();
    make_album();
    sg_index *index = open_index(true);
    assert_true(sg_ingest_paths(&counts, index, &path, 1, &options, &err));
    assert_counts(counts, 7, 0, 0, 0, 0, 2);
    sg_index_close(index);
    assert_counts(add_path("album/.e.png", NULL), 0, 0, 1, 0, 0, 0); /* a named file is not hidden */
}

static void test_changes(void **state)
{
    (void)state;
    char *notes;
    struct stat st;
    make_index();
    put_picture("a.png", 1);
    put_picture("b.png", 2);
    assert_counts(add_path("a.png", NULL), 1, 0, 0, 0, 0, 0);
    assert_counts(add_path("b.png", NULL), 1, 0, 0, 0, 0, 0);
    /* New content under an old path. */
    put_picture("a.png", 3);
    assert_counts(add_path("a.png", &notes), 0, 1, 0, 0, 0, 0);
    assert_notes(notes, "a.png: updated\n");
    assert_listing(true, "2 b.png\n3 a.png\n");
    /* Old content under a new path. */
    put_picture("c.png", 2);
    assert_counts(add_path("c.png", &notes), 1, 0, 0, 1, 0, 0);
    assert_non_null(strstr(notes, "c.png: same content as /"));
    assert_non_null(strstr(notes, "/b.png (id 2)\n"));
    free(notes);
    /* The same content with another time: read, and found unchanged; the next time it is not read. */
    assert_int_equal(stat("b.png", &st), 0);
    struct timespec times[2] = {st.st_atim, {st.st_mtim.tv_sec + 5, 77}};
    assert_int_equal(utimensat(AT_FDCWD, "b.png", times, 0), 0);
    assert_counts(add_path("b.png", &notes), 0, 0, 1, 0, 0, 0);
    assert_notes(notes, "");
    /* Other bytes with the same size and time are not seen: nothing was read. */
    assert_int_equal(stat("b.png", &st), 0);
    char *junk = calloc(1, (size_t)st.st_size);
    scratch_put("b.png", junk, (size_t)st.st_size);
    free(junk);
    times[1] = st.st_mtim;
    assert_int_equal(utimensat(AT_FDCWD, "b.png", times, 0), 0);
    assert_counts(add_path("b.png", NULL), 0, 0, 1, 0, 0, 0);
    assert_listing(false, "2 b.png\n3 a.png\n4 c.png\n");
}

/* The first half of a picture's file, as `to`. */
static void cut_picture(const char *from, const char *to)
{
    sg_error err = {0};
    char *bytes;
    size_t size;
    assert_true(sg_file_read(&bytes, &size, from, 1 << 20, &err));
    scratch_put(to, bytes, size / 2);
    sg_free(bytes);
}

static void make_broken(void)
{
    make_folder("mixed");
    put_picture("mixed/good1.png", 1);
    put_picture("mixed/good2.jpg", 2);
    cut_picture("mixed/good1.png", "mixed/cut.png");
    cut_picture("mixed/good2.jpg", "mixed/cut.jpg");
    put_picture("mixed/z.png", 3);
    /* A header that claims 60000 x 60000 pixels. */
    sg_error err = {0};
    char *bytes;
    size_t size;
    assert_true(sg_file_read(&bytes, &size, "mixed/good1.png", 1 << 20, &err));
    memcpy(bytes + 16, "\x00\x00\xea\x60\x00\x00\xea\x60", 8);
    scratch_put("mixed/huge.png", bytes, size);
    sg_free(bytes);
}

static void test_broken(void **state)
{
    (void)state;
    char *notes;
    make_index();
    make_broken();
    assert_counts(add_path("mixed", &notes), 3, 0, 0, 0, 3, 0);
    assert_listing(true, "1 good1.png\n2 good2.jpg\n3 z.png\n");
    char *line = strtok(notes, "\n");
    const char *const names[] = {"cut.jpg: ", "cut.png: ", "huge.png: "};
    for (int i = 0; i < 3; i++, line = strtok(NULL, "\n")) {
        assert_non_null(line);
        assert_memory_equal(line, names[i], strlen(names[i]));
        assert_null(strchr(line, '/')); /* the path is not said twice */
    }
    free(notes);
}

/* What is named must be an image. */
static void test_named(void **state)
{
    (void)state;
    char *notes;
    make_index();
    put_text("notes.txt", "no image");
    put_text("empty.png", "");
    assert_int_equal(mkfifo("pipe", 0666), 0);
    static const struct {
        const char *path, *word;
    } cases[] = {{"notes.txt", "no image of a known format"},
                 {"empty.png", "empty"},
                 {"absent.png", "No such file"},
                 {"pipe", "regular file"},
                 {"/dev/null", ""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_counts(add_path(cases[i].path, &notes), 0, 0, 0, 0, 1, 0);
        if (!strstr(notes, cases[i].word)) fail_msg("'%s' lacks '%s'", notes, cases[i].word);
        free(notes);
    }
    assert_listing(false, "");
}

/* Also when its folder is named beside it. */
static void test_named_with_its_folder(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_ingest_counts counts;
    const char *const paths[] = {"album", "album/notes.txt", "album/sub/c.png"}, *const turned[] = {paths[1],
                                                                                                    paths[0]};
    const sg_ingest_options options = {.dry_run = true};
    make_index();
    make_album();
    sg_index *index = open_index(true);
    assert_true(sg_ingest_paths(&counts, index, paths, 3, &options, &err));
    assert_counts(counts, 5, 0, 0, 0, 1, 1);
    assert_true(sg_ingest_paths(&counts, index, turned, 2, &(sg_ingest_options){0}, &err));
    assert_counts(counts, 5, 0, 0, 0, 1, 1);
    sg_index_close(index);
}

static void test_strict(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_ingest_counts counts;
    const char *paths[] = {"first", "mixed"};
    const sg_ingest_options options = {.strict = true};
    make_index();
    make_folder("first");
    put_picture("first/1.png", 11);
    make_broken();
    sg_index *index = open_index(true);
    assert_true(sg_ingest_paths(&counts, index, paths, 1, &options, &err));
    assert_counts(counts, 1, 0, 0, 0, 0, 0);
    assert_false(sg_ingest_paths(&counts, index, paths, 2, &options, &err));
    assert_int_equal(err.code, SG_ERR_FORMAT);
    assert_non_null(strstr(err.message, "mixed/cut.jpg: "));
    assert_counts(counts, 0, 0, 1, 0, 0, 0);
    sg_index_close(index);
    assert_listing(false, "1 1.png\n");
    index = open_index(true); /* a missing file is no better */
    paths[0] = "absent";
    assert_false(sg_ingest_paths(&counts, index, paths, 1, &options, &err));
    assert_int_equal(err.code, SG_ERR_IO);
    sg_index_close(index);
}

static void test_odd_names(void **state)
{
    (void)state;
    static const char *const names[] = {"a b.png", "-x.png", "\xff\xfe.png", "line\nbreak.png",
                                        "<b>&\"'.png"};
    make_index();
    make_folder("odd");
    assert_int_equal(chdir("odd"), 0);
    for (size_t i = 0; i < 5; i++) put_picture(names[i], i);
    assert_int_equal(chdir(".."), 0);
    assert_counts(add_path("odd", NULL), 5, 0, 0, 0, 0, 0);
    assert_listing(true, "1 -x.png\n2 <b>&\"'.png\n3 a b.png\n4 line\nbreak.png\n5 \xff\xfe.png\n");
}

/* More than a batch of the network, more than a batch of the store; the same for any number of threads. */
static void test_many(void **state)
{
    (void)state;
    enum { N = 1100 };
    char path[64], *first = NULL;
    make_model("model.safetensors", SG_HEAD_HASH, BITS, 1);
    make_folder("many");
    for (int i = 0; i < N; i++) {
        snprintf(path, sizeof path, "many/%04d", i);
        sg_image image = draw_picture((uint64_t)i, 8, 8, 1);
        put_image(path, &image, false);
        sg_image_clear(&image);
    }
    for (int threads = 1; threads <= 3; threads += 2) {
        sg_error err = {0};
        sg_ingest_counts counts;
        const char *folder = "many";
        sg_progress progress;
        sg_progress_init(&progress, NULL, "adding", "images", 0);
        const sg_ingest_options options = {.threads = threads, .progress = &progress};
        assert_true(sg_index_create("idx", "model.safetensors", "flat", NULL, &err));
        sg_threads_set(threads);
        sg_index *index = open_index(true);
        assert_true(sg_ingest_paths(&counts, index, &folder, 1, &options, &err));
        assert_int_equal(counts.added, N);
        assert_int_equal(progress.total, N);
        assert_int_equal(progress.done, N);
        sg_index_close(index);
        index = open_index(false);
        assert_in_range(sg_index_info(index)->generation, 3, 1 + N); /* at least two batches */
        uint8_t *codes;
        uint64_t *ids, generation;
        size_t n;
        assert_true(sg_store_load(&codes, &ids, &n, &generation, sg_index_store(index), &err));
        assert_int_equal(n, N);
        if (!first) {
            first = (char *)codes;
        } else {
            assert_memory_equal(first, codes, N * BITS / 8);
            sg_free(codes);
        }
        sg_free(ids);
        sg_index_close(index);
        assert_int_equal(rename("idx", threads == 1 ? "one" : "three"), 0);
    }
    sg_free(first);
}

static void stop_at(void *context, sg_ingest_event event, const char *path, const char *what)
{
    (void)event, (void)path, (void)what;
    if (--*(int *)context == 0) sg_interrupt_set(true);
}

/* An interrupt: what was stored stays, and the next run goes on. */
static void test_interrupted(void **state)
{
    (void)state;
    enum { N = 200 };
    char path[64];
    sg_error err = {0};
    sg_ingest_counts counts;
    const char *folder = "many";
    int left = 100;
    const sg_ingest_options options = {.note = stop_at, .context = &left, .threads = 2};
    make_index();
    make_folder("many");
    for (int i = 0; i < N; i++) { /* all alike: each but the first is worth a note */
        snprintf(path, sizeof path, "many/%03d.png", i);
        put_picture(path, 1);
    }
    sg_index *index = open_index(true);
    assert_false(sg_ingest_paths(&counts, index, &folder, 1, &options, &err));
    assert_int_equal(err.code, SG_ERR_INTERRUPTED);
    sg_interrupt_set(false);
    sg_index_close(index);
    assert_in_range(counts.added, 100, N - 1);
    index = open_index(false);
    assert_int_equal(sg_index_info(index)->items, counts.added);
    sg_index_close(index);
    sg_ingest_counts rest = add_path("many", NULL);
    assert_int_equal(rest.unchanged, counts.added);
    assert_int_equal(rest.added, N - counts.added);
}

/* A full disk ends it with an error; what was committed stays and verifies. */
static void test_full_disk(void **state)
{
    (void)state;
    char path[64];
    struct stat st;
    make_index();
    make_folder("many");
    for (int i = 0; i < 150; i++) {
        snprintf(path, sizeof path, "many/%03d.png", i);
        put_picture(path, (uint64_t)i % 20);
    }
    assert_int_equal(stat("idx/data.mdb", &st), 0);
    sg_error err = {0};
    sg_ingest_counts counts;
    const char *folder = "many";
    const sg_ingest_options options = {0};
    struct rlimit before, limit;
    sg_index *index = open_index(true);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = (struct rlimit){(rlim_t)st.st_size + 20000, before.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    bool ok = sg_ingest_paths(&counts, index, &folder, 1, &options, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_DFL);
    sg_index_close(index);
    assert_false(ok);
    assert_int_equal(err.code, SG_ERR_IO);
    assert_non_null(strstr(err.message, "full"));
    free(list_index(false));
    assert_int_equal(add_path("many", NULL).broken, 0);
    free(list_index(true));
}

static void test_without_memory(void **state)
{
    (void)state;
    sg_ingest_counts counts;
    const char *path = "a.jpg";
    const sg_ingest_options options = {.threads = 1};
    make_index();
    put_picture("a.jpg", 1);
    sg_index *index = open_index(true);
    assert_survives_allocation_failures(sg_ingest_paths(&counts, index, &path, 1, &options, &err));
    assert_counts(counts, 1, 0, 0, 0, 0, 0);
    sg_index_close(index);
    assert_listing(true, "1 a.jpg\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_folder),
        scratch_test(test_hidden),
        scratch_test(test_changes),
        scratch_test(test_broken),
        scratch_test(test_named),
        scratch_test(test_strict),
        scratch_test(test_named_with_its_folder),
        scratch_test(test_odd_names),
        scratch_test(test_many),
        scratch_test(test_interrupted),
        scratch_test(test_full_disk),
        scratch_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
