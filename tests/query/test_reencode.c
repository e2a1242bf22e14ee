#include "album.h"

#include <fcntl.h>
#include <signet/reencode.h>

#define BESIDE ".idx.signet-rebuild"

static void note_event(void *context, sg_reencode_event event, const char *path, const char *what)
{
    static const char *const words[] = {"gone", "broken", "changed"};
    assert_memory_equal(what, path, strlen(path));
    fprintf(context, "%s %s\n", words[event], what + (sg_path_base(path) - path));
}

/* drop: what cannot be encoded anew, and is not to be refused. */
static bool try_reencode(sg_reencode_counts *counts, const char *dir, const char *model, bool drop,
                         char **notes, sg_error *err)
{
    size_t size;
    char *text = NULL;
    FILE *out = open_memstream(&text, &size);
    const sg_reencode_options options = {
        .drop_bare = drop, .prune = drop, .threads = 2, .note = note_event, .context = out};
    bool ok = sg_index_reencode(counts, dir, model, &options, err);
    fclose(out);
    if (notes)
        *notes = text;
    else
        free(text);
    return ok;
}

static void reencode(const char *model, const char *want, const char *want_notes)
{
    sg_error err = {0};
    sg_reencode_counts c;
    char *notes, got[200];
    if (!try_reencode(&c, "idx", model, false, &notes, &err)) fail_msg("%s", err.message);
    snprintf(got, sizeof got, "%sencoded %d resumed %d changed %d gone %d broken %d",
             c.current ? "current " : "", (int)c.encoded, (int)c.resumed, (int)c.changed, (int)c.gone,
             (int)c.broken);
    assert_string_equal(got, want);
    assert_string_equal(notes, want_notes);
    free(notes);
    assert_false(sg_path_exists(BESIDE));
}

/* Three pictures under the ids 1, 3 and 4, an attribute with each, a pair; next is 5. */
static void make_album(void)
{
    sg_error err = {0};
    make_index();
    make_model("other.safetensors", SG_HEAD_HASH, 2 * BITS, 2);
    make_folder("album");
    put_picture("album/a.png", 1);
    put_picture("album/b.jpg", 2);
    put_picture("album/c.png", 3);
    assert_counts(add_path("album", NULL), 3, 0, 0, 0, 0, 0);
    put_picture("album/b.jpg", 4);
    assert_counts(add_path("album", NULL), 0, 1, 2, 0, 0, 0);
    sg_index *index = open_index(true);
    sg_store *store = sg_index_store(index);
    assert_true(sg_store_begin(store, &err));
    for (uint64_t id = 1; id <= 4; id++) {
        sg_attributes a = SG_ATTRIBUTES_INIT;
        char number[8];
        snprintf(number, sizeof number, "%d", (int)id);
        assert_true(sg_attributes_add(&a, "number", number, &err));
        if (id != 2) assert_true(sg_store_set_attributes(store, id, a.data, a.nbytes, &err));
        sg_attributes_clear(&a);
    }
    assert_true(sg_store_pair_set(store, 1, 4, true, &err));
    assert_true(sg_store_commit(store, &err));
    sg_index_close(index);
    assert_listing(true, "1 a.png\n3 c.png\n4 b.jpg\n");
}

/* What the index says of each item, its code compared with what the model makes of the file alone. */
static bool describe(void *context, const sg_item *item, sg_error *err)
{
    const listing *l = context;
    const char *key, *value;
    size_t at = 0;
    float z[4 * BITS];
    uint8_t code[4 * BITS / 8];
    sg_image image;
    const sg_decode_options grey = {.channels = 1};
    size_t bits = sg_net_output_size(l->judge->model->net);
    if (!sg_image_load(&image, item->path, &grey, err)) return false;
    assert_true(sg_encoder_image(l->judge->encoder, z, &image, err));
    sg_image_clear(&image);
    sg_codes_pack(code, z, 1, bits);
    assert_memory_equal(item->code, code, bits / 8);
    assert_false(item->foreign);
    fprintf(l->out, "%d %s", (int)item->id, sg_path_base(item->path));
    while (sg_attributes_next(&key, &value, item->attributes, item->attributes_nbytes, &at))
        fprintf(l->out, " %s=%s", key, value);
    fprintf(l->out, "\n");
    return true;
}

