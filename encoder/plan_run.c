/* Running a plan: load, forward, backward. Allocates nothing. */
#include "kernels_impl.h"
#include "plan_impl.h"
#include "profile_impl.h"

#include <signet/cpu.h>
#include <string.h>

/* A plan runs on the threads it was made for; whichever those are, they flush denormals. Gives the number that was
 * set. */
static int enter(const sg_plan *plan)
{
    int threads = sg_threads();
    if (threads != plan->threads) sg_threads_set(plan->threads);
    sg_denormals_flush_all();
    return threads;
}

static void leave(const sg_plan *plan, int threads)
{
    if (threads != plan->threads) sg_threads_set(threads);
}

void sg_plan_load(sg_plan *plan, const sg_params *params, const sg_feedback *feedback, uint64_t number)
{
    SG_ASSERT(params->size == plan->net->block_size);
    int threads = enter(plan);
    const sg_load load = {.params = params, .feedback = feedback, .number = number};
    for (size_t i = 0; i < plan->nsteps; i++) {
        sg_step *step = &plan->steps[i];
        if (!step->node->op->load) continue;
        const sg_profile_mark mark = sg_profile_begin(plan->profile);
        step->node->op->load(step, &load);
        sg_profile_end_row(plan->profile, mark, step->rows[SG_LOAD]);
    }
    leave(plan, threads);
}

static void forward(sg_plan *plan, sg_params *running, const float *x, float *z)
{
    int threads = enter(plan);
    plan->x = x;
    plan->running = running;
    sg_profile_mark mark;
    for (size_t i = 0; i < plan->nsteps; i++) {
        mark = sg_profile_begin(plan->profile);
        plan->steps[i].node->op->forward(&plan->steps[i]);
        sg_profile_end_row(plan->profile, mark, plan->steps[i].rows[SG_FORWARD]);
    }
    const sg_value *out = plan->steps[plan->nsteps - 1].dst;
    mark = sg_profile_begin(plan->profile);
    sg_view_pack(z, SG_F32, out->view.channels * out->view.pixels, &out->view, out->data->data);
    sg_profile_end(plan->profile, mark, SG_PROFILE_LAYOUT, "(output)");
    leave(plan, threads);
}

void sg_plan_forward(sg_plan *plan, const float *x, float *z)
{
    forward(plan, NULL, x, z);
}

void sg_plan_train_forward(sg_plan *plan, sg_params *params, const float *x, float *z)
{
    forward(plan, params, x, z);
}

void sg_step_gather(const sg_step *step, size_t first, size_t n)
{
    const sg_value *dst = step->dst;
    const sg_precision kind = sg_step_kind(step);
    void *d = sg_step_at(step, step->gradient, first);
    const void *sum = sg_step_at(step, dst->grads[0], first);
    const void *mask = step->top > 0 ? sg_step_at(step, dst->data, first) : NULL;
    for (int i = 1; i < dst->ngrads; i++, sum = d)
        sg_run_gather(kind, d, sum, sg_step_at(step, dst->grads[i], first),
                      i + 1 == dst->ngrads ? mask : NULL, step->top, n);
    if (dst->ngrads == 1 && mask) sg_run_gather(kind, d, sum, NULL, mask, step->top, n);
}

static void gather(const sg_step *step)
{
    if (step->dst->ngrads == 1 && !(step->top > 0)) return;
    sg_profile *profile = step->plan->profile;
    const sg_profile_mark mark = sg_profile_begin(profile);
#pragma omp parallel
    {
        size_t first, n;
        sg_share(&first, &n, sg_view_size(&step->dst->view), SG_RUN);
        sg_step_gather(step, first, n);
    }
    sg_profile_end_row(profile, mark, step->gather_row);
}

void sg_plan_backward(sg_plan *plan, const float *dz, float *grads, float *dx)
{
    SG_ASSERT(plan->options.purpose != SG_ENCODE && (dx || !plan->options.input_gradient) &&
              (grads || plan->options.purpose != SG_TRAIN));
    int threads = enter(plan);
    plan->grads = grads;
    plan->dx = dx;
    sg_profile_mark mark = sg_profile_begin(plan->profile);
    if (plan->options.purpose == SG_TRAIN) memset(grads, 0, plan->net->block_size * sizeof *grads);
    const sg_value *out = plan->steps[plan->nsteps - 1].dst;
    sg_view view = out->view;
    view.kind = plan->options.precision;
    sg_view_unpack(out->grads[0]->data, &view, dz, SG_F32, view.channels * view.pixels);
    sg_profile_end(plan->profile, mark, SG_PROFILE_LAYOUT, "(gradients)");
    for (size_t i = plan->nsteps; i-- > 0;) {
        sg_step *step = &plan->steps[i];
        if (!step->dst->wants_grad) continue;
        if (!step->node->op->gathers) gather(step);
        if (!step->node->op->backward) continue;
        mark = sg_profile_begin(plan->profile);
        step->node->op->backward(step);
        sg_profile_end_row(plan->profile, mark, step->rows[SG_BACKWARD]);
    }
    leave(plan, threads);
}
