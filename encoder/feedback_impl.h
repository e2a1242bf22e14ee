/* The table that every learning rule is. */
#ifndef SIGNET_FEEDBACK_IMPL_H
#define SIGNET_FEEDBACK_IMPL_H

#include <signet/feedback.h>

typedef enum { SG_DRAW_NONE, SG_DRAW_ONCE, SG_DRAW_EACH_STEP } sg_draw;

struct sg_rule {
    const char *name;
    bool exact; /* B = W: no scales */
    sg_draw draw;
    /* n entries of B from those of W, the scale s and, where the rule draws, R ~ U(-sqrt(3) s, sqrt(3) s). */
    void (*fill)(float *B, const float *W, const float *R, float s, size_t n);
};

extern const sg_rule sg_rule_bp, sg_rule_usf, sg_rule_frsf, sg_rule_brsf, sg_rule_fa;

/* B of this weight is W. */
bool sg_feedback_exact(const sg_feedback *fb, const sg_tensor *w);

#endif
