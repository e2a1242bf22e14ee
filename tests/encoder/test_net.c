/* Graphs of the backbones (names, shapes, published sizes) and their errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "support.h"

#include <math.h>
#include <string.h>

static sg_net_spec spec_of(const char *arch, int64_t channels, int64_t side, sg_head head, int64_t outputs)
{
    return (sg_net_spec){.arch = arch,
                         .channels = channels,
                         .height = side,
                         .width = side,
                         .head = head,
                         .outputs = outputs,
                         .std = {1, 1, 1}};
}

static size_t learned(const sg_net *net)
{
    size_t n = 0;
    for (size_t i = 0; i < net->ntensors; i++)
        if (sg_tensor_learned(&net->tensors[i])) n += net->tensors[i].size;
    return n;
}

/* 269,722 and 61,706 parameters are the published counts; multiply-adds are summed by hand. */
static void published_sizes(void **state)
{
    (void)state;
    const struct {
        const char *arch;
        int64_t channels;
        size_t parameters;
        uint64_t macs;
    } cases[] = {
        {"resnet20", 3, 269722, 40551040},
        {"lenet", 1, 61706, 150 * 784 + 2400 * 100 + 48000 + 120 * 84 + 840},
        {"lenet-cifar", 3, 864 + 32 + 18432 + 64 + 73728 + 128 + 256 * 129 + 10 * 257,
         864 * 900 + 18432 * 169 + 73728 * 16 + 256 * 128 + 2560},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const sg_net_spec spec = spec_of(cases[i].arch, cases[i].channels, 32, SG_HEAD_CLASSIFIER, 10);
        sg_net *net;
        assert_true(sg_net_new(&net, &spec, NULL));
        assert_int_equal(learned(net), cases[i].parameters);
        assert_int_equal(sg_net_macs(net), cases[i].macs);
        assert_int_equal(sg_net_input_size(net), cases[i].channels * 1024);
        assert_int_equal(sg_net_output_size(net), 10);
        assert_string_equal(sg_net_spec_of(net)->arch, cases[i].arch);
        sg_net_free(net);
    }
}

/* torchvision's counts (its models' meta: num_params, and billions of multiply-adds at 224 x 224 to three digits). */
static void torchvisions_sizes(void **state)
{
    (void)state;
    const struct {
        const char *arch;
        size_t parameters;
        double macs;
    } cases[] = {
        {"alexnet", 61100840, 0.714},     {"vgg11", 132863336, 7.609},     {"vgg11_bn", 132868840, 7.609},
        {"vgg16", 138357544, 15.470},     {"vgg16_bn", 138365992, 15.470}, {"resnet18", 11689512, 1.814},
        {"resnet34", 21797672, 3.664},    {"resnet50", 25557032, 4.089},   {"squeezenet1_0", 1248424, 0.819},
        {"mobilenet_v2", 3504872, 0.301},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const sg_net_spec spec = spec_of(cases[i].arch, 3, 224, SG_HEAD_CLASSIFIER, 1000);
        sg_net *net;
        assert_true(sg_net_new(&net, &spec, NULL));
        assert_int_equal(learned(net), cases[i].parameters);
        if (!(fabs((double)sg_net_macs(net) / 1e9 - cases[i].macs) < 0.001))
            fail_msg("%s: %g multiply-adds", cases[i].arch, (double)sg_net_macs(net));
        assert_int_equal(sg_net_output_size(net), 1000);
        sg_net_free(net);
    }
}