static bool describe_pair(void *context, uint64_t a, uint64_t b, sg_error *err)
{
    (void)err;
    fprintf(((const listing *)context)->out, "pair %d %d\n", (int)a, (int)b);
    return true;
}

static void assert_index(const char *model, const char *want)
{
    sg_error err = {0};
    size_t size, faults;
    char *text = NULL;
    judge j;
    assert_true(sg_model_load(&j.model, model, &err) && sg_encoder_new(&j.encoder, j.model, 1, &err));
    listing l = {open_memstream(&text, &size), &j};
    sg_index *index = open_index(false);
    assert_string_equal(sg_index_info(index)->fingerprint, j.model->fingerprint);
    if (!sg_store_each(sg_index_store(index), describe, &l, &err) ||
        !sg_store_pairs(sg_index_store(index), describe_pair, &l, &err))
        fail_msg("%s", err.message);
    fprintf(l.out, "next %d\n", (int)sg_index_info(index)->next_id);
    assert_true(sg_store_verify(&faults, sg_index_store(index), NULL, NULL, &err));
    assert_int_equal(faults, 0);
    sg_index_close(index);
    fclose(l.out);
    assert_string_equal(text, want);
    free(text);
    judge_free(&j);
}

static const char whole[] = "1 a.png number=1\n3 c.png number=3\n4 b.jpg number=4\npair 1 4\nnext 5\n";

static void test_other_model(void **state)
{
    (void)state;
    make_album();
    sg_index *index = open_index(false);
    uint64_t generation = sg_index_info(index)->generation;
    sg_index_close(index);
    reencode("other.safetensors", "encoded 3 resumed 0 changed 0 gone 0 broken 0", "");
    assert_index("other.safetensors", whole);
    index = open_index(false);
    assert_true(sg_index_info(index)->generation > generation);
    sg_index_close(index);
    reencode("other.safetensors", "current encoded 0 resumed 0 changed 0 gone 0 broken 0", "");
    put_picture("album/d.png", 5); /* and it is an index as others */
    assert_counts(add_path("album", NULL), 1, 0, 3, 0, 0, 0);
}

static void test_files_not_as_they_were(void **state)
{
    (void)state;
    char *notes;
    sg_error err = {0};
    sg_reencode_counts c;
    make_album();
    put_picture("album/d.png", 5);
    put_picture("album/e.png", 6);
    assert_counts(add_path("album", NULL), 2, 0, 3, 0, 0, 0);
    assert_int_equal(unlink("album/a.png"), 0);
    put_picture("album/c.png", 9);
    scratch_put("album/d.png", "some text", 9);
    const struct timespec times[2] = {{1, 1}, {1, 1}}; /* time alone is no change */
    assert_int_equal(utimensat(AT_FDCWD, "album/e.png", times, 0), 0);
    if (!try_reencode(&c, "idx", "other.safetensors", true, &notes, &err)) fail_msg("%s", err.message);
    assert_non_null(strstr(notes, "gone a.png: cannot open: No such file or directory\n"));
    assert_non_null(strstr(notes, "changed c.png: has changed since it was added: its id is 7 now, not 3\n"));
    assert_non_null(strstr(notes, "broken d.png: is no image"));
    free(notes);
    assert_int_equal(c.encoded, 2);
    assert_true(c.changed == 1 && c.gone == 1 && c.broken == 1 && c.resumed == 0);
    assert_index("other.safetensors", "4 b.jpg number=4\n6 e.png\n7 c.png number=3\nnext 8\n");
}

