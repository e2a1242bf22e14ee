#include "album.h"

#include <signet/json.h>

/* An answer made by hand: odd paths, large numbers. */
static sg_answer make_answer(const char *query)
{
    static const char *const paths[] = {"/a b/c.png", "/x\n\x7f.png", "/\xff\xfe<\"&>.png"};
    sg_answer answer = {
        .query = query ? sg_strdup(query) : NULL, .nbits = 64, .generation = 9007199254740993u};
    answer.code = sg_memdup("\x00\x01\xab\xff\x10\x20\x30\x40", 8);
    answer.paths = sg_calloc(3, sizeof *answer.paths);
    answer.result = (sg_search_result){.n = 3, .exact = true, .complete = false};
    answer.result.hits = sg_calloc(3, sizeof *answer.result.hits);
    for (size_t i = 0; i < 3; i++) {
        answer.paths[i] = sg_strdup(paths[i]);
        answer.result.hits[i] =
            (sg_hit){.id = i == 2 ? 9007199254740995u : i + 1, .distance = (uint32_t)(10 * i)};
    }
    return answer;
}

static void test_text(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_answer answer = make_answer("q");
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_true(sg_answer_text(out, &answer, &err));
    fclose(out);
    assert_string_equal(text, "0 1 /a b/c.png\n"
                              "10 2 /x\\x0a\\x7f.png\n"
                              "20 9007199254740995 /\xff\xfe<\"&>.png\n");
    free(text);
    out = fopen("/dev/full", "w");
    setvbuf(out, NULL, _IONBF, 0);
    assert_false(sg_answer_text(out, &answer, &err));
    assert_int_equal(err.code, SG_ERR_IO);
    fclose(out);
    sg_answer_clear(&answer);
}

static char *json_of(const sg_answer *answer, const sg_index *index)
{
    sg_error err = {0};
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!sg_answer_json(out, answer, index, &err)) fail_msg("%s", err.message);
    fclose(out);
    return text;
}

static void test_json(void **state)
{
    (void)state;
    char want[4096];
    make_index();
    sg_index *index = open_index(false);
    sg_answer answer = make_answer("dir/q\xff.png");
    char *text = json_of(&answer, index);
    snprintf(want, sizeof want,
             "{\"query\":\"dir/"
             "q\xef\xbf\xbd.png\",\"query_hex\":\"6469722f71ff2e706e67\",\"code\":\"0001abff10203040\","
             "\"results\":["
             "{\"rank\":1,\"id\":1,\"path\":\"/a b/c.png\",\"distance\":0},"
             "{\"rank\":2,\"id\":2,\"path\":\"/x\\n\x7f.png\",\"distance\":10},"
             "{\"rank\":3,\"id\":9007199254740995,\"path\":\"/\xef\xbf\xbd\xef\xbf\xbd<\\\"&>.png\","
             "\"path_hex\":\"2ffffe3c22263e2e706e67\",\"distance\":20}],"
             "\"exact\":true,\"complete\":false,\"generation\":9007199254740993,\"fingerprint\":\"%s\","
             "\"recipe_match\":true}\n",
             sg_index_info(index)->fingerprint);
    assert_string_equal(text, want);
    free(text);
    sg_answer_clear(&answer);
    answer = make_answer(NULL); /* asked by a code */
    text = json_of(&answer, index);
    assert_memory_equal(text, "{\"query\":null,", 14);
    free(text);
    sg_answer_clear(&answer);
    sg_index_close(index);
}

static void test_json_of_other_recipe(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_model *model;
    sg_kv recipe = SG_KV_INIT;
    sg_json *json;
    bool match = true;
    make_model("model.safetensors", SG_HEAD_HASH, BITS, 1);
    assert_true(sg_model_load(&model, "model.safetensors", &err));
    assert_true(sg_kv_set(&recipe, "instructions", "abacus", &err));
    assert_true(
        sg_store_create("idx", BITS, model->fingerprint, &recipe, "flat", NULL, false, NULL, NULL, &err));
    assert_true(sg_file_copy("model.safetensors", "idx/" SG_INDEX_ENCODER, &err));
    sg_index *index = open_index(false);
    sg_answer answer = make_answer("q");
    char *text = json_of(&answer, index);
    assert_true(sg_json_parse(&json, text, strlen(text), &err));
    assert_true(sg_json_bool(&match, sg_json_get(json, "recipe_match")));
    assert_false(match);
    assert_string_equal(sg_json_string(sg_json_get(json, "recipe_difference")),
                        sg_index_recipe_difference(index));
    assert_non_null(strstr(sg_index_recipe_difference(index), "abacus"));
    sg_json_free(json);
    free(text);
    sg_answer_clear(&answer);
    sg_index_close(index);
    sg_model_free(model);
    sg_kv_clear(&recipe);
}

static bool print_json(const sg_answer *answer, const sg_index *index, sg_error *err)
{
    FILE *out = fopen("/dev/null", "w");
    bool ok = sg_answer_json(out, answer, index, err) && sg_answer_text(out, answer, err);
    fclose(out);
    return ok;
}

static void test_without_memory(void **state)
{
    (void)state;
    make_index();
    sg_index *index = open_index(false);
    sg_answer answer = make_answer("q");
    assert_survives_allocation_failures(print_json(&answer, index, &err));
    sg_answer_clear(&answer);
    sg_index_close(index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_text),
        scratch_test(test_json),
        scratch_test(test_json_of_other_recipe),
        scratch_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
