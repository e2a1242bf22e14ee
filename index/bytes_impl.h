/* Little-endian numbers in records. */
#ifndef SIGNET_BYTES_IMPL_H
#define SIGNET_BYTES_IMPL_H

#include <endian.h>
#include <signet/buf.h>
#include <stdint.h>
#include <string.h>

static inline void sg_put_u32(uint8_t *at, uint32_t value)
{
    value = htole32(value);
    memcpy(at, &value, sizeof value);
}

static inline void sg_put_u64(uint8_t *at, uint64_t value)
{
    value = htole64(value);
    memcpy(at, &value, sizeof value);
}

static inline void sg_put_u32s(sg_buf *bytes, const uint32_t *numbers, size_t n)
{
    _Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers lie in memory as in files");
    sg_buf_put(bytes, numbers, n * sizeof *numbers);
}

static inline uint16_t sg_get_u16(const uint8_t *at)
{
    uint16_t value;
    memcpy(&value, at, sizeof value);
    return le16toh(value);
}

static inline uint32_t sg_get_u32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return le32toh(value);
}

static inline uint64_t sg_get_u64(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return le64toh(value);
}

#endif
