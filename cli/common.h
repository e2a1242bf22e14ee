/* What several commands share: the data options, opening a model, going over images with a list of what was
 * skipped, JSON lines on standard output. */
#ifndef SIGNET_CLI_COMMON_H
#define SIGNET_CLI_COMMON_H

#include "options.h"

#include <signet/encoder.h>
#include <signet/json.h>
#include <signet/progress.h>
#include <signet/split.h>

typedef struct cli_data {
    const char *spec, *dir, *protocol;
    int64_t split_seed, query, train, database, val;
    bool skip_broken;
} cli_data;

#define CLI_DATA_DEFAULTS                                                                                    \
    {                                                                                                        \
        NULL, NULL, NULL, 0, SG_SPLIT_DEFAULT, SG_SPLIT_DEFAULT, SG_SPLIT_DEFAULT, SG_SPLIT_DEFAULT, false   \
    }

/* Where the second line of an option's help begins. */
#define CLI_HELP_INDENT "                              "

#define CLI_DATA_OPTIONS(type, member)                                                                       \
    {"data",   0,                                                                                            \
     CLI_TEXT, offsetof(type, member.spec),                                                                  \
     "DATA",   "cifar10, cifar100, fashion-mnist, folder:DIR or list:DIR",                                   \
     0,        0},                                                                                           \
        {"data-dir", 0,                                                                                      \
         CLI_TEXT,   offsetof(type, member.dir),                                                             \
         "DIR",      "where a named set's files lie, or what a list's paths are relative to",                \
         0,          0},                                                                                     \
        {"skip-broken",                                                                                      \
         0,                                                                                                  \
         CLI_FLAG,                                                                                           \
         offsetof(type, member.skip_broken),                                                                 \
         NULL,                                                                                               \
         "images that do not load are left out, by a look at all of them first (default: they end it)",      \
         0,                                                                                                  \
         0},                                                                                                 \
        CLI_SPLIT_OPTIONS(type, member)

#define CLI_SPLIT_OPTIONS(type, member)                                                                      \
    {"protocol",                                                                                             \
     0,                                                                                                      \
     CLI_TEXT,                                                                                               \
     offsetof(type, member.protocol),                                                                        \
     "NAME",                                                                                                 \
     "which images are query, train, database (default: the data's own):\n" CLI_HELP_INDENT                  \
     "cifar10-5000, cifar10-5000-in, cifar10-all, coco, fashion-mnist, flickr25k,\n" CLI_HELP_INDENT         \
     "folder, full, imagenet100, list, nuswide21",                                                           \
     0,                                                                                                      \
     0},                                                                                                     \
        {"split-seed",                                                                                       \
         0,                                                                                                  \
         CLI_COUNT,                                                                                          \
         offsetof(type, member.split_seed),                                                                  \
         "N",                                                                                                \
         "seed of the protocol's draw (default: 0)",                                                         \
         0,                                                                                                  \
         1e15},                                                                                              \
        {"query", 0, CLI_COUNT, offsetof(type, member.query), "N", "query images a class", 0, 1e9},          \
        {"train", 0, CLI_COUNT, offsetof(type, member.train), "N", "training images a class", 0, 1e9},       \
        {"database", 0, CLI_COUNT, offsetof(type, member.database), "N", "database images a class", 0, 1e9}, \
    {                                                                                                        \
        "val", 0, CLI_COUNT, offsetof(type, member.val), "N",                                                \
            "validation images a class; 0: none, the last epoch is kept", 0, 1e9                             \
    }

/* How pictures are brought to a new model. */
typedef struct cli_input {
    int64_t size, resize; /* 0, -1: not given */
    const char *filter, *decode, *orientation;
} cli_input;

#define CLI_INPUT_DEFAULTS                                                                                   \
    {                                                                                                        \
        .resize = -1                                                                                         \
    }

#define CLI_INPUT_OPTIONS(type, member)                                                                       \
    {"size",    0,                                                                                            \
     CLI_COUNT, offsetof(type, member.size),                                                                  \
     "N",       "input of N x N pixels (default: the architecture's usual)",                                  \
     8,         4096},                                                                                        \
        {"resize",  0,                                                                                        \
         CLI_COUNT, offsetof(type, member.resize),                                                            \
         "N",       "shorter side before the crop; 0: straight to N x N (default: the architecture's usual)", \
         0,         8192},                                                                                    \
        {"filter", 0,                                                                                         \
         CLI_TEXT, offsetof(type, member.filter),                                                             \
         "NAME",   "of the resize: bilinear or bicubic (default: bilinear)",                                  \
         0,        0},                                                                                        \
        {"decode", 0,                                                                                         \
         CLI_TEXT, offsetof(type, member.decode),                                                             \
         "HOW",    "scaled: a large JPEG at a fraction of its size; exact: all of it (default: scaled)",      \
         0,        0},                                                                                        \
    {                                                                                                         \
        "orientation", 0, CLI_TEXT, offsetof(type, member.orientation), "HOW",                                \
            "exif: turned upright; stored: as the pixels lie in the file (default: exif)", 0, 0               \
    }

