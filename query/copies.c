/* The files of groups of duplicates: what they are now, and which to keep. */
#include <signet/dedupe.h>

#include <errno.h>
#include <signet/file.h>
#include <signet/image.h>
#include <signet/interrupt.h>
#include <signet/mem.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool changed(sg_copy *copy)
{
    copy->state = SG_COPY_CHANGED;
    return sg_fail(&copy->why, SG_ERR_MISMATCH, "%s: is another file now than was added", copy->path);
}

/* Is it the file that was added? By size and time, as `add` takes it. */
static bool is_there(sg_copy *copy)
{
    struct stat st;
    if (stat(copy->path, &st) != 0) {
        copy->state = SG_COPY_LOST;
        return sg_fail_errno(&copy->why, errno, "%s: cannot open", copy->path);
    }
    copy->device = st.st_dev;
    copy->inode = st.st_ino;
    if ((uint64_t)st.st_size == copy->nbytes && sg_mtime_ns(&st) == copy->mtime_ns) return true;
    char *bytes;
    size_t nbytes;
    uint8_t content[SG_CONTENT_NBYTES];
    copy->state = SG_COPY_LOST;
    if (!sg_file_read(&bytes, &nbytes, copy->path, SG_MAX_FILE_NBYTES, &copy->why)) return false;
    sg_blake2b_of(content, sizeof content, bytes, nbytes);
    sg_free(bytes);
    if (memcmp(content, copy->content, sizeof content) == 0) return true;
    return changed(copy);
}

static void measure(sg_copy *copy, uint64_t max_pixels)
{
    sg_image image;
    const sg_decode_options grey = {.channels = 1, .max_pixels = max_pixels, .oriented = true};
    copy->state = SG_COPY_LOST;
    if (!is_there(copy) || !sg_image_load(&image, copy->path, &grey, &copy->why)) return;
    copy->width = image.width;
    copy->height = image.height;
    copy->sharpness = sg_image_sharpness(&image);
    copy->state = SG_COPY_GOOD;
    sg_image_clear(&image);
}

/* A copy whose equal has been measured. */
static void measure_equal(sg_copy *copy, const sg_copy *equal, uint64_t max_pixels)
{
    if (equal->state != SG_COPY_GOOD) {
        measure(copy, max_pixels);
    } else if (is_there(copy)) {
        copy->width = equal->width;
        copy->height = equal->height;
        copy->sharpness = equal->sharpness;
        copy->state = SG_COPY_GOOD;
    }
}

/* --- the order --- */

static int compare_worth(const void *a, const void *b)
{
    const sg_copy *x = a, *y = b;
    const bool good = x->state == SG_COPY_GOOD;
    if (good != (y->state == SG_COPY_GOOD)) return good ? -1 : 1;
    if (good) {
        int64_t more = (int64_t)x->width * x->height - (int64_t)y->width * y->height;
        if (more != 0) return more > 0 ? -1 : 1;
        if (x->sharpness != y->sharpness) return x->sharpness > y->sharpness ? -1 : 1;
        if (x->nbytes != y->nbytes) return x->nbytes > y->nbytes ? -1 : 1;
    }
    return (x->id > y->id) - (x->id < y->id);
}

