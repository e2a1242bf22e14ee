/* The sliced kernels for one size of vector: included once for each by hamming_sliced.c, which defines
 *   LANES          64-bit words in a vector
 *   NAME(noun)     the functions' names
 *   SLICED_TARGET  their instructions
 *   XOR3, MAJORITY, ANY of vectors */

typedef uint64_t NAME(vec) __attribute__((vector_size(8 * LANES), may_alias));
#define vec NAME(vec)

/* x[k] bit b becomes x[b] bit k, in each lane: halves of halves change places (Warren, Hacker's Delight, 7-3). */
SLICED_TARGET INLINE void NAME(transpose)(vec x[64])
{
    uint64_t mask = UINT32_MAX;
    for (int j = 32; j > 0; j /= 2, mask ^= mask << j)
        for (int k = 0; k < 64; k = (k + j + 1) & ~j) {
            vec t = (x[k] >> j ^ x[k + j]) & mask;
            x[k + j] ^= t;
            x[k] ^= t << j;
        }
}

/* Word k of lane l: 8 bytes, or those that there are, of row 64 l + k; no row, no bits. */
SLICED_TARGET INLINE void NAME(load)(vec x[64], const uint8_t *codes, size_t n, size_t nbytes, size_t some)
{
    uint64_t *words = (uint64_t *)x;
    if (n < 64 * LANES) memset(x, 0, 64 * sizeof *x);
    for (size_t lane = 0; lane < LANES && 64 * lane < n; lane++) {
        size_t rows = n - 64 * lane < 64 ? n - 64 * lane : 64;
        for (size_t k = 0; k < rows; k++, codes += nbytes) words[LANES * k + lane] = load_some(codes, some);
    }
}

SLICED_TARGET
void NAME(sg_hamming_slice)(uint64_t *planes, const uint8_t *codes, size_t n, size_t nbytes)
{
    vec x[64], *out = (vec *)planes;
    for (size_t first = 0; first < n; first += 64 * LANES, out += 16 * nbytes)
        for (size_t at = 0; at < nbytes; at += 8) {
            const uint8_t *rows = codes + first * nbytes + at;
            if (at + 8 <= nbytes)
                NAME(load)(x, rows, n - first, nbytes, 8);
            else if (at + 4 == nbytes)
                NAME(load)(x, rows, n - first, nbytes, 4);
            else
                NAME(load)(x, rows, n - first, nbytes, nbytes - at);
            NAME(transpose)(x);
            for (size_t bit = 0; bit < 64 && at + bit / 8 < nbytes; bit++) {
                out[2 * (8 * at + bit)] = x[bit];
                out[2 * (8 * at + bit) + 1] = ~x[bit];
            }
        }
}

/* A full adder at each place: the carry; the sum stays. */
SLICED_TARGET INLINE vec NAME(add)(vec *sum, vec a, vec b)
{
    vec carry = MAJORITY(*sum, a, b);
    *sum = XOR3(*sum, a, b);
    return carry;
}

/* The bits of 8 planes, 16, 32, 64 are added to the counters of 1, 2, 4, ...: what they carry is returned. */
SLICED_TARGET INLINE vec NAME(add8)(vec *c, const uint64_t *planes, const uint16_t *slots)
{
#define PLANE(k) (*(const vec *)(planes + slots[k]))
    vec twos0 = NAME(add)(&c[0], PLANE(0), PLANE(1)), twos1 = NAME(add)(&c[0], PLANE(2), PLANE(3));
    vec fours0 = NAME(add)(&c[1], twos0, twos1);
    twos0 = NAME(add)(&c[0], PLANE(4), PLANE(5)), twos1 = NAME(add)(&c[0], PLANE(6), PLANE(7));
#undef PLANE
    vec fours1 = NAME(add)(&c[1], twos0, twos1);
    return NAME(add)(&c[2], fours0, fours1);
}

