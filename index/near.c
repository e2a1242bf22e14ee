/* The k smallest of many answers. */
#include "search_impl.h"

#include <stdlib.h>

int sg_near_compare(const void *a, const void *b)
{
    const sg_near *x = a, *y = b;
    if (x->distance != y->distance) return x->distance < y->distance ? -1 : 1;
    return (x->position > y->position) - (x->position < y->position);
}

static void swap(sg_near *a, sg_near *b)
{
    const sg_near kept = *a;
    *a = *b;
    *b = kept;
}

/* Hoare's FIND: the k smallest come to the front, in any order. */
static void find(sg_near *items, size_t n, size_t k)
{
    for (size_t low = 0, high = n; high - low > 1;) {
        const sg_near pivot = items[low + (high - low - 1) / 2]; /* never the last: both parts shrink */
        size_t i = low, j = high - 1;
        for (;;) {
            while (sg_near_compare(&items[i], &pivot) < 0) i++;
            while (sg_near_compare(&items[j], &pivot) > 0) j--;
            if (i >= j) break;
            swap(&items[i++], &items[j--]);
        }
        /* All below i are <= pivot, all from j + 1 on >= it. */
        const size_t middle = i > j ? i : i + 1;
        if (k < middle)
            high = middle;
        else if (k > middle)
            low = middle;
        else
            return;
    }
}

size_t sg_near_cut(sg_near *items, size_t n, size_t k)
{
    if (k < n) find(items, n, k);
    const size_t kept = k < n ? k : n;
    if (kept > 1) qsort(items, kept, sizeof *items, sg_near_compare);
    return kept;
}
