/* Numbers that the fixtures' scripts make in the same way (tests/fixtures/encoder/sample.py), so that a fixture need
 * not hold its own inputs. */
#ifndef SIGNET_TESTS_SAMPLE_H
#define SIGNET_TESTS_SAMPLE_H

#include <stddef.h>
#include <stdint.h>

/* A well mixed 32-bit word for each (stream, i). */
static inline uint32_t sample_word(uint32_t stream, uint32_t i)
{
    uint32_t x = stream * 0x9E3779B9u + i;
    x = (x ^ x >> 16) * 0x7FEB352Du;
    x = (x ^ x >> 15) * 0x846CA68Bu;
    return x ^ x >> 16;
}

/* In [-1, 1), 24 bits: exact in float. */
static inline float sample_number(uint32_t stream, uint32_t i)
{
    return (float)(sample_word(stream, i) >> 8) * 0x1p-23f - 1.0f;
}

#endif
