#include "net_impl.h"

#include <math.h>
#include <signet/codes.h>
#include <signet/mem.h>
#include <stdarg.h>
#include <string.h>

#define SIDE_MAX    8192
#define OUTPUTS_MAX 100000

/* Lays the new node's tensors out behind those that are there. */
static bool add_tensors(sg_net *net, sg_node *node)
{
    sg_tensor list[SG_NODE_TENSORS] = {0};
    node->tensor = net->ntensors;
    node->ntensors = node->op->tensors ? node->op->tensors(node, list) : 0;
    if (!sg_grow(&net->tensors, &net->tensors_cap, net->ntensors + node->ntensors, sizeof *net->tensors))
        return false;
    for (size_t i = 0; i < node->ntensors; i++) {
        sg_tensor *t = &net->tensors[net->ntensors++];
        *t = list[i];
        snprintf(t->name, sizeof t->name, "%.95s.%.31s", node->name, list[i].name);
        t->size = 1;
        for (int d = 0; d < t->ndim; d++) t->size *= (size_t)t->dims[d];
        t->offset = net->block_size;
        t->head = node->head;
        net->block_size += (t->size + 15) / 16 * 16;
    }
    return true;
}

static int fail(sg_builder *b, const sg_node *node)
{
    sg_prefix(b->err, "%s at %s", b->net->spec.arch, node->name);
    b->failed = true;
    return -1;
}

static int build(sg_builder *b, sg_node node)
{
    if (b->failed) return -1;
    sg_net *net = b->net;
    const sg_node *src[SG_NODE_SRCS] = {0};
    int id = (int)net->nnodes;
    if (!node.name[0]) snprintf(node.name, sizeof node.name, "%s%d", node.op->name, id);
    for (int i = 0; i < node.nsrcs; i++) src[i] = &net->nodes[node.src[i]];
    node.in = node.nsrcs ? src[0]->out : (sg_shape){net->spec.channels, net->spec.height, net->spec.width};
    if (!node.op->shape(&node, src, b->err)) return fail(b, &node);
    if (!sg_grow(&net->nodes, &net->cap, net->nnodes + 1, sizeof *net->nodes) || !add_tensors(net, &node)) {
        sg_fail_memory(b->err, "network");
        return fail(b, &node);
    }
    for (int i = 0; i < node.nsrcs; i++) {
        net->nodes[node.src[i]].nconsumers++;
        net->nodes[node.src[i]].consumer = id;
    }
    net->nodes[net->nnodes++] = node;
    return id;
}

static void set_name(sg_node *node, const char *format, va_list args)
{
    vsnprintf(node->name, sizeof node->name, format, args);
}

int sg_build_conv(sg_builder *b, int src, const sg_conv_attr *attr, const char *format, ...)
{
    sg_node node = {.op = &sg_op_conv, .nsrcs = 1, .src = {src}, .attr.conv = *attr};
    va_list args;
    va_start(args, format);
    set_name(&node, format, args);
    va_end(args);
    return build(b, node);
}

int sg_build_batchnorm(sg_builder *b, int src, const char *format, ...)
{
    sg_node node = {.op = &sg_op_batchnorm, .nsrcs = 1, .src = {src}};
    va_list args;
    va_start(args, format);
    set_name(&node, format, args);
    va_end(args);
    return build(b, node);
}

static int build_linear(sg_builder *b, int src, int64_t outputs, bool head, const char *name)
{
    if (b->failed) return -1;
    sg_shape in = b->net->nodes[src].out;
    if (in.h * in.w > 1) src = build(b, (sg_node){.op = &sg_op_flatten, .nsrcs = 1, .src = {src}});
    sg_node node = {.op = &sg_op_linear, .nsrcs = 1, .src = {src}, .head = head};
    node.attr.conv = (sg_conv_attr){outputs, {1, 1, 0}, 1, true};
    snprintf(node.name, sizeof node.name, "%s", name);
    return build(b, node);
}

