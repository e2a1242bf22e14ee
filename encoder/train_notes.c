#include "train_impl.h"

static bool float_note(sg_kv *notes, const char *key, float value, sg_error *err)
{
    char text[32];
    sg_float_text(text, value);
    return sg_kv_set(notes, key, text, err);
}

static bool loss_notes(sg_kv *notes, const sg_loss *loss, sg_error *err)
{
    bool ok = sg_kv_set(notes, "loss", loss->kind->name, err);
    for (size_t i = 0; ok && i < SG_LOSS_VALUES && loss->kind->values[i].name; i++) {
        char key[64];
        snprintf(key, sizeof key, "loss.%s", loss->kind->values[i].name);
        ok = float_note(notes, key, loss->values[i], err);
    }
    return ok;
}

static bool optim_notes(sg_kv *notes, const sg_optim_options *o, sg_error *err)
{
    return sg_kv_set(notes, "optimiser", o->name, err) && float_note(notes, "lr", o->lr, err) &&
           float_note(notes, "weight_decay", o->weight_decay, err) &&
           float_note(notes, "momentum", o->momentum, err) && float_note(notes, "beta1", o->beta1, err) &&
           float_note(notes, "beta2", o->beta2, err) && float_note(notes, "eps", o->eps, err) &&
           float_note(notes, "head_lr", o->head_lr, err);
}

static bool schedule_notes(sg_kv *notes, const sg_schedule *s, sg_error *err)
{
    return sg_kv_set(notes, "schedule", s->name, err) && float_note(notes, "schedule.gamma", s->gamma, err) &&
           sg_kv_setf(notes, err, "schedule.every", "%zu", s->every) &&
           sg_kv_setf(notes, err, "schedule.warmup", "%zu", s->warmup);
}

bool sg_train_data_notes(sg_kv *notes, const sg_dataset *ds, const sg_split *split, sg_error *err)
{
    return sg_kv_set(notes, "data", sg_dataset_name(ds), err) &&
           sg_kv_set(notes, "protocol", split->protocol, err) &&
           sg_kv_set(notes, "split_checksum", split->checksum, err) &&
           sg_kv_setf(notes, err, "train_images", "%zu", split->ntrain) &&
           sg_kv_setf(notes, err, "val_images", "%zu", split->nval);
}

static bool augment_notes(sg_kv *notes, const sg_augment *a, sg_error *err)
{
    return sg_kv_set(notes, "augment", sg_augment_name(a), err) &&
           (a->crop != SG_CROP_RANDOM || sg_kv_setf(notes, err, "augment.padding", "%d", a->padding)) &&
           (a->crop != SG_CROP_RESIZED || float_note(notes, "augment.scale", (float)a->scale, err));
}

bool sg_train_notes(sg_kv *notes, const sg_trainer *t, const sg_dataset *ds, const sg_split *split,
                    sg_error *err)
{
    const sg_train_options *o = &t->options;
    return sg_train_data_notes(notes, ds, split, err) && loss_notes(notes, t->loss, err) &&
           optim_notes(notes, &o->optim, err) && schedule_notes(notes, &o->schedule, err) &&
           augment_notes(notes, &o->augment, err) && sg_kv_setf(notes, err, "epochs", "%zu", o->epochs) &&
           sg_kv_setf(notes, err, "batch", "%zu", o->batch) &&
           sg_kv_setf(notes, err, "seed", "%llu", (unsigned long long)o->seed) &&
           sg_kv_set(notes, "frozen_bn", o->frozen_bn ? "1" : "0", err) &&
           sg_kv_set(notes, "head_only", o->head_only ? "1" : "0", err);
}
