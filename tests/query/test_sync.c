#include "syncing.h"

static void test_new_and_changed(void **state)
{
    (void)state;
    char *notes;
    make_album();
    put_picture("album/a.png", 11);
    put_picture("album/sub/e.png", 5);
    set_time("album/b.jpg", 1000000);
    sg_ingest_counts c = sync_folder("album", false, &notes);
    assert_counts(c, 1, 1, 3, 0, 0, 1);
    assert_lost(c, 0, 0, 0, 0);
    assert_notes(notes, "a.png: updated\n");
    assert_listing(true, "2 b.jpg\n3 c.png\n4 d.png\n5 a.png\n6 e.png\n");
    assert_counts(sync_folder("album", true, &notes), 0, 0, 5, 0, 0, 1);
    assert_notes(notes, "");
}

/* Content that the index has is not decoded: here by a limit that no picture keeps. */
static void test_time_alone(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_ingest_counts counts;
    const char *folder = "album";
    struct stat st;
    make_album();
    set_time("album/b.jpg", 1000000);
    sg_index *index = open_index(true);
    sg_index_set_max_pixels(index, 1);
    assert_true(sg_ingest_sync(&counts, index, &folder, 1, true, &(sg_ingest_options){0}, &err));
    assert_counts(counts, 0, 0, 4, 0, 0, 1);
    bool current;
    char *path;
    assert_true(sg_path_absolute(&path, "album/b.jpg", &err));
    assert_int_equal(stat(path, &st), 0);
    assert_true(sg_store_is_current(&current, sg_index_store(index), path, (uint64_t)st.st_size,
                                    1000000000000005, &err));
    assert_true(current);
    sg_free(path);
    sg_index_close(index);
    assert_listing(true, "1 a.png\n2 b.jpg\n3 c.png\n4 d.png\n");
}

static void test_gone(void **state)
{
    (void)state;
    char *notes;
    make_album();
    put_picture("outside.png", 7);
    make_folder("album2");
    put_picture("album2/x.png", 8);
    assert_counts(add_path("outside.png", NULL), 1, 0, 0, 0, 0, 0);
    assert_counts(add_path("album2", NULL), 1, 0, 0, 0, 0, 0);
    assert_int_equal(unlink("outside.png") | unlink("album2/x.png") | unlink("album/a.png") |
                         unlink("album/sub/c.png"),
                     0);
    assert_lost(sync_folder("album", false, &notes), 0, 2, 0, 0); /* without prune they are counted */
    assert_notes(notes, "");
    assert_listing(false, "1 a.png\n2 b.jpg\n3 c.png\n4 d.png\n5 outside.png\n6 x.png\n");
    /* What was not named stays, gone or not, also where its path begins like the folder's. */
    assert_lost(sync_folder("album", true, NULL), 0, 2, 2, 0);
    assert_listing(false, "2 b.jpg\n4 d.png\n5 outside.png\n6 x.png\n");
    assert_lost(sync_folder("album", true, NULL), 0, 0, 0, 0);
    /* A whole folder, and a file that has become a folder. */
    assert_int_equal(unlink("album/sub/d.png") | rmdir("album/sub") | unlink("album/b.jpg"), 0);
    make_folder("album/b.jpg");
    put_picture("album/b.jpg/e.png", 9);
    assert_lost(sync_folder("album", true, NULL), 0, 2, 2, 0);
    assert_listing(false, "5 outside.png\n6 x.png\n7 e.png\n");
}

/* Files that are there, though this walk does not take them. */
static void test_left_out(void **state)
{
    (void)state;
    const char *folder = "album";
    const char *const exclude[] = {"sub", "b.*"};
    sg_ingest_options options = {.exclude = exclude, .nexclude = 2};
    make_album();
    put_picture("album/.h.png", 5);
    assert_counts(add_path("album/.h.png", NULL), 1, 0, 0, 0, 0, 0);
    put_picture("album/sub/new.png", 6);
    sg_ingest_counts c = sync_by(&folder, 1, true, &options, NULL);
    assert_counts(c, 0, 0, 1, 0, 0, 1);
    assert_lost(c, 0, 0, 0, 0);
    assert_listing(true, "1 a.png\n2 b.jpg\n3 c.png\n4 d.png\n5 .h.png\n");
    assert_int_equal(unlink("album/.h.png") | unlink("album/sub/c.png"), 0); /* and that are not */
    c = sync_by(&folder, 1, true, &options, NULL);
    assert_lost(c, 0, 2, 2, 0);
    assert_listing(false, "1 a.png\n2 b.jpg\n4 d.png\n");
}

