/* For tests of sync: an album of four pictures and a file that is none, and calls that must do. */
#ifndef SIGNET_TESTS_SYNCING_H
#define SIGNET_TESTS_SYNCING_H

#include "album.h"

#include <fcntl.h>

static inline sg_ingest_counts sync_by(const char *const *folders, size_t n, bool prune,
                                       const sg_ingest_options *options, char **notes)
{
    sg_error err = {0};
    sg_ingest_counts counts;
    size_t size;
    char *text = NULL;
    sg_ingest_options o = *options;
    o.note = gather_note;
    o.context = open_memstream(&text, &size);
    sg_index *index;
    if (!sg_index_open(&index, "idx", o.dry_run ? SG_INDEX_STORE : SG_INDEX_ENCODE, !o.dry_run, &err))
        fail_msg("%s", err.message);
    if (!sg_ingest_sync(&counts, index, folders, n, prune, &o, &err)) fail_msg("%s", err.message);
    sg_index_close(index);
    fclose(o.context);
    if (notes)
        *notes = text;
    else
        free(text);
    return counts;
}

static inline sg_ingest_counts sync_folder(const char *folder, bool prune, char **notes)
{
    return sync_by(&folder, 1, prune, &(sg_ingest_options){.threads = 2}, notes);
}

static inline void assert_lost(sg_ingest_counts c, uint64_t moved, uint64_t gone, uint64_t removed,
                               uint64_t kept)
{
    if (c.moved != moved || c.gone != gone || c.removed != removed || c.kept != kept)
        fail_msg("moved %d gone %d removed %d kept %d", (int)c.moved, (int)c.gone, (int)c.removed,
                 (int)c.kept);
}

static inline void assert_notes(char *notes, const char *want)
{
    assert_string_equal(notes, want);
    free(notes);
}

static inline void assert_noted(char *notes, const char *word)
{
    if (!strstr(notes, word)) fail_msg("'%s' lacks '%s'", notes, word);
    free(notes);
}

static inline void make_album(void)
{
    make_index();
    make_folder("album");
    make_folder("album/sub");
    put_picture("album/a.png", 1);
    put_picture("album/b.jpg", 2);
    put_picture("album/sub/c.png", 3);
    put_picture("album/sub/d.png", 4);
    scratch_put("album/notes.txt", "no image", 8);
    assert_counts(sync_folder("album", true, NULL), 4, 0, 0, 0, 0, 1);
    assert_listing(true, "1 a.png\n2 b.jpg\n3 c.png\n4 d.png\n");
}

static inline void set_time(const char *path, time_t seconds)
{
    const struct timespec times[2] = {{seconds, 0}, {seconds, 5}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

#endif
