#include "run_impl.h"

#include <errno.h>
#include <signet/file.h>
#include <signet/mem.h>
#include <string.h>
#include <unistd.h>

#define LOG_MAX ((size_t)256 << 20)

/* Does the last line of train.jsonl say that the run is finished? */
static bool is_finished(bool *finished, const char *path, sg_error *err)
{
    char *text;
    size_t nbytes;
    *finished = false;
    if (!sg_path_exists(path)) return true;
    if (!sg_file_read(&text, &nbytes, path, LOG_MAX, err)) return false;
    while (nbytes > 0 && text[nbytes - 1] == '\n') nbytes--;
    size_t start = nbytes;
    while (start > 0 && text[start - 1] != '\n') start--;
    sg_json *line;
    if (sg_json_parse(&line, text + start, nbytes - start, NULL)) {
        sg_json_bool(finished, sg_json_get(line, "finished"));
        sg_json_free(line);
    }
    sg_free(text);
    return true;
}

static bool discard(const char *path, sg_error *err)
{
    if (unlink(path) == 0 || errno == ENOENT) return true;
    return sg_fail_errno(err, errno, "%s: cannot remove", path);
}

/* An unfinished run is begun anew; a model that no run left here is not ours to remove. */
static bool check_models(const sg_run *run, const char *folder, sg_error *err)
{
    const char *found = sg_path_exists(run->best) ? run->best : sg_path_exists(run->last) ? run->last : NULL;
    if (!found || sg_path_exists(run->config)) return true;
    return sg_fail(err, SG_ERR_USAGE, "%s: holds no run, but %s; name another folder", folder,
                   sg_path_base(found));
}

bool sg_run_open(sg_run *run, const char *folder, sg_error *err)
{
    *run = (sg_run){.lines = SG_BUF_INIT};
    bool finished = false;
    bool ok = sg_path_join(&run->config, folder, "config", err) &&
              sg_path_join(&run->split, folder, "split.txt", err) &&
              sg_path_join(&run->log, folder, "train.jsonl", err) &&
              sg_path_join(&run->best, folder, "best.safetensors", err) &&
              sg_path_join(&run->last, folder, "last.safetensors", err) &&
              is_finished(&finished, run->log, err);
    if (ok && finished)
        ok = sg_fail(err, SG_ERR_USAGE, "%s: holds a finished run; name another folder or remove it", folder);
    ok = ok && check_models(run, folder, err) && sg_mkdirs(folder, err);
    if (ok) sg_out_sweep(folder);
    ok = ok && discard(run->log, err) && discard(run->best, err) && discard(run->last, err);
    if (!ok) sg_run_close(run);
    return ok;
}

void sg_run_close(sg_run *run)
{
    sg_free(run->config);
    sg_free(run->split);
    sg_free(run->log);
    sg_free(run->best);
    sg_free(run->last);
    sg_buf_clear(&run->lines);
    *run = (sg_run){.lines = SG_BUF_INIT};
}

bool sg_run_config(sg_run *run, const sg_kv *settings, sg_error *err)
{
    char *text = NULL;
    sg_json *config = sg_json_object();
    for (size_t i = 0; i < settings->n; i++) {
        const sg_kv_pair *pair = &settings->pairs[i];
        double number;
        int64_t whole;
        if (sg_parse_int(&whole, pair->value))
            sg_json_add_int(config, pair->key, whole);
        else if (sg_parse_float(&number, pair->value))
            sg_json_add_number(config, pair->key, number);
        else
            sg_json_add_string(config, pair->key, pair->value);
    }
    bool ok = sg_json_print(&text, config, true, err) && sg_file_write(run->config, text, strlen(text), err);
    sg_free(text);
    sg_json_free(config);
    return ok;
}

bool sg_run_line(sg_run *run, const sg_json *line, sg_error *err)
{
    char *text;
    if (!sg_json_print(&text, line, false, err)) return false;
    sg_buf_puts(&run->lines, text);
    sg_buf_puts(&run->lines, "\n");
    sg_free(text);
    if (!sg_buf_ok(&run->lines)) return sg_fail_memory(err, "train.jsonl");
    return sg_file_write(run->log, run->lines.data, run->lines.size, err);
}

bool sg_run_model(sg_run *run, sg_model *model, bool best, sg_error *err)
{
    return (!best || sg_model_save(model, run->best, err)) && sg_model_save(model, run->last, err);
}

bool sg_run_finish(sg_run *run, size_t epochs, size_t best_epoch, sg_error *err)
{
    sg_json *line = sg_json_object();
    sg_json_add_bool(line, "finished", true);
    sg_json_add_int(line, "epochs", (int64_t)epochs);
    sg_json_add_int(line, "best_epoch", (int64_t)best_epoch);
    bool ok = sg_run_line(run, line, err);
    sg_json_free(line);
    return ok;
}
