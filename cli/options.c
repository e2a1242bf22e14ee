#include "options.h"

#include <signet/kv.h>
#include <signet/mem.h>
#include <stdio.h>
#include <string.h>

static const cli_option common_options[] = {
    {"threads", 0, CLI_COUNT, offsetof(cli_common, threads), "N", "threads to use (default: all cores)", 0,
     1024},
    {"portable", 0, CLI_FLAG, offsetof(cli_common, portable), NULL,
     "same codes on every x86-64-v3 machine: kernels capped at AVX2", 0, 0},
    {"max-pixels", 0, CLI_COUNT, offsetof(cli_common, max_pixels), "N",
     "a picture of more pixels is refused unread (default: 200 million)", 1, 1e10},
    {"quiet", 'q', CLI_FLAG, offsetof(cli_common, quiet), NULL, "no progress, no remarks", 0, 0},
    {"verbose", 'v', CLI_FLAG, offsetof(cli_common, verbose), NULL, "more remarks", 0, 0},
    {"help", 'h', CLI_FLAG, offsetof(cli_common, help), NULL, "this help", 0, 0},
};
enum { NCOMMON = sizeof common_options / sizeof *common_options };

typedef struct found {
    const cli_option *option;
    void *base;
} found;

/* A row by its long name (of `length` bytes) or, with name NULL, by its letter. */
static found find(const cli_call *call, const cli_command *command, const char *name, size_t length,
                  char letter)
{
    for (int common = 0; common < 2; common++) {
        const cli_option *rows = common ? common_options : command->options;
        size_t n = common ? (size_t)NCOMMON : command->noptions;
        for (size_t i = 0; i < n; i++) {
            if (rows[i].kind == CLI_NEW_GROUP) continue;
            bool hit =
                name ? rows[i].name && strlen(rows[i].name) == length && !memcmp(rows[i].name, name, length)
                     : rows[i].letter && rows[i].letter == letter;
            if (hit) return (found){&rows[i], common ? (void *)&call->common : call->options};
        }
    }
    return (found){NULL, NULL};
}

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;
    return m < c ? m : c;
}

