/* Commands that are killed, or that the system fails, at each call by which files change (tests/preload/faults.c), at
 * random moments, or at each allocation. Whatever happens: the index opens and verifies, what was in it is there under
 * its ids unless the command takes it out, nothing is there twice, all of it is from before or from after, and the
 * same command run again completes. A failure is one line and exit status 1. */
#ifndef SIGNET_TESTS_FAULTS_H
#define SIGNET_TESTS_FAULTS_H

#include "base/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <signet/file.h>
#include <signet/progress.h>
#include <signet/random.h>
#include <signet/store.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#define ARGUMENTS_MAX 12

/* A command, run in a folder that holds the index "idx", and "fit", whose pictures are all as they were; the pictures lie
 * beside that folder. */
typedef struct trial {
    const char *name;                     /* "index add" */
    const char *arguments[ARGUMENTS_MAX]; /* after it */
    const char *makes; /* the index that it makes, or changes; NULL: it changes "idx", if anything */
    enum {
        BATCHES, /* whole batches of it may be done */
        WHOLE,   /* all or nothing */
        READS    /* it changes nothing: to be killed does no harm */
    } way;
} trial;

static const trial trials[] = {
    {"index create", {"new", "--model", "../run/best.safetensors", "-q"}, "new", WHOLE},
    {"index add", {"idx", "../photos", "-q"}, NULL, BATCHES},
#ifdef SEVERAL_BATCHES
    {"index add", {"idx", "../many", "-q"}, NULL, BATCHES},
#endif
    {"index remove", {"idx", "../photos/1.png", "../photos/2.png", "--id", "7"}, NULL, WHOLE},
    {"index sync", {"idx", "../photos", "--prune", "-q"}, NULL, BATCHES},
    {"index rebuild", {"idx", "--kind", "mih", "-q"}, NULL, WHOLE},
    {"index rebuild", {"fit", "--encoder", "../longer/best.safetensors", "-q"}, "fit", WHOLE},
    {"index compact", {"idx", "-q"}, NULL, WHOLE},
    {"index copy", {"idx", "new", "-q"}, "new", WHOLE},
    {"index repair", {"idx", "-o", "new", "-q"}, "new", WHOLE},
    {"index merge", {"idx", "../other", "-q"}, NULL, BATCHES},
    {"index import", {"idx", "../other.jsonl", "-q"}, NULL, BATCHES},
    {"index relocate", {"idx", "../photos", "/elsewhere", "-q"}, NULL, WHOLE},
    {"index set", {"idx", "../photos", "--attribute", "label=some", "-q"}, NULL, WHOLE},
    {"index export", {"idx", "-o", "made.csv", "-q"}, NULL, READS},
    {"index dedupe", {"idx", "-q"}, NULL, READS},
    {"index verify", {"idx", "-q"}, NULL, READS},
    {"query", {"idx", "../photos/3.png", "-q"}, NULL, READS},
};
#define NTRIALS (sizeof trials / sizeof *trials)

/* --- what an index holds --- */

typedef struct entry {
    uint64_t id;
    char *path;
    uint8_t content[SG_CONTENT_NBYTES], code[SG_BITS_MAX / 8];
    uint64_t attributes; /* their sum */
} entry;

typedef struct holding {
    entry entries[4096];
    size_t n, code_nbytes;
    bool absent; /* there is no such folder */
} holding;

static inline bool take_entry(void *context, const sg_item *item, sg_error *err)
{
    (void)err;
    holding *h = context;
    assert_true(h->n < sizeof h->entries / sizeof *h->entries);
    entry *e = &h->entries[h->n++];
    *e = (entry){.id = item->id, .path = strdup(item->path)};
    memcpy(e->content, item->content, SG_CONTENT_NBYTES);
    memcpy(e->code, item->code, h->code_nbytes);
    e->attributes = sg_xxh3_64(item->attributes, item->attributes_nbytes);
    return true;
}

static inline void print_fault(void *context, const char *fault)
{
    (void)context;
    print_message("fault: %s\n", fault);
}

static inline void release(holding *h)
{
    for (size_t i = 0; h && i < h->n; i++) free(h->entries[i].path);
    free(h);
}

