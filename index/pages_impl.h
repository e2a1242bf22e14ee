/* LMDB's data file read as plain bytes, every number checked before it is followed. LMDB trusts its file: on a
 * damaged page it reads outside its map or aborts the process. What it is about to follow is therefore looked at
 * here first. Nothing here maps the file or needs lmdb.h; the layout is that of LMDB 0.9 (data version 1), little
 * endian, 64 bits. */
#ifndef SIGNET_PAGES_IMPL_H
#define SIGNET_PAGES_IMPL_H

#include <signet/error.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sg_tree {
    const char *name;
    uint64_t root; /* page number; SG_PAGE_NONE when the tree is empty */
    unsigned depth;
    uint64_t entries;
    bool main, integer; /* what its nodes are: roots of other trees; keys of 8 native bytes in their order */
} sg_tree;

#define SG_PAGE_NONE   UINT64_MAX
#define SG_META_NBYTES 152 /* what is used of a meta page */

/* One committed state of a data file. */
typedef struct sg_pages {
    int fd;           /* borrowed */
    const char *path; /* borrowed; for messages */
    size_t page_nbytes;
    uint64_t npages; /* every page number in use is below it */
    sg_tree free, main;
    uint8_t meta[SG_META_NBYTES]; /* its meta page, as read */
    uint8_t *
        seen; /* bit a page, when not NULL (the caller's, zeroed, npages bits): using a page twice is a fault */
} sg_pages;

typedef struct sg_span {
    const uint8_t *data; /* NULL: no bound */
    size_t size;
} sg_span;

/* Is the file what LMDB may map? Size, both meta pages and their agreement. */
bool sg_pages_check_file(int fd, const char *path, sg_error *err);

/* The state that transaction `txnid` left. *moved: a writer has replaced it meanwhile; take a newer transaction. */
bool sg_pages_snapshot(sg_pages *pages, bool *moved, int fd, const char *path, uint64_t txnid, sg_error *err);

/* Makes `fd` (the file `path`), which has the pages of the state, that state as of transaction `txnid`: writes both meta
 * pages. The older one leads to the same pages; it is never looked at, for the head says another transaction. */
bool sg_pages_seal(const sg_pages *pages, int fd, const char *path, uint64_t txnid, sg_error *err);
/* Copies the state as it lies, its meta pages by sg_pages_seal. Its transaction must be open meanwhile: that keeps its
 * pages from being written to. */
bool sg_pages_copy(const sg_pages *pages, int fd, const char *path, uint64_t txnid, sg_error *err);

/* The tree called `name` (borrowed). SG_ERR_FORMAT when there is none. */
bool sg_pages_tree(sg_tree *tree, const sg_pages *pages, const char *name, sg_error *err);

/* Checks all pages that LMDB can meet while it looks for keys in [lo, hi] (inclusive; no bounds: all pages, and the
 * number of entries): page numbers, flags, bounds of nodes, order of keys, depth, overflow pages. */
bool sg_pages_check(const sg_pages *pages, const sg_tree *tree, sg_span lo, sg_span hi, sg_error *err);

#endif
