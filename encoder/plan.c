#include "plan_impl.h"

#include <signet/cpu.h>
#include <signet/mem.h>
#include <string.h>

const sg_tensor *sg_step_tensor(const sg_step *step, const sg_node *node, size_t i)
{
    return &step->plan->net->tensors[node->tensor + i];
}

bool sg_step_absorb(sg_step *step, const sg_node *next)
{
    if (step->top > 0) return false;
    if (next->op == &sg_op_relu) {
        step->top = next->attr.top;
        return true;
    }
    if (next->op != &sg_op_add || step->other) return false;
    for (int i = 0; i < 2; i++) { /* the operand that is not ours must stand already */
        sg_value *value = &step->plan->values[next->src[i]];
        if (value->data) step->other = value;
    }
    return step->other != NULL;
}

static bool takes(sg_step *step, const sg_node *next)
{
    return (next->op->idle && next->op->idle(step->plan)) ||
           (step->node->op->absorb && step->node->op->absorb(step, next));
}

/* Follows the chain of single readers as far as the step takes them in. The last node taken. */
static const sg_node *absorb(sg_step *step)
{
    const sg_node *tail = step->node, *nodes = step->plan->net->nodes;
    while (tail->nconsumers == 1 && takes(step, &nodes[tail->consumer])) {
        step->plan->values[tail->consumer].taken = true;
        tail = &nodes[tail->consumer];
    }
    return tail;
}

static void want_gradient(sg_step *step)
{
    sg_value *dst = step->dst;
    dst->wants_grad = step->train && (step->node->ntensors || step->batchnorm);
    if (step->node->nsrcs == 0) dst->wants_grad = step->plan->options.input_gradient;
    for (int i = 0; i < step->node->nsrcs; i++) dst->wants_grad |= step->src[i]->wants_grad;
    if (step->other) dst->wants_grad |= step->other->wants_grad;
}

static const sg_node *only_reader(const sg_plan *plan, const sg_node *node)
{
    return node->nconsumers == 1 ? &plan->net->nodes[node->consumer] : NULL;
}

/* The normalised x of a first convolution, and its padded copy, keep their plain layout, which that layer's kernels
 * like best. */
static bool is_first_source(const sg_plan *plan, const sg_node *node)
{
    const sg_node *reader = only_reader(plan, node);
    const bool copy = node->op == &sg_op_pad;
    if (copy)
        node = &plan->net->nodes[node->src[0]];
    else if (reader && reader->op == &sg_op_pad)
        reader = only_reader(plan, reader);
    return node->nsrcs == 0 && node->nconsumers == 1 && reader && reader->op == &sg_op_conv;
}

/* The last value is for the caller: a convolution's own result is not rounded. */
static bool is_wide(const sg_step *step, const sg_node *tail)
{
    const sg_net *net = step->plan->net;
    return step->node->op->widens && tail == &net->nodes[net->nnodes - 1] && !step->other && !(step->top > 0);
}

static bool new_step(sg_plan *plan, const sg_node *node, sg_error *err)
{
    const sg_plan_options *o = &plan->options;
    sg_step *step = &plan->steps[plan->nsteps];
    *step = (sg_step){.plan = plan, .node = node, .index = (int)plan->nsteps++};
    step->train = o->purpose == SG_TRAIN && (node->head || !o->head_only);
    step->state = sg_calloc(1, node->op->state_size);
    if (!step->state) return sg_fail_memory(err, "plan");
    const sg_node *tail = absorb(step);
    sg_value *dst = step->dst = &plan->values[tail - plan->net->nodes];
    for (int i = 0; i < node->nsrcs; i++) step->src[i] = &plan->values[node->src[i]];
    dst->view = sg_view_of(o->batch, tail->out, is_first_source(plan, node) ? 1 : sg_dnnl_lanes(),
                           is_wide(step, tail) ? SG_F32 : o->precision);
    want_gradient(step);
    if (!sg_buffer_new(&dst->data, plan, sg_view_nbytes(&dst->view), err)) return false;
    sg_use(dst->data, step, SG_FORWARD);
    for (int i = 0; i < node->nsrcs; i++) sg_use(step->src[i]->data, step, SG_FORWARD);
    if (step->other) sg_use(step->other->data, step, SG_FORWARD);
    return !node->op->prepare || node->op->prepare(step, err);
}

