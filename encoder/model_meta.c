/* Metadata of a model file: what is known of a model beside its tensors, as texts. */
#include "model_impl.h"

#include <inttypes.h>
#include <signet/buf.h>
#include <signet/hash.h>
#include <signet/json.h>
#include <signet/mem.h>
#include <string.h>

#define NOTE  "signet.note."
#define SCALE "signet.scale."
#define KEY   "signet."

static const char *const heads[] = {[SG_HEAD_HASH] = "hash", [SG_HEAD_CLASSIFIER] = "classifier"};

/* ---- writing ---- */

static bool floats_write(sg_kv *meta, const char *key, const float *values, size_t n, sg_error *err)
{
    char text[3 * 33] = "", one[32];
    for (size_t i = 0; i < n; i++) {
        sg_float_text(one, values[i]);
        if (i) strcat(text, ",");
        strcat(text, one);
    }
    return sg_kv_set(meta, key, text, err);
}

static bool spec_write(sg_kv *meta, const sg_net_spec *spec, sg_error *err)
{
    SG_ASSERT(spec->head != SG_HEAD_FEATURES);
    size_t channels = (size_t)spec->channels;
    return sg_kv_set(meta, "signet.arch", spec->arch, err) &&
           sg_kv_set(meta, "signet.head", heads[spec->head], err) &&
           sg_kv_setf(meta, err, "signet.outputs", "%" PRId64, spec->outputs) &&
           sg_kv_setf(meta, err, "signet.channels", "%" PRId64, spec->channels) &&
           sg_kv_setf(meta, err, "signet.height", "%" PRId64, spec->height) &&
           sg_kv_setf(meta, err, "signet.width", "%" PRId64, spec->width) &&
           floats_write(meta, "signet.mean", spec->mean, channels, err) &&
           floats_write(meta, "signet.std", spec->std, channels, err);
}

/* SCALE and the name of each weight tensor, in the order of the scales; key holds 160 bytes. */
static const sg_tensor *next_scale(char *key, const sg_params *params, size_t *at)
{
    while (*at < params->ntensors && params->tensors[*at].role != SG_TENSOR_WEIGHT) ++*at;
    if (*at == params->ntensors) return NULL;
    snprintf(key, 160, SCALE "%s", params->tensors[*at].name);
    return &params->tensors[(*at)++];
}

static bool feedback_write(sg_kv *meta, const sg_model *model, sg_error *err)
{
    const sg_feedback *fb = &model->feedback;
    char key[160];
    bool ok = sg_kv_set(meta, "signet.rule", sg_rule_name(fb->rule), err) &&
              sg_kv_setf(meta, err, "signet.feedback_seed", "%" PRId64, (int64_t)fb->seed) &&
              sg_kv_set(meta, "signet.exact_head", fb->exact_head ? "1" : "0", err) &&
              sg_kv_set(meta, "signet.scale_kind", fb->scale_kind, err);
    for (size_t i = 0, at = 0; ok && fb->scales && next_scale(key, model->params, &at); i++)
        ok = floats_write(meta, key, &fb->scales[i], 1, err);
    return ok;
}

static bool classes_write(sg_kv *meta, const sg_model *model, sg_error *err)
{
    if (!model->classes) return true;
    char *text = NULL;
    sg_json *list = sg_json_array();
    for (size_t i = 0; i < model->nclasses; i++) sg_json_add_string(list, NULL, model->classes[i]);
    bool ok = sg_json_print(&text, list, false, err) && sg_kv_set(meta, "signet.classes", text, err);
    sg_free(text);
    sg_json_free(list);
    return ok;
}

