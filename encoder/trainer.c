#include "train_impl.h"

#include <math.h>
#include <signet/cpu.h>
#include <signet/interrupt.h>
#include <signet/mem.h>
#include <string.h>

/* Images without a class would be left out of the loss in silence. */
static bool labels_check(const sg_dataset *ds, const sg_split *split, sg_error *err)
{
    const sg_labels *labels = sg_dataset_labels(ds);
    for (size_t i = 0; labels->ids && i < split->ntrain; i++)
        if (labels->ids[split->train[i]] < 0)
            return sg_fail(err, SG_ERR_USAGE, "training image %s has no label",
                           sg_dataset_item_name(ds, split->train[i]));
    return true;
}

static bool loss_make(sg_trainer *t, sg_error *err)
{
    const sg_net_spec *spec = sg_model_spec(t->model);
    const sg_loss_options options = {.outputs = (size_t)spec->outputs,
                                     .classes = t->all->classes,
                                     .batch = t->options.batch,
                                     .multi = t->all->rows != NULL,
                                     .seed = t->options.seed,
                                     .values = t->options.loss_values};
    if (!sg_loss_new(&t->loss, t->options.loss, &options, err)) return false;
    if (t->loss->kind->head == spec->head) return true;
    return sg_fail(err, SG_ERR_USAGE, "loss %s trains a %s, the model is a %s", t->options.loss,
                   spec->head == SG_HEAD_HASH ? "classifier" : "hash",
                   spec->head == SG_HEAD_HASH ? "hash" : "classifier");
}

static bool loader_make(sg_trainer *t, const sg_dataset *ds, const sg_split *split, sg_error *err)
{
    sg_train_options *o = &t->options;
    if (o->batch == 0) return sg_fail(err, SG_ERR_USAGE, "training: a batch of 0 images");
    if (split->ntrain < o->batch)
        return sg_fail(err, SG_ERR_USAGE, "training: %zu images are less than a batch of %zu", split->ntrain,
                       o->batch);
    const sg_loader_options options = {.items = split->train,
                                       .nitems = split->ntrain,
                                       .preprocess = t->model->preprocess,
                                       .augment = o->augment,
                                       .batch = o->batch,
                                       .shuffle = true,
                                       .drop_last = true,
                                       .seed = o->seed,
                                       .threads = o->loader_threads};
    if (!sg_loader_open(&t->loader, ds, &options, err)) return false;
    o->schedule.steps_per_epoch = sg_loader_batches(t->loader);
    o->schedule.epochs = o->epochs;
    t->steps = o->schedule.steps_per_epoch * o->epochs;
    return sg_schedule_check(&o->schedule, err);
}

static bool memory_make(sg_trainer *t, sg_error *err)
{
    size_t pixels, numbers, outputs = sg_net_output_size(t->model->net);
    t->input_size = sg_net_input_size(t->model->net);
    if (!sg_mul_size(&pixels, t->options.batch, t->input_size) ||
        !sg_mul_size(&numbers, t->options.batch, outputs))
        return sg_fail_memory(err, "training");
    t->x = sg_alloc_aligned(pixels, sizeof *t->x);
    t->z = sg_alloc_aligned(numbers, sizeof *t->z);
    t->dz = sg_alloc_aligned(numbers, sizeof *t->dz);
    t->grads = sg_alloc_aligned(t->model->params->size, sizeof *t->grads);
    if (!t->x || !t->z || !t->dz || !t->grads) return sg_fail_memory(err, "training");
    return sg_labels_init(&t->labels, t->options.batch, t->all->classes, t->all->rows != NULL, err);
}

bool sg_trainer_init(sg_trainer *t, sg_model *model, const sg_dataset *ds, const sg_split *split,
                     const sg_train_options *options, sg_error *err)
{
    *t = (sg_trainer){.model = model, .all = sg_dataset_labels(ds), .options = *options};
    t->options.optim.head_only = options->head_only;
    t->options.frozen_bn = options->frozen_bn || options->head_only; /* running statistics are of the body */
    const sg_plan_options plan = {.purpose = SG_TRAIN,
                                  .batch = options->batch,
                                  .precision = model->precision,
                                  .frozen_bn = t->options.frozen_bn,
                                  .head_only = options->head_only,
                                  .seed = options->seed};
    bool ok = loss_make(t, err) && labels_check(ds, split, err) && loader_make(t, ds, split, err) &&
              sg_optim_new(&t->optim, &t->options.optim, model->params, err) && memory_make(t, err) &&
              sg_plan_new(&t->plan, model->net, &plan, err);
    if (!ok) {
        sg_trainer_clear(t);
        return false;
    }
    sg_plan_profile(t->plan, options->profile);
    sg_progress_init(&t->progress, options->log, "train", "images", (uint64_t)t->steps * options->batch);
    return true;
}

