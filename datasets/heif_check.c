#include "heif_impl.h"

#include <signet/mem.h>
#include <string.h>

/* Far above real files: a picture of 100 megapixels in tiles of 512 x 512 has 400 items. */
#define ITEMS_MAX             ((size_t)4096)
#define PROPERTIES_MAX        ((size_t)32768) /* their numbers have 15 bits */
#define REFERENCES_MAX_NBYTES ((size_t)1 << 16)
#define DEPTH_MAX             8
/* Tiles overlap the edges of what they make, and there may be alpha beside the colours. */
#define COST_FACTOR 3

typedef struct item {
    uint64_t id;
    sg_span type;       /* four letters */
    sg_span data;       /* its only extent */
    bool many;          /* extents, that is */
    sg_coded_size size; /* of the coded picture, or what it is put together to */
    uint64_t cost;      /* pixels to decode, of all that it needs too; 0: not known yet */
} item;

typedef struct heif_file {
    sg_span bytes;
    sg_span references, properties, idat;
    item *items; /* (n) owned */
    size_t n;
    uint64_t data_nbytes; /* of the items that are needed */
    uint64_t max_pixels;
    sg_error *err;
} heif_file;

static bool is(sg_span four, const char *letters)
{
    return four.nbytes == 4 && memcmp(four.at, letters, 4) == 0;
}

/* The next box among those in *s. False at their end. */
static bool next_box(sg_span *type, sg_span *content, sg_span *s)
{
    size_t left = s->nbytes;
    uint64_t size = sg_span_get(s, 4);
    *type = sg_span_take(s, 4);
    if (size == 0)
        size = left;
    else if (size == 1)
        size = sg_span_get(s, 8);
    size_t head = left - s->nbytes;
    if (s->bad || size < head) return false;
    *content = sg_span_take(s, size - head);
    return !s->bad;
}

/* The first box of a kind; one with nothing in it where there is none, as libheif takes it. */
static sg_span find_box(sg_span s, const char *kind)
{
    sg_span type, content;
    while (next_box(&type, &content, &s))
        if (is(type, kind)) return content;
    return (sg_span){0};
}

/* Reads version and flags of a full box. */
static unsigned get_version(sg_span *s, unsigned *flags)
{
    uint64_t both = sg_span_get(s, 4);
    *flags = (unsigned)both & 0xffffff;
    return (unsigned)(both >> 24);
}

static item *find_item(const heif_file *f, uint64_t id)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->items[i].id == id) return &f->items[i];
    return NULL;
}

static bool fail_count(const heif_file *f, uint64_t n)
{
    return sg_fail(f->err, SG_ERR_LIMIT, "HEIF has %llu items, more than %zu", (unsigned long long)n,
                   ITEMS_MAX);
}

static bool read_items(heif_file *f, sg_span box)
{
    unsigned flags, version = get_version(&box, &flags);
    uint64_t count = sg_span_get(&box, version == 0 ? 2 : 4);
    if (count > ITEMS_MAX) return fail_count(f, count);
    f->items = sg_calloc(count, sizeof *f->items);
    if (!f->items) return sg_fail_memory(f->err, "HEIF");
    sg_span type, content;
    while (next_box(&type, &content, &box)) {
        version = get_version(&content, &flags);
        if (!is(type, "infe") || version < 2) continue;
        item it = {.id = sg_span_get(&content, version == 2 ? 2 : 4)};
        sg_span_get(&content, 2);
        it.type = sg_span_take(&content, 4);
        if (f->n == count || find_item(f, it.id))
            return sg_fail(f->err, SG_ERR_FORMAT, "HEIF is broken: item %llu is there twice, or not counted",
                           (unsigned long long)it.id);
        f->items[f->n++] = it;
    }
    return true;
}

static void set_extent(const heif_file *f, item *it, unsigned method, uint64_t offset, uint64_t nbytes)
{
    sg_span from = method == 1 ? f->idat : f->bytes;
    if (it->data.at) it->many = true;
    if (method > 1 || offset > from.nbytes) return;
    sg_span_take(&from, offset);
    it->data = sg_span_take(&from, nbytes); /* none of it when it ends beyond the file: libheif says so */
}

