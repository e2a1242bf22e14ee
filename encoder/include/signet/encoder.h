/* Pixels to outputs and codes, any number at a time: a model with an encode plan. The one path by which an image
 * gets its code: index, query, eval and attacks' scores all use it. */
#ifndef SIGNET_ENCODER_H
#define SIGNET_ENCODER_H

#include <signet/dataset.h>
#include <signet/model.h>
#include <signet/profile.h>
#include <signet/progress.h>

typedef struct sg_encoder sg_encoder;

/* Borrows model until free, and computes in its precision. batch: how many images come at a time; the network takes fewer a
 * pass where more are no faster (a last incomplete pass is padded). */
bool sg_encoder_new(sg_encoder **encoder, const sg_model *model, size_t batch, sg_error *err);
void sg_encoder_free(sg_encoder *encoder);
const sg_model *sg_encoder_model(const sg_encoder *encoder);
size_t sg_encoder_batch(const sg_encoder *encoder);
/* Times from now on what the encoder does, by the plan's steps and by the wait for pictures; NULL: no more. */
void sg_encoder_profile(sg_encoder *encoder, sg_profile *profile);

/* z (n, outputs) from pixels (n, C, H, W) u8. Outputs that are not finite (weights too large for f32's range) are no
 * answer: SG_ERR_LIMIT, here and in the calls below. */
bool sg_encoder_outputs(sg_encoder *encoder, float *z, const uint8_t *pixels, size_t n, sg_error *err);
/* codes (n, K / 8). */
bool sg_encoder_codes(sg_encoder *encoder, uint8_t *codes, const uint8_t *pixels, size_t n, sg_error *err);
/* One decoded image, by the model's preprocessing; z (outputs). */
bool sg_encoder_image(sg_encoder *encoder, float *z, const sg_image *image, sg_error *err);
/* Items of a data set through the loader: z (n, outputs). progress may be NULL. */
bool sg_encoder_items(sg_encoder *encoder, float *z, const sg_dataset *ds, const uint32_t *items, size_t n,
                      sg_progress *progress, sg_error *err);

#endif
