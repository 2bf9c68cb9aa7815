#include "planner/work.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/instruction_set.h"
#include "lattice/transform_product.h"
#include "packing/linear_map.h"
#include "packing/term_layout.h"
#include "scheme/parameters.h"

namespace flash::planner {

namespace {

constexpr double kLanes = 4;      // inputs that byte-wise kernels take at a time
constexpr double kBlockRows = 4;  // rows that kernels take at a time

/// The rates are those of polynomials of 2048 coefficients; most of the work on one is transforms, n log n.
double relative_size(std::size_t n) {
    return static_cast<double>(n) * std::log2(static_cast<double>(n)) / (2048.0 * 11);
}

double blocks_of(double count, double size) { return std::ceil(count / size) * size; }

/// Coefficients at which one result polynomial of each band is computed.
double result_coefficients(const packing::LinearPlan& linear) {
    double coefficients = 0;
    for (int band = 0; band < linear.bands; ++band)
        coefficients += static_cast<double>(linear.tiles_of_band(band).words());
    return coefficients;
}

ProductWork product_work(const packing::MatrixExtent& matrix, const packing::LinearPlan& linear, int zero_low_bytes,
                         const Rates& rates) {
    const auto rows = static_cast<double>(matrix.rows), inputs = static_cast<double>(matrix.inputs),
               columns = static_cast<double>(matrix.columns);
    const std::size_t n = linear.degree();
    const bool bytes = best_instruction_set() >= InstructionSet::kAvx512;
    const double padded =
        bytes ? columns * blocks_of(inputs, kLanes) / inputs * blocks_of(rows, kBlockRows) : columns * rows;
    double tiles = 0;
    for (int band = 0; band < linear.bands; ++band) tiles += static_cast<double>(linear.tiles_of_band(band).count());
    const double word_bytes = bytes ? 4 - zero_low_bytes : 1;
    ProductWork work;
    const double direct =
        padded * tiles * lattice::CoefficientTiles::kTile * word_bytes * rates.product.direct_multiply_add;
    double transforms = std::numeric_limits<double>::infinity();
    const std::size_t transform_memory = lattice::transform_memory_bytes(n, matrix.inputs, matrix.rows);
    if (lattice::transforms_fit(n, matrix.columns) && transform_memory <= lattice::kTransformBudget)
        transforms = linear.bands * lattice::transform_parts(n, matrix.columns, zero_low_bytes) *
                     ((inputs + rows) * relative_size(n) * rates.product.transform +
                      inputs * rows * static_cast<double>(n) * rates.product.transform_multiply_add);
    const bool use_transforms = transforms < lattice::kWorthTransforms * direct;
    work.method = use_transforms ? lattice::ProductMethod::kTransform : lattice::ProductMethod::kDirect;
    work.seconds = use_transforms ? transforms : direct;
    work.other_seconds = use_transforms ? direct : transforms;
    work.memory_bytes = use_transforms ? transform_memory : static_cast<std::size_t>(padded);
    return work;
}

/// The products of a convolution term.
void add_convolution(const model::Layer& layer, const model::Term& term, const packing::Stream& stream,
                     const packing::LinearPlan& linear, const Rates& rates, LayerWork& work) {
    const packing::TermLayout layout(layer, term, linear, stream);
    if (layout.depthwise()) {
        const double shifts = layout.outputs() * static_cast<double>(layout.taps().size());
        work.shifts += shifts * result_coefficients(linear) * rates.shift_coefficient;
        work.weight_memory += static_cast<std::size_t>(shifts) * sizeof(packing::ScaledShift);
        return;
    }
    for (const packing::MatrixExtent& matrix : layout.matrices()) {
        if (matrix.columns == 0) continue;  // every window lies in the padding
        const ProductWork product = product_work(matrix, linear, stream.zero_low_bytes(), rates);
        work.product += product.seconds;
        work.weight_memory += product.memory_bytes;
        work.transforms = work.transforms || product.method == lattice::ProductMethod::kTransform;
    }
}

}  // namespace

const ChunkRates& Rates::chunk_of(const model::SlotChoice& slots, int plain_bits) const {
    const ShapeRates& table = plain_bits > scheme::kMaxPairedBits ? wide_chunk : chunk;
    std::size_t found = 0;
    for (std::size_t i = 0; i < table.size(); ++i) {
        const scheme::CompositeShape& shape = scheme::kCompositeShapes[i];
        if (shape.degree != static_cast<std::size_t>(slots.degree)) continue;
        found = i;
        if (shape.residues >= slots.moduli) break;
    }
    return table[found];
}

LayerWork layer_work(const model::Architecture& architecture, const packing::Plan& plan,
                     const protocol::InferenceCost& cost, int index, const Rates& rates) {
    const model::Layer& layer = architecture.layers[index];
    const packing::LinearPlan& linear = plan.layers[index];
    const protocol::LayerCost& c = cost.layers[index];
    LayerWork work;
    const double responses = static_cast<double>(c.response_ciphertexts),
                 values = static_cast<double>(layer.output.size()), size = relative_size(linear.degree());
    const double uploads = static_cast<double>(c.upload_ciphertexts);
    work.prepare_upload = uploads * size * rates.prepare_upload;
    work.encrypt = uploads * size * rates.encrypt;
    work.decrypt = responses * size * rates.decrypt + values * rates.decrypt_value;
    work.add_share = uploads * size * rates.add_share;
    work.mask = responses * size * rates.mask + values * rates.mask_value;
    if (layer.activation) {
        const double answers = static_cast<double>(c.activation_chunks);
        const ChunkRates& chunk = rates.chunk_of(architecture.slots, architecture.plain_bits);
        work.prepare = answers * chunk.prepare;
        work.respond = answers * chunk.respond;
        work.keys = static_cast<double>(c.vector_messages) * chunk.vectors;
        work.finish = answers * chunk.finish;
    }
    for (std::size_t t = 0; t < layer.terms.size(); ++t) {
        const packing::Stream& stream = plan.streams[linear.term_streams[t]];
        if (layer.terms[t].kind == model::TermKind::kConvolution) {
            add_convolution(layer, layer.terms[t], stream, linear, rates, work);
        } else {
            work.shifts += layer.output.channels * result_coefficients(linear) * rates.shift_coefficient;
        }
    }
    work.upload = c.upload;
    work.response = c.linear_response;
    work.key_bytes = c.server_vectors;
    work.answer = c.product_response;
    work.half_memory = static_cast<std::size_t>(linear.polynomials()) * linear.degree() * sizeof(std::uint32_t);
    work.bands = linear.bands;
    work.upload_pieces = std::max(1.0, uploads);
    work.pieces = std::max(1.0, static_cast<double>(layer.activation ? c.activation_chunks : c.response_ciphertexts));
    return work;
}

std::vector<LayerWork> network_work(const model::Architecture& architecture, const packing::Plan& plan,
                                    const protocol::InferenceCost& cost, const Rates& rates) {
    std::vector<LayerWork> work;
    work.reserve(architecture.layers.size());
    for (int l = 0; l < static_cast<int>(architecture.layers.size()); ++l)
        work.push_back(layer_work(architecture, plan, cost, l, rates));
    return work;
}

std::vector<LayerWork> planned_work(const model::Architecture& architecture, const packing::Plan& plan,
                                    const protocol::InferenceCost& cost, const Rates& rates,
                                    std::size_t transform_bytes) {
    std::vector<LayerWork> work = network_work(architecture, plan, cost, rates);
    std::vector<std::size_t> layer_of;
    std::vector<lattice::ProductOffer> offers;
    for (std::size_t l = 0; l < work.size(); ++l)
        for (const lattice::ProductOffer& offer :
             packing::product_offers(architecture, plan, static_cast<int>(l), rates.product)) {
            offers.push_back(offer);
            layer_of.push_back(l);
        }
    const std::vector<lattice::ProductMethod> methods = lattice::choose_methods(offers, transform_bytes);
    for (LayerWork& layer : work) {
        layer.product = 0;
        layer.transforms = false;
    }
    for (std::size_t i = 0; i < offers.size(); ++i) {
        LayerWork& layer = work[layer_of[i]];
        const bool transform = methods[i] == lattice::ProductMethod::kTransform;
        layer.product += transform ? offers[i].transform_seconds : offers[i].direct_seconds;
        layer.transforms = layer.transforms || transform;
    }
    return work;
}

}  // namespace flash::planner
