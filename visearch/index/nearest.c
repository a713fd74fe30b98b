/* The exact nearest of some vectors: the only place where the index computes a score.
 *
 * Every score comes from the same instructions in the same order. So it is the same to the last
 * bit, wherever a vector is stored and whatever else is scored with it. Built for x86-64 with
 * AVX2 and FMA (setup.py), which ScaNN needs as well; called by coded.py.
 */
#include <immintrin.h>
#include <math.h>
#include <stdint.h>

/* The version of Table and nearest(); coded.py checks it when it opens the library. */
const int32_t nearest_version = 1;

typedef struct {
    const int16_t *codes; /* [n, d] */
    const float *steps;   /* [n]: vector i is steps[i] * codes[i] */
    const int64_t *keys;  /* [n], or NULL where a row is its own key */
    int64_t n, d;
    int32_t euclidean;
} Table;

typedef struct {
    int64_t *keys;
    float *scores;
    int64_t size, most;
} Heap; /* the best so far, with the worst of them on top */

enum { LANES = 8, WIDTH = 4 * LANES, LINE = 64, AHEAD = 8 };

static inline __m256 load(const int16_t *codes) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(_mm_loadu_si128((const __m128i *)codes)));
}

static inline float sum(const __m256 part[4]) {
    __m256 all = _mm256_add_ps(_mm256_add_ps(part[0], part[1]), _mm256_add_ps(part[2], part[3]));
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_shuffle_ps(half, half, 1)));
}

static float dot(const int16_t *codes, const float *query, int64_t d) {
    __m256 part[4] = {0};
    int64_t i = 0;
    for (; i + WIDTH <= d; i += WIDTH)
        for (int j = 0; j < 4; j++) {
            const int64_t at = i + j * LANES;
            part[j] = _mm256_fmadd_ps(load(codes + at), _mm256_loadu_ps(query + at), part[j]);
        }
    for (; i + LANES <= d; i += LANES)
        part[0] = _mm256_fmadd_ps(load(codes + i), _mm256_loadu_ps(query + i), part[0]);
    float total = sum(part);
    for (; i < d; i++) total = fmaf((float)codes[i], query[i], total);
    return total;
}

static float squared_distance(const int16_t *codes, float step, const float *query, int64_t d) {
    const __m256 steps = _mm256_set1_ps(step);
    __m256 part[4] = {0};
    int64_t i = 0;
    for (; i + WIDTH <= d; i += WIDTH)
        for (int j = 0; j < 4; j++) {
            const int64_t at = i + j * LANES;
            const __m256 gap = _mm256_fnmadd_ps(load(codes + at), steps, _mm256_loadu_ps(query + at));
            part[j] = _mm256_fmadd_ps(gap, gap, part[j]);
        }
    for (; i + LANES <= d; i += LANES) {
        const __m256 gap = _mm256_fnmadd_ps(load(codes + i), steps, _mm256_loadu_ps(query + i));
        part[0] = _mm256_fmadd_ps(gap, gap, part[0]);
    }
    float total = sum(part);
    for (; i < d; i++) {
        const float gap = fmaf(-(float)codes[i], step, query[i]);
        total = fmaf(gap, gap, total);
    }
    return total;
}

static inline float score(const Table *table, const float *query, int64_t row) {
    const int16_t *codes = table->codes + row * table->d;
    const float step = table->steps[row];
    if (table->euclidean) return 0.0f - sqrtf(squared_distance(codes, step, query, table->d));
    return step * dot(codes, query, table->d);
}

static inline int worse(float score, int64_t key, float other_score, int64_t other_key) {
    return score < other_score || (score == other_score && key > other_key);
}

/* Replace the entry at `i`, and let the new one sink to its place among the first `size`. */
static void sink(Heap *heap, int64_t size, int64_t i, int64_t key, float score) {
    for (int64_t child; (child = 2 * i + 1) < size; i = child) {
        if (child + 1 < size && worse(heap->scores[child + 1], heap->keys[child + 1],
                                      heap->scores[child], heap->keys[child]))
            child++;
        if (!worse(heap->scores[child], heap->keys[child], score, key)) break;
        heap->keys[i] = heap->keys[child];
        heap->scores[i] = heap->scores[child];
    }
    heap->keys[i] = key;
    heap->scores[i] = score;
}

static void heapify(Heap *heap) {
    for (int64_t i = heap->size / 2; i-- > 0;)
        sink(heap, heap->size, i, heap->keys[i], heap->scores[i]);
}

static inline void offer(Heap *heap, int64_t key, float score) {
    if (heap->size < heap->most) {
        heap->keys[heap->size] = key;
        heap->scores[heap->size] = score;
        if (++heap->size == heap->most) heapify(heap);
    } else if (worse(heap->scores[0], heap->keys[0], score, key)) {
        sink(heap, heap->size, 0, key, score);
    }
}

static void sort(Heap *heap) {
    if (heap->size < heap->most) heapify(heap);
    for (int64_t end = heap->size; end-- > 1;) {
        const int64_t key = heap->keys[end];
        const float score = heap->scores[end];
        heap->keys[end] = heap->keys[0];
        heap->scores[end] = heap->scores[0];
        sink(heap, end, 0, key, score);
    }
}

/* Random rows come from memory, not from a cache: prefetch them. */
static inline void fetch(const Table *table, int64_t row) {
    const char *codes = (const char *)(table->codes + row * table->d);
    for (int64_t at = 0; at < table->d * (int64_t)sizeof(int16_t); at += LINE)
        _mm_prefetch(codes + at, _MM_HINT_T0);
    _mm_prefetch((const char *)(table->steps + row), _MM_HINT_T0);
}

static inline void consider(Heap *heap, const Table *table, const float *query, int64_t row) {
    offer(heap, table->keys ? table->keys[row] : row, score(table, query, row));
}

/* Write the `most` best rows, best first, ties by lower key; return how many.
 *
 * Scores the `count` rows in `rows` or, if that is NULL, all rows of the table except the
 * `skipped` ones in `skip`, ascending. Returns -1 if a row is not in the table.
 */
int64_t nearest(const Table *table, const float *query, const uint32_t *rows, int64_t count,
                const int64_t *skip, int64_t skipped, int64_t most, int64_t *keys, float *scores) {
    Heap best = {keys, scores, 0, most};
    if (rows) {
        for (int64_t i = 0; i < count; i++)
            if (rows[i] >= table->n) return -1;
        for (int64_t i = 0; i < count && i < AHEAD; i++) fetch(table, rows[i]);
        for (int64_t i = 0; i < count; i++) {
            if (i + AHEAD < count) fetch(table, rows[i + AHEAD]);
            consider(&best, table, query, rows[i]);
        }
    } else {
        for (int64_t row = 0, next = 0; row < table->n; row++) {
            if (next < skipped && skip[next] == row)
                next++;
            else
                consider(&best, table, query, row);
        }
    }
    sort(&best);
    return best.size;
}
