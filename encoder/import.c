#include "model_impl.h"
#include "net_impl.h"

#include <signet/buf.h>
#include <signet/import.h>
#include <signet/mem.h>
#include <string.h>

#define NONE SIZE_MAX

void sg_import_clear(sg_import *import)
{
    for (size_t i = 0; i < import->nlines; i++) sg_free(import->lines[i]);
    sg_free(import->lines);
    *import = (sg_import){0};
}

/* ---- names ---- */

/* What DataParallel and torch.compile put before each name. */
static const char *const prefixes[] = {"module.", "_orig_mod."};

static const char *without_prefix(const char *name)
{
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        size_t length = strlen(prefixes[i]);
        if (strncmp(name, prefixes[i], length) == 0) return without_prefix(name + length);
    }
    return name;
}

/* Layers that others call otherwise: the last layer of ResNets for small images (akamaster, BioTorch). */
static const struct {
    const char *theirs, *ours;
} renamings[] = {{"linear.", "fc."}};

/* The name that torchvision has for it, in `name`. */
static const char *our_name(char name[SG_TENSOR_NAME_MAX], const char *theirs)
{
    theirs = without_prefix(theirs);
    snprintf(name, SG_TENSOR_NAME_MAX, "%s", theirs);
    for (size_t i = 0; i < sizeof renamings / sizeof *renamings; i++) {
        size_t length = strlen(renamings[i].theirs);
        if (strncmp(theirs, renamings[i].theirs, length) == 0)
            snprintf(name, SG_TENSOR_NAME_MAX, "%s%s", renamings[i].ours, theirs + length);
    }
    return name;
}

/* The file's tensor of a network's name; NONE. A name that needs no renaming comes first. */
static size_t find_weight(const sg_weights *weights, const char *name)
{
    size_t found = NONE;
    for (size_t i = 0; i < sg_weights_count(weights); i++) {
        char ours[SG_TENSOR_NAME_MAX];
        const sg_weight *w = sg_weights_at(weights, i);
        if (!w->floats) continue;
        if (strcmp(without_prefix(w->name), name) == 0) return i;
        if (found == NONE && strcmp(our_name(ours, w->name), name) == 0) found = i;
    }
    return found;
}

static bool same_shape(const sg_tensor *t, const sg_weight *w)
{
    return t->ndim == w->ndim && memcmp(t->dims, w->dims, (size_t)t->ndim * sizeof *t->dims) == 0;
}

/* ---- what does not fit ---- */

static void put_shape(sg_buf *line, int ndim, const int64_t *dims)
{
    for (int d = 0; d < ndim; d++) sg_buf_printf(line, "%s%lld", d ? " x " : "", (long long)dims[d]);
    if (ndim == 0) sg_buf_puts(line, "one number");
}

/* Takes the line's text. */
static bool add_line(sg_import *import, sg_buf *line, size_t *count, sg_error *err)
{
    ++*count;
    char **lines = sg_buf_ok(line) ? sg_realloc(import->lines, import->nlines + 1, sizeof *lines) : NULL;
    if (!lines) {
        sg_buf_clear(line);
        return sg_fail_memory(err, "names of tensors");
    }
    import->lines = lines;
    import->lines[import->nlines++] = line->data;
    *line = (sg_buf)SG_BUF_INIT;
    return true;
}

static bool say_missing(sg_import *import, const sg_tensor *t, sg_error *err)
{
    sg_buf line = SG_BUF_INIT;
    sg_buf_printf(&line, "missing: %s (", t->name);
    put_shape(&line, t->ndim, t->dims);
    sg_buf_puts(&line, ")");
    return add_line(import, &line, &import->missing, err);
}

static bool say_misshapen(sg_import *import, const sg_tensor *t, const sg_weight *w, sg_error *err)
{
    sg_buf line = SG_BUF_INIT;
    sg_buf_printf(&line, "of another shape: %s (", w->name);
    put_shape(&line, w->ndim, w->dims);
    sg_buf_puts(&line, ", the network has ");
    put_shape(&line, t->ndim, t->dims);
    sg_buf_puts(&line, ")");
    return add_line(import, &line, &import->misshapen, err);
}

static bool say_unexpected(sg_import *import, const sg_weight *w, sg_error *err)
{
    sg_buf line = SG_BUF_INIT;
    sg_buf_printf(&line, "unexpected: %s (", w->name);
    put_shape(&line, w->ndim, w->dims);
    sg_buf_puts(&line, ")");
    return add_line(import, &line, &import->unexpected, err);
}