int sg_build_linear(sg_builder *b, int src, int64_t outputs, const char *format, ...)
{
    char name[sizeof((sg_node *)0)->name];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    return build_linear(b, src, outputs, false, name);
}

int sg_build_head(sg_builder *b, int src, const char *name)
{
    if (b->failed) return -1;
    if (b->net->spec.head == SG_HEAD_FEATURES) {
        b->net->spec.outputs = (int64_t)sg_shape_size(b->net->nodes[src].out);
        return src;
    }
    return build_linear(b, src, b->net->spec.outputs, true,
                        b->net->spec.head == SG_HEAD_HASH ? "head" : name);
}

int sg_build_head_conv(sg_builder *b, int src, const char *name)
{
    sg_node node = {.op = &sg_op_conv, .nsrcs = 1, .src = {src}, .head = true};
    node.attr.conv = (sg_conv_attr){b->net->spec.outputs, {1, 1, 0}, 1, true};
    snprintf(node.name, sizeof node.name, "%s", name);
    return build(b, node);
}

int sg_build_normalize(sg_builder *b)
{
    sg_node node = {.op = &sg_op_normalize};
    memcpy(node.attr.normalize.mean, b->net->spec.mean, sizeof b->net->spec.mean);
    memcpy(node.attr.normalize.std, b->net->spec.std, sizeof b->net->spec.std);
    return build(b, node);
}

int sg_build_relu(sg_builder *b, int src)
{
    return build(b, (sg_node){.op = &sg_op_relu, .nsrcs = 1, .src = {src}, .attr.top = INFINITY});
}

int sg_build_relu6(sg_builder *b, int src)
{
    return build(b, (sg_node){.op = &sg_op_relu, .nsrcs = 1, .src = {src}, .attr.top = 6});
}

static int build_maxpool(sg_builder *b, int src, const sg_window *window, bool ceil)
{
    return build(b, (sg_node){.op = &sg_op_maxpool, .nsrcs = 1, .src = {src}, .attr.pool = {*window, ceil}});
}

int sg_build_maxpool(sg_builder *b, int src, const sg_window *window)
{
    return build_maxpool(b, src, window, false);
}

int sg_build_maxpool_ceil(sg_builder *b, int src, const sg_window *window)
{
    return build_maxpool(b, src, window, true);
}

int sg_build_avgpool(sg_builder *b, int src)
{
    return build(b, (sg_node){.op = &sg_op_avgpool, .nsrcs = 1, .src = {src}});
}

int sg_build_adaptive(sg_builder *b, int src, int64_t height, int64_t width)
{
    sg_node node = {.op = &sg_op_adaptive, .nsrcs = 1, .src = {src}, .attr.size = {.h = height, .w = width}};
    if (b->failed) return -1;
    const sg_shape in = b->net->nodes[src].out;
    return in.h == height && in.w == width ? src : build(b, node);
}

int sg_build_add(sg_builder *b, int src, int other)
{
    return build(b, (sg_node){.op = &sg_op_add, .nsrcs = 2, .src = {src, other}});
}

int sg_build_concat(sg_builder *b, int src, int other)
{
    return build(b, (sg_node){.op = &sg_op_concat, .nsrcs = 2, .src = {src, other}});
}

int sg_build_pad(sg_builder *b, int src, int64_t pad)
{
    return build(b, (sg_node){.op = &sg_op_pad, .nsrcs = 1, .src = {src}, .attr.pad = pad});
}

int sg_build_dropout(sg_builder *b, int src, float p)
{
    return build(b, (sg_node){.op = &sg_op_dropout, .nsrcs = 1, .src = {src}, .attr.p = p});
}

int sg_build_shortcut(sg_builder *b, int src, int64_t channels)
{
    return build(b, (sg_node){.op = &sg_op_shortcut, .nsrcs = 1, .src = {src}, .attr.channels = channels});
}

