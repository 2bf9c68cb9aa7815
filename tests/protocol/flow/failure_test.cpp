#include "protocol/flow/failure.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace flash::protocol {
namespace {

template <class Exception>
std::string sentence_of(const Exception& exception, Party party) {
    try {
        throw exception;
    } catch (...) {
        return failure_sentence(party);
    }
}

TEST(Failure, ThePeerReadsWhatCannotBeSecret) {
    EXPECT_EQ(sentence_of(Error(ErrorKind::kProtocol, "too short"), Party::kClient), "too short");
    EXPECT_EQ(sentence_of(Error(ErrorKind::kInternal, "details"), Party::kClient), "internal error of the client");
    EXPECT_EQ(sentence_of(Error(ErrorKind::kInternal, "details"), Party::kServer), "internal error of the server");
    EXPECT_EQ(sentence_of(std::runtime_error("details"), Party::kServer), "internal error of the server");
    EXPECT_EQ(sentence_of(42, Party::kClient), "internal error of the client");
}

}  // namespace
}  // namespace flash::protocol
