/* PGD (Madry et al. 2018): a random start in the ball, then sign steps. */
#include "attack_impl.h"

const sg_attack sg_attack_pgd = {.name = "pgd",
                                 .hash = &sg_objective_own,
                                 .classifier = &sg_objective_ce,
                                 .uses_gradient = true,
                                 .iterations = 100,
                                 .start = sg_ball_start_random,
                                 .move = sg_ball_move_sign};
