/* A model's metadata and its tensors as they stand in its file (docs/formats.md). */
#ifndef SIGNET_MODEL_IMPL_H
#define SIGNET_MODEL_IMPL_H

#include "safetensors_impl.h"

#include <signet/model.h>

#define SG_MODEL_FORMAT "1"

/* All keys of the file but the fingerprint and the checksums. */
bool sg_model_meta_write(sg_kv *meta, const sg_model *model, sg_error *err);
/* spec->arch borrows from meta. */
bool sg_model_meta_spec(sg_net_spec *spec, const sg_kv *meta, sg_error *err);
/* Everything beside the net and the parameters, which are there already. */
bool sg_model_meta_read(sg_model *model, const sg_kv *meta, sg_error *err);

/* What decides codes, as 64 hex digits: the lines of these keys and the tensors. */
bool sg_model_fingerprint(char hex[65], const sg_kv *meta, const sg_st_tensor *tensors, size_t ntensors,
                          const unsigned char *data, sg_error *err);

/* SG_ERR_FORMAT names the first variance below 0. */
bool sg_variances_check(const sg_tensor *t, const float *values, sg_error *err);

#endif
