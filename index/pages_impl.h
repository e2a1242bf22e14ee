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

/* --- the layout, for those who read what pages_check would refuse (salvage.c) --- */

#define SG_PAGE_HEAD       16
#define SG_PAGE_NBYTES_MAX 32768
#define SG_PAGE_LEAF       0x02
#define SG_PAGE_OVERFLOW   0x04
#define SG_NODE_BIG        0x01 /* the data is the number of a run of overflow pages */
#define SG_NODE_TREE       0x02 /* the data is a tree's record */

typedef struct sg_node {
    sg_span key;
    unsigned flags;
    const uint8_t *data;  /* in the page: the data, or the number of its overflow run */
    uint64_t data_nbytes; /* of a leaf's node */
    uint64_t child;       /* of a branch's node */
} sg_node;

/* Of a whole page in memory; what is wrong, or NULL. The nodes of a sound head are parsed one by one. */
const char *sg_page_fault(const uint8_t *page, size_t page_nbytes, bool leaf);
unsigned sg_page_nodes(const uint8_t *page); /* how many a page with a sound head has */
const char *sg_node_parse(sg_node *n, const sg_tree *tree, const uint8_t *page, size_t page_nbytes,
                          unsigned i, bool leaf);
/* The tree of a node with SG_NODE_TREE; false when it makes no sense. */
bool sg_node_tree(sg_tree *tree, const sg_node *n, const char *name, uint64_t npages);
/* One of the two meta pages (number 0 or 1), by itself. *sound false: it says nothing. */
bool sg_pages_meta(sg_pages *pages, uint64_t *txnid, bool *sound, int fd, const char *path,
                   size_t page_nbytes, unsigned number, sg_error *err);

#endif
