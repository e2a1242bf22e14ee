/* Folders: their names, and walks through all that is below. */
#include <signet/file.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
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

bool sg_dir_list(char ***list, size_t *n, const char *path, sg_error *err)
{
    names found = {0};
    DIR *dir = opendir(path);
    if (!dir) return sg_fail_errno(err, errno, "%s: cannot list the folder", path);
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(dir);
        if (!entry && errno) {
            sg_fail_errno(err, errno, "%s: cannot list the folder", path);
            goto fail;
        }
        if (!entry) break;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (!names_push(&found, sg_strdup(entry->d_name), err)) goto fail;
    }
    closedir(dir);
    names_sort(&found);
    *list = found.v;
    *n = found.n;
    return true;
fail:
    closedir(dir);
    sg_names_free(found.v, found.n);
    return false;
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

typedef struct walk {
    const char *root;
    bool hidden;
    const sg_dir_refused *refused;
    names files;
    names folders, links; /* to enter, relative to root ("" is root itself); links: those behind symlinks */
    visited entered;
} walk;

/* What cannot be read: an error, unless the caller takes it. */
static bool walk_refused(const walk *w, const char *path, const sg_error *why, sg_error *err)
{
    if (w->refused) return w->refused->take(w->refused->context, path, why, err);
    if (err) *err = *why;
    return false;
}

/* Sorts one entry (its path relative to root, taken) into files, folders or neither. */
static bool walk_entry(walk *w, char *relative, sg_error *err)
{
    char *path = NULL;
    struct stat st, link;
    sg_error why;
    bool ok = sg_path_join(&path, w->root, relative, err);
    if (ok && (lstat(path, &link) != 0 || stat(path, &st) != 0)) {
        /* A symlink that leads nowhere, or a file that went away since the folder was read, is no file. */
        if (errno != ENOENT && errno != ELOOP)
            ok = sg_fail_errno(&why, errno, "%s: cannot read", path) || walk_refused(w, path, &why, err);
    } else if (ok) {
        names *to = S_ISREG(st.st_mode)     ? &w->files
                    : !S_ISDIR(st.st_mode)  ? NULL
                    : S_ISLNK(link.st_mode) ? &w->links
                                            : &w->folders;
        if (to) {
            ok = names_push(to, relative, err);
            relative = NULL;
        }
    }
    sg_free(relative);
    sg_free(path);
    return ok;
}

/* Enters one folder, unless it was entered under another name. */
static bool walk_folder(walk *w, const char *relative, sg_error *err)
{
    char *path = NULL, **list = NULL;
    size_t n = 0;
    struct stat st;
    sg_error why;
    bool fresh, ok = false;
    if (!sg_path_join(&path, w->root, relative, err)) return false;
    if (stat(path, &st) != 0) {
        sg_fail_errno(&why, errno, "%s: cannot list the folder", path);
        ok = walk_refused(w, path, &why, err);
        goto done;
    }
    ok = visited_add(&w->entered, &st, &fresh, err);
    if (!ok || !fresh) goto done;
    ok = sg_dir_list(&list, &n, path, &why) || walk_refused(w, path, &why, err);
    for (size_t i = 0; ok && i < n; i++) {
        char *child;
        if (list[i][0] == '.' && !w->hidden) continue;
        ok = sg_path_join(&child, relative, list[i], err) && walk_entry(w, child, err);
    }
done:
    sg_names_free(list, n);
    sg_free(path);
    return ok;
}

bool sg_dir_walk(char ***list, size_t *n, const char *root, bool hidden, const sg_dir_refused *refused,
                 sg_error *err)
{
    walk w = {.root = root, .hidden = hidden, .refused = refused};
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
        sg_names_free(w.files.v, w.files.n);
        return false;
    }
    names_sort(&w.files);
    *list = w.files.v;
    *n = w.files.n;
    return true;
}