static bool read_locations(heif_file *f, sg_span box)
{
    unsigned flags, version = get_version(&box, &flags);
    unsigned sizes = (unsigned)sg_span_get(&box, 2);
    unsigned offset_size = sizes >> 12, length_size = sizes >> 8 & 15, base_size = sizes >> 4 & 15;
    unsigned index_size = version == 0 ? 0 : sizes & 15;
    if (offset_size > 8 || length_size > 8 || base_size > 8 || index_size > 8)
        return sg_fail(f->err, SG_ERR_FORMAT, "HEIF is broken: numbers of more than 8 bytes");
    uint64_t n = sg_span_get(&box, version < 2 ? 2 : 4);
    if (n > ITEMS_MAX) return fail_count(f, n);
    for (; n > 0 && !box.bad; n--) {
        item *it = find_item(f, sg_span_get(&box, version < 2 ? 2 : 4));
        unsigned method = version == 0 ? 0 : (unsigned)sg_span_get(&box, 2) & 15;
        sg_span_get(&box, 2);
        uint64_t base = sg_span_get(&box, base_size);
        for (uint64_t extents = sg_span_get(&box, 2); extents > 0 && !box.bad; extents--) {
            sg_span_get(&box, index_size);
            uint64_t offset = base + sg_span_get(&box, offset_size), nbytes = sg_span_get(&box, length_size);
            if (it && !box.bad) set_extent(f, it, method, offset, nbytes);
        }
    }
    return true;
}

static size_t count_boxes(sg_span boxes)
{
    sg_span type, content;
    size_t n = 0;
    while (n < PROPERTIES_MAX && next_box(&type, &content, &boxes)) n++;
    return n;
}

/* What each property says of a coded picture's size, by its number less 1: (n). */
static void read_configs(sg_coded_size *sizes, size_t n, sg_span boxes)
{
    sg_span type, content;
    for (size_t i = 0; i < n && next_box(&type, &content, &boxes); i++) {
        if (is(type, "hvcC")) sg_hevc_config_size(&sizes[i], content);
        if (is(type, "av1C")) {
            sg_span_take(&content, 4);
            sg_av1_data_size(&sizes[i], content);
        }
    }
}

static bool read_properties(heif_file *f)
{
    sg_span boxes = find_box(f->properties, "ipco");
    size_t nsizes = count_boxes(boxes);
    sg_coded_size *sizes = sg_calloc(nsizes, sizeof *sizes);
    if (!sizes) return sg_fail_memory(f->err, "HEIF");
    read_configs(sizes, nsizes, boxes);
    sg_span box = find_box(f->properties, "ipma");
    unsigned flags, version = get_version(&box, &flags);
    uint64_t n = sg_span_get(&box, 4);
    bool ok = n <= ITEMS_MAX ? true : fail_count(f, n);
    for (; ok && n > 0 && !box.bad; n--) {
        item *it = find_item(f, sg_span_get(&box, version < 1 ? 2 : 4));
        for (uint64_t properties = sg_span_get(&box, 1); properties > 0 && !box.bad; properties--) {
            uint64_t number = flags & 1 ? sg_span_get(&box, 2) & 0x7fff : sg_span_get(&box, 1) & 0x7f;
            if (it && number > 0 && number <= nsizes) sg_coded_size_raise(&it->size, sizes[number - 1]);
        }
    }
    sg_free(sizes);
    return ok;
}

/* The size that an item states by its own data. */
static void read_size(item *it)
{
    sg_span data = it->data;
    if (is(it->type, "hvc1")) sg_hevc_data_size(&it->size, data);
    if (is(it->type, "av01")) sg_av1_data_size(&it->size, data);
    bool overlay = is(it->type, "iovl");
    if (!overlay && !is(it->type, "grid")) return;
    unsigned side = (sg_span_get(&data, 2) & 1) ? 4 : 2;
    sg_span_take(&data, overlay ? 8 : 2); /* colour beneath, or rows and columns */
    uint64_t width = sg_span_get(&data, side), height = sg_span_get(&data, side);
    if (!data.bad) it->size = (sg_coded_size){(uint32_t)width, (uint32_t)height};
}

