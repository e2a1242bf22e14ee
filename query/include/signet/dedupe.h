/* Pictures that are equal or nearly so: groups of them, and which of a group to keep. Nothing is deleted or changed here. */
#ifndef SIGNET_DEDUPE_H
#define SIGNET_DEDUPE_H

#include <signet/progress.h>
#include <signet/store.h>
#include <sys/types.h>

/* Groups of two and more, in the order of their lowest ids; ids ascend in each. */
typedef struct sg_groups {
    uint64_t *ids;    /* group after group */
    uint8_t *codes;   /* of ids, nbits / 8 each */
    size_t *starts;   /* (n + 1) of the groups in ids; NULL without groups */
    size_t n, nitems; /* groups; items of the index */
    size_t nbits;
    int radius; /* that was asked for */
} sg_groups;

/* Two items are duplicates when their files have equal contents or (radius >= 0) their codes are at a distance of at most
 * radius; a group is what hangs together by that. Pairs that are marked as no duplicates (sg_store_pair_set) never stand in
 * one group: pairs are joined from the nearest to the farthest, equal contents first, and a pair that would bring a marked
 * one together is left out. Exact. progress may be NULL. */
bool sg_groups_find(sg_groups *groups, sg_store *store, int radius, sg_progress *progress, sg_error *err);
void sg_groups_clear(sg_groups *groups);

typedef enum {
    SG_COPY_GOOD,
    SG_COPY_BARE,    /* a code without a file */
    SG_COPY_CHANGED, /* the file is another by now than the one that was added */
    SG_COPY_LOST     /* it cannot be read, or is no picture */
} sg_copy_state;

typedef struct sg_copy {
    uint64_t id;
    char *path; /* owned; NULL of a bare code */
    uint64_t nbytes;
    int64_t mtime_ns;
    uint8_t content[SG_CONTENT_NBYTES];
    const uint8_t *code; /* borrows from the sg_groups */
    sg_copy_state state;
    sg_error why; /* of CHANGED and LOST; begins with the path */
    dev_t device; /* of GOOD, as the rest up to sharpness */
    ino_t inode;
    int width, height;
    double sharpness;
    /* beside the first of the group: */
    unsigned distance;
    bool same; /* equal contents */
    /* Both are GOOD and one file by two names: who deletes it by the one may lose it by the other. */
    bool link;
    /* It need not be kept: GOOD, no link, and equal to the one that is kept or within the radius of it, not by a chain. */
    bool spare;
} sg_copy;

typedef struct sg_group {
    sg_copy *copies; /* owned; the one to keep first, the others by (distance, id) */
    size_t n;
    bool kept; /* there is one to keep: the first is GOOD */
} sg_group;

/* Fills groups (count) with the groups first .. first + count - 1: looks at their files, with all threads, and puts the one to
 * keep first: of the GOOD ones that with the most pixels, then the sharpest (sg_image_sharpness), then the largest file,
 * then the lowest id. A file that has the size and time that are recorded is taken for the one that was added; of
 * files of equal content one is decoded. Items that are gone meanwhile are left out. max_pixels as in sg_decode_options. On failure all are
 * empty. */
bool sg_groups_look(sg_group *groups, size_t first, size_t count, const sg_groups *found, sg_store *store,
                    uint64_t max_pixels, sg_error *err);
void sg_group_clear(sg_group *group);

#endif
