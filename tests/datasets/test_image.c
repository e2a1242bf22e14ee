#include "datasets/pictures.h"

typedef void visit(const char *name, int native, const unsigned char *bytes, size_t nbytes);

/* Calls `f` for every picture of the fixtures. */
static void each_picture(visit *f)
{
    size_t nbytes;
    char *list = get_file(fixture("images/index.txt"), &nbytes), *rest = NULL;
    int n = 0;
    for (char *line = strtok_r(list, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest), n++) {
        char name[64], path[128];
        int native;
        assert_int_equal(sscanf(line, "%63s %d", name, &native), 2);
        snprintf(path, sizeof path, "images/%s", name);
        size_t size;
        char *bytes = get_file(fixture(path), &size);
        /* Memory of the very size, so that the address sanitizer sees a read beyond it. */
        unsigned char *exact = malloc(size);
        memcpy(exact, bytes, size);
        if (is_readable(exact, size)) f(name, native, exact, size);
        free(exact);
        sg_free(bytes);
    }
    assert_int_equal(n, 44);
    sg_free(list);
}

static void check_pixels(const char *name, int native, const unsigned char *bytes, size_t nbytes)
{
    for (int channels = 0; channels <= 3; channels += channels ? 2 : 1) {
        int want = channels ? channels : native;
        char path[128];
        snprintf(path, sizeof path, "images/%s.%s", name, want == 1 ? "pgm" : "ppm");
        sg_image expected = get_pnm(fixture(path)), image;
        sg_error err = {0};
        if (!sg_image_decode(&image, bytes, nbytes, &(sg_decode_options){.channels = channels}, &err))
            fail_msg("%s: %s", name, err.message);
        assert_same_image(&image, &expected, name);
        sg_image_clear(&image);
        sg_image_clear(&expected);
    }
}

static void test_pixels(void **state)
{
    (void)state;
    each_picture(check_pixels);
}

static void check_truncation(const char *name, int native, const unsigned char *bytes, size_t nbytes)
{
    (void)native;
    for (size_t n = 0; n < nbytes; n++) {
        unsigned char *part = malloc(n ? n : 1);
        memcpy(part, bytes, n);
        sg_image image = {.width = 5};
        sg_error err = {0};
        if (sg_image_decode(&image, part, n, NULL, &err))
            fail_msg("%s: accepted at %zu of %zu bytes", name, n, nbytes);
        assert_int_equal(err.code, SG_ERR_FORMAT);
        assert_null(image.pixels);
        assert_int_equal(image.width, 0);
        free(part);
    }
}

static void test_truncation(void **state)
{
    (void)state;
    each_picture(check_truncation);
}

static void check_junk(const char *name, int native, const unsigned char *bytes, size_t nbytes)
{
    (void)name;
    unsigned char *longer = malloc(nbytes + 100);
    memcpy(longer, bytes, nbytes);
    for (size_t i = 0; i < 100; i++) longer[nbytes + i] = (unsigned char)(i * 37);
    check_pixels(name, native, longer, nbytes + 100);
    free(longer);
}

static void test_junk_after_the_end(void **state)
{
    (void)state;
    each_picture(check_junk);
}

/* Whatever byte is hit, there is an image of bounded size or an error. PNG's check sums find all that matters. */
static void check_flips(const char *name, int native, const unsigned char *bytes, size_t nbytes)
{
    (void)native;
    unsigned char *copy = malloc(nbytes);
    memcpy(copy, bytes, nbytes);
    static const unsigned char masks[] = {0xff, 0x01, 0x80};
    for (size_t i = 0; i < nbytes; i++)
        for (size_t m = 0; m < sizeof masks; m++) {
            copy[i] ^= masks[m];
            sg_image image;
            sg_error err = {0};
            if (sg_image_decode(&image, copy, nbytes, &(sg_decode_options){.max_pixels = 4000000}, &err)) {
                assert_in_range(image_nbytes(&image), 1, 12000000);
                sg_image_clear(&image);
            } else {
                assert_true(err.code == SG_ERR_FORMAT || err.code == SG_ERR_LIMIT ||
                            err.code == SG_ERR_UNSUPPORTED);
                assert_null(image.pixels);
                if (!err.message[0]) fail_msg("%s: no message", name);
            }
            copy[i] ^= masks[m];
        }
    free(copy);
}

static void test_flips(void **state)
{
    (void)state;
    each_picture(check_flips);
}

