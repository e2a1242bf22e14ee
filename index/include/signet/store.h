/* The store: an index folder's truth, in LMDB (docs/formats.md): codes in checked blocks, one record an item, and
 * the ways back from a path or a content to its id. Knows nothing of networks or searching.
 * One writer, many readers, in any number of processes; in one process a folder is opened once at a time (LMDB's
 * locks are the process's). An open store is used by one thread at a time. */
#ifndef SIGNET_STORE_H
#define SIGNET_STORE_H

#include <signet/attributes.h>
#include <signet/codes.h>
#include <signet/hash.h>
#include <signet/kv.h>

typedef struct sg_store sg_store;

typedef struct sg_store_info {
    unsigned version; /* of the format: 1 is written as 2 by the first batch */
    size_t nbits;
    uint64_t items;       /* live, bare ones too */
    uint64_t bare;        /* of the items, those of which only the code is known */
    uint64_t foreign;     /* of the items, those so marked */
    uint64_t next_id;     /* ids are ascending from 1 and never reused */
    uint64_t generation;  /* raised by each write transaction */
    bool outputs;         /* the real outputs behind the codes are kept too */
    char fingerprint[65]; /* of the encoder's model, hex */
    sg_kv recipe;         /* as recorded at creation */
    char kind[16];        /* search kind: "flat" */
    sg_kv params;         /* of the kind, as asked for */
} sg_store_info;
void sg_store_info_clear(sg_store_info *info);

/* A record as read: all borrowed until the callback or the transaction ends. A bare item is a code and nothing else:
 * path NULL, all the rest zero. */
typedef struct sg_item {
    uint64_t id;
    const char *path;                   /* absolute; any bytes, NUL-terminated */
    uint8_t content[SG_CONTENT_NBYTES]; /* BLAKE2b-128 of the file's bytes */
    uint64_t nbytes;
    int64_t mtime_ns;
    bool foreign;           /* its code was made with other instructions or numerics than the recipe says */
    uint16_t disk_depth;    /* how many folders lead to where its disk was mounted; 0: the root, or unknown */
    const uint8_t *code;    /* nbits / 8 */
    const char *attributes; /* packed (signet/attributes.h); put: NULL keeps what an updated path had */
    size_t attributes_nbytes;
    const float *
        outputs; /* put only: nbits reals behind the code, or NULL; a store that keeps none passes over them */
} sg_item;

/* Makes the folder (which must be absent or empty) with an empty store. It is made whole under another name beside
 * it and then renamed: on failure nothing is left. fill (may be NULL) adds further files to `folder` before that. */
typedef bool (*sg_store_fill)(void *context, const char *folder, sg_error *err);
/* params (NULL: none) are of the search kind, and recorded as they are. outputs: real outputs are to be kept. */
bool sg_store_create(const char *dir, size_t nbits, const char *fingerprint, const sg_kv *recipe,
                     const char *kind, const sg_kv *params, bool outputs, sg_store_fill fill, void *context,
                     sg_error *err);

/* writable: takes the writer's place; another writer: waits up to timeout_ms, then SG_ERR_IO that says so. Meta
 * pages and sizes are checked before LMDB maps the file; a network file system is refused. */
bool sg_store_open(sg_store **store, const char *dir, bool writable, int timeout_ms, sg_error *err);
void sg_store_close(sg_store *store);
/* Has another file taken the place of the one that was opened (a folder's data.mdb was renamed over)? True also when a call
 * has gone over to it meanwhile, or could not: what is known of the first one need not be true of it. */
bool sg_store_is_replaced(bool *replaced, const sg_store *store, sg_error *err);
bool sg_store_info_get(sg_store_info *info, sg_store *store, sg_error *err);

/* A consistent copy as of the newest state, whatever others write meanwhile: a new folder `dir` (as sg_store_create),
 * whole or not at all. It is verified before it gets its name; a damaged store is not copied: SG_ERR_FORMAT. */
bool sg_store_copy(sg_store *store, const char *dir, sg_store_fill fill, void *context, sg_error *err);

