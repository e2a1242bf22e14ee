#include "album.h"

#include "query/pictures_impl.h"

static const sg_preprocess grey16 = {.channels = 1, .width = 16, .height = 16};

static void push(sg_pictures *pictures, const char *path, bool named)
{
    sg_pictures_push(pictures, sg_strdup(path), named, 7, 8);
}

/* Out in the order in which they were put in, whoever is done first, each with its own pixels. */
static void test_in_order(void **state)
{
    (void)state;
    enum { N = 60 };
    char path[32];
    uint8_t planar[256];
    for (int i = 0; i < N; i++) {
        snprintf(path, sizeof path, "%d.png", i);
        sg_image image = draw_picture((uint64_t)i, i % 5 == 0 ? 900 : 20, 30, 1);
        put_image(path, &image, false);
        sg_image_clear(&image);
    }
    for (int threads = 1; threads <= 4; threads++) {
        sg_error err = {0};
        sg_pictures *pictures;
        assert_true(sg_pictures_open(&pictures, &grey16, 8, threads, &err));
        int pushed = 0;
        for (int i = 0; i < N; i++) {
            for (; pushed < N && !sg_pictures_full(pictures); pushed++) {
                snprintf(path, sizeof path, "%d.png", pushed);
                push(pictures, path, pushed % 2);
            }
            sg_picture *p = sg_pictures_first(pictures);
            assert_int_equal(atoi(p->path), i);
            assert_int_equal(p->state, SG_PICTURE_GOOD);
            assert_true(p->nbytes == 7 && p->mtime_ns == 8 && p->named == i % 2);
            sg_image image;
            assert_true(sg_image_load(&image, p->path, &(sg_decode_options){.channels = 1}, &err));
            assert_true(sg_preprocess_planar(planar, &image, &grey16, &err));
            assert_memory_equal(planar, p->pixels, sizeof planar);
            sg_image_clear(&image);
            sg_pictures_pop(pictures);
        }
        assert_true(sg_pictures_empty(pictures));
        sg_pictures_close(pictures);
    }
}

static void assert_state(const char *path, bool named, sg_picture_state want, const char *word)
{
    sg_error err = {0};
    sg_pictures *pictures;
    assert_true(sg_pictures_open(&pictures, &grey16, 1, 1, &err));
    push(pictures, path, named);
    assert_true(sg_pictures_full(pictures));
    sg_picture *p = sg_pictures_first(pictures);
    assert_int_equal(p->state, want);
    if (want == SG_PICTURE_BROKEN) {
        assert_memory_equal(p->why.message, path, strlen(path));
        if (!strstr(p->why.message, word)) fail_msg("'%s' lacks '%s'", p->why.message, word);
    }
    sg_pictures_close(pictures); /* with one inside */
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

static void test_content(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_pictures *pictures;
    char *bytes;
    size_t n;
    uint8_t want[SG_CONTENT_NBYTES];
    put_picture("a", 1);
    assert_true(sg_file_read(&bytes, &n, "a", 1 << 20, &err));
    sg_blake2b_of(want, sizeof want, bytes, n);
    sg_free(bytes);
    assert_true(sg_pictures_open(&pictures, &grey16, 3, 2, &err));
    push(pictures, "a", true);
    assert_memory_equal(sg_pictures_first(pictures)->content, want, sizeof want);
    sg_pictures_close(pictures);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_in_order),
        scratch_test(test_states),
        scratch_test(test_content),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
