/* The folder of a training run: config, split.txt, train.jsonl, best.safetensors, last.safetensors (docs/formats.md). Each file
 * appears whole or not at all. */
#ifndef SIGNET_RUN_IMPL_H
#define SIGNET_RUN_IMPL_H

#include <signet/buf.h>
#include <signet/json.h>
#include <signet/model.h>

typedef struct sg_run {
    char *config, *split, *log, *best, *last; /* paths */
    sg_buf lines;                             /* of train.jsonl so far */
} sg_run;

/* Makes the folder. What an unfinished run left there is removed; a finished one is refused (SG_ERR_USAGE). */
bool sg_run_open(sg_run *run, const char *folder, sg_error *err);
void sg_run_close(sg_run *run);
/* A flat JSON object of the settings: numbers where the text is one. */
bool sg_run_config(sg_run *run, const sg_kv *settings, sg_error *err);
/* Adds a line to train.jsonl. */
bool sg_run_line(sg_run *run, const sg_json *line, sg_error *err);
/* Writes last.safetensors, and best.safetensors too (the same bytes). */
bool sg_run_model(sg_run *run, sg_model *model, bool best, sg_error *err);
/* The line that says so: the run is finished. */
bool sg_run_finish(sg_run *run, size_t epochs, size_t best_epoch, sg_error *err);

#endif
