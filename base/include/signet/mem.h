/* Allocation: the one door to malloc, with checked products and a hook for tests. */
#ifndef SIGNET_MEM_H
#define SIGNET_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Each returns NULL when memory is short or count * size overflows; free with sg_free. A size of 0 gives a
 * valid pointer. */
void *sg_alloc(size_t count, size_t size);
void *sg_calloc(size_t count, size_t size);
void *sg_realloc(void *block, size_t count, size_t size); /* on failure the old block stays */
void *sg_alloc_aligned(size_t count, size_t size);        /* 64-byte aligned, zeroed; sg_free_aligned */
char *sg_strdup(const char *text);
void *sg_memdup(const void *bytes, size_t nbytes);
void sg_free(void *block);
void sg_free_aligned(void *block);

/* *out = a op b; false on overflow. */
bool sg_mul_size(size_t *out, size_t a, size_t b);
bool sg_add_size(size_t *out, size_t a, size_t b);

/* Grows *items (elements of `size` bytes, capacity *cap) so that `need` fit; doubles. False: out of memory,
 * nothing changed. */
bool sg_grow(void *items, size_t *cap, size_t need, size_t size);

/* Test hooks: the n-th allocation from now on fails (1 = the next; 0 switches off); how many were made since
 * the start of the process. The only mutable state of this file; for tests alone. */
void sg_mem_fail_at(uint64_t nth);
uint64_t sg_mem_count(void);

#endif
