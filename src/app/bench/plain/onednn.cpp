// The module libflash_plain.so: plain inference by oneDNN 2.x (see plain.h).
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <oneapi/dnnl/dnnl.hpp>
#include <optional>
#include <random>
#include <unordered_map>
#include <vector>

#include "app/bench/plain.h"
#include "base/error.h"

namespace flash::bench {

namespace {

using dnnl::algorithm;
using dnnl::memory;
using dnnl::prop_kind;
using Dims = memory::dims;

constexpr auto kFloat = memory::data_type::f32;
constexpr auto kAny = memory::format_tag::any;

struct Choice {
    algorithm value;
    const char* name;
    int threads;
};

std::vector<Choice> choices(int threads) {
    return {{algorithm::convolution_direct, "direct", threads}, {algorithm::convolution_winograd, "winograd", threads}, {algorithm::convolution_auto, "auto", threads}};
}

Dims dims_of(const model::Shape& s) { return {1, s.channels, s.height, s.width}; }
Dims strides_of(const model::Window& w) { return {w.stride_h, w.stride_w}; }
/// How many pixels are left out between two that the kernel meets.
Dims gaps_of(const model::Window& w) { return {w.dilation_h - 1, w.dilation_w - 1}; }
Dims before(const model::Window& w) { return {w.pad_top, w.pad_left}; }
Dims after(const model::Window& w) { return {w.pad_bottom, w.pad_right}; }

/// Steps in order on memory of its own.
class Chain : public Plain {
public:
    explicit Chain(const Choice& choice) : choice_(choice) { omp_set_num_threads(choice_.threads); }

    void run() override {
        omp_set_num_threads(choice_.threads);
        for (auto& [primitive, arguments] : steps_) primitive.execute(stream_, arguments);
        stream_.wait();
    }
    std::string algorithm() const override { return choice_.name; }
    std::string implementation() const override { return implementation_; }

    const dnnl::engine& engine() const { return engine_; }

