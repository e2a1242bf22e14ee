#include <signet/precision.h>

#include "onednn_impl.h"

#include <signet/cpu.h>
#include <string.h>

static const char *const names[] = {[SG_F32] = "f32", [SG_BF16] = "bf16"};
#define NNAMES (sizeof names / sizeof *names)

const char *sg_precision_name(sg_precision precision)
{
    return names[precision];
}

bool sg_precision_find(sg_precision *precision, const char *name)
{
    for (size_t i = 0; i < NNAMES; i++)
        if (strcmp(name, names[i]) == 0) {
            *precision = (sg_precision)i;
            return true;
        }
    return false;
}

bool sg_precision_supported(sg_precision precision)
{
    const dnnl_cpu_isa_t isa = dnnl_get_effective_cpu_isa();
    return precision == SG_F32 || (isa & dnnl_cpu_isa_avx512_core_bf16) == dnnl_cpu_isa_avx512_core_bf16;
}

/* Zen 4 multiplies bf16 at twice the rate of f32. Intel's processors from Sapphire Rapids on (known by their FP16) do so
 * only in AMX; where a hypervisor hides that, their AVX-512 bf16 takes 1.8 times as long as f32: ResNet-18, to encode
 * (docs/performance.md). */
bool sg_precision_pays(void)
{
    const dnnl_cpu_isa_t amx = dnnl_cpu_isa_avx512_core_amx;
    return sg_precision_supported(SG_BF16) &&
           (!sg_cpu_features()->avx512_fp16 || (dnnl_get_effective_cpu_isa() & amx) == amx);
}

bool sg_precision_parse(sg_precision *precision, const char *text, sg_error *err)
{
    if (strcmp(text, "auto") == 0) {
        *precision = sg_precision_pays() ? SG_BF16 : SG_F32;
        return true;
    }
    if (sg_precision_find(precision, text)) return true;
    return sg_fail(err, SG_ERR_USAGE, "unknown precision '%s' (there are auto, f32, bf16)", text);
}

bool sg_precision_check(sg_precision precision, sg_error *err)
{
    if (sg_precision_supported(precision)) return true;
    return sg_fail(err, SG_ERR_UNSUPPORTED,
                   "precision bf16: this processor (or --portable) has no AVX-512 with bf16; f32 would give "
                   "other codes");
}
