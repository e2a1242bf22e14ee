#include "feedback_impl.h"

#include <math.h>
#include <signet/mem.h>
#include <signet/random.h>
#include <string.h>

#define CHUNK 1024 /* entries of B that a thread fills at a time */

/* ||W||_F / sqrt(number of non-zero entries): the root mean square over those. */
static double scale_norm(const sg_tensor *t, const float *W)
{
    double squares = 0;
    size_t nonzero = 0;
    for (size_t i = 0; i < t->size; i++) {
        squares += (double)W[i] * W[i];
        nonzero += W[i] != 0;
    }
    return nonzero ? sqrt(squares / (double)nonzero) : 0;
}

/* Glorot and Bengio 2010, BioTorch's choice. */
static double scale_xavier(const sg_tensor *t, const float *W)
{
    (void)W;
    return sqrt(2.0 / (double)(t->fan_in + t->fan_out));
}

static double scale_fan_in(const sg_tensor *t, const float *W)
{
    (void)W;
    return 1 / sqrt(3.0 * (double)t->fan_in);
}

/* Xiao et al. 2018. */
static double scale_he(const sg_tensor *t, const float *W)
{
    (void)W;
    return t->ndim == 4 ? sqrt(2.0 / (double)t->fan_out) : 1 / sqrt((double)t->fan_in);
}

typedef struct scale_kind {
    const char *name;
    bool live; /* of the weights at each fill, not of those at init */
    double (*scale)(const sg_tensor *t, const float *W);
} scale_kind;

static const scale_kind kinds[] = {
    {"norm", false, scale_norm},     {"norm-live", true, scale_norm}, {"xavier", false, scale_xavier},
    {"fan-in", false, scale_fan_in}, {"he", false, scale_he},
};

static const scale_kind *find_kind(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, name) == 0) return &kinds[i];
    return NULL;
}

size_t sg_params_weights(const sg_params *params)
{
    size_t n = 0;
    for (size_t i = 0; i < params->ntensors; i++) n += params->tensors[i].role == SG_TENSOR_WEIGHT;
    return n;
}

bool sg_feedback_init(sg_feedback *fb, const char *rule, const char *scale, uint64_t seed,
                      const sg_params *params, sg_error *err)
{
    *fb = (sg_feedback){0};
    if (!scale) scale = "norm";
    const sg_rule *found = sg_rule_find(rule, err);
    if (!found) return false;
    const scale_kind *kind = find_kind(scale);
    if (!kind)
        return sg_fail(err, SG_ERR_USAGE,
                       "unknown feedback scale '%s' (there are norm, norm-live, xavier, fan-in, he)", scale);
    *fb = (sg_feedback){.rule = found, .seed = seed};
    snprintf(fb->scale_kind, sizeof fb->scale_kind, "%s", kind->name);
    if (found->exact) return true;
    fb->nscales = sg_params_weights(params);
    fb->scales = sg_alloc(fb->nscales, sizeof *fb->scales);
    if (!fb->scales) {
        *fb = (sg_feedback){0};
        return sg_fail_memory(err, "feedback scales");
    }
    for (size_t i = 0, w = 0; i < params->ntensors; i++) {
        const sg_tensor *t = &params->tensors[i];
        if (t->role == SG_TENSOR_WEIGHT) fb->scales[w++] = (float)kind->scale(t, params->block + t->offset);
    }
    return true;
}

bool sg_feedback_copy(sg_feedback *to, const sg_feedback *from, sg_error *err)
{
    *to = *from;
    if (!from->scales) return true;
    to->scales = sg_memdup(from->scales, from->nscales * sizeof *from->scales);
    if (to->scales) return true;
    *to = (sg_feedback){0};
    return sg_fail_memory(err, "feedback scales");
}

void sg_feedback_clear(sg_feedback *fb)
{
    sg_free(fb->scales);
    *fb = (sg_feedback){0};
}

static float scale_now(const sg_feedback *fb, const sg_params *params, const sg_tensor *w)
{
    const scale_kind *kind = find_kind(fb->scale_kind);
    if (kind && kind->live) return (float)kind->scale(w, params->block + w->offset);
    size_t index = 0;
    for (const sg_tensor *t = params->tensors; t < w; t++) index += t->role == SG_TENSOR_WEIGHT;
    SG_ASSERT(index < fb->nscales);
    return fb->scales[index];
}

static const sg_rule *rule_of(const sg_feedback *fb, const sg_tensor *w)
{
    return w->head && fb->exact_head ? &sg_rule_bp : fb->rule;
}

bool sg_feedback_exact(const sg_feedback *fb, const sg_tensor *w)
{
    return rule_of(fb, w)->exact;
}

static void fill_chunk(float *B, const float *W, const sg_rule *rule, float s, const sg_rng *stream,
                       size_t first, size_t n)
{
    float R[CHUNK];
    const float bound = sqrtf(3) * s;
    if (rule->draw != SG_DRAW_NONE) sg_rng_fill_uniform(R, first, n, -bound, bound, stream);
    rule->fill(B + first, W + first, R, s, n);
}

void sg_feedback_fill(float *B, const sg_feedback *fb, const sg_params *params, const sg_tensor *w,
                      uint64_t step)
{
    const float *W = params->block + w->offset;
    const sg_rule *rule = rule_of(fb, w);
    const float s = rule->exact ? 0 : scale_now(fb, params, w);
    const sg_rng stream = sg_rng_at(fb->seed, SG_RNG_FEEDBACK, sg_name_hash(w->name),
                                    rule->draw == SG_DRAW_EACH_STEP ? step : 0);
    const size_t chunks = (w->size + CHUNK - 1) / CHUNK;
#pragma omp parallel for schedule(static)
    for (size_t c = 0; c < chunks; c++) {
        size_t first = c * CHUNK, n = w->size - first < CHUNK ? w->size - first : CHUNK;
        fill_chunk(B, W, rule, s, &stream, first, n);
    }
}

bool sg_feedback_angles(float *angle, float *norm_ratio, const sg_feedback *fb, const sg_params *params,
                        uint64_t step, sg_error *err)
{
    size_t largest = 0, index = 0;
    for (size_t i = 0; i < params->ntensors; i++)
        if (params->tensors[i].role == SG_TENSOR_WEIGHT && params->tensors[i].size > largest)
            largest = params->tensors[i].size;
    float *B = sg_alloc(largest, sizeof *B);
    if (!B) return sg_fail_memory(err, "feedback");
    for (size_t i = 0; i < params->ntensors; i++) {
        const sg_tensor *t = &params->tensors[i];
        if (t->role != SG_TENSOR_WEIGHT) continue;
        sg_feedback_fill(B, fb, params, t, step);
        const float *W = params->block + t->offset;
        double bb = 0, ww = 0, bw = 0;
        for (size_t j = 0; j < t->size; j++) {
            bb += (double)B[j] * B[j];
            ww += (double)W[j] * W[j];
            bw += (double)B[j] * W[j];
        }
        double cosine = bb > 0 && ww > 0 ? bw / sqrt(bb * ww) : 0;
        angle[index] = (float)(acos(fmin(fmax(cosine, -1), 1)) * 180 / M_PI);
        norm_ratio[index++] = ww > 0 ? (float)sqrt(bb / ww) : 0;
    }
    sg_free(B);
    return true;
}
