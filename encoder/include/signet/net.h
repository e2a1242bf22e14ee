/* What is computed: an immutable graph of named nodes with inferred shapes. No numbers live in it. A backbone's
 * builder makes it from (channels, height, width, head). Names of weighted nodes are torchvision's. */
#ifndef SIGNET_NET_H
#define SIGNET_NET_H

#include <signet/error.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sg_net sg_net;

typedef enum {
    SG_HEAD_HASH,       /* one linear layer "head", K outputs */
    SG_HEAD_CLASSIFIER, /* the backbone's own last layer, one output a class */
    SG_HEAD_FEATURES    /* no last layer: what the hash head would read; never in a file */
} sg_head;

typedef struct sg_net_spec {
    const char *arch; /* a registered backbone */
    int64_t channels, height, width;
    sg_head head;
    int64_t outputs;       /* K bits or number of classes; of features the net says how many */
    float mean[3], std[3]; /* of normalisation, inside the network: x is in pixel space [0, 1] */
} sg_net_spec;

/* Unknown arch, sizes too small for it, outputs out of range: SG_ERR_USAGE. */
bool sg_net_new(sg_net **net, const sg_net_spec *spec, sg_error *err);
void sg_net_free(sg_net *net);

const sg_net_spec *sg_net_spec_of(const sg_net *net);
size_t sg_net_input_size(const sg_net *net);  /* C * H * W */
size_t sg_net_output_size(const sg_net *net); /* K, classes or features */
uint64_t sg_net_macs(const sg_net *net);      /* multiply-adds of one image */

/* A node of the graph, for people. */
typedef struct sg_layer {
    const char *name;                /* of one with weights: torchvision's */
    const char *kind;                /* "conv", "batchnorm", "relu" ... */
    int64_t channels, height, width; /* of its output */
    size_t parameters;               /* learned numbers */
    uint64_t macs;                   /* multiply-adds of one image */
} sg_layer;
size_t sg_net_nlayers(const sg_net *net);
sg_layer sg_net_layer(const sg_net *net, size_t i); /* borrows from net */

/* The i-th backbone's name, NULL past the last; its one-line description (NULL when unknown). */
const char *sg_backbone_name(size_t i);
const char *sg_backbone_description(const char *arch);
/* Its usual input (for defaults of `train`): channels 0 means 1 or 3. */
bool sg_backbone_input(const char *arch, int64_t *channels, int64_t *height, int64_t *width, sg_error *err);
/* To how many pixels a photograph's shorter side is usually brought before the usual input is cropped from it; 0: the
 * picture is brought to the input's size itself. */
int64_t sg_backbone_resize(const char *arch);

#endif
