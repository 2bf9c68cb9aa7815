// A FloatGraph as a chain of oneDNN primitives.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "comparison/plain/chain.h"

namespace flash::comparison {

namespace {

using compiler::GraphNode;
using compiler::Quadratic;
using dnnl::algorithm;
using dnnl::memory;
using dnnl::prop_kind;
using Kind = GraphNode::Kind;
using Arguments = std::unordered_map<int, memory>;

/// Code that works for everything, and not the best for anything.
bool is_slow(const std::string& implementation) {
    return implementation.find("ref") != std::string::npos || implementation.find("gemm:jit") != std::string::npos;
}

bool uniform(const std::vector<double>& values) {
    return std::ranges::all_of(values, [&](double v) { return std::abs(v - values[0]) <= 1e-6 * std::abs(values[0]); });
}

/// sin(2 pi x) to single precision for moderate x, without branches, so that the loop around it is vectorised.
inline float sine_of_turns(float x) {
    constexpr float kRound = 12582912.F;  // 1.5 * 2^23: adding it leaves no room for fractions
    const float turn = x - ((x + kRound) - kRound), size = std::abs(turn);
    const float folded = std::copysign(0.25F - std::abs(size - 0.25F), turn), z = folded * folded;
    return folded * (6.2831852F + z * (-41.341648F + z * (81.601F + z * (-76.581F + z * 39.537F))));
}

/// Operations fused behind a primitive, and the memory that they read.
struct PostOps {
    dnnl::post_ops ops;
    Arguments arguments;

    void binary(algorithm operation, const memory& right) {
        arguments.insert({DNNL_ARG_ATTR_MULTIPLE_POST_OP(ops.len()) | DNNL_ARG_SRC_1, right});
        ops.append_binary(operation, right.get_desc());
    }
};

class ChainBuilder {
public:
    ChainBuilder(const compiler::FloatGraph& graph, const Choice& choice)
        : graph_(graph),
          chain_(std::make_unique<Chain>(choice)),
          last_reader_(graph.nodes.size() + 1),
          shared_(graph.nodes.size() + 1, false),
          slots_(graph.nodes.size() + 1),
          values_(1) {
        for (std::size_t i = 0; i < graph.nodes.size(); ++i)
            for (int input : graph.nodes[i].inputs) last_reader_[input] = i;
        shared_[0] = true;
        if (choice.in_place) place_concatenations();
    }

    std::unique_ptr<Chain> build() {
        values_[0] = chain_->filled({dims_of(graph_.input), kFloat, memory::format_tag::nchw});
        for (const GraphNode& node : graph_.nodes) values_.push_back(add(node));
        chain_->ends(values_.front(), values_.back());
        return std::move(chain_);
    }

private:
    /// The layout that the library's fast code uses on this machine, in blocks of channels. For one picture, some
    /// blocks in a row are a map.
    static int block() { return dnnl::get_effective_cpu_isa() >= dnnl::cpu_isa::avx512_core ? 16 : 8; }
    static memory::desc blocked(const model::Shape& shape) {
        return {dims_of(shape), kFloat, block() == 16 ? memory::format_tag::nChw16c : memory::format_tag::nChw8c};
    }
    memory part(const memory& whole, const model::Shape& shape, int first_channel) const {
        auto* data = static_cast<float*>(whole.get_data_handle());
        return {blocked(shape), chain_->engine(), data + std::int64_t{first_channel} * shape.height * shape.width};
    }

