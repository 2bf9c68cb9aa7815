#include "service/model_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "model/file.h"
#include "service/model_name.h"
#include "support/random_model.h"

namespace flash::service {
namespace {

namespace fs = std::filesystem;

class Store : public ::testing::Test {
protected:
    void SetUp() override {
        std::string name = (fs::temp_directory_path() / "flash-store-XXXXXX").string();
        ASSERT_NE(mkdtemp(name.data()), nullptr);
        dir_ = name;
        options_.use_cache = false;
    }
    void TearDown() override { fs::remove_all(dir_); }
    /// A small model whose weights follow the seed.
    void save(const std::string& file, std::uint32_t seed) const {
        fs::create_directories((dir_ / file).parent_path());
        model::save(flash::testing::single_convolution({2, 6, 6}, 2, {3, 3, 1, 1, 1, 1, 1, 1}, seed), dir_ / file);
        // A clock of low resolution must not hide a change.
        fs::last_write_time(dir_ / file, fs::file_time_type::clock::now() + std::chrono::seconds(++saved_));
    }
    std::vector<std::string> names(const ModelStore& store) const {
        std::vector<std::string> all;
        for (const ServedModelPtr& model : store.list()) all.push_back(to_string(model->name, model->version));
        return all;
    }
    fs::path dir_;
    LoadOptions options_;
    mutable int saved_ = 0;
};

void expect_refused(const std::string& part, const std::function<void()>& action) {
    try {
        action();
        ADD_FAILURE() << "not refused: " << part;
    } catch (const Error& error) {
        EXPECT_THAT(error.what(), ::testing::HasSubstr(part));
    }
}

TEST_F(Store, FindsModelsByNameAndVersion) {
    save("cat.flash", 1);
    save("dog/2.flash", 2);
    save("dog/10.flash", 3);
    save("dog/last.flash", 4);  // no version: left out
    save("bad name.flash", 5);
    ModelStore store(dir_, options_);
    store.load_first();
    EXPECT_THAT(names(store), ::testing::ElementsAre("cat", "dog/2", "dog/10"));
    EXPECT_EQ(store.find("dog")->version, 10u);
    EXPECT_EQ(store.find("dog/2")->version, 2u);
    EXPECT_EQ(store.find("cat")->version, 0u);
    expect_refused("choose one of them: cat, dog/2, dog/10", [&] { store.find(""); });
    expect_refused("no model bird; it has cat, dog/2", [&] { store.find("bird"); });
    expect_refused("no model dog/3", [&] { store.find("dog/3"); });
    for (const char* name : {"../etc", "dog/", "dog/x", "dog/2/3", "a b", ".hidden"})
        EXPECT_THROW(store.find(name), Error) << name;
}

TEST_F(Store, OneFileIsTheDefault) {
    save("cat.flash", 1);
    ModelStore store(dir_ / "cat.flash", options_);
    store.load_first();
    EXPECT_EQ(store.find("")->name, "cat");
    EXPECT_FALSE(store.has_changed());
}

TEST_F(Store, ReloadsWhatChangedAndKeepsWhatDoesNotLoad) {
    save("cat.flash", 1);
    save("dog.flash", 2);
    ModelStore store(dir_, options_);
    store.load_first();
    const ServedModelPtr cat = store.find("cat"), dog = store.find("dog");
    EXPECT_FALSE(store.has_changed());
    EXPECT_FALSE(store.reload());

    save("cat.flash", 7);
    EXPECT_TRUE(store.has_changed());
    EXPECT_TRUE(store.reload());
    EXPECT_NE(store.find("cat")->prepared->fingerprint(), cat->prepared->fingerprint());
    EXPECT_EQ(store.find("dog"), dog);                           // untouched: not loaded again
    EXPECT_FALSE(cat->prepared->architecture().layers.empty());  // whoever holds the old one still has it

    std::ofstream(dir_ / "dog.flash", std::ios::app) << "damage";
    EXPECT_TRUE(store.has_changed());
    EXPECT_FALSE(store.reload());
    EXPECT_EQ(store.find("dog"), dog);
    EXPECT_FALSE(store.has_changed());  // known to be bad: not tried again until it changes

    fs::remove(dir_ / "cat.flash");
    save("bird.flash", 3);
    save("dog.flash", 2);
    EXPECT_TRUE(store.reload());
    EXPECT_THAT(names(store), ::testing::ElementsAre("bird", "dog"));
    EXPECT_NE(store.find("dog"), dog);
}

TEST_F(Store, AFolderThatCannotBeReadTakesNothingAway) {
    save("models/cat.flash", 1);
    save("models/dog/2.flash", 2);
    ModelStore store(dir_ / "models", options_);
    store.load_first();
    const auto both = ::testing::ElementsAre("cat", "dog/2");
    const auto look = [&] {
        EXPECT_TRUE(store.has_changed());
        EXPECT_FALSE(store.reload());
        EXPECT_THAT(names(store), both);
    };
    fs::rename(dir_ / "models", dir_ / "away");
    look();
    EXPECT_FALSE(store.has_changed());  // it has been said
    fs::rename(dir_ / "away", dir_ / "models");
    look();
    EXPECT_FALSE(store.has_changed());
    fs::rename(dir_ / "models/dog", dir_ / "dog");
    fs::create_symlink("dog", dir_ / "models/dog");  // a link to itself
    look();
    fs::remove(dir_ / "models/dog");
    EXPECT_TRUE(store.reload());
    EXPECT_THAT(names(store), ::testing::ElementsAre("cat"));
}

TEST_F(Store, ALoadingThatIsGivenUpLeavesWhatWasThere) {
    bool cancel = false;
    options_.progress = [&](const fs::path&, double) {
        if (cancel) throw LoadCancelled();
    };
    save("cat.flash", 1);
    ModelStore store(dir_, options_);
    store.load_first();
    const ServedModelPtr cat = store.find("cat");
    save("cat.flash", 2);
    cancel = true;
    EXPECT_THROW(store.reload(), LoadCancelled);
    EXPECT_EQ(store.find("cat"), cat);
    cancel = false;
    EXPECT_TRUE(store.reload());
    EXPECT_NE(store.find("cat"), cat);
}

TEST_F(Store, ModelsWhoseSessionsFindNoMemoryAreNotServed) {
    save("cat.flash", 1);
    model::save(flash::testing::single_convolution({2, 16, 16}, 32, {3, 3, 1, 1, 1, 1, 1, 1}, 2), dir_ / "dog.flash");
    ModelStore store(dir_, options_);
    store.load_first();
    const std::uint64_t cat = store.find("cat")->memory.server, dog = store.find("dog")->memory.server;
    ASSERT_GT(dog, cat);
    store.limit_sessions(dog);
    EXPECT_THAT(names(store), ::testing::ElementsAre("cat", "dog"));
    store.limit_sessions(cat);
    EXPECT_THAT(names(store), ::testing::ElementsAre("cat"));
    EXPECT_FALSE(store.has_changed());
    expect_refused("more than all sessions together may", [&] { store.limit_sessions(cat - 1); });
}

TEST_F(Store, WithoutAModelThereIsNoStart) {
    expect_refused("there is no model in", [&] { ModelStore(dir_, options_).load_first(); });
    EXPECT_THROW(ModelStore(dir_ / "absent.flash", options_).load_first(), Error);
    save("cat.flash", 1);
    options_.session_bytes = 1 << 20;
    expect_refused("more than all sessions together may",
                   [&] { ModelStore(dir_ / "cat.flash", options_).load_first(); });
}

}  // namespace
}  // namespace flash::service
