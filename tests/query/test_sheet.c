#include "album.h"

#include <signet/buf.h>

static sg_answer ask(sg_searcher *searcher, const char *path, size_t k)
{
    sg_error err = {0};
    sg_answer answer;
    if (!sg_searcher_image(&answer, searcher, path, &(sg_ask){.k = k, .radius = -1}, &err))
        fail_msg("%s", err.message);
    return answer;
}

static size_t count(const char *text, const char *word)
{
    size_t n = 0;
    for (; (text = strstr(text, word)); text += strlen(word)) n++;
    return n;
}

/* Every tag that is opened is closed, in order. Void elements and the doctype apart. */
static void assert_nested(const char *html)
{
    char stack[64][16];
    size_t depth = 0;
    for (const char *at = html; (at = strchr(at, '<')); at++) {
        char name[16];
        bool closing = at[1] == '/';
        if (sscanf(at + 1 + closing, "%15[a-z0-9]", name) != 1) continue;
        if (strcmp(name, "img") == 0 || strcmp(name, "meta") == 0) continue;
        if (closing) {
            assert_true(depth > 0);
            assert_string_equal(stack[--depth], name);
        } else {
            assert_true(depth < 64);
            strcpy(stack[depth++], name);
        }
    }
    assert_int_equal(depth, 0);
}

/* Into a variable of the caller: GCC 12 takes a pointer returned from here for one to here. */
static void read_sheet(char **html)
{
    sg_error err = {0};
    size_t n;
    assert_true(sg_file_read(html, &n, "sheet.html", 1 << 24, &err));
    assert_int_equal(strlen(*html), n);
}

/* The first picture in the page, decoded again. */
static sg_image first_picture(const char *html)
{
    static const char mark[] = "data:image/jpeg;base64,";
    sg_error err = {0};
    sg_image image;
    const char *at = strstr(html, mark) + strlen(mark), *end = strchr(at, '"');
    FILE *out = fopen("thumb.base64", "w");
    fwrite(at, 1, (size_t)(end - at), out);
    fclose(out);
    assert_int_equal(system("base64 -d thumb.base64 > thumb.jpg"), 0);
    if (!sg_image_load(&image, "thumb.jpg", NULL, &err)) fail_msg("%s", err.message);
    return image;
}

static void test_sheet(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_searcher *searcher;
    make_index();
    make_folder("odd");
    assert_int_equal(chdir("odd"), 0);
    static const char *const names[] = {"<script>alert(1)<!--.png", "\"quoted\"'.png", "\xff.png",
                                        "plain.png"};
    for (size_t i = 0; i < 4; i++) put_picture(names[i], i);
    assert_int_equal(chdir(".."), 0);
    sg_image large = draw_picture(9, 1000, 500, 3);
    put_image("large.jpg", &large, true);
    sg_image_clear(&large);
    add_path("odd", NULL);
    assert_int_equal(unlink("odd/plain.png"), 0); /* gone since */
    sg_index *index = open_index(false);
    assert_true(sg_searcher_new(&searcher, index, &err));
    sg_answer answers[] = {ask(searcher, "large.jpg", 10), ask(searcher, "odd/\xff.png", 2)};
    assert_true(sg_attributes_parse_add(&answers[1].attributes[0], "label=sea & <sky>", &err));
    assert_true(sg_attributes_parse_add(&answers[1].attributes[0], "year=1999", &err));
    if (!sg_answers_html("sheet.html", answers, 2, 0, &err)) fail_msg("%s", err.message);
    char *html;
    read_sheet(&html);
    assert_nested(html);
    assert_true(sg_utf8_valid(html, strlen(html)));
    size_t missing = count(html, "no picture here any more</span>");
    assert_in_range(missing, 1, 2); /* once in the first answer, perhaps in the second */
    assert_int_equal(count(html, "<img"), 2 + 4 + 2 - missing);
    assert_int_equal(count(html, "<section>"), 2);
    assert_null(strstr(html, "<script"));
    assert_null(strstr(html, "http"));
    assert_non_null(strstr(html, "&lt;script&gt;alert(1)&lt;!--.png"));
    assert_non_null(strstr(html, "&quot;quoted&quot;&#39;.png"));
    assert_non_null(strstr(html, "\xef\xbf\xbd.png"));
    assert_null(strstr(html, "does not make exactly")); /* no warning */
    assert_int_equal(count(html, "<div class=\"labels\"><span>sea &amp; &lt;sky&gt;</span></div>"), 1);
    assert_null(strstr(html, "1999"));
    assert_int_equal(count(html, "href=\"file:///"), 2 + 4 + 2);
    assert_non_null(strstr(html, "/odd/%FF.png\""));
    assert_non_null(strstr(html, "/odd/%3Cscript%3Ealert%281%29%3C%21--.png\""));
    sg_image thumb = first_picture(html);
    assert_true(thumb.width == 320 && thumb.height == 160 && thumb.channels == 3);
    sg_image_clear(&thumb);
    sg_free(html);
    for (int i = 0; i < 2; i++) sg_answer_clear(&answers[i]);
    assert_false(sg_answers_html("absent/sheet.html", NULL, 0, 0, &err));
    assert_int_equal(err.code, SG_ERR_IO);
    assert_true(sg_answers_html("sheet.html", NULL, 0, 0, &err));
    sg_searcher_free(searcher);
    sg_index_close(index);
}

