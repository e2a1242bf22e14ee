/* Numbers of values in memory: f32, or bf16 (the upper half of an f32, rounded to nearest, ties to even). Loops over
 * them are written once, as an inline body that is told the kind as a constant (SG_TYPED). */
#ifndef SIGNET_NUMBER_IMPL_H
#define SIGNET_NUMBER_IMPL_H

#include <signet/precision.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SG_INLINE static inline __attribute__((always_inline))

/* f(kind, ...), its body compiled for each kind. */
#define SG_TYPED(kind, f, ...) ((kind) == SG_BF16 ? f(SG_BF16, __VA_ARGS__) : f(SG_F32, __VA_ARGS__))

SG_INLINE size_t sg_number_nbytes(sg_precision kind)
{
    return kind == SG_BF16 ? sizeof(uint16_t) : sizeof(float);
}

/* The address of number i. */
SG_INLINE void *sg_number_at(const void *numbers, size_t i, sg_precision kind)
{
    return (char *)numbers + i * sg_number_nbytes(kind);
}

SG_INLINE float sg_number_get(sg_precision kind, const void *numbers, size_t i)
{
    if (kind == SG_F32) return ((const float *)numbers)[i];
    const uint32_t bits = (uint32_t)((const uint16_t *)numbers)[i] << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* NaN becomes a quiet one. */
SG_INLINE void sg_number_set(sg_precision kind, void *numbers, size_t i, float value)
{
    if (kind == SG_F32) {
        ((float *)numbers)[i] = value;
        return;
    }
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    const uint32_t rounded = bits + 0x7fff + (bits >> 16 & 1), quiet = bits | 0x400000;
    ((uint16_t *)numbers)[i] = (uint16_t)((value == value ? rounded : quiet) >> 16);
}

#endif
