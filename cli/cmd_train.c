/* signet train: a hash or a classifier, from scratch or from a model's weights, by any learning rule. */
#include "commands.h"
#include "import.h"
#include "profile.h"
#include "train_fit.h"

#include <signet/evaluate.h>
#include <signet/fit.h>
#include <signet/train.h>
#include <string.h>

typedef struct train_options {
    cli_data data;
    const char *arch, *weights, *out, *precision;
    cli_input input;
    int64_t bits, channels;
    const char *rule, *scale, *init;
    bool exact_head, head_only, frozen_bn;
    const char *loss;
    cli_texts loss_values;
    int64_t epochs, batch, seed, every, warmup;
    const char *optimizer, *schedule;
    double lr, momentum, weight_decay, gamma, head_lr;
    cli_texts augment;
    int64_t crop_padding;
    double crop_scale;
    cli_profile profile;
} train_options;

enum { NOT_GIVEN = -1 };

static void set_defaults(void *options)
{
    *(train_options *)options = (train_options){.data = CLI_DATA_DEFAULTS,
                                                .input = CLI_INPUT_DEFAULTS,
                                                .bits = 32,
                                                .rule = "bp",
                                                .loss = "csq",
                                                .epochs = 10,
                                                .batch = 64,
                                                .every = 1,
                                                .optimizer = "adam",
                                                .schedule = "cosine",
                                                .lr = 1e-3,
                                                .momentum = 0.9,
                                                .gamma = 0.1,
                                                .head_lr = 1,
                                                .crop_padding = NOT_GIVEN,
                                                .crop_scale = NOT_GIVEN};
}

/* One of our models, or foreign weights for --arch. */
static bool load_weights(sg_model **from, const train_options *o, const cli_call *call, sg_error *err)
{
    const cli_import import = {.arch = o->arch, .input = o->input, .channels = o->channels};
    return cli_import_model(from, o->weights, &import, call, err);
}

/* What the network will be: the weights' own shape, or --arch's usual input unless --size and --channels say. */
static bool decide_spec(sg_net_spec *spec, const train_options *o, const sg_model *from,
                        const sg_labels *labels, sg_error *err)
{
    if (from) {
        *spec = *sg_model_spec(from);
        if (o->arch && strcmp(o->arch, spec->arch))
            return sg_fail(err, SG_ERR_USAGE, "--arch %s: %s holds %s", o->arch, o->weights, spec->arch);
        bool sized = o->input.size && (o->input.size != spec->height || o->input.size != spec->width);
        if (sized || (o->channels && o->channels != spec->channels))
            return sg_fail(err, SG_ERR_USAGE, "--size and --channels come from %s", o->weights);
    } else {
        if (!o->arch) return sg_fail(err, SG_ERR_USAGE, "--arch or --weights is missing");
        *spec = (sg_net_spec){.arch = o->arch};
        if (!sg_backbone_input(o->arch, &spec->channels, &spec->height, &spec->width, err)) return false;
        if (o->input.size) spec->height = spec->width = o->input.size;
        if (o->channels) spec->channels = o->channels;
        if (!spec->channels) spec->channels = 3;
        cli_normalisation(spec);
    }
    spec->head = sg_projection_known(o->loss) ? SG_HEAD_HASH : sg_loss_head(o->loss);
    spec->outputs = spec->head == SG_HEAD_HASH ? o->bits : (int64_t)labels->classes;
    return spec->head == SG_HEAD_CLASSIFIER || sg_bits_check(spec->outputs, err);
}

/* Weights first, then B: its scales are those of the weights as loaded. */
static bool make_model(sg_model **out, const train_options *o, const sg_dataset *ds, const sg_model *from,
                       const cli_call *call, sg_error *err)
{
    sg_net_spec spec;
    if (!decide_spec(&spec, o, from, sg_dataset_labels(ds), err)) return false;
    bool classifier = spec.head == SG_HEAD_CLASSIFIER;
    if (!sg_model_new(out, &spec, classifier ? sg_dataset_classes(ds) : NULL, err)) return false;
    sg_model *model = *out;
    const char *init = o->init ? o->init : "he";
    bool head_taken = false;
    bool ok = sg_params_init(model->params, init, (uint64_t)o->seed, err);
    if (ok && from) {
        ok = sg_model_take(model, from, &head_taken, err);
        model->preprocess = from->preprocess;
        model->precision = from->precision;
        if (ok && !head_taken) ok = sg_params_init_head(model->params, "torch", (uint64_t)o->seed, err);
        if (ok && !head_taken && !sg_projection_known(o->loss))
            cli_remark(call, "the head is new: %s has another", o->weights);
    } else {
        cli_input_usual(&model->preprocess, spec.arch);
    }
    ok = ok && cli_input_set(&model->preprocess, &o->input, err) &&
         sg_model_set_precision(model, o->precision, err);
    model->preprocess.max_pixels = (uint64_t)call->common.max_pixels;
    const char *scale = o->scale ? o->scale : !from && !strcmp(init, "xavier") ? "xavier" : "norm";
    sg_feedback_clear(&model->feedback);
    ok = ok && sg_feedback_init(&model->feedback, o->rule, scale, (uint64_t)o->seed, model->params, err);
    model->feedback.exact_head = o->exact_head;
    if (ok) return true;
    sg_model_free(model);
    *out = NULL;
    return false;
}

