#include "onednn_impl.h"

#include <signet/buf.h>
#include <signet/recipe.h>
#include <stdatomic.h>
#include <string.h>

/* Written once, as oneDNN's own cap is: the cap alone cannot be told from a processor that has no more. */
static atomic_bool portable;

bool sg_portable_set(sg_error *err)
{
    if (atomic_load(&portable)) return true;
    if (dnnl_set_max_cpu_isa(dnnl_cpu_isa_avx2) != dnnl_success)
        return sg_fail(err, SG_ERR_USAGE,
                       "portable computing must be asked for before the first network is made");
    atomic_store(&portable, true);
    return true;
}

const char *sg_instruction_class(void)
{
    if (atomic_load(&portable)) return "portable";
    return sg_dnnl_lanes() == 16 ? "avx512" : "avx2";
}

bool sg_recipe_now(sg_kv *recipe, const sg_model *model, sg_error *err)
{
    const sg_preprocess *pp = &model->preprocess;
    size_t n;
    const char *const *keys = sg_preprocess_keys(&n);
    for (size_t i = 0; i < n; i++)
        if (!sg_kv_set(recipe, keys[i], sg_preprocess_get(pp, keys[i]), err)) return false;
    return sg_kv_setf(recipe, err, "resize", "%d", pp->resize) &&
           sg_kv_setf(recipe, err, "crop", "%dx%d", pp->width, pp->height) &&
           sg_kv_set(recipe, "precision", sg_precision_name(model->precision), err) &&
           sg_kv_set(recipe, "instructions", sg_instruction_class(), err) &&
           sg_kv_setf(recipe, err, "numerics", "%d", SG_NUMERICS_VERSION);
}

bool sg_recipe_apply(sg_model *model, const sg_kv *recorded, sg_error *err)
{
    sg_preprocess pp = model->preprocess;
    sg_precision precision = model->precision;
    int larger = pp.width > pp.height ? pp.width : pp.height;
    int64_t resize = pp.resize;
    size_t n;
    const char *const *keys = sg_preprocess_keys(&n);
    const char *text = sg_kv_get(recorded, "resize");
    if (text && (!sg_parse_int(&resize, text) || resize > INT32_MAX || (resize != 0 && resize < larger)))
        return sg_fail(err, SG_ERR_FORMAT, "recipe: resize \"%s\" makes no sense", text);
    pp.resize = (int)resize;
    for (size_t i = 0; i < n; i++) {
        text = sg_kv_get(recorded, keys[i]);
        if (text && !sg_preprocess_set(&pp, keys[i], text, NULL))
            return sg_fail(err, SG_ERR_FORMAT, "recipe: %s \"%s\" makes no sense", keys[i], text);
    }
    text = sg_kv_get(recorded, "precision");
    if (text && !sg_precision_find(&precision, text))
        return sg_fail(err, SG_ERR_FORMAT, "recipe: precision \"%s\" makes no sense", text);
    model->preprocess = pp;
    model->precision = sg_precision_supported(precision) ? precision : SG_F32;
    return true;
}

static sg_recipe_verdict weight_of(const char *key)
{
    bool numerics = strcmp(key, "instructions") == 0 || strcmp(key, "numerics") == 0;
    return numerics ? SG_RECIPE_NUMERICS : SG_RECIPE_OTHER;
}

/* What of key differs goes to text. */
static sg_recipe_verdict compare(sg_buf *text, const char *key, const char *a, const char *b)
{
    if (a && b && strcmp(a, b) == 0) return SG_RECIPE_SAME;
    sg_buf_printf(text, "%s%s: %s / %s", text->size ? ", " : "", key, a ? a : "none", b ? b : "none");
    return weight_of(key);
}

sg_recipe_verdict sg_recipe_compare(const sg_kv *recorded, const sg_kv *now, char *differs, size_t size)
{
    sg_recipe_verdict verdict = SG_RECIPE_SAME;
    sg_buf text = SG_BUF_INIT;
    for (size_t i = 0; i < recorded->n; i++) {
        const sg_kv_pair *pair = &recorded->pairs[i];
        sg_recipe_verdict v = compare(&text, pair->key, pair->value, sg_kv_get(now, pair->key));
        verdict = v > verdict ? v : verdict;
    }
    for (size_t i = 0; i < now->n; i++) {
        const sg_kv_pair *pair = &now->pairs[i];
        if (sg_kv_get(recorded, pair->key)) continue;
        sg_recipe_verdict v = compare(&text, pair->key, NULL, pair->value);
        verdict = v > verdict ? v : verdict;
    }
    snprintf(differs, size, "%s", sg_buf_text(&text));
    sg_buf_clear(&text);
    return verdict;
}
