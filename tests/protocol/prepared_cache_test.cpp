// The cache of the `a` halves: equal to what is computed, and no damage, no other model and no trouble with the disk
// changes a result.
#include "protocol/prepared_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <fstream>
#include <random>

#include "base/file.h"
#include "model/file.h"
#include "protocol/prepared_model.h"
#include "support/private_run.h"
#include "support/random_model.h"

namespace flash::protocol {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using Bytes = std::vector<std::uint8_t>;

constexpr std::size_t kFingerprintAt = 12, kDerivationAt = 44, kLayersAt = 76, kSizesAt = 80;

AHalves halves_of(const PreparedModel& model) {
    AHalves halves;
    for (std::size_t l = 0; l < model.architecture().layers.size(); ++l)
        halves.push_back(model.layer(static_cast<int>(l)).a);
    return halves;
}

CacheLayout layout_of(const PreparedModel& model) {
    return cache_layout(model.architecture(), model.plan(), model.fingerprint());
}

/// Puts the checksum right, as whoever writes the file can.
Bytes forged(Bytes bytes) {
    const std::size_t body = bytes.size() - sizeof(Sha256);
    const Sha256 checksum = sha256(std::span(bytes).first(body));
    std::copy(checksum.begin(), checksum.end(), bytes.begin() + static_cast<std::ptrdiff_t>(body));
    return bytes;
}

class PreparedCache : public ::testing::Test {
protected:
    void SetUp() override {
        std::string name = (fs::temp_directory_path() / "flash-cache-XXXXXX").string();
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        folder_ = name;
        path_ = folder_ / "net.flash.cache";
    }
    void TearDown() override {
        fs::permissions(folder_, fs::perms::owner_all);
        fs::remove_all(folder_);
    }
    static model::Model source(std::uint64_t seed = 11) { return testing::random_model(seed); }
    /// As whoever serves this model does.
    void write_cache(std::uint64_t seed = 11) const { const PreparedModel model(source(seed), {}, path_); }
    void store(std::span<const std::uint8_t> bytes) {
        std::ofstream out(path_, std::ios::binary | std::ios::trunc);
        out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
        ASSERT_TRUE(out.flush());
    }
    Bytes stored() const { return read_file(path_.string(), std::uint64_t{1} << 30); }
    std::size_t files() const { return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_), {})); }

    fs::path folder_, path_;
};

TEST_F(PreparedCache, RoundTrip) {
    for (std::uint64_t seed = 0; seed < 6; ++seed) {
        fs::remove(path_);
        const PreparedModel plain(source(seed));
        EXPECT_FALSE(plain.cache().used || plain.cache().written);
        EXPECT_EQ(files(), 0u);
        const PreparedModel first(source(seed), {}, path_);
        EXPECT_FALSE(first.cache().used);
        EXPECT_TRUE(first.cache().written);
        EXPECT_EQ(first.cache().not_used + first.cache().not_written, "");
        EXPECT_EQ(files(), 1u) << "the cache and no temporary file";
        const Bytes bytes = stored();
        EXPECT_EQ(bytes.size(), layout_of(plain).file_bytes());
        const PreparedModel second(source(seed), {}, path_);
        EXPECT_TRUE(second.cache().used);
        EXPECT_FALSE(second.cache().written);
        EXPECT_EQ(second.cache().not_used + second.cache().not_written, "");
        EXPECT_EQ(halves_of(first), halves_of(plain));
        EXPECT_EQ(halves_of(second), halves_of(plain));
        EXPECT_EQ(second.memory_bytes(), plain.memory_bytes());
        EXPECT_EQ(stored(), bytes);
    }
}

TEST_F(PreparedCache, AnInferenceFromTheCacheIsExact) {
    write_cache();
    const PreparedModel model(source(), {}, path_);
    ASSERT_TRUE(model.cache().used);
    const PreparedModel plain(source());
    const auto input = testing::random_input(model.architecture(), 5);
    EXPECT_EQ(testing::run_without_audit(model, input, 1, 2).logits,
              testing::run_without_audit(plain, input, 1, 2).logits);
}

