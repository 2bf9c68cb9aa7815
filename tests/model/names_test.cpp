#include "model/names.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "model/architecture.h"
#include "sample_model.h"

namespace flash::model {
namespace {

TEST(Names, AreUtf8OfBoundedLength) {
    for (const char* good : {"", "conv1", "b\xc3\xa4r", "\xe7\x8a\xac"}) EXPECT_EQ(fault_of_name(good), "") << good;
    EXPECT_EQ(fault_of_name(std::string(kMaxNameBytes, 'x')), "");
    EXPECT_EQ(fault_of_name(std::string(kMaxNameBytes + 1, 'x')), "it has 1025 bytes; at most 1024 are allowed");
    for (const char* bad : {"\xff", "b\xe4r", "\xc3", "\xed\xa0\x80", "\xc0\x80"})
        EXPECT_EQ(fault_of_name(bad), "it is not UTF-8") << bad;
    try {
        check_name("\xff", "the 2. line");
        ADD_FAILURE();
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument);
        EXPECT_STREQ(error.what(), "the 2. line cannot be a name: it is not UTF-8");
    }
}

TEST(Names, AModelWithOthersIsNotWritten) {
    // Protobuf would write such a file without an error, and no client could read it.
    const Model good = testing::sample_model();
    EXPECT_NO_THROW(validate(good));
    Model model = good;
    model.architecture.name = "\xff";
    EXPECT_THROW(validate(model), Error);
    model = good;
    model.architecture.layers[0].name = "\xff";
    EXPECT_THROW(validate(model), Error);
    model = good;
    model.architecture.classes.assign(static_cast<std::size_t>(model.architecture.output_shape().size()), "\xff");
    EXPECT_THROW(validate(model), Error);
}

}  // namespace
}  // namespace flash::model
