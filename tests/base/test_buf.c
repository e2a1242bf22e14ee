#include "scratch.h"

#include <signet/buf.h>

static void test_grows_and_ends_in_nul(void **state)
{
    (void)state;
    sg_buf buf = SG_BUF_INIT;
    assert_string_equal(sg_buf_text(&buf), "");
    sg_buf_puts(&buf, "");
    sg_buf_printf(&buf, "%s", "");
    assert_int_equal(buf.size, 0);
    for (int i = 0; i < 1000; i++) {
        sg_buf_printf(&buf, "%d,", i % 10);
        assert_int_equal(buf.size, 2 * (i + 1));
        assert_int_equal(strlen(buf.data), buf.size);
    }
    sg_buf_put(&buf, "a\0b", 3);
    assert_int_equal(buf.size, 2003);
    assert_memory_equal(buf.data + 2000, "a\0b", 4);
    assert_true(sg_buf_ok(&buf));
    sg_buf_clear(&buf);
    assert_null(buf.data);
}

static bool build(sg_error *err)
{
    sg_buf buf = SG_BUF_INIT;
    char expected[600];
    memset(expected, 'x', sizeof expected);
    for (int i = 0; i < 100; i++) sg_buf_puts(&buf, "xxx");
    for (int i = 0; i < 100; i++) sg_buf_printf(&buf, "%s", "xxx");
    bool ok = sg_buf_ok(&buf);
    if (ok) assert_memory_equal(buf.data, expected, sizeof expected);
    sg_buf_clear(&buf);
    return ok ? true : sg_fail_memory(err, "buf");
}

static void test_failure_is_sticky(void **state)
{
    (void)state;
    sg_buf buf = SG_BUF_INIT;
    sg_buf_puts(&buf, "12345678");
    size_t size = buf.size;
    sg_mem_fail_at(1);
    sg_buf_printf(&buf, "%64s", "");
    sg_buf_puts(&buf, "x"); /* memory is there again, but the text has a hole */
    assert_false(sg_buf_ok(&buf));
    assert_int_equal(buf.size, size);
    sg_buf_clear(&buf);
    assert_true(sg_buf_ok(&buf));
    assert_survives_allocation_failures(build(&err));
}

