/* A network file system, whose locks do not hold between machines, is refused with a word, before anything is made there. */
#include "reference.h"

#include <signet/store.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

static long pretended; /* the type that the file system seems to have; 0: its own */

int statfs(const char *path, struct statfs *fs)
{
    long rc = syscall(SYS_statfs, path, fs);
    if (rc == 0 && pretended) fs->f_type = pretended;
    return (int)rc;
}

static void assert_refused(bool done, const sg_error *err, const char *name)
{
    assert_false(done);
    assert_int_equal(err->code, SG_ERR_UNSUPPORTED);
    assert_non_null(strstr(err->message, "is on a network file system ("));
    assert_non_null(strstr(err->message, name));
}

static bool try_create(sg_error *err)
{
    sg_kv recipe = SG_KV_INIT;
    return sg_store_create("new", 64, FINGERPRINT, &recipe, "flat", NULL, false, NULL, NULL, err);
}

static void test_network(void **state)
{
    (void)state;
    static const struct {
        long type;
        const char *name;
    } cases[] = {{0x6969, "(NFS)"}, {0xff534d42, "(CIFS)"}, {0x01021997, "(9P)"}, {0x00c36400, "(Ceph)"}};
    create_store("idx", 64);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sg_error err = {0};
        sg_store *store;
        pretended = cases[i].type;
        assert_refused(sg_store_open(&store, "idx", false, 0, &err), &err, cases[i].name);
        assert_refused(sg_store_open(&store, "idx", true, 0, &err), &err, cases[i].name);
        assert_refused(try_create(&err), &err, cases[i].name);
        assert_int_equal(system("test \"$(ls -A)\" = idx"), 0);
        pretended = 0;
    }
    pretended = 0x65735546; /* FUSE, which is most often local */
    sg_store_close(open_store("idx", true));
    pretended = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {scratch_test(test_network)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
