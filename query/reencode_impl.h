#ifndef SIGNET_REENCODE_IMPL_H
#define SIGNET_REENCODE_IMPL_H

#include "index_impl.h"
#include "lost_impl.h"
#include <signet/reencode.h>

/* Items whose pictures cannot be had. Zero at first; the list is cleared by its owner. */
typedef struct sg_missing {
    sg_lost_list lost;      /* at whose paths there is no file */
    uint64_t unreadable;    /* a file is there, but the system does not give it */
    char why[SG_ERROR_MAX]; /* of the first one that may come back; "" */
} sg_missing;
void sg_missing_unreadable(sg_missing *missing, const char *why);
/* Counts those that are gone, and tells of them. SG_ERR_NOT_FOUND: others may only be out of sight, or cannot be read; or
 * there are lost ones that are not to be left out. */
bool sg_missing_settle(sg_reencode_counts *counts, sg_missing *missing, const sg_reencode_options *options,
                       sg_error *err);

/* Brings into `fresh` (open for writing, with its encoder) all items of `old` that are not there yet. */
bool sg_reencode_items(sg_reencode_counts *counts, sg_index *old, sg_index *fresh,
                       const sg_reencode_options *options, sg_error *err);

#endif
