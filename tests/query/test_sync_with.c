/* What goes with an item: attributes, real outputs, marks of pairs. */
#include "syncing.h"

static bool list_attributes(void *context, const sg_item *item, sg_error *err)
{
    (void)err;
    const char *key, *value;
    size_t at = 0;
    fprintf(context, "%d %s", (int)item->id, sg_path_base(item->path));
    while (sg_attributes_next(&key, &value, item->attributes, item->attributes_nbytes, &at))
        fprintf(context, " %s=%s", key, value);
    fputc('\n', context);
    return true;
}

static void assert_attributes(const char *want)
{
    sg_error err = {0};
    size_t size;
    char *text = NULL;
    FILE *out = open_memstream(&text, &size);
    sg_index *index;
    assert_true(sg_index_open(&index, "idx", SG_INDEX_STORE, false, &err));
    assert_true(sg_store_each(sg_index_store(index), list_attributes, out, &err));
    sg_index_close(index);
    fclose(out);
    assert_string_equal(text, want);
    free(text);
}

/* What is added or updated is given attributes beside those that it has; what is moved keeps its own. */
static void test_attributes(void **state)
{
    (void)state;
    const char *folder = "album";
    sg_error err = {0};
    sg_attributes a = SG_ATTRIBUTES_INIT;
    make_index();
    make_folder("album");
    make_folder("album/cats");
    make_folder("album/cats/more");
    put_picture("album/a.png", 1);
    put_picture("album/cats/b.png", 2);
    put_picture("album/cats/more/c.png", 3);
    assert_true(sg_attributes_add(&a, "from", "camera", &err) && sg_attributes_add(&a, "label", "new", &err));
    sg_ingest_options options = {.attributes = a.data, .attributes_nbytes = a.nbytes, .folder_labels = true};
    assert_counts(sync_by(&folder, 1, true, &options, NULL), 3, 0, 0, 0, 0, 0);
    assert_attributes("1 a.png from=camera label=new\n2 b.png from=camera label=cats label=new\n"
                      "3 c.png from=camera label=cats label=new\n");
    /* Without them: updates and moves keep what there is. */
    put_picture("album/a.png", 5);
    assert_int_equal(rename("album/cats/b.png", "album/cats/b2.png"), 0);
    put_picture("album/d.png", 6);
    assert_lost(sync_folder("album", true, NULL), 1, 1, 1, 0);
    assert_attributes("3 c.png from=camera label=cats label=new\n4 a.png from=camera label=new\n"
                      "5 b2.png from=camera label=cats label=new\n6 d.png\n");
    /* Others beside; what is unchanged is not touched. */
    sg_attributes_clear(&a);
    assert_true(sg_attributes_add(&a, "from", "phone", &err));
    options = (sg_ingest_options){.attributes = a.data, .attributes_nbytes = a.nbytes};
    put_picture("album/d.png", 7);
    set_time("album/cats/b2.png", 5);
    assert_int_equal(rename("album/a.png", "album/e.png"), 0);
    assert_lost(sync_by(&folder, 1, true, &options, NULL), 1, 1, 1, 0);
    assert_attributes("3 c.png from=camera label=cats label=new\n5 b2.png from=camera label=cats label=new\n"
                      "7 d.png from=phone\n8 e.png from=camera from=phone label=new\n");
    sg_attributes_clear(&a);
}

static void count_skipped(void *context, sg_ingest_event event, const char *path, const char *what)
{
    if (event != SG_INGEST_SKIPPED) return;
    ++*(int *)context;
    assert_non_null(strstr(path, "two\nlines"));
    assert_non_null(strstr(what, "no line feed"));
}

/* A folder whose name is no label: its pictures are told, the others come in. */
static void test_folder_without_label(void **state)
{
    (void)state;
    int skipped = 0;
    sg_error err = {0};
    sg_ingest_counts c;
    const char *const paths[] = {"album/one/a.png",
                                 "album"}; /* its own name takes nothing from the folder's */
    const sg_ingest_options options = {.folder_labels = true, .note = count_skipped, .context = &skipped};
    make_index();
    make_folder("album");
    make_folder("album/one");
    make_folder("album/two\nlines");
    put_picture("album/one/a.png", 1);
    put_picture("album/two\nlines/b.png", 2);
    put_picture("album/z.png", 3);
    sg_index *index = open_index(true);
    if (!sg_ingest_paths(&c, index, paths, 2, &options, &err)) fail_msg("%s", err.message);
    sg_index_close(index);
    assert_counts(c, 2, 0, 0, 0, 1, 0);
    assert_int_equal(skipped, 1);
    assert_attributes("1 a.png label=one\n2 z.png\n");
}