    /// Gives the parts of concatenations places side by side, so that nothing is copied; one that begins with the same
    /// parts as a longer one is the beginning of it. From the last to the first, as the longer ones of dense blocks
    /// come later.
    void place_concatenations() {
        for (std::size_t i = graph_.nodes.size(); i-- > 0;) {
            const GraphNode& node = graph_.nodes[i];
            if (node.kind != Kind::kConcatenation) continue;
            const auto longer = std::ranges::find_if(placed_, [&](std::size_t other) {
                const std::vector<int>& inputs = graph_.nodes[other].inputs;
                return inputs.size() >= node.inputs.size() &&
                       std::equal(node.inputs.begin(), node.inputs.end(), inputs.begin());
            });
            if (longer != placed_.end()) {
                slots_[i + 1] = part(*slots_[*longer + 1], node.output, 0);
                continue;
            }
            const auto placeable = [&](int input) {
                return input > 0 && !slots_[input] && graph_.value_shape(input).channels % block() == 0 &&
                       graph_.nodes[input - 1].kind != Kind::kConcatenation &&
                       std::ranges::count(node.inputs, input) == 1;
            };
            if (!std::ranges::all_of(node.inputs, placeable)) continue;
            slots_[i + 1] = chain_->keep(memory(blocked(node.output), chain_->engine()));
            placed_.push_back(i);
            int first = 0;
            for (int input : node.inputs) {
                slots_[input] = part(*slots_[i + 1], graph_.value_shape(input), first);
                shared_[input] = true;
                first += graph_.value_shape(input).channels;
            }
        }
    }

    const memory& value(int number) const { return values_[number]; }
    /// The place of the value that comes next, if a concatenation holds it.
    const std::optional<memory>& slot() const { return slots_[values_.size()]; }

    memory add(const GraphNode& node) {
        switch (node.kind) {
            case Kind::kConvolution: return in_slot(convolution(node));
            case Kind::kAverage: return in_slot(average(node));
            case Kind::kSum:
                return in_slot(binary(algorithm::binary_add, value(node.inputs[0]), value(node.inputs[1]), {}));
            case Kind::kQuadratic: return in_slot(quadratic(node));
            case Kind::kSine: return in_slot(sine(node));
            case Kind::kConcatenation: return slot() ? *slot() : concatenation(node);
        }
        return {};
    }

    memory in_slot(const memory& result) {
        if (!slot() || result.get_data_handle() == slot()->get_data_handle()) return result;
        chain_->add(dnnl::reorder(result, *slot()), {{DNNL_ARG_FROM, result}, {DNNL_ARG_TO, *slot()}});
        return *slot();
    }

