/* A new store: made whole in a folder beside, then given its name. */
#include "folder_impl.h"
#include "store_impl.h"

#include <signet/mem.h>
#include <string.h>

#define MAP_START ((size_t)4 << 20) /* doubled whenever it is full */

/* The first transaction: empty tables, the head, the recipe, the search kind's params where there are any. */
static int write_tables(MDB_env *env, const sg_store_head *head, MDB_val recipe, MDB_val params)
{
    MDB_txn *txn;
    MDB_dbi tables[SG_TABLES];
    uint8_t record[SG_HEAD_NBYTES];
    sg_store_head first = *head;
    MDB_val head_key = {4, "head"}, recipe_key = {6, "recipe"}, search_key = {6, "search"};
    MDB_val value = {sizeof record, record};
    int rc = mdb_txn_begin(env, NULL, 0, &txn);
    if (rc != 0) return rc;
    first.txnid = mdb_txn_id(txn);
    sg_head_write(record, &first);
    for (int i = 0; rc == 0 && i < SG_TABLES; i++)
        rc = mdb_dbi_open(txn, sg_table_names[i], MDB_CREATE, &tables[i]);
    if (rc == 0) rc = mdb_put(txn, tables[SG_TABLE_META], &head_key, &value, 0);
    if (rc == 0) rc = mdb_put(txn, tables[SG_TABLE_META], &recipe_key, &recipe, 0);
    if (rc == 0 && params.mv_data) rc = mdb_put(txn, tables[SG_TABLE_META], &search_key, &params, 0);
    if (rc == 0) return mdb_txn_commit(txn);
    mdb_txn_abort(txn);
    return rc;
}

static bool make_data(const char *folder, const sg_store_head *head, MDB_val recipe, MDB_val params,
                      sg_error *err)
{
    MDB_env *env = NULL;
    if (!sg_store_reserve_lock(folder, NULL, err)) return false;
    int rc = mdb_env_create(&env);
    if (rc == 0) rc = mdb_env_set_maxdbs(env, SG_TABLES);
    if (rc == 0) rc = mdb_env_set_mapsize(env, MAP_START);
    if (rc == 0) rc = mdb_env_open(env, folder, 0, 0666);
    if (rc == 0) rc = write_tables(env, head, recipe, params);
    if (env) mdb_env_close(env);
    if (rc > 0) return sg_fail_errno(err, rc, "%s: cannot make the index", folder);
    return rc == 0 ? true
                   : sg_fail(err, SG_ERR_IO, "%s: cannot make the index: %s", folder, mdb_strerror(rc));
}

/* The folder, once its records are known. */
static bool make(const char *dir, const sg_store_head *head, MDB_val recipe, MDB_val params,
                 sg_store_fill fill, void *context, sg_error *err)
{
    sg_folder folder;
    if (!sg_folder_begin(&folder, dir, err)) return false;
    if (sg_store_check_place(folder.temporary, err) &&
        make_data(folder.temporary, head, recipe, params, err) &&
        (!fill || fill(context, folder.temporary, err)))
        return sg_folder_commit(&folder, err);
    sg_folder_abort(&folder);
    return false;
}

bool sg_store_create(const char *dir, size_t nbits, const char *fingerprint, const sg_kv *recipe,
                     const char *kind, const sg_kv *params, bool outputs, sg_store_fill fill, void *context,
                     sg_error *err)
{
    sg_store_head head = {.nbits = nbits, .next_id = 1, .generation = 1, .keeps_outputs = outputs};
    uint8_t *recipe_bytes = NULL, *params_bytes = NULL;
    size_t recipe_nbytes, params_nbytes = 0;
    if (!sg_bits_check((int64_t)nbits, err)) return false;
    if (!sg_unhex(head.fingerprint, SG_FINGERPRINT_NBYTES, fingerprint))
        return sg_fail(err, SG_ERR_USAGE, "'%s' is no fingerprint of a model", fingerprint);
    if (!sg_head_set_kind(&head, kind, err)) return false;
    bool ok = sg_texts_write(&recipe_bytes, &recipe_nbytes, recipe, err) &&
              (!params || params->n == 0 || sg_texts_write(&params_bytes, &params_nbytes, params, err)) &&
              make(dir, &head, (MDB_val){recipe_nbytes, recipe_bytes}, (MDB_val){params_nbytes, params_bytes},
                   fill, context, err);
    sg_free(recipe_bytes);
    sg_free(params_bytes);
    return ok;
}
