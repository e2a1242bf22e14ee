/* Networks with ImageNet weights against PyTorch: logits and features of the golden pictures, and the five best classes of
 * photographs (tests/fixtures/encoder/top5.py), which are decoded, resized and cropped here. */
#include "base/scratch.h"

#include <math.h>
#include <signet/encoder.h>
#include <signet/file.h>
#include <signet/import.h>
#include <signet/npy.h>

#define DATA     "../../shared/data"
#define PICTURES 6
#define PHOTOS   60
#define NEAR                                                                                                 \
    0.005f /* logits that may change places: pixels differ by 1/255 here and there (JPEG decoders do) */

static const struct {
    const char *arch, *file;
    float scale; /* of its largest features */
} nets[] = {{"resnet18", "resnet18-imagenet-ktb65.8.pth", 10},
            {"resnet50", "resnet50-imagenet-ktb68.2.pth", 10},
            {"squeezenet1_0", "squeezenet1_0-imagenet-deepcompression.pth", 160}};
#define NNETS (sizeof nets / sizeof *nets)

static char folder[] = "/tmp/signet-weights-XXXXXX"; /* of the unpacked weights */

static int unpack(void **state)
{
    (void)state;
    char command[256];
    if (!mkdtemp(folder)) return -1;
    snprintf(command, sizeof command, "bash " DATA "/unpack %s weights >/dev/null", folder);
    return system(command);
}

static int remove_weights(void **state)
{
    (void)state;
    return nftw(folder, scratch_remove, 16, FTW_DEPTH | FTW_PHYS);
}

/* Takes the weights in; of features the last layer is passed over. */
static sg_model *model_of(size_t net, sg_head head)
{
    char path[128];
    sg_weights *weights;
    sg_import import;
    sg_model *model;
    sg_error err = {0};
    sg_net_spec spec = {.arch = nets[net].arch,
                        .channels = 3,
                        .height = 224,
                        .width = 224,
                        .head = head,
                        .mean = {0.485f, 0.456f, 0.406f},
                        .std = {0.229f, 0.224f, 0.225f}};
    snprintf(path, sizeof path, "%s/weights/%s", folder, nets[net].file);
    if (!sg_weights_open(&weights, path, &err)) fail_msg("%s", err.message);
    bool ok = head == SG_HEAD_FEATURES ? sg_model_new(&model, &spec, NULL, &err) &&
                                             sg_import_weights(&import, model, weights, &err)
                                       : sg_import_model(&model, &import, weights, &spec, NULL, 0, &err);
    if (!ok) fail_msg("%s", err.message);
    sg_import_clear(&import);
    sg_weights_close(weights);
    return model;
}

static void outputs(float *z, sg_encoder *encoder, const char *path)
{
    sg_error err = {0};
    sg_image image;
    const sg_decode_options options = {.channels = 3};
    if (!sg_image_load(&image, path, &options, &err) || !sg_encoder_image(encoder, z, &image, &err))
        fail_msg("%s", err.message);
    sg_image_clear(&image);
}

/* Bound absolute, on values of up to `scale`. */
static void check_golden(size_t net, sg_head head, const char *what, float bound)
{
    char path[256];
    sg_npy golden;
    sg_encoder *encoder;
    sg_error err = {0};
    sg_model *model = model_of(net, head);
    snprintf(path, sizeof path, DATA "/weights/golden/%s-%s.npy", nets[net].arch, what);
    if (!sg_npy_read(&golden, path, &err)) fail_msg("%s", err.message);
    assert_int_equal(golden.rows, PICTURES);
    assert_int_equal(golden.cols, sg_net_output_size(model->net));
    if (!sg_encoder_new(&encoder, model, 1, &err)) fail_msg("%s", err.message);
    float *z = malloc(golden.cols * sizeof *z), worst = 0;
    for (size_t i = 0; i < PICTURES; i++) {
        snprintf(path, sizeof path, DATA "/weights/golden/%zu.png", i);
        outputs(z, encoder, path);
        for (size_t k = 0; k < golden.cols; k++)
            worst = fmaxf(worst, fabsf(z[k] - ((const float *)golden.data)[i * golden.cols + k]));
    }
    print_message("%s %s: within %.2g\n", nets[net].arch, what, (double)worst);
    assert_true(worst <= bound);
    free(z);
    sg_encoder_free(encoder);
    sg_npy_clear(&golden);
    sg_model_free(model);
}

static void test_golden(void **state)
{
    (void)state;
    for (size_t net = 0; net < NNETS; net++) {
        check_golden(net, SG_HEAD_CLASSIFIER, "logits", 2e-4f);
        check_golden(net, SG_HEAD_FEATURES, "features", 2e-5f * nets[net].scale);
    }
}

/* Is the order of these five that of z, but for logits that are nearly equal? */
static bool near_enough(const float *z, size_t n, const size_t *five)
{
    for (size_t i = 0; i < 5; i++) {
        size_t above = 0; /* classes clearly above the i-th, which are not before it */
        for (size_t c = 0; c < n; c++) {
            bool before = false;
            for (size_t k = 0; k < i; k++) before |= five[k] == c;
            above += !before && z[c] > z[five[i]] + NEAR;
        }
        if (above > 0) return false;
    }
    return true;
}

static bool exactly(const float *z, size_t n, const size_t *five)
{
    for (size_t i = 0; i < 5; i++)
        for (size_t c = 0; c < n; c++) {
            bool before = false;
            for (size_t k = 0; k <= i; k++) before |= five[k] == c;
            if (!before && z[c] >= z[five[i]]) return false;
        }
    return true;
}

static void test_top5(void **state)
{
    (void)state;
    FILE *table = fopen("fixtures/encoder/top5.txt", "r");
    char arch[32], name[128], path[256];
    size_t five[5], equal = 0, near = 0;
    float gap, z[1000];
    sg_model *model = NULL;
    sg_encoder *encoder = NULL;
    assert_non_null(table);
    for (size_t line = 0; line < NNETS * PHOTOS; line++) {
        assert_int_equal(fscanf(table, "%31s %127s %zu %zu %zu %zu %zu %f", arch, name, &five[0], &five[1],
                                &five[2], &five[3], &five[4], &gap),
                         8);
        if (line % PHOTOS == 0) {
            sg_encoder_free(encoder);
            sg_model_free(model);
            model = model_of(line / PHOTOS, SG_HEAD_CLASSIFIER);
            model->preprocess.resize = 256;
            assert_true(sg_encoder_new(&encoder, model, 1, NULL));
        }
        assert_string_equal(arch, nets[line / PHOTOS].arch);
        snprintf(path, sizeof path, DATA "/photos/%s", name);
        outputs(z, encoder, path);
        if (exactly(z, 1000, five))
            equal++;
        else if (near_enough(z, 1000, five))
            near++;
        else
            print_error("%s %s: other classes than PyTorch's (its smallest distance is %g)\n", arch, name,
                        (double)gap);
    }
    fclose(table);
    sg_encoder_free(encoder);
    sg_model_free(model);
    print_message("five best classes: %zu equal, %zu but for logits within %g\n", equal, near, (double)NEAR);
    assert_int_equal(equal + near, NNETS * PHOTOS);
    assert_true(near <= 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden), cmocka_unit_test(test_top5)};
    if (access(DATA "/weights", R_OK) != 0) {
        printf("skipped: the ImageNet weights are not at " DATA "/weights\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, unpack, remove_weights);
}