void sg_trainer_clear(sg_trainer *t)
{
    sg_plan_free(t->plan);
    sg_labels_clear(&t->labels);
    sg_free_aligned(t->grads);
    sg_free_aligned(t->dz);
    sg_free_aligned(t->z);
    sg_free_aligned(t->x);
    sg_optim_free(t->optim);
    sg_loader_close(t->loader);
    sg_loss_free(t->loss);
    *t = (sg_trainer){0};
}

static void labels_fill(sg_trainer *t, const uint32_t *items)
{
    size_t classes = t->all->classes;
    for (size_t i = 0; i < t->options.batch; i++)
        if (t->all->rows)
            memcpy(t->labels.rows + i * classes, t->all->rows + items[i] * classes, classes);
        else
            t->labels.ids[i] = t->all->ids[items[i]];
}

static bool step(sg_trainer *t, double *loss, const sg_batch *batch, size_t epoch, sg_error *err)
{
    sg_model *model = t->model;
    size_t n = t->options.batch;
    SG_ASSERT(batch->n == n);
    sg_profile *profile = t->options.profile;
    sg_profile_mark mark = sg_profile_begin(profile);
    sg_profile_images(profile, n);
    labels_fill(t, batch->items);
    sg_pixels_to_float(t->x, batch->pixels, n * t->input_size);
    sg_profile_end(profile, mark, SG_PROFILE_OTHER, "(pixels)");
    sg_plan_load(t->plan, model->params, &model->feedback, t->step);
    sg_plan_train_forward(t->plan, model->params, t->x, t->z);
    mark = sg_profile_begin(profile);
    *loss = sg_loss_run(t->loss, t->dz, t->z, &t->labels, n);
    sg_profile_end(profile, mark, SG_PROFILE_LOSS, "(loss)");
    if (!isfinite(*loss))
        return sg_fail(err, SG_ERR_LIMIT,
                       "training: the loss of step %zu (epoch %zu) is %g; try a smaller rate", t->step + 1,
                       epoch + 1, *loss);
    sg_plan_backward(t->plan, t->dz, t->grads, NULL);
    mark = sg_profile_begin(profile);
    sg_optim_step(t->optim, model->params, t->grads, sg_schedule_rate(&t->options.schedule, t->step));
    sg_profile_end(profile, mark, SG_PROFILE_OPTIMISER, "(optimiser)");
    t->step++;
    return true;
}

static void show(sg_trainer *t, size_t epoch, double mean)
{
    char note[96];
    snprintf(note, sizeof note, "epoch %zu/%zu  loss %.4g  lr %.3g", epoch + 1, t->options.epochs, mean,
             (double)(t->options.optim.lr * sg_trainer_rate(t)));
    sg_progress_update(&t->progress, (uint64_t)t->step * t->options.batch, note);
}

bool sg_trainer_epoch(sg_trainer *t, double *mean, size_t epoch, sg_error *err)
{
    double started = sg_now_seconds(), sum = 0.0, loss;
    sg_batch batch;
    if (!sg_loader_start(t->loader, epoch, err)) return false;
    for (size_t done = 1;; done++) {
        const sg_profile_mark mark = sg_profile_begin(t->options.profile);
        if (!sg_interrupt_check(err) || !sg_loader_next(&batch, t->loader, err)) return false;
        sg_profile_end(t->options.profile, mark, SG_PROFILE_WAIT, "(loader)");
        if (batch.n == 0) break;
        if (!step(t, &loss, &batch, epoch, err)) return false;
        sum += loss;
        *mean = sum / (double)done;
        show(t, epoch, *mean);
    }
    t->seconds += sg_now_seconds() - started;
    return true;
}

float sg_trainer_rate(const sg_trainer *t)
{
    return sg_schedule_rate(&t->options.schedule, t->step > 0 ? t->step - 1 : 0);
}
