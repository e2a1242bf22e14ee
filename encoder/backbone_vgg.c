/* VGG of 11 and 16 layers (Simonyan and Zisserman 2015: configurations A and D), without and with batch-norm, as
 * torchvision has them. A hash keeps both layers of 4096. */
#include "net_impl.h"

#define POOL (-1)

/* Channels of the 3x3 convolutions; 0 ends. */
static const int64_t layers11[] = {64, POOL, 128, POOL, 256, 256, POOL, 512, 512, POOL, 512, 512, POOL, 0};
static const int64_t layers16[] = {64,  64,  POOL, 128,  128, POOL, 256, 256,  256, POOL,
                                   512, 512, 512,  POOL, 512, 512,  512, POOL, 0};

/* Names count torchvision's modules: a convolution, its batch-norm, its ReLU, a pool. */
static void vgg(sg_builder *b, const int64_t *layers, bool batchnorm)
{
    static const sg_window pool = {2, 2, 0};
    int x = sg_build_normalize(b), module = 0;
    for (; *layers; layers++) {
        const sg_conv_attr attr = {*layers, {3, 1, 1}, 1, true};
        if (*layers == POOL) {
            x = sg_build_maxpool(b, x, &pool);
            module++;
            continue;
        }
        x = sg_build_conv(b, x, &attr, "features.%d", module++);
        if (batchnorm) x = sg_build_batchnorm(b, x, "features.%d", module++);
        x = sg_build_relu(b, x);
        module++;
    }
    x = sg_build_adaptive(b, x, 7, 7);
    x = sg_build_dropout(b, sg_build_relu(b, sg_build_linear(b, x, 4096, "classifier.0")), 0.5f);
    x = sg_build_dropout(b, sg_build_relu(b, sg_build_linear(b, x, 4096, "classifier.3")), 0.5f);
    sg_build_head(b, x, "classifier.6");
}

static void build_vgg11(sg_builder *b)
{
    vgg(b, layers11, false);
}

static void build_vgg11_bn(sg_builder *b)
{
    vgg(b, layers11, true);
}

static void build_vgg16(sg_builder *b)
{
    vgg(b, layers16, false);
}

static void build_vgg16_bn(sg_builder *b)
{
    vgg(b, layers16, true);
}

const sg_backbone sg_backbone_vgg11 = {
    .name = "vgg11",
    .description = "VGG-11: eight 3x3 convolutions, three linear layers, 133 million weights",
    .channels = 3,
    .height = 224,
    .width = 224,
    .resize = 256,
    .build = build_vgg11,
};

const sg_backbone sg_backbone_vgg11_bn = {
    .name = "vgg11_bn",
    .description = "VGG-11 with batch-norm",
    .channels = 3,
    .height = 224,
    .width = 224,
    .resize = 256,
    .build = build_vgg11_bn,
};

const sg_backbone sg_backbone_vgg16 = {
    .name = "vgg16",
    .description = "VGG-16: thirteen 3x3 convolutions, three linear layers, 138 million weights",
    .channels = 3,
    .height = 224,
    .width = 224,
    .resize = 256,
    .build = build_vgg16,
};

const sg_backbone sg_backbone_vgg16_bn = {
    .name = "vgg16_bn",
    .description = "VGG-16 with batch-norm",
    .channels = 3,
    .height = 224,
    .width = 224,
    .resize = 256,
    .build = build_vgg16_bn,
};
