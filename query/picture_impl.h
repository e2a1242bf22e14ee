/* A file on its way into an index: read, hashed, decoded, brought to the network's pixels. */
#ifndef SIGNET_PICTURE_IMPL_H
#define SIGNET_PICTURE_IMPL_H

#include <signet/hash.h>
#include <signet/preprocess.h>

typedef enum {
    SG_PICTURE_GOOD,
    SG_PICTURE_SKIPPED,  /* read and hashed, but not decoded, as `need` says */
    SG_PICTURE_NO_IMAGE, /* not asked for by name, and without a known signature */
    SG_PICTURE_BROKEN
} sg_picture_state;

typedef enum {
    SG_PICTURE_ALWAYS,
    SG_PICTURE_IF_OTHER, /* its pixels are wanted when its content is not the recorded one: there is something new */
    SG_PICTURE_IF_SAME, /* or when it is: something else is not what was recorded */
    SG_PICTURE_UNHASHED /* nothing else is wanted: it is not hashed */
} sg_picture_need;

typedef struct sg_picture {
    const char *path; /* absolute; borrowed */
    bool named;       /* by the user: then it must be an image */
    uint64_t nbytes;  /* as stat said before it was read: what changes later is seen next time */
    int64_t mtime_ns;
    sg_picture_need need;
    uint64_t id; /* that the index has under this path, and its content; 0: none */
    uint8_t recorded[SG_CONTENT_NBYTES];
    size_t place; /* the caller's */
    sg_picture_state state;
    sg_error why; /* of BROKEN; begins with the path */
    uint8_t content[SG_CONTENT_NBYTES];
} sg_picture;

/* Does the file begin as an image does? */
bool sg_picture_has_signature(bool *has, const char *path, sg_error *err);
/* The file will be wanted soon: the system may begin to read it. */
void sg_picture_expect(const sg_picture *picture);
/* Fills state; content of a good or skipped one; planar (C, H, W) of a good one. Thread-safe. */
void sg_picture_look(sg_picture *picture, uint8_t *planar, const sg_preprocess *preprocess);
/* Fills state and planar of one whose bytes are in memory. path NULL: it has no name. */
void sg_picture_decode(sg_picture *picture, uint8_t *planar, const sg_preprocess *preprocess,
                       const char *bytes, size_t nbytes);
/* Says what is to be expected of it without decoding: state, and content if one is recorded. GOOD: it has the signature
 * of an image, and no content that is recorded. */
void sg_picture_glance(sg_picture *picture);

#endif
