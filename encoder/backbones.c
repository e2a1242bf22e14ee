/* The registry of backbones: a row each, sg_backbone_NAME of its own file. */
#include "net_impl.h"

#include <string.h>

#define BACKBONES(ROW)                                                                                       \
    ROW(lenet)                                                                                               \
    ROW(lenet_cifar)                                                                                         \
    ROW(resnet20)                                                                                            \
    ROW(alexnet)                                                                                             \
    ROW(vgg11)                                                                                               \
    ROW(vgg11_bn)                                                                                            \
    ROW(vgg16)                                                                                               \
    ROW(vgg16_bn)                                                                                            \
    ROW(resnet18)                                                                                            \
    ROW(resnet34)                                                                                            \
    ROW(resnet50)                                                                                            \
    ROW(squeezenet1_0)                                                                                       \
    ROW(mobilenet_v2)

#define DECLARE(name) extern const sg_backbone sg_backbone_##name;
BACKBONES(DECLARE)

#define ADDRESS(name) &sg_backbone_##name,
static const sg_backbone *const backbones[] = {BACKBONES(ADDRESS)};
#define NBACKBONES (sizeof backbones / sizeof *backbones)

const sg_backbone *sg_backbone_find(const char *name, sg_error *err)
{
    char all[SG_ERROR_MAX] = "";
    for (size_t i = 0, used = 0; i < NBACKBONES && used < sizeof all; i++) {
        if (name && strcmp(backbones[i]->name, name) == 0) return backbones[i];
        used += (size_t)snprintf(all + used, sizeof all - used, "%s%s", i ? ", " : "", backbones[i]->name);
    }
    sg_fail(err, SG_ERR_USAGE, "unknown architecture '%s' (there are %s)", name ? name : "", all);
    return NULL;
}

const char *sg_backbone_name(size_t i)
{
    return i < NBACKBONES ? backbones[i]->name : NULL;
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

int64_t sg_backbone_resize(const char *arch)
{
    const sg_backbone *b = sg_backbone_find(arch, NULL);
    return b ? b->resize : 0;
}
