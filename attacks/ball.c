/* The ball of allowed images and the ways through it, in integers: an iterate is the file that will be saved. */
#include "attack_impl.h"

#include <math.h>
#include <string.h>

/* eps comes from fractions, perhaps in f32: 8.0f / 255 * 255 may miss 8 by rounding. */
#define GRID_TOLERANCE 1e-4

int sg_ball_radius(double eps)
{
    return (int)floor(255 * eps + GRID_TOLERANCE);
}

int sg_ball_step(double eps, int nsteps)
{
    return (int)ceil(2.5 * 255 * eps / nsteps - GRID_TOLERANCE);
}

double sg_alpha_at(int step, int nsteps)
{
    static const double schedule[10] = {.1, .1, .1, .1, .1, .2, .3, .5, .7, 1};
    return schedule[(int64_t)step * 10 / nsteps];
}

sg_rng sg_ball_rng(const sg_ball *ball, uint64_t restart)
{
    return sg_rng_at(ball->seed, SG_RNG_ATTACK, ball->key, restart);
}

void sg_ball_start_center(uint8_t *x, const sg_ball *ball)
{
    memcpy(x, ball->center, ball->size);
}

static inline int clamp(int v, int low, int high)
{
    return v < low ? low : v > high ? high : v;
}

void sg_ball_fill(uint8_t *x, const sg_ball *ball, sg_rng *rng, int (*draw)(sg_rng *rng, int eps))
{
    for (size_t i = 0; i < ball->size; i++)
        x[i] = (uint8_t)clamp(ball->center[i] + draw(rng, ball->eps), 0, 255);
}

int sg_ball_draw_uniform(sg_rng *rng, int eps)
{
    return (int)sg_rng_below(rng, 2 * (uint64_t)eps + 1) - eps;
}

void sg_ball_start_random(uint8_t *x, const sg_ball *ball)
{
    sg_rng rng = sg_ball_rng(ball, 0);
    sg_ball_fill(x, ball, &rng, sg_ball_draw_uniform);
}

void sg_ball_move_sign(uint8_t *x, const float *gradient, const sg_ball *ball, int step)
{
    (void)step;
    for (size_t i = 0; i < ball->size; i++) {
        int sign = (gradient[i] > 0) - (gradient[i] < 0); /* not a number: stays */
        int v = clamp(x[i] - ball->eta * sign, ball->center[i] - ball->eps, ball->center[i] + ball->eps);
        x[i] = (uint8_t)clamp(v, 0, 255);
    }
}
