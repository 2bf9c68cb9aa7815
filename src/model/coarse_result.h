// A model whose result tells fewer bits than it was compiled for: the server's choice, at every start.
#pragma once

#include "model/layer_source.h"

namespace flash::model {

/// The same layers with a result of so many bits: each value is rounded up or down to a multiple of 2^(the model's bits
/// - bits) of its units. The weights are the same; the fingerprint is another one, as it covers the architecture.
class CoarseResult : public LayerSource {
public:
    /// source must outlive this object. Error(kInvalidArgument) unless bits are kMinShareBits to the model's own.
    CoarseResult(LayerSource& source, int bits);
    const Architecture& architecture() const override { return architecture_; }
    LayerWeights next() override { return source_.next(); }
    Sha256 finish() override { return source_.finish(); }

private:
    LayerSource& source_;
    Architecture architecture_;
};

}  // namespace flash::model
