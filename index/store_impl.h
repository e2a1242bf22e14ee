/* Inside the store: the one door to lmdb.h, the tables, the records (docs/formats.md), and what the store's files
 * share. */
#ifndef SIGNET_STORE_IMPL_H
#define SIGNET_STORE_IMPL_H

#include "pages_impl.h"
#include <lmdb.h>
#include <signet/store.h>

#define SG_STORE_VERSION 2
#define SG_STORE_DATA    "data.mdb"
#define SG_STORE_LOCK    "lock.mdb"
#define SG_BLOCK_CODES   4096

enum {
    SG_TABLE_META,
    SG_TABLE_CODES,
    SG_TABLE_ITEMS,
    SG_TABLE_PATHS,
    SG_TABLE_CONTENTS,
    SG_TABLES_1, /* those of version 1 */
    SG_TABLE_OUTPUTS = SG_TABLES_1,
    SG_TABLE_PAIRS,
    SG_TABLES
};
extern const char *const sg_table_names[SG_TABLES];
int sg_tables_of(unsigned version); /* how many a store of that version has */

/* --- records: store_record.c, store_block.c --- */

#define SG_ID_NBYTES   8  /* ids and block numbers as keys: big-endian, so that bytes order as numbers */
#define SG_REF_NBYTES  24 /* keys of paths and contents: a 128-bit hash, then the id */
#define SG_PAIR_NBYTES 16 /* keys of pairs: two ids */

typedef struct sg_store_head {
    unsigned version; /* as parsed; it is always written as SG_STORE_VERSION */
    uint64_t items, foreign, next_id, generation;
    uint64_t txnid; /* of the transaction that wrote it: a state that LMDB took by mistake is seen */
    size_t nbits;
    uint8_t fingerprint[SG_FINGERPRINT_NBYTES];
    char kind[16];
    uint64_t bare;    /* of the items */
    uint64_t outputs; /* items whose outputs are kept */
    uint64_t pairs;   /* marked */
    bool keeps_outputs;
} sg_store_head;

/* Parsers: what is wrong with the bytes, or NULL. Results borrow the bytes. */
#define SG_HEAD_NBYTES 136
void sg_head_write(uint8_t bytes[SG_HEAD_NBYTES], const sg_store_head *head);
const char *sg_head_parse(sg_store_head *head, const void *bytes, size_t nbytes);
/* The kind's name into the head; SG_ERR_USAGE when it cannot be one. */
bool sg_head_set_kind(sg_store_head *head, const char *kind, sg_error *err);
/* Texts by key: the recipe, and the params of the search kind. */
bool sg_texts_write(uint8_t **bytes, size_t *nbytes, const sg_kv *texts, sg_error *err);
bool sg_texts_parse(sg_kv *texts, const char **fault, const void *bytes, size_t nbytes, sg_error *err);
size_t sg_item_nbytes(const sg_item *item);
void sg_item_write(uint8_t *bytes, const sg_item *item);
const char *sg_item_parse(sg_item *item, uint64_t id, const void *bytes, size_t nbytes); /* code NULL */
size_t sg_outputs_nbytes(size_t nbits);
void sg_outputs_write(uint8_t *bytes, uint64_t id, const float *outputs, size_t nbits);
const char *sg_outputs_parse(float *outputs, uint64_t id, size_t nbits, const void *bytes, size_t nbytes);
void sg_id_key(uint8_t key[SG_ID_NBYTES], uint64_t id);
uint64_t sg_key_id(const uint8_t key[SG_ID_NBYTES]);
void sg_path_ref(uint8_t key[SG_REF_NBYTES], const char *path, uint64_t id);
void sg_content_ref(uint8_t key[SG_REF_NBYTES], const uint8_t content[SG_CONTENT_NBYTES], uint64_t id);
void sg_pair_key(uint8_t key[SG_PAIR_NBYTES], uint64_t id, uint64_t other);
#define SG_PAIR_SUM_NBYTES 8 /* the value of a pair: its key's sum */
void sg_pair_sum(uint8_t sum[SG_PAIR_SUM_NBYTES], const uint8_t key[SG_PAIR_NBYTES]);
const char *sg_pair_parse(uint64_t *id, uint64_t *other, const MDB_val *key, const MDB_val *value);

