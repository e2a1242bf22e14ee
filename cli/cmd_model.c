/* signet model info: what a model file holds. */
#include "commands.h"

#include <math.h>
#include <signet/recipe.h>
#include <signet/table.h>

typedef struct model_options {
    bool json, check;
    const char *against;
} model_options;

/* How far the body has moved from another model's: ||W - W'|| / ||W'|| over all learned tensors below the head. */
static bool body_change(double *change, const sg_model *model, const char *against, sg_error *err)
{
    sg_model *other;
    double moved = 0, before = 0;
    if (!sg_model_load(&other, against, err)) return false;
    bool ok = true;
    for (size_t i = 0; ok && i < model->params->ntensors; i++) {
        const sg_tensor *t = &model->params->tensors[i];
        if (t->head || !sg_tensor_learned(t)) continue;
        const sg_tensor *u = sg_params_find(other->params, t->name);
        if (!u || u->size != t->size) {
            ok = sg_fail(err, SG_ERR_MISMATCH, "%s: has no tensor %s of that shape", against, t->name);
            break;
        }
        for (size_t k = 0; k < t->size; k++) {
            double w = model->params->block[t->offset + k], v = other->params->block[u->offset + k];
            moved += (w - v) * (w - v);
            before += v * v;
        }
    }
    *change = before > 0 ? sqrt(moved / before) : 0;
    sg_model_free(other);
    return ok;
}

static bool print_json(const sg_model *model, const sg_kv *recipe, const double *change, sg_error *err)
{
    const sg_net_spec *spec = sg_model_spec(model);
    size_t learned = 0;
    for (size_t i = 0; i < model->params->ntensors; i++)
        if (sg_tensor_learned(&model->params->tensors[i])) learned += model->params->tensors[i].size;
    sg_json *root = sg_json_object();
    sg_json_add_string(root, "arch", spec->arch);
    sg_json_add_string(root, "head", spec->head == SG_HEAD_HASH ? "hash" : "classifier");
    sg_json_add_int(root, "outputs", spec->outputs);
    sg_json_add_int(root, "channels", spec->channels);
    sg_json_add_int(root, "height", spec->height);
    sg_json_add_int(root, "width", spec->width);
    sg_json_add_int(root, "parameters", (int64_t)learned);
    sg_json_add_int(root, "multiply_adds", (int64_t)sg_net_macs(model->net));
    sg_json_add_string(root, "rule", sg_rule_name(model->feedback.rule));
    sg_json_add_string(root, "fingerprint", model->fingerprint);
    if (change) sg_json_add_number(root, "body_change", *change);
    sg_json *classes = sg_json_add_array(root, "classes");
    for (size_t i = 0; i < model->nclasses; i++) sg_json_add_string(classes, NULL, model->classes[i]);
    sg_json *notes = sg_json_add_object(root, "notes");
    for (size_t i = 0; i < model->notes.n; i++)
        sg_json_add_string(notes, model->notes.pairs[i].key, model->notes.pairs[i].value);
    sg_json *made = sg_json_add_object(root, "recipe");
    for (size_t i = 0; i < recipe->n; i++)
        sg_json_add_string(made, recipe->pairs[i].key, recipe->pairs[i].value);
    return cli_print_json(root, err);
}

static bool print_tensors(const sg_params *params, sg_error *err)
{
    const char *heads[] = {"tensor", "shape", "numbers"};
    sg_table *table = sg_table_new(3, heads);
    if (!table) return sg_fail_memory(err, "table");
    for (size_t i = 0; i < params->ntensors; i++) {
        const sg_tensor *t = &params->tensors[i];
        char shape[96];
        int used = 0;
        for (int d = 0; d < t->ndim; d++)
            used += snprintf(shape + used, sizeof shape - (size_t)used, "%s%lld", d ? " x " : "",
                             (long long)t->dims[d]);
        sg_table_cell(table, "%s", t->name);
        sg_table_cell(table, "%s", shape);
        sg_table_cell(table, "%zu", t->size);
    }
    bool ok = sg_table_print(table, stdout, err);
    sg_table_free(table);
    return ok;
}

static bool print_text(const sg_model *model, const sg_kv *recipe, bool tensors, sg_error *err)
{
    const sg_net_spec *spec = sg_model_spec(model);
    size_t learned = 0;
    for (size_t i = 0; i < model->params->ntensors; i++)
        if (sg_tensor_learned(&model->params->tensors[i])) learned += model->params->tensors[i].size;
    printf("%s, %s of %lld %s, input %lld x %lld x %lld\n", spec->arch,
           spec->head == SG_HEAD_HASH ? "hash" : "classifier", (long long)spec->outputs,
           spec->head == SG_HEAD_HASH ? "bits" : "classes", (long long)spec->channels,
           (long long)spec->height, (long long)spec->width);
    printf("parameters %zu, multiply-adds %.1f million\n", learned, (double)sg_net_macs(model->net) / 1e6);
    printf("rule %s%s\n", sg_rule_name(model->feedback.rule),
           model->feedback.exact_head ? ", exact head" : "");
    for (size_t i = 0; i < model->nclasses; i++) {
        fputs(i ? ", " : "classes ", stdout);
        cli_print_text(model->classes[i]);
    }
    if (model->nclasses) putchar('\n');
    for (size_t i = 0; i < model->notes.n; i++) {
        cli_print_text(model->notes.pairs[i].key);
        putchar(' ');
        cli_print_text(model->notes.pairs[i].value);
        putchar('\n');
    }
    for (size_t i = 0; i < recipe->n; i++)
        printf("%s%s %s", i ? ", " : "recipe: ", recipe->pairs[i].key, recipe->pairs[i].value);
    printf("\nfingerprint %s\n", model->fingerprint);
    return !tensors || print_tensors(model->params, err);
}

static bool run(const cli_call *call, int *status, sg_error *err)
{
    (void)status;
    const model_options *o = call->options;
    sg_model *model;
    sg_kv recipe = SG_KV_INIT;
    if (!cli_need_args(call, 1, 1, "FILE", err) || !cli_model_load(&model, call, call->args[0], NULL, err))
        return false;
    bool ok = sg_recipe_now(&recipe, model, err);
    if (ok && o->check) ok = sg_model_check(model, err) || sg_prefix(err, "%s", call->args[0]);
    if (ok && o->check) cli_remark(call, "the fingerprint is that of the contents");
    double change;
    if (ok && o->against) ok = body_change(&change, model, o->against, err);
    const double *shown = o->against ? &change : NULL;
    if (ok && shown && !o->json)
        printf("the body has moved by %.4f of its norm from %s\n", change, o->against);
    ok = ok && (o->json ? print_json(model, &recipe, shown, err)
                        : print_text(model, &recipe, call->common.verbose, err));
    sg_kv_clear(&recipe);
    sg_model_free(model);
    return ok;
}

static const cli_option options[] = {
    {"check", 0, CLI_FLAG, offsetof(model_options, check), NULL, "compute the fingerprint again and compare",
     0, 0},
    {"against", 0, CLI_TEXT, offsetof(model_options, against), "FILE",
     "how far the body has moved from that model's", 0, 0},
    {"json", 0, CLI_FLAG, offsetof(model_options, json), NULL, "one JSON object", 0, 0},
};

const cli_command cmd_model_info = {
    .name = "model info",
    .summary = "what a model file holds (--verbose: its tensors)",
    .usage = "FILE [--check] [--json]",
    .examples = "model info RUN/best.safetensors\n"
                "model info --check --json RUN/best.safetensors",
    .options = options,
    .noptions = sizeof options / sizeof *options,
    .options_size = sizeof(model_options),
    .run = run,
};
