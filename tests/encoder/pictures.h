/* A small labelled data set of PNG files for tests of the encoder and of training. */
#ifndef SIGNET_TESTS_ENCODER_PICTURES_H
#define SIGNET_TESTS_ENCODER_PICTURES_H

#include "base/scratch.h"

#include "encoder/sample.h"
#include <signet/dataset.h>
#include <signet/file.h>
#include <signet/split.h>

/* Grey, side x side: class c has a bright bar at a place of its own; the rest is noise of (c, number). */
static inline void picture_draw(sg_image *image, int side, unsigned cls, unsigned number)
{
    assert_true(sg_image_init(image, side, side, 1, NULL));
    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++) {
            uint32_t noise = sample_word(100 * cls + number, (uint32_t)(y * side + x)) >> 25;
            bool bar = x * 3 / side == (int)cls % 3 && y > side / 4;
            image->pixels[y * side + x] = (uint8_t)(bar ? 255 - noise : noise);
        }
}

/* Writes `folder`/class N/NN.png, `each` for each of three classes, and opens it. */
static inline sg_dataset *pictures_make(const char *folder, int side, unsigned each)
{
    char path[256], spec[256];
    for (unsigned cls = 0; cls < 3; cls++) {
        snprintf(path, sizeof path, "%s/class %u", folder, cls);
        assert_true(sg_mkdirs(path, NULL));
        for (unsigned i = 0; i < each; i++) {
            sg_image image;
            picture_draw(&image, side, cls, i);
            snprintf(path, sizeof path, "%s/class %u/%02u.png", folder, cls, i);
            assert_true(sg_image_write_png(&image, path, NULL));
            sg_image_clear(&image);
        }
    }
    sg_dataset *ds;
    sg_error err = {0};
    snprintf(spec, sizeof spec, "folder:%s", folder);
    if (!sg_dataset_open(&ds, spec, NULL, &err)) fail_msg("%s", err.message);
    assert_int_equal(sg_dataset_size(ds), 3 * each);
    return ds;
}

/* All images are for training. */
static inline sg_split pictures_split(const sg_dataset *ds)
{
    sg_split split = {.ntrain = sg_dataset_size(ds), .protocol = "all", .checksum = "0"};
    split.train = sg_alloc(split.ntrain, sizeof *split.train);
    for (size_t i = 0; i < split.ntrain; i++) split.train[i] = (uint32_t)i;
    return split;
}

#endif
