/* For tests of evaluation and audit: small pictures of three classes, a split of them, untrained models. */
#ifndef SIGNET_TESTS_EVAL_MODELS_H
#define SIGNET_TESTS_EVAL_MODELS_H

#include "base/scratch.h"

#include <signet/file.h>
#include <signet/model.h>
#include <signet/random.h>
#include <signet/split.h>

enum { CLASSES = 3, EACH = 14, SIDE = 16, BITS = 16 };

/* Grey: a bright bar at a place of the class's own, and noise. */
static inline void picture_write(const char *path, unsigned cls, unsigned number)
{
    sg_image image;
    sg_rng rng = sg_rng_at(cls, SG_RNG_TEST, number, 0);
    assert_true(sg_image_init(&image, SIDE, SIDE, 1, NULL));
    for (int i = 0; i < SIDE * SIDE; i++) {
        bool bar = i % SIDE * CLASSES / SIDE == (int)cls;
        image.pixels[i] = (uint8_t)((bar ? 150 : 0) + sg_rng_below(&rng, 100));
    }
    assert_true(sg_image_write_png(&image, path, NULL));
    sg_image_clear(&image);
}

static inline sg_dataset *data_make(void)
{
    char path[256];
    sg_dataset *ds;
    sg_error err = {0};
    for (unsigned cls = 0; cls < CLASSES; cls++)
        for (unsigned i = 0; i < EACH; i++) {
            snprintf(path, sizeof path, "data/class %u", cls);
            assert_true(sg_mkdirs(path, NULL));
            snprintf(path, sizeof path, "data/class %u/%02u.png", cls, i);
            picture_write(path, cls, i);
        }
    if (!sg_dataset_open(&ds, "folder:data", NULL, &err)) fail_msg("%s", err.message);
    return ds;
}

/* Of each class 2 queries, 4 for training, the others in the database. */
static inline sg_split split_make(const sg_dataset *ds, uint64_t seed)
{
    sg_split_options options = SG_SPLIT_OPTIONS;
    sg_split split;
    sg_error err = {0};
    options.seed = seed;
    options.query = 2;
    options.train = 4;
    options.val = 0;
    if (!sg_split_make(&split, ds, &options, &err)) fail_msg("%s", err.message);
    return split;
}

static inline void model_write(const char *path, const char *rule, bool hash, uint64_t seed)
{
    static const char *const classes[] = {"class 0", "class 1", "class 2"};
    const sg_net_spec spec = {.arch = "resnet20",
                              .channels = 1,
                              .height = SIDE,
                              .width = SIDE,
                              .head = hash ? SG_HEAD_HASH : SG_HEAD_CLASSIFIER,
                              .outputs = hash ? BITS : CLASSES,
                              .mean = {0.4f},
                              .std = {0.3f}};
    sg_model *model;
    sg_error err = {0};
    if (!sg_model_new(&model, &spec, hash ? NULL : classes, &err) ||
        !sg_params_init(model->params, "torch", seed, &err))
        fail_msg("%s", err.message);
    sg_feedback_clear(&model->feedback);
    if (!sg_feedback_init(&model->feedback, rule, NULL, seed, model->params, &err) ||
        !sg_model_save(model, path, &err))
        fail_msg("%s", err.message);
    sg_model_free(model);
}

#endif
