/* The recipe: all that decides an image's code beside the weights. */
#ifndef SIGNET_RECIPE_H
#define SIGNET_RECIPE_H

#include <signet/kv.h>
#include <signet/model.h>

/* Raised when a kernel changes bits. */
#define SG_NUMERICS_VERSION 1

/* The recipe of this process for this model, resolved (no "auto"), set into recipe: the keys of sg_preprocess_keys (decode,
 * filter, orientation), resize (of the shorter side, "0": straight to the crop's size), crop ("28x28", width first),
 * precision (sg_precision_name), instructions (sg_instruction_class), numerics. */
bool sg_recipe_now(sg_kv *recipe, const sg_model *model, sg_error *err);

/* Has the model work as recorded: decode, filter, orientation, resize and precision; what is not recorded stays. A
 * precision that this process lacks becomes f32, which sg_recipe_compare then tells. A value that makes no sense:
 * SG_ERR_FORMAT names it, and the model is untouched. */
bool sg_recipe_apply(sg_model *model, const sg_kv *recorded, sg_error *err);

typedef enum {
    SG_RECIPE_SAME,
    SG_RECIPE_NUMERICS, /* other instruction class or numerics version: a few bits in 100,000 may differ */
    SG_RECIPE_OTHER     /* anything else differs: codes are not comparable */
} sg_recipe_verdict;

/* differs (of size bytes, cut to them) lists "key: recorded / now" for what differs; "" when nothing does. */
sg_recipe_verdict sg_recipe_compare(const sg_kv *recorded, const sg_kv *now, char *differs, size_t size);

/* --portable: caps oneDNN at AVX2 for the process; before the first plan and the first sg_instruction_class
 * (SG_ERR_USAGE later). */
bool sg_portable_set(sg_error *err);
const char *sg_instruction_class(void); /* "portable", "avx2", "avx512" */

#endif
