// Shared pieces of the transport tests.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "base/error.h"
#include "some_type.h"
#include "transport/channel.h"

namespace flash::transport::testing {

inline Message message(MessageType type, std::size_t bytes, std::uint32_t layer = 0, std::uint32_t index = 0) {
    Message m{type, layer, index, std::vector<std::uint8_t>(bytes), some_type::is_ahead(type)};
    for (std::size_t i = 0; i < bytes; ++i) m.payload[i] = static_cast<std::uint8_t>(i * 31 + index);
    return m;
}

/// What an Error said, to be handed between threads. (Copies of an exception share their text through a reference count
/// inside the standard library, which the thread sanitizer cannot see.)
struct Seen {
    explicit Seen(const Error& error) : kind(error.kind()), text(error.what()) {}
    ErrorKind kind;
    std::string text;
};

/// Runs `action` and checks that it throws Error of this kind whose sentence contains `part`.
inline void expect_error(ErrorKind kind, const std::string& part, const std::function<void()>& action) {
    try {
        action();
        ADD_FAILURE() << "no error; expected " << to_string(kind) << " with \"" << part << "\"";
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), kind) << error.what();
        EXPECT_THAT(error.what(), ::testing::HasSubstr(part));
    }
}

inline void expect_same(const Message& a, const Message& b) {
    EXPECT_EQ(a.type, b.type);
    EXPECT_EQ(a.layer, b.layer);
    EXPECT_EQ(a.index, b.index);
    EXPECT_EQ(a.payload, b.payload);
}

}  // namespace flash::transport::testing
