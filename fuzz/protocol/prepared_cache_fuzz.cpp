// libFuzzer entry point for the cache of the `a` halves of one small model. Every input is tried as it is and with its
// checksum put right, as whoever writes the file could do. What is accepted must have exactly the sizes of the plan and
// the bytes of the file.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <vector>

#include "base/hash.h"
#include "model/architecture.h"
#include "packing/plan.h"
#include "protocol/prepared_cache.h"

namespace {

/// One fully connected layer, 4 values to 2: no weights are needed to know what its cache looks like.
const flash::protocol::CacheLayout& cache_fuzz_layout() {
    static const flash::protocol::CacheLayout layout = [] {
        flash::model::Architecture architecture;
        architecture.name = "fuzz";
        architecture.plain_bits = 24;
        architecture.input = {1, 2, 2};
        architecture.input_scale = architecture.output_scale = 1;
        architecture.input_limit = 100;
        architecture.preprocessing = {0, 2, 2, {0}, {1}};
        flash::model::Layer layer;
        layer.name = "fc";
        layer.terms.push_back({0, {}, flash::model::TermKind::kConvolution, {2, 2, 1, 1, 0, 0, 0, 0}});
        layer.output = {2, 1, 1};
        layer.share_bits = 16;
        layer.activation = false;
        architecture.layers.push_back(layer);
        flash::model::validate(architecture);
        return flash::protocol::cache_layout(architecture, flash::packing::make_plan(architecture), {});
    }();
    return layout;
}

void try_cache(std::span<const std::uint8_t> bytes) {
    const auto& layout = cache_fuzz_layout();
    const auto reading = flash::protocol::parse_cache(bytes, layout);
    if (!reading.used) {
        if (reading.problem.empty() || !reading.halves.empty()) std::abort();
        return;
    }
    std::size_t at = layout.header.size();
    if (bytes.size() != layout.file_bytes() || reading.halves.size() != layout.words.size()) std::abort();
    for (std::size_t l = 0; l < layout.words.size(); ++l) {
        const auto& a = reading.halves[l];
        if (a.size() != layout.words[l] || std::memcmp(a.data(), bytes.data() + at, 4 * a.size()) != 0) std::abort();
        at += 4 * a.size();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    try_cache({data, size});
    std::vector<std::uint8_t> forged(data, data + size);
    if (size >= sizeof(flash::Sha256)) {
        const std::size_t body = size - sizeof(flash::Sha256);
        const flash::Sha256 checksum = flash::sha256(std::span(forged).first(body));
        std::copy(checksum.begin(), checksum.end(), forged.begin() + static_cast<std::ptrdiff_t>(body));
        try_cache(forged);
    }
    return 0;
}