/* The index keeps the real outputs where it was made so: their signs are the codes. */
typedef struct outputs_check {
    sg_store *store;
    judge judge;
} outputs_check;

static bool check_outputs(void *context, const sg_item *item, sg_error *err)
{
    const outputs_check *check = context;
    float z[BITS], want[BITS];
    bool found;
    sg_image image;
    uint8_t code[BITS / 8];
    assert_true(sg_store_outputs(z, &found, check->store, item->id, err) && found);
    sg_codes_pack(code, z, 1, BITS);
    assert_memory_equal(code, item->code, sizeof code);
    assert_true(sg_image_load(&image, item->path, &(sg_decode_options){.channels = 1}, err));
    assert_true(sg_encoder_image(check->judge.encoder, want, &image, err));
    sg_image_clear(&image);
    assert_memory_equal(z, want, sizeof z);
    return true;
}

static void test_outputs(void **state)
{
    (void)state;
    sg_error err = {0};
    make_model("model.safetensors", SG_HEAD_HASH, BITS, 1);
    const sg_index_ways ways = {.outputs = true};
    assert_true(sg_index_create("idx", "model.safetensors", "flat", &ways, &err));
    make_folder("album");
    put_picture("album/a.png", 1);
    put_picture("album/b.jpg", 2);
    assert_counts(sync_folder("album", true, NULL), 2, 0, 0, 0, 0, 0);
    put_picture("album/a.png", 3);
    set_time("album/b.jpg", 5);
    assert_counts(sync_folder("album", true, NULL), 0, 1, 1, 0, 0, 0);
    sg_index *index = open_index(false);
    outputs_check check = {sg_index_store(index), judge_new()};
    if (!sg_store_each(check.store, check_outputs, &check, &err)) fail_msg("%s", err.message);
    judge_free(&check.judge);
    sg_index_close(index);
}

static bool list_pair(void *context, uint64_t a, uint64_t b, sg_error *err)
{
    (void)err;
    fprintf(context, "%d-%d ", (int)a, (int)b);
    return true;
}

static void assert_pairs(const char *want)
{
    sg_error err = {0};
    size_t size;
    char *text = NULL;
    sg_index *index = open_index(false);
    FILE *out = open_memstream(&text, &size);
    assert_true(sg_store_pairs(sg_index_store(index), list_pair, out, &err));
    fclose(out);
    assert_string_equal(text, want);
    free(text);
    sg_index_close(index);
}

/* The album, with pairs that are no duplicates: 1-2, 1-3, 3-4, 2-4. */
static void make_pairs(void)
{
    sg_error err = {0};
    make_album();
    sg_index *index = open_index(true);
    sg_store *store = sg_index_store(index);
    assert_true(sg_store_begin(store, &err) && sg_store_pair_set(store, 1, 2, true, &err) &&
                sg_store_pair_set(store, 1, 3, true, &err) && sg_store_pair_set(store, 3, 4, true, &err) &&
                sg_store_pair_set(store, 2, 4, true, &err) && sg_store_commit(store, &err));
    sg_index_close(index);
}

/* Marks of pairs go with what is moved. */
static void test_pairs(void **state)
{
    (void)state;
    make_pairs();
    assert_int_equal(rename("album/a.png", "album/a2.png") | rename("album/sub/c.png", "album/sub/c2.png"),
                     0);
    assert_lost(sync_folder("album", true, NULL), 2, 2, 2, 0);
    assert_listing(true, "2 b.jpg\n4 d.png\n5 a2.png\n6 c2.png\n");
    assert_pairs("2-4 2-5 4-6 5-6 ");
}

/* Also when the call that saw it move was cut short behind it, as if the file had been added: the next one sees no move. */
static void test_pairs_of_a_sync_cut_short(void **state)
{
    (void)state;
    make_pairs();
    assert_int_equal(rename("album/a.png", "album/a2.png") | rename("album/sub/c.png", "album/sub/c2.png"),
                     0);
    assert_counts(add_path("album/a2.png", NULL), 1, 0, 0, 1, 0, 0);
    assert_lost(sync_folder("album", false, NULL), 1, 2, 0, 0);
    assert_pairs("1-2 1-3 1-6 2-4 3-4 4-6 ");
    assert_lost(sync_folder("album", true, NULL), 0, 2, 2, 0);
    assert_listing(true, "2 b.jpg\n4 d.png\n5 a2.png\n6 c2.png\n");
    assert_pairs("2-4 2-5 4-6 5-6 ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_attributes),
        scratch_test(test_folder_without_label),
        scratch_test(test_outputs),
        scratch_test(test_pairs),
        scratch_test(test_pairs_of_a_sync_cut_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
