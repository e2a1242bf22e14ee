#include "album.h"

#include "query/picture_impl.h"

static const sg_preprocess grey16 = {.channels = 1, .width = 16, .height = 16};

static void assert_state(const char *path, bool named, sg_picture_state want, const char *word)
{
    uint8_t planar[256];
    sg_picture p = {.path = path, .named = named};
    sg_picture_expect(&p);
    sg_picture_look(&p, planar, &grey16);
    assert_int_equal(p.state, want);
    if (want != SG_PICTURE_BROKEN) return;
    assert_memory_equal(p.why.message, path, strlen(path));
    if (!strstr(p.why.message, word)) fail_msg("'%s' lacks '%s'", p.why.message, word);
}

static void test_states(void **state)
{
    (void)state;
    scratch_put("text", "some text", 9);
    scratch_put("short", "\xff", 1);
    scratch_put("signature", "\xff\xd8\xff\xe0 and no more", 16);
    put_picture("good", 1);
    assert_state("good", false, SG_PICTURE_GOOD, "");
    assert_state("good", true, SG_PICTURE_GOOD, "");
    assert_state("text", false, SG_PICTURE_NO_IMAGE, "");
    assert_state("text", true, SG_PICTURE_BROKEN, "known format");
    assert_state("short", false, SG_PICTURE_NO_IMAGE, "");
    assert_state("signature", false, SG_PICTURE_BROKEN, "JPEG");
    assert_state("absent", false, SG_PICTURE_BROKEN, "No such file");
    assert_state("absent", true, SG_PICTURE_BROKEN, "No such file");
}

/* Content and pixels against the parts that make them. */
static void test_good(void **state)
{
    (void)state;
    sg_error err = {0};
    char *bytes;
    size_t n;
    uint8_t content[SG_CONTENT_NBYTES], planar[256], want[256];
    sg_image image;
    sg_picture p = {.path = "a"};
    put_picture("a", 1);
    assert_true(sg_file_read(&bytes, &n, "a", 1 << 20, &err));
    sg_blake2b_of(content, sizeof content, bytes, n);
    sg_free(bytes);
    assert_true(sg_image_load(&image, "a", &(sg_decode_options){.channels = 1}, &err));
    assert_true(sg_preprocess_planar(want, &image, &grey16, &err));
    sg_image_clear(&image);
    sg_picture_look(&p, planar, &grey16);
    assert_int_equal(p.state, SG_PICTURE_GOOD);
    assert_memory_equal(p.content, content, sizeof content);
    assert_memory_equal(planar, want, sizeof want);
}

/* When pixels are wanted, by what is recorded of the content. */
static void test_need(void **state)
{
    (void)state;
    static const struct {
        sg_picture_need need;
        bool same;
        sg_picture_state want;
    } cases[] = {
        {SG_PICTURE_ALWAYS, false, SG_PICTURE_GOOD},     {SG_PICTURE_ALWAYS, true, SG_PICTURE_GOOD},
        {SG_PICTURE_IF_OTHER, false, SG_PICTURE_GOOD},   {SG_PICTURE_IF_OTHER, true, SG_PICTURE_SKIPPED},
        {SG_PICTURE_IF_SAME, false, SG_PICTURE_SKIPPED}, {SG_PICTURE_IF_SAME, true, SG_PICTURE_GOOD}};
    char *bytes;
    size_t n;
    uint8_t content[SG_CONTENT_NBYTES];
    put_picture("a", 1);
    assert_true(sg_file_read(&bytes, &n, "a", 1 << 20, NULL));
    sg_blake2b_of(content, sizeof content, bytes, n);
    sg_free(bytes);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t planar[256] = {0};
        const uint8_t untouched[256] = {0};
        sg_picture p = {.path = "a", .need = cases[i].need, .id = 1};
        if (cases[i].same) memcpy(p.recorded, content, sizeof content);
        sg_picture_look(&p, planar, &grey16);
        assert_int_equal(p.state, cases[i].want);
        assert_memory_equal(p.content, content, sizeof content);
        assert_int_equal(memcmp(planar, untouched, sizeof planar) == 0, p.state == SG_PICTURE_SKIPPED);
    }
}

static void assert_glance(const char *path, bool named, uint64_t id, sg_picture_state want, const char *word)
{
    sg_picture p = {.path = path, .named = named, .id = id};
    sg_picture_glance(&p);
    assert_int_equal(p.state, want);
    if (want == SG_PICTURE_BROKEN && !strstr(p.why.message, word))
        fail_msg("'%s' lacks '%s'", p.why.message, word);
}

static void test_glance(void **state)
{
    (void)state;
    scratch_put("text", "some text", 9);
    scratch_put("signature", "\xff\xd8\xff\xe0 and no more", 16);
    put_picture("good", 1);
    for (uint64_t id = 0; id < 2; id++) {
        assert_glance("good", true, id, SG_PICTURE_GOOD, "");
        assert_glance("signature", false, id, SG_PICTURE_GOOD, ""); /* what it holds is not looked at */
        assert_glance("text", false, id, SG_PICTURE_NO_IMAGE, "");
        assert_glance("text", true, id, SG_PICTURE_BROKEN, "text: is no image");
        assert_glance("none", false, id, SG_PICTURE_BROKEN, "none: cannot open: No such file");
    }
    sg_picture p = {.path = "good", .id = 7}, again;
    sg_picture_glance(&p);
    again = p;
    memcpy(again.recorded, p.content, sizeof p.content);
    sg_picture_glance(&again);
    assert_int_equal(again.state, SG_PICTURE_SKIPPED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_states),
        scratch_test(test_good),
        scratch_test(test_need),
        scratch_test(test_glance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
