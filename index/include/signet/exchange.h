/* Import and export: what a store holds in files of other programs (docs/formats.md, "Exchange"): faiss (codes and ids,
 * as FAISS reads it), npy (codes, and ids in a second file), jsonl and csv (all but real outputs). */
#ifndef SIGNET_EXCHANGE_H
#define SIGNET_EXCHANGE_H

#include <signet/join.h>

/* The format called `name`, or the one of path's ending when name is NULL; SG_ERR_USAGE names the known ones. Borrowed. */
typedef struct sg_format sg_format;
bool sg_format_find(const sg_format **format, const char *name, const char *path, sg_error *err);

/* Writes the file, whole or not at all; *n items are in it. ids_path (npy alone): a second file with the ids; NULL: none. */
bool sg_store_export(uint64_t *n, sg_store *store, const char *path, const sg_format *format,
                     const char *ids_path, sg_error *err);

typedef struct sg_import_options {
    const char *ids_path;  /* of npy: the ids of its codes, which are then kept */
    bool keep_ids;         /* those of the file: they must ascend, beyond all that the index has given */
    bool only_check;       /* changes nothing: the counts are what would be, were no path in the file twice */
    sg_progress *progress; /* may be NULL */
} sg_import_options;
/* Puts what `path` ("-": standard input) holds into the store, in the file's order, by the rule of sg_join. The file is
 * looked at from end to end before anything changes: SG_ERR_FORMAT names the file, and the line or the field. */
bool sg_store_import(sg_join_counts *counts, sg_store *store, const char *path, const sg_format *format,
                     const sg_import_options *options, sg_error *err);

#endif
