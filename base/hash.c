#include <signet/hash.h>

#include <blake2.h>
#include <signet/error.h>
#include <signet/mem.h>
#include <xxhash.h>

struct sg_blake2b {
    blake2b_state state;
};

sg_blake2b *sg_blake2b_new(size_t digest_nbytes)
{
    SG_ASSERT(digest_nbytes >= 1 && digest_nbytes <= BLAKE2B_OUTBYTES);
    sg_blake2b *state = sg_alloc_aligned(1, sizeof *state); /* libb2 wants 64 bytes */
    if (state) SG_ASSERT(blake2b_init(&state->state, digest_nbytes) == 0);
    return state;
}

void sg_blake2b_update(sg_blake2b *state, const void *bytes, size_t nbytes)
{
    if (nbytes > 0) SG_ASSERT(blake2b_update(&state->state, bytes, nbytes) == 0);
}

void sg_blake2b_final(sg_blake2b *state, uint8_t *digest)
{
    if (!state) return;
    SG_ASSERT(blake2b_final(&state->state, digest, state->state.outlen) == 0);
    sg_free_aligned(state);
}

void sg_blake2b_of(uint8_t *digest, size_t digest_nbytes, const void *bytes, size_t nbytes)
{
    SG_ASSERT(blake2b(digest, nbytes > 0 ? bytes : "", NULL, digest_nbytes, nbytes, 0) == 0);
}

uint64_t sg_xxh3_64(const void *bytes, size_t nbytes)
{
    return XXH3_64bits(bytes, nbytes);
}

void sg_xxh3_128(uint8_t digest[16], const void *bytes, size_t nbytes)
{
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes, nbytes));
    for (size_t i = 0; i < sizeof canonical.digest; i++) digest[i] = canonical.digest[i];
}

void sg_hex(char *out, const void *bytes, size_t nbytes)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *s = bytes;
    for (size_t i = 0; i < nbytes; i++) {
        out[2 * i] = digits[s[i] >> 4];
        out[2 * i + 1] = digits[s[i] & 15];
    }
    out[2 * nbytes] = '\0';
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

bool sg_unhex(void *bytes, size_t nbytes, const char *hex)
{
    uint8_t *d = bytes;
    for (size_t i = 0; i < nbytes; i++) {
        int high = hex_value(hex[2 * i]);
        int low = high < 0 ? -1 : hex_value(hex[2 * i + 1]);
        if (low < 0) return false;
        d[i] = (uint8_t)(high << 4 | low);
    }
    return hex[2 * nbytes] == '\0';
}
