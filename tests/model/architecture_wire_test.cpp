// The own reader of architectures against protobuf's: what one accepts, the other reads as the same architecture.
#include "model/architecture_wire.h"

#include <google/protobuf/stubs/logging.h>
#include <gtest/gtest.h>

#include <optional>

#include "base/error.h"
#include "model.pb.h"
#include "model/file.h"
#include "support/mutate.h"
#include "support/random_model.h"

namespace flash::model {
namespace {

using Bytes = std::vector<std::uint8_t>;

std::optional<Bytes> read(const Bytes& bytes) {
    try {
        return serialize(parse_architecture(bytes));
    } catch (const Error&) {
        return std::nullopt;
    }
}

/// What protobuf makes of the bytes, in its own order, each field once.
std::optional<Bytes> by_protobuf(const Bytes& bytes) {
    const google::protobuf::LogSilencer quiet;  // of text that is none
    wire::Architecture message;
    if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return std::nullopt;
    const std::string text = message.SerializeAsString();
    return Bytes(text.begin(), text.end());
}

TEST(ArchitectureWire, ReadsWhatProtobufReads) {
    std::mt19937_64 rng(20261129);
    int accepted = 0, refused = 0;
    for (std::uint64_t seed = 0; seed < 12; ++seed) {
        const Bytes good = serialize(flash::testing::random_model(seed).architecture);
        ASSERT_EQ(read(good), good);
        for (int i = 0; i < 2'000; ++i) {
            const Bytes damaged = flash::testing::mutated(good, rng);
            const std::optional<Bytes> own = read(damaged), normal = by_protobuf(damaged);
            // Well-formed for one and not for the other would be refused here and accepted there.
            const std::optional<Bytes> theirs = normal ? read(*normal) : std::nullopt;
            EXPECT_EQ(own, theirs) << "network " << seed << ", damage " << i;
            ++(own ? accepted : refused);
        }
    }
    EXPECT_GT(accepted, 500);
    EXPECT_GT(refused, 500);
}

TEST(ArchitectureWire, FieldsThatComeTwice) {
    // Two messages after each other: of scalars the last counts, repeated ones are all of them, messages are merged.
    for (std::uint64_t seed = 0; seed < 6; ++seed) {
        const Architecture first = flash::testing::random_model(seed).architecture;
        Architecture second = first;
        second.name = "again";
        second.layers.clear();
        second.classes.clear();
        second.preprocessing.mean.clear();
        second.preprocessing.std.clear();
        second.input_limit = first.input_limit - 1;
        Bytes both = serialize(first);
        const Bytes more = serialize(second);
        both.insert(both.end(), more.begin(), more.end());
        const std::optional<Bytes> normal = by_protobuf(both);
        ASSERT_TRUE(normal.has_value());
        const std::optional<Bytes> own = read(both);
        ASSERT_TRUE(own.has_value());
        EXPECT_EQ(own, read(*normal));
        EXPECT_EQ(parse_architecture(both).name, "again");
    }
}

}  // namespace
}  // namespace flash::model
