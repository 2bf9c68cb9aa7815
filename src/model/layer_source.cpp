#include "model/layer_source.h"

#include <utility>

#include "base/error.h"

namespace flash::model {

LayerWeights OwnedLayers::next() {
    require(next_ < model_.weights.layers.size(), ErrorKind::kInternal, "model: a layer past the last one");
    LayerWeights layer = std::exchange(model_.weights.layers[next_], {});
    validate_layer(model_.architecture, next_++, layer);
    digest_.add(layer);
    return layer;
}

Sha256 OwnedLayers::finish() {
    require(next_ == model_.weights.layers.size(), ErrorKind::kInternal, "model: not all layers were taken");
    return digest_.finish(model_.weights.salt);
}

}  // namespace flash::model
