#include "album.h"

#include <signet/recipe.h>

static void assert_create_fails(const char *model, const char *kind, sg_code code, const char *word)
{
    sg_error err = {0};
    assert_false(sg_index_create("none", model, kind, NULL, &err));
    assert_int_equal(err.code, code);
    if (!strstr(err.message, word)) fail_msg("'%s' lacks '%s'", err.message, word);
    assert_false(sg_path_exists("none"));
}

static void test_create(void **state)
{
    (void)state;
    sg_error err = {0};
    char **names;
    size_t n;
    make_index();
    scratch_put("text.safetensors", "text", 4);
    assert_create_fails("absent.safetensors", "flat", SG_ERR_IO, "absent.safetensors");
    assert_create_fails("text.safetensors", "flat", SG_ERR_FORMAT, "text.safetensors");
    assert_create_fails("model.safetensors", "tree", SG_ERR_USAGE, "no kind of index 'tree'");
    assert_false(sg_index_create("idx", "model.safetensors", "flat", NULL, &err)); /* it is there */
    assert_int_equal(err.code, SG_ERR_IO);
    assert_true(sg_dir_list(&names, &n, "idx", &err));
    assert_int_equal(n, 3);
    assert_string_equal(names[0], "data.mdb");
    assert_string_equal(names[1], SG_INDEX_ENCODER);
    assert_string_equal(names[2], "lock.mdb");
    sg_names_free(names, n);
    assert_true(sg_dir_list(&names, &n, ".", &err)); /* nothing is left of the failures */
    assert_int_equal(n, 3);
    sg_names_free(names, n);
}

static void test_open(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_model *model;
    sg_index *index;
    make_index();
    assert_true(sg_model_load(&model, "model.safetensors", &err));
    for (int writable = 0; writable < 2; writable++) {
        index = open_index(writable);
        const sg_store_info *info = sg_index_info(index);
        assert_string_equal(info->fingerprint, model->fingerprint);
        assert_int_equal(info->nbits, BITS);
        assert_string_equal(info->kind, "flat");
        assert_non_null(sg_index_encoder(index));
        assert_string_equal(sg_index_recipe_difference(index), "");
        sg_kv now = SG_KV_INIT;
        assert_true(sg_recipe_now(&now, model, &err));
        assert_int_equal(info->recipe.n, now.n);
        for (size_t i = 0; i < now.n; i++)
            assert_string_equal(sg_kv_get(&info->recipe, now.pairs[i].key), now.pairs[i].value);
        sg_kv_clear(&now);
        sg_index_close(index);
    }
    sg_model_free(model);
}

/* Of a classifier: the codes are those of its last hidden layer's hash, which stands in the folder. */
static void test_of_a_classifier(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_model *classifier, *hash;
    sg_index *index;
    sg_searcher *searcher;
    sg_answer answer;
    make_model("classifier.safetensors", SG_HEAD_CLASSIFIER, 10, 1);
    assert_true(sg_model_load(&classifier, "classifier.safetensors", &err));
    assert_true(sg_model_signs(&hash, classifier, &err));
    for (int scaled = 0; scaled < 2; scaled++) { /* ways of one's own become the hash's */
        const sg_index_ways ways = {.decode = scaled ? "scaled" : NULL};
        if (!sg_index_create("idx", "classifier.safetensors", "flat", &ways, &err))
            fail_msg("%s", err.message);
        put_picture("a.png", 1);
        assert_counts(add_path("a.png", NULL), 1, 0, 0, 0, 0, 0);
        index = open_index(false);
        assert_int_equal(sg_index_info(index)->nbits, 64);
        assert_int_equal(strcmp(sg_index_info(index)->fingerprint, hash->fingerprint) != 0, scaled);
        assert_string_equal(sg_index_recipe_difference(index), "");
        assert_true(sg_searcher_new(&searcher, index, &err));
        assert_true(sg_searcher_image(&answer, searcher, "a.png", &(sg_ask){.k = 1, .radius = -1}, &err));
        assert_int_equal(answer.result.n, 1);
        assert_int_equal(answer.result.hits[0].distance, 0);
        sg_answer_clear(&answer);
        sg_searcher_free(searcher);
        sg_index_close(index);
        assert_int_equal(nftw("idx", scratch_remove, 16, FTW_DEPTH | FTW_PHYS), 0);
    }
    sg_model_free(hash);
    sg_model_free(classifier);
}

