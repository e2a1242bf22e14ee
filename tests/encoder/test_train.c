/* Training runs on a few made-up pictures: what a run leaves in its folder, that it learns under each rule, and that
 * the same run gives the same bytes. */
#include "pictures.h"

#include <math.h>
#include <signal.h>
#include <signet/cpu.h>
#include <signet/interrupt.h>
#include <signet/json.h>
#include <signet/train.h>
#include <sys/resource.h>

enum { EACH = 8, N = 3 * EACH };

typedef struct bench {
    sg_dataset *ds;
    sg_split split;
    sg_train_options options;
} bench;

static void bench_init(bench *b, const char *loss)
{
    b->ds = pictures_make("data", 32, EACH);
    b->split = pictures_split(b->ds);
    b->options =
        (sg_train_options){.epochs = 3, .batch = 10, .loss = loss, .schedule = {.name = "cosine"}, .seed = 1};
    assert_true(sg_optim_defaults(&b->options.optim, "adam", NULL));
    b->options.optim.lr = 3e-3f;
}

static void bench_clear(bench *b)
{
    sg_split_clear(&b->split);
    sg_dataset_close(b->ds);
}

static sg_model *model_make(const char *arch, sg_head head, const char *rule)
{
    const sg_net_spec spec = {.arch = arch,
                              .channels = 3,
                              .height = 32,
                              .width = 32,
                              .head = head,
                              .outputs = head == SG_HEAD_HASH ? 16 : 3,
                              .mean = {0.3f, 0.3f, 0.3f},
                              .std = {0.3f, 0.3f, 0.3f}};
    sg_model *model;
    sg_error err = {0};
    if (!sg_model_new(&model, &spec, NULL, &err) || !sg_params_init(model->params, "he", 3, &err))
        fail_msg("%s", err.message);
    sg_feedback_clear(&model->feedback);
    assert_true(sg_feedback_init(&model->feedback, rule, "norm", 3, model->params, NULL));
    return model;
}

static sg_train_result train(bench *b, sg_model *model, const sg_validate *validate, const char *run)
{
    sg_train_result result;
    sg_error err = {0};
    if (!sg_train_run(&result, model, b->ds, &b->split, &b->options, validate, run, &err))
        fail_msg("%s", err.message);
    return result;
}

/* train.jsonl's line (from 0) of a run. */
static sg_json *log_line(const char *run, size_t number)
{
    char path[256], *text, *line;
    size_t nbytes;
    sg_json *json;
    snprintf(path, sizeof path, "%s/train.jsonl", run);
    assert_true(sg_file_read(&text, &nbytes, path, 1 << 20, NULL));
    for (line = text; number > 0; number--) {
        line = strchr(line, '\n');
        assert_non_null(line);
        line++;
    }
    assert_true(sg_json_parse(&json, line, strcspn(line, "\n"), NULL));
    sg_free(text);
    return json;
}

static double number(const sg_json *json)
{
    double value = NAN;
    assert_true(sg_json_number(&value, json));
    return value;
}

/* ---- what a run leaves ---- */

static const double scores[] = {0.2, 0.7, 0.5};

static bool score_next(double *score, void *context, const sg_model *model, sg_error *err)
{
    (void)model, (void)err;
    *score = scores[(*(size_t *)context)++];
    return true;
}

