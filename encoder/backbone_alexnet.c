/* AlexNet as torchvision has it (Krizhevsky 2014, "One weird trick"). A hash keeps both layers of 4096. */
#include "net_impl.h"

static int conv_relu(sg_builder *b, int x, int64_t channels, sg_window window, int number)
{
    const sg_conv_attr attr = {channels, window, 1, true};
    return sg_build_relu(b, sg_build_conv(b, x, &attr, "features.%d", number));
}

static void build(sg_builder *b)
{
    static const sg_window pool = {3, 2, 0};
    int x = sg_build_normalize(b);
    x = sg_build_pad(b, x, 2); /* not by the convolution: AVX2 has no kernel for that */
    x = sg_build_maxpool(b, conv_relu(b, x, 64, (sg_window){11, 4, 0}, 0), &pool);
    x = sg_build_maxpool(b, conv_relu(b, x, 192, (sg_window){5, 1, 2}, 3), &pool);
    x = conv_relu(b, x, 384, (sg_window){3, 1, 1}, 6);
    x = conv_relu(b, x, 256, (sg_window){3, 1, 1}, 8);
    x = sg_build_maxpool(b, conv_relu(b, x, 256, (sg_window){3, 1, 1}, 10), &pool);
    x = sg_build_dropout(b, sg_build_adaptive(b, x, 6, 6), 0.5f);
    x = sg_build_relu(b, sg_build_linear(b, x, 4096, "classifier.1"));
    x = sg_build_dropout(b, x, 0.5f);
    x = sg_build_relu(b, sg_build_linear(b, x, 4096, "classifier.4"));
    sg_build_head(b, x, "classifier.6");
}

const sg_backbone sg_backbone_alexnet = {
    .name = "alexnet",
    .description = "AlexNet: five convolutions, three linear layers, 61 million weights",
    .channels = 3,
    .height = 224,
    .width = 224,
    .resize = 256,
    .build = build,
};