SLICED_TARGET INLINE vec NAME(add16)(vec *c, const uint64_t *planes, const uint16_t *slots)
{
    vec a = NAME(add8)(c, planes, slots), b = NAME(add8)(c, planes, slots + 8);
    return NAME(add)(&c[3], a, b);
}

SLICED_TARGET INLINE vec NAME(add32)(vec *c, const uint64_t *planes, const uint16_t *slots)
{
    vec a = NAME(add16)(c, planes, slots), b = NAME(add16)(c, planes, slots + 16);
    return NAME(add)(&c[4], a, b);
}

SLICED_TARGET INLINE vec NAME(add64)(vec *c, const uint64_t *planes, const uint16_t *slots)
{
    vec a = NAME(add32)(c, planes, slots), b = NAME(add32)(c, planes, slots + 32);
    return NAME(add)(&c[5], a, b);
}

SLICED_TARGET INLINE vec NAME(carry)(vec *c, vec carry)
{
    vec both = *c & carry;
    *c ^= carry;
    return both;
}

/* Where the distance is > bound: the counters begin at 2^m - 1 - bound, so that it is what they carry beyond m bits. */
SLICED_TARGET INLINE vec NAME(farther)(const uint64_t *planes, const uint16_t *slots, size_t nbits,
                                       unsigned bound)
{
    vec low[6], high[6]; /* of 1 to 32, of 64 to 2048 */
    unsigned m = 32 - (unsigned)__builtin_clz((unsigned)nbits), start = (1u << m) - 1 - bound;
    size_t done = 0;
    for (unsigned i = 0; i < 6; i++) low[i] = (vec){0} - (uint64_t)(start >> i & 1);
    for (unsigned i = 0; i < 6; i++) high[i] = (vec){0} - (uint64_t)(start >> (6 + i) & 1);
    for (; done + 64 <= nbits; done += 64) {
        vec carry = NAME(add64)(low, planes, slots + done);
        for (unsigned i = 6; i <= m; i++) carry = NAME(carry)(&high[i - 6], carry);
    }
    for (; done < nbits; done += 8) {
        vec carry = NAME(add8)(low, planes, slots + done);
        for (unsigned i = 3; i < 6; i++) carry = NAME(carry)(&low[i], carry);
        for (unsigned i = 6; i <= m; i++) carry = NAME(carry)(&high[i - 6], carry);
    }
    return m < 6 ? low[m] : high[m - 6];
}

SLICED_TARGET
INLINE size_t NAME(sliced)(uint32_t *hits, const uint64_t *planes, const uint16_t *slots,
                           const uint8_t *query, const uint8_t *codes, size_t n, size_t nbytes,
                           unsigned bound)
{
    size_t found = 0;
    for (size_t first = 0; first < n; first += 64 * LANES, planes += LANES * 16 * nbytes) {
        vec near = ~NAME(farther)(planes, slots, 8 * nbytes, bound);
        if (!ANY(near)) continue;
        for (size_t lane = 0; lane < LANES; lane++)
            found = add_near(hits, found, near[lane], query, codes, first + 64 * lane, n, nbytes);
    }
    return found;
}

/* The common sizes are constants. */
SLICED_TARGET
size_t NAME(sg_hamming_sliced)(uint32_t *hits, const uint64_t *planes, const uint16_t *slots,
                               const uint8_t *query, const uint8_t *codes, size_t n, size_t nbytes,
                               unsigned bound)
{
    switch (nbytes) {
    case 4:
        return NAME(sliced)(hits, planes, slots, query, codes, n, 4, bound);
    case 8:
        return NAME(sliced)(hits, planes, slots, query, codes, n, 8, bound);
    case 16:
        return NAME(sliced)(hits, planes, slots, query, codes, n, 16, bound);
    default:
        return NAME(sliced)(hits, planes, slots, query, codes, n, nbytes, bound);
    }
}

#undef vec
#undef LANES
#undef NAME
#undef SLICED_TARGET
#undef XOR3
#undef MAJORITY
#undef ANY
