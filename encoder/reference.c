#include "reference_impl.h"

#include <math.h>
#include <signet/mem.h>
#include <string.h>

static double *new_array(size_t n)
{
    return sg_calloc(n ? n : 1, sizeof(double));
}

static bool new_values(sg_reference *ref)
{
    size_t n = ref->net->nnodes;
    ref->values = sg_calloc(n, sizeof *ref->values);
    ref->dvalues = sg_calloc(n, sizeof *ref->dvalues);
    if (!ref->values || !ref->dvalues) return false;
    for (size_t i = 0; i < n; i++) {
        size_t size = ref->batch * sg_shape_size(ref->net->nodes[i].out);
        ref->values[i] = new_array(size);
        ref->dvalues[i] = new_array(size);
        if (!ref->values[i] || !ref->dvalues[i]) return false;
    }
    return true;
}

bool sg_reference_new(sg_reference **out, const sg_net *net, const sg_params *params, size_t batch,
                      bool batch_stats, sg_error *err)
{
    *out = NULL;
    sg_reference *ref = sg_calloc(1, sizeof *ref);
    if (!ref) return sg_fail_memory(err, "reference");
    *ref = (sg_reference){.net = net, .batch = batch, .batch_stats = batch_stats};
    ref->params = new_array(params->size);
    ref->feedback = new_array(params->size);
    ref->grads = new_array(params->size);
    ref->x = new_array(batch * sg_net_input_size(net));
    ref->dx = new_array(batch * sg_net_input_size(net));
    if (!ref->params || !ref->feedback || !ref->grads || !ref->x || !ref->dx || !new_values(ref)) {
        sg_reference_free(ref);
        return sg_fail_memory(err, "reference");
    }
    for (size_t i = 0; i < params->size; i++) ref->params[i] = ref->feedback[i] = params->block[i];
    *out = ref;
    return true;
}

void sg_reference_free(sg_reference *ref)
{
    if (!ref) return;
    for (size_t i = 0; i < ref->net->nnodes; i++) {
        if (ref->values) sg_free(ref->values[i]);
        if (ref->dvalues) sg_free(ref->dvalues[i]);
    }
    sg_free(ref->values);
    sg_free(ref->dvalues);
    sg_free(ref->params);
    sg_free(ref->feedback);
    sg_free(ref->grads);
    sg_free(ref->x);
    sg_free(ref->dx);
    sg_free(ref);
}

static sg_ref node_ref(sg_reference *ref, size_t i)
{
    const sg_node *node = &ref->net->nodes[i];
    sg_ref r = {.node = node,
                .batch = ref->batch,
                .batch_stats = ref->batch_stats,
                .dropout = ref->dropout,
                .seed = ref->seed,
                .step = ref->step};
    r.src[0] = ref->x;
    r.dsrc[0] = ref->dx;
    for (int s = 0; s < node->nsrcs; s++) {
        r.src[s] = ref->values[node->src[s]];
        r.dsrc[s] = ref->dvalues[node->src[s]];
    }
    for (size_t t = 0; t < node->ntensors; t++) {
        size_t offset = ref->net->tensors[node->tensor + t].offset;
        r.tensors[t] = ref->params + offset;
        r.dtensors[t] = ref->grads + offset;
        if (t == 0) r.feedback = ref->feedback + offset;
    }
    r.dst = ref->values[i];
    r.ddst = ref->dvalues[i];
    return r;
}

double sg_bf16_rounded(double value)
{
    int exponent;
    const double mantissa = frexp(value, &exponent); /* of 8 bits, the first one 1 */
    return ldexp(rint(ldexp(mantissa, 8)), exponent - 8);
}

const double *sg_reference_forward(sg_reference *ref)
{
    for (size_t i = 0; i < ref->net->nnodes; i++) {
        sg_ref r = node_ref(ref, i);
        r.node->op->ref_forward(&r);
        for (size_t j = 0; ref->rounds && ref->rounds[i] && j < ref->batch * sg_shape_size(r.node->out); j++)
            r.dst[j] = sg_bf16_rounded(r.dst[j]);
    }
    return ref->values[ref->net->nnodes - 1];
}

void sg_reference_backward(sg_reference *ref, const double *dz)
{
    const sg_net *net = ref->net;
    for (size_t i = 0; i < net->nnodes; i++)
        memset(ref->dvalues[i], 0, ref->batch * sg_shape_size(net->nodes[i].out) * sizeof(double));
    memset(ref->dx, 0, ref->batch * sg_net_input_size(net) * sizeof(double));
    memset(ref->grads, 0, net->block_size * sizeof(double));
    memcpy(ref->dvalues[net->nnodes - 1], dz, ref->batch * sg_net_output_size(net) * sizeof(double));
    for (size_t i = net->nnodes; i-- > 0;) {
        sg_ref r = node_ref(ref, i);
        r.node->op->ref_backward(&r);
    }
}