/* A beginning of it, as a process leaves it that is cut short. */
static void begin(const char *model, const char *const *paths, size_t n)
{
    sg_error err = {0};
    sg_index *index;
    sg_ingest_counts counts;
    const sg_ingest_options options = {.threads = 1};
    if (!sg_index_create(BESIDE, model, "flat", NULL, &err)) fail_msg("%s", err.message);
    assert_true(sg_index_open(&index, BESIDE, SG_INDEX_ENCODE, true, &err));
    for (size_t i = 0; i < n; i++) assert_true(sg_ingest_paths(&counts, index, paths + i, 1, &options, &err));
    sg_index_close(index);
}

static void test_goes_on(void **state)
{
    (void)state;
    make_album();
    put_picture("strange.png", 7);
    /* The first is what it must be but for its attributes; one stands under the id of another; one is none of the index. */
    static const char *const paths[] = {"album/a.png", "album/c.png", "album/b.jpg", "strange.png"};
    begin("other.safetensors", paths, 4);
    reencode("other.safetensors", "encoded 2 resumed 1 changed 0 gone 0 broken 0", "");
    assert_index("other.safetensors", whole);
    /* Nothing in it yet; all in it. */
    begin("model.safetensors", paths, 0);
    reencode("model.safetensors", "encoded 3 resumed 0 changed 0 gone 0 broken 0", "");
    assert_index("model.safetensors", whole);
    /* Of another model, or damaged: of no use. */
    begin("model.safetensors", paths, 1);
    reencode("other.safetensors", "encoded 3 resumed 0 changed 0 gone 0 broken 0", "");
    begin("model.safetensors", paths, 1);
    assert_int_equal(truncate(BESIDE "/data.mdb", 5000), 0);
    reencode("model.safetensors", "encoded 3 resumed 0 changed 0 gone 0 broken 0", "");
    make_folder(BESIDE);
    scratch_put(BESIDE "/encoder.safetensors", "", 0);
    reencode("other.safetensors", "encoded 3 resumed 0 changed 0 gone 0 broken 0", "");
    assert_index("other.safetensors", whole);
    /* After the exchange, before the old one was removed. */
    begin("model.safetensors", paths, 2);
    reencode("other.safetensors", "current encoded 0 resumed 0 changed 0 gone 0 broken 0", "");
}

/* A mark that came with a call that was cut short, and was taken back since, does not come back. */
static void test_pair_taken_back(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_store *store;
    make_album();
    put_picture("strange.png", 7);
    static const char *const paths[] = {"album/a.png", "strange.png", "album/c.png"};
    begin("other.safetensors", paths, 3);
    assert_true(sg_store_open(&store, BESIDE, true, 0, &err) && sg_store_begin(store, &err));
    assert_true(sg_store_pair_set(store, 1, 3, true, &err) && sg_store_commit(store, &err));
    sg_store_close(store);
    reencode("other.safetensors", "encoded 1 resumed 2 changed 0 gone 0 broken 0", "");
    assert_index("other.safetensors", whole);
}

/* Pictures are left out only when that is asked for: their folder may have been renamed. */
static void test_nothing_is_lost(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_reencode_counts c;
    make_album();
    assert_int_equal(rename("album", "elsewhere"), 0);
    for (int prune = 0; prune < 2; prune++) { /* all of them never */
        assert_false(try_reencode(&c, "idx", "other.safetensors", prune, NULL, &err));
        assert_int_equal(err.code, SG_ERR_NOT_FOUND);
        assert_non_null(
            strstr(err.message,
                   "3 pictures are gone and 0 broken, so the index stays as it is: none would be left: /"));
        assert_true(c.gone == 3 && c.encoded == 0);
    }
    assert_int_equal(rename("elsewhere", "album"), 0);
    assert_index("model.safetensors", whole);
    /* Only the look at it tells. The others need not be encoded again. */
    assert_int_equal(rename("album/c.png", "c.png"), 0);
    scratch_put("album/c.png", "some text", 9);
    assert_false(try_reencode(&c, "idx", "other.safetensors", false, NULL, &err));
    assert_int_equal(err.code, SG_ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "0 pictures are gone and 1 broken, so the index stays as it is"));
    assert_true(c.encoded == 2 && c.broken == 1);
    assert_int_equal(rename("c.png", "album/c.png"), 0);
    assert_index("model.safetensors", whole);
    reencode("other.safetensors", "encoded 1 resumed 2 changed 0 gone 0 broken 0", "");
    assert_index("other.safetensors", whole);
}

