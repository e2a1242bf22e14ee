/* What is still sound in a damaged data file, read page by page and never through LMDB. Records carry their own identity
 * and checksum, so a sound one is known wherever it stands; what only a tree can say is which of several versions of it is
 * the newest. */
#ifndef SIGNET_SALVAGE_IMPL_H
#define SIGNET_SALVAGE_IMPL_H

#include "store_impl.h"

typedef struct sg_found {
    uint64_t key; /* as the record itself says: an id, the number of a block; of a pair its lower id */
    uint64_t at;  /* where its bytes lie in the file; of a pair: its key's */
    uint32_t nbytes;
    uint8_t table; /* SG_TABLE_CODES, _ITEMS, _OUTPUTS, _PAIRS */
    bool in_tree;  /* found by the newest state's tree; else a stray: of that state, or older */
} sg_found;

typedef struct sg_salvage {
    int fd;           /* borrowed */
    const char *path; /* borrowed */
    uint64_t nbytes, npages;
    size_t page_nbytes;
    sg_store_head head;
    sg_kv recipe, search; /* search: the parameters of the kind, where they are left */
    bool has_head, has_recipe;
    bool current; /* the head is the newest state's own: its numbers are to be believed */
    bool newest;  /* both meta pages say that the state is the newest there was */
    uint64_t
        next_id; /* of the state: ids from here on are those of a newer one, of which only strays are left */
    bool whole[SG_TABLES]; /* the tree of the table was walked to its end and had no fault */
    sg_found *found;       /* sorted by table, key, those in the tree first */
    size_t n, cap;
} sg_salvage;

/* Fails with SG_ERR_FORMAT when not even a head and a recipe are left. */
bool sg_salvage_open(sg_salvage *salvage, int fd, const char *path, sg_error *err);
void sg_salvage_clear(sg_salvage *salvage);
/* Those of a table. */
const sg_found *sg_salvage_table(size_t *n, const sg_salvage *salvage, int table);
/* Reads a record that was found, into room for found->nbytes; false: it cannot be read any more. */
bool sg_salvage_read(uint8_t *bytes, const sg_salvage *salvage, const sg_found *found);

/* salvage_state.c: the newest state that can be told, by the pages alone. */
typedef struct sg_state {
    sg_tree trees[SG_TABLES];
    bool has[SG_TABLES];
    bool has_head;
    sg_store_head head;
} sg_state;
/* Fills head, recipe and search of *salvage too. page: room for the largest page. */
bool sg_salvage_state(sg_state *state, sg_salvage *salvage, uint8_t *page, sg_error *err);
bool sg_salvage_bytes(void *bytes, size_t nbytes, const sg_salvage *salvage, uint64_t at);
/* A leaf or a branch that stands where it says; false: there is none such. */
bool sg_salvage_page(uint8_t *page, const sg_salvage *salvage, uint64_t number, bool leaf);

#endif
