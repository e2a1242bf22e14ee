/* Random noise, the least an attack has to beat: images of the ball, by turns uniform in it and at its corners. */
#include "attack_impl.h"

static int draw_corner(sg_rng *rng, int eps)
{
    return sg_rng_u32(rng) >> 31 ? eps : -eps;
}

static void draw_image(uint8_t *x, const float *gradient, const sg_ball *ball, int step)
{
    (void)gradient;
    sg_rng rng = sg_ball_rng(ball, (uint64_t)step);
    sg_ball_fill(x, ball, &rng, step % 2 == 1 ? sg_ball_draw_uniform : draw_corner);
}

const sg_attack sg_attack_noise = {.name = "noise",
                                   .hash = &sg_objective_own,
                                   .classifier = &sg_objective_ce,
                                   .iterations = 100,
                                   .start = sg_ball_start_center,
                                   .move = draw_image};