typedef struct sg_store_sizes {
    uint64_t before, after; /* bytes of the data file */
} sg_store_sizes;
/* Writes the data file anew without its free pages, verifies that, and puts it in the place of the old one: the old or
 * the new file stands there at every moment, with the same state. Waits for the writer's place as sg_store_open does.
 * Readers go over to the new file with their next call. only_ask: tells the sizes, changes nothing. */
bool sg_store_compact(sg_store_sizes *sizes, const char *dir, bool only_ask, int timeout_ms, sg_error *err);

/* A store that takes the place of another is made in a folder beside that, whose name is always the same: what a killed
 * process has left of it is found again. *resolved: dir without symlinks; *beside: that folder's path (both the caller's).
 * SG_ERR_UNSUPPORTED when the two could not be exchanged: a disk's own folder; a file system that cannot: SG_ERR_IO. */
bool sg_store_beside(char **resolved, char **beside, const char *dir, sg_error *err);
/* Removes that folder, if it is there. */
void sg_store_discard(const char *beside);
/* Exchanges the folders of two stores that are open for writing, in one step, then removes the old one. Files of others in
 * the old folder are carried over; owners and modes are as they were. Both can only be closed then. Readers of the old
 * one go over to the new with their next call, or are told that it is another encoder's. */
bool sg_store_replace(sg_store *store, sg_store *by, sg_error *err);

/* Writing: a batch is one transaction. begin, then any of the calls below, then commit or abort. What fails by
 * SG_ERR_NOT_FOUND or SG_ERR_USAGE changes nothing, and the batch goes on; after another failure it can only be
 * aborted. A full map grows by itself. */
bool sg_store_begin(sg_store *store, sg_error *err);
typedef enum { SG_PUT_ADDED, SG_PUT_UPDATED, SG_PUT_UNCHANGED, SG_PUT_DUPLICATE } sg_put_kind;
/* Adds a path: a new id. The path is there with the same content: unchanged (its id is returned; code and outputs
 * stay; size, mtime and attributes are renewed). With another content: a new id, the old one goes in the same
 * transaction. DUPLICATE: added, and the same content stands under another path too, whose lowest id is *other (0:
 * nowhere else; also told of an update). path NULL: a bare code is added. item->id is ignored. */
bool sg_store_put(sg_put_kind *kind, uint64_t *id, uint64_t *other, sg_store *store, const sg_item *item,
                  sg_error *err);
/* Adds an item that is carried over from another store, under item->id: SG_ERR_USAGE when an item has that id or that path.
 * For a store that nobody has read yet: who has its codes looks for new ones above the ids that he knows. */
bool sg_store_put_as(sg_store *store, const sg_item *item, sg_error *err);
/* Generations from now on are above `generation`: for a store that takes the place of another. */
bool sg_store_skip_generations(sg_store *store, uint64_t generation, sg_error *err);
/* Adds n bare codes (n, nbits / 8), which get the ids *first to *first + n - 1. */
bool sg_store_put_codes(uint64_t *first, sg_store *store, const uint8_t *codes, size_t n, sg_error *err);
/* The next id to be given is `next`; below what it is: SG_ERR_USAGE. */
bool sg_store_skip_ids(sg_store *store, uint64_t next, sg_error *err);
bool sg_store_remove(sg_store *store, uint64_t id, sg_error *err); /* absent: SG_ERR_NOT_FOUND */
/* Of an item with a path, which keeps its id. */
bool sg_store_set_attributes(sg_store *store, uint64_t id, const char *data, size_t nbytes, sg_error *err);
/* As above; where its disk is mounted is not known then. Another item has the path: SG_ERR_USAGE. */
bool sg_store_set_path(sg_store *store, uint64_t id, const char *path, sg_error *err);
/* The search kind and its params (NULL: none), recorded as they are. */
bool sg_store_set_search(sg_store *store, const char *kind, const sg_kv *params, sg_error *err);
/* Marks two items as no duplicates of each other, or takes the mark back. It goes with either item. */
bool sg_store_pair_set(sg_store *store, uint64_t a, uint64_t b, bool marked, sg_error *err);
/* On failure nothing of the batch is in the store. Either way the batch is over. */
bool sg_store_commit(sg_store *store, sg_error *err);
void sg_store_abort(sg_store *store);

