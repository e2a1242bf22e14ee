#include "scratch.h"

#include <omp.h>
#include <sched.h>
#include <signet/cpu.h>

/* The words of the first "flags" line of /proc/cpuinfo, with a blank on both sides. */
static bool kernel_says(const char *flag)
{
    static char line[8192] = "";
    if (!*line) {
        FILE *file = fopen("/proc/cpuinfo", "r");
        assert_non_null(file);
        while (fgets(line, sizeof line - 1, file) && strncmp(line, "flags", 5) != 0) continue;
        fclose(file);
        strcpy(line + strcspn(line, "\n"), " ");
    }
    char word[64];
    snprintf(word, sizeof word, " %s ", flag);
    return strstr(line, word) != NULL;
}

static void test_features_against_the_kernel(void **state)
{
    (void)state;
    const sg_cpu *cpu = sg_cpu_features();
    bool avx512 = kernel_says("avx512f") && kernel_says("avx512bw") && kernel_says("avx512dq") &&
                  kernel_says("avx512vl");
    assert_int_equal(cpu->popcnt, kernel_says("popcnt"));
    assert_int_equal(cpu->avx2, kernel_says("avx2"));
    assert_int_equal(cpu->fma, kernel_says("fma"));
    assert_int_equal(cpu->avx512, avx512);
    assert_int_equal(cpu->avx512_bf16, avx512 && kernel_says("avx512_bf16"));
    assert_int_equal(cpu->avx512_fp16, avx512 && kernel_says("avx512_fp16"));
    assert_int_equal(cpu->avx512_vnni, avx512 && kernel_says("avx512_vnni"));
    assert_int_equal(cpu->avx512_vpopcntdq, avx512 && kernel_says("avx512_vpopcntdq"));
    assert_int_equal(strstr(sg_cpu_text(), "avx2") != NULL, cpu->avx2);
    assert_ptr_equal(sg_cpu_features(), cpu);
    assert_ptr_equal(sg_cpu_text(), sg_cpu_text());
}

static void test_count_respects_affinity(void **state)
{
    (void)state;
    cpu_set_t before, one;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    assert_int_equal(sg_cpu_count(), CPU_COUNT(&before));
    CPU_ZERO(&one);
    for (int i = 0; CPU_COUNT(&one) == 0; i++)
        if (CPU_ISSET(i, &before)) CPU_SET(i, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(sg_cpu_count(), 1);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
}

static void need_openmp(void)
{
#ifndef _OPENMP
    skip();
#endif
}

static void test_threads(void **state)
{
    (void)state;
    need_openmp();
    sg_threads_set(3);
    assert_int_equal(sg_threads(), 3);
    int inside = 0;
#pragma omp parallel
#pragma omp single
    inside = omp_get_num_threads();
    assert_int_equal(inside, 3);
    sg_threads_set(0);
    assert_int_equal(sg_threads(), sg_cpu_count());
}

static bool flushes(void)
{
    volatile float tiny = 1e-38f, half = 0.5f, denormal = 1e-40f;
    return tiny * half * half == 0 && denormal + denormal == 0;
}

static void test_denormals(void **state)
{
    (void)state;
    need_openmp();
    assert_false(flushes());
    sg_threads_set(4);
    sg_denormals_flush_all();
    int flushing = 0;
#pragma omp parallel reduction(+ : flushing)
    flushing += flushes();
    assert_int_equal(flushing, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_features_against_the_kernel),
        cmocka_unit_test(test_count_respects_affinity),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_denormals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
