/* CIFAR-10 and CIFAR-100 (Krizhevsky 2009), the binary versions: colour images of 32 x 32, one record each of the label's
 * byte (CIFAR-100: two, the coarse one first) and the planes of red, green and blue. The published files hold 10,000
 * records each, or 50,000 and 10,000; any whole number of them is read. */
#include "dataset_impl.h"

#include <signet/file.h>
#include <signet/mem.h>
#include <string.h>

#define SIDE         32
#define NPIXELS      ((size_t)SIDE * SIDE)
#define IMAGE_NBYTES (3 * NPIXELS)
#define FILES_MAX    6
#define LABELS_MAX   2
#define CLASSES_MAX  100

typedef struct layout {
    const char *name, *folder; /* the archive's own folder, which may be the data folder or lie in it */
    const char *classes_file;
    struct {
        const char *name;
        bool train;
    } files[FILES_MAX];
    struct {
        const char *name;
        int classes;
    } labels[LABELS_MAX]; /* in the order of the record; the last are the classes */
} layout;

static const layout cifar10 = {
    .name = "cifar10",
    .folder = "cifar-10-batches-bin",
    .classes_file = "batches.meta.txt",
    .files = {{"data_batch_1.bin", true},
              {"data_batch_2.bin", true},
              {"data_batch_3.bin", true},
              {"data_batch_4.bin", true},
              {"data_batch_5.bin", true},
              {"test_batch.bin", false}},
    .labels = {{"label", 10}},
};

static const layout cifar100 = {
    .name = "cifar100",
    .folder = "cifar-100-binary",
    .classes_file = "fine_label_names.txt",
    .files = {{"train.bin", true}, {"test.bin", false}},
    .labels = {{"coarse label", 20}, {"fine label", 100}},
};

static size_t nlabels(const layout *l)
{
    return l->labels[1].name ? 2 : 1;
}

/* The folder with the files: data_dir, or the archive's own inside it. The caller's. */
static bool find_folder(char **dir, const layout *l, const char *data_dir, sg_error *err)
{
    if (!data_dir)
        return sg_fail(err, SG_ERR_USAGE,
                       "%s: say where its files lie with --data-dir (%s, or the folder above)", l->name,
                       l->folder);
    if (!sg_path_join(dir, data_dir, l->folder, err)) return false;
    if (sg_is_dir(*dir)) return true;
    sg_free(*dir);
    *dir = sg_strdup(data_dir);
    return *dir ? true : sg_fail_memory(err, l->name);
}

static bool read_file(char **bytes, size_t *nbytes, const char *path, sg_error *err)
{
    if (sg_path_exists(path)) return sg_file_read(bytes, nbytes, path, SG_MAX_FILE_NBYTES, err);
    return sg_fail(err, SG_ERR_NOT_FOUND, "%s is not there", path);
}

/* The class of a record. */
static bool take_label(int32_t *cls, const uint8_t *record, const layout *l, const char *file, size_t number,
                       sg_error *err)
{
    for (size_t i = 0; i < nlabels(l); i++) {
        if (record[i] >= l->labels[i].classes)
            return sg_fail(err, SG_ERR_FORMAT, "%s: the %s of record %zu is %u, not 0 to %d", file,
                           l->labels[i].name, number, record[i], l->labels[i].classes - 1);
        *cls = record[i];
    }
    return true;
}

static void interleave(uint8_t *pixels, const uint8_t *planes)
{
    for (size_t i = 0; i < NPIXELS; i++)
        for (size_t c = 0; c < 3; c++) pixels[3 * i + c] = planes[c * NPIXELS + i];
}

