#include "loss_impl.h"

#include <math.h>
#include <signet/buf.h>
#include <signet/codes.h>
#include <signet/mem.h>
#include <string.h>

static const sg_loss_kind *const kinds[] = {&sg_loss_dpsh, &sg_loss_csq, &sg_loss_ce};
static const char *const names[] = {"dpsh", "csq", "ce"};
#define NKINDS (sizeof kinds / sizeof *kinds)

float sg_softplus(float t)
{
    return fmaxf(t, 0.0f) + log1pf(expf(-fabsf(t)));
}

float sg_logistic(float t)
{
    float e = expf(-fabsf(t));
    return (t >= 0.0f ? 1.0f : e) / (1.0f + e);
}

const char *const *sg_loss_names(size_t *n)
{
    *n = NKINDS;
    return names;
}

static const sg_loss_kind *find(const char *name)
{
    for (size_t i = 0; i < NKINDS; i++)
        if (strcmp(kinds[i]->name, name) == 0) return kinds[i];
    return NULL;
}

sg_head sg_loss_head(const char *name)
{
    const sg_loss_kind *kind = find(name);
    SG_ASSERT(kind != NULL);
    return kind->head;
}

static bool value_set(sg_loss *loss, const sg_kv_pair *pair, const sg_kv *values, sg_error *err)
{
    const sg_loss_value *v = loss->kind->values;
    for (size_t i = 0; i < SG_LOSS_VALUES && v[i].name; i++) {
        if (strcmp(v[i].name, pair->key) != 0) continue;
        if (!sg_kv_get_float(&loss->values[i], values, pair->key, err)) {
            if (err) err->code = SG_ERR_USAGE;
            return sg_prefix(err, "loss %s", loss->kind->name);
        }
        if (!(loss->values[i] >= v[i].low && loss->values[i] <= v[i].high))
            return sg_fail(err, SG_ERR_USAGE, "loss %s: %s is %s; it must lie in %g to %g", loss->kind->name,
                           pair->key, pair->value, v[i].low, v[i].high);
        return true;
    }
    return sg_fail(err, SG_ERR_USAGE, "loss %s has no option '%s'", loss->kind->name, pair->key);
}

static bool values_read(sg_loss *loss, const sg_kv *values, sg_error *err)
{
    for (size_t i = 0; i < SG_LOSS_VALUES && loss->kind->values[i].name; i++)
        loss->values[i] = loss->kind->values[i].normal;
    for (size_t i = 0; values && i < values->n; i++)
        if (!value_set(loss, &values->pairs[i], values, err)) return false;
    return true;
}

/* Do the head and the labels suit this kind? */
static bool fits(const sg_loss_kind *kind, const sg_loss_options *options, sg_error *err)
{
    if (options->classes == 0)
        return sg_fail(err, SG_ERR_USAGE, "loss %s needs labels, and the data have none", kind->name);
    if (options->multi && !kind->multi)
        return sg_fail(err, SG_ERR_USAGE, "loss %s needs one label an image, and the data have several",
                       kind->name);
    if (kind->head == SG_HEAD_HASH) return sg_bits_check((int64_t)options->outputs, err);
    if (options->outputs != options->classes)
        return sg_fail(err, SG_ERR_USAGE, "loss %s: the head has %zu outputs for the %zu classes of the data",
                       kind->name, options->outputs, options->classes);
    return true;
}

bool sg_loss_new(sg_loss **out, const char *name, const sg_loss_options *options, sg_error *err)
{
    *out = NULL;
    const sg_loss_kind *kind = find(name);
    if (!kind) {
        sg_buf list = SG_BUF_INIT;
        for (size_t i = 0; i < NKINDS; i++) sg_buf_printf(&list, "%s%s", i ? ", " : "", names[i]);
        sg_fail(err, SG_ERR_USAGE, "unknown loss '%s' (there are %s)", name, sg_buf_text(&list));
        sg_buf_clear(&list);
        return false;
    }
    if (!fits(kind, options, err)) return false;
    sg_loss *loss = sg_calloc(1, sizeof *loss);
    if (!loss) return sg_fail_memory(err, "loss");
    *loss = (sg_loss){.kind = kind,
                      .outputs = options->outputs,
                      .classes = options->classes,
                      .batch = options->batch,
                      .seed = options->seed};
    if (!values_read(loss, options->values, err) || (kind->init && !kind->init(loss, err))) {
        sg_loss_free(loss);
        return false;
    }
    *out = loss;
    return true;
}

void sg_loss_free(sg_loss *loss)
{
    if (!loss) return;
    sg_free_aligned(loss->work);
    sg_free(loss);
}

double sg_loss_run(sg_loss *loss, float *dz, const float *z, const sg_labels *labels, size_t n)
{
    SG_ASSERT(n <= loss->batch && labels->n >= n && labels->classes == loss->classes);
    return loss->kind->run(loss, dz, z, labels, n);
}
