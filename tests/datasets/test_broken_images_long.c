/* Thousands of broken pictures: small ones of every kind cut at every length, with every byte changed, with lies where
 * their sizes stand, with pieces lost, doubled and mixed. Each must give an image or an error of one line within 2
 * seconds and 1 GiB. Each seed has a process of its own, whose peak of memory tells of its worst picture. */
#include "datasets/transcode.h"

#include <dirent.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <zlib.h>

#define SECONDS_MAX   2.0 /* of the processor */
#define MEMORY_MAX_KB (1 << 20)
#define HANGS_SECONDS 60
#define MIXED         3000 /* random variants a seed */

/* Shared with the parent, which tells of a child that died. */
typedef struct report {
    char what[200];
    char slowest_what[200];
    size_t variants, accepted, failed;
    double slowest;
} report;

static report *now;

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static long peak_kb(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

/* Decodes a copy of the very size, so that the address sanitizer sees a read beyond it. */
__attribute__((format(printf, 3, 4))) static void try(const unsigned char *bytes, size_t nbytes,
                                                      const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(now->what, sizeof now->what, format, args);
    va_end(args);
    unsigned char *exact = malloc(nbytes ? nbytes : 1);
    memcpy(exact, bytes, nbytes);
    sg_image image = {.width = 5};
    sg_error err = {0};
    const sg_decode_options options = {.channels = now->variants % 2 ? 3 : 1,
                                       .oriented = true,
                                       .shorter_min = now->variants % 4 < 2 ? 0 : 4};
    double start = cpu_seconds();
    alarm(HANGS_SECONDS);
    bool decoded = sg_image_decode(&image, exact, nbytes, &options, &err);
    alarm(0);
    double seconds = cpu_seconds() - start;
    const char *complaint = NULL;
    if (seconds > SECONDS_MAX) complaint = "takes longer than 2 seconds";
    if (peak_kb() > MEMORY_MAX_KB) complaint = "takes more than 1 GiB";
    if (decoded && !(image.pixels && image.width > 0 && image.height > 0)) complaint = "gives no picture";
    if (!decoded && (image.pixels || !err.message[0] || strchr(err.message, '\n')))
        complaint = "gives no error";
    if (!decoded && err.code == SG_ERR_MEMORY) complaint = "asks for too much memory";
    if (complaint) print_error("%s: %s (%.2f s, %ld KB)\n", now->what, complaint, seconds, peak_kb());
    now->failed += complaint != NULL;
    if (peak_kb() > MEMORY_MAX_KB) _exit(1); /* the peak stays, and would be told of all that follow */
    if (seconds > now->slowest) {
        now->slowest = seconds;
        snprintf(now->slowest_what, sizeof now->slowest_what, "%s", now->what);
    }
    now->variants++;
    now->accepted += decoded;
    sg_image_clear(&image);
    free(exact);
}

/* PNG's check sums made right again, so that the change itself is what the decoder meets. */
static void repair(unsigned char *png, size_t nbytes)
{
    for (size_t at = 8; nbytes - at >= 12;) {
        size_t length =
            (size_t)png[at] << 24 | (size_t)png[at + 1] << 16 | (size_t)png[at + 2] << 8 | png[at + 3];
        if (length > nbytes - at - 12) return;
        uint32_t sum = (uint32_t)crc32(0, png + at + 4, (unsigned)length + 4);
        for (int i = 0; i < 4; i++) png[at + 8 + length + (size_t)i] = (unsigned char)(sum >> (24 - 8 * i));
        at += 12 + length;
    }
}

static bool is_png(const unsigned char *bytes, size_t nbytes)
{
    return nbytes >= 8 && memcmp(bytes, "\x89PNG", 4) == 0;
}

static void try_changed(unsigned char *bytes, size_t nbytes, const char *name, const char *change, size_t at)
{
    try(bytes, nbytes, "%s: %s at %zu", name, change, at);
    if (!is_png(bytes, nbytes)) return;
    unsigned char *repaired = malloc(nbytes);
    memcpy(repaired, bytes, nbytes);
    repair(repaired, nbytes);
    try(repaired, nbytes, "%s: %s at %zu, sums repaired", name, change, at);
    free(repaired);
}

static void try_cuts(const unsigned char *seed, size_t nbytes, const char *name)
{
    for (size_t n = 0; n < nbytes; n++) try(seed, n, "%s: the first %zu bytes", name, n);
}

/* Bytes overwritten at every place: flips, and the numbers that a size could be. */
static void try_overwritten(unsigned char *bytes, size_t nbytes, const char *name)
{
    static const struct {
        const char *what;
        unsigned char value[5]; /* one byte: of it the flipped bits */
        size_t n;
    } changes[] = {{"bits 01 flipped", {0x01}, 1},
                   {"bits 80 flipped", {0x80}, 1},
                   {"bits ff flipped", {0xff}, 1},
                   {"0", {0, 0, 0, 0}, 4},
                   {"ffff", {0xff, 0xff}, 2},
                   {"3fff", {0x3f, 0xff}, 2},
                   {"ffffffff", {0xff, 0xff, 0xff, 0xff}, 4},
                   {"ff3fff3f", {0xff, 0x3f, 0xff, 0x3f}, 4},
                   {"30003000", {0x30, 0x00, 0x30, 0x00}, 4},
                   {"00003000", {0x00, 0x00, 0x30, 0x00}, 4}};
    for (size_t at = 0; at < nbytes; at++)
        for (size_t c = 0; c < sizeof changes / sizeof *changes; c++) {
            size_t n = changes[c].n < nbytes - at ? changes[c].n : nbytes - at;
            unsigned char kept[4];
            memcpy(kept, bytes + at, n);
            if (changes[c].n == 1)
                bytes[at] ^= changes[c].value[0];
            else
                memcpy(bytes + at, changes[c].value, n);
            try_changed(bytes, nbytes, name, changes[c].what, at);
            memcpy(bytes + at, kept, n);
        }
}

static uint32_t draw(uint32_t *state, size_t below)
{
    *state = *state * 1664525 + 1013904223;
    return (uint32_t)(((uint64_t)*state * below) >> 32);
}

/* A few of: a byte changed, a piece lost, doubled or moved. */
static void try_mixed(const unsigned char *seed, size_t nbytes, const char *name)
{
    unsigned char *bytes = malloc(2 * nbytes);
    uint32_t state = 7;
    for (size_t i = 0; i < MIXED; i++) {
        memcpy(bytes, seed, nbytes);
        size_t size = nbytes;
        for (uint32_t changes = 1 + draw(&state, 6); changes > 0; changes--) {
            size_t at = draw(&state, size), n = draw(&state, size - at < 40 ? size - at : 40);
            switch (draw(&state, 6)) {
            case 0: /* lost */
                memmove(bytes + at, bytes + at + n, size - at - n);
                size -= n;
                break;
            case 1: /* doubled */
                if (size + n > 2 * nbytes) break;
                memmove(bytes + at + n, bytes + at, size - at);
                size += n;
                break;
            case 2: /* over another place */
                memmove(bytes + draw(&state, size - n), bytes + at, n);
                break;
            default:
                bytes[at] = (unsigned char)draw(&state, 256);
            }
            if (size == 0) size = 1;
        }
        try_changed(bytes, size, name, "mixed", i);
    }
    free(bytes);
}

static void try_all(unsigned char *seed, size_t nbytes, const char *name)
{
    try_cuts(seed, nbytes, name);
    try_overwritten(seed, nbytes, name);
    try_mixed(seed, nbytes, name);
}

static size_t total, accepted, failed;
static report slowest;

/* All variants in a process of their own. */
static void run_seed(const unsigned char *bytes, size_t nbytes, const char *name)
{
    memset(now, 0, sizeof *now);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        unsigned char *seed = malloc(nbytes);
        memcpy(seed, bytes, nbytes);
        try_all(seed, nbytes, name);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        print_error("%s: the process ended early (status %x)\n", now->what, (unsigned)status);
        now->failed++;
    }
    total += now->variants;
    accepted += now->accepted;
    failed += now->failed;
    if (now->slowest > slowest.slowest) slowest = *now;
}

