/* Answers in the order of (distance, position), and the k first of many. */
#include "search_impl.h"

#include <signet/mem.h>
#include <stdlib.h>
#include <string.h>

#define FEW 64 /* below, comparing is as quick as counting */

static int compare(const void *a, const void *b)
{
    const sg_near *x = a, *y = b;
    if (x->distance != y->distance) return x->distance < y->distance ? -1 : 1;
    return (x->position > y->position) - (x->position < y->position);
}

static unsigned digit(const sg_near *item, unsigned place)
{
    return (place < 8 ? item->position >> 8 * place : item->distance >> 8 * (place - 8)) & 0xff;
}

/* One pass of a sort by digits of 8 bits, the least first. False: all have the same, and nothing was done. */
static bool pass(sg_near *to, const sg_near *from, size_t n, unsigned place)
{
    size_t starts[257] = {0};
    for (size_t i = 0; i < n; i++) starts[digit(&from[i], place) + 1]++;
    if (starts[digit(from, place) + 1] == n) return false;
    for (unsigned d = 0; d < 256; d++) starts[d + 1] += starts[d];
    for (size_t i = 0; i < n; i++) to[starts[digit(&from[i], place)]++] = from[i];
    return true;
}

void sg_near_sort(sg_near *items, size_t n)
{
    bool sorted = true;
    for (size_t i = 1; sorted && i < n; i++) sorted = compare(&items[i - 1], &items[i]) < 0;
    if (sorted) return;
    sg_near *room = n < FEW ? NULL : sg_alloc(n, sizeof *room), *from = items, *to = room;
    if (!room) {
        qsort(items, n, sizeof *items, compare);
        return;
    }
    for (unsigned place = 0; place < 12; place++)
        if (pass(to, from, n, place)) {
            sg_near *kept = from;
            from = to;
            to = kept;
        }
    if (from == room) memcpy(items, room, n * sizeof *items);
    sg_free(room);
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
            while (compare(&items[i], &pivot) < 0) i++;
            while (compare(&items[j], &pivot) > 0) j--;
            if (i >= j) break;
            swap(&items[i++], &items[j--]);
        }
        /* All below `middle` are <= pivot, all others >= it. */
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
    sg_near_sort(items, kept);
    return kept;
}
