/* The parts of training: the trainer does steps, notes say how, run keeps the results. */
#ifndef SIGNET_TRAIN_IMPL_H
#define SIGNET_TRAIN_IMPL_H

#include "loss_impl.h"
#include "run_impl.h"

#include <signet/loader.h>
#include <signet/plan.h>
#include <signet/progress.h>
#include <signet/train.h>

/* Steps on batches: loader, plan, loss and optimiser bound to a model. */
typedef struct sg_trainer {
    sg_model *model;
    const sg_labels *all; /* labels of the data set */
    sg_labels labels;     /* of the batch */
    sg_train_options options;
    sg_loader *loader;
    sg_loss *loss;
    sg_optim *optim;
    sg_plan *plan;
    float *x, *z, *dz; /* (batch, C, H, W), (batch, outputs), (batch, outputs) */
    float *grads;      /* a block of params' layout */
    size_t input_size;
    size_t step, steps; /* steps done, steps of the whole run */
    double seconds;     /* spent on them */
    sg_progress progress;
} sg_trainer;

bool sg_trainer_init(sg_trainer *t, sg_model *model, const sg_dataset *ds, const sg_split *split,
                     const sg_train_options *options, sg_error *err);
void sg_trainer_clear(sg_trainer *t);
/* One pass over the training images; the mean of the steps' losses. epoch from 0. */
bool sg_trainer_epoch(sg_trainer *t, double *loss, size_t epoch, sg_error *err);
/* The factor on lr of the last step. */
float sg_trainer_rate(const sg_trainer *t);

/* The run's config: the model's metadata without "signet." and the notes, which then stand among them. */
bool sg_train_config(sg_run *run, const sg_model *model, sg_error *err);
/* Data, protocol, the split's checksum and sizes. */
bool sg_train_data_notes(sg_kv *notes, const sg_dataset *ds, const sg_split *split, sg_error *err);
/* How the model is trained, as texts: for its notes and the run's config. No paths, times or threads. */
bool sg_train_notes(sg_kv *notes, const sg_trainer *t, const sg_dataset *ds, const sg_split *split,
                    sg_error *err);

#endif