static bool notes_write(sg_kv *meta, const sg_kv *notes, sg_error *err)
{
    bool ok = true;
    for (size_t i = 0; ok && i < notes->n; i++) {
        const sg_kv_pair *note = &notes->pairs[i];
        sg_buf key = SG_BUF_INIT;
        sg_buf_printf(&key, NOTE "%s", note->key);
        if (!sg_buf_ok(&key))
            ok = sg_fail_memory(err, "model");
        else if (!sg_utf8_valid(key.data, key.size) || !sg_utf8_valid(note->value, strlen(note->value)))
            ok = sg_fail(err, SG_ERR_USAGE, "note '%s' of the model is not UTF-8", note->key);
        else
            ok = sg_kv_set(meta, key.data, note->value, err);
        sg_buf_clear(&key);
    }
    return ok;
}

/* Decoding, orientation and filter are written where they are not the plain ways of a zeroed sg_preprocess, and precision
 * where it is not f32: a file from before they could be chosen says nothing of them, means these, and keeps its
 * fingerprint. */
static bool preprocess_write(sg_kv *meta, const sg_preprocess *pp, sg_error *err)
{
    const sg_preprocess plain = {0};
    size_t n;
    const char *const *keys = sg_preprocess_keys(&n);
    bool ok = sg_kv_setf(meta, err, "signet.resize", "%d", pp->resize);
    for (size_t i = 0; ok && i < n; i++) {
        char key[32];
        const char *value = sg_preprocess_get(pp, keys[i]);
        snprintf(key, sizeof key, KEY "%s", keys[i]);
        if (strcmp(value, sg_preprocess_get(&plain, keys[i])) != 0) ok = sg_kv_set(meta, key, value, err);
    }
    return ok;
}

static bool precision_write(sg_kv *meta, sg_precision precision, sg_error *err)
{
    return precision == SG_F32 || sg_kv_set(meta, "signet.precision", sg_precision_name(precision), err);
}

bool sg_model_meta_write(sg_kv *meta, const sg_model *model, sg_error *err)
{
    return sg_kv_set(meta, "signet.format", SG_MODEL_FORMAT, err) &&
           spec_write(meta, sg_model_spec(model), err) && preprocess_write(meta, &model->preprocess, err) &&
           precision_write(meta, model->precision, err) && feedback_write(meta, model, err) &&
           classes_write(meta, model, err) && notes_write(meta, &model->notes, err);
}

/* ---- reading ---- */

static bool wrong(const sg_kv *meta, const char *key, sg_error *err)
{
    const char *value = sg_kv_get(meta, key);
    if (!value) return sg_fail(err, SG_ERR_FORMAT, "%s is missing", key);
    return sg_fail(err, SG_ERR_FORMAT, "%s: '%s' makes no sense", key, value);
}

static bool int_read(int64_t *value, const sg_kv *meta, const char *key, int64_t low, int64_t high,
                     sg_error *err)
{
    const char *text = sg_kv_get(meta, key);
    if (text && sg_parse_int(value, text) && *value >= low && *value <= high) return true;
    return wrong(meta, key, err);
}

/* Exactly n numbers with commas between. */
static bool floats_read(float *values, size_t n, const sg_kv *meta, const char *key, sg_error *err)
{
    const char *text = sg_kv_get(meta, key);
    for (size_t i = 0; text && i < n; i++) {
        char one[32];
        double value;
        size_t length = strcspn(text, ",");
        if (length >= sizeof one || (text[length] == ',') != (i + 1 < n)) return wrong(meta, key, err);
        memcpy(one, text, length);
        one[length] = '\0';
        if (!sg_parse_float(&value, one) || !(value >= -1e30 && value <= 1e30)) return wrong(meta, key, err);
        values[i] = (float)value;
        text += length + 1;
    }
    return text ? true : wrong(meta, key, err);
}

static bool head_read(sg_head *head, const sg_kv *meta, sg_error *err)
{
    const char *text = sg_kv_get(meta, "signet.head");
    for (size_t i = 0; text && i < sizeof heads / sizeof *heads; i++) {
        if (strcmp(text, heads[i]) != 0) continue;
        *head = (sg_head)i;
        return true;
    }
    return wrong(meta, "signet.head", err);
}

