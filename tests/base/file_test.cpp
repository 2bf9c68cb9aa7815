#include "base/file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <functional>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/temporary_file.h"

namespace flash {
namespace {

namespace fs = std::filesystem;

class File : public ::testing::Test {
protected:
    void SetUp() override {
        std::string name = (fs::temp_directory_path() / "flash-base-file-XXXXXX").string();
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        folder_ = name;
    }
    void TearDown() override { fs::remove_all(folder_); }
    fs::path folder_;
};

TEST_F(File, WritesPartsAndReadsThem) {
    const std::array<std::uint8_t, 3> a{1, 2, 3};
    const std::array<std::uint8_t, 2> b{4, 5};
    const std::span<const std::uint8_t> parts[] = {a, {}, b};
    const fs::path path = folder_ / "x";
    for (int i = 0; i < 2; ++i) {  // new, then replaced
        write_file(path, parts);
        EXPECT_EQ(read_file(path.string(), 5), (std::vector<std::uint8_t>{1, 2, 3, 4, 5}));
        EXPECT_EQ(fs::status(path).permissions(), fs::perms::owner_read | fs::perms::owner_write);
        fs::permissions(path, fs::perms::all);
    }
    EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1);
    EXPECT_THROW(read_file(path.string(), 4), Error);

    const RandomAccessFile file(path.string());
    EXPECT_EQ(file.size(), 5u);
    std::array<std::uint8_t, 2> some{};
    file.read_at(2, some);
    EXPECT_EQ(some, (std::array<std::uint8_t, 2>{3, 4}));
    EXPECT_THROW(file.read_at(4, some), Error);
}

TEST_F(File, RefusesWhatIsNoRegularFile) {
    EXPECT_THROW(RandomAccessFile(folder_.string()), Error);
    EXPECT_THROW(RandomAccessFile((folder_ / "absent").string()), Error);
    ASSERT_EQ(::mkfifo((folder_ / "fifo").c_str(), 0600), 0);
    EXPECT_THROW(RandomAccessFile((folder_ / "fifo").string()), Error);
    fs::create_directories(folder_ / "full" / "inside");
    EXPECT_THROW(write_file(folder_ / "full", {}), Error);
    EXPECT_THROW(write_file(folder_ / "no" / "such", {}), Error);
    EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 2) << "no temporary file stays";
}

std::string text_of(const fs::path& path) {
    const std::vector<std::uint8_t> bytes = read_file(path.string(), 1000);
    return {bytes.begin(), bytes.end()};
}

std::string refusal(const std::function<void()>& step) {
    try {
        step();
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kFile);
        return error.what();
    }
    return "";
}

TEST_F(File, FollowsLinks) {
    fs::create_directories(folder_ / "deep");
    fs::create_symlink("deep/target", folder_ / "relative");
    fs::create_symlink(folder_ / "relative", folder_ / "absolute");
    for (const char* text : {"new", "replaced"}) {  // first the link dangles
        write_file(folder_ / "absolute", text, Access::kEveryone);
        EXPECT_TRUE(fs::is_symlink(folder_ / "absolute"));
        EXPECT_TRUE(fs::is_symlink(folder_ / "relative"));
        EXPECT_FALSE(fs::is_symlink(folder_ / "deep" / "target"));
        EXPECT_EQ(text_of(folder_ / "deep" / "target"), text);
    }
    fs::create_symlink("b", folder_ / "a");
    fs::create_symlink("a", folder_ / "b");
    EXPECT_THAT(refusal([&] { write_file(folder_ / "a", "x", Access::kEveryone); }), testing::HasSubstr("levels"));
}

TEST_F(File, KeepsModesOfWhatIsForEveryone) {
    const mode_t mask = ::umask(027);
    write_file(folder_ / "x", "text", Access::kEveryone);
    ::umask(mask);
    EXPECT_EQ(static_cast<int>(fs::status(folder_ / "x").permissions()), 0640);
    fs::permissions(folder_ / "x", static_cast<fs::perms>(0604));
    write_file(folder_ / "x", "again", Access::kEveryone);
    EXPECT_EQ(static_cast<int>(fs::status(folder_ / "x").permissions()), 0604);
    write_file(folder_ / "x", "secret", Access::kOwner);
    EXPECT_EQ(static_cast<int>(fs::status(folder_ / "x").permissions()), 0600);
}

