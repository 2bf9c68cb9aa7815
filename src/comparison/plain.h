// The same networks without privacy: float32 by oneDNN, the library behind the CPU back ends of the common frameworks.
// It is the other side of "what does privacy cost", measured in the same run. Weights may be random where only the time
// counts.
//
// oneDNN is optional, and no business of a server: the code that uses it is a module of its own (plain/onednn.cpp)
// beside the program, built where the library is found and loaded when something is to be compared.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "compiler/float_graph.h"
#include "model/architecture.h"

namespace flash::comparison {

/// A convolution or a whole network, ready to run again and again on one picture.
class Plain {
public:
    virtual ~Plain() = default;
    /// One picture, waited for.
    virtual void run() = 0;
    /// The same for this picture, CHW: the results. Of networks only.
    virtual std::vector<float> compute(std::span<const float> picture) = 0;
    /// Which algorithm was the fastest: "direct", "winograd" or "auto"; and what the library calls its code.
    virtual std::string algorithm() const = 0;
    virtual std::string implementation() const = 0;
};

/// What the module makes. Functions throw Error(kInternal) if the library cannot.
class PlainFactory {
public:
    virtual ~PlainFactory() = default;
    /// "oneDNN 2.6.3".
    virtual std::string library() const = 0;
    /// One convolution without bias. Layouts are those that the library likes best; reordering to them is not part of
    /// run(). All algorithms are tried and the fastest is returned.
    virtual std::unique_ptr<Plain> convolution(const model::Shape& input, int outputs, const model::Window& window,
                                               int threads) const = 0;
    /// A whole network: convolutions with bias, sums and activations fused into them where the library can;
    /// convolutions over a whole map as fully connected layers; concatenations written in place. Chosen likewise, for
    /// the whole network.
    virtual std::unique_ptr<Plain> network(const compiler::FloatGraph& graph, int threads) const = 0;
};

/// The module's factory, loaded on first use; null where Flash was built without oneDNN.
const PlainFactory* plain_factory();
/// Name of the module, which lies beside the program, and of the function in it: `const PlainFactory* ()`.
inline constexpr const char* kPlainModule = "libflash_plain.so";
inline constexpr const char* kPlainSymbol = "flash_plain_factory";

}  // namespace flash::comparison
