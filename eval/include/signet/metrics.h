/* Retrieval metrics, pure: distances and relevance in, numbers out. Hamming distances collide, so average precision
 * is over the order of equals: expected (random order, McSherry and Najork 2008), lowest, highest, and by id. */
#ifndef SIGNET_METRICS_H
#define SIGNET_METRICS_H

#include <signet/codes.h>
#include <signet/labels.h>

typedef enum { SG_DENOMINATOR_HITS, SG_DENOMINATOR_MIN, SG_DENOMINATOR_ALL } sg_denominator;

typedef struct sg_ap {
    double expected, low, high, order;
} sg_ap;

/* One query, from histograms by distance: n[d] items, p[d] relevant ones, d < ndist. top 0: no cut-off (then the
 * denominator is all relevant, R). order is left NaN: it needs the ranking. */
void sg_ap_from_counts(sg_ap *ap, const uint32_t *n, const uint32_t *p, size_t ndist, size_t top,
                       sg_denominator denominator);
/* One query, from a full ranking by (distance, id): relevant[i] of the i-th. */
double sg_ap_from_ranking(const uint8_t *relevant, size_t n, size_t top, sg_denominator denominator);

/* One side of a retrieval: codes (n, nbits / 8) and labels (n). Borrowed. */
typedef struct sg_coded {
    const uint8_t *codes;
    const sg_labels *labels;
    size_t n;
} sg_coded;

typedef struct sg_retrieval_options {
    size_t nbits, top; /* top 0: no cut-off */
    sg_denominator denominator;
    const size_t *precision_at; /* cut-offs N */
    size_t nprecision_at;
} sg_retrieval_options;

#define SG_PRECISION_AT_MAX 16

typedef struct sg_retrieval {
    sg_ap map;
    double precision_at
        [SG_PRECISION_AT_MAX]; /* expected over ties; of N, or of the database when it is smaller */
    double recall_at[SG_PRECISION_AT_MAX]; /* 0 for a query without relevant items */
    double radius2;                        /* precision within Hamming radius 2; no answer counts 0 */
    double chance; /* expected AP when all distances are equal, same cut and denominator, mean over queries */
    double *ap;    /* (queries) expected AP of each, owned */
    size_t queries, database, without_relevant;
} sg_retrieval;

/* Counting by distance, no sort, all threads; the same numbers from any number of them. "Id" is the place in the
 * database. Queries without relevant items count 0 and stay in every mean. Labels of two kinds, or not one a code:
 * SG_ERR_MISMATCH; nothing to rank: SG_ERR_USAGE. On failure *out is zeroed. */
bool sg_retrieval_run(sg_retrieval *out, const sg_coded *queries, const sg_coded *database,
                      const sg_retrieval_options *options, sg_error *err);
void sg_retrieval_clear(sg_retrieval *retrieval);

/* Share of rows whose largest logit (lowest class on a tie) is the label; of rows with the label in the top five.
 * With several labels the best placed one counts; a row without a label is never right. logits (n, classes). */
void sg_accuracy(double *top1, double *top5, const float *logits, const sg_labels *labels, size_t n,
                 size_t classes);

/* Bootstrap over queries: 95 % interval of the mean of values (n > 0) (paired difference: pass differences), the
 * percentiles 2.5 and 97.5 of the means of resamples (10,000 in all that signet reports). */
bool sg_bootstrap(double *low, double *high, const double *values, size_t n, size_t resamples, uint64_t seed,
                  sg_error *err);
#define SG_RESAMPLES 10000

/* Code statistics of (n, nbits / 8): share of ones of a bit, mean |correlation| of bit pairs (those with a constant
 * bit left out; 0 when there are no others), share of items whose code another item has too. */
typedef struct sg_code_stats {
    double ones_min, ones_max, balance_mean; /* balance: mean |2 ones - 1| */
    double correlation, collisions;
    size_t distinct;
} sg_code_stats;
bool sg_code_stats_of(sg_code_stats *stats, const uint8_t *codes, size_t n, size_t nbits, sg_error *err);

#endif
