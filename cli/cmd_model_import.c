/* signet model import, model export: weights of other programs to models, and back. */
#include "commands.h"
#include "import.h"

#include <signet/file.h>
#include <signet/mem.h>
#include <string.h>

#define CLASSES_NBYTES_MAX ((size_t)16 << 20)

typedef struct import_options {
    cli_input input;
    const char *arch, *classes, *out;
    int64_t channels;
    cli_reals mean, std;
} import_options;

static void import_defaults(void *options)
{
    *(import_options *)options = (import_options){.input = CLI_INPUT_DEFAULTS};
}

/* The lines of a file, cut apart in place; *text holds them. */
static bool read_lines(char **text, const char ***lines, size_t *n, const char *path, sg_error *err)
{
    size_t nbytes, count = 0;
    *text = NULL;
    *lines = NULL;
    *n = 0;
    if (!sg_file_read(text, &nbytes, path, CLASSES_NBYTES_MAX, err)) return false;
    if (memchr(*text, '\0', nbytes)) return sg_fail(err, SG_ERR_FORMAT, "%s: not a text", path);
    for (size_t i = 0; i < nbytes; i++) count += (*text)[i] == '\n';
    *lines = sg_alloc(count + 1, sizeof **lines);
    if (!*lines) return sg_fail_memory(err, path);
    for (char *line = *text; *line;) {
        size_t length = strcspn(line, "\n");
        bool more = line[length] == '\n';
        line[length] = '\0';
        if (length && line[length - 1] == '\r') line[length - 1] = '\0';
        (*lines)[(*n)++] = line;
        line += length + more;
    }
    return true;
}

static bool import_run(const cli_call *call, int *status, sg_error *err)
{
    (void)status;
    const import_options *o = call->options;
    char *text = NULL;
    const char **classes = NULL;
    sg_model *model = NULL;
    cli_import import = {o->arch, o->input, o->channels, &o->mean, &o->std, NULL, 0};
    if (!cli_need_args(call, 1, 1, "FILE", err)) return false;
    if (!cli_need_out(o->out, "the model's file", err)) return false;
    bool ok = !o->classes || read_lines(&text, &classes, &import.nclasses, o->classes, err);
    import.classes = classes;
    ok = ok && cli_import_model(&model, call->args[0], &import, call, err);
    if (ok && *model->fingerprint) ok = sg_fail(err, SG_ERR_USAGE, "%s: is a model already", call->args[0]);
    if (ok && sg_model_spec(model)->head == SG_HEAD_FEATURES)
        ok = sg_fail(err, SG_ERR_MISMATCH, "%s: has no last layer of %s (train --weights takes it as it is)",
                     call->args[0], o->arch);
    ok = ok && sg_model_save(model, o->out, err);
    if (ok) {
        const sg_net_spec *spec = sg_model_spec(model);
        cli_remark(call, "%s: %s of %lld %s", o->out, spec->arch, (long long)spec->outputs,
                   spec->head == SG_HEAD_HASH ? "bits" : "classes");
    }
    sg_model_free(model);
    sg_free(classes);
    sg_free(text);
    return ok;
}

#define AT(member) offsetof(import_options, member)
static const cli_option import_table[] = {
    {"out", 'o', CLI_TEXT, AT(out), "MODEL", "the model's file", 0, 0},
    {"arch", 0, CLI_TEXT, AT(arch), "ARCH", "the network (an unknown name lists all)", 0, 0},
    {"classes", 0, CLI_TEXT, AT(classes), "FILE", "names of a classifier's classes, one a line", 0, 0},
    {"channels", 0, CLI_COUNT, AT(channels), "C", "1 (grey) or 3 (default: as the first layer has them)", 1,
     3},
    {"mean", 0, CLI_REALS, AT(mean), "R,G,B", "of pixels in 0 to 1 (default: 0.485,0.456,0.406)", 0, 0},
    {"std", 0, CLI_REALS, AT(std), "R,G,B", "of pixels (default: 0.229,0.224,0.225)", 0, 0},
    CLI_INPUT_OPTIONS(import_options, input),
};

const cli_command cmd_model_import = {
    .name = "model import",
    .summary = "make a model of a PyTorch file (.pth) or of safetensors",
    .usage = "FILE --arch ARCH [--classes FILE] [--size N] -o MODEL",
    .examples =
        "model import resnet18.pth --arch resnet18 -o resnet18.safetensors\n"
        "model import net.pth --arch resnet20 --mean 0.5,0.5,0.5 --std 0.5,0.5,0.5 --classes names.txt -o "
        "net.safetensors",
    .options = import_table,
    .noptions = sizeof import_table / sizeof *import_table,
    .options_size = sizeof(import_options),
    .defaults = import_defaults,
    .run = import_run,
};

typedef struct export_options {
    const char *out;
} export_options;

static bool export_run(const cli_call *call, int *status, sg_error *err)
{
    (void)status;
    const export_options *o = call->options;
    sg_model *model;
    if (!cli_need_args(call, 1, 1, "FILE", err)) return false;
    if (!cli_need_out(o->out, "the file of the tensors", err)) return false;
    if (!cli_model_load(&model, call, call->args[0], NULL, err)) return false;
    bool ok = sg_model_export(model, o->out, err);
    sg_model_free(model);
    return ok;
}

static const cli_option export_table[] = {
    {"out", 'o', CLI_TEXT, offsetof(export_options, out), "FILE", "the tensors as plain safetensors", 0, 0},
};

const cli_command cmd_model_export = {
    .name = "model export",
    .summary = "a model's tensors as plain safetensors, by torchvision's names",
    .usage = "FILE -o FILE.safetensors",
    .examples = "model export RUN/best.safetensors -o hash.safetensors",
    .options = export_table,
    .noptions = sizeof export_table / sizeof *export_table,
    .options_size = sizeof(export_options),
    .run = export_run,
};