/* A disk that is not mounted takes nothing away. */
static void test_out_of_sight(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_reencode_counts c;
    const sg_reencode_options dry = {.dry_run = true};
    make_album();
    make_folder("album/disk");
    put_picture("album/disk/d.png", 5);
    assert_counts(add_path("album", NULL), 1, 0, 3, 0, 0, 0);
    assert_int_equal(unlink("album/a.png") | rename("album/disk", "away") | mkdir("album/disk", 0777), 0);
    for (int i = 0; i < 2; i++) { /* from the beginning; going on */
        char *notes;
        err = (sg_error){0};
        assert_false(try_reencode(&c, "idx", "other.safetensors", false, &notes, &err));
        assert_string_equal(notes, "");
        free(notes);
        assert_int_equal(err.code, SG_ERR_NOT_FOUND);
        assert_non_null(strstr(err.message, "1 pictures cannot be read now"));
        assert_non_null(strstr(err.message, "album/disk: is empty: a disk that is not mounted?"));
        assert_true(c.encoded == (i ? 0 : 2) && c.resumed == (i ? 2 : 0) && c.gone == 0);
        assert_listing(false, "1 a.png\n3 c.png\n4 b.jpg\n5 d.png\n");
    }
    assert_false(sg_index_reencode(&c, "idx", "other.safetensors", &dry, &err));
    assert_int_equal(err.code, SG_ERR_NOT_FOUND);
    assert_int_equal(rmdir("album/disk") | rename("away", "album/disk"), 0);
    assert_true(try_reencode(&c, "idx", "other.safetensors", true, NULL, &err));
    assert_true(c.encoded == 1 && c.resumed == 2 && c.gone == 1);
    assert_index("other.safetensors", "3 c.png number=3\n4 b.jpg number=4\n5 d.png\nnext 6\n");
}

/* A file that is there and that the system does not give. */
static void test_unreadable(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_reencode_counts c;
    sg_put_kind kind;
    uint64_t id, other;
    const uint8_t code[BITS / 8] = {0x55};
    const sg_item item = {.path = "/proc/self/mem", .code = code};
    make_album();
    sg_index *index = open_index(true);
    sg_store *store = sg_index_store(index);
    assert_true(sg_store_begin(store, &err) && sg_store_put(&kind, &id, &other, store, &item, &err) &&
                sg_store_commit(store, &err));
    sg_index_close(index);
    assert_false(try_reencode(&c, "idx", "other.safetensors", false, NULL, &err));
    assert_int_equal(err.code, SG_ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "/proc/self/mem: cannot read"));
    assert_true(c.encoded == 3 && c.broken == 0);
    assert_listing(false, "1 a.png\n3 c.png\n4 b.jpg\n5 mem\n");
}

static bool keeps_outputs(void)
{
    sg_index *index = open_index(false);
    bool outputs = sg_index_info(index)->outputs;
    sg_index_close(index);
    return outputs;
}

/* A beginning that keeps no real outputs is of no use to an index that does: it was of another index of that name. */
static void test_outputs_stay(void **state)
{
    (void)state;
    sg_error err = {0};
    static const char *const path = "a.png";
    const sg_index_ways ways = {.outputs = true};
    make_model("model.safetensors", SG_HEAD_HASH, BITS, 1);
    make_model("other.safetensors", SG_HEAD_HASH, 2 * BITS, 2);
    assert_true(sg_index_create("idx", "model.safetensors", "flat", &ways, &err));
    put_picture(path, 1);
    assert_counts(add_path(path, NULL), 1, 0, 0, 0, 0, 0);
    begin("other.safetensors", &path, 1);
    reencode("other.safetensors", "encoded 1 resumed 0 changed 0 gone 0 broken 0", "");
    assert_true(keeps_outputs());
    assert_index("other.safetensors", "1 a.png\nnext 2\n");
}

