/* Fashion-MNIST (Xiao, Rasul and Vollgraf 2017): 70,000 grey images of 28 x 28 in ten classes, as gzipped IDX. */
#include "dataset_impl.h"

#include "idx_impl.h"
#include <signet/file.h>
#include <signet/mem.h>
#include <string.h>

#define PACKAGE_DIR "/usr/share/datasets/fashion-mnist" /* of Debian's package dataset-fashion-mnist */
#define SIDE        28
#define NCLASSES    10

static const char *const classes[NCLASSES] = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                                              "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};

typedef struct part {
    const char *prefix; /* of its files */
    const char *name;   /* of its items */
    unsigned subset;
    sg_idx images, labels;
} part;

static bool read_file(sg_idx *idx, const char *dir, const char *prefix, const char *suffix, int ndims,
                      sg_error *err)
{
    char name[64], *path;
    snprintf(name, sizeof name, "%s-%s.gz", prefix, suffix);
    if (!sg_path_join(&path, dir, name, err)) return false;
    bool ok = sg_path_exists(path);
    if (!ok)
        sg_fail(err, SG_ERR_NOT_FOUND,
                "%s is not there: install the package dataset-fashion-mnist, or say where with --data-dir",
                path);
    ok = ok && sg_idx_read(idx, path, ndims, err);
    sg_free(path);
    return ok;
}

static bool check_part(const part *p, const char *dir, sg_error *err)
{
    size_t n = p->images.dims[0];
    if (p->images.dims[1] != SIDE || p->images.dims[2] != SIDE)
        return sg_fail(err, SG_ERR_FORMAT, "%s: %s images of %zu x %zu pixels, not 28 x 28", dir, p->name,
                       p->images.dims[2], p->images.dims[1]);
    if (n != p->labels.dims[0])
        return sg_fail(err, SG_ERR_FORMAT, "%s: %zu %s images but %zu labels", dir, n, p->name,
                       p->labels.dims[0]);
    for (size_t i = 0; i < n; i++)
        if (p->labels.data[i] >= NCLASSES)
            return sg_fail(err, SG_ERR_FORMAT, "%s: %s label %zu is %u, not 0 to 9", dir, p->name, i,
                           p->labels.data[i]);
    return true;
}

static bool append_part(sg_dataset *ds, const part *p, sg_error *err)
{
    size_t n = p->images.dims[0], image_nbytes = SIDE * SIDE;
    memcpy(ds->pixels + ds->n * image_nbytes, p->images.data, n * image_nbytes);
    for (size_t i = 0; i < n; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s/%zu", p->name, i);
        ds->labels.ids[ds->n] = p->labels.data[i];
        if (!sg_dataset_add(ds, NULL, name, p->subset, err)) return false;
    }
    return true;
}

static bool open_set(sg_dataset *ds, const char *dir, const char *data_dir, sg_error *err)
{
    (void)dir;
    part parts[2] = {{.prefix = "train", .name = "train", .subset = SG_SUBSET_TRAIN},
                     {.prefix = "t10k", .name = "test", .subset = SG_SUBSET_QUERY}};
    const char *from = data_dir ? data_dir : PACKAGE_DIR;
    bool ok = true;
    for (int i = 0; ok && i < 2; i++)
        ok = read_file(&parts[i].images, from, parts[i].prefix, "images-idx3-ubyte", 3, err) &&
             read_file(&parts[i].labels, from, parts[i].prefix, "labels-idx1-ubyte", 1, err) &&
             check_part(&parts[i], from, err);
    size_t n = parts[0].images.dims[0] + parts[1].images.dims[0];
    ds->width = ds->height = SIDE;
    ds->channels = 1;
    ok = ok && sg_labels_init(&ds->labels, n, NCLASSES, false, err) &&
         sg_dataset_set_classes(ds, classes, err);
    if (ok && !(ds->pixels = sg_alloc(n, SIDE * SIDE))) ok = sg_fail_memory(err, "fashion-mnist");
    for (int i = 0; ok && i < 2; i++) ok = append_part(ds, &parts[i], err);
    for (int i = 0; i < 2; i++) {
        sg_idx_clear(&parts[i].images);
        sg_idx_clear(&parts[i].labels);
    }
    return ok;
}

const sg_dataset_kind sg_dataset_fashion_mnist = {
    .takes_dir = false,
    .protocol = "fashion-mnist",
    .open = open_set,
};
