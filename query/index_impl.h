#ifndef SIGNET_INDEX_IMPL_H
#define SIGNET_INDEX_IMPL_H

#include <signet/ingest.h>
#include <signet/recipe.h>

struct sg_index {
    char *dir;
    bool writable;
    size_t batch;       /* of the encoder; 0: none is wanted */
    sg_store *store;    /* NULL: a new one could not be opened in the place of one that is gone */
    sg_store_info info; /* as of the open */
    sg_model *model;    /* NULL with its encoder when only the store is needed */
    sg_encoder *encoder;
    sg_recipe_verdict verdict;
    char differs[256];   /* from the recorded recipe; "" */
    uint64_t max_pixels; /* of pictures; 0: the model's usual */
};

/* The two halves of opening: the store, then the network that goes with it. */
bool sg_index_open_store(sg_index **index, const char *dir, bool writable, sg_error *err);
#define SG_INDEX_BATCH 64 /* images a pass of the network, for adding */
bool sg_index_open_encoder(sg_index *index, size_t batch, sg_error *err);
/* Has another index taken the place of the one whose store that is? What was opened since then, such as the encoder, may be
 * the other's: all is to be opened again. */
bool sg_index_is_outdated(sg_store *store);
/* Where another file has taken the place of the store's: opens that, and with it its encoder when the model or the recipe is
 * another (and one was open). After a failure the next call tries again. */
bool sg_index_follow(bool *replaced, sg_index *index, sg_error *err);

/* A model on its way into an index. */
typedef struct sg_index_source {
    const char *path; /* of the model that was named; borrowed */
    sg_model *model;  /* what makes the codes */
    bool copied;      /* that is the named file itself */
    sg_kv recipe;     /* of this process */
} sg_index_source;

bool sg_index_source_load(sg_index_source *source, const char *path, const sg_index_ways *ways,
                          sg_error *err);
void sg_index_source_clear(sg_index_source *source);
/* As sg_index_create, whose parts these are. */
bool sg_index_make(const char *dir, const sg_index_source *source, const char *kind,
                   const sg_index_ways *ways, sg_error *err);

#endif
