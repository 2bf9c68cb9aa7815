// What the commands say where an answer would mean less than it seems to: of calibration pictures, of the classes of a
// set, of pictures whose values leave the ranges.
#include <nlohmann/json.hpp>
#include <random>

#include "app/command.h"
#include "data/image.h"
#include "data/npy.h"

namespace flash {
namespace {

class Told : public Command {
protected:
    /// A folder of pictures of noise; a name "a/b" makes a sub-folder.
    std::string pictures(const char* folder, const std::vector<std::string>& names) {
        for (std::size_t i = 0; i < names.size(); ++i) {
            const fs::path file = dir_ / folder / names[i];
            fs::create_directories(file.parent_path());
            data::Image image(3, 20, 24);
            for (std::size_t p = 0; p < image.pixels.size(); ++p)
                image.pixels[p] = static_cast<std::uint8_t>((p * p * 31 + p * 7 + i * 1001) >> 3);
            data::write_png(file.string(), image);
        }
        return "images:" + (dir_ / folder).string();
    }
    std::string compiled(const std::vector<std::string>& classes) {
        std::ofstream names(dir_ / "classes.txt");
        for (const std::string& name : classes) names << name << "\n";
        names.close();
        const std::string file = dir_ / "classes.flash";
        const Outcome o = flash({"compile", onnx_, "--calib", "npy:" + input_.string(), "--resize", "16", "--mean",
                                 "0.5", "--std", "0.25", "--classes", dir_ / "classes.txt", "--force", "--out", file});
        EXPECT_EQ(o.status, 0) << o.err;
        return file;
    }
    std::size_t outputs() {
        return data::read_npy((fs::path(FLASH_SOURCE_DIR) / "tests/fixtures/onnx/residual_opset13.output.npy").string())
            .shape[1];
    }
};

TEST_F(Told, ClassesOfTheSetThatAreNotTheModels) {
    std::vector<std::string> own, others, files;
    for (std::size_t i = 0; i < outputs(); ++i) {
        own.push_back("kind" + std::to_string(i));
        files.push_back(own.back() + "/picture.png");
        others.push_back("other" + std::to_string(i) + "/picture.png");
    }
    const std::string model = compiled(own);
    const Outcome same = flash({"eval", model, "--data", pictures("same", files), "--json"});
    EXPECT_EQ(same.status, 0);
    EXPECT_THAT(same.err, testing::Not(testing::HasSubstr("classes")));
    EXPECT_TRUE(nlohmann::json::parse(same.out)["accuracy"].is_number());
    const Outcome named = flash({"eval", model, "--data", pictures("named", others)});
    EXPECT_THAT(named.err, testing::HasSubstr("class 0 is 'other0' in the set and 'kind0' in the model"));
    const Outcome fewer = flash({"eval", model, "--data", pictures("fewer", {"a/1.png", "b/1.png"})});
    EXPECT_THAT(fewer.err, testing::HasSubstr("the set has 2 classes, the model"));
    EXPECT_THAT(fewer.err, testing::HasSubstr("the accuracy means nothing"));
    // Without labels there is no accuracy, not one of zero.
    const Outcome bare = flash({"eval", model, "--data", pictures("bare", {"1.png", "2.png"}), "--json"});
    EXPECT_EQ(bare.status, 0);
    EXPECT_TRUE(nlohmann::json::parse(bare.out)["accuracy"].is_null());
}

TEST_F(Told, FoldersWhoseLabelsAreUnclearOrWhosePicturesCannotBeRead) {
    const std::string file = model();
    EXPECT_THAT(flash({"eval", file, "--data", pictures("mixed", {"a/1.png", "2.png"})}).err,
                testing::HasSubstr("so that their labels are unclear"));
    const std::string set = pictures("broken", {"1.png"});
    fs::create_symlink("nowhere", dir_ / "broken/2.png");
    const Outcome link = flash({"eval", compiled(std::vector<std::string>(outputs(), "k")), "--data", set});
    EXPECT_EQ(link.status, 5);
    EXPECT_THAT(link.err, testing::HasSubstr("broken/2.png': No such file"));
    std::ofstream(dir_ / "broken/labels.txt") << "1.png 3\n";
    EXPECT_THAT(flash({"eval", file, "--data", set}).err, testing::HasSubstr("labels.txt', line 1, is not"));
}

TEST_F(Told, PicturesOutOfRangeAreNamedAndNoDefect) {
    data::NpyArray inputs = data::read_npy(input_.string());
    const std::size_t size = inputs.values.size() / inputs.shape[0];
    for (std::size_t i = 0; i < size; ++i) inputs.values[i] *= 30;  // clamped to the range of the input, and far out
    const std::string file = dir_ / "wild.npy";
    data::write_npy(file, inputs.shape, inputs.values);
    const Outcome o = flash({"eval", model(), "--data", "npy:" + file, "--private", "1", "--json"});
    EXPECT_EQ(o.status, 0) << o.err;
    const auto json = nlohmann::json::parse(o.out);
    EXPECT_EQ(json["images_clamped"], 1);
    EXPECT_EQ(json["private"]["outside"].size(), json["overflowed"].size());
    if (!json["overflowed"].empty()) {
        EXPECT_THAT(json["overflowed"][0].get<std::string>(), testing::HasSubstr("wild.npy"));
        EXPECT_THAT(o.err, testing::HasSubstr("left its calibrated range, so that the answer is wrong"));
    }
}

TEST_F(Told, CompileListsTheSyntheticPicturesThatLeaveTheRanges) {
    const Outcome o = flash({"compile", onnx_, "--calib", "npy:" + input_.string(), "--resize", "16", "--mean", "0.5",
                             "--std", "0.25", "--force", "--json", "--out", dir_ / "probed.flash"});
    ASSERT_EQ(o.status, 0) << o.err;
    const auto probes = nlohmann::json::parse(o.out)["probes"];
    EXPECT_GE(probes.size(), 4u);
    for (const auto& probe : probes) EXPECT_TRUE(probe.contains("picture") && probe.contains("overflows"));
    const Outcome text = flash({"compile", onnx_, "--calib", "npy:" + input_.string(), "--resize", "16", "--mean",
                                "0.5", "--std", "0.25", "--force", "--out", dir_ / "probed.flash"});
    EXPECT_THAT(text.out, testing::HasSubstr("synthetic pictures"));
}

TEST_F(Told, ARuinedModelIsNoSuccess) {
    // Six bits of X are few: of so many pictures not all keep their class.
    constexpr std::size_t kPictures = 64;
    const std::vector<std::size_t> shape = data::read_npy(input_.string()).shape;
    std::mt19937_64 random(1);
    std::normal_distribution<float> normal;
    std::vector<float> values(kPictures * shape[1] * shape[2] * shape[3]);
    for (float& value : values) value = normal(random);
    const std::string noise = dir_ / "noise.npy", file = dir_ / "ruined.flash";
    data::write_npy(noise, {kPictures, shape[1], shape[2], shape[3]}, values);
    std::vector<std::string> words{"compile", onnx_,   "--calib", "npy:" + noise,      "--share-bits",
                                   "6",       "--out", file,      "--least-agreement", "1"};
    const Outcome refused = flash(words);
    EXPECT_EQ(refused.status, 4);
    EXPECT_THAT(refused.err, testing::HasSubstr("names the float network's class on"));
    EXPECT_THAT(refused.err, testing::HasSubstr("--least-agreement sets the threshold"));
    EXPECT_FALSE(fs::exists(file));
    words.emplace_back("--force");
    const Outcome forced = flash(words);
    EXPECT_EQ(forced.status, 0);
    EXPECT_THAT(forced.err, testing::HasSubstr("but --force was given"));
    EXPECT_TRUE(fs::exists(file));
}

TEST_F(Told, AccuracyOnLabelledCalibrationPictures) {
    std::vector<std::string> files;
    for (std::size_t i = 0; i < outputs(); ++i)
        for (int j = 0; j < 3; ++j) files.push_back("kind" + std::to_string(i) + "/" + std::to_string(j) + ".png");
    const std::vector<std::string> words{
        "compile", onnx_,    "--calib", pictures("labelled", files), "--resize", "16", "--mean", "0.5", "--std", "0.25",
        "--force", "--json", "--out",   dir_ / "labelled.flash"};
    const Outcome o = flash(words);
    ASSERT_EQ(o.status, 0) << o.err;
    const auto labels = nlohmann::json::parse(o.out)["report"]["labels"];
    EXPECT_EQ(labels["images"], files.size());
    EXPECT_LE(labels["correct"], labels["images"]);
    // Labels of other classes than the network's say nothing of it.
    std::vector<std::string> others = words;
    others[3] = pictures("others", {"a/1.png", "b/1.png"});
    EXPECT_TRUE(nlohmann::json::parse(flash(others).out)["report"]["labels"].is_null());
}

TEST_F(Told, FewCalibrationPicturesAndNone) {
    data::NpyArray inputs = data::read_npy(input_.string());
    const std::size_t size = inputs.values.size() / inputs.shape[0];
    inputs.values.resize(size);
    const std::string one = dir_ / "one.npy";
    data::write_npy(one, {1, inputs.shape[1], inputs.shape[2], inputs.shape[3]}, inputs.values);
    const Outcome o = flash({"compile", onnx_, "--calib", "npy:" + one, "--force", "--out", dir_ / "one.flash"});
    EXPECT_THAT(o.err, testing::HasSubstr("calibrated on 1 picture only"));
    data::write_npy(one, {0, inputs.shape[1], inputs.shape[2], inputs.shape[3]}, {});
    EXPECT_EQ(flash({"compile", onnx_, "--calib", "npy:" + one, "--out", dir_ / "none.flash"}).status, 2);
    EXPECT_FALSE(fs::exists(dir_ / "none.flash"));
}

}  // namespace
}  // namespace flash
