/* Many changes of a store in batches that other processes see soon, and of which a killed one loses little. */
#ifndef SIGNET_BATCH_IMPL_H
#define SIGNET_BATCH_IMPL_H

#include <signet/store.h>

typedef struct sg_batch {
    sg_store *store;
    bool open;
    size_t n; /* changes in it */
    double began;
} sg_batch;

/* Begins one unless one is open, and counts a change. */
bool sg_batch_change(sg_batch *batch, sg_error *err);
/* Is it time to commit: 1024 changes, or one second of work? */
bool sg_batch_due(const sg_batch *batch);
bool sg_batch_commit(sg_batch *batch, sg_error *err); /* without an open one: nothing to do */
void sg_batch_abort(sg_batch *batch);

#endif
