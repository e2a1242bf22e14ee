/* A classifier as a hash: the last hidden layer's features (what its last layer reads), each compared with the mean over the
 * picture's features. That is linear, a head of fixed weights I - 11'/d, so that all that works with a hash works with it,
 * and nothing of it needs to be recorded but the model.
 *
 * Why not the plain sign: the features are a ReLU's, or means of those, never negative, and in ResNets they are hardly ever
 * 0: nearly all bits would be 1. Thresholds from a collection (each feature's mean or median over pictures) do about as
 * well as the picture's own mean, but need data that a classifier's file does not hold. */
#include "net_impl.h"

#include <signet/codes.h>
#include <signet/mem.h>
#include <signet/model.h>

/* The rows behind the features stay zero: their bits are 0. */
static void fill_head(sg_params *params, size_t features)
{
    float *weight = params->block + sg_params_find(params, "head.weight")->offset;
    const float mean = 1 / (float)features;
    for (size_t k = 0; k < features; k++)
        for (size_t d = 0; d < features; d++) weight[k * features + d] = (float)(k == d) - mean;
}

static bool count_features(size_t *features, const sg_net_spec *spec, sg_error *err)
{
    sg_net_spec of_body = *spec;
    sg_net *body;
    of_body.head = SG_HEAD_FEATURES;
    if (!sg_net_new(&body, &of_body, err)) return false;
    *features = sg_net_output_size(body);
    sg_net_free(body);
    if (*features <= SG_BITS_MAX) return true;
    return sg_fail(err, SG_ERR_LIMIT, "the last hidden layer of %s has %zu numbers, a code at most %d bits",
                   spec->arch, *features, SG_BITS_MAX);
}

bool sg_model_signs(sg_model **out, const sg_model *classifier, sg_error *err)
{
    sg_net_spec spec = *sg_model_spec(classifier);
    sg_model *hash = NULL;
    size_t features;
    bool head_taken;
    *out = NULL;
    if (spec.head != SG_HEAD_CLASSIFIER)
        return sg_fail(err, SG_ERR_MISMATCH, "signs are taken of a classifier's last hidden layer");
    if (!count_features(&features, &spec, err)) return false;
    spec.head = SG_HEAD_HASH;
    spec.outputs = (int64_t)(features + 7) / 8 * 8;
    bool ok = sg_model_new(&hash, &spec, NULL, err) && sg_model_take(hash, classifier, &head_taken, err) &&
              sg_kv_copy(&hash->notes, &classifier->notes, err) &&
              sg_kv_set(&hash->notes, "head", "signs", err) &&
              (!*classifier->fingerprint || sg_kv_set(&hash->notes, "parent", classifier->fingerprint, err));
    if (ok) {
        hash->preprocess = classifier->preprocess;
        hash->precision = classifier->precision;
        fill_head(hash->params, features);
        ok = sg_model_stamp(hash, err);
    }
    if (ok)
        *out = hash;
    else
        sg_model_free(hash);
    return ok;
}
