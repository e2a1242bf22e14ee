/* HAG (Yang et al. 2020, "Adversarial examples for Hamming space search"): away from the image's own soft output.
 * Step sizes are the scale-free ones, not the published SGD. */
#include "attack_impl.h"

const sg_attack sg_attack_hag = {.name = "hag",
                                 .hash = &sg_objective_hag,
                                 .uses_gradient = true,
                                 .iterations = 100,
                                 .start = sg_ball_start_center,
                                 .move = sg_ball_move_sign};
