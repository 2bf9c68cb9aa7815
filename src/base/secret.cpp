#include "base/secret.h"

#include <cstring>

namespace flash {

void wipe(void* memory, std::size_t bytes) {
    std::memset(memory, 0, bytes);
    // Claims to read the memory, so that the writing has an effect.
    __asm__ __volatile__("" : : "r"(memory) : "memory");
}

}  // namespace flash
