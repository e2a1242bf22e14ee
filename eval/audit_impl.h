/* The insides of an audit: what it measures, cell by cell, and keeps. */
#ifndef SIGNET_AUDIT_IMPL_H
#define SIGNET_AUDIT_IMPL_H

#include <signet/audit.h>
#include <signet/buf.h>

enum {
    SG_AUDIT_SHOWN = 3,  /* queries, the first ones, whose pictures are kept for the report */
    SG_AUDIT_NEAREST = 8 /* answers kept of each */
};

/* What tables and report say of a model. */
typedef struct sg_audit_model {
    const char *path; /* borrowed */
    char *name;       /* owned */
    char fingerprint[65], arch[64], rule[16], scale_kind[16];
    const char *precision;
    char encoder[80];   /* what makes its codes: the fingerprint, and the precision where it is not f32 */
    char feedback[33];  /* digest of rule, seed and scales, which the fingerprint leaves out */
    bool hash;          /* else a classifier */
    bool exact_is_rule; /* its rule sends W down: both gradients are one */
    int64_t channels, height, width, outputs;
} sg_audit_model;

typedef struct sg_nearest {
    uint32_t item; /* of the data set */
    unsigned distance;
    bool relevant;
} sg_nearest;

/* Of one query in one cell. */
typedef struct sg_cell_query {
    double score; /* expected AP; classifier: 1 when right, else 0 */
    double linf, psnr;
    unsigned hamming;
    int cls; /* classifier: top-1; -1 for a hash */
    int best_step;
    bool zero_gradient;
} sg_cell_query;

typedef struct sg_cell {
    const sg_audit_model *model;
    bool clean;                /* nothing was changed; attack is zeroed */
    sg_attack_options attack;  /* as it is run */
    const char *gradient_name; /* "exact", "rule", "exact=rule", "none" (noise); "" when clean */
    char key[33];
    bool done;
    /* Measured: */
    double value;     /* mean score: mAP or accuracy */
    sg_ap map;        /* hash */
    double low, high; /* 95 % interval of value */
    double chance, seconds;
    double hamming, linf, psnr,
        zero_gradient;      /* means over queries; psnr over changed ones, NaN when none is */
    sg_cell_query *queries; /* (nqueries) owned */
    sg_nearest nearest[SG_AUDIT_SHOWN][SG_AUDIT_NEAREST]; /* hash */
} sg_cell;

typedef struct sg_audit {
    const sg_audit_options *options; /* borrowed, as the three below */
    const char *dir;
    const sg_dataset *ds;
    const sg_split *split;
    char *cells_dir;
    sg_labels labels; /* of the queries */
    size_t nqueries, nshown, nnearest;
    sg_audit_model *models; /* options->nmodels */
    double *eps;            /* (neps) ascending, each once, 0 left out */
    size_t neps;
    sg_cell *cells; /* model by model, the clean one of each first */
    size_t ncells;
} sg_audit;

/* ---- audit.c ---- */
/* The cell of a model, NULL attack: the clean one; NULL when there is none. */
const sg_cell *sg_audit_find(const sg_audit *audit, const sg_audit_model *model, const char *attack,
                             sg_gradient gradient, double eps);
const char *sg_gradient_name(sg_gradient gradient);
/* "8/255", or the number. */
void sg_eps_text(char out[32], double eps);

/* ---- audit_cell.c: a cell's file, cells/KEY.json, and its pictures, cells/KEY-N.png ---- */
/* Fills the key: a digest of all that decides what is measured. */
void sg_cell_key(sg_cell *cell, const sg_audit *audit);
/* Finds a finished cell again: done says whether it is there, whole and sound. */
bool sg_cell_read(sg_cell *cell, const sg_audit *audit, sg_error *err);
/* pixels (nqueries, C, H, W) as the network read them; the file comes last, as it makes the cell finished. */
bool sg_cell_write(const sg_cell *cell, const sg_audit *audit, const uint8_t *pixels, sg_error *err);
/* The means from the queries. */
void sg_cell_means(sg_cell *cell, size_t nqueries);
bool sg_cell_picture(char **path, const sg_cell *cell, const sg_audit *audit, size_t shown, sg_error *err);

/* ---- audit_measure.c ---- */
/* Runs all cells of a model that are not done. progress counts image-steps over the whole audit. */
bool sg_audit_measure(sg_audit *audit, const sg_audit_model *model, sg_progress *progress, sg_error *err);

/* ---- audit_tables.c: results.csv, queries.csv, audit.json ---- */
bool sg_audit_tables(const sg_audit *audit, sg_error *err);

/* ---- report.c: report.html ---- */
bool sg_audit_report(const sg_audit *audit, sg_error *err);

#endif