/* Adds a file's records, named by subset and number. */
static bool add_records(sg_dataset *ds, size_t *nsubset, const layout *l, const char *file,
                        const uint8_t *bytes, size_t nbytes, bool train, sg_error *err)
{
    size_t record = nlabels(l) + IMAGE_NBYTES, n = nbytes / record;
    if (n == 0 || nbytes % record)
        return sg_fail(err, SG_ERR_FORMAT, "%s: %zu bytes are no whole number of records of %zu bytes", file,
                       nbytes, record);
    int32_t *ids = sg_realloc(ds->labels.ids, ds->n + n, sizeof *ids);
    if (ids) ds->labels.ids = ids;
    uint8_t *pixels = sg_realloc(ds->pixels, ds->n + n, IMAGE_NBYTES);
    if (pixels) ds->pixels = pixels;
    if (!ids || !pixels) return sg_fail_memory(err, l->name);
    for (size_t i = 0; i < n; i++, bytes += record) {
        char name[32];
        snprintf(name, sizeof name, "%s/%zu", train ? "train" : "test", (*nsubset)++);
        if (!take_label(&ids[ds->n], bytes, l, file, i, err)) return false;
        interleave(pixels + ds->n * IMAGE_NBYTES, bytes + nlabels(l));
        if (!sg_dataset_add(ds, NULL, name, train ? SG_SUBSET_TRAIN : SG_SUBSET_QUERY, err)) return false;
    }
    return true;
}

static bool read_records(sg_dataset *ds, const layout *l, const char *dir, sg_error *err)
{
    size_t counts[2] = {0}; /* of test and train */
    for (size_t i = 0; i < FILES_MAX && l->files[i].name; i++) {
        char *path, *bytes = NULL;
        size_t nbytes;
        bool train = l->files[i].train;
        if (!sg_path_join(&path, dir, l->files[i].name, err)) return false;
        bool ok = read_file(&bytes, &nbytes, path, err) &&
                  add_records(ds, &counts[train], l, path, (uint8_t *)bytes, nbytes, train, err);
        sg_free(bytes);
        sg_free(path);
        if (!ok) return false;
    }
    ds->labels.n = ds->n;
    ds->width = ds->height = SIDE;
    ds->channels = 3;
    return true;
}

/* Names, one a line; empty lines, of which CIFAR-10's file has one, do not count. */
static bool read_classes(sg_dataset *ds, const layout *l, const char *dir, sg_error *err)
{
    char *path, *text = NULL, *rest = NULL;
    const char *names[CLASSES_MAX];
    size_t nbytes, n = 0, classes = (size_t)l->labels[nlabels(l) - 1].classes;
    if (!sg_path_join(&path, dir, l->classes_file, err)) return false;
    bool ok = read_file(&text, &nbytes, path, err);
    for (char *line = ok ? strtok_r(text, "\r\n", &rest) : NULL; line; line = strtok_r(NULL, "\r\n", &rest))
        if (n++ < classes) names[n - 1] = line;
    if (ok && n != classes)
        ok = sg_fail(err, SG_ERR_FORMAT, "%s: %zu names of classes, not %zu", path, n, classes);
    ds->labels.classes = ok ? classes : 0;
    ok = ok && sg_dataset_set_classes(ds, names, err);
    sg_free(text);
    sg_free(path);
    return ok;
}

static bool open_layout(sg_dataset *ds, const layout *l, const char *data_dir, sg_error *err)
{
    char *dir;
    if (!find_folder(&dir, l, data_dir, err)) return false;
    bool ok = read_classes(ds, l, dir, err) && read_records(ds, l, dir, err);
    sg_free(dir);
    return ok;
}

static bool open_cifar10(sg_dataset *ds, const char *dir, const char *data_dir, sg_error *err)
{
    (void)dir;
    return open_layout(ds, &cifar10, data_dir, err);
}

static bool open_cifar100(sg_dataset *ds, const char *dir, const char *data_dir, sg_error *err)
{
    (void)dir;
    return open_layout(ds, &cifar100, data_dir, err);
}

const sg_dataset_kind sg_dataset_cifar10 = {
    .takes_dir = false,
    .protocol = "cifar10-5000",
    .open = open_cifar10,
};

const sg_dataset_kind sg_dataset_cifar100 = {
    .takes_dir = false,
    .protocol = "cifar10-all",
    .open = open_cifar100,
};
