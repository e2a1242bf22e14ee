/* ResNet-20 of He et al. 2015 for small images: three stages of three blocks with 16, 32, 64 channels; option-A
 * shortcuts (every second pixel, new channels zero). Names as in torchvision's ResNets. */
#include "net_impl.h"

static int conv_bn(sg_builder *b, int x, int64_t channels, int64_t stride, const char *block, int number)
{
    sg_conv_attr attr = {channels, {3, stride, 1}, 1, false};
    x = sg_build_conv(b, x, &attr, "%sconv%d", block, number);
    return sg_build_batchnorm(b, x, "%sbn%d", block, number);
}

static int basic_block(sg_builder *b, int x, int64_t channels, int64_t stride, const char *name)
{
    int y = sg_build_relu(b, conv_bn(b, x, channels, stride, name, 1));
    int shortcut = stride == 1 ? x : sg_build_shortcut(b, x, channels);
    y = conv_bn(b, y, channels, 1, name, 2);
    return sg_build_relu(b, sg_build_add(b, y, shortcut));
}

static void build(sg_builder *b)
{
    int x = sg_build_normalize(b);
    x = sg_build_relu(b, conv_bn(b, x, 16, 1, "", 1));
    for (int stage = 0; stage < 3; stage++)
        for (int i = 0; i < 3; i++) {
            char name[32];
            snprintf(name, sizeof name, "layer%d.%d.", stage + 1, i);
            x = basic_block(b, x, 16 << stage, stage > 0 && i == 0 ? 2 : 1, name);
        }
    sg_build_head(b, sg_build_avgpool(b, x), "fc");
}

const sg_backbone sg_backbone_resnet20 = {
    .name = "resnet20",
    .description = "ResNet-20 for small images, grey or colour, any size",
    .height = 32,
    .width = 32,
    .build = build,
};