static void assert_open_fails(sg_code code, const char *word)
{
    sg_error err = {0};
    sg_index *index;
    for (int writable = 0; writable < 2; writable++) {
        assert_false(sg_index_open(&index, "idx", SG_INDEX_ENCODE, writable, &err));
        assert_null(index);
        assert_int_equal(err.code, code);
        if (!strstr(err.message, word)) fail_msg("'%s' lacks '%s'", err.message, word);
    }
    /* What needs no network goes on. */
    assert_true(sg_index_open(&index, "idx", SG_INDEX_STORE, true, &err));
    assert_null(sg_index_encoder(index));
    sg_index_close(index);
}

static void test_other_encoder(void **state)
{
    (void)state;
    sg_error err = {0};
    make_index();
    make_model("idx/" SG_INDEX_ENCODER, SG_HEAD_HASH, BITS, 2);
    assert_open_fails(SG_ERR_MISMATCH, "is another model");
    make_model("idx/" SG_INDEX_ENCODER, SG_HEAD_HASH, 2 * BITS, 1);
    assert_open_fails(SG_ERR_MISMATCH, "is another model");
    scratch_put("idx/" SG_INDEX_ENCODER, "text", 4);
    assert_open_fails(SG_ERR_FORMAT, SG_INDEX_ENCODER);
    assert_int_equal(unlink("idx/" SG_INDEX_ENCODER), 0);
    assert_open_fails(SG_ERR_IO, SG_INDEX_ENCODER);
    assert_true(sg_file_copy("model.safetensors", "idx/" SG_INDEX_ENCODER, &err));
    sg_index_close(open_index(true));
}

/* An index whose recorded recipe says `value` for `key`. */
static void make_index_of(const char *key, const char *value, size_t nbits)
{
    sg_error err = {0};
    sg_model *model;
    sg_kv recipe = SG_KV_INIT;
    make_model("model.safetensors", SG_HEAD_HASH, BITS, 1);
    assert_true(sg_model_load(&model, "model.safetensors", &err));
    assert_true(sg_recipe_now(&recipe, model, &err));
    assert_true(sg_kv_set(&recipe, key, value, &err));
    assert_true(
        sg_store_create("idx", nbits, model->fingerprint, &recipe, "flat", NULL, false, NULL, NULL, &err));
    assert_true(sg_file_copy("model.safetensors", "idx/" SG_INDEX_ENCODER, &err));
    sg_kv_clear(&recipe);
    sg_model_free(model);
}

static void test_other_bits(void **state)
{
    (void)state;
    make_index_of("numerics", "1", 2 * BITS);
    assert_open_fails(SG_ERR_MISMATCH, "does not make the index's 64-bit codes");
}

/* Other instructions: allowed, said, and counted. */
static void test_other_instructions(void **state)
{
    (void)state;
    make_index_of("instructions", "abacus", BITS);
    sg_index *index = open_index(true);
    assert_non_null(strstr(sg_index_recipe_difference(index), "abacus"));
    sg_index_close(index);
    put_picture("a.png", 1);
    assert_counts(add_path("a.png", NULL), 1, 0, 0, 0, 0, 0);
    index = open_index(false);
    assert_int_equal(sg_index_info(index)->foreign, 1);
    sg_index_close(index);
}

/* Another crop: the codes would be others. */
static void test_other_recipe(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_ingest_counts counts;
    const sg_ingest_options options = {0};
    const char *path = "a.png";
    make_index_of("crop", "7x7", BITS);
    put_picture("a.png", 1);
    sg_index *index = open_index(true);
    assert_non_null(strstr(sg_index_recipe_difference(index), "7x7"));
    assert_false(sg_ingest_paths(&counts, index, &path, 1, &options, &err));
    assert_int_equal(err.code, SG_ERR_MISMATCH);
    assert_non_null(strstr(err.message, "7x7"));
    sg_index_close(index);
}

