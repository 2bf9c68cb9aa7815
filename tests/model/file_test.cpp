#include "model/file.h"
#include "model/file_format.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <functional>
#include <random>

#include "base/error.h"
#include "model.pb.h"
#include "model/reader.h"
#include "sample_model.h"

namespace flash::model {
namespace {

std::filesystem::path scratch(const char* name) {
    return std::filesystem::temp_directory_path() /
           (std::string("flash-file-test-") + std::to_string(::getpid()) + "-" + name);
}

/// The message of the Error(kFile) that parsing throws; empty if it does not throw.
std::string parse_error(std::span<const std::uint8_t> bytes) {
    try {
        parse(bytes);
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kFile);
        return error.what();
    }
    return "";
}

void fix_checksum(std::vector<std::uint8_t>& file) {
    const Sha256 sum = sha256(std::span<const std::uint8_t>(file).subspan(60));
    std::memcpy(file.data() + 28, sum.data(), sum.size());
}

TEST(ModelFile, RoundTrip) {
    const Model model = testing::sample_model();
    const std::vector<std::uint8_t> bytes = serialize(model);
    EXPECT_EQ(bytes, serialize(model));
    const Model again = parse(bytes);
    EXPECT_EQ(serialize(again), bytes);
    EXPECT_EQ(again.architecture.layers[2].terms[1].pool, model.architecture.layers[2].terms[1].pool);
    EXPECT_EQ(again.weights.layers[2].terms[0].weights, model.weights.layers[2].terms[0].weights);
    EXPECT_EQ(again.weights.layers[0].kappa, model.weights.layers[0].kappa);

    const std::filesystem::path path = scratch("round.flash");
    save(model, path);
    EXPECT_EQ(serialize(load(path)), bytes);
    EXPECT_EQ(std::filesystem::status(path).permissions(),
              std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    std::filesystem::remove(path);
}

TEST(ModelFile, RingsAreStoredAndOldFilesHaveNone) {
    Model model = testing::sample_model();
    const std::vector<std::uint8_t> without = serialize(model.architecture);
    EXPECT_EQ(parse_architecture(without).layers[1].packing.degree, 0);
    model.architecture.layers[1].packing.degree = 1024;
    const std::vector<std::uint8_t> with = serialize(model.architecture);
    EXPECT_EQ(with.size(), without.size() + 3) << "one field more; and none where no ring is named";
    EXPECT_EQ(parse_architecture(with).layers[1].packing, (PackingChoice{0, 1024}));
    EXPECT_EQ(parse_architecture(with).layers[0].packing.degree, 0);
}

TEST(ModelFile, SlotsAndModuliAreStored) {
    Model model = testing::sample_model(1, {8192, 3});
    model.architecture.layers[1].plain_bits = 22;
    model.architecture.trust_server = true;
    const Architecture again = parse(serialize(model)).architecture;
    EXPECT_EQ(again.slots, (SlotChoice{8192, 3}));
    EXPECT_EQ(again.plain_bits, 25);
    EXPECT_EQ(again.layers[0].plain_bits, 0);
    EXPECT_EQ(again.layers[1].plain_bits, 22);
    EXPECT_TRUE(again.trust_server);
    EXPECT_FALSE(parse(serialize(testing::sample_model())).architecture.trust_server);
}

wire::Architecture message_of(const Architecture& architecture) {
    const std::vector<std::uint8_t> bytes = serialize(architecture);
    wire::Architecture message;
    EXPECT_TRUE(message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
    return message;
}

Architecture architecture_of(const wire::Architecture& message) {
    const std::string bytes = message.SerializeAsString();
    return parse_architecture({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
}

TEST(ModelFile, FilesOfOtherVersionsAreRefused) {
    std::vector<std::uint8_t> file = serialize(testing::sample_model());
    for (std::uint8_t version = 0; version < kFileVersion; ++version) {
        file[8] = version;
        EXPECT_NE(parse_error(file).find("compile the model again from its ONNX file"), std::string::npos);
    }
    file[8] = kFileVersion + 1;
    EXPECT_NE(parse_error(file).find("use a newer flash"), std::string::npos);
}

TEST(ModelFile, Fingerprint) {
    Model model = testing::sample_model();
    const Sha256 before = fingerprint(model);
    EXPECT_EQ(before, fingerprint(serialize(model.architecture), secret_digest(model)));
    model.weights.salt[0] ^= 1;
    EXPECT_NE(fingerprint(model), before);
    model.weights.salt[0] ^= 1;
    model.architecture.layers[0].packing.channels_per_input = 1;
    EXPECT_NE(fingerprint(model), before);
}

// What the file holds is what protobuf itself writes, and its digest is taken without ever making it.
TEST(ModelFile, SecretSectionIsTheMessage) {
    const Model model = testing::sample_model();
    const std::vector<std::uint8_t> bytes = serialize(model);
    const auto section = std::span(bytes).subspan(60 + serialize(model.architecture).size());
    wire::SecretWeights message;
    ASSERT_TRUE(message.ParseFromArray(section.data(), static_cast<int>(section.size())));
    EXPECT_EQ(message.SerializeAsString(), std::string(section.begin(), section.end()));
    ASSERT_EQ(message.layers_size(), static_cast<int>(model.weights.layers.size()));
    const auto& weights = model.weights.layers[0].terms[0].weights;
    EXPECT_EQ(message.layers(0).terms(0).weights(), std::string(weights.begin(), weights.end()));
    EXPECT_EQ(message.layers(0).terms(0).multiplier(), model.weights.layers[0].terms[0].multiplier);
    EXPECT_EQ(secret_digest(model), sha256(section));
}

// protobuf allows any order of fields and repeated ones; the fingerprint is of the content.
TEST(ModelFile, FieldsInAnotherOrderAreTheSameModel) {
    const Model model = testing::sample_model();
    const std::vector<std::uint8_t> bytes = serialize(model);
    const std::size_t open = serialize(model.architecture).size();
    // The salt, 34 bytes at the end, comes first.
    std::vector<std::uint8_t> other(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(60 + open));
    other.insert(other.end(), bytes.end() - 34, bytes.end());
    other.insert(other.end(), bytes.begin() + static_cast<std::ptrdiff_t>(60 + open), bytes.end() - 34);
    ASSERT_EQ(other.size(), bytes.size());
    fix_checksum(other);
    const Model again = parse(other);
    EXPECT_EQ(serialize(again), bytes);
    Reader reader(other);
    for (std::size_t l = 0; l < model.weights.layers.size(); ++l) reader.next();
    EXPECT_EQ(reader.finish(), secret_digest(model));
    EXPECT_EQ(reader.salt(), model.weights.salt);
}

TEST(ModelFile, SavingFailsCleanly) {
    const Model model = testing::sample_model();
    EXPECT_THROW(save(model, "/nonexistent-folder/model.flash"), Error);
    // A target that cannot be replaced: nothing stays behind in its folder.
    const std::filesystem::path folder = scratch("folder");
    std::filesystem::create_directories(folder / "target" / "inside");
    EXPECT_THROW(save(model, folder / "target"), Error);
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 1);
    std::filesystem::remove_all(folder);
    EXPECT_THROW(load(scratch("missing")), Error);
    EXPECT_THROW(load("/"), Error);
}

TEST(ModelFile, EveryTruncationAndFlipIsNoticed) {
    const std::vector<std::uint8_t> good = serialize(testing::sample_model());
    for (std::size_t size = 0; size < good.size(); ++size)
        EXPECT_NE(parse_error(std::span(good).first(size)), "") << "truncated to " << size;
    for (std::size_t at = 0; at < good.size(); ++at) {
        std::vector<std::uint8_t> bad = good;
        bad[at] ^= static_cast<std::uint8_t>(1u << (at % 8));
        EXPECT_NE(parse_error(bad), "") << "flipped at " << at;
    }
    std::vector<std::uint8_t> longer = good;
    longer.push_back(0);
    EXPECT_NE(parse_error(longer), "");
}

TEST(ModelFile, SaysWhatIsWrong) {
    std::vector<std::uint8_t> bytes = serialize(testing::sample_model());
    EXPECT_NE(parse_error(std::span(bytes).first(bytes.size() - 1)).find("truncated"), std::string::npos);
    std::vector<std::uint8_t> newer = bytes;
    newer[8] = kFileVersion + 1;
    EXPECT_NE(parse_error(newer).find("newer"), std::string::npos);
    bytes.back() ^= 1;
    EXPECT_NE(parse_error(bytes).find("checksum"), std::string::npos);
    bytes[0] = 'X';
    EXPECT_NE(parse_error(bytes).find("not a compiled Flash model"), std::string::npos);
}

TEST(ModelFile, WhatNoClientWouldAcceptIsNotWritten) {
    Model model = testing::sample_model();
    model.architecture.name.assign(kMaxArchitectureBytes, 'x');
    try {
        serialize(model);
        ADD_FAILURE();
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kUnsupported);
    }
}

TEST(ModelFile, TermsAreCountedBeforeTheyTakeMemory) {
    Model model = testing::sample_model();
    model.weights.layers[0].terms.assign(kMaxTerms + 1, {});
    EXPECT_NE(parse_error(serialize(model)).find("not a well-formed message"), std::string::npos);
}

// Behind the checksum: a file made by an attacker, who can compute it. Any outcome but a crash or another exception.
TEST(ModelFile, HostileContentIsRefusedOrHarmless) {
    const std::vector<std::uint8_t> good = serialize(testing::sample_model());
    int refused = 0;
    const auto attempt = [&](std::vector<std::uint8_t> bad) {
        fix_checksum(bad);
        refused += !parse_error(bad).empty();
    };
    for (std::size_t at = 12; at < good.size(); ++at)
        for (unsigned value : {0x00u, 0x01u, 0x7fu, 0x80u, 0xffu}) {
            std::vector<std::uint8_t> bad = good;
            bad[at] = static_cast<std::uint8_t>(value);
            attempt(std::move(bad));
        }
    std::mt19937_64 random(7);
    for (int round = 0; round < 3000; ++round) {
        std::vector<std::uint8_t> bad = good;
        for (int i = 0; i < 6; ++i) bad[60 + random() % (bad.size() - 60)] = static_cast<std::uint8_t>(random());
        attempt(std::move(bad));
    }
    EXPECT_GT(refused, 1000);
}

TEST(ArchitectureBytes, TruncationsAndGarbage) {
    const std::vector<std::uint8_t> good = serialize(testing::sample_model().architecture);
    EXPECT_EQ(serialize(parse_architecture(good)), good);
    const auto attempt = [](std::span<const std::uint8_t> bytes) {
        try {
            parse_architecture(bytes);
        } catch (const Error& error) {
            EXPECT_EQ(error.kind(), ErrorKind::kProtocol);
        }
    };
    for (std::size_t size = 0; size < good.size(); ++size) attempt(std::span(good).first(size));
    std::mt19937_64 random(8);
    for (int round = 0; round < 3000; ++round) {
        std::vector<std::uint8_t> bad = good;
        for (int i = 0; i < 3; ++i) bad[random() % bad.size()] = static_cast<std::uint8_t>(random());
        attempt(bad);
    }
}

}  // namespace
}  // namespace flash::model