static void test_folder(void **state)
{
    (void)state;
    bench b;
    bench_init(&b, "ce");
    size_t calls = 0;
    const sg_validate validate = {"accuracy", score_next, &calls};
    sg_model *model = model_make("lenet-cifar", SG_HEAD_CLASSIFIER, "usf");
    sg_train_result result = train(&b, model, &validate, "runs/first");
    assert_true(result.epochs == 3 && result.best_epoch == 2 && result.best_score == 0.7);
    assert_true(isfinite(result.last_loss) && result.images_per_second > 0);
    for (size_t e = 0; e < 3; e++) {
        sg_json *line = log_line("runs/first", e);
        assert_true(number(sg_json_get(line, "epoch")) == (double)e + 1);
        assert_true(number(sg_json_get(line, "step")) ==
                    2.0 * ((double)e + 1)); /* 24 images: two whole batches */
        assert_true(number(sg_json_get(line, "score")) == scores[e]);
        assert_string_equal(sg_json_string(sg_json_get(line, "score_name")), "accuracy");
        assert_true(number(sg_json_get(line, "loss")) > 0);
        assert_int_equal(sg_json_size(sg_json_get(line, "layers")), 5);
        const sg_json *layer = sg_json_at(sg_json_get(line, "layers"), 0);
        double angle = number(sg_json_get(layer, "angle"));
        assert_string_equal(sg_json_string(sg_json_get(layer, "name")), "conv1.weight");
        assert_true(angle > 30 && angle < 45); /* usf: 30 for uniform weights, 37.1 for normal ones */
        assert_true(fabs(number(sg_json_get(layer, "norm_ratio")) - 1) < 0.2);
        sg_json_free(line);
    }
    sg_json *end = log_line("runs/first", 3);
    assert_true(number(sg_json_get(end, "best_epoch")) == 2);
    sg_json_free(end);
    sg_model *best, *last;
    assert_true(sg_model_load(&best, "runs/first/best.safetensors", NULL));
    assert_true(sg_model_load(&last, "runs/first/last.safetensors", NULL));
    assert_string_equal(sg_kv_get(&best->notes, "epoch"), "2");
    assert_string_equal(sg_kv_get(&last->notes, "epoch"), "3");
    assert_string_equal(sg_kv_get(&last->notes, "loss"), "ce");
    assert_string_equal(sg_kv_get(&last->notes, "lr"), "0.003");
    assert_string_equal(sg_rule_name(last->feedback.rule), "usf");
    assert_memory_equal(last->params->block, model->params->block, model->params->size * sizeof(float));
    assert_memory_equal(last->feedback.scales, model->feedback.scales,
                        model->feedback.nscales * sizeof(float));
    sg_model_free(best);
    sg_model_free(last);
    sg_model_free(model);
    bench_clear(&b);
}

