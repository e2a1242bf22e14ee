#include <math.h>
#include <signet/optim.h>
#include <string.h>

typedef struct schedule_kind {
    const char *name;
    double (*rate)(const sg_schedule *schedule, size_t step);
    bool (*check)(const sg_schedule *schedule, sg_error *err); /* of its own options; NULL when it has none */
} schedule_kind;

static double rate_constant(const sg_schedule *schedule, size_t step)
{
    (void)schedule, (void)step;
    return 1.0;
}

/* torch.optim.lr_scheduler.StepLR: times gamma at the end of each `every` epochs. */
static double rate_step(const sg_schedule *schedule, size_t step)
{
    return pow((double)schedule->gamma, (double)(step / schedule->steps_per_epoch / schedule->every));
}

static bool check_step(const sg_schedule *schedule, sg_error *err)
{
    if (schedule->every == 0) return sg_fail(err, SG_ERR_USAGE, "schedule step: every 0 epochs");
    if (!(schedule->gamma > 0.0f && schedule->gamma <= 1.0f))
        return sg_fail(err, SG_ERR_USAGE, "schedule step: gamma is %g; it must be above 0 and at most 1",
                       (double)schedule->gamma);
    return true;
}

/* Down to 0 along half a cosine (Loshchilov and Hutter 2017, without restarts), from the end of the warm-up. */
static double rate_cosine(const sg_schedule *schedule, size_t step)
{
    size_t total = schedule->steps_per_epoch * schedule->epochs;
    if (step < schedule->warmup) return 1.0;
    return 0.5 * (1.0 + cos(M_PI * (double)(step - schedule->warmup) / (double)(total - schedule->warmup)));
}

static const schedule_kind kinds[] = {
    {"constant", rate_constant, NULL},
    {"step", rate_step, check_step},
    {"cosine", rate_cosine, NULL},
};
static const char *const names[] = {"constant", "step", "cosine"};
#define NKINDS (sizeof kinds / sizeof *kinds)

const char *const *sg_schedule_names(size_t *n)
{
    *n = NKINDS;
    return names;
}

static const schedule_kind *find(const char *name)
{
    for (size_t i = 0; i < NKINDS; i++)
        if (strcmp(kinds[i].name, name) == 0) return &kinds[i];
    return NULL;
}

bool sg_schedule_check(const sg_schedule *schedule, sg_error *err)
{
    const schedule_kind *kind = find(schedule->name);
    if (!kind)
        return sg_fail(err, SG_ERR_USAGE, "unknown schedule '%s' (there are constant, step, cosine)",
                       schedule->name);
    if (schedule->steps_per_epoch == 0 || schedule->epochs == 0)
        return sg_fail(err, SG_ERR_USAGE, "schedule %s: there is no step to take", kind->name);
    if (schedule->warmup > 0 && schedule->warmup >= schedule->steps_per_epoch * schedule->epochs)
        return sg_fail(err, SG_ERR_USAGE, "schedule %s: a warm-up of %zu steps, and the whole run has %zu",
                       kind->name, schedule->warmup, schedule->steps_per_epoch * schedule->epochs);
    return kind->check ? kind->check(schedule, err) : true;
}

float sg_schedule_rate(const sg_schedule *schedule, size_t step)
{
    const schedule_kind *kind = find(schedule->name);
    SG_ASSERT(kind != NULL);
    double warm = step < schedule->warmup ? (double)(step + 1) / (double)schedule->warmup : 1.0;
    return (float)(warm * kind->rate(schedule, step));
}
