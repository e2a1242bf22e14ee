/* The registry of attacks. */
#include "attack_impl.h"

#include <string.h>

/* One row an attack: sg_attack_NAME of attack_NAME.c. */
#define ATTACKS(row) row(hag) row(sdha) row(fgsm) row(pgd) row(noise)

#define TABLE(name) &sg_attack_##name,
#define NAME(name)  #name,
static const sg_attack *const attacks[] = {ATTACKS(TABLE)};
static const char *const names[] = {ATTACKS(NAME)};
#define NATTACKS (sizeof attacks / sizeof *attacks)

static const sg_attack *look_up(const char *name)
{
    for (size_t i = 0; i < NATTACKS; i++)
        if (strcmp(attacks[i]->name, name) == 0) return attacks[i];
    return NULL;
}

const sg_attack *sg_attack_find(const char *name, sg_error *err)
{
    const sg_attack *attack = look_up(name);
    if (attack == NULL) {
        char list[256] = "";
        for (size_t i = 0; i < NATTACKS; i++) {
            strncat(list, i == 0 ? "" : ", ", sizeof list - strlen(list) - 1);
            strncat(list, names[i], sizeof list - strlen(list) - 1);
        }
        sg_fail(err, SG_ERR_USAGE, "unknown attack '%s' (there are %s)", name, list);
    }
    return attack;
}

const char *const *sg_attack_names(size_t *n)
{
    *n = NATTACKS;
    return names;
}

bool sg_attack_needs_labels(const char *name)
{
    const sg_attack *attack = look_up(name);
    return attack != NULL && attack->needs_labels;
}

bool sg_attack_uses_gradient(const char *name)
{
    const sg_attack *attack = look_up(name);
    return attack != NULL && attack->uses_gradient;
}

bool sg_attack_check(const char *name, sg_head head, sg_error *err)
{
    const sg_attack *attack = sg_attack_find(name, err);
    if (attack == NULL) return false;
    if (head == SG_HEAD_HASH ? attack->hash != NULL : attack->classifier != NULL) return true;
    return sg_fail(err, SG_ERR_USAGE, "attack %s is for %s", attack->name,
                   head == SG_HEAD_HASH ? "classifiers; this model is a hash"
                                        : "hash models; this is a classifier");
}

bool sg_attack_defaults(sg_attack_options *options, const char *name, sg_error *err)
{
    const sg_attack *attack = sg_attack_find(name, err);
    if (attack == NULL) return false;
    *options = (sg_attack_options){.name = attack->name,
                                   .gradient = SG_GRADIENT_EXACT,
                                   .eps = 8.0 / 255,
                                   .iterations = attack->iterations};
    return true;
}
