/* A model file's metadata, as lines "key=value": what they say of the network, and the network. */
#include "encoder/model_impl.h"
#include "fuzz.h"

#include <signet/mem.h>
#include <string.h>

void fuzz_model(const uint8_t *bytes, size_t nbytes)
{
    char *text = fuzz_text(bytes, nbytes), *rest = text;
    sg_kv meta = SG_KV_INIT;
    sg_net_spec spec;
    sg_net *net;
    for (char *key; (key = strsep(&rest, "\n"));) {
        char *value = key;
        strsep(&value, "=");
        if (value) SG_ASSERT(sg_kv_set(&meta, key, value, NULL));
    }
    if (sg_model_meta_spec(&spec, &meta, NULL) && sg_net_new(&net, &spec, NULL)) sg_net_free(net);
    sg_kv_clear(&meta);
    sg_free(text);
}
