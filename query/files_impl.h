/* Files that were asked for, by name or by their folder, each path once; and which of them the index knows. */
#ifndef SIGNET_FILES_IMPL_H
#define SIGNET_FILES_IMPL_H

#include <signet/file.h>
#include <signet/store.h>

typedef struct sg_file {
    char *path;     /* absolute; owned */
    uint32_t below; /* where its part below the folder begins that was asked for first; 0: none was */
    bool named;     /* asked for itself, perhaps beside its folder */
    int errnum;     /* why nothing is known of it; 0 */
    uint64_t nbytes;
    int64_t mtime_ns;
    bool known;   /* the index has it, as was seen when all items were looked at */
    bool current; /* the index has it with this size and time */
} sg_file;

typedef struct sg_files {
    sg_file *v;
    size_t n, cap;
    struct sg_files_slot *slots; /* path to place: a hash table, at most half full */
    size_t nslots;               /* 0 or a power of two */
} sg_files;

/* A path of a file, or of a folder of which options say what belongs to it. */
bool sg_files_add(sg_files *files, const char *path, const sg_dir_options *options, sg_error *err);
/* NULL: it is not among them. */
sg_file *sg_files_find(const sg_files *files, const char *path);
/* Takes an item that is not among the files; false ends the pass, by *err. */
typedef bool (*sg_files_other)(void *context, const sg_item *item, sg_error *err);
/* Marks what is current: by one pass through the items, or by looking each file up when `other` is NULL and that is
 * quicker. Not during a batch. */
bool sg_files_check(sg_files *files, sg_store *store, sg_files_other other, void *context, sg_error *err);
void sg_files_clear(sg_files *files);

/* Does path lie in the folder (both absolute), at any depth? */
bool sg_path_within(const char *path, const char *folder);

#endif