#define NAMED 3

/* "... do not fit ARCH (2 missing, 1 unexpected): missing: a (1 x 2); ..." */
static bool fail_mismatch(const sg_import *import, const char *path, const char *arch, sg_error *err)
{
    static const char *const words[] = {"missing", "unexpected", "of another shape"};
    const size_t counts[] = {import->missing, import->unexpected, import->misshapen};
    sg_buf text = SG_BUF_INIT;
    const char *before = " (";
    for (size_t i = 0; i < 3; i++) {
        if (!counts[i]) continue;
        sg_buf_printf(&text, "%s%zu %s", before, counts[i], words[i]);
        before = ", ";
    }
    for (size_t i = 0; i < import->nlines && i < NAMED; i++)
        sg_buf_printf(&text, "%s %s", i ? ";" : "):", import->lines[i]);
    if (import->nlines > NAMED) sg_buf_puts(&text, "; ... (--verbose lists them all)");
    sg_fail(err, SG_ERR_MISMATCH, "%s: these tensors do not fit %s%s", path, arch, sg_buf_text(&text));
    sg_buf_clear(&text);
    return false;
}

/* ---- fitting ---- */

/* The names of the last layer's tensors, of either kind of head. */
typedef struct heads {
    sg_net *nets[2]; /* without numbers */
} heads;

static void heads_clear(heads *h)
{
    for (int i = 0; i < 2; i++) sg_net_free(h->nets[i]);
}

static bool heads_init(heads *h, const sg_net_spec *like, sg_error *err)
{
    static const sg_head kinds[2] = {SG_HEAD_CLASSIFIER, SG_HEAD_HASH};
    bool ok = true;
    *h = (heads){0};
    for (int i = 0; ok && i < 2; i++) {
        sg_net_spec spec = *like;
        spec.head = kinds[i];
        for (int c = 0; c < 3; c++) spec.std[c] = 1; /* may not be known yet, and names nothing */
        spec.outputs = 8;                            /* any number will do */
        ok = sg_net_new(&h->nets[i], &spec, err);
    }
    if (!ok) heads_clear(h);
    return ok;
}

/* Is it a tensor of a last layer? */
static bool heads_have(const heads *h, const char *name)
{
    for (int i = 0; i < 2; i++)
        for (size_t k = 0; k < h->nets[i]->ntensors; k++) {
            const sg_tensor *t = &h->nets[i]->tensors[k];
            if (t->head && strcmp(t->name, name) == 0) return true;
        }
    return false;
}

/* places[i]: the file's tensor for the network's i-th, or NONE. */
static bool fit_tensors(sg_import *import, size_t *places, const sg_params *params, const sg_weights *weights,
                        sg_error *err)
{
    import->head_taken = true;
    for (size_t i = 0; i < params->ntensors; i++) {
        const sg_tensor *t = &params->tensors[i];
        places[i] = find_weight(weights, t->name);
        const sg_weight *w = places[i] == NONE ? NULL : sg_weights_at(weights, places[i]);
        if (w && same_shape(t, w)) continue;
        if (t->head)
            import->head_taken = false;
        else if (!(w ? say_misshapen(import, t, w, err) : say_missing(import, t, err)))
            return false;
    }
    return true;
}

/* Each of the file's float tensors must be one that was taken, or of a last layer. */
static bool find_unexpected(sg_import *import, const size_t *places, const sg_params *params, const heads *h,
                            const sg_weights *weights, sg_error *err)
{
    size_t n = sg_weights_count(weights);
    bool *used = sg_calloc(n, sizeof *used), ok = true;
    if (!used) return sg_fail_memory(err, "names of tensors");
    for (size_t i = 0; i < params->ntensors; i++)
        if (places[i] != NONE) used[places[i]] = true;
    for (size_t i = 0; ok && i < n; i++) {
        char name[SG_TENSOR_NAME_MAX];
        const sg_weight *w = sg_weights_at(weights, i);
        if (w->floats && !used[i] && !heads_have(h, our_name(name, w->name)))
            ok = say_unexpected(import, w, err);
    }
    sg_free(used);
    return ok;
}

static bool read_tensors(sg_params *params, const size_t *places, bool head, sg_weights *weights,
                         sg_error *err)
{
    for (size_t i = 0; i < params->ntensors; i++) {
        const sg_tensor *t = &params->tensors[i];
        if (t->head && !head) continue;
        if (!sg_weights_read(params->block + t->offset, weights, places[i], err)) return false;
        if (t->role == SG_TENSOR_BN_VAR && !sg_variances_check(t, params->block + t->offset, err))
            return sg_prefix(err, "%s", sg_weights_path(weights));
    }
    return true;
}

