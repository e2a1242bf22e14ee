#include <signet/evaluate.h>

#include <signet/mem.h>

enum { BATCH = 64 };

static bool head_check(const sg_model *model, sg_head head, sg_error *err)
{
    if (sg_model_spec(model)->head == head) return true;
    return head == SG_HEAD_HASH
               ? sg_fail(err, SG_ERR_MISMATCH, "the model is a classifier: it has no codes to rank by")
               : sg_fail(err, SG_ERR_MISMATCH, "the model is a hash: it names no classes");
}

/* z (n, outputs) of items, the caller's. */
static bool outputs_of(float **z, sg_encoder *encoder, const sg_dataset *ds, const uint32_t *items, size_t n,
                       sg_progress *progress, sg_error *err)
{
    size_t outputs = sg_net_output_size(sg_encoder_model(encoder)->net);
    *z = sg_alloc(n, outputs * sizeof **z);
    if (!*z) return sg_fail_memory(err, "outputs");
    if (sg_encoder_items(encoder, *z, ds, items, n, progress, err)) return true;
    sg_free(*z);
    *z = NULL;
    return false;
}

bool sg_coded_part_make(sg_coded_part *part, sg_encoder *encoder, const sg_dataset *ds, const uint32_t *items,
                        size_t n, sg_progress *progress, sg_error *err)
{
    const sg_model *model = sg_encoder_model(encoder);
    float *z = NULL;
    bool ok = false;
    *part = (sg_coded_part){.nbits = sg_net_output_size(model->net), .n = n};
    if (progress) progress->total = n;
    if (!head_check(model, SG_HEAD_HASH, err)) goto exit;
    if (!sg_labels_pick(&part->labels, sg_dataset_labels(ds), items, n, err)) goto exit;
    if (!outputs_of(&z, encoder, ds, items, n, progress, err)) goto exit;
    part->codes = sg_alloc(n, part->nbits / 8);
    if (!part->codes) {
        sg_fail_memory(err, "codes");
        goto exit;
    }
    sg_codes_pack(part->codes, z, n, part->nbits);
    ok = true;
exit:
    sg_free(z);
    if (!ok) sg_coded_part_clear(part);
    return ok;
}

bool sg_evaluate_retrieval(sg_retrieval *out, const sg_model *model, const sg_dataset *ds,
                           const sg_split *split, const sg_retrieval_options *options, sg_progress *progress,
                           sg_error *err)
{
    sg_encoder *encoder = NULL;
    sg_coded_part queries = {0}, database = {0};
    sg_retrieval_options own = *options;
    bool ok = false;
    *out = (sg_retrieval){0};
    own.nbits = sg_net_output_size(model->net);
    if (sg_dataset_labels(ds)->classes == 0)
        return sg_fail(err, SG_ERR_USAGE, "the data have no labels: nothing says which images are relevant");
    if (!head_check(model, SG_HEAD_HASH, err) || !sg_encoder_new(&encoder, model, BATCH, err)) goto exit;
    if (!sg_coded_part_make(&queries, encoder, ds, split->query, split->nquery, progress, err)) goto exit;
    if (!sg_coded_part_make(&database, encoder, ds, split->database, split->ndatabase, progress, err))
        goto exit;
    sg_coded q = sg_coded_of(&queries), d = sg_coded_of(&database);
    ok = sg_retrieval_run(out, &q, &d, &own, err);
exit:
    sg_coded_part_clear(&database);
    sg_coded_part_clear(&queries);
    sg_encoder_free(encoder);
    return ok;
}

bool sg_evaluate_accuracy(double *top1, double *top5, const sg_model *model, const sg_dataset *ds,
                          const uint32_t *items, size_t n, sg_progress *progress, sg_error *err)
{
    sg_encoder *encoder = NULL;
    sg_labels labels = {0};
    float *z = NULL;
    size_t classes = sg_net_output_size(model->net);
    bool ok = false;
    if (!head_check(model, SG_HEAD_CLASSIFIER, err)) return false;
    if (sg_dataset_labels(ds)->classes != classes)
        return sg_fail(err, SG_ERR_MISMATCH, "the model knows %zu classes, the data have %zu", classes,
                       sg_dataset_labels(ds)->classes);
    if (!n) return sg_fail(err, SG_ERR_USAGE, "there are no images to classify");
    if (!sg_encoder_new(&encoder, model, BATCH, err)) goto exit;
    if (!sg_labels_pick(&labels, sg_dataset_labels(ds), items, n, err)) goto exit;
    if (!outputs_of(&z, encoder, ds, items, n, progress, err)) goto exit;
    sg_accuracy(top1, top5, z, &labels, n, classes);
    ok = true;
exit:
    sg_free(z);
    sg_labels_clear(&labels);
    sg_encoder_free(encoder);
    return ok;
}
