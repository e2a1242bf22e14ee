/* Which row of a profile a step's time goes to. */
#include "conv_impl.h"
#include "profile_impl.h"

static bool is_conv(const sg_step *step)
{
    return step->node->op == &sg_op_conv || step->node->op == &sg_op_linear;
}

/* A first layer's backward is our own loops; beside the primitives of the others there is the copy of the gradient. */
static int own_row(sg_profile *profile, const sg_step *step, sg_phase phase, double flops)
{
    const char *name = step->node->name;
    if (phase == SG_LOAD) return sg_profile_row_of(profile, SG_PROFILE_LOAD, name, "", 0);
    if (step->node->op == &sg_op_batchnorm)
        return sg_profile_row_of(profile, SG_PROFILE_BATCHNORM, name, "", 0);
    if (phase == SG_FORWARD || !is_conv(step))
        return sg_profile_row_of(profile, SG_PROFILE_OTHER, name, "", 0);
    if (!sg_thin_runs(step)) return sg_profile_row_of(profile, SG_PROFILE_LAYOUT, name, "", 0);
    return sg_profile_row_of(profile,
                             sg_thin_weights(step) ? SG_PROFILE_BACKWARD_WEIGHTS : SG_PROFILE_BACKWARD_DATA,
                             name, "thin", flops);
}

static double flops_of(const sg_step *step)
{
    const sg_node *node = step->node;
    return node->op->macs ? 2 * (double)node->op->macs(node) * (double)step->plan->options.batch : 0;
}

void sg_plan_profile(sg_plan *plan, sg_profile *profile)
{
    plan->profile = profile;
    if (!profile) return;
    for (size_t i = 0; i < plan->nsteps; i++) {
        sg_step *step = &plan->steps[i];
        const double flops = flops_of(step);
        for (int phase = SG_LOAD; phase <= SG_BACKWARD; phase++)
            step->rows[phase] = own_row(profile, step, (sg_phase)phase, flops);
        step->gather_row = sg_profile_row_of(profile, SG_PROFILE_GATHER, step->node->name, "", 0);
    }
    for (size_t i = 0; i < plan->nprims; i++) {
        sg_prim *prim = plan->prims[i];
        const sg_profile_kind kind = sg_prim_kind(prim);
        const bool counted = kind >= SG_PROFILE_FORWARD && kind <= SG_PROFILE_BACKWARD_WEIGHTS;
        prim->row = sg_profile_row_of(profile, kind, prim->step->node->name, sg_prim_kernel(prim),
                                      counted ? flops_of(prim->step) : 0);
    }
}