static int compare_distance(const void *a, const void *b)
{
    const sg_copy *x = a, *y = b;
    if (x->same != y->same) return x->same ? -1 : 1;
    if (x->distance != y->distance) return x->distance < y->distance ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

static void arrange(sg_group *group, size_t code_nbytes, int radius)
{
    qsort(group->copies, group->n, sizeof *group->copies, compare_worth);
    const sg_copy *first = group->copies;
    for (size_t i = 0; i < group->n; i++) {
        sg_copy *copy = &group->copies[i];
        copy->distance = sg_hamming(first->code, copy->code, code_nbytes);
        copy->same =
            first->path && copy->path && memcmp(copy->content, first->content, sizeof copy->content) == 0;
        if (i == 0 || first->state != SG_COPY_GOOD || copy->state != SG_COPY_GOOD) continue;
        copy->link = copy->device == first->device && copy->inode == first->inode;
        copy->spare = !copy->link && (copy->same || (int)copy->distance <= radius);
    }
    group->kept = first->state == SG_COPY_GOOD;
    qsort(group->copies + 1, group->n - 1, sizeof *group->copies, compare_distance);
}

/* --- the whole --- */

static bool take_copy(sg_group *group, sg_store *store, uint64_t id, const uint8_t *code, sg_error *err)
{
    sg_item item;
    sg_error why;
    char *path;
    if (!sg_store_get(&item, &path, store, id, &why)) {
        if (why.code == SG_ERR_NOT_FOUND) return true;
        if (err) *err = why;
        return false;
    }
    sg_copy *copy = &group->copies[group->n++];
    *copy = (sg_copy){.id = id,
                      .path = path,
                      .nbytes = item.nbytes,
                      .mtime_ns = item.mtime_ns,
                      .code = code,
                      .state = path ? SG_COPY_LOST : SG_COPY_BARE};
    memcpy(copy->content, item.content, sizeof copy->content);
    return true;
}

static bool take_group(sg_group *group, size_t g, const sg_groups *found, sg_store *store, sg_error *err)
{
    const size_t first = found->starts[g], n = found->starts[g + 1] - first;
    group->copies = sg_calloc(n, sizeof *group->copies);
    bool ok = group->copies ? true : sg_fail_memory(err, "group");
    for (size_t i = first; ok && i < first + n; i++)
        ok = take_copy(group, store, found->ids[i], found->codes + i * (found->nbits / 8), err);
    return ok;
}

/* A file to look at. equal: the first of its group with the same content, itself perhaps. */
typedef struct task {
    const sg_group *group;
    sg_copy *copy, *equal;
} task;

static int compare_tasks(const void *a, const void *b)
{
    const task *x = a, *y = b;
    if (x->group != y->group) return x->group < y->group ? -1 : 1;
    int order = memcmp(x->copy->content, y->copy->content, SG_CONTENT_NBYTES);
    return order != 0 ? order : (x->copy > y->copy) - (x->copy < y->copy);
}

/* Those of all groups, so that all threads have work whatever the sizes of groups. */
static size_t list_tasks(task *tasks, sg_group *groups, size_t count)
{
    size_t n = 0;
    for (size_t g = 0; g < count; g++)
        for (size_t i = 0; i < groups[g].n; i++)
            if (groups[g].copies[i].path)
                tasks[n++] = (task){&groups[g], &groups[g].copies[i], &groups[g].copies[i]};
    qsort(tasks, n, sizeof *tasks, compare_tasks);
    for (size_t t = 1; t < n; t++) {
        const task *before = &tasks[t - 1];
        if (before->group == tasks[t].group &&
            memcmp(before->copy->content, tasks[t].copy->content, SG_CONTENT_NBYTES) == 0)
            tasks[t].equal = before->equal;
    }
    return n;
}

static bool measure_all(sg_group *groups, size_t count, uint64_t max_pixels, sg_error *err)
{
    size_t n = 0;
    for (size_t g = 0; g < count; g++) n += groups[g].n;
    task *tasks = sg_alloc(n, sizeof *tasks);
    if (!tasks) return sg_fail_memory(err, "groups");
    n = list_tasks(tasks, groups, count);
    for (int round = 0; round < 2; round++) { /* the first of each content; then those that are equal to it */
#pragma omp parallel for schedule(dynamic)
        for (size_t t = 0; t < n; t++) {
            sg_copy *copy = tasks[t].copy;
            if (sg_interrupted() || (tasks[t].equal == copy) != (round == 0)) continue;
            if (round == 0)
                measure(copy, max_pixels);
            else
                measure_equal(copy, tasks[t].equal, max_pixels);
        }
    }
    bool ok = sg_interrupt_check(err);
    for (size_t t = 0; ok && t < n; t++) /* a lack of memory says nothing of the file */
        if (tasks[t].copy->why.code == SG_ERR_MEMORY) ok = sg_fail_memory(err, tasks[t].copy->path);
    sg_free(tasks);
    return ok;
}

bool sg_groups_look(sg_group *groups, size_t first, size_t count, const sg_groups *found, sg_store *store,
                    uint64_t max_pixels, sg_error *err)
{
    bool ok = true;
    memset(groups, 0, count * sizeof *groups);
    for (size_t g = 0; ok && g < count; g++) ok = take_group(&groups[g], first + g, found, store, err);
    ok = ok && measure_all(groups, count, max_pixels, err);
    for (size_t g = 0; g < count; g++) {
        if (!ok)
            sg_group_clear(&groups[g]);
        else if (groups[g].n > 0)
            arrange(&groups[g], found->nbits / 8, found->radius);
    }
    return ok;
}

void sg_group_clear(sg_group *group)
{
    for (size_t i = 0; i < group->n; i++) sg_free(group->copies[i].path);
    sg_free(group->copies);
    *group = (sg_group){0};
}
