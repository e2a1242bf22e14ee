#include "model_impl.h"
#include "run_impl.h"
#include "train_impl.h"

#include <math.h>
#include <signet/mem.h>
#include <string.h>

bool sg_train_config(sg_run *run, const sg_model *model, sg_error *err)
{
    static const char prefix[] = "signet.", note[] = "note.";
    sg_kv meta = SG_KV_INIT, settings = SG_KV_INIT;
    bool ok = sg_model_meta_write(&meta, model, err);
    for (size_t i = 0; ok && i < meta.n; i++) {
        const char *key = meta.pairs[i].key + strlen(prefix);
        if (strncmp(key, note, strlen(note)) == 0) key += strlen(note);
        ok = sg_kv_set(&settings, key, meta.pairs[i].value, err);
    }
    ok = ok && sg_run_config(run, &settings, err);
    sg_kv_clear(&settings);
    sg_kv_clear(&meta);
    return ok;
}

/* What an epoch came to. */
typedef struct epoch_report {
    size_t epoch; /* from 1 */
    double loss, score, images_per_second;
    const char *score_name; /* NULL: nothing validates */
    float lr;
} epoch_report;

/* Angle between B and W and ||B|| / ||W|| of each weighted layer, at the last step. */
static bool add_layers(sg_json *line, const sg_trainer *t, sg_error *err)
{
    const sg_params *params = t->model->params;
    size_t n = sg_params_weights(params), w = 0;
    float *angle = sg_alloc(n, sizeof *angle), *ratio = sg_alloc(n, sizeof *ratio);
    bool ok = angle && ratio ? true : sg_fail_memory(err, "angles");
    ok = ok && sg_feedback_angles(angle, ratio, &t->model->feedback, params, t->step - 1, err);
    sg_json *layers = ok ? sg_json_add_array(line, "layers") : NULL;
    for (size_t i = 0; ok && i < params->ntensors; i++) {
        if (params->tensors[i].role != SG_TENSOR_WEIGHT) continue;
        sg_json *layer = sg_json_object();
        sg_json_add_string(layer, "name", params->tensors[i].name);
        sg_json_add_number(layer, "angle", (double)angle[w]);
        sg_json_add_number(layer, "norm_ratio", (double)ratio[w++]);
        sg_json_add(layers, NULL, layer);
    }
    sg_free(ratio);
    sg_free(angle);
    return ok;
}

static bool report_write(sg_run *run, const sg_trainer *t, const epoch_report *r, sg_error *err)
{
    sg_json *line = sg_json_object();
    sg_json_add_int(line, "epoch", (int64_t)r->epoch);
    sg_json_add_int(line, "step", (int64_t)t->step);
    sg_json_add_number(line, "loss", r->loss);
    if (r->score_name) {
        sg_json_add_string(line, "score_name", r->score_name);
        sg_json_add_number(line, "score", r->score);
    }
    sg_json_add_number(line, "lr", (double)r->lr);
    sg_json_add_number(line, "images_per_second", r->images_per_second);
    bool ok = add_layers(line, t, err) && sg_run_line(run, line, err);
    sg_json_free(line);
    return ok;
}

static void report_print(FILE *out, const epoch_report *r, size_t epochs)
{
    if (!out) return;
    fprintf(out, "epoch %zu/%zu  loss %.4f", r->epoch, epochs, r->loss);
    if (r->score_name) fprintf(out, "  %s %.4f", r->score_name, r->score);
    fprintf(out, "  lr %.3g  %.0f images/s\n", (double)r->lr, r->images_per_second);
    fflush(out);
}

/* Trains and validates one epoch and keeps what it gave. */
static bool epoch_run(sg_train_result *result, sg_trainer *t, sg_run *run, const sg_validate *validate,
                      size_t epoch, sg_error *err)
{
    const sg_train_options *o = &t->options;
    epoch_report r = {.epoch = epoch + 1};
    double before = t->seconds;
    if (!sg_trainer_epoch(t, &r.loss, epoch, err)) return false;
    sg_progress_end(&t->progress);
    r.images_per_second = (double)(o->schedule.steps_per_epoch * o->batch) / fmax(t->seconds - before, 1e-9);
    r.lr = o->optim.lr * sg_trainer_rate(t);
    if (validate) {
        r.score_name = validate->score_name;
        const sg_profile_mark mark = sg_profile_begin(o->profile);
        if (!validate->run(&r.score, validate->context, t->model, err)) return false;
        sg_profile_end(o->profile, mark, SG_PROFILE_ENCODE, "(validation)");
    }
    bool best = !validate || epoch == 0 || r.score > result->best_score;
    const sg_profile_mark mark = sg_profile_begin(o->profile);
    if (!sg_kv_setf(&t->model->notes, err, "epoch", "%zu", epoch + 1) ||
        !sg_run_model(run, t->model, best, err) || !report_write(run, t, &r, err))
        return false;
    sg_profile_end(o->profile, mark, SG_PROFILE_FILES, "(run)");
    report_print(o->log, &r, o->epochs);
    result->epochs = epoch + 1;
    result->last_loss = r.loss;
    if (best) {
        result->best_epoch = epoch + 1;
        result->best_score = r.score;
    }
    return true;
}

bool sg_train_run(sg_train_result *result, sg_model *model, const sg_dataset *ds, const sg_split *split,
                  const sg_train_options *options, const sg_validate *validate, const char *run_folder,
                  sg_error *err)
{
    sg_trainer t;
    sg_run run;
    *result = (sg_train_result){0};
    const sg_profile_mark mark = sg_profile_begin(options->profile);
    if (!sg_trainer_init(&t, model, ds, split, options, err)) return false;
    sg_profile_end(options->profile, mark, SG_PROFILE_PREPARE, "(trainer)");
    bool open = sg_run_open(&run, run_folder, err);
    bool ok = open && sg_train_notes(&model->notes, &t, ds, split, err) &&
              sg_train_config(&run, model, err) && sg_split_write(split, ds, run.split, err);
    for (size_t epoch = 0; ok && epoch < options->epochs; epoch++)
        ok = epoch_run(result, &t, &run, validate, epoch, err);
    sg_progress_end(&t.progress);
    if (ok) ok = sg_run_finish(&run, result->epochs, result->best_epoch, err);
    if (ok) result->images_per_second = (double)(t.steps * options->batch) / fmax(t.seconds, 1e-9);
    if (open && !ok && err && err->code == SG_ERR_INTERRUPTED)
        sg_prefix(err, "training ended after %zu of %zu epochs, which %s keeps", result->epochs,
                  options->epochs, run_folder);
    if (open) sg_run_close(&run);
    sg_trainer_clear(&t);
    return ok;
}
