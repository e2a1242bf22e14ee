/* A file on its way into an index: read, hashed, decoded, brought to the network's pixels. */
#ifndef SIGNET_PICTURE_IMPL_H
#define SIGNET_PICTURE_IMPL_H

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
} sg_picture;

/* The file will be wanted soon: the system may begin to read it. */
void sg_picture_expect(const sg_picture *picture);
/* Fills state, and content and planar (C, H, W) of a good one. Thread-safe. */
void sg_picture_look(sg_picture *picture, uint8_t *planar, const sg_preprocess *preprocess);

#endif
