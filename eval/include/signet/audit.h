/* The audit: models x attacks x eps x gradients, in cells that are finished one by one and found again after a
 * stop. Folder: split.txt, results.csv, audit.json, queries.csv (one line a query and cell), cells/, report.html. */
#ifndef SIGNET_AUDIT_H
#define SIGNET_AUDIT_H

#include <signet/attack.h>
#include <signet/evaluate.h>

typedef struct sg_audit_options {
    const char *const *model_paths; /* hashes and classifiers, each for attacks that know its head */
    const char *const *names;       /* NULL: the files' names, with their folders' where they are equal */
    size_t nmodels;
    const char *precision; /* as in sg_precision_parse; NULL: each model's own */
    const char *const *attacks;
    size_t nattacks;
    const double *eps; /* of 1, in any order; 0 is the clean row, which every model has anyway */
    size_t neps;
    const sg_gradient *gradients;
    size_t ngradients;
    int iterations;  /* 0: each attack's default; an attack of one step stays one */
    size_t nqueries; /* of the split's queries, the first ones of its drawn order; 0: all */
    size_t top;      /* cut-off of mAP; 0: none */
    uint64_t seed;
    size_t batch;
    uint64_t max_pixels; /* of a picture, as in sg_decode_options */
    FILE *log;           /* progress over all cells, and a line for each that is finished; NULL: silent */
} sg_audit_options;

/* Runs what is not yet in dir (a cell's key holds the model's fingerprint, precision and feedback and every option that decides
 * it; not the batch), then writes tables and report (docs/formats.md). A model whose rule sends its weights down has
 * one gradient: its cells are run once. A dir of another audit (other data, split or top): SG_ERR_MISMATCH. Without
 * gnuplot (SG_ERR_NOT_FOUND) or the precision (SG_ERR_UNSUPPORTED): before anything is run. An interrupt: SG_ERR_INTERRUPTED; finished cells stay. */
bool sg_audit_run(const char *dir, const sg_dataset *ds, const sg_split *split,
                  const sg_audit_options *options, sg_error *err);

#endif
