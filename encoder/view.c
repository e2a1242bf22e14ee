#include "view_impl.h"

#include <string.h>

sg_view sg_view_of(size_t batch, sg_shape shape, size_t lanes)
{
    sg_view v = {.n = batch,
                 .channels = (size_t)shape.c,
                 .height = (size_t)shape.h,
                 .width = (size_t)shape.w,
                 .lanes = lanes};
    v.pixels = v.height * v.width;
    v.blocks = (v.channels + lanes - 1) / lanes;
    return v;
}

size_t sg_view_size(const sg_view *v)
{
    return v->n * v->blocks * v->pixels * v->lanes;
}

void sg_view_pack(float *plain, size_t stride, const sg_view *v, const float *data)
{
    const size_t size = v->channels * v->pixels;
#pragma omp parallel for schedule(static)
    for (size_t n = 0; n < v->n; n++) {
        memset(plain + n * stride + size, 0, (stride - size) * sizeof *plain);
        for (size_t c = 0; c < v->channels; c++) {
            const float *from = data + (n * v->blocks + c / v->lanes) * v->pixels * v->lanes + c % v->lanes;
            float *to = plain + n * stride + c * v->pixels;
            for (size_t p = 0; p < v->pixels; p++) to[p] = from[p * v->lanes];
        }
    }
}

void sg_view_unpack(float *data, const sg_view *v, const float *plain, size_t stride)
{
#pragma omp parallel for schedule(static)
    for (size_t n = 0; n < v->n; n++)
        for (size_t c = 0; c < v->blocks * v->lanes; c++) {
            float *to = data + (n * v->blocks + c / v->lanes) * v->pixels * v->lanes + c % v->lanes;
            const float *from = plain + n * stride + c * v->pixels;
            for (size_t p = 0; p < v->pixels; p++) to[p * v->lanes] = c < v->channels ? from[p] : 0;
        }
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

void sg_view_copy(float *to, const sg_view *tv, size_t to_first, const float *from, const sg_view *fv,
                  size_t from_first, size_t channels)
{
    const size_t lanes = tv->lanes, plane = tv->pixels * lanes;
#pragma omp parallel for schedule(static)
    for (size_t n = 0; n < tv->n; n++) {
        float *image = to + n * tv->blocks * plane, *last = image + (tv->blocks - 1) * plane;
        if (to_first + channels == tv->channels)
            for (size_t l = tv->channels - (tv->blocks - 1) * lanes; l < lanes; l++)
                for (size_t p = 0; p < tv->pixels; p++) last[p * lanes + l] = 0;
        for (size_t c = 0, run; c < channels; c += run) { /* channels that lie together on both sides */
            const size_t t = to_first + c, f = from_first + c;
            const float *source = from + (n * fv->blocks + f / lanes) * plane + f % lanes;
            float *target = image + t / lanes * plane + t % lanes;
            run = smaller(smaller(lanes - t % lanes, lanes - f % lanes), channels - c);
            if (run == lanes)
                memcpy(target, source, plane * sizeof *to);
            else
                for (size_t p = 0; p < tv->pixels; p++)
                    memcpy(target + p * lanes, source + p * lanes, run * sizeof *to);
        }
    }
}
