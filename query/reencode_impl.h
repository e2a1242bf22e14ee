#ifndef SIGNET_REENCODE_IMPL_H
#define SIGNET_REENCODE_IMPL_H

#include "index_impl.h"
#include <signet/reencode.h>

/* Brings into `fresh` (open for writing, with its encoder) all items of `old` that are not there yet. */
bool sg_reencode_items(sg_reencode_counts *counts, sg_index *old, sg_index *fresh,
                       const sg_reencode_options *options, sg_error *err);

#endif
