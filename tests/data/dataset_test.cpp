#include "data/dataset.h"

#include <cmath>

#include "data/input.h"
#include "data/npy.h"
#include "data/resize.h"
#include "support.h"

namespace flash::data {
namespace {

const model::Preprocessing kNone{0, 0, 0, {0, 0, 0}, {}};  // pixels from 0 to 1, nothing resized

/// Records whose pixels are all equal to a running number.
std::vector<std::uint8_t> cifar_file(const std::vector<std::vector<std::uint8_t>>& labels, std::uint8_t first) {
    std::vector<std::uint8_t> bytes;
    for (const std::vector<std::uint8_t>& label : labels) {
        bytes.insert(bytes.end(), label.begin(), label.end());
        bytes.insert(bytes.end(), 3072, first++);
    }
    return bytes;
}

TEST(OpenDataset, ListsTheKnownForms) {
    for (const char* spec : {"", "cifar10", "cifar10:", "mnist:/x", ":x", "npy:#test"}) {
        expect_error([&] { open_dataset(spec); }, ErrorKind::kInvalidArgument,
                     "cifar10:DIR, cifar100:DIR, tiny-imagenet:DIR, images:DIR or npy:FILE");
    }
    for (const char* form : {"cifar10:", "cifar100:", "tiny-imagenet:", "images:"}) {
        expect_error([&] { open_dataset(std::string(form) + "/no/such/place"); }, ErrorKind::kFile,
                     "there is no directory '/no/such/place'");
    }
}

TEST(Cifar10, ReadsTheTestPart) {
    const TempDirectory directory;
    directory.write("cifar-10-batches-bin/test_batch.bin", cifar_file({{3}, {9}}, 100));
    for (const std::string& place : {directory.string(), directory / "cifar-10-batches-bin"}) {
        const auto set = open_dataset("cifar10:" + place);
        ASSERT_EQ(set->size(), 2u);
        EXPECT_EQ(set->classes().size(), 10u);
        EXPECT_EQ(set->label(0), 3);
        EXPECT_EQ(set->label(1), 9);
        EXPECT_EQ(set->classes()[3], "cat");
        EXPECT_EQ(set->name(1), "test_batch.bin[1]");
        EXPECT_EQ(set->load(1, kNone, {3, 32, 32}), std::vector<float>(3072, 101.0F / 255.0F));
        EXPECT_NE(set->description().find("2 images"), std::string::npos);
        EXPECT_THROW(set->label(2), Error);
    }
}

TEST(Cifar10, KeepsPlanesAndRowsInOrder) {
    const TempDirectory directory;
    std::vector<std::uint8_t> bytes = {0};
    for (int i = 0; i < 3072; ++i) bytes.push_back(static_cast<std::uint8_t>(i * 7 + i / 1024));
    directory.write("test_batch.bin", bytes);
    const std::vector<float> values = open_dataset("cifar10:" + directory.string())->load(0, kNone, {3, 32, 32});
    for (std::size_t i = 0; i < 3072; ++i) ASSERT_EQ(values[i], static_cast<float>(bytes[i + 1]) / 255.0F);
}

TEST(Cifar10, JoinsTheTrainingFiles) {
    const TempDirectory directory;
    for (std::uint8_t i = 1; i <= 5; ++i) {
        directory.write("data_batch_" + std::to_string(i) + ".bin",
                        cifar_file({{i}, {0}}, static_cast<std::uint8_t>(10 * i)));
    }
    const auto set = open_dataset("cifar10:" + directory.string() + "#train");
    ASSERT_EQ(set->size(), 10u);
    EXPECT_EQ(open_dataset("cifar10:" + directory.string(), Split::kTrain)->size(), 10u);
    for (std::size_t i = 0; i < 5; ++i) {
        EXPECT_EQ(set->label(2 * i), static_cast<int>(i + 1));
        EXPECT_EQ(set->load(2 * i + 1, kNone, {3, 32, 32})[0], static_cast<float>(10 * (i + 1) + 1) / 255.0F);
    }
    EXPECT_EQ(set->name(9), "data_batch_5.bin[1]");
    expect_error([&] { open_dataset("cifar10:" + directory.string()); }, ErrorKind::kFile,
                 "holds neither test_batch.bin");
}

TEST(Cifar10, RefusesDamagedFiles) {
    const TempDirectory directory;
    std::vector<std::uint8_t> bytes = cifar_file({{3}, {10}}, 0);
    directory.write("test_batch.bin", bytes);
    expect_error([&] { open_dataset("cifar10:" + directory.string())->label(1); }, ErrorKind::kFile, "label 10");
    bytes.pop_back();
    directory.write("test_batch.bin", bytes);
    expect_error([&] { open_dataset("cifar10:" + directory.string()); }, ErrorKind::kFile,
                 "has 6145 bytes; expected records of 3073 bytes each, normally 30730000");
    directory.write("test_batch.bin", std::string());
    expect_error([&] { open_dataset("cifar10:" + directory.string()); }, ErrorKind::kFile, "has 0 bytes");
}

TEST(Cifar10, ResizesOnlyForOtherInputs) {
    const TempDirectory directory;
    directory.write("test_batch.bin", cifar_file({{3}}, 51));
    const auto set = open_dataset("cifar10:" + directory.string());
    const model::Preprocessing how{40, 32, 32, {}, {}};
    EXPECT_EQ(set->load(0, how, {3, 32, 32}), std::vector<float>(3072, 0.2F));
    EXPECT_EQ(set->load(0, {64, 64, 64, {}, {}}, {3, 64, 64}), std::vector<float>(3 * 64 * 64, 0.2F));
    expect_error(
        [&] {
            set->load(0, kNone, {3, 64, 64});
        },
        ErrorKind::kInvalidArgument, "3x32x32 after preprocessing, but the model takes 3x64x64");
}

TEST(Cifar100, UsesTheFineLabel) {
    const TempDirectory directory;
    directory.write("cifar-100-binary/test.bin", cifar_file({{19, 99}, {1, 0}}, 1));
    directory.write("cifar-100-binary/train.bin", cifar_file({{0, 42}}, 1));
    const auto set = open_dataset("cifar100:" + directory.string());
    ASSERT_EQ(set->size(), 2u);
    EXPECT_EQ(set->label(0), 99);
    ASSERT_EQ(set->classes().size(), 100u);
    EXPECT_EQ(set->classes()[99], "worm");
    EXPECT_EQ(set->classes()[0], "apple");
    EXPECT_EQ(open_dataset("cifar100:" + directory.string() + "#train")->label(0), 42);
}

class TinyImagenetTest : public testing::Test {
protected:
    TinyImagenetTest() {
        directory_.write("tiny-imagenet-200/wnids.txt", std::string("n2\nn1\n"));
        directory_.write("tiny-imagenet-200/words.txt", std::string("n1\tegg, ovum\nn2\ttree\nn3\tother\n"));
    }
    std::string spec() const { return "tiny-imagenet:" + directory_.string(); }
    TempDirectory directory_;
};

TEST_F(TinyImagenetTest, ReadsTheValidationPart) {
    directory_.write("tiny-imagenet-200/val/val_annotations.txt",
                     std::string("val_0.png\tn1\t0\t32\t44\t62\nval_1.png\tn2\t0\t0\t1\t1\n"));
    directory_.write("tiny-imagenet-200/val/images/val_0.png", plain(3, 4, 4, 51));
    const auto set = open_dataset(spec());
    ASSERT_EQ(set->size(), 2u);
    EXPECT_EQ(set->label(0), 1);
    EXPECT_EQ(set->label(1), 0);
    EXPECT_EQ(set->classes(), (std::vector<std::string>{"tree", "egg"}));
    EXPECT_EQ(set->load(0, kNone, {3, 4, 4}), std::vector<float>(48, 0.2F));
    expect_error([&] { set->load(1, kNone, {3, 4, 4}); }, ErrorKind::kFile, "cannot open");
}

TEST_F(TinyImagenetTest, ReadsPartsSortedIntoFolders) {
    directory_.write("tiny-imagenet-200/val/n1/a.png", plain(3, 4, 4, 0));
    directory_.write("tiny-imagenet-200/train/n1/images/n1_0.png", plain(3, 4, 4, 0));
    directory_.write("tiny-imagenet-200/train/n2/images/n2_0.png", plain(3, 4, 4, 0));
    const auto test = open_dataset(spec());
    ASSERT_EQ(test->size(), 1u);
    EXPECT_EQ(test->label(0), 1);
    const auto train = open_dataset(spec() + "#train");
    ASSERT_EQ(train->size(), 2u);
    EXPECT_EQ(train->label(0), 0);
    EXPECT_EQ(train->name(0), "n2/images/n2_0.png");
}

TEST_F(TinyImagenetTest, RefusesDamagedLists) {
    expect_error([&] { open_dataset(spec()); }, ErrorKind::kFile, "no test part");
    directory_.write("tiny-imagenet-200/val/images/val_0.png", plain(3, 4, 4, 0));
    for (const char* text : {"val_0.png\tn9\n", "val_0.png n1\n", "../../../etc/passwd\tn1\n", "\tn1\n"}) {
        directory_.write("tiny-imagenet-200/val/val_annotations.txt", std::string(text));
        expect_error([&] { open_dataset(spec()); }, ErrorKind::kFile, "line 1");
    }
    directory_.write("tiny-imagenet-200/val/val_annotations.txt", std::string());
    expect_error([&] { open_dataset(spec()); }, ErrorKind::kFile, "no pictures");
}

TEST(ImageFolder, WithoutLabels) {
    const TempDirectory directory;
    directory.write("b.png", plain(3, 2, 2, 255));
    directory.write("a.PNG", plain(1, 2, 2, 0));
    directory.write(".hidden.png", plain(3, 2, 2, 0));
    directory.write("notes.txt", std::string("x"));
    const auto set = open_dataset("images:" + directory.string());
    ASSERT_EQ(set->size(), 2u);
    EXPECT_EQ(set->name(0), "a.PNG");
    EXPECT_FALSE(set->label(0).has_value());
    EXPECT_TRUE(set->classes().empty());
    EXPECT_EQ(set->load(1, kNone, {3, 2, 2}), std::vector<float>(12, 1.0F));
    expect_error([&] { open_dataset("images:" + directory.string() + "#train"); }, ErrorKind::kInvalidArgument,
                 "not divided");
}

TEST(ImageFolder, LabelsFromSubFolders) {
    const TempDirectory directory;
    directory.write("dog/2.png", plain(3, 2, 2, 0));
    directory.write("cat/deep/1.png", plain(3, 2, 2, 0));
    const auto set = open_dataset("images:" + directory.string());
    ASSERT_EQ(set->size(), 2u);
    EXPECT_EQ(set->classes(), (std::vector<std::string>{"cat", "dog"}));
    EXPECT_EQ(set->label(0), 0);
    EXPECT_EQ(set->name(0), "cat/deep/1.png");
    EXPECT_EQ(set->label(1), 1);
    directory.write("loose.png", plain(3, 2, 2, 0));
    expect_error([&] { open_dataset("images:" + directory.string()); }, ErrorKind::kFile, "labels are unclear");
}

TEST(ImageFolder, LabelsFromAList) {
    const TempDirectory directory;
    directory.write("x/1.png", plain(3, 2, 2, 0));
    directory.write("labels.txt", std::string("x/1.png\t2\tvase\r\n\nmissing.jpg\t0\n"));
    const auto set = open_dataset("images:" + directory.string());
    ASSERT_EQ(set->size(), 2u);
    EXPECT_EQ(set->label(0), 2);
    EXPECT_EQ(set->classes(), (std::vector<std::string>{"class 0", "class 1", "vase"}));
    expect_error([&] { set->load(1, kNone, {3, 2, 2}); }, ErrorKind::kFile, "missing.jpg");
    for (const char* text : {"x/1.png\n", "x/1.png\tvase\n", "x/1.png\t-1\n", "x/1.png\t99999999999\n", "../x.png\t1\n",
                             "/etc/x.png\t1\n", "\t1\n"}) {
        directory.write("labels.txt", std::string(text));
        expect_error([&] { open_dataset("images:" + directory.string()); }, ErrorKind::kFile, "line 1");
    }
}

TEST(ImageFolder, DividedIntoParts) {
    const TempDirectory directory;
    directory.write("train/cat/1.png", plain(3, 2, 2, 0));
    directory.write("train/cat/2.png", plain(3, 2, 2, 0));
    directory.write("val/cat/3.png", plain(3, 2, 2, 0));
    EXPECT_EQ(open_dataset("images:" + directory.string())->size(), 1u);
    EXPECT_EQ(open_dataset("images:" + directory.string() + "#train")->size(), 2u);
}

TEST(ImageFolder, Empty) {
    const TempDirectory directory;
    expect_error([&] { open_dataset("images:" + directory.string()); }, ErrorKind::kFile, "no PNG or JPEG pictures");
}

TEST(NpySet, LoadsItems) {
    const TempDirectory directory;
    const std::string path = directory / "x.npy";
    write_npy(path, {2, 1, 2, 2}, std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8});
    const auto set = open_dataset("npy:" + path);
    ASSERT_EQ(set->size(), 2u);
    EXPECT_EQ(set->name(1), "x.npy[1]");
    EXPECT_FALSE(set->label(0).has_value());
    EXPECT_EQ(set->load(1, {8, 8, 8, {0.5F}, {0.5F}}, {1, 2, 2}), (std::vector<float>{5, 6, 7, 8}));
    expect_error(
        [&] {
            set->load(0, kNone, {3, 32, 32});
        },
        ErrorKind::kInvalidArgument, "holds inputs of 1x2x2, but the model takes 3x32x32");
    expect_error([&] { open_dataset("npy:" + path + "#test"); }, ErrorKind::kInvalidArgument, "no train or test part");
}

TEST(NpySet, VectorsAndChannelsLast) {
    const TempDirectory directory;
    const std::string path = directory / "x.npy";
    write_npy(path, {2, 3}, std::vector<float>{1, 2, 3, 4, 5, 6});
    EXPECT_EQ(open_dataset("npy:" + path)->load(1, kNone, {3, 1, 1}), (std::vector<float>{4, 5, 6}));
    write_npy(path, {1, 2, 1, 3}, std::vector<float>{1, 2, 3, 4, 5, 6});  // [N, H, W, C] for a network of 3 x 2 x 1
    EXPECT_EQ(open_dataset("npy:" + path)->load(0, kNone, {3, 2, 1}), (std::vector<float>{1, 4, 2, 5, 3, 6}));
    EXPECT_EQ(open_dataset("npy:" + path)->load(0, kNone, {2, 1, 3}), (std::vector<float>{1, 2, 3, 4, 5, 6}));
}

TEST(NpySet, RefusesOtherArrays) {
    const TempDirectory directory;
    const std::string path = directory / "x.npy";
    write_npy(path, {4}, std::vector<float>(4));
    expect_error([&] { open_dataset("npy:" + path); }, ErrorKind::kInvalidArgument, "NCHW");
    write_npy(path, {0, 1, 2, 2}, {});
    expect_error([&] { open_dataset("npy:" + path); }, ErrorKind::kInvalidArgument, "empty");
    write_npy(path, {1, 1, 2}, std::vector<float>{1, NAN});
    expect_error([&] { open_dataset("npy:" + path)->load(0, kNone, {1, 1, 2}); }, ErrorKind::kFile, "not finite");
}

TEST(LoadInputs, TakesPicturesAndArrays) {
    const TempDirectory directory;
    const std::string picture = directory.write("x.png", plain(3, 2, 2, 51));
    const std::vector<Input> one = load_inputs(picture, kNone, {3, 2, 2});
    ASSERT_EQ(one.size(), 1u);
    EXPECT_EQ(one[0].name, picture);
    EXPECT_EQ(one[0].values, std::vector<float>(12, 0.2F));

    const std::string array = directory / "x.npy";
    write_npy(array, {2, 1, 1, 2}, std::vector<float>{1, 2, 3, 4});
    const std::vector<Input> two = load_inputs(array, kNone, {1, 1, 2});
    ASSERT_EQ(two.size(), 2u);
    EXPECT_EQ(two[1].name, array + "[1]");
    EXPECT_EQ(two[1].values, (std::vector<float>{3, 4}));
    std::filesystem::copy_file(array, std::filesystem::path(directory / "X.NPY"));
    EXPECT_EQ(load_inputs(directory / "X.NPY", kNone, {1, 1, 2})[1].values, two[1].values) << "known by its content";

    expect_error([&] { load_inputs(directory / "none.npy", kNone, {1, 1, 2}); }, ErrorKind::kFile, "cannot open");
    expect_error(
        [&] {
            load_inputs(directory.write("x.txt", std::string("x")), kNone, {1, 1, 2});
        },
        ErrorKind::kFile, "not a PNG or JPEG");
}

TEST(FindInputs, LeavesNothingOutInSilence) {
    const TempDirectory directory;
    const std::string folder = directory / "all";
    std::filesystem::create_directories(folder + "/sub.png");
    for (const char* name : {"/b.PNG", "/a.jpeg", "/.hidden.png", "/note.txt", "/c.npy"})
        std::ofstream(folder + name) << "x";
    std::filesystem::create_symlink("nowhere", folder + "/d.png");
    // A link that leads nowhere is an input that cannot be read, and so reported; folders and hidden files are none.
    EXPECT_EQ(find_inputs(folder),
              (std::vector<std::string>{folder + "/a.jpeg", folder + "/b.PNG", folder + "/c.npy", folder + "/d.png"}));
    expect_error([&] { load_inputs(folder + "/d.png", kNone, {1, 1, 2}); }, ErrorKind::kFile, "No such file");
    expect_error([&] { find_inputs(folder + "/sub.png"); }, ErrorKind::kFile, "there is no picture");
    expect_error([&] { find_inputs(folder + "/absent"); }, ErrorKind::kFile, "there is no file");
    EXPECT_EQ(find_inputs("-"), std::vector<std::string>{"-"});
}

TEST(ReadLines, LeavesOutTheMarkOfEditors) {
    const TempDirectory directory;
    const std::string path = directory.write("names", std::string("\xef\xbb\xbf"
                                                                  "one\r\ntwo\n\n\xef\xbb\xbfthree"));
    EXPECT_EQ(read_lines(path, 100), (std::vector<std::string>{"one", "two", "\xef\xbb\xbfthree"}));
}

}  // namespace
}  // namespace flash::data
