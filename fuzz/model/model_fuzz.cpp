// libFuzzer entry point for compiled model files and for architectures as a server sends them. A parser may refuse its
// input with flash::Error; what it accepts must pass validation and survive a round trip.
#include <cstdint>
#include <cstdlib>
#include <span>

#include "base/error.h"
#include "model/file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::span<const std::uint8_t> bytes(data, size);
    try {
        flash::model::validate(flash::model::parse(bytes));
    } catch (const flash::Error&) {}
    try {
        const auto architecture = flash::model::parse_architecture(bytes);
        const auto again = flash::model::serialize(architecture);
        if (flash::model::serialize(flash::model::parse_architecture(again)) != again) std::abort();
    } catch (const flash::Error&) {}
    return 0;
}
