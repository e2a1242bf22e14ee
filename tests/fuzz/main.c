/* Runs the targets. Alone, each over the files that lie in DIR/NAME, which were found to be hard on it, or make a start:
 *     fuzz DIR
 * Built in the preset `fuzz`, libFuzzer drives the one that the environment names:
 *     TARGET=json build/fuzz/tests/fuzz -max_total_time=60 /tmp/found tests/corpus/json
 * It keeps in /tmp/found what reaches something new, and in the working folder what a target dies of. */
#include "fuzz.h"

#include <ftw.h>
#include <signet/file.h>
#include <signet/mem.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct target {
    const char *name;
    void (*run)(const uint8_t *bytes, size_t nbytes);
} target;

#define ROW(name) {#name, fuzz_##name},
static const target targets[] = {FUZZ_TARGETS(ROW)};
#define NTARGETS (sizeof targets / sizeof *targets)

/* --- for targets --- */

static char folder[] = "/tmp/signet-fuzz-XXXXXX";
static bool has_folder;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static void remove_folder(void)
{
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *fuzz_folder(void)
{
    if (!has_folder) {
        SG_ASSERT(mkdtemp(folder));
        has_folder = true;
        atexit(remove_folder);
    }
    return folder;
}

char *fuzz_file(const char *name, const void *bytes, size_t nbytes)
{
    char *path;
    SG_ASSERT(sg_path_join(&path, fuzz_folder(), name, NULL));
    FILE *file = fopen(path, "wb");
    SG_ASSERT(file && fwrite(bytes, 1, nbytes, file) == nbytes && fclose(file) == 0);
    return path;
}

char *fuzz_text(const uint8_t *bytes, size_t nbytes)
{
    char *text = sg_calloc(nbytes + 1, 1);
    SG_ASSERT(text);
    memcpy(text, bytes, nbytes);
    return text;
}

/* --- running --- */

#ifdef SIGNET_FUZZ

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t nbytes);

static const target *chosen(void)
{
    const char *name = getenv("TARGET");
    for (size_t i = 0; name && i < NTARGETS; i++)
        if (strcmp(targets[i].name, name) == 0) return &targets[i];
    fputs("TARGET in the environment names one of:", stderr);
    for (size_t i = 0; i < NTARGETS; i++) fprintf(stderr, " %s", targets[i].name);
    fputs("\n", stderr);
    exit(2);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t nbytes)
{
    static const target *target;
    if (!target) target = chosen();
    target->run(bytes, nbytes);
    return 0;
}

#else

/* A copy of the very size, so that the address sanitizer sees a read beyond it. */
static void run_file(const target *t, const char *path)
{
    char *bytes;
    size_t nbytes;
    sg_error err = {0};
    if (!sg_file_read(&bytes, &nbytes, path, SIZE_MAX, &err)) {
        fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
    uint8_t *exact = sg_memdup(bytes, nbytes);
    SG_ASSERT(exact);
    sg_free(bytes);
    printf("%s %s\n", t->name, sg_path_base(path));
    fflush(stdout); /* the last line names what it dies of */
    t->run(exact, nbytes);
    sg_free(exact);
}

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 2 && i < NTARGETS; i++) {
        char *dir, *path, **names;
        size_t n;
        sg_error err = {0};
        SG_ASSERT(sg_path_join(&dir, argv[1], targets[i].name, NULL));
        if (!sg_dir_list(&names, &n, dir, &err)) {
            fprintf(stderr, "%s\n", err.message);
            return 1;
        }
        for (size_t k = 0; k < n; k++) {
            SG_ASSERT(sg_path_join(&path, dir, names[k], NULL));
            run_file(&targets[i], path);
            sg_free(path);
        }
        sg_names_free(names, n);
        sg_free(dir);
    }
    return argc == 2 ? 0 : 2;
}

#endif
