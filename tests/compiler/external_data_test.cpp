// Weights beside the model: read from the model's own folder, and from nowhere else.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/error.h"
#include "compiler/compile.h"
#include "compiler/float_graph.h"
#include "support/onnx_writer.h"

namespace flash::compiler {
namespace {

namespace fs = std::filesystem;
constexpr const char* kSha1 = "22302643f440398bcdd040cdf6a2507ff69c6351";  // of each data file
using Entries = std::vector<std::pair<std::string, std::string>>;

class ExternalDataTest : public ::testing::Test {
protected:
    ExternalDataTest() {
        fs::create_directories(folder_ / "model" / "weights");
        const std::vector<float> values{9, 9, 1, 2, 3, 4, 5, 6};
        for (const fs::path& file :
             {folder_ / "model/net.data", folder_ / "model/weights/w.bin", folder_ / "outside.data"})
            std::ofstream(file, std::ios::binary)
                .write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(4 * values.size()));
        fs::create_symlink(folder_ / "outside.data", folder_ / "model/link.data");
        fs::create_symlink("net.data", folder_ / "model/near.data");
        fs::create_directory_symlink(folder_, folder_ / "model/up");
    }
    ~ExternalDataTest() override { fs::remove_all(folder_); }

    /// A pointwise convolution [3, 2, 1, 1] whose weights are external.
    fs::path model(const Entries& entries) {
        testing::OnnxWriter w({1, 2, 1, 1});
        const std::vector<std::uint8_t> bytes = w.finish(w.node("Conv", {w.input, w.external({3, 2, 1, 1}, entries)}));
        const fs::path path = folder_ / "model/net.onnx";
        std::ofstream(path, std::ios::binary)
            .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
        return path;
    }

    void expect_refused(const Entries& entries, const char* word) {
        try {
            import_onnx(model(entries));
            ADD_FAILURE() << "not refused: " << word;
        } catch (const Error& error) {
            EXPECT_EQ(error.kind(), ErrorKind::kFile);
            EXPECT_NE(std::string(error.what()).find(word), std::string::npos) << error.what();
        }
    }

    const fs::path folder_ = fs::path(::testing::TempDir()) / ("external_data_" + std::to_string(::getpid()));
};

TEST_F(ExternalDataTest, WeightsAreReadFromTheModelsFolder) {
    for (const Entries& entries : {Entries{{"location", "net.data"}, {"offset", "8"}, {"length", "24"}},
                                   Entries{{"location", "./weights/w.bin"}, {"offset", "8"}, {"checksum", kSha1}}}) {
        const fs::path path = model(entries);
        EXPECT_EQ(evaluate_float(import_onnx(path), std::vector<float>{1, 10}), (std::vector<float>{21, 43, 65}));
        EXPECT_EQ(import_float_graph(path).nodes[0].weights, (std::vector<float>{1, 2, 3, 4, 5, 6}));
        const fs::path before = fs::current_path();
        fs::current_path(path.parent_path());  // a model without a folder in its name
        EXPECT_NO_THROW(import_onnx(fs::path("net.onnx")));
        fs::current_path(before);
    }
}

TEST_F(ExternalDataTest, NothingElseIsRead) {
    expect_refused({{"location", "../outside.data"}}, "leads out");
    expect_refused({{"location", "weights/../../outside.data"}}, "leads out");
    expect_refused({{"location", (folder_ / "outside.data").string()}}, "relative to the model");
    expect_refused({{"location", "link.data"}}, "symbolic link");
    expect_refused({{"location", "near.data"}}, "symbolic link");
    expect_refused({{"location", "up/outside.data"}}, "symbolic link");
    expect_refused({{"location", "weights"}}, "not a regular file");
    expect_refused({{"location", ""}}, "relative to the model");
    expect_refused({}, "relative to the model");
    expect_refused({{"location", "missing.data"}}, "missing.data");
    expect_refused({{"location", std::string("net.data\0x", 10)}}, "NUL");
}

TEST_F(ExternalDataTest, SizesAndEntriesAreChecked) {
    expect_refused({{"location", "net.data"}, {"offset", "12"}}, "shorter");
    expect_refused({{"location", "net.data"}, {"offset", "18446744073709551615"}}, "shorter");
    expect_refused({{"location", "net.data"}, {"offset", "-8"}}, "not a number");
    expect_refused({{"location", "net.data"}, {"length", "20"}}, "does not match its shape");
    expect_refused({{"location", "net.data"}, {"compression", "1"}}, "compression");
    expect_refused({{"location", "net.data"}, {"checksum", "ab"}}, "does not have the checksum");
    std::string other = kSha1;
    other[7] = other[7] == '0' ? '1' : '0';
    expect_refused({{"location", "net.data"}, {"offset", "8"}, {"checksum", other}}, "does not have the checksum");
}

TEST_F(ExternalDataTest, BytesAloneHaveNoFolder) {
    std::ifstream in(model({{"location", "net.data"}, {"offset", "8"}}), std::ios::binary);
    const std::vector<std::uint8_t> bytes((std::istreambuf_iterator<char>(in)), {});
    EXPECT_THROW(import_onnx(bytes, "x"), Error);
}

}  // namespace
}  // namespace flash::compiler
