/* Inside the store: the one door to lmdb.h, the tables, the records (docs/formats.md), and what the store's files
 * share. */
#ifndef SIGNET_STORE_IMPL_H
#define SIGNET_STORE_IMPL_H

#include "pages_impl.h"
#include <lmdb.h>
#include <signet/store.h>

#define SG_STORE_VERSION 1
#define SG_STORE_DATA    "data.mdb"
#define SG_STORE_LOCK    "lock.mdb"
#define SG_BLOCK_CODES   4096

enum { SG_TABLE_META, SG_TABLE_CODES, SG_TABLE_ITEMS, SG_TABLE_PATHS, SG_TABLE_CONTENTS, SG_TABLES };
extern const char *const sg_table_names[SG_TABLES];

/* --- records: store_record.c, store_block.c --- */

#define SG_ID_NBYTES  8  /* ids and block numbers as keys: big-endian, so that bytes order as numbers */
#define SG_REF_NBYTES 24 /* keys of paths and contents: a 128-bit hash, then the id */

typedef struct sg_store_head {
    uint64_t items, foreign, next_id, generation;
    uint64_t txnid; /* of the transaction that wrote it: a state that LMDB took by mistake is seen */
    size_t nbits;
    uint8_t fingerprint[SG_FINGERPRINT_NBYTES];
    char kind[16];
} sg_store_head;

/* Parsers: what is wrong with the bytes, or NULL. Results borrow the bytes. */
#define SG_HEAD_NBYTES 104
void sg_head_write(uint8_t bytes[SG_HEAD_NBYTES], const sg_store_head *head);
const char *sg_head_parse(sg_store_head *head, const void *bytes, size_t nbytes);
bool sg_recipe_write(uint8_t **bytes, size_t *nbytes, const sg_kv *recipe, sg_error *err);
bool sg_recipe_parse(sg_kv *recipe, const char **fault, const void *bytes, size_t nbytes, sg_error *err);
size_t sg_item_nbytes(const sg_item *item);
void sg_item_write(uint8_t *bytes, const sg_item *item);
const char *sg_item_parse(sg_item *item, uint64_t id, const void *bytes, size_t nbytes); /* code NULL */
void sg_id_key(uint8_t key[SG_ID_NBYTES], uint64_t id);
uint64_t sg_key_id(const uint8_t key[SG_ID_NBYTES]);
void sg_path_ref(uint8_t key[SG_REF_NBYTES], const char *path, uint64_t id);
void sg_content_ref(uint8_t key[SG_REF_NBYTES], const uint8_t content[SG_CONTENT_NBYTES], uint64_t id);

/* A block of codes: ids [number * SG_BLOCK_CODES, +slots), those whose bit in `live` is set. */
typedef struct sg_block {
    uint64_t number;
    unsigned slots, live_count;
    const uint8_t *live;  /* SG_BLOCK_CODES / 8 */
    const uint8_t *codes; /* (slots, nbits / 8); dead ones are zero */
} sg_block;
const char *sg_block_parse(sg_block *block, uint64_t number, size_t code_nbytes, const void *bytes,
                           size_t nbytes);
bool sg_block_has(const sg_block *block, uint64_t id);

/* Blocks that a batch has changed: kept apart and written once, at its end. */
typedef struct sg_dirty_block {
    uint64_t number;
    uint8_t *bytes; /* room for a full block */
} sg_dirty_block;

/* --- the store --- */

/* One call of put or remove, kept so that a batch can be done again in a larger map. */
typedef struct sg_store_op {
    uint64_t remove; /* the id; 0: a put */
    sg_item item;
    uint8_t *copy; /* owned: code and path of item */
} sg_store_op;

struct sg_store {
    char *dir, *file; /* file: its data.mdb */
    int fd;           /* on file; a writer holds its lock (flock) */
    bool writable;
    bool apart; /* a reader without a place in lock.mdb: store_gate.c */
    MDB_env *env;
    MDB_txn *pin; /* a writer's: it keeps what readers apart look at */
    MDB_dbi tables[SG_TABLES];
    unsigned readers; /* views that are open */
    size_t code_nbytes;
    uint8_t fingerprint[SG_FINGERPRINT_NBYTES]; /* as of the open */