    /// Memory filled with random numbers of this size: zeros, denormals and infinities could be faster or slower than real values.
    memory filled(const memory::desc& description, float size = 0.1f) {
        memory result(description, engine_);
        auto* data = static_cast<float*>(result.get_data_handle());
        std::uniform_real_distribution<float> value(-size, size);
        for (std::size_t i = 0; i < description.get_size() / sizeof(float); ++i) data[i] = value(random_);
        return result;
    }
    void add(const dnnl::primitive& primitive, std::unordered_map<int, memory> arguments) {
        steps_.emplace_back(primitive, std::move(arguments));
    }
    void name(const std::string& implementation) {
        if (implementation_.find(implementation) == std::string::npos)
            implementation_ += (implementation_.empty() ? "" : ", ") + implementation;
    }

private:
    const Choice choice_;
    std::string implementation_;
    dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
    dnnl::stream stream_{engine_};
    std::vector<std::pair<dnnl::primitive, std::unordered_map<int, memory>>> steps_;
    std::mt19937 random_{1};
};

/// The fastest of what `make` gives for all algorithms; it may throw dnnl::error where one does not apply. They take turns and the
/// shortest run of each counts, for a tenth of a second or more, so that a disturbance does not decide.
template <class Make>
std::unique_ptr<Plain> fastest(int threads, const Make& make) {
    using Clock = std::chrono::steady_clock;
    constexpr int kLeastRounds = 5, kMostRounds = 200;
    constexpr std::chrono::milliseconds kTrial{100};
    struct Candidate {
        std::unique_ptr<Plain> plain;
        Clock::duration best = Clock::duration::max();
    };
    std::vector<Candidate> candidates;
    for (const Choice& choice : choices(threads)) {
        try {
            Candidate candidate{make(choice)};
            candidate.plain->run();
            candidates.push_back(std::move(candidate));
        } catch (const dnnl::error&) {
            continue;  // oneDNN does not have this algorithm for this shape
        }
    }
    require(!candidates.empty(), ErrorKind::kInternal, "oneDNN has no implementation for this network");
    const auto begin = Clock::now();
    for (int round = 0; round < kMostRounds && (round < kLeastRounds || Clock::now() - begin < kTrial); ++round)
        for (Candidate& candidate : candidates) {
            const auto start = Clock::now();
            candidate.plain->run();
            candidate.best = std::min(candidate.best, Clock::now() - start);
        }
    return std::move(std::ranges::min_element(candidates, {}, &Candidate::best)->plain);
}

memory::desc any_layout(const model::Shape& shape) { return {dims_of(shape), kFloat, kAny}; }

/// Keeps the values of layer after layer of one size.
float weight_size(const model::Shape& input, const model::Window& window, int groups = 1) {
    return 0.8f / std::sqrt(static_cast<float>(input.channels / groups * window.kernel_h * window.kernel_w));
}

dnnl::convolution_forward::primitive_desc describe(const dnnl::engine& engine, dnnl::algorithm kind, const model::Shape& input,
                                                   const model::Shape& output, const memory::desc& result, const model::Window& window,
                                                   bool bias, const dnnl::post_ops& ops, int groups = 1) {
    const memory::desc source = any_layout(input);
    Dims shape{output.channels / groups, input.channels / groups, window.kernel_h, window.kernel_w};
    if (groups > 1) shape.insert(shape.begin(), groups);
    const memory::desc weights(shape, kFloat, kAny);
    const memory::desc biases({output.channels}, kFloat, kAny);
    dnnl::primitive_attr attributes;
    attributes.set_post_ops(ops);
    const auto description =
        bias ? dnnl::convolution_forward::desc(prop_kind::forward_inference, kind, source, weights, biases, result, strides_of(window),
                                               gaps_of(window), before(window), after(window))
             : dnnl::convolution_forward::desc(prop_kind::forward_inference, kind, source, weights, result, strides_of(window),
                                               gaps_of(window), before(window), after(window));
    return {description, attributes, engine};
}

/// Code that works for everything, and not the best for anything.
bool is_slow(const std::string& implementation) {
    return implementation.find("ref") != std::string::npos || implementation.find("gemm:jit") != std::string::npos;
}

/// Builds the chain of a network, layer by layer.
class NetworkBuilder {
public:
    NetworkBuilder(const model::Architecture& architecture, const Choice& choice)
        : architecture_(architecture), choice_(choice), chain_(std::make_unique<Chain>(choice)), last_reader_(architecture.layers.size() + 1) {
        for (std::size_t l = 0; l < architecture.layers.size(); ++l)
            for (const model::Term& term : architecture.layers[l].terms) last_reader_[static_cast<std::size_t>(term.source)] = l;
    }

    std::unique_ptr<Plain> build() {
        values_.push_back(chain_->filled({dims_of(architecture_.input), kFloat, memory::format_tag::nchw}));
        for (const model::Layer& layer : architecture_.layers) add_layer(layer);
        return std::move(chain_);
    }

private:
    /// x^2 + x = (x + 1/2)^2 - 1/4, the half being part of the bias: two operations that the library fuses into a convolution.
    static void append_activation(dnnl::post_ops& ops) {
        ops.append_eltwise(1.f, algorithm::eltwise_square, 0.f, 0.f);
        ops.append_eltwise(1.f, algorithm::eltwise_linear, 1.f, -0.25f);
    }

    memory pooled(const model::Term& term) {
        const memory& source = values_[static_cast<std::size_t>(term.source)];
        if (!term.pool) return source;
        const model::Shape shape = architecture_.pooled_shape(term);
        const model::Window& w = *term.pool;
        const dnnl::pooling_forward::desc description(prop_kind::forward_inference, w.level ? algorithm::pooling_avg_exclude_padding : algorithm::pooling_avg_include_padding, source.get_desc(),
                                                      {dims_of(shape), kFloat, kAny}, strides_of(w), {w.kernel_h, w.kernel_w}, before(w), after(w));
        const dnnl::pooling_forward::primitive_desc primitive(description, chain_->engine());
        memory result(primitive.dst_desc(), chain_->engine());
        chain_->add(dnnl::pooling_forward(primitive), {{DNNL_ARG_SRC, source}, {DNNL_ARG_DST, result}});
        return result;
    }

