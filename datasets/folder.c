/* folder:DIR, a tree of image files. A folder is a class; train/ and test/ directly below DIR are subsets. */
#include "dataset_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <signet/file.h>
#include <signet/interrupt.h>
#include <signet/mem.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *name;
    unsigned subset;
} subset_folders[] = {{"train", SG_SUBSET_TRAIN},
                      {"test", SG_SUBSET_QUERY},
                      {"query", SG_SUBSET_QUERY},
                      {"database", SG_SUBSET_DATABASE},
                      {"val", SG_SUBSET_VAL}};
#define NSUBSET_FOLDERS (sizeof subset_folders / sizeof *subset_folders)

/* Is the file an image, by its first bytes? */
static bool sniff(bool *image, const char *dir, const char *name, sg_error *err)
{
    char *path;
    if (!sg_path_join(&path, dir, name, err)) return false;
    unsigned char bytes[12];
    ssize_t got = -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        do got = read(fd, bytes, sizeof bytes);
        while (got < 0 && errno == EINTR);
    }
    bool ok = got >= 0 ? true : sg_fail_errno(err, errno, "%s", path);
    if (fd >= 0) close(fd);
    *image = ok && sg_image_format(bytes, (size_t)got) != NULL;
    sg_free(path);
    return ok;
}

/* Adds the images among the files below dir, in order of name. */
static bool add_images(sg_dataset *ds, const char *dir, sg_error *err)
{
    sg_dir_file *files;
    size_t nfiles;
    if (!sg_dir_walk(&files, &nfiles, dir, NULL, err)) return false;
    bool ok = true;
    for (size_t i = 0; ok && i < nfiles; i++) {
        bool image;
        ok = sg_interrupt_check(err) && sniff(&image, dir, files[i].path, err);
        if (!ok) break;
        if (image)
            ok = sg_dataset_add(ds, dir, files[i].path, 0, err);
        else
            ds->ignored++;
    }
    sg_dir_files_free(files, nfiles);
    if (ok && ds->n == 0)
        return sg_fail(err, SG_ERR_NOT_FOUND, "%s: no images (JPEG, PNG, WebP, HEIF) among its %zu files",
                       dir, nfiles);
    return ok;
}

/* Bytes of the first folder's name in a relative path; 0: it is in none. */
static size_t folder_length(const char *name)
{
    const char *slash = strchr(name, '/');
    return slash ? (size_t)(slash - name) : 0;
}

static unsigned subset_of(const char *name)
{
    size_t length = folder_length(name);
    for (size_t i = 0; i < NSUBSET_FOLDERS; i++)
        if (strlen(subset_folders[i].name) == length && memcmp(name, subset_folders[i].name, length) == 0)
            return subset_folders[i].subset;
    return 0;
}

/* Folders named as subsets are such when all folders are, or when both training and test are there: among other
 * folders a lone "train" is a class of trains. */
static bool has_subsets(const sg_dataset *ds)
{
    unsigned seen = 0;
    bool others = false;
    for (size_t i = 0; i < ds->n; i++) {
        unsigned subset = subset_of(ds->names[i]);
        seen |= subset;
        others = others || (!subset && folder_length(ds->names[i]) > 0);
    }
    return seen && (!others || ((seen & SG_SUBSET_TRAIN) && (seen & SG_SUBSET_QUERY)));
}

/* The part of an item's name from its class folder on; NULL: it has no class. */
static const char *class_part(const sg_dataset *ds, size_t i, bool subsets)
{
    const char *name = ds->names[i];
    if (subsets) {
        if (!ds->subsets[i]) return NULL; /* beside the subsets */
        name += folder_length(name) + 1;
    }
    return folder_length(name) > 0 ? name : NULL;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The folders' names, sorted, each once. */
static bool find_classes(char ***names, size_t *n, const sg_dataset *ds, bool subsets, sg_error *err)
{
    *n = 0;
    *names = sg_calloc(ds->n, sizeof **names);
    if (!*names) return sg_fail_memory(err, "class names");
    size_t found = 0;
    const char *last = NULL;
    for (size_t i = 0; i < ds->n; i++) {
        const char *part = class_part(ds, i, subsets);
        if (!part) continue;
        size_t length = folder_length(part);
        if (last && strncmp(part, last, length + 1) == 0) continue; /* neighbours are mostly of one folder */
        last = part;
        char *copy = sg_alloc(length + 1, 1);
        if (!copy) {
            sg_names_free(*names, found);
            return sg_fail_memory(err, "class names");
        }
        memcpy(copy, part, length);
        copy[length] = 0;
        (*names)[found++] = copy;
    }
    qsort(*names, found, sizeof **names, compare_names);
    for (size_t i = 0; i < found; i++) {
        if (*n > 0 && strcmp((*names)[*n - 1], (*names)[i]) == 0)
            sg_free((*names)[i]);
        else
            (*names)[(*n)++] = (*names)[i];
    }
    return true;
}

static int compare_part(const void *part, const void *name)
{
    size_t length = folder_length(part);
    const char *cls = *(char *const *)name;
    int order = strncmp(part, cls, length);
    return order ? order : cls[length] ? -1 : 0;
}

static bool set_labels(sg_dataset *ds, bool subsets, sg_error *err)
{
    char **names;
    size_t n;
    if (!find_classes(&names, &n, ds, subsets, err)) return false;
    bool ok = sg_labels_init(&ds->labels, ds->n, n, false, err) &&
              sg_dataset_set_classes(ds, (const char *const *)names, err);
    for (size_t i = 0; ok && i < ds->n; i++) {
        const char *part = class_part(ds, i, subsets);
        if (!part) continue;
        char **hit = bsearch(part, names, n, sizeof *names, compare_part);
        SG_ASSERT(hit);
        ds->labels.ids[i] = (int32_t)(hit - names);
    }
    sg_names_free(names, n);
    return ok;
}

static bool open_set(sg_dataset *ds, const char *dir, const char *data_dir, sg_error *err)
{
    if (data_dir)
        return sg_fail(err, SG_ERR_USAGE,
                       "a data folder (%s) goes with names and lists, not with folder:", data_dir);
    if (!add_images(ds, dir, err)) return false;
    bool subsets = has_subsets(ds);
    for (size_t i = 0; subsets && i < ds->n; i++) ds->subsets[i] = (uint8_t)subset_of(ds->names[i]);
    return set_labels(ds, subsets, err);
}

const sg_dataset_kind sg_dataset_folder = {
    .takes_dir = true,
    .protocol = "folder",
    .open = open_set,
};
