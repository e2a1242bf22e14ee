/* Files into an index: read, hash, decode, encode, store, with what was skipped and why. */
#ifndef SIGNET_INGEST_H
#define SIGNET_INGEST_H

#include <signet/encoder.h>
#include <signet/join.h>
#include <signet/progress.h>
#include <signet/store.h>

#define SG_INDEX_ENCODER "encoder.safetensors"

/* An index folder opened together with its encoder. */
typedef struct sg_index sg_index;

/* What an index's recipe says in the place of the model's own (NULL leaves that), and what else it is to be. */
typedef struct sg_index_ways {
    const char *decode;    /* "exact", "scaled" */
    const char *precision; /* as in sg_precision_parse; what "auto" is here is recorded */
    const sg_kv *params;   /* of the search kind */
    bool outputs;          /* keep the real outputs behind the codes too */
} sg_index_ways;

/* Makes dir with the store and a copy of the model; of a classifier, with the hash that sg_model_signs makes of it, in these
 * ways. ways NULL: the model's own. A precision that this process lacks is SG_ERR_UNSUPPORTED. Nothing is left on failure. */
bool sg_index_create(const char *dir, const char *model_path, const char *kind, const sg_index_ways *ways,
                     sg_error *err);
typedef enum { SG_INDEX_STORE, SG_INDEX_ENCODE } sg_index_need; /* STORE: no network is loaded */
/* Pictures are brought to the encoder, and it computes, as the index has recorded, whatever the model's own way. */
bool sg_index_open(sg_index **index, const char *dir, sg_index_need need, bool writable, sg_error *err);
/* Of pictures that are added or asked for from now on, as in sg_decode_options. */
void sg_index_set_max_pixels(sg_index *index, uint64_t max_pixels);
void sg_index_close(sg_index *index);
sg_store *sg_index_store(sg_index *index);
const sg_store_info *sg_index_info(const sg_index *index); /* as of the open */
sg_encoder *sg_index_encoder(sg_index *index);
/* "" when this process makes the recorded codes; else what differs ("instructions: avx2 / avx512"). */
const char *sg_index_recipe_difference(const sg_index *index);

/* A copy as of the newest state (*info: what it is; the caller's), with the encoder and without what can be built again:
 * a new folder, whole or not at all (sg_store_copy). */
bool sg_index_copy(sg_store_info *info, sg_index *index, const char *dir, sg_error *err);
/* Puts the index `dir` into this one (sg_store_merge); recipes that make other codes are SG_ERR_MISMATCH. */
bool sg_index_merge(sg_join_counts *counts, sg_index *index, const char *dir, const sg_merge_options *options,
                    sg_error *err);

typedef enum {
    SG_INGEST_SKIPPED, /* cannot be read, or is no sound image */
    SG_INGEST_DUPLICATE,
    SG_INGEST_UPDATED,
    SG_INGEST_MOVED,   /* added, with the content of a file that is gone */
    SG_INGEST_ADDED,   /* this and the next: only with `each` */
    SG_INGEST_RENEWED, /* the same content at another time */
    SG_INGEST_GONE,    /* its file is gone: with `each` */
    SG_INGEST_REMOVED, /* the same, and its item goes: with `each` */
    SG_INGEST_KEPT     /* a folder whose lost files may only be out of sight: nothing is removed for them */
} sg_ingest_event;

typedef struct sg_ingest_options {
    bool strict;                /* the first broken image ends it; nothing of its batch is added */
    bool hidden;                /* hidden files in folders too */
    const char *const *exclude; /* patterns of what is left out in folders (sg_dir_options) */
    size_t nexclude;
    bool
        any_recipe; /* add even where this process cannot make the recorded codes: the items are marked as foreign */
    /* Says what would be done and does nothing. The index may be open for reading, without its encoder: files that are
     * new are not decoded, so that broken ones among them and equal contents are not seen. */
    bool dry_run;
    /* Packed ones that everything which is added or updated gets, beside what it has; and is the folder's name right below
     * the one that was asked for a label of all in it? */
    const char *attributes;
    size_t attributes_nbytes;
    bool folder_labels;
    bool each;   /* tell of each file, also of those that are merely added */
    int threads; /* of decoding; 0: all cores */
    /* Told of each thing worth a word. what: of a skipped or kept one the error's message, which names the path; else what
     * it is of which ("same content as ..."). May be NULL. */
    void (*note)(void *context, sg_ingest_event event, const char *path, const char *what);
    void *context;
    sg_progress *progress; /* may be NULL */
} sg_ingest_options;

typedef struct sg_ingest_counts {
    uint64_t added, updated, unchanged, duplicates, broken, ignored;
    /* Of sg_ingest_sync: added ones that were elsewhere; items whose files are gone, those of them that were removed;
     * items whose files may be out of sight only. */
    uint64_t moved, gone, removed, kept;
} sg_ingest_counts;

/* Adds files and folders (recursive), each path once. A named file must be an image; in a folder a known signature that
 * does not decode is broken, a file without one is ignored and counted. A file is read when its size or time are not what
 * is recorded, and encoded when its content is not. Batches (one transaction each) of at most 1024 items or one second. An
 * interrupt keeps what was committed: SG_ERR_INTERRUPTED. The index is open for writing; its encoder is loaded when there is
 * something to encode. Returns true with counts->broken > 0 when some were skipped. */
bool sg_ingest_paths(sg_ingest_counts *counts, sg_index *index, const char *const *paths, size_t npaths,
                     const sg_ingest_options *options, sg_error *err);

/* Makes the index equal to folders: adds their files as above, finds items below the folders whose files are gone, and
 * with `prune` removes these. Gone is what the file system says is not there. Not gone is what is there but left out
 * (hidden, excluded), and what may only be out of sight: below a folder that is absent itself, cannot be read, or is empty
 * (a disk that is not mounted), on a disk that was mounted when the picture came in at a folder where none is now and none of the
 * index's pictures, in a folder that is absent where other disks are mounted or usually are (/media,
 * /mnt, /run/media), or behind a symlink that leads nowhere. A file that was moved (a new one has the content of one that is
 * gone) is a new item with the attributes and pairs of the old. */
bool sg_ingest_sync(sg_ingest_counts *counts, sg_index *index, const char *const *folders, size_t nfolders,
                    bool prune, const sg_ingest_options *options, sg_error *err);

#endif