static void test_config(void **state)
{
    (void)state;
    bench b;
    bench_init(&b, "csq");
    b.options.epochs = 1;
    assert_true(sg_augment_parse(&b.options.augment, (const char *const[]){"flip", "crop"}, 2, NULL));
    sg_model *model = model_make("lenet-cifar", SG_HEAD_HASH, "frsf");
    assert_true(sg_kv_set(&model->notes, "parent", "abc", NULL));
    train(&b, model, NULL, "run");
    char *text;
    size_t nbytes;
    sg_json *config;
    assert_true(sg_file_read(&text, &nbytes, "run/split.txt", 1 << 20, NULL));
    assert_non_null(strstr(text, b.split.checksum));
    sg_free(text);
    assert_true(sg_file_read(&text, &nbytes, "run/config", 1 << 20, NULL));
    assert_true(sg_json_parse(&config, text, nbytes, NULL));
    static const char *const texts[][2] = {
        {"arch", "lenet-cifar"}, {"head", "hash"},      {"rule", "frsf"},
        {"loss", "csq"},         {"optimiser", "adam"}, {"schedule", "cosine"},
        {"protocol", "all"},     {"parent", "abc"},     {"augment", "crop,flip"}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_string_equal(sg_json_string(sg_json_get(config, texts[i][0])), texts[i][1]);
    assert_true(number(sg_json_get(config, "epochs")) == 1 && number(sg_json_get(config, "batch")) == 10);
    assert_true(number(sg_json_get(config, "lr")) == 0.003 && number(sg_json_get(config, "loss.a")) == 1e-4);
    assert_true(number(sg_json_get(config, "augment.padding")) == 4);
    assert_null(sg_json_get(config, "augment.scale"));
    assert_null(strstr(text, "/tmp"));
    sg_json_free(config);
    sg_free(text);
    assert_true(scratch_same("run/best.safetensors", "run/last.safetensors"));
    sg_model_free(model);
    bench_clear(&b);
}

static void test_same_bytes(void **state)
{
    (void)state;
    bench b;
    bench_init(&b, "dpsh");
    sg_threads_set(2);
    for (int i = 0; i < 3; i++) {
        static const char *const runs[] = {"one", "two", "three"};
        sg_model *model = model_make("lenet-cifar", SG_HEAD_HASH, "brsf");
        b.options.seed = i < 2 ? 1 : 2;
        b.options.loader_threads = i + 1;
        train(&b, model, NULL, runs[i]);
        sg_model_free(model);
    }
    assert_true(scratch_same("one/last.safetensors", "two/last.safetensors"));
    assert_true(scratch_same("one/best.safetensors", "two/best.safetensors"));
    assert_true(scratch_same("one/config", "two/config"));
    assert_false(scratch_same("one/last.safetensors", "three/last.safetensors"));
    sg_threads_set(1);
    bench_clear(&b);
}

/* ---- learning ---- */

static void test_rules(void **state)
{
    (void)state;
    static const struct {
        const char *loss, *rule;
        size_t epochs;
        double least; /* what the loss must fall to, as a share; dpsh first shrinks all outputs */
    } cases[] = {{"ce", "bp", 8, 0.8},     {"ce", "usf", 8, 0.8},   {"ce", "frsf", 8, 0.8},
                 {"ce", "brsf", 8, 0.8},   {"csq", "bp", 8, 0.8},   {"csq", "usf", 8, 0.8},
                 {"csq", "frsf", 8, 0.8},  {"csq", "brsf", 8, 0.8}, {"dpsh", "bp", 20, 0.95},
                 {"dpsh", "usf", 20, 0.95}};
    bench b;
    bench_init(&b, "ce");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char run[32];
        snprintf(run, sizeof run, "%s-%s", cases[i].loss, cases[i].rule);
        b.options.loss = cases[i].loss;
        b.options.epochs = cases[i].epochs;
        sg_model *model = model_make("lenet-cifar", sg_loss_head(cases[i].loss), cases[i].rule);
        sg_train_result result = train(&b, model, NULL, run);
        sg_json *first = log_line(run, 0);
        double before = number(sg_json_get(first, "loss"));
        if (!(result.last_loss < cases[i].least * before))
            fail_msg("%s: the loss went from %g to %g", run, before, result.last_loss);
        sg_json_free(first);
        sg_model_free(model);
    }
    bench_clear(&b);
}

/* Several labels an image: every picture is also of class 3, those of class 2 of class 0 too. */
static void test_several_labels(void **state)
{
    (void)state;
    bench b;
    bench_init(&b, "csq");
    sg_split_clear(&b.split);
    sg_dataset_close(b.ds);
    FILE *list = fopen("data/train.txt", "w");
    assert_non_null(list);
    for (unsigned i = 0; i < N; i++)
        fprintf(list, "class %u/%02u.png %d %d %d 1\n", i / EACH, i % EACH, i / EACH != 1, i / EACH == 1,
                i / EACH == 2);
    assert_int_equal(fclose(list), 0);
    assert_true(sg_dataset_open(&b.ds, "list:data", NULL, NULL));
    assert_non_null(sg_dataset_labels(b.ds)->rows);
    b.split = pictures_split(b.ds);
    b.options.epochs = 8;
    for (size_t i = 0; i < 2; i++) {
        static const char *const losses[] = {"csq", "dpsh"};
        b.options.loss = losses[i];
        sg_model *model = model_make("lenet-cifar", SG_HEAD_HASH, "bp");
        sg_train_result result = train(&b, model, NULL, losses[i]);
        sg_json *first = log_line(losses[i], 0);
        assert_true(result.last_loss < number(sg_json_get(first, "loss")));
        sg_json_free(first);
        sg_model_free(model);
    }
    bench_clear(&b);
}

static void check_body(const sg_model *model, const sg_params *before, bool all, bool statistics)
{
    for (size_t i = 0; i < before->ntensors; i++) {
        const sg_tensor *t = &before->tensors[i];
        size_t nbytes = t->size * sizeof(float);
        bool moved = memcmp(model->params->block + t->offset, before->block + t->offset, nbytes) != 0;
        if (moved != (t->head || (sg_tensor_learned(t) ? all : statistics))) fail_msg("%s", t->name);
    }
}

