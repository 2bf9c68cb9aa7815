#include "base/json_text.h"

#include <gtest/gtest.h>

namespace flash {
namespace {

TEST(JsonText, NamesThatAreNotUtf8BecomeText) {
    const nlohmann::json json = {{"file", "b\xe4r.png"}};
    EXPECT_THROW(json.dump(), nlohmann::json::exception);
    EXPECT_EQ(json_text(json), "{\"file\":\"b\xef\xbf\xbdr.png\"}");
    EXPECT_EQ(json_text(nlohmann::ordered_json{{"b", 1}, {"a", 2}}, 1), "{\n \"b\": 1,\n \"a\": 2\n}");
}

}  // namespace
}  // namespace flash
