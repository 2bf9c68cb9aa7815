// The module libflash_plain.so: plain inference by oneDNN 2.x (see plain.h).
#include <algorithm>
#include <chrono>

#include "base/error.h"
#include "comparison/plain/chain.h"

namespace flash::comparison {

namespace {

using dnnl::algorithm;
using dnnl::memory;

std::vector<Choice> choices(int threads, bool concatenations) {
    std::vector<Choice> list;
    for (bool in_place : concatenations ? std::vector{false, true} : std::vector{false})
        for (const auto& [value, name] : {std::pair{algorithm::convolution_direct, "direct"},
                                          {algorithm::convolution_winograd, "winograd"},
                                          {algorithm::convolution_auto, "auto"}})
            list.push_back({value, name, threads, in_place});
    return list;
}

/// The fastest of what `make` gives for these choices; it may throw dnnl::error where one does not apply. They take
/// turns and the shortest run of each counts, for a tenth of a second or more, so that a disturbance does not decide.
template <class Make>
std::unique_ptr<Plain> fastest(const std::vector<Choice>& choices, const Make& make) {
    using Clock = std::chrono::steady_clock;
    constexpr int kLeastRounds = 3, kMostRounds = 200;
    constexpr std::chrono::milliseconds kTrial{100};
    struct Candidate {
        std::unique_ptr<Plain> plain;
        Clock::duration best = Clock::duration::max();
    };
    std::vector<Candidate> candidates;
    for (const Choice& choice : choices) {
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

class OneDnn : public PlainFactory {
public:
    std::string library() const override {
        const dnnl_version_t* version = dnnl_version();
        return "oneDNN " + std::to_string(version->major) + "." + std::to_string(version->minor) + "." +
               std::to_string(version->patch);
    }

    std::unique_ptr<Plain> convolution(const model::Shape& input, int outputs, const model::Window& window,
                                       int threads) const override {
        const model::Shape output{outputs, window.out_height(input.height), window.out_width(input.width)};
        return fastest(choices(threads, false), [&](const Choice& choice) {
            auto chain = std::make_unique<Chain>(choice);
            const auto primitive = describe_convolution(chain->engine(), choice.value, any_layout(input),
                                                        any_layout(output), window, false);
            chain->name(primitive.impl_info_str());
            chain->add(dnnl::convolution_forward(primitive),
                       {{DNNL_ARG_SRC, chain->filled(primitive.src_desc())},
                        {DNNL_ARG_WEIGHTS, chain->filled(primitive.weights_desc())},
                        {DNNL_ARG_DST, memory(primitive.dst_desc(), chain->engine())}});
            return chain;
        });
    }

    std::unique_ptr<Plain> network(const compiler::FloatGraph& graph, int threads) const override {
        const bool concatenations = std::ranges::any_of(
            graph.nodes, [](const auto& node) { return node.kind == compiler::GraphNode::Kind::kConcatenation; });
        return fastest(choices(threads, concatenations),
                       [&](const Choice& choice) { return network_chain(graph, choice); });
    }
};

}  // namespace

}  // namespace flash::comparison

extern "C" const flash::comparison::PlainFactory* flash_plain_factory() {
    static const flash::comparison::OneDnn factory;
    return &factory;
}