static bool add_cost(heif_file *f, item *it, unsigned depth);

/* What decoding an item needs: the parts it is put together from, the alpha that names it. */
static bool add_needed(heif_file *f, item *it, uint64_t *cost, unsigned depth)
{
    sg_span box = f->references, type, content;
    unsigned flags, id_size = get_version(&box, &flags) == 0 ? 2 : 4;
    while (next_box(&type, &content, &box)) {
        bool parts = is(type, "dimg"), beside = is(type, "auxl");
        uint64_t from = sg_span_get(&content, id_size);
        if (!beside && !(parts && from == it->id)) continue;
        for (uint64_t n = sg_span_get(&content, 2); n > 0 && !content.bad; n--) {
            uint64_t to = sg_span_get(&content, id_size);
            if (content.bad || (beside && to != it->id)) continue;
            item *needed = find_item(f, beside ? from : to);
            if (!needed) continue;
            if (!add_cost(f, needed, depth + 1)) return false;
            *cost += needed->cost;
            if (*cost / COST_FACTOR > f->max_pixels)
                return sg_fail(f->err, SG_ERR_LIMIT, "HEIF is put together from more than %llu pixels in all",
                               (unsigned long long)f->max_pixels * COST_FACTOR);
        }
    }
    return true;
}

static bool add_cost(heif_file *f, item *it, unsigned depth)
{
    if (it->cost) return true;
    if (depth > DEPTH_MAX)
        return sg_fail(f->err, SG_ERR_LIMIT, "HEIF is put together in circles, or in more than %d steps",
                       DEPTH_MAX);
    if (it->many &&
        (is(it->type, "hvc1") || is(it->type, "av01") || is(it->type, "grid") || is(it->type, "iovl")))
        return sg_fail(f->err, SG_ERR_UNSUPPORTED,
                       "HEIF holds a picture in pieces, which signet does not read");
    f->data_nbytes += it->data.nbytes;
    if (f->data_nbytes > 2 * f->bytes.nbytes)
        return sg_fail(f->err, SG_ERR_LIMIT, "HEIF gives the same bytes to more than one picture");
    read_size(it);
    if (it->size.width &&
        !sg_codec_check_size(it->size.width, it->size.height, f->bytes.nbytes, f->max_pixels, f->err))
        return false;
    uint64_t cost = 1 + (uint64_t)it->size.width * it->size.height;
    if (!add_needed(f, it, &cost, depth)) return false;
    it->cost = cost;
    return true;
}

static bool check_meta(heif_file *f, sg_span meta)
{
    unsigned flags;
    get_version(&meta, &flags);
    f->references = find_box(meta, "iref");
    f->properties = find_box(meta, "iprp");
    f->idat = find_box(meta, "idat");
    if (f->references.nbytes > REFERENCES_MAX_NBYTES)
        return sg_fail(f->err, SG_ERR_LIMIT, "HEIF has references of more than %zu bytes",
                       REFERENCES_MAX_NBYTES);
    if (!read_items(f, find_box(meta, "iinf"))) return false;
    if (!read_locations(f, find_box(meta, "iloc")) || !read_properties(f)) return false;
    sg_span primary = find_box(meta, "pitm");
    item *it = find_item(f, sg_span_get(&primary, get_version(&primary, &flags) == 0 ? 2 : 4));
    return !it || add_cost(f, it, 0);
}

bool sg_heif_check(const unsigned char *bytes, size_t nbytes, uint64_t max_pixels, sg_error *err)
{
    heif_file f = {.bytes = {.at = bytes, .nbytes = nbytes}, .max_pixels = max_pixels, .err = err};
    sg_span s = f.bytes, type, content;
    bool seen = false, ok = true;
    while (ok && next_box(&type, &content, &s)) {
        if (!is(type, "meta")) continue;
        ok = seen ? sg_fail(err, SG_ERR_FORMAT, "HEIF is broken: two meta boxes") : check_meta(&f, content);
        seen = true;
    }
    sg_free(f.items);
    return ok;
}
