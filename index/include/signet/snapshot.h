/* Snapshots: what a search kind took long to build, kept in the index folder as search.KIND (docs/formats.md). The store
 * is the truth: a snapshot is believed only if it is sound and of this store, brought up to date where the store has gone
 * on, and otherwise replaced. */
#ifndef SIGNET_SNAPSHOT_H
#define SIGNET_SNAPSHOT_H

#include <signet/search.h>

typedef enum {
    SG_SNAPSHOT_NONE,     /* the kind needs none */
    SG_SNAPSHOT_CURRENT,  /* loaded as it is */
    SG_SNAPSHOT_REPLAYED, /* loaded; removed codes are left out, new ones are scanned beside it */
    SG_SNAPSHOT_REBUILT   /* built, and written where that is possible */
} sg_snapshot_use;

/* As sg_search_build, by the snapshot in `folder` where it is of use: not where the codes that are gone and those that
 * are new are together more than a fifth of its own. fingerprint (64 hex digits) and generation: the store's, as of the codes that the search was
 * filled with. `use` may be NULL. That a snapshot cannot be read or written is no failure. */
bool sg_snapshot_build(sg_snapshot_use *use, sg_search *search, const char *folder, const char *fingerprint,
                       uint64_t generation, sg_error *err);

/* Removes the snapshot of a kind in `folder`, if there is one. */
bool sg_snapshot_remove(const char *folder, const char *kind, sg_error *err);

#endif
