// Feeds arbitrary text to the reader of access lists: a list, or Error(kFile).
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "service/access_list.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace flash::service;
    try {
        const AccessList list = AccessList::parse({reinterpret_cast<const char*>(data), size});
        if (list.by_token(flash::Sha256{}) != nullptr && list.size() == 0) std::abort();
    } catch (const flash::Error& error) {
        if (error.kind() != flash::ErrorKind::kFile) std::abort();
    }
    return 0;
}
