/* lsh: signs of random directions through the mean (Charikar 2002). */
#include "projection_impl.h"

static bool fit(sg_projection *p, sg_error *err)
{
    (void)err;
    sg_projection_normal(p->weight, p->nbits * p->dim, p->seed, 1);
    return true;
}

const sg_projection_kind sg_projection_lsh = {.name = "lsh", .fit = fit};
