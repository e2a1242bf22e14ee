#include "dtype_impl.h"

#include <stdint.h>
#include <string.h>

static void from_f32(float *dst, const unsigned char *src, size_t n)
{
    if (n) memcpy(dst, src, n * sizeof *dst);
}

/* Values beyond f32's range become infinite, which whoever reads weights refuses. */
static void from_f64(float *dst, const unsigned char *src, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double value;
        memcpy(&value, src + i * sizeof value, sizeof value);
        dst[i] = (float)value;
    }
}

static float float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void from_bf16(float *dst, const unsigned char *src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = float_of_bits((uint32_t)src[2 * i] << 16 | (uint32_t)src[2 * i + 1] << 24);
}

/* IEEE 754 binary16: 5 bits of exponent, 10 of mantissa. Every value is a float's. */
static void from_f16(float *dst, const unsigned char *src, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t half = src[2 * i] | (uint32_t)src[2 * i + 1] << 8;
        uint32_t sign = (half & 0x8000) << 16, exponent = half >> 10 & 31, mantissa = half & 1023;
        if (exponent == 31)
            dst[i] = float_of_bits(sign | 0x7f800000 | mantissa << 13);
        else if (exponent > 0)
            dst[i] = float_of_bits(sign | (exponent + 112) << 23 | mantissa << 13);
        else
            dst[i] = (sign ? -1.0f : 1.0f) * (float)mantissa * 0x1p-24f;
    }
}

const sg_dtype sg_dtype_f32 = {"f32", "F32", "FloatStorage", 4, from_f32};

static const sg_dtype others[] = {
    {"f16", "F16", "HalfStorage", 2, from_f16},
    {"bf16", "BF16", "BFloat16Storage", 2, from_bf16},
    {"f64", "F64", "DoubleStorage", 8, from_f64},
    {"i64", "I64", "LongStorage", 8, NULL},
    {"i32", "I32", "IntStorage", 4, NULL},
    {"i16", "I16", "ShortStorage", 2, NULL},
    {"i8", "I8", "CharStorage", 1, NULL},
    {"u8", "U8", "ByteStorage", 1, NULL},
    {"u16", "U16", NULL, 2, NULL},
    {"u32", "U32", NULL, 4, NULL},
    {"u64", "U64", NULL, 8, NULL},
    {"bool", "BOOL", "BoolStorage", 1, NULL},
};
#define NOTHERS (sizeof others / sizeof *others)

const sg_dtype *sg_dtype_of_safetensors(const char *name)
{
    if (strcmp(name, sg_dtype_f32.safetensors) == 0) return &sg_dtype_f32;
    for (size_t i = 0; i < NOTHERS; i++)
        if (strcmp(name, others[i].safetensors) == 0) return &others[i];
    return NULL;
}

static int is_storage(const sg_dtype *dtype, const char *name, size_t nbytes)
{
    return dtype->storage && strlen(dtype->storage) == nbytes && memcmp(dtype->storage, name, nbytes) == 0;
}

const sg_dtype *sg_dtype_of_storage(const char *name, size_t nbytes)
{
    if (is_storage(&sg_dtype_f32, name, nbytes)) return &sg_dtype_f32;
    for (size_t i = 0; i < NOTHERS; i++)
        if (is_storage(&others[i], name, nbytes)) return &others[i];
    return NULL;
}
