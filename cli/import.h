/* Files of weights that signet did not make, as models. */
#ifndef SIGNET_CLI_IMPORT_H
#define SIGNET_CLI_IMPORT_H

#include "common.h"

typedef struct cli_import {
    const char *arch; /* NULL: not given */
    cli_input input;
    int64_t channels;            /* 0: as the first layer has them */
    const cli_reals *mean, *std; /* NULL or empty: ImageNet's */
    const char *const *classes;  /* NULL: none */
    size_t nclasses;
} cli_import;

/* The model in a file: one of signet's own as it is, or foreign weights (--arch is then needed) under the usual ways of
 * pictures. Under --verbose all tensors that do not fit are listed. */
bool cli_import_model(sg_model **model, const char *path, const cli_import *import, const cli_call *call,
                      sg_error *err);

#endif