/* A block of codes: ids [number * SG_BLOCK_CODES, +slots), those whose bit in `live` is set. */
typedef struct sg_block {
    uint64_t number;
    unsigned slots, live_count;
    const uint8_t *live;  /* SG_BLOCK_CODES / 8 */
    const uint8_t *bare;  /* the same; NULL when no item of the block is bare */
    const uint8_t *codes; /* (slots, nbits / 8); dead ones are zero */
} sg_block;
const char *sg_block_parse(sg_block *block, uint64_t number, size_t code_nbytes, const void *bytes,
                           size_t nbytes);
/* How long a record that begins so (a head alone) says it is; 0: it begins no record. */
#define SG_BLOCK_HEAD_NBYTES 24
size_t sg_block_claims(const uint8_t head[SG_BLOCK_HEAD_NBYTES], size_t code_nbytes);
/* As a record that was not checked says: how many live in it. False when it says nothing that can be. */
bool sg_block_peek(unsigned *live_count, const void *bytes, size_t nbytes);
bool sg_block_has(const sg_block *block, uint64_t id);
bool sg_block_is_bare(const sg_block *block, uint64_t id);
unsigned sg_block_bare_count(const sg_block *block);

/* A block that a batch has changed: kept apart and written once, at its end. */
typedef struct sg_dirty_block {
    uint64_t number;
    unsigned slots, live_count, bare_count;
    uint8_t live[SG_BLOCK_CODES / 8], bare[SG_BLOCK_CODES / 8];
    uint8_t codes[]; /* room for a full block; zero beyond `slots` */
} sg_dirty_block;

/* --- the store --- */

typedef struct sg_put_result {
    sg_put_kind kind;
    uint64_t id, other;
} sg_put_result;

/* One call that changes the store, kept so that a batch can be done again in a larger map. */
typedef struct sg_store_op sg_store_op;
typedef bool (*sg_store_apply)(sg_store *store, const sg_store_op *op, sg_put_result *result, sg_error *err);
struct sg_store_op {
    sg_store_apply apply;
    uint64_t id, other;
    void *data; /* owned: what the operation takes besides */
    size_t n;   /* of it: bytes, codes */
};

struct sg_store {
    char *dir, *file; /* file: its data.mdb */
    int fd;           /* on file; a writer holds its lock (flock) */
    bool writable;
    bool apart; /* a reader without a place in lock.mdb: store_gate.c */
    bool moved; /* a reader's call has left the file that was opened, for the one that has its name now */
    MDB_env *env;
    MDB_txn *pin; /* a writer's: it keeps what readers apart look at */
    MDB_dbi tables[SG_TABLES];
    unsigned version;            /* the tables of that version are open */
    unsigned readers;            /* views that are open */
    const struct sg_view *outer; /* the first of them, unless it is a batch's */
    size_t code_nbytes;
    uint8_t fingerprint[SG_FINGERPRINT_NBYTES]; /* as of the open */

