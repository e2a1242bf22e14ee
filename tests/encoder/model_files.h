/* For tests of model files: a small network with everything set. */
#ifndef SIGNET_TESTS_MODEL_FILES_H
#define SIGNET_TESTS_MODEL_FILES_H

#include "base/scratch.h"

#include "encoder/sample.h"
#include <signet/model.h>

static const sg_net_spec lenet = {.arch = "lenet",
                                  .channels = 1,
                                  .height = 32,
                                  .width = 32,
                                  .head = SG_HEAD_CLASSIFIER,
                                  .outputs = 3,
                                  .mean = {0.1f},
                                  .std = {0.3f}};
static const char *const classes[] = {"coat", "ankle \"boot\"", "\xc3\xa9t\xc3\xa9"};

static inline void fill(sg_params *params)
{
    for (uint32_t t = 0; t < params->ntensors; t++)
        for (uint32_t i = 0; i < params->tensors[t].size; i++)
            params->block[params->tensors[t].offset + i] = sample_number(t, i);
}

/* A lenet with everything set; `rule` for its feedback. */
static inline sg_model *model_make(const char *rule)
{
    sg_model *model;
    sg_error err = {0};
    if (!sg_model_new(&model, &lenet, classes, &err)) fail_msg("%s", err.message);
    fill(model->params);
    sg_feedback_clear(&model->feedback);
    assert_true(sg_feedback_init(&model->feedback, rule, "norm", UINT64_MAX - 4, model->params, &err));
    model->feedback.exact_head = true;
    model->preprocess.resize = 40;
    assert_true(sg_kv_set(&model->notes, "protocol", "made\nup", &err));
    return model;
}

static inline void save(sg_model *model, const char *path)
{
    sg_error err = {0};
    if (!sg_model_save(model, path, &err)) fail_msg("%s", err.message);
}

static inline sg_model *load(const char *path)
{
    sg_model *model;
    sg_error err = {0};
    if (!sg_model_load(&model, path, &err)) fail_msg("%s", err.message);
    return model;
}

#endif
