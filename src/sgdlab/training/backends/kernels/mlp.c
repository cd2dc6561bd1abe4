/* Parameter updates and evaluation of a ReLU MLP with cross-entropy: SGD, with momentum or plain, and the modified loss C + (l2-terms) +
 * (lambda/4)|grad C|^2 with its exact gradient g + (lambda/2) H g by the R-operator (Pearlmutter 1994).
 *
 * One run after the other, all its updates in a row: a run's parameters stay in the core's cache, and its bits
 * depend on nothing but its own numbers. The batch is the vector axis: activations lie as (features, batch),
 * the batch padded with zeros to whole vectors. A layer is one matrix, its bias the last row, which meets a
 * row of ones in the activations. Notation: a_l the inputs of layer l, d_l = dC/dz_{l-1} at the outputs of the
 * layer below, R{f} the derivative of f along v = grad C.
 *
 * Compiled with -DREAL=float|double and -DVECTOR_BYTES=32|64.
 */
#include <math.h>
#include <string.h>

#include "matrix.h"

#define MAX_LAYERS 32

/* ---- one run's network, in scratch memory -------------------------------------------------------------- */

typedef struct {
    int num_layers;
    const int64_t *widths;
    int64_t batch, lanes_of_batch;                        /* B, and B padded */
    int64_t padded[MAX_LAYERS + 1];                       /* widths in whole vectors */
    REAL *weights[MAX_LAYERS], *gradients[MAX_LAYERS];    /* (in + 1, padded out): the bias is the last row */
    REAL *velocities[MAX_LAYERS];
    REAL *inputs[MAX_LAYERS], *moved_inputs[MAX_LAYERS];  /* a, R{a}: (in + 1, padded B); row `in` is 1, 0 */
    REAL *deltas[MAX_LAYERS], *moved_deltas[MAX_LAYERS];  /* d, R{d}: (padded out, padded B) */
    REAL *turned[MAX_LAYERS], *moved_turned;              /* the same, transposed: (padded B, padded out) */
    REAL *probabilities;                                  /* softmax / B: (padded classes, padded B) */
} network;

static REAL *take(REAL **scratch, int64_t count)
{
    REAL *taken = *scratch;
    if (taken) *scratch += whole_vectors(count);
    return taken;
}

/* Lay the network out in scratch memory (NULL: only count) and return how many numbers that takes. */
static int64_t lay_out(network *net, int num_layers, const int64_t *widths, int64_t batch, REAL *scratch)
{
    int64_t total = 0, widest = 0;
    net->num_layers = num_layers, net->widths = widths, net->batch = batch;
    net->lanes_of_batch = whole_vectors(batch);
    for (int l = 0; l <= num_layers; l++) net->padded[l] = whole_vectors(widths[l]);
#define TAKE(count) (total += whole_vectors(count), take(&scratch, count))
    for (int l = 0; l < num_layers; l++) {
        int64_t out = net->padded[l + 1], lanes = net->lanes_of_batch;
        net->weights[l] = TAKE((widths[l] + 1) * out);
        net->gradients[l] = TAKE((widths[l] + 1) * out);
        net->velocities[l] = TAKE((widths[l] + 1) * out);
        net->inputs[l] = TAKE((widths[l] + 1) * lanes);
        net->moved_inputs[l] = TAKE((widths[l] + 1) * lanes);
        net->deltas[l] = TAKE(out * lanes);
        net->moved_deltas[l] = TAKE(out * lanes);
        net->turned[l] = TAKE(out * lanes);
        if (out > widest) widest = out;
    }
    net->moved_turned = TAKE(widest * net->lanes_of_batch);
    net->probabilities = TAKE(net->padded[num_layers] * net->lanes_of_batch);
#undef TAKE
    return total;
}

/* Zero where the unit is off. Written so that what is not a number stays so. */
static void mask(const REAL *activations, REAL *values, int64_t count)
{
    for (int64_t i = 0; i < count; i++) values[i] = activations[i] <= 0 ? 0 : values[i];
}

static void forward(network *net)
{
    int64_t lanes = net->lanes_of_batch;
    for (int l = 0; l < net->num_layers; l++) {
        int64_t rows = net->widths[l + 1];
        int is_last = l + 1 == net->num_layers;
        REAL *out = is_last ? net->deltas[l] : net->inputs[l + 1];
        product p = {net->weights[l], 1, net->padded[l + 1], net->inputs[l], lanes, net->widths[l] + 1};
        multiply(1, &p, rows, lanes, out, lanes, NULL, 0, 1);
        if (!is_last) mask(out, out, rows * lanes);
    }
}