static bool check_spec(const sg_net_spec *spec, sg_error *err)
{
    if (spec->channels < 1) return sg_fail(err, SG_ERR_USAGE, "%s: no channels", spec->arch);
    if (spec->height < 1 || spec->width < 1 || spec->height > SIDE_MAX || spec->width > SIDE_MAX)
        return sg_fail(err, SG_ERR_USAGE, "%s: input of %lldx%lld pixels (1 to %d a side)", spec->arch,
                       (long long)spec->width, (long long)spec->height, SIDE_MAX);
    if (spec->head == SG_HEAD_FEATURES) return true;
    if (spec->head == SG_HEAD_HASH) return sg_bits_check(spec->outputs, err);
    if (spec->outputs < 2 || spec->outputs > OUTPUTS_MAX)
        return sg_fail(err, SG_ERR_USAGE, "%s: %lld classes (2 to %d)", spec->arch, (long long)spec->outputs,
                       OUTPUTS_MAX);
    return true;
}

bool sg_net_start(sg_builder *b, const sg_net_spec *spec, sg_error *err)
{
    *b = (sg_builder){.net = sg_calloc(1, sizeof *b->net), .err = err};
    if (!b->net) return sg_fail_memory(err, "network");
    b->net->spec = *spec;
    return true;
}

bool sg_net_finish(sg_net **net, sg_builder *b)
{
    *net = b->net;
    if (!b->failed) return true;
    sg_net_free(b->net);
    *net = NULL;
    return false;
}

bool sg_net_new(sg_net **net, const sg_net_spec *spec, sg_error *err)
{
    *net = NULL;
    const sg_backbone *backbone = sg_backbone_find(spec->arch, err);
    if (!backbone || !check_spec(spec, err)) return false;
    if (backbone->channels ? spec->channels != backbone->channels
                           : spec->channels != 1 && spec->channels != 3)
        return sg_fail(err, SG_ERR_USAGE, "%s takes %s, not %lld channels", spec->arch,
                       backbone->channels == 1   ? "grey images (1 channel)"
                       : backbone->channels == 3 ? "colour images (3 channels)"
                                                 : "1 or 3 channels",
                       (long long)spec->channels);
    sg_builder b;
    if (!sg_net_start(&b, spec, err)) return false;
    b.net->spec.arch = backbone->name;
    backbone->build(&b);
    return sg_net_finish(net, &b);
}

void sg_net_free(sg_net *net)
{
    if (!net) return;
    sg_free(net->nodes);
    sg_free(net->tensors);
    sg_free(net);
}

const sg_net_spec *sg_net_spec_of(const sg_net *net)
{
    return &net->spec;
}

size_t sg_net_input_size(const sg_net *net)
{
    return sg_shape_size(net->nodes[0].in);
}

size_t sg_net_output_size(const sg_net *net)
{
    return sg_shape_size(net->nodes[net->nnodes - 1].out);
}

size_t sg_net_nlayers(const sg_net *net)
{
    return net->nnodes;
}

sg_layer sg_net_layer(const sg_net *net, size_t i)
{
    const sg_node *node = &net->nodes[i];
    sg_layer layer = {.name = node->name,
                      .kind = node->op->name,
                      .channels = node->out.c,
                      .height = node->out.h,
                      .width = node->out.w,
                      .macs = node->op->macs ? node->op->macs(node) : 0};
    for (size_t t = 0; t < node->ntensors; t++) {
        const sg_tensor *tensor = &net->tensors[node->tensor + t];
        if (sg_tensor_learned(tensor)) layer.parameters += tensor->size;
    }
    return layer;
}

uint64_t sg_net_macs(const sg_net *net)
{
    uint64_t macs = 0;
    for (size_t i = 0; i < net->nnodes; i++) macs += sg_net_layer(net, i).macs;
    return macs;
}
