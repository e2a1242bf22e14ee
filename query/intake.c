#include "intake_impl.h"

#include <signet/codes.h>
#include <signet/cpu.h>
#include <signet/interrupt.h>
#include <signet/mem.h>
#include <string.h>

bool sg_intake_begin(sg_intake *in, sg_error *err)
{
    const sg_model *model = sg_encoder_model(in->encoder);
    in->preprocess = &model->preprocess;
    in->batch = sg_encoder_batch(in->encoder);
    in->image_nbytes = sg_net_input_size(model->net);
    in->nbits = sg_net_output_size(model->net);
    in->found = sg_calloc(2 * in->batch, sizeof *in->found);
    in->pixels = sg_alloc(in->batch, in->image_nbytes);
    in->codes = sg_alloc(in->batch, in->nbits / 8);
    in->z = sg_alloc(in->batch, in->nbits * sizeof *in->z);
    return in->found && in->pixels && in->codes && in->z ? true : sg_fail_memory(err, "pictures");
}

void sg_intake_end(sg_intake *in)
{
    sg_free(in->found);
    sg_free(in->pixels);
    sg_free(in->codes);
    sg_free(in->z);
}

/* The pixels of good pictures move together; each keeps its order. Returns how many there are. */
static size_t gather_good(sg_intake *in, size_t n)
{
    size_t good = 0;
    for (size_t i = 0; i < n; i++) {
        if (in->found[i].state != SG_PICTURE_GOOD) continue;
        if (good < i)
            memcpy(in->pixels + good * in->image_nbytes, in->pixels + i * in->image_nbytes, in->image_nbytes);
        good++;
    }
    return good;
}

static bool hand_on(sg_intake *in, size_t n, sg_error *err)
{
    size_t good = 0;
    for (size_t i = 0; i < n; i++) {
        const sg_picture *p = &in->found[i];
        bool coded = p->state == SG_PICTURE_GOOD;
        if (!in->take(in->context, p, coded ? in->codes + good * (in->nbits / 8) : NULL,
                      coded ? in->z + good * in->nbits : NULL, err))
            return false;
        good += coded;
    }
    return true;
}

/* Takes the first of the found files, a batch of the network at most. */
static bool take_found(sg_intake *in, sg_error *err)
{
    size_t n = in->nfound < in->batch ? in->nfound : in->batch;
    int threads = in->threads > 0 ? in->threads : sg_threads();
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (size_t i = 0; i < n; i++)
        if (!sg_interrupted())
            sg_picture_look(&in->found[i], in->pixels + i * in->image_nbytes, in->preprocess);
    if (!sg_interrupt_check(err)) return false;
    size_t good = gather_good(in, n);
    if (good > 0) {
        if (!sg_encoder_outputs(in->encoder, in->z, in->pixels, good, err)) return false;
        sg_codes_pack(in->codes, in->z, good, in->nbits);
    }
    if (!hand_on(in, n, err)) return false;
    in->nfound -= n;
    if (in->nfound > 0) memmove(in->found, in->found + n, in->nfound * sizeof *in->found);
    return true;
}

bool sg_intake_push(sg_intake *in, const sg_picture *picture, sg_error *err)
{
    if (in->nfound == 2 * in->batch && !take_found(in, err)) return false;
    in->found[in->nfound++] = *picture;
    sg_picture_expect(picture);
    return true;
}

bool sg_intake_flush(sg_intake *in, sg_error *err)
{
    while (in->nfound > 0)
        if (!take_found(in, err)) return false;
    return true;
}
