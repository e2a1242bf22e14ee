#include <signet/encoder.h>

#include <math.h>
#include <signet/codes.h>
#include <signet/cpu.h>
#include <signet/loader.h>
#include <signet/mem.h>
#include <signet/plan.h>
#include <string.h>

/* More images a pass are no faster, and take more memory and a longer padded tail. */
#define PASS_A_THREAD 8

struct sg_encoder {
    const sg_model *model;
    sg_plan *plan;
    size_t batch, pass, input_size, outputs;
    float *x;        /* (pass, C, H, W) */
    float *z;        /* (pass, outputs) */
    uint8_t *planar; /* (C, H, W) of one image */
    sg_profile *profile;
};

bool sg_encoder_new(sg_encoder **out, const sg_model *model, size_t batch, sg_error *err)
{
    *out = NULL;
    sg_encoder *e = sg_calloc(1, sizeof *e);
    if (!e) return sg_fail_memory(err, "encoder");
    *e = (sg_encoder){.model = model,
                      .batch = batch,
                      .input_size = sg_net_input_size(model->net),
                      .outputs = sg_net_output_size(model->net)};
    const size_t most = PASS_A_THREAD * (size_t)sg_threads();
    e->pass = batch < most ? batch : most;
    const sg_plan_options options = {.purpose = SG_ENCODE, .batch = e->pass, .precision = model->precision};
    size_t pixels, numbers;
    if (!sg_mul_size(&pixels, e->pass, e->input_size) || !sg_mul_size(&numbers, e->pass, e->outputs) ||
        !(e->x = sg_alloc_aligned(pixels, sizeof *e->x)) ||
        !(e->z = sg_alloc_aligned(numbers, sizeof *e->z)) || !(e->planar = sg_alloc(e->input_size, 1))) {
        sg_encoder_free(e);
        return sg_fail_memory(err, "encoder");
    }
    if (!sg_plan_new(&e->plan, model->net, &options, err)) {
        sg_encoder_free(e);
        return false;
    }
    sg_plan_load(e->plan, model->params, NULL, 0);
    *out = e;
    return true;
}

void sg_encoder_free(sg_encoder *e)
{
    if (!e) return;
    sg_plan_free(e->plan);
    sg_free(e->planar);
    sg_free_aligned(e->z);
    sg_free_aligned(e->x);
    sg_free(e);
}

const sg_model *sg_encoder_model(const sg_encoder *e)
{
    return e->model;
}

size_t sg_encoder_batch(const sg_encoder *e)
{
    return e->batch;
}

void sg_encoder_profile(sg_encoder *e, sg_profile *profile)
{
    e->profile = profile;
    sg_plan_profile(e->plan, profile);
}

/* e->z from n <= pass images; the rest of the pass is black. */
static bool run(sg_encoder *e, const uint8_t *pixels, size_t n, sg_error *err)
{
    const sg_profile_mark mark = sg_profile_begin(e->profile);
    sg_pixels_to_float(e->x, pixels, n * e->input_size);
    memset(e->x + n * e->input_size, 0, (e->pass - n) * e->input_size * sizeof *e->x);
    sg_profile_end(e->profile, mark, SG_PROFILE_OTHER, "(pixels)");
    sg_profile_images(e->profile, n);
    sg_plan_forward(e->plan, e->x, e->z);
    for (size_t i = 0; i < n * e->outputs; i++)
        if (!isfinite(e->z[i]))
            return sg_fail(err, SG_ERR_LIMIT,
                           "the network's outputs are not finite: its weights are too large");
    return true;
}

bool sg_encoder_outputs(sg_encoder *e, float *z, const uint8_t *pixels, size_t n, sg_error *err)
{
    while (n > 0) {
        size_t now = n < e->pass ? n : e->pass;
        if (!run(e, pixels, now, err)) return false;
        memcpy(z, e->z, now * e->outputs * sizeof *z);
        pixels += now * e->input_size;
        z += now * e->outputs;
        n -= now;
    }
    return true;
}

bool sg_encoder_codes(sg_encoder *e, uint8_t *codes, const uint8_t *pixels, size_t n, sg_error *err)
{
    if (sg_model_spec(e->model)->head != SG_HEAD_HASH)
        return sg_fail(err, SG_ERR_MISMATCH, "the model is a classifier: it has no codes");
    while (n > 0) {
        size_t now = n < e->pass ? n : e->pass;
        if (!run(e, pixels, now, err)) return false;
        sg_codes_pack(codes, e->z, now, e->outputs);
        pixels += now * e->input_size;
        codes += now * (e->outputs / 8);
        n -= now;
    }
    return true;
}

bool sg_encoder_image(sg_encoder *e, float *z, const sg_image *image, sg_error *err)
{
    if (!sg_preprocess_planar(e->planar, image, &e->model->preprocess, err)) return false;
    return sg_encoder_outputs(e, z, e->planar, 1, err);
}

bool sg_encoder_items(sg_encoder *e, float *z, const sg_dataset *ds, const uint32_t *items, size_t n,
                      sg_progress *progress, sg_error *err)
{
    const sg_loader_options options = {
        .items = items, .nitems = n, .preprocess = e->model->preprocess, .batch = e->batch};
    sg_loader *loader;
    sg_batch batch = {.n = 0};
    size_t done = 0;
    if (!sg_loader_open(&loader, ds, &options, err)) return false;
    bool ok = sg_loader_start(loader, 0, err);
    for (;;) {
        const sg_profile_mark mark = sg_profile_begin(e->profile);
        ok = ok && sg_loader_next(&batch, loader, err);
        sg_profile_end(e->profile, mark, SG_PROFILE_WAIT, "(loader)");
        if (!ok || batch.n == 0) break;
        /* unshuffled: places in order */
        ok = sg_encoder_outputs(e, z + done * e->outputs, batch.pixels, batch.n, err);
        done += batch.n;
        if (progress) sg_progress_update(progress, done, NULL);
    }
    sg_loader_close(loader);
    return ok;
}
