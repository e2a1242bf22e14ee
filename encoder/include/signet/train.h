/* Training: a loop over epochs of loader, plan, loss, optimiser; validation through a callback; a run folder. */
#ifndef SIGNET_TRAIN_H
#define SIGNET_TRAIN_H

#include <signet/augment.h>
#include <signet/dataset.h>
#include <signet/loss.h>
#include <signet/model.h>
#include <signet/optim.h>
#include <signet/profile.h>
#include <signet/split.h>

typedef struct sg_train_options {
    size_t epochs, batch;
    const char *loss;
    const sg_kv *loss_values;
    sg_optim_options optim;
    sg_schedule schedule; /* name must be set; steps_per_epoch and epochs are filled in */
    bool frozen_bn, head_only;
    sg_augment augment; /* of the training images */
    uint64_t seed;
    int loader_threads;
    FILE *log;           /* progress line and one line an epoch; NULL: silent */
    sg_profile *profile; /* times the steps; NULL: nothing */
} sg_train_options;

/* Validation after an epoch: a score, higher is better, by a name ("accuracy", "mAP"). */
typedef struct sg_validate {
    const char *score_name;
    bool (*run)(double *score, void *context, const sg_model *model, sg_error *err);
    void *context;
} sg_validate;

typedef struct sg_train_result {
    size_t epochs, best_epoch; /* best_epoch from 1; the last when nothing validates */
    double best_score, last_loss, images_per_second;
} sg_train_result;

/* Trains model in place (it ends as the last epoch left it) on items train of split. model->feedback says by which rule;
 * its notes get what docs/formats.md lists, others in them stay. head_only leaves the whole body as it is, running
 * statistics too. Training images must have a label each (SG_ERR_USAGE names one that has none).
 *
 * Writes into folder run (made when absent; a finished run there is refused, SG_ERR_USAGE, what an unfinished one left
 * is replaced): config, split.txt (the lists), and after each epoch train.jsonl, last.safetensors and, when it is the best, best.safetensors.
 * validate may be NULL (then best is last). An interrupt ends after the step under way with SG_ERR_INTERRUPTED; what
 * earlier epochs wrote stays. A loss that is not finite ends it with the step's number (SG_ERR_LIMIT). */
bool sg_train_run(sg_train_result *result, sg_model *model, const sg_dataset *ds, const sg_split *split,
                  const sg_train_options *options, const sg_validate *validate, const char *run,
                  sg_error *err);

#endif
