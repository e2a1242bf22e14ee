#include <signet/dataset.h>

#include "dataset_impl.h"
#include <signet/buf.h>
#include <signet/file.h>
#include <signet/mem.h>
#include <string.h>

/* The registry: names and, in the same order, kinds. */
static const char *const kind_names[] = {"cifar10", "cifar100", "fashion-mnist", "folder", "list"};
static const sg_dataset_kind *const kinds[] = {&sg_dataset_cifar10, &sg_dataset_cifar100,
                                               &sg_dataset_fashion_mnist, &sg_dataset_folder,
                                               &sg_dataset_list};
#define NKINDS (sizeof kinds / sizeof *kinds)
_Static_assert(NKINDS == sizeof kind_names / sizeof *kind_names, "a name for each kind");

const char *const *sg_dataset_kinds(size_t *n)
{
    *n = NKINDS;
    return kind_names;
}

/* The kind that the spec names, and its folder (in spec) where it takes one. */
static bool find_kind(size_t *kind, const char **dir, const char *spec, sg_error *err)
{
    for (size_t i = 0; i < NKINDS; i++) {
        size_t length = strlen(kind_names[i]);
        if (strncmp(spec, kind_names[i], length) != 0) continue;
        bool bare = spec[length] == 0, with_dir = spec[length] == ':' && spec[length + 1] != 0;
        if (kinds[i]->takes_dir ? !with_dir : !bare) continue;
        *kind = i;
        *dir = with_dir ? spec + length + 1 : NULL;
        return true;
    }
    const char *hint = sg_is_dir(spec) ? "; a folder is given as folder:DIR" : "";
    sg_buf known = SG_BUF_INIT;
    for (size_t i = 0; i < NKINDS; i++)
        sg_buf_printf(&known, "%s%s%s", i ? ", " : "", kind_names[i], kinds[i]->takes_dir ? ":DIR" : "");
    sg_fail(err, SG_ERR_USAGE, "no data set '%s' (%s)%s", spec, sg_buf_text(&known), hint);
    sg_buf_clear(&known);
    return false;
}

bool sg_dataset_open(sg_dataset **out, const char *spec, const char *data_dir, sg_error *err)
{
    *out = NULL;
    size_t kind = 0;
    const char *dir = NULL;
    if (!find_kind(&kind, &dir, spec, err)) return false;
    sg_dataset *ds = sg_calloc(1, sizeof *ds);
    if (!ds) return sg_fail_memory(err, "data set");
    ds->kind = kinds[kind];
    ds->kind_name = kind_names[kind];
    if (!ds->kind->open(ds, dir, data_dir, err)) {
        sg_dataset_close(ds);
        return false;
    }
    SG_ASSERT(ds->labels.n == ds->n);
    *out = ds;
    return true;
}

void sg_dataset_close(sg_dataset *ds)
{
    if (!ds) return;
    char **owned = ds->paths ? ds->paths : ds->names;
    for (size_t i = 0; i < ds->n; i++) sg_free(owned[i]);
    sg_free(ds->names);
    sg_free(ds->paths);
    sg_free(ds->subsets);
    if (ds->classes)
        for (size_t i = 0; i < ds->labels.classes; i++) sg_free(ds->classes[i]);
    sg_free(ds->classes);
    sg_labels_clear(&ds->labels);
    sg_free(ds->pixels);
    sg_free(ds);
}

bool sg_dataset_add(sg_dataset *ds, const char *dir, const char *name, unsigned subsets, sg_error *err)
{
    if (ds->n >= UINT32_MAX) return sg_fail(err, SG_ERR_LIMIT, "data set has more than 2^32 - 1 images");
    if (!sg_grow(&ds->names, &ds->names_cap, ds->n + 1, sizeof *ds->names) ||
        !sg_grow(&ds->subsets, &ds->subsets_cap, ds->n + 1, sizeof *ds->subsets) ||
        (dir && !sg_grow(&ds->paths, &ds->paths_cap, ds->n + 1, sizeof *ds->paths)))
        return sg_fail_memory(err, "data set");
    if (dir) {
        char *path;
        if (!sg_path_join(&path, dir, name, err)) return false;
        ds->paths[ds->n] = path;
        ds->names[ds->n] = path + strlen(path) - strlen(name);
    } else if (!(ds->names[ds->n] = sg_strdup(name))) {
        return sg_fail_memory(err, "data set");
    }
    ds->subsets[ds->n++] = (uint8_t)subsets;
    return true;
}

bool sg_dataset_set_classes(sg_dataset *ds, const char *const *names, sg_error *err)
{
    ds->classes = sg_calloc(ds->labels.classes, sizeof *ds->classes);
    if (!ds->classes) return sg_fail_memory(err, "class names");
    for (size_t i = 0; i < ds->labels.classes; i++) {
        char number[24];
        snprintf(number, sizeof number, "%zu", i);
        ds->classes[i] = sg_strdup(names ? names[i] : number);
        if (!ds->classes[i]) return sg_fail_memory(err, "class names");
    }
    return true;
}

const char *sg_dataset_name(const sg_dataset *ds)
{
    return ds->kind_name;
}

size_t sg_dataset_size(const sg_dataset *ds)
{
    return ds->n;
}

const sg_labels *sg_dataset_labels(const sg_dataset *ds)
{
    return &ds->labels;
}

const char *const *sg_dataset_classes(const sg_dataset *ds)
{
    return (const char *const *)ds->classes;
}

unsigned sg_dataset_subsets(const sg_dataset *ds, size_t item)
{
    SG_ASSERT(item < ds->n);
    return ds->subsets[item];
}

const char *sg_dataset_item_name(const sg_dataset *ds, size_t item)
{
    SG_ASSERT(item < ds->n);
    return ds->names[item];
}

const char *sg_dataset_item_path(const sg_dataset *ds, size_t item)
{
    SG_ASSERT(item < ds->n);
    return ds->paths ? ds->paths[item] : NULL;
}

size_t sg_dataset_ignored(const sg_dataset *ds)
{
    return ds->ignored;
}

const char *sg_dataset_protocol(const sg_dataset *ds)
{
    return ds->kind->protocol;
}

bool sg_dataset_load(sg_image *image, const sg_dataset *ds, size_t item, const sg_decode_options *options,
                     sg_error *err)
{
    SG_ASSERT(item < ds->n);
    if (ds->paths) return sg_image_load(image, ds->paths[item], options, err);
    size_t nbytes = (size_t)ds->width * (size_t)ds->height * (size_t)ds->channels;
    sg_image stored = {ds->pixels + item * nbytes, ds->width, ds->height, ds->channels};
    int channels = options && options->channels ? options->channels : ds->channels;
    return sg_image_convert(image, &stored, channels, err);
}