/* Folders as they look when a disk is not mounted. */
static void test_not_mounted(void **state)
{
    (void)state;
    char *notes;
    make_album();
    assert_int_equal(unlink("album/sub/c.png") | unlink("album/sub/d.png"), 0);
    sg_ingest_counts c = sync_folder("album", true, &notes);
    assert_lost(c, 0, 0, 0, 2);
    assert_noted(notes, "sub: /"); /* the place, then the message that begins with it */
    assert_int_equal(rename("album/sub", "album/sub2") | mkdir("disk", 0777), 0);
    put_picture("disk/e.png", 5);
    assert_int_equal(symlink("../disk", "album/link"), 0);
    c = sync_folder("album", true, NULL); /* now the folder itself is gone */
    assert_counts(c, 1, 0, 2, 0, 0, 1);
    assert_lost(c, 0, 2, 2, 0);
    assert_int_equal(rename("disk", "elsewhere"), 0);
    assert_lost(sync_folder("album", true, &notes), 0, 0, 0, 1);
    assert_noted(notes, "link: /");
    assert_int_equal(unlink("album/link"), 0);
    assert_lost(sync_folder("album", false, NULL), 0, 1, 0, 0);
    /* All files, though not all folders. */
    assert_int_equal(rename("album", "mounted"), 0);
    make_folder("album");
    make_folder("album/lost+found");
    assert_lost(sync_folder("album", true, NULL), 0, 0, 0, 3);
    assert_int_equal(rmdir("album/lost+found"), 0);
    assert_lost(sync_folder("album", true, NULL), 0, 0, 0, 3);
    assert_int_equal(rmdir("album"), 0);
    c = sync_folder("album", true, &notes);
    assert_counts(c, 0, 0, 0, 0, 1, 0);
    assert_lost(c, 0, 0, 0, 3);
    assert_noted(notes, "album: cannot open: No such file or directory\n");
    assert_int_equal(rename("mounted", "album"), 0);
    assert_listing(false, "1 a.png\n2 b.jpg\n5 e.png\n");
}

/* Puts on record that the pictures in a folder lay on a disk that was mounted there. */
static void pretend_disk(const char *folder, const uint64_t *ids, size_t n)
{
    sg_error err = {0};
    sg_item item;
    char *path, *absolute;
    uint16_t depth = 0;
    sg_store *store;
    assert_true(sg_path_absolute(&absolute, folder, &err));
    for (const char *at = absolute; *at; at++) depth += *at == '/';
    sg_free(absolute);
    assert_true(sg_store_open(&store, "idx", true, 0, &err) && sg_store_begin(store, &err));
    for (size_t i = 0; i < n; i++) {
        const uint8_t code[BITS / 8] = {0};
        sg_put_kind kind;
        uint64_t id, other;
        assert_true(sg_store_get(&item, &path, store, ids[i], &err));
        item.code = code; /* stays as it is */
        item.disk_depth = depth;
        assert_true(sg_store_put(&kind, &id, &other, store, &item, &err) && kind == SG_PUT_UNCHANGED);
        sg_free(path);
    }
    assert_true(sg_store_commit(store, &err));
    sg_store_close(store);
}

/* A disk that is gone from where it was mounted, with its folder or not: what lay on it is kept. Once pictures of it are in a
 * folder of that name, this has taken the disk's place. */
static void test_disk_is_away(void **state)
{
    (void)state;
    char *notes;
    make_album();
    pretend_disk("album/sub", (const uint64_t[]){3, 4}, 2);
    assert_int_equal(rename("album/sub", "away"), 0);
    assert_lost(sync_folder("album", true, &notes), 0, 0, 0, 2);
    assert_noted(notes, "/album/sub: held a disk when its pictures came in: one that is not mounted?\n");
    make_folder("album/sub");
    scratch_put("album/sub/DISK-IS-NOT-MOUNTED", "", 0);
    assert_lost(sync_folder("album", true, NULL), 0, 0, 0, 2);
    put_picture("album/sub/another.png", 7);
    assert_lost(sync_folder("album", true, NULL), 0, 0, 0, 2);
    assert_listing(false, "1 a.png\n2 b.jpg\n3 c.png\n4 d.png\n5 another.png\n");
    assert_int_equal(rename("away/c.png", "album/sub/c.png"), 0);
    assert_lost(sync_folder("album", true, NULL), 0, 1, 1, 0);
    assert_listing(false, "1 a.png\n2 b.jpg\n3 c.png\n5 another.png\n");
}