/* Is what a process without bf16 makes of such an index as it should be: it opens and answers, says so, and adds nothing? */
static bool lacks_precision(void)
{
    sg_error err = {0};
    sg_index *index;
    sg_searcher *searcher;
    sg_answer answer;
    sg_ingest_counts counts;
    const sg_ingest_options options = {0};
    const char *path = "a.png";
    if (!sg_portable_set(&err)) return false;
    make_index_of("precision", "bf16", BITS);
    put_picture("a.png", 1);
    if (!sg_index_open(&index, "idx", SG_INDEX_ENCODE, true, &err) ||
        strcmp(sg_index_recipe_difference(index), "precision: bf16 / f32") != 0)
        return false;
    if (sg_ingest_paths(&counts, index, &path, 1, &options, &err) || err.code != SG_ERR_MISMATCH ||
        !strstr(err.message, "precision: bf16 / f32"))
        return false;
    if (!sg_searcher_new(&searcher, index, &err) ||
        !sg_searcher_image(&answer, searcher, "a.png", &(sg_ask){.k = 1, .radius = -1}, &err) ||
        answer.result.n != 0)
        return false;
    sg_answer_clear(&answer);
    sg_searcher_free(searcher);
    const sg_ingest_options any = {.any_recipe = true};
    sg_store_info info;
    if (!sg_ingest_paths(&counts, index, &path, 1, &any, &err) || counts.added != 1 ||
        !sg_store_info_get(&info, sg_index_store(index), &err) || info.foreign != 1)
        return false;
    sg_store_info_clear(&info);
    sg_index_close(index);
    const sg_index_ways ways = {.precision = "bf16"};
    return !sg_index_create("none", "model.safetensors", "flat", &ways, &err) &&
           err.code == SG_ERR_UNSUPPORTED && !sg_path_exists("none");
}