/* Codes that were made elsewhere are made anew by the same model. */
static void test_foreign(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_put_kind kind;
    uint64_t id, other;
    char *path;
    const uint8_t code[BITS / 8] = {0x55};
    make_album();
    sg_index *index = open_index(true);
    sg_store *store = sg_index_store(index);
    put_picture("album/d.png", 5);
    assert_true(sg_path_absolute(&path, "album/d.png", &err));
    sg_item item = {.path = path, .foreign = true, .code = code};
    char *bytes;
    size_t n;
    assert_true(sg_file_read(&bytes, &n, path, 1 << 20, &err));
    sg_blake2b_of(item.content, sizeof item.content, bytes, n);
    sg_free(bytes);
    assert_true(sg_store_begin(store, &err) && sg_store_put(&kind, &id, &other, store, &item, &err) &&
                sg_store_commit(store, &err));
    sg_free(path);
    sg_index_close(index);
    reencode("model.safetensors", "encoded 4 resumed 0 changed 0 gone 0 broken 0", "");
    assert_index("model.safetensors",
                 "1 a.png number=1\n3 c.png number=3\n4 b.jpg number=4\n5 d.png\npair 1 4\nnext 6\n");
}

static void test_bare(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_reencode_counts c;
    uint64_t first;
    const uint8_t codes[2 * BITS / 8] = {1};
    make_album();
    sg_index *index = open_index(true);
    assert_true(sg_store_begin(sg_index_store(index), &err) &&
                sg_store_put_codes(&first, sg_index_store(index), codes, 2, &err) &&
                sg_store_commit(sg_index_store(index), &err));
    sg_index_close(index);
    assert_false(try_reencode(&c, "idx", "other.safetensors", false, NULL, &err));
    assert_int_equal(err.code, SG_ERR_MISMATCH);
    assert_non_null(strstr(err.message, "idx: 2 of its codes have no picture"));
    assert_false(sg_path_exists(BESIDE));
    assert_true(try_reencode(&c, "idx", "other.safetensors", true, NULL, &err));
    assert_true(c.encoded == 3 && c.bare == 2);
    assert_index("other.safetensors",
                 "1 a.png number=1\n3 c.png number=3\n4 b.jpg number=4\npair 1 4\nnext 7\n");
}

/* Opens the index, tells so, and looks again when it is told to. */
static int read_twice(int in, int out)
{
    sg_error err = {0};
    sg_store *store;
    uint64_t id;
    bool found;
    char byte = 0;
    if (!sg_store_open(&store, "idx", false, 0, &err) ||
        !sg_store_find_path(&id, &found, store, "/none", &err) || write(out, &byte, 1) != 1 ||
        read(in, &byte, 1) != 1)
        return 1;
    bool ok = !sg_store_find_path(&id, &found, store, "/none", &err) && err.code == SG_ERR_MISMATCH;
    sg_store_close(store);
    return ok ? 0 : 2;
}