static void test_unreadable(void **state)
{
    (void)state;
    char *notes;
    make_album();
    assert_int_equal(unlink("album/sub/c.png") | chmod(".", 0755) | chmod("album", 0755), 0);
    sg_index *index = open_index(true);
    /* 0: neither listed nor entered; 0100: files are found by name; 0400: only their names are. */
    static const struct {
        mode_t mode;
        uint64_t gone, kept;
    } cases[] = {{0, 0, 2}, {0100, 0, 1}, {0400, 0, 2}};
    for (int i = 0; i < 3; i++) {
        sg_error err = {0};
        sg_ingest_counts c;
        const char *folder = "album";
        size_t size;
        FILE *out = open_memstream(&notes, &size);
        const sg_ingest_options options = {.threads = 1, .note = gather_note, .context = out};
        bool root = geteuid() == 0;
        if (root) assert_int_equal(chown("album/sub", 65534, 65534), 0);
        assert_int_equal(chmod("album/sub", cases[i].mode), 0);
        if (root) assert_int_equal(seteuid(65534), 0);
        bool ok = sg_ingest_sync(&c, index, &folder, 1, true, &options, &err);
        if (root) assert_int_equal(seteuid(0), 0);
        assert_int_equal(chmod("album/sub", 0755), 0);
        fclose(out);
        if (!ok) fail_msg("%s", err.message);
        assert_lost(c, 0, cases[i].gone, cases[i].gone, cases[i].kept);
        assert_in_range(c.broken, 1, 2);
        assert_noted(notes, "Permission denied");
    }
    sg_index_close(index);
    assert_listing(false, "1 a.png\n2 b.jpg\n3 c.png\n4 d.png\n");
}

static void test_no_longer_an_image(void **state)
{
    (void)state;
    char *notes;
    make_album();
    scratch_put("album/a.png", "some text", 9);
    assert_counts(sync_folder("album", true, &notes), 0, 0, 3, 0, 1, 1);
    assert_noted(notes, "a.png: was an image when it was added");
    assert_listing(false, "1 a.png\n2 b.jpg\n3 c.png\n4 d.png\n");
}

static void test_moved(void **state)
{
    (void)state;
    char *notes;
    make_album();
    put_picture("album/copy.png",
                2); /* of b.jpg, which goes: another file with the same content is no move of c */
    assert_int_equal(rename("album/sub/c.png", "album/c2.png") | link("album/sub/d.png", "album/e.png"), 0);
    sg_ingest_counts c = sync_folder("album", true, &notes);
    assert_counts(c, 3, 0, 3, 1, 0, 1);
    assert_lost(c, 1, 1, 1, 0);
    assert_non_null(strstr(notes, "c2.png: was /"));
    assert_non_null(strstr(notes, "/album/sub/c.png\n"));
    assert_noted(notes, "e.png: same content as /");
    assert_listing(true, "1 a.png\n2 b.jpg\n4 d.png\n5 c2.png\n6 copy.png\n7 e.png\n");
}

static void bring_back(void *context, sg_ingest_event event, const char *path, const char *what)
{
    (void)context, (void)path, (void)what;
    if (event == SG_INGEST_ADDED) assert_int_equal(rename("elsewhere.png", "album/a.png"), 0);
}

/* A file that comes back while others are encoded. */
static void test_comes_back(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_ingest_counts c;
    const char *folder = "album";
    const sg_ingest_options options = {.note = bring_back, .each = true};
    make_album();
    put_picture("album/new.png", 7);
    assert_int_equal(rename("album/a.png", "elsewhere.png") | unlink("album/b.jpg"), 0);
    sg_index *index = open_index(true);
    if (!sg_ingest_sync(&c, index, &folder, 1, true, &options, &err)) fail_msg("%s", err.message);
    sg_index_close(index);
    assert_lost(c, 0, 2, 1, 0);
    assert_listing(true, "1 a.png\n3 c.png\n4 d.png\n5 new.png\n");
}

