#include "net_impl.h"

#include <math.h>
#include <signet/mem.h>
#include <signet/random.h>
#include <string.h>

bool sg_params_new(sg_params **out, const sg_net *net, sg_error *err)
{
    *out = NULL;
    sg_params *p = sg_calloc(1, sizeof *p);
    if (!p) return sg_fail_memory(err, "parameters");
    p->size = net->block_size;
    p->ntensors = net->ntensors;
    p->block = sg_alloc_aligned(p->size, sizeof *p->block);
    p->tensors = sg_alloc(p->ntensors, sizeof *p->tensors);
    if (!p->block || !p->tensors) {
        sg_params_free(p);
        return sg_fail_memory(err, "parameters");
    }
    memcpy(p->tensors, net->tensors, p->ntensors * sizeof *p->tensors);
    for (size_t i = 0; i < p->ntensors; i++) {
        const sg_tensor *t = &p->tensors[i];
        if (t->role == SG_TENSOR_BN_WEIGHT || t->role == SG_TENSOR_BN_VAR)
            for (size_t j = 0; j < t->size; j++) p->block[t->offset + j] = 1;
    }
    *out = p;
    return true;
}

void sg_params_free(sg_params *params)
{
    if (!params) return;
    sg_free_aligned(params->block);
    sg_free(params->tensors);
    sg_free(params);
}

bool sg_params_copy(sg_params **out, const sg_params *from, sg_error *err)
{
    *out = NULL;
    sg_params *p = sg_calloc(1, sizeof *p);
    if (!p) return sg_fail_memory(err, "parameters");
    p->size = from->size;
    p->ntensors = from->ntensors;
    p->block = sg_alloc_aligned(p->size, sizeof *p->block);
    p->tensors = sg_memdup(from->tensors, from->ntensors * sizeof *from->tensors);
    if (!p->block || !p->tensors) {
        sg_params_free(p);
        return sg_fail_memory(err, "parameters");
    }
    memcpy(p->block, from->block, p->size * sizeof *p->block);
    *out = p;
    return true;
}

const sg_tensor *sg_params_find(const sg_params *params, const char *name)
{
    for (size_t i = 0; i < params->ntensors; i++)
        if (strcmp(params->tensors[i].name, name) == 0) return &params->tensors[i];
    return NULL;
}

bool sg_tensor_learned(const sg_tensor *tensor)
{
    return tensor->role != SG_TENSOR_BN_MEAN && tensor->role != SG_TENSOR_BN_VAR;
}

typedef enum { INIT_UNKNOWN, INIT_HE, INIT_XAVIER, INIT_TORCH } init_kind;

static init_kind find_init(const char *name, sg_error *err)
{
    static const char *const names[] = {[INIT_HE] = "he", [INIT_XAVIER] = "xavier", [INIT_TORCH] = "torch"};
    for (init_kind i = INIT_HE; i <= INIT_TORCH; i++)
        if (strcmp(name, names[i]) == 0) return i;
    sg_fail(err, SG_ERR_USAGE, "unknown initialisation '%s' (there are he, xavier, torch)", name);
    return INIT_UNKNOWN;
}

static void draw_uniform(float *w, const sg_tensor *t, double bound, const sg_rng *stream)
{
    sg_rng_fill_uniform(w, 0, t->size, (float)-bound, (float)bound, stream);
}

static void draw_weights(float *w, const sg_tensor *t, init_kind kind, uint64_t seed)
{
    sg_rng stream = sg_rng_at(seed, SG_RNG_INIT, sg_name_hash(t->name), 0);
    if (kind == INIT_XAVIER)
        draw_uniform(w, t, sqrt(6.0 / (double)(t->fan_in + t->fan_out)), &stream);
    else if (kind == INIT_TORCH || t->ndim == 2)
        draw_uniform(w, t, 1 / sqrt((double)t->fan_in), &stream);
    else
        for (size_t i = 0; i < t->size; i++)
            w[i] = (float)(sqrt(2.0 / (double)t->fan_out) * sg_rng_normal(&stream));
}

static void draw(sg_params *p, const sg_tensor *t, init_kind kind, uint64_t seed)
{
    float *w = p->block + t->offset;
    if (t->role == SG_TENSOR_WEIGHT) {
        draw_weights(w, t, kind, seed);
        return;
    }
    if (t->role == SG_TENSOR_BIAS && kind == INIT_TORCH) { /* of the weights before it */
        sg_rng stream = sg_rng_at(seed, SG_RNG_INIT, sg_name_hash(t->name), 0);
        draw_uniform(w, t, 1 / sqrt((double)t[-1].fan_in), &stream);
        return;
    }
    float value = t->role == SG_TENSOR_BN_WEIGHT || t->role == SG_TENSOR_BN_VAR ? 1 : 0;
    for (size_t i = 0; i < t->size; i++) w[i] = value;
}

static bool init(sg_params *params, const char *name, uint64_t seed, bool head_only, sg_error *err)
{
    init_kind kind = find_init(name, err);
    if (kind == INIT_UNKNOWN) return false;
    for (size_t i = 0; i < params->ntensors; i++)
        if (params->tensors[i].head || !head_only) draw(params, &params->tensors[i], kind, seed);
    return true;
}

bool sg_params_init(sg_params *params, const char *name, uint64_t seed, sg_error *err)
{
    return init(params, name, seed, false, err);
}

bool sg_params_init_head(sg_params *params, const char *name, uint64_t seed, sg_error *err)
{
    return init(params, name, seed, true, err);
}
