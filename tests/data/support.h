// Small synthetic files for the tests of this folder.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "data/image.h"

namespace flash::data {

/// A fresh directory, removed with the object.
class TempDirectory {
public:
    TempDirectory() {
        std::string pattern = (std::filesystem::temp_directory_path() / "flash-data-XXXXXX").string();
        path_ = ::mkdtemp(pattern.data());
    }
    ~TempDirectory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    TempDirectory(const TempDirectory&) = delete;
    TempDirectory& operator=(const TempDirectory&) = delete;

    std::string operator/(const std::string& name) const { return (path_ / name).string(); }
    std::string string() const { return path_.string(); }

    /// Writes a file, making its folders; returns its path.
    std::string write(const std::string& name, std::span<const std::uint8_t> bytes) const {
        const std::filesystem::path file = path_ / name;
        std::filesystem::create_directories(file.parent_path());
        std::ofstream(file, std::ios::binary)
            .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
        return file.string();
    }
    std::string write(const std::string& name, const std::string& text) const {
        return write(name, std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
    }
    /// Writes a PNG picture.
    std::string write(const std::string& name, const Image& image) const {
        const std::filesystem::path file = path_ / name;
        std::filesystem::create_directories(file.parent_path());
        write_png(file.string(), image);
        return file.string();
    }

private:
    std::filesystem::path path_;
};

/// A picture whose pixels follow a formula that the reference values of the tests were computed with, too.
inline Image pattern(int channels, int height, int width) {
    Image image(channels, height, width);
    std::size_t i = 0;
    for (int y = 0; y < height; ++y) {
        for (int x = 0; x < width; ++x) {
            for (int c = 0; c < channels; ++c)
                image.pixels[i++] = static_cast<std::uint8_t>(x * 37 + y * 91 + c * 53 + x * y * 7);
        }
    }
    return image;
}

inline Image plain(int channels, int height, int width, std::uint8_t value) {
    Image image(channels, height, width);
    for (std::uint8_t& pixel : image.pixels) pixel = value;
    return image;
}

/// Runs the function and expects Error of this kind with this text in its message.
template <class F>
void expect_error(F&& function, ErrorKind kind, const std::string& text) {
    try {
        function();
        ADD_FAILURE() << "no error; expected '" << text << "'";
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), kind) << error.what();
        EXPECT_NE(std::string(error.what()).find(text), std::string::npos) << error.what();
    }
}

/// The bytes of a picture that ships with the project, a JPEG photograph of 192 x 192 pixels.
inline std::string example_jpeg() { return std::string(FLASH_SOURCE_DIR) + "/examples/pictures/cat.jpg"; }

}  // namespace flash::data
