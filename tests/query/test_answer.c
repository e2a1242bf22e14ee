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
    answer.attributes = sg_calloc(3, sizeof *answer.attributes);
    answer.items = 12;
    memset(answer.fingerprint, 'f', 64);
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
    assert_true(sg_answer_text(out, &answer, false, &err));
    fclose(out);
    assert_string_equal(text, "0 1 /a b/c.png\n"
                              "10 2 /x\\x0a\\x7f.png\n"
                              "20 9007199254740995 /\xff\xfe<\"&>.png\n");
    free(text);
    out = fopen("/dev/full", "w");
    setvbuf(out, NULL, _IONBF, 0);
    assert_false(sg_answer_text(out, &answer, false, &err));
    assert_int_equal(err.code, SG_ERR_IO);
    fclose(out);
    sg_answer_clear(&answer);
}

/* NUL for the line's end, and the path's very bytes. */
static void test_text_by_nul(void **state)
{
    (void)state;
    static const char want[] = "0 1 /a b/c.png\0"
                               "10 2 -\0"
                               "20 9007199254740995 /\xff\xfe<\"&>.png";
    sg_error err = {0};
    sg_answer answer = make_answer("q");
    char *text;
    size_t size;
    sg_free(answer.paths[1]);
    answer.paths[1] = NULL; /* an item without a path */
    FILE *out = open_memstream(&text, &size);
    assert_true(sg_answer_text(out, &answer, true, &err));
    fclose(out);
    assert_int_equal(size, sizeof want);
    assert_memory_equal(text, want, sizeof want);
    free(text);
    sg_answer_clear(&answer);
}

static char *json_of(const sg_answer *answer)
{
    sg_error err = {0};
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!sg_answer_json(out, answer, &err)) fail_msg("%s", err.message);
    fclose(out);
    return text;
}

#define FS "ffffffffffffffffffffffffffffffff"

static void test_json(void **state)
{
    (void)state;
    sg_answer answer = make_answer("dir/q\xff.png");
    char *text = json_of(&answer);
    assert_string_equal(
        text, "{\"query\":\"dir/"
              "q\xef\xbf\xbd.png\",\"query_hex\":\"6469722f71ff2e706e67\",\"code\":\"0001abff10203040\","
              "\"results\":["
              "{\"rank\":1,\"id\":1,\"path\":\"/a b/c.png\",\"distance\":0},"
              "{\"rank\":2,\"id\":2,\"path\":\"/x\\n\x7f.png\",\"distance\":10},"
              "{\"rank\":3,\"id\":9007199254740995,\"path\":\"/\xef\xbf\xbd\xef\xbf\xbd<\\\"&>.png\","
              "\"path_hex\":\"2ffffe3c22263e2e706e67\",\"distance\":20}],"
              "\"exact\":true,\"complete\":false,\"generation\":9007199254740993,\"items\":12,"
              "\"fingerprint\":\"" FS FS "\",\"recipe_match\":true}\n");
    free(text);
    sg_answer_clear(&answer);
    answer = make_answer(NULL); /* asked by a code */
    text = json_of(&answer);
    assert_memory_equal(text, "{\"query\":null,\"code\"", 20);
    free(text);
    sg_answer_clear(&answer);
}

/* An answer with all that it may have. */
static sg_answer make_full_answer(void)
{
    sg_error err = {0};
    sg_answer answer = make_answer("q");
    answer.generation = 7; /* what is read back has 53 bits */
    answer.result.hits[2].id = 17;
    answer.query_id = 5;
    answer.query_path = sg_strdup("/\xff.png");
    sg_free(answer.paths[0]);
    answer.paths[0] = NULL;
    answer.reranked = 50;
    answer.scores = sg_calloc(3, sizeof *answer.scores);
    for (size_t i = 0; i < 3; i++) answer.scores[i] = 0.1 * (double)(i + 1);
    strcpy(answer.recipe_difference, "instructions: abacus / avx2");
    assert_true(sg_attributes_parse_add(&answer.attributes[1], "label=a \"b\"", &err));
    assert_true(sg_attributes_parse_add(&answer.attributes[1], "label=c", &err));
    assert_true(sg_attributes_parse_add(&answer.attributes[1], "year=", &err));
    assert_true(sg_attributes_parse_add(&answer.attributes[2], "odd=\xff", &err));
    return answer;
}