typedef struct validation {
    const sg_dataset *ds;
    const sg_split *split;
} validation;

/* Validation images against the training images: seconds, where the database would take minutes. */
static bool validate(double *score, void *context, const sg_model *model, sg_error *err)
{
    const validation *v = context;
    if (sg_model_spec(model)->head == SG_HEAD_CLASSIFIER) {
        double top5;
        return sg_evaluate_accuracy(score, &top5, model, v->ds, v->split->val, v->split->nval, NULL, err);
    }
    sg_split against = *v->split;
    against.query = v->split->val, against.nquery = v->split->nval;
    against.database = v->split->train, against.ndatabase = v->split->ntrain;
    sg_retrieval_options options = {.nbits = (size_t)sg_model_spec(model)->outputs};
    sg_retrieval retrieval;
    if (!sg_evaluate_retrieval(&retrieval, model, v->ds, &against, &options, NULL, err)) return false;
    *score = retrieval.map.expected;
    sg_retrieval_clear(&retrieval);
    return true;
}

static bool decide_augment(sg_augment *augment, const train_options *o, sg_error *err)
{
    if (!sg_augment_parse(augment, o->augment.items, o->augment.n, err)) return sg_prefix(err, "--augment");
    if (o->crop_padding >= 0) {
        if (augment->crop != SG_CROP_RANDOM)
            return sg_fail(err, SG_ERR_USAGE, "--crop-padding goes with --augment crop");
        augment->padding = (int)o->crop_padding;
    }
    if (o->crop_scale >= 0) {
        if (augment->crop != SG_CROP_RESIZED)
            return sg_fail(err, SG_ERR_USAGE, "--crop-scale goes with --augment resized-crop");
        augment->scale = o->crop_scale;
    }
    return true;
}

static bool decide_training(sg_train_options *t, const train_options *o, const cli_call *call,
                            sg_kv *loss_values, sg_error *err)
{
    *t = (sg_train_options){.epochs = (size_t)o->epochs,
                            .batch = (size_t)o->batch,
                            .loss = o->loss,
                            .loss_values = loss_values,
                            .schedule = {.name = o->schedule,
                                         .gamma = (float)o->gamma,
                                         .every = (size_t)o->every,
                                         .warmup = (size_t)o->warmup},
                            .frozen_bn = o->frozen_bn,
                            .head_only = o->head_only,
                            .seed = (uint64_t)o->seed,
                            .log = cli_log(call)};
    if (!decide_augment(&t->augment, o, err)) return false;
    if (!cli_key_values(loss_values, &o->loss_values, "loss-option", err)) return false;
    if (!sg_optim_defaults(&t->optim, o->optimizer, err)) return false;
    t->optim.lr = (float)o->lr;
    t->optim.momentum = (float)o->momentum;
    t->optim.weight_decay = (float)o->weight_decay;
    t->optim.head_lr = (float)o->head_lr;
    t->optim.head_only = o->head_only;
    return true;
}

