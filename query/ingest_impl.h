/* What adding and syncing share: files that were asked for, on their way into an index. */
#ifndef SIGNET_INGEST_IMPL_H
#define SIGNET_INGEST_IMPL_H

#include "batch_impl.h"
#include "files_impl.h"
#include "index_impl.h"
#include "intake_impl.h"
#include "lost_impl.h"

typedef struct sg_ingest {
    sg_index *index;
    const sg_ingest_options *options;
    sg_ingest_counts *counts; /* what is done; stored items count when they are committed */
    sg_ingest_counts pending; /* of the open batch */
    sg_files files;
    const sg_lost_list *lost; /* items whose files are gone: they may have moved. NULL: none */
    bool ready;               /* the intake: only when there is something for it */
    sg_intake intake;
    sg_batch batch;
    uint64_t nfinished; /* for the progress line */
} sg_ingest;

/* counts are zeroed. end: *err becomes what ended it; what was stored before an interrupt is kept. */
void sg_ingest_begin(sg_ingest *in, sg_index *index, const sg_ingest_options *options,
                     sg_ingest_counts *counts);
bool sg_ingest_end(sg_ingest *in, bool ok, const sg_error *why, sg_error *err);
/* Finds a path's files; what cannot be read is told. */
bool sg_ingest_find(sg_ingest *in, const char *path, sg_error *err);
/* Takes all files that were found, in their order, unless the index has them as they are. */
bool sg_ingest_take_all(sg_ingest *in, sg_error *err);
bool sg_ingest_commit(sg_ingest *in, sg_error *err);

void sg_ingest_say(const sg_ingest *in, sg_ingest_event event, const char *path, const char *what);
/* What was asked for and is no sound image: told, unless that ends everything (false). */
bool sg_ingest_broken(sg_ingest *in, const char *path, const sg_error *why, sg_error *err);

#endif
