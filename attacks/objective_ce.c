/* ce: L = -cross-entropy of a classifier, q the true label (several labels: shared evenly; none: the class the model
 * gives the clean image). With p = softmax(z), dL/dz_k = q_k - p_k. */
#include "attack_impl.h"

#include <math.h>
#include <signet/mem.h>

typedef struct ce_state {
    size_t classes;
    double *q; /* (batch, classes) */
} ce_state;

static void ce_free(void *state)
{
    ce_state *ce = state;
    if (ce == NULL) return;
    sg_free(ce->q);
    sg_free(ce);
}

static bool ce_init(void **state, const sg_objective_setup *setup, sg_error *err)
{
    size_t n;
    ce_state *ce = sg_calloc(1, sizeof *ce);
    if (ce != NULL && sg_mul_size(&n, setup->batch, setup->outputs)) {
        ce->classes = setup->outputs;
        ce->q = sg_alloc(n, sizeof *ce->q);
    }
    if (ce == NULL || ce->q == NULL) {
        ce_free(ce);
        return sg_fail_memory(err, "attack's objective");
    }
    *state = ce;
    return true;
}

static size_t largest(const float *z, size_t n)
{
    size_t best = 0;
    for (size_t k = 1; k < n; k++)
        if (z[k] > z[best]) best = k;
    return best;
}

static bool ce_begin(void *state, size_t slot, const sg_subject *subject, sg_error *err)
{
    ce_state *ce = state;
    double *q = ce->q + slot * ce->classes;
    const sg_labels *labels = subject->labels;
    if (labels != NULL && labels->classes > ce->classes)
        return sg_fail(err, SG_ERR_MISMATCH, "labels are of %zu classes, the model knows %zu",
                       labels->classes, ce->classes);
    size_t count = labels == NULL ? 0 : sg_labels_count(labels, subject->item);
    for (size_t k = 0; k < ce->classes; k++)
        q[k] = count > 0 && k < labels->classes && sg_labels_has(labels, subject->item, k)
                   ? 1.0 / (double)count
                   : 0;
    if (count == 0) q[largest(subject->z, ce->classes)] = 1;
    return true;
}

/* With `on` and `off` the probability of the labels and of the rest, q_k - p_k = q_k off + (q_k on - p_k): written so,
 * nothing cancels where the model is sure of its one label. */
static bool ce_gradient(void *state, double *dz, size_t slot, const float *z, double alpha)
{
    (void)alpha; /* of hash outputs */
    const ce_state *ce = state;
    const double *q = ce->q + slot * ce->classes;
    double top = z[largest(z, ce->classes)], sum = 0, on = 0, off = 0;
    for (size_t k = 0; k < ce->classes; k++) sum += dz[k] = exp(z[k] - top);
    for (size_t k = 0; k < ce->classes; k++) {
        dz[k] /= sum;
        *(q[k] > 0 ? &on : &off) += dz[k];
    }
    for (size_t k = 0; k < ce->classes; k++) dz[k] = q[k] * off + (q[k] * on - dz[k]);
    return true;
}

static sg_score ce_score(const void *state, size_t slot, const float *z)
{
    const ce_state *ce = state;
    const double *q = ce->q + slot * ce->classes;
    size_t first = largest(z, ce->classes);
    sg_score score = {.distance = q[first] == 0};
    double others = 0; /* against the first's 1 */
    for (size_t k = 0; k < ce->classes; k++) others += k == first ? 0 : exp((double)z[k] - z[first]);
    for (size_t k = 0; k < ce->classes; k++)
        if (q[k] > 0) score.mean += q[k] * ((double)z[k] - z[first] - log1p(others));
    return score;
}

const sg_objective sg_objective_ce = {"ce", ce_init, ce_free, ce_begin, ce_gradient, ce_score};
