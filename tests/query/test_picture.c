#include "album.h"

#include "query/picture_impl.h"

static const sg_preprocess grey16 = {.channels = 1, .width = 16, .height = 16};

static void assert_state(const char *path, bool named, sg_picture_state want, const char *word)
{
    uint8_t planar[256];
    sg_picture p = {.path = (char *)path, .named = named};
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
    sg_picture p = {.path = (char *)"a"};
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_states),
        scratch_test(test_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
