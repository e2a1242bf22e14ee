/* Protocols: which items are query, train, database and validation. Drawn by seed, the same everywhere. The table of
 * protocols and what they draw from is in datasets/README.md. */
#ifndef SIGNET_SPLIT_H
#define SIGNET_SPLIT_H

#include <signet/dataset.h>
#include <signet/preprocess.h>
#include <signet/progress.h>

/* Sizes a class (of the whole set when unlabelled or multi-label, and in the protocols that say so); SG_SPLIT_DEFAULT leaves the protocol's own,
 * SG_SPLIT_ALL takes what is left. */
#define SG_SPLIT_DEFAULT (-1)
#define SG_SPLIT_ALL     (-2)

typedef struct sg_split_options {
    const char *protocol; /* NULL: the data set's own default */
    uint64_t seed;
    int64_t query, train, database, val;
} sg_split_options;

#define SG_SPLIT_OPTIONS                                                                                     \
    {                                                                                                        \
        NULL, 0, SG_SPLIT_DEFAULT, SG_SPLIT_DEFAULT, SG_SPLIT_DEFAULT, SG_SPLIT_DEFAULT                      \
    }

typedef struct sg_split {
    uint32_t *query, *train, *database, *val; /* owned item numbers; in a drawn order, not class by class */
    size_t nquery, ntrain, ndatabase, nval;
    uint64_t seed;
    size_t top; /* the protocol's cut of mAP, 0: none */
    char protocol[64];
    char checksum[33]; /* hex of BLAKE2b-128 over the four lists of item names */
} sg_split;

/* Too few images of a class: SG_ERR_USAGE that names the class, what it has and what is asked. */
bool sg_split_make(sg_split *split, const sg_dataset *ds, const sg_split_options *options, sg_error *err);
void sg_split_clear(sg_split *split);
/* Leaves out the images that do not load as `pp` asks: broken files, missing ones. Each image of the split is loaded
 * once and its reason told in the order of the items, whatever the threads; then the checksum is that of what is left.
 * Lack of memory and an interrupt end it instead. progress may be NULL; its total becomes the number of images. */
typedef struct sg_broken {
    void (*tell)(void *context, const sg_error *why); /* the message names the image */
    void *context;
    sg_progress *progress;
    int threads; /* of the loader */
} sg_broken;
bool sg_split_drop_broken(sg_split *split, const sg_dataset *ds, const sg_preprocess *pp,
                          const sg_broken *broken, sg_error *err);
/* The part called "query", "train", "database" or "val"; SG_ERR_USAGE for another name. Borrowed. */
bool sg_split_part(const uint32_t **items, size_t *n, const sg_split *split, const char *part, sg_error *err);
/* One line an item: "part name", after a header line with protocol, seed and checksum. Atomic. */
bool sg_split_write(const sg_split *split, const sg_dataset *ds, const char *path, sg_error *err);
#endif