static void test_several_folders(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_ingest_counts c;
    make_album();
    make_folder("other");
    put_picture("other/f.png", 9);
    assert_int_equal(unlink("album/sub/c.png"), 0);
    /* One within the other: each file and each loss counts once. */
    const char *const nested[] = {"album/sub", "album", "other"};
    c = sync_by(nested, 3, true, &(sg_ingest_options){0}, NULL);
    assert_counts(c, 1, 0, 3, 0, 0, 1);
    assert_lost(c, 0, 1, 1, 0);
    assert_int_equal(rename("album/a.png", "other/a.png"), 0);
    const char *const both[] = {"other", "album"};
    c = sync_by(both, 2, true, &(sg_ingest_options){0}, NULL);
    assert_lost(c, 1, 1, 1, 0);
    assert_listing(true, "2 b.jpg\n4 d.png\n5 f.png\n6 a.png\n");
    const char *file = "other/f.png";
    sg_index *index = open_index(true);
    assert_false(sg_ingest_sync(&c, index, &file, 1, true, &(sg_ingest_options){0}, &err));
    assert_int_equal(err.code, SG_ERR_USAGE);
    assert_non_null(strstr(err.message, "other/f.png: is no folder"));
    sg_index_close(index);
}

static void test_dry_run(void **state)
{
    (void)state;
    char *notes;
    const char *folder = "album";
    make_album();
    put_picture("album/a.png", 11);
    set_time("album/b.jpg", 1000000);
    put_picture("album/new.png", 12);
    assert_int_equal(unlink("album/sub/c.png"), 0);
    scratch_put("album/sub/d.png", "some text", 9);
    scratch_put("album/more.txt", "some text", 9);
    sg_ingest_options options = {.dry_run = true, .each = true};
    for (int prune = 0; prune < 2; prune++) {
        sg_ingest_counts c = sync_by(&folder, 1, prune, &options, &notes);
        assert_counts(c, 1, 1, 1, 0, 1, 2);
        assert_lost(c, 0, 1, (uint64_t)prune, 0);
        assert_non_null(strstr(notes, "a.png: updated\nb.jpg: unchanged, with another time\nnew.png: added\n"
                                      "d.png: was an image when it was added, and is none now\n"));
        assert_noted(notes, prune ? "c.png: gone, removed\n" : "c.png: gone\n");
    }
    assert_listing(false, "1 a.png\n2 b.jpg\n3 c.png\n4 d.png\n");
    sg_error err = {0};
    sg_ingest_counts counts;
    const char *const paths[] = {"album/more.txt", "none.png", "album/new.png"};
    sg_index *index = open_index(false);
    const uint64_t generation = sg_index_info(index)->generation;
    assert_true(sg_ingest_paths(&counts, index, paths, 3, &options, &err));
    assert_counts(counts, 1, 0, 0, 0, 2, 0);
    assert_int_equal(sg_index_info(index)->generation, generation);
    sg_index_close(index);
}

/* A path twice is one file; a pass through the items marks what looking up marks. */
static void test_many_and_few(void **state)
{
    (void)state;
    enum { N = 320 };
    char path[64];
    sg_error err = {0};
    sg_ingest_counts counts;
    const sg_ingest_options options = {0};
    make_index();
    make_folder("many");
    for (int i = 0; i < N; i++) {
        sg_image image = draw_picture((uint64_t)i, 8, 8, 1);
        snprintf(path, sizeof path, "many/%03d.png", i);
        put_image(path, &image, false);
        sg_image_clear(&image);
    }
    sg_index *index = open_index(true);
    const char *const paths[] = {"many", "many/007.png", "./many/../many/007.png", "many"};
    assert_true(sg_ingest_paths(&counts, index, paths, 4, &options, &err));
    assert_counts(counts, N, 0, 0, counts.duplicates, 0, 0);
    put_picture("many/008.png", 1000);
    put_picture("many/009.png", 1000);
    set_time("many/010.png", 1000);
    static const struct {
        const char *path;
        uint64_t updated, broken;
    } few[] = {{"many/007.png", 0, 0}, {"many/008.png", 1, 0}, {"many/010.png", 0, 0}, {"none", 0, 1}};
    for (size_t i = 0; i < 4; i++) {
        assert_true(sg_ingest_paths(&counts, index, &few[i].path, 1, &options, &err));
        assert_counts(counts, 0, few[i].updated, !few[i].updated && !few[i].broken, counts.duplicates,
                      few[i].broken, 0);
    }
    assert_true(sg_ingest_paths(&counts, index, paths, 4, &options, &err));
    assert_counts(counts, 0, 1, N - 1, 1, 0, 0);
    sg_index_close(index);
}

/* --- any changes, against what lies in the folder --- */

typedef struct seen {
    char lines[64][96];
    size_t n;
} seen;

static seen on_disk;

