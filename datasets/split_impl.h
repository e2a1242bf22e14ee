#ifndef SIGNET_SPLIT_IMPL_H
#define SIGNET_SPLIT_IMPL_H

#include <signet/split.h>

/* After the lists have changed. */
bool sg_split_set_checksum(sg_split *split, const sg_dataset *ds, sg_error *err);

#endif