/* By gradients, epoch after epoch. */
static bool learn(sg_model *model, const train_options *o, const cli_call *call, int *status,
                  const sg_dataset *ds, sg_split *split, sg_error *err)
{
    sg_kv loss_values = SG_KV_INIT;
    sg_train_options options;
    sg_train_result result;
    validation context = {ds, split};
    bool classifier = sg_model_spec(model)->head == SG_HEAD_CLASSIFIER;
    sg_validate check = {classifier ? "accuracy" : "mAP", validate, &context};
    bool ok = decide_training(&options, o, call, &loss_values, err) &&
              cli_data_check(status, split, ds, &o->data, &model->preprocess, call, err);
    if (ok)
        cli_remark(call, "%zu training and %zu validation images, rule %s, loss %s", split->ntrain,
                   split->nval, o->rule, o->loss);
    sg_profile *profile = NULL;
    ok = ok && cli_profile_new(&profile, &o->profile, err);
    options.profile = profile;
    ok = ok && sg_train_run(&result, model, ds, split, &options, split->nval ? &check : NULL, o->out, err);
    if (ok && split->nval)
        cli_remark(call, "best epoch %zu of %zu: %s %.4f on validation images; %s/best.safetensors",
                   result.best_epoch, result.epochs, check.score_name, result.best_score, o->out);
    else if (ok)
        cli_remark(call, "%zu epochs; %s/best.safetensors is the last", result.epochs, o->out);
    ok = ok && cli_profile_tell(profile, &o->profile, err);
    sg_profile_free(profile);
    sg_kv_clear(&loss_values);
    return ok;
}

static bool train(const train_options *o, const cli_call *call, int *status, const sg_dataset *ds,
                  sg_split *split, sg_error *err)
{
    sg_model *from = NULL, *model = NULL;
    bool ok = (!o->weights || load_weights(&from, o, call, err)) &&
              make_model(&model, o, ds, from, call, err) &&
              (!from || !*from->fingerprint || sg_kv_set(&model->notes, "parent", from->fingerprint, err));
    if (ok && sg_projection_known(o->loss))
        ok = cli_data_check(status, split, ds, &o->data, &model->preprocess, call, err) &&
             cli_fit(model, o->loss, ds, split, (size_t)o->batch, (uint64_t)o->seed, o->out, call, err);
    else if (ok)
        ok = learn(model, o, call, status, ds, split, err);
    sg_model_free(model);
    sg_model_free(from);
    return ok;
}

static bool is_loss(const char *name)
{
    size_t n;
    const char *const *losses = sg_loss_names(&n);
    for (size_t i = 0; i < n; i++)
        if (!strcmp(losses[i], name)) return true;
    return false;
}

static bool run(const cli_call *call, int *status, sg_error *err)
{
    train_options *o = call->options;
    bool unlabelled = sg_projection_known(o->loss);
    if (!cli_need_args(call, 0, 0, "", err)) return false;
    if (!cli_need_out(o->out, "the folder of the run", err)) return false;
    if (!unlabelled && !is_loss(o->loss))
        return sg_fail(err, SG_ERR_USAGE, "--loss: there is no loss \"%s\"", o->loss);
    if (unlabelled && !cli_fit_check(call, o->loss, err)) return false;

    sg_dataset *ds;
    sg_split split;
    if (!cli_data_open(&ds, &split, &o->data, err)) return false;
    bool ok = unlabelled || sg_dataset_labels(ds)->classes;
    ok = ok ? train(o, call, status, ds, &split, err)
            : sg_fail(err, SG_ERR_USAGE,
                      "--data %s: no labels to train on (put the images of each class in a folder, or take "
                      "--loss itq)",
                      o->data.spec);
    cli_data_close(ds, &split);
    return ok;
}

