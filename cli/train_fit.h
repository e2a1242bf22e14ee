/* Training without labels: the part of `train` that fits a hash head in one pass. */
#ifndef SIGNET_CLI_TRAIN_FIT_H
#define SIGNET_CLI_TRAIN_FIT_H

#include "common.h"

/* SG_ERR_USAGE for options of `train` that mean nothing to such a loss. */
bool cli_fit_check(const cli_call *call, const char *loss, sg_error *err);
/* Fits the model's head and writes the run's folder. */
bool cli_fit(sg_model *model, const char *loss, const sg_dataset *ds, const sg_split *split, size_t batch,
             uint64_t seed, const char *run, const cli_call *call, sg_error *err);

#endif