/* What was asked by a code or an item, and found without a path: nothing to show but what is known. */
static void test_without_pictures(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_hit hits[] = {{.id = 3, .distance = 1}};
    char *paths[] = {NULL};
    double scores[] = {0.12345};
    sg_attributes attributes[] = {SG_ATTRIBUTES_INIT};
    uint8_t code[] = {0xab, 0xcd};
    sg_answer answers[2];
    for (int i = 0; i < 2; i++)
        answers[i] = (sg_answer){.code = code,
                                 .nbits = 16,
                                 .query_id = i == 0 ? 17 : 0,
                                 .result = {.hits = hits, .n = 1, .exact = false, .complete = false},
                                 .paths = paths,
                                 .attributes = i == 0 ? attributes : NULL,
                                 .scores = scores,
                                 .recipe_difference = "instructions: a<b"};
    char *html;
    if (!sg_answers_html("sheet.html", answers, 2, 0, &err)) fail_msg("%s", err.message);
    read_sheet(&html);
    assert_nested(html);
    assert_int_equal(count(html, "<img"), 0);
    assert_int_equal(count(html, "href="), 0);
    assert_int_equal(count(html, ">id 17</span>"), 1);
    assert_int_equal(count(html, ">abcd</span>"), 1);
    assert_int_equal(count(html, "score <b>0.123</b>"), 2);
    assert_int_equal(count(html, "There are more at the last distance"), 2);
    assert_int_equal(count(html, "Nearer ones may have been missed"), 2);
    assert_non_null(strstr(html, "instructions: a&lt;b"));
    sg_free(html);
}

static void test_without_memory(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_searcher *searcher;
    make_index();
    put_picture("a.png", 1);
    add_path("a.png", NULL);
    sg_index *index = open_index(false);
    assert_true(sg_searcher_new(&searcher, index, &err));
    sg_answer answer = ask(searcher, "a.png", 1);
    /* A picture that could not be shown is a missing picture: the page's own memory is what must be said. */
    bool ok = false;
    for (uint64_t nth = 1; !ok; nth++) {
        sg_mem_fail_at(nth);
        ok = sg_answers_html("sheet.html", &answer, 1, 0, &err);
        sg_mem_fail_at(0);
        if (!ok) assert_int_equal(err.code, SG_ERR_MEMORY);
        if (ok) {
            char *html;
            read_sheet(&html);
            assert_nested(html);
            ok = count(html, "<img") == 2;
            sg_free(html);
        }
    }
    sg_answer_clear(&answer);
    sg_searcher_free(searcher);
    sg_index_close(index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_sheet),
        scratch_test(test_without_pictures),
        scratch_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
