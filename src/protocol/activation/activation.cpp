#include "protocol/activation/activation.h"

#include "protocol/activation/composite/composite_activation.h"

namespace flash::protocol {

bool Activation::last_use_of_vectors(int layer, std::size_t chunk) const {
    const std::size_t number = first_vectors(layer) + chunk;
    if (number + 1 < vectors_end(layer)) return true;  // only the last can be shared
    for (int next = layer + 1; next < layers(); ++next)
        if (chunks(next) > 0) return first_vectors(next) > number;
    return true;
}

std::shared_ptr<const Activation> make_activation(const model::Architecture& architecture, bool guarded) {
    return std::make_shared<CompositeActivation>(architecture, best_instruction_set(), guarded);
}

}  // namespace flash::protocol
