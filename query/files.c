#include "files_impl.h"

#include <errno.h>
#include <signet/hash.h>
#include <signet/interrupt.h>
#include <signet/mem.h>
#include <string.h>
#include <sys/stat.h>

typedef struct sg_files_slot {
    uint32_t place; /* + 1; 0: free */
    uint32_t tag;   /* of the path's hash: most other paths are told apart without a look at them */
} slot;

#define FILES_MAX      (UINT32_MAX - 1)
#define ITEMS_A_LOOKUP 150 /* a pass reads about so many in the time that one path is looked up */

void sg_files_clear(sg_files *files)
{
    for (size_t i = 0; i < files->n; i++) sg_free(files->v[i].path);
    sg_free(files->v);
    sg_free(files->slots);
    *files = (sg_files){0};
}

bool sg_path_within(const char *path, const char *folder)
{
    size_t n = strlen(folder);
    if (n == 1) return path[0] == '/' && path[1] != '\0';
    return strncmp(path, folder, n) == 0 && path[n] == '/';
}

/* --- the table --- */

/* The slot of the path, or the free one where it belongs. nslots > 0. */
static slot *slot_of(const sg_files *files, const char *path, uint64_t hash)
{
    size_t i = (size_t)hash & (files->nslots - 1);
    for (;; i = (i + 1) & (files->nslots - 1)) {
        slot *s = &files->slots[i];
        if (s->place == 0) return s;
        if (s->tag == (uint32_t)(hash >> 32) && strcmp(files->v[s->place - 1].path, path) == 0) return s;
    }
}

static uint64_t hash_of(const char *path)
{
    return sg_xxh3_64(path, strlen(path));
}

static bool grow_table(sg_files *files, sg_error *err)
{
    sg_files larger = *files;
    larger.nslots = files->nslots ? 2 * files->nslots : 64;
    larger.slots = sg_calloc(larger.nslots, sizeof *larger.slots);
    if (!larger.slots) return sg_fail_memory(err, "files");
    for (size_t i = 0; i < files->n; i++) {
        uint64_t hash = hash_of(files->v[i].path);
        *slot_of(&larger, files->v[i].path, hash) = (slot){(uint32_t)i + 1, (uint32_t)(hash >> 32)};
    }
    sg_free(files->slots);
    *files = larger;
    return true;
}

sg_file *sg_files_find(const sg_files *files, const char *path)
{
    if (files->nslots == 0) return NULL;
    const slot *s = slot_of(files, path, hash_of(path));
    return s->place ? &files->v[s->place - 1] : NULL;
}

/* A file itself and its folder may both be asked for. */
static void name_again(sg_file *there, const sg_file *file)
{
    there->named |= file->named;
    if (there->below == 0) there->below = file->below;
}

/* Takes file.path. */
static bool push(sg_files *files, sg_file file, sg_error *err)
{
    bool ok = files->n < FILES_MAX || sg_fail(err, SG_ERR_LIMIT, "more than %zu files", (size_t)FILES_MAX);
    if (ok && 2 * (files->n + 1) > files->nslots) ok = grow_table(files, err);
    if (ok && !sg_grow(&files->v, &files->cap, files->n + 1, sizeof *files->v))
        ok = sg_fail_memory(err, "files");
    uint64_t hash = hash_of(file.path);
    slot *s = ok ? slot_of(files, file.path, hash) : NULL;
    if (!ok || s->place) {
        if (ok) name_again(&files->v[s->place - 1], &file);
        sg_free(file.path);
        return ok;
    }
    files->v[files->n++] = file;
    *s = (slot){(uint32_t)files->n, (uint32_t)(hash >> 32)};
    return true;
}

/* --- what was asked for --- */

static bool add_folder(sg_files *files, const char *folder, const sg_dir_options *options, sg_error *err)
{
    sg_dir_file *found;
    size_t n;
    size_t below = folder[1] == '\0' ? 1 : strlen(folder) + 1;
    if (!sg_dir_walk(&found, &n, folder, options, err)) return false;
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++) {
        sg_file file = {.below = (uint32_t)below, .nbytes = found[i].nbytes, .mtime_ns = found[i].mtime_ns};
        ok = sg_path_join(&file.path, folder, found[i].path, err) && push(files, file, err);
        sg_free(found[i].path);
        found[i].path = NULL;
    }
    sg_dir_files_free(found, n);
    return ok;
}

bool sg_files_add(sg_files *files, const char *given, const sg_dir_options *options, sg_error *err)
{
    char *path;
    struct stat st;
    if (!sg_path_absolute(&path, given, err)) return false;
    bool there = stat(path, &st) == 0;
    sg_file file = {.path = path, .named = true, .errnum = there ? 0 : errno};
    if (there && S_ISDIR(st.st_mode)) {
        bool ok = add_folder(files, path, options, err);
        sg_free(path);
        return ok;
    }
    if (there) {
        file.nbytes = (uint64_t)st.st_size;
        file.mtime_ns = sg_mtime_ns(&st);
    }
    return push(files, file, err);
}

/* --- what the index knows --- */

typedef struct checking {
    sg_files *files;
    sg_files_other other;
    void *context;
} checking;

static bool check_item(void *context, const sg_item *item, sg_error *err)
{
    checking *c = context;
    if (!sg_interrupt_check(err)) return false;
    if (!item->path) return true; /* a code without a picture */
    sg_file *file = sg_files_find(c->files, item->path);
    if (!file) return !c->other || c->other(c->context, item, err);
    file->known = true;
    file->current = !file->errnum && item->nbytes == file->nbytes && item->mtime_ns == file->mtime_ns;
    return true;
}

static bool look_up(sg_files *files, sg_store *store, sg_error *err)
{
    for (size_t i = 0; i < files->n; i++) {
        sg_file *f = &files->v[i];
        if (f->errnum) continue;
        if (!sg_interrupt_check(err) ||
            !sg_store_is_current(&f->current, store, f->path, f->nbytes, f->mtime_ns, err))
            return false;
    }
    return true;
}

bool sg_files_check(sg_files *files, sg_store *store, sg_files_other other, void *context, sg_error *err)
{
    sg_store_info info;
    checking c = {files, other, context};
    if (!sg_store_info_get(&info, store, err)) return false;
    bool few = files->n < info.items / ITEMS_A_LOOKUP;
    sg_store_info_clear(&info);
    return few && !other ? look_up(files, store, err) : sg_store_each(store, check_item, &c, err);
}