    MDB_txn *batch;     /* the open write transaction */
    sg_store_head head; /* as the batch has changed it */
    sg_dirty_block *blocks;
    size_t nblocks, blocks_cap;
    sg_store_op *ops;
    size_t nops, ops_cap;
    bool full;   /* an operation met the map's end */
    bool broken; /* an operation failed half way: the batch cannot be committed */
};

/* Turns LMDB's `rc` into an error about `what` ("cannot read items"). */
bool sg_store_fail(sg_store *store, int rc, const char *what, sg_error *err);
bool sg_store_damaged(const sg_store *store, const char *table, uint64_t key, const char *what,
                      sg_error *err);
/* Refuses a network file system. */
bool sg_store_check_place(const char *dir, sg_error *err);
/* Takes the disk's room for lock.mdb. LMDB maps it: a hole without room on the disk would end the process by a signal.
 * *apart, when not NULL: the file may not be written, or there is no room; then that is no failure. */
bool sg_store_reserve_lock(const char *dir, bool *apart, sg_error *err);

/* What keeps the pages that readers apart look at: store_gate.c. */
bool sg_gate_enter(const sg_store *store, sg_error *err); /* a reader, before its transaction */
void sg_gate_leave(const sg_store *store);
bool sg_gate_open(sg_store *store, int timeout_ms, sg_error *err); /* a writer */
bool sg_gate_renew(sg_store *store, sg_error *err);                /* before each batch */
void sg_gate_close(sg_store *store);

/* A reader goes over to the data file that compaction has put in the place of the open one. While views of it are open
 * it stays with the old one, which is an error when it `must` not. */
bool sg_store_follow(sg_store *store, bool must, sg_error *err);
/* Removes what a compaction left that was killed. For the writer alone. */
void sg_store_sweep(const sg_store *store);

/* One consistent state to read from: that of the open batch, else the newest committed one. */
typedef struct sg_view {
    sg_store *store;
    MDB_txn *txn;
    bool own;     /* a read transaction of its own, ended with the view */
    bool trusted; /* nothing is left to check: a batch, or all pages have been looked at */
    sg_pages pages;
    sg_store_head head;
} sg_view;
bool sg_view_open(sg_view *view, sg_store *store, sg_error *err);
bool sg_view_open_bare(sg_view *view, sg_store *store, sg_error *err); /* without the head */
void sg_view_close(sg_view *view);
/* Must come before LMDB looks for keys in [lo, hi] of a table; NULL: the whole table. nbytes of both bounds. */
bool sg_view_check(const sg_view *view, int table, const void *lo, const void *hi, size_t nbytes,
                   sg_error *err);
/* *value.mv_data is NULL when there is no such key. */
bool sg_view_get(MDB_val *value, const sg_view *view, int table, const void *key, size_t nbytes,
                 sg_error *err);
bool sg_view_item(sg_item *item, bool *found, const sg_view *view, uint64_t id, sg_error *err);
/* The block `number`, kept in *block (zero at first) from call to call. *fault: what is wrong with it, or NULL. */
bool sg_view_block(sg_block *block, const char **fault, const sg_view *view, uint64_t number, sg_error *err);
bool sg_view_find_path(sg_item *item, bool *found, const sg_view *view, const char *path, sg_error *err);
/* As sg_store_find_content. */
bool sg_view_find_content(uint64_t *ids, size_t *n, size_t max, const sg_view *view,
                          const uint8_t content[SG_CONTENT_NBYTES], sg_error *err);
/* Calls visit for each entry of a checked table, in order, until it returns false. */
typedef bool (*sg_view_visit)(void *context, const MDB_val *key, const MDB_val *value, sg_error *err);
bool sg_view_each(const sg_view *view, int table, sg_view_visit visit, void *context, sg_error *err);

/* The batch's part of the code blocks. */
bool sg_blocks_set(sg_store *store, uint64_t id, const uint8_t *code, sg_error *err);
bool sg_blocks_drop(sg_store *store, uint64_t id, sg_error *err);
bool sg_blocks_flush(sg_store *store, sg_error *err);
void sg_blocks_clear(sg_store *store);

#endif
