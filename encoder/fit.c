#include "projection_impl.h"
#include "run_impl.h"
#include "train_impl.h"

#include <math.h>
#include <signet/encoder.h>
#include <signet/mem.h>

/* The model without its head, and what that gives of the images: features (n, dim), the caller's (sg_free_aligned). */
static bool read_features(float **features, size_t *n, size_t *dim, const sg_model *model,
                          const sg_dataset *ds, const sg_split *split, const sg_fit_options *options,
                          sg_error *err)
{
    sg_net_spec spec = *sg_model_spec(model);
    spec.head = SG_HEAD_FEATURES;
    sg_model *body = NULL;
    sg_encoder *encoder = NULL;
    bool head_taken;
    *features = NULL;
    bool ok = sg_model_new(&body, &spec, NULL, err) && sg_model_take(body, model, &head_taken, err);
    if (ok) {
        body->preprocess = model->preprocess;
        body->precision = model->precision;
        *dim = sg_net_output_size(body->net);
        size_t most = SG_FIT_NBYTES_MAX / (*dim * sizeof **features);
        if (most > SG_FIT_IMAGES_MAX) most = SG_FIT_IMAGES_MAX;
        *n = split->ntrain < most ? split->ntrain : most;
        *features = sg_alloc_aligned(*n * *dim, sizeof **features);
        ok = *features ? true : sg_fail_memory(err, "features");
    }
    ok = ok && sg_encoder_new(&encoder, body, options->batch, err);
    if (ok) {
        sg_progress progress;
        sg_progress_init(&progress, options->log, "features", "images", *n);
        ok = sg_encoder_items(encoder, *features, ds, split->train, *n, &progress, err);
        sg_progress_end(&progress);
    }
    sg_encoder_free(encoder);
    sg_model_free(body);
    if (ok) return true;
    sg_free_aligned(*features);
    *features = NULL;
    return false;
}

/* The bias is made from the weights as f32 holds them: an image with the mean's features gives 0. */
static void fold(sg_params *params, const sg_projection *p)
{
    float *weight = params->block + sg_params_find(params, "head.weight")->offset;
    float *bias = params->block + sg_params_find(params, "head.bias")->offset;
    for (size_t k = 0; k < p->nbits; k++) {
        double sum = 0;
        for (size_t d = 0; d < p->dim; d++) {
            weight[k * p->dim + d] = (float)p->weight[k * p->dim + d];
            sum += (double)weight[k * p->dim + d] * p->mean[d];
        }
        bias[k] = (float)-sum;
    }
}

static bool notes_write(sg_kv *notes, const sg_projection *p, const sg_dataset *ds, const sg_split *split,
                        sg_error *err)
{
    return sg_train_data_notes(notes, ds, split, err) && sg_kv_set(notes, "loss", p->kind, err) &&
           sg_kv_setf(notes, err, "fit_images", "%zu", p->n) &&
           sg_kv_setf(notes, err, "seed", "%llu", (unsigned long long)p->seed);
}

/* What the fit came to, as the one line of train.jsonl. */
static bool report_write(sg_run *run, const sg_projection *p, sg_error *err)
{
    sg_json *line = sg_json_object();
    sg_json_add_string(line, "fit", p->kind);
    sg_json_add_int(line, "images", (int64_t)p->n);
    sg_json_add_int(line, "features", (int64_t)p->dim);
    if (!isnan(p->explained)) sg_json_add_number(line, "explained", p->explained);
    sg_json *errors = p->errors ? sg_json_add_array(line, "errors") : NULL;
    for (size_t i = 0; i < p->nerrors; i++) sg_json_add_number(errors, NULL, p->errors[i]);
    bool ok = sg_run_line(run, line, err);
    sg_json_free(line);
    return ok;
}

static void set_result(sg_fit_result *result, const sg_projection *p)
{
    *result = (sg_fit_result){.images = p->n,
                              .features = p->dim,
                              .explained = p->explained,
                              .first_error = p->errors ? p->errors[0] : NAN,
                              .error = p->errors ? p->errors[p->nerrors - 1] : NAN};
}

bool sg_fit_run(sg_fit_result *result, sg_model *model, const sg_dataset *ds, const sg_split *split,
                const sg_fit_options *options, const char *folder, sg_error *err)
{
    const sg_net_spec *spec = sg_model_spec(model);
    sg_run run;
    sg_projection p = {.features = NULL};
    float *features = NULL;
    size_t n, dim;
    SG_ASSERT(spec->head == SG_HEAD_HASH && sg_projection_known(options->kind));
    if (split->ntrain == 0)
        return sg_fail(err, SG_ERR_USAGE, "%s: there are no training images", options->kind);
    if (!sg_run_open(&run, folder, err)) return false;
    bool ok =
        read_features(&features, &n, &dim, model, ds, split, options, err) &&
        sg_projection_init(&p, options->kind, features, n, dim, (size_t)spec->outputs, options->seed, err);
    if (ok) {
        fold(model->params, &p);
        set_result(result, &p);
    }
    ok = ok && notes_write(&model->notes, &p, ds, split, err) && sg_train_config(&run, model, err) &&
         sg_split_write(split, ds, run.split, err) && sg_run_model(&run, model, true, err) &&
         report_write(&run, &p, err) && sg_run_finish(&run, 1, 1, err);
    sg_projection_clear(&p);
    sg_free_aligned(features);
    sg_run_close(&run);
    return ok;
}
