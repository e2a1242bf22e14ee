/* Changes of what an index knows: which items they are about, and what is done with them. */
#ifndef SIGNET_EDIT_H
#define SIGNET_EDIT_H

#include <signet/store.h>
#include <signet/where.h>

typedef struct sg_select {
    const char *const *paths; /* each that of an item, or of a folder: all items below it */
    size_t npaths;
    const uint64_t *ids;
    size_t nids;
    const sg_where *where; /* of these (without paths and ids: of all) only those for which it holds; NULL */
    bool pictures;         /* of all, leave out bare codes */
} sg_select;

/* The items' ids, ascending, none twice (the caller's, sg_free). A path at which and below which nothing is, and an id
 * that is not there: SG_ERR_NOT_FOUND; that `where` holds for none of them is no fault. Not during a batch. */
bool sg_select_items(uint64_t **ids, size_t *n, sg_store *store, const sg_select *select, sg_error *err);

/* Removes items, up to SG_REMOVE_AT_ONCE of them all or none; of more, in batches of so many, *removed tells how many of
 * the first ones are gone, also on failure. (LMDB keeps 131072 changed pages of a transaction in memory; an item changes one
 * of each of three tables, and beyond that number each change takes four times as long: bench/bench_store.c.) */
#define SG_REMOVE_AT_ONCE 16384
bool sg_remove_items(size_t *removed, sg_store *store, const uint64_t *ids, size_t n, sg_error *err);

/* What becomes of items' attributes: first some are taken away, then some given. */
typedef struct sg_retag {
    const char *const *remove; /* "key=value", or "key": all of that key */
    size_t nremove;
    const sg_attributes *add;
    bool dry_run; /* only count */
} sg_retag;

/* Of items with a path (SG_ERR_USAGE), in batches: an interrupt keeps what is done. *changed: how many are not as they were. */
bool sg_retag_items(uint64_t *changed, sg_store *store, const uint64_t *ids, size_t n, const sg_retag *retag,
                    sg_error *err);

/* The same for the lines of a text: PATH, and pairs key=value that its item is given, with tabs between; empty lines are
 * none. The text is parted in place. All lines are looked at before the first change: when one is wrong (the error names
 * `name` and the line) nothing is changed. retag is for all of them, before what the line says. */
bool sg_retag_lines(uint64_t *changed, sg_store *store, const char *name, char *text, size_t nbytes,
                    const sg_retag *retag, sg_error *err);

#endif
