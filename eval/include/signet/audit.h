/* The audit: models x attacks x eps x gradients, in cells that are finished one by one and found again after a
 * stop. Folder: results.csv, audit.json, queries.csv (one line a query and cell), cells/, report.html. */
#ifndef SIGNET_AUDIT_H
#define SIGNET_AUDIT_H

#include <signet/attack.h>
#include <signet/evaluate.h>

typedef struct sg_audit_options {
    const char *const *model_paths; /* shown by the file's name, or by names where given */
    const char *const *names;       /* may be NULL */
    size_t nmodels;
    const char *const *attacks;
    size_t nattacks;
    const double *eps; /* 0 is the clean row, measured once a model */
    size_t neps;
    const sg_gradient *gradients;
    size_t ngradients;
    int iterations;  /* 0: each attack's default */
    size_t nqueries; /* of the split's queries, the first ones of its drawn order */
    size_t top;
    uint64_t seed;
    size_t batch;
    FILE *log; /* progress; NULL: silent */
} sg_audit_options;

/* Runs what is not yet in dir (a cell's key holds the models' fingerprints and every option that decides it), then
 * writes tables and report. A dir of another audit (other split or top): SG_ERR_MISMATCH. */
bool sg_audit_run(const char *dir, const sg_dataset *ds, const sg_split *split,
                  const sg_audit_options *options, sg_error *err);

#endif