static void test_html_csv_base64(void **state)
{
    (void)state;
    static const struct {
        void (*put)(sg_buf *, const char *);
        const char *text, *expected;
    } cases[] = {
        {sg_buf_put_html, "<a href=\"x\">'&'</a>", "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;"},
        {sg_buf_put_html, "caf\xc3\xa9 \xff\xc3", "caf\xc3\xa9 \xef\xbf\xbd\xef\xbf\xbd"},
        {sg_buf_put_html, "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {sg_buf_put_utf8, "<\xf0\x9f\x98\x80\x80>", "<\xf0\x9f\x98\x80\xef\xbf\xbd>"},
        {sg_buf_put_line, "a b\\\n\x1b[31m\x7f\xff\xc3\xa9", "a b\\\\x0a\\x1b[31m\\x7f\xff\xc3\xa9"},
        {sg_buf_put_csv, "plain text", "plain text"},
        {sg_buf_put_csv, "a,b", "\"a,b\""},
        {sg_buf_put_csv, "say \"hi\"", "\"say \"\"hi\"\"\""},
        {sg_buf_put_csv, "two\nlines", "\"two\nlines\""},
        {sg_buf_put_csv, "cr\r", "\"cr\r\""},
        {sg_buf_put_csv, "", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sg_buf buf = SG_BUF_INIT;
        cases[i].put(&buf, cases[i].text);
        assert_string_equal(sg_buf_text(&buf), cases[i].expected);
        sg_buf_clear(&buf);
    }
    /* RFC 4648, section 10. */
    static const char *const base64[] = {"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    for (size_t n = 0; n <= 6; n++) {
        sg_buf buf = SG_BUF_INIT;
        sg_buf_put_base64(&buf, "foobar", n);
        assert_string_equal(sg_buf_text(&buf), base64[n]);
        sg_buf_clear(&buf);
    }
    sg_buf buf = SG_BUF_INIT;
    sg_buf_put_base64(&buf, "\xfb\xff\xfe\x00", 4);
    assert_string_equal(sg_buf_text(&buf), "+//+AA==");
    sg_buf_clear(&buf);
    for (size_t n = 0; n <= 6; n++) {
        assert_true(sg_buf_put_unbase64(&buf, base64[n]));
        assert_int_equal(buf.size, n);
        assert_memory_equal(sg_buf_text(&buf), "foobar", n);
        sg_buf_clear(&buf);
    }
    assert_true(sg_buf_put_unbase64(&buf, "+//+AA=="));
    assert_int_equal(buf.size, 4);
    assert_memory_equal(buf.data, "\xfb\xff\xfe\x00", 4);
    static const char *const none[] = {"Z",    "Zg",   "Zg=",   "Zg===", "====",   "Zg==Zg==", "Z===",
                                       "Zh==", "Zm9=", "Zm\n9", "Zm-_",  "Zm9v\n", "=m9v",     "Zm9vZ==="};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) assert_false(sg_buf_put_unbase64(&buf, none[i]));
    sg_buf_clear(&buf);
}

/* The reference: writes the code point as UTF-8; length 0 for those that have no form. */
static size_t encode(unsigned char out[4], uint32_t point)
{
    if (point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) return 0;
    size_t n = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (size_t i = n; i-- > 1; point >>= 6) out[i] = (unsigned char)(0x80 | (point & 0x3f));
    static const unsigned char marks[] = {0, 0, 0xc0, 0xe0, 0xf0};
    out[0] = (unsigned char)(marks[n] | point);
    return n;
}

/* Every code point is valid, and of all texts of `n` bytes (n <= 3) no others are single characters. */
static void test_utf8_by_enumeration(void **state)
{
    (void)state;
    static unsigned char single[1 << 24]; /* is the text of bytes (a, b, c), big-endian, one character? */
    unsigned char bytes[4];
    for (uint32_t point = 0; point < 0x110000; point++) {
        size_t n = encode(bytes, point);
        if (n == 0) continue;
        assert_true(sg_utf8_valid((char *)bytes, n));
        for (size_t cut = 1; cut < n; cut++) assert_false(sg_utf8_valid((char *)bytes, cut));
        if (n == 3) single[bytes[0] << 16 | bytes[1] << 8 | bytes[2]] = 1;
    }
    for (uint32_t text = 0xc00000; text < 1 << 24; text += text >> 8 & 1 ? 1 : 3) {
        bytes[0] = (unsigned char)(text >> 16);
        bytes[1] = (unsigned char)(text >> 8);
        bytes[2] = (unsigned char)text;
        /* No ASCII first: a valid text is one character of three bytes, or one of two and ASCII. */
        bool two =
            bytes[0] >= 0xc2 && bytes[0] <= 0xdf && bytes[1] >= 0x80 && bytes[1] <= 0xbf && bytes[2] < 0x80;
        if (sg_utf8_valid((char *)bytes, 3) != (two || single[text])) fail_msg("%06x", text);
    }
    static const char *const wrong[] = {"\x80",
                                        "\xc0\x80",
                                        "\xc1\xbf",
                                        "\xe0\x9f\xbf",
                                        "\xed\xa0\x80",
                                        "\xf0\x8f\xbf\xbf",
                                        "\xf4\x90\x80\x80",
                                        "\xf5\x80\x80\x80",
                                        "a\xff",
                                        "\xf0\x9f\x98",
                                        "\xfe",
                                        "\xf1\x80\x80\x41"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(sg_utf8_valid(wrong[i], strlen(wrong[i])));
    assert_true(sg_utf8_valid("", 0));
    assert_true(sg_utf8_valid("a\0b", 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grows_and_ends_in_nul),
        cmocka_unit_test(test_failure_is_sticky),
        cmocka_unit_test(test_html_csv_base64),
        cmocka_unit_test(test_utf8_by_enumeration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
