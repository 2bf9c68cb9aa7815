#include "service/epoch_file.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>
#include <string>

#include "base/error.h"

namespace flash::service {
namespace {

namespace fs = std::filesystem;

class EpochFile : public ::testing::Test {
protected:
    void SetUp() override {
        std::string name = (fs::temp_directory_path() / "flash-epoch-XXXXXX").string();
        ASSERT_NE(mkdtemp(name.data()), nullptr);
        folder_ = name;
    }
    void TearDown() override { fs::remove_all(folder_); }

    fs::path folder_;
};

TEST_F(EpochFile, StaysUntilANewOneBegins) {
    const fs::path model = folder_ / "net.flash";
    EXPECT_EQ(epoch_of(model, false), protocol::Epoch{}) << "none was begun";
    EXPECT_FALSE(fs::exists(epoch_file(model)));
    const protocol::Epoch first = epoch_of(model, true);
    EXPECT_NE(first, protocol::Epoch{});
    EXPECT_EQ(epoch_of(model, false), first);
    const protocol::Epoch second = epoch_of(model, true);
    EXPECT_NE(second, first);
    EXPECT_EQ(epoch_of(model, false), second);
    EXPECT_EQ(epoch_of(folder_ / "other.flash", false), protocol::Epoch{}) << "each model has its own";
}

TEST_F(EpochFile, SomethingElseIsRefusedAndKept) {
    const fs::path model = folder_ / "net.flash";
    for (const std::string& text : {std::string(), std::string("\n"), std::string(64, 'a'), std::string(63, 'a') + "\n",
                                    std::string(65, 'a') + "\n", std::string(64, 'g') + "\n"}) {
        SCOPED_TRACE(text);
        std::ofstream(epoch_file(model)) << text;
        try {
            epoch_of(model, false);
            ADD_FAILURE() << "accepted";
        } catch (const Error& error) {
            EXPECT_EQ(error.kind(), ErrorKind::kFile);
            EXPECT_NE(std::string(error.what()).find("--rotate"), std::string::npos);
        }
        EXPECT_EQ(fs::file_size(epoch_file(model)), text.size());
    }
    EXPECT_NE(epoch_of(model, true), protocol::Epoch{}) << "a new epoch mends it";
}

TEST_F(EpochFile, AFolderThatCannotBeWrittenIsAnError) {
    EXPECT_THROW(epoch_of(folder_ / "no" / "such" / "net.flash", true), Error);
}

}  // namespace
}  // namespace flash::service
