/* Folders: their names, and walks through all that is below. */
#include <signet/file.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <signet/buf.h>
#include <signet/interrupt.h>
#include <signet/mem.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct names {
    char **v;
    size_t n, cap;
} names;

/* Takes `name` (NULL: out of memory). */
static bool names_push(names *to, char *name, sg_error *err)
{
    if (name && sg_grow(&to->v, &to->cap, to->n + 1, sizeof *to->v)) {
        to->v[to->n++] = name;
        return true;
    }
    sg_free(name);
    return sg_fail_memory(err, "names of files");
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void names_sort(names *list)
{
    if (list->n > 1) qsort(list->v, list->n, sizeof *list->v, compare_names);
}

void sg_names_free(char **list, size_t n)
{
    for (size_t i = 0; i < n; i++) sg_free(list[i]);
    sg_free(list);
}

/* The sorted names in an open folder. */
static bool read_names(names *found, DIR *dir, const char *path, sg_error *err)
{
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(dir);
        if (!entry && errno) return sg_fail_errno(err, errno, "%s: cannot list the folder", path);
        if (!entry) break;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (!names_push(found, sg_strdup(entry->d_name), err)) return false;
    }
    names_sort(found);
    return true;
}

bool sg_dir_list(char ***list, size_t *n, const char *path, sg_error *err)
{
    names found = {0};
    DIR *dir = opendir(path);
    if (!dir) return sg_fail_errno(err, errno, "%s: cannot list the folder", path);
    bool ok = read_names(&found, dir, path, err);
    closedir(dir);
    if (!ok) {
        sg_names_free(found.v, found.n);
        return false;
    }
    *list = found.v;
    *n = found.n;
    return true;
}

/* The folders that were entered: a hash table of (device, inode), open addressing, at most half full. */
typedef struct visited {
    struct {
        dev_t device;
        ino_t inode;
        bool used;
    } * slots;
    size_t n, cap; /* cap: 0 or a power of two */
} visited;

/* The slot of (device, inode), or the free one where it belongs. cap > 0. */
static size_t visited_slot(const visited *set, dev_t device, ino_t inode)
{
    size_t i = (size_t)(((uint64_t)inode ^ (uint64_t)device << 32) * 0x9E3779B97F4A7C15u >> 20);
    for (i &= set->cap - 1; set->slots[i].used; i = (i + 1) & (set->cap - 1))
        if (set->slots[i].device == device && set->slots[i].inode == inode) break;
    return i;
}

static bool visited_grow(visited *set, sg_error *err)
{
    visited larger = {.n = set->n, .cap = set->cap ? 2 * set->cap : 64};
    larger.slots = sg_calloc(larger.cap, sizeof *larger.slots);
    if (!larger.slots) return sg_fail_memory(err, "names of folders");
    for (size_t i = 0; i < set->cap; i++)
        if (set->slots[i].used)
            larger.slots[visited_slot(&larger, set->slots[i].device, set->slots[i].inode)] = set->slots[i];
    sg_free(set->slots);
    *set = larger;
    return true;
}

/* *fresh: was it not there before? */
static bool visited_add(visited *set, const struct stat *st, bool *fresh, sg_error *err)
{
    if (2 * (set->n + 1) > set->cap && !visited_grow(set, err)) return false;
    size_t i = visited_slot(set, st->st_dev, st->st_ino);
    *fresh = !set->slots[i].used;
    if (!*fresh) return true;
    set->slots[i].device = st->st_dev;
    set->slots[i].inode = st->st_ino;
    set->slots[i].used = true;
    set->n++;
    return true;
}

int64_t sg_mtime_ns(const struct stat *st)
{
    int64_t ns;
    if (__builtin_mul_overflow((int64_t)st->st_mtim.tv_sec, 1000000000, &ns) ||
        __builtin_add_overflow(ns, (int64_t)st->st_mtim.tv_nsec, &ns))
        return st->st_mtim.tv_sec < 0 ? INT64_MIN : INT64_MAX;
    return ns;
}

typedef struct walk {
    const char *root;
    sg_dir_options options;
    sg_dir_file *files;
    size_t nfiles, files_cap;
    names folders, links; /* to enter, relative to root ("" is root itself); links: those behind symlinks */
    visited entered;
} walk;

/* What cannot be read: an error, unless the caller takes it. */
static bool walk_refused(const walk *w, const char *path, const sg_error *why, sg_error *err)
{
    const sg_dir_refused *refused = w->options.refused;
    if (refused) return refused->take(refused->context, path, why, err);
    if (err) *err = *why;
    return false;
}