/* What a hash head reads, what keeps its place before it, and what a classifier's last layer is called. */
static void heads(void **state)
{
    (void)state;
    const struct {
        const char *arch, *kept, *last;
        int64_t features;
    } cases[] = {
        {"alexnet", "classifier.4.weight", "classifier.6.weight", 4096},
        {"vgg11", "classifier.3.weight", "classifier.6.weight", 4096},
        {"vgg16_bn", "classifier.3.weight", "classifier.6.weight", 4096},
        {"resnet18", "layer4.1.bn2.weight", "fc.weight", 512},
        {"resnet50", "layer4.2.conv3.weight", "fc.weight", 2048},
        {"squeezenet1_0", "features.12.expand3x3.weight", "classifier.1.weight", 512},
        {"mobilenet_v2", "features.18.1.weight", "classifier.1.weight", 1280},
    };
    for (size_t i = 0; i < 3 * sizeof cases / sizeof *cases; i++) {
        const sg_head head = (sg_head)(i % 3);
        const sg_net_spec spec = spec_of(cases[i / 3].arch, 3, 64, head, 48);
        const char *last = cases[i / 3].last;
        sg_net *net;
        assert_true(sg_net_new(&net, &spec, NULL));
        bool kept = false, own = false, hash = false;
        for (size_t k = 0; k < net->ntensors; k++) {
            const sg_tensor *t = &net->tensors[k];
            const bool is_own = strcmp(t->name, last) == 0, is_hash = strcmp(t->name, "head.weight") == 0;
            kept |= strcmp(t->name, cases[i / 3].kept) == 0 && !t->head;
            own |= is_own;
            hash |= is_hash;
            if (!is_own && !is_hash) continue;
            assert_true(t->head && t->dims[0] == 48 && t->dims[1] == cases[i / 3].features);
        }
        assert_true(kept && own == (head == SG_HEAD_CLASSIFIER) && hash == (head == SG_HEAD_HASH));
        assert_int_equal(sg_net_output_size(net), head == SG_HEAD_FEATURES ? cases[i / 3].features : 48);
        sg_net_free(net);
    }
}

static void names_are_torchvisions(void **state)
{
    (void)state;
    static const char *const resnet[] = {"conv1.weight",
                                         "bn1.weight",
                                         "bn1.bias",
                                         "bn1.running_mean",
                                         "bn1.running_var",
                                         "layer1.0.conv1.weight",
                                         "layer1.0.bn1.weight",
                                         "layer2.0.bn2.bias",
                                         "layer2.0.conv1.weight",
                                         "layer3.2.conv2.weight",
                                         "layer3.2.bn2.weight",
                                         "fc.weight",
                                         "fc.bias"};
    const sg_net_spec spec = spec_of("resnet20", 1, 28, SG_HEAD_CLASSIFIER, 10);
    sg_net *net;
    sg_params *p;
    assert_true(sg_net_new(&net, &spec, NULL));
    assert_true(sg_params_new(&p, net, NULL));
    assert_int_equal(p->ntensors, 19 + 19 * 4 + 2);
    assert_int_equal(sg_params_weights(p), 20);
    for (size_t i = 0; i < sizeof resnet / sizeof *resnet; i++) assert_non_null(sg_params_find(p, resnet[i]));
    assert_null(sg_params_find(p, "conv1.bias"));
    const sg_tensor *w = sg_params_find(p, "layer2.0.conv1.weight");
    const int64_t dims[] = {32, 16, 3, 3};
    assert_true(w->ndim == 4 && memcmp(w->dims, dims, sizeof dims) == 0);
    assert_true(w->fan_in == 144 && w->fan_out == 288 && !w->head);
    w = sg_params_find(p, "fc.weight");
    assert_true(w->ndim == 2 && w->dims[0] == 10 && w->dims[1] == 64 && w->head);
    sg_params_free(p);
    sg_net_free(net);
}

static void a_hash_has_a_head(void **state)
{
    (void)state;
    const sg_net_spec spec = spec_of("lenet", 1, 32, SG_HEAD_HASH, 48);
    sg_net *net;
    sg_params *p;
    assert_true(sg_net_new(&net, &spec, NULL));
    assert_true(sg_params_new(&p, net, NULL));
    assert_null(sg_params_find(p, "fc2.weight"));
    assert_non_null(sg_params_find(p, "fc1.weight"));
    const sg_tensor *w = sg_params_find(p, "head.weight"), *b = sg_params_find(p, "head.bias");
    assert_true(w->dims[0] == 48 && w->dims[1] == 84 && w->head && b->head && b->dims[0] == 48);
    sg_params_free(p);
    sg_net_free(net);
}

static void registry(void **state)
{
    (void)state;
    const char *name;
    int64_t channels, height, width;
    for (size_t i = 0; (name = sg_backbone_name(i)); i++) {
        assert_string_equal(sg_backbone_find(name, NULL)->name, name);
        assert_non_null(sg_backbone_description(name));
        assert_true(sg_backbone_input(name, &channels, &height, &width, NULL));
        assert_true((channels == 0 || channels == 1 || channels == 3) && height == width);
        assert_int_equal(sg_backbone_resize(name), height == 224 ? 256 : 0);
    }
    assert_null(sg_backbone_description("vgg99"));
    assert_int_equal(sg_backbone_resize("vgg99"), 0);
    sg_error err;
    assert_false(sg_backbone_input("vgg99", &channels, &height, &width, &err));
    assert_string_equal(err.message,
                        "unknown architecture 'vgg99' (there are lenet, lenet-cifar, resnet20, alexnet, "
                        "vgg11, vgg11_bn, vgg16, vgg16_bn, resnet18, resnet34, resnet50, "
                        "squeezenet1_0, mobilenet_v2)");
}

