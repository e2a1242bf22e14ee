#include "lost_impl.h"

#include "disk_impl.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signet/file.h>
#include <signet/interrupt.h>
#include <signet/mem.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void sg_lost_clear(sg_lost_list *list)
{
    for (size_t i = 0; i < list->n; i++) sg_free(list->v[i].path);
    sg_free(list->v);
    *list = (sg_lost_list){0};
}

bool sg_lost_add(sg_lost_list *list, const sg_item *item, sg_error *err)
{
    char *path = sg_strdup(item->path);
    if (!path || !sg_grow(&list->v, &list->cap, list->n + 1, sizeof *list->v)) {
        sg_free(path);
        return sg_fail_memory(err, "lost files");
    }
    sg_lost *lost = &list->v[list->n++];
    *lost = (sg_lost){.id = item->id, .path = path, .disk_depth = item->disk_depth};
    memcpy(lost->content, item->content, SG_CONTENT_NBYTES);
    return true;
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(((const sg_lost *)a)->path, ((const sg_lost *)b)->path);
}

static int compare_contents(const void *a, const void *b)
{
    const sg_lost *x = a, *y = b;
    int order = memcmp(x->content, y->content, SG_CONTENT_NBYTES);
    return order ? order : (x->id > y->id) - (x->id < y->id);
}

/* --- fates --- */

/* Is the entry another disk's folder? */
static bool is_other_disk(DIR *dir, const struct dirent *entry, dev_t device)
{
    struct stat st;
    return (entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN) &&
           fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode) &&
           st.st_dev != device;
}

/* A folder in which disks come and go by custom (Filesystem Hierarchy Standard 3.0; udisks has one for each user in /media
 * and /run/media), and which is no disk itself? */
static bool is_for_disks(const char *path, dev_t device)
{
    static const char *const folders[] = {"/mnt", "/media", "/run/media", "/media/", "/run/media/"};
    struct stat above;
    const char *base = sg_path_base(path);
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        const size_t n = strlen(folders[i]);
        const bool user = folders[i][n - 1] == '/';
        if (user ? base != path + n || strncmp(path, folders[i], n) != 0 : strcmp(path, folders[i]) != 0)
            continue;
        char parent[16];
        snprintf(parent, sizeof parent, "%.*s", base - path > 1 ? (int)(base - path - 1) : 1, path);
        return stat(parent, &above) == 0 && above.st_dev == device;
    }
    return false;
}

/* What a folder that ought to have held a file, or (in_folder) a folder with it, says of that: NULL when it can be
 * believed. Where disks come and go with their folders, a folder that is not there may be a disk's. */
static const char *doubt_of_folder(const char *path, dev_t device, bool in_folder)
{
    const struct dirent *entry;
    size_t n = 0;
    bool disks = false;
    if (in_folder && is_for_disks(path, device)) return "is where disks are mounted: one that is not?";
    DIR *dir = opendir(path);
    if (!dir) return strerror(errno);
    while (errno = 0, (entry = readdir(dir)) && !(n > 0 && (disks || !in_folder))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        n++;
        disks = in_folder && is_other_disk(dir, entry, device);
    }
    int errnum = entry ? 0 : errno;
    closedir(dir);
    return errnum   ? strerror(errnum)
           : n == 0 ? "is empty: a disk that is not mounted?"
           : disks  ? "holds other disks: one that is not mounted?"
                    : NULL;
}

/* Is the path itself absent? *doubt: why that cannot be said. */
static bool is_absent(const char *path, struct stat *st, const char **doubt)
{
    struct stat link;
    *doubt = NULL;
    if (stat(path, st) == 0) return false;
    if (errno != ENOENT && errno != ENOTDIR) {
        *doubt = strerror(errno);
        return false;
    }
    if (lstat(path, &link) != 0) return true;
    *doubt = "leads nowhere: a disk that is not mounted?";
    return false;
}

typedef struct judging {
    const char *folder;
    const sg_files *found;
    bool empty; /* no file was found in the folder */
    sg_lost_tell tell;
    void *context;
    char *place, *told;    /* the place that was last asked, and the last one that was told */
    bool in_folder;        /* place was asked for a folder in it */
    const char *doubt;     /* about place */
    const char *asked_for; /* a file for which it was asked: all in the same folder have the same answer */
    char *disk;            /* the folder that was last asked whether its disk is mounted */
    bool disk_away;
} judging;

/* Of a file that is absent: asks the nearest folder above that exists, down to the one that is judged. path is cut to that
 * place. */
static const char *doubt_above(judging *j, char *path)
{
    struct stat st;
    const char *doubt;
    size_t nfolder = strlen(j->folder), above = 0;
    for (;; above++) {
        char *slash = strrchr(path, '/');
        if (slash == path) slash++;
        *slash = '\0';
        if (!is_absent(path, &st, &doubt)) break;
        if (strlen(path) <= nfolder) return "is not there: a disk that is not mounted?";
    }
    if (doubt || !S_ISDIR(st.st_mode)) return doubt;
    /* Many folders may be missing in one. */
    if (j->place && j->in_folder == (above > 0) && strcmp(j->place, path) == 0) return j->doubt;
    j->in_folder = above > 0;
    return doubt_of_folder(path, st.st_dev, j->in_folder);
}