bool sg_import_weights(sg_import *import, sg_model *model, sg_weights *weights, sg_error *err)
{
    heads h;
    const sg_net_spec *spec = sg_model_spec(model);
    *import = (sg_import){0};
    if (!heads_init(&h, spec, err)) return false;
    size_t *places = sg_alloc(model->params->ntensors, sizeof *places);
    bool ok = places ? true : sg_fail_memory(err, "names of tensors");
    ok = ok && fit_tensors(import, places, model->params, weights, err) &&
         find_unexpected(import, places, model->params, &h, weights, err);
    if (ok && import->nlines) ok = fail_mismatch(import, sg_weights_path(weights), spec->arch, err);
    ok = ok && read_tensors(model->params, places, import->head_taken, weights, err);
    sg_free(places);
    heads_clear(&h);
    return ok;
}

/* ---- whole models ---- */

bool sg_import_channels(sg_net_spec *spec, const sg_weights *weights, sg_error *err)
{
    int64_t height, width;
    if (spec->channels) return true;
    if (!sg_backbone_input(spec->arch, &spec->channels, &height, &width, err)) return false;
    if (spec->channels) return true; /* it takes nothing else */
    heads h;
    spec->channels = 3;
    if (!heads_init(&h, spec, err)) return false;
    for (size_t i = 0; i < h.nets[0]->ntensors; i++) {
        const sg_tensor *t = &h.nets[0]->tensors[i];
        if (t->role != SG_TENSOR_WEIGHT) continue;
        size_t first = find_weight(weights, t->name);
        if (first != NONE && sg_weights_at(weights, first)->ndim == 4 &&
            sg_weights_at(weights, first)->dims[1] == 1)
            spec->channels = 1;
        break;
    }
    heads_clear(&h);
    return true;
}

/* Sets spec's head and outputs by the last layer that the file has; features when it has none. */
static bool find_head(sg_net_spec *spec, const sg_weights *weights, sg_error *err)
{
    heads h;
    if (!heads_init(&h, spec, err)) return false;
    spec->outputs = 0;
    for (int i = 0; i < 2 && !spec->outputs; i++) {
        for (size_t k = 0; k < h.nets[i]->ntensors; k++) {
            const sg_tensor *t = &h.nets[i]->tensors[k];
            if (!t->head || t->role != SG_TENSOR_WEIGHT) continue;
            size_t place = find_weight(weights, t->name);
            const sg_weight *w = place == NONE ? NULL : sg_weights_at(weights, place);
            if (!w || w->ndim != t->ndim || w->dims[0] < 1) continue;
            spec->head = sg_net_spec_of(h.nets[i])->head;
            spec->outputs = w->dims[0];
        }
    }
    if (!spec->outputs) spec->head = SG_HEAD_FEATURES;
    heads_clear(&h);
    return true;
}

bool sg_import_model(sg_model **out, sg_import *import, sg_weights *weights, const sg_net_spec *like,
                     const char *const *classes, size_t nclasses, sg_error *err)
{
    sg_net_spec spec = *like;
    sg_model *model = NULL;
    *out = NULL;
    *import = (sg_import){0};
    bool ok = sg_import_channels(&spec, weights, err) && find_head(&spec, weights, err);
    if (ok && classes && spec.head != SG_HEAD_CLASSIFIER)
        ok = sg_fail(err, SG_ERR_USAGE, "%s: class names, but no classifier's last layer",
                     sg_weights_path(weights));
    if (ok && classes && nclasses != (size_t)spec.outputs)
        ok = sg_fail(err, SG_ERR_USAGE, "%s: %zu class names for %lld classes", sg_weights_path(weights),
                     nclasses, (long long)spec.outputs);
    ok = ok &&
         (sg_model_new(&model, &spec, classes, err) || sg_prefix(err, "%s", sg_weights_path(weights))) &&
         sg_import_weights(import, model, weights, err);
    if (ok && !import->head_taken)
        ok = sg_fail(err, SG_ERR_MISMATCH,
                     "%s: these tensors do not fit %s: its last layer is of another shape",
                     sg_weights_path(weights), spec.arch);
    if (ok)
        *out = model;
    else
        sg_model_free(model);
    return ok;
}
