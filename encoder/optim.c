#include "optim_impl.h"

#include <math.h>
#include <signet/buf.h>
#include <signet/mem.h>
#include <string.h>

static const sg_optim_kind *const kinds[] = {&sg_optim_sgd, &sg_optim_adam};
static const char *const names[] = {"sgd", "adam"};
#define NKINDS (sizeof kinds / sizeof *kinds)

/* A stretch of the block that one thread updates: learned weights of one rate. */
typedef struct chunk {
    size_t offset, size;
    float rate;
} chunk;

enum { CHUNK_FLOATS = 1 << 14 };

struct sg_optim {
    const sg_optim_kind *kind;
    sg_optim_options options;
    chunk *chunks;
    size_t nchunks, cap;
    float *blocks[SG_OPTIM_BLOCKS];
    size_t size; /* floats in a block */
    uint64_t count;
};

const char *const *sg_optim_names(size_t *n)
{
    *n = NKINDS;
    return names;
}

static const sg_optim_kind *find(const char *name, sg_error *err)
{
    sg_buf list = SG_BUF_INIT;
    for (size_t i = 0; i < NKINDS; i++) {
        if (strcmp(kinds[i]->name, name) == 0) {
            sg_buf_clear(&list);
            return kinds[i];
        }
        sg_buf_printf(&list, "%s%s", i ? ", " : "", names[i]);
    }
    sg_fail(err, SG_ERR_USAGE, "unknown optimiser '%s' (there are %s)", name, sg_buf_text(&list));
    sg_buf_clear(&list);
    return NULL;
}

bool sg_optim_defaults(sg_optim_options *options, const char *name, sg_error *err)
{
    const sg_optim_kind *kind = find(name, err);
    if (kind) *options = kind->defaults;
    return kind != NULL;
}

static bool in_range(const char *what, float value, float low, float high, sg_error *err)
{
    if (value >= low && value <= high) return true;
    return sg_fail(err, SG_ERR_USAGE, "optimiser: %s is %g; it must lie in %g to %g", what, (double)value,
                   (double)low, (double)high);
}

static bool options_check(const sg_optim_options *o, sg_error *err)
{
    const float below_one = 0.99999994f;
    return in_range("learning rate", o->lr, 0.0f, 1e6f, err) &&
           in_range("weight decay", o->weight_decay, 0.0f, 1e6f, err) &&
           in_range("momentum", o->momentum, 0.0f, below_one, err) &&
           in_range("beta1", o->beta1, 0.0f, below_one, err) &&
           in_range("beta2", o->beta2, 0.0f, below_one, err) && in_range("eps", o->eps, 0.0f, 1.0f, err) &&
           in_range("multiplier of the head's rate", o->head_lr, 0.0f, 1e6f, err);
}

static bool chunks_make(sg_optim *optim, const sg_params *params, sg_error *err)
{
    for (size_t t = 0; t < params->ntensors; t++) {
        const sg_tensor *tensor = &params->tensors[t];
        if (!sg_tensor_learned(tensor) || (optim->options.head_only && !tensor->head)) continue;
        for (size_t at = 0; at < tensor->size; at += CHUNK_FLOATS) {
            if (!sg_grow(&optim->chunks, &optim->cap, optim->nchunks + 1, sizeof *optim->chunks))
                return sg_fail_memory(err, "optimiser");
            size_t left = tensor->size - at;
            optim->chunks[optim->nchunks++] = (chunk){.offset = tensor->offset + at,
                                                      .size = left < CHUNK_FLOATS ? left : CHUNK_FLOATS,
                                                      .rate = tensor->head ? optim->options.head_lr : 1.0f};
        }
    }
    return true;
}

bool sg_optim_new(sg_optim **out, const sg_optim_options *options, const sg_params *params, sg_error *err)
{
    *out = NULL;
    const sg_optim_kind *kind = find(options->name, err);
    if (!kind || !options_check(options, err)) return false;
    sg_optim *optim = sg_calloc(1, sizeof *optim);
    if (!optim) return sg_fail_memory(err, "optimiser");
    optim->kind = kind;
    optim->options = *options;
    optim->options.name = kind->name;
    optim->size = params->size;
    bool ok = chunks_make(optim, params, err);
    for (size_t b = 0; ok && b < kind->blocks; b++) {
        optim->blocks[b] = sg_alloc_aligned(params->size, sizeof(float));
        if (!optim->blocks[b]) ok = sg_fail_memory(err, "optimiser");
    }
    if (ok)
        *out = optim;
    else
        sg_optim_free(optim);
    return ok;
}

void sg_optim_free(sg_optim *optim)
{
    if (!optim) return;
    for (size_t b = 0; b < SG_OPTIM_BLOCKS; b++) sg_free_aligned(optim->blocks[b]);
    sg_free(optim->chunks);
    sg_free(optim);
}

void sg_optim_step(sg_optim *optim, sg_params *params, const float *grads, float rate)
{
    SG_ASSERT(params->size == optim->size);
    optim->count++;
    float lr = optim->options.lr * rate;
#pragma omp parallel for schedule(static)
    for (size_t c = 0; c < optim->nchunks; c++) {
        const chunk *at = &optim->chunks[c];
        float *state[SG_OPTIM_BLOCKS] = {NULL};
        for (size_t b = 0; b < optim->kind->blocks; b++) state[b] = optim->blocks[b] + at->offset;
        optim->kind->update(params->block + at->offset, grads + at->offset, state, at->size, &optim->options,
                            lr * at->rate, optim->count);
    }
}

size_t sg_optim_blocks(const sg_optim *optim)
{
    return optim->kind->blocks;
}

float *sg_optim_block(sg_optim *optim, size_t i)
{
    SG_ASSERT(i < optim->kind->blocks);
    return optim->blocks[i];
}

uint64_t *sg_optim_count(sg_optim *optim)
{
    return &optim->count;
}