static void test_lacking_precision(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) _exit(lacks_precision() ? 0 : 1);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void drop_index(void)
{
    assert_int_equal(nftw("idx", scratch_remove, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static const sg_preprocess *preprocess_of(sg_index *index)
{
    return &sg_encoder_model(sg_index_encoder(index))->preprocess;
}

/* Pictures are brought to the network as was recorded, whatever the model says; and that is the recipe, not a difference. */
static void test_recorded_ways(void **state)
{
    (void)state;
    static const char *const ways[][2] = {
        {"decode", "scaled"}, {"filter", "bicubic"}, {"orientation", "exif"}, {"resize", "18"}};
    for (size_t i = 0; i < 4; i++) {
        make_index_of(ways[i][0], ways[i][1], BITS);
        sg_index *index = open_index(true);
        assert_string_equal(sg_index_recipe_difference(index), "");
        const sg_preprocess *pp = preprocess_of(index);
        if (i < 3)
            assert_string_equal(sg_preprocess_get(pp, ways[i][0]), ways[i][1]);
        else
            assert_int_equal(pp->resize, 18);
        sg_index_close(index);
        drop_index();
    }
    make_index_of("decode", "full", BITS);
    assert_open_fails(SG_ERR_FORMAT, "idx: recipe: decode \"full\"");
}

/* Cells that do not fit the blocks of 8 x 8: a decode at a fraction of the size blurs them as a resize does not. */
static void put_cells(const char *path)
{
    sg_image image;
    sg_rng rng = sg_rng_at(1, SG_RNG_TEST, 2, 0);
    uint8_t cells[22 * 22];
    for (size_t i = 0; i < sizeof cells; i++) cells[i] = (uint8_t)(sg_rng_below(&rng, 2) * 255);
    assert_true(sg_image_init(&image, 256, 256, 1, NULL));
    for (int i = 0; i < 256 * 256; i++) image.pixels[i] = cells[i / 256 / 12 * 22 + i % 256 / 12];
    put_image(path, &image, true);
    sg_image_clear(&image);
}

static void decoded_code(uint8_t code[BITS / 8], float z[BITS], const judge *j, int shorter_min)
{
    sg_error err = {0};
    sg_image image;
    const sg_decode_options options = {.channels = 1, .shorter_min = shorter_min};
    assert_true(sg_image_load(&image, "a.jpg", &options, &err));
    assert_true(sg_encoder_image(j->encoder, z, &image, &err));
    sg_codes_pack(code, z, 1, BITS);
    sg_image_clear(&image);
}

/* The same model whose head has its threshold between what the two ways of decoding give: all bits differ. */
static void tell_apart(void)
{
    sg_error err = {0};
    uint8_t exact[BITS / 8], scaled[BITS / 8];
    float a[BITS], b[BITS];
    judge j = judge_new();
    decoded_code(exact, a, &j, 0);
    decoded_code(scaled, b, &j, 16);
    float *bias = j.model->params->block + sg_params_find(j.model->params, "head.bias")->offset;
    for (size_t k = 0; k < BITS; k++) bias[k] -= (a[k] + b[k]) / 2;
    assert_true(sg_model_save(j.model, "model.safetensors", &err));
    judge_free(&j);
}

/* `add` and `query` decode in the way that `create` was told. */
static void test_scaled(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_index *index;
    sg_searcher *searcher;
    sg_answer answer;
    make_model("model.safetensors", SG_HEAD_HASH, BITS, 1);
    put_cells("a.jpg");
    tell_apart();
    assert_false(
        sg_index_create("idx", "model.safetensors", "flat", &(sg_index_ways){.decode = "full"}, &err));
    assert_int_equal(err.code, SG_ERR_USAGE);
    for (int scaled = 0; scaled < 2; scaled++) {
        uint8_t code[BITS / 8], other[BITS / 8];
        float z[BITS];
        judge j = judge_new();
        decoded_code(code, z, &j, scaled ? 16 : 0);
        decoded_code(other, z, &j, scaled ? 0 : 16);
        judge_free(&j);
        assert_memory_not_equal(code, other, sizeof code);
        const sg_index_ways ways = {.decode = scaled ? "scaled" : "exact"};
        assert_true(sg_index_create("idx", "model.safetensors", "flat", &ways, &err));
        assert_counts(add_path("a.jpg", NULL), 1, 0, 0, 0, 0, 0);
        index = open_index(false);
        assert_true(sg_searcher_new(&searcher, index, &err));
        assert_true(sg_searcher_image(&answer, searcher, "a.jpg", &(sg_ask){.k = 1, .radius = -1}, &err));
        assert_memory_equal(answer.code, code, sizeof code);
        assert_int_equal(answer.result.hits[0].distance, 0);
        sg_answer_clear(&answer);
        sg_index_set_max_pixels(index, 256 * 256 - 1);
        assert_false(sg_searcher_image(&answer, searcher, "a.jpg", &(sg_ask){.k = 1, .radius = -1}, &err));
        assert_int_equal(err.code, SG_ERR_LIMIT);
        sg_searcher_free(searcher);
        sg_index_close(index);
        drop_index();
    }
}

/* A copy is whole also when another index has taken the place of the one that was opened. */
static void test_copy_of_a_replaced_one(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_index *index;
    sg_store_info info;
    make_index();
    assert_true(sg_index_open(&index, "idx", SG_INDEX_STORE, false, &err));
    assert_int_equal(rename("idx", "old"), 0);
    make_model("other.safetensors", SG_HEAD_HASH, 2 * BITS, 2);
    assert_true(sg_index_create("idx", "other.safetensors", "flat", NULL, &err));
    if (!sg_index_copy(&info, index, "copy", &err)) fail_msg("%s", err.message);
    assert_int_equal(info.nbits, 2 * BITS);
    sg_store_info_clear(&info);
    sg_index_close(index);
    assert_true(sg_index_open(&index, "copy", SG_INDEX_ENCODE, false, &err));
    sg_index_close(index);
}

static void test_without_memory(void **state)
{
    (void)state;
    make_index();
    bool done = false;
    for (uint64_t nth = 1; !done; nth += 11) { /* a plan is made each time: not every allocation */
        sg_error err = {0};
        sg_index *index;
        sg_mem_fail_at(nth);
        done = sg_index_open(&index, "idx", SG_INDEX_ENCODE, true, &err);
        sg_mem_fail_at(0);
        if (!done) assert_true(!index && err.code == SG_ERR_MEMORY);
        sg_index_close(index);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_lacking_precision), /* first: portable computing is asked for before all else */
        scratch_test(test_create),
        scratch_test(test_open),
        scratch_test(test_of_a_classifier),
        scratch_test(test_other_encoder),
        scratch_test(test_other_bits),
        scratch_test(test_other_instructions),
        scratch_test(test_other_recipe),
        scratch_test(test_recorded_ways),
        scratch_test(test_scaled),
        scratch_test(test_copy_of_a_replaced_one),
        scratch_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
