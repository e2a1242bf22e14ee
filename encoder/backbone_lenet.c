/* LeNet as BioTorch has it for MNIST and Fashion-MNIST (grey) and for CIFAR-10 (colour); 32 x 32, no batch-norm. */
#include "net_impl.h"

static const sg_window pool2 = {2, 2, 0};

static int conv_relu(sg_builder *b, int x, int64_t channels, int64_t kernel, int number)
{
    sg_conv_attr attr = {channels, {kernel, 1, 0}, 1, true};
    return sg_build_relu(b, sg_build_conv(b, x, &attr, "conv%d", number));
}

static void build_lenet(sg_builder *b)
{
    int x = sg_build_normalize(b);
    x = sg_build_maxpool(b, conv_relu(b, x, 6, 5, 1), &pool2);
    x = sg_build_maxpool(b, conv_relu(b, x, 16, 5, 2), &pool2);
    x = conv_relu(b, x, 120, 5, 3);
    x = sg_build_relu(b, sg_build_linear(b, x, 84, "fc1"));
    sg_build_head(b, x, "fc2");
}

static void build_lenet_cifar(sg_builder *b)
{
    int x = sg_build_normalize(b);
    x = sg_build_maxpool(b, conv_relu(b, x, 32, 3, 1), &pool2);
    x = sg_build_maxpool(b, conv_relu(b, x, 64, 3, 2), &pool2);
    x = sg_build_avgpool(b, conv_relu(b, x, 128, 3, 3));
    x = sg_build_relu(b, sg_build_linear(b, x, 256, "fc1"));
    sg_build_head(b, x, "fc2");
}

const sg_backbone sg_backbone_lenet = {
    .name = "lenet",
    .description = "LeNet-5 for grey images: three 5x5 convolutions, two linear layers",
    .channels = 1,
    .height = 32,
    .width = 32,
    .build = build_lenet,
};

const sg_backbone sg_backbone_lenet_cifar = {
    .name = "lenet-cifar",
    .description = "LeNet for colour images: three 3x3 convolutions, two linear layers",
    .channels = 3,
    .height = 32,
    .width = 32,
    .build = build_lenet_cifar,
};
