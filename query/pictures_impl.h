/* Pictures read ahead: files pushed in, and taken out in the same order, read, hashed, decoded and preprocessed by a few
 * threads meanwhile. */
#ifndef SIGNET_PICTURES_IMPL_H
#define SIGNET_PICTURES_IMPL_H

#include <signet/hash.h>
#include <signet/preprocess.h>

typedef enum {
    SG_PICTURE_GOOD,
    SG_PICTURE_NO_IMAGE, /* not asked for by name, and without a known signature */
    SG_PICTURE_BROKEN
} sg_picture_state;

typedef struct sg_picture {
    char *path;      /* absolute; owned */
    bool named;      /* by the user: then it must be an image */
    uint64_t nbytes; /* as stat said before it was read: what changes later is seen next time */
    int64_t mtime_ns;
    sg_picture_state state;
    sg_error why; /* of BROKEN; begins with the path */
    uint8_t content[SG_CONTENT_NBYTES];
    uint8_t *pixels; /* planar (C, H, W), of GOOD */
} sg_picture;

typedef struct sg_pictures sg_pictures;

/* Room for `room` pictures; threads 0: all cores. */
bool sg_pictures_open(sg_pictures **pictures, const sg_preprocess *preprocess, size_t room, int threads,
                      sg_error *err);
void sg_pictures_close(sg_pictures *pictures);
bool sg_pictures_full(const sg_pictures *pictures);
bool sg_pictures_empty(const sg_pictures *pictures);
/* Takes path. Not when full. */
void sg_pictures_push(sg_pictures *pictures, char *path, bool named, uint64_t nbytes, int64_t mtime_ns);
/* Waits for the oldest; borrowed until the pop. Not when empty. */
sg_picture *sg_pictures_first(sg_pictures *pictures);
void sg_pictures_pop(sg_pictures *pictures);

#endif
