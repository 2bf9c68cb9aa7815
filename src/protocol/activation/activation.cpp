#include "protocol/activation/activation.h"

#include "base/error.h"
#include "protocol/activation/composite/square_composite.h"
#include "protocol/activation/slots/square_slots.h"

namespace flash::protocol {

bool Activation::last_use_of_vectors(int layer, std::size_t chunk) const {
    const std::size_t number = first_vectors(layer) + chunk;
    if (number + 1 < vectors_end(layer)) return true;  // only the last can be shared
    for (int next = layer + 1; next < layers(); ++next)
        if (chunks(next) > 0) return first_vectors(next) > number;
    return true;
}

std::shared_ptr<const Activation> make_activation(const model::Architecture& architecture, bool guarded) {
    if (architecture.slots == model::SlotChoice{}) {
        if (guarded)
            throw Error(ErrorKind::kUnsupported, "the model's activations are not of the kind that can be guarded");
        return std::make_shared<SquareSlots>(architecture);
    }
    return std::make_shared<SquareComposite>(architecture, best_instruction_set(), guarded);
}

}  // namespace flash::protocol