/* A reader that has the index open does not take the new codes for the old model's. */
static void test_readers(void **state)
{
    (void)state;
    int to[2], from[2], status;
    char byte;
    make_album();
    assert_int_equal(pipe(to) | pipe(from), 0);
    pid_t child = fork();
    if (child == 0) _exit(read_twice(to[0], from[1]));
    close(from[1]);
    assert_int_equal(read(from[0], &byte, 1), 1);
    reencode("other.safetensors", "encoded 3 resumed 0 changed 0 gone 0 broken 0", "");
    assert_int_equal(write(to[1], &byte, 1), 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    close(to[0]);
    close(to[1]);
    close(from[0]);
}

/* What else lies in the folder, and how it may be used. */
static void test_folder(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_reencode_counts c;
    struct stat st;
    make_album();
    scratch_put("idx/notes.txt", "mine", 4);
    scratch_put("idx/search.mih", "of the old codes", 16);
    assert_int_equal(chmod("idx", 0750) | chmod("idx/data.mdb", 0640) | symlink("idx", "link"), 0);
    assert_true(try_reencode(&c, "./link/", "other.safetensors", false, NULL, &err));
    assert_int_equal(c.encoded, 3);
    assert_index("other.safetensors", whole);
    assert_true(sg_path_exists("idx/notes.txt"));
    assert_false(sg_path_exists("idx/search.mih") || sg_path_exists(".link.signet-rebuild") ||
                 sg_path_exists(BESIDE));
    assert_int_equal(lstat("link", &st) | !S_ISLNK(st.st_mode), 0);
    assert_int_equal(stat("idx", &st), 0);
    assert_int_equal(st.st_mode & 07777, 0750);
    assert_int_equal(stat("idx/data.mdb", &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
}

static void test_fails(void **state)
{
    (void)state;
    make_album();
    scratch_put("text", "no model", 8);
    static const struct {
        const char *dir, *model, *word;
    } cases[] = {{"none", "other.safetensors", "none: cannot open the index: No such file"},
                 {"album", "other.safetensors", "album: holds no index"},
                 {"text", "other.safetensors", "text: is no folder"},
                 {"idx", "text", "text: "},
                 {"idx", "none", "none: cannot open"},
                 {"/proc", "other.safetensors", ""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sg_error err = {0};
        sg_reencode_counts c;
        assert_false(try_reencode(&c, cases[i].dir, cases[i].model, false, NULL, &err));
        if (!strstr(err.message, cases[i].word)) fail_msg("'%s' lacks '%s'", err.message, cases[i].word);
    }
    assert_index("model.safetensors", whole);
}

static void test_dry_run(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_reencode_counts c;
    const sg_reencode_options options = {.dry_run = true};
    make_album();
    assert_int_equal(unlink("album/a.png"), 0);
    put_picture("album/c.png", 9);
    assert_true(sg_index_reencode(&c, "idx", "other.safetensors", &options, &err));
    assert_true(c.encoded == 1 && c.gone == 1 && c.changed == 1 && !c.current);
    assert_true(sg_index_reencode(&c, "idx", "model.safetensors", &options, &err));
    assert_true(c.current && c.encoded == 0);
    assert_false(sg_path_exists(BESIDE));
    assert_listing(false, "1 a.png\n3 c.png\n4 b.jpg\n");
}

static void test_without_memory(void **state)
{
    (void)state;
    make_album();
    bool done = false;
    for (uint64_t nth = 1; !done; nth += 37) { /* a plan is made each time: not every allocation */
        sg_error err = {0};
        sg_reencode_counts c;
        sg_mem_fail_at(nth);
        done = try_reencode(&c, "idx", "other.safetensors", false, NULL, &err);
        sg_mem_fail_at(0);
        if (!done && err.code != SG_ERR_MEMORY) fail_msg("%s", err.message);
        if (!done && nth % 5 == 0) assert_index("model.safetensors", whole);
    }
    assert_index("other.safetensors", whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_nothing_is_lost),
        scratch_test(test_other_model),
        scratch_test(test_files_not_as_they_were),
        scratch_test(test_goes_on),
        scratch_test(test_out_of_sight),
        scratch_test(test_pair_taken_back),
        scratch_test(test_unreadable),
        scratch_test(test_outputs_stay),
        scratch_test(test_foreign),
        scratch_test(test_bare),
        scratch_test(test_readers),
        scratch_test(test_folder),
        scratch_test(test_fails),
        scratch_test(test_dry_run),
        scratch_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
