// Names in a model's file: of the model, its layers and its classes.
#pragma once

#include <string>
#include <string_view>

namespace flash::model {

/// Why the file cannot hold the name; empty if it can. (Longer than kMaxNameBytes, or not UTF-8: protobuf writes such
/// text and refuses to read it again.)
std::string fault_of_name(std::string_view name);

/// Error(kInvalidArgument) with the fault, for names that come from a user; `what` says which one it is.
void check_name(std::string_view name, std::string_view what);

}  // namespace flash::model
