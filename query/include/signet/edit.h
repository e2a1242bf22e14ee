/* Changes of what an index knows: which items they are about, and what is done with them. */
#ifndef SIGNET_EDIT_H
#define SIGNET_EDIT_H

#include <signet/store.h>

typedef struct sg_select {
    const char *const *paths; /* each that of an item, or of a folder: all items below it */
    size_t npaths;
    const uint64_t *ids;
    size_t nids;
} sg_select;

/* The items' ids, ascending, none twice (the caller's, sg_free). A path at which and below which nothing is, and an id
 * that is not there: SG_ERR_NOT_FOUND. Not during a batch. */
bool sg_select_items(uint64_t **ids, size_t *n, sg_store *store, const sg_select *select, sg_error *err);

/* Removes items, all or none: one transaction. */
bool sg_remove_items(sg_store *store, const uint64_t *ids, size_t n, sg_error *err);

#endif