static void test_full_json(void **state)
{
    (void)state;
    sg_answer answer = make_full_answer();
    char *text = json_of(&answer);
    assert_string_equal(
        text, "{\"query\":\"q\",\"query_id\":5,\"query_path\":\"/"
              "\xef\xbf\xbd.png\",\"query_path_hex\":\"2fff2e706e67\","
              "\"code\":\"0001abff10203040\",\"results\":["
              "{\"rank\":1,\"id\":1,\"path\":null,\"distance\":0,\"score\":0.1},"
              "{\"rank\":2,\"id\":2,\"path\":\"/x\\n\x7f.png\",\"distance\":10,\"score\":0.2,"
              "\"attributes\":{\"label\":[\"a \\\"b\\\"\",\"c\"],\"year\":[\"\"]}},"
              "{\"rank\":3,\"id\":17,\"path\":\"/\xef\xbf\xbd\xef\xbf\xbd<\\\"&>.png\","
              "\"path_hex\":\"2ffffe3c22263e2e706e67\",\"distance\":20,\"score\":0.30000000000000004,"
              "\"attributes\":{\"odd\":[\"\xef\xbf\xbd\"]},\"attributes_hex\":\"6f646400ff00\"}],"
              "\"exact\":true,\"complete\":false,\"reranked\":50,\"generation\":7,\"items\":12,"
              "\"fingerprint\":\"" FS FS "\",\"recipe_match\":false,"
              "\"recipe_difference\":\"instructions: abacus / avx2\"}\n");
    free(text);
    sg_answer_clear(&answer);
}

static void assert_same_text(const char *a, const char *b)
{
    if (a && b)
        assert_string_equal(a, b);
    else
        assert_true(!a && !b);
}

static void test_parse(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_answer want = make_full_answer(), got;
    char *text = json_of(&want);
    if (!sg_answer_parse(&got, text, strlen(text), &err)) fail_msg("%s", err.message);
    assert_same_text(got.query, want.query);
    assert_int_equal(got.query_id, 5);
    assert_same_text(got.query_path, want.query_path);
    assert_int_equal(got.nbits, 64);
    assert_memory_equal(got.code, want.code, 8);
    assert_true(got.result.exact && !got.result.complete);
    assert_int_equal(got.result.n, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(got.result.hits[i].id, want.result.hits[i].id);
        assert_int_equal(got.result.hits[i].distance, want.result.hits[i].distance);
        assert_true(got.scores[i] == want.scores[i]);
        assert_same_text(got.paths[i], want.paths[i]);
        assert_int_equal(got.attributes[i].nbytes, want.attributes[i].nbytes);
        if (got.attributes[i].nbytes)
            assert_memory_equal(got.attributes[i].data, want.attributes[i].data, got.attributes[i].nbytes);
    }
    assert_true(got.generation == 7 && got.items == 12 && got.reranked == 50);
    assert_string_equal(got.fingerprint, want.fingerprint);
    assert_string_equal(got.recipe_difference, want.recipe_difference);
    free(text);
    sg_answer_clear(&got);
    sg_answer_clear(&want);
}

/* Whatever comes over a socket: an error, or an answer that is whole. */
static void test_parse_of_damaged(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_answer want = make_full_answer(), got;
    char *text = json_of(&want);
    size_t n = strlen(text);
    assert_false(sg_answer_parse(&got, "{\"error\":\"no such item\"}", 24, &err));
    assert_string_equal(err.message, "no such item");
    for (size_t i = 0; i + 1 < n; i++) { /* the last byte is the line's end */
        assert_false(sg_answer_parse(&got, text, i, &err));
        assert_int_equal(err.code, SG_ERR_FORMAT);
    }
    for (size_t i = 0; i < n; i++) {
        static const char others[] = "\"{}[]:,0-x";
        const char before = text[i];
        for (const char *other = others; *other; other++) {
            text[i] = *other;
            if (sg_answer_parse(&got, text, n, &err)) {
                assert_true(got.result.n == 0 || (got.paths && got.attributes && got.result.hits));
                char *again = json_of(&got);
                free(again);
                sg_answer_clear(&got);
            } else {
                assert_true(!got.code && !got.paths);
            }
        }
        text[i] = before;
    }
    free(text);
    sg_answer_clear(&want);
}

static bool print_json(const sg_answer *answer, sg_error *err)
{
    FILE *out = fopen("/dev/null", "w");
    bool ok = sg_answer_json(out, answer, err) && sg_answer_text(out, answer, false, err);
    fclose(out);
    return ok;
}

static bool parse_json(const char *text, sg_error *err)
{
    sg_answer answer;
    bool ok = sg_answer_parse(&answer, text, strlen(text), err);
    sg_answer_clear(&answer);
    return ok;
}

static void test_without_memory(void **state)
{
    (void)state;
    sg_answer answer = make_full_answer();
    assert_survives_allocation_failures(print_json(&answer, &err));
    char *text = json_of(&answer);
    assert_survives_allocation_failures(parse_json(text, &err));
    free(text);
    sg_answer_clear(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),       cmocka_unit_test(test_text_by_nul),
        cmocka_unit_test(test_json),       cmocka_unit_test(test_full_json),
        cmocka_unit_test(test_parse),      cmocka_unit_test(test_parse_of_damaged),
        scratch_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
