/* SqueezeNet 1.0 (Iandola et al. 2016) as torchvision has it. Its classifier is a 1x1 convolution, ReLU and the mean
 * over all pixels; a hash head reads the mean of the 512 features before them. */
#include "net_impl.h"

static int conv_relu(sg_builder *b, int x, int64_t channels, int64_t kernel, int number, const char *name)
{
    const sg_conv_attr attr = {channels, {kernel, 1, kernel / 2}, 1, true};
    return sg_build_relu(b, sg_build_conv(b, x, &attr, "features.%d.%s", number, name));
}

static int fire(sg_builder *b, int x, int64_t squeeze, int64_t expand, int number)
{
    x = conv_relu(b, x, squeeze, 1, number, "squeeze");
    int y = conv_relu(b, x, expand, 1, number, "expand1x1");
    return sg_build_concat(b, y, conv_relu(b, x, expand, 3, number, "expand3x3"));
}

static void build(sg_builder *b)
{
    static const sg_window pool = {3, 2, 0};
    static const sg_conv_attr first = {96, {7, 2, 0}, 1, true};
    int x = sg_build_relu(b, sg_build_conv(b, sg_build_normalize(b), &first, "features.0"));
    x = sg_build_maxpool_ceil(b, x, &pool);
    for (int i = 0; i < 3; i++) x = fire(b, x, i < 2 ? 16 : 32, i < 2 ? 64 : 128, 3 + i);
    x = sg_build_maxpool_ceil(b, x, &pool);
    for (int i = 0; i < 4; i++) x = fire(b, x, 32 + 16 * ((i + 1) / 2), 128 + 64 * ((i + 1) / 2), 7 + i);
    x = fire(b, sg_build_maxpool_ceil(b, x, &pool), 64, 256, 12);
    x = sg_build_dropout(b, x, 0.5f);
    if (b->net->spec.head == SG_HEAD_CLASSIFIER)
        sg_build_avgpool(b, sg_build_relu(b, sg_build_head_conv(b, x, "classifier.1")));
    else
        sg_build_head(b, sg_build_avgpool(b, x), NULL);
}

const sg_backbone sg_backbone_squeezenet1_0 = {
    .name = "squeezenet1_0",
    .description = "SqueezeNet 1.0, 1.2 million weights",
    .channels = 3,
    .height = 224,
    .width = 224,
    .resize = 256,
    .build = build,
};
