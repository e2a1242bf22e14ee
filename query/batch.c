#include "batch_impl.h"

#include <signet/progress.h>

#define BATCH_CHANGES 1024
#define BATCH_SECONDS 1.0

bool sg_batch_change(sg_batch *b, sg_error *err)
{
    if (!b->open) {
        if (!sg_store_begin(b->store, err)) return false;
        b->open = true;
        b->n = 0;
        b->began = sg_now_seconds();
    }
    b->n++;
    return true;
}

bool sg_batch_due(const sg_batch *b)
{
    return b->open && (b->n >= BATCH_CHANGES || sg_now_seconds() - b->began >= BATCH_SECONDS);
}

bool sg_batch_commit(sg_batch *b, sg_error *err)
{
    if (!b->open) return true;
    b->open = false;
    return sg_store_commit(b->store, err);
}

void sg_batch_abort(sg_batch *b)
{
    if (b->open) sg_store_abort(b->store);
    b->open = false;
}