/* Where the parts of dst's gradient are added up: a part that is this value's alone, else a buffer of its own. */
static bool prepare_gradient(sg_step *step, sg_error *err)
{
    sg_value *dst = step->dst;
    for (int i = 1; i < dst->ngrads && dst->grads[0]->owners > 1; i++)
        if (dst->grads[i]->owners == 1) {
            sg_buffer *swap = dst->grads[0];
            dst->grads[0] = dst->grads[i];
            dst->grads[i] = swap;
        }
    step->gradient = dst->grads[0];
    if ((dst->ngrads > 1 || step->top > 0) && step->gradient->owners > 1 &&
        !sg_buffer_new(&step->gradient, step->plan, step->gradient->nbytes, err))
        return false;
    for (int i = 0; i < dst->ngrads; i++) sg_use(dst->grads[i], step, SG_BACKWARD);
    sg_use(step->gradient, step, SG_BACKWARD);
    if (step->top > 0) sg_use(dst->data, step, SG_BACKWARD);
    if (step->other && step->other->wants_grad) sg_value_share(step->other, step);
    return true;
}

static bool prepare(sg_plan *plan, sg_error *err)
{
    const sg_net *net = plan->net;
    if (!sg_dnnl_new(&plan->dnnl, err)) return false;
    plan->steps = sg_calloc(net->nnodes, sizeof *plan->steps);
    plan->values = sg_calloc(net->nnodes, sizeof *plan->values);
    if (!plan->steps || !plan->values) return sg_fail_memory(err, "plan");
    for (size_t i = 0; i < net->nnodes; i++)
        if (!plan->values[i].taken && !new_step(plan, &net->nodes[i], err)) return false;
    sg_step *last = &plan->steps[plan->nsteps - 1];
    if (last->dst->wants_grad) { /* from dz */
        sg_buffer *dz;
        if (!sg_value_part(&dz, last->dst, last, err)) return false;
    }
    for (size_t i = plan->nsteps; i-- > 0;) {
        sg_step *step = &plan->steps[i];
        if (!step->dst->wants_grad) continue;
        if (!prepare_gradient(step, err)) return false;
        if (step->node->op->prepare_backward && !step->node->op->prepare_backward(step, err)) return false;
    }
    if (!sg_plan_place(plan, err)) return false;
    for (size_t i = 0; i < plan->nprims; i++)
        if (!sg_prim_ready(plan->prims[i], err)) return false;
    return true;
}

bool sg_plan_new(sg_plan **out, const sg_net *net, const sg_plan_options *options, sg_error *err)
{
    *out = NULL;
    if (options->batch < 1 || options->batch > SG_BATCH_MAX)
        return sg_fail(err, SG_ERR_USAGE, "a batch of %zu images (1 to %d)", options->batch, SG_BATCH_MAX);
    if (!sg_precision_check(options->precision, err)) return false;
    sg_plan *plan = sg_calloc(1, sizeof *plan);
    if (!plan) return sg_fail_memory(err, "plan");
    *plan = (sg_plan){.net = net, .options = *options, .threads = sg_threads()};
    if (options->purpose == SG_ATTACK) plan->options.input_gradient = true;
    if (!prepare(plan, err)) {
        sg_plan_free(plan);
        return false;
    }
    *out = plan;
    return true;
}

void sg_plan_free(sg_plan *plan)
{
    if (!plan) return;
    for (size_t i = 0; i < plan->nprims; i++) sg_prim_free(plan->prims[i]);
    for (size_t i = 0; i < plan->nbuffers; i++) sg_free(plan->buffers[i]);
    for (size_t i = 0; i < plan->nsteps; i++) sg_free(plan->steps[i].state);
    sg_free(plan->prims);
    sg_free(plan->buffers);
    sg_free(plan->steps);
    sg_free(plan->values);
    sg_free_aligned(plan->arena);
    sg_dnnl_free(plan->dnnl);
    sg_free(plan);
}

size_t sg_plan_batch(const sg_plan *plan)
{
    return plan->options.batch;
}

size_t sg_plan_nbytes(const sg_plan *plan)
{
    return plan->arena_nbytes;
}