/* How a model computes in this run. */
#define CLI_PRECISION_OPTION(type, member, usual)                                                            \
    {                                                                                                        \
        "precision", 0, CLI_TEXT, offsetof(type, member), "P",                                               \
            "f32, bf16, or auto: bf16 where it is faster here (default: " usual ")", 0, 0                    \
    }

/* Of an index. */
#define CLI_KIND_OPTION(type, member, more)                                                                  \
    {                                                                                                        \
        "kind", 0, CLI_TEXT, offsetof(type, member), "KIND",                                                 \
            "kind of search" more ": flat looks at all codes; mih takes buckets\n" CLI_HELP_INDENT           \
            "where they are quicker, as exact; ivf looks at a part of them: approximate",                    \
            0, 0                                                                                             \
    }
#define CLI_PARAM_OPTION(type, member)                                                                       \
    {                                                                                                        \
        "param", 0, CLI_TEXTS, offsetof(type, member), "KEY=VALUE",                                          \
            "of the kind: mih has tables, ivf lists and probes (default: by size)", 0, 0                     \
    }

/* Sets mean and std to ImageNet's, or their averages for grey pictures. */
void cli_normalisation(sg_net_spec *spec);
/* The ways of a new network's pictures where nothing is said: upright, large ones scaled, the shorter side brought to the
 * architecture's usual length (256 for an input of 224, and in proportion), or to the input's own. */
void cli_input_usual(sg_preprocess *pp, const char *arch);
/* Sets what was given. */
bool cli_input_set(sg_preprocess *pp, const cli_input *input, sg_error *err);

/* Opens the data and draws the split; both are the caller's. SG_ERR_USAGE without --data. */
bool cli_data_open(sg_dataset **ds, sg_split *split, const cli_data *data, sg_error *err);
/* Under --skip-broken: leaves out of the split what does not load for the model, listed on stderr; then *status is 1. */
bool cli_data_check(int *status, sg_split *split, const sg_dataset *ds, const cli_data *data,
                    const sg_preprocess *pp, const cli_call *call, sg_error *err);
void cli_data_close(sg_dataset *ds, sg_split *split);

/* Loads --model, SG_ERR_USAGE when it is missing; head NULL: any, else SG_ERR_MISMATCH with what it is instead. Its
 * pictures are held to --max-pixels. */
bool cli_model_load(sg_model **model, const cli_call *call, const char *path, const sg_head *head,
                    sg_error *err);

/* stderr, or NULL under --quiet: where progress and remarks go. */
FILE *cli_log(const cli_call *call);
/* One remark, "signet: ..." on cli_log. */
void cli_remark(const cli_call *call, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same on stderr even under --quiet. */
void cli_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* An input that failed. It is listed on stderr and skipped, which sets *status to 1; what ends the command instead is an
 * interrupt, lack of memory, or that it was the only one. */
bool cli_skip(int *status, const sg_error *why, bool only, sg_error *err);

/* A path or a name on standard output, on one line whatever bytes it has. */
void cli_print_text(const char *text);
/* -o: SG_ERR_USAGE when it is missing ("-o is missing: WHAT") or empty. */
bool cli_need_out(const char *out, const char *what, sg_error *err);
/* A file to write (NULL: none) must not lie in an index's folder, which is for the index's own: SG_ERR_USAGE. */
bool cli_need_outside(const char *file, const char *index, sg_error *err);
/* One line on standard output; takes json. */
bool cli_print_json(sg_json *json, sg_error *err);
bool cli_stdout_check(sg_error *err);

/* Preprocesses an image file for a model, or takes its pixels as they are stored (size and channels must be the
 * network's). planar
 * (C, H, W) bytes. */
bool cli_load_pixels(uint8_t *planar, const char *path, const sg_model *model, bool preprocessed,
                     sg_error *err);

/* "key=value" texts into kv; SG_ERR_USAGE names the option for one without "=". */
bool cli_key_values(sg_kv *kv, const cli_texts *texts, const char *option, sg_error *err);

#endif
