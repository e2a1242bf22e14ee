/* The rules and their registry (FORMULAS: B in the place of W). sign(0) = 0. */
#include "feedback_impl.h"

#include <math.h>
#include <string.h>

static void fill_bp(float *B, const float *W, const float *R, float s, size_t n)
{
    (void)R, (void)s;
    memcpy(B, W, n * sizeof *B);
}

/* Uniform sign-concordant feedback (Liao et al. 2016). */
static void fill_usf(float *B, const float *W, const float *R, float s, size_t n)
{
    (void)R;
    for (size_t i = 0; i < n; i++) B[i] = W[i] > 0 ? s : W[i] < 0 ? -s : 0;
}

/* Fixed, or batchwise, random magnitudes with W's signs. */
static void fill_magnitudes(float *B, const float *W, const float *R, float s, size_t n)
{
    (void)s;
    for (size_t i = 0; i < n; i++) {
        const float magnitude = fabsf(R[i]); /* outside the choice, which then is no branch */
        B[i] = W[i] > 0 ? magnitude : W[i] < 0 ? -magnitude : 0;
    }
}

/* Feedback alignment (Lillicrap et al. 2016). */
static void fill_fa(float *B, const float *W, const float *R, float s, size_t n)
{
    (void)W, (void)s;
    memcpy(B, R, n * sizeof *B);
}

const sg_rule sg_rule_bp = {"bp", true, SG_DRAW_NONE, fill_bp};
const sg_rule sg_rule_usf = {"usf", false, SG_DRAW_NONE, fill_usf};
const sg_rule sg_rule_frsf = {"frsf", false, SG_DRAW_ONCE, fill_magnitudes};
const sg_rule sg_rule_brsf = {"brsf", false, SG_DRAW_EACH_STEP, fill_magnitudes};
const sg_rule sg_rule_fa = {"fa", false, SG_DRAW_ONCE, fill_fa};

static const sg_rule *const rules[] = {&sg_rule_bp, &sg_rule_usf, &sg_rule_frsf, &sg_rule_brsf, &sg_rule_fa};
#define NRULES (sizeof rules / sizeof *rules)
static const char *const names[] = {"bp", "usf", "frsf", "brsf", "fa"};
_Static_assert(sizeof names / sizeof *names == NRULES, "a name for each rule");

const sg_rule *sg_rule_find(const char *name, sg_error *err)
{
    char all[256] = "";
    for (size_t i = 0, used = 0; i < NRULES; i++) {
        if (strcmp(rules[i]->name, name) == 0) return rules[i];
        used += (size_t)snprintf(all + used, sizeof all - used, "%s%s", i ? ", " : "", names[i]);
    }
    sg_fail(err, SG_ERR_USAGE, "unknown rule '%s' (there are %s)", name, all);
    return NULL;
}

const char *sg_rule_name(const sg_rule *rule)
{
    return rule->name;
}

const char *const *sg_rule_names(size_t *n)
{
    *n = NRULES;
    return names;
}
