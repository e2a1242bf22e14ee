#include "zip_impl.h"

#include <signet/mem.h>
#include <sys/stat.h>
#include <zip.h>

struct sg_zip {
    zip_t *archive;
    char *path;
    size_t nbytes; /* of the archive's file */
};

static bool fail(const sg_zip *zip, size_t member, const char *why, sg_error *err)
{
    return sg_fail(err, SG_ERR_FORMAT, "%s: member '%s': %s", zip->path, sg_zip_name(zip, member), why);
}

bool sg_zip_open(sg_zip **out, const char *path, sg_error *err)
{
    int code;
    struct stat st;
    *out = NULL;
    sg_zip *zip = sg_calloc(1, sizeof *zip);
    if (!zip || !(zip->path = sg_strdup(path))) {
        sg_zip_close(zip);
        return sg_fail_memory(err, path);
    }
    zip->archive = zip_open(path, ZIP_RDONLY, &code);
    if (zip->archive && stat(path, &st) == 0) {
        zip->nbytes = (size_t)st.st_size;
        *out = zip;
        return true;
    }
    if (!zip->archive) {
        zip_error_t error;
        zip_error_init_with_code(&error, code);
        sg_fail(err, code == ZIP_ER_MEMORY ? SG_ERR_MEMORY : SG_ERR_FORMAT, "%s: not a sound zip archive: %s",
                path, zip_error_strerror(&error));
        zip_error_fini(&error);
    } else {
        sg_fail(err, SG_ERR_IO, "%s: cannot read", path);
    }
    sg_zip_close(zip);
    return false;
}

void sg_zip_close(sg_zip *zip)
{
    if (!zip) return;
    if (zip->archive) zip_discard(zip->archive);
    sg_free(zip->path);
    sg_free(zip);
}

size_t sg_zip_nbytes(const sg_zip *zip)
{
    return zip->nbytes;
}

size_t sg_zip_count(const sg_zip *zip)
{
    return (size_t)zip_get_num_entries(zip->archive, 0);
}

const char *sg_zip_name(const sg_zip *zip, size_t member)
{
    const char *name = zip_get_name(zip->archive, member, ZIP_FL_ENC_RAW);
    return name ? name : "";
}

bool sg_zip_find(size_t *member, const sg_zip *zip, const char *name)
{
    zip_int64_t found = zip_name_locate(zip->archive, name, ZIP_FL_ENC_RAW);
    *member = found < 0 ? 0 : (size_t)found;
    return found >= 0;
}

bool sg_zip_size(size_t *nbytes, const sg_zip *zip, size_t member, sg_error *err)
{
    zip_stat_t st;
    const zip_uint64_t needed = ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD;
    if (zip_stat_index(zip->archive, member, 0, &st) != 0 || (st.valid & needed) != needed)
        return fail(zip, member, zip_strerror(zip->archive), err);
    bool encrypted = st.valid & ZIP_STAT_ENCRYPTION_METHOD && st.encryption_method != ZIP_EM_NONE;
    if (st.comp_method != ZIP_CM_STORE || encrypted)
        return sg_fail(err, SG_ERR_UNSUPPORTED,
                       "%s: member '%s' is %s; torch.save stores members as they are", zip->path,
                       sg_zip_name(zip, member), encrypted ? "encrypted" : "compressed");
    if (st.size != st.comp_size || st.size > zip->nbytes) return fail(zip, member, "its size is a lie", err);
    *nbytes = (size_t)st.size;
    return true;
}

bool sg_zip_read(void *bytes, const sg_zip *zip, size_t member, size_t nbytes, sg_error *err)
{
    char rest;
    zip_file_t *file = zip_fopen_index(zip->archive, member, 0);
    if (!file) return fail(zip, member, zip_strerror(zip->archive), err);
    bool ok = true;
    for (size_t at = 0; ok && at < nbytes;) {
        zip_int64_t got = zip_fread(file, (char *)bytes + at, nbytes - at);
        if (got < 0)
            ok = fail(zip, member, zip_error_strerror(zip_file_get_error(file)), err);
        else if (got == 0)
            ok = fail(zip, member, "cut off", err);
        else
            at += (size_t)got;
    }
    /* The checksum is compared when the end is seen. */
    if (ok && zip_fread(file, &rest, 1) != 0)
        ok = fail(zip, member, zip_error_strerror(zip_file_get_error(file)), err);
    zip_fclose(file);
    return ok;
}