static void test_frozen(void **state)
{
    (void)state;
    bench b;
    bench_init(&b, "csq");
    b.options.epochs = 1;
    for (int i = 0; i < 3; i++) {
        static const char *const runs[] = {"all", "statistics", "head"};
        sg_params *before;
        sg_model *model = model_make("resnet20", SG_HEAD_HASH, "usf");
        assert_true(sg_params_copy(&before, model->params, NULL));
        b.options.frozen_bn = i == 1;
        b.options.head_only = i == 2;
        train(&b, model, NULL, runs[i]);
        check_body(model, before, i < 2, i == 0);
        sg_params_free(before);
        sg_model_free(model);
    }
    bench_clear(&b);
}

/* ---- what goes wrong ---- */

static void check_fails(bench *b, sg_model *model, const sg_validate *validate, const char *run, sg_code code,
                        const char *word)
{
    sg_train_result result;
    sg_error err = {0};
    assert_false(sg_train_run(&result, model, b->ds, &b->split, &b->options, validate, run, &err));
    if (!strstr(err.message, word)) fail_msg("'%s' is not in '%s'", word, err.message);
    assert_int_equal(err.code, code);
}

static bool interrupt_second(double *score, void *context, const sg_model *model, sg_error *err)
{
    (void)model, (void)err;
    size_t *calls = context;
    *score = (double)++*calls;
    if (*calls == 2) sg_interrupt_set(true);
    return true;
}

static void test_interrupted(void **state)
{
    (void)state;
    bench b;
    bench_init(&b, "ce");
    size_t calls = 0;
    const sg_validate validate = {"accuracy", interrupt_second, &calls};
    sg_model *model = model_make("lenet-cifar", SG_HEAD_CLASSIFIER, "bp");
    check_fails(&b, model, &validate, "run", SG_ERR_INTERRUPTED, "after 2 of 3 epochs");
    sg_interrupt_set(false);
    sg_model *last;
    assert_true(sg_model_load(&last, "run/last.safetensors", NULL));
    assert_string_equal(sg_kv_get(&last->notes, "epoch"), "2");
    sg_model_free(last);
    sg_json_free(log_line("run", 1));
    /* Such a folder may be used again, a finished one not. */
    b.options.epochs = 1;
    train(&b, model, NULL, "run");
    sg_json *line = log_line("run", 0);
    assert_true(number(sg_json_get(line, "epoch")) == 1);
    sg_json_free(line);
    check_fails(&b, model, NULL, "run", SG_ERR_USAGE, "finished run");
    assert_true(sg_model_load(&last, "run/last.safetensors", NULL));
    sg_model_free(last);
    sg_model_free(model);
    bench_clear(&b);
}

static bool validate_fails(double *score, void *context, const sg_model *model, sg_error *err)
{
    (void)score, (void)context, (void)model;
    return sg_fail(err, SG_ERR_IO, "the images are gone");
}

