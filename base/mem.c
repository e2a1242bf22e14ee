#include <signet/mem.h>

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define ALIGNMENT    64 /* a cache line, and the widest vector */
#define PAGE_NBYTES  4096
#define LARGE_NBYTES ((size_t)1 << 20)

static atomic_uint_fast64_t made;    /* allocations since the start */
static atomic_uint_fast64_t fail_at; /* the one that fails; 0: none */

/* Counts an allocation of count * size bytes and says whether it may go on. *nbytes is at least 1. */
static bool admit(size_t *nbytes, size_t count, size_t size)
{
    uint64_t number = atomic_fetch_add_explicit(&made, 1, memory_order_relaxed) + 1;
    if (number == atomic_load_explicit(&fail_at, memory_order_relaxed)) return false;
    if (!sg_mul_size(nbytes, count, size)) return false;
    if (*nbytes == 0) *nbytes = 1;
    return *nbytes <= PTRDIFF_MAX;
}

void *sg_alloc(size_t count, size_t size)
{
    size_t nbytes;
    return admit(&nbytes, count, size) ? malloc(nbytes) : NULL;
}

void *sg_calloc(size_t count, size_t size)
{
    size_t nbytes;
    return admit(&nbytes, count, size) ? calloc(1, nbytes) : NULL;
}

void *sg_realloc(void *block, size_t count, size_t size)
{
    size_t nbytes;
    return admit(&nbytes, count, size) ? realloc(block, nbytes) : NULL;
}

/* calloc's own address stands before the block; what it gives fresh from the system is zero already. Pages of large blocks
 * are asked for at once: one by one, at their first touch, they take half as long again. */
void *sg_alloc_aligned(size_t count, size_t size)
{
    size_t nbytes, whole;
    if (!admit(&nbytes, count, size)) return NULL;
    const bool large = nbytes >= LARGE_NBYTES;
    const size_t alignment = large ? PAGE_NBYTES : ALIGNMENT;
    if (!sg_add_size(&whole, nbytes, alignment + sizeof(void *))) return NULL;
    char *from = calloc(1, whole);
    if (!from) return NULL;
    char *block = from + sizeof from;
    block += -(uintptr_t)block % alignment;
    memcpy(block - sizeof from, &from, sizeof from);
    if (large) madvise(block, nbytes, MADV_POPULATE_WRITE); /* a system that cannot: they come one by one */
    return block;
}

char *sg_strdup(const char *text)
{
    return sg_memdup(text, strlen(text) + 1);
}

void *sg_memdup(const void *bytes, size_t nbytes)
{
    void *copy = sg_alloc(nbytes, 1);
    if (copy && nbytes > 0) memcpy(copy, bytes, nbytes);
    return copy;
}

void sg_free(void *block)
{
    free(block);
}

void sg_free_aligned(void *block)
{
    void *from = NULL;
    if (block) memcpy(&from, (char *)block - sizeof from, sizeof from);
    free(from);
}

bool sg_mul_size(size_t *out, size_t a, size_t b)
{
    return !__builtin_mul_overflow(a, b, out);
}

bool sg_add_size(size_t *out, size_t a, size_t b)
{
    return !__builtin_add_overflow(a, b, out);
}

bool sg_grow(void *items, size_t *cap, size_t need, size_t size)
{
    if (need <= *cap) return true;
    size_t larger = *cap < 8 ? 8 : *cap;
    while (larger < need)
        if (!sg_mul_size(&larger, larger, 2)) return false;
    void *block;
    memcpy(&block, items, sizeof block); /* `items` points at a pointer of any type */
    block = sg_realloc(block, larger, size);
    if (!block) return false;
    memcpy(items, &block, sizeof block);
    *cap = larger;
    return true;
}

void sg_mem_fail_at(uint64_t nth)
{
    atomic_store(&fail_at, nth == 0 ? 0 : atomic_load(&made) + nth);
}

uint64_t sg_mem_count(void)
{
    return atomic_load(&made);
}
