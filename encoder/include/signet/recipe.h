/* The recipe: all that decides an image's code beside the weights. */
#ifndef SIGNET_RECIPE_H
#define SIGNET_RECIPE_H

#include <signet/kv.h>
#include <signet/model.h>

/* Raised when a kernel changes bits. */
#define SG_NUMERICS_VERSION 1

/* The recipe of this process for this model, resolved (no "auto"): keys decode, orientation, resize, crop,
 * precision, instructions ("portable", "avx2", "avx512"), numerics. */
bool sg_recipe_now(sg_kv *recipe, const sg_model *model, sg_error *err);

typedef enum {
    SG_RECIPE_SAME,
    SG_RECIPE_NUMERICS, /* other instruction class or numerics version: a few bits in 100,000 may differ */
    SG_RECIPE_OTHER     /* anything else differs: codes are not comparable */
} sg_recipe_verdict;

/* differs (SG_BUF-like text of at most size bytes) lists "key: a / b" for what differs; "" when nothing does. */
sg_recipe_verdict sg_recipe_compare(const sg_kv *recorded, const sg_kv *now, char *differs, size_t size);

/* --portable: caps oneDNN at AVX2 for the process; before the first plan. */
bool sg_portable_set(sg_error *err);
const char *sg_instruction_class(void); /* "portable", "avx2", "avx512" */

#endif
