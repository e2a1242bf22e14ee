/* Items whose files a walk through their folder has not found: which of them are gone. */
#ifndef SIGNET_LOST_IMPL_H
#define SIGNET_LOST_IMPL_H

#include "files_impl.h"

typedef enum {
    SG_LOST_THERE, /* the file is there: it was left out */
    SG_LOST_KEPT,  /* it may only be out of sight */
    SG_LOST_GONE
} sg_lost_fate;

typedef struct sg_lost {
    uint64_t id;
    char *path; /* owned */
    uint8_t content[SG_CONTENT_NBYTES];
    uint16_t disk_depth;
    sg_lost_fate fate;
    uint64_t heir; /* the item that it has become by a move; 0: none */
} sg_lost;

typedef struct sg_lost_list {
    sg_lost *v;
    size_t n, cap;
} sg_lost_list;

bool sg_lost_add(sg_lost_list *list, const sg_item *item, sg_error *err);
/* Finds out the fates of those below folder (absolute). found: what the walk through it has found, looked up in the index; NULL:
 * there was no walk. Each place for whose sake some are kept is told, with the reason. */
typedef void (*sg_lost_tell)(void *context, const char *place, const char *why);
bool sg_lost_judge(sg_lost_list *list, const char *folder, const sg_files *found, sg_lost_tell tell,
                   void *context, sg_error *err);
/* Leaves only those that are gone, sorted for sg_lost_find; counts the kept. */
void sg_lost_settle(sg_lost_list *list, uint64_t *kept);
/* One with this content, of the same name if there is one; NULL. */
sg_lost *sg_lost_find(const sg_lost_list *list, const uint8_t content[SG_CONTENT_NBYTES], const char *path);
void sg_lost_clear(sg_lost_list *list);

#endif