/* Turn logits, in the last deltas, into dC/dlogits; return the mean loss. */
static REAL cross_entropy(network *net, const int64_t *labels)
{
    int64_t classes = net->widths[net->num_layers], lanes = net->lanes_of_batch, batch = net->batch;
    REAL *logits = net->deltas[net->num_layers - 1], *shares = net->probabilities, loss = 0;
    for (int64_t b = 0; b < batch; b++) {
        REAL top = logits[b], sum = 0;
        for (int64_t c = 1; c < classes; c++) top = logits[c * lanes + b] > top ? logits[c * lanes + b] : top;
        for (int64_t c = 0; c < classes; c++) sum += shares[c * lanes + b] = EXP(logits[c * lanes + b] - top);
        loss += top + LOG(sum) - logits[labels[b] * lanes + b];
        for (int64_t c = 0; c < classes; c++)
            logits[c * lanes + b] = shares[c * lanes + b] = shares[c * lanes + b] / (sum * batch);
        logits[labels[b] * lanes + b] -= (REAL)1 / batch;
    }
    for (int64_t c = 0; c < classes; c++)
        for (int64_t b = batch; b < lanes; b++) logits[c * lanes + b] = 0;
    return loss / batch;
}

/* ---- updates ------------------------------------------------------------------------------------------- */

/* Backward through layer l: the deltas of the layer below. */
static void pass_back(network *net, int l)
{
    int64_t lanes = net->lanes_of_batch;
    product p = {net->weights[l], net->padded[l + 1], 1, net->deltas[l], lanes, net->widths[l + 1]};
    multiply(1, &p, net->widths[l], lanes, net->deltas[l - 1], lanes, NULL, 0, 1);
    mask(net->inputs[l], net->deltas[l - 1], net->widths[l] * lanes);
}

/* into = keep * base + scale * a^T d, a gradient of layer l and what it is added to. */
static void add_gradient(network *net, int l, REAL *into, const REAL *base, REAL keep, REAL scale)
{
    int64_t out = net->padded[l + 1];
    product p = {net->inputs[l], net->lanes_of_batch, 1, net->turned[l], out, net->batch};
    multiply(1, &p, net->widths[l] + 1, out, into, out, base, keep, scale);
}

static REAL update_plain(network *net, const int64_t *labels, REAL rate, REAL l2)
{
    forward(net);
    REAL loss = cross_entropy(net, labels);
    for (int l = net->num_layers - 1; l >= 0; l--) {
        transpose(net->deltas[l], net->padded[l + 1], net->lanes_of_batch, net->turned[l]);
        if (l > 0) pass_back(net, l);
        add_gradient(net, l, net->weights[l], net->weights[l], 1 - rate * l2, -rate);
    }
    return loss;
}

/* v = momentum * v + g; w = w - rate * v. */
static REAL update_by_momentum(network *net, const int64_t *labels, REAL rate, REAL l2, REAL momentum)
{
    forward(net);
    REAL loss = cross_entropy(net, labels);
    for (int l = net->num_layers - 1; l >= 0; l--) {
        REAL *weights = net->weights[l], *velocities = net->velocities[l];
        int64_t count = (net->widths[l] + 1) * net->padded[l + 1];
        transpose(net->deltas[l], net->padded[l + 1], net->lanes_of_batch, net->turned[l]);
        if (l > 0) pass_back(net, l);
        add_gradient(net, l, velocities, velocities, momentum, 1);
        for (int64_t i = 0; i < count; i++) velocities[i] += l2 * weights[i];
        for (int64_t i = 0; i < count; i++) weights[i] -= rate * velocities[i];
    }
    return loss;
}

