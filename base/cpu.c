#include <signet/cpu.h>

#include <cpuid.h>
#include <immintrin.h>
#include <omp.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

/* Asked once, then read only. */
static pthread_once_t asked = PTHREAD_ONCE_INIT;
static sg_cpu features;
static char text[128];

static void add_word(bool there, const char *word)
{
    if (!there) return;
    if (text[0]) strcat(text, " ");
    strcat(text, word);
}

/* Not every compiler's __builtin_cpu_supports knows the name. */
static bool has_fp16(void)
{
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && d >> 23 & 1;
}

/* __builtin_cpu_supports also asks whether the system saves the wide registers. */
static void ask(void)
{
    __builtin_cpu_init();
    features.popcnt = __builtin_cpu_supports("popcnt");
    features.avx2 = __builtin_cpu_supports("avx2");
    features.fma = __builtin_cpu_supports("fma");
    features.avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    features.avx512_bf16 = features.avx512 && __builtin_cpu_supports("avx512bf16");
    features.avx512_fp16 = features.avx512 && has_fp16();
    features.avx512_vnni = features.avx512 && __builtin_cpu_supports("avx512vnni");
    features.avx512_vpopcntdq = features.avx512 && __builtin_cpu_supports("avx512vpopcntdq");
    add_word(features.popcnt, "popcnt");
    add_word(features.avx2, "avx2");
    add_word(features.fma, "fma");
    add_word(features.avx512, "avx512");
    add_word(features.avx512_bf16, "avx512_bf16");
    add_word(features.avx512_fp16, "avx512_fp16");
    add_word(features.avx512_vnni, "avx512_vnni");
    add_word(features.avx512_vpopcntdq, "avx512_vpopcntdq");
}

const sg_cpu *sg_cpu_features(void)
{
    pthread_once(&asked, ask);
    return &features;
}

const char *sg_cpu_text(void)
{
    pthread_once(&asked, ask);
    return text;
}

int sg_cpu_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return omp_get_num_procs();
    return CPU_COUNT(&set);
}

int sg_threads(void)
{
    return omp_get_max_threads();
}

void sg_threads_set(int n)
{
    omp_set_num_threads(n > 0 ? n : sg_cpu_count());
}

void sg_denormals_flush(void)
{
    _mm_setcsr(_mm_getcsr() | 0x8040); /* flush to zero, denormals are zero */
}

void sg_denormals_flush_all(void)
{
#pragma omp parallel
    sg_denormals_flush();
}
