/* The graph and the table that every op is. Private to the encoder. */
#ifndef SIGNET_NET_IMPL_H
#define SIGNET_NET_IMPL_H

#include <signet/net.h>
#include <signet/params.h>

#define SG_NODE_SRCS    2
#define SG_NODE_TENSORS 4
#define SG_BN_EPS       1e-5f

typedef struct sg_node sg_node;
typedef struct sg_op sg_op;
typedef struct sg_ref sg_ref;   /* reference_impl.h */
typedef struct sg_step sg_step; /* plan_impl.h */
typedef struct sg_load sg_load; /* plan_impl.h */
typedef struct sg_plan sg_plan;

typedef struct sg_shape {
    int64_t c, h, w; /* of one image */
} sg_shape;

typedef struct sg_window {
    int64_t kernel, stride, pad; /* square */
} sg_window;

typedef struct sg_conv_attr {
    int64_t channels; /* of the output */
    sg_window window;
    int64_t groups;
    bool bias;
} sg_conv_attr;

typedef struct sg_pool_attr {
    sg_window window;
    bool ceil; /* the last window may stand over the edge: PyTorch's ceil_mode */
} sg_pool_attr;

typedef struct sg_normalize_attr {
    float mean[3], std[3];
} sg_normalize_attr;

/* What a node's op was told beside its sources: the member that belongs to the op. */
typedef union sg_attr {
    sg_conv_attr conv; /* conv, linear */
    sg_pool_attr pool; /* maxpool */
    sg_normalize_attr normalize;
    int64_t channels; /* shortcut */
    sg_shape size;    /* adaptive: h and w of the result */
    float top;        /* relu: cut off at this; INFINITY: not */
    int64_t pad;      /* pad: pixels on each side */
    float p;          /* dropout: the probability of being dropped */
} sg_attr;

struct sg_node {
    const sg_op *op;
    char name[96];
    int nsrcs, src[SG_NODE_SRCS];
    sg_attr attr;
    sg_shape in, out;         /* in: of the first source (or of x) */
    size_t tensor, ntensors;  /* its tensors in the net's list */
    int nconsumers, consumer; /* consumer: the last one */
    bool head;                /* the last weighted layer */
};

struct sg_net {
    sg_net_spec spec;
    sg_node *nodes; /* each after its sources; the last is the output */
    size_t nnodes, cap;
    sg_tensor *tensors; /* of all nodes, laid out as sg_params has them */
    size_t ntensors, tensors_cap;
    size_t block_size; /* floats */
};

/* A kind of node. The first group is of the net, ref_* are plain double twins (the tests' oracle), the rest is how a
 * plan runs it. */
struct sg_op {
    const char *name;
    /* Sets node->out from node->in and attr; src are the sources' nodes. */
    bool (*shape)(sg_node *node, const sg_node *const *src, sg_error *err);
    /* Fills in role, dims, fans and name (the last part of it) of the tensors it needs; how many. NULL: none. */
    size_t (*tensors)(const sg_node *node, sg_tensor *tensors);
    uint64_t (*macs)(const sg_node *node); /* NULL: counted as 0 */

    void (*ref_forward)(const sg_ref *ref);
    void (*ref_backward)(const sg_ref *ref);

    bool widens; /* its result may be f32 where its source is bf16 */
    size_t state_size;
    /* In this plan the node gives its source unchanged: whoever makes that takes it in. NULL: never. */
    bool (*idle)(const sg_plan *plan);
    /* Takes a following node (the only reader of what the step gives so far) into the step. NULL: takes none. */
    bool (*absorb)(sg_step *step, const sg_node *next);
    /* In the net's order: kernels and buffers of load and forward. */
    bool (*prepare)(sg_step *step, sg_error *err);
    /* In reverse order, when a gradient passes: those of backward. */
    bool (*prepare_backward)(sg_step *step, sg_error *err);
    void (*load)(sg_step *step, const sg_load *load); /* NULL: nothing to load */
    void (*forward)(sg_step *step);
    bool gathers; /* backward itself calls sg_step_gather, in pieces that stay in the cache */
    void (*backward)(sg_step *step);
};

extern const sg_op sg_op_normalize, sg_op_conv, sg_op_linear, sg_op_batchnorm, sg_op_relu, sg_op_maxpool,
    sg_op_avgpool, sg_op_adaptive, sg_op_add, sg_op_concat, sg_op_shortcut, sg_op_flatten, sg_op_dropout,
    sg_op_pad;

/* Building: errors are sticky, so that a backbone checks nothing. Each call gives the new node's number; after a
 * failure they do nothing. Weighted nodes are named by their caller, printf-wise. */
typedef struct sg_builder {
    sg_net *net;
    sg_error *err;
    bool failed;
} sg_builder;

int sg_build_conv(sg_builder *b, int src, const sg_conv_attr *attr, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
int sg_build_batchnorm(sg_builder *b, int src, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Flattens its source in NCHW order when it has more than one pixel. */
int sg_build_linear(sg_builder *b, int src, int64_t outputs, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
int sg_build_normalize(sg_builder *b); /* the first node: x by the spec's mean and std */
int sg_build_relu(sg_builder *b, int src);
int sg_build_relu6(sg_builder *b, int src);
int sg_build_maxpool(sg_builder *b, int src, const sg_window *window);
int sg_build_maxpool_ceil(sg_builder *b, int src, const sg_window *window);
int sg_build_avgpool(sg_builder *b, int src);                                 /* global */
int sg_build_adaptive(sg_builder *b, int src, int64_t height, int64_t width); /* averages, to that size */
int sg_build_add(sg_builder *b, int src, int other);
int sg_build_concat(sg_builder *b, int src, int other); /* the channels of src, then those of other */
int sg_build_pad(sg_builder *b, int src, int64_t pad);
int sg_build_dropout(sg_builder *b, int src, float p);
int sg_build_shortcut(sg_builder *b, int src, int64_t channels);
/* The last layer: "head" for a hash, the backbone's own name for a classifier; spec.outputs outputs. For features
 * there is none: src is the output. */
int sg_build_head(sg_builder *b, int src, const char *name);
/* As a classifier's last layer: a 1x1 convolution of this name. */
int sg_build_head_conv(sg_builder *b, int src, const char *name);

/* An empty net of this spec (arch not looked up), for a builder; ends with sg_net_finish, which frees it when the
 * builder failed. */
bool sg_net_start(sg_builder *b, const sg_net_spec *spec, sg_error *err);
bool sg_net_finish(sg_net **net, sg_builder *b);

typedef struct sg_backbone {
    const char *name, *description;
    int64_t channels, height, width; /* usual input; channels 0: 1 or 3 */
    int64_t resize; /* of a photograph's shorter side before it is cropped to that; 0: none */
    void (*build)(sg_builder *b);
} sg_backbone;

const sg_backbone *sg_backbone_find(const char *name, sg_error *err);

static inline size_t sg_shape_size(sg_shape s)
{
    return (size_t)(s.c * s.h * s.w);
}

#endif
