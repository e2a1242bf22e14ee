/* Where disks are mounted. Folders are counted from the root: 0 is "/" itself, 2 the second one of an absolute path. */
#ifndef SIGNET_DISK_IMPL_H
#define SIGNET_DISK_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The folder above `path` (absolute) at which the disk is mounted that it lies on. 0: it lies on the root's own disk, or that
 * cannot be told (the folder is gone, or leads elsewhere by a symlink). */
uint16_t sg_disk_depth(const char *path);
/* How many bytes of path are that folder's name; 0: path has fewer folders. */
size_t sg_disk_folder(const char *path, uint16_t depth);
/* Is a disk mounted at this folder? Not where there is none. */
bool sg_disk_mounted(const char *folder);

#endif
