/* What one line of a request is answered with. */
#include "query/serve_impl.h"
#include "serving.h"

#include <signet/json.h>

/* How many results a request gets of a server that re-ranks three, two of which it tells. */
static void test_line_reranked(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_searcher *searcher;
    const sg_ask usual = {.k = 2, .radius = -1, .rerank = true, .rerank_from = 3};
    static const struct {
        const char *line;
        size_t n, reranked; /* n 0: an error */
    } cases[] = {{"{\"id\":1}", 2, 3},
                 {"{\"id\":1,\"k\":5}", 5, 5},
                 {"{\"id\":1,\"radius\":32}", 3, 3},
                 {"{\"id\":1,\"k\":3,\"rerank_from\":6}", 3, 6},
                 {"{\"id\":1,\"k\":6,\"rerank_from\":3}", 0, 0},
                 {"{\"id\":1,\"radius\":32,\"rerank_from\":4}", 4, 4},
                 {"{\"id\":1,\"radius\":32,\"rerank\":true}", 7, 7}};
    make_pictures(8);
    assert_true(sg_searcher_open(&searcher, "idx", SG_INDEX_STORE, 0, &err));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sg_buf out = SG_BUF_INIT;
        sg_json *json;
        int64_t reranked = 0;
        assert_true(sg_serve_line(&out, searcher, &usual, cases[i].line, strlen(cases[i].line)));
        assert_true(sg_json_parse(&json, out.data, out.size, &err));
        sg_json_int(&reranked, sg_json_get(json, "reranked"));
        assert_int_equal(sg_json_size(sg_json_get(json, "results")), cases[i].n);
        assert_int_equal(reranked, cases[i].reranked);
        assert_int_equal(sg_json_get(json, "error") != NULL, cases[i].n == 0);
        sg_json_free(json);
        sg_buf_clear(&out);
    }
    sg_searcher_free(searcher);
}

/* Without memory: a line that says so, or none; never half of one. */
static void test_line_without_memory(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_searcher *searcher;
    const sg_ask three = {.k = 3, .radius = -1};
    static const char line[] = "{\"image\":\"pictures/000.png\",\"request\":\"r\",\"where\":\"label!=x\"}";
    bool answered = false;
    make_pictures(5);
    assert_true(sg_searcher_open(&searcher, "idx", SG_INDEX_ENCODE, 1, &err));
    for (uint64_t nth = 1; !answered; nth++) {
        sg_buf out = SG_BUF_INIT;
        assert_true(nth < 10000);
        sg_mem_fail_at(nth);
        bool ok = sg_serve_line(&out, searcher, &three, line, sizeof line - 1);
        sg_mem_fail_at(0);
        if (ok) {
            sg_json *json;
            assert_true(sg_json_parse(&json, out.data, out.size, &err) && out.data[out.size - 1] == '\n');
            answered = sg_json_get(json, "results") != NULL;
            if (!answered)
                assert_non_null(strstr(sg_json_string(sg_json_get(json, "error")), "out of memory"));
            sg_json_free(json);
        }
        sg_buf_clear(&out);
    }
    sg_searcher_free(searcher);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_line_reranked),
        scratch_test(test_line_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