static void errors(void **state)
{
    (void)state;
    const struct {
        sg_net_spec spec;
        const char *message;
    } cases[] = {
        {spec_of("nothing", 1, 32, SG_HEAD_HASH, 32), "unknown architecture"},
        {spec_of(NULL, 1, 32, SG_HEAD_HASH, 32), "unknown architecture ''"},
        {spec_of("lenet", 3, 32, SG_HEAD_HASH, 32), "takes grey images (1 channel), not 3"},
        {spec_of("lenet-cifar", 1, 32, SG_HEAD_HASH, 32), "takes colour images (3 channels), not 1"},
        {spec_of("resnet20", 2, 32, SG_HEAD_HASH, 32), "takes 1 or 3 channels, not 2"},
        {spec_of("lenet", 1, 12, SG_HEAD_HASH, 32),
         "lenet at conv2: 4x4 pixels are too few for a window of 5x5"},
        {spec_of("lenet", 1, 4, SG_HEAD_HASH, 32), "lenet at conv1: 4x4 pixels are too few"},
        {spec_of("resnet20", 1, 0, SG_HEAD_HASH, 32), "input of 0x0 pixels"},
        {spec_of("resnet20", 1, 100000, SG_HEAD_HASH, 32), "input of 100000x100000 pixels"},
        {spec_of("resnet20", 1, 32, SG_HEAD_HASH, 12), "12"},
        {spec_of("resnet18", 1, 224, SG_HEAD_HASH, 32), "takes colour images (3 channels), not 1"},
        {spec_of("vgg11", 3, 31, SG_HEAD_HASH, 32), "vgg11 at maxpool"},
        {spec_of("alexnet", 3, 62, SG_HEAD_HASH, 32), "2x2 pixels are too few for a window of 3x3"},
        {spec_of("squeezenet1_0", 3, 16, SG_HEAD_HASH, 32), "squeezenet1_0 at maxpool"},
        {spec_of("resnet20", 1, 32, SG_HEAD_CLASSIFIER, 1), "1 classes"},
        {spec_of("resnet20", 1, 32, SG_HEAD_CLASSIFIER, 1000000), "1000000 classes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sg_error err = {0};
        sg_net *net = (sg_net *)&err;
        assert_false(sg_net_new(&net, &cases[i].spec, &err));
        assert_null(net);
        assert_int_equal(err.code, SG_ERR_USAGE);
        if (!strstr(err.message, cases[i].message))
            fail_msg("'%s' is not in '%s'", cases[i].message, err.message);
    }
    sg_net_spec flat = spec_of("resnet20", 3, 32, SG_HEAD_HASH, 32);
    flat.std[1] = 0;
    sg_error err = {0};
    sg_net *net;
    assert_false(sg_net_new(&net, &flat, &err));
    assert_non_null(strstr(err.message, "standard deviation 0 of channel 1"));
}

/* Any size, square or not, down to one pixel. */
static void some_take_any_size(void **state)
{
    (void)state;
    static const int64_t sizes[][2] = {{1, 1}, {5, 64}, {33, 7}, {224, 224}};
    static const char *const archs[] = {"resnet20", "resnet18", "resnet50", "mobilenet_v2"};
    for (size_t i = 0; i < 16; i++) {
        sg_net_spec spec = spec_of(archs[i / 4], 3, 0, SG_HEAD_HASH, 64);
        sg_net *net;
        spec.height = sizes[i % 4][0];
        spec.width = sizes[i % 4][1];
        assert_true(sg_net_new(&net, &spec, NULL));
        assert_int_equal(sg_net_output_size(net), 64);
        sg_net_free(net);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_sizes),
        cmocka_unit_test(torchvisions_sizes),
        cmocka_unit_test(heads),
        cmocka_unit_test(names_are_torchvisions),
        cmocka_unit_test(a_hash_has_a_head),
        cmocka_unit_test(registry),
        cmocka_unit_test(errors),
        cmocka_unit_test(some_take_any_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
