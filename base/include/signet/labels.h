/* Labels of a set of images: one class each, or a multi-hot row each. Two images are similar when they share at
 * least one label. */
#ifndef SIGNET_LABELS_H
#define SIGNET_LABELS_H

#include <signet/error.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sg_labels {
    size_t n, classes;
    int32_t *ids;  /* (n): class, or -1 for none; NULL when the set has rows */
    uint8_t *rows; /* (n, classes) of 0 and 1; NULL when the set has classes */
} sg_labels;

/* Zeroed rows when multi, else ids all -1. */
bool sg_labels_init(sg_labels *labels, size_t n, size_t classes, bool multi, sg_error *err);
void sg_labels_clear(sg_labels *labels);
/* The chosen items, in that order, as a set of its own. */
bool sg_labels_pick(sg_labels *out, const sg_labels *from, const uint32_t *items, size_t n, sg_error *err);
/* Whether item i of a and item j of b share a label (an item without one shares none). Both sets of one kind. */
bool sg_labels_similar(const sg_labels *a, size_t i, const sg_labels *b, size_t j);
bool sg_labels_has(const sg_labels *labels, size_t i, size_t cls);
/* Number of labels of item i. */
size_t sg_labels_count(const sg_labels *labels, size_t i);

#endif
