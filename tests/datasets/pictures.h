/* For tests of datasets: the fixtures' folder, and pixels as PGM and PPM. */
#ifndef SIGNET_TESTS_PICTURES_H
#define SIGNET_TESTS_PICTURES_H

#include "base/scratch.h"

#include <signet/file.h>
#include <signet/image.h>

/* Path of a fixture; tests start in the folder tests/. Two may be in use at once. */
static inline const char *fixture(const char *name)
{
    static char root[2048], paths[2][4096];
    static int turn;
    if (!root[0]) assert_non_null(getcwd(root, sizeof root));
    turn = !turn;
    snprintf(paths[turn], sizeof paths[turn], "%s/fixtures/datasets/%s", root, name);
    return paths[turn];
}

static inline char *get_file(const char *path, size_t *nbytes)
{
    char *bytes;
    sg_error err = {0};
    if (!sg_file_read(&bytes, nbytes, path, (size_t)1 << 26, &err)) fail_msg("%s", err.message);
    return bytes;
}

/* A binary PGM or PPM as the fixtures' script writes them. */
static inline sg_image get_pnm(const char *path)
{
    size_t nbytes;
    char *bytes = get_file(path, &nbytes);
    int width, height, start;
    assert_int_equal(sscanf(bytes + 2, "%d %d 255%n", &width, &height, &start), 2);
    sg_image image;
    assert_true(sg_image_init(&image, width, height, bytes[1] == '5' ? 1 : 3, NULL));
    size_t size = (size_t)width * (size_t)height * (size_t)image.channels;
    assert_int_equal(nbytes, (size_t)start + 3 + size);
    memcpy(image.pixels, bytes + start + 3, size);
    sg_free(bytes);
    return image;
}

static inline size_t image_nbytes(const sg_image *image)
{
    return (size_t)image->width * (size_t)image->height * (size_t)image->channels;
}

static inline void assert_same_image(const sg_image *a, const sg_image *b, const char *what)
{
    if (a->width != b->width || a->height != b->height || a->channels != b->channels)
        fail_msg("%s: %d x %d x %d, not %d x %d x %d", what, a->width, a->height, a->channels, b->width,
                 b->height, b->channels);
    for (size_t i = 0; i < image_nbytes(a); i++)
        if (a->pixels[i] != b->pixels[i])
            fail_msg("%s: byte %zu is %u, not %u", what, i, a->pixels[i], b->pixels[i]);
}

/* Was signet built with the library that reads this file? If not, decoding it must say so. */
static inline bool is_readable(const void *bytes, size_t nbytes)
{
    sg_image image;
    sg_error err = {0};
    bool ok = sg_image_decode(&image, bytes, nbytes, NULL, &err);
    if (ok) sg_image_clear(&image);
    if (ok || !strstr(err.message, "which this signet was built without (lib")) return true;
    assert_int_equal(err.code, SG_ERR_UNSUPPORTED);
    return false;
}

#define assert_message(err, code_, text)                                                                     \
    do {                                                                                                     \
        assert_int_equal((err).code, code_);                                                                 \
        if (!strstr((err).message, text)) fail_msg("'%s' lacks '%s'", (err).message, text);                  \
    } while (0)

/* A fixture of a format that not every build reads: the test is skipped where this one does not. */
static inline char *get_optional(const char *name, size_t *nbytes)
{
    char *bytes = get_file(fixture(name), nbytes);
    if (is_readable(bytes, *nbytes)) return bytes;
    sg_free(bytes);
    skip();
    return NULL;
}

static inline void assert_undecodable(const char *bytes, size_t nbytes, sg_code code, const char *text,
                                      const sg_decode_options *options)
{
    sg_image image;
    sg_error err = {0};
    assert_false(sg_image_decode(&image, bytes, nbytes, options, &err));
    assert_message(err, code, text);
    assert_null(image.pixels);
}

static inline bool decodes_grey(const char *bytes, size_t nbytes, sg_error *err)
{
    sg_image image;
    if (!sg_image_decode(&image, bytes, nbytes, &(sg_decode_options){.channels = 1}, err)) return false;
    sg_image_clear(&image);
    return true;
}

#endif
