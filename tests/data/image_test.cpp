#include "data/image.h"

#include "base/hash.h"
#include "data/file.h"
#include "data/preprocess.h"
#include "data/resize.h"
#include "support.h"

namespace flash::data {
namespace {

std::string hash(const Image& image) { return to_hex(sha256(image.pixels)); }

TEST(Image, ReadsThePngItWrites) {
    const TempDirectory directory;
    for (const int channels : {1, 3}) {
        const Image image = pattern(channels, 7, 5);
        const Image again = read_image(directory.write("x.png", image));
        EXPECT_EQ(again.channels, channels);
        EXPECT_EQ(again.height, 7);
        EXPECT_EQ(again.width, 5);
        EXPECT_EQ(again.pixels, image.pixels);
    }
}

// The hashes are of what Pillow 9.4 makes of the same picture.
TEST(Image, DecodesJpegLikePillow) {
    const Image image = read_image(example_jpeg());
    EXPECT_EQ(image.channels, 3);
    EXPECT_EQ(image.height, 192);
    EXPECT_EQ(image.width, 192);
    EXPECT_EQ(hash(image), "21cb8a250cd295446e71113d3e72fa135c5c7ea6f3ae344e2ba1e40fc8227b4a");
    EXPECT_EQ(hash(resize(image, 32, 32)), "276e209b5e04c58595d9f79d3c2690480a4b10e302bf37a7b50e80af13887cc1");
    EXPECT_EQ(hash(with_channels(image, 1)), "515b3634532894968ae2312ed8abbaaa6f3f20abaa195ad87b4c1411b7451651");
}

struct ResizeCase {
    int height, width, to_height, to_width;
    const char* expected;
};

class ResizeTest : public testing::TestWithParam<ResizeCase> {};

// The hashes are of Pillow 9.4's Image.resize(..., BILINEAR) of the same pattern.
TEST_P(ResizeTest, EqualsPillow) {
    const ResizeCase& test = GetParam();
    const Image out = resize(pattern(3, test.height, test.width), test.to_height, test.to_width);
    EXPECT_EQ(out.height, test.to_height);
    EXPECT_EQ(out.width, test.to_width);
    EXPECT_EQ(hash(out), test.expected);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, ResizeTest,
    testing::Values(ResizeCase{13, 17, 5, 7, "217a14aa46b48875935b7288d329e3ddb843223434d85929bf58a5162377822d"},
                    ResizeCase{5, 7, 13, 17, "6c7e7be63bf87deca47f84d30b51488239de7c32e6a9799306f6dfd5ecd1fa7d"},
                    ResizeCase{64, 48, 32, 32, "78d06c2ac35cdc5602f6621b3d82c21002692798f87228573cd1ec1b1172bcba"},
                    ResizeCase{100, 3, 7, 3, "dc9ed8729f558cc8292b3583f79329df34200247421f21e56145eb7da64aa78e"},
                    ResizeCase{9, 9, 9, 4, "a75a31ac4ba31b05e953f4769ad4fc4382fc2eba9424cf542f726a7780081a78"},
                    ResizeCase{1, 1, 4, 4, "960268efd18c79c24e66e0b4dd726e397f9f19e1de47b19c0a34d9e32d39bf85"},
                    ResizeCase{300, 451, 32, 48, "cf2ae3255220173afcc96c68954a7f5c55405e5a79b8bed2a5b01c94ce7f68d6"}));

TEST(Image, ResizesGreyLikePillow) {
    EXPECT_EQ(resize(pattern(1, 6, 8), 2, 3).pixels, (std::vector<std::uint8_t>{112, 126, 125, 124, 141, 143}));
}

TEST(Image, ResizesTheShortSide) {
    const Image wide = resize_short_side(pattern(3, 10, 15), 32);
    EXPECT_EQ(wide.height, 32);
    EXPECT_EQ(wide.width, 48);
    const Image tall = resize_short_side(pattern(3, 31, 20), 10);
    EXPECT_EQ(tall.height, 15);
    EXPECT_EQ(tall.width, 10);
    expect_error([] { resize_short_side(plain(1, 1, 30000, 0), 256); }, ErrorKind::kInvalidArgument,
                 "cannot be resized");
}

TEST(Image, CropsTheCentre) {
    // Corners are rounded half to even: (5 - 2) / 2 = 1.5 gives 2, (3 - 2) / 2 = 0.5 gives 0.
    const Image image = pattern(1, 5, 3);
    const Image crop = centre_crop(image, 2, 2);
    EXPECT_EQ(crop.pixels,
              (std::vector<std::uint8_t>{image.row(2)[0], image.row(2)[1], image.row(3)[0], image.row(3)[1]}));
    expect_error([&] { centre_crop(image, 6, 2); }, ErrorKind::kInvalidArgument, "cannot crop");
}

TEST(Image, RefusesWhatIsNoPicture) {
    const TempDirectory directory;
    expect_error([&] { read_image(directory / "none.png"); }, ErrorKind::kFile, "cannot open");
    expect_error([&] { read_image(directory.write("empty.png", std::string())); }, ErrorKind::kFile,
                 "not a PNG or JPEG");
    expect_error([&] { read_image(directory.write("text.jpg", std::string("hello"))); }, ErrorKind::kFile,
                 "not a PNG or JPEG");
}

TEST(Image, RefusesTruncatedPictures) {
    const TempDirectory directory;
    const std::vector<std::uint8_t> png = read_file(directory.write("x.png", pattern(3, 20, 20)), kImageMaxFileBytes);
    const std::vector<std::uint8_t> jpeg = read_file(example_jpeg(), kImageMaxFileBytes);
    for (const auto* bytes : {&png, &jpeg}) {
        for (std::size_t tenth = 1; tenth < 10; ++tenth) {
            const std::size_t size = bytes->size() * tenth / 10;
            expect_error([&] { decode_image(std::span(*bytes).first(size), "cut"); }, ErrorKind::kFile, "'cut'");
        }
    }
}

TEST(Image, ChecksExtentsBeforeItAllocates) {
    const TempDirectory directory;
    std::vector<std::uint8_t> png = read_file(directory.write("x.png", pattern(3, 20, 20)), kImageMaxFileBytes);
    // Width and height of the IHDR chunk; the chunk's check sum is then wrong, which must not be an invitation either.
    for (const std::size_t at : {16U, 20U}) {
        png[at] = 0x7f;
        png[at + 1] = 0xff;
    }
    expect_error([&] { decode_image(png, "huge"); }, ErrorKind::kFile, "'huge'");

    std::vector<std::uint8_t> jpeg = read_file(example_jpeg(), kImageMaxFileBytes);
    for (std::size_t i = 0; i + 9 < jpeg.size(); ++i) {
        if (jpeg[i] == 0xff && jpeg[i + 1] == 0xc0) {
            for (std::size_t k = 5; k < 9; ++k) jpeg[i + k] = 0xf0;  // height and width of the frame header
            break;
        }
    }
    expect_error([&] { decode_image(jpeg, "huge"); }, ErrorKind::kFile, "too large");
}

TEST(Image, KnowsPictureNames) {
    EXPECT_TRUE(has_image_suffix("a.png"));
    EXPECT_TRUE(has_image_suffix("dir/a.JPEG"));
    EXPECT_TRUE(has_image_suffix("a.b.JpG"));
    EXPECT_FALSE(has_image_suffix("a.gif"));
    EXPECT_FALSE(has_image_suffix("png"));
    EXPECT_FALSE(has_image_suffix(".png"));
}

TEST(Preprocess, FollowsTheMetadata) {
    const model::Preprocessing how{32, 32, 32, {0.4914F, 0.4822F, 0.4465F}, {0.2470F, 0.2435F, 0.2616F}};
    const std::vector<float> values = preprocess(read_image(example_jpeg()), how, {3, 32, 32}, "cat");
    ASSERT_EQ(values.size(), 3072u);
    // Computed with Pillow and NumPy.
    EXPECT_FLOAT_EQ(values[0], 0.8365961F);
    EXPECT_FLOAT_EQ(values[1024], 0.3066233F);
    EXPECT_FLOAT_EQ(values[2048], 0.16703394F);
    EXPECT_FLOAT_EQ(values[1023], 0.1221403F);
    EXPECT_FLOAT_EQ(values[2047], -0.19263193F);
    EXPECT_FLOAT_EQ(values[3071], -0.23771511F);
}

TEST(Preprocess, ResizesThenCrops) {
    const model::Preprocessing how{8, 6, 6, {}, {}};
    const Image image = pattern(3, 16, 24);
    const Image expected = centre_crop(resize(image, 8, 12), 6, 6);
    const std::vector<float> values = preprocess(image, how, {3, 6, 6}, "x");
    for (std::size_t i = 0; i < 36; ++i) EXPECT_EQ(values[i], static_cast<float>(expected.pixels[3 * i]) / 255.0F);
}

TEST(Preprocess, FitsTheChannels) {
    const model::Preprocessing none{0, 0, 0, {0, 0, 0}, {}};
    const std::vector<float> grey = preprocess(plain(3, 2, 2, 51), {0, 0, 0, {0}, {}}, {1, 2, 2}, "x");
    EXPECT_EQ(grey, std::vector<float>(4, 51.0F / 255.0F));
    const std::vector<float> colour = preprocess(plain(1, 2, 2, 51), none, {3, 2, 2}, "x");
    EXPECT_EQ(colour, std::vector<float>(12, 51.0F / 255.0F));
    expect_error([&] { preprocess(plain(3, 2, 2, 0), none, {4, 2, 2}, "x"); }, ErrorKind::kInvalidArgument, "4x2x2");
}

TEST(Preprocess, NamesBothShapes) {
    expect_error(
        [] {
            preprocess(plain(3, 5, 4, 0), {0, 0, 0, {0, 0, 0}, {}}, {3, 32, 32}, "small.png");
        },
        ErrorKind::kInvalidArgument, "is 3x5x4 after preprocessing, but the model takes 3x32x32");
    expect_error(
        [] {
            preprocess(plain(3, 5, 4, 0), {0, 32, 32, {0, 0, 0}, {}}, {3, 32, 32}, "small.png");
        },
        ErrorKind::kInvalidArgument, "too small to crop 32x32");
    expect_error(
        [] {
            preprocess(plain(3, 2, 2, 0), {0, 0, 0, {0.5F}, {}}, {3, 2, 2}, "x");
        },
        ErrorKind::kInvalidArgument, "1 mean values for 3");
    expect_error(
        [] {
            preprocess(plain(1, 2, 2, 0), {0, 0, 0, {}, {0.0F}}, {1, 2, 2}, "x");
        },
        ErrorKind::kInvalidArgument, "unusable");
}

}  // namespace
}  // namespace flash::data
