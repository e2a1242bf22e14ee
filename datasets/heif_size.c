/* The size of the coded pictures: HEVC's sequence parameter sets (ITU-T H.265, 7.3.2.2) and AV1's sequence headers (AV1
 * specification, 5.5). */
#include "heif_impl.h"

uint64_t sg_span_get(sg_span *s, unsigned nbytes)
{
    uint64_t value = 0;
    if (nbytes > s->nbytes) {
        *s = (sg_span){.bad = true};
        return 0;
    }
    for (unsigned i = 0; i < nbytes; i++) value = value << 8 | *s->at++;
    s->nbytes -= nbytes;
    return value;
}

sg_span sg_span_take(sg_span *s, uint64_t nbytes)
{
    if (nbytes > s->nbytes) return *s = (sg_span){.bad = true};
    sg_span part = {.at = s->at, .nbytes = (size_t)nbytes};
    if (nbytes > 0) s->at += nbytes; /* of an empty one it may be NULL */
    s->nbytes -= (size_t)nbytes;
    return part;
}

typedef struct bits {
    const unsigned char *bytes;
    size_t nbits, at;
} bits;

static uint32_t get_bits(bits *b, unsigned n)
{
    uint32_t value = 0;
    for (; n > 0; n--, b->at++)
        value = value << 1 | (b->at < b->nbits && (b->bytes[b->at / 8] >> (7 - b->at % 8) & 1));
    return value;
}

/* ue(v) of HEVC, uvlc() of AV1. */
static uint32_t get_exp_golomb(bits *b)
{
    unsigned zeros = 0;
    while (b->at < b->nbits && zeros < 32 && get_bits(b, 1) == 0) zeros++;
    return zeros >= 32 ? UINT32_MAX : (1u << zeros) - 1 + get_bits(b, zeros);
}

void sg_coded_size_raise(sg_coded_size *size, sg_coded_size seen)
{
    if ((uint64_t)seen.width * seen.height > (uint64_t)size->width * size->height) *size = seen;
}

/* profile_tier_level(1, layers): 88 bits of profile and 8 of level, for the whole and for each layer that has them. */
static void skip_profile(bits *b, unsigned layers)
{
    bool profile[8] = {false}, level[8] = {false};
    b->at += 96;
    for (unsigned i = 0; i < layers; i++) {
        profile[i] = get_bits(b, 1);
        level[i] = get_bits(b, 1);
    }
    if (layers > 0) b->at += 2 * (8 - layers);
    for (unsigned i = 0; i < layers; i++) b->at += (profile[i] ? 88u : 0) + (level[i] ? 8u : 0);
}

/* One unit; only parameter sets say anything. */
static void hevc_unit_size(sg_coded_size *size, sg_span unit)
{
    enum { PARAMETER_SET = 33, HEAD = 160 }; /* the size stands within the first bytes */
    if (unit.nbytes < 3 || (unit.at[0] >> 1 & 63) != PARAMETER_SET) return;
    unsigned char head[HEAD];
    size_t n = 0;
    for (size_t i = 2; i < unit.nbytes && n < HEAD; i++) /* 00 00 03: the 3 is no content (7.3.1.1) */
        if (unit.at[i] != 3 || i < 4 || unit.at[i - 1] != 0 || unit.at[i - 2] != 0) head[n++] = unit.at[i];
    bits b = {head, 8 * n, 4};
    unsigned layers = get_bits(&b, 3);
    get_bits(&b, 1);
    skip_profile(&b, layers);
    get_exp_golomb(&b);                           /* sps_seq_parameter_set_id */
    if (get_exp_golomb(&b) == 3) get_bits(&b, 1); /* chroma_format_idc, separate_colour_plane_flag */
    uint32_t width = get_exp_golomb(&b), height = get_exp_golomb(&b);
    if (b.at <= b.nbits) sg_coded_size_raise(size, (sg_coded_size){width, height});
}

void sg_hevc_config_size(sg_coded_size *size, sg_span config)
{
    sg_span_take(&config, 22);
    for (uint64_t arrays = sg_span_get(&config, 1); arrays > 0 && !config.bad; arrays--) {
        sg_span_get(&config, 1);
        for (uint64_t units = sg_span_get(&config, 2); units > 0 && !config.bad; units--)
            hevc_unit_size(size, sg_span_take(&config, sg_span_get(&config, 2)));
    }
}

void sg_hevc_data_size(sg_coded_size *size, sg_span data)
{
    while (data.nbytes > 4) hevc_unit_size(size, sg_span_take(&data, sg_span_get(&data, 4)));
}

static void skip_operating_points(bits *b)
{
    bool model = false;
    unsigned delay_nbits = 0;
    if (get_bits(b, 1)) { /* timing_info() */
        b->at += 64;
        if (get_bits(b, 1)) get_exp_golomb(b);
        if ((model = get_bits(b, 1))) {
            delay_nbits = get_bits(b, 5) + 1;
            b->at += 42;
        }
    }
    bool display_delay = get_bits(b, 1);
    for (unsigned points = get_bits(b, 5) + 1; points > 0; points--) {
        get_bits(b, 12);
        if (get_bits(b, 5) > 7) get_bits(b, 1);
        if (model && get_bits(b, 1)) b->at += 2 * delay_nbits + 1;
        if (display_delay && get_bits(b, 1)) get_bits(b, 4);
    }
}

/* A frame may be smaller than its sequence's largest, never larger. */
static void av1_sequence_size(sg_coded_size *size, sg_span unit)
{
    bits b = {unit.at, 8 * unit.nbytes, 4}; /* seq_profile, still_picture */
    if (get_bits(&b, 1))
        get_bits(&b, 5);
    else
        skip_operating_points(&b);
    unsigned width_nbits = get_bits(&b, 4) + 1, height_nbits = get_bits(&b, 4) + 1;
    uint32_t width = get_bits(&b, width_nbits) + 1, height = get_bits(&b, height_nbits) + 1;
    if (b.at <= b.nbits) sg_coded_size_raise(size, (sg_coded_size){width, height});
}

static uint64_t get_leb128(sg_span *s)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 56 && !s->bad; shift += 7) {
        uint64_t byte = sg_span_get(s, 1);
        value |= (byte & 127) << shift;
        if (byte < 128) break;
    }
    return value;
}

void sg_av1_data_size(sg_coded_size *size, sg_span data)
{
    enum { SEQUENCE_HEADER = 1 };
    while (data.nbytes > 0) {
        unsigned head = (unsigned)sg_span_get(&data, 1);
        if (head & 4) sg_span_get(&data, 1);
        sg_span unit = sg_span_take(&data, head & 2 ? get_leb128(&data) : data.nbytes);
        if ((head >> 3 & 15) == SEQUENCE_HEADER) av1_sequence_size(size, unit);
    }
}