static void test_png_damage_is_found(void **state)
{
    (void)state;
    size_t nbytes;
    unsigned char *bytes = (unsigned char *)get_file(fixture("images/rgb8.png"), &nbytes);
    for (size_t i = 0; i < nbytes; i++) {
        bytes[i] ^= 0x10;
        sg_image image;
        if (sg_image_decode(&image, bytes, nbytes, NULL, NULL)) fail_msg("accepted with byte %zu changed", i);
        bytes[i] ^= 0x10;
    }
    sg_free(bytes);
}

static void assert_refused(const void *bytes, size_t nbytes, sg_code code, const char *text)
{
    sg_image image;
    sg_error err = {0};
    assert_false(sg_image_decode(&image, bytes, nbytes, NULL, &err));
    assert_message(err, code, text);
}

static void test_lying_sizes(void **state)
{
    (void)state;
    size_t nbytes;
    char *bytes = get_file(fixture("huge.png"), &nbytes);
    assert_refused(bytes, nbytes, SG_ERR_LIMIT, "100000 x 100000 pixels");
    sg_free(bytes);
    bytes = get_file(fixture("large.png"), &nbytes);
    assert_refused(bytes, nbytes, SG_ERR_LIMIT, "declares 14000 x 14000 pixels in 74 bytes");
    sg_free(bytes);

    static const struct {
        int height, width;
        sg_code code;
        const char *text;
    } cases[] = {{65500, 65500, SG_ERR_LIMIT, "65500 x 65500"},
                 {14000, 14000, SG_ERR_LIMIT, "declares 14000 x 14000 pixels in "},
                 {4000, 4000, SG_ERR_FORMAT, "4000 x 4000 pixels declared"},
                 {65535, 65535, SG_ERR_FORMAT, "JPEG is broken: "},
                 {0, 10, SG_ERR_FORMAT, "JPEG is broken: "}};
    bytes = get_file(fixture("images/ycc420.jpg"), &nbytes);
    char *frame = memmem(bytes, nbytes, "\xff\xc0", 2);
    assert_non_null(frame);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        frame[5] = (char)(cases[i].height >> 8), frame[6] = (char)cases[i].height;
        frame[7] = (char)(cases[i].width >> 8), frame[8] = (char)cases[i].width;
        assert_refused(bytes, nbytes, cases[i].code, cases[i].text);
    }
    sg_free(bytes);
}

static void test_limit_option(void **state)
{
    (void)state;
    size_t nbytes;
    sg_image image;
    sg_error err = {0};
    for (int k = 0; k < 2; k++) {
        char *bytes = get_file(fixture(k ? "images/ycc444.jpg" : "images/rgb8.png"), &nbytes);
        uint64_t pixels = k ? 17 * 19 : 9 * 13;
        assert_true(sg_image_decode(&image, bytes, nbytes, &(sg_decode_options){.max_pixels = pixels}, &err));
        sg_image_clear(&image);
        assert_false(
            sg_image_decode(&image, bytes, nbytes, &(sg_decode_options){.max_pixels = pixels - 1}, &err));
        assert_int_equal(err.code, SG_ERR_LIMIT);
        sg_free(bytes);
    }
}

/* The first scan over and over: what a progressive file can ask for without end. */
static void test_many_scans(void **state)
{
    (void)state;
    size_t nbytes;
    char *bytes = get_file(fixture("images/grey_progressive.jpg"), &nbytes);
    char *scan = memmem(bytes, nbytes, "\xff\xda", 2);
    assert_non_null(scan);
    size_t head = (size_t)(scan - bytes), length = 2;
    while ((unsigned char)scan[length] != 0xff || scan[length + 1] == 0) length++;
    static const size_t counts[] = {150, 300};
    for (size_t k = 0; k < 2; k++) {
        size_t size = head;
        char *many = malloc(nbytes + 300 * length);
        memcpy(many, bytes, head);
        for (size_t i = 0; i < counts[k]; i++, size += length) memcpy(many + size, scan, length);
        memcpy(many + size, scan + length, nbytes - head - length);
        size += nbytes - head - length;
        sg_image image;
        if (k == 1)
            assert_refused(many, size, SG_ERR_LIMIT, "more than 200 scans");
        else
            assert_true(sg_image_decode(&image, many, size, NULL, NULL)), sg_image_clear(&image);
        free(many);
    }
    sg_free(bytes);
}

