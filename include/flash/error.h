// Errors carry a kind (for exit codes and remote reports) and a sentence that says what was wrong and what to do.
// No error text ever contains secret data: shares, keys, seeds, weights or pixel values.
#pragma once

#include <stdexcept>
#include <string>

namespace flash {

enum class ErrorKind {
    kInvalidArgument,  ///< a caller or user gave something unusable (shape, type, option)
    kUnsupported,      ///< well-formed, but outside what Flash implements (e.g. a ReLU node)
    kRange,            ///< values do not fit: overflow of T/4, int8 or the noise budget
    kFile,             ///< a file is missing, corrupt, truncated, or cannot be written
    kNetwork,          ///< connection refused, lost, or TLS failure
    kTimeout,          ///< the peer did not answer within the time limit
    kProtocol,         ///< the peer sent something that the protocol does not allow here
    kRemote,           ///< the peer reported an error of its own
    kCancelled,        ///< the caller asked for it (std::stop_token)
    kInternal,         ///< a broken invariant of this program
};

/// Short stable word for JSON output and logs, e.g. "invalid-argument".
const char* to_string(ErrorKind kind);

/// The one exception type of Flash. (Besides std::bad_alloc where memory is short.)
class Error : public std::runtime_error {
public:
    Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
    ErrorKind kind() const { return kind_; }

private:
    ErrorKind kind_;
};

}  // namespace flash