TEST_F(PreparedCache, EveryKindOfDamageIsNoticedAndMended) {
    const PreparedModel plain(source());
    const CacheLayout layout = layout_of(plain);
    write_cache();
    const Bytes good = stored();
    const auto problem = [&](const Bytes& bytes) {
        const CacheReading reading = parse_cache(bytes, layout);
        EXPECT_FALSE(reading.used);
        EXPECT_TRUE(reading.halves.empty());
        EXPECT_NE(reading.problem, "");
        return reading.problem;
    };
    const auto cut = [&](std::size_t size) {
        return Bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size));
    };

    for (std::size_t size = 0; size <= layout.header.size() + 100; ++size)
        EXPECT_THAT(problem(cut(size)), HasSubstr("truncated")) << size;
    for (std::size_t size = layout.header.size(); size < good.size(); size += 1021)
        EXPECT_THAT(problem(cut(size)), HasSubstr("truncated")) << size;
    for (std::size_t back = 1; back <= 40; ++back)
        EXPECT_THAT(problem(cut(good.size() - back)), HasSubstr("truncated")) << back;
    Bytes longer = good;
    longer.push_back(0);
    EXPECT_THAT(problem(longer), HasSubstr("after its end"));
    EXPECT_THAT(problem(forged(longer)), HasSubstr("after its end"));

    std::mt19937_64 random(3);
    std::vector<std::size_t> places;
    for (std::size_t at = 0; at < layout.header.size(); ++at) places.push_back(at);
    for (std::size_t back = 1; back <= 40; ++back) places.push_back(good.size() - back);
    for (int i = 0; i < 200; ++i) places.push_back(random() % good.size());
    for (std::size_t at : places) {
        Bytes bad = good;
        bad[at] = static_cast<std::uint8_t>(bad[at] ^ (1u << (random() % 8)));
        problem(bad);
    }

    // On disk: ignored, computed, replaced by the good file; the next start uses it.
    std::vector<std::pair<Bytes, const char*>> damaged{{cut(0), "truncated"},
                                                       {cut(5), "truncated"},
                                                       {cut(100), "truncated"},
                                                       {cut(good.size() - 1), "truncated"},
                                                       {longer, "after its end"}};
    for (std::size_t at : {layout.header.size(), good.size() / 2, good.size() - 1}) {
        damaged.emplace_back(good, "checksum");
        damaged.back().first[at] ^= 1;
    }
    for (const auto& [bytes, sentence] : damaged) {
        store(bytes);
        const PreparedModel model(source(), {}, path_);
        EXPECT_FALSE(model.cache().used);
        EXPECT_THAT(model.cache().not_used, HasSubstr(sentence));
        EXPECT_TRUE(model.cache().written);
        EXPECT_EQ(halves_of(model), halves_of(plain));
        EXPECT_EQ(stored(), good);
    }
    EXPECT_TRUE(PreparedModel(source(), {}, path_).cache().used);
}

