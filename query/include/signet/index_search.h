/* An index's codes in its search kind. */
#ifndef SIGNET_INDEX_SEARCH_H
#define SIGNET_INDEX_SEARCH_H

#include <signet/ingest.h>
#include <signet/search.h>

/* A search over all codes of now, of the kind that is recorded now, by the folder's snapshot where that is of use. */
bool sg_index_search(sg_search **search, uint64_t *generation, sg_index *index, sg_error *err);

/* Builds a kind anew over all codes, leaves its snapshot, and records the kind with its params (NULL: its defaults).
 * The index is open for writing. On failure the old kind stays. */
bool sg_index_set_kind(sg_index *index, const char *kind, const sg_kv *params, sg_error *err);

#endif