/* R{a} of every layer and R{dC/dlogits}, along the gradients. */
static void move_forward(network *net)
{
    int64_t lanes = net->lanes_of_batch, classes = net->widths[net->num_layers];
    for (int l = 0; l < net->num_layers; l++) {
        int64_t out = net->padded[l + 1], rows = net->widths[l + 1];
        int is_last = l + 1 == net->num_layers;
        REAL *moved = is_last ? net->moved_deltas[l] : net->moved_inputs[l + 1];
        product p[2] = {{net->gradients[l], 1, out, net->inputs[l], lanes, net->widths[l] + 1},
                        {net->weights[l], 1, out, net->moved_inputs[l], lanes, net->widths[l]}};
        multiply(l > 0 ? 2 : 1, p, rows, lanes, moved, lanes, NULL, 0, 1); /* the data don't move */
        if (!is_last) mask(net->inputs[l + 1], moved, rows * lanes);
    }
    REAL *moved = net->moved_deltas[net->num_layers - 1], *shares = net->probabilities;
    for (int64_t b = 0; b < net->batch; b++) {
        REAL mean = 0;
        for (int64_t c = 0; c < classes; c++) mean += shares[c * lanes + b] * moved[c * lanes + b];
        mean *= net->batch;
        for (int64_t c = 0; c < classes; c++)
            moved[c * lanes + b] = shares[c * lanes + b] * (moved[c * lanes + b] - mean);
    }
}

static REAL update_penalised(network *net, const int64_t *labels, REAL rate, REAL l2, REAL strength)
{
    int64_t lanes = net->lanes_of_batch;
    forward(net);
    REAL loss = cross_entropy(net, labels);
    for (int l = net->num_layers - 1; l >= 0; l--) {
        transpose(net->deltas[l], net->padded[l + 1], lanes, net->turned[l]);
        if (l > 0) pass_back(net, l);
        add_gradient(net, l, net->gradients[l], l2 != 0 ? net->weights[l] : NULL, l2, 1);
    }
    move_forward(net);
    REAL half = strength / 2, along = rate * (1 + l2 * half);
    for (int l = net->num_layers - 1; l >= 0; l--) {
        int64_t in = net->widths[l], out = net->padded[l + 1];
        REAL *weights = net->weights[l], *gradients = net->gradients[l];
        transpose(net->moved_deltas[l], out, lanes, net->moved_turned);
        if (l > 0) {
            product p[2] = {{weights, out, 1, net->moved_deltas[l], lanes, net->widths[l + 1]},
                            {gradients, out, 1, net->deltas[l], lanes, net->widths[l + 1]}};
            multiply(2, p, in, lanes, net->moved_deltas[l - 1], lanes, NULL, 0, 1);
            mask(net->inputs[l], net->moved_deltas[l - 1], in * lanes);
        }
        for (int64_t i = 0; i < (in + 1) * out; i++) weights[i] -= along * gradients[i];
        product p[2] = {{net->inputs[l], lanes, 1, net->moved_turned, out, net->batch},
                        {net->moved_inputs[l], lanes, 1, net->turned[l], out, net->batch}};
        multiply(l > 0 ? 2 : 1, p, in + 1, out, weights, out, weights, 1, -rate * half);
    }
    return loss;
}

/* ---- the interface ------------------------------------------------------------------------------------- */

/* Lay rows of `examples` into the first layer's inputs, (features, batch). */
static void load_examples(network *net, const REAL *examples, const int64_t *rows, int64_t count)
{
    int64_t features = net->widths[0], lanes = net->lanes_of_batch;
    for (int64_t b = 0; b < count; b++)
        for (int64_t i = 0; i < features; i++) net->inputs[0][i * lanes + b] = examples[rows[b] * features + i];
}

static void set_ones(network *net)
{
    for (int l = 0; l < net->num_layers; l++)
        for (int64_t b = 0; b < net->batch; b++) net->inputs[l][net->widths[l] * net->lanes_of_batch + b] = 1;
}

/* Copy a run's matrices, W_0, b_0, W_1, ... with the run in front, to padded layers (in + 1, padded out). */
static void load(const network *net, REAL *const *stacked, int64_t run, REAL *const *layers)
{
    for (int l = 0; l < net->num_layers; l++) {
        int64_t in = net->widths[l], out = net->widths[l + 1];
        const REAL *matrix = stacked[2 * l] + run * in * out;
        for (int64_t i = 0; i < in; i++)
            memcpy(layers[l] + i * net->padded[l + 1], matrix + i * out, out * sizeof(REAL));
        memcpy(layers[l] + in * net->padded[l + 1], stacked[2 * l + 1] + run * out, out * sizeof(REAL));
    }
}