TEST_F(File, WritesIntoWhatIsNoRegularFile) {
    const fs::path fifo = folder_ / "fifo";
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    fs::create_symlink(fifo, folder_ / "link");
    for (const fs::path& path : {fifo, folder_ / "link"}) {
        const int reader = ::open(fifo.c_str(), O_RDONLY | O_NONBLOCK);
        write_file(path, "to the reader", Access::kOwner);
        std::array<char, 100> got{};
        EXPECT_EQ(::read(reader, got.data(), got.size()), 13);
        EXPECT_STREQ(got.data(), "to the reader");
        ::close(reader);
        EXPECT_TRUE(fs::is_fifo(fifo));
    }
    fs::create_symlink("/dev/null", folder_ / "null");
    write_file(folder_ / "null", "gone", Access::kOwner);
    EXPECT_TRUE(fs::is_character_file("/dev/null"));
    EXPECT_TRUE(fs::is_symlink(folder_ / "null"));
    EXPECT_THAT(refusal([] { write_file("/dev/full", "x", Access::kEveryone); }),
                testing::HasSubstr("No space left on device"));
}

TEST_F(File, WritesIntoAnOpenFileUnderProc) {
    const fs::path path = folder_ / "log";
    const Descriptor log(::open(path.c_str(), O_WRONLY | O_CREAT, 0600));
    ASSERT_TRUE(write_all(log.get(), "before "));
    write_file("/proc/self/fd/" + std::to_string(log.get()), "behind", Access::kEveryone);
    EXPECT_EQ(text_of(path), "before behind");
    fs::remove(path);
    write_file("/proc/self/fd/" + std::to_string(log.get()), "nameless", Access::kEveryone);
    EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(File, SaysBeforehandWhatCannotBeWritten) {
    const auto refused = [&](const fs::path& path) {
        const std::string before = refusal([&] { require_writable(path); });
        EXPECT_NE(before, "") << path;
        EXPECT_EQ(refusal([&] { write_file(path, "x", Access::kEveryone); }).empty(), false) << path;
        return before;
    };
    EXPECT_THAT(refused(folder_), testing::HasSubstr("Is a directory"));
    EXPECT_THAT(refused(folder_ / ""), testing::HasSubstr("Is a directory"));
    EXPECT_THAT(refused(folder_ / "no" / "such"), testing::HasSubstr("No such file"));
    write_file(folder_ / "file", "x", Access::kEveryone);
    EXPECT_THAT(refused(folder_ / "file" / "inside"), testing::HasSubstr("Not a directory"));
    for (const fs::path& path : {folder_ / "file", folder_ / "new", fs::path("/dev/null")})
        EXPECT_NO_THROW(require_writable(path)) << path;
    EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1) << "asking leaves nothing";
}

TEST_F(File, LeavesNothingWhenASignalEndsTheProcess) {
    for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) {
        const pid_t child = ::fork();
        if (child == 0) {
            remove_temporary_files_on_signals();
            const TemporaryFile file((folder_ / "out").string(), 0600);
            const TemporaryFile other((folder_ / "other").string(), 0600);
            if (std::distance(fs::directory_iterator(folder_), {}) != 2) ::_exit(1);
            ::raise(signal);
            ::_exit(2);
        }
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        EXPECT_TRUE(WIFSIGNALED(status)) << WEXITSTATUS(status);
        EXPECT_EQ(WTERMSIG(status), signal);
        EXPECT_TRUE(fs::is_empty(folder_));
    }
}

TEST_F(File, LeavesIgnoredSignalsIgnored) {
    const pid_t child = ::fork();
    if (child == 0) {
        ::signal(SIGHUP, SIG_IGN);  // as nohup does
        remove_temporary_files_on_signals();
        ::raise(SIGHUP);
        ::_exit(7);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(WEXITSTATUS(status), 7);
}

}  // namespace
}  // namespace flash
