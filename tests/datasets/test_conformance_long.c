/* The conformance set beside the repository: JPEG, PNG, and files made to crash decoders, with a list of what each must
 * give, as stored and, in exif/, turned upright. */
#include "datasets/pictures.h"

#include <signet/progress.h>
#include <sys/resource.h>

#define FOLDER "../../shared/data/conformance"

#define SECONDS_MAX   5
#define MEMORY_MAX_KB (1 << 20)

/* SHA-256 of the bytes by sha256sum, as hex. */
static void sha256(char hex[65], const uint8_t *bytes, size_t nbytes)
{
    char path[] = "/tmp/signet-test-XXXXXX", command[64];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, nbytes), nbytes);
    close(fd);
    snprintf(command, sizeof command, "sha256sum %s", path);
    FILE *pipe = popen(command, "r");
    assert_int_equal(fscanf(pipe, "%64s", hex), 1);
    pclose(pipe);
    remove(path);
}

static bool check_pixels(const char *path, const sg_image *image, int width, int height, const char *digest)
{
    char hex[65];
    sha256(hex, image->pixels, image_nbytes(image));
    if (strcmp(hex, digest) == 0 && image->width == width && image->height == height) return true;
    print_error("%s: other pixels than the list's\n", path);
    return false;
}

/* A note that begins "orientation=N; oriented=WxH; oriented_rgb8=DIGEST;". */
static bool check_oriented(const char *path, const char *note)
{
    int orientation, width, height;
    char digest[65];
    if (sscanf(note, "orientation=%d; oriented=%dx%d; oriented_rgb8=%64[0-9a-f]", &orientation, &width,
               &height, digest) != 4)
        return true;
    sg_image image;
    assert_true(sg_image_load(&image, path, &(sg_decode_options){.channels = 3, .oriented = true}, NULL));
    bool ok = check_pixels(path, &image, width, height, digest);
    sg_image_clear(&image);
    return ok;
}

/* One line of the list: path, verdict, width, height, kind, note, digest. False and a word when it fails. */
static bool check(char *fields[7])
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", FOLDER, fields[0]);
    sg_image image;
    sg_error err = {0};
    double start = sg_now_seconds();
    bool decoded = sg_image_load(&image, path, &(sg_decode_options){.channels = 3}, &err);
    double seconds = sg_now_seconds() - start;
    bool ok = seconds < SECONDS_MAX;
    if (!ok) print_error("%s: took %.1f s\n", fields[0], seconds);
    if (decoded != (strcmp(fields[1], "accept") == 0) && strcmp(fields[1], "accept-or-refuse") != 0) {
        print_error("%s: %s, but it should be %s\n", fields[0], decoded ? "accepted" : err.message,
                    fields[1]);
        ok = false;
    }
    if (!decoded) return ok && err.message[0] && !image.pixels;
    if (strcmp(fields[6], "-") != 0)
        ok = check_pixels(path, &image, atoi(fields[2]), atoi(fields[3]), fields[6]) && ok;
    else if (strcmp(fields[1], "accept") == 0 &&
             (image.width != atoi(fields[2]) || image.height != atoi(fields[3]))) {
        print_error("%s: another size than the list's\n", path);
        ok = false;
    }
    sg_image_clear(&image);
    return check_oriented(path, fields[5]) && ok;
}

static void test_conformance(void **state)
{
    (void)state;
    size_t nbytes, n = 0, failed = 0, with_digest = 0;
    char *list = get_file(FOLDER "/list.tsv", &nbytes), *rest = NULL;
    strtok_r(list, "\n", &rest);
    for (char *line; (line = strtok_r(NULL, "\n", &rest)); n++) {
        char *fields[7];
        for (int i = 0; i < 7; i++) assert_non_null(fields[i] = strsep(&line, "\t"));
        failed += !check(fields);
        with_digest += strcmp(fields[6], "-") != 0;
    }
    sg_free(list);
    print_message("%zu files, %zu with a digest\n", n, with_digest);
    assert_int_equal(failed, 0);
    assert_true(n > 300);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    assert_in_range(usage.ru_maxrss, 1, MEMORY_MAX_KB);
}

int main(void)
{
    if (!sg_path_exists(FOLDER "/list.tsv")) {
        printf("skipped: the conformance set is not at %s\n", FOLDER);
        return 77;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_conformance)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
