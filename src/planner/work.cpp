#include "planner/work.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/instruction_set.h"
#include "lattice/transform_product.h"
#include "packing/taps.h"
#include "protocol/linear_map.h"
#include "scheme/parameters.h"
#include "scheme/slots.h"

namespace flash::planner {

namespace {

constexpr double kLanes = 4;      // inputs that byte-wise kernels take at a time
constexpr double kBlockRows = 4;  // rows that kernels take at a time

/// The rates are those of polynomials of 2048 coefficients; most of the work on one is transforms, n log n.
double relative_size(std::size_t n) {
    return static_cast<double>(n) * std::log2(static_cast<double>(n)) / (2048.0 * 11);
}

double blocks_of(double count, double size) { return std::ceil(count / size) * size; }

/// A product of `rows` result and `inputs` uploaded polynomials of a band, with so many columns (weights of a row that
/// are not padding).
ProductWork product_work(double rows, double inputs, double columns, const packing::LinearPlan& linear,
                         int zero_low_bytes, const Rates& rates) {
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
    const auto column_count = static_cast<std::size_t>(columns);
    const std::size_t transform_memory =
        lattice::transform_memory_bytes(n, static_cast<std::size_t>(inputs), static_cast<std::size_t>(rows));
    if (lattice::transforms_fit(n, column_count) && transform_memory <= lattice::kTransformBudget)
        transforms = linear.bands * lattice::transform_parts(n, column_count, zero_low_bytes) *
                     ((inputs + rows) * relative_size(n) * rates.product.transform +
                      inputs * rows * static_cast<double>(n) * rates.product.transform_multiply_add);
    const bool use_transforms = transforms < lattice::kWorthTransforms * direct;
    work.method = use_transforms ? lattice::ProductMethod::kTransform : lattice::ProductMethod::kDirect;
    work.seconds = use_transforms ? transforms : direct;
    work.other_seconds = use_transforms ? direct : transforms;
    work.memory_bytes = use_transforms ? transform_memory : static_cast<std::size_t>(padded);
    return work;
}

/// The products of a convolution term; see TermBuilder in protocol/linear_map.cpp.
void add_convolution(const model::Layer& layer, const model::Term& term, const packing::Stream& stream,
                     const packing::LinearPlan& linear, const Rates& rates, LayerWork& work) {
    const double g1 = linear.grid.channels_per_input, g2 = linear.grid.channels_per_output,
                 taps = static_cast<double>(packing::taps_of(stream, term.window).size());
    const double inputs = stream.shape.channels, outputs = layer.output.channels, rows = linear.polynomials_per_band;
    const double group_inputs = inputs / term.groups, group_outputs = outputs / term.groups;
    double coefficients = 0;
    for (int band = 0; band < linear.bands; ++band)
        coefficients += static_cast<double>(linear.tiles_of_band(band).words());
    if (term.groups > 1 && group_inputs == 1) {  // depthwise: scaled shifts
        work.shifts += outputs * taps * coefficients * rates.shift_coefficient;
        work.weight_memory += static_cast<std::size_t>(outputs * taps) * 16;
        return;
    }
    const double phases = static_cast<double>(stream.phases.size());
    const auto add = [&](double some_rows, double channels, double some_taps, double some_phases, double times) {
        const double polynomials = std::ceil(channels * some_phases / g1);
        if (some_taps == 0 || polynomials == 0) return;  // every window lies in the padding
        const ProductWork product =
            product_work(some_rows, polynomials, channels * some_taps * g2, linear, stream.zero_low_bytes(), rates);
        work.product += times * product.seconds;
        work.weight_memory += static_cast<std::size_t>(times) * product.memory_bytes;
        work.transforms = work.transforms || product.method == lattice::ProductMethod::kTransform;
    };
    if (term.groups == 1) {
        add(rows, inputs, taps, phases, 1);
        return;
    }
    // As many result polynomials at a time as hold the outputs of one group, and one phase at a time.
    const double chunk = std::max(1.0, std::floor(group_outputs / g2)),
                 groups = std::max(1.0, std::floor(chunk * g2 / group_outputs));
    add(std::min(chunk, rows), groups * group_inputs, taps / phases, 1, std::ceil(rows / chunk) * phases);
}

}  // namespace

LayerWork layer_work(const model::Architecture& architecture, const packing::Plan& plan,
                     const protocol::InferenceCost& cost, int index, const Rates& rates) {
    const auto at = static_cast<std::size_t>(index);
    const model::Layer& layer = architecture.layers[at];
    const packing::LinearPlan& linear = plan.layers[at];
    const protocol::LayerCost& c = cost.layers[at];
    LayerWork work;
    const double responses = static_cast<double>(c.response_ciphertexts),
                 values = static_cast<double>(layer.output.size()), size = relative_size(linear.degree());
    const double uploads = static_cast<double>(c.upload_ciphertexts);
    work.encrypt = uploads * size * rates.encrypt;
    work.decrypt = responses * size * rates.decrypt + values * rates.decrypt_value;
    work.add_share = uploads * size * rates.add_share;
    work.mask = responses * size * rates.mask + values * rates.mask_value;
    if (layer.activation) {
        const double chunks = static_cast<double>(c.activation_chunks);
        work.encrypt += values * rates.draw_value;
        work.prepare = chunks * rates.prepare;
        work.respond = chunks * rates.respond;
        work.keys = chunks * rates.keys;
        work.finish = chunks * rates.finish;
    }
    for (std::size_t t = 0; t < layer.terms.size(); ++t) {
        const packing::Stream& stream = plan.streams[static_cast<std::size_t>(linear.term_streams[t])];
        if (layer.terms[t].kind == model::TermKind::kConvolution) {
            add_convolution(layer, layer.terms[t], stream, linear, rates, work);
        } else {
            double coefficients = 0;
            for (int band = 0; band < linear.bands; ++band)
                coefficients += static_cast<double>(linear.tiles_of_band(band).words());
            work.shifts += layer.output.channels * coefficients * rates.shift_coefficient;
        }
    }
    work.upload = c.upload;
    work.response = c.linear_response;
    work.key_bytes = c.server_vectors;
    work.answer = c.product_response;
    work.half_memory = static_cast<std::size_t>(linear.polynomials()) * linear.degree() * sizeof(std::uint32_t);
    work.bands = linear.bands;
    work.pieces = std::max(1.0, static_cast<double>(layer.activation ? c.activation_chunks : c.response_ciphertexts));
    return work;
}

std::vector<LayerWork> network_work(const model::Architecture& architecture, const packing::Plan& plan,
                                    const protocol::InferenceCost& cost, const Rates& rates) {
    std::vector<LayerWork> work;
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
             protocol::product_offers(architecture, plan, static_cast<int>(l), rates.product)) {
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
