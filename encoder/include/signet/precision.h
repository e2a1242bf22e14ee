/* The kind of numbers that a plan computes in. Weights, gradients of weights, optimisers and outputs are f32 in both. */
#ifndef SIGNET_PRECISION_H
#define SIGNET_PRECISION_H

#include <signet/error.h>
#include <stdbool.h>

typedef enum {
    SG_F32,
    SG_BF16 /* values between layers and their gradients, and the weights as the kernels take them */
} sg_precision;

const char *sg_precision_name(sg_precision precision);
/* The precision of that name, as files hold it; false: none has it. */
bool sg_precision_find(sg_precision *precision, const char *name);

/* Has this process the instructions: f32 always, bf16 where the processor has AVX-512 with bf16 and computing is not
 * portable. */
bool sg_precision_supported(sg_precision precision);

/* Is bf16 supported and faster than f32? Not on every processor that has it. */
bool sg_precision_pays(void);

/* From "f32", "bf16", or "auto" (bf16 where it pays). SG_ERR_USAGE names another text. Whether it is supported is not
 * asked. */
bool sg_precision_parse(sg_precision *precision, const char *text, sg_error *err);

/* SG_ERR_UNSUPPORTED says what the processor lacks. */
bool sg_precision_check(sg_precision precision, sg_error *err);

#endif
