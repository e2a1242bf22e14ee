/* Rows of a profile by number: a plan looks its rows up once. Private to the encoder. */
#ifndef SIGNET_PROFILE_IMPL_H
#define SIGNET_PROFILE_IMPL_H

#include <signet/profile.h>

/* The number of the row of this kind, node and kernel, new or known; -1 without memory. */
int sg_profile_row_of(sg_profile *profile, sg_profile_kind kind, const char *node, const char *kernel,
                      double flops);
void sg_profile_end_row(sg_profile *profile, sg_profile_mark mark, int row);

#endif