static size_t folder_nbytes(const char *path)
{
    return (size_t)(strrchr(path, '/') - path);
}

static bool same_folder(const char *a, const char *b)
{
    size_t n = folder_nbytes(a);
    return n == folder_nbytes(b) && memcmp(a, b, n) == 0;
}

static bool tell_once(judging *j, const char *place, const char *why, sg_error *err)
{
    if (j->told && strcmp(j->told, place) == 0) return true;
    sg_free(j->told);
    j->told = sg_strdup(place);
    if (!j->told) return sg_fail_memory(err, place);
    j->tell(j->context, place, why);
    return true;
}

static bool holds_files(const sg_files *found, const char *folder, bool known)
{
    for (size_t i = 0; i < found->n; i++)
        if ((found->v[i].known || !known) && sg_path_within(found->v[i].path, folder)) return true;
    return false;
}

/* The file lay on a disk that was mounted at a folder above it, where none is now; nor are its pictures, which may have been
 * brought there from it. */
static bool lay_on_other_disk(bool *away, const sg_lost *lost, judging *j, sg_error *err)
{
    const size_t n = sg_disk_folder(lost->path, lost->disk_depth);
    *away = n > 0;
    if (n == 0) return true;
    if (!j->disk || strlen(j->disk) != n || memcmp(j->disk, lost->path, n) != 0) {
        sg_free(j->disk);
        j->disk = sg_strdup(lost->path);
        if (!j->disk) return sg_fail_memory(err, lost->path);
        j->disk[n] = '\0';
        j->disk_away = !sg_disk_mounted(j->disk) && !(j->found && holds_files(j->found, j->disk, true));
    }
    *away = j->disk_away;
    return true;
}

static bool judge(sg_lost *lost, judging *j, sg_error *err)
{
    struct stat st;
    const char *doubt;
    bool away;
    sg_lost_fate fate = SG_LOST_GONE;
    if (!is_absent(lost->path, &st, &doubt)) {
        if (doubt && !tell_once(j, lost->path, doubt, err)) return false;
        fate = doubt ? SG_LOST_KEPT : S_ISREG(st.st_mode) ? SG_LOST_THERE : SG_LOST_GONE;
    } else {
        if (!j->asked_for || !same_folder(j->asked_for, lost->path)) {
            char *place = sg_strdup(lost->path);
            if (!place) return sg_fail_memory(err, lost->path);
            j->doubt = doubt_above(j, place);
            sg_free(j->place);
            j->place = place;
            j->asked_for = lost->path;
        }
        if (j->doubt && !tell_once(j, j->place, j->doubt, err)) return false;
        if (j->doubt) fate = SG_LOST_KEPT;
    }
    if (fate == SG_LOST_GONE) {
        if (!lay_on_other_disk(&away, lost, j, err) ||
            (away &&
             !tell_once(j, j->disk, "held a disk when its pictures came in: one that is not mounted?", err)))
            return false;
        if (away) fate = SG_LOST_KEPT;
    }
    if (fate == SG_LOST_GONE && j->empty) {
        if (!tell_once(j, j->folder, "holds no files: a disk that is not mounted?", err)) return false;
        fate = SG_LOST_KEPT;
    }
    if (lost->fate != SG_LOST_KEPT)
        lost->fate = fate; /* of folders in each other the more careful one is right */
    return true;
}

bool sg_lost_judge(sg_lost_list *list, const char *folder, const sg_files *found, sg_lost_tell tell,
                   void *context, sg_error *err)
{
    judging j = {.folder = folder, .found = found, .tell = tell, .context = context};
    j.empty = found && !holds_files(found, folder, false);
    bool ok = true;
    if (list->n > 1) qsort(list->v, list->n, sizeof *list->v, compare_paths);
    for (size_t i = 0; ok && i < list->n; i++)
        if (sg_path_within(list->v[i].path, folder))
            ok = sg_interrupt_check(err) && judge(&list->v[i], &j, err);
    sg_free(j.place);
    sg_free(j.disk);
    sg_free(j.told);
    return ok;
}

/* --- those that are gone --- */

void sg_lost_settle(sg_lost_list *list, uint64_t *kept)
{
    size_t n = 0;
    for (size_t i = 0; i < list->n; i++) {
        sg_lost *lost = &list->v[i];
        *kept += lost->fate == SG_LOST_KEPT;
        if (lost->fate == SG_LOST_GONE)
            list->v[n++] = *lost;
        else
            sg_free(lost->path);
    }
    list->n = n;
    if (n > 1) qsort(list->v, n, sizeof *list->v, compare_contents);
}

sg_lost *sg_lost_find(const sg_lost_list *list, const uint8_t content[SG_CONTENT_NBYTES], const char *path)
{
    sg_lost *found = NULL;
    size_t lo = 0, hi = list->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (memcmp(list->v[mid].content, content, SG_CONTENT_NBYTES) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    for (; lo < list->n && memcmp(list->v[lo].content, content, SG_CONTENT_NBYTES) == 0; lo++) {
        sg_lost *l = &list->v[lo];
        if (!found) found = l;
        if (strcmp(sg_path_base(l->path), sg_path_base(path)) == 0) return l;
    }
    return found;
}
