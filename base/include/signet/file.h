/* Files: whole reads with a bound, writes that appear whole or not at all, folders. Paths are any bytes. */
#ifndef SIGNET_FILE_H
#define SIGNET_FILE_H

#include <signet/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Reads all of a regular file (or of "-": standard input). *bytes is the caller's (sg_free), with one NUL
 * after the end that is not counted. Larger than max_nbytes: SG_ERR_LIMIT. A folder, a device: SG_ERR_IO with
 * a word. Takes memory by what is there, not by what the header claims. */
bool sg_file_read(char **bytes, size_t *nbytes, const char *path, size_t max_nbytes, sg_error *err);

/* Read-only map of a whole regular file. Empty file: data NULL, size 0. */
typedef struct sg_map {
    const unsigned char *data;
    size_t size;
} sg_map;
bool sg_map_open(sg_map *map, const char *path, sg_error *err);
void sg_map_close(sg_map *map);

/* An output file: written as a temporary beside `path`, then fsync, rename, fsync of the folder on commit.
 * Until commit `path` is untouched; sg_out_abort and a failed commit remove the temporary. A write that
 * failed is remembered: commit fails too. A file that is there keeps its mode, and its symlink; one that is
 * write-protected, a folder, a device or a pipe is refused. */
typedef struct sg_out sg_out;
bool sg_out_open(sg_out **out, const char *path, sg_error *err);
bool sg_out_write(sg_out *out, const void *bytes, size_t nbytes, sg_error *err);
bool sg_out_printf(sg_out *out, sg_error *err, const char *format, ...) __attribute__((format(printf, 3, 4)));
bool sg_out_commit(sg_out *out, sg_error *err); /* frees out, also on failure */
void sg_out_abort(sg_out *out);                 /* frees out; NULL allowed */

/* The whole of it in one call. */
bool sg_file_write(const char *path, const void *bytes, size_t nbytes, sg_error *err);
/* Copies a file's bytes through sg_out. */
bool sg_file_copy(const char *from, const char *to, sg_error *err);
/* Removes what a killed process may have left: temporaries of sg_out in `folder` whose writer is gone. */
void sg_out_sweep(const char *folder);

bool sg_mkdirs(const char *path, sg_error *err); /* existing folders are fine */
bool sg_path_exists(const char *path);
bool sg_is_dir(const char *path);
bool sg_path_same(const char *a, const char *b); /* do both lead to one file that exists? */
/* a + "/" + b (b alone when absolute); the caller's (sg_free). */
bool sg_path_join(char **out, const char *a, const char *b, sg_error *err);
/* Absolute, "." and ".." and doubled slashes removed by text alone: symlinks are not resolved. sg_free. */
bool sg_path_absolute(char **out, const char *path, sg_error *err);
const char *sg_path_base(const char *path); /* after the last slash; borrows */

/* Names in a folder, sorted by bytes, without "." and "..". Free with sg_names_free. */
bool sg_dir_list(char ***names, size_t *n, const char *path, sg_error *err);
/* Takes what a walk cannot read, and why: true goes on without it, false ends the walk by *err. */
typedef struct sg_dir_refused {
    bool (*take)(void *context, const char *path, const sg_error *why, sg_error *err);
    void *context;
} sg_dir_refused;
typedef struct sg_dir_options {
    bool hidden; /* hidden files and folders too */
    /* Shell patterns (fnmatch; a star matches slashes too) of files and whole folders that are left out: each is compared
     * with the name and with the path relative to root, of a folder with a slash at its end too. */
    const char *const *exclude;
    size_t nexclude;
    const sg_dir_refused *refused; /* NULL: what cannot be read is an error */
} sg_dir_options;
typedef struct sg_dir_file {
    char *path; /* relative to root */
    uint64_t nbytes;
    int64_t mtime_ns; /* of the last change, since 1970 */
} sg_dir_file;
/* All regular files below `root` (symlinks are followed; folders are entered once by device and inode, by
 * their true name where it lies below root too), sorted by the bytes of their paths. A symlink that leads nowhere is none.
 * options NULL: neither hidden ones nor exceptions. */
bool sg_dir_walk(sg_dir_file **files, size_t *n, const char *root, const sg_dir_options *options,
                 sg_error *err);
void sg_dir_files_free(sg_dir_file *files, size_t n);
struct stat;
/* Before 1677 or after 2262: the first or last that there is. */
int64_t sg_mtime_ns(const struct stat *st);
void sg_names_free(char **names, size_t n);

#endif
