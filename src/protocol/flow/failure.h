// What a party tells its peer when something goes wrong.
#pragma once

#include <exception>
#include <string>

#include "base/error.h"
#include "base/profile.h"

namespace flash::protocol {

/// All that a peer may know of an internal error: its details may be secret.
constexpr const char* internal_error(Party party) {
    return party == Party::kClient ? "internal error of the client" : "internal error of the server";
}

/// The sentence for the exception that is being handled, to be called in a handler. Texts of Error contain no secret,
/// so the peer may read them, but for internal ones; anything else stays here.
inline std::string failure_sentence(Party party) {
    try {
        throw;
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::kInternal) return error.what();
    } catch (...) {  // details stay here
    }
    return internal_error(party);
}

}  // namespace flash::protocol
