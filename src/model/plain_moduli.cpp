#include "model/plain_moduli.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "lattice/modulus.h"

namespace flash::model {
namespace {

constexpr int kWidths = kMaxPlainBits - kMinPlainBits + 1;

/// Of one degree and width.
struct Row {
    std::array<std::uint32_t, kMaxSlotModuli> primes{};
    int count = 0;
};
using Table = std::array<std::array<Row, kWidths>, kSlotDegrees.size()>;

Table make_table() {
    Table table;
    for (std::size_t d = 0; d < kSlotDegrees.size(); ++d)
        for (int width = 0; width < kWidths; ++width) {
            Row& row = table[d][width];
            const std::uint32_t top = std::uint32_t{1} << (kMinPlainBits + width),
                                step = 2 * static_cast<std::uint32_t>(kSlotDegrees[d]);
            for (std::uint32_t p = top - step + 1; p >= top / 8 * 7 && row.count < kMaxSlotModuli; p -= step)
                if (lattice::is_prime(p)) row.primes[row.count++] = p;
        }
    return table;
}

/// Null where the degree or the width is not offered.
const Row* find_row(int degree, int plain_bits) {
    static const Table table = make_table();
    const auto at = std::ranges::find(kSlotDegrees, degree);
    if (at == kSlotDegrees.end() || plain_bits < kMinPlainBits || plain_bits > kMaxPlainBits) return nullptr;
    return &table[at - kSlotDegrees.begin()][plain_bits - kMinPlainBits];
}

}  // namespace

bool has_plain_moduli(const SlotChoice& slots, int plain_bits) {
    const Row* row = find_row(slots.degree, plain_bits);
    return row != nullptr && slots.moduli >= 1 && slots.moduli <= row->count;
}

std::span<const std::uint32_t> plain_moduli(const SlotChoice& slots, int plain_bits) {
    if (!has_plain_moduli(slots, plain_bits))
        throw Error(ErrorKind::kInvalidArgument,
                    fmt::format("there are no {} plaintext moduli of {} bits for slots of degree {}", slots.moduli,
                                plain_bits, slots.degree));
    return std::span(find_row(slots.degree, plain_bits)->primes).first(static_cast<std::size_t>(slots.moduli));
}

}  // namespace flash::model
