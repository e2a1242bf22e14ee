/* An index's pictures encoded anew, by another model or another recipe. */
#ifndef SIGNET_REENCODE_H
#define SIGNET_REENCODE_H

#include <signet/ingest.h>

typedef enum {
    SG_REENCODE_GONE,    /* its file is gone: it is not in the new index */
    SG_REENCODE_BROKEN,  /* its file is no sound image any more: the same */
    SG_REENCODE_CHANGED, /* its file has another content: it is in the new index under a new id */
} sg_reencode_event;

typedef struct sg_reencode_options {
    sg_index_ways ways; /* as in sg_index_create, but for what the index itself says: outputs, params */
    bool drop_bare; /* codes without a picture cannot be encoded anew: leave them out instead of refusing */
    bool
        prune; /* leave out pictures whose files are gone or broken instead of refusing: their folder may only have moved */
    bool dry_run;        /* only counts, by what is there: no network is loaded */
    uint64_t max_pixels; /* as in sg_decode_options */
    int threads;         /* of decoding; 0: all cores */
    /* what: the message, which names the path. May be NULL. */
    void (*note)(void *context, sg_reencode_event event, const char *path, const char *what);
    void *context;
    sg_progress *progress; /* may be NULL */
} sg_reencode_options;

typedef struct sg_reencode_counts {
    bool current;     /* the index is that model's and recipe's already: nothing was done */
    uint64_t encoded; /* with their old ids, by this call */
    uint64_t resumed; /* the same, by one that was cut short */
    uint64_t changed, gone, broken, bare;
} sg_reencode_counts;

/* Makes an index of the model (as sg_index_create takes it) with the items of `dir`, which keep their ids, attributes and pairs,
 * in a folder beside it (".NAME.signet-rebuild"), then exchanges the two in one step and removes the old. Until then the
 * old index answers; nobody else can write to it. Cut short, at any moment: the old index is as it was, and the same call
 * goes on. Returns true with some changed, too. SG_ERR_NOT_FOUND: there are items whose files are gone or broken (without
 * prune, or all of them; counts tells how many), or cannot be read or may only be out of sight (as in sg_ingest_sync); the old index stays,
 * and so does what is encoded.
 * SG_ERR_UNSUPPORTED where the folders cannot be exchanged. */
bool sg_index_reencode(sg_reencode_counts *counts, const char *dir, const char *model_path,
                       const sg_reencode_options *options, sg_error *err);

#endif