/* Opens it, verifies it, and takes all of it. what: for the message. */
static inline holding *look_into(const char *dir, const char *what)
{
    sg_error err = {0};
    sg_store *store;
    sg_store_info info;
    size_t faults;
    holding *h = calloc(1, sizeof *h);
    if ((h->absent = !sg_path_exists(dir))) return h;
    if (!sg_store_open(&store, dir, false, 0, &err)) fail_msg("%s: %s", what, err.message);
    if (!sg_store_verify(&faults, store, print_fault, NULL, &err)) fail_msg("%s: %s", what, err.message);
    if (faults > 0) fail_msg("%s: %zu faults", what, faults);
    assert_true(sg_store_info_get(&info, store, &err));
    h->code_nbytes = info.nbits / 8;
    sg_store_info_clear(&info);
    if (!sg_store_each(store, take_entry, h, &err)) fail_msg("%s: %s", what, err.message);
    sg_store_close(store);
    return h;
}

static inline const entry *find(const holding *h, const entry *like)
{
    for (size_t i = 0; i < h->n; i++) {
        const entry *e = &h->entries[i];
        if (strcmp(e->path, like->path) == 0 && e->attributes == like->attributes &&
            memcmp(e->content, like->content, SG_CONTENT_NBYTES) == 0 &&
            memcmp(e->code, like->code, h->code_nbytes) == 0)
            return e;
    }
    return NULL;
}

/* The same pictures; ids may differ. */
static inline bool equal(const holding *a, const holding *b)
{
    if (a->n != b->n || a->absent != b->absent) return false;
    for (size_t i = 0; i < a->n; i++)
        if (!find(b, &a->entries[i])) return false;
    return true;
}

/* now: found after a command that turns before into after was ended anywhere. */
static inline void assert_between(const holding *now, const holding *before, const holding *after, bool whole,
                                  const char *what)
{
    for (size_t i = 0; i < before->n; i++) {
        const entry *e = &before->entries[i], *kept = find(now, e);
        if (find(after, e) && !kept) fail_msg("%s: %s is lost", what, e->path);
        if (kept && kept->id != e->id) fail_msg("%s: %s has another id", what, e->path);
    }
    for (size_t i = 0; i < now->n; i++) {
        const entry *e = &now->entries[i];
        if (!find(before, e) && !find(after, e)) fail_msg("%s: what is %s?", what, e->path);
        for (size_t j = 0; j < i; j++)
            if (strcmp(now->entries[j].path, e->path) == 0) fail_msg("%s: %s is there twice", what, e->path);
    }
    if (whole && !equal(now, before) && !equal(now, after)) fail_msg("%s: half of it is done", what);
}

/* --- running --- */

typedef struct outcome {
    int status; /* of exit; -1: killed */
    size_t nlines;
    char line[1024]; /* the first of stderr */
    unsigned long calls;
    char call[32]; /* the name of the one that was met, "-": none */
} outcome;

static inline void shell(const char *command)
{
    int status = system(command);
    if (status != 0) fail_msg("%s: status %x", command, (unsigned)status);
}

static inline void start(const trial *t, const char *fault)
{
    char words[64], *argv[ARGUMENTS_MAX + 6] = {getenv("SIGNET")};
    size_t n = 1;
    snprintf(words, sizeof words, "%s", t->name);
    for (char *word = strtok(words, " "); word; word = strtok(NULL, " ")) argv[n++] = word;
    for (size_t i = 0; i < ARGUMENTS_MAX && t->arguments[i]; i++) argv[n++] = (char *)t->arguments[i];
    argv[n++] = "--threads";
    argv[n++] = "1";
    int out = open("out", O_WRONLY | O_CREAT | O_TRUNC, 0666);
    int err = open("err", O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (dup2(out, STDOUT_FILENO) < 0 || dup2(err, STDERR_FILENO) < 0 || chdir("work") != 0) _exit(99);
    setenv("OMP_WAIT_POLICY", "passive", 1);
    setenv("SIGNET_FAULT_NOTE", "../note", 1);
    if (fault) {
        setenv("SIGNET_FAULT", fault, 1);
        setenv("LD_PRELOAD", getenv("SIGNET_PRELOAD"), 1);
    }
    execv(argv[0], argv);
    _exit(99);
}

static inline void read_outcome(outcome *o, int status)
{
    o->status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL) o->status = -WTERMSIG(status);
    strcpy(o->call, "-");
    FILE *file = fopen("note", "r");
    if (file && fscanf(file, "%lu %31s", &o->calls, o->call) != 2) o->calls = 0;
    if (file) fclose(file);
    char line[1024];
    file = fopen("err", "r");
    while (file && fgets(line, sizeof line, file))
        if (o->nlines++ == 0) snprintf(o->line, sizeof o->line, "%s", line);
    if (file) fclose(file);
}

