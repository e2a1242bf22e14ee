/* FGSM (Goodfellow et al. 2015): one step of eps. The sign step with T = 1 is 2.5 eps, which the ball cuts to eps. */
#include "attack_impl.h"

const sg_attack sg_attack_fgsm = {.name = "fgsm",
                                  .hash = &sg_objective_own,
                                  .classifier = &sg_objective_ce,
                                  .uses_gradient = true,
                                  .single_step = true,
                                  .iterations = 1,
                                  .start = sg_ball_start_center,
                                  .move = sg_ball_move_sign};
