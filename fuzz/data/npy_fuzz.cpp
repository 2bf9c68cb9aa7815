// libFuzzer entry point for the .npy reader.
#include "targets.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    flash::data::fuzz_npy({data, size});
    return 0;
}