/* Every picture of a folder of fixtures; JPEG files also as they are with arithmetic coding and restarts. */
static void run_folder(const char *folder)
{
    DIR *dir = opendir(fixture(folder));
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        char path[300];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] == '.' || strstr(path, ".ppm") || strstr(path, ".pgm") || strstr(path, ".txt"))
            continue;
        size_t nbytes;
        char *bytes = get_file(fixture(path), &nbytes);
        run_seed((unsigned char *)bytes, nbytes, path);
        if (strstr(path, ".jpg")) {
            unsigned long other_nbytes;
            unsigned char *other = transcode(&other_nbytes, bytes, nbytes, true, false, 2);
            strcat(path, " in arithmetic coding");
            run_seed(other, other_nbytes, path);
            free(other);
        }
        sg_free(bytes);
    }
    closedir(dir);
}

static void test_broken_images(void **state)
{
    (void)state;
    static const char *const folders[] = {"images", "oriented", "webp", "heif"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) run_folder(folders[i]);
    print_message("%zu broken pictures, %zu of them accepted; the slowest took %.3f s (%s)\n", total,
                  accepted, slowest.slowest, slowest.slowest_what);
    assert_int_equal(failed, 0);
    assert_true(total > 100000);
}

int main(void)
{
    fixture("");
    now = mmap(NULL, sizeof *now, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (now == MAP_FAILED) return 1;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_broken_images)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