static void store(const network *net, REAL *const *stacked, int64_t run, REAL *const *layers)
{
    for (int l = 0; l < net->num_layers; l++) {
        int64_t in = net->widths[l], out = net->widths[l + 1];
        REAL *matrix = stacked[2 * l] + run * in * out;
        for (int64_t i = 0; i < in; i++)
            memcpy(matrix + i * out, layers[l] + i * net->padded[l + 1], out * sizeof(REAL));
        memcpy(stacked[2 * l + 1] + run * out, layers[l] + in * net->padded[l + 1], out * sizeof(REAL));
    }
}

/* How many numbers of scratch memory `advance` needs. */
int64_t scratch_size(int64_t num_layers, const int64_t *widths, int64_t batch)
{
    network net;
    return lay_out(&net, (int)num_layers, widths, batch, NULL);
}

/* Make U updates of each of R runs, in place, and store C before each of them in losses (U, R).
 *
 * parameters: W_0, b_0, W_1, ... with the run in front, W as (in, out), and velocities like them, or NULL;
 * examples (M, features) and labels (M,); rows (U, R, B) of them; rates (U, R); l2 (R,); strengths (R,), or NULL
 * for no penalty; momenta (R,) with velocities, or NULL. A run whose rates are all 0 is left alone. Scratch memory is aligned to VECTOR_BYTES and holds zeros: the padding stays zero.
 */
void advance(int64_t num_layers, const int64_t *widths, int64_t batch, int64_t num_runs, int64_t num_updates,
             REAL *const *parameters, REAL *const *velocities, const REAL *examples, const int64_t *labels,
             const int64_t *rows, const REAL *rates, const REAL *l2, const REAL *strengths, const REAL *momenta,
             REAL *losses, REAL *scratch)
{
    network net;
    lay_out(&net, (int)num_layers, widths, batch, scratch);
    set_ones(&net);
    for (int64_t run = 0; run < num_runs; run++) {
        int is_live = 0;
        for (int64_t u = 0; u < num_updates; u++) is_live |= rates[u * num_runs + run] != 0;
        if (!is_live) continue;
        load(&net, parameters, run, net.weights);
        if (momenta) load(&net, velocities, run, net.velocities);
        for (int64_t u = 0; u < num_updates; u++) {
            int64_t at = u * num_runs + run, batch_labels[batch];
            load_examples(&net, examples, rows + at * batch, batch);
            for (int64_t b = 0; b < batch; b++) batch_labels[b] = labels[rows[at * batch + b]];
            losses[at] = strengths ? update_penalised(&net, batch_labels, rates[at], l2[run], strengths[run])
                         : momenta ? update_by_momentum(&net, batch_labels, rates[at], l2[run], momenta[run])
                                   : update_plain(&net, batch_labels, rates[at], l2[run]);
        }
        store(&net, parameters, run, net.weights);
        if (momenta) store(&net, velocities, run, net.velocities);
    }
}

/* The cross-entropy of each of R runs on each of M examples, losses (R, M), and whether the largest logit is
 * the label's, correct (R, M): of equal logits the first counts. `batch` examples are taken at a time.
 */
void evaluate(int64_t num_layers, const int64_t *widths, int64_t batch, int64_t num_runs, int64_t num_examples,
              REAL *const *parameters, const REAL *examples, const int64_t *labels, REAL *losses,
              uint8_t *correct, REAL *scratch)
{
    network net;
    lay_out(&net, (int)num_layers, widths, batch, scratch);
    set_ones(&net);
    int64_t classes = widths[num_layers], lanes = net.lanes_of_batch, rows[batch];
    const REAL *logits = net.deltas[num_layers - 1];
    for (int64_t run = 0; run < num_runs; run++) {
        load(&net, parameters, run, net.weights);
        for (int64_t first = 0; first < num_examples; first += batch) {
            int64_t count = num_examples - first < batch ? num_examples - first : batch;
            for (int64_t b = 0; b < count; b++) rows[b] = first + b;
            load_examples(&net, examples, rows, count);
            forward(&net);
            for (int64_t b = 0; b < count; b++) {
                int64_t best = 0, at = run * num_examples + first + b, label = labels[first + b];
                for (int64_t c = 1; c < classes; c++) best = logits[c * lanes + b] > logits[best * lanes + b] ? c : best;
                REAL top = logits[best * lanes + b], sum = 0;
                for (int64_t c = 0; c < classes; c++) sum += EXP(logits[c * lanes + b] - top);
                losses[at] = top + LOG(sum) - logits[label * lanes + b];
                correct[at] = best == label;
            }
        }
    }
}
