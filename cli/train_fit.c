#include "train_fit.h"

#include <signet/fit.h>
#include <string.h>

bool cli_fit_check(const cli_call *call, const char *loss, sg_error *err)
{
    /* Of how the body learns, which it does not, and of steps, which there are none of. */
    static const char *const senseless[] = {
        "rule",         "feedback-scale", "exact-head", "head-only",   "frozen-bn", "init",
        "loss-option",  "epochs",         "optimizer",  "lr",          "head-lr",   "momentum",
        "weight-decay", "schedule",       "gamma",      "every",       "warmup",    "augment",
        "crop-padding", "crop-scale",     "profile",    "profile-json"};
    for (size_t i = 0; i < sizeof senseless / sizeof *senseless; i++)
        if (cli_given(call, senseless[i]))
            return sg_fail(err, SG_ERR_USAGE,
                           "--%s means nothing with --loss %s: the head is fitted in one pass", senseless[i],
                           loss);
    if (!cli_given(call, "weights"))
        return sg_fail(err, SG_ERR_USAGE, "--loss %s needs --weights: a network that sees something already",
                       loss);
    return true;
}

bool cli_fit(sg_model *model, const char *loss, const sg_dataset *ds, const sg_split *split, size_t batch,
             uint64_t seed, const char *run, const cli_call *call, sg_error *err)
{
    const sg_fit_options options = {.kind = loss, .batch = batch, .seed = seed, .log = cli_log(call)};
    sg_fit_result r;
    if (!sg_fit_run(&r, model, ds, split, &options, run, err)) return false;
    if (r.images < split->ntrain)
        cli_remark(call, "%zu of the %zu training images were used: enough to fit a head", r.images,
                   split->ntrain);
    cli_remark(call, "%s of %zu features on %zu images", loss, r.features, r.images);
    if (strcmp(loss, "lsh"))
        cli_remark(call, "%.1f %% of their variance is in the code's directions", 100 * r.explained);
    if (!strcmp(loss, "itq"))
        cli_remark(call, "quantisation error a bit %.4g, before the rounds %.4g", r.error, r.first_error);
    cli_remark(call, "%s/best.safetensors", run);
    return true;
}
