/* SDHA (Lu et al., ICMR 2021): away from the codes of training images that share the true label. It knows labels and
 * training codes. Step sizes are the scale-free ones, not the published Adam. */
#include "attack_impl.h"

const sg_attack sg_attack_sdha = {.name = "sdha",
                                  .hash = &sg_objective_sdha,
                                  .needs_labels = true,
                                  .uses_gradient = true,
                                  .iterations = 100,
                                  .start = sg_ball_start_center,
                                  .move = sg_ball_move_sign};
