/* A new folder that appears whole or not at all: filled under a temporary name beside, then renamed. */
#ifndef SIGNET_FOLDER_IMPL_H
#define SIGNET_FOLDER_IMPL_H

#include <signet/error.h>

typedef struct sg_folder {
    char *path, *temporary; /* owned */
} sg_folder;

/* `path` must be absent or an empty folder. What a dead process left of making the same folder is removed. */
bool sg_folder_begin(sg_folder *folder, const char *path, sg_error *err);
bool sg_folder_commit(sg_folder *folder, sg_error *err); /* also aborts on failure */
void sg_folder_abort(sg_folder *folder);

/* Removes a folder of files only; that there is none is no matter. */
void sg_folder_remove(const char *path);
/* fsync of a folder: makes a rename in it last. */
bool sg_folder_sync(const char *path, sg_error *err);

#endif
