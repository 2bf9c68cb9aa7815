// libFuzzer entry point for what reads ONNX files: it may refuse with flash::Error, nothing else.
#include <cstdint>
#include <span>

#include "base/error.h"
#include "compiler/compile.h"
#include "compiler/float_graph.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    try {
        flash::compiler::import_onnx(std::span<const std::uint8_t>(data, size), "fuzz");
    } catch (const flash::Error&) {}
    try {
        flash::compiler::import_float_graph(std::span<const std::uint8_t>(data, size));
    } catch (const flash::Error&) {}
    return 0;
}
