/* MobileNetV2 (Sandler et al. 2018), width 1, as torchvision has it: inverted residuals, whose wide inner convolution
 * goes channel by channel. */
#include "net_impl.h"

static int conv_bn(sg_builder *b, int x, const sg_conv_attr *attr, const char *name, const char *bn)
{
    return sg_build_batchnorm(b, sg_build_conv(b, x, attr, "%s", name), "%s", bn);
}

static int inverted_residual(sg_builder *b, int x, int64_t in, int64_t out, int64_t stride, int64_t expand,
                             int number)
{
    const int64_t inner = in * expand;
    const sg_conv_attr widen = {inner, {1, 1, 0}, 1, false}, each = {inner, {3, stride, 1}, inner, false},
                       narrow = {out, {1, 1, 0}, 1, false};
    int y = x, layer = 0;
    char name[2][48];
    for (int i = expand == 1; i < 2; i++, layer++) {
        snprintf(name[0], sizeof name[0], "features.%d.conv.%d.0", number, layer);
        snprintf(name[1], sizeof name[1], "features.%d.conv.%d.1", number, layer);
        y = sg_build_relu6(b, conv_bn(b, y, i == 0 ? &widen : &each, name[0], name[1]));
    }
    snprintf(name[0], sizeof name[0], "features.%d.conv.%d", number, layer);
    snprintf(name[1], sizeof name[1], "features.%d.conv.%d", number, layer + 1);
    y = conv_bn(b, y, &narrow, name[0], name[1]);
    return stride == 1 && in == out ? sg_build_add(b, y, x) : y;
}

static void build(sg_builder *b)
{
    static const struct {
        int64_t expand, channels;
        int count;
        int64_t stride; /* of the first */
    } stages[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                  {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
    static const sg_conv_attr first = {32, {3, 2, 1}, 1, false}, last = {1280, {1, 1, 0}, 1, false};
    int x = sg_build_relu6(b, conv_bn(b, sg_build_normalize(b), &first, "features.0.0", "features.0.1"));
    int64_t channels = 32;
    for (int s = 0, number = 1; s < 7; s++)
        for (int i = 0; i < stages[s].count; i++, number++) {
            x = inverted_residual(b, x, channels, stages[s].channels, i == 0 ? stages[s].stride : 1,
                                  stages[s].expand, number);
            channels = stages[s].channels;
        }
    x = sg_build_relu6(b, conv_bn(b, x, &last, "features.18.0", "features.18.1"));
    sg_build_head(b, sg_build_dropout(b, sg_build_avgpool(b, x), 0.2f), "classifier.1");
}

const sg_backbone sg_backbone_mobilenet_v2 = {
    .name = "mobilenet_v2",
    .description = "MobileNetV2, 3.5 million weights: small and quick",
    .channels = 3,
    .height = 224,
    .width = 224,
    .resize = 256,
    .build = build,
};
