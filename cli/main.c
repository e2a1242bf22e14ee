#include "common.h"

#include <fcntl.h>
#include <signal.h>
#include <signet/codes.h>
#include <signet/cpu.h>
#include <signet/interrupt.h>
#include <signet/precision.h>
#include <signet/recipe.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_INTERRUPTED = 130 };

static void print_summary(FILE *out, const cli_command *command)
{
    fprintf(out, "  %-16s%s\n", command->name, command->summary);
}

static void print_overview(FILE *out)
{
    fputs("signet: image search by hash codes, whose robustness can be trusted\n\nexamples\n"
          "  signet train --arch resnet20 --data folder:PHOTOS --loss csq --bits 32 -o RUN\n"
          "  signet index create INDEX --model RUN/best.safetensors\n"
          "  signet index add INDEX PHOTOS\n"
          "  signet query INDEX PICTURE.jpg\n\ncommands (signet COMMAND --help)\n",
          out);
    for (size_t i = 0; i < cli_ncommands; i++) print_summary(out, cli_commands[i]);
}

static void print_version(void)
{
    const bool bf16 = sg_precision_supported(SG_BF16);
    printf("signet %s\nprocessor: %s\nnetwork kernels: %s%s (precision auto: %s)\nHamming kernel: %s\n",
           SIGNET_VERSION, sg_cpu_text(), sg_instruction_class(), bf16 ? ", bf16" : "",
           sg_precision_name(sg_precision_pays() ? SG_BF16 : SG_F32), sg_hamming_kernel());
}

/* What was printed must have arrived. */
static int finish_stdout(int status)
{
    if (!fflush(stdout) && !ferror(stdout)) return status;
    cli_warn("cannot write to standard output");
    return status == EXIT_DONE ? EXIT_FAILED : status;
}

/* Number of words of argv that name the command; 0: none. */
static size_t match(const cli_command *command, int argc, char **argv)
{
    const char *name = command->name;
    size_t words = 0;
    while (*name) {
        size_t length = strcspn(name, " ");
        if ((int)words >= argc || strlen(argv[words]) != length || memcmp(argv[words], name, length))
            return 0;
        words++;
        name += length + (name[length] == ' ');
    }
    return words;
}

static const cli_command *find_command(int argc, char **argv, size_t *words)
{
    for (size_t i = 0; i < cli_ncommands; i++)
        if ((*words = match(cli_commands[i], argc, argv))) return cli_commands[i];
    return NULL;
}

/* Is it a command of the group ("index add" of "index")? */
static bool of_group(const cli_command *command, const char *group)
{
    size_t length = strlen(group);
    return !strncmp(command->name, group, length) && command->name[length] == ' ';
}

static bool wants_help(const char *arg)
{
    return !strcmp(arg, "--help") || !strcmp(arg, "-h");
}

/* No command, but perhaps a group of them, whose help lists them. */
static int without_command(int argc, char **argv)
{
    bool group = false, help = argc > 1 && wants_help(argv[1]);
    for (size_t i = 0; i < cli_ncommands; i++) {
        if (!of_group(cli_commands[i], argv[0])) continue;
        group = true;
        if (help) print_summary(stdout, cli_commands[i]);
    }
    if (group && help) return finish_stdout(EXIT_DONE);
    if (!group)
        cli_warn("unknown command \"%s\"; see signet --help", argv[0]);
    else if (argc > 1 && argv[1][0] != '-')
        cli_warn("unknown command \"%s %s\"; see signet --help", argv[0], argv[1]);
    else
        cli_warn("\"%s\" needs one more word; see signet --help", argv[0]);
    return EXIT_USAGE;
}

static int report(const sg_error *err)
{
    fprintf(stderr, "signet: %s\n", err->message);
    if (err->code == SG_ERR_INTERRUPTED) return EXIT_INTERRUPTED;
    return err->code == SG_ERR_USAGE ? EXIT_USAGE : EXIT_FAILED;
}

static int run(const cli_command *command, int argc, char **argv)
{
    sg_error err = {SG_OK, ""};
    cli_call call;
    int status = EXIT_DONE;
    bool ok = true;
    if (!cli_parse(&call, command, argc, argv, &err)) return report(&err);
    if (call.common.help) {
        cli_help(stdout, command);
    } else {
        sg_threads_set((int)call.common.threads);
        ok = (!call.common.portable || sg_portable_set(&err)) && command->run(&call, &status, &err);
        if (!ok) status = report(&err);
    }
    cli_call_clear(&call, command);
    bool told = !ok && ferror(stdout); /* what could not be written is the error that was reported */
    return told ? status : finish_stdout(status);
}

/* A standard stream that was closed must not give its number to a file that is opened later: what is printed would go
 * into it. The number is held by what can be neither read nor written. */
static void hold_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0) open("/", O_PATH);
}

/* libgomp's threads spin at each barrier before they sleep: on a crowded machine training is six times slower for
 * it. Only the environment, read before main, sets how long: so the program sets it and starts itself again. */
static void spin_less(char **argv)
{
    if (getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT")) return;
    if (setenv("GOMP_SPINCOUNT", "1000", 1) == 0) execv("/proc/self/exe", argv);
}

int main(int argc, char **argv)
{
    spin_less(argv);
    argc--, argv++;
    hold_standard_streams();
    signal(SIGXFSZ, SIG_IGN); /* a write beyond the limit of a file's size fails instead */
    if (argc == 0) {
        print_overview(stderr);
        return EXIT_USAGE;
    }
    if (wants_help(argv[0]) || !strcmp(argv[0], "help")) {
        print_overview(stdout);
        return finish_stdout(EXIT_DONE);
    }
    if (!strcmp(argv[0], "--version")) {
        print_version();
        return finish_stdout(EXIT_DONE);
    }
    sg_interrupt_install();
    size_t words;
    const cli_command *command = find_command(argc, argv, &words);
    if (!command) return without_command(argc, argv);
    return run(command, argc - (int)words, argv + words);
}