bool sg_model_meta_spec(sg_net_spec *spec, const sg_kv *meta, sg_error *err)
{
    *spec = (sg_net_spec){.arch = sg_kv_get(meta, "signet.arch"), .std = {1.0f, 1.0f, 1.0f}};
    if (!spec->arch) return wrong(meta, "signet.arch", err);
    bool ok = head_read(&spec->head, meta, err) &&
              int_read(&spec->outputs, meta, "signet.outputs", 1, INT32_MAX, err) &&
              int_read(&spec->channels, meta, "signet.channels", 1, 3, err) &&
              int_read(&spec->height, meta, "signet.height", 1, INT32_MAX, err) &&
              int_read(&spec->width, meta, "signet.width", 1, INT32_MAX, err) &&
              floats_read(spec->mean, (size_t)spec->channels, meta, "signet.mean", err) &&
              floats_read(spec->std, (size_t)spec->channels, meta, "signet.std", err);
    for (int64_t c = 0; ok && c < spec->channels; c++)
        if (!(spec->std[c] > 0.0f)) ok = wrong(meta, "signet.std", err);
    return ok;
}

static bool scales_read(sg_model *model, const sg_kv *meta, sg_error *err)
{
    sg_feedback *fb = &model->feedback;
    char key[160];
    for (size_t i = 0, at = 0; fb->scales && next_scale(key, model->params, &at); i++) {
        if (!floats_read(&fb->scales[i], 1, meta, key, err)) return false;
        if (!(fb->scales[i] >= 0.0f)) return wrong(meta, key, err);
    }
    return true;
}

static bool feedback_read(sg_model *model, const sg_kv *meta, sg_error *err)
{
    const char *rule = sg_kv_get(meta, "signet.rule"), *kind = sg_kv_get(meta, "signet.scale_kind");
    int64_t seed, exact_head;
    if (!rule) return wrong(meta, "signet.rule", err);
    if (!kind) return wrong(meta, "signet.scale_kind", err);
    if (!int_read(&seed, meta, "signet.feedback_seed", INT64_MIN, INT64_MAX, err) ||
        !int_read(&exact_head, meta, "signet.exact_head", 0, 1, err) ||
        !sg_feedback_init(&model->feedback, rule, kind, (uint64_t)seed, model->params, err))
        return false;
    model->feedback.exact_head = exact_head != 0;
    return scales_read(model, meta, err);
}

static bool classes_read(sg_model *model, const sg_kv *meta, sg_error *err)
{
    const sg_net_spec *spec = sg_model_spec(model);
    const char *text = sg_kv_get(meta, "signet.classes");
    if (!text) return true;
    sg_json *list = NULL;
    bool ok = sg_json_parse(&list, text, strlen(text), err);
    if (ok && (spec->head != SG_HEAD_CLASSIFIER || sg_json_size(list) != (size_t)spec->outputs))
        ok = sg_fail(err, SG_ERR_FORMAT, "signet.classes: they are not one name for each output");
    if (ok && !(model->classes = sg_calloc((size_t)spec->outputs, sizeof *model->classes)))
        ok = sg_fail_memory(err, "class names");
    for (size_t i = 0; ok && i < (size_t)spec->outputs; i++) {
        const char *name = sg_json_string(sg_json_at(list, i));
        model->classes[i] = name ? sg_strdup(name) : NULL;
        model->nclasses = i + 1;
        if (!name)
            ok = sg_fail(err, SG_ERR_FORMAT, "signet.classes: name %zu is no text", i);
        else if (!model->classes[i])
            ok = sg_fail_memory(err, "class names");
    }
    sg_json_free(list);
    return ok;
}

static bool notes_read(sg_kv *notes, const sg_kv *meta, sg_error *err)
{
    for (size_t i = 0; i < meta->n; i++) {
        const sg_kv_pair *pair = &meta->pairs[i];
        if (strncmp(pair->key, NOTE, strlen(NOTE)) != 0) continue;
        if (!sg_kv_set(notes, pair->key + strlen(NOTE), pair->value, err)) return false;
    }
    return true;
}