    /// Memory of this layout for the value that comes next: its slot, if that has this layout.
    memory destination(const memory::desc& layout) const {
        return slot() && slot()->get_desc() == layout ? *slot() : memory(layout, chain_->engine());
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

    memory per_channel(const std::vector<double>& values, bool vector = false) {
        const std::vector<float> numbers(values.begin(), values.end());
        const auto channels = static_cast<std::int64_t>(values.size());
        const memory::desc description = vector ? memory::desc({1, channels}, kFloat, memory::format_tag::ab)
                                                : memory::desc({1, channels, 1, 1}, kFloat, memory::format_tag::abcd);
        return chain_->holding(description, description, numbers);
    }

    /// a x^2 + c of what a primitive gives, which may be a vector in place of a map.
    void append_square(PostOps& post, const Quadratic& square, bool vector = false) {
        post.ops.append_eltwise(1.f, algorithm::eltwise_square, 0.f, 0.f);
        if (uniform(square.a) && uniform(square.c)) {
            post.ops.append_eltwise(1.f, algorithm::eltwise_linear, static_cast<float>(square.a[0]),
                                    static_cast<float>(square.c[0]));
        } else {
            post.binary(algorithm::binary_mul, per_channel(square.a, vector));
            post.binary(algorithm::binary_add, per_channel(square.c, vector));
        }
    }

    memory binary(algorithm operation, const memory& left, const memory& right, const PostOps& post) {
        const memory result = destination(left.get_desc());
        dnnl::primitive_attr attributes;
        attributes.set_post_ops(post.ops);
        const bool broadcast = right.get_desc().dims() != left.get_desc().dims();
        const memory other = broadcast ? right : in_layout(right, left.get_desc());
        const dnnl::binary::primitive_desc primitive({operation, left.get_desc(), other.get_desc(), result.get_desc()},
                                                     attributes, chain_->engine());
        chain_->name(primitive.impl_info_str());
        Arguments arguments{{DNNL_ARG_SRC_0, left}, {DNNL_ARG_SRC_1, other}, {DNNL_ARG_DST, result}};
        arguments.insert(post.arguments.begin(), post.arguments.end());
        chain_->add(dnnl::binary(primitive), std::move(arguments));
        return result;
    }

    /// A depthwise convolution of one pixel computes b x + c, and with a square behind it (s x + t)^2 + c, in one pass
    /// over the map in any layout. Where only some channels have a square it is (a x + b) x + c.
    memory quadratic(const GraphNode& node) {
        const Quadratic& poly = *node.activation;
        const bool linear = std::ranges::all_of(poly.a, [](double a) { return a == 0; });
        if (!linear && std::ranges::any_of(poly.a, [](double a) { return a == 0; })) {
            const memory x = in_layout(value(node.inputs[0]), {dims_of(node.output), kFloat, memory::format_tag::nhwc});
            PostOps post;
            post.binary(algorithm::binary_add, per_channel(poly.b));
            post.binary(algorithm::binary_mul, x);
            post.binary(algorithm::binary_add, per_channel(poly.c));
            return binary(algorithm::binary_mul, x, per_channel(poly.a), post);
        }
        GraphNode pass{Kind::kConvolution, node.inputs, node.output, {}, node.output.channels, {}, {}, {}};
        Quadratic square = poly;
        for (std::size_t c = 0; c < poly.a.size(); ++c) {
            const double root = std::sqrt(std::abs(poly.a[c]));
            pass.weights.push_back(static_cast<float>(linear ? poly.b[c] : root));
            pass.bias.push_back(static_cast<float>(linear ? poly.c[c] : root * poly.b[c] / (2 * poly.a[c])));
            if (linear) continue;
            square.a[c] = std::copysign(1.0, poly.a[c]);
            square.c[c] = poly.c[c] - poly.b[c] * poly.b[c] / (4 * poly.a[c]);
        }
        if (!linear) pass.activation = std::move(square);
        return convolution(pass, true);
    }

    /// The library has no sines: they are computed here, on all cores, over the channels of each place.
    memory sine(const GraphNode& node) {
        const compiler::Sine& curve = *node.sine;
        const memory::desc layout{dims_of(node.output), kFloat, memory::format_tag::nhwc};
        const memory source = in_layout(value(node.inputs[0]), layout), result(layout, chain_->engine());
        const auto channels = static_cast<std::size_t>(node.output.channels);
        std::vector<float> constants;  // of each channel: amplitude, turns for one unit of x, turns at zero, constant
        for (const std::vector<double>* of : {&curve.amplitude, &curve.frequency, &curve.phase, &curve.constant}) {
            const bool turns = of == &curve.frequency || of == &curve.phase;
            for (double number : *of)
                constants.push_back(static_cast<float>(turns ? number / (2 * std::numbers::pi) : number));
        }
        const auto places = static_cast<std::int64_t>(node.output.height) * node.output.width;
        chain_->name("sine");
        chain_->add([=, constants = std::move(constants)] {
            const auto* from = static_cast<const float*>(source.get_data_handle());
            auto* to = static_cast<float*>(result.get_data_handle());
            const float *amplitude = constants.data(), *frequency = amplitude + channels, *phase = frequency + channels,
                        *constant = phase + channels;
#pragma omp parallel for
            for (std::int64_t place = 0; place < places; ++place) {
                const float* x = from + static_cast<std::size_t>(place) * channels;
                float* y = to + static_cast<std::size_t>(place) * channels;
                for (std::size_t c = 0; c < channels; ++c)
                    y[c] = amplitude[c] * sine_of_turns(frequency[c] * x[c] + phase[c]) + constant[c];
            }
        });
        return result;
    }

    memory average(const GraphNode& node) {
        const model::Window& w = node.window;
        const memory source = slot() ? in_layout(value(node.inputs[0]), blocked(graph_.value_shape(node.inputs[0])))
                                     : value(node.inputs[0]);
        const dnnl::pooling_forward::desc description(
            prop_kind::forward_inference,
            w.level ? algorithm::pooling_avg_exclude_padding : algorithm::pooling_avg_include_padding,
            source.get_desc(), any_layout(node.output), {w.stride_h, w.stride_w}, {w.kernel_h, w.kernel_w},
            {w.pad_top, w.pad_left}, {w.pad_bottom, w.pad_right});
        const dnnl::pooling_forward::primitive_desc primitive(description, chain_->engine());
        const memory result = destination(primitive.dst_desc());
        chain_->add(dnnl::pooling_forward(primitive), {{DNNL_ARG_SRC, source}, {DNNL_ARG_DST, result}});
        return result;
    }

    memory concatenation(const GraphNode& node) {
        std::vector<memory::desc> descriptions;
        Arguments arguments;
        for (std::size_t i = 0; i < node.inputs.size(); ++i) {
            descriptions.push_back(value(node.inputs[i]).get_desc());
            arguments.insert({DNNL_ARG_MULTIPLE_SRC + static_cast<int>(i), value(node.inputs[i])});
        }
        const dnnl::concat::primitive_desc primitive(1, descriptions, chain_->engine());
        const memory result(primitive.dst_desc(), chain_->engine());
        arguments.insert({DNNL_ARG_DST, result});
        chain_->add(dnnl::concat(primitive), std::move(arguments));
        return result;
    }

    /// What a convolution is added to: in place where nobody else reads that value, the way frameworks fuse a residual
    /// sum, and the fastest.
    memory addend(const GraphNode& node) {
        const auto number = static_cast<std::size_t>(node.inputs[1]);
        const bool ours = !shared_[number] && last_reader_[number] == values_.size() - 1 &&
                          node.inputs[1] != node.inputs[0] &&
                          !(number > 0 && graph_.nodes[number - 1].kind == Kind::kConcatenation);
        return ours ? values_[number] : copy(values_[number], values_[number].get_desc());
    }

    /// keep_layout: the result lies as the source does.
    memory convolution(const GraphNode& node, bool keep_layout = false) {
        const model::Shape& shape = graph_.value_shape(node.inputs[0]);
        const memory& source = value(node.inputs[0]);
        std::optional<memory> onto;
        PostOps post;
        if (node.inputs.size() > 1) {
            onto = addend(node);
            post.ops.append_sum(1.f);
        }
        const bool whole_map = !onto && !keep_layout && node.groups == 1 && node.output.height == 1 &&
                               node.output.width == 1 && node.window.kernel_h == shape.height &&
                               node.window.kernel_w == shape.width;
        if (node.activation) append_square(post, *node.activation, whole_map);
        if (whole_map) return fully_connected(node, source, shape, post);

        const bool blocks = chain_->choice().in_place && !is_picture(node.inputs[0]);
        const memory::desc given = keep_layout || blocks ? source.get_desc() : any_layout(shape);
        const memory::desc wanted = onto          ? onto->get_desc()
                                    : slot()      ? slot()->get_desc()
                                    : keep_layout ? given
                                    : blocks      ? blocked(node.output)
                                                  : any_layout(node.output);
        const auto primitive = best_convolution(node, given, wanted, post.ops);
        chain_->name(primitive.impl_info_str());
        const memory result = onto ? in_layout(*onto, primitive.dst_desc()) : destination(primitive.dst_desc());
        const std::int64_t outputs = node.output.channels / node.groups, inputs = shape.channels / node.groups;
        const memory::desc plain =
            node.groups > 1 ? memory::desc({node.groups, outputs, inputs, node.window.kernel_h, node.window.kernel_w},
                                           kFloat, memory::format_tag::goihw)
                            : memory::desc({outputs, inputs, node.window.kernel_h, node.window.kernel_w}, kFloat,
                                           memory::format_tag::oihw);
        post.arguments.insert(
            {{DNNL_ARG_SRC, in_layout(source, primitive.src_desc())},
             {DNNL_ARG_WEIGHTS, weights(node, primitive.weights_desc(), plain, static_cast<int>(inputs))},
             {DNNL_ARG_BIAS, bias(node, primitive.bias_desc())},
             {DNNL_ARG_DST, result}});
        chain_->add(dnnl::convolution_forward(primitive), std::move(post.arguments));
        return result;
    }

    /// The picture, which has few channels and no blocks of them.
    static bool is_picture(int number) { return number == 0; }

    /// The chosen algorithm where the library has it for this shape, else the direct one; between the given layouts if
    /// that runs in fast code, else with any of the result, else of both.
    dnnl::convolution_forward::primitive_desc best_convolution(const GraphNode& node, const memory::desc& source,
                                                               const memory::desc& wanted,
                                                               const dnnl::post_ops& ops) const {
        const memory::desc any_source = any_layout(graph_.value_shape(node.inputs[0])),
                           any_result = any_layout(node.output);
        for (const auto& [from, to] :
             {std::pair{source, wanted}, {source, any_result}, {any_source, wanted}, {any_source, any_result}})
            for (algorithm kind : {chain_->choice().value, algorithm::convolution_direct}) try {
                    const auto primitive =
                        describe_convolution(chain_->engine(), kind, from, to, node.window, true, ops, node.groups);
                    if (!is_slow(primitive.impl_info_str())) return primitive;
                } catch (const dnnl::error&) {
                    continue;
                }
        return describe_convolution(chain_->engine(), algorithm::convolution_direct, any_source, any_result,
                                    node.window, true, ops, node.groups);
    }

    memory fully_connected(const GraphNode& node, const memory& source, const model::Shape& shape, PostOps& post) {
        const memory::dims weight_dims{node.output.channels, shape.channels, shape.height, shape.width};
        const memory::desc any(weight_dims, kFloat, kAnyLayout),
            result_description({1, node.output.channels}, kFloat, kAnyLayout),
            bias_description({node.output.channels}, kFloat, kAnyLayout);
        dnnl::primitive_attr attributes;
        attributes.set_post_ops(post.ops);
        const dnnl::inner_product_forward::primitive_desc primitive(
            dnnl::inner_product_forward::desc(prop_kind::forward_inference, any_layout(shape), any, bias_description,
                                              result_description),
            attributes, chain_->engine());
        memory result(primitive.dst_desc(), chain_->engine());
        post.arguments.insert(
            {{DNNL_ARG_SRC, in_layout(source, primitive.src_desc())},
             {DNNL_ARG_WEIGHTS,
              weights(node, primitive.weights_desc(), {weight_dims, kFloat, memory::format_tag::oihw}, shape.channels)},
             {DNNL_ARG_BIAS, bias(node, primitive.bias_desc())},
             {DNNL_ARG_DST, result}});
        chain_->add(dnnl::inner_product_forward(primitive), std::move(post.arguments));
        // Later layers read it as a 1x1 map: the same numbers under another description.
        return memory({dims_of(node.output), kFloat, memory::format_tag::nchw}, chain_->engine(),
                      chain_->keep(result).get_data_handle());
    }

    /// Random weights keep the values of layer after layer of one size.
    memory weights(const GraphNode& node, const memory::desc& layout, const memory::desc& plain, int inputs) {
        if (!node.weights.empty()) return chain_->holding(layout, plain, node.weights);
        return chain_->filled(
            layout, 0.8f / std::sqrt(static_cast<float>(inputs * node.window.kernel_h * node.window.kernel_w)));
    }
    memory bias(const GraphNode& node, const memory::desc& layout) {
        return node.bias.empty()
                   ? chain_->filled(layout)
                   : chain_->holding(layout, {{node.output.channels}, kFloat, memory::format_tag::a}, node.bias);
    }

    const compiler::FloatGraph& graph_;
    std::unique_ptr<Chain> chain_;
    std::vector<std::size_t> last_reader_;      ///< of each value: a node
    std::vector<bool> shared_;                  ///< of each value: its memory belongs to others too
    std::vector<std::size_t> placed_;           ///< concatenations with memory of their own
    std::vector<std::optional<memory>> slots_;  ///< of each value: its place, if that is fixed
    std::vector<memory> values_;                ///< of the nodes so far, and the input
};

}  // namespace

std::unique_ptr<Chain> network_chain(const compiler::FloatGraph& graph, const Choice& choice) {
    return ChainBuilder(graph, choice).build();
}

}  // namespace flash::comparison