// The checksum is right in all of these: each field is looked at for itself.
TEST_F(PreparedCache, EachFieldOfTheHeaderCounts) {
    const PreparedModel plain(source());
    const CacheLayout layout = layout_of(plain);
    write_cache();
    const Bytes good = stored();
    const auto problem_at = [&](std::size_t at, std::uint8_t value) {
        Bytes bad = good;
        bad[at] = static_cast<std::uint8_t>(bad[at] ^ value);
        return parse_cache(forged(bad), layout).problem;
    };
    EXPECT_THAT(problem_at(0, 1), HasSubstr("no cache of Flash"));
    EXPECT_THAT(problem_at(8, 3), HasSubstr("version"));
    EXPECT_THAT(problem_at(kFingerprintAt, 1), HasSubstr("another model"));
    EXPECT_THAT(problem_at(kDerivationAt - 1, 0x80), HasSubstr("another model"));
    EXPECT_THAT(problem_at(kDerivationAt, 1), HasSubstr("packing plan"));
    EXPECT_THAT(problem_at(kLayersAt - 1, 1), HasSubstr("packing plan"));
    EXPECT_THAT(problem_at(kLayersAt, 1), HasSubstr("sizes"));
    // Sizes that lie: far more than memory, and a layer that takes words from its neighbour.
    for (std::size_t byte = 0; byte < 8; ++byte) EXPECT_THAT(problem_at(kSizesAt + byte, 0xff), HasSubstr("sizes"));
    Bytes shifted = good;
    const auto move = [&](std::size_t layer, std::int64_t words) {
        std::uint64_t size = 0;
        std::memcpy(&size, shifted.data() + kSizesAt + 8 * layer, 8);
        size += static_cast<std::uint64_t>(words);
        std::memcpy(shifted.data() + kSizesAt + 8 * layer, &size, 8);
    };
    move(0, 2048);
    move(1, -2048);
    EXPECT_THAT(parse_cache(forged(shifted), layout).problem, HasSubstr("sizes"));
    EXPECT_TRUE(parse_cache(forged(good), layout).used);
}

TEST_F(PreparedCache, TheLayoutDependsOnModelPlanAndShifts) {
    const PreparedModel model(source());
    const auto header = [&](const model::Architecture& architecture, const packing::Plan& plan,
                            const Sha256& fingerprint) { return cache_layout(architecture, plan, fingerprint).header; };
    const Bytes base = header(model.architecture(), model.plan(), model.fingerprint());
    EXPECT_EQ(base, header(model.architecture(), packing::make_plan(model.architecture()), model.fingerprint()));
    Sha256 other = model.fingerprint();
    other[31] ^= 1;
    EXPECT_NE(base, header(model.architecture(), model.plan(), other));
    const std::vector<std::function<void(packing::Plan&)>> changes{
        [](packing::Plan& p) { ++p.streams[0].grid.row_stride; },
        [](packing::Plan& p) { ++p.streams[0].grid.spacing; },
        [](packing::Plan& p) { ++p.streams[0].rows_per_band; },
        [](packing::Plan& p) { ++p.streams[0].bands; },
        [](packing::Plan& p) { ++p.streams[0].polynomials_per_band; },
        [](packing::Plan& p) {
            p.streams[0].submaps.push_back({1, 1});
        },
        [](packing::Plan& p) { ++p.layers[0].grid.row_base; },
        [](packing::Plan& p) { ++p.layers[0].grid.band_rows; },
        [](packing::Plan& p) { ++p.layers[0].grid.row_stride; },
        [](packing::Plan& p) { ++p.layers[0].grid.channels_per_input; },
        [](packing::Plan& p) { ++p.layers[0].grid.channels_per_output; },
        [](packing::Plan& p) { p.layers[0].grid.banded ^= true; }};
    for (std::size_t i = 0; i < changes.size(); ++i) {
        packing::Plan plan = model.plan();
        changes[i](plan);
        const Bytes changed = header(model.architecture(), plan, model.fingerprint());
        EXPECT_FALSE(
            std::equal(base.begin() + kDerivationAt, base.begin() + kLayersAt, changed.begin() + kDerivationAt))
            << "change " << i;
    }
}

TEST_F(PreparedCache, AnotherModelsCacheIsReplaced) {
    write_cache(12);
    const Bytes other = stored();
    // The same architecture with other weights: every size is right.
    model::Model changed = source();
    changed.weights.salt[0] ^= 1;
    for (int i = 0; i < 2; ++i) {
        const PreparedModel model(source(), {}, path_);
        EXPECT_EQ(model.cache().used, false);
        EXPECT_THAT(model.cache().not_used, HasSubstr("another model"));
        EXPECT_EQ(halves_of(model), halves_of(PreparedModel(source())));
        EXPECT_TRUE(PreparedModel(source(), {}, path_).cache().used);
        EXPECT_THAT(PreparedModel(changed, {}, path_).cache().not_used, HasSubstr("another model"));
    }
    EXPECT_NE(stored(), other);
}