static bool preprocess_read(sg_preprocess *pp, const sg_kv *meta, const sg_net_spec *spec, sg_error *err)
{
    int64_t resize;
    size_t n;
    const char *const *keys = sg_preprocess_keys(&n);
    if (!int_read(&resize, meta, "signet.resize", 0, INT32_MAX, err)) return false;
    /* 0: to height x width, whatever the shape; else the shorter side, and the crop must fit. */
    if (resize && resize < (spec->height > spec->width ? spec->height : spec->width))
        return wrong(meta, "signet.resize", err);
    *pp = (sg_preprocess){.channels = (int)spec->channels,
                          .width = (int)spec->width,
                          .height = (int)spec->height,
                          .resize = (int)resize};
    for (size_t i = 0; i < n; i++) {
        char key[32];
        snprintf(key, sizeof key, KEY "%s", keys[i]);
        const char *value = sg_kv_get(meta, key);
        if (value && !sg_preprocess_set(pp, keys[i], value, NULL)) return wrong(meta, key, err);
    }
    return true;
}

static bool precision_read(sg_precision *precision, const sg_kv *meta, sg_error *err)
{
    const char *name = sg_kv_get(meta, "signet.precision");
    return !name || sg_precision_find(precision, name) || wrong(meta, "signet.precision", err);
}

bool sg_model_meta_read(sg_model *model, const sg_kv *meta, sg_error *err)
{
    const sg_net_spec *spec = sg_model_spec(model);
    const char *fingerprint = sg_kv_get(meta, "signet.fingerprint");
    uint8_t digest[SG_FINGERPRINT_NBYTES];
    if (!preprocess_read(&model->preprocess, meta, spec, err) ||
        !precision_read(&model->precision, meta, err))
        return false;
    if (!fingerprint || !sg_unhex(digest, sizeof digest, fingerprint))
        return wrong(meta, "signet.fingerprint", err);
    memcpy(model->fingerprint, fingerprint, sizeof model->fingerprint);
    return feedback_read(model, meta, err) && classes_read(model, meta, err) &&
           notes_read(&model->notes, meta, err);
}

/* ---- the fingerprint ---- */

/* Sorted, as the lines are. */
static const char *const code_keys[] = {
    "signet.arch",   "signet.channels", "signet.decode",      "signet.filter",  "signet.head",
    "signet.height", "signet.mean",     "signet.orientation", "signet.outputs", "signet.precision",
    "signet.resize", "signet.std",      "signet.width"};

bool sg_model_fingerprint(char hex[65], const sg_kv *meta, const sg_st_tensor *tensors, size_t ntensors,
                          const unsigned char *data, sg_error *err)
{
    uint8_t digest[SG_FINGERPRINT_NBYTES];
    sg_blake2b *state = sg_blake2b_new(sizeof digest);
    sg_buf line = SG_BUF_INIT;
    if (!state) return sg_fail_memory(err, "fingerprint");
    for (size_t i = 0; i < sizeof code_keys / sizeof *code_keys; i++) {
        const char *value = sg_kv_get(meta, code_keys[i]);
        if (value) sg_buf_printf(&line, "%s=%s\n", code_keys[i], value);
    }
    sg_blake2b_update(state, sg_buf_text(&line), line.size);
    for (size_t i = 0; i < ntensors; i++) {
        line.size = 0;
        sg_buf_printf(&line, "%s F32", tensors[i].name);
        for (int d = 0; d < tensors[i].ndim; d++)
            sg_buf_printf(&line, "%c%" PRId64, d ? ',' : ' ', tensors[i].dims[d]);
        sg_buf_puts(&line, "\n");
        sg_blake2b_update(state, sg_buf_text(&line), line.size);
        sg_blake2b_update(state, data, tensors[i].nbytes);
        data += tensors[i].nbytes;
    }
    bool ok = sg_buf_ok(&line);
    sg_blake2b_final(state, digest);
    sg_buf_clear(&line);
    if (ok) sg_hex(hex, digest, sizeof digest);
    return ok ? true : sg_fail_memory(err, "fingerprint");
}