    /// The memory itself, or a copy in the layout that a step asks for: then the copy is a step too.
    memory in_layout(const memory& source, const memory::desc& wanted) {
        return source.get_desc() == wanted ? source : copy(source, wanted);
    }

    memory copy(const memory& source, const memory::desc& layout) {
        memory result(layout, chain_->engine());
        chain_->add(dnnl::reorder(source, result), {{DNNL_ARG_FROM, source}, {DNNL_ARG_TO, result}});
        return result;
    }

    /// The first shortcut is what the convolutions add to, in place where nobody else reads that value: the way frameworks fuse a
    /// residual sum, and the fastest.
    void add_layer(const model::Layer& layer) {
        std::vector<const model::Term*> convolutions, shortcuts;
        for (const model::Term& term : layer.terms)
            (term.kind == model::TermKind::kConvolution ? convolutions : shortcuts).push_back(&term);
        std::optional<memory> result;
        for (const model::Term* shortcut : shortcuts) {
            const memory value = pooled(*shortcut);
            if (result)
                result = binary(algorithm::binary_add, *result, value);
            else
                result = shortcut->pool || last_reader_[static_cast<std::size_t>(shortcut->source)] == values_.size() - 1 ? value : copy(value, value.get_desc());
        }
        for (std::size_t i = 0; i < convolutions.size(); ++i) {
            dnnl::post_ops ops;
            if (result) ops.append_sum(1.f);
            if (i + 1 == convolutions.size() && layer.activation) append_activation(ops);
            result = add_linear(*convolutions[i], layer.output, ops, result);
        }
        // A layer of shortcuts alone has nothing to fuse the activation into.
        if (convolutions.empty() && layer.activation) result = binary(algorithm::binary_add, binary(algorithm::binary_mul, *result, *result), *result);
        values_.push_back(*result);
    }

    memory binary(algorithm operation, const memory& left, const memory& right) {
        memory result(left.get_desc(), chain_->engine());
        const dnnl::binary::desc description(operation, left.get_desc(), right.get_desc(), result.get_desc());
        chain_->add(dnnl::binary(dnnl::binary::primitive_desc(description, chain_->engine())),
                    {{DNNL_ARG_SRC_0, left}, {DNNL_ARG_SRC_1, right}, {DNNL_ARG_DST, result}});
        return result;
    }

    memory add_linear(const model::Term& term, const model::Shape& output, const dnnl::post_ops& ops, const std::optional<memory>& onto) {
        const model::Shape shape = architecture_.pooled_shape(term);
        const memory source = pooled(term);
        const bool whole_map = term.groups == 1 && output.height == 1 && output.width == 1 && term.window.kernel_h == shape.height && term.window.kernel_w == shape.width;
        if (whole_map && !onto) return fully_connected(source, shape, output, ops);

        const auto primitive = convolution(shape, output, onto ? onto->get_desc() : any_layout(output), term.window, ops, term.groups);
        chain_->name(primitive.impl_info_str());
        const memory result = onto ? in_layout(*onto, primitive.dst_desc()) : memory(primitive.dst_desc(), chain_->engine());
        chain_->add(dnnl::convolution_forward(primitive), {{DNNL_ARG_SRC, in_layout(source, primitive.src_desc())},
                                                           {DNNL_ARG_WEIGHTS, chain_->filled(primitive.weights_desc(), weight_size(shape, term.window, term.groups))},
                                                           {DNNL_ARG_BIAS, chain_->filled(primitive.bias_desc())},
                                                           {DNNL_ARG_DST, result}});
        return result;
    }

