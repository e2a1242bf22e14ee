/* A kind of loss: one table of functions in one file (loss_NAME.c), listed in loss.c. */
#ifndef SIGNET_LOSS_IMPL_H
#define SIGNET_LOSS_IMPL_H

#include <signet/loss.h>

#define SG_LOSS_VALUES 4 /* numeric options of a kind, at most */

typedef struct sg_loss_value {
    const char *name; /* NULL ends the list */
    float normal;     /* FORMULAS' default */
    float low, high;  /* allowed, both included */
} sg_loss_value;

typedef struct sg_loss_kind {
    const char *name;
    sg_head head;
    bool multi; /* several labels an image make sense to it */
    sg_loss_value values[SG_LOSS_VALUES];
    bool (*init)(sg_loss *loss, sg_error *err); /* makes state; NULL when there is none */
    void (*clear)(sg_loss *loss);
    double (*run)(sg_loss *loss, float *dz, const float *z, const sg_labels *labels, size_t n);
} sg_loss_kind;

struct sg_loss {
    const sg_loss_kind *kind;
    size_t outputs, classes, batch;
    uint64_t seed;
    float values[SG_LOSS_VALUES]; /* in the order of kind->values */
    float *work;                  /* the kind's own memory, made by init, freed by clear */
};

extern const sg_loss_kind sg_loss_dpsh, sg_loss_csq, sg_loss_ce;

/* log(1 + e^t) without overflow, and its derivative 1 / (1 + e^-t). */
float sg_softplus(float t);
float sg_logistic(float t);

#endif
