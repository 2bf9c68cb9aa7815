// A chain of oneDNN primitives on memory of its own.
#pragma once

#include <deque>
#include <functional>
#include <oneapi/dnnl/dnnl.hpp>
#include <optional>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include "comparison/plain.h"

namespace flash::comparison {

inline constexpr auto kFloat = dnnl::memory::data_type::f32;
inline constexpr auto kAnyLayout = dnnl::memory::format_tag::any;

/// What is tried: a convolution algorithm on so many threads.
struct Choice {
    dnnl::algorithm value;
    const char* name;
    int threads;
    bool in_place = false;  ///< parts of concatenations are written where the whole lies, in blocks of channels like
                            ///< everything else; else they are copied
};

class Chain : public Plain {
public:
    explicit Chain(const Choice& choice);

    void run() override;
    std::vector<float> compute(std::span<const float> picture) override;
    std::string algorithm() const override { return choice_.name; }
    std::string implementation() const override { return implementation_; }

    const dnnl::engine& engine() const { return engine_; }
    const Choice& choice() const { return choice_; }

    /// Memory filled with random numbers of this size: zeros, denormals and infinities could be faster or slower than
    /// real values.
    dnnl::memory filled(const dnnl::memory::desc& description, float size = 0.1f);
    /// Memory with these numbers, given in the order of `plain`, in the layout of `description`.
    dnnl::memory holding(const dnnl::memory::desc& description, const dnnl::memory::desc& plain,
                         std::span<const float> numbers);
    void add(const dnnl::primitive& primitive, std::unordered_map<int, dnnl::memory> arguments) {
        steps_.emplace_back(
            [this, primitive, arguments = std::move(arguments)] { primitive.execute(stream_, arguments); });
    }
    /// What the library has no primitive for: run when all before it is done.
    void add(std::function<void()> work) {
        steps_.emplace_back([this, work = std::move(work)] {
            stream_.wait();
            work();
        });
    }
    /// Holds memory, to which others point, as long as the chain lives.
    const dnnl::memory& keep(dnnl::memory memory);
    /// Notes what the library calls its code.
    void name(const std::string& implementation);
    /// For compute(): the memory of the picture, in CHW order, and that of the results.
    void ends(const dnnl::memory& input, const dnnl::memory& output) { ends_.emplace(input, output); }

private:
    const Choice choice_;
    std::string implementation_;
    dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
    dnnl::stream stream_{engine_};
    std::vector<std::function<void()>> steps_;
    std::optional<std::pair<dnnl::memory, dnnl::memory>> ends_;
    std::deque<dnnl::memory> kept_;
    std::mt19937 random_{1};
};

dnnl::memory::dims dims_of(const model::Shape& shape);
inline dnnl::memory::desc any_layout(const model::Shape& shape) { return {dims_of(shape), kFloat, kAnyLayout}; }

/// A convolution between maps of these layouts. dnnl::error where the library does not have this algorithm for them.
dnnl::convolution_forward::primitive_desc describe_convolution(const dnnl::engine& engine, dnnl::algorithm kind,
                                                               const dnnl::memory::desc& source,
                                                               const dnnl::memory::desc& result,
                                                               const model::Window& window, bool bias,
                                                               const dnnl::post_ops& ops = {}, int groups = 1);

/// The network as a chain, with the choice's algorithm wherever the library has it.
std::unique_ptr<Chain> network_chain(const compiler::FloatGraph& graph, const Choice& choice);

}  // namespace flash::comparison