static void test_what_is_no_image(void **state)
{
    (void)state;
    assert_refused("", 0, SG_ERR_FORMAT, "is empty");
    assert_refused("Dear reader, this is a text.", 28, SG_ERR_FORMAT, "is no image of a known format");
    assert_refused("\xff\xd8", 2, SG_ERR_FORMAT, "is no image of a known format");
    assert_refused("\xff\xd8\xff", 3, SG_ERR_FORMAT, "JPEG ends early");
    assert_refused("\x89PNG\r\n\x1a\n", 8, SG_ERR_FORMAT, "PNG ends early");
    assert_string_equal(sg_image_format("\x89PNG\r\n\x1a\n....", 12), "PNG");
    assert_string_equal(sg_image_format("\xff\xd8\xff\xe0", 4), "JPEG");
    assert_string_equal(sg_image_format("RIFF\x10\0\0\0WEBP", 12), "WebP");
    assert_string_equal(sg_image_format("\0\0\0\x18"
                                        "ftypheic",
                                        12),
                        "HEIF");
    assert_string_equal(sg_image_format("\0\0\0\x18"
                                        "ftypavif",
                                        12),
                        "HEIF");
    assert_null(sg_image_format("\0\0\0\x18"
                                "ftypisom",
                                12));
    assert_null(sg_image_format("\0\0\0\x18"
                                "ftyphei",
                                11));
    assert_null(sg_image_format("RIFF\x10\0\0\0WAVE", 12));
    assert_null(sg_image_format("GIF89a", 6));
    assert_null(sg_image_format("", 0));
}

static void test_load(void **state)
{
    (void)state;
    sg_image image, expected = get_pnm(fixture("images/rgb8.png.ppm"));
    sg_error err = {0};
    assert_true(sg_image_load(&image, fixture("images/rgb8.png"), NULL, &err));
    assert_same_image(&image, &expected, "load");
    sg_image_clear(&image);

    assert_false(sg_image_load(&image, "absent.png", NULL, &err));
    assert_message(err, SG_ERR_IO, "absent.png");
    scratch_put("empty.jpg", "", 0);
    assert_false(sg_image_load(&image, "empty.jpg", NULL, &err));
    assert_message(err, SG_ERR_FORMAT, "empty.jpg: is empty");
    scratch_put("a.png", "text", 4);
    assert_false(sg_image_load(&image, "a.png", NULL, &err));
    assert_message(err, SG_ERR_FORMAT, "a.png: is no image");
    assert_false(sg_image_load(&image, ".", NULL, &err));
    assert_int_equal(err.code, SG_ERR_IO);
    assert_null(image.pixels);
    sg_image_clear(&expected);
}

static void test_write(void **state)
{
    (void)state;
    sg_error err = {0};
    for (int channels = 1; channels <= 3; channels += 2) {
        sg_image image, back;
        assert_true(sg_image_load(&image, fixture("resize/source.png"),
                                  &(sg_decode_options){.channels = channels}, &err));
        assert_true(sg_image_write_png(&image, "a", &err));
        assert_true(sg_image_load(&back, "a", NULL, &err));
        assert_same_image(&back, &image, "png");
        sg_image_clear(&back);

        assert_true(sg_image_write_jpeg(&image, "b", 100, &err));
        assert_true(sg_image_load(&back, "b", NULL, &err));
        assert_int_equal(back.channels, channels);
        for (size_t i = 0; i < image_nbytes(&image); i++)
            assert_true(abs(back.pixels[i] - image.pixels[i]) <= 4);
        sg_image_clear(&back);
        sg_image_clear(&image);
    }
}

/* PIL wrote the same picture at the same quality: the same pixels come back. */
static void test_jpeg_as_pil_writes(void **state)
{
    (void)state;
    sg_image image, ours, theirs;
    sg_error err = {0};
    assert_true(sg_image_load(&image, fixture("resize/source.png"), NULL, &err));
    assert_true(sg_image_write_jpeg(&image, "q90.jpg", 90, &err));
    assert_true(sg_image_load(&ours, "q90.jpg", NULL, &err));
    assert_true(sg_image_load(&theirs, fixture("resize/q90.jpg"), NULL, &err));
    assert_same_image(&ours, &theirs, "q90");
    sg_image_clear(&theirs);
    sg_image_clear(&ours);
    sg_image_clear(&image);
}

