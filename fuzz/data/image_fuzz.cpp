// libFuzzer entry point for the PNG and JPEG decoders.
#include "targets.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    flash::data::fuzz_image({data, size});
    return 0;
}