    /// The chosen algorithm where the library has it for this shape, else the direct one; with the wanted layout of the result if that
    /// runs in fast code, else with any.
    dnnl::convolution_forward::primitive_desc convolution(const model::Shape& input, const model::Shape& output, const memory::desc& wanted,
                                                          const model::Window& window, const dnnl::post_ops& ops, int groups) const {
        for (const memory::desc& result : {wanted, any_layout(output)})
            for (algorithm kind : {choice_.value, algorithm::convolution_direct})
                try {
                    const auto primitive = describe(chain_->engine(), kind, input, output, result, window, true, ops, groups);
                    if (!is_slow(primitive.impl_info_str())) return primitive;
                } catch (const dnnl::error&) {
                    continue;
                }
        return describe(chain_->engine(), algorithm::convolution_direct, input, output, any_layout(output), window, true, ops, groups);
    }

    memory fully_connected(const memory& source, const model::Shape& shape, const model::Shape& output, const dnnl::post_ops& ops) {
        const memory::desc weights({output.channels, shape.channels, shape.height, shape.width}, kFloat, kAny);
        const memory::desc result_description({1, output.channels}, kFloat, kAny), bias({output.channels}, kFloat, kAny);
        dnnl::primitive_attr attributes;
        attributes.set_post_ops(ops);
        const dnnl::inner_product_forward::primitive_desc primitive(
            dnnl::inner_product_forward::desc(prop_kind::forward_inference, {dims_of(shape), kFloat, kAny}, weights, bias, result_description),
            attributes, chain_->engine());
        memory result(primitive.dst_desc(), chain_->engine());
        chain_->add(dnnl::inner_product_forward(primitive), {{DNNL_ARG_SRC, in_layout(source, primitive.src_desc())},
                                                             {DNNL_ARG_WEIGHTS, chain_->filled(primitive.weights_desc(), 0.05f)},
                                                             {DNNL_ARG_BIAS, chain_->filled(primitive.bias_desc())},
                                                             {DNNL_ARG_DST, result}});
        // Later layers read it as a 1x1 map: the same numbers under another description.
        return memory({dims_of(output), kFloat, memory::format_tag::nchw}, chain_->engine(), result.get_data_handle());
    }

    const model::Architecture& architecture_;
    const Choice choice_;
    std::unique_ptr<Chain> chain_;
    std::vector<std::size_t> last_reader_;  ///< of each value: a layer
    std::vector<memory> values_;            ///< of the layers so far, and the input
};

class OneDnn : public PlainFactory {
public:
    std::string library() const override {
        const dnnl_version_t* version = dnnl_version();
        return "oneDNN " + std::to_string(version->major) + "." + std::to_string(version->minor) + "." + std::to_string(version->patch);
    }

    std::unique_ptr<Plain> convolution(const model::Shape& input, int outputs, const model::Window& window, int threads) const override {
        const model::Shape output{outputs, window.out_height(input.height), window.out_width(input.width)};
        return fastest(threads, [&](const Choice& choice) {
            auto chain = std::make_unique<Chain>(choice);
            const auto primitive = describe(chain->engine(), choice.value, input, output, any_layout(output), window, false, {});
            chain->name(primitive.impl_info_str());
            chain->add(dnnl::convolution_forward(primitive), {{DNNL_ARG_SRC, chain->filled(primitive.src_desc())},
                                                              {DNNL_ARG_WEIGHTS, chain->filled(primitive.weights_desc())},
                                                              {DNNL_ARG_DST, memory(primitive.dst_desc(), chain->engine())}});
            return chain;
        });
    }

    std::unique_ptr<Plain> network(const model::Architecture& architecture, int threads) const override {
        return fastest(threads, [&](const Choice& choice) { return NetworkBuilder(architecture, choice).build(); });
    }
};

}  // namespace

}  // namespace flash::bench

extern "C" const flash::bench::PlainFactory* flash_plain_factory() {
    static const flash::bench::OneDnn factory;
    return &factory;
}