static void test_write_errors(void **state)
{
    (void)state;
    sg_image image;
    sg_error err = {0};
    assert_true(sg_image_init(&image, 2, 2, 3, &err));
    assert_false(sg_image_write_jpeg(&image, "a.jpg", 0, &err));
    assert_message(err, SG_ERR_USAGE, "quality 0");
    assert_false(sg_image_write_jpeg(&image, "a.jpg", 101, &err));
    assert_int_equal(err.code, SG_ERR_USAGE);
    assert_false(sg_image_write_png(&image, "absent/a.png", &err));
    assert_message(err, SG_ERR_IO, "absent/a.png");
    assert_false(sg_image_write_jpeg(&image, "absent/a.jpg", 90, &err));
    assert_int_equal(err.code, SG_ERR_IO);
    sg_image wide;
    assert_true(sg_image_init(&wide, 70000, 1, 1, &err));
    unsigned char *bytes;
    size_t nbytes;
    assert_false(sg_image_encode_jpeg(&bytes, &nbytes, &wide, 90, &err));
    assert_null(bytes);
    assert_true(sg_image_encode_png(&bytes, &nbytes, &wide, &err));
    sg_free(bytes);
    sg_image_clear(&wide);
    sg_image_clear(&image);
}

static void test_convert_and_crop(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_image rgb = get_pnm(fixture("images/rgb8.png.ppm")), grey = get_pnm(fixture("images/rgb8.png.pgm")),
             out;
    assert_true(sg_image_convert(&out, &rgb, 1, &err));
    assert_same_image(&out, &grey, "to grey");
    sg_image_clear(&out);
    assert_true(sg_image_convert(&out, &rgb, 3, &err));
    assert_same_image(&out, &rgb, "to itself");
    sg_image_clear(&out);
    assert_true(sg_image_convert(&out, &grey, 3, &err));
    for (size_t i = 0; i < image_nbytes(&out); i++) assert_int_equal(out.pixels[i], grey.pixels[i / 3]);
    sg_image_clear(&out);
    assert_true(sg_image_crop(&out, &rgb, 3, 2, 5, 4, &err));
    for (int y = 0; y < 4; y++)
        for (int x = 0; x < 5; x++)
            assert_memory_equal(out.pixels + 3 * (y * 5 + x), rgb.pixels + 3 * ((y + 2) * rgb.width + x + 3),
                                3);
    sg_image_clear(&out);
    sg_image_clear(&grey);
    sg_image_clear(&rgb);
}

static bool decode_once(const char *bytes, size_t nbytes, sg_error *err)
{
    sg_image image;
    if (!sg_image_decode(&image, bytes, nbytes, &(sg_decode_options){.channels = 1}, err)) return false;
    sg_image_clear(&image);
    return true;
}

static bool encode_once(const sg_image *image, sg_error *err)
{
    unsigned char *png = NULL, *jpeg = NULL;
    size_t nbytes;
    bool ok = sg_image_encode_png(&png, &nbytes, image, err) &&
              sg_image_encode_jpeg(&jpeg, &nbytes, image, 90, err);
    sg_free(jpeg);
    sg_free(png);
    return ok;
}

static void test_memory_runs_out(void **state)
{
    (void)state;
    size_t nbytes;
    char *bytes = get_file(fixture("images/ycc420.jpg"), &nbytes);
    assert_survives_allocation_failures(decode_once(bytes, nbytes, &err));
    sg_free(bytes);
    /* libspng says of zlib's want of memory that the stream is broken: here any error will do. */
    bytes = get_file(fixture("images/palette8_trns.png"), &nbytes);
    bool done = false;
    for (uint64_t nth = 1; !done; nth++) {
        sg_error err = {0};
        sg_mem_fail_at(nth);
        done = decode_once(bytes, nbytes, &err);
        sg_mem_fail_at(0);
        assert_true(done || err.message[0]);
    }
    sg_free(bytes);
    sg_image image = get_pnm(fixture("images/rgb8.png.ppm"));
    assert_survives_allocation_failures(encode_once(&image, &err));
    sg_image_clear(&image);
}

int main(void)
{
    fixture("");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pixels),
        cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_junk_after_the_end),
        cmocka_unit_test(test_flips),
        cmocka_unit_test(test_png_damage_is_found),
        cmocka_unit_test(test_lying_sizes),
        cmocka_unit_test(test_limit_option),
        cmocka_unit_test(test_many_scans),
        cmocka_unit_test(test_what_is_no_image),
        scratch_test(test_load),
        scratch_test(test_write),
        scratch_test(test_jpeg_as_pil_writes),
        scratch_test(test_write_errors),
        cmocka_unit_test(test_convert_and_crop),
        cmocka_unit_test(test_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
