// What Flash does with secrets, one kind of work each, so that it can be watched whether its time or its branches
// depend on them: decryption, encryption, sampling, share arithmetic and packing.
#pragma once

#include <cstddef>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/instruction_set.h"

namespace flash::constant_time {

using Random = std::mt19937_64;

/// Of the two populations whose times are compared.
enum class Secret {
    kFixed,   ///< always the same: zeros, or one seed
    kRandom,  ///< another one each time
};

class Operation {
public:
    virtual ~Operation() = default;
    virtual std::string name() const = 0;
    /// Takes a secret, marked as hide() does. Not measured.
    virtual void take(Secret secret, Random& random) = 0;
    /// The work.
    virtual void run() = 0;
};

/// Marks memory as uninitialised for valgrind, which then reports every branch and every address that depends on it, or
/// as what it is again. They do nothing in a program that was built without FLASH_VALGRIND or that does not run under
/// valgrind.
void hide(const void* memory, std::size_t bytes);
void show(const void* memory, std::size_t bytes);
/// Whether hide() has an effect.
bool is_watched();

/// With the kernels of this set where the work has such a choice.
std::vector<std::unique_ptr<Operation>> operations(InstructionSet set);

/// Compares arrays as nobody should: it returns at the first difference. Both methods have to find this.
std::unique_ptr<Operation> leaking_operation();

}  // namespace flash::constant_time
