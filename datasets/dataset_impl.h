/* The inside of a data set, for the kinds that fill it. */
#ifndef SIGNET_DATASET_IMPL_H
#define SIGNET_DATASET_IMPL_H

#include <signet/dataset.h>

/* A kind fills a zeroed set; on failure what it has put there is cleared by the caller. */
typedef struct sg_dataset_kind {
    bool takes_dir; /* the spec is NAME:DIR */
    /* The default protocol, see protocols in split.c. */
    const char *protocol;
    /* dir NULL unless takes_dir; data_dir may be NULL. */
    bool (*open)(sg_dataset *ds, const char *dir, const char *data_dir, sg_error *err);
} sg_dataset_kind;

extern const sg_dataset_kind sg_dataset_cifar10, sg_dataset_cifar100, sg_dataset_fashion_mnist,
    sg_dataset_folder, sg_dataset_list;

struct sg_dataset {
    const sg_dataset_kind *kind;
    const char *kind_name;
    size_t n;
    char **names; /* (n) owned, or where paths is set tails of the paths */
    char **paths; /* (n) owned; NULL for sets without files */
    uint8_t *subsets;
    size_t names_cap, paths_cap, subsets_cap;
    sg_labels labels;
    char **classes; /* labels.classes of them, owned */
    size_t ignored;
    uint8_t *pixels; /* sets without files: (n, height, width, channels) */
    int width, height, channels;
};

/* Appends an item, by its file (name is copied: the tail of dir/name, or an absolute name itself) or, dir NULL,
 * by its name alone. */
bool sg_dataset_add(sg_dataset *ds, const char *dir, const char *name, unsigned subsets, sg_error *err);
/* Class names, copied; NULL: numbers. Call when labels.classes is set. */
bool sg_dataset_set_classes(sg_dataset *ds, const char *const *names, sg_error *err);
/* Default protocol of the set's kind. */
const char *sg_dataset_protocol(const sg_dataset *ds);

#endif
