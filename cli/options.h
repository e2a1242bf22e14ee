/* The command line: one table of options that is both parser and help, one table of commands. */
#ifndef SIGNET_CLI_OPTIONS_H
#define SIGNET_CLI_OPTIONS_H

#include <signet/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
    CLI_FLAG,     /* bool */
    CLI_TEXT,     /* const char *, borrowed from argv */
    CLI_COUNT,    /* int64_t, within min and max */
    CLI_REAL,     /* double, within min and max; "8/255" is accepted */
    CLI_TEXTS,    /* cli_texts: may be repeated, and each value is parted at commas */
    CLI_PATHS,    /* cli_texts: may be repeated, values whole */
    CLI_REALS,    /* cli_reals: as CLI_TEXTS */
    CLI_NEW_GROUP /* only a heading of the help: help is its text */
} cli_kind;

#define CLI_LIST_MAX 64

typedef struct cli_texts {
    const char *items[CLI_LIST_MAX];
    size_t n;
    char *storage[CLI_LIST_MAX]; /* owned copies behind items that were parted */
    size_t nstorage;
} cli_texts;

typedef struct cli_reals {
    double items[CLI_LIST_MAX];
    size_t n;
} cli_reals;

typedef struct cli_option {
    const char *name; /* without the dashes; NULL in a short-only row */
    char letter;      /* 0: none */
    cli_kind kind;
    size_t offset; /* into the command's option struct */
    const char *argument;
    const char *help; /* says the default */
    double min, max;  /* CLI_COUNT and CLI_REAL; both 0: any */
} cli_option;

/* Options that every command has. */
typedef struct cli_common {
    bool help, quiet, verbose, portable;
    int64_t threads, max_pixels;
} cli_common;

typedef struct cli_command cli_command;

typedef struct cli_call {
    cli_common common;
    void *options;           /* the command's struct, filled */
    const char *const *args; /* operands in their order */
    size_t nargs;
    const cli_command *command;
    bool *given; /* of each of the command's options */
} cli_call;

struct cli_command {
    const char *name; /* "query", "index add" */
    const char *summary;
    const char *usage;    /* after "signet NAME" */
    const char *examples; /* lines, each without "signet " */
    const cli_option *options;
    size_t noptions;
    size_t options_size;
    void (*defaults)(void *options); /* NULL: all zero */
    bool (*run)(const cli_call *call, int *status,
                sg_error *err); /* *status is 0 before; 1: done with skips */
};

/* Parses argv[0 .. argc) for a command: fills call, whose args and options the caller frees by cli_call_clear. */
bool cli_parse(cli_call *call, const cli_command *command, int argc, char **argv, sg_error *err);
void cli_call_clear(cli_call *call, const cli_command *command);
/* Was the command's option of that name given, whatever its value? */
bool cli_given(const cli_call *call, const char *name);
void cli_help(FILE *out, const cli_command *command);

/* Exactly / at least so many operands, or SG_ERR_USAGE that shows the usage. */
bool cli_need_args(const cli_call *call, size_t min, size_t max, const char *what, sg_error *err);

extern const cli_command *const cli_commands[];
extern const size_t cli_ncommands;

#endif