/* delay >= 0: killed after so many seconds. */
static inline outcome run_trial(const trial *t, const char *fault, double delay)
{
    outcome o = {0};
    int status;
    unlink("note");
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) start(t, fault);
    if (delay >= 0) {
        nanosleep(&(struct timespec){(time_t)delay, (long)((delay - (double)(time_t)delay) * 1e9)}, NULL);
        kill(child, SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    read_outcome(&o, status);
    return o;
}

static inline void renew_work(void)
{
    shell("rm -rf work && mkdir work && cp -a idx fit work/");
}

/* What a trial begins with and leads to. */
typedef struct course {
    const trial *trial;
    holding *before, *after, *idx; /* idx: where it makes another index */
    double seconds;
    char where[32]; /* "work/idx" */
} course;

static inline course undisturbed(const trial *t)
{
    course c = {.trial = t};
    snprintf(c.where, sizeof c.where, "work/%s", t->makes ? t->makes : "idx");
    renew_work();
    c.idx = look_into("work/idx", t->name);
    c.before = look_into(c.where, t->name);
    double begin = sg_now_seconds();
    outcome o = run_trial(t, NULL, -1);
    c.seconds = sg_now_seconds() - begin;
    if (o.status != 0) fail_msg("%s: status %d: %s", t->name, o.status, o.line);
    c.after = look_into(c.where, t->name);
    return c;
}

static inline void release_course(course *c)
{
    release(c->before);
    release(c->after);
    release(c->idx);
}

/* Whatever was disturbed: the index is sound, and (run_again) the command, run again, completes. */
static inline void assert_recovers(const course *c, bool run_again, const char *what)
{
    holding *now = look_into(c->where, what), *idx = look_into("work/idx", what);
    assert_between(now, c->before, c->after, c->trial->way != BATCHES, what);
    if (c->trial->makes && !equal(idx, c->idx)) fail_msg("%s: idx has changed", what);
    if (!run_again) {
        release(now);
        release(idx);
        return;
    }
    outcome again = run_trial(c->trial, NULL, -1);
    /* What is done already may be refused: the picture is no longer there, the new index is there. */
    if (again.status != 0 && !equal(now, c->after))
        fail_msg("%s: run again, status %d: %s", what, again.status, again.line);
    release(now);
    release(idx);
    now = look_into(c->where, what);
    if (!equal(now, c->after)) fail_msg("%s: run again, it does not complete", what);
    release(now);
    if (system("test -z \"$(find work -name '.*.tmp')\"") != 0) fail_msg("%s: something is left", what);
}

static inline void assert_failed_well(const course *c, const outcome *o, const char *what)
{
    bool cleaning = strcmp(o->call, "unlink") == 0 || strcmp(o->call, "unlinkat") == 0 ||
                    strcmp(o->call, "rmdir") == 0; /* the removal of something temporary */
    if (o->status != 0 && o->status != 1) fail_msg("%s: status %d: %s", what, o->status, o->line);
    if (o->status == 1 &&
        (o->nlines != 1 || strncmp(o->line, "signet: ", 8) != 0 || !strpbrk(o->line + 8, ":(")))
        fail_msg("%s: %zu lines: %s", what, o->nlines, o->line);
    if (!cleaning && system("test -z \"$(find work -name '.*.tmp')\"") != 0)
        fail_msg("%s: something is left", what);
    if (o->status != 0) return;
    holding *now = look_into(c->where, what);
    if (!equal(now, c->after)) fail_msg("%s: it says that all is well", what);
    release(now);
}

/* One fault at the n-th call; false when there are not so many. */
static inline bool disturb(const course *c, const char *kind, const char *action, int errnum, unsigned long n)
{
    char fault[64], what[160];
    renew_work();
    snprintf(fault, sizeof fault, "%s %s %d %lu", kind, action, errnum, n);
    outcome o = run_trial(c->trial, fault, -1);
    if (o.calls < n) return false;
    snprintf(what, sizeof what, "%s, %s (%s)", c->trial->name, fault, o.call);
    if (strcmp(action, "kill") == 0 || strcmp(action, "tear") == 0) {
        if (o.status != -1) fail_msg("%s: was not killed: status %d", what, o.status);
    } else {
        assert_failed_well(c, &o, what);
    }
    assert_recovers(c, strcmp(kind, "files") == 0, what); /* without memory nothing half done is left */
    return true;
}

/* At every call; of memory, behind the first thousand, at ever fewer, for a long run asks for it thousands of times and alike.
 * Returns how many were disturbed. */
static inline unsigned long disturb_all(const course *c, const char *kind, const char *action, int errnum)
{
    const bool fewer = strcmp(kind, "memory") == 0;
    unsigned long n = 1, done = 0;
    while (disturb(c, kind, action, errnum, n)) {
        n += fewer && n > 1000 ? 1 + n / 50 : 1;
        done++;
    }
    return done;
}

static inline void kill_at_random(const course *c, int times, sg_rng *rng)
{
    char what[64];
    for (int i = 0; i < times; i++) {
        double delay = c->seconds * 1.1 * sg_rng_below(rng, 1000) / 1000;
        renew_work();
        run_trial(c->trial, NULL, delay);
        snprintf(what, sizeof what, "%s, killed after %.4f s", c->trial->name, delay);
        assert_recovers(c, true, what);
    }
}

/* How many calls of a kind an undisturbed run makes. */
static inline unsigned long count_calls(const course *c, const char *kind)
{
    char fault[64];
    snprintf(fault, sizeof fault, "%s count 0 0", kind);
    renew_work();
    return run_trial(c->trial, fault, -1).calls;
}

/* --- the world: pictures, a model, an index of an earlier state of the pictures --- */

static inline void make_world(void)
{
    shell(
        "\"$SIGNET\" data export fashion-mnist --data-dir \"$SIGNET_SOURCE\"/tests/fixtures/datasets/idx"
        " --split train --train 3 --query 0 --database 0 --val 0 -q -o exported && "
        "\"$SIGNET\" train --arch resnet20 --size 8 --channels 1 --data folder:exported --val 0 --bits 16"
        " --epochs 1 --batch 8 --threads 1 -q -o run && mkdir photos && find exported -name '*.png' | sort | "
        "(i=0; while read -r f; do i=$((i + 1)); cp \"$f\" photos/$i.png; done)");
    shell("mkdir later && mv photos/2?.png later/ && \"$SIGNET\" index create idx --model "
          "run/best.safetensors -q && "
          "\"$SIGNET\" index add idx photos -q --threads 1 >out && "
          "mv later/* photos/ && rm photos/4.png photos/5.png && cp photos/20.png photos/6.png");
    shell("mkdir others && for i in 1 2 3 7 8; do cp photos/$i.png others/; done && "
          "\"$SIGNET\" index create other --model run/best.safetensors -q && "
          "\"$SIGNET\" index add other others -q --threads 1 >out && "
          "\"$SIGNET\" index export other -o other.jsonl -q");
    shell("\"$SIGNET\" index create fit --model run/best.safetensors -q && "
          "\"$SIGNET\" index add fit photos -q --threads 1 >out && \"$SIGNET\" train --weights "
          "run/best.safetensors --data folder:exported --val 0 --bits 24 --epochs 1 --batch 8 --threads 1 -q "
          "-o longer");
#ifdef SEVERAL_BATCHES
    shell("mkdir many && i=0 && while [ $i -lt 1100 ]; do i=$((i + 1)); ln photos/1.png many/$i.png; done");
#endif
}

/* Can this be tried here? Exits with a word when not. */
static inline void need_faults(void)
{
#if defined(__SANITIZE_ADDRESS__)
    puts("a sanitizer and a preloaded library do not go together");
    exit(77);
#endif
    if (!getenv("SIGNET") || !getenv("SIGNET_PRELOAD") || access(getenv("SIGNET_PRELOAD"), R_OK) != 0) {
        puts("SIGNET and SIGNET_PRELOAD name no program and no library");
        exit(77);
    }
    setenv("OMP_WAIT_POLICY", "passive", 1);
}

#endif
