#include "model_impl.h"

#include <signet/buf.h>
#include <signet/mem.h>
#include <string.h>

static bool classes_copy(sg_model *model, const char *const *classes, size_t n, sg_error *err)
{
    model->classes = sg_calloc(n, sizeof *model->classes);
    if (!model->classes) return sg_fail_memory(err, "class names");
    model->nclasses = n;
    for (size_t i = 0; i < n; i++) {
        if (!sg_utf8_valid(classes[i], strlen(classes[i])))
            return sg_fail(err, SG_ERR_USAGE, "the name of class %zu is not UTF-8: '%s'", i, classes[i]);
        model->classes[i] = sg_strdup(classes[i]);
        if (!model->classes[i]) return sg_fail_memory(err, "class names");
    }
    return true;
}

bool sg_model_new(sg_model **out, const sg_net_spec *spec, const char *const *classes, sg_error *err)
{
    *out = NULL;
    sg_model *model = sg_calloc(1, sizeof *model);
    if (!model) return sg_fail_memory(err, "model");
    model->preprocess = (sg_preprocess){
        .channels = (int)spec->channels, .width = (int)spec->width, .height = (int)spec->height};
    bool ok = sg_net_new(&model->net, spec, err) && sg_params_new(&model->params, model->net, err) &&
              sg_feedback_init(&model->feedback, "bp", NULL, 0, model->params, err);
    if (ok && classes && spec->head == SG_HEAD_CLASSIFIER)
        ok = classes_copy(model, classes, (size_t)spec->outputs, err);
    if (ok)
        *out = model;
    else
        sg_model_free(model);
    return ok;
}

void sg_model_free(sg_model *model)
{
    if (!model) return;
    for (size_t i = 0; i < model->nclasses; i++) sg_free(model->classes[i]);
    sg_free(model->classes);
    sg_kv_clear(&model->notes);
    sg_feedback_clear(&model->feedback);
    sg_params_free(model->params);
    sg_net_free(model->net);
    sg_free(model);
}

bool sg_model_set_precision(sg_model *model, const char *text, sg_error *err)
{
    sg_precision precision = model->precision;
    if (text && !sg_precision_parse(&precision, text, err)) return false;
    if (!sg_precision_check(precision, err)) return false;
    model->precision = precision;
    return true;
}

static bool same_shape(const sg_tensor *a, const sg_tensor *b)
{
    return a->ndim == b->ndim && memcmp(a->dims, b->dims, (size_t)a->ndim * sizeof *a->dims) == 0;
}

/* The tensor of `from` that has t's name and shape, else NULL. */
static const sg_tensor *twin(const sg_params *from, const sg_tensor *t)
{
    const sg_tensor *other = sg_params_find(from, t->name);
    return other && same_shape(t, other) ? other : NULL;
}

static void take(sg_params *params, const sg_params *from, bool head)
{
    for (size_t i = 0; i < params->ntensors; i++) {
        const sg_tensor *t = &params->tensors[i];
        if (t->head && !head) continue;
        memcpy(params->block + t->offset, from->block + twin(from, t)->offset, t->size * sizeof(float));
    }
}

bool sg_model_take(sg_model *model, const sg_model *from, bool *head_taken, sg_error *err)
{
    const sg_net_spec *spec = sg_model_spec(model), *other = sg_model_spec(from);
    bool head = spec->head == other->head;
    if (strcmp(spec->arch, other->arch) != 0)
        return sg_fail(err, SG_ERR_MISMATCH, "weights of %s do not fit %s", other->arch, spec->arch);
    for (size_t i = 0; i < model->params->ntensors; i++) {
        const sg_tensor *t = &model->params->tensors[i];
        if (twin(from->params, t)) continue;
        if (!t->head)
            return sg_fail(err, SG_ERR_MISMATCH,
                           "%s: tensor '%s' is missing or of another shape in the weights", spec->arch,
                           t->name);
        head = false;
    }
    take(model->params, from->params, head);
    *head_taken = head;
    return true;
}
