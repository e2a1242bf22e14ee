/* A model: net, parameters, feedback, how images are brought to it, and what is known of its making. Stands in one
 * safetensors file (docs/formats.md). */
#ifndef SIGNET_MODEL_H
#define SIGNET_MODEL_H

#include <signet/feedback.h>
#include <signet/kv.h>
#include <signet/precision.h>
#include <signet/preprocess.h>

typedef struct sg_model {
    sg_net *net;
    sg_params *params;
    sg_feedback feedback; /* the rule it was trained by, with its scales; bp when none */
    sg_preprocess preprocess;
    sg_precision precision; /* of every plan of it */
    char **classes;         /* class names of a classifier; NULL for a hash */
    size_t nclasses;
    sg_kv notes;          /* protocol, list checksum, options, parent: free metadata without paths or times */
    char fingerprint[65]; /* hex; "" until saved or loaded */
} sg_model;

/* An untrained model: all parameters zero (batch-norm's weight and variance 1), rule bp, preprocess straight to the net's
 * size, precision f32. classes: outputs names (copied), valid UTF-8 (SG_ERR_USAGE); may be NULL, and a hash has none. */
bool sg_model_new(sg_model **model, const sg_net_spec *spec, const char *const *classes, sg_error *err);
/* Every claim of the file is checked, and both of its checksums. Messages begin with the path. */
bool sg_model_load(sg_model **model, const char *path, sg_error *err);
/* Computes the fingerprint, writes atomically: the same model gives the same bytes. A parameter that is not finite is
 * SG_ERR_FORMAT, a note that is not UTF-8 SG_ERR_USAGE. */
bool sg_model_save(sg_model *model, const char *path, sg_error *err);
/* Writes the tensors as plain safetensors for other programs: torchvision's names, a hash's last layer as "head". */
bool sg_model_export(const sg_model *model, const char *path, sg_error *err);
void sg_model_free(sg_model *model);
/* Has the model compute in another precision from now on: text as in sg_precision_parse, NULL: in its own. A precision that
 * this process lacks, its own too, is the error of sg_precision_check. On failure the model is untouched. */
bool sg_model_set_precision(sg_model *model, const char *text, sg_error *err);
/* Computes the fingerprint as save does, and writes nothing. */
bool sg_model_stamp(sg_model *model, sg_error *err);
/* Computes the fingerprint anew and compares it with the stored one: SG_ERR_FORMAT when it differs. */
bool sg_model_check(const sg_model *model, sg_error *err);
/* Takes into `model` the body's tensors of `from` (same backbone): all but the head, and the head too when its
 * shape and kind are equal. *head_taken says which. SG_ERR_MISMATCH names what does not fit; model is then untouched. */
bool sg_model_take(sg_model *model, const sg_model *from, bool *head_taken, sg_error *err);
/* A hash of a classifier: the body is the classifier's, a bit is 1 where a feature of its last hidden layer is above the mean
 * over the picture's features (encoder/signs.c says why); zero bits fill up to a multiple of 8. Precision, preprocessing and notes are the classifier's, "parent" is
 * its fingerprint. The same classifier gives the same hash. More numbers than a code has bits: SG_ERR_LIMIT; a model that is
 * no classifier: SG_ERR_MISMATCH. */
bool sg_model_signs(sg_model **hash, const sg_model *classifier, sg_error *err);

static inline const sg_net_spec *sg_model_spec(const sg_model *model)
{
    return sg_net_spec_of(model->net);
}

#endif
