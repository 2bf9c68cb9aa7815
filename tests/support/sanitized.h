// Whether the tests run under a sanitizer: slower by far, and freed memory stays.
#pragma once

namespace flash::testing {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace flash::testing
