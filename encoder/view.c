#include "view_impl.h"

#include <string.h>

sg_view sg_view_of(size_t batch, sg_shape shape, size_t lanes, sg_precision kind)
{
    sg_view v = {.n = batch,
                 .channels = (size_t)shape.c,
                 .height = (size_t)shape.h,
                 .width = (size_t)shape.w,
                 .lanes = lanes,
                 .kind = kind};
    v.pixels = v.height * v.width;
    v.blocks = (v.channels + lanes - 1) / lanes;
    return v;
}

size_t sg_view_size(const sg_view *v)
{
    return v->n * v->blocks * v->pixels * v->lanes;
}

size_t sg_view_nbytes(const sg_view *v)
{
    return sg_view_size(v) * sg_number_nbytes(v->kind);
}

/* Where channel c of image n begins. */
static size_t start(const sg_view *v, size_t n, size_t c)
{
    return (n * v->blocks + c / v->lanes) * v->pixels * v->lanes + c % v->lanes;
}

/* n numbers, each `step` behind the one before; from NULL: zeros. */
SG_INLINE void spread(sg_precision kind, void *to, size_t to_step, sg_precision from_kind, const void *from,
                      size_t from_step, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sg_number_set(kind, to, i * to_step, from ? sg_number_get(from_kind, from, i * from_step) : 0);
}

SG_INLINE void spread_to(sg_precision from_kind, const void *from, size_t from_step, sg_precision kind,
                         void *to, size_t to_step, size_t n)
{
    SG_TYPED(kind, spread, to, to_step, from_kind, from, from_step, n);
}

void sg_view_pack(void *plain, sg_precision plain_kind, size_t stride, const sg_view *v, const void *data)
{
    const size_t size = v->channels * v->pixels;
#pragma omp parallel for schedule(static)
    for (size_t n = 0; n < v->n; n++) {
        for (size_t c = 0; c < v->channels; c++)
            SG_TYPED(v->kind, spread_to, sg_number_at(data, start(v, n, c), v->kind), v->lanes, plain_kind,
                     sg_number_at(plain, n * stride + c * v->pixels, plain_kind), 1, v->pixels);
        memset(sg_number_at(plain, n * stride + size, plain_kind), 0,
               (stride - size) * sg_number_nbytes(plain_kind));
    }
}

void sg_view_unpack(void *data, const sg_view *v, const void *plain, sg_precision plain_kind, size_t stride)
{
#pragma omp parallel for schedule(static)
    for (size_t n = 0; n < v->n; n++)
        for (size_t c = 0; c < v->blocks * v->lanes; c++) {
            const void *from =
                c < v->channels ? sg_number_at(plain, n * stride + c * v->pixels, plain_kind) : NULL;
            SG_TYPED(plain_kind, spread_to, from, 1, v->kind, sg_number_at(data, start(v, n, c), v->kind),
                     v->lanes, v->pixels);
        }
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

void sg_view_copy(void *to, const sg_view *tv, size_t to_first, const void *from, const sg_view *fv,
                  size_t from_first, size_t channels)
{
    const size_t lanes = tv->lanes, plane = tv->pixels * lanes, number = sg_number_nbytes(tv->kind);
#pragma omp parallel for schedule(static)
    for (size_t n = 0; n < tv->n; n++) {
        const size_t padding = tv->blocks * lanes - tv->channels;
        if (to_first + channels == tv->channels)
            for (size_t p = 0; p < tv->pixels; p++)
                memset((char *)to + (start(tv, n, tv->channels - 1) + 1 + p * lanes) * number, 0,
                       padding * number);
        for (size_t c = 0, run; c < channels; c += run) { /* channels that lie together on both sides */
            const size_t t = to_first + c, f = from_first + c;
            const char *source = (const char *)from + start(fv, n, f) * number;
            char *target = (char *)to + start(tv, n, t) * number;
            run = smaller(smaller(lanes - t % lanes, lanes - f % lanes), channels - c);
            if (run == lanes)
                memcpy(target, source, plane * number);
            else
                for (size_t p = 0; p < tv->pixels; p++)
                    memcpy(target + p * lanes * number, source + p * lanes * number, run * number);
        }
    }
}