/* Reading sees one consistent state a call; calls from within a `visit` see the state of the walk. */
/* *path is the caller's, and the item's attributes lie in it too; NULL for a bare item. item->code is NULL. */
bool sg_store_get(sg_item *item, char **path, sg_store *store, uint64_t id, sg_error *err);
/* The nbits reals behind an item's code, where they are kept. */
bool sg_store_outputs(float *outputs, bool *found, sg_store *store, uint64_t id, sg_error *err);
bool sg_store_find_path(uint64_t *id, bool *found, sg_store *store, const char *path, sg_error *err);
/* Is the file under `path` recorded with this size and time? Then it need not be read again. */
bool sg_store_is_current(bool *current, sg_store *store, const char *path, uint64_t nbytes, int64_t mtime_ns,
                         sg_error *err);
/* Ids of items with this content, at most max; *n how many there are. */
bool sg_store_find_content(uint64_t *ids, size_t *n, size_t max, sg_store *store,
                           const uint8_t content[SG_CONTENT_NBYTES], sg_error *err);
/* Every live item in ascending id; stops early when visit returns false (which may fill err). Not during a batch,
 * nor load, nor verify; visit must not write. */
bool sg_store_each(sg_store *store, bool (*visit)(void *context, const sg_item *item, sg_error *err),
                   void *context, sg_error *err);
/* Every pair that is marked, a < b, ascending; otherwise as sg_store_each. */
bool sg_store_pairs(sg_store *store, bool (*visit)(void *context, uint64_t a, uint64_t b, sg_error *err),
                    void *context, sg_error *err);
/* All live codes and their ids, ascending by id, as of *generation: what a search kind is built from. room is asked
 * once for n codes (n, nbits / 8) and ids (n), which stay its own; they are filled when load_into returns true.
 * Damaged blocks: SG_ERR_FORMAT. */
typedef bool (*sg_store_room)(void *context, size_t n, uint8_t **codes, uint64_t **ids, sg_error *err);
bool sg_store_load_into(sg_store_room room, void *context, uint64_t *generation, sg_store *store,
                        sg_error *err);
/* The same into arrays that become the caller's (sg_free). */
bool sg_store_load(uint8_t **codes, uint64_t **ids, size_t *n, uint64_t *generation, sg_store *store,
                   sg_error *err);

/* Checks every table against the others and every checksum; each fault goes to report as one line. False only when
 * checking itself was impossible. */
bool sg_store_verify(size_t *faults, sg_store *store, void (*report)(void *context, const char *fault),
                     void *context, sg_error *err);
/* The same of the index in `dir`, looked at by a child process (forked before anything is opened): whatever signal
 * damage may end it with is a fault as well. Not for a program that other threads run in. */
bool sg_store_verify_apart(size_t *faults, const char *dir, void (*report)(void *context, const char *fault),
                           void *context, sg_error *err);

typedef struct sg_repair_counts {
    uint64_t saved;
    uint64_t lost;   /* named */
    uint64_t partly; /* of the saved: without their outputs */
    uint64_t
        older; /* of the saved: by a record that may be older than what was lost, with other attributes or path */
    uint64_t unknown; /* recorded in the head, but nothing is left to name them by */
} sg_repair_counts;

typedef struct sg_repair_options {
    sg_store_fill fill; /* as in sg_store_create */
    void *fill_context;
    /* Told of each item that is lost or that lacks something: what ("its code", "its record", "its outputs", "perhaps its newest
     * record": an older one may have been saved); path NULL: it is not known any more, or the code is a bare one. May be
     * NULL. */
    void (*lost)(void *context, uint64_t id, const char *path, const char *what);
    void *context;
} sg_repair_options;

/* Makes a new index in new_dir of all that is sound in `dir`: items with their ids, attributes, outputs and pairs. Reads
 * data.mdb page by page, damaged or not, and changes nothing in `dir`. SG_ERR_FORMAT: nothing can be saved. */
bool sg_store_repair(sg_repair_counts *counts, const char *dir, const char *new_dir,
                     const sg_repair_options *options, sg_error *err);

#endif
