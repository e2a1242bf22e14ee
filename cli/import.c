#include "import.h"

#include <signet/import.h>
#include <string.h>

static bool set_reals(float *values, const cli_reals *reals, int64_t channels, const char *option,
                      sg_error *err)
{
    if (!reals || !reals->n) return true;
    if (reals->n != (size_t)channels)
        return sg_fail(err, SG_ERR_USAGE, "--%s: %zu numbers for %lld channels", option, reals->n,
                       (long long)channels);
    for (size_t i = 0; i < reals->n; i++) values[i] = (float)reals->items[i];
    for (size_t i = 0; i < reals->n; i++)
        if (!strcmp(option, "std") && !(values[i] > 0))
            return sg_fail(err, SG_ERR_USAGE, "--std: %g is not above 0", reals->items[i]);
    return true;
}

static bool decide_spec(sg_net_spec *spec, const cli_import *import, const sg_weights *weights, sg_error *err)
{
    int64_t usual;
    *spec = (sg_net_spec){.arch = import->arch, .channels = import->channels};
    if (!sg_backbone_input(import->arch, &usual, &spec->height, &spec->width, err)) return false;
    if (import->input.size) spec->height = spec->width = import->input.size;
    if (!sg_import_channels(spec, weights, err)) return false;
    cli_normalisation(spec);
    return set_reals(spec->mean, import->mean, spec->channels, "mean", err) &&
           set_reals(spec->std, import->std, spec->channels, "std", err);
}

static bool import_weights(sg_model **model, sg_weights *weights, const cli_import *import,
                           const cli_call *call, sg_error *err)
{
    sg_import fit;
    sg_net_spec spec;
    if (!import->arch)
        return sg_fail(err, SG_ERR_USAGE, "%s: weights of %s: --arch says of which network",
                       sg_weights_path(weights), sg_weights_format(weights));
    if (!decide_spec(&spec, import, weights, err)) return false;
    bool ok = sg_import_model(model, &fit, weights, &spec, import->classes, import->nclasses, err);
    for (size_t i = 0; call->common.verbose && i < fit.nlines; i++) cli_remark(call, "%s", fit.lines[i]);
    sg_import_clear(&fit);
    if (!ok) return false;
    cli_input_usual(&(*model)->preprocess, import->arch);
    if (cli_input_set(&(*model)->preprocess, &import->input, err)) return true;
    sg_model_free(*model);
    *model = NULL;
    return false;
}

bool cli_import_model(sg_model **model, const char *path, const cli_import *import, const cli_call *call,
                      sg_error *err)
{
    sg_weights *weights;
    *model = NULL;
    if (!sg_weights_open(&weights, path, err)) return false;
    bool own = sg_weights_is_model(weights);
    bool ok = own || import_weights(model, weights, import, call, err);
    sg_weights_close(weights);
    return ok && (!own || sg_model_load(model, path, err));
}
