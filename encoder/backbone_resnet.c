/* ResNets for photographs (He et al. 2015) as torchvision has them: of two 3x3 convolutions a block (18, 34) or of a
 * bottleneck (50; its stride is the 3x3's). A shortcut that changes the shape has weights. */
#include "net_impl.h"

/* blocks: of each of the four stages; expansion: channels out of a bottleneck over its inner ones, 1: basic blocks. */
typedef struct resnet {
    int blocks[4];
    int64_t expansion;
} resnet;

static int conv_bn(sg_builder *b, int x, int64_t channels, int64_t kernel, int64_t stride, const char *name,
                   int number)
{
    const sg_conv_attr attr = {channels, {kernel, stride, kernel / 2}, 1, false};
    x = sg_build_conv(b, x, &attr, "%sconv%d", name, number);
    return sg_build_batchnorm(b, x, "%sbn%d", name, number);
}

static int downsample(sg_builder *b, int x, int64_t channels, int64_t stride, const char *name)
{
    const sg_conv_attr attr = {channels, {1, stride, 0}, 1, false};
    x = sg_build_conv(b, x, &attr, "%sdownsample.0", name);
    return sg_build_batchnorm(b, x, "%sdownsample.1", name);
}

static int block(sg_builder *b, int x, int64_t channels, int64_t stride, int64_t expansion, bool first,
                 const char *name)
{
    const int64_t outputs = channels * expansion;
    int y;
    if (expansion == 1) {
        y = sg_build_relu(b, conv_bn(b, x, channels, 3, stride, name, 1));
        y = conv_bn(b, y, outputs, 3, 1, name, 2);
    } else {
        y = sg_build_relu(b, conv_bn(b, x, channels, 1, 1, name, 1));
        y = sg_build_relu(b, conv_bn(b, y, channels, 3, stride, name, 2));
        y = conv_bn(b, y, outputs, 1, 1, name, 3);
    }
    if (first && (stride > 1 || expansion > 1)) x = downsample(b, x, outputs, stride, name);
    return sg_build_relu(b, sg_build_add(b, y, x));
}

static void build(sg_builder *b, const resnet *net)
{
    int x = sg_build_relu(b, conv_bn(b, sg_build_normalize(b), 64, 7, 2, "", 1));
    x = sg_build_maxpool(b, x, &(sg_window){3, 2, 1});
    for (int stage = 0; stage < 4; stage++)
        for (int i = 0; i < net->blocks[stage]; i++) {
            char name[32];
            snprintf(name, sizeof name, "layer%d.%d.", stage + 1, i);
            x = block(b, x, 64 << stage, stage > 0 && i == 0 ? 2 : 1, net->expansion, i == 0, name);
        }
    sg_build_head(b, sg_build_avgpool(b, x), "fc");
}

static void build_resnet18(sg_builder *b)
{
    build(b, &(resnet){{2, 2, 2, 2}, 1});
}

static void build_resnet34(sg_builder *b)
{
    build(b, &(resnet){{3, 4, 6, 3}, 1});
}

static void build_resnet50(sg_builder *b)
{
    build(b, &(resnet){{3, 4, 6, 3}, 4});
}

const sg_backbone sg_backbone_resnet18 = {
    .name = "resnet18",
    .description = "ResNet-18, 12 million weights: a good start for photographs",
    .channels = 3,
    .height = 224,
    .width = 224,
    .resize = 256,
    .build = build_resnet18,
};

const sg_backbone sg_backbone_resnet34 = {
    .name = "resnet34",
    .description = "ResNet-34, 22 million weights",
    .channels = 3,
    .height = 224,
    .width = 224,
    .resize = 256,
    .build = build_resnet34,
};

const sg_backbone sg_backbone_resnet50 = {
    .name = "resnet50",
    .description = "ResNet-50 (bottlenecks), 26 million weights",
    .channels = 3,
    .height = 224,
    .width = 224,
    .resize = 256,
    .build = build_resnet50,
};
