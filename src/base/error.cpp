#include "base/error.h"

namespace flash {

const char* to_string(ErrorKind kind) {
    switch (kind) {
        case ErrorKind::kInvalidArgument: return "invalid-argument";
        case ErrorKind::kUnsupported: return "unsupported";
        case ErrorKind::kRange: return "range";
        case ErrorKind::kFile: return "file";
        case ErrorKind::kNetwork: return "network";
        case ErrorKind::kTimeout: return "timeout";
        case ErrorKind::kProtocol: return "protocol";
        case ErrorKind::kRemote: return "remote";
        case ErrorKind::kCancelled: return "cancelled";
        case ErrorKind::kInternal: return "internal";
    }
    return "unknown";
}

int exit_code(ErrorKind kind) {
    switch (kind) {
        case ErrorKind::kInvalidArgument: return 2;
        case ErrorKind::kUnsupported: return 3;
        case ErrorKind::kRange: return 4;
        case ErrorKind::kFile: return 5;
        case ErrorKind::kNetwork: return 6;
        case ErrorKind::kTimeout: return 7;
        case ErrorKind::kProtocol: return 8;
        case ErrorKind::kRemote: return 9;
        case ErrorKind::kCancelled: return 10;
        case ErrorKind::kInternal: return 70;
    }
    return 70;
}

}  // namespace flash
