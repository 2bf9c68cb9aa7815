// The layers of a compiled model one at a time, so that whoever prepares them never holds all the weights twice.
#pragma once

#include <cstddef>

#include "base/hash.h"
#include "model/model.h"
#include "model/secret_digest.h"

namespace flash::model {

class LayerSource {
public:
    virtual ~LayerSource() = default;
    virtual const Architecture& architecture() const = 0;
    /// The weights of the next layer, checked against the architecture; once for each layer, in order. Error(kFile) for
    /// weights that do not fit.
    virtual LayerWeights next() = 0;
    /// As model::secret_digest, of the weights that next() has given; after the last layer, once. Error(kFile) if there
    /// are more layers.
    virtual Sha256 finish() = 0;
};

/// A validated model that is given away layer by layer.
class OwnedLayers : public LayerSource {
public:
    explicit OwnedLayers(Model model) : model_(std::move(model)) {}
    const Architecture& architecture() const override { return model_.architecture; }
    LayerWeights next() override;
    Sha256 finish() override;

private:
    Model model_;
    std::size_t next_ = 0;
    SecretDigest digest_;
};

}  // namespace flash::model
