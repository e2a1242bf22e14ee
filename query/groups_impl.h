/* Items joined into groups, with pairs that must stay apart. */
#ifndef SIGNET_GROUPS_IMPL_H
#define SIGNET_GROUPS_IMPL_H

#include <signet/error.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sg_apart {
    uint32_t a, b;
} sg_apart;

/* Disjoint sets over 0 .. n - 1 (Galler and Fischer 1964): trees by size, with path halving. */
typedef struct sg_sets {
    uint32_t *parents, *sizes; /* owned, (n); sizes of roots */
    bool *touched;             /* owned, (n); of roots: something in it has to stay apart from something */
    size_t n;
    sg_apart *apart; /* owned */
    size_t napart, apart_cap;
} sg_sets;

bool sg_sets_init(sg_sets *sets, size_t n, sg_error *err);
void sg_sets_clear(sg_sets *sets);
/* Before anything is joined. */
bool sg_sets_keep_apart(sg_sets *sets, uint32_t a, uint32_t b, sg_error *err);
uint32_t sg_sets_find(sg_sets *sets, uint32_t i);
/* False: some of a's set and some of b's have to stay apart; nothing is changed. True also when they were one. */
bool sg_sets_join(sg_sets *sets, uint32_t a, uint32_t b);

#endif
