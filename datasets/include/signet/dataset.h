/* A data set: numbered images with names, labels and subsets. Reading is thread-safe. */
#ifndef SIGNET_DATASET_H
#define SIGNET_DATASET_H

#include <signet/image.h>
#include <signet/labels.h>

typedef struct sg_dataset sg_dataset;

/* Subsets that the data itself names; an item may be in several (a list's train is often in its database). */
enum { SG_SUBSET_TRAIN = 1, SG_SUBSET_QUERY = 2, SG_SUBSET_DATABASE = 4, SG_SUBSET_VAL = 8 };

/* spec: a name ("fashion-mnist", "cifar10", ...), "folder:DIR" or "list:DIR" (the design's section 5). data_dir: where a named
 * set's files lie (NULL: where its package puts them), or what a list's paths are relative to (NULL: its DIR). */
bool sg_dataset_open(sg_dataset **ds, const char *spec, const char *data_dir, sg_error *err);
void sg_dataset_close(sg_dataset *ds);

const char *sg_dataset_name(const sg_dataset *ds); /* spec's kind, and for a named set its name: no path */
size_t sg_dataset_size(const sg_dataset *ds);
const sg_labels *sg_dataset_labels(const sg_dataset *ds); /* borrowed; classes 0 when unlabelled */
/* Class names (borrowed), sg_labels.classes of them; a set without names numbers them. */
const char *const *sg_dataset_classes(const sg_dataset *ds);
unsigned sg_dataset_subsets(const sg_dataset *ds, size_t item); /* SG_SUBSET_ bits; 0: the data names none */
/* Name of an item: its path relative to the set's root, or "train/N" for sets without files. */
const char *sg_dataset_item_name(const sg_dataset *ds, size_t item);
/* Path of its file, or NULL for sets without files. Borrowed. */
const char *sg_dataset_item_path(const sg_dataset *ds, size_t item);
bool sg_dataset_load(sg_image *image, const sg_dataset *ds, size_t item, const sg_decode_options *options,
                     sg_error *err);
/* Files below the root that were no images (counted), for a word to the user. */
size_t sg_dataset_ignored(const sg_dataset *ds);

/* Names of the registered kinds, for help. */
const char *const *sg_dataset_kinds(size_t *n);

#endif
