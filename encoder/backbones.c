/* The registry of backbones. */
#include "net_impl.h"

#include <string.h>

static const sg_backbone *const backbones[] = {
    &sg_backbone_lenet,
    &sg_backbone_lenet_cifar,
    &sg_backbone_resnet20,
};
#define NBACKBONES (sizeof backbones / sizeof *backbones)
static const char *const names[] = {"lenet", "lenet-cifar", "resnet20"};
_Static_assert(sizeof names / sizeof *names == NBACKBONES, "a name for each backbone");

const sg_backbone *sg_backbone_find(const char *name, sg_error *err)
{
    char all[256] = "";
    for (size_t i = 0, used = 0; i < NBACKBONES; i++) {
        if (name && strcmp(backbones[i]->name, name) == 0) return backbones[i];
        used += (size_t)snprintf(all + used, sizeof all - used, "%s%s", i ? ", " : "", names[i]);
    }
    sg_fail(err, SG_ERR_USAGE, "unknown architecture '%s' (there are %s)", name ? name : "", all);
    return NULL;
}

const char *const *sg_backbone_names(size_t *n)
{
    *n = NBACKBONES;
    return names;
}

const char *sg_backbone_description(const char *arch)
{
    const sg_backbone *b = sg_backbone_find(arch, NULL);
    return b ? b->description : NULL;
}

bool sg_backbone_input(const char *arch, int64_t *channels, int64_t *height, int64_t *width, sg_error *err)
{
    const sg_backbone *b = sg_backbone_find(arch, err);
    if (!b) return false;
    *channels = b->channels;
    *height = b->height;
    *width = b->width;
    return true;
}
