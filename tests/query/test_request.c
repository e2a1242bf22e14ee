#include "base/scratch.h"

#include <signet/mem.h>
#include <signet/serve.h>
#include <string.h>

static void test_parse(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_request r;
    static const char line[] =
        " {\"request\":\"a\\\"1\",\"image\":\"/x\",\"image_hex\":\"2fff\",\"k\":7,\"radius\":0,"
        "\"where\":[\"year=1999\",\"sea\"],\"label\":\"x\",\"rerank_from\":50}\r";
    if (!sg_request_parse(&r, line, sizeof line - 1, &err)) fail_msg("%s", err.message);
    assert_string_equal(r.path, "/\xff");
    assert_true(r.bytes.size == 0 && !r.code && r.id == 0);
    assert_true(r.k == 7 && r.radius == 0 && r.rerank && r.rerank_from == 50);
    assert_true(r.tagged);
    assert_string_equal(r.tag, "a\"1");
    assert_int_equal(r.where.n, 3);
    assert_string_equal(r.where.terms[2].key, "label");
    assert_string_equal(r.where.terms[2].value, "x");
    sg_request_clear(&r);
    static const char other[] = "{\"image_base64\":\"Zm9v\",\"request\":-3,\"rerank\":false}";
    assert_true(sg_request_parse(&r, other, sizeof other - 1, &err));
    assert_true(!r.path && r.bytes.size == 3 && memcmp(r.bytes.data, "foo", 3) == 0);
    assert_true(r.k == -1 && r.radius == -1 && !r.rerank && r.tagged && !r.tag && r.tag_number == -3);
    sg_request_clear(&r);
}

static void test_malformed(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "",
        "x",
        "5",
        "null",
        "[]",
        "[{\"id\":1}]",
        "\"id\"",
        "{}",
        "{\"id\":1",
        "{\"id\":1}{\"id\":2}",
        "{\"id\":0}",
        "{\"id\":-1}",
        "{\"id\":1.5}",
        "{\"id\":\"1\"}",
        "{\"id\":1e300}",
        "{\"id\":1,\"code\":\"ff\"}",
        "{\"image\":\"/a\",\"image_base64\":\"Zm9v\"}",
        "{\"image\":null}",
        "{\"image\":7}",
        "{\"image\":\"-\"}",
        "{\"image_hex\":\"2d\"}",
        "{\"image\":\"/a\\u0000b\"}",
        "{\"image_hex\":\"0\"}",
        "{\"image_hex\":7}",
        "{\"image_base64\":\"\"}",
        "{\"image_base64\":\"Zm9\"}",
        "{\"image_base64\":7}",
        "{\"code\":7}",
        "{\"id\":1,\"k\":0}",
        "{\"id\":1,\"k\":100001}",
        "{\"id\":1,\"k\":\"3\"}",
        "{\"id\":1,\"radius\":-1}",
        "{\"id\":1,\"radius\":1025}",
        "{\"id\":1,\"where\":7}",
        "{\"id\":1,\"where\":{}}",
        "{\"id\":1,\"where\":[7]}",
        "{\"id\":1,\"where\":[\"=x\"]}",
        "{\"id\":1,\"label\":{\"a\":1}}",
        "{\"id\":1,\"rerank\":1}",
        "{\"id\":1,\"rerank_from\":0}",
        "{\"id\":1,\"request\":{}}",
        "{\"id\":1,\"request\":true}",
        "{\"id\":1,\"kk\":3}",
        "\xff",
        "{\"image\":\"\xff\"}",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        sg_error err = {0};
        sg_request r;
        if (sg_request_parse(&r, lines[i], strlen(lines[i]), &err)) fail_msg("taken: %s", lines[i]);
        assert_true(err.code == SG_ERR_FORMAT || err.code == SG_ERR_USAGE);
        assert_true(err.message[0] != '\0');
        sg_request_clear(&r);
    }
    sg_request r;
    assert_false(sg_request_parse(&r, "{\"request\":8,\"id\":0}", 20, NULL)); /* which of several it was */
    assert_true(r.tagged && r.tag_number == 8);
    sg_request_clear(&r);
}

static sg_request make_request(void)
{
    sg_request r = SG_REQUEST_INIT;
    r.path = sg_strdup("/a\xff\n\"");
    r.k = 3;
    r.radius = 5;
    r.rerank = true;
    r.rerank_from = 9;
    r.tagged = true;
    r.tag_number = 1 << 30;
    sg_where_parse_add(&r.where, "a=b=c", NULL);
    sg_where_parse_add(&r.where, "d!=", NULL);
    sg_where_parse_add(&r.where, "e", NULL);
    return r;
}

static void test_print(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_request r = make_request(), back;
    char *line;
    assert_true(sg_request_print(&line, &r, &err));
    assert_null(strchr(line, '\n'));
    if (!sg_request_parse(&back, line, strlen(line), &err)) fail_msg("%s", err.message);
    assert_string_equal(back.path, r.path);
    assert_true(back.k == 3 && back.radius == 5 && back.rerank && back.rerank_from == 9);
    assert_true(back.tagged && back.tag_number == 1 << 30);
    assert_true(sg_where_same(&back.where, &r.where));
    sg_request_clear(&back);
    sg_free(line);
    assert_true(sg_where_parse_add(&r.where, "f=\xff", &err)); /* JSON has no place for it */
    assert_false(sg_request_print(&line, &r, &err));
    assert_int_equal(err.code, SG_ERR_USAGE);
    sg_request_clear(&r);
    for (int which = 0; which < 3; which++) {
        r = (sg_request)SG_REQUEST_INIT;
        if (which == 0) sg_buf_put(&r.bytes, "\0\xff", 2);
        if (which == 1) r.code = sg_strdup("00ff");
        if (which == 2) r.id = 77;
        assert_true(sg_request_print(&line, &r, &err));
        assert_string_equal(line, which == 0   ? "{\"image_base64\":\"AP8=\"}"
                                  : which == 1 ? "{\"code\":\"00ff\"}"
                                               : "{\"id\":77}");
        sg_free(line);
        sg_request_clear(&r);
    }
}

static bool there_and_back(sg_error *err)
{
    sg_request r = SG_REQUEST_INIT;
    char *line;
    static const char text[] =
        "{\"image_hex\":\"2fff\",\"request\":\"x\",\"where\":[\"a=b\",\"c\"],\"label\":\"d\"}";
    bool ok = sg_request_parse(&r, text, sizeof text - 1, err) && sg_request_print(&line, &r, err);
    if (ok) sg_free(line);
    sg_request_clear(&r);
    return ok;
}

static void test_without_memory(void **state)
{
    (void)state;
    assert_survives_allocation_failures(there_and_back(&err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_print),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