/* Does a pattern match the name or the path? Those of a folder are compared with a slash at their end too. */
static bool walk_excluded(bool *excluded, const walk *w, const char *relative, bool folder, sg_error *err)
{
    const sg_dir_options *o = &w->options;
    sg_buf slashed = SG_BUF_INIT;
    *excluded = false;
    if (folder && o->nexclude > 0) sg_buf_printf(&slashed, "%s/", relative);
    if (!sg_buf_ok(&slashed)) return sg_fail_memory(err, "names of folders");
    const char *name = sg_path_base(relative), *text = sg_buf_text(&slashed);
    for (size_t i = 0; i < o->nexclude && !*excluded; i++) {
        const char *pattern = o->exclude[i];
        *excluded = fnmatch(pattern, name, 0) == 0 || fnmatch(pattern, relative, 0) == 0;
        if (*text && !*excluded)
            *excluded = fnmatch(pattern, text + (name - relative), 0) == 0 || fnmatch(pattern, text, 0) == 0;
    }
    sg_buf_clear(&slashed);
    return true;
}

/* Takes `path`. */
static bool walk_push_file(walk *w, char *path, const struct stat *st, sg_error *err)
{
    if (sg_grow(&w->files, &w->files_cap, w->nfiles + 1, sizeof *w->files)) {
        w->files[w->nfiles++] = (sg_dir_file){path, (uint64_t)st->st_size, sg_mtime_ns(st)};
        return true;
    }
    sg_free(path);
    return sg_fail_memory(err, "names of files");
}

/* An entry of which the system says nothing. A symlink that leads nowhere, or a file that went away since the folder was
 * read, is no file. */
static bool walk_unknown(const walk *w, const char *relative, int errnum, sg_error *err)
{
    char *path;
    sg_error why;
    if (errnum == ENOENT || errnum == ELOOP || errnum == ENOTDIR) return true;
    if (!sg_path_join(&path, w->root, relative, err)) return false;
    sg_fail_errno(&why, errnum, "%s: cannot read", path);
    bool ok = walk_refused(w, path, &why, err);
    sg_free(path);
    return ok;
}

/* Sorts an entry of the open folder into files, folders or neither. relative: its path from root, taken. */
static bool walk_entry(walk *w, int folder, const char *name, char *relative, sg_error *err)
{
    struct stat st;
    bool ok = true, link = false, excluded = false;
    bool there = fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
    if (there && (link = S_ISLNK(st.st_mode))) there = fstatat(folder, name, &st, 0) == 0;
    if (!there) {
        ok = walk_unknown(w, relative, errno, err);
    } else if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) {
        ok = walk_excluded(&excluded, w, relative, S_ISDIR(st.st_mode), err);
        if (ok && !excluded) {
            ok = S_ISREG(st.st_mode) ? walk_push_file(w, relative, &st, err)
                                     : names_push(link ? &w->links : &w->folders, relative, err);
            relative = NULL;
        }
    }
    sg_free(relative);
    return ok;
}

/* Enters one folder, unless it was entered under another name. */
static bool walk_folder(walk *w, const char *relative, sg_error *err)
{
    char *path = NULL;
    names found = {0};
    struct stat st;
    sg_error why;
    bool fresh = false, ok;
    if (!sg_path_join(&path, w->root, relative, err)) return false;
    DIR *dir = opendir(path);
    if (!dir || fstat(dirfd(dir), &st) != 0) {
        sg_fail_errno(&why, errno, "%s: cannot list the folder", path);
        ok = walk_refused(w, path, &why, err);
    } else {
        ok = visited_add(&w->entered, &st, &fresh, err);
    }
    if (ok && fresh) ok = read_names(&found, dir, path, &why) || walk_refused(w, path, &why, err);
    for (size_t i = 0; ok && i < found.n; i++) {
        char *child;
        if (found.v[i][0] == '.' && !w->options.hidden) continue;
        ok = sg_path_join(&child, relative, found.v[i], err) &&
             walk_entry(w, dirfd(dir), found.v[i], child, err);
    }
    sg_names_free(found.v, found.n);
    if (dir) closedir(dir);
    sg_free(path);
    return ok;
}

static int compare_files(const void *a, const void *b)
{
    return strcmp(((const sg_dir_file *)a)->path, ((const sg_dir_file *)b)->path);
}

void sg_dir_files_free(sg_dir_file *files, size_t n)
{
    for (size_t i = 0; i < n; i++) sg_free(files[i].path);
    sg_free(files);
}

bool sg_dir_walk(sg_dir_file **files, size_t *n, const char *root, const sg_dir_options *options,
                 sg_error *err)
{
    walk w = {.root = root};
    if (options) w.options = *options;
    bool ok = names_push(&w.folders, sg_strdup(""), err);
    size_t folder = 0, link = 0;
    /* Folders behind symlinks come last, so that what can be reached by its true name has it. */
    while (ok && (folder < w.folders.n || link < w.links.n))
        ok = sg_interrupt_check(err) &&
             walk_folder(&w, folder < w.folders.n ? w.folders.v[folder++] : w.links.v[link++], err);
    sg_names_free(w.folders.v, w.folders.n);
    sg_names_free(w.links.v, w.links.n);
    sg_free(w.entered.slots);
    if (!ok) {
        sg_dir_files_free(w.files, w.nfiles);
        return false;
    }
    if (w.nfiles > 1) qsort(w.files, w.nfiles, sizeof *w.files, compare_files);
    *files = w.files;
    *n = w.nfiles;
    return true;
}