#define AT(member) offsetof(train_options, member)
static const cli_option options[] = {
    {"out", 'o', CLI_TEXT, AT(out), "RUN",
     "folder of the run: best.safetensors, last.safetensors, train.jsonl", 0, 0},
    {NULL, 0, CLI_NEW_GROUP, 0, NULL, "data", 0, 0},
    CLI_DATA_OPTIONS(train_options, data),
    {NULL, 0, CLI_NEW_GROUP, 0, NULL, "network", 0, 0},
    {"arch", 0, CLI_TEXT, AT(arch), "ARCH",
     "a network from scratch, such as resnet18 (an unknown name lists all)", 0, 0},
    {"weights", 0, CLI_TEXT, AT(weights), "FILE",
     "start from a model, or with --arch from a PyTorch file or safetensors; another head is made new", 0, 0},
    {"bits", 0, CLI_COUNT, AT(bits), "K", "length of the code (default: 32)", 8, 1024},
    {"channels", 0, CLI_COUNT, AT(channels), "C", "1 (grey) or 3 (default: 3 where both go)", 1, 3},
    {"init", 0, CLI_TEXT, AT(init), "KIND", "he, xavier or torch (default: he)", 0, 0},
    CLI_PRECISION_OPTION(train_options, precision,
                         "f32, or that of\n" CLI_HELP_INDENT "the --weights model if it is signet's"),
    {NULL, 0, CLI_NEW_GROUP, 0, NULL, "pictures", 0, 0},
    CLI_INPUT_OPTIONS(train_options, input),
    {NULL, 0, CLI_NEW_GROUP, 0, NULL, "learning rule", 0, 0},
    {"rule", 0, CLI_TEXT, AT(rule), "RULE", "bp, usf, frsf, brsf or fa (default: bp)", 0, 0},
    {"feedback-scale", 0, CLI_TEXT, AT(scale), "KIND",
     "norm, norm-live, xavier, fan-in or he (default: norm; xavier after --init xavier)", 0, 0},
    {"exact-head", 0, CLI_FLAG, AT(exact_head), NULL, "the head sends its own weights down", 0, 0},
    {"head-only", 0, CLI_FLAG, AT(head_only), NULL, "the body stays as it is", 0, 0},
    {"frozen-bn", 0, CLI_FLAG, AT(frozen_bn), NULL, "batch-norm on running statistics (default: the batch's)",
     0, 0},
    {NULL, 0, CLI_NEW_GROUP, 0, NULL, "training", 0, 0},
    {"loss", 0, CLI_TEXT, AT(loss), "LOSS",
     "csq or dpsh for a hash, ce for a classifier; without labels itq, pca, pca-rr or lsh (default: csq)", 0,
     0},
    {"loss-option", 0, CLI_TEXTS, AT(loss_values), "NAME=X", "a weight of the loss, such as a=0.1", 0, 0},
    {"epochs", 0, CLI_COUNT, AT(epochs), "N", "passes over the training images (default: 10)", 1, 1e6},
    {"batch", 0, CLI_COUNT, AT(batch), "N", "images a step (default: 64)", 1, 65536},
    {"augment", 0, CLI_TEXTS, AT(augment), "A,...",
     "random changes: flip, and crop or resized-crop; or none (default: none)", 0, 0},
    {"crop-padding", 0, CLI_COUNT, AT(crop_padding), "N", "crop: black pixels on each side (default: 4)", 0,
     4096},
    {"crop-scale", 0, CLI_REAL, AT(crop_scale), "X",
     "resized-crop: least share of the picture's area (default: 0.08)", 0.001, 1},
    {"optimizer", 0, CLI_TEXT, AT(optimizer), "NAME", "adam or sgd (default: adam)", 0, 0},
    {"lr", 0, CLI_REAL, AT(lr), "X", "learning rate (default: 0.001)", 1e-12, 1e6},
    {"head-lr", 0, CLI_REAL, AT(head_lr), "X", "factor on the rate of the head (default: 1)", 1e-9, 1e9},
    {"momentum", 0, CLI_REAL, AT(momentum), "X", "of sgd (default: 0.9)", 0, 0.9999},
    {"weight-decay", 0, CLI_REAL, AT(weight_decay), "X", "added to the gradient (default: 0)", 0, 100},
    {"schedule", 0, CLI_TEXT, AT(schedule), "KIND", "constant, step or cosine (default: cosine)", 0, 0},
    {"gamma", 0, CLI_REAL, AT(gamma), "X", "step: factor on the rate (default: 0.1)", 1e-6, 1},
    {"every", 0, CLI_COUNT, AT(every), "N", "step: after so many epochs (default: 1)", 1, 1e6},
    {"warmup", 0, CLI_COUNT, AT(warmup), "N", "steps of linear warm-up (default: 0)", 0, 1e9},
    CLI_PROFILE_OPTIONS(train_options, profile),
    {"seed", 0, CLI_COUNT, AT(seed), "N", "of weights, order and feedback (default: 0)", 0, 1e15},
};

const cli_command cmd_train = {
    .name = "train",
    .summary = "train a hash or a classifier, or fine-tune a model by sign-symmetry",
    .usage = "(--arch ARCH | --weights FILE) --data DATA [--rule RULE] [--loss LOSS] [--bits K] -o RUN",
    .examples = "train --arch resnet20 --size 28 --channels 1 --data fashion-mnist --protocol full --loss ce "
                "--epochs 1 -o BASE\n"
                "train --weights BASE/best.safetensors --data fashion-mnist --rule usf --loss csq --bits 32 "
                "--epochs 3 -o HASH\n"
                "train --arch resnet20 --data folder:PHOTOS --loss csq -o RUN\n"
                "train --weights BASE/best.safetensors --data folder:UNSORTED --loss itq --bits 64 -o RUN\n"
                "train --arch resnet20 --data cifar10 --data-dir DIR --augment crop,flip -o RUN",
    .options = options,
    .noptions = sizeof options / sizeof *options,
    .options_size = sizeof(train_options),
    .defaults = set_defaults,
    .run = run,
};