static int see_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)ftw;
    if (type == FTW_F) snprintf(on_disk.lines[on_disk.n++], sizeof *on_disk.lines, "%s", path);
    return 0;
}

static bool see_item(void *context, const sg_item *item, sg_error *err)
{
    (void)err;
    seen *s = context;
    snprintf(s->lines[s->n++], sizeof *s->lines, "%s", strstr(item->path, "tree/"));
    return true;
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void change_tree(sg_rng *rng)
{
    char path[64], other[64];
    snprintf(path, sizeof path, "tree/%d/%d.png", (int)sg_rng_below(rng, 3), (int)sg_rng_below(rng, 8));
    snprintf(other, sizeof other, "tree/%d/%d.png", (int)sg_rng_below(rng, 3), (int)sg_rng_below(rng, 8));
    switch (sg_rng_below(rng, 4)) {
    case 0:
        unlink(path);
        break;
    case 1:
        rename(path, other);
        break;
    case 2:
        if (sg_path_exists(path)) set_time(path, 1000 + (time_t)sg_rng_below(rng, 5));
        break;
    default:
        put_picture(path, sg_rng_below(rng, 40));
        set_time(path, (time_t)(5000 + sg_rng_below(rng, 1000000)));
    }
}

static void test_any_changes(void **state)
{
    (void)state;
    sg_rng rng = sg_rng_at(3, SG_RNG_TEST, 1, 0);
    make_index();
    assert_int_equal(
        mkdir("tree", 0777) | mkdir("tree/0", 0777) | mkdir("tree/1", 0777) | mkdir("tree/2", 0777), 0);
    for (int i = 0; i < 3; i++) { /* none is ever empty */
        char path[64];
        snprintf(path, sizeof path, "tree/%d/stays.png", i);
        put_picture(path, 50 + (uint64_t)i);
    }
    for (int round = 0; round < 25; round++) {
        sg_error err = {0};
        seen items = {.n = 0};
        for (int i = 0; i < 12; i++) change_tree(&rng);
        sg_ingest_counts c = sync_folder("tree", true, NULL);
        assert_int_equal(c.broken, 0);
        assert_int_equal(c.gone, c.removed);
        free(list_index(true)); /* each code is that of its file as it is now */
        on_disk.n = 0;
        assert_int_equal(nftw("tree", see_file, 16, FTW_PHYS), 0);
        sg_index *index = open_index(false);
        assert_true(sg_store_each(sg_index_store(index), see_item, &items, &err));
        sg_index_close(index);
        qsort(on_disk.lines, on_disk.n, sizeof *on_disk.lines, compare_lines);
        qsort(items.lines, items.n, sizeof *items.lines, compare_lines);
        assert_int_equal(items.n, on_disk.n);
        for (size_t i = 0; i < items.n; i++) assert_string_equal(items.lines[i], on_disk.lines[i]);
        c = sync_folder("tree", true, NULL); /* then there is nothing left to do */
        assert_counts(c, 0, 0, items.n, 0, 0, 0);
        assert_lost(c, 0, 0, 0, 0);
    }
}

static void test_without_memory(void **state)
{
    (void)state;
    sg_ingest_counts counts;
    const char *folder = "album";
    make_album();
    put_picture("album/new.jpg", 5);
    pretend_disk("album/sub", (const uint64_t[]){3}, 1);
    assert_int_equal(rename("album/b.jpg", "album/z.jpg") | unlink("album/sub/c.png"), 0);
    sg_index *index = open_index(true);
    FILE *out = fopen("/dev/null", "w");
    const sg_ingest_options options = {.threads = 1, .note = gather_note, .context = out};
    assert_survives_allocation_failures(sg_ingest_sync(&counts, index, &folder, 1, true, &options, &err));
    fclose(out);
    sg_index_close(index);
    assert_counts(sync_folder("album", true, NULL), 0, 0, 4, 0, 0, 1);
    char *text = list_index(true);
    assert_null(strstr(text, " b.jpg"));
    assert_null(strstr(text, " c.png"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_new_and_changed),
        scratch_test(test_time_alone),
        scratch_test(test_gone),
        scratch_test(test_left_out),
        scratch_test(test_not_mounted),
        scratch_test(test_disk_is_away),
        scratch_test(test_unreadable),
        scratch_test(test_no_longer_an_image),
        scratch_test(test_moved),
        scratch_test(test_comes_back),
        scratch_test(test_several_folders),
        scratch_test(test_dry_run),
        scratch_test(test_many_and_few),
        scratch_test(test_any_changes),
        scratch_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
