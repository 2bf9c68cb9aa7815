#include "comparison/plain.h"

#include <dlfcn.h>

#include <filesystem>

namespace flash::comparison {

namespace {

/// The module stays loaded until the process ends.
const PlainFactory* load() {
    std::error_code error;
    const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
    if (error) return nullptr;
    void* module = dlopen((program.parent_path() / kPlainModule).c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!module) return nullptr;
    const auto make = reinterpret_cast<const PlainFactory* (*)()>(dlsym(module, kPlainSymbol));
    return make ? make() : nullptr;
}

}  // namespace

const PlainFactory* plain_factory() {
    static const PlainFactory* const factory = load();
    return factory;
}

}  // namespace flash::comparison
