/* Matrix products on whole vectors, for matrices that stay in a core's cache.
 *
 * Compiled with -DREAL=float|double and -DVECTOR_BYTES=32|64.
 */
#include <stdint.h>
#include <stddef.h>

#define LANES ((int64_t)(VECTOR_BYTES / sizeof(REAL)))
#define TILE_ROWS (VECTOR_BYTES == 64 ? 8 : 4) /* times two vectors: half of the 32 or 16 registers */
#define MAX_TILE_ROWS 8
#define INLINE static inline __attribute__((always_inline))

typedef REAL vec __attribute__((vector_size(VECTOR_BYTES)));
typedef REAL unaligned_vec __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(REAL)), may_alias));

/* left(row, k) = left[row * row_step + k * step], right(k, column) = right[k * right_step + column] */
typedef struct {
    const REAL *left;
    int64_t row_step, step;
    const REAL *right;
    int64_t right_step, depth;
} product;

/* out = keep * base + scale * (sum of `count` products), on a tile of `rows` x `vectors`; base may be NULL. */
INLINE void tile(int rows, int vectors, int count, const product *products, int64_t row, int64_t column,
                 REAL *out, int64_t out_step, const REAL *base, REAL keep, REAL scale)
{
    vec sums[MAX_TILE_ROWS][2];
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (int j = 0; j < vectors; j++) sums[i][j] = (vec){0};
    for (int which = 0; which < count; which++) {
        const product p = products[which];
        const REAL *left = p.left + row * p.row_step, *right = p.right + column;
        for (int64_t k = 0; k < p.depth; k++, left += p.step, right += p.right_step) {
            vec numbers[2];
#pragma GCC unroll 2
            for (int j = 0; j < vectors; j++) numbers[j] = *(const unaligned_vec *)(right + j * LANES);
#pragma GCC unroll 8
            for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
                for (int j = 0; j < vectors; j++) sums[i][j] += left[i * p.row_step] * numbers[j];
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (int j = 0; j < vectors; j++) {
            int64_t at = (row + i) * out_step + column + j * LANES;
            vec result = scale * sums[i][j];
            if (base) result += keep * *(const unaligned_vec *)(base + at);
            *(unaligned_vec *)(out + at) = result;
        }
}

INLINE void stripe(int vectors, int count, const product *products, int64_t rows, int64_t column, REAL *out,
                   int64_t out_step, const REAL *base, REAL keep, REAL scale)
{
    int64_t row = 0;
    for (; row + TILE_ROWS <= rows; row += TILE_ROWS)
        tile(TILE_ROWS, vectors, count, products, row, column, out, out_step, base, keep, scale);
    for (; row + 2 <= rows; row += 2)
        tile(2, vectors, count, products, row, column, out, out_step, base, keep, scale);
    if (row < rows) tile(1, vectors, count, products, row, column, out, out_step, base, keep, scale);
}

/* out (rows, columns) = keep * base + scale * sum of products; columns are whole vectors. */
static void multiply(int count, const product *products, int64_t rows, int64_t columns, REAL *out,
                     int64_t out_step, const REAL *base, REAL keep, REAL scale)
{
    int64_t column = 0;
    for (; column + 2 * LANES <= columns; column += 2 * LANES)
        stripe(2, count, products, rows, column, out, out_step, base, keep, scale);
    if (column < columns) stripe(1, count, products, rows, column, out, out_step, base, keep, scale);
}

/* to (columns, rows) = from (rows, columns) transposed; both are multiples of four. */
static void transpose(const REAL *from, int64_t rows, int64_t columns, REAL *to)
{
    for (int64_t row = 0; row < rows; row += 4)
        for (int64_t column = 0; column < columns; column += 4) {
            REAL block[4][4];
#pragma GCC unroll 4
            for (int i = 0; i < 4; i++)
#pragma GCC unroll 4
                for (int j = 0; j < 4; j++) block[j][i] = from[(row + i) * columns + column + j];
#pragma GCC unroll 4
            for (int j = 0; j < 4; j++)
#pragma GCC unroll 4
                for (int i = 0; i < 4; i++) to[(column + j) * rows + row + i] = block[j][i];
        }
}

static int64_t whole_vectors(int64_t count) { return (count + LANES - 1) / LANES * LANES; }