/* Levenshtein distance of short names; long ones are never near. */
static size_t edit_distance(const char *a, const char *b)
{
    enum { MAX = 32 };
    size_t na = strlen(a), nb = strlen(b), row[MAX + 1];
    if (na > MAX || nb > MAX) return MAX;
    for (size_t j = 0; j <= nb; j++) row[j] = j;
    for (size_t i = 1; i <= na; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            size_t above = row[j];
            row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[nb];
}

static bool fail_unknown(const cli_command *command, const char *arg, const char *name, sg_error *err)
{
    const char *nearest = NULL;
    size_t best = 3;
    for (int common = 0; common < 2; common++) {
        const cli_option *rows = common ? common_options : command->options;
        size_t n = common ? (size_t)NCOMMON : command->noptions;
        for (size_t i = 0; i < n; i++) {
            if (!rows[i].name || !name) continue;
            size_t distance = edit_distance(name, rows[i].name);
            if (distance < best) best = distance, nearest = rows[i].name;
        }
    }
    if (nearest)
        return sg_fail(err, SG_ERR_USAGE, "unknown option %s (did you mean --%s?); see signet %s --help", arg,
                       nearest, command->name);
    return sg_fail(err, SG_ERR_USAGE, "unknown option %s; see signet %s --help", arg, command->name);
}

static bool in_range(const cli_option *option, double value)
{
    return (option->min == 0 && option->max == 0) || (value >= option->min && value <= option->max);
}

static bool fail_value(const cli_option *option, const char *value, const char *wanted, sg_error *err)
{
    if (option->min == 0 && option->max == 0)
        return sg_fail(err, SG_ERR_USAGE, "--%s: \"%s\" is not %s", option->name, value, wanted);
    return sg_fail(err, SG_ERR_USAGE, "--%s: \"%s\" is not %s from %.12g to %.12g", option->name, value,
                   wanted, option->min, option->max);
}

static bool add_text(cli_texts *list, const cli_option *option, const char *text, sg_error *err)
{
    if (list->n == CLI_LIST_MAX)
        return sg_fail(err, SG_ERR_USAGE, "--%s: more than %d values", option->name, CLI_LIST_MAX);
    list->items[list->n++] = text;
    return true;
}

static bool add_parts(cli_texts *list, const cli_option *option, const char *value, sg_error *err)
{
    char *copy = sg_strdup(value);
    if (!copy) return sg_fail_memory(err, "options");
    if (list->nstorage == CLI_LIST_MAX) {
        sg_free(copy);
        return sg_fail(err, SG_ERR_USAGE, "--%s: more than %d values", option->name, CLI_LIST_MAX);
    }
    list->storage[list->nstorage++] = copy;
    for (char *part = copy, *next; part; part = next) {
        next = strchr(part, ',');
        if (next) *next++ = '\0';
        if (!*part) return sg_fail(err, SG_ERR_USAGE, "--%s: an empty value in \"%s\"", option->name, value);
        if (!add_text(list, option, part, err)) return false;
    }
    return true;
}

static bool set_value(const cli_option *option, void *base, const char *value, sg_error *err)
{
    void *at = (char *)base + option->offset;
    switch (option->kind) {
    case CLI_FLAG:
        *(bool *)at = true;
        return true;
    case CLI_TEXT:
        *(const char **)at = value;
        return true;
    case CLI_COUNT:
        if (!sg_parse_int(at, value) || !in_range(option, (double)*(int64_t *)at))
            return fail_value(option, value, "a whole number", err);
        return true;
    case CLI_REAL:
        if (!sg_parse_fraction(at, value) || !in_range(option, *(double *)at))
            return fail_value(option, value, "a number", err);
        return true;
    case CLI_PATHS:
        return add_text(at, option, value, err);
    case CLI_TEXTS:
        return add_parts(at, option, value, err);
    case CLI_REALS: {
        cli_texts parts = {.n = 0};
        cli_reals *list = at;
        bool ok = add_parts(&parts, option, value, err);
        for (size_t i = 0; ok && i < parts.n; i++) {
            double real;
            if (!sg_parse_fraction(&real, parts.items[i]) || !in_range(option, real))
                ok = fail_value(option, parts.items[i], "a number", err);
            else if (list->n == CLI_LIST_MAX)
                ok = sg_fail(err, SG_ERR_USAGE, "--%s: more than %d values", option->name, CLI_LIST_MAX);
            else
                list->items[list->n++] = real;
        }
        for (size_t i = 0; i < parts.nstorage; i++) sg_free(parts.storage[i]);
        return ok;
    }
    case CLI_NEW_GROUP:
        break;
    }
    SG_ASSERT(!"option kind");
    return false;
}

/* The option's value, and that it was given. */
static bool take(cli_call *call, found hit, const char *value, sg_error *err)
{
    if (hit.base == call->options) call->given[hit.option - call->command->options] = true;
    return set_value(hit.option, hit.base, value, err);
}

bool cli_given(const cli_call *call, const char *name)
{
    for (size_t i = 0; i < call->command->noptions; i++) {
        const char *own = call->command->options[i].name;
        if (own && strcmp(own, name) == 0) return call->given[i];
    }
    SG_ASSERT(!"an option of the command");
    return false;
}

/* "--name value" or "--name=value": *i moves past what was used. */
static bool parse_long(cli_call *call, const cli_command *command, int argc, char **argv, int *i,
                       sg_error *err)
{
    const char *name = argv[*i] + 2, *equals = strchr(name, '=');
    size_t length = equals ? (size_t)(equals - name) : strlen(name);
    found hit = find(call, command, name, length, 0);
    if (!hit.option) return fail_unknown(command, argv[*i], name, err);
    if (hit.option->kind == CLI_FLAG) {
        if (equals) return sg_fail(err, SG_ERR_USAGE, "--%s takes no value", hit.option->name);
        return take(call, hit, NULL, err);
    }
    if (equals) return take(call, hit, equals + 1, err);
    if (*i + 1 >= argc)
        return sg_fail(err, SG_ERR_USAGE, "--%s needs a value (%s)", hit.option->name, hit.option->argument);
    return take(call, hit, argv[++*i], err);
}

/* "-k 10", "-k10", "-qv". */
static bool parse_letters(cli_call *call, const cli_command *command, int argc, char **argv, int *i,
                          sg_error *err)
{
    for (const char *letter = argv[*i] + 1; *letter; letter++) {
        found hit = find(call, command, NULL, 0, *letter);
        if (!hit.option) return fail_unknown(command, argv[*i], NULL, err);
        if (hit.option->kind == CLI_FLAG) {
            if (!take(call, hit, NULL, err)) return false;
            continue;
        }
        if (letter[1]) return take(call, hit, letter + 1, err);
        if (*i + 1 >= argc)
            return sg_fail(err, SG_ERR_USAGE, "-%c needs a value (%s)", *letter, hit.option->argument);
        return take(call, hit, argv[++*i], err);
    }
    return true;
}

bool cli_parse(cli_call *call, const cli_command *command, int argc, char **argv, sg_error *err)
{
    *call = (cli_call){.options = sg_calloc(1, command->options_size),
                       .command = command,
                       .given = sg_calloc(command->noptions, sizeof *call->given)};
    const char **args = sg_alloc((size_t)argc, sizeof *args);
    call->args = args;
    bool ok = call->options && call->given && args ? true : sg_fail_memory(err, "options");
    if (ok && command->defaults) command->defaults(call->options);

    bool literal = false;
    for (int i = 0; ok && i < argc; i++) {
        if (literal || argv[i][0] != '-' || argv[i][1] == '\0')
            args[call->nargs++] = argv[i];
        else if (!strcmp(argv[i], "--"))
            literal = true;
        else if (argv[i][1] == '-')
            ok = parse_long(call, command, argc, argv, &i, err);
        else
            ok = parse_letters(call, command, argc, argv, &i, err);
    }
    if (!ok) cli_call_clear(call, command);
    return ok;
}

void cli_call_clear(cli_call *call, const cli_command *command)
{
    for (size_t i = 0; call->options && i < command->noptions; i++) {
        const cli_option *option = &command->options[i];
        if (option->kind != CLI_TEXTS) continue;
        cli_texts *list = (void *)((char *)call->options + option->offset);
        for (size_t j = 0; j < list->nstorage; j++) sg_free(list->storage[j]);
    }
    sg_free(call->given);
    sg_free(call->options);
    sg_free((void *)call->args);
    *call = (cli_call){.options = NULL};
}

bool cli_need_args(const cli_call *call, size_t min, size_t max, const char *what, sg_error *err)
{
    if (call->nargs < min) return sg_fail(err, SG_ERR_USAGE, "missing %s", what);
    if (call->nargs > max) return sg_fail(err, SG_ERR_USAGE, "unexpected argument \"%s\"", call->args[max]);
    return true;
}

static void help_rows(FILE *out, const cli_option *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char left[64];
        if (rows[i].kind == CLI_NEW_GROUP) {
            fprintf(out, "\n%s\n", rows[i].help);
            continue;
        }
        snprintf(left, sizeof left, "  %c%c%s--%s%s%s", rows[i].letter ? '-' : ' ',
                 rows[i].letter ? rows[i].letter : ' ', rows[i].letter ? ", " : "  ", rows[i].name,
                 rows[i].argument ? " " : "", rows[i].argument ? rows[i].argument : "");
        fprintf(out, strlen(left) < 29 ? "%-30s%s\n" : "%s\n                              %s\n", left,
                rows[i].help);
    }
}

void cli_help(FILE *out, const cli_command *command)
{
    fprintf(out, "signet %s: %s\n\n", command->name, command->summary);
    fputs("examples\n", out);
    for (const char *line = command->examples; *line;) {
        size_t length = strcspn(line, "\n");
        fprintf(out, "  signet %.*s\n", (int)length, line);
        line += length + (line[length] == '\n');
    }
    fprintf(out, "\nusage\n  signet %s %s\n\noptions\n", command->name, command->usage);
    help_rows(out, command->options, command->noptions);
    fputs("\nfor every command\n", out);
    help_rows(out, common_options, NCOMMON);
}