    MDB_txn *batch;          /* the open write transaction */
    sg_store_head head;      /* as the batch has changed it */
    sg_dirty_block **blocks; /* ascending by number */
    size_t nblocks, blocks_cap;
    sg_dirty_block *last_block; /* the one that was asked for last */
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

/* A map of another size; 0: as large as the file's writer has made it. After a failure the store may be without one: then
 * every call fails, but a reader's tries again. */
bool sg_store_remap(sg_store *store, size_t nbytes, sg_error *err);

/* What keeps the pages that readers apart look at: store_gate.c. */
bool sg_gate_enter(const sg_store *store, sg_error *err); /* a reader, before its transaction */
void sg_gate_leave(const sg_store *store);
bool sg_gate_open(sg_store *store, int timeout_ms, sg_error *err); /* a writer */
bool sg_gate_renew(sg_store *store, sg_error *err);                /* before each batch */
void sg_gate_close(sg_store *store);

/* A reader without open views goes over to the data file that compaction has put in the place of the open one. */
bool sg_store_follow(sg_store *store, sg_error *err);
/* Removes what a compaction left that was killed. For the writer alone. */
void sg_store_sweep(const sg_store *store);
/* Opens the tables that a version has beyond those that are open. */
bool sg_store_open_tables(sg_store *store, unsigned version, sg_error *err);

/* One consistent state to read from: that of the open batch, else the newest committed one. Views that are opened while
 * another is open have that one's state: what looks at items from within a walk finds what the walk finds. */
typedef struct sg_view {
    sg_store *store;
    MDB_txn *txn;
    bool own;     /* the transaction is its own, and ended with it */
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
/* All pages of the state, each used once, and none of them free. */
bool sg_view_check_pages(sg_view *view, sg_error *err);
/* *value.mv_data is NULL when there is no such key. */
bool sg_view_get(MDB_val *value, const sg_view *view, int table, const void *key, size_t nbytes,
                 sg_error *err);
/* A bare item is found too. */
bool sg_view_item(sg_item *item, bool *found, const sg_view *view, uint64_t id, sg_error *err);
/* The block `number`, kept in *block (zero at first) from call to call. *fault: what is wrong with it, or NULL. */
bool sg_view_block(sg_block *block, const char **fault, const sg_view *view, uint64_t number, sg_error *err);
bool sg_view_find_path(sg_item *item, bool *found, const sg_view *view, const char *path, sg_error *err);
/* The lowest id with this content; 0: none. However many there are, it takes no longer. */
bool sg_view_first_content(uint64_t *id, const sg_view *view, const uint8_t content[SG_CONTENT_NBYTES],
                           sg_error *err);
/* As sg_store_find_content. */
bool sg_view_find_content(uint64_t *ids, size_t *n, size_t max, const sg_view *view,
                          const uint8_t content[SG_CONTENT_NBYTES], sg_error *err);
/* Calls visit for each entry of a checked table, in order, until it returns false. */
typedef bool (*sg_view_visit)(void *context, const MDB_val *key, const MDB_val *value, sg_error *err);
bool sg_view_each(const sg_view *view, int table, sg_view_visit visit, void *context, sg_error *err);

/* The batch's part of the code blocks. */
bool sg_blocks_set(sg_store *store, uint64_t id, const uint8_t *codes, size_t n, bool bare, sg_error *err);
bool sg_blocks_drop(sg_store *store, uint64_t id, sg_error *err);
/* What the batch has made of id's slot; false when it has not changed its block. */
bool sg_blocks_look(bool *live, bool *bare, sg_store *store, uint64_t id);
bool sg_blocks_flush(sg_store *store, sg_error *err);
void sg_blocks_clear(sg_store *store);

/* The operations on the tables: store_apply.c. op->data is, for a put, an sg_item that owns what it points to. */
bool sg_apply_put(sg_store *store, const sg_store_op *op, sg_put_result *result, sg_error *err);
bool sg_apply_codes(sg_store *store, const sg_store_op *op, sg_put_result *result, sg_error *err);
bool sg_apply_skip(sg_store *store, const sg_store_op *op, sg_put_result *result, sg_error *err);
bool sg_apply_put_as(sg_store *store, const sg_store_op *op, sg_put_result *result, sg_error *err);
bool sg_apply_generation(sg_store *store, const sg_store_op *op, sg_put_result *result, sg_error *err);
bool sg_apply_remove(sg_store *store, const sg_store_op *op, sg_put_result *result, sg_error *err);
bool sg_apply_attributes(sg_store *store, const sg_store_op *op, sg_put_result *result, sg_error *err);
bool sg_apply_path(sg_store *store, const sg_store_op *op, sg_put_result *result, sg_error *err);
bool sg_apply_search(sg_store *store, const sg_store_op *op, sg_put_result *result, sg_error *err);
bool sg_apply_pair(sg_store *store, const sg_store_op *op, sg_put_result *result, sg_error *err);
bool sg_batch_put(sg_store *store, int table, const void *key, size_t nkey, void *value, size_t nvalue,
                  sg_error *err);

#endif
