#ifndef SIGNET_INDEX_IMPL_H
#define SIGNET_INDEX_IMPL_H

#include <signet/ingest.h>
#include <signet/recipe.h>

struct sg_index {
    char *dir;
    sg_store *store;
    sg_store_info info; /* as of the open */
    sg_model *model;    /* NULL with its encoder when only the store is needed */
    sg_encoder *encoder;
    sg_recipe_verdict verdict;
    char differs[256]; /* from the recorded recipe; "" */
};

#endif