TEST_F(PreparedCache, ReadableByItsOwnerOnly) {
    // Whatever the process's mask is and whatever stood there before.
    const mode_t mask = ::umask(0);
    store(Bytes{});
    fs::permissions(path_, fs::perms::all);
    write_cache();
    EXPECT_EQ(fs::status(path_).permissions(), fs::perms::owner_read | fs::perms::owner_write);
    fs::remove(path_);
    write_cache();
    EXPECT_EQ(fs::status(path_).permissions(), fs::perms::owner_read | fs::perms::owner_write);
    ::umask(mask);
}

TEST_F(PreparedCache, OtherFilesAreNeverOverwritten) {
    const auto attempt = [&] {
        const PreparedModel model(source(), {}, path_);
        EXPECT_FALSE(model.cache().used || model.cache().written);
        EXPECT_NE(model.cache().not_used, "");
        EXPECT_EQ(halves_of(model), halves_of(PreparedModel(source())));
    };
    model::save(source(), path_);  // --cache names the model itself
    const Bytes model_file = stored();
    attempt();
    EXPECT_EQ(stored(), model_file);
    fs::remove(path_);
    fs::create_directory(path_);
    attempt();
    EXPECT_TRUE(fs::is_directory(path_));
    fs::remove(path_);
    ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
    attempt();
    EXPECT_TRUE(fs::is_fifo(path_));
    fs::remove(path_);
    fs::create_symlink(folder_ / "nowhere", path_);
    attempt();
    EXPECT_TRUE(fs::is_symlink(path_));
}

TEST_F(PreparedCache, AFolderThatCannotBeWritten) {
    const PreparedModel missing(source(), {}, folder_ / "no" / "such" / "file");
    EXPECT_FALSE(missing.cache().used || missing.cache().written);
    EXPECT_EQ(missing.cache().not_used, "");
    EXPECT_THAT(missing.cache().not_written, HasSubstr("cannot write"));

    fs::permissions(folder_, fs::perms(0555));
    // Root may write everywhere: be somebody else for a moment.
    const bool root = ::geteuid() == 0;
    if (root) {
        ASSERT_EQ(::seteuid(65534), 0);
    }
    const PreparedModel model(source(), {}, path_);
    if (root) {
        ASSERT_EQ(::seteuid(0), 0);
    }
    EXPECT_FALSE(model.cache().used || model.cache().written);
    EXPECT_THAT(model.cache().not_written, HasSubstr("cannot write"));
    EXPECT_EQ(files(), 0u);
    EXPECT_EQ(halves_of(model), halves_of(PreparedModel(source())));
}

TEST_F(PreparedCache, ADiskThatFillsUp) {
    write_cache(12);
    const Bytes before = stored();
    // A limit on the size of files fails the same write() that a full disk does.
    rlimit limit{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &limit), 0);
    const rlimit small{20000, limit.rlim_max};
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
    const PreparedModel model(source(), {}, path_);
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
    std::signal(SIGXFSZ, handler);
    EXPECT_FALSE(model.cache().used || model.cache().written);
    EXPECT_THAT(model.cache().not_used, HasSubstr("another model"));
    EXPECT_THAT(model.cache().not_written, HasSubstr("writing"));
    EXPECT_EQ(stored(), before) << "the old file stays";
    EXPECT_EQ(files(), 1u) << "no temporary file stays";
    EXPECT_EQ(halves_of(model), halves_of(PreparedModel(source())));
}

}  // namespace
}  // namespace flash::protocol