static void test_refusals(void **state)
{
    (void)state;
    bench b;
    bench_init(&b, "ce");
    const sg_train_options sound = b.options;
    const sg_validate broken = {"accuracy", validate_fails, NULL};
    sg_model *model = model_make("lenet-cifar", SG_HEAD_CLASSIFIER, "bp"), *hash;
    hash = model_make("lenet-cifar", SG_HEAD_HASH, "bp");
    check_fails(&b, hash, NULL, "run", SG_ERR_USAGE, "ce");
    b.options.loss = "dpsh";
    check_fails(&b, model, NULL, "run", SG_ERR_USAGE, "8");
    b.options.loss = "what";
    check_fails(&b, model, NULL, "run", SG_ERR_USAGE, "unknown loss");
    b.options = sound;
    b.options.batch = N + 1;
    check_fails(&b, model, NULL, "run", SG_ERR_USAGE, "24 images are less than a batch of 25");
    b.options.batch = 0;
    check_fails(&b, model, NULL, "run", SG_ERR_USAGE, "batch of 0");
    b.options = sound;
    b.options.schedule.name = "up";
    check_fails(&b, model, NULL, "run", SG_ERR_USAGE, "unknown schedule");
    b.options = sound;
    b.options.epochs = 0;
    check_fails(&b, model, NULL, "run", SG_ERR_USAGE, "no step");
    b.options = sound;
    b.options.optim.lr = -1;
    check_fails(&b, model, NULL, "run", SG_ERR_USAGE, "learning rate");
    b.options = sound;
    assert_false(sg_path_exists("run"));
    check_fails(&b, model, &broken, "run", SG_ERR_IO, "the images are gone");
    float *bias = model->params->block + sg_params_find(model->params, "fc2.bias")->offset;
    *bias = INFINITY;
    check_fails(&b, model, NULL, "run", SG_ERR_LIMIT, "the loss of step 1 (epoch 1) is");
    *bias = 0;
    scratch_put("file", "x", 1);
    check_fails(&b, model, NULL, "file/run", SG_ERR_IO, "file");
    b.options = sound;
    scratch_put("data/class 1/03.png", "broken", 6);
    check_fails(&b, model, NULL, "run", SG_ERR_FORMAT, "class 1/03.png");
    sg_model_free(hash);
    sg_model_free(model);
    bench_clear(&b);
}

static void test_unlabelled(void **state)
{
    (void)state;
    bench b;
    bench_init(&b, "csq");
    sg_dataset_close(b.ds);
    sg_image image;
    picture_draw(&image, 32, 0, 99);
    assert_true(sg_image_write_png(&image, "data/alone.png", NULL));
    sg_image_clear(&image);
    sg_model *model = model_make("lenet-cifar", SG_HEAD_HASH, "bp");
    assert_true(sg_dataset_open(&b.ds, "folder:data", NULL, NULL));
    assert_int_equal(sg_dataset_size(b.ds), N + 1);
    sg_split_clear(&b.split);
    b.split = pictures_split(b.ds);
    check_fails(&b, model, NULL, "run", SG_ERR_USAGE, "alone.png has no label");
    sg_model_free(model);
    bench_clear(&b);
}

static void test_full_disk(void **state)
{
    (void)state;
    bench b;
    bench_init(&b, "ce");
    sg_model *model = model_make("lenet-cifar", SG_HEAD_CLASSIFIER, "bp");
    struct rlimit before, small = {20000, 20000};
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    sg_train_result result;
    sg_error err = {0};
    bool ok = sg_train_run(&result, model, b.ds, &b.split, &b.options, NULL, "run", &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, handler);
    assert_false(ok);
    assert_int_equal(err.code, SG_ERR_IO);
    assert_non_null(strstr(err.message, "run/best.safetensors"));
    char **names;
    size_t n;
    assert_true(sg_dir_list(&names, &n, "run", NULL));
    assert_int_equal(n, 2); /* nothing half-written */
    assert_string_equal(names[0], "config");
    assert_string_equal(names[1], "split.txt");
    sg_names_free(names, n);
    sg_model_free(model);
    bench_clear(&b);
}

/* Every allocation of a whole run fails in turn. */
static void test_memory(void **state)
{
    (void)state;
    bench b;
    bench_init(&b, "ce");
    b.options.epochs = 1;
    b.options.loader_threads = 1;
    b.split.ntrain = 10;
    sg_model *model = model_make("lenet-cifar", SG_HEAD_CLASSIFIER, "usf");
    sg_train_result result;
    assert_survives_allocation_failures(
        sg_train_run(&result, model, b.ds, &b.split, &b.options, NULL, "run", &err));
    sg_model_free(model);
    bench_clear(&b);
}

int main(void)
{
    sg_threads_set(1); /* little work: waiting for each other would take longer */
    const struct CMUnitTest tests[] = {
        scratch_test(test_folder),      scratch_test(test_config),   scratch_test(test_same_bytes),
        scratch_test(test_rules),       scratch_test(test_frozen),   scratch_test(test_several_labels),
        scratch_test(test_interrupted), scratch_test(test_refusals), scratch_test(test_unlabelled),
        scratch_test(test_full_disk),   scratch_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
