// libFuzzer entry point for the ONNX importer: it may refuse with flash::Error, nothing else.
#include <cstdint>
#include <span>

#include "base/error.h"
#include "compiler/compile.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    try {
        flash::compiler::import_onnx(std::span<const std::uint8_t>(data, size), "fuzz");
    } catch (const flash::Error&) {
    }
    return 0;
}
